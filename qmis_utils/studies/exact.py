"""Exact problems: networks trained on data of finite support, whose true insecurity is known; used by notebook 03.

A problem is a row of ``notebooks/settings/exact.yaml``, fixed before results are read. All is of the population game,
with full batches and one initialisation that the attacker knows (QMIS statement 15).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import special
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from qmis_utils import attacks, ensemble, indicators, quantizers
from qmis_utils.assess import NUMBERS, assess_seen, quantized
from qmis_utils.ensemble import Ensemble
from qmis_utils.studies.synthetic import QUANTIZER_SET, load_settings
from qmis_utils.theory import networks
from qmis_utils.theory.numerics import log_multinomial

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
    """Read problems from a YAML file, as ``synthetic.load_settings`` reads settings."""
    return load_settings(path, Problem)


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
        "truth": "quantizer, released" -> Insecurity; "utility": quantizer -> number; "numbers": name -> array (Q,);
        "attacks": name -> array (Q,), the advantage of ``attained`` without trees, where the problem judges.
    """
    found, good = truth(problem, names, wanted)
    cheap, reached = numbers(problem, names, n_models=n_models), {}
    for row in attained(problem, names, learners=("ridge",)) if problem.split == "judge" else ():
        reached.setdefault(row["attack"], []).append(row["advantage"])
    return {"truth": found, "utility": good, "numbers": {name: cheap.value(name) for name in cheap.numbers},
            "attacks": reached}  # fmt: skip


def roc(held, counts, probs):
    """Return the exact trade-off of the best attack on a release: false and true positive rates, (R,) each.

    Parameters
    ----------
    held : array (N, ...), or a tuple of such
        What the network trained on each training set releases.
    counts, probs : array (N, m) and (m,)
    """
    ids, law = networks.release_ids(held), np.exp(log_multinomial(counts, probs))
    inside = np.ravel([np.bincount(ids, law * c / counts[0].sum()) for c in counts.T])
    outside = np.ravel([np.bincount(ids, law * p) for p in probs])
    order = np.argsort(-inside / outside)  # by the likelihood ratio of a pair of release and kind
    return outside[order].cumsum(), inside[order].cumsum()


def agreement(problems, results):
    """Return Kendall's tau of every number with the truth, problem by problem, and its mean and least over problems.

    Parameters
    ----------
    problems, results : list of Problem, and of what ``evaluate`` returned for them

    Returns
    -------
    DataFrame
        number, kind (indicator, rival, attack, oracle), released, problem (a name, "mean" or "min"), split, tau, low,
        high: the interval of a mean is Student's t over problems. The oracle is the entropy of the release's exact law.
    """
    rows = []
    for problem, result in zip(problems, results, strict=True):
        for released in JUDGED:
            found = [result["truth"][f"{name}, {released}"] for name in QUANTIZER_SET]
            numbers = {name: (NUMBERS[name].kind, values) for name, values in result["numbers"].items()}
            numbers |= {name: ("attack", values) for name, values in result["attacks"].items()}
            numbers["entropy of the release"] = "oracle", [f.entropy for f in found]
            insecurity = [round(f.mean, 9) for f in found]  # what differs by rounding only is a tie
            rows += [(name, kind, released, problem.name, problem.split, indicators.kendall_b(values, insecurity))
                     for name, (kind, values) in numbers.items()]  # fmt: skip
    columns = ["number", "kind", "released", "problem", "split", "tau"]
    every, means = pd.DataFrame(rows, columns=columns).dropna(), []
    for (name, kind, released, split), part in every.groupby(["number", "kind", "released", "split"], sort=False):
        mean = attacks.mean_interval(part.tau, most=1) if len(part) > 1 else [np.nan] * 3
        means.append((name, kind, released, "mean", split, *mean))
        means.append((name, kind, released, "min", split, part.tau.min(), np.nan, np.nan))
    return pd.concat([every, pd.DataFrame(means, columns=[*columns, "low", "high"])], ignore_index=True)


# ------------------------------------------------------------------------------------------- what attacks attain of it


def _gaussian_ratio(signals, counts):
    """Fit LiRA in the population game: return a function signals (N, m) -> log-ratio of the two laws of each record.

    A shadow counts towards the law with the record as often as its training set holds it, and once towards the other.
    """

    def law(weights):
        weights = weights / np.maximum(weights.sum(axis=0), 1e-12)
        mean = (weights * signals).sum(axis=0)
        return mean, (weights * np.square(signals - mean)).sum(axis=0) + 1e-9

    (inside, wide), (outside, spread) = law(counts), law(np.ones(counts.shape))
    pooled = (wide + spread) / 2  # one variance: two, from few shadows, do worse

    def score(seen):
        return (np.square(seen - outside) - np.square(seen - inside)) / (2 * pooled)

    return score


