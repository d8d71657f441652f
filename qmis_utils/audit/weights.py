"""Which tensors of a torch module are its weights, as they are shipped: by storage, whatever layer computes them."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.rnn import RNNCellBase
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

KINDS = (nn.Linear, nn.Bilinear, _ConvNd, nn.MultiheadAttention, nn.RNNBase, RNNCellBase)
TABLES = (nn.Embedding, nn.EmbeddingBag)
COMPUTING = (WeightNorm, SpectralNorm, prune.BasePruningMethod)  # hooks that compute a weight before each forward
FROZEN = "weight"  # the name of a buffer that stands for a parameter that is not trained
PARTS = ("g", "v", "u", "orig", "mask")  # what they compute it from, weight_g and so on


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the names nearest to a wrong one, or nothing."""
    names, digits = [n for n in names if n], re.findall(r"\d+", name)
    alike = [n for n in names if digits and re.findall(r"\d+", n) == digits]  # "int8" means eight bits
    nearest = difflib.get_close_matches(name, names, 3, 0.4)
    close = difflib.get_close_matches(name, names, 3, 0.7) or alike or nearest
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


class Fixed(nn.Module):
    """Stand for a computed weight: the last step of a parametrisation, or a hook behind those that compute it."""

    def __init__(self, own: str, values: torch.Tensor):
        super().__init__()
        self.own, self.held = own, [values]  # in a list: no part of the model's state

    def forward(self, *_) -> torch.Tensor:
        """Return the values, as a parametrisation."""
        return self.held[0]

    def set(self, layer: nn.Module, _) -> None:
        """Put the values into a layer, as a hook."""
        setattr(layer, self.own, self.held[0])


@dataclass(frozen=True, eq=False)
class Weight:
    """Hold one tensor of a model: a parameter, or what a parametrisation or a hook computes in its place.

    Parameters
    ----------
    name : str
        Of the tensor in the model.
    layer, own : torch.nn.Module, str
        The layer, and the tensor's name there.
    tensor : torch.Tensor
        As the layer uses it.
    computed : {"", "parametrised", "hooked"}
        How the layer gets it, if it is no parameter.
    """

    name: str
    layer: nn.Module
    own: str
    tensor: torch.Tensor
    computed: str = ""

    @property
    def plain(self) -> bool:
        """Tell whether these are ordinary floating numbers: no packed or wrapped ones."""
        return type(self.tensor.data) is torch.Tensor and self.tensor.is_floating_point()

    @property
    def lead(self) -> int:
        """Return how many leading axes of ``values`` tell output channels apart."""
        return 2 if self._transposed else 1

    @property
    def _transposed(self) -> bool:
        return isinstance(self.layer, _ConvTransposeNd) and self.own == "weight"

    @property
    def values(self) -> torch.Tensor:
        """Return a view of the numbers, each once, output channels first: what is quantized and written to."""
        once = self.tensor.detach()
        for axis, (size, stride) in enumerate(zip(once.shape, once.stride(), strict=True)):
            once = once.narrow(axis, 0, 1) if stride == 0 and size > 1 else once  # an expanded axis repeats itself
        if self._transposed:
            return once.unflatten(0, (self.layer.groups, -1)).transpose(1, 2)
        return once.t() if _is_conv1d_of_gpt2(self.layer) and self.own == "weight" else once

    @property
    def place(self) -> tuple:
        """Return what equal for two tensors means that they are the same numbers in memory."""
        if self.computed or type(self.tensor.data) is not torch.Tensor or self.tensor.layout != torch.strided:
            return (id(self.layer) if self.computed else id(self.tensor), self.own)
        once = self.values
        axes = sorted((step, size) for size, step in zip(once.shape, once.stride(), strict=True) if size > 1)
        return (once.untyped_storage().data_ptr(), once.storage_offset(), tuple(axes))

    @property
    def title(self) -> str:
        """Return name, class of the layer and shape, in words."""
        return f"{self.name!r} ({type(self.layer).__name__}, {' x '.join(map(str, self.tensor.shape))})"

    def usual(self, embeddings: bool) -> bool:
        """Tell whether this is a weight that is quantized by default."""
        known = isinstance(self.layer, (*KINDS, *TABLES) if embeddings else KINDS) or _is_conv1d_of_gpt2(self.layer)
        foreign = type(self.layer).__module__.startswith("torch_geometric.") and type(self.layer).__name__ == "Linear"
        recurrent = isinstance(self.layer, nn.RNNBase | RNNCellBase) and self.own.startswith("weight")
        return (known or foreign) and (recurrent or self.own.endswith("weight"))


def _is_conv1d_of_gpt2(layer: nn.Module) -> bool:
    """Tell a layer of the class that GPT-2 uses, a linear layer whose weight is (in, out), from torch's Conv1d."""
    weight = getattr(layer, "weight", None)
    return type(layer).__name__ == "Conv1D" and isinstance(weight, torch.Tensor) and weight.ndim == 2


