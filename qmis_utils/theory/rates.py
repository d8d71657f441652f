"""Rates of decay of insecurity: Cramer, Gaussian, sharp (with its constant) and geometric.

A codeword's ``gap`` is D_k = l(theta_k, Z) - l(theta_1, Z), theta_1 the population minimiser over the codebook.
Rates are in nats per sample.
"""

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qmis_utils.theory.numerics import (
    LOG_2PI,
    check_array,
    check_n,
    check_problem,
    check_probs,
    cramer_tilt,
    in_range,
    log_mean_exp,
    unit_scale,
)

MOST_TIED = 5  # codewords tied for the minimum: beyond, the orthant probabilities have no closed form
MOST_FREQUENCIES = 1e6  # times kinds of samples, at which a second peak is looked for
# `sharp_insecurity` warns where a coarser lattice keeps more than SECOND_PEAK of the main term, or where a kind of
# sample that the tilted law expects fewer than RARE times brings more than RARE_SHARE of the gap's variance.
SECOND_PEAK, RARE, RARE_SHARE = 0.15, 2, 0.3


def _check_gap(gap, probs):
    gap, probs = check_array("gap", gap), check_probs("probs", probs)
    if gap.ndim != 1 or gap.shape != probs.shape or not np.isfinite(gap).all():
        raise ValueError(f"gap must be finite, of the shape {probs.shape} of probs")
    return unit_scale(gap)[probs > 0], probs[probs > 0]  # no rate depends on the scale


def cramer_rate(gap: ArrayLike, probs: ArrayLike) -> float:
    """Compute the exponential rate I_k = -inf over t >= 0 of log E exp(-t D_k) at which codeword k is chosen.

    Parameters
    ----------
    gap : array (m,)
        Values of the gap D_k, in units of loss.
    probs : array (m,)
        Their probabilities.

    Returns
    -------
    float
        I_k in nats per sample: 0 where E D_k <= 0 (a tie), -log P(D_k = 0) where D_k is never negative (inf if zero is
        never taken either). The same formula holds for lattice gaps.

    Raises
    ------
    ValueError
        For a gap that is not finite or of another shape, or probabilities that are no law.

    Notes
    -----
    Aubinais et al. (2026), Theorem 3.1; Cramer (1938). QMIS statement 5.

    Examples
    --------
    >>> round(cramer_rate([-1.0, 1.0], [0.2, 0.8]), 4)  # -log(2 sqrt(0.2 * 0.8))
    0.2231
    """
    gap, probs = _check_gap(gap, probs)
    return _cramer(gap, probs)[1]


def _cramer(gap, probs):
    """Return the tilt t and the rate I."""
    t = cramer_tilt(gap, probs)
    if t == 0:
        return t, 0.0
    if t == math.inf:
        tied = probs[gap == 0].sum()
        return t, -math.log(tied) if tied > 0 else math.inf
    # log1p of the mean of expm1 keeps rates of 1e-12; where the tilt is large the log-sum does not overflow.
    moved = np.where(-t * gap < 1, probs * np.expm1(np.minimum(-t * gap, 1)), np.exp(np.log(probs) - t * gap) - probs)
    mean = moved.sum()
    return t, max(0.0, -math.log1p(mean) if mean > -0.5 else -log_mean_exp(-t * gap, probs))


def _tilt(gap, probs, t):
    return np.exp(np.log(probs) - t * gap - log_mean_exp(-t * gap, probs))


