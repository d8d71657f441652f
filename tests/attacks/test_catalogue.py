"""Every attack family finds members where there are some, finds none where there are none, and never peeks."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax

from qmis_utils import attacks, ensemble

MODELS, RECORDS = 40, 80
CASES = [
    pytest.param(task, name, id=f"{task}-{name}")
    for task in ("binary", "multiclass", "regression")
    for name, family in attacks.ATTACKS.items()
    if family.regression or task != "regression"
]


def draw(n, task, rng, noise=1.5):
    y = rng.integers(3 if task == "multiclass" else 2, size=n)
    x = noise * rng.normal(size=(n, 16)) + 2 * np.eye(16)[y]
    return x.astype(np.float32), y + rng.normal(size=n) if task == "regression" else y


@functools.cache
def observed(task, init="shared", quantizer="uniform_4", models=MODELS):
    """Overfitted networks on random halves of a small pool; returns (released, in full precision) evidence."""
    rng = np.random.default_rng(0)
    (x, y), (x_out, y_out) = draw(RECORDS, task, rng), draw(60, task, rng)
    members = ensemble.random_halves(models, RECORDS, rng)
    full = ensemble.train(x, y, members, task=task, hidden=(16,), steps=200, lr=2e-2, init=init)
    data = x, y, members, x_out, y_out
    return attacks.observe(full.quantize(quantizer), *data, shadows=full), attacks.observe(full, *data)


def released(task, **setting):
    return replace(observed(task, **setting)[0], shadows=None)


@functools.cache
def scores_of(name, task):
    return attacks.ATTACKS[name].run(released(task))


# standard deviation of the mean AUC over targets when scores say nothing about members (Mann-Whitney)
NULL_SD = np.sqrt((RECORDS + 1) / (12 * (RECORDS / 2) ** 2) / MODELS)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_every_family_finds_members(task, name):
    assert attacks.auc(scores_of(name, task), released(task).members).mean() > 0.5 + 4 * NULL_SD


@pytest.mark.parametrize(("task", "name"), CASES)
def test_no_family_beats_a_coin_on_another_membership(task, name):
    other = ensemble.random_halves(MODELS, RECORDS, np.random.default_rng(5))
    family = attacks.ATTACKS[name]
    # without shadows no membership is read (tested below), and the scores are those of before
    scores = family.run(released(task).relabel(other)) if family.shadows else scores_of(name, task)
    advantage = attacks.advantage_held_out(scores, other, family.shadows, level=0.9999)
    # targets that are each other's shadows have the noise of half as many (tested below)
    assert abs(attacks.auc(scores, other).mean() - 0.5) < 4 * NULL_SD * (np.sqrt(2) if family.shadows else 1)
    assert advantage.low < 0 < advantage.high


def flip(evidence, target):
    members = evidence.members.copy()
    members[target] = ~members[target]
    return evidence.relabel(members)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_no_family_reads_the_membership_of_its_target(task, name):
    family = attacks.ATTACKS[name]
    models = 24 if family.shadows else 2
    adaptive = released(task).take(range(models))
    given = [adaptive, observed(task)[0].take(range(models))] if task == "binary" and family.shadows else [adaptive]
    for evidence in given:
        scores = family.run(evidence)
        for target in (1, models - 1):  # one of each half
            again = family.run(flip(evidence, target))[target]
            np.testing.assert_allclose(again, scores[target], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", [name for name, family in attacks.ATTACKS.items() if family.shadows])
def test_shadows_calibrate(name):
    """Shadows that are as released change nothing; full-precision shadows of a coarse quantizer change the scores."""
    evidence = released("binary")
    same = attacks.ATTACKS[name].run(replace(evidence, shadows=evidence))
    np.testing.assert_allclose(same, scores_of(name, "binary"), rtol=1e-6, atol=1e-9)
    coarse = observed("binary", quantizer="ternary_90")[0]
    other = attacks.ATTACKS[name].run(coarse)
    assert not np.allclose(other, attacks.ATTACKS[name].run(replace(coarse, shadows=None)))


@pytest.mark.gpu
@pytest.mark.parametrize(("task", "name"), CASES)
def test_a_gpu_scores_as_the_processor_does(task, name):
    evidence, family = released(task), attacks.ATTACKS[name]
    data = evidence.x, evidence.y, evidence.members, evidence.x_out, evidence.y_out
    again = family.run(attacks.observe(evidence.models.to("cuda"), *data))
    # not equal: a point on the boundary by rounding, a student distilled for 60 steps and a ridge chosen anew differ
    assert np.corrcoef(again.ravel(), scores_of(name, task).ravel())[0, 1] > 0.98
    difference = attacks.auc(again, evidence.members) - attacks.auc(scores_of(name, task), evidence.members)
    assert np.abs(difference).mean() < 0.02


def test_non_adaptive_rmia_equals_a_loop_over_targets():
    evidence = observed("binary", quantizer="ternary_50")[0]
    likelihood, full = (np.exp(-e.losses) for e in (evidence, evidence.shadows))
    population, full_population = (np.exp(-e.losses_out) for e in (evidence, evidence.shadows))
    others = np.arange(MODELS) != 7
    inside = evidence.members[others]
    mean = [np.where(group, full[others], np.nan) for group in (inside, ~inside)]
    ratio = likelihood[7] / np.mean([np.nanmean(group, axis=0) for group in mean], axis=0)
    ratio_z = population[7] / full_population[others].mean(axis=0)
    expected = [(r / ratio_z >= 1).mean() for r in ratio]
    assert attacks.ATTACKS["rmia"].run(evidence)[7] == pytest.approx(np.array(expected))


def test_rmia_of_a_regression_takes_gaussian_likelihoods():
    """Their variance is that of the population's residuals, over all models."""
    evidence = released("regression")
    spread = np.sqrt(evidence.losses_out.mean())
    likelihood, population = (stats.norm.pdf(e, scale=spread) for e in (evidence.signals, evidence.signals_out))
    expected = attacks.rmia(likelihood, population, evidence.members)
    np.testing.assert_allclose(scores_of("rmia", "regression"), expected, atol=1 / 60 + 1e-9)  # a tie may fall over
    assert np.mean(scores_of("rmia", "regression") == expected) > 0.99


