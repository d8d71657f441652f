"""Tests of a reader's own table in report D: one command gives the whole report."""

import html.parser
import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from qmis_utils import molecules, run
from qmis_utils.runner import figure_files

PARAMS = str(Path(__file__).parents[1] / "params.yaml")
STEMS = [
    "agreement",
    "blind_baseline",
    "equal_auc",
    "exposed",
    "exposure",
    "regression",
    "seeds",
    "tradeoff",
    "verdicts",
]
HEADLINE = [
    "task",
    "kind",
    "representation",
    "quantizer",
    "group",
    "utility",
    "indicator_name",
    "indicator",
    "low",
    "high",
]


@pytest.fixture
def table():
    """160 molecules with columns as a reader may call them; 3 % broken SMILES, and labels missing."""
    frame = molecules.load_task("BBB_Martins").sample(160, random_state=1).reset_index(drop=True)
    frame = pd.DataFrame({"ID": frame.index, "SMILES": frame.smiles, "active": frame.y.map({0: "no", 1: "yes"})})
    frame.loc[[3, 50, 77, 120, 140], "SMILES"] = "C1CC("
    frame.loc[[9, 90], "active"] = None
    return frame


def report(frame, folder, **changes):
    """Run report D on a table with the quick parameters, some of them changed; return the exit status."""
    frame.to_csv(folder / "mine.csv", index=False)
    given = {"tasks": json.dumps([f"csv:{folder / 'mine.csv'}"]), "smiles_column": "SMILES", "label_column": "active"}
    given |= changes
    options = [word for name, value in given.items() for word in ("-p", name, value)]
    return run.main(["D", "--params", PARAMS, "--out", str(folder / "out"), "--figures", str(folder), *options])


def test_a_table_with_flaws_gives_the_whole_report(table, tmp_path):
    assert report(table, tmp_path) == 0
    assert sorted(figure_files.read_manifest(tmp_path)) == [f"D_{stem}" for stem in STEMS]
    tradeoff = pd.read_csv(tmp_path / "D_tradeoff.csv")
    assert list(tradeoff.columns) == [*HEADLINE, "attack_auc", "lira_auc", "tpr_at_1pct"]
    assert set(tradeoff.task) == {"mine"}
    assert set(tradeoff.kind) == {"binary"}
    exposed = pd.read_csv(tmp_path / "D_exposed.csv")
    assert len(exposed) == exposed.smiles.nunique() > 100  # the pool: every molecule, not the ten that are drawn
    assert exposed.picked.is_monotonic_decreasing
    assert (exposed.low <= exposed.exposure).all()
    assert (exposed.exposure <= exposed.high).all()
    assert exposed.exposure.to_numpy() == pytest.approx((exposed.tpr - exposed.fpr).to_numpy(), abs=2e-4)
    assert (exposed.n_in + exposed.n_out == 20).all()  # heads of the group that did not pick
    given = table.iloc[exposed.row - 2]  # the header is row 1
    assert exposed.label.tolist() == given.active.tolist()
    assert exposed.smiles.tolist() == given.SMILES.tolist()
    verdicts = pd.read_csv(tmp_path / "D_verdicts.csv")
    assert list(verdicts.columns) == ["claim", "verdict", "estimate", "low", "high", "bar"]
    assert not verdicts.claim.str.contains("regression").any()
    on_groups = verdicts[verdicts.claim.str.contains("leak|tau|law")]
    assert len(on_groups) >= 6
    assert set(on_groups.verdict) == {"undecided"}  # two groups settle nothing, however narrow the interval
    notebook = nbformat.read(tmp_path / "out" / "D_report_your_table.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = json.dumps(outputs)
    assert "5: 5, 52, 79, 122, 142" in text  # the rows of the broken SMILES, as a spreadsheet numbers them
    assert "2: 11, 92" in text
    assert "rank quantizers by rho_pool from" not in text  # advice that two groups cannot bear
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_with_fewer_than_sixteen_heads_a_group_the_stack_is_left_out_and_the_report_says_so(table, tmp_path):
    assert report(table.head(90), tmp_path, n_models="30") == 0
    notebook = nbformat.read(tmp_path / "out" / "D_report_your_table.ipynb", as_version=4)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "attacks: LiRA, pooled variance, loss threshold, RMIA\n" in printed
    assert "left out: stack on outputs, which needs 16 heads a group; n_models / n_groups is 15" in printed
    tradeoff = pd.read_csv(tmp_path / "D_tradeoff.csv")
    assert tradeoff.attack_auc.notna().all()


class Markup(html.parser.HTMLParser):
    """Collect the start tags of a page, the names of their attributes, and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_markup_in_names_and_molecules_of_a_table_is_shown_as_text(table, tmp_path):
    """A file, its columns, and names behind valid molecules: whatever a page shows of them is text."""
    column = "<img src=x onerror=alert(1)>"
    table["SMILES"] += " <script>alert(2)</script>"  # rdkit reads what follows the molecule as its name
    table = table.rename(columns={"SMILES": column, "active": f"label {column}"}).drop(columns="ID").head(90)
    mine = tmp_path / "my $x$ <b> table.csv"
    table.to_csv(mine, index=False)
    given = {
        "tasks": json.dumps([f"csv:{mine}"]), "smiles_column": json.dumps(column),
        "label_column": json.dumps(f"label {column}"),
    }  # fmt: skip
    options = [word for name, value in given.items() for word in ("-p", name, value)]
    folders = ["--out", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]
    assert run.main(["D", "--params", PARAMS, *folders, *options]) == 0
    notebook = nbformat.read(tmp_path / "out" / "D_report_your_table.ipynb", as_version=4)
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = [data[kind] for data in shown for kind in ("text/html", "text/markdown", "image/svg+xml") if kind in data]
    page = Markup()
    page.feed("\n".join(pages))
    assert {"table", "td"} <= page.tags
    assert "<b> table" in page.text
    assert not page.tags & {"script", "img", "b"}
    assert "onerror" not in page.attributes
