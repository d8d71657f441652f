"""What study B says first, and the numbers behind it."""

import pytest
from reading import answer, table, text

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
