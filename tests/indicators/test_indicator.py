"""The indicator recovers known rates and known correlations, with intervals that cover."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from qmis_utils import indicators
from qmis_utils.ensemble import Ensemble
from qmis_utils.theory import information
from qmis_utils.theory.numerics import Interval


def planted_losses(gaps, m=20_000, spread=1.0, seed=0):
    """Losses whose gap to codeword 0 has a known mean and variance 2 spread^2 between any two codewords."""
    rng = np.random.default_rng(seed)
    return np.asarray(gaps)[:, None] + spread * rng.normal(size=(len(gaps), m)) + 3 * rng.normal(size=m)


def test_min_and_median_recover_known_rates():
    gaps = np.array([0.0, 0.2, 0.4, 0.8])
    losses = planted_losses(gaps, m=200_000)
    truth = gaps[1:] ** 2 / 4
    assert indicators.estimate_rate(losses, "min", draws=1).value == pytest.approx(truth.min(), rel=0.06)
    assert indicators.estimate_rate(losses, "median", draws=1).value == pytest.approx(np.median(truth), rel=0.04)


def test_all_pairs_equals_the_definition():
    losses = planted_losses([0.0, 0.3, 0.5], m=500)
    pairs = [(0, 1), (0, 2), (1, 2)]
    gaps = [losses[k] - losses[j] for j, k in pairs]
    definition = np.mean([(g.mean() ** 2 / g.var(ddof=1) - 1 / 500) / 2 for g in gaps])
    assert indicators.estimate_rate(losses).value == pytest.approx(definition, rel=1e-9)


def test_all_pairs_is_centred_at_zero_on_pure_noise():
    values = [indicators.estimate_rate(planted_losses(np.zeros(6), m=200, seed=s), draws=1).value for s in range(200)]
    floor = 1 / 400
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert np.std(values) < floor  # without the correction the mean would be the floor
    assert indicators.estimate_rate(planted_losses(np.zeros(3), m=200)).noise_floor == pytest.approx(floor)


def test_cramer_equals_gaussian_for_gaussian_gaps():
    losses = planted_losses([0.0, 0.3, 0.6], m=20_000)
    for aggregation in ("min", "median"):
        cramer = indicators.cramer_estimates(losses, draws=2)[aggregation].value
        assert cramer == pytest.approx(indicators.estimate_rate(losses, aggregation).value, rel=0.08)


def test_cramer_aggregations_share_their_rates_and_have_honest_draws():
    losses = planted_losses([0.0, 0.3, 0.4, 0.6], m=300)
    both = indicators.cramer_estimates(losses, draws=40, seed=3)
    for aggregation, found in both.items():
        assert found.noise_floor == 1 / 600
        assert found.low <= found.value <= found.high
        gaussian = indicators.estimate_rate(losses, aggregation, draws=40, seed=3)  # the same draws, models too
        assert np.corrcoef(found.draws, gaussian.draws)[0, 1] > 0.95
    assert both["min"].value < both["median"].value
    alike = indicators.cramer_estimates(np.tile(losses[:1], (2, 1)), draws=20)["min"]
    assert alike.value == np.inf
    assert np.isnan(alike.draws).any()  # draws of one codeword alone say nothing


def test_equal_codewords_are_one_and_leak_nothing():
    losses = np.tile(planted_losses([0.0], m=100), (4, 1))
    for aggregation in indicators.AGGREGATIONS:
        assert indicators.estimate_rate(losses, aggregation).value == np.inf
    with_copy = np.vstack([losses[:1], losses[:1], planted_losses([1.0], m=100, seed=1)])
    assert np.isfinite(indicators.estimate_rate(with_copy, "min").value)
    apart = indicators.estimate_rate(with_copy[1:], "min").value
    rounded = with_copy + 1e-14 * np.random.default_rng(2).normal(size=with_copy.shape)  # the copy but for rounding
    assert indicators.estimate_rate(rounded, "min").value == pytest.approx(apart, rel=1e-6)


def correlated(rho, models=16, inputs=3000, seed=0):
    """Deviations with a known correlation around means that differ between inputs."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(models, inputs))
    q = rho * f + np.sqrt(1 - rho**2) * rng.normal(size=(models, inputs))
    return q + 7 * rng.normal(size=inputs), f + 7 * rng.normal(size=inputs)


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.9])
def test_survival_recovers_a_known_correlation(rho):
    e = indicators.survival_rho(*correlated(rho))
    assert e.value == pytest.approx(rho, abs=0.02)
    assert e.low <= e.value <= e.high


