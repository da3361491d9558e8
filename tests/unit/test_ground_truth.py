import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.ground_truth import ground_truth_scores, same_identity
from cdp.selection import kept_pairs


@settings(max_examples=500)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 12))
def test_pairs_of_one_identity_score_one_and_the_others_are_rejected(seed, n, count):
    rng = np.random.default_rng(seed)
    labels, pairs = rng.integers(-1, 3, n), rng.integers(n, size=(count, 2))
    agree = [bool(labels[i] == labels[j]) for i, j in pairs.tolist()]
    same = same_identity(pairs, labels)
    scores = ground_truth_scores(pairs, labels)
    assert (same.dtype, same.tolist()) == (bool, agree)
    assert scores.dtype == np.float32
    assert scores.tolist() == [1.0 if right else float("-inf") for right in agree]


def test_any_threshold_below_one_keeps_exactly_the_right_pairs():
    pairs = np.array([[0, 1], [0, 2], [1, 3]])
    scores = ground_truth_scores(pairs, np.array([5, 5, 6, 6]))
    for threshold in (-1, 0, 0.99):
        kept, kept_scores = kept_pairs(pairs, scores, threshold)
        assert kept.tolist() == [[0, 1]]
        assert kept_scores.tolist() == [1]
