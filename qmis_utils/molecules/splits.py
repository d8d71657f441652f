"""Scaffolds, and the split that keeps each on one side."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold


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
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must lie between 0 and 1")
    groups = pd.Series(np.arange(len(smiles))).groupby(scaffolds(smiles)).apply(list)  # in the order of the scaffolds
    room = int(test_fraction * len(smiles))
    test: list[int] = []
    for position in np.random.default_rng(rng).permutation(len(groups)):
        if len(test) + len(groups.iloc[position]) <= room:
            test += groups.iloc[position]
    train = np.setdiff1d(np.arange(len(smiles)), test)
    if not test or not train.size:
        raise ValueError(f"no scaffold split of {len(smiles)} molecules in {len(groups)} scaffolds: one side is empty")
    return train, np.array(sorted(test))
