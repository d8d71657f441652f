"""The molecular study: pools from good and bad tables, groups of heads, and a point of the sweep."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr

from qmis_utils import attacks, ensemble, molecules
from qmis_utils.assess import utility
from qmis_utils.molecules import embeddings
from qmis_utils.studies import molecular

SMALL = {"steps": 15, "width": 8, "n_models": 40, "n_groups": 2, "n_indicator": 4, "n_draws": 5, "decay": 0.01}
NAMES = ("fp32", "uniform_2", "ternary_90")


def evaluate(task, group=0, **changes):
    return molecular.evaluate_group(molecular.prepare(task, "ecfp4"), group, names=NAMES, **SMALL | changes)


# Settings ---------------------------------------------------------------------------------------------------------


def test_a_clean_table_becomes_a_setting(source, write):
    setting = molecular.prepare(write(source), "ecfp4")
    assert (setting.kind, setting.name, setting.representation) == ("binary", "own", "ecfp4")
    assert len(setting.x) + len(setting.x_test) == 120
    assert setting.x.shape[1] == 1024
    assert set(setting.y) == {0, 1}
    assert np.allclose(setting.x.mean(axis=0), 0, atol=1e-5)
    test = set(source.smiles) - set(setting.smiles)
    assert not set(molecules.scaffolds(setting.smiles)) & set(molecules.scaffolds(sorted(test)))


def test_labels_of_a_regression_are_standardised_by_the_pool(source, write):
    setting = molecular.prepare(write(source.assign(y=source.smiles.str.len() + 0.5)), "ecfp4")
    assert setting.kind == "regression"
    assert (setting.y.mean(), setting.y.std()) == pytest.approx((0, 1))
    lengths = pd.Series(setting.smiles).str.len()
    assert np.corrcoef(setting.y, lengths)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(y="active"), "column 'y' holds a single label, 'active'"),
        (lambda f: f.iloc[:0], "has a header and no rows"),
        (lambda f: f.rename(columns={"y": "activity"}), "label_column 'y' is not in the table"),
        (lambda f: f.assign(smiles="C1CC"), "no usable row"),
        (lambda f: f.assign(y=[1, *[0] * 119]), "all labels of the (pool|test set) of .* are equal"),
        (lambda f: f.assign(y=[1] * 4 + [0] * 112 + [1] * 4), "only . molecules of the pool have the rarer label"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_studied_is_one_clear_error(source, write, change, message):
    with pytest.raises(ValueError, match=message):
        molecular.prepare(write(change(source)), "ecfp4")


def test_an_empty_file_is_one_clear_error(tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match="is empty"):
        molecular.prepare(f"csv:{tmp_path / 'empty.csv'}", "ecfp4")


def test_a_molecule_that_cannot_be_embedded_moves_no_other(source, write, registry):
    task = write(source)
    whole = molecular.prepare(task, "ecfp4")
    lost = whole.smiles[7]

    @embeddings.embedder("fragile")
    def fragile(smiles):
        if lost in smiles:
            raise ArithmeticError(lost)
        return embeddings.ecfp4(smiles)

    rest = molecular.prepare(task, "fragile")
    frame = molecules.load_table(task)
    assert rest.report["left_out"] == {"one that it cannot embed": frame.row[frame.smiles == lost].tolist()}
    assert [s for s in whole.smiles if s != lost] == list(rest.smiles)
    assert len(rest.x_test) == len(whole.x_test)


def test_twins_are_counted_and_merged_where_the_reader_says_so(write):
    """Mirror images have one ECFP4 vector: ten pairs that agree, five at odds, and thirty molecules of their own."""
    pairs = [f"C[C@{h}](O){'C' * k}c1ccccc1" for k in range(1, 16) for h in ("H", "@H")]
    table = pd.DataFrame({"smiles": pairs + [f"OC{'C' * k}C(=O)N1CCCC1" for k in range(30)]})
    table["y"] = [k % 2 for k in range(10) for _ in "ab"] + [0, 1] * 20
    table["side"] = ["train"] * 55 + ["test"] * 4 + ["train"]
    table.loc[29, "side"] = "test"  # the mirror image of a record of the pool
    kept, merged = (
        molecular.prepare(write(table), "ecfp4", twins=twins, split="column:side") for twins in ("keep", "merge")
    )
    counts = ("twins", "twins_at_odds", "test_twins", "merged")
    assert [kept.report[name] for name in counts] == [28, 8, 1, 0]
    assert [merged.report[name] for name in counts] == [28, 8, 1, 10 + 8]  # ten become one, four pairs go
    assert (len(kept.x), len(merged.x), len(np.unique(merged.x, axis=0))) == (55, 37, 37)
    assert kept.report["split"] == "column: as side says, test or not"
    with pytest.raises(ValueError, match="twins must be 'keep' or 'merge'; got 'drop'"):
        molecular.prepare(write(table), "ecfp4", twins="drop")


def test_merged_twins_of_a_regression_have_the_mean_of_their_labels(write):
    smiles = ["C[C@H](O)c1ccccc1", "C[C@@H](O)c1ccccc1", *(f"{'C' * k}O" for k in range(1, 30))]
    task = write(pd.DataFrame({"smiles": smiles, "y": [0.0, 5.0, *(k + 0.5 for k in range(1, 30))]}))
    options = {"split": "random", "test_fraction": 0.1}
    for seed in range(20):  # until both are in the pool
        merged = molecular.prepare(task, "ecfp4", twins="merge", seed=seed, **options)
        if merged.report["merged"] == 1:
            break
    frame = molecules.load_table(task, seed=seed)
    raw = frame.set_index("smiles").y[merged.smiles].to_numpy().copy()
    raw[["c1ccccc1" in text for text in merged.smiles]] = 2.5
    np.testing.assert_allclose(merged.y, (raw - raw.mean()) / raw.std())


def test_a_series_of_one_scaffold_can_be_studied(write):
    series = pd.DataFrame({"smiles": [f"{'C' * k}c1ccccc1" for k in range(1, 61)], "y": [k % 2 for k in range(60)]})
    with pytest.raises(ValueError, match="splits that need no scaffolds: 'random'"):
        molecular.prepare(write(series), "ecfp4")
    for how in ("random", "time:year", "column:batch"):
        task = write(series.assign(year=range(60), batch=[f"b{k // 6}" for k in range(60)]))
        setting = molecular.prepare(task, "ecfp4", split=how)
        assert (len(setting.x), len(setting.x_test)) == (48, 12)
        assert setting.report["split"].startswith(how.partition(":")[0])


# Groups -----------------------------------------------------------------------------------------------------------


def test_every_record_has_four_in_and_four_out_heads():
    members = molecular.draw_members(25, 2400, np.random.default_rng(0))
    assert (members.sum(axis=1) == 1200).all()
    assert members.sum(axis=0).min() >= 4
    assert members.sum(axis=0).max() <= 21


def test_too_few_heads_name_the_parameter():
    with pytest.raises(ValueError, match="n_models: 9 heads a group are too few to give each of 300 molecules"):
        molecular.draw_members(9, 300, np.random.default_rng(0), tries=20)


def test_groups_share_the_heads_evenly_and_differ(source, write):
    setting = molecular.prepare(write(source), "ecfp4")
    options = {"width": 4, "steps": 2, "n_models": 41, "n_groups": 2, "n_indicator": 3}
    first, second = (molecular.train_group(setting, group, 0.0, **options) for group in range(2))
    assert (len(first.models), len(second.models), len(first.spare)) == (21, 20, 3)
    assert not np.array_equal(first.members[:20], second.members)
    assert not np.allclose(first.models.vectors()[0], second.models.vectors()[0], atol=0.05)  # another initialisation
    start = molecular.train_group(setting, 0, 0.0, **options | {"steps": 1}).models
    assert np.ptp(start.vectors(), axis=0).max() < 0.0201  # one initialisation, and one Adam step of at most 0.01


def test_no_two_groups_share_an_initialisation():
    seeds = [molecular.initialisation(seed, group) for seed in range(3) for group in range(100)]
    assert len(set(seeds)) == 300
    with pytest.raises(ValueError, match="n_groups: at most 99 groups"):
        molecular.initialisation(0, 100)


def test_scores_of_outputs_against_independent_formulas():
    rng = np.random.default_rng(0)
    y = rng.normal(size=50)
    outputs = np.vstack([y, 3 * y - 2, rng.normal(size=50), np.zeros(50)])
    assert utility(outputs[:1], y, "regression") == pytest.approx(1)
    again = utility(molecular.recalibrate(outputs, y), y, "regression")
    assert again[:2] == pytest.approx([1, 1])
    assert molecular.spearman(outputs, y) == pytest.approx([1, 1, spearmanr(outputs[2], y).statistic, 0])
    assert utility(outputs[:2], y > 0, "binary", ranked=True) == pytest.approx([1, 1])


def test_recalibration_on_noise_helps_nobody():
    """Gain and offset come from other molecules: fitted on those that judge, R2 of noise would average +1/25."""
    rng = np.random.default_rng(0)
    y, outputs = rng.normal(size=(200, 50)), rng.normal(size=(200, 1, 50))
    r2 = [utility(molecular.recalibrate(o, labels, seed), labels, "regression")[0]
          for seed, (o, labels) in enumerate(zip(outputs, y, strict=True))]  # fmt: skip
    assert np.mean(r2) < -0.05


def test_validation_scores_heads_on_molecules_they_did_not_see(source, write):
    setting = molecular.prepare(write(source.assign(y=source.smiles.str.len())), "ecfp4")
    scores = molecular.validate(setting, [4, 8], [0.0, 1e6], steps=60)
    members = ensemble.random_halves(8, len(setting.x), np.random.default_rng([0, 99]))
    outputs = molecular.train(setting, members, 0.0, 99, width=8, steps=60).logits(setting.x)
    by_hand = [
        1 - np.mean((o - setting.y)[~m] ** 2) / np.var(setting.y[~m]) for o, m in zip(outputs, members, strict=True)
    ]
    assert scores.shape == (2, 2, 8)
    assert scores[1, 0] == pytest.approx(by_hand, abs=1e-4)
    assert (scores[:, 1].mean(axis=-1) < scores[:, 0].mean(axis=-1)).all()


@pytest.mark.parametrize(("narrow", "chosen"), [(0.795, (4, 0.1)), (0.79, (16, 0.0))])
def test_the_rule_takes_the_smallest_width_within_one_standard_error(narrow, chosen):
    means = np.array([[0.6, narrow], [0.8, 0.5], [0.7, 0.7]])
    scores = means[..., None] + 0.02 * np.array([-1.0, 1.0] * 4)  # standard error .0076 over eight pilots
    assert molecular.choose(scores, [4, 16, 64], [0.0, 0.1]) == chosen


# Exposure and gain ------------------------------------------------------------------------------------------------


def gaussian_signals(d_prime, n_models, seed=0):
    """Draw members and signals of records whose IN and OUT signals are unit Gaussians d' apart."""
    rng = np.random.default_rng(seed)
    members = molecular.draw_members(n_models, len(d_prime), rng)
    return rng.normal(size=members.shape) + members * d_prime, members


