"""The families of membership inference attacks, each a small function, run under one protocol and reported fairly.

An ``Evidence`` holds what an attacker sees of M released models; every family turns it into scores (M, N), higher =
more likely a member. Each model is the target in turn and the others are its shadows: leave-one-out, or, where the
attack trains a classifier of its own, cross-fitted over two halves of the models. A target's own membership is never
read for its own scores. Fewer targets for a costly attack are ``evidence.take(range(16))``.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, softmax
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from qmis_utils import attacks, ensemble

PER_MODEL = ("members", "losses", "signals", "probabilities", "losses_out", "signals_out")
NOISE_SCALES = (0.25, 0.5, 1.0, 2.0)  # of the label-only attack, in standard deviations of the inputs
NOISE_DRAWS = 10  # at each scale
WALK_STARTS, WALK_STEPS = 8, 5  # of the adversarial distance, and steps from each start

# ---------------------------------------------------------------------------------------------------------- evidence


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold what an attacker sees of M released models about N records; arrays alone serve the score-based families.

    ``members`` (M, N); ``losses`` (M, N): cross-entropy, squared error or minus log-likelihood; ``signals`` (M, N) of
    ``attacks.signal`` (None: minus the losses); ``probabilities`` (M, N, C); records ``x`` (N, d), ``y`` (N,). Of Z
    population records that no model trained on: ``losses_out`` and ``signals_out`` (M, Z), ``x_out``, ``y_out``.
    ``models`` as released. ``shadows`` is the evidence of the same models as the attacker holds them, where that is
    not as they are released: full-precision shadows of quantized targets. Raises ValueError for shapes that disagree.
    """

    members: np.ndarray
    losses: np.ndarray
    signals: np.ndarray | None = None
    task: str = "binary"
    y: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    losses_out: np.ndarray | None = None
    signals_out: np.ndarray | None = None
    x: np.ndarray | None = None
    x_out: np.ndarray | None = None
    y_out: np.ndarray | None = None
    models: ensemble.Ensemble | None = None
    shadows: "Evidence | None" = None
    seed: int = 0

    def __post_init__(self):
        for signals, losses in (("signals", self.losses), ("signals_out", self.losses_out)):
            if getattr(self, signals) is None and losses is not None:
                object.__setattr__(self, signals, -losses)
        m, n = self.members.shape
        given = {name: getattr(self, name) for name in PER_MODEL if getattr(self, name) is not None}
        wrong = [k for k, a in given.items() if len(a) != m or (a.shape[1] != n and not k.endswith("_out"))]
        if self.members.dtype != bool or wrong or self.reference.members.shape != (m, n):
            raise ValueError(f"members must be boolean (M, N), outputs and shadows must agree with it; wrong: {wrong}")

    @property
    def reference(self):
        """Return the evidence that calibrates an attack: the shadows', or this one where shadows are as released."""
        return self if self.shadows is None else self.shadows

    @property
    def confidence(self):
        """Return the one-sided statistic (M, N), which grows with membership: the sign of a residual says nothing."""
        return -self.losses if self.task == "regression" else self.signals

    def _each(self, change):
        """Return a copy whose shadows, if any, are changed alike."""
        return replace(change(self), shadows=self.shadows and change(self.shadows))

    def take(self, models):
        """Return the evidence about some of the models (slice, range or index array)."""
        pick = models if isinstance(models, slice) else np.asarray(models)
        names = [f.name for f in fields(self) if f.name in (*PER_MODEL, "models")]
        return self._each(lambda e: replace(e, shadows=None, **{
            n: None if getattr(e, n) is None else getattr(e, n)[pick] for n in names}))  # fmt: skip

    def relabel(self, members):
        """Return the same outputs under another membership: the null control, with ``attacks.permuted``."""
        return self._each(lambda e: replace(e, shadows=None, members=members))

    def aligned(self):
        """Return the evidence with the hidden units of all models, shadows too, aligned to the first (``align``)."""
        if self.shadows is None:
            return replace(self, models=align(self.models))
        both, m = align(ensemble.concatenate([self.models, self.shadows.models])), len(self.models)
        return replace(self, models=both[:m], shadows=replace(self.shadows, models=both[m:]))