def test_arrays_alone_serve_the_score_based_families():
    rng = np.random.default_rng(0)
    members = ensemble.random_halves(40, 60, rng)
    losses = rng.normal(size=members.shape) - 2 * members + 3 * rng.normal(size=60)
    evidence = attacks.Evidence(members, losses)
    alone = {"loss", "shadow_classifier", "difficulty", "lira", "lira_fixed", "lira_offline"}
    assert {name for name in attacks.ATTACKS if not attacks.ATTACKS[name].lacks(evidence)} == alone
    for name in alone:
        assert attacks.auc(attacks.ATTACKS[name].run(evidence), members).mean() > 0.55
    more = replace(
        evidence, losses_out=rng.normal(size=(40, 30)), y=np.zeros(60), probabilities=np.full((40, 60, 2), 0.5)
    )
    assert {name for name in attacks.ATTACKS if not attacks.ATTACKS[name].lacks(more)} == alone | {
        *("rmia", "max_confidence", "entropy", "modified_entropy", "modified_entropy_by_class")
    }


def test_thresholds_by_class_equal_a_search_on_the_other_half():
    """A class whose outputs are shifted as a whole: one threshold for all loses it, one a class does not."""
    rng, y = np.random.default_rng(0), np.repeat([0.0, 1.0], 40)
    members = ensemble.random_halves(20, 80, rng)
    own = 1 / (1 + np.exp(-(2.0 * members + rng.normal(size=members.shape) - 3 * y)))
    p = np.stack([np.where(y, 1 - own, own), np.where(y, own, 1 - own)], axis=-1)
    evidence = attacks.Evidence(members, -np.log(own), y=y, probabilities=p)
    scores, margins = -np.log(-attacks.modified_entropy(evidence)), attacks.modified_entropy_by_class(evidence)
    for label in (0, 1):
        part, inside = scores[10:, y == label].ravel(), members[10:, y == label].ravel()
        gains = [inside[part > c].sum() / inside.sum() - (~inside)[part > c].sum() / (~inside).sum() for c in part]
        threshold = (scores - margins)[:10, y == label]
        assert np.ptp(threshold) < 1e-12
        reached = part > threshold[0, 0]
        assert inside[reached].sum() / inside.sum() - (~inside)[reached].sum() / (~inside).sum() == max(gains)
    judge = attacks.advantage_held_out
    assert judge(margins, members, threshold=0.0).value > judge(scores, members, mutual=False).value + 0.2


