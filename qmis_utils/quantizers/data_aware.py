"""Post-training quantizers that read calibration data.

Calibrated on training data they can leak what the weights did not, so they are not among ``quantizers.QUANTIZERS``,
whose rules are data-free (QMIS statement 2).
"""

import numpy as np
import torch
from numpy.typing import ArrayLike

from qmis_utils.quantizers.rules import (
    Quantized,
    as_array,
    back,
    divide,
    largest,
    released_like,
    round_uniform,
    round_uniform_mse,
    shifts,
)


def _check_calibration(weights, bits, inputs):
    """Return weights (models, out, in) near 1, by what powers of two, inputs (models or 1, n, in), the largest code."""
    with np.errstate(over="ignore"):  # said below
        w, x = (as_array(a).astype(np.float32, copy=False) for a in (weights, inputs))
    x = x[None] if x.ndim == 2 else x
    if w.ndim != 3 or w.size == 0:
        raise ValueError(f"weights must be a non-empty (models, out, in) array; got shape {w.shape}")
    if x.ndim != 3 or len(x) not in (1, len(w)) or x.shape[1] == 0 or x.shape[2] != w.shape[2]:
        raise ValueError(f"inputs must be (n, {w.shape[2]}) or ({len(w)}, n, {w.shape[2]}); got {np.shape(inputs)}")
    if not (np.isfinite(w).all() and np.isfinite(x).all()):
        raise ValueError("weights and inputs must be finite, in float32")
    if bits not in range(2, 9):
        raise ValueError(f"bits must be a whole number from 2 to 8; got {bits!r}")
    shift = shifts(largest(w.reshape(len(w), -1)), 0, 0)
    apart = shifts(largest(x.reshape(len(x), -1)), -10, 10)  # only how inputs compare with each other matters
    return np.ldexp(w, -shift[..., None]), shift, np.ldexp(x, -apart[..., None]), 2 ** (bits - 1) - 1


def quantize_activation_clip(
    weights: ArrayLike | torch.Tensor, bits: int, inputs: ArrayLike | torch.Tensor
) -> Quantized:
    """Round to a symmetric uniform grid with the clip that least changes the layer's outputs on calibration inputs.

    Parameters
    ----------
    weights : array or tensor (models, out, in)
        One weight matrix per model, with one scale each.
    bits : int
        Nominal width, 2 to 8; codes -q .. q with q = 2^(bits - 1) - 1.
    inputs : array or tensor (n, in) or (models, n, in)
        Inputs of the layer, the same for all models or each model's own.

    Returns
    -------
    Quantized
        As ``quantize``. White inputs give ``uniform_mse_k``, which tries the same clips.

    Raises
    ------
    ValueError
        For shapes that disagree, empty or infinite arrays, another width.

    Notes
    -----
    Minimises sum ||(Q(W) - W) x||^2 over the clip, as the clip search of AWQ (Lin et al. 2024, arXiv 2306.00978).

    Examples
    --------
    >>> quantize_activation_clip(np.array([[[1.0, 0.4], [-0.9, 0.1]]]), 2, np.eye(2)).codes.tolist()
    [[[1, 0], [-1, 0]]]
    """
    w, shift, x, q = _check_calibration(weights, bits, inputs)
    clips, best = np.arange(1, 101, dtype=np.float32) / 100, np.empty((len(w), 1), np.float32)
    for i, model in enumerate(w):
        scale = clips[:, None, None] * (np.abs(model).max() / q)
        change = np.clip(np.rint(divide(model, scale)), -q, q) * scale - model
        errors = np.square(change.reshape(-1, model.shape[1]) @ x[i % len(x)].T).reshape(len(clips), -1)
        best[i] = clips[errors.sum(axis=1, dtype=np.float64).argmin()]
    codes, scale, values = round_uniform(w.reshape(len(w), -1), bits, best)
    return released_like(weights, codes.reshape(w.shape), back(scale, shift), back(values, shift).reshape(w.shape))


def _factor_of_the_inverse(hessian: torch.Tensor) -> torch.Tensor:
    """Return the upper Cholesky factor of each inverse; on one thread, as threads wait for each other at small ones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(hessian)), upper=True)
    finally:
        torch.set_num_threads(threads)


def quantize_gptq(
    weights: ArrayLike | torch.Tensor, bits: int, inputs: ArrayLike | torch.Tensor, damping: float = 0.01
) -> Quantized:
    """Round column by column, each column's error made good by the columns not yet rounded (GPTQ).

    Parameters
    ----------
    weights : array or tensor (models, out, in)
        One weight matrix per model, with one scale each.
    bits : int
        Nominal width, 2 to 8; codes -q .. q with q = 2^(bits - 1) - 1.
    inputs : array or tensor (n, in) or (models, n, in)
        Inputs of the layer, the same for all models or each model's own.
    damping : float
        What is added to the diagonal of the Hessian, relative to its mean.

    Returns
    -------
    Quantized
        As ``quantize``. The scale is that of ``uniform_mse_k``, which is also the result where the inputs' second
        moments are a multiple of the identity.

    Raises
    ------
    ValueError
        As ``quantize_activation_clip``.

    Notes
    -----
    Frantar et al. (2023), arXiv 2210.17323, algorithm 1, without its blocks, which only save memory traffic.

    Examples
    --------
    >>> w, inputs = np.array([[[1.1, -0.9], [0.8, 0.9]]]), np.array([[1.0, 1.0], [1.0, 0.8]])
    >>> quantize_gptq(w, 3, inputs).codes.tolist()  # the nearest are [3, -3] and [3, 3]
    [[[3, -2], [3, 2]]]
    """
    w, shift, x, q = _check_calibration(weights, bits, inputs)
    scale = round_uniform_mse(w.reshape(len(w), -1), bits)[1]
    hessian = torch.from_numpy(x).double().mT @ torch.from_numpy(x).double()
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    diagonal += damping * diagonal.mean(dim=1, keepdim=True) + 1e-12  # silent inputs must not make it singular
    update = _factor_of_the_inverse(hessian).float().numpy()
    left, codes = w.copy(), np.empty(w.shape, np.int16)
    for j in range(w.shape[2]):
        codes[..., j] = np.clip(np.rint(divide(left[..., j], scale)), -q, q)
        error = (left[..., j] - codes[..., j] * scale) / update[:, None, j, j]
        left[..., j + 1 :] -= error[..., None] * update[:, None, j, j + 1 :]
    return released_like(weights, codes, back(scale, shift), back(codes * scale[..., None], shift[..., None]))
