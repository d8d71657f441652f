"""What notebook 08 says of exposed molecules, and the numbers behind it."""

import re

import pandas as pd
import pytest
from reading import answer, table, text
from scipy import stats

from qmis_utils import run
from qmis_utils.runner import notebooks

STEM = "08_who_is_exposed"


@pytest.fixture(scope="module")
def shares():
    found = table("08_exposure")
    return found[found.what != "quantile"].set_index(["table", "start", "what"])


@pytest.fixture(scope="module")
def releases():
    return table("08_protection").dropna(subset="who").set_index(["table", "start", "release", "who"]).sort_index()


def written(row, name):
    return f"{row[name]:.3f} {row.low:.3f}, {row.high:.3f}"


def test_the_average_hides_the_few(shares):
    few, everybody = (shares.loc[("FreeSolv", "random", what)] for what in ("most exposed", "all"))
    assert f"an exposure of {written(everybody, 'value')}" in answer(STEM)
    assert f"of its molecules, {written(few, 'value')}" in answer(STEM)
    assert few.low > everybody.high + 0.5
    assert few.molecules < 0.06 * everybody.molecules


@pytest.mark.parametrize("name", ["FreeSolv", "BACE"])
def test_both_tables_are_quoted_and_starts_agree(shares, name):
    for what in ("most exposed", "all"):
        random, shared = (shares.loc[(name, start, what)] for start in ("random", "shared"))
        assert written(random, "value") in text(STEM)
        assert abs(random.value - shared.value) < 0.0165
    assert "shared starts give at most 0.016 more" in text(STEM)


@pytest.fixture(scope="module")
def ranks():
    return table("08_protection").dropna(subset="correlation").set_index(["table", "start"])


def test_the_same_molecules_are_exposed_in_other_groups(ranks):
    assert len(ranks) == 6
    assert ranks.correlation.min() >= 0.95
    assert (ranks.shared_tenth > 0.8).all()
    assert "the rank correlation is at least 0.95" in text(STEM)


def test_the_initialisation_does_not_decide_who_is_exposed(ranks):
    said = answer(STEM)
    rows = ranks.xs("random to shared", level="start")
    for name in ("BACE", "FreeSolv"):
        assert f"{written(rows.loc[name], 'correlation')} for {name}" in text(STEM)
        assert rows.low[name] > 0.9
    tenth = rows.shared_tenth["FreeSolv"]
    assert f"{written(rows.loc['FreeSolv'], 'correlation')}; {100 * tenth:.0f} % of the top tenth are the same" in said


def test_a_shared_start_leaves_more_under_ninety_per_cent_zeros(releases):
    few, everybody = (releases.xs(("ternary_90", who), level=["release", "who"]) for who in ("top", "all"))
    assert f"the few of BACE {written(few.loc[('BACE', 'shared')], 'exposure')}" in text(STEM)
    assert few.low["BACE", "shared"] > few.high["BACE", "random"]
    assert few.exposure["BACE", "shared"] / few.exposure["BACE", "random"] == pytest.approx(2, abs=0.1)
    assert everybody.low["BACE", "shared"] > everybody.high["BACE", "random"]
    assert "On FreeSolv, and with 2 bits, the intervals of both starts overlap" in text(STEM)
    bits = [releases.xs(("uniform_2", who), level=["release", "who"]) for who in ("top", "all")]
    for rows in (
        few.loc[["FreeSolv"]],
        everybody.loc[["FreeSolv"]],
        *(b.loc[[t]] for b in bits for t in ("BACE", "FreeSolv")),
    ):
        assert rows.low.max() <= rows.high.min()


def test_what_the_protection_costs_is_said(releases):
    worth = releases.utility.xs("all", level="who").xs("random", level="start")
    said = "with 90 % zeros $R^2$ falls from {:.2f} to {:.2f} on FreeSolv and AUROC from {:.2f} to {:.2f} on BACE"
    pairs = [worth[name, release] for name in ("FreeSolv", "BACE") for release in ("fp32", "ternary_90")]
    assert said.format(*pairs) in text(STEM)
    assert f"only sign on BACE stays near, at {worth['BACE', 'sign']:.2f}" in text(STEM)
    assert worth.drop("fp32", level="release").idxmax() == ("BACE", "sign")
    assert worth["FreeSolv", "ternary_90"] < 0.33 * worth["FreeSolv", "fp32"]  # "ruin the model"


