"""One setting of the indicator study: data, models, every attack, every cheap number; used by notebook 02b.

A setting is a row of ``notebooks/settings/02b_settings.yaml``, fixed before results are read. ``evaluate`` returns
plain arrays, so that a sweep can cache it and a notebook can decide.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from qmis_utils import attacks, ensemble, indicators, quantizers

QUANTIZER_SET = [
    *("fp32", "uniform_8", "uniform_4", "uniform_3", "uniform_2", "uniform_mse_4", "uniform_mse_3", "uniform_mse_2"),
    *("midrise_3", "midrise_2", "midrise_1", "lloyd_3", "lloyd_2", "nf4", "pot_4", "apot_4"),
    *("sign", "twn", "b158", "ternary_33", "ternary_50", "ternary_90"),
]


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
    seed: int = 0

    def training(self, **changes):
        """Return the keyword arguments of ``ensemble.train``."""
        names = ("task", "hidden", "steps", "lr", "optimizer", "batch_size", "weight_decay", "init", "seed")
        return {name: getattr(self, name) for name in names} | changes


def load_settings(path):
    """Read settings from a YAML file, a list of mappings.

    Raises ValueError naming the setting and the key if a key is unknown, a name repeats or the split is misspelt.
    """
    settings = []
    for row in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        unknown = set(row) - set(Setting.__dataclass_fields__)
        if unknown:
            raise ValueError(f"setting {row.get('name')!r} has unknown keys {', '.join(sorted(unknown))}")
        settings.append(Setting(**row | {"hidden": tuple(row.get("hidden", (32,)))}))
    names = [s.name for s in settings]
    if len(set(names)) < len(names) or {s.split for s in settings} - {"choose", "judge"}:
        raise ValueError(f"settings need distinct names and split 'choose' or 'judge'; got {names}")
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


def draw_world(setting, rng):
    """Draw what a pool and its held-out records share: mode means (k, d) and values (k,)."""
    means = rng.normal(size=(setting.k_modes, setting.dim)) * setting.separation / np.sqrt(setting.dim)
    return means, rng.normal(size=setting.k_modes)


def losses(logits, y, task):
    """Return the per-record loss, (M, m): cross-entropy, or squared error for regression."""
    s = attacks.signal(logits, y, task)
    return np.square(s) if task == "regression" else np.logaddexp(0, -s)


def likelihoods(logits, y, task, variance=1.0):
    """Return the probability (density for regression, up to a constant) that each model gives to the label."""
    loss = losses(logits, y, task)
    return np.exp(-loss / (2 * variance) if task == "regression" else -loss)


def attack_scores(setting, models, x, y, x_out, y_out, members, gradients=None):
    """Run every attack of the study on one quantizer's models; return name -> scores (M, N)."""
    logits, outside = models.logits(x), models.logits(x_out)
    signals = attacks.signal(logits, y, setting.task)
    loss = losses(logits, y, setting.task)
    confidence = -loss if setting.task == "regression" else signals
    spread = max(losses(outside, y_out, setting.task).mean(), 1e-12)
    shared = (setting.task, spread)
    scores = {
        "lira": attacks.lira(signals, members),
        "lira_offline": attacks.lira(confidence, members, "offline"),
        "rmia": attacks.rmia(likelihoods(logits, y, *shared), likelihoods(outside, y_out, *shared), members),
        "loss": -loss,
    }
    if gradients is not None:
        weights = models.vectors()
        # No LiRA on top of the regression: the shadows' predictions were fitted with the target's membership
        regression = attacks.regress_membership(weights, members)
        combined = regression / regression.std() + scores["lira"] / scores["lira"].std()
        scores |= {"regression": regression, "combined": combined}
        scores["influence"] = attacks.lira(attacks.influence_score(weights, gradients), members)
    return scores


