"""The exercises: each solution passes, wrong answers get hints and no solution, and both sets of notebooks run."""

import ast
import re
import symtable

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn

from qmis_utils import attacks, exercises, run
from qmis_utils.runner import notebooks
from qmis_utils.store import paths

EXERCISES = exercises.read_exercises()
NOTEBOOKS = {
    stem: path
    for stem, path in notebooks.find_notebooks(run.NOTEBOOKS).items()
    if stem.split("_")[0] in {key.split(".")[0] for key in EXERCISES}
}
KEYS = list(EXERCISES)
NUMBERS = [key for key in KEYS if isinstance(EXERCISES[key], exercises.Number)]
CHECK = re.compile(r'exercises\.check\("([\w.]+)"')
RIGHT = re.compile(r"\w\.\d: right")

each_notebook = pytest.mark.parametrize("stem", NOTEBOOKS)


def tagged(stem, tag):
    return [cell for cell in notebooks.read_notebook(NOTEBOOKS[stem]).cells if notebooks.has_tag(cell, tag)]


def solutions(stem):
    """Return the code of the solutions; beside it, words may say why."""
    return [cell for cell in tagged(stem, "solution") if cell.cell_type == "code"]


def imports(stem):
    """Return a namespace with what the import cells of a notebook make."""
    namespace = {}
    for cell in notebooks.read_notebook(NOTEBOOKS[stem]).cells:
        if cell.cell_type == "code":
            nodes = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(nodes, []), stem, "exec"), namespace)
    return namespace


@each_notebook
def test_a_notebook_has_three_to_six_exercises_in_order(stem):
    number = stem.split("_")[0]
    keys = [key for key in KEYS if key.split(".")[0] == number]
    assert keys == [f"{number}.{position}" for position in range(1, len(keys) + 1)]
    assert 3 <= len(keys) <= 6
    for tag in ("exercise", "solution"):
        assert [key for cell in tagged(stem, tag) for key in CHECK.findall(cell.source)] == keys


@each_notebook
def test_the_solutions_pass_and_need_only_the_imports(stem):
    namespace = imports(stem)
    for cell in solutions(stem):
        *_, last = ast.parse(cell.source).body
        exec(compile(cell.source, stem, "exec"), namespace)
        verdict = eval(compile(ast.Expression(last.value), stem, "eval"), namespace)
        assert verdict.right, verdict


@each_notebook
def test_the_committed_exercises_are_open_and_the_solutions_right(stem):
    for tag, word in (("exercise", "not answered yet"), ("solution", "right")):
        for cell in tagged(stem, tag):
            for key in CHECK.findall(cell.source):
                assert cell.outputs[-1].data["text/plain"] == f"{key}: {word}"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("answer", ["nonsense", float("nan"), True, [], object(), len, -1e30, {"y": 1}], ids=repr)
def test_a_wrong_answer_of_any_kind_gets_a_message_and_raises_nothing(key, answer):
    verdict = exercises.check(key, answer)
    assert verdict.right is False
    assert verdict.message.startswith((f"{key}: not yet. Hint: ", f"{key}: this needs "))


@pytest.mark.parametrize("key", KEYS)
def test_an_open_exercise_says_so(key):
    verdict = exercises.check(key, None)
    assert verdict.right is None
    assert repr(verdict) == f"{key}: not answered yet"


def test_an_unknown_exercise_is_named_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"no exercise '99\.1'; there are 00\.1, 00\.2"):
        exercises.check("99.1", 1)


def test_every_property_belongs_to_an_exercise():
    assert {EXERCISES[key].holds for key in KEYS if key not in NUMBERS} == set(exercises.PROPERTIES.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seal": "0", "hint": "h"}, "exercises.yaml, 00.1: write seal, unit, hint; got seal, hint"),
        ({"holds": "is_right", "wanted": "w"}, "exercises.yaml, 00.1: write holds, hint, wanted; got holds, wanted"),
        ({"holds": "is_right", "wanted": "w", "hint": "h"}, "exercises.yaml, 00.1: no property 'is_right'; there are "),
    ],
)
def test_an_exercise_that_cannot_be_read_is_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        exercises._exercise("00.1", given)


