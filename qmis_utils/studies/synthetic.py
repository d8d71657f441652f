"""One setting of the indicator study: its data, its game, and what the engine says of it; used by notebook B.

A setting is a row of ``notebooks/settings/B_settings.yaml``, fixed before results are read.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn import datasets

from qmis_utils import attacks, ensemble, indicators, molecules
from qmis_utils.assess import NUMBERS, Game, assess, quantized, record_floor, utility
from qmis_utils.store.extras import extra

with extra("companion"):
    import yaml

QUANTIZER_SET = [
    *("fp32", "uniform_8", "uniform_4", "uniform_3", "uniform_2", "uniform_mse_4", "uniform_mse_3", "uniform_mse_2"),
    *("midrise_3", "midrise_2", "midrise_1", "lloyd_3", "lloyd_2", "nf4", "pot_4", "apot_4"),
    *("sign", "twn", "b158", "ternary_33", "ternary_50", "ternary_90"),
]
BLACK_BOX = ("lira", "lira_offline", "rmia", "loss")
WHITE_BOX = ("weight_regression", "combined", "influence")
STRONG = ("stacked_outputs", "stacked")
SKLEARN, MOST_CLASSES = ("digits", "breast_cancer", "diabetes"), 10
LAWS = ("rho", "rho_pool", "rho_w", "sqrt_J")  # survival correlations whose laws predict an AUC
BUDGETED = ("rho", "rho_pc1", "rho_shape", "rho_pool", "rho_w", "function error")


@dataclass(frozen=True)
class Setting:
    """Describe one experiment; defaults are the companion's default setting."""

    name: str
    split: str = "choose"
    task: str = "binary"
    classes: int = 2
    dim: int = 128
    k_modes: int = 8
    separation: float = 16.0
    label_noise: float = 0.0
    n_pool: int = 256
    n_heldout: int = 2000
    hidden: tuple = (32,)
    steps: int = 200
    lr: float = 1e-2
    optimizer: str = "adam"
    batch_size: int | None = None
    weight_decay: float = 0.0
    init: str = "shared"
    granularity: str = "tensor"
    n_models: int = 128
    n_indicator: int = 16
    white_box: bool = False
    table: str = ""  # a real one in place of modes: of scikit-learn, or a molecular task, described by rdkit2d
    seed: int = 0

    def training(self, **changes):
        """Return the keyword arguments of ``ensemble.train``."""
        names = ("task", "hidden", "steps", "lr", "optimizer", "batch_size", "weight_decay", "init", "seed")
        return {name: getattr(self, name) for name in names} | changes


def load_settings(path, kind=Setting):
    """Read settings, or another ``kind`` of dataclass with a name and a split, from a YAML file, a list of mappings.

    Raises ValueError naming the setting and the key if a key is unknown, a name repeats or the split is misspelt.
    """
    settings, what = [], kind.__name__.lower()
    for row in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        unknown = set(row) - set(kind.__dataclass_fields__)
        if unknown:
            raise ValueError(f"{what} {row.get('name')!r} has unknown keys {', '.join(sorted(unknown))}")
        settings.append(kind(**row | {"hidden": tuple(row.get("hidden", kind.hidden))}))
    names = [s.name for s in settings]
    if len(set(names)) < len(names) or {s.split for s in settings} - {"choose", "judge"}:
        raise ValueError(f"{what}s need distinct names and split 'choose' or 'judge'; got {names}")
    return settings


def draw_records(setting, n, world, rng):
    """Return n records (x, y) of a setting; ``world`` holds the mode means and, for regression, their values."""
    means, values = world
    mode = rng.integers(setting.k_modes, size=n)
    x = (means[mode] + rng.normal(size=(n, setting.dim))).astype(np.float32)
    if setting.task == "regression":
        return x, values[mode] + setting.label_noise * rng.normal(size=n)
    y = mode % setting.classes
    noisy = rng.random(n) < setting.label_noise
    return x, np.where(noisy, (y + 1 + rng.integers(setting.classes - 1, size=n)) % setting.classes, y)


