"""The one check of labels, of memberships and of what models say of records, which every public function shares."""

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

TASKS = ("binary", "multiclass", "regression")


def check_task(task: str) -> str:
    """Return a task; ValueError unless it is one of ``TASKS``."""
    if not isinstance(task, str) or task not in TASKS:
        raise ValueError(f"task must be one of 'binary', 'multiclass' and 'regression'; got {task!r}")
    return task


def labels(y: ArrayLike, task: str, classes: int | None = None, name: str = "y") -> np.ndarray:
    """Return labels as a task reads them.

    Parameters
    ----------
    y : array (N,)
        0 and 1, or -1 and +1, for "binary"; whole numbers 0..C-1, of any type, for "multiclass"; finite numbers for
        "regression".
    task : {"binary", "multiclass", "regression"}
    classes : int, optional
        C of a "multiclass" task, where outputs say it.
    name : str
        What errors call the labels.

    Returns
    -------
    array (N,)
        int64 classes, or float64 numbers. Labels -1 and +1 become 0 and 1, which a warning says.

    Raises
    ------
    ValueError
        Naming the first record whose label does not fit, and what is valid.

    Examples
    --------
    >>> labels([0.0, 2.0, 1.0], "multiclass")
    array([0, 2, 1])
    """
    y, task = np.asarray(y), check_task(task)
    if y.ndim != 1 or y.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, one a record; got {y.dtype} of shape {y.shape}")
    if task == "regression":
        return _require(y.astype(np.float64), np.isfinite(y), name, "finite numbers")
    if task == "binary" and (y == -1).any() and np.isin(y, (-1, 1)).all():
        warnings.warn(f"{name} holds -1 and +1: they are taken for the classes 0 and 1", stacklevel=3)
        return (y > 0).astype(np.int64)
    if task == "binary":
        return _require(y, np.isin(y, (0, 1)), name, "0 and 1 (or -1 and +1) for a binary task").astype(np.int64)
    top = "C-1" if classes is None else classes - 1
    fits = np.isfinite(y) & (y >= 0) & (y == np.floor(y)) & (y < (np.inf if classes is None else classes))
    return _require(y, fits, name, f"whole numbers 0..{top}, the classes").astype(np.int64)


def _require(values, fits, name, valid):
    """Return the values; ValueError naming the first that does not fit."""
    if not fits.all():
        at = int(np.flatnonzero(~fits)[0])
        raise ValueError(f"{name} must hold {valid}; record {at} has {values[at].item()!r}")
    return values


def membership(members: ArrayLike, shape: tuple[int | None, ...] | None = None, name: str = "members") -> np.ndarray:
    """Return which records models trained on as a bool array.

    Parameters
    ----------
    members : array (N,) or (M, N)
        True and False, or the numbers 1 and 0.
    shape : tuple, optional
        What it must be, None for any length.
    name : str
        What errors call it.

    Returns
    -------
    bool array

    Raises
    ------
    ValueError
        For another shape, and for any other value: a probability, or a position, says not who was trained on what.

    Examples
    --------
    >>> membership([[1, 0, 1]])
    array([[ True, False,  True]])
    """
    try:
        given = np.asarray(members)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must have rows of one length") from None
    unfit = shape is not None and (
        given.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, given.shape, strict=False))
    )
    if unfit:
        want = "(" + ", ".join("any" if n is None else str(n) for n in shape or ()) + ")"
        raise ValueError(f"{name} must have shape {want}; got {given.shape or type(members).__name__}")
    if given.dtype == bool:  # nearly always, and then nothing is left to look at
        return given
    if given.dtype.kind not in "iuf" or not np.isin(given, (0, 1)).all():
        strange = next((value for value in given.ravel().tolist() if value not in (0, 1)), None)
        raise ValueError(f"{name} must hold True and False, or 1 and 0; got {strange!r}")
    return given.astype(bool)


def whole(value: Any, name: str, least: int = 1) -> int:
    """Return an option that counts something; ValueError naming it unless it is a whole number of at least ``least``.

    Examples
    --------
    >>> whole(np.int64(3), "steps")
    3
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}")
    return number


def inputs(x: ArrayLike, width: int | None = None, name: str = "x") -> np.ndarray:
    """Return the inputs of records as float32 (N, d).

    Parameters
    ----------
    x : array (N, d)
    width : int, optional
        What d must be.
    name : str
        What errors call them.

    Raises
    ------
    ValueError
        For a sparse matrix, another shape, NaN or infinity.
    """
    if hasattr(x, "toarray"):
        raise ValueError(f"{name} must be a dense array, and is a sparse {type(x).__name__}: give {name}.toarray()")
    x = np.asarray(x, np.float32)
    if x.ndim != 2 or width not in (None, x.shape[1]):
        raise ValueError(f"{name} must be (N, {'d' if width is None else width}), a row a record; got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite, in float32; record {np.argwhere(~np.isfinite(x))[0][0]} is not")
    return x


def signals(values: ArrayLike, name: str = "signals", axes: Sequence[str] = ("model", "record"),
            infinite: bool = False) -> np.ndarray:  # fmt: skip
    """Return what models say of records as float64.

    Parameters
    ----------
    values : array (M, N, ...)
        Signals, losses or outputs of M models about N records.
    name : str
        What errors call them.
    axes : sequence of str
        What errors call the places of one of them.
    infinite : bool
        Whether infinity is a value, as the score of a likelihood-ratio attack may be; NaN is none.

    Returns
    -------
    float64 array

    Raises
    ------
    ValueError
        For NaN or infinity, naming the first model and record: one such value would spoil the scores of every record.

    Examples
    --------
    >>> signals([[0.5, 1]])
    array([[0.5, 1. ]])
    """
    values = np.asarray(values, np.float64)
    finite = ~np.isnan(values) if infinite else np.isfinite(values)
    if not finite.all():
        at = np.argwhere(~finite)
        where = ", ".join(f"{what} {i}" for what, i in zip(axes, at[0], strict=False))
        must, value = "numbers" if infinite else "finite", values[tuple(at[0])]
        raise ValueError(
            f"{name} must be {must}; {value} for {where} ({len(at)} such values): clip probabilities "
            "before taking their logarithm, or leave the record out"
        )
    return values
