"""Run the notebooks by papermill, regenerate their figures, and check them against the committed ones.

    python -m qmis_utils.run                              every notebook with its full parameters
    python -m qmis_utils.run 05 -p n_models 64            one notebook, one parameter changed
    python -m qmis_utils.run --params tests/params.yaml   every notebook, quick
    python -m qmis_utils.run --check                      regenerate elsewhere, compare every CSV

-p takes NAME and VALUE: the text itself, as in -p label_column "% inhibition", for a parameter declared str; of one
declared str | None the texts null, None and ~ say None, in quotes they are texts. Any other VALUE is read as YAML.

Without --params, the environment variable QMIS_PARAMS names a file of parameters in notebooks/settings: with
QMIS_PARAMS=class it is class.yaml.

A run that changes a parameter writes its figures to build/figures, unless --figures says otherwise: the committed ones
in figures/ belong to the full parameters. It first removes what an earlier run of the same notebooks left in
build/figures. Figures reach their folder only after their notebook has succeeded.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from qmis_utils.runner import figure_files, notebooks
from qmis_utils.runner.sweeps import cache_directory
from qmis_utils.runner.sweeps import sweep as sweep  # offered to notebooks as `run.sweep`
from qmis_utils.store.files import locked, write_atomic
from qmis_utils.store.paths import BUILD, ROOT, SWEEPS, checkout, given_path

NOTEBOOKS = ROOT / "notebooks" if ROOT else None


class NotebookFailed(RuntimeError):
    """A notebook that stopped: the message names the notebook, the cell and the error."""


@dataclass(frozen=True)
class Job:
    """A notebook to run, with the parameters that differ from its defaults."""

    path: Path
    notebook: dict  # as nbformat reads it
    overrides: dict

    @property
    def stem(self):
        return self.path.stem

    @property
    def parameters(self):
        """All parameters of the run, name -> value, machine paths hidden."""
        declared = notebooks.read_parameters(self.notebook, self.stem)
        values = {name: parameter.default for name, parameter in declared.items()} | self.overrides
        return json.loads(_hide(json.dumps(values, ensure_ascii=False)))


def plan(names=(), given=(), from_file=None):
    """Return the jobs that a command line asks for, every parameter checked before anything runs.

    Parameters
    ----------
    names : list of str
        Notebooks as path, stem or number ("05"); none means all, in order.
    given : list of (str, str)
        Names and texts, read as ``notebooks.read_text`` says; each must be declared by every notebook chosen, and wins
        over ``from_file``.
    from_file : path, optional
        YAML file, notebook stem -> parameters.

    Returns
    -------
    list of Job

    Raises
    ------
    ValueError
        For an unknown notebook or parameter, or a value of another type than declared, or out of range.
    """
    checkout("the notebooks")
    known = notebooks.find_notebooks(NOTEBOOKS)
    paths = [_find(name, known) for name in names] or list(known.values())
    if not paths:
        raise ValueError(f"no notebooks in {NOTEBOOKS}")
    table = notebooks.read_table(from_file, {path.stem for path in paths} | known.keys()) if from_file else {}
    return [_job(path, table.get(path.stem) or {}, dict(given)) for path in dict.fromkeys(paths)]


def named_parameters():
    """Return the file of parameters that the environment variable ``QMIS_PARAMS`` names; None where it is not set.

    Raises
    ------
    ValueError
        There is no such file, or no checkout.
    """
    name = os.environ.get("QMIS_PARAMS")
    if not name:
        return None
    checkout("the notebooks")
    folder = NOTEBOOKS / "settings"
    path = folder / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.yaml") if not file.stem[0].isupper()))
        raise ValueError(f"QMIS_PARAMS={name}: no such file of parameters in notebooks/settings; there are {there}")
    return path


def _find(name, known):
    if name.endswith(".ipynb"):
        return given_path(name).resolve()
    matches = [path for stem, path in known.items() if name in (stem, stem.split("_")[0])]
    if not matches:
        raise ValueError(f"no notebook {name!r}; there are {', '.join(known)}")
    return matches[0]


def _job(path, values, texts=()):
    notebook = notebooks.read_notebook(path)
    declared = notebooks.read_parameters(notebook, path.stem)
    unknown = [str(name) for name in {**values, **dict(texts)} if name not in declared]
    if unknown:
        valid = ", ".join(f"{parameter.name}: {parameter.kind}" for parameter in declared.values())
        raise ValueError(f"{path.stem} declares no parameter {', '.join(unknown)}; valid are {valid or 'none'}")
    values = values | {name: notebooks.read_text(declared[name], text) for name, text in dict(texts).items()}
    values = {name: notebooks.convert(declared[name], value, path.stem) for name, value in values.items()}
    return Job(path, notebook, {name: value for name, value in values.items() if value != declared[name].default})


def execute(job, out, figure_directory, threads, cache):
    """Run one notebook in a fresh kernel; write the executed notebook, and its figures if it succeeds.

    Parameters
    ----------
    job : Job
        From ``plan``.
    out : path
        Directory of the executed notebook, which is kept on failure too.
    figure_directory : path
        Where the figures go once the notebook has succeeded.
    threads : int
        BLAS and OpenMP threads of the kernel.
    cache : path
        Directory of the results of ``sweep``.

    Returns
    -------
    list of str
        The stems of the figures.

    Raises
    ------
    NotebookFailed
        Naming notebook, cell and error.
    """
    from qmis_utils.runner import kernel  # papermill takes a second, which a list or a sweep need not wait

    with tempfile.TemporaryDirectory(prefix="qmis-", dir=kernel.short_temporary_directory()) as scratch:
        scratch, executed = Path(scratch), Path(out) / f"{job.stem}.ipynb"
        (scratch / "figures").mkdir()
        hidden = notebooks.machine_paths() | {str(scratch): "<scratch>"}
        parameters = {name: _absolute(value, hidden) for name, value in job.overrides.items()}
        error = kernel.execute(job, parameters, scratch, threads, cache)
        failure = error and NotebookFailed(kernel.explain(job, error, scratch / "executed.ipynb", executed))
        written = notebooks.read_notebook(scratch / "executed.ipynb")
        write_atomic(executed, notebooks.write_text(notebooks.clean(written, hidden)))
        if failure:
            raise failure
        return figure_files.adopt_figures(scratch / "figures", figure_directory, job.stem)


def _absolute(value, hidden):
    """Make `csv:` paths, also in lists, absolute from the caller's directory: the kernel runs in another.

    What was given is added to `hidden`, so that it stands in what is written.
    """
    if isinstance(value, list):
        return [_absolute(item, hidden) for item in value]
    if isinstance(value, str) and value.startswith("csv:"):
        given = value.removeprefix("csv:")
        absolute = str(given_path(given).absolute())
        if absolute != given:
            hidden[absolute] = given
        return f"csv:{absolute}"
    return value


def _hide(path):
    return notebooks.hide(str(path), notebooks.machine_paths())


def run(jobs, out, figure_directory, threads, cache=None):
    """Run jobs in turn, saying what is done and what comes next; return the stems of those that failed."""
    failed = []
    with nullcontext(cache) if cache else cache_directory(SWEEPS) as cache:
        for number, job in enumerate(jobs, start=1):
            following = f", next {jobs[number].stem}" if number < len(jobs) else ""
            minutes = notebooks.run_minutes(job.notebook)
            stated = f" (full run {_duration(minutes[0])})" if minutes and not job.overrides else ""
            print(f"[{number}/{len(jobs)}] {job.stem}{stated}{following}", flush=True)
            start = time.monotonic()
            try:
                stems = execute(job, out, figure_directory, threads, cache)
                print(f"  {_duration((time.monotonic() - start) / 60)}, figures: {', '.join(stems) or 'none'}")
                print(f"  executed notebook: {_hide(Path(out) / job.path.name)}", flush=True)
            except NotebookFailed as failure:
                failed.append(job.stem)
                print(f"  {failure}", file=sys.stderr, flush=True)
    return failed


def _discard_figures(directory, stems):
    """Remove what earlier runs left of some notebooks' figures, lest one of another table is taken for new."""
    numbers = {stem.split("_")[0] for stem in stems}
    with locked(directory):
        manifest = figure_files.read_manifest(directory)
        kept = {stem: entry for stem, entry in manifest.items() if stem.split("_")[0] not in numbers}
        figure_files.write_manifest(directory, kept)
        for stem in manifest.keys() - kept.keys():
            for suffix in figure_files.SUFFIXES:
                (directory / f"{stem}{suffix}").unlink(missing_ok=True)


