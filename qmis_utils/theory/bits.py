"""What the number of released bits allows: bounds on the insecurity of any symmetric algorithm, and what attains them.

All of it holds in the population game: n independent samples, an algorithm that treats them alike (it may toss coins),
an attacker who knows everything but the samples. Entropies and rates are natural; P_k is the chance that value k is
released.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats
from scipy.optimize import elementwise

from qmis_utils.theory.numerics import MAX_STATES, check_n, check_number, check_problem, check_probs, log_multinomial

FAR = 5.0  # nats per sample from which log(1 - W(R)) = -R to the last digit: the rest is of order exp(-exp(R))
_ORDER = np.arange(1, 25)
_SERIES = 2 * (-1.0) ** (_ORDER + 1) * special.zeta(2 * _ORDER) / np.pi ** (2 * _ORDER)  # of coth t - 1/t, odd powers


# --- the sharp form of Pinsker's inequality ----------------------------------------------------------------------


def _nats(t):
    """R(t) = log(t / sinh t) + t coth t - t^2 / sinh^2 t, by its series where it cancels."""
    small, large = np.minimum(t, 1)[..., None], np.maximum(t, 1)
    series = (small ** (2 * _ORDER) * _SERIES * (2 * _ORDER - 0.5 / _ORDER)).sum(-1)
    decay = np.exp(-2 * large)
    closed = np.log(2 * large) - np.log1p(-decay) + 2 * large * decay / (1 - decay)
    return np.where(t < 1, series, closed - decay * (2 * large / (1 - decay)) ** 2)


def sharp_pinsker(R: ArrayLike, log_complement: bool = False) -> float | np.ndarray:
    """Compute W(R), the largest total variation of two laws whose Kullback-Leibler divergence is at most R.

    Parameters
    ----------
    R : float or array
        Divergence in nats, >= 0; infinity is allowed.
    log_complement : bool
        Return log(1 - W), which stays finite where W, below 1 for every finite R, rounds to 1 (from R = 37 on).

    Returns
    -------
    float or array
        Of the shape of R, to about 1e-15 of W, and of log(1 - W) where that is below -0.1.

    Raises
    ------
    ValueError
        For a negative or missing R.

    Notes
    -----
    QMIS theorem A. W(R) = max{|q - p| : kl(q || p) <= R} is attained on two-point laws. With t > 0 as parameter it is
    W = (t / 2) (1 - (coth t - 1/t)^2) at R = log(t / sinh t) + t coth t - t^2 / sinh^2 t (Fedotov, Harremoes and Topsoe
    2003). It is concave, about sqrt(R / 2) for small R, Pinsker's bound, and 1 - exp(-R) for large R.

    Examples
    --------
    >>> sharp_pinsker([0.02, 2.0, 3.0]).round(4)
    array([0.0999, 0.8652, 0.9502])
    >>> sharp_pinsker(1000.0), sharp_pinsker(1000.0, log_complement=True)
    (1.0, -1000.0)
    """
    rate = np.asarray(R, float)
    if not (rate >= 0).all():
        raise ValueError(f"R must be a divergence >= 0 in nats, got {R!r:.60}")
    near = np.clip(rate, 1e-300, FAR)
    low, high = np.sqrt(near), 30 * np.sqrt(2 * near)
    t = elementwise.find_root(lambda x, r: _nats(x) / r - 1, (low, high), args=(near,)).x
    small, large = np.minimum(t, 1)[..., None], np.maximum(t, 1)
    excess = 2 / np.expm1(2 * large)  # coth t - 1
    slope = np.where(t < 1, (small ** (2 * _ORDER - 1) * _SERIES).sum(-1), 1 - 1 / large + excess)
    rest = 1 / (2 * large) + excess * (large * (1 + excess / 2) - 1)  # 1 - W without cancellation
    width = np.where(t < 1, t / 2 * (1 - slope**2), 1 - rest)
    width = np.where(rate < 1e-300, np.sqrt(rate / 2), np.where(rate > FAR, -np.expm1(-rate), width))
    log_rest = np.where(rate > FAR, -rate, np.log1p(-np.minimum(width, 0.9999)))
    log_rest = np.where((t >= 1) & (rate <= FAR), np.log(rest), log_rest)
    value = log_rest if log_complement else width
    return value if value.ndim else float(value)


# --- bounds from the law of the release --------------------------------------------------------------------------


def _surprisals(law: ArrayLike, n: float) -> tuple[np.ndarray, np.ndarray, float]:
    """P_k and log(1 / P_k) of the values that occur, the likeliest one last, its surprisal from the others' sum."""
    law = np.sort(check_probs("law", law), axis=None)
    law, n = law[law > 0], check_n(n)
    return law, np.append(-np.log(law[:-1]), -math.log1p(-law[:-1].sum()) if law[-1] > 0.5 else -math.log(law[-1])), n


