"""What an audit assumes of a module: weights by memory, of any layer, dtype and class; computed and packed ones."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import spectral_norm as old_spectral_norm
from torch.nn.utils import weight_norm as old_weight_norm

from qmis_utils import audit, quantizers
from qmis_utils.audit.modules import evaluating, quantized
from qmis_utils.audit.weights import locate

BCE, CROSS = nn.BCEWithLogitsLoss(reduction="none"), nn.CrossEntropyLoss(reduction="none")
NAMES, DIM, N = ["uniform_4", "sign", "ternary_90"], 10, 80
RNG = np.random.default_rng(0)
X, X_NEW = (RNG.normal(size=(n, DIM)).astype(np.float32) for n in (N, 100))
Y, Y_NEW = ((a[:, 0] + RNG.normal(size=len(a)) / 2 > 0).astype(np.int64) for a in (X, X_NEW))


def mlp(out=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(DIM, 12), nn.ReLU(), nn.Linear(12, out))


def fitted(module, x=X, y=Y, steps=60):
    """Train a model a little, so that it beats a constant guess."""
    moves = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], 0.02)
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    for _ in range(steps):
        moves.zero_grad()
        z = module(x)
        loss = BCE(z[:, 0], y.float()) if z.shape[1] == 1 else CROSS(z, y)
        loss.mean().backward()
        moves.step()
    return module


def run(module, loss=BCE, members=(X, Y), heldout=(X_NEW, Y_NEW), **options):
    return audit.audit(module, loss, members, heldout, NAMES, draws=20, **options)


def state(module):
    return {
        k: t.detach().clone() for k, t in [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]
    }


def untouched(module, before):
    after = state(module)
    return after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


# Memory -----------------------------------------------------------------------------------------------------------


class Tied(nn.Module):
    """A network whose middle layers share one weight: as one parameter, by ``.data``, or transposed."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM), nn.Linear(DIM, 1)
        if how == "parameter":
            self.b.weight = self.a.weight
        else:
            self.b.weight.data = self.a.weight.data.t() if how == "transposed" else self.a.weight.data

    def forward(self, x):
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


def test_a_weight_tied_by_its_memory_is_audited_as_one_tied_by_its_parameter():
    tied = fitted(Tied("data"))
    same = Tied("parameter")
    same.load_state_dict(tied.state_dict())
    before = state(tied)
    found, expected = run(tied), run(same)
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert found.facts == expected.facts
    assert found.facts.quantized == "110 of 131"
    assert untouched(tied, before)


def test_a_transposed_weight_is_one_tensor_and_both_layers_see_it_quantized():
    model = Tied("transposed")
    before = state(model)
    assert list(audit.find_weights(model)) == ["a.weight", "c.weight"]
    with quantized(model, "sign"):
        expected = quantizers.quantize(before["a.weight"][None].numpy(), "sign").values[0]
        assert (model.a.weight.detach().numpy() == expected).all()
        assert (model.b.weight.detach().numpy() == expected.T).all()
    assert untouched(model, before)


def test_slices_of_one_buffer_are_tensors_of_their_own_and_overlapping_ones_are_refused():
    flat = torch.randn(200)
    model = nn.Sequential(nn.Linear(10, 8), nn.Linear(8, 10))
    model[0].weight = nn.Parameter(flat[:80].view(8, 10))
    model[1].weight = nn.Parameter(flat[80:160].view(10, 8))
    before = flat.clone()
    with quantized(model, "ternary_50") as rows:
        for row, part in zip(rows, (before[:80].view(8, 10), before[80:160].view(10, 8)), strict=True):
            released = quantizers.quantize(part[None].numpy(), "ternary_50")
            assert row["error"] == pytest.approx(quantizers.relative_error(part[None].numpy(), released)[0])
    assert torch.equal(flat, before)
    interleaved = flat[:160].view(80, 2)
    model[0].weight = nn.Parameter(interleaved[:, 0].view(8, 10))
    model[1].weight = nn.Parameter(interleaved[:, 1].view(10, 8))
    assert len(audit.find_weights(model)) == 2
    model[1].weight = nn.Parameter(flat[40:120].view(10, 8))
    model[0].weight = nn.Parameter(flat[:80].view(8, 10))
    with pytest.raises(ValueError, match=r"'1.weight' .* shares a part of its memory with '0.weight'"):
        audit.find_weights(model)
    model[1].weight = nn.Parameter(flat.as_strided((10, 8), (4, 1)))
    model[0].weight = nn.Parameter(torch.randn(8, 10))
    with pytest.raises(ValueError, match=r"shares a part of its memory with '1.weight'"):
        audit.find_weights(model)


