"""Neighbours of neighbours: what a search by cells missed across their borders."""

import numba
import numpy as np

from cdp.knn.best import Best, close_heap, holds, offer, open_heap
from cdp.knn.points import Points
from cdp.knn.scan import closeness, product
from cdp.threads import in_ranges

_BLOCK = 4096  # samples a task
_MIDDLES = 20  # samples that list this one, looked at beside those that it lists


def refine(
    points: Points,
    best: Best,
    before: Best,
    *,
    k: int,
    home: np.ndarray,
    probes: np.ndarray,
    rows: slice | None = None,
) -> Best:
    """Compare samples with their neighbours' neighbours, but those in cells that they have probed.

    Parameters
    ----------
    points : Points
        The samples.
    best : Best
        What was found for each.
    before : Best
        What the last refinement began with: paths from a sample to a neighbour's neighbour all of whose links existed
        then are not followed, or not again.
    k : int
        Neighbours of a sample that are looked at, the sample itself included.
    home : ndarray of shape (n_samples,), int32
        Each sample's cell.
    probes : ndarray of shape (n_samples, p), int32
        The cells that it was compared with.

    rows : slice, optional
        The samples that are compared, by default all.

    Returns
    -------
    Best
        Of these.
    """
    offset, end, _ = (rows or slice(None)).indices(len(home))
    k = min(k, best.found.shape[1])
    is_new = np.empty((len(home), k), np.bool_)
    in_ranges(lambda start, stop: _find_new(start, stop, best.found, before.found, is_new), len(home), size=_BLOCK)
    starts, listed_by, listed_new = _listed_by(best.found, is_new)
    refined = best.take(slice(offset, end)).copy()

    def task(start: int, stop: int) -> None:
        links = is_new, starts, listed_by, listed_new, best.found
        _refine(start, stop, offset, points, home, probes, *links, *refined)

    in_ranges(task, end - offset, size=_BLOCK)
    return refined


@numba.njit(nogil=True, cache=True)
def _find_new(start, stop, found, before, is_new):  # type: ignore[no-untyped-def]
    """Whether each sample's neighbours were not among its neighbours before."""
    k = is_new.shape[1]
    for i in range(start, stop):
        for t in range(k):
            is_new[i, t] = not holds(before, i, k, found[i, t])


@numba.njit(nogil=True, cache=True)
def _listed_by(found, is_new):  # type: ignore[no-untyped-def]
    """The samples that have each sample among their k best: where each begins, all of them, and which are new there."""
    k = is_new.shape[1]
    starts = np.zeros(len(found) + 1, np.int64)
    for i in range(len(found)):
        for j in found[i, :k]:
            if j >= 0:
                starts[j + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    listed_by = np.empty(starts[-1], np.int32)
    listed_new = np.empty(starts[-1], np.bool_)
    for i in range(len(found)):
        for t in range(k):
            j = found[i, t]
            if j >= 0:
                listed_by[free[j]] = i
                listed_new[free[j]] = is_new[i, t]
                free[j] += 1
    return starts, listed_by, listed_new


@numba.njit(nogil=True, cache=True)
def _refine(  # type: ignore[no-untyped-def]
    first, last, offset, members, home, probes, is_new, starts, listed_by, listed_new, found, new_scores, new_found
):
    vectors, heads, necks = members
    k = is_new.shape[1]
    head = np.ones((1, heads.shape[1]), np.float32)
    seen_by = np.full(len(home), -1, np.int32)
    probed_by = np.full(max(home.max(), probes.max()) + 1, -1, np.int32)
    for row in range(first, last):
        i = row + offset
        seen_by[i] = i
        for t in range(found.shape[1]):
            if found[i, t] >= 0:
                seen_by[found[i, t]] = i
        for t in range(probes.shape[1]):
            if probes[i, t] >= 0:
                probed_by[probes[i, t]] = i
        half_square = -heads[i, -1]
        for d in range(heads.shape[1] - 1):
            head[0, d] = heads[i, d]
        open_heap(new_scores, new_found, row)
        listing = min(starts[i + 1] - starts[i], _MIDDLES)
        for m in range(k + listing):
            middle = found[i, m] if m < k else listed_by[starts[i] + m - k]
            middle_is_new = is_new[i, m] if m < k else listed_new[starts[i] + m - k]
            if middle < 0:
                continue
            for t in range(k):
                j = found[middle, t]
                if j < 0:
                    break
                if not (middle_is_new or is_new[middle, t]) or seen_by[j] == i or probed_by[home[j]] == i:
                    continue
                seen_by[j] = i
                bound = product(head, 0, heads, j)
                if bound <= new_scores[row, 0] + half_square:
                    continue
                bound += product(necks, i, necks, j) - heads[i, -2] * heads[j, -2]
                if bound <= new_scores[row, 0] + half_square:
                    continue
                score = closeness(vectors, i, vectors, j)
                if score > new_scores[row, 0]:
                    offer(score, j, new_scores, new_found, row)
        close_heap(new_scores, new_found, row)
