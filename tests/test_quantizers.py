"""Quantizers: level sets, scales and the properties that every rule must keep."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmis_utils.quantizers import PAPER_SET, QUANTIZERS, code_entropy, quantize, relative_error, sparsity

NAMES = sorted(QUANTIZERS)
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
    assert set(QUANTIZERS) == families
    assert set(PAPER_SET) <= families
    assert not any(rule.reads_data for rule in QUANTIZERS.values())


@pytest.mark.parametrize(
    ("name", "row", "codes", "scale"),
    [
        ("sign", [0.0, -1.0, 3.0], [1, -1, 1], 4 / 3),  # zero maps to +1
        ("ternary_33", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 1], 1.4),  # floor(.33 * 4) = 1 zero
        ("ternary_50", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 2.0),
        ("twn", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 2.0),  # threshold .7 * 1.075
        ("b158", [0.1, -1.0, 3.0, 0.2], [0, -1, 1, 0], 1.075),
        ("uniform_2", [0.4, -0.6, 1.0], [0, -1, 1], 1.0),
        ("uniform_3", [0.5, -1.5, 3.0], [0, -2, 3], 1.0),  # halves round to even
        ("midrise_1", [0.4, -0.6, 1.0], [0, -1, 0], 1.0),  # values +- max / 2
        ("midrise_2", [0.4, -0.6, 1.0], [0, -2, 1], 0.5),
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


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(w=weights)
def test_every_rule_keeps_its_promises(name, w):
    rule, q = QUANTIZERS[name], quantize(w, name)
    assert q.codes.shape == q.values.shape == w.shape
    if rule.codes is not None:
        # the code 0 of `sign` does not exist, whatever the weights
        assert set(np.unique(q.codes)) <= set(rule.codes)
    one_by_one = np.concatenate([quantize(row[None], name).values for row in w])
    assert np.array_equal(q.values, one_by_one)
    doubled = quantize(2 * w, name)  # a power of two is exact in floating point
    assert np.array_equal(doubled.codes, q.codes)
    assert np.array_equal(doubled.values, 2 * q.values)
    if rule.idempotent:
        np.testing.assert_allclose(quantize(q.values, name).values, q.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("percent", [33, 50, 90])
@pytest.mark.parametrize("size", [7, 64, 300, 4128])
def test_ternary_sparsity_is_exact(percent, size):
    q = quantize(gaussian(3, size), f"ternary_{percent}")
    assert ((q.codes == 0).sum(axis=1) == percent * size // 100).all()
    assert sparsity(q) == pytest.approx(percent * size // 100 / size)


@settings(max_examples=25, deadline=None)
@given(w=weights, bits=st.sampled_from([2, 3, 4]))
def test_searching_the_clip_never_hurts(w, bits):
    def error(name):
        return np.square(quantize(w, name).values - w).sum(axis=1, dtype=np.float64)

    assert (error(f"uniform_mse_{bits}") <= error(f"uniform_{bits}") * (1 + 1e-6) + 1e-12).all()


def test_lloyd_agrees_with_an_independent_kmeans():
    from sklearn.cluster import KMeans

    w = gaussian(1, 500)
    start = np.linspace(w.min(), w.max(), 8)[:, None]
    oracle = KMeans(8, init=start, n_init=1, max_iter=50, tol=0, algorithm="lloyd").fit(w.T.astype(np.float64))
    assert np.sort(quantize(w, "lloyd_3").scale[0]) == pytest.approx(np.sort(oracle.cluster_centers_.ravel()), abs=1e-6)


def test_uniform_agrees_with_torch_fake_quantize():
    w = torch.from_numpy(gaussian(1, 1000))
    for bits in (3, 4, 8):
        q = 2 ** (bits - 1) - 1
        oracle = torch.fake_quantize_per_tensor_affine(w, float(w.abs().max() / q), 0, -q, q)
        assert torch.allclose(quantize(w, f"uniform_{bits}").values, oracle, atol=1e-6)


def test_entropy_unmasks_nominal_bits():
    w = gaussian(20, 4000)
    two_bit, ternary = quantize(w, "uniform_2"), quantize(w, "ternary_90")
    assert sparsity(two_bit).mean() > 0.9  # coarser than its two bits suggest
    assert code_entropy(two_bit).mean() < code_entropy(ternary).mean()
    uniform_codes = quantize(np.linspace(-1, 1, 4097, dtype=np.float32)[None], "midrise_4")
    assert code_entropy(uniform_codes)[0] == pytest.approx(4, abs=1e-3)
    assert np.isnan(code_entropy(quantize(w, "fp32"))).all()
    assert relative_error(w, quantize(w, "fp32")) == pytest.approx(np.zeros(20))


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
