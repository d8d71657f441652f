"""Attacks find what is there, nothing that is not, and their metrics equal independent implementations."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score, roc_curve

from qmis_utils import attacks, indicators


def planted(shift, models=64, records=60, seed=0):
    """Signals N(record mean, 1), shifted for members."""
    rng = np.random.default_rng(seed)
    members = rng.random((models, records)) < 0.5
    return rng.normal(size=(models, records)) + shift * members + 5 * rng.normal(size=records), members


def naive_lira(signals, members, target, variant):
    """Write LiRA as the paper does: drop the target, fit a Gaussian to each record's IN and OUT signals."""
    others, records = np.arange(len(signals)) != target, range(signals.shape[1])

    def fits(inside):
        groups = [signals[others & (members[:, record] == inside), record] for record in records]
        pooled = sum(np.square(g - g.mean()).sum() for g in groups) / sum(len(g) - 1 for g in groups)
        spreads = [np.sqrt(pooled) if variant.endswith("_fixed") else g.std(ddof=1) for g in groups]
        return [norm(g.mean(), spread) for g, spread in zip(groups, spreads, strict=True)]

    if variant.startswith("offline"):
        return np.array([out.cdf(s) for s, out in zip(signals[target], fits(False), strict=True)])
    pairs = zip(signals[target], fits(True), fits(False), strict=True)
    return np.array([inside.logpdf(s) - out.logpdf(s) for s, inside, out in pairs])


@pytest.mark.parametrize("variant", attacks.VARIANTS)
def test_lira_equals_the_textbook_loop(variant):
    signals, members = planted(1.0)
    scores = attacks.lira(signals, members, variant)
    for target in (0, 17, 63):
        np.testing.assert_allclose(scores[target], naive_lira(signals, members, target, variant), atol=1e-9)


def test_offline_lira_is_one_sided():
    signals, members = planted(1.0)
    scores = attacks.lira(signals, members, "offline")
    outside = signals[1:, 0][~members[1:, 0]]
    assert scores[0, 0] == pytest.approx(norm.cdf(signals[0, 0], outside.mean(), outside.std(ddof=1)))
    assert attacks.auc(scores, members).mean() > 0.7


@pytest.mark.parametrize("variant", attacks.VARIANTS)
def test_power_approaches_the_optimal_attack(variant):
    signals, members = planted(1.0, models=400)
    measured = attacks.auc(attacks.lira(signals, members, variant), members).mean()
    assert measured == pytest.approx(indicators.gaussian_auc(1.0), abs=0.015)


@pytest.mark.parametrize("variant", attacks.VARIANTS)
def test_no_attack_beats_a_coin_where_nothing_leaks(variant):
    signals, members = planted(0.0, models=200)
    per_target = attacks.auc(attacks.lira(signals, members, variant), members)
    assert abs(per_target.mean() - 0.5) < 4 * per_target.std() / np.sqrt(len(per_target))


def test_the_permuted_null_removes_the_leak():
    signals, members = planted(2.0, models=200)
    null = attacks.permuted(members, np.random.default_rng(0))
    assert not (null == members).all(axis=1).any()
    assert attacks.auc(attacks.lira(signals, null), null).mean() == pytest.approx(0.5, abs=0.02)


def test_equal_signals_give_equal_scores():
    _, members = planted(0.0)
    for variant in attacks.VARIANTS:
        scores = attacks.lira(np.ones(members.shape), members, variant)
        assert np.isfinite(scores).all()
        assert attacks.auc(scores, members) == pytest.approx(np.full(64, 0.5), abs=1e-12)


