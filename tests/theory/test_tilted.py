"""The Monte Carlo engines against exact values; the coverage of their intervals with `pytest -m slow`.

The truth comes from the engines that enumerate, or from sums over positive terms written here. With `-m slow -s` each
problem prints a line: the coverage over 200 repetitions, the mean value and the mean width over the truth.
"""

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qmis_utils.theory import information, security, tilted

REPETITIONS = 200


def circle():
    """Sixty equal runners-up: gaps in sixty directions of the plane of three equally likely kinds of samples."""
    plane = np.array([[1, -1, 0], [1, 1, -2]]) * [[math.sqrt(3 / 2)], [math.sqrt(1 / 2)]]
    angle = 0.1 + 2 * math.pi * np.arange(60) / 60
    return np.vstack([np.zeros(3), 0.5 + np.stack([np.cos(angle), np.sin(angle)], 1) @ plane]), np.full(3, 1 / 3)


def separate(kinds=40, share=0.01):
    """Runners-up that are each overturned by their own rare kind of samples and by no other."""
    gaps = np.ones((kinds, kinds + 1))
    gaps[np.arange(kinds), np.arange(kinds)] = -9.0
    return np.vstack([np.zeros(kinds + 1), gaps]), np.append(np.full(kinds, share), 1 - kinds * share)


def separate_exactly(n, kinds=40, share=0.01):
    """Delta_n of `separate`: the rare kind drawn most often, the first of equals, wins if it makes up over a tenth.

    The counts are Poisson variables given their sum: every probability is a coefficient of a product of power series.
    """
    c_factorial = np.cumsum(np.log(np.maximum(np.arange(n + 1), 1)))
    rare, common = (np.exp(np.arange(n + 1) * math.log(p * n) - c_factorial) for p in (share, 1 - kinds * share))

    def product(*factors):
        return reduce(lambda a, b: np.convolve(a, b)[: n + 1], factors, np.ones(1))

    def drawn(series, p):  # the series of c P(c): the first sample is of this kind
        return np.r_[0.0, p * n * series]

    joint = np.zeros((kinds, kinds + 1))
    for c in range(n // 10 + 1, n + 1):
        fewer, most = rare[:c], rare[: c + 1]
        below, upto = ([product(*[series] * j) for j in range(kinds)] for series in (fewer, most))
        for k in range(kinds):  # kinds before k are drawn less than c times, those after it at most c times
            first, last = below[k], upto[kinds - 1 - k]
            joint[k, k] += c * rare[c] * product(first, last, common)[n - c]
            joint[k, -1] += rare[c] * product(first, last, drawn(common, 1 - kinds * share))[n - c]
            if k > 0:
                one = drawn(fewer[:-1], share)
                joint[k, :k] += rare[c] * product(below[k - 1], one, last, common)[n - c]
            if k < kinds - 1:
                one = drawn(most[:-1], share)
                joint[k, k + 1 : -1] += rare[c] * product(first, one, upto[kinds - 2 - k], common)[n - c]
        if rare[c] < 1e-18 * rare[n // 10 + 1]:
            break
    joint *= math.exp(c_factorial[n] - n * math.log(n)) / n
    changes = joint - joint.sum(1, keepdims=True) * separate(kinds, share)[1]
    return (abs(changes).sum() + abs(changes.sum(0)).sum()) / 2


def two_hundred():
    """Two codewords, 200 kinds of samples, whole gaps."""
    rng = np.random.default_rng(7)
    gap = rng.integers(-5, 10, 200).astype(float)
    return np.stack([np.zeros(200), gap]), rng.dirichlet(np.full(200, 2.0))


def two_hundred_exactly(n):
    """Delta_n of `two_hundred`: E|P(the other wins | Z) - P(the other wins)| from the law of the sum of n - 1 gaps."""
    losses, probs = two_hundred()
    gap = losses[1].astype(int)
    low = gap.min()
    one = np.bincount(gap - low, probs)
    law = reduce(np.convolve, [one] * (n - 1))
    wins = np.array([law[: max(-(n - 1) * low - d, 0)].sum() for d in gap])  # a sum of n - 1 gaps below -d
    return probs @ abs(wins - probs @ wins)


def exact(problem, n):
    return security.finite_support_insecurity(*problem, n)


FOUR = (
    np.array([[0.10, 0.50, 0.73], [0.36, 0.21, 0.62], [0.55, 0.31, 0.14], [0.8, 0.9, 0.1]]),
    np.array([0.62, 0.2, 0.18]),
)
RARE = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, -9.0]]), np.array([0.75, 0.2499, 1e-4])
WHOLE = np.array([[0, 0, 0, 0], [2, -3, 1, 0], [1, 2, -2, 3], [3, 1, -4, -2.0]]), np.array([0.7, 0.1, 0.1, 0.1])
EIGHT = (
    np.random.default_rng(2).random((8, 4)) + np.outer(np.arange(8) > 0, [0.65, 0.5, 0, 0]),
    np.array([0.4, 0.3, 0.2, 0.1]),
)

