"""What quantizing many independent coordinates leaves of the information about one sample.

``surviving_information`` and ``survival_correlation`` speak of one Gaussian coordinate. The product engines give the
exact total variation between the laws of many quantized coordinates with and without a sample, its Gaussian limit, and
an estimate by Monte Carlo where the states are too many to enumerate.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.integrate import tanhsinh

from qmis_utils.theory.numerics import (
    MAX_STATES,
    capped,
    check_array,
    check_n,
    check_number,
    check_probs,
    count_vectors,
    density_drop,
    log_interval,
    log_multinomial,
    standard_cells,
)
from qmis_utils.theory.tilted import MonteCarlo, check_samples, unseen

MOST_COPIES = 1e15  # equal coordinates: beyond, counts are no longer whole in floating point


# --- one coordinate ----------------------------------------------------------------------------------------------


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
    lo, hi = standard_cells(edges, mean, sd)
    log_probs = log_interval(lo, hi)
    with np.errstate(invalid="ignore"):
        cells = np.where(np.isfinite(log_probs), 2 * density_drop(lo, hi)[1] - log_probs, -np.inf)
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
    lo, hi = standard_cells(edges, mean, sd)
    levels = check_array("levels", levels)
    if levels.shape != lo.shape[-1:] or not np.isfinite(levels).all():
        raise ValueError(f"levels must be finite, of shape ({lo.shape[-1]},) to match edges")
    log_probs = log_interval(lo, hi)
    # Deviations from the likeliest cell's level, times the root of their probability, over the largest: no underflow.
    halves = levels / 2
    deviation = halves - halves[log_probs.argmax(-1)][..., None]
    sign, log_drop = density_drop(lo, hi)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_size = np.where(deviation == 0, -np.inf, np.log(abs(deviation)) + log_probs / 2)
        top = log_size.max(-1, keepdims=True)
        amplitude = np.where(np.isfinite(log_size), np.sign(deviation) * np.exp(log_size - top), 0.0)
        slope = np.where(np.isfinite(log_probs), sign * np.exp(log_drop - log_probs / 2), 0.0)
    variance = (amplitude**2).sum(-1) - (amplitude * np.exp(log_probs / 2)).sum(-1) ** 2
    return np.where(variance > 0, (amplitude * slope).sum(-1) / np.sqrt(np.where(variance > 0, variance, 1)), 0.0)


# --- many independent coordinates --------------------------------------------------------------------------------


def _product_groups(outside, inside, copies):
    """Check two (d, K) arrays of cell laws; return the distinct rows, their log ratios and how often each occurs."""
    outside, inside = check_probs("outside", outside), check_probs("inside", inside)
    if outside.ndim != 2 or outside.shape != inside.shape:
        raise ValueError("outside and inside must have the same shape (d, K)")
    if not (outside.all() and inside.all()):
        raise ValueError("outside and inside must be positive in every cell: merge cells that are empty")
    copies = check_array("copies", copies)
    if copies.shape not in ((), (len(outside),)) or not ((copies >= 1) & (copies == np.floor(copies))).all():
        raise ValueError("copies must be whole numbers >= 1, one or as many as rows")
    if copies.max() > MOST_COPIES:
        raise ValueError(f"copies must be at most {MOST_COPIES:g}")
    pairs, row = np.unique(np.stack([outside, inside], 1), axis=0, return_inverse=True)
    repeats = np.bincount(row, np.broadcast_to(copies, len(outside))).astype(int)
    outside, inside = pairs[:, 0], pairs[:, 1]
    # The likeliest cell gains what the others lose: 1 - 4e-16 is 1 - 4.44e-16 in floating point.
    likeliest = outside == outside.max(1, keepdims=True)
    likeliest &= likeliest.cumsum(1) == 1
    change = np.where(likeliest, 0.0, inside - outside)
    change = np.where(likeliest, -change.sum(1, keepdims=True), change)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = np.where(abs(change) < outside / 2, np.log1p(change / outside), np.log(inside) - np.log(outside))
    return outside, ratio, repeats


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
    return capped(special.logsumexp(size) - math.log(2), log)


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
    with np.errstate(over="ignore"):  # an infinite distance: the laws hardly overlap
        chi2 = (laws * np.expm1(log_ratios) ** 2).sum(1) @ repeats
    return math.erf(math.sqrt(chi2 / 8))


def flip_insecurity(outside: float, inside: float, d: float, log: bool = False) -> float:
    """Compute the exact total variation between d equal two-cell coordinates with and without a sample.

    Parameters
    ----------
    outside, inside : float
        Probability that a coordinate flips, without and with the sample, in (0, 1).
    d : int
        Number of coordinates, whole, >= 1, at most ``MOST_COPIES``.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        The insecurity of the sample, as ``product_insecurity`` of d copies has it, for any d.

    Raises
    ------
    ValueError
        For a probability outside (0, 1), or d that is not whole, below 1 or above ``MOST_COPIES``.

    Notes
    -----
    QMIS statement 13. The likelihood ratio rises with the number of flips: a difference of two binomial tails, and by
    the derivative of a tail Delta = d times the integral of P(Bin(d - 1, q) = m) over q between the two probabilities,
    m = floor(d log((1 - p0) / (1 - p1)) / log(p1 (1 - p0) / (p0 (1 - p1)))). Nothing cancels.

    Examples
    --------
    >>> print(f"{flip_insecurity(0.1, 0.2, 1):.3f}")
    0.100
    >>> print(f"{flip_insecurity(1e-6, 1.1e-6, 10**6) / 0.1:.3f}")  # near the Poisson limit 1 / e
    0.367
    """
    p0, p1 = (check_number(name, p) for name, p in (("outside", outside), ("inside", inside)))
    for name, p in (("outside", p0), ("inside", p1)):
        if not 0 < p < 1:
            raise ValueError(f"{name} must lie in (0, 1), got {p}")
    d = check_n(d, "d")
    if d > MOST_COPIES:
        raise ValueError(f"d must be at most {MOST_COPIES:g}, got {d:g}")
    if p0 == p1:
        return capped(-math.inf, log)
    p0, p1 = min(p0, p1), max(p0, p1)
    stay = math.log1p((p1 - p0) / (1 - p1))  # log of (1 - p0) / (1 - p1)
    flip = math.log1p((p1 - p0) / p0) if p1 < 2 * p0 else math.log(p1) - math.log(p0)
    m = min(math.floor(d * stay / (stay + flip)), d - 1)

    def log_density(q):
        return log_multinomial(np.stack(np.broadcast_arrays(m, d - 1 - m), -1), np.stack([q, 1 - q], -1))

    peak = min(max(m / max(d - 1, 1), p0), p1)
    top = float(log_density(np.array(peak)))
    reach = (
        10 * math.sqrt(peak * (1 - peak) / d) + 40 / d
    )  # the width of the peak, and of a slope that begins at an end
    # Each part in units of its length: its ends are too near for floating point.
    ends = np.unique(np.clip([p0, peak - reach, peak, peak + reach, p1], p0, p1))
    parts = np.diff(ends)

    def density(share, low, length):
        return length * np.exp(log_density(low + length * share) - top)

    integral = tanhsinh(density, 0, 1, args=(ends[:-1], parts), rtol=1e-12).integral.sum()
    return capped(math.log(d) + top + math.log(integral), log)


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
        Number of draws, whole, >= 100.
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
    QMIS statement 13. Where flips are frequent, the mean of tanh(|log-likelihood ratio| / 2) under the even mixture of
    the two laws, whose terms lie in [0, 1]. Where they are rare (U = sum TV_j below about 0.57), draws in which one
    coordinate, chosen in proportion to its TV_j, falls into a cell in proportion to how much that cell's probability
    changes: the terms lie in [0, U e^U], however rare the flips. Both ends also allow for what may hide, at 97.5 %
    confidence, in fewer draws than one.

    Examples
    --------
    >>> found = product_insecurity_mc([[0.5, 0.5]], [[0.6, 0.4]], np.random.default_rng(0))
    >>> found.low <= 0.1 <= found.high
    True
    """
    laws, log_ratios, repeats = _product_groups(outside, inside, copies)
    samples = check_samples(samples)
    # |outside - inside| of each cell; a ratio may be 1e320, its product with the cell's probability is at most 1
    apart = np.where(log_ratios < 1, laws * abs(np.expm1(np.minimum(log_ratios, 1))), _tilt(laws, log_ratios) - laws)
    union = float(apart.sum(1) @ repeats / 2)
    if union == 0:
        return MonteCarlo(0.0, 0.0, 0.0, effective_samples=samples)
    largest = union * math.exp(min(union, 1.0))
    if largest < 1:
        share = _forced_flips(laws, log_ratios, repeats, apart, union, rng, samples)
    else:
        largest, share = 1.0, _even_mixture(laws, log_ratios, repeats, rng, samples)
    most = min(union * (1 + 1e-12), 1.0)
    value = min(float(share.mean()), most)
    error = 1.96 * float(share.std()) / math.sqrt(samples) + 1e-12 * value  # the rounding of an exact value
    low = (value - error) * (1 - unseen(1, samples))  # states that no draw met may also count for nothing
    high = min(value + error + unseen(largest, samples), most)
    return MonteCarlo(value, max(low, 0.0), high, effective_samples=samples)


