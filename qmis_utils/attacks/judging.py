"""How attacks are judged: AUC, advantage, rates at few false positives, their intervals and their null.

Scores are (M, N): one per target model and pool record, higher = more likely a member of that model. Every model is
the target in turn and the others are its shadows (leave-one-out), so M trained models give M targets. A measured
advantage never certifies security: it bounds from below what the best attacker finds who knows the pool, which can be
1.4 times the insecurity Delta_n of fresh records (notebook 04). Where losses take few values, scores tie but for the
rounding of what was left out, which reveals it: round such scores before they are compared.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import beta, rankdata
from scipy.stats import t as student_t

from qmis_utils.theory.numerics import Interval

MUTUAL = 3  # at most: true over naive variance of a mean over targets that are each other's shadows (simulated)


def auc(scores, members):
    """Return the area under the ROC curve of each target, (M,); ties count one half (Mann-Whitney)."""
    scores, members = np.asarray(scores), np.asarray(members, bool)
    n_in = members.sum(axis=1)
    n_out = members.shape[1] - n_in
    if (n_in == 0).any() or (n_out == 0).any():
        raise ValueError("every target needs at least one member and one non-member")
    ranks = (rankdata(scores, axis=1) * members).sum(axis=1)
    return (ranks - n_in * (n_in + 1) / 2) / (n_in * n_out)


def advantage(scores, members, threshold=0.0):
    """Return 2 x balanced accuracy - 1 of each target, (M,), at a threshold fixed beforehand (0 for a log ratio)."""
    guess, members = np.asarray(scores) > threshold, np.asarray(members, bool)
    tpr = (guess & members).sum(axis=1) / members.sum(axis=1)
    fpr = (guess & ~members).sum(axis=1) / (~members).sum(axis=1)
    return tpr - fpr


def roc(scores, members):
    """Return the pooled ROC curve over all targets as (fpr, tpr), both starting at 0 and ending at 1."""
    scores, members = np.asarray(scores).ravel(), np.asarray(members, bool).ravel()
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # tied scores share one point of the curve
    hits, misses = np.cumsum(members[order])[last], np.cumsum(~members[order])[last]
    return np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])


def tpr_at_fpr(scores, members, fpr):
    """Return the pooled true-positive rate at a false-positive rate that the number of non-members supports.

    Raises ValueError when fewer than ten false positives would fix the threshold: the relative standard deviation of
    the estimate is then above 0.3.
    """
    n_out = int((~np.asarray(members, bool)).sum())
    if fpr * n_out < 10:
        raise ValueError(f"TPR at {fpr:g} FPR needs at least {int(np.ceil(10 / fpr))} non-member scores; got {n_out}")
    x, y = roc(scores, members)
    return float(y[np.searchsorted(x, fpr, side="right") - 1])


def clopper_pearson(successes, trials, level=0.95):
    """Return the exact binomial interval (low, high) of a success probability (Clopper and Pearson 1934)."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"need 0 <= successes <= trials and trials >= 1; got {successes} of {trials}")
    tail = (1 - level) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.isf(tail, successes + 1, trials - successes) if successes < trials else 1.0
    return float(low), float(high)


def bootstrap(per_target, rng, draws=1000):
    """Resample targets and return the bootstrap means, (draws,) or (draws, Q) for ``per_target`` (M,) or (M, Q).

    The target model is the cluster: records of one model share its weights and are not independent.
    """
    per_target = np.asarray(per_target, np.float64)
    counts = rng.multinomial(len(per_target), np.full(len(per_target), 1 / len(per_target)), size=draws)
    return counts @ per_target / len(per_target)


def mean_interval(values, most=np.inf):
    """Return mean, low and high: Student's 95 % interval of the mean of a few replicates.

    Parameters: ``values`` of the replicates; ``most``, beyond which their size cannot go, cuts the interval: 1 for an
    AUC or Kendall's tau. A single value has no interval, NaN.
    """
    values = np.asarray(values, float)
    spread = values.std(ddof=1) if len(values) > 1 else np.nan
    half = student_t.ppf(0.975, len(values) - 1) * spread / np.sqrt(len(values))
    return values.mean(), max(values.mean() - half, -most), min(values.mean() + half, most)


