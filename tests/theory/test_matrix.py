"""The matrix survival law (theorem D): against cells, orthants and simulated attacks, and where it stops to hold."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qmis_utils.theory import information, matrix

SIGN = ([-1.0, 1.0], [-np.inf, 0.0, np.inf])
LEVELS, EDGES = np.array([-1.0, 0.2, 0.5, 3.0]), np.array([-np.inf, -0.7, 0.1, 1.3, np.inf])


def grid(step, reach):
    """Return the levels and edges of a uniform grid that covers -reach to reach."""
    k = np.arange(-int(reach / step) - 1, int(reach / step) + 2)
    return step * k, np.r_[-np.inf, step * (k[1:] - 0.5), np.inf]


def random_covariance(rng, d, least=1e-3):
    vectors = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (vectors * np.geomspace(least, 1, d)) @ vectors.T, vectors


def at_least(large, small, slack=1e-9):
    """Tell whether large - small is positive semi-definite, up to rounding."""
    return np.linalg.eigvalsh(large - small).min() >= -slack * abs(large).max()


# ------------------------------------------------------------------------------------------------- moments, exactly


@pytest.mark.parametrize("r", [-0.9, -0.3, 0.0, 0.5, 0.97])
def test_the_covariance_of_released_values_is_that_of_the_cells(r):
    covariance, mean = np.array([[1.4, r * np.sqrt(1.4 * 0.6)], [r * np.sqrt(1.4 * 0.6), 0.6]]), np.array([0.2, -0.4])
    law = stats.multivariate_normal(mean, covariance)
    ends = np.clip(EDGES, -40, 40)
    below = np.array([[law.cdf([a, b]) for b in ends] for a in ends])
    cells = np.diff(np.diff(below, axis=0), axis=1)
    first, second = np.meshgrid(LEVELS, LEVELS, indexing="ij")
    expected = (cells * first * second).sum() - (cells * first).sum() * (cells * second).sum()
    slope, spread = matrix.quantizer_moments(LEVELS, EDGES, mean, covariance)
    assert spread[0, 1] == spread[1, 0] == pytest.approx(expected, abs=1e-7)
    for j in (0, 1):
        own = cells.sum(axis=1 - j)
        assert spread[j, j] == pytest.approx(own @ LEVELS**2 - (own @ LEVELS) ** 2, abs=1e-7)

        def expectation(m, j=j):  # of one released value
            return np.diff(stats.norm.cdf((EDGES - m) / np.sqrt(covariance[j, j]))) @ LEVELS

        assert slope[j] == pytest.approx((expectation(mean[j] + 1e-5) - expectation(mean[j] - 1e-5)) / 2e-5, abs=1e-8)


def test_one_coordinate_and_independent_ones_keep_the_squared_survival_correlation():
    sd, mean = np.array([0.5, 1.0, 2.0]), np.array([0.3, -0.1, 0.9])
    kept = matrix.linear_information(LEVELS, EDGES, mean, np.diag(sd**2))
    rho = [information.survival_correlation(LEVELS, EDGES, m, s) for m, s in zip(mean, sd, strict=True)]
    np.testing.assert_allclose(kept, np.diag(np.square(rho) / sd**2), atol=1e-12)


@pytest.mark.parametrize("u", [(1.0, -1.0), (1.0, 0.4), (0.0, 1.0)])
def test_the_best_linear_attack_of_all_directions_keeps_what_the_matrix_says(u):
    """(16.1): squared mean difference over variance, from the cells' laws, for 20,000 weightings of two coordinates."""
    covariance, mean, shift = np.array([[1.0, 0.6], [0.6, 0.7]]), np.array([0.2, -0.4]), 1e-3 * np.array(u)
    law = stats.multivariate_normal(mean, covariance)
    below = np.array([[law.cdf([a, b]) for b in np.clip(EDGES, -40, 40)] for a in np.clip(EDGES, -40, 40)])
    cells = np.diff(np.diff(below, axis=0), axis=1).ravel()
    values = np.array(list(itertools.product(LEVELS, LEVELS)))
    spread = (values.T * cells) @ values - np.outer(cells @ values, cells @ values)
    sd = np.sqrt(np.diag(covariance))
    before, after = (np.diff(stats.norm.cdf((EDGES - m[:, None]) / sd[:, None])) @ LEVELS for m in (mean, mean + shift))
    angle = np.linspace(0, np.pi, 20_000)
    weights = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kept = (weights @ (after - before)) ** 2 / ((weights @ spread) * weights).sum(axis=1)
    expected = shift @ matrix.linear_information(LEVELS, EDGES, mean, covariance) @ shift
    assert kept.max() == pytest.approx(expected, rel=2e-3)


