"""Exact membership inference security of small algorithms, and the bounds that hold for all of them.

Every engine returns ``insecurity``, Delta_n = TV(law(theta_hat, Z_1), law(theta_hat) x P), so that
``mis = 1 - insecurity`` and the best attack has accuracy ``(1 + insecurity) / 2``. Entropies, rates and
logarithms are natural. With ``log=True`` the engines stay accurate where Delta_n is far below 1e-100.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy.integrate import tanhsinh
from scipy.optimize import elementwise

from qmis_utils.numerics import (
    LEGENDRE,
    LOG_2PI,
    MAX_STATES,
    check_n,
    check_number,
    check_problem,
    check_probs,
    count_vectors,
    cramer_tilt,
    density_drop,
    log_interval,
    log_mean_exp,
    log_multinomial,
)

WIDEST = 1e12  # beyond cells of this width (in sd of the mean) the doubles around an integrand's peak are too coarse
FURTHEST = 1e150  # edges further away (in sd) would overflow when squared
NARROWEST = 5e-5  # cells narrower than this (in sd of the mean) change log Delta_n by less than 4e-10
MAX_TILTS = 16  # importance-sampling components beside the untilted law
LEGENDRE_64 = np.polynomial.legendre.leggauss(64)


class MonteCarlo(NamedTuple):
    """Hold a Monte Carlo insecurity with its 95 % interval and effective number of samples."""

    value: float
    low: float
    high: float
    effective_samples: float


def _result(log_insecurity, log):
    log_insecurity = min(float(log_insecurity), 0.0)  # rounding may leave 1 + 1e-8
    return log_insecurity if log else math.exp(log_insecurity)


def _log(value):
    return math.log(value) if value > 0 else -math.inf


# --- Gaussian mean on a grid -------------------------------------------------------------------------------------


def _log_outside(lo, hi):
    return np.logaddexp(special.log_ndtr(lo), special.log_ndtr(-hi))


def gaussian_mean_insecurity(n, step, mean, sigma=1.0, log=False):
    """Compute the exact insecurity of a Gaussian mean rounded to a grid.

    theta_hat is the multiple of `step` nearest to the mean of n samples of N(mean, sigma^2). For each cell the
    samples that make it likelier form one interval, and the covariance of the two events follows from Plackett's
    identity, an integral without cancellation.

    Args:
        n: training-set size, a whole number >= 1 (arrays broadcast with step, mean and sigma).
        step: spacing of the grid, > 0, in the units of the data.
        mean: mean of the data.
        sigma: standard deviation of the data, > 0.
        log: return the natural logarithm.

    Returns:
        Delta_n, a float or an array of the broadcast shape; error of log Delta_n about 1e-9 + 1e-14 |log Delta_n|.

    Raises:
        ValueError: for n < 1 or not whole, step <= 0, sigma <= 0, a value that is not finite, or a step above
            ``WIDEST`` sigma / sqrt(n).

    Source: QMIS statements 1, 6 and 10.

    >>> round(gaussian_mean_insecurity(100, 0.5, 0.12, log=True), 3)
    -4.291
    """
    if any(np.ndim(a) for a in (n, step, mean, sigma)):
        points = np.broadcast(n, step, mean, sigma)
        values = [gaussian_mean_insecurity(*point, log=log) for point in points]
        return np.reshape(values, points.shape)
    n, sigma = check_n(n), check_number("sigma", sigma, positive=True)
    step, mean = check_number("step", step, positive=True), check_number("mean", mean)
    # The remainder is exact in floating point: a mean far from zero costs no digits.
    offset, scale = math.remainder(mean, step), math.sqrt(n) / sigma
    width = step * scale
    if not width <= WIDEST:
        raise ValueError(f"step must be at most {WIDEST:g} sigma / sqrt(n), got {step!r}")
    if n > 1 and width < NARROWEST:
        return _result(math.log(_gaussian_channel(1 / math.sqrt(n), 1)), log)
    if n == 1:
        return _result(_log_single_sample(width, offset * scale), log)
    lo, hi, home = _grid_cells(step, offset, scale)
    return _result(_log_grid_insecurity(lo, hi, home, width, 1 / math.sqrt(n)), log)


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


def _gaussian_channel(rho, dim):
    """TV between the joint and the product law of two N(0, I_dim) vectors whose coordinates correlate by rho.

    The likelihood ratio exceeds 1 where A - B > c, A and B independent chi-square(dim) under the joint law, and
    where (1 + rho)^-1 A - (1 - rho)^-1 B > c with the same A, B under the product law; c = dim log(1 - rho^2) / rho.
    """
    if rho * math.sqrt(dim) < 1e-6:
        return rho * math.exp(special.gammaln((dim + 1) / 2) - special.gammaln(dim / 2)) / math.sqrt(math.pi)
    c = dim * math.log1p(-(rho**2)) / rho
    log_norm = (1 - dim / 2) * math.log(2) - special.gammaln(dim / 2)

    def integrand(b):
        lo, hi = b**2 + c, (1 + rho) * (c + b**2 / (1 - rho))
        change = special.chdtrc(dim, np.maximum(lo, 0)) - special.chdtrc(dim, np.maximum(hi, 0))
        return change * np.exp(log_norm + special.xlogy(dim - 1, b) - b**2 / 2)

    kinks = [math.sqrt(-c * (1 - rho)), math.sqrt(-c)]
    typical = math.sqrt(max(dim - 1, 0))
    points = np.unique([*kinks, *np.clip([typical - 9, typical, typical + 9], kinks[1], None)])
    return float(tanhsinh(integrand, points[:-1], points[1:], rtol=1e-13).integral.sum())


def full_precision_insecurity(n, dim, log=False):
    """Compute the exact insecurity of the unrounded mean of n samples of N(mu, Sigma) in `dim` dimensions.

    It depends on neither mu nor Sigma. n and dim are whole numbers >= 1 (ValueError otherwise); returns Delta_n, or
    its natural logarithm. Source: QMIS statement 4; Delta_n ~ E||N(0, I)|| / sqrt(2 pi n).

    >>> round(full_precision_insecurity(10_000, 1) * 100 * 3.14159265, 4)
    1.0001
    """
    n, dim = check_n(n), check_n(dim, "dim")
    return _result(0.0 if n == 1 else _log(_gaussian_channel(1 / math.sqrt(n), dim)), log)


def gaussian_noise_insecurity(n, noise, sigma=1.0, log=False):
    """Compute the exact insecurity of the mean of n samples of N(mu, sigma^2) released with noise N(0, noise^2).

    Args: n whole >= 1; noise >= 0 and sigma > 0, standard deviations in the units of the data (ValueError otherwise).
    Returns Delta_n or its natural logarithm. Source: QMIS statement 11.
    """
    n, sigma = check_n(n), check_number("sigma", sigma, positive=True)
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise must be a finite number >= 0, got {noise!r}")
    rho = (sigma / n) / math.hypot(sigma / math.sqrt(n), noise)
    return _result(0.0 if rho == 1 else _log(_gaussian_channel(rho, 1)), log)


# --- finite data: counts in log space ----------------------------------------------------------------------------


def bernoulli_insecurity(n, p, codebook, log=False):
    """Compute the exact insecurity of the best codeword for n Bernoulli(p) samples under squared loss.

    The codeword is the one nearest to the sample mean (ties to the lower), so only the counts m_k at which it
    changes matter: Delta_n = 2 p (1 - p) max_k P(Bin(n - 1, p) = m_k), because the binomial law is unimodal.

    Args:
        n: training-set size, whole, >= 1. A mean within rounding error of a midpoint counts as a tie.
        p: probability of a one, in [0, 1].
        codebook: sorted codewords in [0, 1], shape (K,); equal codewords count once.
        log: return the natural logarithm (-inf where the release says nothing).

    Raises:
        ValueError: naming the argument that is out of range, empty or unsorted.

    Source: QMIS statement 5.

    >>> round(bernoulli_insecurity(2, 0.5, [0.0, 1.0]), 3)
    0.25
    """
    n, p = check_n(n), check_number("p", p)
    codebook = np.asarray(codebook, float)
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
        return _result(-math.inf, log)
    density = log_multinomial(np.stack([last, n - 1 - last], -1), np.array([p, 1 - p]))
    return _result(math.log(2 * p) + math.log1p(-p) + density.max(), log)


def best_codeword(losses, counts):
    """Return the index of the codeword of least total loss for each row of counts (N, m); ties to the lowest index.

    Totals that differ by rounding error only are ties: 1e-12 of the largest gap to the codeword of least regret, among
    the codewords that are not worse than it on every sample.
    """
    gaps = losses - losses[(losses - losses.min(0)).max(1).argmin()]
    able = np.flatnonzero(gaps.min(1) <= 1e-12 * abs(losses).max(1))  # the others never win, but would set the scale
    gaps = gaps[able]
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


def finite_support_insecurity(losses, probs, n, log=False):
    """Compute the exact insecurity of empirical risk minimisation over a codebook, for data of finite support.

    Sums over every vector of counts; P(Z_1 = z | counts) = counts_z / n gives the joint law of codeword and sample.

    Args:
        losses: loss of K codewords on the m possible samples, shape (K, m).
        probs: probabilities of the samples, shape (m,).
        n: training-set size, whole, >= 1; C(n + m - 1, m - 1) may be at most ``MAX_STATES``.
        log: return the natural logarithm.

    Returns:
        Delta_n of the codeword of least total loss, ties to the lowest index.

    Raises:
        ValueError: losses not finite or of another shape, probs not a law, n < 1, or too many count vectors.

    Source: QMIS statements 1 and 5.

    >>> round(finite_support_insecurity([[0, 1], [1, 0]], [0.5, 0.5], 1), 3)
    0.5
    """
    losses, probs = check_problem(losses, probs)
    counts = count_vectors(check_n(n), len(probs))
    return release_insecurity(best_codeword(losses, counts), counts, probs, log)


def release_insecurity(released, counts, probs, log=False):
    """Compute the exact insecurity of any release that is a function of the counts of finite-support data.

    Args:
        released: index of what each vector of counts leads to, whole numbers >= 0, shape (N,).
        counts: every vector of counts, shape (N, m), as `count_vectors` lists them.
        probs: probabilities of the samples, shape (m,), all positive.
        log: return the natural logarithm.

    Raises:
        ValueError: released of another length than counts, negative, or not whole; a sample of probability zero.

    Source: QMIS statement 1.

    >>> from qmis_utils.numerics import count_vectors
    >>> round(release_insecurity([0, 1], count_vectors(1, 2), [0.5, 0.5]), 3)
    0.5
    """
    released, probs = np.asarray(released), check_probs("probs", probs)
    if released.shape != (len(counts),) or released.dtype.kind not in "iu" or released.min() < 0:
        raise ValueError(f"released must be {len(counts)} whole numbers >= 0, one for each row of counts")
    if not probs.all():
        raise ValueError("probs must be positive: leave out the samples that never occur")
    log_weights = log_multinomial(counts, probs)
    size = released.max() + 1
    home = int(np.bincount(released, np.exp(log_weights), size).argmax())
    counts, released, log_weights = counts[released != home], released[released != home], log_weights[released != home]
    if len(counts) == 0:
        return _result(-math.inf, log)
    shift = log_weights.max()
    weights, n = np.exp(log_weights - shift), counts[0].sum()
    changes = [np.bincount(released, weights * (c / n - p), size) for c, p in zip(counts.T, probs, strict=True)]
    return _result(shift + _log(_total_change(np.stack(changes, axis=1), home)), log)


# --- Monte Carlo -------------------------------------------------------------------------------------------------


def _log_tilts(losses, probs, n):
    """log q_j(z) / p(z) of the sampling laws q_j: p itself, then the Cramer tilts of the likeliest runners-up."""
    gaps = losses - losses[(losses @ probs).argmin()]
    tilts = []
    for gap in gaps:
        t = cramer_tilt(gap, probs)
        if t == 0 or (t == math.inf and not (gap == 0).any()):
            continue
        # At t = inf the runner-up can only tie: condition on a zero gap. A finite floor keeps 0 * log 0 at 0.
        ratio = np.where(gap == 0, 0.0, -1e300) if t == math.inf else -t * gap
        log_norm = log_mean_exp(ratio, probs)
        tilts.append((n * log_norm, ratio - log_norm))
    likeliest = sorted(tilts, key=lambda pair: -pair[0])[:MAX_TILTS]
    return np.stack([np.zeros_like(probs)] + [ratio for _, ratio in likeliest])


def codebook_insecurity_mc(losses, probs, n, rng, samples=100_000, log=False):
    """Estimate the insecurity of empirical risk minimisation over a codebook by tilted Monte Carlo.

    Counts come in equal shares from the law of the data and from its Cramer tilts towards the runners-up; the
    mixture's weights are bounded, so rare events cost no more samples than common ones.

    Args:
        losses: loss of K codewords on m samples, shape (K, m).
        probs: probabilities of the samples, shape (m,).
        n: training-set size, whole, >= 1.
        rng: numpy random Generator.
        samples: number of data sets to draw, >= 100.
        log: return natural logarithms of value, low and high.

    Returns:
        MonteCarlo(value, low, high, effective_samples), a 95 % interval. Its ends answer two biases: an attack
        learnt on one half and scored on the other is too weak, one scored on its own half too strong.

    Raises:
        ValueError: as `finite_support_insecurity`, or samples < 100.

    Source: QMIS statement 5, Bahadur and Ranga Rao (1960) for the tilt.
    """
    n = check_n(n)
    losses, probs = check_problem(losses, probs)
    if not samples >= 100:
        raise ValueError(f"samples must be at least 100, got {samples!r}")
    log_tilts, home = _log_tilts(losses, probs, n), int((losses @ probs).argmin())
    laws = [q / q.sum() for q in probs * np.exp(log_tilts)]
    share = int(samples) // len(laws)
    counts = np.concatenate([rng.multinomial(int(n), q, size=share) for q in laws])
    counts = counts[rng.permutation(len(counts))]
    log_weights = math.log(len(laws)) - special.logsumexp(counts @ log_tilts.T, axis=1)
    chosen = best_codeword(losses, counts)
    log_weights[chosen == home] = -math.inf
    shift = log_weights.max()
    if shift == -math.inf:
        raise ValueError("samples: no draw left the best codeword; Delta_n may be zero, or samples is too small")
    weights = np.exp(log_weights - shift)
    estimate = np.array(_cross_fitted(weights, chosen, counts / n - probs, home, len(losses)))
    scaled = [shift + _log(v) if log else math.exp(shift + _log(v)) for v in estimate]
    return MonteCarlo(*scaled, float(weights.sum() ** 2 / (weights**2).sum()))


def _cross_fitted(weights, chosen, excess, home, K):
    """Value, low and high of half the summed |mean change|, by attacks learnt and scored on opposite halves."""

    def attack(rows):
        """Return the best guess for each codeword and sample, learnt from some draws."""
        changes = np.zeros((K, excess.shape[1]))
        np.add.at(changes, chosen[rows], weights[rows, None] * excess[rows])
        others = np.delete(changes, home, axis=0)
        return np.insert(np.sign(others), home, -np.sign(others.sum(0)), axis=0)

    def advantages(signs, rows):
        return weights[rows] * ((signs[chosen[rows]] - signs[home]) * excess[rows]).sum(1) / 2

    halves = np.array_split(np.arange(len(weights)), 2)
    honest = np.concatenate([advantages(attack(halves[1 - i]), rows) for i, rows in enumerate(halves)])
    everything = np.arange(len(weights))
    fitted = advantages(attack(everything), everything)
    error = 1.96 * fitted.std() / math.sqrt(len(weights))
    low, high = max(honest.mean() - error, 0.0), fitted.mean() + error
    return (honest.mean() + fitted.mean()) / 2, low, high


# --- bounds ------------------------------------------------------------------------------------------------------


def entropy_bound(H, n):
    """Bound the insecurity of any symmetric algorithm whose release has entropy H nats: min(1, sqrt(H / (2 n))).

    Source: QMIS statement 3 (independence of the samples, then Pinsker). ValueError for H < 0 or n < 1.

    >>> entropy_bound(2.0, 100)
    0.1
    """
    if not H >= 0:
        raise ValueError(f"H must be an entropy >= 0 in nats, got {H!r}")
    return min(1.0, math.sqrt(H / (2 * check_n(n))))


def dp_bound(epsilon):
    """Bound the insecurity of an epsilon-differentially private release: (e^eps - 1) / (e^eps + 1).

    Source: the likelihood ratio of two neighbouring data sets lies in [e^-eps, e^eps]. ValueError for epsilon < 0.

    >>> dp_bound(0.0)
    0.0
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon must be >= 0, got {epsilon!r}")
    return math.tanh(epsilon / 2)


