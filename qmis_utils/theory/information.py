"""What quantizing many independent coordinates leaves of the information about one sample.

``surviving_information`` and ``survival_correlation`` speak of one Gaussian coordinate. The product engines give the
exact total variation between the laws of many quantized coordinates with and without a sample, its Gaussian limit, and
an estimate by Monte Carlo where the states are too many to enumerate.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qmis_utils.theory.numerics import (
    MAX_STATES,
    capped,
    check_probs,
    count_vectors,
    density_drop,
    log_interval,
    log_multinomial,
    safe_log,
)
from qmis_utils.theory.tilted import MonteCarlo

FURTHEST = 1e150  # edges further away (in sd) would overflow when squared


# --- one coordinate ----------------------------------------------------------------------------------------------


def _standard_cells(edges, mean, sd):
    """Check edges (K + 1,) and return the cells' ends lo, hi (..., K) in standard units of mean, sd (broadcast)."""
    edges = np.asarray(edges, float)
    valid = edges.ndim == 1 and edges.size >= 2 and edges[0] == -np.inf and edges[-1] == np.inf
    if not valid or not (np.diff(edges) > 0).all():
        raise ValueError("edges must be increasing, first -inf, last inf, shape (K + 1,)")
    mean, sd = np.asarray(mean, float), np.asarray(sd, float)
    if not np.isfinite(mean).all():
        raise ValueError("mean must be finite")
    if not (np.isfinite(sd) & (sd > 0)).all():
        raise ValueError("sd must be finite and > 0")
    with np.errstate(over="ignore"):
        standard = (edges - mean[..., None]) / sd[..., None]
    standard[..., 1:-1] = standard[..., 1:-1].clip(-FURTHEST, FURTHEST)
    return standard[..., :-1], standard[..., 1:]


def surviving_information(edges: ArrayLike, mean: ArrayLike, sd: ArrayLike, log: bool = False) -> np.ndarray:
    """Compute the share J of a Gaussian coordinate's Fisher information that a quantizer keeps.

    J = sum over cells of (phi(lo) - phi(hi))^2 / (Phi(hi) - Phi(lo)), the cells in standard units of N(mean, sd^2).

    Parameters
    ----------
    edges : array (K + 1,)
        Cell edges, increasing, first -inf, last inf.
    mean, sd : float or array, broadcast
        Mean and standard deviation (> 0) of the coordinate.
    log : bool
        Return the natural logarithm; stable where J < 1e-100.

    Returns
    -------
    array
        J in [0, 1], of the broadcast shape of ``mean`` and ``sd``.

    Raises
    ------
    ValueError
        Naming ``edges``, ``mean`` or ``sd``.

    Notes
    -----
    QMIS statement 12.

    Examples
    --------
    >>> round(float(surviving_information([-float("inf"), 0.0, float("inf")], 0.0, 1.0)), 4)  # sign keeps 2 / pi
    0.6366
    """
    lo, hi = _standard_cells(edges, mean, sd)
    with np.errstate(invalid="ignore"):
        cells = np.where(lo < hi, 2 * density_drop(lo, hi)[1] - log_interval(lo, hi), -np.inf)
    value = special.logsumexp(cells, axis=-1)
    return value if log else np.exp(value)


