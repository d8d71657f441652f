"""Where things are: the one module that knows."""

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of `qmis_utils`."""

ROOT = PACKAGE.parent if (PACKAGE.parent / "notebooks" / "py").is_dir() else None
"""The checkout that this package lies in; None where the package alone is installed."""

DATA = PACKAGE / "data"
"""What the package reads of its own: the registry of tables, and the list of wheels that carry data."""

_CACHE = platformdirs.user_cache_path("qmis", appauthor=False)

BUILD = ROOT / "build" if ROOT else Path("build")
"""What runs write: the checkout's `build`, or else `build` in the current directory."""

SWEEPS = ROOT / "build" / "cache" if ROOT else _CACHE / "sweeps"
"""Results of sweeps: in the checkout, or else in the user's cache folder."""

DOWNLOADS = ROOT / "data" / "cache" if ROOT else _CACHE / "data"
"""Downloads and embeddings: in the checkout, or else in the user's cache folder."""


def given_path(path: str | os.PathLike) -> Path:
    """Return a path that a reader gave, `~` expanded where no shell has done it; an unknown user's `~name` stays."""
    return Path(os.path.expanduser(path))


def checkout(what: str) -> Path:
    """Return the checkout that something belongs to.

    Parameters
    ----------
    what : str
        What needs it, as the beginning of a sentence: ``"the notebooks"``.

    Raises
    ------
    ValueError
        The package is installed without a checkout.
    """
    if ROOT is None:
        raise ValueError(f"{what} belong to a checkout of the QMIS repository: clone it, and install with `make env`")
    return ROOT
