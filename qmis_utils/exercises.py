"""Self-checks of the notebooks' exercises.

`check("01.2", answer)` says right, wrong with a hint, or not answered yet. The exercises are listed in
`notebooks/exercises.yaml`, and no answer is stored: a number is known by a slow salted hash, and where many answers are
right, a function of this module tests the property that the exercise asks for.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import norm

from qmis_utils import indicators, molecules, quantizers
from qmis_utils.store import paths
from qmis_utils.store.extras import extra
from qmis_utils.store.paths import checkout
from qmis_utils.theory import rates, security

with extra("companion"):
    import yaml

PROPERTIES = {}  # name, as exercises.yaml has it -> function of an answer


@dataclass(frozen=True)
class Verdict:
    """What a check found: `right` is None for an exercise not answered yet. A notebook shows its message."""

    right: bool | None
    message: str

    def __repr__(self):
        return self.message


@dataclass(frozen=True)
class Number:
    """An answer known by the hash of its cell on a grid of step `unit`; neighbouring cells count as right."""

    seal: str
    unit: float
    hint: str
    wanted = "one finite number"

    def right(self, key, answer):
        """Tell whether the answer lies in the sealed cell or beside it."""
        if isinstance(answer, bool) or not math.isfinite(answer):
            raise TypeError("not a finite number")
        cell = round(float(answer) / self.unit)
        return any(seal(key, str(near)) == self.seal for near in (cell, cell - 1, cell + 1))


@dataclass(frozen=True)
class Property:
    """An answer known by what it can do: `holds(answer)` tells whether it has the property asked for."""

    holds: Callable
    hint: str
    wanted: str

    def right(self, key, answer):
        """Tell whether the answer has the property."""
        return bool(self.holds(answer))


def seal(key, text):
    """Return the salted hash of an answer: no number can be read off it, though who wants to can try them all."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), f"qmis {key}".encode(), 40_000).hex()[:16]


def check(key, answer):
    """Tell whether an answer to an exercise is right; a wrong one gets a hint, never the solution.

    Parameters
    ----------
    key : str
        Number of the exercise, such as "01.2": the notebook and the position in it.
    answer : object
        What the exercise asks for; None where it is not answered yet.

    Returns
    -------
    Verdict
        An answer of the wrong kind is wrong, and raises nothing.

    Raises
    ------
    ValueError
        There is no such exercise, or no checkout of the notebooks that it belongs to.

    Examples
    --------
    >>> check("00.1", None)
    00.1: not answered yet
    """
    exercises = read_exercises()
    if key not in exercises:
        raise ValueError(f"no exercise {key!r}; there are {', '.join(exercises)}")
    exercise = exercises[key]
    if answer is None:
        return Verdict(None, f"{key}: not answered yet")
    try:
        right = exercise.right(key, answer)
    except Exception as error:  # the answer may be any object, even a function with a mistake in it
        return Verdict(False, f"{key}: this needs {exercise.wanted} ({type(error).__name__}: {error})")
    return Verdict(right, f"{key}: right" if right else f"{key}: not yet. Hint: {exercise.hint}")


# --------------------------------------------------------------------------------------------------------- properties
# torch and rdkit are imported where they are used: the theory notebooks need not wait for them.


def _property(holds):
    """Register a property under its name."""
    PROPERTIES[holds.__name__.removeprefix("_")] = holds
    return holds


@_property
def _coarser_leaks_more(answer):
    fine, coarse = map(float, answer)
    leaks = [security.gaussian_mean_insecurity(100, step, 0.3) for step in (fine, coarse)]
    return fine < coarse and leaks[1] > 1.2 * leaks[0]


@_property
def _averages_to_the_insecurity(exposure):
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = np.array([float(exposure(0.3 + node)) for node in nodes])
    exact = security.gaussian_mean_insecurity(10, 1.0, 0.3)
    spread = float(exposure(3.3)) > 2 * float(exposure(1.3)) > 0
    return spread and values.min() >= 0 and abs(values @ weights / weights.sum() / exact - 1) < 0.03


@_property
def _doubling_hurts(step):
    leaks = [security.gaussian_mean_insecurity(1000, width, 0.3) for width in (float(step), 2 * float(step))]
    return 0.2 <= step <= 0.6 and leaks[1] > 100 * leaks[0]


@_property
def _calibration_reveals(answer):
    n, p = answer
    none, none_given_zero = (1 - p) ** n, (1 - p) ** (n - 1)
    return int(n) == n >= 2 and 0 < p < 1 and p * none + (1 - p) * (none_given_zero - none) > 0.29


