"""Heads on frozen representations of molecules: what a quantizer does to their privacy and use; used by notebook 03.

A setting is a task under a representation: one pool, one scaffold test set. Its attack models fall into groups, each
with its own initialisation and random halves. ``evaluate_group`` is one group whole, an independent job for
``run.sweep`` that returns plain arrays.
"""

import itertools
from typing import NamedTuple

import cloudpickle
import numpy as np
from scipy.stats import rankdata

from qmis_utils import attacks, ensemble, indicators, molecules, quantizers
from qmis_utils.molecules import embeddings
from qmis_utils.molecules.tasks import fingerprint, load_table

NAMES = quantizers.PAPER_SET + ["uniform_mse_3", "lloyd_2", "nf4"]  # the paper's set, and three used in practice
TASK = {"classification": "binary", "regression": "regression"}
LEAST = 4  # IN and OUT heads of every record in a group
LEAST_OF_A_CLASS = 8  # molecules of the pool: a random half of eight misses them all once in 256
PILOTS = 8  # heads of the validation rule
KEPT_HEADS = 3  # heads of a group whose test outputs are kept, for bootstraps over test molecules
LAWS = ("rho_pool", "rho")  # the survival correlations that predict an AUC
MOST_WEIGHTS = 4000  # evenly spaced weights that stand for all in rho_w


class Setting(NamedTuple):
    """A task under a representation: the pool to train on and to attack, the test set to judge utility by."""

    name: str
    kind: str  # "classification" or "regression"
    representation: str
    fingerprint: str  # of the table and the representation
    smiles: np.ndarray  # of the pool, (N,)
    x: np.ndarray  # (N, d)
    y: np.ndarray  # (N,), 0/1 or standardised by the pool
    x_test: np.ndarray  # (m, d)
    y_test: np.ndarray  # (m,)


# ---------------------------------------------------------------------------------------------------------- settings


def own_embedder(representation):
    """Return the embedder of a representation that a reader has registered, pickled; None for one of the package's own.

    It travels with the points of a sweep, since other processes know only what the package registers.
    """
    chosen = embeddings.EMBEDDERS[representation]
    return None if chosen.function.__module__ == embeddings.__name__ else cloudpickle.dumps(chosen)


def prepare(task, representation, *, test_fraction=0.2, seed=0, **table):
    """Load, embed, split by scaffold and scale a table.

    Parameters
    ----------
    task, representation : str
        As ``molecules.load_task`` and ``embeddings.embed`` know them.
    test_fraction, seed : float, int
        Share of molecules held out by scaffold; seed of the sample and the split, which is the same for every
        representation.
    **table
        Further arguments of ``load_table``.

    Returns
    -------
    Setting
        Inputs are scaled, and labels of a regression standardised, on the whole pool, which says nothing about
        membership. A molecule that the representation cannot embed is left out.

    Raises
    ------
    ValueError
        As ``molecules.load_task``; for an unknown representation; where all labels of the pool or the test set agree,
        or the pool holds fewer than ``LEAST_OF_A_CLASS`` of one class.
    """
    frame = load_table(task, seed=seed, **table)
    stamp = fingerprint(frame, representation)
    sides = molecules.scaffold_split(frame.smiles, test_fraction, rng=seed)
    features = embeddings.embed(frame.smiles, representation)
    usable = np.isfinite(features).all(axis=1)
    pool, test = (side[usable[side]] for side in sides)
    y, kind = frame.y.to_numpy(float), frame.attrs["kind"]
    for where, side in {"pool": pool, "scaffold test set": test}.items():
        if len(np.unique(y[side])) < 2:
            raise ValueError(f"all labels of the {where} of {task} are equal: take more molecules, or another seed")
    rarest = min(np.unique(y[pool], return_counts=True)[1])
    if kind == "classification" and rarest < LEAST_OF_A_CLASS:
        raise ValueError(
            f"{task}: only {rarest} molecules of the pool have the rarer label, and every random half must hold both: "
            f"take more molecules, so that it has at least {LEAST_OF_A_CLASS}"
        )
    mixed_units = embeddings.EMBEDDERS[representation].mixed_units
    x, x_test = embeddings.standardise(features[pool], features[test], mixed_units=mixed_units)
    if kind == "regression":
        y = (y - y[pool].mean()) / y[pool].std()
    smiles = frame.smiles.to_numpy()[pool]
    return Setting(frame.attrs["name"], kind, representation, stamp, smiles, x, y[pool], x_test, y[test])