def test_a_coordinate_that_is_released_as_a_constant_brings_nothing():
    kept = matrix.linear_information([1.0, 1.0], SIGN[1], 0.0, [[1.0, 0.5], [0.5, 1.0]])
    assert not kept.any()


# ----------------------------------------------------------------------------------------------- signs: the arcsine law


def test_signs_of_centred_coordinates_follow_the_arcsine_law():
    covariance, _ = random_covariance(np.random.default_rng(1), 6, 0.01)
    np.testing.assert_allclose(matrix.sign_information(covariance), matrix.linear_information(*SIGN, 0.0, covariance),
                               rtol=1e-9, atol=1e-9)  # fmt: skip
    moved = matrix.linear_information(*SIGN, np.sqrt(np.diag(covariance)), covariance)
    assert not np.allclose(moved, matrix.sign_information(covariance), rtol=0.1)


def orthant_information(covariance):
    """Return the Fisher information of three centred signs: closed orthant probabilities and their slopes."""
    sd = np.sqrt(np.diag(covariance))
    r, total = covariance / np.outer(sd, sd), np.zeros((3, 3))
    for signs in itertools.product((-1, 1), repeat=3):
        s = r * np.outer(signs, signs)
        probability = 1 / 8 + np.arcsin([s[0, 1], s[0, 2], s[1, 2]]).sum() / (4 * np.pi)
        slope = np.empty(3)
        for i in range(3):
            j, k = (a for a in range(3) if a != i)
            partial = (s[j, k] - s[i, j] * s[i, k]) / np.sqrt((1 - s[i, j] ** 2) * (1 - s[i, k] ** 2))
            slope[i] = signs[i] / sd[i] / np.sqrt(2 * np.pi) * (1 / 4 + np.arcsin(partial) / (2 * np.pi))
        total += np.outer(slope, slope) / probability
    return total


def test_three_signs_linear_at_most_all_at_most_unrounded():
    rng, ratios = np.random.default_rng(2), []
    for _ in range(100):
        covariance = np.cov(rng.normal(size=(3, 8)))
        linear, exact = matrix.sign_information(covariance), orthant_information(covariance)
        assert at_least(exact, linear)
        assert at_least(np.linalg.inv(covariance), exact)
        u = rng.normal(size=(50, 3))
        ratios += [((u @ linear) * u).sum(axis=1) / ((u @ exact) * u).sum(axis=1)]
    assert np.median(ratios) > 0.995  # the likelihood ratio rarely keeps more than the linear attack
    assert np.min(ratios) < 0.97  # but it can


def test_three_signs_orthants_agree_with_numbers_drawn():
    covariance = np.array([[1.0, 0.6, -0.2], [0.6, 2.0, 0.3], [-0.2, 0.3, 0.5]])
    drawn = np.random.default_rng(3).multivariate_normal(np.zeros(3), covariance, 400_000) > 0
    codes = drawn @ [4, 2, 1]
    shift, root = np.array([0.05, -0.04, 0.03]), np.linalg.cholesky(covariance)
    moved = (np.random.default_rng(4).normal(size=(400_000, 3)) @ root.T + shift > 0) @ [4, 2, 1]
    p, q = (np.bincount(c, minlength=8) / 400_000 for c in (codes, moved))
    assert ((q - p) ** 2 / p).sum() == pytest.approx(shift @ orthant_information(covariance) @ shift, abs=4e-4)


def test_nearly_equal_coordinates_lose_what_tells_them_apart():
    covariance, apart, together = np.array([[1.0, 0.99], [0.99, 1.0]]), np.array([1.0, -1.0]), np.array([1.0, 1.0])
    share = [
        u @ matrix.sign_information(covariance) @ u / (u @ np.linalg.solve(covariance, u)) for u in (apart, together)
    ]
    assert share[0] == pytest.approx(0.01 / (np.pi / 2 - np.arcsin(0.99)), rel=1e-9)  # .071 instead of 2/pi
    assert share[1] == pytest.approx(1.99 / (np.pi / 2 + np.arcsin(0.99)), rel=1e-9)
    assert share[0] < 0.072 < 2 / np.pi < share[1]


# ------------------------------------------------------------------------------------------------------ the noise floor


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.floats(1e-3, 1e2), scale=st.floats(0.01, 100))
def test_the_share_is_what_the_matrices_say_and_has_no_units(seed, noise, scale):
    rng = np.random.default_rng(seed)
    covariance, vectors = random_covariance(rng, 5)
    u = rng.normal(size=(4, 5))
    left = ((u @ matrix.noise_floor_information(covariance, noise)) * u).sum(axis=1)
    share = matrix.noise_floor_share(u, covariance, noise)
    np.testing.assert_allclose(share, left / ((u @ np.linalg.inv(covariance)) * u).sum(axis=1), rtol=1e-7)
    np.testing.assert_allclose(
        matrix.noise_floor_share(3 * scale * u, scale**2 * covariance, scale**2 * noise), share, rtol=1e-7
    )
    assert (
        np.diff(matrix.noise_floor_share(vectors.T, covariance, noise)) > 0
    ).all()  # variance protects a record less
    assert (matrix.noise_floor_share(u, covariance, 2 * noise) < share).all()


