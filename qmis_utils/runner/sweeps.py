"""Sweeps: a function at many points, here or on a Dask cluster, each result kept on disk."""

import hashlib
import os
import re
import warnings
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

import joblib
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from qmis_utils.store.paths import ROOT

COMPUTE = ("numpy", "scipy", "torch", "scikit-learn", "rdkit", "pandas")  # whose versions may change a result
PACKAGE = Path(__file__).resolve().parents[1]
SCIENCE = ("theory", "quantizers", "ensemble", "attacks", "indicators", "assess", "molecules", "studies", "audit")
CACHE = ROOT / "build" / "cache"


def science():
    """Return the sources that a result may depend on, in order: those of the science rooms, and only them."""
    rooms = [path for name in SCIENCE for path in (PACKAGE / name, PACKAGE / f"{name}.py") if path.exists()]
    return sorted(path for room in rooms for path in (room.rglob("*.py") if room.is_dir() else [room]))


def sweep(function, points, cluster=None):
    """Evaluate a function at many points, each result kept on disk, so that an interrupted sweep resumes.

    The cache is keyed by the function's source, its arguments, the sources of `qmis_utils` and the versions of the
    packages in `COMPUTE`; `make clean` empties it.

    Args:
        function: of keyword arguments; its result must not depend on anything else.
        points: list of dicts of keyword arguments.
        cluster: address of a Dask scheduler ("tcp://host:8786"), whose workers have this package; None runs here, with
            one thread, from eight points on in as many processes as a kernel has threads.

    Returns:
        list of the results, in the order of the points.

    Example:
        >>> sweep(security_at, [{"n": n, "step": 0.5} for n in (10, 100, 1000)])
    """
    sources = b"".join(path.read_bytes() for path in science())
    versions = " ".join(map(version, COMPUTE)).encode()
    cache = Path(os.environ.get("QMIS_CACHE", CACHE)) / hashlib.sha256(sources + versions).hexdigest()[:16]
    cached = joblib.Memory(cache, verbose=0).cache(function)
    points = list(points)
    with _backend(cluster, len(points)) as backend:
        results = backend(joblib.delayed(cached)(**point) for point in points)
        return list(tqdm(results, total=len(points), desc=function.__name__, unit="point"))


@contextmanager
def _backend(cluster, n_points):
    """Yield what runs delayed calls and gives their results in order: here, or on a Dask cluster."""
    if cluster is None:
        threads = int(os.environ.get("OMP_NUM_THREADS", joblib.cpu_count()))
        n_jobs = threads if n_points >= 8 else 1  # processes take seconds to start
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
