"""What is checked before an audit starts: options, records, models, and that no record is on both sides."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch.nn.parameter import is_lazy

from qmis_utils.audit.weights import did_you_mean
from qmis_utils.quantizers.formats import FORMATS
from qmis_utils.quantizers.rules import QUANTIZERS
from qmis_utils.records import TASKS, membership

OVERLAP = 0.1  # share of held-out records found among the members from which on nothing is reported
NEAR = 1e-3  # a record this close to a member, in usual distances between records, is its copy (half precision is)
DIRECTIONS = 8  # random directions in which nearness is judged: all axes would take minutes for images


def check_options(options: Mapping[str, Any]) -> None:
    """Check the options of an audit, name -> value; ValueError naming the first that is wrong and what is valid."""
    valid: dict[str, tuple[Callable[[Any], bool], str]] = {
        "loss": (callable, 'a function such as nn.CrossEntropyLoss(reduction="none")'),
        "task": (lambda v: v is None or (isinstance(v, str) and v in TASKS), f"one of {TASKS} or None"),
        "n_shadows": (_whole(2), "at least 2, a whole number"),
        "granularity": (
            lambda v: v in ("tensor", "row") if isinstance(v, str) else _whole(1)(v),
            "'tensor', 'row' or the length of a block of weights",
        ),
        "embeddings": (lambda v: isinstance(v, bool | np.bool_), "True or False"),
        "allow_copies": (lambda v: isinstance(v, bool | np.bool_), "True or False"),
        "allow_partial": (lambda v: isinstance(v, bool | np.bool_), "True or False"),
        "paper_r": (lambda v: isinstance(v, bool | np.bool_), "True or False"),
        "utility": (
            lambda v: v is None or callable(v) or (isinstance(v, str) and v == "auroc"),
            "'auroc' or a function (outputs, labels) -> float",
        ),
        "which": (lambda v: v is None or callable(v), "a function (name, tensor) -> bool"),
        "batch_size": (_whole(1), "at least 1, a whole number"),
        "tolerance": (_finite, "a finite number, the utility one may lose"),
        "draws": (_whole(20), "at least 20, a whole number"),
        "seed": (_whole(0), "at least 0, a whole number"),
        "title": (lambda v: isinstance(v, str), "text"),
    }
    for name, (holds, words) in valid.items():
        if not holds(options[name]):
            raise ValueError(f"{name} must be {words}; got {options[name]!r}")


def _whole(least):
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def _finite(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def texts(given: str | Iterable[str], name: str, example: list[str]) -> list[str]:
    """Return a text or an iterable of texts as a list; ValueError naming the option for anything else."""
    try:
        found: list[Any] = [given] if isinstance(given, str) else list(given)
    except TypeError:
        found = [None]
    if not all(isinstance(text, str) for text in found):
        raise ValueError(f"{name} must be a list of texts, such as {example}; got {given!r}")
    return found


class Rule(NamedTuple):
    """Hold a quantizer of ours, and what shares a scale: "tensor", "row", or a block of so many weights."""

    name: str
    granularity: str | int


def releases(given: Any, granularity: str | int = "tensor") -> dict[str, Rule | Callable]:
    """Return the releases to compare, name -> rule of ours or function of the reader's, full precision first.

    Raises ValueError for a name that is no quantizer, and for what is neither a name nor a function.
    """
    if isinstance(given, Mapping):
        wanted = dict(given)
        if wrong := [name for name in wanted if not (isinstance(name, str) and name.strip())]:
            raise ValueError(f"quantizers must give each release a name, a text; got {wrong[0]!r}")
    else:
        wanted = {name: name for name in texts(given, "quantizers", ["uniform_4", "sign/row"])}
    found = {name: rule if callable(rule) else _rule(name, rule, granularity) for name, rule in wanted.items()}
    if callable(found.get("fp32")) or any(
        rule == Rule("fp32", granularity) and n != "fp32" for n, rule in found.items()
    ):
        raise ValueError("quantizers: 'fp32' is the model as given, under no other name")
    found.pop("fp32", None)
    if not found:
        raise ValueError("quantizers must name at least one rule besides fp32")
    return {"fp32": Rule("fp32", granularity), **found}


def _rule(label, rule, granularity):
    """Return a rule of ours from its text, such as "nf4", "sign/row" or "nf4/64"."""
    if not isinstance(rule, str):
        raise ValueError(f"quantizers: {label!r} must be a quantizer's name or a function of the model; got {rule!r}")
    name, slash, how = (rule, "", "") if rule in QUANTIZERS else rule.partition("/")
    valid = [*QUANTIZERS, *FORMATS]
    if name not in valid:
        raise ValueError(f"unknown quantizer {name!r}{did_you_mean(name, valid)}; valid: {', '.join(valid)}")
    if name in FORMATS:
        if slash:
            raise ValueError(f"quantizers: {name!r} has blocks of its own; leave out {slash + how!r}")
        return Rule(name, "tensor")
    if slash and how not in ("tensor", "row") and not (how.isdecimal() and int(how) > 0):
        raise ValueError(f"quantizers: {rule!r} must end in /tensor, /row or the length of a block, such as {name}/64")
    return Rule(name, (int(how) if how.isdecimal() else how) if slash else granularity)


def memberships(trained_on: Any, model: Any, n_members: int) -> np.ndarray | None:
    """Return which members each model was trained on, a bool array, or None if that is not given."""
    if trained_on is None:
        return None
    if not isinstance(model, list | tuple):
        raise ValueError("trained_on belongs to a list of models; leave it out for one model or a training function")
    try:
        given = np.asarray(trained_on)
    except ValueError:  # rows of different lengths
        given = np.empty(0)
    if given.shape != (len(model), n_members):
        raise ValueError(
            "trained_on must have a row per model and a column per member, "
            f"{(len(model), n_members)}; got {given.shape or type(trained_on).__name__}"
        )
    return membership(given, name="trained_on")


def check_module(module: torch.nn.Module) -> None:
    """Check that a module is Python code whose parameters have shapes; ValueError if not."""
    scripted = [(name, m) for name, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)]
    if compiled := [name for name, m in scripted if not name or next(m.parameters(), None) is not None]:
        where = f", and {compiled[0]!r} is" if compiled[0] else ": this is"
        raise ValueError(f"TorchScript cannot be audited{where} compiled: give the Python module it was made from")
    if waiting := [name for name, weight in module.named_parameters() if is_lazy(weight)]:
        raise ValueError(f"parameter {waiting[0]!r} has no shape yet: pass one batch through the model first")


def records(data: Any, role: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return checked (inputs, labels) tensors; floating numbers become float32."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ValueError(
            f"{role} must be a pair (inputs, labels), arrays or tensors of all records; got {type(data).__name__}"
        )
    try:
        x, y = (a.detach() if isinstance(a, torch.Tensor) else torch.as_tensor(np.asarray(a)) for a in data)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{role} must hold arrays of numbers: {error}") from None
    if any(a.layout != torch.strided for a in (x, y)):
        raise ValueError(f"{role} must be dense tensors: give inputs.to_dense()")
    x, y = (a.float() if a.is_floating_point() or a.dtype == torch.bool else a for a in (x, y))
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.ndim < 1 or y.ndim != 1 or len(x) != len(y) or len(x) < 2:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"{role}: give at least two records, inputs (n, ...) and labels (n,); got {shapes}")
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError(f"{role} hold NaN or infinity")
    return x, y


class Copies(NamedTuple):
    """Count what stands twice: held-out copies of members, held-out twins with another label, repeated members."""

    leaked: int
    twins: int
    repeated: int


def copies(members: tuple, heldout: tuple, allowed: bool = False) -> Copies:
    """Count held-out records that equal members, if only nearly, in inputs and label, or in inputs alone; ValueError
    where too many equal both, unless the reader says that they are other records."""
    kinds = [f"{tuple(x.shape[1:])} of {x.dtype}" for x, _ in (members, heldout)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"a member's inputs are {kinds[0]}, a held-out record's {kinds[1]}: they must agree")
    inside, outside = (list(zip(_hashes(x), y.tolist(), strict=True)) for x, y in (members, heldout))
    seen, inputs = set(inside), {digest for digest, _ in inside}
    exact = np.array([pair in seen for pair in outside])
    near, alike = _near(members, heldout)
    leaked = int((exact | (near & alike)).sum())
    twins = int((~exact & (near & ~alike | np.array([digest in inputs for digest, _ in outside]))).sum())
    if leaked > OVERLAP * len(outside) and not allowed:
        kind = "exact copies" if leaked == exact.sum() else "copies, exact or but for rounding,"
        raise ValueError(
            f"{leaked} of {len(outside)} held-out records are {kind} of members, label included: give data that no "
            "model saw, or say allow_copies=True where other records have equal inputs (fingerprints, answers, tokens)"
        )
    return Copies(leaked, twins, len(inside) - len(seen))


def _hashes(x):
    rows = x.reshape(len(x), -1).contiguous().view(torch.uint8).cpu().numpy()
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]


def _near(members, heldout):
    """Tell for each held-out record whether it lies closer to a member than records usually do, and has its label."""
    (x, y), (x_out, y_out) = members, heldout
    nowhere = np.zeros((2, len(x_out)), bool)
    if not x.is_floating_point():
        return nowhere  # codes and tokens: one step apart is another record
    (inside, place), outside = _unique(_projected(x, x_out)[0]), _projected(x, x_out)[1]
    trees = [cKDTree(points) for points in (inside, np.unique(outside, axis=0))]
    if min(tree.n for tree in trees) < 2:
        return nowhere
    usual = max(np.median(tree.query(tree.data, 2)[0][:, 1]) for tree in trees)  # one side may repeat itself
    distance, nearest = trees[0].query(outside)
    labels = set(zip(place.tolist(), y.tolist(), strict=True))
    alike = [pair in labels for pair in zip(nearest.tolist(), y_out.tolist(), strict=True)]
    return distance < NEAR * usual, np.array(alike)


def _unique(points):
    found, place = np.unique(points, axis=0, return_inverse=True)
    return found, place.ravel()


def _projected(*groups):
    """Return each group of records in a few random directions, every feature in units of its spread."""
    groups = [x.detach().reshape(len(x), -1).cpu() for x in groups]
    std, mean = torch.std_mean(groups[0], dim=0, correction=0)
    width, rng = len(mean), np.random.default_rng(0)
    directions = np.eye(width) if width <= DIRECTIONS else rng.normal(size=(width, DIRECTIONS))
    scaled = torch.from_numpy(directions) / torch.where(std > 0, std, 1).double()[:, None]
    return [torch.cat([(part - mean).double() @ scaled for part in x.split(1024)]).numpy() for x in groups]