def test_an_expanded_weight_is_quantized_once_and_restored():
    model = mlp()
    row = torch.linspace(-1, 2, DIM)[None]
    model[0].weight = nn.Parameter(row.expand(12, DIM))
    before = state(model)
    with quantized(model, "uniform_3") as rows:
        assert rows[0]["weights"] == DIM
        expected = quantizers.quantize(row[None].numpy(), "uniform_3").values[0]
        assert (model[0].weight.detach().numpy() == np.repeat(expected, 12, axis=0)).all()
    assert untouched(model, before)
    assert run(model).facts.quantized == f"{DIM + 12} of {DIM + 12 + 13}"


def test_parameters_of_inference_mode_and_of_no_numbers_are_no_obstacle():
    with torch.inference_mode():
        model = mlp()
    model.add_module("empty", nn.Identity())
    model.empty.weight = nn.Parameter(torch.empty(0, 5))
    before = state(model)
    pd.testing.assert_frame_equal(run(model).table, run(mlp()).table)
    assert untouched(model, before)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_every_bit_is_restored_when_the_run_is_stopped(stop, monkeypatch):
    model, real, calls = Tied("data"), quantizers.quantize, []
    before = state(model)

    def stopped(*arguments):
        calls.append(0)
        if len(calls) == 4:
            raise stop
        return real(*arguments)

    monkeypatch.setattr(quantizers, "quantize", stopped)
    with pytest.raises(stop):
        run(model)
    assert untouched(model, before)
    assert model.training


class Counting(nn.Module):
    """Count calls in a buffer, replaced at each call, as streaming statistics do."""

    def __init__(self):
        super().__init__()
        self.net = mlp()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.calls = self.calls + 1
        self.seen += len(x)
        return self.net(x)


def test_buffers_that_evaluation_changes_are_put_back():
    model = Counting()
    held = model.calls
    run(model)
    assert model.calls is held
    assert (model.calls.item(), model.seen.item()) == (0, 0)


# Layers -----------------------------------------------------------------------------------------------------------


