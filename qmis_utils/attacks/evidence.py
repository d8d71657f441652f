"""What an attacker sees of released models: an ``Evidence``, which every attack reads and nothing else."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, softmax

from qmis_utils.attacks.scores import signal, signal_loss
from qmis_utils.attacks.weights import align
from qmis_utils.ensemble import Ensemble, concatenate

PER_MODEL = ("members", "losses", "signals", "probabilities", "losses_out", "signals_out")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Hold what an attacker sees of M released models about N records; arrays alone serve the score-based families.

    ``members`` (M, N); ``losses`` (M, N): cross-entropy, squared error or minus log-likelihood; ``signals`` (M, N) of
    ``signal`` (None: minus the losses); ``probabilities`` (M, N, C); records ``x`` (N, d), ``y`` (N,). Of Z
    population records that no model trained on: ``losses_out`` and ``signals_out`` (M, Z), ``x_out``, ``y_out``.
    ``models`` as released. ``shadows`` is the evidence of the same models as the attacker holds them, where that is
    not as they are released: full-precision shadows of quantized targets. Raises ValueError for shapes that disagree.
    """

    members: np.ndarray
    losses: np.ndarray
    signals: np.ndarray | None = None
    task: str = "binary"
    y: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    losses_out: np.ndarray | None = None
    signals_out: np.ndarray | None = None
    x: np.ndarray | None = None
    x_out: np.ndarray | None = None
    y_out: np.ndarray | None = None
    models: Ensemble | None = None
    shadows: "Evidence | None" = None
    seed: int = 0

    def __post_init__(self):
        for signals, losses in (("signals", self.losses), ("signals_out", self.losses_out)):
            if getattr(self, signals) is None and losses is not None:
                object.__setattr__(self, signals, -losses)
        m, n = self.members.shape
        given = {name: getattr(self, name) for name in PER_MODEL if getattr(self, name) is not None}
        wrong = [k for k, a in given.items() if len(a) != m or (a.shape[1] != n and not k.endswith("_out"))]
        if self.members.dtype != bool or wrong or self.reference.members.shape != (m, n):
            raise ValueError(f"members must be boolean (M, N), outputs and shadows must agree with it; wrong: {wrong}")

    @property
    def reference(self):
        """Return the evidence that calibrates an attack: the shadows', or this one where shadows are as released."""
        return self if self.shadows is None else self.shadows

    @property
    def confidence(self):
        """Return the one-sided statistic (M, N), which grows with membership: the sign of a residual says nothing."""
        return -self.losses if self.task == "regression" else self.signals

    def _each(self, change):
        """Return a copy whose shadows, if any, are changed alike."""
        return replace(change(self), shadows=self.shadows and change(self.shadows))

    def _cut(self, names, pick):
        """Return a copy in which the arrays of these names, where there are any, are indexed."""

        def cut(evidence):
            held = {name: getattr(evidence, name) for name in names}
            return replace(evidence, shadows=None, **{n: None if v is None else v[pick] for n, v in held.items()})

        return self._each(cut)

    def take(self, models):
        """Return the evidence about some of the models (slice, range or index array)."""
        return self._cut((*PER_MODEL, "models"), models if isinstance(models, slice) else np.asarray(models))

    def records(self, pick):
        """Return the evidence about some records of the pool (bool or index array); ValueError where none is left."""
        pick, (n_models, n_records) = np.asarray(pick), self.members.shape
        if not (pick.any() if pick.dtype == bool else pick.size):
            raise ValueError(f"no record is left of {n_records}; with {n_models} models, do more leave enough shadows?")
        of_records = [name for name in PER_MODEL if not name.endswith("_out")]
        return self._cut(of_records, (slice(None), pick))._cut(("x", "y"), pick)

    def relabel(self, members):
        """Return the same outputs under another membership: the null control, with ``attacks.permuted``."""
        return self._each(lambda e: replace(e, shadows=None, members=members))

    def aligned(self):
        """Return the evidence with the hidden units of all models, shadows too, aligned to the first's."""
        if self.shadows is None:
            return replace(self, models=align(self.models))
        both, m = align(concatenate([self.models, self.shadows.models])), len(self.models)
        return replace(self, models=both[:m], shadows=replace(self.shadows, models=both[m:]))


def observe(models, x, y, members, x_out, y_out, shadows=None, seed=0):
    """Evaluate models once on the pool and on population records, for every family to read.

    Parameters: released ``models`` (M, quantized as they are judged), the pool ``x`` (N, d), ``y`` (N,) and ``members``
    (M, N), population records ``x_out`` (Z, d), ``y_out`` (Z,) that no model trained on, ``shadows`` the same models as
    the attacker holds them (None: as released), ``seed`` of the attacks' own randomness. Returns an Evidence.
    """
    x, x_out, y, y_out = *(np.asarray(a, np.float32) for a in (x, x_out)), np.asarray(y), np.asarray(y_out)
    task, logits = models.task, np.asarray(models.logits(x), np.float64)
    signals, signals_out = signal(logits, y, task), signal(models.logits(x_out), y_out, task)
    return Evidence(
        np.asarray(members, bool), signal_loss(signals, task), signals, task, y, _probabilities(logits, task),
        signal_loss(signals_out, task), signals_out, x, x_out, y_out, models,
        shadows and observe(shadows, x, y, members, x_out, y_out, seed=seed), seed
    )  # fmt: skip


def _probabilities(z, task):
    if task == "regression":
        return None
    return softmax(z, axis=-1) if task == "multiclass" else np.stack([expit(-z), expit(z)], axis=-1)
