"""Neighbours of neighbours: what a search by cells missed across their borders.

What it missed within cells that a sample looked into is not looked for; that should be next to nothing.
"""

import numpy as np

from cdp.jit import njit
from cdp.knn.aligned import aligned
from cdp.knn.best import Best, close_heap, holds, open_heap
from cdp.knn.instructions import LANES, prefetch
from cdp.knn.points import Points
from cdp.knn.settle import settle
from cdp.threads import in_ranges, usable_threads

_BLOCK = 4096  # samples a task
_NO_LINK = -(2**31)  # its complement is no sample
_WAITING = 32  # candidates whose memory is asked for before any of it is read
_SHIFT = 6  # a word of marks is of 2**6 bits
_MIDDLES = 20  # samples that list this one, looked at beside those that it lists itself, at most


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

    A sample's neighbours are its k best and, of the samples that it is among the k best of, some that are no farther
    than the worst that it has found. Neighbours of farther ones are hardly ever better.

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
        Different cells that each sample has looked into, -1 for none; hardly any neighbours were missed there.
    cell_starts : ndarray of shape (n_cells + 1,), int64
        Where each cell begins among the samples.
    rows : ndarray of shape (n_rows,), int64
        The samples that are compared.

    Returns
    -------
    Best
        Of these.
    """
    links, has_new = _links(best.found, is_new)
    refined, graph = Best(best.scores[rows], best.found[rows]), (links, has_new, *_listed_by(links, best.scores))

    def task(start: int, stop: int) -> None:
        _refine(start, stop, rows, points, (probes, cell_starts), graph, *refined)

    in_ranges(task, len(rows), size=_BLOCK)
    return refined


def new_since(before: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """Which of the k first found were not among the k first before; bool (n_rows, k)."""
    is_new = np.empty((len(found), k), np.bool_)
    in_ranges(lambda start, stop: _find_new(start, stop, found, before, is_new), len(found), size=_BLOCK)
    return is_new


def _links(found: np.ndarray, is_new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each sample, the complement (~) of those that are not new; and whether any is new.

    More columns, without links, fill whole lines of the caches, as `prefetch` counts them.
    """
    n_samples, k = is_new.shape
    links, has_new = aligned((n_samples, -(-k // LANES) * LANES), np.int32), np.empty(n_samples, np.bool_)
    in_ranges(lambda start, stop: _link(start, stop, found, is_new, links, has_new), n_samples, size=_BLOCK)
    return links, has_new


def _listed_by(links: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The samples that each sample is among the k best of, none farther than the worst that it has found.

    Where those of each begin, and all, written as links.
    """
    n_samples, worst = len(links), scores[:, -1].copy()
    size = max(1, -(-n_samples // usable_threads()))  # each thread goes through all links for its samples
    starts = np.zeros(n_samples + 1, np.int64)
    in_ranges(lambda first, last: _count(links, scores, worst, first, last, starts), n_samples, size=size)
    np.cumsum(starts, out=starts)
    listed_by, free = np.empty(starts[-1], np.int32), starts[:-1].copy()
    in_ranges(lambda first, last: _list(links, scores, worst, first, last, free, listed_by), n_samples, size=size)
    return starts, listed_by


@njit
def _find_new(start, stop, found, before, is_new):  # type: ignore[no-untyped-def]
    """See `new_since`."""
    k = is_new.shape[1]
    for i in range(start, stop):
        for t in range(k):
            is_new[i, t] = not holds(before, i, k, found[i, t])


@njit
def _link(start, stop, found, is_new, links, has_new):  # type: ignore[no-untyped-def]
    """See `_links`."""
    for i in range(start, stop):
        has_new[i], links[i] = False, _NO_LINK
        for t in range(is_new.shape[1]):
            j = found[i, t]
            if j >= 0:
                links[i, t] = j if is_new[i, t] else ~j
                has_new[i] |= is_new[i, t]


@njit
def _end(link):  # type: ignore[no-untyped-def]
    """The sample that a link leads to; too large a number, if there is no link."""
    return link if link >= 0 else ~link


@njit
def _count(links, scores, worst, first, last, starts):  # type: ignore[no-untyped-def]
    """Count how many `_listed_by` lists for each sample from `first` to `last`, one place later."""
    for i in range(len(links)):
        for t in range(links.shape[1]):
            j = _end(links[i, t])
            if first <= j < last and scores[i, t] >= worst[j]:
                starts[j + 1] += 1


@njit
def _list(links, scores, worst, first, last, free, listed_by):  # type: ignore[no-untyped-def]
    """List these, at the next free place of each sample."""
    for i in range(len(links)):
        for t in range(links.shape[1]):
            j = _end(links[i, t])
            if first <= j < last and scores[i, t] >= worst[j]:
                listed_by[free[j]] = i if links[i, t] >= 0 else ~i
                free[j] += 1


@njit
def _refine(start, stop, rows, points, cells, graph, scores, found):  # type: ignore[no-untyped-def]
    links, has_new, starts, listed_by = graph
    n_samples, k = links.shape
    middles, waiting = np.empty(k + _MIDDLES, np.int32), (np.empty(_WAITING, np.int64), np.empty(_WAITING, np.float32))
    seen, most = np.zeros((n_samples >> _SHIFT) + 1, np.int64), min(n_samples, len(middles) * k)
    # words of cells, which share none but at their ends, of what was found, of candidates
    marked = np.empty(len(seen) + 2 * cells[0].shape[1] + found.shape[1] + most, np.int64)
    for row in range(start, stop):
        i, n_middles, n_others, n = rows[row], 0, 0, 0
        for m in range(k + starts[i + 1] - starts[i]):
            link = links[i, m] if m < k else listed_by[starts[i] + m - k]
            middle = _end(link)
            if m >= k:
                if holds(links, i, k, middle) or holds(links, i, k, ~middle):
                    continue
                if n_others == _MIDDLES:
                    break
                n_others += 1
            if middle < n_samples and (link >= 0 or has_new[middle]):
                prefetch(links, middle)
                middles[n_middles] = link
                n_middles += 1
        if n_middles == 0:
            continue
        n_marked = _mark_known(i, *cells, found, row, seen, marked)
        open_heap(scores, found, row)
        for m in range(n_middles):
            link, middle = middles[m], _end(middles[m])
            for t in range(k):
                further = links[middle, t]
                j = _end(further)
                if j >= n_samples:
                    break
                word, bit = _place(j)
                if link & further < 0 or seen[word] & bit:
                    continue
                n_marked = _mark(word, bit, seen, marked, n_marked)
                prefetch(points.heads, j)
                waiting[0][n] = j
                n += 1
                if n == _WAITING:
                    settle(points, i, waiting, n, points, scores, found, row)
                    n = 0
        settle(points, i, waiting, n, points, scores, found, row)
        close_heap(scores, found, row)
        for m in range(n_marked):
            seen[marked[m]] = 0


@njit
def _mark_known(i, probes, cell_starts, found, row, seen, marked):  # type: ignore[no-untyped-def]
    """Mark what a sample is not compared with: members of the cells that it has probed, and what it has found."""
    n_marked = 0
    for cell in probes[i]:
        start, stop = (cell_starts[cell], cell_starts[cell + 1]) if cell >= 0 else (0, 0)
        while start < stop:
            word = start >> _SHIFT
            first, end = word << _SHIFT, min(stop, (word + 1) << _SHIFT)
            bits = (-1 << (start - first)) & ~(-2 << (end - 1 - first))
            n_marked = _mark(word, bits, seen, marked, n_marked)
            start = end
    for j in found[row]:
        if j >= 0:
            word, bit = _place(j)
            n_marked = _mark(word, bit, seen, marked, n_marked)
    return n_marked


@njit
def _place(j):  # type: ignore[no-untyped-def]
    """The word of a sample, and its bit there."""
    return j >> _SHIFT, 1 << (j & ((1 << _SHIFT) - 1))


@njit
def _mark(word, bits, seen, marked, n_marked):  # type: ignore[no-untyped-def]
    """Set bits of a word, and list it among those marked, of which there are so many; how many are now."""
    seen[word] |= bits
    marked[n_marked] = word
    return n_marked + 1