def observe(models, x, y, members, x_out, y_out, shadows=None, seed=0):
    """Evaluate models once on the pool and on population records, for every family to read.

    Parameters: released ``models`` (M, quantized as they are judged), the pool ``x`` (N, d), ``y`` (N,) and ``members``
    (M, N), population records ``x_out`` (Z, d), ``y_out`` (Z,) that no model trained on, ``shadows`` the same models as
    the attacker holds them (None: as released), ``seed`` of the attacks' own randomness. Returns an Evidence.
    """
    x, x_out, y, y_out = *(np.asarray(a, np.float32) for a in (x, x_out)), np.asarray(y), np.asarray(y_out)
    task, logits = models.task, np.asarray(models.logits(x), np.float64)
    signals, signals_out = attacks.signal(logits, y, task), attacks.signal(models.logits(x_out), y_out, task)
    return Evidence(
        np.asarray(members, bool), _loss(signals, task), signals, task, y, _probabilities(logits, task),
        _loss(signals_out, task), signals_out, x, x_out, y_out, models,
        shadows and observe(shadows, x, y, members, x_out, y_out, seed=seed), seed
    )  # fmt: skip


def _probabilities(z, task):
    if task == "regression":
        return None
    return softmax(z, axis=-1) if task == "multiclass" else np.stack([expit(-z), expit(z)], axis=-1)


def _loss(signals, task):
    return np.square(signals) if task == "regression" else np.logaddexp(0, -signals)


# ----------------------------------------------------------------------------- thresholds: scores, mostly no shadows


def loss(evidence):
    """Score by minus the loss: black-box scores and the label. Yeom et al. (2018), arXiv 1709.01604."""
    return -evidence.losses


def max_confidence(evidence):
    """Score by the largest class probability, no label needed. Salem et al. (2018), arXiv 1806.01246, adversary 3."""
    return evidence.probabilities.max(axis=-1)


def entropy(evidence):
    """Score by minus the entropy of the class probabilities, no label needed. Salem et al. (2018), adversary 3."""
    p = evidence.probabilities
    return (p * np.log(np.maximum(p, 1e-30))).sum(axis=-1)


def modified_entropy(evidence):
    """Score by (1 - p_y) log p_y + sum_{c != y} p_c log(1 - p_c): black-box scores and the label.

    Minus the modified entropy of Song and Mittal (2021), arXiv 2003.10595, equation 8, which is large where the model
    is sure of a wrong class. One threshold serves all classes here; ``modified_entropy_by_class`` takes one a class.
    """
    p = evidence.probabilities
    own = np.arange(p.shape[-1]) == evidence.y.astype(int)[:, None]
    mass, certainty = np.where(own, 1 - p, p), np.where(own, p, 1 - p)
    return (mass * np.log(np.maximum(certainty, 1e-30))).sum(axis=-1)


def modified_entropy_by_class(evidence):
    """Score by how far, in logs, the modified entropy lies below its class's threshold, the best one on shadow models.

    Song and Mittal (2021), arXiv 2003.10595: a threshold for each class, 0 here. Black-box scores and the label; the
    shadows of a target are the other half of the models. Logs, since the classes' thresholds may differ by orders of
    magnitude. Raises ValueError for fewer than two models.
    """
    own, shadows = (-np.log(np.maximum(-modified_entropy(e), 1e-30)) for e in (evidence, evidence.reference))
    members, margins = evidence.members, np.empty_like(own)
    for targets, others in attacks.halves(len(members), 2):
        for label in np.unique(evidence.y):
            rows, known = np.ix_(targets, evidence.y == label), np.ix_(others, evidence.y == label)
            margins[rows] = own[rows] - attacks.best_threshold(shadows[known], members[known])
    return margins


