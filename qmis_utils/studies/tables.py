"""Tables from the results of the indicator study: rank agreement on resolved pairs, laws, regimes, threats.

Results are those of ``study.evaluate``, one per setting, after ``complete`` has added what compares settings.
"""

import numpy as np
import pandas as pd
from scipy import stats

from qmis_utils import attacks, indicators
from qmis_utils.studies.synthetic import QUANTIZER_SET

BLACK_BOX = ("lira", "lira_offline", "rmia", "loss")
INDICATORS = ("r ", "rho", "sqrt_J")
CHEAP_ATTACKS = ("one reference", "lira 16")
FIXED_ORDERS = {"fixed order": "lira", "fixed order, weights": "regression"}  # rival -> the attack it was learnt from


def kind_of(estimator):
    """Return "indicator", "attack" or "rival"."""
    if estimator in CHEAP_ATTACKS:
        return "attack"
    return "indicator" if estimator.startswith(INDICATORS) else "rival"


def models_needed(estimator, n_indicator):
    """Return how many models must be trained for an estimator."""
    if estimator in ("bits", *FIXED_ORDERS):
        return 0
    return 1 if estimator.startswith(("r trajectory", "r neighbourhood")) else n_indicator


def complete(results, settings):
    """Add to every result what compares settings or attacks: ``signs`` of the resolved pairs, the fixed orders as
    rivals, and the reference "strongest", for each quantizer the black-box attack with the largest mean AUC there.

    ``signs`` maps attack to (Q, Q), from ``indicator.resolved_pairs``. A fixed order is the mean rank of an attack's
    AUC over the *other* choosing settings, NaN where there is none, with a bootstrap over them.
    """
    for setting, result in zip(settings, results, strict=True):
        others = [r for s, r in zip(settings, results, strict=True) if s.split == "choose" and s is not setting]
        for name, attack in FIXED_ORDERS.items():
            ranks = [stats.rankdata(r["auc"][attack].mean(axis=0)) for r in others if attack in r["auc"]]
            ranks = np.array(ranks or [np.full(len(QUANTIZER_SET), np.nan)])
            result["value"][name] = ranks.mean(axis=0)
            result["draws"][name] = attacks.bootstrap(ranks, np.random.default_rng(setting.seed), 100)
        black = np.stack([result["auc"][attack] for attack in BLACK_BOX])
        result["auc"]["strongest"] = np.take_along_axis(black, black.mean(axis=1).argmax(axis=0)[None, None], axis=0)[0]
        result["signs"] = {
            a: indicators.resolved_pairs(auc, np.random.default_rng(setting.seed)) for a, auc in result["auc"].items()
        }


def tau_table(results, settings):
    """Return Kendall's tau over resolved pairs for every estimator, attack and setting, as a tidy frame.

    Columns: estimator, kind, n_models, attack, threat, setting, split, tau, low, high (from the estimator's bootstrap
    draws), tau_b over all pairs, resolved (share of pairs).
    """
    rows = []
    for setting, result in zip(settings, results, strict=True):
        for attack, signs in result["signs"].items():
            share = np.abs(signs[np.triu_indices(len(signs), 1)]).mean()
            reference = result["auc"][attack].mean(axis=0)
            threat = "black" if attack in (*BLACK_BOX, "strongest") else "white"
            for name, value in result["value"].items():
                tau = float(indicators.kendall_resolved(value, signs))
                draws = indicators.kendall_resolved(result["draws"][name], signs)
                low, high = np.quantile(draws[~np.isnan(draws)], [0.025, 0.975]) if np.isfinite(tau) else (np.nan,) * 2
                rows.append((
                    name, kind_of(name), models_needed(name, setting.n_indicator), attack, threat, setting.name,
                    setting.split, tau, low, high, indicators.kendall_b(value, reference), share,
                ))  # fmt: skip
    columns = ["estimator", "kind", "n_models", "attack", "threat", "setting", "split", "tau", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "tau_b", "resolved"])


def hard_pairs(results, attack):
    """Return the (Q, Q) mask of the pairs that some setting resolves one way and some setting the other."""
    signs = np.array([r["signs"][attack] for r in results if attack in r["signs"]])
    return (signs > 0).any(axis=0) & (signs < 0).any(axis=0)


def bootstrap_settings(values, reduce, draws, seed=0):
    """Return the 95 % percentile interval (low, high) of a statistic of one value per setting, resampling settings.

    NaN below five settings, where it would hardly be more than their range.
    """
    rng, values = np.random.default_rng(seed), list(values)
    if len(values) < 5:
        return np.nan, np.nan
    picks = rng.integers(len(values), size=(draws, len(values)))
    return tuple(np.quantile([reduce([values[i] for i in pick]) for pick in picks], [0.025, 0.975]))


def mean_interval(values, draws, most=np.inf):
    """Return the 95 % interval (low, high) of the mean of one value per setting, cut at -most and most.

    Student's t below ten settings, where percentile intervals are too short (of three values they are the range); from
    ten on ``bootstrap_settings``. NaN for a single setting.
    """
    if len(values) >= 10:
        return bootstrap_settings(np.asarray(values, float), np.mean, draws)
    return attacks.mean_interval(values, most)[1:]


def _hard_tau(name, results, attack, mask):
    """Return (tau, number) of an estimator over the resolved hard pairs of each setting that has any."""
    parts = []
    for result in results:
        signs = result["signs"][attack] * mask
        if number := np.abs(np.triu(signs)).sum():
            parts.append((float(indicators.kendall_resolved(result["value"][name], signs)), number))
    return parts


