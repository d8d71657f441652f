"""What notebook 07 says of molecules, held to the numbers that its figures plot."""

import re

import pytest
from reading import answer, table, text

from qmis_utils import run
from qmis_utils.runner import notebooks

STEM = "07_molecular_privacy_utility"


@pytest.fixture(scope="module")
def price():
    return table("07_price").set_index(["kind", "quantizer"])


@pytest.fixture(scope="module")
def gain():
    return table("07_equal_auc").set_index(["start", "kind", "quantizer"])


@pytest.fixture(scope="module")
def kept():
    return table("07_regression").set_index(["kind", "quantizer"])


def per_cent(row, name):
    return f"{100 * row[name]:.0f} % {100 * row[f'{name}_low']:.0f} %, {100 * row[f'{name}_high']:.0f} %"


def test_the_answer_says_what_ninety_per_cent_zeros_leave(price):
    said = answer(STEM)
    rows = price.loc[[("binary", "ternary_90"), ("regression", "ternary_90")]]
    for column in ("leak", "use"):
        one, two = (per_cent(row, column) for _, row in rows.iterrows())
        assert one in said
        assert two in said
    assert (rows.leak_high < 0.3).all()
    assert (rows.use_high < 0.65).all()  # it costs, in both kinds


def test_the_answer_says_what_three_bits_gain(gain):
    row = gain.loc[("shared", "regression", "uniform_3")]
    assert f"worth {row.value:.3f} {row.low:.3f}, {row.high:.3f} in $R^2$" in answer(STEM)
    both = gain.xs(("regression", "uniform_3"), level=["kind", "quantizer"])
    assert (both.low > 0.02).all()  # from both starts
    assert both.value.round(2).tolist() == [0.07, 0.07]
    assert "a 3-bit grid gains 0.07 in $R^2$" in text(STEM)


def test_the_best_choice_in_classification_turns_with_the_initialisation(gain):
    zeros = gain.xs(("binary", "ternary_90"), level=["kind", "quantizer"])
    assert zeros.low["random"] > 0
    assert zeros.low["shared"] < 0 < zeros.high["shared"]
    best = [gain.value.xs((start, "binary"), level=["start", "kind"]).idxmax() for start in ("shared", "random")]
    assert best == ["uniform_2", "ternary_90"]
    assert f"worth {zeros.value['random']:.2f} in AUROC" in text(STEM)


def test_what_two_bits_gain_and_ninety_per_cent_zeros_give_away(gain, price):
    found = {key: gain.loc[key] for key in gain.index if key[2] in ("uniform_2", "ternary_90")}
    said, bits = (
        text(STEM),
        {
            key[:2]: "{0.value:.3f} {0.low:.3f}, {0.high:.3f}".format(found[key])
            for key in found
            if key[2] == "uniform_2"
        },
    )
    assert f"gains most, {bits['shared', 'regression']} in $R^2$ and {bits['shared', 'binary']} in AUROC" in said
    assert gain.value.xs("shared", level="start").groupby("kind").idxmax().map(lambda key: key[1]).eq("uniform_2").all()
    assert f"with random ones it gains {bits['random', 'binary']} in AUROC and is undecided" in said
    row = gain.loc[("random", "regression", "uniform_2")]
    assert row.low < 0 < row.high
    assert gain.low["random", "binary", "uniform_2"] > 0
    assert (
        f"in regression they give {-gain.value['shared', 'regression', 'ternary_90']:.3f} away from shared starts"
        in said
    )
    assert gain.high["shared", "regression", "ternary_90"] < -0.05 < gain.value["random", "regression", "ternary_90"]
    row = price.loc[("binary", "lloyd_2")]
    assert f"keep {100 * row.leak:.0f} % {100 * row.leak_low:.0f}, {100 * row.leak_high:.0f} of the advantage" in said
    assert f"and {row.use:.3f} {row.use_low:.3f}, {row.use_high:.3f} of utility" in said


