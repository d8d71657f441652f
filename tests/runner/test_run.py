import json
import math
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import FIGURE

from qmis_utils import run
from qmis_utils.runner import figure_files, kernel, notebooks, sweeps

ONLY = "hold only numbers"
DECLARED = "n: int, scale: float, label: str | None, tables: list[str]"


@pytest.fixture(scope="module")
def finished(make_notebook, tmp_path_factory):
    """A tiny notebook that has run once with its full parameters: (path, executed directory, figure directory)."""
    directory = tmp_path_factory.mktemp("finished")
    path = make_notebook(directory, "print('points', n)", "import os, sys; print(os.getcwd(), sys.prefix)", FIGURE)
    out, committed = directory / "executed", directory / "figures"
    assert run.main([str(path), "--out", str(out), "--figures", str(committed)]) == 0
    return path, out, committed


@pytest.fixture
def library(make_notebook, tmp_path, monkeypatch):
    """Three notebooks in the place of the companion's; the third declares another parameter."""
    for stem in ("01_one", "02_two"):
        make_notebook(tmp_path, stem=stem)
    opening = "# Slow\n\n**Run time** (2 cores): full 40 min, quick 15 s."
    make_notebook(tmp_path, stem="02b_deep", parameters="depth: int = 2  # layers", opening=opening)
    monkeypatch.setattr(run, "NOTEBOOKS", tmp_path)
    return tmp_path


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_two_runs_are_byte_identical(finished, tmp_path):
    path, out, committed = finished
    assert run.main([str(path), "--out", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]) == 0
    assert set(contents(committed)) == {"90_line.png", "90_line.svg", "90_line.csv", "manifest.json"}
    assert contents(tmp_path / "figures") == contents(committed)
    assert contents(tmp_path / "out") == contents(out)


def test_what_is_written_has_no_machine_path_timing_or_papermill(finished):
    path, out, committed = finished
    text = (out / path.name).read_text() + (committed / "manifest.json").read_text()
    for word in (
        str(Path.home()),
        str(run.ROOT),
        sys.prefix,
        "papermill",
        "start_time",
        "iopub",
        sys.version.split()[0],
    ):
        assert word not in text
    executed = nbformat.read(out / path.name, as_version=4)
    assert [cell.source for cell in executed.cells] == [cell.source for cell in notebooks.read_notebook(path).cells]
    assert executed.cells[2].outputs[0].text == "points 3\n"
    assert executed.cells[4].outputs[0].metadata["image/png"].alt == "A rising line."
    assert executed.cells[4].outputs[0].data["text/plain"] == "A rising line."
    assert executed.metadata.kernelspec.name == "python3"


def test_the_manifest_says_what_made_the_figure(finished):
    path, _, committed = finished
    entry = figure_files.read_manifest(committed)["90_line"]
    assert entry["notebook"] == "90_tiny"
    assert entry["code_sha256"] == notebooks.code_sha256(notebooks.read_notebook(path))
    assert entry["parameters"] == {"n": 3, "scale": 1.0, "label": None, "tables": []}
    assert entry["threads"] == 2


def test_check_passes_and_leaves_the_committed_figures(finished, tmp_path, capsys):
    path, _, committed = finished
    before = contents(committed)
    assert run.main([str(path), "--check", "--out", str(tmp_path), "--figures", str(committed)]) == 0
    assert "agree" in capsys.readouterr().out
    assert contents(committed) == before


def test_check_fails_on_a_table_outside_its_tolerance(finished, tmp_path, capsys, monkeypatch):
    path, _, committed = finished
    monkeypatch.setattr(
        run, "execute", lambda job, out, goal, *_: figure_files.adopt_figures(committed, goal, job.stem)
    )
    other = tmp_path / "committed"
    figure_files.adopt_figures(committed, other, "90_tiny")
    arguments = [str(path), "--check", "--out", str(tmp_path / "out"), "--figures", str(other)]
    (other / "90_line.csv").write_text("x,y\n0,0\n1,1.0005\n2,2\n")
    assert run.main(arguments) == 0
    (other / "90_line.csv").write_text("x,y\n0,0\n1,1.002\n2,2\n")
    assert run.main(arguments) == 1
    assert "90_line.csv: y, row 1: 1, committed 1.002 (allowed 0 + 0.001 x |committed|)" in capsys.readouterr().err