def gaussian_rate(gap: ArrayLike, probs: ArrayLike) -> float:
    """Compute the second-order rate r_k = delta_k^2 / (2 sigma_k^2) of a gap D_k, delta its mean, sigma^2 its variance.

    Parameters
    ----------
    gap : array (m,)
        Values of the gap D_k, in units of loss.
    probs : array (m,)
        Their probabilities.

    Returns
    -------
    float
        r_k in nats per sample: 0 where the mean is at most 0 (a tie, or a codeword better than the one it is compared
        with: then, as for ``cramer_rate``, it is chosen with a probability that does not decay), else inf where the
        variance is 0.

    Raises
    ------
    ValueError
        As ``cramer_rate``.

    Notes
    -----
    Aubinais et al. (2026), Theorem 3.3. QMIS statement 8.

    Examples
    --------
    >>> gaussian_rate([-1.0, 1.0], [0.25, 0.75])  # mean 1/2, variance 3/4
    0.16666666666666666
    """
    values, law = _check_gap(gap, probs)
    mean = values @ law
    # Deviations from the likeliest value, times the root of their probability, over the largest: nothing cancels.
    root = np.sqrt(law)
    deviation = (values - values[law.argmax()]) * root
    top = abs(deviation).max()
    if mean <= 0 or top == 0:
        return 0.0 if mean <= 0 else math.inf
    deviation /= top
    with in_range("gap and probs") as finite:
        return float(finite((mean / top) ** 2 / 2 / (deviation @ deviation - (deviation @ root) ** 2)))


def lattice_span(gap: np.ndarray) -> float:
    """Find the largest h with all values of a gap in gap[0] + h Z.

    Parameters
    ----------
    gap : array (m,)
        Values of the gap, finite.

    Returns
    -------
    float
        The span, in the units of the gap; 0 if there is none (a non-lattice or a constant gap).

    Raises
    ------
    ValueError
        For a gap that is not finite or no vector.

    Notes
    -----
    Steps finer than 1e-6 of the range count as none: the sharp asymptotics cannot tell them apart.

    Examples
    --------
    >>> lattice_span(np.array([-0.25, 0.75, 1.5]))
    0.25
    """
    gap = check_array("gap", gap)
    if gap.ndim != 1 or gap.size == 0 or not np.isfinite(gap).all():
        raise ValueError("gap must be finite, of shape (m,)")
    with in_range("gap"):
        differences = np.unique(abs(gap - gap[0]))
    finest, tolerance = 1e-6 * differences[-1], 1e-10 * differences[-1]
    span = 0.0
    for value in differences[differences > tolerance]:
        small, large = sorted((span, value))
        while small > tolerance:
            # The remainder of least size: 3 mod 0.1 is 0, not 0.0999...
            small, large = abs(math.remainder(large, small)), small
            if tolerance < small < finest:
                return 0.0
        span = large
    return span


def _log_runner_up(gap, probs, n, t, rate, wins_ties):
    """log P(D_1 + ... + D_n < 0, or <= 0 if it wins ties) to leading order: Bahadur and Ranga Rao (1960)."""
    if t == math.inf:
        return -n * rate if wins_ties else -math.inf
    tilted = _tilt(gap, probs, t)
    s = math.hypot(*np.sqrt(tilted) * gap) * math.sqrt(n)
    span = lattice_span(gap)
    steps = math.ceil(min(45 / t, 10 * s) / span) + 1 if span > 0 else math.inf
    if steps > 1e6:  # no lattice, or one too fine to matter
        a = t * s
        return -n * rate + math.log(special.erfcx(a / math.sqrt(2)) / 2)
    # Sum the local limit over the lattice points on the winning side, the first at `start`.
    residue = math.remainder(n * gap[0], span)
    if abs(residue) < 1e-9 * span + 1e-14 * n * abs(gap).max():
        start = 0.0 if wins_ties else -span
    else:
        start = residue - span * (residue > 0)
    points = start - span * np.arange(steps)
    return -n * rate + special.logsumexp(t * points - (points / s) ** 2 / 2) + math.log(span / s) - LOG_2PI / 2


def _coarseness(gap, probs, n):
    """Largest share of P_k's main term that the tilted characteristic function phi keeps beyond its main peak, and of
    the gap's variance that a rare kind brings.

    P(S <= 0) is an integral of phi(w)^n / (t + i w). A lattice, exact or not, has a peak at 2 pi / span; those of the
    span that the sum over lattice points knows are no error.
    """
    t = cramer_tilt(gap, probs)
    if t in (0, math.inf):
        return 0.0, 0.0
    tilted = _tilt(gap, probs, t)
    square = tilted * gap**2
    span, width = lattice_span(gap), 0.25 / math.sqrt(n * square.sum())  # of steps, four to the width of a peak
    end = min(t / SECOND_PEAK, math.pi / span if span > 0 else math.inf, width * MOST_FREQUENCIES / len(gap))
    w = np.linspace(0, end, 4 + int(end / width))
    share = abs(np.exp(1j * np.outer(w, gap)) @ tilted) ** n / np.hypot(1, w / t)
    low = np.flatnonzero(share < SECOND_PEAK / 2)
    return share[low[0] :].max() if low.size else 0.0, square[n * tilted < RARE].max(initial=0) / square.sum()


