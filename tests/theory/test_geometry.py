"""Theorem E: rates as distances, against exact laws, quadrature, exact insecurities and the algorithms themselves."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from qmis_utils.theory import geometry, rates, security

INPUTS = np.array([[1, -2], [1, -1], [1, 0], [1, 1], [1, 2.5]])
TRUTH = np.array([0.999, 0.55, 0.999, 0.55, 0.999])  # chance of a one at each input: no logistic curve
LAW = np.concatenate([1 - TRUTH, TRUTH]) / 5


def logistic_losses(words):
    logits = words @ INPUTS.T
    return np.concatenate([np.logaddexp(0, logits), np.logaddexp(0, -logits)], axis=-1)


def misspecified_logistic():
    """Minimiser of the expected logistic loss, Hessian and covariance of the gradient there, from the exact law."""
    star = np.zeros(2)
    for _ in range(100):  # Newton
        mean = special.expit(INPUTS @ star)
        hessian = np.einsum("i,ij,ik->jk", mean * (1 - mean) / 5, INPUTS, INPUTS)
        star = star - np.linalg.solve(hessian, (mean - TRUTH) @ INPUTS / 5)
    gradients = np.concatenate([mean[:, None] * INPUTS, (mean - 1)[:, None] * INPUTS])
    assert LAW @ gradients == pytest.approx(np.zeros(2), abs=1e-14)
    return star, hessian, (gradients.T * LAW) @ gradients


def random_metric(rng, d):
    root = rng.normal(size=(d, d + 1))
    return root @ root.T


def grid(d, reach=2):
    return np.array(list(itertools.product(range(-reach, reach + 1), repeat=d)), float)


@pytest.mark.parametrize("size", [0.1, 0.01, 0.001])
def test_theorem_e_misspecified_rates_of_logistic_regression(size):
    """The rates from the exact law of ten losses tend to the sandwich distance; the Fisher distance stays off."""
    star, hessian, covariance = misspecified_logistic()
    words = star + size * np.array([[0.2, -0.1], [1.5, 0.3], [-1.2, 0.8], [0.3, -1.6], [-0.5, -1.4], [0.9, 1.2]])
    losses = logistic_losses(words)
    home = (losses @ LAW).argmin()
    gaps = np.delete(losses - losses[home], home, axis=0)
    exact = np.array([rates.gaussian_rate(gap, LAW) for gap in gaps])
    ratio = exact / geometry.codebook_rate(star, words, hessian, covariance)
    assert ratio == pytest.approx(np.ones(5), rel=3 * size)
    off = exact / rates.fisher_voronoi_rate(star, words, hessian)
    assert off.max() / off.min() > 1.25  # not even a common factor
    assert abs(off - 1).max() > 0.3


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4))
def test_theorem_e_contains_statement_9_and_scales(seed, d):
    rng = np.random.default_rng(seed)
    metric, star, words = random_metric(rng, d), rng.normal(size=d), rng.normal(size=(5, d))
    found = geometry.codebook_rate(star, words, metric, metric)
    assert found == pytest.approx(rates.fisher_voronoi_rate(star, words, metric), rel=1e-9)
    other = random_metric(rng, d)
    assert geometry.codebook_rate(star, words, metric, 4 * other) == pytest.approx(
        geometry.codebook_rate(star, words, metric, other) / 4
    )
    turn = rng.normal(size=(d, d))  # new coordinates theta = turn @ eta change nothing
    inverse = np.linalg.inv(turn)
    again = (inverse @ star, words @ inverse.T, turn.T @ metric @ turn, turn.T @ other @ turn)
    assert geometry.codebook_rate(*again) == pytest.approx(geometry.codebook_rate(star, words, metric, other), rel=1e-6)


def test_codebook_rate_keeps_its_digits_far_away():
    words = [[1e12], [1e12 + 2**-10]]
    assert geometry.codebook_rate([0.0], words, [[1.0]], [[1.0]])[0] == pytest.approx(1e24 / 2, rel=1e-9)
    scaled = geometry.codebook_rate([0.0], [[1e-8], [4e-8]], [[1e-10]], [[1e-10]])
    assert scaled[0] == pytest.approx((2.5e-8) ** 2 * 1e-10 / 2)
    assert geometry.codebook_rate([0.0], [[1.0], [1.0]], [[1.0]], [[1.0]]).tolist() == [0]


def exit_log_chance(home, V, n, angles=4000):
    """log P(N(0, V / n) leaves a star-shaped cell around 0), by quadrature over the angle; `home` says who is in it."""
    angle = (np.arange(angles) + 0.5) * 2 * np.pi / angles
    rays = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.linalg.cholesky(V).T
    low, high = np.zeros(angles), np.full(angles, 50.0)
    for _ in range(45):
        middle = (low + high) / 2
        inside = home(middle[:, None] * rays)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return special.logsumexp(-n * low**2 / 2) - math.log(angles)


def nearest_is_home(metric, step, offset=(0.0, 0.0)):
    """Whether the grid point at -offset is the nearest, in a metric, to points measured from theta*."""
    words = step * grid(2, 2) - np.asarray(offset)
    middle = len(words) // 2

    def home(points):
        apart = points[:, None] - words
        return np.einsum("nki,ij,nkj->nk", apart, metric, apart).argmin(1) == middle

    return home


@pytest.mark.parametrize("seed", range(4))
def test_theorem_e_rates_are_those_of_the_exit_probability(seed):
    """Normal estimator in two dimensions, off the codeword, misspecified: training and rounding."""
    rng = np.random.default_rng(seed)
    hessian, covariance = random_metric(rng, 2), random_metric(rng, 2)
    V = geometry.sandwich(hessian, covariance)
    offset = rng.uniform(-0.15, 0.15, 2)
    for metric, rate in (
        (hessian, geometry.codebook_rate(offset, grid(2, 2), hessian, covariance).min()),
        (np.eye(2), geometry.rounding_rate(offset, 1.0, V).min()),
    ):
        n = 400 / rate
        log_chance = exit_log_chance(nearest_is_home(metric, 1.0, offset), V, n, angles=4000)
        assert -log_chance / (n * rate) == pytest.approx(1, abs=0.02)


def test_rounding_exit_is_that_of_a_box():
    """The quadrature itself against scipy's normal law of a box, and the union of the faces."""
    V, n = np.array([[1.0, 0.8], [0.8, 1.0]]), 24
    law = stats.multivariate_normal(np.zeros(2), V / n)
    outside = 1 - law.cdf([0.5, 0.5], lower_limit=[-0.5, -0.5])
    assert math.exp(exit_log_chance(nearest_is_home(np.eye(2), 1.0), V, n)) == pytest.approx(outside, rel=1e-3)
    one_face = stats.norm.sf(math.sqrt(2 * n * geometry.rounding_rate([0.0, 0.0], 1.0, V).min()))
    assert 2 * one_face < outside < 4 * one_face