def test_exposure_estimates_the_squared_distance_without_bias():
    d_prime = np.repeat([0.0, 0.5, 1.0, 2.0], 2000)
    signals, members = gaussian_signals(d_prime, 26)
    found = molecular.gap(attacks.lira(signals, members, "online_fixed"), members).reshape(4, -1)
    error = found.std(axis=1) / np.sqrt(found.shape[1])
    assert (np.abs(found.mean(axis=1) - [0, 0.25, 1, 4]) < 4 * error + 0.02).all()


def test_advantage_is_that_of_two_gaussians():
    assert molecular.record_advantage(np.array([-0.3, 0.0, 4.0])) == pytest.approx([0, 0, 2 * norm.cdf(1) - 1])


def test_relative_gain_is_one_for_a_scaled_copy_and_sees_what_membership_loses():
    signals, members = gaussian_signals(np.full(3000, 1.0), 26)
    noise = signals - members
    assert molecular.relative_gain(3 * signals, signals, members) == pytest.approx(1)
    assert molecular.relative_gain(noise + 0.5 * members, signals, members) < 0.95
    assert molecular.relative_gain(noise + 1.5 * members, signals, members) > 1.05
    assert np.isnan(molecular.relative_gain(0 * signals, signals, members))


# A point of the sweep ---------------------------------------------------------------------------------------------