def sharp_insecurity(losses: ArrayLike, probs: ArrayLike, n: float, log: bool = False) -> float:
    """Compute the sharp asymptotic equivalent of the insecurity of a fixed codebook, constant included.

    1/2 E[sum_k |x_k(Z)| + |sum_k x_k(Z)|] over the runners-up k, x_k(z) = P_k (exp(-t_k D_k(z)) / M_k(t_k) - 1): the
    home codeword's change is minus the signed sum, in which competing runners-up cancel. P_k sums the local limit
    over the lattice of D_k where it has one. A runner-up tied for the minimum has x_k(z) = n^(-1/2) sum_j w_jk (l_j -
    l_k)(z) over the other tied codewords j, w_jk the limiting density of a tie of j and k times the probability that
    the others then lose; if only two tie it is -D_k(z) / (sigma sqrt(2 pi n)). A runner-up that another one beats
    wherever it beats the home codeword (as with proportional gaps) is left out.

    Parameters
    ----------
    losses : array (K, m)
        Loss of K codewords on m samples; rows equal up to rounding count once.
    probs : array (m,)
        Probabilities of the samples.
    n : int
        Training-set size, whole, >= 1.
    log : bool
        Return the natural logarithm.

    Returns
    -------
    float
        An approximation of ``security.finite_support_insecurity`` for a fixed problem as n grows. Not a bound: it may
        exceed 1 at small n.

    Raises
    ------
    ValueError
        As ``security.finite_support_insecurity``; more than ``MOST_TIED`` codewords tied for the population minimum.

    Notes
    -----
    QMIS statements 6 and 7: for a fixed problem, as n tends to infinity. No n min_k I_k makes it safe for every
    problem: a gap that nearly is on a coarser lattice, such as (1, -1, 1.001), acts like that lattice until n passes
    the square of the ratio of the spans (there the exact value is a twelfth of this one at n min_k I_k = 102).
    A RuntimeWarning says where a gap still acts like a coarser lattice than its own at this n: where that lattice keeps
    more than ``SECOND_PEAK`` of the main term, or a kind of sample that the tilted law expects fewer than ``RARE``
    times brings more than ``RARE_SHARE`` of the gap's variance. From n min_k I_k = 3 on, this is good to a factor of 2
    without a warning: in 1,539 of 2,000 random problems of three or four kinds exact over sharp ran from 0.60 to 1.59
    and 94 % lay within a factor of 1.25. In the 461 with a warning it ran from 0.02 to 4.5; 49 % were beyond a factor
    of 1.5, 30 % beyond 2. The warning does not see a second runner-up of nearly the least rate, which disturbs the
    first (0.56 at worst), nor a lattice that takes more than ``MOST_FREQUENCIES`` to find.
    The formula needs E exp(-t D) finite near t = t_k; losses of finite support always have that. If P(D_k < 0) > 0, two
    runners-up beat the home codeword together at the smallest rate only if their gaps are proportional, and then the
    one that never wins is left out.

    Examples
    --------
    >>> from qmis_utils.theory.security import finite_support_insecurity
    >>> problem = [[0.0, 0.0], [1.0, -1.0]], [0.7, 0.3]
    >>> print(f"{sharp_insecurity(*problem, 400) / finite_support_insecurity(*problem, 400):.2f}")
    0.98
    """
    n = check_n(n)
    rows, law = check_problem(losses, probs)
    rows = _distinct(rows)
    home = int((rows @ law).argmin())
    gaps, sizes, changes, others = rows - rows[home], [-math.inf], [np.zeros_like(law)], [home]
    beaten = [home]
    with in_range("losses and probs"):
        tied = np.flatnonzero([cramer_tilt(unit_scale(gap), law) == 0 for gap in gaps])
        for k in np.delete(np.arange(len(rows)), home).tolist():
            if _never_wins(gaps, k, beaten):
                beaten.append(k)
                continue
            if k in tied:
                size, change = -math.log(n) / 2, law * _tied_change(unit_scale(gaps[tied]), tied.tolist().index(k), law)
            else:
                size, change = _runner_up(unit_scale(gaps[k]), law, n, k < home)
            sizes.append(size)
            changes.append(change)
            others.append(k)
    shift = max(sizes)
    if shift == -math.inf:
        return -math.inf if log else 0.0
    matter = [k for k, size in zip(others, sizes, strict=True) if size >= shift - 3]
    with in_range("losses and probs"):
        share, rare = np.max([_coarseness(unit_scale(gaps[k]), law, n) for k in matter], axis=0)
    if share > SECOND_PEAK or rare > RARE_SHARE:
        warnings.warn(
            f"losses: at n = {n:g} a gap acts like a coarser lattice than its own ({share:.0%} of the main term; "
            f"{rare:.0%} of its variance by a rare kind): the exact insecurity may be several times smaller or larger",
            RuntimeWarning,
            stacklevel=2,
        )
    x = np.exp(np.array(sizes) - shift)[:, None] * np.stack(changes)
    total = (abs(x).sum() + abs(x.sum(0)).sum()) / 2
    value = shift + math.log(total) if total > 0 else -math.inf
    return value if log else math.exp(value)


