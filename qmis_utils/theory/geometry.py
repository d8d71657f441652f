"""One geometry for training over a codebook and for rounding what was trained: the rate is a distance to an edge.

The estimator's covariance is near V / n with V = H^-1 Sigma H^-1, H the Hessian of the expected loss at its minimiser
theta* and Sigma the covariance of the gradient there. The rate of escape over an edge is half its squared distance from
theta* in the metric of V^-1; which edge it is depends on how the codeword is chosen. Rates are in nats per sample.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from qmis_utils.theory.numerics import MAX_STATES, check_number, in_range, unit_scale

LARGEST = 6  # dimensions up to which short lattice vectors are enumerated


def _check_metric(name: str, matrix: ArrayLike, d: int | None = None) -> np.ndarray:
    """Check a symmetric positive definite matrix, at whatever scale its entries have."""
    metric = np.asarray(matrix, float)
    wanted = f"of shape ({d}, {d})" if d else "square"
    if metric.ndim != 2 or metric.shape != (d or len(metric),) * 2 or not metric.size or not np.isfinite(metric).all():
        raise ValueError(f"{name} must be finite and {wanted}, got shape {metric.shape}")
    scale = np.sqrt(abs(np.diag(metric)))
    if (abs(metric - metric.T) > 1e-8 * np.outer(scale, scale)).any() or not (np.linalg.eigvalsh(metric) > 0).all():
        raise ValueError(f"{name} must be symmetric positive definite")
    return metric + (metric.T - metric) / 2


def sandwich(hessian: ArrayLike, score_covariance: ArrayLike) -> np.ndarray:
    """Compute V = H^-1 Sigma H^-1, n times the covariance of the minimiser of an empirical risk.

    Parameters
    ----------
    hessian : array (d, d)
        H, of the expected loss at its minimiser; symmetric positive definite.
    score_covariance : array (d, d)
        Sigma, covariance of the gradient of the loss there; symmetric positive definite.

    Returns
    -------
    array (d, d)
        V; H^-1 where the model is well specified, H = Sigma.

    Raises
    ------
    ValueError
        For a matrix that is not symmetric positive definite, or of another shape.

    Notes
    -----
    QMIS theorem E.

    Examples
    --------
    >>> sandwich([[2.0]], [[8.0]]).tolist()
    [[2.0]]
    """
    H = _check_metric("hessian", hessian)
    Sigma = _check_metric("score_covariance", score_covariance, len(H))
    with in_range("hessian and score_covariance") as finite:
        return finite(np.linalg.solve(H, np.linalg.solve(H, Sigma).T))


def codebook_rate(
    theta_star: ArrayLike, codebook: ArrayLike, hessian: ArrayLike, score_covariance: ArrayLike
) -> np.ndarray:
    """Compute r_k of training over a codebook: half the squared distance to the bisector of home and codeword k.

    The bisector is that of the Hessian metric, the distance that of the sandwich metric V^-1.

    Parameters
    ----------
    theta_star : array (d,)
        Minimiser of the expected loss.
    codebook : array (K, d)
        Codewords, K >= 2.
    hessian : array (d, d)
        Hessian of the expected loss at theta*, symmetric positive definite.
    score_covariance : array (d, d)
        Covariance of the gradient of the loss there, symmetric positive definite.

    Returns
    -------
    array (K - 1,)
        Rates in nats per sample, one per codeword other than the home one (the nearest to theta* in the Hessian metric,
        lowest index first), in the order of the codebook; 0 for a copy of the home codeword.

    Raises
    ------
    ValueError
        For shapes that do not match, values that are not finite, or a matrix that is not positive definite.

    Notes
    -----
    QMIS theorem E; `fisher_voronoi_rate` is the well-specified case, in which both metrics are the Fisher metric.

    Examples
    --------
    >>> codebook_rate([0.0], [[0.1], [0.5]], [[1.0]], [[4.0]])  # the edge is 0.3 away, which is 0.15 of sqrt(V) = 2
    array([0.01125])
    """
    theta, words = np.asarray(theta_star, float), np.asarray(codebook, float)
    if words.ndim != 2 or len(words) < 2 or not np.isfinite(words).all():
        raise ValueError("codebook must be finite, of shape (K, d) with K >= 2")
    d = words.shape[1]
    if theta.shape != (d,) or not np.isfinite(theta).all():
        raise ValueError(f"theta_star must be finite, of shape ({d},) to match codebook")
    H, Sigma = (_check_metric(name, a, d) for name, a in (("hessian", hessian), ("score_covariance", score_covariance)))
    with in_range("theta_star, codebook, hessian and score_covariance") as finite:
        apart = words - theta
        home = int(finite(np.einsum("ki,ij,kj->k", apart, H, apart)).argmin())
        move = np.delete(words - words[home], home, axis=0)
        centre = np.delete((words + words[home]) / 2 - theta, home, axis=0)
        gap = np.einsum("ki,ij,kj->k", move, H, centre)  # a product, not a difference of squares: no cancellation
        variance = np.where(move.any(axis=1), np.einsum("ki,ij,kj->k", move, Sigma, move), 1.0)  # 1 for a copy
        return finite((gap / np.sqrt(finite(variance))) ** 2 / 2)


def rounding_rate(theta_star: ArrayLike, step: float, covariance: ArrayLike) -> np.ndarray:
    """Compute the rate at which each rounded coordinate leaves its cell: (distance to its edge)^2 / (2 V_jj).

    Parameters
    ----------
    theta_star : array (d,)
        What the estimator tends to.
    step : float
        Spacing of the grid of levels, multiples of ``step``; > 0.
    covariance : array (d, d)
        V, n times the covariance of the estimator, symmetric positive definite.

    Returns
    -------
    array (d,)
        Rates in nats per sample; their minimum is that of the whole release.

    Raises
    ------
    ValueError
        For shapes that do not match, values that are not finite, step <= 0, or a matrix that is not positive definite.

    Notes
    -----
    QMIS theorem E: the cell is a box, whatever the covariance.

    Examples
    --------
    >>> rounding_rate([0.0, 0.375], 1.0, [[1.0, 0.9], [0.9, 1.0]])
    array([0.125    , 0.0078125])
    """
    theta, step = np.asarray(theta_star, float), check_number("step", step, positive=True)
    if theta.ndim != 1 or not theta.size or not np.isfinite(theta).all():
        raise ValueError("theta_star must be a finite array of shape (d,)")
    V = _check_metric("covariance", covariance, len(theta))
    edge = step / 2 - abs(np.array([math.remainder(place, step) for place in theta]))
    with in_range("theta_star, step and covariance") as finite:
        return finite((edge / np.sqrt(np.diag(V))) ** 2 / 2)


def shortest_vector(gram: ArrayLike) -> tuple[np.ndarray, float]:
    """Find a shortest non-zero whole vector of the lattice with a Gram matrix, by enumeration.

    Parameters
    ----------
    gram : array (d, d)
        Symmetric positive definite, d at most ``LARGEST``.

    Returns
    -------
    vector : array (d,), int
        A shortest vector, its last non-zero entry positive.
    length : float
        sqrt(v' gram v).

    Raises
    ------
    ValueError
        For a larger or another matrix, or one so ill-conditioned that more than ``MAX_STATES`` candidates appear.

    Notes
    -----
    Fincke and Pohst: coordinate by coordinate, all beginnings that are not yet too long.

    Examples
    --------
    >>> shortest_vector([[1.0, 0.9], [0.9, 1.0]])[0].tolist()
    [-1, 1]
    """
    G = _check_metric("gram", gram)
    d = len(G)
    if d > LARGEST:
        raise ValueError(f"gram must have at most {LARGEST} rows: short vectors are enumerated, got {d}")
    exponent = np.frexp(abs(G).max())[1]
    with in_range("gram"):
        G = unit_scale(G)
        lower = np.linalg.cholesky(G)  # |v|^2 = sum_j (lower_jj (v_j + centre_j))^2, centre_j from later coordinates
    limit = np.diag(G).min() * (1 + 1e-9)
    found, used = np.zeros((1, d), int), np.zeros(1)
    for j in range(d - 1, -1, -1):
        centre = found[:, j + 1 :] @ lower[j + 1 :, j] / lower[j, j]
        reach = np.sqrt(np.maximum(limit - used, 0)) / lower[j, j]
        first = np.ceil(-centre - reach)
        sizes = np.maximum(np.floor(-centre + reach) - first + 1, 0)
        if not sizes.sum() <= MAX_STATES:
            raise ValueError(
                f"gram is too ill-conditioned: more than {MAX_STATES} candidates, reduce the lattice first"
            )
        sizes = sizes.astype(int)
        row = np.repeat(np.arange(len(found)), sizes)
        value = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found, used = found[row], used[row] + (lower[j, j] * (value + centre[row])) ** 2
        found[:, j] = value
    found = found[found.any(1)]
    squared = np.einsum("ki,ij,kj->k", found, G, found)
    best = found[squared.argmin()]
    return best * int(np.sign(best[np.flatnonzero(best)[-1]])), math.sqrt(math.ldexp(squared.min(), int(exponent)))


def on_codeword_rates(hessian: ArrayLike, step: float) -> dict[str, float]:
    """Compute the rates of three ways to a grid whose codeword lies on the optimum of a well-specified model.

    Parameters
    ----------
    hessian : array (d, d)
        Hessian of the expected loss, which is the covariance of its gradient; positive definite, d <= ``LARGEST``.
    step : float
        Spacing of the grid in every coordinate, > 0.

    Returns
    -------
    dict
        ``round``: each coordinate to its nearest level, step^2 min_j 1 / (8 (H^-1)_jj). ``greedy``: coordinate by
        coordinate, the later ones adapted to the error by the Hessian, as GPTQ does, step^2 min_j 1 / (8 L_jj^2) with
        H^-1 = L L'. ``train``: the empirical risk minimised over the grid, step^2 lambda_1(H)^2 / 8, lambda_1 the
        length of the shortest vector of the lattice with Gram matrix H.

    Raises
    ------
    ValueError
        For a matrix that is not positive definite or too large, or step <= 0.

    Notes
    -----
    QMIS theorem E: ``round`` <= ``greedy`` <= ``train``. There is no order away from a codeword, nor for a misspecified
    model.

    Examples
    --------
    >>> {name: round(rate, 3) for name, rate in on_codeword_rates([[1.0, 0.9], [0.9, 1.0]], 1.0).items()}
    {'round': 0.024, 'greedy': 0.024, 'train': 0.025}
    """
    step = check_number("step", step, positive=True)
    H = _check_metric("hessian", hessian)
    with in_range("hessian and step") as finite:
        scale = step * math.sqrt(math.ldexp(1, int(np.frexp(abs(H).max())[1])))
        H = _check_metric("hessian", unit_scale(H))
        inverse = np.linalg.inv(H)
        _, length = shortest_vector(H)
        narrowest = np.diag(inverse).max(), (np.diag(np.linalg.cholesky(inverse)) ** 2).max(), 1 / length**2
        rates = [float(finite((scale / math.sqrt(8 * width)) ** 2)) for width in narrowest]
    return dict(zip(("round", "greedy", "train"), rates, strict=True))
