"""The one engine on a planted game: outputs whose survival, attack AUC and order under every release are known.

Models are linear and records are unit vectors, so that a model's weight *is* its logit on a record: a unit Gaussian,
shifted where the record is a member, so that LiRA's AUC is Phi(d' / sqrt 2). A release that adds noise of spread s to
the weights leaves the correlation 1 / sqrt(1 + s^2), and that share of d'.
"""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from qmis_utils import assess, attacks, indicators, quantizers
from qmis_utils.assess import NUMBERS, Game, Number, Release, quantized, utility
from qmis_utils.ensemble import Ensemble, random_halves
from qmis_utils.theory.numerics import Interval

POOL, FRESH, SHIFT = 120, 400, 1.0
NOISE = {"slight": 0.5, "strong": 1.5}


def linear(weights):
    return Ensemble((torch.tensor(weights, dtype=torch.float32)[:, None],), (torch.zeros(len(weights), 1),), "binary")


def noisy(spread, seed=7):
    """Return a release that adds Gaussian noise to the weights, the same for equal weights."""

    def change(models):
        seeds = [int(hashlib.sha256(row.tobytes()).hexdigest()[:8], 16) for row in models.weights[0].numpy()]
        noise = [np.random.default_rng([seed, own]).normal(size=models.weights[0].shape[1:]) for own in seeds]
        return replace(models, weights=(models.weights[0] + spread * torch.tensor(np.array(noise)).float(),))

    return change


@pytest.fixture(scope="module")
def game():
    rng = np.random.default_rng(0)

    def group(n):
        members = random_halves(n, POOL, rng)
        weights = rng.normal(size=(n, POOL + FRESH))
        weights[:, :POOL] += SHIFT * members
        return linear(weights), members

    unit = np.eye(POOL + FRESH, dtype=np.float32)
    (models, members), (spare, spare_members) = group(160), group(40)
    ones = np.ones(POOL + FRESH, int)
    return Game(unit[:POOL], ones[:POOL], unit[POOL:], ones[POOL:], models, members, spare, spare_members)


RELEASES = {"as trained": lambda models: models} | {name: noisy(s) for name, s in NOISE.items()}
SURVIVING = 1 / np.sqrt(1 + np.array([0, *NOISE.values()]) ** 2)
FLOOR = 1 / np.sqrt(1 + np.array([0, *NOISE.values()]) ** 2 / (1 + SHIFT**2 / 4))  # the same, by the noise floor


@pytest.fixture(scope="module")
def found(game):
    numbers = ["rho", "rho_pool", "rho_w", "function error", "weight error", "r ensemble all_pairs"]
    return assess.assess(game, RELEASES, ["lira", "loss"], numbers, draws=20, laws=["rho"], null_of="all")


def test_attacks_find_the_planted_auc(found):
    assert found.releases == list(RELEASES)
    expected = norm.cdf(SHIFT * SURVIVING / np.sqrt(2))
    assert found.auc["lira"].shape == (160, 3)
    np.testing.assert_allclose(found.auc["lira"].mean(axis=0), expected, atol=0.015)
    np.testing.assert_allclose(
        found.auc["loss"].mean(axis=0), expected, atol=0.015
    )  # one mean: calibration adds nothing
    for null in found.null.values():
        np.testing.assert_allclose(null.mean(axis=0), 0.5, atol=0.01)


def test_correlations_are_the_planted_ones_and_every_number_grows_with_the_leak(found):
    for name in ("rho", "rho_w"):
        np.testing.assert_allclose(found.value(name), SURVIVING, atol=0.02)
        assert (found.draws(name).std(axis=0)[1:] > 0).all()
    for name in ("rho", "rho_pool", "rho_w", "function error", "weight error"):
        assert (np.diff(found.value(name)) < 0).all(), name
    for estimate in found.numbers["rho"]:
        assert estimate.low <= estimate.value <= estimate.high
    assert (found.value("function error") <= 0).all()
    assert (found.value("r ensemble all_pairs") <= 0.01).all()  # minus a rate


def test_offsets_of_whole_models_move_rho_and_not_rho_pool(game):
    biases = 20 * torch.tensor(np.random.default_rng(3).normal(size=(40, 1))).float()
    moved = replace(game, spare=replace(game.spare, biases=(biases,)))
    releases = {"as trained": lambda m: m, "level": lambda m: replace(m, biases=(torch.zeros_like(m.biases[0]),))}
    found = assess.assess(moved, releases, (), ["rho", "rho_pool"], draws=2)
    assert found.value("rho")[1] < 0.2
    assert found.value("rho_pool")[1] == pytest.approx(1, abs=1e-3)