def level_one_bound(law: ArrayLike, n: float) -> float:
    """Bound the insecurity by sum over k != k0 of P_k min(2, sqrt(2 log(1 / P_k) / n)), with the best k0.

    Parameters
    ----------
    law : array (K,)
        Probabilities P_k of the values of the release.
    n : int
        Training-set size, whole, >= 1.

    Returns
    -------
    float
        An upper bound on Delta_n, never below 0 and at most 2.

    Raises
    ------
    ValueError
        For a law that does not sum to one, or n < 1.

    Notes
    -----
    QMIS theorem A (i). Where one value is almost sure this is of the order of the chance of any other, which no bound
    from the entropy alone can see.

    Examples
    --------
    >>> print(f"{level_one_bound([1 - 1e-20, 1e-20], 1000):.3g}")
    3.03e-21
    """
    law, surprisal, n = _surprisals(law, n)
    terms = law * np.minimum(2, np.sqrt(2 * surprisal / n))
    return float(np.delete(terms, terms.argmax()).sum())


def half_sum_bound(law: ArrayLike, n: float) -> float:
    """Bound the insecurity by (2 n)^(-1/2) sum_k P_k sqrt(log(1 / P_k)), which is at most sqrt(H / (2 n)).

    Parameters
    ----------
    law : array (K,)
        Probabilities P_k of the values of the release.
    n : int
        Training-set size, whole, >= 1.

    Returns
    -------
    float
        An upper bound on Delta_n.

    Raises
    ------
    ValueError
        For a law that does not sum to one, or n < 1.

    Notes
    -----
    QMIS theorem A (ii): the level-1 inequality, summed over all values.

    Examples
    --------
    >>> print(f"{half_sum_bound([0.5, 0.5], 50):.4f}")  # sqrt(log 2 / 100)
    0.0833
    """
    law, surprisal, n = _surprisals(law, n)
    return float(law @ np.sqrt(surprisal / (2 * n)))


def sharp_bound(law: ArrayLike, n: float) -> float:
    """Bound the insecurity by sum_k P_k W(log(1 / P_k) / n), or twice that without its largest term if this is less.

    Parameters
    ----------
    law : array (K,)
        Probabilities P_k of the values of the release.
    n : int
        Training-set size, whole, >= 1.

    Returns
    -------
    float
        An upper bound on Delta_n, at most the other two bounds of theorem A and at most W(H / n).

    Raises
    ------
    ValueError
        For a law that does not sum to one, or n < 1.

    Notes
    -----
    QMIS theorem A (iii). Below 1 in exact arithmetic for every law and n; it rounds to 1 where H / n exceeds 37 nats.

    Examples
    --------
    >>> print(f"{sharp_bound([0.25] * 4, 1):.4f}")  # W(log 4), where sqrt(H / 2) = 0.83
    0.7602
    """
    law, surprisal, n = _surprisals(law, n)
    terms = law * np.asarray(sharp_pinsker(surprisal / n))
    return float(min(terms.sum(), 2 * np.delete(terms, terms.argmax()).sum()))


def erm_lower_bound(losses: ArrayLike, probs: ArrayLike, law: ArrayLike) -> float:
    """Bound the insecurity of the codeword of least total loss from below by sum_k P_k E D_k / (max D_k - min D_k).

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on the m possible samples.
    probs : array (m,)
        Probabilities of the samples.
    law : array (K,)
        Probabilities P_k that codeword k is released.

    Returns
    -------
    float
        A lower bound on Delta_n, twice the sum for K = 2. D_k is the loss of codeword k minus that of the codeword of
        least expected loss.

    Raises
    ------
    ValueError
        For shapes that do not match, or probabilities that are no law.

    Notes
    -----
    QMIS statement 5 and theorem A. Holds for every n and either tie rule, and for no other algorithm.

    Examples
    --------
    >>> erm_lower_bound([[0, 1], [1, 0]], [0.75, 0.25], [0.9, 0.1])
    0.05
    """
    losses, probs = check_problem(losses, probs)
    law = check_probs("law", law)
    if law.shape != losses.shape[:1]:
        raise ValueError(f"law must have shape ({len(losses)},) to match losses, got {law.shape}")
    gaps = losses - losses[(losses @ probs).argmin()]
    spread = np.ptp(gaps, axis=1)
    share = gaps @ probs / np.where(spread > 0, spread, np.inf)  # a gap without spread never wins, or is a copy
    return float(law @ share) * (2 if len(law) == 2 else 1)


# --- what attains them -------------------------------------------------------------------------------------------


def one_bit_capacity(n: float) -> float:
    """Compute the largest insecurity of any release of one bit, over all symmetric algorithms and laws of the data.

    Parameters
    ----------
    n : int
        Training-set size, whole, >= 1.

    Returns
    -------
    float
        max_p E|Bin(n, p) - n p| / n, about 1 / sqrt(2 pi n).

    Raises
    ------
    ValueError
        For n < 1 or not whole.

    Notes
    -----
    QMIS theorem A. By de Moivre's formula E|Bin(n, p) - n p| = 2 n p (1 - p) P(Bin(n - 1, p) = m), n p in [m, m + 1],
    largest at p = (m + 1) / (n + 1), and over m at the middle. Attained by releasing whether more than n p coins of n
    showed heads.

    Examples
    --------
    >>> [round(one_bit_capacity(n), 4) for n in (1, 2, 3)]
    [0.5, 0.2963, 0.25]
    """
    n = check_n(n)
    m = (n - 1) // 2
    p = (m + 1) / (n + 1)
    return float(2 * p * (1 - p) * np.exp(log_multinomial([m, n - 1 - m], np.array([p, 1 - p]))))


