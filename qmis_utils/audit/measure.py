"""Audit a reader's own model: which quantizer hides its training data best, and how far that can be known.

One trained model shows what quantizing does to its outputs; what membership moves shows only between models trained on
different halves of the data. So `audit` says more when it may train. Models pass one at a time, quantized in place.
"""

import hashlib
import inspect
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import nn

from qmis_utils import attacks, ensemble, indicators
from qmis_utils.audit.checks import check_module, check_options, copies, memberships, quantizer_names, records, texts
from qmis_utils.audit.modules import MOST, Plan, find_weights, measure_all, quantized
from qmis_utils.audit.report import Report, advise, distrust, flag
from qmis_utils.quantizers.rules import QUANTIZERS
from qmis_utils.studies import synthetic
from qmis_utils.theory.numerics import Interval

__all__ = ["audit", "find_weights", "function_error", "quantized", "threshold_auc"]
VARIANT = {"rho_pool": "rho_shape"}  # without a model's own offset and gain; the others compare all that deviates
NULLS = 20  # permuted memberships, at most, on which the attack must find nothing


def _digest(module):
    """Return a hash of a module's parameters and buffers, which trainings on different data do not share."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (*module.parameters(), *module.buffers()):
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


def _cell(key, value, low, high):
    return {key: float(value), f"{key}_low": float(low), f"{key}_high": float(high)}


def _estimated(estimates):
    return {k: v for key, e in estimates.items() for k, v in _cell(key, e.value, e.low, e.high).items()}


def _ranks(key, leaks):
    """Return rank columns, a dict a quantizer, from estimates of what leaks; draws without a value are left out."""
    draws = np.stack([e.draws for e in leaks], axis=1)
    draws = rankdata(draws[np.isfinite(draws).all(axis=1)], axis=1)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0, method="inverted_cdf")
    return [_cell(key, *row) for row in zip(rankdata([e.value for e in leaks], method="min"), low, high, strict=True)]


def _thin(values):
    """Return evenly spaced records (axis 1) of (B, m) or (B, m, C), at most MOST numbers a model."""
    most = max(MOST // values[0, 0].size, 2)
    return values[:, np.linspace(0, values.shape[1] - 1, min(values.shape[1], most)).astype(int)]


def _resamples(n, draws, seed):
    """Yield the records of one bootstrap draw after the other: all draws at once would not fit for many records."""
    rng = np.random.default_rng(seed)
    return (rng.integers(n, size=n) for _ in range(draws))


def function_error(quantized, full, draws=200, seed=0):
    """Return how far one model's outputs move under quantization, apart from a common factor, as an ``Estimate``.

    Parameters: outputs (m,) or (m, C) on held-out inputs. The value is min over a of norm(zq - a zf) / norm(zq), 0 for
    the identity; its interval resamples records.
    """
    q, f = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (quantized, full))
    products = np.stack([(a * b).sum(axis=1) for a, b in ((q, q), (q, f), (f, f))])
    qq, qf, ff = np.stack(
        [products.mean(axis=1)] + [products[:, at].mean(axis=1) for at in _resamples(len(q), draws, seed)], 1
    )
    values = np.sqrt(np.clip(1 - qf**2 / np.maximum(qq * ff, 1e-300), 0, 1))
    return Interval(values[0], *np.quantile(values[1:], [0.025, 0.975]), values[1:])


def threshold_auc(member_losses, heldout_losses):
    """Return AUC (value, low, high) of calling records of small loss members, with DeLong's interval."""
    inside, outside = -np.asarray(member_losses, np.float64), -np.asarray(heldout_losses, np.float64)
    ranks, n, m = rankdata(np.concatenate([inside, outside])), len(inside), len(outside)
    above, below = (ranks[:n] - rankdata(inside)) / m, 1 - (ranks[n:] - rankdata(outside)) / n
    half = 1.96 * np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    return above.mean(), max(above.mean() - half, 0), min(above.mean() + half, 1)


def _one_model(stacked, names, draws, seed):
    """Return the columns that one model allows."""
    full, rows, moved = stacked["fp32"], [], []
    n, m = full["members loss"].shape[1], full["heldout loss"].shape[1]
    half = 1.96 * np.sqrt((n + m + 1) / (12 * n * m))  # of the AUC when membership is permuted
    for name in names:
        one = stacked[name]
        moved.append(function_error(one["heldout"][0], full["heldout"][0], draws, seed))
        row = _cell("function_error", moved[-1].value, moved[-1].low, moved[-1].high)
        row |= _cell("loss_auc", *threshold_auc(one["members loss"][0], one["heldout loss"][0]))
        row |= _cell("null", 0.5, 0.5 - half, 0.5 + half) | _rate(one.get("neighbours", [None])[0], n, draws, seed)
        rows.append(row)
    leaks = [-e for e in moved]
    return [rank | row for rank, row in zip(_ranks("rank", leaks), rows, strict=True)]


