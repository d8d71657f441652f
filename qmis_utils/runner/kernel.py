"""The kernel that a notebook runs in: its sockets and environment, papermill that runs it, in words why it stopped."""

import json
import os
import re
import sys
import tempfile

from qmis_utils.runner.notebooks import code_sha256, hide, machine_paths, read_notebook, read_parameters
from qmis_utils.store.downloads import cache_dir
from qmis_utils.store.extras import extra

with extra("companion"):
    import papermill
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.exceptions import PapermillException, PapermillExecutionError, strip_color


FOREIGN = ("PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS")  # run code in a kernel, drop asserts, change outputs


class _WritesOnce(NBClientEngine):
    """Write the notebook when it has ended, well or badly: twice a cell, as papermill does, costs half a minute."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **options):
        """Run the notebook as papermill does, without saving in between."""
        nb_man.save = lambda: None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            del nb_man.save


def short_temporary_directory():
    """Return a directory whose path leaves room for the kernel's sockets, of at most 107 characters."""
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 70 else "/tmp"


def kernel_manager(scratch, variables):
    """Return a manager of kernels of this interpreter that talks over sockets in `scratch`: no ports to race for.

    What kernelspecs the reader's folders and variables name "python3" does not matter: another interpreter, with other
    packages, would make other figures.
    """
    ours = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3 (ipykernel)", language="python",
        metadata={"debugger": True, "kernel_provisioner": {"provisioner_name": "local-provisioner"}},
    )  # fmt: skip

    class IpcKernelManager(AsyncKernelManager):
        kernel_spec = ours

        def __init__(self, **kwargs):
            connection = {"transport": "ipc", "ip": str(scratch / "k"), "connection_file": str(scratch / "kernel.json")}
            super().__init__(**connection, **kwargs)

        async def start_kernel(self, **kwargs):
            await super().start_kernel(env=variables, **kwargs)

    return IpcKernelManager


def environment(job, scratch, threads, cache):
    """Return the environment of a kernel: everything fixed that could change a figure or an output."""
    provenance = {
        "figures": str(scratch / "figures"),
        "notebook": job.stem,
        "code_sha256": code_sha256(job.notebook),
        "parameters": job.parameters,
        "threads": threads,
    }
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return kept | {
        "QMIS_RUN": json.dumps(provenance),
        "QMIS_CACHE": str(cache),
        "QMIS_DATA_CACHE": str(cache_dir().absolute()),  # the kernel runs in another directory
        "IPYTHONDIR": str(scratch / "ipython"),  # no start-up files of the user
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TQDM_DISABLE": "1",  # a bar in an output is a timing
        **{f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")},
    }


def execute(job, parameters, scratch, threads, cache):
    """Run a notebook in a fresh kernel and write it to ``executed.ipynb``; return the error that stopped it, or None.

    Parameters
    ----------
    job : run.Job
        The notebook.
    parameters : dict
        The values to inject.
    scratch : Path
        Folder of the executed notebook, and of all else that the kernel writes.
    threads, cache : int, Path
        BLAS and OpenMP threads of the kernel; where its sweeps keep their results.
    """
    papermill_engines.register("once", _WritesOnce)
    try:
        papermill.execute_notebook(
            job.notebook,
            scratch / "executed.ipynb",
            parameters,
            kernel_name="python3",
            kernel_manager_class=kernel_manager(scratch, environment(job, scratch, threads, cache)),
            cwd=job.path.parent,
            progress_bar={"desc": f"  {job.stem}", "leave": False} if sys.stderr.isatty() else False,
            extra_arguments=["--log-level=CRITICAL"],  # stopping an idle kernel is no error to report
            engine_name="once",
            record_timing=False,
            coalesce_streams=True,
        )
    except (PapermillException, RuntimeError) as error:  # RuntimeError: the kernel died
        return error
    return None


def explain(job, error, written, kept):
    """Say in a few lines which cell of a notebook failed, at which line, why, and with which parameters."""
    if isinstance(error, PapermillExecutionError):
        where = f"cell In [{error.exec_count}]"
        what = f"{error.ename}: {strip_color(error.evalue)}"
        lines = re.findall(rf"Cell In\[{error.exec_count}\], line (\d+)", strip_color("\n".join(error.traceback)))
        code = f"\n    {error.source.splitlines()[int(lines[-1]) - 1].strip()}" if lines else ""
    else:
        started = [cell for cell in read_notebook(written).cells if cell.metadata.papermill.get("start_time")]
        number = sum(cell.cell_type == "code" for cell in started)
        where, what, code = f"cell In [{number}]", "the kernel died", ""
    shown = hide(str(kept), machine_paths())
    return f"{job.stem} failed in {where}: {what}{code}{_what_was_set(job)}\n    executed notebook: {shown}"


def _what_was_set(job, most=5):
    """Return a line of the parameters that the reader has changed, for a failure may be due to them, or nothing."""
    declared, values = read_parameters(job.notebook, job.stem), job.parameters
    said = [f"{name} = {_short(values[name])} (default {_short(declared[name].default)})" for name in job.overrides]
    more = [f"{len(said) - most} more"] if len(said) > most else []
    return f"\n    with {', '.join(said[:most] + more)}" if said else ""


def _short(value, most=60):
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."
