"""A sweep, here and on a Dask cluster: it resumes, gives the same numbers though a worker is killed; clear errors.

What it keeps is kept under the science and under what a reader has added to the registries, which goes with it.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import dask
import numpy as np
import pytest
import threadpoolctl
import torch
from distributed import LocalCluster

from qmis_utils import quantizers
from qmis_utils.quantizers import rules
from qmis_utils.runner import registries, sweeps
from qmis_utils.store.paths import PACKAGE
from qmis_utils.studies import molecular


def mean_square(number, values, folder):
    """Log which process computes which number; who meets 5 while the file `kill` is there removes it and is killed."""
    with (Path(folder) / "log").open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
    kill = Path(folder) / "kill"
    if number == 5 and kill.exists():
        kill.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise ArithmeticError(f"no number {number}")
    return number * np.square(values).mean()


def sweep(numbers, folder, monkeypatch, cluster=None):
    """Sweep with a cache and a log of its own; return the results and the (number, process) pairs of the log."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("QMIS_CACHE", str(folder / "cache"))
    values = [np.random.default_rng(number + 9).normal(size=5000) for number in numbers]
    points = [{"number": n, "values": v, "folder": str(folder)} for n, v in zip(numbers, values, strict=True)]
    results = sweeps.sweep(mean_square, points, cluster=cluster)
    return results, [tuple(map(int, line.split())) for line in (folder / "log").read_text().splitlines()]


def square(x, calls):
    with Path(calls).open("a") as file:
        file.write(f"{x} ")
    if x < 0:
        raise ArithmeticError("interrupted")
    return x * x


def where(x):
    return x, os.environ["OMP_NUM_THREADS"], os.getpid()


def test_a_sweep_resumes_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path / "cache"))
    calls = tmp_path / "calls"
    with pytest.raises(ArithmeticError):
        sweeps.sweep(square, [{"x": x, "calls": str(calls)} for x in (3, 1, -1, 2)])
    assert sweeps.sweep(square, [{"x": x, "calls": str(calls)} for x in (3, 1, 2)]) == [9, 1, 4]
    assert calls.read_text() == "3 1 -1 2 "


def test_another_version_of_a_package_is_computed_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path / "cache"))
    points = [{"x": 3, "calls": str(tmp_path / "calls")}]
    sweeps.sweep(square, points)
    known = sweeps.version
    monkeypatch.setattr(sweeps, "version", lambda name: "99" if name == "torch" else known(name))
    sweeps.sweep(square, points)
    assert (tmp_path / "calls").read_text() == "3 3 "


def test_a_long_sweep_uses_processes_of_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = sweeps.sweep(where, [{"x": x} for x in range(8)])
    assert [x for x, _, _ in found] == list(range(8))
    assert {threads for _, threads, _ in found} == {"1"}
    assert os.getpid() not in {process for _, _, process in found}
    assert sweeps.sweep(where, [{"x": x} for x in range(8)]) == found  # kept on disk by the workers


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of the package's sources, to edit."""
    copied = tmp_path_factory.mktemp("sources") / "qmis_utils"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


NO_SCIENCE = [
    "run.py",
    "exercises.py",
    "figures.py",
    "__init__.py",
    "runner/sweeps.py",
    "store/files.py",
    "store/new.py",
]


@pytest.mark.parametrize(
    "path",
    ["theory/security.py", "quantizers/rules.py", "attacks/scores.py", "studies/synthetic.py", "ensemble.py"]
    + ["assess.py", "theory/deep/er/new.py", "a_new_room/new.py", *NO_SCIENCE],
)
def test_results_are_kept_under_the_sources_of_the_science_at_any_depth_and_no_others(sources, path, monkeypatch):
    monkeypatch.setattr(sweeps, "PACKAGE", sources)
    before, edited = sweeps.cache_key({}), sources / path
    old = edited.read_bytes() if edited.exists() else None
    edited.parent.mkdir(parents=True, exist_ok=True)
    edited.write_bytes((old or b"") + b"# edited\n")
    changed = sweeps.cache_key({})
    edited.unlink() if old is None else edited.write_bytes(old)
    assert (changed == before) == (path in NO_SCIENCE)
    assert sweeps.cache_key({}) == before


# ----------------------------------------------------------------------------------------------- a reader's own entries


RULE = """
def {name}(w):
    scale = np.abs(w).max(axis=1, keepdims=True)
    return np.sign(w).astype(np.int8), scale, {factor} * scale * np.sign(w)
"""


