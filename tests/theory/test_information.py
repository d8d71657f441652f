"""What survives quantizing many coordinates, against high precision (mpmath), simulation and enumeration."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
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
    assert 0.92 < np.mean([result.low <= exact <= result.high for result in results]) < 0.98
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


BAD_CALLS = [
    ("edges must", lambda: information.surviving_information([0.0, 1.0], 0.0, 1.0)),
    ("edges must", lambda: information.surviving_information([-np.inf, 1.0, 0.0, np.inf], 0.0, 1.0)),
    ("sd must", lambda: information.surviving_information([-np.inf, 0.0, np.inf], 0.0, 0.0)),
    ("mean must", lambda: information.surviving_information([-np.inf, 0.0, np.inf], math.nan, 1.0)),
    ("levels must", lambda: information.survival_correlation([1.0], [-np.inf, 0.0, np.inf], 0.0, 1.0)),
    ("outside must", lambda: information.product_insecurity([[0.5, 0.6]], [[0.5, 0.5]])),
    ("copies must", lambda: information.product_insecurity([[0.5, 0.5]], [[0.5, 0.5]], copies=0)),
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
