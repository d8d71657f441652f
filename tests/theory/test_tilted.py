"""The tilted Monte Carlo against the exact engine."""

import math

import numpy as np
import pytest

from qmis_utils.theory import security, tilted


@pytest.mark.parametrize(("n", "about"), [(40, 1e-2), (460, 1e-12)])
def test_monte_carlo_brackets_the_exact_value(n, about):
    losses = np.array([[0.10, 0.50, 0.73], [0.36, 0.21, 0.62], [0.55, 0.31, 0.14], [0.8, 0.9, 0.1]])
    probs = np.array([0.62, 0.2, 0.18])
    exact = security.finite_support_insecurity(losses, probs, n)
    assert about / 30 < exact < about * 30
    results = [
        tilted.codebook_insecurity_mc(losses, probs, n, np.random.default_rng(seed), 20_000) for seed in range(20)
    ]
    assert sum(r.low <= exact <= r.high for r in results) >= 17
    assert all(r.low <= r.value <= r.high and r.high - r.low < 0.2 * exact for r in results)
    logs = tilted.codebook_insecurity_mc(losses, probs, n, np.random.default_rng(0), 20_000, log=True)
    assert logs.value == pytest.approx(math.log(results[0].value))


def test_monte_carlo_reaches_runners_up_that_can_only_tie():
    losses, probs = np.array([[0.0, 0.0], [0.0, 1.0]])[::-1], np.array([0.9, 0.1])
    exact = security.finite_support_insecurity(losses, probs, 100)  # the lower index wins where sample 1 never occurs
    assert exact == pytest.approx(0.9**100 * 0.2, rel=1e-9)
    result = tilted.codebook_insecurity_mc(losses, probs, 100, np.random.default_rng(0), 20_000)
    assert result.low <= exact <= result.high


def test_effective_samples_of_a_tie_are_the_draws_that_leave_the_home_codeword():
    """Two codewords tied for the minimum need no tilt: all weights are one, and each wins half of an odd n."""
    result = tilted.codebook_insecurity_mc(np.eye(2), [0.5, 0.5], 7, np.random.default_rng(0), 20_000)
    assert result.effective_samples == pytest.approx(10_000, abs=300)
    assert result.effective_samples == round(result.effective_samples)


@pytest.mark.parametrize(("K", "samples", "error"), [(40, 200, 0.06), (200, 500, 0.04)])
def test_many_runners_up_and_few_draws_bias_neither_the_value_nor_the_interval(K, samples, error):
    """An attack judged on the draws that taught it is too strong, on others too weak; the value lies between."""
    losses, probs, rng = np.random.default_rng(3).random((K, 5)), np.full(5, 0.2), np.random.default_rng(0)
    exact = security.finite_support_insecurity(losses, probs, 20)
    results = [tilted.codebook_insecurity_mc(losses, probs, 20, rng, samples) for _ in range(100)]
    assert np.mean([result.value for result in results]) == pytest.approx(exact, rel=error)
    assert np.mean([result.low <= exact for result in results]) > 0.95
    assert np.mean([result.high >= exact for result in results]) > 0.95


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="samples must"):
        tilted.codebook_insecurity_mc(np.eye(2), [0.5, 0.5], 3, np.random.default_rng(0), 5)