def test_the_catalogue_states_threat_models_and_costs():
    budget = {name: (family.access, family.trained(21), family.queries) for name, family in attacks.ATTACKS.items()}
    assert budget["loss"] == ("scores", 0, 1)
    assert budget["lira"] == ("scores", 20, 1)
    assert budget["shadow_classifier"] == ("scores", 10, 1)
    assert budget["trajectory"] == ("scores", 21, 1)  # ten shadows, their ten students and the target's
    assert budget["quantile"] == ("scores", 1, 1)
    assert budget["label_only"] == ("labels", 0, 40)
    assert budget["label_only_boundary"] == ("labels", 0, 597)  # own answer, first bisection, eight rounds of 73
    assert budget["adversarial_distance"] == ("weights", 0, 61)  # a value, the walk, a bisection
    assert budget["weight_regression"] == ("weights", 20, 0)
    for family in attacks.ATTACKS.values():
        assert family.shadows <= family.adaptive


def test_evidence_can_be_cut_to_fewer_targets():
    part = observed("multiclass")[0].take(range(4, 9))
    whole = observed("multiclass")[0]
    assert len(part.models) == len(part.shadows.models) == 5
    for name in ("losses", "signals", "probabilities", "losses_out"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[4:9])
        assert np.array_equal(getattr(part.shadows, name), getattr(whole.shadows, name)[4:9])
    assert np.array_equal(attacks.loss(part), attacks.loss(whole)[4:9])
    assert part.take(slice(2)).members.shape == (2, RECORDS)


def test_evidence_can_be_cut_to_the_records_that_have_shadows():
    whole = observed("multiclass")[0].take(range(9))
    enough = attacks.enough_shadows(whole.members, 4)
    inside = whole.members.sum(axis=0)
    assert np.array_equal(enough, (inside == 4) | (inside == 5))  # of nine, four at least on either side
    part = whole.records(enough)
    for name in ("members", "losses", "signals", "probabilities"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[:, enough])
        assert np.array_equal(getattr(part.shadows, name), getattr(whole.shadows, name)[:, enough])
    assert np.array_equal(part.x, whole.x[enough])
    assert np.array_equal(part.shadows.y, whole.y[enough])
    alone = attacks.Evidence(whole.members, whole.losses).records(enough)
    assert alone.x is alone.probabilities is None
    assert np.array_equal(part.losses_out, whole.losses_out)
    assert np.array_equal(whole.records([3, 1]).y, whole.y[[3, 1]])


# ------------------------------------------------------------------------------------------------- identities, oracles