def _expected_counts(features, counts, learner):
    """Return a function features (N, P) -> predicted counts (N, m), fitted on shadows."""
    scaler = StandardScaler().fit(features)
    fitted = learner.fit(scaler.transform(features), counts)
    return lambda seen: np.reshape(fitted.predict(scaler.transform(seen)), (len(seen), -1))


def _looked_up(ids, drawn, known):
    """Sum what is known of the shadows that released the same; 0, no guess, where none did."""
    found = np.zeros((ids.max() + 1, known.shape[1]))
    np.add.at(found, ids[drawn], known)
    return found[ids]


LEARNERS = {
    "ridge": partial(RidgeCV, np.geomspace(1e-2, 1e4, 13)),
    "trees": partial(ExtraTreesRegressor, 100, min_samples_leaf=3, n_jobs=1, random_state=0),
}


def attained(problem, names, shadows=1000, seed=0, null=False, simulated=100_000,
             learners=("ridge", "trees")):  # fmt: skip
    """Return the advantage that attacks, fitted on random trainings, reach on the exact law of a problem's releases.

    Parameters
    ----------
    problem : Problem
    names : names of ``quantizers.QUANTIZERS``
    shadows : int
        Random trainings that the attacks are fitted on.
    seed : int
        Of the draw of the shadows.
    null : bool
        Shuffle the shadows' training sets: what is then found is an error of the attack.
    simulated : int
        Random trainings of the look-up table, which learns the likelihood ratio of every value of the codes.
    learners : names of ``LEARNERS``

    Returns
    -------
    list of dict
        A row a quantizer and attack: ``advantage``, which at best is ``exact`` of what it sees (``released``).
        "lira" sees the output at the record, "outputs, ..." those at all kinds, "codes, ..." the codes; ridge and
        extremely randomised trees regress the counts, "codes, table" looks codes up. The judgement sums over every
        training set: nothing is sampled.
    """
    x, y, probs = world = draw_world(problem)
    counts = np.concatenate(list(networks.enumerate_training_sets(problem.n, problem.kinds)))
    law, models = np.exp(log_multinomial(counts, probs)), train(problem, world, counts)
    rng = np.random.default_rng([problem.seed, seed, 7])
    drawn = rng.choice(len(counts), size=shadows, p=law / law.sum())
    known = counts[rng.permutation(drawn) if null else drawn]
    many = rng.choice(len(counts), size=simulated, p=law / law.sum())
    of_many = counts[rng.permutation(many) if null else many]
    change = law[:, None] * (counts / problem.n - probs) / 2
    rows = []
    for name in names:
        steps = ladder(models, name, x, wanted=("outputs", "codes"))
        outputs = steps["outputs"][0]
        signals = attacks.signal(outputs, y, problem.task)
        codes, flat = (np.concatenate([np.reshape(a, (len(a), -1)) for a in steps[w]], axis=1).astype(np.float64)
                       for w in ("codes", "outputs"))  # fmt: skip
        exact = {w: networks.trained_network_insecurity(steps[w], counts, probs) for w in ("codes", "outputs")}
        base = problem.n * probs
        guesses = {
            ("lira", "outputs"): _gaussian_ratio(signals[drawn], known)(signals),
        }
        for seen, features in (("outputs", flat), ("codes", codes)):
            for kind in learners:
                predict = _expected_counts(features[drawn], known, LEARNERS[kind]())
                guesses[f"{seen}, {kind}", seen] = predict(features) - base
        guesses["codes, table", "codes"] = _looked_up(networks.release_ids(steps["codes"]), many, of_many - base)
        rows += [{"problem": problem.name, "quantizer": name, "attack": attack, "released": seen, "seed": seed,
                  "advantage": float((change * np.sign(guess)).sum()), "exact": exact[seen]}
                 for (attack, seen), guess in guesses.items()]  # fmt: skip
    return rows


# ------------------------------------------------------------------------------------------ scales, and secret starts


def secret_start(problem, name, starts, released="codes"):
    """Return the exact insecurity of a release whose initialisation is one of some, each as likely, and not known.

    Parameters
    ----------
    problem : Problem
    name : name of ``quantizers.QUANTIZERS``
    starts : int
        Initialisations: the seeds from ``problem.seed`` on.
    released : name of ``LADDER``

    Returns
    -------
    list of (int, float, float)
        For 1, 2, 4, ... initialisations: their number, Delta_n where the attacker does not know which one it is, and
        the mean over them where he does.
    """
    world = draw_world(problem)
    counts = np.concatenate(list(networks.enumerate_training_sets(problem.n, problem.kinds)))
    parts, known, rows = [], [], []
    for start in range(starts):
        models = train(replace(problem, seed=problem.seed + start), world, counts)
        parts.append(ladder(models, name, world[0], wanted=(released,))[released])
        known.append(networks.trained_network_insecurity(parts[-1], counts, world[2]))
        if start + 1 == 2 ** len(rows):
            joined = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            ids = networks.release_ids(joined)
            secret = mixed_insecurity(ids.reshape(start + 1, -1), counts, world[2])
            rows.append((start + 1, secret, float(np.mean(known))))
    return rows


