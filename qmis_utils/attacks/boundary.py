"""Attacks by a record's distance from the decision boundary: from predicted labels alone, or with gradients.

The released model itself is asked, without shadows; a record's score (M, N) is higher the farther the boundary is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from qmis_utils import ensemble, records

if TYPE_CHECKING:
    from qmis_utils.attacks.evidence import Evidence

NOISE_SCALES = (0.25, 0.5, 1.0, 2.0)  # of the label-only attack, in standard deviations of the inputs
NOISE_DRAWS = 10  # at each scale
WALK_STARTS, WALK_STEPS = 8, 5  # of the adversarial distance, and steps from each start
HOPS, PROBES = 8, 48  # rounds of the label-only walk, and directions probed in each
HALVINGS = 12  # of a segment that crosses the boundary, and of a jump that may not
HOP_QUERIES = 1 + HALVINGS + HOPS * (PROBES + 2 * HALVINGS + 1)  # beside those of the starts, which all records share


def _records(models: ensemble.Ensemble, x: ArrayLike, y: ArrayLike) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and labels, checked, as float32 tensors where the models are."""
    x, y = ensemble.checked_records(models, x, y)
    return torch.as_tensor(x, device=models.device), torch.as_tensor(y, dtype=torch.float32, device=models.device)


def _margin(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return by how much the label's logit beats the best other one, (M, N); positive: the label is predicted."""
    if z.ndim == 2:
        return (2 * y - 1) * z
    own = torch.nn.functional.one_hot(y.long(), z.shape[-1]).bool()
    return (z * own).sum(dim=-1) - z.masked_fill(own, -torch.inf).amax(dim=-1)


@ensemble.single_threaded()
def label_only(evidence: "Evidence") -> np.ndarray:
    """Score by the share of noisy copies of a record that the model gives its label: predicted labels alone.

    Notes
    -----
    Choquette-Choo et al. (2021), arXiv 2007.14321: robustness under noise, at several scales; no shadows.
    """
    rng, x, y = np.random.default_rng(evidence.seed), evidence.x, torch.as_tensor(evidence.y)
    noise = [s * x.std() * rng.standard_normal(x.shape) for s in NOISE_SCALES for _ in range(NOISE_DRAWS)]
    return np.mean([_margin(torch.as_tensor(evidence.models.logits(x + step)), y) > 0 for step in noise], axis=0)


def label_only_boundary(evidence: "Evidence") -> np.ndarray:
    """Score by the distance to the decision boundary, walked along by predicted labels alone (``label_distance``).

    Notes
    -----
    Choquette-Choo et al. (2021), arXiv 2007.14321, their strongest; population records to start from, no shadows.
    """
    return label_distance(evidence.models, evidence.x, evidence.y, evidence.x_out, evidence.seed)


@ensemble.single_threaded()
def label_distance(
    models: ensemble.Ensemble, x: ArrayLike, y: ArrayLike, starts: ArrayLike, seed: int = 0
) -> np.ndarray:
    """Return how far each record is from the nearest input found at which its label stops, or starts, to be predicted.

    Parameters
    ----------
    models : Ensemble
        M classifiers.
    x, y : array (N, d) and (N,)
        The records and their labels.
    starts : array (Z, d)
        Records of which the nearest with the other answer is where the walk begins.
    seed : int
        Of the probes.

    Returns
    -------
    array (M, N)
        l2 distances, negative where the label is not predicted, upper bounds of the true ones; where no start gives the
        other answer, twice the largest norm of ``x``.

    Notes
    -----
    HopSkipJump (Chen et al. 2020, arXiv 1904.02144), ``HOPS`` rounds: bisect towards the record, estimate the
    boundary's normal from the answers at ``PROBES`` random points around, and jump along it.
    """
    x, y = _records(models, x, y)
    starts = torch.as_tensor(records.inputs(starts, x.shape[1], "starts"), device=models.device)
    rng = np.random.default_rng(seed)
    return np.stack([_hop(models[m : m + 1], x, y, starts, rng) for m in range(len(models))])


def _answers(model: ensemble.Ensemble, points: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return whether one model predicts the label y at points (..., N, d), a bool tensor (..., N)."""
    y = y.expand(points.shape[:-1])
    z = ensemble.outputs(model, points.reshape(1, -1, points.shape[-1]))
    return (_margin(z if model.task == "multiclass" else z[..., 0], y.reshape(1, -1)) > 0).reshape(y.shape)


def _other_answers(model, x, y, starts, own):
    """Return the nearest start (N, d) at which the answer for y differs from ``own``, and whether there is one."""
    other = torch.stack([_answers(model, starts, label.expand(len(starts))) for label in y.unique()])
    differs = other[torch.searchsorted(y.unique(), y)] != own[:, None]
    distance = torch.cdist(x, starts).masked_fill(~differs, torch.inf)
    return starts[distance.argmin(dim=1)], differs.any(dim=1)


@torch.no_grad()
def _hop(model, x, y, starts, rng):
    own = _answers(model, x, y)
    beyond, exists = _other_answers(model, x, y, starts, own)

    def crossed(points):
        return _answers(model, points, y) != own

    def length(points):
        return (points - x).norm(dim=1)

    beyond = _towards(x, beyond, crossed)
    for hop in range(1, HOPS + 1):
        far = length(beyond)[:, None]
        probes = torch.tensor(rng.standard_normal((PROBES, 1, x.shape[1])), dtype=torch.float32, device=x.device)
        probes /= probes.norm(dim=2, keepdim=True)
        # a radius of 1/d of the distance, as in the paper: far more than a bisection leaves open
        signs = torch.where(crossed(beyond + far / x.shape[1] * probes), 1.0, -1.0)
        signs = torch.where(signs.std(dim=0) > 0, signs - signs.mean(dim=0), signs)
        normal = torch.nn.functional.normalize((signs[..., None] * probes).sum(dim=0), dim=1)
        jump = far / hop**0.5 * normal
        for _ in range(HALVINGS):
            jump = torch.where(crossed(beyond + jump)[:, None], jump, jump / 2)
        landed = torch.where(crossed(beyond + jump)[:, None], beyond + jump, beyond)
        nearer = _towards(x, landed, crossed)
        beyond = torch.where((length(nearer) < length(beyond))[:, None], nearer, beyond)
    found = torch.where(exists, length(beyond), 2 * x.norm(dim=1).max())
    return torch.where(own, found, -found).double().cpu().numpy()


def _towards(x: torch.Tensor, beyond: torch.Tensor, crossed: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Move points beyond the boundary towards x by bisection, and leave them beyond it."""
    low, high = x.new_zeros(len(x), 1), x.new_ones(len(x), 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        over = crossed(x + middle * (beyond - x))[:, None]
        low, high = torch.where(over, low, middle), torch.where(over, middle, high)
    return x + high * (beyond - x)


def adversarial_distance(evidence: "Evidence") -> np.ndarray:
    """Score by the distance to an adversarial example found with gradients (``boundary_distance``): white box.

    Notes
    -----
    Del Grosso et al. (2022), arXiv 2203.09566; the released model itself, no shadows.
    """
    return boundary_distance(evidence.models, evidence.x, evidence.y, evidence.seed)


@ensemble.single_threaded()
def boundary_distance(
    models: ensemble.Ensemble, x: ArrayLike, y: ArrayLike, seed: int = 0, chunk: int = 16
) -> np.ndarray:
    """Return how far each record is from the nearest input found at which the model stops, or starts, to be right.

    Parameters
    ----------
    models : Ensemble
        M classifiers.
    x, y : array (N, d) and (N,)
        The records and their labels.
    seed : int
        Of the restarts.
    chunk : int
        So many models at a time bound the memory.

    Returns
    -------
    array (M, N)
        l2 distances, negative where the label is not predicted: exact for a linear boundary, else upper bounds, loose
        where a coarse quantizer leaves whole regions without a gradient; twice the largest norm of ``x`` where nothing
        nearer is found.

    Notes
    -----
    Each step goes to the point nearest the record on the linearised boundary, as in DeepFool (Moosavi-Dezfooli et al.
    2016, arXiv 1511.04599) and FAB (Croce and Hein 2020, arXiv 1907.02044); restarts at random points within the best
    distance find other pieces of the boundary.

    Examples
    --------
    >>> line = ensemble.Ensemble((torch.tensor([[[3.0, 4.0]]]),), (torch.tensor([[0.0]]),), "binary")
    >>> boundary_distance(line, [[3.0, 4.0], [-0.3, -0.4]], [1, 1]).round(4)
    array([[ 5. , -0.5]])
    """
    (x, y), chunk = _records(models, x, y), records.whole(chunk, "chunk")
    rng = np.random.default_rng(seed)
    return np.concatenate([_walk(models[at : at + chunk], x, y, rng) for at in range(0, len(models), chunk)])


def _linearised(models: ensemble.Ensemble, point: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the margin at each model's own points (M, N, d), (M, N), and its gradient there."""
    z = ensemble.outputs(models, point.requires_grad_())
    margin = _margin(z if models.task == "multiclass" else z[..., 0], y)
    (gradient,) = torch.autograd.grad(margin.sum(), point)
    return margin.detach(), gradient


def _walk(models, x, y, rng):
    reach, moved = 2 * x.norm(dim=1).max(), x.new_zeros(len(models), *x.shape)
    side = _linearised(models, x + moved, y)[0].sign()
    best, nearest = moved, torch.full_like(side, reach)
    for step in range(WALK_STARTS * WALK_STEPS):
        if step and step % WALK_STEPS == 0:
            moved = torch.tensor(rng.standard_normal(moved.shape), dtype=torch.float32, device=x.device)
            radius = nearest * torch.tensor(rng.random(side.shape), device=x.device)
            moved *= (radius / moved.norm(dim=2))[..., None].float()
        margin, gradient = _linearised(models, x + moved, y)
        length = moved.norm(dim=2)
        better = (margin * side <= 0) & (length < nearest)
        best, nearest = torch.where(better[..., None], moved, best), torch.where(better, length, nearest)
        # 2 % beyond the linearised boundary, so that rounding does not leave the point before it
        share = 1.02 * ((gradient * moved).sum(dim=2) - margin) / gradient.square().sum(dim=2).clamp_min(1e-12)
        moved = share[..., None] * gradient
        moved = moved * (reach / moved.norm(dim=2).clamp_min(1e-12)).clamp_max(1)[..., None]
    return (side * nearest * _first_crossing(models, x, best, y, side)).double().cpu().numpy()


def _first_crossing(models, x, best, y, side, halvings=20):
    """Return at which share of the way from x to x + best the side changes, by bisection; 1 where it does not."""
    low, high = torch.zeros_like(side), torch.ones_like(side)
    for _ in range(halvings):
        middle = (low + high) / 2
        crossed = _linearised(models, x + middle[..., None] * best, y)[0] * side <= 0
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return high
