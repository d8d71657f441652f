"""Every engine at the ends of a float's range: the value, or an error that names the argument."""

import inspect
import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from qmis_utils.theory import bits, edges, geometry, information, matrix, rates, security, tilted
from qmis_utils.theory.numerics import count_vectors, unit_scale

HELPERS = {"check_samples", "unseen"}
MODULES = security, rates, information, tilted, bits, edges, matrix, geometry

POSITIVE = st.sampled_from([5e-324, 1e-310, 1e-300, 1e-200, 1e-154, 1e-16, 0.3, 1.0, 40.0, 1e16, 1e154, 1e300, 1.7e308])
REAL = st.one_of(st.just(0.0), POSITIVE, POSITIVE.map(lambda x: -x))
COUNT = st.sampled_from([1, 2, 3, 7, 50, 10**6, 10**9, 10**12, 10**15])
CHANCE = st.sampled_from([5e-324, 1e-310, 1e-200, 1e-16, 1e-3, 0.25, 0.5, 1 - 1e-3, 1 - 1e-16])
FEW = st.integers(2, 3)


@st.composite
def laws(draw, size=None):
    """A law of positive probabilities, the likeliest anywhere."""
    size = size or draw(FEW)
    few = st.sampled_from([5e-324, 1e-310, 1e-200, 1e-16, 0.01, 0.3])
    rare = draw(st.lists(few, min_size=size - 1, max_size=size - 1))
    return np.array(draw(st.permutations([*rare, 1 - sum(rare)])))


@st.composite
def arrays(draw, *shape, of=REAL):
    size = math.prod(shape)
    return np.reshape(draw(st.lists(of, min_size=size, max_size=size)), shape)


@st.composite
def problems(draw):
    probs = draw(laws())
    return {"losses": draw(arrays(draw(FEW), len(probs))), "probs": probs, "n": draw(COUNT)}


@st.composite
def cells(draw):
    inner = sorted(set(draw(st.lists(REAL, max_size=3))))
    return np.array([-np.inf, *inner, np.inf])


@st.composite
def metrics(draw, d):
    """A positive definite matrix, of one scale or of one for each coordinate."""
    scale = np.array(draw(st.lists(POSITIVE, min_size=d, max_size=d))) if draw(st.booleans()) else draw(POSITIVE)
    size = np.sqrt(np.broadcast_to(scale, d))
    base = np.full((d, d), draw(st.sampled_from([0.0, 0.5, 0.999]))) if d > 1 else np.eye(1)
    np.fill_diagonal(base, 1)
    return base * np.outer(size, size)


@st.composite
def products(draw):
    d, k = draw(st.integers(1, 3)), draw(FEW)
    outside, inside = (np.array([draw(laws(k)) for _ in range(d)]) for _ in range(2))
    return {"outside": outside, "inside": inside, "copies": draw(st.sampled_from([1, 2, 1000, 10**9, 10**15]))}


def fixed(**named):
    return st.fixed_dictionaries(named)


@st.composite
def dimensional(draw, build):
    return draw(build(draw(st.integers(1, 3))))


def insecurity(value):
    assert 0 <= value <= 1


def log_insecurity(value):
    assert value <= 0


def share(value):
    assert ((np.asarray(value) >= 0) & (np.asarray(value) <= 1)).all()


def at_least_zero(value):
    assert (np.asarray(value) >= 0).all()


def anything(value):
    pass


def correlation(value):
    assert (abs(value) <= 1 + 1e-9).all()


def monte_carlo(value):
    assert 0 <= value.low <= value.value <= value.high


def log_monte_carlo(value):
    assert value.low <= value.value <= value.high <= 0


LOG = st.just(True)
RNG = st.builds(np.random.default_rng, st.integers(0, 9))
THREE = count_vectors(3, 2)

