"""Rates against closed forms, exact insecurities and brute minimisation."""

import math
import warnings
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar

from qmis_utils.theory import rates, security


def judged(losses, probs, n):
    """Return exact over sharp, and whether the warning was given."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        sharp = rates.sharp_insecurity(losses, probs, n, log=True)
    return math.exp(security.finite_support_insecurity(losses, probs, n, log=True) - sharp), bool(heard)


@pytest.mark.parametrize("p", [0.5001, 0.6, 0.9, 0.999999])
def test_cramer_rate_of_a_coin(p):
    expected = -math.log(2 * math.sqrt(p * (1 - p)))
    assert rates.cramer_rate([-1.0, 1.0], [1 - p, p]) == pytest.approx(expected, rel=1e-10)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), log_scale=st.floats(-20, 20))
def test_cramer_rate_is_the_minimum_of_the_log_moment_generating_function(seed, log_scale):
    rng = np.random.default_rng(seed)
    gap, probs = rng.normal(0.4, 1, 5), rng.dirichlet(np.ones(5))
    if gap @ probs <= 0:
        gap = -gap
    if gap.min() >= 0:
        gap[0] = -0.1
    assume(gap @ probs > 1e-3)
    best = minimize_scalar(
        lambda u: np.log(probs @ np.exp(-math.exp(u) * gap)),
        bounds=(-12, 8),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert rates.cramer_rate(gap * math.exp(log_scale), probs) == pytest.approx(max(0, -best.fun), rel=1e-7, abs=1e-12)


def test_cramer_rate_without_negative_gaps():
    assert rates.cramer_rate([0.0, 2.0], [0.3, 0.7]) == pytest.approx(-math.log(0.3))
    assert rates.cramer_rate([1.0, 2.0], [0.3, 0.7]) == math.inf
    assert rates.cramer_rate([-1.0, 1.0], [0.5, 0.5]) == 0
    assert rates.cramer_rate([-1.0, 1.0], [0.7, 0.3]) == 0
    assert rates.cramer_rate([-5.0, 1.0, 2.0], [0.0, 0.5, 0.5]) == math.inf  # a sample of probability zero


def test_rates_agree_for_small_gaps():
    # E exp(-tD) of a nearly tied gap is Gaussian: I = r up to terms of order delta^3.
    for delta in (1e-2, 1e-4, 1e-6):
        gap, probs = np.array([-1 + delta, 1 + delta]), np.array([0.5, 0.5])
        assert rates.gaussian_rate(gap, probs) == pytest.approx(delta**2 / 2)
        assert rates.cramer_rate(gap, probs) == pytest.approx(delta**2 / 2, rel=delta + 1e-8)


def test_gaussian_rate_limits():
    assert rates.gaussian_rate([2.0, 2.0], [0.5, 0.5]) == math.inf
    assert rates.gaussian_rate([-1.0, 1.0], [0.5, 0.5]) == 0
    assert rates.gaussian_rate([0.0, 0.0], [0.5, 0.5]) == 0


@pytest.mark.parametrize(
    ("gap", "span"),
    [
        ([-1.0, 1.0], 2.0),
        ([0.1, 0.4, 1.0], 0.3),
        ([0.3, -0.6, 0.5], 0.1),
        ([0.0, 1.0, math.sqrt(2)], 0.0),
        ([3.0, 3.0], 0.0),
        ([-0.25, 0.75, 1.5], 0.25),
    ],
)
def test_lattice_span(gap, span):
    assert rates.lattice_span(np.array(gap)) == pytest.approx(span, abs=1e-12)


def squared_losses(codebook):
    codebook = np.asarray(codebook)
    return np.stack([codebook**2, (1 - codebook) ** 2], axis=1)


@pytest.mark.parametrize(
    ("codebook", "p"),
    [
        ([0.2, 0.8], 0.3),
        ([0.1, 0.5, 0.9], 0.3),
        ([0.25, 0.5], 0.6),
        ([0.2, 0.6], 0.2),
        ([0.2, 0.5, 0.8], 0.5),  # two mirrored runners-up: their changes cancel altogether in the home codeword
    ],
)
def test_sharp_insecurity_is_lattice_correct(codebook, p):
    """Bernoulli gaps live on a lattice: the ratio to exact tends to 1 at every n, not only on average."""
    for n, tolerance in ((20_000, 4e-3), (20_001, 4e-3), (20_003, 4e-3), (10**6, 1e-4)):
        exact = security.bernoulli_insecurity(n, p, codebook, log=True)
        sharp = rates.sharp_insecurity(squared_losses(codebook), [1 - p, p], n, log=True)
        assert sharp == pytest.approx(exact, abs=tolerance)


@pytest.mark.parametrize("p", [0.4999, 0.49, 0.45])
@pytest.mark.parametrize("n", [10_000, 10_001])
def test_the_chance_that_a_runner_up_wins_is_the_binomial_tail(n, p):
    """From near a tie (n I = 2e-4) to n I = 50, whether or not it wins the ties of an even n."""
    gap, probs = np.array([-1.0, 1.0]), np.array([p, 1 - p])
    t, rate = rates._cramer(gap, probs)
    for wins_ties, most in ((True, n // 2), (False, (n - 1) // 2)):
        value = rates._log_runner_up(gap, probs, n, t, rate, wins_ties)
        assert value == pytest.approx(stats.binom.logcdf(most, n, 1 - p), abs=5e-5)


@pytest.mark.parametrize(
    ("gap", "probs"), [([1, -1, math.sqrt(2) / 3], [0.5, 0.3, 0.2]), ([1, -math.sqrt(2), 0.5], [0.5, 0.25, 0.25])]
)
def test_sharp_insecurity_of_a_gap_on_no_lattice(gap, probs):
    losses = np.array([np.zeros(3), gap])
    assert rates.lattice_span(losses[1]) == 0
    for n, tolerance in ((100, 0.1), (900, 0.025)):
        exact = security.finite_support_insecurity(losses, probs, n)
        assert rates.sharp_insecurity(losses, probs, n) == pytest.approx(exact, rel=tolerance)


def test_sharp_insecurity_tends_to_exact_with_competing_runners_up():
    losses = np.array([[0.0, 0.0, 0.0], [0.9, -0.4, 0.31], [-0.5, 0.8, 0.27], [0.2, 1.1, -0.77]])
    probs = np.array([0.4, 0.35, 0.25])
    errors = [
        abs(
            security.finite_support_insecurity(losses, probs, n, log=True)
            - rates.sharp_insecurity(losses, probs, n, log=True)
        )
        for n in (60, 240, 960)
    ]
    assert errors[0] < 0.25
    assert errors[2] < 0.05


@pytest.mark.parametrize(
    ("losses", "probs", "excess"),
    [
        ([[0.69, 0.59, 0.4], [0.98, 0.65, 0.22], [0.18, 0.61, 0.95]], [0.33, 0.24, 0.43], 1.57),
        ([[0.12, 0.65, 0.78], [0.72, 0.21, 0.43], [0.28, 0.41, 0.69]], [0.41, 0.21, 0.38], 1.72),
    ],
)
def test_sharp_insecurity_lets_runners_up_cancel_in_the_home_codeword(losses, probs, excess):
    """`excess`: how many times too large (6.1) is if each runner-up is counted alone, both its change and home's."""
    losses, n = np.array(losses), 900
    sharp = rates.sharp_insecurity(losses, probs, n)
    assert sharp == pytest.approx(security.finite_support_insecurity(losses, probs, n), rel=0.08)
    home = int((losses @ probs).argmin())
    alone = [rates.sharp_insecurity(losses[sorted([home, k])], probs, n) for k in range(3) if k != home]
    assert sum(alone) / sharp == pytest.approx(excess, abs=0.01)


