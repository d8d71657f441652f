"""The paper's rate r, estimated from the losses of a few quantized models on held-out samples, no membership.

Intervals come from a bootstrap over models and samples; equal seeds pair the draws of two quantizers, so that
differences and rank correlations keep their interval.
"""

import numpy as np

from qmis_utils.ensemble import Ensemble, concatenate
from qmis_utils.indicators.estimate import from_draws, multiplicities
from qmis_utils.quantizers.rules import scales_of
from qmis_utils.theory import rates
from qmis_utils.theory.numerics import Interval

AGGREGATIONS = ("min", "median", "all_pairs")


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


def estimate_rate(losses: np.ndarray, aggregation: str = "all_pairs", draws: int = 200, seed: int = 0) -> Interval:
    """Estimate the paper's rate r_Q of a quantizer from the losses of K quantized models on held-out samples.

    Parameters
    ----------
    losses : array (K, m)
        Loss of each of K codewords (quantized models) on the same m held-out samples.
    aggregation : {"min", "median", "all_pairs"}
        Over k against the codeword of least mean loss; or the mean over all pairs j < k of
        (gap_mean^2 / gap_var - 1/m) / 2, which removes the bias that sampling noise adds.
    draws, seed : int
        Bootstrap draws over models and held-out samples; equal seeds pair the draws of two quantizers.

    Returns
    -------
    Interval
        r = gap_mean^2 / (2 gap_var), aggregated. Larger = more secure, per training sample: Delta_n decays like
        exp(-n r). ``noise_floor`` is 1/(2m).

    Raises
    ------
    ValueError
        For an unknown aggregation, fewer than two codewords or samples, NaN losses.

    Notes
    -----
    Our estimators of the rate in Aubinais et al. (2026), Theorem 3.3; not the text of their Algorithm 1. A resampled
    codeword paired with its own copy carries no information and is left out.
    """
    losses = _check_losses(losses, aggregation)
    n_models, m = losses.shape
    floor = 1 / (2 * m)
    samples, models = multiplicities((m, n_models), draws, seed)
    means, covariances = _moments(losses, np.vstack([np.ones(m), samples]) / m)
    chosen = np.vstack([np.ones(n_models), models]) > 0
    values = _aggregate(_pair_rates(means, covariances), means, chosen, aggregation, floor)
    return from_draws(values[0], values[1:], floor)


def cramer_estimates(losses: np.ndarray, draws: int = 200, seed: int = 0) -> dict[str, Interval]:
    """Estimate Cramer's rate of the gaps against the best codeword, instead of its Gaussian version r.

    Parameters
    ----------
    losses, draws, seed
        As ``estimate_rate``.

    Returns
    -------
    dict of Interval
        Aggregation, "min" and "median", -> estimate: both share the rates of the gaps, which are what costs.

    Raises
    ------
    ValueError
        As ``estimate_rate``.
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

    samples, models = multiplicities((m, n_models), draws, seed)
    value = reduce(np.full(m, 1 / m), np.ones(n_models, bool))
    drawn = np.array([reduce(*pair) for pair in zip(samples / m, models > 0, strict=True)])
    return {a: from_draws(value[i], drawn[:, i], 1 / (2 * m)) for i, a in enumerate(("min", "median"))}


def adjacent(levels: np.ndarray, value: float, rng: np.random.Generator) -> float:
    """Return a random one of the sorted levels next to a value; the value itself where there is none."""
    place = np.searchsorted(levels, value)
    choices = [levels[k] for k in (place - 1, place + 1) if 0 <= k < len(levels)]
    return float(rng.choice(choices)) if choices else value


def neighbours(released: Ensemble, n: int, rng: np.random.Generator, granularity: str = "tensor") -> Ensemble:
    """Return n codewords one level away from a quantized model: in each, one random weight moves to an adjacent level.

    Parameters
    ----------
    released : Ensemble
        One quantized model.
    n : int
        How many codewords.
    rng : numpy.random.Generator
    granularity : {"tensor", "row"} or int
        What shares a scale, as in ``quantizers.quantize``: its levels are those that a weight may move to.

    Returns
    -------
    Ensemble
        n models.
    """
    moved, sizes = concatenate([released] * n), np.array([w[0].numel() for w in released.weights])
    for copy in range(n):
        layer = rng.choice(len(sizes), p=sizes / sizes.sum())
        tensor = moved.weights[layer]
        sharing = tensor[copy].view(scales_of(tensor.shape, granularity), -1)  # a row a scale
        at = divmod(int(rng.integers(sizes[layer])), sharing.shape[1])
        levels = np.unique(sharing[at[0]].cpu().numpy())
        sharing[at] = adjacent(levels, sharing[at].item(), rng)
    return moved
