"""What notebook 09 says of the attacker who knows the quantizer, against its committed figures."""

import pytest
from reading import answer, table, text

from qmis_utils import run
from qmis_utils.runner import notebooks

STEM = "09_attacker_knows_quantizer"
SETTINGS = ["close modes", "distant modes", "BBB_Martins", "FreeSolv"]


def interval(row, digits=3):
    """Return a number with its interval as `text` has it, without brackets."""
    return f"{row.value:.{digits}f} {row.low:.{digits}f}, {row.high:.{digits}f}"


def found():
    rows = table("09_gptq").fillna({"what": "null"})  # pandas reads this word as nothing
    return rows.set_index(["init", "what", "setting"]).sort_index()


def gains():
    return table("09_questions").set_index(["what", "init", "setting"])


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_answer_quotes_the_auc_of_gptq(setting):
    row = found().loc["random", "GPTQ", setting]
    assert f"{interval(row)} on {setting}" in answer(STEM)
    assert row.low > 0.6


def test_shared_initialisations_agree():
    rows = found().value.xs("GPTQ", level="what")
    assert abs(rows["shared"] - rows["random"]).max() <= 0.003
    assert "with shared ones within 0.003" in answer(STEM)


def test_gptq_on_others_betrays_no_member_and_lira_is_behind_on_mixtures_only():
    rows = found()
    for init in ("shared", "random"):
        assert (rows.loc[init, "null"].high < 0.52).all()
        assert (rows.loc[init, "null"].low > 0.46).all()
        ahead = rows.loc[init, "GPTQ"].low > rows.loc[init, "lira_fixed"].high
        behind = rows.loc[init, "GPTQ"].high < rows.loc[init, "lira_fixed"].low
        assert ahead[SETTINGS].tolist() == [True, True, False, False]
        assert behind[SETTINGS].tolist() == [False, False, True, True]
    null = rows.xs("null", level="what")
    assert f"the control is between {null.value.min():.2f} and {null.value.max():.2f}" in text(STEM)
    below = null.index[null.high < 0.5]
    assert len(below) == 5
    assert {name for name in SETTINGS if (null.high.xs(name, level="setting") < 0.5).all()} == {
        "close modes",
        "BBB_Martins",
    }
    pair = [null.value.xs(name, level="setting").mean() for name in ("close modes", "BBB_Martins")]
    assert "on close modes ({:.2f}) and BBB_Martins ({:.2f}) with both initialisations".format(*pair) in text(STEM)
    assert f"betrays members ({null.value.min():.2f} to {null.value.max():.2f})" in text(STEM)


def test_records_blur_the_trace_and_bits_sharpen_it():
    told = table("09_records").set_index(["setting", "bits", "ratio"])
    said, auc = text(STEM), told.auc.round(3)
    close = [f"{auc['close modes', 3, ratio]:.3f}" for ratio in (1, 2)]
    assert f"{close[0]} with one record for each input, {close[1]} with two" in said
    row = told.loc["close modes", 3, 3].rename({"auc": "value"})
    assert f"still {interval(row)} with three" in said
    far = [f"{auc['BBB_Martins', 3, ratio]:.3f}" for ratio in (0.5, 2)]
    assert f"{far[0]} with half a record for each input, {far[1]} with two" in said
    bits = [f"{auc['close modes', bits, 2]:.3f}" for bits in (2, 3, 8)]
    assert f"{bits[0]} at 2 bits, {bits[1]} at 3 and {bits[2]} at 8" in said
    for setting in ("close modes", "BBB_Martins"):
        low, middle, high = (told.loc[setting, n] for n in (2, 3, 8))
        assert (low.high.loc[0.5:2] < middle.low.loc[0.5:2]).all()
        assert (middle.auc <= high.auc).all()


def test_without_the_original_the_trace_is_faint():
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    cell = next(cell for cell in cells if cell.source.startswith("alone = []"))
    rows = [line.split()[-3:] for line in cell.outputs[-1].data["text/plain"].splitlines()[1:]]
    values, lows = [float(row[0]) for row in rows], [float(row[1]) for row in rows]
    assert len(rows) == 8
    assert min(lows) > 0
    assert f"between {min(values):.3f} and {max(values):.3f}, above zero in all eight rows" in text(STEM)


def test_quantized_shadows_gain_everywhere():
    rows = gains().loc["shadows quantized like the target"]
    assert (rows.low > 0).all()
    assert f"by {rows.value.min():.3f} to {rows.value.max():.3f}, most on FreeSolv" in text(STEM)
    assert rows.value.idxmax()[1] == "FreeSolv"
    assert f"up to {rows.value.max():.3f}" in text(STEM)


def test_data_free_rules_add_nothing():
    codebook = gains().loc["codebook besides outputs"]
    largest = max(codebook.value.max(), -codebook.value.min())
    assert f"largest gain or loss is {largest:.4f}" in text(STEM)
    pair = gains().loc["both versions, not full precision alone"]
    most = pair.loc[pair.value.idxmax()]
    assert f"add at most {interval(most, 4)}." in text(STEM)
    assert most.low < 0
    joined = ["codebook besides outputs", "both versions, not signs alone", "both versions, not full precision alone"]
    null = gains().null[joined]
    assert f"above zero in {(null > 0).sum()} of {len(null)} rows, by {null.mean():.3f} in the mean" in text(STEM)
    assert max(largest, pair.value.max()) <= 0.0015
    assert pair.value.max() < pair.null.max()
    assert "(at most 0.0015)" in answer(STEM)


def test_the_original_helps_and_the_clip_leaves_a_faint_trace():
    signs, clip = gains().loc["both versions, not signs alone"], gains().loc["clip chosen on members, not on others"]
    assert (signs.low > 0).all()
    assert (clip.low > 0).all()
    assert f"gains {signs.value.min():.3f} to {signs.value.max():.3f}" in text(STEM)
    assert f"a faint one: {clip.value.min():.3f} to {clip.value.max():.3f}" in text(STEM)
    assert f"at most {clip.value.max():.3f}" in text(STEM)
    assert f"(FreeSolv, shared: {interval(clip.loc['shared', 'FreeSolv'])}, not certain among eight.)" in text(STEM)
