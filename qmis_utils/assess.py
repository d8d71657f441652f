"""One assessment: what attacks find in released models, what cheap numbers say of them, what the laws predict.

A *game* is a pool, fresh records, attacked models and, apart from them, the models that the numbers may read. A
*release* turns trained models into what leaves the building: a quantizer, a defence, or nothing. Attacks and numbers
are named in two catalogues, ``attacks.ATTACKS`` and ``NUMBERS``; what is added to them reaches every study. This is the
pool game: the attacker knows the pool, of which each model's members are a random half.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np

from qmis_utils import attacks, indicators, quantizers, records
from qmis_utils.attacks import Evidence
from qmis_utils.ensemble import Ensemble, checked_records, record_gradients
from qmis_utils.theory.numerics import Interval

CHEAP_SHADOWS = 3  # IN and OUT models of a record that LiRA needs; below them the calibrated loss takes its place
CODEBOOKS = ("trajectory", "neighbourhood")  # beside the spare models themselves
CRAMER_DRAWS = 0.4  # of the draws of the other numbers: Cramer's rate is slow
FLOOR_DRAWS, FLOOR_RECORDS = 0.1, 256  # of those draws, and records at most, for the noise floor
SIMULATED = {"lira": "online", "lira_fixed": "online_fixed"}  # attack that the simulation law predicts -> its variant


# ----------------------------------------------------------------------------------------------------------- releases


@dataclass(frozen=True)
class Release:
    """Turn trained models into what leaves the building.

    Parameters
    ----------
    change : function
        Ensemble -> Ensemble, model by model, so that it may be applied to any of them.
    quantizer, granularity : str or None, {"tensor", "row"}
        The rule behind it, if it is one, and what shares a scale: what bits and code entropy are read off.

    Raises
    ------
    ValueError
        For a quantizer that is not in ``quantizers.QUANTIZERS``.
    """

    change: Callable[[Ensemble], Ensemble]
    quantizer: str | None = None
    granularity: str = "tensor"

    def __post_init__(self):
        if self.quantizer is not None:
            _known([self.quantizer], quantizers.QUANTIZERS, "quantizer")

    def __call__(self, models: Ensemble) -> Ensemble:
        return self.change(models)


def quantized(*names: str, granularity: str = "tensor") -> dict[str, Release]:
    """Return the releases of some quantizers, by name.

    Examples
    --------
    >>> list(quantized("fp32", "sign"))
    ['fp32', 'sign']
    """
    rules = {name: partial(Ensemble.quantize, name=name, granularity=granularity) for name in names}
    return {name: Release(rule, name, granularity) for name, rule in rules.items()}


# --------------------------------------------------------------------------------------------------------------- game


@dataclass(frozen=True, eq=False)
class Game:
    """Hold a pool, fresh records, the attacked models with their members and, disjoint from them, the spare models.

    Parameters
    ----------
    x, y : array (N, d) and (N,)
        The pool, which the attacker knows.
    x_out, y_out : array (Z, d) and (Z,)
        Fresh records.
    models, members : Ensemble (M) and bool array (M, N)
        The attacked models, each the target in turn, and what each trained on.
    spare, spare_members : Ensemble (B) and bool array (B, N)
        Models that the cheap numbers read.
    path : Ensemble, optional
        Late iterates of one training, the codebook of the numbers "r trajectory ...".

    Raises
    ------
    ValueError
        For shapes that disagree, labels that the task cannot have, memberships that are not 0 and 1, or a spare model,
        one of ``path`` too, that is an exact copy of an attacked one: a number that reads attacked models would be
        judged by what it was made from.
    """

    x: np.ndarray
    y: np.ndarray
    x_out: np.ndarray
    y_out: np.ndarray
    models: Ensemble
    members: np.ndarray
    spare: Ensemble
    spare_members: np.ndarray
    path: Ensemble | None = None

    def __post_init__(self):
        for name, models, members in (
            ("members", self.models, self.members),
            ("spare_members", self.spare, self.spare_members),
        ):
            if np.shape(members) != (len(models), len(self.x)):
                shape = np.shape(members)
                raise ValueError(f"{name} must be {(len(models), len(self.x))}, models by records; got {shape}")
            object.__setattr__(self, name, records.membership(members, name=name))
        for name, x, y in (("y", self.x, self.y), ("y_out", self.x_out, self.y_out)):
            if np.shape(y) != (len(x),):
                raise ValueError(f"{name} must hold a label a record, {(len(x),)}; got {np.shape(y)}")
            object.__setattr__(self, name, checked_records(self.models, x, y, name[1:])[1])
        attacked = {row.tobytes() for row in self.models.vectors()}
        for name, models in {"spare": self.spare, **({"path": self.path} if self.path else {})}.items():
            if both := [place for place, row in enumerate(models.vectors()) if row.tobytes() in attacked]:
                raise ValueError(f"{name} models must not be attacked models; these are: {both[:5]}")

    def seen(self, release: Callable) -> Evidence:
        """Return what is seen of the attacked models under a release."""
        return attacks.observe(release(_copy(self.models)), self.x, self.y, self.members, self.x_out, self.y_out)

    def spare_seen(self, release: Callable, seed: int = 0, codebooks: Iterable[str] = CODEBOOKS) -> Evidence:
        """Return what the numbers see of the spare models under a release, with the codebooks asked for."""
        released, how = release(_copy(self.spare)), {"granularity": getattr(release, "granularity", "tensor")}
        books = {"trajectory": release(_copy(self.path))} if self.path and "trajectory" in codebooks else {}
        if "neighbourhood" in codebooks and not _alike(released, self.spare):  # as trained there are no levels
            books["neighbourhood"] = indicators.neighbours(
                released[:1], max(len(released), 2), np.random.default_rng([seed, 4]), how["granularity"]
            )
        losses = {name: _losses(book, self.x_out, self.y_out) for name, book in books.items()}
        return attacks.observe(released, self.x, self.y, self.spare_members, self.x_out, self.y_out, codebooks=losses,
                               quantizer=getattr(release, "quantizer", None), **how)  # fmt: skip


def _copy(models):
    """Return the models in tensors of their own: a release may write into what it is given."""
    tensors = (tuple(t.clone() for t in group) for group in (models.weights, models.biases))
    return Ensemble(*tensors, models.task)


def _alike(released, models):
    """Tell whether a release has left the models as they were."""
    pairs = zip((*released.weights, *released.biases), (*models.weights, *models.biases), strict=False)
    return all(a.shape == b.shape and bool((a.cpu() == b.cpu()).all()) for a, b in pairs)


def _losses(models, x, y):
    return attacks.signal_loss(attacks.signal(models.logits(x), y, models.task), models.task)


def utility(outputs: np.ndarray, y: np.ndarray, task: str, ranked: bool = False) -> np.ndarray:
    """Return how useful each model is: accuracy, AUROC, or R2 for regression.

    Parameters
    ----------
    outputs, y : array (M, m) or (M, m, C), and (m,)
        Outputs on fresh records and their labels.
    task : {"binary", "multiclass", "regression"}
    ranked : bool
        AUROC in place of accuracy, for two classes.

    Returns
    -------
    array (M,)

    Raises
    ------
    ValueError
        For labels that the task cannot have, and outputs that are not finite.
    """
    outputs = records.signals(outputs, "outputs")
    classes = outputs.shape[-1] if task == "multiclass" else None
    y = records.labels(np.ravel(y), task, classes).reshape(np.shape(y))
    if task == "regression":
        return 1 - np.square(outputs - y).mean(axis=1) / np.var(y)
    if ranked:
        return attacks.auc(outputs, np.broadcast_to(y == 1, outputs.shape))
    guess = outputs.argmax(axis=-1) if task == "multiclass" else outputs > 0
    return (guess == y).mean(axis=1)


# ------------------------------------------------------------------------------------------------------------ numbers


@dataclass(frozen=True)
class Number:
    """Describe one cheap number.

    Parameters
    ----------
    estimate : function
        (seen, full, draws, seed) -> Interval of what the released models ``seen`` would leak, two Evidences of the same
        spare models, released and as trained. Larger = leaks more, for every number.
    kind : {"indicator", "rival", "attack"}
        Ours or the paper's, what practitioners use, or a cheap attack, which reads membership.
    models : int or None
        How many models must be trained for it; None: all the spare ones.
    needs : tuple of str
        Fields of Evidence that it reads.
    least : int
        Spare models below which it is not defined.
    reads : {"outputs", "weights"}
        What it speaks of, and so which attacks its law predicts.
    """

    estimate: Callable[[Evidence, Evidence, int, int], Interval]
    kind: str = "indicator"
    models: int | None = None
    needs: tuple = ()
    least: int = 1
    reads: str = "outputs"

    def lacks(self, seen: Evidence) -> str:
        """Return what the evidence lacks for this number, in words; an empty string if nothing."""
        held = {f"{name} codebook": book for name, book in seen.codebooks.items()}
        held["released_weights"] = seen.weights if seen.weights is not None else seen.models
        missing = [name for name in self.needs if held.get(name, getattr(seen, name, None)) is None]
        return ", ".join(missing + [f"{self.least} models"] * (len(seen.losses) < self.least))


def _survival(variant, field_name):
    def estimate(seen, full, draws, seed):
        pair = (getattr(e, field_name) for e in (seen, full))
        return indicators.survival_rho(*pair, variant, draws, seed)

    return estimate


def _codewords(seen, source):
    return seen.losses_out if source == "ensemble" else seen.codebooks[source]


def _rate(source, aggregation):
    def estimate(seen, full, draws, seed):
        return -indicators.estimate_rate(_codewords(seen, source), aggregation, draws=draws, seed=seed)

    return estimate


@lru_cache(maxsize=1)  # both aggregations share the rates of the gaps, which are what costs
def _cramer_rates(seen, source, draws, seed):
    return indicators.cramer_estimates(_codewords(seen, source), max(int(CRAMER_DRAWS * draws), 1), seed)


def _cramer(source, aggregation):
    return lambda seen, full, draws, seed: -_cramer_rates(seen, source, draws, seed)[aggregation]


def _sqrt_j(seen, full, draws, seed):
    layers = ([w.cpu().numpy() for w in e.models.weights] for e in (seen, full))
    shares = indicators.surviving_weights(*layers, seen.granularity)
    return indicators.from_draws(
        np.sqrt(shares.mean()), np.sqrt(attacks.bootstrap(shares, np.random.default_rng(seed), draws))
    )


def _edge_law(seen, full, draws, seed):
    layers = ([w.cpu().numpy() for w in e.models.weights] for e in (seen, full))
    shares = indicators.edge_weights(*layers, seen.granularity)
    return indicators.from_draws(
        np.sqrt(shares.mean()), np.sqrt(attacks.bootstrap(shares, np.random.default_rng(seed), draws))
    )


@lru_cache(maxsize=1)  # every release asks for the gradients of the same models
def mean_gradients(full: Evidence, most: int = FLOOR_RECORDS) -> np.ndarray:
    """Return the mean over models of the gradient of each pool record's loss, (N, P); of ``most`` records at most."""
    few = np.linspace(0, len(full.x) - 1, min(most, len(full.x))).astype(int)
    total = record_gradients(full.models[[0]], full.x[few], full.y[few])
    for b in range(1, len(full.losses)):
        total += record_gradients(full.models[[b]], full.x[few], full.y[few])
    return total / len(full.losses)