def interval(draws, level=0.95):
    """Return the percentile interval (low, high) over the first axis of bootstrap draws."""
    tail = (1 - level) / 2
    return np.quantile(draws, tail, axis=0), np.quantile(draws, 1 - tail, axis=0)


def enough_shadows(members, least=3):
    """Tell which records have at least ``least`` models that trained on them and as many that did not.

    Parameters: ``members`` (M, N) bool. Returns (N,) bool. For other records a leave-one-out attack lacks shadows.
    """
    members = np.asarray(members, bool)
    inside = members.sum(axis=0)
    return np.minimum(inside, len(members) - inside) >= least


def permuted(members, rng):
    """Return membership rows dealt to other models: the null control, on which no attack may beat a coin."""
    shift = rng.integers(1, len(members))
    return np.roll(members, shift, axis=0)


# ------------------------------------------------------------------------------- judging at thresholds fixed elsewhere


def halves(n_models, least):
    """Return both ways to take one half of the models as targets and the other to learn from."""
    if n_models < least:
        raise ValueError(f"need at least {least} models to cross-fit over two halves; got {n_models}")
    first, second = np.array_split(np.arange(n_models), 2)
    return (first, second), (second, first)


@dataclass(frozen=True, eq=False)
class Advantage(Interval):
    """Hold 2 x balanced accuracy - 1 over targets with its interval, of each target, and the thresholds used, (M,)."""

    per_target: np.ndarray = field(default_factory=lambda: np.empty(0))
    thresholds: np.ndarray = field(default_factory=lambda: np.empty(0))


def best_threshold(scores, members):
    """Return the threshold that maximises TPR - FPR over all targets and records: halfway between two scores."""
    scores, members = np.ravel(scores), np.ravel(members)
    order = np.argsort(-scores, kind="stable")
    s, inside = scores[order], members[order]
    gain = np.cumsum(inside) / inside.sum() - np.cumsum(~inside) / (~inside).sum()
    best = np.argmax(np.where(np.diff(s, append=s[-1]) != 0, gain, -1))  # only between different scores
    return float(s[best] + (s[min(best + 1, len(s) - 1)] - s[best]) / 2)


def advantage_held_out(scores, members, mutual=True, threshold=None, level=0.95, comparisons=1):
    """Judge scores at thresholds fixed on other draws: each half of the targets uses the best one of the other half.

    Parameters
    ----------
    scores, members : array (M, N)
        Scores of at least four targets, and what they are judged by.
    mutual : bool
        Whether the targets are each other's shadows (``Family.shadows``). Two memberships of a record then enter the
        scores of both targets alike, and where little leaks the noise of M targets is that of M / 2: the standard
        error is taken sqrt(3) times as large: online attacks near the null need up to 1.7, the others less.
    threshold : float, optional
        A threshold fixed beforehand instead: 0 for a log ratio, or ``best_threshold`` of separate draws.
    level, comparisons : float, int
        Of the interval, simultaneous over ``comparisons`` (Bonferroni).

    Returns
    -------
    Advantage
        Its interval is Student's t over targets, given the thresholds. Where targets share a pool it bounds from below
        the insecurity given the pool, which can exceed Delta_n (notebook 04, section 5); it certifies nothing.

    Raises
    ------
    ValueError
        For shapes that disagree or fewer than four targets.
    """
    if scores.shape != members.shape:
        raise ValueError(f"scores {scores.shape} and members {members.shape} must agree")
    both = halves(len(scores), 4)
    thresholds = np.zeros(len(scores)) if threshold is None else np.full(len(scores), threshold, float)
    for targets, others in both if threshold is None else ():
        thresholds[targets] = best_threshold(scores[others], members[others])
    gains = advantage(scores, members, thresholds[:, None])
    error = gains.std(ddof=1) * np.sqrt((MUTUAL if mutual else 1) / len(gains))
    ends = _student(gains.mean(), error, len(gains) - 1, level, comparisons)
    return Advantage(*ends, per_target=gains, thresholds=thresholds)


