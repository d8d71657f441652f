"""One style for every figure, and `save_figure`, which writes a figure with its numbers, alt text and provenance.

A figure is four things with one stem: ``02_ranking.png``, ``.svg``, ``.csv`` (the plotted numbers) and an entry in
``manifest.json`` that says which notebook, which code and which parameters made it, and how closely the numbers must
be met again. Two runs on one machine give equal bytes; between machines the CSV is compared within its tolerance.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
from IPython.display import Image, display
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
STYLE = Path(__file__).with_name("qmis.mplstyle")
COLORS = mpl.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"].by_key()["color"]
COLUMN, PAGE = 3.25, 6.75  # widths in inches: one column, and the whole page, of a two-column paper
MAX_BYTES = 150_000  # of a picture; and of whatever is committed, a test sees to that
MAX_TABLE_BYTES = 10_000_000  # a table of the reader's own may list fifty thousand molecules
SUFFIXES = (".png", ".svg", ".csv")
DISPLAY_PIXELS_PER_INCH = 150  # the PNG has 200, so that it stays sharp on a dense screen


def use_style():
    """Load the style of the companion on top of matplotlib's defaults, whatever the reader's matplotlibrc says."""
    plt.style.use(["default", STYLE])


def save_figure(fig, stem, data, alt, rtol=1e-6, atol=0.0):
    """Write a figure as PNG, SVG and CSV with its manifest entry, show it with its alt text, and close it.

    A run by `qmis_utils.run` says where to write; without it, in JupyterLab say, files go to ``build/figures``, so that
    committed figures change only by a recorded run.

    Args:
        fig: the matplotlib figure.
        stem: file name without suffix, the notebook's number first: ``"02_ranking"`` or ``"02b_depth"``.
        data: DataFrame of the plotted numbers, a row per mark; its index is not written.
        alt: what the figure shows, in words, for a reader who does not see it.
        rtol, atol: a new CSV value agrees with the committed one if ``|new - old| <= atol + rtol * |old|``; a number,
            or a dict column -> number with ``"*"`` for the other columns (absent means the default).

    Raises:
        ValueError: for a stem, frame, alt text or tolerance that cannot be used, or a picture above 150 kB.

    Example:
        >>> save_figure(fig, "01_three_laws", data=frame, alt="Three decay laws of insecurity against n.", rtol=1e-4)
    """
    run = json.loads(os.environ.get("QMIS_RUN", "{}"))
    _check_arguments(stem, data, alt, run.get("notebook"))
    tolerances = {"rtol": _tolerance("rtol", rtol, 1e-6, data), "atol": _tolerance("atol", atol, 0.0, data)}
    files = _render(fig, stem, data, alt)
    entry = {
        "notebook": run.get("notebook"),
        "code_sha256": run.get("code_sha256"),
        "parameters": run.get("parameters", {}),
        "threads": run.get("threads"),
        "alt": alt,
        **tolerances,
        "csv_sha256": hashlib.sha256(files[".csv"]).hexdigest(),
    }
    directory = Path(run.get("figures", ROOT / "build" / "figures"))
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        for suffix, content in files.items():
            write_atomic(directory / f"{stem}{suffix}", content)
        write_manifest(directory, read_manifest(directory) | {stem: entry})
    display(_Shown(files[".png"], format="png", alt=alt, width=round(fig.get_figwidth() * DISPLAY_PIXELS_PER_INCH)))
    plt.close(fig)


class _Shown(Image):
    """An image that reads as its alt text where images are not shown."""

    def __repr__(self):
        return self.alt


def _check_arguments(stem, data, alt, notebook):
    if not re.fullmatch(r"\d\d[a-z]?_[a-z0-9]+(_[a-z0-9]+)*", stem):
        raise ValueError(f"stem {stem!r}: use the notebook's number and lower-case words, like '02_ranking'")
    if notebook and notebook.split("_")[0] != stem.split("_")[0]:
        raise ValueError(f"stem {stem!r}: a figure of {notebook} starts with {notebook.split('_')[0]}_")
    if not isinstance(data, pd.DataFrame) or data.empty:
        raise ValueError(f"data of {stem}: give a DataFrame with the plotted numbers, at least one row")
    if not data.columns.is_unique or not all(isinstance(name, str) and name for name in data.columns):
        raise ValueError(f"data of {stem}: column names must be different non-empty strings, got {list(data.columns)}")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt of {stem}: say in words what the figure shows")


def _tolerance(name, given, default, data):
    tolerance = dict(given) if isinstance(given, dict) else {"*": given}
    unknown = sorted(set(tolerance) - {"*", *data.columns})
    if unknown:
        raise ValueError(f"{name}: no column {', '.join(unknown)}; columns are {', '.join(data.columns)} and '*'")
    if not all(np.isfinite(value) and value >= 0 for value in tolerance.values()):
        raise ValueError(f"{name}: a tolerance is a finite number >= 0, got {given}")
    return {column: float(value) for column, value in ({"*": default} | tolerance).items()}


def _render(fig, stem, data, alt):
    """Return suffix -> bytes, with nothing in them that changes between two runs."""
    buffers = {".png": io.BytesIO(), ".svg": io.BytesIO()}
    with plt.style.context(["default", STYLE]):
        fig.savefig(buffers[".png"], format="png", pil_kwargs={"compress_level": 1})  # packed well below
        fig.set_layout_engine("none")  # both files show one layout; and finding it takes longer than drawing
        fig.savefig(
            buffers[".svg"],
            format="svg",
            metadata={"Date": None, "Creator": None, "Title": stem, "Description": alt},
        )
    files = {".png": _with_palette(buffers[".png"]), ".svg": buffers[".svg"].getvalue()}
    files[".csv"] = data.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode()
    for suffix, content in files.items():
        limit = MAX_TABLE_BYTES if suffix == ".csv" else MAX_BYTES
        if len(content) > limit:
            remedy = "list fewer rows" if suffix == ".csv" else "rasterize dense artists, or draw fewer marks"
            size, limit = len(content) / 1000, limit / 1000
            raise ValueError(f"{stem}{suffix} has {size:.0f} kB, the limit is {limit:.0f} kB: {remedy}")
    return files


def _with_palette(png):
    """Return the PNG with 256 colours instead of four channels: a third of the bytes, and no visible difference."""
    small = io.BytesIO()
    palette = PIL.Image.open(png).convert("RGB").quantize(256, dither=PIL.Image.Dither.NONE)
    palette.save(small, format="png")
    return small.getvalue()


def write_atomic(path, content):
    """Write bytes or text so that a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(directory):
    """Hold a directory alone: two runs that write figures take turns, and a killed run leaves no lock behind."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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

    Returns:
        list of the stems adopted.
    """
    scratch, directory = Path(scratch), Path(directory)
    new = read_manifest(scratch)
    directory.mkdir(parents=True, exist_ok=True)
    incoming = directory / ".incoming"
    with locked(directory):
        shutil.rmtree(incoming, ignore_errors=True)
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

    Args:
        new, committed: figure directories.
        notebooks: stems of the notebooks that were run.

    Returns:
        list of differences in words, empty if all agree.
    """
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
    for column in old.columns:
        rtol, atol = (entry[name].get(column, entry[name]["*"]) for name in ("rtol", "atol"))
        a, b = new[column], old[column]
        if all(pd.api.types.is_numeric_dtype(x) and not pd.api.types.is_bool_dtype(x) for x in (a, b)):
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
