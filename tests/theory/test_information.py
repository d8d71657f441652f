"""What survives quantizing many coordinates, against high precision (mpmath), simulation and enumeration."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from qmis_utils.theory import information


def test_surviving_information_matches_high_precision_and_its_limits():
    edges = np.array([-np.inf, -1.0, 0.2, 0.3, 4.0, np.inf])
    for mean, sd in ((0.25, 1.0), (1.7, 0.01), (-0.9, 3.0), (1.0, 0.005)):
        with mp.workdps(80):
            e = [(mp.mpf(x) - mp.mpf(mean)) / mp.mpf(sd) for x in edges]
            cells = [
                (mp.npdf(a) - mp.npdf(b)) ** 2 / (mp.ncdf(b) - mp.ncdf(a) if a < 0 else mp.ncdf(-a) - mp.ncdf(-b))
                for a, b in itertools.pairwise(e)
            ]
            expected = float(mp.log(sum(cells)))
        value = information.surviving_information(edges, mean, sd, log=True)
        assert abs(value - expected) <= 1e-9 + 1e-14 * abs(expected)
    assert information.surviving_information(edges, 1.0, 0.005, log=True) < -math.log(1e100)
    fine = np.r_[-np.inf, np.arange(-1000, 1001) * 0.01, np.inf]
    assert information.surviving_information(fine, 0.0, 1.0) == pytest.approx(1 - 0.01**2 / 12, abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), mean=st.floats(-2, 2), log_sd=st.floats(-5, 2))
def test_survival_correlation_is_at_most_the_surviving_information(seed, mean, log_sd):
    rng, sd = np.random.default_rng(seed), math.exp(log_sd)
    edges = np.r_[-np.inf, np.sort(rng.uniform(-2, 2, 4)), np.inf]
    j = information.surviving_information(edges, mean, sd)
    rho = information.survival_correlation(np.sort(rng.normal(size=5)), edges, mean, sd)
    assert 0 <= rho**2 <= j * (1 + 1e-9) + 1e-300
    assert j <= 1 + 1e-12
    standard = (edges - mean) / sd
    probs = np.diff(stats.norm.cdf(standard))
    if probs.min() > 1e-8:  # equality for levels at the conditional means
        centroids = -np.diff(stats.norm.pdf(standard)) / probs
        assert information.survival_correlation(centroids, edges, mean, sd) ** 2 == pytest.approx(j, rel=1e-6)


def test_survival_correlation_by_simulation_and_where_almost_constant():
    edges, levels = np.array([-np.inf, -0.4, 0.5, np.inf]), np.array([-1.0, 0.0, 2.0])
    x = np.random.default_rng(0).normal(0.1, 0.8, 400_000)
    simulated = np.corrcoef(levels[np.digitize(x, edges[1:-1])], x)[0, 1]
    assert information.survival_correlation(levels, edges, 0.1, 0.8) == pytest.approx(simulated, abs=5e-3)
    sign = information.survival_correlation([-1.0, 1.0], [-np.inf, 0.0, np.inf], 0.3, 0.01)
    log_j = information.surviving_information([-np.inf, 0.0, np.inf], 0.3, 0.01, log=True)
    assert 2 * math.log(sign) == pytest.approx(log_j, abs=1e-9)
    assert information.survival_correlation([1.0, 1.0], [-np.inf, 0.0, np.inf], 0.0, 1.0) == 0
    assert information.surviving_information(edges, np.zeros((4, 1)), np.ones(3)).shape == (4, 3)


def test_product_insecurity_matches_listing_every_cell():
    rng = np.random.default_rng(3)
    outside, inside = rng.dirichlet(np.ones(3), 6), rng.dirichlet(np.ones(3), 6)
    outside[3], inside[3] = outside[1], inside[1]  # a repeated coordinate is summed by its counts
    laws = []
    for rows in (outside, inside):
        law = np.ones(1)
        for row in rows:
            law = np.outer(law, row).ravel()
        laws.append(law)
    expected = abs(laws[0] - laws[1]).sum() / 2
    assert information.product_insecurity(outside, inside) == pytest.approx(expected, rel=1e-12)
    result = information.product_insecurity_mc(outside, inside, rng, 40_000)
    assert result.low <= expected <= result.high


def test_product_insecurity_of_many_equal_coordinates():
    d, p0, p1 = 10_000, 0.2, 0.2005
    binomial = [stats.binom.pmf(np.arange(d + 1), d, p) for p in (p0, p1)]
    outside, inside = np.tile([p0, 1 - p0], (d, 1)), np.tile([p1, 1 - p1], (d, 1))
    exact = information.product_insecurity(outside, inside)
    assert information.product_insecurity(outside[:1], inside[:1], copies=d) == exact
    assert exact == pytest.approx(abs(binomial[0] - binomial[1]).sum() / 2, rel=1e-9)
    assert information.product_insecurity_gaussian(outside, inside) == pytest.approx(exact, rel=2e-3)
    assert information.product_insecurity([[0.5, 0.5]], [[0.4, 0.6]], copies=100_000) == pytest.approx(1)
    rare = information.product_insecurity(np.tile([1e-200, 1.0], (5, 1)), np.tile([3e-200, 1.0], (5, 1)), log=True)
    assert rare == pytest.approx(math.log(1e-199), abs=1e-12)


def test_product_insecurity_keeps_its_digits_where_one_state_is_almost_sure():
    """1 - 4e-16 is 1 - 4.44e-16 in floating point: what the sure cell loses is what the rare one gains, 3e-16."""
    value = information.product_insecurity([[1e-16, 1 - 1e-16]], [[4e-16, 1 - 4e-16]])
    assert value == pytest.approx(3e-16, rel=1e-12, abs=0)


def test_product_monte_carlo_covers_the_exact_value_nineteen_times_in_twenty():
    rng = np.random.default_rng(5)
    outside, inside = rng.dirichlet(np.full(3, 3.0), 6), rng.dirichlet(np.full(3, 3.0), 6)
    exact = information.product_insecurity(outside, inside)
    results = [information.product_insecurity_mc(outside, inside, rng, 400) for _ in range(400)]
    assert np.mean([result.low <= exact <= result.high for result in results]) > 0.92
    assert np.mean([result.high - result.low for result in results]) < 0.1
    assert np.mean([result.value for result in results]) == pytest.approx(exact, rel=5e-3)


def test_product_insecurity_never_exceeds_one():
    assert information.product_insecurity([[0.5, 0.5]], [[0.4, 0.6]], copies=100_000) <= 1


def test_product_insecurity_of_one_cell_is_zero():
    assert information.product_insecurity([[1.0]], [[1.0]]) == 0
    assert information.product_insecurity([[1.0]], [[1.0]], log=True) == -math.inf


def test_surviving_information_of_edges_far_away():
    """Edges at 1e160 or beyond the range of a float in units of sd bound empty cells."""
    far = [-np.inf, -2e160, -1e160, 0.0, 1e160, np.inf]
    assert information.surviving_information(far, 0.0, 1.0) == pytest.approx(2 / math.pi)
    assert information.surviving_information([-np.inf, 0.0, 1e10, np.inf], 0.0, 1e-300) == pytest.approx(2 / math.pi)
    assert information.survival_correlation(np.arange(5.0), far, 0.0, 1.0) == pytest.approx(math.sqrt(2 / math.pi))


@pytest.mark.parametrize(("flips", "factor", "copies"), [(1e-8, 2, 5), (1e-6, 2, 100), (1e-14, 30, 5), (0.02, 1.5, 40)])
def test_product_monte_carlo_meets_flips_however_rare(flips, factor, copies):
    """Draws from the laws themselves meet none of them, and return the wrong value with an interval of width zero."""
    laws = [[flips, 1 - flips]], [[factor * flips, 1 - factor * flips]]
    exact, rng = information.flip_insecurity(flips, factor * flips, copies), np.random.default_rng(0)
    results = [information.product_insecurity_mc(*laws, rng, 1000, copies=copies) for _ in range(50)]
    assert sum(result.low <= exact <= result.high for result in results) >= 45
    assert all(result.value == pytest.approx(exact, rel=0.1) for result in results)
    assert all(result.high < 1.2 * result.value for result in results)


def test_product_monte_carlo_allows_for_what_no_draw_met():
    """A coordinate that the sample alone makes flip, one time in 10,000, beside a thousand that hardly move."""
    outside, inside = [[0.3, 0.7], [1e-12, 1 - 1e-12]], [[0.3009, 0.6991], [1e-4, 1 - 1e-4]]
    exact = information.product_insecurity(outside, inside, copies=[1000, 1])
    results = [
        information.product_insecurity_mc(outside, inside, np.random.default_rng(seed), 1000, copies=[1000, 1])
        for seed in range(40)
    ]
    assert sum(result.low <= exact <= result.high for result in results) >= 36
    nothing = information.product_insecurity_mc([[0.3, 0.7]], [[0.3, 0.7]], np.random.default_rng(0))
    assert list(nothing) == [0, 0, 0]


@settings(max_examples=60, deadline=None)
@given(b=st.floats(0, 7), eps=st.floats(1e-6, 6), d=st.sampled_from([1, 2, 7, 100, 3000]))
def test_flip_insecurity_is_that_of_equal_two_cell_coordinates(b, eps, d):
    p0, p1 = stats.norm.cdf([-b, -b + eps])
    assume(p1 < 1 - 1e-9)
    exact = information.product_insecurity([[p0, 1 - p0]], [[p1, 1 - p1]], copies=d, log=True)
    value = information.flip_insecurity(p0, p1, d, log=True)
    assert value == pytest.approx(exact, abs=1e-10)
    assert information.flip_insecurity(p1, p0, d, log=True) == value
    if p0 > 1e-3 and p1 - p0 > 1e-3:  # otherwise 1 - p loses the digits of p
        assert information.flip_insecurity(1 - p0, 1 - p1, d, log=True) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("d", "p0", "p1"), [(10**6, 0.3, 0.3 + 1e-8), (10**15, 0.3, 0.3 + 1e-12), (10**9, 1e-17, 3e-9)]
)
def test_flip_insecurity_of_many_coordinates_is_a_difference_of_binomial_tails(d, p0, p1):
    with mp.workdps(50):
        a, b = mp.mpf(p0), mp.mpf(p1)
        m = int(mp.floor(d * mp.log((1 - a) / (1 - b)) / mp.log(b * (1 - a) / (a * (1 - b)))))
        constant = mp.loggamma(d + 1) - mp.loggamma(m + 1) - mp.loggamma(d - m)
        peak = min(max(mp.mpf(m) / d, a), b)
        cuts = sorted({a, b, *(min(max(peak + k * mp.sqrt(peak / d), a), b) for k in range(-12, 13, 2))})
        tail = mp.quad(lambda q: mp.exp(constant + m * mp.log(q) + (d - 1 - m) * mp.log1p(-q)), cuts)
    assert information.flip_insecurity(p0, p1, d) == pytest.approx(float(tail), rel=1e-9)


def test_flip_insecurity_has_a_poisson_limit_from_which_the_closed_form_errs_by_17_percent():
    """Delta / eta -> lambda P(Poisson(lambda) = floor(lambda)); the closed form is at most e^(1 / 2 pi) times that."""
    d, eta, ratios = 10**9, 1e-3, {}
    for size in (1 / (2 * math.pi), *np.geomspace(0.01, 50, 60)):
        p = size / d
        value = information.flip_insecurity(p, p * (1 + eta), d)
        assert value / eta == pytest.approx(size * stats.poisson.pmf(math.floor(size), size), rel=2e-3 * (1 + size))
        laws = [[p, 1 - p]], [[p * (1 + eta), 1 - p * (1 + eta)]]
        closed = min(d * p * eta, information.product_insecurity_gaussian(*laws, copies=d))
        ratios[size] = closed / value
    assert max(ratios.values()) == pytest.approx(math.exp(1 / (2 * math.pi)), rel=1e-3)
    assert max(ratios, key=ratios.get) == 1 / (2 * math.pi)
    assert min(ratios.values()) == pytest.approx(0.93, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-200, 1e-3, 1e150, 1e290]), shift=st.floats(-4, 4))
def test_survival_correlation_does_not_depend_on_the_scale_of_levels_or_coordinates(seed, scale, shift):
    rng = np.random.default_rng(seed)
    levels, edges = rng.normal(size=4), np.r_[-np.inf, np.sort(rng.normal(size=3)), np.inf]
    rho = information.survival_correlation(levels, edges, shift, 1.0)
    assert information.survival_correlation(levels * scale, edges, shift, 1.0) == pytest.approx(rho, rel=1e-9)
    assert information.survival_correlation(-levels * scale, edges, shift, 1.0) == pytest.approx(-rho, rel=1e-9)
    scaled = information.survival_correlation(levels, edges * scale, shift * scale, scale)
    assert scaled == pytest.approx(rho, rel=1e-6)
    j = information.surviving_information(edges, shift, 1.0)
    assert information.surviving_information(edges * scale, shift * scale, scale) == pytest.approx(j, rel=1e-6)


def test_extreme_cells_give_the_value():
    with mp.workdps(1000):  # a level of 1e200, met with probability 1e-784, beside one of 1e-200
        rare, top = mp.ncdf(-60), mp.mpf(1e200)
        low, density = mp.mpf(1e-200), mp.npdf(0)
        covariance = low * (density - mp.npdf(60)) + top * mp.npdf(60)
        mean, square = low * (0.5 - rare) + top * rare, low**2 * (0.5 - rare) + top**2 * rare
        expected = float(covariance / mp.sqrt(square - mean**2))
    value = information.survival_correlation([0.0, 1e-200, 1e200], [-np.inf, 0.0, 60.0, np.inf], 0.0, 1.0)
    assert value == pytest.approx(expected, rel=1e-9, abs=0)
    assert information.surviving_information([-np.inf, 0.0, 5e-324, np.inf], 0.0, 1.0) == pytest.approx(2 / math.pi)
    assert information.product_insecurity([[1e-310, 1]], [[0.5, 0.5]]) == pytest.approx(0.5)
    result = information.product_insecurity_mc([[1e-310, 1]], [[0.5, 0.5]], np.random.default_rng(0))
    assert result.low <= 0.5 <= result.high
    assert information.product_insecurity_gaussian([[1e-310, 1]], [[0.5, 0.5]]) == 1
    assert information.flip_insecurity(5e-324, 1e-300, 10**12, log=True) == pytest.approx(math.log(1e-288))


BAD_CALLS = [
    ("edges must", lambda: information.surviving_information([0.0, 1.0], 0.0, 1.0)),
    ("edges must", lambda: information.surviving_information([-np.inf, 1.0, 0.0, np.inf], 0.0, 1.0)),
    ("sd must", lambda: information.surviving_information([-np.inf, 0.0, np.inf], 0.0, 0.0)),
    ("mean must", lambda: information.surviving_information([-np.inf, 0.0, np.inf], math.nan, 1.0)),
    ("levels must", lambda: information.survival_correlation([1.0], [-np.inf, 0.0, np.inf], 0.0, 1.0)),
    ("outside must", lambda: information.product_insecurity([[0.5, 0.6]], [[0.5, 0.5]])),
    ("copies must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5]], copies=0)),
    ("copies must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5]], copies=1.5)),
    ("copies must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5]], copies="2")),
    ("copies must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5]], copies=[1, 2])),
    ("copies must", lambda: information.product_insecurity_gaussian([[0.5, 0.5]], [[0.5, 0.5]], copies=1e16)),
    ("samples must", lambda: information.product_insecurity_mc([[0.5, 0.5]], [[0.4, 0.6]], None, samples=150.7)),
    ("outside must", lambda: information.product_insecurity([["0.5", "0.5"]], [[0.5, 0.5]])),
    ("inside must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5j]])),
    ("edges must", lambda: information.surviving_information(None, 0.0, 1.0)),
    ("sd must", lambda: information.surviving_information([-np.inf, 0.0, np.inf], 0.0, "1")),
    ("levels must", lambda: information.survival_correlation([1j, 2], [-np.inf, 0.0, np.inf], 0.0, 1.0)),
    ("outside must lie", lambda: information.flip_insecurity(0.0, 0.5, 3)),
    ("inside must lie", lambda: information.flip_insecurity(0.5, 1.0, 3)),
    ("inside must", lambda: information.flip_insecurity(0.5, [0.6], 3)),
    ("d must", lambda: information.flip_insecurity(0.5, 0.6, 2.5)),
    ("d must be at most", lambda: information.flip_insecurity(0.5, 0.6, 10**16)),
    ("outside and inside must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.2, 0.3, 0.5]])),
    (
        "product_insecurity_mc",
        lambda: information.product_insecurity(*2 * [np.random.default_rng(0).dirichlet([1] * 4, 20)]),
    ),
]


@pytest.mark.parametrize(("message", "call"), BAD_CALLS)
def test_bad_input_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()
