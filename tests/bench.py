"""Measure speed and memory into build/bench.json: medians with their spread; seconds stay out of figures and tests.

On a shared machine the time of one call swings by a factor of two. So the two sides of a ratio take turns, A, B, A, B,
and a ratio is the median over pairs; a spread (interquartile range over median) above a quarter has it measured again,
and is flagged if it stays. A new entry is one function under ``@bench()`` that returns what to sample.
"""

import argparse
import itertools
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from qmis_utils import PUBLIC, attacks, audit, ensemble, indicators, molecules, quantizers
from qmis_utils.molecules import embeddings
from qmis_utils.store.files import write_atomic
from qmis_utils.studies import exact
from qmis_utils.theory import networks, security, tilted

RESULT = Path(__file__).resolve().parents[1] / "build" / "bench.json"
ROUNDS = 9
MOST_SPREAD = 0.25
BENCHES = {}  # name of an entry -> (function that returns its sampler, or a dict of them; rounds)


# -------------------------------------------------------------------------------------------------------- measuring


class Measured(NamedTuple):
    """Hold the median of repeated samples, and how far it can be believed."""

    median: float
    spread: float  # interquartile range over median
    rounds: int
    noisy: bool  # the spread is above ``MOST_SPREAD``


def summarise(values):
    """Return the ``Measured`` of samples, by linear interpolation between them."""
    low, median, high = map(float, np.quantile(values, [0.25, 0.5, 0.75]))
    spread = (high - low) / median
    return Measured(median, spread, len(values), spread > MOST_SPREAD)


def measure(samplers, rounds=ROUNDS):
    """Call every sampler once a round, in turn; those that spread too far get, once, as many rounds more.

    Old and new samples count together: to keep the quieter half would be to choose the result.

    Parameters
    ----------
    samplers : dict of str to callable
        Each takes nothing and returns a positive number.
    rounds : int
        Samples of each.

    Returns
    -------
    dict of str to Measured
    """
    values = {name: [] for name in samplers}

    def sample(names):
        for _, name in itertools.product(range(rounds), names):
            values[name].append(samplers[name]())

    sample(samplers)
    sample([name for name in samplers if summarise(values[name]).noisy])
    return {name: summarise(found) for name, found in values.items()}


def timed(function, clock=time.perf_counter):
    """Return the seconds of one call."""
    start = clock()
    function()
    return clock() - start


def seconds(function, clock=time.perf_counter):
    """Return a sampler of the seconds of a call, after a first call that does not count."""
    function()
    return lambda: timed(function, clock)


def rate(function, work, clock=time.perf_counter):
    """Return a sampler of ``work`` over the seconds of a call that does it."""
    sample = seconds(function, clock)
    return lambda: work / sample()


def ratio(slow, fast, scale=1.0, clock=time.perf_counter):
    """Return a sampler of ``scale`` times the seconds of ``slow`` over those of ``fast``, called in turn."""
    first, second = seconds(slow, clock), seconds(fast, clock)
    return lambda: scale * first() / second()


def bench(rounds=ROUNDS):
    """Register a function as the entry of its name; fewer rounds, never of a ratio, for what takes half a minute."""

    def register(function):
        BENCHES[function.__name__] = function, rounds
        return function

    return register


# --------------------------------------------------------------------------------------------------------- ensemble


def plain_training(n, dim, width, steps):
    """Return a function that trains one nn.Module as anybody would write it, at its faster number of threads."""
    x, y = torch.randn(n, dim), torch.randint(2, (n,)).float()
    net = torch.nn.Sequential(torch.nn.Linear(dim, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))
    optimizer, loss = torch.optim.Adam(net.parameters(), lr=1e-2), torch.nn.BCEWithLogitsLoss()

    def train(threads):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        for _ in range(steps):
            optimizer.zero_grad()
            loss(net(x)[:, 0], y).backward()
            optimizer.step()
        torch.set_num_threads(before)

    choices = {count: lambda count=count: train(count) for count in {1, torch.get_num_threads()}}
    times = measure({count: seconds(call) for count, call in choices.items()}, 3)
    return choices[min(times, key=times.get)]


def batched_training(models, n, dim, width, steps):
    """Return a function that trains that many networks by the package's engine, each on n of 2 n records."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2 * n, dim)), rng.integers(0, 2, 2 * n)
    members = ensemble.random_halves(models, 2 * n, rng)
    return lambda: ensemble.train(x, y, members, hidden=(width,), steps=steps)


def gemm_fraction(n, width, models=256, dim=128, steps=100, size=2048):
    """Return a sampler of the engine's share of the floating-point rate of one large single-precision product."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    flops = models * steps * 2 * n * (2 * dim * width + 3 * width)  # forward, weight gradients, one delta
    product, train = lambda: a @ b, batched_training(models, n, dim, width, steps)
    return ratio(product, train, flops / (2 * size**3))