def test_a_point_gives_what_its_docstring_says(source, write):
    result = evaluate(task := write(source))
    n, m = len(molecular.prepare(task, "ecfp4").x), len(molecular.prepare(task, "ecfp4").x_test)
    (auc,), (null,), found = result.auc.values(), result.null.values(), result.measures
    assert auc.shape == null.shape == (20, 3)
    assert found["scores"].shape == found["members"].shape == (3, 20, n)
    assert attacks.auc(found["scores"][2], found["members"][2]) == pytest.approx(auc[:, 2], abs=2e-3)
    assert found["some"].shape == (3, 3, m)
    assert np.isnan(found["tpr"]).all()  # fewer than 1,000 non-member scores
    assert np.isnan(found["spearman"]).all()
    assert found["nonzero"][0] == 1
    assert found["nonzero"][2] == pytest.approx(0.1, abs=0.01)
    for name in ("rho", "rho_pool", "rho_w"):
        assert result.value(name)[0] == pytest.approx(1)
        assert result.draws(name).shape == (5, 3)
    assert set(result.numbers) == set(molecular.INDICATORS)
    full = auc[:, 0].mean()
    assert result.predicted["closed", "rho", "lira_fixed"][0] == pytest.approx(full)
    assert result.predicted["simulation", "rho", "lira_fixed"][0] == pytest.approx(full, abs=1e-6)
    assert full > 0.6
    assert null.mean() == pytest.approx(0.5, abs=0.05)
    assert found["relative_gain"][0] == pytest.approx(1)