def _student(value, error, degrees, level, comparisons):
    half = student_t.isf((1 - level) / (2 * comparisons), degrees) * error
    return value, value - half, value + half


def advantage_exact(true_positives, n_members, false_positives, n_nonmembers, level=0.95, comparisons=1):
    """Return TPR - FPR and its interval (value, low, high) from independent trials at a threshold fixed beforehand.

    Such trials are single canaries, one record of each of many independent targets. Clopper-Pearson for both rates,
    each at half the error.
    """
    level = 1 - (1 - level) / (2 * comparisons)
    (tpr_low, tpr_high), (fpr_low, fpr_high) = (
        clopper_pearson(true_positives, n_members, level),
        clopper_pearson(false_positives, n_nonmembers, level),
    )
    value = true_positives / n_members - false_positives / n_nonmembers
    return value, tpr_low - fpr_high, tpr_high - fpr_low


def epsilon_lower_bound(true_positives, n_members, false_positives, n_nonmembers, delta=0.0, level=0.95):
    """Return a lower bound on epsilon of (epsilon, delta)-differential privacy from an audit with one canary.

    Parameters: members found, members, non-members taken for members, non-members, in independent trials at a
    threshold fixed on other ones (choose the sharpest on one half of the trials, count on the other). Returns the
    largest of 0, log((TPR - delta) / FPR) and log((TNR - delta) / FNR) at the Clopper-Pearson bounds of the rates; it
    holds with probability ``level``. Jagielski et al. (2020), arXiv 2006.07709; Nasr et al. (2021), arXiv 2101.04535.
    """
    tpr = clopper_pearson(true_positives, n_members, level)[0]
    fpr = clopper_pearson(false_positives, n_nonmembers, level)[1]
    ratios = ((tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr))
    return float(np.log(max(1.0, *ratios)))


def exposure(signals, members, level=0.95, comparisons=1):
    """Return how far each record's signal moves when a model trains on it, d'^2 in nats: (value, low, high), each (N,).

    Parameters: ``signals`` (M, N) of independent models, ``members`` (M, N), at least two IN and two OUT a record;
    ``comparisons`` = N makes the intervals hold for all records at once. d' is the distance of the mean IN from the
    mean OUT over the standard deviation within both. Its interval takes Student's t with Welch's error of the
    difference and, for normal signals, the error of the standard deviation (Hedges and Olkin 1985); ``low`` is 0 where
    a distance of 0 is within it. For normal signals d'^2 is the mean log-likelihood ratio IN minus that OUT. Raises
    ValueError for fewer models.
    """
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
    return tuple(np.square(np.maximum(bound, 0)) for bound in _student(d_prime, error, degrees, level, comparisons))


def stability(found, level=0.95):
    """Say which records are found every time: (share, low, high), each (N,), then (overlap, chance), over S seeds.

    Parameters: ``found`` (S, N) bool, S >= 2. The share of seeds that find a record has a Clopper-Pearson interval. The
    overlap is the mean Jaccard index of two seeds' finds; ``chance`` its value if each found as many at random.
    """
    n_seeds, n = found.shape
    low, high = np.transpose([clopper_pearson(k, n_seeds, level) for k in found.sum(axis=0)])
    sizes, pairs = found.sum(axis=1).astype(float), np.triu_indices(n_seeds, 1)
    both, total = found.astype(float) @ found.T, sizes[:, None] + sizes
    overlap, chance = ((b / np.maximum(total - b, 1))[pairs].mean() for b in (both, np.outer(sizes, sizes) / n))
    return found.mean(axis=0), low, high, overlap, chance
