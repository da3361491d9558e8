"""The members of cells that most likely are the best for each query, as products of heads alone tell them.

Where a neighbour may be missed, this is the fastest way to look at cells for the first time: while nothing is found
that is hard to beat, bounds rule out little, and most of what is compared exactly is soon replaced.
"""

import numba
import numpy as np

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import WIDTH, above, columns_of, lowest_bit, multiply, rows_of, with_first
from cdp.knn.scan import Cells, rows_by_cell, scan
from cdp.knn.settle import settle_listed
from cdp.threads import in_ranges

_ROWS, _COLUMNS = 256, 512  # queries and members of a cell that are compared at a time
_SPARE = 5  # candidates beside those that are wanted, which thinning may leave
_LATE = 0.4  # share of the last third of a shortlist, at most, that may be among the best
_TINY = np.float32(1e-30)
_ROOM = 8  # for candidates, beside twice as many as are wanted


def shortlist(
    queries: Points, cells: Cells, width: int, *, probes: np.ndarray | None = None, block: int = 4096
) -> np.ndarray:
    """The members of probed cells whose heads have the largest products with those of a query, less their halves.

    Parameters
    ----------
    queries : Points
    cells : Cells
    width : int
        How many.
    probes : ndarray of shape (n_queries, p), int32, optional
        Different cells in each row, the most promising first, -1 for none; default the first cell.
    block : int
        Queries that a thread takes at a time.

    Returns
    -------
    ndarray of shape (n_queries, width), int32
        Their positions, best first, -1 where there are fewer; of members that are almost equally good, any.
    """
    listed = np.empty((len(queries.heads), width), np.int32)
    if probes is None:
        probes = np.zeros((len(listed), 1), np.int32)

    def task(start: int, stop: int) -> None:
        some = slice(start, stop)
        listed[some] = _listed(queries.take(some), cells, width, probes[some])

    in_ranges(task, len(listed), size=block)
    return listed