# ------------------------------------------------------------------------------------------------------------- heads


def draw_members(n_heads, n_pool, rng, tries=1000):
    """Draw independent random halves, again until every record has at least four IN and four OUT heads.

    Parameters: ``n_heads`` heads of a group, ``n_pool`` records, ``rng`` a generator, ``tries`` draws at most. Returns
    a (n_heads, n_pool) boolean array. Raises ValueError, naming n_models, where so few heads can hardly reach that.

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


def train(setting, members, decay, init, width=32, steps=100):
    """Train one head, a perceptron with one hidden layer, per row of ``members``, all from the initialisation ``init``.

    ``decay`` is the weight decay, ``steps`` counts full-batch Adam steps. Returns an ``ensemble.Ensemble``.
    """
    return ensemble.train(setting.x, setting.y, members, task=TASK[setting.kind], hidden=(width,), steps=steps,
                          weight_decay=decay, seed=init)  # fmt: skip


def utility(outputs, y, kind):
    """Return the score of each model from its outputs (models, m): AUROC of a classifier, R2 of a regression."""
    if kind == "classification":
        return attacks.auc(outputs, np.broadcast_to(y == 1, outputs.shape))
    return 1 - np.mean((outputs - y) ** 2, axis=1) / np.var(y)


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


def validate(task, representation, fingerprint, widths, decays, *, steps=100, seed=0, **table):
    """Score each width and weight decay in full precision on molecules that the scored head did not train on.

    Parameters: ``task``, ``representation``, ``fingerprint`` and ``table`` as in ``evaluate_group``; ``widths`` and
    ``decays`` to compare; ``steps`` as in ``train``. Returns (len(widths), len(decays), 8) scores of eight pilot heads,
    each on its own non-members.
    """
    setting = _prepared(task, representation, fingerprint, seed=seed, **table)
    members = ensemble.random_halves(PILOTS, len(setting.x), np.random.default_rng([seed, 99]))
    scores = np.empty((len(widths), len(decays), PILOTS))
    for (i, width), (j, decay) in itertools.product(enumerate(widths), enumerate(decays)):
        outputs = train(setting, members, decay, _init(seed, 99), width, steps).logits(setting.x)
        rows = [(row[~used][None], setting.y[~used]) for row, used in zip(outputs, members, strict=True)]
        scores[i, j] = [utility(row, y, setting.kind).item() for row, y in rows]
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


def _init(seed, group):
    return 100 * seed + group  # 99 is the pilots'


def _prepared(task, representation, fingerprint, embedder=None, **table):
    if embedder is not None:
        embeddings.EMBEDDERS[representation] = cloudpickle.loads(embedder)
    setting = prepare(task, representation, **table)
    if setting.fingerprint != fingerprint:
        raise ValueError(
            f"{task}, {representation}: this job finds another table or representation (fingerprint "
            f"{setting.fingerprint}) than it was made for ({fingerprint}): does every worker read the same file?"
        )
    return setting


# ------------------------------------------------------------------------------------------------------ one group


def train_group(setting, group, decay, *, width=32, steps=100, n_models=128, n_groups=5, n_indicator=16, seed=0):
    """Train a group: its share of the attacked heads, and beside them, disjoint, the heads of the indicators.

    Parameters: ``n_models`` heads in all groups together, split as evenly as possible; ``n_indicator`` further heads of
    this group. Returns (attacked heads, their members, indicator heads); all start from the group's initialisation.
    """
    n_heads = len(np.array_split(np.arange(n_models), n_groups)[group])
    rng = np.random.default_rng([seed, group])
    members = draw_members(n_heads, len(setting.x), rng)
    spare = ensemble.random_halves(n_indicator, len(setting.x), rng)
    heads = train(setting, np.vstack([members, spare]), decay, _init(seed, group), width, steps)
    return heads[:n_heads], members, heads[n_heads:]


def gap(values, members):
    """Return the mean of each record's values (M, N) over the heads that it is IN minus that over the others, (N,)."""
    inside, outside = (np.where(group, values, 0).sum(axis=0) / group.sum(axis=0) for group in (members, ~members))
    return inside - outside