def _rate(losses, n_train, draws, seed):
    """Return the columns of r for losses (K, m) of a codebook; full precision has no neighbours, so no r."""
    if losses is None:
        return _cell("r", np.nan, np.nan, np.nan) | {"n_r": np.nan}
    least = indicators.estimate_rate(_thin(losses), "min", draws=1, seed=seed).value
    return _estimated({"r": indicators.estimate_rate(_thin(losses), draws=draws, seed=seed)}) | {"n_r": n_train * least}


def _several_models(stacked, names, n_train, draws, seed):
    """Return the columns that several models allow without knowing who trained on what, and the estimates of rho."""
    full, rows, found = stacked["fp32"], [], []
    for name in names:
        one, pairs = stacked[name], {"rho_pool": "members", "rho": "heldout", "rho_w": "weights"}
        found.append({
            key: indicators.survival_rho(_thin(one[part]), _thin(full[part]), VARIANT.get(key, "rho"), draws, seed)
            for key, part in pairs.items()
        })  # fmt: skip
        rows.append(_estimated(found[-1]) | _rate(one["heldout loss"], n_train, draws, seed))
    ranks = (_ranks(key, [f[rho] for f in found]) for key, rho in (("rank", "rho_pool"), ("rank_weights", "rho_w")))
    return [a | b | row for a, b, row in zip(*ranks, rows, strict=True)], [f["rho"] for f in found]


def _attacked(stacked, names, rhos, labels, task, trained_on, draws, seed):
    """Return the columns of the attack, of its null and of its prediction, and the share of members attacked."""
    usable, n_models = attacks.enough_shadows(trained_on), len(trained_on)
    if usable.mean() < 0.5:
        return [{} for _ in names], 0.0
    trained_on = trained_on[:, usable]
    nulls = [np.roll(trained_on, shift, axis=0) for shift in range(1, min(n_models, NULLS + 1))]
    signals = [attacks.signal(stacked[name]["members"], labels[0], task)[:, usable] for name in names]
    variance = attacks.signal(stacked["fp32"]["heldout"], labels[1], task).var(axis=0).mean()
    variant = "online" if n_models >= 64 else "online_fixed"

    measure = partial(_measured, trained_on=trained_on, variant=variant, draws=draws, seed=seed)
    full, *_, samples = measure(signals[0])  # full precision comes first
    rows = []
    for signal, rho in zip(signals, rhos, strict=True):
        chance = np.array([attacks.auc(attacks.lira(signal, null, variant), null).mean() for null in nulls])
        ends = [
            indicators.simulated_signals(signals[0], end, variance, np.random.default_rng(seed))
            for end in (rho.value, rho.low, rho.high)
        ]
        known = ~np.isnan(rho.draws)
        law = indicators.survival_law(np.clip(rho.draws[known], 0, 1), samples[known])
        rows.append(
            _cell("auc", *measure(signal)[:3])
            | _cell("null", chance.mean(), *attacks.interval(chance))
            | _cell("advantage", *measure(signal, attacks.advantage)[:3])
            | _cell("auc_law", indicators.survival_law(np.clip(rho.value, 0, 1), full), *attacks.interval(law))
            | _cell("auc_simulated", *(measure(end)[at] for at, end in enumerate(ends)))
        )
    return rows, float(usable.mean())


def _measured(signal, metric=attacks.auc, *, trained_on, variant, draws, seed):
    """Attack leave-one-out; return the mean of a metric over targets, its interval and its draws."""
    values = metric(attacks.lira(signal, trained_on, variant), trained_on)
    samples = attacks.bootstrap(values, np.random.default_rng(seed), draws)
    samples = values.mean() + attacks.MUTUAL**0.5 * (samples - values.mean())  # targets are each other's shadows
    return values.mean(), *attacks.interval(samples), samples


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
    bits = 8 * (about["bytes"] - about["bytes of the rest"]) / layers.weights[layers.quantizer == names[1]].sum()
    released = {"fp32": {"weight_error": 0.0, "entropy": np.nan, "bits": bits, "kilobytes": about["bytes"] / 1000}}
    for name, part in layers.groupby("quantizer"):
        weights, bits = part.weights.sum(), QUANTIZERS[name].bits
        packed = about["bytes of the rest"] + bits * weights / 8 + 4 * part.scales.sum()
        entropy = np.average(part.entropy, weights=part.weights)
        released[name] = {"weight_error": error[name], "entropy": entropy, "bits": bits, "kilobytes": packed / 1000}
    return [released[name] for name in names], layers.astype({"weights": int, "scales": int})


def _utility(outputs, y, task, draws, seed):
    """Return utility as a cell, the mean over models with its interval over held-out records."""
    guess = outputs.argmax(axis=-1) if task == "multiclass" else outputs > 0
    score = (np.square(outputs - y) if task == "regression" else guess == y).mean(axis=0)
    pairs = ((score[at].mean(), y[at].var()) for at in _resamples(len(y), draws, seed))
    samples = np.array([1 - mean / max(spread, 1e-300) if task == "regression" else mean for mean, spread in pairs])
    return _cell("utility", synthetic.utility(outputs, y, task).mean(), *attacks.interval(samples))


