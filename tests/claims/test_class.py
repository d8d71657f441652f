"""The parameters of a class: smaller numbers, the verdicts of the full run."""

import shutil

import pandas as pd
import pytest
import yaml
from verdicts import VERDICTS, against, compare

from qmis_utils import run
from qmis_utils.runner import notebooks

FIGURES = run.ROOT / "figures"
CLASS = run.NOTEBOOKS / "settings" / "class.yaml"
GIVEN = yaml.safe_load(CLASS.read_text()) or {}


@pytest.mark.parametrize("stem", GIVEN)
def test_a_class_runs_with_smaller_numbers(stem):
    assert stem in VERDICTS
    full = notebooks.read_parameters(notebooks.read_notebook(run.NOTEBOOKS / f"{stem}.ipynb"), stem)
    for name, value in GIVEN[stem].items():
        assert 0 < value < full[name].default


def test_an_interval_decides_a_verdict():
    low, high = pd.Series({"low": 0.1, "high": 0.2}), pd.Series({"low": 0.3, "high": 0.4})
    touching = pd.Series({"low": 0.2, "high": 0.35})
    assert [compare(low, high), compare(high, low), compare(low, touching)] == ["less", "more", "undecided"]
    assert [against(low), against(low, 0.15), against(low, 0.5)] == ["more", "undecided", "less"]


FLIPS = {  # notebook -> table, and the rows whose numbers are turned round
    "04_attack_a_network": ("04_two_attackers", "attack == 'lira'", ["value", "low", "high"]),
    "05_synthetic_mis_ranking": ("05_ranking", "quantizer == 'rho_pool'", ["value", "low", "high"]),
    "06_equal_utility": ("06_both", "setting == 'BBB'", ["extra", "low", "high"]),
    "07_molecular_privacy_utility": ("07_equal_auc", "quantizer == 'uniform_3'", ["value", "low", "high"]),
    "09_attacker_knows_quantizer": ("09_gptq", "what == 'GPTQ'", ["value", "low", "high"]),
}


@pytest.mark.parametrize("stem", VERDICTS)
def test_numbers_that_turn_round_change_a_verdict(stem, tmp_path):
    full = VERDICTS[stem](FIGURES)
    for path in FIGURES.glob(f"{stem[:2]}_*.csv"):
        shutil.copy(path, tmp_path)
    table, rows, columns = FLIPS[stem]
    frame = pd.read_csv(tmp_path / f"{table}.csv", keep_default_na=stem[:2] != "09")
    chosen = frame.query(rows).index
    assert len(chosen)
    value, low, high = columns
    flipped = {value: -frame[value], low: -frame[high], high: -frame[low]}
    for column in columns:
        frame.loc[chosen, column] = flipped[column][chosen]
    frame.to_csv(tmp_path / f"{table}.csv", index=False)
    assert VERDICTS[stem](tmp_path) != full


@pytest.mark.sets
@pytest.mark.parametrize("stem", GIVEN)
def test_the_parameters_of_a_class_keep_the_verdicts(stem, tmp_path):
    assert run.main([stem, "--params", str(CLASS), "--figures", str(tmp_path)]) == 0
    assert VERDICTS[stem](tmp_path) == VERDICTS[stem](FIGURES)
