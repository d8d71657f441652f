"""Tests of the one reader of tables: encodings, separators, containers, row numbers, types, and what is refused."""

import bz2
import gzip
import io
import lzma
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from qmis_utils import molecules
from qmis_utils.molecules.tables import read_table

TEXT = 'id,smiles,IC50 (µM)\n1,CCO,0.5\n2,CCN,1\n\n3,"C,C",NA\n'
CELLS = {2: ["1", "CCO", "0.5"], 3: ["2", "CCN", "1"], 4: [np.nan] * 3, 5: ["3", "C,C", "NA"]}
TABLE = pd.DataFrame.from_dict(CELLS, "index", columns=["id", "smiles", "IC50 (µM)"], dtype="str").rename_axis("row")


def same(frame, expected=TABLE):
    pd.testing.assert_frame_equal(frame, expected, check_index_type=False)


def workbook(*sheets):
    """Return the bytes of a workbook: each sheet a list of rows."""
    book, content = Workbook(), io.BytesIO()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
    book.save(content)
    return content.getvalue()


def zipped(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    return content.getvalue()


@pytest.mark.parametrize(
    ("encoding", "mark", "read_as"),
    [
        ("utf-8", b"", "UTF-8"), ("utf-8", b"\xef\xbb\xbf", "UTF-8"), ("utf-16-le", b"\xff\xfe", "UTF-16"),
        ("utf-16-be", b"\xfe\xff", "UTF-16"), ("utf-16-le", b"", "UTF-16-LE"), ("utf-16-be", b"", "UTF-16-BE"),
        ("utf-32-le", b"\xff\xfe\0\0", "UTF-32"), ("cp1252", b"", "Windows-1252"),
    ],
)  # fmt: skip
def test_every_encoding_gives_the_same_table_and_is_named(encoding, mark, read_as):
    frame = read_table(mark + TEXT.encode(encoding))
    same(frame)
    assert frame.attrs["read_as"] == f"{read_as} text, comma-separated"
    assert (frame.attrs["columns"], frame.attrs["blank_rows"]) == (list(TABLE.columns), [4])


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar"), (",", "comma")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_line_decides_the_separator(separator, word, end):
    """Commas in texts below, and even in a quoted header, decide nothing."""
    lines = ['smiles,"note, with a comma",y', 'CCO,"1,2-thing, or 3,4",1', "CCN,plain,0"]
    text = end.join(line.replace(",", separator).replace(f"{separator} ", ", ") for line in lines) + end
    frame = read_table(text.encode())
    assert frame.attrs["read_as"] == f"UTF-8 text, {word}-separated"
    assert list(frame.columns) == ["smiles", "note, with a comma", "y"]
    assert frame["y"].tolist() == ["1", "0"]


def test_commas_below_the_header_decide_nothing():
    assert read_table(b"a;b\n2,2,2-trimethyl;1,5\n3,4-dichloro;2,5\n")["b"].tolist() == ["1,5", "2,5"]


def test_a_line_for_spreadsheets_names_the_separator():
    same(read_table(b"sep=;\r\na;b\r\n1,5;2\r\n"), read_table(b"a;b\n1,5;2\n"))
    assert read_table(b"sep=#\na#b\n1;2#3\n")["a"].tolist() == ["1;2"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda text: zipped({"table.csv": text})])
def test_packed_tables_are_told_by_their_content(pack, tmp_path):
    same(read_table(pack(TEXT.encode())))
    (tmp_path / "wrong.zip").write_bytes(TEXT.encode())  # a name says nothing
    same(read_table(tmp_path / "wrong.zip"))


def test_a_zip_of_a_mac_holds_one_table():
    same(read_table(zipped({"t.csv": TEXT, "__MACOSX/t.csv": b"\0"})))


def test_workbooks_hold_what_a_spreadsheet_shows():
    rows = [["id", "smiles", "IC50 (µM)"], [1, "CCO", 0.5], [2.0, " CCN ", 1], [], [3, "C,C", "NA"], [None, None, None]]
    frame = read_table(workbook(rows, []))
    same(frame)
    assert frame.attrs["read_as"] == "an Excel workbook"
    assert read_table(workbook([["a"], [True]]))["a"].tolist() == ["TRUE"]


