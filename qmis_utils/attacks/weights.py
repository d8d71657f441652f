"""Attacks on released weights: regression of membership, influence of a record, and the alignment of hidden units.

``weights`` are (M, P), scores (M, N) as in ``scores``. Models of one initialisation can be compared weight by weight;
others only after ``align``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from qmis_utils import ensemble, records
from qmis_utils.attacks.judging import auc, halves
from qmis_utils.attacks.scores import against, lira

if TYPE_CHECKING:
    from qmis_utils.attacks.evidence import Evidence

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)  # ridge penalties of which each target takes one


def left_out_predictions(weights: ArrayLike, members: np.ndarray, penalties: Sequence[float]) -> Iterator[np.ndarray]:
    """Yield, for each ridge penalty, the membership (M, N) of every record in each model as predicted from the others.

    One eigendecomposition serves all records and penalties (Allen's PRESS formula); cost M^2 (P + N). Rounded to nine
    digits: where all models release the same, predictions tie, and errors of leaving one out must not tell.
    """
    w, y = np.asarray(weights, np.float64), members * 2.0 - 1
    w = w - w.mean(axis=0)
    gram = w @ w.T
    values, vectors = np.linalg.eigh(gram)
    for penalty in np.asarray(penalties) * max(np.trace(gram) / len(w), 1e-300):
        shrink = np.maximum(values, 0) / (np.maximum(values, 0) + penalty)
        hat = (vectors * shrink) @ vectors.T + 1 / len(w)  # the intercept is not penalised
        leverage = np.diag(hat)[:, None]
        yield np.round((hat @ y - leverage * y) / np.maximum(1 - leverage, 1e-9), 9)


def _checked(weights: ArrayLike, members: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (M, P), finite, and the memberships (M, N) of their models."""
    weights = records.signals(weights, "weights", ("model", "weight"))
    return weights, records.membership(members, (len(weights), None))


def ridge_penalty(weights: ArrayLike, members: ArrayLike, penalties: Sequence[float]) -> float:
    """Return the penalty whose leave-one-out predictions of membership have the largest mean AUC.

    Not the least squared error, which can take a larger penalty than the attack wants: predictions that hardly leave
    zero miss little, and order the records less well.

    Parameters
    ----------
    weights, members : array (M, P) and bool (M, N)
        Of the models to choose on.
    penalties : sequence of float
        Relative to the mean squared norm of the centred weights.
    """
    weights, members = _checked(weights, members)
    aucs = [auc(fit, members).mean() for fit in left_out_predictions(weights, members, penalties)]
    return penalties[int(np.argmax(aucs))]


def regress_membership(weights: ArrayLike, members: ArrayLike, penalties: Sequence[float] = PENALTIES) -> np.ndarray:
    """Score records by regressing membership on the released weights, leave-one-out (white box).

    Parameters
    ----------
    weights, members : array (M, P) and bool (M, N)
        Released weights of each model, and the records that it trained on.
    penalties : sequence of float
        Ridge penalties relative to the mean squared norm of the centred weights. Of several, each target takes the one
        that suits the *other* half of the models: chosen on all, it could read the target's own membership, if only a
        little.

    Returns
    -------
    array (M, N)
        The membership of each record in each model as predicted from all *other* models.

    Raises
    ------
    ValueError
        For several penalties and fewer than four models, a weight that is not finite, members that are not 0 and 1.
    """
    weights, members = _checked(weights, members)
    if len(penalties) == 1:
        return next(left_out_predictions(weights, members, penalties))
    scores = np.empty(members.shape)
    for targets, others in halves(len(members), 4):
        best = ridge_penalty(weights[others], members[others], penalties)
        scores[targets] = next(left_out_predictions(weights, members, (best,)))[targets]
    return scores


def influence_score(weights: ArrayLike, gradients: ArrayLike, penalty: float = 1e-2) -> np.ndarray:
    """Score records by the whitened influence of each record on the weights (white box, no membership used).

    Parameters
    ----------
    weights : array (M, P)
    gradients : array (N, P)
        Of each record's loss at the mean model (``ensemble.record_gradients``).
    penalty : float
        Added to the covariance of the weights over models, relative to its mean eigenvalue on the models' span.

    Returns
    -------
    array (M, N)
        -(theta - mean)' (C + penalty I)^-1 gradient, the first-order log-likelihood ratio of a shift along the record's
        gradient.

    Notes
    -----
    Sablayrolles et al. (2019), arXiv 1908.11229; Leemann et al. (2023), arXiv 2306.07273.
    """
    w = records.signals(weights, "weights", ("model", "weight"))
    w = w - w.mean(axis=0)
    gram = w @ w.T
    ridge = penalty * max(np.trace(gram) / len(w), 1e-300)
    projected = w @ records.signals(gradients, "gradients", ("record", "weight")).T  # (M, N)
    # Woodbury: W (W'W + ridge I)^-1 G' = (W W' + ridge I)^-1 W G'
    return -np.linalg.solve(gram + ridge * np.eye(len(w)), projected)


def align(models: ensemble.Ensemble, reference: int = 0) -> ensemble.Ensemble:
    """Permute the hidden units of every model onto those of one of them; every model stays the same function.

    Membership is not used.

    Parameters
    ----------
    models : Ensemble
        With hidden layers.
    reference : int
        Index of the one.

    Notes
    -----
    Layers are matched from the input on by their incoming weights, then with the outgoing ones until nothing moves: the
    weight matching of Ainsworth et al. (2023), arXiv 2209.04836, algorithm 1.
    """
    layers = [torch.cat([w, b[..., None]], dim=2).double().cpu().numpy() for w, b in
              zip(models.weights, models.biases, strict=True)]  # fmt: skip
    for model in range(len(models)):
        own, home = ([layer[at] for layer in layers] for at in (model, reference))
        for sweep in range(20):  # enough: each sweep brings the models nearer, and most need two or three
            moves = [_match(own, home, layer, outgoing=sweep > 0) for layer in range(len(own) - 1)]
            if sweep and not any(moves):
                break
    tensors = [torch.as_tensor(layer, dtype=torch.float32, device=models.device) for layer in layers]
    return replace(models, weights=tuple(t[..., :-1] for t in tensors), biases=tuple(t[..., -1] for t in tensors))


def _match(own: list[np.ndarray], home: list[np.ndarray], layer: int, outgoing: bool) -> bool:
    """Permute the units of one hidden layer of ``own``, in place, onto those of ``home``; say whether any moved."""
    similarity = home[layer] @ own[layer].T
    if outgoing:
        similarity += home[layer + 1][:, :-1].T @ own[layer + 1][:, :-1]
    order = linear_sum_assignment(similarity, maximize=True)[1]
    own[layer][:] = own[layer][order]
    own[layer + 1][:, :-1] = own[layer + 1][:, order]
    return bool((order != np.arange(len(order))).any())


def weight_regression(evidence: "Evidence", penalties: Sequence[float] = PENALTIES) -> np.ndarray:
    """Score by regressing membership on released weights (``regress_membership``): white box, shadows.

    The penalty for a target is chosen on the shadows of the other half of the models. For models of one
    initialisation; else ``evidence.aligned()``.
    """
    own, shadows = (e.models.vectors() for e in (evidence, evidence.reference))
    members, scores = evidence.members, np.empty(evidence.members.shape)
    for targets, others in halves(len(members), 4):
        best = ridge_penalty(shadows[others], members[others], penalties)
        attack = partial(regress_membership, members=members, penalties=(best,))
        scores[targets] = against(shadows, own, attack)[targets]
    return scores


def influence(evidence: "Evidence") -> np.ndarray:
    """Score by the whitened influence of a record on the weights, calibrated by LiRA: white box, shadows.

    Notes
    -----
    Sablayrolles et al. (2019), arXiv 1908.11229; Suri et al. (2024), arXiv 2406.11544. See ``influence_score``.
    """
    own, shadows = (
        influence_score(e.models.vectors(), ensemble.record_gradients(e.models, e.x, e.y))
        for e in (evidence, evidence.reference)
    )
    return lira(own, evidence.members, shadows=shadows)