def record_floor(seen: Evidence, full: Evidence, most: int = FLOOR_RECORDS) -> np.ndarray:
    """Predict d'^2 of each pool record before and after a release, (2, N), as ``indicators.noise_floor``."""
    layers = ([w.cpu().numpy() for w in e.models.weights] for e in (seen, full))
    noise = indicators.rounding_noise(*layers, seen.granularity).mean(axis=0)
    return indicators.noise_floor(full.models.vectors(), noise, mean_gradients(full, most))


def _noise_floor(seen, full, draws, seed):
    layers = ([w.cpu().numpy() for w in e.models.weights] for e in (seen, full))
    noise, weights = indicators.rounding_noise(*layers, seen.granularity), full.models.vectors()
    gradients, rng = mean_gradients(full), np.random.default_rng(seed)

    def kept(models, records=slice(None)):
        before, after = indicators.noise_floor(weights[models], noise[models].mean(axis=0), gradients[records])
        moving = before > 0
        return np.sqrt(after[moving] / before[moving]).mean() if moving.any() else 0.0

    n, m = len(weights), len(gradients)
    picks = [(rng.integers(n, size=n), rng.integers(m, size=m)) for _ in range(max(int(FLOOR_DRAWS * draws), 1))]
    drawn = [kept(*pick) if len(set(pick[0])) > 1 else np.nan for pick in picks]
    return indicators.from_draws(kept(np.arange(n)), np.array(drawn))


