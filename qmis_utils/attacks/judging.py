"""How attacks are judged: AUC, advantage, rates at few false positives, their intervals, their null and the verdict.

Scores are (M, N): one per target model and pool record, higher = more likely a member of that model. Every model is
the target in turn and the others are its shadows (leave-one-out), so M trained models give M targets. A measured
advantage never certifies security: it bounds from below what the best attacker finds who knows the pool, which can be
1.4 times the insecurity Delta_n of fresh records (notebook 10). Where losses take few values, scores tie but for the
rounding of what was left out, which reveals it: round such scores before they are compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm, rankdata
from scipy.stats import t as student_t

from qmis_utils import records
from qmis_utils.theory.numerics import Interval

MUTUAL = 3  # at most: true over naive variance of a mean over targets that are each other's shadows (simulated)
VERDICTS = REPRODUCED, CONTRADICTED, NOT_SETTLED, NO_DIFFERENCE = (
    "reproduced",
    "contradicted",
    "undecided",
    "no difference that matters",
)


def _judged(scores: ArrayLike, members: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, no NaN among them, and the memberships of the same shape."""
    if np.shape(scores) != np.shape(members):
        raise ValueError(f"scores {np.shape(scores)} and members {np.shape(members)} must agree")
    return records.signals(scores, "scores", infinite=True), records.membership(members)


def auc(scores: ArrayLike, members: ArrayLike) -> np.ndarray:
    """Return the area under the ROC curve of each target; ties count one half (Mann-Whitney).

    Parameters
    ----------
    scores, members : array (M, N) and bool (M, N)

    Returns
    -------
    array (M,)

    Raises
    ------
    ValueError
        For a target without a member or without a non-member, scores that are NaN, members that are not 0 and 1.

    Examples
    --------
    >>> auc([[3.0, 2.0, 2.0, 0.0]], [[True, False, True, False]])
    array([0.875])
    """
    scores, members = _judged(scores, members)
    n_in = members.sum(axis=1)
    n_out = members.shape[1] - n_in
    if (n_in == 0).any() or (n_out == 0).any():
        raise ValueError("every target needs at least one member and one non-member")
    ranks = (rankdata(scores, axis=1) * members).sum(axis=1)
    return (ranks - n_in * (n_in + 1) / 2) / (n_in * n_out)


def _last_of_equals(ordered: np.ndarray) -> np.ndarray:
    """Tell of ordered scores which differ from the next, the last among them; infinity equals infinity."""
    return np.append(ordered[1:] != ordered[:-1], True)


def advantage(scores: ArrayLike, members: ArrayLike, threshold: float | np.ndarray = 0.0) -> np.ndarray:
    """Return 2 x balanced accuracy - 1 of each target, (M,), at a threshold fixed beforehand (0 for a log ratio).

    Parameters
    ----------
    scores, members : array (M, N) and bool (M, N)
    threshold : float or array (M, 1)
        Higher scores are taken for members.
    """
    scores, members = _judged(scores, members)
    guess = scores > threshold
    tpr = (guess & members).sum(axis=1) / members.sum(axis=1)
    fpr = (guess & ~members).sum(axis=1) / (~members).sum(axis=1)
    return tpr - fpr


def roc(scores, members):
    """Return the pooled ROC curve over all targets as (fpr, tpr), both starting at 0 and ending at 1."""
    scores, members = (part.ravel() for part in _judged(scores, members))
    order = np.argsort(-scores, kind="stable")
    last = _last_of_equals(scores[order])  # tied scores share one point of the curve
    hits, misses = np.cumsum(members[order])[last], np.cumsum(~members[order])[last]
    return np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])


def tpr_at_fpr(scores: ArrayLike, members: ArrayLike, fpr: float) -> float:
    """Return the pooled true-positive rate at a false-positive rate that the number of non-members supports.

    Parameters
    ----------
    scores, members : array (M, N) and bool (M, N)
    fpr : float
        In (0, 1); where ties step over it, the rate below it is taken.

    Raises
    ------
    ValueError
        When fewer than ten false positives would fix the threshold: the relative standard deviation of the estimate is
        then above 0.3.
    """
    scores, members = _judged(scores, members)
    n_out = int((~members).sum())
    if fpr * n_out < 10:
        raise ValueError(f"TPR at {fpr:g} FPR needs at least {int(np.ceil(10 / fpr))} non-member scores; got {n_out}")
    x, y = roc(scores, members)
    return float(y[np.searchsorted(x, fpr, side="right") - 1])


