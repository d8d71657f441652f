"""Audit a reader's own model: which quantizer hides its training data best, and how far that can be known.

One trained model shows what quantizing does to its outputs; what membership moves shows only between models trained on
different halves of the data. So `audit` says more when it may train. Models pass one at a time, quantized in place.
Numbers, attacks and laws are those of ``assess``; a reader's few models serve both numbers and attack, which a ``Game``
refuses and the report warns of.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from torch import nn

from qmis_utils import assess, attacks, ensemble, indicators
from qmis_utils.attacks import Evidence
from qmis_utils.audit.checks import check_module, check_options, copies, memberships, quantizer_names, records, texts
from qmis_utils.audit.modules import MOST, Plan, measure_all
from qmis_utils.audit.report import Facts, Report, advise, distrust, flag
from qmis_utils.quantizers.rules import QUANTIZERS
from qmis_utils.theory.numerics import Interval

NULLS = 20  # memberships dealt to others, on which the attack must find nothing
STRONG = 64  # models from which on LiRA may estimate each record's own variances
LEAST_ATTACKED = 0.5  # share of the members that must have shadows of both kinds
ENDS = ("", "_low", "_high")
# Rank -> the number of ``assess.NUMBERS`` behind it; column -> number. By the strongest known attacks on fresh settings
# no number is shown to rank better (notebook B, section 11).
SEVERAL = (
    {"rank": "rho_pool", "rank_weights": "rho_w"},
    {"rho_pool": "rho_pool", "rho": "rho", "rho_w": "rho_w", "r": "r ensemble all_pairs"},
)
ALONE = (
    {"rank": "function error"},
    {"function_error": "function error", "r": "r neighbourhood all_pairs"},
)
LARGER_IS_PRIVATE = ("function_error", "r")  # shown as they are defined; a number is larger where more leaks


def _digest(module):
    """Return a hash of a module's parameters and buffers, which trainings on different data do not share."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (t for t in (*module.parameters(), *module.buffers()) if type(t.data) is torch.Tensor):
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy())
    return digest.digest()


def _models(model, members, n_shadows, trained_on, seed):
    """Return the models to audit, one after the other, and which members each was trained on (or None)."""
    if isinstance(model, nn.Module):
        check_module(model)
        return [model], None
    if isinstance(model, list | tuple):
        for module in (m for m in model if isinstance(m, nn.Module)):
            check_module(module)
        if len({_digest(m) for m in model if isinstance(m, nn.Module)}) != max(len(model), 2):
            raise ValueError("model as a list must hold at least two different torch modules")
        return model, trained_on
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ValueError(f"model must be a torch module; {model.__name__} is a class, so build and train one of it")
    if not callable(model):
        raise ValueError(
            "model must be a torch module, a list of them, or a function train(inputs, labels, seed); "
            f"got {type(model).__name__}"
        )
    halves = ensemble.random_halves(n_shadows, len(members[0]), np.random.default_rng(seed))
    return _trained(model, members, halves, seed), halves


def _trained(function, members, halves, seed):
    """Train the models one after the other, each on its half of the members."""
    last, weights = None, None
    for place, half in enumerate(torch.from_numpy(halves)):
        module = _train(function, members[0][half], members[1][half], seed + place)
        if module is last:
            raise ValueError("the training function returned the same model twice: build a new one inside it")
        last, before, weights = module, weights, _digest(module)
        if weights == before:
            raise ValueError("the training function gave equal weights on other members: does it use its inputs?")
        yield module


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


