"""CONTRIBUTING.md: every example runs, what it adds reaches the engine, and the files that it names are there."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from qmis_utils import assess, attacks, ensemble, molecules, quantizers
from qmis_utils.molecules import embeddings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"### (?:A|An) (\w+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def added(monkeypatch):
    """Run an example in registries that a test may change; return its names."""
    for module, name in (
        (quantizers, "QUANTIZERS"),
        (attacks, "ATTACKS"),
        (assess, "NUMBERS"),
        (embeddings, "EMBEDDERS"),
    ):
        for key, value in getattr(module, name).items():
            monkeypatch.setitem(getattr(module, name), key, value)  # undone afterwards, what is added too

    def run(example):
        names = {"__name__": "a_notebook"}
        exec(EXAMPLES[example], names)
        return names

    before = [dict(r) for r in (quantizers.QUANTIZERS, attacks.ATTACKS, assess.NUMBERS, embeddings.EMBEDDERS)]
    yield run
    for registry, old in zip(
        (quantizers.QUANTIZERS, attacks.ATTACKS, assess.NUMBERS, embeddings.EMBEDDERS), before, strict=True
    ):
        registry.clear()
        registry.update(old)


@pytest.fixture(scope="module")
def game():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)).astype(np.float32), np.arange(40) % 2
    halves = [ensemble.random_halves(n, 20, rng) for n in (16, 4)]
    models = [ensemble.train(x[:20], y[:20], h, hidden=(4,), steps=20, seed=s) for s, h in enumerate(halves)]
    return assess.Game(x[:20], y[:20], x[20:], y[20:], models[0], halves[0], models[1], halves[1])


def test_there_is_an_example_for_everything_that_can_be_added():
    assert set(EXAMPLES) == {"quantizer", "attack", "number", "release", "embedder", "task"}
    assert all(len(code.strip().splitlines()) <= 14 for code in EXAMPLES.values())


def test_the_page_names_files_that_are_there():
    for path in re.findall(r"`((?:qmis_utils|tests|notebooks)/[\w/.]+)`", PAGE):
        assert (ROOT / path).exists() or "NN_" in path, path


def test_a_quantizer_an_attack_a_number_and_a_release_reach_the_engine(added, game):
    for example in ("quantizer", "attack", "number"):
        added(example)
    releases = added("release")["releases"] | assess.quantized("half")
    found = assess.assess(game, releases, ["lira_fixed", "worst_loss"], ["rho", "spread", "bits"], draws=3)
    assert found.releases == ["fp32", "sign", "pruned", "half"]
    assert found.auc["worst_loss"].shape == (16, 4)
    np.testing.assert_allclose(found.auc["worst_loss"], assess.assess(game, releases, ["loss"], ["rho"]).auc["loss"])
    assert found.value("bits")[[1, 3]].tolist() == [1, 1]
    assert found.value("spread")[0] == pytest.approx(game.spare.logits(game.x_out).std(axis=0).mean())


def test_an_embedder_and_a_task_give_tables(added):
    added("embedder")
    assert embeddings.embed(["CCO"], "letters").tolist() == [[2, 0, 1]]
    frame = added("task")["frame"]
    assert len(frame) == 1909
    assert frame.attrs["kind"] == molecules.TASKS["BBB_Martins"].kind == "binary"


def test_hooks_and_workflow_call_what_the_repository_calls():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "jupytext"}
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert any(step.get("run") == "bash .ci/run" for step in workflow["jobs"]["check"]["steps"])


def test_the_changelog_ends_in_this_version():
    from importlib.metadata import version

    found = re.findall(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found[0] == version("qmis-utils")