def resampled_tpr(scores: ArrayLike, members: ArrayLike, fpr: ArrayLike, counts: ArrayLike) -> np.ndarray:
    """Return the pooled true-positive rate at some rates of false positives when targets are drawn anew.

    Scores are sorted once, and each target counts as often as it is drawn.

    Parameters
    ----------
    scores, members : array (M, N)
        Scores of the targets, and which records are their members.
    fpr : array (F,)
        False-positive rates; between two points of a curve the rate is interpolated.
    counts : array (draws, M) of int
        How often each draw takes each target.

    Returns
    -------
    array (draws, F)
        One curve a draw; ties share one point of it, as in `roc`.
    """
    (scores, members), fpr = _judged(scores, members), np.asarray(fpr, float)
    best_first = np.argsort(-scores, axis=None, kind="stable")
    inside, target = members.ravel()[best_first], best_first // scores.shape[1]
    last = _last_of_equals(scores.ravel()[best_first])
    curves = []
    for weight in np.asarray(counts)[:, target]:
        misses, hits = np.cumsum(weight * ~inside)[last], np.cumsum(weight * inside)[last]
        curves.append(np.interp(fpr, np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])))
    return np.array(curves)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return a share with the exact binomial interval of its probability (Clopper and Pearson 1934).

    Raises
    ------
    ValueError
        For less than one trial, or more successes than trials.

    Examples
    --------
    >>> f"{clopper_pearson(0, 100):.3f}"
    '0.000 [0.000, 0.036]'
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"need 0 <= successes <= trials and trials >= 1; got {successes} of {trials}")
    exact = binomtest(int(successes), int(trials)).proportion_ci(level, method="exact")
    return Interval(successes / trials, exact.low, exact.high)


def bootstrap(per_target: ArrayLike, rng: np.random.Generator, draws: int = 1000) -> np.ndarray:
    """Resample targets and return the means of the draws.

    The target model is the cluster: records of one model share its weights and are not independent.

    Parameters
    ----------
    per_target : array (M,) or (M, Q)
        One number, or Q of them, a target.

    Returns
    -------
    array (draws,) or (draws, Q)
    """
    per_target = np.asarray(per_target, np.float64)
    counts = rng.multinomial(len(per_target), np.full(len(per_target), 1 / len(per_target)), size=draws)
    return counts @ per_target / len(per_target)


def mean_interval(
    values: ArrayLike, most: float = np.inf, *, mutual: bool = False, level: float = 0.95, comparisons: int = 1
) -> Interval:
    """Return the mean of a few replicates with Student's interval.

    Parameters
    ----------
    values : array (M,)
        One number a replicate: a pool, a group of models, a target.
    most : float
        Beyond which the size of the mean cannot go, cuts the interval: 1 for an AUC or Kendall's tau.
    mutual : bool
        Whether the replicates are targets that are each other's shadows (``Attack.shadows``). Two memberships of a
        record then enter the scores of both targets alike, and where little leaks the noise of M targets is that of
        M / 2: the standard error is taken sqrt(3) times as large (``MUTUAL``): online attacks near the null need up to
        1.7, the others less.
    level, comparisons : float, int
        Of the interval, simultaneous over ``comparisons`` (Bonferroni).

    Returns
    -------
    Interval
        A single value has no interval: its ends are NaN.
    """
    values = np.asarray(values, float)
    spread = values.std(ddof=1) if len(values) > 1 else np.nan
    error = spread * np.sqrt((MUTUAL if mutual else 1) / len(values))
    mean, low, high = _student(values.mean(), error, len(values) - 1, level, comparisons)
    return Interval(mean, max(low, -most), min(high, most))


def bootstrap_interval(value: Any, draws: ArrayLike) -> Interval:
    """Return a number with the 95 % percentile interval of its bootstrap draws.

    Parameters
    ----------
    value : float or array (...)
        The number, or an array of them.
    draws : array (draws, ...)
        What each draw gives instead, such as `bootstrap` of a mean.

    Returns
    -------
    Interval
        With its draws.
    """
    draws = np.asarray(draws)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return Interval(value, low, high, draws)


