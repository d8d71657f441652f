"""Rules do not mind the unit of the weights, down to the last subnormal; "row" and blocks mean one thing everywhere."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmis_utils import indicators
from qmis_utils.ensemble import Ensemble
from qmis_utils.quantizers import (
    QUANTIZERS,
    quantize,
    quantize_activation_clip,
    quantize_gptq,
    relative_error,
)

NAMES = sorted(QUANTIZERS)
BY_POWERS = {"pow2_4", "mxfp4", *(f"stochastic_{k}" for k in (2, 3, 4))}  # other factors change the scale or the coins
CALIBRATED = [quantize_activation_clip, quantize_gptq]
LARGEST = np.finfo(np.float32).max
whole = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(8, 24)), elements=st.integers(-99, 99))


def released_alike(before, after, power):
    """Say that the second is the first times 2^power, rounded once where that is subnormal."""
    assert np.array_equal(after.codes, before.codes)
    for part in ("scale", "values"):
        assert np.array_equal(getattr(after, part), np.ldexp(getattr(before, part), power))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(w=whole, power=st.integers(-149, 120), granularity=st.sampled_from(["tensor", "row"]))
def test_any_power_of_two_keeps_codes_and_scales_values(name, w, power, granularity):
    w = np.stack([w, w[::-1]])  # (2, rows, P): small whole numbers are exact down to the last subnormal
    with np.errstate(all="raise", under="ignore"):
        scaled = quantize(np.ldexp(w, power), name, granularity)
    released_alike(quantize(w, name, granularity), scaled, power)


@pytest.mark.parametrize("factor", [1e-36, 3e-29, 7e-21, 1e-13, 3e19, 2e31, 6e37])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in BY_POWERS])
def test_any_factor_scales_values_and_keeps_the_relative_error(name, factor):
    w = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    before, after = quantize(w, name), quantize(np.float32(factor) * w, name)
    near = np.isclose(after.values, factor * before.values, rtol=3e-6, atol=2e-7 * factor)
    assert near.all()
    error = relative_error(np.float32(factor) * w, after)
    np.testing.assert_allclose(error, relative_error(w, before), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_and_the_smallest_numbers_give_finite_values_of_a_known_error(name):
    row = np.array([1, -1, 1, 1, -1, 1, 1, -1], np.float32)
    for top in (LARGEST, np.float32(1e-45)):
        q = quantize(top * row[None], name)
        assert np.isfinite(q.values).all()
        assert np.isfinite(q.scale).all()
        expected = relative_error(row[None], quantize(row[None], name))
        # the only value next to the last subnormal is 0; a dither may carry beyond the largest number
        if top > 1 and name not in BY_POWERS and not name.startswith("dithered"):
            np.testing.assert_allclose(relative_error(top * row[None], q), expected, atol=1e-6)


def test_rows_of_other_scales_do_not_touch_an_ordinary_one():
    w = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    mixed = w * np.float32([[1], [1e-30], [1e30]])
    for name in NAMES:
        alone, beside = quantize(w[:1], name), quantize(mixed, name)
        assert np.array_equal(beside.values[:1], alone.values)
        assert np.array_equal(beside.scale[:1], alone.scale)


def test_full_precision_stays_as_it_is_at_every_scale():
    w = np.array([[3e38, -1e-44, 1.0, 0.0]], np.float32)
    assert np.array_equal(quantize(w, "fp32").values, w)


@pytest.mark.parametrize("rule", CALIBRATED)
@settings(max_examples=40, deadline=None)
@given(power=st.integers(-140, 115), unit=st.integers(-130, 110))
@example(power=-140, unit=110)
@example(power=115, unit=110)
def test_calibrated_rules_mind_neither_the_unit_of_weights_nor_that_of_inputs(rule, power, unit):
    rng = np.random.default_rng(2)
    w = rng.integers(-99, 100, size=(2, 4, 6)).astype(np.float32)
    x = rng.integers(-9, 10, size=(40, 6)).astype(np.float32)
    with np.errstate(all="raise", under="ignore"):
        scaled = rule(np.ldexp(w, power), 3, np.ldexp(x, unit))
    released_alike(rule(w, 3, x), scaled, power)


def test_relative_error_by_hand_at_every_scale_and_precision():
    w = np.array([[3.0, 4.0]])
    for factor in (1e-38, 1e-30, 1.0, 1e30, 8e37):  # both become 3.5
        scaled = (factor * w).astype(np.float32)
        assert relative_error(scaled, quantize(scaled, "sign"))[0] == pytest.approx(0.1**0.5 / 5**0.5, rel=1e-5)
    half = np.full((1, 1000), 10, np.float16)  # the sum of its squares is beyond float16
    half[0, 0] = 30
    moved = np.linalg.norm(half.astype(float) - 10.02) / np.linalg.norm(half.astype(float))
    assert relative_error(half, quantize(half, "sign"))[0] == pytest.approx(moved, rel=1e-5)
    assert relative_error(np.zeros((1, 4)), quantize(np.zeros((1, 4)), "sign")).tolist() == [0.0]


def test_numbers_that_float32_cannot_hold_are_named():
    with pytest.raises(ValueError, match="model 1 hold NaN or infinity, or numbers beyond float32"):
        quantize(np.array([[1.0, 2.0], [1.0, 1e39]]), "sign")


def test_bfloat16_weights_are_quantized():
    w = torch.tensor([[0.5, -1.0, 0.25]], dtype=torch.bfloat16)
    assert quantize(w, "uniform_4").values.tolist() == quantize(w.float(), "uniform_4").values.tolist()


# rows and blocks -----------------------------------------------------------------------------------------------------


def test_a_row_is_what_belongs_to_one_entry_of_the_first_axis_after_models():
    conv = np.random.default_rng(3).normal(size=(2, 6, 4, 3, 3)).astype(np.float32)
    matrix, vector = conv.reshape(2, 6, -1), conv.reshape(2, -1)
    for name in ("uniform_4", "nf4", "lloyd_2"):
        q, as_matrix = quantize(conv, name, "row"), quantize(matrix, name, "row")
        assert len(q.scale) == 12
        assert np.array_equal(q.values.reshape(matrix.shape), as_matrix.values)
        channel = quantize(conv[1, 4].reshape(1, -1), name)
        assert np.array_equal(q.values[1, 4].ravel(), channel.values[0])
        assert len(quantize(vector, name, "row").scale) == 2
        assert np.array_equal(quantize(vector, name, "row").values, quantize(vector, name).values)


def test_block_lengths_are_whole_numbers_of_any_type():
    w = np.random.default_rng(4).normal(size=(1, 24)).astype(np.float32)
    assert np.array_equal(quantize(w, "nf4", np.int64(8)).values, quantize(w, "nf4", 8).values)
    for bad in (True, np.True_, 0, -8, 7, 8.0, "8", "rows", None):
        with pytest.raises(ValueError, match=r"granularity must be .* that divides 24 weights; got"):
            quantize(w, "nf4", bad)


def planted(granularity):
    """Two models of one convolution whose channels differ in scale, as trained and released."""
    w = np.random.default_rng(5).normal(size=(4, 3, 2, 2, 2)) * np.array([1, 10, 100]).reshape(1, 3, 1, 1, 1)
    return w, np.asarray(quantize(w, "uniform_3", granularity).values, float)


@pytest.mark.parametrize("granularity", ["row", 8])
def test_surviving_weights_takes_apart_what_shares_a_scale(granularity):
    w, q = planted(granularity)  # blocks of 8 are the three channels
    apart = [indicators.surviving_share(q[:, i].reshape(4, -1), w[:, i].reshape(4, -1), most=333) for i in range(3)]
    np.testing.assert_allclose(indicators.surviving_weights([q], [w], granularity), np.mean(apart, axis=0))
    with pytest.raises(ValueError, match="granularity must be"):
        indicators.surviving_weights([q], [w], "rows")


@pytest.mark.parametrize("granularity", ["row", 6])
def test_neighbours_move_within_what_shares_a_scale(granularity):
    w = torch.tensor(np.random.default_rng(6).normal(size=(1, 4, 6)) * np.array([[[1], [10], [100], [1000]]])).float()
    released = Ensemble((quantize(w, "uniform_3", granularity).values,), (torch.zeros(1, 4),), "multiclass")
    near = indicators.neighbours(released, 60, np.random.default_rng(0), granularity).weights[0]
    for model in near:
        (row,) = torch.nonzero((model != released.weights[0][0]).any(dim=1)).flatten().tolist()
        assert set(model[row].tolist()) <= set(released.weights[0][0, row].tolist())
