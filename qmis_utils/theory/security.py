"""Exact membership inference security of small algorithms, and the bounds that hold for all of them.

Every engine returns ``insecurity``, Delta_n = TV(law(theta_hat, Z_1), law(theta_hat) x P), so that
``mis = 1 - insecurity`` and the best attack has accuracy ``(1 + insecurity) / 2``. Entropies, rates and
logarithms are natural. With ``log=True`` the engines stay accurate where Delta_n is far below 1e-100.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.integrate import tanhsinh
from scipy.optimize import elementwise

from qmis_utils.theory.numerics import (
    LEGENDRE,
    LOG_2PI,
    capped,
    check_array,
    check_losses,
    check_n,
    check_number,
    check_problem,
    check_probs,
    count_vectors,
    log_interval,
    log_multinomial,
    safe_log,
    stirling_error,
    unit_scale,
)

LARGEST_DIM = 1e8  # beyond, the chi-square densities lose digits and their normal limit is right to 2e-8
MOST_FLIPS = 1e14  # beyond, a count times a codeword in floating point no longer tells one count from the next
WIDEST = 1e12  # beyond cells of this width (in sd of the mean) the doubles around an integrand's peak are too coarse
NARROWEST = 5e-5  # cells narrower than this (in sd of the mean) change log Delta_n by less than 4e-10
LEGENDRE_64 = np.polynomial.legendre.leggauss(64)


# --- Gaussian mean on a grid -------------------------------------------------------------------------------------


def _log_outside(lo, hi):
    return np.logaddexp(special.log_ndtr(lo), special.log_ndtr(-hi))


def gaussian_mean_insecurity(
    n: ArrayLike, step: ArrayLike, mean: ArrayLike, sigma: ArrayLike = 1.0, log: bool = False
) -> float | np.ndarray:
    """Compute the exact insecurity of a Gaussian mean rounded to a grid.

    theta_hat is the multiple of ``step`` nearest to the mean of n samples of N(mean, sigma^2).

    Parameters
    ----------
    n : int or array
        Training-set size, a whole number >= 1; arrays broadcast with ``step``, ``mean`` and ``sigma``.
    step : float or array
        Spacing of the grid, > 0, in the units of the data.
    mean : float or array
        Mean of the data.
    sigma : float or array
        Standard deviation of the data, > 0.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float or array
        Delta_n, of the broadcast shape; error of log Delta_n about 1e-9 + 1e-14 |log Delta_n|.

    Raises
    ------
    ValueError
        For n < 1 or not whole, step <= 0, sigma <= 0, a value that is not finite, or a step above ``WIDEST``
        sigma / sqrt(n).

    Notes
    -----
    QMIS statements 1, 6 and 10. For each cell the samples that make it likelier form one interval, and the covariance
    of the two events follows from Plackett's identity, an integral without cancellation.

    Examples
    --------
    >>> round(gaussian_mean_insecurity(100, 0.5, 0.12, log=True), 3)
    -4.291
    """
    if any(np.ndim(a) for a in (n, step, mean, sigma)):
        points = np.broadcast(n, step, mean, sigma)
        return np.reshape([capped(_log_rounded_mean(*point), log) for point in points], points.shape)
    return capped(_log_rounded_mean(n, step, mean, sigma), log)


def _log_rounded_mean(n, step, mean, sigma):
    n, sigma = check_n(n), check_number("sigma", sigma, positive=True)
    step, mean = check_number("step", step, positive=True), check_number("mean", mean)
    # The remainder is exact in floating point: a mean far from zero costs no digits.
    offset, scale = math.remainder(mean, step) / sigma, math.sqrt(n)
    width = step / sigma * scale
    if not width <= WIDEST:
        raise ValueError(f"step must be at most {WIDEST:g} sigma / sqrt(n), got {step!r}")
    if n == 1 and width < 1e-17:
        return 0.0
    if n > 1 and width < NARROWEST:
        return _log_gaussian_channel(-math.log(n) / 2, 1)
    if n == 1:
        return _log_single_sample(width, offset * scale)
    lo, hi, home = _grid_cells(step / sigma, offset, scale)
    return _log_grid_insecurity(lo, hi, home, width, 1 / math.sqrt(n))


def _grid_cells(step, offset, scale):
    """Cell edges lo, hi in sd of the mean, for every cell that matters to 1e-15, and which cell is home."""
    near = scale * (step / 2 - abs(offset))
    reach = math.sqrt(near**2 + 90) / scale  # exp(-45): below rounding even against the factor n^(-1/2) of Delta_n
    k = np.arange(-math.floor((reach - offset) / step + 0.5), math.floor((reach + offset) / step + 0.5) + 1)
    k = k if k.size else np.zeros(1)
    return scale * ((k - 0.5) * step - offset), scale * ((k + 0.5) * step - offset), k == 0


def _log_single_sample(width, offset):
    """n = 1: Delta = sum_k P_k (1 - P_k). In narrow cells sum_k P_k^2 is, up to exp(-(pi / width)^2), the mean over
    the place of the grid: the chance that N(0, 2) falls within a triangular window of half-base `width`."""
    if width < 0.5:
        same = math.erf(width / 2) + 2 / (width * math.sqrt(math.pi)) * math.expm1(-(width**2) / 4)
        return math.log1p(-same)
    lo, hi, _ = _grid_cells(width, offset, 1.0)
    return special.logsumexp(log_interval(lo, hi) + _log_outside(lo, hi))


def _log_grid_insecurity(lo, hi, home, width, rho):
    """Sum over cells of Cov(1[x_- < X < x_+], 1[lo < T < hi]) with corr(X, T) = rho, T the standardised mean."""
    s = math.sqrt((1 - rho) * (1 + rho))
    half, centre = width / (2 * s), (lo + hi) / 2
    # Cells and their complement are compared in logs: the home cell may have probability 1 - 1e-1000.
    complement = home & (log_interval(lo, hi) > math.log(0.5))
    target = np.where(complement, _log_outside(lo, hi), log_interval(lo, hi))

    def mismatch(y, target, complement):
        inside = log_interval(y - half, y + half) - target
        return np.where(complement, target - _log_outside(y - half, y + half), inside)

    if width < 0.01:  # compare densities at the centre: the sum is stationary in y, so the error is of order width^4
        y = np.sqrt(centre**2 - 2 * math.log(s))
    else:
        top = abs(centre) / s + half + 10
        y = elementwise.find_root(mismatch, (np.zeros_like(top), top), args=(target, complement)).x
    left, right = (centre - y * s) / rho, (centre + y * s) / rho
    terms = np.stack([_log_covariance(a, b, rho) for a, b in ((left, lo), (right, hi), (right, lo), (left, hi))])
    shift = terms.max()
    gain = np.exp(terms - shift)
    return shift + math.log((gain[0] + gain[1] - gain[2] - gain[3]).sum())


def _log_covariance(a, b, rho):
    """log Cov(1[X > a], 1[T > b]) of a standard bivariate normal: the integral of its density over r in [0, rho]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        peak = np.clip(np.where(b == 0, 0.0, a / b), 0, rho)
        reach = np.where(b == 0, 1.0, 9 / abs(b))
    low, high = np.maximum(peak - reach, 0)[:, None], np.minimum(peak + reach, rho)[:, None]
    nodes, weights = LEGENDRE if rho * abs(b).max() < 1 else LEGENDRE_64
    r = (low + high) / 2 + (high - low) / 2 * nodes
    one = (1 - r) * (1 + r)
    a, b = a[:, None], b[:, None]
    exponent = -((a - r * b) ** 2) / (2 * one) - b**2 / 2
    top = exponent.max(1, keepdims=True)
    return top[:, 0] + np.log((np.exp(exponent - top) / np.sqrt(one) * (high - low) / 2) @ weights) - LOG_2PI


