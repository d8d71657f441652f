"""Tables of the indicator study: intervals of means over settings."""

import numpy as np
import pytest
from scipy import stats

from qmis_utils.studies import tables
from qmis_utils.studies.synthetic import Setting


def test_a_mean_over_few_settings_has_students_interval():
    values = np.random.default_rng(0).normal(0.1, 0.2, 9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert tables.mean_interval(values, 100) == pytest.approx((expected.low, expected.high))
    assert tables.mean_interval([0.9, 1.0, 0.95], 100, most=1)[1] == 1  # no tau above one
    assert np.isnan(tables.mean_interval([0.5], 100)).all()
    many = np.tile(values, 20)
    low, high = tables.mean_interval(many, 4000)
    assert (high - low) == pytest.approx(2 * 1.96 * many.std() / np.sqrt(180), rel=0.1)


def test_few_settings_have_no_bootstrap():
    assert np.isnan(tables.bootstrap_settings([0.8, 0.9, 1.0, 0.7], np.mean, 50)).all()
    low, high = tables.bootstrap_settings([0.8, 0.9, 1.0, 0.7, 0.6], np.mean, 50)
    assert low < 0.8 < high


def a_result(auc):
    """Return a bare result with one target's worth of noise-free AUC per attack."""
    auc = {attack: np.tile(values, (8, 1)) for attack, values in auc.items()}
    flat = np.full(len(tables.QUANTIZER_SET), 0.5)
    return {"auc": {a: np.tile(flat, (8, 1)) for a in tables.BLACK_BOX} | auc, "value": {}, "draws": {}}


def test_the_strongest_attack_is_chosen_per_quantizer():
    n = len(tables.QUANTIZER_SET)
    up, down = np.linspace(0.5, 0.9, n), np.linspace(0.8, 0.5, n)
    result = a_result({"lira": up, "rmia": down})
    tables.complete([result], [Setting("only")])
    np.testing.assert_allclose(result["auc"]["strongest"], np.tile(np.maximum(up, down), (8, 1)))
    assert result["signs"]["strongest"][0, n - 1] == -1


def test_agreement_on_extremes_has_intervals_and_may_leave_quantizers_out():
    n = len(tables.QUANTIZER_SET)
    auc = np.linspace(0.9, 0.5, n)
    results = [a_result({"lira": auc}) for _ in range(4)]
    tables.complete(results, [Setting(f"s{i}") for i in range(4)])
    for result in results:
        result["value"]["guess"] = np.r_[auc[0], auc[2], auc[1], auc[3:]]
    whole = tables.extreme_agreement(results, ["guess"]).loc["guess"]
    assert (whole["least private"], whole["least private high"], whole["settings"]) == (1, 1, 4)
    assert whole["least private low"] == pytest.approx(0.025 ** (1 / 4))
    part = tables.extreme_agreement(results, ["guess"], without=("fp32",)).loc["guess"]
    assert (part["least private"], part["most private"]) == (0, 1)
