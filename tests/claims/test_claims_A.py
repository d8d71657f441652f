"""What notebook A says in its answer, against the tables of its figures."""

import numpy as np
from reading import answer, table
from scipy import stats


def tau(rows, prediction, truth):
    return stats.kendalltau(rows[prediction], rows[truth]).statistic


def test_the_answer_quotes_the_taus_of_the_ladder():
    rows = table("A_ladder").query("panel != 'grid'")
    said = answer("A_proofs")
    found = {name: f"{tau(rows, *name):.2f}" for name in (("nI", "erm"), ("nr", "erm"), ("nI", "rounded"))}
    found[("nr", "rounded")], found[("n_edge", "rounded")] = (
        f"{tau(rows, name, 'rounded'):.2f}" for name in ("nr", "n_edge")
    )
    assert f"($\\tau = {found['nI', 'erm']}$ at $n = 40$)" in said
    assert f"nearly as well ({found['nr', 'erm']})" in said
    assert f"($\\tau$ = {found['nI', 'rounded']} and {found['nr', 'rounded']})" in said
    assert f"takes over ({found['n_edge', 'rounded']})" in said
    assert f"{rows.problem.nunique()} problems" in said
    assert set(rows.n) == {40}


def test_from_three_on_the_sharp_form_is_within_a_quarter():
    sharp = table("A_sharp_ratio")
    late = sharp[(sharp.nI > 3) & sharp.problem.str.startswith("random")]
    assert len(late) >= 20
    assert late.ratio.between(0.75, 1.25).all()
    early = sharp[(sharp.nI < 0.3) & sharp.problem.str.startswith("random")]
    assert not np.all(early.ratio.between(0.75, 1.25))


def test_that_i_ranks_best_is_a_difference_beyond_its_interval():
    rows, rng = table("A_ladder").query("panel != 'grid'"), np.random.default_rng(0)
    picks = [rows.iloc[rng.integers(len(rows), size=len(rows))] for _ in range(200)]
    for better, worse, truth in (("nI", "nr", "erm"), ("n_edge", "nI", "rounded")):
        assert np.quantile([tau(pick, better, truth) - tau(pick, worse, truth) for pick in picks], 0.025) > 0


def test_a_nearly_lattice_gap_is_off_by_the_factor_of_the_answer():
    near = table("A_sharp_ratio").query("problem == 'nearly lattice'")
    at = near.iloc[(near.nI - 102).abs().argmin()]
    assert round(at.nI) == 102
    assert f"a factor {1 / at.ratio:.0f} at $n I = {at.nI:.0f}$" in answer("A_proofs")
    assert near[near.nI > 3].ratio.between(0.07, 0.1).all()


def test_theorem_a_stays_near_the_truth_where_pinsker_does_not():
    bound = table("A_bits_bound")
    assert list(bound.columns) == ["problem", "exact", "bound", "pinsker"]
    assert (bound.exact <= bound.bound * (1 + 1e-12)).all()
    assert (bound.bound <= bound.pinsker * (1 + 1e-12)).all()
    random = bound[bound.problem.str.startswith("random")]
    assert 1.3 < (random.bound / random.exact).median() < 1.5
    assert (bound.bound / bound.exact).max() < 3
    assert (bound.pinsker / bound.exact).max() > 1e20


def test_theorem_e_orders_training_and_rounding_on_a_codeword_only():
    places = table("A_one_geometry")
    on, off = places[places.share == 0], places[places.share > 0.3]
    assert (on.train_over_round >= 1 - 1e-12).all()
    assert 0.1 < (off.train_over_round < 1).mean() < 0.9