def test_rates_are_taken_from_their_own_codebook_and_turned_round(game):
    levels = replace(game.spare, biases=(torch.linspace(-2, 2, 40)[:, None],))  # codewords of very different loss
    seen = replace(game, spare=levels, path=levels[:5]).spare_seen(noisy(0.5))
    for source, losses in {"ensemble": seen.losses_out, **seen.codebooks}.items():
        for how in indicators.AGGREGATIONS:
            rate = indicators.estimate_rate(losses, how, draws=3)
            assert NUMBERS[f"r {source} {how}"].estimate(seen, seen, 3, 0).value == -rate.value
    assert seen.codebooks["trajectory"].shape == (5, FRESH)
    assert NUMBERS["r ensemble all_pairs"].estimate(seen, seen, 3, 0).value < -0.05


def test_laws_predict_what_the_attack_finds(found):
    measured = found.auc["lira"].mean(axis=0)
    for law in ("closed", "simulation"):
        np.testing.assert_allclose(found.predicted[law, "rho", "lira"], measured, atol=0.02)
    assert found.predicted["closed", "rho", "lira"][0] == pytest.approx(measured[0])
    assert not {key for key in found.predicted if key[1] == "rho_w"}  # not asked for


def test_the_simulation_law_reads_fresh_records_of_spare_models_alone(game, found):
    weights = game.spare.weights[0].clone()
    weights[..., :POOL] *= 5
    moved = replace(game, spare=replace(game.spare, weights=(weights,)))
    again = assess.assess(moved, RELEASES, ["lira"], ["rho"], draws=2, laws=["rho"])
    spread = found.predicted["simulation", "rho", "lira"] - again.predicted["simulation", "rho", "lira"]
    assert np.abs(spread).max() < 0.005  # rho moves a little, with the noise that the release draws for other weights


def test_laws_of_weights_predict_attacks_on_weights_alone(game):
    found = assess.assess(
        game, RELEASES, ["lira", "weight_regression"], ["rho", "rho_w"], draws=2, laws=["rho", "rho_w"]
    )
    assert set(found.predicted) == {("closed", "rho", "lira"), ("simulation", "rho", "lira"),
                                    ("closed", "rho_w", "weight_regression")}  # fmt: skip


def test_numbers_never_read_the_attacked_models_nor_attacks_the_spare_ones(game, found):
    extreme = replace(game.models, weights=(1e3 * torch.sign(game.models.weights[0]),))
    other = replace(game, models=extreme)
    again = assess.assess(other, RELEASES, ["lira"], list(found.numbers), draws=20, null_of="all")
    for name in found.numbers:
        assert np.array_equal(again.draws(name), found.draws(name), equal_nan=True), name
    other = replace(game, spare=replace(game.spare, weights=(5 * game.spare.weights[0],)))
    again = assess.assess(other, RELEASES, ["lira"], ["rho"], draws=2, null_of="all")
    assert np.array_equal(again.auc["lira"], found.auc["lira"])
    assert np.array_equal(again.null["lira"], found.null["lira"])


def test_spare_models_that_are_attacked_are_refused(game):
    both = replace(game.spare, weights=(torch.cat([game.spare.weights[0][:-1], game.models.weights[0][:1]]),))
    with pytest.raises(ValueError, match=r"spare models must not be attacked models; these are: \[39\]"):
        replace(game, spare=both)


def test_late_iterates_that_are_attacked_are_refused(game):
    with pytest.raises(ValueError, match=r"path models must not be attacked models; these are: \[0, 1\]"):
        replace(game, path=game.models[:2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: {"y": g.y[:5]}, r"y must hold a label a record, \(120,\); got \(5,\)"),
        (lambda g: {"y_out": g.y_out[:1]}, r"y_out must hold a label a record, \(400,\); got \(1,\)"),
        (lambda g: {"y": g.y[:, None]}, r"y must hold a label a record, .*; got \(120, 1\)"),
        (lambda g: {"y_out": 3 - g.y_out}, "y_out must hold 0 and 1 .* record 0 has 2"),
        (lambda g: {"members": g.members * 0.5}, "members must hold True and False, or 1 and 0; got 0.5"),
    ],
)  # fmt: skip
def test_labels_and_memberships_that_do_not_fit_are_named(game, change, message):
    with pytest.raises(ValueError, match=message):
        replace(game, **change(game))


