"""Affinity of pairs: their cosine in each model."""

from collections.abc import Sequence

import numpy as np

from cdp.features import MOST_SAMPLES, row_norms
from cdp.files import release
from cdp.jit import njit
from cdp.threads import in_ranges

_RUNS = 1024  # a task
_ROWS = 2**16  # read at a time


def affinity(features_per_model: Sequence[np.ndarray], pairs: np.ndarray, *, rows: int | None = None) -> np.ndarray:
    """Cosine similarity of pairs in each model.

    Parameters
    ----------
    features_per_model : sequence of arrays of shape (n_samples, dim of the model)
        Base first; may be memory-mapped: `rows` of one model at a time are in memory, as float32.
    pairs : ndarray of shape (P, 2), integer
        In any order; fastest when sorted. May be memory-mapped.
    rows : int, optional
        If these are fewer than the samples, features are read in blocks of half as many, and each block as often as
        there are blocks whose samples have a pair with one of its own. The cosines are the same.

    Returns
    -------
    ndarray of shape (P, number of models), float32

    Raises
    ------
    ValueError
        If the models do not embed the same samples, a row cannot be normalised, or `pairs`
        names a sample that does not exist.
    """
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"pairs must be integers of shape (P, 2), not {pairs.dtype} of shape {pairs.shape}")
    counts = {len(features) for features in features_per_model}
    if len(counts) > 1:
        raise ValueError(f"all models must embed the same samples; they have {sorted(counts)} rows")
    n_samples = max(counts, default=0)
    if n_samples > MOST_SAMPLES:
        raise ValueError(f"the features have {n_samples} rows; at most {MOST_SAMPLES} are supported")
    if len(pairs) and not (counts and 0 <= pairs.min() <= pairs.max() < n_samples):
        raise ValueError(f"pairs name samples outside the {n_samples} rows of the features")
    cosines = np.empty((len(pairs), len(features_per_model)), np.float32)
    size = max(1, n_samples if rows is None or rows >= n_samples else rows // 2)
    met = _blocks_that_meet(pairs, size, -(-n_samples // size))
    starts = _run_starts(pairs)
    order = np.argsort(_smallest_nearby(pairs, n_samples)[pairs[starts[:-1], 0]], kind="stable")
    for m, features in enumerate(features_per_model):
        for a in np.flatnonzero(met.any(axis=1)).tolist():
            left = _block(features, a * size, size, m)
            for b in np.flatnonzero(met[a]).tolist():
                right = left if a == b else _block(features, b * size, size, m)
                _fill(cosines[:, m], left, right, a * size, b * size, pairs, starts, order)
                del right
            del left
    return cosines


def _block(features: np.ndarray, start: int, size: int, model: int) -> np.ndarray:
    """Rows from `start` on, normalised; of a mapped file, few are in memory at a time."""
    block = np.empty((min(size, len(features) - start), features.shape[1]), np.float32)
    for row in range(0, len(block), _ROWS):
        part, stored = block[row : row + _ROWS], features[start + row : start + min(row + _ROWS, len(block))]
        row_norms(stored, name=f"features of model {model}", normalized=part, first_row=start + row)
        release(features)
    return block


def _fill(
    column: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    left_start: int,
    right_start: int,
    pairs: np.ndarray,
    starts: np.ndarray,
    order: np.ndarray,
) -> None:
    """Cosines of the pairs whose smaller sample is in one block of rows and whose larger one is in another."""

    def task(first: int, last: int) -> None:
        _cosines(first, last, left, right, left_start, right_start, pairs, starts, order, column)

    in_ranges(task, len(order), size=_RUNS)


@njit
def _blocks_that_meet(pairs, size, n_blocks):  # type: ignore[no-untyped-def]
    """Whether there is a pair of a sample in the one block and a larger one in the other; bool (n_blocks, n_blocks)."""
    met = np.zeros((n_blocks, n_blocks), np.bool_)
    for p in range(len(pairs)):
        i, j = np.int64(pairs[p, 0]), np.int64(pairs[p, 1])
        met[min(i, j) // size, max(i, j) // size] = True
    return met


@njit
def _run_starts(pairs):  # type: ignore[no-untyped-def]
    """Starts of the runs of pairs with the same first sample, and the end of the last."""
    count = 0
    for p in range(len(pairs)):
        count += p == 0 or pairs[p, 0] != pairs[p - 1, 0]
    starts = np.empty(count + 1, np.int64)
    starts[count] = len(pairs)
    count = 0
    for p in range(len(pairs)):
        if p == 0 or pairs[p, 0] != pairs[p - 1, 0]:
            starts[count] = p
            count += 1
    return starts


@njit
def _smallest_nearby(pairs, n_samples):  # type: ignore[no-untyped-def]
    """The smallest sample within two steps of each.

    Pairs in the order of these are near to each other: rows that are used again soon are still in the cache. Twice as
    fast where samples lie in random order.
    """
    smallest = np.arange(n_samples, dtype=np.int32)
    for _ in range(2):
        before = smallest.copy()
        for p in range(len(pairs)):
            i, j = pairs[p, 0], pairs[p, 1]
            smallest[i] = min(smallest[i], before[j])
            smallest[j] = min(smallest[j], before[i])
    return smallest


@njit(fastmath={"reassoc", "contract"})
def _cosines(first, last, left, right, left_start, right_start, pairs, starts, order, cosines):  # type: ignore[no-untyped-def]
    for run in order[first:last]:
        for p in range(starts[run], starts[run + 1]):
            i, j = np.int64(pairs[p, 0]), np.int64(pairs[p, 1])
            i, j = min(i, j) - left_start, max(i, j) - right_start
            if 0 <= i < len(left) and 0 <= j < len(right):
                product = np.float32(0)
                for d in range(left.shape[1]):
                    product += left[i, d] * right[j, d]
                cosines[p] = min(np.float32(1), max(np.float32(-1), product))
