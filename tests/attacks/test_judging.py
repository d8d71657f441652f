"""Attacks find what is there, nothing that is not, and their metrics equal independent implementations."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.special import expit
from scipy.stats import binom, norm, spearmanr, ttest_1samp
from sklearn.metrics import roc_auc_score, roc_curve

from qmis_utils import attacks, ensemble, indicators
from qmis_utils.attacks import judging


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
    assert attacks.auc(attacks.lira(signals, null), null).mean() == pytest.approx(0.5, abs=0.02)


def test_of_two_models_and_records_the_permuted_null_always_swaps_both():
    members = np.array([[True, False], [True, True]])
    for seed in range(20):
        assert np.array_equal(attacks.permuted(members, np.random.default_rng(seed)), members[::-1, ::-1])


def test_the_permuted_null_keeps_the_sizes_of_the_lists_and_the_counts_of_the_records():
    rng = np.random.default_rng(3)
    members = rng.random((9, 40)) < 0.5
    null = attacks.permuted(members, rng)
    assert sorted(null.sum(axis=1)) == sorted(members.sum(axis=1))
    assert sorted(null.sum(axis=0)) == sorted(members.sum(axis=0))


def test_attacks_with_few_shadows_are_not_off_by_themselves_under_the_permuted_null():
    # Dealt to other models only, RMIA has .512 here; dealt to other records only, the regression has .618.
    found = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        members = ensemble.random_halves(25, 100, rng)
        signals = rng.normal(size=members.shape) + 2.0 * members
        null = attacks.permuted(members, rng)
        losses = np.logaddexp(0, -rng.normal(size=(25, 50)))
        evidence = attacks.Evidence(members, signals, losses_out=losses).relabel(null)
        scores = [attacks.ATTACKS[name].run(evidence) for name in ("lira", "rmia")]
        scores.append(attacks.regress_membership(signals, null))
        found.append([attacks.auc(score, null).mean() for score in scores])
    for name, auc in zip(("lira", "rmia", "regression"), np.transpose(found), strict=True):
        _, low, high = attacks.mean_interval(auc, level=0.999)
        assert low < 0.5 < high, name
        assert high - low < 0.015, name


def test_shadows_are_enough_from_three_inside_and_three_outside_on():
    inside = np.arange(8)[:, None] < np.arange(9)  # record k has k models inside, of eight
    assert attacks.enough_shadows(inside).tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert attacks.enough_shadows(inside, 4).nonzero()[0].tolist() == [4]
    signals = np.random.default_rng(0).normal(size=(8, 9))
    assert np.isfinite(attacks.lira(signals[:, 3:6], inside[:, 3:6])).all()
    for record in (2, 6):
        with pytest.raises(ValueError, match="three IN and three OUT"):
            attacks.lira(signals[:, [record]], inside[:, [record]])


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
    assert attacks.advantage([[1.0, 0.0]], [[True, False]]) == [1.0]  # a score at the threshold is not above it
    many = np.arange(2000.0)[None]
    assert attacks.tpr_at_fpr(many, many > 999, 0.01) == 1.0
    assert attacks.tpr_at_fpr(many, many % 2 == 1, 0.01) == 0.011  # ten false positives of 1,000 beside eleven hits
    with pytest.raises(ValueError, match="needs at least 10000 non-member scores; got 1000"):
        attacks.tpr_at_fpr(many, many > 999, 0.001)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.data())
def test_clopper_pearson_leaves_half_the_error_in_either_tail(trials, data):
    successes = data.draw(st.integers(0, trials))
    value, low, high = attacks.clopper_pearson(successes, trials)
    assert value == successes / trials
    if successes > 0:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025, rel=1e-6)
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025, rel=1e-6)
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


def test_bootstrap_interval_has_the_width_theory_says():
    values = np.random.default_rng(0).normal(size=400)
    draws = attacks.bootstrap(values, np.random.default_rng(1), 4000)
    found = attacks.bootstrap_interval(values.mean(), draws)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)
    assert found.value == values.mean()
    assert found.draws is draws


def test_bootstrap_interval_takes_percentiles_of_every_column():
    draws = np.column_stack([np.arange(201.0), -np.arange(201.0)])
    value, low, high = attacks.bootstrap_interval([7.0, 8.0], draws)
    assert (list(value), low.tolist(), high.tolist()) == ([7.0, 8.0], [5.0, -195.0], [195.0, -5.0])


def test_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).normal(0.1, 0.2, 9)
    oracle = ttest_1samp(values, 0).confidence_interval(0.95)
    value, low, high = attacks.mean_interval(values)
    assert (value, low, high) == pytest.approx((values.mean(), oracle.low, oracle.high), rel=1e-12)


def test_interval_of_a_mean_over_mutual_shadows_is_wider_by_the_square_root_of_three():
    values = np.random.default_rng(0).normal(0.1, 0.2, 9)
    plain, mutual = attacks.mean_interval(values), attacks.mean_interval(values, mutual=True)
    assert mutual.high - mutual.value == pytest.approx(np.sqrt(3) * (plain.high - plain.value), rel=1e-12)
    assert mutual.value - mutual.low == pytest.approx(mutual.high - mutual.value, rel=1e-9)


def test_interval_of_a_mean_is_simultaneous_over_comparisons():
    values = np.random.default_rng(0).normal(0.1, 0.2, 9)
    oracle = ttest_1samp(values, 0).confidence_interval(1 - 0.05 / 12)
    value, low, high = attacks.mean_interval(values, comparisons=12)
    assert (value, low, high) == pytest.approx((values.mean(), oracle.low, oracle.high), rel=1e-12)


def test_interval_of_a_mean_ends_where_the_number_does():
    assert attacks.mean_interval([0.9, 1.0, 0.95], most=1).high == 1
    assert attacks.mean_interval([-0.9, -1.0, -0.95], most=1).low == -1
    value, low, high = attacks.mean_interval([0.5], most=1)
    assert value == 0.5
    assert np.isnan([low, high]).all()


ABOVE, BELOW, ACROSS = (0.5, 0.1, 0.9), (-0.5, -0.9, -0.1), (0.1, -0.2, 0.4)


@pytest.mark.parametrize(
    ("name", "found", "how", "word"),
    [
        ("above the bar", ABOVE, {}, "reproduced"),
        ("below the bar", BELOW, {}, "contradicted"),
        ("across the bar", ACROSS, {}, "undecided"),
        ("begins at the bar", (0.5, 0.0, 0.9), {}, "undecided"),
        ("ends at the bar", (-0.5, -0.9, 0.0), {}, "undecided"),
        ("below a higher bar", ABOVE, {"bar": 0.95}, "contradicted"),
        ("across a higher bar", ABOVE, {"bar": 0.5}, "undecided"),
        ("above a lower bar", ACROSS, {"bar": -0.25}, "reproduced"),
        ("above, within the margin", ABOVE, {"margin": 1.0}, "no difference that matters"),
        ("below, within the margin", BELOW, {"margin": 1.0}, "no difference that matters"),
        ("across, within the margin", ACROSS, {"margin": 0.5}, "no difference that matters"),
        ("reaches the margin above", ABOVE, {"margin": 0.9}, "reproduced"),
        ("reaches the margin below", BELOW, {"margin": 0.9}, "contradicted"),
        ("across, beyond the margin above", ACROSS, {"margin": 0.3}, "undecided"),
        ("across, beyond the margin below", (-0.1, -0.4, 0.2), {"margin": 0.3}, "undecided"),
        ("within the margin of a bar", (0.82, 0.78, 0.86), {"bar": 0.8, "margin": 0.1}, "no difference that matters"),
        ("above, not settled", ABOVE, {"settled": False}, "undecided"),
        ("below, not settled", BELOW, {"settled": False}, "undecided"),
        ("within the margin, not settled", ACROSS, {"margin": 0.5, "settled": False}, "undecided"),
        ("no interval", (0.5, np.nan, np.nan), {"margin": 1.0}, "undecided"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_verdict_is_where_the_interval_lies(name, found, how, word):
    row = attacks.verdict(name, found, **how)
    assert row["verdict"] == word
    assert word in attacks.VERDICTS
    estimate, low, high = found
    expected = {"claim": name, "estimate": estimate, "low": low, "high": high, "bar": how.get("bar", 0.0)}
    assert {key: row[key] for key in expected} == pytest.approx(expected, nan_ok=True)
    assert list(row) == ["claim", "verdict", "estimate", "low", "high", "bar"]


def test_the_verdict_counts_the_settings_above_the_bar():
    assert attacks.verdict("all", ABOVE, 0.3, each=[0.2, 0.3, 0.4, np.nan])["holds_in"] == "1 of 3"
    frame = pd.DataFrame([attacks.verdict("one", ABOVE, each=pd.Series([1.0, -1.0])), attacks.verdict("none", BELOW)])
    assert frame.holds_in[0] == "1 of 2"
    assert frame.holds_in.isna().tolist() == [False, True]


def test_the_front_equals_a_loop_over_rivals():
    rng = np.random.default_rng(0)
    useful, leaks = rng.integers(4, size=(2, 50, 6)).astype(float)  # ties are common
    found = attacks.on_front(useful, leaks)
    for u, leak, front in zip(useful, leaks, found, strict=True):
        rivals = [[j for j in range(6) if j != i and u[j] >= u[i] and leak[j] <= leak[i]] for i in range(6)]
        assert front.tolist() == [not better for better in rivals]
    assert attacks.on_front([1.0, 2.0, 0.5], [0.1, 0.3, 0.2]).tolist() == [True, True, False]


def test_rank_correlation_equals_scipy_on_every_draw():
    rng = np.random.default_rng(0)
    a, b = rng.integers(5, size=40), rng.normal(size=40)
    b = b + a
    found = attacks.rank_correlation(a, b, np.random.default_rng(1), draws=20)
    picks = np.random.default_rng(1).integers(40, size=(20, 40))
    assert found.value == pytest.approx(spearmanr(a, b).statistic, rel=1e-12)
    np.testing.assert_allclose(found.draws, [spearmanr(a[p], b[p]).statistic for p in picks], rtol=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(found.draws, [0.025, 0.975])))
    assert attacks.rank_correlation(np.ones(9), b[:9], rng, draws=3).value == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_resampled_tpr_equals_the_curve_of_the_repeated_targets(seed, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(levels, size=(5, 12)).astype(float)  # plenty of ties
    members = rng.permuted(np.tile(np.arange(12) < 5, (5, 1)), axis=1)
    picks, fpr = rng.integers(5, size=(6, 5)), np.array([0.01, 0.13, 0.5, 1.0])
    counts = [np.bincount(pick, minlength=5) for pick in picks]
    expected = [np.interp(fpr, *attacks.roc(scores[pick], members[pick])) for pick in picks]
    np.testing.assert_allclose(attacks.resampled_tpr(scores, members, fpr, counts), expected, atol=1e-12)


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


def test_rmia_of_models_that_all_agree_ties_in_favour_of_membership():
    members = np.arange(6)[:, None] % 2 == np.arange(8) % 2
    for p in (0.5, 0.0):  # a record that every model calls impossible is no NaN
        assert (attacks.rmia(np.full((6, 8), p), np.full((6, 5), p), members) == 1).all()
    assert (attacks.rmia(np.full((6, 8), 0.5), np.full((6, 5), 0.5), members, gamma=1.01) == 0).all()


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
        assert list(attacks.clopper_pearson(hits, 120))[1:] == pytest.approx(interval, rel=1e-10)


def test_survival_law_limits():
    assert indicators.survival_law(1.0, 0.8) == pytest.approx(0.8)
    assert indicators.survival_law(0.0, 0.8) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s, m: attacks.lira(s, m, "ofline"), "variant must be one of online"),
        (lambda s, m: attacks.lira(s[:, 1:], m), "must agree"),
        (lambda s, m: attacks.lira(s[:4], m[:4]), r"at least three IN .* larger n_models"),
        (lambda s, m: attacks.rmia(s, s, np.eye(*m.shape, dtype=bool)), "two IN and two OUT models"),
        (lambda s, m: attacks.rmia(s, s, ~np.eye(*m.shape, dtype=bool)), "two IN and two OUT models"),
        (lambda s, m: attacks.auc(s, np.ones_like(m)), "one non-member"),
        (lambda s, m: attacks.signal(s, m[0], "ranking"), "task must be"),
        (lambda s, m: attacks.clopper_pearson(5, 4), "successes <= trials"),
        (lambda s, m: attacks.verdict("sign leaks less", ABOVE, margin=-0.1), "margin must be a number >= 0, got -0.1"),
        (lambda s, m: attacks.verdict("sign leaks less", ABOVE, margin=np.nan), "margin must be a number >= 0"),
        (lambda s, m: attacks.advantage_held_out(s[:, 1:], m, False), "must agree"),
        (lambda s, m: attacks.advantage_held_out(s[:3], m[:3], False), "at least 4 models"),
        (lambda s, m: attacks.exposure(s[:2], m[:2]), "two IN and two OUT"),
        (lambda s, m: attacks.epsilon_lower_bound(5, 4, 0, 4), "successes <= trials"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call(*planted(0.0))


# ------------------------------------------------------------------------------- judging at thresholds fixed elsewhere


@pytest.mark.parametrize("audit", json.loads(Path(__file__).with_name("golden_families.json").read_text())["epsilon"])
def test_bounds_on_epsilon_equal_tensorflow_privacy(audit):
    """TensorFlow Privacy 0.8.12, `RatioBound` by Clopper-Pearson, the larger of TPR/FPR and TNR/FNR, to 1e-12."""
    assert attacks.epsilon_lower_bound(*audit[:4]) == pytest.approx(audit[4], rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_best_threshold_equals_brute_force(seed, levels):
    rng = np.random.default_rng(seed)
    scores, members = (
        rng.integers(levels, size=(3, 10)).astype(float),
        rng.permuted(np.tile(np.arange(10) < 5, (3, 1)), axis=1),
    )
    assume(len(np.unique(scores)) > 1)
    gain = {t: (scores > t)[members].mean() - (scores > t)[~members].mean() for t in np.unique(scores)[:-1] + 0.5}
    threshold = attacks.best_threshold(scores, members)
    assert (scores > threshold)[members].mean() - (scores > threshold)[~members].mean() == pytest.approx(
        max(gain.values())
    )


def test_the_best_threshold_lies_halfway_between_a_member_and_a_non_member():
    assert attacks.best_threshold(np.array([5.0, 4.0, 1.0]), np.array([True, True, False])) == 2.5
    assert attacks.best_threshold(np.array([5.0, 4.0, 1.0]), np.array([True, False, False])) == 4.5


def test_held_out_thresholds_come_from_the_other_half():
    rng = np.random.default_rng(0)
    members = ensemble.random_halves(20, 30, rng)
    scores = rng.normal(size=members.shape) + members
    result = attacks.advantage_held_out(scores, members, False)
    assert result.thresholds[0] == attacks.best_threshold(scores[10:], members[10:])
    assert result.thresholds[-1] == attacks.best_threshold(scores[:10], members[:10])
    first = scores[0] > result.thresholds[0]
    assert result.per_target[0] == pytest.approx(first[members[0]].mean() - first[~members[0]].mean())
    oracle = stats.ttest_1samp(result.per_target, 0).confidence_interval(0.95)
    assert (result.value, result.low, result.high) == pytest.approx((result.per_target.mean(), *oracle))
    strict = attacks.advantage_held_out(scores, members, False, comparisons=10)
    assert (strict.low, strict.high) == pytest.approx(
        stats.ttest_1samp(result.per_target, 0).confidence_interval(0.995)
    )
    fixed = attacks.advantage_held_out(scores, members, False, threshold=0.5)
    assert fixed.per_target == pytest.approx(attacks.advantage(scores, members, 0.5))


@pytest.mark.parametrize(
    ("name", "mutual", "low", "high"),
    [("lira_fixed", True, 0.93, 1), ("lira_fixed", False, 0, 0.9), ("loss", False, 0.9, 1)],
)
def test_targets_that_are_each_others_shadows_need_the_wider_interval(name, mutual, low, high):
    """200 draws on which nothing leaks: how often the 95 % interval covers 0."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(200):
        members = ensemble.random_halves(24, 40, rng)
        scores = attacks.ATTACKS[name].run(attacks.Evidence(members, rng.normal(size=members.shape)))
        result = attacks.advantage_held_out(scores, members, mutual)
        covered.append(result.low <= 0 <= result.high)
    assert low <= np.mean(covered) <= high


