"""Tables of the indicator study: intervals of means over settings."""

import numpy as np
import pytest
from scipy import stats

from qmis_utils import study_tables


def test_a_mean_over_few_settings_has_students_interval():
    values = np.random.default_rng(0).normal(0.1, 0.2, 9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert study_tables.mean_interval(values, 100) == pytest.approx((expected.low, expected.high))
    assert study_tables.mean_interval([0.9, 1.0, 0.95], 100, most=1)[1] == 1  # no tau above one
    assert np.isnan(study_tables.mean_interval([0.5], 100)).all()
    many = np.tile(values, 20)
    low, high = study_tables.mean_interval(many, 4000)
    assert (high - low) == pytest.approx(2 * 1.96 * many.std() / np.sqrt(180), rel=0.1)