def tabulate(evidence: Mapping[str, Evidence], draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Assess what is seen of a model's releases.

    Parameters
    ----------
    evidence : dict of Evidence
        Quantizer -> what is seen of the same models under it, full precision first; attacked if all memberships are
        known.
    draws, seed : int
        Bootstrap draws; equal seeds pair those of all quantizers.

    Returns
    -------
    DataFrame
        A row a quantizer: privacy and utility, each ``name`` with ``name_low`` and ``name_high``.
    """
    first = next(iter(evidence.values()))
    ranked, shown = SEVERAL if len(first.losses) > 1 else ALONE
    attack, usable = attack_for(first.members)
    found = assess.assess_seen(
        ((name, e.records(usable) if attack else e, _thinned(e)) for name, e in evidence.items()),
        [attack] if attack else [], [*shown.values()], draws=draws, seed=seed, laws=["rho"] if attack else [],
        measures=_measures(first, attack, draws, seed),
    )  # fmt: skip
    cells = {"utility": found.measures["utility"]}
    cells |= {rank: _ranks(found, number) for rank, number in ranked.items()}
    cells |= {
        column: np.array([[*(-e if column in LARGER_IS_PRIVATE else e)] for e in found.numbers[number]])
        for column, number in shown.items()
    }
    if attack:
        cells |= _attacked(found, attack, first.records(usable), first, draws, seed)
    cells |= found.measures
    columns = {f"{name}{end}": cell[:, at] for name, cell in cells.items() for at, end in enumerate(ENDS)}
    return pd.DataFrame(columns, pd.Index(found.releases))


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
        **{name: values[:, places(values)] for name, values in apart.items()},
    )


def _measures(first, attack, draws, seed):
    """Return what is read off each release beside attack and numbers: a function (seen, full, scores) each."""
    found = {"utility": lambda seen, full, scores: _utility(seen, draws, seed)}
    if attack:
        found["null"] = lambda seen, full, scores: _null(seen, attack, seed)
        found["advantage"] = lambda seen, full, scores: tuple(
            _over_targets(attacks.advantage(scores[attack], seen.members), draws, seed)
        )
    elif len(first.losses) == 1:
        n, m = first.losses.shape[1], first.losses_out.shape[1]
        half = 1.96 * np.sqrt((n + m + 1) / (12 * n * m))  # of the AUC when membership is permuted
        found["loss_auc"] = lambda seen, full, scores: tuple(threshold_auc(seen.losses[0], seen.losses_out[0]))
        found["null"] = lambda seen, full, scores: (0.5, 0.5 - half, 0.5 + half)
    return found


def _utility(seen, draws, seed):
    """Return utility, the mean over models, with its interval over held-out records."""
    outputs, y, task = seen.outputs_out, seen.y_out, seen.task
    if task == "regression":
        missed = np.square(outputs - y).mean(axis=0)
        samples = [1 - missed[at].mean() / max(y[at].var(), 1e-300) for at in _resamples(len(y), draws, seed)]
    else:
        right = assess.utility(np.swapaxes(outputs, 0, 1), y[:, None], task)  # the share of models, of each record
        samples = [right[at].mean() for at in _resamples(len(y), draws, seed)]
    return tuple(attacks.bootstrap_interval(assess.utility(outputs, y, task).mean(), samples))


def _resamples(n, draws, seed):
    """Yield the records of one bootstrap draw after the other: all draws at once would not fit for many records."""
    rng = np.random.default_rng(seed)
    return (rng.integers(n, size=n) for _ in range(draws))


def _null(seen, attack, seed):
    """Return mean and range of the AUC over memberships dealt to others, on which an attack must find nothing."""
    rng = np.random.default_rng([seed, 1])
    dealt = [attacks.permuted(seen.members, rng) for _ in range(NULLS)]
    chance = [attacks.auc(attacks.ATTACKS[attack].run(seen.relabel(null)), null).mean() for null in dealt]
    return tuple(attacks.bootstrap_interval(np.mean(chance), chance))


def _over_targets(values, draws, seed):
    """Estimate the mean over targets that are each other's shadows, its interval widened for that."""
    samples = attacks.bootstrap(values, np.random.default_rng(seed), draws)
    samples = values.mean() + attacks.MUTUAL**0.5 * (samples - values.mean())
    return attacks.bootstrap_interval(values.mean(), samples)


def _ranks(found, number):
    """Return ranks (Q, 3) by a number, 1 leaks least, with those that its draws take; some draws may have no value."""
    draws = found.draws(number)
    draws = rankdata(draws[np.isfinite(draws).all(axis=1)], axis=1)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0, method="inverted_cdf")
    return np.column_stack([rankdata(found.value(number), method="min"), low, high])


def _attacked(found, attack, reference, full, draws, seed):
    """Return the cells of the attack and of what the laws predict of it, each (Q, 3)."""
    aucs = [_over_targets(values, draws, seed) for values in found.auc[attack].T]
    predicted = [found.predicted[law, "rho", attack] for law in ("closed", "simulation")]
    cells = {"auc": [[*auc] for auc in aucs], "auc_law": [], "auc_simulated": []}

    def simulated(share):
        return _over_targets(assess.simulate(reference, full, share, attack, seed), draws, seed)

    for rho, closed, simulation in zip(found.numbers["rho"], *predicted, strict=True):
        known = ~np.isnan(rho.draws)
        law = indicators.survival_law(np.clip(rho.draws[known], 0, 1), aucs[0].draws[known])
        cells["auc_law"].append([*attacks.bootstrap_interval(closed, law)])
        cells["auc_simulated"].append([simulation, simulated(rho.low).low, simulated(rho.high).high])
    return {name: np.array(rows) for name, rows in cells.items()}


def _described(rows, about, names):
    """Return a row a quantizer of what is released (errors, entropy, size), and a row a quantizer and tensor."""
    frame = pd.DataFrame(rows)
    layers = (
        frame.groupby(["quantizer", "layer", "shape"], sort=False)
        .mean(numeric_only=True)
        .drop(columns="model")
        .reset_index()
    )
    total = (
        frame.assign(moved=(frame.error * frame.norm) ** 2, size=frame.norm**2)
        .groupby(["quantizer", "model"])[["moved", "size"]]
        .sum()
    )
    error = np.sqrt(total.moved / total["size"]).groupby("quantizer").mean()
    bits = 8 * (about.bytes - about.bytes_left) / layers.weights[layers.quantizer == names[1]].sum()
    released = {"fp32": {"weight_error": 0.0, "entropy": np.nan, "bits": bits, "kilobytes": about.bytes / 1000}}
    for name, part in layers.groupby("quantizer"):
        weights, bits = part.weights.sum(), QUANTIZERS[name].bits
        packed = about.bytes_left + bits * weights / 8 + 4 * part.scales.sum()
        entropy = np.average(part.entropy, weights=part.weights)
        released[name] = {"weight_error": error[name], "entropy": entropy, "bits": bits, "kilobytes": packed / 1000}
    return pd.DataFrame([released[name] for name in names], names), layers.astype({"weights": int, "scales": int})


