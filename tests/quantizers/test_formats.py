"""Shipped formats: bit by bit what gguf and torchao make of the same weights, their sizes, errors and symmetries."""

import numpy as np
import pytest
import torch
from gguf import quants
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmis_utils.quantizers import FORMATS, QUANTIZERS, code_entropy, fits, quantize, released_bits, sparsity
from qmis_utils.quantizers.formats import E2M1_LEVELS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, on importing torchao
NAMES = sorted(FORMATS)
GGML = {"q4_0": quants.Q4_0, "q8_0": quants.Q8_0, "tq2_0": quants.TQ2_0}
AFFINE = [name for name in NAMES if name.startswith("int")]
LARGEST = np.finfo(np.float32).max


def tensors(seed=0, length=512):
    """Name -> weights (3, 8, length): each case another way to go wrong."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(3, 8, length)).astype(np.float32)
    holed = w.copy()
    holed[:, ::2] = 0
    holed[0, :, : length // 2] = 0
    apart = w * np.float32(10) ** rng.integers(-12, 3, size=(3, 8, length // 16)).repeat(16, axis=2)
    return {
        "normal": 0.02 * w,
        "uniform": rng.random(w.shape, dtype=np.float32),
        "heavy": rng.standard_t(1.5, size=w.shape).astype(np.float32),
        "zeros": np.zeros_like(w),
        "zero blocks": holed,
        "subnormal float16 scales": w * np.float32(3e-6),
        "vanishing float16 scales": w * np.float32(1e-8),
        "scales apart": apart.astype(np.float32),
        "ties": rng.integers(-16, 17, size=w.shape).astype(np.float32) / 4,
        "extremes of both signs": np.sign(w) * np.float32(1.7),
        "one sign": -np.abs(w) - 1,
        "large": w * np.float32(5000),
    }


CASES = tensors()
cases = pytest.mark.parametrize("case", CASES)


def same(ours, codes, scale, values):
    """Bit by bit, but for the sign of a zero."""
    for mine, oracle in ((ours.codes, codes), (ours.scale, scale), (ours.values, values)):
        assert np.isfinite(mine).all()
        np.testing.assert_array_equal(mine, np.asarray(oracle).reshape(mine.shape))


# oracles -------------------------------------------------------------------------------------------------------------


def fields(name, packed):
    """Take the bytes of gguf's blocks apart: integer codes and the float16 scale, as its layout is documented."""
    blocks = packed.reshape(-1, GGML[name].type_size)
    if name == "tq2_0":
        two = blocks[:, :64].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1)
        codes, scale = (two & 3).astype(int) - 1, blocks[:, 64:]
    elif name == "q8_0":
        codes, scale = np.ascontiguousarray(blocks[:, 2:]).view(np.int8), blocks[:, :2]
    else:
        codes, scale = np.hstack([blocks[:, 2:] & 15, blocks[:, 2:] >> 4]).astype(int) - 8, blocks[:, :2]
    return codes, np.ascontiguousarray(scale).view(np.float16).astype(np.float32)


@cases
@pytest.mark.parametrize("name", GGML)
def test_blocks_of_llama_cpp_agree_with_gguf(name, case):
    w, oracle = CASES[case], GGML[name]
    packed = oracle.quantize(w)
    same(quantize(w, name), *fields(name, packed), oracle.dequantize(packed))
    assert 8 * packed[0].size == released_bits(w.shape, name)


@pytest.mark.parametrize("name", GGML)
def test_weights_whose_inverse_scale_float32_cannot_hold_become_zeros(name):
    w = np.float32(1e-40) * CASES["normal"]  # gguf casts infinite and undefined ratios to whole numbers: any codes
    q = quantize(w, name)
    assert np.all(q.values == 0)
    assert np.all(q.scale == 0)
    assert np.all(q.codes == 0)


@cases
@pytest.mark.parametrize("factor", [1.0, 2.0**100, 2.0**-118, 2.0**-126])
def test_mxfp4_agrees_with_torchao(case, factor):
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    w = torch.from_numpy(CASES[case] * np.float32(factor))
    oracle = MXTensor.to_mx(w.reshape(-1, 32), torch.float4_e2m1fn_x2, 32)
    scale = torch.exp2(oracle.scale.view(torch.uint8).double() - 127)
    values = oracle.dequantize(torch.float32).numpy().reshape(w.shape)
    q = quantize(w.numpy(), "mxfp4_32")
    same(q, q.codes, scale, values)
    assert np.array_equal(E2M1_LEVELS[q.codes] * q.scale.reshape(3, 8, -1, 1).repeat(32, 3).reshape(w.shape), values)
    if factor == 1 and not case.startswith("zero"):
        assert np.array_equal(quantize(w.numpy(), "mxfp4", 32).values, values)


