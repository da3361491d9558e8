"""Neighbours of neighbours: what a search by cells missed across their borders."""

import numba
import numpy as np

from cdp.knn.best import Best, close_heap, offer, open_heap
from cdp.knn.points import Points
from cdp.knn.scan import product
from cdp.threads import in_ranges

_BLOCK = 4096  # samples a task
_MIDDLES = 20  # samples that list this one, looked at beside those that it lists


def refine(points: Points, best: Best, *, k: int, home: np.ndarray, probes: np.ndarray) -> Best:
    """Compare each sample with its neighbours' neighbours, but those in cells that it has probed.

    Parameters
    ----------
    points : Points
        The samples.
    best : Best
        What was found for each.
    k : int
        Neighbours of a sample that are looked at, the sample itself included.
    home : ndarray of shape (n_samples,), int32
        Each sample's cell.
    probes : ndarray of shape (n_samples, p), int32
        The cells that it was compared with.

    Returns
    -------
    Best
    """
    starts, listed_by = _listed_by(best.found, min(k, best.found.shape[1]))
    refined = best.copy()

    def task(start: int, stop: int) -> None:
        _refine(start, stop, *points, home, probes, k, starts, listed_by, *best, *refined)

    in_ranges(task, len(home), size=_BLOCK)
    return refined


@numba.njit(nogil=True, cache=True)
def _listed_by(found, k):  # type: ignore[no-untyped-def]
    """The samples that have each sample among their k best: where each begins, and all of them."""
    starts = np.zeros(len(found) + 1, np.int64)
    for i in range(len(found)):
        for j in found[i, :k]:
            if j >= 0:
                starts[j + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    listed_by = np.empty(starts[-1], np.int32)
    for i in range(len(found)):
        for j in found[i, :k]:
            if j >= 0:
                listed_by[free[j]] = i
                free[j] += 1
    return starts, listed_by


@numba.njit(nogil=True, cache=True)
def _refine(  # type: ignore[no-untyped-def]
    first, last, vectors, heads, home, probes, k, starts, listed_by, scores, found, new_scores, new_found
):
    seen_by = np.full(len(home), -1, np.int32)
    probed_by = np.full(home.max() + 1, -1, np.int32)
    for i in range(first, last):
        seen_by[i] = i
        for j in found[i]:
            if j >= 0:
                seen_by[j] = i
        for cell in probes[i]:
            if cell >= 0:
                probed_by[cell] = i
        head = heads[i].copy()
        head[-1] = 1
        vector, bests, positions = vectors[i], new_scores[i], new_found[i]
        open_heap(bests, positions)
        for middles in (found[i, :k], listed_by[starts[i] : min(starts[i + 1], starts[i] + _MIDDLES)]):
            for middle in middles:
                if middle < 0:
                    break
                for j in found[middle, :k]:
                    if j < 0:
                        break
                    if seen_by[j] == i or probed_by[home[j]] == i:
                        continue
                    seen_by[j] = i
                    if product(head, heads, j) <= bests[0]:
                        continue
                    score = product(vector, vectors, j) + heads[j, -1]
                    if score > bests[0]:
                        offer(score, j, bests, positions)
        close_heap(bests, positions)
