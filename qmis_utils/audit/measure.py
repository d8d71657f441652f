"""Audit a reader's own model: which quantizer hides its training data best, and how far that can be known.

One trained model shows what quantizing does to its outputs; what membership moves shows only between models trained on
different halves of the data. So `audit` says more when it may train. Models pass one at a time, quantized in place.
Numbers, attacks and laws are those of ``assess``; a reader's few models serve both numbers and attack, which a ``Game``
refuses and the report warns of.
"""

import datetime
import hashlib
import importlib.metadata
import inspect
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata
from torch import nn

from qmis_utils import assess, attacks, ensemble, indicators
from qmis_utils.attacks import Evidence
from qmis_utils.audit.checks import (
    Rule,
    check_module,
    check_options,
    copies,
    memberships,
    records,
    releases,
    texts,
)
from qmis_utils.audit.modules import MOST, Plan, digest, measure_all
from qmis_utils.audit.report import Facts, Report, advise, distrust, flag
from qmis_utils.audit.verdict import decide
from qmis_utils.theory.numerics import Interval

BESIDE = ("rmia", "loss")  # attacks that are run beside LiRA: on few shadows it may not be the strongest
RATES = {"tpr_1pct": 0.01, "tpr_01pct": 0.001}  # column -> rate of false positives
PLANTED = 0.75  # AUC of the leak that the attacks must find before they are believed
EXPOSED = 0.1  # share of the members that is most exposed
BLIND, WIDE = 1000, 128  # records of a side, and numbers of each, that the blind test looks at
NULLS = 20  # memberships dealt to others, on which the attack must find nothing
STRONG = 64  # models from which on LiRA may estimate each record's own variances
LEAST_ATTACKED = 0.5  # share of the members that must have shadows of both kinds
LEAST_FALSE = 10  # false positives that must stand behind a threshold
ATTACK_WORDS = {"lira": "LiRA", "lira_fixed": "LiRA", "rmia": "RMIA", "loss": "loss threshold"}
ENDS = ("", "_low", "_high")
# Rank -> the number of ``assess.NUMBERS`` behind it; column -> number. By the strongest known attacks on fresh settings
# no number is shown to rank better (notebook B, section 11).
SEVERAL = (
    {"rank": "rho_pool", "rank_weights": "rho_w"},
    {"rho_pool": "rho_pool", "rho": "rho", "rho_w": "rho_w"},
)
BY_WEIGHTS = ("rank_weights", "rho_w")  # say something of membership only where models share an initialisation
ALIKE = 0.5  # mean correlation of the weights of two models from which on they share one
ALONE = ({"rank": "function error"}, {"function_error": "function error"})
R_OF_PAPER = {"r": "r ensemble all_pairs"}  # only where it is asked for
LARGER_IS_PRIVATE = ("function_error", "r")  # shown as they are defined; a number is larger where more leaks


def _models(model, members, n_shadows, trained_on, seed, failed):
    """Return the models to audit, one after the other, each with the members that it was trained on (or None).

    What trainings failed is added to ``failed``, in words.
    """
    if isinstance(model, nn.Module):
        check_module(model)
        return [(model, None)]
    if isinstance(model, list | tuple):
        for module in (m for m in model if isinstance(m, nn.Module)):
            check_module(module)
        if len({digest(m) for m in model if isinstance(m, nn.Module)}) != max(len(model), 2):
            raise ValueError("model as a list must hold at least two different torch modules")
        return zip(model, [None] * len(model) if trained_on is None else trained_on, strict=True)
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ValueError(f"model must be a torch module; {model.__name__} is a class, so build and train one of it")
    if not callable(model):
        raise ValueError(
            "model must be a torch module, a list of them, or a function train(inputs, labels, seed); "
            f"got {type(model).__name__}"
        )
    halves = ensemble.random_halves(n_shadows, len(members[0]), np.random.default_rng(seed))
    return _trained(model, members, halves, seed, failed)


def _trained(function, members, halves, seed, failed):
    """Train the models one after the other, each on its half of the members; a training that fails costs itself."""
    last, weights, made = None, None, 0
    for place, half in enumerate(torch.from_numpy(halves)):
        try:
            module = _train(function, members[0][half], members[1][half], seed + place)
        except ValueError:
            raise
        except Exception as error:  # whatever the reader's own code raises
            failed.append(f"{place}: {type(error).__name__}: {error}")
            if made + len(halves) - place - 1 < 2:
                raise ValueError(f"trainings failed, and fewer than two are left: {'; '.join(failed[:3])}") from error
            continue
        made += 1
        if module is last:
            raise ValueError("the training function returned the same model twice: build a new one inside it")
        last, before, weights = module, weights, digest(module)
        if weights == before:
            raise ValueError("the training function gave equal weights on other members: does it use its inputs?")
        yield module, half.numpy()


