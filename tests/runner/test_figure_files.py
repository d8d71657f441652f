import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qmis_utils.runner import figure_files
from qmis_utils.store.files import opened_atomic, write_atomic

FRAME = pd.DataFrame({"name": ["sign", "twn", "b158"], "n": [1, 2, 3], "auc": [0.5, 1 / 3, np.nan]})


def write(directory, frame, stem="02_auc", rtol=1e-6, atol=0.0, notebook="02_ranking"):
    directory.mkdir(exist_ok=True)
    frame.to_csv(directory / f"{stem}.csv", index=False)
    entry = {"notebook": notebook, "rtol": {"*": 1e-9, "auc": rtol}, "atol": {"*": 0.0, "auc": atol}}
    figure_files.write_manifest(directory, figure_files.read_manifest(directory) | {stem: entry})


@given(value=st.floats(-1e6, 1e6), factor=st.floats(0, 3), rtol=st.floats(1e-6, 0.1), atol=st.floats(1e-6, 0.1))
def test_tolerance_is_met_exactly_when_the_difference_is_within_it(tmp_path_factory, value, factor, rtol, atol):
    directory = tmp_path_factory.mktemp("compare")
    allowed = atol + rtol * abs(value)
    assume(abs(factor - 1) > 1e-3)  # at the edge rounding decides
    write(directory / "old", pd.DataFrame({"auc": [value, 1.0]}), rtol=rtol, atol=atol)
    write(directory / "new", pd.DataFrame({"auc": [value + factor * allowed, 1.0]}), rtol=9.0)
    differences = figure_files.compare_figures(directory / "new", directory / "old", {"02_ranking"})
    assert bool(differences) == (factor > 1)


def test_words_that_follow_from_numbers_are_not_compared(tmp_path):
    write(tmp_path / "old", FRAME)
    write(tmp_path / "new", FRAME.assign(name=["sign", "TWN", "b158"]))
    manifest = figure_files.read_manifest(tmp_path / "old")
    assert len(figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})) == 1
    manifest["02_auc"]["derived"] = ["name"]
    figure_files.write_manifest(tmp_path / "old", manifest)
    assert figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"}) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (FRAME.assign(auc=[0.5, 0.4, np.nan]), "auc, row 1: 0.4, committed 0.33333.*allowed 0 \\+ 1e-06"),
        (FRAME.assign(auc=[0.5, 1 / 3, 0.2]), "auc, row 2: 0.2, committed nan"),
        (FRAME.assign(name=["sign", "TWN", "b158"]), "name, row 1: TWN, committed twn"),
        (FRAME.assign(n=["1", "2", "three"]), "n, row 2: three, committed 3"),
        (FRAME.iloc[:2], "2 rows, committed 3"),
        (FRAME[["n", "name", "auc"]], r"columns \['n', 'name', 'auc'\], committed"),
    ],
)
def test_differences_name_file_column_row_and_values(tmp_path, changed, message):
    write(tmp_path / "old", FRAME)
    write(tmp_path / "new", changed)
    (difference,) = figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})
    assert re.match(f"02_auc.csv: {message}", difference)


def test_equal_tables_with_missing_values_agree(tmp_path):
    frame = FRAME.assign(note=["a", None, "c"])
    write(tmp_path / "old", frame)
    write(tmp_path / "new", frame)
    assert figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"}) == []


def test_many_differences_are_summed_up(tmp_path):
    write(tmp_path / "old", pd.DataFrame({"auc": np.zeros(50)}))
    write(tmp_path / "new", pd.DataFrame({"auc": np.ones(50)}))
    differences = figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})
    assert len(differences) == 4
    assert differences[-1] == "02_auc.csv: auc: 47 more rows differ"


def test_missing_and_extra_figures_are_differences_of_the_notebooks_run_only(tmp_path):
    write(tmp_path / "old", FRAME, stem="02_gone")
    write(tmp_path / "old", FRAME, stem="03_other", notebook="03_other")
    write(tmp_path / "new", FRAME, stem="02_extra")
    assert figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"}) == [
        "02_gone: committed, but the run did not make it",
        "02_extra: made by the run, but not committed",
    ]


def test_a_committed_table_that_is_missing_is_a_difference(tmp_path):
    write(tmp_path / "old", FRAME)
    write(tmp_path / "new", FRAME)
    (tmp_path / "old" / "02_auc.csv").unlink()
    assert "the file is missing" in figure_files.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})[0]


def test_adopting_updates_one_notebook_and_leaves_the_others(tmp_path):
    write(tmp_path / "old", FRAME, stem="02_gone")
    write(tmp_path / "old", FRAME, stem="03_other", notebook="03_other")
    write(tmp_path / "new", FRAME)
    assert figure_files.adopt_figures(tmp_path / "new", tmp_path / "old", "02_ranking") == ["02_auc"]
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["02_auc.csv", "03_other.csv", "manifest.json"]
    assert sorted(figure_files.read_manifest(tmp_path / "old")) == ["02_auc", "03_other"]


def test_what_a_killed_run_left_is_removed_with_the_next(tmp_path):
    write(tmp_path / "new", FRAME)
    (tmp_path / "old" / ".incoming").mkdir(parents=True)
    (tmp_path / "old" / ".02_auc.csv.77.88.part").write_text("half")
    figure_files.adopt_figures(tmp_path / "new", tmp_path / "old", "02_ranking")
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["02_auc.csv", "manifest.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def write_half(path):
        with opened_atomic(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "folder" / "t.npy")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_written_file_may_be_read_by_whoever_reads_its_folder(tmp_path):
    (tmp_path / "usual").write_text("")
    write_atomic(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    write_atomic(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure_files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "old"
