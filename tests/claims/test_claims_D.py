"""The titles of report D are counted from the numbers drawn: other numbers give another title, never a wrong one."""

import ast

import numpy as np
import pandas as pd
import pytest
from reading import table

from qmis_utils import attacks, figures, run
from qmis_utils.runner import figure_files, notebooks

STEM = "D_report_your_table"
KEY = ["task", "representation"]
DESCRIPTIONS = {"family": "scaffold family", "rarity": "label rarity", "similarity": "neighbour similarity",
                "gap": "neighbour's label gap"}  # fmt: skip
KINDS = {"binary": "classification", "regression": "regression", "refitted": "regression, refitted"}


def title(name):
    """Return a function of the notebook by its name."""
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    parts = [part for cell in cells if cell.cell_type == "code" for part in ast.parse(cell.source).body]
    (found,) = [part for part in parts if isinstance(part, ast.FunctionDef) and part.name == name]
    room = {"pd": pd, "np": np, "figures": figures, "KEY": KEY, "DESCRIPTIONS": DESCRIPTIONS, "KINDS": KINDS}
    room["in_words"] = lambda name: f"<{name}>"
    exec(compile(ast.Module([found], []), STEM, "exec"), room)
    return room[name]


def alt(stem):
    return figure_files.read_manifest(run.ROOT / "figures")[stem]["alt"]


@pytest.fixture
def exposure():
    """Return the rows of the figure: correlations with exposure, and the lead of the most exposed tenth."""
    rows = table("D_exposure")
    return rows[rows.description.notna()], rows[rows.lead.notna()]


def test_the_committed_titles_are_those_of_the_committed_numbers(exposure):
    assert alt("D_seeds").startswith(title("groups_title")(table("D_seeds")))
    assert alt("D_exposure").startswith(title("exposure_title")(*exposure).replace("\n", " "))
    assert alt("D_verdicts").startswith(title("verdicts_title")(table("D_verdicts")))
    assert alt("D_blind_baseline").startswith(title("controls_title")(table("D_blind_baseline")))
    assert alt("D_regression").startswith(title("kept_title")(table("D_regression").set_index(["kind", "quantizer"])))
    for _, part in table("D_equal_auc").groupby("kind"):
        assert title("gains_title")(part) in alt("D_equal_auc")
    taus = table("D_agreement").query("task == 'pooled'").set_index("indicator")
    assert f"Pooled means: {taus.tau.idxmax()}: {taus.tau.max():.2f}" in alt("D_agreement")


def test_the_title_of_the_groups_counts_settings_whose_groups_do_not_mix():
    rows, said = table("D_seeds"), title("groups_title")
    settings = rows.groupby(KEY).ngroups
    assert said(rows).endswith(f"in {settings} of {settings} settings")
    one = (rows.quantizer == "ternary_90") & (rows.task == rows.task[0])
    one &= rows.representation == rows.representation[0]
    mixed = rows.assign(attack_auc=rows.attack_auc.mask(one & (rows.group == 0), 1.0))  # a single group of one setting
    assert said(mixed).endswith(f"in {settings - 1} of {settings} settings")
    swapped = rows.assign(quantizer=rows.quantizer.map({"fp32": "ternary_90", "ternary_90": "fp32"}))
    assert said(swapped).endswith(f"in 0 of {settings} settings")
    tied = rows.assign(attack_auc=0.5)
    assert said(tied).endswith(f"in 0 of {settings} settings")


def test_the_title_of_exposure_names_what_no_interval_denies(exposure):
    (explained, ahead), said = exposure, title("exposure_title")
    first, second = said(explained, ahead).split(";\n")
    assert "neighbour similarity" in first
    assert "neighbour's label gap" in first
    assert "scaffold family" not in first
    assert second == f"the most exposed tenth stays ahead under {len(ahead)} of {len(ahead)} quantizers"
    one = (explained.description == "gap") & (explained.task == explained.task.iloc[0])
    assert "label gap" not in said(explained.assign(low=explained.low.mask(one, -0.01)), ahead)
    turned = explained.assign(low=explained.low.mask(one, -0.5), high=explained.high.mask(one, -0.4))
    assert "label gap" not in said(turned, ahead)  # in one table up, in another down
    assert "with no description in every table" in said(explained.assign(low=-1, high=1), ahead)
    steady = said(explained.assign(low=0.1, high=0.2), ahead)
    assert all(words in steady for words in DESCRIPTIONS.values())
    fewer = ahead.assign(low=[-0.01, *ahead.low[1:]])
    assert f"under {len(ahead) - 1} of {len(ahead)} quantizers" in said(explained, fewer)
    assert f"under 0 of {len(ahead)} quantizers" in said(explained, ahead.assign(low=float("nan")))


