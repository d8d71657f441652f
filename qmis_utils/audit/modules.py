"""What an audit does to a reader's torch modules: find their weights, quantize them in place, stream records through.

Tensor by tensor the original goes to disk and its quantized version takes its place; every bit is restored afterwards.
"""

import difflib
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import nn

from qmis_utils import ensemble, quantizers

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention)
MOST = 20_000  # numbers of a model that a correlation compares: bounds the memory of its bootstrap
NEIGHBOURS = 16  # codewords one level away from a single model


def did_you_mean(name, names):
    """Return "; did you mean ...?" with the names nearest to a wrong one, or nothing."""
    names, digits = [n for n in names if n], re.findall(r"\d+", name)
    alike = [n for n in names if digits and re.findall(r"\d+", n) == digits]  # "int8" means eight bits
    nearest = difflib.get_close_matches(name, names, 3, 0.4)
    close = difflib.get_close_matches(name, names, 3) or alike or nearest
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def find_weights(model, skip=(), embeddings=False):
    """Return the weight tensors of a model that are quantized, name -> parameter, in order.

    Parameters: ``skip`` patterns such as "lm_head" or "*.norm", matched against the names of layers, of the layers they
    sit in, and of parameters; ``embeddings`` True to quantize nn.Embedding too. Weights of linear, one- and
    two-dimensional convolution and attention layers count; a tensor shared by two layers is skipped if either is.
    Raises ValueError for a pattern that matches nothing and for a model with nothing to quantize.
    """
    parameters, layers = (dict(of(remove_duplicate=False)) for of in (model.named_parameters, model.named_modules))
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in [*layers, *parameters]):
            raise ValueError(f"skip pattern {pattern!r} matches no layer{did_you_mean(pattern, layers)}")

    def skipped(name):
        heads = [name] + [name[:at] for at, letter in enumerate(name) if letter == "."]
        return any(fnmatchcase(head, pattern) for head in heads for pattern in skip)

    taken = {id(weight) for name, weight in parameters.items() if skipped(name)}
    kinds, found = KINDS + (nn.Embedding,) * embeddings, {}
    for name, weight in parameters.items():
        layer, _, own = name.rpartition(".")
        fits = isinstance(layers[layer], kinds) and own.endswith("weight") and weight.is_floating_point()
        if fits and id(weight) not in taken:
            found[name] = weight
            taken.add(id(weight))
    if not found:
        raise ValueError(
            "the model has no quantizable layer: no linear, convolution or attention layer, or all skipped"
        )
    return found


@contextmanager
def quantized(model, name, skip=(), embeddings=False, granularity="tensor"):
    """Quantize a model in place for the length of a ``with`` block, and restore every bit afterwards.

    Parameters: ``name`` of the quantizer ("fp32" changes nothing); ``granularity`` "tensor" or "row" (a scale for each
    output channel); the rest as in `find_weights`. Yields a dict for each tensor: layer, shape, weights, scales, error,
    norm, entropy, zeros. The originals wait in a temporary folder (see TMPDIR): memory never holds an extra model, but
    while a tensor is quantized up to five times that tensor in float32, and nothing extra within the block.
    """
    weights = find_weights(model, skip, embeddings) if name != "fp32" else {}
    with tempfile.TemporaryDirectory(prefix="qmis-audit-") as folder:
        stored, rows = [], []
        try:
            for place, (label, weight) in enumerate(weights.items()):
                path = f"{folder}/{place}.pt"
                _store(label, weight, path)
                stored.append((weight, path))
                rows.append({"layer": label, **_quantize_tensor(label, weight, name, granularity)})
            yield rows
        finally:
            for weight, path in stored:
                with torch.no_grad():
                    weight.copy_(torch.load(path, weights_only=True))


def _store(label, weight, path):
    """Write the original of a tensor; OSError naming the folder if it does not fit."""
    try:
        torch.save(weight.detach().clone(), path)  # a clone: saving a view would write all that it views
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"no room for the original of layer {label!r} at {path}: set TMPDIR to a larger folder"
        ) from error


def _quantize_tensor(label, weight, name, granularity):
    """Quantize one tensor in place and describe what is released."""
    matrix = weight.detach().to("cpu", torch.float32).reshape(1, len(weight), -1).numpy()
    try:
        released = quantizers.quantize(matrix, name, granularity)
    except ValueError as error:
        raise ValueError(f"layer {label!r}: {error}") from None
    norm = float(np.linalg.norm(matrix))
    matrix -= released.values  # in place: the weight, of which this may be a view, is overwritten next
    error = float(np.linalg.norm(matrix))
    with torch.no_grad():
        weight.copy_(torch.from_numpy(released.values).view(weight.shape))
    return {
        "shape": " x ".join(map(str, weight.shape)), "weights": weight.numel(), "scales": released.scale.size,
        "error": error / max(norm, 1e-300), "norm": norm,
        "entropy": float(quantizers.code_entropy(released)[0]), "zeros": float(quantizers.sparsity(released)[0]),
    }  # fmt: skip


