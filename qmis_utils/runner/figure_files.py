"""The files of a folder of figures: written whole or not at all, listed in ``manifest.json``, adopted and compared.

Apart from `figures`, which draws, so that a command that draws nothing does not load matplotlib.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np

from qmis_utils.store.files import locked, write_atomic

SUFFIXES = (".png", ".svg", ".csv")


def read_manifest(directory):
    """Return the manifest of a figure directory, stem -> entry; empty if there is none."""
    path = Path(directory) / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_manifest(directory, manifest):
    """Write the manifest of a figure directory at once, keys sorted."""
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(Path(directory) / "manifest.json", text)


def adopt_figures(scratch, directory, notebook):
    """Move the figures that a notebook made into a figure directory, and remove those it no longer makes.

    Everything is copied beside its goal before anything is replaced, so that a full disk leaves the old figures intact.

    Returns
    -------
    list of str
        The stems adopted.
    """
    scratch, directory = Path(scratch), Path(directory)
    new = read_manifest(scratch)
    directory.mkdir(parents=True, exist_ok=True)
    incoming = directory / ".incoming"
    with locked(directory):
        shutil.rmtree(incoming, ignore_errors=True)
        for left in directory.glob(".*.part"):  # by a run that was killed while it wrote here
            left.unlink(missing_ok=True)
        try:
            shutil.copytree(scratch, incoming)
            manifest = read_manifest(directory)
            gone = [stem for stem, entry in manifest.items() if entry["notebook"] == notebook and stem not in new]
            for path in sorted(incoming.iterdir()):
                if path.name != "manifest.json":
                    os.replace(path, directory / path.name)
            kept = {stem: entry for stem, entry in manifest.items() if stem not in gone}
            if kept | new != manifest:
                write_manifest(directory, kept | new)
            for stem in gone:
                for suffix in SUFFIXES:
                    (directory / f"{stem}{suffix}").unlink(missing_ok=True)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return sorted(new)


def compare_figures(new, committed, notebooks):
    """Compare the figures of some notebooks with the committed ones, within the committed tolerances.

    Parameters
    ----------
    new, committed : path
        Figure directories.
    notebooks : set of str
        Stems of the notebooks that were run.

    Returns
    -------
    list of str
        Differences in words; empty if all agree.
    """
    import pandas as pd  # only where it is needed: half a second of every command

    old, fresh = (
        {stem: entry for stem, entry in read_manifest(directory).items() if entry["notebook"] in notebooks}
        for directory in (committed, new)
    )
    differences = [f"{stem}: committed, but the run did not make it" for stem in sorted(old.keys() - fresh.keys())]
    differences += [f"{stem}: made by the run, but not committed" for stem in sorted(fresh.keys() - old.keys())]
    for stem in sorted(old.keys() & fresh.keys()):
        paths = [Path(directory) / f"{stem}.csv" for directory in (new, committed)]
        if not paths[1].exists():
            differences.append(f"{stem}.csv: in the manifest, but the file is missing")
        else:
            frames = (pd.read_csv(path) for path in paths)
            differences += [f"{stem}.csv: {text}" for text in _compare_frames(*frames, old[stem])]
    return differences


def _compare_frames(new, old, entry):
    if list(new.columns) != list(old.columns):
        return [f"columns {list(new.columns)}, committed {list(old.columns)}"]
    if len(new) != len(old):
        return [f"{len(new)} rows, committed {len(old)}"]
    differences = []
    for column in old.columns.drop(entry.get("derived", [])):
        rtol, atol = (entry[name].get(column, entry[name]["*"]) for name in ("rtol", "atol"))
        a, b = new[column], old[column]
        if all(x.dtype.kind in "iuf" for x in (a, b)):
            wrong = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
            allowed = f" (allowed {atol:g} + {rtol:g} x |committed|)"
        else:
            wrong = (a.astype(object).fillna("").astype(str) != b.astype(object).fillna("").astype(str)).to_numpy()
            allowed = ""
        rows = np.flatnonzero(wrong)
        differences += [f"{column}, row {row}: {a[row]!s}, committed {b[row]!s}{allowed}" for row in rows[:3]]
        if len(rows) > 3:
            differences.append(f"{column}: {len(rows) - 3} more rows differ")
    return differences
