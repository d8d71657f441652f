"""Attacks by a threshold on what one model says of a record, mostly without shadow models.

Each returns scores (M, N) of M models and N records, higher = more likely a member.
"""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from qmis_utils.attacks.judging import best_threshold, halves

if TYPE_CHECKING:
    from qmis_utils.attacks.evidence import Evidence


def loss(evidence: "Evidence") -> np.ndarray:
    """Score by minus the loss: black-box scores and the label.

    Notes
    -----
    Yeom et al. (2018), arXiv 1709.01604.
    """
    return -evidence.losses


def max_confidence(evidence: "Evidence") -> np.ndarray:
    """Score by the largest class probability, no label needed.

    Notes
    -----
    Salem et al. (2018), arXiv 1806.01246, adversary 3.
    """
    return evidence.probabilities.max(axis=-1)


def entropy(evidence: "Evidence") -> np.ndarray:
    """Score by minus the entropy of the class probabilities, no label needed.

    Notes
    -----
    Salem et al. (2018), arXiv 1806.01246, adversary 3.
    """
    p = evidence.probabilities
    return (p * np.log(np.maximum(p, 1e-30))).sum(axis=-1)


def modified_entropy(evidence: "Evidence") -> np.ndarray:
    """Score by (1 - p_y) log p_y + sum_{c != y} p_c log(1 - p_c): black-box scores and the label.

    One threshold serves all classes here; ``modified_entropy_by_class`` takes one a class.

    Notes
    -----
    Minus the modified entropy of Song and Mittal (2021), arXiv 2003.10595, equation 8, which is large where the model
    is sure of a wrong class.
    """
    p = evidence.probabilities
    own = np.arange(p.shape[-1]) == evidence.y.astype(int)[:, None]
    mass, certainty = np.where(own, 1 - p, p), np.where(own, p, 1 - p)
    return (mass * np.log(np.maximum(certainty, 1e-30))).sum(axis=-1)


def modified_entropy_by_class(evidence: "Evidence") -> np.ndarray:
    """Score by how far, in logs, the modified entropy lies below its class's threshold, the best one on shadow models.

    Black-box scores and the label; the shadows of a target are the other half of the models. Logs, since the classes'
    thresholds may differ by orders of magnitude; the threshold of each is 0 here.

    Raises
    ------
    ValueError
        For fewer than two models.

    Notes
    -----
    Song and Mittal (2021), arXiv 2003.10595: a threshold for each class.
    """
    own, shadows = (-np.log(np.maximum(-modified_entropy(e), 1e-30)) for e in (evidence, evidence.reference))
    members, margins = evidence.members, np.empty_like(own)
    for targets, others in halves(len(members), 2):
        for label in np.unique(evidence.y):
            rows, known = np.ix_(targets, evidence.y == label), np.ix_(others, evidence.y == label)
            margins[rows] = own[rows] - best_threshold(shadows[known], members[known])
    return margins


@threadpool_limits.wrap(limits=1, user_api="openmp")  # see ``learned.classify``
def quantile(evidence: "Evidence", fpr: float = 0.1) -> np.ndarray:
    """Score by the margin over the confidence that all but ``fpr`` of the population records like it stay below.

    Black-box scores, no shadow models: for each target, a quantile regression on (x, y) of its outputs on population
    records.

    Parameters
    ----------
    evidence : Evidence
    fpr : float
        Share of the population records above the threshold, in (0, 1).

    Returns
    -------
    array (M, N)
        0 is the threshold of that rate, which is exceeded a little where population records are few.

    Notes
    -----
    Bertran et al. (2023), arXiv 2307.03694, by scikit-learn's gradient boosting with the pinball loss; small trees,
    since large ones follow the sample and miss the rate.
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
