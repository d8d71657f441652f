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


def auc(row):
    return f"{row.auc:.3f} {row.auc_low:.3f}, {row.auc_high:.3f}"


def printed():
    """Return what the notebook printed."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    return "\n".join(o.get("text", "") for cell in cells if cell.cell_type == "code" for o in cell.outputs)


def test_the_answer_quotes_the_attack_on_the_large_network(large):
    said = answer(STEM)
    assert f"AUC {auc(large.loc['fp32'])} in full precision and {auc(large.loc['ternary_90'])} with 90 % zeros" in said
    assert f"gives {auc(large.loc['lloyd_2'])} away" in said


def test_the_guess_from_one_model_was_wrong_and_the_audit_of_several_right(large):
    (guess,) = re.findall(r"measurement: (\w+) is ranked most private", printed())
    assert guess == "lloyd_2"
    assert large.auc_high["ternary_90"] < large.auc_low[guess]
    assert large.rho_pool.idxmin() == large.rho_w.idxmin() == large.auc.idxmin() == "ternary_90"
    assert abs(large.auc[guess] - large.auc["fp32"]) < 0.01


def test_ninety_per_cent_zeros_halve_what_outputs_leak(large):
    assert (large.auc["ternary_90"] - 0.5) / (large.auc["fp32"] - 0.5) == pytest.approx(0.5, abs=0.1)


def test_the_transformer_is_quoted(reader):
    said = text(STEM)
    assert f"leaks {auc(reader.loc['fp32'])} in full precision and {auc(reader.loc['ternary_90'])} with 90 %" in said
    full, zeros, sign = (reader.loc[name] for name in ("fp32", "ternary_90", "sign"))
    assert f"which cost it {full.utility - zeros.utility:.3f} of accuracy, of {full.utility:.3f}" in said
    assert zeros.utility_high < full.utility_low  # the title: they cost accuracy
    assert (zeros.auc - 0.5) / (full.auc - 0.5) < 0.2  # and hide most
    assert f"sign costs {full.utility - sign.utility:.3f}, within the intervals, and leaks {auc(sign)}" in said
    assert sign.utility_high > full.utility_low


def test_predictions_err_as_the_text_says(large, reader):
    warned = (reader.auc_simulated - reader.auc).drop("fp32")
    assert f"by {warned.min():.3f} to {warned.max():.3f} of AUC, in all six by warning of too much" in text(STEM)
    assert len(warned) == 6
    assert (reader.auc_simulated_low < reader.auc_high).all()  # the intervals of both overlap
    miss = large.auc_simulated - large.auc
    assert f"up to {miss.max():.3f} to that side too, and by {-miss['lloyd_2']:.3f} to the other" in text(STEM)
    assert (miss.drop("lloyd_2") > -0.001).all()
