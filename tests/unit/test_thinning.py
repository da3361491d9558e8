from collections import Counter

import numpy as np
import pytest

from cdp.thinning import thin


def test_the_same_share_of_each_identity_is_left():
    labels = np.random.default_rng(0).permutation(np.repeat([7, -2, 30, 5], [40, 20, 8, 1]))
    rows = thin(labels, 69 / 4 / 4)  # a quarter
    assert (np.diff(rows) > 0).all()
    assert Counter(labels[rows].tolist()) == {7: 10, -2: 5, 30: 2, 5: 1}


def test_the_choice_is_by_chance_and_repeatable():
    labels = np.repeat(np.arange(100), 10)
    rows = thin(labels, 3)
    assert (thin(labels, 3) == rows).all()
    assert (thin(labels, 3, seed=1) != rows).any()
    assert np.bincount(rows % 10).min() > 10  # 30 expected of each place within an identity


@pytest.mark.parametrize("wanted", [0.5, 10, 11])
def test_what_cannot_be(wanted):
    with pytest.raises(ValueError, match="at least 1 and below 10, which the set has, not"):
        thin(np.repeat(np.arange(5), 10), wanted)
