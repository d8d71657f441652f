"""The batched trainer equals a plain torch loop, whatever the batching."""

import importlib.util
import itertools
import sys

import numpy as np
import pytest
import torch

from qmis_utils import ensemble, quantizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
LABELS = {"binary": RNG.integers(0, 2, 40), "multiclass": np.arange(40) % 3, "regression": RNG.normal(size=40)}
MEMBERS = ensemble.random_halves(5, 40, np.random.default_rng(1))
LOSSES = {
    "binary": lambda z, y: torch.nn.functional.binary_cross_entropy_with_logits(z[:, 0], y),
    "regression": lambda z, y: torch.nn.functional.mse_loss(z[:, 0], y),
    "multiclass": lambda z, y: torch.nn.functional.cross_entropy(z, y.long()),
}


def plain_loop(start, model, y, task, hidden, order, optimizer, **options):
    """Train one nn.Sequential from the same initial weights, as anybody would write it."""
    sizes = [X.shape[1], *hidden, 3 if task == "multiclass" else 1]
    layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    own = [tensor[model] for pair in zip(start.weights, start.biases, strict=True) for tensor in pair]
    torch.nn.utils.vector_to_parameters(torch.cat([tensor.flatten() for tensor in own]), net.parameters())
    step = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](net.parameters(), **options)
    for batch in order:
        step.zero_grad()
        LOSSES[task](net(torch.from_numpy(X[batch])), torch.tensor(y[batch], dtype=torch.float32)).backward()
        step.step()
    return net(torch.from_numpy(X)).detach().numpy()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    ("hidden", "optimizer", "batch_size", "init"),
    [
        ((8,), "adam", None, "shared"),
        ((7, 5), "adam", 6, "random"),
        ((6, 5, 4), "sgd", 8, "shared"),
        ((), "sgd", None, "random"),
    ],
)
def test_equals_a_plain_module_loop(task, hidden, optimizer, batch_size, init):
    y, options = LABELS[task], {"lr": 0.01, "weight_decay": 0.03}
    ours = ensemble.train(X, y, MEMBERS, task=task, hidden=hidden, steps=12, optimizer=optimizer, batch_size=batch_size,
                          init=init, seed=3, chunk=2, **options).logits(X)  # fmt: skip
    sizes = (X.shape[1], *hidden, 3 if task == "multiclass" else 1)
    start = ensemble._initial(5, sizes, init, 3, task)
    for model in range(5):
        index = torch.from_numpy(np.nonzero(MEMBERS[model])[0][None])
        batches, order = ensemble._batches(index, 12, batch_size, 3, model), []
        for batch, repeats in batches:
            order += [batch[0].numpy()] * repeats
        theirs = plain_loop(start, model, y, task, hidden, order, optimizer, **options)
        np.testing.assert_allclose(ours[model], theirs if task == "multiclass" else theirs[:, 0], atol=2e-5)


def refuse(function):
    raise RuntimeError(f"no compiler for {function}")


def without(monkeypatch, *missing):
    """Return the engine as it is where torch lacks these names, calls its kernel otherwise, or refuses to compile."""
    if "fused" in missing:
        monkeypatch.delattr(torch, "_fused_adam_")
    if "changed" in missing:
        monkeypatch.setattr(torch, "_fused_adam_", lambda params, grads, state: None)
    if "script" in missing:
        monkeypatch.delattr(torch.jit, "script")
    if "fails" in missing:
        monkeypatch.setattr(torch.jit, "script", refuse)
    spec = importlib.util.spec_from_file_location("plain_ensemble", ensemble.__file__)
    engine = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "plain_ensemble", engine)
    spec.loader.exec_module(engine)
    return engine