# --- Gaussian mean in full precision, and with noise -------------------------------------------------------------


def _log_gaussian_channel(log_rho, dim):
    """log TV between the joint and the product law of two N(0, I_dim) vectors whose coordinates correlate by rho.

    The likelihood ratio exceeds 1 where A - B > c, A and B independent chi-square(dim) under the joint law, and
    where (1 + rho)^-1 A - (1 - rho)^-1 B > c with the same A, B under the product law; c = dim log(1 - rho^2) / rho.
    """
    if log_rho == 0:
        return 0.0
    rho = math.exp(log_rho)
    if rho * math.sqrt(dim) < 1e-6:
        mean_length = special.poch(dim / 2, 0.5) if dim <= LARGEST_DIM else math.sqrt(dim / 2)
        return log_rho + math.log(mean_length) - math.log(math.pi) / 2
    if dim > LARGEST_DIM:  # the log-likelihood ratio is normal, of variance dim rho^2 where rho is small
        return math.log(math.erf(rho * math.sqrt(dim / 8)))
    rest = -math.expm1(log_rho)  # 1 - rho
    c = dim * math.log(rest * (1 + rho)) / rho
    a = dim / 2
    log_norm = -math.log(2 * math.pi * a) / 2 - stirling_error(a)

    def integrand(b):
        lo, hi = b**2 + c, (1 + rho) * (c + b**2 / rest)
        change = special.chdtrc(dim, np.maximum(lo, 0)) - special.chdtrc(dim, np.maximum(hi, 0))
        excess = b**2 / dim - 1  # the chi density in saddle-point form: no difference of huge logarithms
        return change * np.exp(log_norm - a * (excess - np.log1p(excess))) * (dim / np.where(b > 0, b, 1))

    kinks = [math.sqrt(-c * rest), math.sqrt(-c)]
    typical = math.sqrt(max(dim - 1, 0))
    points = np.unique([*kinks, *np.clip([typical - 9, typical, typical + 9], kinks[1], None)])
    return safe_log(float(tanhsinh(integrand, points[:-1], points[1:], rtol=1e-13).integral.sum()))