def test_the_title_of_the_controls_counts_tables_where_the_attack_lies_above_a_blind_guess():
    rows, said = table("D_blind_baseline"), title("controls_title")
    assert said(rows).endswith("in 2 of 2 tables")
    attack = (rows.membership == "strongest, full precision") & (rows.task == "BACE")
    assert said(rows.assign(low=rows.low.mask(attack, 0.52))).endswith("in 1 of 2 tables")
    alone = rows[rows.membership != "blind, scaffold sides"]  # a table whose molecules share a scaffold has no sides
    assert said(alone) == said(rows)
    assert said(rows[rows.task == "BACE"].assign(low=float("nan"))).endswith("in 0 of 1 tables")


def test_the_title_of_a_plane_names_what_leaks_least_and_its_price():
    part = pd.DataFrame({"leak": [0.8, 0.6, 0.7], "use": [0.9, 0.75, 0.95]}, ["fp32", "ternary_90", "sign"])
    assert title("tradeoff_title")(part, "AUROC") == "90 % zeros: leaks least, costs 0.15 of AUROC"
    part.loc["sign", "leak"] = 0.5
    assert title("tradeoff_title")(part, "AUROC") == "sign: leaks least, gains 0.05 of AUROC"


def test_the_title_of_the_gains_counts_intervals_on_either_side_of_zero():
    part = pd.DataFrame({"low": [-0.1, 0.1, 0.0, -0.2, np.nan], "high": [0.1, 0.2, 0.3, -0.1, np.nan]})
    assert title("gains_title")(part) == "1 of 5 add utility, 1 give it away"


def test_the_title_of_the_shares_leaves_out_what_is_not_a_share():
    rows, said = table("D_regression").set_index(["kind", "quantizer"]), title("kept_title")
    assert said(rows) == "Utility kept with 90 % zeros: classification 54 %; regression 17 %; regression, refitted 33 %"
    assert said(rows.loc[["binary"]]) == "Utility kept with 90 % zeros: classification 54 %"
    unknown = rows.assign(value=rows.value.mask(rows.index.get_level_values("kind") != "regression", np.inf))
    assert said(unknown) == "Utility kept with 90 % zeros: regression 17 %"
    assert said(rows.assign(value=np.nan)).endswith("no share is known")


def test_the_title_of_the_agreement_names_the_best_candidate():
    said = title("agreement_title")
    taus = pd.DataFrame({"tau": [0.9, 0.95, 0.4]}, ["rho_pool", "rho", "r ensemble all_pairs"])
    assert "<rho>, $\\tau$ 0.95; $r$ over all pairs 0.40" in said(taus)
    assert "<rho_pool>, $\\tau$ 0.90" in said(taus.assign(tau=[0.9, np.nan, -0.2]))
    assert "No pair is resolved" in said(taus.assign(tau=np.nan))


def test_the_title_of_the_verdicts_counts_them():
    rows, said = table("D_verdicts"), title("verdicts_title")
    assert f"Of {len(rows)} claims, " in said(rows)
    for word, number in rows.verdict.value_counts().items():
        assert f"{number} {word}" in said(rows)
    assert said(rows.assign(verdict="undecided")) == f"Of {len(rows)} claims, {len(rows)} undecided"
    assert said(rows.head(1)) == f"Of 1 claims, 1 {rows.verdict[0]}"


def test_nothing_is_printed_as_minus_zero():
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    shown = [o.get("text", "") + o.get("data", {}).get("text/plain", "") for c in cells for o in c.get("outputs", [])]
    words = {word for text in shown for word in text.split()}
    assert not words & {"-0.0", "-0.00", "-0.000", "-0.0000"}


def test_the_lead_over_lira_is_counted_from_the_committed_numbers():
    rows = table("D_tradeoff").query("group != 'all'")
    cells = (rows.attack_auc - rows.lira_auc).groupby([rows.task, rows.representation, rows.quantizer])
    leads = pd.DataFrame(
        [tuple(attacks.mean_interval(lead, most=1)) for _, lead in cells], columns=["lead", "low", "high"]
    )
    said = f"{(leads.low > 0.02).sum()} of {len(leads)} releases give the strongest attack more than 0.02 beyond LiRA"
    cells = notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb").cells
    assert any(said in o.get("text", "") for cell in cells for o in cell.get("outputs", []))
    assert (leads.lead > -0.01).all()  # the pick costs little where LiRA is the strongest
