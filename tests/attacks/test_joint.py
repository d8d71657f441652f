"""Attacks on a whole release: against known likelihood ratios and posteriors, and where nothing is to be found."""

from functools import partial

import numpy as np
import pytest
import torch

from qmis_utils import attacks, ensemble
from qmis_utils.attacks import joint

N = 24


def released(weights, members, outputs=None, outputs_out=None):
    """Return the evidence about linear models with these weights (M, P), and outputs that need not be theirs."""
    shape = len(weights), members.shape[1]
    layer = torch.tensor(weights[:, None], dtype=torch.float32)
    models = ensemble.Ensemble((layer,), (torch.zeros(len(weights), 1),), "binary")
    outputs = np.zeros(shape) if outputs is None else outputs
    outputs_out = np.zeros((len(weights), 5)) if outputs_out is None else outputs_out
    return attacks.Evidence(members, np.logaddexp(0, -outputs), outputs, models=models, outputs=outputs,
                            outputs_out=outputs_out, losses_out=np.logaddexp(0, -outputs_out))  # fmt: skip


def moved(rng, n_models=200, shift=1.0, noise=1.0, p=40):
    """Draw memberships and weights = sum of the members' shifts + noise; return the shifts, too."""
    members = ensemble.random_halves(n_models, N, rng)
    shifts = shift * rng.normal(size=(N, p))
    return members, (2.0 * members - 1) @ shifts + noise * rng.normal(size=(n_models, p)), shifts


def mean_auc(name, evidence):
    return attacks.auc(attacks.ATTACKS[name].run(evidence), evidence.members).mean()


def test_a_ridge_on_the_label_is_the_gaussian_likelihood_ratio_with_shrunken_covariance():
    """Its prediction is an affine function of delta' (S + penalty I)^-1 w, S the covariance within the classes."""
    rng = np.random.default_rng(0)
    members, weights, _ = moved(rng, n_models=30)  # fewer models than weights: the covariance is of low rank
    label, penalty = members[:, :1], 0.3
    centred = weights - weights.mean(axis=0)
    means = [weights[label[:, 0] == side].mean(axis=0) for side in (True, False)]
    within = sum(np.cov(weights[label[:, 0] == s].T, bias=True) * (label[:, 0] == s).sum() for s in (True, False))
    absolute = penalty * np.square(centred).sum() / len(weights)
    direction = np.linalg.solve(within + absolute * np.eye(weights.shape[1]), means[0] - means[1])
    fresh = rng.normal(size=(50, weights.shape[1]))
    dual = np.linalg.solve(centred @ centred.T + absolute * np.eye(30), 2.0 * label[:, 0] - 1 - (2 * label.mean() - 1))
    assert abs(np.corrcoef(fresh @ direction, fresh @ (centred.T @ dual))[0, 1]) > 1 - 1e-9


def test_the_joint_decoder_comes_near_the_posterior_where_that_is_known():
    """Records outnumber what one membership moves: the others are signal, not noise, to a forward model."""
    rng = np.random.default_rng(1)
    members, weights, shifts = moved(rng, n_models=400, noise=2.0)
    posterior = weights @ np.linalg.solve(shifts.T @ shifts + 4.0 * np.eye(40), shifts.T)
    best = attacks.auc(posterior, members).mean()
    found = mean_auc("joint_decoder", released(weights, members))
    assert best - 0.02 < found < best + 0.005
    flipped = attacks.joint_decoder(released(-weights, members))
    np.testing.assert_allclose(flipped, attacks.joint_decoder(released(weights, members)), atol=1e-6)


def test_outputs_elsewhere_tell_of_a_record():
    """The output at the record is noise, those on the population move with its membership: LiRA is blind to them."""
    rng = np.random.default_rng(2)
    members, outputs_out, _ = moved(rng, noise=1.0)
    evidence = released(np.zeros((200, 3)), members, rng.normal(size=members.shape), outputs_out)
    assert abs(mean_auc("lira", evidence) - 0.5) < 0.03
    for name in ("output_regression", "release_regression", "stacked_outputs"):
        assert mean_auc(name, evidence) > 0.9, name


