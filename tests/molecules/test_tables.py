"""Tables are cleaned and sampled down with their report, and a fingerprint knows its table and representation."""

import numpy as np
import pytest

from qmis_utils.molecules import embeddings
from qmis_utils.molecules.tasks import fingerprint, load_table


def test_broken_smiles_and_missing_labels_are_left_out_and_reported(source, write):
    frame = source.assign(y=source.y.map({0: "out", 1: "in"}).astype(object))
    frame.loc[[5, 17, 60, 99], "smiles"] = ["C1CC", "not a molecule", "", "c1ccccc"]  # 3 %
    frame.loc[[8, 30], "y"] = None
    report = load_table(write(frame)).attrs["report"]
    assert report["unparsable_rows"] == [7, 19, 62, 101]
    assert report["missing_label_rows"] == [10, 32]
    assert report["rows_left"] == 114


def test_larger_tables_are_sampled_down_with_their_report(source, write):
    frame = load_table(write(source), max_molecules=50)
    assert len(frame) == 50
    assert frame.attrs["report"]["rows_left"] == 120
    assert set(frame.smiles) < set(source.smiles)


def test_the_fingerprint_knows_table_and_representation(source, write, registry):
    frame = load_table(write(source))
    first = fingerprint(frame, "ecfp4")
    assert fingerprint(frame, "rdkit2d") != first
    assert fingerprint(load_table(write(source.assign(y=1 - source.y))), "ecfp4") != first
    assert fingerprint(load_table(write(source)), "ecfp4") == first  # the file is read again
    prints = []
    for factor in (1, 2):
        if factor == 1:
            embeddings.embedder("mine")(lambda smiles: np.array([[len(s)] for s in smiles]))
        else:
            embeddings.embedder("mine")(lambda smiles: np.array([[2 * len(s)] for s in smiles]))
        prints.append(fingerprint(frame, "mine"))
    assert prints[0] != prints[1]
    with pytest.raises(ValueError, match="unknown representation 'theirs'; valid: ecfp4"):
        fingerprint(frame, "theirs")