@contextmanager
def evaluating(model):
    """Switch dropout and batch statistics off, and put every layer's own mode back afterwards."""
    modes = {layer: layer.training for layer in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, mode in modes.items():
            layer.training = mode


@dataclass(frozen=True)
class Plan:
    """Hold what every model is measured with; ``members`` and ``heldout`` are (inputs, labels) tensors."""

    loss: object
    members: tuple
    heldout: tuple
    names: list
    how: dict  # skip, embeddings, granularity
    task: str | None
    batch_size: int
    seed: int

    def weights(self, model):
        """Return the tensors of a model that are quantized, name -> parameter."""
        return find_weights(model, self.how["skip"], self.how["embeddings"])


def measure_all(modules, plan, alone):
    """Measure models one after the other.

    Returns quantizer -> what was measured (arrays, models first), a dict for each model, quantizer and tensor, and what
    there is to say about the model; ``alone`` adds the losses of codewords next to it.
    """
    every, rows = [], []
    for place, model in enumerate(modules):
        shapes = {label: tuple(weight.shape) for label, weight in plan.weights(model).items()}
        with evaluating(model):
            outputs = _try(model, plan)
            if place == 0:
                first, about = shapes, _describe(model, plan) | {"task": _infer_task(outputs, plan)}
                about["outputs all in [0, 1]"] = bool(outputs.min() >= 0 and outputs.max() <= 1)
            if shapes != first:
                raise ValueError(
                    f"all models must have one architecture; model {place} has {shapes}, the first {first}"
                )
            measured, tensors = _measure(model, plan, alone)
        every.append(measured)
        rows += [{"model": place} | row for row in tensors]
    stacked = {
        name: {key: np.stack([one[name][key] for one in every]) for key in every[0][name]} for name in plan.names
    }
    return stacked, rows, about


def _describe(model, plan):
    """Return how much of a model is quantized, and what stays as trained."""
    weights, everything = plan.weights(model), list(model.named_parameters())
    taken = {id(weight) for weight in weights.values()}
    left = [f"{name} ({' x '.join(map(str, w.shape))})" for name, w in everything if w.ndim > 1 and id(w) not in taken]
    vectors = sum(w.numel() for _, w in everything if w.ndim <= 1 and id(w) not in taken)
    named = [*left[:8], *[f"{len(left) - 8} more"] * (len(left) > 8), f"{vectors:,} numbers in vectors (biases, norms)"]
    counts = [sum(w.numel() for w in group) for group in (weights.values(), dict(everything).values())]
    tensors = {t.data_ptr(): t.nbytes for t in model.state_dict().values()}
    return {
        "numbers quantized": f"{counts[0]:,} of {counts[1]:,}",
        "left unquantized": ", ".join(named if vectors else named[:-1]),
        "bytes": sum(tensors.values()),
        "bytes of the rest": sum(tensors.values()) - sum(w.nbytes for w in weights.values()),
    }


def _infer_task(outputs, plan):
    """Return the task that outputs and labels speak of; ValueError where they disagree, or outputs are no logits."""
    y, wide = torch.cat([plan.members[1], plan.heldout[1]]).cpu().numpy(), outputs.ndim == 2
    task = plan.task or ("multiclass" if wide else "binary" if np.isin(y, (0, 1)).all() else "regression")
    if task not in ensemble.TASKS or (task == "multiclass") != wide:
        raise ValueError(f"task must be one of {ensemble.TASKS} and fit outputs of shape {outputs.shape}; got {task!r}")
    if task == "regression":
        return task
    classes = outputs.shape[1] if wide else 2
    if not np.isin(y, np.arange(classes)).all():
        raise ValueError(f"labels must be classes 0..{classes - 1} for outputs of shape {outputs.shape}")
    if wide and outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        raise ValueError("outputs look like probabilities: return logits, and let the loss take the softmax")
    return task


def _evaluate(model, loss, x, y):
    """Return outputs (n,) or (n, C), at least float32, and losses of one batch; ValueError for any other shape."""
    first = next(model.parameters())
    z = model(x.to(first.device, first.dtype) if x.is_floating_point() else x.to(first.device))
    if not isinstance(z, torch.Tensor):
        raise TypeError(f"the model returned {type(z).__name__}, not a tensor: wrap it so that it returns logits")
    z = z if z.dtype == torch.float64 else z.float()
    z = z[:, 0] if z.ndim == 2 and z.shape[1] == 1 else z
    if z.ndim not in (1, 2) or len(z) != len(x):
        raise ValueError(f"outputs must be (n,), (n, 1) or (n, C) for n records; got {tuple(z.shape)} for {len(x)}")
    y = y.to(first.device, z.dtype if z.ndim == 1 else torch.int64)  # tables often hold class numbers as floats
    return z.cpu(), loss(z, y).cpu()


def _try(model, plan):
    """Return the outputs of the first batch; ValueError unless each record has its own outputs and loss."""
    x, y = (part[: plan.batch_size] for part in plan.heldout)
    try:
        z, loss = _evaluate(model, plan.loss, x, y)
        _, few = _evaluate(model, plan.loss, x[:1], y[:1])
    except Exception as error:  # whatever the reader's own code raises
        raise ValueError(f"model or loss failed on held-out records: {type(error).__name__}: {error}") from error
    if loss.shape != (len(x),) or few.shape != (1,):
        shape = tuple(loss.shape)
        raise ValueError(f"loss is not per sample: shape {shape} for {len(x)} records; use reduction='none'")
    if not torch.allclose(loss[:1], few, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise ValueError("loss is not per sample: a record's loss depends on the other records of its batch")
    return z.numpy()


def _stream(model, plan, data, what):
    """Return a model's outputs and losses on all records, batch by batch; ValueError naming ``what`` if not finite."""
    batches = zip(*(part.split(plan.batch_size) for part in data), strict=True)
    parts = zip(*(_evaluate(model, plan.loss, *batch) for batch in batches), strict=True)
    outputs, losses = (torch.cat(part).numpy() for part in parts)
    bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(outputs).reshape(len(losses), -1).all(axis=1)))
    if bad.size:
        raise ValueError(f"{what}: output or loss is NaN or infinite for {len(bad)} records, first for record {bad[0]}")
    return outputs, losses


