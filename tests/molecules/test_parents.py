"""Tests of parent structures: counter-ions, solvents, charges, complexes, inorganic salts, mixtures."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from qmis_utils import molecules
from qmis_utils.molecules.parents import parent

DRUGS = {
    "tafamidis": "OC(=O)c1ccc2oc(-c3cc(Cl)cc(Cl)c3)nc2c1",
    "pyrantel": "CN1CCCN=C1/C=C/c1cccs1",
    "amphetamine": "CC(N)Cc1ccccc1",
    "erythromycin": "CC[C@H]1OC(=O)[C@H](C)[C@@H](O[C@H]2C[C@@](C)(OC)[C@@H](O)[C@H](C)O2)[C@H](C)[C@@H](O[C@@H]2O"
    "[C@H](C)C[C@@H]([C@H]2O)N(C)C)[C@](C)(O)C[C@@H](C)C(=O)[C@H](C)[C@@H](O)[C@]1(C)O",
    "imipramine": "CN(C)CCCN1c2ccccc2CCc2ccccc21",
}
IONS = {
    "meglumine": "CNC[C@H](O)[C@@H](O)[C@H](O)[C@H](O)CO",
    "dodecyl sulfate": "CCCCCCCCCCCCOS(=O)(=O)[O-]",
    "pamoic acid": "OC(=O)c1cc2ccccc2c(Cc2c(O)c(cc3ccccc23)C(O)=O)c1O",
    "stearate": "CCCCCCCCCCCCCCCCCC(=O)[O-]",
    "benzathine": "C(CNCc1ccccc1)NCc1ccccc1",
    "tosylate": "Cc1ccc(cc1)S(=O)(=O)[O-]",
    "maleic acid": r"OC(=O)/C=C\C(O)=O",
    "sodium": "[Na+]",
    "water": "O",
    "nitric acid": "O[N+](=O)[O-]",
    "ethanol": "CCO",
    "ammonium": "[NH4+]",
    "hexafluorophosphate": "F[P-](F)(F)(F)(F)F",
    "L-tartrate": "O[C@H]([C@@H](O)C(=O)[O-])C(=O)[O-]",
    "magnesium": "[Mg+2]",
}


@pytest.mark.parametrize("drug", DRUGS)
@given(ions=st.lists(st.sampled_from(sorted(IONS)), min_size=1, max_size=3), first=st.booleans())
def test_the_drug_stays_whatever_stands_beside_it(drug, ions, first):
    """Large, hydrogen-rich and organic counter-ions too, in any order and number, however the acid is drawn."""
    fragments = [*(IONS[ion] for ion in ions), DRUGS[drug]]
    found = parent(".".join(fragments[::-1] if first else fragments))
    assert found.smiles == Chem.CanonSmiles(DRUGS[drug])
    assert (found.stripped, found.several, found.kept) == (True, False, "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CC(=O)O", "CC(=O)[O-].[Na+]"),
        ("CC(=O)O", "CC(=O)O[Na]"),
        ("CCN(CC)CC", "CC[NH+](CC)CC.[Cl-]"),
        ("NCC(=O)O", "[NH3+]CC(=O)[O-]"),
        ("c1ccncc1", "c1cc[nH+]cc1.[O-]S(=O)(=O)O"),
        ("CC(=O)O", "[Ca](OC(C)=O)OC(C)=O"),
        ("Oc1ccccc1", "[O-]c1ccccc1.[K+]"),
        ("CCO", "[CH3:1][CH2:2][OH:3]"),
        ("CC(=O)O", "CC(=O)[O-].CC(=O)[O-].[Mg+2]"),
    ],
)
def test_charge_states_and_drawings_of_one_molecule_are_one(one, other):
    assert parent(one).smiles == parent(other).smiles == Chem.CanonSmiles(one)
    assert not parent(one).neutralised


@pytest.mark.parametrize(
    "smiles",
    [
        "O=[N+]([O-])c1ccccc1",
        "C[N+](C)(C)CC(=O)[O-]",
        "C[n+]1ccccc1[O-]",
        "[N-]=[N+]=Nc1ccccc1",
        "C[S+](C)[O-]",
        "[O-][n+]1ccccc1",
        "N#[N+]c1ccccc1",
        "C[N+](C)(C)CCO",
        "[2H]C([2H])([2H])O",
        "C[C@H](N)C(=O)O",
        "F/C=C/F",
    ],
)
def test_charges_that_no_hydrogen_removes_isotopes_and_stereo_stay(smiles):
    found = parent(smiles)
    assert found.smiles == Chem.CanonSmiles(smiles)
    assert (found.neutralised, found.stripped, found.several) == (False, False, False)


@pytest.mark.parametrize(
    ("kept", "smiles"),
    [
        ("complex", "N.N.[Cl-].[Cl-].[Pt+2]"),
        ("complex", "[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]"),
        ("complex", "[O-]n1ccccc1=S.[O-]n1ccccc1=S.[Zn+2]"),
        ("complex", "CC(=O)[O-].CC(=O)[O-].[Hg+2]"),
        ("inorganic", "[I-].[K+]"),
        ("inorganic", "[Na+].[Cl-]"),
        ("inorganic", "O=[N+]([O-])[O-].O=[N+]([O-])[O-].[Ca+2]"),
        ("inorganic", "[C-]#N.[K+]"),
        ("inorganic", "O=C([O-])[O-].[Na+].[Na+]"),
        ("inorganic", "NN"),
        ("inorganic", "[S-]C#N.[NH4+]"),
        ("", "N[Pt](N)(Cl)Cl"),
        ("", "C[Hg]Cl"),
        ("", "C[Mg]Br"),
    ],
)
def test_complexes_and_inorganic_salts_are_kept_whole_and_named(kept, smiles):
    found = parent(smiles)
    assert (found.smiles, found.kept) == (Chem.CanonSmiles(smiles), kept)
    assert (found.stripped, found.neutralised) == (False, False)


def test_of_known_ions_alone_the_largest_is_the_molecule():
    assert parent("OC(=O)c1ccccc1O.C[N+](C)(C)CCO").smiles == Chem.CanonSmiles("OC(=O)c1ccccc1O")
    assert parent("CCO.[Na+].[Cl-]").smiles == "CCO"
    assert parent("CC(=O)[O-].[NH4+]").smiles == Chem.CanonSmiles("CC(=O)O")


def test_of_several_organic_fragments_the_heaviest_is_taken_and_the_row_listed():
    """Dimenhydrinate's theophylline is a known ion; of two drugs in one entry none is."""
    raw = pd.DataFrame(
        {"s": ["CC(=O)Oc1ccccc1C(=O)O.Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CCN", "CCC.CCC", "CCF"], "y": [0, 1, 0, 1]}
    )
    frame = molecules.clean(raw, "s", "y")
    assert frame["smiles"][0] == Chem.CanonSmiles("Cn1cnc2c1c(=O)n(C)c(=O)n2C")
    assert frame["smiles"][2] == "CCC"
    assert frame.attrs["report"]["several_organic_rows"] == [2]
    assert frame.attrs["report"]["salts_stripped"] == 1  # propane twice is no salt