def binomial_grid(n, p, q):
    """Return all pairs of counts of two independent binomials and their probabilities."""
    k = np.arange(n + 1)
    weight = np.outer(stats.binom.pmf(k, n, p), stats.binom.pmf(k, n, q))
    return [(int(a), int(b), weight[a, b]) for a in k for b in k]


@pytest.fixture
def quick(monkeypatch):
    """Let each of the few counts of a grid have its interval once, not once a cell."""
    monkeypatch.setattr(judging, "clopper_pearson", functools.cache(judging.clopper_pearson))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.8, 0.3), (1.0, 0.05)])
def test_the_exact_interval_covers_the_advantage(p, q):
    kept = [(attacks.advantage_exact(a, 12, b, 12), weight) for a, b, weight in binomial_grid(12, p, q)]
    assert sum(weight for (_, low, high), weight in kept if low <= p - q <= high) >= 0.95
    assert attacks.advantage_exact(9, 12, 3, 12).value == pytest.approx(0.5)
    assert attacks.advantage_exact(9, 12, 3, 12, comparisons=9).low < attacks.advantage_exact(9, 12, 3, 12).low


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.0), (1.0, 0.0), (1.0, 0.05), (3.0, 0.1)])
def test_the_bound_on_epsilon_holds_for_the_worst_private_mechanism(epsilon, delta):
    """Randomised response with a share delta of exposed answers: the sharpest audit an (epsilon, delta) one allows."""
    odds = np.exp(epsilon) / (1 + np.exp(epsilon))
    tpr, fpr = delta + (1 - delta) * odds, (1 - delta) * (1 - odds)
    kept = [(attacks.epsilon_lower_bound(a, 30, b, 30, delta), weight) for a, b, weight in binomial_grid(30, tpr, fpr)]
    assert sum(weight for bound, weight in kept if bound <= epsilon) >= 0.95