CASES = {
    security.gaussian_mean_insecurity: (
        fixed(n=COUNT, step=POSITIVE, mean=REAL, sigma=POSITIVE, log=LOG),
        log_insecurity,
    ),
    security.full_precision_insecurity: (fixed(n=COUNT, dim=COUNT, log=LOG), log_insecurity),
    security.gaussian_noise_insecurity: (fixed(n=COUNT, noise=POSITIVE, sigma=POSITIVE, log=LOG), log_insecurity),
    security.bernoulli_insecurity: (
        fixed(n=COUNT, p=CHANCE, codebook=st.lists(CHANCE, min_size=2, max_size=3).map(sorted), log=LOG),
        log_insecurity,
    ),
    security.best_codeword: (fixed(losses=arrays(3, 2), counts=st.just(THREE)), at_least_zero),
    security.finite_support_insecurity: (
        problems().map(lambda p: {**p, "n": min(p["n"], 50), "log": True}),
        log_insecurity,
    ),
    security.release_insecurity: (
        fixed(released=st.just([0, 1, 1, 2]), counts=st.just(THREE), probs=laws(2), log=LOG),
        log_insecurity,
    ),
    security.entropy_bound: (fixed(H=POSITIVE, n=COUNT), insecurity),
    security.dp_bound: (fixed(epsilon=POSITIVE), insecurity),
    rates.cramer_rate: (laws().flatmap(lambda p: fixed(gap=arrays(len(p)), probs=st.just(p))), at_least_zero),
    rates.gaussian_rate: (laws().flatmap(lambda p: fixed(gap=arrays(len(p)), probs=st.just(p))), at_least_zero),
    rates.lattice_span: (fixed(gap=arrays(3)), at_least_zero),
    rates.sharp_insecurity: (problems().map(lambda p: {**p, "log": True}), anything),
    rates.fisher_voronoi_rate: (
        dimensional(lambda d: fixed(theta_star=arrays(d), codebook=arrays(3, d), fisher=metrics(d))),
        at_least_zero,
    ),
    information.surviving_information: (fixed(edges=cells(), mean=REAL, sd=POSITIVE, log=LOG), log_insecurity),
    information.survival_correlation: (
        cells().flatmap(lambda e: fixed(levels=arrays(len(e) - 1), edges=st.just(e), mean=REAL, sd=POSITIVE)),
        correlation,
    ),
    information.product_insecurity: (products().map(lambda p: {**p, "log": True}), log_insecurity),
    information.product_insecurity_gaussian: (products(), insecurity),
    information.flip_insecurity: (fixed(outside=CHANCE, inside=CHANCE, d=COUNT, log=LOG), log_insecurity),
    information.product_insecurity_mc: (
        st.builds(lambda p, rng: {**p, "rng": rng, "samples": 200}, products(), RNG),
        monte_carlo,
    ),
    tilted.codebook_insecurity_mc: (
        st.builds(lambda p, rng: {**p, "rng": rng, "samples": 200, "log": True}, problems(), RNG),
        log_monte_carlo,
    ),
    bits.sharp_pinsker: (fixed(R=arrays(3, of=st.one_of(POSITIVE, st.just(math.inf)))), share),
    bits.level_one_bound: (fixed(law=laws(), n=COUNT), at_least_zero),
    bits.half_sum_bound: (fixed(law=laws(), n=COUNT), at_least_zero),
    bits.sharp_bound: (fixed(law=laws(), n=COUNT), share),
    bits.erm_lower_bound: (
        problems().flatmap(
            lambda p: fixed(losses=st.just(p["losses"]), probs=st.just(p["probs"]), law=laws(len(p["losses"])))
        ),
        anything,
    ),
    bits.one_bit_capacity: (fixed(n=COUNT), share),
    bits.random_code_insecurity: (
        fixed(n=st.sampled_from([1, 2, 3, 50, 10**4, 10**15]), log_K=POSITIVE, p=CHANCE),
        share,
    ),
    bits.bits_bound: (
        fixed(n=COUNT, weights=COUNT, bits=POSITIVE, floats=COUNT, float_bits=POSITIVE, prior=CHANCE),
        lambda found: share([found.insecurity, found.accuracy]),
    ),
    edges.coordinate_leak: (fixed(kind=st.sampled_from(edges.NOISES), spread=POSITIVE), share),
    edges.noise_information: (fixed(kind=st.sampled_from(edges.NOISES), spread=POSITIVE), share),
    edges.stochastic_information: (fixed(width=POSITIVE), share),
    edges.make_grid: (
        fixed(edges=arrays(2), weights=st.builds(lambda s: stats.norm(0, s), POSITIVE)),
        lambda grid: at_least_zero([grid.distortion, grid.entropy, grid.leak]),
    ),
    edges.edge_information: (fixed(grid=st.just(edges.make_grid([0.0])), sd=POSITIVE), at_least_zero),
    edges.least_information: (fixed(distortion=POSITIVE, sd=POSITIVE), at_least_zero),
    edges.least_information_of_code: (fixed(entropy=REAL, differential_entropy=REAL, sd=POSITIVE), at_least_zero),
    edges.lloyd_max: (
        fixed(levels=st.sampled_from([2, 3, 10]), rounds=st.just(9)),
        lambda grid: share(grid.distortion),
    ),
    edges.private_grid: (
        fixed(levels=FEW, distortion=POSITIVE, weights=st.builds(lambda s: stats.norm(0, s), POSITIVE)),
        lambda grid: at_least_zero([grid.distortion, grid.entropy, grid.leak]),
    ),
    matrix.quantizer_moments: (
        dimensional(
            lambda d: cells().flatmap(
                lambda e: fixed(levels=arrays(len(e) - 1), edges=st.just(e), mean=REAL, covariance=metrics(d))
            )
        ),
        anything,
    ),
    matrix.linear_information: (
        dimensional(
            lambda d: cells().flatmap(
                lambda e: fixed(levels=arrays(len(e) - 1), edges=st.just(e), mean=REAL, covariance=metrics(d))
            )
        ),
        lambda kept: at_least_zero(np.diag(kept)),
    ),
    matrix.sign_information: (
        dimensional(lambda d: fixed(covariance=metrics(d))),
        lambda kept: at_least_zero(np.diag(kept)),
    ),
    matrix.noise_floor_information: (
        dimensional(lambda d: fixed(covariance=metrics(d), noise=POSITIVE)),
        lambda kept: at_least_zero(np.diag(kept)),
    ),
    matrix.noise_floor_share: (
        dimensional(lambda d: fixed(shift=arrays(d), covariance=metrics(d), noise=POSITIVE)),
        share,
    ),
    geometry.sandwich: (
        dimensional(lambda d: fixed(hessian=metrics(d), score_covariance=metrics(d))),
        lambda found: at_least_zero(np.diag(found)),
    ),
    geometry.codebook_rate: (
        dimensional(
            lambda d: fixed(
                theta_star=arrays(d), codebook=arrays(3, d), hessian=metrics(d), score_covariance=metrics(d)
            )
        ),
        at_least_zero,
    ),
    geometry.rounding_rate: (
        dimensional(lambda d: fixed(theta_star=arrays(d), step=POSITIVE, covariance=metrics(d))),
        at_least_zero,
    ),
    geometry.shortest_vector: (dimensional(lambda d: fixed(gram=metrics(d))), lambda found: at_least_zero(found[1])),
    geometry.on_codeword_rates: (
        dimensional(lambda d: fixed(hessian=metrics(d), step=POSITIVE)),
        lambda found: at_least_zero(list(found.values())),
    ),
}