def test_sharp_insecurity_counts_a_duplicate_codeword_once():
    losses, probs = np.array([[0.0, 0.0, 0.1], [0.9, -0.4, 0.3], [0.9, -0.4, 0.3]]), np.array([0.5, 0.3, 0.2])
    assert rates.sharp_insecurity(losses, probs, 50) == rates.sharp_insecurity(losses[:2], probs, 50)


def test_sharp_insecurity_counts_a_duplicate_up_to_rounding_once():
    """0.1 + 0.2 is not 0.3 in floating point; the exact engine and the sharp form must agree that the rows are one."""
    losses, probs = np.array([[0.1 + 0.2, 1.0, 0.5], [0.3, 1.0, 0.5], [2.0, 0.2, 1.5]]), [0.3, 0.2, 0.5]
    exact = security.finite_support_insecurity(losses, probs, 60, log=True)
    assert exact == pytest.approx(-26.35, abs=0.01)
    assert rates.sharp_insecurity(losses, probs, 60, log=True) == pytest.approx(exact, abs=0.3)
    scaled = np.vstack([losses[1:], [1e13, 1e13, 1e13]])  # a hopeless codeword must not set the scale
    assert rates.sharp_insecurity(scaled, probs, 60) == rates.sharp_insecurity(losses[1:], probs, 60)


