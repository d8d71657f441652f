"""The indicator study: settings are read strictly, and one small setting runs whole."""

from dataclasses import replace

import numpy as np
import pytest

from qmis_utils import ensemble, quantizers
from qmis_utils.studies import synthetic

ROOT = synthetic.Path(__file__).resolve().parents[2]
TINY = synthetic.Setting("tiny", dim=6, k_modes=4, separation=3.0, n_pool=24, n_heldout=40, hidden=(5,), steps=10,
                     n_models=24, n_indicator=6, white_box=True)  # fmt: skip
NAMES = ("fp32", "uniform_3", "ternary_90")


def test_committed_settings_keep_the_protocol():
    settings = synthetic.load_settings(ROOT / "notebooks" / "settings" / "02b_settings.yaml")
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
    setting = synthetic.Setting(**{**TINY.__dict__, "task": task, "classes": 3 if task == "multiclass" else 2})
    result = synthetic.evaluate(setting, NAMES, draws=5)
    assert set(result["auc"]) == {
        "lira",
        "lira_offline",
        "rmia",
        "loss",
        "regression",
        "influence",
        "combined",
    }
    for auc in result["auc"].values():
        assert auc.shape == (24, 3)
        assert ((auc >= 0) & (auc <= 1)).all()
    assert all(v.shape == (3,) for v in result["value"].values())
    assert all(v.shape[1:] == (3,) for v in result["draws"].values())
    assert set(result["null"]) == set(result["auc"])
    for name in ("rho", "rho_pc1", "rho_shape", "rho_pool", "rho_w"):
        assert result["value"][name][0] == pytest.approx(1)
        assert result["value"][name][1] < 1
    assert result["value"]["sqrt_J"][0] == 1
    for (_, attack), predicted in result["predicted"].items():  # nothing is lost in full precision
        assert predicted[0] == pytest.approx(result["auc"][attack][:, 0].mean(), abs=0.03)
    again = synthetic.evaluate(setting, NAMES, draws=5)
    assert np.array_equal(again["value"]["rho"], result["value"]["rho"])


def test_a_repeat_says_what_the_whole_study_says():
    reference = {"black": "lira", "white": "regression"}
    whole, again = synthetic.evaluate(TINY, NAMES, draws=3), synthetic.repeat(TINY, reference, NAMES)
    assert set(again["auc"]) == {"lira", "regression"}
    for attack, auc in again["auc"].items():
        np.testing.assert_allclose(auc, whole["auc"][attack])
    assert {"rho", "rho_pool", "rho_w", "sparsity", "bits", "r ensemble all_pairs"} <= set(again["value"])
    for name, value in again["value"].items():
        np.testing.assert_allclose(value, whole["value"][name], err_msg=name)
    other = synthetic.repeat(replace(TINY, seed=1, white_box=False), reference, NAMES)
    assert set(other["auc"]) == {"lira"}
    assert not np.allclose(other["auc"]["lira"], again["auc"]["lira"])


def test_no_attack_reads_its_target_where_nothing_can_leak():
    rng = np.random.default_rng(0)
    setting = synthetic.Setting("noise", dim=20, n_pool=64, n_models=96, hidden=(6,), steps=1, white_box=True)
    (x, y, x_out, y_out, _), models, _, _ = synthetic.prepare(setting)
    other = ensemble.random_halves(96, 64, rng)  # a membership that no model was trained on
    gradients = ensemble.record_gradients(models, x, y)
    for attack, scores in synthetic.attack_scores(setting, models, x, y, x_out, y_out, other, gradients).items():
        assert synthetic.attacks.auc(scores, other).mean() == pytest.approx(0.5, abs=0.03), attack


def test_neighbours_differ_in_one_weight_by_one_level():
    *_, spare = synthetic.prepare(TINY)
    released = spare[:1].quantize("uniform_3")
    moved = synthetic.neighbours(spare[:1], "uniform_3", "tensor", 10, np.random.default_rng(0))
    difference = moved.vectors() - released.vectors()
    assert ((difference != 0).sum(axis=1) == 1).all()
    for layer, w in enumerate(moved.weights):
        levels = np.unique(released.weights[layer].numpy())
        assert set(np.unique(w.numpy())) <= set(levels)


def test_trajectory_ends_with_the_whole_training():
    _, _, (x, y, _, _, members), _ = synthetic.prepare(TINY)
    path = synthetic.trajectory(TINY, x, y, members)
    last = ensemble.train(x, y, members[:1], **TINY.training())
    assert np.array_equal(path[len(path) - 1 :].vectors(), last.vectors())


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
    whole = synthetic.evaluate(TINY, NAMES, draws=2)["value"]  # the same six models on the same 40 held-out records
    for name in ("rho", "rho_w", "function error", "r ensemble median"):
        assert rows["models", 6, name].shape == (3,)
        np.testing.assert_allclose(rows["held-out", 40, name], rows["models", 6, name])
    assert whole["function error"][0] == rows["models", 6, "function error"][0] == 0


@pytest.mark.gpu
def test_the_statistics_of_weights_read_a_gpu():
    rng = np.random.default_rng(0)
    halves = ensemble.random_halves(4, 20, rng)
    models = ensemble.train(rng.normal(size=(20, 6)), np.arange(20) % 2, halves, hidden=(5,), steps=9)
    for granularity in ("tensor", "row"):
        small = models.quantize("uniform_3", granularity)
        shares = synthetic.surviving_weights(small, models, granularity)
        there = synthetic.surviving_weights(small.to("cuda"), models.to("cuda"), granularity)
        np.testing.assert_allclose(there, shares, rtol=1e-5)
        one = models[[0]].to("cuda")
        moved = synthetic.neighbours(one, "uniform_3", granularity, 5, np.random.default_rng(1)).vectors()
        assert ((moved != one.quantize("uniform_3", granularity).vectors()).sum(axis=1) == 1).all()