def test_without_a_checkout_one_sentence_says_where_exercises_belong(monkeypatch):
    monkeypatch.setattr(paths, "ROOT", None)
    exercises.read_exercises.cache_clear()
    for call in (lambda: exercises.check("00.1", None), lambda: exercises.write_sets("nowhere")):
        with pytest.raises(ValueError, match=r"^exercises belong to a checkout of the QMIS repository"):
            call()


def test_a_number_is_right_within_its_unit_and_wrong_beyond():
    sealed = exercises.Number(exercises.seal("00.1", "200"), 0.01, "none")
    found = [sealed.right("00.1", value) is True for value in (2.0, 2.009, 1.991, 2.02, 1.98)]
    assert found == [True, True, True, False, False]
    assert sealed.right("00.2", 2.0) is not True  # the salt is the exercise's own


def test_a_wrong_number_is_told_what_is_wrong_with_it():
    assert "is this in per cent?" in exercises.check("00.1", 88).message
    assert "'0.88' is a text" in exercises.check("00.1", "0.88").message
    assert "2 values: give the one" in exercises.check("00.1", (0.88, 0.12)).message
    assert "the check asks for it to within" in exercises.check("00.1", 0.5).message


TV = """edges = np.arange(-20, 21) + 0.5
def right(z):
    with_z = np.diff(norm.cdf(edges, 0.3 + (z - 0.3) / 10, 0.3))
    return abs(with_z - np.diff(norm.cdf(edges, 0.3, 10 ** -0.5))).sum() / 2"""


@pytest.mark.parametrize("wrong", [lambda z: 0.09 * abs(z - 0.3), lambda z: 0.084 * (z - 0.3) ** 2])
def test_what_only_averages_to_the_insecurity_is_no_total_variation(wrong):
    namespace = {"np": np, "norm": norm}
    exec(TV, namespace)
    assert exercises.check("00.4", namespace["right"]).right
    assert not exercises.check("00.4", wrong).right


def test_a_loss_must_read_the_labels_of_its_own_record_only():
    for loss in (nn.BCEWithLogitsLoss(reduction="none"), nn.SoftMarginLoss(reduction="none")):
        labels = (lambda y: y) if isinstance(loss, nn.BCEWithLogitsLoss) else (lambda y: 2 * y - 1)
        assert exercises.check("14.3", lambda o, y, loss=loss, labels=labels: loss(o, labels(y))).right
    wrong = {
        lambda o, y: o.abs(): "another label",
        lambda o, y: torch.sigmoid(o): "another label",
        lambda o, y: torch.zeros(6) + (o - y).square().mean(): "changes the loss of others",
        lambda o, y: (o - y).square().mean(): "six records need six losses",
        lambda o, y: o - y: "not negative",
    }
    for loss, message in wrong.items():
        verdict = exercises.check("14.3", loss)
        assert verdict.right is False
        assert message in verdict.message


def answers(stem):
    """Return key -> value of the sealed numbers of a notebook, by its solutions."""
    namespace, found = imports(stem), {}

    def record(key, answer):
        found[key] = answer

    namespace["exercises"] = type("Recorder", (), {"check": staticmethod(record)})
    for cell in solutions(stem):
        exec(cell.source, namespace)
    return {key: value for key, value in found.items() if key in NUMBERS}


@each_notebook
def test_numbers_are_sealed_and_hints_do_not_say_them(stem):
    for key, value in answers(stem).items():
        exercise = EXERCISES[key]
        assert not exercises.check(key, value + 3 * exercise.unit).right
        assert not exercises.check(key, value - 3 * exercise.unit).right
        assert re.fullmatch("[0-9a-f]{16}", exercise.seal)
        assert f"{float(value):.3g}" not in exercise.hint


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NUMBERS])
def test_the_hint_of_a_construction_holds_no_code(key):
    assert not re.search(r"[=(){}]", EXERCISES[key].hint)


@pytest.mark.parametrize("key", ["B.4", "C.4", "14.3"])
def test_a_hint_that_could_be_the_solution_is_a_question(key):
    """These were once the solution in words, an instruction to follow."""
    assert EXERCISES[key].hint.endswith("?")


