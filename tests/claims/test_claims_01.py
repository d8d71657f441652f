"""What notebook 01 says, against the tables of its figures and the exact values."""

import math

import numpy as np
import pytest
from reading import answer, table, text

from qmis_utils.theory import bits, edges, security

STEM = "01_theory_derivation"


@pytest.fixture
def leaks():
    """Insecurity at n = 1000 by release, from the first figure."""
    laws = table("01_three_laws")
    rows = laws[laws.n == 1000].set_index("release")
    return np.exp(rows[["exact", "law"]])


def test_the_answer_quotes_the_three_values_at_a_thousand_samples(leaks):
    unrounded, edge, far = (leaks.exact[name] for name in ("unrounded", "on an edge", "0.13 from an edge"))
    said = answer(STEM)
    assert f"gains {unrounded:.4f} without rounding, {far:.7f} at $b = 0.13$, and {edge:.4f} again on an edge" in said
    assert far < unrounded / 1000 < edge  # the conclusion: rounding helps, but not on an edge


def test_the_law_is_the_one_of_the_answer(leaks):
    assert leaks.law["unrounded"] == pytest.approx(1 / (math.pi * math.sqrt(1000)))
    assert leaks.law["0.13 from an edge"] == pytest.approx(math.exp(-1000 * 0.13**2 / 2) / (math.pi * math.sqrt(1000)))
    assert (leaks.exact / leaks.law).between(0.9, 1.1).all()


def test_what_we_saw_quotes_the_same_values(leaks):
    unrounded, far = leaks.exact["unrounded"], leaks.exact["0.13 from an edge"]
    assert f"at $n = 1000$, {unrounded:.4f} for $b = 0$ and {far:.7f} for $b = 0.13$" in text(STEM)


def test_the_figure_of_bits_shows_what_section_3_says():
    frame = table("01_bits").set_index("bits")
    lines, dots = frame[frame["Pinsker"].notna()], frame[frame["majority of coins"].notna()]
    pinsker, bound, codes = (lines[name] for name in ("Pinsker", "W, theorem A", "random codes, n = 100"))
    assert (codes < bound).all()
    assert (bound <= pinsker).all()
    assert bound.max() < 1  # says something where Pinsker does not, from log K = 2 n on
    assert lines.index[pinsker == 1].min() > 2 / math.log(2) > lines.index[pinsker < 1].max()
    few = lines.index < 0.05
    assert (bound[few] / pinsker[few]).to_numpy() == pytest.approx(1, abs=0.002)
    many = lines.index > 0.5
    assert (codes[many] > 0.93 * bound[many]).all()  # what bits alone cannot forbid
    assert (dots["majority of coins"] < dots["one bit, largest"]).all()
    assert (dots["one bit, largest"] < bits.sharp_pinsker(dots.index * math.log(2))).all()
    assert "about $1 / \\sqrt{2 \\pi n}$" in text(STEM)


def test_the_calculator_counts_the_network_of_the_text():
    found = bits.bits_bound(128, weights=128 * 32 + 32, bits=1, floats=33 + 2)
    assert found.bits == 5248
    assert found.insecurity > 1 - 1e-11
    assert (
        "128 inputs, 32 hidden units and one output, at one bit a weight, still has 33 biases and two scales"
        in text(STEM)
    )


def test_dithering_beats_noise_by_at_most_28_per_cent():
    leak = table("01_utility_frontier").pivot(index="w", columns="rule", values="insecurity")
    ratio = leak.dithered / leak.noise
    assert (ratio < 1).all()
    assert ratio.min() > math.sqrt(math.pi / 6)
    assert f"{1 - math.sqrt(math.pi / 6):.0%}" == "28%"
    assert "For one number dithered rounding is at most 28 % better than noise of equal error" in text(STEM)
    assert (leak["on edge"] > 0.99 * leak["on edge"].iloc[0]).all()  # one bit leaks everything
    assert leak["at centre"].iloc[-1] < 1e-30


def test_for_many_coordinates_noise_beats_rounding_and_random_rounding_nearly_does():
    """The constant and the order of section 11, from the engines."""
    said = text(STEM)
    assert f"\\sqrt{{{edges.EDGE / 12:.4f}" in said.replace(" ", "").replace("\\,w", "")
    assert f"+{edges.SLOPE:.2f})/w^2" in said.replace(" ", "")
    for w in (5, 20, 40):
        plain, noise = (edges.noise_information(kind, w / math.sqrt(12)) for kind in ("uniform", "gaussian"))
        random = edges.stochastic_information(w / math.sqrt(2))
        assert noise < random < plain  # the reverse of one coordinate, above
        assert random / noise < 1.7
        assert edges.coordinate_leak("uniform", w / math.sqrt(12)) < edges.coordinate_leak(
            "gaussian", w / math.sqrt(12)
        )


def test_the_map_has_ridges_and_a_narrow_band():
    diagram = table("01_phase_diagram")
    share = diagram.insecurity / diagram.full_precision
    largest = diagram.n == diagram.n.max()
    on = largest & (diagram["mean"] == 0.3) & diagram.step.isin([0.6, 0.2, 0.12])
    assert on.sum() == 3
    assert (share[on] > 0.99).all()
    assert share[largest & (diagram["mean"] == 0) & (diagram.step >= 0.1)].max() < 1e-6
    assert f"{math.sqrt(math.log(1e6) / math.log(2)):.1f}" in text(STEM)
    assert {0, 0.1, 0.12, 0.25, 0.3, 0.5} == set(diagram["mean"])


def test_exercise_prose_about_the_rate_alone():
    exact = next(n for n in range(1, 1000) if security.gaussian_mean_insecurity(n, 0.5, 0.12) < 1e-3)
    alone = math.ceil(2 * math.log(1000) / 0.13**2)
    assert (exact, alone) == (338, 818)
    assert f"{alone / exact:.1f}" == "2.4"
    assert 55 < math.pi * math.sqrt(exact) < 60