def _train(function, inputs, labels, seed):
    """Call the reader's training function; ValueError if it cannot be called so, or returns no module."""
    try:
        inspect.signature(function).bind(inputs, labels, seed)
    except TypeError as error:
        raise ValueError(f"the training function is called as train(inputs, labels, seed): {error}") from None
    module = function(inputs, labels, seed)
    if not isinstance(module, nn.Module):
        raise ValueError(f"the training function must return a torch module; got {type(module).__name__}")
    check_module(module)
    return module


def threshold_auc(member_losses: ArrayLike, heldout_losses: ArrayLike) -> Interval:
    """Measure how well a loss threshold tells members: the AUC of calling records of small loss members.

    Parameters
    ----------
    member_losses, heldout_losses : array (n,) and (m,)
        Losses of one model on its training records and on fresh ones, n and m at least 2.

    Returns
    -------
    Interval
        DeLong's, cut at 0 and 1.

    Notes
    -----
    Attack: Yeom et al. (2018). Interval: DeLong et al. (1988), Biometrics 44:837.

    Examples
    --------
    >>> threshold_auc([0.1, 0.3], [0.2, 0.4]).value
    0.75
    """
    inside, outside = -np.asarray(member_losses, np.float64), -np.asarray(heldout_losses, np.float64)
    ranks, n, m = rankdata(np.concatenate([inside, outside])), len(inside), len(outside)
    above, below = (ranks[:n] - rankdata(inside)) / m, 1 - (ranks[n:] - rankdata(outside)) / n
    half = 1.96 * np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    value = float(above.mean())
    return Interval(value, max(value - half, 0.0), min(value + half, 1.0))


def blind(members: tuple, heldout: tuple, seed: int = 0) -> tuple[float, float, float]:
    """Measure how well members are told from held-out records by their inputs alone, without any model.

    Parameters
    ----------
    members, heldout : (inputs, labels)
        Tensors of records; at most ``BLIND`` of each side are looked at.
    seed : int
        Of the choice of records and of the forest.

    Returns
    -------
    (float, float, float)
        AUC of a random forest on records that its trees did not see, with its 99 % interval; (0.5, 0, 1) where a side
        has fewer than 20 records. Of one law, 0.5 is within the interval, and no attack can owe its AUC to a shift.
    """
    if min(len(members[0]), len(heldout[0])) < 20:
        return 0.5, 0.0, 1.0
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    sides = [x[torch.from_numpy(rng.permutation(len(x))[:BLIND].copy())] for x, _ in (members, heldout)]
    rows = np.concatenate([x.reshape(len(x), -1).cpu().double().numpy() for x in sides])
    if rows.shape[1] > WIDE:
        rows = rows @ rng.normal(size=(rows.shape[1], WIDE))
    inside = np.arange(len(rows)) < len(sides[0])
    forest = RandomForestClassifier(100, min_samples_leaf=3, oob_score=True, class_weight="balanced", random_state=seed)
    guess = forest.fit(rows, inside).oob_decision_function_[:, 1]
    value, low, high = threshold_auc(-guess[inside], -guess[~inside])
    wide = 2.576 / 1.96  # of the normal law: 99 %
    return value, value - wide * (value - low), value + wide * (high - value)


def attack_for(members: np.ndarray | None) -> tuple[str | None, np.ndarray]:
    """Choose the attack that memberships allow.

    Parameters
    ----------
    members : bool array (M, N) or None
        Which records each model trained on, if known.

    Returns
    -------
    attack : str or None
        A name of ``attacks.ATTACKS``; None where most records lack shadows that trained on them, or that did not.
    usable : bool array (N,)
        The records that have both.
    """
    usable = np.zeros(1, bool) if members is None else attacks.enough_shadows(members)
    if members is None or usable.mean() < LEAST_ATTACKED:
        return None, np.zeros_like(usable)
    return ("lira" if len(members) >= STRONG else "lira_fixed"), usable