def test_a_failing_cell_is_named_and_the_old_figures_stay(make_notebook, finished, tmp_path, capfd):
    committed = tmp_path / "figures"
    figure_files.adopt_figures(finished[2], committed, "90_tiny")
    before = contents(committed)
    path = make_notebook(tmp_path, FIGURE, "scale = 1\n'text' + scale", "print('never')")
    assert run.main([str(path), "-p", "n", "5", "--out", str(tmp_path / "out"), "--figures", str(committed)]) == 1
    output, error = capfd.readouterr()
    assert "figures of" not in output
    assert "90_tiny failed in cell In [4]: TypeError: can only concatenate str" in error
    assert "'text' + scale" in error
    assert "failed: 90_tiny" in error
    assert "\n    with n = 5 (default 3)\n" in error
    assert contents(committed) == before
    executed = nbformat.read(tmp_path / "out" / path.name, as_version=4)
    assert executed.cells[4].outputs[0].ename == "TypeError"
    assert [cell.cell_type for cell in executed.cells] == ["markdown", "code", "code", "code", "code", "code"]


def test_a_failure_names_at_most_five_of_the_parameters_that_were_set(make_notebook, tmp_path):
    path = make_notebook(tmp_path, parameters="\n".join(f"p{i}: str = 'a'" for i in range(8)))
    (job,) = run.plan([str(path)], [(f"p{i}", "b" * 90) for i in range(7)])
    said = kernel._what_was_set(job)
    assert said.endswith("p4 = '" + "b" * 56 + "... (default 'a'), 2 more")
    assert kernel._what_was_set(run.plan([str(path)])[0]) == ""


def test_a_dying_kernel_is_named_and_the_next_notebook_runs(make_notebook, tmp_path, capfd):
    dying = make_notebook(tmp_path, "import os", "os._exit(3)", stem="90_dying")
    fine = make_notebook(tmp_path, "print(1)", stem="91_fine")
    out = tmp_path / "out"
    assert run.main([str(dying), str(fine), "--out", str(out), "--figures", str(tmp_path / "figures")]) == 1
    captured = capfd.readouterr()
    assert "90_dying failed in cell In [3]: the kernel died" in captured.err
    assert "[1/2] 90_dying (full run 3 min), next 91_fine" in captured.out
    assert captured.out.count("executed notebook") == 1
    assert f"  executed notebook: {run._hide(out / '91_fine.ipynb')}\n" in captured.out
    assert captured.out.endswith(f"figures of 91_fine are in {run._hide(tmp_path / 'figures')}\n")
    assert (out / "91_fine.ipynb").exists()


def test_figures_of_another_table_leave_the_build_folder_even_if_the_run_fails(
    make_notebook, finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "BUILD", tmp_path / "build")
    goal = tmp_path / "build" / "figures"
    figure_files.adopt_figures(finished[2], goal, "90_tiny")
    (entry,) = figure_files.read_manifest(goal).values()
    by_hand = entry | {"notebook": None}  # what JupyterLab leaves there
    figure_files.write_manifest(goal, {"90_line": by_hand, "90b_line": entry})
    (goal / "90b_line.csv").write_text("x\n")
    path = make_notebook(tmp_path, FIGURE, "1 / 0")
    assert run.main([str(path), "-p", "n", "5"]) == 1
    assert set(contents(goal)) == {"90b_line.csv", "manifest.json"}
    assert figure_files.read_manifest(goal) == {"90b_line": entry}


def test_csv_paths_start_at_the_callers_directory_and_stay_relative_in_what_is_written(
    make_notebook, tmp_path, monkeypatch
):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine.csv").write_text("smiles,y\n")
    show = "from pathlib import Path\nprint([Path(t.removeprefix('csv:')).read_text() for t in tables], tables)"
    path = make_notebook(tmp_path / "notebooks", show, FIGURE)
    monkeypatch.chdir(tmp_path)
    arguments = ["-p", "tables", "[csv:mine.csv, csv:./mine.csv]", "-p", "scale", "2"]
    assert run.main([str(path), *arguments, "--out", "out", "--figures", "figures"]) == 0
    executed = nbformat.read(tmp_path / "out" / path.name, as_version=4)
    assert executed.cells[3].outputs[0].text.startswith("['smiles,y\\n', 'smiles,y\\n'] ['csv:")
    text = (tmp_path / "out" / path.name).read_text() + (tmp_path / "figures" / "manifest.json").read_text()
    assert str(tmp_path) not in text
    parameters = figure_files.read_manifest(tmp_path / "figures")["90_line"]["parameters"]
    assert parameters == {"n": 3, "scale": 2.0, "label": None, "tables": ["csv:mine.csv", "csv:./mine.csv"]}