def test_parquet_holds_numbers_as_text(tmp_path):
    frame = pd.DataFrame({"id": [1, 2], "y": np.float32([0.5, np.nan]), "word": ["NA", None]}, index=[7, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert found[["id", "y"]].fillna("-").to_numpy().tolist() == [["1", "0.5"], ["2", "-"]]
    assert found["word"].fillna("-").tolist() == ["NA", "-"]
    frame.rename_axis("smiles").to_parquet(tmp_path / "t.parquet")  # an index with a name is a column
    assert "smiles" in read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b\n\n,\n", "has a header and no rows"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both called 'a': rename one"),
        (b"a,b\n1,2\n1,2,,x\n", "row 3 has 4 cells and the header 2; the first too many is 'x'"),
        (b'a,b\n1,2\n"1,2\n3,4\n', "row 3: a quotation mark is not closed"),
        (b'a,b\n"A"-isomer,2\n', "row 2: a quotation mark is not closed, or text follows one"),
        (b"\xff\xfe\x00\x81\xff\xfe\x00", "its bytes are no text"),
        (b"a,b\n\x81\x8d,2\n", "its bytes are no text"),
        (b"<!DOCTYPE html><title>Log in</title>", "a web page or XML"),
        (b'{"a": [1]}', "JSON"),
        (b"%PDF-1.7", "a PDF file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"mol\n  x\n\n  1  0\nM  END\n$$$$\n", "an SD file"),
        (b"PK\x03\x04 and no more", "archive cannot be unpacked"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-20], "packed file is damaged"),
        (b"PAR1 and no more", "Parquet file cannot be read"),
        (zipped({"a.csv": "x", "b.csv": "y"}), r"holds 2 files \(a.csv, b.csv\)"),
        (zipped({"mimetype": "x", "content.xml": "y"}), "OpenDocument"),
        (zipped({"xl/workbook.xml": "<x/>"}), "workbook cannot be read"),
        (workbook([]), "is empty"),
        (workbook([["a"], [1]], [["b"], [2]]), r"2 filled sheets \(sheet 0, sheet 1\)"),
    ],
)
def test_what_is_no_table_is_one_clear_error(content, message):
    with pytest.raises(ValueError, match=message):
        read_table(content)


def test_missing_folders_and_names(tmp_path):
    with pytest.raises(ValueError, match="no such table"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"cannot read .*Is a directory"):
        read_table(tmp_path)


def test_a_comma_at_the_end_of_each_row_shifts_nothing():
    frame = read_table(b"smiles,parent,active,year\nCCO.Cl,CCO,0,2020,\nCCN.Cl,CCN,1,2021,\n")
    assert frame["active"].tolist() == ["0", "1"]
    assert frame["smiles"].tolist() == ["CCO.Cl", "CCN.Cl"]


def test_short_rows_are_padded_and_columns_without_a_name_left_out():
    frame = read_table(b"a,,b\n1,x,2\n3\n")
    assert list(frame.columns) == ["a", "b"]
    assert frame["b"].isna().tolist() == [False, True]


def test_lines_within_a_cell_are_one_row():
    assert read_table(b'a,b\n"1\n2",3\n4,5\n').index.tolist() == [2, 3]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=8)


@given(rows=st.lists(st.tuples(CELL, CELL, st.sampled_from(["0", "1", "NA", "nan", "None", "", "1e5"]))),
       separator=st.sampled_from(",;\t|"))  # fmt: skip
def test_whatever_a_spreadsheet_writes_comes_back_with_its_row(rows, separator):
    frame = pd.DataFrame(rows, columns=["text", "other", "label"], dtype="str")
    text = frame.to_csv(index=False, sep=separator)
    if not any(cell.strip() for row in rows for cell in row):
        return
    found = read_table(text.encode())
    for number, row in enumerate(rows, start=2):
        if number in found.index:
            assert found.loc[number].fillna("").tolist() == [cell.strip() for cell in row]
        else:
            assert not any(cell.strip() for cell in row)


# Into molecules ---------------------------------------------------------------------------------------------------


