"""From a raw table to canonical SMILES and labels, one row a distinct molecule, every cleaning step reported."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from qmis_utils.molecules.parents import Parent, parent
from qmis_utils.molecules.tables import texts

KINDS = ("binary", "regression")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
MISTAKEN = {  # what stands in a column of SMILES by mistake
    "an InChI": re.compile(r"InChI=.*"),
    "an InChIKey": re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]"),
    "a CAS number": re.compile(r"\d{2,7}-\d\d-\d"),
    "a ChEMBL identifier": re.compile(r"CHEMBL\d+"),
}


def clean(table: pd.DataFrame, smiles_column: str, label_column: str, kind: str | None = None, decimal: str = ".",
          split_column: str | None = None) -> pd.DataFrame:  # fmt: skip
    """Turn a raw table into canonical SMILES and labels, one row a distinct molecule.

    Rows with an empty cell or with a SMILES that RDKit cannot parse are dropped. Of the others the parent structure
    stays (see `parents.parent`): counter-ions and solvents are stripped, charges neutralised, complexes and inorganic
    salts kept whole. Rows that share a canonical SMILES are one molecule, which would otherwise be a member and a
    non-member at once: in classification it stays unless its labels disagree, in regression its labels are averaged.

    Parameters
    ----------
    table : DataFrame
        The raw table, one record a row; that of `read_table` keeps its row numbers.
    smiles_column, label_column : str
        Columns of the SMILES and of the label. Empty cells alone are missing: words such as None and NA are labels.
    kind : {"binary", "regression"}, optional
        None: two distinct labels, numbers or words, mean "binary".
    decimal : {".", ","}
        How the table writes decimals.
    split_column : str, optional
        A column that says how to split the molecules: the frame holds its text as `split`, that of a molecule's first
        row.

    Returns
    -------
    DataFrame
        The frame that `load_task` describes. `attrs["report"]` counts what was read, changed, dropped and left; its
        lists name rows as a spreadsheet numbers them (the header is row 1).

    Raises
    ------
    ValueError
        A column is missing, no row is usable, or the labels define no task.
    """
    columns = {"smiles_column": smiles_column, "label_column": label_column, "split": split_column}
    _check_columns(table, {role: name for role, name in columns.items() if name is not None})
    if kind not in (None, *KINDS):
        raise ValueError(f"unknown kind {kind!r}; valid: binary, regression, or None to infer it")
    if decimal not in (".", ","):
        raise ValueError(f"decimal must be '.' or ','; got {decimal!r}")
    rows = pd.DataFrame({"raw": texts(table[smiles_column]).to_numpy(), "label": texts(table[label_column]).to_numpy()})
    rows["row"] = table.index if table.index.name == "row" else np.arange(2, len(table) + 2)
    rows["split"] = texts(table[split_column]).to_numpy() if split_column else ""
    blank = rows["row"].isin(table.attrs.get("blank_rows", []))
    report: dict = {"rows_read": int((~blank).sum()), "blank_rows": _numbers_of(rows[blank])}
    rows = _drop(rows[~blank], "label", "missing_label_rows", report)
    rows = _drop(rows, "raw", "missing_smiles_rows", report)
    rows = rows.assign(parent=[parent(text) for text in rows.raw])
    unparsable = rows[rows.parent.isna()]
    rows = _drop(rows, "parent", "unparsable_rows", report)
    if rows.empty:
        raise ValueError(_nothing_left(report, unparsable, smiles_column, label_column))
    _report_parents(rows, report)
    rows = rows.assign(smiles=[found.smiles for found in rows.parent])
    kind, rows["y"], classes = _labels(rows, label_column, kind, decimal)
    frame = _merge_duplicates(rows, kind, report)
    if kind == "binary" and frame["y"].nunique() < 2:
        raise ValueError(_single(label_column, classes[frame["y"].iloc[0]]))
    report["rows_left"] = len(frame)
    frame = frame if split_column else frame.drop(columns="split")
    frame.attrs |= {"kind": kind, "report": report, "classes": classes}
    return frame


def _check_columns(table, roles):
    """Raise ValueError unless all columns are there, and SMILES and labels are two."""
    known = table.attrs.get("columns", list(table.columns))
    for role, column in roles.items():
        if column not in table.columns:
            alike = [name for name in known if _seen(str(name)) == _seen(str(column))]
            hint = f"; did you mean {alike[0]!r}?" if alike else ""
            raise ValueError(f"{role} {column!r} is not in the table; its columns: {', '.join(map(str, known))}{hint}")
    if roles["smiles_column"] == roles["label_column"]:
        raise ValueError(f"smiles_column and label_column are both {roles['label_column']!r}: name two columns")


def _numbers_of(rows):
    return [int(row) for row in rows["row"]]


def _drop(rows, column, entry, report):
    """Leave out the rows without a value in a column, and name them in the report."""
    missing = rows[column].isna()
    report[entry] = _numbers_of(rows[missing])
    return rows[~missing]


def some(rows: Sequence[int], most: int = 5) -> str:
    """Return row numbers as text, the first few of them."""
    shown = ", ".join(map(str, rows[:most]))
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}" + (f" and {len(rows) - most:,} more" * (len(rows) > most))


def _nothing_left(report, unparsable, smiles_column, label_column):
    """Return why no row is left, with one value and a few rows."""
    if len(unparsable):
        raw, row = unparsable.raw.iloc[0], unparsable["row"].iloc[0]
        what = next((f" ({words})" for words, form in MISTAKEN.items() if form.fullmatch(raw)), "")
        shown = raw if len(raw) <= 60 else raw[:57] + "..."
        holds = f"column {smiles_column!r} holds no SMILES that RDKit reads"
        return f"no usable row: {holds}, such as {shown!r}{what} in row {row}"
    column, rows = max(
        (label_column, report["missing_label_rows"]), (smiles_column, report["missing_smiles_rows"]),
        key=lambda pair: len(pair[1]),
    )  # fmt: skip
    return f"no usable row: column {column!r} is empty in {some(rows)}" if rows else "no usable row: all are blank"


def _report_parents(rows, report):
    """Say in the report what became of salts, charges, complexes and mixtures."""
    found: list[Parent] = list(rows.parent)
    report["salts_stripped"] = sum(one.stripped for one in found)
    report["charges_neutralised"] = sum(one.neutralised for one in found)
    for entry, chosen in {
        "complex_rows": [one.kept == "complex" for one in found],
        "inorganic_rows": [one.kept == "inorganic" for one in found],
        "several_organic_rows": [one.several for one in found],
    }.items():
        report[entry] = _numbers_of(rows[chosen])


def _labels(rows, column: str, kind: str | None, decimal: str) -> tuple[str, np.ndarray, list]:
    """Return the kind of task, the labels as numbers, and the two classes (empty for regression)."""
    words = rows["label"].str.replace("\u2212", "-")  # a typographic minus
    point = words if decimal == "." else words.str.replace(".", "?").str.replace(",", ".")
    numeric = point.map(lambda text: NUMBER.fullmatch(text) is not None)
    values = point.where(numeric).astype(float)
    distinct: list = sorted(values.unique().tolist()) if numeric.all() else sorted(words.unique().tolist())
    distinct = [int(v) if isinstance(v, float) and v.is_integer() else v for v in distinct]
    if not numeric.all():
        _require_distinct_words(words, column)
    if len(distinct) < 2:
        raise ValueError(_single(column, distinct[0]))
    if kind is None and distinct == [-1, 0, 1]:
        raise ValueError(
            f"column {column!r} holds -1, 0 and 1: leave the cells empty if -1 stands for a missing label, or say "
            "kind='regression' (task_kind in notebooks)"
        )
    kind = kind or ("binary" if len(distinct) == 2 else "regression")
    if kind == "binary":
        if len(distinct) > 2:
            raise ValueError(f"column {column!r} holds {len(distinct)} distinct labels; a binary task needs two")
        labels = values if numeric.all() else words
        return kind, (labels == distinct[1]).to_numpy(int), distinct
    if not numeric.all():
        raise ValueError(_not_numbers(rows, words, numeric, column, len(distinct), decimal))
    return kind, values.to_numpy(float), []


def _require_distinct_words(words, column):
    """Raise ValueError where two labels differ only by case or blanks: both are shown."""
    seen: dict[str, str] = {}
    for word in words.unique():
        first = seen.setdefault(_seen(word), word)
        if first != word:
            raise ValueError(
                f"column {column!r} holds labels that differ only by case or blanks: {first!r} and {word!r}"
            )


def _seen(text: str) -> str:
    """Return what of a text a reader tells apart: no case, no blanks, nothing invisible."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in plain if not letter.isspace() and unicodedata.category(letter) != "Cf")