def _tilt(law, log_ratio):
    return np.exp(np.log(law) + log_ratio)


def _even_mixture(laws, log_ratios, repeats, rng, samples):
    """|P - Q| / (P + Q) of states drawn half from each of the product laws P and Q."""
    log_ratio = np.zeros(samples)
    for law, ratio, repeat in zip(laws, log_ratios, repeats, strict=True):
        tilted = _tilt(law, ratio)
        sizes = samples // 2, samples - samples // 2
        draws = [
            rng.multinomial(repeat, q, size=size) for q, size in zip((law, tilted / tilted.sum()), sizes, strict=True)
        ]
        log_ratio += np.concatenate(draws) @ ratio
    return np.tanh(abs(log_ratio) / 2)


def _forced_flips(laws, log_ratios, repeats, apart, union, rng, samples):
    """|P - Q| / (2 R) of states drawn from R, in which one coordinate's cell is drawn in proportion to |P_j - Q_j|.

    The others come from B_j = max(P_j, Q_j) / (1 + TV_j). R / B is the mean over j of |P_j - Q_j| / (2 TV_j B_j).
    """
    forced = rng.choice(len(laws), size=samples, p=apart.sum(1) * repeats / (2 * union))
    log_p, log_q, density = np.zeros(samples), np.zeros(samples), np.zeros(samples)
    for j, (law, ratio, repeat, change) in enumerate(zip(laws, log_ratios, repeats, apart, strict=True)):
        base = _tilt(law, np.maximum(ratio, 0))
        log_norm, hit = math.log1p(change.sum() / 2), forced == j
        counts = rng.multinomial(repeat - hit, base / base.sum())
        if hit.any():
            counts[hit] += rng.multinomial(1, change / change.sum(), size=hit.sum())
        log_p += counts @ (log_norm - np.maximum(ratio, 0))
        log_q += counts @ (log_norm + np.minimum(ratio, 0))
        density += counts @ (math.exp(log_norm) * -np.expm1(-abs(ratio)))
    return union * np.exp(np.maximum(log_p, log_q)) * -np.expm1(-abs(log_p - log_q)) / density
