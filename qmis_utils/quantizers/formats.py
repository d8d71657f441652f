"""Formats in which quantized models are shipped: fixed blocks along each row, with scales of few bits.

``quantize`` takes their names. They are not among ``QUANTIZERS``, since they mind the unit of the weights: a scale is
stored in a type of limited range. c times the weights have the same codes and c times the values for c a power of two,
while every stored scale is a normal number of its type, before and after. They read the weights alone, so QMIS
statement 2 holds for them too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

# The numbers of the OCP microscaling format MXFP4: two bits of exponent, one of mantissa.
E2M1_LEVELS = np.array([-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=np.float32)
E8M0_LEAST, E4M3_NORMAL, FLOAT16_NORMAL = (np.float32(2.0**-k) for k in (127, 6, 14))


@dataclass(frozen=True)
class Format:
    """Describe one shipped format: its blocks, its codes, and what is stored beside them.

    Parameters
    ----------
    name : str
        Its key in ``FORMATS``.
    encode : callable
        Maps float32 (models, P), P of whole blocks, to codes and values of as many weights and to scales (blocks, s).
    codes : range
        Admissible integer codes.
    bits : float
        Released bits per weight: of the code, and the block's share of its scale and zero point.
    block : int
        Weights that share a scale, one after the other in a row.
    scale_rule, source : str
        What is stored beside the codes, and whose format it is, in words.
    idempotent : bool
        Whether quantizing the released values again changes nothing, but for rounding of float32.
    tensor_bits : int
        Bits released once a tensor.
    """

    name: str
    encode: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
    codes: range
    bits: float
    block: int
    scale_rule: str
    source: str
    idempotent: bool = True
    tensor_bits: int = 0


def divide(w: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Divide by the scale; an all-zero tensor has scale 0 and every ratio 0."""
    return w / np.where(scale > 0, scale, 1)


def largest(w: np.ndarray) -> np.ndarray:
    """Return the largest magnitude of each row, (tensors, 1), without a second array of its size."""
    return np.abs(np.maximum(w.max(axis=1, keepdims=True), -w.min(axis=1, keepdims=True)))


def _inverse(scale):
    """Return 1 / scale, and 0 where float32 cannot hold that: such weights become zeros, not infinite."""
    inverse = 1 / scale
    return np.where(np.isfinite(inverse), inverse, np.float32(0))


def _float16(scale):
    return scale.astype(np.float16).astype(np.float32)


def _round_e2m1(ratio):
    """Round to E2M1 numbers, halves to the even mantissa; what is above 6 becomes 6."""
    size = np.abs(ratio)
    step = np.where(size < 2, np.float32(0.5), np.where(size < 4, np.float32(1), np.float32(2)))
    rounded = np.copysign(np.minimum(np.rint(size / step) * step, 6), ratio)
    return np.searchsorted(E2M1_LEVELS, rounded).astype(np.int16), rounded


