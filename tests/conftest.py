"""Shared by the tests: hypothesis without deadlines, a few molecules, tables of them, tiny notebooks for the runner."""

import nbformat
import pytest
from hypothesis import settings

settings.register_profile("qmis", deadline=None)  # the machine may be busy: time is no property of the code
settings.load_profile("qmis")

PARAMETERS = """\
n: int = 3  # points (at least 1)
scale: float = 1.0  # height
label: str | None = None
tables: list[str] = []  # csv: and a path"""

FIGURE = """\
import pandas as pd
from matplotlib import pyplot as plt
from qmis_utils import figures, molecules
from qmis_utils.molecules import embeddings
figures.use_style()
frame = pd.DataFrame({"x": range(n), "y": [scale * x for x in range(n)]})
fig, ax = plt.subplots()
_ = ax.plot(frame.x, frame.y)
figures.save_figure(fig, "90_line", data=frame, alt="A rising line.", rtol=1e-3)"""

BENZENE, DIAZEPAM = "c1ccccc1", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"
GOOD = ["CCO", BENZENE, "CC(=O)O", "CCN", "c1ccncc1", "CCC", "CCCl", "CO"]

OPENING = "# Tiny\n\n**Run time** (2 cores): full 3 min, quick 15 s."


@pytest.fixture(scope="session")
def make_notebook():
    """Return a function that writes a notebook: an opening, the parameters, then the given code cells."""

    def make(directory, *sources, stem="90_tiny", parameters=PARAMETERS, opening=OPENING):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook.cells = [
            nbformat.v4.new_markdown_cell(opening),
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *map(nbformat.v4.new_code_cell, sources),
        ]
        path = directory / f"{stem}.ipynb"
        nbformat.write(notebook, path)
        return path

    return make


@pytest.fixture(scope="module")
def source():
    """A hundred and twenty molecules of the bundled BBB_Martins with their labels."""
    from qmis_utils import molecules

    return molecules.load_task("BBB_Martins").sample(120, random_state=3).reset_index(drop=True)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a frame and gives the name of its task."""

    def write_table(frame, name="own"):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        return f"csv:{tmp_path / name}.csv"

    return write_table


@pytest.fixture
def registry(monkeypatch):
    """A registry of representations that a test may change."""
    from qmis_utils.molecules import embeddings

    monkeypatch.setattr(embeddings, "EMBEDDERS", dict(embeddings.EMBEDDERS))
    return embeddings.EMBEDDERS
