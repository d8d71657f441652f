"""What quantizing leaves of an attack on the weights: by the cells' edges, and record by record by a floor of noise.

Both read a few models as trained and as released, no membership (QMIS theorems C and D).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import gaussian_kde

from qmis_utils.indicators.survival import edges_of, over_layers
from qmis_utils.quantizers.rules import scales_of
from qmis_utils.theory.edges import edge_information


def edge_share(quantized: ArrayLike, full: ArrayLike, models: int = 4, most: int = 1000) -> np.ndarray:
    """Estimate the share J of Fisher information that survives, from the density of the weights at the edges.

    Parameters
    ----------
    quantized, full : array (B, P)
        One weight tensor of B >= 2 models, after and before.
    models : int
        How many models' edges and densities are tried.
    most : int
        So many weights, evenly spaced, stand for all in the density.

    Returns
    -------
    array (models,)
        tanh(1.806 s sum of f(e) over the edges e), s the mean standard deviation of a weight over models and f a kernel
        density of one model's weights (Scott's width). The law of theorem C, without tanh, holds for cells much wider
        than s; tanh keeps it below 1 where they are not, as in statement 14.

    Notes
    -----
    QMIS theorem C. One model and the retraining spread suffice.
    """
    q, f = np.asarray(quantized, np.float64), np.asarray(full, np.float64)
    few = np.linspace(0, f.shape[1] - 1, min(most, f.shape[1])).astype(int)
    spread, shares = float(f.std(axis=0, ddof=1).mean()), []
    for values, weights in zip(q[:models], f[:models], strict=True):
        edges = edges_of(values, weights)
        if not len(edges) or np.ptp(weights[few]) == 0:  # nothing is released, or there is no density
            shares.append(0.0)
        elif np.isinf(edges).any():  # every weight is released
            shares.append(1.0)
        else:
            leak = float(gaussian_kde(weights[few])(edges).sum())
            shares.append(np.tanh(edge_information(leak, spread)) if spread > 0 else 0.0)
    return np.array(shares)


def edge_weights(
    quantized: Sequence[np.ndarray], full: Sequence[np.ndarray], granularity: str | int = "tensor"
) -> np.ndarray:
    """Return the edge law's share of information over all layers, (models,): the square of "edge law".

    Parameters
    ----------
    quantized, full, granularity
        As ``surviving_weights``.

    Returns
    -------
    array (models,)
        As ``edge_share``, weighted by the sizes of the layers.
    """
    return over_layers(edge_share, quantized, full, granularity)


def shrinkage(weights: ArrayLike) -> float:
    """Return how much of the diagonal a covariance of few models needs: the weight of diag(S) against S.

    Parameters
    ----------
    weights : array (B, P)
        Of B >= 2 models.

    Returns
    -------
    float
        In [1 / B, 1]: the estimated variances of the off-diagonal entries of S over their squares, summed.

    Notes
    -----
    Ledoit and Wolf (2004) for a diagonal target, as Schaefer and Strimmer (2005) estimate it.

    Examples
    --------
    >>> own, shared = np.random.default_rng(0).normal(size=(2, 16, 500))
    >>> print(f"{shrinkage(own):.2f}, {shrinkage(own + 3 * shared[:, :1]):.2f}")
    0.94, 0.49
    """
    c = np.asarray(weights, np.float64)
    c = c - c.mean(axis=0)
    n, gram, squares = len(c), c @ c.T, c**2
    means = np.square(gram).sum() / n**2 - np.square(squares.mean(axis=0)).sum()  # of off-diagonal products, squared
    each = np.square(squares.sum(axis=1)).sum() - np.square(squares).sum()
    noise, total = n / (n - 1) ** 3 * (each - n * means), means * (n / (n - 1)) ** 2
    return float(np.clip(noise / total, 1 / n, 1)) if total > 0 else 1.0


def rounding_noise(
    quantized: Sequence[np.ndarray], full: Sequence[np.ndarray], granularity: str | int = "tensor"
) -> np.ndarray:
    """Measure the variance of each tensor's rounding error, what stands for step^2 / 12 in the noise-floor law.

    Parameters
    ----------
    quantized, full, granularity
        As ``surviving_weights``.

    Returns
    -------
    array (B, P)
        Of each model, equal for weights that share a scale: v (1 / r^2 - 1), v the variance of the weights and r their
        correlation with what is released, the error that is left after the best gain. Infinite where r <= 0.
    """
    parts = []
    for q, f in zip(quantized, full, strict=True):
        shape = (len(f), scales_of(f.shape, granularity), -1)
        a, b = (np.reshape(np.asarray(w, np.float64), shape) for w in (q, f))
        a, b = (w - w.mean(axis=2, keepdims=True) for w in (a, b))
        both, spread = (a * b).sum(axis=2), np.square(a).sum(axis=2)
        left = np.maximum(np.square(b).sum(axis=2) * spread - both**2, 0)
        # a lone weight has no correlation: it is released with its scale, or not at all
        noise = np.where(both > 0, left / np.where(both > 0, both, 1) ** 2, np.inf) * np.square(b).mean(axis=2)
        noise[np.isnan(noise)] = np.inf
        parts.append(np.repeat(noise, f[0].size // noise.shape[1], axis=1))
    return np.concatenate(parts, axis=1)


def noise_floor(weights: ArrayLike, noise: ArrayLike, gradients: ArrayLike) -> np.ndarray:
    """Predict what an attack on the weights finds of each record, before and after rounding, by the noise-floor law.

    Parameters
    ----------
    weights : array (B, P)
        As trained, of B >= 2 models.
    noise : array (P,)
        Variance of the rounding error of each weight, infinite where nothing is released.
    gradients : array (N, P)
        Of each record's loss.

    Returns
    -------
    array (2, N)
        d'^2 up to a common factor: u' S^-1 u and u' (S + diag(noise))^-1 u. S is the covariance over models, shrunk to
        its diagonal by ``shrinkage``; the shift of a record is u = S gradient, as S is the inverse Hessian up to a
        factor where the model is well specified.

    Raises
    ------
    ValueError
        For shapes that disagree.

    Notes
    -----
    QMIS theorem D. S has rank B - 1 beside its diagonal, so only B x B systems are solved (Woodbury).
    """
    w, noise, g = (np.asarray(a, np.float64) for a in (weights, noise, gradients))
    if w.ndim != 2 or g.ndim != 2 or noise.shape != w.shape[1:] or g.shape[1:] != w.shape[1:] or len(w) < 2:
        raise ValueError(
            f"weights (B, P), noise (P,), gradients (N, P) with B >= 2 disagree: {w.shape}, {noise.shape}, {g.shape}"
        )
    share = shrinkage(w)
    own = share * w.var(axis=0, ddof=1)
    shared = (w - w.mean(axis=0)) * np.sqrt((1 - share) / (len(w) - 1))
    along = g @ shared.T
    u = g * own + along @ shared
    before = np.square(g) @ own + np.square(along).sum(axis=1)
    known = own + noise
    precision = np.where(known > 0, 1 / np.where(known > 0, known, 1), 0.0)
    seen = (u * precision) @ shared.T
    inner = np.eye(len(w)) + (shared * precision) @ shared.T
    after = np.square(u) @ precision - (seen * np.linalg.solve(inner, seen.T).T).sum(axis=1)
    return np.stack([before, np.clip(after, 0, before)])
