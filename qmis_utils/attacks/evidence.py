"""What is seen of released models: an ``Evidence``, which attacks and cheap numbers read, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, softmax

from qmis_utils import records
from qmis_utils.attacks.scores import signal, signal_loss
from qmis_utils.attacks.weights import align
from qmis_utils.ensemble import Ensemble, checked_records, concatenate

PER_MODEL = (
    *("members", "losses", "signals", "probabilities", "outputs"),
    *("losses_out", "signals_out", "outputs_out", "weights"),
)
OF_RECORDS = ("members", "losses", "signals", "probabilities", "outputs")
Held = np.ndarray | Any  # None where it is not held; what reads it says so in its ``needs``, and never sees None
MOST_WEIGHTS = 20_000  # released weights of a model that numbers compare: bounds the memory of their bootstrap


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold what is seen of M released models about N records; arrays alone serve the score-based attacks.

    Parameters
    ----------
    members : bool array (M, N) or None
        Which records each model trained on (or 1 and 0); None where nobody knows, and then no attack can be run.
    losses : array (M, N)
        Cross-entropy, squared error or minus log-likelihood.
    signals, outputs : array (M, N) and (M, N[, C])
        ``signal`` of the outputs (None: minus the losses), and the outputs themselves, logits or predictions.
    task : {"binary", "multiclass", "regression"}
    x, y : array (N, d) and (N,)
        The records of the pool and their labels.
    probabilities : array (M, N, C)
    losses_out, signals_out, outputs_out, x_out, y_out
        The same of Z population records that no model trained on.
    models : Ensemble
        As released.
    weights : array (M, P)
        Released weights where they are held without their models (see ``released_weights``).
    codebooks : dict of array (K, Z)
        Losses on the population records of other codewords of the release: "trajectory", "neighbourhood".
    quantizer, granularity : str or None, {"tensor", "row"}
        The rule that made the release, if one did, and what shares a scale.
    shadows : Evidence
        Of the same models as the attacker holds them, where that is not as they are released: full-precision shadows
        of quantized targets.
    seed : int
        Of the attacks' own randomness.

    Raises
    ------
    ValueError
        For shapes that disagree, losses or signals that are not finite, members that are not 0 and 1, labels that are
        none of the task's.
    """

    members: Held
    losses: np.ndarray
    signals: Held = None
    task: str = "binary"
    y: Held = None
    probabilities: Held = None
    losses_out: Held = None
    signals_out: Held = None
    x: Held = None
    x_out: Held = None
    y_out: Held = None
    models: Ensemble | Any = None
    shadows: "Evidence | None" = None
    seed: int = 0
    outputs: Held = None
    outputs_out: Held = None
    weights: Held = None
    codebooks: dict[str, np.ndarray] = field(default_factory=dict)
    quantizer: str | None = None
    granularity: str = "tensor"

    def __post_init__(self):
        for signals, losses in (("signals", self.losses), ("signals_out", self.losses_out)):
            if getattr(self, signals) is None and losses is not None:
                object.__setattr__(self, signals, -losses)
        for name in ("losses", "signals", "losses_out", "signals_out"):
            if getattr(self, name) is not None:
                records.signals(getattr(self, name), name)
        if self.members is not None:
            object.__setattr__(self, "members", records.membership(self.members))
        classes = None if self.probabilities is None or self.task == "regression" else self.probabilities.shape[-1]
        task = "multiclass" if (classes or 0) > 2 else self.task  # probabilities alone say so, too
        for name in ("y", "y_out"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, records.labels(getattr(self, name), task, classes, name))
        m, n = self.losses.shape
        given = {name: getattr(self, name) for name in PER_MODEL if getattr(self, name) is not None}
        wrong = [k for k, a in given.items() if len(a) != m or (k in OF_RECORDS and a.shape[1] != n)]
        if wrong or self.reference.losses.shape != (m, n):
            raise ValueError(f"members must be (M, N), outputs and shadows must agree with it; wrong: {wrong}")

    @property
    def reference(self) -> "Evidence":
        """Return the evidence that calibrates an attack: the shadows', or this one where shadows are as released."""
        return self if self.shadows is None else self.shadows

    @property
    def confidence(self) -> np.ndarray:
        """Return the one-sided statistic (M, N), which grows with membership: the sign of a residual says nothing."""
        return -self.losses if self.task == "regression" else self.signals

    @cached_property
    def released_weights(self) -> np.ndarray:
        """Return the released weights of each model as a row, (M, P): all of them, or ``MOST_WEIGHTS`` at random."""
        return sample_weights([w.cpu().numpy() for w in self.models.weights]) if self.weights is None else self.weights

    def _each(self, change: Callable[["Evidence"], "Evidence"]) -> "Evidence":
        """Return a copy whose shadows, if any, are changed alike."""
        return replace(change(self), shadows=self.shadows and change(self.shadows))

    def _cut(self, names: Sequence[str], pick) -> "Evidence":
        """Return a copy in which the arrays of these names, where there are any, are indexed."""

        def cut(evidence):
            held = {name: getattr(evidence, name) for name in names}
            return replace(evidence, shadows=None, **{n: None if v is None else v[pick] for n, v in held.items()})

        return self._each(cut)

    def take(self, models: slice | ArrayLike) -> "Evidence":
        """Return the evidence about some of the models (slice, range or index array).

        Examples
        --------
        >>> whole = Evidence(np.eye(3, dtype=bool), losses=np.arange(9.0).reshape(3, 3))
        >>> whole.take([2]).losses
        array([[6., 7., 8.]])
        """
        return self._cut((*PER_MODEL, "models"), models if isinstance(models, slice) else np.asarray(models))

    def records(self, pick: ArrayLike) -> "Evidence":
        """Return the evidence about some records of the pool.

        Parameters
        ----------
        pick : bool array (N,) or index array
            Such as ``enough_shadows(members)``.

        Raises
        ------
        ValueError
            Where no record is left.
        """
        pick, (n_models, n_records) = np.asarray(pick), self.losses.shape
        if not (pick.any() if pick.dtype == bool else pick.size):
            raise ValueError(f"no record is left of {n_records}; with {n_models} models, do more leave enough shadows?")
        return self._cut(OF_RECORDS, (slice(None), pick))._cut(("x", "y"), pick)

    def relabel(self, members: ArrayLike) -> "Evidence":
        """Return the same outputs under another membership (M, N): the null control, with ``permuted``."""
        return self._each(lambda e: replace(e, shadows=None, members=members))

    def aligned(self) -> "Evidence":
        """Return the evidence with the hidden units of all models, shadows too, aligned to the first's."""
        if self.shadows is None:
            return replace(self, models=align(self.models))
        both, m = align(concatenate([self.models, self.shadows.models])), len(self.models)
        return replace(self, models=both[:m], shadows=replace(self.shadows, models=both[m:]))