def tabulate(evidence: Mapping[str, Evidence], draws: int = 200, seed: int = 0, paper_r: bool = False,
             useful: str | Callable | None = None) -> pd.DataFrame:  # fmt: skip
    """Assess what is seen of a model's releases.

    Parameters
    ----------
    evidence : dict of Evidence
        Release -> what is seen of the same models under it, full precision first; attacked if all memberships are
        known.
    draws, seed : int
        Bootstrap draws; equal seeds pair those of all releases.
    paper_r : bool
        Whether to estimate the paper's r, of several models.
    useful : {"auroc"} or function (outputs, labels) -> float, optional
        Utility, if not accuracy or R2.

    Returns
    -------
    DataFrame
        A row a release: privacy and utility, each ``name`` with ``name_low`` and ``name_high``.
    """
    first = next(iter(evidence.values()))
    ranked, shown = SEVERAL if len(first.losses) > 1 else ALONE
    if not shared_start(first):
        ranked, shown = ({k: v for k, v in part.items() if k not in BY_WEIGHTS} for part in (ranked, shown))
    shown = shown | (R_OF_PAPER if paper_r and len(first.losses) > 1 else {})
    lira, usable = attack_for(first.members)
    names = [lira, *BESIDE] if lira else []
    found = assess.assess_seen(
        ((name, e.records(usable) if lira else e, _thinned(e)) for name, e in evidence.items()),
        names, [*shown.values()], draws=draws, seed=seed, laws=["rho"] if lira else [],
        measures=_measures(first, lira, draws, seed),
    )  # fmt: skip
    samples = [_utility(e, useful, draws, seed) for e in evidence.values()]
    known = np.isfinite([drawn for _, drawn in samples]).all(axis=0)  # a draw may hold one class alone
    (full, drawn_full), *_ = samples
    pairs = {"utility": samples, "lost": [(full - u, drawn_full - drawn) for u, drawn in samples]}
    cells = {
        name: np.array([[*attacks.bootstrap_interval(value, drawn[known])] for value, drawn in part])
        for name, part in pairs.items()
    }
    cells |= {rank: _ranks(found, number) for rank, number in ranked.items()}
    cells |= {
        column: np.array([[*(-e if column in LARGER_IS_PRIVATE else e)] for e in found.numbers[number]])
        for column, number in shown.items()
    }
    texts = {}
    if lira:
        strong = attacks.strongest(found.auc)
        cells["auc"] = np.array([[*_over_targets(values, draws, seed)] for values in strong.T])
        gains = (strong[:, :1] - strong).T
        cells["gain"] = np.array([[*attacks.mean_interval(values, mutual=True)] for values in gains])
        if "by_weights" in found.measures:
            weights = np.moveaxis(found.measures.pop("by_weights"), 0, -1)
            cells["auc_weights"] = _weights_too(found.auc, weights, cells["auc"], draws, seed)
        cells |= _attacked(found, lira, first.records(usable), first, draws, seed)
        means = pd.DataFrame({name: values.mean(axis=0) for name, values in found.auc.items()})
        texts["attack"] = [ATTACK_WORDS[name] for name in means.idxmax(axis=1)]
    cells |= found.measures
    columns = {f"{name}{end}": cell[:, at] for name, cell in cells.items() for at, end in enumerate(ENDS)}
    return pd.DataFrame(columns | texts, pd.Index(found.releases))


def _weights_too(by_outputs, weights, outputs_alone, draws, seed):
    """Return the strongest AUC, (Q, 3), of who also reads weights: never below what outputs alone give.

    ``weights`` is (attacks, M, Q), NaN for a release that hides its own.
    """
    known = np.isfinite(weights).all(axis=(0, 1))
    read = np.full((len(known), 3), np.nan)
    both = attacks.strongest({k: v[:, known] for k, v in (by_outputs | dict(enumerate(weights))).items()})
    read[known] = [[*_over_targets(values, draws, seed)] for values in both.T]
    ignores = read[:, :1] < outputs_alone[:, :1]  # who reads weights can do as if they did not
    return np.where(ignores, outputs_alone, read)


def exposed(evidence: Mapping[str, Evidence]) -> pd.DataFrame:
    """Measure how exposed each member is under each release, by LiRA at the threshold 0 of its log ratio.

    Parameters
    ----------
    evidence : dict of Evidence
        As for `tabulate`.

    Returns
    -------
    DataFrame
        A row a release and record: quantizer, record (its place among the members), and as
        ``attacks.record_exposure``. Empty where no attack can be run.
    """
    lira, usable = attack_for(next(iter(evidence.values())).members)
    if lira is None:
        return pd.DataFrame(columns=["quantizer", "record", "exposure", "low", "high", "tpr", "fpr", "n_in", "n_out"])
    parts = []
    for name, seen in evidence.items():
        part = seen.records(usable)
        rows = attacks.record_exposure(attacks.ATTACKS[lira].run(part), part.members)
        parts.append(rows.assign(quantizer=name, record=np.flatnonzero(usable)))
    frame = pd.concat(parts, ignore_index=True)
    return frame[["quantizer", "record", *(c for c in frame if c not in ("quantizer", "record"))]]