def test_sharp_insecurity_leaves_out_a_runner_up_that_another_always_beats():
    """Gap D / 2: where its sum is negative, that of D is lower still."""
    gap, probs = np.array([1.0, -1.0, 0.31]), np.array([0.55, 0.25, 0.2])
    two = rates.sharp_insecurity([0 * gap, gap], probs, 400, log=True)
    for losses in ([0 * gap, gap, gap / 2], [gap / 2, 0 * gap, gap]):
        assert rates.sharp_insecurity(losses, probs, 400, log=True) == two
        assert security.finite_support_insecurity(losses, probs, 400, log=True) == pytest.approx(two, abs=0.1)
    # A runner-up that can only tie, on the sample where another one is better, never wins either.
    losses, probs = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 2.0, 2.0]]), [0.3, 0.5, 0.2]
    both, one = (rates.sharp_insecurity(rows, probs, 60, log=True) for rows in (losses, losses[1:]))
    assert both == one


def test_sharp_insecurity_oscillates_with_a_rare_kind():
    """A kind of which the tilted law expects few copies acts like a lattice, however large n I is."""
    losses, probs = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 0.5 + math.sqrt(2) / 10]]), np.array([0.8, 0.199, 0.001])
    ratios, warned = zip(*(judged(losses, probs, n) for n in range(100, 110)), strict=True)
    assert all(warned)
    assert 100 * rates.cramer_rate(losses[1], probs) > 3
    assert max(ratios) / min(ratios) > 1.5


def test_sharp_insecurity_of_a_tie():
    losses, probs = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [3.0, 3.0, 3.0]]), [0.3, 0.3, 0.4]
    closed = 0.6 / math.sqrt(0.6 * 2 * math.pi * 10_000)
    assert rates.sharp_insecurity(losses, probs, 10_000) == pytest.approx(closed)
    assert security.finite_support_insecurity(losses, probs, 1000) == pytest.approx(closed * math.sqrt(10), rel=1e-3)


def test_sharp_insecurity_of_a_tie_up_to_rounding():
    """The mean of this gap, 0, is 1.4e-17 in floating point; E|D| = 7.2 / 14 and the variance is 4.08 / 14."""
    gap, probs = np.array([0.7, -0.6, 0.3]), np.array([3, 6, 5]) / 14
    assert 0 < gap @ probs < 1e-16
    closed = 7.2 / 14 / math.sqrt(4.08 / 14 * 2 * math.pi * 400)
    assert rates.sharp_insecurity([0 * gap, gap], probs, 400) == pytest.approx(closed)


def test_sharp_insecurity_where_the_runner_up_only_ties():
    losses, probs = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([0.9, 0.1])
    exact = security.finite_support_insecurity(losses, probs, 200, log=True)
    assert rates.sharp_insecurity(losses, probs, 200, log=True) == pytest.approx(exact, rel=1e-12)
    assert rates.sharp_insecurity(losses[::-1], probs, 200) == 0  # the home codeword wins every tie
    assert security.finite_support_insecurity(losses[::-1], probs, 200) == 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4))
