"""What notebook 14 says of two audits, and the numbers behind it."""

import re

import pytest
from reading import answer, table, text

from qmis_utils import run
from qmis_utils.runner import notebooks

STEM = "14_audit_your_model"


@pytest.fixture(scope="module")
def large():
    return table("14_large").set_index("quantizer")


@pytest.fixture(scope="module")
def reader():
    return table("14_transformer").set_index("quantizer")


@pytest.fixture(scope="module")
def files():
    return table("14_artefacts").set_index("artefact")


def auc(row):
    return f"{row.auc:.3f} {row.auc_low:.3f}, {row.auc_high:.3f}"


def printed():
    """Return what the notebook printed."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    return "\n".join(o.get("text", "") for cell in cells if cell.cell_type == "code" for o in cell.outputs)


def test_the_answer_quotes_the_verdict_on_the_large_network(large):
    said, full, pick = answer(STEM), large.loc["fp32"], large.loc["uniform_2"]
    assert f"AUC {auc(full)} in full precision" in said
    assert f"one scale a tensor: {auc(pick)}, at {pick.lost:.3f} {pick.lost_low:.3f}, {pick.lost_high:.3f} of" in said
    assert f"which give {auc(large.loc['lloyd_2'])} away" in said
    assert "Ship uniform_2." in printed()
    assert pick.lost_high <= 0.02
    assert pick.gain_low > 0


def test_the_guess_from_one_model_was_wrong_and_the_audit_of_several_right(large):
    (guess,) = re.findall(r"measurement: (\w+) is ranked most private", printed())
    assert guess == "lloyd_2"
    assert large.rho_pool.idxmin() == large.auc.idxmin() == "ternary_90"
    assert large.auc_high["ternary_90"] < large.auc_low[guess]
    assert large.gain[guess] < 0 < large.gain_high[guess]  # as much as full precision
    assert large.lost["ternary_90"] > 0.02
    assert sorted(large.auc.nsmallest(2).index) == ["ternary_90", "uniform_2"]  # the title
    assert (large.attack == "RMIA").all()


def test_the_transformer_is_quoted(reader):
    said = text(STEM)
    full, zeros, pick = (reader.loc[name] for name in ("fp32", "ternary_90", "lloyd_2"))
    assert f"leaks {auc(full)} in full precision" in said
    assert f"lose nothing and leak {auc(pick)}" in said
    assert f"90 % zeros leak {auc(zeros)} and cost {zeros.lost:.3f} of accuracy, of {full.utility:.3f}" in said
    assert pick.lost_high <= 0.001
    assert pick.gain_low > 0
    assert printed().count("Ship lloyd_2.") == 2  # the transformer and the digits


def test_predictions_err_as_the_text_says(large, reader):
    warned = (reader.auc_simulated - reader.auc_lira).drop("fp32")
    assert f"by {warned.min():.3f} to {warned.max():.3f} of AUC, in all six by warning of too much" in text(STEM)
    assert len(warned) == 6
    assert (reader.auc_simulated_low < reader.auc_lira_high).all()  # the intervals of both overlap
    miss = large.auc_simulated - large.auc_lira
    assert f"up to {miss.max():.3f} to that side too, and by {-miss['lloyd_2']:.3f} to the other" in text(STEM)
    assert (miss.drop("lloyd_2") > -0.001).all()
    assert (large.auc > large.auc_lira).all()


def test_files_leak_more_than_rules_of_the_same_width(files):
    said = text(STEM)
    groups, rule = files.loc["int2_g32"], files.loc["uniform_2"]
    more = groups.truth_auc - rule.truth_auc
    assert f"groups of 32 leak {more:.2f} more than with one scale" in answer(STEM)
    assert groups.truth_auc_low > rule.truth_auc_high
    assert f"leaks {truth(rule)} and is broken: it loses {rule.lost:.2f} of accuracy" in said
    assert f"as they are shipped lose {groups.lost:.3f}, and leak {truth(groups)}" in said
    four = files.loc[["q4_0", "mxfp4_32", "nvfp4", "int4_g32", "uniform_4"]].truth_gain
    assert f"four hide little: {four.min():.3f} to {four.max():.3f} of AUC" in said
    eight = files.loc[["q8_0", "int8 with activations", "uniform_8"]]
    assert (abs(eight.truth_gain) < 0.001).all()
    missed = files.truth_auc - files.auc
    assert missed.min() > -0.001
    assert f"finds up to {missed.max():.3f} less than with 64, and all {len(files)} of its intervals hold" in said
    assert ((files.auc_low <= files.truth_auc) & (files.truth_auc <= files.auc_high)).all()


def truth(row):
    return f"{row.truth_auc:.3f} {row.truth_auc_low:.3f}, {row.truth_auc_high:.3f}"