def quantile(evidence, fpr=0.1):
    """Score by the margin over the confidence that all but ``fpr`` of the population records like it stay below.

    Black-box scores, no shadow models: for each target, a quantile regression on (x, y) of its outputs on population
    records. 0 is the threshold of that rate, which is exceeded a little where these are few. Bertran et al. (2023),
    arXiv 2307.03694, by scikit-learn's gradient boosting with the pinball loss; small trees, since large ones follow
    the sample and miss the rate.
    """
    known = np.column_stack([evidence.x, evidence.y])
    population = np.column_stack([evidence.x_out, evidence.y_out])
    outside = -evidence.losses_out if evidence.task == "regression" else evidence.signals_out
    margins = []
    for own, others in zip(evidence.confidence, outside, strict=True):
        model = HistGradientBoostingRegressor(
            loss="quantile", quantile=1 - fpr, max_iter=50, max_leaf_nodes=8, random_state=evidence.seed
        )
        margins.append(own - model.fit(population, others).predict(known))
    return np.array(margins)


# ------------------------------------------------------------------------------------------------------ shadow models


def classify(features, members, classes=None, shadows=None, seed=0):
    """Train a membership classifier on one half of the models and score the other half, and the reverse.

    Parameters: ``features`` (M, N, F), what the attacker sees of each record under each model, never scores calibrated
    with the target's membership; ``members`` (M, N); ``classes`` (N,), one classifier for each (None: one for all);
    ``shadows`` (M, N, F) features to train on, if others; ``seed``. Returns (M, N) log-odds of membership; 0 separates
    where half the records are members. By scikit-learn's histogram gradient boosting: well kept, indifferent to the
    scale of a feature, quick on 10^5 rows. Raises ValueError for fewer than two models.
    """
    shadows, size = features if shadows is None else shadows, features.shape[-1]
    classes = np.zeros(members.shape[1]) if classes is None else classes
    scores = np.empty(members.shape)
    for targets, others in attacks.halves(len(members), 2):
        for label in np.unique(classes):
            rows, known = np.ix_(targets, classes == label), np.ix_(others, classes == label)
            model = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=seed)
            model.fit(shadows[known].reshape(-1, size), members[known].ravel())
            scores[rows] = model.decision_function(features[rows].reshape(-1, size)).reshape(len(targets), -1)
    return scores


def _cross_classify(evidence, features):
    """Classify ``features(evidence)``, trained on those of its shadows, one classifier a class of the labels."""
    own = features(evidence)
    shadows = own if evidence.shadows is None else features(evidence.shadows)
    classes = None if evidence.task == "regression" else evidence.y
    return classify(own, evidence.members, classes, shadows, evidence.seed)


def shadow_classifier(evidence):
    """Classify outputs as those on a member or not, trained on shadow models' outputs: black-box scores.

    Shokri et al. (2017), arXiv 1610.05820, with one attack classifier a class; the loss joins the outputs.
    """

    def outputs(e):
        parts = [np.stack([e.signals, e.losses], axis=-1), e.probabilities]
        return np.concatenate([part for part in parts if part is not None], axis=-1)

    return _cross_classify(evidence, outputs)


def trajectory(evidence):
    """Classify the path of the loss while a copy is distilled, and the loss itself: black-box scores, shadows.

    TrajectoryMIA, Liu et al. (2022), arXiv 2208.14933: the target and every shadow are distilled on population records.
    """

    def path(e):
        along = distilled_losses(e.models, e.x, e.y, e.x_out, e.seed)
        return np.concatenate([along, e.losses[..., None]], axis=-1)

    return _cross_classify(evidence, path)


