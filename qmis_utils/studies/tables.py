"""Tables from the results of the indicator study: rank agreement on resolved pairs, laws, regimes, threats."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from qmis_utils import attacks, indicators
from qmis_utils.assess import NUMBERS, Assessment
from qmis_utils.studies.synthetic import BLACK_BOX, Setting

FIXED_ORDERS = {
    "fixed order": "lira",
    "fixed order, weights": "weight_regression",
}  # rival -> the attack it is learnt from
STRONGEST = {
    "strongest": (*BLACK_BOX, "output_regression", "stacked_outputs"),
    "strongest, weights": ("weight_regression", "release_regression", "joint_decoder", "stacked",
                           "lira", "stacked_outputs"),
}  # reference -> the attacks that it picks from; weights only where all their attacks were run  # fmt: skip
FIRST = {"strongest": "lira", "strongest, weights": "weight_regression"}  # reference -> whose laws are its own
LAWFUL = ("lira", "weight_regression", "combined", *STRONGEST)  # attacks that the laws are judged by


@dataclass(frozen=True, eq=False)
class Result:
    """Hold what one setting says of Q quantizers, as the tables read it.

    ``auc``: attack -> (M, Q) per target, those of ``STRONGEST`` among them after ``complete``; ``signs``: attack ->
    (Q, Q) of ``indicators.resolved_pairs``; ``value`` and ``draws``: number -> (Q,) and (R, Q), larger = leaks more;
    ``predicted``: (law, number, attack) -> (Q,); ``null``: attack -> (M,); ``utility`` (Q,).
    """

    setting: Setting
    quantizers: list[str]
    auc: dict[str, np.ndarray]
    signs: dict[str, np.ndarray]
    value: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    predicted: dict[tuple[str, str, str], np.ndarray]
    null: dict[str, np.ndarray]
    utility: np.ndarray

    def resolved(self, attack: str) -> float:
        """Return the share of pairs of quantizers that an attack tells apart."""
        return float(np.abs(self.signs[attack][np.triu_indices(len(self.quantizers), 1)]).mean())


def judged(setting: Setting, found: Assessment) -> Result:
    """Return the result of one setting, with the pairs that each of its attacks resolves."""
    return Result(
        setting, found.releases, found.auc, {a: _signs(auc, setting) for a, auc in found.auc.items()},
        {name: found.value(name) for name in found.numbers}, {name: found.draws(name) for name in found.numbers},
        found.predicted, {a: auc[:, 0] for a, auc in found.null.items()}, found.measures["utility"],
    )  # fmt: skip


def _signs(auc, setting):
    return indicators.resolved_pairs(auc, np.random.default_rng(setting.seed))


def complete(found: Sequence[Assessment], settings: Sequence[Setting]) -> list[Result]:
    """Return the results of all settings, with what compares settings or attacks.

    Parameters
    ----------
    found : sequence of Assessment
        One a setting, of all black-box attacks.
    settings : sequence of Setting

    Returns
    -------
    list of Result
        With the references of ``STRONGEST``, for each quantizer the attack with the largest mean AUC on other targets;
        what the laws say of them, whose d' falls by the same factor as that of the attack in ``FIRST``, and the law
        "added" of weights: of d'^2 in full precision, the part that outputs tell falls by the simulation law with rho,
        what weights add to it by the closed law; and the fixed orders as rivals: the mean rank of an attack's AUC over
        the *other* choosing settings, NaN where there is none, with a bootstrap over them.
    """
    plain = [judged(*pair) for pair in zip(settings, found, strict=True)]
    return [_with_orders(_with_strongest(result), plain) for result in plain]


def _with_strongest(result):
    auc, predicted, whole = dict(result.auc), dict(result.predicted), result.quantizers.index("fp32")
    for name, parts in STRONGEST.items():
        if name == "strongest" or set(parts) <= set(result.auc):
            auc[name] = attacks.strongest({part: result.auc[part] for part in parts if part in result.auc})
    distance = {attack: stats.norm.ppf(found[:, whole].mean()) for attack, found in auc.items()}
    of_outputs = result.predicted.get(("simulation", "rho", "lira"))
    for (law, number, attack), aucs in result.predicted.items():
        for name in (name for name in STRONGEST if name in auc and attack == FIRST[name]):
            kept = stats.norm.ppf(aucs) / distance[attack]  # of the distance of both groups, says the law
            predicted[law, number, name] = stats.norm.cdf(kept * distance[name])
            if name != "strongest" and of_outputs is not None:
                left = np.maximum(stats.norm.ppf(of_outputs) / distance["lira"], 0) * distance["strongest"]
                beyond = max(distance[name] ** 2 - distance["strongest"] ** 2, 0)
                predicted["added", number, name] = stats.norm.cdf(np.sqrt(left**2 + kept**2 * beyond))
    signs = {name: _signs(auc[name], result.setting) for name in STRONGEST if name in auc}
    return replace(result, auc=auc, signs=result.signs | signs, predicted=predicted)


def _with_orders(result, others):
    value, draws = dict(result.value), dict(result.draws)
    for name, attack in FIXED_ORDERS.items():
        known = [
            r for r in others if r.setting.split == "choose" and r.setting is not result.setting and attack in r.auc
        ]
        ranks = np.array([stats.rankdata(r.auc[attack].mean(axis=0)) for r in known])
        ranks = ranks if known else np.full((1, len(result.quantizers)), np.nan)
        value[name] = ranks.mean(axis=0)
        draws[name] = attacks.bootstrap(ranks, np.random.default_rng(result.setting.seed), 100)
    return replace(result, value=value, draws=draws)


def kind_of(number: str) -> str:
    """Return "indicator", "attack" or "rival"."""
    return "rival" if number in FIXED_ORDERS else NUMBERS[number].kind


def threat_of(attack: str) -> str:
    """Return "white" for an attack, or a reference, that reads weights, and "black" for one that reads outputs."""
    parts = STRONGEST.get(attack, (attack,))
    return "white" if any(attacks.ATTACKS[part].access == "weights" for part in parts) else "black"


def models_needed(number: str, spare: int) -> int:
    """Return how many models must be trained for a number where there are so many spare ones."""
    needed = 0 if number in FIXED_ORDERS else NUMBERS[number].models
    return spare if needed is None else needed


def tau_table(results: Iterable[Result]) -> pd.DataFrame:
    """Return Kendall's tau over resolved pairs for every number, attack and setting, as a tidy frame.

    Returns
    -------
    DataFrame
        Columns: estimator, kind, n_models, attack, threat, setting, split, tau, low, high (from the number's bootstrap
        draws), tau_b over all pairs, resolved (share of pairs).
    """
    rows = []
    for result in results:
        setting = result.setting
        for attack, signs in result.signs.items():
            reference = result.auc[attack].mean(axis=0)
            threat = threat_of(attack)
            for name, value in result.value.items():
                tau = float(indicators.kendall_resolved(value, signs))
                draws = indicators.kendall_resolved(result.draws[name], signs)
                low, high = np.quantile(draws[~np.isnan(draws)], [0.025, 0.975]) if np.isfinite(tau) else (np.nan,) * 2
                rows.append((
                    name, kind_of(name), models_needed(name, setting.n_indicator), attack, threat, setting.name,
                    setting.split, tau, low, high, indicators.kendall_b(value, reference), result.resolved(attack),
                ))  # fmt: skip
    columns = ["estimator", "kind", "n_models", "attack", "threat", "setting", "split", "tau", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "tau_b", "resolved"])


def hard_pairs(results: Iterable[Result], attack: str) -> np.ndarray:
    """Return the (Q, Q) mask of the pairs that some setting resolves one way and some setting the other."""
    signs = np.array([r.signs[attack] for r in results if attack in r.signs])
    return np.logical_and((signs > 0).any(axis=0), (signs < 0).any(axis=0))


def bootstrap_settings(values: Iterable, reduce: Callable, draws: int, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval (low, high) of a statistic of one value per setting, resampling settings.

    NaN below five settings, where it would hardly be more than their range.
    """
    rng, values = np.random.default_rng(seed), list(values)
    if len(values) < 5:
        return np.nan, np.nan
    picks = rng.integers(len(values), size=(draws, len(values)))
    low, high = np.quantile([reduce([values[i] for i in pick]) for pick in picks], [0.025, 0.975])
    return low, high