def _mean_of(per_model):
    """Estimate the mean over models of a function (seen, full) -> (B,), its interval by resampling models."""

    def estimate(seen, full, draws, seed):
        values = np.broadcast_to(np.asarray(per_model(seen, full), float), len(seen.losses))
        counts = indicators.multiplicities((len(values),), draws, seed)[0]
        return indicators.from_draws(values.mean(), counts @ values / len(values))

    return estimate


def _function_error(seen, full, draws, seed):
    return -indicators.function_error(seen.outputs_out, full.outputs_out, draws, seed)


def _weight_error(seen, full):
    w, v = (e.released_weights.astype(np.float64) for e in (seen, full))
    return -np.linalg.norm(w - v, axis=1) / np.linalg.norm(v, axis=1)


def _code_entropy(seen, full):
    """Return the entropy of the first layer's codes, bits a weight; 32 where nothing is quantized."""
    if seen.quantizer in (None, "fp32"):
        return 32.0 if seen.quantizer else np.nan
    codes = quantizers.quantize(full.models.weights[0], seen.quantizer, seen.granularity)
    return quantizers.code_entropy(codes).reshape(len(full.losses), -1).mean(axis=1)


def _bits(seen, full):
    return quantizers.QUANTIZERS[seen.quantizer].bits if seen.quantizer else np.nan


