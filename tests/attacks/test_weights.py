"""Attacks on weights: leave-one-out regression, influence, and the alignment of hidden units."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from test_catalogue import draw, released

from qmis_utils import attacks, ensemble


def planted_weights(shift, models=120, records=30, size=80, seed=0):
    """Weights that move along each member's own direction."""
    rng = np.random.default_rng(seed)
    members, directions = rng.random((models, records)) < 0.5, rng.normal(size=(records, size))
    return shift * members @ directions + rng.normal(size=(models, size)), members, directions


def test_weight_regression_is_a_true_leave_one_out():
    from sklearn.linear_model import Ridge

    weights, members, _ = planted_weights(0.2)
    scores = attacks.regress_membership(weights, members, penalties=(1.0,))
    centred = weights - weights.mean(axis=0)
    penalty = np.trace(centred @ centred.T) / len(weights)
    keep = np.arange(len(weights)) != 7
    oracle = Ridge(penalty).fit(centred[keep], members[keep] * 2.0 - 1).predict(centred[7:8])[0]
    assert scores[7] == pytest.approx(oracle, abs=1e-8)  # the free intercept absorbs where the columns are centred


def test_white_box_attacks_find_members_and_nothing_else():
    weights, members, directions = planted_weights(0.2)
    null = attacks.permuted(members, np.random.default_rng(0))
    assert attacks.auc(attacks.regress_membership(weights, members), members).mean() > 0.7
    assert attacks.auc(attacks.regress_membership(weights, null), null).mean() == pytest.approx(0.5, abs=0.03)
    assert attacks.auc(attacks.influence_score(weights, -directions), members).mean() > 0.7
    assert attacks.auc(attacks.influence_score(weights, -directions), null).mean() == pytest.approx(0.5, abs=0.03)
    constant = np.ones_like(weights)  # a broken model: all that is left is the mean membership of the others
    scores, signs = attacks.regress_membership(constant, members), members * 2 - 1
    assert len(np.unique(scores)) == len(np.unique(signs.sum(axis=0) - signs))  # ties stay ties
    assert np.isfinite(attacks.influence_score(constant, directions)).all()


def test_a_target_cannot_choose_its_own_penalty():
    weights, members, _ = planted_weights(0.05, models=24)
    penalties = (1e-2, 1.0, 1e2)
    first = attacks.regress_membership(weights, members, penalties)[:12]
    chosen = attacks.ridge_penalty(weights[12:], members[12:], penalties)
    np.testing.assert_array_equal(first, attacks.regress_membership(weights, members, (chosen,))[:12])
    changed = members.copy()
    changed[0] = ~changed[0]  # the first model's membership is read for the others' scores, never for its own
    again = attacks.regress_membership(weights, changed, penalties)
    assert again[0] == pytest.approx(first[0], abs=1e-12)
    assert not np.allclose(again[1], first[1], atol=1e-6)


def on_matrices(weights, members, penalties):
    return attacks.regress_membership(weights, members, penalties)


def on_evidence(weights, members, penalties):
    layers = (torch.tensor(weights, dtype=torch.float32)[:, None],), (torch.zeros(len(weights), 1),)
    evidence = attacks.Evidence(members, np.zeros(members.shape), models=ensemble.Ensemble(*layers, "binary"))
    return attacks.weight_regression(evidence, penalties)


