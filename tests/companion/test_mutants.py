"""The list of mutants stays true: each changes what stands in the package once, and names tests that are there."""

import importlib.util

import pytest

from qmis_utils.store.paths import ROOT

SPEC = importlib.util.spec_from_file_location("mutants", ROOT / "tests" / "mutants.py")
mutants = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutants)


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda m: f"{m.file}: {m.new.strip()[:40]}")
def test_a_mutant_changes_one_place_and_names_its_tests(mutant):
    text = (ROOT / "qmis_utils" / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert all((ROOT / name).exists() for name in mutant.tests.split())


def test_there_are_enough_of_them_and_the_explained_ones_are_in_the_list():
    assert len(mutants.MUTANTS) >= 42
    assert len(mutants.EXPLAINED) <= 2
    assert set(mutants.EXPLAINED) <= {mutant.new for mutant in mutants.MUTANTS}
