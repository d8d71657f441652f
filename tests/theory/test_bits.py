"""Theorem A: bounds from the bits of a release against exact insecurities, and against what attains them."""

import functools
import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.optimize import minimize_scalar

from qmis_utils.theory import bits, numerics, security


def kl(q, p):
    return q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p))


# --- W -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("R", [1e-3, 0.05, 0.3, 0.43, 0.45, 1.0, 2.0, 3.0])
def test_w_is_the_largest_gap_of_two_coins_at_that_divergence(R):
    """The least divergence of two coins at distance W(R) is R: found by minimising, not by the formula."""
    gap = bits.sharp_pinsker(R)
    found = minimize_scalar(
        lambda p: kl(p + gap, p), bounds=(1e-9, 1 - gap - 1e-12), method="bounded", options={"xatol": 1e-12}
    )
    assert found.fun == pytest.approx(R, rel=1e-6)


@pytest.mark.parametrize("R", [1e-12, 1e-6, 1e-2, 0.3, 0.42, 0.45, 1, 2, 4.9, 4.9999, 5.0001, 6, 30])
def test_w_against_fifty_digits(R):
    """In the other parameter: 1 / lambda of the Lagrange condition for the two coins, solved to 50 digits."""
    with mp.workdps(120):
        R = mp.mpf(R)

        def rate(t):
            return mp.log(t / mp.sinh(t)) + t * mp.coth(t) - (t / mp.sinh(t)) ** 2 - R

        t = mp.findroot(rate, (mp.sqrt(R), max(30 * mp.sqrt(R), mp.exp(R))), solver="anderson", maxsteps=500, tol=1e-80)
        gap = t / 2 * (1 - (mp.coth(t) - 1 / t) ** 2)
        assert bits.sharp_pinsker(float(R)) == pytest.approx(float(gap), rel=1e-14)
        assert bits.sharp_pinsker(float(R), log_complement=True) == pytest.approx(float(mp.log(1 - gap)), rel=1e-14)


def test_w_at_known_points_and_ends():
    assert bits.sharp_pinsker([2.0, 3.0]) == pytest.approx([0.865151, 0.950213], abs=1e-6)
    assert bits.sharp_pinsker([0.0, 1e-310, math.inf]) == pytest.approx([0, math.sqrt(5e-311), 1])
    assert bits.sharp_pinsker([0.0, 40.0, 1000.0, math.inf], log_complement=True).tolist() == [0, -40, -1000, -math.inf]
    assert bits.sharp_pinsker(36.0) < 1 == bits.sharp_pinsker(40.0)  # and the logarithm says by how little
    assert isinstance(bits.sharp_pinsker(1), float)
    assert bits.sharp_pinsker(np.ones((2, 3))).shape == (2, 3)


def test_w_is_concave_below_pinsker_and_below_its_other_limit():
    R = np.geomspace(1e-12, 30, 4000)
    gap = bits.sharp_pinsker(R)
    slope = np.diff(gap) / np.diff(R)
    assert (slope > 0).all()
    assert (np.diff(slope) < 0).all()
    assert (gap <= np.sqrt(R / 2) * (1 + 1e-15)).all()
    assert (gap >= -np.expm1(-R) - 1e-15).all()  # of the coins (1, exp(-R))
    assert (gap / np.sqrt(R / 2))[:100] == pytest.approx(1)


# --- bounds ------------------------------------------------------------------------------------------------------


def law_of(losses, probs, n):
    losses, probs = numerics.check_problem(losses, probs)
    counts = numerics.count_vectors(n, len(probs))
    chance = np.exp(numerics.log_multinomial(counts, probs))
    return np.bincount(security.best_codeword(losses, counts), chance, len(losses))


@functools.cache
def problems():
    """Bounds of 300 random codebook problems: exact, (i), (ii), (iii), W(H / n), entropy bound, lower bound."""
    rows = []
    for seed in range(300):
        rng = np.random.default_rng([7, seed])
        kinds = int(rng.integers(2, 5))
        losses, probs = rng.random((rng.integers(2, 9), kinds)), rng.dirichlet(np.full(kinds, 2.0))
        n = int(rng.integers(1, 60 if kinds < 4 else 40))
        law = law_of(losses, probs, n)
        entropy = stats.entropy(law)
        row = [security.finite_support_insecurity(losses, probs, n)]
        row += [bound(law, n) for bound in (bits.level_one_bound, bits.half_sum_bound, bits.sharp_bound)]
        row += [bits.sharp_pinsker(entropy / n), security.entropy_bound(entropy, n)]
        rows.append([*row, bits.erm_lower_bound(losses, probs, law)])
    return np.array(rows).T


