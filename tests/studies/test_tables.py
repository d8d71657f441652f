"""Tables of the indicator study on planted results: who is right, on which pairs, and what the reader is told of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qmis_utils import assess
from qmis_utils.studies import tables
from qmis_utils.studies.synthetic import Setting

NAMES = ["fp32", "fine", "coarse", "broken"]
ORDER = np.array([0.80, 0.70, 0.60, 0.52])


def planted(name, auc=ORDER, split="judge", numbers=None, targets=8, attack="lira"):
    """Return a result with noise-free targets, so that every pair is resolved as planted, and given numbers."""
    setting = Setting(name, split=split, n_pool=200)
    aucs = {a: np.tile(np.full(len(auc), 0.5), (targets, 1)) for a in tables.BLACK_BOX} | {
        attack: np.tile(auc, (targets, 1))
    }
    signs = {a: np.sign(np.subtract.outer(v[0], v[0])) for a, v in aucs.items()}
    value = {"rho": np.array([1.0, 0.8, 0.6, 0.4]), "r ensemble min": -np.array([0.5, 0.02, 0.04, 0.1])} | (
        numbers or {}
    )
    draws = {key: np.tile(v, (6, 1)) for key, v in value.items()}
    return tables.Result(setting, NAMES, aucs, signs, value, draws, {}, {}, np.ones(4))


# --- intervals over settings -------------------------------------------------------------------------------------


def test_few_settings_have_no_bootstrap():
    assert np.isnan(tables.bootstrap_settings([0.8, 0.9, 1.0, 0.7], np.mean, 50)).all()
    low, high = tables.bootstrap_settings([0.8, 0.9, 1.0, 0.7, 0.6], np.mean, 50)
    assert low < 0.8 < high


# --- results -----------------------------------------------------------------------------------------------------


def assessment(auc, attack="lira", **numbers):
    """Return what the engine would have found, all targets alike."""
    aucs = {a: np.tile(np.full(len(auc), 0.5), (8, 1)) for a in tables.BLACK_BOX} | {attack: np.tile(auc, (8, 1))}
    found = {key: [assess.Interval(v, v, v, np.full(3, v)) for v in values] for key, values in numbers.items()}
    null = {a: v[:, :1] for a, v in aucs.items()}
    predicted = {("closed", number, attack): auc for number in numbers}
    return assess.Assessment(NAMES, aucs, null, found, predicted, {"utility": np.ones(4)})


def test_the_strongest_attack_is_chosen_per_quantizer_among_the_black_box_ones():
    found = assessment(ORDER)
    found.auc["rmia"][:] = ORDER[::-1]
    found.auc["weight_regression"] = np.tile([0.99] * 4, (8, 1))
    (result,) = tables.complete([found], [Setting("only")])
    np.testing.assert_allclose(result.auc["strongest"], np.tile(np.maximum(ORDER, ORDER[::-1]), (8, 1)))
    assert result.signs["strongest"][0, 1] == 1
    assert result.auc.keys() == {*found.auc, "strongest"}  # nobody ran all that reads weights
    assert "strongest" not in found.auc  # what the engine found is left alone
    assert result.null["lira"].tolist() == [0.8] * 8


def test_whoever_reads_weights_may_read_outputs_too():
    found = assessment(ORDER)
    weak = {a: np.tile([0.55] * 4, (8, 1)) for parts in tables.STRONGEST.values() for a in parts}
    found = replace(found, auc=weak | {"loss": np.tile(ORDER, (8, 1)), "lira": np.tile([0.7, 0.5, 0.5, 0.5], (8, 1))})
    (result,) = tables.complete([found], [Setting("only", white_box=True)])
    assert result.auc["strongest"][0].tolist() == [0.8, 0.7, 0.6, 0.55]
    assert result.auc["strongest, weights"][0].tolist() == [0.7, 0.55, 0.55, 0.55]
    assert [tables.threat_of(a) for a in ("strongest", "stacked_outputs", "loss")] == ["black"] * 3
    assert [tables.threat_of(a) for a in ("strongest, weights", "stacked", "combined")] == ["white"] * 3


def test_the_strongest_attack_is_picked_on_other_targets():
    found = assessment(ORDER)
    lucky = np.where(np.arange(8) % 2, 0.2, 0.9)  # mean .55; one half of the targets sees .2, the other .9
    found.auc["rmia"][:] = lucky[:, None]
    found.auc["lira"][:] = 0.56
    (result,) = tables.complete([found], [Setting("only")])
    assert result.auc["strongest"].mean() <= 0.56


def test_a_law_speaks_of_the_strongest_attack_from_its_own_full_precision():
    found = assessment(ORDER, rho=[1.0, 0.5, 0.0, -0.2], rho_w=[1.0, 0.1, 0.1, 0.1])
    del found.predicted["closed", "rho_w", "lira"]
    found.predicted["closed", "rho_w", "weight_regression"] = ORDER
    share = np.array([1, 0.5, 0.25, 0])
    for law in ("closed", "simulation"):
        found.predicted[law, "rho", "lira"] = stats.norm.cdf(share * stats.norm.ppf(0.8))
    found.auc.update(rmia=np.full((8, 4), 0.9), weight_regression=np.full((8, 4), 0.6))
    (result,) = tables.complete([found], [Setting("only")])
    for law in ("closed", "simulation"):
        np.testing.assert_allclose(
            result.predicted[law, "rho", "strongest"], stats.norm.cdf(share * stats.norm.ppf(0.9))
        )
    assert ("closed", "rho_w", "strongest") not in result.predicted
    assert not [key for key in result.predicted if key[2] == "strongest, weights"]  # not all that reads weights was run
    assert set(tables.law_table([result]).attack) == {"lira", "weight_regression", "strongest"}


def test_what_weights_add_to_outputs_survives_as_weights_do():
    found = assessment(ORDER, rho=[1.0, 0.5, 0.5, 0.5], rho_w=[1.0, 0.1, 0.1, 0.1])
    every = {a: np.full((8, 4), 0.55) for parts in tables.STRONGEST.values() for a in parts}
    every |= {"lira": np.full((8, 4), 0.7), "weight_regression": np.full((8, 4), 0.6), "stacked": np.full((8, 4), 0.9)}
    far = {name: stats.norm.ppf(every[name][0, 0]) for name in ("lira", "weight_regression", "stacked")}
    outputs, inside = np.array([1, 0.5, 0, -0.1]), np.array([1, 0, 0.4, 0.4])
    predicted = {
        ("simulation", "rho", "lira"): stats.norm.cdf(outputs * far["lira"]),
        ("closed", "rho_w", "weight_regression"): stats.norm.cdf(inside * far["weight_regression"]),
    }
    (result,) = tables.complete([replace(found, auc=every, predicted=predicted)], [Setting("only", white_box=True)])
    beyond = far["stacked"] ** 2 - far["lira"] ** 2
    left = np.array([far["stacked"], 0.5 * far["lira"], 0.4 * np.sqrt(beyond), 0.4 * np.sqrt(beyond)])
    np.testing.assert_allclose(result.predicted["added", "rho_w", "strongest, weights"], stats.norm.cdf(left))
    assert "added rho_w" in set(tables.law_table([result]).law)


def test_a_fixed_order_is_learnt_from_the_other_choosing_settings_alone():
    settings = [Setting("a"), Setting("b"), Setting("c", split="judge")]
    aucs = [ORDER, ORDER[[1, 0, 2, 3]], ORDER[::-1]]
    results = tables.complete([assessment(auc) for auc in aucs], settings)
    assert results[0].value["fixed order"].tolist() == [3, 4, 2, 1]  # of b alone: c only judges
    assert results[1].value["fixed order"].tolist() == [4, 3, 2, 1]
    assert results[2].value["fixed order"].tolist() == [3.5, 3.5, 2, 1]
    assert np.isnan(results[0].value["fixed order, weights"]).all()  # nobody attacked weights


def test_kinds_and_budgets_of_numbers_are_read_off_the_catalogue():
    kinds = {
        name: tables.kind_of(name)
        for name in ("rho_pool", "r ensemble min", "function error", "lira 16", "fixed order")
    }
    assert list(kinds.values()) == ["indicator", "indicator", "rival", "attack", "rival"]
    assert [tables.models_needed(name, 16) for name in ("rho", "r trajectory min", "bits", "fixed order")] == [
        16,
        1,
        0,
        0,
    ]


# --- agreement ---------------------------------------------------------------------------------------------------


def test_tau_is_one_for_the_planted_order_and_minus_one_for_its_reverse():
    numbers = {
        "bits": np.array([4.0, 3, 2, 1]),
        "sparsity": np.array([1.0, 2, 3, 4]),
        "test loss": np.array([4.0, 3, 1, 2]),
    }
    table = tables.tau_table([planted("only", numbers=numbers)]).query("attack == 'lira'").set_index("estimator")
    assert table.tau[["rho", "bits", "sparsity", "test loss"]].tolist() == pytest.approx([1, 1, -1, 4 / 6])
    assert (table.resolved == 1).all()
    assert (table.low == table.tau).all()  # draws are all alike
    assert set(table.threat) == {"black"}
    assert set(tables.tau_table([planted("only", attack="difficulty")]).threat) == {"black"}
    white = tables.tau_table([planted("only", attack="weight_regression")])
    assert set(white.query("attack == 'weight_regression'").threat) == {"white"}


def test_hard_pairs_are_resolved_both_ways_not_one_way():
    turned = planted("turned", auc=ORDER[[1, 0, 2, 3]])
    mask = tables.hard_pairs([planted("one"), turned], "lira")
    assert np.argwhere(np.triu(mask)).tolist() == [[0, 1]]
    assert not tables.hard_pairs([planted("one"), planted("again")], "lira").any()


def test_hard_tau_pools_the_settings_of_its_split_alone():
    right, wrong = planted("right"), planted("wrong", numbers={"rho": np.array([0.4, 0.6, 0.8, 1.0])})
    other = replace(wrong, setting=replace(wrong.setting, split="choose"))
    mask = np.ones((4, 4), bool)
    assert tables.hard_tau("rho", [right, other], "lira", mask) == 1
    assert tables.hard_tau("rho", [right, other], "lira", mask, split="choose") == -1
    assert tables.hard_tau("rho", [right, wrong], "lira", mask) == 0
    assert np.isnan(tables.hard_tau("rho", [right], "lira", np.zeros((4, 4), bool)))


def test_a_summary_has_the_mean_the_least_and_the_hard_pairs_of_each_split():
    swapped = {"rho": np.array([0.8, 1.0, 0.6, 0.4])}  # wrong on the one hard pair
    results = [planted("a"), planted("b", numbers=swapped), planted("c", auc=ORDER[[1, 0, 2, 3]], split="choose")]
    tau = tables.tau_table(results)
    summary = tables.summarise(tau[tau.attack == "lira"], results, {"black": "lira"}, 50)
    found = summary[(summary.estimator == "rho") & (summary.split == "judge")].set_index("setting")
    assert found.tau["mean"] == pytest.approx((1 + 4 / 6) / 2)
    assert found.tau["min"] == pytest.approx(4 / 6)
    assert found.tau["hard_pairs"] == 0  # right once, wrong once
    assert np.isnan(found.low["min"])
    chosen = summary[(summary.estimator == "rho") & (summary.split == "choose")].set_index("setting")
    assert chosen.tau["hard_pairs"] == -1


# --- laws, regimes, threats --------------------------------------------------------------------------------------


def test_a_miss_is_predicted_minus_measured():
    result = replace(planted("only"), predicted={("closed", "rho", "lira"): ORDER + np.array([0, 0.03, -0.02, 0]),
                                                 ("closed", "rho", "loss"): ORDER})  # fmt: skip
    table = tables.law_table([result]).set_index("quantizer")
    assert table.miss.tolist() == pytest.approx([0.03, -0.02, 0])  # full precision predicts nothing
    assert set(table.law) == {"closed rho"}
    assert set(table.attack) == {"lira"}  # laws are not judged by every attack


def test_the_regime_of_the_theorem_is_where_n_r_is_large():
    numbers = {"rho": np.array([1.0, 0.6, 0.8, 0.4])}  # n r of the four: 50, 2, 4, 10, with 100 records a model
    row = tables.regime_table([planted("only", numbers=numbers)], "rho").loc["only"]
    assert row["n r > 3"] == 3
    assert row["resolved pairs inside"] == 3
    assert row["tau inside"] == 1
    assert np.isnan(row["tau outside"])  # one quantizer has no pair


def test_threats_are_compared_where_all_their_attacks_ran():
    both = planted("both")
    both = replace(both, auc=both.auc | {"weight_regression": np.tile(ORDER + 0.1, (8, 1))})
    table = tables.threat_table([both, planted("blind")], {"black": "lira", "white": "weight_regression"})
    assert set(table.setting) == {"both"}
    assert (table.white - table.black).tolist() == pytest.approx([0.1] * 4)


def test_agreement_on_extremes_has_intervals_and_may_leave_quantizers_out():
    results = [planted(f"s{i}", numbers={"guess": ORDER[[0, 2, 1, 3]]}) for i in range(4)]
    whole = tables.extreme_agreement(results, ["guess"]).loc["guess"]
    assert (whole["least private"], whole["least private high"], whole["settings"]) == (1, 1, 4)
    assert whole["least private low"] == pytest.approx(0.025 ** (1 / 4))  # Clopper-Pearson of 4 in 4
    part = tables.extreme_agreement(results, ["guess"], without=("fp32",)).loc["guess"]
    assert (part["least private"], part["most private"]) == (0, 1)
