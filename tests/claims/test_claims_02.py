"""What notebook 02 says, against the tables of its figures."""

import math
import re

import numpy as np
import pytest
from reading import answer, table, text
from scipy import stats

from qmis_utils import run
from qmis_utils.quantizers import quantize, sparsity
from qmis_utils.runner import notebooks
from qmis_utils.studies import synthetic
from qmis_utils.theory import edges, information

STEM = "02_many_weights"


def auc(share):
    """AUC of a record with an AUC of 0.80 before rounding, where a share J of the information survives."""
    return stats.norm.cdf(1.2 * math.sqrt(share / 2))


@pytest.fixture
def twenty():
    """The row of the first figure for cells of twenty standard deviations."""
    shares = table("02_mean_information")
    return shares[shares.width == 20].iloc[0]


def superscript(value):
    digits, power = f"{value:.1e}".split("e")
    return f"{digits} × 10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def test_the_answer_quotes_what_survives_at_twenty_standard_deviations(twenty):
    said = answer(STEM)
    assert f"{twenty.spread:.0%}".replace("%", " %") + " of the information about a record survives" in said
    assert f"an AUC of {auc(1):.2f} falls to {auc(twenty.spread):.2f}" in said
    assert f"the AUC would be {auc(twenty.centre):.2f}, with {superscript(twenty.centre)} of the information" in said
    assert twenty.centre < 1e-15 < 0.05 < twenty.spread  # the conclusion


def test_what_we_saw_quotes_the_same(twenty):
    seen = text(STEM).split("What we saw")[1]
    assert f"{twenty.spread:.0%}".replace("%", " %") + " at $w = 20$" in seen
    assert superscript(twenty.centre) in seen


def test_the_law_of_wide_cells():
    shares = table("02_mean_information")
    wide, middle = shares[shares.width >= 5], shares[shares.width.between(1, 20)]
    assert (wide.spread * wide.width / 1.8064).between(0.995, 1.005).all()
    assert (middle.spread / middle.law).between(0.92, 1.08).all()


def test_prediction_and_simulation_agree():
    survival = table("02_survival")
    assert (abs(survival.simulated - survival.predicted) < 4 * math.sqrt(1 / (6 * 10_000))).all()
    assert survival.predicted.is_monotonic_decreasing
    assert survival.predicted.iloc[-1] < 0.7 < 0.79 < survival.predicted.iloc[0]


def pooled(distances, kept=1.0):
    """AUC of members and others under one threshold, over all pairs."""
    return stats.norm.cdf(kept * np.hypot.outer(distances, distances) / 2).mean()


def test_the_survival_law_predicts_too_little_of_a_pooled_attack():
    """Six sd for a tenth of the records, and three for 30 %: values against simulation and the law."""
    few = np.repeat([6.0, 0.0], [20, 180])
    assert pooled(few) == pytest.approx(0.5948, abs=1e-4)
    assert stats.norm.cdf(few / math.sqrt(2)).mean() == pytest.approx(0.55, abs=1e-4)  # per record
    rng = np.random.default_rng(0)
    distance = np.resize(few, 40_000)
    inside, without = (rng.normal(s * distance**2 / 2, np.maximum(distance, 1e-9)) for s in (1, -1))
    simulated = stats.mannwhitneyu(inside, without).statistic / len(distance) ** 2
    assert simulated == pytest.approx(pooled(few), abs=0.006)
    for distances in (few, np.repeat([3.0, 0.0], [60, 140])):
        before, after = pooled(distances), pooled(distances, 0.6)
        assert stats.norm.cdf(0.6 * stats.norm.ppf(before)) < after - 0.02 < before


def crossing(d, b, eps=0.03):
    p0, p1 = stats.norm.cdf([-b, -b + eps])
    return information.product_insecurity([[p0, 1 - p0]], [[p1, 1 - p1]], copies=d)


def test_the_exponent_is_halved_while_many_weights_flip():
    slopes = {}
    for d in (100, 10_000, 100_000):
        for b in (3.0, 3.5, 4.0, 5.0, 6.0):
            slopes[d, b] = math.log(crossing(d, b) / crossing(d, b + 0.25)) / (((b + 0.25) ** 2 - b**2) / 2)
    flips = {key: key[0] * stats.norm.sf(key[1]) for key in slopes}
    many, rare = [s for k, s in slopes.items() if flips[k] > 20], [s for k, s in slopes.items() if flips[k] < 0.01]
    assert all(0.35 < s < 0.65 for s in many)
    assert all(0.9 < s < 1.15 for s in rare)
    assert len(many) >= 2
    assert len(rare) >= 2


ORDER = ["ternary_90", "sign", "ternary_50", "ternary_33"]


@pytest.fixture
def leak():
    """The rows of the last figure by quantizer, the line of the least apart."""
    rows = table("02_edge_law")
    assert set(rows) == {"quantizer", "distortion", "entropy_bits", "predicted", "measured", "low", "high", "setting"}
    return rows[rows.setting == "pool game, shared initialisation"].set_index("quantizer")