def _train_loss(seen, full):
    return np.average(seen.losses, axis=1, weights=seen.members)


def _test_loss(seen, full):
    return seen.losses_out.mean(axis=1)


def _one_reference(seen, full):
    """Return the AUC of the loss calibrated by one other model."""
    return attacks.auc(np.roll(seen.losses, 1, axis=0) - seen.losses, seen.members)


def _few_shadows(seen, full):
    if not attacks.enough_shadows(seen.members, CHEAP_SHADOWS).all():
        return _one_reference(seen, full)
    return attacks.auc(attacks.lira(seen.signals, seen.members, "online_fixed"), seen.members)


_rival = partial(Number, kind="rival")
_least = {"ensemble": 2, "trajectory": 1, "neighbourhood": 1}  # models below which it has no gaps
_read_off = {"ensemble": None, "trajectory": 1, "neighbourhood": 1}  # source of codewords -> models to train
_book = {"ensemble": ("losses_out",), "trajectory": ("trajectory codebook",),
         "neighbourhood": ("neighbourhood codebook",)}  # fmt: skip

NUMBERS: dict[str, Number] = {
    "rho": Number(_survival("rho", "outputs_out"), needs=("outputs_out",), least=2),
    "rho_pc1": Number(_survival("rho_pc1", "outputs_out"), needs=("outputs_out",), least=4),
    "rho_shape": Number(_survival("rho_shape", "outputs_out"), needs=("outputs_out",), least=2),
    "rho_pool": Number(_survival("rho_shape", "outputs"), needs=("outputs",), least=2),
    "rho_w": Number(_survival("rho", "released_weights"), needs=("released_weights",), least=2, reads="weights"),
    "sqrt_J": Number(_sqrt_j, needs=("models",), least=2, reads="weights"),
    "edge law": Number(_edge_law, needs=("models",), least=2, reads="weights"),
    "noise floor": Number(_noise_floor, needs=("models", "x", "y"), least=4, reads="weights"),
    **{f"r {source} {how}": Number(_rate(source, how), models=_read_off[source], needs=_book[source],
              least=_least[source])
       for source in _book for how in indicators.AGGREGATIONS},
    **{f"r {source} {how} cramer": Number(_cramer(source, how), models=_read_off[source], needs=_book[source],
              least=_least[source])
       for source in _book for how in ("min", "median")},
    "function error": _rival(_function_error, needs=("outputs_out",)),
    "weight error": _rival(_mean_of(_weight_error), needs=("released_weights",)),
    "code entropy": _rival(_mean_of(_code_entropy), needs=("models",)),
    "sparsity": _rival(_mean_of(lambda seen, full: -np.mean(seen.released_weights == 0, axis=1)),
                       needs=("released_weights",)),
    "bits": _rival(_mean_of(_bits), models=0),
    "train loss": _rival(_mean_of(lambda seen, full: -_train_loss(seen, full)), needs=("members",)),
    "test loss": _rival(_mean_of(lambda seen, full: -_test_loss(seen, full)), needs=("losses_out",)),
    "test accuracy": _rival(_mean_of(lambda seen, full: utility(seen.outputs_out, seen.y_out, seen.task)),
                            needs=("outputs_out", "y_out")),
    "generalisation gap": _rival(_mean_of(lambda seen, full: _test_loss(seen, full) - _train_loss(seen, full)),
                                 needs=("members", "losses_out")),
    "one reference": Number(_mean_of(_one_reference), "attack", needs=("members",), least=2),
    "lira 16": Number(_mean_of(_few_shadows), "attack", needs=("members",), least=2),
}  # fmt: skip
BUILT_IN = dict(NUMBERS)  # what a reader adds is told by it, and travels with a sweep


