"""One style for every figure, forest plots, and `save_figure`: a figure with its numbers, alt text and provenance.

A figure is four things with one stem: ``05_ranking.png``, ``.svg``, ``.csv`` (the plotted numbers) and an entry in
``manifest.json`` that says which notebook, which code and which parameters made it, and how closely the numbers must
be met again. Two runs on one machine give equal bytes; between machines the CSV is compared within its tolerance.
"""

import base64
import hashlib
import io
import json
import os
import re
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
from matplotlib import pyplot as plt

from qmis_utils.attacks.judging import VERDICTS
from qmis_utils.runner.figure_files import read_manifest, write_manifest
from qmis_utils.store.extras import extra
from qmis_utils.store.files import locked, write_atomic
from qmis_utils.store.paths import BUILD, DATA

STYLE = Path(__file__).with_name("qmis.mplstyle")
LOOKS = DATA / "looks.csv"
COLORS = mpl.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"].by_key()["color"]
COLUMN, PAGE = 3.25, 6.75  # widths in inches: one column, and the whole page, of a two-column paper
MAX_BYTES = 150_000  # of a picture; and of whatever is committed, a test sees to that
MAX_TABLE_BYTES = 10_000_000  # a table of the reader's own may list fifty thousand molecules
DISPLAY_PIXELS_PER_INCH = 150  # the PNG has 200, so that it stays sharp on a dense screen


def use_style():
    """Load the style of the companion on top of matplotlib's defaults, whatever the reader's matplotlibrc says."""
    plt.style.use(["default", STYLE])


@cache
def _looks():
    return pd.read_csv(LOOKS, index_col="name", keep_default_na=False).to_dict("index")


def look(name, **changes):
    """Return how a quantizer, an attack, a number or a verdict is drawn in every figure, as arguments of ``ax.plot``.

    Parameters
    ----------
    name : str
        As code has it: ``"ternary_90"``, ``"lira"``, ``"rho_pool"``, ``"undecided"``; rows of ``data/looks.csv``.
    **changes
        What this plot draws otherwise, such as ``markersize`` or ``label``.

    Returns
    -------
    dict
        ``color``, ``marker`` and ``label``, the name in a reader's words, with the changes.

    Raises
    ------
    ValueError
        For a name without a row.

    Examples
    --------
    >>> look("ternary_90", label=None)
    {'label': None, 'color': '#009E73', 'marker': '*'}
    """
    if name not in _looks():
        raise ValueError(f"no look for {name!r}: add a row to {LOOKS.name}; there are {', '.join(_looks())}")
    return _looks()[name] | changes


def words(names):
    """Return names of code in a reader's words, a list; a name without a look stays.

    Examples
    --------
    >>> words(["fp32", "ternary_90", "mine"])
    ['full precision', '90 % zeros', 'mine']
    """
    return [_looks().get(name, {"label": name})["label"] for name in names]


def forest(
    ax, rows, value="estimate", *, names=None, color=COLORS[0], marker="o", size=3.5, width=2, shift=0.0, label=None
):
    """Draw a forest plot: a line per row of a frame, the first on top, with an interval and a mark at its value.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Its vertical axis takes the names.
    rows : pandas.DataFrame
        Its index holds the names; the columns ``low``, ``high`` and the one called ``value`` hold the numbers.
    value : str
        The column that the mark shows.
    names : sequence of str, optional
        All names from top to bottom, where the rows hold some of them or are in another order.
    color, marker, size, width
        Of the mark, in points, and of the line through it.
    shift : float
        Down from the place of the name, in rows, so that several calls in one plot do not hide each other.
    label : str, optional
        Of the mark in a legend.
    """
    names = list(rows.index if names is None else names)
    unknown = [name for name in rows.index if name not in names]
    if unknown:
        raise ValueError(f"names must hold every name of the rows; missing: {', '.join(map(str, unknown))}")
    places = np.array([names.index(name) for name in rows.index]) + shift
    ax.hlines(places, rows.low, rows.high, color=color, lw=width, zorder=2)
    ax.plot(rows[value], places, marker=marker, ls="", color=color, ms=size, zorder=3, label=label)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def plane(ax, rows, beside, floor=-np.inf):
    """Draw what leaks across and what is useful upward: a mark a release, in its look, with both intervals.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows : pandas.DataFrame
        Its index holds the names; columns leak, leak_low, leak_high, use, use_low and use_high.
    beside : dict of (float, float, str)
        Names that stand beside their mark: offset in points and the side of the text, "left", "center" or "right".
    floor : float
        Where a use below it is drawn.
    """
    for name, row in rows[::-1].iterrows():
        style = look(name, ls="")
        use, low, high = (max(row[column], floor) for column in ("use", "use_low", "use_high"))
        ax.hlines(use, row.leak_low, row.leak_high, color=style["color"], lw=1)
        ax.vlines(row.leak, low, high, color=style["color"], lw=1)
        ax.plot(row.leak, use, ms=6, **style)
        if name in beside:
            *place, side = beside[name]
            ax.annotate(style["label"], (row.leak, use), place, ha=side, textcoords="offset points", fontsize=7.5)