def test_theorem_a_bounds_hold_on_300_random_problems():
    exact, one, half, sharp, w, pinsker, lower = problems()
    slack = 1 + 1e-12
    for bound in (one, half, sharp, w, pinsker):
        assert (exact <= bound * slack).all()
    assert (lower <= exact * slack).all()
    for bound in (one, half, w):
        assert (sharp <= bound * slack).all()
    assert (half <= pinsker * slack).all()
    assert (w <= pinsker * slack).all()


def test_theorem_a_is_near_the_exact_value_where_pinsker_is_far():
    exact, one, _, sharp, _, pinsker, lower = (column[problems()[0] > 0] for column in problems())
    assert exact.min() < 1e-40
    assert 1.3 < np.median(one / exact) < 1.5
    assert 1.25 < np.median(sharp / exact) < 1.5
    assert (sharp / exact).max() < 3
    assert (sharp / exact).min() < 1.02  # a constant a fiftieth smaller would be wrong
    assert np.quantile(pinsker / exact, 0.9) > 100
    assert 2 < np.median(exact / lower) < 4


def test_theorem_a_on_the_gaussian_grid_tends_to_the_root_of_half_pi():
    """Bound over exact value, log Delta near -460: sqrt(pi / 2) times a factor that tends to 1 as n b^2 grows."""
    for b, n in ((0.03, 10**6), (0.01, 9 * 10**6), (0.003, 10**8)):
        mean, edges = 0.25 - b, (np.arange(-6, 8) - 0.5) * 0.5
        places = (edges - mean) * math.sqrt(n)
        law = np.exp(numerics.log_interval(places[:-1], places[1:]))
        exact = security.gaussian_mean_insecurity(n, 0.5, mean, log=True)
        assert exact < -400
        ratio = math.exp(math.log(bits.level_one_bound(law, n)) - exact)
        chance = -stats.norm.logsf(b * math.sqrt(n))
        assert ratio == pytest.approx(math.sqrt(math.pi / 2) * math.sqrt(chance / (n * b**2 / 2)), rel=2e-3)
        assert ratio == pytest.approx(1.258, abs=1e-3)
    assert math.sqrt(-stats.norm.logsf(1e4) / 0.5e8) == pytest.approx(1, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6), K=st.integers(2, 4), prior=st.floats(0.01, 0.99))
