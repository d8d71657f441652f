"""What rounding many correlated coordinates leaves of one record: the matrix survival law (QMIS theorem D).

The unrounded release is x ~ N(mean, covariance), of d coordinates; a record shifts its mean by ``u``, and the best
attack on x has d'^2 = u' covariance^-1 u. Each function returns the matrix M of what is left, d'^2 = u' M u. It is the
direction of ``u`` that decides: rounding protects the records that act through well-determined directions.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from qmis_utils.theory.numerics import check_array, in_range, standard_cells, unit_scale

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)  # of the angle between two coordinates


def _check_covariance(covariance: ArrayLike, singular: bool = False) -> np.ndarray:
    """Check a symmetric matrix, positive definite or, where ``singular``, semi-definite, and return it as floats."""
    given = np.asarray(covariance, float)
    square = given.ndim == 2 and given.shape[0] == given.shape[1] > 0
    if not (
        square and np.isfinite(given).all() and np.allclose(given, given.T, rtol=1e-9, atol=1e-14 * abs(given).max())
    ):
        raise ValueError("covariance must be a finite, symmetric matrix (d, d)")
    given = given + (given.T - given) / 2
    least, most = np.linalg.eigvalsh(given)[[0, -1]]
    rounding = 1e-15 * len(given) * most
    if most <= 0 or least < -rounding or (least <= rounding and not singular):
        raise ValueError("covariance must be positive definite" + (", or at least semi-definite" if singular else ""))
    return given


def quantizer_moments(
    levels: ArrayLike, edges: ArrayLike, mean: ArrayLike, covariance: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean slope and the covariance of Q(x) for x ~ N(mean, covariance), Q acting on each coordinate.

    Parameters
    ----------
    levels : array (K,)
        What each cell is released as, finite.
    edges : array (K + 1,)
        Cell edges, increasing, first -inf, last inf.
    mean : float or array (d,)
        Mean of the coordinates.
    covariance : array (d, d)
        Positive definite.

    Returns
    -------
    slope : array (d,)
        A_j = dE Q(x_j) / d mean_j, the density at each edge times the jump there.
    covariance : array (d, d)
        C_Q of the released values.

    Raises
    ------
    ValueError
        Naming ``levels``, ``edges``, ``mean`` or ``covariance``.

    Notes
    -----
    QMIS theorem D. Price's theorem (1958) gives d C_Q,jk / d r_jk = sum over pairs of edges of the two jumps times the
    bivariate normal density at the edges; the integral over r = sin(angle) has a smooth integrand.

    Examples
    --------
    >>> slope, spread = quantizer_moments([-1.0, 1.0], [-np.inf, 0.0, np.inf], 0.0, [[1.0, 0.5], [0.5, 1.0]])
    >>> np.round(spread[0, 1] * np.pi / 2, 6) == np.round(np.arcsin(0.5), 6)
    np.True_
    """
    covariance, levels = _check_covariance(covariance), check_array("levels", levels)
    d, sd = len(covariance), np.sqrt(np.diag(covariance))
    try:
        mean = np.broadcast_to(check_array("mean", mean), d)
    except ValueError:
        raise ValueError(f"mean must be a number or have shape ({d},) to match covariance") from None
    lo, hi = standard_cells(edges, mean, sd)
    if levels.shape != hi.shape[1:] or not np.isfinite(levels).all():
        raise ValueError(f"levels must be finite, of shape ({hi.shape[1]},) to match edges")
    with in_range("levels, edges, mean and covariance") as finite:
        slope, spread = _moments(levels, lo, hi, covariance, sd)
        return finite(slope), finite(spread)


def _moments(levels, lo, hi, covariance, sd):
    d, jumps, at = len(sd), np.diff(levels), hi[:, :-1]  # (d, K - 1)
    slope = np.exp(-(at**2) / 2) @ jumps / np.sqrt(2 * np.pi) / sd
    spread = np.empty((d, d))
    for j in range(d):
        a, b = at[j][:, None, None], at[j:][:, None, :, None]
        angle = np.arcsin(np.clip(covariance[j, j:] / (sd[j] * sd[j:]), -1, 1))[:, None, None, None]
        t = angle * (NODES + 1) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            exponent = np.where(
                a == b, a**2 / (1 + np.sin(t)), (a**2 - 2 * a * b * np.sin(t) + b**2) / 2 / np.cos(t) ** 2
            )
        density = (np.exp(-exponent) @ WEIGHTS) * angle[..., 0] / (4 * np.pi)
        spread[j, j:] = spread[j:, j] = np.einsum("a,kab,b->k", jumps, density, jumps)
    spread[np.diag_indices(d)] = _variances(levels, lo, hi)
    return slope, spread


def _variances(levels, lo, hi):
    """Return the variance of Q(x_j) of each coordinate from its cells in standard units, (d, K)."""
    probs = np.where(lo > 0, ndtr(-lo) - ndtr(-hi), ndtr(hi) - ndtr(lo))
    deviation = levels - levels[probs.argmax(axis=1)][:, None]
    return (probs * deviation**2).sum(axis=1) - (probs * deviation).sum(axis=1) ** 2