CODEBOOKS = {
    "4 codewords, 3 kinds": (FOUR, lambda n: exact(FOUR, n), 20_000, (40, 210, 460)),
    "60 equal runners-up on a circle": (circle(), lambda n: exact(circle(), n), 5_000, (26, 100, 212)),
    "a kind of probability 1e-4": (RARE, lambda n: exact(RARE, n), 5_000, (16, 72, 165)),
    "2 codewords, 200 kinds": (two_hundred(), two_hundred_exactly, 3_000, (22, 95, 230)),
    "integer losses, ties everywhere": (WHOLE, lambda n: exact(WHOLE, n), 5_000, (14, 60, 136)),
    "8 codewords, 4 kinds": (EIGHT, lambda n: exact(EIGHT, n), 5_000, (18, 85, 175)),
    "40 runners-up in 40 directions": (separate(), separate_exactly, 4_000, (29, 89, 189)),
}


def rows(flips, factor):
    """Two-cell laws without and with a sample."""
    flips = np.atleast_1d(flips)
    return [np.stack([p, 1 - p], 1) for p in (flips, flips * factor)]


PRODUCTS = {
    "5 equal coordinates": lambda level: (*rows(np.full(5, level / 5), 2), 1),
    "5 unequal coordinates": lambda level: (
        *rows(level * np.array([0.5, 0.3, 1e-2, 1e-4, 1e-6]), np.array([3, 0.2, 9, 50, 9e3])),
        1,
    ),
    "100 coordinates": lambda level: (*rows([level / 100], 2), 100),
    "100 coordinates that flip often": lambda level: (*rows([0.3], 1 + level), 100),
}


def coverage(estimate, truth):
    """Share of intervals that hold the truth, mean value and mean width over the truth."""
    results = [estimate(np.random.default_rng([11, repetition])) for repetition in range(REPETITIONS)]
    held = np.mean([result.low <= truth <= result.high for result in results])
    value, width = (np.mean(x) / truth for x in ([r.value for r in results], [r.high - r.low for r in results]))
    return held, value, width


@pytest.mark.slow
@pytest.mark.parametrize("name", CODEBOOKS)
@pytest.mark.parametrize("level", [1e-2, 1e-6, 1e-12])
def test_codebook_intervals_cover(name, level):
    (losses, probs), exactly, samples, sizes = CODEBOOKS[name]
    n = sizes[[1e-2, 1e-6, 1e-12].index(level)]
    truth = exactly(n)
    held, value, width = coverage(lambda rng: tilted.codebook_insecurity_mc(losses, probs, n, rng, samples), truth)
    print(f"\n{name}, n = {n}: exact {truth:.2e}, coverage {held:.3f}, value {value:.3f}, width {width:.3f}")
    assert level / 20 < truth < level * 20
    assert held >= 0.9
    assert value == pytest.approx(1, abs=0.07)  # 40 directions share 4,000 draws: attacks learnt on fifty each
    assert width < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("level", [1e-2, 1e-6, 1e-12])