STEPS = {1: 1e-3, 2: 0.01, 3: 0.06, 4: 0.16}  # cell in mean sd -> largest relative error of d' in any direction


@pytest.mark.parametrize("width", STEPS)
def test_a_grid_is_a_floor_of_noise_in_many_correlated_coordinates(width):
    rng = np.random.default_rng(5)
    covariance, vectors = random_covariance(rng, 16)
    step = width * np.sqrt(np.diag(covariance)).mean()
    levels, edges = grid(step, 7 * np.sqrt(np.diag(covariance)).max())
    floor, u = (
        matrix.noise_floor_information(covariance, step**2 / 12),
        np.vstack([vectors.T, rng.normal(size=(8, 16))]),
    )
    means = step * rng.uniform(-0.5, 0.5, (6 if width < 3 else 24, 16))
    places = [matrix.linear_information(levels, edges, mean, covariance) for mean in means]
    exact, law = (((u @ m) * u).sum(axis=1) for m in (np.mean(places, axis=0), floor))
    error = abs(np.sqrt(exact / law) - 1).max()
    assert error < STEPS[width]
    assert error > STEPS[width] / 100  # the table is not slack
    if width > 2:  # at one place, not on average over places, it is further off
        apart = [abs(np.sqrt(((u @ m) * u).sum(axis=1) / law) - 1).max() for m in places]
        assert 2 * STEPS[width] < max(apart) < 0.6


def simulated_distance(weights, shift, levels, edges, mean, covariance, rng, draws=16_000):
    """Return d' of a linear attack on the release as simulated, with its 95 % half width."""
    root = np.linalg.cholesky(covariance)
    scores = [
        levels[np.digitize(rng.normal(size=(draws, len(mean))) @ root.T + mean + s, edges[1:-1])] @ weights
        for s in (0, shift)
    ]
    sd = np.sqrt((scores[0].var() + scores[1].var()) / 2)
    distance = (scores[1].mean() - scores[0].mean()) / sd
    return distance, 1.96 * np.sqrt((2 + distance**2 / 4) / draws)


@pytest.mark.parametrize("width", [1, 3])
def test_simulated_attacks_keep_what_the_law_says_by_direction(width):
    """Forty correlated coordinates: the direction of the record decides, by a factor of up to ten."""
    rng = np.random.default_rng(6)
    covariance, vectors = random_covariance(rng, 40)
    step = width * np.sqrt(np.diag(covariance)).mean()
    levels, edges = grid(step, 6 * np.sqrt(np.diag(covariance)).max())
    kept, places = {}, 4
    floor = matrix.noise_floor_information(covariance, step**2 / 12)
    for name, u in (("low", vectors[:, 0]), ("high", vectors[:, -1]), ("random", rng.normal(size=40))):
        u = 1.5 * u / np.sqrt(u @ np.linalg.solve(covariance, u))
        means = step * rng.uniform(-0.5, 0.5, (places, 40))
        found = np.array([simulated_distance(floor @ u, u, levels, edges, m, covariance, rng) for m in means])
        spread = max(found[:, 1].mean() / np.sqrt(places), 2 * found[:, 0].std(ddof=1) / np.sqrt(places))
        law = np.sqrt(u @ floor @ u)
        assert abs(found[:, 0].mean() - law) < 1.5 * spread + 0.01 * width * law, name
        kept[name] = law / 1.5
    assert kept["low"] < 0.3 < 0.94 < kept["high"]
    assert kept["low"] < kept["random"] < kept["high"]


def test_subtracting_the_dither_makes_the_floor_exact_in_second_order():
    rng, step = np.random.default_rng(7), 3.0
    covariance = np.array([[1.0, 0.9], [0.9, 1.0]])
    x = rng.normal(size=(400_000, 2)) @ np.linalg.cholesky(covariance).T + [0.4, -1.0]
    dither = step * rng.uniform(-0.5, 0.5, x.shape)
    released = step * np.round((x + dither) / step) - dither
    np.testing.assert_allclose(np.cov(released.T), covariance + step**2 / 12 * np.eye(2), atol=0.012)
    kept = matrix.noise_floor_information(covariance, step**2 / 12)
    np.testing.assert_allclose(np.linalg.inv(np.cov(released.T)), kept, atol=0.02)
    np.testing.assert_allclose(np.cov((released - x).T, x.T)[:2, 2:], 0, atol=0.01)  # the error knows nothing of x