# Where the value itself is infinite: a release that says nothing (-inf), a codeword that is never chosen (inf).


def never_negative(gap):
    return not (unit_scale(gap) < 0).any()


def no_choice(losses, probs, n, log):
    """Whether every other codeword is the best one, up to rounding, or never better."""
    gaps = losses - losses[(losses @ probs).argmin()]
    copies = [abs(gap).max() <= 1e-12 * abs(row).max() for gap, row in zip(gaps, losses, strict=True)]
    return all(copy or never_negative(gap) for gap, copy in zip(gaps, copies, strict=True))


def one_release(losses, probs, n, log):
    return len(set(security.best_codeword(losses, count_vectors(n, len(probs))))) == 1


def no_change(outside, inside, **others):
    return np.array_equal(outside, inside)


def no_edge(codebook, **others):
    return codebook[0] == codebook[-1] or codebook[1] + codebook[0] > 2 - 1e-12


INFINITE = {
    rates.cramer_rate: lambda gap, probs: never_negative(gap) and not (unit_scale(gap) == 0).any(),
    rates.gaussian_rate: lambda gap, probs: len(set(gap)) == 1,
    rates.sharp_insecurity: no_choice,
    security.bernoulli_insecurity: no_edge,
    security.finite_support_insecurity: one_release,
    information.surviving_information: lambda edges, **others: len(edges) == 2,
    information.product_insecurity: no_change,
    information.flip_insecurity: no_change,
}


def numbers(value):
    """Return all numbers of what an engine returns; of a Monte Carlo estimate not its lower end, a logarithm of 0."""
    if isinstance(value, tilted.MonteCarlo):
        value = value.value, value.high, value.effective_samples
    elif isinstance(value, edges.Grid | bits.BitsBound):
        value = {name: number for name, number in vars(value).items() if name != "bits"}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
    return np.concatenate([np.ravel(np.asarray(part, float)) for part in parts])


def test_every_public_engine_has_a_case():
    engines = {
        engine
        for module in MODULES
        for name, engine in vars(module).items()
        if inspect.isfunction(engine) and engine.__module__ == module.__name__ and name[0] != "_"
    }
    assert {engine for engine in engines if engine.__name__ not in HELPERS} == set(CASES)