def distilled_losses(models, x, y, x_out, seed=0, steps=60, checkpoints=6):
    """Distil every model on population records and follow the loss of each pool record along the way.

    Parameters: ``models`` (M), the pool ``x`` (N, d) and ``y`` (N,), population records ``x_out`` (Z, d) on which the
    students imitate the outputs, all M at once, for ``steps`` full-batch Adam steps from one initialisation drawn by
    ``seed``. Returns (M, N, checkpoints) losses.
    """
    rng, device = np.random.default_rng(seed), models.weights[0].device

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
    step = ensemble.optimizer_step("adam", [tensor.detach() for tensor in moving], grads, lr=1e-2)
    population, path = torch.as_tensor(x_out, device=device).expand(len(models), -1, -1), []
    teacher = _forward(models, population)
    for stop in np.diff(np.linspace(0, steps, checkpoints + 1).astype(int)):
        for _ in range(stop):
            torch._foreach_zero_(grads)
            _distillation_loss(_forward(student, population), teacher, models.task).backward()
            step()
        with torch.no_grad():
            path.append(_loss(attacks.signal(student.logits(x), y, models.task), models.task))
    return np.stack(path, axis=-1)


def _forward(models, x):
    """Return the outputs (M, m, C) on inputs (M, m, d) in a way that torch can differentiate."""
    for layer, (w, b) in enumerate(zip(models.weights, models.biases, strict=True)):
        x = torch.baddbmm(b[:, None], x.relu() if layer else x, w.transpose(1, 2))
    return x


def _distillation_loss(z, teacher, task):
    functional = torch.nn.functional
    if task == "regression":
        return functional.mse_loss(z, teacher)
    if task == "binary":
        return functional.binary_cross_entropy_with_logits(z, teacher.sigmoid())
    return functional.cross_entropy(z.flatten(0, 1), teacher.flatten(0, 1).softmax(-1))


def difficulty_calibrated(scores, members, shadows=None):
    """Subtract from each score the mean score of the record under the other models that did not train on it.

    Parameters: ``scores`` (M, N) of any attack, ``members`` (M, N), ``shadows`` (M, N) the scores that calibrate, if
    others. Returns (M, N); what all models add to a record's score cancels exactly. Watson et al. (2022), arXiv
    2111.08440. Raises ValueError where a record has no such model.
    """
    reference, outside = scores if shadows is None else shadows, ~members
    others = outside.sum(axis=0) - outside
    if others.min() < 1:
        raise ValueError("every record needs two models that did not train on it: train more (a larger n_models)")
    kept = np.where(outside, reference, 0.0)
    return scores - (kept.sum(axis=0) - kept) / others


def difficulty(evidence):
    """Score by minus the loss, calibrated by its mean under shadows (``difficulty_calibrated``): black-box scores."""
    return difficulty_calibrated(-evidence.losses, evidence.members, -evidence.reference.losses)


def lira(evidence, variant="online"):
    """Score by the likelihood ratio between shadows IN and OUT: black-box scores, shadows (``attacks.lira``)."""
    one_sided = variant.startswith("offline")
    own, shadows = (e.confidence if one_sided else e.signals for e in (evidence, evidence.reference))
    return attacks.lira(own, evidence.members, variant, shadows=shadows)


def rmia(evidence):
    """Score by the share of population records that the record dominates: black-box scores (``attacks.rmia``).

    A regression has no probabilities: a Gaussian with the variance of the population residuals takes their place.
    """
    n = evidence.members.shape[1]
    scale = 2 * max(evidence.losses_out.mean(), 1e-12) if evidence.task == "regression" else 1.0
    own, shadows = (np.exp(-np.hstack([e.losses, e.losses_out]) / scale) for e in (evidence, evidence.reference))
    return _against(shadows, own, lambda p: attacks.rmia(p[:, :n], p[:, n:], evidence.members))


def _against(shadows, released, attack):
    """Run a leave-one-out attack on each released model, a row, among the shadow rows of the others."""
    if np.array_equal(shadows, released):
        return attack(released)
    rows = np.eye(len(released), dtype=bool)[:, :, None]
    return np.array([attack(np.where(row, released, shadows))[target] for target, row in enumerate(rows)])


