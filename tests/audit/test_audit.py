"""The audit of a reader's own model: its numbers by hand, bits restored, bad input named, hostile names escaped."""

import copy
import dataclasses
import html.parser
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from qmis_utils import assess, attacks, audit, ensemble, figures, indicators, quantizers
from qmis_utils.audit import checks, modules
from qmis_utils.audit.modules import quantized
from qmis_utils.audit.report import PANELS

BCE = nn.BCEWithLogitsLoss(reduction="none")
N, DIM, MODELS = 60, 10, 16
HOW = {"skip": [], "include": [], "embeddings": False, "granularity": "tensor"}
NAMES = ["uniform_4", "sign", "ternary_90"]


@pytest.fixture(scope="module")
def world():
    """A pool, held-out records and sixteen trained networks, once as an ensemble and once as torch modules."""
    rng = np.random.default_rng(0)
    x, x_new = (rng.normal(size=(n, DIM)).astype(np.float32) for n in (N, 80))
    y, y_new = ((a[:, 0] + rng.normal(size=len(a)) > 0).astype(np.int64) for a in (x, x_new))
    members = ensemble.random_halves(MODELS, N, rng)
    models = ensemble.train(x, y, members, hidden=(12,), steps=80)
    return (x, y), (x_new, y_new), members, models, [as_module(models, i) for i in range(MODELS)]


def cross_entropy(logits, y):
    return np.logaddexp(0, -attacks.signal(logits, y, "binary"))


def as_module(models, index):
    module = mlp()
    with torch.no_grad():
        for layer, w, b in zip(module[::2], models.weights, models.biases, strict=True):
            layer.weight.copy_(w[index])
            layer.bias.copy_(b[index])
    return module


def mlp(*extra):
    return nn.Sequential(nn.Linear(DIM, 12), nn.ReLU(), nn.Linear(12, 1), *extra)


def run(world, **changes):
    pool, heldout, members, _, modules = world
    given = {"model": modules, "loss": BCE, "members": pool, "heldout": heldout, "quantizers": NAMES, "draws": 20}
    known = {} if "model" in changes else {"trained_on": members}
    return audit.audit(**given | known | changes)


@pytest.fixture(scope="module")
def report(world):
    return run(world)


def test_audit_of_modules_gives_the_numbers_of_the_ensemble(world, report):
    (x, _), (x_new, y_new), _, models, _ = world
    assert "r" not in report.table
    with_r = run(world, paper_r=True)
    for name in NAMES:
        small, row = models.quantize(name), report.table.loc[name]
        pool = indicators.survival_rho(small.logits(x), models.logits(x), "rho_shape", draws=20)
        held = indicators.survival_rho(small.logits(x_new), models.logits(x_new), draws=20)
        weights = indicators.survival_rho(small.vectors(), models.vectors(), draws=20)
        r = indicators.estimate_rate(cross_entropy(small.logits(x_new), y_new), draws=20)
        row = pd.concat([row, with_r.table.loc[name, ["r", "r_low", "r_high"]]])
        for key, estimate in {"rho_pool": pool, "rho": held, "rho_w": weights, "r": r}.items():
            assert row[[key, f"{key}_low", f"{key}_high"]].tolist() == pytest.approx(
                [estimate.value, estimate.low, estimate.high], abs=1e-5
            )
        assert row.utility == pytest.approx(assess.utility(small.logits(x_new), y_new, "binary").mean())


def test_attack_is_leave_one_out_lira_on_the_same_signals(world, report):
    (x, y), _, members, models, _ = world
    usable = np.minimum(members.sum(axis=0), MODELS - members.sum(axis=0)) >= 3
    for name in ["fp32", *NAMES]:
        signals = attacks.signal(models.quantize(name).logits(x), y, "binary")[:, usable]
        scores = attacks.lira(signals, members[:, usable], "online_fixed")
        assert report.table.auc_lira[name] == pytest.approx(attacks.auc(scores, members[:, usable]).mean(), abs=1e-4)
    law = indicators.survival_law(np.clip(report.table.rho, 0, 1), report.table.auc_lira["fp32"])
    assert report.table.auc_law.to_numpy() == pytest.approx(law)