@pytest.mark.parametrize("signal", [0, 1, 2])
def test_the_stack_is_hardly_below_the_best_of_its_parts(signal):
    """Whichever part holds the signal: the record's output, the outputs elsewhere, or the weights."""
    rng = np.random.default_rng(3)
    members, found, _ = moved(rng, n_models=256, noise=3.0)
    noise = [rng.normal(size=members.shape), rng.normal(size=found.shape), rng.normal(size=found.shape)]
    noise[signal] = members + noise[0] if signal == 0 else found
    evidence = released(noise[2], members, noise[0], noise[1])
    parts = ["lira", "output_regression", "release_regression", "joint_decoder"]
    best = max(mean_auc(name, evidence) for name in parts)
    assert best > 0.6
    assert mean_auc("stacked", evidence) > best - 0.01


def test_a_stack_on_scores_that_know_the_target_finds_members_where_there_are_none():
    """The trap that ``stacked`` avoids: statistics over shadows' leave-one-out scores, fitted with the target."""
    rng = np.random.default_rng(4)
    members = ensemble.random_halves(32, 200, rng)
    evidence = released(rng.normal(size=(32, 200)), members)
    fitted = attacks.regress_membership(evidence.models.vectors(), members, (1e-3,))
    assert attacks.auc(attacks.lira(fitted, members), members).mean() > 0.53
    assert abs(mean_auc("stacked", evidence) - 0.5) < 0.02


def test_a_constant_part_and_ties_are_no_trouble():
    rng = np.random.default_rng(5)
    members = ensemble.random_halves(40, N, rng)
    evidence = released(np.ones((40, 3)), members)
    for name in ("output_regression", "release_regression", "joint_decoder", "stacked"):
        scores = attacks.ATTACKS[name].run(evidence)
        assert np.isfinite(scores).all()
        assert abs(attacks.auc(scores, members).mean() - 0.5) < 0.05
    assert joint._normal_scores(np.array([[2.0, 2.0, 5.0]]))[0] == pytest.approx(
        [-0.31864, -0.31864, 0.67449], abs=1e-5
    )


def test_too_few_models_are_named():
    rng = np.random.default_rng(6)
    members = ensemble.random_halves(12, N, rng)
    evidence = released(rng.normal(size=(12, 3)), members)
    with pytest.raises(ValueError, match="need at least 16 models"):
        attacks.stacked(evidence, [attacks.loss])
    with pytest.raises(ValueError, match="need at least 8 models"):
        attacks.joint_decoder(evidence.take(range(6)))
    assert attacks.stacked(evidence.take(np.arange(16) % 12), [attacks.loss]).shape == (16, N)


def test_the_strongest_attack_is_picked_on_other_targets():
    """Of forty attacks that find nothing the best mean is above one half, the strongest by split targets is not."""
    rng = np.random.default_rng(7)
    found = {f"a{i}": 0.5 + 0.1 * rng.normal(size=(40, 200)) for i in range(40)}
    assert np.max([a.mean(axis=0) for a in found.values()], axis=0).mean() > 0.53
    assert abs(attacks.strongest(found).mean() - 0.5) < 0.004
    clear = {"low": np.full((6, 2), 0.6), "high": np.tile([0.7, 0.5], (6, 1))}
    assert np.array_equal(attacks.strongest(clear), np.tile([0.7, 0.6], (6, 1)))
    for wrong in ({}, {"a": np.ones((3, 2)), "b": np.ones((3, 3))}):
        with pytest.raises(ValueError, match="auc needs attacks on the same targets"):
            attacks.strongest(wrong)


def test_non_adaptive_shadows_give_the_scale_of_every_block():
    """Targets whose weights are twice as large: units and shares come from the shadows alone."""
    rng = np.random.default_rng(8)
    members, weights, _ = moved(rng, n_models=32)
    shadows = released(weights, members)
    own = joint._units(joint._blocks(shadows, "weights"), "weights")
    scaled = [b / u for b, u in zip(joint._blocks(shadows, "weights"), own, strict=True)]
    for block in scaled[:2]:
        assert np.square(block - block.mean(axis=0)).sum(axis=1).mean() == pytest.approx(1)
    run = partial(attacks.release_regression, access="weights")
    larger = attacks.Evidence(members, shadows.losses, shadows.signals, models=released(2 * weights, members).models,
                              outputs=shadows.outputs, outputs_out=shadows.outputs_out, shadows=shadows)  # fmt: skip
    assert np.abs(run(larger)).mean() > np.abs(run(shadows)).mean()