def sample_weights(tensors: Sequence[np.ndarray], most: int = MOST_WEIGHTS) -> np.ndarray:
    """Return the weights of several tensors as one row a model: all, or about ``most``, the same ones every time.

    Parameters
    ----------
    tensors : list of array (M, ...)
        Each layer's weights of M models.
    most : int
        Where there are more, so many are drawn at random, of each tensor its share.

    Returns
    -------
    array (M, P)
    """
    rng, parts = np.random.default_rng(0), [np.reshape(tensor, (len(tensor), -1)) for tensor in tensors]
    total = sum(part.shape[1] for part in parts)
    sizes = [min(part.shape[1], -(-most * part.shape[1] // total)) for part in parts]
    picks = [rng.choice(p.shape[1], n, replace=False, shuffle=False) for p, n in zip(parts, sizes, strict=True)]
    return np.concatenate([part[:, np.sort(pick)] for part, pick in zip(parts, picks, strict=True)], axis=1)


def observe(
    models: Ensemble,
    x: ArrayLike,
    y: ArrayLike,
    members: ArrayLike | None,
    x_out: ArrayLike,
    y_out: ArrayLike,
    shadows: Ensemble | None = None,
    seed: int = 0,
    **release: Any,
) -> Evidence:
    """Evaluate models once on the pool and on population records, for every attack and number to read.

    Parameters
    ----------
    models : Ensemble
        M models as they are released.
    x, y, members : array (N, d), (N,) and bool (M, N)
        The pool, and which of it each model trained on.
    x_out, y_out : array (Z, d) and (Z,)
        Population records that no model trained on.
    shadows : Ensemble, optional
        The same models as the attacker holds them (None: as released).
    seed : int
        Of the attacks' own randomness.
    **release
        ``quantizer``, ``granularity`` and ``codebooks`` of the Evidence.

    Returns
    -------
    Evidence

    Raises
    ------
    ValueError
        For inputs, labels or memberships that do not fit the models, and outputs that are not finite.
    """
    (x, y), (x_out, y_out) = checked_records(models, x, y), checked_records(models, x_out, y_out, "_out")
    task, outputs, outputs_out = models.task, models.logits(x), models.logits(x_out)
    signals, signals_out = signal(outputs, y, task), signal(outputs_out, y_out, task)
    held = None if shadows is None else observe(shadows, x, y, members, x_out, y_out, seed=seed)
    known = None if members is None else records.membership(members, (len(models), len(x)))
    return Evidence(
        known, signal_loss(signals, task), signals, task, y,
        _probabilities(np.asarray(outputs, np.float64), task), signal_loss(signals_out, task), signals_out, x, x_out,
        y_out, models, held, seed, outputs, outputs_out, **release,
    )  # fmt: skip


def _probabilities(z: np.ndarray, task: str) -> np.ndarray | None:
    if task == "regression":
        return None
    return softmax(z, axis=-1) if task == "multiclass" else np.stack([expit(-z), expit(z)], axis=-1)
