"""Heads on frozen representations of molecules: what a quantizer does to their privacy and use; for 07 and D.

A pool is a task under a representation, with its scaffold test set. Its attacked heads fall into groups, each with its
own random halves and its own initialisation, which its heads share unless they are told to start at random.
``evaluate_group`` is one group whole, an independent job for ``run.sweep``.
"""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import Ridge

from qmis_utils import attacks, ensemble, indicators, molecules, quantizers, records
from qmis_utils.assess import Game, assess, quantized, utility
from qmis_utils.molecules import embeddings

NAMES = quantizers.PAPER_SET + ["uniform_mse_3", "lloyd_2", "nf4"]  # the paper's set, and three used in practice
ATTACK = "lira_fixed"  # groups have few shadows
INDICATORS = ("rho_pool", "rho", "rho_w", *(f"r ensemble {how}" for how in indicators.AGGREGATIONS))
LAWS = ("rho_pool", "rho")  # the survival correlations that predict an AUC
LEAST = 4  # IN and OUT heads of every record in a group
LEAST_OF_A_CLASS = 8  # molecules of the pool: a random half of eight misses them all once in 256
PILOTS, PILOT_GROUP = 8, 99  # heads of the validation rule, and the group whose initialisation they have
NOTHING_KNOWN = {"binary": 0.5, "regression": 0.0}  # utility of a model that knows nothing: AUROC, R2
KEPT_HEADS = 3  # heads of a group whose test outputs are kept, for bootstraps over test molecules


@dataclass(frozen=True, eq=False)
class Pool:
    """Hold a task under a representation: the pool to train on and to attack, the test set to judge utility by."""

    name: str
    kind: str  # "binary" or "regression"
    representation: str
    smiles: np.ndarray  # of the pool, (N,)
    x: np.ndarray  # (N, d)
    y: np.ndarray  # (N,), 0/1 or standardised by the pool
    x_test: np.ndarray  # (m, d)
    y_test: np.ndarray  # (m,)
    report: dict  # how it was split, what was left out, and its twins: molecules with equal inputs


# ------------------------------------------------------------------------------------------------------------- pools


