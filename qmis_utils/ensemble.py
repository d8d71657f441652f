"""Many small multilayer perceptrons trained as one batch: the shadow models of an attack in seconds, not hours.

All models share one architecture and one pool of samples; each has its own members, its own order and, if asked,
its own initialisation. Every model's parameters sit in one row of a (models, P) buffer, so that a training step is
one batched product per layer and direction, and one fused optimiser step.
"""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from qmis_utils import quantizers

TASKS = ("binary", "multiclass", "regression")
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class Ensemble:
    """Hold M trained networks: ``weights[l]`` is (M, out, in), ``biases[l]`` (M, out), ReLU between layers."""

    weights: tuple[torch.Tensor, ...]
    biases: tuple[torch.Tensor, ...]
    task: str

    def __len__(self):
        return len(self.weights[0])

    def __getitem__(self, models):
        """Select models by slice or index array."""
        pick = models if isinstance(models, slice) else torch.as_tensor(np.asarray(models))
        return replace(self, weights=tuple(w[pick] for w in self.weights), biases=tuple(b[pick] for b in self.biases))

    def quantize(self, name, granularity="tensor"):
        """Quantize every weight matrix with its own scale; biases stay in full precision.

        Raises ValueError for an unknown quantizer (see ``quantizers.quantize``).
        """
        return replace(self, weights=tuple(quantizers.quantize(w, name, granularity).values for w in self.weights))

    def vectors(self):
        """Return the released weights of each model as one row, (M, P) float32, biases left out."""
        return torch.cat([w.flatten(1) for w in self.weights], dim=1).cpu().numpy()

    def logits(self, x, chunk=64):
        """Evaluate every model on the same inputs.

        Parameters: ``x`` (m, d) inputs; ``chunk`` models at a time bound the memory.
        Returns (M, m) float32 logits (predictions for regression), (M, m, C) for several classes.
        """
        x = torch.as_tensor(np.asarray(x, dtype=np.float32), device=self.weights[0].device)
        out = [_forward(x, self[i : i + chunk])[-1] for i in range(0, len(self), chunk)]
        z = torch.cat(out).cpu().numpy()
        return z if self.task == "multiclass" else z[..., 0]


def concatenate(ensembles):
    """Join ensembles of one architecture into one, models in order."""
    weights = zip(*(e.weights for e in ensembles), strict=True)
    biases = zip(*(e.biases for e in ensembles), strict=True)
    return Ensemble(tuple(map(torch.cat, weights)), tuple(map(torch.cat, biases)), ensembles[0].task)


def record_gradients(models, x, y):
    """Return the gradient of each record's loss at the mean of the models' weights, (N, P), biases left out."""
    mean = replace(
        models,
        weights=tuple(w.mean(dim=0, keepdim=True) for w in models.weights),
        biases=tuple(b.mean(dim=0, keepdim=True) for b in models.biases),
    )
    device = mean.weights[0].device
    x, y = (torch.as_tensor(np.asarray(a, np.float32), device=device) for a in (x, y))
    activations = _forward(x, mean)
    dz, gradients = _loss_gradient(activations[-1], y[None], models.task) * len(x), []
    for layer in reversed(range(len(mean.weights))):
        gradients.append(torch.einsum("no,ni->noi", dz[0], activations[layer][0]).flatten(1))
        if layer:
            dz = torch.bmm(dz, mean.weights[layer]).mul_(activations[layer] > 0)
    return torch.cat(gradients[::-1], dim=1).cpu().numpy()


def random_halves(n_models, n_pool, rng):
    """Draw each model's members: an independent random half of the pool.

    Returns a (n_models, n_pool) boolean array with exactly n_pool // 2 members a row. Rows are independent, never
    complementary pairs, whose balanced counts would reveal a target's membership to a leave-one-out attack.
    """
    order = rng.permuted(np.tile(np.arange(n_pool), (n_models, 1)), axis=1)
    return order < n_pool // 2


