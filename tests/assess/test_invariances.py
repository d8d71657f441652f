"""What softmax ignores, every attack and every cheap number ignores: a constant per record, and a masked class."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qmis_utils import assess, attacks, ensemble, indicators

N, FRESH, D, C, M = 40, 60, 6, 3, 24
RNG = np.random.default_rng(3)
X, X_OUT = (RNG.normal(size=(n, D)).astype(np.float32) for n in (N, FRESH))
Y, Y_OUT = (np.argmax(x[:, :C] + RNG.normal(size=(len(x), C)), axis=1) for x in (X, X_OUT))
MEMBERS = ensemble.random_halves(M, N, RNG)
TRAINED = ensemble.train(X, Y, MEMBERS, task="multiclass", hidden=(8,), steps=120)
RELEASED = TRAINED.quantize("uniform_3")
EXPECTED: dict = {}


def changed(models, offset=0.0, mask=None):
    """Add a constant to all logits of each model, and one more class that is masked by a large negative number."""
    b = models.biases[-1].double() + torch.linspace(-offset, offset, len(models))[:, None]
    w = models.weights[-1]
    if mask is not None:
        w, b = torch.cat([w, 0 * w[:, :1]], dim=1), torch.cat([b, torch.full((len(models), 1), mask)], dim=1)
    return replace(models, weights=(*models.weights[:-1], w), biases=(*models.biases[:-1], b.float()))


def seen(models, constants=None, **how):
    """Return the evidence about models, constants per record added to their logits where arrays can say so."""
    evidence = attacks.observe(changed(models, **how), X, Y, MEMBERS, X_OUT, Y_OUT, quantizer="uniform_3")
    if constants is None:
        return evidence
    outputs, out = (z.astype(float) + constants[: z.shape[1], None] for z in (evidence.outputs, evidence.outputs_out))
    own, fresh = (attacks.signal(z, y, "multiclass") for z, y in ((outputs, Y), (out, Y_OUT)))
    shown = np.exp(outputs - np.logaddexp.reduce(outputs, axis=2, keepdims=True))
    return replace(evidence, outputs=outputs, outputs_out=out, signals=own, signals_out=fresh, probabilities=shown,
                   losses=attacks.signal_loss(own, "multiclass"),
                   losses_out=attacks.signal_loss(fresh, "multiclass"))  # fmt: skip


CONSTANTS = RNG.normal(size=FRESH) * 50
CHANGES = {"constants of records": {"constants": CONSTANTS}, "constants of models": {"offset": 8.0},
           "a masked class": {"mask": -1e9}, "a class masked deeper": {"mask": -1e30},
           "all of it": {"constants": CONSTANTS, "offset": 8.0, "mask": -1e9}}  # fmt: skip
OF_SHAPES = {"trajectory"}  # its students start from weights that are drawn for the shape of the models
WALKS = {"label_only_boundary", "adversarial_distance", "label_only", "shadow_classifier", "quantile",
         "trajectory"}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_an_attack_sees_what_softmax_sees(name, change):
    how = CHANGES[change]
    base = {"mask": -1e6} if name in OF_SHAPES and "mask" in how else {}
    key = (name, bool(base))
    if key not in EXPECTED:
        EXPECTED[key] = attacks.ATTACKS[name].run(seen(RELEASED, **base))
    found = attacks.ATTACKS[name].run(seen(RELEASED, **how))
    if name in WALKS:  # a threshold of a tree, or a step of a walk, may fall on the other side of a rounding
        assert np.isclose(found, EXPECTED[key], rtol=1e-2, atol=1e-2).mean() > 0.97
    else:
        np.testing.assert_allclose(found, EXPECTED[key], rtol=1e-3, atol=1e-3)


# what reads a weight of the masked class, too
OF_WEIGHTS = {"weight error", "code entropy", "sparsity", "sqrt_J", "rho_w", "edge law", "noise floor"}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [n for n in assess.NUMBERS if "codebook" not in str(assess.NUMBERS[n].needs)])
def test_a_number_sees_what_softmax_sees(name, change):
    how = CHANGES[change]
    base = {"mask": -1e6} if name in OF_WEIGHTS and "mask" in how else {}
    both = [(seen(RELEASED, **k), seen(TRAINED, **k)) for k in (base, how)]
    expected, found = (assess.NUMBERS[name].estimate(q, f, 20, 0) for q, f in both)
    np.testing.assert_allclose([*found], [*expected], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.draws, expected.draws, rtol=2e-3, atol=1e-3)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.1, 20), constant=st.sampled_from([0, 1, 1e4]),
       depth=st.sampled_from([-400.0, -1e4, -1e9, -1e30]), place=st.integers(0, 3))  # fmt: skip
def test_function_error_and_rho_of_any_logits(seed, size, constant, depth, place):
    rng = np.random.default_rng(seed)
    full, quantized = np.clip(size * rng.normal(size=(2, 4, 9, 3)), -60, 60)
    before, after = constant * rng.normal(size=(2, 4, 9, 1))
    measures = {"error": indicators.function_error, "rho": indicators.survival_rho,
                "shape": lambda q, f: indicators.survival_rho(q, f, "rho_shape")}  # fmt: skip
    for name, measure in measures.items():
        expected = measure(quantized, full).value
        moved = measure(quantized + after, full + before).value
        assert moved == pytest.approx(expected, abs=1e-6), name
        masked = (np.insert(z, place, depth, axis=2) for z in (quantized, full))
        assert measure(*masked).value == pytest.approx(expected, abs=1e-6), name


def test_a_class_masked_for_some_records_is_left_out_there():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(1, 50, 4))
    quantized = full + 0.3 * rng.normal(size=full.shape)
    masked = rng.random((50, 4)) < 0.3
    masked[:, :2] = False  # two classes are left at least
    q, f = (np.where(masked, -1e9, z) for z in (quantized, full))

    def centred(z):
        kept = np.ma.masked_array(z[0], masked)
        return (kept - kept.mean(axis=1, keepdims=True)).filled(0).ravel()

    a, b = centred(quantized), centred(full)
    expected = np.linalg.norm(a - (a @ b) / (b @ b) * b) / np.linalg.norm(a)
    assert indicators.function_error(q, f).value == pytest.approx(expected, rel=1e-9)


def test_function_error_by_hand():
    full, quantized = np.array([[[1.0, -1.0], [2.0, 0.0]]]), np.array([[[6.0, 4.0], [1.0, 3.0]]])
    # centred: (1, -1, 1, -1) and (1, -1, -1, 1), at right angles
    assert indicators.function_error(quantized, full).value == pytest.approx(1)
    assert indicators.function_error(3 * full + 7, full).value == pytest.approx(0, abs=1e-9)


def test_one_column_of_logits_is_a_logit_of_two_classes():
    rng = np.random.default_rng(1)
    f = rng.normal(size=(5, 30))
    q = f + rng.normal(size=f.shape)
    for measure in (indicators.function_error, indicators.survival_rho):
        assert measure(q[..., None], f[..., None]).value == measure(q, f).value


def test_binary_outputs_and_predictions_keep_their_constants():
    full = np.array([[1.0, 2.0, 3.0]])
    assert indicators.function_error(full + 1, full).value == pytest.approx(
        np.linalg.norm((full + 1) - (full + 1) @ full.T / (full @ full.T) * full) / np.linalg.norm(full + 1)
    )
