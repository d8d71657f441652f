"""What an audit does to a reader's torch modules: quantize their weights in place, stream records through.

Tensor by tensor the original goes to disk and its quantized version takes its place; every bit is restored afterwards.
"""

import copy
import hashlib
import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from functools import partial, reduce

import numpy as np
import torch
from torch import nn

from qmis_utils import attacks, ensemble, quantizers, records
from qmis_utils.attacks import Evidence
from qmis_utils.audit.checks import Rule
from qmis_utils.audit.weights import Weight, distinct, locate, replace, shipped_buffers, tensors
from qmis_utils.audit.weights import find_weights as find_weights

MOST = 20_000  # numbers of a model that a correlation compares: bounds the memory of its bootstrap
LEAST_SHARE = 0.2  # of the weights must be quantized
LARGEST_LEFT = 3  # tensors that the headline names where most of a model is left as trained


def digest(module):
    """Return a hash of a module's parameters and buffers, which trainings on different data do not share."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in (t for t in (*module.parameters(), *module.buffers()) if type(t.data) is torch.Tensor):
        found.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy())
    return found.digest()


@contextmanager
def quantized(model: nn.Module, name: str, skip: Iterable[str] = (), embeddings: bool = False,
              granularity: str | int = "tensor", include: Iterable[str] = (), which: Callable | None = None
              ) -> Iterator[list[dict]]:  # fmt: skip
    """Quantize a model in place for the length of a ``with`` block, and restore every bit afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    name : str
        Of the quantizer or format; "fp32" changes nothing. A format leaves tensors whose rows are not whole blocks.
    skip, embeddings, include, which
        As `find_weights`.
    granularity : {"tensor", "row"} or int
        What shares a scale: a tensor, each output channel, or a block of so many weights.

    Yields
    ------
    list of dict
        A row a tensor: layer, shape, weights, scales, bits (released, in all), error, norm, entropy, zeros.

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
    weights = locate(model, skip, embeddings, include, which) if name != "fp32" else {}
    with tempfile.TemporaryDirectory(prefix="qmis-audit-") as folder, ExitStack() as restoring:
        rows = []
        for place, (label, weight) in enumerate(weights.items()):
            values, row = _quantize_tensor(label, weight, name, granularity)
            if values is None:
                rows.append({"layer": label, **row})
                continue
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
    """Return the quantized numbers of a tensor, output channels first, and a description of what is released.

    No numbers where the tensor does not fit the blocks of a format: it is released as it is.
    """
    once = weight.values
    matrix = once.to("cpu", torch.float32).flatten(0, weight.lead - 1)
    matrix = matrix.reshape(1, len(matrix), -1).numpy()
    if not quantizers.fits(matrix.shape, name):
        return None, _moved(label, weight, once.to("cpu", torch.float32))
    try:
        released = quantizers.quantize(matrix, name, granularity)
    except ValueError as error:
        raise ValueError(f"layer {label!r}: {error}") from None
    norm, moved = _norm(matrix), _norm(released.values - matrix)
    return torch.from_numpy(released.values), {
        "shape": " x ".join(map(str, weight.tensor.shape)), "weights": once.numel(), "scales": released.scale.size,
        "bits": quantizers.released_bits(matrix.shape, name, granularity),
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
    releases: dict[str, Rule | Callable]
    how: dict  # skip, include, embeddings, which
    task: str | None
    batch_size: int
    several: bool = True  # whether there is more than one model
    allow_partial: bool = False  # whether little of a model may be quantized

    @property
    def by_rules(self) -> bool:
        """Tell whether a release is quantized by a rule of ours."""
        return any(isinstance(rule, Rule) and rule.name != "fp32" for rule in self.releases.values())

    def weights(self, model: nn.Module) -> dict[str, Weight]:
        """Return the tensors of a model that are quantized, by name."""
        return locate(model, **self.how)


@dataclass(frozen=True)
class Inventory:
    """Hold what there is to say about models that are audited: of which task, how much is quantized, how large."""

    task: str
    in_unit: bool  # whether all outputs lie in [0, 1]
    quantized: str  # how many numbers, of how many
    numbers: int  # that are quantized
    share: float  # of the numbers in tensors of two or more axes
    left: str  # which tensors stay as trained
    largest_left: str  # the largest of them, with their layers
    relabelled: bool  # whether labels -1 and 1 were taken for classes 0 and 1
    y: tuple[np.ndarray, np.ndarray]  # the labels of members and of held-out records
    bytes: int
    bytes_left: int  # of what stays as trained
    sizes: dict[str, float] = field(default_factory=dict)  # bytes of what the reader's own functions return, if known
    one_by_one: tuple[str, ...] = ()  # releases whose outputs depend on the batch
    digest: str = ""  # of all numbers of all models


def measure_all(models: Iterable[tuple[nn.Module, np.ndarray | None]], plan: Plan
                ) -> tuple[dict[str, Evidence], list[dict], Inventory]:  # fmt: skip
    """Measure models one after the other, under each release.

    Parameters
    ----------
    models : iterable of (torch.nn.Module, bool array (N,) or None)
        M models of one architecture and the members that each was trained on; memory holds one, and its copy where a
        function releases it.
    plan : Plan

    Returns
    -------
    evidence : dict of Evidence
        Release -> what is seen of all models.
    rows : list of dict
        One a model, release and tensor.
    about : Inventory

    Raises
    ------
    ValueError
        For models of different architectures, and for outputs, losses or weights that cannot be measured.
    """
    every, rows, singly, hashes = [], [], set(), hashlib.blake2b(digest_size=16)
    sizes: dict[str, float] = {}
    owned: list[np.ndarray | None] = []
    for place, (model, own) in enumerate(models):
        owned.append(own)
        with evaluating(model):
            shapes = {label: tuple(weight.tensor.shape) for label, weight in plan.weights(model).items()}
            outputs = _try(model, plan)
            if place == 0:
                first, about = shapes, _describe(model, plan, outputs)
                if about.share < LEAST_SHARE and plan.by_rules and not plan.allow_partial:
                    raise ValueError(
                        f"only {about.share:.0%} of the weights would be quantized ({about.quantized} numbers): name "
                        f"others by include=, the largest are {about.largest_left}; or say allow_partial=True"
                    )
            if shapes != first:
                raise ValueError(
                    f"all models must have one architecture; model {place} has {shapes}, the first {first}"
                )
            trained = None if own is None else torch.from_numpy(np.asarray(own))
            hashes.update(digest(model))
            measured = {}
            for name, rule in plan.releases.items():
                with released(model, name, rule, plan, trained) as made:
                    measured[name] = _measure(made, name, plan, about)
                rows += [{"model": place, "quantizer": name} | row for row in made.rows]
                sizes.setdefault(name, made.size)
                singly |= {name} if made.batch_size < plan.batch_size else set()
        every.append(measured)
        for name in (n for n, rule in plan.releases.items() if place and not isinstance(rule, Rule)):
            if all(np.array_equal(measured[name][key], every[0][name][key]) for key in ("outputs", "outputs_out")):
                raise ValueError(
                    f"release {name!r} answers alike for different models: does its function use the one it is given?"
                )
    (y, y_out), evidence = about.y, {}
    trained_on = None if owned[0] is None else np.array(owned)
    for name in plan.releases:
        known = [key for key in every[0][name] if all(one[name][key] is not None for one in every)]
        seen = {key: np.stack([one[name][key] for one in every]) for key in known}
        evidence[name] = Evidence(trained_on, task=about.task, y=y, y_out=y_out, quantizer=name, **seen)
    return (
        evidence,
        rows,
        changed(
            about, sizes=sizes, one_by_one=tuple(n for n in plan.releases if n in singly), digest=hashes.hexdigest()
        ),
    )


@dataclass(frozen=True)
class Released:
    """Hold what answers for a release, how it is described, its quantized weights and its bytes, if those are known."""

    model: Callable
    rows: list[dict]
    weights: list[torch.Tensor] | None
    batch_size: int
    size: float = np.nan


@contextmanager
def released(model: nn.Module, name: str, rule: Rule | Callable, plan: Plan, trained: torch.Tensor | None
             ) -> Iterator[Released]:  # fmt: skip
    """Make one release of a model for the length of a ``with`` block: a rule of ours in place, a function of a copy."""
    if isinstance(rule, Rule):
        with quantized(model, rule.name, granularity=rule.granularity, **plan.how) as rows:
            yield Released(model, rows, [w.values for w in plan.weights(model).values()], plan.batch_size)
        return
    shipped = _ship(model, name, rule, plan, trained)
    with evaluating(shipped) if isinstance(shipped, nn.Module) else torch.no_grad():
        batch_size = plan.batch_size
        try:
            _try(shipped, plan)
        except DependsOnBatch:
            batch_size = 1  # asked one record at a time, as a single user does
        except ValueError as error:
            raise ValueError(f"release {name!r}: {error}") from error
        before = plan.weights(model)
        after = [_found(shipped, weight) for weight in before.values()]
        known = all(values is not None for values in after)
        rows = [_moved(*pair, a) for pair, a in zip(before.items(), after, strict=True)] if known else []
        yield Released(shipped, rows, after if known else None, batch_size, _size(shipped))


def _ship(model, name, function, plan, trained):
    """Call the reader's function on a copy of a model; ValueError naming the release if it cannot be used."""
    given = {}
    if "members" in inspect.signature(function).parameters:
        if trained is None and plan.several:
            raise ValueError(f"release {name!r} asks for members: say by trained_on= which a model was trained on")
        given["members"] = plan.members if trained is None else tuple(part[trained] for part in plan.members)
    try:
        shipped = function(copy.deepcopy(model), **given)
    except Exception as error:  # whatever the reader's own code raises
        raise ValueError(f"release {name!r}: its function failed, {type(error).__name__}: {error}") from error
    if not callable(shipped):
        raise ValueError(f"release {name!r}: its function must return what is called on inputs; got {shipped!r}")
    return shipped


def _found(shipped, weight):
    """Return the numbers that stand for a weight in a shipped module, dequantized; None where they are not found."""
    if not isinstance(shipped, nn.Module):
        return None
    path, _, own = weight.name.rpartition(".")
    try:
        layer = shipped.get_submodule(path)
        held = getattr(layer, own) if hasattr(layer, own) else layer.dequantize()
        held = held if isinstance(held, torch.Tensor) else held()  # torch.ao hides them behind a method
        held = held.dequantize() if held.is_quantized or type(held.data) is not torch.Tensor else held
        shown = Weight(weight.name, weight.layer, own, held.detach())
        same = held.shape == weight.tensor.shape and held.is_floating_point()
        return shown.values.to("cpu", torch.float32) if same else None
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None


def _moved(label, weight, after):
    """Describe a tensor of a release by its dequantized numbers alone."""
    before = weight.values.to("cpu", torch.float32)
    norm, moved = _norm(before.numpy()), _norm((after.view(before.shape) - before).numpy())
    return {
        "layer": label, "shape": " x ".join(map(str, weight.tensor.shape)), "weights": weight.values.numel(),
        "scales": 0, "bits": 8 * _bytes(weight), "error": moved / norm if norm else 0.0, "norm": norm,
        "entropy": np.nan, "zeros": float((after == 0).float().mean()),
    }  # fmt: skip


def _size(shipped):
    """Return the bytes of all tensors of a shipped module, packed ones as they are packed; NaN for a function."""
    if not isinstance(shipped, nn.Module):
        return np.nan
    return float(sum(map(_packed, shipped.state_dict().values())))


def _packed(value):
    """Return the bytes of a tensor, of its parts where it wraps some, of all in a tuple; 0 for anything else."""
    if isinstance(value, tuple | list):
        return sum(map(_packed, value))
    if not isinstance(value, torch.Tensor):
        return 0
    if hasattr(value, "__tensor_flatten__"):
        return sum(_packed(getattr(value, name)) for name in value.__tensor_flatten__()[0])
    if value.is_quantized:
        per_channel = value.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric)
        scales = value.q_per_channel_scales().numel() if per_channel else 1
        return value.numel() * value.element_size() + 4 * scales
    return value.nbytes


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
        numbers=count,
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


