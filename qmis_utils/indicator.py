"""Cheap numbers that rank quantizers without an attack: the paper's r, and the survival correlations.

All read a few quantized models on held-out samples, no membership. Intervals come from a bootstrap over models and
samples; equal seeds pair the draws of two quantizers, so that differences and rank correlations keep their interval.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from qmis_utils import rates

AGGREGATIONS = ("min", "median", "all_pairs")


@dataclass(frozen=True)
class Estimate:
    """Hold an estimate: ``value``, its interval ``low``-``high``, the bootstrap ``draws``, and the noise floor.

    ``noise_floor`` is the value of r that pure sampling noise gives (0 for correlations).
    """

    value: float
    low: float
    high: float
    noise_floor: float
    draws: np.ndarray


def _estimate(value, draws, noise_floor=0.0):
    known = draws[~np.isnan(draws)]
    # a draw may be infinite (equal codewords): take order statistics, never a mean of two draws
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf") if known.size else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high), noise_floor, draws)


def _pair_rates(mean, covariance):
    """Return r of every ordered pair of codewords from the mean losses (K,) and their covariance (K, K).

    Entry (j, k) is (mean_k - mean_j)^2 / (2 var(loss_k - loss_j)); NaN where two codewords have equal losses.
    """
    gap = mean[None, :] - mean[:, None]
    variance = np.diag(covariance)[None, :] + np.diag(covariance)[:, None] - 2 * covariance
    scale = np.maximum(np.diag(covariance).max(), 1e-300)
    return np.where(variance > 1e-12 * scale, np.square(gap) / (2 * np.maximum(variance, 1e-300)), np.nan)


def _aggregate(pair_rates, mean, aggregation, noise_floor):
    """Reduce pair rates to one number; a codebook of equal codewords leaks nothing: infinity."""
    if aggregation == "all_pairs":
        values = pair_rates[np.triu_indices(len(mean), 1)] - noise_floor
        return np.nanmean(values) if np.isfinite(values).any() else np.inf
    row = pair_rates[np.argmin(mean)]
    if not np.isfinite(row).any():
        return np.inf
    return np.nanmin(row) if aggregation == "min" else np.nanmedian(row)


def _check_losses(losses, aggregation):
    losses = np.asarray(losses, np.float64)
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(AGGREGATIONS)}; got {aggregation!r}")
    if losses.ndim != 2 or losses.shape[0] < 2 or losses.shape[1] < 2:
        raise ValueError(f"losses must be (K, m) with at least 2 codewords and 2 held-out samples; got {losses.shape}")
    if not np.isfinite(losses).all():
        raise ValueError(
            f"losses hold NaN or infinity, first in codeword {int(np.argwhere(~np.isfinite(losses))[0][0])}"
        )
    return losses


def estimate(losses, aggregation="all_pairs", rate="gaussian", draws=200, seed=0):
    """Estimate the paper's rate r_Q of a quantizer from the losses of K quantized models on held-out samples.

    Parameters
    ----------
    losses : array (K, m)
        Loss of each of K codewords (quantized models) on the same m held-out samples.
    aggregation : {"min", "median", "all_pairs"}
        Over k against the codeword of least mean loss; or the mean over all pairs j < k of
        (gap_mean^2 / gap_var - 1/m) / 2, which removes the bias that sampling noise adds.
    rate : {"gaussian", "cramer"}
        r = gap_mean^2 / (2 gap_var), or Cramer's rate of each gap (slower; "min" and "median" only).
    draws, seed : int
        Bootstrap draws over models and held-out samples; equal seeds pair the draws of two quantizers.

    Returns
    -------
    Estimate
        Larger = more secure, per training sample: Delta_n decays like exp(-n r). ``noise_floor`` is 1/(2m).

    Raises
    ------
    ValueError
        For an unknown aggregation or rate, fewer than two codewords or samples, NaN losses.

    Notes
    -----
    Our estimators of the rate in Aubinais et al. (2026), Theorem 3.3; not the text of their Algorithm 1. A resampled
    codeword paired with its own copy carries no information and is left out.
    """
    losses = _check_losses(losses, aggregation)
    n_models, m = losses.shape
    floor = 1 / (2 * m)
    if rate == "cramer" and aggregation != "all_pairs":
        return _cramer_estimate(losses, aggregation, floor, draws, seed)
    if rate != "gaussian":
        raise ValueError(f"rate must be 'gaussian', or 'cramer' with aggregation 'min' or 'median'; got {rate!r}")
    rng = np.random.default_rng(seed)
    centred = losses - losses.mean(axis=0)  # the shared part of the loss cancels in every gap
    value = _aggregate(_pair_rates(centred.mean(axis=1), np.cov(centred)), centred.mean(axis=1), aggregation, floor)
    samples = np.empty(draws)
    for draw in range(draws):
        weights = rng.multinomial(m, np.full(m, 1 / m)) / m
        models = np.unique(rng.integers(n_models, size=n_models))
        mean = centred @ weights
        residual = centred - mean[:, None]
        pairs = _pair_rates(mean, (residual * weights) @ residual.T * m / (m - 1))[np.ix_(models, models)]
        one_model = len(models) == 1  # drawn K times: it says nothing about gaps
        samples[draw] = np.nan if one_model else _aggregate(pairs, mean[models], aggregation, floor)
    return _estimate(value, samples, floor)


def _cramer_estimate(losses, aggregation, floor, draws, seed):
    """Estimate Cramer's rate against the best codeword; the bootstrap resamples held-out samples."""
    rng, m = np.random.default_rng(seed), losses.shape[1]

    def reduce(weights):
        best = np.argmin(losses @ weights)
        gaps = np.delete(losses - losses[best], best, axis=0)
        values = [rates.cramer_rate(gap, weights) for gap in gaps if np.any(gap != 0)]
        return (np.min(values) if aggregation == "min" else np.median(values)) if values else np.inf

    resampled = rng.multinomial(m, np.full(m, 1 / m), size=draws) / m
    return _estimate(reduce(np.full(m, 1 / m)), np.array([reduce(w) for w in resampled]), floor)


