"""Affinity of pairs: their cosine in each model."""

from collections.abc import Sequence

import numba
import numpy as np

from cdp.features import normalize
from cdp.files import release
from cdp.threads import in_ranges

_RUNS = 1024  # a task


def affinity(features_per_model: Sequence[np.ndarray], pairs: np.ndarray) -> np.ndarray:
    """Cosine similarity of pairs in each model.

    Parameters
    ----------
    features_per_model : sequence of arrays of shape (n_samples, dim of the model)
        Base first; may be memory-mapped: one model at a time is in memory, as float32.
    pairs : ndarray of shape (P, 2), integer
        In any order; fastest when sorted.

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
    if len(pairs) and not (counts and 0 <= pairs.min() <= pairs.max() < max(counts)):
        raise ValueError(f"pairs name samples outside the {max(counts, default=0)} rows of the features")
    cosines = np.empty((len(pairs), len(features_per_model)), np.float32)
    starts, order = _runs(pairs, max(counts, default=0))
    for m, features in enumerate(features_per_model):
        _fill(cosines[:, m], normalize(features, name=f"features of model {m}"), pairs, starts, order)
        release(features)
    return cosines


def _runs(pairs: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts of the runs of pairs with the same first sample, and an order of runs that keeps near samples together.

    Rows that are used again soon are still in the cache: twice as fast where samples lie in random order.
    """
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1, append=-1))
    nearby = _smallest_nearby(pairs, n_samples)
    return starts, np.argsort(nearby[pairs[starts[:-1], 0]], kind="stable")


def _fill(column: np.ndarray, rows: np.ndarray, pairs: np.ndarray, starts: np.ndarray, order: np.ndarray) -> None:
    in_ranges(lambda first, last: _cosines(first, last, rows, pairs, starts, order, column), len(order), size=_RUNS)


@numba.njit(cache=True, nogil=True)
def _smallest_nearby(pairs, n_samples):  # type: ignore[no-untyped-def]
    """The smallest sample within two steps of each."""
    smallest = np.arange(n_samples, dtype=np.int32)
    for _ in range(2):
        before = smallest.copy()
        for p in range(len(pairs)):
            i, j = pairs[p, 0], pairs[p, 1]
            smallest[i] = min(smallest[i], before[j])
            smallest[j] = min(smallest[j], before[i])
    return smallest


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _cosines(first, last, rows, pairs, starts, order, cosines):  # type: ignore[no-untyped-def]
    for run in order[first:last]:
        for p in range(starts[run], starts[run + 1]):
            i, j = pairs[p, 0], pairs[p, 1]
            product = np.float32(0)
            for d in range(rows.shape[1]):
                product += rows[i, d] * rows[j, d]
            cosines[p] = min(np.float32(1), max(np.float32(-1), product))
