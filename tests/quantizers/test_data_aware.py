"""Rules that read calibration data: white inputs, the error of outputs, compensation by hand."""

import numpy as np
import pytest
import torch

from qmis_utils.quantizers.data_aware import quantize_activation_clip, quantize_gptq
from qmis_utils.quantizers.rules import QUANTIZERS, quantize

CALIBRATED = pytest.mark.parametrize("rule", [quantize_activation_clip, quantize_gptq])


def layer(models=3, n_out=12, n_in=10, n=300, seed=0, own=False):
    """Return weights (models, out, in) and strongly correlated inputs, shared or each model's own."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(n_in, n_in)) * 2.0 ** -np.arange(n_in)[:, None]
    inputs = rng.normal(size=(models, n, n_in) if own else (n, n_in)) @ mix
    return rng.normal(size=(models, n_out, n_in)).astype(np.float32), inputs.astype(np.float32)


def output_error(w, values, inputs):
    """Return the squared error of each model's outputs, (models,)."""
    return np.square((values - w) @ np.swapaxes(inputs, -1, -2)).sum(axis=(1, 2), dtype=np.float64)


@CALIBRATED
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_white_inputs_give_the_nearest_rounding(rule, bits):
    w, _ = layer()
    nearest = quantize(w, f"uniform_mse_{bits}") if bits < 5 else None
    q = rule(w, bits, 2 * np.eye(10))
    if nearest is None:  # the clip of eight bits has no name of its own: rounding errs by at most half a step inside it
        assert np.abs(q.codes).max() <= 127
        assert (np.abs(q.values - w) <= q.scale[..., None] * (0.5 + 1e-4)).mean() > 0.95
    else:
        assert np.array_equal(q.codes, nearest.codes)
        assert np.array_equal(q.scale, nearest.scale)
        assert np.array_equal(q.values, nearest.values)


def test_gptq_on_a_layer_whose_inputs_are_all_silent_rounds_to_nearest():
    w, _ = layer()
    assert np.array_equal(quantize_gptq(w, 3, np.zeros((5, 10))).codes, quantize(w, "uniform_mse_3").codes)


@CALIBRATED
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_calibration_lowers_the_error_of_the_outputs(rule, own, bits):
    w, inputs = layer(models=20, own=own)
    nearest = output_error(w, quantize(w, f"uniform_mse_{bits}").values, inputs)
    calibrated = output_error(w, rule(w, bits, inputs).values, inputs)
    assert calibrated.mean() < (1.0 if rule is quantize_activation_clip else 0.8) * nearest.mean()
    if rule is quantize_activation_clip:  # it searches the same clips for this very error
        assert (calibrated <= nearest * (1 + 1e-5)).all()


@CALIBRATED
def test_codes_times_scale_are_the_values_and_models_do_not_mix(rule):
    w, inputs = layer(own=True)
    inputs[2] = 100 * inputs[2, :, ::-1]  # of another size, and large where the other models' are small
    w[1] = 0  # a dead layer
    q = rule(torch.from_numpy(w), 3, inputs)
    assert isinstance(q.values, torch.Tensor)
    assert set(np.unique(q.codes)) <= set(QUANTIZERS["uniform_3"].codes)
    assert torch.equal(q.values, q.codes * q.scale[..., None])
    assert not q.values[1].any()
    for i in range(len(w)):
        alone = rule(w[i : i + 1], 3, inputs[i])
        np.testing.assert_array_equal(alone.codes[0], q.codes[i])


def test_gptq_compensates_as_the_closed_form_says():
    w, inputs = np.array([[[1.1, -0.9], [0.8, 0.9]]], np.float32), np.array([[1.0, 1.0], [1.0, 0.8]], np.float32)
    q, nearest = quantize_gptq(w, 3, inputs, damping=0.0), quantize(w, "uniform_mse_3")
    first, gram = nearest.codes[0, :, 0] * q.scale[0, 0], inputs.T @ inputs
    second = w[0, :, 1] + (w[0, :, 0] - first) * gram[0, 1] / gram[1, 1]  # least squares, the first column fixed
    assert q.codes[0].T.tolist() == [nearest.codes[0, :, 0].tolist(), np.rint(second / q.scale[0, 0]).tolist()]
    assert (q.codes[0, :, 1] != nearest.codes[0, :, 1]).all()


@CALIBRATED
@pytest.mark.parametrize(
    ("w", "bits", "inputs", "match"),
    [
        (np.ones((2, 3)), 3, np.ones((4, 3)), "weights must be"),
        (np.ones((2, 3, 4)), 3, np.ones((5, 3)), r"inputs must be \(n, 4\) or \(2, n, 4\)"),
        (np.ones((2, 3, 4)), 3, np.ones((3, 5, 4)), "inputs must be"),
        (np.ones((2, 3, 4)), 3, np.ones((0, 4)), "inputs must be"),
        (np.ones((2, 3, 4)), 1, np.ones((5, 4)), "bits must be"),
        (np.ones((2, 3, 4)), 3, np.full((5, 4), np.nan), "finite"),
    ],
)
def test_calibrated_rules_name_what_is_wrong(rule, w, bits, inputs, match):
    with pytest.raises(ValueError, match=match):
        rule(w, bits, inputs)