# --------------------------------------------------------------------------------------------------------- assessment


@dataclass(frozen=True, eq=False)
class Assessment:
    """Hold arrays over Q releases, the reference, as trained, first.

    ``auc`` and ``null``: attack -> (M, Q) of each target, and the same under permuted membership, of the reference
    alone, (M, 1), or of all; ``numbers``: name -> Q estimates, larger = leaks more; ``predicted``: (law, number,
    attack) -> (Q,) AUC; ``measures``: name -> array with Q first.
    """

    releases: list[str]
    auc: dict[str, np.ndarray]
    null: dict[str, np.ndarray]
    numbers: dict[str, list[Interval]]
    predicted: dict[tuple[str, str, str], np.ndarray]
    measures: dict[str, np.ndarray] = field(default_factory=dict)

    def value(self, number: str) -> np.ndarray:
        """Return a number of every release, (Q,); NaN where it is not defined."""
        return np.array([estimate.value for estimate in self.numbers[number]])

    def draws(self, number: str) -> np.ndarray:
        """Return the paired bootstrap draws of a number, (draws, Q)."""
        return np.stack([np.asarray(estimate.draws) for estimate in self.numbers[number]], axis=1)


def assess(game: Game, releases: Mapping[str, Callable], attacked: Iterable[str] = ("lira",),
           numbers: Iterable[str] | None = None, *, seed: int = 0, **how) -> Assessment:  # fmt: skip
    """Attack all models of a game and estimate numbers on its spare ones, for every release.

    Parameters
    ----------
    game : Game
    releases : dict of function Ensemble -> Ensemble
        The first is the reference and leaves the models as trained, such as "fp32" of ``quantized``, which makes the
        releases of quantizers.
    attacked : names of ``attacks.ATTACKS``
    numbers : names of ``NUMBERS``, optional
        All that the game allows if not given.
    seed : int
        Of the numbers' draws, which it pairs over releases, of codewords and of the simulation law.
    **how
        As ``assess_seen``: ``draws``, ``laws``, ``measures``, ``rng``, ``null_of``.

    Returns
    -------
    Assessment

    Raises
    ------
    ValueError
        For a name that is in no catalogue, an attack or number that lacks what it reads, a first release that changes
        the models.

    Examples
    --------
    A quantizer beside a defence, a function from an Ensemble to an Ensemble::

        assess(game, quantized("fp32", "sign") | {"noise": add_noise}, ["lira"], ["rho_pool"])
    """
    attacked, numbers = list(attacked), None if numbers is None else _known(numbers, NUMBERS, "number")
    wanted, reference = NUMBERS if numbers is None else numbers, next(iter(releases.values()), None)
    if reference is not None and not _alike(reference(_copy(game.spare)), game.spare):
        raise ValueError(f"releases: the first, {next(iter(releases))!r}, must leave the models as trained")
    books = {book for book in CODEBOOKS for name in wanted if f"{book} codebook" in NUMBERS[name].needs}
    attacking = attacked or how.get("measures")
    shown = ((name, game.seen(release) if attacking else None, game.spare_seen(release, seed, books))
             for name, release in releases.items())  # fmt: skip
    return assess_seen(shown, attacked, numbers, seed=seed, **how)


