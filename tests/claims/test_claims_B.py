"""What study B says first, and the numbers behind it."""

import numpy as np
import pytest
from reading import answer, table, text

from qmis_utils import attacks, run
from qmis_utils.audit import measure
from qmis_utils.runner import notebooks
from qmis_utils.studies import synthetic

STEM = "B_indicator_study"


@pytest.fixture(scope="module")
def judged():
    """Return the rows of the judging settings against LiRA: mean over settings, with its interval."""
    rows = table("B_tau").query("split == 'judge' and attack == 'lira' and setting == 'mean'")
    return rows.set_index("estimator")[["tau", "low", "high"]]


def quoted(row):
    return f"{row.tau:.3f} {row.low:.3f}, {row.high:.3f}"  # `text` takes brackets out


def test_the_answer_quotes_the_mean_of_each_number(judged):
    said = text(STEM)
    for name in ("rho_pool", "function error", "weight error", "fixed order", "r ensemble all_pairs"):
        assert quoted(judged.loc[name]) in said, name


def test_what_the_answer_concludes(judged):
    assert (
        judged.loc["r ensemble all_pairs", "high"]
        < judged.loc[["rho_pool", "function error", "fixed order"], "low"].min()
    )
    verdicts = table("B_verdicts").set_index("claim").verdict
    assert verdicts["rho_pool ranks as LiRA does (tau > 0.95; ours)"] == "undecided"
    assert verdicts["r ensemble all_pairs ranks as LiRA does (tau > 0.8)"] == "contradicted"
    assert "That \\rho_{\\rm pool} beats the error of outputs is not shown" in answer(STEM).replace("$", "")


def test_every_white_box_number_belongs_to_a_shared_initialisation():
    assert set(table("B_white_box").init) == {"shared"}
    assert "All five white-box settings share one initialisation" in text(STEM)


def test_no_regime_excuses_r():
    assert "r ranks well only where" not in text(STEM).replace("$", "")


def said_in_title(stem, words):
    """Return whether a figure's source has a title with these words."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    (source,) = [c.source for c in cells if c.cell_type == "code" and f'fig, "{stem}"' in c.source]
    return any(words in line for line in source.splitlines())


def test_measures_of_distortion_rank_as_lira_does_and_no_estimate_of_r_does(judged):
    assert said_in_title("B_tau", "Measures of distortion rank quantizers as LiRA does; no estimate of the paper's $r$")
    distortion = ["rho", "rho_pc1", "rho_shape", "rho_pool", "rho_w", "sqrt_J", "function error", "weight error"]
    rates = [name for name in judged.index if name.startswith("r ")]
    assert len(rates) >= 9
    assert judged.high[rates].max() < 0.8 < judged.low[distortion].min()


def test_both_rank_better_than_r_in_every_setting_and_the_intervals_are_apart():
    assert said_in_title("B_settings", "rank better than $r$ in every setting")
    ends = table("B_settings").pivot(index="setting", columns="estimator", values=["low", "high"])
    assert len(ends) == 18
    others = ends.low[["rho_pool", "function error"]].min(axis=1)
    assert (others > ends.high["r ensemble all_pairs"]).all()


def test_the_title_of_the_seeds_is_computed():
    assert said_in_title("B_seeds", "A new seed alone moves the")
    assert said_in_title("B_seeds", "{apart_by:.2f}")


def test_each_law_drawn_is_within_a_twentieth_for_nearly_all():
    laws = table("B_law")
    drawn = [("lira", "closed rho"), ("lira", "simulation rho"), ("lira", "simulation rho_pool")]
    drawn.append(("weight_regression", "closed rho_w"))
    for attack, law in drawn:
        miss = laws[(laws.attack == attack) & (laws.law == law)].miss.abs()
        assert (miss <= 0.05).mean() >= 0.97


def test_weights_tell_less_with_weight_decay_and_mostly_more_elsewhere():
    assert said_in_title("B_white_box", "Weights mostly tell more than outputs; with weight decay they tell less")
    both = table("B_white_box")
    gap, noise = both.white - both.black, np.hypot(both.white_half, both.black_half)
    decay = both.setting == "decay_width_64"
    assert (gap < -noise)[decay].all()
    assert (gap > noise)[~decay].mean() > 0.9
    assert (gap < -noise)[~decay].sum() == (gap < -noise)[both.setting == "sgd_minibatch"].sum() == 4


def test_few_models_rank_better_by_the_correlation_in_both_settings():
    assert said_in_title("B_budget", "With 2 or 4 models the correlation ranks better than an attack")
    few = table("B_budget").query("budget == 'models' and size <= 4")
    few = few.pivot(index=["size", "setting"], columns="estimator", values="tau")
    assert len(few) == 4
    assert (few.rho_pool > few.lira).all()


def test_the_title_of_the_verdicts_is_what_they_say():
    words = "From outputs 90 % zeros leak least of the paper's set; sign leaks less than 33 % zeros, not more"
    assert said_in_title("B_verdicts", words)
    verdict = table("B_verdicts").set_index("claim").verdict
    assert verdict["90 % zeros most private of the paper's set (AUC margin, from outputs)"] == "reproduced"
    signs = verdict[verdict.index.str.startswith("sign less private")]
    assert signs.tolist() == ["contradicted", "contradicted"]


def test_codewords_next_to_one_model_say_a_little(judged):
    row = judged.loc["r neighbourhood all_pairs"]
    assert f"(mean $\\tau$ {row.tau:.2f}, above zero)" in text(STEM)
    assert row.low > 0


@pytest.fixture(scope="module")
def by_record():
    """Return the Spearman correlations of section 10: mean rows, and the rows of single settings side by side."""
    rows = table("B_records")
    single = rows[rows.setting != "mean"]
    beside = single.pivot(index=["attack", "quantizer", "setting"], columns="number", values="spearman")
    return rows[rows.setting == "mean"], beside


def test_the_noise_floor_adds_nothing_to_the_shift_as_trained(by_record):
    assert said_in_title("B_records", "the noise floor of rounding adds nothing")
    mean, beside = by_record
    assert len(beside) == 2 * 6 * 8
    assert (beside["noise floor"] - beside["as trained"]).abs().groupby(["attack", "quantizer"]).mean().max() < 0.01
    left = mean[mean.number == "share left"]
    assert len(left) == 12
    assert (left.low < 0.01).all()
    assert (left.high > 0).all()


def test_the_shift_as_trained_finds_the_exposed_records(by_record):
    assert said_in_title("B_records", "A record's shift in full precision finds the exposed")
    mean, beside = by_record
    assert (mean[mean.number == "as trained"].low > 0.2).all()
    ahead = (beside["as trained"] - beside["record loss"]).groupby(["attack", "quantizer"]).mean().unstack()
    assert (ahead[["uniform_2", "ternary_90"]] > 0.1).all().all()
    assert (ahead[["uniform_3", "uniform_4"]].abs() < 0.02).all().all()
    found = mean.set_index(["attack", "quantizer", "number"]).spearman.unstack()
    assert (found["as trained"] > found["function error"]).all()


def test_section_10_says_which_settings_judge():
    said = text(STEM)
    assert "Eight further settings judge" in " ".join(said.split())
    rows = synthetic.load_settings(run.NOTEBOOKS / "settings" / "B_records.yaml")
    assert len(rows) == 8
    assert {s.split for s in rows} == {"judge"}
    assert [s.name for s in rows if s.init == "random"] == ["own_inits"]
    older = synthetic.load_settings(run.NOTEBOOKS / "settings" / "B_settings.yaml")
    assert not {s.seed for s in rows} & {s.seed for s in older}


# --- section 11: by the strongest attacks ------------------------------------------------------------------------

STRONG = {"black": "strongest", "white": "strongest, weights"}


@pytest.fixture(scope="module")
def strong():
    """Return tau of every number in each judging setting against a threat's strongest attack, and summaries."""
    rows = table("B_strongest").query("split == 'judge'")
    rows = rows[rows.attack == rows.threat.map(STRONG)]
    summed = rows.setting.isin(["mean", "min", "hard_pairs"])
    each = rows[~summed].pivot_table(index=["threat", "setting"], columns="estimator", values="tau")
    return each, rows[summed].set_index(["threat", "setting", "estimator"])[["tau", "low", "high"]]


