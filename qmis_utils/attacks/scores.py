"""Per-record scores from the outputs of shadow models: LiRA, RMIA, and calibration by difficulty.

Scores are (M, N): one per target model and pool record, higher = more likely a member of that model. Every model is
the target in turn and the others are its shadows (leave-one-out).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from qmis_utils import records

VARIANTS = ("online", "online_fixed", "offline", "offline_fixed")


def signal(logits: ArrayLike, y: ArrayLike, task: str) -> np.ndarray:
    """Turn outputs into the per-record statistic that LiRA models as Gaussian.

    Parameters
    ----------
    logits : array (M, N), or (M, N, C) for several classes
        Outputs of M models on N records.
    y : array (N,)
        Labels.
    task : {"binary", "multiclass", "regression"}

    Returns
    -------
    array (M, N)
        The log-odds of the true label, or the signed residual for regression.

    Raises
    ------
    ValueError
        For an unknown task, outputs that are not finite, labels that are none of the task's, or beyond the C classes.

    Notes
    -----
    Carlini et al. (2022), arXiv 2112.03570, section V.

    Examples
    --------
    >>> signal([[2.0, -1.0]], [0, 1], "binary")
    array([[-2., -1.]])
    """
    z, several = records.signals(logits, "logits"), records.check_task(task) == "multiclass"
    if z.ndim != 2 + several:
        raise ValueError(f"logits must be (M, N{', C' * several}) for the task {task!r}; got shape {z.shape}")
    y = records.labels(y, task, z.shape[2] if several else None)
    if len(y) != z.shape[1]:
        raise ValueError(f"y must hold a label for each of {z.shape[1]} records; got {len(y)}")
    if several:
        others = np.where(np.arange(z.shape[-1]) == y[:, None], -np.inf, z)
        return z[:, np.arange(len(y)), y] - np.logaddexp.reduce(others, axis=-1)
    return z - y if task == "regression" else np.where(y > 0, z, -z)


def signal_loss(signals: ArrayLike, task: str) -> np.ndarray:
    """Return the loss (M, N) that signals stand for: cross-entropy, or squared error for regression."""
    signals, task = np.asarray(signals), records.check_task(task)
    return np.square(signals) if task == "regression" else np.logaddexp(0, -signals)


def _leave_one_out(values: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, sum of squares and count of each record's group, the target's own entry left out; each (M, N)."""
    inside = np.where(group, values, 0.0)
    count = group.sum(axis=0) - group
    mean = (inside.sum(axis=0) - inside) / np.maximum(count, 1)
    squares = np.square(inside).sum(axis=0) - np.square(inside) - count * np.square(mean)
    return mean, np.maximum(squares, 0.0), count


def _variances(squares: np.ndarray, count: np.ndarray, fixed: bool) -> np.ndarray:
    """Estimate variances per record, or pool them over the records ("fixed": for few shadows)."""
    if fixed:
        degrees = np.maximum(count - 1, 0).sum(axis=1, keepdims=True)
        return np.broadcast_to(squares.sum(axis=1, keepdims=True) / np.maximum(degrees, 1), squares.shape)
    return squares / np.maximum(count - 1, 1)


def lira(
    signals: ArrayLike, members: ArrayLike, variant: str = "online", shadows: ArrayLike | None = None
) -> np.ndarray:
    """Score every record of every target with the likelihood-ratio attack, leave-one-out.

    Parameters
    ----------
    signals : array (M, N)
        ``signal`` of each model on the pool, quantized as the target is.
    members : bool array (M, N)
        True where the record was in the model's training set. The target's own row is never used to calibrate it.
    variant : {"online", "online_fixed", "offline", "offline_fixed"}
        "online" compares Gaussian fits of IN and OUT signals per record; "offline" is the one-sided tail probability
        under the OUT fit (for signals that grow with membership: not for signed residuals); "_fixed" pools the
        variance over records, for few shadows.
    shadows : array (M, N), optional
        Signals that calibrate the attack, if others than ``signals``: full-precision shadows of a quantized target.

    Returns
    -------
    array (M, N)
        Log-likelihood ratio (online; 0 separates), or Phi of the standardised signal (offline).

    Raises
    ------
    ValueError
        For an unknown variant, shapes that disagree, a record with fewer than three IN or OUT models, a signal that is
        not finite, members that are not 0 and 1.

    Notes
    -----
    Carlini et al. (2022), arXiv 2112.03570, algorithm 1 and the one-sided offline test of section VI.
    """
    signals, members = records.signals(signals), records.membership(members)
    reference = signals if shadows is None else records.signals(shadows, "shadows")
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}")
    if signals.shape != members.shape or reference.shape != members.shape:
        raise ValueError(f"signals {signals.shape}, shadows {reference.shape}, members {members.shape} must agree")
    if min(members.sum(axis=0).min(), (~members).sum(axis=0).min()) < 3:
        raise ValueError("every record needs at least three IN and three OUT models: train more (a larger n_models)")
    centre = reference.mean(axis=0)  # keeps the sums of squares well conditioned
    reference, target = reference - centre, signals - centre
    fixed = variant.endswith("_fixed")
    out_mean, out_squares, out_count = _leave_one_out(reference, ~members)
    tiny = 1e-12 * max(reference.var(), 1e-300)  # equal signals (a broken model) must give equal scores, not NaN
    out_var = _variances(out_squares, out_count, fixed) + tiny
    if variant.startswith("offline"):
        return ndtr((target - out_mean) / np.sqrt(out_var))
    in_mean, in_squares, in_count = _leave_one_out(reference, members)
    in_var = _variances(in_squares, in_count, fixed) + tiny
    return 0.5 * (
        np.square(target - out_mean) / out_var - np.square(target - in_mean) / in_var + np.log(out_var / in_var)
    )