def secret_table(problems, name, starts):
    """Return what ``secret_start`` says of some problems as a tidy frame.

    Parameters
    ----------
    problems : list of Problem
        With one hidden layer and one output.
    name, starts
        As ``secret_start``.

    Returns
    -------
    DataFrame
        Columns: weights, problem (its seed, or "mean"), starts, secret, known, share (the first of both over the
        second), and of a mean low, high: Student's interval over problems.
    """
    rows = [(p.hidden[0] * (p.dim + 1), p.seed, *row) for p in problems for row in secret_start(p, name, starts)]
    table = pd.DataFrame(rows, columns=["weights", "problem", "starts", "secret", "known"])
    table = table.assign(share=table.secret / table.known)
    means = [
        (size, "mean", n, *attacks.mean_interval(part.share, most=1))
        for (size, n), part in table.groupby(["weights", "starts"])
    ]
    columns = ["weights", "problem", "starts", "share", "low", "high"]
    return pd.concat([table, pd.DataFrame(means, columns=columns)], ignore_index=True)


def mixed_insecurity(ids, counts, probs):
    """Return the insecurity of releases (S, N), a row for each of S equally likely ways to train that stay unknown."""
    law = np.exp(log_multinomial(counts, probs)) / len(ids)
    change = np.tile(law[:, None] * (counts / counts[0].sum() - probs), (len(ids), 1))
    per_value = np.stack([np.bincount(ids.ravel(), column) for column in change.T])
    return float(abs(per_value).sum() / 2)


def continuous_records(records=12, n=32, dim=8, width=8, fits=400, names=("fp32", "sign"), seed=0):
    """Attack parts of a release in the population game with continuous data: learned attacks on each part, by AUC.

    Parameters
    ----------
    records : int
        Records that are attacked, each by classifiers of its own.
    n, dim, width : int
        Samples of a training set, inputs and hidden units.
    fits : int
        Networks with the record, and as many without; half of them fit the classifier and the others judge it.
    names : names of ``quantizers.QUANTIZERS``
    seed : int

    Returns
    -------
    list of dict
        A row a record, quantizer and part: "codes", "scales", "codes and scales", "and biases".
    """
    rows = []
    for record in range(records):
        rng = np.random.default_rng([seed, record, 8])
        x = rng.normal(size=(1 + 2 * fits * n, dim)).astype(np.float32)
        y = (x[:, 0] * x[:, 1] + 0.5 * rng.normal(size=len(x)) > 0).astype(int)
        members = np.zeros((2 * fits, len(x)), bool)
        members[np.arange(2 * fits)[:, None], 1 + np.arange(2 * fits * n).reshape(2 * fits, n)] = True
        inside = np.arange(2 * fits) % 2 == 0
        members[inside, 0], members[inside, 1 + np.flatnonzero(inside) * n] = True, False
        models = ensemble.train(x, y, members, hidden=(width,), steps=150, seed=seed)
        for name in names:
            held = ladder(models, name, x[:1], wanted=("codes", "codes+scale+bias"))
            count = len(held["codes"])
            whole = [np.reshape(a, (len(a), -1)).astype(float) for a in held["codes+scale+bias"]]
            codes, rest = whole[:count], whole[count:]
            scales, biases = rest[:-count], rest[-count:]
            parts = {"codes": codes, "scales": scales, "codes and scales": codes + scales,
                     "and biases": codes + scales + biases}  # fmt: skip
            for part, arrays in parts.items():
                features = np.concatenate([a for a in arrays if a.shape[1]] or [np.zeros((len(inside), 1))], axis=1)
                rows.append({"record": record, "quantizer": name, "part": part, "auc": _judged(features, inside)})
    return rows


def _judged(features, inside):
    """Return the AUC of a ridge classifier of membership, fitted on one half and judged on the other, both ways."""
    half = np.arange(len(features)) // 2 % 2 == 0
    found = []
    for fit, judge in ((half, ~half), (~half, half)):
        predict = _expected_counts(features[fit], inside[fit, None].astype(float), LEARNERS["ridge"]())
        found.append(float(attacks.auc(predict(features[judge]).T, inside[judge][None])[0]))
    return float(np.mean(found))