def test_an_interrupt_stops_the_kernel_and_says_130(make_notebook, tmp_path):
    path = make_notebook(tmp_path, "import os; open('pid', 'w').write(str(os.getpid()))", "import time; time.sleep(60)")
    folders = ["--out", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]
    command = [sys.executable, "-m", "qmis_utils.run", str(path), *folders]

    def heed_interrupts():  # a shell that starts the tests in the background hands down "ignore SIGINT"
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    options = {"stderr": subprocess.PIPE, "text": True, "cwd": run.ROOT, "preexec_fn": heed_interrupts}
    with subprocess.Popen(command, **options) as process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith("interrupted")
    kernel = Path("/proc") / (tmp_path / "pid").read_text()
    until = time.monotonic() + 10  # a busy machine takes its time to bury the process; the cell sleeps for a minute
    while kernel.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not kernel.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "m", "3"], f"01_one declares no parameter m; valid are {DECLARED}"),
        (["-p", "n", "3.5"], "01_one: n is declared int, got 3.5 (float)"),
        (["-p", "n", "true"], "01_one: n is declared int, got True (bool)"),
        (["-p", "tables", "[a, 1]"], "01_one: tables is declared list[str], got ['a', 1] (list)"),
        (["-p", "n", "[1"], "-p n is not YAML"),
        (["-p", "n", "0"], "01_one: n must be at least 1 (default 3), got 0"),
        (["-p", "scale", ".nan"], "01_one: scale must be finite (default 1.0), got nan"),
        (["-p", "scale", "1e999"], "01_one: scale must be finite (default 1.0), got inf"),
        (["--threads", "0"], "--threads: a number of threads is at least 1, got 0"),
        (["--check", "-p", "n", "4"], "--check compares full runs"),
    ],
)
def test_bad_parameters_are_errors_that_say_what_is_valid(library, capsys, arguments, message):
    assert run.main(["01", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_parameter_must_be_declared_by_every_notebook_chosen(library, capsys):
    assert len(run.plan(["01", "02"], [("n", "4")])) == 2
    assert run.main(["-p", "n", "4"]) == 1
    assert "02b_deep declares no parameter n; valid are depth: int" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("03_three: {n: 1}", "no notebook 03_three; write whole names, there are 01_one, 02_two, 02b_deep"),
        ("01_one: 3", "write `notebook_stem: {name: value}`"),
        ("- n", "write `notebook_stem: {name: value}`"),
        ("01_one: {m: 3}", "01_one declares no parameter m"),
        ("a: [", "is not YAML"),
    ],
)
def test_bad_parameter_files_are_errors(library, capsys, table, message):
    (library / "params.yaml").write_text(table)
    assert run.main(["--params", str(library / "params.yaml")]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_parameter_file_is_an_error(library, capsys):
    assert run.main(["--params", "nowhere.yaml"]) == 1
    assert "nowhere.yaml" in capsys.readouterr().err


def test_the_command_line_wins_over_the_parameter_file(library):
    (library / "params.yaml").write_text("01_one: {n: 4, scale: 2}\n02_two:\n")
    one, two = run.plan(["01", "02"], [("n", "5")], library / "params.yaml")
    assert (one.overrides, two.overrides) == ({"n": 5, "scale": 2.0}, {"n": 5})


def test_an_environment_variable_names_a_file_of_parameters(library, monkeypatch, capsys):
    (library / "settings").mkdir()
    (library / "settings" / "class.yaml").write_text("02b_deep: {depth: 5}\n")
    given = []
    monkeypatch.setattr(run, "run", lambda jobs, *_: given.extend(job.overrides for job in jobs) or [])
    monkeypatch.delenv("QMIS_PARAMS", raising=False)
    assert run.main(["02b"]) == 0
    monkeypatch.setenv("QMIS_PARAMS", "class")
    assert run.main(["02b"]) == 0
    assert run.main(["02b", "-p", "depth", "7"]) == 0
    (library / "mine.yaml").write_text("02b_deep: {depth: 9}\n")
    assert run.main(["02b", "--params", str(library / "mine.yaml")]) == 0
    assert given == [{}, {"depth": 5}, {"depth": 7}, {"depth": 9}]
    assert run.main(["02b", "--check"]) == 1
    assert "leave out -p, --params and QMIS_PARAMS" in capsys.readouterr().err
    for name in ("lecture", "../settings/class"):
        monkeypatch.setenv("QMIS_PARAMS", name)
        assert run.main(["02b"]) == 1
        assert (
            f"QMIS_PARAMS={name}: no such file of parameters in notebooks/settings; there are class"
            in capsys.readouterr().err
        )


def test_the_parameters_of_the_class_belong_to_notebooks(monkeypatch):
    monkeypatch.setenv("QMIS_PARAMS", "class")
    jobs = run.plan(from_file=run.named_parameters())  # an unknown notebook, name or value is an error
    slow = {job.stem for job in jobs if notebooks.run_minutes(job.notebook)[0] > 1}
    assert {job.stem for job in jobs if job.overrides} <= slow  # what is quick runs in full in class too


def test_a_value_equal_to_the_default_changes_nothing(library):
    (job,) = run.plan(["01"], [("n", "3"), ("scale", "1")])
    assert job.overrides == {}


@pytest.mark.parametrize("name", ["02b", "02b_deep", "PATH"])
def test_a_notebook_is_named_by_number_stem_or_path(library, name):
    (job,) = run.plan([name.replace("PATH", str(library / "02b_deep.ipynb"))])
    assert job.stem == "02b_deep"


@pytest.mark.parametrize("name", ["07", "02_", "nowhere/01_one.ipynb", "params.ipynb"])
def test_an_unknown_notebook_is_an_error(library, capsys, name, monkeypatch):
    monkeypatch.chdir(library)
    (library / "params.ipynb").write_text("n: 3")
    assert run.main([name]) == 1
    assert "notebook" in capsys.readouterr().err


def test_list_shows_notebooks_times_and_parameters(library, capsys):
    assert run.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "01_one  (full 3 min, quick 15 s)"
    assert lines[1] == "  n: int = 3  # points (at least 1)"
    assert "  label: str | None = None" in lines
    assert lines[-1] == "  depth: int = 2  # layers"


@pytest.mark.parametrize(("minutes", "stems"), [("5", ["01_one", "02_two"]), ("50", 3), ("3", [])])
def test_under_selects_by_the_stated_run_time(library, monkeypatch, minutes, stems):
    chosen = []
    monkeypatch.setattr(run, "check", lambda jobs, *_: chosen.extend(job.stem for job in jobs) or [])
    assert run.main(["--check", "--under", minutes]) == 0
    assert chosen == stems or len(chosen) == stems


def test_under_needs_a_stated_run_time(make_notebook, library, capsys):
    make_notebook(library, stem="03_untimed", opening="# No time")
    assert run.main(["--check", "--under", "5"]) == 1
    assert "in 03_untimed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "goal"),
    [([], "figures"), (["-p", "n", "3"], "figures"), (["-p", "n", "4"], "build/figures")],
)
def test_changed_parameters_stay_away_from_the_committed_figures(library, monkeypatch, arguments, goal):
    goals = []
    monkeypatch.setattr(run, "run", lambda jobs, out, figure_directory, threads: goals.append(figure_directory) or [])
    monkeypatch.setattr(run, "ROOT", library)
    monkeypatch.setattr(run, "BUILD", library / "build")
    assert run.main(["01", *arguments]) == 0
    assert goals == [library / goal]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", [0, -3], [1.0, True, "1", None]),
        ("float", [1, 0.5], [True, "a", None]),
        ("bool", [True], [1, "yes"]),
        ("str", ["", "a"], [1, None]),
        ("list[int]", [[], [1, 2]], [[1.5], [True], 1, "12"]),
        ("list[float]", [[1, 2.5]], [["a"]]),
        ("dict[str, int]", [{}, {"a": 1}], [{"a": "b"}, {1: 1}, []]),
        ("int | None", [None, 3], [0.5]),
        ("list[str] | None", [None, ["a"]], [[1]]),
    ],
)
def test_declared_types_are_enforced(kind, good, bad):
    parameter = notebooks.Parameter("x", kind, None, "")
    for value in good:
        assert notebooks.convert(parameter, value, "01_one") == value
    for value in bad:
        with pytest.raises(ValueError, match="x is declared"):
            notebooks.convert(parameter, value, "01_one")


