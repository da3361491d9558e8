"""All pairs of unit vectors within a distance, found by blocked matrix products."""

from collections.abc import Callable
from threading import Lock

import numba
import numpy as np

from cdp.threads import in_ranges, one_blas_thread

_ROWS, _COLUMNS = 512, 1024  # of a tile


def pairs_within(vectors: np.ndarray, distance: float, take: Callable[[np.ndarray], None]) -> None:
    """Find each pair of vectors that are at most a distance apart, once.

    Parameters
    ----------
    vectors : ndarray of shape (n_samples, dim), float32
        Of length 1.
    distance : float, >= 0
        Euclidean.
    take : callable
        Is handed the pairs as they are found: ndarray of shape (at most 524,288, 2), int32, each row i < j. Never
        called by two threads at a time; the order of the calls depends on them.

    Notes
    -----
    |a - b|² = 2 - 2 a·b for unit vectors. Pairs that the error of float32 products leaves open are settled by the sum
    of squared differences in float64, so the pairs are those of the definition.
    """
    cosine, error = 1 - min(distance, 3) ** 2 / 2, product_error(vectors.shape[1])  # none is beyond 2
    surely_out, surely_in = np.float32(cosine - error), np.float32(cosine + error)
    lock = Lock()

    def search(tile: np.ndarray, row: int, column: int) -> None:
        pairs = _pairs(tile, row, column, vectors, distance, surely_out, surely_in)
        if len(pairs):
            with lock:
                take(pairs)

    for_each_tile(vectors, search)


def for_each_tile(vectors: np.ndarray, work: Callable[[np.ndarray, int, int], None]) -> None:
    """Multiply all vectors with each other, a tile at a time, in `usable_threads()` threads.

    Parameters
    ----------
    vectors : ndarray of shape (n_samples, dim), float32
    work : callable
        Called as ``work(tile, row, column)`` with the float32 products of the vectors from `row` on and those from
        `column` on. The tiles cover each pair i < j once; some also hold pairs i >= j.
    """

    def multiply(start: int, stop: int) -> None:
        for first in range(start, len(vectors), _COLUMNS):
            work(vectors[start:stop] @ vectors[first : first + _COLUMNS].T, start, first)

    with one_blas_thread():
        in_ranges(multiply, len(vectors), size=_ROWS)


def product_error(dim: int) -> float:
    """By how much, at most, a float32 product a·b differs from 1 - |a - b|²/2.

    Of vectors scaled to length 1 in float32, in whatever order the product is summed: dim roundings, and lengths
    that are rounded themselves.
    """
    return (dim + 8) * 2.0**-24


@numba.njit(nogil=True, cache=True)
def _pairs(tile, row, column, vectors, distance, surely_out, surely_in):  # type: ignore[no-untyped-def]
    """The pairs i < j within the distance, of a tile of products that begins at a row and a column."""
    counts = np.zeros(len(tile), np.int64)
    for r in range(len(tile)):
        for c in range(max(0, row + r + 1 - column), tile.shape[1]):
            counts[r] += tile[r, c] >= surely_out
    pairs = np.empty((counts.sum(), 2), np.int32)
    found = 0
    for r in range(len(tile)):
        if counts[r]:
            for c in range(max(0, row + r + 1 - column), tile.shape[1]):
                if tile[r, c] >= surely_out:
                    i, j = row + r, column + c
                    if tile[r, c] > surely_in or euclidean(vectors[i], vectors[j]) <= distance:
                        pairs[found, 0], pairs[found, 1] = i, j
                        found += 1
    return pairs[:found]


@numba.njit(nogil=True, cache=True)
def euclidean(a, b):  # type: ignore[no-untyped-def]
    """Distance of two vectors, in float64."""
    total = 0.0
    for d in range(len(a)):
        difference = np.float64(a[d]) - np.float64(b[d])
        total += difference * difference
    return np.sqrt(total)