def test_a_point_repeats_itself_and_depends_on_group_and_seed(source, write):
    task = write(source)
    first, again, other = evaluate(task), evaluate(task), evaluate(task, group=1)
    assert pickle.dumps(first) == pickle.dumps(again)
    assert not np.array_equal(first.auc["lira_fixed"], other.auc["lira_fixed"])


def test_regression_has_a_rank_correlation(source, write):
    result = evaluate(write(source.assign(y=source.smiles.str.len())))
    assert np.isfinite(result.predicted["simulation", "rho", "lira_fixed"]).all()
    assert np.isfinite(result.measures["spearman"]).all()
    assert np.isfinite(result.measures["recalibrated"]).all()


def test_tpr_is_given_where_the_non_members_support_it(source, write):
    assert np.isfinite(evaluate(write(source), n_models=50).measures["tpr"]).all()


# All groups of a pool ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studied():
    """A pool of 128 molecules, and both of its groups."""
    pool = molecular.prepare("BBB_Martins", "ecfp4", max_molecules=160)
    return pool, [molecular.evaluate_group(pool, group, names=NAMES, **SMALL) for group in range(2)]


def test_heads_start_alike_or_each_for_itself(source, write):
    pool = molecular.prepare(write(source), "ecfp4")
    members = np.tile(ensemble.random_halves(1, len(pool.x), np.random.default_rng(0)), (2, 1))
    shared, random = (molecular.train(pool, members, 0.0, 1, 8, 5, start).vectors() for start in ("shared", "random"))
    assert np.array_equal(shared[0], shared[1])
    assert np.abs(random[0] - random[1]).max() > 0.1


def test_points_are_the_groups_of_each_pool_with_its_head(source, write):
    pool = molecular.prepare(write(source), "ecfp4", name="mine")
    heads = pd.DataFrame({"task": ["mine"], "representation": ["ecfp4"], "width": [8], "decay": [0.1]})
    points = molecular.points([pool], heads, 3, start="random")
    assert [point["group"] for point in points] == [0, 1, 2]
    assert all((p["width"], p["decay"], p["start"], p["n_groups"]) == (8, 0.1, "random", 3) for p in points)
    with pytest.raises(KeyError):
        molecular.points([pool], heads.assign(task="another"))


def test_rows_and_shares_are_those_of_the_groups(studied):
    pool, results = studied
    rows = molecular.rows(pool, results)
    assert len(rows) == 2 * len(NAMES)
    assert rows.attack_auc[0] == pytest.approx(results[0].auc["lira_fixed"][:, 0].mean())
    assert (rows.strongest == rows.attack_auc).all()  # of one attack
    leak = molecular.leak_shares(rows)
    per_group = rows.pivot(index="group", columns="quantizer", values="attack_auc") - 0.5
    wanted = (per_group["uniform_2"] / per_group["fp32"]).mean()
    assert leak.leak["binary", "uniform_2"] == pytest.approx(wanted)
    assert leak.leak["binary", "fp32"] == 1
    useful = molecular.utility_draws(pool, results, 30)
    assert useful.shape == (30, 3)
    kept = molecular.kept_shares([pool], [useful])["binary"]
    assert (kept["fp32"] == 1).all()
    assert kept["ternary_90"].tolist() == ((useful["ternary_90"] - 0.5) / (useful["fp32"] - 0.5)).tolist()
    spans = molecular.spans({"binary": kept})
    assert spans.loc["binary", "ternary_90"].tolist() == kept["ternary_90"].quantile([0.5, 0.025, 0.975]).tolist()


