"""What notebook 06 says of privacy at equal utility, and the numbers behind it."""

import pandas as pd
import pytest
from reading import answer, table, text

STEM = "06_equal_utility"
NUMBERS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight"]


@pytest.fixture(scope="module")
def cells():
    """Return the cases of the figure, whose stopped models may be worth 0.005 less."""
    return table("06_saving").query("slack == 0.005 and attack == 'strongest'")


@pytest.fixture(scope="module")
def strict():
    """Return the verdicts where the stopped models may be worth nothing less."""
    found = table("06_saving").query("slack == 0 and attack == 'strongest'")
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
    assert counts.loc["undecided"].random == 6
    assert "six are undecided" in answer(STEM)
    only = cells[(cells.init == "random") & (cells.says == "quantizing wins")].iloc[0]
    assert f"quantizing in one, by {size(only)} of AUC" in answer(STEM)
    assert f"quantizing leaks less in {wins.shared} of {compared.shared}." in answer(STEM)
    assert f"quantizing wins in {wins.shared} cases, stopping in {stops.shared}" in text(STEM)


def test_the_answer_names_the_slack_and_what_hangs_on_it(says, strict):
    counts = strict.random.value_counts()
    assert (counts["stopping wins"], counts["quantizing wins"], counts["undecided"]) == (28, 6, 7)
    assert "at a utility at most 0.005 lower leaks less in 34" in answer(STEM)
    assert "worth nothing less, it is 28, six and seven" in answer(STEM)
    assert "in 28 and six if the stopped model may be worth nothing less" in text(STEM)
    assert (
        counts["stopping wins"] > 0.6 * counts.drop("worth nothing").sum() > 3 * counts["quantizing wins"]
    )  # "seldom"
    won = strict.index[strict.random == "quantizing wins"].get_level_values("setting").value_counts()
    assert won.to_dict() == {"clear classes": 5, "overlapping classes": 1}
    assert "quantizing six, five of them on clear classes" in text(STEM)
    changed = says.index[says.random != strict.random].get_level_values("setting")
    assert set(changed) == {"clear classes", "overlapping classes"}
    assert "Noisy labels, many records, BBB and FreeSolv keep all their verdicts there" in text(STEM)
    after = strict.random[strict.shared == "quantizing wins"].value_counts()
    assert after.to_dict() == {"stopping wins": 8, "quantizing wins": 6, "undecided": 4}
    assert "Without slack six of 18 savings stay, and eight turn round" in text(STEM)


def test_what_becomes_of_the_advantages(says):
    after = says.random[says.shared == "quantizing wins"].value_counts()
    assert after.to_dict() == {"stopping wins": 10, "undecided": 5, "quantizing wins": 1}
    assert "Of 16 savings one stays, five become undecided, and ten turn round" in text(STEM)
    assert not ((says.shared == "stopping wins") & (says.random == "quantizing wins")).any()
    undecided = says.index[says.random == "undecided"]
    overlap = {("overlapping classes", m) for m in ("sign", "ternary_33", "ternary_50", "ternary_90")}
    assert set(undecided) == overlap | {("clear classes", "ternary_50"), ("BBB", "sign")}


def test_the_earlier_conclusions(cells):
    said = text(STEM)
    for setting in ("overlapping classes", "BBB"):
        shared, random = (of(cells, setting, "ternary_90", init) for init in ("shared", "random"))
        assert shared.high < 0
        assert f"{size(shared)} less" in said
        assert f"{size(random)} {'less' if setting == 'overlapping classes' else 'more'}" in said
    assert random.low > 0  # BBB
    overlap = of(cells, "overlapping classes", "ternary_90", "random")
    assert overlap.low < 0 < overlap.high


def test_lira_alone_says_the_same_but_for_one_case(says):
    found = table("06_saving").query("slack == 0.005 and attack == 'lira'")
    lira = found.pivot(index=["setting", "model"], columns="init", values="says")
    changed = (lira != says).stack()
    assert changed[changed].index.tolist() == [("BBB", "sign", "random")]
    assert (lira.random["BBB", "sign"], says.random["BBB", "sign"]) == ("stopping wins", "undecided")
    assert f"one case of {len(changed)}: it gives sign on BBB with random initialisations to stopping" in text(STEM)
    only = of(found, "clear classes", "ternary_90", "random")
    assert f"With LiRA alone it is {size(only)}: the stack finds more in models that were stopped" in text(STEM)


@pytest.fixture(scope="module")
def released():
    """Return the quantizers and full precision, a row a setting and initialisation."""
    rows = table("06_plane").query("kind == 'quantized' or model == 'fp32'")
    return rows.set_index(["setting", "init", "model"]).sort_index()


def test_by_how_much_the_strongest_attack_beats_lira(released):
    more = released[released.gain > 0.02]
    clear = more.loc[("clear classes", "random")]
    assert f"By more than 0.02 in {NUMBERS[len(more)]} of {len(released)} releases: in {NUMBERS[len(clear)]}" in text(
        STEM
    )
    assert set(more.drop(("clear classes", "random")).index) == {
        ("many records", i, "fp32") for i in ("shared", "random")
    }

    def gain(row):
        return f"{row.gain:.3f} {row.gain - row.gain_half:.3f}, {row.gain + row.gain_half:.3f}"

    full = [gain(released.loc["many records", init, "fp32"]) for init in ("random", "shared")]
    assert f"{gain(clear.loc[clear.gain.idxmax()])} at most" in text(STEM)
    assert f"with many records, {' and '.join(full)}." in text(STEM)
    assert f"in the mean of all by {released.gain.mean():.3f}" in text(STEM)
    assert f"up to {released.gain.max():.3f} of AUC more than LiRA" in text(STEM)


def test_the_strongest_attack_finds_nothing_where_there_is_nothing(released):
    null = released.null.dropna()
    assert len(null) == 12
    assert null.between(0.49, 0.51).all()


def test_the_alarm():
    stopped = table("06_plane").query("kind == 'stopped'").set_index(["setting", "init"])
    early = stopped[stopped.length == 0.2].lira.unstack()
    whole = stopped[stopped.model == "fp32"].lira.unstack()
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
    assert f"{early.utility:.2f} after 16 steps, at an AUC of {early.lira:.2f}" in text(STEM).replace("$R^2$ of ", "")
    assert f"is {last.utility:.2f}, no higher than after 32, and the AUC {last.lira:.2f}" in text(STEM)
    assert curve[curve.length == 32].iloc[0].utility >= last.utility
    near = curve[curve.utility > last.utility - 0.01].iloc[0]  # exercise 06.1
    assert (near.length, round(last.lira - near.lira, 1)) == (16, 0.3)


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