def test_other_shadows_can_calibrate():
    signals, members = planted(1.0)
    assert np.array_equal(attacks.lira(signals, members, shadows=signals), attacks.lira(signals, members))
    assert not np.array_equal(attacks.lira(signals, members, shadows=signals + members), attacks.lira(signals, members))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_auc_and_roc_equal_scikit_learn(seed, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=(3, 30)).astype(float)  # plenty of ties
    members = rng.permuted(np.tile(np.arange(30) < 12, (3, 1)), axis=1)
    np.testing.assert_allclose(
        attacks.auc(scores, members), [roc_auc_score(m, s) for m, s in zip(members, scores, strict=True)]
    )
    fpr, tpr, _ = roc_curve(members.ravel(), scores.ravel(), drop_intermediate=False)
    np.testing.assert_allclose(attacks.roc(scores, members), (fpr, tpr))


def test_advantage_and_tpr_by_hand():
    scores, members = np.array([[3.0, 1.0, -1.0, -2.0]]), np.array([[True, False, True, False]])
    assert attacks.advantage(scores, members) == pytest.approx([0.0])
    assert attacks.advantage(scores, members, threshold=2.0) == pytest.approx([0.5])
    many = np.arange(2000.0)[None]
    assert attacks.tpr_at_fpr(many, many > 999, 0.01) == 1.0
    with pytest.raises(ValueError, match="needs at least 10000 non-member scores; got 1000"):
        attacks.tpr_at_fpr(many, many > 999, 0.001)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.data())
def test_clopper_pearson_equals_scipy(trials, data):
    successes = data.draw(st.integers(0, trials))
    oracle = binomtest(successes, trials).proportion_ci(method="exact")
    assert attacks.clopper_pearson(successes, trials) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_bootstrap_interval_has_the_width_theory_says():
    values = np.random.default_rng(0).normal(size=400)
    low, high = attacks.interval(attacks.bootstrap(values, np.random.default_rng(1), 4000))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)


def test_signals_by_hand():
    z = np.array([[2.0, -1.0]])
    assert attacks.signal(z, [1, 1], "binary").tolist() == [[2.0, -1.0]]
    assert attacks.signal(z, [0, 1], "binary").tolist() == [[-2.0, -1.0]]
    assert attacks.signal(z, [0.5, 0.5], "regression").tolist() == [[1.5, -1.5]]
    two = np.array([[[0.0, 2.0], [1.0, 1.0]]])  # two classes: the log-odds equal the binary logit
    assert attacks.signal(two, np.array([1, 0]), "multiclass") == pytest.approx(np.array([[2.0, 0.0]]))


def naive_rmia(likelihood, population, members, target, gamma):
    """Write RMIA as the paper does: ratios of likelihoods over pairs (x, z)."""
    others = np.arange(len(likelihood)) != target
    scores = []
    for record in range(likelihood.shape[1]):
        column, inside = likelihood[others, record], members[others, record]
        ratio = likelihood[target, record] / ((column[inside].mean() + column[~inside].mean()) / 2)
        pairs = ratio / (population[target] / population[others].mean(axis=0))
        scores.append((pairs >= gamma).mean())
    return np.array(scores)


def test_rmia_equals_the_textbook_loop_and_finds_members():
    signals, members = planted(1.0)
    population = 1 / (1 + np.exp(-np.random.default_rng(3).normal(size=(64, 40))))
    likelihood = 1 / (1 + np.exp(-signals))
    for gamma in (1.0, 2.0):
        scores = attacks.rmia(likelihood, population, members, gamma)
        np.testing.assert_allclose(scores[5], naive_rmia(likelihood, population, members, 5, gamma), atol=1e-12)
    assert attacks.auc(attacks.rmia(likelihood, population, members), members).mean() > 0.6