@pytest.mark.parametrize(
    ("width", "least", "most"), [(2, 0.999, 1.001), (4, 1.03, 1.06), (6, 1.15, 1.25), (10, 1.6, 1.8)]
)
def test_wide_cells_keep_more_than_a_floor_of_noise(width, least, most):
    """Where cells are wider than about four standard deviations, the law of the edges takes over."""
    levels, edges = grid(float(width), 10 * width)
    mean = width * ((np.arange(400) + 0.5) / 400 - 0.5)
    rho = information.survival_correlation(levels, edges, mean, 1.0)
    assert least < np.square(rho).mean() / matrix.noise_floor_information([[1.0]], width**2 / 12)[0, 0] < most
    if width > 4:
        assert np.square(rho).mean() == pytest.approx(1.8063946 / width, rel=0.01)


def test_signs_are_no_floor_of_noise():
    """The cells of a sign are wider than anything: no step^2 / 12 gives what it keeps along two directions."""
    covariance, u = np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -1.0], [1.0, 1.0]])
    kept = ((u @ matrix.sign_information(covariance)) * u).sum(axis=1) / ((u @ np.linalg.inv(covariance)) * u).sum(
        axis=1
    )
    noise = covariance[0, 0] * (np.pi / 2 - 1)  # gives 2/pi to one coordinate
    floor = matrix.noise_floor_share(u, covariance, noise)
    assert abs(floor / kept - 1).max() > 0.2


# ---------------------------------------------------------------------------------------------------------- a real fit


def test_least_squares_protects_the_records_on_well_determined_inputs():
    """Refitted and rounded: what is left of each record is its share, which falls with its well-determined energy."""
    rng, n, d = np.random.default_rng(8), 200, 8
    x = rng.normal(size=(n, d)) * np.geomspace(1, 4, d)
    design = np.linalg.inv(x.T @ x)
    step = 2 * np.sqrt(np.diag(design)).mean()
    beta = step * rng.uniform(-3, 3, d)
    share = matrix.noise_floor_share(x @ design, design, step**2 / 12)
    energy = np.square(x[:, d // 2 :]).sum(axis=1) / np.square(x / np.geomspace(1, 4, d)).sum(axis=1)
    assert stats.spearmanr(share, energy).statistic < -0.6
    noise = rng.normal(size=(40_000, n))
    for record in (np.argmin(share), np.argsort(share)[n // 2], np.argmax(share)):
        outside = beta + noise @ (x @ design)
        fixed = noise.copy()
        fixed[:, record] = 2.5  # the training set holds this record, with the label that it has
        inside = beta + fixed @ (x @ design)
        kept = []
        for released in (lambda t: t, lambda t: step * np.round(t / step)):
            a, b = released(outside), released(inside)
            spread = (np.cov(a.T) + np.cov(b.T)) / 2
            gap = b.mean(axis=0) - a.mean(axis=0)
            kept.append(gap @ np.linalg.solve(spread, gap))
        assert kept[1] / kept[0] == pytest.approx(share[record], rel=0.06), record


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matrix.sign_information([[1.0, 2.0], [2.0, 1.0]]), "covariance must be positive definite"),
        (lambda: matrix.sign_information([[1.0, 0.5], [0.4, 1.0]]), "covariance must be a finite, symmetric matrix"),
        (lambda: matrix.sign_information([[np.nan]]), "covariance must be a finite"),
        (lambda: matrix.linear_information([1.0], SIGN[1], 0, np.eye(2)), r"levels must be finite, of shape \(2,\)"),
        (
            lambda: matrix.linear_information(SIGN[0], [-np.inf, 0.0, 1.0], 0, np.eye(2)),
            "edges must increase from -inf",
        ),
        (
            lambda: matrix.linear_information(*SIGN, np.zeros(3), np.eye(2)),
            r"mean must be a number or have shape \(2,\)",
        ),
        (lambda: matrix.noise_floor_information(np.eye(2), 0.0), "noise must be finite variances > 0"),
        (lambda: matrix.noise_floor_information(np.eye(2), [1.0, 1.0, 1.0]), "noise must be finite variances > 0"),
        (lambda: matrix.noise_floor_share([1.0], np.eye(2), 1.0), r"shift must be finite, of shape \(2,\)"),
        (lambda: matrix.noise_floor_share([0.0, 0.0], np.eye(2), 1.0), "shift must not be zero"),
        (lambda: matrix.noise_floor_share([1.0, 0.0], np.eye(2), -1.0), "noise must be a finite variance > 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
