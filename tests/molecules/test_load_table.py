"""Tables are cleaned and sampled down with their report, and read once a process."""

from qmis_utils.molecules.tasks import load_table


def test_broken_smiles_and_missing_labels_are_left_out_and_reported(source, write):
    frame = source.assign(y=source.y.map({0: "out", 1: "in"}).astype(object))
    frame.loc[[5, 17, 60, 99], "smiles"] = ["C1CC", "not a molecule", "", "c1ccccc"]  # 3 %
    frame.loc[[8, 30], "y"] = None
    report = load_table(write(frame)).attrs["report"]
    assert report["unparsable_rows"] == [7, 19, 101]
    assert report["missing_smiles_rows"] == [62]
    assert report["missing_label_rows"] == [10, 32]
    assert report["rows_left"] == 114


def test_larger_tables_are_sampled_down_with_their_report(source, write):
    frame = load_table(write(source), max_molecules=50)
    assert len(frame) == 50
    assert frame.attrs["report"]["rows_left"] == 120
    assert set(frame.smiles) < set(source.smiles)


def test_a_table_is_read_again_where_its_file_has_changed(source, write):
    first = load_table(write(source))
    assert load_table(write(source)) is first
    assert (load_table(write(source.assign(y=1 - source.y))).y.to_numpy() == 1 - first.y).all()