# --- survival of information -------------------------------------------------------------------------------------


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


def cell_probabilities(edges, mean, sd):
    """Return the probabilities (..., K) of the cells of `edges` (K + 1,) under N(mean, sd^2); errors as below."""
    return np.exp(log_interval(*_standard_cells(edges, mean, sd)))


def surviving_information(edges, mean, sd, log=False):
    """Compute the share J of a Gaussian coordinate's Fisher information that a quantizer keeps.

    J = sum over cells of (phi(lo) - phi(hi))^2 / (Phi(hi) - Phi(lo)), the cells in standard units of N(mean, sd^2).

    Args:
        edges: cell edges, shape (K + 1,), increasing, first -inf, last inf.
        mean, sd: mean and standard deviation (> 0) of the coordinate, floats or arrays that broadcast.
        log: return the natural logarithm; stable where J < 1e-100.

    Returns:
        J in [0, 1], of the broadcast shape of mean and sd.

    Raises:
        ValueError: naming edges, mean or sd.

    Source: QMIS statement 12.

    >>> round(float(surviving_information([-float("inf"), 0.0, float("inf")], 0.0, 1.0)), 4)  # sign keeps 2 / pi
    0.6366
    """
    lo, hi = _standard_cells(edges, mean, sd)
    with np.errstate(invalid="ignore"):
        cells = np.where(lo < hi, 2 * density_drop(lo, hi)[1] - log_interval(lo, hi), -np.inf)
    value = special.logsumexp(cells, axis=-1)
    return value if log else np.exp(value)