def test_the_strongest_attack_finds_little_more_than_lira(gain):
    found = gain.dropna(subset="gain")
    assert len(found) == 2 * 2 * 6
    assert found.gain.max() < 0.02

    def most(rows):
        row = rows.loc[rows.gain.idxmax()]
        return f"{row.gain:.3f} {row.gain - row.half:.3f}, {row.gain + row.half:.3f}"

    assert found.gain.idxmax() == ("random", "binary", "sign")
    said, regression = text(STEM), found.xs("regression", level="kind")
    assert f"By no more than {most(found)} does any of these releases lose more (sign, classification, random" in said
    assert f"adds {most(found)} at most" in said
    assert f"in regression it is {most(regression)} at most" in said
    assert f"though intervals reach {(found.gain + found.half).max():.3f}" in said
    above = {"strong": found.strongest - 0.5, "lira": found.strongest - found.gain - 0.5}
    kept = {
        (attack, kind): f"{100 * auc['shared', kind, 'ternary_90'] / auc['shared', kind, 'fp32']:.0f} %"
        for attack, auc in above.items()
        for kind in ("binary", "regression")
    }
    strong, lira = (kept[attack, "binary"] for attack in above)
    assert f"keep {strong} of the advantage in classification instead of {lira}" in said
    assert kept["strong", "regression"] == kept["lira", "regression"]
    assert f"and {kept['lira', 'regression']} in regression with both" in said


def test_what_sign_and_fewer_zeros_give_away_in_regression(gain, kept):
    rows = gain.loc[(slice(None), "regression", ["sign", "ternary_33", "ternary_50"]), :]
    assert (rows.high < 0).all()
    least, most = -rows.value.max(), -rows.value.min()
    assert f"give {least:.2f} to {most:.2f} away" in text(STEM)
    lost = 1 - kept.value
    for name in ("sign", "ternary_33"):  # the title of 07_regression: about half
        assert 0.4 < 1 - lost["refitted", name] / lost["regression", name] < 0.6


def test_regression_loses_more_before_and_after_refitting(kept):
    zeros = kept.value.xs("ternary_90", level="quantizer")
    assert zeros["binary"] - zeros["regression"] == pytest.approx(1 / 3, abs=0.05)
    assert zeros["binary"] - zeros["refitted"] == pytest.approx(0.1, abs=0.03)
    points = 100 * (zeros["binary"] - zeros["regression"])
    assert f"keeps less of its utility, by {points:.0f} points as it is and by a tenth after refitting" in text(STEM)


def test_three_bits_halve_the_leak_of_regression_for_a_few_per_cent(price):
    row = price.loc[("regression", "uniform_3")]
    assert row.leak_low < 0.5 < row.leak_high
    assert 0.9 < row.use_low < row.use < 0.97


def test_membership_is_known_on_scaffold_sides_and_unknown_on_random_halves():
    blind = table("07_blind_baseline").set_index(["membership", "task"])
    sides, halves = blind.loc["scaffold sides"], blind.loc["random halves"]
    assert f"with an AUC of {sides.auc.mean():.2f}" in text(STEM)
    assert (sides.low > 0.6).all()
    assert ((halves.low < 0.5) & (halves.high > 0.5)).all()


def test_what_it_says_of_numbers_without_an_attack_is_what_report_d_found():
    rows = table("D_agreement").set_index(["task", "indicator"]).loc["pooled"]
    for name in ("rho_pool", "r ensemble all_pairs"):
        row = rows.loc[name]
        assert f"{row.tau:.2f} {row.low:.2f}, {row.high:.2f}" in text(STEM)
    assert rows.low["rho_pool"] > rows.high["r ensemble all_pairs"]


@pytest.mark.parametrize(
    "row",
    [
        ("90 % zeros leak less than 33 % zeros", "reproduced", "reproduced", "reproduced", "reproduced"),
        ("90 % zeros leak least of nine", "undecided", "reproduced", "undecided", "undecided"),
        ("sign leaks more than 33 % zeros", "undecided", "undecided", "contradicted", "contradicted"),
    ],
)
def test_the_verdicts_that_the_prose_repeats(row):
    """The table of section 7: classification from shared and random starts, then regression."""
    claim, *words = row
    shown = verdicts()
    assert [shown[claim, kind, start] for kind in ("classification", "regression") for start in (0, 1)] == words


def verdicts():
    """Return (claim, kind, column) -> word of the table of section 7."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    pages = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.get("outputs", [])]
    (page,) = [page for page in pages if "leak least of nine" in page]
    found, claim = {}, None
    for line in page.split("<tbody>")[1].split("</tr>")[:-1]:
        *above, kind = re.findall(r"<th[^>]*>(.*?)</th>", line)
        claim = above[0] if above else claim  # a claim stands once for both kinds
        found |= {(claim, kind, at): word.split(":")[0] for at, word in enumerate(re.findall(r"<td>(.*?)</td>", line))}
    return found