def _correlation(q, f, models, samples):
    """Correlate model-to-model deviations for given multiplicities of models (R, B) and samples (R, m); (R,)."""
    total = models.sum(axis=1, keepdims=True)

    def product(a, b):
        cross = models @ (a * b) - (models @ a) * (models @ b) / total
        return (cross * samples).sum(axis=1)

    spread = product(q, q) * product(f, f)
    return np.where(spread > 0, product(q, f) / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def _drop_first_component(q, f):
    """Remove the first principal direction (over samples) of the full-precision deviations from both."""
    q, f = q - q.mean(axis=0), f - f.mean(axis=0)
    direction = np.linalg.svd(f, full_matrices=False)[2][0]
    return tuple(a - np.outer(a @ direction, direction) for a in (q, f))


def survival(quantized, full, variant="rho", draws=200, seed=0):
    """Estimate how much of the model-to-model deviation survives quantization: the survival correlation.

    Parameters
    ----------
    quantized, full : array (B, m) or (B, m, C)
        The same B >= 2 models, trained on random halves, quantized and in full precision: logits or predictions on m
        held-out inputs (rho, an attacker who sees outputs), or the m weights themselves (rho_w, one who sees the
        weights). With C logits per input, they are centred over classes first.
    variant : {"rho", "rho_pc1"}
        "rho_pc1" drops the first principal component of the full-precision deviations from both (needs B >= 4).
    draws, seed : int
        Bootstrap draws over models and samples; equal seeds pair the draws of two quantizers.

    Returns
    -------
    Estimate
        Correlation in [-1, 1] of the deviations from the mean over models. Lower = more private; 1 for the identity,
        0 where nothing varies any more.

    Raises
    ------
    ValueError
        For shapes that disagree, too few models, NaN, an unknown variant.

    Notes
    -----
    QMIS statement 12: a linear attack keeps the share rho of its d' (Stein's lemma; Bussgang 1952).
    """
    q, f = np.asarray(quantized, np.float64), np.asarray(full, np.float64)
    least = {"rho": 2, "rho_pc1": 4}.get(variant)
    if least is None:
        raise ValueError(f"variant must be 'rho' or 'rho_pc1'; got {variant!r}")
    if q.shape != f.shape or q.ndim not in (2, 3) or len(q) < least:
        raise ValueError(f"need two arrays (B, m[, C]) of equal shape with B >= {least}; got {q.shape} and {f.shape}")
    if not (np.isfinite(q).all() and np.isfinite(f).all()):
        raise ValueError("quantized and full must be finite")
    classes = 1
    if q.ndim == 3:
        classes = q.shape[2]
        q, f = ((a - a.mean(axis=2, keepdims=True)).reshape(len(a), -1) for a in (q, f))
    q, f = q - q.mean(axis=0), f - f.mean(axis=0)
    if variant == "rho_pc1":
        q, f = _drop_first_component(q, f)
    n_models, m = len(q), q.shape[1] // classes
    rng = np.random.default_rng(seed)
    value = _correlation(q, f, np.ones((1, n_models)), np.ones((1, q.shape[1])))[0]
    models = rng.multinomial(n_models, np.full(n_models, 1 / n_models), size=draws).astype(float)
    samples = np.repeat(rng.multinomial(m, np.full(m, 1 / m), size=draws), classes, axis=1)
    keep = (models > 0).sum(axis=1) > 1  # a draw of one model repeated has no deviations
    return _estimate(value, np.where(keep, _correlation(q, f, models, samples), np.nan))


def resolved_pairs(per_target, rng, least=0.002, draws=1000):
    """Find the pairs of quantizers whose attack AUC differs beyond doubt.

    Parameters: ``per_target`` (M, Q) AUC of each target under each quantizer (same targets: paired); ``least`` the
    smallest difference that matters. Returns a (Q, Q) antisymmetric array with the sign of AUC_i - AUC_j where the
    95 % paired bootstrap interval over targets excludes 0 and the difference is at least ``least``, 0 elsewhere.
    """
    per_target = np.asarray(per_target, np.float64)
    counts = rng.multinomial(len(per_target), np.full(len(per_target), 1 / len(per_target)), size=draws)
    means = counts @ per_target / len(per_target)
    difference = means[:, :, None] - means[:, None, :]
    low, high = np.quantile(difference, [0.025, 0.975], axis=0)
    observed = per_target.mean(axis=0)[:, None] - per_target.mean(axis=0)[None, :]
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
    return float(kendalltau(values, reference).statistic)


def kendall_interval(estimates, signs, larger_leaks=True):
    """Return Kendall's tau over resolved pairs as an ``Estimate``, its interval from the estimates' paired draws.

    Parameters: ``estimates`` Q estimates made with one seed; ``signs`` (Q, Q) from ``resolved_pairs``;
    ``larger_leaks`` False for r, whose large values mean security.
    """
    sign = 1 if larger_leaks else -1
    value = kendall_resolved([sign * e.value for e in estimates], signs)
    return _estimate(value, kendall_resolved(sign * np.stack([e.draws for e in estimates], axis=1), signs))