def _hard_tau(name, results, attack, mask):
    """Return (tau, number of pairs) of a number over the resolved hard pairs of each setting that has any."""
    parts = []
    for result in results:
        signs = result.signs[attack] * mask
        if pairs := np.abs(np.triu(signs)).sum():
            parts.append((float(indicators.kendall_resolved(result.value[name], signs)), pairs))
    return parts


def _pooled(parts):
    return sum(tau * pairs for tau, pairs in parts) / sum(pairs for _, pairs in parts)


def hard_tau(name: str, results: Iterable[Result], attack: str, mask: np.ndarray, split: str = "judge") -> float:
    """Return a number's tau over the resolved pairs of a mask (Q, Q), pooled over the settings of a split."""
    parts = _hard_tau(name, [r for r in results if r.setting.split == split], attack, mask)
    return _pooled(parts) if parts else float("nan")


def summarise(tau: pd.DataFrame, results: Sequence[Result], reference: Mapping[str, str], draws: int) -> pd.DataFrame:
    """Return the mean, the least and the hard-pair tau of every number on each half of the settings.

    Parameters
    ----------
    tau : DataFrame
        From ``tau_table``.
    results : sequence of Result
    reference : dict
        Threat -> attack.
    draws : int
        Bootstrap draws over settings.

    Returns
    -------
    DataFrame
        Columns as in ``tau_table``, with setting "mean" (Student's interval over settings), "min" (no interval) or
        "hard_pairs" (bootstrap over settings).
    """
    rows = []
    for (split, threat), part in tau.groupby(["split", "threat"]):
        attack = reference[threat]
        pool = [r for r in results if r.setting.split == split and attack in r.auc]
        mask = hard_pairs(results, attack)
        for name, group in part[part.attack == attack].groupby("estimator"):
            first = group.iloc[0][["estimator", "kind", "n_models", "attack", "threat", "split"]].to_dict()
            mean, low, high = attacks.mean_interval(group.tau, most=1)
            rows.append(first | {"setting": "mean", "tau": mean, "low": low, "high": high})
            rows.append(first | {"setting": "min", "tau": group.tau.min(), "low": np.nan, "high": np.nan})
            if hard := _hard_tau(name, pool, attack, mask):
                low, high = bootstrap_settings(hard, _pooled, draws)
                rows.append(first | {"setting": "hard_pairs", "tau": _pooled(hard), "low": low, "high": high})
    return pd.DataFrame(rows)