def test_the_bound_on_epsilon_by_hand():
    tail = 0.025 ** (1 / 100)  # Clopper-Pearson of 100 in 100, and of 0 in 100 its complement
    assert attacks.epsilon_lower_bound(100, 100, 0, 100) == pytest.approx(np.log(tail / (1 - tail)))
    assert attacks.epsilon_lower_bound(100, 100, 0, 100, delta=0.1) == pytest.approx(np.log((tail - 0.1) / (1 - tail)))
    assert attacks.epsilon_lower_bound(50, 100, 50, 100) == 0.0


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0, 6.0])
def test_exposure_covers_the_squared_distance(distance):
    rng = np.random.default_rng(0)
    members = ensemble.random_halves(64, 4000, rng)
    signals = rng.normal(size=members.shape) * np.where(members, 1.4, 0.2) + distance * members
    value, low, high = attacks.exposure(signals, members)
    covered = (low <= distance**2) & (distance**2 <= high)
    assert 0.94 < covered.mean() < 0.98  # more than 0.95 near 0, where an interval of the wrong sign covers as well
    assert np.median(value) == pytest.approx(distance**2, abs=0.05 + 0.05 * distance**2)
    everywhere = attacks.exposure(signals[:, :200], members[:, :200], comparisons=200)
    assert ((everywhere.low <= distance**2) & (distance**2 <= everywhere.high)).all()