def planted(members: np.ndarray, n_out: int, leak: float = PLANTED, seed: int = 0) -> Evidence:
    """Return evidence with a known leak: signals of unit variance, higher by d' where a model trained on the record.

    Parameters
    ----------
    members : bool array (M, N)
        The memberships of an audit.
    n_out : int
        Held-out records.
    leak : float
        AUC of the best attack on these signals, Phi(d' / sqrt(2)); 0.5 plants nothing.
    seed : int

    Returns
    -------
    Evidence
        Of M models that never were; records differ in difficulty as much as their signals do among models.

    Examples
    --------
    >>> planted(np.eye(3, dtype=bool), 5).signals_out.shape
    (3, 5)
    """
    rng = np.random.default_rng([seed, 2])
    inside, outside = (rng.normal(size=n) + rng.normal(size=(len(members), n)) for n in (members.shape[1], n_out))
    inside += np.sqrt(2) * norm.ppf(leak) * members
    losses, losses_out = (attacks.signal_loss(signals, "binary") for signals in (inside, outside))
    return Evidence(members, losses, inside, losses_out=losses_out, signals_out=outside)


def self_test(full: Evidence, leak: float = PLANTED, draws: int = 200, seed: int = 0) -> tuple[Interval, Interval]:
    """Run the attacks of an audit on a planted leak of the audit's own size.

    Parameters
    ----------
    full : Evidence
        Of the models as trained; its memberships and numbers of records are read.
    leak : float
        AUC of the best attack on what is planted.
    draws, seed : int
        As `tabulate`.

    Returns
    -------
    found, null : Interval
        AUC of the strongest attack, and mean and range of the same under memberships dealt to others.

    Raises
    ------
    ValueError
        Where no attack can be run.
    """
    lira, usable = attack_for(full.members)
    if lira is None:
        raise ValueError("no attack can be run: most members lack models that trained on them, or that did not")
    seen, names = planted(full.members[:, usable], full.losses_out.shape[1], leak, seed), [lira, *BESIDE]
    auc = {name: attacks.auc(attacks.ATTACKS[name].run(seen), seen.members)[:, None] for name in names}
    return _over_targets(attacks.strongest(auc)[:, 0], draws, seed), Interval(*_null(seen, names, seed))


def _check_attacks(full, draws, seed):
    """Raise ValueError where the attacks miss a planted leak: what they say of this audit would mean nothing."""
    found, null = self_test(full, PLANTED, draws, seed)
    if found.low <= null.high:
        raise ValueError(
            f"the attacks miss a planted leak of AUC {PLANTED}: with {len(full.losses)} models and "
            f"{full.members.shape[1]} members they find {found:.2f}, and {null:.2f} where nothing is; train more "
            "models (n_shadows=), or give more records"
        )
    return found


def _training_size(evidence):
    """Return how many records a model trained on; a random half where nobody knows which."""
    n_models, n = evidence.losses.shape
    if n_models == 1:
        return n
    return n // 2 if evidence.members is None else round(evidence.members.sum(axis=1).mean())


