"""Post-training quantizers: pure functions from weights to integer codes and released scales.

Every rule in ``QUANTIZERS`` is data-free: it reads only the weights, so releasing its output can never hurt membership
inference security (QMIS statement 2). ``quantize`` applies one to a batch, or a shipped format of ``formats``.
Two rules that read calibration data are in ``data_aware``.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import ArrayLike

from qmis_utils.quantizers.formats import FORMATS, Format, divide, largest, mxfp4, pack

# The 16 normal-float levels of QLoRA (Dettmers et al. 2023, arXiv 2305.14314, appendix E).
NF4_LEVELS = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334]
    + [-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224]
    + [0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0],
    dtype=np.float32,
)
# Powers of two 2^0 .. 2^-6 with zero (Zhou et al. 2017, arXiv 1702.03044; Miyashita et al. 2016, arXiv 1603.01025).
POT4_LEVELS = np.array(sorted({0.0} | {s * 2.0**-i for i in range(7) for s in (-1, 1)}), dtype=np.float32)
# Sums of two powers of two, divided by the largest (Li et al. 2020, arXiv 1909.13144).
_APOT = {a + b for a in (0.0, 1 / 2, 1 / 4, 1 / 16) for b in (0.0, 1 / 8)}
APOT4_LEVELS = np.array(sorted({s * a / max(_APOT) for a in _APOT for s in (-1, 1)}), dtype=np.float32)
# Edges in standard deviations of the grids that leak least on Gaussian weights (QMIS theorem C, private_grid of
# theory.edges): three levels with the error of the sign; 4, 8 and 16 levels with 0.13, 0.04 and 0.012 of the variance.
_HALVES = {
    1: [1.2395],
    2: [0, 1.2372],
    3: [0, 0.6614, 1.3425, 2.1052],
    4: [0, 0.3666, 0.7346, 1.1061, 1.4846, 1.8784, 2.3088, 2.8464],
}
PRIVATE_EDGES = {k: np.unique([s * e for e in half for s in (-1, 1)]).astype(np.float32) for k, half in _HALVES.items()}


@dataclass(frozen=True)
class Quantized:
    """Hold a batch of quantized weight tensors: what is released, and what it decodes to.

    Parameters
    ----------
    codes : array or tensor, the shape of the weights
        Integer codes.
    scale : array or tensor (tensors, s), float32
        The s numbers released beside the codes of each tensor: one scale, or the 2^k levels of ``lloyd_k``. Of a
        format, (blocks, s): the scale, and the zero point of ``int*`` or the scale of the whole tensor of ``nvfp4``.
    values : array or tensor, the shape of the weights
        The dequantized weights, in the container (array or tensor) of the input.
    """

    codes: np.ndarray | torch.Tensor
    scale: np.ndarray | torch.Tensor
    values: np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Quantizer:
    """Describe one rule: its level set, how its scale is chosen, and its source.

    Parameters
    ----------
    name : str
        Its key in ``QUANTIZERS``.
    encode : callable
        Maps float32 rows (tensors, P), each with scales of its own, to (codes, scale, values).
    codes : range or None
        Admissible integer codes; None for ``fp32``.
    bits : float
        Nominal width in bits per weight.
    scale_rule, source : str
        How the scale is chosen, and where the rule comes from, in words.
    idempotent : bool
        Whether quantizing the released values again changes nothing.
    """

    name: str
    encode: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
    codes: range | None
    bits: float
    scale_rule: str
    source: str
    idempotent: bool = True


def _fp32(w):
    return np.zeros(w.shape, np.int8), np.zeros((len(w), 0), np.float32), w.copy()


def _sign(w):
    codes = np.where(w >= 0, 1, -1).astype(np.int8)
    scale = np.abs(w).mean(axis=1, keepdims=True)
    return codes, scale, codes * scale


def _above_threshold(w, threshold):
    """Ternarise: the sign of every weight above the threshold, scaled by the mean magnitude of those weights."""
    magnitude = np.abs(w)
    keep = magnitude > threshold
    codes = (np.sign(w) * keep).astype(np.int8)
    scale = ((magnitude * keep).sum(axis=1, keepdims=True) / np.maximum(keep.sum(axis=1, keepdims=True), 1)).astype(
        np.float32
    )
    return codes, scale, codes * scale


def _ternary(w, percent):
    zeros = percent * w.shape[1] // 100  # integer arithmetic: 0.33 * P can fall just below a whole number
    magnitude = np.abs(w)
    threshold = np.partition(magnitude, zeros - 1, axis=1)[:, zeros - 1 : zeros] if zeros else np.zeros((len(w), 1))
    return _above_threshold(w, threshold)


def _twn(w):
    return _above_threshold(w, np.float32(0.7) * np.abs(w).mean(axis=1, keepdims=True))


def _b158(w):
    scale = np.abs(w).mean(axis=1, keepdims=True)
    codes = np.clip(np.rint(divide(w, scale)), -1, 1).astype(np.int8)
    return codes, scale, codes * scale


def round_uniform(
    w: np.ndarray, bits: int, clip: float | np.ndarray = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round rows to a symmetric uniform grid whose largest value is ``clip`` times their largest weight.

    Parameters
    ----------
    w : float32 array (tensors, P)
    bits : int
        Nominal width, >= 2; codes -q .. q with q = 2^(bits - 1) - 1.
    clip : float or array (tensors, 1)
        Share of the largest magnitude, in (0, 1].

    Returns
    -------
    codes, scale, values : arrays (tensors, P), (tensors, 1), (tensors, P)

    Notes
    -----
    Jacob et al. (2018), arXiv 1712.05877, restricted to a symmetric range; halves round to even.

    Examples
    --------
    >>> round_uniform(np.array([[0.5, -1.5, 3.0]], np.float32), 3)[0].tolist()
    [[0, -2, 3]]
    """
    q = 2 ** (bits - 1) - 1
    scale = (clip * largest(w) / q).astype(np.float32)
    codes = np.clip(np.rint(divide(w, scale)), -q, q).astype(np.int16)
    return codes, scale, codes * scale