# ----------------------------------------------------------------------------------- labels, gradients and weights


def _margin(z, y):
    """Return by how much the label's logit beats the best other one, (M, N); positive: the label is predicted."""
    if z.ndim == 2:
        return (2 * y - 1) * z
    own = torch.nn.functional.one_hot(y.long(), z.shape[-1]).bool()
    return (z * own).sum(dim=-1) - z.masked_fill(own, -torch.inf).amax(dim=-1)


def label_only(evidence):
    """Score by the share of noisy copies of a record that the model gives its label: predicted labels alone.

    Choquette-Choo et al. (2021), arXiv 2007.14321: robustness under noise, at several scales; no shadows.
    """
    rng, x, y = np.random.default_rng(evidence.seed), evidence.x, torch.as_tensor(evidence.y)
    noise = [s * x.std() * rng.standard_normal(x.shape) for s in NOISE_SCALES for _ in range(NOISE_DRAWS)]
    return np.mean([_margin(torch.as_tensor(evidence.models.logits(x + step)), y) > 0 for step in noise], axis=0)


def adversarial_distance(evidence):
    """Score by the distance to an adversarial example found with gradients (``boundary_distance``): white box.

    Del Grosso et al. (2022), arXiv 2203.09566; the released model itself, no shadows.
    """
    return boundary_distance(evidence.models, evidence.x, evidence.y, evidence.seed)


def boundary_distance(models, x, y, seed=0, chunk=16):
    """Return how far each record is from the nearest input found at which the model stops, or starts, to be right.

    Parameters: ``models`` (M) classifiers, ``x`` (N, d), ``y`` (N,); ``seed`` of the restarts, ``chunk`` models at a
    time. Returns (M, N) l2 distances, negative where the label is not predicted: exact for a linear boundary, else
    upper bounds, loose where a coarse quantizer leaves whole regions without a gradient; twice the largest norm of
    ``x`` where nothing nearer is found. Each step goes to the point nearest the record on the linearised boundary, as
    in DeepFool (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599) and FAB (Croce and Hein 2020, arXiv 1907.02044);
    restarts at random points within the best distance find other pieces of the boundary.
    """
    x, y = (torch.as_tensor(np.asarray(a, np.float32)) for a in (x, y))
    rng = np.random.default_rng(seed)
    return np.concatenate([_walk(models[at : at + chunk], x, y, rng) for at in range(0, len(models), chunk)])


def _linearised(models, point, y):
    """Return the margin at each model's own points (M, N, d), (M, N), and its gradient there."""
    z = _forward(models, point.requires_grad_())
    margin = _margin(z if models.task == "multiclass" else z[..., 0], y)
    (gradient,) = torch.autograd.grad(margin.sum(), point)
    return margin.detach(), gradient


def _walk(models, x, y, rng):
    reach, moved = 2 * x.norm(dim=1).max(), torch.zeros(len(models), *x.shape)
    side = _linearised(models, x + moved, y)[0].sign()
    best, nearest = moved, torch.full_like(side, reach)
    for step in range(WALK_STARTS * WALK_STEPS):
        if step and step % WALK_STEPS == 0:
            moved = torch.tensor(rng.standard_normal(moved.shape), dtype=torch.float32)
            moved *= (nearest * torch.tensor(rng.random(side.shape)) / moved.norm(dim=2))[..., None].float()
        margin, gradient = _linearised(models, x + moved, y)
        length = moved.norm(dim=2)
        better = (margin * side <= 0) & (length < nearest)
        best, nearest = torch.where(better[..., None], moved, best), torch.where(better, length, nearest)
        # 2 % beyond the linearised boundary, so that rounding does not leave the point before it
        share = 1.02 * ((gradient * moved).sum(dim=2) - margin) / gradient.square().sum(dim=2).clamp_min(1e-12)
        moved = share[..., None] * gradient
        moved = moved * (reach / moved.norm(dim=2).clamp_min(1e-12)).clamp_max(1)[..., None]
    return (side * nearest * _first_crossing(models, x, best, y, side)).double().numpy()


