"""Models before and after a quantizer that reads records: the cases of notebook 09.

A case is a pool, as many records outside it, and models trained on random halves of the pool. ``calibrate`` quantizes
each of its models with records of its own, its members or others.
"""

from dataclasses import dataclass, replace

import numpy as np

from qmis_utils import ensemble
from qmis_utils.studies import molecular, synthetic

MODES = {"close modes": 4.0, "distant modes": 12.0}  # synthetic settings -> distance of their eight modes


@dataclass(frozen=True, eq=False)
class Case:
    """Hold a pool, records outside it, and models with their members; ``others`` are halves of the records outside."""

    x: np.ndarray
    y: np.ndarray
    x_out: np.ndarray
    y_out: np.ndarray
    members: np.ndarray
    others: np.ndarray
    models: ensemble.Ensemble


def draw_case(setting, init, draw, tables, *, n_models=48, n_pool=256, dim=128, steps=200, seed=0):
    """Draw a pool and as many records outside it, and train models on random halves of the pool.

    Parameters
    ----------
    setting : str
        One of ``MODES``, or a name in ``tables``.
    init : {"shared", "random"}
        One initialisation for all models, or one each.
    draw : int
        Draws differ in everything: records (of a table the split into pool and others), members, initialisation.
    tables : dict of molecular.Pool
        Name -> table, whose scaffold test set is not used: its molecules have another law.
    n_models, n_pool, dim, steps, seed : int
        Models; records of a synthetic pool, and their inputs; full-batch Adam steps, half as many on molecules.

    Returns
    -------
    Case
    """
    rng = np.random.default_rng([seed, draw])
    if setting in tables:
        table = tables[setting]
        x, y, task, steps = table.x, table.y, table.kind, steps // 2
    else:
        mixture = synthetic.Setting(setting, separation=MODES[setting], dim=dim)
        world = synthetic.draw_world(mixture, rng)
        (x, y), task = synthetic.draw_records(mixture, 2 * n_pool, world, rng), "binary"
    half = len(x) // 2
    inside, outside = np.split(rng.permutation(len(x))[: 2 * half], 2)
    members, others = (molecular.draw_members(n_models, half, rng) for _ in range(2))
    models = ensemble.train(x[inside], y[inside], members, task=task, steps=steps, init=init, seed=seed + draw)
    x = x.astype(np.float32)
    return Case(x[inside], y[inside], x[outside], y[outside], members, others, models)


def calibrate(case, rule, on_members, bits=3):
    """Quantize each model of a case with its members, or with its half of the records outside.

    Parameters
    ----------
    case : Case
    rule : callable
        ``quantize_gptq`` or ``quantize_activation_clip``.
    on_members : bool
    bits : int

    Returns
    -------
    Ensemble
        Each layer reads what reaches it in full precision.
    """
    x, rows = (case.x, case.members) if on_members else (case.x_out, case.others)
    inputs, weights = x[np.nonzero(rows)[1].reshape(len(rows), -1)], []
    for w, bias in zip(case.models.weights, case.models.biases, strict=True):
        weights.append(rule(w, bits, inputs).values)
        inputs = np.maximum(inputs @ w.mT.numpy() + bias[:, None].numpy(), 0)
    return replace(case.models, weights=tuple(weights))
