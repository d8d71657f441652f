"""Tests of the exact problems: the ladder of releases, the attacks that the truth measures, secret starts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qmis_utils import indicators, run
from qmis_utils.studies import exact
from qmis_utils.theory import networks

SMALL = exact.Problem("small", kinds=3, n=6, dim=2, hidden=(3,), steps=40, seed=1)
NAMES = ("fp32", "uniform_4", "sign", "ternary_50")


@pytest.fixture(scope="module")
def counts():
    return np.concatenate(list(networks.enumerate_training_sets(SMALL.n, SMALL.kinds)))


@pytest.fixture(scope="module")
def models(counts):
    return exact.train(SMALL, exact.draw_world(SMALL), counts)


def test_the_committed_problems_fill_both_halves_and_vary_what_they_should():
    problems = exact.load_problems(run.NOTEBOOKS / "settings" / "exact.yaml")
    assert [sum(p.split == half for p in problems) for half in ("choose", "judge")] == [20, 20]
    assert not {p.seed for p in problems if p.split == "choose"} & {p.seed for p in problems if p.split == "judge"}
    for half in ("choose", "judge"):
        part = [p for p in problems if p.split == half]
        assert {p.task for p in part} == {"binary", "multiclass", "regression"}
        assert {p.optimizer for p in part} == {"adam", "sgd"}
        assert {len(p.hidden) for p in part} >= {1, 2}
        assert any(p.noise for p in part)
        assert min(p.steps for p in part) <= 30 < 400 <= max(p.steps for p in part)


def test_a_file_of_problems_with_a_mistake_names_it(tmp_path):
    path = Path(tmp_path) / "mine.yaml"
    for text, message in (
        ("- {name: a, kinds: 3, width: 5}", "'a' has unknown keys width"),
        ("- {name: a}\n- {name: a}", "distinct names"),
        ("- {name: a, split: test}", "split 'choose' or 'judge'"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            exact.load_problems(path)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_noisy_kind_copies_the_first_with_another_label(task):
    x, y, probs = exact.draw_world(
        exact.Problem("noisy", task=task, classes=3 if task == "multiclass" else 2, noise=True)
    )
    assert (x[-1] == x[0]).all()
    assert y[-1] != y[0]
    assert probs.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_each_step_of_the_ladder_of_weights_gives_away_no_less(models, counts, name):
    world = exact.draw_world(SMALL)
    held = exact.ladder(models, name, world[0])
    value = {s: networks.trained_network_insecurity(held[s], counts, world[2]) for s in exact.LADDER}
    for less, more in [("codes", "codes+pot"), ("codes+pot", "codes+scale"), ("codes+scale", "codes+scale+bias"),
                       ("codes+scale+bias", "full"), ("labels", "two digits"), ("two digits", "outputs"),
                       ("outputs", "codes+scale+bias")]:  # fmt: skip
        assert value[less] <= value[more] * (1 + 1e-9)
    assert value["codes"] > 0
    assert value["labels"] < value["full"]


def test_full_precision_has_its_weights_for_codes(models):
    held = exact.ladder(models, "fp32", exact.draw_world(SMALL)[0])
    assert (held["codes"][0] == models.weights[0].numpy()).all()


def test_scales_become_the_nearest_power_of_two_on_a_logarithmic_scale():
    assert exact.power_of_two(np.array([1.0, 1.4, 1.5, 0.26, 8.0])).tolist() == [0, 0, 1, -2, 3]
    assert exact.power_of_two(np.array([0.0]))[0] <= -126


def test_the_truth_is_that_of_all_networks_at_once(models, counts):
    world = exact.draw_world(SMALL)
    found, use = exact.truth(SMALL, NAMES, ("codes", "labels"))
    assert set(found) == {f"{name}, {step}" for name in NAMES for step in ("codes", "labels")}
    for name in NAMES:
        held = exact.ladder(models, name, world[0])
        for step in ("codes", "labels"):
            whole = networks.trained_network_insecurity(held[step], counts, world[2])
            assert found[f"{name}, {step}"].mean == pytest.approx(whole, rel=1e-9)
        law = np.exp(networks.log_multinomial(counts, world[2]))
        right = ((held["outputs"][0] > 0) == world[1]) @ world[2]
        assert use[name] == pytest.approx(law @ right)


def test_a_regression_is_as_useful_as_its_r2():
    y, probs = np.array([0.0, 1.0, 4.0]), np.array([0.5, 0.25, 0.25])
    assert exact.usefulness(y[None], y, probs, "regression")[0] == 1
    assert exact.usefulness(np.full((1, 3), probs @ y), y, probs, "regression")[0] == pytest.approx(0)


def test_numbers_stand_beside_the_truth_and_sqrt_j_ranks_better_than_chance():
    found = exact.evaluate(exact.Problem("one", kinds=4, n=12, dim=3, hidden=(4,), seed=5))
    assert {"rho_w", "sqrt_J", "r ensemble min", "r neighbourhood min", "bits"} <= set(found["numbers"])
    assert not {"lira 16", "one reference", "r trajectory min"} & set(found["numbers"])
    truth = [found["truth"][f"{name}, codes"].mean for name in exact.QUANTIZER_SET]
    assert indicators.kendall_b(found["numbers"]["sqrt_J"], truth) > 0.5
    assert len(found["numbers"]["sqrt_J"]) == len(exact.QUANTIZER_SET) == len(found["utility"])


def test_attacks_never_pass_the_truth_and_trees_come_near_it():
    rows = [row for seed in range(2) for row in exact.attained(SMALL, ("uniform_4", "sign"), shadows=300, seed=seed)]
    assert all(row["advantage"] <= row["exact"] * (1 + 1e-9) for row in rows)
    share = {row["attack"]: row["advantage"] / row["exact"] for row in rows if row["quantizer"] == "uniform_4"}
    assert share["codes, trees"] > 0.9
    assert share["lira"] < share["codes, trees"]
    assert share["codes, table"] > 0.99  # a likelihood ratio learnt from 100,000 trainings
    few = exact.attained(SMALL, ("uniform_4",), shadows=300, simulated=30, learners=())
    assert {row["attack"] for row in few} == {"lira", "codes, table"}
    table = next(row for row in few if row["attack"] == "codes, table")
    assert table["advantage"] < 0.95 * table["exact"]


def test_attacks_fitted_on_dealt_training_sets_find_nothing_on_average():
    runs = [exact.attained(SMALL, ("uniform_4",), 200, seed, null=True) for seed in range(12)]
    found = [row["advantage"] / row["exact"] for rows in runs for row in rows if row["attack"] == "codes, ridge"]
    assert abs(np.mean(found)) < 3 * np.std(found, ddof=1) / np.sqrt(len(found)) + 0.02
    assert np.mean(found) < 0.4


def test_a_secret_start_never_helps_and_one_start_is_no_secret():
    rows = exact.secret_start(SMALL, "sign", 8)
    assert [starts for starts, _, _ in rows] == [1, 2, 4, 8]
    assert rows[0][1] == pytest.approx(rows[0][2], rel=1e-12)
    assert all(secret <= known * (1 + 1e-9) for _, secret, known in rows)
    assert rows[-1][1] < rows[-1][2]
    table = exact.secret_table([SMALL, replace(SMALL, seed=SMALL.seed + 1)], "sign", 8)
    own, mean = table[table.problem == SMALL.seed], table[table.problem == "mean"]
    assert own[["starts", "secret", "known"]].to_numpy().tolist() == [list(row) for row in rows]
    assert own.share.tolist() == pytest.approx([secret / known for _, secret, known in rows])
    other = table[table.problem == SMALL.seed + 1].share
    np.testing.assert_allclose(mean.share, (own.share.to_numpy() + other.to_numpy()) / 2)
    assert ((mean.low < mean.share + 1e-9) & (mean.share < mean.high + 1e-9) & (mean.high <= 1)).all()
    models = exact.train(SMALL, exact.draw_world(SMALL), np.array([[SMALL.n] + [0] * (SMALL.kinds - 1)]))
    assert set(table.weights) == {models.vectors().shape[1]}


def test_mixed_releases_that_tell_nothing_of_the_start_are_those_of_one(counts):
    ids, probs = counts[:, 0], exact.draw_world(SMALL)[2]
    alone = networks.trained_network_insecurity(ids, counts, probs)
    assert exact.mixed_insecurity(np.stack([ids, ids]), counts, probs) == pytest.approx(alone, rel=1e-9)
    apart = np.stack([ids, ids + 100])
    assert exact.mixed_insecurity(apart, counts, probs) == pytest.approx(alone, rel=1e-9)


def test_with_continuous_data_the_weights_tell_more_than_scales_alone():
    rows = exact.continuous_records(records=3, n=12, dim=4, width=4, fits=150, names=("fp32", "sign"))
    assert len(rows) == 3 * 2 * 4
    mean = {(q, p): np.mean([r["auc"] for r in rows if (r["quantizer"], r["part"]) == (q, p)])
            for q in ("fp32", "sign") for p in ("codes", "scales")}  # fmt: skip
    assert mean["fp32", "scales"] == 0.5  # there are none
    assert mean["fp32", "codes"] > max(mean["sign", "scales"], 0.55)


def test_the_largest_gap_of_the_exact_roc_is_the_insecurity(models, counts):
    world = exact.draw_world(SMALL)
    held = exact.ladder(models, "sign", world[0])["codes"]
    fpr, tpr = exact.roc(held, counts, world[2])
    assert fpr[-1] == pytest.approx(1)
    assert tpr[-1] == pytest.approx(1)
    assert (np.diff(tpr) >= -1e-15).all()
    slopes = np.diff(tpr) / np.diff(fpr)
    assert (np.diff(slopes) <= 1e-6 * slopes[:-1]).all()  # concave, as that of the best attack is
    assert max(tpr - fpr) == pytest.approx(networks.trained_network_insecurity(held, counts, world[2]), rel=1e-9)


def test_agreement_has_a_row_a_number_release_and_problem_and_their_mean_and_least():
    problems = [exact.Problem(name, split, kinds=3, n=5, dim=2, hidden=(3,), steps=20, seed=seed)
                for seed, (name, split) in enumerate([("a", "choose"), ("b", "judge"), ("c", "judge")])]  # fmt: skip
    found = exact.agreement(problems, [exact.evaluate(problem) for problem in problems])
    part = found[(found.number == "sqrt_J") & (found.released == "codes") & (found.split == "judge")].set_index(
        "problem"
    )
    assert set(part.index) == {"b", "c", "mean", "min"}
    assert part.tau["mean"] == pytest.approx(part.tau[["b", "c"]].mean())
    assert part.tau["min"] == part.tau[["b", "c"]].min()
    assert part.low["mean"] <= part.tau["mean"] <= part.high["mean"]
    assert set(found.kind) == {"indicator", "rival", "oracle", "attack"}
    assert set(found.split[found.kind == "attack"]) == {"judge"}
