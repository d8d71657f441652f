"""What an audit does to a reader's torch modules: quantize their weights in place, stream records through.

Tensor by tensor the original goes to disk and its quantized version takes its place; every bit is restored afterwards.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
import torch
from torch import nn

from qmis_utils import attacks, ensemble, indicators, quantizers, records
from qmis_utils.attacks import Evidence
from qmis_utils.audit.weights import Weight, distinct, locate, replace, shipped_buffers, tensors
from qmis_utils.audit.weights import find_weights as find_weights

MOST = 20_000  # numbers of a model that a correlation compares: bounds the memory of its bootstrap
NEIGHBOURS = 16  # codewords one level away from a single model
LARGEST_LEFT = 3  # tensors that the headline names where most of a model is left as trained


@contextmanager
def quantized(model: nn.Module, name: str, skip: Iterable[str] = (), embeddings: bool = False,
              granularity: str = "tensor", include: Iterable[str] = ()) -> Iterator[list[dict]]:  # fmt: skip
    """Quantize a model in place for the length of a ``with`` block, and restore every bit afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    name : str
        Of the quantizer; "fp32" changes nothing.
    skip, embeddings, include
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
    quantized up to five times that tensor in float32, and nothing extra within the block. A weight that a layer
    computes (a parametrisation, weight norm, pruning) is replaced behind what computes it, which stays as it is.

    Examples
    --------
    What a quantized model says::

        with quantized(model, "sign"):
            outputs = model(x)
    """
    weights = locate(model, skip, embeddings, include) if name != "fp32" else {}
    with tempfile.TemporaryDirectory(prefix="qmis-audit-") as folder, ExitStack() as restoring:
        rows = []
        for place, (label, weight) in enumerate(weights.items()):
            values, row = _quantize_tensor(label, weight, name, granularity)
            if weight.computed:
                restoring.callback(replace(weight, values))
            else:
                path = f"{folder}/{place}.pt"
                _store(label, weight.values, path)
                restoring.callback(_restore, weight.values, path)
                with writing(weight.values):
                    weight.values.copy_(values.view(weight.values.shape))
            rows.append({"layer": label, **row})
            del values
        yield rows


@contextmanager
def writing(tensor: torch.Tensor) -> Iterator[None]:
    """Allow changes in place, of parameters that were made in inference mode too."""
    with torch.inference_mode() if tensor.is_inference() else torch.no_grad():
        yield


def _restore(values, path):
    with writing(values):
        values.copy_(torch.load(path, weights_only=True))


def _store(label, values, path):
    """Write the original of a tensor; OSError naming the folder if it does not fit."""
    try:
        torch.save(values.clone(), path)  # a clone: saving a view would write all that it views
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"no room for the original of layer {label!r} at {path}: set TMPDIR to a larger folder"
        ) from error


def _quantize_tensor(label, weight, name, granularity):
    """Return the quantized numbers of a tensor, output channels first, and a description of what is released."""
    once = weight.values
    matrix = once.to("cpu", torch.float32).flatten(0, weight.lead - 1)
    matrix = matrix.reshape(1, len(matrix), -1).numpy()
    try:
        released = quantizers.quantize(matrix, name, granularity)
    except ValueError as error:
        raise ValueError(f"layer {label!r}: {error}") from None
    norm, moved = _norm(matrix), _norm(released.values - matrix)
    return torch.from_numpy(released.values), {
        "shape": " x ".join(map(str, weight.tensor.shape)), "weights": once.numel(), "scales": released.scale.size,
        "error": moved / norm if norm else 0.0, "norm": norm,
        "entropy": float(quantizers.code_entropy(released)[0]), "zeros": float(quantizers.sparsity(released)[0]),
    }  # fmt: skip


def _norm(array):
    """Return the norm of numbers whose squares single precision may not hold."""
    return float(np.sqrt(np.einsum("i,i->", array.ravel(), array.ravel(), dtype=np.float64)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout and batch statistics off; put every layer's own mode and buffers back afterwards."""
    modes = {layer: layer.training for layer in model.modules()}
    held = [(layer, dict(layer._buffers), {k: b.clone() for k, b in layer._buffers.items() if b is not None})
            for layer in model.modules() if layer._buffers]  # fmt: skip
    for layer in modes:  # not by ``eval()``, which exported models lack and others override
        layer.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, mode in modes.items():
            layer.training = mode
        for layer, buffers, copies in held:
            layer._buffers.update(buffers)
            for name, copy in copies.items():
                if (buffer := buffers[name]) is not None and not torch.equal(buffer, copy):
                    with writing(buffer):
                        buffer.copy_(copy)