def _distinct(losses):
    """Drop the rows that repeat an earlier one up to rounding."""
    copy = [(abs(losses[:k] - row).max(1) <= 1e-12 * abs(row).max()).any() for k, row in enumerate(losses)]
    return losses[~np.array(copy)]


def _never_wins(gaps, k, beaten):
    """Whether some runner-up j has D_j <= c D_k, c >= 1, on the tilted support of k: j wins where k beats home.

    One that is beaten itself does not count, or two that are equal up to rounding would beat each other.
    """
    support = np.ones(gaps.shape[1], bool) if (gaps[k] < 0).any() else gaps[k] == 0
    own, others = gaps[k, support], gaps[:, support]
    with np.errstate(over="ignore"):
        ratio = others / np.where(own == 0, 1, own)
    low = np.where(own > 0, ratio, 1).max(1, initial=1)
    high = np.where(own < 0, ratio, np.inf).min(1, initial=np.inf)
    beats = (low <= high * (1 + 1e-12)) & ((others <= 0) | (own != 0)).all(1)
    beats &= (others != own).any(1) | (np.arange(len(gaps)) < k)
    beats[[k, *beaten]] = False
    return beats.any()


def _tied_change(rows, k, probs):
    """Return sqrt(n) x_k(z) of codeword k among tied ones: sum over j of w_jk (l_j - l_k)."""
    if len(rows) > MOST_TIED:
        raise ValueError(f"losses: more than {MOST_TIED} codewords tie for the population minimum: no closed form")
    change = np.zeros_like(probs)
    for j in np.delete(np.arange(len(rows)), k):
        gap = rows[j] - rows[k]
        spread = math.sqrt(gap**2 @ probs)
        if spread == 0:
            raise ValueError("losses: tied codewords whose gaps differ by more than 1e150 in scale")
        others = np.delete(rows, [j, k], axis=0) - rows[k]
        along = others @ (probs * gap) / spread**2
        rest = (others - along[:, None] * gap) * np.sqrt(probs)  # of the others' gaps, given that j and k tie
        size = np.sqrt((rest**2).sum(1))
        line = size <= 1e-7 * np.sqrt(others**2 @ probs)
        if (line & ((along <= 0) | (along >= 1))).any():
            continue  # j, k and another one are on a line, and j or k lies between: it wins nothing
        rest = rest[~line] / size[~line, None]  # one between j and k loses where they tie, too
        change += _orthant(rest @ rest.T) * gap / (spread * math.sqrt(2 * math.pi))
    return change


def _orthant(correlation):
    """P(all coordinates of a centred normal vector are positive), of dimension 0 to 3."""
    angles = np.arcsin(np.clip(correlation[np.triu_indices(len(correlation), 1)], -1, 1)).sum()
    return 0.5 ** len(correlation) + angles / (2 ** (len(correlation) - 1) * math.pi)


