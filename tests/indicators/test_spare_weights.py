"""The edge law and the noise floor of a few models: planted covariances, exact values, and what they must not read."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde, norm

from qmis_utils import indicators, quantizers
from qmis_utils.theory import edges as law_of_edges
from qmis_utils.theory import information, matrix


def planted(models, means, spread, seed=0):
    """Return weights (models, P) that vary independently around their means."""
    return means + spread * np.random.default_rng(seed).normal(size=(models, len(means)))


# --------------------------------------------------------------------------------------------------------- the edge law


def test_the_constant_of_an_edge():
    x = np.linspace(-38, 38, 400_001)
    kept = np.exp(2 * norm.logpdf(x) - norm.logcdf(x) - norm.logsf(x))
    assert np.trapezoid(kept, x) == pytest.approx(law_of_edges.EDGE, abs=1e-7)


@pytest.mark.parametrize("edges", [[0.0], [-0.5, 0.5], [-1.2, 0.0, 0.4, 1.5]])
def test_the_edge_law_is_the_share_of_gaussian_means_far_from_the_spread(edges):
    """Against statement 12 averaged over the same means: no cell is flat at the scale of its width."""
    means = norm.ppf((np.arange(4000) + 0.5) / 4000)
    full = planted(16, means, 0.02)
    quantized = np.digitize(full, edges).astype(float)
    found = indicators.edge_share(quantized, full, most=4000)
    law = law_of_edges.EDGE * 0.02 * norm.pdf(edges).sum()
    exact = information.surviving_information(np.r_[-np.inf, edges, np.inf], means, 0.02).mean()
    assert exact == pytest.approx(law, rel=0.01)
    np.testing.assert_allclose(found, law, rtol=0.05)  # a kernel is a little too flat, the deviation of 16 too small


def test_the_edge_law_of_weights_is_that_of_the_theory():
    full = planted(5, np.random.default_rng(7).normal(size=500), 0.05)
    found = indicators.edge_share(np.sign(full), full, models=1)
    middle = indicators.edges_of(np.sign(full[0]), full[0])
    leak, spread = gaussian_kde(full[0])(middle).sum(), full.std(axis=0, ddof=1).mean()
    assert found[0] == np.tanh(law_of_edges.edge_information(float(leak), float(spread)))
    assert found[0] == pytest.approx(np.tanh(1.8063946 * spread * leak), rel=1e-7)
    assert 0.01 < found[0] < 0.1
    still = np.repeat(full[:1], 4, axis=0)
    assert indicators.edge_share(np.sign(still), still, models=1) == 0  # no spread, so nothing to tell apart


def test_the_edge_law_knows_nothing_released_and_everything_released():
    full = planted(3, np.random.default_rng(1).normal(size=300), 0.1)
    assert (indicators.edge_share(full, full) == 1).all()
    assert (indicators.edge_share(np.ones_like(full), full) == 0).all()
    fine, coarse = (indicators.edge_share(np.round(full / step), full).mean() for step in (0.3, 3.0))
    assert 0 < coarse < fine < 1


def test_layers_weigh_as_much_as_they_hold():
    rng = np.random.default_rng(2)
    full = [rng.normal(size=(4, 30, 20)), rng.normal(size=(4, 1, 30))]
    quantized = [np.sign(full[0]), np.ones_like(full[1])]  # the second says nothing
    alone = indicators.edge_share(quantized[0].reshape(4, -1), full[0].reshape(4, -1))
    np.testing.assert_allclose(indicators.edge_weights(quantized, full), alone * 600 / 630)


# ------------------------------------------------------------------------------------------------------ the noise floor


def test_the_rounding_noise_is_that_of_the_grid_and_forgives_a_gain():
    full = [np.random.default_rng(3).normal(size=(5, 40, 50))]
    fine = [0.3 * np.round(full[0] / 0.3)]
    noise = indicators.rounding_noise(fine, full)
    assert noise.shape == (5, 2000)
    np.testing.assert_allclose(noise, 0.3**2 / 12, rtol=0.05)
    np.testing.assert_allclose(indicators.rounding_noise([7 * fine[0] + 1], full), noise)  # an attacker undoes a gain
    np.testing.assert_allclose(indicators.rounding_noise(full, full), 0, atol=1e-12)
    assert np.isinf(indicators.rounding_noise([np.ones_like(full[0])], full)).all()


def test_rows_that_have_their_own_scale_have_their_own_noise():
    full = [np.random.default_rng(4).normal(size=(3, 2, 400)) * np.array([1, 10])[:, None]]
    noise = indicators.rounding_noise([np.sign(full[0])], full, "row")
    assert noise[0, 0] * 100 == pytest.approx(noise[0, 400], rel=0.2)
    assert (noise[:, :400] == noise[:, :1]).all()


def by_definition(weights, noise, gradients):
    """Return the law with matrices written out."""
    share = indicators.shrinkage(weights)
    s = np.cov(weights.T)
    s = share * np.diag(np.diag(s)) + (1 - share) * s
    u = gradients @ s
    return [np.einsum("ni,ij,nj->n", u, np.linalg.inv(m), u) for m in (s, s + np.diag(noise))]


def test_the_noise_floor_is_its_definition():
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(9, 3)) @ rng.normal(size=(3, 20)) + 0.3 * rng.normal(size=(9, 20))
    noise, gradients = rng.uniform(0.1, 2, 20), rng.normal(size=(6, 20))
    np.testing.assert_allclose(
        indicators.noise_floor(weights, noise, gradients), by_definition(weights, noise, gradients)
    )


def test_the_shares_are_those_of_theorem_d_where_the_covariance_is_known():
    """With many models: a record along a direction of little variance loses more."""
    rng, (scale, step) = np.random.default_rng(6), (np.array([1.0, 0.3, 0.1]), 0.5)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    covariance = (turn * scale**2) @ turn.T
    weights = rng.normal(size=(1500, 3)) * scale @ turn.T
    gradients = (turn / scale).T  # shifts of equal d' along the three directions
    before, after = indicators.noise_floor(weights, np.full(3, step**2 / 12), gradients)
    law = matrix.noise_floor_share(gradients @ covariance, covariance, step**2 / 12)
    np.testing.assert_allclose(before, 1, rtol=0.1)
    np.testing.assert_allclose(after / before, law, rtol=0.08)
    assert law[0] > 0.9 > 0.4 > law[2]


def test_what_is_not_released_and_what_does_not_vary_bring_nothing():
    rng = np.random.default_rng(7)
    weights, gradients = rng.normal(size=(8, 10)), rng.normal(size=(4, 10))
    before, after = indicators.noise_floor(weights, np.full(10, np.inf), gradients)
    assert (after == 0).all()
    assert (before > 0).all()
    np.testing.assert_allclose(*indicators.noise_floor(weights, np.zeros(10), gradients))  # nothing is rounded
    weights[:, :5] = 1.0
    again = indicators.noise_floor(weights, np.full(10, 0.1), gradients)
    np.testing.assert_allclose(again, indicators.noise_floor(weights[:, 5:], np.full(5, 0.1), gradients[:, 5:]))


def test_more_noise_leaves_less_and_units_do_not_matter():
    rng = np.random.default_rng(8)
    weights, gradients = rng.normal(size=(8, 30)), rng.normal(size=(5, 30))
    noise = rng.uniform(0.1, 1, 30)
    before, after = indicators.noise_floor(weights, noise, gradients)
    assert (indicators.noise_floor(weights, 2 * noise, gradients)[1] < after).all()
    scaled = indicators.noise_floor(10 * weights, 100 * noise, gradients)
    np.testing.assert_allclose(scaled[1] / scaled[0], after / before)


def test_few_models_are_shrunk_and_many_are_not():
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(400, 1)) + 0.5 * rng.normal(size=(400, 30))
    values = [indicators.shrinkage(shared[:n]) for n in (5, 50, 400)]
    assert values[0] > values[1] > values[2]
    assert values[2] < 0.02
    assert indicators.shrinkage(rng.normal(size=(60, 400))) > 0.95
    assert indicators.shrinkage(np.ones((4, 9))) == 1
    c = shared[:6] - shared[:6].mean(axis=0)  # the estimator of Schaefer and Strimmer, entry by entry
    products = c[:, :, None] * c[:, None, :]
    variance, off = 6 / 5**3 * np.square(products - products.mean(axis=0)).sum(axis=0), ~np.eye(30, dtype=bool)
    expected = variance[off].sum() / np.square(np.cov(shared[:6].T)[off]).sum()
    assert values[0] < 1
    assert indicators.shrinkage(shared[:6]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "shapes", [((1, 3), (3,), (2, 3)), ((4, 3), (2,), (2, 3)), ((4, 3), (3,), (2, 4)), ((4,), (3,), (2, 3))]
)
def test_shapes_that_disagree_are_named(shapes):
    with pytest.raises(ValueError, match=r"weights \(B, P\), noise \(P,\), gradients \(N, P\)"):
        indicators.noise_floor(*(np.ones(shape) for shape in shapes))


def test_every_quantizer_has_both():
    rng = np.random.default_rng(10)
    full = [rng.normal(size=(4, 12, 16)).astype(np.float32), rng.normal(size=(4, 1, 12)).astype(np.float32)]
    for name in quantizers.QUANTIZERS:
        released = [np.asarray(quantizers.as_array(quantizers.quantize(w, name).values)) for w in full]
        assert np.isfinite(indicators.edge_weights(released, full)).all(), name
        assert (indicators.rounding_noise(released, full) >= 0).all(), name