def exposure(scores, members):
    """Return how exposed each record is, (N,): the gap of its log-likelihood ratios ``scores`` (M, N) of LiRA.

    Between Gaussians d' apart it is d'^2, in nats; leave-one-out scores leave no bias worth mention: noise alone gives
    0 in the mean.
    """
    return gap(scores, members)


def advantage(exposure):
    """Return the membership advantage 2 Phi(d'/2) - 1 against one record, from its exposure d'^2 (negative: 0)."""
    d_prime = np.sqrt(np.maximum(exposure, 0))
    return 2 * indicators.gaussian_auc(d_prime / np.sqrt(2)) - 1


def relative_gain(quantized, full, members):
    """Return how much more a quantizer keeps of what membership changes than of all differences between heads.

    Parameters: outputs (M, N) of the same heads, quantized and in full precision, and their ``members``. Two slopes are
    compared, each quantized on full precision: that of the gaps between a record's mean output IN and OUT, and that of
    all deviations from the mean over heads. The survival laws assume that they agree, a ratio of 1.
    """

    def slope(q, f):
        return (q * f).sum() / max((f * f).sum(), 1e-12)

    q, f = (np.asarray(z - z.mean(axis=0), np.float64) for z in (quantized, full))
    overall = slope(q, f)
    return slope(gap(q, members), gap(f, members)) / overall if overall else np.nan


def attack(outputs, setting, members, null_members):
    """Attack one quantizer's heads leave-one-out, and again under permuted membership.

    Parameters: ``outputs`` (M, N) on the pool. Returns a dict: ``auc`` and ``null`` (M,), ``tpr`` at 1 % false
    positives over all heads, NaN below 1,000 non-member scores, ``exposure`` (N,).
    """
    signals = attacks.signal(outputs, setting.y, TASK[setting.kind])
    scores = attacks.lira(signals, members, "online_fixed")
    null = attacks.lira(signals, null_members, "online_fixed")
    enough = (~members).sum() >= 1000
    return {
        "auc": attacks.auc(scores, members), "null": attacks.auc(null, null_members),
        "tpr": attacks.tpr_at_fpr(scores, members, 0.01) if enough else np.nan,
        "exposure": exposure(scores, members).astype(np.float32),
    }  # fmt: skip


def use(outputs, setting):
    """Score one quantizer's heads on the test set, ``outputs`` (M, m); return a dict of means over heads.

    ``utility`` is AUROC or R2; ``spearman`` and ``recalibrated`` are NaN for a classification. ``some`` are the outputs
    of a few heads.
    """
    y, regression = setting.y_test, setting.kind == "regression"
    few = np.linspace(0, len(outputs) - 1, min(KEPT_HEADS, len(outputs))).astype(int)
    return {
        "utility": utility(outputs, y, setting.kind).mean(),
        "spearman": spearman(outputs, y).mean() if regression else np.nan,
        "recalibrated": utility(recalibrate(outputs, y), y, "regression").mean() if regression else np.nan,
        "some": outputs[few],
    }  # fmt: skip


def indicate(quantized, full, setting, draws, seed):
    """Estimate every indicator of one quantizer from heads that were not attacked.

    Parameters: ``quantized`` and ``full`` are (outputs on the test set, outputs on the pool, weights) of the same
    heads. Returns name -> ``indicator.Estimate``: our three estimators of r from the losses on the test set, and the
    survival correlations of outputs on the test set (rho), of outputs on the pool without offset and gain (rho_pool;
    no labels, no membership) and of weights (rho_w).
    """
    signals = attacks.signal(quantized[0], setting.y_test, TASK[setting.kind])
    losses = np.square(signals) if setting.kind == "regression" else np.logaddexp(0, -signals)
    rates = {
        f"r, {how}": indicators.estimate_rate(losses, how, draws=draws, seed=seed) for how in indicators.AGGREGATIONS
    }
    return {
        "rho_pool": indicators.survival_rho(quantized[1], full[1], "rho_shape", draws, seed),
        "rho": indicators.survival_rho(quantized[0], full[0], "rho", draws, seed),
        "rho_w": indicators.survival_rho(quantized[2], full[2], "rho", draws, seed),
    } | rates  # fmt: skip