def test_rows_hold_the_strongest_of_the_attacks_that_were_run(source, write):
    pool = molecular.prepare(write(source), "ecfp4")
    found = molecular.evaluate_group(pool, 0, names=NAMES, attacked=("loss", "lira_fixed"), **SMALL)
    rows = molecular.rows(pool, [found])
    assert rows.strongest.tolist() == attacks.strongest(found.auc).mean(axis=0).tolist()
    assert rows.null_auc.tolist() == attacks.strongest(found.null).mean(axis=0).tolist()
    assert rows.attack_auc.tolist() == found.auc["lira_fixed"].mean(axis=0).tolist()


def test_gains_are_those_of_drawn_groups_and_molecules(studied):
    pool, results = studied
    useful = molecular.utility_draws(pool, results, 20)
    same = [results[0], results[0]]  # two equal groups: drawing them changes nothing
    leaks = results[0].auc["lira_fixed"].mean(axis=0)
    found = molecular.gain_draws(pool, same, useful)
    assert found.to_numpy() == pytest.approx(attacks.gain_at_equal_leak(useful.to_numpy(), np.tile(leaks, (20, 1))))
    both = molecular.mean_gains([pool, pool], [same, same], [useful, useful])
    assert both["binary"].to_numpy() == pytest.approx(found.to_numpy())


def test_exposures_count_the_heads_of_all_groups(studied):
    _, results = studied
    found = molecular.exposures(results, "uniform_2")
    assert (found.n_in + found.n_out == 40).all()
    scores, members = (np.concatenate([r.measures[name][1] for r in results])[:, 5] for name in ("scores", "members"))
    assert found.exposure[5] == pytest.approx((scores[members] > 0).mean() - (scores[~members] > 0).mean())
    assert molecular.exposures(results).exposure.mean() > found.exposure.mean() > -0.1


def test_wrong_pairs_are_what_lowers_tau(studied):
    pool, results = studied
    one = results[:1]
    taus = molecular.agreement(pool, one).set_index("indicator").tau
    pairs = molecular.pairs(pool, one)
    assert taus["rho_pool"] == pytest.approx(1 - 2 * pairs.wrong.mean())
    assert (pairs.difference > 0).all()
    assert {"bits", "non-zeros", "rho_pool"} <= set(taus.index)
    law = molecular.predictions(pool, one)
    assert law.miss.tolist() == (law.predicted - law.measured).tolist()
    assert set(law.law) == {"closed", "simulation"}
    assert not (law.quantizer == "fp32").any()


# Without a model --------------------------------------------------------------------------------------------------


def test_without_a_model_scaffold_sides_are_told_apart_and_random_halves_are_not():
    blind = molecular.blind(molecules.load_table("BBB_Martins", max_molecules=600)).set_index("membership")
    assert blind.low["scaffold sides"] > 0.55
    assert abs(blind.auc["random halves"] - 0.5) < 0.05
    x = np.random.default_rng(0).normal(size=(200, 3))
    members = np.tile(x[:, 0] > np.median(x[:, 0]), (4, 1))
    assert molecular.blind_auc(x, np.zeros(200), members).min() > 0.9


def test_scaffold_halves_share_no_scaffold(source):
    for members in molecular.scaffold_halves(source.smiles, 3):
        own = np.array(molecules.scaffolds(source.smiles))
        assert not (set(own[members]) & set(own[~members])) - {""}


def test_descriptions_of_a_molecule(source, write):
    pool = molecular.prepare(write(source), "ecfp4")
    found = molecular.describe(pool)
    assert found.smiles.tolist() == list(pool.smiles)
    own = pd.Series(molecules.scaffolds(pool.smiles))
    assert found.family.tolist() == [int((own == scaffold).sum()) for scaffold in own]
    assert found.rarity.tolist() == pytest.approx(np.where(pool.y == 1, 1 - pool.y.mean(), pool.y.mean()).tolist())
    assert found.similarity.between(0, 1).all()
    assert set(found.gap) <= {0.0, 1.0}
