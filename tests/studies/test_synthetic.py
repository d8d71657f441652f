"""The indicator study: settings are read strictly, and one small setting runs whole."""

from dataclasses import replace

import numpy as np
import pytest

from qmis_utils import attacks, ensemble, indicators, quantizers
from qmis_utils.assess import NUMBERS, quantized
from qmis_utils.studies import synthetic

ROOT = synthetic.Path(__file__).resolve().parents[2]
TINY = synthetic.Setting("tiny", dim=6, k_modes=4, separation=3.0, n_pool=24, n_heldout=40, hidden=(5,), steps=10,
                     n_models=24, n_indicator=6, white_box=True)  # fmt: skip
NAMES = ("fp32", "uniform_3", "ternary_90")


def test_committed_settings_keep_the_protocol():
    settings = synthetic.load_settings(ROOT / "notebooks" / "settings" / "B_settings.yaml")
    assert len(settings) >= 16
    assert sum(s.split == "judge" for s in settings) == sum(s.split == "choose" for s in settings)
    assert {s.task for s in settings} == {"binary", "multiclass", "regression"}
    assert {len(s.hidden) for s in settings} == {1, 2, 3}
    assert {s.init for s in settings} == {"shared", "random"}
    assert {s.granularity for s in settings} == {"tensor", "row"}
    assert {s.optimizer for s in settings} == {"adam", "sgd"}
    assert sum(max(s.hidden) > 128 for s in settings) <= 2
    white = [s for s in settings if s.white_box]
    assert 4 <= len(white) <= 6
    assert all(s.n_models == 512 and max(s.hidden) <= 64 and s.init == "shared" for s in white)
    assert all(s.n_models == 128 for s in settings if not s.white_box)
    assert all(s.n_indicator <= 16 for s in settings)
    assert len(synthetic.QUANTIZER_SET) >= 20
    assert set(synthetic.QUANTIZER_SET) <= set(quantizers.QUANTIZERS)


def test_the_settings_of_the_strongest_attacks_are_fresh_and_have_weights_to_read():
    files = {name: synthetic.load_settings(ROOT / "notebooks" / "settings" / f"B_{name}.yaml")
             for name in ("settings", "records", "strongest")}  # fmt: skip
    judging = [s for s in files["strongest"] if s.split == "judge"]
    earlier = {s.seed for name in ("settings", "records") for s in files[name]}
    assert not earlier & {s.seed for s in judging}
    assert {s.seed for s in files["strongest"] if s.split == "choose"} < {
        s.seed for s in files["settings"] if s.split == "choose"
    }
    assert sum(s.white_box for s in judging) >= 8
    assert {s.table for s in judging} == {
        *("", "digits", "breast_cancer", "diabetes", "MoleculeACE:CHEMBL204_Ki", "MoleculeACE:CHEMBL237_Ki")
    }
    assert all(s.n_models == 192 for s in files["strongest"])
    assert set(synthetic.FEWER) < set(synthetic.QUANTIZER_SET)
    assert set(quantizers.PAPER_SET) - {"uniform_8"} <= set(synthetic.FEWER)