@dataclass(frozen=True)
class Plan:
    """Hold what every model is measured with; ``members`` and ``heldout`` are (inputs, labels) tensors."""

    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    members: tuple[torch.Tensor, torch.Tensor]
    heldout: tuple[torch.Tensor, torch.Tensor]
    names: list[str]
    how: dict  # skip, include, embeddings, granularity
    task: str | None
    batch_size: int
    seed: int

    def weights(self, model: nn.Module) -> dict[str, Weight]:
        """Return the tensors of a model that are quantized, by name."""
        return locate(model, self.how["skip"], self.how["embeddings"], self.how["include"])


@dataclass(frozen=True)
class Inventory:
    """Hold what there is to say about models that are audited: of which task, how much is quantized, how large."""

    task: str
    in_unit: bool  # whether all outputs lie in [0, 1]
    quantized: str  # how many numbers, of how many
    share: float  # of the numbers in tensors of two or more axes
    left: str  # which tensors stay as trained
    largest_left: str  # the largest of them, with their layers
    relabelled: bool  # whether labels -1 and 1 were taken for classes 0 and 1
    y: tuple[np.ndarray, np.ndarray]  # the labels of members and of held-out records
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
        with evaluating(model):
            shapes = {label: tuple(weight.tensor.shape) for label, weight in plan.weights(model).items()}
            outputs = _try(model, plan)
            if place == 0:
                first, about = shapes, _describe(model, plan, outputs)
            if shapes != first:
                raise ValueError(
                    f"all models must have one architecture; model {place} has {shapes}, the first {first}"
                )
            measured, described = _measure(model, plan, about, alone)
        every.append(measured)
        rows += [{"model": place} | row for row in described]
    y, y_out = about.y
    evidence = {}
    for name in plan.names:
        seen = {key: np.stack([one[name][key] for one in every]) for key in every[0][name]}
        books = {"neighbourhood": seen.pop("neighbours")[0]} if "neighbours" in seen else {}
        evidence[name] = Evidence(trained_on, task=about.task, y=y, y_out=y_out, codebooks=books, quantizer=name,
                                  granularity=plan.how["granularity"], **seen)  # fmt: skip
    return evidence, rows, about


def _describe(model, plan, outputs):
    """Return the inventory of a model, from its outputs on some held-out records."""
    weights, everything = plan.weights(model), distinct(tensors(model))
    taken = {weight.place for weight in weights.values()}
    left = [w for w in everything if w.place not in taken]
    wide = [w for w in left if w.tensor.ndim > 1]
    named = [f"{w.name} ({' x '.join(map(str, w.tensor.shape))})" for w in wide[:8]]
    if len(wide) > 8:
        named.append(f"{len(wide) - 8} more")
    if vectors := sum(_count(w) for w in left if w.tensor.ndim <= 1):
        named.append(f"{vectors:,} numbers in vectors (biases, norms)")
    named += [
        f"{name} (quantized already)" for name, layer in model.named_modules()
        if type(layer).__module__.startswith("torch.ao.nn.")
    ]  # fmt: skip
    count, every = (sum(map(_count, group)) for group in (weights.values(), everything))
    size = sum(map(_bytes, everything)) + sum(b.nbytes for b in shipped_buffers(model))
    task, relabelled, *y = _infer_task(outputs, plan)
    return Inventory(
        task=task, in_unit=bool(outputs.min() >= 0 and outputs.max() <= 1), quantized=f"{count:,} of {every:,}",
        share=count / (count + sum(map(_count, wide))), left=", ".join(named), relabelled=relabelled, y=tuple(y),
        largest_left=", ".join(w.title for w in sorted(wide, key=_count)[: -LARGEST_LEFT - 1 : -1]), bytes=size,
        bytes_left=size - sum(map(_bytes, weights.values())),
    )  # fmt: skip