def from_notebook(source, name, **names):
    """Return a function as a notebook would define it: processes of a sweep cannot import it."""
    namespace = {"__name__": "__main__", "np": np} | names
    exec(source, namespace)
    return namespace[name]


def rule(factor):
    encode = from_notebook(RULE.format(name="mine", factor=factor), "mine")
    return quantizers.Quantizer("mine", encode, range(-1, 2), 2, "max", "own")


@pytest.fixture
def own(monkeypatch):
    """The registry of quantizers, to extend."""
    monkeypatch.setattr(rules, "QUANTIZERS", dict(rules.QUANTIZERS))
    return rules.QUANTIZERS


def released(name, x):
    return x, float(quantizers.quantize(np.array([[1.0, -2.0, 0.5]]), name).values.max()), os.getpid()


def values(name, numbers, **how):
    return [value for _, value, _ in sweeps.sweep(released, [{"name": name, "x": x} for x in numbers], **how)]


@pytest.mark.parametrize("points", [1, 8])
def test_an_own_quantizer_is_known_and_never_that_of_yesterday(own, points, tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for factor in (1.0, 3.0, 1.0):
        own["mine"] = rule(factor)
        assert values("mine", range(points)) == [2 * factor] * points
    assert len(list(tmp_path.iterdir())) == 2  # the third sweep was kept from the first
    del own["mine"]
    with pytest.raises(ValueError, match="unknown quantizer 'mine'"):
        values("mine", range(points))


def test_a_built_in_rule_that_was_replaced_is_itself_again_in_the_next_sweep(own, tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    usual = values("sign", range(8))
    own["sign"] = rule(5.0)
    assert values("sign", range(8)) == [10.0] * 8 != usual
    own["sign"] = rules.BUILT_IN["sign"]
    shutil.rmtree(tmp_path)
    assert values("sign", range(8)) == usual


def test_nothing_own_leaves_the_key_alone(own):
    before = sweeps.cache_key(registries.own_entries())
    assert before == sweeps.cache_key({})
    own["mine"] = rule(1.0)
    assert sweeps.cache_key(registries.own_entries()) != before
    del own["mine"]
    assert sweeps.cache_key(registries.own_entries()) == before


def test_a_removed_rule_is_another_key_and_stays_away_from_the_workers(own, tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    del own["sign"]
    assert sweeps.cache_key(registries.own_entries()) != sweeps.cache_key({})
    with pytest.raises(ValueError, match="unknown quantizer 'sign'"):
        values("sign", range(8))


@pytest.mark.parametrize("module", registries.REGISTRIES)
def test_a_registry_keeps_what_it_came_with(module):
    loaded = import_module(module)
    entries = getattr(loaded, registries.REGISTRIES[module])
    assert entries == loaded.BUILT_IN
    assert entries is not loaded.BUILT_IN


def test_what_cannot_go_to_other_processes_is_named(own, tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    with (tmp_path / "open").open("w") as file:
        own["mine"] = from_notebook("def mine(w): return file", "mine", file=file)
        with pytest.raises(ValueError, match=r"QUANTIZERS\['mine'\]: it reads <_io.TextIOWrapper .* no other process"):
            sweeps.sweep(square, [{"x": 1, "calls": str(tmp_path / "calls")}])


# -------------------------------------------------------------------------------------------------------------- threads


def threads(x):
    counts = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    return x, counts | {torch.get_num_threads()}


def test_a_short_sweep_computes_with_one_thread_too(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    before = threads(0)
    with threadpoolctl.threadpool_limits(2):
        torch.set_num_threads(2)
        try:
            assert sweeps.sweep(threads, [{"x": 1}]) == [(1, {1})]
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(max(before[1]))


def test_a_sweep_on_a_cluster_needs_dask(tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(ValueError, match="needs `pip install distributed`"):
        sweeps.sweep(square, [{"x": 1, "calls": str(tmp_path / "calls")}], cluster="tcp://127.0.0.1:1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Give the address of a scheduler with two worker processes; one that dies is replaced."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        dask.config.set({"temporary-directory": str(tmp_path_factory.mktemp("dask"))}),
        LocalCluster(**options) as local,
    ):
        yield local.scheduler_address


def test_a_cluster_gives_the_same_numbers_though_a_worker_is_killed_midway(cluster, tmp_path, monkeypatch):
    here, log_here = sweep(range(12), tmp_path / "here", monkeypatch)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "kill").touch()
    there, log_there = sweep(range(12), tmp_path / "there", monkeypatch, cluster)
    assert there == here
    assert log_here == [(number, os.getpid()) for number in range(12)]
    # only the point that was lost is computed again: what the dead worker had finished is read from the cache
    assert Counter(number for number, _ in log_there) == Counter(range(12)) + Counter([5])
    first, second = (process for number, process in log_there if number == 5)
    assert first != second
    assert os.getpid() not in {process for _, process in log_there}


def test_own_entries_reach_a_cluster(cluster, own, tmp_path, monkeypatch):
    monkeypatch.setenv("QMIS_CACHE", str(tmp_path))
    for factor in (1.0, 3.0):
        own["mine"] = rule(factor)
        assert values("mine", range(3), cluster=cluster) == [2 * factor] * 3
    del own["mine"]
    with pytest.raises(ValueError, match="unknown quantizer 'mine'"):
        values("mine", range(3), cluster=cluster)


def test_groups_of_heads_are_the_same_on_a_cluster(cluster, source, write, tmp_path, monkeypatch):
    small = {"steps": 15, "width": 8, "n_models": 40, "n_groups": 2, "n_indicator": 4, "n_draws": 5, "decay": 0.01}
    small |= {"pool": molecular.prepare(write(source), "ecfp4"), "names": ("fp32", "ternary_90")}
    found = []
    for address in (None, cluster):
        monkeypatch.setenv("QMIS_CACHE", str(tmp_path / f"cache{len(found)}"))
        points = [small | {"group": group} for group in range(2)]
        found.append(sweeps.sweep(molecular.evaluate_group, points, cluster=address))
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(here.auc["lira_fixed"], there.auc["lira_fixed"], atol=1e-9)
        np.testing.assert_allclose(here.measures["scores"], there.measures["scores"], rtol=1e-3, atol=1e-3)


def test_a_point_that_fails_on_the_cluster_raises_its_own_error(cluster, tmp_path, monkeypatch):
    with pytest.raises(ArithmeticError, match="no number -1"):
        sweep([1, -1, 2], tmp_path, monkeypatch, cluster)
    assert sweep([1, 2], tmp_path, monkeypatch, cluster)[0] == sweep([1, 2], tmp_path / "here", monkeypatch)[0]


def test_an_address_where_nobody_answers_is_one_clear_error_within_seconds(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"  # bound, not listening
        start = time.monotonic()
        with pytest.raises(ValueError, match=f"cluster: no Dask scheduler answers at '{address}'"):
            sweep([1], tmp_path, monkeypatch, address)
        assert time.monotonic() - start < 15


@pytest.mark.parametrize("address", ["nonsense", "smoke://127.0.0.1:8786", "tcp://127.0.0.1", 8786])
def test_what_is_no_address_is_one_clear_error(address, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=f"cluster: an address looks like 'tcp://host:8786'; got {address!r}"):
        sweep([1], tmp_path, monkeypatch, address)


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from qmis_utils.runner import sweeps

def slow_square(x, folder):
    time.sleep(0.1)
    with (Path(folder) / "log").open("a") as file:
        file.write(f"{x}\\n")
    return np.full(100_000, x * x)

if __name__ == "__main__":
    results = sweeps.sweep(slow_square, [{"x": x, "folder": sys.argv[1]} for x in range(int(sys.argv[2]))])
    np.save(Path(sys.argv[1]) / "results.npy", results)
"""


@pytest.mark.parametrize("n_points", [6, 24], ids=["one process", "two processes"])
def test_a_sweep_killed_at_any_moment_resumes_to_the_same_numbers(n_points, tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    log = tmp_path / "log"
    log.touch()
    command = [sys.executable, str(tmp_path / "killed.py"), str(tmp_path), str(n_points)]
    variables = os.environ | {
        "QMIS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    options = {"env": variables, "start_new_session": True, "stderr": subprocess.DEVNULL}
    moments = random.Random(n_points)
    for _ in range(4):
        done = len(log.read_text().splitlines())
        with subprocess.Popen(command, **options) as process:
            while len(log.read_text().splitlines()) == done and process.poll() is None:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.15))  # somewhere in a point, or while its result is written
            os.killpg(process.pid, signal.SIGKILL)
    killed = len(log.read_text().splitlines())
    assert 0 < killed < 2 * n_points
    assert subprocess.run(command, **options, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "results.npy"), [np.full(100_000, x * x) for x in range(n_points)])
    computed = Counter(map(int, log.read_text().split()))
    assert set(computed) == set(range(n_points))
    assert computed.total() <= n_points + 4 * 2  # a kill costs at most what each process had in hand