def _not_numbers(rows, words, numeric, column, n_distinct, decimal):
    wrong = words[~numeric]
    rarest = wrong.map(wrong.value_counts()).idxmin()  # among two classes the stray word, not the first class
    other = {".": ",", ",": "."}[decimal]
    if wrong.str.replace(other, ".").map(lambda text: NUMBER.fullmatch(text) is not None).all():
        advice = f"say decimal={other!r} if that is how the table writes decimals"
    else:
        advice = f"leave cells without a class or number empty, and write decimals with {decimal!r}"
    return (
        f"column {column!r} holds {n_distinct} distinct labels that are not all numbers, such as {wrong[rarest]!r} in "
        f"row {rows['row'][rarest]}: {advice}"
    )


def _single(column, label):
    return f"column {column!r} holds a single label, {label!r}: nothing can be learnt from it"


def _merge_duplicates(rows, kind, report):
    """Keep one row a canonical SMILES, and count in `report` what went."""
    groups = rows.groupby("smiles", sort=False)
    frame = groups["y"].agg(["mean", "nunique"]).join(groups[["row", "split"]].first()).reset_index()
    conflict = frame["nunique"] > 1
    report["duplicate_rows"] = len(rows) - len(frame)
    report["molecules_with_conflicting_labels"] = int(conflict.sum())
    if rows["split"].any():
        report["molecules_on_both_sides"] = int((groups["split"].nunique() > 1).sum())
    if kind == "binary":
        frame = frame[~conflict]
    if frame.empty:
        raise ValueError(f"no usable row: the labels of all {len(conflict)} molecules disagree between their rows")
    y = frame["mean"].astype(int if kind == "binary" else float)
    return frame.assign(y=y)[["smiles", "y", "row", "split"]].reset_index(drop=True)