def read_table(name, n, rng):
    """Return inputs (n, d) and labels (n,) of at most n random records of a real table, of scikit-learn or ``TASKS``.

    Inputs, and labels that are not classes, are in units of their spread.
    """
    if name in SKLEARN:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    else:
        x, y = (column.to_numpy() for _, column in molecules.load_task(name)[["smiles", "y"]].items())
    pick = rng.permutation(len(x))[:n]
    x, y = x[pick], y[pick]
    if name not in SKLEARN:
        x = molecules.embed(x, "rdkit2d")
        usable = np.isfinite(x).all(axis=1)
        x, y = x[usable], y[usable]
    spread = x.std(axis=0)
    x = ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)
    classes = len(np.unique(y)) <= MOST_CLASSES
    return x, y.astype(int) if classes else (y - y.mean()) / y.std()


def draw_data(setting, rng):
    """Draw the pool and the fresh records of a setting: (x, y), (x_out, y_out)."""
    if not setting.table:
        world = draw_world(setting, rng)
        return tuple(draw_records(setting, n, world, rng) for n in (setting.n_pool, setting.n_heldout))
    x, y = read_table(setting.table, setting.n_pool + setting.n_heldout, rng)
    return (x[: setting.n_pool], y[: setting.n_pool]), (x[setting.n_pool :], y[setting.n_pool :])


def draw_world(setting, rng):
    """Draw what a pool and its held-out records share: mode means (k, d) and values (k,)."""
    means = rng.normal(size=(setting.k_modes, setting.dim)) * setting.separation / np.sqrt(setting.dim)
    return means, rng.normal(size=setting.k_modes)


