"""All pairs of unit vectors within a distance, found by blocked matrix products.

Products of short heads, vectors' coordinates along few principal axes, tell which products need computing: with the
lengths t of what lies behind the heads h, a·b <= h(a)·h(b) + t(a) t(b).
"""

from collections.abc import Callable
from threading import Lock

import numpy as np

from cdp.jit import njit
from cdp.knn.points import principal_axes
from cdp.threads import in_ranges, one_blas_thread

_ROWS, _COLUMNS = 512, 1024  # of a tile
_CHUNK = 64  # of these that are first looked at together
_WIDTHS = (16, 24, 32, 48, 64, 96, 128)  # of heads
_SCAN = 24  # dimensions of a blocked product that take as long as looking at the result
_SINGLE = 8  # times what a product takes in a block, when it is computed by itself
_SAMPLES = 2048  # vectors, about, that tell which width is best
_BLOCK = 4096  # rows a task


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
    surely_in = np.float32(cosine + error)
    lock = Lock()

    def settle(pairs: np.ndarray, products: np.ndarray) -> None:
        pairs = _within(pairs, products, vectors, distance, surely_in)
        if len(pairs):
            with lock:
                take(pairs)

    reach = np.full(len(vectors), cosine - error, np.float32)
    for_each_pair(vectors, lambda: reach, settle)


def for_each_pair(
    vectors: np.ndarray, reach: Callable[[], np.ndarray], work: Callable[[np.ndarray, np.ndarray], None]
) -> None:
    """Find the pairs whose product is at least the lower of what their samples ask for, in `usable_threads()` threads.

    Parameters
    ----------
    vectors : ndarray of shape (n_samples, dim), float32
        Of length 1.
    reach : callable
        What each sample asks for, ndarray of shape (n_samples,), float32; it may change as pairs are found.
    work : callable
        Called as ``work(pairs, products)``, by several threads at a time: ndarray of shape (at most 524,288, 2), int32,
        each row i < j, and their float32 products. Each pair is found once.
    """

    def multiply(start: int, stop: int) -> None:
        for first in range(start, len(vectors), _COLUMNS):
            least = reach()
            tile = heads[start:stop] @ heads[first : first + _COLUMNS].T
            pairs, products = _at_least(tile, start, first, least, slack)
            if heads is not vectors:
                if len(pairs) * _SINGLE < tile.size:
                    pairs, products = _settled(pairs, vectors, least)
                else:
                    tile = vectors[start:stop] @ vectors[first : first + _COLUMNS].T
                    pairs, products = _at_least(tile, start, first, least, np.float32(0))
            if len(pairs):
                work(pairs, products)

    with one_blas_thread():
        heads, slack = _heads(vectors, reach())
        in_ranges(multiply, len(vectors), size=_ROWS)


def product_error(dim: int) -> float:
    """By how much, at most, a float32 product a·b differs from 1 - |a - b|²/2.

    Of vectors scaled to length 1 in float32, in whatever order the product is summed: dim roundings, and lengths
    that are rounded themselves.
    """
    return (dim + 8) * 2.0**-24


def _heads(vectors: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Heads with the lengths of the tails as last coordinate; by how much products may be above those of heads.

    Of the width that promises to be fastest; the vectors themselves if no heads are faster.
    """
    axes = principal_axes(vectors) if len(vectors) > _SAMPLES else None
    if axes is None:
        return vectors, np.float32(0)
    directions = np.concatenate([axes.heads, axes.necks], axis=1)
    dim = vectors.shape[1]
    step = len(vectors) // _SAMPLES
    sample, limits = vectors[::step], reach[::step]
    best = None
    least = float(dim + _SCAN)
    for width in _WIDTHS:
        if width + _SCAN >= least or width > directions.shape[1]:
            break
        leading = np.ascontiguousarray(directions[:, :width])
        heads, slack = _project(sample, leading)
        found = len(_at_least(heads @ heads.T, 0, 0, limits, slack)[0])
        cost = width + _SCAN + _SINGLE * dim * 2 * found / len(sample) ** 2
        if cost < least:
            best, least = leading, cost
    return (vectors, np.float32(0)) if best is None else _project(vectors, best)


def _project(vectors: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Heads along axes, and by how much products may be above those of heads, for all roundings at their worst."""
    dim, width = axes.shape
    skew = np.linalg.norm(axes.T.astype(np.float64) @ axes - np.eye(width), 2)  # how far axes are from orthonormal
    error = 2 * width**0.5 * product_error(dim) + float(skew)
    heads = np.empty((len(vectors), width + 1), np.float32)

    def task(start: int, stop: int) -> None:
        head = heads[start:stop, :-1] = vectors[start:stop] @ axes
        squares = np.einsum("ij,ij->i", head, head, dtype=np.float64)
        heads[start:stop, -1] = np.sqrt(np.maximum(0, 1 - squares) + error)

    in_ranges(task, len(vectors), size=_BLOCK)
    return heads, np.float32(error + product_error(dim))


@njit
def _at_least(tile, row, column, least, slack):  # type: ignore[no-untyped-def]
    """The pairs i < j of a tile, which begins at a row and a column, with the lower of their samples' least; values."""
    pairs = np.empty((tile.size, 2), np.int32)
    values = np.empty(tile.size, np.float32)
    found = 0
    limits = least[column : column + tile.shape[1]] - slack
    for r in range(len(tile)):
        i, own = row + r, least[row + r] - slack
        for left in range(max(0, i + 1 - column) // _CHUNK * _CHUNK, tile.shape[1], _CHUNK):
            right = min(left + _CHUNK, tile.shape[1])
            if _any(tile[r, left:right], own, limits[left:right]):
                for c in range(max(left, i + 1 - column), right):
                    if tile[r, c] >= min(own, limits[c]):
                        pairs[found, 0], pairs[found, 1], values[found] = i, column + c, tile[r, c]
                        found += 1
    return pairs[:found].copy(), values[:found].copy()


@njit
def _any(values, own, limits):  # type: ignore[no-untyped-def]
    """Whether a value is at least the lower of two limits; written so that it compiles to vector instructions."""
    found = np.uint8(0)
    for c in range(len(values)):
        found |= np.uint8(values[c] >= own) | np.uint8(values[c] >= limits[c])
    return found > 0


@njit
def _settled(pairs, vectors, least):  # type: ignore[no-untyped-def]
    """Those of some pairs whose products are at least the lower of their samples' least, and these products."""
    products = np.empty(len(pairs), np.float32)
    found = 0
    for p in range(len(pairs)):
        i, j = pairs[p]
        value = _product(vectors, i, j)
        if value >= min(least[i], least[j]):
            pairs[found, 0], pairs[found, 1], products[found] = i, j, value
            found += 1
    return pairs[:found], products[:found]


@njit(fastmath=True)
def _product(vectors, i, j):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for d in range(vectors.shape[1]):
        total += vectors[i, d] * vectors[j, d]
    return total


@njit
def _within(pairs, products, vectors, distance, surely_in):  # type: ignore[no-untyped-def]
    within = np.empty_like(pairs)
    found = 0
    for p in range(len(pairs)):
        i, j = pairs[p]
        if products[p] > surely_in or euclidean(vectors[i], vectors[j]) <= distance:
            within[found, 0], within[found, 1] = i, j
            found += 1
    return within[:found]


@njit
def euclidean(a, b):  # type: ignore[no-untyped-def]
    """Distance of two vectors, in float64."""
    total = 0.0
    for d in range(len(a)):
        difference = np.float64(a[d]) - np.float64(b[d])
        total += difference * difference
    return np.sqrt(total)
