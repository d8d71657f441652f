"""Self-checks of the notebooks' exercises.

`check("01.2", answer)` says right, wrong with a hint, or not answered yet. The exercises are listed in
`notebooks/exercises.yaml`, and no answer is stored: a number is known by a slow salted hash, and where many answers are
right, a function of this module tests the property that the exercise asks for.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import norm

from qmis_utils import attacks, indicators, molecules, quantizers
from qmis_utils.store import paths
from qmis_utils.store.extras import extra
from qmis_utils.store.paths import checkout
from qmis_utils.studies import exact
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
        """Tell whether the answer lies in the sealed cell or beside it, or say that it is in per cent."""
        if isinstance(answer, str):
            raise TypeError(f"{answer!r} is a text, write the number without quotation marks")
        if isinstance(answer, list | tuple):
            raise TypeError(f"{len(answer)} values: give the one that the exercise asks for")
        if isinstance(answer, bool) or not math.isfinite(answer):
            raise TypeError("not a finite number")
        if self._holds(key, float(answer)):
            return True
        if self._holds(key, float(answer) / 100):
            return "is this in per cent? Give a share between 0 and 1."
        return f"the check asks for it to within {self.unit:g}. {self.hint}"

    def _holds(self, key, answer):
        cell = round(answer / self.unit)
        return any(seal(key, str(near)) == self.seal for near in (cell, cell - 1, cell + 1))


@dataclass(frozen=True)
class Property:
    """An answer known by what it can do: `holds(answer)` is True where it has the property asked for.

    Where it has not, that may say in words which part failed; else the hint is shown.
    """

    holds: Callable
    hint: str
    wanted: str

    def right(self, key, answer):
        """Tell whether the answer has the property, or say which part failed."""
        found = self.holds(answer)
        return found if isinstance(found, str) else bool(found)


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
    if isinstance(right, str):
        return Verdict(False, f"{key}: not yet. Hint: {right}")
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
def _is_the_total_variation(exposure):
    points = np.array([-2.7, -0.4, 0.3, 1.1, 3.3])
    found = np.array([float(exposure(float(z))) for z in points])
    edges = np.arange(-40, 41) + 0.5
    without = np.diff(norm.cdf(edges, 0.3, 1 / math.sqrt(10)))
    true = [abs(np.diff(norm.cdf(edges, 0.3 + (z - 0.3) / 10, 0.3)) - without).sum() / 2 for z in points]
    if found.min() < 0 or found.max() > 1:
        return (
            f"a total variation lies between 0 and 1; yours is {found[np.argmax(abs(found - 0.5))]:.3g} at one point."
        )
    return (
        bool(np.allclose(found, true, atol=2e-4))
        or f"z = {points[np.argmax(abs(found - true))]:g} gives another value."
    )


# -- 01


@_property
def _doubling_hurts(step):
    step = float(step)
    if not 0.2 <= step <= 0.6:
        return "the step is not between 0.2 and 0.6"
    once, twice = (security.gaussian_mean_insecurity(1000, width, 0.3) for width in (step, 2 * step))
    return twice > 100 * once or f"doubling multiplies the insecurity by {twice / once:.3g}"


@_property
def _calibration_reveals(answer):
    n, p = map(float, answer)
    if n != int(n) or n < 2:
        return "the number of flips is not a whole number of at least two"
    if not 0 < p < 1:
        return "the probability is not between 0 and 1"
    none, none_given_zero = (1 - p) ** n, (1 - p) ** (n - 1)
    found = p * none + (1 - p) * (none_given_zero - none)
    return found > 0.29 or f"the insecurity is {found:.3f}"


@_property
def _gaussian_rate_misleads(answer):
    gap, probs = (np.asarray(part, dtype=float) for part in answer)
    if len(gap) > 4:
        return "the gap has more than four values"
    cramer, gaussian = rates.cramer_rate(gap, probs), rates.gaussian_rate(gap, probs)
    if cramer == 0:
        return "the gap is not positive on average"
    if cramer == math.inf or gap.min() >= 0:
        return "the gap is never negative"
    return gaussian > 3 * cramer or f"r is {gaussian / cramer:.2f} times I"


# -- 02


@_property
def _leaves_one_per_cent(answer):
    centred, spread = map(float, answer)
    if abs(centred - 6.73) > 0.06:
        return "the width for means at the centre is off: both edges count, at half the width"
    return abs(spread - 181) < 6 or "the width for spread means is off"


@_property
def _predicts_then_measures(answer):
    predicted, measured = map(float, answer)
    if abs(predicted - 0.656) > 0.006:
        return "the prediction is off: J by statement 14, then the AUC of two Gaussians at the distance that is left"
    if predicted == measured:
        return "the prediction is given twice: simulate the second"
    return abs(measured - 0.656) < 0.03 or "the measurement is off: are both kinds of releases scored alike?"


# -- 03


@_property
def _saves_the_claim(seed):
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        return "a seed is a whole number of at least 0"
    found, _ = exact.truth(exact.Problem("mine", kinds=3, n=8, seed=int(seed)), ("sign", "ternary_33"), ("codes",))
    ahead = found["sign, codes"].mean - found["ternary_33, codes"].mean
    return ahead >= 0.005 or f"there the codes of sign leak {ahead:+.4f} more than those of 33 % zeros"


# -- 04


def _noise(n_models, n_records=40, seed=4):
    """Return signals that know nothing of members, and members, for attacks to be tried on."""
    from qmis_utils import ensemble

    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_models, n_records)), ensemble.random_halves(n_models, n_records, rng)


@_property
def _is_offline_lira(attack):
    signals, members = _noise(24)
    signals = signals + members  # so that IN and OUT differ
    scores = np.asarray(attack(signals.copy(), members.copy()), dtype=float)
    if scores.shape != signals.shape:
        return f"the scores have shape {scores.shape}, the signals {signals.shape}."
    right = attacks.lira(signals, members, "offline")
    if np.allclose(scores, right, atol=1e-6):
        return True
    out = np.where(members, np.nan, signals)
    wrong = {
        "the target is among its own shadows.": norm.cdf((signals - np.nanmean(out, 0)) / np.nanstd(out, 0, ddof=1)),
        "these are standardised signals: the last step, the distribution function, is missing.": norm.ppf(right),
        "the score falls where the signal grows.": 1 - right,
        "this is the online score, with an IN density.": attacks.lira(signals, members),
    }
    return next((part for part, its in wrong.items() if np.allclose(scores, its, atol=1e-6)), False)


@_property
def _fools_itself(attack):
    signals, members = _noise(24, 400)
    scores = np.asarray(attack(signals.copy(), members.copy()), dtype=float)
    if np.array_equal(scores, np.asarray(attack(_noise(24, 400, 5)[0], members.copy()), dtype=float)):
        return "other signals give the same scores: the attack must read them."
    found = attacks.auc(scores, members).mean()
    return True if found > 0.6 else f"on noise its AUC is {found:.2f}: it hardly uses the target's own membership."


@cache
def _twelve_networks():
    """Return small networks trained on random halves of one pool, and fresh inputs."""
    from qmis_utils import ensemble

    rng = np.random.default_rng(4)
    means = rng.normal(size=(4, 32)) * 8 / np.sqrt(32)
    mode = rng.integers(4, size=464)
    x = means[mode] + rng.normal(size=(464, 32))
    members = ensemble.random_halves(12, 64, rng)
    return ensemble.train(x[:64], mode[:64] % 2, members, hidden=(16,), steps=100, seed=4), x[64:]


@_property
def _hides_at_little_cost(rule):
    import torch

    models, x = _twelve_networks()
    released = [np.array([rule(matrix.copy()) for matrix in w.numpy()], dtype=np.float32) for w in models.weights]
    if any(new.shape != w.shape for new, w in zip(released, models.weights, strict=True)):
        return "the matrix that comes back has another shape."
    if max(len(np.unique(matrix)) for layer in released for matrix in layer) > 4:
        return "a matrix has more than four different values."
    outputs = replace(models, weights=tuple(map(torch.tensor, released))).logits(x)
    full = models.logits(x)
    if not (np.isfinite(outputs).all() and outputs.std(axis=1).min() > 0):
        return "the outputs of a quantized network are all equal, or not finite."
    kept = np.mean([np.corrcoef(new, old)[0, 1] for new, old in zip(outputs, full, strict=True)])
    rho = indicators.survival_rho(outputs, full, draws=1).value
    if kept > 0.94 and rho < 0.45:
        return True
    return f"outputs keep a correlation of {kept:.3f} (above 0.94 is asked for), rho is {rho:.3f} (below 0.45)."


# -- 05


@_property
def _loses_all_but_one(weights):
    weights = np.asarray(weights, dtype=float)
    quantized = quantizers.quantize(weights[None], "uniform_2")
    return weights.ndim == 1 and len(weights) >= 10 and (weights != 0).all() and (quantized.codes != 0).sum() == 1


@_property
def _keeps_most_in_three_levels(rule):
    weights = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    order = np.random.default_rng(5).permutation(len(weights))
    values, shuffled = (np.asarray(rule(given.copy()), dtype=float) for given in (weights, weights[order]))
    if values.shape != weights.shape:
        return f"an array of {weights.shape} became one of {values.shape}."
    if not np.array_equal(values[order], shuffled):
        return "shuffled weights get other values: a rule looks at values, not at places."
    if len(np.unique(values)) != 3:
        return f"there are {len(np.unique(values))} different values, not three."
    kept = np.corrcoef(values, weights)[0, 1]
    return True if kept > 0.895 else f"the correlation is {kept:.3f}: how many weights should be zero?"


@_property
def _only_shape_survives(answer):
    quantized, full = (np.asarray(part, dtype=float) for part in answer)
    values = [indicators.survival_rho(quantized, full, name, draws=2).value for name in ("rho", "rho_shape")]
    return values[0] < 0.5 and values[1] > 0.99


# -- 06


@_property
def _next_stop_flatters(answer):
    (low, least), (high, most), (useful, leak) = np.asarray(answer, float)
    at_lot = least + (useful - low) / (high - low) * (most - least)
    aucs_and_order = low < useful < high and 0.5 <= least < most <= 1
    return bool(aucs_and_order and at_lot < leak < most)


# -- 07


@_property
def _one_molecule_two_texts(answer):
    from rdkit import Chem

    texts = [str(text).split()[0] for text in answer]  # what follows a blank is a name
    first, second = (Chem.MolFromSmiles(text) for text in texts)
    if texts[0] == texts[1]:
        return "the two texts are the same, but for what follows a blank"
    if first.GetNumHeavyAtoms() <= 5:
        return "the molecule has five heavy atoms or fewer"
    return Chem.MolToSmiles(first) == Chem.MolToSmiles(second) or "the two texts are two molecules"


@_property
def _shares_a_scaffold(smiles):
    from rdkit import Chem

    if "." in smiles:
        return "a dot makes a mixture"
    if Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() <= 10:
        return "the molecule has ten heavy atoms or fewer"
    scaffold, wanted = molecules.scaffolds([smiles, "Cc1ccccc1"])
    return scaffold == wanted or f"its scaffold is {scaffold or 'empty'}"


@_property
def _cleans_to_one_row(table):
    if len(table) != 4:
        return f"the table has {len(table)} rows"
    ours = {"smiles": ["C" * 40], "y": [1e6]}  # a second label: a table of one is refused
    report = molecules.clean(_below(table, ours), "smiles", "y", "regression").attrs["report"]
    left = report["rows_left"] - 1
    if left != 1:
        return f"cleaning leaves {left} rows"
    filled = [name for name, rows in report.items() if isinstance(rows, list) and rows]
    if len(filled) < 2:
        return f"{len(filled)} of the lists hold rows"
    return report["salts_stripped"] >= 1 or "no salt was stripped"


def _below(table, rows):
    """Return a table with further rows below."""
    import pandas as pd

    return pd.concat([table[["smiles", "y"]], pd.DataFrame(rows)], ignore_index=True)


@_property
def _ranks_right_and_scores_below_zero(outputs):
    y, outputs = np.arange(10.0), np.asarray(outputs, dtype=float)
    if outputs.shape != y.shape:
        return "one number is needed for each of the ten labels"
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

    def losses(outputs, labels):
        try:
            return loss(outputs, labels)
        except (RuntimeError, TypeError):  # the audit, too, offers labels as floats to a loss that takes no integers
            return loss(outputs, labels.float())

    before, third = losses(outputs, labels), torch.arange(6) == 2
    if before.shape != (6,):
        return f"six records need six losses, this gives the shape {tuple(before.shape)}."
    if not bool((before >= 0).all()):
        return "a loss is not negative."
    for name, after in {
        "output": losses(torch.where(third, outputs + 3, outputs), labels),
        "label": losses(outputs, torch.where(third, 1 - labels, labels)),
    }.items():
        if not bool((before != after)[2]):
            return f"another {name} of a record must change its loss."
        if bool((before != after)[~third].any()):
            return f"another {name} of one record changes the loss of others."
    return True


# -- 09


@_property
def _leaves_no_trace(records):
    w, x = np.random.default_rng(9).normal(size=(200, 6, 4)), np.asarray(records, dtype=float)
    return x.any() and (quantizers.quantize_gptq(w, 3, x).codes == quantizers.quantize(w, "uniform_mse_3").codes).all()


# -- 10


@_property
def _names_the_broken_attack(answer):
    letter = answer.strip().lower()
    return letter == "b" or (letter == "a" and "the mean of A leaves the target out; look at its null once more.")


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
