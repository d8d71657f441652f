"""Which fragment of a table's entry is the molecule, and in which charge state: its parent structure."""

import csv
from dataclasses import dataclass
from functools import cache

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from qmis_utils.store.paths import DATA

NONMETALS = {1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54, 85, 86}  # atomic numbers
SIMPLE_IONS = {3, 11, 19, 37, 55, 12, 20, 38, 56}  # lithium to barium: they sit beside a drug, others hold it


@dataclass(frozen=True)
class Parent:
    """Hold a canonical SMILES, and what was done to find it.

    Parameters
    ----------
    smiles : str
    stripped : bool
        Whether counter-ions or solvents were left out.
    neutralised : bool
        Whether hydrogens were added or taken to remove a charge.
    kept : {"", "complex", "inorganic"}
        Why the entry is kept whole, if it is: fragments around a metal, or none that is organic.
    several : bool
        Whether the molecule is one of several organic fragments, of which the largest was taken.
    """

    smiles: str
    stripped: bool = False
    neutralised: bool = False
    kept: str = ""
    several: bool = False


def parent(text: str) -> Parent | None:
    """Return the parent of an entry of a table, or None where RDKit reads no molecule.

    Known counter-ions and solvents go first, where something else is left, and then everything without carbon. Of
    several organic fragments the one with most heavy atoms is taken. Charges are neutralised, so that an acid and its
    sodium salt are one molecule. Fragments around a metal other than those of the first two groups are a complex, and
    kept whole; so is what has no organic fragment.

    Parameters
    ----------
    text : str
        A SMILES; a name may follow it after a blank.

    Returns
    -------
    Parent or None

    Examples
    --------
    >>> parent("C[NH2+]C.[Cl-]").smiles, parent("CC(=O)[O-].[Na+]").smiles, parent("[K+].[I-]").kept
    ('CNC', 'CC(=O)O', 'inorganic')
    """
    with rdBase.BlockLogs():  # the report names the rows; RDKit's own messages would name them twice
        mol = Chem.MolFromSmiles(text)
        if mol is None or mol.GetNumAtoms() == 0:
            return None
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)  # numbers of a reaction are no part of a molecule
        metals = {atom.GetAtomicNum() for atom in mol.GetAtoms()} - NONMETALS
        if metals and metals <= SIMPLE_IONS:
            mol = rdMolStandardize.MetalDisconnector().Disconnect(mol)  # CC(=O)O[Na] is a salt, however it is drawn
        whole, fragments = Chem.MolToSmiles(mol), Chem.GetMolFrags(mol, asMols=True)
        if metals - SIMPLE_IONS:
            return Parent(whole, kept="complex" if len(fragments) > 1 else "")  # as written, charges too
        neutral = [_neutral(fragment) for fragment in fragments]
        organic = {Chem.MolToSmiles(f): f for f in neutral if _has_carbon(f) and _kind(f) != "inorganic"}
        if not organic:
            return Parent(whole, kept="inorganic")
        left = {smiles: f for smiles, f in organic.items() if _kind(f) is None} or organic
        smiles = max(left, key=lambda smiles: (left[smiles].GetNumHeavyAtoms(), smiles))
        as_given = {Chem.MolToSmiles(f) for f in fragments}
        return Parent(smiles, len({*map(Chem.MolToSmiles, neutral)}) > 1, smiles not in as_given, several=len(left) > 1)


def _neutral(mol: Chem.Mol) -> Chem.Mol:
    charged = any(atom.GetFormalCharge() for atom in mol.GetAtoms())
    return rdMolStandardize.Uncharger().uncharge(mol) if charged else mol


def _has_carbon(mol: Chem.Mol) -> bool:
    return any(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())


def _kind(mol: Chem.Mol) -> str | None:
    """Return which kind of known ion or solvent a neutral fragment is, whatever its stereochemistry, or None."""
    return _known().get(Chem.MolToSmiles(mol, isomericSmiles=False))


@cache
def _known() -> dict[str, str]:
    """Return canonical SMILES -> kind of the list in the package's data."""
    with (DATA / "counterions.csv").open(encoding="utf-8", newline="") as file:
        mols = [(_neutral(Chem.MolFromSmiles(row["smiles"])), row["kind"]) for row in csv.DictReader(file)]
    return {Chem.MolToSmiles(mol, isomericSmiles=False): kind for mol, kind in mols}