def _forward(x, model):
    """Return the input of every layer and the final output, each (M, m, width); x is (m, d) or (M, m, d)."""
    activations = [x.expand(len(model), *x.shape) if x.ndim == 2 else x]
    for layer, (w, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        z = torch.baddbmm(b[:, None, :], activations[-1], w.transpose(1, 2))
        activations.append(z.relu_() if layer < len(model.weights) - 1 else z)
    return activations


def _loss_gradient(z, y, task):
    """Return d(mean loss)/dz: cross-entropy for classes, squared error for regression; z (M, n, C)."""
    if task == "binary":
        return (torch.sigmoid(z) - y[..., None]) / z.shape[1]
    if task == "regression":
        return 2 * (z - y[..., None]) / z.shape[1]
    return (torch.softmax(z, dim=-1) - torch.nn.functional.one_hot(y.long(), z.shape[-1])) / z.shape[1]


def _backward(activations, dz, model, grad):
    """Write the gradient of every layer into ``grad``, an Ensemble of views on the flat gradient buffer."""
    for layer in reversed(range(len(model.weights))):
        torch.bmm(dz.transpose(1, 2), activations[layer], out=grad.weights[layer])
        torch.sum(dz, dim=1, out=grad.biases[layer])
        if layer:
            dz = torch.bmm(dz, model.weights[layer]).mul_(activations[layer] > 0)


def _views(flat, sizes, task):
    """Cut the rows of a (M, P) buffer into weight and bias views, laid out layer by layer as nn.Linear does."""
    weights, biases, at = [], [], 0
    for fan_in, fan_out in itertools.pairwise(sizes):
        weights.append(flat[:, at : at + fan_in * fan_out].view(-1, fan_out, fan_in))
        at += fan_in * fan_out
        biases.append(flat[:, at : at + fan_out])
        at += fan_out
    return Ensemble(tuple(weights), tuple(biases), task)


def _initial(n_models, sizes, init, seed):
    """Draw U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases, the default of nn.Linear."""
    rows = []
    for model in range(1 if init == "shared" else n_models):
        rng = np.random.default_rng([seed, model])
        layers = itertools.pairwise(sizes)
        rows.append(np.concatenate([rng.uniform(-1, 1, (i + 1) * o) / np.sqrt(i) for i, o in layers]))
    flat = torch.tensor(np.array(rows), dtype=torch.float32)
    return flat.expand(n_models, -1).clone()


def _check(x, y, members, task, init, optimizer):
    if task not in TASKS or init not in ("shared", "random") or optimizer not in OPTIMIZERS:
        raise ValueError(
            f"task must be one of {TASKS}, init 'shared' or 'random', optimizer one of {tuple(OPTIMIZERS)}; "
            f"got {task!r}, {init!r}, {optimizer!r}"
        )
    if x.ndim != 2 or y.shape != (len(x),) or members.ndim != 2 or members.shape[1] != len(x):
        raise ValueError(f"x must be (N, d), y (N,) and members (M, N); got {x.shape}, {y.shape} and {members.shape}")
    if len(set(members.sum(axis=1).tolist())) != 1 or not members.any():
        raise ValueError("members must hold the same positive number of True in every row")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    if task == "binary" and not np.isin(y, (0, 1)).all():
        raise ValueError("a binary task needs labels y in {0, 1}")


def train(x, y, members, *, task="binary", hidden=(32,), steps=200, lr=1e-2, weight_decay=0.0, optimizer="adam",
          batch_size=None, init="shared", seed=0, chunk=32, device="cpu", progress=False):  # fmt: skip
    """Train one network per row of ``members``, all in one batch.

    Parameters
    ----------
    x, y : array (N, d) and (N,)
        The pool. Labels are 0/1 ("binary"), 0..C-1 ("multiclass") or real numbers ("regression").
    members : bool array (M, N)
        Which samples each model trains on; the same number in every row (``random_halves`` draws them).
    task, hidden : str, tuple of int
        Loss (cross-entropy or squared error) and hidden widths.
    steps, lr, weight_decay, optimizer, batch_size : training settings
        ``batch_size=None`` is full batch; otherwise each model walks its members in its own order, reshuffled
        every epoch. ``weight_decay`` is the L2 term of ``torch.optim``.
    init : {"shared", "random"}
        One initialisation for all models, or one each.
    seed, chunk, device, progress : int, int, str, bool
        ``chunk`` models are trained together; it bounds the memory and changes no result beyond rounding.

    Returns
    -------
    Ensemble
        M trained networks, in the order of the rows of ``members``.

    Raises
    ------
    ValueError
        For arrays whose shapes disagree, unequal member counts, labels unfit for the task, unknown option names.
    """
    x, y, members = np.asarray(x, np.float32), np.asarray(y, np.float32), np.asarray(members, bool)
    _check(x, y, members, task, init, optimizer)
    sizes = (x.shape[1], *hidden, int(y.max()) + 1 if task == "multiclass" else 1)
    start = _initial(len(members), sizes, init, seed)
    index = torch.from_numpy(np.nonzero(members)[1].reshape(len(members), -1))
    pool = torch.tensor(x, device=device), torch.tensor(y, device=device)

    def fit(at):
        order = _batches(index[at : at + chunk], steps, batch_size, seed, at)
        flat = start[at : at + chunk].to(device)
        step = OPTIMIZERS[optimizer]([flat], lr=lr, weight_decay=weight_decay, fused=True)
        return _fit(flat, step, *pool, order, sizes, task)

    starts = range(0, len(members), chunk)
    with _single_threaded() as threads:
        parallel = Parallel(min(threads, len(starts)), backend="threading", return_as="generator")
        trained = parallel(delayed(fit)(at) for at in starts)
        bar = tqdm(trained, total=len(starts), desc="training", unit="chunk", disable=not progress, leave=False)
        return _views(torch.cat(list(bar)), sizes, task)


@contextmanager
def _single_threaded():
    """Give each chunk one thread instead of splitting every small product over all of them.

    Threads then never wait for each other inside a step, and results do not depend on their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def _batches(index, steps, batch_size, seed, first):
    """Yield the pool indices (models, batch) of every step; None after the first step means "the same again"."""
    n = index.shape[1]
    if batch_size is None or batch_size >= n:
        yield index
        for _ in range(steps - 1):
            yield None
        return
    rngs = [np.random.default_rng([seed, first + i, 1]) for i in range(len(index))]
    per_epoch = -(-n // batch_size)
    for step in range(steps):
        if step % per_epoch == 0:
            shuffled = torch.gather(index, 1, torch.from_numpy(np.stack([r.permutation(n) for r in rngs])))
        at = step % per_epoch * batch_size
        yield shuffled[:, at : at + batch_size]


def _fit(flat, optimizer, x, y, order, sizes, task):
    """Run the training loop on one chunk of models, in place on the (models, P) buffer ``flat``."""
    flat.grad = torch.zeros_like(flat)
    model, grad = _views(flat, sizes, task), _views(flat.grad, sizes, task)
    with torch.no_grad():
        for batch in order:
            if batch is not None:
                inputs, labels = x[batch], y[batch]
            activations = _forward(inputs, model)
            _backward(activations, _loss_gradient(activations[-1], labels, task), model, grad)
            optimizer.step()
    return flat.detach()