def test_mxfp4_of_gguf_is_another_rule():
    """It agrees but for ties and what rounds to one, and for a largest weight just below a power of two."""
    w = CASES["normal"]
    packed = quants.MXFP4.quantize(w)
    ours, theirs = quantize(w, "mxfp4_32"), quants.MXFP4.dequantize(packed)
    assert np.array_equal(ours.scale[:, 0], np.exp2(packed.reshape(-1, 17)[:, 0] - 127.0))
    assert np.array_equal(ours.values, theirs)
    ties = np.zeros((1, 32), np.float32)
    ties[0, :4] = [0.75, 1.75, 3.5, 4.0]
    assert quantize(ties, "mxfp4_32").values[0, :4].tolist() == [1, 2, 4, 4]
    assert quants.MXFP4.dequantize(quants.MXFP4.quantize(ties))[0, :4].tolist() == [0.5, 1.5, 3, 4]
    below = np.full((1, 32), np.nextafter(np.float32(64), np.float32(0)))
    assert quantize(below, "mxfp4_32").scale.tolist() == [[8]]
    assert quants.MXFP4.quantize(below)[0, 0] == 127 + 4


def nvfp4(model):
    """Encode one model by torchao with two levels of scales."""
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

    return NVFP4Tensor.to_nvfp4(model, per_tensor_scale=per_tensor_amax_to_scale(model.abs().max()))