def load(tmp_path, content, *arguments, name="t.csv", **options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return molecules.load_task(f"csv:{tmp_path / name}", *arguments, **options)


def test_rows_after_blank_lines_keep_their_numbers(tmp_path):
    frame = load(tmp_path, "smiles,y\n\nCCO,1\n,\nC(,1\nCCN,0\nCCC,1\n\n")
    assert dict(zip(frame["smiles"], frame["row"], strict=True)) == {"CCO": 3, "CCN": 6, "CCC": 7}
    report = frame.attrs["report"]
    assert (report["rows_read"], report["blank_rows"], report["unparsable_rows"]) == (4, [2, 4], [5])


def test_one_type_for_a_column_however_long(tmp_path):
    """A reader that guesses by chunks takes 0 and 1 for four labels, once one text stands far below."""
    lines = [f"CCO,{k % 2}{',0' * 43}" for k in range(30_000)]
    header = ",".join(["smiles", "active", *(f"c{k}" for k in range(43))])
    found = read_table("\n".join([header, *lines, ",n=30000" + ",0" * 43]).encode(), ["active"])["active"]
    assert found.value_counts().to_dict() == {"0": 15_000, "1": 15_000, "n=30000": 1}
    frame = load(tmp_path, "smiles,y\nCCO,0\nCCN,1\nCCC,0.0\n,n=3\n")  # the text stands in a row without a molecule
    assert (frame.attrs["kind"], frame.attrs["classes"], len(frame)) == ("binary", [0, 1], 3)
    assert frame.attrs["report"]["missing_smiles_rows"] == [5]


def test_numbers_that_are_written_otherwise_are_one_class(tmp_path):
    frame = load(tmp_path, "smiles,y\nCCO,1\nCCN,0\nCCC,1.0\nCCF, 0.00\nCCCl,1e0\n")
    assert (frame.attrs["classes"], frame["y"].tolist()) == ([0, 1], [1, 0, 1, 0, 1])


@pytest.mark.parametrize("missing", ["NA", "None", "nan", "NULL", "-"])
def test_words_for_missing_labels_are_labels(missing, tmp_path):
    text = f"smiles,y\nCCO,1\nCCN,0\nCCC,{missing}\nCCF,\n"
    with pytest.raises(ValueError, match=f"3 distinct labels that are not all numbers, such as '{missing}' in row 4"):
        load(tmp_path, text)
    frame = load(tmp_path, text.replace(",1\n", f",{missing}\n").replace("CCN,0", "CCN,yes"))
    assert set(frame.attrs["classes"]) == {missing, "yes"}
    assert frame.attrs["report"]["missing_label_rows"] == [5]


def test_infinity_as_a_word_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="not all numbers, such as 'inf' in row 3"):
        load(tmp_path, "smiles,y\nCCO,1.5\nCCN,inf\nCCC,2.5\n")


@pytest.mark.parametrize(
    ("first", "second"), [("Active", "active"), ("not active", "notactive"), ("A b", "a  B"), ("yes", "yes\u200b")]
)
def test_labels_that_differ_by_case_or_blanks_are_refused_with_both(first, second, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"only by case or blanks: {first!r} and {second!r}")):
        load(tmp_path, f"smiles,y\nCCO,{first}\nCCN,{second}\nCCC,no\n")


def test_blanks_around_labels_are_no_part_of_them(tmp_path):
    frame = load(tmp_path, "smiles;y\nCCO; yes\nCCN;no \nCCC;\u00a0yes\n")
    assert frame.attrs["classes"] == ["no", "yes"]


def test_decimal_commas_are_offered_and_read(tmp_path):
    text = "Smiles;pIC50\nCCO;5,5\nCCN;6\nCCC;-7,25\n"
    with pytest.raises(ValueError, match=r"'5,5' in row 2: say decimal=',' if that is how"):
        load(tmp_path, text, "Smiles", "pIC50")
    frame = load(tmp_path, text, "Smiles", "pIC50", decimal=",")
    assert frame["y"].tolist() == [5.5, 6.0, -7.25]
    with pytest.raises(ValueError, match=r"'1.500' in row 2: say decimal='\.'"):  # 1500, or 1.5?
        load(tmp_path, "s;y\nCCO;1.500\nCCN;2\nCCC;3\n", "s", "y", decimal=",")
    with pytest.raises(ValueError, match="decimal must be"):
        load(tmp_path, text, "Smiles", "pIC50", decimal=";")


def test_marks_within_texts_are_read_or_named(tmp_path):
    """Number signs, backslashes of a double bond, a name behind a molecule: all text; a backslash escapes nothing."""
    frame = load(tmp_path, 'smiles,y,note\n"C/C=C\\C |c:1|",1,#1\nCCN,0,"a ""b"", c"\n')
    assert (frame["smiles"].tolist(), frame["y"].tolist()) == (["C/C=C\\C", "CCN"], [1, 0])
    with pytest.raises(ValueError, match="row 2: a quotation mark is not closed, or text follows one"):
        load(tmp_path, 'smiles,note,y\nCCO,"2\\" tube, blue",1\nCCN,x,0\n')


def test_molecules_on_both_sides_of_a_given_split_are_counted(tmp_path):
    frame = load(tmp_path, "smiles,y,side\nCCO,1,train\nOCC,1,test\nCCN,0,test\n", split_column="side")
    assert frame["split"].tolist() == ["train", "test"]
    assert frame.attrs["report"]["molecules_on_both_sides"] == 1