def test_a_release_that_writes_into_what_it_is_given_harms_no_other(game, found):
    def in_place(models):
        models.weights[0].zero_()
        return models

    few = ["rho", "weight error"]
    again = assess.assess(
        game, {"as trained": RELEASES["as trained"], "zero": in_place} | RELEASES, ["lira"], few, draws=20
    )
    assert np.array_equal(again.value("rho")[2:], found.value("rho")[1:])
    assert np.array_equal(again.auc["lira"][:, 2:], found.auc["lira"][:, 1:])


def test_the_first_release_must_leave_the_models_as_trained(game):
    with pytest.raises(ValueError, match="releases: the first, 'slight', must leave the models as trained"):
        assess.assess(game, {name: noisy(spread) for name, spread in NOISE.items()}, (), ["rho"])


def test_a_release_may_change_shapes(game):
    def narrow(models):
        return replace(models, weights=(models.weights[0].repeat(1, 2, 1), torch.full((len(models), 1, 2), 0.5)),
                       biases=(torch.full((len(models), 2), 9.0), torch.full((len(models), 1), -9.0)))  # fmt: skip

    found = assess.assess(game, {"as trained": RELEASES["as trained"], "two layers": narrow}, (), ["rho"], draws=2)
    assert found.value("rho")[1] == pytest.approx(1, abs=1e-6)  # the same function, but for rounding


def test_names_may_be_given_one_after_the_other(game):
    found = assess.assess(game, RELEASES, iter(["loss"]), iter(["rho", "sparsity"]), draws=2)
    assert (list(found.auc), list(found.numbers)) == (["loss"], ["rho", "sparsity"])


def test_one_spare_model_gives_what_one_model_can(game):
    numbers = assess.assess(one_spare(game), RELEASES, (), draws=2).numbers
    assert {"function error", "weight error", "r neighbourhood min"} <= set(numbers)
    assert not {"rho", "rho_w", "r ensemble min", "one reference", "lira 16"} & set(numbers)


def test_arrays_alone_give_what_arrays_can(game):
    losses, outputs = np.random.default_rng(0).random((2, 4, 30))
    seen = attacks.Evidence(None, losses, losses_out=losses, outputs=outputs, outputs_out=outputs)
    found = assess.assess_seen([("as trained", None, seen), ("again", None, seen)], draws=2)
    assert {"rho", "rho_pool", "r ensemble min", "test loss"} <= set(found.numbers)
    assert not {"rho_w", "sqrt_J", "sparsity", "train loss", "bits", "code entropy"} - {"bits"} & set(found.numbers)
    moved = replace(seen, outputs=2 * outputs)
    with pytest.raises(ValueError, match="'r neighbourhood min' needs neighbourhood codebook"):
        assess.assess_seen([("as trained", None, seen), ("moved", None, moved)], (), ["r neighbourhood min"])


@pytest.mark.parametrize(
    ("result", "message"),
    [(0.5, "'mine' must return an Interval; got float"),
     (Interval(1, 1, 1, np.zeros(9)), "'mine' returned 9 draws where 3 were asked for")],
)  # fmt: skip
def test_a_reader_s_number_that_returns_something_else_is_named(game, monkeypatch, result, message):
    monkeypatch.setitem(NUMBERS, "mine", Number(lambda seen, full, draws, seed: result))
    with pytest.raises(ValueError, match=message):
        assess.assess(game, RELEASES, (), ["mine"], draws=3)


def test_a_number_without_draws_has_none_that_are_known(game, monkeypatch):
    monkeypatch.setitem(NUMBERS, "mine", Number(lambda seen, full, draws, seed: Interval(1.0, 1.0, 1.0)))
    assert np.isnan(assess.assess(game, RELEASES, (), ["mine"], draws=3).draws("mine")).all()


def test_fewer_draws_are_filled_with_unknown_ones_that_rank_nothing(game):
    few = replace(game, spare=game.spare[:4], spare_members=game.spare_members[:4])
    found = assess.assess(few, RELEASES, (), ["r ensemble min cramer"], draws=10)
    assert np.isnan(found.draws("r ensemble min cramer")[4:]).all()
    signs = np.sign(np.subtract.outer([3.0, 2, 1], [3.0, 2, 1]))
    assert np.isnan(indicators.kendall_resolved(found.draws("r ensemble min cramer"), signs)[4:]).all()


