"""How much of what tells models apart survives quantization: the survival correlations, and rivals of one model.

All read a few models on inputs, no label and no membership (QMIS statement 12).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from qmis_utils.indicators.estimate import from_draws, multiplicities
from qmis_utils.quantizers.rules import scales_of
from qmis_utils.theory.information import surviving_information
from qmis_utils.theory.numerics import Interval

FAR = -np.log(np.finfo(np.float32).tiny)  # 87: a logit this far below the largest has probability 0 in float32


def _logits(quantized, full, least):
    """Return checked outputs (B, m * C) after and before, and C: of several classes as softmax sees them.

    Softmax ignores a constant added to all logits of a record, so they are centred over classes. It ignores a class
    that is masked by a large negative number, too: one that no model gives any probability in float32, neither before
    nor after, is left out of that record.
    """
    pair = [np.asarray(z, np.float64) for z in (quantized, full)]
    if pair[0].shape != pair[1].shape or pair[0].ndim not in (2, 3) or len(pair[0]) < least or not pair[0].size:
        raise ValueError(
            f"need two arrays (B, m[, C]) of equal shape with B >= {least}; got {pair[0].shape} and {pair[1].shape}"
        )
    if not all(np.isfinite(z).all() for z in pair):
        raise ValueError("quantized and full must be finite")
    if pair[0].ndim == 2 or pair[0].shape[2] == 1:  # a prediction, or a logit of two classes
        return *(z.reshape(z.shape[:2]) for z in pair), 1
    shown = np.any([(z > z.max(axis=2, keepdims=True) - FAR).any(axis=0) for z in pair], axis=0)
    pair = [np.where(shown, z, 0) for z in pair]
    pair = [np.where(shown, z - z.sum(axis=2, keepdims=True) / shown.sum(axis=1)[:, None], 0) for z in pair]
    return *(z.reshape(len(z), -1) for z in pair), shown.shape[1]


def function_error(quantized: ArrayLike, full: ArrayLike, draws: int = 200, seed: int = 0) -> Interval:
    """Estimate how far outputs move under quantization, apart from a common factor of each model.

    Parameters
    ----------
    quantized, full : array (B, m) or (B, m, C)
        Outputs of the same B >= 1 models on m held-out inputs, after and before. C logits are centred over classes, and
        a class that is masked for an input is left out there, as softmax ignores both.
    draws, seed : int
        Bootstrap draws over models and inputs; equal seeds pair the draws of two quantizers.

    Returns
    -------
    Interval
        Mean over models of min over a of norm(zq - a zf) / norm(zq), in [0, 1]; 0 for the identity. Larger moves more,
        and is thought more private.

    Raises
    ------
    ValueError
        For shapes that disagree, no model, NaN.
    """
    q, f, classes = _logits(quantized, full, least=1)
    q, f = (z.reshape(len(z), -1, classes) for z in (q, f))
    qq, qf, ff = (np.einsum("bmc,bmc->bm", a, b) for a, b in ((q, q), (q, f), (f, f)))
    gain = qf.sum(axis=1) / np.maximum(ff.sum(axis=1), 1e-300)
    moved = np.square(q - gain[:, None, None] * f).sum(axis=(1, 2))
    errors = np.sqrt(moved / np.maximum(qq.sum(axis=1), 1e-300))
    models, samples = multiplicities(qq.shape, draws, seed)
    kept = np.square(samples @ qf.T) / np.maximum((samples @ qq.T) * (samples @ ff.T), 1e-300)  # (draws, B)
    return from_draws(errors.mean(), (models * np.sqrt(np.clip(1 - kept, 0, 1))).mean(axis=1))


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


def survival_rho(
    quantized: ArrayLike, full: ArrayLike, variant: str = "rho", draws: int = 200, seed: int = 0
) -> Interval:
    """Estimate how much of the model-to-model deviation survives quantization: the survival correlation.

    Parameters
    ----------
    quantized, full : array (B, m) or (B, m, C)
        The same B >= 2 models, trained on random halves, quantized and in full precision: logits or predictions on m
        held-out inputs (rho, an attacker who sees outputs), or the m weights themselves (rho_w, one who sees the
        weights). With C logits per input, they are centred over classes first, and masked classes left out.
    variant : {"rho", "rho_pc1", "rho_shape"}
        "rho_pc1" drops the first principal component of the full-precision deviations from both (needs B >= 4);
        "rho_shape" drops what a model's own offset and gain explain: deviations along the constant (of each class)
        and along the mean output. A model that is more confident everywhere says little about a single record.
    draws, seed : int
        Bootstrap draws over models and samples; equal seeds pair the draws of two quantizers.

    Returns
    -------
    Interval
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
    least = {"rho": 2, "rho_pc1": 4, "rho_shape": 2}.get(variant)
    if least is None:
        raise ValueError(f"variant must be 'rho', 'rho_pc1' or 'rho_shape'; got {variant!r}")
    q, f, classes = _logits(quantized, full, least)
    directions = None if variant == "rho" else _shared_directions(f, variant, classes)
    q, f = q - q.mean(axis=0), f - f.mean(axis=0)
    if directions is not None:
        q, f = _drop(directions, q, f)
    n_models, m = len(q), q.shape[1] // classes
    value = _correlation(q, f, np.ones((1, n_models)), np.ones((1, q.shape[1])))[0]
    models, samples = multiplicities((n_models, m), draws, seed)
    samples = np.repeat(samples, classes, axis=1) if classes > 1 else samples
    keep = (models > 0).sum(axis=1) > 1  # a draw of one model repeated has no deviations
    return from_draws(value, np.where(keep, _correlation(q, f, models, samples), np.nan))