@pytest.mark.parametrize(
    ("table", "task", "labels"),
    [
        ("digits", "multiclass", 10),
        ("breast_cancer", "binary", 2),
        ("diabetes", "regression", 60),
        ("BBB_Martins", "binary", 2),
    ],
)
def test_a_real_table_gives_a_pool_and_fresh_records_that_differ(table, task, labels):
    setting = replace(TINY, table=table, task=task, classes=labels, n_pool=60, n_heldout=50)
    (x, y), (x_out, _) = synthetic.draw_data(setting, np.random.default_rng(0))
    assert (len(x), len(x_out)) == (60, 50)
    assert len(np.unique(y)) <= labels
    assert not {row.tobytes() for row in x} & {row.tobytes() for row in x_out} or table == "BBB_Martins"
    both = np.vstack([x, x_out]).astype(float)
    moving = both.std(axis=0) > 0
    np.testing.assert_allclose(both[:, moving].std(axis=0), 1, rtol=1e-4)
    again = synthetic.draw_data(setting, np.random.default_rng(1))[0][0]
    assert not np.array_equal(x, again)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("- {name: a, widht: 3}", "unknown keys widht"),
        ("- {name: a}\n- {name: a}", "distinct names"),
        ("- {name: a, split: jugde}", "split 'choose' or 'judge'"),
    ],
)
def test_bad_settings_are_named(tmp_path, text, match):
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(ValueError, match=match):
        synthetic.load_settings(tmp_path / "settings.yaml")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_one_setting_runs_whole(task):
    setting = replace(TINY, task=task, classes=3 if task == "multiclass" else 2)
    result = synthetic.evaluate(setting, NAMES, draws=5)
    assert set(result.auc) == {*synthetic.BLACK_BOX, *synthetic.WHITE_BOX} == set(result.null)
    for auc in result.auc.values():
        assert auc.shape == (24, 3)
        assert ((auc >= 0) & (auc <= 1)).all()
    assert result.releases == list(NAMES)
    assert set(result.numbers) == set(NUMBERS)
    assert all(result.value(name).shape == (3,) and result.draws(name).shape == (5, 3) for name in NUMBERS)
    for name in ("rho", "rho_pc1", "rho_shape", "rho_pool", "rho_w"):
        assert result.value(name)[0] == pytest.approx(1)
        assert result.value(name)[1] < 1
    assert result.value("sqrt_J")[0] == 1
    for (_, _, attack), predicted in result.predicted.items():  # nothing is lost in full precision
        assert predicted[0] == pytest.approx(result.auc[attack][:, 0].mean(), abs=0.03)
    again = synthetic.evaluate(setting, NAMES, draws=5)
    assert np.array_equal(again.value("rho"), result.value("rho"))


def test_a_few_attacks_and_numbers_say_what_the_whole_study_says():
    few = {"attacked": ["lira", "weight_regression"], "numbers": ["rho", "rho_w", "sparsity", "r ensemble all_pairs"]}
    whole, again = synthetic.evaluate(TINY, NAMES, draws=3), synthetic.evaluate(TINY, NAMES, draws=3, **few)
    assert set(again.auc) == set(few["attacked"])
    for attack, auc in again.auc.items():
        assert np.array_equal(auc, whole.auc[attack])
    assert list(again.numbers) == few["numbers"]
    for name in again.numbers:
        assert np.array_equal(again.value(name), whole.value(name)), name
    other = synthetic.evaluate(replace(TINY, seed=1, white_box=False), NAMES, draws=3, **few)
    assert set(other.auc) == {"lira"}
    assert not np.allclose(other.auc["lira"], again.auc["lira"])


def test_records_are_predicted_without_membership_and_measured_for_each_attack():
    found, predicted = synthetic.evaluate_records(TINY, NAMES, draws=3)
    n, attacked = TINY.n_pool, ("lira", "weight_regression")
    assert found.measures["exposure"].shape == (3, 2, n)
    assert abs(found.measures["exposure"]).max() <= 1
    seen = synthetic.prepare(TINY).seen(quantized(*NAMES)[NAMES[1]])
    for a, attack in enumerate(attacked):
        exposure = attacks.record_exposure(attacks.ATTACKS[attack].run(seen), seen.members).exposure
        assert np.array_equal(found.measures["exposure"][1, a], exposure)
    assert set(predicted) == {"noise floor", "as trained", "function error", "record loss"}
    assert all(values.shape == (3, n) for values in predicted.values())
    np.testing.assert_allclose(predicted["noise floor"][0], predicted["as trained"][0], rtol=1e-6)
    assert (predicted["noise floor"][1:] <= predicted["as trained"][1:]).all()
    assert (predicted["function error"][0] == 0).all()
    assert {number for _, number, attack in found.predicted if attack == "weight_regression"} == {
        "rho_w", "sqrt_J", "edge law", "noise floor"
    }  # fmt: skip