@pytest.mark.parametrize("d", [2, 3, 4])
def test_theorem_e_order_on_a_codeword(d):
    for seed in range(30):
        metric = random_metric(np.random.default_rng([d, seed]), d)
        found = geometry.on_codeword_rates(metric, 0.5)
        assert 0 < found["round"] <= found["greedy"] * (1 + 1e-12)
        assert found["greedy"] <= found["train"] * (1 + 1e-12)
        assert found["round"] == pytest.approx(geometry.rounding_rate(np.zeros(d), 0.5, np.linalg.inv(metric)).min())
        words = 0.5 * grid(d, 2)
        if d < 4:  # the nearest bisector belongs to a short vector
            brute = rates.fisher_voronoi_rate(np.zeros(d), words, metric).min()
            assert found["train"] <= brute * (1 + 1e-9)
    ratio = {"greedy": [], "train": []}
    for seed in range(4):
        found = geometry.on_codeword_rates(random_metric(np.random.default_rng([d, seed]), d), 1.0)
        for name in ratio:
            ratio[name].append(found[name] / found["round"])
    assert max(ratio["train"]) > 1.2
    assert on_identity(d)


def on_identity(d):
    """Without correlation the three ways are one."""
    found = geometry.on_codeword_rates(np.diag(np.arange(1.0, d + 1)), 2.0)
    return found == pytest.approx(dict.fromkeys(found, 0.5))


@pytest.mark.parametrize("d", [2, 3])
def test_greedy_rate_is_the_distance_at_which_gptq_leaves_home(d):
    """Coordinate by coordinate: round it, then move the later ones to their minimum given the error."""
    rng = np.random.default_rng(d)
    H = random_metric(rng, d)
    radius = math.sqrt(2 * geometry.on_codeword_rates(H, 1.0)["greedy"])

    def goes_home(theta):
        theta = theta.copy()
        for j in range(d):
            level = np.rint(theta[j])
            if level:
                return False
            theta[j + 1 :] += np.linalg.solve(H[j + 1 :, j + 1 :], H[j + 1 :, j]) * (theta[j] - level)
        return True

    directions = rng.normal(size=(4000, d))
    inverse = np.linalg.inv(H)
    lower = np.linalg.cholesky(inverse)
    directions = np.vstack([directions, lower[:, np.diag(lower).argmax()]])  # the nearest point of the nearest face
    directions /= np.sqrt(np.einsum("ni,ij,nj->n", directions, H, directions))[:, None]
    assert all(goes_home(0.999 * radius * direction) for direction in directions)
    assert not goes_home(1.001 * radius * directions[-1])