def _pooled(parts):
    return sum(tau * number for tau, number in parts) / sum(number for _, number in parts)


def hard_tau(name, results, settings, attack, mask, split="judge"):
    """Return an estimator's tau over the resolved pairs of a mask (Q, Q), pooled over the settings of a split."""
    parts = _hard_tau(name, [r for s, r in zip(settings, results, strict=True) if s.split == split], attack, mask)
    return _pooled(parts) if parts else float("nan")


def summarise(tau, results, settings, reference, draws):
    """Return the mean, the least and the hard-pair tau of every estimator on each half of the settings.

    Parameters: ``tau`` from ``tau_table``; ``reference`` threat -> attack. Columns as in ``tau_table``, with setting
    "mean" (``mean_interval``), "min" (no interval) or "hard_pairs" (bootstrap over settings).
    """
    rows = []
    for (split, threat), part in tau.groupby(["split", "threat"]):
        attack = reference[threat]
        pool = [r for s, r in zip(settings, results, strict=True) if s.split == split and attack in r["auc"]]
        mask = hard_pairs(results, attack)
        for name, group in part[part.attack == attack].groupby("estimator"):
            first = group.iloc[0][["estimator", "kind", "n_models", "attack", "threat", "split"]].to_dict()
            hard = _hard_tau(name, pool, attack, mask)
            statistics = [("mean", group.tau, np.mean), ("min", group.tau, np.min)]
            statistics += [("hard_pairs", hard, _pooled)] if hard else []
            for setting, values, reduce in statistics:
                least = (np.nan, np.nan)  # a resampled minimum never falls below the minimum
                low, high = least if setting == "min" else bootstrap_settings(values, reduce, draws)
                if setting == "mean":
                    low, high = mean_interval(values, draws, most=1)
                rows.append(first | {"setting": setting, "tau": reduce(list(values)), "low": low, "high": high})
    return pd.DataFrame(rows)


def law_table(results, settings):
    """Return predicted and measured AUC of every quantizer but full precision under every law, as a tidy frame."""
    frames = []
    for setting, result in zip(settings, results, strict=True):
        for (law, attack), predicted in result["predicted"].items():
            columns = {"law": law, "attack": attack, "setting": setting.name, "split": setting.split}
            measured = {"predicted": predicted, "measured": result["auc"][attack].mean(axis=0)}
            frames.append(pd.DataFrame({"quantizer": QUANTIZER_SET, **measured, **columns, "task": setting.task}))
    table = pd.concat(frames, ignore_index=True)
    return table[table.quantizer != "fp32"].assign(miss=lambda f: f.predicted - f.measured)


def regime_table(results, settings, estimator, condition="r ensemble min", bar=3.0):
    """Return per setting how many quantizers have n r above the bar, the resolved pairs among them, and tau there.

    The theorem's r is the minimum over codewords (``condition``); ``estimator`` is the one whose ranking is judged.
    """
    rows = []
    for setting, result in zip(settings, results, strict=True):
        leak, signs = result["value"][estimator], result["signs"]["lira"]
        inside = setting.n_pool // 2 * -result["value"][condition] > bar
        taus = [float(indicators.kendall_resolved(leak[m], signs[np.ix_(m, m)])) for m in (inside, ~inside)]
        pairs = int(np.abs(np.triu(signs[np.ix_(inside, inside)])).sum())
        rows.append((setting.name, int(inside.sum()), pairs, *taus))
    columns = ["setting", "n r > 3", "resolved pairs inside", "tau inside", "tau outside"]
    return pd.DataFrame(rows, columns=columns).set_index("setting")


def threat_table(results, settings, reference):
    """Return the AUC of each quantizer under each threat's attack, with 95 % half widths, where all of them ran."""
    frames = []
    for setting, result in zip(settings, results, strict=True):
        if set(reference.values()) <= set(result["auc"]):
            columns = {"quantizer": QUANTIZER_SET, "setting": setting.name}
            for threat, attack in reference.items():
                auc = result["auc"][attack]
                columns |= {threat: auc.mean(axis=0), f"{threat}_half": 1.96 * auc.std(axis=0) / np.sqrt(len(auc))}
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def extreme_agreement(results, estimators, attack="lira", without=()):
    """Return in which share of settings an estimator's extreme quantizer is not resolvably off the attack's extreme.

    Quantizers ``without`` are left out. Columns: settings, and of either extreme the share with its Clopper-Pearson
    interval.
    """
    keep = [i for i, name in enumerate(QUANTIZER_SET) if name not in without]
    rows = {}
    for name in estimators:
        hits = {"most private": [], "least private": []}
        for result in results:
            signs, truth = result["signs"][attack][np.ix_(keep, keep)], result["auc"][attack].mean(axis=0)[keep]
            guess = result["value"][name][keep]
            hits["most private"].append(signs[np.nanargmin(guess), truth.argmin()] == 0)
            hits["least private"].append(signs[np.nanargmax(guess), truth.argmax()] == 0)
        rows[name] = {"settings": len(results)}
        for key, values in hits.items():
            low, high = attacks.clopper_pearson(sum(values), len(values))
            rows[name] |= {key: np.mean(values), f"{key} low": low, f"{key} high": high}
    return pd.DataFrame(rows).T