def test_theorem_a_holds_for_algorithms_that_toss_coins(seed, n, K, prior):
    """Any law of the release given the counts; the best attack at any prior is listed."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 1, 1])
    counts = numerics.count_vectors(n, 3)
    chance = np.exp(numerics.log_multinomial(counts, p))
    release = rng.dirichlet(np.full(K, 0.1), len(counts))
    joint = np.einsum("c,ck,cz->kz", chance, release, counts / n)
    law = joint.sum(1)
    delta = abs(joint - np.outer(law, p)).sum() / 2
    bound = bits.sharp_bound(law, n)
    assert delta <= bound + 1e-15
    assert bound <= min(bits.level_one_bound(law, n), bits.half_sum_bound(law, n)) + 1e-12
    known = bits.bits_bound(n, weights=1, bits=math.log2(K), prior=prior)
    assert delta <= known.insecurity + 1e-15
    assert np.maximum(prior * joint, (1 - prior) * np.outer(law, p)).sum() <= known.accuracy + 1e-15


def test_rare_values_keep_their_digits():
    assert bits.level_one_bound([1 - 1e-200, 1e-200], 100) == pytest.approx(1e-200 * math.sqrt(math.log(1e200) / 50))
    # 1 - 1e-20 rounds to 1, whose surprisal would be 0 instead of 1e-20
    own = (math.sqrt(1e-20) + 1e-20 * math.sqrt(math.log(1e20))) / math.sqrt(200)
    assert bits.half_sum_bound([1e-20, 1 - 1e-20], 100) == pytest.approx(own)
    assert bits.level_one_bound([1.0], 5) == bits.half_sum_bound([1.0, 0.0], 5) == bits.sharp_bound([1.0], 5) == 0
    assert bits.level_one_bound([0.5, 0.5], 1) == pytest.approx(0.5 * math.sqrt(2 * math.log(2)))
    for K, n in ((2, 1), (2, 9), (1000, 3), (1000, 10**4)):  # equal values: the sum of all terms is W, and is reached
        assert bits.sharp_bound(np.full(K, 1 / K), n) == pytest.approx(bits.sharp_pinsker(math.log(K) / n), rel=1e-12)
    many = bits.level_one_bound(np.full(4096, 1 / 4096), 1)  # the term 2 P_k, where P_k < exp(-2 n)
    assert many == pytest.approx(2 * 4095 / 4096)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), two=st.booleans())
def test_theorem_a_lower_bound_for_erm(seed, n, two):
    rng = np.random.default_rng(seed)
    losses, probs = rng.random((2 if two else rng.integers(3, 7), 3)), rng.dirichlet(np.full(3, 2.0))
    law = law_of(losses, probs, n)
    delta = security.finite_support_insecurity(losses, probs, n)
    lower = bits.erm_lower_bound(losses, probs, law)
    assert lower <= delta * (1 + 1e-12)
    home = (losses @ probs).argmin()
    gaps = np.delete(losses - losses[home], home, axis=0)
    terms = gaps @ probs / np.ptp(gaps, axis=1) * np.delete(law, home)
    assert lower == pytest.approx(terms.sum() * (2 if two else 1))


def test_the_factor_two_of_two_codewords_is_attained():
    """One coin and the gap (1, -e): Delta = 2 p (1 - p) is the bound with its factor as e tends to zero."""
    losses, probs = [[0, 1e-4], [1, 0]], [0.7, 0.3]
    law = law_of(losses, probs, 1)
    lower, exact = bits.erm_lower_bound(losses, probs, law), security.finite_support_insecurity(losses, probs, 1)
    assert exact == pytest.approx(0.42)
    assert 1 <= exact / lower < 1 + 2e-4
    gaps = bits.erm_lower_bound([*losses, [0.5, 0.5]], probs, [*law, 0])
    assert lower == pytest.approx(2 * gaps)


# --- what attains them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "known"), list(enumerate([0.5, 0.2963, 0.25, 0.2074, 0.1875, 0.1679], start=1)))
def test_theorem_a_one_bit_capacity_by_listing_all_releases(n, known):
    p = np.linspace(0, 1, 20_001)[1:-1, None]
    others = stats.binom.pmf(np.arange(n), n - 1, p)  # heads of the n - 1 other coins
    best = 0.0
    for release in itertools.product((0, 1), repeat=n + 1):
        change = others @ np.diff(release)  # P(1 | heads) - P(1 | tails)
        best = max(best, (2 * p[:, 0] * (1 - p[:, 0]) * abs(change)).max())
    assert bits.one_bit_capacity(n) == pytest.approx(best, rel=1e-7)
    assert round(best, 4) == known


def test_one_bit_capacity_is_the_largest_mean_deviation_of_a_coin():
    for n in (1, 7, 10, 33):
        p = np.linspace(0, 1, 4001)[:, None]
        deviation = (stats.binom.pmf(np.arange(n + 1), n, p) * abs(np.arange(n + 1) - n * p)).sum(1) / n
        assert bits.one_bit_capacity(n) == pytest.approx(deviation.max(), rel=1e-5)
        assert bits.one_bit_capacity(n) < bits.sharp_pinsker(math.log(2) / n)
    assert bits.one_bit_capacity(10**12) == pytest.approx(1 / math.sqrt(2 * math.pi * 10**12), rel=1e-11)
    # exercise 01.2: two flips, P(1) = 1/3, a scale that tells whether any was a one
    assert bits.one_bit_capacity(2) == pytest.approx(8 / 27)


@pytest.mark.parametrize(
    ("n", "K", "p"), [(1, 2, 0.5), (2, 2, 0.3), (3, 2, 0.6), (2, 3, 0.4), (3, 3, 0.2), (2, 5, 0.5)]
)
def test_random_codes_by_listing_all_data(n, K, p):
    samples = np.array(list(itertools.product((0, 1), repeat=K)))
    chance = (p**samples * (1 - p) ** (1 - samples)).prod(1)
    joint = np.zeros((K, len(samples)))
    for data in itertools.product(range(len(samples)), repeat=n):
        heads = samples[list(data)].sum(0)
        joint[:, data[0]] += (heads == heads.max()) / (heads == heads.max()).sum() * chance[list(data)].prod()
    delta = abs(joint - np.outer(joint.sum(1), chance)).sum() / 2
    assert bits.random_code_insecurity(n, math.log(K), p) == pytest.approx(delta, rel=1e-12)


@pytest.mark.parametrize("R", [0.05, 0.5, 2.0])
def test_theorem_a_is_sharp_random_codes_reach_w(R):
    places = np.linspace(0.01, 0.6, 60)
    reached = [max(bits.random_code_insecurity(n, n * R, p) for p in places) for n in (10, 100, 1000, 10_000)]
    assert np.all(np.diff(reached) > 0)
    assert reached[-1] < bits.sharp_pinsker(R)
    assert reached[-1] == pytest.approx(bits.sharp_pinsker(R), rel=0.005)


@pytest.mark.parametrize(("K", "known"), [(10, 0.717), (1e3, 0.871), (1e6, 0.925), (1e12, 0.957)])
def test_the_entropy_bound_has_the_best_constant_at_few_bits_a_sample(K, known):
    """Share of sqrt(log K / (2 n)) that random codes of fair coins reach as n grows: E max of K normals."""
    mean_max = integrate.quad(lambda x: -np.expm1(K * stats.norm.logcdf(x)), 0, 20, limit=200, points=[3, 5, 8])[0]
    mean_max -= integrate.quad(lambda x: np.exp(K * stats.norm.logcdf(x)), -20, 0)[0]
    share = bits.random_code_insecurity(10**6, math.log(K), 0.5) / security.entropy_bound(math.log(K), 10**6)
    assert share == pytest.approx(mean_max / math.sqrt(2 * math.log(K)), rel=2e-3)
    assert share == pytest.approx(known, abs=2e-3)


# --- the calculator ----------------------------------------------------------------------------------------------


def test_calculator_counts_every_number():
    found = bits.bits_bound(10_000, weights=4128, bits=1, floats=35)
    assert found.bits == 4128 + 35 * 32
    assert found.insecurity == bits.sharp_pinsker(found.bits * math.log(2) / 10_000)
    assert found.accuracy == pytest.approx((1 + found.insecurity) / 2)
    assert not found.exact
    assert bits.bits_bound(100, 0, 4, floats=3, float_bits=8).bits == 24
    assert bits.bits_bound(100, 7, math.log2(3)).bits == pytest.approx(7 * math.log2(3))


def test_calculator_is_exact_where_the_answer_is_known():
    none, one, two, all_of_it = (bits.bits_bound(50, 1, size) for size in (0, 1, 2, math.inf))
    assert (none.insecurity, none.accuracy, none.exact) == (0, 0.5, True)
    assert (one.insecurity, one.exact) == (bits.one_bit_capacity(50), True)
    assert (two.insecurity, two.exact) == (bits.sharp_pinsker(2 * math.log(2) / 50), False)
    assert (all_of_it.insecurity, all_of_it.accuracy, all_of_it.exact) == (1, 1, True)
    assert bits.bits_bound(50, 0, math.inf).insecurity == 0  # no weight of infinitely many bits


def test_calculator_at_other_priors():
    """A rare member is guessed absent: the bound adds its share of Delta to that guess."""
    for prior, accuracy in ((0.1, 0.9 + 0.1 * 0.5), (0.5, 0.75), (0.8, 0.8 + 0.2 * 0.5)):
        assert bits.bits_bound(1, 1, 1, prior=prior).accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("R must", lambda: bits.sharp_pinsker(-1.0)),
        ("R must", lambda: bits.sharp_pinsker([1.0, math.nan])),
        ("law must", lambda: bits.level_one_bound([0.5, 0.6], 3)),
        ("n must", lambda: bits.sharp_bound([0.5, 0.5], 0)),
        ("n must", lambda: bits.half_sum_bound([0.5, 0.5], 1.5)),
        ("law must", lambda: bits.erm_lower_bound([[0, 1], [1, 0]], [0.5, 0.5], [1.0])),
        ("losses must", lambda: bits.erm_lower_bound([0, 1], [0.5, 0.5], [1.0])),
        ("n must", lambda: bits.one_bit_capacity(0)),
        ("n must", lambda: bits.random_code_insecurity(10**8, 1.0, 0.5)),
        ("log_K must", lambda: bits.random_code_insecurity(5, -1.0, 0.5)),
        ("p must", lambda: bits.random_code_insecurity(5, 1.0, 1.0)),
        ("weights must", lambda: bits.bits_bound(5, -1, 1)),
        ("floats must", lambda: bits.bits_bound(5, 1, 1, floats=0.5)),
        ("float_bits must", lambda: bits.bits_bound(5, 1, 1, float_bits=math.nan)),
        ("bits must", lambda: bits.bits_bound(5, 1, -1)),
        ("prior must", lambda: bits.bits_bound(5, 1, 1, prior=1.0)),
    ],
)
def test_bad_input_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()