@pytest.mark.parametrize(
    ("kind", "default", "comment", "good", "bad"),
    [
        ("int", 4, "(at least 0)", [0, 7], {-1: "be at least 0"}),
        ("int", 4, "shadow models (at least 2)", [2], {1: "be at least 2", -4: "be at least 2"}),
        ("int", 4, "in pairs (one of each) (above 0, at most 9)", [1, 9], {0: "be above 0", 10: "be at most 9"}),
        ("float", 0.3, "share (from 0 to 1)", [0, 1], {-1: "be from 0 to 1", 1.1: "be from 0 to 1"}),
        ("float", 0.3, "(below 0.5)", [-9], {0.5: "be below 0.5", -math.inf: "be finite"}),
        ("int", 4, "", [0, -3], {10**400: "be finite"}),
        ("float", 0.3, "what is (not declared), or (like 2 to 3)", [0, -2.5], {math.inf: "be finite"}),
        ("int | None", None, "(at least 1)", [None, 1], {0: "be at least 1"}),
        ("list[int]", [8, 20], "(not empty, at least 1)", [[1]], {(): "not be empty", (8, 0): f"{ONLY} at least 1"}),
        ("list[float]", [0.0], "(at least 0)", [[], [0.5]], {(-1.0,): f"{ONLY} at least 0", (math.nan,): "be finite"}),
        ("list[str]", ["a"], "(not empty)", [["b"]], {(): "not be empty"}),
        ("str", "a", "(not empty)", ["b"], {"": "not be empty"}),
        ("list[str]", ["a"], "names", [[], ["b"]], {}),
    ],
)  # fmt: skip
def test_a_value_out_of_the_declared_range_is_named_with_what_is_valid(kind, default, comment, good, bad):
    parameter = notebooks.Parameter("n", kind, default, comment)
    for value in good:
        assert notebooks.convert(parameter, value, "01_one") == value
    for value, wanted in bad.items():
        given = list(value) if isinstance(value, tuple) else value
        message = f"01_one: n must {wanted} (default {default!r}), got {given!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            notebooks.convert(parameter, given, "01_one")