def _measure(model, plan, alone):
    """Return quantizer -> outputs, losses and sampled weights of one model, and a row per quantizer and tensor."""
    measured, rows = {}, []
    for name in plan.names:
        with quantized(model, name, **plan.how) as tensors:
            one = {"weights": _sample_weights(plan.weights(model).values(), plan.seed)}
            for part in ("members", "heldout"):
                one[part], one[f"{part} loss"] = _stream(
                    model, plan, getattr(plan, part), f"quantizer {name!r}, {part}"
                )
            if alone and name != "fp32":
                one["neighbours"] = np.stack([
                    _stream(model, plan, plan.heldout, f"a neighbour of quantizer {name!r}")[1]
                    for _ in neighbours(list(plan.weights(model).values()), plan)
                ])  # fmt: skip
        measured[name] = one
        rows += [{"quantizer": name} | row for row in tensors]
    return measured, rows


def _sample_weights(weights, seed):
    """Return about MOST of the quantized weights at most, the same ones for all models and quantizers."""
    rng, total = np.random.default_rng(seed), sum(w.numel() for w in weights)
    parts = []
    for weight in weights:
        most = min(weight.numel(), -(-MOST * weight.numel() // total))
        pick = np.sort(rng.choice(weight.numel(), most, replace=False, shuffle=False))
        parts.append(weight.detach().flatten()[torch.from_numpy(pick)].float().cpu())
    return torch.cat(parts).numpy()


def neighbours(weights, plan):
    """Turn quantized weights into one codeword next to them after the other: one random weight a level up or down."""
    rng, sizes, levels = np.random.default_rng(plan.seed), np.array([w.numel() for w in weights]), {}
    for _ in range(NEIGHBOURS):
        layer = rng.choice(len(weights), p=sizes / sizes.sum())
        weight, at = weights[layer], tuple(np.unravel_index(rng.integers(sizes[layer]), weights[layer].shape))
        group = (layer, at[0]) if plan.how["granularity"] == "row" else (layer,)  # whose scale makes the levels
        if group not in levels:
            levels[group] = np.unique((weight[at[0]] if len(group) == 2 else weight).float().cpu().numpy())
        old, own = weight[at].item(), levels[group]
        place = np.searchsorted(own, old)
        choices = [own[k] for k in (place - 1, place + 1) if 0 <= k < len(own)]
        weight[at] = float(rng.choice(choices)) if choices else old
        yield
        weight[at] = old