@pytest.mark.parametrize("missing", ["fused", "changed", "script", "fails", "fused script"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    ("hidden", "optimizer", "batch_size", "weight_decay"),
    [((8,), "adam", None, 0.0), ((7, 5), "adam", 6, 0.03), ((8,), "sgd", 8, 0.03), ((), "sgd", None, 0.0)],
)
def test_any_torch_trains_the_same_weights(monkeypatch, missing, task, hidden, optimizer, batch_size, weight_decay):
    """Without torch's private Adam kernel, without its deprecated compiler, or without both."""
    options = {"task": task, "hidden": hidden, "optimizer": optimizer, "batch_size": batch_size, "steps": 60}
    options["weight_decay"] = weight_decay
    ours = ensemble.train(X, LABELS[task], MEMBERS, **options)
    engine = without(monkeypatch, *missing.split())
    compiled = isinstance(engine._descend, torch.jit.ScriptFunction)
    assert compiled == (missing in ("fused", "changed"))
    assert engine._adam is (engine._fused_adam if missing in ("script", "fails") else engine._plain_adam)
    theirs = engine.train(X, LABELS[task], MEMBERS, **options)
    start = ensemble._initial(5, (6, *hidden, 3 if task == "multiclass" else 1), "shared", 0, task)
    for a, b, c in zip(*(m.weights + m.biases for m in (ours, theirs, start)), strict=True):
        assert (a - c).abs().max() > 0.01
        np.testing.assert_allclose(b, a, atol=2e-6)


@pytest.mark.parametrize("kernel", [ensemble._fused_adam, ensemble._plain_adam])
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-8])
def test_both_kernels_step_as_torch_does(kernel, size):
    """Where gradients are as small as Adam's 1e-8, too, which then halves the step."""
    own, theirs = torch.ones(50), torch.nn.Parameter(torch.ones(50))
    gradient, reference = torch.zeros(50), torch.optim.Adam([theirs], lr=0.1)
    moves = ensemble.make_optimizer("adam", [own], [gradient], lr=0.1)
    for seed in range(5):
        gradient.copy_(size * torch.from_numpy(np.random.default_rng(seed).normal(size=50)))
        theirs.grad = gradient.clone()
        moves.counts[0].add_(1)
        kernel(moves)
        reference.step()
    assert (own - 1).abs().max() > 0.1
    np.testing.assert_allclose(own, theirs.detach(), rtol=1e-5)


def test_weights_start_as_those_of_a_linear_module():
    """U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), biases too; one draw for all models, or one each."""
    for init in ("shared", "random"):
        start = ensemble._initial(200, (9, 50, 4), init, 0, "binary")
        for layer, fan_in in enumerate((9, 50)):
            for tensor in (start.weights[layer], start.biases[layer]):
                scaled = tensor.numpy() * np.sqrt(fan_in)
                assert abs(scaled).max() <= 1 + 1e-6
                assert (scaled == scaled[:1]).all() == (init == "shared")
                if init == "random":
                    assert scaled.std() == pytest.approx(1 / np.sqrt(3), rel=0.05)
                    assert abs(scaled.mean()) < 0.06


def test_training_leaves_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with ensemble.single_threaded() as had:
            assert (had, torch.get_num_threads()) == (2, 1)
        ensemble.train(X, LABELS["binary"], MEMBERS, steps=1)
        with pytest.raises(ZeroDivisionError), ensemble.single_threaded():
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_this_torch_has_what_makes_training_quick():
    assert isinstance(ensemble._descend, torch.jit.ScriptFunction)
    assert ensemble._adam is ensemble._fused_adam


@pytest.mark.gpu
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_gpu_trains_what_the_processor_trains(task):
    options = {"task": task, "hidden": (7, 5), "steps": 12, "batch_size": 8, "init": "random"}
    processor, gpu = (ensemble.train(X, LABELS[task], MEMBERS, device=device, **options) for device in ("cpu", "cuda"))
    assert gpu.device.type == "cuda"
    assert torch.equal(gpu.to("cpu").weights[0], gpu.weights[0].cpu())
    np.testing.assert_allclose(gpu.logits(X), processor.logits(X), atol=1e-3)
    np.testing.assert_allclose(
        gpu.quantize("ternary_50").vectors(), processor.quantize("ternary_50").vectors(), atol=1e-3
    )
    gradients = (ensemble.record_gradients(models, X, LABELS[task]) for models in (gpu, processor))
    np.testing.assert_allclose(*gradients, atol=1e-3)


@pytest.mark.gpu
def test_a_gpu_is_given_all_models_at_once():
    """In chunks made for a processor's cache it would be no faster than one."""
    halves = ensemble.random_halves(512, 40, np.random.default_rng(0))
    torch.cuda.reset_peak_memory_stats()
    whole = ensemble.train(X, LABELS["binary"], halves, steps=10, device="cuda")
    parts = ensemble.train(X, LABELS["binary"], halves, steps=10, device="cuda", chunk=100)
    np.testing.assert_allclose(whole.vectors(), parts.vectors(), atol=1e-4)
    assert torch.cuda.max_memory_allocated() < 2**30


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is asked of a machine without a GPU")
def test_a_missing_gpu_is_named():
    with pytest.raises(ValueError, match=r"one of \['cpu'\] here; got 'cuda'"):
        ensemble.train(X, LABELS["binary"], MEMBERS, device="cuda")


