"""Neighbours of neighbours: what a search by cells missed across their borders.

What it missed within cells that a sample looked into is not looked for; that should be next to nothing.
"""

import numba
import numpy as np

from cdp.knn.best import Best, close_heap, holds, open_heap
from cdp.knn.instructions import prefetch
from cdp.knn.points import Points
from cdp.knn.settle import settle
from cdp.threads import in_ranges

_BLOCK = 4096  # samples a task
_WAITING = 32  # candidates whose memory is asked for before any of it is read
_MIDDLES = 20  # samples that list this one, looked at beside those that it lists


def refine(
    points: Points,
    best: Best,
    is_new: np.ndarray,
    *,
    probes: np.ndarray,
    cell_starts: np.ndarray,
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
        The cells that each sample has looked into; hardly any neighbours were missed there.
    cell_starts : ndarray of shape (n_cells + 1,), int64
        Where each cell begins among the samples.
    rows : ndarray of shape (n_rows,), int64
        The samples that are compared.

    Returns
    -------
    Best
        Of these.
    """
    links = is_new, is_new.any(axis=1), *_listed_by(best.found, is_new)
    refined = Best(best.scores[rows], best.found[rows])

    def task(start: int, stop: int) -> None:
        _refine(start, stop, rows, points, (probes, cell_starts), links, best.found, *refined)

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
def _refine(start, stop, rows, points, cells, links, found, new_scores, new_found):  # type: ignore[no-untyped-def]
    is_new, has_new, starts, listed_by, listed_new = links
    k = is_new.shape[1]
    middles, is_whole = np.empty(k + _MIDDLES, np.int32), np.empty(k + _MIDDLES, np.bool_)
    candidates = np.empty(len(middles) * k, np.int32)
    seen, waiting = np.zeros(len(found), np.bool_), (np.empty(_WAITING, np.int64), np.empty(_WAITING, np.float32))
    for row in range(start, stop):
        i, n_middles, n_candidates, n = rows[row], 0, 0, 0
        for m in range(k + min(_MIDDLES, starts[i + 1] - starts[i])):
            listing = starts[i] + m - k
            middle, link_is_new = (found[i, m], is_new[i, m]) if m < k else (listed_by[listing], listed_new[listing])
            if middle >= 0 and (link_is_new or has_new[middle]):
                prefetch(found, middle)
                middles[n_middles], is_whole[n_middles] = middle, link_is_new
                n_middles += 1
        if n_middles == 0:
            continue
        _mark(i, *cells, found, seen, True)
        open_heap(new_scores, new_found, row)
        for m in range(n_middles):
            for t in range(k):
                j = found[middles[m], t]
                if j < 0:
                    break
                if seen[j] or not (is_whole[m] or is_new[middles[m], t]):
                    continue
                seen[j] = True
                candidates[n_candidates] = j
                n_candidates += 1
                prefetch(points.heads, j)
                waiting[0][n] = j
                n += 1
                if n == _WAITING:
                    settle(points, i, waiting, n, points, new_scores, new_found, row)
                    n = 0
        settle(points, i, waiting, n, points, new_scores, new_found, row)
        close_heap(new_scores, new_found, row)
        for c in range(n_candidates):
            seen[candidates[c]] = False
        _mark(i, *cells, found, seen, False)


@numba.njit(nogil=True, cache=True)
def _mark(i, probes, cell_starts, found, seen, value):  # type: ignore[no-untyped-def]
    """Mark what a sample is not compared with: members of the cells that it has probed, and what it has found."""
    for cell in probes[i]:
        if cell >= 0:
            for j in range(cell_starts[cell], cell_starts[cell + 1]):
                seen[j] = value
    for j in found[i]:
        if j >= 0:
            seen[j] = value