def test_the_strongest_of_three_attacks_is_picked_on_other_targets(world, report):
    (x, y), (x_new, y_new), members, models, _ = world
    for name in ["fp32", *NAMES]:
        small = models.quantize(name)
        losses = cross_entropy(small.logits(x), y)
        scores = {
            "lira": attacks.lira(attacks.signal(small.logits(x), y, "binary"), members, "online_fixed"),
            "rmia": attacks.rmia(np.exp(-losses), np.exp(-cross_entropy(small.logits(x_new), y_new)), members),
            "loss": -losses,
        }
        auc = {attack: attacks.auc(values, members) for attack, values in scores.items()}
        first, second = np.arange(MODELS) < MODELS // 2, np.arange(MODELS) >= MODELS // 2
        picked = [max(auc, key=lambda a, other=other: auc[a][other].mean()) for other in (second, first)]
        expected = (auc[picked[0]][first].sum() + auc[picked[1]][second].sum()) / MODELS
        assert report.table.auc[name] == pytest.approx(expected, abs=1e-3)
        best = max(auc, key=lambda a: auc[a].mean())
        assert report.table.attack[name] == {"lira": "LiRA", "rmia": "RMIA", "loss": "loss threshold"}[best]


def test_full_precision_is_the_identity(report):
    row = report.table.loc["fp32"]
    assert row[["rho", "rho_pool", "rho_w"]].to_numpy(float) == pytest.approx(1)
    assert row.auc_simulated == row.auc_lira == row.auc_law
    assert row[["gain", "gain_low", "gain_high", "lost", "lost_low", "lost_high"]].tolist() == [0] * 6
    assert row.weight_error == 0
    assert report.table["rank"].max() == row["rank"]
    assert (report.layers.quantizer != "fp32").all()


@pytest.mark.gpu
@pytest.mark.parametrize("data", ["cpu", "cuda"])
def test_models_on_a_gpu_get_the_report_of_the_processor(world, report, data):
    pool, heldout, members, _, modules = world
    there = [tuple(torch.as_tensor(a, device=data) for a in records) for records in (pool, heldout)]
    models = [copy.deepcopy(module).to("cuda") for module in modules]
    given = {"model": models, "trained_on": members, "members": there[0], "heldout": there[1]}
    pd.testing.assert_frame_equal(run(world, **given).table, report.table, atol=0.01)  # ranks of near ties may differ
    assert all(p.is_cuda for module in models for p in module.parameters())


@pytest.mark.gpu
def test_a_function_may_train_on_a_gpu(world):
    def train(inputs, labels, seed):
        torch.manual_seed(seed)
        module, x, y = mlp().to("cuda"), inputs.to("cuda"), labels.to("cuda", torch.float32)
        moves = torch.optim.Adam(module.parameters(), lr=0.02)
        for _ in range(60):
            moves.zero_grad()
            BCE(module(x)[:, 0], y).mean().backward()
            moves.step()
        return module

    table = run(world, model=train, n_shadows=8).table
    assert table.auc["fp32"] > 0.55
    assert table.loc["sign", "rho_pool"] < table.loc["uniform_4", "rho_pool"] < 1


def test_permuted_membership_is_what_the_attack_must_beat(world, report):
    row = report.table.loc["fp32"]
    assert row.null_low < 0.5 < row.null_high < row.auc_low
    assert row.null == pytest.approx(0.5, abs=0.01)


def test_records_without_shadows_of_both_kinds_are_left_out(world, report):
    everywhere = world[2].copy()
    everywhere[:, 0] = True
    fewer = run(world, trained_on=everywhere)
    assert (
        fewer.facts.shown()["attack"] == "LiRA, RMIA and loss threshold on 98% of the members, outputs alone, pool game"
    )
    (x, y), _, _, models, _ = world
    signals = attacks.signal(models.logits(x), y, "binary")[:, 1:]
    scores = attacks.lira(signals, everywhere[:, 1:], "online_fixed")
    assert fewer.table.auc_lira["fp32"] == pytest.approx(attacks.auc(scores, everywhere[:, 1:]).mean(), abs=1e-4)


