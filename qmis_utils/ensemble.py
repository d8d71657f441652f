"""Many small multilayer perceptrons trained as one batch: the shadow models of an attack in seconds, not hours.

All models share one architecture and one pool of samples; each has its own members, its own order and, if asked,
its own initialisation. A training step is one batched product per layer and direction, and one fused optimiser step.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from qmis_utils import quantizers, records
from qmis_utils.records import TASKS as TASKS  # offered as ``ensemble.TASKS``

OPTIMIZERS = ("adam", "sgd")
# inputs of the models trained together, and how many at most: about a core's cache, or what keeps a GPU busy
CHUNK_BYTES, CHUNK_MODELS = {"cpu": 2**21, "cuda": 2**29}, {"cpu": 32, "cuda": 2**12}
CHUNK_WEIGHTED = 2**10  # so many of the very small networks that are trained on a handful of weighted samples


@dataclass(frozen=True)
class Ensemble:
    """Hold M trained networks of one architecture, with ReLU between their layers.

    Parameters
    ----------
    weights, biases : tuple of tensor (M, out, in) and (M, out)
        One entry a layer.
    task : {"binary", "multiclass", "regression"}
        What the outputs are: a logit, a logit for each class, or a prediction.

    Examples
    --------
    >>> one = Ensemble((torch.tensor([[[3.0, -1.0]]]),), (torch.tensor([[0.5]]),), "binary")
    >>> len(one), one.logits([[1.0, 2.0], [0.0, 0.0]]).tolist()
    (1, [[1.5, 0.5]])
    """

    weights: tuple[torch.Tensor, ...]
    biases: tuple[torch.Tensor, ...]
    task: str

    def __len__(self) -> int:
        return len(self.weights[0])

    def __getitem__(self, models: slice | ArrayLike) -> "Ensemble":
        """Select models by slice or index array."""
        pick = models if isinstance(models, slice) else torch.as_tensor(np.asarray(models))
        return _map(lambda tensor: tensor[pick], self)

    @property
    def device(self) -> torch.device:
        """Return the torch.device that holds the weights."""
        return self.weights[0].device

    def to(self, device: str | torch.device) -> "Ensemble":
        """Return the same models on another device (str or torch.device)."""
        return _map(lambda tensor: tensor.to(device), self)

    def quantize(self, name: str, granularity: str = "tensor") -> "Ensemble":
        """Quantize every weight matrix with its own scale; biases stay in full precision.

        Parameters
        ----------
        name, granularity : str
            The rule, and what shares a scale, as in ``quantizers.quantize``.

        Raises
        ------
        ValueError
            For an unknown quantizer.
        """
        return replace(self, weights=tuple(quantizers.quantize(w, name, granularity).values for w in self.weights))

    def vectors(self) -> np.ndarray:
        """Return the released weights of each model as one row, (M, P) float32, biases left out."""
        return torch.cat([w.flatten(1) for w in self.weights], dim=1).cpu().numpy()

    def logits(self, x: ArrayLike, chunk: int = 64) -> np.ndarray:
        """Evaluate every model on the same inputs.

        Parameters
        ----------
        x : array (m, d)
        chunk : int
            So many models at a time bound the memory.

        Returns
        -------
        float32 array (M, m), or (M, m, C) for several classes
            Logits; predictions for regression.
        """
        x = torch.tensor(records.inputs(x, self.weights[0].shape[2]), device=self.device)  # a copy: some are read-only
        chunk = records.whole(chunk, "chunk")
        out = [_forward(x, self[i : i + chunk])[-1] for i in range(0, len(self), chunk)]
        z = torch.cat(out).cpu().numpy()
        return z.transpose(0, 2, 1) if self.task == "multiclass" else z[:, 0]


def _map(function: Callable[[torch.Tensor], torch.Tensor], model: Ensemble) -> Ensemble:
    return replace(model, weights=tuple(map(function, model.weights)), biases=tuple(map(function, model.biases)))


def _tensors(model):
    return [*model.weights, *model.biases]


def _views(flat, model):
    """Cut a flat buffer into the tensors of an Ensemble shaped like ``model``, each contiguous."""
    blocks = iter(flat.split([tensor.numel() for tensor in _tensors(model)]))
    return _map(lambda tensor: next(blocks).view(tensor.shape), model)


def concatenate(ensembles: Sequence[Ensemble]) -> Ensemble:
    """Join ensembles of one architecture into one, models in order."""
    weights = zip(*(e.weights for e in ensembles), strict=True)
    biases = zip(*(e.biases for e in ensembles), strict=True)
    return Ensemble(tuple(map(torch.cat, weights)), tuple(map(torch.cat, biases)), ensembles[0].task)


def checked_records(models: Ensemble, x: ArrayLike, y: ArrayLike, end: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (N, d), float32, and labels (N,) that fit models; ValueError, naming x or y + ``end``, if not."""
    x = records.inputs(x, models.weights[0].shape[2], f"x{end}")
    classes = models.weights[-1].shape[1] if models.task == "multiclass" else None
    y = records.labels(y, models.task, classes, f"y{end}")
    if len(x) != len(y):
        raise ValueError(f"x{end} and y{end} must hold the same records; got {len(x)} and {len(y)}")
    return x, y