def tensors(model: nn.Module) -> Iterator[Weight]:
    """Yield every tensor that a model's layers use as parameters, under each of its names."""
    for prefix, layer in model.named_modules(remove_duplicate=False):
        path = prefix.split(".") if prefix else []
        if "parametrizations" in path:
            continue  # what it computes stands in the layer
        hooks = [hook for hook in layer._forward_pre_hooks.values() if isinstance(hook, COMPUTING)]
        hooked = [str(getattr(hook, "name", None) or getattr(hook, "_tensor_name", None)) for hook in hooks]
        apart = {f"{own}_{part}" for own in hooked for part in PARTS}
        held = [*layer._parameters.items(), *((own, t) for own, t in layer._buffers.items() if own == FROZEN)]
        found = [(own, t, "") for own, t in held if t is not None and own not in apart]
        with _still(layer):
            if parametrize.is_parametrized(layer):
                found += [(own, getattr(layer, own), "parametrised") for own in layer.parametrizations]
            for own in dict.fromkeys(hooked):
                _compute(layer)
                found.append((own, getattr(layer, own), "hooked"))
        yield from (Weight(".".join([*path, own]), layer, own, tensor, how) for own, tensor, how in found)


@contextmanager
def _still(layer: nn.Module) -> Iterator[None]:
    """Keep what computes a layer's weights from taking a step of its own, as spectral norm does in training."""
    modes = {module: module.training for module in layer.modules()}
    for module in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _compute(layer: nn.Module) -> None:
    """Run the hooks of a layer that compute its weights, and those that hold quantized ones."""
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, COMPUTING) or isinstance(getattr(hook, "__self__", None), Fixed):
            hook(layer, None)


def shipped_buffers(model: nn.Module) -> list[torch.Tensor]:
    """Return the buffers of a model but those that weights are computed from, and frozen weights."""
    apart = {(id(w.layer), FROZEN) for w in tensors(model)}
    apart |= {(id(w.layer), f"{w.own}_{part}") for w in tensors(model) if w.computed == "hooked" for part in PARTS}
    layers = (layer for name, layer in model.named_modules() if "parametrizations" not in name.split("."))
    held = (b for layer in layers for own, b in layer._buffers.items() if (id(layer), own) not in apart)
    return list({id(b): b for b in held if b is not None}.values())


def distinct(found: Iterable[Weight]) -> list[Weight]:
    """Return the tensors that hold numbers, those that share their memory once, under the first name."""
    once: dict[tuple, Weight] = {}
    for weight in found:
        if weight.tensor.numel():
            once.setdefault(weight.place, weight)
    return list(once.values())


def locate(model: nn.Module, skip: Iterable[str] = (), embeddings: bool = False, include: Iterable[str] = (),
           which: Callable[[str, torch.Tensor], bool] | None = None) -> dict[str, Weight]:  # fmt: skip
    """Return the weights that are quantized, name -> Weight, as ``find_weights`` says."""
    everything = list(tensors(model))
    layers = [name for name, _ in model.named_modules(remove_duplicate=False)]
    for option, patterns in (("skip", skip), ("include", include)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in [*layers, *(w.name for w in everything)]):
                raise ValueError(f"{option} pattern {pattern!r} matches no layer{did_you_mean(pattern, layers)}")

    def named(weight, patterns):
        heads = [weight.name[:at] for at, letter in enumerate(weight.name) if letter == "."]
        whole = any(fnmatchcase(weight.name, pattern) for pattern in patterns)
        return whole, any(fnmatchcase(head, pattern) for head in heads for pattern in patterns)

    out = {weight.place for weight in everything if any(named(weight, skip))}

    def meant(weight):
        by_name, by_layer = named(weight, include)
        if which is not None:
            return which(weight.name, weight.tensor) or by_name
        return weight.usual(embeddings) or by_name or (by_layer and weight.tensor.ndim > 1)

    wanted = distinct(weight for weight in everything if weight.place not in out and meant(weight))
    for weight in wanted:
        _check(weight)
    _check_overlap(wanted)
    if not wanted:
        raise ValueError(_nothing(model, everything))
    return {weight.name: weight for weight in wanted}


def _check(weight: Weight) -> None:
    """Raise ValueError for a tensor that cannot be quantized, naming it."""
    if not weight.plain:
        kind = type(weight.tensor.data if type(weight.tensor) is nn.Parameter else weight.tensor).__name__
        layer, packed = weight.name.rpartition(".")[0] or weight.name, f"{kind} of {weight.tensor.dtype}"
        raise ValueError(
            f"{weight.title} is quantized already or packed ({packed}): audit the float model, or skip=[{layer!r}]"
        )
    if weight.tensor.is_meta:
        raise ValueError(f"{weight.title} has no values (device meta): load the weights first")


