"""The lock, environment.yml, pyproject.toml, what is imported and what is installed say the same; modules are short."""

import ast
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOLS = {"jupyterlab", "ipykernel", "ruff", "setuptools", "wheel"}  # used from the command line, never imported
SPHINX = {"furo", "myst-nb", "sphinxcontrib-bibtex"}  # named in the configuration of the book
OPTIONAL = {"dask"}  # what the package may import without needing it: only for `sweep(cluster=...)`


def lines(name):
    text = (ROOT / name).read_text().splitlines()
    return [line for line in text if line and not line.startswith("#")]


def key(name):
    return canonicalize_name(name)


LOCK = {key(line.split("==")[0]): line.split("==")[1] for line in lines("requirements.txt")}
NODEPS = {key(line.split("==")[0]): line.split("==")[1].split()[0] for line in lines("requirements-nodeps.txt")}
NEEDED = {key(Requirement(text).name): Requirement(text) for text in PROJECT["project"]["dependencies"]}
TEST_ONLY = {key(Requirement(text).name): Requirement(text) for text in PROJECT["dependency-groups"]["test"]}
DECLARED = NEEDED | TEST_ONLY


def imported_modules(*patterns):
    """Return third-party module -> files that import it, over package, percent scripts, tests and book unless told."""
    modules = {}
    for pattern in patterns or ("qmis_utils/**/*.py", "notebooks/py/*.py", "tests/**/*.py", "book/*.py"):
        for path in ROOT.glob(pattern):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                for name in names:
                    modules.setdefault(name.split(".")[0], set()).add(path.name)
    ours = {"qmis_utils"} | {path.stem for folder in ("tests", "book") for path in (ROOT / folder).rglob("*.py")}
    return {name: files for name, files in modules.items() if name not in sys.stdlib_module_names | ours}


def needed(names):
    """Return all distributions that some distributions need here, themselves included."""
    todo, seen = [(name, "") for name in names], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(key(requirement.name), chosen) for chosen in ("", *requirement.extras)]
    return {name for name, _ in seen}


def test_every_line_of_the_lock_is_one_exact_version():
    for line in lines("requirements.txt"):
        (specifier,) = Requirement(line).specifier
        assert specifier.operator == "=="
        assert "*" not in specifier.version
    assert len(LOCK) == len(lines("requirements.txt"))


def test_torch_is_pinned_without_build_or_hash():
    assert "torch==2.13.0" in lines("requirements.txt")
    assert str(DECLARED["torch"]) == "torch==2.13.0"


@pytest.mark.parametrize("name", ["requirements-nodeps.txt", "requirements-data.txt"])
def test_what_is_installed_or_read_without_its_dependencies_is_hashed(name):
    for line in lines(name):
        version, digest = line.split(" --hash=sha256:")
        assert "==" in version
        assert len(digest) == 64


def test_every_import_is_declared_and_pinned():
    distributions = importlib.metadata.packages_distributions()
    for module, files in imported_modules().items():
        names = {key(name) for name in distributions[module]}
        assert names & (DECLARED.keys() | NODEPS.keys()), f"{module}, imported in {files}, is not in pyproject.toml"
        assert names & (LOCK.keys() | NODEPS.keys()), f"{module}, imported in {files}, is not pinned"


def test_package_and_notebooks_run_without_what_only_the_tests_need():
    distributions = importlib.metadata.packages_distributions()
    for module, files in imported_modules("qmis_utils/**/*.py", "notebooks/py/*.py").items():
        names = {key(name) for name in distributions[module]}
        assert names & (NEEDED.keys() | NODEPS.keys() | OPTIONAL), f"{module}, imported in {files}, is for tests only"
    assert TEST_ONLY.keys() >= OPTIONAL
    assert not TEST_ONLY.keys() & NEEDED.keys()


def test_every_declared_package_is_imported_or_a_tool():
    distributions = importlib.metadata.packages_distributions()
    imported = {key(name) for module in imported_modules() for name in distributions[module]}
    assert set(DECLARED) - imported - TOOLS - SPHINX == set()


