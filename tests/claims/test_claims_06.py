"""What notebook 06 says of privacy at equal utility, and the numbers behind it."""

import pandas as pd
import pytest
from reading import answer, table, text

STEM = "06_equal_utility"


@pytest.fixture(scope="module")
def cells():
    """Return the cases of the figure, whose stopped models may be worth 0.005 less."""
    return table("06_saving").query("slack == 0.005")


@pytest.fixture(scope="module")
def strict():
    """Return the verdicts where the stopped models may be worth nothing less."""
    found = table("06_saving").query("slack == 0")
    return found.pivot(index=["setting", "model"], columns="init", values="says")


@pytest.fixture(scope="module")
def says(cells):
    """Return the verdicts, a row a setting and quantizer, a column an initialisation."""
    return cells.pivot(index=["setting", "model"], columns="init", values="says")


def of(cells, setting, model, init):
    return cells.set_index(["setting", "model", "init"]).loc[(setting, model, init)]


def size(row):
    """Return what is quoted of an extra leak, its size with the interval."""
    values = [row.extra, row.low, row.high] if row.extra > 0 else [-row.extra, -row.high, -row.low]
    return "{:.3f} {:.3f}, {:.3f}".format(*values)  # `text` takes brackets out


def test_every_verdict_follows_from_its_interval():
    for row in table("06_saving").itertuples():
        if row.kept < 0.1:
            expected = "worth nothing"
        elif row.low > -0.01 and row.high < 0.01:
            expected = "no difference that matters"
        else:
            expected = "quantizing wins" if row.high < 0 else "stopping wins" if row.low > 0 else "undecided"
        assert row.says == expected


def test_the_answer(cells, says):
    counts = says.apply(pd.Series.value_counts).fillna(0).astype(int)
    compared = (says != "worth nothing").sum()
    stops, wins = counts.loc["stopping wins"], counts.loc["quantizing wins"]
    assert f"leaks less in {stops.random} of {compared.random} cases" in answer(STEM)
    assert wins.random == 1
    assert counts.loc["undecided"].random == 4
    assert "four are undecided" in answer(STEM)
    only = cells[(cells.init == "random") & (cells.says == "quantizing wins")].iloc[0]
    assert f"quantizing in one, by {size(only)} of AUC" in answer(STEM)
    assert f"quantizing leaks less in {wins.shared} of {compared.shared}." in answer(STEM)
    assert f"quantizing wins in {wins.shared} cases, stopping in {stops.shared}" in text(STEM)


def test_the_answer_names_the_slack_and_what_hangs_on_it(says, strict):
    counts = strict.random.value_counts()
    assert (counts["stopping wins"], counts["quantizing wins"], counts["undecided"]) == (28, 7, 6)
    assert "at a utility at most 0.005 lower leaks less in 36" in answer(STEM)
    assert "worth nothing less, it is 28, seven and six" in answer(STEM)
    assert "in 28 and seven if the stopped model may be worth nothing less" in text(STEM)
    assert (
        counts["stopping wins"] > 0.6 * counts.drop("worth nothing").sum() > 3 * counts["quantizing wins"]
    )  # "seldom"
    won = strict.index[strict.random == "quantizing wins"].get_level_values("setting").value_counts()
    assert won.to_dict() == {"clear classes": 5, "overlapping classes": 2}
    assert "quantizing seven, five of them on clear classes" in text(STEM)
    changed = says.index[says.random != strict.random].get_level_values("setting")
    assert set(changed) == {"clear classes", "overlapping classes", "BBB"}
    assert "Noisy labels, many records and FreeSolv keep all their verdicts there" in text(STEM)
    after = strict.random[strict.shared == "quantizing wins"].value_counts()
    assert after.to_dict() == {"stopping wins": 8, "quantizing wins": 7, "undecided": 3}
    assert "Without slack seven of 18 savings stay, and eight turn round" in text(STEM)


def test_what_becomes_of_the_advantages(says):
    after = says.random[says.shared == "quantizing wins"].value_counts()
    assert after.to_dict() == {"stopping wins": 11, "undecided": 4, "quantizing wins": 1}
    assert "Of 16 savings one stays, four become undecided, and eleven turn round" in text(STEM)
    assert not ((says.shared == "stopping wins") & (says.random == "quantizing wins")).any()
    undecided = says.index[says.random == "undecided"]
    assert set(undecided) == {("overlapping classes", m) for m in ("sign", "ternary_33", "ternary_50", "ternary_90")}


def test_the_earlier_conclusions(cells):
    said = text(STEM)
    for setting in ("overlapping classes", "BBB"):
        shared, random = (of(cells, setting, "ternary_90", init) for init in ("shared", "random"))
        assert shared.high < 0
        assert random.extra > 0
        assert f"{size(shared)} less" in said
        assert f"{size(random)} more" in said


def test_the_alarm():
    stopped = table("06_plane").query("kind == 'stopped'").set_index(["setting", "init"])
    early = stopped[stopped.length == 0.2].auc.unstack()
    whole = stopped[stopped.model == "fp32"].auc.unstack()
    row = "overlapping classes"
    assert f"({early.shared[row]:.3f} against {whole.shared[row]:.3f})" in text(STEM)
    assert f"({early.random.min():.3f} to {early.random.max():.3f})" in text(STEM)
    share = ((early.shared - 0.5) / (whole.shared - 0.5)).drop(row)
    assert share[["clear classes", "noisy labels", "BBB"]].between(0.75, 0.88).all()
    assert share[["many records", "FreeSolv"]].between(0.28, 0.4).all()
    assert (whole.shared - whole.random).drop("clear classes").max() < 0.02


def test_the_last_steps_buy_nothing():
    curve = table("06_plane").query("kind == 'stopped' and setting == 'FreeSolv' and init == 'random'")
    early, last = curve[curve.length == 16].iloc[0], curve.iloc[-1]
    assert f"{early.utility:.2f} after 16 steps, at an AUC of {early.auc:.2f}" in text(STEM).replace("$R^2$ of ", "")
    assert f"is {last.utility:.2f} again, and the AUC {last.auc:.2f}" in text(STEM)


def test_what_rounding_itself_saves():
    both, said = table("06_both"), text(STEM)
    wins = both[both.says == "quantizing wins"]
    below = both[both.high < 0]
    assert len(below) - len(wins) == (below.low > -0.01).sum() == 1
    assert f"in {len(below)} of {len(both)} cases the interval lies below zero (one of them within ±0.01)" in said
    assert not (both.low > 0).any()
    most = both.loc[both.extra.idxmin()]
    assert (most.setting, most.model) == ("overlapping classes", "uniform_2")
    assert f"saves most where classes overlap, {size(most)}" in answer(STEM)
    assert f"{size(most)} (LiRA on outputs" in said
    overlap = -both[both.setting == "overlapping classes"].extra
    assert (
        f"{overlap.min():.3f} to {overlap.max():.3f} of AUC where classes overlap, less than 0.01 everywhere else"
        in said
    )
    others = both[both.setting != "overlapping classes"]
    assert others.extra.min() > -0.01 < others.high.min()  # in the mean, and none is certain to exceed it
    assert f"though intervals reach {-others.low.min():.3f}" in said