def full_precision_insecurity(n: float, dim: int, log: bool = False) -> float:
    """Compute the exact insecurity of the unrounded mean of n samples of N(mu, Sigma) in ``dim`` dimensions.

    It depends on neither mu nor Sigma.

    Parameters
    ----------
    n : int
        Training-set size, a whole number >= 1.
    dim : int
        Dimension, a whole number >= 1.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        Delta_n, to a relative error of 2e-8 (of 1e-12 up to dim = 1000).

    Raises
    ------
    ValueError
        For n or dim below 1 or not whole.

    Notes
    -----
    QMIS statement 4; Delta_n ~ E||N(0, I)|| / sqrt(2 pi n).

    Examples
    --------
    >>> round(full_precision_insecurity(10_000, 1) * 100 * 3.14159265, 4)
    1.0001
    """
    n, d = check_n(n), check_n(dim, "dim")
    return capped(_log_gaussian_channel(-math.log(n) / 2, d), log)


def gaussian_noise_insecurity(n: float, noise: float, sigma: float = 1.0, log: bool = False) -> float:
    """Compute the exact insecurity of the mean of n samples of N(mu, sigma^2) released with noise N(0, noise^2).

    Parameters
    ----------
    n : int
        Training-set size, a whole number >= 1.
    noise : float
        Standard deviation of the noise, >= 0, in the units of the data.
    sigma : float
        Standard deviation of the data, > 0.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        Delta_n.

    Raises
    ------
    ValueError
        For n < 1 or not whole, noise < 0, sigma <= 0, or a value that is not finite.

    Notes
    -----
    QMIS statement 11. Only the correlation of release and sample matters: noise acts as more samples would.

    Examples
    --------
    >>> gaussian_noise_insecurity(50, 0.0) == full_precision_insecurity(50, 1)
    True
    """
    n, sigma, noise = check_n(n), check_number("sigma", sigma, positive=True), check_number("noise", noise)
    if noise < 0:
        raise ValueError(f"noise must be a finite number >= 0, got {noise!r}")
    # rho = 1 / sqrt(n (1 + n noise^2 / sigma^2)), in logs because noise / sigma may be 1e600
    log_extra = math.log(n) + 2 * (safe_log(noise) - math.log(sigma))
    return capped(_log_gaussian_channel(-(math.log(n) + np.logaddexp(0, log_extra)) / 2, 1), log)


# --- finite data: counts in log space ----------------------------------------------------------------------------


