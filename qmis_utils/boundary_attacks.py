"""Attacks by a record's distance from the decision boundary: from predicted labels alone, or with gradients.

``evidence`` is a ``families.Evidence``; the released model itself is asked, without shadows.
"""

import numpy as np
import torch

from qmis_utils import ensemble

NOISE_SCALES = (0.25, 0.5, 1.0, 2.0)  # of the label-only attack, in standard deviations of the inputs
NOISE_DRAWS = 10  # at each scale
WALK_STARTS, WALK_STEPS = 8, 5  # of the adversarial distance, and steps from each start


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
    z = ensemble.outputs(models, point.requires_grad_())
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
