"""Building blocks of the exact engines: checks, intervals, and normal and multinomial laws in log space.

No difference of nearly equal numbers is taken, so that probabilities of 1e-1000 keep their digits.
"""

import math
import numbers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import brentq

MAX_STATES = 2_000_000  # count vectors that an exact engine enumerates before it points to Monte Carlo
LOG_2PI = math.log(2 * math.pi)
FURTHEST = 1e150  # edges further away (in sd) would overflow when squared
LEGENDRE = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True, eq=False)
class Interval:
    """Hold a number, or an array of them, with its 95 % interval.

    It unpacks as value, low, high, and prints as "0.62 [0.58, 0.66]" in a format such as ``f"{found:.2f}"``. Minus an
    interval is that of the number with the other sign.

    Parameters
    ----------
    value, low, high : float or array
        The number and the ends of its interval, of one shape.
    draws : array (B, ...), optional
        Bootstrap draws behind the interval, the first axis.
    noise_floor : float
        What pure sampling noise gives.

    Examples
    --------
    >>> f"{-Interval(0.62, 0.58, 0.66):.2f}"
    '-0.62 [-0.66, -0.58]'
    """

    value: float
    low: float
    high: float
    draws: np.ndarray | None = None
    noise_floor: float = 0.0

    def __iter__(self) -> Iterator[float]:
        return iter((self.value, self.low, self.high))

    def __neg__(self) -> "Interval":
        draws = None if self.draws is None else -self.draws
        return Interval(-self.value, -self.high, -self.low, draws, -self.noise_floor)

    def __format__(self, spec: str) -> str:
        return "{} [{}, {}]".format(*(format(end, spec) for end in self))


def check_n(n: object, name: str = "n") -> float:
    """Check a number of samples, or another count, and return it as a float.

    Parameters
    ----------
    n : real number
        A whole number, at least 1 and within a float's range.
    name : str
        What the error calls it.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For anything else, booleans and strings included.

    Examples
    --------
    >>> check_n(10**30)
    1e+30
    """
    try:
        value = float(n) if isinstance(n, numbers.Real) and not isinstance(n, bool) else math.nan
    except OverflowError:
        value = math.inf
    if not (value >= 1 and value.is_integer()):
        raise ValueError(f"{name} must be a whole number >= 1 below 1e308, got {n!r:.60}")
    return value


