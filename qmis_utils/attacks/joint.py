"""Attacks that read a whole release at once: every output or weight for every record, and the stack of all attacks.

Scores are (M, N), higher = more likely a member, leave-one-out or cross-fitted over models; a target's own membership
is never read for its own scores.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from qmis_utils.attacks.judging import auc, enough_shadows, halves
from qmis_utils.attacks.learned import classify
from qmis_utils.attacks.scores import against
from qmis_utils.attacks.weights import left_out_predictions, regress_membership

if TYPE_CHECKING:
    from qmis_utils.attacks.evidence import Evidence

QUERIES = 1000  # population records at most whose outputs are asked for
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)  # ridge penalties, relative as in ``regress_membership``
# Shares of the blocks of features, of which each target takes one: weights as they are, weights in units of their
# spread, outputs on the pool, outputs on the population.
SHARES = {
    "scores": ((1.0, 0.0), (0.5, 0.5), (0.2, 0.8)),
    "weights": ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.8, 0.0, 0.1, 0.1), (0.0, 0.8, 0.1, 0.1),
                (0.5, 0.0, 0.25, 0.25), (0.0, 0.5, 0.25, 0.25)),
}  # fmt: skip
FAINTEST = np.log(np.finfo(np.float32).tiny)  # -87: a log-probability that is 0 in float32
FOLDS = 8  # of the joint decoder
LOW_RANK = 0.1  # share of the sample covariance in its noise; the rest is the same for every weight


def _blocks(evidence: "Evidence", access: str) -> list[np.ndarray]:
    """Return what is read of each model, block by block, (M, F) each."""
    fresh = evidence.outputs_out.shape[1]
    asked = np.linspace(0, fresh - 1, min(QUERIES, fresh)).astype(int)
    outputs = [np.asarray(o, np.float64) for o in (evidence.outputs, evidence.outputs_out[:, asked])]
    if evidence.task == "multiclass":  # what softmax ignores says nothing, and a masked class is only masked
        outputs = [np.maximum(special.log_softmax(o, axis=-1), FAINTEST) for o in outputs]
    outputs = [o.reshape(len(o), -1) for o in outputs]
    weights = [evidence.models.vectors()] * 2 if access == "weights" else []
    return [np.asarray(block, np.float64) for block in (*weights, *outputs)]


def _units(blocks: list[np.ndarray], access: str) -> list[np.ndarray | float]:
    """Return what each block is divided by: then its models lie at a mean square distance of 1 from their mean.

    All but the plain weights are first put in units of their spread over models, as small as a hundredth of its mean.
    """
    units = []
    for place, block in enumerate(blocks):
        spread = block.std(axis=0)
        spread[spread < 1e-9 * np.abs(block).max(axis=0)] = 0  # rounding of a constant
        least = 1e-2 * spread[spread > 0].mean() if spread.any() else 1.0
        each = np.ones(()) if access == "weights" and place == 0 else np.maximum(spread, least)
        units.append(each * (np.sqrt(np.square(spread / each).sum()) or 1.0))
    return units


def release_regression(evidence: "Evidence", access: str = "weights") -> np.ndarray:
    """Score by regressing membership on all that is released, leave-one-out: weights with outputs, or outputs alone.

    Parameters
    ----------
    evidence : Evidence
        With outputs on the pool and on population records; for weights with models of one initialisation.
    access : {"weights", "scores"}

    Returns
    -------
    array (M, N)

    Raises
    ------
    ValueError
        For fewer than four models.

    Notes
    -----
    For one record this is the Gaussian likelihood ratio of models with and without it, whose common covariance is
    estimated as the sample's, of low rank, plus a multiple of the diagonal (of the identity, for plain weights): the
    direction of a ridge regression on a label is Fisher's. Blocks and penalty are chosen for each target on the shadows
    of the other half of the models. Outputs at one record say something of all others, which LiRA does not read.
    """
    blocks = _blocks(evidence.reference, access)
    units = _units(blocks, access)
    pairs = [[b / u for b, u in zip(bs, units, strict=True)] for bs in (blocks, _blocks(evidence, access))]
    members, scores = evidence.members, np.empty(evidence.members.shape)

    def mixed(parts, shares):
        return np.hstack([np.sqrt(share) * part for share, part in zip(shares, parts, strict=True) if share])

    for targets, others in halves(len(members), 4):
        known = [part[others] for part in pairs[0]]
        tried = {}
        for shares in SHARES[access]:
            fits = left_out_predictions(mixed(known, shares), members[others], PENALTIES)
            for penalty, fit in zip(PENALTIES, fits, strict=True):
                tried[shares, penalty] = auc(fit, members[others]).mean()
        shares, penalty = max(tried, key=lambda key: tried[key])
        attack = partial(regress_membership, members=members, penalties=(penalty,))
        shadows, own = (mixed(parts, shares) for parts in pairs)
        scores[targets] = against(shadows, own, attack)[targets]
    return scores


def joint_decoder(evidence: "Evidence") -> np.ndarray:
    """Score all records of a release together, from a model of how each of them moves the weights (white box).

    Returns
    -------
    array (M, N)
        Posterior means of the memberships, as -1 and 1, under a normal law.

    Raises
    ------
    ValueError
        For fewer than eight models.

    Notes
    -----
    Weights are modelled as mean + sum over records of membership times shift + noise. Shifts are fitted by ridge
    regression on seven eighths of the shadows, the noise by a tenth of the covariance of what they leave and its mean
    variance in every weight; the memberships of a target of the last eighth are then decoded at once. What other
    records do to the weights is not noise here, as it is for a regression of one membership.
    """
    own, shadows = (e.models.vectors().astype(np.float64) for e in (evidence, evidence.reference))
    signs, scores = 2.0 * evidence.members - 1, np.empty(evidence.members.shape)
    halves(len(own), FOLDS)  # says so if there are too few
    own, shadows = _coordinates(own, shadows)
    for fold in range(FOLDS):
        held = np.arange(len(own)) % FOLDS == fold
        known, rows = signs[~held], shadows[~held]
        rows = rows - (mean := rows.mean(axis=0))
        gram = known @ known.T
        fitted = np.linalg.solve(gram + np.eye(len(known)), np.hstack([rows, gram]))
        shifts, free = known.T @ fitted[:, : rows.shape[1]], len(known) - np.trace(fitted[:, rows.shape[1] :])
        left = rows - known @ shifts
        noise = left.T @ left / max(free, 1.0)
        variance = max(np.trace(noise) / max(len(noise), 1), 1e-300)
        noise = LOW_RANK * noise + variance * np.eye(len(noise))
        readers = np.linalg.solve(noise, shifts.T)
        scores[held] = (own[held] - mean) @ np.linalg.solve(np.eye(len(shifts)) + shifts @ readers, readers.T).T
    return np.round(scores, 9)


def _coordinates(own: np.ndarray, shadows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets of rows in orthonormal coordinates of what they span around the shadows' mean."""
    rows = shadows if np.array_equal(own, shadows) else np.vstack([own, shadows])
    rows = rows - shadows.mean(axis=0)
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > 1e-12 * values[-1]
    placed = vectors[:, kept] * np.sqrt(values[kept])
    return placed[: len(own)], placed[-len(shadows) :]