def _facts(full, about, copied, tolerance):
    """Return what was audited, from what is seen of the models in full precision."""
    attack, usable = attack_for(full.members)
    guess = 0.0 if about.task == "regression" else np.unique(full.y_out, return_counts=True)[1].max() / len(full.y_out)
    return Facts(
        models=len(full.losses), members=len(full.y), trained=_training_size(full), heldout=len(full.y_out),
        attacked=float(usable.mean()) if attack else 0.0, guess=float(guess), task=about.task,
        quantized=about.quantized, left=about.left, in_unit=about.in_unit, tolerance=tolerance, copies=copied.leaked,
        repeated=copied.repeated, twins=copied.twins, share=about.share, largest_left=about.largest_left,
        relabelled=about.relabelled,
    )  # fmt: skip


def audit(model: nn.Module | Iterable[nn.Module] | Callable[..., nn.Module], loss: Callable, members: tuple,
          heldout: tuple, quantizers: Iterable[str], *, task: str | None = None, n_shadows: int = 16,
          trained_on: ArrayLike | None = None, skip: Iterable[str] = (), include: Iterable[str] = (),
          embeddings: bool = False, allow_copies: bool = False, granularity: str = "tensor", batch_size: int = 256,
          tolerance: float = 0.02, draws: int = 200, seed: int = 0, title: str = "Audit") -> Report:  # fmt: skip
    """Rank quantizers by what a reader's own model would leak under each of them.

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
    quantizers : list of str
        Keys of ``quantizers.QUANTIZERS``; the model as given is added as the reference, under the name "fp32".
    task : {"binary", "multiclass", "regression"}, optional
        Read off outputs and labels if not given: labels 0 and 1, or -1 and 1, mean two classes. The loss receives
        labels as given.
    trained_on : bool array (models, members), optional
        For a list of models: which members each was trained on. Without it no attack is run.
    skip, include, embeddings, granularity
        See `find_weights` and `quantized`.
    allow_copies : bool
        Whether held-out records that equal members, inputs and label, are other records all the same: fingerprints,
        answers or tokens that many share. They are counted, and no longer refused.
    batch_size, tolerance, draws, seed, title
        Records at a time; utility one may lose; bootstrap draws; seed of halves and draws; heading of the report.

    Returns
    -------
    Report
        ``table``, ``layers``, ``facts``, ``advice``, ``warnings``; ``figure()``, ``html()`` and ``save(path)``.

    Raises
    ------
    ValueError
        For anything that cannot be audited, with what is wrong: options, layers, shapes, losses, records of both sides.

    Notes
    -----
    Survival correlations: QMIS statement 12 and notebook B. r: our estimators of the rate in Aubinais et al. (2026),
    Theorem 3.3. Attack: LiRA, leave-one-out; pooled variances ("online_fixed") below 64 models.

    Examples
    --------
    With a function ``train`` that trains one model, and a loss that is not averaged over records::

        loss = nn.BCEWithLogitsLoss(reduction="none")
        audit(train, loss, (x, y), (x_new, y_new), ["sign", "nf4"]).save("audit.html")
    """
    check_options({
        "loss": loss, "task": task, "n_shadows": n_shadows, "embeddings": embeddings, "granularity": granularity,
        "allow_copies": allow_copies,
        "batch_size": batch_size, "tolerance": tolerance, "draws": draws, "seed": seed, "title": title,
    })  # fmt: skip
    names = quantizer_names(quantizers)
    members, heldout = records(members, "members"), records(heldout, "heldout")
    known = memberships(trained_on, model, len(members[0]))
    how = {"skip": texts(skip, "skip", ["lm_head", "*.norm"]), "include": texts(include, "include", ["*.proj"]),
           "embeddings": embeddings, "granularity": granularity}  # fmt: skip
    plan = Plan(loss, members, heldout, names, how, task, batch_size, seed)
    copied = copies(members, heldout, allow_copies)
    modules, halves = _models(model, members, n_shadows, known, seed)
    evidence, rows, about = measure_all(modules, plan, halves, alone=isinstance(model, nn.Module))
    described, layers = _described(rows, about, plan.names)
    facts = _facts(evidence["fp32"], about, copied, tolerance)
    table = described.join(tabulate(evidence, draws, seed)).rename_axis("quantizer")
    table["cautions"] = [flag(row, facts) for row in table.to_dict("records")]
    last = table.index == "fp32"  # of equals, the model as given comes last
    table = table.iloc[np.lexsort((last, table["rank"]))]
    return Report(title, table, layers, facts, advise(table, facts), distrust(table, facts))
