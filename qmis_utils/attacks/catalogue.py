"""The catalogue of membership inference attacks, run under one protocol and reported fairly.

An ``Evidence`` holds what an attacker sees of M released models; every attack turns it into scores (M, N), higher =
more likely a member. Each model is the target in turn and the others are its shadows: leave-one-out, or, where the
attack trains a classifier of its own, cross-fitted over two halves of the models. A target's own membership is never
read for its own scores. Fewer targets for a costly attack are ``evidence.take(range(16))``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from qmis_utils.attacks import boundary, joint, learned, scores, thresholds, weights
from qmis_utils.attacks.evidence import Evidence


def _difficulty(evidence: Evidence) -> np.ndarray:
    """Score by minus the loss, calibrated by its mean under shadows."""
    return scores.difficulty_calibrated(-evidence.losses, evidence.members, -evidence.reference.losses)


def _lira(evidence: Evidence, variant: str = "online") -> np.ndarray:
    """Score by the likelihood ratio between shadows IN and OUT; offline tests are one-sided."""
    one_sided = variant.startswith("offline")
    own, shadows = (e.confidence if one_sided else e.signals for e in (evidence, evidence.reference))
    return scores.lira(own, evidence.members, variant, shadows=shadows)


def _rmia(evidence: Evidence) -> np.ndarray:
    """Score by the share of population records that the record dominates.

    A regression has no probabilities: a Gaussian with the variance of the population residuals takes their place.
    """
    n = evidence.members.shape[1]
    scale = 2 * max(evidence.losses_out.mean(), 1e-12) if evidence.task == "regression" else 1.0
    own, shadows = (np.exp(-np.hstack([e.losses, e.losses_out]) / scale) for e in (evidence, evidence.reference))
    return scores.against(shadows, own, lambda p: scores.rmia(p[:, :n], p[:, n:], evidence.members))


def _combined(evidence: Evidence) -> np.ndarray:
    """Score by the sum of LiRA and the regression on weights, each in units of its spread over the target's records.

    Over all targets the spread would follow the target's own membership, which enters the others' scores. No LiRA on
    top of the regression: the shadows' predictions were fitted with the target's membership.
    """
    parts = _lira(evidence), weights.weight_regression(evidence)
    first, second = (part / np.maximum(part.std(axis=1, keepdims=True), 1e-300) for part in parts)
    return first + second


_kept = lru_cache(maxsize=4)  # what costs is kept for the attack itself and the stacks, which ask for it again
_output_regression = _kept(partial(joint.release_regression, access="scores"))
_release_regression, _joint_decoder = _kept(joint.release_regression), _kept(joint.joint_decoder)
_BY_OUTPUTS = (
    *(thresholds.loss, _lira, partial(_lira, variant="online_fixed"), partial(_lira, variant="offline"), _rmia),
    _output_regression,
)


# ------------------------------------------------------------------------------------------------------- the catalogue


@dataclass(frozen=True)
class Attack:
    """Describe one attack: its function of an Evidence, its source, and its threat model.

    Parameters
    ----------
    function : callable
        From an Evidence to scores (M, N).
    source : str
    access : {"labels", "scores", "weights"}
        What of the target it sees.
    needs : tuple of str
        Fields of Evidence that it reads beside members and losses.
    shadows : bool
        Whether it needs shadow models.
    adaptive : bool
        Whether its calibration follows the quantizer.
    regression : bool
        Whether it is defined for regression.
    trained : callable
        From M to the number of models trained beside the target.
    queries : int
        Of the target, per record.

    Examples
    --------
    >>> ATTACKS["loss"].run(Evidence(np.array([[True, False]]), losses=np.array([[0.1, 0.7]])))
    array([[-0.1, -0.7]])
    """

    function: Callable[[Evidence], np.ndarray]
    source: str
    access: str = "scores"
    needs: tuple[str, ...] = ()
    shadows: bool = False
    adaptive: bool = False
    regression: bool = True
    trained: Callable[[int], int] = lambda m: 0
    queries: int = 1

    def lacks(self, evidence: Evidence) -> str:
        """Return why this attack cannot run on the evidence; an empty string if it can."""
        if evidence.task == "regression" and not self.regression:
            return "is not defined for regression: it reads classes"
        both, needs = (evidence, evidence.reference), ("members", *self.needs)
        missing = [name for name in needs if any(getattr(e, name) is None for e in both)]
        return f"needs {', '.join(missing)} in its evidence" if missing else ""

    def run(self, evidence: Evidence) -> np.ndarray:
        """Return the scores (M, N) of every model as target.

        Raises
        ------
        ValueError
            Which says what the evidence lacks.
        """
        if lack := self.lacks(evidence):
            raise ValueError(f"the attack of {self.source} {lack}")
        return self.function(evidence)


_leave_one_out = partial(Attack, shadows=True, adaptive=True, trained=lambda m: m - 1)
_carlini = partial(_leave_one_out, source="Carlini et al. 2022")
_by_weights = partial(_leave_one_out, access="weights", queries=0)
_by_class = partial(Attack, needs=("probabilities",), regression=False)
_walker = partial(Attack, needs=("models", "x", "y"), regression=False)

ATTACKS: dict[str, Attack] = {
    "loss": Attack(thresholds.loss, "Yeom et al. 2018"),
    "max_confidence": _by_class(thresholds.max_confidence, "Salem et al. 2018"),
    "entropy": _by_class(thresholds.entropy, "Salem et al. 2018"),
    "modified_entropy": _by_class(thresholds.modified_entropy, "Song and Mittal 2021", needs=("probabilities", "y")),
    "modified_entropy_by_class": _by_class(thresholds.modified_entropy_by_class, "Song and Mittal 2021", shadows=True,
                                           needs=("probabilities", "y"), adaptive=True, trained=lambda m: m // 2),
    "quantile": Attack(thresholds.quantile, "Bertran et al. 2023", needs=("x", "y", "x_out", "y_out", "losses_out"),
                       adaptive=True, trained=lambda m: 1),
    "shadow_classifier": Attack(learned.shadow_classifier, "Shokri et al. 2017", shadows=True, adaptive=True,
                                trained=lambda m: m // 2),
    # every shadow of the other half is trained and distilled, and so is the target
    "trajectory": Attack(learned.trajectory, "Liu et al. 2022", needs=("models", "x", "y", "x_out"),
                         shadows=True, adaptive=True, trained=lambda m: 2 * (m // 2) + 1),
    "difficulty": _leave_one_out(_difficulty, "Watson et al. 2022"),
    "lira": _carlini(_lira),
    "lira_fixed": _carlini(partial(_lira, variant="online_fixed")),
    "lira_offline": _carlini(partial(_lira, variant="offline")),
    "rmia": _leave_one_out(_rmia, "Zarifzadeh et al. 2024", needs=("losses_out",)),
    "label_only": _walker(boundary.label_only, "Choquette-Choo et al. 2021", "labels",
                          queries=boundary.NOISE_DRAWS * len(boundary.NOISE_SCALES)),
    "label_only_boundary": _walker(boundary.label_only_boundary, "Choquette-Choo et al. 2021", "labels",
                                   needs=("models", "x", "y", "x_out"), queries=boundary.HOP_QUERIES),
    "adversarial_distance": _walker(boundary.adversarial_distance, "Del Grosso et al. 2022", "weights",
                                    queries=boundary.WALK_STARTS * boundary.WALK_STEPS + 21),
    "weight_regression": _by_weights(weights.weight_regression, "ridge regression on weights, ours", needs=("models",)),
    "weight_regression_aligned": _by_weights(lambda e: weights.weight_regression(e.aligned()), "units aligned",
                                             needs=("models",)),
    "output_regression": _leave_one_out(_output_regression, "regression on all outputs, ours", queries=joint.QUERIES,
                                        needs=("outputs", "outputs_out")),
    "release_regression": _by_weights(_release_regression, "regression on weights and outputs, ours",
                                      needs=("models", "outputs", "outputs_out")),
    "joint_decoder": _by_weights(_joint_decoder, "forward model of weights, ours", needs=("models",)),
    "stacked_outputs": _leave_one_out(partial(joint.stacked, parts=_BY_OUTPUTS), "stack of attacks on outputs, ours",
                                      queries=joint.QUERIES, needs=("losses_out", "outputs", "outputs_out")),
    "stacked": _by_weights(partial(joint.stacked, parts=(*_BY_OUTPUTS, _release_regression, _joint_decoder)),
                           "stack of attacks on weights and outputs, ours", queries=joint.QUERIES,
                           needs=("models", "losses_out", "outputs", "outputs_out")),
    "combined": _by_weights(_combined, "LiRA and the regression, ours", needs=("models",), queries=1),
    "influence": _by_weights(weights.influence, "Sablayrolles et al. 2019; Suri et al. 2024",
                             needs=("models", "x", "y")),
    "influence_aligned": _by_weights(lambda e: weights.influence(e.aligned()), "units aligned",
                                     needs=("models", "x", "y")),
}  # fmt: skip
BUILT_IN = dict(ATTACKS)  # what a reader adds is told by it, and travels with a sweep
