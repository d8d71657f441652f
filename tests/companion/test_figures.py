import json
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib import pyplot as plt

from qmis_utils import assess, attacks, figures, quantizers
from qmis_utils.runner import figure_files

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
    assert {path.name for path in folder.iterdir()} - {".lock"} == names
    assert (folder / "02_auc.csv").read_text() == "name,n,auc\nsign,1,0.5\ntwn,2,0.333333333\nb158,3,\n"
    assert PIL.Image.open(folder / "02_auc.png").size == (650, 480)  # 3.25 x 2.4 inches at 200 dots
    entry = figure_files.read_manifest(folder)["02_auc"]
    assert entry["notebook"] == "02_ranking"
    assert (entry["code_sha256"], entry["parameters"], entry["threads"]) == ("abc", {"n": 3}, 2)
    assert (entry["rtol"], entry["atol"]) == ({"*": 1e-6, "auc": 1e-3}, {"*": 1e-9})
    assert "derived" not in entry
    save(derived=["name"])
    assert figure_files.read_manifest(folder)["02_auc"]["derived"] == ["name"]


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
    monkeypatch.setattr("IPython.display.display", shown.append)
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
    monkeypatch.setattr(figures, "BUILD", tmp_path / "build")
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
        ({"derived": ["verdict"]}, "derived: no column verdict; columns are name, n, auc"),
        ({"rtol": float("nan")}, "finite number >= 0"),
        ({"data": pd.DataFrame({"x": np.random.default_rng(0).random(900_000)})}, r"02_auc.csv has \d+ kB, the limit"),
    ],
)
def test_unusable_arguments_are_named_and_write_nothing(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        save(**changes)
    assert not folder.exists()


ROWS = pd.DataFrame({"auc": [0.6, 0.7], "low": [0.5, 0.65], "high": [0.8, 0.75]}, index=["sign", "twn"])


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def drawn(ax):
    """Return the segments, the marks and their colours, in the order of the calls."""
    lines = [segment.tolist() for part in ax.collections for segment in part.get_segments()]
    marks = [[float(x), float(y)] for line in ax.lines for x, y in zip(*line.get_data(), strict=True)]
    return lines, marks, [line.get_color() for line in ax.lines]


def test_a_forest_draws_each_interval_at_its_name(ax):
    figures.forest(ax, ROWS, "auc", names=["twn", "b158", "sign"], color="red", shift=0.25, label="LiRA")
    lines, marks, colors = drawn(ax)
    assert lines == [[[0.5, 2.25], [0.8, 2.25]], [[0.65, 0.25], [0.75, 0.25]]]
    assert (marks, colors) == ([[0.6, 2.25], [0.7, 0.25]], ["red"])
    assert [mpl.colors.to_hex(color) for color in ax.collections[0].get_colors()] == ["#ff0000"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["twn", "b158", "sign"]
    assert ax.get_ylim() == (2.5, -0.5)  # the first on top
    assert ax.get_legend_handles_labels()[1] == ["LiRA"]


def test_a_forest_names_a_row_that_has_no_place(ax):
    with pytest.raises(ValueError, match="names must hold every name of the rows; missing: twn"):
        figures.forest(ax, ROWS, "auc", names=["sign", "b158"])


def test_a_forest_of_verdicts_has_their_colours_and_bars(ax):
    claims = {"a": (0.5, 0.1, 0.9), "b": (0.1, -0.2, 0.4), "c": (-0.5, -0.9, -0.1), "d": (0.6, 0.2, 0.8)}
    bars = {"a": 0.0, "b": 0.05, "c": 0.0, "d": 0.1}
    verdicts = pd.DataFrame([attacks.verdict(claim, found, bars[claim]) for claim, found in claims.items()])
    figures.forest_of_verdicts(ax, verdicts)
    lines, marks, colors = drawn(ax)
    assert lines == [[[0.1, 0], [0.9, 0]], [[0.2, 3], [0.8, 3]], [[-0.9, 2], [-0.1, 2]], [[-0.2, 1], [0.4, 1]]]
    assert marks == [[0.5, 0], [0.6, 3], [-0.5, 2], [0.1, 1], [0.0, 0], [0.05, 1], [0.0, 2], [0.1, 3]]
    words = ["reproduced", "contradicted", "undecided"]
    assert colors == [*(figures.look(word)["color"] for word in words), "k"]
    assert ax.get_legend_handles_labels()[1] == words
    assert [text.get_text() for text in ax.get_yticklabels()] == list("abcd")


def test_a_plane_draws_both_intervals_in_the_look_of_each_release(ax):
    columns = ["leak", "leak_low", "leak_high", "use", "use_low", "use_high"]
    rows = pd.DataFrame([[0.5, 0.4, 0.6, 0.9, 0.8, 1.0], [0.1, 0.0, 0.2, -2.0, -3.0, 0.3]], ["fp32", "sign"], columns)
    figures.plane(ax, rows, {"sign": (5, 0, "left")}, floor=-0.5)
    lines, marks, colors = drawn(ax)
    assert lines == [
        [[0.0, -0.5], [0.2, -0.5]],
        [[0.1, -0.5], [0.1, 0.3]],
        [[0.4, 0.9], [0.6, 0.9]],
        [[0.5, 0.8], [0.5, 1.0]],
    ]
    assert marks == [[0.1, -0.5], [0.5, 0.9]]  # the first on top
    assert colors == [figures.look(name)["color"] for name in ("sign", "fp32")]
    assert [text.get_text() for text in ax.texts] == ["sign"]


def test_every_verdict_quantizer_attack_and_number_has_a_look_of_its_own():
    numbers = {"r" if name.startswith("r ") else name for name in assess.NUMBERS}
    numbers -= {"train loss", "test loss", "test accuracy", "generalisation gap", "one reference", "lira 16"}
    for names in (attacks.VERDICTS, [*quantizers.QUANTIZERS, *quantizers.FORMATS], attacks.ATTACKS, numbers):
        looks = [figures.look(name) for name in names]
        assert len({(given["color"], given["marker"]) for given in looks}) == len(looks)
        assert len({given["label"] for given in looks}) == len(looks)


def test_a_name_without_a_look_is_an_error_that_lists_those_with_one():
    with pytest.raises(ValueError, match=r"no look for 'ternary_91': add a row to looks.csv; there are fp32, "):
        figures.look("ternary_91")
    assert figures.words(["ternary_90", "ternary_91"]) == ["90 % zeros", "ternary_91"]


def test_a_legend_above_names_each_label_once():
    fig, (left, right) = plt.subplots(1, 2, layout="constrained")
    for label in ("sign", "twn", "sign"):
        left.plot([0, 1], label=label)
    right.plot([0, 1], label="another")
    figures.legend_above(fig, left, ncols=2)
    figures.legend_above(fig, right.lines + [plt.Line2D([], [], label="by hand")])
    first, second = fig.legends
    assert [text.get_text() for text in first.get_texts()] == ["sign", "twn"]
    assert [text.get_text() for text in second.get_texts()] == ["another", "by hand"]
    fig.canvas.draw()
    boxes = [part.get_window_extent() for part in (first, left)]
    assert boxes[0].y0 >= boxes[1].y1
    plt.close(fig)


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_colours_are_distinct_and_readable_on_white():
    assert len(set(figures.COLORS)) == 7
    assert all(1.05 / (luminance(color) + 0.05) > 2 for color in figures.COLORS)