def _runner_up(gap, probs, n, wins_ties):
    """Return log P_k and probs x_k / P_k of a runner-up that is not tied."""
    t, rate = _cramer(gap, probs)
    size = _log_runner_up(gap, probs, n, t, rate, wins_ties)
    if t == math.inf:
        tied = probs[gap == 0].sum()
        return size, (np.where(gap == 0, probs / tied, 0.0) if tied > 0 else np.zeros_like(probs)) - probs
    return size, _tilt(gap, probs, t) - probs


def fisher_voronoi_rate(theta_star: ArrayLike, codebook: ArrayLike, fisher: ArrayLike) -> np.ndarray:
    """Compute r_k from geometry: half the squared Fisher distance from theta* to the bisector of home and codeword k.

    Parameters
    ----------
    theta_star : array (d,)
        The optimum.
    codebook : array (K, d)
        Codewords, K >= 2.
    fisher : array (d, d)
        Fisher information, symmetric positive definite.

    Returns
    -------
    array (K - 1,)
        Rates in nats per sample, one per codeword other than the home one (the nearest to theta* in the Fisher metric,
        lowest index first), in the order of the codebook; 0 for a copy of the home codeword.

    Raises
    ------
    ValueError
        For shapes that do not match, values that are not finite, ``fisher`` not symmetric up to 1e-8 of its largest
        entry or not positive definite, or rates beyond the range of a float.

    Notes
    -----
    QMIS statement 9.

    Examples
    --------
    >>> fisher_voronoi_rate([0.0], [[0.1], [0.5]], [[1.0]])  # the edge is 0.3 away
    array([0.045])
    """
    theta, words, metric = (
        check_array(name, a) for name, a in (("theta_star", theta_star), ("codebook", codebook), ("fisher", fisher))
    )
    if words.ndim != 2 or len(words) < 2 or not np.isfinite(words).all():
        raise ValueError("codebook must be finite, of shape (K, d) with K >= 2")
    d = words.shape[1]
    if theta.shape != (d,) or not np.isfinite(theta).all():
        raise ValueError(f"theta_star must be finite, of shape ({d},) to match codebook")
    if metric.shape != (d, d) or not np.isfinite(metric).all():
        raise ValueError(f"fisher must be finite, of shape ({d}, {d})")
    symmetric = (
        (metric / 2 + metric.T / 2) if (abs(metric - metric.T) <= 1e-8 * abs(metric).max()).all() else -np.eye(d)
    )
    if not (np.linalg.eigvalsh(unit_scale(symmetric)) > 0).all():
        raise ValueError(f"fisher must be symmetric positive definite, of shape ({d}, {d})")
    # Powers of two are taken out, so that no square overflows, and no difference of squares is formed.
    root, halves = np.linalg.cholesky(unit_scale(symmetric)), words / 2 - theta / 2
    exponent = 2 * np.frexp(abs(halves).max())[1] + 2 + np.frexp(abs(symmetric).max())[1]
    places = unit_scale(halves)
    home, distance = _bisectors(words, places, root, int(((places @ root) ** 2).sum(1).argmin()))
    if (distance < 0).any():  # another codeword is nearer by less than the rounding of squares
        home, distance = _bisectors(words, places, root, int(distance.argmin()))
    distance = np.delete(distance, home)
    with np.errstate(over="ignore", under="ignore"):
        rate = np.ldexp(distance**2 / 2, exponent)
    if not (np.isfinite(rate) & ((rate > 0) | (distance == 0))).all():
        raise ValueError("codebook, theta_star and fisher give rates beyond the range of a float: scale them")
    return rate


def _bisectors(words, places, root, home):
    """Return home and the signed distance from the origin to the bisector of home and each codeword, 0 for copies."""
    apart = words / 2 - words[home] / 2
    apart = apart / np.where((apart != 0).any(1), abs(apart).max(1), 1)[:, None] @ root
    along = (apart * ((places + places[home]) @ root)).sum(1)
    return home, along / 2 / np.maximum(np.sqrt((apart**2).sum(1)), 1e-300)