def trajectory(setting, x, y, members):
    """Return the late iterates of one run as an ensemble: the same training stopped at ever later steps."""
    stops = np.unique(np.linspace(setting.steps // 2, setting.steps, setting.n_indicator).astype(int))
    runs = [ensemble.train(x, y, members[:1], **setting.training(steps=int(s))) for s in stops]
    return ensemble.concatenate(runs)


def prepare(setting, path=False):
    """Draw the data of a setting and train its attacked models and, apart, its spare models.

    Parameters
    ----------
    setting : Setting
    path : bool
        Whether to train the late iterates of one run, too.

    Returns
    -------
    Game
    """
    rng = np.random.default_rng([setting.seed, 2])
    (x, y), (x_out, y_out) = draw_data(setting, rng)
    members, spare_members = (
        ensemble.random_halves(n, setting.n_pool, rng) for n in (setting.n_models, setting.n_indicator)
    )
    models = ensemble.train(x, y, members, **setting.training())
    spare = ensemble.train(x, y, spare_members, **setting.training(seed=setting.seed + 1))
    late = trajectory(setting, x, y, spare_members) if path else None
    return Game(x, y, x_out, y_out, models, members, spare, spare_members, late)


def use(seen, reference, scores):
    """Return the mean utility of the attacked models on fresh records: accuracy, or R2 for regression."""
    return utility(seen.outputs_out, seen.y_out, seen.task).mean()


def evaluate(setting, names=tuple(QUANTIZER_SET), draws=100, attacked=(*BLACK_BOX, *WHITE_BOX), numbers=None):
    """Run one setting whole: every attack and every cheap number on every quantizer.

    Parameters
    ----------
    setting : Setting
    names : names of ``quantizers.QUANTIZERS``, "fp32" first
    draws : int
        Bootstrap draws of each number.
    attacked : names of ``attacks.ATTACKS``
        Those that read weights are left out where the setting is not ``white_box``.
    numbers : names of ``assess.NUMBERS``, optional
        All if not given.

    Returns
    -------
    Assessment
        With the measure ``utility`` (Q,).
    """
    attacked = [a for a in attacked if setting.white_box or attacks.ATTACKS[a].access != "weights"]
    numbers = None if numbers is None else list(numbers)
    wanted = NUMBERS if numbers is None else numbers
    game = prepare(setting, path=any("trajectory codebook" in NUMBERS[name].needs for name in wanted))
    return assess(game, quantized(*names, granularity=setting.granularity), attacked, numbers, seed=setting.seed,
                  draws=draws, laws=[name for name in LAWS if name in wanted], measures={"utility": use},
                  rng=np.random.default_rng([setting.seed, 3]))  # fmt: skip


def exposures(seen, reference, scores):
    """Return the exposure of each record under each attack, (A, N): TPR - FPR at a score of 0, fixed beforehand."""
    return np.array([attacks.record_exposure(score, seen.members).exposure for score in scores.values()])


def evaluate_records(setting, names=tuple(QUANTIZER_SET), draws=100, attacked=("lira", "weight_regression"),
                     numbers=("rho", "rho_pool", "rho_w", "sqrt_J", "edge law", "noise floor", "function error",
                              "weight error")):  # fmt: skip
    """Run one setting record by record: what attacks find of each record, and what cheap numbers predict of it.

    Parameters
    ----------
    setting : Setting
    names, draws, attacked, numbers
        As ``evaluate``.

    Returns
    -------
    Assessment
        With the measures ``utility`` (Q,) and ``exposure`` (Q, A, N), in the order of ``attacked``.
    dict of array (Q, N)
        What is predicted of each record, larger = found more often, from the spare models and no membership: "noise
        floor"; "as trained", the same without rounding, which stands for every number that gives a release one value;
        "function error", how little the release moves the record's output; "record loss", its mean loss as released.
    """
    game = prepare(setting)
    releases = quantized(*names, granularity=setting.granularity)
    found = assess(game, releases, attacked, numbers, seed=setting.seed, draws=draws,
                   laws=[name for name in ("rho", "rho_w", "sqrt_J", "edge law", "noise floor") if name in numbers],
                   measures={"utility": use, "exposure": exposures},
                   rng=np.random.default_rng([setting.seed, 3]))  # fmt: skip
    full, predicted = game.spare_seen(releases[names[0]], codebooks=()), {}
    for release in releases.values():
        seen = game.spare_seen(release, codebooks=())
        before, after = record_floor(seen, full, most=setting.n_pool)
        moved = np.abs(seen.outputs - full.outputs).reshape(len(seen.losses), setting.n_pool, -1).mean(axis=(0, 2))
        row = {"noise floor": after, "as trained": before, "function error": -moved,
               "record loss": seen.losses.mean(axis=0)}  # fmt: skip
        for name, values in row.items():
            predicted.setdefault(name, []).append(values)
    return found, {name: np.array(values) for name, values in predicted.items()}


def budget_curve(setting, models=(2, 4, 8, 16, 32, 64), heldout=(100, 300, 1000, 3000, 10_000, 20_000), n_default=16):
    """Return cheap numbers at other budgets: a list of (kind, budget, number, values (Q,)).

    Parameters
    ----------
    setting : Setting
    models, heldout : sequence of int
        How many spare models the numbers read, with the setting's held-out records; and how many of these, with
        ``n_default`` models. "lira" is LiRA among so many models alone: the shadow budget of the attack.

    Returns
    -------
    list of (str, int, str, array (Q,))
    """
    numbers = [*BUDGETED, *(f"r ensemble {how}" for how in indicators.AGGREGATIONS)]
    large = replace(setting, n_indicator=max(models), n_heldout=max(heldout), n_models=8)
    game = prepare(large)
    budgets = [("models", b, b, setting.n_heldout) for b in models]
    budgets += [("held-out", m, min(n_default, max(models)), m) for m in heldout]
    curves = []
    for kind, budget, n, m in budgets:
        part = replace(game, spare=game.spare[:n], spare_members=game.spare_members[:n], x_out=game.x_out[:m],
                       y_out=game.y_out[:m])  # fmt: skip
        named = [*(name for name in numbers if NUMBERS[name].least <= n), *(["lira 16"] if kind == "models" else [])]
        found = assess(part, quantized(*QUANTIZER_SET, granularity=setting.granularity), (), named, draws=1)
        curves += [(kind, budget, name.removesuffix(" 16"), found.value(name)) for name in named]
    return curves
