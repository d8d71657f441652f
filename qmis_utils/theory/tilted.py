"""The insecurity of choosing from a codebook by tilted Monte Carlo, where count vectors are too many to enumerate."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qmis_utils.theory.numerics import Interval, check_n, check_problem, cramer_tilt, log_mean_exp, safe_log
from qmis_utils.theory.security import best_codeword

MAX_TILTS = 16  # importance-sampling components beside the untilted law


@dataclass(frozen=True, eq=False)
class MonteCarlo(Interval):
    """Hold a Monte Carlo insecurity with its 95 % interval and effective number of samples.

    Parameters
    ----------
    effective_samples : float
        Equally weighted samples that would say as much; the other fields are those of ``Interval``.
    """

    effective_samples: float = np.nan


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


def codebook_insecurity_mc(
    losses: ArrayLike,
    probs: ArrayLike,
    n: float,
    rng: np.random.Generator,
    samples: int = 100_000,
    log: bool = False,
) -> MonteCarlo:
    """Estimate the insecurity of empirical risk minimisation over a codebook by tilted Monte Carlo.

    Counts come in equal shares from the law of the data and from its Cramer tilts towards the runners-up; the
    mixture's weights are bounded, so rare events cost no more samples than common ones.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples.
    probs : array (m,)
        Probabilities of the samples.
    n : int
        Training-set size, whole, >= 1.
    rng : numpy.random.Generator
    samples : int
        Number of data sets to draw, >= 100.
    log : bool
        Return natural logarithms of value, low and high.

    Returns
    -------
    MonteCarlo
        The insecurity with a 95 % interval. Its ends answer two biases: an attack learnt on one half and scored on the
        other is too weak, one scored on its own half too strong.

    Raises
    ------
    ValueError
        As ``finite_support_insecurity``, samples < 100, or no draw that left the best codeword.

    Notes
    -----
    QMIS statement 5; Bahadur and Ranga Rao (1960) for the tilt.

    Examples
    --------
    >>> from qmis_utils.theory.security import finite_support_insecurity
    >>> problem = [[0.0, 0.0, 0.2], [0.9, -0.4, 0.0]], [0.5, 0.3, 0.2], 60
    >>> found = codebook_insecurity_mc(*problem, np.random.default_rng(0), 20_000)
    >>> found.low <= finite_support_insecurity(*problem) <= found.high
    True
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
    value, low, high = (shift + safe_log(v) if log else math.exp(shift + safe_log(v)) for v in estimate)
    return MonteCarlo(value, low, high, effective_samples=float(weights.sum() ** 2 / (weights**2).sum()))


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