def check_number(name: str, value: float, positive: bool = False, infinite: bool = False) -> float:
    """Check a finite number and return it as a float.

    Parameters
    ----------
    name : str
        What the error calls it.
    value : float
    positive : bool
        Whether it must be above zero.
    infinite : bool
        Whether it may be infinite.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For a value that is no real number, not finite, or not above zero where it must be.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if not real or not (np.isfinite(value) or (infinite and abs(value) == math.inf)) or (positive and value <= 0):
        finite, above = "" if infinite else "finite ", " > 0" if positive else ""
        raise ValueError(f"{name} must be a {finite}number{above}, got {value!r:.60}")
    return float(value)


def check_array(name: str, values: ArrayLike) -> np.ndarray:
    """Check an array of real numbers and return it as floats.

    Parameters
    ----------
    name : str
        What the error calls it.
    values : array
        Numbers of any shape, infinite ones included.

    Returns
    -------
    array, float

    Raises
    ------
    ValueError
        For strings, complex numbers, None, rows of different lengths.

    Examples
    --------
    >>> check_array("losses", [[0, 1], [1, 0]]).dtype.name
    'float64'
    """
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, got {values!r:.60}")
    return array.astype(float)


def check_losses(losses: ArrayLike) -> np.ndarray:
    """Check the losses of a codebook, scaled down where a difference of two of them would overflow.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples, finite.

    Returns
    -------
    array (K, m), float
        The same, or where a loss exceeds 1e301 all times a power of two, which changes no choice between codewords.

    Raises
    ------
    ValueError
        For losses that are no numbers, empty, not finite or not a matrix.
    """
    losses = check_array("losses", losses)
    if losses.ndim != 2 or losses.size == 0 or not np.isfinite(losses).all():
        raise ValueError("losses must be a non-empty, finite array of shape (K, m): K codewords on m samples")
    return losses * 2.0**-24 if abs(losses).max() > 1e301 else losses


@contextmanager
def in_range(names: str) -> Iterator[Callable[[Any], Any]]:
    """Turn what goes beyond a float's range inside the block into an error that names the arguments.

    Parameters
    ----------
    names : str
        What the error calls them, such as "gap and probs".

    Yields
    ------
    callable
        Returns the value it is given if that is finite, and is the same error otherwise: for LAPACK and Python, whose
        infinities set no flag.

    Raises
    ------
    ValueError
        For an overflow, a division by zero, an invalid operation or a matrix that is singular in floating point.

    Examples
    --------
    >>> with in_range("step") as finite:
    ...     finite(np.float64(1e200) ** 2)
    Traceback (most recent call last):
    ValueError: step: beyond the range of a float here, scale the problem
    """

    def finite(value):
        if not np.isfinite(value).all():
            raise FloatingPointError
        return value

    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            yield finite
    except (ArithmeticError, np.linalg.LinAlgError):
        raise ValueError(f"{names}: beyond the range of a float here, scale the problem") from None


def unit_scale(values: np.ndarray) -> np.ndarray:
    """Scale an array by the power of two that brings its largest size into [1/2, 1), so that no square overflows.

    Parameters
    ----------
    values : array
        Finite numbers.

    Returns
    -------
    array
        Of the same shape, exact; zeros stay zero, and sizes below 1e-300 of the largest become zero.

    Examples
    --------
    >>> unit_scale(np.array([3.0, -1.0])).tolist()
    [0.75, -0.25]
    """
    scaled = np.ldexp(values, -np.frexp(abs(values).max(initial=0))[1])
    return np.where(abs(scaled) < 1e-300, 0.0, scaled)


def check_probs(name: str, probs: ArrayLike) -> np.ndarray:
    """Check probabilities and scale them to sum to one exactly.

    Parameters
    ----------
    name : str
        What the error calls them.
    probs : array (..., m)
        One law along the last axis.

    Returns
    -------
    array (..., m)

    Raises
    ------
    ValueError
        For a negative or missing probability, or laws that do not sum to one up to 1e-9.
    """
    probs = check_array(name, probs)
    if probs.ndim == 0 or probs.size == 0 or not (probs >= 0).all() or (abs(probs.sum(-1) - 1) > 1e-9).any():
        raise ValueError(f"{name} must be non-negative and sum to one along the last axis")
    return probs / probs.sum(-1, keepdims=True)


def check_problem(losses: ArrayLike, probs: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Check a codebook problem and leave out the samples that never occur.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples, finite.
    probs : array (m,)
        Probabilities of the samples.

    Returns
    -------
    losses : array (K, m')
        On the m' samples of positive probability, scaled as by ``check_losses``.
    probs : array (m',)

    Raises
    ------
    ValueError
        For losses that are empty, not finite or not a matrix, probabilities that are no law, or a number of samples in
        which the two disagree.
    """
    losses, probs = check_losses(losses), check_probs("probs", probs)
    if probs.shape != losses.shape[1:]:
        raise ValueError(f"probs must have shape ({losses.shape[1]},) to match losses, got {probs.shape}")
    return losses[:, probs > 0], probs[probs > 0]


