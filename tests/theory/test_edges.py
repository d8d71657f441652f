"""Theorems B and C: noise against rounding, and the edge law, against high precision, quadrature and brute force."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from qmis_utils.theory import edges, information

PLACES = (np.arange(400) + 0.5) / 400


def test_the_two_constants_by_high_precision():
    with mp.workdps(25):
        phi, cdf = mp.npdf, mp.ncdf
        both = mp.quad(lambda b: phi(b) ** 2 / (cdf(b) * cdf(-b)), [-25, -8, -3, 0, 3, 8, 25])
        one = 2 * mp.quad(lambda b: phi(b) ** 2 / cdf(b), [-25, -8, -3, 0, 3, 8, 25])

        def ratio(a):
            return cdf(a) ** 2 / (a * cdf(a) + phi(a))

        slope = mp.quad(ratio, [-25, -8, -3, 0, 1]) + mp.quad(lambda a: ratio(a) - 1 / a, [1, 3, 8, 20, 60])
    assert float(both) == pytest.approx(edges.EDGE, abs=1e-15)
    assert float(one) == pytest.approx(edges.EDGE, abs=1e-15)
    assert float(slope) == pytest.approx(edges.SLOPE, abs=1e-12)


# theorem B ------------------------------------------------------------------------------------------------------------


def blurred(kind, spread):
    """Density of N(0, 1) plus noise on a fine grid, by summing over the noise."""
    law = {
        "uniform": stats.uniform(-math.sqrt(3) * spread, 2 * math.sqrt(3) * spread),
        "gaussian": stats.norm(0, spread),
        "laplace": stats.laplace(0, spread / math.sqrt(2)),
    }[kind]
    ranks = (np.arange(8000) + 0.5) / 8000
    x = np.linspace(-9 - 9 * spread, 9 + 9 * spread, 1001)
    noise = law.ppf(ranks)
    return x, np.array([stats.norm.pdf(at - noise).mean() for at in x])


@pytest.mark.parametrize("spread", [0.5, 2.0])
@pytest.mark.parametrize("kind", edges.NOISES)
def test_leak_and_information_of_noise_by_brute_force(kind, spread):
    x, p = blurred(kind, spread)
    slope = np.gradient(p, x)
    assert edges.coordinate_leak(kind, spread) == pytest.approx(abs(np.diff(p)).sum() / 2, rel=1e-3)
    known = p > 1e-9
    information_found = integrate.trapezoid(slope[known] ** 2 / p[known], x[known])
    assert edges.noise_information(kind, spread) == pytest.approx(information_found, rel=3e-3)


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(edges.NOISES), spread=st.floats(0.01, 200))
def test_no_noise_leaks_less_than_the_bounds(kind, spread):
    assert edges.coordinate_leak(kind, spread) >= 1 / math.sqrt(12 * (1 + spread**2))
    assert 1 >= edges.noise_information(kind, spread) >= (1 - 1e-8) / (1 + spread**2)


def test_uniform_noise_attains_the_bound_of_one_coordinate_and_gaussian_noise_that_of_many():
    for kind, price in (("uniform", 1.0), ("gaussian", math.sqrt(6 / math.pi)), ("laplace", math.sqrt(6))):
        bound = 1 / math.sqrt(12 * (1 + 1e8))
        assert edges.coordinate_leak(kind, 1e4) / bound == pytest.approx(price, rel=1e-3)
    assert edges.noise_information("gaussian", 3.0) == pytest.approx(0.1)
    assert edges.noise_information("uniform", 3.0) > 0.15


def test_the_order_reverses_between_one_coordinate_and_many():
    """At equal error, in retraining standard deviations: rounding wins with one coordinate, noise with many."""
    for spread in (1.0, 3.0, 6.0, 30.0):
        one = [edges.coordinate_leak(kind, spread) for kind in ("uniform", "gaussian")]
        many = [edges.noise_information(kind, spread) for kind in ("uniform", "gaussian")]
        assert one[0] < one[1]
        assert many[0] > many[1]
    for width in (20.0, 100.0, 1000.0):  # d' of rounding over d' of noise of equal error
        spread = width / math.sqrt(12)
        ratio = edges.noise_information("uniform", spread) / edges.noise_information("gaussian", spread)
        assert ratio == pytest.approx(edges.EDGE * width / 12, rel=0.04 if width == 20 else 2e-3)
    assert pytest.approx(0.1505, abs=5e-5) == edges.EDGE / 12


def grid(width, reach=14):
    k = math.ceil(reach / width) + 1
    return np.r_[-np.inf, (np.arange(-k, k) + 0.5) * width, np.inf]


@pytest.mark.parametrize("width", [0.3, 2.0, 5.0, 20.0, 100.0])
def test_dithered_rounding_is_plain_rounding_averaged_over_places(width):
    mean = information.surviving_information(grid(width), (PLACES - 0.5) * width, 1.0).mean()
    assert edges.noise_information("uniform", width / math.sqrt(12)) == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("width", [0.7, 3.0, 12.0])
def test_stochastic_rounding_by_direct_quadrature(width):
    """The law of the level, place by place: probabilities and slopes by an integral over the coordinate."""
    k = np.arange(-math.ceil(10 / width) - 1, math.ceil(10 / width) + 3)
    x, weight = np.polynomial.legendre.leggauss(2000)
    x, weight = 10 * x, 10 * weight * stats.norm.pdf(10 * x)
    total = 0.0
    for place in PLACES[::20]:
        tent = np.maximum(1 - abs((place * width + x) / width - k[:, None]), 0)
        p, slope = tent @ weight, tent @ (weight * x)  # the slope of E g(m + X) is E X g(m + X)
        total += (slope[p > 1e-12] ** 2 / p[p > 1e-12]).sum() / 20
    assert edges.stochastic_information(width) == pytest.approx(total, rel=5e-3)


def test_stochastic_rounding_far_out_and_at_fine_steps():
    rest = [edges.stochastic_information(w) * w**2 / 2 - math.log(w) - edges.SLOPE for w in (20.0, 200.0, 2000.0)]
    assert np.all(np.abs(rest) < [0.1, 0.01, 0.001])
    for width in (0.005, 0.02, 0.3):  # of nearly independent noise of variance w^2 / 6
        assert edges.stochastic_information(width) == pytest.approx(1 / (1 + width**2 / 6), rel=1e-7)


def test_stochastic_rounding_lies_between_noise_and_plain_rounding_of_equal_error():
    expected = {5: (0.361, 0.324, 0.331), 10: (0.181, 0.107, 0.119), 20: (0.0903, 0.0291, 0.0377)}
    expected[50] = 0.0361, 0.00478, 0.00757
    for width, values in expected.items():
        spread = width / math.sqrt(12)
        found = [edges.noise_information(kind, spread) for kind in ("uniform", "gaussian")]
        found.append(edges.stochastic_information(width / math.sqrt(2)))  # its error is twice as large at equal step
        assert found == pytest.approx(values, rel=5e-3)
        assert found[1] < found[2] < found[0]


# theorem C ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 4, 8, 16])
def test_the_edge_law_is_the_mean_of_j_over_gaussian_weights(levels):
    found = edges.lloyd_max(levels)
    means = stats.norm.ppf((np.arange(20_001) + 0.5) / 20_001)
    kept = information.surviving_information(np.r_[-np.inf, found.edges, np.inf], means, 0.004).mean()
    assert edges.edge_information(found, 0.004) == pytest.approx(kept, rel=2e-4)


def test_the_edge_law_needs_no_flat_density():
    """A law with a kink at the edge, and a spread that is not small: the error is of the order of the spread."""
    law = stats.laplace(scale=1 / math.sqrt(2))
    means = law.ppf((np.arange(20_001) + 0.5) / 20_001)
    for sd, error in ((0.003, 0.01), (0.03, 0.05)):
        kept = information.surviving_information([-np.inf, 0.0, np.inf], means, sd).mean()
        assert edges.edge_information(edges.make_grid([0.0], law), sd) == pytest.approx(kept, rel=error)


def test_the_predicted_order_of_the_paper_s_quantizers():
    """Sum of the density of N(0, 1) at the edges: 90 % zeros, sign, 70 %, 50 %, 33 %."""
    thresholds = {p: stats.norm.ppf((1 + p / 100) / 2) for p in (90, 70, 50, 33)}
    leak = {p: edges.make_grid([-t, t]).leak for p, t in thresholds.items()} | {"sign": edges.make_grid([0.0]).leak}
    assert [leak[p] for p in (90, "sign", 70, 50, 33)] == pytest.approx([0.206, 0.399, 0.466, 0.636, 0.729], abs=5e-4)
    assert sorted(leak, key=leak.get) == [90, "sign", 70, 50, 33]


def test_lloyd_max_is_max_s_table_and_leaks_more_than_the_uniform_grid():
    for levels, distortion in ((2, 0.3634), (4, 0.1175), (8, 0.03454), (16, 0.009497)):
        assert edges.lloyd_max(levels).distortion == pytest.approx(distortion, rel=5e-4)
    limit = math.sqrt(3) / 2 * 3**0.25
    assert limit == pytest.approx(1.1398, abs=5e-5)
    for levels, ratio in ((4, 1.1274), (8, 1.1375)):
        found = edges.lloyd_max(levels)
        assert found.leak / edges.private_grid(3 * levels, found.distortion).leak == pytest.approx(ratio, abs=5e-4)
    found = edges.lloyd_max(64)
    fine = edges.edge_information(found, 1.0) / edges.least_information(found.distortion, 1.0)
    assert fine == pytest.approx(limit, rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.floats(0.3, 3.0), min_size=3, max_size=3))
def test_the_high_rate_bounds_hold_for_every_density_of_levels(shape):
    """Hoelder and Jensen: J = c s int f l, 12 D = int f / l^2, H = h + int f log l, for a density of levels l."""
    x = np.linspace(-6, 6, 4001)
    f = stats.norm.pdf(x)
    density = 30 * np.exp(np.interp(x, [-6, 0, 6], np.log(shape)))
    leak, distortion = integrate.trapezoid(f * density, x), integrate.trapezoid(f / density**2, x) / 12
    entropy = stats.norm.entropy() + integrate.trapezoid(f * np.log(density), x)
    assert edges.EDGE * leak >= edges.least_information(distortion, 1.0) * (1 - 1e-6)
    assert edges.EDGE * leak >= edges.least_information_of_code(entropy, stats.norm.entropy(), 1.0) * (1 - 1e-6)


def test_both_bounds_are_attained_by_the_uniform_grid():
    step = 0.1
    found = edges.make_grid((np.arange(-58, 58) + 0.5) * step)
    assert edges.edge_information(found, 1.0) == pytest.approx(edges.EDGE / step, rel=1e-6)
    assert edges.least_information(found.distortion, 1.0) == pytest.approx(edges.EDGE / step, rel=2e-3)
    bound = edges.least_information_of_code(found.entropy, stats.norm.entropy(), 1.0)
    assert bound == pytest.approx(edges.EDGE / step, rel=2e-3)


@pytest.mark.parametrize("target", [0.25, 1 - 2 / math.pi, 0.5, 0.7])
def test_the_least_leaking_grid_of_three_levels_by_brute_force(target):
    t = np.linspace(-4, 4, 401)
    low, high = (m[np.triu_indices(401, 1)] for m in np.meshgrid(t, t, indexing="ij"))
    cuts = np.stack([np.full(low.shape, -np.inf), low, high, np.full(low.shape, np.inf)])
    mass, first = np.diff(stats.norm.cdf(cuts), axis=0), -np.diff(stats.norm.pdf(cuts), axis=0)
    distortion = 1 - (first**2 / mass).sum(0)
    leak = stats.norm.pdf(low) + stats.norm.pdf(high)
    least = leak[distortion <= target].min()
    found = edges.private_grid(3, target)
    assert found.distortion <= target * (1 + 1e-6)
    assert least - 0.01 <= found.leak <= least + 1e-9


def test_at_the_error_of_the_sign_sparse_ternary_leaks_less_and_a_fourth_level_hardly_helps():
    sign = edges.make_grid([0.0])
    three, four = (edges.private_grid(levels, sign.distortion) for levels in (3, 4))
    assert three.edges == pytest.approx([-1.24, 1.24], abs=2e-3)
    assert np.diff(stats.norm.cdf(three.edges))[0] == pytest.approx(0.785, abs=1e-3)  # zeros
    assert (three.leak, sign.leak) == pytest.approx((0.3701, 0.3989), abs=1e-4)
    assert 0.999 * three.leak < four.leak <= three.leak
    assert 0.99 < edges.private_grid(4, 0.25).leak / edges.private_grid(3, 0.25).leak < 1
    with pytest.raises(ValueError, match=r"distortion 0\.36 is not reached by 2 levels"):
        edges.private_grid(2, 0.36)


@settings(max_examples=8, deadline=None)
@given(target=st.floats(0.03, 0.8), levels=st.integers(9, 12), nudge=st.floats(-0.05, 0.05), which=st.integers(0, 7))
def test_nothing_near_the_best_grid_is_better(target, levels, nudge, which):
    best = edges.private_grid(levels, target)
    moved = best.edges.copy()
    moved[which % len(moved)] += nudge
    if np.all(np.diff(moved) > 1e-3):
        other = edges.make_grid(moved)
        assert other.leak > best.leak - 1e-5 or other.distortion > target
    assert best.distortion == pytest.approx(target, rel=1e-5)


def test_units_and_places_of_the_weights_do_not_matter():
    plain = edges.private_grid(5, 0.2)
    moved = edges.private_grid(5, 0.2 * 9, stats.norm(2.0, 3.0))
    assert moved.leak * 3 == pytest.approx(plain.leak, rel=1e-5)
    assert (moved.entropy, moved.distortion) == pytest.approx((plain.entropy, plain.distortion * 9), rel=1e-3)


def test_a_sample_gives_nearly_the_grid_of_its_law():
    sample = np.random.default_rng(0).normal(size=20_000)
    fitted, exact = edges.private_grid(3, 0.3, sample), edges.private_grid(3, 0.3)
    assert fitted.leak == pytest.approx(exact.leak, rel=0.05)  # the edges may differ: the optimum is flat


def test_heavy_tails_ask_for_sparser_grids():
    """Laplace weights of variance 1 at the distortion of their own sign: three levels leak far less than its .707."""
    law = stats.laplace(scale=1 / math.sqrt(2))
    sign = edges.make_grid([0.0], law)
    assert edges.private_grid(3, sign.distortion, law).leak < 0.6 * sign.leak


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: edges.coordinate_leak("normal", 1.0), "kind must be one of uniform, gaussian, laplace"),
        (lambda: edges.noise_information("uniform", 0.0), "spread must be a finite number > 0"),
        (lambda: edges.stochastic_information(-1.0), "width"),
        (lambda: edges.make_grid([1.0, 0.0]), "edges must be increasing"),
        (lambda: edges.make_grid([]), "edges must be increasing"),
        (lambda: edges.make_grid([0.0], [1.0, 2.0]), "weights must be a frozen scipy law or a finite sample"),
        (lambda: edges.edge_information(edges.make_grid([0.0]), 0.0), "sd"),
        (lambda: edges.lloyd_max(1), "levels must be at least 2"),
        (lambda: edges.private_grid(1, 0.5), "levels must be at least 2"),
        (lambda: edges.private_grid(4, 1.5), "distortion must be below the variance"),
        (lambda: edges.private_grid(4, 0.0), "distortion must be a finite number > 0"),
        (lambda: edges.least_information(math.nan, 1.0), "distortion"),
        (lambda: edges.least_information_of_code(1.0, math.inf, 1.0), "differential_entropy"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_pieces_of_a_grid_by_hand():
    found = edges.make_grid([-1.0, 0.5])
    ends = np.array([-np.inf, -1.0, 0.5, np.inf])
    for (lo, hi), level in zip(itertools.pairwise(ends), found.levels, strict=True):
        assert stats.norm.expect(lambda x: x, lb=lo, ub=hi, conditional=True) == pytest.approx(level, abs=1e-6)
    mass = np.diff(stats.norm.cdf(ends))
    assert found.entropy == pytest.approx(-(mass * np.log(mass)).sum(), abs=1e-6)
    assert found.leak == pytest.approx(stats.norm.pdf(-1) + stats.norm.pdf(0.5), abs=1e-8)


# statement 13, exactly ------------------------------------------------------------------------------------------------


def crossing(d, p0, p1):
    """The difference of two binomial tails of statement 13."""
    stay = math.log1p(-p0) - math.log1p(-p1)
    m = math.floor(d * stay / (math.log(p1 / p0) + stay))
    return stats.binom.sf(m, d, p1) - stats.binom.sf(m, d, p0)


@settings(max_examples=60, deadline=None)
@given(d=st.integers(1, 5000), b=st.floats(0, 6), eps=st.floats(0.003, 0.5))
def test_the_exact_crossing_is_the_sum_over_all_flips(d, b, eps):
    p0, p1 = stats.norm.cdf([-b, -b + eps])
    exact = information.product_insecurity([[p0, 1 - p0]], [[p1, 1 - p1]], copies=d)
    assert crossing(d, p0, p1) == pytest.approx(exact, rel=1e-6, abs=1e-13)


def test_the_smaller_of_two_bounds_is_at_most_seventeen_per_cent_too_large():
    """As eps -> 0 the flips are Poisson, and the ratio is at most exp(1 / (2 pi)), where the two bounds cross."""
    worst = 0.0
    for rate in np.geomspace(0.01, 30, 400):
        exact = rate * stats.poisson.pmf(math.floor(rate), rate)  # of eta = p1 / p0 - 1
        worst = max(worst, min(rate, math.sqrt(rate / (2 * math.pi))) / exact)
    assert worst == pytest.approx(math.exp(1 / (2 * math.pi)), rel=0.01)
    assert worst <= math.exp(1 / (2 * math.pi)) + 1e-12
    p0 = 1e-7  # and in finite size
    d = round(1 / (2 * math.pi) / p0)
    assert d * 0.01 * p0 / crossing(d, p0, 1.01 * p0) == pytest.approx(1.1725, rel=0.01)
