"""What an audit does to a reader's torch modules: find their weights, quantize them in place, stream records through.

Tensor by tensor the original goes to disk and its quantized version takes its place; every bit is restored afterwards.
"""

import difflib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import nn

from qmis_utils import attacks, ensemble, indicators, quantizers
from qmis_utils.attacks import Evidence

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention)
MOST = 20_000  # numbers of a model that a correlation compares: bounds the memory of its bootstrap
NEIGHBOURS = 16  # codewords one level away from a single model


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the names nearest to a wrong one, or nothing."""
    names, digits = [n for n in names if n], re.findall(r"\d+", name)
    alike = [n for n in names if digits and re.findall(r"\d+", n) == digits]  # "int8" means eight bits
    nearest = difflib.get_close_matches(name, names, 3, 0.4)
    close = difflib.get_close_matches(name, names, 3) or alike or nearest
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def find_weights(model: nn.Module, skip: Iterable[str] = (), embeddings: bool = False) -> dict[str, nn.Parameter]:
    """Return the weight tensors of a model that are quantized.

    Weights of linear, one- and two-dimensional convolution and attention layers count; a tensor shared by two layers is
    skipped if either is.

    Parameters
    ----------
    model : torch.nn.Module
    skip : iterable of str
        Patterns such as "lm_head" or "*.norm", matched against the names of layers, of the layers they sit in, and of
        parameters.
    embeddings : bool
        Whether to quantize nn.Embedding too.

    Returns
    -------
    dict of torch.nn.Parameter
        By name, in the order of the model.

    Raises
    ------
    ValueError
        For a pattern that matches nothing, and for a model with nothing to quantize.

    Examples
    --------
    >>> list(find_weights(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)), skip=["2"]))
    ['0.weight']
    """
    parameters, layers = (dict(of(remove_duplicate=False)) for of in (model.named_parameters, model.named_modules))
    for pattern in skip:
        if not any(fnmatchcase(name, pattern) for name in [*layers, *parameters]):
            raise ValueError(f"skip pattern {pattern!r} matches no layer{did_you_mean(pattern, layers)}")

    def skipped(name):
        heads = [name] + [name[:at] for at, letter in enumerate(name) if letter == "."]
        return any(fnmatchcase(head, pattern) for head in heads for pattern in skip)

    taken = {id(weight) for name, weight in parameters.items() if skipped(name)}
    kinds, found = (*KINDS, nn.Embedding) if embeddings else KINDS, {}
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
def quantized(model: nn.Module, name: str, skip: Iterable[str] = (), embeddings: bool = False,
              granularity: str = "tensor") -> Iterator[list[dict]]:  # fmt: skip
    """Quantize a model in place for the length of a ``with`` block, and restore every bit afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    name : str
        Of the quantizer; "fp32" changes nothing.
    skip, embeddings
        As `find_weights`.
    granularity : {"tensor", "row"}
        What shares a scale: a tensor, or each output channel.

    Yields
    ------
    list of dict
        A row a tensor: layer, shape, weights, scales, error, norm, entropy, zeros.

    Raises
    ------
    ValueError
        As `find_weights`, and naming the layer whose weights are not finite.
    OSError
        Where the originals do not fit into the temporary folder.

    Notes
    -----
    The originals wait in a temporary folder (see TMPDIR): memory never holds an extra model, but while a tensor is
    quantized up to five times that tensor in float32, and nothing extra within the block.

    Examples
    --------
    What a quantized model says::

        with quantized(model, "sign"):
            outputs = model(x)
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
    moved = float(np.linalg.norm(matrix))
    with torch.no_grad():
        weight.copy_(torch.from_numpy(released.values).view(weight.shape))
    return {
        "shape": " x ".join(map(str, weight.shape)), "weights": weight.numel(), "scales": released.scale.size,
        "error": moved / max(norm, 1e-300), "norm": norm,
        "entropy": float(quantizers.code_entropy(released)[0]), "zeros": float(quantizers.sparsity(released)[0]),
    }  # fmt: skip


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
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

    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    members: tuple[torch.Tensor, torch.Tensor]
    heldout: tuple[torch.Tensor, torch.Tensor]
    names: list[str]
    how: dict  # skip, embeddings, granularity
    task: str | None
    batch_size: int
    seed: int

    def weights(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """Return the tensors of a model that are quantized, name -> parameter."""
        return find_weights(model, self.how["skip"], self.how["embeddings"])


@dataclass(frozen=True)
class Inventory:
    """Hold what there is to say about models that are audited: of which task, how much is quantized, how large."""

    task: str
    in_unit: bool  # whether all outputs lie in [0, 1]
    quantized: str  # how many numbers, of how many
    left: str  # which tensors stay as trained
    bytes: int
    bytes_left: int  # of what stays as trained


def measure_all(modules: Iterable[nn.Module], plan: Plan, trained_on: np.ndarray | None, alone: bool
                ) -> tuple[dict[str, Evidence], list[dict], Inventory]:  # fmt: skip
    """Measure models one after the other, under each quantizer.

    Parameters
    ----------
    modules : iterable of torch.nn.Module
        M models of one architecture; memory holds one.
    plan : Plan
    trained_on : bool array (M, N) or None
        Which members each model was trained on.
    alone : bool
        Whether to add the losses of codewords next to the model.

    Returns
    -------
    evidence : dict of Evidence
        Quantizer -> what is seen of all models.
    rows : list of dict
        One a model, quantizer and tensor.
    about : Inventory

    Raises
    ------
    ValueError
        For models of different architectures, and for outputs, losses or weights that cannot be measured.
    """
    every, rows = [], []
    for place, model in enumerate(modules):
        shapes = {label: tuple(weight.shape) for label, weight in plan.weights(model).items()}
        with evaluating(model):
            outputs = _try(model, plan)
            if place == 0:
                first, about = shapes, _describe(model, plan, outputs)
            if shapes != first:
                raise ValueError(
                    f"all models must have one architecture; model {place} has {shapes}, the first {first}"
                )
            measured, tensors = _measure(model, plan, about.task, alone)
        every.append(measured)
        rows += [{"model": place} | row for row in tensors]
    y, y_out = (data[1].cpu().numpy() for data in (plan.members, plan.heldout))
    evidence = {}
    for name in plan.names:
        seen = {key: np.stack([one[name][key] for one in every]) for key in every[0][name]}
        books = {"neighbourhood": seen.pop("neighbours")[0]} if "neighbours" in seen else {}
        evidence[name] = Evidence(trained_on, task=about.task, y=y, y_out=y_out, codebooks=books, quantizer=name,
                                  granularity=plan.how["granularity"], **seen)  # fmt: skip
    return evidence, rows, about


def _describe(model, plan, outputs):
    """Return the inventory of a model, from its outputs on some held-out records."""
    weights, everything = plan.weights(model), list(model.named_parameters())
    taken = {id(weight) for weight in weights.values()}
    left = [f"{name} ({' x '.join(map(str, w.shape))})" for name, w in everything if w.ndim > 1 and id(w) not in taken]
    vectors = sum(w.numel() for _, w in everything if w.ndim <= 1 and id(w) not in taken)
    named = left[:8]
    if len(left) > 8:
        named.append(f"{len(left) - 8} more")
    if vectors:
        named.append(f"{vectors:,} numbers in vectors (biases, norms)")
    counts = [sum(w.numel() for w in group) for group in (weights.values(), dict(everything).values())]
    tensors = {t.data_ptr(): t.nbytes for t in model.state_dict().values()}
    return Inventory(
        task=_infer_task(outputs, plan), in_unit=bool(outputs.min() >= 0 and outputs.max() <= 1),
        quantized=f"{counts[0]:,} of {counts[1]:,}", left=", ".join(named), bytes=sum(tensors.values()),
        bytes_left=sum(tensors.values()) - sum(w.nbytes for w in weights.values()),
    )  # fmt: skip


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


def _measure(model, plan, task, alone):
    """Return quantizer -> arrays of an Evidence, of one model, and a row per quantizer and tensor."""
    measured, rows = {}, []
    for name in plan.names:
        with quantized(model, name, **plan.how) as tensors:
            one = {"weights": _sampled(plan.weights(model).values())}
            for part, end in (("members", ""), ("heldout", "_out")):
                data = getattr(plan, part)
                outputs, losses = _stream(model, plan, data, f"quantizer {name!r}, {part}")
                signals = attacks.signal(outputs[None], data[1].cpu().numpy(), task)[0]
                one |= {f"outputs{end}": outputs, f"losses{end}": losses, f"signals{end}": signals}
            if alone and name != "fp32":
                one["neighbours"] = np.stack([
                    _stream(model, plan, plan.heldout, f"a neighbour of quantizer {name!r}")[1]
                    for _ in neighbours(list(plan.weights(model).values()), plan)
                ])  # fmt: skip
        measured[name] = one
        rows += [{"quantizer": name} | row for row in tensors]
    return measured, rows


def _sampled(weights):
    """Return about MOST of the quantized weights at most; tensor by tensor, so that memory holds one in float32."""
    total = sum(w.numel() for w in weights)
    shares = [-(-MOST * w.numel() // total) for w in weights]
    tensors = (w.detach().float().cpu().numpy()[None] for w in weights)
    return np.concatenate([attacks.sample_weights([w], n)[0] for w, n in zip(tensors, shares, strict=True)])


def neighbours(weights: list[torch.Tensor], plan: Plan) -> Iterator[None]:
    """Turn quantized weights into one codeword next to them after the other: one random weight a level up or down."""
    rng, sizes, levels = np.random.default_rng(plan.seed), np.array([w.numel() for w in weights]), {}
    for _ in range(NEIGHBOURS):
        layer = rng.choice(len(weights), p=sizes / sizes.sum())
        weight, at = weights[layer], tuple(np.unravel_index(rng.integers(sizes[layer]), weights[layer].shape))
        group = (layer, at[0]) if plan.how["granularity"] == "row" else (layer,)  # whose scale makes the levels
        if group not in levels:
            levels[group] = np.unique((weight[at[0]] if len(group) == 2 else weight).float().cpu().numpy())
        old = weight[at].item()
        weight[at] = indicators.adjacent(levels[group], old, rng)
        yield
        weight[at] = old
