"""The runner outlives what happens to real runs: kills, company, odd places, full disks, and tables of any content."""

import math
import os
import random
import re
import shutil
import signal
import string
import subprocess
import sys
import time

import pytest
from conftest import FIGURE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qmis_utils import molecules, run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store import downloads

COMMAND = [sys.executable, "-m", "qmis_utils.run"]


def contents(directory):
    """Return everything below a directory, hidden files too, path -> bytes."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def folders(directory):
    return ["--out", str(directory / "out"), "--figures", str(directory / "figures")]


@pytest.fixture(scope="module")
def reference(make_notebook, tmp_path_factory):
    """A tiny notebook and what one undisturbed run of it writes: (path, contents, seconds)."""
    directory = tmp_path_factory.mktemp("reference")
    path = make_notebook(directory, FIGURE, FIGURE.replace("90_line", "90_other"))
    start = time.monotonic()
    assert run.main([str(path), *folders(directory)]) == 0
    return path, contents(directory / "figures"), time.monotonic() - start


SWEEP = """\
from qmis_utils import run
def square(x):
    return x * x
print(run.sweep(square, [{"x": n}]))"""


def start(path, directory, *arguments, **options):
    command = [*COMMAND, str(path), *folders(directory), *arguments]
    return subprocess.Popen(command, start_new_session=True, cwd=run.ROOT, **options)


def kill(process, after=0.0, once=lambda: True):
    """Kill a run with all it has started, some seconds on or once something is true; return whether it was running."""
    time.sleep(after)
    while process.poll() is None and not once():
        time.sleep(0.001)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_a_run_killed_at_any_moment_loses_nothing(reference, tmp_path):
    path, whole, seconds = reference
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "manifest.json").write_bytes(b"{}\n")
    moments = random.Random(0)
    for _ in range(6):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        kill(start(path, tmp_path, **quiet), after=moments.uniform(0.2, 1.1 * seconds))
        figure_files.read_manifest(tmp_path / "figures")  # whole, old or new
        for name in whole.keys() & contents(tmp_path / "figures").keys() - {"manifest.json"}:
            assert (tmp_path / "figures" / name).read_bytes() == whole[name]
    assert run.main([str(path), *folders(tmp_path)]) == 0
    assert contents(tmp_path / "figures") == whole


def test_two_runs_at_once_do_no_harm(reference, tmp_path):
    path, whole, _ = reference
    (tmp_path / "figures").mkdir()
    both = [start(path, tmp_path) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert contents(tmp_path / "figures") == whole


def test_another_place_language_and_no_home_change_nothing(reference, tmp_path):
    path, whole, _ = reference
    place = tmp_path / "ein Ort mit Leerzeichen, ü und 分子"
    place.mkdir()
    moved = shutil.copy(path, place)
    keep = {name: value for name, value in os.environ.items() if name not in ("HOME", "LANG")}
    process = start(moved, place, env=keep | {"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert process.wait(timeout=120) == 0
    assert contents(place / "figures") == whole


# ------------------------------------------------------------------------------------- the notebooks themselves, again


def quick_run(stem, directory, *arguments):
    """Start a notebook with its quick parameters, results and a cache of its own below a directory."""
    cache = {"QMIS_CACHE": str(directory / "cache")}
    return start(stem, directory, "--params", "tests/params.yaml", *arguments, env=os.environ | cache)


def written(directory):
    """Return the executed notebook and its figures, name -> bytes, without what a killed run was writing."""
    files = contents(directory / "out") | contents(directory / "figures")
    return {name: content for name, content in files.items() if not re.search(r"\.part$|^\.incoming", name)}


@pytest.fixture(scope="module", params=list(notebooks.find_notebooks(run.NOTEBOOKS)))
def once(request, tmp_path_factory):
    """A notebook and what an undisturbed quick run writes: (stem, folder, contents, seconds)."""
    directory, begun = tmp_path_factory.mktemp("once"), time.monotonic()
    assert quick_run(request.param, directory).wait(600) == 0
    return request.param, directory, written(directory), time.monotonic() - begun


@pytest.mark.again
def test_a_second_run_writes_the_same_bytes(once, tmp_path):
    stem, _, whole, _ = once
    assert quick_run(stem, tmp_path).wait(600) == 0
    assert written(tmp_path) == whole


@pytest.mark.again
def test_one_thread_agrees_with_two_within_the_stated_tolerance(once, tmp_path):
    stem, directory, _, _ = once
    assert quick_run(stem, tmp_path, "--threads", "1").wait(900) == 0
    assert figure_files.compare_figures(tmp_path / "figures", directory / "figures", [stem]) == []


@pytest.mark.again
def test_a_notebook_killed_three_times_writes_the_same_bytes(once, tmp_path):
    stem, _, whole, seconds = once
    moments, killed = random.Random(stem), 0
    while killed < 2:
        if kill(quick_run(stem, tmp_path), after=moments.uniform(0.2, 0.6 * seconds)):
            killed += 1
        else:  # it ended sooner than the run before: from nothing again
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
    kill(quick_run(stem, tmp_path), once=lambda: written(tmp_path))  # while it writes
    assert all(whole[name] == content for name, content in written(tmp_path).items())
    assert quick_run(stem, tmp_path).wait(600) == 0
    assert written(tmp_path) == whole


# ------------------------------------------------------------------------------------------------------------- mounts


def under(mount, *arguments):
    """Run the command where a mount holds, in a namespace of its own; return the finished process."""
    script = f'{mount} && cd . && "$@"; status=$?; cp -a "$KEEP" "$KEEP.seen"; exit $status'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", *COMMAND, *map(str, arguments)]
    keep = {"KEEP": str(arguments[-1])}  # what stands on a mount is gone with its namespace
    return subprocess.run(command, cwd=run.ROOT, env=os.environ | keep, capture_output=True, text=True, timeout=120)


@pytest.mark.mounts
def test_a_full_disk_is_one_clear_error_and_leaves_the_figures(reference, tmp_path):
    path, whole, _ = reference
    disk = tmp_path / "figures"
    disk.mkdir()
    old = f"printf old > '{disk}/90_line.svg' && printf {{}} > '{disk}/manifest.json'"
    process = under(f"mount -t tmpfs -o size=16k tmpfs '{disk}' && {old}", path, *folders(tmp_path))
    assert process.returncode == 1, process.stderr
    assert "No space left on device" in process.stderr
    assert "Traceback" not in process.stderr
    assert sum(map(len, whole.values())) > 16 * 1024
    assert contents(tmp_path / "figures.seen") == {"90_line.svg": b"old", "manifest.json": b"{}"}


@pytest.mark.mounts
def test_a_read_only_checkout_runs_sweeps_and_says_where_it_cannot_write(
    reference, make_notebook, tmp_path, monkeypatch
):
    path, whole, _ = reference
    sweeping = make_notebook(tmp_path, SWEEP, stem="91_sweep")
    frozen = f"mount --bind '{run.ROOT}' '{run.ROOT}' && mount -o remount,ro,bind '{run.ROOT}' && cd '{run.ROOT}'"
    monkeypatch.delenv("QMIS_CACHE", raising=False)
    process = under(frozen, path, sweeping, *folders(tmp_path))
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("build/cache cannot be written (Read-only file system)") == 1
    assert contents(tmp_path / "figures") == whole
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path / "mine"))
    process = under(frozen, sweeping, *folders(tmp_path))
    assert (process.returncode, "cannot be written" in process.stdout) == (0, False), process.stderr
    assert contents(tmp_path / "mine")
    process = under(frozen, path, "--out", tmp_path / "out")
    assert process.returncode == 1
    assert "Read-only file system" in process.stderr
    assert "Traceback" not in process.stderr


# Any parameter, any table --------------------------------------------------------------------------------------------

NOTEBOOKS = notebooks.find_notebooks(run.NOTEBOOKS)
DECLARED = {stem: notebooks.read_parameters(notebooks.read_notebook(p), stem) for stem, p in NOTEBOOKS.items()}
NUMBERS = st.integers(-3, 3) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def outcome(function, *arguments):
    """Return what a call returns, or the words of its error; anything but the package's own errors passes through."""
    try:
        return function(*arguments)
    except (ValueError, downloads.DownloadError) as error:
        return str(error)


