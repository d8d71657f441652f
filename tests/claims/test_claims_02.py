"""What notebook 02 says, against the tables of its figures."""

import math

import pytest
from reading import answer, table, text
from scipy import stats

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


def test_prediction_and_simulation_agree_but_for_powers_of_two_on_narrow_cells():
    survival = table("02_survival")
    best = survival.attack == "likelihood ratio"
    gap = survival.simulated - survival.predicted
    error = math.sqrt(1 / (6 * 10_000))
    assert (abs(gap[best]) < 4 * error).all()
    assert (abs(gap[~best & (survival.step >= 1)]) < 4 * error).all()
    assert (gap[~best & (survival.step < 0.5)] > 4 * error).all()
    distance = survival.pivot(index="step", columns="attack", values="distance")
    assert (distance["linear, powers of two"] <= distance["likelihood ratio"] * (1 + 1e-6)).all()


def test_the_exponent_is_halved_while_many_weights_flip():
    cases = table("02_crossover")
    flips = cases.d * stats.norm.sf(cases.b)
    cases["slope"] = cases.groupby("d").exact.transform(lambda leak: -leak.apply(math.log).diff())
    cases["slope"] /= cases.groupby("d").b.transform(lambda b: (b**2 / 2).diff())
    many, rare = cases[(flips > 20) & (cases.b >= 3)], cases[(flips < 0.01) & (cases.b >= 3)]
    assert many.slope.between(0.35, 0.65).all()
    assert rare.slope.between(0.9, 1.15).all()
    assert len(many) >= 2
    assert len(rare) >= 2
    assert (cases.closed / cases.exact).between(0.9, 1.2).all()