def assess_seen(shown: Iterable[tuple[str, Evidence, Evidence]], attacked: Iterable[str] = (),
                numbers: Iterable[str] | None = None, *, draws: int = 100, seed: int = 0,
                laws: Sequence[str] = (), measures: Mapping[str, Callable] | None = None,
                rng: np.random.Generator | None = None, null_of: str = "first") -> Assessment:  # fmt: skip
    """Assess what is already seen of each release: ``assess`` for models that are not an Ensemble.

    Parameters
    ----------
    shown : iterable of (name, Evidence of the attacked models, Evidence of the spare models)
        One a release, the reference first; they are asked for one after the other, so that memory holds one.
    attacked, numbers, seed
        As ``assess``.
    draws : int
        Bootstrap draws of each number.
    laws : names of numbers
        Survival correlations whose laws predict the AUC of each attack.
    measures : dict of function (seen, reference, scores) -> array
        What else is read off the attacked models of each release: ``seen`` and ``reference`` are Evidences, ``scores``
        attack -> (M, N).
    rng : numpy.random.Generator, optional
        Deals the memberships of the null control; from ``seed`` if not given.
    null_of : {"first", "all"}
        For which releases the null control is run.

    Returns
    -------
    Assessment

    Raises
    ------
    ValueError
        As ``assess``; for no release, a law of a number that is not estimated, another ``null_of``.
    """
    attacked, measures = _known(attacked, attacks.ATTACKS, "attack"), measures or {}
    wanted = [] if numbers is None else _known(numbers, NUMBERS, "number")
    _known(laws, NUMBERS if numbers is None else wanted, "law's number")
    _known([null_of], ("first", "all"), "null_of")
    rng = rng or np.random.default_rng([seed, 3])
    rows: list[tuple[str, dict]] = []
    for name, seen, spare in shown:
        if not rows:
            reference, full = seen, spare
            if numbers is None:
                wanted = [n for n, number in NUMBERS.items() if _possible(number, spare)]
            null = seen.relabel(attacks.permuted(seen.members, rng)).members if attacked else None
        scores = {attack: attacks.ATTACKS[attack].run(seen) for attack in attacked}
        row = {
            "auc": {attack: attacks.auc(score, seen.members) for attack, score in scores.items()},
            "numbers": {n: _estimated(n, spare, full, draws, seed) for n in wanted},
            "measures": {key: measure(seen, reference, scores) for key, measure in measures.items()},
            "null": {},
        }
        if null_of == "all" or not rows:
            row["null"] = {a: attacks.auc(attacks.ATTACKS[a].run(seen.relabel(null)), null) for a in attacked}
        rows.append((name, row))
    if not rows:
        raise ValueError("releases: none is given, and the first is what the others are compared with")
    names, found = zip(*rows, strict=True)
    columns = {part: {key: [row[part][key] for row in found if key in row[part]] for key in found[0][part]}
               for part in found[0]}  # fmt: skip
    auc, null = ({key: np.stack(values, axis=1) for key, values in columns[part].items()} for part in ("auc", "null"))
    values = {number: np.array([e.value for e in columns["numbers"][number]]) for number in laws}
    return Assessment(
        list(names), auc, null, columns["numbers"], _predict(values, auc, reference, full, seed),
        {key: np.array(values) for key, values in columns["measures"].items()},
    )  # fmt: skip