def prepare(task, representation, *, name=None, split="scaffold", twins="keep", test_fraction=0.2, seed=0, **table):
    """Load, embed, split and scale a table.

    Parameters
    ----------
    task, representation : str
        As ``molecules.load_task`` and ``embeddings.embed`` know them.
    name : str, optional
        Of the table, where its own is not the only one (``molecules.table_names``).
    split : str
        As ``molecules.split``.
    twins : {"keep", "merge"}
        Of molecules of the pool whose inputs are equal under the representation, keep all, or make one record of them:
        in classification it goes where their labels disagree, in regression labels are averaged. To a head, kept twins
        in two halves are a member and a non-member at once.
    test_fraction, seed : float, int
        Share of molecules held out; seed of the sample and the split, which is the same for every representation.
    **table
        Further arguments of ``load_table``.

    Returns
    -------
    Pool
        Inputs are scaled, and labels of a regression standardised, on the whole pool, which says nothing about
        membership. A molecule that the representation cannot embed is left out. ``report`` holds ``split``, in words,
        ``left_out``, reason -> rows of the table, ``twins``, the records of the pool whose inputs another one has,
        ``twins_at_odds``, those of them whose twins have other labels, ``test_twins``, the test molecules whose inputs
        a record of the pool has, and ``merged``, the records that went.

    Raises
    ------
    ValueError
        As ``molecules.load_task`` and ``molecules.split``; for an unknown representation; where all labels of the pool
        or the test set agree, or the pool holds fewer than ``LEAST_OF_A_CLASS`` of one class.
    """
    if twins not in ("keep", "merge"):
        raise ValueError(f"twins must be 'keep' or 'merge'; got {twins!r}")
    column = molecules.splits.split_column(split)
    frame = molecules.load_table(task, seed=seed, split_column=column, **table)
    *sides, words = molecules.split(frame, split, test_fraction, rng=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says what was left out
        features = embeddings.embed(frame.smiles, representation)
    out = embeddings.left_out(list(frame.smiles), representation, features)
    usable = np.isfinite(features).all(axis=1)
    pool, test = (side[usable[side]] for side in sides)
    y, kind = frame.y.to_numpy(float, copy=True), frame.attrs["kind"]
    inputs = features + np.float32(0)  # -0 and 0 are one number
    report = {"split": words, "left_out": {reason: frame.row.iloc[at].tolist() for reason, at in out.items()}}
    keys = _keys(inputs[pool])
    kept, merged_y, report["twins"], report["twins_at_odds"] = _twins(keys, y[pool], kind)
    known = set(keys)
    report["test_twins"] = sum(key in known for key in _keys(inputs[test]))
    report["merged"] = len(pool) - len(kept) if twins == "merge" else 0
    if twins == "merge":
        pool = pool[kept]
        y[pool] = merged_y
    for where, side in {"pool": pool, "test set": test}.items():
        if len(np.unique(y[side])) < 2:
            raise ValueError(f"all labels of the {where} of {task} are equal: take more molecules, or another seed")
    rarest = min(np.unique(y[pool], return_counts=True)[1])
    if kind == "binary" and rarest < LEAST_OF_A_CLASS:
        raise ValueError(
            f"{task}: only {rarest} molecules of the pool have the rarer label, and every random half must hold both: "
            f"take more molecules, so that it has at least {LEAST_OF_A_CLASS}"
        )
    mixed_units = embeddings.EMBEDDERS[representation].mixed_units
    x, x_test = embeddings.standardise(features[pool], features[test], mixed_units=mixed_units)
    if kind == "regression":
        y = (y - y[pool].mean()) / y[pool].std()
    smiles = frame.smiles.to_numpy()[pool]
    name = name or frame.attrs["name"]
    return Pool(name, kind, representation, smiles, x, y[pool], x_test, y[test], report)


def _keys(inputs):
    return [row.tobytes() for row in inputs]


def _twins(keys, y, kind):
    """Return the places of inputs that may stay, their labels, and how many records have twins, and twins at odds."""
    groups = pd.DataFrame({"place": np.arange(len(keys)), "y": y}).groupby(keys, sort=False)
    size, labels = groups["place"].transform("size"), groups["y"].transform("nunique")
    merged = groups.agg(place=("place", "first"), y=("y", "mean"), labels=("y", "nunique"))
    stays = merged if kind == "regression" else merged[merged["labels"] == 1]
    return stays["place"].to_numpy(), stays["y"].to_numpy(), int((size > 1).sum()), int((labels > 1).sum())


# ------------------------------------------------------------------------------------------------------------- heads


def draw_members(n_heads, n_pool, rng, tries=1000):
    """Draw independent random halves, again until every record has at least four IN and four OUT heads.

    Parameters
    ----------
    n_heads, n_pool : int
        Heads of a group, and records of the pool.
    rng : numpy.random.Generator
    tries : int
        Draws at most.

    Returns
    -------
    bool array (n_heads, n_pool)

    Raises
    ------
    ValueError
        Naming n_models, where so few heads can hardly reach that.

    Notes
    -----
    A group is attacked leave-one-out, so three of each are left to describe a record. The condition treats all heads
    alike, and members as non-members; with 25 heads it rules out one record in 6,000, whose fewer models would say
    little. No score reads how often a record was in, and the permuted null is drawn from the same counts.
    """
    for _ in range(tries):
        members = ensemble.random_halves(n_heads, n_pool, rng)
        n_in = members.sum(axis=0)
        if min(n_in.min(), n_heads - n_in.max()) >= LEAST:
            return members
    raise ValueError(
        f"n_models: {n_heads} heads a group are too few to give each of {n_pool} molecules {LEAST} IN and {LEAST} OUT "
        "heads: take more models or fewer groups; 25 heads a group serve thousands of molecules"
    )


def initialisation(seed, group):
    """Return the seed of a group's initial weights and of its minibatches; ValueError beyond 98 groups."""
    if not 0 <= group <= PILOT_GROUP:
        raise ValueError(
            f"n_groups: at most {PILOT_GROUP} groups have an initialisation of their own; got group {group}"
        )
    return 100 * seed + group


def train(pool, members, decay, init, width=32, steps=100, start="shared"):
    """Train one head, a perceptron with one hidden layer, per row of ``members``, from the initialisation ``init``.

    ``decay`` is the weight decay, ``steps`` counts full-batch Adam steps; ``start`` is "shared", or "random" for an
    initialisation of its own for every head. Returns an ``ensemble.Ensemble``.
    """
    return ensemble.train(pool.x, pool.y, members, task=pool.kind, hidden=(width,), steps=steps, weight_decay=decay,
                          init=start, seed=init)  # fmt: skip


def recalibrate(outputs, y, seed=0):
    """Return outputs (M, m) after a gain and an offset, which each half of the molecules takes from the other half."""
    result, halves = np.empty_like(outputs), np.array_split(np.random.default_rng(seed).permutation(len(y)), 2)
    for fit, judge in (halves, halves[::-1]):
        centre = outputs[:, fit].mean(axis=1, keepdims=True)
        x, target = outputs[:, fit] - centre, y[fit] - y[fit].mean()
        gain = (x @ target) / np.maximum((x**2).sum(axis=1), 1e-12)
        result[:, judge] = gain[:, None] * (outputs[:, judge] - centre) + y[fit].mean()
    return result


def spearman(outputs, y):
    """Return the rank correlation of each model's outputs (models, m) with the labels; 0 for a constant model."""
    ranks, y = rankdata(outputs, axis=1), rankdata(y)
    ranks, y = ranks - ranks.mean(axis=1, keepdims=True), y - y.mean()
    return ranks @ y / np.sqrt(np.maximum((ranks**2).sum(axis=1) * (y**2).sum(), 1e-12))


def validate(pool, widths, decays, *, steps=100, seed=0):
    """Score each width and weight decay in full precision on molecules that the scored head did not train on.

    Parameters
    ----------
    pool : Pool
    widths, decays : list of int and of float
        To compare.
    steps, seed : int
        As in ``train`` and ``train_group``.

    Returns
    -------
    array (len(widths), len(decays), 8)
        Scores of eight pilot heads, each on its own non-members.
    """
    members = ensemble.random_halves(PILOTS, len(pool.x), np.random.default_rng([seed, PILOT_GROUP]))
    scores = np.empty((len(widths), len(decays), PILOTS))
    for (i, width), (j, decay) in itertools.product(enumerate(widths), enumerate(decays)):
        outputs = train(pool, members, decay, initialisation(seed, PILOT_GROUP), width, steps).logits(pool.x)
        rows = [(row[~used][None], pool.y[~used]) for row, used in zip(outputs, members, strict=True)]
        scores[i, j] = [utility(row, y, pool.kind, ranked=True).item() for row, y in rows]
    return scores


def choose(scores, widths, decays):
    """Return the (width, weight decay) of the validation rule from the ``scores`` of ``validate``.

    The smallest width whose best score is within one standard error, over pilots, of the best of all, with the weight
    decay that gives it that score (the one-standard-error rule, Breiman et al. 1984).
    """
    mean = scores.mean(axis=-1)
    best = np.unravel_index(mean.argmax(), mean.shape)
    bar = mean[best] - scores[best].std(ddof=1) / np.sqrt(scores.shape[-1])
    width = min(w for w, row in zip(widths, mean, strict=True) if row.max() >= bar)
    return width, decays[mean[widths.index(width)].argmax()]


# ------------------------------------------------------------------------------------------------------ one group


def train_group(pool, group, decay, *, width=32, steps=100, n_models=128, n_groups=5, n_indicator=16, seed=0,
                start="shared"):  # fmt: skip
    """Train a group: its share of the attacked heads, and beside them, disjoint, the heads of the indicators.

    Parameters
    ----------
    pool : Pool
    group : int
        Its number, 0 to n_groups - 1.
    decay, width, steps, start : float, int, int, str
        As in ``train``.
    n_models, n_groups, n_indicator : int
        Heads to attack in all groups together, split as evenly as possible, and further heads of this group.
    seed : int

    Returns
    -------
    Game
        With the test set as its fresh records.
    """
    n_heads = len(np.array_split(np.arange(n_models), n_groups)[group])
    rng = np.random.default_rng([seed, group])
    members = draw_members(n_heads, len(pool.x), rng)
    spare = ensemble.random_halves(n_indicator, len(pool.x), rng)
    heads = train(pool, np.vstack([members, spare]), decay, initialisation(seed, group), width, steps, start)
    return Game(pool.x, pool.y, pool.x_test, pool.y_test, heads[:n_heads], members, heads[n_heads:], spare)


def gap(values, members):
    """Return the mean of each record's values (M, N) over the heads that it is IN minus that over the others, (N,)."""
    values, members = records.signals(values, "values"), records.membership(members, np.shape(values))
    inside, outside = (np.where(group, values, 0).sum(axis=0) / group.sum(axis=0) for group in (members, ~members))
    return inside - outside


def record_advantage(exposure):
    """Return the advantage 2 Phi(d'/2) - 1 against one record, from d'^2 (negative: 0), if its scores are normal.

    Averages of d'^2 give too much: measure the advantage itself, by ``attacks.record_exposure``.
    """
    d_prime = np.sqrt(np.maximum(exposure, 0))
    return 2 * indicators.gaussian_auc(d_prime / np.sqrt(2)) - 1


def relative_gain(quantized, full, members):
    """Return how much more a quantizer keeps of what membership changes than of all differences between heads.

    Parameters
    ----------
    quantized, full : array (M, N)
        Outputs of the same heads.
    members : bool array (M, N)

    Returns
    -------
    float
        The ratio of two slopes, each of quantized on full precision: that of the gaps between a record's mean output
        IN and OUT, and that of all deviations from the mean over heads. The survival laws assume a ratio of 1.
    """

    def slope(q, f):
        return (q * f).sum() / max((f * f).sum(), 1e-12)

    q, f = (np.asarray(z - z.mean(axis=0), np.float64) for z in (quantized, full))
    overall = slope(q, f)
    return slope(gap(q, members), gap(f, members)) / overall if overall else np.nan


def _regression_only(score):
    """Return a measure that is NaN for a classification."""
    return lambda seen, reference, scores: (
        score(seen.outputs_out, seen.y_out).mean() if seen.task == "regression" else np.nan
    )


def _recalibrated(outputs, y):
    return utility(recalibrate(outputs, y), y, "regression")


def _some(seen, reference, scores):
    outputs = seen.outputs_out
    return outputs[np.linspace(0, len(outputs) - 1, min(KEPT_HEADS, len(outputs))).astype(int)]


def _tpr(seen, reference, scores):
    enough = (~seen.members).sum() >= 1000
    return attacks.tpr_at_fpr(scores[ATTACK], seen.members, 0.01) if enough else np.nan


MEASURES = {  # name -> function of the attacked heads' evidence, the reference's, and the scores of the attacks
    "utility": lambda seen, _, scores: utility(seen.outputs_out, seen.y_out, seen.task, ranked=True).mean(),
    "spearman": _regression_only(spearman),
    "recalibrated": _regression_only(_recalibrated),
    "some": _some,
    "tpr": _tpr,
    "scores": lambda seen, _, scores: scores[ATTACK].astype(np.float32),
    "members": lambda seen, _, scores: seen.members,
    "nonzero": lambda seen, _, scores: np.mean(seen.released_weights != 0),
    "relative_gain": lambda seen, full, scores: relative_gain(seen.outputs, full.outputs, seen.members),
}


def evaluate_group(pool, group, decay, *, width=32, steps=100, n_models=128, n_groups=5, n_indicator=16,
                   names=tuple(NAMES), attacked=(ATTACK,), numbers=INDICATORS, n_draws=40, seed=0,
                   start="shared"):  # fmt: skip
    """Train one group of a pool, quantize it with every quantizer, attack it and score it: one point of the sweep.

    Parameters
    ----------
    pool : Pool
    group, decay, width, steps, n_models, n_groups, n_indicator, seed
        As in ``train_group``.
    names : names of ``quantizers.QUANTIZERS``, "fp32" first
    attacked, numbers : names of ``attacks.ATTACKS`` and of ``assess.NUMBERS``
        "lira_fixed" among the attacks: the measures read its scores.
    n_draws : int
        Bootstrap draws of every number.

    Returns
    -------
    Assessment
        Its measures, arrays over the Q quantizers: ``utility`` (AUROC or R2), ``spearman``, ``recalibrated`` (NaN for a
        classification), ``tpr`` at 1 % false positives over all heads (NaN below 1,000 non-member scores), ``nonzero``
        and ``relative_gain`` (Q,), the attack's ``scores`` and the ``members`` they are judged by (Q, M, N), and
        ``some`` test outputs (Q, few, m). Nulls are of all quantizers.

    Raises
    ------
    ValueError
        As ``draw_members`` and ``assess``.
    """
    sizes = {"n_models": n_models, "n_groups": n_groups, "n_indicator": n_indicator}
    game = train_group(pool, group, decay, width=width, steps=steps, seed=seed, start=start, **sizes)
    laws = [name for name in LAWS if name in numbers]
    return assess(game, quantized(*names), attacked, numbers, seed=seed, draws=n_draws, laws=laws, measures=MEASURES,
                  rng=np.random.default_rng([seed, group, 1]), null_of="all")  # fmt: skip


# ------------------------------------------------------------------------------------------------- all groups of a pool


def points(pools, heads, n_groups=5, **same):
    """Return the arguments of ``evaluate_group`` for every group of some pools, pool after pool.

    Parameters
    ----------
    pools : list of Pool
    heads : DataFrame
        Columns task, representation, width and decay: the head of each pool.
    n_groups : int
    **same
        Further arguments, the same for all.

    Returns
    -------
    list of dict

    Raises
    ------
    KeyError
        For a pool without a row.
    """
    table = heads.set_index(["task", "representation"])
    found = [table.loc[(pool.name, pool.representation)] for pool in pools]
    own = [{"pool": pool, "width": int(head.width), "decay": float(head.decay)}
           for pool, head in zip(pools, found, strict=True)]  # fmt: skip
    return [same | one | {"n_groups": n_groups, "group": group} for one in own for group in range(n_groups)]


def rows(pool, results):
    """Return what was measured in the groups of a pool, a row per group and release.

    Parameters
    ----------
    pool : Pool
    results : list of Assessment
        Of ``evaluate_group``, in the order of the groups.

    Returns
    -------
    DataFrame
        Columns task, kind, representation, group, quantizer, attack_auc (LiRA's), strongest and null_auc (of the
        strongest of the attacks that were run), means over the heads, utility, spearman, nonzero, relative_gain, and
        tpr_at_1pct.
    """
    parts = []
    for group, result in enumerate(results):
        names = {"task": pool.name, "kind": pool.kind, "representation": pool.representation, "group": group}
        found = {"attack_auc": result.auc[ATTACK].mean(axis=0)}
        strong = {"strongest": result.auc, "null_auc": result.null}
        found |= {column: attacks.strongest(auc).mean(axis=0) for column, auc in strong.items()}
        scalars = {name: result.measures[name] for name in ("utility", "spearman", "nonzero", "relative_gain")}
        tpr = {"tpr_at_1pct": result.measures["tpr"]}
        parts.append(pd.DataFrame(names | {"quantizer": result.releases} | found | scalars | tpr))
    return pd.concat(parts, ignore_index=True)


def utility_draws(pool, results, n_draws=200, seed=0, change=None):
    """Draw the test molecules anew and return the mean utility over a few heads of every group.

    Parameters
    ----------
    pool : Pool
    results : list of Assessment
    n_draws, seed : int
        Draws, the same molecules for every release.
    change : function (outputs (M, m), labels) -> outputs, optional
        What is done to the outputs first, such as ``recalibrate``.

    Returns
    -------
    DataFrame (n_draws, releases)
        A draw that holds one class only is drawn again.
    """
    rng, outputs = np.random.default_rng(seed), np.concatenate([r.measures["some"] for r in results], axis=1)
    m, flat = len(pool.y_test), outputs.reshape(-1, len(pool.y_test))
    flat = flat if change is None else change(flat, pool.y_test)
    picks = rng.integers(m, size=(4 * n_draws, m))
    usable = [pick for pick in picks if len(np.unique(pool.y_test[pick])) > 1][:n_draws]
    draws = [utility(flat[:, pick], pool.y_test[pick], pool.kind, ranked=True) for pick in usable]
    return pd.DataFrame(np.reshape(draws, (len(draws), *outputs.shape[:2])).mean(axis=2), columns=results[0].releases)


def gain_draws(pool, results, useful, seed=0):
    """Draw the groups anew beside the test molecules: utility of each release above lots among the others, at its AUC.

    Parameters
    ----------
    pool : Pool
    results : list of Assessment
    useful : DataFrame (draws, releases)
        From ``utility_draws``.
    seed : int

    Returns
    -------
    DataFrame (draws, releases)
        ``attacks.gain_at_equal_leak`` of every draw.
    """
    leaks = np.array([r.auc[ATTACK].mean(axis=0) for r in results])
    picks = np.random.default_rng(seed).integers(len(leaks), size=(len(useful), len(leaks)))
    nothing = (NOTHING_KNOWN[pool.kind], 0.5)
    gains = attacks.gain_at_equal_leak(useful.to_numpy(), leaks[picks].mean(axis=1), nothing)
    return pd.DataFrame(gains, columns=useful.columns)


def leak_shares(study):
    """Return the share of the attack's advantage over a coin, AUC - 1/2, that each release leaves of full precision's.

    Parameters
    ----------
    study : DataFrame
        From ``rows``, of all pools.

    Returns
    -------
    DataFrame
        Indexed by kind and quantizer: leak, low and high. In each group the ratio is one of means over the pools of a
        kind; over groups, their mean and its t interval. It means nothing where full precision leaks nothing.
    """
    auc = study.pivot_table(index=["kind", "group"], columns="quantizer", values="attack_auc", sort=False) - 0.5
    shares = auc.div(auc[study.quantizer.iloc[0]], axis=0).stack().groupby(level=["kind", "quantizer"], sort=False)
    found = [tuple(attacks.mean_interval(part)) for _, part in shares]
    return pd.DataFrame(found, index=shares.size().index, columns=["leak", "low", "high"])


def kept_shares(pools, useful, reference=None):
    """Return the share that each release keeps of the utility that full precision has above a model that knows nothing.

    Parameters
    ----------
    pools : list of Pool
    useful : list of DataFrame
        Of ``utility_draws``, one a pool.
    reference : list of DataFrame, optional
        Whose first column is full precision, if not that of ``useful``.

    Returns
    -------
    dict of DataFrame (draws, releases)
        By kind; in each draw the ratio of means over the pools of that kind.
    """
    kept = {}
    for kind in dict.fromkeys(pool.kind for pool in pools):
        above = [
            sum(draws - NOTHING_KNOWN[kind] for pool, draws in zip(pools, part, strict=True) if pool.kind == kind)
            for part in (useful, reference or useful)
        ]
        kept[kind] = above[0].div(above[1].iloc[:, 0], axis=0)
    return kept


def spans(draws_by_kind):
    """Return median and 95 % interval of each column of some frames of draws, indexed by kind and quantizer."""
    parts = {kind: draws.quantile([0.5, 0.025, 0.975]).T for kind, draws in draws_by_kind.items()}
    return pd.concat(parts, names=["kind", "quantizer"]).set_axis(["value", "low", "high"], axis=1)


def mean_gains(pools, results, useful, seed=0):
    """Return ``gain_draws`` by kind, each draw the mean over the pools of a kind; lists hold an entry a pool."""
    found = {}
    for pool, groups, draws in zip(pools, results, useful, strict=True):
        found.setdefault(pool.kind, []).append(gain_draws(pool, groups, draws, seed))
    return {kind: sum(parts) / len(parts) for kind, parts in found.items()}


def exposures(results, release="fp32"):
    """Return ``attacks.record_exposure`` of every record of a pool, over the heads of some groups."""
    seen = [(result.measures, result.releases.index(release)) for result in results]
    scores, members = (np.concatenate([found[name][at] for found, at in seen]) for name in ("scores", "members"))
    return attacks.record_exposure(scores, members)


# ------------------------------------------------------------------------------------------- numbers without an attack


def leakage(results, number, what="value"):
    """Return a number's "value" (groups, releases) or "draws" (groups x draws, releases), larger = leaks more."""
    return np.concatenate([np.atleast_2d(getattr(result, what)(number)) for result in results])


def resolved(results, seed=0):
    """Return ``indicators.resolved_pairs`` of the attack on all heads of a pool."""
    auc = np.concatenate([result.auc[ATTACK] for result in results])
    return indicators.resolved_pairs(auc, np.random.default_rng(seed))


def agreement(pool, results, seed=0):
    """Compare each number, and bits and the share of non-zeros, with the attack.

    Parameters
    ----------
    pool : Pool
    results : list of Assessment
    seed : int
        Of the bootstrap that resolves pairs.

    Returns
    -------
    DataFrame
        A row per number and group: task, representation, indicator, group, tau over the resolved pairs, and tau_b over
        all.
    """
    signs, measured = resolved(results, seed), np.concatenate([r.auc[ATTACK] for r in results]).mean(axis=0)
    candidates = {name: leakage(results, name) for name in results[0].numbers}
    bits = [quantizers.QUANTIZERS[name].bits for name in results[0].releases]
    candidates["bits"] = np.tile(bits, (len(results), 1))
    candidates["non-zeros"] = np.array([r.measures["nonzero"] for r in results])
    found = [
        (pool.name, pool.representation, name, group, indicators.kendall_resolved(value, signs),
         indicators.kendall_b(value, measured))
        for name, values in candidates.items() for group, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(found, columns=["task", "representation", "indicator", "group", "tau", "tau_b"])


def pairs(pool, results, number="rho_pool", seed=0):
    """Return a row per resolved pair of releases, and whether a number orders it as the attack does.

    Columns task, representation, leakier, other, difference of AUC, gain_leakier and gain_other (``relative_gain``),
    wrong, and sure: whether 97.5 % of the number's draws are on the wrong side.
    """
    names, measured = results[0].releases, np.concatenate([r.auc[ATTACK] for r in results]).mean(axis=0)
    values, draws = leakage(results, number).mean(axis=0), leakage(results, number, "draws")
    gain, found = np.mean([r.measures["relative_gain"] for r in results], axis=0), []
    for i, j in zip(*np.nonzero(resolved(results, seed) > 0), strict=True):
        row = {"task": pool.name, "representation": pool.representation, "leakier": names[i], "other": names[j]}
        gains = {"gain_leakier": gain[i], "gain_other": gain[j]}
        sure = (draws[:, i] < draws[:, j]).mean() >= 0.975
        said = {"wrong": values[i] < values[j], "sure": sure}
        found.append(row | {"difference": measured[i] - measured[j]} | gains | said)
    keys = ["task", "representation", "leakier", "other", "difference", "gain_leakier", "gain_other", "wrong", "sure"]
    return pd.DataFrame(found, columns=keys)


def predictions(pool, results):
    """Return predicted and measured AUC of every release but the first, a row per law, number and group.

    The closed law is left out for a regression, where signals have no common shift.
    """
    parts = []
    for group, result in enumerate(results):
        measured = result.auc[ATTACK].mean(axis=0)
        for (law, number, _), predicted in result.predicted.items():
            if (law, pool.kind) != ("closed", "regression"):
                names = {"task": pool.name, "kind": pool.kind, "representation": pool.representation, "group": group}
                found = {"law": law, "from": number, "quantizer": result.releases}
                parts.append(pd.DataFrame(names | found | {"predicted": predicted, "measured": measured}).iloc[1:])
    found = pd.concat(parts, ignore_index=True)
    return found.assign(miss=found.predicted - found.measured)


# ------------------------------------------------------------------------------------------------------ without a model


def blind_auc(x, y, members, seed=0):
    """Return the AUC of guessing membership from molecules and labels alone, without a model.

    Parameters
    ----------
    x, y : array (N, d) and (N,)
        Inputs and labels.
    members : bool array (M, N)
    seed : int
        Of the two halves of the molecules: on one a ridge regression learns membership, on the other it is judged.

    Returns
    -------
    array (M,)
        0.5 where members and non-members are alike.
    """
    seen = np.column_stack([x, y])
    folds, found = np.array_split(np.random.default_rng(seed).permutation(len(x)), 2), []
    for learn, judge in (folds, folds[::-1]):
        ridge = Ridge(alpha=len(learn)).fit(seen[learn], members[:, learn].T)
        guess = np.reshape(ridge.predict(seen[judge]).T, (len(members), -1))
        found.append(attacks.auc(guess, members[:, judge]))
    return np.mean(found, axis=0)


def scaffold_halves(smiles, n, seed=0):
    """Return n membership rows, (n, N) bool, in which members and non-members share no scaffold."""
    sides = [molecules.scaffold_split(smiles, 0.5, rng=seed + i)[0] for i in range(n)]
    return np.array([np.isin(np.arange(len(smiles)), side) for side in sides])


def blind(frame, seed=0, splits=10):
    """Judge ``blind_auc`` of ECFP4 on random halves, and on sides without a common scaffold, of a table.

    Parameters
    ----------
    frame : DataFrame
        From ``molecules.load_table``.
    seed, splits : int

    Returns
    -------
    DataFrame
        A row a way to deal membership: task, membership, auc, low and high, Student's interval over the splits. There
        are no two sides where nine molecules in ten share a scaffold.
    """
    x, y = embeddings.standardise(embeddings.embed(frame.smiles, "ecfp4"))[0], frame.y.to_numpy(float)
    ways = {"random halves": ensemble.random_halves(splits, len(frame), np.random.default_rng(seed))}
    if pd.Series(molecules.scaffolds(frame.smiles)).value_counts(normalize=True).iloc[0] < 0.9:
        ways["scaffold sides"] = scaffold_halves(frame.smiles, splits, seed)
    found = [(frame.attrs["name"], way, *attacks.mean_interval(blind_auc(x, y, members, seed), most=1))
             for way, members in ways.items()]  # fmt: skip
    return pd.DataFrame(found, columns=["task", "membership", "auc", "low", "high"])


def describe(pool):
    """Return what might explain how exposed each record of a pool is.

    Parameters
    ----------
    pool : Pool

    Returns
    -------
    DataFrame
        A row a record: smiles, y, family (records with its scaffold), rarity (share of the other label, or distance
        from the mean label), similarity (Tanimoto, of ECFP4 bits, to the nearest other record) and gap (how far that
        one's label is off).
    """
    on = (embeddings.embed(pool.smiles, "ecfp4") > 0).astype(np.float32)
    common, size = on @ on.T, on.sum(axis=1)
    similarity = common / np.maximum(size[:, None] + size - common, 1)
    np.fill_diagonal(similarity, -1)
    own, gap_to = pd.Series(molecules.scaffolds(pool.smiles)), pool.y[similarity.argmax(axis=1)]
    return pd.DataFrame({"smiles": pool.smiles, "y": pool.y, "family": own.map(own.value_counts()),
                         "rarity": np.abs(pool.y - pool.y.mean()), "similarity": similarity.max(axis=1),
                         "gap": np.abs(pool.y - gap_to)})  # fmt: skip
