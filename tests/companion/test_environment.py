"""The lock, environment.yml, pyproject.toml, what is imported and installed say the same; rooms keep their walls."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# used from the command line, never imported
TOOLS = {"jupyterlab", "ipykernel", "mypy", "pytest-xdist", "ruff", "setuptools", "wheel"}
ENGINES = {"pyarrow"}  # what pandas reads Parquet with
SPHINX = {"furo", "myst-nb", "sphinxcontrib-bibtex"}  # named in the configuration of the book
OPTIONAL = {"dask"}  # what the package may import without needing it: only for `sweep(cluster=...)`


def lines(name):
    text = (ROOT / name).read_text().splitlines()
    return [line for line in text if line and not line.startswith("#")]


def key(name):
    return canonicalize_name(name)


LOCK = {key(line.split("==")[0]): line.split("==")[1] for line in lines("requirements.txt")}
NODEPS = {key(line.split("==")[0]): line.split("==")[1].split()[0] for line in lines("requirements-nodeps.txt")}


def declared(texts):
    return {key(Requirement(text).name): Requirement(text) for text in texts}


CORE = declared(PROJECT["project"]["dependencies"])
EXTRAS = {name: declared(texts) for name, texts in PROJECT["project"]["optional-dependencies"].items()}
NEEDED = CORE | EXTRAS["molecules"] | EXTRAS["companion"]
TEST_ONLY = declared(PROJECT["dependency-groups"]["test"])
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


def test_torch_is_pinned_without_build_or_hash_and_the_package_takes_an_older_one():
    assert "torch==2.13.0" in lines("requirements.txt")
    assert str(DECLARED["torch"]) == "torch>=2.6"


@pytest.mark.parametrize("name", ["requirements-nodeps.txt", "qmis_utils/data/wheels.txt"])
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


@pytest.mark.parametrize(
    ("rooms", "installed"),
    [
        ("theory quantizers ensemble attacks indicators assess audit store", CORE),
        ("molecules", CORE | EXTRAS["molecules"] | NODEPS),
    ],
)
def test_a_room_imports_only_what_installing_it_brings(rooms, installed):
    distributions = importlib.metadata.packages_distributions()
    patterns = [pattern for room in rooms.split() for pattern in (f"qmis_utils/{room}.py", f"qmis_utils/{room}/*.py")]
    for module, files in imported_modules(*patterns).items():
        names = {key(name) for name in distributions[module]}
        assert names & installed.keys(), f"{module}, imported in {files}, is of another extra"


def test_every_declared_package_is_imported_or_a_tool():
    distributions = importlib.metadata.packages_distributions()
    imported = {key(name) for module in imported_modules() for name in distributions[module]}
    assert set(DECLARED) - imported - TOOLS - SPHINX - ENGINES == set()


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


# Rooms ------------------------------------------------------------------------------------------------------------

BUDGETS = {
    "theory": 1550,
    "quantizers": 600,
    "attacks": 1250,
    "indicators assess": 650,
    "molecules": 900,
    "studies": 1050,
    "audit": 1850,
    "runner store figures exercises run": 1500,
}


def modules():
    """Return the name of each module of the package -> its path; a room goes by the name of its `__init__.py`."""
    paths = {path.relative_to(ROOT).with_suffix(""): path for path in (ROOT / "qmis_utils").rglob("*.py")}
    return {".".join(part for part in name.parts if part != "__init__"): path for name, path in paths.items()}


def of_room(room):
    return {name: path for name, path in modules().items() if f"{name}.".startswith(f"qmis_utils.{room}.")}


def code_lines(path):
    """Return how many lines of a module are neither blank, nor a comment alone, nor part of a docstring."""
    text = path.read_text(encoding="utf-8")
    with_docstrings = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = [node.body[0] for node in ast.walk(ast.parse(text)) if isinstance(node, with_docstrings) and node.body]
    strings = [node for node in documented if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    apart = {line for node in strings for line in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(number not in apart and bool(line.strip()) and line.lstrip()[0] != "#" for number, line in lines)


@pytest.mark.parametrize("rooms", BUDGETS)
def test_every_room_keeps_its_budget_of_lines(rooms):
    """What is counted: lines of code, without docstrings, blank lines and lines that are only a comment."""
    counted = {name: code_lines(path) for room in rooms.split() for name, path in of_room(room).items()}
    assert 0 < sum(counted.values()) <= BUDGETS[rooms], counted


def running(node):
    """Yield a syntax tree's nodes, without what only a type checker reads."""
    yield node
    only_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for child in node.orelse if only_types else ast.iter_child_nodes(node):
        yield from running(child)


