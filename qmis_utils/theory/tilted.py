"""The insecurity of choosing from a codebook by tilted Monte Carlo, where count vectors are too many to enumerate."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qmis_utils.theory.numerics import (
    Interval,
    capped,
    check_n,
    check_problem,
    cramer_tilt,
    log_mean_exp,
    safe_log,
    unit_scale,
)
from qmis_utils.theory.security import best_codeword

MOST_DRAWN = 1e15  # samples in a data set: beyond, drawn counts are no longer whole in floating point
MOST_NATS = 1e11  # beyond, log-densities of this size no longer tell one draw from the next
NEGLIGIBLE = 20.0  # a Chernoff bound below exp(-20) of the largest gets no draws; it is added to `high`
UNSEEN = 3.7  # an event that none of N draws met has probability below 3.7 / N at 97.5 % confidence


@dataclass(frozen=True, eq=False)
class MonteCarlo(Interval):
    """Hold a Monte Carlo insecurity with its 95 % interval and effective number of samples.

    Parameters
    ----------
    effective_samples : float
        Equally weighted samples that would say as much; the other fields are those of ``Interval``.
    """

    effective_samples: float = np.nan


def check_samples(samples: float) -> int:
    """Check a number of draws: whole, at least 100."""
    samples = check_n(samples, "samples")
    if samples < 100:
        raise ValueError(f"samples must be at least 100, got {samples:g}")
    return int(samples)


def unseen(largest: float, samples: int) -> float:
    """Return what events that no draw met may add to a mean of terms in [0, largest]."""
    return UNSEEN * largest / samples


def _log_tilts(losses, probs, n, home):
    """Chernoff bounds -n I_k of the runners-up, and log q_k(z) / p(z) of their Cramer tilts q_k."""
    bounds, tilts = [], []
    for k, gap in enumerate(losses - losses[home]):
        gap = unit_scale(gap)
        t = cramer_tilt(gap, probs)
        if t == math.inf and not (k < home and (gap == 0).any()):
            continue
        # At t = inf the runner-up can only tie: condition on a zero gap. A finite floor keeps 0 * log 0 at 0.
        ratio = np.where(gap == 0, 0.0, -1e300) if t == math.inf else -t * gap
        log_norm = log_mean_exp(ratio, probs)
        if k != home:
            bounds.append(n * log_norm)
            tilts.append(ratio - log_norm)
    return np.array(bounds), np.array(tilts)


def codebook_insecurity_mc(
    losses: ArrayLike,
    probs: ArrayLike,
    n: float,
    rng: np.random.Generator,
    samples: int = 100_000,
    log: bool = False,
) -> MonteCarlo:
    """Estimate the insecurity of empirical risk minimisation over a codebook by tilted Monte Carlo.

    Counts come from the Cramer tilts of the data's law towards every runner-up that matters, in shares proportional to
    the Chernoff bounds exp(-n I_k), and from the law itself where those bounds say little. A draw that leaves the best
    codeword then weighs no more than the sum of the bounds, so rare events cost no more samples than common ones.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples.
    probs : array (m,)
        Probabilities of the samples.
    n : int
        Training-set size, whole, >= 1, at most ``MOST_DRAWN``.
    rng : numpy.random.Generator
    samples : int
        Number of data sets to draw, whole, >= 100.
    log : bool
        Return natural logarithms of value, low and high.

    Returns
    -------
    MonteCarlo
        The insecurity with a 95 % interval. Its ends answer two biases: an attack learnt on one half and scored on the
        other is too weak, one scored on its own half too strong. ``high`` also holds what no draw met: twice the
        Chernoff bounds of the runners-up left out, and what may hide, at 97.5 % confidence, in fewer draws than one.

    Raises
    ------
    ValueError
        As ``finite_support_insecurity``, samples < 100, or no draw that left the best codeword.

    Notes
    -----
    QMIS statement 5; Bahadur and Ranga Rao (1960) for the tilt; Hanley and Lippman-Hand (1983) for what no draw met.

    Examples
    --------
    >>> from qmis_utils.theory.security import finite_support_insecurity
    >>> problem = [[0.0, 0.0, 0.2], [0.9, -0.4, 0.0]], [0.5, 0.3, 0.2], 60
    >>> found = codebook_insecurity_mc(*problem, np.random.default_rng(0), 20_000)
    >>> found.low <= finite_support_insecurity(*problem) <= found.high
    True
    """
    n, samples = check_n(n), check_samples(samples)
    losses, probs = check_problem(losses, probs)
    if n > MOST_DRAWN:
        raise ValueError(f"n must be at most {MOST_DRAWN:g} where counts are drawn, got {n:g}")
    home = int(best_codeword(losses, probs[None])[0])
    bounds, log_tilts = _log_tilts(losses, probs, n, home)
    if bounds.size == 0:
        raise ValueError("losses: no other codeword can ever win, so that Delta_n is zero")
    kept = bounds > bounds.max() - NEGLIGIBLE
    if bounds.max() < -MOST_NATS:
        raise ValueError(f"n is too large: log Delta_n near {bounds.max():.3g} would have no digits")
    log_kept = special.logsumexp(bounds[kept])
    log_plain = min(-math.log(2), log_kept)  # the share of draws from the law of the data
    log_rest = math.log1p(-math.exp(log_plain))
    log_tilts = np.vstack([np.zeros_like(probs), log_tilts[kept]])
    log_shares = np.append(log_plain, log_rest + bounds[kept] - log_kept)
    counts, log_density = _draw(log_tilts, log_shares, probs, n, rng, samples)
    log_weights = -log_density
    chosen = best_codeword(losses, counts)
    log_weights[chosen == home] = -math.inf
    shift = log_weights.max()
    if shift == -math.inf:
        raise ValueError("samples: no draw left the best codeword; Delta_n may be zero, or samples is too small")
    weights = np.exp(log_weights - shift)
    value, low, high = _cross_fitted(weights, chosen, counts / n - probs, home, len(losses))
    log_largest = min(log_kept - log_rest, -log_plain)
    logs = [shift + safe_log(v) for v in (value, low, high)]
    hidden = special.logsumexp(np.append(bounds[~kept], log_largest + math.log(unseen(1, samples))))
    logs[2] = np.logaddexp(logs[2], hidden + math.log(2))
    value, low, high = (capped(v, log) for v in logs)
    return MonteCarlo(value, low, high, effective_samples=float(weights.sum() ** 2 / (weights**2).sum()))


def _draw(log_tilts, log_shares, probs, n, rng, samples):
    """Counts of data sets drawn from a mixture of tilted laws, in random order, and their log density over probs."""
    # Stratified: law j gets its share of the draws, rounded up or down at random.
    ends = np.floor(np.cumsum(np.exp(log_shares)) * samples + rng.random())
    laws = np.exp(np.log(probs) + log_tilts)
    drawn = zip(laws, np.diff(np.minimum(ends, samples), prepend=0).astype(int), strict=True)
    counts = np.concatenate([rng.multinomial(int(n), q / q.sum(), size=share) for q, share in drawn if share])
    counts = counts[rng.permutation(len(counts))]
    blocks = np.array_split(counts, 1 + counts.shape[0] * len(laws) // 10**7)
    return counts, np.concatenate([special.logsumexp(block @ log_tilts.T + log_shares, axis=1) for block in blocks])


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
