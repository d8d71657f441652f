"""What notebook 08 says of exposed molecules, and the numbers behind it."""

import pytest
from reading import answer, table, text

STEM = "08_who_is_exposed"


@pytest.fixture(scope="module")
def shares():
    found = table("08_exposure")
    return found[found.what != "quantile"].set_index(["table", "start", "what"])


@pytest.fixture(scope="module")
def releases():
    return table("08_protection").dropna(subset="who").set_index(["table", "start", "release", "who"])


def written(row, name):
    return f"{row[name]:.3f} {row.low:.3f}, {row.high:.3f}"


def test_the_average_hides_the_few(shares):
    few, everybody = (shares.loc[("FreeSolv", "random", what)] for what in ("most exposed", "all"))
    assert f"an exposure of {written(everybody, 'value')}" in answer(STEM)
    assert f"of its molecules, {written(few, 'value')}" in answer(STEM)
    assert few.low > everybody.high + 0.5
    assert few.molecules < 0.06 * everybody.molecules


@pytest.mark.parametrize("name", ["FreeSolv", "BACE"])
def test_both_tables_are_quoted_and_starts_agree(shares, name):
    for what in ("most exposed", "all"):
        random, shared = (shares.loc[(name, start, what)] for start in ("random", "shared"))
        assert written(random, "value") in text(STEM)
        assert abs(random.value - shared.value) < 0.03


def test_the_same_molecules_are_exposed_in_other_groups():
    ranks = table("08_protection").dropna(subset="correlation")
    assert len(ranks) == 4
    assert ranks.correlation.min() >= 0.945
    assert "the rank correlation is at least 0.95" in text(STEM)


@pytest.mark.parametrize("name", ["FreeSolv", "BACE"])
def test_ninety_per_cent_zeros_protect_the_average_better_than_the_few(releases, name):
    few, everybody = (releases.loc[(name, "random", "ternary_90", who)] for who in ("top", "all"))
    assert written(few, "exposure") in text(STEM)
    assert written(everybody, "exposure") in text(STEM)
    assert few.low > everybody.high
    assert few.low > 0