def _normal_scores(scores: np.ndarray) -> np.ndarray:
    """Return the ranks of a target's records among each other as normal quantiles: no attack's tails count for more."""
    return special.ndtri(stats.rankdata(scores, axis=1) / (scores.shape[1] + 1))


@lru_cache(maxsize=1)  # two stacks of one evidence share the halves, and what attacks have kept of them
def _within(evidence: "Evidence") -> "list[tuple[np.ndarray, np.ndarray, Evidence]]":
    """Return each half of the models, the records that it has enough models of, and the shadows' evidence of both."""
    parts = [
        (half, np.flatnonzero(enough_shadows(evidence.members[half]))) for half, _ in halves(len(evidence.losses), 16)
    ]
    return [(half, enough, evidence.reference.take(half).records(enough)) for half, enough in parts]


def stacked(evidence: "Evidence", parts: Sequence[Callable[["Evidence"], np.ndarray]]) -> np.ndarray:
    """Score by what several attacks say together, weighed by a classifier that was fitted on shadows.

    Parameters
    ----------
    evidence : Evidence
    parts : sequence of callable
        Attacks, from an Evidence to scores (M, N).

    Returns
    -------
    array (M, N)

    Raises
    ------
    ValueError
        For fewer than sixteen models.

    Notes
    -----
    The classifier that judges one half of the models is fitted on the other half's scores, which are computed within
    that half: leave-one-out scores of shadows are otherwise fitted with the target's own membership, which a classifier
    would read off them.
    """

    def features(seen):
        return np.stack([_normal_scores(part(seen)) for part in parts], axis=-1)

    known = np.zeros((*evidence.members.shape, len(parts)))  # 0, nothing, where a half has too few models
    for half, enough, seen in _within(evidence):
        known[np.ix_(half, enough)] = features(seen)
    return classify(features(evidence), evidence.members, None, known, evidence.seed)