def trajectory(setting, x, y, members):
    """Return the late iterates of one run as an ensemble: the same training stopped at ever later steps."""
    stops = np.unique(np.linspace(setting.steps // 2, setting.steps, setting.n_indicator).astype(int))
    runs = [ensemble.train(x, y, members[:1], **setting.training(steps=int(s))) for s in stops]
    return ensemble.concatenate(runs)


def neighbours(model, name, granularity, n, rng):
    """Return n codewords one level away from Q(model): in each, one random weight moves to an adjacent level."""
    released = model.quantize(name, granularity)
    # where a scale's levels are
    own = {"row": lambda w, at: w[at // w.shape[1]], "tensor": lambda w, at: w}[granularity]
    moved = ensemble.concatenate([released] * n)
    sizes = np.array([w[0].numel() for w in released.weights])
    for copy in range(n):
        layer = rng.choice(len(sizes), p=sizes / sizes.sum())
        flat = moved.weights[layer][copy].view(-1)
        at = rng.integers(len(flat))
        levels = np.unique(own(moved.weights[layer][copy], at).cpu().numpy())
        place = np.searchsorted(levels, flat[at].item())
        choices = [levels[k] for k in (place - 1, place + 1) if 0 <= k < len(levels)]
        if choices:
            flat[at] = float(rng.choice(choices))
    return moved


def rate_estimates(codebooks, x, y, task, draws, seed):
    """Return our estimates of r, (source, aggregation, rate) -> Estimate, for the codebooks of one quantizer."""
    result = {}
    for source, codebook in codebooks.items():
        loss = losses(codebook.logits(x), y, task)
        for kind in indicators.AGGREGATIONS:
            result[f"r {source} {kind}"] = indicators.estimate_rate(loss, kind, draws=draws, seed=seed)
        for kind, found in indicators.cramer_estimates(loss, max(2 * draws // 5, 1), seed).items():
            result[f"r {source} {kind} cramer"] = found
    return result


def survival_estimates(small, full, held, pool, draws, seed):
    """Return the survival correlations of one quantizer, name -> Estimate.

    ``held`` and ``pool`` are (quantized, full-precision) outputs on held-out inputs, for rho, rho_pc1 (from four models
    on) and rho_shape, and on the training pool's inputs, without labels or membership, for rho_pool, in the variant
    "rho_shape". rho_w is between the weights.
    """
    variants = ("rho", "rho_pc1", "rho_shape") if len(full) >= 4 else ("rho", "rho_shape")
    result = {v: indicators.survival_rho(*held, v, draws, seed) for v in variants}
    result["rho_pool"] = indicators.survival_rho(*pool, "rho_shape", draws, seed)
    result["rho_w"] = indicators.survival_rho(small.vectors(), full.vectors(), draws=draws, seed=seed)
    return result


def surviving_weights(small, full, granularity):
    """Return the mean surviving information of a weight over all layers, (models,): the square of sqrt_J.

    A scale's cells are its own: the rows of a matrix are taken apart where each has a scale.
    """
    shares, sizes = [], []
    for q, f in zip(small.weights, full.weights, strict=True):
        rows = q.shape[1] if granularity == "row" else 1
        parts = zip(*(w.cpu().reshape(len(w), rows, -1).unbind(1) for w in (q, f)), strict=True)
        shares += [indicators.surviving_share(a.numpy(), b.numpy(), most=max(1000 // rows, 20)) for a, b in parts]
        sizes += [f[0].numel() / rows] * rows
    return np.average(shares, axis=0, weights=sizes)


def rivals(setting, name, small, full, data, outputs):
    """Return every cheap rival of one quantizer in each model, name -> (K,), oriented so that larger = leaks more.

    ``outputs``: of the quantized models on held-out inputs and on the pool, of the full-precision ones on held-out
    inputs. What is reported is the mean over models, so that a rival has the budget of an indicator.
    """
    _, y, _, y_out, members = data
    quantized, pool, full_logits = outputs
    train = np.average(losses(pool, y, setting.task), axis=1, weights=members)
    test = losses(quantized, y_out, setting.task).mean(axis=1)
    w, v = small.vectors(), full.vectors()
    first = quantizers.quantize(full.weights[0], name, setting.granularity)
    entropy = 32.0 if name == "fp32" else quantizers.code_entropy(first).reshape(len(full), -1).mean(axis=1)
    return {
        "function error": indicators.function_error(quantized, full_logits),
        "weight error": -np.linalg.norm(w - v, axis=1) / np.linalg.norm(v, axis=1),
        "code entropy": np.broadcast_to(entropy, len(full)),
        "sparsity": -np.mean(w == 0, axis=1),
        "bits": np.full(len(full), float(quantizers.QUANTIZERS[name].bits)),
        "train loss": -train,
        "test loss": -test,
        "test accuracy": utility(quantized, y_out, setting.task),
        "generalisation gap": test - train,
    }


def utility(logits, y, task):
    """Return accuracy of each model, or R^2 for regression, (M,)."""
    if task == "regression":
        return 1 - np.square(logits - y).mean(axis=1) / np.var(y)
    guess = logits.argmax(axis=-1) if task == "multiclass" else logits > 0
    return (guess == y).mean(axis=1)


def cheap_attacks(logits, y, members, task):
    """Return the AUC of each indicator model, (K,), under two cheap attacks: one-reference calibration, and LiRA.

    ``logits`` of the quantized models on the pool. LiRA needs three models of either kind for every record; below that
    the calibrated loss takes its place.
    """
    loss = losses(logits, y, task)
    calibrated = attacks.auc(np.roll(loss, 1, axis=0) - loss, members)
    if min(members.sum(axis=0).min(), (~members).sum(axis=0).min()) < 3:
        return {"one reference": calibrated, "lira 16": calibrated}
    scores = attacks.lira(attacks.signal(logits, y, task), members, "online_fixed")
    return {"one reference": calibrated, "lira 16": attacks.auc(scores, members)}


def prepare(setting):
    """Draw the data of a setting and train its attack models and, apart, its indicator models."""
    rng = np.random.default_rng([setting.seed, 2])
    world = draw_world(setting, rng)
    x, y = draw_records(setting, setting.n_pool, world, rng)
    x_out, y_out = draw_records(setting, setting.n_heldout, world, rng)
    members, spare_members = (
        ensemble.random_halves(n, setting.n_pool, rng) for n in (setting.n_models, setting.n_indicator)
    )
    models = ensemble.train(x, y, members, **setting.training())
    spare = ensemble.train(x, y, spare_members, **setting.training(seed=setting.seed + 1))
    return (x, y, x_out, y_out, members), models, (x, y, x_out, y_out, spare_members), spare


def evaluate(setting, names=tuple(QUANTIZER_SET), draws=100):
    """Run one setting whole: every attack and every cheap number on every quantizer.

    Returns a dict: ``auc`` attack -> (M, Q) per target; ``null`` attack -> (M,), the first quantizer's under permuted
    membership; ``value`` and ``draws`` estimator -> (Q,) and (R, Q), all oriented so that larger = leaks more;
    ``predicted`` (law, attack) -> (Q,) AUC; ``utility`` (Q,).
    """
    data, models, spare_data, spare = prepare(setting)
    x, y, x_out, y_out, members = data
    rng = np.random.default_rng([setting.seed, 3])
    null, full = attacks.permuted(members, rng), (spare.logits(x_out), spare.logits(x))
    gradients = ensemble.record_gradients(models, x, y) if setting.white_box else None
    path = trajectory(setting, x, y, spare_data[-1])
    rows = []
    for name in names:
        released = models.quantize(name, setting.granularity)
        if name == names[0]:
            null_scores = attack_scores(setting, released, x, y, x_out, y_out, null, gradients)
        scores = attack_scores(setting, released, x, y, x_out, y_out, members, gradients)
        row = {"auc": {attack: attacks.auc(score, members) for attack, score in scores.items()}}
        rows.append(row | _cheap_numbers(setting, name, data, spare_data, spare, path, full, draws, rng))
    signals = attacks.signal(models.logits(x), y, setting.task)
    held = attacks.signal(full[0], y_out, setting.task) if setting.task == "multiclass" else full[0]
    result = _collect(rows, signals, members, held.var(axis=0).mean(), draws, rng)
    return result | {"null": {attack: attacks.auc(score, null) for attack, score in null_scores.items()}}


def _cheap_numbers(setting, name, data, spare_data, spare, path, full, draws, rng):
    """Return what the indicator's models, ``spare`` and a training ``path``, say about one quantizer."""
    x, y, x_out, y_out, _ = data
    small = spare.quantize(name, setting.granularity)
    held, pool = small.logits(x_out), small.logits(x)
    books = {"ensemble": small, "trajectory": path.quantize(name, setting.granularity)}
    if name != "fp32":
        books["neighbourhood"] = neighbours(spare[:1], name, setting.granularity, setting.n_indicator, rng)
    return {
        "rates": rate_estimates(books, x_out, y_out, setting.task, draws, setting.seed),
        "survived": survival_estimates(small, spare, (held, full[0]), (pool, full[1]), draws, setting.seed),
        "per_model": rivals(setting, name, small, spare, spare_data, (held, pool, full[0]))
        | cheap_attacks(pool, y, spare_data[-1], setting.task),
        "J": surviving_weights(small, spare, setting.granularity),
        "utility": utility(held, y_out, setting.task).mean(),
    }


def repeat(setting, reference, names=tuple(QUANTIZER_SET)):
    """Run the reference attacks and the cheapest numbers alone: what a setting says with another seed.

    Parameters: ``setting`` with a seed of its own, ``reference`` threat -> attack, "lira" and "regression"; the latter
    runs where the setting is ``white_box``. Returns a dict as ``evaluate`` does, with ``auc`` and ``value`` of the
    survival correlations, the rivals and r over all pairs of the ensemble.
    """
    (x, y, x_out, y_out, members), models, spare_data, spare = prepare(setting)
    full, full_pool = spare.logits(x_out), spare.logits(x)
    rows = []
    for name in names:
        released, small = (m.quantize(name, setting.granularity) for m in (models, spare))
        out, pool = small.logits(x_out), small.logits(x)
        scores = {"lira": attacks.lira(attacks.signal(released.logits(x), y, setting.task), members)}
        if setting.white_box and "regression" in reference.values():
            scores["regression"] = attacks.regress_membership(released.vectors(), members)
        survived = survival_estimates(small, spare, (out, full), (pool, full_pool), 1, 0)
        cheap = rivals(setting, name, small, spare, spare_data, (out, pool, full))
        rate = indicators.estimate_rate(losses(out, y_out, setting.task), "all_pairs", draws=1)
        rows.append((
            {attack: attacks.auc(score, members) for attack, score in scores.items()},
            {key: e.value for key, e in survived.items()} | {key: np.mean(v) for key, v in cheap.items()}
            | {"r ensemble all_pairs": -rate.value},
        ))  # fmt: skip
    auc, value = zip(*rows, strict=True)
    return {
        "auc": {attack: np.stack([row[attack] for row in auc], axis=1) for attack in auc[0]},
        "value": {key: np.array([row[key] for row in value]) for key in value[0]},
    }


def _collect(rows, full_signals, members, variance, draws, rng):
    """Turn rows (one per quantizer) into arrays, and add what the laws predict."""
    value, samples = {}, {}
    for name in {key: None for row in rows for key in row["rates"]}:
        estimates = [row["rates"].get(name) for row in rows]
        value[name] = np.array([-e.value if e else np.nan for e in estimates])
        width = max(len(e.draws) for e in estimates if e)
        samples[name] = np.stack([-e.draws if e else np.full(width, np.nan) for e in estimates], axis=1)
    for name in rows[0]["survived"]:
        value[name] = np.array([row["survived"][name].value for row in rows])
        samples[name] = np.stack([row["survived"][name].draws for row in rows], axis=1)
    shares = np.stack([row["J"] for row in rows], axis=1)
    value["sqrt_J"], samples["sqrt_J"] = np.sqrt(shares.mean(axis=0)), np.sqrt(attacks.bootstrap(shares, rng, draws))
    for name in rows[0]["per_model"]:
        models = np.stack([row["per_model"][name] for row in rows], axis=1)
        value[name], samples[name] = models.mean(axis=0), attacks.bootstrap(models, rng, draws)
    auc = {attack: np.stack([row["auc"][attack] for row in rows], axis=1) for attack in rows[0]["auc"]}
    return {
        "auc": auc, "value": value, "draws": samples, "utility": np.array([row["utility"] for row in rows]),
        "predicted": _predict(value, auc, full_signals, members, variance, rng),
    }  # fmt: skip


def _predict(value, auc, full_signals, members, variance, rng):
    """Predict each quantizer's AUC by the closed law and by the simulation law, from the first (full-precision) row."""
    predicted = {}
    for name in ("rho", "rho_pool"):
        rho = np.clip(value[name], 0, 1)
        predicted[f"closed {name}", "lira"] = indicators.survival_law(rho, auc["lira"][:, 0].mean())
        simulated = [indicators.simulated_signals(full_signals, r, variance, rng) for r in rho]
        predicted[f"simulation {name}", "lira"] = np.array(
            [attacks.auc(attacks.lira(s, members), members).mean() for s in simulated]
        )
    for attack in set(auc) & {"regression", "combined"}:
        for name in ("rho_w", "sqrt_J"):
            share = np.clip(value[name], 0, 1)
            predicted[f"closed {name}", attack] = indicators.survival_law(share, auc[attack][:, 0].mean())
    return predicted


def budget_curve(setting, models=(2, 4, 8, 16, 32, 64), heldout=(100, 300, 1000, 3000, 10_000, 20_000), n_default=16):
    """Return cheap numbers at other budgets: a list of (kind, budget, estimator, values (Q,)).

    The survival correlations, r of the ensemble and the function error at each number of models and held-out records,
    and, as the shadow budget of the attack, LiRA's AUC when each model has only the others of that number as shadows.
    """
    large = Setting(**{**setting.__dict__, "n_indicator": max(models), "n_heldout": max(heldout), "n_models": 8})
    _, _, (x, y, x_out, y_out, members), spare = prepare(large)
    full, full_pool = spare.logits(x_out), spare.logits(x)
    budgets = [("models", b, b, setting.n_heldout) for b in models]
    budgets += [("held-out", m, min(n_default, max(models)), m) for m in heldout]
    values = {}
    for name in QUANTIZER_SET:
        small = spare.quantize(name, setting.granularity)
        out, pool = small.logits(x_out), small.logits(x)
        loss = losses(out, y_out, setting.task)
        for kind, budget, n, m in budgets:
            pairs = (out[:n, :m], full[:n, :m]), (pool[:n], full_pool[:n])
            found = {key: e.value for key, e in survival_estimates(small[:n], spare[:n], *pairs, 1, 0).items()}
            for how in indicators.AGGREGATIONS:
                found[f"r ensemble {how}"] = -indicators.estimate_rate(loss[:n, :m], how, draws=1).value
            found["function error"] = indicators.function_error(*pairs[0]).mean()
            if kind == "models":
                found["lira"] = cheap_attacks(pool[:n], y, members[:n], setting.task)["lira 16"].mean()
            for key, value in found.items():
                values.setdefault((kind, budget, key), []).append(value)
    return [(*key, np.array(column)) for key, column in values.items()]