def bernoulli_insecurity(n: float, p: float, codebook: ArrayLike, log: bool = False) -> float:
    """Compute the exact insecurity of the best codeword for n Bernoulli(p) samples under squared loss.

    Parameters
    ----------
    n : int
        Training-set size, whole, >= 1, at most ``MOST_FLIPS``. A mean within rounding error of a midpoint counts as a
        tie.
    p : float
        Probability of a one, in [0, 1].
    codebook : array (K,)
        Sorted codewords in [0, 1]; equal codewords count once.
    log : bool
        Return the natural logarithm (-inf where the release says nothing).

    Returns
    -------
    float
        Delta_n.

    Raises
    ------
    ValueError
        Naming the argument that is out of range, empty or unsorted.

    Notes
    -----
    QMIS statement 5. The codeword is the one nearest to the sample mean (ties to the lower), so only the counts m_k at
    which it changes matter: Delta_n = 2 p (1 - p) max_k P(Bin(n - 1, p) = m_k), because the binomial law is unimodal.

    Examples
    --------
    >>> round(bernoulli_insecurity(2, 0.5, [0.0, 1.0]), 3)
    0.25
    """
    n, p = check_n(n), check_number("p", p)
    codebook = check_array("codebook", codebook)
    if n > MOST_FLIPS:
        raise ValueError(f"n must be at most {MOST_FLIPS:g}: beyond it rounding hides where the codeword changes")
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if codebook.ndim != 1 or codebook.size == 0 or not ((codebook >= 0) & (codebook <= 1)).all():
        raise ValueError("codebook must be a non-empty list of codewords in [0, 1]")
    if (np.diff(codebook) < 0).any():
        raise ValueError("codebook must be sorted in increasing order")
    words = np.unique(codebook)
    last = np.floor(n * (words[1:] + words[:-1]) / 2 + 8 * np.finfo(float).eps * n)  # last count of each codeword
    last = last[last < n]
    if last.size == 0 or p in (0, 1):
        return capped(-math.inf, log)
    density = log_multinomial(np.stack([last, n - 1 - last], -1), np.array([p, 1 - p]))
    return capped(math.log(2 * p) + math.log1p(-p) + density.max(), log)


