"""The families of membership inference attacks, each a small function, run under one protocol and reported fairly.

An ``Evidence`` holds what an attacker sees of M released models; every family turns it into scores (M, N), higher =
more likely a member. Each model is the target in turn and the others are its shadows: leave-one-out, or, where the
attack trains a classifier of its own, cross-fitted over two halves of the models. A target's own membership is never
read for its own scores. Fewer targets for a costly attack are ``evidence.take(range(16))``.

Here are the attacks by scores, the calibration of those by weights, and the catalogue of all; ``learned_attacks`` and
``boundary_attacks`` hold the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import expit, softmax
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from qmis_utils import attacks, boundary_attacks, ensemble, learned_attacks, weight_attacks

PER_MODEL = ("members", "losses", "signals", "probabilities", "losses_out", "signals_out")
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

    def _cut(self, names, pick):
        """Return a copy in which the arrays of these names, where there are any, are indexed."""

        def cut(evidence):
            held = {name: getattr(evidence, name) for name in names}
            return replace(evidence, shadows=None, **{n: None if v is None else v[pick] for n, v in held.items()})

        return self._each(cut)

    def take(self, models):
        """Return the evidence about some of the models (slice, range or index array)."""
        return self._cut((*PER_MODEL, "models"), models if isinstance(models, slice) else np.asarray(models))

    def records(self, pick):
        """Return the evidence about some records of the pool (bool or index array); ValueError where none is left."""
        pick, (n_models, n_records) = np.asarray(pick), self.members.shape
        if not (pick.any() if pick.dtype == bool else pick.size):
            raise ValueError(f"no record is left of {n_records}; with {n_models} models, do more leave enough shadows?")
        of_records = [name for name in PER_MODEL if not name.endswith("_out")]
        return self._cut(of_records, (slice(None), pick))._cut(("x", "y"), pick)

    def relabel(self, members):
        """Return the same outputs under another membership: the null control, with ``attacks.permuted``."""
        return self._each(lambda e: replace(e, shadows=None, members=members))

    def aligned(self):
        """Return the evidence with the hidden units of all models, shadows too, aligned to the first's."""
        if self.shadows is None:
            return replace(self, models=weight_attacks.align(self.models))
        both, m = weight_attacks.align(ensemble.concatenate([self.models, self.shadows.models])), len(self.models)
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
        np.asarray(members, bool), attacks.signal_loss(signals, task), signals, task, y, _probabilities(logits, task),
        attacks.signal_loss(signals_out, task), signals_out, x, x_out, y_out, models,
        shadows and observe(shadows, x, y, members, x_out, y_out, seed=seed), seed
    )  # fmt: skip


def _probabilities(z, task):
    if task == "regression":
        return None
    return softmax(z, axis=-1) if task == "multiclass" else np.stack([expit(-z), expit(z)], axis=-1)


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


@threadpool_limits.wrap(limits=1, user_api="openmp")  # see ``learned_attacks.classify``
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


# ------------------------------------------------------------------------------------------------------------ weights


def weight_regression(evidence, penalties=(1e-2, 1e-1, 1.0, 1e1, 1e2)):
    """Score by regressing membership on released weights (``weight_attacks.weight_regression``): white box, shadows.

    The penalty for a target is chosen on the shadows of the other half of the models. For models of one
    initialisation; else ``evidence.aligned()``.
    """
    own, shadows = (e.models.vectors() for e in (evidence, evidence.reference))
    members, scores = evidence.members, np.empty(evidence.members.shape)
    for targets, others in attacks.halves(len(members), 4):
        best = weight_attacks.ridge_penalty(shadows[others], members[others], penalties)
        attack = partial(weight_attacks.weight_regression, members=members, penalties=(best,))
        scores[targets] = _against(shadows, own, attack)[targets]
    return scores


def influence(evidence):
    """Score by the whitened influence of a record on the weights, calibrated by LiRA: white box, shadows.

    Sablayrolles et al. (2019), arXiv 1908.11229; Suri et al. (2024), arXiv 2406.11544; ``weight_attacks``.
    """
    own, shadows = (
        weight_attacks.influence_score(e.models.vectors(), ensemble.record_gradients(e.models, e.x, e.y))
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
    "shadow_classifier": Family(learned_attacks.shadow_classifier, "Shokri et al. 2017", shadows=True, adaptive=True,
                                trained=lambda m: m // 2),
    # every shadow of the other half is trained and distilled, and so is the target
    "trajectory": Family(learned_attacks.trajectory, "Liu et al. 2022", needs=("models", "x", "y", "x_out"),
                         shadows=True, adaptive=True, trained=lambda m: 2 * (m // 2) + 1),
    "difficulty": _leave_one_out(difficulty, "Watson et al. 2022"),
    "lira": _carlini(lira),
    "lira_fixed": _carlini(partial(lira, variant="online_fixed")),
    "lira_offline": _carlini(partial(lira, variant="offline")),
    "rmia": _leave_one_out(rmia, "Zarifzadeh et al. 2024", needs=("losses_out",)),
    "label_only": _walker(boundary_attacks.label_only, "Choquette-Choo et al. 2021", "labels",
                          queries=boundary_attacks.NOISE_DRAWS * len(boundary_attacks.NOISE_SCALES)),
    "label_only_boundary": _walker(boundary_attacks.label_only_boundary, "Choquette-Choo et al. 2021", "labels",
                                   needs=("models", "x", "y", "x_out"), queries=boundary_attacks.HOP_QUERIES),
    "adversarial_distance": _walker(boundary_attacks.adversarial_distance, "Del Grosso et al. 2022", "weights",
                                    queries=boundary_attacks.WALK_STARTS * boundary_attacks.WALK_STEPS + 21),
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