def standard_cells(edges: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Check the cells of a quantizer and return their ends in standard units.

    Parameters
    ----------
    edges : array (K + 1,)
        Increasing, first -inf, last inf.
    mean, sd : float or array, broadcast
        Of the coordinate, sd > 0.

    Returns
    -------
    lo, hi : array (..., K)
        Ends of the cells, of the broadcast shape of ``mean`` and ``sd``; inner ones at most ``FURTHEST`` from zero.

    Raises
    ------
    ValueError
        Naming ``edges``, ``mean`` or ``sd``.
    """
    edges = check_array("edges", edges)
    valid = edges.ndim == 1 and edges.size >= 2 and edges[0] == -np.inf and edges[-1] == np.inf
    if not valid or not (edges[1:] > edges[:-1]).all():
        raise ValueError("edges must be increasing, first -inf, last inf, shape (K + 1,)")
    mean, sd = check_array("mean", mean), check_array("sd", sd)
    if not np.isfinite(mean).all():
        raise ValueError("mean must be finite")
    if not (np.isfinite(sd) & (sd > 0)).all():
        raise ValueError("sd must be finite and > 0")
    mean, sd = mean[..., None], sd[..., None]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        half = edges / 2 - mean / 2  # the difference itself may overflow
        standard = np.where(abs(half) < 1e307, (edges - mean) / sd, half / (sd / 2))
    standard[..., 1:-1] = standard[..., 1:-1].clip(-FURTHEST, FURTHEST)
    return standard[..., :-1], standard[..., 1:]


def log_interval(lo: ArrayLike, hi: ArrayLike) -> np.ndarray:
    """Compute log(Phi(hi) - Phi(lo)) without cancellation, in either tail and in narrow cells.

    Parameters
    ----------
    lo, hi : array, broadcast
        Ends of the cells, lo <= hi, in standard units; infinite ends are allowed.

    Returns
    -------
    array
        Log-probabilities under N(0, 1), of the broadcast shape; -inf for an empty cell.

    Examples
    --------
    >>> print(f"{log_interval(40.0, 41.0):.6f}")  # the probability is 4e-350
    -804.608442
    """
    lo, hi = np.broadcast_arrays(lo, hi)
    with np.errstate(invalid="ignore", divide="ignore"):
        flip = lo + hi > 0
        near, far = np.where(flip, -lo, hi), np.where(flip, -hi, lo)
        upper = special.log_ndtr(near)
        out = upper + np.log1p(-np.exp(special.log_ndtr(far) - upper))
        half, mid = (near - far) / 2, (near + far) / 2
        narrow = half * (1 + abs(mid)) < 0.5
    if narrow.any():
        out = np.array(out)
        mid, half = mid[narrow], half[narrow]
        offset = half[:, None] * LEGENDRE[0]
        density = np.exp(-offset * (mid[:, None] + offset / 2)) @ LEGENDRE[1]
        with np.errstate(divide="ignore"):  # an empty cell, lo = hi after clipping, has -inf
            out[narrow] = np.log(half * density) - mid**2 / 2 - LOG_2PI / 2
    return out


def density_drop(lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute phi(lo) - phi(hi), as its sign and the logarithm of its size, without cancellation.

    Parameters
    ----------
    lo, hi : array, broadcast
        Ends of the cells, lo < hi, in standard units.

    Returns
    -------
    sign : array
        +1 or -1; +1 where lo is the end nearer to zero.
    log_size : array
        Natural logarithm of |phi(lo) - phi(hi)|.
    """
    near, far = np.minimum(abs(lo), abs(hi)), np.maximum(abs(lo), abs(hi))
    with np.errstate(invalid="ignore", divide="ignore"):
        fall = np.where(np.isinf(far), np.inf, (far - near) * (far + near) / 2)
        log_size = -(near**2) / 2 - LOG_2PI / 2 + np.log(-np.expm1(-fall))
    return np.where(abs(lo) < abs(hi), 1.0, -1.0), log_size


def stirling_error(k):
    """log k! - [(k + 1/2) log k - k + log(2 pi) / 2] for k >= 1/2, zero at k = 0 by convention."""
    k = np.asarray(k, float)
    small, x = np.clip(k, 0.5, 16), np.maximum(k, 16)
    exact = special.gammaln(small + 1) - (small + 0.5) * np.log(small) + small - LOG_2PI / 2
    inverse = 1 / x**2
    series = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - inverse / 1188) * inverse) * inverse) * inverse) / x
    return np.where(k == 0, 0.0, np.where(k < 16, exact, series))


def log_multinomial(counts: ArrayLike, probs: ArrayLike) -> np.ndarray:
    """Compute log P(counts) of Multinomial(n, probs), accurate also at n = 1e9.

    Parameters
    ----------
    counts : array (..., m)
        Whole numbers >= 0; n is their sum along the last axis.
    probs : array (m,) or (..., m)
        Probabilities of the m kinds, summing to one.

    Returns
    -------
    array (...)
        Natural logarithms.

    Notes
    -----
    Saddle-point form (Loader 2000): no difference of log-gammas, which alone would lose 2e-9 at n = 1e6.

    Examples
    --------
    >>> print(f"{log_multinomial([1, 1], [0.5, 0.5]):.6f}")  # log(1 / 2)
    -0.693147
    """
    counts = np.asarray(counts, float)
    n = counts.sum(-1)
    expected = n[..., None] * probs
    near = counts <= 1e9 * expected  # beyond, a small expected number would overflow when divided by
    excess = np.where(near, counts - expected, 0.0) / np.where(near & (expected > 0), expected, 1)
    deviance = expected * (special.xlog1py(1 + excess, excess) - excess)
    with np.errstate(divide="ignore"):
        surprise = np.log(np.where(near, 1, counts)) - np.log(np.where(near, 1, expected)) - 1
    deviance = np.where(near, deviance, counts * surprise + expected)
    spread = stirling_error(counts) + np.where(counts > 0, 0.5 * (LOG_2PI + np.log(np.maximum(counts, 1))), 0.0)
    total = stirling_error(n) + np.where(n > 0, 0.5 * (LOG_2PI + np.log(np.maximum(n, 1))), 0.0)
    return total - (spread + deviance).sum(-1)


