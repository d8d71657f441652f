"""Exact problems: networks trained on data of finite support, whose true insecurity is known; used by notebook 03.

A problem is a row of ``notebooks/settings/exact.yaml``, fixed before results are read. All is of the population game,
with full batches and one initialisation that the attacker knows (QMIS statement 15).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from qmis_utils import attacks, ensemble, indicators, quantizers
from qmis_utils.assess import NUMBERS, assess_seen, quantized
from qmis_utils.ensemble import Ensemble
from qmis_utils.store.extras import extra
from qmis_utils.studies.synthetic import QUANTIZER_SET
from qmis_utils.theory import networks
from qmis_utils.theory.numerics import log_multinomial

with extra("companion"):
    import yaml

LADDER = ("labels", "two digits", "outputs", "codes", "codes+pot", "codes+scale", "codes+scale+bias", "full")
JUDGED = ("codes", "codes+pot", "two digits", "outputs")  # releases whose truth the numbers are judged by


@dataclass(frozen=True)
class Problem:
    """Describe kinds of samples, their probabilities, and the training of a network on n of them.

    Kinds lie at random places; the last kind is a copy of the first with another label where ``noise`` is set.
    """

    name: str
    split: str = "choose"
    task: str = "binary"
    classes: int = 2
    kinds: int = 5
    n: int = 16
    dim: int = 4
    hidden: tuple = (6,)
    steps: int = 150
    lr: float = 1e-2
    optimizer: str = "adam"
    weight_decay: float = 0.0
    spread: float = 5.0  # of the Dirichlet law that the probabilities are drawn from: large is even
    noise: bool = False
    seed: int = 0

    def training(self):
        """Return the keyword arguments of ``ensemble.train``."""
        names = ("task", "hidden", "steps", "lr", "optimizer", "weight_decay", "seed")
        return {name: getattr(self, name) for name in names}


def load_problems(path):
    """Read problems from a YAML file, a list of mappings.

    Raises ValueError naming the problem and the key if a key is unknown, a name repeats or the split is misspelt.
    """
    problems = []
    for row in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        if unknown := set(row) - set(Problem.__dataclass_fields__):
            raise ValueError(f"problem {row.get('name')!r} has unknown keys {', '.join(sorted(unknown))}")
        problems.append(Problem(**row | {"hidden": tuple(row.get("hidden", (6,)))}))
    names = [p.name for p in problems]
    if len(set(names)) < len(names) or {p.split for p in problems} - {"choose", "judge"}:
        raise ValueError(f"problems need distinct names and split 'choose' or 'judge'; got {names}")
    return problems


def draw_world(problem):
    """Return the kinds of samples of a problem: inputs (m, d), labels (m,) and probabilities (m,)."""
    rng = np.random.default_rng([problem.seed, 5])
    x = rng.normal(size=(problem.kinds, problem.dim)).astype(np.float32)
    regression = problem.task == "regression"
    y = rng.normal(size=problem.kinds) if regression else np.arange(problem.kinds) % problem.classes
    if problem.noise:
        x[-1] = x[0]
        y[-1] = -y[0] if regression else (y[0] + 1) % problem.classes
    return x, y, rng.dirichlet(np.full(problem.kinds, problem.spread))


def train(problem, world, counts):
    """Train a network on every row of counts."""
    return ensemble.train(*world[:2], counts, **problem.training())


def power_of_two(scales):
    """Return the exponents of scales rounded to powers of two; the least number for a scale of 0."""
    return np.rint(np.log2(np.maximum(scales, np.finfo(np.float32).tiny))).astype(np.int16)


def ladder(models, name, x, granularity="tensor", wanted=LADDER):
    """Return what a release of models could hold, step by step.

    Parameters
    ----------
    models : Ensemble
    name : name of ``quantizers.QUANTIZERS``
    x : array (m, d)
        Where outputs and labels are given.
    granularity : {"tensor", "row"}
    wanted : names of ``LADDER``

    Returns
    -------
    dict of name to tuple of arrays (M, ...)
        Labels, probabilities (or predictions) rounded to two digits, and outputs of the quantized network, as it would
        run with float scales and biases; its codes alone, with scales rounded to powers of two, with float scales,
        with float biases, too; and the weights and biases as trained. Full precision has no codes: its weights stand
        for them, and it has no scales.
    """
    parts = [quantizers.quantize(w, name, granularity) for w in models.weights]
    outputs = Ensemble(tuple(p.values for p in parts), models.biases, models.task).logits(x)
    weights, biases = (tuple(t.cpu().numpy() for t in group) for group in (models.weights, models.biases))
    scales = tuple(p.scale.cpu().numpy() for p in parts)
    coded = scales[0].shape[-1] > 0
    codes = tuple(p.codes.cpu().numpy() for p in parts) if coded else weights
    if models.task == "regression":
        labels, shown = np.rint(outputs), outputs
    elif models.task == "multiclass":
        labels, shown = outputs.argmax(axis=-1), special.softmax(outputs, axis=-1)
    else:
        labels, shown = outputs > 0, special.expit(outputs)
    found = {
        "labels": (labels,),
        "two digits": (np.rint(100 * shown),),
        "outputs": (outputs,),
        "codes": codes,
        "codes+pot": codes + tuple(map(power_of_two, scales)),
        "codes+scale": codes + scales,
        "codes+scale+bias": codes + scales + biases,
        "full": weights + biases,
    }
    return {step: found[step] for step in wanted}


def truth(problem, names=tuple(QUANTIZER_SET), wanted=JUDGED, folder=None):
    """Return the exact insecurity of every release of every quantizer, and how useful the networks are.

    Parameters
    ----------
    problem : Problem
    names : names of ``quantizers.QUANTIZERS``
    wanted : names of ``LADDER``
    folder : path, optional
        Where finished blocks are kept, as ``networks.enumerated_insecurity``.

    Returns
    -------
    dict, dict
        "quantizer, released" -> Insecurity; quantizer -> expected utility (accuracy, or R2) on the law of the data.
    """
    x, y, probs = world = draw_world(problem)
    good = dict.fromkeys(names, 0.0)

    def release(counts):
        models, chance = train(problem, world, counts), np.exp(log_multinomial(counts, probs))
        found = {}
        for name in names:
            steps = ladder(models, name, x, wanted=tuple({*wanted, "outputs"}))
            good[name] += float(chance @ usefulness(steps["outputs"][0], y, probs, problem.task))
            found |= {f"{name}, {step}": steps[step] for step in wanted}
        return found

    return networks.enumerated_insecurity(release, problem.n, probs, folder=folder), good


def usefulness(outputs, y, probs, task):
    """Return the accuracy, or R2, of each model (M,) on the law of the data."""
    if task == "regression":
        mean = probs @ y
        return 1 - np.square(outputs - y) @ probs / (probs @ np.square(y - mean))
    guess = outputs.argmax(axis=-1) if task == "multiclass" else outputs > 0
    return (guess == y) @ probs


def spare_models(problem, world, n_models=16):
    """Train the models that cheap numbers read, on random training sets; return them and who is in each (B, m)."""
    rng = np.random.default_rng([problem.seed, 6])
    counts = rng.multinomial(problem.n, world[2], size=n_models)
    return train(problem, world, counts), counts > 0


def numbers(problem, names=tuple(QUANTIZER_SET), wanted=None, n_models=16, draws=1):
    """Estimate cheap numbers from a few random trainings: an Assessment without attacks, a release a quantizer.

    Parameters
    ----------
    problem : Problem
    names : names of ``quantizers.QUANTIZERS``, "fp32" first
    wanted : names of ``assess.NUMBERS``, optional
        All that need no late iterates if not given.
    n_models, draws : int
        Models that are read, and bootstrap draws.
    """
    x, y, _ = world = draw_world(problem)
    models, members = spare_models(problem, world, n_models)
    if wanted is None:  # cheap attacks need records that some models did not see, and here all may have seen them
        wanted = [n for n, number in NUMBERS.items()
                  if "trajectory codebook" not in number.needs and number.kind != "attack"]  # fmt: skip

    def losses(book):
        return attacks.signal_loss(attacks.signal(book.logits(x), y, problem.task), problem.task)

    def shown():
        for name, release in quantized(*names).items():
            released, books = release(models), {}
            if name != "fp32":
                near = indicators.neighbours(released[:1], n_models, np.random.default_rng([problem.seed, 4]))
                books = {"neighbourhood": losses(near)}
            seen = attacks.observe(released, x, y, members, x, y, quantizer=name, codebooks=books)
            yield name, seen, seen

    return assess_seen(shown(), (), wanted, draws=draws, seed=problem.seed)


def evaluate(problem, names=tuple(QUANTIZER_SET), wanted=JUDGED, n_models=16):
    """Run one problem whole: the truth of every quantizer and release beside every cheap number.

    Returns
    -------
    dict of dict
        "truth": "quantizer, released" -> Insecurity; "utility": quantizer -> number; "numbers": name -> array (Q,).
    """
    found, good = truth(problem, names, wanted)
    cheap = numbers(problem, names, n_models=n_models)
    return {"truth": found, "utility": good, "numbers": {name: cheap.value(name) for name in cheap.numbers}}