def edges_of(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the edges of a quantizer's cells, halfway between neighbours of (P,) weights with different values.

    Returns
    -------
    array (E,)
        Increasing; none where all weights are released as one value, a single infinite one where hardly two share one.
    """
    order = np.argsort(weights, kind="stable")
    jump = np.flatnonzero(np.diff(values[order]))
    if len(jump) >= min(len(order) - 1, 1024):
        return np.full(min(len(jump), 1), np.inf)
    return np.unique((weights[order][jump] + weights[order][jump + 1]) / 2)


def surviving_share(quantized: ArrayLike, full: ArrayLike, models: int = 4, most: int = 1000) -> np.ndarray:
    """Estimate the share of Fisher information that survives in the released weights: J averaged over weights.

    Parameters
    ----------
    quantized, full : array (B, P)
        One weight tensor of B models, after and before.
    models : int
        How many models' cells are tried.
    most : int
        So many weights, evenly spaced, stand for all.

    Returns
    -------
    array (models,)
        J in [0, 1] by each model's cells; the square root of the mean predicts the share of d' that an attacker who
        sees the weights keeps. The edges of a quantizer's cells are read off a model's own weights, halfway between
        the neighbours that received different values; each weight sits at its mean over models, in units of its
        standard deviation.

    Notes
    -----
    QMIS statements 12 and 14.
    """
    q, f = np.asarray(quantized, np.float64), np.asarray(full, np.float64)
    few = np.linspace(0, f.shape[1] - 1, min(most, f.shape[1])).astype(int)
    mean, sd = f[:, few].mean(axis=0), f[:, few].std(axis=0, ddof=1)
    moving = sd > 0
    shares = []
    for values, weights in zip(q[:models], f[:models], strict=True):
        middle = edges_of(values, weights)
        if len(middle) == 0 or np.isinf(middle).any():  # nothing is released; or every weight is
            shares.append(float(len(middle) > 0))
            continue
        edges = np.concatenate([[-np.inf], middle, [np.inf]])
        shares.append(surviving_information(edges, mean[moving], sd[moving]).mean() if moving.any() else 0.0)
    return np.array(shares)


def surviving_weights(
    quantized: Sequence[np.ndarray], full: Sequence[np.ndarray], granularity: str = "tensor"
) -> np.ndarray:
    """Return the mean surviving information of a weight over all layers, (models,): the square of sqrt_J.

    Parameters
    ----------
    quantized, full : sequence of array (B, ...)
        The weight tensors of B models, layer by layer, after and before.
    granularity : {"tensor", "row"} or int
        What shares a scale, as in ``quantizers.quantize``. A scale's cells are its own: what shares one is taken apart.

    Returns
    -------
    array (models,)
        As ``surviving_share``, weighted by the sizes of the layers.
    """
    return over_layers(surviving_share, quantized, full, granularity)


def over_layers(
    share: Callable, quantized: Sequence[np.ndarray], full: Sequence[np.ndarray], granularity: str | int = "tensor"
) -> np.ndarray:
    """Average a share of the weights of one scale, (quantized, full, most=) -> (models,), over all layers by size."""
    shares, sizes = [], []
    for q, f in zip(quantized, full, strict=True):
        rows = scales_of(q.shape, granularity)
        parts = zip(*(np.moveaxis(np.reshape(w, (len(w), rows, -1)), 1, 0) for w in (q, f)), strict=True)
        shares += [share(a, b, most=max(1000 // rows, 20)) for a, b in parts]
        sizes += [f[0].size / rows] * rows
    return np.average(shares, axis=0, weights=sizes)
