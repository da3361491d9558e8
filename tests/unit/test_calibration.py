import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from cdp.calibration import calibration


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 20))
def test_against_scikit_learn(seed, count, bins):
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.3, 0.3, count).astype(np.float32)
    same = rng.random(count) < probabilities
    rows = calibration(probabilities, same, bins=bins)
    share, mean = calibration_curve(same, probabilities, n_bins=bins)
    np.testing.assert_allclose([row["share"] for row in rows], share)
    np.testing.assert_allclose([row["probability"] for row in rows], mean, rtol=1e-5)
    assert sum(row["pairs"] for row in rows) == count


def test_worked_example():
    rows = calibration(np.array([0, 0.05, 0.95, 1]), np.array([False, True, True, True]))
    assert [row["pairs"] for row in rows] == [2, 2]
    assert [row["share"] for row in rows] == [0.5, 1]
    assert [row["probability"] for row in rows] == pytest.approx([0.025, 0.975])


def test_a_bin_holds_its_lower_bound_and_the_last_one_its_upper():
    rows = calibration(np.array([0.25, 0.5, 0.75, 1.0]), np.ones(4, bool), bins=4)
    assert [row["probability"] for row in rows] == [0.25, 0.5, 0.875]


def test_nothing_gives_nothing():
    assert calibration(np.empty(0, np.float32), np.empty(0, bool)) == []
