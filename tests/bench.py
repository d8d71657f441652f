"""Measure speed as ratios within one run and write build/bench.json; seconds stay out of figures and tests."""

import itertools
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from qmis_utils import attacks, audit, ensemble, indicators, quantizers
from qmis_utils.molecules import embeddings
from qmis_utils.studies import molecular
from qmis_utils.theory import security, tilted

RESULT = Path(__file__).resolve().parents[1] / "build" / "bench.json"


def seconds(function, repeats=3):
    """Return the least wall time of a few calls, after a warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def plain_step_seconds(x, y, width, steps):
    """Return seconds per step of one nn.Module trained as anybody would write it, at its faster thread count."""
    best, threads = np.inf, torch.get_num_threads()
    for count in {1, threads}:
        torch.set_num_threads(count)
        net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, 1))
        optimizer, loss = torch.optim.Adam(net.parameters(), lr=1e-2), torch.nn.BCEWithLogitsLoss()

        def train(net=net, optimizer=optimizer, loss=loss):
            for _ in range(steps):
                optimizer.zero_grad()
                loss(net(x)[:, 0], y).backward()
                optimizer.step()

        best = min(best, seconds(train) / steps)
    torch.set_num_threads(threads)
    return best


def gemm_rate():
    """Return the floating-point operations per second of a 2048 x 2048 single-precision product."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048**3 / seconds(lambda: a @ b, 5)


def bench_ensemble(dim=128, width=32, n_members=128, models=256, steps=100):
    """Compare the batched engine with the plain loop and with the machine's matrix product."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2 * n_members, dim)), rng.integers(0, 2, 2 * n_members)
    members = ensemble.random_halves(models, 2 * n_members, rng)
    step = seconds(lambda: ensemble.train(x, y, members, hidden=(width,), steps=steps), 4) / models / steps
    half = torch.tensor(x[:n_members], dtype=torch.float32), torch.tensor(y[:n_members], dtype=torch.float32)
    flops = 2 * n_members * (2 * dim * width + 3 * width)  # forward and weight gradient of each layer, one delta
    return {
        "ensemble_step_us": 1e6 * step,
        "ensemble_speedup": plain_step_seconds(*half, width, steps) / step,
        "ensemble_gemm_fraction": flops / step / gemm_rate(),
    }


def bench_indicator(n_models=512, n_indicator=16):
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

    return {"indicator_cost_ratio": seconds(attack, 3) / seconds(estimate, 10)}


def bench_attacks(n_models=32, n_records=256, n_population=1000):
    """Return the seconds each family of attacks takes on 32 released models, training of the shadows left out."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n_records + n_population, 32)), rng.integers(0, 2, n_records + n_population)
    members = ensemble.random_halves(n_models, n_records, rng)
    models = ensemble.train(x[:n_records], y[:n_records], members).quantize("ternary_50")
    seen = attacks.observe(models, x[:n_records], y[:n_records], members, x[n_records:], y[n_records:])
    return {"attack_seconds": {name: seconds(lambda f=f: f.run(seen), 1) for name, f in attacks.ATTACKS.items()}}


def bench_quantizers(models=1000, size=2000):
    """Return models per second of every quantizer, and the gain over one call per model."""
    w = np.random.default_rng(0).normal(size=(models, size)).astype(np.float32)
    result = {}
    for name in quantizers.QUANTIZERS:
        batch = seconds(lambda name=name: quantizers.quantize(w, name), 1)
        loop = seconds(lambda name=name: [quantizers.quantize(row[None], name) for row in w[:100]], 1) * models / 100
        result[name] = {"models_per_second": models / batch, "speedup_over_loop": loop / batch}
    return {"quantize_throughput": result}


def bernoulli_second_method(n, p, codebook):
    """Return Delta_n for two codewords by another road: 2 p (1 - p) P(Bin(n - 1, p) = m), by scipy's binomial law.

    Moving one sample across the boundary of the cells is the only way a record can change the release.
    """
    boundary = int(np.floor(n * np.mean(codebook)))  # largest count that still rounds down
    return 2 * p * (1 - p) * stats.binom.pmf(boundary, n - 1, p)