def test_survival_interval_covers():
    covered = sum(
        e.low <= 0.6 <= e.high
        for e in (indicators.survival_rho(*correlated(0.6, inputs=200, seed=s)) for s in range(100))
    )
    assert covered >= 85


def test_survival_limits_and_classes():
    q, f = correlated(0.5)
    assert indicators.survival_rho(f, f).value == pytest.approx(1)
    assert indicators.survival_rho(3 * f + 1, f).value == pytest.approx(1)
    assert indicators.survival_rho(np.ones_like(f), f).value == 0  # a constant model carries nothing
    definition = np.corrcoef((q - q.mean(0)).ravel(), (f - f.mean(0)).ravel())[0, 1]
    assert indicators.survival_rho(q, f).value == pytest.approx(definition, abs=1e-9)
    # adding one number to all logits of an input changes no prediction, and no correlation
    three = np.random.default_rng(0).normal(size=(5, 40, 3))
    moved = three + np.random.default_rng(1).normal(size=(5, 40, 1))
    assert indicators.survival_rho(moved, three).value == pytest.approx(1)


def test_pc1_removes_a_shared_mode():
    q, f = correlated(0.3)
    common = np.random.default_rng(5).normal(size=(16, 1)) * 40 * np.random.default_rng(6).normal(size=3000)
    assert indicators.survival_rho(q + common, f + common).value > 0.99
    assert indicators.survival_rho(q + common, f + common, "rho_pc1").value == pytest.approx(0.3, abs=0.03)


def test_shape_ignores_offset_and_gain():
    q, f = correlated(0.3)
    rng = np.random.default_rng(5)
    gain, offset = 1 + 5 * rng.normal(size=(16, 1)), 40 * rng.normal(size=(16, 1))
    mean = f.mean(axis=0)
    moved = indicators.survival_rho(q + gain * mean + offset, f + gain * mean + offset, "rho_shape").value
    assert moved == pytest.approx(0.3, abs=0.03)
    three = rng.normal(size=(8, 60, 3))  # offsets of every class
    shifted = three + 30 * rng.normal(size=(8, 1, 3))
    assert indicators.survival_rho(shifted, three, "rho_shape").value == pytest.approx(1)
    assert indicators.survival_rho(shifted, three).value < 0.5


def test_surviving_share_limits():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(16, 400))  # centred weights: the sign keeps 2 / pi of the information
    assert indicators.surviving_share(np.sign(w), w).mean() == pytest.approx(2 / np.pi, abs=0.06)
    assert indicators.surviving_share(w, w).mean() == pytest.approx(1, abs=0.05)
    assert (indicators.surviving_share(np.zeros_like(w), w) == 0).all()
    far = w + 50  # no cell edge within reach
    assert (indicators.surviving_share(np.sign(far), far) == 0).all()
    step = 0.5 * np.rint(w / 0.5)
    known = np.mean(
        information.surviving_information(np.r_[-np.inf, np.arange(-20, 20) * 0.5 + 0.25, np.inf], w.mean(0), w.std(0))
    )
    assert indicators.surviving_share(step, w).mean() == pytest.approx(known, abs=0.02)


def test_simulation_law_degrades_to_the_stated_correlation():
    rng = np.random.default_rng(0)
    s = rng.normal(size=(200, 500))
    assert np.corrcoef(indicators.simulated_signals(s, 0.4, 1.0, rng).ravel(), s.ravel())[0, 1] == pytest.approx(
        0.4, abs=0.01
    )
    assert np.array_equal(indicators.simulated_signals(s, 1.0, 1.0, rng), s)


def test_function_error_forgives_a_gain_of_each_model_and_has_an_interval():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(3, 400, 2))
    gain = np.array([2.0, -1.0, 0.5])[:, None, None]
    assert list(indicators.function_error(gain * full, full)) == pytest.approx([0, 0, 0], abs=1e-7)
    found = indicators.function_error(full + rng.normal(size=full.shape), full)  # half of the square is noise
    assert found.value == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert 0 < found.low < found.value < found.high < 1
    alone = indicators.function_error(full[:1] + rng.normal(size=(1, 400, 2)), full[:1])
    assert np.ptp(alone.draws) > 0  # one model: inputs are resampled


def test_a_draw_of_one_model_repeated_says_nothing():
    q, f = correlated(0.5, models=2, inputs=50)
    draws = indicators.survival_rho(q, f, draws=400).draws
    assert np.isnan(draws).mean() == pytest.approx(0.5, abs=0.1)  # both picks fall on one of two models
    assert np.isfinite(indicators.survival_rho(q, f).low)