def test_minibatches_visit_every_member_once_an_epoch():
    index = torch.from_numpy(np.nonzero(MEMBERS)[1].reshape(5, -1))
    batches = [batch for batch, _ in ensemble._batches(index, 4, 6, 0, 0)]
    epoch = torch.cat(batches, dim=1)  # 20 members in batches of 6, 6, 6, 2
    assert torch.equal(epoch.sort(dim=1).values, index)
    assert not torch.equal(epoch[0].argsort(), epoch[1].argsort())


def test_chunks_change_nothing():
    runs = [ensemble.train(X, LABELS["binary"], MEMBERS, steps=20, batch_size=7, chunk=c).vectors() for c in (1, 2, 5)]
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-5)
    np.testing.assert_allclose(runs[0], runs[2], atol=1e-5)


def test_halves_are_exact_halves_and_independent():
    halves = ensemble.random_halves(4000, 10, np.random.default_rng(0))
    assert (halves.sum(axis=1) == 5).all()
    # a record's count over models is binomial, not fixed as complementary pairs would make it
    assert halves.sum(axis=0).std() > 5
    assert abs(halves.mean() - 0.5) < 1e-12
    assert np.corrcoef(halves[:-1].ravel(), halves[1:].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_quantize_scales_each_layer_and_keeps_biases():
    trained = ensemble.train(X, LABELS["binary"], MEMBERS, steps=5)
    released = trained.quantize("sign")
    for layer in range(2):
        expected = quantizers.quantize(trained.weights[layer], "sign").values
        assert torch.equal(released.weights[layer], expected)
        assert torch.equal(released.biases[layer], trained.biases[layer])
    by_row = trained.quantize("sign", "row").weights[0]
    assert torch.equal(by_row, quantizers.quantize(trained.weights[0], "sign", "row").values)
    assert not torch.equal(by_row, released.weights[0])
    assert released.vectors().shape == (5, 6 * 32 + 32)
    assert torch.equal(trained[[1, 3]].weights[0], trained.weights[0][[1, 3]])
    np.testing.assert_allclose(trained.logits(X, chunk=2), trained.logits(X, chunk=5), atol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_record_gradients_equal_autograd(task):
    trained = ensemble.train(X, LABELS[task], MEMBERS, task=task, hidden=(7, 5), steps=5, init="random")
    gradients = ensemble.record_gradients(trained, X, LABELS[task])
    weights = [w.mean(dim=0).requires_grad_() for w in trained.weights]
    biases = [b.mean(dim=0) for b in trained.biases]
    for record in (0, 17):
        h = torch.from_numpy(X[record : record + 1])
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = torch.nn.functional.linear(h, w, b)
            h = torch.relu(h) if layer < 2 else h
        loss = LOSSES[task](h, torch.tensor(LABELS[task][record : record + 1], dtype=torch.float32))
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        np.testing.assert_allclose(gradients[record], expected, atol=1e-5)


def test_concatenate_keeps_every_model():
    trained = ensemble.train(X, LABELS["binary"], MEMBERS, steps=3)
    joined = ensemble.concatenate([trained[:2], trained[2:]])
    assert np.array_equal(joined.logits(X), trained.logits(X))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"task": "clasification"}, "task must be one of"),
        ({"device": "gpu"}, "device must be one of.*'cpu'.*got 'gpu'"),
        ({"optimizer": "lion"}, "optimizer one of"),
        ({"y": LABELS["regression"]}, r"y must hold 0 and 1 .* for a binary task; record 0 has"),
        ({"y": LABELS["binary"][:-1]}, "x must be"),
        ({"members": np.tri(40, dtype=bool)[:5]}, "same positive number"),
        ({"x": np.full_like(X, np.nan)}, "finite"),
    ],
)
def test_bad_input_is_named(change, match):
    arguments = {"x": X, "y": LABELS["binary"], "members": MEMBERS} | change
    with pytest.raises(ValueError, match=match):
        ensemble.train(**arguments)
