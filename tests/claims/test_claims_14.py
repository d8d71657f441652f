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


def test_the_transformer_is_quoted(reader):
    said = text(STEM)
    assert f"leaks {auc(reader.loc['fp32'])} in full precision and {auc(reader.loc['ternary_90'])} with 90 %" in said
    assert f"sign keeps accuracy and leaks {auc(reader.loc['sign'])}" in said
    assert reader.utility["fp32"] - reader.utility["ternary_90"] == pytest.approx(0.1, abs=0.02)
    assert reader.utility["fp32"] - reader.utility["sign"] < 0.03


def test_predictions_err_as_the_text_says(large, reader):
    assert ((reader.auc_simulated - reader.auc).drop("fp32") > 0).all()
    miss = large.auc_simulated - large.auc
    assert f"up to {miss.max():.3f} to that side too, and by {-miss['lloyd_2']:.3f} to the other" in text(STEM)
    assert (miss.drop("lloyd_2") > -0.001).all()