def bench_theory():
    """Measure the exact engines: seconds, evaluations a second, effective samples a second."""
    n = np.geomspace(10, 1e6, 200).astype(int)
    large, p, codebook = 10**6, 0.3, [0.2, 0.4004]
    exact = security.bernoulli_insecurity(large, p, codebook)
    losses = np.array([[0.0, 1.0, 0.4], [0.5, 0.2, 0.3], [0.9, 0.1, 0.2]])
    probs, rng = np.array([0.5, 0.2, 0.3]), np.random.default_rng(0)
    rates = {}
    for size in (40, 400):
        start = time.perf_counter()
        result = tilted.codebook_insecurity_mc(losses, probs, size, rng, samples=100_000)
        elapsed = time.perf_counter() - start
        key = f"monte_carlo_delta_{result.value:.0e}_effective_samples_per_second"
        rates[key] = result.effective_samples / elapsed
    return {
        "gaussian_mean_per_second": len(n) / seconds(lambda: security.gaussian_mean_insecurity(n, 0.5, 0.12)),
        "bernoulli_1e6_seconds": seconds(lambda: security.bernoulli_insecurity(large, p, codebook)),
        "bernoulli_1e6_relative_error": abs(exact / bernoulli_second_method(large, p, codebook) - 1),
        **rates,
    }


def bench_molecules(names=("ecfp4", "rdkit2d", "chemnet", "minimol"), n=128):
    """Measure what notebook 03 does: molecules embedded a second, points a minute, gain over training one by one.

    Inputs are long here and products of matrices dominate either way, so the gain over the plain loop is small.
    """
    settings = {name: molecular.prepare("BBB_Martins", name) for name in names}
    smiles, speedup = settings["ecfp4"].smiles[:n].tolist(), {}
    embed = {name: n / seconds(lambda name=name: embeddings.EMBEDDERS[name].function(smiles), 1) for name in names}
    for name, setting in settings.items():
        train = seconds(lambda setting=setting: molecular.train_group(setting, 0, 0.1), 1)
        half = (torch.tensor(a[::2], dtype=torch.float32) for a in (setting.x, setting.y))
        speedup[name] = plain_step_seconds(*half, 32, 20) * 100 * 42 / train  # 26 + 16 heads of 100 steps
    point = "BBB_Martins", "ecfp4", 0, settings["ecfp4"].fingerprint, 0.1
    return {
        "molecules_embedded_per_second": embed,
        "sweep_points_per_minute": 60 / seconds(lambda: molecular.evaluate_group(*point), 1),
        "sweep_speedup_over_plain_loop": speedup,
    }


def peak_megabytes():
    """Return the largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def bench_audit(units=(64, 2250, 2250, 2250, 1), records=256):
    """Audit a network of ten million weights with the paper's quantizers: seconds, and peak memory before and after."""
    torch.manual_seed(0)
    layers = [part for sizes in itertools.pairwise(units) for part in (torch.nn.Linear(*sizes), torch.nn.ReLU())]
    model, x = torch.nn.Sequential(*layers[:-1]), torch.randn(2 * records, units[0])
    data = [(part, (part[:, 0] > 0).long()) for part in x.split(records)]
    loss, before = torch.nn.BCEWithLogitsLoss(reduction="none"), peak_megabytes()
    start = time.perf_counter()
    audit.audit(model, loss, *data, list(quantizers.PAPER_SET))
    return {
        "audit_weights": sum(layer.weight.numel() for layer in model[::2]),
        "audit_seconds": time.perf_counter() - start,
        "audit_peak_megabytes": {"before": before, "after": peak_megabytes()},
    }


def main():
    """Run every benchmark, print the numbers and write them."""
    audited = bench_audit()  # first, so that the peak of memory is its own
    large = bench_ensemble(width=64, n_members=256)["ensemble_gemm_fraction"]
    result = {"threads": torch.get_num_threads(), **bench_ensemble(), "ensemble_gemm_fraction_large": large}
    result |= audited | bench_indicator() | bench_attacks() | bench_quantizers() | bench_theory() | bench_molecules()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