class Conv1D(nn.Module):
    """The linear layer of GPT-2: its weight is (in, out)."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n_in, n_out) / 3), nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.core, self.head = kind(2, 6, batch_first=True), nn.Linear(6, 1)

    def forward(self, x):
        return self.head(self.core(x.view(len(x), -1, 2))[0][:, -1])


def convolution(layer, *shape):
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, shape), layer, nn.Flatten(), nn.LazyLinear(1))


MODELS = {
    "GPT-2": (lambda: nn.Sequential(Conv1D(DIM, 12), nn.ReLU(), nn.Linear(12, 1)), ["0.weight", "2.weight"]),
    "LSTM": (lambda: Recurrent(nn.LSTM), ["core.weight_ih_l0", "core.weight_hh_l0", "head.weight"]),
    "GRU": (lambda: Recurrent(nn.GRU), ["core.weight_ih_l0", "core.weight_hh_l0", "head.weight"]),
    "Conv3d": (lambda: convolution(nn.Conv3d(1, 4, (1, 2, 2)), 1, 1, 2, 5), ["1.weight", "3.weight"]),
    "ConvTranspose1d": (lambda: convolution(nn.ConvTranspose1d(2, 4, 3), 2, 5), ["1.weight", "3.weight"]),
    "grouped": (lambda: convolution(nn.ConvTranspose1d(2, 6, 3, groups=2), 2, 5), ["1.weight", "3.weight"]),
}


def ready(name):
    torch.manual_seed(0)
    model = MODELS[name][0]()
    model(torch.as_tensor(X))
    return model


def channels_first(model, name, weight):
    """Return a weight with a row an output channel, written out layer by layer."""
    layer = model.get_submodule(name.rpartition(".")[0])
    if isinstance(layer, Conv1D):
        return weight.T
    if isinstance(layer, nn.ConvTranspose1d):
        out, groups = layer.out_channels, layer.groups
        rows = []
        for channel in range(out):
            group, own = divmod(channel, out // groups)
            size = layer.in_channels // groups
            rows.append(weight[group * size : (group + 1) * size, own].ravel())
        return np.array(rows)
    return weight.reshape(len(weight), -1)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("name", MODELS)
def test_layers_of_every_kind_are_quantized_with_scales_of_their_output_channels(name, granularity):
    model = ready(name)
    before = state(model)
    assert list(audit.find_weights(model)) == MODELS[name][1]
    with quantized(model, "uniform_3", granularity=granularity) as rows:
        for row in rows:
            own = before[row["layer"]].numpy()
            by_channel = channels_first(model, row["layer"], own)[None]
            released = quantizers.quantize(by_channel, "uniform_3", granularity)
            assert row["scales"] == (1 if granularity == "tensor" else by_channel.shape[1])
            assert row["error"] == pytest.approx(quantizers.relative_error(by_channel, released)[0], rel=1e-5)
            now = model.get_parameter(row["layer"]).detach().numpy()
            np.testing.assert_array_equal(channels_first(model, row["layer"], now), released.values[0])
    assert untouched(model, before)
    report = run(fitted(model, steps=5), granularity=granularity)
    assert report.facts.share == 1


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


COMPUTED = {
    "weight norm": parametrizations.weight_norm, "spectral norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal, "weight norm by hook": old_weight_norm,
    "spectral norm by hook": old_spectral_norm, "pruned": pruned,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("how", COMPUTED)
def test_a_computed_weight_is_quantized_as_it_is_shipped(how):
    """The network in the block is the plain network that holds the quantized weight; the originals stay untouched."""
    torch.manual_seed(0)
    model = nn.Sequential(COMPUTED[how](nn.Linear(DIM, 12)), nn.ReLU(), nn.Linear(12, 1)).eval()
    x = torch.as_tensor(X)
    with torch.no_grad():
        outputs = model(x)
        shipped = model[0].weight.detach().clone()
        before, plain = state(model), mlp()
        for layer in (0, 2):
            plain[layer].weight.copy_(model[layer].weight)
            plain[layer].bias.copy_(model[layer].bias)
        with quantized(plain, "ternary_90") as expected:
            wanted, rows_wanted = plain(x), expected
        with quantized(model, "ternary_90") as rows:
            for key in ("layer", "shape", "weights", "scales", "error", "zeros"):
                assert [row[key] for row in rows] == [row[key] for row in rows_wanted]
            assert torch.equal(model(x), wanted)
            assert torch.equal(model(x), wanted)  # the hooks of another forward change nothing
            assert locate(model)["0.weight"].values.unique().numel() == 3
        assert untouched(model, before)
        assert torch.equal(model(x), outputs)
    assert torch.equal(model[0].weight, shipped)
    found, plainly = run(model), run(plain)
    assert found.table.weight_error.to_numpy() == pytest.approx(plainly.table.weight_error.to_numpy())
    assert found.facts.quantized == plainly.facts.quantized == "132 of 145"
    assert found.table.kilobytes.to_numpy() == pytest.approx(plainly.table.kilobytes.to_numpy(), abs=1e-3)


class Own(nn.Module):
    """A layer of the reader's own class, with a matrix and a vector of gains."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.mix, self.gain, self.head = (
            nn.Parameter(torch.randn(DIM, 30) / 3),
            nn.Parameter(torch.ones(30)),
            nn.Linear(30, 1),
        )

    def forward(self, x):
        return self.head(torch.relu(x @ self.mix * self.gain))


