"""Splits into a pool and a test set: by scaffold, at random, by a column, by time."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from qmis_utils.molecules.cleaning import some


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """Return the Bemis-Murcko scaffold of each molecule: its rings and the chains between them, as canonical SMILES.

    A molecule without rings has no scaffold and counts as its own. Half of FreeSolv is acyclic: as one group, these
    molecules would all be in the test set, or none of them.

    Parameters
    ----------
    smiles : sequence of str
        n SMILES that RDKit can parse.

    Returns
    -------
    list of str
        n SMILES.

    Raises
    ------
    ValueError
        A SMILES cannot be parsed.
    """
    smiles = list(smiles)
    found = [_scaffold(text) for text in smiles]
    if None in found:
        position = found.index(None)
        raise ValueError(f"smiles[{position}] = {smiles[position]!r} cannot be parsed")
    return found


@cache
def _scaffold(text: str) -> str | None:
    mol = Chem.MolFromSmiles(text)
    return mol and (MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or Chem.MolToSmiles(mol))


def scaffold_split(
    smiles: Sequence[str], test_fraction: float = 0.2, rng: np.random.Generator | int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split molecules so that no scaffold (Bemis and Murcko, 1996) is on both sides.

    Scaffolds are shuffled, then taken into the test set while they fit; one larger than the room left stays in
    training.

    Parameters
    ----------
    smiles : sequence of str
        n SMILES.
    test_fraction : float
        Largest share of molecules in the test set, between 0 and 1.
    rng : Generator or int
        Random generator, or a seed for one.

    Returns
    -------
    tuple[array, array]
        Sorted positions of the training and of the test molecules.

    Raises
    ------
    ValueError
        The fraction is not in (0, 1), or one side would be empty.
    """
    test = _whole_groups(scaffolds(smiles), test_fraction, rng)
    train = np.setdiff1d(np.arange(len(smiles)), test)
    if not test.size or not train.size:
        raise ValueError(
            f"no scaffold split of {len(smiles)} molecules in {len(set(scaffolds(smiles)))} scaffolds: one side is "
            "empty; splits that need no scaffolds: 'random', 'column:<name>', 'time:<name>'"
        )
    return train, test


def _whole_groups(names: Sequence[str], test_fraction: float, rng: np.random.Generator | int) -> np.ndarray:
    """Return the sorted positions of a test set: whole groups in random order, as long as they fit."""
    _check_fraction(test_fraction)
    groups = pd.Series(np.arange(len(names))).groupby(list(names)).apply(list)  # in the order of the names
    room = int(test_fraction * len(names))
    test: list[int] = []
    for position in np.random.default_rng(rng).permutation(len(groups)):
        if len(test) + len(groups.iloc[position]) <= room:
            test += groups.iloc[position]
    return np.array(sorted(test), int)


def _check_fraction(test_fraction: float) -> None:
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must lie between 0 and 1")


SPLITS = "'scaffold', 'random', 'column:<name>' or 'time:<name>'"
TEST_WORDS, POOL_WORDS = {"test"}, {"train", "training", "valid", "validation", "val"}


def split_column(how: str) -> str | None:
    """Return the column that a split reads, None where it reads none; ValueError for what is no split.

    Parameters
    ----------
    how : str
        As in `split`.
    """
    word, _, column = how.partition(":")
    if how in ("scaffold", "random") or (word in ("column", "time") and column):
        return column or None
    raise ValueError(f"unknown split {how!r}; valid: {SPLITS}")


def split(
    frame: pd.DataFrame, how: str = "scaffold", test_fraction: float = 0.2, rng: np.random.Generator | int = 0
) -> tuple[np.ndarray, np.ndarray, str]:
    """Split the molecules of a table into a pool and a test set.

    Parameters
    ----------
    frame : DataFrame
        Of `load_task`, with its column `split` where the split reads one.
    how : str
        "scaffold": no scaffold is on both sides (`scaffold_split`). "random": whichever molecules. "column:<name>": as
        a column says in the words train, valid and test, of which only the last is the test set; with other values,
        no value is on both sides. "time:<name>": the test set is the latest, by a column of numbers or dates.
    test_fraction : float
        Largest share of molecules in the test set, between 0 and 1; a column of words decides by itself.
    rng : Generator or int
        Random generator, or a seed for one.

    Returns
    -------
    tuple[array, array, str]
        Sorted positions of the pool and of the test molecules, and what was done, in words.

    Raises
    ------
    ValueError
        An unknown split, a fraction that is not in (0, 1), a column with empty cells or of no time, or one side that
        would be empty.

    Examples
    --------
    >>> frame = pd.DataFrame({"smiles": ["C", "CC", "CCC"], "split": ["2021", "2019", "2020"]})
    >>> pool, test, words = split(frame, "time:year", 0.4)
    >>> pool.tolist(), test.tolist(), words
    ([1, 2], [0], 'time: year up to 2020 in the pool, from 2021 in the test set')
    """
    column = split_column(how)
    if column is not None and (empty := np.flatnonzero(frame["split"].isna())).size:
        rows = some([int(frame["row"].iloc[at]) for at in empty])
        raise ValueError(f"split {how!r}: column {column!r} is empty in {rows}: fill the cells, or take another split")
    if column is None and how == "random":
        _check_fraction(test_fraction)
        order = np.random.default_rng(rng).permutation(len(frame))
        test, words = order[: int(test_fraction * len(frame))], "random: molecules of one scaffold may be on both sides"
    elif column is None:
        pool, test = scaffold_split(frame["smiles"], test_fraction, rng)
        groups = len(set(scaffolds(frame["smiles"])))
        return pool, test, f"scaffold: none of {groups:,} scaffolds is on both sides"
    elif how.startswith("time:"):
        test, words = _latest(frame["split"], column, test_fraction)
    else:
        test, words = _by_column(frame["split"], column, test_fraction, rng)
    pool, test = np.setdiff1d(np.arange(len(frame)), test), np.sort(test)
    if not test.size or not pool.size:
        raise ValueError(f"split {how!r} of {len(frame)} molecules: one side is empty; splits are {SPLITS}")
    return pool, test, words


def _by_column(values: pd.Series, column: str, test_fraction: float, rng) -> tuple[np.ndarray, str]:
    words = values.str.casefold()
    if set(words) & TEST_WORDS and set(words) <= TEST_WORDS | POOL_WORDS:
        return np.flatnonzero(words.isin(TEST_WORDS)), f"column: as {column} says, test or not"
    test = _whole_groups(values, test_fraction, rng)
    return test, f"column: none of {values.nunique():,} values of {column} is on both sides"


def _latest(values: pd.Series, column: str, test_fraction: float) -> tuple[np.ndarray, str]:
    """Return the positions of the latest molecules, those of one time on one side."""
    _check_fraction(test_fraction)
    times = pd.to_numeric(values, errors="coerce")
    if times.isna().any():
        times = pd.to_datetime(values, errors="coerce", format="ISO8601")
    if times.isna().any():
        wrong = values[times.isna()].iloc[0]
        raise ValueError(f"split 'time:{column}': {wrong!r} is no number and no date such as 2020-12-31")
    distinct = np.sort(times.unique())
    sizes = [(times >= start).sum() for start in distinct]
    late = [at for at, size in enumerate(sizes) if size <= test_fraction * len(times) and at > 0]
    if not late:
        return np.empty(0, int), ""
    first, name = late[0], dict(zip(times, values, strict=True))
    words = (
        f"time: {column} up to {name[distinct[first - 1]]} in the pool, from {name[distinct[first]]} in the test set"
    )
    return np.flatnonzero(times >= distinct[first]), words