@pytest.mark.parametrize("name", ["members", "spare_members"])
def test_memberships_of_another_shape_are_named(game, name):
    with pytest.raises(ValueError, match=f"{name} must be .* models by records; got"):
        replace(game, **{name: getattr(game, name)[:, 1:]})


def test_numbers_alone_need_no_attack_and_compare_with_the_first_release(game):
    found = assess.assess(game, RELEASES, (), ["rho"], draws=2)
    np.testing.assert_allclose(found.value("rho"), SURVIVING, atol=0.02)
    assert found.auc == found.null == {}


def test_a_reader_s_own_number_attack_and_release_reach_the_engine(game, monkeypatch):
    flipped = attacks.Attack(lambda evidence: evidence.losses, "a notebook")
    monkeypatch.setitem(attacks.ATTACKS, "flipped", flipped)
    constant = Number(lambda seen, full, draws, seed: Interval(*[float(len(seen.losses))] * 3, np.zeros(draws)))
    monkeypatch.setitem(NUMBERS, "mine", constant)
    found = assess.assess(game, RELEASES, ["loss", "flipped"], draws=3)
    np.testing.assert_allclose(found.auc["flipped"], 1 - found.auc["loss"])
    assert found.value("mine").tolist() == [40, 40, 40]
    assert "r trajectory min" not in found.numbers  # this game has no path of one training


def test_measures_read_the_attacked_models_the_reference_and_the_scores(game):
    moved = {"moved": lambda seen, full, scores: np.abs(seen.outputs - full.outputs).mean(),
             "scores": lambda seen, full, scores: scores["loss"][0]}  # fmt: skip
    found = assess.assess(game, RELEASES, ["loss"], ["rho"], draws=2, measures=moved)
    np.testing.assert_allclose(found.measures["moved"], np.array([0, *NOISE.values()]) * np.sqrt(2 / np.pi), rtol=0.02)
    assert found.measures["scores"].shape == (3, POOL)


