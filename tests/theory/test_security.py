"""Exact engines against brute force, high precision (mpmath) and known limits."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qmis_utils.theory import security
from qmis_utils.theory.numerics import check_n, check_probs, count_vectors, log_interval, log_multinomial


def tolerance(log_value):
    """The promised error of log Delta_n."""
    return 1e-9 + 1e-14 * abs(log_value)


def brute_force(losses, probs, n):
    """Joint law of (codeword, Z_1) by listing every ordered data set; ties to the lowest index."""
    losses, probs = np.asarray(losses, float), np.asarray(probs, float)
    joint = np.zeros(losses.shape)
    for data in itertools.product(range(len(probs)), repeat=n):
        total = losses[:, data].sum(1)
        joint[np.flatnonzero(total <= total.min() + 1e-12)[0], data[0]] += probs[list(data)].prod()
    return joint


def total_variation(joint, probs):
    return abs(joint - np.outer(joint.sum(1), probs)).sum() / 2


def gaussian_grid_oracle(n, step, mean):
    """log Delta_n by quadrature over the sample z in high precision, a method that shares nothing with the engine."""
    with mp.workdps(25):
        step, mean, root = mp.mpf(step), mp.mpf(mean), mp.sqrt(n)
        shrink = mp.sqrt(mp.mpf(n - 1) / n)

        def interval(a, b):
            return mp.ncdf(b) - mp.ncdf(a) if a < 0 else mp.ncdf(-a) - mp.ncdf(-b)

        def outside(a, b):
            return mp.ncdf(a) + mp.ncdf(-b)

        home = int(mp.nint(mean / step))
        near = min(abs((home + side) * step - mean) * root for side in (mp.mpf(-0.5), mp.mpf(0.5)))
        reach = int(mp.sqrt(near**2 + 90) / (step * root)) + 2
        total = mp.mpf(0)
        for k in range(home - reach, home + reach + 1):
            a, b = (((k + side) * step - mean) * root for side in (mp.mpf(-0.5), mp.mpf(0.5)))
            # The home cell is compared through its complement, so that 1 - 1e-3000 keeps its digits.
            law, sign = (outside, -1) if k == home else (interval, 1)
            base = law(a, b)

            def change(x, a=a, b=b, law=law, sign=sign, base=base):
                return sign * (law((a - x / root) / shrink, (b - x / root) / shrink) - base)

            centre, ends = n * (k * step - mean), []
            for direction in (-1, 1):
                low, high = mp.mpf(0), mp.mpf(1)
                while change(centre + direction * high) > 0:
                    high *= 2
                for _ in range(60):
                    middle = (low + high) / 2
                    low, high = (middle, high) if change(centre + direction * middle) > 0 else (low, middle)
                ends.append(min(max(centre + direction * low, mp.mpf(-15)), mp.mpf(15)))
            if ends[0] < ends[1]:
                cuts = [ends[0], *[mp.mpf(c) for c in range(-14, 15, 2) if ends[0] < c < ends[1]], ends[1]]
                # Relative to the cell: quad stops at an absolute error.
                total += base * mp.quad(lambda x, change=change, base=base: mp.npdf(x) * change(x) / base, cuts)
        return float(mp.log(total))


@pytest.mark.parametrize(
    ("n", "step", "mean"),
    [
        (2, 3.0, 0.12),
        (20, 1.0, 0.5),  # on a cell edge
        (1000, 0.5, 0.0),  # two equally near edges
        (1000, 3.0, 100.2),
        (10**6, 0.5, 0.12),
        (10**9, 0.5, 0.12),  # Delta_n near 1e-3669782
    ],
)
def test_gaussian_mean_matches_high_precision_quadrature(n, step, mean):
    value = security.gaussian_mean_insecurity(n, step, mean, log=True)
    assert abs(value - gaussian_grid_oracle(n, step, mean)) <= tolerance(value)


def test_gaussian_mean_single_sample_is_the_chance_that_two_draws_differ():
    for step, mean in ((0.05, 0.3), (0.5, 0.12), (1.4, 0.3), (3.0, 0.9)):
        edges = (np.arange(-4000, 4001) - 0.5) * step
        cells = np.diff(stats.norm.cdf(edges, mean))
        assert security.gaussian_mean_insecurity(1, step, mean) == pytest.approx(1 - (cells**2).sum(), abs=1e-12)


@pytest.mark.parametrize("n", [2, 10, 1000, 10**6, 10**9])
def test_gaussian_mean_tends_to_full_precision_as_the_grid_refines(n):
    exact = security.full_precision_insecurity(n, 1, log=True)
    width = 1 / math.sqrt(n)
    losses = [exact - security.gaussian_mean_insecurity(n, w * width, 0.3 * w * width, log=True) for w in (0.04, 0.02)]
    # Rounding loses a share of order (step / sd)^2: a quarter for half the step.
    assert 0 < losses[0] < 2e-4
    assert losses[1] == pytest.approx(losses[0] / 4, rel=0.15)


def test_gaussian_mean_is_continuous_where_the_grid_counts_as_full_precision():
    for n in (100, 10**9):
        width = security.NARROWEST / math.sqrt(n)
        above, below = (security.gaussian_mean_insecurity(n, f * width, 0.0, log=True) for f in (1.0001, 0.9999))
        assert abs(above - below) < 1e-9


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 10**9),
    width=st.floats(0.01, 50),
    place=st.floats(-3, 3),
    sigma=st.floats(0.01, 100),
    cells=st.integers(-1000, 1000),
)
def test_gaussian_mean_knows_its_symmetries(n, width, place, sigma, cells):
    step = width / math.sqrt(n)
    value = security.gaussian_mean_insecurity(n, step, place * step, log=True)
    scaled = security.gaussian_mean_insecurity(n, step * sigma, place * step * sigma, sigma, log=True)
    mirrored = security.gaussian_mean_insecurity(n, step, -place * step, log=True)
    shifted = security.gaussian_mean_insecurity(n, step, place * step + cells * step, log=True)
    # Scaling and shifting round the mean itself, by up to 1e-13 of a cell here.
    assert scaled == pytest.approx(value, abs=1e-9 + 1e-11 * width**2)
    assert mirrored == pytest.approx(value, abs=1e-12, rel=1e-14)
    assert shifted == pytest.approx(value, abs=1e-9 + 1e-11 * width**2)
    assert value <= security.full_precision_insecurity(n, 1, log=True) + 1e-12


def test_gaussian_mean_broadcasts():
    grid = security.gaussian_mean_insecurity(np.array([[10], [100]]), np.array([0.1, 1.0, 2.0]), 0.2, log=True)
    assert grid.shape == (2, 3)
    assert grid[1, 2] == security.gaussian_mean_insecurity(100, 2.0, 0.2, log=True)


def test_full_precision_matches_quadrature_over_the_sample():
    for n, dim in ((2, 1), (5, 1), (40, 1), (3, 2), (10, 5), (100, 12)):
        # Given |x|, theta_hat is likelier than usual inside a ball around x / rho: noncentral chi-squares.
        rho = 1 / math.sqrt(n)
        s2 = 1 - rho**2

        def integrand(x, dim=dim, rho=rho, s2=s2):
            radius2 = s2 * (x**2 - dim * math.log(s2)) / rho**2
            noncentral = s2**2 * x**2 / rho**2
            inside = stats.ncx2.cdf(radius2 / s2, dim, noncentral / s2)
            outside = stats.ncx2.cdf(radius2, dim, x**2 / rho**2)
            return (inside - outside) * stats.chi.pdf(x, dim)

        x, w = np.polynomial.legendre.leggauss(200)
        top = math.sqrt(dim) + 9
        value = (integrand((x + 1) * top / 2) * w).sum() * top / 2
        assert security.full_precision_insecurity(n, dim) == pytest.approx(value, rel=1e-7)


def test_full_precision_follows_the_square_root_law():
    for dim in (1, 2, 10, 1000):
        norm = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
        for n in (10**6, 10**13):
            ratio = security.full_precision_insecurity(n, dim) * math.sqrt(2 * math.pi * n) / norm
            assert ratio == pytest.approx(1, abs=20 * dim / n + 1e-9)
    assert security.full_precision_insecurity(1, 3) == 1
    assert security.full_precision_insecurity(10, 10**5) == pytest.approx(1, abs=1e-9)


def test_gaussian_noise_spans_full_precision_to_nothing():
    assert security.gaussian_noise_insecurity(50, 0.0) == security.full_precision_insecurity(50, 1)
    # Noise that makes the correlation that of n = 200 must give the insecurity of n = 200.
    noise = math.sqrt(200 / 50**2 - 1 / 50)
    assert security.gaussian_noise_insecurity(50, noise) == pytest.approx(security.full_precision_insecurity(200, 1))
    assert security.gaussian_noise_insecurity(50, 2 * noise, 2.0) == pytest.approx(
        security.gaussian_noise_insecurity(50, noise)
    )
    assert security.gaussian_noise_insecurity(10, 1e12, log=True) == pytest.approx(math.log(1e-13 / math.pi))
    assert security.gaussian_noise_insecurity(1, 0.0) == 1


@settings(max_examples=40, deadline=None)
@given(
    losses=st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=5),
    weights=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    n=st.integers(1, 5),
)
def test_finite_support_matches_listing_every_data_set(losses, weights, n):
    probs = np.array(weights) / sum(weights)  # small whole losses: ties everywhere
    expected = total_variation(brute_force(losses, probs, n), probs)
    assert security.finite_support_insecurity(losses, probs, n) == pytest.approx(expected, abs=1e-13)


def test_release_of_every_count_leaks_the_counts():
    """Releasing the counts themselves: Delta is half the summed mean deviation of the counts."""
    n, probs = 30, np.array([0.2, 0.5, 0.3])
    counts = count_vectors(n, 3)
    deviation = [stats.binom.pmf(np.arange(n + 1), n, p) @ abs(np.arange(n + 1) / n - p) for p in probs]
    exact = security.release_insecurity(np.arange(len(counts)), counts, probs)
    assert exact == pytest.approx(sum(deviation) / 2, rel=1e-12)
    assert security.release_insecurity(np.zeros(len(counts), int), counts, probs) == 0
    parity = security.release_insecurity(counts[:, 0] % 2, counts, probs)
    assert parity == pytest.approx(2 * 0.2 * 0.8 * 0.6 ** (n - 1), rel=1e-9)


def test_finite_support_ignores_impossible_samples_and_constant_offsets():
    losses, probs = np.array([[0.1, 0.9, 0.4], [0.5, 0.2, 0.3]]), np.array([0.6, 0.1, 0.3])
    value = security.finite_support_insecurity(losses, probs, 20)
    padded = np.column_stack([losses, [99.0, -99.0]])
    assert security.finite_support_insecurity(padded, [*probs, 0.0], 20) == value
    assert security.finite_support_insecurity(losses + [1e6, 0, -5], probs, 20) == pytest.approx(value, rel=1e-9)
    assert security.finite_support_insecurity([[1.0, 2.0]], [0.5, 0.5], 9) == 0
    assert security.finite_support_insecurity([[0.0, 0.0], [1.0, 2.0]], [0.5, 0.5], 9, log=True) == -math.inf


@settings(max_examples=40, deadline=None)
@given(
    n=st.sampled_from([1, 2, 9, 10, 100, 5000]),
    p=st.sampled_from([0.0, 1e-6, 0.1, 0.37, 0.5, 0.9, 1.0]),
    codebook=st.lists(st.sampled_from([0, 0.1, 0.2, 0.3, 0.45, 0.5, 0.7, 0.9, 1]), min_size=1, max_size=5).map(sorted),
)
def test_bernoulli_matches_the_general_engine(n, p, codebook):
    words = np.array(codebook, float)
    general = security.finite_support_insecurity(np.stack([words**2, (1 - words) ** 2], 1), [1 - p, p], n, log=True)
    value = security.bernoulli_insecurity(n, p, codebook, log=True)
    assert value == general or abs(value - general) <= 2 * tolerance(value)


@pytest.mark.parametrize("n", [10, 20, 30])
def test_bernoulli_mean_within_rounding_of_a_midpoint_is_a_tie(n):
    """(0.1 + 0.7) / 2 is below 0.4 in floating point, and 4 of 10 ones are a tie all the same."""
    assert n * (0.1 + 0.7) / 2 < 0.4 * n
    expected = 2 * 0.37 * 0.63 * stats.binom.pmf(0.4 * n, n - 1, 0.37)
    assert security.bernoulli_insecurity(n, 0.37, [0.1, 0.7]) == pytest.approx(expected, rel=1e-12)


def test_bernoulli_codewords_that_only_rounding_tells_apart_release_nothing():
    assert security.bernoulli_insecurity(3, 0.5, [1 - 2**-52, 1.0], log=True) == -math.inf


def test_bernoulli_is_accurate_at_a_million():
    n, p, codebook = 10**6, 0.3, [0.1, 0.3, 0.45, 0.8]
    with mp.workdps(40):
        q = mp.mpf(p)
        best = -mp.inf
        for low, high in itertools.pairwise(codebook):
            m = int(mp.floor(n * (mp.mpf(low) + mp.mpf(high)) / 2 + mp.mpf(1e-9)))
            choose = mp.loggamma(n) - mp.loggamma(m + 1) - mp.loggamma(n - m)
            best = max(best, choose + m * mp.log(q) + (n - 1 - m) * mp.log(1 - q))
        expected = float(mp.log(2 * q * (1 - q)) + best)
    value = security.bernoulli_insecurity(n, p, codebook, log=True)
    assert value < -math.log(1e100)
    assert abs(value - expected) <= tolerance(value)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 10**9), share=st.floats(0, 1), p=st.floats(1e-6, 1 - 1e-6))
def test_log_multinomial_matches_high_precision(n, share, p):
    m = round(n * share)
    with mp.workdps(40):
        choose = mp.loggamma(n + 1) - mp.loggamma(m + 1) - mp.loggamma(n - m + 1)
        expected = float(choose + m * mp.log(mp.mpf(p)) + (n - m) * mp.log(1 - mp.mpf(p)))
    assert log_multinomial([m, n - m], np.array([p, 1 - p])) == pytest.approx(expected, abs=1e-9, rel=1e-13)


@pytest.mark.parametrize("m", [15, 16, 17, 24])
def test_log_multinomial_where_the_series_of_the_factorial_begins(m):
    expected = math.lgamma(2 * m + 1) - 2 * math.lgamma(m + 1) + 2 * m * math.log(0.5)
    assert log_multinomial([m, m], np.array([0.5, 0.5])) == pytest.approx(expected, abs=5e-13)


@settings(max_examples=60, deadline=None)
@given(lo=st.floats(-1e4, 1e4), size=st.floats(1e-9, 1e3))
def test_log_interval_matches_high_precision(lo, size):
    hi = lo + size
    with mp.workdps(60):
        a, b = sorted([abs(mp.mpf(lo)), abs(mp.mpf(hi))]) if lo * hi > 0 else (mp.mpf(lo), mp.mpf(hi))
        expected = float(mp.log((mp.erfc(a / mp.sqrt(2)) - mp.erfc(b / mp.sqrt(2))) / 2)) if hi > lo else 0.0
    value = float(log_interval(np.array([lo]), np.array([hi]))[0])
    # The size of the cell itself is rounded when its edges are large.
    assert abs(value - expected) <= 1e-12 + 1e-14 * abs(expected) + 4e-16 * abs(lo) / size


def test_bounds_hold_for_every_exact_engine():
    for n in (1, 3, 10, 100, 1000):
        for words in ([0.2, 0.6], [0.1, 0.3, 0.5, 0.9]):
            value = security.bernoulli_insecurity(n, 0.4, words)
            assert value <= security.entropy_bound(math.log(len(words)), n)
        losses = np.random.default_rng(n).random((6, 3))
        value = security.finite_support_insecurity(losses, [0.5, 0.3, 0.2], n)
        assert value <= security.entropy_bound(math.log(6), n)
        for step in (0.1, 1.0, 4.0):
            edges = (np.arange(-2000, 2001) - 0.5) * step
            cells = np.diff(stats.norm.cdf(edges, 0.3, 1 / math.sqrt(n)))
            entropy = stats.entropy(cells)
            assert security.gaussian_mean_insecurity(n, step, 0.3) <= security.entropy_bound(entropy, n)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 6))
def test_dp_bound_holds_for_the_epsilon_each_release_has(seed, n):
    """The codeword is released by the exponential mechanism; epsilon is the largest log ratio given one sample."""
    rng = np.random.default_rng(seed)
    losses, probs = rng.random((3, 2)), rng.dirichlet([2, 2])
    joint = np.zeros((3, 2))
    for data in itertools.product(range(2), repeat=n):
        mechanism = np.exp(-3 * losses[:, data].sum(1))
        joint[:, data[0]] += probs[list(data)].prod() * mechanism / mechanism.sum()
    given_sample = joint / probs
    epsilon = abs(np.log(given_sample[:, 0] / given_sample[:, 1])).max()
    assert total_variation(joint, probs) <= security.dp_bound(epsilon) + 1e-15
    # The same epsilon bounds the deterministic engine when every codeword is possible under every sample.
    exact = brute_force(losses, probs, n) / probs
    exact = exact[exact.sum(1) > 0]
    if (exact > 0).all():
        epsilon = abs(np.log(exact[:, 0] / exact[:, 1])).max()
        assert security.finite_support_insecurity(losses, probs, n) <= security.dp_bound(epsilon) + 1e-15


def test_bounds_at_known_points():
    assert security.dp_bound(math.log(3)) == pytest.approx(0.5)
    assert security.dp_bound(math.inf) == 1
    assert security.entropy_bound(8.0, 100) == pytest.approx(0.2)
    assert security.entropy_bound(1e9, 1) == 1


def test_a_hopeless_codeword_does_not_change_ties():
    losses = [[0.0, 0.1], [0.1, 0.0]]
    value = security.finite_support_insecurity(losses, [0.5, 0.5], 20)
    assert value == pytest.approx(0.0881, abs=1e-4)
    for rows in ([*losses, [1e13, 1e13]], [[1e13, 2e13], *losses]):
        assert security.finite_support_insecurity(rows, [0.5, 0.5], 20) == value


def test_copies_of_a_codeword_up_to_rounding_are_one():
    losses, probs = np.array([[0.1 + 0.2, 1.0, 0.5], [0.3, 1.0, 0.5], [2.0, 0.2, 1.5]]), [0.3, 0.2, 0.5]
    value = security.finite_support_insecurity(losses, probs, 60, log=True)
    assert value == pytest.approx(security.finite_support_insecurity(losses[1:], probs, 60, log=True), rel=1e-12)


def test_insecurity_never_exceeds_one():
    assert security.full_precision_insecurity(3, 10**8) <= 1
    assert security.full_precision_insecurity(3, 10**8, log=True) <= 0
    wide = -security.gaussian_mean_insecurity(2, 5e11, 1.2e11, log=True)
    assert wide == pytest.approx(1.3e11**2, rel=1e-12)  # a cell near the widest that is allowed


def test_probabilities_are_scaled_to_sum_to_one():
    probs = np.array([0.2, 0.3, 0.5])
    assert check_probs("probs", probs * (1 + 5e-10)) == pytest.approx(probs, rel=1e-15)
    assert check_probs("probs", np.stack([probs, probs]) * (1 - 5e-10)).sum(1) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("n", [10**30, 5, np.int64(5), np.float32(5), 5.0])
def test_whole_numbers_are_whole(n):
    assert check_n(n) == float(n)


@pytest.mark.parametrize("n", ["5", None, True, np.True_, 10**400, math.inf, math.nan, 0, 2.5, [5], 1j])
def test_what_is_no_number_of_samples_is_refused(n):
    with pytest.raises(ValueError, match="n must be a whole number"):
        check_n(n)


@pytest.mark.parametrize("dim", [10**4, 10**6, 10**8])
def test_full_precision_of_many_dimensions_is_a_normal_limit_up_to_1_over_dim(dim):
    """2 Phi(sqrt(d / n) / 2) - 1 is too large by c / d of itself, c a function of d / n alone."""
    for share, c in ((0.1, -1.683), (1, -0.1724), (10, 0.2046), (1000, 0.2495)):
        n = round(dim * share)
        excess = math.erf(math.sqrt(dim / n / 8)) / security.full_precision_insecurity(n, dim) - 1
        assert excess == pytest.approx(c / dim, abs=0.03 * abs(c) / dim + 1e-8)


@pytest.mark.parametrize(
    ("n", "dim", "expected"),
    [
        (10**9, 10**9, 0.3829249225480262),  # 2 Phi(1 / 2) - 1
        (10**15, 10**15, 0.3829249225480262),
        (10**18, 10**18, 0.3829249225480262),
        (10**15, 10**18, 1.0),
        (10**300, 10**290, math.sqrt(1e-10 / (2 * math.pi))),
        (2, 10**15, 1.0),
    ],
)
def test_full_precision_of_very_many_dimensions(n, dim, expected):
    assert security.full_precision_insecurity(n, dim) == pytest.approx(expected, rel=2e-8)
    assert security.full_precision_insecurity(n, dim, log=True) == pytest.approx(math.log(expected), abs=2e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), exponent=st.integers(-1000, 1000), n=st.integers(1, 30))
def test_finite_support_does_not_depend_on_the_scale_of_the_losses(seed, exponent, n):
    losses, probs = np.random.default_rng(seed).random((4, 3)), [0.5, 0.3, 0.2]
    value = security.finite_support_insecurity(losses, probs, n)
    assert security.finite_support_insecurity(np.ldexp(losses, exponent), probs, n) == value


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 10**6),
    width=st.floats(0.1, 8),
    place=st.floats(-0.5, 0.5),
    noise=st.floats(0, 5),
    exponent=st.integers(-900, 900),
)
def test_gaussian_engines_do_not_depend_on_the_units(n, width, place, noise, exponent):
    step, unit = width / math.sqrt(n), 2.0**exponent
    value = security.gaussian_mean_insecurity(n, step, place * step, log=True)
    assert security.gaussian_mean_insecurity(n, step * unit, place * step * unit, unit, log=True) == value
    value = security.gaussian_noise_insecurity(n, noise, log=True)
    assert security.gaussian_noise_insecurity(n, noise * unit, unit, log=True) == pytest.approx(
        value, rel=1e-10, abs=1e-12
    )


def test_extreme_scales_give_the_value():
    assert security.finite_support_insecurity([[1e308, -1e308], [-1e308, 1e308]], [0.5, 0.5], 1) == pytest.approx(0.5)
    assert security.finite_support_insecurity([[0, 5e-324], [5e-324, 0]], [0.5, 0.5], 1) == pytest.approx(0.5)
    with mp.workdps(30):
        expected = float(mp.log(2 * mp.mpf(5e-324)) + mp.log(126) + 5 * mp.log(mp.mpf(5e-324)))
    assert security.bernoulli_insecurity(10, 5e-324, [0.0, 1.0], log=True) == pytest.approx(expected, rel=1e-12)
    huge = security.gaussian_noise_insecurity(10, 1e300, 1e-300, log=True)
    assert huge == pytest.approx(-math.log(10 * math.pi) - 600 * math.log(10), rel=1e-12)
    assert security.gaussian_mean_insecurity(100, 5e-324, 0.0, 5e-324, log=True) == pytest.approx(
        security.gaussian_mean_insecurity(100, 1.0, 0.0, 1.0, log=True)
    )


def test_counts_may_come_in_any_order():
    counts, probs = count_vectors(6, 3), [0.2, 0.5, 0.3]
    released = (counts[:, 0] * 3 + counts[:, 1]) % 4
    order = np.random.default_rng(0).permutation(len(counts))
    value = security.release_insecurity(released, counts, probs)
    assert security.release_insecurity(released[order], counts[order], probs) == pytest.approx(value, rel=1e-12)
    assert security.release_insecurity(released, counts.tolist(), probs) == value


def release(counts, probs=(0.5, 0.5)):
    counts = np.asarray(counts)
    return security.release_insecurity(np.arange(len(counts)) % 2, counts, probs)


NOT_NUMBERS = ["3", None, 1j, True, [1.0, 2.0], np.array([1.0, 2.0])]
SCALARS = [
    ("step", lambda x: security.gaussian_mean_insecurity(10, x, 0.0)),
    ("sigma", lambda x: security.gaussian_mean_insecurity(10, 0.5, 0.0, x)),
    ("n", lambda x: security.full_precision_insecurity(x, 1)),
    ("noise", lambda x: security.gaussian_noise_insecurity(10, x)),
    ("sigma", lambda x: security.gaussian_noise_insecurity(10, 1.0, x)),
    ("p", lambda x: security.bernoulli_insecurity(10, x, [0.0, 1.0])),
    ("H", lambda x: security.entropy_bound(x, 10)),
    ("epsilon", security.dp_bound),
]


@pytest.mark.parametrize(("name", "call"), SCALARS)
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused_by_name(name, call, value):
    if np.ndim(value) and name in ("step", "sigma"):
        return  # gaussian_mean_insecurity broadcasts, and gaussian_noise_insecurity shares the name
    with pytest.raises(ValueError, match=f"^{name} must"):
        call(value)


BAD_CALLS = [
    ("step must be at most", lambda: security.gaussian_mean_insecurity(2, 1e155, 0.0)),
    ("step must be at most", lambda: security.gaussian_mean_insecurity(10**6, 1e12, 0.0)),
    ("step must be at most", lambda: security.gaussian_mean_insecurity(1, 1.0, 0.0, 1e-200)),
    ("probs must be positive", lambda: security.release_insecurity([0] * 15, count_vectors(4, 3), [0.5, 0.5, 0])),
    ("dim must", lambda: security.full_precision_insecurity(10, "2")),
    ("n must", lambda: security.gaussian_mean_insecurity(0, 0.5, 0.0)),
    ("n must", lambda: security.gaussian_mean_insecurity(2.5, 0.5, 0.0)),
    ("step must", lambda: security.gaussian_mean_insecurity(10, 0.0, 0.0)),
    ("mean must", lambda: security.gaussian_mean_insecurity(10, 0.5, math.nan)),
    ("sigma must", lambda: security.gaussian_mean_insecurity(10, 0.5, 0.0, -1.0)),
    ("dim must", lambda: security.full_precision_insecurity(10, 0)),
    ("noise must", lambda: security.gaussian_noise_insecurity(10, -1.0)),
    ("p must", lambda: security.bernoulli_insecurity(10, 1.5, [0.0, 1.0])),
    ("codebook must", lambda: security.bernoulli_insecurity(10, 0.5, [])),
    ("codebook must be sorted", lambda: security.bernoulli_insecurity(10, 0.5, [0.5, 0.2])),
    ("codebook must", lambda: security.bernoulli_insecurity(10, 0.5, [0.5, math.nan])),
    ("losses must", lambda: security.finite_support_insecurity([[0.0, math.nan]], [0.5, 0.5], 3)),
    ("losses must", lambda: security.finite_support_insecurity(np.zeros((0, 2)), [0.5, 0.5], 3)),
    ("probs must", lambda: security.finite_support_insecurity([[0.0, 1.0]], [0.5, 0.6], 3)),
    ("probs must", lambda: security.finite_support_insecurity([[0.0, 1.0]], [0.5, 0.5 + 2e-9], 3)),
    ("probs must", lambda: security.finite_support_insecurity([[0.0, 1.0]], [1.0], 3)),
    ("codebook_insecurity_mc", lambda: security.finite_support_insecurity(np.eye(6), np.full(6, 1 / 6), 1000)),
    ("released must", lambda: security.release_insecurity([0, -1], count_vectors(1, 2), [0.5, 0.5])),
    ("released must", lambda: security.release_insecurity([0], count_vectors(1, 2), [0.5, 0.5])),
    ("counts must have rows of one sum", lambda: release([[0, 2], [1, 1], [2, 1]])),
    ("counts must list each", lambda: release([[0, 2], [1, 1]])),
    ("counts must list each", lambda: release([[0, 2], [1, 1], [1, 1]])),
    ("counts must list each", lambda: release([[0, 2], [1, 1], [2, 0], [2, 0]])),
    ("counts must be whole", lambda: release([[-1, 3], [0, 2], [1, 1], [2, 0]])),
    ("counts must be whole", lambda: release([[0.5, 1.5], [1, 1], [2, 0]])),
    ("counts must be whole", lambda: release([0, 1, 2])),
    ("counts must have rows of one sum", lambda: release([[0, 0]])),
    ("counts must be an array", lambda: release([["0", "2"], ["1", "1"], ["2", "0"]])),
    ("probs must have shape", lambda: release([[0, 2], [1, 1], [2, 0]], [0.2, 0.3, 0.5])),
    ("n must be at most", lambda: security.bernoulli_insecurity(10**29, 0.5, [0.0, 1.0])),
    ("codebook must", lambda: security.bernoulli_insecurity(10, 0.5, ["0", "1"])),
    ("codebook must", lambda: security.bernoulli_insecurity(10, 0.5, [0, 1j])),
    ("losses must", lambda: security.finite_support_insecurity([["0", "1"]], [0.5, 0.5], 3)),
    ("losses must", lambda: security.finite_support_insecurity([[0, None]], [0.5, 0.5], 3)),
    ("losses must", lambda: security.finite_support_insecurity([[0, 1], [1]], [0.5, 0.5], 3)),
    ("probs must", lambda: security.finite_support_insecurity([[0, 1]], ["0.5", "0.5"], 3)),
    ("n must", lambda: count_vectors(2.5, 2)),
    ("m must", lambda: count_vectors(2, 0)),
    ("H must", lambda: security.entropy_bound(math.nan, 10)),
    ("H must", lambda: security.entropy_bound(-1.0, 10)),
    ("epsilon must", lambda: security.dp_bound(-0.1)),
]


@pytest.mark.parametrize(("message", "call"), BAD_CALLS)
def test_bad_input_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()