def mxfp4(w: np.ndarray, least: float | np.float32 = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round rows to E2M1 numbers times the power of two that puts their largest weight between 4 and 8.

    Parameters
    ----------
    w : float32 array (tensors, P)
    least : float
        The least scale that can be stored.

    Returns
    -------
    codes, scale, values : arrays (tensors, P), (tensors, 1), (tensors, P)

    Notes
    -----
    OCP microscaling formats, arXiv 2310.10537. Where twice ``least`` is more than the scale, the weights are divided by
    that, as torchao does, which divides by no subnormal number: values of blocks below 2^-124 are half as large as they
    should be, and halve again when quantized again.

    Examples
    --------
    >>> mxfp4(np.float32([[0.3, -2.6, 7.0]]))[2].tolist()
    [[0.5, -3.0, 6.0]]
    """
    top = largest(w)
    scale = np.where(top > 0, np.ldexp(np.float32(1), np.frexp(top)[1] - 3), 0).astype(np.float32)
    scale = np.maximum(scale, np.float32(least))
    codes, rounded = _round_e2m1(divide(w, np.maximum(scale, np.float32(2 * least))))
    return codes, scale, rounded * scale


def _mxfp4_32(w):
    return mxfp4(w.reshape(-1, 32), E8M0_LEAST)


def _q4_0(w):
    """Put the weight of largest magnitude, the first if there are several, at code -8, whatever its sign."""
    w = w.reshape(-1, 32)
    exact = np.take_along_axis(w, np.abs(w).argmax(axis=1, keepdims=True), axis=1) / -8
    codes = np.clip(np.trunc(w * _inverse(exact) + np.float32(8.5)), 0, 15).astype(np.int16) - np.int16(8)
    scale = _float16(exact)
    return codes, scale, codes * scale


def _largest_at(w, code, block):
    """Put the largest magnitude at a code; halves round away from zero."""
    w = w.reshape(-1, block)
    exact = largest(w) / code
    ratio = w * _inverse(exact)
    size, scale = np.abs(ratio), _float16(exact)
    whole = np.floor(size)
    codes = np.copysign(whole + (size - whole >= 0.5), ratio).astype(np.int16)
    return codes, scale, codes * scale


def _nvfp4(w):
    blocks = w.reshape(-1, 16)
    tensor = np.repeat(largest(w) / np.float32(448 * 6), w.shape[1] // 16, axis=0)
    wanted = np.clip(divide(largest(blocks) / 6, tensor), E4M3_NORMAL, 448)
    scale = torch.from_numpy(wanted).to(torch.float8_e4m3fn).float().numpy()
    codes, rounded = _round_e2m1(blocks * (_inverse(tensor) / scale))
    return codes, np.hstack([scale, tensor]), rounded * (tensor * scale)


def _affine(w, bits, block):
    """Spread the codes from the least weight to the largest, zero always among them; halves round to even."""
    w, q = w.reshape(-1, block), np.float32(2**bits - 1)
    low, high = np.minimum(w.min(axis=1, keepdims=True), 0), np.maximum(w.max(axis=1, keepdims=True), 0)
    exact = np.maximum((high - low) / q, FLOAT16_NORMAL)
    zero, scale = np.clip(-np.rint(low / exact), 0, q), _float16(exact)
    codes = np.clip(np.rint(w * (1 / scale)) + zero, 0, q).astype(np.int16)
    return codes, np.hstack([scale, zero]), (codes - zero) * scale


def _build():
    half, eights = "a float16 a block", partial(_largest_at, code=np.float32(127), block=32)
    ternary = partial(_largest_at, code=np.float32(1), block=256)
    ggml, e4m3 = "llama.cpp", "an e4m3 a block, a float32 a tensor"
    formats = [
        Format("q4_0", _q4_0, range(-8, 8), 4 + 16 / 32, 32, half, ggml),
        Format("q8_0", eights, range(-127, 128), 8 + 16 / 32, 32, half, ggml),
        Format("tq2_0", ternary, range(-1, 2), 2 + 16 / 256, 256, half, ggml),
        Format("mxfp4_32", _mxfp4_32, range(15), 4 + 8 / 32, 32, "a power of two a block", "OCP, arXiv 2310.10537"),
        Format("nvfp4", _nvfp4, range(15), 4 + 8 / 16, 16, e4m3, "NVIDIA, by torchao", tensor_bits=32),
    ]
    for bits, block in ((4, 32), (4, 128), (2, 32), (2, 16)):
        encode, beside = partial(_affine, bits=bits, block=block), f"{half}, and a zero point of {bits} bits"
        width = bits + (16 + bits) / block
        formats.append(
            Format(f"int{bits}_g{block}", encode, range(2**bits), width, block, beside, "torchao", idempotent=False)
        )
    return {form.name: form for form in formats}


# Beside the codes ``Quantized.scale`` (blocks, s) holds, as float32, the numbers that are stored: the scale, signed for
# q4_0; then for nvfp4 the scale of the tensor, repeated in each block, and for int* the zero point, a code.
FORMATS: dict[str, Format] = _build()


def pack(w: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode tensors of whole blocks in a format.

    Parameters
    ----------
    w : float32 array (models, P)
        Finite, with rows of whole blocks one after the other.
    name : str
        A key of ``FORMATS``.

    Returns
    -------
    codes, scale, values : arrays
        Codes and values of all weights, in order; scales (blocks, s). A block too small for its scale becomes zeros.

    Raises
    ------
    ValueError
        Where weights are so large that their scale, or what it decodes to, is infinite.

    Notes
    -----
    Codes, scales and values are those of other tools, bit by bit. q4_0, q8_0 and tq2_0: of gguf, which rounds a
    weight by its scale before that becomes a float16. mxfp4_32 and nvfp4: of torchao, with its floor and two-level
    scaling. int*: of torchao's asymmetric affine integers, computed in float32, with a scale stored as float16 and at
    least 2^-14, its least normal number. gguf's own MXFP4 is another rule: it breaks ties toward zero, and computes the
    exponent by a logarithm of float32, one too large just below a power of two; of its NVFP4 it has only the decoder.

    Examples
    --------
    >>> pack(np.full((1, 32), -0.5, np.float32), "q4_0")[1].tolist()
    [[0.0625]]
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        codes, scale, values = FORMATS[name].encode(w)
    good = np.isfinite(scale).all(axis=1) & np.isfinite(values.reshape(len(scale), -1)).all(axis=1)
    if not good.all():
        model = int(good.argmin()) * len(w) // len(good)
        raise ValueError(
            f"weights of model {model} are too large for {name}, which stores {FORMATS[name].scale_rule}: "
            f"their largest magnitude is {largest(w)[model, 0]:g}"
        )
    return codes, scale, values
