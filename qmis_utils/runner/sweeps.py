"""Sweeps: a function at many points, here or on a Dask cluster, each result kept on disk."""

import hashlib
import os
import re
import tempfile
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import cloudpickle
import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from qmis_utils.runner.notebooks import hide, machine_paths
from qmis_utils.runner.registries import call_with, entries_text, own_entries
from qmis_utils.store.paths import PACKAGE, SWEEPS, given_path

COMPUTE = ("numpy", "scipy", "torch", "scikit-learn", "rdkit", "pandas")  # whose versions may change a result
NO_SCIENCE = ("__init__.py", "exercises.py", "figures.py", "run.py", "runner", "store")  # a new room counts as science


def science():
    """Return the sources that a result may depend on, in order: all but those of ``NO_SCIENCE``."""
    return sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in NO_SCIENCE)


def cache_key(own):
    """Return what results are kept under: a hash of the science, of the versions in ``COMPUTE``, and of own entries.

    Parameters
    ----------
    own : dict
        Module -> name -> entry, from ``registries.own_entries``.
    """
    digest = hashlib.sha256()
    for path in science():
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    digest.update(" ".join(map(_version, COMPUTE)).encode() + entries_text(own).encode())
    return digest.hexdigest()[:16]


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:  # an extra that is not installed computes nothing
        return ""


def sweep(function, points, cluster=None):
    """Evaluate a function at many points, each result kept on disk, so that an interrupted sweep resumes.

    Parameters
    ----------
    function : callable
        Of keyword arguments; its result must not depend on anything else.
    points : list of dict
        The keyword arguments of each call.
    cluster : str, optional
        Address of a Dask scheduler ("tcp://host:8786"), whose workers have this package. Without it the sweep runs
        here, with one thread, from eight points on in as many processes as a kernel has threads.

    Returns
    -------
    list
        The results, in the order of the points.

    Raises
    ------
    ValueError
        For a cluster that cannot be used, or an own entry of a registry that cannot be taken to other processes.

    Notes
    -----
    A result is kept under the function's source, its arguments, the sources of the science in `qmis_utils`, the
    versions of the packages in ``COMPUTE``, and the code of what a reader has added to the registries of quantizers,
    attacks, embedders and numbers. Every process that computes knows these entries. `make clean` empties the cache.

    Examples
    --------
    A function of the notebook at three points::

        sweep(security_at, [{"n": n, "step": 0.5} for n in (10, 100, 1000)])
    """
    own, points = own_entries(), list(points)
    folder = given_path(os.environ.get("QMIS_CACHE", SWEEPS)) / cache_key(own)
    cached = joblib.Memory(folder, verbose=0).cache(function)
    threads = int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count()))
    n_jobs = threads if len(points) >= 8 else 1  # processes take seconds to start
    here = cluster is None and n_jobs == 1
    call = cached if here else partial(call_with, cloudpickle.dumps(own), cached)
    with _backend(cluster, n_jobs) as backend:
        results = backend(joblib.delayed(call)(**point) for point in points)
        return list(tqdm(results, total=len(points), desc=function.__name__, unit="point"))


@contextmanager
def _backend(cluster, n_jobs):
    """Yield what runs delayed calls and gives their results in order: here, or on a Dask cluster."""
    if cluster is None:
        with joblib.parallel_config("loky", inner_max_num_threads=1), warnings.catch_warnings():
            # after a pause of the machine loky replaces its workers: nothing is lost, and outputs must not tell of it
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            with nullcontext() if n_jobs > 1 else _one_thread():
                yield joblib.Parallel(n_jobs=n_jobs, return_as="generator")
        return
    try:
        from dask.distributed import Client
    except ImportError:
        raise ValueError("cluster: sweeping on a Dask cluster needs `pip install distributed`") from None
    if not re.fullmatch(r"tcp://.+:\d+", str(cluster)):  # a client of what is no address may hang when it is collected
        raise ValueError(f"cluster: an address looks like 'tcp://host:8786'; got {cluster!r}")
    try:
        client = Client(cluster, timeout="5s")
    except OSError as error:
        raise ValueError(f"cluster: no Dask scheduler answers at {cluster!r}: {error}") from None

    def submit(calls):
        # each task carries its arguments: joblib's own Dask backend loses arrays with the worker that holds them
        futures = [client.submit(partial(function, **arguments), pure=False) for function, _, arguments in calls]
        return (future.result() for future in futures)

    with client:
        yield submit


@contextmanager
def _one_thread():
    """Compute with one thread, as the processes of a longer sweep do: the last digits then do not depend on either."""
    import torch  # seconds, which a command that sweeps nothing need not wait

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def cache_directory(usual):
    """Yield where sweeps keep their results: the caller's QMIS_CACHE, or the usual directory if it can be written."""
    given = os.environ.get("QMIS_CACHE")
    reason = None if given else _unwritable(usual)
    if reason is None:
        yield given_path(given).absolute() if given else usual  # the kernel runs in another directory
        return
    with tempfile.TemporaryDirectory(prefix="qmis-") as scratch:
        where = hide(str(usual), machine_paths())
        print(
            f"{where} cannot be written ({reason}): sweeps keep nothing beyond this run; set QMIS_CACHE to change that"
        )
        yield Path(scratch)


def _unwritable(directory):
    """Return why nothing can be written in a directory, or None."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        return error.strerror
    return None
