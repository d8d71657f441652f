"""Quantizers: level sets, scales, the properties that every rule must keep; torchao and bitsandbytes as oracles."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from qmis_utils.quantizers import formats, rules
from qmis_utils.quantizers.data_aware import quantize_activation_clip, quantize_gptq
from qmis_utils.quantizers.rules import (
    NF4_LEVELS,
    PAPER_SET,
    QUANTIZERS,
    code_entropy,
    quantize,
    relative_error,
    sparsity,
)
from qmis_utils.theory import edges

NAMES = sorted(QUANTIZERS)
BY_POWERS = {"pow2_4", "mxfp4", *(f"stochastic_{k}" for k in (2, 3, 4))}  # other factors change the scale or the coins
weights = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(8, 40)),
    elements=st.floats(-4, 4, width=32).filter(lambda v: v == 0 or abs(v) > 1e-3),
)


def gaussian(models=5, size=400, seed=0):
    return np.random.default_rng(seed).normal(size=(models, size)).astype(np.float32)


def test_the_paper_set_and_the_design_table_are_all_there():
    families = {"sign", "twn", "b158", "nf4", "fp8_e4m3", "pot_4", "apot_4", "fp32"}
    families |= {f"ternary_{p}" for p in (33, 50, 90)} | {f"uniform_{k}" for k in range(2, 9)}
    families |= {f"{f}_{k}" for f in ("uniform_mse", "lloyd") for k in (2, 3, 4)} | {
        f"midrise_{k}" for k in (1, 2, 3, 4)
    }
    families |= {f"{f}_{k}" for f in ("stochastic", "dithered") for k in (2, 3, 4)} | {"pow2_4", "mxfp4"}
    families |= {f"private_{k}" for k in (1, 2, 3, 4)}
    assert set(QUANTIZERS) == families
    assert set(PAPER_SET) <= families


@pytest.mark.parametrize(
    ("name", "row", "codes", "scale"),
    [
        ("sign", [0.0, -1.0, 3.0], [1, -1, 1], 4 / 3),  # zero maps to +1
        ("ternary_33", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 1], 1.4),  # floor(.33 * 4) = 1 zero
        ("ternary_50", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 2.0),
        ("twn", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 2.0),  # threshold .7 * 1.075
        ("twn", [0.69, -1.0, 1.31], [0, -1, 1], 1.155),
        ("twn", [0.71, -1.0, 1.29], [1, -1, 1], 1.0),
        ("b158", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 1.075),
        ("uniform_2", [0.4, -0.6, 1.0], [0, -1, 1], 1.0),
        ("uniform_3", [0.5, -1.5, 3.0], [0, -2, 3], 1.0),  # halves round to even
        ("midrise_1", [0.4, -0.6, 1.0], [0, -1, 0], 1.0),  # values +- max / 2
        ("midrise_2", [0.4, -0.6, 1.0], [0, -2, 1], 0.5),
        ("fp8_e4m3", [448.0, -2.0, 0.0], [126, 192, 0], 1.0),  # sign, four bits of exponent + 7, three of mantissa
    ],
)
def test_definitions_by_hand(name, row, codes, scale):
    q = quantize(np.array([row], np.float32), name)
    assert q.codes.tolist() == [codes]
    assert q.scale[0, 0] == pytest.approx(scale)


def test_table_quantizers_reach_their_extreme_levels():
    w = np.array([[-2.0, 0.0, 2.0, 2.0 * 2**-6]], np.float32)
    assert quantize(w, "pot_4").values.tolist() == w.tolist()
    assert quantize(w[:, :3], "nf4").values.tolist() == w[:, :3].tolist()
    apot = quantize(np.linspace(-1, 1, 2001, dtype=np.float32)[None], "apot_4").values
    assert np.unique(np.abs(apot)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0])


def shaped(w, granularity):
    """Give each model one vector, or for "row" a matrix of two rows with a scale each."""
    return w if granularity == "tensor" else np.stack([w, w[::-1] / 3], axis=1)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(w=weights)
def test_every_rule_keeps_its_promises(name, granularity, w):
    w = shaped(w, granularity)
    rule, q = QUANTIZERS[name], quantize(w, name, granularity)
    assert q.codes.shape == q.values.shape == w.shape
    assert q.scale.shape[0] == w.size // w.shape[-1]  # each vector here has scales of its own
    if rule.codes is not None:
        # the code 0 of `sign` does not exist, whatever the weights
        assert set(np.unique(q.codes)) <= set(rule.codes)
        for codes, values in zip(q.codes.reshape(-1, w.shape[-1]), q.values.reshape(-1, w.shape[-1]), strict=True):
            # what is released decides the value: within a scale, one code never stands for two values, but for the
            # public dither of the place
            assert name.startswith("dithered") or len(set(zip(codes.tolist(), values.tolist(), strict=True))) == len(
                np.unique(codes)
            )
    one_by_one = [quantize(model[None], name, granularity) for model in w]
    for part in ("codes", "scale", "values"):
        assert np.array_equal(getattr(q, part), np.concatenate([getattr(model, part) for model in one_by_one]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(w=weights, power=st.integers(-6, 6))
def test_rescaled_weights_keep_their_codes(name, w, power):
    factor = 2.0**power  # exact in floating point: another factor may push a weight over the edge of its cell
    q, rescaled = quantize(w, name), quantize(np.float32(factor) * w, name)
    assert np.array_equal(rescaled.codes, q.codes)
    assert np.array_equal(rescaled.scale, factor * q.scale)
    assert np.array_equal(rescaled.values, factor * q.values)


@pytest.mark.parametrize("factor", [1 / 3, 0.7, 1000.0])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in BY_POWERS])
def test_any_positive_factor_scales_the_values(name, factor):
    w = gaussian(3, 200)
    expected = factor * quantize(w, name).values
    np.testing.assert_allclose(quantize(np.float32(factor) * w, name).values, expected, rtol=2e-6, atol=1e-7 * factor)


# No second pass leaves these alone. b158: the zeros of the first pass lower the mean magnitude. midrise: the outermost
# value lies half a step inside the largest weight. lloyd: k-means starts again from evenly spaced levels, not its own.
# dithered: the dither moves the largest weight. private: means of cells have a smaller root mean square.
RESTLESS = {"b158", *(f"{f}_{k}" for f in ("midrise", "private") for k in (1, 2, 3, 4))}
RESTLESS |= {f"{f}_{k}" for f in ("lloyd", "dithered") for k in (2, 3, 4)}


@pytest.mark.parametrize("name", sorted(set(NAMES) - RESTLESS))
@settings(max_examples=25, deadline=None)
@given(w=weights)
def test_the_largest_or_mean_magnitude_survives_so_quantizing_twice_changes_nothing(name, w):
    q = quantize(w, name)
    np.testing.assert_allclose(quantize(q.values, name).values, q.values, rtol=1e-5, atol=1e-6)


def test_rules_that_are_not_idempotent_say_so():
    assert {name for name, rule in QUANTIZERS.items() if not rule.idempotent} == RESTLESS
    w = gaussian(50, 40)
    for name in RESTLESS:
        once = quantize(w, name).values
        assert np.abs(quantize(once, name).values - once).max() > 0.01, name


# random and dithered rounding, power-of-two scales, the least-leaking grids ------------------------------------------


def test_stochastic_rounding_goes_up_as_often_as_it_should_and_only_to_the_next_level():
    w = np.float32([[1.5, 0.0, 0.3, -0.3, 1.25, -1.5, 0.999]])  # steps of 1/2
    codes = np.stack([rules.round_stochastic(w, 3, seed)[0][0] for seed in range(20_000)])
    mean, error = codes.mean(0) / 2, codes.std(0) / 2 / np.sqrt(len(codes))
    assert (abs(mean - w[0]) <= 4 * error + 1e-5).all()
    assert [np.unique(column).tolist() for column in codes.T[:4]] == [[3], [0], [0, 1], [-1, 0]]
    assert codes[:, 2].std() == pytest.approx(np.sqrt(0.6 * 0.4), rel=0.01)
    assert abs(np.corrcoef(codes[:, 2], codes[:, 3])[0, 1]) < 4 / np.sqrt(len(codes))  # each weight has its own coin


@settings(max_examples=30, deadline=None)
@given(w=weights, seed=st.integers(0, 10**6))
def test_stochastic_rounding_is_seeded_and_stays_next_to_the_weight(w, seed):
    codes, scale, values = rules.round_stochastic(w, 4, seed)
    again = rules.round_stochastic(w[::-1], 4, seed)[0][::-1]
    assert np.array_equal(codes, again)  # whatever else is in the batch
    assert (abs(values - w) <= scale * (1 + 1e-5)).all()
    assert np.array_equal(values, codes * scale)


def test_coins_differ_between_models_and_seeds():
    w = np.tile(np.float32([1.0, *[0.5] * 999]), (3, 1))
    w[1, 1:] += np.float32(1e-6)  # hardly another model
    first, other = rules.round_stochastic(w, 2)[0], rules.round_stochastic(w, 2, seed=1)[0]
    assert np.array_equal(first[0], first[2])
    for a, b in ((first[0], first[1]), (first[0], other[0])):
        assert 0.4 < (a != b).mean() < 0.6


def test_the_mean_of_random_rounding_over_a_batch_is_the_weight():
    w = gaussian(400, 500)
    error = quantize(w, "stochastic_3").values - w
    scale = quantize(w, "stochastic_3").scale
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(error.size)
    assert abs(np.corrcoef(error.ravel(), w.ravel())[0, 1]) < 4 / np.sqrt(error.size)
    ratio = w / scale
    fraction = ratio - np.floor(ratio)
    assert (error**2).mean() == pytest.approx((fraction * (1 - fraction) * scale**2).mean(), rel=0.02)
    w = gaussian(1, 200_000)
    assert relative_error(w, quantize(w, "stochastic_4"))[0] ** 2 == pytest.approx(
        2 * relative_error(w, quantize(w, "uniform_4"))[0] ** 2, rel=0.02
    )


def test_the_error_of_dithered_rounding_is_uniform_and_does_not_know_the_weight():
    w = gaussian(1, 200_000)
    q = quantize(w, "dithered_3")
    error = ((q.values - w) / q.scale)[0]
    assert abs(error).max() <= 0.5 + 1e-5
    assert stats.kstest(error + 0.5, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(abs(error), abs(w[0]))[0, 1]) < 0.01
    plain = ((quantize(w, "uniform_3").values - w) / q.scale)[0]
    assert abs(np.corrcoef(abs(plain), abs(w[0]))[0, 1]) > 0.05  # without the dither it does
    assert not np.array_equal(q.codes, rules.round_dithered(w, 3, seed=1)[0])


def test_power_of_two_scales_by_hand():
    w = np.float32([[0.7, -3.0, 7.0, 1.2], [0.7, -3.0, 7.1, 1.2], [0.0, 0.0, 0.0, 0.0]])
    q = quantize(w, "pow2_4")
    assert q.scale.ravel().tolist() == [1.0, 2.0, 0.0]
    assert q.codes.tolist() == [[1, -3, 7, 1], [0, -2, 4, 1], [0, 0, 0, 0]]
    scale = quantize(gaussian(50, 300), "pow2_4").scale
    assert (np.frexp(scale)[0] == 0.5).all()
    top = abs(gaussian(50, 300)).max(axis=1, keepdims=True) / 7
    assert ((scale >= top) & (scale < 2 * top)).all()


def test_mxfp4_by_hand():
    ties = np.float32([[0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.9, -0.3, -2.6, 0.0]])  # halves to the even mantissa
    q = quantize(ties, "mxfp4")
    assert q.scale[0, 0] == 1
    assert q.values[0].tolist() == [0, 1, 1, 2, 2, 4, 4, 6, -0.5, -3, 0]
    assert np.array_equal(formats.E2M1_LEVELS[q.codes], q.values)
    assert quantize(ties / 3, "mxfp4").scale[0, 0] == 0.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mxfp4_agrees_with_torchao():
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    w = torch.from_numpy(gaussian(4, 256).reshape(4, 8, 32))
    w[0, 0, :8] = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.0])
    oracle = MXTensor.to_mx(w.reshape(32, 32), torch.float4_e2m1fn_x2, 32).dequantize(torch.float32)
    assert torch.equal(quantize(w, "mxfp4", granularity=32).values.reshape(32, 32), oracle)


LEAST = {1: (3, 1 - 2 / np.pi), 2: (4, 0.13), 3: (8, 0.04), 4: (16, 0.012)}  # levels and distortion


@pytest.mark.parametrize("bits", LEAST)
def test_the_least_leaking_grids_are_those_of_theorem_c(bits):
    levels, distortion = LEAST[bits]
    best, found = edges.private_grid(levels, distortion), edges.make_grid(rules.PRIVATE_EDGES[bits].astype(float))
    assert found.edges.size == levels - 1
    assert (found.leak, found.distortion) == pytest.approx((best.leak, distortion), rel=2e-4)
    w = gaussian(1, 400_000)
    q = quantize(w, f"private_{bits}")
    assert np.unique(q.values) == pytest.approx(found.levels * q.scale[0, 0], abs=1e-4)
    assert relative_error(w, q)[0] ** 2 == pytest.approx(distortion, rel=0.02)
    assert code_entropy(q)[0] == pytest.approx(found.entropy / np.log(2), abs=0.01)
    plain = np.searchsorted(rules.PRIVATE_EDGES[bits], w / q.scale)  # the edge belongs to the cell below
    assert np.array_equal(q.codes, plain)


def test_cells_of_the_least_leaking_grids_are_found_part_by_part(monkeypatch):
    w = gaussian(3, 1001)
    whole = quantize(w, "private_3")
    monkeypatch.setattr(rules, "COMPARE_BLOCK", 100)
    assert np.array_equal(quantize(w, "private_3").values, whole.values)


@pytest.mark.parametrize("percent", [33, 50, 90])
@pytest.mark.parametrize("size", [7, 64, 300, 4128])
def test_ternary_sparsity_is_exact(percent, size):
    q = quantize(gaussian(3, size), f"ternary_{percent}")
    assert ((q.codes == 0).sum(axis=1) == percent * size // 100).all()
    assert sparsity(q) == pytest.approx(percent * size // 100 / size)


@settings(max_examples=60, deadline=None)
@given(w=st.lists(st.integers(-30, 30), min_size=1, max_size=60), percent=st.sampled_from([33, 50, 90]))
def test_ternary_zeros_are_the_smallest_weights_and_ties_go_with_them(w, percent):
    magnitudes, asked = [abs(v) for v in w], percent * len(w) // 100
    zero = quantize(np.array([w]), f"ternary_{percent}").codes[0] == 0
    threshold = sorted(magnitudes)[asked - 1] if asked else 0
    assert zero.tolist() == [magnitude <= threshold for magnitude in magnitudes]


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@settings(max_examples=25, deadline=None)
@given(w=weights, bits=st.sampled_from([2, 3, 4]))
def test_searching_the_clip_never_hurts(granularity, w, bits):
    w = shaped(w, granularity)

    def error(name):
        return np.square(quantize(w, name, granularity).values - w).sum(axis=-1, dtype=np.float64)

    # a search that ends at clip 1 returns `uniform` itself; any other may lose to it by rounding alone
    assert (error(f"uniform_mse_{bits}") <= error(f"uniform_{bits}") * (1 + 1e-6) + 1e-12).all()


def test_searching_the_clip_goes_down_to_a_hundredth_of_the_largest_weight():
    w = np.ones((2, 12_001), np.float32)
    w[0, 0], w[1, 0] = 50, -100  # in rows of ones: any wider step would round these to zero
    assert quantize(w, "uniform_mse_2").scale == pytest.approx(np.ones((2, 1)))


def test_levels_of_lloyd_that_no_weight_is_near_stay_where_they_started():
    q = quantize(np.array([[0.0, 0.0, 0.0, 1.0]]), "lloyd_2")
    assert q.scale[0] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert q.codes.tolist() == [[0, 0, 0, 3]]


def test_a_weight_between_two_levels_of_lloyd_belongs_to_the_lower_one():
    q = quantize(np.array([[0.0, 1.5, 3.0]]), "lloyd_2")  # the levels start at 0, 1, 2, 3
    assert q.scale[0].tolist() == [0, 1.5, 2, 3]
    assert q.codes.tolist() == [[0, 1, 3]]


def test_lloyd_agrees_with_an_independent_kmeans():
    from sklearn.cluster import KMeans

    w = gaussian(1, 2000)  # 33 rounds
    start = np.linspace(w.min(), w.max(), 8)[:, None]
    oracle = KMeans(8, init=start, n_init=1, max_iter=50, tol=0, algorithm="lloyd").fit(w.T.astype(np.float64))
    assert np.sort(quantize(w, "lloyd_3").scale[0]) == pytest.approx(np.sort(oracle.cluster_centers_.ravel()), abs=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, on importing torchao
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize(("granularity", "block"), [("tensor", (1, 6, 50)), ("row", (1, 1, 50))])
def test_uniform_agrees_with_torchao(bits, granularity, block):
    from torchao.quantization import MappingType, choose_qparams_affine, dequantize_affine, quantize_affine

    q = 2 ** (bits - 1) - 1
    w = torch.from_numpy(gaussian(4, 300).reshape(4, 6, 50))
    # torchao multiplies by 1 / scale where we divide: so ties only at scale 1, and no other weight within an ulp of one
    w[0] = torch.arange(-q, q + 0.5, 0.5).repeat(300)[:300].reshape(6, 50)
    w[0, :, 0] = q
    scale, zero = choose_qparams_affine(w, MappingType.SYMMETRIC, block, torch.int8, -q, q)
    codes = quantize_affine(w, block, scale, zero, torch.int8, -q, q)
    ours = quantize(w, f"uniform_{bits}", granularity)
    assert torch.equal(ours.scale.ravel(), scale.ravel())
    assert torch.equal(ours.codes, codes.to(torch.int16))
    assert torch.equal(ours.values, dequantize_affine(codes, block, scale, zero, torch.int8, -q, q))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nf4_agrees_with_bitsandbytes():
    from bitsandbytes import functional

    levels = functional.get_4bit_type("nf4", device="cpu")
    w = torch.from_numpy(gaussian(3, 256).reshape(3, 4, 64))
    # a block whose scale is 1 holds every level and every midpoint: both sides round midpoints down
    w[0, 0] = 0
    w[0, 0, :31] = torch.cat([levels, (levels[1:] + levels[:-1]) / 2])
    packed, state = functional.quantize_4bit(w, blocksize=64, quant_type="nf4")
    codes = torch.stack([packed.ravel() >> 4, packed.ravel() & 15], dim=1).reshape(w.shape)  # two codes in a byte
    ours = quantize(w, "nf4", granularity=64)
    assert torch.equal(torch.from_numpy(NF4_LEVELS), levels)
    assert torch.equal(ours.scale.ravel(), state.absmax)
    assert torch.equal(ours.codes, codes.to(torch.int16))
    assert torch.equal(ours.values, functional.dequantize_4bit(packed, state))


def test_entropy_unmasks_nominal_bits():
    w = gaussian(20, 4000)
    two_bit, ternary = quantize(w, "uniform_2"), quantize(w, "ternary_90")
    assert sparsity(two_bit).mean() > 0.9  # coarser than its two bits suggest
    assert code_entropy(two_bit).mean() < code_entropy(ternary).mean()
    uniform_codes = quantize(np.linspace(-1, 1, 4097, dtype=np.float32)[None], "midrise_4")
    assert code_entropy(uniform_codes)[0] == pytest.approx(4, abs=1e-3)
    assert np.isnan(code_entropy(quantize(w, "fp32"))).all()
    assert relative_error(w, quantize(w, "fp32")) == pytest.approx(np.zeros(20))


def test_sparsity_entropy_and_error_of_each_model_by_hand():
    q = quantize(np.array([[0.1, -1.0, 3.0, 0.2], [0.1, 0.1, 0.1, 5.0]]), "ternary_50")
    assert sparsity(q).tolist() == [0.5, 0.75]
    assert code_entropy(q) == pytest.approx([1.5, 2 - 0.75 * np.log2(3)])
    w = np.array([[3.0, 4.0], [2.0, -2.0]])
    assert relative_error(w, quantize(w, "sign")) == pytest.approx([np.sqrt(0.5) / 5, 0])  # 3.5 and 3.5, then exact


def test_granularity_gives_each_row_or_block_its_scale():
    w = gaussian(2, 6 * 8).reshape(2, 6, 8)
    per_row = quantize(w, "uniform_3", granularity="row")
    assert per_row.scale.shape == (12, 1)
    assert np.array_equal(per_row.values[1], quantize(w[1], "uniform_3").values)
    assert quantize(w, "nf4", granularity=16).scale.shape == (6, 1)
    with pytest.raises(ValueError, match="divides 48 weights"):
        quantize(w, "nf4", granularity=7)


def test_tensors_in_tensors_out():
    w = torch.from_numpy(gaussian(2, 10))
    q = quantize(w, "sign")
    assert isinstance(q.values, torch.Tensor)
    assert torch.equal(q.values, torch.from_numpy(quantize(w.numpy(), "sign").values))


@pytest.mark.gpu
def test_tensors_on_a_gpu_stay_there():
    w = gaussian(2, 12).reshape(2, 3, 4)
    rules = {name: functools.partial(quantize, name=name) for name in NAMES}
    for rule in (quantize_activation_clip, quantize_gptq):
        rules[rule.__name__] = functools.partial(rule, bits=3, inputs=gaussian(20, 4))
    for rule in rules.values():
        here, there = rule(w), rule(torch.tensor(w, device="cuda"))
        assert there.values.is_cuda
        assert np.array_equal(here.values, there.values.cpu().numpy())
        assert np.array_equal(sparsity(here), sparsity(there))
        np.testing.assert_array_equal(code_entropy(here), code_entropy(there))
        assert np.array_equal(relative_error(w, here), relative_error(torch.tensor(w, device="cuda"), there))


def test_all_zero_weights_are_quantized_without_nan():
    for name in NAMES:
        assert np.isfinite(quantize(np.zeros((1, 12)), name).values).all()


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.array([[1.0, np.nan]]), "model 0 hold NaN"),
        (np.zeros((0, 3)), "non-empty"),
        (np.zeros(3), "two or more axes"),
    ],
)
def test_bad_weights_are_named(bad, match):
    with pytest.raises(ValueError, match=match):
        quantize(bad, "sign")


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"unknown quantizer 'tenary_90'; valid names: .*ternary_90"):
        quantize(np.ones((1, 4)), "tenary_90")


def test_entropy_counts_part_by_part_what_it_counts_at_once(monkeypatch):
    weights = np.random.default_rng(0).normal(size=(2, 1001)).astype(np.float32)
    released = quantize(weights, "uniform_4")
    whole = code_entropy(released)
    monkeypatch.setattr(rules, "CODE_BLOCK", 100)
    assert code_entropy(released).tolist() == whole.tolist()