def test_entropies_by_hand():
    p = np.array([[[0.7, 0.2, 0.1], [0.0, 1.0, 0.0]]])
    evidence = attacks.Evidence(np.ones((1, 2), bool), np.zeros((1, 2)), y=np.array([0, 0]), probabilities=p)
    assert attacks.entropy(evidence) == pytest.approx(-stats.entropy(p, axis=-1))
    expected = 0.3 * np.log(0.7) + 0.2 * np.log(0.8) + 0.1 * np.log(0.9)
    assert attacks.modified_entropy(evidence)[0, 0] == pytest.approx(expected)
    assert attacks.modified_entropy(evidence)[0, 1] < -60  # sure of a wrong class
    assert attacks.max_confidence(evidence).tolist() == [[0.7, 1.0]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_calibration_removes_the_difficulty_of_a_record(seed):
    rng = np.random.default_rng(seed)
    members, scores = ensemble.random_halves(12, 10, rng), rng.normal(size=(12, 10))
    assume((~members).sum(axis=0).min() >= 2)
    calibrated = attacks.difficulty_calibrated(scores, members)
    shifted = attacks.difficulty_calibrated(scores + 100 * rng.normal(size=10), members)
    np.testing.assert_allclose(shifted, calibrated, atol=1e-10)
    others = ~members[:, 3] & (np.arange(12) != 5)
    assert calibrated[5, 3] == pytest.approx(scores[5, 3] - scores[others, 3].mean())


def quantile_evidence(x, x_out, signals, signals_out):
    members = np.zeros((1, len(x)), bool)
    labels = {"y": np.zeros(len(x)), "y_out": np.zeros(len(x_out))}
    return attacks.Evidence(members, -signals[None], losses_out=-signals_out[None], x=x, x_out=x_out, **labels)


def test_quantile_regression_is_the_empirical_quantile_where_records_are_alike():
    rng = np.random.default_rng(0)
    signals, signals_out = rng.normal(size=30), rng.normal(size=200)
    margins = attacks.quantile(quantile_evidence(np.ones((30, 1)), np.ones((200, 1)), signals, signals_out), fpr=0.25)
    assert margins[0] == pytest.approx(signals - np.quantile(signals_out, 0.75))


def test_quantile_regression_keeps_its_rate_in_each_group():
    """The true conditional quantile differs by 5 between two groups; a margin of 0 gives the rate in both."""
    rng = np.random.default_rng(0)
    x, x_out = (rng.integers(2, size=(n, 1)).astype(float) for n in (4000, 2000))
    signals, signals_out = (5 * group[:, 0] + rng.normal(size=len(group)) for group in (x, x_out))
    exceeded = attacks.quantile(quantile_evidence(x, x_out, signals, signals_out), fpr=0.1)[0] > 0
    for group in (0, 1):
        assert exceeded[x[:, 0] == group].mean() == pytest.approx(0.1, abs=0.03)


# ------------------------------------------------------------------------------------------- other implementations

GOLDEN = json.loads(Path(__file__).with_name("golden_families.json").read_text())


def test_entropies_equal_tensorflow_privacy():
    """TensorFlow Privacy 0.8.12, 12 records of three classes: entropy and modified entropy, to 1e-9."""
    golden = GOLDEN["entropy"]
    p = softmax(golden["logits"], axis=-1)[None]
    evidence = attacks.Evidence(np.ones((1, 12), bool), np.zeros((1, 12)), y=np.array(golden["y"]), probabilities=p)
    np.testing.assert_allclose(-attacks.entropy(evidence)[0], golden["entropy"], rtol=1e-9)
    np.testing.assert_allclose(-attacks.modified_entropy(evidence)[0], golden["modified"], rtol=1e-9)


def test_difficulty_calibration_equals_tensorflow_privacy():
    """TensorFlow Privacy 0.8.12, `compute_score_offset` of each of 6 targets on 8 records, to 1e-12."""
    losses, members, scores = (np.array(GOLDEN["difficulty"][key]) for key in ("losses", "members", "scores"))
    evidence = attacks.Evidence(members == 1, losses)
    np.testing.assert_allclose(attacks.ATTACKS["difficulty"].run(evidence), scores, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda e: attacks.ATTACKS["entropy"].run(replace(e, task="regression")), "not defined for regression"),
        (lambda e: attacks.ATTACKS["rmia"].run(e), "Zarifzadeh et al. 2024 needs losses_out in its evidence"),
        (lambda e: attacks.ATTACKS["trajectory"].run(e), "needs models, x, y, x_out"),
        (lambda e: attacks.ATTACKS["difficulty"].run(e.take([0, 1])), "larger n_models"),
        (lambda e: replace(e, losses=e.losses[:, 1:]), r"must agree with it; wrong: \['members', 'signals'\]"),
        (lambda e: replace(e, losses_out=e.losses[1:]), r"wrong: \['losses_out', 'signals_out'\]"),
        (lambda e: replace(e, members=e.members * 0.5), "members must hold True and False, or 1 and 0; got 0.5"),
        (lambda e: replace(e, shadows=e.take([0, 1])), "outputs and shadows must agree"),
        (lambda e: e.records(np.zeros(0, int)), "no record is left of .* do more leave enough"),
    ],
)
def test_bad_input_is_named(call, match):
    members = ensemble.random_halves(8, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match=match):
        call(attacks.Evidence(members, np.zeros(members.shape)))
