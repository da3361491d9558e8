"""The pairs that known labels would keep: the upper bound of every scoring."""

import numpy as np

_BLOCK = 2**20  # pairs looked up at a time


def same_identity(pairs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the two samples of each pair (P, 2) have the same label; bool (P,)."""
    same = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _BLOCK):
        first, second = pairs[start : start + _BLOCK].T
        same[start : start + _BLOCK] = labels[first] == labels[second]
    return same


def ground_truth_scores(pairs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 for pairs whose labels agree (docs/definitions.md), -inf for the others; float32 (P,)."""
    return np.where(same_identity(pairs, labels), np.float32(1), np.float32(-np.inf))
