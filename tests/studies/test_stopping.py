"""Quantizers beside full precision that is stopped as useful: the records, one run of it, and the matching."""

import numpy as np
import pytest

from qmis_utils.studies import stopping


def test_mixtures_and_molecules_are_drawn_anew_by_seed():
    first, same, other = (stopping.draw("overlapping classes", seed, n_heldout=50) for seed in (1, 1, 2))
    assert (first.x.shape, first.x_out.shape, first.task, first.steps) == ((256, 128), (50, 128), "binary", 200)
    assert np.array_equal(first.x, same.x)
    assert not np.array_equal(first.x, other.x)
    pools = [stopping.draw("BBB", seed, max_molecules=60) for seed in (1, 2)]
    assert [(len(p.x), len(p.x_out), p.ranked) for p in pools] == [(42, 18, True)] * 2
    whole = [np.sort(np.vstack([p.x, p.x_out]).sum(axis=1)) for p in pools]
    assert np.allclose(*whole)  # the same molecules, otherwise split
    assert not np.array_equal(pools[0].y, pools[1].y)


def test_an_unknown_setting_is_named_with_the_valid_ones():
    with pytest.raises(ValueError, match="unknown setting 'easy'; valid: clear classes, overlapping classes"):
        stopping.draw("easy")


def initial_accuracy(init):
    """Return the mean accuracy of 32 initial networks, read off models that hardly moved."""
    records = stopping.draw("overlapping classes", 1, n_heldout=100)
    models = stopping.train(records, np.ones((32, len(records.x)), bool), init, 1, steps=1, lr=1e-12)
    return ((models.logits(records.x_out) > 0) == (records.y_out == 1)).mean()


def test_one_run_holds_every_stop_and_every_quantizer_and_the_start_matters():
    few = {"n_models": 32, "tenths": (2,), "steps": (4,), "n_heldout": 100}
    frames = {init: stopping.compare("overlapping classes", 1, init, ("sign",), **few) for init in ("shared", "random")}
    for frame in frames.values():
        assert frame.model.tolist() == ["untrained", "early stop", "early stop", "fp32", "sign"]
        assert frame.length.tolist() == [0, 0.2, 4, 200, 200]
        assert frame.lira[0] == 0.5
        assert frame[["strongest", "null"]].isna().all(axis=None)
        assert frame.utility[3] > frame.utility[1] > 0.4
        assert frame.utility[0] == pytest.approx(initial_accuracy(frame.init[0]))
    early = {init: frame.lira[1] for init, frame in frames.items()}
    assert early["shared"] > 0.8
    assert 0.4 < early["random"] < 0.6


def test_the_strongest_attack_meets_what_is_compared_and_nothing_else():
    few = {"n_models": 32, "tenths": (1, 2), "steps": (4, 16), "n_heldout": 100, "slacks": (0.005, 0.0)}
    frame = stopping.compare("overlapping classes", 1, "shared", ("sign",), **few)
    stops, sign = frame[:-1], frame.iloc[-1]
    for slack in few["slacks"]:
        assert np.isfinite(stopping.leak_at(stops.utility, stops.strongest, sign.utility, slack))
    assert 0 < stops.strongest.isna().sum() < len(stops) - 2
    assert frame.strongest[0] == 0.5
    fp32 = frame[frame.model == "fp32"].iloc[0]
    for row in (fp32, sign):
        assert -0.01 < row.strongest - row.lira < 0.1
    assert fp32.null == pytest.approx(0.5, abs=0.04) != fp32.strongest
    assert frame.null.notna().sum() == 1


def test_a_stop_that_is_no_more_useful_than_a_shorter_one_is_left_out():
    useful, leak = [0.5, 0.7, 0.6, 0.9, 0.85], [0.5, 0.6, 0.9, 0.8, 1.0]
    assert stopping.leak_at(useful, leak, 0.7, 0.0) == pytest.approx(0.6)
    assert stopping.leak_at(useful, leak, 0.75, 0.0) == pytest.approx(0.65)
    assert stopping.leak_at(useful, leak, 0.75, 0.05) == pytest.approx(0.6)
    assert stopping.leak_at(useful, leak, 0.95, 0.05) == pytest.approx(0.8)


@pytest.mark.parametrize("wanted", [0.4, 0.5, 0.96])
def test_outside_the_curve_nothing_is_matched(wanted):
    assert np.isnan(stopping.leak_at([0.5, 0.9], [0.5, 0.8], wanted, 0.05))