def record_gradients(models: Ensemble, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the gradient of each record's loss at the mean of the models' weights, biases left out.

    Parameters
    ----------
    models : Ensemble
    x, y : array (N, d) and (N,)
        The records and their labels.

    Returns
    -------
    float32 array (N, P)
        In the order of ``Ensemble.vectors``.

    Raises
    ------
    ValueError
        For inputs or labels that do not fit the models.
    """
    mean = _map(lambda tensor: tensor.mean(dim=0, keepdim=True), models)
    x, y = (torch.tensor(a, dtype=torch.float32, device=mean.device) for a in checked_records(models, x, y))
    activations = _forward(x[None], mean)
    per_layer: list[torch.Tensor] = []
    delta = _loss_gradient(activations.pop(), y[None, None], models.task)
    for w, below in zip(mean.weights[::-1], activations[::-1], strict=True):
        per_layer.insert(0, torch.einsum("on,in->noi", delta[0], below[0]).flatten(1))
        delta = (w.transpose(1, 2) @ delta) * (below > 0)
    return torch.cat(per_layer, dim=1).cpu().numpy()


def random_halves(n_models: int, n_pool: int, rng: np.random.Generator) -> np.ndarray:
    """Draw each model's members: an independent random half of the pool.

    Returns
    -------
    bool array (n_models, n_pool)
        Exactly n_pool // 2 members a row. Rows are independent, never complementary pairs, whose balanced counts would
        reveal a target's membership to a leave-one-out attack.

    Raises
    ------
    ValueError
        For no model, or fewer than two records.

    Examples
    --------
    >>> random_halves(3, 6, np.random.default_rng(0)).sum(axis=1)
    array([3, 3, 3])
    """
    n_models, n_pool = records.whole(n_models, "n_models"), records.whole(n_pool, "n_pool", 2)
    order = rng.permuted(np.tile(np.arange(n_pool), (n_models, 1)), axis=1)
    return order < n_pool // 2


def _forward(x, model):
    """Return the input of every layer and the final output, each (M, width, m); x is (m, d) or (M, m, d).

    Samples come last: a bias is then one number per row, and its gradient a sum along memory.
    """
    activations = [x.transpose(-2, -1)]
    for layer, (w, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        if activations[-1].ndim == 2:  # inputs that all models share: one large product instead of M small ones
            z = (w.flatten(0, 1) @ activations[-1]).view(*w.shape[:2], len(x))
        else:
            z = torch.bmm(w, activations[-1])
        z = z.add_(b[:, :, None])
        activations.append(z.relu_() if layer < len(model.weights) - 1 else z)
    return activations


def outputs(models: Ensemble, x: torch.Tensor) -> torch.Tensor:
    """Return the outputs (M, m, C) on inputs (M, m, d) in a way that torch can differentiate."""
    for layer, (w, b) in enumerate(zip(models.weights, models.biases, strict=True)):
        x = torch.baddbmm(b[:, None], x.relu() if layer else x, w.transpose(1, 2))
    return x


def _loss_gradient(z, y, task: str):
    """Turn z into d(loss)/dz: cross-entropy for classes, squared error for regression; z (M, C, m), y (M, 1, m)."""
    if task == "binary":
        return z.sigmoid_().sub_(y)
    if task == "regression":
        return z.sub_(y).mul_(2)
    classes = torch.arange(z.shape[1], device=z.device)[:, None]
    return torch.softmax(z, dim=1).sub_((y == classes).to(z))


class Optimizer(NamedTuple):
    """Hold what a step of "adam" or "sgd" of ``torch.optim`` needs, each list with one entry per tensor.

    The kernels are called directly: for a few small models the classes around them cost more than they do, and
    importing them costs more than a second.
    """

    name: str
    lr: float
    weight_decay: float
    tensors: list[torch.Tensor]
    grads: list[torch.Tensor]
    means: list[torch.Tensor]
    squares: list[torch.Tensor]
    counts: list[torch.Tensor]


def make_optimizer(
    name: str, tensors: list[torch.Tensor], grads: list[torch.Tensor], lr: float, weight_decay: float = 0.0
) -> Optimizer:
    """Return an Optimizer that moves ``tensors`` by the gradients that ``grads``, of the same shapes, will hold."""
    means, squares = ([torch.zeros_like(w) for w in tensors] for _ in range(2))
    return Optimizer(name, lr, weight_decay, tensors, grads, means, squares, [w.new_zeros(()) for w in tensors])


def _fused_adam(o: Optimizer):
    """Call the one kernel behind ``torch.optim.Adam(fused=True)``, a private name of torch."""
    torch._fused_adam_(
        o.tensors, o.grads, o.means, o.squares, [], o.counts, lr=o.lr, beta1=0.9, beta2=0.999,
        weight_decay=o.weight_decay, eps=1e-8, amsgrad=False, maximize=False,
    )  # fmt: skip


def _plain_adam(o: Optimizer):
    """Take the same step by public operations: a dozen passes over memory instead of one."""
    for w, g, mean, square, count in zip(o.tensors, o.grads, o.means, o.squares, o.counts):  # noqa: B905
        g = g.add(w, alpha=o.weight_decay)
        mean.mul_(0.9).add_(g, alpha=0.1)
        square.mul_(0.999).addcmul_(g, g, value=0.001)
        steps = count.double()  # 1 - 0.999^1 has four digits in single precision
        spread = (square / (1 - torch.pow(0.999, steps))).sqrt_().add_(1e-8)
        w.sub_((mean / (1 - torch.pow(0.9, steps))).div_(spread).mul_(o.lr))


def optimizer_step(o: Optimizer):
    """Take one step, in place."""
    if o.name == "sgd":
        for w, g in zip(o.tensors, o.grads):  # noqa: B905 - TorchScript knows no ``strict``
            w.mul_(1 - o.lr * o.weight_decay).add_(g, alpha=-o.lr)
        return
    for count in o.counts:
        count.add_(1)
    _adam(o)


def _initial(n_models, sizes, init, seed, task):
    """Draw U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, the default of nn.Linear, as an Ensemble."""
    layers, rows = list(itertools.pairwise(sizes)), []
    for model in range(1 if init == "shared" else n_models):
        rng = np.random.default_rng([seed, model])
        rows.append([rng.uniform(-1, 1, (i + 1, o)) / np.sqrt(i) for i, o in layers])
    stacked = [
        torch.tensor(np.array(layer), dtype=torch.float32).expand(n_models, -1, -1) for layer in zip(*rows, strict=True)
    ]
    weights = tuple(s.flatten(1)[:, : i * o].view(-1, o, i) for s, (i, o) in zip(stacked, layers, strict=True))
    return Ensemble(weights, tuple(s[:, -1] for s in stacked), task)


def _check(x: ArrayLike, y: ArrayLike, members: ArrayLike, task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return checked inputs, labels, and memberships or counts."""
    x, y, members = records.inputs(x), records.labels(y, task), _members_or_counts(members)
    if len(y) != len(x) or members.shape[1] != len(x):
        raise ValueError(f"x must be (N, d), y (N,) and members (M, N); got {x.shape}, {y.shape} and {members.shape}")
    if len(set(members.sum(axis=1).tolist())) != 1 or not members.any():
        raise ValueError("members must hold the same positive number of True in every row, or counts of one sum")
    if task == "multiclass" and y.min() > 0:
        raise ValueError(f"classes start at 0: no record of y has it, and the least is {y.min()}")
    return x, y, members


def _members_or_counts(members: ArrayLike) -> np.ndarray:
    """Return memberships as bool, or how often each sample counts as integers where one counts more than once."""
    given = np.asarray(members)
    if given.dtype.kind in "iu" and given.ndim == 2 and given.size and given.min() >= 0 and given.max() > 1:
        return given
    return records.membership(members, (None, None))


def _check_options(hidden, init, optimizer, batch_size, chunk, steps, seed, lr, weight_decay):
    """Check the options of training: ValueError naming the first that is wrong, and what is valid."""
    if init not in ("shared", "random") or optimizer not in OPTIMIZERS:
        valid = f"init must be 'shared' or 'random', optimizer one of {OPTIMIZERS}"
        raise ValueError(f"{valid}; got {init!r}, {optimizer!r}")
    if isinstance(hidden, str) or not isinstance(hidden, Iterable):
        raise ValueError(f"hidden must hold the widths of the hidden layers, such as (32,); got {hidden!r}")
    for width in hidden:
        records.whole(width, "each width in hidden")
    for name, value in (("batch_size", batch_size), ("chunk", chunk)):
        if value is not None:
            records.whole(value, name)
    records.whole(steps, "steps")
    records.whole(seed, "seed", 0)
    for name, value, least in (("lr", lr, "above 0"), ("weight_decay", weight_decay, "of at least 0")):
        if not (isinstance(value, Real) and np.isfinite(value) and (value > 0 or (value == 0 and name != "lr"))):
            raise ValueError(f"{name} must be a finite number {least}; got {value!r}")


def train(
    x: ArrayLike,
    y: ArrayLike,
    members: ArrayLike,
    *,
    task: str = "binary",
    hidden: Sequence[int] = (32,),
    steps: int = 200,
    lr: float = 1e-2,
    weight_decay: float = 0.0,
    optimizer: str = "adam",
    batch_size: int | None = None,
    init: str = "shared",
    seed: int = 0,
    chunk: int | None = None,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> Ensemble:
    """Train one network per row of ``members``, all in one batch.

    Parameters
    ----------
    x, y : array (N, d) and (N,)
        The pool. Labels are 0/1, or -1/+1 ("binary"), whole numbers 0..C-1 ("multiclass") or real ("regression").
    members : bool array (M, N)
        Which samples each model trains on; the same number in every row (``random_halves`` draws them). Or whole
        numbers that add up to the same in every row: how often a sample counts. Its loss then has that weight, as if
        it were in the training set so many times, which full batches alone can do.
    task : {"binary", "multiclass", "regression"}
        Cross-entropy for classes, squared error for regression.
    hidden : tuple of int
        Widths of the hidden layers, none for a linear model.
    steps, lr, optimizer : int, float, {"adam", "sgd"}
        Steps of the optimizer, not epochs, and its learning rate.
    weight_decay : float
        The L2 term of ``torch.optim``, on weights and biases.
    batch_size : int or None
        None is full batch; otherwise each model walks its members in its own order, reshuffled every epoch.
    init : {"shared", "random"}
        One initialisation for all models, or one each.
    seed : int
        Of the initial weights and of the order of minibatches.
    chunk : int or None
        At most so many models are trained together; it bounds the memory and changes no result beyond rounding. None:
        8 to 32, as many as have two megabytes of inputs; on a GPU as many as have half a gigabyte.
    device : str
        "cpu", or "cuda" where torch sees a GPU; the ensemble stays there.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Ensemble
        M trained networks, in the order of the rows of ``members``.

    Raises
    ------
    ValueError
        For arrays whose shapes disagree, that are sparse or not finite, unequal member counts, labels unfit for the
        task, options out of range, minibatches of samples that count several times, a device that is not there.
    """
    _check_options(hidden, init, optimizer, batch_size, chunk, steps, seed, lr, weight_decay)
    x, y, members = _check(x, y, members, task)
    device = _device(device)
    sizes = (x.shape[1], *hidden, int(y.max()) + 1 if task == "multiclass" else 1)
    start = _initial(len(members), sizes, init, seed, task)
    weighted = members.dtype != bool
    if weighted and batch_size is not None:
        raise ValueError("batch_size must be None where members count several times: there are no batches of weights")
    whole = np.tile(np.arange(len(x)), (len(members), 1))
    index = torch.from_numpy(whole if weighted else np.nonzero(members)[1].reshape(len(members), -1))
    shares = torch.tensor(members / members[0].sum(), dtype=torch.float32, device=device) if weighted else None
    pool = tuple(torch.tensor(a, dtype=torch.float32, device=device) for a in (x, y))

    fitting = CHUNK_BYTES[device.type] // (4 * index.shape[1] * x.shape[1])
    most = CHUNK_WEIGHTED if weighted else CHUNK_MODELS[device.type]
    chunk = chunk or min(max(fitting, 8), most)
    if device.type == "cpu":
        chunk = min(chunk, -(-len(members) // 2))  # two chunks at least: work for two cores

    def fit(at):
        """Train the models of one chunk."""
        order = _batches(index[at : at + chunk], steps, batch_size, seed, at)
        part = start[at : at + chunk]
        flat = torch.cat([tensor.reshape(-1) for tensor in _tensors(part)]).to(device)
        grad = torch.zeros_like(flat)
        moves = make_optimizer(optimizer, [flat], [grad], lr, weight_decay)
        share = shares[at : at + chunk, None] if weighted else None
        return _fit(_views(flat, part), _views(grad, part), moves, *pool, order, share)

    starts = range(0, len(members), chunk)
    # a GPU works at one chunk after the other, and should hold one
    with single_threaded() as threads, ThreadPoolExecutor(threads if device.type == "cpu" else 1) as workers:
        trained = workers.map(fit, starts)
        bar = tqdm(trained, total=len(starts), desc="training", unit="chunk", disable=not progress, leave=False)
        return concatenate(list(bar))


def _device(device: str | torch.device) -> torch.device:
    """Return the torch.device of that name, or raise ValueError where this machine has none."""
    names = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if str(device) not in names:
        raise ValueError(f"device must be one of {names} here; got {device!r}")
    return torch.device(device)


@contextmanager
def single_threaded() -> Iterator[int]:
    """Give torch one thread instead of splitting every small product over all of them; yield how many it had.

    Threads then never wait for each other inside a step, ten times as long as they work where other programs run too,
    and results do not depend on their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def _batches(index, steps, batch_size, seed, first):
    """Yield pairs: the pool indices (models, batch) of a batch, and the number of steps to take on it."""
    n = index.shape[1]
    if batch_size is None or batch_size >= n:
        yield index, steps
        return
    rngs = [np.random.default_rng([seed, first + i, 1]) for i in range(len(index))]
    per_epoch = -(-n // batch_size)
    for step in range(steps):
        if step % per_epoch == 0:
            shuffled = torch.gather(index, 1, torch.from_numpy(np.stack([r.permutation(n) for r in rngs])))
        at = step % per_epoch * batch_size
        yield shuffled[:, at : at + batch_size], 1


class _Layer(NamedTuple):
    """Hold the arrays of one layer of a chunk and their views, made once: making them anew costs a third of a step."""

    w: torch.Tensor
    w_t: torch.Tensor
    b: torch.Tensor
    out: torch.Tensor  # (M, out, m), like ``delta``, d(loss)/d(out)
    out_t: torch.Tensor
    delta: torch.Tensor
    grad_w: torch.Tensor
    grad_b: torch.Tensor


def _layers(model, grad, m):
    """Return the layers of a chunk for batches of m samples."""
    layers = []
    for w, b, *grads in zip(model.weights, model.biases, grad.weights, grad.biases, strict=True):
        out, delta = (w.new_empty(len(w), w.shape[1], m) for _ in range(2))
        layers.append(_Layer(w, w.transpose(1, 2), b[:, :, None], out, out.transpose(1, 2), delta, *grads))
    return layers


def _fit(model, grad, moves, x, y, order, share=None):
    """Run the training loop on one chunk of models, in place; ``moves`` finds its gradients in ``grad``.

    ``share`` (M, 1, m) is the weight of each sample's loss; None: equal ones.
    """
    layers = {}
    with torch.no_grad():
        for batch, steps in order:
            size = batch.shape[1]
            if size not in layers:
                layers[size] = _layers(model, grad, size)
            weight = torch.full_like(x[0, 0], 1 / size) if share is None else share
            _descend(layers[size], moves, x[batch], y[batch][:, None], weight, model.task, steps)
    return model


def _steps(layers: list[_Layer], moves: Optimizer, inputs, labels, share, task: str, steps: int):
    """Take ``steps`` steps on one batch of every model; annotated for TorchScript, which compiles it where it can."""
    columns = inputs.transpose(1, 2).contiguous()  # products are faster on each in its own order
    last = len(layers) - 1
    for _ in range(steps):
        z = columns
        for at, layer in enumerate(layers):
            z = torch.bmm(layer.w, z, out=layer.out).add_(layer.b)
            if at < last:
                z.relu_()
        delta = _loss_gradient(z, labels, task).mul_(share)
        for at in range(last, -1, -1):
            layer = layers[at]
            torch.bmm(delta, layers[at - 1].out_t if at > 0 else inputs, out=layer.grad_w)
            torch.sum(delta, [2], out=layer.grad_b)
            if at > 0:
                below = layers[at - 1]
                if delta.shape[1] == 1:  # one output: nothing to sum over
                    delta = torch.mul(layer.w_t, delta, out=below.delta)
                else:
                    delta = torch.bmm(layer.w_t, delta, out=below.delta)
                # through ReLU: its output, read for the last time, becomes 0 or 1; a boolean mask is ten times slower
                delta.mul_(below.out.sign_())
        optimizer_step(moves)


def _fused_adam_works() -> bool:
    try:
        _fused_adam(make_optimizer("adam", [torch.zeros(1)], [torch.zeros(1)], lr=0.0))
    except (AttributeError, TypeError, RuntimeError):  # gone, or called in another way
        return False
    return True


def _compiled(function):
    """Compile by TorchScript, or return the function as it is where torch has no such compiler or it fails.

    Compiled steps run without Python's lock, for which two chunks on two threads would otherwise wait at every
    operation, up to a third of the time. Torch recommends ``torch.compile`` now, which needs a C++ compiler on the
    reader's machine.
    """
    try:
        return torch.jit.script(function)
    except Exception:  # whatever a torch to come raises: the same code runs as plain Python
        return function


# the one place where it shows which torch this is: either way the numbers are the same but for rounding
_adam = _fused_adam if _fused_adam_works() else _plain_adam
_descend = _compiled(_steps)
