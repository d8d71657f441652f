"""Attacks by a trained classifier: distilled students, and the number of models that cross-fitting needs."""

import numpy as np
import pytest
from test_catalogue import RECORDS, released

from qmis_utils import attacks


def test_distilled_students_imitate_their_teachers():
    evidence = released("multiclass").take(range(6))
    along = attacks.distilled_losses(evidence.models, evidence.x, evidence.y, evidence.x_out, steps=120, checkpoints=4)
    assert along.shape == (6, RECORDS, 4)
    agreement = [np.corrcoef(along[..., k].ravel(), evidence.losses.ravel())[0, 1] for k in range(4)]
    assert agreement[-1] > max(agreement[0], 0.5)


def test_one_model_is_not_enough_to_cross_fit():
    with pytest.raises(ValueError, match="at least 2 models"):
        attacks.shadow_classifier(released("binary").take([0]))