def audit(model, loss, members, heldout, quantizers, *, task=None, n_shadows=16, trained_on=None, skip=(),
          embeddings=False, granularity="tensor", batch_size=256, tolerance=0.02, draws=200, seed=0,
          title="Audit"):  # fmt: skip
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
        Read off outputs and labels if not given: labels 0 and 1 mean two classes.
    trained_on : bool array (models, members), optional
        For a list of models: which members each was trained on. Without it no attack is run.
    skip, embeddings, granularity
        See `find_weights` and `quantized`.
    batch_size, tolerance, draws, seed, title
        Records at a time; utility one may lose; bootstrap draws; seed of halves and draws; heading of the report.

    Returns
    -------
    Report
        ``table``, ``layers``, ``advice``, ``warnings``; ``figure()``, ``html()`` and ``save(path)``.

    Raises
    ------
    ValueError
        For anything that cannot be audited, with what is wrong: options, layers, shapes, losses, records of both sides.

    Notes
    -----
    Survival correlations: QMIS statement 12 and notebook 02b. r: our estimators of the rate in Aubinais et al. (2026),
    Theorem 3.3. Attack: LiRA, leave-one-out; pooled variances ("online_fixed") below 64 models.

    Examples
    --------
    >>> audit(train, nn.BCEWithLogitsLoss(reduction="none"), (x, y), (x_new, y_new), ["sign", "nf4"]).save("audit.html")
    """
    check_options({
        "loss": loss, "task": task, "n_shadows": n_shadows, "embeddings": embeddings, "granularity": granularity,
        "batch_size": batch_size, "tolerance": tolerance, "draws": draws, "seed": seed, "title": title,
    })  # fmt: skip
    names, skip = quantizer_names(quantizers), texts(skip, "skip", ["lm_head", "*.norm"])
    members, heldout = records(members, "members"), records(heldout, "heldout")
    trained_on = memberships(trained_on, model, len(members[0]))
    how = {"skip": skip, "embeddings": embeddings, "granularity": granularity}
    plan = Plan(loss, members, heldout, names, how, task, batch_size, seed)
    copied = copies(members[0], heldout[0])
    modules, trained_on = _models(model, members, n_shadows, trained_on, seed)
    measured, rows, about = measure_all(modules, plan, alone=isinstance(model, nn.Module))
    columns, facts = _columns(measured, plan, trained_on, about["task"], draws)
    described, layers = _described(rows, about, plan.names)
    facts |= _stated(about, tolerance, copied)
    table = _ranked([a | b for a, b in zip(described, columns, strict=True)], plan.names, facts)
    return Report(title, table, layers, facts, advise(table, facts), distrust(table, facts))


def _stated(about, tolerance, copies):
    """Return the facts of the report that are no measurements of leakage or utility."""
    return {key: about[key] for key in ("task", "numbers quantized", "left unquantized", "outputs all in [0, 1]")} | {
        "utility one may lose": tolerance,
        "held-out copies of members": copies[0],
        "members that are copies": copies[1],
    }


def _ranked(rows, names, facts):
    """Return the table, a row a quantizer, with what to beware of in each, the most private first."""
    table = pd.DataFrame(rows, pd.Index(names, name="quantizer"))
    table["cautions"] = [flag(row, facts) for row in table.to_dict("records")]
    return table.sort_values("rank", kind="stable")


def _columns(measured, plan, trained_on, task, draws):
    """Return the columns of the table that speak of privacy and utility, a dict a quantizer, and facts about them."""
    y_in, y_out = (data[1].cpu().numpy() for data in (plan.members, plan.heldout))
    n_models, n, names, share = len(measured["fp32"]["heldout"]), len(y_in), plan.names, 0.0
    columns = [_utility(measured[name]["heldout"], y_out, task, draws, plan.seed) for name in names]
    if n_models == 1:
        more = [_one_model(measured, names, draws, plan.seed)]
    else:
        n = n // 2 if trained_on is None else round(trained_on.sum(axis=1).mean())
        survived, rhos = _several_models(measured, names, n, draws, plan.seed)
        more = [survived]
        if trained_on is not None:
            attacked, share = _attacked(measured, names, rhos, (y_in, y_out), task, trained_on, draws, plan.seed)
            more.append(attacked)
    for part in more:
        columns = [a | b for a, b in zip(columns, part, strict=True)]
    guess = 0.0 if task == "regression" else float(np.unique(y_out, return_counts=True)[1].max() / len(y_out))
    return columns, {
        "models": n_models, "members": len(y_in), "records a model trained on": n, "held-out records": len(y_out),
        "attack": f"LiRA on {share:.0%} of the members" if share else "none", "utility of a constant guess": guess,
        "noise floor of r": 1 / (2 * len(y_out)),
    }  # fmt: skip