def test_shortest_vector_against_listing_and_known_lattices():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 5))
        metric = random_metric(rng, d)
        words = grid(d, 6 if d < 4 else 4)
        squared = np.einsum("ki,ij,kj->k", words, metric, words)
        vector, length = geometry.shortest_vector(metric)
        assert length <= math.sqrt(squared[squared > 0].min()) * (1 + 1e-12)
        assert length == pytest.approx(math.sqrt(vector @ metric @ vector))
        assert vector.any()
        turn = np.array([[1, 7], [0, 1]]) @ np.array([[1, 0], [-5, 1]]) if d == 2 else np.eye(d, dtype=int)
        assert geometry.shortest_vector(turn.T @ metric @ turn)[1] == pytest.approx(length)  # another basis
    e6 = 2 * np.eye(6)  # root lattice: all shortest vectors have length sqrt 2
    for a, b in ((0, 1), (1, 2), (2, 3), (3, 4), (2, 5)):
        e6[a, b] = e6[b, a] = -1
    assert geometry.shortest_vector(e6)[1] == pytest.approx(math.sqrt(2))
    assert geometry.shortest_vector([[1.0, 0.9], [0.9, 1.0]])[1] == pytest.approx(math.sqrt(0.2))


def test_theorem_e_has_no_order_away_from_a_codeword():
    """Where the mean lies decides: either may be the more secure, by any factor."""
    metric = np.linalg.inv([[1.0, 0.6], [0.6, 1.0]])
    words = grid(2, 3)
    more = []
    for place in ((0.25, 0.45), (-0.45, 0.45)):
        train = geometry.codebook_rate(place, words, metric, metric).min()
        more.append(train / geometry.rounding_rate(place, 1.0, np.linalg.inv(metric)).min())
    assert min(more) < 0.5
    assert max(more) > 2


def test_theorem_e_has_no_order_for_a_misspecified_model():
    """H has correlation .9 but V = 1: the Voronoi cell is cut where the law is wide."""
    H = np.array([[1.0, 0.9], [0.9, 1.0]])
    covariance = H @ H
    V = geometry.sandwich(H, covariance)
    assert pytest.approx(np.eye(2)) == V
    train = geometry.codebook_rate(np.zeros(2), grid(2), H, covariance).min()
    assert train / geometry.rounding_rate(np.zeros(2), 1.0, V).min() == pytest.approx(1 / 1.81)


def test_theorem_e_exact_insecurities_of_a_mean_in_the_plane():
    """Four kinds of samples, their mean to the nearest grid point in the precision metric (training) or in each
    coordinate (rounding): log Delta less the law of one face, of which there may be up to six."""
    points = np.array([[1.0, 0.3], [-1.0, -0.3], [0.4, 1.1], [-0.4, -1.1]])
    probs = np.full(4, 0.25)
    V = (points.T * probs) @ points
    metric, step = np.linalg.inv(V), 0.71
    found = geometry.on_codeword_rates(metric, step)
    words = step * grid(2, 2)
    exact = {}
    n = 90
    for name, used in (("train", metric), ("round", np.eye(2))):
        apart = words[:, None] - points
        losses = np.einsum("kmi,ij,kmj->km", apart, used, apart)
        exact[name] = security.finite_support_insecurity(losses, probs, n, log=True)
        law = -n * found[name] - math.log(math.pi * math.sqrt(n))
        assert law - 0.2 < exact[name] < law + math.log(6) + 0.2
    assert exact["train"] < exact["round"] - 0.5


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("hessian must", lambda: geometry.sandwich([[0.0]], [[1.0]])),
        ("hessian must", lambda: geometry.sandwich([[1.0, 2.0]], [[1.0]])),
        ("score_covariance must", lambda: geometry.sandwich([[1.0]], np.eye(2))),
        ("symmetric", lambda: geometry.sandwich([[1e-10, 0.5e-10], [0.0, 1e-10]], np.eye(2))),
        ("codebook must", lambda: geometry.codebook_rate([0.0], [[1.0]], [[1.0]], [[1.0]])),
        ("theta_star must", lambda: geometry.codebook_rate([0.0, 1.0], [[1.0], [2.0]], [[1.0]], [[1.0]])),
        ("theta_star must", lambda: geometry.rounding_rate([math.nan], 1.0, [[1.0]])),
        ("covariance must", lambda: geometry.rounding_rate([0.0], 1.0, np.eye(2))),
        ("step must", lambda: geometry.rounding_rate([0.0], 0.0, [[1.0]])),
        ("step must", lambda: geometry.on_codeword_rates([[1.0]], -1.0)),
        ("at most 6", lambda: geometry.shortest_vector(np.eye(7))),
        ("ill-conditioned", lambda: geometry.shortest_vector(1e-14 * np.eye(6) + np.ones((6, 6)))),
        ("gram must", lambda: geometry.shortest_vector([[-1.0]])),
    ],
)
def test_bad_input_names_the_argument(message, call):
    with pytest.raises(ValueError, match=message):
        call()
