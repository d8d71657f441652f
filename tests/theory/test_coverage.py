"""Coverage of the 95 % intervals of the Monte Carlo engines over 200 repetitions: `pytest -m slow`, a few minutes.

The truth comes from the engines that enumerate, or from sums over positive terms written here. With `-s` each problem
prints a line: its coverage, the mean value over the truth, the mean width over the truth.
"""

import math
from functools import reduce

import numpy as np
import pytest

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
    "40 runners-up in 40 directions": (separate(), separate_exactly, 4_000, (19, 79, 169)),
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
    assert value == pytest.approx(1, abs=0.03)
    assert width < 0.7


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