def rmia(likelihood: ArrayLike, population: ArrayLike, members: ArrayLike, gamma: float = 1.0) -> np.ndarray:
    """Score records by the robust membership inference attack, online, leave-one-out.

    Parameters
    ----------
    likelihood, population : array (M, N) and (M, Z)
        Probability that each model gives to the label of each pool record, and of each of Z population records that
        no model trained on (references that trained on them would make scores tie).
    members : bool array (M, N)
        True where the record was in the model's training set; the target's own row is left out of p(x).
    gamma : float
        Threshold of the pairwise likelihood ratio.

    Returns
    -------
    array (M, N)
        Share of population records z with [p(x|target)/p(x)] / [p(z|target)/p(z)] >= gamma, in [0, 1].

    Raises
    ------
    ValueError
        For a record with fewer than two IN or OUT models: that of a single one would show in its score.

    Notes
    -----
    Zarifzadeh, Liu and Shokri (2024), arXiv 2312.03262, equation 4; p(x) averages the IN and the OUT models.
    """
    inside: np.ndarray = np.maximum(records.signals(likelihood, "likelihood"), 1e-30)
    outside: np.ndarray = np.maximum(records.signals(population, "population"), 1e-30)
    members = records.membership(members, inside.shape)
    if len(outside) != len(members):
        raise ValueError(f"population must have a row for each of {len(members)} models; got {len(outside)}")
    if min(members.sum(axis=0).min(), (~members).sum(axis=0).min()) < 2:
        raise ValueError("every record needs at least two IN and two OUT models: train more (a larger n_models)")
    mean_in, mean_out = (_leave_one_out(inside, group)[0] for group in (members, ~members))
    ratio = inside / ((mean_in + mean_out) / 2)
    others = (outside.sum(axis=0) - outside) / (len(outside) - 1)
    ratio_z = np.sort(outside / others, axis=1)
    counts = [np.searchsorted(z, x / gamma, side="right") for z, x in zip(ratio_z, ratio, strict=True)]
    return np.array(counts) / ratio_z.shape[1]


def difficulty_calibrated(scores: ArrayLike, members: ArrayLike, shadows: ArrayLike | None = None) -> np.ndarray:
    """Subtract from each score the mean score of the record under the other models that did not train on it.

    Parameters
    ----------
    scores : array (M, N)
        Of any attack.
    members : bool array (M, N)
        Which records each model trained on.
    shadows : array (M, N), optional
        The scores that calibrate, if others.

    Returns
    -------
    array (M, N)
        What all models add to a record's score cancels exactly.

    Raises
    ------
    ValueError
        Where a record has no such model, or a score is not finite.

    Notes
    -----
    Watson et al. (2022), arXiv 2111.08440.

    Examples
    --------
    >>> members = np.array([[True], [False], [False]])
    >>> difficulty_calibrated(np.array([[5.0], [1.0], [2.0]]), members)
    array([[ 3.5],
           [-1. ],
           [ 1. ]])
    """
    scores = records.signals(scores, "scores")
    reference = scores if shadows is None else records.signals(shadows, "shadows")
    outside = ~records.membership(members, scores.shape)
    others = outside.sum(axis=0) - outside
    if others.min() < 1:
        raise ValueError("every record needs two models that did not train on it: train more (a larger n_models)")
    kept = np.where(outside, reference, 0.0)
    return scores - (kept.sum(axis=0) - kept) / others


def against(shadows: np.ndarray, released: np.ndarray, attack: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Run a leave-one-out attack on each released model, a row, among the shadow rows of the others.

    Parameters
    ----------
    shadows, released : array (M, F)
        What the attacker holds of each model, and what is released of it.
    attack : callable
        From rows (M, F) to scores (M, N).

    Returns
    -------
    array (M, N)
        Row m comes from the released row m beside the other models' shadow rows.
    """
    if np.array_equal(shadows, released):
        return attack(released)
    rows = np.eye(len(released), dtype=bool)[:, :, None]
    return np.array([attack(np.where(row, released, shadows))[target] for target, row in enumerate(rows)])