def best_codeword(losses: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Choose the codeword of least total loss for each vector of counts; ties to the lowest index.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples.
    counts : array (N, m)
        How often each sample is in each of N training sets.

    Returns
    -------
    array (N,), int
        Index of the chosen codeword.

    Notes
    -----
    Totals that differ by rounding error only are ties: 1e-12 of the largest gap to the codeword of least regret, among
    the codewords that are not worse than it on every sample.

    Examples
    --------
    >>> best_codeword(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[2, 1], [1, 2], [1, 1]])).tolist()
    [0, 1, 0]
    """
    losses = check_losses(losses)
    gaps = losses - losses[(losses - losses.min(0)).max(1).argmin()]
    able = np.flatnonzero(gaps.min(1) <= 1e-12 * abs(losses).max(1))  # the others never win, but would set the scale
    gaps = unit_scale(gaps[able])
    chosen = np.empty(len(counts), int)
    for start in range(0, len(counts), 100_000):
        block = slice(start, start + 100_000)
        risk = counts[block] @ gaps.T
        slack = 1e-12 * counts[block].sum(1, keepdims=True) * abs(gaps).max()
        chosen[block] = able[(risk <= risk.min(1, keepdims=True) + slack).argmax(1)]
    return chosen


def _total_change(changes, home):
    """Half the sum of |joint - product| from changes (K, m), the home codeword's taken as minus the others' sum.

    The rows sum to zero; the home codeword's own sum would lose every digit where it is almost sure.
    """
    others = np.delete(changes, home, axis=0)
    return (abs(others).sum() + abs(others.sum(0)).sum()) / 2


def finite_support_insecurity(losses: ArrayLike, probs: ArrayLike, n: float, log: bool = False) -> float:
    """Compute the exact insecurity of empirical risk minimisation over a codebook, for data of finite support.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on the m possible samples.
    probs : array (m,)
        Probabilities of the samples.
    n : int
        Training-set size, whole, >= 1; C(n + m - 1, m - 1) may be at most ``MAX_STATES``.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        Delta_n of the codeword of least total loss, ties to the lowest index.

    Raises
    ------
    ValueError
        For losses that are not finite or of another shape, probabilities that are no law, n < 1, or too many count
        vectors.

    Notes
    -----
    QMIS statements 1 and 5. Sums over every vector of counts; P(Z_1 = z | counts) = counts_z / n gives the joint law of
    codeword and sample.

    Examples
    --------
    >>> round(finite_support_insecurity([[0, 1], [1, 0]], [0.5, 0.5], 1), 3)
    0.5
    """
    losses, probs = check_problem(losses, probs)
    counts = count_vectors(check_n(n), len(probs))
    return _release_insecurity(best_codeword(losses, counts), counts, probs, log)


def release_insecurity(released: ArrayLike, counts: np.ndarray, probs: ArrayLike, log: bool = False) -> float:
    """Compute the exact insecurity of any release that is a function of the counts of finite-support data.

    Parameters
    ----------
    released : array (N,), int
        Index of what each vector of counts leads to, whole numbers >= 0.
    counts : array (N, m)
        Every vector of m counts of one sum n >= 1, once each, in the order of ``count_vectors`` or any other.
    probs : array (m,)
        Probabilities of the samples, all positive.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        Delta_n.

    Raises
    ------
    ValueError
        For counts that are not whole, negative, of different sums, incomplete or repeated; ``released`` of another
        length than ``counts``, negative, or not whole; a sample of probability zero.

    Notes
    -----
    QMIS statement 1.

    Examples
    --------
    >>> from qmis_utils.theory.numerics import count_vectors
    >>> round(release_insecurity([0, 1], count_vectors(1, 2), [0.5, 0.5]), 3)
    0.5
    """
    counts, probs, released = _check_counts(counts), check_probs("probs", probs), np.asarray(released)
    if probs.shape != counts.shape[1:]:
        raise ValueError(f"probs must have shape ({counts.shape[1]},) to match counts, got {probs.shape}")
    if released.shape != (len(counts),) or released.dtype.kind not in "iu" or released.min() < 0:
        raise ValueError(f"released must be {len(counts)} whole numbers >= 0, one for each row of counts")
    if not probs.all():
        raise ValueError("probs must be positive: leave out the samples that never occur")
    return _release_insecurity(released, counts, probs, log)


def _check_counts(counts):
    """Check that the rows are every vector of m counts of one sum, once each."""
    counts = check_array("counts", counts)
    if counts.ndim != 2 or counts.size == 0 or not ((counts >= 0) & (counts == np.floor(counts))).all():
        raise ValueError("counts must be whole numbers >= 0, of shape (N, m)")
    n = counts[0].sum()
    if n < 1 or (counts.sum(1) != n).any():
        raise ValueError("counts must have rows of one sum n >= 1, the size of the training set")
    every = count_vectors(n, counts.shape[1])
    if counts.shape != every.shape or not (
        np.array_equal(counts, every) or np.array_equal(counts[np.lexsort(counts.T[::-1])], every)
    ):
        raise ValueError(f"counts must list each of the {len(every)} vectors of sum {n:g} once, as count_vectors does")
    return counts


def _release_insecurity(released, counts, probs, log):
    log_weights = log_multinomial(counts, probs)
    size = released.max() + 1
    home = int(np.bincount(released, np.exp(log_weights), size).argmax())
    counts, released, log_weights = counts[released != home], released[released != home], log_weights[released != home]
    if len(counts) == 0:
        return capped(-math.inf, log)
    shift = log_weights.max()
    weights, n = np.exp(log_weights - shift), counts[0].sum()
    changes = [np.bincount(released, weights * (c / n - p), size) for c, p in zip(counts.T, probs, strict=True)]
    return capped(shift + safe_log(_total_change(np.stack(changes, axis=1), home)), log)


# --- bounds ------------------------------------------------------------------------------------------------------


def entropy_bound(H: float, n: float) -> float:
    """Bound the insecurity of any symmetric algorithm whose release has entropy H: min(1, sqrt(H / (2 n))).

    Parameters
    ----------
    H : float
        Entropy of the release in nats, >= 0.
    n : int
        Training-set size, whole, >= 1.

    Returns
    -------
    float
        An upper bound on Delta_n.

    Raises
    ------
    ValueError
        For H < 0 or n < 1.

    Notes
    -----
    QMIS statement 3: independence of the samples, then Pinsker.

    Examples
    --------
    >>> entropy_bound(2.0, 100)
    0.1
    """
    if check_number("H", H, infinite=True) < 0:
        raise ValueError(f"H must be an entropy >= 0 in nats, got {H!r}")
    return min(1.0, math.sqrt(H / 2 / check_n(n)))


def dp_bound(epsilon: float) -> float:
    """Bound the insecurity of an epsilon-differentially private release: (e^eps - 1) / (e^eps + 1).

    Parameters
    ----------
    epsilon : float
        Privacy loss in nats, >= 0; inf is allowed.

    Returns
    -------
    float
        An upper bound on Delta_n.

    Raises
    ------
    ValueError
        For epsilon < 0.

    Notes
    -----
    The likelihood ratio of two neighbouring data sets lies in [e^-eps, e^eps].

    Examples
    --------
    >>> dp_bound(0.0)
    0.0
    """
    if check_number("epsilon", epsilon, infinite=True) < 0:
        raise ValueError(f"epsilon must be >= 0, got {epsilon!r}")
    return math.tanh(epsilon / 2)
