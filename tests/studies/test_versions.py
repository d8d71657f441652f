"""Models before and after calibration: who reads which records."""

import numpy as np
import pytest
import torch

from qmis_utils.quantizers.data_aware import quantize_gptq
from qmis_utils.studies import versions

SMALL = {"n_models": 12, "n_pool": 24, "dim": 6, "steps": 4}


@pytest.mark.parametrize("init", ["shared", "random"])
def test_a_case_has_random_halves_of_a_pool_and_as_many_records_outside(init):
    case = versions.draw_case("close modes", init, 0, {}, **SMALL)
    assert case.x.shape == case.x_out.shape == (24, 6)
    assert (case.members.sum(axis=1) == 12).all()
    assert (case.others.sum(axis=1) == 12).all()
    again, other = (versions.draw_case("close modes", init, draw, {}, **SMALL) for draw in (0, 1))
    assert np.array_equal(case.x, again.x)
    assert not np.array_equal(case.x, other.x)
    assert not (case.x[:, None] == case.x_out).all(axis=-1).any()  # no record is in the pool and outside it


def test_another_draw_has_other_initial_weights(monkeypatch):
    seeds, train = [], versions.ensemble.train
    monkeypatch.setattr(versions.ensemble, "train", lambda *a, **k: seeds.append(k["seed"]) or train(*a, **k))
    for draw in (0, 1):
        versions.draw_case("close modes", "shared", draw, {}, seed=7, **SMALL)
    assert seeds == [7, 8]


def test_a_layer_is_calibrated_on_what_reaches_it_in_full_precision():
    case = versions.draw_case("close modes", "random", 0, {}, **SMALL)
    first, second = (w[3].numpy() for w in case.models.weights)
    seen = case.x[case.members[3]]
    hidden = np.maximum(seen @ first.T + case.models.biases[0][3].numpy(), 0)
    found = versions.calibrate(case, quantize_gptq, True)
    for layer, (weights, inputs) in enumerate([(first, seen), (second, hidden)]):
        alone = quantize_gptq(torch.tensor(weights)[None], 3, inputs[None]).values[0]
        assert np.allclose(found.weights[layer][3], alone, atol=1e-6)


def test_only_the_records_of_a_row_reach_its_model():
    case = versions.draw_case("close modes", "shared", 0, {}, **SMALL)
    whole = versions.calibrate(case, quantize_gptq, True)
    case.x[~case.members[3]] = 0  # not read for model 3
    assert np.array_equal(versions.calibrate(case, quantize_gptq, True).weights[0][3], whole.weights[0][3])
    case.x_out[:] = 0
    assert np.array_equal(versions.calibrate(case, quantize_gptq, True).weights[0][3], whole.weights[0][3])
    outside = versions.calibrate(case, quantize_gptq, False)
    assert not np.array_equal(outside.weights[0], whole.weights[0])
