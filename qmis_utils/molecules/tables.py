"""One reader for every table, whatever its encoding, separator or container: each cell as the text that it holds."""

import bz2
import csv
import gzip
import io
import itertools
import lzma
import math
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16",
         b"\xfe\xff": "utf-16"}  # byte-order mark -> encoding, the longer first  # fmt: skip
PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\0": lzma.decompress}  # by their first bytes
WEB_PAGE, JSON = (
    "a web page or XML, not a table: does its address ask for a login?",
    "JSON, not a table: export it as CSV",
)
REFUSED = {  # how a file begins -> what it is, and what to do
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as .xlsx or as CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd: unpack it first",
    b"%pdf": "a PDF file: export its table as CSV",
    b"<!doctype": WEB_PAGE,
    b"<html": WEB_PAGE,
    b"<?xml": WEB_PAGE,
    b'{"': JSON,
    b"{\n": JSON,
    b"[{": JSON,
}


def read_table(source: Path | bytes, columns: Collection[str] | None = None) -> pd.DataFrame:
    r"""Read a table: text with any usual separator, an Excel workbook or Parquet, alone or packed, told by its content.

    Parameters
    ----------
    source : Path or bytes
        The file, or what it holds.
    columns : collection of str, optional
        The columns to keep; those that are not there are not asked for here.

    Returns
    -------
    DataFrame
        Every cell as text without blanks around it, an empty one as NaN: words such as None and NA are words. The
        index, called "row", numbers rows as a spreadsheet does: blank lines have a number, and are rows of NaN.
        ``attrs`` hold ``columns``, the names of all columns, ``read_as``, what the file was taken for, and
        ``blank_rows``, the numbers of rows in which nothing stands.

    Raises
    ------
    ValueError
        For what is no table, a row longer than its header, two headers alike, a workbook with several filled sheets.

    Examples
    --------
    >>> read_table(b"SMILES;pIC50\nCCO;5,5\n\nCCN;NA\n").rename_axis(None)
      SMILES pIC50
    2    CCO   5,5
    3    NaN   NaN
    4    CCN    NA
    """
    try:
        content = source if isinstance(source, bytes) else Path(source).expanduser().read_bytes()
    except FileNotFoundError:
        raise ValueError(f"no such table: {source}") from None
    except OSError as error:
        raise ValueError(f"cannot read {source}: {error.strerror}") from None
    read_as, lines = _lines(content)
    rows = enumerate(([_text(cell) for cell in line] for line in lines), start=1)
    top, header = next(((number, cells) for number, cells in rows if any(cells)), (0, []))
    if not header:
        raise ValueError("the table is empty")
    places: dict[str, int] = {}
    for at, name in enumerate(header):
        if name and places.setdefault(name, at) != at:
            raise ValueError(f"columns {places[name] + 1} and {at + 1} are both called {name!r}: rename one")
    kept = {name: at for name, at in places.items() if columns is None or name in columns}
    found = {number: cells for number, cells in _checked(rows, len(header), kept)}
    if not found:
        raise ValueError("the table has a header and no rows")
    frame = pd.DataFrame.from_dict(found, "index", columns=list(kept), dtype="str")
    frame = frame.where(frame != "").reindex(pd.RangeIndex(top + 1, max(found) + 1, name="row"))
    blank = [number for number in frame.index if number not in found]
    frame.attrs |= {"columns": list(places), "read_as": read_as, "blank_rows": blank}
    return frame


def _checked(rows: Iterator[tuple[int, list[str]]], width: int, kept: dict[str, int]):
    """Yield number and wanted cells of each row that is not blank; ValueError where one is longer than the header."""
    for number, cells in rows:
        if extra := [cell for cell in cells[width:] if cell]:
            raise ValueError(
                f"row {number} has {len(cells)} cells and the header {width}; the first too many is {extra[0]!r}: put "
                "texts that hold the separator in quotation marks, or name the column"
            )
        if any(cells):
            yield number, [cells[at] if at < len(cells) else "" for at in kept.values()]


def texts(values: pd.Series) -> pd.Series:
    """Return the cells of a column as text, as `read_table` does: NaN where a cell is empty, missing or infinite."""
    words = values.map(_text).astype("str")
    return words.where(words != "")