@pytest.mark.parametrize("case", [case for case in CASES if case != "zeros"])
def test_nvfp4_agrees_with_torchao(case):
    from torchao.prototype.mx_formats.kernels import f4_unpacked_to_f32, unpack_uint4

    w = torch.from_numpy(CASES[case])
    oracles = [nvfp4(model) for model in w]
    fp4 = torch.stack([f4_unpacked_to_f32(unpack_uint4(oracle.qdata)) for oracle in oracles]).numpy()
    block = torch.stack([oracle.scale.float() for oracle in oracles]).reshape(-1)
    tensor = torch.stack([oracle.per_tensor_scale for oracle in oracles]).repeat_interleave(len(block) // 3)
    values = torch.stack([oracle.dequantize(torch.float32) for oracle in oracles])
    same(quantize(w.numpy(), "nvfp4"), np.searchsorted(E2M1_LEVELS, fp4), torch.stack([block, tensor], dim=1), values)


def test_a_tensor_of_zeros_in_nvfp4_is_zero_where_torchao_has_nan():
    w = np.zeros((2, 4, 32), np.float32)
    assert nvfp4(torch.from_numpy(w[0])).dequantize(torch.float32).isnan().all()
    w[1] = CASES["normal"][0, :4, :32]
    q = quantize(w, "nvfp4")
    assert np.all(q.values[0] == 0)
    assert np.array_equal(q.values[1:], quantize(w[1:], "nvfp4").values)
    tiny = quantize(w * np.float32(1e-36), "nvfp4")  # 1 / (scale of the tensor) is beyond float32
    assert np.all(tiny.values == 0)


def test_nvfp4_decodes_as_gguf_does():
    w = CASES["normal"].copy()
    w[:, 0, 0] = 2688  # the scale of the tensor, of which gguf's blocks know nothing, is 1
    w[:, :, 16:32] *= 1000
    q = quantize(w, "nvfp4")
    assert np.all(q.scale[:, 1] == 1)
    signed = np.array([0, 1, 2, 3, 4, 5, 6, 7])
    codes = np.where(q.codes >= 7, signed[abs(q.codes - 7)], 8 + signed[abs(q.codes - 7)]).astype(np.uint8)
    codes = codes.reshape(-1, 4, 16)
    packed = (codes[..., :8] | codes[..., 8:] << 4).reshape(-1, 32)
    scale = torch.from_numpy(q.scale[:, :1].copy()).to(torch.float8_e4m3fn).view(torch.uint8).numpy().reshape(-1, 4)
    decoded = quants.NVFP4.dequantize_blocks(np.hstack([scale, packed]))
    assert np.array_equal(decoded.ravel(), q.values.ravel())
    with pytest.raises(NotImplementedError):
        quants.NVFP4.quantize(w)  # it has only the decoder


@cases
@pytest.mark.parametrize("name", AFFINE)
def test_groups_with_zero_points_agree_with_torchao(name, case):
    from torchao.quantization import MappingType, choose_qparams_affine, dequantize_affine, quantize_affine

    w, top, group = torch.from_numpy(CASES[case]), len(FORMATS[name].codes) - 1, (1, 1, FORMATS[name].block)
    least, half = torch.finfo(torch.float16).smallest_normal, torch.float16
    scale, zero = choose_qparams_affine(w, MappingType.ASYMMETRIC, group, torch.uint8, 0, top, least, half)
    codes = quantize_affine(w, group, scale.float(), zero, torch.uint8, 0, top)
    values = dequantize_affine(codes, group, scale.float(), zero, torch.uint8, 0, top)
    stored = torch.stack([scale.float().ravel(), zero.float().ravel()], dim=1)
    same(quantize(w.numpy(), name), codes, stored, values)


# by hand -------------------------------------------------------------------------------------------------------------


def padded(values, name):
    row = np.zeros((1, FORMATS[name].block), np.float32)
    row[0, : len(values)] = values
    return row


@pytest.mark.parametrize(
    ("name", "row", "codes", "scale", "values"),
    [
        ("q4_0", [8.0, 1.0, -7.9, 0.5], [-8, -1, 7, 0], [-1], [8, 1, -7, 0]),  # the scale is signed; -8 has no +8
        ("q4_0", [-8.0, 8.0, 0.5, -0.5], [-8, 7, 1, 0], [1], [-8, 7, 1, 0]),  # first of two extremes; halves go up
        ("q4_0", [8.0, -8.0, 0.5, -0.5], [-8, 7, 0, 1], [-1], [8, -7, 0, -1]),
        ("q8_0", [127.0, -2.5, 2.5, 0.4], [127, -3, 3, 0], [1], [127, -3, 3, 0]),  # halves go away from zero
        ("tq2_0", [2.0, -1.0, 0.9, 1.1], [1, -1, 0, 1], [2], [2, -2, 0, 2]),
        ("mxfp4_32", [7.9, 0.75, -2.5, 5.0], [14, 9, 3, 13], [1], [6, 1, -2, 4]),
        ("nvfp4", [2688.0, 224.0, -672.0, 100.0], [14, 8, 4, 7], [448, 1], [2688, 224, -672, 0]),
        ("int4_g32", [-5.0, 10.0, 0.5, 1.5], [0, 15, 5, 7], [1, 5], [-5, 10, 0, 2]),  # halves to even
        ("int2_g16", [1.0, 3.0, 2.0, 0.4], [1, 3, 2, 0], [1, 0], [1, 3, 2, 0]),
        ("int2_g16", [-1.0, -3.0, -2.0, 0.0], [2, 0, 1, 3], [1, 3], [-1, -3, -2, 0]),
    ],
)
def test_definitions_by_hand(name, row, codes, scale, values):
    q = quantize(padded(row, name), name)
    assert q.codes[0, :4].tolist() == codes
    assert q.scale.tolist() == [scale]
    assert q.values[0, :4].tolist() == values


def test_names_and_widths():
    assert {name: form.bits for name, form in FORMATS.items()} == {
        "q4_0": 4.5, "q8_0": 8.5, "tq2_0": 2.0625, "mxfp4_32": 4.25, "nvfp4": 4.5,
        "int4_g32": 4.625, "int4_g128": 4.15625, "int2_g32": 2.5625, "int2_g16": 3.125,
    }  # fmt: skip
    assert not FORMATS.keys() & QUANTIZERS.keys()
    assert all(form.name == name for name, form in FORMATS.items())


def test_released_bits_count_scales_and_zero_points():
    shape = (7, 6, 256)  # 1536 weights a model
    expected = {"q4_0": 48 * (32 * 4 + 16), "int2_g16": 96 * (16 * 2 + 16 + 2), "nvfp4": 96 * (16 * 4 + 8) + 32}
    expected |= {"tq2_0": 6 * (256 * 2 + 16), "mxfp4_32": 48 * (32 * 4 + 8), "int4_g128": 12 * (128 * 4 + 16 + 4)}
    expected |= {"fp32": 1536 * 32, "sign": 1536 + 32, "lloyd_3": 1536 * 3 + 8 * 32, "b158": 1536 * np.log2(3) + 32}
    for name, bits in expected.items():
        assert released_bits(shape, name) == pytest.approx(bits, rel=1e-12), name
    assert released_bits(shape, "lloyd_2", "row") == 1536 * 2 + 6 * 4 * 32
    assert released_bits(shape, "nf4", 64) == 1536 * 4 + 24 * 32
    for name in QUANTIZERS:
        q = quantize(np.random.default_rng(0).normal(size=(1, 6, 40)), name, "row")
        assert released_bits((1, 6, 40), name, "row") == pytest.approx(240 * QUANTIZERS[name].bits + 32 * q.scale.size)


# shapes, containers, errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_blocks_run_along_each_row(name):
    block = FORMATS[name].block
    conv = np.random.default_rng(1).normal(size=(2, 3, block // 4, 2, 2)).astype(np.float32)
    q = quantize(conv, name)
    assert q.codes.shape == q.values.shape == conv.shape
    assert len(q.scale) == 6
    for channel in range(3):
        alone = quantize(conv[:1, channel].reshape(1, block), name)
        if name != "nvfp4":  # whose scale of the tensor is another one
            assert np.array_equal(alone.values.ravel(), q.values[0, channel].ravel())
    assert np.array_equal(quantize(conv[1:], name).values, q.values[1:])


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_not_whole_blocks_are_refused(name):
    block = FORMATS[name].block
    for shape in ((1, block, 10), (2, block // 2), (1, 2, block // 2), (1, 4, block + 1), (1, block, 3, 3)):
        assert not fits(shape, name)
        for refused in (lambda s=shape: quantize(np.ones(s), name), lambda s=shape: released_bits(s, name)):
            with pytest.raises(ValueError, match=rf"{name} has blocks of {block} weights .* rows of \d+ weights"):
                refused()
        assert fits(shape, "sign")
    for shape in ((1, block), (4, 5, 2 * block), (1, 3, block // 4, 2, 2)):
        assert fits(shape, name)
        assert quantize(np.ones(shape), name).values.shape == shape


def test_errors_name_what_is_wrong():
    w = np.ones((1, 4, 256))
    for bad in ("row", 32, None, True, np.int64(32)):
        with pytest.raises(ValueError, match=r"q4_0 fixes its blocks of 32 weights; got granularity"):
            quantize(w, "q4_0", bad)
        with pytest.raises(ValueError, match=r"nvfp4 fixes its blocks of 16 weights; got granularity"):
            released_bits(w.shape, "nvfp4", bad)
    for ask in (lambda: quantize(w, "q4_1"), lambda: fits(w.shape, "q4_1"), lambda: released_bits(w.shape, "q4_1")):
        with pytest.raises(ValueError, match=r"unknown quantizer 'q4_1'; valid names: fp32, .*q4_0"):
            ask()
    for hole in (np.nan, np.inf, 1e39):
        w[0, 1, 2] = hole
        for name in NAMES:
            with pytest.raises(ValueError, match="model 0 hold NaN or infinity"):
                quantize(w, name)


@pytest.mark.parametrize(
    ("name", "last"), [("q4_0", 8 * 65504), ("q8_0", 127 * 65504), ("tq2_0", 65504), ("int4_g32", 15 * 65504)]
)
def test_weights_too_large_for_a_float16_scale_are_named(name, last):
    w = np.zeros((3, 2, 256), np.float32)
    w[1, 1, 200] = last
    assert quantize(w, name).values[1, 1, 200] == last
    w[1, 1, 200] = 1.001 * last
    with pytest.raises(
        ValueError, match=rf"weights of model 1 are too large for {name}, which stores a float16 a block"
    ):
        quantize(w, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_and_the_smallest_numbers_give_no_nan(name):
    row = np.tile(np.float32([1, -1, 0.5, 0]), (1, 64))
    assert np.isfinite(quantize(np.float32(1e-45) * row, name).values).all()
    assert np.isfinite(quantize(np.float32(1e-38) * row, name).values).all()
    if name in ("mxfp4_32", "nvfp4"):
        assert np.isfinite(quantize(np.float32(1e38) * row, name).values).all()
    else:
        with pytest.raises(ValueError, match="too large"):
            quantize(LARGEST * row, name)
    with np.errstate(all="raise", under="ignore"):  # no warning reaches the caller
        quantize(row, name)
        quantize(0 * row, name)


def test_tensors_in_tensors_out():
    w = torch.from_numpy(CASES["normal"])
    for name in NAMES:
        q, array = quantize(w.bfloat16(), name), quantize(w.bfloat16().float().numpy(), name)
        assert all(isinstance(part, torch.Tensor) for part in (q.codes, q.scale, q.values))
        assert np.array_equal(q.values.numpy(), array.values)
        assert q.values.dtype == q.scale.dtype == torch.float32
        assert sparsity(q) == pytest.approx(sparsity(array))
        assert (code_entropy(q) <= np.ceil(FORMATS[name].bits)).all()


# properties ----------------------------------------------------------------------------------------------------------

numbers = st.floats(-4, 4, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3)
weights = arrays(
    np.float32, st.tuples(st.integers(1, 3), st.just(256)), elements=numbers, fill=st.sampled_from([0, 1, -2])
)


def decoded(q, name):
    """Values from codes and stored numbers alone."""
    blocks, (scale, *other) = q.codes.reshape(len(q.scale), -1), q.scale.T[..., None]
    if name == "nvfp4":
        return E2M1_LEVELS[blocks] * (other[0] * scale)
    return (E2M1_LEVELS[blocks] if name == "mxfp4_32" else blocks - other[0] if other else blocks) * scale


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(w=weights, power=st.integers(-20, 12))
def test_what_is_released_fits_its_type_and_decides_the_values(name, w, power):
    w = np.ldexp(w, power)
    q = quantize(w, name)
    assert set(np.unique(q.codes)) <= set(FORMATS[name].codes)
    assert np.array_equal(decoded(q, name).ravel(), q.values.ravel())
    stored = {"mxfp4_32": torch.float8_e8m0fnu, "nvfp4": torch.float8_e4m3fn}.get(name, torch.float16)
    scale = torch.from_numpy(q.scale[:, 0].copy())
    assert torch.equal(scale.to(stored).float(), scale)
    one_by_one = [quantize(model[None], name) for model in w]
    for part in ("codes", "scale", "values"):
        assert np.array_equal(getattr(q, part), np.concatenate([getattr(model, part) for model in one_by_one]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(w=weights, power=st.integers(-40, 13))
def test_powers_of_two_scale_the_values_while_stored_scales_are_normal(name, w, power):
    w[:, :: FORMATS[name].block] = 3  # no block of zeros
    w[:, 1 :: FORMATS[name].block] = -3
    power = 2 * power if name in ("mxfp4_32", "nvfp4") else power
    before, after = quantize(w, name), quantize(np.ldexp(w, power), name)
    # float16 holds normal numbers from 2^-14 on; exponents of mxfp4 and the scale of the tensor in nvfp4 reach further
    if name not in ("mxfp4_32", "nvfp4") and abs(np.ldexp(before.scale[:, 0], power)).min() < 2.0**-14:
        return
    factor = np.float32(2.0**power)
    assert np.array_equal(after.codes, before.codes)
    assert np.array_equal(after.values, factor * before.values)
    by = {"nvfp4": [1, factor]}.get(name, [factor, 1][: before.scale.shape[1]])
    assert np.array_equal(after.scale, before.scale * np.float32(by))


@pytest.mark.parametrize("name", ["q4_0", "q8_0", "tq2_0", *AFFINE])
def test_below_the_normal_numbers_of_float16_the_unit_matters(name):
    w = np.random.default_rng(2).normal(size=(1, 256)).astype(np.float32)
    values, tiny = quantize(w, name).values, quantize(np.ldexp(w, -22), name).values
    assert not np.array_equal(np.ldexp(tiny, 22), values)


def test_a_factor_that_is_no_power_of_two_changes_codes():
    w = CASES["normal"]
    for name in NAMES:
        assert not np.array_equal(quantize(3 * w, name).values, 3 * quantize(w, name).values), name


@pytest.mark.parametrize("name", [name for name in NAMES if FORMATS[name].idempotent])
@settings(max_examples=25, deadline=None)
@given(w=weights, power=st.integers(-30, 12))
def test_quantizing_twice_changes_nothing(name, w, power):
    once = quantize(np.ldexp(w, power), name)
    twice = quantize(once.values, name)
    if name == "nvfp4":  # the scale of the tensor is rounded to float32 once more
        np.testing.assert_allclose(twice.values, once.values, rtol=1e-6)
    else:
        assert np.array_equal(twice.values, once.values)


def test_groups_with_zero_points_are_not_idempotent():
    assert {name for name, form in FORMATS.items() if not form.idempotent} == set(AFFINE)
    q = quantize(padded([-1.0, 5.0], "int2_g16"), "int2_g16")  # -1 / 2 rounds to zero, and 5 / 2 to two
    assert q.values[0, :2].tolist() == [0, 4]
    again = quantize(q.values, "int2_g16").values
    assert again[0, 1] == 3 * np.float32(np.float16(4 / 3))  # not 4


def test_mxfp4_of_blocks_below_its_least_scale_is_halved_each_time():
    once = quantize(np.full((1, 32), 2.0**-125), "mxfp4_32").values
    assert np.all(once == 2.0**-126)
    assert np.all(quantize(once, "mxfp4_32").values == 2.0**-127)