@_property
def _gaussian_rate_misleads(answer):
    gap, probs = (np.asarray(part, dtype=float) for part in answer)
    cramer = rates.cramer_rate(gap, probs)
    return len(gap) <= 4 and 0 < cramer < math.inf and rates.gaussian_rate(gap, probs) > 3 * cramer


@_property
def _loses_all_but_one(weights):
    weights = np.asarray(weights, dtype=float)
    quantized = quantizers.quantize(weights[None], "uniform_2")
    return weights.ndim == 1 and len(weights) >= 10 and (weights != 0).all() and (quantized.codes != 0).sum() == 1


@_property
def _keeps_most_in_three_levels(rule):
    weights = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    values = np.asarray(rule(weights.copy()), dtype=float)
    return values.shape == weights.shape and len(np.unique(values)) == 3 and np.corrcoef(values, weights)[0, 1] > 0.895


@_property
def _only_shape_survives(answer):
    quantized, full = (np.asarray(part, dtype=float) for part in answer)
    values = [indicators.survival_rho(quantized, full, name, draws=2).value for name in ("rho", "rho_shape")]
    return values[0] < 0.5 and values[1] > 0.99


@_property
def _one_molecule_two_texts(answer):
    from rdkit import Chem

    first, second = answer
    mols = [Chem.MolFromSmiles(text) for text in answer]
    return first != second and mols[0].GetNumHeavyAtoms() > 5 and len({Chem.MolToSmiles(mol) for mol in mols}) == 1


@_property
def _shares_a_scaffold(smiles):
    from rdkit import Chem

    shared = molecules.scaffolds([smiles, "Cc1ccccc1"])
    return shared[0] == shared[1] and Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() > 10


@_property
def _cleans_to_one_row(table):
    cleaned = molecules.clean(table, "smiles", "y", "regression")
    report = cleaned.attrs["report"]
    lists = [rows for name, rows in report.items() if name.endswith("_rows")]
    return len(table) == 4 and len(cleaned) == 1 and sum(map(bool, lists)) >= 2 and report["salts_stripped"] >= 1


@_property
def _ranks_right_and_scores_below_zero(outputs):
    y, outputs = np.arange(10.0), np.asarray(outputs, dtype=float)
    return np.mean((outputs - y) ** 2) > np.var(y) and (np.diff(outputs) > 0).all()  # R2 < 0, and y's own order


@_property
def _hides_the_few(answer):
    members, others = (np.asarray(part, dtype=float) for part in answer)
    larger = members[:, None] - others
    auc = ((larger > 0) + 0.5 * (larger == 0)).mean()
    found = max((members > bar).mean() for bar in others if (others > bar).mean() <= 0.1)
    return min(len(members), len(others)) >= 10 and auc < 0.6 and found >= 0.5


@_property
def _is_per_record(loss):
    import torch

    outputs, labels = torch.linspace(-2, 2, 6), torch.tensor([0, 1, 1, 0, 1, 0])
    changed = outputs.clone()
    changed[2] += 3
    before, after = (loss(given, labels) for given in (outputs, changed))
    return before.shape == (6,) and (before >= 0).all() and (before != after).tolist() == [i == 2 for i in range(6)]


# ----------------------------------------------------------------------------------------------------------- registry


@cache
def read_exercises():
    """Return the exercises of the notebooks, number -> ``Number`` or ``Property``, in order.

    Raises
    ------
    ValueError
        Without a checkout and outside the students' folder, or for an exercise that lacks something.

    Notes
    -----
    They stand in ``notebooks/exercises.yaml`` of the checkout; where the package alone is installed, in the
    ``exercises.yaml`` beside the notebook, which the students' archive holds.
    """
    path = Path("exercises.yaml")
    if paths.ROOT is not None or not path.exists():
        path = checkout("exercises") / "notebooks" / "exercises.yaml"
    return {key: _exercise(key, given) for key, given in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def _exercise(key, given):
    kind = Property if "holds" in given else Number
    needed = [field.name for field in fields(kind)]
    if sorted(given) != sorted(needed):
        raise ValueError(f"exercises.yaml, {key}: write {', '.join(needed)}; got {', '.join(given)}")
    if kind is Number:
        return Number(**given)
    if given["holds"] not in PROPERTIES:
        raise ValueError(f"exercises.yaml, {key}: no property {given['holds']!r}; there are {', '.join(PROPERTIES)}")
    return Property(**given | {"holds": PROPERTIES[given["holds"]]})