def linear_information(levels: ArrayLike, edges: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> np.ndarray:
    """Compute A C_Q^-1 A, what the best attack that is linear in the released values keeps.

    Parameters
    ----------
    levels, edges, mean, covariance
        As ``quantizer_moments``.

    Returns
    -------
    array (d, d)
        At most the Fisher information of the release, which is at most the inverse of ``covariance``. A coordinate that
        is released as a constant brings nothing.

    Raises
    ------
    ValueError
        As ``quantizer_moments``.

    Notes
    -----
    QMIS theorem D, exact to second order in the shift (Stein's lemma; Bussgang 1952).

    Examples
    --------
    >>> kept = linear_information([-1.0, 1.0], [-np.inf, 0.0, np.inf], 0.0, np.eye(2))
    >>> print(f"{kept[0, 0]:.6f}")  # 2 / pi
    0.636620
    """
    levels = unit_scale(check_array("levels", levels))  # no attack depends on their scale
    slope, spread = quantizer_moments(levels, edges, mean, covariance)
    scale = np.sqrt(np.maximum(np.diag(spread), 0))
    moving = scale > 0
    with in_range("levels, edges, mean and covariance") as finite:
        standard = np.where(moving, slope / np.where(moving, scale, 1), 0)
        correlation = spread / np.where(moving[:, None] & moving, np.outer(scale, scale), np.inf)
        return finite(standard[:, None] * np.linalg.pinv(correlation, hermitian=True) * standard)


def sign_information(covariance: ArrayLike) -> np.ndarray:
    """Compute what a linear attack keeps of the signs of centred coordinates: D^-1 (arcsin R)^-1 D^-1.

    Parameters
    ----------
    covariance : array (d, d)
        Positive definite, D^2 its diagonal and R its correlations.

    Returns
    -------
    array (d, d)

    Raises
    ------
    ValueError
        For a covariance that is not.

    Notes
    -----
    QMIS theorem D; the arcsine law of Van Vleck, the one-bit bound of Stein, Barbe and Nossek.

    Examples
    --------
    Along the well-determined direction of two nearly equal coordinates little is kept:

    >>> u, covariance = np.array([1.0, -1.0]), np.array([[1.0, 0.99], [0.99, 1.0]])
    >>> print(f"{u @ sign_information(covariance) @ u / (u @ np.linalg.solve(covariance, u)):.4f}")
    0.0707
    """
    covariance = _check_covariance(covariance)
    sd = np.sqrt(np.diag(covariance))
    with in_range("covariance") as finite:
        correlation = covariance / np.outer(sd, sd)
        np.fill_diagonal(correlation, 1)
        return finite(np.linalg.inv(np.arcsin(np.clip(correlation, -1, 1))) / np.outer(sd, sd))


def noise_floor_information(covariance: ArrayLike, noise: ArrayLike) -> np.ndarray:
    """Compute (covariance + diag(noise))^-1: rounding as a floor of noise that all directions share.

    Parameters
    ----------
    covariance : array (d, d)
        Positive semi-definite.
    noise : float or array (d,)
        Variance > 0 of the rounding error of each coordinate: step^2 / 12 for a uniform grid.

    Returns
    -------
    array (d, d)

    Raises
    ------
    ValueError
        Naming ``covariance`` or ``noise``.

    Notes
    -----
    QMIS theorem D. Bennett's approximation for a plain grid with spread means, good for steps up to about 4 standard
    deviations; what a linear attack keeps, exactly, where a dither is subtracted.

    Examples
    --------
    >>> np.round(noise_floor_information(np.diag([1.0, 0.01]), 1 / 12), 3).diagonal()
    array([ 0.923, 10.714])
    """
    covariance = _check_covariance(covariance, singular=True)
    noise = np.asarray(noise, float)
    if noise.shape not in ((), (len(covariance),)) or not (np.isfinite(noise).all() and (noise > 0).all()):
        raise ValueError(f"noise must be finite variances > 0, one or ({len(covariance)},) of them")
    with in_range("covariance and noise") as finite:
        return finite(np.linalg.inv(covariance + noise * np.eye(len(covariance))))


def noise_floor_share(shift: ArrayLike, covariance: ArrayLike, noise: float) -> np.ndarray:
    """Compute the share of d'^2 that rounding leaves: the sum of a_i lambda_i / (lambda_i + noise) over eigenvectors.

    Parameters
    ----------
    shift : array (d,) or (N, d)
        The shift u of a record, or of each of N, not zero.
    covariance : array (d, d)
        Positive definite, of eigenvalues lambda_i.
    noise : float
        Variance > 0 of the rounding error, step^2 / 12 for a uniform grid.

    Returns
    -------
    array () or (N,)
        In (0, 1); a_i is the share of d'^2 that the record has along eigenvector i.

    Raises
    ------
    ValueError
        Naming ``shift``, ``covariance`` or ``noise``.

    Notes
    -----
    QMIS theorem D.

    Examples
    --------
    A shift along a direction of variance 1 survives a step of 1, one along variance 0.01 does not:

    >>> np.round(noise_floor_share(np.eye(2), np.diag([1.0, 0.01]), 1 / 12), 3)
    array([0.923, 0.107])
    """
    covariance, shift = _check_covariance(covariance), np.asarray(shift, float)
    if not (np.ndim(noise) == 0 and np.isfinite(noise) and noise > 0):
        raise ValueError(f"noise must be a finite variance > 0, got {noise!r}")
    values, vectors = np.linalg.eigh(covariance)
    if shift.ndim not in (1, 2) or shift.shape[-1] != len(values) or not np.isfinite(shift).all():
        raise ValueError(f"shift must be finite, of shape ({len(values)},) or (N, {len(values)})")
    size = abs(shift).max(axis=-1, keepdims=True)
    if not (size > 0).all():
        raise ValueError("shift must not be zero: a record that shifts nothing has no share")
    along = np.square(shift / size @ vectors) / (values / values.max())
    with np.errstate(over="ignore"):  # a share below 1e-308 is 0
        return along @ (1 / (1 + noise / values)) / along.sum(axis=-1)
