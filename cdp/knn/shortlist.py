"""The members of cells that most likely are the best for each query, as rounded products tell them.

Where a neighbour may be missed, this is the fastest way to look at cells for the first time: while nothing is found
that is hard to beat, bounds rule out little, and most of what is compared exactly is soon replaced.
"""

import numpy as np

from cdp.jit import njit
from cdp.knn.best import Best, holds, is_worse
from cdp.knn.instructions import WIDTH, above, count_bits, lowest_bit, prefetch
from cdp.knn.points import Points
from cdp.knn.products import closeness, columns_of, multiply, rows_of, with_first
from cdp.knn.scan import COLUMNS, ROWS, Cells, rows_by_cell, scan
from cdp.threads import in_ranges

_NECK_WORDS = 16  # that are looked at beside heads: a tile
_LATE = 0.4  # share of the last third of a shortlist that may be among the best; two thirds would be by chance
_EXTRA = 5  # candidates that thinning may leave beside those that are wanted
_ROOM = 8  # for candidates, beside twice as many as are wanted
_AHEAD = 6  # rows whose memory is asked for before they are looked at
_TINY = np.float32(1e-30)


def shortlist(
    queries: Points, cells: Cells, width: int, *, probes: np.ndarray | None = None, block: int = 4096
) -> np.ndarray:
    """The members of probed cells with the largest products with a query, by heads and necks, less halves.

    Parameters
    ----------
    queries : Points
        Without tails: `Points.rounded`, or with tails of length 0. Of necks, what they have counts.
    cells : Cells
        With heads and necks that hold the same.
    width : int
        How many.
    probes : ndarray of shape (n_queries, p), int32, optional
        Different cells in each row, the most promising first, -1 for none; default the first cell.
    block : int
        Queries that a thread takes at a time. Without tiles, results may depend on it (see `cdp.knn.blocks`).

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
    """Nearly all of the best `width` members of the probed cells, from a shortlist half as long again.

    Where many of its last third are among the best, products tell too little, and all members are compared.
    For the other parameters see `shortlist`; queries have tails here.

    Parameters
    ----------
    width : int
        How many are kept.

    Returns
    -------
    Best
        With exact scores.
    """
    best, more = Best.none(len(queries.heads), width), -(-width // 2)

    def task(start: int, stop: int) -> None:
        some = slice(start, stop)
        here, best_here = queries.take(some), best.take(some)
        listed = _listed(_without_tails(here), cells, width + more, probes[some])
        late = _compare(here.vectors, cells.points.vectors, listed, *best_here)
        is_unsure = (late > _LATE * more) & (listed[:, -1] >= 0)
        if is_unsure.any():
            again = np.where(is_unsure[:, None], probes[some], np.int32(-1))
            scan(here, cells, best_here, probes=again, block=stop - start)

    in_ranges(task, len(queries.heads), size=block)
    return best


def _without_tails(points: Points) -> Points:
    """Points whose products with others are those of heads, and of what is looked at of necks, alone."""
    none = np.zeros(len(points.halves), np.float32)
    necks = with_first(points.necks[:, :_NECK_WORDS], none)
    return points._replace(heads=with_first(points.heads, none), necks=necks)


def _listed(queries: Points, cells: Cells, width: int, probes: np.ndarray) -> np.ndarray:
    """`shortlist`, in one thread."""
    n, room = len(queries.heads), -(-(_ROOM + 2 * width) // WIDTH) * WIDTH
    candidates = np.full((n, room), -np.inf, np.float32), np.empty((n, room), np.int32)
    state = *candidates, np.zeros(n, np.int64), np.full(n, -np.inf, np.float32)
    assert queries.heads.shape[1] == cells.points.heads.shape[1]
    rows = rows_of(np.hstack((queries.heads, queries.necks)))
    for some in (probes[:, :1], probes[:, 1:]):  # after the first cell, few members of others are better
        _collect(rows, cells.points, cells.starts, rows_by_cell(some, len(cells.starts) - 1), width, state)
    listed = np.full((n, width), -1, np.int32)
    _finish(state, listed)
    return listed


@njit
def _collect(rows, members, starts, lists, width, state):  # type: ignore[no-untyped-def]
    """Add what may be among the best to the candidates: scores, positions, how many, and what others must exceed."""
    (in_cells, ends), (scores, positions, counts, limits) = lists, state
    for cell in range(len(starts) - 1):
        begin, end = ends[cell - 1] if cell else 0, ends[cell]
        if begin == end:
            continue
        for start in range(starts[cell], starts[cell + 1], COLUMNS):
            stop = min(start + COLUMNS, starts[cell + 1])
            columns = columns_of(rows, (members.heads, members.necks), members.halves, start, stop)
            for some in range(begin, end, ROWS):
                chosen = in_cells[some : min(some + ROWS, end)]
                tile = multiply(rows, chosen, columns)
                for r in range(len(chosen)):
                    if r + _AHEAD < len(chosen):
                        prefetch(scores, chosen[r + _AHEAD])
                        prefetch(positions, chosen[r + _AHEAD])
                    _add(tile, r, start, stop, width, scores, positions, counts, limits, chosen[r])


@njit
def _add(tile, r, start, stop, width, scores, positions, counts, limits, row):  # type: ignore[no-untyped-def]
    """Add those of the members from `start` to `stop` that exceed the limit, to the candidates of a row."""
    count = counts[row]
    if count == 0 and stop - start > width + _EXTRA:
        limits[row], _ = _limits(tile, r, stop - start, width)
    for column in range(0, tile.shape[1], WIDTH):
        promising = above(tile, r, column, limits[row])
        while promising:
            c = column + lowest_bit(promising)
            promising &= promising - np.uint32(1)
            if count == scores.shape[1]:
                count, limits[row] = _thinned(scores, positions, row, count, width)
            if tile[r, c] > limits[row]:
                scores[row, count], positions[row, count] = tile[r, c], start + c
                count += 1
    counts[row] = count


@njit
def _limits(scores, row, count, width):  # type: ignore[no-untyped-def]
    """Two limits, by bisection: at least `width` of a row's first `count` scores exceed the first, fewer the second.

    More than `width` and `_EXTRA` exceed the first only if no number is between the two: then many equal the second.
    """
    low = high = scores[row, 0]
    for t in range(1, count):
        low, high = min(low, scores[row, t]), max(high, scores[row, t])
    low -= abs(low) + _TINY
    while True:
        middle = (low + high) / np.float32(2)
        if not low < middle < high:
            return low, high
        n = _count_above(scores, row, count, middle)
        if n < width:
            high = middle
        else:
            low = middle
            if n <= width + _EXTRA:
                return low, high


@njit
def _count_above(scores, row, count, least):  # type: ignore[no-untyped-def]
    """How many of a row's first `count` scores, which are followed by -inf, exceed the least."""
    n = 0
    for column in range(0, count, WIDTH):
        n += count_bits(above(scores, row, column, least))
    return n


