"""Tests of store.files, store.paths and store.extras: locks, places, and what a missing extra says."""

import importlib
import multiprocessing
import re
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest

from qmis_utils.store import paths
from qmis_utils.store.extras import extra
from qmis_utils.store.files import locked

HOLD = """
import sys, time
from qmis_utils.store.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def add_one(folder):
    """Read, wait and write: an addition is lost if another process does so meanwhile."""
    for _ in range(5):
        with locked(folder):
            count = int((folder / "count").read_text())
            time.sleep(0.005)
            (folder / "count").write_text(str(count + 1))


def test_runs_that_write_one_folder_take_turns(tmp_path):
    (tmp_path / "count").write_text("0")
    runs = [multiprocessing.get_context("fork").Process(target=add_one, args=(tmp_path,)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert (tmp_path / "count").read_text() == "20"


def test_a_killed_run_leaves_no_lock_that_blocks(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout.readline() == "held\n"
            with pytest.raises(filelock.Timeout):
                locked(tmp_path).acquire(timeout=0.2)
        finally:
            run.kill()
    locked(tmp_path).acquire(timeout=20).lock.release()


def test_a_missing_package_is_answered_by_its_extra():
    said = r"^nonsense is not installed: pip install 'qmis-utils\[molecules\]'$"
    with pytest.raises(ImportError, match=said), extra("molecules"):
        importlib.import_module("nonsense")


def test_another_error_of_an_import_is_left_as_it_is():
    with pytest.raises(ImportError, match="cannot import name"), extra("molecules"):
        from math import nonsense  # noqa: F401


def test_a_checkout_is_found_and_asked_for():
    assert Path(__file__).resolve().parents[2] == paths.ROOT
    assert paths.checkout("the notebooks") == paths.ROOT
    assert {paths.ROOT / "build", paths.ROOT / "data"} == {paths.BUILD, paths.DOWNLOADS.parent}


def test_without_a_checkout_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(paths, "ROOT", None)
    with pytest.raises(ValueError, match=r"^the notebooks belong to a checkout of the QMIS repository: clone it"):
        paths.checkout("the notebooks")


def test_no_other_module_looks_for_the_checkout():
    """A file beside a module (`with_name`) may be found from it; what lies above it, only by `paths`."""
    above = re.compile(r"(?<![\w.])__file__\)[^\n]*\.parents?\b")
    texts = {path.relative_to(paths.PACKAGE): path.read_text(encoding="utf-8") for path in paths.PACKAGE.rglob("*.py")}
    assert [path.as_posix() for path, text in texts.items() if above.search(text)] == ["store/paths.py"]