def rank_correlation(a: ArrayLike, b: ArrayLike, rng: np.random.Generator, draws: int = 1000) -> Interval:
    """Return Spearman's correlation of two columns with the percentile interval of a bootstrap over their rows.

    Parameters
    ----------
    a, b : array (N,)
        Two numbers a row; ties take their mean rank, in every draw anew.
    rng : numpy.random.Generator
        Draws the rows.
    draws : int
        Bootstrap draws.

    Returns
    -------
    Interval
        With its draws; 0 where a column has one value only.
    """
    rows = np.column_stack([a, b]).astype(float)
    picks = np.vstack([np.arange(len(rows)), rng.integers(len(rows), size=(draws, len(rows)))])
    ranks = rankdata(rows[picks], axis=1)  # (1 + draws, N, 2)
    ranks -= ranks.mean(axis=1, keepdims=True)
    squares = np.square(ranks).sum(axis=1).prod(axis=1)
    found = ranks.prod(axis=2).sum(axis=1) / np.sqrt(np.maximum(squares, 1e-12))
    return bootstrap_interval(found[0], found[1:])


def on_front(useful: ArrayLike, leaks: ArrayLike) -> np.ndarray:
    """Tell which candidates are on the Pareto front: none other is at least as useful and leaks at most as much.

    Parameters
    ----------
    useful, leaks : array (..., Q)
        Utility and leakage of Q candidates; each leading entry, a bootstrap draw say, has a front of its own.

    Returns
    -------
    array (..., Q) of bool
        Two candidates that are equal in both keep each other off.
    """
    useful, leaks = np.asarray(useful), np.asarray(leaks)
    as_useful = useful[..., None, :] >= useful[..., :, None]
    as_good = as_useful & (leaks[..., None, :] <= leaks[..., :, None])
    return as_good.sum(axis=-1) == 1  # each is as good as itself


