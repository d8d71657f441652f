"""The text of code: another for all that a function computes with, the same wherever it stands and in every process."""

import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qmis_utils.store.code_text import code_text
from qmis_utils.store.paths import PACKAGE

CODE = """
{above}
class Scaled:
    kind = {kind}
    def __init__(self, by): self.by = by
    def __call__(self, w): return helper(w) * self.by
@functools.cache
def constant(): return {constant}
def helper(w, power={power}, *, names=frozenset({{"a", "b", "c"}})):
    return [np.abs(w) ** power for name in names if name in {{"x", "y", "z"}}], table{used} + constant()
def closed(table=None):
    inner = {cell}
    return lambda w: w + inner
chosen = functools.partial(Scaled({by}), w={at}, then=closed())
"""
AS_IS = {"above": "", "kind": 1, "constant": 7, "power": 2, "used": "", "cell": 5, "by": 3, "at": 4}


def said(table=(0, 1, 2), **changes):
    """Return the text of a function of a notebook, as it is or with some part of it changed."""
    names = {"__name__": "__main__", "np": np, "functools": functools, "table": np.array(table)}
    exec(CODE.format(**AS_IS | changes), names)
    return code_text(names["chosen"])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 2},
        {"constant": 8},
        {"power": 3},
        {"used": ".T"},
        {"cell": 6},
        {"by": 4},
        {"at": 5},
        {"table": (0, 1, 3)},
    ],
    ids=str,
)
def test_code_is_told_apart_by_all_that_it_computes_with(change):
    assert said(**change) == said(**change) != said()


def test_code_is_the_same_wherever_it_stands_and_in_every_process():
    assert said(above="# a comment\n\n\n") == said()
    for hash_seed in "12":
        paths = os.pathsep.join([str(PACKAGE.parent), str(Path(__file__).parent)])
        command = [sys.executable, "-c", "import test_code_text; print(test_code_text.said())"]
        variables = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        assert subprocess.check_output(command, env=variables, text=True) == said() + "\n"


def test_tensors_and_networks_are_told_apart_by_their_numbers():
    import torch

    ones, twos = (torch.full((3,), value) for value in (1.0, 2.0))
    assert code_text(ones) == code_text(ones.clone()) != code_text(twos)
    torch.manual_seed(0)
    nets = [torch.nn.Sequential(torch.nn.Linear(2, 2)) for _ in range(2)]
    assert code_text(nets[0]) != code_text(nets[1])
    nets[1].load_state_dict(nets[0].state_dict())
    assert code_text(nets[0]) == code_text(nets[1])


def test_a_function_that_calls_itself_has_a_text():
    names = {"__name__": "__main__"}
    exec("def half(n): return n and half(n // 2)", names)
    assert "half" in code_text(names["half"])


def test_what_is_installed_is_told_by_its_name():
    assert code_text(functools.wraps) == "functools.wraps"
    assert code_text(code_text) == "qmis_utils.store.code_text.code_text"
    assert code_text([np, int]) == "(numpy, builtins.int)"


def test_a_module_of_the_readers_own_is_told_by_what_stands_in_its_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    texts = []
    for factor in (1, 2):
        (tmp_path / "of_mine.py").write_text(f"def scale(w): return {factor} * w")
        sys.modules.pop("of_mine", None)
        importlib.invalidate_caches()
        names = {}
        exec("import of_mine\ndef rule(w): return of_mine.scale(w)", names)
        texts.append(code_text(names["rule"]))
    assert texts[0] != texts[1]
    assert "of_mine" in texts[0]
    sys.modules.pop("of_mine", None)


def test_what_no_other_process_can_have_is_an_error_that_names_it(tmp_path):
    with (
        (tmp_path / "open").open("w") as file,
        pytest.raises(ValueError, match=r"it reads <_io.TextIOWrapper .*make it"),
    ):
        code_text({"log": file})
