"""What an audit recommends: one release, none, or that its budget cannot tell; and what an AUC means for a record."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

KINDS = RECOMMENDED, NO_RULE_HELPS, UNDECIDED, USELESS = (
    "recommended",
    "no rule helps",
    "cannot be decided",
    "no model to ship",
)
LEAST_GAIN = 0.005  # of AUC, below which a release is not worth recommending
WRONG = 0.05  # probability that any of several releases passes a test by chance
ENOUGH = 1.1  # times as many models as would just do


@dataclass(frozen=True)
class Verdict:
    """Hold what an audit recommends.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    release : str or None
        The recommended one.
    text : str
        In words, with intervals.
    models : int or None
        Where it cannot be decided: about how many models would tell, if the numbers hold.
    """

    kind: str
    release: str | None
    text: str
    models: int | None = None


def shown(row: Any, column: str) -> str:
    """Return a number of a row with its interval, in words."""
    value, low, high = (row[f"{column}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def widening(releases: int) -> float:
    """Return by how much a two-sided 95 % interval is widened where the best of several releases is picked by it.

    Bonferroni, one-sided at ``WRONG``; never narrower than the interval itself.
    """
    return max(float(norm.isf(WRONG / max(releases, 1)) / norm.isf(0.025)), 1.0)


def useful(table: pd.DataFrame, lose: float) -> pd.Series:
    """Tell which releases keep utility: they lose at most ``lose``, by intervals that hold for all at once."""
    return table.lost + widening(len(table)) * (table.lost_high - table.lost) <= lose


def helping(table: pd.DataFrame) -> pd.Series:
    """Tell which releases leak less than full precision, by intervals that hold for all at once, and worth a word."""
    return (table.gain - widening(len(table)) * (table.gain - table.gain_low) > 0) & (table.gain >= LEAST_GAIN)


def beyond(table: pd.DataFrame, lose: float) -> pd.Series:
    """Tell which releases lose more than ``lose``, by their whole interval."""
    return table.lost_low > lose


def decide(table: pd.DataFrame, facts: Any) -> Verdict:
    """Recommend the release to ship.

    It must keep utility and leak less than full precision, both by intervals that are widened for having looked at
    several releases (``widening``). Among those that do, the number
    that ranks best against the strongest known attacks decides, the column ``rank`` (notebook B, section 11).

    Parameters
    ----------
    table : DataFrame
        Of an audit.
    facts : Facts
        ``models``, ``tolerance`` and ``guess`` are read.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> ends = {"gain_low": [0, 0.02], "gain_high": [0, 0.06], "lost_low": [0, -0.01], "lost_high": [0, 0.01]}
    >>> row = {"gain": [0, 0.04], "lost": [0, 0.0], "auc": 0.7, "auc_low": 0.6, "auc_high": 0.8, "rank": [2, 1],
    ...        "rank_low": [2, 1], "rank_high": [2, 1], "utility_low": 0.8} | ends
    >>> from types import SimpleNamespace
    >>> facts = SimpleNamespace(models=16, tolerance=0.02, guess=0.5)
    >>> decide(pd.DataFrame(row, ["fp32", "sign"]), facts).release
    'sign'
    """
    full, others = table.loc["fp32"], table.drop(index="fp32")
    leak = f" Full precision leaks: the strongest attack finds members with AUC {shown(full, 'auc')}." if (
        "auc" in table and full.auc_low > 0.5) else ""  # fmt: skip
    if full.utility_low <= facts.guess:
        return Verdict(USELESS, None, "The model in full precision is not shown to beat a constant guess on held-out "
                       f"records, so no release of it is recommended.{leak}")  # fmt: skip
    if "gain" not in table:
        return Verdict(UNDECIDED, None, "Cannot be decided: no attack could be run, so nothing says how much any "
                       "release leaks.")  # fmt: skip
    lose, keeps = facts.tolerance, useful(others, facts.tolerance)
    good = others[keeps & helping(others)].sort_values(["rank", "auc"])
    if len(good):
        best = good.iloc[0]
        tied = [name for name in good.index[1:] if good.rank_low[name] <= best.rank_high]
        beside = f" Not told apart from it: {', '.join(tied)}." if tied else ""
        return Verdict(
            RECOMMENDED, str(best.name),
            f"Ship {best.name}. The strongest attack finds members with AUC {shown(best, 'auc')} instead of "
            f"{shown(full, 'auc')}, less by {shown(best, 'gain')}; it loses {shown(best, 'lost')} of utility, where "
            f"{lose:g} was allowed.{beside}",
        )  # fmt: skip
    open_ = others[~beyond(others, lose) & (others.gain_high > LEAST_GAIN)]
    wanted = {name: _models(row, facts, widening(len(others))) for name, row in open_.iterrows()}
    hopeful = {name: m for name, m in wanted.items() if math.isfinite(m)}
    if hopeful:
        name = min(hopeful, key=lambda n: (hopeful[n], n))
        row, many = open_.loc[name], hopeful[name]
        return Verdict(
            UNDECIDED, None,
            f"Cannot be decided with {facts.models} models: {name} leaks less than full precision by "
            f"{shown(row, 'gain')} and loses {shown(row, 'lost')} of utility, where {lose:g} is allowed. About {many} "
            f"models would tell, if these numbers hold.{leak}",
            many,
        )  # fmt: skip
    kept = others[~beyond(others, lose)]
    if kept.empty:
        return Verdict(NO_RULE_HELPS, None, f"No rule helps here: every one loses more than {lose:g} of utility.{leak}")
    best = kept.loc[kept.gain.idxmax()]
    if helping(others)[best.name]:
        return Verdict(
            NO_RULE_HELPS, None,
            f"No rule helps here: none that leaks less is shown to lose at most {lose:g} of utility. {best.name} leaks "
            f"less by {shown(best, 'gain')} and loses {shown(best, 'lost')}.{leak}",
        )  # fmt: skip
    return Verdict(
        NO_RULE_HELPS, None,
        f"No rule helps here: of those that may keep utility within {lose:g}, {best.name} leaks least, and its AUC is "
        f"below that of full precision by {shown(best, 'gain')} only.{leak}",
    )  # fmt: skip


def _models(row, facts, wide):
    """Return about how many models would tell whether a release helps and keeps utility; infinity if none would.

    Half an interval shrinks with the root of the models; the part of utility's that held-out records alone cause does
    not, so that this is a least number.
    """
    gap, half = row.gain, wide * (row.gain - row.gain_low)
    spare, reach = facts.tolerance - row.lost, wide * (row.lost_high - row.lost)
    if gap < LEAST_GAIN or spare <= 0:
        return math.inf
    return math.ceil(ENOUGH * facts.models * max((half / gap) ** 2, (reach / spare) ** 2, 1))


def implied(table: pd.DataFrame, facts: Any, names: list[str], priors: tuple[float, ...]) -> pd.DataFrame:
    """Say what an attack means for the records that an attacker asks about.

    Parameters
    ----------
    table : DataFrame
        With the column tpr_1pct where it is known.
    facts : Facts
        ``trained`` is read.
    names : list of str
        Releases.
    priors : tuple of float
        Shares of members among those that an attacker asks about.

    Returns
    -------
    DataFrame
        Measured (release, members found at 1 % of false alarms), Assumed (prior), Combined (of those accused, how many
        are members, with the ends of the interval of what is found; how many members of one model are accused).
    """
    rows, rate = [], 0.01
    for name in names:
        found = np.array([table.loc[name, f"tpr_1pct{end}"] for end in ("", "_low", "_high")])
        if not np.isfinite(found).all():
            continue
        accused = "{:.0f} [{:.0f}, {:.0f}] of".format(*(found * facts.trained))
        for prior in priors:
            right = prior * found / (prior * found + (1 - prior) * rate)
            rows.append({
                "release": name, "measured: members found at 1 % false alarms": _range(found),
                "assumed: members among those asked about": f"{prior:.0%}",
                "combined: an accusation is right": _range(right),
                "combined: members accused": f"{accused} {facts.trained}",
            })  # fmt: skip
    return pd.DataFrame(rows)


def _range(values):
    return f"{values[0]:.1%} [{values[1]:.1%}, {values[2]:.1%}]"
