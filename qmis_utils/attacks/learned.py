"""Attacks by a classifier that is trained on shadow models: on their outputs, or on the path of distilling them.

Scores are (M, N), higher = more likely a member; whatever a classifier scores, it was trained on the other half of the
models.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from qmis_utils import ensemble, records
from qmis_utils.attacks.judging import halves
from qmis_utils.attacks.scores import signal, signal_loss

if TYPE_CHECKING:
    from qmis_utils.attacks.evidence import Evidence

# Small trees: on nearly all models of notebook C they find more members than scikit-learn's 31 leaves, in a fifth of
# the time; records differ far more than members and non-members do, and large trees learn the records.
BOOSTING = {"max_iter": 25, "learning_rate": 0.2, "max_leaf_nodes": 4}


@threadpool_limits.wrap(limits=1, user_api="openmp")  # fits are so small that threads would mostly wait for each other
def classify(
    features: ArrayLike,
    members: ArrayLike,
    classes: ArrayLike | None = None,
    shadows: ArrayLike | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Train a membership classifier on one half of the models and score the other half, and the reverse.

    Parameters
    ----------
    features : array (M, N, F)
        What the attacker sees of each record under each model, never scores calibrated with the target's membership.
    members : bool array (M, N)
        Which records each model trained on.
    classes : array (N,), optional
        One classifier for each class (None: one for all).
    shadows : array (M, N, F), optional
        Features to train on, if others.
    seed : int
        Of the classifiers.

    Returns
    -------
    array (M, N)
        Log-odds of membership; 0 separates where half the records are members.

    Raises
    ------
    ValueError
        For fewer than two models, a feature that is not finite, members that are not 0 and 1.

    Notes
    -----
    By scikit-learn's histogram gradient boosting: well kept, indifferent to the scale of a feature, quick on 10^5 rows.
    """
    features = records.signals(features, "features")
    shadows, size = features if shadows is None else records.signals(shadows, "shadows"), features.shape[-1]
    members = records.membership(members, features.shape[:2])
    classes = np.zeros(members.shape[1]) if classes is None else np.asarray(classes)
    scores = np.empty(members.shape)
    for targets, others in halves(len(members), 2):
        for label in np.unique(classes):
            rows, known = np.ix_(targets, classes == label), np.ix_(others, classes == label)
            model = HistGradientBoostingClassifier(**BOOSTING, early_stopping=False, random_state=seed)
            model.fit(shadows[known].reshape(-1, size), members[known].ravel())
            scores[rows] = model.decision_function(features[rows].reshape(-1, size)).reshape(len(targets), -1)
    return scores


def _cross_classify(evidence: "Evidence", features: Callable[["Evidence"], np.ndarray]) -> np.ndarray:
    """Classify ``features(evidence)``, trained on those of its shadows, one classifier a class of the labels."""
    own = features(evidence)
    shadows = own if evidence.shadows is None else features(evidence.shadows)
    classes = None if evidence.task == "regression" else evidence.y
    return classify(own, evidence.members, classes, shadows, evidence.seed)


def shadow_classifier(evidence: "Evidence") -> np.ndarray:
    """Classify outputs as those on a member or not, trained on shadow models' outputs: black-box scores.

    Notes
    -----
    Shokri et al. (2017), arXiv 1610.05820, with one attack classifier a class; the loss joins the outputs.
    """

    def outputs(e):
        parts = [np.stack([e.signals, e.losses], axis=-1), e.probabilities]
        return np.concatenate([part for part in parts if part is not None], axis=-1)

    return _cross_classify(evidence, outputs)


def trajectory(evidence: "Evidence") -> np.ndarray:
    """Classify the path of the loss while a copy is distilled, and the loss itself: black-box scores, shadows.

    Notes
    -----
    TrajectoryMIA, Liu et al. (2022), arXiv 2208.14933: the target and every shadow are distilled on population records.
    """

    def path(e):
        along = distilled_losses(e.models, e.x, e.y, e.x_out, e.seed)
        return np.concatenate([along, e.losses[..., None]], axis=-1)

    return _cross_classify(evidence, path)


@ensemble.single_threaded()
def distilled_losses(
    models: ensemble.Ensemble,
    x: ArrayLike,
    y: ArrayLike,
    x_out: ArrayLike,
    seed: int = 0,
    steps: int = 60,
    checkpoints: int = 6,
) -> np.ndarray:
    """Distil every model on population records and follow the loss of each pool record along the way.

    Parameters
    ----------
    models : Ensemble
        M teachers; each has a student of its architecture, and all students learn at once.
    x, y : array (N, d) and (N,)
        The pool.
    x_out : array (Z, d)
        Population records, on which the students imitate the outputs.
    seed : int
        Of the one initialisation from which all students start.
    steps, checkpoints : int
        Full-batch Adam steps, and at how many of them, evenly spaced, the losses are read.

    Returns
    -------
    array (M, N, checkpoints)
        Losses of the students on the pool.
    """
    rng, device = np.random.default_rng(seed), models.device
    if records.whole(steps, "steps") < records.whole(checkpoints, "checkpoints"):
        raise ValueError(f"checkpoints must be at most steps; got {checkpoints} of {steps} steps")
    width = models.weights[0].shape[2]
    x, x_out = records.inputs(x, width), records.inputs(x_out, width, "x_out")

    def start(tensor, fan_in):
        value = torch.tensor(rng.uniform(-1, 1, tensor.shape[1:]) / fan_in**0.5, dtype=torch.float32, device=device)
        return value.expand(tensor.shape).clone().requires_grad_()

    weights, biases = (
        tuple(start(t, w.shape[2]) for t, w in zip(tensors, models.weights, strict=True))
        for tensors in (models.weights, models.biases)
    )
    student = replace(models, weights=weights, biases=biases)
    moving = [*weights, *biases]
    for tensor in moving:
        tensor.grad = torch.zeros_like(tensor)
    grads = [tensor.grad for tensor in moving]
    optimizer = ensemble.make_optimizer("adam", [tensor.detach() for tensor in moving], grads, lr=1e-2)
    population, path = torch.as_tensor(x_out, device=device).expand(len(models), -1, -1), []
    teacher = ensemble.outputs(models, population)
    for stop in np.diff(np.linspace(0, steps, checkpoints + 1).astype(int)):
        for _ in range(stop):
            for grad in grads:
                grad.zero_()
            _distillation_loss(ensemble.outputs(student, population), teacher, models.task).backward()
            ensemble.optimizer_step(optimizer)
        with torch.no_grad():
            path.append(signal_loss(signal(student.logits(x), y, models.task), models.task))
    return np.stack(path, axis=-1)


def _distillation_loss(z: torch.Tensor, teacher: torch.Tensor, task: str) -> torch.Tensor:
    functional = torch.nn.functional
    if task == "regression":
        return functional.mse_loss(z, teacher)
    if task == "binary":
        return functional.binary_cross_entropy_with_logits(z, teacher.sigmoid())
    return functional.cross_entropy(z.flatten(0, 1), teacher.flatten(0, 1).softmax(-1))
