"""The survival laws: what a correlation predicts of an attack (QMIS statement 12)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import norm


def gaussian_auc(d_prime: ArrayLike) -> np.ndarray:
    """Return the AUC of two unit-variance Gaussians ``d_prime`` apart: Phi(d' / sqrt 2).

    Examples
    --------
    >>> round(float(gaussian_auc(1.0)), 3)
    0.76
    """
    return ndtr(np.asarray(d_prime) / np.sqrt(2))


def survival_law(rho: ArrayLike, auc_full: ArrayLike) -> np.ndarray:
    """Predict a quantized model's attack AUC as Phi(rho Phi^-1(AUC_fp)), the closed law.

    Parameters
    ----------
    rho : array
        Survival correlation.
    auc_full : array
        AUC of the attack in full precision.

    Returns
    -------
    array

    Notes
    -----
    QMIS statement 12: for a signal that membership shifts to one side; it promises too much leakage in regression.

    Examples
    --------
    >>> round(float(survival_law(0.5, 0.8)), 3)
    0.663
    """
    return ndtr(np.asarray(rho) * norm.ppf(auc_full))


def simulated_signals(full_signals: np.ndarray, rho: float, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Degrade full-precision attack signals to a survival correlation: the simulation law.

    Parameters
    ----------
    full_signals : array (M, N)
        Signals of full-precision models.
    rho : float
        Survival correlation, in (0, 1].
    variance : float
        Model-to-model variance of the held-out outputs.
    rng : numpy.random.Generator

    Returns
    -------
    array (M, N)
        s + N(0, v (1 / rho^2 - 1)), on which any attack may be run: one full-precision shadow set predicts the attack
        on every quantizer, regression included.
    """
    rho = float(np.clip(rho, 1e-3, 1.0))
    noise = np.sqrt(variance * (1 / rho**2 - 1))
    return full_signals + noise * rng.standard_normal(np.shape(full_signals))
