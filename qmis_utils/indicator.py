"""Cheap numbers that rank quantizers without an attack: the paper's r, and the survival correlations.

All read a few quantized models on held-out samples, no membership. Intervals come from a bootstrap over models and
samples; equal seeds pair the draws of two quantizers, so that differences and rank correlations keep their interval.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import kendalltau

from qmis_utils import rates
from qmis_utils.survival import surviving_information

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


@lru_cache(maxsize=8)  # equal seeds pair the draws of all quantizers, so most calls ask for the last ones again
def _multiplicities(sizes, draws, seed):
    """Draw how often a bootstrap of each set of a size takes each of its elements: (draws, size) counts per set."""
    rng = np.random.default_rng(seed)
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float) for n in sizes]
    for array in counts:
        array.setflags(write=False)
    return counts


def _moments(losses, weights, block=1024):
    """Return the mean losses (R, K) and their covariances (R, K, K) under R weightings (R, m) of the samples.

    One matrix product per block of samples: products of pairs of losses never exist for all samples at once.
    """
    centred = losses - losses.mean(axis=0)  # the shared part of the loss cancels in every gap
    origin = centred.mean(axis=1)
    centred = centred - origin[:, None]
    n_models, m = losses.shape
    second = np.zeros((len(weights), n_models**2))
    for at in range(0, m, block):
        part = centred[:, at : at + block]
        second += weights[:, at : at + block] @ (part[:, None] * part).reshape(n_models**2, -1).T
    mean = weights @ centred.T
    covariance = second.reshape(-1, n_models, n_models) - mean[:, :, None] * mean[:, None, :]
    return mean + origin, covariance * m / (m - 1)


def _pair_rates(mean, covariance):
    """Return r of every pair of codewords (R, K, K) from mean losses (R, K) and their covariances (R, K, K).

    Entry (j, k) is (mean_k - mean_j)^2 / (2 var(loss_k - loss_j)); NaN where two codewords have equal losses.
    """
    gap = mean[:, None, :] - mean[:, :, None]
    spread = np.diagonal(covariance, axis1=1, axis2=2)
    variance = spread[:, None, :] + spread[:, :, None] - 2 * covariance
    known = variance > 1e-12 * np.maximum(spread.max(axis=1), 1e-300)[:, None, None]
    return np.where(known, np.square(gap) / (2 * np.where(known, variance, 1)), np.nan)


def _aggregate(pair_rates, mean, chosen, aggregation, noise_floor):
    """Reduce pair rates (R, K, K) over the chosen codewords (R, K) to (R,).

    A codebook of equal codewords leaks nothing: infinity. One codeword alone says nothing about gaps: NaN.
    """
    pairs = np.where(chosen[:, :, None] & chosen[:, None, :], pair_rates, np.nan)
    if aggregation == "all_pairs":
        upper = np.triu_indices(mean.shape[1], 1)
        values = pairs[:, upper[0], upper[1]] - noise_floor
    else:
        best = np.where(chosen, mean, np.inf).argmin(axis=1)
        values = pairs[np.arange(len(mean)), best]
    result = np.where(chosen.sum(axis=1) > 1, np.inf, np.nan)
    known = ~np.isnan(values).all(axis=1)
    reduce = {"min": np.nanmin, "median": np.nanmedian, "all_pairs": np.nanmean}[aggregation]
    if known.any():
        result[known] = reduce(values[known], axis=1)
    return result


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
        return cramer_estimates(losses, draws, seed)[aggregation]
    if rate != "gaussian":
        raise ValueError(f"rate must be 'gaussian', or 'cramer' with aggregation 'min' or 'median'; got {rate!r}")
    samples, models = _multiplicities((m, n_models), draws, seed)
    means, covariances = _moments(losses, np.vstack([np.ones(m), samples]) / m)
    chosen = np.vstack([np.ones(n_models), models]) > 0
    values = _aggregate(_pair_rates(means, covariances), means, chosen, aggregation, floor)
    return _estimate(values[0], values[1:], floor)


def cramer_estimates(losses, draws=200, seed=0):
    """Estimate Cramer's rate against the best codeword: aggregation ("min" and "median") -> Estimate.

    As ``estimate`` with rate "cramer", but both aggregations share the rates of the gaps, which are what costs.
    """
    losses = _check_losses(losses, "min")
    n_models, m = losses.shape

    def reduce(weights, chosen):
        """Return the least and the median rate of the chosen codewords under weights of the samples."""
        few = losses[chosen]
        best = np.argmin(few @ weights)
        gaps = np.delete(few - few[best], best, axis=0)
        values = [rates.cramer_rate(gap, weights) for gap in gaps if np.any(gap != 0)]
        empty = np.inf if len(gaps) else np.nan
        return (np.min(values), np.median(values)) if values else (empty, empty)

    samples, models = _multiplicities((m, n_models), draws, seed)
    value = reduce(np.full(m, 1 / m), np.ones(n_models, bool))
    drawn = np.array([reduce(*pair) for pair in zip(samples / m, models > 0, strict=True)])
    return {a: _estimate(value[i], drawn[:, i], 1 / (2 * m)) for i, a in enumerate(("min", "median"))}


def function_error(quantized, full):
    """Return minus the relative error of quantized outputs after the best gain, of each model, (B,).

    Parameters: ``quantized``, ``full`` (B, m) or (B, m, C) outputs of the same B models. Larger = leaks more.
    """
    a, b = (np.asarray(z).reshape(len(z), -1).astype(float) for z in (quantized, full))
    gain = (a * b).sum(axis=1) / np.maximum((b * b).sum(axis=1), 1e-300)
    error = np.square(a - gain[:, None] * b).mean(axis=1)
    return -np.sqrt(error / np.maximum(np.square(a).mean(axis=1), 1e-300))


def _correlation(q, f, models, samples):
    """Correlate model-to-model deviations for given multiplicities of models (R, B) and samples (R, m); (R,)."""
    total = models.sum(axis=1, keepdims=True)

    def product(a, b):
        cross = models @ (a * b) - (models @ a) * (models @ b) / total
        return (cross * samples).sum(axis=1)

    spread = product(q, q) * product(f, f)
    return np.where(spread > 0, product(q, f) / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def _drop(directions, q, f):
    """Remove orthonormal directions (k, m) over samples from both deviations."""
    return tuple(a - (a @ directions.T) @ directions for a in (q, f))


def _shared_directions(f, variant, classes):
    """Return the orthonormal directions (k, m) over samples in which models differ as a whole, not about one record.

    "rho_pc1": the first principal component of the deviations. "rho_shape": offset (of each class) and gain, that is
    the constants and the mean output.
    """
    if variant == "rho_pc1":
        deviations = f - f.mean(axis=0)
        return np.linalg.svd(deviations, full_matrices=False)[2][:1]
    offsets = np.tile(np.eye(classes), f.shape[1] // classes)
    basis = np.linalg.svd(np.vstack([offsets, f.mean(axis=0)]), full_matrices=False)
    return basis[2][basis[1] > 1e-9 * basis[1][0]]


def survival(quantized, full, variant="rho", draws=200, seed=0):
    """Estimate how much of the model-to-model deviation survives quantization: the survival correlation.

    Parameters
    ----------
    quantized, full : array (B, m) or (B, m, C)
        The same B >= 2 models, trained on random halves, quantized and in full precision: logits or predictions on m
        held-out inputs (rho, an attacker who sees outputs), or the m weights themselves (rho_w, one who sees the
        weights). With C logits per input, they are centred over classes first.
    variant : {"rho", "rho_pc1", "rho_shape"}
        "rho_pc1" drops the first principal component of the full-precision deviations from both (needs B >= 4);
        "rho_shape" drops what a model's own offset and gain explain: deviations along the constant (of each class)
        and along the mean output. A model that is more confident everywhere says little about a single record.
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
    least = {"rho": 2, "rho_pc1": 4, "rho_shape": 2}.get(variant)
    if least is None:
        raise ValueError(f"variant must be 'rho', 'rho_pc1' or 'rho_shape'; got {variant!r}")
    if q.shape != f.shape or q.ndim not in (2, 3) or len(q) < least:
        raise ValueError(f"need two arrays (B, m[, C]) of equal shape with B >= {least}; got {q.shape} and {f.shape}")
    if not (np.isfinite(q).all() and np.isfinite(f).all()):
        raise ValueError("quantized and full must be finite")
    classes = 1
    if q.ndim == 3:
        classes = q.shape[2]
        q, f = ((a - a.mean(axis=2, keepdims=True)).reshape(len(a), -1) for a in (q, f))
    directions = None if variant == "rho" else _shared_directions(f, variant, classes)
    q, f = q - q.mean(axis=0), f - f.mean(axis=0)
    if directions is not None:
        q, f = _drop(directions, q, f)
    n_models, m = len(q), q.shape[1] // classes
    value = _correlation(q, f, np.ones((1, n_models)), np.ones((1, q.shape[1])))[0]
    models, samples = _multiplicities((n_models, m), draws, seed)
    samples = np.repeat(samples, classes, axis=1) if classes > 1 else samples
    keep = (models > 0).sum(axis=1) > 1  # a draw of one model repeated has no deviations
    return _estimate(value, np.where(keep, _correlation(q, f, models, samples), np.nan))