def test_product_intervals_cover(name, level):
    outside, inside, copies = PRODUCTS[name](level)
    truth = information.product_insecurity(outside, inside, copies=copies)
    held, value, width = coverage(
        lambda rng: information.product_insecurity_mc(outside, inside, rng, 20_000, copies=copies), truth
    )
    print(f"\n{name}, about {level:g}: exact {truth:.2e}, coverage {held:.3f}, value {value:.3f}, width {width:.3f}")
    assert held >= 0.9
    assert value == pytest.approx(1, abs=0.02)
    assert width < 0.2


def test_the_sums_behind_the_truth_agree_with_the_engine():
    """The two sums written here, on sizes that the engine can enumerate or that draws settle."""
    losses, probs = two_hundred()
    gap, law = np.unique(losses[1]), np.bincount((losses[1] - losses[1].min()).astype(int), probs)
    lumped = security.finite_support_insecurity(np.stack([0 * gap, gap])[:, law > 0], law[law > 0], 3)
    assert lumped <= two_hundred_exactly(3) * (1 + 1e-12)  # kinds of equal gap merge, which changes nothing
    assert lumped == pytest.approx(two_hundred_exactly(3), rel=1e-12)
    few = security.finite_support_insecurity(*separate(3, 0.05), 25)
    assert separate_exactly(25, 3, 0.05) == pytest.approx(few, rel=1e-12)


@pytest.mark.parametrize(("n", "about"), [(40, 1e-2), (460, 1e-12)])
def test_monte_carlo_covers_the_exact_value(n, about):
    """A correct 95 % interval holds the truth in fewer than 180 of 200 repetitions once in five hundred times."""
    losses = np.array([[0.10, 0.50, 0.73], [0.36, 0.21, 0.62], [0.55, 0.31, 0.14], [0.8, 0.9, 0.1]])
    probs = np.array([0.62, 0.2, 0.18])
    exact = security.finite_support_insecurity(losses, probs, n)
    assert about / 30 < exact < about * 30
    rng = np.random.default_rng(0)
    results = [tilted.codebook_insecurity_mc(losses, probs, n, rng, 2000) for _ in range(200)]
    assert sum(r.low <= exact <= r.high for r in results) >= 180
    assert all(r.low <= r.value <= r.high and r.high - r.low < 0.6 * exact for r in results)
    assert np.mean([r.value for r in results]) == pytest.approx(exact, rel=0.01)
    one, two = (
        tilted.codebook_insecurity_mc(losses, probs, n, np.random.default_rng(0), 4000, log=log)
        for log in (False, True)
    )
    assert list(two) == pytest.approx(np.log(list(one)))


@pytest.mark.parametrize(("kinds", "share", "n"), [(40, 0.01, 79), (40, 0.01, 19), (3, 0.05, 99)])
def test_monte_carlo_samples_every_direction(kinds, share, n):
    """Runners-up that are each overturned by their own rare kind: one that is never drawn is missing from the value."""
    exact = separate_exactly(n, kinds, share)
    rng = np.random.default_rng(0)
    results = [tilted.codebook_insecurity_mc(*separate(kinds, share), n, rng, 4000) for _ in range(20)]
    assert sum(r.low <= exact <= r.high for r in results) >= 18
    assert np.mean([r.value for r in results]) == pytest.approx(exact, rel=0.05)


def test_what_gets_no_draws_or_is_met_by_none_is_in_the_upper_end():
    """A hundred draws cannot visit 100 directions; their Chernoff bounds bound what is missed."""
    losses, probs = separate(100, 0.005)
    exact = separate_exactly(19, 100, 0.005)
    result = tilted.codebook_insecurity_mc(losses, probs, 19, np.random.default_rng(0), 100)
    assert result.low <= exact <= result.high
    assert result.high > 2 * result.value
    # Two runners-up of e^-5 and e^-36: the second gets no draw.
    losses = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    bounds, _ = tilted._log_tilts(losses, np.array([0.79, 0.2, 0.01]), 30, 0)
    assert bounds[0] - bounds[1] > tilted.NEGLIGIBLE
    result = tilted.codebook_insecurity_mc(losses, [0.79, 0.2, 0.01], 30, np.random.default_rng(0), 20_000)
    assert result.low <= security.finite_support_insecurity(losses, [0.79, 0.2, 0.01], 30) <= result.high