def random_code_insecurity(n: float, log_K: float, p: float) -> float:
    """Compute the exact insecurity of a random code, which says which of K independent coins showed most heads.

    Parameters
    ----------
    n : int
        Training-set size, whole, >= 1, at most ``MAX_STATES``.
    log_K : float
        Natural logarithm of the number K of values of the release, >= 0.
    p : float
        Probability of heads, in (0, 1).

    Returns
    -------
    float
        E max(B_1, ..., B_K) / n - p for independent B_k ~ Bin(n, p).

    Raises
    ------
    ValueError
        For an argument out of range.

    Notes
    -----
    QMIS theorem A, sharpness: with log K = n R and the p at which W(R) is attained it tends to W(R). A sample shows K
    coins, the release is the k with most heads (equals are drawn by lot), and the attack looks at the sample's coin k.

    Examples
    --------
    >>> random_code_insecurity(1, 0.0, 0.5) + 0.0  # one value tells nothing
    0.0
    """
    n, log_K, p = check_n(n), check_number("log_K", log_K), check_number("p", p)
    if n > MAX_STATES:
        raise ValueError(f"n must be at most {MAX_STATES}, got {n:g}")
    if log_K < 0:
        raise ValueError(f"log_K must be >= 0, got {log_K}")
    if not 0 < p < 1:
        raise ValueError(f"p must lie in (0, 1), got {p}")
    log_chance = stats.binom.logpmf(np.arange(n + 1), n, p)
    log_upto = np.logaddexp.accumulate(log_chance)[:-1]
    log_above = np.logaddexp.accumulate(log_chance[::-1])[::-1][1:]
    above = np.exp(np.minimum(log_above, -0.5))
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # log(-log F) where it keeps its digits, and at 1 - F = 1e-1000
        forms = log_above, np.log(-np.log1p(-above)), np.log(-log_upto)
    log_gap = np.select([log_above < -30, log_above < -1, True], forms)
    return max(0.0, float(-np.expm1(-np.exp(np.minimum(log_K + log_gap, 50))).sum() / n - p))


# --- a calculator ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BitsBound:
    """Hold what a release of some bits can give away at most.

    Parameters
    ----------
    bits : float
        Bits released in all.
    insecurity : float
        Upper bound on Delta_n.
    accuracy : float
        Upper bound on the accuracy of any attack, at the prior that was asked for.
    exact : bool
        Whether some algorithm and law of the data attain the bound at this n.
    """

    bits: float
    insecurity: float
    accuracy: float
    exact: bool


def bits_bound(
    n: float, weights: float, bits: float, floats: float = 0, float_bits: float = 32, prior: float = 0.5
) -> BitsBound:
    """Bound what any symmetric algorithm gives away through a release, from the bits of *everything* released.

    Parameters
    ----------
    n : int
        Training-set size, whole, >= 1.
    weights : int
        Number of quantized weights released, whole, >= 0.
    bits : float
        Bits of each, >= 0: the base-2 logarithm of its number of values (1.585 for three), or inf.
    floats : int
        Number of other numbers released: scales, zero points, biases, normalisation statistics; whole, >= 0.
    float_bits : float
        Bits of each of these, >= 0, or inf.
    prior : float
        Probability that the record asked about is a member, in (0, 1).

    Returns
    -------
    BitsBound
        Insecurity at most W(bits log 2 / n); exact for no bit, one bit (`one_bit_capacity`) and infinitely many, with
        which the training set itself can be released.

    Raises
    ------
    ValueError
        For an argument out of range.

    Notes
    -----
    QMIS theorem A. Given Delta, the best attack at prior q is right at most max(q, 1 - q) + min(q, 1 - q) Delta often.

    Examples
    --------
    >>> found = bits_bound(10_000, weights=500, bits=1, floats=2)
    >>> found.bits, round(found.insecurity, 3), round(found.accuracy, 3), found.exact
    (564.0, 0.14, 0.57, False)
    """
    n, q = check_n(n), check_number("prior", prior)
    for name, count in (("weights", weights), ("floats", floats)):
        if not (count >= 0 and float(count).is_integer()):
            raise ValueError(f"{name} must be a whole number >= 0, got {count!r}")
    for name, size in (("bits", bits), ("float_bits", float_bits)):
        if not size >= 0:
            raise ValueError(f"{name} must be >= 0, got {size!r}")
    if not 0 < q < 1:
        raise ValueError(f"prior must lie in (0, 1), got {prior!r}")
    total = sum(float(count * size) for count, size in ((weights, bits), (floats, float_bits)) if count)
    leak = one_bit_capacity(n) if total == 1 else float(sharp_pinsker(total * math.log(2) / n))
    accuracy = max(q, 1 - q) + min(q, 1 - q) * leak
    return BitsBound(total, leak, accuracy, total in (0, 1, math.inf))
