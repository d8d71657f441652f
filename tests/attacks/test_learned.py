"""Attacks by a trained classifier: distilled students, and the number of models that cross-fitting needs."""

import numpy as np
import pytest
from test_catalogue import RECORDS, released

from qmis_utils import attacks
from qmis_utils.attacks import learned


def test_distilled_students_imitate_their_teachers():
    evidence = released("multiclass").take(range(6))
    along = attacks.distilled_losses(evidence.models, evidence.x, evidence.y, evidence.x_out, steps=120, checkpoints=4)
    assert along.shape == (6, RECORDS, 4)
    agreement = [np.corrcoef(along[..., k].ravel(), evidence.losses.ravel())[0, 1] for k in range(4)]
    assert agreement[-1] > max(agreement[0], 0.5)


def test_classifiers_see_what_their_papers_name(monkeypatch):
    """Signals, losses and probabilities; the path of the loss along the distillation and where it ends: by class."""
    seen, evidence = [], released("multiclass").take(range(4))
    monkeypatch.setattr(learned, "classify", lambda *given: seen.append(given))
    attacks.shadow_classifier(evidence)
    attacks.trajectory(evidence)
    along = attacks.distilled_losses(evidence.models, evidence.x, evidence.y, evidence.x_out, evidence.seed)
    parts = [evidence.signals[..., None], evidence.losses[..., None], evidence.probabilities]
    for given, features in zip(seen, (parts, [along, evidence.losses[..., None]]), strict=True):
        assert np.array_equal(given[0], np.concatenate(features, axis=-1))
        assert given[1] is evidence.members
        assert given[2] is evidence.y


def test_one_model_is_not_enough_to_cross_fit():
    with pytest.raises(ValueError, match="at least 2 models"):
        attacks.shadow_classifier(released("binary").take([0]))