def _thinned(evidence):
    """Return the evidence with at most MOST numbers a model in each array that a bootstrap reads, evenly spaced.

    One model has the function error alone, whose bootstrap holds a number a record: it keeps more classes of each.
    """
    budget = MOST if len(evidence.losses) > 1 else 1000 * MOST

    def places(values):
        most = min(max(budget // values[0, 0].size, 2), MOST)
        return np.linspace(0, values.shape[1] - 1, min(values.shape[1], most)).astype(int)

    apart = {name: getattr(evidence, name) for name in ("outputs_out", "losses_out", "weights")}
    return replace(
        evidence.records(places(evidence.outputs)),
        codebooks={name: losses[:, places(losses)] for name, losses in evidence.codebooks.items()},
        **{name: values[:, places(values)] for name, values in apart.items() if values is not None},
    )


def _measures(first, lira, draws, seed):
    """Return what is read off each release beside attack and numbers: a function (seen, full, scores) each."""
    if lira:
        weights = {"by_weights": lambda seen, full, scores: _by_weights(seen, scores[lira])}
        return (
            (weights if shared_start(first) else {})
            | {
                "null": lambda seen, full, scores: _null(seen, list(scores), seed),
                "advantage": lambda seen, full, scores: tuple(
                    _over_targets(attacks.advantage(scores[lira], seen.members), draws, seed)
                ),
                "exposed_tenth": lambda seen, full, scores: _exposed_tenth(scores[lira], seen.members, draws, seed),
            }
            | {
                column: lambda seen, full, scores, rate=rate: _tpr(scores, seen.members, rate, draws, seed)
                for column, rate in RATES.items()
            }
        )
    if len(first.losses) > 1:
        return {}
    n, m = first.losses.shape[1], first.losses_out.shape[1]
    half = 1.96 * np.sqrt((n + m + 1) / (12 * n * m))  # of the AUC when membership is permuted
    return {
        "loss_auc": lambda seen, full, scores: tuple(threshold_auc(seen.losses[0], seen.losses_out[0])),
        "null": lambda seen, full, scores: (0.5, 0.5 - half, 0.5 + half),
    }


def shared_start(full: Evidence) -> bool:
    """Tell whether models share an initialisation: whether their weights as trained are alike."""
    if len(full.losses) < 2 or full.weights is None:
        return False
    alike = np.corrcoef(full.weights)
    return bool((alike.sum() - len(alike)) / (len(alike) * (len(alike) - 1)) > ALIKE)


def _by_weights(seen, lira):
    """Return the AUC of each target to who reads weights, by a regression and by its sum with LiRA, (2, M)."""
    if seen.weights is None:
        return np.full((2, len(lira)), np.nan)
    read = attacks.regress_membership(seen.weights, seen.members)
    both = sum(part / np.maximum(part.std(axis=1, keepdims=True), 1e-300) for part in (read, lira))
    return np.stack([attacks.auc(scores, seen.members) for scores in (read, both)])


def _utility(seen, useful, draws, seed):
    """Return utility, the mean over models, and its draws over models and held-out records, paired by seed."""
    outputs, y, task, rng = seen.outputs_out, seen.y_out, seen.task, np.random.default_rng(seed)
    m, n = outputs.shape[:2]
    weights = rng.multinomial(m, np.full(m, 1 / m), size=draws) / m
    rows = (rng.integers(n, size=n) for _ in range(draws))
    if useful is not None:
        whole = _by_function(useful, outputs, y)
        if not np.isfinite(whole).all():
            raise ValueError(
                f"utility is {whole[~np.isfinite(whole)][0]} on {n} records: it must be finite (AUROC: two classes)"
            )
        samples = [w @ _by_function(useful, outputs[:, at], y[at]) for w, at in zip(weights, rows, strict=True)]
        return whole.mean(), np.array(samples)
    if task == "regression":
        missed = np.square(outputs - y)
        samples = [1 - (w @ missed)[at].mean() / max(y[at].var(), 1e-300) for w, at in zip(weights, rows, strict=True)]
    else:
        right = (outputs.argmax(axis=-1) if task == "multiclass" else outputs > 0) == y
        samples = [(w @ right)[at].mean() for w, at in zip(weights, rows, strict=True)]
    return assess.utility(outputs, y, task).mean(), np.array(samples)


def _by_function(useful, outputs, y):
    """Return the utility of each model by AUROC or the reader's own function, (M,)."""
    if useful == "auroc":
        one_class = len(np.unique(y)) < 2
        return np.full(len(outputs), np.nan) if one_class else assess.utility(outputs, y, "binary", ranked=True)
    try:
        return np.array([float(useful(one, y)) for one in outputs])
    except Exception as error:  # whatever the reader's own code raises
        raise ValueError(
            f"utility(outputs, labels) must return a number for any {len(y)} held-out records; "
            f"{type(error).__name__}: {error}"
        ) from error


def _null(seen, names, seed):
    """Return mean and range of the AUC over memberships dealt to others, on which the strongest must find nothing."""
    rng, chance = np.random.default_rng([seed, 1]), []
    for dealt in (attacks.permuted(seen.members, rng) for _ in range(NULLS)):
        false = seen.relabel(dealt)
        auc = {name: attacks.auc(attacks.ATTACKS[name].run(false), dealt)[:, None] for name in names}
        chance.append(attacks.strongest(auc).mean())
    return tuple(attacks.bootstrap_interval(np.mean(chance), chance))


def _tpr(scores, members, rate, draws, seed):
    """Return the TPR at a rate of false positives, each half of the targets under the attack that the other picks.

    NaN where the non-members of a half do not support the rate.
    """
    auc = {name: attacks.auc(values, members) for name, values in scores.items()}
    rng, parts = np.random.default_rng(seed), []
    for targets, others in attacks.halves(len(members), 2):
        inside = members[targets]
        if rate * (~inside).sum() < LEAST_FALSE:
            return (np.nan,) * 3
        best = max(auc, key=lambda name, others=others: auc[name][others].mean())
        whole = np.ones((1, len(targets)), int)
        counts = rng.multinomial(len(targets), np.full(len(targets), 1 / len(targets)), size=draws)
        parts.append(attacks.resampled_tpr(scores[best][targets], inside, [rate], np.vstack([whole, counts]))[:, 0])
    value, *samples = np.mean(parts, axis=0)
    samples = value + attacks.MUTUAL**0.5 * (np.array(samples) - np.mean(samples))
    return tuple(attacks.bootstrap_interval(value, np.clip(samples, 0, 1)))


def _exposed_tenth(scores, members, draws, seed):
    """Return the mean exposure of the most exposed tenth of the records.

    They are picked by half of the models and judged by the other, both ways; the interval is over records.
    """
    both = attacks.halves(len(members), 2)
    known = np.all([members[part].any(axis=0) & ~members[part].all(axis=0) for part, _ in both], axis=0)
    if known.sum() < 1 / EXPOSED:
        return (np.nan,) * 3
    found = [attacks.record_exposure(scores[part][:, known], members[part][:, known]).exposure for part, _ in both]
    most = max(round(EXPOSED * known.sum()), 1)
    judged = [found[1 - k].to_numpy()[found[k].argsort()[-most:]] for k in (0, 1)]
    values = np.mean(judged, axis=0)
    return tuple(
        attacks.bootstrap_interval(values.mean(), attacks.bootstrap(values, np.random.default_rng(seed), draws))
    )


def _over_targets(values, draws, seed):
    """Estimate the mean over targets that are each other's shadows, its interval widened for that."""
    samples = attacks.bootstrap(values, np.random.default_rng(seed), draws)
    samples = values.mean() + attacks.MUTUAL**0.5 * (samples - values.mean())
    return attacks.bootstrap_interval(values.mean(), samples)


def _ranks(found, number):
    """Return ranks (Q, 3) by a number, 1 leaks least, with those that its draws take; some draws may have no value.

    A release of which the number is not known has no rank.
    """
    value = found.value(number)
    known, ranks = np.isfinite(value), np.full((len(value), 3), np.nan)
    draws = found.draws(number)[:, known]
    draws = rankdata(draws[np.isfinite(draws).all(axis=1)], axis=1)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0, method="inverted_cdf")
    ranks[known] = np.column_stack([rankdata(value[known], method="min"), low, high])
    return ranks


def _attacked(found, attack, reference, full, draws, seed):
    """Return the cells of LiRA and of what the laws predict of it, each (Q, 3)."""
    aucs = [_over_targets(values, draws, seed) for values in found.auc[attack].T]
    predicted = [found.predicted[law, "rho", attack] for law in ("closed", "simulation")]
    cells = {"auc_lira": [[*auc] for auc in aucs], "auc_law": [], "auc_simulated": []}

    def simulated(share):
        return _over_targets(assess.simulate(reference, full, share, attack, seed), draws, seed)

    for rho, closed, simulation in zip(found.numbers["rho"], *predicted, strict=True):
        known = ~np.isnan(rho.draws)
        law = indicators.survival_law(np.clip(rho.draws[known], 0, 1), aucs[0].draws[known])
        cells["auc_law"].append([*attacks.bootstrap_interval(closed, law)])
        cells["auc_simulated"].append([simulation, simulated(rho.low).low, simulated(rho.high).high])
    return {name: np.array(rows) for name, rows in cells.items()}


def _described(rows, about, wanted):
    """Return a row a release of what is released (errors, entropy, size), and a row a release and tensor.

    Of what a function of the reader's returns only its bytes are known where its tensors are hidden.
    """
    frame = pd.DataFrame(rows, columns=["model", "quantizer", "layer", "shape", "weights", "scales", "bits", "error",
                                        "norm", "entropy", "zeros"])  # fmt: skip
    numbers = ["weights", "scales", "bits", "error", "norm", "entropy", "zeros"]
    frame = frame.astype(dict.fromkeys(numbers, float))
    layers = frame.groupby(["quantizer", "layer", "shape"], sort=False)[numbers].mean().reset_index()
    total = (
        frame.assign(moved=(frame.error * frame.norm) ** 2, size=frame.norm**2)
        .groupby(["quantizer", "model"])[["moved", "size"]]
        .sum()
    )
    error = np.sqrt(total.moved / total["size"]).groupby("quantizer").mean()
    released = {}
    for name, rule in wanted.items():
        part, size, entropy, share = layers[layers.quantizer == name], about.bytes, np.nan, 1.0
        if not isinstance(rule, Rule):
            size = about.sizes[name]
        elif rule.name != "fp32":
            size = about.bytes_left + part.bits.sum() / 8
            coded = part[part.scales > 0]
            share = coded.weights.sum() / about.numbers
            entropy = np.average(coded.entropy, weights=coded.weights) if len(coded) else np.nan
        released[name] = {
            "weight_error": 0.0 if name == "fp32" else error.get(name, np.nan), "entropy": entropy,
            "bits": 8 * (size - about.bytes_left) / about.numbers, "kilobytes": size / 1000, "coded": share,
        }  # fmt: skip
    return pd.DataFrame(released.values(), released), layers.astype({"weights": int, "scales": int})


def _facts(evidence, about, copied, tolerance, useful, blind, found, failed):
    """Return what was audited, from what is seen of the models in full precision."""
    full = evidence["fp32"]
    lira, usable = attack_for(full.members)
    return Facts(
        models=len(full.losses), members=len(full.y), trained=_training_size(full), heldout=len(full.y_out),
        attacked=float(usable.mean()) if lira else 0.0, guess=_guess(full, about.task, useful), task=about.task,
        quantized=about.quantized, left=about.left, in_unit=about.in_unit, tolerance=tolerance, copies=copied.leaked,
        repeated=copied.repeated, twins=copied.twins, share=about.share, largest_left=about.largest_left,
        relabelled=about.relabelled, known=full.members is not None or len(full.losses) == 1,
        planted=tuple(found) if found else (), failed=failed,
        shared=shared_start(full), fits=_fits(full, useful), larger=_larger(full), blind=tuple(blind),
        one_by_one=about.one_by_one,
    )  # fmt: skip


def _guess(full, task, useful):
    """Return the utility of a constant guess; NaN, which nothing is compared with, for the reader's own utility."""
    if useful is not None:
        return 0.5 if useful == "auroc" else np.nan
    return 0.0 if task == "regression" else np.unique(full.y_out, return_counts=True)[1].max() / len(full.y_out)


def _fits(full, useful):
    """Return mean utility on the records that a model trained on, and on held-out ones; NaN where nobody knows."""
    members = np.ones_like(full.losses, bool) if len(full.losses) == 1 else full.members
    if members is None:
        return np.nan, _utility(full, useful, 1, 0)[0]
    inside = [
        _utility(replace(full.take([m]), members=None, outputs_out=full.outputs[[m]][:, own], y_out=full.y[own],
                         losses_out=full.losses[[m]][:, own], signals_out=None), useful, 1, 0)[0]
        for m, own in enumerate(members)
    ]  # fmt: skip
    return float(np.mean(inside)), float(_utility(full, useful, 1, 0)[0])


def _larger(full):
    """Return the share of models whose mean loss is larger on what they trained on than on the other members."""
    if full.members is None or full.members.all(axis=1).any() or not full.members.any(axis=1).all():
        return np.nan
    inside = np.average(full.losses, axis=1, weights=full.members)
    return float((inside > np.average(full.losses, axis=1, weights=~full.members)).mean())


def audit(model: nn.Module | Iterable[nn.Module] | Callable[..., nn.Module], loss: Callable, members: tuple,
          heldout: tuple, quantizers: Iterable[str] | Mapping[str, str | Callable], *, task: str | None = None,
          n_shadows: int = 16, trained_on: ArrayLike | None = None, skip: Iterable[str] = (),
          include: Iterable[str] = (), embeddings: bool = False, which: Callable | None = None,
          allow_copies: bool = False, allow_partial: bool = False, granularity: str | int = "tensor",
          utility: str | Callable | None = None, paper_r: bool = False, batch_size: int = 256, tolerance: float = 0.02,
          draws: int = 200, seed: int = 0, title: str = "Audit") -> Report:  # fmt: skip
    """Recommend a quantized release of a reader's own model, by what each would leak and what it would cost.

    Parameters
    ----------
    model : torch.nn.Module, list of them, or function
        One trained model; several of one architecture, trained on different random halves of the members; or
        ``train(inputs, labels, seed) -> nn.Module``, called ``n_shadows`` times with random halves of the members.
    loss : function
        ``loss(outputs, labels)`` -> (n,), such as ``nn.CrossEntropyLoss(reduction="none")``. Outputs of shape (n, 1)
        reach it as (n,).
    members, heldout : (inputs, labels)
        Training records and fresh ones of the same law; inputs (n, ...), labels (n,). The model returns (n,) or (n, 1)
        for two classes (logits) and regression, (n, C) logits for several classes.
    quantizers : list of str, or dict of str or function
        Keys of ``quantizers.FORMATS``, or of ``quantizers.QUANTIZERS``, each of these alone or with what shares a
        scale: "sign", "nf4/row", "nf4/64". In a dict, names of the reader's own choice -> such a text, or a function
        that makes what is shipped: it gets a copy of a model, and by ``members=``, if it has such an argument, the
        (inputs, labels) that this model trained on, and returns a module, or any function of inputs that answers for
        one. The model as given is added as the reference, under the name "fp32".
    task : {"binary", "multiclass", "regression"}, optional
        Read off outputs and labels if not given: labels 0 and 1, or -1 and 1, mean two classes. The loss receives
        labels as given.
    trained_on : bool array (models, members), optional
        For a list of models: which members each was trained on. Without it no attack is run.
    skip, include, embeddings, which, granularity
        See `find_weights` and `quantized`; ``granularity`` is for quantizers that do not say theirs.
    allow_partial : bool
        Whether to report although less than a fifth of the weights is quantized by our rules.
    utility : {"auroc"} or function (outputs, labels) -> float, optional
        What quantizing may not cost, larger is better, if not accuracy or R2: AUROC of two classes, or the reader's
        own, of one model's outputs on held-out records, in whose units ``tolerance`` is.
    paper_r : bool
        Whether to show our estimate of the paper's r, of several models.
    allow_copies : bool
        Whether held-out records that equal members, inputs and label, are other records all the same: fingerprints,
        answers or tokens that many share. They are counted, and no longer refused.
    batch_size, tolerance, draws, seed, title
        Records at a time; utility one may lose; bootstrap draws; seed of halves and draws; heading of the report.

    Returns
    -------
    Report
        ``verdict``, ``table``, ``records``, ``layers``, ``facts``, ``advice``, ``warnings``; ``picture()``,
        ``figure()``, ``html()`` and ``save(path)``.

    Raises
    ------
    ValueError
        For anything that cannot be audited, with what is wrong: options, layers, shapes, losses, records of both sides.

    Notes
    -----
    Survival correlations: QMIS statement 12 and notebook B. r: our estimators of the rate in Aubinais et al. (2026),
    Theorem 3.3. Attacks, leave-one-out on equally released shadows: LiRA with pooled variances ("online_fixed") below
    64 models, RMIA, and a loss threshold; each half of the targets takes the one that is strongest on the other half.

    Examples
    --------
    With a function ``train`` that trains one model, and a loss that is not averaged over records::

        loss = nn.BCEWithLogitsLoss(reduction="none")
        audit(train, loss, (x, y), (x_new, y_new), ["sign", "nf4/64"]).save("audit.html")

    What a tool makes, beside a rule::

        def dynamic(model):
            return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, torch.qint8)

        audit(train, loss, (x, y), (x_new, y_new), {"int8 as shipped": dynamic, "uniform_8": "uniform_8/row"})
    """
    started, options = time.process_time(), {
        "loss": loss, "task": task, "n_shadows": n_shadows, "embeddings": embeddings, "granularity": granularity,
        "allow_copies": allow_copies, "allow_partial": allow_partial, "utility": utility, "paper_r": paper_r,
        "which": which,
        "batch_size": batch_size, "tolerance": tolerance, "draws": draws, "seed": seed, "title": title,
    }  # fmt: skip
    check_options(options)
    wanted = releases(quantizers, granularity)
    members, heldout = records(members, "members"), records(heldout, "heldout")
    known = memberships(trained_on, model, len(members[0]))
    how = {"skip": texts(skip, "skip", ["lm_head", "*.norm"]), "include": texts(include, "include", ["*.proj"]),
           "embeddings": embeddings, "which": which}  # fmt: skip
    plan = Plan(loss, members, heldout, wanted, how, task, batch_size, not isinstance(model, nn.Module), allow_partial)
    copied = copies(members, heldout, allow_copies)
    failed: list[str] = []
    evidence, rows, about = measure_all(_models(model, members, n_shadows, known, seed, failed), plan)
    if utility == "auroc" and about.task != "binary":
        raise ValueError(f"utility='auroc' is for two classes; the task is {about.task}")
    described, layers = _described(rows, about, wanted)
    full = evidence["fp32"]
    found = _check_attacks(full, draws, seed) if attack_for(full.members)[0] else None
    looks = blind(members, heldout, seed)
    facts = _facts(evidence, about, copied, tolerance, utility, looks, found, tuple(failed))
    table = described.join(tabulate(evidence, draws, seed, paper_r, utility)).rename_axis("quantizer")
    table["cautions"] = [flag(row, facts) for row in table.to_dict("records")]
    last = table.index == "fp32"  # of equals, the model as given comes last
    table = table.iloc[np.lexsort((last, table["rank"]))]
    source = _provenance(options | how, wanted, members, heldout, about, started)
    return Report(title, table, layers, facts, decide(table, facts), advise(table, facts), distrust(table, facts),
                  exposed(evidence), source)  # fmt: skip


def _provenance(options, wanted, members, heldout, about, started):
    """Return what an auditor needs to run an audit again: versions, options, hashes of data and weights, time."""
    versions = {name: importlib.metadata.version(name) for name in ("qmis-utils", "torch", "numpy", "scipy")}
    given = {name: getattr(value, "__name__", value) for name, value in options.items() if name != "title"}
    hashes = {
        f"hash of {role}": hashlib.blake2b(b"".join(part.cpu().numpy().tobytes() for part in data), digest_size=16)
        .hexdigest() for role, data in (("members", members), ("held-out records", heldout))
    }  # fmt: skip
    return {
        "python": platform.python_version(), **versions,
        "releases": ", ".join(f"{n}: {getattr(r, '__name__', r) if callable(r) else '/'.join(map(str, r))}"
                              for n, r in wanted.items()),
        **{name: str(value) for name, value in given.items()}, **hashes, "hash of the models": about.digest,
        "made at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "CPU seconds": round(time.process_time() - started),
    }  # fmt: skip