def test_the_formula_is_furthest_from_the_count_at_the_ninety_per_cent_quantile():
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    html = next(o.data["text/html"] for c in cells for o in c.get("outputs", []) if "99 %" in str(o.get("data", "")))
    rows = [re.findall("<td>(.+?)</td>", row) for row in html.split("<tr")]
    found = pd.DataFrame(
        [row for row in rows if row], columns=["table", "start", "how", *(levels := ["10 %", "50 %", "90 %", "99 %"])]
    )
    found = found.set_index(["table", "start", "how"])[levels].astype(float)
    apart = found.xs("formula", level="how") - found.xs("counted", level="how")
    assert apart.stack().idxmax()[::2] == ("FreeSolv", "90 %")
    row = found.loc["FreeSolv", "random"]["90 %"]
    assert f"the formula says {row['formula']:.2f}, the count {row['counted']:.2f}" in text(STEM)


def test_no_release_hides_the_few_and_sign_hides_those_of_bace_least(releases):
    few = releases.xs("top", level="who")
    assert (few.low > 0).all()  # the titles of 08_protection
    quantized = few.exposure["BACE", "random"].drop("fp32")
    assert quantized.idxmax() == "sign"
    assert few.low["BACE", "random", "sign"] > few.high["BACE", "random"][["uniform_2", "ternary_90"]].max()


def test_the_sizes_of_the_twentieth_are_said(shares):
    sizes = shares.molecules.xs("random", level="start")
    said = "The twentieth is {:.0f} of the {:.0f} molecules of BACE and {:.0f} of the {:.0f} of FreeSolv"
    counts = [sizes[name, what] for name in ("BACE", "FreeSolv") for what in ("most exposed", "all")]
    assert said.format(*counts) in text(STEM)


@pytest.mark.parametrize("name", ["FreeSolv", "BACE"])
def test_ninety_per_cent_zeros_protect_the_average_better_than_the_few(releases, name):
    few, everybody = (releases.loc[(name, "random", "ternary_90", who)] for who in ("top", "all"))
    assert written(few, "exposure") in text(STEM)
    assert written(everybody, "exposure") in text(STEM)
    assert few.low > everybody.high
    assert few.low > 0


def test_exposure_goes_with_a_label_unlike_the_neighbours_in_study_d():
    found = table("D_exposure").query("description == 'gap'")
    assert (found.low > 0).all()
    assert (found.high < 0.8).all()  # a good part stays unexplained


def test_rounding_leaves_a_linear_model_what_theorem_d_says():
    found, said = table("08_directions"), text(STEM)
    some = found.dropna()
    assert len(found) == 514
    assert len(some) == 11
    assert ((some.low <= some.law) & (some.law <= some.high)).all()
    assert "All eleven hold the law" in said
    assert (abs(some.measured / some.law - 1) < 0.03).all()
    assert stats.spearmanr(found.energy, found.law).statistic < -0.7
    least, most = (some.loc[at] for at in (some.energy.idxmin(), some.energy.idxmax()))
    assert most.high < least.low - 0.2
    quoted = "least energy keeps {} of its $d'^2$, that of most energy {}: rounding"
    assert quoted.format(written(least, "measured"), written(most, "measured")) in said


def test_for_networks_the_law_does_not_find_the_protected():
    rows = table("B_records").query("number == 'share left'")
    mean = rows[rows.setting == "mean"].set_index(["quantizer", "attack"])
    assert rows.setting.nunique() - 1 == 8
    assert len(mean) == 12
    assert ((mean.low <= 0) & (mean.high >= 0)).all()
    sign, four = (
        f"{row.spearman:.3f} {row.low:.3f}, {row.high:.3f}"
        for row in (mean.loc[(q, "lira")] for q in ("sign", "uniform_4"))
    )
    assert f"over eight settings is {sign}, with 4 bits {four}, and all twelve intervals" in text(STEM)
