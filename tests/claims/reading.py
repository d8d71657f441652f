"""What a reading notebook says, and the numbers behind it: for the tests that hold its prose to its figures."""

import re

import pandas as pd

from qmis_utils import run
from qmis_utils.runner import notebooks


def text(stem):
    """Return all prose of a notebook on one line, without markup and without the brackets of links and intervals."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{stem}.ipynb").cells
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return " ".join(re.sub(r"\]\([^)]*\)|[*\[\]`]", "", prose).split())


def answer(stem):
    """Return the answer of the first cell on one line."""
    found = re.search(r"Answer\. (.+?)(?= Question\.| In the paper:|$)", text(stem))
    return found[1]


def table(stem):
    """Return the plotted numbers of a committed figure."""
    return pd.read_csv(run.ROOT / "figures" / f"{stem}.csv")
