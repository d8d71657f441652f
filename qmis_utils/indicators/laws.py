"""The survival laws: what a correlation predicts of an attack (QMIS statement 12)."""

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm


def gaussian_auc(d_prime):
    """Return the AUC of two unit-variance Gaussians ``d_prime`` apart: Phi(d' / sqrt 2)."""
    return ndtr(np.asarray(d_prime) / np.sqrt(2))


def survival_law(rho, auc_full):
    """Predict a quantized model's attack AUC as Phi(rho Phi^-1(AUC_fp)) (QMIS statement 12)."""
    return ndtr(np.asarray(rho) * norm.ppf(auc_full))


def simulated_signals(full_signals, rho, variance, rng):
    """Degrade full-precision attack signals to a survival correlation: the simulation law.

    Parameters: ``full_signals`` (M, N) of full-precision models; ``rho`` in (0, 1]; ``variance`` the model-to-model
    variance of the held-out outputs. Returns s + N(0, v (1 / rho^2 - 1)), on which any attack may be run: one
    full-precision shadow set predicts the attack on every quantizer, regression included.
    """
    rho = np.clip(rho, 1e-3, 1.0)
    noise = np.sqrt(variance * (1 / rho**2 - 1))
    return full_signals + noise * rng.standard_normal(np.shape(full_signals))