@settings(max_examples=15, deadline=None)
@given(exponent=st.integers(-900, 900), seed=st.integers(0, 1000))
def test_monte_carlo_does_not_depend_on_the_scale_of_the_losses(exponent, seed):
    losses, probs = np.random.default_rng(seed).random((4, 3)) + np.eye(4, 3), np.array([0.5, 0.3, 0.2])
    assume(((losses - losses[(losses @ probs).argmin()]) < 0).any())  # a codeword that is best everywhere always wins
    one, two = (
        list(tilted.codebook_insecurity_mc(rows, probs, 25, np.random.default_rng(0), 200))
        for rows in (losses, losses * 2.0**exponent)
    )
    assert one == two


def test_monte_carlo_reaches_runners_up_that_can_only_tie():
    losses, probs = np.array([[0.0, 0.0], [0.0, 1.0]])[::-1], np.array([0.9, 0.1])
    exact = security.finite_support_insecurity(losses, probs, 100)  # the lower index wins where sample 1 never occurs
    assert exact == pytest.approx(0.9**100 * 0.2, rel=1e-9)
    result = tilted.codebook_insecurity_mc(losses, probs, 100, np.random.default_rng(0), 20_000)
    assert result.low <= exact <= result.high


def test_effective_samples_of_a_tie_are_the_draws_that_leave_the_home_codeword():
    """Two codewords tied for the minimum need no tilt: all weights are one, and each wins half of an odd n."""
    result = tilted.codebook_insecurity_mc(np.eye(2), [0.5, 0.5], 7, np.random.default_rng(0), 20_000)
    assert result.effective_samples == pytest.approx(10_000, abs=300)
    assert result.effective_samples == round(result.effective_samples)


@pytest.mark.parametrize(("K", "samples", "error"), [(40, 200, 0.06), (200, 500, 0.04)])
def test_many_runners_up_and_few_draws_bias_neither_the_value_nor_the_interval(K, samples, error):
    """An attack judged on the draws that taught it is too strong, on others too weak; the value lies between."""
    losses, probs, rng = np.random.default_rng(3).random((K, 5)), np.full(5, 0.2), np.random.default_rng(0)
    exact = security.finite_support_insecurity(losses, probs, 20)
    results = [tilted.codebook_insecurity_mc(losses, probs, 20, rng, samples) for _ in range(60)]
    assert np.mean([result.value for result in results]) == pytest.approx(exact, rel=error)
    assert np.mean([result.low <= exact for result in results]) > 0.95
    assert np.mean([result.high >= exact for result in results]) > 0.95


BAD_CALLS = [
    ("samples must", dict(samples=5)),
    ("samples must", dict(samples=150.7)),
    ("samples must", dict(samples="200")),
    ("samples must", dict(samples=None)),
    ("n must be at most", dict(n=10**30)),
    ("n must", dict(n=2.5)),
    ("losses must", dict(losses=[["0", "1"], ["1", "0"]])),
    ("losses must", dict(losses=[[0, 1j], [1, 0]])),
    ("losses must", dict(losses=[[0, 1], [1]])),
    ("probs must", dict(probs=[None, 0.5])),
    ("losses: no other codeword", dict(losses=[[0.0, 0.0], [1.0, 2.0]])),
]


@pytest.mark.parametrize(("message", "changed"), BAD_CALLS)
def test_bad_input_names_the_argument(message, changed):
    call = dict(losses=np.eye(2), probs=[0.5, 0.5], n=3, rng=np.random.default_rng(0), samples=1000) | changed
    with pytest.raises(ValueError, match=message):
        tilted.codebook_insecurity_mc(**call)
