"""Make the notebooks for students, without solutions, and for instructors, and the archive that is all students need.

python book/students.py    writes build/students, build/qmis-students.zip and build/instructor
"""

import ast
import copy
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from qmis_utils import run
from qmis_utils.runner import notebooks
from qmis_utils.store.paths import BUILD, PACKAGE, ROOT, given_path

README = """# QMIS: notebooks for students

Python 3.11 or newer, two gigabytes of disk. In this folder, once:

    python3 -m venv venv
    venv/bin/pip install --extra-index-url https://download.pytorch.org/whl/cpu "./{wheel}[companion,molecules]"
    venv/bin/pip install --no-deps fcd_torch==1.0.7    # only for molecules
    venv/bin/jupyter lab                               # on Windows: venv\\Scripts\\jupyter lab

Begin with `00_start_here.ipynb`. An exercise is a cell with `answer = None`: replace None, and run the cell.
{parameters}
Where a cell asks you to predict, its output is missing: say what you expect, then run it.
"""


def student_copy(notebook):
    """Return a notebook without its solutions, and without what its exercises printed and what students predict."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not notebooks.has_tag(cell, "solution")]
    for cell in notebook.cells:
        if cell.cell_type == "code" and (notebooks.has_tag(cell, "exercise") or notebooks.has_tag(cell, "predict")):
            cell.outputs, cell.execution_count = [], None
    return notebook


def with_parameters(notebook, values):
    """Return a notebook in whose cell of parameters some have other values.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        As ``notebooks.read_notebook`` returns it.
    values : dict
        Name -> value, each declared there.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if notebooks.has_tag(cell, "parameters"):
            for node in reversed(ast.parse(cell.source).body):
                if node.target.id in values:
                    before, after = _around(cell.source, node.value)
                    cell.source = f"{before}{values[node.target.id]!r}{after}"
    return notebook


def _around(source, node):
    """Return the text before and after a piece of code."""
    lines = source.splitlines(keepends=True)
    first, last = lines[node.lineno - 1].encode(), lines[node.end_lineno - 1].encode()
    before = "".join(lines[: node.lineno - 1]) + first[: node.col_offset].decode()
    return before, last[node.end_col_offset :].decode() + "".join(lines[node.end_lineno :])


def write_sets(out):
    """Write the notebooks for students and for instructors, and the archive that is all that students need.

    Parameters
    ----------
    out : path
        Folder in which ``students``, ``qmis-students.zip`` and ``instructor`` are made anew: notebooks, the settings
        that they read beside them, and for students what ``check`` knows of answers, the package, and how to begin.

    Notes
    -----
    With the environment variable ``QMIS_PARAMS`` set, as to ``class``, the notebooks' cells of parameters hold the
    values of ``notebooks/settings/class.yaml``.
    """
    source, chosen = run.NOTEBOOKS, run.named_parameters()
    overrides = {job.path.stem: job.overrides for job in run.plan(from_file=chosen)}
    for name, change in {"students": student_copy, "instructor": copy.deepcopy}.items():
        folder = given_path(out) / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source / "settings", folder / "settings")
        for stem, path in notebooks.find_notebooks(source).items():
            changed = with_parameters(change(notebooks.read_notebook(path)), overrides[stem])
            (folder / f"{stem}.ipynb").write_text(notebooks.write_text(changed), encoding="utf-8")
        print(f"{folder}: {len(list(folder.glob('*.ipynb')))} notebooks")
    folder = given_path(out) / "students"
    shutil.copy(source / "exercises.yaml", folder)
    said = "Outputs are those of full runs" + (f"; the parameters are those of `{chosen.stem}`." if chosen else ".")
    wheel = write_wheel(folder)
    (folder / "README.md").write_text(README.format(wheel=wheel.name, parameters=said), encoding="utf-8")
    archive = folder.with_name("qmis-students.zip")
    _write_archive(folder, archive)
    print(f"{archive}: all that students need")


def write_wheel(folder):
    """Build the package, without the checkout around it, into a folder; return the path of the wheel."""
    with tempfile.TemporaryDirectory(prefix="qmis-") as scratch:
        copied = Path(scratch) / "source"
        copied.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copied)
        shutil.copytree(PACKAGE, copied / "qmis_utils", ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
        command += ["--disable-pip-version-check", "-w", scratch, str(copied)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"the package could not be built: {done.stderr.strip().splitlines()[-1]}")
        (wheel,) = Path(scratch).glob("*.whl")
        return Path(shutil.copy(wheel, folder))


def _write_archive(folder, archive):
    """Write all files of a folder into an archive, in one folder there, with one date for all."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{archive.stem}/{path.relative_to(folder).as_posix()}", (2026, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                written.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    try:
        write_sets(BUILD)
    except ValueError as error:
        sys.exit(f"error: {error}")
