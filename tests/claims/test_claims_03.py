"""What notebook 03 says, against the tables of its figures."""

import pytest
from reading import answer, table, text

STEM = "03_exact_networks"


@pytest.fixture
def release():
    """The exact insecurity of the teaching problem, a row a quantizer, a column a release."""
    return table("03_release").pivot(index="quantizer", columns="released", values="insecurity")


@pytest.fixture
def judged():
    """Mean agreement with the truth of the codes over the judging problems."""
    rows = table("03_truth_tau")
    return rows[(rows.split == "judge") & (rows.released == "codes") & (rows.problem == "mean")].set_index("number")


def quoted(row):
    return f"{row.tau:.2f} {row.low:.2f}, {row.high:.2f}"


def test_the_answer_quotes_the_ladder(release):
    said = answer(STEM)
    assert f"{release.codes['sign']:.3f} of the {release.full['fp32']:.3f} that full precision gives" in said
    assert f"those of 4 bits {release.codes['uniform_4']:.3f}" in said
    assert release["codes+scale"].between(0.999 * release.full["fp32"], 1.001 * release.full["fp32"]).all()
    assert (release.codes <= release["codes+pot"] + 1e-9).all()
    assert (release["codes+pot"] - release.codes < 0.01).all()  # power-of-two scales add next to nothing
    assert release.codes["sign"] < release["two digits"]["sign"]
    assert release.codes["ternary_50"] > release.codes["ternary_33"]


def test_the_answer_quotes_who_ranks_and_who_does_not(judged):
    said = answer(STEM)
    assert f"= {quoted(judged.loc['sqrt_J'])} over 20 problems" in said
    ours = judged[judged.index.str.startswith("r ")]
    assert len(ours) == 10
    assert f"reaches {quoted(ours.loc[ours.tau.idxmax()])}" in said
    known = judged[judged.kind.isin(["indicator", "rival"])]
    assert known.tau.idxmax() == "sqrt_J"  # the conclusion
    assert judged.tau["entropy of the release"] > known.tau.max()
    assert ours.high.max() < judged.low["rho_w"]


def test_lira_ranks_codes_badly_and_who_reads_codes_ranks_them_well(judged):
    said = text(STEM)
    for name in ("codes, ridge", "lira"):
        assert quoted(judged.loc[name]) in said
    assert f"= {judged.tau['codes, table']:.2f})" in said
    assert judged.high["lira"] < judged.low["rho_pool"] < judged.low["codes, ridge"]


def test_no_number_ranks_what_outputs_give_away():
    rows = table("03_truth_tau")
    part = rows[(rows.split == "judge") & (rows.released == "two digits") & (rows.problem == "mean")]
    part = part[part.number.isin(["sqrt_J", "rho_pool", "bits", "rho_w", "function error", "weight error"])]
    assert part.tau.max() < 0.2


def test_what_a_scale_gives_away_grows_with_its_digits():
    rows = table("03_scale").pivot(index="digits", columns="part", values="insecurity")
    assert (rows["codes and scales"] >= rows["scales"] - 1e-9).all()
    assert rows.scales.loc[12] == pytest.approx(rows["codes and scales"].max(), rel=1e-2)
    assert rows.scales.iloc[0] < 0.01


def test_nothing_fades_exponentially():
    rows = table("03_size").pivot(index="n", columns="quantizer", values="insecurity")
    fall = rows.loc[300] / rows.loc[20]
    assert (fall > 20 / 300).all()  # slower than 1 / n
    assert rows["ternary_90"][20] > rows["sign"][20]
    assert rows["ternary_90"][300] < rows["sign"][300]


def test_trees_on_codes_come_near_the_truth_and_lira_does_not():
    rows = table("03_attained")
    means = rows[rows.problem == "mean"].pivot(index="quantizer", columns="attack", values="share_of_exact")
    assert (means["codes, trees"] > 0.9).all()
    assert (means.lira < 0.7).all()
    single = rows[(rows.problem != "mean") & (rows.attack == "codes, trees")]
    assert (single.share_of_exact >= 0.9).mean() >= 0.75  # of problems and quantizers
    assert single.share_of_exact.max() <= 1 + 1e-9
    assert (single.groupby("problem").share_of_exact.mean() >= 0.9).sum() == 19  # of 20
    table_of = rows[(rows.problem != "mean") & (rows.attack == "codes, table")]
    assert table_of.share_of_exact.between(0.99, 1 + 1e-9).all()


def test_a_secret_start_hides_tiny_networks_only():
    rows = table("03_secret").query("starts == 128")
    assert (rows.groupby("weights").size() == 9).all()  # eight problems and their mean
    tiny, larger = (rows[(rows.problem == "mean") & (rows.weights == size)].iloc[0] for size in (9, 30))
    said = f"any of 128 leaves {tiny.share:.3f} {tiny.low:.3f}, {tiny.high:.3f} of what nine signs tell, and"
    assert f"{said} {larger.share:.3f} of what thirty tell" in text(STEM)
    assert tiny.high < 0.9 < 0.99 < larger.low