def test_exposure_by_hand_and_of_constant_signals():
    members = np.array([[1, 1, 0, 0]], bool).T
    value, low, high = attacks.exposure(np.array([[3.0, 5.0, 0.0, 2.0]]).T, members)  # 4 against 1, variances 2
    reach = stats.t.ppf(0.975, 2) * np.sqrt((2 / 2 + 2 / 2) / 2 + 4.5 / (2 * 2))
    assert (value[0], low[0], high[0]) == pytest.approx((4.5, 0.0, (np.sqrt(4.5) + reach) ** 2))
    assert attacks.exposure(np.array([[0.0, 2.0, 3.0, 5.0]]).T, members).value == pytest.approx(4.5)  # either direction
    assert np.isfinite([*attacks.exposure(np.ones((4, 1)), members)]).all()


def test_gain_at_equal_leak_by_hand_and_by_linear_programming():
    """A draw of lots is a linear programme: the most mean utility at no more mean leakage."""
    useful, leaks = np.array([0.9, 0.8, 0.65, 0.6, 0.9]), np.array([0.7, 0.6, 0.55, 0.6, 0.71])
    found = attacks.gain_at_equal_leak(useful, leaks)
    assert found[0] == pytest.approx(0.9 - (0.8 + (0.9 - 0.8) * 10 / 11))
    assert found[3] == pytest.approx(0.6 - 0.8)  # another leaks as much and is more useful
    assert found[4] == pytest.approx(0.0)  # as useful as one that leaks less
    rng = np.random.default_rng(0)
    useful, leaks = rng.uniform(0.4, 1, (6, 5)), rng.uniform(0.4, 1, (6, 5))
    found = attacks.gain_at_equal_leak(useful, leaks, (0.45, 0.5))
    for row, (u, x) in enumerate(zip(useful, leaks, strict=True)):
        for q in range(5):
            others = np.append(np.delete(u, q), 0.45), np.append(np.delete(x, q), 0.5)
            at = {"A_ub": [others[1]], "b_ub": [max(x[q], 0.5)], "A_eq": [np.ones(5)], "b_eq": [1]}
            assert found[row, q] == pytest.approx(u[q] + optimize.linprog(-others[0], **at).fun)