def _text(value) -> str:
    """Return a cell as a spreadsheet shows it: 1 and 1.0 are one number."""
    if isinstance(value, str | bool | np.bool_):
        return str(value).strip()
    value = float(value) if isinstance(value, np.floating) else value
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _lines(content: bytes) -> tuple[str, Iterator]:
    """Return what a file is, in words, and its lines, each a list of cells."""
    for start, unpack in PACKED.items():
        if content.startswith(start):
            try:
                return _lines(unpack(content))
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise ValueError(f"the packed file is damaged: {error}") from None
    if content.startswith(b"PK\x03\x04"):
        return _unzipped(content)
    if content.startswith(b"PAR1"):
        return "Parquet", _parquet(content)
    for start, words in REFUSED.items():
        if content[:99].lstrip().lower().startswith(start):
            raise ValueError(f"this is {words}")
    text, encoding = _decoded(content)
    if "\n$$$$" in text and "\nM  END" in text:
        raise ValueError("this is an SD file: write a table with a column of SMILES")
    return _separated(text, encoding)


def _unzipped(content: bytes) -> tuple[str, Iterator]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name[-1] != "/" and not name.startswith("__MACOSX/")]
            if "xl/workbook.xml" in names:
                return _workbook(content)
            if "mimetype" in names:
                raise ValueError("this is an OpenDocument file: save it as .xlsx or as CSV")
            if len(names) != 1:
                shown = ", ".join(names[:5])
                raise ValueError(f"the archive holds {len(names)} files ({shown}): unpack it and name one")
            return _lines(archive.read(names[0]))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:  # damaged, or a password
        raise ValueError(f"the archive cannot be unpacked: {error}") from None


def _workbook(content: bytes) -> tuple[str, Iterator]:
    from openpyxl import load_workbook  # only a workbook needs it

    try:
        sheets = load_workbook(io.BytesIO(content), read_only=True, data_only=True).worksheets
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"the workbook cannot be read: {error}") from None
    filled = {}
    for sheet in sheets:
        sheet.reset_dimensions()  # some programs write wrong ones, and rows would be lost
        rows = [
            [str(v).upper() if isinstance(v, bool) else v for v in row] for row in sheet.iter_rows(values_only=True)
        ]
        if any(cell is not None for row in rows for cell in row):
            filled[sheet.title] = rows
    if len(filled) > 1:
        raise ValueError(f"the workbook has {len(filled)} filled sheets ({', '.join(filled)}): save one as CSV")
    return "an Excel workbook", iter(next(iter(filled.values()), []))


def _parquet(content: bytes) -> Iterator:
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise ValueError(f"the Parquet file cannot be read: {error}") from None
    if frame.index.names != [None]:
        frame = frame.reset_index()
    return itertools.chain([list(map(str, frame.columns))], frame.astype(object).itertuples(index=False, name=None))


def _decoded(content: bytes) -> tuple[str, str]:
    """Return a file as text, and its encoding: what a byte-order mark says, or UTF-8, or else Windows-1252."""
    marked = next((encoding for mark, encoding in MARKS.items() if content.startswith(mark)), None)
    zeros = [content[side:4000:2].count(0) / max(len(content[side:4000:2]), 1) for side in (0, 1)]
    if marked is None and max(zeros) > 0.5 and min(zeros) < 0.1:  # UTF-16 without a mark, of western letters
        marked = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    for encoding in [marked] if marked else ["utf-8", "cp1252"]:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, "Windows-1252" if encoding == "cp1252" else encoding.upper().removesuffix("-SIG")
    raise ValueError("cannot read it as a table: its bytes are no text. Save it as CSV in UTF-8, .xlsx or Parquet")


def _separated(text: str, encoding: str) -> tuple[str, Iterator]:
    """Return how a text is separated, which its header line decides, and its lines."""
    if given := re.match(r"sep=(.)\r?\n", text):  # a line for spreadsheets, which hide it
        text = text[given.end() :]
    head = re.sub(r'"[^"]*"', "", next((line for line in text.splitlines() if line.strip()), ""))
    separator = given[1] if given else max(SEPARATORS, key=head.count)
    csv.field_size_limit(2**30)  # a quotation mark that is never closed is told as such
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    words = f"{encoding} text" + (f", {SEPARATORS.get(separator, separator)}-separated" if separator in head else "")
    return words, _records(reader)


def _records(reader) -> Iterator:
    for number in itertools.count(1):
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"row {number}: a quotation mark is not closed, or text follows one ({error}); a mark that belongs to "
                "a text is written twice, and the text in quotation marks"
            ) from None
