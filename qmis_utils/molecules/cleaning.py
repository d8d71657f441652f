"""From a raw table to canonical SMILES and labels, one row a distinct molecule, every cleaning step reported."""

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize


def clean(table: pd.DataFrame, smiles_column: str, label_column: str, kind: str | None = None) -> pd.DataFrame:
    """Turn a raw table into canonical SMILES and labels, one row a distinct molecule.

    Rows without a label or with a SMILES that RDKit cannot parse are dropped. Salts and solvents are stripped: the
    largest organic fragment stays, charges are kept. Rows that share a canonical SMILES are one molecule, which would
    otherwise be a member and a non-member at once: in classification it stays unless its labels disagree, in regression
    its labels are averaged.

    Parameters
    ----------
    table : DataFrame
        The raw table, one record a row.
    smiles_column : str
        Column of the SMILES.
    label_column : str
        Column of the label.
    kind : str, optional
        As in `load_task`.

    Returns
    -------
    DataFrame
        The frame that `load_task` describes. `attrs["report"]` counts rows read, dropped and left; it lists the dropped
        rows as a spreadsheet numbers them (the header is row 1).

    Raises
    ------
    ValueError
        A column is missing, no row is usable, or the labels define no task.
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
    if kind == "binary":
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
    if kind not in (None, "binary", "regression"):
        raise ValueError(f"unknown kind {kind!r}; valid: binary, regression, or None to infer it")
    distinct = _require_two(labels, column)
    kind = kind or ("binary" if len(distinct) == 2 else "regression")
    if kind == "binary":
        if len(distinct) > 2:
            raise ValueError(f"column {column!r} holds {len(distinct)} distinct labels; a binary task needs two")
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
    if kind == "binary":
        frame = frame[~conflict]
    if frame.empty:
        raise ValueError(f"no usable row: {report}")
    y = frame["mean"].astype(int if kind == "binary" else float)
    return pd.DataFrame({"smiles": frame["smiles"], "y": y, "row": frame["row"]}).reset_index(drop=True)
