"""Self-checks of the notebooks' exercises, and the student and instructor sets made of the notebooks.

`check("01.2", answer)` says right, wrong with a hint, or not answered yet. No answer is stored here: a number is known
by a slow salted hash, and where many answers are right, a function tests the property that the exercise asks for.

    python -m qmis_utils.exercises    write build/students (solutions out) and build/instructor
"""

import copy
import hashlib
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm

from qmis_utils import indicators, molecules, quantizers
from qmis_utils.runner import notebooks
from qmis_utils.store.paths import ROOT
from qmis_utils.studies import molecular
from qmis_utils.theory import rates, security


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

    Args:
        key: Number of the exercise, such as "01.2": the notebook and the position in it.
        answer: What the exercise asks for; None where it is not answered yet.

    Returns:
        The `Verdict`. An answer of the wrong kind is wrong, and raises nothing.

    Raises:
        ValueError: There is no such exercise.

    Example:
        >>> check("00.1", None)
        00.1: not answered yet
    """
    if key not in EXERCISES:
        raise ValueError(f"no exercise {key!r}; there are {', '.join(EXERCISES)}")
    exercise = EXERCISES[key]
    if answer is None:
        return Verdict(None, f"{key}: not answered yet")
    try:
        right = exercise.right(key, answer)
    except Exception as error:  # the answer may be any object, even a function with a mistake in it
        return Verdict(False, f"{key}: this needs {exercise.wanted} ({type(error).__name__}: {error})")
    return Verdict(right, f"{key}: right" if right else f"{key}: not yet. Hint: {exercise.hint}")


# --------------------------------------------------------------------------------------------------------- properties
# The modules of networks and molecules are imported where they are used: theory notebooks need not wait for them.


def _coarser_leaks_more(answer):
    fine, coarse = map(float, answer)
    leaks = [security.gaussian_mean_insecurity(100, step, 0.3) for step in (fine, coarse)]
    return fine < coarse and leaks[1] > 1.2 * leaks[0]


def _averages_to_the_insecurity(exposure):
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = np.array([float(exposure(0.3 + node)) for node in nodes])
    exact = security.gaussian_mean_insecurity(10, 1.0, 0.3)
    spread = float(exposure(3.3)) > 2 * float(exposure(1.3)) > 0
    return spread and values.min() >= 0 and abs(values @ weights / weights.sum() / exact - 1) < 0.03


def _doubling_hurts(step):
    leaks = [security.gaussian_mean_insecurity(1000, width, 0.3) for width in (float(step), 2 * float(step))]
    return 0.2 <= step <= 0.6 and leaks[1] > 100 * leaks[0]


def _calibration_reveals(answer):
    n, p = answer
    none, none_given_zero = (1 - p) ** n, (1 - p) ** (n - 1)
    return int(n) == n >= 2 and 0 < p < 1 and p * none + (1 - p) * (none_given_zero - none) > 0.29


def _gaussian_rate_misleads(answer):
    gap, probs = (np.asarray(part, dtype=float) for part in answer)
    cramer = rates.cramer_rate(gap, probs)
    return len(gap) <= 4 and 0 < cramer < math.inf and rates.gaussian_rate(gap, probs) > 3 * cramer


def _loses_all_but_one(weights):

    weights = np.asarray(weights, dtype=float)
    quantized = quantizers.quantize(weights[None], "uniform_2")
    return weights.ndim == 1 and len(weights) >= 10 and (weights != 0).all() and (quantized.codes != 0).sum() == 1


def _keeps_most_in_three_levels(rule):
    weights = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    values = np.asarray(rule(weights.copy()), dtype=float)
    return values.shape == weights.shape and len(np.unique(values)) == 3 and np.corrcoef(values, weights)[0, 1] > 0.895


def _only_shape_survives(answer):

    quantized, full = (np.asarray(part, dtype=float) for part in answer)
    values = [indicators.survival_rho(quantized, full, name, draws=2).value for name in ("rho", "rho_shape")]
    return values[0] < 0.5 and values[1] > 0.99


def _one_molecule_two_texts(answer):
    from rdkit import Chem

    first, second = answer
    mols = [Chem.MolFromSmiles(text) for text in answer]
    return first != second and mols[0].GetNumHeavyAtoms() > 5 and len({Chem.MolToSmiles(mol) for mol in mols}) == 1


def _shares_a_scaffold(smiles):
    from rdkit import Chem

    shared = molecules.scaffolds([smiles, "Cc1ccccc1"])
    return shared[0] == shared[1] and Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() > 10


def _cleans_to_one_row(table):

    cleaned = molecules.clean(table, "smiles", "y", "regression")
    report = cleaned.attrs["report"]
    lists = [rows for name, rows in report.items() if name.endswith("_rows")]
    return len(table) == 4 and len(cleaned) == 1 and sum(map(bool, lists)) >= 2 and report["salts_stripped"] >= 1


def _ranks_right_and_scores_below_zero(outputs):

    y, outputs = np.arange(10.0), np.asarray(outputs, dtype=float)[None]
    return molecular.utility(outputs, y, "regression")[0] < 0 and molecular.spearman(outputs, y)[0] > 0.999


def _hides_the_few(answer):
    members, others = (np.asarray(part, dtype=float) for part in answer)
    larger = members[:, None] - others
    auc = ((larger > 0) + 0.5 * (larger == 0)).mean()
    found = max((members > bar).mean() for bar in others if (others > bar).mean() <= 0.1)
    return min(len(members), len(others)) >= 10 and auc < 0.6 and found >= 0.5


def _is_per_record(loss):
    import torch

    outputs, labels = torch.linspace(-2, 2, 6), torch.tensor([0, 1, 1, 0, 1, 0])
    changed = outputs.clone()
    changed[2] += 3
    before, after = (loss(given, labels) for given in (outputs, changed))
    return before.shape == (6,) and (before >= 0).all() and (before != after).tolist() == [i == 2 for i in range(6)]


# ----------------------------------------------------------------------------------------------------------- registry

EXERCISES = {
    "00.1": Number(
        "ec8432da5ed3aad1",
        0.005,
        "an attack that is right with probability (1 + Delta) / 2 gives Delta; MIS is 1 - Delta.",
    ),
    "00.2": Number(
        "a89d525eeaefe341", 0.01, "divide two exact insecurities at n = 10; `security` has a function for each."
    ),
    "00.3": Property(
        _coarser_leaks_more,
        "look for a coarse step that puts a cell edge on the mean, and a finer one that puts the mean at a centre.",
        "two steps, the finer first",
    ),
    "00.4": Property(
        _averages_to_the_insecurity,
        "half the summed absolute difference of the two rows of probabilities, for z; its mean over records is Delta.",
        "a function of one number z that returns a number",
    ),
    "01.1": Number("90a7de82798bd62f", 0.25, "solve (3.1) for H, change nats to bits, and round down."),
    "01.2": Property(
        _doubling_hurts,
        "doubling should move the mean from the centre of a cell to an edge: where are the ridges?",
        "one step between 0.2 and 0.6",
    ),
    "01.3": Property(
        _calibration_reveals,
        "the scale tells whether any flip was a one; that says most about one flip when there are few others.",
        "a pair: a whole number of flips and a probability",
    ),
    "01.4": Number(
        "02da7fba62e8e4cf",
        0.001,
        "the gap takes two values, one for each face of the coin; `rates.cramer_rate` takes both.",
    ),
    "01.5": Number(
        "879561bfc79b8683",
        0.25,
        "bisect on n; `log=True` is not needed here. The power of n matters as much as the rate.",
    ),
    "01b.1": Number(
        "e0b8ff35a561b2ec", 0.001, "use the survival law with the normal distribution function and its inverse."
    ),
    "01b.2": Number("fb76783792cddbf0", 0.005, "maximise J of three cells over the place of the two edges."),
    "01b.3": Number(
        "b08c3e8a2e5b1ae1",
        0.002,
        "the share of d' that is left is a square root, and the AUC follows by the survival law.",
    ),
    "01b.4": Number(
        "319d3a066ac27d71",
        0.01,
        "write both sides of the crossing in statement 13 as functions of b; of where they meet, take b > 1.",
    ),
    "01b.5": Property(
        _gaussian_rate_misleads,
        "r sees two moments. Let few samples have a very negative gap, and the rest a small positive one.",
        "a pair of lists of equal length, at most four entries: gaps and probabilities",
    ),
    "02.1": Number("b1e5b6713e4c981d", 0.005, "sum -p log2 p over the three codes."),
    "02.2": Number(
        "59e72c4b08887f36",
        0.002,
        "AUC is the chance that a member's signal exceeds a non-member's: look at their difference.",
    ),
    "02.3": Property(
        _loses_all_but_one,
        "two bits leave the codes -1, 0 and 1, and the largest weight sets the scale.",
        "a list of at least ten weights, none of them zero",
    ),
    "02.4": Number(
        "80bfcbb2b1487ac6",
        25,
        "a count of n trials with probability p has relative standard deviation sqrt((1 - p) / (p n)).",
    ),
    "02.5": Property(
        _keeps_most_in_three_levels,
        "one level is best spent on zero. How many weights does ternary_33 give it, and how many the best cells?",
        "a function from an array to an array of its shape",
    ),
    "02b.1": Number(
        "762a9ddc5ddb3b2e", 0.01, "count pairs in the same order, minus pairs in the other order, over all pairs."
    ),
    "02b.2": Number(
        "804dc207cb69f9f0", 0.01, "the expected maximum of 20 independent normal numbers; simulate it or integrate."
    ),
    "02b.3": Number(
        "34e71ea909bf32a0", 0.002, "the noise adds to the variance and leaves the difference of the means alone."
    ),
    "02b.4": Property(
        _only_shape_survives,
        "which changes of outputs does `rho_shape` ignore, and how large must they be to fool `rho`?",
        "a pair of arrays (models, inputs), quantized and full",
    ),
    "03.1": Property(
        _one_molecule_two_texts,
        "start a ring at another atom, or write a branch first.",
        "two SMILES texts of one molecule with more than five heavy atoms",
    ),
    "03.2": Property(
        _shares_a_scaffold,
        "side chains do not belong to the scaffold; further rings do.",
        "one SMILES text",
    ),
    "03.3": Property(
        _cleans_to_one_row,
        "the report has a line for each reason to drop or merge a row; use several of them, and one salt.",
        "a table of four rows with the columns smiles and y",
    ),
    "03.4": Number(
        "da5a37a3711a2517", 0.002, "find d' from the AUC; the best threshold lies midway between the two means."
    ),
    "03.5": Property(
        _ranks_right_and_scores_below_zero,
        "R2 punishes a wrong scale and a wrong level; a rank correlation sees neither.",
        "ten numbers, one for each label 0, ..., 9",
    ),
    "04.1": Number(
        "3c0c16e5c9673ee8",
        0.002,
        "two normal laws with equal variance: the best threshold lies midway between the means.",
    ),
    "04.2": Number(
        "5fb0ce7c81fb1ee6",
        0.01,
        "differential privacy bounds the ratio of the two rates by the exponential of epsilon.",
    ),
    "04.3": Number("85bd4dffd08aefbd", 0.25, "`attacks.clopper_pearson(0, n)` returns both ends; search over n."),
    "04.4": Property(
        _hides_the_few,
        "AUC averages over all pairs: where must the members be who are not found, to undo those who are?",
        "a pair of lists with at least ten scores each",
    ),
    "05.1": Number(
        "85408f6e8ed3cc89",
        0.01,
        "count the weights of the four matrices, the biases and the scales, each with its bits.",
    ),
    "05.2": Number("8b5bf4704fbc1145", 0.001, "put the upper end of the interval into the survival law."),
    "05.3": Property(
        _is_per_record,
        "how many numbers does your function return for n records? And what do torch's losses do with them by default?",
        "a function of outputs (n,) and labels (n,)",
    ),
}


# --------------------------------------------------------------------------------------------------------------- sets


def student_copy(notebook):
    """Return a notebook without its solutions, and without what its exercises printed."""

    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not notebooks.has_tag(cell, "solution")]
    for cell in notebook.cells:
        if notebooks.has_tag(cell, "exercise"):
            cell.outputs, cell.execution_count = [], None
    return notebook


def write_sets(out):
    """Write the notebooks for students and for instructors, with the settings they read beside them.

    Args:
        out: Folder in which `students` and `instructor` are made anew.
    """
    from qmis_utils import run

    for name, change in {"students": student_copy, "instructor": copy.deepcopy}.items():
        folder = Path(out) / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(run.NOTEBOOKS / "settings", folder / "settings")
        for stem, path in notebooks.find_notebooks(run.NOTEBOOKS).items():
            text = notebooks.write_text(change(notebooks.read_notebook(path)))
            (folder / f"{stem}.ipynb").write_text(text, encoding="utf-8")
        print(f"{folder}: {len(list(folder.glob('*.ipynb')))} notebooks")


if __name__ == "__main__":
    write_sets(ROOT / "build")