@njit
def _thinned(scores, positions, row, count, width):  # type: ignore[no-untyped-def]
    """Leave `width` candidates of a row, the best, or few more; how many, and what others must exceed."""
    limit, equal = _limits(scores, row, count, width)
    left, equals_left, limit_left = 0, count, limit
    if _count_above(scores, row, count, limit) > width + _EXTRA:  # the first of the equals will do
        equals_left, limit_left = width - _count_above(scores, row, count, equal), equal
    for column in range(0, count, WIDTH):
        promising = above(scores, row, column, limit)
        while promising:
            t = column + lowest_bit(promising)
            promising &= promising - np.uint32(1)
            if scores[row, t] == equal:
                if equals_left == 0:
                    continue
                equals_left -= 1
            scores[row, left], positions[row, left] = scores[row, t], positions[row, t]
            left += 1
    scores[row, left:count] = -np.inf
    return left, limit_left


@njit
def _finish(state, listed):  # type: ignore[no-untyped-def]
    """List the best candidates of each row in order."""
    scores, positions, counts, _ = state
    width = listed.shape[1]
    for row in range(len(listed)):
        count = counts[row]
        if count > width + _EXTRA:
            count, _ = _thinned(scores, positions, row, count, width)
        for t in range(count):
            place = _count_above(scores, row, count, scores[row, t])
            while place < width and listed[row, place] >= 0:
                place += 1
            if place < width:
                listed[row, place] = positions[row, t]


@njit
def _compare(queries, members, listed, scores, found):  # type: ignore[no-untyped-def]
    """Put the best of the members listed for each query in order; how many of these are not among the first listed."""
    width = scores.shape[1]
    late = np.zeros(len(listed), np.int64)
    for row in range(len(listed)):
        n = 0
        for j in listed[row]:
            if j < 0:
                break
            prefetch(members, j)
            n += 1
        for t in range(n):
            j, slot = listed[row, t], min(t, width - 1)
            score = closeness(queries, row, members, j)
            if t >= width and not is_worse(scores[row, slot], found[row, slot], score, j):
                continue
            while slot > 0 and is_worse(scores[row, slot - 1], found[row, slot - 1], score, j):
                scores[row, slot], found[row, slot] = scores[row, slot - 1], found[row, slot - 1]
                slot -= 1
            scores[row, slot], found[row, slot] = score, j
        for t in range(width, n):
            late[row] += holds(found, row, width, listed[row, t])
    return late