def _known(names, catalogue, what):
    names = list(names)
    if unknown := [name for name in names if name not in catalogue]:
        raise ValueError(f"unknown {what} {unknown[0]!r}; valid: {', '.join(catalogue)}")
    return names


def _possible(number, spare):
    """Say whether a number can be estimated; full precision, the reference, has no codewords next to it."""
    return number.lacks(spare) in ("", "neighbourhood codebook")


def _estimated(name, spare, full, draws, seed):
    """Estimate one number; NaN for codewords next to full precision, and for weights that a release alone hides."""
    lack = NUMBERS[name].lacks(spare)
    hidden = lack == "released_weights" and not NUMBERS[name].lacks(full)
    if hidden or (lack == "neighbourhood codebook" and (spare is full or np.array_equal(spare.outputs, full.outputs))):
        return Interval(np.nan, np.nan, np.nan, np.full(draws, np.nan))
    if lack:
        raise ValueError(f"the number {name!r} needs {lack}, which is not in the evidence")
    estimate = NUMBERS[name].estimate(spare, full, draws, seed)
    if not isinstance(estimate, Interval):
        raise ValueError(f"the number {name!r} must return an Interval; got {type(estimate).__name__}")
    known = np.empty(0) if estimate.draws is None else np.asarray(estimate.draws)
    if len(known) > draws:
        raise ValueError(f"the number {name!r} returned {len(known)} draws where {draws} were asked for")
    padded = np.append(known, np.full(draws - len(known), np.nan))  # Cramer's rate has fewer
    return Interval(*estimate, padded, estimate.noise_floor)


def _predict(values, auc, reference, full, seed):
    """Predict each release's AUC by the closed law and, for LiRA, by the simulation law, from the reference's."""
    predicted = {}
    for number, value in values.items():
        shares = np.clip(value, 0, 1)
        of_weights = NUMBERS[number].reads == "weights"
        for attack, found in auc.items():
            if (attacks.ATTACKS[attack].access == "weights") != of_weights:
                continue
            predicted["closed", number, attack] = indicators.survival_law(shares, found[:, 0].mean())
        for attack in SIMULATED.keys() & auc.keys() if not of_weights else ():
            aucs = [simulate(reference, full, share, attack, seed).mean() for share in shares]
            predicted["simulation", number, attack] = np.array(aucs)
    return predicted


def simulate(reference: Evidence, full: Evidence, share: float, attack: str = "lira", seed: int = 0) -> np.ndarray:
    """Simulate the attack on a release in which a share of what tells models apart survives: the simulation law.

    Parameters
    ----------
    reference, full : Evidence
        Of the attacked and of the spare models as trained; the held-out signals of the latter say how much models vary.
    share : float
        A survival correlation.
    attack : {"lira", "lira_fixed"}
    seed : int
        Of the noise, which is the same for every release: none of them changes another one's prediction.

    Returns
    -------
    array (M,)
        AUC of each target.
    """
    variance, rng = full.signals_out.var(axis=0).mean(), np.random.default_rng(seed)
    signals = indicators.simulated_signals(reference.signals, share, variance, rng)
    return attacks.auc(attacks.lira(signals, reference.members, SIMULATED[attack]), reference.members)
