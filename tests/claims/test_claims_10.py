"""What notebook 10 says of ten mistakes, and the numbers behind it."""

import pytest
from reading import answer, table, text

STEM = "10_fool_yourself"
MUCH = ["known start", "unequal utility", "threshold on itself", "target in calibration", "pool for population"]
MUCH += ["formula of a mean", "shifted non-members", "too few non-members"]
LITTLE = ["two-sided score", "unquantized shadows"]


@pytest.fixture(scope="module")
def sizes():
    return table("10_mistakes").set_index("mistake")


def times(row, digits):
    low, high = (f"{row[end]:.{digits}f}" for end in ("low", "high"))
    return f"{row.estimate:.{digits}f} {low}, {high}"


def test_eight_report_too_much_and_two_too_little(sizes):
    assert set(sizes.index) == {*MUCH, *LITTLE}
    assert (sizes.low[MUCH] > 1).all()
    assert (sizes.high[LITTLE] < 1).all()
    assert "eight report too much and two too little" in answer(STEM)


def test_of_unequal_utility_the_reference_is_what_is_too_large(sizes):
    row = sizes.loc["unequal utility"]
    said = f"to the end ({row.wrong:.3f}); the right one is the stop, of five, nearest in accuracy ({row.right:.3f})"
    assert said in text(STEM)
    assert "and 90 % zeros leak 0.106. Too large a reference flatters the defence" in text(STEM)


def test_the_sizes_are_quoted_with_their_intervals(sizes):
    assert f"{times(sizes.loc['known start'], 1)} times what it finds with random starts" in answer(STEM)
    start = sizes.loc["known start"]
    assert f"an advantage of {start.wrong:.3f}, not {start.right:.3f}, {times(start, 1)} times" in answer(STEM)
    assert f"find {times(sizes.loc['unquantized shadows'], 2)} of what quantized ones find" in answer(STEM)
    said = text(STEM)
    for name, digits in {
        "known start": 1,
        "unequal utility": 1,
        "two-sided score": 2,
        "pool for population": 2,
    }.items():
        assert times(sizes.loc[name], digits) in said


def test_the_worst_is_the_known_start_and_the_pool_multiplies_the_shift_by_the_root_of_two(sizes):
    assert sizes.estimate.idxmax() == "known start"
    assert sizes.right["known start"] < 0.05 < 0.5 < sizes.wrong["known start"]
    assert sizes.wrong["pool for population"] == pytest.approx(0.5218, abs=0.02)  # 2 Phi(d'/sqrt 2) - 1
