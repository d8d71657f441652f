"""How well a number ranks quantizers as attacks do: Kendall's tau over pairs that attacks tell apart.

Numbers and attacks point one way: larger = leaks more.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau

from qmis_utils.indicators.estimate import from_draws
from qmis_utils.theory.numerics import Interval


def resolved_pairs(
    per_target: ArrayLike, rng: np.random.Generator, least: float = 0.002, draws: int = 1000, widen: float = 1.0
) -> np.ndarray:
    """Find the pairs of quantizers whose attack AUC differs beyond doubt.

    Parameters
    ----------
    per_target : array (M, Q)
        AUC of each target under each quantizer: the same targets, so that differences are paired.
    rng : numpy.random.Generator
    least : float
        The smallest difference that matters.
    draws : int
        Bootstrap draws over targets.
    widen : float
        How many times as wide the intervals are, for targets that are not independent.

    Returns
    -------
    array (Q, Q)
        Antisymmetric: the sign of AUC_i - AUC_j where the 95 % paired bootstrap interval over targets excludes 0 and
        the difference is at least ``least``, 0 elsewhere.
    """
    per_target = np.asarray(per_target, np.float64)
    counts = rng.multinomial(len(per_target), np.full(len(per_target), 1 / len(per_target)), size=draws)
    means = counts @ per_target / len(per_target)
    difference = means[:, :, None] - means[:, None, :]
    low, high = np.quantile(difference, [0.025, 0.975], axis=0)
    observed = per_target.mean(axis=0)[:, None] - per_target.mean(axis=0)[None, :]
    if widen != 1:
        low, high = observed + widen * (low - observed), observed + widen * (high - observed)
    return np.sign(observed) * ((low > 0) | (high < 0)) * (np.abs(observed) >= least)


def kendall_resolved(values: ArrayLike, signs: np.ndarray) -> np.ndarray:
    """Return Kendall's tau of a number over resolved pairs only.

    Parameters
    ----------
    values : array (Q,) or (R, Q)
        What the number says of each quantizer.
    signs : array (Q, Q)
        From ``resolved_pairs``.

    Returns
    -------
    float or array (R,)
        (concordant - discordant) / resolved; a tie of the number counts as neither. NaN when no pair is resolved, or
        where the number says nothing of any quantizer.

    Examples
    --------
    >>> float(kendall_resolved([0.9, 0.5, 0.7], np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]]).astype(float)))
    0.3333333333333333
    """
    values = np.asarray(values, np.float64)
    upper = np.triu_indices(len(signs), 1)
    with np.errstate(invalid="ignore"):  # two infinite rates are a tie
        predicted = np.nan_to_num(np.sign(values[..., upper[0]] - values[..., upper[1]]))
    truth = signs[upper]
    resolved = np.abs(truth).sum()
    unknown = np.isnan(values).all(axis=-1)  # such a draw ranks nothing: it is no draw of ties
    tau = (predicted * truth).sum(axis=-1) / resolved if resolved else np.nan * predicted.sum(axis=-1)
    return np.where(unknown, np.nan, tau)[()]


def kendall_b(values: ArrayLike, reference: ArrayLike) -> float:
    """Return Kendall's tau-b between a number (Q,) and the reference (Q,), ties allowed, NaN left out."""
    known = ~(np.isnan(np.asarray(values, float)) | np.isnan(np.asarray(reference, float)))
    if known.sum() < 2:
        return np.nan
    return float(kendalltau(values, reference, nan_policy="omit").statistic)


def kendall_interval(estimates: Sequence[Interval], signs: np.ndarray) -> Interval:
    """Return Kendall's tau over resolved pairs with the interval that the estimates' paired draws give it.

    Parameters
    ----------
    estimates : sequence of Interval
        Of each quantizer, with draws that one seed paired; larger = leaks more (minus r, ``-estimate``).
    signs : array (Q, Q)
        From ``resolved_pairs``.

    Returns
    -------
    Interval
    """
    value = kendall_resolved([e.value for e in estimates], signs)
    draws = np.stack([np.asarray(e.draws) for e in estimates], axis=1)
    return from_draws(float(value), kendall_resolved(draws, signs))