def _first_crossing(models, x, best, y, side, halvings=20):
    """Return at which share of the way from x to x + best the side changes, by bisection; 1 where it does not."""
    low, high = torch.zeros_like(side), torch.ones_like(side)
    for _ in range(halvings):
        middle = (low + high) / 2
        crossed = _linearised(models, x + middle[..., None] * best, y)[0] * side <= 0
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return high


def align(models, reference=0):
    """Permute the hidden units of every model onto those of one of them; every model stays the same function.

    Parameters: ``models`` (M) with hidden layers, ``reference`` the index of the one. Returns an Ensemble. Layers are
    matched from the input on by their incoming weights, then with the outgoing ones until nothing moves: the weight
    matching of Ainsworth et al. (2023), arXiv 2209.04836, algorithm 1. Membership is not used.
    """
    layers = [torch.cat([w, b[..., None]], dim=2).double().numpy() for w, b in
              zip(models.weights, models.biases, strict=True)]  # fmt: skip
    for model in range(len(models)):
        own, home = ([layer[at] for layer in layers] for at in (model, reference))
        for sweep in range(20):  # enough: each sweep brings the models nearer, and most need two or three
            moves = [_match(own, home, layer, outgoing=sweep > 0) for layer in range(len(own) - 1)]
            if sweep and not any(moves):
                break
    tensors = [torch.as_tensor(layer, dtype=torch.float32) for layer in layers]
    return replace(models, weights=tuple(t[..., :-1] for t in tensors), biases=tuple(t[..., -1] for t in tensors))


def _match(own, home, layer, outgoing):
    """Permute the units of one hidden layer of ``own``, in place, onto those of ``home``; say whether any moved."""
    similarity = home[layer] @ own[layer].T
    if outgoing:
        similarity += home[layer + 1][:, :-1].T @ own[layer + 1][:, :-1]
    order = linear_sum_assignment(similarity, maximize=True)[1]
    own[layer][:] = own[layer][order]
    own[layer + 1][:, :-1] = own[layer + 1][:, order]
    return (order != np.arange(len(order))).any()


def weight_regression(evidence, penalties=(1e-2, 1e-1, 1.0, 1e1, 1e2)):
    """Score by regressing membership on released weights (``attacks.weight_regression``): white box, shadows.

    The penalty for a target is chosen on the shadows of the other half of the models. For models of one
    initialisation; else ``evidence.aligned()``.
    """
    own, shadows = (e.models.vectors() for e in (evidence, evidence.reference))
    members, scores = evidence.members, np.empty(evidence.members.shape)
    for targets, others in attacks.halves(len(members), 4):
        best = attacks.ridge_penalty(shadows[others], members[others], penalties)
        attack = partial(attacks.weight_regression, members=members, penalties=(best,))
        scores[targets] = _against(shadows, own, attack)[targets]
    return scores


def influence(evidence):
    """Score by the whitened influence of a record on the weights, calibrated by LiRA: white box, shadows.

    Sablayrolles et al. (2019), arXiv 1908.11229; Suri et al. (2024), arXiv 2406.11544 (``attacks.influence_score``).
    """
    own, shadows = (
        attacks.influence_score(e.models.vectors(), ensemble.record_gradients(e.models, e.x, e.y))
        for e in (evidence, evidence.reference)
    )
    return attacks.lira(own, evidence.members, shadows=shadows)


# ------------------------------------------------------------------------------------------------------- the catalogue