def test_an_empty_mapping_is_named_and_numbers_in_one_are_checked(make_notebook, tmp_path):
    path = make_notebook(tmp_path, parameters="where: dict[str, int] = {'a': 2}  # (not empty, at least 1)")
    for value, wanted in {"{}": "not be empty", "{a: 0}": "hold only numbers at least 1"}.items():
        with pytest.raises(ValueError, match=f"90_tiny: where must {wanted} "):
            run.plan([str(path)], [("where", value)])


def test_floats_may_be_written_with_an_exponent(library):
    (job,) = run.plan(["01"], [("scale", "1e-3")])
    assert job.overrides == {"scale": 0.001}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("n = 3", "write `name: type = value`, not `n = 3`"),
        ("import os", "not `import os`"),
        ("n: int", "not `n: int`"),
        ("n: int = len('abc')", "must be a literal"),
        ("n: int = 3.5", "is not of the declared type"),
        ("n: complex = 3", "type `complex` is not supported"),
        ("n: int =", "invalid syntax"),
        ("n: int = 0  # points (at least 1)", "the value of `n: int = 0` must be at least 1"),
        ("n: int = 1  # points (=> 1)", "cannot read the range (=> 1): write (at least 1), "),
        ("n: int = 1  # points (>= one)", "cannot read the range (>= one)"),
    ],
)
def test_bad_parameter_cells_are_errors(make_notebook, tmp_path, source, message):
    path = make_notebook(tmp_path, parameters=source)
    with pytest.raises(ValueError, match=r"90_tiny, cell tagged 'parameters'.*") as error:
        run.plan([str(path)])
    assert message in str(error.value)


def test_prose_exercises_and_layout_do_not_change_the_code_hash_and_code_does(make_notebook, tmp_path):
    notebook = notebooks.read_notebook(make_notebook(tmp_path, "print(n)"))
    before = notebooks.code_sha256(notebook)
    notebook.cells[0].source += " more prose"
    for tag in ("injected-parameters", "exercise", "solution"):
        notebook.cells.insert(2, nbformat.v4.new_code_cell("n = 9", metadata={"tags": [tag]}))
    assert notebooks.code_sha256(notebook) == before
    notebook.cells[-1].source += "  # a comment"
    assert notebooks.code_sha256(notebook) == before
    notebook.cells[-1].source += "\nn = 7"
    changed = notebooks.code_sha256(notebook)
    assert changed != before
    notebook.cells[-1].source += "\n%magic"  # which Python alone cannot read
    assert notebooks.code_sha256(notebook) not in (before, changed)