@given(data=st.data())
def test_any_value_of_any_parameter_is_taken_or_named(data):
    stem = data.draw(st.sampled_from(sorted(DECLARED)))
    name = data.draw(st.sampled_from(list(DECLARED[stem])) | st.text(string.ascii_letters, min_size=1, max_size=6))
    value = data.draw((NUMBERS | st.lists(NUMBERS, max_size=3) | VALUES).map(str) | st.text(max_size=12))
    planned = outcome(run.plan, [stem], [(name, value)])
    if isinstance(planned, str):
        assert name in planned
    else:
        assert set(planned[0].overrides) <= {name}
        for given in planned[0].overrides.values():
            declared = DECLARED[stem][name].comment
            numbers = [v for v in (given if isinstance(given, list) else [given]) if type(v) in (int, float)]
            assert all(map(math.isfinite, numbers))
            assert given or "not empty" not in declared
            assert all(v >= 1 for v in numbers) or ">= 1)" not in declared
            assert all(v >= 0 for v in numbers) or ">= 0)" not in declared


CELLS = st.text(st.characters(codec="utf-8", exclude_characters='\r\n,"'), max_size=6)
KNOWN = st.sampled_from(["CCO", "c1ccccc1", "C1CC", "[Na+].[Cl-]", "", "0", "1", "-3.5", "nan", "inf", "yes"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(KNOWN | CELLS, min_size=1, max_size=3), max_size=8), head=st.booleans())
@example(rows=[["<img src=x onerror=alert(1)>", "1"], ["CCO", "0"], ["CCN", "1"]], head=True)
@example(rows=[["=HYPERLINK('x')", "__import__('os').system('true')"]], head=True)
def test_any_table_is_read_or_refused_in_words(tmp_path, rows, head):
    lines = ["smiles,y"] * head + [",".join(row) for row in rows]
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    frame = outcome(molecules.load_task, f"csv:{tmp_path / 'table.csv'}")
    if isinstance(frame, str):
        assert len(frame) > 20
    else:
        assert frame.y.nunique() > 1
        assert frame.smiles.is_unique


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_an_error_in_words(tmp_path, content):
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r".{20}"):  # random bytes hold no two labels
        molecules.load_task(f"csv:{tmp_path / 'table.csv'}")