def test_include_takes_weights_of_any_class_and_a_headline_says_what_is_left():
    model = fitted(Own())
    with pytest.raises(ValueError, match=r"only 9% of the weights would be quantized .* 'mix' .* allow_partial=True"):
        run(model)
    report = run(model, allow_partial=True)
    assert report.facts.share == pytest.approx(30 / 330)
    assert report.advice[0].startswith("Only 9% of the weights are quantized (30 of 361 numbers)")
    assert "'mix' (Own, 10 x 30). Name them by include=" in report.advice[0]
    whole = run(model, include=["mix"])
    assert (whole.facts.share, whole.facts.quantized) == (1, "330 of 361")
    assert not whole.advice[0].startswith("Only")
    assert list(audit.find_weights(model, include=["*"])) == ["mix", "gain", "head.weight", "head.bias"]
    wrapped = nn.Sequential(model)
    assert list(audit.find_weights(wrapped, include=["0"])) == ["0.mix", "0.head.weight"]  # a layer: no vectors
    assert list(audit.find_weights(model, include=["mix"], skip=["mix"])) == ["head.weight"]
    with pytest.raises(ValueError, match=r"include pattern 'hed' matches no layer; did you mean 'head'"):
        run(model, include=["hed"])
    model.head = nn.Identity()
    with pytest.raises(ValueError, match=r"largest are 'mix' \(Own, 10 x 30\), 'gain'"):
        audit.find_weights(model)


# Dtypes and classes -----------------------------------------------------------------------------------------------


class Counted(nn.Module):
    """A float network behind an integer, or half-precision, first parameter."""

    def __init__(self, first):
        super().__init__()
        self.first, self.net = nn.Parameter(first, requires_grad=False), mlp()

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8, torch.float16, torch.bfloat16])
def test_the_first_parameter_decides_nothing_about_the_inputs(dtype):
    x, x_new = X * np.float32(0.4), X_NEW * np.float32(0.4)
    model = Counted(torch.zeros(3, dtype=dtype))
    fitted(model.net, x=x)
    own = ((model(torch.as_tensor(x_new))[:, 0] > 0).numpy() == Y_NEW).mean()
    assert run(model, members=(x, Y), heldout=(x_new, Y_NEW)).table.utility["fp32"] == pytest.approx(own)


def test_inputs_beyond_half_precision_are_named():
    with pytest.raises(ValueError, match=r"inputs reach 70000, beyond torch.float16"):
        run(mlp().half(), heldout=(np.full((100, DIM), 7e4), Y_NEW))


class WithState(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, x):
        return self.net(x)

    def get_extra_state(self):
        return {"epoch": 3, "dtype": torch.float32, "shape": (1, 2)}

    def set_extra_state(self, state):
        pass


def test_state_that_is_no_tensor_is_not_counted():
    found, plain = run(WithState()), run(mlp())
    np.testing.assert_array_equal(found.table.kilobytes, plain.table.kilobytes)


class Packed(nn.Parameter):
    """A parameter class of a package that packs two codes into a byte."""


@pytest.mark.filterwarnings("ignore")
def test_quantized_weights_are_recognised_by_their_class():
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    packed = mlp()
    quantize_(packed, Int8WeightOnlyConfig())
    with pytest.raises(ValueError, match=r"'0.weight' \(Linear, 12 x 10\) is quantized already .*Int8.*skip=\['0'\]"):
        run(packed)
    half = mlp()
    half[0].weight = Packed(torch.zeros(60, 1, dtype=torch.uint8), requires_grad=False)
    with pytest.raises(ValueError, match=r"'0.weight' .* quantized already or packed \(Packed of torch.uint8\)"):
        audit.find_weights(half)
    assert list(audit.find_weights(half, skip=["0"])) == ["2.weight"]
    dynamic = torch.ao.quantization.quantize_dynamic(mlp().eval(), {"0"}, dtype=torch.qint8)
    report = run(dynamic)
    assert report.facts.quantized == "12 of 13"
    assert "0 (quantized already)" in report.facts.left
    with pytest.raises(ValueError, match=r"layer '0' is quantized already .*audit the float model"):
        run(torch.ao.quantization.quantize_dynamic(mlp().eval(), {nn.Linear}, dtype=torch.qint8))