def surviving_share(quantized, full, models=4, most=1000):
    """Estimate the share of Fisher information that survives in the released weights: J averaged over weights.

    Parameters: ``quantized``, ``full`` (B, P) one weight tensor of B models, after and before; ``models`` how many
    models' cells are tried; ``most`` weights, evenly spaced, stand for all. The edges of a quantizer's cells are read
    off a model's own weights, halfway between the neighbours that received different values; each weight sits at its
    mean over models, in units of its standard deviation. Returns J in [0, 1] by each model's cells, (models,); the
    square root of the mean predicts the share of d' that an attacker who sees the weights keeps (QMIS statements 12
    and 14).
    """
    q, f = np.asarray(quantized, np.float64), np.asarray(full, np.float64)
    few = np.linspace(0, f.shape[1] - 1, min(most, f.shape[1])).astype(int)
    mean, sd = f[:, few].mean(axis=0), f[:, few].std(axis=0, ddof=1)
    moving = sd > 0
    shares = []
    for values, weights in zip(q[:models], f[:models], strict=True):
        order = np.argsort(weights, kind="stable")
        jump = np.flatnonzero(np.diff(values[order]))
        if len(jump) == 0 or len(jump) >= min(len(order) - 1, 1024):  # nothing is released; or every weight is
            shares.append(float(len(jump) > 0))
            continue
        middle = np.unique((weights[order][jump] + weights[order][jump + 1]) / 2)
        edges = np.concatenate([[-np.inf], middle, [np.inf]])
        shares.append(surviving_information(edges, mean[moving], sd[moving]).mean() if moving.any() else 0.0)
    return np.array(shares)


def simulated_signals(full_signals, rho, variance, rng):
    """Degrade full-precision attack signals to a survival correlation: the simulation law.

    Parameters: ``full_signals`` (M, N) of full-precision models; ``rho`` in (0, 1]; ``variance`` the model-to-model
    variance of the held-out outputs. Returns s + N(0, v (1 / rho^2 - 1)), on which any attack may be run: one
    full-precision shadow set predicts the attack on every quantizer, regression included.
    """
    rho = np.clip(rho, 1e-3, 1.0)
    noise = np.sqrt(variance * (1 / rho**2 - 1))
    return full_signals + noise * rng.standard_normal(np.shape(full_signals))


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
    return _estimate(value, kendall_resolved(sign * np.stack([e.draws for e in estimates], axis=1), signs))
