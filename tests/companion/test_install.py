"""The package installed away from its checkout: what imports, what says which extra it needs, where caches go."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from qmis_utils.store.paths import ROOT

CORE = ["theory", "quantizers", "ensemble", "attacks", "indicators", "assess", "audit", "store", "figures"]

# Run by the installed package's Python, in an empty directory. Arguments: modules to hide, from an extra each.
CHECK = r'''
import importlib, pathlib, sys

import torch
from torch import nn

hidden = set(sys.argv[1:])


class Hide:
    """Finds nothing, and says so, where a hidden package is asked for."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hide())

import qmis_utils
from qmis_utils.store import downloads, paths

assert paths.ROOT is None, paths.ROOT
assert (paths.DATA / "tasks.csv").is_file()
assert (paths.PACKAGE / "py.typed").is_file()
for folder in (paths.SWEEPS, downloads.cache_dir()):
    assert folder.is_relative_to(pathlib.Path.cwd() / "caches"), folder

for path in sorted(paths.PACKAGE.rglob("*.py")):
    name = ".".join(path.relative_to(paths.PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    try:
        importlib.import_module(name)
        print(name, "imported")
    except ImportError as error:
        print(name, error)

from qmis_utils import audit

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
records = [(torch.randn(40, 5), (torch.arange(40) % 2).float()) for _ in range(2)]
report = audit.audit(model, nn.BCEWithLogitsLoss(reduction="none"), *records, ["sign", "uniform_4"], draws=20)
report.save("audit.html")
print("audited", *sorted(report.table["quantizer"] if "quantizer" in report.table else report.table.index))
'''


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what the package is built from, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "qmis_utils", copy / "qmis_utils", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def environment(folder):
    """Make an empty virtual environment; return its Python."""
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def command(arguments, directory):
    """Run a command in a directory, with nothing of this checkout and caches of its own."""
    ours = ("QMIS", "PYTHONPATH", "MPLBACKEND", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    variables = kept | {"XDG_CACHE_HOME": str(directory / "caches"), "MPLBACKEND": "agg"}
    return subprocess.run(arguments, cwd=directory, env=variables, capture_output=True, text=True, check=False)


def check(python, directory, *hidden):
    """Run CHECK; return module -> "imported" or what it said instead, and the last line."""
    done = command([python, "-c", CHECK, *hidden], directory)
    assert done.returncode == 0, done.stderr
    *modules, audited = done.stdout.splitlines()
    assert (directory / "audit.html").stat().st_size > 10_000
    return dict(line.split(" ", 1) for line in modules), audited


@pytest.fixture(scope="module")
def lent(source, tmp_path_factory):
    """The package installed in a new environment, to which this one lends everything else."""
    folder = tmp_path_factory.mktemp("lent")
    python = environment(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    lender = Path(pytest.__file__).parents[1]
    (site / "lent.pth").write_text(f"{lender}\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", source]
    done = command(pip, folder)
    assert done.returncode == 0, done.stderr
    return python


def test_every_module_imports_and_an_audit_runs_from_another_directory(lent, tmp_path):
    modules, audited = check(lent, tmp_path)
    assert {name: said for name, said in modules.items() if said != "imported"} == {}
    assert modules.keys() > {f"qmis_utils.{room}" for room in CORE}
    assert audited == "audited fp32 sign uniform_4"


def test_without_the_extras_each_module_imports_or_names_the_one_it_needs(lent, tmp_path):
    molecules = ("rdkit", "onnxruntime")
    companion = ("IPython", "ipykernel", "ipywidgets", "jupyter_client", "jupytext", "nbformat", "papermill", "seaborn")
    said, audited = check(lent, tmp_path, *molecules, *companion, "yaml")
    assert_core(said, audited)


def assert_core(modules, audited):
    named = {name: said for name, said in modules.items() if said != "imported"}
    for name, said in named.items():
        assert said.endswith(("pip install 'qmis-utils[molecules]'", "pip install 'qmis-utils[companion]'")), (
            name,
            said,
        )
    assert named["qmis_utils.molecules.tasks"] == "rdkit is not installed: pip install 'qmis-utils[molecules]'"
    assert named["qmis_utils.run"].endswith("is not installed: pip install 'qmis-utils[companion]'")
    assert [name for name in named if name.split(".")[1] in CORE] == []
    assert audited == "audited fp32 sign uniform_4"


def test_the_command_explains_itself_and_what_it_cannot_do(lent, tmp_path):
    qmis = lent.parent / "qmis"
    assert command([qmis, "--help"], tmp_path).stdout.startswith("usage:")
    done = command([qmis], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the notebooks belong to a checkout of the QMIS repository")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.install
def test_the_core_works_with_only_what_it_declares(source, tmp_path):
    python = environment(tmp_path / "core")
    versions = ROOT / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--constraint", versions, source]
    done = command(pip, tmp_path)
    assert done.returncode == 0, done.stderr
    print(done.stdout.splitlines()[-1])
    assert command([python, "-c", "import rdkit"], tmp_path).returncode == 1
    assert_core(*check(python, tmp_path))