def test_a_typographic_minus_is_a_minus(tmp_path):
    assert load(tmp_path, "smiles,y\nCCO,\u22121.5\nCCN,2\nCCC,3\n")["y"].tolist() == [-1.5, 2, 3]


@pytest.mark.parametrize("value", [">10", "<0.5", "1.5 nM", "1 000", "5%", "0x10", "1_000"])
def test_qualified_numbers_are_shown_with_their_row(value, tmp_path):
    with pytest.raises(ValueError, match=f"such as '{value}' in row 3"):
        load(tmp_path, f"smiles,y\nCCO,1\nCCN,{value}\nCCC,3\n")


def test_minus_one_for_missing_is_asked_about(tmp_path):
    text = "smiles,y\nCCO,0\nCCN,1\nCCC,-1\nCCF,0\n"
    with pytest.raises(ValueError, match="holds -1, 0 and 1: leave the cells empty if -1 stands for a missing label"):
        load(tmp_path, text)
    assert load(tmp_path, text, kind="regression")["y"].tolist() == [0, 1, -1, 0]
    frame = load(tmp_path, "smiles,y\nCCO,-1\nCCN,1\nCCC,-1.0\n")  # two values are two classes, and said
    assert (frame.attrs["classes"], frame["y"].tolist()) == ([-1, 1], [0, 1, 0])


def test_a_column_without_smiles_is_a_short_error_with_one_value(tmp_path):
    inchi = "".join(f"InChI=1S/CH4/h{k}H4,{k % 2}\n" for k in range(5000))
    words = r"column 'smiles' holds no SMILES .* such as 'InChI=1S/CH4/h0H4' \(an InChI\) in row 2"
    with pytest.raises(ValueError, match=words) as told:
        load(tmp_path, "smiles,y\n" + inchi)
    assert len(str(told.value)) < 300
    with pytest.raises(ValueError, match=r"column 'y' is empty in rows 2, 3, 4, 5, 6 and 95 more"):
        load(tmp_path, "smiles,y\n" + "CCO,\n" * 100)


def test_columns_are_named_with_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"its columns: ID, SMILES, y; did you mean 'SMILES'\?"):
        load(tmp_path, "ID,SMILES,y\n1,CCO,1\n")
    with pytest.raises(ValueError, match=r"did you mean 'IC50.xa0\(nM\)'"):
        load(tmp_path, "SMILES,IC50\u00a0(nM)\nCCO,1\n", "SMILES", "IC50 (nM)")
    with pytest.raises(ValueError, match="both 'y': name two columns"):
        load(tmp_path, "smiles,y\nCCO,1\n", "y", "y")


def test_a_workbook_and_its_csv_are_one_task(tmp_path):
    rows = [["smiles", "y"], ["CCO", 1], ["CCN", 0.0], ["CCC", True and 1]]
    text = "smiles,y\nCCO,1\nCCN,0\nCCC,1\n"
    book, plain = load(tmp_path, workbook(rows), name="t.xlsx"), load(tmp_path, text)
    pd.testing.assert_frame_equal(book, plain)
    assert book.attrs["report"].pop("read_as") == "an Excel workbook"


# Names of tables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tasks", "names"),
    [
        (["csv:a/train.csv", "csv:b/train.csv"], ["a/train", "b/train"]),
        (["csv:x/a/train.csv", "csv:y/a/train.csv", "csv:b/train.csv"], ["x/a/train", "y/a/train", "b/train"]),
        (["AMES", "csv:data/AMES.csv"], ["AMES", "data/AMES"]),
        (["csv:data/train.csv", "csv:data/train.tsv"], ["train.csv", "train.tsv"]),
        (["csv:one.csv", "csv:two.csv", "ESOL"], ["one", "two", "ESOL"]),
    ],
)
def test_no_two_tables_have_one_name(tasks, names):
    assert list(molecules.table_names(tasks).values()) == names


def test_one_table_twice_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for tasks in (["AMES", "AMES"], ["csv:a.csv", f"csv:{tmp_path}/a.csv"]):
        with pytest.raises(ValueError, match="names one table twice"):
            molecules.table_names(tasks)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.csv").write_text("smiles,y\nCCO,1\nCCN,0\n")
    assert len(molecules.load_task("csv:~/mine.csv")) == 2
    assert len(molecules.load_table("csv:~/mine.csv")) == 2