def survival_correlation(levels: ArrayLike, edges: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> np.ndarray:
    """Compute rho = corr(Q(x), x) for x ~ N(mean, sd^2) and Q(x) = levels[cell of x].

    Parameters
    ----------
    levels : array (K,)
        What each cell is released as, finite.
    edges : array (K + 1,)
        Cell edges, increasing, first -inf, last inf.
    mean, sd : float or array, broadcast
        Mean and standard deviation (> 0) of the coordinate.

    Returns
    -------
    array
        rho, of the broadcast shape of ``mean`` and ``sd``; 0 where Q is constant.

    Raises
    ------
    ValueError
        Naming ``levels``, ``edges``, ``mean`` or ``sd``.

    Notes
    -----
    QMIS statement 12 (Stein, Bussgang); rho^2 <= J, with equality for levels at the cells' conditional means.

    Examples
    --------
    >>> print(f"{survival_correlation([-1.0, 1.0], [-np.inf, 0.0, np.inf], 0.0, 1.0):.4f}")  # sqrt(2 / pi)
    0.7979
    """
    lo, hi = _standard_cells(edges, mean, sd)
    levels = np.asarray(levels, float)
    if levels.shape != lo.shape[-1:] or not np.isfinite(levels).all():
        raise ValueError(f"levels must be finite, of shape ({lo.shape[-1]},) to match edges")
    log_probs = log_interval(lo, hi)
    # Deviations from the likeliest cell's level, probabilities over the largest of the others: no underflow.
    deviation = levels - levels[log_probs.argmax(-1)][..., None]
    shift = np.where(deviation != 0, log_probs, -np.inf).max(-1, keepdims=True)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    probs = np.exp(np.where(deviation != 0, log_probs - shift, -np.inf))
    sign, log_drop = density_drop(lo, hi)
    covariance = (deviation * sign * np.exp(log_drop - shift)).sum(-1)
    scale = np.exp(shift[..., 0])
    variance = (deviation**2 * probs).sum(-1) - scale * (deviation * probs).sum(-1) ** 2
    with np.errstate(invalid="ignore"):
        return np.where(variance > 0, np.sqrt(scale) * covariance / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


# --- many independent coordinates --------------------------------------------------------------------------------


def _product_groups(outside, inside, copies):
    """Check two (d, K) arrays of cell laws; return the distinct rows, their log ratios and how often each occurs."""
    outside, inside = check_probs("outside", outside), check_probs("inside", inside)
    if outside.ndim != 2 or outside.shape != inside.shape:
        raise ValueError("outside and inside must have the same shape (d, K)")
    if not (outside.all() and inside.all()):
        raise ValueError("outside and inside must be positive in every cell: merge cells that are empty")
    copies = np.broadcast_to(copies, len(outside))
    if not (copies == copies.astype(int)).all() or copies.min() < 1:
        raise ValueError("copies must be whole numbers >= 1, one or as many as rows")
    pairs, row = np.unique(np.stack([outside, inside], 1), axis=0, return_inverse=True)
    repeats = np.bincount(row, copies).astype(int)
    return pairs[:, 0], np.log1p((pairs[:, 1] - pairs[:, 0]) / pairs[:, 0]), repeats


def product_insecurity(outside: ArrayLike, inside: ArrayLike, copies: ArrayLike = 1, log: bool = False) -> float:
    """Compute the exact total variation between two laws of d independent quantized coordinates.

    Parameters
    ----------
    outside, inside : array (d, K)
        Cell probabilities of each coordinate without and with the sample, positive.
    copies : int or array (d,)
        How many equal coordinates each row stands for.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        The insecurity of one sample, summed over the counts of each distinct coordinate's cells.

    Raises
    ------
    ValueError
        For rows that are no laws, shapes that differ, or more than ``MAX_STATES`` states.

    Notes
    -----
    QMIS statement 13.

    Examples
    --------
    >>> round(product_insecurity([[0.5, 0.5]], [[0.6, 0.4]]), 3)
    0.1
    """
    laws, log_ratios, repeats = _product_groups(outside, inside, copies)
    K = laws.shape[1]
    states = math.prod(math.comb(int(c) + K - 1, K - 1) for c in repeats)
    if states > MAX_STATES:
        raise ValueError(
            f"outside and inside have {states} states, more than the {MAX_STATES} that are enumerated: "
            "use product_insecurity_mc or product_insecurity_gaussian"
        )
    log_law, log_ratio = np.zeros(1), np.zeros(1)
    for law, ratio, repeat in zip(laws, log_ratios, repeats, strict=True):
        counts = count_vectors(repeat, K)
        log_law = np.add.outer(log_law, log_multinomial(counts, law)).ravel()
        log_ratio = np.add.outer(log_ratio, counts @ ratio).ravel()
    with np.errstate(divide="ignore"):
        size = log_law + np.maximum(log_ratio, 0) + np.log(-np.expm1(-abs(log_ratio)))
    home = log_law.argmax()  # its own change is lost to rounding where it is almost sure: minus the others' sum
    others, sign = np.delete(size, home), np.sign(np.delete(log_ratio, home))
    shift = others.max(initial=-math.inf)
    if shift == -math.inf:
        return capped(-math.inf, log)
    change = sign * np.exp(others - shift)
    return capped(shift + safe_log((abs(change).sum() + abs(change.sum())) / 2), log)


def product_insecurity_gaussian(outside: ArrayLike, inside: ArrayLike, copies: ArrayLike = 1) -> float:
    """Compute 2 Phi(d' / 2) - 1 with d'^2 the sum of chi-square distances: the limit when no coordinate dominates.

    Parameters
    ----------
    outside, inside : array (d, K)
        Cell probabilities of each coordinate without and with the sample, positive.
    copies : int or array (d,)
        How many equal coordinates each row stands for.

    Returns
    -------
    float
        The Gaussian limit of ``product_insecurity``, for any number of states.

    Raises
    ------
    ValueError
        For rows that are no laws, or shapes that differ.

    Notes
    -----
    QMIS statements 12 and 13.

    Examples
    --------
    >>> laws = [[0.5, 0.5]], [[0.501, 0.499]]
    >>> print(f"{product_insecurity_gaussian(*laws, copies=1000) / product_insecurity(*laws, copies=1000):.3f}")
    1.000
    """
    laws, log_ratios, repeats = _product_groups(outside, inside, copies)
    chi2 = (laws * np.expm1(log_ratios) ** 2).sum(1) @ repeats
    return math.erf(math.sqrt(chi2 / 8))


def product_insecurity_mc(
    outside: ArrayLike,
    inside: ArrayLike,
    rng: np.random.Generator,
    samples: int = 100_000,
    copies: ArrayLike = 1,
) -> MonteCarlo:
    """Estimate ``product_insecurity`` by Monte Carlo, where its states are too many to enumerate.

    Parameters
    ----------
    outside, inside : array (d, K)
        Cell probabilities of each coordinate without and with the sample, positive.
    rng : numpy.random.Generator
    samples : int
        Number of draws, >= 100, half of them from each law.
    copies : int or array (d,)
        How many equal coordinates each row stands for.

    Returns
    -------
    MonteCarlo
        The insecurity of one sample with a 95 % interval.

    Raises
    ------
    ValueError
        For rows that are no laws, shapes that differ, or samples < 100.

    Notes
    -----
    QMIS statement 13. The mean of tanh(|log-likelihood ratio| / 2) under the even mixture of the two laws, whose terms
    lie in [0, 1]. The interval is 1.96 standard errors of draws: it is blind to events that no draw met.

    Examples
    --------
    >>> found = product_insecurity_mc([[0.5, 0.5]], [[0.6, 0.4]], np.random.default_rng(0))
    >>> found.low <= 0.1 <= found.high
    True
    """
    laws, log_ratios, repeats = _product_groups(outside, inside, copies)
    if not samples >= 100:
        raise ValueError(f"samples must be at least 100, got {samples!r}")
    half = int(samples) // 2
    log_ratio = np.zeros(2 * half)
    for law, ratio, repeat in zip(laws, log_ratios, repeats, strict=True):
        tilted = law * np.exp(ratio)
        draws = [rng.multinomial(int(repeat), q, size=half) for q in (law, tilted / tilted.sum())]
        log_ratio += np.concatenate(draws) @ ratio
    share = np.tanh(abs(log_ratio) / 2)
    error = 1.96 * share.std() / math.sqrt(len(share))
    low, high = max(share.mean() - error, 0.0), float(share.mean() + error)
    return MonteCarlo(float(share.mean()), low, high, effective_samples=len(share))