def test_the_lock_satisfies_pyproject():
    for name, requirement in DECLARED.items():
        assert requirement.specifier.contains(LOCK[name]), f"{requirement} against {LOCK[name]}"


def test_the_lock_holds_what_is_needed_and_nothing_else():
    assert set(LOCK) == needed({*DECLARED, "setuptools", "wheel"})


def test_what_is_installed_is_the_lock():
    for name, version in (LOCK | NODEPS).items():
        assert importlib.metadata.version(name).split("+")[0] == version


def test_conda_installs_the_same_lock_on_the_tested_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"][0] == "conda-forge"
    *packages, pip = environment["dependencies"]
    assert packages == ["python=3.11", "pip"]
    assert pip == {"pip": ["-r requirements.txt"]}
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert "\nPYTHON ?= python3.11\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "qmis_utils").glob("*.py")), ids=lambda path: path.stem)
def test_every_module_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_citation_names_this_version_and_prefers_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["project"]["version"] == importlib.metadata.version("qmis-utils")
    assert citation["preferred-citation"]["title"].startswith("An Indicator of Membership Inference Security")
    assert [author["family-names"] for author in citation["preferred-citation"]["authors"]] == [
        "Aubinais",
        "Formont",
        "Piantanida",
        "Gassiat",
    ]


@pytest.fixture
def checkout(tmp_path):
    """A folder, its name with a space, with what `make env` reads."""
    directory = tmp_path / "a copy"
    directory.mkdir()
    for name in ("Makefile", "requirements.txt", "requirements-nodeps.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, directory)
    return directory


def make(directory, *arguments, **environment):
    command = ["make", "--no-print-directory", *arguments]
    variables = os.environ | environment
    return subprocess.run(command, cwd=directory, env=variables, capture_output=True, text=True, check=False)


def test_every_target_is_documented():
    shown = make(ROOT, "help").stdout
    targets = "help env data figures check test lint bench lab book slides students publish clean"
    assert [line.split()[0] for line in shown.splitlines()[1:]] == targets.split()


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 1\n"])
def test_a_missing_or_old_python_is_one_clear_message(checkout, script):
    python = checkout / "python"
    if script:
        python.write_text(script)
        python.chmod(0o755)
    done = make(checkout, "env", f"PYTHON={python}")
    assert done.returncode != 0
    assert done.stderr.startswith(f"QMIS needs Python 3.11 or newer, and '{python}' is missing or older")
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_missing_network_is_one_clear_message_and_no_stamp(checkout):
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = make(checkout, "env", f"PYTHON={sys.executable}", **nowhere)
    assert done.returncode != 0
    assert done.stderr.startswith("The packages could not be installed: is the network there")
    assert "No matching distribution found" in done.stderr
    assert "Could not find" in (checkout / "build" / "env.log").read_text()
    assert not (checkout / ".venv" / ".stamp").exists()


def test_a_current_environment_is_left_alone_and_a_changed_lock_is_not(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".stamp").touch()
    assert make(checkout, "env", "PYTHON=nowhere").returncode == 0
    os.utime(checkout / "requirements.txt", (2**31, 2**31))
    assert make(checkout, "env", "PYTHON=nowhere").returncode != 0


STUB = """\
#!/bin/sh
case "$*" in
*venv*) echo "$*" >> made; sleep 1; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
esac
"""


def test_of_two_first_makes_at_once_one_makes_the_environment(checkout):
    python = checkout / "python"
    python.write_text(STUB)
    python.chmod(0o755)
    command = ["make", "env", f"PYTHON={python}"]
    both = [subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert (checkout / "made").read_text().splitlines() == ["-m venv --clear .venv"]
    assert said.count("making .venv from") == 1
    os.utime(checkout / "requirements.txt", (2**31, 2**31))
    assert make(checkout, "env", f"PYTHON={python}").returncode == 0
    assert len((checkout / "made").read_text().splitlines()) == 2