@pytest.mark.parametrize(
    ("key", "answer", "part"),
    [
        ("04.1", lambda signals, members: signals[:2], "the scores have shape"),
        ("04.1", lambda signals, members: attacks.lira(signals, members), "the online score"),
        ("04.1", lambda signals, members: 1 - attacks.lira(signals, members, "offline"), "falls where the signal"),
        ("04.2", lambda signals, members: members * 1.0, "other signals give the same scores"),
        ("04.2", lambda signals, members: attacks.lira(signals, members, "offline"), "hardly uses the target's own"),
        ("04.3", np.sign, "outputs keep a correlation of 0.99"),
        ("04.3", lambda matrix: matrix, "more than four different values"),
        ("04.3", lambda matrix: 0 * matrix, "all equal"),
        ("05.5", lambda weights: np.repeat([-1.0, 0.0, 1.0], [5400, 9200, 5400]), "shuffled weights"),
        ("05.5", lambda weights: np.sign(weights), "2 different values, not three"),
    ],
)
def test_a_construction_that_fails_is_told_which_part(key, answer, part):
    verdict = exercises.check(key, answer)
    assert verdict.right is False
    assert verdict.message.startswith(f"{key}: not yet. Hint: ")
    assert part in verdict.message


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    out = tmp_path_factory.mktemp("sets")
    exercises.write_sets(out)
    return out


@each_notebook
def test_students_get_no_solutions_and_instructors_all(sets, stem):
    student, instructor = (
        notebooks.read_notebook(sets / name / f"{stem}.ipynb") for name in ("students", "instructor")
    )
    taken = [cell.source for cell in tagged(stem, "solution")]
    assert not [cell for cell in student.cells if cell.source in taken or notebooks.has_tag(cell, "solution")]
    assert len(instructor.cells) == len(student.cells) + len(taken)
    assert not any(cell.outputs for cell in student.cells if notebooks.has_tag(cell, "exercise"))
    assert not RIGHT.findall(notebooks.write_text(student))


def names_of(source):
    """Return the names that a cell binds at its top level, and those that it reads there or in its functions."""
    todo, read = [symtable.symtable(source, "cell", "exec")], set()
    bound = {name.get_name() for name in todo[0].get_symbols() if name.is_assigned() or name.is_imported()}
    while todo:
        scope = todo.pop()
        todo += scope.get_children()
        read |= {name.get_name() for name in scope.get_symbols() if name.is_referenced() and name.is_global()}
        if scope.get_type() == "module":
            read |= {name.get_name() for name in scope.get_symbols() if name.is_referenced()}
    return bound, read


@each_notebook
def test_no_other_cell_reads_what_an_exercise_or_solution_left(stem):
    """So the notebooks run without solutions wherever they run with them."""
    left = set()
    for cell in notebooks.read_notebook(NOTEBOOKS[stem]).cells:
        if cell.cell_type != "code":
            continue
        bound, read = names_of(cell.source)
        if notebooks.has_tag(cell, "exercise") or notebooks.has_tag(cell, "solution"):
            left |= bound
        else:
            assert not (read - bound) & left, cell.source
            left -= bound


RUNS = [(name, stem) for stem in NOTEBOOKS for name in ("students", "instructor")]


@pytest.mark.parametrize(
    ("name", "stem"),
    [pytest.param(*both, marks=[] if both[1] == "00_start_here" else pytest.mark.sets) for both in RUNS],
)
def test_both_sets_run(sets, tmp_path, name, stem):
    """Quick parameters; what is not the first notebook carries a marker that .ci/run asks for."""
    tests, path = run.ROOT / "tests", sets / name / f"{stem}.ipynb"
    given = ["--params", str(tests / "params.yaml")]
    if stem.startswith("B_"):
        given += ["-p", "settings_file", str(tests / "settings_quick.yaml")]
    folders = ["--out", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]
    assert run.main([str(path), *given, *folders]) == 0
    text = (tmp_path / "out" / f"{stem}.ipynb").read_text(encoding="utf-8")
    keys = [key for key in KEYS if key.split(".")[0] == stem.split("_")[0]]
    assert text.count(": not answered yet") == len(keys)
    assert len(RIGHT.findall(text)) == (len(keys) if name == "instructor" else 0)