def test_a_quantizer_is_judged_alike_whatever_stands_before_it():
    alone, after = (synthetic.evaluate(TINY, names, draws=4) for names in (("fp32", "sign"), ("fp32", "nf4", "sign")))
    for law, predicted in alone.predicted.items():
        assert predicted[1] == after.predicted[law][2], law
    for name in NUMBERS:
        assert np.array_equal(alone.draws(name)[:, 1], after.draws(name)[:, 2], equal_nan=True), name


def test_no_attack_reads_its_target_where_nothing_can_leak():
    rng = np.random.default_rng(0)
    setting = synthetic.Setting("noise", dim=20, n_pool=64, n_models=96, hidden=(6,), steps=1, white_box=True)
    seen = synthetic.prepare(setting).seen(lambda models: models)
    other = ensemble.random_halves(96, 64, rng)  # a membership that no model was trained on
    for attack in (*synthetic.BLACK_BOX, *synthetic.WHITE_BOX):
        scores = attacks.ATTACKS[attack].run(seen.relabel(other))
        assert attacks.auc(scores, other).mean() == pytest.approx(0.5, abs=0.03), attack


def test_utility_is_that_of_the_attacked_models():
    game = synthetic.prepare(TINY)
    found = synthetic.evaluate(TINY, NAMES, draws=2, attacked=["loss"], numbers=["rho"])
    released = game.models.quantize("ternary_90").logits(game.x_out)
    assert found.measures["utility"][2] == pytest.approx(((released > 0) == game.y_out).mean())


def test_trajectory_ends_with_the_whole_training():
    game = synthetic.prepare(TINY, path=True)
    last = ensemble.train(game.x, game.y, game.spare_members[:1], **TINY.training())
    assert np.array_equal(game.path[len(game.path) - 1 :].vectors(), last.vectors())
    assert synthetic.prepare(TINY).path is None


def test_label_noise_changes_the_stated_share():
    rng = np.random.default_rng(0)
    setting = synthetic.Setting("noisy", task="multiclass", classes=4, k_modes=4, label_noise=0.2)
    means = 100 * np.eye(4, 128)
    x, y = synthetic.draw_records(setting, 20_000, (means, np.zeros(4)), rng)
    assert (y != (x @ means.T).argmax(axis=1)).mean() == pytest.approx(0.2, abs=0.01)
    assert set(y) == {0, 1, 2, 3}


def test_budget_curves_hold_every_number_at_every_budget(monkeypatch):
    monkeypatch.setattr(synthetic, "QUANTIZER_SET", NAMES)
    rows = {(kind, size, name): v for kind, size, name, v in synthetic.budget_curve(TINY, (2, 6), (20, 40))}
    names = {"rho", "rho_shape", "rho_pool", "rho_w", "function error"}
    names |= {f"r ensemble {how}" for how in ("min", "median", "all_pairs")}
    for budget in (("models", 2), ("models", 6), ("held-out", 20), ("held-out", 40)):
        assert names <= {key[2] for key in rows if key[:2] == budget}
    # the same six models on the same 40 held-out records
    for name in ("rho", "rho_w", "function error", "r ensemble median"):
        np.testing.assert_allclose(rows["held-out", 40, name], rows["models", 6, name])
    assert {key[2] for key in rows if key[0] == "models"} - {key[2] for key in rows if key[0] == "held-out"} == {"lira"}


@pytest.mark.gpu
def test_the_statistics_of_weights_read_a_gpu():
    rng = np.random.default_rng(0)
    halves = ensemble.random_halves(4, 20, rng)
    models = ensemble.train(rng.normal(size=(20, 6)), np.arange(20) % 2, halves, hidden=(5,), steps=9)
    for granularity in ("tensor", "row"):
        one = models[[0]].to("cuda").quantize("uniform_3", granularity)
        moved = indicators.neighbours(one, 5, np.random.default_rng(1), granularity).vectors()
        assert ((moved != one.vectors()).sum(axis=1) == 1).all()