def _duration(minutes):
    return f"{minutes:.2g} min" if minutes >= 1 else f"{60 * minutes:.0f} s"


def check(jobs, out, committed, threads):
    """Run jobs into a scratch folder and compare every CSV with the committed one; return what is wrong, in words."""
    with tempfile.TemporaryDirectory(prefix="qmis-") as fresh_cache:  # a cached result would check nothing
        failed = run(jobs, out, out / "new_figures", threads, fresh_cache)
    finished = {job.stem for job in jobs} - set(failed)
    differences = figure_files.compare_figures(out / "new_figures", committed, finished)
    if not differences:
        print(f"figures of {', '.join(sorted(finished)) or 'no notebook'} agree with {_hide(committed)}")
    return [f"failed: {stem}" for stem in failed] + differences


def stale_figures(figure_directory, paths):
    """Tell which committed figures no longer belong to their notebooks.

    Parameters
    ----------
    figure_directory : path
        With its manifest.
    paths : list of path
        The notebooks.

    Returns
    -------
    list of str
        Complaints: code or parameters changed since the figure was made, or no such notebook.
    """
    jobs = {Path(path).stem: _job(Path(path), {}) for path in paths}
    complaints = []
    for stem, entry in figure_files.read_manifest(figure_directory).items():
        job = jobs.get(entry["notebook"])
        if job is None:
            complaints.append(f"{stem}: no notebook {entry['notebook']} makes it")
            continue
        if entry["code_sha256"] != notebooks.code_sha256(job.notebook):
            complaints.append(f"{stem}: the code of {job.stem} has changed since")
        complaints += [
            f"{stem}: made with {name} = {entry['parameters'].get(name)!r}, the notebook says {value!r}"
            for name, value in job.parameters.items()
            if entry["parameters"].get(name) != value
        ]
    return complaints