MSE_BLOCK = 2**16  # weights
CODE_BLOCK = 2**20
COMPARE_BLOCK = 2**14


def round_uniform_mse(w: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round rows to the symmetric uniform grid whose clip, of 1 % .. 100 % of the largest weight, errs least.

    Parameters
    ----------
    w : float32 array (tensors, P)
    bits : int
        Nominal width, >= 2.

    Returns
    -------
    codes, scale, values : arrays (tensors, P), (tensors, 1), (tensors, P)

    Notes
    -----
    Least squared error, the smallest such clip; arXiv 1911.07190. Works on blocks that keep the trial arrays in cache.
    """
    q, clips = 2 ** (bits - 1) - 1, np.arange(1, 101, dtype=np.float32)[:, None] / 100
    best = np.empty((len(w), 1), np.float32)
    for row, top, out in zip(w, largest(w), best, strict=True):
        scale = clips * (top / q)
        errors = np.zeros(len(clips))
        for part in np.array_split(row, -(-row.size // MSE_BLOCK)):
            trial = np.clip(np.rint(divide(part, scale)), -q, q) * scale
            errors = errors + np.square(trial - part).sum(axis=1, dtype=np.float64)
        out[0] = clips[errors.argmin(), 0]
    return round_uniform(w, bits, best)


def _midrise(w, bits):
    half = 2 ** (bits - 1)
    scale = largest(w) / half
    codes = np.clip(np.floor(divide(w, scale)), -half, half - 1).astype(np.int16)
    return codes, scale, (codes + np.float32(0.5)) * scale


def _nearest(w, levels):
    """Round to the nearest of sorted unit levels after dividing by the largest weight; midpoints round down."""
    scale = largest(w)
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, divide(w, scale)).astype(np.int16)
    return codes, scale, levels[codes] * scale


def _means(edges):
    """Return the means of N(0, 1) in the cells between the edges."""
    mass = np.diff([0, *((1 + math.erf(e / math.sqrt(2))) / 2 for e in edges), 1])
    height = np.exp(-(edges.astype(float) ** 2) / 2) / math.sqrt(2 * math.pi)
    return (-np.diff([0, *height, 0]) / mass).astype(np.float32)


def _private(w, edges, levels):
    """Find cells by comparison, in parts that stay in cache: faster than a search for at most 15 edges."""
    scale = np.sqrt(np.square(w).mean(axis=1, keepdims=True))
    values = divide(w, scale)
    codes, flat = np.zeros(w.size, np.int8), values.reshape(-1)
    for start in range(0, flat.size, COMPARE_BLOCK):
        part, code = flat[start : start + COMPARE_BLOCK], codes[start : start + COMPARE_BLOCK]
        for edge in edges:
            code += (part > edge).view(np.int8)
        part[:] = levels.take(code)
    values *= scale
    return codes.reshape(w.shape), scale, values


def round_stochastic(w: np.ndarray, bits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round rows up or down at random on the grid of ``uniform_k``, without bias.

    Parameters
    ----------
    w : float32 array (tensors, P)
    bits : int
        Nominal width, >= 2; codes -q .. q with q = 2^(bits - 1) - 1.
    seed : int
        With the weights themselves it decides the coins: the same weights and seed give the same codes, alone or in a
        batch, and another row has coins of its own. Whoever releases a model must keep the seed secret.

    Returns
    -------
    codes, scale, values : arrays (tensors, P), (tensors, 1), (tensors, P)

    Notes
    -----
    QMIS theorem B. Coins have 16 bits: the mean is off by at most 2^-17 of a step, and weights nearer than that to a
    level stay there.

    Examples
    --------
    >>> w = np.tile(np.float32([1.0, 0.25]), (1, 500))  # on a grid of steps of 1
    >>> print(f"{round_stochastic(w, 2)[0][0, 1::2].mean():.2f}")  # a quarter of them, but for chance
    0.23
    """
    q, bit, at = 2 ** (bits - 1) - 1, np.random.PCG64(seed), 0
    scale = (largest(w) / q).astype(np.float32)
    values, codes = divide(w, scale), np.empty(w.shape, np.int16)
    draws = -(-w.shape[1] // 4)  # four coins each
    places = values.view(np.uint32).sum(axis=1, dtype=np.uint64).tolist()
    for row, code, place in zip(values, codes, places, strict=True):
        bit.advance((place << 64) - at)  # to a stretch of the stream that is the row's own
        at = (place << 64) + draws
        coins = bit.random_raw(draws).view(np.uint16)[: row.size]
        row += coins * np.float32(2**-16)
        row += np.float32(2**-17)
        code[:] = np.floor(row, out=row)
    return codes, scale, np.multiply(codes, scale, out=values)


def round_dithered(w: np.ndarray, bits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round rows on the grid of ``uniform_k`` after adding a dither that is subtracted again on decoding.

    Parameters
    ----------
    w : float32 array (tensors, P)
    bits : int
        Nominal width, >= 2; codes -q .. q with q = 2^(bits - 1) - 1.
    seed : int
        Decides the dither, one number in (-1/2, 1/2) per weight, the same for all rows. It is public: the receiver
        needs it, and so has the attacker.

    Returns
    -------
    codes, scale, values : arrays (tensors, P), (tensors, 1), (tensors, P)
        values = (codes - dither) scale, so that the error is uniform whatever the weights.

    Notes
    -----
    QMIS statement 11 and theorem B; Schuchman (1964), IEEE Trans. Commun. Technol. 12(4).

    Examples
    --------
    >>> w = np.float32([[1.0, 0.25, -0.5]])
    >>> bool((abs(round_dithered(w, 3)[2] - w) <= 1 / 6).all())  # half a step
    True
    """
    q = 2 ** (bits - 1) - 1
    dither = np.random.default_rng(seed).random(w.shape[1], dtype=np.float32) - np.float32(0.5)
    scale = (largest(w) / q).astype(np.float32)
    codes = np.clip(np.rint(divide(w, scale) + dither), -q, q).astype(np.int16)
    return codes, scale, (codes - dither) * scale


def _pow2(w, bits):
    """Round to a uniform grid whose step is a power of two: the least one at which nothing is clipped."""
    q = 2 ** (bits - 1) - 1
    mantissa, exponent = np.frexp(largest(w) / q)
    scale = np.where(mantissa > 0, np.ldexp(np.float32(1), exponent - (mantissa == 0.5)), 0).astype(np.float32)
    codes = np.rint(divide(w, scale)).astype(np.int16)
    return codes, scale, codes * scale


def _fp8_e4m3(w):
    scale = (largest(w) / 448).astype(np.float32)  # 448 is the largest finite e4m3 number
    cast = torch.from_numpy(divide(w, scale)).to(torch.float8_e4m3fn)
    return cast.view(torch.uint8).numpy().astype(np.int16), scale, cast.float().numpy() * scale


def _lloyd_levels(row, k):
    """Run one-dimensional k-means on a sorted vector; prefix sums make a round cost K log P."""
    levels = np.linspace(row[0], row[-1], k)
    sums = np.zeros(len(row) + 1)
    np.cumsum(row, out=sums[1:])
    for _ in range(50):
        edges = np.concatenate([[0], np.searchsorted(row, (levels[1:] + levels[:-1]) / 2, side="right"), [len(row)]])
        count = np.diff(edges)
        new = np.where(count > 0, np.diff(sums[edges]) / np.maximum(count, 1), levels)  # an empty cell stays put
        if np.array_equal(new, levels):
            break
        levels = new
    return levels


def _lloyd(w, bits):
    ordered = w.astype(np.float64)
    ordered.sort(axis=1)
    levels = np.stack([_lloyd_levels(row, 2**bits) for row in ordered])
    del ordered  # twice the weights
    pairs = zip(levels, w, strict=True)
    codes = np.stack([np.searchsorted((c[1:] + c[:-1]) / 2, row).astype(np.int16) for c, row in pairs])
    levels = levels.astype(np.float32)
    return codes, levels, np.take_along_axis(levels, codes, axis=1)


def _build():
    absmax, xnor = "max abs w", "mean abs w"
    above, clip = "mean abs w above the threshold", "clip with least squared error"
    rules = [
        Quantizer("fp32", _fp32, None, 32, "none (identity)", "reference"),
        Quantizer("sign", _sign, range(-1, 2, 2), 1, xnor, "XNOR-Net, arXiv 1603.05279"),
        Quantizer("twn", _twn, range(-1, 2), np.log2(3), "mean abs w above 0.7 mean abs w", "arXiv 1605.04711"),
        Quantizer("b158", _b158, range(-1, 2), np.log2(3), xnor, "BitNet b1.58, arXiv 2402.17764", idempotent=False),
        Quantizer("nf4", partial(_nearest, levels=NF4_LEVELS), range(16), 4, absmax, "QLoRA, arXiv 2305.14314"),
        Quantizer("fp8_e4m3", _fp8_e4m3, range(256), 8, f"{absmax} / 448", "arXiv 2209.05433"),
        Quantizer("pot_4", partial(_nearest, levels=POT4_LEVELS), range(15), 4, absmax, "arXiv 1603.01025, 1702.03044"),
        Quantizer("apot_4", partial(_nearest, levels=APOT4_LEVELS), range(15), 4, absmax, "arXiv 1909.13144"),
    ]
    rules += [
        Quantizer(f"ternary_{p}", partial(_ternary, percent=p), range(-1, 2), np.log2(3), above, f"1.58b {p}%")
        for p in (33, 50, 90)
    ]
    codes = {k: range(1 - 2 ** (k - 1), 2 ** (k - 1)) for k in range(2, 9)}
    for k, used in codes.items():
        rules.append(Quantizer(f"uniform_{k}", partial(round_uniform, bits=k), used, k, absmax, "arXiv 1712.05877"))
    for k in range(2, 5):
        search, lloyd = partial(round_uniform_mse, bits=k), partial(_lloyd, bits=k)
        rules.append(Quantizer(f"uniform_mse_{k}", search, codes[k], k, clip, "arXiv 1911.07190"))
        rules.append(Quantizer(f"lloyd_{k}", lloyd, range(2**k), k, "k-means levels", "arXiv 1510.00149", False))
    for k in range(1, 5):
        half, rule = 2 ** (k - 1), partial(_midrise, bits=k)
        rules.append(Quantizer(f"midrise_{k}", rule, range(-half, half), k, f"{absmax} / {half}", "classical", False))
    for k in range(2, 5):
        stochastic, dithered = partial(round_stochastic, bits=k), partial(round_dithered, bits=k)
        rules.append(Quantizer(f"stochastic_{k}", stochastic, codes[k], k, absmax, "Gupta et al. 2015, 1502.02551"))
        rules.append(Quantizer(f"dithered_{k}", dithered, codes[k], k, absmax, "Schuchman 1964; public dither", False))
    for k, edges in PRIVATE_EDGES.items():
        private, bits = partial(_private, edges=edges, levels=_means(edges)), k if k > 1 else np.log2(3)
        used = range(len(edges) + 1)
        rules.append(Quantizer(f"private_{k}", private, used, bits, "root mean square", "QMIS theorem C", False))
    power = "a power of two"
    rules.append(Quantizer("pow2_4", partial(_pow2, bits=4), codes[4], 4, power, "arXiv 2310.10537, its MXINT"))
    rules.append(Quantizer("mxfp4", mxfp4, range(15), 4, power, "OCP microscaling formats, arXiv 2310.10537"))
    return {rule.name: rule for rule in rules}


QUANTIZERS: dict[str, Quantizer] = _build()
PAPER_SET = [
    "fp32",
    "uniform_8",
    "uniform_4",
    "uniform_3",
    "uniform_2",
    "sign",
    "ternary_33",
    "ternary_50",
    "ternary_90",
]


ORDINARY = (-40, 60)  # a row whose largest magnitude is between these powers of two has squares and sums in float32
FLOAT32 = np.finfo(np.float32).max


def scales_of(shape: Sequence[int], granularity: str | int) -> int:
    """Return how many scales each tensor of a batch has: the one meaning of "tensor", "row" and block lengths.

    Parameters
    ----------
    shape : sequence of int
        Of the batch, (models, ...).
    granularity : {"tensor", "row"} or int
        As in ``quantize``.

    Raises
    ------
    ValueError
        For a granularity that does not fit.

    Examples
    --------
    >>> scales_of((5, 16, 8, 3, 3), "row")
    16
    """
    size = math.prod(shape[1:])
    if isinstance(granularity, str) and granularity in ("tensor", "row"):
        return shape[1] if granularity == "row" and len(shape) > 2 else 1
    try:
        length = 0 if isinstance(granularity, str | bool) else operator.index(granularity)
    except TypeError:
        length = 0
    if length < 1 or size % length:
        raise ValueError(
            "granularity must be 'tensor', 'row' (a scale per entry of the first axis after models) or a block length, "
            f"a whole number that divides {size} weights; got {granularity!r}"
        )
    return size // length


def _rule(name: str) -> Quantizer | Format:
    if name not in QUANTIZERS and name not in FORMATS:
        raise ValueError(f"unknown quantizer {name!r}; valid names: {', '.join([*QUANTIZERS, *FORMATS])}")
    return QUANTIZERS[name] if name in QUANTIZERS else FORMATS[name]


def _row_length(shape):
    return math.prod(shape[1:]) // scales_of(shape, "row")


def fits(shape: Sequence[int], name: str) -> bool:
    """Say whether the rows of a batch are whole blocks of the named format.

    Parameters
    ----------
    shape : sequence of int
        Of the batch, (models, ...).
    name : str
        A key of ``FORMATS``, or of ``QUANTIZERS``, whose rules take every shape.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        For an unknown name.

    Examples
    --------
    >>> fits((1, 10, 64), "q4_0"), fits((1, 64, 10), "q4_0")
    (True, False)
    """
    rule = _rule(name)
    return not isinstance(rule, Format) or _row_length(shape) % rule.block == 0


def _check_blocks(shape, rule, granularity):
    if not (isinstance(granularity, str) and granularity == "tensor"):
        raise ValueError(f"{rule.name} fixes its blocks of {rule.block} weights; got granularity {granularity!r}")
    if not fits(shape, rule.name):
        raise ValueError(
            f"{rule.name} has blocks of {rule.block} weights along each row, and rows of {_row_length(shape)} weights "
            "are not whole blocks"
        )


def released_bits(shape: Sequence[int], name: str, granularity: str | int = "tensor") -> float:
    """Count the bits that are released of each tensor of a batch, with its scales and zero points.

    Parameters
    ----------
    shape : sequence of int
        Of the batch, (models, ...).
    name : str
        A key of ``QUANTIZERS`` or ``FORMATS``.
    granularity : {"tensor", "row"} or int
        As in ``quantize``.

    Returns
    -------
    float
        Of a format, what its type stores, the zero points of ``int*`` at the width of a code; of a rule, its nominal
        bits and 32 for each number of ``scale``.

    Raises
    ------
    ValueError
        For an unknown name, or a granularity or shape that does not fit.

    Examples
    --------
    >>> released_bits((1, 10, 64), "q4_0"), released_bits((1, 10, 64), "uniform_4", "row")
    (2880.0, 2880.0)
    """
    rule, size = _rule(name), math.prod(shape[1:])
    if isinstance(rule, Format):
        _check_blocks(shape, rule, granularity)
        return size * rule.bits + rule.tensor_bits
    numbers = rule.encode(np.ones((1, 2), np.float32))[1].shape[1]  # ``lloyd_k`` has several a scale
    return float(size * rule.bits + 32 * numbers * scales_of(shape, granularity))


def shifts(top: np.ndarray, low: int = ORDINARY[0], high: int = ORDINARY[1]) -> np.ndarray:
    """Return by which powers of two to divide rows whose largest magnitude is out of 2^low .. 2^high, 0 for others.

    A power of two is exact, and every rule is scale-equivariant; of very small or large rows the squares or sums would
    leave float32.

    Parameters
    ----------
    top : float array (tensors, 1)
        From ``largest``.
    low, high : int
        Not above, and not below, 0.

    Returns
    -------
    int array (tensors, 1)
        A small row comes near 1, a large one only as far down as it must: its small weights keep their signs.

    Examples
    --------
    >>> shifts(np.array([[2.0], [2.0**-100], [2.0**100]])).tolist()
    [[0], [-99], [41]]
    """
    exponent = np.frexp(top)[1]
    return np.where(exponent > high, exponent - high, np.where(exponent < low, exponent, 0))


def back(values: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Undo ``shifts``; what rounding carries beyond the largest float32 number becomes that."""
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(values.astype(np.float32, copy=False), shift), -FLOAT32, FLOAT32)


def quantize(weights: ArrayLike | torch.Tensor, name: str, granularity: str | int = "tensor") -> Quantized:
    """Quantize a batch of weight tensors with the named rule.

    Parameters
    ----------
    weights : array or tensor (models, ...)
        One weight tensor per model, with its own scale each; (models, P) vectors, (models, out, in) matrices or
        (models, out, in, ...) convolutions.
    name : str
        A key of ``QUANTIZERS`` or ``FORMATS``.
    granularity : {"tensor", "row"} or int
        What shares one scale: the whole tensor, a row, or a block of so many weights (``quantize(w, "nf4", 64)`` is the
        bitsandbytes layout). A row is all that belongs to one entry of the first axis after models, the output channel
        of a matrix or a convolution; a vector is one row. A format fixes its blocks, along each row, and takes only
        "tensor".

    Returns
    -------
    Quantized
        ``codes`` and ``values`` shaped like ``weights``; ``scale`` (tensors, s). c times the weights have the same
        codes and c times the values, for any c > 0 that float32 can hold; of rules with random coins or scales that are
        powers of two, for c a power of two; of formats, for such c while their scales are normal numbers.

    Raises
    ------
    ValueError
        For an unknown name (the message lists the valid ones), an empty batch, a weight that is not finite, or a
        granularity that does not fit; for rows that are not whole blocks of a format, or weights too large for it.

    Examples
    --------
    >>> quantize(np.array([[0.5, -1.0, 0.1]]), "sign").codes.tolist()
    [[1, -1, 1]]
    """
    rule = _rule(name)
    w = as_array(weights)
    if w.ndim < 2 or w.size == 0:
        raise ValueError(f"weights must be a non-empty (models, ...) array of two or more axes; got shape {w.shape}")
    with np.errstate(over="ignore"):  # said below
        w = w.astype(np.float32, copy=False)
    if isinstance(rule, Format):
        _check_blocks(w.shape, rule, granularity)
    rows = w.reshape(len(w) * scales_of(w.shape, granularity), -1)
    top = largest(rows)
    if not np.isfinite(top).all():
        first = int(np.argwhere(~np.isfinite(w))[0][0])
        raise ValueError(f"weights of model {first} hold NaN or infinity, or numbers beyond float32")
    shift = shifts(top)
    if isinstance(rule, Format):
        codes, scale, values = pack(rows, name)
    elif shift.any() and rule.codes is not None:  # each row at a magnitude at which squares and sums stay in float32
        codes, scale, values = rule.encode(np.ldexp(rows, -shift))
        scale, values = back(scale, shift), back(values, shift)
    else:
        codes, scale, values = rule.encode(rows)
    codes, values = codes.reshape(w.shape), values.reshape(w.shape)
    return released_like(weights, codes, scale, values)


def as_array(values: ArrayLike | torch.Tensor) -> np.ndarray:
    """Return an array, or a tensor of any device, as a numpy array."""
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # numpy has no bfloat16


def released_like(
    weights: ArrayLike | torch.Tensor, codes: np.ndarray, scale: np.ndarray, values: np.ndarray
) -> Quantized:
    """Return ``Quantized`` arrays, as tensors on the device of ``weights`` if those are a tensor."""
    if isinstance(weights, torch.Tensor):
        return Quantized(*(torch.from_numpy(a).to(weights.device) for a in (codes, scale, values)))
    return Quantized(codes, scale, values)


def sparsity(quantized: Quantized) -> np.ndarray:
    """Compute the share of weights released as exactly zero.

    Parameters
    ----------
    quantized : Quantized
        Of M models.

    Returns
    -------
    array (M,)
        In [0, 1].

    Examples
    --------
    >>> sparsity(quantize(np.array([[0.1, -1.0, 3.0, 0.2]]), "ternary_50")).tolist()
    [0.5]
    """
    values = as_array(quantized.values)
    return (values == 0).reshape(len(values), -1).mean(axis=1)


def _counts(row, low, length):
    """Count the codes of a row, part by part: numpy counts in a copy of 64 bits a code."""
    parts = np.array_split(row, -(-row.size // CODE_BLOCK))
    return sum(np.bincount(part - low, minlength=length) for part in parts)


def code_entropy(quantized: Quantized) -> np.ndarray:
    """Compute the empirical entropy of each model's codes.

    Parameters
    ----------
    quantized : Quantized
        Of M models.

    Returns
    -------
    array (M,)
        Bits per weight; NaN for ``fp32``, whose codes are not stored.

    Notes
    -----
    Shannon's bound on what a lossless coder needs; unlike the nominal bit width it sees that "2-bit absmax" sets
    almost every Gaussian weight to zero.

    Examples
    --------
    >>> code_entropy(quantize(np.array([[0.1, -1.0, 3.0, 0.2]]), "sign")).round(3).tolist()  # one minus, three plus
    [0.811]
    """
    codes = as_array(quantized.codes).reshape(len(quantized.codes), -1)
    if quantized.scale.shape[-1] == 0:
        return np.full(len(codes), np.nan)
    low = int(codes.min())
    counts = np.stack([_counts(row, low, int(codes.max()) - low + 1) for row in codes])
    p = counts / codes.shape[1]
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1)


def relative_error(weights: ArrayLike | torch.Tensor, quantized: Quantized) -> np.ndarray:
    """Compute ||Q(w) - w|| / ||w|| of each model.

    Parameters
    ----------
    weights : array or tensor (M, ...)
        What was quantized.
    quantized : Quantized
        Of the same M models.

    Returns
    -------
    array (M,)
        At any scale of the weights; 0 where all of a model's are 0.

    Examples
    --------
    >>> w = np.array([[3.0, 4.0]])
    >>> relative_error(w, quantize(w, "sign")).round(4).tolist()  # both become 3.5
    [0.1414]
    """
    w, values = (a.reshape(len(a), -1) for a in (as_array(weights), as_array(quantized.values)))
    w = w.astype(np.promote_types(w.dtype, np.float32), copy=False)  # float16 cannot hold the squares of its numbers
    shift = shifts(largest(w))
    if shift.any():  # squares would leave float32
        w, values = (np.ldexp(a, -shift) for a in (w, values))
    return divide(np.linalg.norm(values - w, axis=1), np.linalg.norm(w, axis=1))


BUILT_IN = dict(QUANTIZERS)  # what a reader adds is told by it, and travels with a sweep