def _check_overlap(weights: list[Weight]) -> None:
    """Raise ValueError for two tensors that share a part of their memory, and for one that shares it with itself."""
    by_storage: dict[int, list[Weight]] = {}
    for weight in (w for w in weights if not w.computed):
        by_storage.setdefault(weight.tensor.untyped_storage().data_ptr(), []).append(weight)
    for group in by_storage.values():
        group.sort(key=lambda w: w.values.storage_offset())
        ends = [_end(w.values) for w in group]
        apart = all(end <= w.values.storage_offset() for end, w in zip(ends, group[1:], strict=False))
        if apart and not any(_meets_itself(w.values) for w in group):
            continue
        taken: dict[int, str] = {}
        for weight in group:
            once = weight.values
            places = torch.arange(max(ends)).as_strided(once.shape, once.stride(), once.storage_offset())
            cells = places.unique().tolist()
            shared = next((taken[cell] for cell in cells if cell in taken), weight.name)
            if shared != weight.name or len(cells) < once.numel():
                raise ValueError(f"{weight.title} shares a part of its memory with {shared!r}: give it its own")
            taken |= dict.fromkeys(cells, weight.name)


def _end(once: torch.Tensor) -> int:
    return int(once.storage_offset()) + 1 + sum((n - 1) * s for n, s in zip(once.shape, once.stride(), strict=True))


def _meets_itself(once: torch.Tensor) -> bool:
    """Tell whether a step along an axis may end where a walk along the axes of smaller steps has been."""
    reach = 1
    for step, size in sorted((s, n) for n, s in zip(once.shape, once.stride(), strict=True) if n > 1):
        if step < reach:
            return True
        reach += (size - 1) * step
    return False


def _nothing(model: nn.Module, everything: list[Weight]) -> str:
    """Return why nothing can be quantized, with the largest tensors that there are."""
    largest = sorted(distinct(everything), key=lambda w: -w.tensor.numel())[:5]
    packed = [name for name, layer in model.named_modules() if type(layer).__module__.startswith("torch.ao.nn.")]
    if packed and not any(w.plain for w in largest):
        kind = type(model.get_submodule(packed[0])).__module__
        return f"layer {packed[0]!r} is quantized already ({kind}): audit the float model"
    there = "; name others by include=, the largest are " + ", ".join(w.title for w in largest) if largest else ""
    kinds = "no linear, convolution, recurrent or attention layer"
    return f"the model has no quantizable layer: {kinds}, or all skipped{there}"


def find_weights(model: nn.Module, skip: Iterable[str] = (), embeddings: bool = False, include: Iterable[str] = (),
                 which: Callable[[str, torch.Tensor], bool] | None = None) -> dict[str, torch.Tensor]:  # fmt: skip
    """Return the weight tensors of a model that are quantized.

    The weights of linear, bilinear, convolution, transposed convolution, recurrent and attention layers count, those of
    GPT-2's Conv1D and of torch_geometric's Linear too. What a parametrisation, weight norm, spectral norm or pruning
    computes is the weight, not what it computes it from. Tensors that share their memory are one, which is skipped if
    any of its names is.

    Parameters
    ----------
    model : torch.nn.Module
    skip, include : iterable of str
        Patterns such as "lm_head" or "*.norm", matched against the names of layers, of the layers they sit in, and of
        parameters: what to leave as it is, and what to quantize besides. A layer that is included counts with its
        tensors of two or more axes, a tensor that is named with any. What is skipped is not included.
    embeddings : bool
        Whether to quantize nn.Embedding and nn.EmbeddingBag too.
    which : function (name, tensor) -> bool, optional
        Chooses the weights in place of the classes of their layers; what is skipped stays out.

    Returns
    -------
    dict of torch.Tensor
        By name, in the order of the model.

    Raises
    ------
    ValueError
        For a pattern that matches nothing, a model with nothing to quantize, weights that are quantized already, have
        no values, or share a part of their memory.

    Examples
    --------
    >>> list(find_weights(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)), skip=["2"]))
    ['0.weight']
    >>> list(find_weights(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), which=lambda name, t: t.numel() > 3))
    ['0.weight']
    """
    return {name: weight.tensor for name, weight in locate(model, skip, embeddings, include, which).items()}


def replace(weight: Weight, values: torch.Tensor) -> Callable[[], None]:
    """Put values, output channels first, in the place of a computed weight; return what takes them away again."""
    shown = torch.empty_like(weight.tensor)
    Weight(weight.name, weight.layer, weight.own, shown).values.copy_(values.view(weight.values.shape))
    fixed = Fixed(weight.own, shown)
    if weight.computed == "parametrised":
        steps = weight.layer.get_submodule(f"parametrizations.{weight.own}")
        assert isinstance(steps, nn.ModuleList)
        steps.append(fixed)
        if getattr(weight.layer, weight.own) is not shown:
            del steps[-1]
            raise ValueError(f"{weight.title} is cached by parametrize.cached(): audit the model outside of it")
        return lambda: steps.__delitem__(-1)
    handle, before = weight.layer.register_forward_pre_hook(fixed.set), getattr(weight.layer, weight.own)
    fixed.set(weight.layer, None)

    def undo():
        handle.remove()
        setattr(weight.layer, weight.own, before)

    return undo