def gain_at_equal_leak(useful: ArrayLike, leaks: ArrayLike, nothing: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Return how much more useful each candidate is than the best draw of lots among the others that leaks no more.

    A release drawn by lot among candidates has the mean of their utilities and the mean of their leaks: all that lies
    on a line between two of them can be had, and a candidate below such a line need not be chosen.

    Parameters
    ----------
    useful, leaks : array (..., Q)
        Utility and leakage of Q candidates; each leading entry, a bootstrap draw say, is judged by itself.
    nothing : (float, float)
        Utility and leakage of a release that knows nothing, such as AUROC and AUC of a coin; lots may fall on it too.

    Returns
    -------
    array (..., Q)
        Above 0: the candidate adds to what the others offer. Below 0: the utility that it gives away at its leakage.

    Examples
    --------
    Half as leaky as the first, the second should have 0.7, midway between the first and a coin; it has 0.8:

    >>> gain_at_equal_leak([0.9, 0.8], [0.7, 0.6]).round(2)
    array([0.1, 0.1])
    """
    useful, leaks = (np.asarray(part, float) for part in (useful, leaks))
    coin = [np.broadcast_to(value, (*useful.shape[:-1], 1)) for value in nothing]
    u, x = (np.concatenate(pair, axis=-1) for pair in ((useful, coin[0]), (leaks, coin[1])))
    gains = np.empty_like(useful)
    for q in range(useful.shape[-1]):
        others = np.arange(u.shape[-1]) != q
        others_u, others_x, at = u[..., others], x[..., others], np.maximum(leaks[..., q], nothing[1])[..., None]
        alone = np.where(others_x <= at, others_u, -np.inf).max(axis=-1)
        low, high = others_x[..., :, None], others_x[..., None, :]
        share = (at[..., None] - low) / np.where(high > low, high - low, 1)
        mixed = others_u[..., :, None] * (1 - share) + others_u[..., None, :] * share
        between = (low <= at[..., None]) & (at[..., None] < high)
        gains[..., q] = useful[..., q] - np.maximum(alone, np.where(between, mixed, -np.inf).max(axis=(-2, -1)))
    return gains


def verdict(
    claim: str,
    found: Iterable[float],
    bar: float = 0.0,
    *,
    margin: float = 0.0,
    settled: bool = True,
    each: ArrayLike = (),
) -> dict:
    """Judge the claim that a number lies above a bar, by its interval.

    It is "reproduced" if the whole interval lies above the bar and "contradicted" if the whole interval lies below.
    Where all of it lies within a margin of the bar, on whichever side, there is "no difference that matters".
    Otherwise, and wherever the run cannot settle the claim, it is "undecided".

    Parameters
    ----------
    claim : str
        What is claimed.
    found : Interval
        The number with its interval, or any (value, low, high); ends that are NaN settle nothing.
    bar : float
        What the number must exceed, fixed beforehand.
    margin : float
        Distance from the bar that would not change a choice, at least 0.
    settled : bool
        Whether the run is large enough for its interval to be believed.
    each : array, optional
        The numbers of the single settings behind a mean; NaN where one has none.

    Returns
    -------
    dict
        A row of a table: claim, verdict (one of ``VERDICTS``), estimate, low, high and bar; with ``each`` also
        holds_in, such as "3 of 4", the settings whose own number is above the bar.

    Raises
    ------
    ValueError
        For a margin below 0.

    Examples
    --------
    >>> verdict("sign leaks less", (0.02, 0.01, 0.03))["verdict"]
    'reproduced'
    >>> verdict("sign leaks less", (0.02, 0.01, 0.03), margin=0.05)["verdict"]
    'no difference that matters'
    """
    if not margin >= 0:
        raise ValueError(f"margin must be a number >= 0, got {margin}")
    estimate, low, high = found
    word = REPRODUCED if low > bar else CONTRADICTED if high < bar else NOT_SETTLED
    if bar - margin < low and high < bar + margin:
        word = NO_DIFFERENCE
    if not settled:
        word = NOT_SETTLED
    row = {"claim": claim, "verdict": word, "estimate": estimate, "low": low, "high": high, "bar": bar}
    each = np.asarray(each, float)
    return row | {"holds_in": f"{(each > bar).sum()} of {np.isfinite(each).sum()}"} if each.size else row


def enough_shadows(members: ArrayLike, least: int = 3) -> np.ndarray:
    """Tell which records have at least ``least`` models that trained on them and as many that did not.

    For other records a leave-one-out attack lacks shadows.

    Parameters
    ----------
    members : bool array (M, N)
    least : int

    Returns
    -------
    bool array (N,)
    """
    members = records.membership(members, (None, None))
    inside = members.sum(axis=0)
    return np.minimum(inside, len(members) - inside) >= least


def permuted(members: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Return memberships dealt to other models and other records: the null control, on which no attack beats a coin.

    Both are dealt anew, since either alone leaves something true. Under lists dealt to other models a target has the
    list of one of its own shadows. Under columns dealt to other records two models share as many members as they truly
    do, which is what a regression on all outputs reads. (Where nothing but outputs of members differs, 25 models and
    100 records, RMIA then has an AUC of .512, and the regression one of .618.)

    Parameters
    ----------
    members : bool array (M, N)
        At least two models and two records.
    rng : numpy.random.Generator
        Draws who gets whose: no model gets its own list, no record the column of its own.

    Returns
    -------
    bool array (M, N)
        With the sizes of the lists, and the number of members among the models of a record, of ``members``, in another
        order.

    Raises
    ------
    ValueError
        For a single model or record.
    """
    members = records.membership(members, (None, None))
    if min(members.shape) < 2:
        raise ValueError(f"members must have at least two rows and columns, to deal to others; got {members.shape}")
    for axis in (0, 1):
        circle = rng.permutation(members.shape[axis])
        took = np.empty_like(circle)
        took[circle] = np.roll(circle, 1)  # each takes from the one before it in the circle: nobody keeps its own
        members = members.take(took, axis)
    return members


def strongest(auc: Mapping[str, ArrayLike]) -> np.ndarray:
    """Return the AUC of the strongest of several attacks on each release, without the luck of the one that is picked.

    Parameters
    ----------
    auc : dict of array (M, Q)
        Attack -> its AUC on each target, for Q releases.

    Returns
    -------
    array (M, Q)
        For each half of the targets, that of the attack whose mean is largest on the *other* half. The largest of
        several noisy means is too large; this is not.

    Raises
    ------
    ValueError
        For no attack, shapes that disagree, fewer than two targets.

    Examples
    --------
    >>> strongest({"weak": [[0.5], [0.6]], "strong": [[0.9], [0.7]]}).ravel()
    array([0.9, 0.7])
    """
    found = {name: records.signals(values, f"auc of {name}", ("target", "release")) for name, values in auc.items()}
    if len({values.shape for values in found.values()}) != 1:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in found.items())
        raise ValueError(f"auc needs attacks on the same targets and releases; got {shapes or 'none'}")
    every = np.stack(list(found.values()))
    picked = np.empty(every.shape[1:])
    for targets, others in halves(len(picked), 2):
        best = every[:, others].mean(axis=1).argmax(axis=0)
        picked[targets] = np.take_along_axis(every[:, targets], best[None, None], axis=0)[0]
    return picked