def forest_of_verdicts(ax, verdicts):
    """Draw rows of `attacks.verdict`, a line per claim in the colour of its verdict, with a tick at the bar.

    Verdicts that occur get a label for `legend_above`.
    """
    claims = verdicts.set_index("claim")
    for word in VERDICTS:
        part = claims[claims.verdict == word]
        if len(part):
            forest(ax, part, names=claims.index, color=look(word)["color"], label=word)
    ax.plot(claims.bar, range(len(claims)), "|", color="k", ms=8, zorder=4)


def legend_above(fig, shown, **look):
    """Put one legend above all axes of a figure, with each label once.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        The figure.
    shown : matplotlib.axes.Axes or list of artists
        The axes whose labelled artists it names, or such artists.
    **look
        Passed on to ``fig.legend``: ``ncols`` and the like.
    """
    handles = shown.get_legend_handles_labels()[0] if isinstance(shown, mpl.axes.Axes) else shown
    once = {handle.get_label(): handle for handle in handles}
    fig.legend(once.values(), once.keys(), loc="outside upper center", **look)


def save_figure(fig, stem, data, alt, rtol=1e-6, atol=0.0, derived=()):
    """Write a figure as PNG, SVG and CSV with its manifest entry, show it with its alt text, and close it.

    A run by `qmis_utils.run` says where to write; without it, in JupyterLab say, files go to ``build/figures``, so that
    committed figures change only by a recorded run.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    stem : str
        File name without suffix, the notebook's number or letter first: ``"05_ranking"`` or ``"B_depth"``.
    data : DataFrame
        The plotted numbers, a row per mark; its index is not written.
    alt : str
        What the figure shows, in words, for a reader who does not see it.
    rtol, atol : float or dict
        A new CSV value agrees with the committed one if ``|new - old| <= atol + rtol * |old|``; a number, or a dict
        column -> number with ``"*"`` for the other columns (absent means the default).
    derived : sequence of str
        Columns of words that follow from the numbers beside them, such as a verdict, and that a check does not compare:
        within the tolerance of a number a word may change at its bar.

    Raises
    ------
    ValueError
        For a stem, frame, alt text, tolerance or derived column that cannot be used, or a picture above 150 kB.

    Examples
    --------
    In a notebook::

        save_figure(fig, "01_three_laws", data=frame, alt="Three decay laws of insecurity against n.", rtol=1e-4)
    """
    with extra("companion"):  # here, so that an audit draws without it
        from IPython.display import display
    run = json.loads(os.environ.get("QMIS_RUN", "{}"))
    _check_arguments(stem, data, alt, run.get("notebook"))
    tolerances = {"rtol": _tolerance("rtol", rtol, 1e-6, data), "atol": _tolerance("atol", atol, 0.0, data)}
    if unknown := sorted(set(derived) - set(data.columns)):
        raise ValueError(f"derived: no column {', '.join(unknown)}; columns are {', '.join(data.columns)}")
    files = _render(fig, stem, data, alt)
    entry = {
        "notebook": run.get("notebook"),
        "code_sha256": run.get("code_sha256"),
        "parameters": run.get("parameters", {}),
        "threads": run.get("threads"),
        "alt": alt,
        **tolerances,
        **({"derived": list(derived)} if derived else {}),
        "csv_sha256": hashlib.sha256(files[".csv"]).hexdigest(),
    }
    directory = Path(run.get("figures", BUILD / "figures"))
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        for suffix, content in files.items():
            write_atomic(directory / f"{stem}{suffix}", content)
        write_manifest(directory, read_manifest(directory) | {stem: entry})
    display(_Shown(files[".png"], alt, width=round(fig.get_figwidth() * DISPLAY_PIXELS_PER_INCH)))
    plt.close(fig)


class _Shown:
    """A PNG that reads as its alt text where images are not shown."""

    def __init__(self, png, alt, width):
        self.png, self.alt, self.width = png, alt, width

    def __repr__(self):
        return self.alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        """Return what a notebook shows, and its width and alt text."""
        shown = base64.b64encode(self.png).decode()
        return {"image/png": shown}, {"image/png": {"width": self.width, "alt": self.alt}}


def _check_arguments(stem, data, alt, notebook):
    if not re.fullmatch(r"(\d\d|[A-Z])_[a-z0-9]+(_[a-z0-9]+)*", stem):
        raise ValueError(f"stem {stem!r}: use the notebook's number and lower-case words, like '05_ranking'")
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