def _count(weight):
    return weight.values.numel() if weight.plain else weight.tensor.numel()


def _bytes(weight):
    return _count(weight) * weight.tensor.element_size()


def _infer_task(outputs, plan):
    """Return the task that outputs and labels speak of, whether -1 and 1 became classes, and the labels of both sides.

    Raises ValueError where outputs and labels disagree, or outputs are no logits.
    """
    sides, wide = [data[1].cpu().numpy() for data in (plan.members, plan.heldout)], outputs.ndim == 2
    found = np.unique(np.concatenate(sides))
    two = np.isin(found, (0, 1)).all() or found.tolist() == [-1, 1]
    if plan.task is None and not wide and found.tolist() in ([-1, 0, 1], [-1, 0]):
        values = ", ".join(f"{v:g}" for v in found)
        raise ValueError(f"labels are {values}: leave out records whose label is missing, or say task='regression'")
    task = plan.task or ("multiclass" if wide else "binary" if two else "regression")
    if task not in ensemble.TASKS or (task == "multiclass") != wide:
        raise ValueError(f"task must be one of {ensemble.TASKS} and fit outputs of shape {outputs.shape}; got {task!r}")
    classes = outputs.shape[1] if wide else 2
    relabelled = task == "binary" and bool((found < 0).any())
    names = ("members' labels", "held-out labels")
    if relabelled and found.tolist() == [-1, 1]:
        sides = [(side > 0).astype(np.int64) for side in sides]
    y = [records.labels(side, task, classes, name) for side, name in zip(sides, names, strict=True)]
    if wide and outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        raise ValueError("outputs look like probabilities: return logits, and let the loss take the softmax")
    return task, relabelled, *y


def _input_dtype(model):
    """Return the widest floating type of a model's parameters, None where there is none: what inputs are cast to."""
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point() and p.element_size() > 1}
    return reduce(torch.promote_types, kinds) if kinds else None


def _evaluate(model, loss, x, y):
    """Return outputs (n,) or (n, C), at least float32, and losses of one batch; ValueError for any other shape."""
    torch.clear_autocast_cache()  # it would hold the weights of before, under the reader's autocast
    first, dtype = next(model.parameters()), _input_dtype(model)
    given, x = x, x.to(first.device, dtype if x.is_floating_point() else None)
    if x.is_floating_point() and not torch.isfinite(x).all():
        raise ValueError(f"inputs reach {given.abs().max():g}, beyond {dtype}, the only type of the model's parameters")
    z = model(x)
    if not isinstance(z, torch.Tensor):
        raise TypeError(f"the model returned {type(z).__name__}, not a tensor: wrap it so that it returns logits")
    z = z if z.dtype == torch.float64 else z.float()
    z = z[:, 0] if z.ndim == 2 and z.shape[1] == 1 else z
    if z.ndim not in (1, 2) or len(z) != len(x):
        raise ValueError(f"outputs must be (n,), (n, 1) or (n, C) for n records; got {tuple(z.shape)} for {len(x)}")
    y = y.to(first.device, z.dtype if z.ndim == 1 else torch.int64)  # tables often hold class numbers as floats
    return z.cpu(), loss(z, y).cpu()