def predict(rho, full_auc, full_signals, members, variance, kind, rng):
    """Return what the survival laws predict for one quantizer: {"closed": AUC, "simulation": AUC}.

    Parameters: ``rho`` its survival correlation; ``full_auc`` and ``full_signals`` (M, N) the attack's AUC on the
    full-precision heads and their signals; ``variance`` the model-to-model variance of held-out outputs. The closed law
    is NaN for regression, where residuals shrink from either side and no common shift exists (QMIS statement 12).
    """
    rho = float(np.clip(rho, 0, 1))
    simulated = indicators.simulated_signals(full_signals, rho, variance, rng)
    found = attacks.auc(attacks.lira(simulated, members, "online_fixed"), members).mean()
    return {
        "closed": indicators.survival_law(rho, full_auc) if kind == "classification" else np.nan,
        "simulation": found,
    }


def evaluate_group(task, representation, group, fingerprint, decay, *, width=32, steps=100, n_models=128, n_groups=5,
                   n_indicator=16, names=tuple(NAMES), n_draws=40, seed=0, **table):  # fmt: skip
    """Train one group of a setting, quantize it with every quantizer, attack it and score it: one point of the sweep.

    Parameters
    ----------
    task, representation, fingerprint : str
        The setting as in ``prepare``, and the fingerprint that it must have.
    group, decay : int, float
        Number of the group, and the weight decay that the validation rule chose.
    width, steps, n_models, n_groups, n_indicator, seed
        As in ``train_group``.
    names, n_draws : list of str, int
        Quantizers, "fp32" first; bootstrap draws of every indicator.
    **table
        Further arguments of ``prepare``, and ``embedder`` from ``own_embedder``.

    Returns
    -------
    dict
        Arrays over the Q quantizers: ``auc`` and ``null`` (Q, heads), ``tpr``, ``utility``, ``spearman``,
        ``recalibrated``, ``nonzero`` and ``relative_gain`` (Q,), ``exposure`` (Q, N), ``some`` test outputs
        (Q, few, m), ``value`` and ``draws`` indicator -> (Q,) and (n_draws, Q), ``predicted`` (law, indicator) -> (Q,).

    Raises
    ------
    ValueError
        As ``prepare`` and ``draw_members``; where the table or the representation is not that of the fingerprint.
    """
    setting = _prepared(task, representation, fingerprint, seed=seed, **table)
    sizes = {"n_models": n_models, "n_groups": n_groups, "n_indicator": n_indicator}
    heads, members, spare = train_group(setting, group, decay, width=width, steps=steps, seed=seed, **sizes)
    rng = np.random.default_rng([seed, group, 1])
    null_members = attacks.permuted(members, rng)
    every, cut, rows = ensemble.concatenate([heads, spare]), len(heads), []
    for name in names:
        pool, test, weights = _outputs(every.quantize(name), setting)
        row = attack(pool[:cut], setting, members, null_members) | use(test[:cut], setting)
        if name == names[0]:
            full, full_pool = (test[cut:], pool[cut:], weights[cut:]), pool[:cut]
            signals = attacks.signal(pool[:cut], setting.y, TASK[setting.kind])
            reference = row["auc"].mean(), signals, members, full[0].var(axis=0).mean(), setting.kind, rng
        found = indicate((test[cut:], pool[cut:], weights[cut:]), full, setting, n_draws, seed)
        laws = {(law, key): auc for key in LAWS for law, auc in predict(found[key].value, *reference).items()}
        row |= {"nonzero": np.mean(weights[:cut] != 0), "relative_gain": relative_gain(pool[:cut], full_pool, members)}
        rows.append(row | {"found": found, "laws": laws})
    return _collect(rows)


def _outputs(heads, setting):
    """Return outputs on the pool and on the test set, and the evenly spaced weights, of all heads."""
    both = heads.logits(np.vstack([setting.x, setting.x_test]))
    weights = heads.vectors()
    few = np.linspace(0, weights.shape[1] - 1, min(MOST_WEIGHTS, weights.shape[1])).astype(int)
    return both[:, : len(setting.x)], both[:, len(setting.x) :], weights[:, few]


def _collect(rows):
    """Turn one dict per quantizer into one dict of arrays over quantizers."""
    estimates = {key: [row["found"][key] for row in rows] for key in rows[0]["found"]}
    return {key: np.array([row[key] for row in rows]) for key in rows[0] if key not in ("found", "laws")} | {
        "value": {key: np.array([e.value for e in column]) for key, column in estimates.items()},
        "draws": {key: np.stack([e.draws for e in column], axis=1) for key, column in estimates.items()},
        "predicted": {key: np.array([row["laws"][key] for row in rows]) for key in rows[0]["laws"]},
    }
