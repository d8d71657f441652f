import json
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from qmis_utils import figures

FRAME = pd.DataFrame({"name": ["sign", "twn", "b158"], "n": [1, 2, 3], "auc": [0.5, 1 / 3, np.nan]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A figure folder that a run of notebook 02_ranking writes to."""
    run = {"notebook": "02_ranking", "code_sha256": "abc", "parameters": {"n": 3}, "threads": 2}
    monkeypatch.setenv("QMIS_RUN", json.dumps(run | {"figures": str(tmp_path / "figures")}))
    return tmp_path / "figures"


def draw():
    with plt.rc_context():
        figures.use_style()
        fig, ax = plt.subplots()
        ax.plot([1, 2, 3], [0.5, 0.3, 0.4], label="AUC")
        ax.set(xlabel="samples $n$", ylabel=r"insecurity $\Delta_n$")
        return fig


def save(stem="02_auc", data=FRAME, alt="AUC of three quantizers.", **tolerances):
    figures.save_figure(draw(), stem, data=data, alt=alt, **tolerances)


def test_writes_four_things_with_one_stem(folder):
    save(rtol={"auc": 1e-3}, atol=1e-9)
    names = {"02_auc.png", "02_auc.svg", "02_auc.csv", "manifest.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "02_auc.csv").read_text() == "name,n,auc\nsign,1,0.5\ntwn,2,0.333333333\nb158,3,\n"
    assert PIL.Image.open(folder / "02_auc.png").size == (650, 480)  # 3.25 x 2.4 inches at 200 dots
    entry = figures.read_manifest(folder)["02_auc"]
    assert entry["notebook"] == "02_ranking"
    assert (entry["code_sha256"], entry["parameters"], entry["threads"]) == ("abc", {"n": 3}, 2)
    assert (entry["rtol"], entry["atol"]) == ({"*": 1e-6, "auc": 1e-3}, {"*": 1e-9})


def test_two_savings_are_byte_identical(folder):
    save()
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert all(b"Matplotlib" not in first[name] for name in ("02_auc.png", "02_auc.svg"))


def test_style_ignores_the_readers_settings(folder):
    save()
    first = (folder / "02_auc.svg").read_bytes()
    with mpl.rc_context({"lines.linewidth": 9, "svg.hashsalt": "mine"}):
        save()
    assert (folder / "02_auc.svg").read_bytes() == first


def test_closes_and_shows_the_figure_with_its_alt_text(folder, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", shown.append)
    before = plt.get_fignums()
    save()
    assert plt.get_fignums() == before
    assert repr(shown[0]) == "AUC of three quantizers."
    assert shown[0]._repr_mimebundle_()[1] == {"image/png": {"width": 488, "alt": "AUC of three quantizers."}}


def test_alt_text_with_markup_leaves_the_svg_well_formed(folder):
    save(alt="n < 3 & \"Δ\" <script>alert('x')</script>")
    tree = ElementTree.parse(folder / "02_auc.svg")
    assert not [element for element in tree.iter() if element.tag.endswith("script")]


def test_a_table_of_fifty_thousand_rows_is_kept(folder):
    save(data=pd.DataFrame({"smiles": ["CC(=O)Oc1ccccc1C(=O)O"] * 50_000, "advantage": np.linspace(0, 1, 50_000)}))
    assert len(pd.read_csv(folder / "02_auc.csv")) == 50_000


def test_without_a_run_nothing_committed_is_touched(tmp_path, monkeypatch):
    monkeypatch.delenv("QMIS_RUN", raising=False)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    save()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")] == ["build/figures/02_auc.csv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stem": "ranking"}, "stem 'ranking'"),
        ({"stem": "02_Ranking"}, "stem '02_Ranking'"),
        ({"stem": "02_../../x"}, "stem"),
        ({"stem": "03_auc"}, "a figure of 02_ranking starts with 02_"),
        ({"data": FRAME.iloc[:0]}, "at least one row"),
        ({"data": {"x": [1]}}, "give a DataFrame"),
        ({"data": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "column names must be different"),
        ({"alt": "  "}, "say in words"),
        ({"rtol": {"speed": 1}}, "rtol: no column speed; columns are name, n, auc"),
        ({"atol": -1}, "finite number >= 0"),
        ({"rtol": float("nan")}, "finite number >= 0"),
        ({"data": pd.DataFrame({"x": np.random.default_rng(0).random(900_000)})}, r"02_auc.csv has \d+ kB, the limit"),
    ],
)
def test_unusable_arguments_are_named_and_write_nothing(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        save(**changes)
    assert not folder.exists()


def write(directory, frame, stem="02_auc", rtol=1e-6, atol=0.0, notebook="02_ranking"):
    directory.mkdir(exist_ok=True)
    frame.to_csv(directory / f"{stem}.csv", index=False)
    entry = {"notebook": notebook, "rtol": {"*": 1e-9, "auc": rtol}, "atol": {"*": 0.0, "auc": atol}}
    figures.write_manifest(directory, figures.read_manifest(directory) | {stem: entry})


@given(value=st.floats(-1e6, 1e6), factor=st.floats(0, 3), rtol=st.floats(1e-6, 0.1), atol=st.floats(1e-6, 0.1))
def test_tolerance_is_met_exactly_when_the_difference_is_within_it(tmp_path_factory, value, factor, rtol, atol):
    directory = tmp_path_factory.mktemp("compare")
    allowed = atol + rtol * abs(value)
    assume(abs(factor - 1) > 1e-3)  # at the edge rounding decides
    write(directory / "old", pd.DataFrame({"auc": [value, 1.0]}), rtol=rtol, atol=atol)
    write(directory / "new", pd.DataFrame({"auc": [value + factor * allowed, 1.0]}), rtol=9.0)
    differences = figures.compare_figures(directory / "new", directory / "old", {"02_ranking"})
    assert bool(differences) == (factor > 1)


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
    (difference,) = figures.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})
    assert re.match(f"02_auc.csv: {message}", difference)


def test_equal_tables_with_missing_values_agree(tmp_path):
    frame = FRAME.assign(note=["a", None, "c"])
    write(tmp_path / "old", frame)
    write(tmp_path / "new", frame)
    assert figures.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"}) == []


def test_many_differences_are_summed_up(tmp_path):
    write(tmp_path / "old", pd.DataFrame({"auc": np.zeros(50)}))
    write(tmp_path / "new", pd.DataFrame({"auc": np.ones(50)}))
    differences = figures.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})
    assert len(differences) == 4
    assert differences[-1] == "02_auc.csv: auc: 47 more rows differ"


def test_missing_and_extra_figures_are_differences_of_the_notebooks_run_only(tmp_path):
    write(tmp_path / "old", FRAME, stem="02_gone")
    write(tmp_path / "old", FRAME, stem="03_other", notebook="03_other")
    write(tmp_path / "new", FRAME, stem="02_extra")
    assert figures.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"}) == [
        "02_gone: committed, but the run did not make it",
        "02_extra: made by the run, but not committed",
    ]


def test_a_committed_table_that_is_missing_is_a_difference(tmp_path):
    write(tmp_path / "old", FRAME)
    write(tmp_path / "new", FRAME)
    (tmp_path / "old" / "02_auc.csv").unlink()
    assert "the file is missing" in figures.compare_figures(tmp_path / "new", tmp_path / "old", {"02_ranking"})[0]


def test_adopting_updates_one_notebook_and_leaves_the_others(tmp_path):
    write(tmp_path / "old", FRAME, stem="02_gone")
    write(tmp_path / "old", FRAME, stem="03_other", notebook="03_other")
    write(tmp_path / "new", FRAME)
    assert figures.adopt_figures(tmp_path / "new", tmp_path / "old", "02_ranking") == ["02_auc"]
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["02_auc.csv", "03_other.csv", "manifest.json"]
    assert sorted(figures.read_manifest(tmp_path / "old")) == ["02_auc", "03_other"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    figures.write_atomic(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figures.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        figures.write_atomic(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "old"


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_colours_are_distinct_and_readable_on_white():
    assert len(set(figures.COLORS)) == 7
    assert all(1.05 / (luminance(color) + 0.05) > 2 for color in figures.COLORS)