def one_spare(game):
    return replace(game, spare=game.spare[:1], spare_members=game.spare_members[:1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: assess.assess(g, RELEASES, ["lyra"]), "unknown attack 'lyra'; valid: loss, "),
        (lambda g: assess.assess(g, RELEASES, ["lira"], ["rhow"]), "unknown number 'rhow'; valid: rho, "),
        (lambda g: assess.assess(g, RELEASES, (), ["r trajectory min"]), "min' needs trajectory codebook"),
        (lambda g: assess.assess(one_spare(g), RELEASES, (), ["rho"]), "'rho' needs 2 models"),
        (lambda g: assess.assess(g, {}, (), ["rho"]), "releases: none is given"),
        (lambda g: assess.assess(g, RELEASES, (), ["rho"], laws=["rho_w"]), "unknown law's number 'rho_w'; valid: rho"),
        (lambda g: assess.assess(g, RELEASES, (), ["rho"], null_of="every"), "unknown null_of 'every'; valid: first"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(game, call, message):
    with pytest.raises(ValueError, match=message):
        call(game)


def test_quantizers_are_releases_with_bits_entropy_and_neighbours(game):
    few = replace(game, models=game.models[:20], members=game.members[:20])
    found = assess.assess(few, quantized("fp32", "sign", "uniform_3") | RELEASES, (), draws=2)
    assert found.value("bits")[:3].tolist() == [32, 1, 3]
    assert np.isnan(found.value("bits")[3:]).all()  # a release that is no rule has no bits
    assert found.value("code entropy")[0] == 32
    codes = quantizers.quantize(game.spare.weights[0], "uniform_3")
    assert found.value("code entropy")[2] == pytest.approx(quantizers.code_entropy(codes).mean())
    assert np.isnan(found.value("r neighbourhood min")[0])  # full precision has no level next to a weight
    assert np.isfinite(found.value("r neighbourhood min")[1:3]).all()
    assert (found.value("sparsity")[1], found.value("sparsity")[2] < 0) == (0, True)
    assert found.value("sqrt_J")[0] == 1


def test_rivals_are_what_their_names_say(game):
    seen, full = (game.spare_seen(RELEASES[name]) for name in ("strong", "as trained"))
    value = {name: NUMBERS[name].estimate(seen, full, 2, 0).value for name in NUMBERS if NUMBERS[name].kind == "rival"}
    inside, outside = (seen.losses[rows].mean() for rows in (game.spare_members, ~game.spare_members))
    assert value["train loss"] == pytest.approx(-inside)
    assert value["test loss"] == pytest.approx(-seen.losses_out.mean())
    assert value["generalisation gap"] == pytest.approx(seen.losses_out.mean() - inside)
    assert outside > inside  # members have the smaller loss
    assert value["test accuracy"] == pytest.approx((seen.outputs_out > 0).mean())
    w, v = seen.released_weights.astype(float), full.released_weights.astype(float)
    assert value["weight error"] == pytest.approx(-(np.linalg.norm(w - v, axis=1) / np.linalg.norm(v, axis=1)).mean())


def test_the_noise_floor_of_a_planted_game_is_what_survives(game):
    """Unit records shift one weight of a linear model each; its variance over models holds that of membership, 1/4."""
    found = assess.assess(game, RELEASES, (), ["noise floor", "edge law"], draws=30)
    np.testing.assert_allclose(found.value("noise floor"), FLOOR, atol=0.02)
    assert (found.draws("noise floor")[:3].std(axis=0)[1:] > 0).all()
    assert np.isnan(found.draws("noise floor")[3:]).all()  # a tenth of the draws: it is slow
    assert found.value("edge law").tolist() == [1, 1, 1]  # noise leaves every weight its own value
    relabelled = replace(game, spare_members=~game.spare_members)
    again = assess.assess(relabelled, RELEASES, (), ["noise floor"], draws=30)
    assert np.array_equal(again.value("noise floor"), found.value("noise floor"))  # no membership is read


def test_the_floor_of_each_record_before_and_after(game):
    seen, full = (game.spare_seen(RELEASES[name]) for name in ("strong", "as trained"))
    before, after = assess.record_floor(seen, full)
    assert before.shape == (POOL,)
    np.testing.assert_allclose(np.sqrt(after / before).mean(), FLOOR[2], atol=0.02)


def test_every_release_gets_the_same_noise_and_the_same_draws(game, found):
    alone = {"as trained": RELEASES["as trained"], "strong": RELEASES["strong"]}
    again = assess.assess(game, alone, ["lira", "loss"], ["rho"], draws=20, laws=["rho"])
    assert again.predicted["simulation", "rho", "lira"][1] == found.predicted["simulation", "rho", "lira"][2]
    assert np.array_equal(again.draws("rho")[:, 1], found.draws("rho")[:, 2])


def test_rows_keep_their_own_scales_in_codebooks_and_surviving_weights():
    rng = np.random.default_rng(1)
    weights = torch.tensor(rng.normal(size=(6, 3, 8)) * np.array([1, 10, 100])[:, None], dtype=torch.float32)
    top = torch.tensor(rng.normal(size=(6, 1, 3)), dtype=torch.float32)
    models = Ensemble((weights, top), (torch.zeros(6, 3), torch.zeros(6, 1)), "regression")
    x = rng.normal(size=(9, 8)).astype(np.float32)
    game = Game(x, x[:, 0], x, x[:, 1], models[:3], random_halves(3, 9, rng), models[3:], random_halves(3, 9, rng))
    by_row, by_tensor = (
        assess.assess(game, quantized("fp32", "uniform_3", granularity=g), (), ["weight error", "sqrt_J"], draws=2)
        for g in ("row", "tensor")
    )
    assert by_row.value("weight error")[1] > by_tensor.value("weight error")[1]
    assert by_row.value("sqrt_J")[1] > by_tensor.value("sqrt_J")[1]


def test_utility_is_accuracy_auroc_or_r2():
    y = np.array([0, 1, 1, 0])
    outputs = np.array([[-1.0, 2.0, -0.5, -3.0]])
    assert utility(outputs, y, "binary") == pytest.approx([0.75])
    assert utility(outputs, y, "binary", ranked=True) == pytest.approx([1.0])
    assert utility(np.eye(3)[None, [0, 1, 1, 2]], np.array([0, 1, 2, 2]), "multiclass") == pytest.approx([0.75])
    assert utility(np.zeros((1, 4)), np.array([-1.0, 1, -1, 1]), "regression") == pytest.approx([0.0])


def test_a_release_says_which_rule_made_it():
    rule = quantized("sign", granularity="row")["sign"]
    assert (rule.quantizer, rule.granularity) == ("sign", "row")
    assert Release(lambda models: models).quantizer is None
    with pytest.raises(ValueError, match="unknown quantizer 'gptq_4'; valid: fp32, "):
        Release(lambda models: models, "gptq_4")