def law_table(results: Iterable[Result]) -> pd.DataFrame:
    """Return predicted and measured AUC of every quantizer but full precision under every law, as a tidy frame.

    ``miss`` is predicted minus measured: positive is the safe side.
    """
    frames = []
    for result in results:
        setting = result.setting
        for (law, number, attack), predicted in result.predicted.items():
            if attack in LAWFUL:
                columns = {"law": f"{law} {number}", "attack": attack, "setting": setting.name, "split": setting.split}
                measured = {"predicted": predicted, "measured": result.auc[attack].mean(axis=0)}
                frames.append(
                    pd.DataFrame({"quantizer": result.quantizers, **measured, **columns, "task": setting.task})
                )
    table = pd.concat(frames, ignore_index=True)
    return table[table.quantizer != "fp32"].assign(miss=lambda f: f.predicted - f.measured)


def regime_table(results: Iterable[Result], number: str, condition: str = "r ensemble min", bar: float = 3.0):
    """Return per setting how many quantizers have n r above the bar, the resolved pairs among them, and tau there.

    Parameters
    ----------
    results : iterable of Result
    number, condition : names of numbers
        Whose ranking is judged, and which is the theorem's r, the minimum over codewords. Numbers grow with the leak,
        so that r is minus ``condition``.
    bar : float
        On n r, with n the records that a model trains on.

    Returns
    -------
    DataFrame
        A row a setting.
    """
    rows = []
    for result in results:
        leak, signs = result.value[number], result.signs["lira"]
        inside = result.setting.n_pool // 2 * -result.value[condition] > bar
        taus = [float(indicators.kendall_resolved(leak[m], signs[np.ix_(m, m)])) for m in (inside, ~inside)]
        pairs = int(np.abs(np.triu(signs[np.ix_(inside, inside)])).sum())
        rows.append((result.setting.name, int(inside.sum()), pairs, *taus))
    columns = ["setting", "n r > 3", "resolved pairs inside", "tau inside", "tau outside"]
    return pd.DataFrame(rows, columns=columns).set_index("setting")


def threat_table(results: Iterable[Result], reference: Mapping[str, str]) -> pd.DataFrame:
    """Return the AUC of each quantizer under each threat's attack, with 95 % half widths, where all of them ran."""
    frames = []
    for result in results:
        if set(reference.values()) <= set(result.auc):
            columns = {"quantizer": result.quantizers, "setting": result.setting.name}
            for threat, attack in reference.items():
                auc = result.auc[attack]
                columns |= {threat: auc.mean(axis=0), f"{threat}_half": 1.96 * auc.std(axis=0) / np.sqrt(len(auc))}
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def extreme_agreement(results: Sequence[Result], numbers: Iterable[str], attack: str = "lira", without=()):
    """Return in which share of settings a number's extreme quantizer is not resolvably off the attack's extreme.

    Parameters
    ----------
    results : sequence of Result
    numbers : names
    attack : str
    without : names of quantizers
        Left out.

    Returns
    -------
    DataFrame
        A row a number; columns: settings, and of either extreme the share with its Clopper-Pearson interval.
    """
    rows: dict[str, dict] = {}
    for name in numbers:
        hits: dict[str, list[bool]] = {"most private": [], "least private": []}
        for result in results:
            keep = [i for i, quantizer in enumerate(result.quantizers) if quantizer not in without]
            signs, truth = result.signs[attack][np.ix_(keep, keep)], result.auc[attack].mean(axis=0)[keep]
            guess = result.value[name][keep]
            hits["most private"].append(signs[np.nanargmin(guess), truth.argmin()] == 0)
            hits["least private"].append(signs[np.nanargmax(guess), truth.argmax()] == 0)
        rows[name] = {"settings": len(results)}
        for key, values in hits.items():
            share = attacks.clopper_pearson(sum(values), len(values))
            rows[name] |= {key: share.value, f"{key} low": share.low, f"{key} high": share.high}
    return pd.DataFrame(rows).T
