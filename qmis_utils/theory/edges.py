"""What the edges of cells give away: one coordinate against many, and the grid that leaks least.

Theorem B compares rounding with noise, for one coordinate (``coordinate_leak``) and for many (``noise_information``,
``stochastic_information``). Theorem C says that what a fine release tells of many weights is proportional to the number
of weights near an edge (``edge_information``), whence the least-leaking grid of a given error (``private_grid``).
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, interpolate, optimize, special, stats

from qmis_utils.theory.numerics import check_n, check_number, in_range

EDGE = 1.8063945711372507  # the integral of phi^2 / (Phi(b) Phi(-b)) over all b, also 2 times that of phi^2 / Phi
SLOPE = 1.1998155591464205  # the constant of stochastic rounding, see stochastic_information
NOISES = ("uniform", "gaussian", "laplace")
CANDIDATES = 241  # places for an edge from which private_grid starts


# --- theorem B: noise against rounding --------------------------------------------------------------------------------


def _noise(kind, spread):
    """Check a noise and return its standard deviation."""
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}")
    return check_number("spread", spread, positive=True)


def _phi(x):
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _between(lo, hi):
    """Phi(hi) - Phi(lo), each in its own tail: for lo <= hi with lo + hi <= 0."""
    return special.ndtr(hi) - special.ndtr(lo)


def coordinate_leak(kind: str, spread: float) -> float:
    """Compute half the variation of the density of N(0, 1) plus noise: what one coordinate leaks per unit of shift.

    Parameters
    ----------
    kind : {"uniform", "gaussian", "laplace"}
        Law of the noise, centred. Uniform noise of spread w / sqrt(12) is dithered rounding to steps of w.
    spread : float
        Its standard deviation, > 0, in standard deviations of the coordinate.

    Returns
    -------
    float
        1/2 int |p'| = max p, at least 1 / sqrt(12 (1 + spread^2)).

    Raises
    ------
    ValueError
        Naming ``kind`` or ``spread``.

    Notes
    -----
    QMIS theorem B (i).

    Examples
    --------
    >>> print(f"{coordinate_leak('uniform', 6.0):.4f}, at least {1 / math.sqrt(12 * 37):.4f}")
    0.0481, at least 0.0475
    """
    spread = _noise(kind, spread)
    if kind == "uniform":
        width = math.sqrt(12) * spread
        return math.erf(width / math.sqrt(8)) / width
    if kind == "gaussian":
        return 1 / math.sqrt(2 * math.pi) / math.hypot(1, spread)
    return float(special.erfcx(1 / spread)) / (math.sqrt(2) * spread)


def noise_information(kind: str, spread: float) -> float:
    """Compute the Fisher information about the place of N(0, 1) plus noise: what many coordinates leak.

    Parameters
    ----------
    kind : {"uniform", "gaussian", "laplace"}
        Law of the noise, centred. Uniform noise of spread w / sqrt(12) is dithered rounding to steps of w, and has the
        mean over places of J of plain rounding.
    spread : float
        Its standard deviation, > 0, in standard deviations of the coordinate.

    Returns
    -------
    float
        J in (0, 1], at least 1 / (1 + spread^2), with equality for Gaussian noise.

    Raises
    ------
    ValueError
        Naming ``kind`` or ``spread``.

    Notes
    -----
    QMIS theorem B (ii). Uniform noise has J = 1.806 / w for wide steps.

    Examples
    --------
    >>> print(f"{noise_information('uniform', 6.0):.4f}, {noise_information('gaussian', 6.0):.4f}")
    0.0869, 0.0270
    """
    spread = _noise(kind, spread)
    if kind == "gaussian" or spread < 1e-4:  # where the others differ by less than rounding
        return math.hypot(1, spread) ** -2
    if spread > {"uniform": 1e3, "laplace": 1e10}[kind]:  # limits, right to 2e-10
        return EDGE / math.sqrt(12) / spread if kind == "uniform" else 2 / spread / spread
    if kind == "uniform":
        half = math.sqrt(3) * spread

        def part(x):  # p'^2 / p, left of the centre
            drop = _phi(x + half) - _phi(x - half)
            return drop**2 / (2 * half * _between(x - half, x + half))

        points, low = [-half], -half - 12
    else:
        scale = spread / math.sqrt(2)

        def part(x):  # p = (up + down) / 2 scale: draws whose noise was negative, and positive
            up, down = (
                math.exp(0.5 / scale**2 + s * x / scale + special.log_ndtr(-s * x - 1 / scale)) for s in (1, -1)
            )
            return (up - down) ** 2 / (up + down) / (2 * scale**3)

        points, low = [-1 / scale], -12 - 40 * scale
    return 2 * _integral(part, low, points, 1 / (1 + spread**2))


def _integral(function, low, points, size):
    """Integrate from low to 0, in short pieces near the points, where integrands live; size: how large it is."""
    near = np.array([p + d for p in points for d in (-8, -4, -2, -1, 0, 1, 2, 4, 8, 16, 64, 256)])
    ends = np.unique(np.r_[low, near[(near > low) & (near < 0)], 0.0])
    pieces = itertools.pairwise(ends)
    return sum(integrate.quad(function, a, b, epsabs=1e-12 * size, epsrel=1e-9)[0] for a, b in pieces)


def stochastic_information(width: float) -> float:
    """Compute the mean over places of J of a coordinate that is rounded up or down at random, without bias.

    Parameters
    ----------
    width : float
        Step of the grid, > 0, in standard deviations of the coordinate.

    Returns
    -------
    float
        J in (0, 1); (2 / w^2) (log w + 1.1998 + o(1)) for wide steps, where plain rounding has 1.806 / w.

    Raises
    ------
    ValueError
        Naming ``width``.

    Notes
    -----
    QMIS theorem B (iii). The coins are not released. The error is w^2 / 6 on average, twice that of plain rounding.

    Examples
    --------
    >>> print(f"{stochastic_information(20.0):.4f}, {noise_information('uniform', 20 / math.sqrt(12)):.4f}")
    0.0207, 0.0903
    """
    w = check_number("width", width, positive=True)
    if w < 0.01:  # second differences lose digits, and the next term is below 1e-10
        return 1 / (1 + w**2 / 6)
    if w > 1e7:  # where the rest is 1.13 / w
        return 2 / w / w * (math.log(w) + SLOPE)

    def ramp(a):  # E (Z + a)_+, far left by its continued fraction: a Phi + phi cancels there
        near = np.maximum(a, -9.0)
        far = _phi(a) / (a**2 + 3)
        return np.where(a > -9, near * special.ndtr(near) + _phi(near), far)

    def part(m):  # the probability of one level and its slope, m to the left of the level
        p = ramp(m + w) - 2 * ramp(m) + ramp(m - w)
        slope = special.ndtr(m + w) - 2 * special.ndtr(m) + special.ndtr(m - w)
        return slope**2 / p / w**2

    return 2 * _integral(part, -w - 9, [-w, 0.0], 1 / (1 + w**2 / 6))


# --- theorem C: the edge law and the grid that leaks least ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Grid:
    """Hold a quantizer of one weight whose values are the means of its cells, under a law of the weights.

    Parameters
    ----------
    edges : array (K - 1,)
        Between cells, increasing.
    levels : array (K,)
        Means of the weights in each cell.
    distortion : float
        Mean squared error, in units of the weights squared.
    entropy : float
        Of the cells, in nats.
    leak : float
        Sum of the density of the weights at the edges: J = 1.806 sd leak for a retraining spread ``sd``.
    """

    edges: np.ndarray
    levels: np.ndarray
    distortion: float
    entropy: float
    leak: float


class _Law:
    """A density of weights with its integrals, of a frozen scipy law or of a sample (by a Gaussian kernel)."""

    def __init__(self, weights):
        if hasattr(weights, "pdf") and hasattr(weights, "ppf"):
            with in_range("weights"):
                self.low, self.high = weights.ppf([1e-9, 1 - 1e-9])
            density = weights.pdf
        else:
            weights = np.asarray(weights, float)
            if weights.ndim != 1 or weights.size < 10 or not np.isfinite(weights).all() or np.ptp(weights) == 0:
                raise ValueError(
                    "weights must be a frozen scipy law or a finite sample (P,) of 10 or more, not all equal"
                )
            density, margin = stats.gaussian_kde(weights), 3 * weights.std()
            self.low, self.high = weights.min() - margin, weights.max() + margin
        if not 1e-50 < self.high - self.low < 1e50:
            raise ValueError("weights must spread over 1e-50 to 1e50: scale them, and what is in their units")
        x = np.linspace(self.low, self.high, 2001)
        f = density(x)
        total = interpolate.CubicSpline(x, f).integrate(self.low, self.high)
        self.density, *primitives = (interpolate.CubicSpline(x, f * x**k / total) for k in (0, 0, 1, 2))
        self.mass, self.first, self.second = (spline.antiderivative() for spline in primitives)
        mean = self.first(self.high)
        self.variance = float(self.second(self.high) - mean**2)

    def cells(self, edges):
        ends = np.r_[self.low, edges, self.high]
        return np.diff(self.mass(ends)), np.diff(self.first(ends))

    def distortion(self, edges):
        mass, first = self.cells(edges)
        return float(self.second(self.high) - (first**2 / np.maximum(mass, 1e-12)).sum())

    def pull(self, edges):
        """Return how the distortion grows as each edge moves up: f(e) ((e - level below)^2 - (e - level above)^2)."""
        mass, first = self.cells(edges)
        levels = first / np.maximum(mass, 1e-12)
        return self.density(edges) * ((edges - levels[:-1]) ** 2 - (edges - levels[1:]) ** 2)

    def grid(self, edges):
        edges = np.asarray(edges, float)
        mass, first = self.cells(edges)
        if not (mass > 0).all():
            raise ValueError("edges must leave every cell some of the weights")
        leak = float(self.density(edges).sum())
        return Grid(edges, first / mass, self.distortion(edges), float(stats.entropy(mass)), leak)


def make_grid(edges: ArrayLike, weights: object = None) -> Grid:
    """Describe the quantizer with these edges: its distortion, its entropy, and the density at its edges.

    Parameters
    ----------
    edges : array (K - 1,)
        Between cells, increasing, inside the range of the weights.
    weights : frozen scipy law or array (P,), optional
        The law of the weights, or a sample of it; N(0, 1) by default.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        Naming ``edges`` or ``weights``.

    Examples
    --------
    >>> sign = make_grid([0.0])
    >>> print(f"{sign.distortion:.4f}, {sign.leak:.4f}")  # 1 - 2 / pi, phi(0)
    0.3634, 0.3989
    """
    law, edges = _Law(stats.norm() if weights is None else weights), np.asarray(edges, float)
    inside = edges.ndim == 1 and edges.size and law.low < edges[0] and edges[-1] < law.high
    if not (inside and (np.diff(edges) > 0).all()):
        raise ValueError(f"edges must be increasing, of shape (K - 1,), between {law.low:.4g} and {law.high:.4g}")
    return law.grid(edges)


def edge_information(grid: Grid | float, sd: float) -> float:
    """Compute the mean J of weights on a grid by the edge law: 1.806 sd times the density of weights at the edges.

    Parameters
    ----------
    grid : Grid or float
        From ``make_grid``, ``private_grid`` or ``lloyd_max``; or the sum of the density of weights at the edges itself.
    sd : float
        Standard deviation of a weight over retrainings, > 0, in units of the weights; small against the cells.

    Returns
    -------
    float
        J, not capped at 1: above about 0.4 cells are too narrow for this law.

    Raises
    ------
    ValueError
        Naming ``grid`` or ``sd``.

    Notes
    -----
    QMIS theorem C.

    Examples
    --------
    >>> print(f"{edge_information(make_grid([0.0]), 0.01):.5f}")
    0.00721
    """
    leak = grid.leak if isinstance(grid, Grid) else check_number("grid", grid)
    with in_range("grid and sd") as finite:
        return finite(EDGE * check_number("sd", sd, positive=True) * leak)


def least_information(distortion: float, sd: float) -> float:
    """Compute what any fine grid of this distortion leaks at least, by theorem C: 1.806 sd / sqrt(12 D).

    Parameters
    ----------
    distortion : float
        Mean squared error, > 0, in units of the weights squared.
    sd : float
        Standard deviation of a weight over retrainings, > 0, in units of the weights.

    Returns
    -------
    float
        J of the uniform grid. A limit for fine grids: coarse ones may leak less (``private_grid``).

    Raises
    ------
    ValueError
        Naming ``distortion`` or ``sd``.

    Examples
    --------
    >>> print(f"{least_information(0.01, 0.01) / edge_information(private_grid(32, 0.01), 0.01):.3f}")
    1.005
    """
    distortion = check_number("distortion", distortion, positive=True)
    with in_range("distortion and sd") as finite:
        return finite(check_number("sd", sd, positive=True) / math.sqrt(distortion) * (EDGE / math.sqrt(12)))


def least_information_of_code(entropy: float, differential_entropy: float, sd: float) -> float:
    """Compute what any fine grid of this code entropy leaks at least, by theorem C: 1.806 sd exp(H - h).

    Parameters
    ----------
    entropy : float
        H of the cells, in nats.
    differential_entropy : float
        h of the weights, in nats; 1.4189 + log(s) for N(0, s^2).
    sd : float
        Standard deviation of a weight over retrainings, > 0, in units of the weights.

    Returns
    -------
    float
        J of the uniform grid, a limit for fine grids.

    Raises
    ------
    ValueError
        Naming the argument that is not finite.

    Examples
    --------
    >>> grid = private_grid(32, 0.01)
    >>> bound = least_information_of_code(grid.entropy, stats.norm.entropy(), 0.01)
    >>> print(f"{bound / edge_information(grid, 0.01):.3f}")
    1.005
    """
    entropy = check_number("entropy", entropy)
    exponent = entropy - check_number("differential_entropy", differential_entropy)
    with in_range("entropy, differential_entropy and sd") as finite:
        return finite(math.exp(exponent + math.log(EDGE) + math.log(check_number("sd", sd, positive=True))))


def lloyd_max(levels: int, rounds: int = 20_000) -> Grid:
    """Find the grid of least distortion for N(0, 1): edges midway between levels, levels the means of their cells.

    Parameters
    ----------
    levels : int
        At least 2.
    rounds : int
        At most so many.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        Naming ``levels``.

    Notes
    -----
    Lloyd (1982), Max (1960).

    Examples
    --------
    >>> lloyd_max(4).edges.round(4).tolist()
    [-0.9816, 0.0, 0.9816]
    """
    count = int(check_n(levels, "levels"))
    if count < 2:
        raise ValueError(f"levels must be at least 2, got {levels!r}")
    values = math.sqrt(3) * stats.norm.ppf((np.arange(count) + 0.5) / count)  # the density^(1/3) of fine grids
    for _ in range(rounds):
        ends = np.r_[-np.inf, (values[1:] + values[:-1]) / 2, np.inf]
        moved = -np.diff(_phi(ends)) / np.diff(special.ndtr(ends))
        moved = (moved - moved[::-1]) / 2
        if abs(moved - values).max() < 1e-13:
            break
        values = moved
    return make_grid((values[1:] + values[:-1]) / 2)


def private_grid(levels: int, distortion: float, weights: object = None) -> Grid:
    """Find the grid that leaks least of those with at most so many levels and so much error (theorem C).

    Parameters
    ----------
    levels : int
        Largest number of levels, at least 2.
    distortion : float
        Largest mean squared error, in units of the weights squared; between that of the best grid of so many levels and
        the variance of the weights.
    weights : frozen scipy law or array (P,), optional
        The law of the weights, or a sample of it; N(0, 1) by default.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        Naming ``levels``, ``distortion`` or ``weights``; for a distortion that no grid of so many levels reaches.

    Notes
    -----
    Least sum of f(edges) subject to the distortion. Dynamic programming over candidate edges solves it with a price on
    the distortion; the best grids on both sides of the wanted distortion are then polished. The optimum of fine grids
    is uniform, as in entropy-coded quantization (Gish and Pierce 1968).

    Examples
    --------
    >>> grid = private_grid(3, 1 - 2 / math.pi)  # with the error of the sign: ternary, 78 % zeros
    >>> print(f"{grid.edges.round(2)}, {grid.leak:.3f} against {make_grid([0.0]).leak:.3f}")
    [-1.24  1.24], 0.370 against 0.399
    """
    count, law = int(check_n(levels, "levels")), _Law(stats.norm() if weights is None else weights)
    if count < 2:
        raise ValueError(f"levels must be at least 2, got {levels!r}")
    target = check_number("distortion", distortion, positive=True)
    if target >= law.variance:
        raise ValueError(
            f"distortion must be below the variance of the weights, {law.variance:.4g}, got {distortion!r}"
        )
    either, low, high = {}, 1e-3 / law.variance, 1e7 / law.variance
    for _ in range(30):  # the price at which the distortion is met, or jumps over it
        price = math.sqrt(low * high)
        edges = _priced(law, count, price / math.sqrt(law.variance))
        too_far = law.distortion(edges) > target
        low, high = (price, high) if too_far else (low, price)
        either[too_far] = edges
    polished = [_polish(law, edges, target) for edges in either.values() if len(edges)]
    reached = [edges for edges in polished if law.distortion(edges) <= target * (1 + 1e-6)]
    if not reached:
        raise ValueError(f"distortion {distortion!r} is not reached by {count} levels: allow more of either")
    return law.grid(min(reached, key=lambda edges: law.density(edges).sum()))


def _priced(law, count, price):
    """Return the edges, fewer than count, of least sum of f(edges) + price times the distortion, among candidates."""
    at = np.linspace(law.low, law.high, CANDIDATES)
    mass, first = (np.subtract.outer(part(at), part(at)).T for part in (law.mass, law.first))  # of cells (start, end)
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.where(mass > 1e-9, -price * first**2 / mass, np.inf) + np.r_[0, law.density(at[1:-1]), 0]
    best, via = cost[0], []
    for _ in range(count - 1):  # one cell more: or as before, where that is not worth an edge
        total = best[:, None] + cost
        step = total.argmin(axis=0)
        found = total[step, np.arange(CANDIDATES)]
        via.append(np.where(found < best - 1e-15, step, -1))
        best = np.minimum(best, found)
    edges, end = [], CANDIDATES - 1
    for step in reversed(via):
        if step[end] >= 0:
            end = step[end]
            edges.append(at[end])
    return np.array(edges[::-1])


def _polish(law, edges, target):
    """Move edges to the least sum of f(edges) with a distortion of at most the target."""
    scale, slope = math.sqrt(law.variance), law.density.derivative()
    differences = np.diff(np.eye(len(edges)), axis=0)
    constraints = [{"type": "ineq", "fun": lambda e: (target - law.distortion(e)) / law.variance}]
    constraints[0]["jac"] = lambda e: -law.pull(e) / law.variance
    if len(edges) > 1:  # in order, and no cell vanishes
        gap = 1e-6 * (law.high - law.low)
        constraints.append({"type": "ineq", "fun": lambda e: np.diff(e) - gap, "jac": lambda e: differences})
    found = optimize.minimize(
        lambda e: scale * law.density(e).sum(),
        edges,
        jac=lambda e: scale * slope(e),
        method="SLSQP",
        bounds=[(law.low, law.high)] * len(edges),
        constraints=constraints,
        options={"ftol": 1e-12, "maxiter": 300},
    )
    return np.sort(found.x)