def test_size_counts_and_not_the_spelling():
    assert parent("c1ccoc1.CCCCCCCCCCCCN").smiles == "CCCCCCCCCCCCN"
    assert parent("CCCCCCCCCCCCN.c1ccoc1").several


def test_mirror_images_in_one_entry_are_several():
    assert parent("C[C@H](N)c1ccc(F)cc1.C[C@@H](N)c1ccc(F)cc1").several


def test_the_report_counts_what_became_of_rows():
    smiles = ["CCO v1.2", "CC[NH3+].[Cl-]", "[K+].[I-]", "N.N.[Cl-].[Cl-].[Pt+2]", "CCN", "CC(=O)[O-]"]
    frame = molecules.clean(pd.DataFrame({"s": smiles, "y": [0, 1, 0, 1, 1, 0]}), "s", "y")
    report = frame.attrs["report"]
    assert (report["salts_stripped"], report["charges_neutralised"]) == (1, 2)
    assert (report["inorganic_rows"], report["complex_rows"]) == ([4], [5])
    assert (report["duplicate_rows"], report["rows_left"]) == (1, 5)  # ethylamine and its hydrochloride


def test_what_rdkit_cannot_read_is_none():
    assert parent("C1CC") is None
    assert parent("nonsense") is None


@given(st.sampled_from([*DRUGS.values(), *IONS.values(), "[I-].[K+]", "CC(=O)[O-].[Na+]", "N.N.[Cl-].[Cl-].[Pt+2]"]))
def test_a_parent_is_its_own_parent(smiles):
    once = parent(smiles)
    again = parent(once.smiles)
    assert again.smiles == once.smiles
    assert (again.neutralised, again.stripped) == (False, False)