def survival_correlation(levels, edges, mean, sd):
    """Compute rho = corr(Q(x), x) for x ~ N(mean, sd^2) and Q(x) = levels[cell of x].

    Args: levels (K,), finite; edges (K + 1,), mean and sd as `surviving_information`.
    Returns rho, of the broadcast shape of mean and sd; 0 where Q is constant.
    Source: QMIS statement 12 (Stein, Bussgang); rho^2 <= J, with equality for levels at the cells' conditional means.
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


def product_insecurity(outside, inside, copies=1, log=False):
    """Compute the exact TV between two laws of d independent quantized coordinates.

    Args:
        outside, inside: cell probabilities (d, K) of each coordinate without and with the sample, positive.
        copies: how many equal coordinates each row stands for, one number or (d,).
        log: return the natural logarithm.

    Returns:
        The insecurity of one sample, summed over the counts of each distinct coordinate's cells.

    Raises:
        ValueError: rows that are not laws, shapes that differ, or more than ``MAX_STATES`` states.

    Source: QMIS statement 13.

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
        return _result(-math.inf, log)
    change = sign * np.exp(others - shift)
    return _result(shift + _log((abs(change).sum() + abs(change.sum())) / 2), log)


def product_insecurity_gaussian(outside, inside, copies=1):
    """Compute 2 Phi(d' / 2) - 1 with d'^2 the sum of chi-square distances: the limit when no coordinate dominates.

    Arguments and errors as `product_insecurity`. Source: QMIS statements 12 and 13.
    """
    laws, log_ratios, repeats = _product_groups(outside, inside, copies)
    chi2 = (laws * np.expm1(log_ratios) ** 2).sum(1) @ repeats
    return math.erf(math.sqrt(chi2 / 8))


def product_insecurity_mc(outside, inside, rng, samples=100_000, copies=1):
    """Estimate `product_insecurity` as the mean of tanh(|log-likelihood ratio| / 2) under the even mixture.

    Takes rng, a numpy Generator, and the number of draws (>= 100); returns MonteCarlo with a 95 % interval.
    Arguments and errors otherwise as `product_insecurity`, for any number of states.
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
    return MonteCarlo(float(share.mean()), max(share.mean() - error, 0.0), float(share.mean() + error), len(share))
