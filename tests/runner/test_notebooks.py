"""The notebooks: each runs with its quick parameters, and what is committed is whole, clean and fresh."""

import base64
import hashlib
import re
import statistics
from pathlib import Path

import jupytext
import pytest
import yaml

from qmis_utils import figures, run
from qmis_utils.runner import figure_files, notebooks

TESTS = Path(__file__).parents[1]
FIGURES = run.ROOT / "figures"
PATHS = list(notebooks.find_notebooks(run.NOTEBOOKS).values())
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(home|root|work|tmp|Users|opt|usr|var)/|site-packages|<scratch>|<environment>")
TIMING = re.compile(r"\b\d+(\.\d+)?\s?(ms|s|sec|seconds?|min|minutes?)\b|[Ww]all time|\d+%\|")

READING = [path for path in PATHS if path.stem[0].isdigit()]  # studies and reports have a letter

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
each_reading_notebook = pytest.mark.parametrize("path", READING, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in notebooks.read_notebook(path).cells if cell.cell_type == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def output_text(path):
    """Return all that the outputs of a notebook say in words."""
    texts = [output.get("text", "") for output in outputs(path)]
    data = [output.get("data", {}) for output in outputs(path)]
    return "\n".join(texts + [text for bundle in data for kind, text in bundle.items() if kind.startswith("text/")])


def code_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def entries(path):
    return {
        stem: entry for stem, entry in figure_files.read_manifest(FIGURES).items() if entry["notebook"] == path.stem
    }


@each_notebook
def test_runs_with_its_quick_parameters(path, tmp_path):
    arguments = ["--params", str(TESTS / "params.yaml"), "--out", str(tmp_path / "out"), "--figures", str(tmp_path)]
    assert run.main([str(path), *arguments]) == 0
    assert set(figure_files.read_manifest(tmp_path)) == set(entries(path))


@each_notebook
def test_pair_is_in_sync(path):
    script = jupytext.read(path.parent / "py" / f"{path.stem}.py")
    cells = notebooks.read_notebook(path).cells
    assert [(cell.cell_type, cell.source) for cell in script.cells] == [(cell.cell_type, cell.source) for cell in cells]
    tags = [[cell.metadata.get("tags", []) for cell in pair] for pair in (script.cells, cells)]
    assert tags[0] == tags[1]


@each_notebook
def test_is_committed_executed_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs(path) if output.output_type == "error" or output.get("name") == "stderr"]


@each_notebook
def test_outputs_hold_no_machine_path_and_no_timing(path):
    assert not MACHINE_PATH.search(path.read_text(encoding="utf-8"))
    assert not re.search(r" object at 0x", output_text(path))
    assert not TIMING.search(output_text(path))


@each_notebook
def test_metadata_is_only_what_is_needed(path):
    notebook = notebooks.read_notebook(path)
    assert set(notebook.metadata) <= {"kernelspec", "jupytext", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell for cell in notebook.cells if set(cell.metadata) - {"tags", "lines_to_next_cell"}]
    assert not [cell for cell in notebook.cells if notebooks.has_tag(cell, "injected-parameters")]
    assert path.stat().st_size < 1_000_000


@each_notebook
def test_declares_parameters_and_run_time(path):
    notebook = notebooks.read_notebook(path)
    assert sum(notebooks.has_tag(cell, "parameters") for cell in notebook.cells) == 1
    assert all(parameter.comment for parameter in notebooks.read_parameters(notebook, path.stem).values())
    assert notebooks.run_minutes(notebook) is not None


@each_notebook
def test_cells_are_small_and_explained(path):
    lengths = [len(code_lines(cell)) for cell in code_cells(path)]
    words = sum(
        len(cell.source.split()) for cell in notebooks.read_notebook(path).cells if cell.cell_type == "markdown"
    )
    assert statistics.median(lengths) <= 6
    assert max(lengths) <= 30
    assert words >= 6 * sum(lengths)


