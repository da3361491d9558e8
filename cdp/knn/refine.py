"""Neighbours of neighbours: what a search by cells missed across their borders."""

import numba
import numpy as np

from cdp.knn.best import Best, close_heap, holds, offer, open_heap
from cdp.knn.points import Points
from cdp.knn.products import lower, product
from cdp.knn.scan import closeness
from cdp.threads import in_ranges

_BLOCK = 4096  # samples a task
_MIDDLES = 20  # samples that list this one, looked at beside those that it lists


def refine(
    points: Points,
    best: Best,
    is_new: np.ndarray,
    *,
    probes: np.ndarray,
    rows: np.ndarray,
) -> Best:
    """Compare samples with their neighbours' neighbours, but those in cells that they have probed.

    Parameters
    ----------
    points : Points
        The samples.
    best : Best
        What was found for each.
    is_new : ndarray of shape (n_samples, k), bool
        Whether each of the k best was not there when the last refinement began; of no others, neighbours are looked at.
        Paths from a sample to a neighbour's neighbour all of whose links existed then are not followed again.
    probes : ndarray of shape (n_samples, p), int32
        The cells that each sample was compared with, its own before the others.
    rows : ndarray of shape (n_rows,), int64
        The samples that are compared.

    Returns
    -------
    Best
        Of these.
    """
    starts, listed_by, listed_new = _listed_by(best.found, is_new)
    n_cells, cell_of = probes.max() + 1, probes[:, 0].copy()  # copied, more of them fit into the CPU's cache
    refined = Best(best.scores[rows], best.found[rows])

    def task(start: int, stop: int) -> None:
        links = is_new, starts, listed_by, listed_new, best.found
        _refine(start, stop, rows, points, probes, cell_of, n_cells, *links, *refined)

    in_ranges(task, len(rows), size=_BLOCK)
    return refined


def new_since(before: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """Which of the k first found were not among the k first before; bool (n_rows, k)."""
    is_new = np.empty((len(found), k), np.bool_)
    in_ranges(lambda start, stop: _find_new(start, stop, found, before, is_new), len(found), size=_BLOCK)
    return is_new


@numba.njit(nogil=True, cache=True)
def _find_new(start, stop, found, before, is_new):  # type: ignore[no-untyped-def]
    """See `new_since`."""
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
    start,
    stop,
    rows,
    points,
    probes,
    cell_of,
    n_cells,
    is_new,
    starts,
    listed_by,
    listed_new,
    found,
    new_scores,
    new_found,
):
    vectors, heads, necks, halves = points
    k = is_new.shape[1]
    seen_by = np.full(len(probes), -1, np.int32)
    probed_by = np.full(n_cells, -1, np.int32)
    for row in range(start, stop):
        i = rows[row]
        seen_by[i] = row
        for t in range(found.shape[1]):
            if found[i, t] >= 0:
                seen_by[found[i, t]] = row
        for t in range(probes.shape[1]):
            if probes[i, t] >= 0:
                probed_by[probes[i, t]] = row
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
                if not (middle_is_new or is_new[middle, t]) or seen_by[j] == row or probed_by[cell_of[j]] == row:
                    continue
                seen_by[j] = row
                bound = product(heads, i, heads, j) - halves[j] - halves[i]
                if bound <= new_scores[row, 0]:
                    continue
                bound += product(necks, i, necks, j) - lower(heads[i, 0]) * lower(heads[j, 0])
                if bound <= new_scores[row, 0]:
                    continue
                score = closeness(vectors, i, vectors, j)
                if score > new_scores[row, 0]:
                    offer(score, j, new_scores, new_found, row)
        close_heap(new_scores, new_found, row)