def test_compiled_and_empty_models_are_named():
    for module in (
        torch.jit.script(mlp()),
        torch.jit.trace(mlp(), torch.as_tensor(X)),
        nn.Sequential(torch.jit.script(mlp())),
    ):
        with pytest.raises(ValueError, match="TorchScript cannot be audited"):
            run(module)
    with pytest.raises(ValueError, match=r"has no values .device meta."), torch.device("meta"):
        audit.find_weights(nn.Linear(3, 2))


# Outputs ----------------------------------------------------------------------------------------------------------


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, x):
        return self.net(nn.functional.dropout(x, 0.5))


def test_random_outputs_and_outputs_of_a_batch_are_told_apart():
    with pytest.raises(ValueError, match="other outputs each time it sees the same records: dropout"):
        run(Noisy())
    alone = nn.Sequential(nn.Linear(DIM, 12), nn.BatchNorm1d(12, track_running_stats=False), nn.Linear(12, 1))
    with pytest.raises(ValueError, match=r"depend on the other records of its batch .*: one record alone fails"):
        run(alone)

    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, x):
            return self.net(x - x.mean(dim=0))

    with pytest.raises(ValueError, match="outputs depend on the other records of its batch"):
        run(Centred())


def test_sparse_inputs_are_named():
    sparse = (torch.as_tensor(X).to_sparse(), torch.as_tensor(Y))
    with pytest.raises(ValueError, match="members must be dense"):
        run(mlp(), members=sparse)


# Labels, copies, ties ---------------------------------------------------------------------------------------------


def test_labels_of_minus_one_and_one_are_two_classes_and_the_loss_gets_them_as_given():
    model, seen = fitted(mlp()), set()

    def hinge(z, y):
        seen.update(y.tolist())
        return nn.functional.softplus(-y * z)

    signed, plain = run(model, hinge, (X, 2 * Y - 1), (X_NEW, 2 * Y_NEW - 1)), run(model)
    assert seen == {-1, 1}
    pd.testing.assert_frame_equal(signed.table, plain.table, rtol=5e-3)
    assert (signed.facts.task, signed.facts.relabelled) == ("binary", True)
    assert any("-1 and 1 were taken for the classes 0 and 1" in line for line in signed.warnings)
    with pytest.raises(ValueError, match="labels are -1, 0, 1: leave out records whose label is missing"):
        run(model, members=(X, np.arange(N) % 3 - 1))
    with pytest.raises(
        ValueError, match=r"members' labels must hold whole numbers 0..2, the classes; record 0 has 1.5"
    ):
        run(mlp(3), CROSS, (X, Y + 0.5))


def test_equal_inputs_that_are_other_records_are_counted_and_allowed():
    bits, bits_new = (RNG.integers(2, size=(200, 6)).astype(np.float32) for _ in range(2))
    y, y_new = (np.arange(200) % 2 for _ in range(2))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    with pytest.raises(ValueError, match=r"copies of members, label included: .* allow_copies=True where"):
        run(model, members=(bits, y), heldout=(bits_new, y_new))
    facts = run(model, members=(bits, y), heldout=(bits_new, y_new), allow_copies=True).facts
    pairs, inputs = set(), set()
    for x, label in zip(bits.tolist(), y.tolist(), strict=True):
        pairs.add((*x, label))
        inputs.add(tuple(x))
    held = [(tuple(x), label) for x, label in zip(bits_new.tolist(), y_new.tolist(), strict=True)]
    assert facts.copies == sum((*x, label) in pairs for x, label in held)
    assert facts.twins == sum(x in inputs and (*x, label) not in pairs for x, label in held)
    assert facts.repeated == 200 - len(pairs)