def describe(jobs):
    """Return the notebooks, their run times and parameters as text."""
    lines = []
    for job in jobs:
        minutes = notebooks.run_minutes(job.notebook)
        times = "  (full {}, quick {})".format(*map(_duration, minutes)) if minutes else ""
        lines.append(f"{job.stem}{times}")
        for parameter in notebooks.read_parameters(job.notebook, job.stem).values():
            comment = f"  # {parameter.comment}" if parameter.comment else ""
            lines.append(f"  {parameter.name}: {parameter.kind} = {parameter.default!r}{comment}")
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """Say how to write a parameter when that is what went wrong, then end with status 2."""
        hint = "; write -p NAME VALUE, as in -p n_models 64" if message.startswith("argument -p:") else ""
        super().error(message + hint)


def _parse(arguments):
    parser = _Parser(
        prog="python -m qmis_utils.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="path, stem or number; default all, in order")
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter")
    parser.add_argument("--params", metavar="FILE", help="YAML file: notebook stem -> parameters; -p wins")
    parser.add_argument("--out", type=given_path, metavar="DIR", help="executed notebooks; default build/executed")
    parser.add_argument(
        "--figures", type=given_path, metavar="DIR", help="default figures, or build/figures if a parameter differs"
    )
    parser.add_argument("--check", action="store_true", help="compare a full run with the figures of --figures")
    parser.add_argument("--under", type=float, metavar="MIN", help="only notebooks whose full run takes fewer minutes")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="BLAS and OpenMP threads; default 2")
    parser.add_argument("--list", action="store_true", help="show notebooks, parameters and run times; run nothing")
    return parser.parse_args(arguments)


def _under(jobs, minutes):
    untimed = [job.stem for job in jobs if notebooks.run_minutes(job.notebook) is None]
    if untimed:
        raise ValueError(f"--under: no line '**Run time** (2 cores): full .., quick ...' in {', '.join(untimed)}")
    return [job for job in jobs if notebooks.run_minutes(job.notebook)[0] < minutes]


def _run_command(arguments):
    """Do what the command line asks for; return its complaints, empty if all went well."""
    jobs = plan(arguments.notebooks, arguments.p, arguments.params or named_parameters())
    if arguments.threads < 1:
        raise ValueError(f"--threads: a number of threads is at least 1, got {arguments.threads}")
    if arguments.under is not None:
        jobs = _under(jobs, arguments.under)
    if arguments.list:
        print(describe(jobs))
        return []
    changed = any(job.overrides for job in jobs)
    if arguments.check:
        if changed:
            raise ValueError("--check compares full runs: leave out -p, --params and QMIS_PARAMS")
        return check(jobs, arguments.out or BUILD / "check", arguments.figures or ROOT / "figures", arguments.threads)
    figure_directory = arguments.figures or (BUILD / "figures" if changed else ROOT / "figures")
    if figure_directory == BUILD / "figures" and figure_directory.exists():
        _discard_figures(figure_directory, [job.stem for job in jobs])
    failed = run(jobs, arguments.out or BUILD / "executed", figure_directory, arguments.threads)
    if finished := [job.stem for job in jobs if job.stem not in failed]:
        print(f"figures of {', '.join(finished)} are in {_hide(figure_directory)}")
    return [f"failed: {stem}" for stem in failed]


def main(arguments=None):
    """Run the command line; return the exit status: 0, 1 if something failed or differs, 130 if interrupted."""
    # jsonschema, which nbformat imports, would build a grammar of URLs for two seconds; no notebook needs it
    sys.modules.setdefault("rfc3987_syntax", None)
    try:
        complaints = _run_command(_parse(arguments))
    except KeyboardInterrupt:
        print("interrupted: the figures of finished notebooks are kept", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        complaints = [f"error: {error}"]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a kill, too, stops the kernel and clears the scratch
    sys.exit(main())