def called(engine, arguments):
    """Return the value, or None after an error that names an argument; any warning but the documented one fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".* acts like a coarser lattice")
        try:
            return engine(**arguments)
        except ValueError as error:
            if re.match(r"\w+", str(error))[0] not in inspect.signature(engine).parameters:
                raise
            return None


@pytest.mark.parametrize("engine", CASES, ids=lambda engine: f"{engine.__module__.split('.')[-1]}.{engine.__name__}")
def test_an_engine_gives_the_value_or_names_the_argument(engine):
    strategy, check = CASES[engine]

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def judge(arguments):
        value = called(engine, arguments)
        if value is None:
            return
        found = numbers(value)
        assert not np.isnan(found).any()
        if np.isinf(found).any():
            assert INFINITE[engine](**arguments)
        check(value)

    judge()


SIGN, INNER = [-1.0, 1.0], [-np.inf, 0.0, np.inf]
MOST = 1.7e308
VALUES = {  # engine and arguments at an end of the range -> the value, in closed form or at an ordinary scale
    "a rare kind alone varies": lambda: (rates.gaussian_rate([1.0, 0.5], [1.0, 1e-200]), 2e200),
    "a rare kind decides": lambda: (rates.cramer_rate([-1.0, 1e-4], [1e-310, 1.0]), 0.070352063639),
    "a tie of 1e15 samples": lambda: (
        rates.sharp_insecurity([[0, 0], [0, -5e-324]], [1e-200, 1], 10**15, log=True),
        1e15 * math.log(1e-200),
    ),
    "two runners-up, equal up to rounding": lambda: (
        rates.sharp_insecurity([[1.0, -1.0], [0.0, 0.0], [1.0, -1 - 1e-15]], [0.75, 0.25], 100),
        rates.sharp_insecurity([[1.0, -1.0], [0.0, 0.0]], [0.75, 0.25], 100),
    ),
    "1e-200 against 5e-324": lambda: (
        information.product_insecurity([[1e-200, 1.0]], [[5e-324, 1.0]], log=True),
        math.log(1e-200),
    ),
    "edges at the ends": lambda: (
        information.surviving_information([-np.inf, -MOST, MOST, np.inf], -MOST, MOST),
        information.surviving_information([-np.inf, 0.0, 2.0, np.inf], 0.0, 1.0),
    ),
    "edges at the ends, subnormal sd": lambda: (
        information.surviving_information([-np.inf, -MOST, 5e-324, MOST, np.inf], 5e-324, 5e-324),
        2 / math.pi,
    ),
    "levels and edges at the ends": lambda: (
        information.survival_correlation([-MOST, 0.0, MOST], [-np.inf, -MOST, MOST, np.inf], 0.0, 1e308),
        information.survival_correlation([-1.0, 0.0, 1.0], [-np.inf, -1.7, 1.7, np.inf], 0.0, 1.0),
    ),
    "noise of 1e-9": lambda: ((1 - security.gaussian_noise_insecurity(1, 1e-3)) / 1e-3, 2.2744934),
    "wide uniform noise": lambda: (edges.noise_information("uniform", 1e300), edges.EDGE / math.sqrt(12) / 1e300),
    "wide Laplace noise": lambda: (edges.noise_information("laplace", 1e150), 2e-300),
    "wide Gaussian noise": lambda: (edges.coordinate_leak("gaussian", 1e300), 1e-300 / math.sqrt(2 * math.pi)),
    "wide steps, up or down": lambda: (edges.stochastic_information(1e100), 2e-200 * (math.log(1e100) + edges.SLOPE)),
    "any scale of the distortion": lambda: (edges.least_information(1e-300, 1e-155), edges.EDGE / math.sqrt(12) * 1e-5),
    "small levels": lambda: (
        matrix.linear_information([-1e-200, 1e-200], INNER, 0.0, [[1.0]])[0, 0],
        matrix.linear_information(SIGN, INNER, 0.0, [[1.0]])[0, 0],
    ),
    "large covariance": lambda: (matrix.sign_information([[MOST]])[0, 0], 2 / math.pi / MOST),
    "any scale of the shift": lambda: (matrix.noise_floor_share([1e300, 0.0], np.diag([1e-300, 1e-299]), 1e-300), 0.5),
    "a small grid": lambda: (geometry.rounding_rate([0.0], 1e-200, [[1e-300]])[0], 1.25e-101),
    "a small codebook": lambda: (geometry.codebook_rate([0.0], [[0.0], [1e-100]], [[1e-50]], [[1e-50]])[0], 1.25e-251),
    "a small lattice": lambda: (geometry.shortest_vector(np.eye(2) * 1e-310)[1], 1e-155),
    "a small Hessian": lambda: (geometry.on_codeword_rates(np.eye(2) * 1e-310, 1e160)["train"], 1.25e9),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_value_at_the_ends_of_the_range(name):
    found, expected = VALUES[name]()
    assert found == pytest.approx(expected, rel=1e-6, abs=0)


def test_monte_carlo_of_the_smallest_losses():
    for losses in ([[0, 5e-324], [5e-324, 0]], [[0.0, MOST], [MOST, 0.0]]):
        found = tilted.codebook_insecurity_mc(losses, [0.5, 0.5], 1, np.random.default_rng(0), 1000)
        assert found.low <= 0.5 <= found.high
