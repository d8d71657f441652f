"""A planted study, whole: rules that add known noise, and so a known survival and AUC, to tables, laws and verdicts.

Four settings of linear models on unit records, whose weight is their logit there (as in tests/assess). A rule of noise
spread s leaves the share 1 / sqrt(1 + s^2) of d'.
"""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from qmis_utils import attacks, quantizers
from qmis_utils.assess import Game
from qmis_utils.ensemble import Ensemble, random_halves
from qmis_utils.studies import synthetic, tables

POOL, FRESH, SHIFT = 60, 200, 1.2
SPREADS = {"slight": 0.4, "middle": 1.0, "strong": 2.5}
NAMES = ("fp32", *SPREADS)
SETTINGS = [synthetic.Setting(f"s{k}", split="judge" if k else "choose", n_pool=POOL, seed=k) for k in range(4)]


def planted_game(setting, path=False):
    rng = np.random.default_rng(setting.seed)

    def group(n):
        members = random_halves(n, POOL, rng)
        weights = rng.normal(size=(n, 1, POOL + FRESH))
        weights[:, 0, :POOL] += SHIFT * members
        return Ensemble((torch.tensor(weights, dtype=torch.float32),), (torch.zeros(n, 1),), "binary"), members

    unit, ones = np.eye(POOL + FRESH, dtype=np.float32), np.ones(POOL + FRESH, int)
    (models, members), (spare, spare_members) = group(120), group(12)
    late = group(4)[0] if path else None
    return Game(unit[:POOL], ones[:POOL], unit[POOL:], ones[POOL:], models, members, spare, spare_members, late)


def noise_rule(name, spread):
    def encode(rows):
        values = rows + spread * np.random.default_rng(len(rows)).normal(size=rows.shape).astype(np.float32)
        return np.zeros(rows.shape, np.int8), np.ones((len(rows), 1), np.float32), values.astype(np.float32)

    return quantizers.Quantizer(name, encode, range(1), 8 / (1 + spread), "none", "planted")


@pytest.fixture(scope="module")
def results():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic, "prepare", planted_game)
        for name, spread in SPREADS.items():
            patch.setitem(quantizers.QUANTIZERS, name, noise_rule(name, spread))
        found = [synthetic.evaluate(s, NAMES, draws=20) for s in SETTINGS]
        yield tables.complete(found, SETTINGS)


def test_auc_utility_and_laws_are_the_planted_ones(results):
    kept = 1 / np.sqrt(1 + np.array([0, *SPREADS.values()]) ** 2)
    auc, sure = (
        np.mean([f(r) for r in results], axis=0) for f in (lambda r: r.auc["lira"].mean(axis=0), lambda r: r.utility)
    )
    np.testing.assert_allclose(auc, norm.cdf(SHIFT * kept / np.sqrt(2)), atol=0.012)
    np.testing.assert_allclose(sure, 0.5, atol=0.02)  # fresh records say nothing: half of the logits are right
    laws = tables.law_table(results).groupby(["law", "quantizer"]).miss.mean().unstack(0)
    assert laws[["closed rho", "simulation rho"]].abs().max().max() < 0.03


def test_the_survival_correlations_rank_and_their_reverse_does_not(results):
    judged = tables.tau_table(results).query("attack == 'lira' and split == 'judge'")
    tau = judged.groupby("estimator").tau.mean()
    assert (tau[["rho", "rho_pool", "rho_w", "function error", "bits", "fixed order"]] == 1).all()
    summary = tables.summarise(judged, results, {"black": "lira"}, 50)
    least = summary[(summary.setting == "min") & (summary.split == "judge")].set_index("estimator").tau
    assert least.rho_pool == 1


def test_claims_about_the_planted_order_get_their_verdicts_by_name(results):
    at = {name: i for i, name in enumerate(NAMES)}
    mean = np.array([r.auc["lira"].mean(axis=0) for r in results])
    claims = {
        "strong leaks less than slight": mean[:, at["slight"]] - mean[:, at["strong"]],
        "slight leaks less than strong": mean[:, at["strong"]] - mean[:, at["slight"]],
    }
    rows = [attacks.verdict(claim, attacks.mean_interval(gap, most=1), each=gap) for claim, gap in claims.items()]
    assert [row["verdict"] for row in rows] == ["reproduced", "contradicted"]
    assert [row["holds_in"] for row in rows] == ["4 of 4", "0 of 4"]
    assert rows[0]["estimate"] == pytest.approx(
        norm.cdf(1.2 / np.sqrt(2 * 1.16)) - norm.cdf(1.2 / np.sqrt(2 * 7.25)), abs=0.015
    )


def test_extremes_and_hard_pairs_are_the_planted_ones(results):
    extremes = tables.extreme_agreement(results, ["rho_pool", "sparsity"])
    assert extremes.loc["rho_pool", ["most private", "least private"]].tolist() == [1, 1]
    assert not tables.hard_pairs(results, "lira").any()  # the same order in every setting


def test_numbers_of_the_paper_are_minus_rates(results):
    for result in results:
        assert (result.value["r ensemble min"] <= 0).all()
        assert set(result.value) >= {"r trajectory all_pairs", "r neighbourhood min", "r ensemble median cramer"}
