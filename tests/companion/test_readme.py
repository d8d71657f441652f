"""The README names every figure with the command that makes it, and only commands that exist."""

import re

from qmis_utils import run
from qmis_utils.runner import figure_files, notebooks

README = (run.ROOT / "README.md").read_text(encoding="utf-8")


def test_every_figure_has_its_row():
    for stem, entry in figure_files.read_manifest(run.ROOT / "figures").items():
        (row,) = [line for line in README.splitlines() if line.startswith("|") and f"`{stem}`" in line]
        assert f"[{entry['notebook']}](notebooks/{entry['notebook']}.ipynb)" in row
    assert "`.venv/bin/python -m qmis_utils.run` and its number or letter" in " ".join(README.split())


def test_run_times_are_those_of_the_notebooks():
    for stem, path in notebooks.find_notebooks(run.NOTEBOOKS).items():
        full, _ = notebooks.run_minutes(notebooks.read_notebook(path))
        rows = [line for line in README.splitlines() if line.startswith("|") and f"{stem}.ipynb" in line]
        assert rows
        assert all(row.rstrip(" |").endswith(run._duration(full)) for row in rows)


def test_make_targets_exist():
    makefile = (run.ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_resolve():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("https://") or (run.ROOT / link).exists(), link