def imports():
    """Return module of the package -> modules and rooms of the package that it imports, wherever it does.

    A room imports all of its modules: it is the door to each.
    """
    known = modules()
    graph = {name: {other for other in known if other.rpartition(".")[0] == name != "qmis_utils"} for name in known}
    for name, path in known.items():
        for node in running(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & known.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in known:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= {other if other in known else node.module for other in full}
        graph[name].discard("qmis_utils")
    return graph


def test_no_module_imports_itself_by_way_of_others():
    TopologicalSorter(imports()).prepare()  # a CycleError names the circle


def test_rooms_import_one_way_through_the_walls():
    reached = {(a.split(".")[1], b.split(".")[1]) for a, others in imports().items() if "." in a for b in others}
    crossed = {(a, b) for a, b in reached if a != b}
    for room in ("theory", "quantizers", "store"):
        assert not [b for a, b in crossed if a == room], f"{room} imports another room"
    forbidden = {(a, b) for a in ("attacks", "indicators") for b in ("studies", "audit", "runner")} | {
        ("audit", "studies")
    }
    assert crossed & forbidden == set()
    assert {a for a, b in crossed if b == "runner"} <= {"run", "figures", "exercises"}


def test_the_graph_of_imports_sees_what_is_there():
    graph = imports()
    assert "qmis_utils.theory.numerics" in graph["qmis_utils.theory.security"]
    assert "qmis_utils.runner.sweeps" in graph["qmis_utils.run"]
    assert {"qmis_utils.attacks.judging", "qmis_utils.attacks.catalogue"} <= graph["qmis_utils.attacks"]


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_theory_loads_without_torch():
    names = ", ".join(name.split(".")[-1] for name in of_room("theory") if name.count(".") == 2)
    done = python(f"import sys\nfrom qmis_utils.theory import {names}\nassert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_the_package_imports_where_there_is_no_fcntl():
    names = "qmis_utils.figures, qmis_utils.store.downloads, qmis_utils.run, qmis_utils.audit.measure"
    done = python(f"import sys\nsys.modules['fcntl'] = None  # as on Windows\nimport {names}")
    assert done.returncode == 0, done.stderr


# Identity and Makefile ----------------------------------------------------------------------------------------------


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
    targets = "help env data figures check test lint bench mutants lab book site slides handout students publish clean"
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


def public_definitions():
    """Yield (file and name, node) of every public function, class and method of the package."""
    for path in sorted((ROOT / "qmis_utils").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def test_public_docstrings_are_numpydoc_and_begin_with_one_sentence():
    for name, node in public_definitions():
        text = ast.get_docstring(node)
        assert text, f"{name} has no docstring"
        assert text.split("\n\n")[0].rstrip().endswith((".", "::", ":")), f"{name}: the first sentence has no end"
        assert not re.search(r"^(Args|Returns|Raises|Yields|Example):$|^Parameters: ", text, re.MULTILINE), name
        sections = re.findall(r"^(\w+)\n-+$", text, re.MULTILINE)
        order = ["Parameters", "Returns", "Yields", "Raises", "Warnings", "Notes", "Examples"]
        assert sections == [section for section in order if section in sections], f"{name}: sections {sections}"