@bench()
def ensemble_step_us():
    """Time a step of one of 256 networks trained together, in microseconds: 128 inputs, 32 units, 128 members."""
    step = seconds(batched_training(256, 128, 128, 32, 100))
    return lambda: 1e6 * step() / 256 / 100


@bench()
def ensemble_speedup():
    """Compare the plain loop, one network after the other, with the batched engine, per network and step."""
    return ratio(plain_training(128, 128, 32, 100), batched_training(256, 128, 128, 32, 100), 256)


@bench()
def ensemble_gemm_fraction():
    """Compare the engine with the machine's matrix product."""
    return gemm_fraction(128, 32)


@bench()
def ensemble_gemm_fraction_large():
    """Compare the engine with the machine's matrix product on networks and members twice as many."""
    return gemm_fraction(256, 64)


@bench()
def sweep_speedup_over_plain_loop():
    """Compare the loop with the engine on a group of molecular heads, 26 attacked and 16 for the indicators.

    Inputs are long here and products of matrices dominate either way, so the gain is small.
    """
    return {
        f"{dim} inputs": ratio(plain_training(750, dim, 32, 20), batched_training(42, 750, dim, 32, 20), 42)
        for dim in (217, 512, 2048)  # RDKit descriptors, ChemNet and MiniMol, fingerprints
    }


# --------------------------------------------------------------------------------- attacks, indicators, quantizers


@bench()
def indicator_cost_ratio(n_models=512, n_indicator=16):
    """Compare what LiRA costs with what the recommended indicator (rho_pool) costs, over the paper's quantizers."""
    rng = np.random.default_rng(0)
    mode = rng.integers(8, size=256)
    x, y = 1.4 * rng.normal(size=(8, 128))[mode] + rng.normal(size=(len(mode), 128)), mode % 2
    many, few = (ensemble.random_halves(n, 256, rng) for n in (n_models, n_indicator))

    def attack():
        models = ensemble.train(x, y, many)
        for name in quantizers.PAPER_SET:
            attacks.lira(attacks.signal(models.quantize(name).logits(x), y, "binary"), many)

    def estimate():
        models = ensemble.train(x, y, few)
        full = models.logits(x)
        for name in quantizers.PAPER_SET:
            indicators.survival_rho(models.quantize(name).logits(x), full, "rho_shape", draws=1)

    return ratio(attack, estimate)


@bench(rounds=3)
def attack_seconds(n_models=32, n_records=256, n_population=1000):
    """Time each family of attacks on 32 released models, training of the shadows left out."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n_records + n_population, 32)), rng.integers(0, 2, n_records + n_population)
    members = ensemble.random_halves(n_models, n_records, rng)
    models = ensemble.train(x[:n_records], y[:n_records], members).quantize("ternary_50")
    seen = attacks.observe(models, x[:n_records], y[:n_records], members, x[n_records:], y[n_records:])
    return {name: seconds(lambda attack=attack: attack.run(seen)) for name, attack in attacks.ATTACKS.items()}


def weights_to_quantize(models=1000, size=2000):
    """Return the weights of that many models, a row each."""
    return np.random.default_rng(0).normal(size=(models, size)).astype(np.float32)


@bench()
def quantize_throughput():
    """Count models of 2,000 weights a second, by quantizer, a thousand at once."""
    w = weights_to_quantize()
    return {name: rate(lambda name=name: quantizers.quantize(w, name), len(w)) for name in quantizers.QUANTIZERS}


@bench()
def quantize_cost_over_uniform_4():
    """Compare stochastic rounding and the least-leaking grid with plain rounding to four bits: at most three times."""
    w = weights_to_quantize()

    def cost(name):
        return ratio(lambda: quantizers.quantize(w, name), lambda: quantizers.quantize(w, "uniform_4"))

    return {name: cost(name) for name in ("stochastic_4", "private_4")}


@bench()
def quantize_speedup_over_loop():
    """Compare one call per model with one call for a thousand models, by quantizer."""
    w = weights_to_quantize()

    def compare(name):
        return ratio(
            lambda: [quantizers.quantize(row[None], name) for row in w[:100]],
            lambda: quantizers.quantize(w, name),
            len(w) / 100,
        )

    return {name: compare(name) for name in quantizers.QUANTIZERS}


# ----------------------------------------------------------------------------------------------- theory, molecules


@bench()
def gaussian_mean_per_second():
    """Count exact insecurities of a rounded Gaussian mean a second, over training-set sizes from 10 to a million."""
    n = np.geomspace(10, 1e6, 200).astype(int)
    return rate(lambda: security.gaussian_mean_insecurity(n, 0.5, 0.12), len(n))


@bench()
def networks_per_second():
    """Count networks 4-6-1 a second, trained for 150 steps on the counts of sixteen samples of five kinds."""
    problem = exact.Problem("bench", n=16, kinds=5, dim=4, hidden=(6,), steps=150)
    world, counts = exact.draw_world(problem), np.concatenate(list(networks.enumerate_training_sets(16, 5)))
    return rate(lambda: exact.train(problem, world, counts), len(counts))


@bench()
def bernoulli_1e6_seconds():
    """Time an exact insecurity at a million samples."""
    return seconds(lambda: security.bernoulli_insecurity(10**6, 0.3, [0.2, 0.4004]))


@bench()
def monte_carlo_effective_samples_per_second():
    """Count effective samples a second of the tilted Monte Carlo, for a large insecurity and a small one."""
    losses, probs = np.array([[0.0, 1.0, 0.4], [0.5, 0.2, 0.3], [0.9, 0.1, 0.2]]), np.array([0.5, 0.2, 0.3])

    def estimate(n):
        return tilted.codebook_insecurity_mc(losses, probs, n, np.random.default_rng(0), samples=100_000)

    return {f"n = {n}": rate(lambda n=n: estimate(n), estimate(n).effective_samples) for n in (40, 400)}


@bench()
def molecules_embedded_per_second(n=128):
    """Count molecules embedded a second, by representation, nothing cached."""
    smiles = molecules.load_task("BBB_Martins").smiles[:n].tolist()
    functions = {name: embeddings.EMBEDDERS[name].function for name in ("ecfp4", "rdkit2d", "chemnet", "minimol")}
    return {name: rate(lambda embed=embed: embed(smiles), n) for name, embed in functions.items()}


# ------------------------------------------------------------------------------------------------- audit, doors


def audit_job(units=(64, 2250, 2250, 2250, 1), records=256):
    """Return a function that audits a network of ten million weights with the paper's quantizers."""
    torch.manual_seed(0)
    layers = [part for sizes in itertools.pairwise(units) for part in (torch.nn.Linear(*sizes), torch.nn.ReLU())]
    model, x = torch.nn.Sequential(*layers[:-1]), torch.randn(2 * records, units[0])
    data = [(part, (part[:, 0] > 0).long()) for part in x.split(records)]
    loss = torch.nn.BCEWithLogitsLoss(reduction="none")
    return lambda: audit.audit(model, loss, *data, list(quantizers.PAPER_SET))