def test_models_of_unknown_members_get_correlations_but_no_attack(world, report):
    unknown = run(world, trained_on=None)
    assert "auc" not in unknown.table
    assert unknown.table.rho_pool.to_dict() == report.table.rho_pool.to_dict()
    assert any("trained_on" in advice for advice in unknown.advice)
    assert unknown.verdict.kind == "cannot be decided"
    assert unknown.facts.shown()["records a model trained on"] == "not known"
    assert unknown.records.empty
    with pytest.raises(ValueError, match=r"trained_on must have .* \(16, 60\); got \(60, 16\)"):
        run(world, trained_on=world[2].T)


def test_size_counts_codes_scales_and_what_stays(report):
    weights, rest = 12 * DIM + 12, 13
    assert report.table.kilobytes["fp32"] == pytest.approx(4 * (weights + rest) / 1000)
    assert report.table.kilobytes["uniform_4"] == pytest.approx((weights / 2 + 2 * 4 + 4 * rest) / 1000)
    assert report.table.bits["fp32"] == 32
    first = report.layers[report.layers.quantizer == "ternary_90"].iloc[0]
    assert (first["layer"], first["shape"], first["zeros"]) == ("0.weight", "12 x 10", 0.9)


def test_a_training_function_is_called_with_random_halves(world):
    (x, _), *_ = world
    seen = []

    def train(inputs, labels, seed):
        torch.manual_seed(seed)
        seen.append((len(inputs), len(labels), seed))
        return mlp()

    report = run(world, model=train, n_shadows=3, seed=5)
    assert seen == [(N // 2, N // 2, 5 + i) for i in range(3)]
    assert len(x) == report.facts.members
    assert "auc" not in report.table  # three models leave no shadows
    assert any("too narrow" in warning for warning in report.warnings)
    again = run(world, model=train, n_shadows=3, seed=5)
    assert again.provenance["hash of the models"] == report.provenance["hash of the models"]
    assert dataclasses.replace(again, provenance={}).html() == dataclasses.replace(report, provenance={}).html()


def test_one_model_gets_the_rivals_and_a_warning(world):
    (x, y), (x_new, y_new), _, models, modules = world
    report = run(world, model=modules[0])
    full, small = models[:1].logits(x_new)[0], models[:1].quantize("sign").logits(x_new)[0]
    gain = small @ full / (full @ full)
    error = np.sqrt(np.square(small - gain * full).mean() / np.square(small).mean())
    assert report.table.function_error["sign"] == pytest.approx(error, abs=1e-5)
    inside, outside = (cross_entropy(models[:1].logits(a), b)[0] for a, b in ((x, y), (x_new, y_new)))
    pairs = (inside[:, None] < outside).mean()
    assert report.table.loss_auc["fp32"] == pytest.approx(pairs, abs=1e-6)
    assert "rho_pool" not in report.table
    assert any("One model" in warning for warning in report.warnings)
    assert report.table.function_error["fp32"] == pytest.approx(0, abs=1e-6)


def test_threshold_auc_has_the_interval_of_delong():
    """Simulated truth: two unit normals one apart have AUC .760; the interval covers it about 95 times in 100."""
    rng = np.random.default_rng(0)
    draws = [audit.threshold_auc(rng.normal(size=60), rng.normal(1, size=80)) for _ in range(400)]
    covered = np.mean([low <= 0.7602 <= high for _, low, high in draws])
    assert 0.91 < covered < 0.985


def test_weights_of_a_large_model_are_sampled_of_each_tensor_its_share():
    large, small = torch.arange(30_000.0).reshape(300, 100), -1 - torch.arange(10_000.0).reshape(100, 100)
    sampled = modules._sampled([large, small])
    assert len(np.unique(sampled)) == len(sampled) == modules.MOST
    assert ((sampled >= 0).sum(), (sampled < 0).sum()) == (15_000, 5_000)
    assert (modules._sampled([large, small]) == sampled).all()


@pytest.mark.parametrize("granularity", ["tensor", "row"])
def test_quantized_weights_are_those_of_the_rule(world, granularity):
    module = as_module(world[3], 3)
    with quantized(module, "uniform_3", granularity=granularity) as rows:
        expected = world[3][3:4].quantize("uniform_3", granularity)
        for layer, weight, row in zip(module[::2], expected.weights, rows, strict=True):
            assert torch.equal(layer.weight, weight[0])
            before = world[3].weights[int(row["layer"][0]) // 2][3]
            assert row["error"] == pytest.approx(float((weight[0] - before).norm() / before.norm()), rel=1e-5)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_every_bit_is_restored(world, dtype):
    module = mlp(nn.Flatten(), nn.BatchNorm1d(1), nn.Dropout(0.5)).to(dtype)
    module[0].eval()
    before, modes = state(module), [layer.training for layer in module.modules()]
    run(world, model=module)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert [layer.training for layer in module.modules()] == modes


def test_every_bit_is_restored_when_the_loss_raises(world):
    module, calls = mlp(), []
    before = state(module)

    def failing(z, y):
        calls.append(0)
        if len(calls) == 9:
            raise KeyError("the reader's own mistake")
        return BCE(z, y)

    with pytest.raises(KeyError, match="own mistake"):
        run(world, model=module, loss=failing)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert module.training


def test_a_full_disk_is_one_clear_error_and_changes_nothing(world, monkeypatch):
    module, save = mlp(), torch.save
    before = state(module)
    monkeypatch.setattr(torch, "save", lambda tensor, path: save(tensor, path) if "0.pt" in path else full_disk())
    with pytest.raises(OSError, match=r"no room for the original of layer '2.weight' .* TMPDIR"):
        run(world, model=module)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


MEMORY = """
from pathlib import Path
from torch import nn
from qmis_utils.audit.modules import quantized

def status(name):  # the kernel's own record: getrusage of a child remembers its parent's memory
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024

model, small = nn.Linear(4096, 2560, bias=False), nn.Linear(8, 8)
for name in ("uniform_8", "lloyd_2"):
    with quantized(small, name):  # what is imported on first use is no tensor
        pass
before = status("VmRSS")
for name in ("uniform_8", "lloyd_2"):
    with quantized(model, name):
        pass
    print((status("VmHWM") - before) / model.weight.nbytes)
"""


def test_quantizing_in_place_takes_at_most_five_times_the_tensor():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    uniform, lloyd = map(float, done.stdout.split())
    assert uniform < 2.5
    assert lloyd < 5


def full_disk():
    raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")


def test_batches_give_what_one_batch_gives(world):
    tables = [run(world, batch_size=size).table.drop(columns=["cautions", "attack"]) for size in (7, 1000)]
    np.testing.assert_allclose(*(t.to_numpy(float) for t in tables), rtol=1e-3, atol=1e-4)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(6, 8)
        self.block = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "norm": nn.LayerNorm(8)})
        self.conv = nn.Conv1d(8, 8, 3)
        self.lm_head = nn.Linear(8, 6, bias=False)
        self.lm_head.weight = self.embed.weight


def test_skip_lists_shared_weights_and_embeddings():
    net = Net()
    attention = ["block.attention.in_proj_weight", "block.attention.out_proj.weight"]
    assert list(audit.find_weights(net)) == [*attention, "conv.weight", "lm_head.weight"]
    assert list(audit.find_weights(net, embeddings=True)) == ["embed.weight", *attention, "conv.weight"]
    assert list(audit.find_weights(net, skip=["lm_head", "*.norm", "block"])) == ["conv.weight"]
    assert list(audit.find_weights(net, skip=["embed", "*.out_proj"])) == [attention[0], "conv.weight"]


def test_classes_and_regression_are_read_off_the_data(world):
    x, x_new = world[0][0], world[1][0]
    rng = np.random.default_rng(1)
    many = nn.Sequential(nn.Linear(DIM, 3))
    labels = rng.integers(3, size=N), rng.integers(3, size=80)
    report = run(world, model=many, loss=nn.CrossEntropyLoss(reduction="none"),
                 members=(x, labels[0]), heldout=(x_new, labels[1]))  # fmt: skip
    assert report.facts.task == "multiclass"
    as_floats = run(world, model=many, loss=nn.CrossEntropyLoss(reduction="none"),
                    members=(x, labels[0].astype(np.float32)), heldout=(x_new, labels[1].astype(float)))  # fmt: skip
    pd.testing.assert_frame_equal(as_floats.table, report.table)
    values = rng.normal(size=N), rng.normal(size=80)
    report = run(
        world, model=mlp(), loss=nn.MSELoss(reduction="none"), members=(x, values[0]), heldout=(x_new, values[1])
    )
    assert report.facts.task == "regression"
    assert report.table.utility["fp32"] < 0


def test_copies_of_records_are_counted(world):
    (x, y), (x_new, y_new), *_ = world
    doubled = np.concatenate([x[:1], x[:1], x[2:]]), y
    report = run(world, model=mlp(), members=doubled, heldout=(np.concatenate([x[:1], x_new[1:]]), y_new))
    assert (report.facts.copies, report.facts.repeated) == (1, 1)
    assert sum("copies" in warning for warning in report.warnings) >= 1


CROSS = nn.CrossEntropyLoss(reduction="none")
BEYOND = np.zeros((4, DIM), np.float32), np.arange(4)
BAD = {
    "no quantizable layer": ({"model": nn.ReLU()}, "no quantizable layer"),
    "all skipped": ({"skip": ["*"]}, "no quantizable layer"),
    "skip matches nothing": ({"skip": ["hed"], "model": nn.ModuleDict({"head": nn.Linear(3, 1)})}, "mean 'head'"),
    "loss is a mean": ({"loss": nn.BCEWithLogitsLoss()}, r"not per sample: shape \(\)"),
    "loss looks at the batch": ({"loss": lambda z, y: BCE(z, y) / BCE(z, y).sum()}, "depends on the other records"),
    "loss fails": ({"loss": lambda z, y: z.missing}, "failed on held-out records"),
    "loss is nan": ({"loss": lambda z, y: BCE(z, y) * float("nan")}, "NaN or infinite for 60 records, first"),
    "unknown quantizer": ({"quantizers": ["unifrom_4"]}, "did you mean 'uniform_4'"),
    "name used elsewhere": ({"quantizers": ["int8"]}, "did you mean 'uniform_8'"),
    "no draws": ({"draws": 1}, "draws must be"),
    "granularity": ({"granularity": 7}, "layer '0.weight': granularity must be"),
    "granularity as a text": ({"granularity": "block"}, "granularity must be 'tensor', 'row' or the length of a block"),
    "granularity of one rule": ({"quantizers": ["sign/blocks"]}, "'sign/blocks' must end in /tensor, /row or the"),
    "a release without a name": ({"quantizers": {1: "sign"}}, "must give each release a name, a text; got 1"),
    "a release of no kind": ({"quantizers": {"mine": 4}}, "'mine' must be a quantizer's name or a function"),
    "full precision by another name": ({"quantizers": {"mine": "fp32"}}, "'fp32' is the model as given"),
    "a function for full precision": ({"quantizers": {"fp32": copy.copy}}, "'fp32' is the model as given"),
    "a release that fails": ({"quantizers": {"mine": lambda model: model.missing}}, "'mine': its function failed"),
    "a release that is nothing": ({"quantizers": {"mine": lambda model: None}}, "must return what is called on inputs"),
    "utility as a text": ({"utility": "f1"}, "utility must be 'auroc' or a function"),
    "no quantizer": ({"quantizers": []}, "at least one rule"),
    "quantizers as a number": ({"quantizers": 4}, "quantizers must be a list of texts, such as"),
    "quantizers as None": ({"quantizers": None}, "quantizers must be a list of texts"),
    "quantizers in a list of lists": ({"quantizers": [["sign"]]}, "quantizers must be a list of texts"),
    "skip as a number": ({"skip": 3}, "skip must be a list of texts"),
    "skip as None": ({"skip": None}, "skip must be a list of texts"),
    "draws not whole": ({"draws": 20.5}, "draws must be at least 20, a whole number; got 20.5"),
    "batch size not whole": ({"batch_size": 2.5}, "batch_size must be at least 1, a whole number; got 2.5"),
    "shadows as text": ({"n_shadows": "4"}, "n_shadows must be at least 2, a whole number; got '4'"),
    "shadows not whole": ({"n_shadows": 2.5}, "n_shadows must be at least 2, a whole number; got 2.5"),
    "seed as text": ({"seed": "a"}, "seed must be at least 0, a whole number; got 'a'"),
    "seed below zero": ({"seed": -1}, "seed must be at least 0"),
    "tolerance as text": ({"tolerance": "x"}, "tolerance must be a finite number"),
    "embeddings as text": ({"embeddings": "no"}, "embeddings must be True or False"),
    "title as a number": ({"title": 5}, "title must be text"),
    "loss as text": ({"loss": "bce"}, "loss must be a function"),
    "trained_on for one model": ({"trained_on": np.ones((1, N), bool)}, "trained_on belongs to a list of models"),
    "trained_on of probabilities": (
        {"model": [mlp(), mlp()], "trained_on": np.linspace(0, 1, 2 * N).reshape(2, N)}, "must hold True and False"
    ),
    "trained_on of uneven rows": ({"model": [mlp(), mlp()], "trained_on": [[1], [1, 0]]}, "a row per model"),
    "a class": ({"model": nn.Linear}, "Linear is a class, so build and train one of it"),
    "a lazy layer": ({"model": nn.LazyLinear(1)}, "'weight' has no shape yet: pass one batch"),
    "unknown task": ({"task": "ranking"}, "task must be one of"),
    "wrong task": ({"task": "multiclass"}, "task must be one of"),
    "not a model": ({"model": 3}, "model must be a torch module"),
    "one model as a list": ({"model": [mlp()]}, "two different"),
    "two architectures": ({"model": [mlp(), nn.Linear(DIM, 1)]}, "one architecture"),
    "train returns nothing": ({"model": lambda x, y, seed: None}, "must return a torch module"),
    "outputs of three axes": ({"model": nn.Sequential(nn.Linear(DIM, 4), nn.Unflatten(1, (2, 2)))}, "outputs must be"),
    "probabilities": ({"model": nn.Sequential(nn.Linear(DIM, 2), nn.Softmax(1)), "loss": CROSS}, "return logits"),
    "labels beyond the classes": (
        {"model": nn.Linear(DIM, 2), "loss": CROSS, "members": BEYOND}, "members' labels .* 0..1, .* record 2 has 2"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_audited_is_named(world, changes, message):
    with pytest.raises(ValueError, match=message):
        run(world, **{"model": mlp()} | changes)


@pytest.mark.parametrize("role", ["members", "heldout"])
def test_bad_records_are_named(world, role):
    x, y = world[0] if role == "members" else world[1]
    for bad, message in [
        (x, "pair"),
        (torch.utils.data.DataLoader(list(zip(x, y, strict=True))), "pair .*; got DataLoader"),
        ((x, y[:-1]), "inputs .* and labels"),
        ((x[:0], y[:0]), "two records"),
        ((x.astype(str), y), "numbers"),
        ((np.full_like(x, np.nan), y), "NaN"),
        ((x[:, :3], y), "must agree"),
    ]:
        with pytest.raises(ValueError, match=message):
            run(world, model=mlp(), **{role: bad})


def test_outputs_that_may_be_probabilities_are_warned_of(world):
    report = run(world, model=mlp(nn.Sigmoid()))
    assert any("return logits" in warning for warning in report.warnings)


def test_members_given_as_held_out_data_are_detected(world):
    with pytest.raises(ValueError, match="60 of 60 held-out records are exact copies of members"):
        run(world, heldout=world[0])


@pytest.mark.parametrize("shape", [(DIM,), (5, 2), (60,)])
def test_near_copies_of_members_are_detected_and_fresh_records_are_not(shape):
    """A thousand fresh records, near each other in one dimension, fingerprints with one bit more: none is a copy."""
    rng = np.random.default_rng(3)
    x, x_new = (torch.as_tensor(rng.normal(size=(1000, *shape)) * 1e3 + 7, dtype=torch.float32) for _ in range(2))
    labels = torch.arange(1000) % 2

    def counted(members, heldout, allowed=False):
        return checks.copies((members, labels[: len(members)]), (heldout, labels[: len(heldout)]), allowed)

    assert counted(x, x_new) == (0, 0, 0)
    for copied in (x + 1e-3, x.half().float(), x * (1 + 1e-6)):
        with pytest.raises(ValueError, match=r"(9\d\d|1000) of 1000 .* copies, exact or but for rounding, of"):
            counted(x, copied)
    few = torch.cat([x[:50] + 1e-3, x_new[50:]])
    assert counted(x, few) == (50, 0, 0)
    assert checks.copies((x, labels), (few, 1 - labels)) == (0, 50, 0)  # the inputs of a member, and another label
    assert counted(x, x, allowed=True) == (1000, 0, 0)
    bits = (torch.rand(1000, 200, generator=torch.Generator().manual_seed(0)) < 0.03).float()
    longer = bits.clone()
    longer[range(1000), [int((row == 0).nonzero()[0]) for row in bits]] = 1  # one bit more is another molecule
    known = {tuple(row) for row in bits.tolist()}
    fresh = longer[[tuple(row) not in known for row in longer.tolist()]]
    unique = bits.unique(dim=0)
    assert counted(unique, fresh)[:2] == (0, 0)
    line = torch.as_tensor(rng.normal(size=(2, 1000, 1)), dtype=torch.float32)
    assert sum(counted(*line)) <= 10
    assert counted(torch.arange(1000)[:, None], torch.arange(1000, 2000)[:, None]) == (0, 0, 0)


def test_weights_that_are_not_finite_name_their_layer(world):
    module = mlp()
    with torch.no_grad():
        module[2].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        run(world, model=module)
    with pytest.raises(ValueError, match=r"layer '2.weight'"), quantized(module, "sign"):
        pass


HOSTILE = '<script>alert("1")</script><img src=http://evil.example/x>'


class Reader(html.parser.HTMLParser):
    """Collect the tags, addresses and visible text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.text = set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_the_page_stands_alone_and_shows_hostile_names_as_text(world, monkeypatch, tmp_path):
    layer, rule = HOSTILE.replace(".", ""), "sign" + HOSTILE
    monkeypatch.setitem(quantizers.QUANTIZERS, rule, quantizers.QUANTIZERS["sign"])
    module = nn.Sequential()
    module.add_module(layer, nn.Linear(DIM, 1))
    for title in ("title " + HOSTILE, "$title ${table} $\\frac{"):
        report = run(world, model=module, quantizers=[rule], title=title)
        report.save(tmp_path / "a.html")
        page = Reader()
        page.feed((tmp_path / "a.html").read_text(encoding="utf-8"))
        assert page.text.count(title) == 2  # title and heading
        assert layer in page.text
        assert rule in page.text
        assert not page.tags & {"script", "link", "iframe", "object", "a", "form"}
        assert len(page.addresses) == 2
        assert all(source.startswith("data:image/png;base64,") for source in page.addresses)


def test_the_report_says_what_its_table_says(report):
    pretty = report.pretty()
    best = report.table.index[0]
    assert f"{best} is ranked most private (rho_pool {pretty.rho_pool[best]})" in report.advice[0]
    assert report.verdict.text in report.html().replace("&#x27;", "'")
    assert not any("n r" in line for line in (*report.warnings, *report.advice))
    assert "unquantized" not in " ".join(report.warnings)
    axes = report.figure().axes
    assert len(axes) == 4
    assert [tick.get_text() for tick in axes[0].get_yticklabels()] == figures.words(report.table.index)
    assert "full precision" in figures.words(report.table.index)


def test_titles_and_captions_fit_their_panels_and_survival_names_its_column(report):
    long = report.table.rename(index={"uniform_4": "uniform_mse_4"})  # the longest label that a rule has
    fig = dataclasses.replace(report, table=long).figure()
    draw = FigureCanvasAgg(fig).get_renderer()
    fig.draw(draw)
    for ax, column in zip(fig.axes, [column for column in PANELS if column in long], strict=True):
        for text in (ax.title, ax.xaxis.label):
            assert text.get_window_extent(draw).width <= ax.get_window_extent(draw).width, text.get_text()
        if column.startswith("rho"):
            assert ax.get_title().startswith("survival in ")
            assert ax.get_xlabel().startswith(f"{column};")


def test_a_readers_own_quantizer_keeps_its_name_in_the_figure(world, monkeypatch):
    mine = "mine_$2$"
    monkeypatch.setitem(quantizers.QUANTIZERS, mine, quantizers.QUANTIZERS["sign"])
    labels = run(world, model=mlp(), quantizers=[mine]).figure().axes[0].get_yticklabels()
    assert {tick.get_text() for tick in labels} == {mine, "full precision"}


def test_training_functions_that_cannot_serve_are_named(world):
    one = mlp()
    with pytest.raises(ValueError, match="returned the same model twice: build a new one"):
        run(world, model=lambda x, y, seed: one)
    with pytest.raises(ValueError, match="gave equal weights on other members"):
        run(world, model=lambda x, y, seed: copy.deepcopy(one))
    with pytest.raises(ValueError, match=r"called as train\(inputs, labels, seed\): too many positional arguments"):
        run(world, model=lambda x, y: mlp())
    with pytest.raises(ValueError, match="got OrderedDict"):
        run(world, model=mlp().state_dict())
    with pytest.raises(ValueError, match="n_shadows must be at least 2, a whole number; got 1"):
        run(world, model=lambda x, y, seed: mlp(), n_shadows=1)


def test_a_training_that_fails_costs_only_itself(world):
    def train(inputs, labels, seed):
        if seed in (2, 5):
            raise RuntimeError("out of memory")
        torch.manual_seed(seed)
        return mlp()

    report = run(world, model=train, n_shadows=16)
    assert report.facts.models == 14
    assert report.facts.failed == ("2: RuntimeError: out of memory", "5: RuntimeError: out of memory")
    assert any("2 trainings failed" in warning for warning in report.warnings)
    halves = ensemble.random_halves(16, N, np.random.default_rng(0))
    assert report.facts.trained == round(halves[[k for k in range(16) if k not in (2, 5)]].sum(axis=1).mean())
    with pytest.raises(ValueError, match="trainings failed, and fewer than two are left: 0: ZeroDivisionError"):
        run(world, model=lambda x, y, seed: 1 / 0, n_shadows=3)


class AsDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = mlp()

    def forward(self, x):
        return {"logits": self.inner(x)}


def test_a_model_that_returns_a_dict_is_told_to_return_logits(world):
    with pytest.raises(ValueError, match="the model returned dict, not a tensor: wrap it so that it returns logits"):
        run(world, model=AsDict())


def test_a_model_no_better_than_a_constant_guess_gets_no_recommendation(world):
    x_new, _ = world[1]
    report = run(world, model=mlp(), heldout=(x_new, np.arange(len(x_new)) % 2))
    assert report.table.loc["fp32", "utility_low"] <= report.facts.guess
    assert (report.verdict.kind, report.verdict.release) == ("no model to ship", None)
    assert not any("most private" in line for line in report.advice)
    assert "no release of it is recommended" in repr(report)
