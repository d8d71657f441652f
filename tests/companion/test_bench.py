"""What the bench reports is a median over turns with its spread; a fake clock stands in for the machine."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import bench
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that moves only when a call says how long it took."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def job(self, name, durations):
        """Return a function that takes the given seconds, one call after the other."""
        durations = iter(durations)

        def call():
            self.calls.append(name)
            self.now += next(durations)

        return call


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """A registry of one steady entry and one of two labels, and a file that the test may write."""
    monkeypatch.setattr(bench, "BENCHES", {})
    monkeypatch.setattr(bench, "RESULT", tmp_path / "build" / "bench.json")

    @bench.bench(rounds=2)
    def steady():
        return lambda: 3.0

    @bench.bench(rounds=2)
    def several():
        return {"small": lambda: 1.0, "large": iter([1.0, 9.0, 1.0, 9.0]).__next__}

    return bench.RESULT


def test_the_two_sides_of_a_ratio_take_turns_after_one_call_each_that_does_not_count():
    clock = Clock()
    slow, fast = clock.job("A", [99] + [6] * 9), clock.job("B", [0.1] + [2] * 9)
    sampler = bench.ratio(slow, fast, clock=clock)
    assert bench.measure({"": sampler})[""] == bench.Measured(3.0, 0.0, 9, False)
    assert "".join(clock.calls) == "AB" + "AB" * 9


def test_a_slow_spell_that_covers_both_sides_of_a_pair_leaves_the_ratio_alone():
    load = [1, 1, 5, 5, 5, 1, 2, 7, 1, 1]
    clock = Clock()
    sides = (clock.job(name, [cost * factor for factor in load]) for name, cost in (("A", 8), ("B", 2)))
    assert bench.measure({"": bench.ratio(*sides, scale=10, clock=clock)})[""] == bench.Measured(40.0, 0.0, 9, False)


def test_median_and_spread_are_the_quartiles_of_the_samples():
    samples = iter([12.0, 8.0, 10.0, 9.0, 11.0, 10.0, 10.5, 9.5, 100.0])  # one outlier moves neither far
    measured = bench.measure({"": samples.__next__})[""]
    assert measured == bench.Measured(10.0, (11.0 - 9.5) / 10.0, 9, False)


def test_a_spread_of_just_a_quarter_passes_and_more_is_measured_again_once_with_all_samples_kept():
    assert bench.measure({"": iter([7.0, 8.0, 9.0]).__next__}, 3)[""] == bench.Measured(8.0, 1 / 8, 3, False)
    at_limit = bench.measure({"": iter([6.0, 8.0, 10.0]).__next__}, 3)[""]
    assert at_limit == bench.Measured(8.0, 0.25, 3, False)
    just_above = bench.measure({"": itertools.cycle([5.75, 8.0, 10.0]).__next__}, 3)[""]
    assert (just_above.rounds, just_above.noisy) == (6, True)
    calmed = bench.measure({"": iter([4.0, 8.0, 12.0, 8.0, 8.0, 8.0]).__next__}, 3)[""]
    assert calmed == bench.Measured(8.0, 0.0, 6, False)
    still = bench.measure({"": iter([4.0, 8.0, 12.0] * 2 + [8.0] * 99).__next__}, 3)[""]
    assert still == bench.Measured(8.0, 0.75, 6, True)


def test_only_the_samplers_that_spread_take_more_rounds_and_all_take_turns():
    order, noise = [], iter([1.0, 5.0, 9.0] * 2)
    samplers = {
        "calm": lambda: order.append("c") or 2.0,
        "wild": lambda: order.append("w") or next(noise),
        "still": lambda: order.append("s") or 4.0,
    }
    measured = bench.measure(samplers, 3)
    assert "".join(order) == "cws" * 3 + "www"
    assert [measured[name].rounds for name in samplers] == [3, 6, 3]
    assert [measured[name].noisy for name in samplers] == [False, True, False]


def test_seconds_and_rates_read_the_clock_after_a_first_call():
    clock = Clock()
    assert bench.seconds(clock.job("a", [50, 4]), clock)() == 4
    assert bench.rate(clock.job("b", [50, 4]), 100, clock)() == 25


def test_the_file_and_the_output_flag_what_stays_noisy(registered, capsys):
    bench.main([])
    result = json.loads(registered.read_text())
    assert result["steady"] == {"median": 3.0, "spread": 0.0, "rounds": 2, "noisy": False}
    assert result["several"]["small"] == {"median": 1.0, "spread": 0.0, "rounds": 2, "noisy": False}
    assert result["several"]["large"] == {"median": 5.0, "spread": 8 / 5, "rounds": 4, "noisy": True}
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[:2], line.endswith("NOISY")) for line in lines] == [
        (["steady", "3"], False),
        (["several", "small"], False),
        (["several", "large"], True),
    ]


@pytest.mark.parametrize(("threads", "kept"), [(0, ["steady"]), (1, [])])
def test_one_entry_measured_alone_leaves_the_others_if_they_had_as_many_threads(registered, threads, kept):
    bench.main(["--only", "steady"])
    old = json.loads(registered.read_text())
    registered.write_text(json.dumps(old | {"threads": old["threads"] + threads, "gone": 1}))
    bench.main(["--only", "several"])
    assert sorted(json.loads(registered.read_text())) == sorted(["several", *kept, "threads"])


def test_an_unknown_name_is_one_clear_error_that_lists_the_valid_ones(registered, capsys):
    with pytest.raises(SystemExit) as stop:
        bench.main(["--only", "typo"])
    assert stop.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert all(word in message for word in ("--only", "typo", "steady", "several"))
    assert not registered.exists()


def test_every_ratio_takes_nine_pairs_or_more():
    fewer = {name for name, (_, rounds) in bench.BENCHES.items() if rounds < 9}
    assert fewer == {"attack_seconds", "audit_seconds", "audit_peak_megabytes"}


def test_the_engines_share_of_the_machine_counts_products_of_both_sides(monkeypatch):
    monkeypatch.setattr(bench, "ratio", lambda slow, fast, scale: scale)
    scale = bench.gemm_fraction(n=10, width=3, models=2, dim=5, steps=7, size=16)
    products = 2 * (5 * 3 + 3) + 3  # a record: forward, weight gradients, the outer product that is the hidden delta
    assert scale == 2 * 7 * 10 * 2 * products / (2 * 16**3)


def test_a_fresh_process_does_not_inherit_the_peak_of_its_parent():
    ballast = np.ones(2**25)  # a quarter of a gigabyte, touched
    peak = bench.in_fresh_process(bench.resource.getrusage, bench.resource.RUSAGE_SELF).ru_maxrss
    own = bench.resource.getrusage(bench.resource.RUSAGE_SELF).ru_maxrss
    assert ballast.nbytes / 1024 < own
    assert peak < own - ballast.nbytes / 2048


def test_the_bench_runs_as_the_makefile_runs_it():
    script = [sys.executable, "tests/bench.py"]
    found = subprocess.run([*script, "--only", "typo"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert found.returncode == 2
    assert "ensemble_speedup" in found.stderr.splitlines()[-1]