def _parameters(model):
    """Return the parameters of a module; of a function that answers for one, none."""
    return list(model.parameters()) if isinstance(model, nn.Module) else []


def _input_dtype(model):
    """Return the widest floating type of a model's parameters, None where there is none: what inputs are cast to."""
    kinds = {p.dtype for p in _parameters(model) if p.is_floating_point() and p.element_size() > 1}
    return reduce(torch.promote_types, kinds) if kinds else None


def _evaluate(model, loss, x, y):
    """Return outputs (n,) or (n, C), at least float32, and losses of one batch; ValueError for any other shape."""
    torch.clear_autocast_cache()  # it would hold the weights of before, under the reader's autocast
    device, dtype = next((p.device for p in _parameters(model)), torch.device("cpu")), _input_dtype(model)
    given, x = x, x.to(device, dtype if x.is_floating_point() else None)
    if x.is_floating_point() and not torch.isfinite(x).all():
        raise ValueError(f"inputs reach {given.abs().max():g}, beyond {dtype}, the only type of the model's parameters")
    z = model(x)
    z = torch.from_numpy(z) if isinstance(z, np.ndarray) else z
    if not isinstance(z, torch.Tensor):
        raise TypeError(f"the model returned {type(z).__name__}, not a tensor: wrap it so that it returns logits")
    z = z if z.dtype == torch.float64 else z.float()
    z = z[:, 0] if z.ndim == 2 and z.shape[1] == 1 else z
    if z.ndim not in (1, 2) or len(z) != len(x):
        raise ValueError(f"outputs must be (n,), (n, 1) or (n, C) for n records; got {tuple(z.shape)} for {len(x)}")
    y = y.to(z.device, z.dtype if z.ndim == 1 else torch.int64)  # tables often hold class numbers as floats
    return z.cpu(), loss(z, y).cpu()


