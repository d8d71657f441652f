"""What a quantizer saves beside full precision of the same utility that was trained less; used by notebook 06.

A release that predicts nothing leaks nothing. Training little is the cheapest way to lose utility, so a quantizer must
be compared with full precision that is stopped where it is as useful. ``compare`` is one pool and one initialisation
whole, an independent job for ``run.sweep``.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qmis_utils import attacks, ensemble
from qmis_utils.assess import utility
from qmis_utils.ensemble import Ensemble
from qmis_utils.studies import molecular, synthetic

MIXTURES: dict[str, dict[str, Any]] = {  # name -> what differs from the default setting of ``studies.synthetic``
    "clear classes": {"separation": 12.0},
    "overlapping classes": {"separation": 4.0},
    "noisy labels": {"separation": 12.0, "label_noise": 0.1},
    "many records": {"n_pool": 768, "dim": 48, "k_modes": 12, "separation": 6.0, "label_noise": 0.1},
}
MOLECULES = {"BBB": "BBB_Martins", "FreeSolv": "FreeSolv"}  # name -> task, from RDKit's descriptors
SETTINGS = (*MIXTURES, *MOLECULES)
TENTHS = (1, 2, 4, 8)  # steps of a tenth of the usual size: the first usual step, in parts
STEPS = (1, 2, 4, 8, 16, 32, 64)  # usual steps after which full precision is stopped
LR = 1e-2  # of a usual step
STRONG = ("lira", "lira_fixed", "stacked_outputs")  # the strongest known attacks on outputs


class Records(NamedTuple):
    """Hold a pool, fresh records of the same law, the task, and the number of steps of a whole training."""

    x: np.ndarray
    y: np.ndarray
    x_out: np.ndarray
    y_out: np.ndarray
    task: str
    steps: int
    ranked: bool  # whether AUROC stands for accuracy, where one class is rare


def draw(name: str, seed: int = 0, n_heldout: int = 2000, max_molecules: int = 600) -> Records:
    """Draw the records of a setting: another seed is another pool, of molecules another part of one table.

    Parameters
    ----------
    name : str
        One of ``SETTINGS``.
    seed : int
    n_heldout, max_molecules : int
        Fresh records of a mixture; molecules of a table at most, three tenths of them fresh.

    Raises
    ------
    ValueError
        For an unknown setting.
    """
    if name not in SETTINGS:
        raise ValueError(f"unknown setting {name!r}; valid: {', '.join(SETTINGS)}")
    if name in MOLECULES:
        table = molecular.prepare(MOLECULES[name], "rdkit2d", max_molecules=max_molecules)  # embedded once
        x, y = np.vstack([table.x, table.x_test]), np.concatenate([table.y, table.y_test])
        order = np.random.default_rng([seed, 2]).permutation(len(x))
        fresh, pool = np.split(order, [3 * len(x) // 10])
        return Records(x[pool], y[pool], x[fresh], y[fresh], table.kind, 100, table.kind == "binary")
    setting, rng = synthetic.Setting(name, **MIXTURES[name]), np.random.default_rng([seed, 2])
    world = synthetic.draw_world(setting, rng)
    x, y = synthetic.draw_records(setting, setting.n_pool, world, rng)
    x_out, y_out = synthetic.draw_records(setting, n_heldout, world, rng)
    return Records(x, y, x_out, y_out, "binary", setting.steps, False)


def train(records: Records, members: np.ndarray, init: str, seed: int, steps: int, lr: float = LR) -> Ensemble:
    """Train one network of 32 hidden units per row of ``members``, by full-batch Adam, in full precision."""
    return ensemble.train(records.x, records.y, members, task=records.task, steps=steps, lr=lr, init=init, seed=seed)


def judge(records: Records, members: np.ndarray, models: Ensemble) -> tuple[float, float]:
    """Return the mean utility on fresh records, and the mean AUC of LiRA (online, the other models as shadows)."""
    useful = utility(models.logits(records.x_out), records.y_out, records.task, ranked=records.ranked)
    signals = attacks.signal(models.logits(records.x), records.y, records.task)
    return float(useful.mean()), float(attacks.auc(attacks.lira(signals, members), members).mean())


def strongest(records: Records, members: np.ndarray, models: Ensemble) -> float:
    """Return the mean AUC of the strongest known attack on outputs, picked of ``STRONG`` on other targets."""
    seen = attacks.observe(models, records.x, records.y, members, records.x_out, records.y_out)
    found = {name: attacks.auc(attacks.ATTACKS[name].run(seen), members)[:, None] for name in STRONG}
    return float(attacks.strongest(found).mean())


def compare(name: str, seed: int, init: str, names: tuple[str, ...], n_models: int = 64,
            tenths: tuple[int, ...] = TENTHS, steps: tuple[int, ...] = STEPS, early: bool = False,
            slacks: tuple[float, ...] = (), **sizes: int) -> pd.DataFrame:  # fmt: skip
    """Judge full precision at every stop, and quantizers after the whole training: one point of the sweep.

    Parameters
    ----------
    name, seed, **sizes
        As in ``draw``; the seed is also that of the halves and of the initialisation.
    init : {"shared", "random"}
        One initialisation for all models, which the attacker knows, or one each.
    names : names of ``quantizers.QUANTIZERS``
    n_models : int
    tenths, steps : tuple of int
        Stops, in steps of a tenth of the usual size and in usual steps.
    early : bool
        Whether to quantize the models of every stop, too.
    slacks : tuple of float
        Tolerances of ``leak_at`` to be asked for: then quantizers, the whole training, and the stops that ``leak_at``
        reads for any quantizer also meet the strongest known attack, at a hundred times the cost of LiRA.

    Returns
    -------
    DataFrame
        With the columns setting, seed, init, kind ("stopped" or "quantized"), model, length (usual steps), utility, and
        the AUCs lira, strongest and null, the strongest under memberships dealt to others. NaN where it was not run;
        the null is that of the whole training. The first row, of length 0, is the untrained model: it has seen no
        record, so that its AUC is one half. The stop of full length is the release that the quantizers are made from.

    Raises
    ------
    ValueError
        As ``draw``; with slacks, for fewer than sixteen models.
    """
    records = draw(name, seed, **sizes)
    members = molecular.draw_members(n_models, len(records.x), np.random.default_rng([seed, 5]))
    untrained = train(records, members, init, seed, 1, 1e-30)  # no weight moves by so little
    whole = train(records, members, init, seed, records.steps)
    guess = utility(untrained.logits(records.x_out), records.y_out, records.task, ranked=records.ranked)
    released, rows = [untrained], [("stopped", "untrained", 0.0, float(guess.mean()), 0.5)]
    for count, size in [*((k, 0.1) for k in tenths), *((k, 1.0) for k in steps), (records.steps, 1.0)]:
        last = count * size == records.steps
        models = whole if last else train(records, members, init, seed, count, size * LR)
        found = [("stopped", "fp32" if last else "early stop", models)]
        found += [("quantized", q, models.quantize(q)) for q in names if early or last]
        released += [models for *_, models in found]
        rows += [(kind, model, count * size, *judge(records, members, m)) for kind, model, m in found]
    frame = pd.DataFrame(rows, columns=["kind", "model", "length", "utility", "lira"])
    frame[["strongest", "null"]] = np.nan
    if slacks:
        is_stop, fp32 = frame.kind == "stopped", frame.index[frame.model == "fp32"][0]
        useful, wanted = frame.utility[is_stop], itertools.product(frame.utility[~is_stop], slacks)
        read = [[leak_at(useful, stop, *asked) > 0 for stop in np.eye(len(useful))] for asked in wanted]
        asked = set(useful.index[np.any(read, axis=0)]) | set(frame.index[~is_stop]) | {fp32}
        frame["strongest"] = [strongest(records, members, m) if i in asked else np.nan for i, m in enumerate(released)]
        frame.loc[0, "strongest"] = 0.5
        dealt = attacks.permuted(members, np.random.default_rng([seed, 6]))
        frame.loc[fp32, "null"] = strongest(records, dealt, whole)
    return frame.assign(setting=name, seed=seed, init=init)


def leak_at(useful: ArrayLike, leak: ArrayLike, wanted: float, tolerance: float = 0.005) -> float:
    """Return what full precision leaks where training stops at a wanted utility.

    Of the stops, in order of length, those stay that are more useful than every shorter one; between two of them leak
    is linear in utility, as it is for who releases one or the other by lot.

    Parameters
    ----------
    useful, leak : array (S,)
        Of the stops, the shortest first.
    wanted : float
        The utility to be matched.
    tolerance : float
        How much less a stopped model may be worth and still be as useful.

    Returns
    -------
    float
        NaN where even the most useful stop is worth less, or the shortest is worth as much.

    Examples
    --------
    >>> round(leak_at([0.5, 0.7, 0.6, 0.9], [0.5, 0.6, 0.9, 0.8], 0.8, tolerance=0.0), 6)
    0.7
    """
    useful, leak = np.asarray(useful, float), np.asarray(leak, float)
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(useful)[:-1]])
    kept = useful > best_before
    target = wanted - tolerance
    if not useful[0] < target <= useful.max():
        return float("nan")
    return float(np.interp(target, useful[kept], leak[kept]))
