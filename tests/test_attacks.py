"""Attacks find what is there, nothing that is not, and their metrics equal independent implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score, roc_curve

from qmis_utils import attacks


def planted(shift, models=64, records=60, seed=0):
    """Signals N(record mean, 1), shifted for members."""
    rng = np.random.default_rng(seed)
    members = rng.random((models, records)) < 0.5
    return rng.normal(size=(models, records)) + shift * members + 5 * rng.normal(size=records), members


def naive_online(signals, members, target):
    """Write LiRA as the paper does: drop the target, fit two Gaussians per record."""
    others = np.arange(len(signals)) != target
    scores = []
    for record in range(signals.shape[1]):
        inside = signals[others & members[:, record], record]
        outside = signals[others & ~members[:, record], record]
        s = signals[target, record]
        scores.append(
            norm.logpdf(s, inside.mean(), inside.std(ddof=1)) - norm.logpdf(s, outside.mean(), outside.std(ddof=1))
        )
    return np.array(scores)


def test_online_lira_equals_the_textbook_loop():
    signals, members = planted(1.0)
    scores = attacks.lira(signals, members)
    for target in (0, 17, 63):
        np.testing.assert_allclose(scores[target], naive_online(signals, members, target), atol=1e-9)


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
    assert measured == pytest.approx(attacks.gaussian_auc(1.0), abs=0.015)


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


def planted_weights(shift, models=120, records=30, size=80, seed=0):
    """Weights that move along each member's own direction."""
    rng = np.random.default_rng(seed)
    members, directions = rng.random((models, records)) < 0.5, rng.normal(size=(records, size))
    return shift * members @ directions + rng.normal(size=(models, size)), members, directions


def test_weight_regression_is_a_true_leave_one_out():
    from sklearn.linear_model import Ridge

    weights, members, _ = planted_weights(0.2)
    scores = attacks.weight_regression(weights, members, penalties=(1.0,))
    centred = weights - weights.mean(axis=0)
    penalty = np.trace(centred @ centred.T) / len(weights)
    keep = np.arange(len(weights)) != 7
    oracle = Ridge(penalty).fit(centred[keep], members[keep] * 2.0 - 1).predict(centred[7:8])[0]
    # the oracle refits its intercept, ours keeps the columns centred on all models: equal up to O(1 / M)
    assert scores[7] == pytest.approx(oracle, abs=0.03)


def test_white_box_attacks_find_members_and_nothing_else():
    weights, members, directions = planted_weights(0.2)
    null = attacks.permuted(members, np.random.default_rng(0))
    assert attacks.auc(attacks.weight_regression(weights, members), members).mean() > 0.7
    assert attacks.auc(attacks.weight_regression(weights, null), null).mean() == pytest.approx(0.5, abs=0.03)
    assert attacks.auc(attacks.influence_score(weights, -directions), members).mean() > 0.7
    assert attacks.auc(attacks.influence_score(weights, -directions), null).mean() == pytest.approx(0.5, abs=0.03)
    constant = np.ones_like(weights)  # a broken model
    assert np.isfinite(attacks.weight_regression(constant, members)).all()
    assert np.isfinite(attacks.influence_score(constant, directions)).all()


def test_survival_law_limits():
    assert attacks.survival_law(1.0, 0.8) == pytest.approx(0.8)
    assert attacks.survival_law(0.0, 0.8) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda s, m: attacks.lira(s, m, "ofline"), "variant must be one of online"),
        (lambda s, m: attacks.lira(s[:, 1:], m), "must agree"),
        (lambda s, m: attacks.lira(s[:4], m[:4]), "at least three IN"),
        (lambda s, m: attacks.auc(s, np.ones_like(m)), "one non-member"),
        (lambda s, m: attacks.signal(s, m[0], "ranking"), "task must be"),
        (lambda s, m: attacks.clopper_pearson(5, 4), "successes <= trials"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call(*planted(0.0))