class DependsOnBatch(ValueError):
    """Say that a record's outputs depend on the other records of its batch."""


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
        raise DependsOnBatch(f"{batch}: one record alone fails, {type(error).__name__}: {error}") from error
    if loss.shape != (len(x),) or few.shape != (1,):
        shape = tuple(loss.shape)
        raise ValueError(f"loss is not per sample: shape {shape} for {len(x)} records; use reduction='none'")
    if not close(z[:1], one):
        raise DependsOnBatch(batch)
    if not torch.allclose(loss[:1], few, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise ValueError("loss is not per sample: a record's loss depends on the other records of its batch")
    return z.numpy()


def _noise(model):
    """Return how far outputs may move, relative to the largest, where only the order of sums changes."""
    return 3e-2 if _input_dtype(model) in (torch.float16, torch.bfloat16) else 1e-4


def _stream(made, plan, data, what):
    """Return outputs and losses on all records, batch by batch; ValueError naming ``what`` if one is not finite."""
    batches = zip(*(part.split(made.batch_size) for part in data), strict=True)
    parts = zip(*(_evaluate(made.model, plan.loss, *batch) for batch in batches), strict=True)
    outputs, losses = (torch.cat(part).numpy() for part in parts)
    bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(outputs).reshape(len(losses), -1).all(axis=1)))
    if bad.size:
        raise ValueError(f"{what}: output or loss is NaN or infinite for {len(bad)} records, first for record {bad[0]}")
    return outputs, losses


def _measure(made, name, plan, about):
    """Return the arrays of an Evidence, of one release of one model."""
    one = {"weights": None if made.weights is None else _sampled(made.weights)}
    for part, end, y in zip(("members", "heldout"), ("", "_out"), about.y, strict=True):
        outputs, losses = _stream(made, plan, getattr(plan, part), f"quantizer {name!r}, {part}")
        signals = attacks.signal(outputs[None], y, about.task)[0]
        one |= {f"outputs{end}": outputs, f"losses{end}": losses, f"signals{end}": signals}
    return one


def _sampled(weights):
    """Return about MOST of the quantized weights at most; tensor by tensor, so that memory holds one in float32."""
    total = sum(w.numel() for w in weights)
    shares = [-(-MOST * w.numel() // total) for w in weights]
    tensors = (w.detach().float().cpu().numpy()[None] for w in weights)
    return np.concatenate([attacks.sample_weights([w], n)[0] for w, n in zip(tensors, shares, strict=True)])
