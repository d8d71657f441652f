"""How well a number ranks quantizers as attacks do: Kendall's tau over pairs that attacks tell apart."""

import numpy as np
from scipy.stats import kendalltau

from qmis_utils.indicators.estimate import from_draws


def resolved_pairs(per_target, rng, least=0.002, draws=1000, widen=1.0):
    """Find the pairs of quantizers whose attack AUC differs beyond doubt.

    Parameters: ``per_target`` (M, Q) AUC of each target under each quantizer (same targets: paired); ``least`` the
    smallest difference that matters; ``widen`` times as wide intervals, for targets that are not independent. Returns
    a (Q, Q) antisymmetric array with the sign of AUC_i - AUC_j where the 95 % paired bootstrap interval over targets
    excludes 0 and the difference is at least ``least``, 0 elsewhere.
    """
    per_target = np.asarray(per_target, np.float64)
    counts = rng.multinomial(len(per_target), np.full(len(per_target), 1 / len(per_target)), size=draws)
    means = counts @ per_target / len(per_target)
    difference = means[:, :, None] - means[:, None, :]
    low, high = np.quantile(difference, [0.025, 0.975], axis=0)
    observed = per_target.mean(axis=0)[:, None] - per_target.mean(axis=0)[None, :]
    if widen != 1:
        low, high = observed + widen * (low - observed), observed + widen * (high - observed)
    return np.sign(observed) * ((low > 0) | (high < 0)) * (np.abs(observed) >= least)


def kendall_resolved(values, signs):
    """Return Kendall's tau of a predictor over resolved pairs only.

    Parameters: ``values`` (Q,) or (R, Q) predicted leakage (larger = leaks more); ``signs`` (Q, Q) from
    ``resolved_pairs``. Returns (concordant - discordant) / resolved, a float or (R,); a tie of the predictor counts as
    neither. NaN when no pair is resolved.
    """
    values = np.asarray(values, np.float64)
    upper = np.triu_indices(len(signs), 1)
    with np.errstate(invalid="ignore"):  # two infinite rates are a tie
        predicted = np.nan_to_num(np.sign(values[..., upper[0]] - values[..., upper[1]]))
    truth = signs[upper]
    resolved = np.abs(truth).sum()
    return (predicted * truth).sum(axis=-1) / resolved if resolved else np.nan * predicted.sum(axis=-1)


def kendall_b(values, reference):
    """Return Kendall's tau-b between a predictor (Q,) and the reference (Q,), ties allowed."""
    return float(kendalltau(values, reference, nan_policy="omit").statistic)


def kendall_interval(estimates, signs, larger_leaks=True):
    """Return Kendall's tau over resolved pairs as an ``Estimate``, its interval from the estimates' paired draws.

    Parameters: ``estimates`` Q estimates made with one seed; ``signs`` (Q, Q) from ``resolved_pairs``;
    ``larger_leaks`` False for r, whose large values mean security.
    """
    sign = 1 if larger_leaks else -1
    value = kendall_resolved([sign * e.value for e in estimates], signs)
    return from_draws(value, kendall_resolved(sign * np.stack([e.draws for e in estimates], axis=1), signs))