def test_no_rule_that_changes_nothing_makes_full_precision_the_most_private():
    """Weights on the levels of every rule: nothing moves, and nothing is told apart."""
    model = nn.Sequential(nn.Linear(DIM, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -1] * (DIM // 2)]))
    x, x_new = (
        a + np.array([1.0, -1] * (DIM // 2), np.float32) * (2 * y - 1)[:, None] for a, y in ((X, Y), (X_NEW, Y_NEW))
    )
    report = audit.audit(model, BCE, (x, Y), (x_new, Y_NEW), ["sign", "uniform_8"], draws=20)
    assert "no quantizer is told apart from full precision" in report.advice[0]
    assert not any("fp32 is ranked most private" in line for line in report.advice)
    assert report.table.index[-1] == "fp32"


def test_a_shift_of_all_logits_changes_no_number_of_one_model():
    model = fitted(mlp(3))

    class Shifted(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.net, self.by = copy.deepcopy(model), by

        def forward(self, x):
            return self.net(x) + self.by

    tables = [run(Shifted(by), CROSS).table for by in (0.0, 10.0)]
    for column in ("function_error", "utility", "rank"):
        np.testing.assert_allclose(*(t[column] for t in tables), rtol=1e-4)


def test_a_report_is_saved_where_a_tilde_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run(mlp()).save("~/a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_evaluating_keeps_modes():
    model = mlp().train()
    with evaluating(model):
        assert not model.training
    assert model.training


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["LSTM", "grouped", "GPT-2"])
def test_layers_on_a_gpu_are_quantized_as_on_the_processor(name):
    """The weights of a recurrent layer are slices of one buffer there."""
    model = ready(name)
    there = copy.deepcopy(model).to("cuda")
    there(torch.as_tensor(X, device="cuda"))
    before = state(there)
    with quantized(model, "uniform_3", granularity="row"), quantized(there, "uniform_3", granularity="row"):
        for label in audit.find_weights(model):
            assert torch.equal(there.get_parameter(label).cpu(), model.get_parameter(label))
    assert untouched(there, before)
    pd.testing.assert_frame_equal(run(there).table, run(model).table, atol=0.02)


# Found in models that people ship -----------------------------------------------------------------------------------


def test_quantized_weights_are_used_under_autocast():
    """Autocast keeps half-precision copies of the weights that it has seen."""
    model = fitted(mlp())
    outside = run(model)
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.as_tensor(X))
        inside = run(model)
    assert inside.table.function_error["sign"] == pytest.approx(outside.table.function_error["sign"], abs=0.02)
    assert inside.table.function_error["fp32"] == 0


def test_a_frozen_weight_in_a_buffer_is_a_weight():
    model, plain = fitted(mlp()), mlp()
    plain.load_state_dict(model.state_dict())
    frozen = model[0].weight.detach()
    del model[0].weight
    model[0].register_buffer("weight", frozen)
    pd.testing.assert_frame_equal(run(model).table, run(plain).table)
    assert torch.equal(model[0].weight, frozen)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_computed_weight_takes_no_step_while_it_is_read_and_caches_are_refused():
    torch.manual_seed(0)
    for norm in (parametrizations.spectral_norm, old_spectral_norm):
        model = nn.Sequential(norm(nn.Linear(DIM, 12)), nn.ReLU(), nn.Linear(12, 1)).train()
        before = state(model)
        run(model)
        assert untouched(model, before)
        assert all(module.training for module in model.modules())
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(DIM, 1)))
    with (
        parametrize.cached(),
        pytest.raises(ValueError, match=r"cached by parametrize.cached.* outside of it"),
    ):
        run(model)


def test_a_scripted_activation_and_an_exported_model_are_no_obstacle():
    plain = fitted(mlp())
    scripted = nn.Sequential(plain[0], torch.jit.script(nn.ReLU()), plain[2])
    pd.testing.assert_frame_equal(run(scripted).table, run(plain).table)
    graph = torch.export.export(plain, (torch.as_tensor(X),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    with pytest.raises(ValueError, match=r"no quantizable layer: .* name others by include="):
        audit.find_weights(graph)
    pd.testing.assert_frame_equal(run(graph, include=["*.weight"]).table, run(plain).table)


def test_labels_of_minus_one_and_zero_are_asked_about():
    with pytest.raises(ValueError, match="labels are -1, 0: leave out records"):
        run(mlp(), members=(X, Y - 1), heldout=(X_NEW, Y_NEW - 1))