def test_record_exposure_by_hand():
    """Rates counted by hand; their interval as Newcombe (1998, table II, method 10) prints it for 56/70 - 48/80."""
    scores = np.array([[3.0, 1.0], [0.0, -1.0], [2.0, 1.0], [-1.0, -2.0]])
    members = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
    found = attacks.record_exposure(scores, members)
    assert found.exposure.tolist() == [0.5 - 0.5, 0.0 - 1.0]  # a score at the threshold is none above it
    assert found[["tpr", "fpr", "n_in", "n_out"]].to_numpy().tolist() == [[0.5, 0.5, 2, 2], [0.0, 1.0, 2, 2]]
    assert attacks.record_exposure(scores, members, threshold=-1.5).exposure.tolist() == [0.0, 0.5 - 1.0]
    inside = np.arange(150) < 70
    above = np.where(inside, np.arange(150) < 56, np.arange(150) < 70 + 48)
    one = attacks.record_exposure(above[:, None] - 0.5, inside[:, None]).iloc[0]
    assert one[["exposure", "low", "high"]].tolist() == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)
    wider = attacks.record_exposure(above[:, None] - 0.5, inside[:, None], level=0.99).iloc[0]
    assert wider.low < one.low < one.high < wider.high
    with pytest.raises(ValueError, match="at least one IN and one OUT model"):
        attacks.record_exposure(scores, np.ones((4, 2), bool))


