"""The best that a search has found so far for each query."""

from typing import NamedTuple

import numba
import numpy as np


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

    def copy(self) -> "Best":
        """Arrays of its own."""
        return Best(self.scores.copy(), self.found.copy())


@numba.njit(nogil=True, cache=True)
def open_heap(scores, found):  # type: ignore[no-untyped-def]
    """Turn a row of the best into a heap, the worst at its root; better ones can then be offered."""
    scores[:] = scores[::-1].copy()
    found[:] = found[::-1].copy()


@numba.njit(nogil=True, cache=True)
def offer(score, position, scores, found):  # type: ignore[no-untyped-def]
    """Replace the worst of a heap by what must be better."""
    _sift(score, position, scores, found, len(scores))


@numba.njit(nogil=True, cache=True)
def holds(found, position):  # type: ignore[no-untyped-def]
    """Whether a position is among those found."""
    count = np.int32(0)
    for t in range(len(found)):
        count += np.int32(found[t] == position)
    return count > 0


@numba.njit(nogil=True, cache=True)
def close_heap(scores, found):  # type: ignore[no-untyped-def]
    """Turn a heap into a row of the best again, best first."""
    for size in range(len(scores) - 1, 0, -1):
        score, position = scores[size], found[size]
        scores[size], found[size] = scores[0], found[0]
        _sift(score, position, scores, found, size)


@numba.njit(nogil=True, cache=True)
def _sift(score, position, scores, found, size):  # type: ignore[no-untyped-def]
    """Put an entry in the root's place among the first `size`."""
    node, child = 0, 1
    while child < size:
        if child + 1 < size and _is_worse(scores[child + 1], found[child + 1], scores[child], found[child]):
            child += 1
        if not _is_worse(scores[child], found[child], score, position):
            break
        scores[node], found[node] = scores[child], found[child]
        node, child = child, 2 * child + 1
    scores[node], found[node] = score, position


@numba.njit(nogil=True, cache=True)
def _is_worse(score, position, other_score, other_position):  # type: ignore[no-untyped-def]
    return score < other_score or (score == other_score and position > other_position)