def count_vectors(n: float, m: int) -> np.ndarray:
    """List every vector of m counts that sum to n.

    Parameters
    ----------
    n : int
        Number of samples, whole, >= 0.
    m : int
        Number of kinds of samples, >= 1.

    Returns
    -------
    array (C(n + m - 1, m - 1), m), int
        In lexicographic order.

    Raises
    ------
    ValueError
        For more than ``MAX_STATES`` vectors: use ``codebook_insecurity_mc`` there.

    Examples
    --------
    >>> count_vectors(2, 2).tolist()
    [[0, 2], [1, 1], [2, 0]]
    """
    if n != 0:
        n = check_n(n)
    states = math.comb(int(n) + int(check_n(m, "m")) - 1, m - 1)
    if states > MAX_STATES:
        raise ValueError(
            f"n = {int(n)} samples of {m} kinds have {states} count vectors, more than the {MAX_STATES} that are "
            "enumerated: use codebook_insecurity_mc"
        )
    counts, left = np.zeros((1, 0), int), np.array([int(n)])
    for _ in range(m - 1):
        repeat = left + 1
        start = np.repeat(np.cumsum(repeat) - repeat, repeat)
        value = np.arange(repeat.sum()) - start
        counts = np.column_stack([np.repeat(counts, repeat, axis=0), value])
        left = np.repeat(left, repeat) - value
    return np.column_stack([counts, left])


def safe_log(value: float) -> float:
    """Return log(value) of a number >= 0, -inf at 0."""
    return math.log(value) if value > 0 else -math.inf


def capped(log_insecurity: float, log: bool) -> float:
    """Return an insecurity, or with ``log`` its logarithm, from a logarithm that rounding may have left above 0."""
    log_insecurity = min(float(log_insecurity), 0.0)  # rounding may leave 1 + 1e-8
    return log_insecurity if log else math.exp(log_insecurity)


def log_mean_exp(exponents: np.ndarray, probs: np.ndarray) -> float:
    """Return log sum_z probs_z exp(exponents_z) over (m,) arrays, without overflow."""
    return float(special.logsumexp(np.log(probs) + exponents))


def cramer_tilt(gap: np.ndarray, probs: np.ndarray) -> float:
    """Find the tilt t >= 0 that minimises E exp(-t D) of a gap D.

    Parameters
    ----------
    gap : array (m,)
        Values of D, in units of loss.
    probs : array (m,)
        Their probabilities.

    Returns
    -------
    float
        In 1 / units of loss: 0 where E D <= 0 up to rounding, inf where D is never negative.

    Raises
    ------
    ValueError
        For a gap below 1e-307, whose tilt is beyond a float's range.

    Examples
    --------
    >>> print(f"{cramer_tilt(np.array([-1.0, 1.0]), np.array([0.2, 0.8])):.6f}")  # log 2
    0.693147
    """
    d = unit_scale(gap)
    if not d.any() or d @ probs <= 1e-14 * (abs(d) @ probs):  # a tie up to the rounding of the mean
        return 0.0
    if not (d[probs > 0] < 0).any():
        return math.inf

    d, probs = d[(d != 0) & (probs > 0)], probs[(d != 0) & (probs > 0)]
    logs = np.log(probs) + np.log(abs(d))

    def tilted_mean(t):  # up to a factor
        exponents = logs - t * d
        return np.sign(d) @ np.exp(exponents - exponents.max())

    top = 1.0
    while tilted_mean(top) > 0:
        top *= 2
    tilt = brentq(tilted_mean, 0, top, xtol=1e-15, rtol=1e-14) / (abs(gap).max() / abs(d).max())
    if tilt == math.inf:
        raise ValueError("gap is so small that its tilt overflows: give unit_scale(gap)")
    return tilt