# ------------------------------------------------------------------------------- judging at thresholds fixed elsewhere


def halves(n_models: int, least: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return both ways to take one half of the models as targets and the other to learn from.

    Raises
    ------
    ValueError
        For fewer than ``least`` models.

    Examples
    --------
    >>> halves(4, 2)
    ((array([0, 1]), array([2, 3])), (array([2, 3]), array([0, 1])))
    """
    if n_models < least:
        raise ValueError(f"need at least {least} models to cross-fit over two halves; got {n_models}")
    first, second = np.array_split(np.arange(n_models), 2)
    return (first, second), (second, first)


@dataclass(frozen=True, eq=False)
class Advantage(Interval):
    """Hold 2 x balanced accuracy - 1 over targets with its interval, of each target, and the thresholds used, (M,)."""

    per_target: np.ndarray = field(default_factory=lambda: np.empty(0))
    thresholds: np.ndarray = field(default_factory=lambda: np.empty(0))


def best_threshold(scores: ArrayLike, members: ArrayLike) -> float:
    """Return the threshold that maximises TPR - FPR over all targets and records: halfway between two scores.

    Parameters
    ----------
    scores, members : array and bool array of one shape

    Examples
    --------
    >>> best_threshold([3.0, 2.0, 1.0, 0.0], [True, True, False, False])
    1.5
    """
    scores, members = (part.ravel() for part in _judged(scores, members))
    order = np.argsort(-scores, kind="stable")
    s, inside = scores[order], members[order]
    gain = np.cumsum(inside) / inside.sum() - np.cumsum(~inside) / (~inside).sum()
    between = _last_of_equals(s)[:-1]  # only between different scores
    best = int(np.argmax(np.where(between, gain[:-1], -1))) if between.any() else len(s) - 1
    above, below = s[best], s[min(best + 1, len(s) - 1)]
    return float(below if np.isinf(above) else above + (below - above) / 2)


def advantage_held_out(
    scores: ArrayLike,
    members: ArrayLike,
    mutual: bool = True,
    threshold: float | None = None,
    level: float = 0.95,
    comparisons: int = 1,
) -> Advantage:
    """Judge scores at thresholds fixed on other draws: each half of the targets uses the best one of the other half.

    Parameters
    ----------
    scores, members : array (M, N)
        Scores of at least four targets, and what they are judged by.
    mutual : bool
        Whether the targets are each other's shadows (``Attack.shadows``): widens the interval as in `mean_interval`.
    threshold : float, optional
        A threshold fixed beforehand instead: 0 for a log ratio, or ``best_threshold`` of separate draws.
    level, comparisons : float, int
        Of the interval, simultaneous over ``comparisons`` (Bonferroni).

    Returns
    -------
    Advantage
        Its interval is Student's t over targets, given the thresholds. Where targets share a pool it bounds from below
        the insecurity given the pool, which can exceed Delta_n (notebook 10); it certifies nothing.

    Raises
    ------
    ValueError
        For shapes that disagree or fewer than four targets.
    """
    scores, members = _judged(scores, members)
    both = halves(len(scores), 4)
    thresholds = np.zeros(len(scores)) if threshold is None else np.full(len(scores), threshold, float)
    for targets, others in both if threshold is None else ():
        thresholds[targets] = best_threshold(scores[others], members[others])
    gains = advantage(scores, members, thresholds[:, None])
    found = mean_interval(gains, mutual=mutual, level=level, comparisons=comparisons)
    return Advantage(found.value, found.low, found.high, per_target=gains, thresholds=thresholds)


def _student(value, error, degrees, level: float, comparisons: int):
    half = student_t.isf((1 - level) / (2 * comparisons), degrees) * error
    return value, value - half, value + half


def advantage_exact(
    true_positives: int,
    n_members: int,
    false_positives: int,
    n_nonmembers: int,
    level: float = 0.95,
    comparisons: int = 1,
) -> Interval:
    """Return TPR - FPR and its interval from independent trials at a threshold fixed beforehand.

    Such trials are single canaries, one record of each of many independent targets.

    Parameters
    ----------
    true_positives, n_members : int
        Members found, of how many.
    false_positives, n_nonmembers : int
        Non-members taken for members, of how many.
    level, comparisons : float, int
        Of the interval, simultaneous over ``comparisons`` (Bonferroni).

    Notes
    -----
    Clopper-Pearson for both rates, each at half the error.
    """
    level = 1 - (1 - level) / (2 * comparisons)
    tpr = clopper_pearson(true_positives, n_members, level)
    fpr = clopper_pearson(false_positives, n_nonmembers, level)
    return Interval(tpr.value - fpr.value, tpr.low - fpr.high, tpr.high - fpr.low)


def epsilon_lower_bound(
    true_positives: int,
    n_members: int,
    false_positives: int,
    n_nonmembers: int,
    delta: float = 0.0,
    level: float = 0.95,
) -> float:
    """Return a lower bound on epsilon of (epsilon, delta)-differential privacy from an audit with one canary.

    Parameters
    ----------
    true_positives, n_members, false_positives, n_nonmembers : int
        Members found, members, non-members taken for members, non-members, in independent trials at a threshold fixed
        on other ones (choose the sharpest on one half of the trials, count on the other).
    delta : float
        In [0, 1].
    level : float
        The bound holds with this probability.

    Returns
    -------
    float
        The largest of 0, log((TPR - delta) / FPR) and log((TNR - delta) / FNR) at the Clopper-Pearson bounds of the
        rates, in nats.

    Notes
    -----
    Jagielski et al. (2020), arXiv 2006.07709; Nasr et al. (2021), arXiv 2101.04535.
    """
    tpr = clopper_pearson(true_positives, n_members, level).low
    fpr = clopper_pearson(false_positives, n_nonmembers, level).high
    ratios = ((tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr))
    return float(np.log(max(1.0, *ratios)))


def exposure(signals: ArrayLike, members: ArrayLike, level: float = 0.95, comparisons: int = 1) -> Interval:
    """Return how far each record's signal moves when a model trains on it, d'^2 in nats, of (N,) records.

    d' is the distance of the mean IN from the mean OUT over the standard deviation within both; for normal signals
    d'^2 is the mean log-likelihood ratio IN minus that OUT.

    Parameters
    ----------
    signals : array (M, N)
        Of independent models.
    members : bool array (M, N)
        At least two IN and two OUT a record.
    level, comparisons : float, int
        Of the intervals; ``comparisons`` = N makes them hold for all records at once (Bonferroni).

    Raises
    ------
    ValueError
        For a record with fewer models IN or OUT.

    Notes
    -----
    The interval takes Student's t with Welch's error of the difference and, for normal signals, the error of the
    standard deviation (Hedges and Olkin 1985); ``low`` is 0 where a distance of 0 is within it.
    """
    signals = records.signals(signals)
    members = records.membership(members, signals.shape)
    counts = np.stack([members.sum(axis=0), (~members).sum(axis=0)])
    if counts.min() < 2:
        raise ValueError("every record needs at least two IN and two OUT models")
    groups = np.stack([np.where(members, signals, 0), np.where(members, 0, signals)])
    means = groups.sum(axis=1) / counts
    apart = np.stack([np.where(members, signals - means[0], 0), np.where(members, 0, signals - means[1])])
    variances = np.maximum(np.square(apart).sum(axis=1) / (counts - 1), 1e-100)  # constant signals: no NaN
    within, squares = variances.mean(axis=0), variances**2 / (counts - 1)
    d_prime = abs(means[0] - means[1]) / np.sqrt(within)
    error = np.sqrt((variances / counts).sum(axis=0) / within + d_prime**2 * squares.sum(axis=0) / (8 * within**2))
    degrees = variances.sum(axis=0) ** 2 / squares.sum(axis=0)
    ends = _student(d_prime, error, degrees, level, comparisons)
    return Interval(*(np.square(np.maximum(bound, 0)) for bound in ends))


def _wilson(share: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of Wilson's interval of shares of n trials."""
    z = norm.isf((1 - level) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - reach, middle + reach


def record_exposure(scores: ArrayLike, members: ArrayLike, threshold: float = 0.0, level: float = 0.95) -> pd.DataFrame:
    """Measure the advantage against each record, TPR - FPR over models, at a threshold fixed beforehand.

    Of the models that trained on a record, the TPR is the share whose score of it is above the threshold; the FPR is
    that share of the other models. Nothing is assumed about the scores, unlike 2 Phi(d'/2) - 1 of `exposure`.

    Parameters
    ----------
    scores, members : array (M, N) and bool (M, N)
        One row a target model, one column a record; each record needs a model IN and a model OUT.
    threshold : float
        Higher scores are taken for members; fixed before the scores are seen, such as 0 for the log ratio of LiRA.
    level : float
        Of the intervals, each for its record alone.

    Returns
    -------
    DataFrame
        A row a record: exposure, low, high, tpr, fpr, and the models n_in and n_out behind the two rates. An exposure
        below 0 is chance, or a record whose outputs mislead the attack.

    Raises
    ------
    ValueError
        For a record that all models trained on, or none.

    Notes
    -----
    Newcombe's interval (1998, method 10) of a difference of two independent shares, from Wilson's of each. Over a grid
    of true rates it covers 95 % in the mean at any number of models, at the worst rates .88 with 4 models on each side
    and .93 with 32. Two things it leaves out. Targets that are each other's shadows (leave-one-out) err together where
    little leaks: against a record with d' = 0 it then covers .80 to .85, and its lower end lies above 0 for one record
    in twenty, not in forty; from d' = 1 and 64 models on it is right. And the most exposed of many records are partly
    the luckiest: pick them by some models and quote the exposure over others.

    Examples
    --------
    >>> record_exposure([[1.0], [2.0], [-1.0], [-3.0]], [[True], [True], [False], [False]])["exposure"].item()
    1.0
    """
    scores, members = _judged(scores, members)
    n_in = members.sum(axis=0)
    n_out = len(members) - n_in
    if not min(n_in.min(), n_out.min()):
        raise ValueError("every record needs at least one IN and one OUT model")
    guess = scores > threshold
    tpr, fpr = (guess & members).sum(axis=0) / n_in, (guess & ~members).sum(axis=0) / n_out
    (tpr_low, tpr_high), (fpr_low, fpr_high) = _wilson(tpr, n_in, level), _wilson(fpr, n_out, level)
    low = tpr - fpr - np.hypot(tpr - tpr_low, fpr_high - fpr)
    high = tpr - fpr + np.hypot(tpr_high - tpr, fpr - fpr_low)
    columns = {"exposure": tpr - fpr, "low": low, "high": high, "tpr": tpr, "fpr": fpr, "n_in": n_in, "n_out": n_out}
    return pd.DataFrame(columns)


def stability(found: ArrayLike, level: float = 0.95) -> tuple[Interval, float, float]:
    """Say which records are found every time, over S seeds: their shares, then the overlap and its chance value.

    Parameters
    ----------
    found : bool array (S, N)
        Which records each of S >= 2 seeds found.
    level : float
        Of the Clopper-Pearson interval of the share of seeds that find a record.

    Returns
    -------
    share : Interval
        Of (N,) records.
    overlap, chance : float
        The mean Jaccard index of two seeds' finds, and its value if each found as many at random.
    """
    found = records.membership(found, (None, None), "found")
    n_seeds, n = found.shape
    if n_seeds < 2:
        raise ValueError(f"found must have a row a seed, of at least two; got {n_seeds}")
    shares = np.transpose([[*clopper_pearson(k, n_seeds, level)] for k in found.sum(axis=0)])
    sizes, pairs = found.sum(axis=1).astype(float), np.triu_indices(n_seeds, 1)
    both, total = found.astype(float) @ found.T, sizes[:, None] + sizes
    overlap, chance = ((b / np.maximum(total - b, 1))[pairs].mean() for b in (both, np.outer(sizes, sizes) / n))
    return Interval(*shares), overlap, chance
