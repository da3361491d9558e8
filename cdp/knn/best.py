"""The best that a search has found so far for each query."""

from typing import NamedTuple

import numpy as np

from cdp.jit import njit


class Best(NamedTuple):
    """The best vectors found so far for each query, best first.

    Of equals, those in earlier positions, if they were offered in the order of these.

    Attributes
    ----------
    scores : ndarray of shape (n_queries, width), float32
        Minus half the squared distance (minus the distance, if that is the sum of absolute differences); -inf where
        none is found.
    found : ndarray of shape (n_queries, width), int32
        Positions of the vectors; -1 where none is found.
    """

    scores: np.ndarray
    found: np.ndarray

    @classmethod
    def none(cls, n_queries: int, width: int) -> "Best":
        """Nothing found yet."""
        return cls(np.full((n_queries, width), -np.inf, np.float32), np.full((n_queries, width), -1, np.int32))

    def take(self, rows: slice) -> "Best":
        """Those of some queries, not copied."""
        return Best(self.scores[rows], self.found[rows])


# Heaps are rows of whole arrays: views of rows would cost threads more than what is done with them.


@njit
def open_heap(scores, found, row):  # type: ignore[no-untyped-def]
    """Turn a row of the best into a heap, the worst first; better ones can then be offered."""
    last = scores.shape[1] - 1
    for t in range((last + 1) // 2):
        scores[row, t], scores[row, last - t] = scores[row, last - t], scores[row, t]
        found[row, t], found[row, last - t] = found[row, last - t], found[row, t]


@njit
def offer(score, position, scores, found, row):  # type: ignore[no-untyped-def]
    """Replace the worst of a heap by what must be better."""
    _sift(score, position, scores, found, row, scores.shape[1])


@njit
def holds(found, row, width, position):  # type: ignore[no-untyped-def]
    """Whether a position is among the first `width` found."""
    held = False
    for t in range(width):
        held |= found[row, t] == position
    return held


@njit
def close_heap(scores, found, row):  # type: ignore[no-untyped-def]
    """Turn a heap into a row of the best again, best first."""
    for size in range(scores.shape[1] - 1, 0, -1):
        score, position = scores[row, size], found[row, size]
        scores[row, size], found[row, size] = scores[row, 0], found[row, 0]
        _sift(score, position, scores, found, row, size)


@njit
def _sift(score, position, scores, found, row, size):  # type: ignore[no-untyped-def]
    """Put an entry in the root's place among the first `size`."""
    node, child = 0, 1
    while child < size:
        if child + 1 < size and is_worse(
            scores[row, child + 1], found[row, child + 1], scores[row, child], found[row, child]
        ):
            child += 1
        if not is_worse(scores[row, child], found[row, child], score, position):
            break
        scores[row, node], found[row, node] = scores[row, child], found[row, child]
        node, child = child, 2 * child + 1
    scores[row, node], found[row, node] = score, position


@njit
def is_worse(score, position, other_score, other_position):  # type: ignore[no-untyped-def]
    """Whether an entry comes after another."""
    return score < other_score or (score == other_score and position > other_position)