@each_notebook
def test_no_line_of_a_formula_begins_like_a_list(path):
    """Markdown sees lists before formulas: such a line ends the paragraph, and all dollars after it pair wrongly."""
    text = [cell.source for cell in notebooks.read_notebook(path).cells if cell.cell_type == "markdown"]
    formulas = [formula for source in text for formula in re.findall(r"\$\$.+?\$\$|\$[^$]+\$", source, re.DOTALL)]
    assert not [formula for formula in formulas if re.search(r"\n\s*([-+*>#]|\d+[.)])\s|\n\s*\n", formula)]


def shown_tables(path):
    """Return the number of rows of each table that a notebook shows."""
    html = [output.data["text/html"] for output in outputs(path) if "text/html" in output.get("data", {})]
    return [len(re.findall("<tr", text.split("</thead>")[-1])) for text in html if "<table" in text]


@each_reading_notebook
def test_can_be_read_in_one_sitting(path):
    cells = notebooks.read_notebook(path).cells
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert len(cells) <= 70
    assert sum(len(source.split()) for source in text) <= 3000
    assert sum(map(len, code)) <= 12_000
    assert max(len(line) for source in code for line in source.splitlines()) <= 88
    assert max(len(code_lines(cell)) for cell in code_cells(path)) <= 24
    assert len(shown_tables(path)) <= 6
    assert max([0, *shown_tables(path)]) <= 8
    assert notebooks.run_minutes(notebooks.read_notebook(path))[0] <= 4


@each_reading_notebook
def test_answers_first(path):
    """The first cell asks and answers with a number; the figure comes before any other text is long."""
    cells = notebooks.read_notebook(path).cells
    assert re.search(r"\*\*Question\.\*\* .+\?", cells[0].source, re.DOTALL)
    answer = re.search(r"\*\*Answer\.\*\* (.+?)(\n\n|\Z)", cells[0].source, re.DOTALL)[1]
    assert re.search(r"\d", answer)
    first = next(
        i for i, cell in enumerate(cells) if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
    )
    before = cells[:first]
    assert sum(len(cell.source.split()) for cell in before if cell.cell_type == "markdown") <= 350
    shown = [cell for cell in before if cell.cell_type == "code" and not notebooks.has_tag(cell, "hide-input")]
    assert sum(len(code_lines(cell)) for cell in shown) <= 45


@each_notebook
def test_shows_its_committed_figures(path):
    shown = {
        base64.b64decode(output.data["image/png"]) for output in outputs(path) if "image/png" in output.get("data", {})
    }
    assert shown == {(FIGURES / f"{stem}.png").read_bytes() for stem in entries(path)}


def test_the_core_notebooks_are_there():
    core = {"00_start_here", "01_theory_derivation", "05_synthetic_mis_ranking", "07_molecular_privacy_utility"}
    assert core <= {path.stem for path in PATHS}


def test_quick_parameters_belong_to_notebooks_and_change_them():
    table = yaml.safe_load((TESTS / "params.yaml").read_text())
    jobs = run.plan([], from_file=TESTS / "params.yaml")
    assert {job.stem: job.overrides for job in jobs if job.overrides} == table


def test_committed_figures_are_fresh():
    assert run.stale_figures(FIGURES, PATHS) == []


def test_the_figure_folder_holds_the_figures_of_its_manifest_and_nothing_else():
    manifest = figure_files.read_manifest(FIGURES)
    assert len(manifest) >= 8
    names = {f"{stem}{suffix}" for stem in manifest for suffix in figure_files.SUFFIXES} | {"manifest.json"}
    assert {path.name for path in FIGURES.iterdir()} == names
    assert all(path.stat().st_size <= figures.MAX_BYTES for path in FIGURES.iterdir())


def test_the_manifest_matches_the_tables():
    for stem, entry in figure_files.read_manifest(FIGURES).items():
        assert hashlib.sha256((FIGURES / f"{stem}.csv").read_bytes()).hexdigest() == entry["csv_sha256"]
        assert len(entry["alt"].split()) >= 5