def test_sparsity_decides_and_the_sign_leaks_less_than_33_per_cent_of_zeros(leak):
    assert leak.loc[ORDER].predicted.is_monotonic_increasing
    assert leak.loc[ORDER].measured.is_monotonic_increasing
    cuts = {p: stats.norm.ppf(0.5 + p / 200) for p in (33, 50, 90)}
    expected = {f"ternary_{p}": 2 * stats.norm.pdf(cut) for p, cut in cuts.items()} | {"sign": stats.norm.pdf(0)}
    for name, density in expected.items():
        assert leak.predicted[name] == pytest.approx(density, rel=0.01)
    assert "90 % zeros leaks least, then the sign, then 50 % zeros, then 33 %" in answer(STEM)
    assert leak.high["ternary_90"] < leak.low["sign"]
    assert leak.high["sign"] < leak.low["ternary_33"]
    seen = text(STEM)
    assert f"{leak.measured['sign']:.3f} against {leak.measured['ternary_33']:.3f}" in seen
    assert f"leak less than the sign at its error: {leak.measured['private_1']:.3f}" in seen
    assert leak.high["private_1"] < leak.low["sign"]
    assert leak.distortion["private_1"] == pytest.approx(leak.distortion["sign"], rel=0.01)
    assert leak.entropy_bits["private_1"] < leak.entropy_bits["sign"]
    share = (stats.norm.ppf(leak.measured["sign"]) / stats.norm.ppf(leak.measured["fp32"])) ** 2
    assert f"= {share:.2f}$ of $d'^2$ survives" in seen
    assert f"says {edges.EDGE * 0.19 * leak.predicted['sign']:.2f}" in seen


def test_with_own_starts_the_attack_is_at_chance_and_alignment_brings_little_back():
    rows, seen = table("02_edge_law").set_index("quantizer"), text(STEM)
    plain, aligned = (rows[rows.setting == f"pool game, random initialisation{how}"] for how in ("", ", aligned"))
    assert len(plain) == len(aligned) == 14
    assert (plain.low < 0.5).all()
    assert (plain.high > 0.5).all()
    assert (plain.high < 0.51).all()  # chance, and the interval is narrow
    assert (aligned.low > 0.5).all()
    assert aligned.high.max() < 0.55

    def written(row):
        return f"{row.measured:.3f} {row.low:.3f}, {row.high:.3f}"

    assert f"even unrounded: {written(plain.loc['fp32'])}" in seen
    assert f"little back, {written(aligned.loc['fp32'])} unrounded" in seen
    order = ["ternary_90", "ternary_50", "sign", "ternary_33"]
    assert aligned.measured[order].is_monotonic_increasing
    others = [f"{aligned.measured[name]:.3f}" for name in order[1:]]
    said = "90 % zeros {}, 50 % zeros {}, sign {}, 33 % zeros {}"
    assert said.format(written(aligned.loc["ternary_90"]), *others) in seen


def test_with_own_starts_the_sign_leaks_more_than_half_zeros():
    """The paired difference over pools, from the output of the notebook."""
    cells = notebooks.read_notebook(run.ROOT / "notebooks" / f"{STEM}.ipynb").cells
    shown = " ".join(str(o.get("text", "")) for c in cells for o in c.get("outputs", []))
    gap, low, high = map(float, re.search(r"ternary_50 - sign: .+?\], (\S+) \[(\S+), (\S+)\]", shown).groups())
    assert low < gap < high < 0
    assert f"by {-gap:.3f} {-high:.3f}, {-low:.3f}" in text(STEM)


def test_the_order_of_the_others_and_the_one_exception(leak):
    others = leak.drop(index=["fp32", "uniform_2"])
    tau = stats.kendalltau(others.predicted, others.measured).statistic
    assert tau > 0.9
    assert leak.predicted["uniform_2"] < leak.predicted["ternary_90"]
    assert leak.low["uniform_2"] > leak.high["ternary_90"]


def test_nothing_lies_below_the_line_of_the_least(leak):
    line = table("02_edge_law")
    line = line[line.setting == "Gaussian weights"].sort_values("distortion")
    assert line.predicted.is_monotonic_decreasing
    rules = leak.drop(index="fp32")
    least = np.exp(np.interp(np.log(rules.distortion), np.log(line.distortion), np.log(line.predicted)))
    assert (rules.predicted > 0.97 * least).all()
    assert (rules.predicted[["lloyd_2", "lloyd_3", "ternary_33"]] > 1.08 * least[[*map(rules.index.get_loc, [
        "lloyd_2", "lloyd_3", "ternary_33"])]]).all()  # fmt: skip


def test_why_two_bits_are_an_exception():
    """Trained weights have short tails: half of the largest is near 1.06 sd, not 1.9."""
    game = synthetic.prepare(synthetic.Setting("", n_models=8, n_indicator=2, seed=100))
    first = game.models.weights[0].numpy().reshape(8, -1)
    gaussian = np.random.default_rng(0).normal(size=(50, 4096))
    top = ((abs(w).max(1) / w.std(1)).mean() for w in (first, gaussian))
    zeros = [sparsity(quantize(w, "uniform_2")).mean() for w in (first, gaussian)]
    assert [f"{t:.1f}" for t in top] == ["2.1", "3.8"]
    assert (f"{zeros[0]:.1f}", f"{zeros[1]:.0%}") == ("0.6", "94%")
    assert "2.1 sd, not 3.8: six in ten become zero, not 94 %" in text(STEM)
    spread = first.std(0).mean() / first.std()
    assert spread == pytest.approx(0.19, abs=0.02)