@dataclass(frozen=True)
class Family:
    """Describe one attack: its function of an Evidence, its source, and its threat model.

    ``access`` to "labels", "scores" or "weights"; ``needs`` fields of Evidence beside members and losses; ``shadows``
    whether it needs shadow models; ``adaptive`` whether its calibration follows the quantizer; ``regression`` whether
    it is defined for regression; ``trained(M)`` models trained beside the target; ``queries`` of the target per record.
    """

    function: Callable
    source: str
    access: str = "scores"
    needs: tuple = ()
    shadows: bool = False
    adaptive: bool = False
    regression: bool = True
    trained: Callable = lambda m: 0
    queries: int = 1

    def lacks(self, evidence):
        """Return why this family cannot run on the evidence; an empty string if it can."""
        if evidence.task == "regression" and not self.regression:
            return "is not defined for regression: it reads classes"
        missing = [n for n in self.needs if any(getattr(e, n) is None for e in (evidence, evidence.reference))]
        return f"needs {', '.join(missing)} in its evidence" if missing else ""

    def run(self, evidence):
        """Return the scores (M, N) of every model as target; ValueError says what the evidence lacks."""
        if lack := self.lacks(evidence):
            raise ValueError(f"the attack of {self.source} {lack}")
        return self.function(evidence)


_leave_one_out = partial(Family, shadows=True, adaptive=True, trained=lambda m: m - 1)
_carlini = partial(_leave_one_out, source="Carlini et al. 2022")
_by_weights = partial(_leave_one_out, access="weights", queries=0)
_by_class = partial(Family, needs=("probabilities",), regression=False)
_walker = partial(Family, needs=("models", "x", "y"), regression=False)

FAMILIES: dict[str, Family] = {
    "loss": Family(loss, "Yeom et al. 2018"),
    "max_confidence": _by_class(max_confidence, "Salem et al. 2018"),
    "entropy": _by_class(entropy, "Salem et al. 2018"),
    "modified_entropy": _by_class(modified_entropy, "Song and Mittal 2021", needs=("probabilities", "y")),
    "modified_entropy_by_class": _by_class(modified_entropy_by_class, "Song and Mittal 2021", shadows=True,
                                           needs=("probabilities", "y"), adaptive=True, trained=lambda m: m // 2),
    "quantile": Family(quantile, "Bertran et al. 2023", needs=("x", "y", "x_out", "y_out", "losses_out"),
                       adaptive=True, trained=lambda m: 1),
    "shadow_classifier": Family(shadow_classifier, "Shokri et al. 2017", shadows=True, adaptive=True,
                                trained=lambda m: m // 2),
    # every shadow of the other half is trained and distilled, and so is the target
    "trajectory": Family(trajectory, "Liu et al. 2022", needs=("models", "x", "y", "x_out"), shadows=True,
                         adaptive=True, trained=lambda m: 2 * (m // 2) + 1),
    "difficulty": _leave_one_out(difficulty, "Watson et al. 2022"),
    "lira": _carlini(lira),
    "lira_fixed": _carlini(partial(lira, variant="online_fixed")),
    "lira_offline": _carlini(partial(lira, variant="offline")),
    "rmia": _leave_one_out(rmia, "Zarifzadeh et al. 2024", needs=("losses_out",)),
    "label_only": _walker(label_only, "Choquette-Choo et al. 2021", "labels",
                          queries=NOISE_DRAWS * len(NOISE_SCALES)),
    "adversarial_distance": _walker(adversarial_distance, "Del Grosso et al. 2022", "weights",
                                    queries=WALK_STARTS * WALK_STEPS + 21),
    "weight_regression": _by_weights(weight_regression, "ridge regression on weights, ours", needs=("models",)),
    "weight_regression_aligned": _by_weights(lambda e: weight_regression(e.aligned()), "the same, units aligned",
                                             needs=("models",)),
    "influence": _by_weights(influence, "Sablayrolles et al. 2019; Suri et al. 2024", needs=("models", "x", "y")),
    "influence_aligned": _by_weights(lambda e: influence(e.aligned()), "the same, units aligned",
                                     needs=("models", "x", "y")),
}  # fmt: skip


def defined(name, evidence):
    """Say whether a family can run on the evidence."""
    return not FAMILIES[name].lacks(evidence)