# Of `golden_scores.csv`, by scikit-learn: AUC of each target (in 1/144, the pairs of a member and a non-member) and
# members of 120 that a threshold with 12 of 120 false positives finds; for log ratios also what the threshold 0 gives.
GOLDEN = {
    "lira_online": ([104, 93, 82, 102, 101, 95, 98, 91, 101, 99], 24),
    "lira_online_fixed": ([110, 94, 100, 114, 114, 114, 105, 105, 104, 112], 43),
    "lira_offline": ([120, 88, 81, 116, 120, 111, 112, 112, 112, 89], 38),
    "lira_offline_fixed": ([128, 96, 90, 109, 119, 100, 106, 111, 114, 96], 42),
    "rmia": ([133, 101, 90.5, 120.5, 105.5, 114, 83, 114, 126, 98.5], 50),
}
GOLDEN_AT_ZERO = {  # adjusted balanced accuracy (in 1/12), true positives of 120, their Clopper-Pearson interval
    "lira_online": ([5, 2, 0, 0, 2, 3, 4, 2, 2, 3], 74, (0.5235027938116094, 0.7039281144185513)),
    "lira_online_fixed": ([5, 4, 5, 4, 4, 8, 5, 4, 3, 4], 88, (0.6448859874929811, 0.8099109272179073)),
}


@pytest.fixture(scope="module")
def golden():
    """Read 10 models x 24 pool records (and 6 of a population, without membership or scores): column -> (10, 30)."""
    frame = pd.read_csv(Path(__file__).with_name("golden_scores.csv"))
    columns = frame.columns.drop(["model", "record"])
    return {name: frame.pivot(index="model", columns="record", values=name).to_numpy() for name in columns}


@pytest.mark.parametrize("attack", GOLDEN)
def test_golden_scores(golden, attack):
    """Compare with scores that other implementations gave.

    Online LiRA: `compute_score_lira` of TensorFlow Privacy 0.8.12, with means, and the standard deviation that it takes
    from numpy made the unbiased one (Carlini et al. 2022, algorithm 1, says only "var"). Offline LiRA:
    scipy.stats.norm.cdf, record by record. RMIA: the paper's equation 4 as a loop over pairs. The loops of this file,
    written from the papers, must give the same numbers.
    """
    members, signals, likelihood = golden["member"][:, :24] == 1, golden["signal"][:, :24], expit(golden["signal"])
    pool, population, variant = likelihood[:, :24], likelihood[:, 24:], attack.removeprefix("lira_")
    if attack == "rmia":
        ours = attacks.rmia(pool, population, members)
        loop = [naive_rmia(pool, population, members, target, 1.0) for target in range(10)]
    else:
        ours = attacks.lira(signals, members, variant)
        loop = [naive_lira(signals, members, target, variant) for target in range(10)]
    np.testing.assert_allclose(ours, golden[attack][:, :24], rtol=1e-7)
    np.testing.assert_allclose(loop, golden[attack][:, :24], rtol=1e-8)


@pytest.mark.parametrize("attack", GOLDEN)
def test_golden_metrics(golden, attack):
    """Compare with roc_auc_score, roc_curve and balanced_accuracy_score of scikit-learn and with scipy's binomtest."""
    scores, members = golden[attack][:, :24], golden["member"][:, :24] == 1
    areas, found = GOLDEN[attack]
    assert attacks.auc(scores, members) * 144 == pytest.approx(areas, rel=1e-12)
    assert attacks.tpr_at_fpr(scores, members, 0.1) == found / 120
    if attack in GOLDEN_AT_ZERO:
        gains, hits, interval = GOLDEN_AT_ZERO[attack]
        assert attacks.advantage(scores, members) * 12 == pytest.approx(gains, abs=1e-12)
        assert ((scores > 0) & members).sum() == hits
        assert attacks.clopper_pearson(hits, 120) == pytest.approx(interval, rel=1e-12)


def test_survival_law_limits():
    assert indicators.survival_law(1.0, 0.8) == pytest.approx(0.8)
    assert indicators.survival_law(0.0, 0.8) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s, m: attacks.lira(s, m, "ofline"), "variant must be one of online"),
        (lambda s, m: attacks.lira(s[:, 1:], m), "must agree"),
        (lambda s, m: attacks.lira(s[:4], m[:4]), r"at least three IN .* larger n_models"),
        (lambda s, m: attacks.auc(s, np.ones_like(m)), "one non-member"),
        (lambda s, m: attacks.signal(s, m[0], "ranking"), "task must be"),
        (lambda s, m: attacks.clopper_pearson(5, 4), "successes <= trials"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call(*planted(0.0))