def test_neighbours_differ_in_one_weight_by_one_level():
    rng = np.random.default_rng(0)
    weights = torch.tensor(rng.normal(size=(1, 4, 5)) * np.array([1, 10, 100, 1000])[:, None], dtype=torch.float32)
    model = Ensemble((weights,), (torch.zeros(1, 4),), "binary")
    for granularity in ("tensor", "row"):
        released = model.quantize("uniform_3", granularity)
        moved = indicators.neighbours(released, 20, rng, granularity).weights[0].numpy()
        changed = np.argwhere(moved != released.weights[0].numpy())
        assert len(changed) == len({copy for copy, _, _ in changed}) == 20
        for copy, row, column in changed:
            own = released.weights[0][0, row] if granularity == "row" else released.weights[0]
            levels = np.unique(own.numpy())
            places = [
                np.flatnonzero(levels == w[row, column])[0] for w in (moved[copy], released.weights[0][0].numpy())
            ]
            assert abs(places[0] - places[1]) == 1


def test_a_value_without_neighbours_stays():
    rng = np.random.default_rng(0)
    assert indicators.adjacent(np.array([2.0]), 2.0, rng) == 2.0
    assert {indicators.adjacent(np.array([0.0, 1.0, 2.0]), 1.0, rng) for _ in range(40)} == {0.0, 2.0}
    assert indicators.adjacent(np.array([0.0, 1.0, 2.0]), 2.0, rng) == 1.0


def test_resolved_pairs_and_tau():
    rng = np.random.default_rng(0)
    base = rng.normal(0.7, 0.05, size=(100, 1))
    per_target = base + np.array([0.0, 0.001, -0.1, 0.05]) + rng.normal(0, 0.001, size=(100, 4))
    signs = indicators.resolved_pairs(per_target, rng)
    assert indicators.resolved_pairs(per_target, rng, least=0)[0, 1] == -1
    assert signs[0, 1] == 0  # below the least difference that matters
    assert signs[0, 2] == 1
    assert signs[0, 3] == -1
    assert np.array_equal(signs, -signs.T)
    assert indicators.resolved_pairs(per_target, rng, widen=500)[0, 2] == 0
    assert np.array_equal(indicators.resolved_pairs(per_target, rng, widen=1.7), signs)
    assert indicators.kendall_resolved([3, 3, 1, 4], signs) == 1
    assert indicators.kendall_resolved([-3, -3, -1, -4], signs) == -1
    assert indicators.kendall_resolved([0, 0, 0, 0], signs) == 0
    assert np.isnan(indicators.kendall_resolved([1, 2, 3, 4], np.zeros((4, 4))))
    draws = np.array([[4, 3, 2, 1.0], [np.nan] * 4, [np.nan, 3, 2, 1]])
    assert np.isnan(indicators.kendall_resolved(draws, signs)).tolist() == [False, True, False]
    full = np.sign(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    assert indicators.kendall_resolved([1, 3, 2, 4], full) == pytest.approx(
        kendalltau([1, 3, 2, 4], range(4)).statistic
    )


def test_tau_interval_uses_paired_draws():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=500)  # all estimates move together: the order never changes
    estimates = [Interval(k, k - 2, k + 2, k + shared) for k in range(4)]
    signs = np.sign(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    tau = indicators.kendall_interval(estimates, signs)
    assert (tau.value, tau.low, tau.high) == (1, 1, 1)
    assert indicators.kendall_interval([-e for e in estimates], signs).value == -1
    swapped = [Interval(v, v, v, np.array([v, 3.0 - v])) for v in range(4)]  # one draw as found, one turned round
    assert list(indicators.kendall_interval(swapped, signs)) == [1, -1, 1]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda: indicators.estimate_rate(np.ones((3, 9)), "mean"),
            "aggregation must be one of min, median, all_pairs",
        ),
        (lambda: indicators.estimate_rate(np.ones((1, 9))), "at least 2 codewords"),
        (lambda: indicators.estimate_rate(np.array([[1.0, 2.0], [np.nan, 1.0]])), "codeword 1"),
        (lambda: indicators.survival_rho(np.ones((2, 9)), np.ones((2, 8))), "equal shape"),
        (lambda: indicators.survival_rho(np.ones((3, 9)), np.ones((3, 9)), "rho_pc1"), "B >= 4"),
        (lambda: indicators.survival_rho(np.ones((3, 9)), np.ones((3, 9)), "rho2"), "variant must be"),
        (lambda: indicators.survival_rho(np.full((3, 9), np.nan), np.ones((3, 9))), "finite"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