def _try(model, plan):
    """Return the outputs of the first batch; ValueError unless each record has its own outputs and loss, always."""
    x, y = (part[: plan.batch_size] for part in plan.heldout)
    try:
        (z, loss), (again, _) = (_evaluate(model, plan.loss, x, y) for _ in range(2))
    except Exception as error:  # whatever the reader's own code raises
        raise ValueError(f"model or loss failed on held-out records: {type(error).__name__}: {error}") from error
    spread = float(z[torch.isfinite(z)].abs().max()) if torch.isfinite(z).any() else 0.0
    close = partial(torch.allclose, rtol=1e-3, atol=_noise(model) * spread, equal_nan=True)
    if not close(z, again):
        raise ValueError(
            "the model gives other outputs each time it sees the same records: dropout left on in its forward, or a "
            "state that it keeps?"
        )
    batch = (
        "a record's outputs depend on the other records of its batch (batch norm without running statistics, or "
        "activations quantized with a scale of the batch?)"
    )
    try:
        one, few = _evaluate(model, plan.loss, x[:1], y[:1])
    except Exception as error:
        raise ValueError(f"{batch}: one record alone fails, {type(error).__name__}: {error}") from error
    if loss.shape != (len(x),) or few.shape != (1,):
        shape = tuple(loss.shape)
        raise ValueError(f"loss is not per sample: shape {shape} for {len(x)} records; use reduction='none'")
    if not close(z[:1], one):
        raise ValueError(batch)
    if not torch.allclose(loss[:1], few, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise ValueError("loss is not per sample: a record's loss depends on the other records of its batch")
    return z.numpy()


def _noise(model):
    """Return how far outputs may move, relative to the largest, where only the order of sums changes."""
    return 3e-2 if _input_dtype(model) in (torch.float16, torch.bfloat16) else 1e-4


def _stream(model, plan, data, what):
    """Return a model's outputs and losses on all records, batch by batch; ValueError naming ``what`` if not finite."""
    batches = zip(*(part.split(plan.batch_size) for part in data), strict=True)
    parts = zip(*(_evaluate(model, plan.loss, *batch) for batch in batches), strict=True)
    outputs, losses = (torch.cat(part).numpy() for part in parts)
    bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(outputs).reshape(len(losses), -1).all(axis=1)))
    if bad.size:
        raise ValueError(f"{what}: output or loss is NaN or infinite for {len(bad)} records, first for record {bad[0]}")
    return outputs, losses


def _measure(model, plan, about, alone):
    """Return quantizer -> arrays of an Evidence, of one model, and a row per quantizer and tensor."""
    measured, rows = {}, []
    for name in plan.names:
        with quantized(model, name, **plan.how) as described:
            one = {"weights": _sampled([weight.values for weight in plan.weights(model).values()])}
            for part, end, y in zip(("members", "heldout"), ("", "_out"), about.y, strict=True):
                outputs, losses = _stream(model, plan, getattr(plan, part), f"quantizer {name!r}, {part}")
                signals = attacks.signal(outputs[None], y, about.task)[0]
                one |= {f"outputs{end}": outputs, f"losses{end}": losses, f"signals{end}": signals}
            if alone and name != "fp32":
                one["neighbours"] = np.stack([
                    _stream(model, plan, plan.heldout, f"a neighbour of quantizer {name!r}")[1]
                    for _ in neighbours(list(plan.weights(model).values()), plan)
                ])  # fmt: skip
        measured[name] = one
        rows += [{"quantizer": name} | row for row in described]
    return measured, rows


def _sampled(weights):
    """Return about MOST of the quantized weights at most; tensor by tensor, so that memory holds one in float32."""
    total = sum(w.numel() for w in weights)
    shares = [-(-MOST * w.numel() // total) for w in weights]
    tensors = (w.detach().float().cpu().numpy()[None] for w in weights)
    return np.concatenate([attacks.sample_weights([w], n)[0] for w, n in zip(tensors, shares, strict=True)])


def neighbours(weights: list[Weight], plan: Plan) -> Iterator[None]:
    """Turn quantized weights into one codeword next to them after the other: one random weight a level up or down."""
    rng, levels, values = np.random.default_rng(plan.seed), {}, [weight.values for weight in weights]
    sizes = np.array([part.numel() for part in values])
    for _ in range(NEIGHBOURS):
        which = rng.choice(len(weights), p=sizes / sizes.sum())
        part, at = values[which], tuple(np.unravel_index(rng.integers(sizes[which]), values[which].shape))
        group = at[: weights[which].lead] if plan.how["granularity"] == "row" else ()  # whose scale makes the levels
        if (which, *group) not in levels:
            levels[which, *group] = np.unique(part[group].float().cpu().numpy())
        old = part[at].item()
        with writing(part):
            part[at] = indicators.adjacent(levels[which, *group], old, rng)
        yield
        with writing(part):
            part[at] = old
