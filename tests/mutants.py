"""Change one line of the package at a time and see whether a test notices: `make mutants`, or `--only WORD`.

Each mutant changes what a reader is told. It is applied to a scratch copy of the repository, where the tests named
beside it are run until the first fails. A mutant that no test notices is a survivor; at most two may be, and
`EXPLAINED` says why.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("qmis_utils", "tests", "notebooks", "pyproject.toml", "data")


class Mutant(NamedTuple):
    """One change: the file, what it says (once) and what it says instead, and the tests that must notice."""

    file: str
    old: str
    new: str
    tests: str


ENGINE, STUDIES, INDICATORS = "tests/assess", "tests/studies", "tests/indicators"
PACKAGE = "qmis_utils"

MUTANTS = [
    # the engine: who reads what, which way numbers point, what is compared with what
    Mutant(
        "assess.py",
        "        attacked = {row.tobytes() for row in self.models.vectors()}",
        "        attacked = set()",
        ENGINE,
    ),
    Mutant(
        "assess.py",
        "        released, how = release(self.spare), {",
        "        released, how = release(self.models), {",
        ENGINE,
    ),
    Mutant(
        "assess.py", "        if not rows:\n            reference", "        if True:\n            reference", ENGINE
    ),
    Mutant("assess.py", "    return -indicators.function_error(", "    return indicators.function_error(", ENGINE),
    Mutant("assess.py", "return -indicators.estimate_rate(", "return indicators.estimate_rate(", ENGINE),
    Mutant(
        "assess.py",
        '"rho_pool": Number(_survival("rho_shape", "outputs")',
        '"rho_pool": Number(_survival("rho", "outputs")',
        ENGINE,
    ),
    Mutant("assess.py", "return seen.losses_out.mean(axis=1)", "return seen.losses.mean(axis=1)", ENGINE),
    Mutant("assess.py", "axis=1, weights=seen.members)", "axis=1, weights=~seen.members)", ENGINE),
    Mutant("assess.py", '(attacks.ATTACKS[attack].access == "weights") != of_weights', "False", ENGINE),
    Mutant("assess.py", "found[:, 0].mean())", "found[:, -1].mean())", ENGINE),
    Mutant("assess.py", "full.signals_out.var(axis=0).mean(), np", "full.signals.var(axis=0).mean(), np", ENGINE),
    Mutant(
        "assess.py",
        "attacks.auc(attacks.ATTACKS[a].run(seen.relabel(null)), null)",
        "attacks.auc(attacks.ATTACKS[a].run(seen), seen.members)",
        ENGINE,
    ),
    Mutant(
        "assess.py",
        "return 1 - np.square(outputs - y).mean(axis=1) / np.var(y)",
        "return np.square(outputs - y).mean(axis=1) / np.var(y)",
        ENGINE,
    ),
    # studies: disjoint models, safe and unsafe side, splits
    Mutant(
        "studies/synthetic.py",
        "    spare = ensemble.train(x, y, spare_members, **setting.training(seed=setting.seed + 1))",
        "    spare, spare_members = models[: setting.n_indicator], members[: setting.n_indicator]",
        STUDIES,
    ),
    Mutant(
        "studies/molecular.py",
        "heads[:n_heads], members, heads[n_heads:], spare)",
        "heads[:n_heads], members, heads[:n_indicator], spare)",
        STUDIES,
    ),
    Mutant(
        "studies/molecular.py",
        "in (halves, halves[::-1]):",
        "in ((halves[0], halves[0]), (halves[1], halves[1])):",
        STUDIES,
    ),
    Mutant("studies/molecular.py", "    return inside - outside", "    return outside - inside", STUDIES),
    Mutant("studies/molecular.py", "if row.max() >= bar)", "if row.max() <= bar)", STUDIES),
    Mutant(
        "studies/molecular.py", "if min(n_in.min(), n_heads - n_in.max()) >= LEAST:", "if n_in.min() >= LEAST:", STUDIES
    ),
    Mutant("studies/tables.py", "* -result.value[condition] > bar", "* result.value[condition] > bar", STUDIES),
    Mutant("studies/tables.py", "lambda f: f.predicted - f.measured", "lambda f: f.measured - f.predicted", STUDIES),
    Mutant("studies/tables.py", "np.logical_and((signs > 0)", "np.logical_or((signs > 0)", STUDIES),
    Mutant("studies/tables.py", "for attack in BLACK_BOX])", "for attack in result.auc])", STUDIES),
    Mutant("studies/tables.py", 'r.setting.split == "choose" and r.setting is not', "r.setting is not", STUDIES),
    Mutant(
        "studies/tables.py",
        "[r for r in results if r.setting.split == split], attack, mask)",
        "list(results), attack, mask)",
        STUDIES,
    ),
    Mutant("studies/tables.py", '"tau": group.tau.min()', '"tau": group.tau.max()', STUDIES),
    Mutant(
        "studies/tables.py",
        "signs[np.nanargmin(guess), truth.argmin()]",
        "signs[np.nanargmax(guess), truth.argmin()]",
        STUDIES,
    ),
    # indicators
    Mutant("indicators/survival.py", "(models > 0).sum(axis=1) > 1", "(models > 0).sum(axis=1) > 0", INDICATORS),
    Mutant(
        "indicators/survival.py",
        "        q, f = _drop(directions, q, f)",
        "        q = _drop(directions, q, f)[0]",
        INDICATORS,
    ),
    Mutant("indicators/agreement.py", "[0.025, 0.975]", "[0.25, 0.75]", INDICATORS),
    Mutant("indicators/agreement.py", "(np.abs(observed) >= least)", "(np.abs(observed) >= 0)", INDICATORS),
    Mutant("indicators/rate.py", "known = variance > 1e-12", "known = variance > -1", INDICATORS),
    Mutant(
        "indicators/laws.py", "np.sqrt(variance * (1 / rho**2 - 1))", "np.sqrt(variance * (1 / rho - 1))", INDICATORS
    ),
]

EXPLAINED: dict[str, str] = {}  # the new text of a survivor -> why no test notices it


def survives(mutant):
    """Apply a mutant to a copy of the repository and run its tests; say whether all of them pass."""
    with tempfile.TemporaryDirectory(prefix="qmis-mutant-") as folder:
        for name in COPIED:
            source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__", "cache", "*.ipynb")
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder, name), **({"ignore": ignored} if source.is_dir() else {}))
        path = Path(folder, PACKAGE, mutant.file)
        path.write_text(_changed(path.read_text(encoding="utf-8"), mutant), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", *mutant.tests.split()]
        variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": folder,
                                  "QMIS_DATA_CACHE": str(ROOT / "data" / "cache")}  # fmt: skip
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: a test failed
        raise RuntimeError(f"{mutant.file}, {mutant.new!r}: the tests could not be run\n{done.stdout[-2000:]}")
    return done.returncode == 0


def _changed(text, mutant):
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file} holds {mutant.old!r} {text.count(mutant.old)} times; a mutant needs it once")
    return text.replace(mutant.old, mutant.new)


def main(only=""):
    """Run the mutants whose file or text holds a word; print the survivors and return how many are not explained."""
    chosen = [m for m in MUTANTS if only in f"{m.file} {m.old} {m.new}"]
    survivors = []
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for number, (mutant, alive) in enumerate(zip(chosen, workers.map(survives, chosen), strict=True), start=1):
            word = "SURVIVED" if alive else "killed"
            print(f"[{number}/{len(chosen)}] {word}: {mutant.file}: {mutant.new.strip()}", flush=True)
            survivors += [mutant] if alive else []
    unexplained = [m for m in survivors if m.new not in EXPLAINED]
    for mutant in survivors:
        why = EXPLAINED.get(mutant.new, "not explained")
        print(f"survivor: {mutant.file}: {mutant.old.strip()} -> {mutant.new.strip()}: {why}")
    print(f"{len(chosen) - len(survivors)} killed, {len(survivors)} survived, {len(unexplained)} of them not explained")
    return len(unexplained)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="mutants whose file or text holds this")
    sys.exit(min(main(parser.parse_args().only), 1))