def likely_best(queries: Points, cells: Cells, width: int, *, probes: np.ndarray, block: int) -> Best:
    """The best `width` members of probed cells, most of them: those of a shortlist half as long again.

    Where its last third proves better than that lets expect, heads tell too little, and all members are compared.
    For the parameters see `shortlist`.
    """
    best = Best.none(len(queries.heads), width)

    def task(start: int, stop: int) -> None:
        some = slice(start, stop)
        here = queries.take(some)
        without_tails = here._replace(heads=with_first(here.heads, np.zeros(stop - start, np.float32)))
        listed = _listed(without_tails, cells, width + width // 2, probes[some])
        late = settle_listed(here, cells.points, listed, best.take(some))
        unsure = start + np.flatnonzero(late > _LATE * (width // 2))
        better = Best(best.scores[unsure], best.found[unsure])
        scan(queries.take(unsure), cells, better, probes=probes[unsure])
        best.scores[unsure], best.found[unsure] = better

    in_ranges(task, len(queries.heads), size=block)
    return best


def _listed(queries: Points, cells: Cells, width: int, probes: np.ndarray) -> np.ndarray:
    """`shortlist`, in one thread."""
    n, room = len(queries.heads), _ROOM + 2 * width
    candidates = np.empty((n, room), np.float32), np.empty((n, room), np.int32)
    state = *candidates, np.zeros(n, np.int64), np.full(n, -np.inf, np.float32)
    for some in (probes[:, :1], probes[:, 1:]):  # after the first cell, few members of others are better
        lists = rows_by_cell(some, len(cells.starts) - 1)
        _collect(rows_of(queries.heads), cells.points.heads, cells.points.halves, cells.starts, lists, width, state)
    listed = np.full((n, width), -1, np.int32)
    _finish(state, listed)
    return listed


@numba.njit(nogil=True, cache=True)
def _collect(rows, heads, halves, starts, lists, width, state):  # type: ignore[no-untyped-def]
    """Add what may be among the best to the candidates: their scores, positions, number, and what is too low."""
    (listed, ends), (scores, positions, counts, lowest) = lists, state
    for cell in range(len(starts) - 1):
        begin, end = ends[cell - 1] if cell else 0, ends[cell]
        if begin == end:
            continue
        for start in range(starts[cell], starts[cell + 1], _COLUMNS):
            stop = min(start + _COLUMNS, starts[cell + 1])
            columns = columns_of(rows, heads, halves, start, stop)
            for some in range(begin, end, _ROWS):
                chosen = listed[some : min(some + _ROWS, end)]
                tile = multiply(rows, chosen, columns)
                for r in range(len(chosen)):
                    _add(tile, r, start, stop, width, scores, positions, counts, lowest, chosen[r])


@numba.njit(nogil=True, cache=True)
def _add(tile, r, start, stop, width, scores, positions, counts, lowest, row):  # type: ignore[no-untyped-def]
    count = counts[row]
    if count == 0 and stop - start > width + _SPARE:
        lowest[row] = _threshold(tile, r, stop - start, width)
    for column in range(0, tile.shape[1], WIDTH):
        promising = above(tile, r, column, lowest[row])
        while promising:
            c = column + lowest_bit(promising)
            promising &= promising - np.uint32(1)
            if count == scores.shape[1]:
                count, lowest[row] = _thinned(scores, positions, row, count, width)
            scores[row, count], positions[row, count] = tile[r, c], start + c
            count += 1
    counts[row] = count


@numba.njit(nogil=True, cache=True)
def _threshold(scores, row, count, width):  # type: ignore[no-untyped-def]
    """What at least `width` of a row's first `count` scores exceed, and few more, but for equals; by bisection."""
    smallest = largest = scores[row, 0]
    for t in range(1, count):
        smallest, largest = min(smallest, scores[row, t]), max(largest, scores[row, t])
    low, high = smallest - (largest - smallest) - abs(smallest) - _TINY, largest
    enough = min(width + _SPARE, 2 * width)
    while True:
        middle = (low + high) / np.float32(2)
        if not low < middle < high:
            return low
        n = 0
        for t in range(count):
            n += scores[row, t] > middle
        if n < width:
            high = middle
        else:
            low = middle
            if n <= enough:
                return low


@numba.njit(nogil=True, cache=True)
def _thinned(scores, positions, row, count, width):  # type: ignore[no-untyped-def]
    """Leave `width` candidates of a row, the best, or few more; how many, and what others have to exceed."""
    low = _threshold(scores, row, count, width)
    left, least = 0, np.float32(np.inf)
    for t in range(count):
        if scores[row, t] > low:
            scores[row, left], positions[row, left] = scores[row, t], positions[row, t]
            least = min(least, scores[row, t])
            left += 1
    if left <= width + _SPARE:
        return left, low
    count, left, equals = left, 0, width  # the least are equal: the first of them will do
    for t in range(count):
        equals -= scores[row, t] > least
    for t in range(count):
        is_equal = scores[row, t] == least
        if not is_equal or equals > 0:
            scores[row, left], positions[row, left] = scores[row, t], positions[row, t]
            left += 1
            equals -= is_equal
    return left, least


@numba.njit(nogil=True, cache=True)
def _finish(state, listed):  # type: ignore[no-untyped-def]
    """List the best candidates of each row in order."""
    scores, positions, counts, _ = state
    width = listed.shape[1]
    for row in range(len(listed)):
        count = counts[row]
        if count > width + _SPARE:
            count, _ = _thinned(scores, positions, row, count, width)
        for t in range(1, count):
            score, position, slot = scores[row, t], positions[row, t], t
            while slot > 0 and scores[row, slot - 1] < score:
                scores[row, slot], positions[row, slot] = scores[row, slot - 1], positions[row, slot - 1]
                slot -= 1
            scores[row, slot], positions[row, slot] = score, position
        for t in range(min(width, count)):
            listed[row, t] = positions[row, t]