@bench(rounds=3)
def audit_seconds():
    """Time the audit of one network of ten million weights."""
    return seconds(audit_job())


def peak_megabytes(audited):
    """Return the largest resident memory of this process, in MB, once the network is there or once it is audited."""
    job = audit_job()
    if audited:
        job()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def in_fresh_process(function, *arguments):
    """Call a function in a process of its own, from a fork server: a spawned one starts with its parent's peak."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as process:
        return process.submit(function, *arguments).result()


@bench(rounds=1)
def audit_peak_megabytes():
    """Measure the peak of memory before and after the audit of that network."""
    return {when: lambda when=when: in_fresh_process(peak_megabytes, when == "after") for when in ("before", "after")}


IMPORT = """
import importlib, sys, time
start = time.perf_counter()
room = importlib.import_module(sys.argv[1])
names = [getattr(room, name) for name in dir(room)]
print(time.perf_counter() - start)
"""


def python(*arguments):
    """Run a fresh interpreter and return what it prints."""
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@bench()
def import_seconds():
    """Time the import of every public room with all that it offers, each in a fresh interpreter, its start left out."""
    return {room: lambda room=room: float(python("-c", IMPORT, f"qmis_utils.{room}")) for room in PUBLIC}


@bench()
def run_help_seconds():
    """Time ``python -m qmis_utils.run --help``, the start of the interpreter included."""
    return seconds(lambda: python("-m", "qmis_utils.run", "--help"))


# ------------------------------------------------------------------------------------------------------ command line


def run(name):
    """Measure an entry, print it, and return it as plain numbers."""
    function, rounds = BENCHES[name]
    found = function()
    many = isinstance(found, dict)
    measured = measure(found if many else {"": found}, rounds)
    for label, (median, spread, taken, noisy) in measured.items():
        title, flag = f"{name} {label}".strip(), "   NOISY" if noisy else ""
        print(f"{title:<60} {median:>10.4g}   spread {spread:4.0%} of {taken}{flag}", flush=True)
    plain = {label: result._asdict() for label, result in measured.items()}
    return plain if many else plain[""]


def earlier(threads):
    """Return the entries of the file, if they were measured with as many threads, without any that are no more."""
    old = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    return {name: old[name] for name in BENCHES if name in old} if old.get("threads") == threads else {}


def main(arguments=None):
    """Measure all entries and write them; or one, beside what the file holds of the others."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=BENCHES, metavar="NAME", help=f"one of {', '.join(BENCHES)}")
    only = parser.parse_args(arguments).only
    threads = torch.get_num_threads()
    result = earlier(threads) if only else {}
    for name in [only] if only else BENCHES:
        result[name] = run(name)
        write_atomic(RESULT, json.dumps({"threads": threads, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