def test_a_figure_is_stale_when_code_or_parameters_changed(finished, make_notebook, tmp_path):
    path, _, committed = finished
    assert run.stale_figures(committed, [path]) == []
    edited = make_notebook(tmp_path, "print('other')", FIGURE)
    assert run.stale_figures(committed, [edited]) == ["90_line: the code of 90_tiny has changed since"]
    manifest = figure_files.read_manifest(committed)
    manifest["90_line"]["parameters"]["n"] = 2
    figure_files.write_manifest(tmp_path, manifest | {"91_lost": {"notebook": "91_gone"}})
    assert run.stale_figures(tmp_path, [path]) == [
        "90_line: made with n = 2, the notebook says 3",
        "91_lost: no notebook 91_gone makes it",
    ]


def test_paths_are_hidden_only_where_they_stand_whole():
    hidden = {"/opt": "~", "/opt/qmis": "."}
    text = "/opt/qmis/a /opt/qmis-old /opt/b /opted x/opt/c '/opt' https://a.org/opt"
    assert notebooks.hide(text, hidden) == "./a ~/qmis-old ~/b /opted x/opt/c '~' https://a.org/opt"


def test_a_warning_does_not_name_the_kernels_process():
    assert notebooks.hide("/tmp/ipykernel_28822/651.py:7: RuntimeWarning", {}) == "<cell>:7: RuntimeWarning"


def test_widget_views_are_left_out_of_what_is_written():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a1"}, "text/plain": "IntSlider()"}
    cell = nbformat.v4.new_code_cell("slider", outputs=[nbformat.v4.new_output("display_data", data=view)])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    written = notebooks.clean(notebook, {})
    assert written.cells[0].outputs == []
    assert "widgets" not in written.metadata


def test_notebooks_sweep_through_the_runner():
    assert run.sweep is sweeps.sweep


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("from qmis_utils import run", ["nbformat", "papermill", "torch", "rfc3987_syntax"]),
        ("from qmis_utils import run; run.main(['--list'])", ["papermill", "torch"]),
    ],
)
def test_what_runs_no_notebook_loads_nothing_for_it(command, absent):
    shown = f"import sys; {command}; print([name for name in {absent} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", shown], text=True).splitlines()[-1] == "[]"


def test_help_says_where_figures_go(capsys):
    with pytest.raises(SystemExit):
        run.main(["--help"])
    assert "build/figures if a parameter differs" in " ".join(capsys.readouterr().out.split())


def test_a_parameter_written_with_an_equals_sign_is_answered_with_the_right_form(capsys):
    with pytest.raises(SystemExit):
        run.main(["02", "-p", "n_models=3"])
    assert "write -p NAME VALUE, as in -p n_models 64" in " ".join(capsys.readouterr().err.split())


def test_provenance_reaches_the_kernel(library, monkeypatch):
    (job,) = run.plan(["01"], [("n", "4")])
    environment = kernel.environment(job, library, threads=1, cache=library / "cache")
    assert (
        environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"
    )
    assert json.loads(environment["QMIS_RUN"])["parameters"]["n"] == 4
    assert "inline" in environment["MPLBACKEND"]


def test_the_cache_is_the_callers_or_build_or_where_that_cannot_be_written_a_passing_one(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.delenv("QMIS_CACHE", raising=False)
    with sweeps.cache_directory(tmp_path / "build" / "cache") as usual:
        assert usual == tmp_path / "build" / "cache"
    assert capsys.readouterr().out == ""
    with sweeps.cache_directory(tmp_path / "file" / "cache") as passing:
        (passing / "result").touch()
    assert not passing.exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert "cannot be written (Not a directory)" in line
    assert "set QMIS_CACHE" in line
    monkeypatch.setenv("QMIS_CACHE", "mine")
    monkeypatch.chdir(tmp_path)
    with sweeps.cache_directory(tmp_path / "file" / "cache") as given:
        assert given == tmp_path / "mine"


def test_a_check_never_reads_the_callers_cache(finished, tmp_path, monkeypatch):
    path, _, committed = finished
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path / "mine"))
    caches = []
    monkeypatch.setattr(run, "execute", lambda job, out, goal, threads, cache: caches.append(Path(cache)) or [])
    run.main([str(path), "--check", "--out", str(tmp_path), "--figures", str(committed)])
    run.main([str(path), "--out", str(tmp_path), "--figures", str(tmp_path)])
    assert caches[0] != caches[1] == tmp_path / "mine"