@pytest.mark.parametrize("attack", [on_matrices, on_evidence])
def test_nothing_of_a_target_moves_its_penalty(attack):
    """Not its membership nor its weights, however extreme: the other half's choice stands, where all would have swayed.

    The penalty is read off the target's scores: one of three gives them.
    """
    penalties, swayed = (1e-2, 1.0, 1e2), 0
    for seed in range(6):
        weights, members, _ = planted_weights(0.1, models=24, records=12, size=30, seed=seed)
        weights = weights.astype(np.float32)
        for target, others in ((3, slice(12, None)), (20, slice(12))):
            chosen = attacks.ridge_penalty(weights[others], members[others], penalties)
            extreme, flipped = weights.copy(), members.copy()
            extreme[target] *= 30
            flipped[target] = ~flipped[target]
            for w, m in ((weights, members), (extreme, flipped)):
                scores = attack(w, m, penalties)[target]
                fits = [attack(w, m, (penalty,))[target] for penalty in penalties]
                assert [p for p, fit in zip(penalties, fits, strict=True) if np.array_equal(scores, fit)] == [chosen]
                swayed += attacks.ridge_penalty(w, m, penalties) != chosen
            np.testing.assert_allclose(attack(extreme, members, penalties)[target], scores, atol=1e-8)
    assert swayed >= 6


def test_influence_is_the_step_along_the_gradient_in_units_of_the_covariance():
    weights, _, directions = planted_weights(0.2, models=12, records=5, size=9)
    centred = weights - weights.mean(axis=0)
    ridge = 0.1 * np.trace(centred.T @ centred) / 12
    oracle = -centred @ np.linalg.inv(centred.T @ centred + ridge * np.eye(9)) @ directions.T
    np.testing.assert_allclose(attacks.influence_score(weights, directions, penalty=0.1), oracle, atol=1e-12)


@pytest.mark.parametrize("hidden", [(7,), (7, 5), (6, 7, 5)])
def test_alignment_recovers_permuted_copies(hidden):
    rng = np.random.default_rng(0)
    x, y = draw(30, "multiclass", rng)
    members = np.ones((1, 30), bool)
    one = ensemble.train(x, y, members, task="multiclass", hidden=hidden, steps=20)
    copies = []
    for _ in range(4):
        orders = [np.arange(x.shape[1]), *map(rng.permutation, hidden), np.arange(3)]
        weights = [w[:, b][:, :, a] for w, (a, b) in zip(one.weights, itertools.pairwise(orders), strict=True)]
        biases = [b[:, order] for b, order in zip(one.biases, orders[1:], strict=True)]
        copies.append(replace(one, weights=tuple(weights), biases=tuple(biases)))
    shuffled = ensemble.concatenate([one, *copies])
    aligned = attacks.align(shuffled)
    assert not np.array_equal(shuffled.vectors()[1], shuffled.vectors()[0])
    assert np.array_equal(aligned.vectors(), np.repeat(one.vectors(), 5, axis=0))
    np.testing.assert_allclose(aligned.logits(x), shuffled.logits(x), rtol=1e-5, atol=1e-5)


def test_alignment_matches_units_by_what_leaves_them_too():
    """Two units that read nearly alike and write with opposite signs: by the incoming weights alone they would stay."""
    reads = torch.tensor([[[1.0, 0.0], [1.0, 0.1]]]).repeat(2, 1, 1)
    writes = torch.tensor([[[5.0, -5.0]], [[-5.0, 5.0]]])
    biases = torch.zeros(2, 2), torch.zeros(2, 1)
    aligned = attacks.align(ensemble.Ensemble((reads, writes), biases, "binary"))
    assert aligned.weights[1].tolist() == [[[5.0, -5.0]]] * 2
    np.testing.assert_allclose(aligned.weights[0][1], [[1.0, 0.1], [1.0, 0.0]])


def test_alignment_keeps_functions_and_finds_members_of_randomly_initialised_models():
    evidence = released("binary", init="random", quantizer="fp32", models=96)
    aligned = evidence.aligned()
    np.testing.assert_allclose(aligned.models.logits(evidence.x), evidence.models.logits(evidence.x), atol=1e-3)
    for name in ("weight_regression", "influence"):
        runs = [attacks.ATTACKS[full].run(evidence) for full in (name, f"{name}_aligned")]
        before, after = (attacks.auc(scores, evidence.members) for scores in runs)
        assert stats.ttest_rel(after, before, alternative="greater").pvalue < 1e-4