@pytest.mark.parametrize(("n_in", "n_out", "worst"), [(4, 4, 0.87), (12, 13, 0.88), (32, 32, 0.93)])
def test_the_interval_of_a_record_exposure_covers_it(n_in, n_out, worst):
    """Exact coverage from the binomial probabilities of all pairs of counts, over a grid of both rates."""
    counts = np.array([(a, b) for a in range(n_in + 1) for b in range(n_out + 1)])
    members = np.arange(n_in + n_out)[:, None] < np.full(len(counts), n_in)
    place = np.arange(n_in + n_out)[:, None]
    above = np.where(members, place < counts[:, 0], place < n_in + counts[:, 1])
    low, high = attacks.record_exposure(above - 0.5, members)[["low", "high"]].to_numpy().T
    covered = []
    for p, q in np.ndindex(21, 21):
        weight = binom.pmf(counts[:, 0], n_in, p / 20) * binom.pmf(counts[:, 1], n_out, q / 20)
        covered.append(weight[(low <= (p - q) / 20 + 1e-12) & ((p - q) / 20 - 1e-12 <= high)].sum())
    assert min(covered) > worst
    assert 0.95 < np.mean(covered) < 0.96


@pytest.mark.parametrize(("distance", "least"), [(0.0, 0.78), (1.0, 0.93)])
def test_record_exposure_of_targets_that_are_each_others_shadows(distance, least):
    """Equal Gaussians d' apart: the advantage is 2 Phi(d'/2) - 1, and leave-one-out scores come within sight of it."""
    rng = np.random.default_rng(0)
    members = ensemble.random_halves(64, 3000, rng)
    scores = attacks.lira(rng.normal(size=members.shape) + distance * members, members, "online_fixed")
    found, truth = attacks.record_exposure(scores, members), 2 * norm.cdf(distance / 2) - 1
    assert found.exposure.mean() == pytest.approx(truth, abs=0.015)
    assert ((found.low <= truth) & (truth <= found.high)).mean() > least
    assert (found.low > truth).mean() < 0.07


def test_stability_by_hand():
    found = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
    share, overlap, chance = attacks.stability(found)
    assert share.value.tolist() == [1.0, 0.5, 0.5, 0.0]
    assert [end[0] for end in share] == [*attacks.clopper_pearson(2, 2)]
    assert (overlap, chance) == pytest.approx((1 / 3, 1 / 3))  # 2 of 4 each: one in common by chance, of three
    assert attacks.stability(np.tile(found[:1], (3, 1)))[1] == 1.0


def test_a_threshold_next_to_infinity_separates_what_it_should():
    inf = np.inf
    for scores, members in [([inf, inf, 1.0, 0.0], [1, 1, 0, 0]), ([2.0, 1.0, -inf, -inf], [1, 1, 0, 0])]:
        found = attacks.best_threshold(scores, members)
        assert not np.isnan(found)
        assert (np.array(scores) > found).tolist() == [True, True, False, False]
    assert attacks.best_threshold([0.0, 0.0], [1, 0]) == 0
    x, y = attacks.roc([[-inf, -inf, 1.0, -inf]], [[1, 0, 1, 0]])  # three equal scores are one point
    assert (x.tolist(), y.tolist()) == ([0, 0, 1], [0, 0.5, 1])
