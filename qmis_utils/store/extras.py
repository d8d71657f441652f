"""Packages that only a part of QMIS needs: one that is missing is answered by the name of the extra to install."""

from contextlib import contextmanager


@contextmanager
def extra(name):
    """Import, in a ``with`` block, what an extra of this package installs.

    Parameters
    ----------
    name : str
        ``"molecules"`` or ``"companion"``.

    Raises
    ------
    ImportError
        A package is missing; the message says how to install the extra.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ImportError(f"{missing.name} is not installed: pip install 'qmis-utils[{name}]'") from missing