def test_the_answer_quotes_what_the_strongest_attacks_say(strong):
    mean = strong[1].xs("mean", level="setting")
    assert f"ranks with {quoted(mean.loc['black', 'rho_pool'])} as the strongest on outputs does" in answer(STEM)
    said = "ranked by the noise floor with {:.3f}, by {} with {:.3f} and by {} with {:.3f}"
    taus = mean.tau["white"]
    names = r"$\rho_{\rm pool}$", r"$\rho_{\rm w}$"
    words = said.format(taus["noise floor"], names[0], taus["rho_pool"], names[1], taus["rho_w"])
    assert words in answer(STEM)
    assert strong[1].xs("hard_pairs", level="setting").tau.max() < 0.9
    assert {f"{mean.tau[threat, 'r ensemble all_pairs']:.2f}" for threat in STRONG} == {"0.62"}


def test_rho_pool_leads_the_error_of_outputs_and_a_fixed_order(strong):
    black = strong[0].loc["black"]
    for other, least in (("function error", 0.002), ("fixed order", 0.003)):
        found = attacks.mean_interval((black["rho_pool"] - black[other]).to_numpy())
        assert found.low > least
        assert f"{found.value:.3f} {found.low:.3f}, {found.high:.3f}" in text(STEM)


def test_the_advice_of_the_audit_follows_from_the_table(strong):
    """Nothing is shown to rank better than the numbers behind its ranks."""
    ranks = measure.SEVERAL[0]
    for threat, rank in (("black", "rank"), ("white", "rank_weights")):
        each = strong[0].loc[threat]
        leads = {name: attacks.mean_interval((each[name] - each[ranks[rank]]).to_numpy()) for name in each}
        assert len(leads) > 20
        assert not [name for name, lead in leads.items() if lead.low > 0]
    assert strong[1].tau["black", "mean", ranks["rank"]] == strong[1].tau["black", "mean"].max()


def test_the_judging_settings_are_fourteen_and_the_white_ones_at_least_eight(strong):
    assert {threat: len(strong[0].loc[threat]) for threat in STRONG} == {"black": 14, "white": 13}
