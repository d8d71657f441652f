"""What notebook 01 says, against the tables of its figures and the exact values."""

import math

import numpy as np
import pytest
from reading import answer, table, text

from qmis_utils.theory import bits, edges, geometry, numerics, security

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


@pytest.fixture
def plane():
    """The rows of the figure of theorem E, n = 40: a row for each Hessian and size, the ways as columns."""
    rows = table("01_one_geometry")
    return rows.pivot(index=["Hessian", "c", "size"], columns="way", values=["nr", "insecurity"])


def test_theorem_e_gives_the_rate_of_every_way_to_the_grid(plane):
    over = plane.insecurity * math.pi * math.sqrt(40) * np.exp(plane.nr)
    assert ((over > 0.9) & (over < 3)).all(axis=None)  # one pair of edges; a cell in the plane has two or three
    assert (plane.insecurity.stack().max() / plane.insecurity.stack().min()) > 1000  # over three decades
    for c, v in ((-0.9, 1), (0.5, 1), (0.35, 0.5)):
        found = geometry.on_codeword_rates(np.linalg.inv([[v, c], [c, 1]]), math.sqrt(8 * 4 / 40))
        known = [40 * found[name] for name in ("round", "greedy", "train")]
        assert plane.nr.loc["right", c, 4][["each", "greedy", "training"]].tolist() == pytest.approx(known, rel=1e-5)


def test_the_hessian_protects_on_a_codeword_if_it_is_right(plane):
    leak, said = plane.insecurity, text(STEM)
    right, wrong = leak.loc["right"], leak.loc["wrong"]
    assert (right.greedy < 0.9 * right.each).all()
    assert (right.training <= right.greedy).all()
    assert (plane.nr.loc["right"].greedy >= (1 - 1e-6) * plane.nr.loc["right"].each).all()
    assert (wrong[["greedy", "training"]].min(axis=1) > 1.2 * wrong.each).all()  # where the theorem stops
    skewed = plane.loc["wrong", -0.9]
    for way in ("greedy", "training"):
        assert (skewed.nr[way] / skewed.nr.each).to_numpy() == pytest.approx(0.5525, abs=5e-5)
    most = (wrong[["greedy", "training"]].max(axis=1) / wrong.each).max()
    assert f"both have 0.5525 of the rate, and leak up to {most:.0f} times as much" in said


def test_the_metric_of_greedy_rounding_is_greedy_rounding(plane):
    """One weight rounded, the other moved by the Hessian and rounded: the same exact insecurity, by enumeration."""
    counts, turn = numerics.count_vectors(40, 5), 0.4 * np.pi * np.arange(5)
    V, step = np.array([[1, 0.5], [0.5, 1]]), math.sqrt(8 * 4 / 40)
    H = np.linalg.inv(V)
    kinds = math.sqrt(2) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    first, second = (counts @ kinds @ np.linalg.cholesky(V).T / 40 / step).T
    home = np.round(first)
    code = 9 + home + 20 * (9 + np.round(second + H[0, 1] / H[1, 1] * (first - home)))
    exact = security.release_insecurity(code.astype(int), counts, np.full(5, 0.2))
    assert plane.insecurity.greedy["right", 0.5, 4] == pytest.approx(exact, rel=1e-3)


def test_a_calibrated_constant_leaks_what_section_2_says():
    counts = numerics.count_vectors(10, 2)
    leak = security.release_insecurity((counts[:, 1] > 0).astype(int), counts, [0.9, 0.1])
    assert f"\\Delta_n = 2 \\cdot 0.1 \\cdot 0.9^{{10}} = {leak:.3f}$" in text(STEM)


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
