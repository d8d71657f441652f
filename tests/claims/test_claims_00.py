"""Notebook 00 says what its figure shows, and its figure what the normal law says."""

import math

import numpy as np
import pytest
from reading import answer, table, text
from scipy.stats import norm

from qmis_utils.theory import security

STEM = "00_start_here"


def best_guess(step):
    """Return how often the best guess about z = 2.3 is right, by the normal law alone."""
    without, within = norm(0.3, 1 / math.sqrt(10)), norm(0.5, 0.3)
    edges = np.linspace(-3, 4, 70_001) if step is None else step * (np.arange(-5, 7) - 0.5)
    return (1 + abs(np.diff(without.cdf(edges)) - np.diff(within.cdf(edges))).sum() / 2) / 2


def test_the_best_guesses_are_those_of_the_normal_law():
    shown = table("00_what_is_mis").dropna(subset="best_guess_right").set_index("release").best_guess_right
    assert shown["exact"] == pytest.approx(best_guess(None), abs=1e-5)
    assert shown["rounded"] == pytest.approx(best_guess(1.5), abs=1e-9)
    assert 0.5 < shown["rounded"] < shown["exact"]
    said = f"right in {shown['exact']:.1%} of cases when the mean is exact, and in {shown['rounded']:.1%} when"
    assert said.replace("%", " %") in answer(STEM)


def test_the_played_games_are_quoted_with_their_interval():
    games = table("00_what_is_mis").dropna(subset="measured")
    shown = games[games.step == 1.5].iloc[0]
    said = f"{shown.measured:.3f} {shown.low:.3f}, {shown.high:.3f} over all records, exactly {shown.exact:.3f}"
    assert said in answer(STEM)
    assert shown.low <= shown.exact <= shown.high


def test_the_curve_falls_late_and_not_everywhere():
    curve = table("00_what_is_mis")
    curve = curve[curve.measured.isna() & curve.step.notna()]
    full = curve.exact.iloc[0]
    left = {width: np.interp(width / math.sqrt(10), curve.step, curve.exact) / full for width in (1, 2.4, 4)}
    assert left[1] > 0.93
    assert left[2.4] > 0.93
    assert left[4] < 0.6
    assert (curve.exact.diff() > 1e-5).any()
    assert "it falls steadily from about $2.4/\\sqrt n$ on" in text(STEM)


def test_the_curve_dips_and_rises_before_it_falls_steadily():
    assert "Before that it dips and rises again (steps 0.35 to 0.6)" in text(STEM)
    early, middle, peak = (security.gaussian_mean_insecurity(10, step, 0.3) for step in (0.2, 0.36, 0.59))
    assert middle < peak < early
    steps = np.linspace(2.4 / np.sqrt(10), 3, 60)
    assert (np.diff(security.gaussian_mean_insecurity(10, steps, 0.3)) < 0).all()