def test_fisher_voronoi_rate_is_the_gaussian_rate_of_the_quadratic_loss(seed, d):
    """Loss (theta - theta*)' F (theta - theta*) / 2 - theta' score with score variance F: a well-specified model."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) + 2 * np.eye(d)
    fisher, theta, codebook = root @ root.T, rng.normal(size=d), rng.normal(size=(5, d))
    scores = math.sqrt(d) * np.vstack([root.T, -root.T])  # 2 d equally likely scores of covariance F
    offset = codebook - theta
    losses = np.einsum("ki,ij,kj->k", offset, fisher, offset)[:, None] / 2 - offset @ scores.T
    home = losses.mean(1).argmin()
    probs = np.full(2 * d, 1 / (2 * d))
    expected = [rates.gaussian_rate(losses[k] - losses[home], probs) for k in range(5) if k != home]
    assert rates.fisher_voronoi_rate(theta, codebook, fisher) == pytest.approx(expected, rel=1e-8)


def test_fisher_voronoi_rate_of_a_grid_is_half_the_squared_distance_to_the_edge():
    grid = np.arange(-3, 4)[:, None] * 0.5
    rate = rates.fisher_voronoi_rate([0.12], grid, [[4.0]])
    assert rate.min() == pytest.approx((2 * 0.13) ** 2 / 2)
    slope = security.gaussian_mean_insecurity(4e6, 0.5, 0.12, 0.5, log=True) / 4e6
    assert -slope == pytest.approx(rate.min(), rel=1e-3)
    assert rates.fisher_voronoi_rate([0.0], [[0.0], [0.0]], [[1.0]]) == [0.0]


def test_sharp_insecurity_has_the_gaussian_grid_constant():
    """Statement 6 on a fine discretisation of N(0, 1) against the closed form Phi(-b sqrt n) 2 (2 Phi(b/2) - 1)."""
    z = np.linspace(-7, 7, 401) + 0.0037
    probs = np.diff(stats.norm.cdf(np.r_[-np.inf, (z[1:] + z[:-1]) / 2, np.inf]))
    b, n = 0.13, 3000
    words = np.array([0.12, 0.12 + 0.5]) - 0.12 + (b - 0.25) + z @ probs
    sharp = rates.sharp_insecurity((words[:, None] - z) ** 2, probs, n, log=True)
    closed = stats.norm.logsf(b * math.sqrt(n)) + math.log(2 * (2 * stats.norm.cdf(b / 2) - 1))
    assert sharp == pytest.approx(closed, abs=0.02)


NEARLY = [[0, 0, 0], [1, -1, 1.001]], [0.49, 0.02, 0.49]


@pytest.mark.parametrize(("n", "ratio"), [(160, 0.0877), (161, 0.616)])
@pytest.mark.parametrize("irrational", [False, True])
def test_sharp_insecurity_warns_where_a_gap_nearly_is_on_a_coarser_lattice(n, ratio, irrational):
    """Each kind is expected 40 times under the tilted law, and n I = 204: the exact value is a twelfth of this one."""
    losses, probs = np.array(NEARLY[0]), NEARLY[1]
    if irrational:
        losses[1, 2] = 1 + 0.001 * math.sqrt(2)
    assert n * rates.cramer_rate(losses[1], probs) > 200
    with pytest.warns(RuntimeWarning, match="acts like a coarser lattice"):
        sharp = rates.sharp_insecurity(losses, probs, n)
    exact = security.finite_support_insecurity(losses, probs, n)
    assert exact / sharp == pytest.approx(ratio, rel=0.04)


def test_sharp_insecurity_warns_of_a_lattice_that_keeps_a_quarter_of_the_main_term():
    """At n I = 25, with every kind expected ten times: two values of the gap differ by 2 % of the span."""
    ratio, warned = judged([[0, 0, 0], [-0.53019, 0.72109, 0.70009]], [0.191, 0.489, 0.320], 70)
    assert ratio == pytest.approx(0.483, abs=1e-3)
    assert warned


def test_sharp_insecurity_is_good_to_a_factor_of_two_where_it_does_not_warn():
    """What its docstring says of random problems: on a normal, a uniform and a nearly whole loss, from n I = 3 on."""
    rng, cases = np.random.default_rng(5), []
    while len(cases) < 300:
        shape = int(rng.integers(2, 4)), 3
        loss = rng.normal(size=shape), rng.random(shape), rng.integers(-2, 3, shape) + 0.02 * rng.normal(size=shape)
        losses, probs, n = loss[len(cases) % 3], rng.dirichlet(np.full(3, 2.0)), int(rng.integers(20, 200))
        gaps = np.delete(losses, home := (losses @ probs).argmin(), axis=0) - losses[home]
        if 3 <= n * min(rates.cramer_rate(gap, probs) for gap in gaps) < 600 and (gaps < 0).any():
            cases.append(judged(losses, probs, n))
    off, warned = np.array([abs(math.log(ratio)) for ratio, _ in cases]), np.array([w for _, w in cases])
    assert 50 < warned.sum() < 100
    assert off[~warned].max() < math.log(2)
    assert (off[~warned] < math.log(1.25)).mean() > 0.9
    assert (off[warned] > math.log(1.5)).mean() > 0.4  # the warning is not given for nothing


def test_sharp_insecurity_does_not_warn_where_it_is_right():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in (80, 81, 160, 161):
            for losses in ([[0, 0, 0], [1, -1, 1.5]], [[0, 0, 0], [1, -1, 1]]):
                exact = security.finite_support_insecurity(losses, NEARLY[1], n)
                assert rates.sharp_insecurity(losses, NEARLY[1], n) == pytest.approx(exact, rel=0.02)
        # What a runner-up does that hardly ever wins is of no account.
        losses = [[0, 0, 0], [1, -1, 1.5], [3, -1, 3.001]]
        assert rates.sharp_insecurity(losses, NEARLY[1], 160) > 0


@pytest.mark.parametrize(("tied", "kinds", "n"), [(3, 3, 900), (4, 3, 900), (4, 4, 100), (5, 3, 900), (5, 4, 100)])
def test_sharp_insecurity_of_three_to_five_tied_codewords(tied, kinds, n):
    """Each error is of order 1 / sqrt(n); a wrong orthant probability shifts the ratios by several per cent."""
    ratios = []
    for seed in range(3):
        rng = np.random.default_rng([tied, kinds, seed])
        probs, losses = rng.dirichlet(np.full(kinds, 4.0)), rng.normal(size=(tied, kinds))
        losses -= (losses @ probs)[:, None]
        ratios.append(security.finite_support_insecurity(losses, probs, n) / rates.sharp_insecurity(losses, probs, n))
    assert np.array(ratios) == pytest.approx(1, abs=0.014)


@pytest.mark.parametrize("dimension", [0, 1, 2, 3])
def test_orthant_probabilities(dimension):
    root = np.random.default_rng(dimension).normal(size=(dimension, dimension + 1))
    covariance = root @ root.T
    size = np.sqrt(np.diag(covariance))
    draws = np.random.default_rng(0).normal(size=(400_000, dimension + 1)) @ root.T
    expected = (draws > 0).all(1).mean()
    assert rates._orthant(covariance / np.outer(size, size)) == pytest.approx(expected, abs=3e-3)
    assert rates._orthant(np.ones((dimension, dimension))) == pytest.approx(0.5 if dimension else 1)


def test_sharp_insecurity_of_tied_codewords_on_a_line():
    """A codeword between two others wins nothing where all three tie, wherever it stands in the list."""
    probs, gap, other = np.array([0.3, 0.3, 0.4]), np.array([1.0, -0.3, 0.1]), np.array([0.2, 0.5, -1.0])
    gap, other = gap - gap @ probs, other - other @ probs
    two = rates.sharp_insecurity([gap, -gap], probs, 400)
    for losses in ([0 * gap, gap, -gap], [gap, 0 * gap, -gap], [gap, -gap, gap / 3, -gap / 2]):
        assert rates.sharp_insecurity(losses, probs, 400) == pytest.approx(two, rel=1e-9)
        assert security.finite_support_insecurity(losses, probs, 400) == pytest.approx(two, rel=5e-3)
    losses = [0 * gap, gap, other, -gap]
    three = rates.sharp_insecurity([gap, other, -gap], probs, 900)
    assert rates.sharp_insecurity(losses, probs, 900) == pytest.approx(three, rel=1e-9)
    assert security.finite_support_insecurity(losses, probs, 900) == pytest.approx(three, rel=0.01)


def test_gaussian_rate_of_a_codeword_better_than_the_home_one_is_zero():
    assert rates.gaussian_rate([-1.0, 0.5], [0.8, 0.2]) == rates.cramer_rate([-1.0, 0.5], [0.8, 0.2]) == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), exponent=st.integers(-1000, 1000))
def test_rates_do_not_depend_on_the_scale_of_the_gap(seed, exponent):
    rng = np.random.default_rng(seed)
    gap, probs, scale = rng.normal(0.5, 1, 4), rng.dirichlet(np.ones(4)), 2.0**exponent
    assert rates.cramer_rate(gap * scale, probs) == rates.cramer_rate(gap, probs)
    assert rates.gaussian_rate(gap * scale, probs) == rates.gaussian_rate(gap, probs)
    losses = np.stack([np.zeros(4), gap])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about lattices: not about this
        one, two = (rates.sharp_insecurity(rows, probs, 30, log=True) for rows in (losses, losses * scale))
    assert one == pytest.approx(two, rel=1e-12)


def test_extreme_gaps_give_the_value():
    coin = rates.cramer_rate([-1, 1], [0.2, 0.8])
    for size in (1e-320, 1e-160, 1e160, 1.7e308):
        assert rates.cramer_rate([-size, size], [0.2, 0.8]) == pytest.approx(coin, rel=1e-12)
        assert rates.gaussian_rate([-size, size], [0.2, 0.8]) == pytest.approx(0.6**2 / 2 / 0.64)
    with mp.workdps(60):  # a gap of -1e16 met with probability 1e-20: no tie, although 1 is rounding beside 1e16
        p, far = mp.mpf(1e-20), mp.mpf(10) ** 16
        tilt = mp.log((1 - p) / (p * far)) / (far + 1)
        expected = -mp.log((1 - p) * mp.exp(-tilt) + p * mp.exp(tilt * far))
    assert rates.cramer_rate([1, -1e16], [1 - 1e-20, 1e-20]) == pytest.approx(float(expected), rel=1e-9, abs=0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), words=st.integers(-250, 250), metric=st.integers(-250, 250))
def test_fisher_voronoi_rate_scales_with_the_units(seed, words, metric):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3)) + 2 * np.eye(3)
    codebook, theta, fisher = rng.normal(size=(4, 3)), rng.normal(size=3), root @ root.T
    rate = rates.fisher_voronoi_rate(theta, codebook, fisher)
    scaled = rates.fisher_voronoi_rate(theta * 2.0**words, codebook * 2.0**words, fisher * 2.0**metric)
    assert scaled == pytest.approx(rate * 2.0 ** (2 * words + metric), rel=1e-12, abs=0)


def test_fisher_voronoi_rate_forms_no_difference_of_squares():
    """Codewords at 1e12 on either side of theta*, not quite equally far: their squares agree to fifteen digits."""
    words = [[1e12], [-1e12 - 1e-3]]
    offset = (Fraction(1e12 + 1e-3) - Fraction(1e12)) / 2
    for codebook in (words, words[::-1]):
        rate = rates.fisher_voronoi_rate([0.0], codebook, [[1.0]])
        assert rate == pytest.approx(float(offset**2 / 2), rel=1e-12, abs=0)


BAD_CALLS = [
    ("gap must", lambda: rates.cramer_rate([0.0, math.nan], [0.5, 0.5])),
    ("gap must", lambda: rates.gaussian_rate([0.0, 1.0, 2.0], [0.5, 0.5])),
    ("probs must", lambda: rates.cramer_rate([0.0, 1.0], [0.5, 0.4])),
    ("n must", lambda: rates.sharp_insecurity([[0.0, 1.0]], [0.5, 0.5], 0)),
    ("losses must", lambda: rates.sharp_insecurity([[0.0, math.inf]], [0.5, 0.5], 3)),
    ("losses: more than 5", lambda: rates.sharp_insecurity(np.eye(6), np.full(6, 1 / 6), 3)),
    ("losses must", lambda: rates.sharp_insecurity([["0", "1"]], [0.5, 0.5], 3)),
    ("gap must", lambda: rates.cramer_rate(["-1", "1"], [0.5, 0.5])),
    ("gap must", lambda: rates.gaussian_rate([-1, 1j], [0.5, 0.5])),
    ("gap must", lambda: rates.gaussian_rate(None, [0.5, 0.5])),
    ("gap must", lambda: rates.lattice_span([0.0, math.inf])),
    ("probs must", lambda: rates.cramer_rate([-1.0, 1.0], ["a", "b"])),
    ("n must", lambda: rates.sharp_insecurity([[0.0, 1.0]], [0.5, 0.5], "3")),
    ("fisher must", lambda: rates.fisher_voronoi_rate([0, 0], np.eye(2), [[1e-10, 5e-11], [2e-11, 1e-10]])),
    ("fisher must", lambda: rates.fisher_voronoi_rate([0.0], [[0.1], [0.2]], [[math.nan]])),
    ("rates beyond", lambda: rates.fisher_voronoi_rate([0.0], [[1e200], [-2e200]], [[1.0]])),
    ("rates beyond", lambda: rates.fisher_voronoi_rate([0.0], [[1e-200], [-2e-200]], [[1.0]])),
    ("codebook must", lambda: rates.fisher_voronoi_rate([0.0], [["0.1"], ["0.2"]], [[1.0]])),
    ("theta_star must", lambda: rates.fisher_voronoi_rate([1j], [[0.1], [0.2]], [[1.0]])),
    ("codebook must", lambda: rates.fisher_voronoi_rate([0.0], [[0.1]], [[1.0]])),
    ("theta_star must", lambda: rates.fisher_voronoi_rate([0.0, 1.0], [[0.1], [0.2]], [[1.0]])),
    ("fisher must", lambda: rates.fisher_voronoi_rate([0.0], [[0.1], [0.2]], [[-1.0]])),
]


@pytest.mark.parametrize(("message", "call"), BAD_CALLS)
def test_bad_input_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()
