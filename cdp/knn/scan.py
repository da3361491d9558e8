"""Queries compared with all members of the cells that each query probes.

Exact search probes one cell that holds all samples; other searches few of many, which may be parts of cells. Products
of heads tell which distances are worth computing.
"""

from typing import NamedTuple

import numpy as np

from cdp.jit import njit
from cdp.knn.best import Best, close_heap, holds, offer, open_heap
from cdp.knn.instructions import WIDTH, above, lowest_bit, prefetch
from cdp.knn.points import Points
from cdp.knn.products import closeness, columns_of, lower, multiply, product, rows_of
from cdp.threads import in_ranges

_WAITING = 4 * WIDTH  # candidates whose memory is asked for before any of it is read
ROWS, COLUMNS = 256, 512  # queries and members of a cell that are compared at a time
_ZERO = np.float32(1e-33)  # tiles take numbers below 2e-38 for 0, in each of the products that they sum


class Cells(NamedTuple):
    """Points in groups.

    Attributes
    ----------
    points : Points
        Sorted by cell.
    starts : ndarray of shape (n_cells + 1,), int64
        Where each cell begins.
    """

    points: Points
    starts: np.ndarray

    @classmethod
    def one(cls, points: Points) -> "Cells":
        """A single cell of all points."""
        return cls(points, np.array([0, len(points.vectors)]))


def scan(
    queries: Points,
    cells: Cells,
    best: Best,
    *,
    probes: np.ndarray | None = None,
    manhattan: bool = False,
    device: str = "cpu",
    block: int = 4096,
) -> None:
    """Compare each query with all vectors of the cells that it probes, and keep the best in `best`.

    Parameters
    ----------
    queries : Points
    cells : Cells
        With heads of the same axes.
    best : Best
        Updated in place.
    probes : ndarray of shape (n_queries, p), int32, optional
        Different cells in each row, the most promising first, -1 for none; default the first cell.
    manhattan : bool
        Score by the negative sum of absolute differences; on the CPU only, from a `best` that holds nothing.
    device : {"cpu", "cuda"}
    block : int
        Queries that a thread takes at a time. It does not change results.

    Notes
    -----
    Threads work side by side, so BLAS should be held to one thread.
    """
    if probes is None:
        probes = np.zeros((len(queries.vectors), 1), np.int32)

    def task(start: int, stop: int) -> None:
        part = slice(start, stop)
        for some in (probes[part, :1], probes[part, 1:]):  # after the first cell, few members of others are better
            lists = rows_by_cell(some, len(cells.starts) - 1)
            scan_lists(queries.take(part), cells, best.take(part), lists, manhattan=manhattan, device=device)

    in_ranges(task, len(probes), size=block if device == "cpu" else max(1, len(probes)))


def nearest(
    queries: Points,
    points: Points,
    width: int,
    *,
    manhattan: bool = False,
    device: str = "cpu",
    block: int = 512,
) -> Best:
    """The `width` points (as many as there are, if fewer) nearest to each query; for the options see `scan`."""
    best = Best.none(len(queries.vectors), min(width, len(points.vectors)))
    scan(queries, Cells.one(points), best, manhattan=manhattan, device=device, block=block)
    return best


def scan_lists(
    queries: Points,
    cells: Cells,
    best: Best,
    lists: tuple[np.ndarray, np.ndarray],
    *,
    manhattan: bool = False,
    device: str = "cpu",
) -> None:
    """`scan`, in one thread, of the queries listed by cell: those of all cells, and where each cell's end."""
    if device == "cpu":
        _scan(queries, rows_of(queries.heads), cells.points, cells.starts, *best, *lists, manhattan)
    else:
        from cdp.knn.scan_torch import scan_torch  # loading torch takes seconds

        scan_torch(queries, cells, best, lists, device)


@njit
def _scan(queries, rows, members, starts, scores, found, listed, ends, manhattan):  # type: ignore[no-untyped-def]
    waiting = np.empty(_WAITING, np.int64), np.empty(_WAITING, np.int64), np.empty(_WAITING, np.float32)
    least = np.empty(len(scores), np.float32)  # of q·x - |x|²/2 for x to be better than the worst found
    is_listed = np.zeros(len(scores), np.bool_)
    for row in listed:
        is_listed[row] = True
    compared = np.flatnonzero(is_listed)
    for row in compared:
        open_heap(scores, found, row)
        least[row] = _least(scores[row, 0], queries.halves[row])
    for cell in range(len(starts) - 1):
        begin, end = ends[cell - 1] if cell else 0, ends[cell]
        if begin == end:
            continue
        for start in range(starts[cell], starts[cell + 1], COLUMNS):
            stop = min(start + COLUMNS, starts[cell + 1])
            columns = columns_of(rows, (members.heads,), members.halves, start, stop)
            for j in range(stop, min(2 * stop - start, len(members.heads))):  # what is looked at next, most likely
                prefetch(members.heads, j)
            for some in range(begin, end, ROWS):
                chosen = listed[some : min(some + ROWS, end)]
                if manhattan:
                    tile = _negative_distances(queries.vectors[chosen], members.vectors[start:stop])
                    _offer_scores(tile, chosen, start, scores, found)
                else:
                    bounds = multiply(rows, chosen, columns)
                    _offer_bounded(bounds, chosen, start, queries, members, scores, found, least, waiting)
    for row in compared:
        close_heap(scores, found, row)


@njit
def _offer_bounded(bounds, chosen, start, queries, members, scores, found, least, waiting):  # type: ignore[no-untyped-def]
    """Offer to rows those of the members from `start` on that are better, as bounds of q·x - |x|²/2 let expect."""
    n, (rows, places, waiting_bounds) = 0, waiting
    hits, bits = np.empty(len(chosen), np.int64), np.empty(len(chosen), np.uint32)
    for column in range(0, bounds.shape[1], WIDTH):
        n_hits = 0
        for r in range(len(chosen)):  # without branches, which no CPU could predict
            hits[n_hits], bits[n_hits] = r, above(bounds, r, column, least[chosen[r]])
            n_hits += bits[n_hits] != 0
        for h in range(n_hits):
            row, promising = chosen[hits[h]], bits[h]
            if n + WIDTH > len(rows):
                _offer_waiting(n, queries, members, scores, found, least, waiting)
                n = 0
            prefetch(queries.necks, row)
            while promising:
                c = column + lowest_bit(promising)
                promising &= promising - np.uint32(1)
                prefetch(members.necks, start + c)
                rows[n], places[n], waiting_bounds[n] = row, start + c, bounds[hits[h], c]
                n += 1
    _offer_waiting(n, queries, members, scores, found, least, waiting)


@njit
def _offer_waiting(n, queries, members, scores, found, least, waiting):  # type: ignore[no-untyped-def]
    """Offer what is better of the first `n` that wait: rows, members and their bounds (one row: `cdp.knn.settle`)."""
    (rows, places, bounds), left = waiting, 0
    for w in range(n):
        row, j = rows[w], places[w]
        tails = lower(queries.heads[row, 0]) * lower(members.heads[j, 0])
        if bounds[w] - tails + product(queries.necks, row, members.necks, j) > least[row]:
            prefetch(queries.vectors, row)
            prefetch(members.vectors, j)
            rows[left], places[left] = row, j
            left += 1
    for w in range(left):
        row, j = rows[w], places[w]
        score = closeness(queries.vectors, row, members.vectors, j)
        if score > scores[row, 0] and not holds(found, row, found.shape[1], j):
            offer(score, j, scores, found, row)
            least[row] = _least(scores[row, 0], queries.halves[row])


@njit
def _least(score, half):  # type: ignore[no-untyped-def]
    if score == 0:  # nothing is nearer than duplicates
        return np.float32(np.inf)
    return score + half - _ZERO


@njit
def _offer_scores(tile, rows, start, scores, found):  # type: ignore[no-untyped-def]
    """Offer to rows those of the vectors from `start` on whose scores, which are exact, are better."""
    for r in range(len(rows)):
        row = rows[r]
        for column in range(0, tile.shape[1], WIDTH):
            promising = above(tile, r, column, scores[row, 0])
            while promising:
                c = column + lowest_bit(promising)
                promising &= promising - np.uint32(1)
                if tile[r, c] > scores[row, 0]:
                    offer(tile[r, c], start + c, scores, found, row)


@njit
def rows_by_cell(probes, n_cells):  # type: ignore[no-untyped-def]
    """Rows that probe each cell, and where those of each cell end."""
    ends = np.zeros(n_cells + 1, np.int64)
    for row in range(len(probes)):
        for cell in probes[row]:
            if cell >= 0:
                ends[cell + 1] += 1
    ends = np.cumsum(ends)
    rows = np.empty(ends[-1], np.int32)
    for row in range(len(probes)):
        for cell in probes[row]:
            if cell >= 0:
                rows[ends[cell]] = row
                ends[cell] += 1
    return rows, ends[:-1]


@njit(fastmath=True)
def _negative_distances(a, b):  # type: ignore[no-untyped-def]
    tile = np.full((len(a), -(-len(b) // WIDTH) * WIDTH), -np.inf, np.float32)
    for i in range(len(a)):
        for j in range(len(b)):
            total = np.float32(0)
            for d in range(a.shape[1]):
                total += abs(a[i, d] - b[j, d])
            tile[i, j] = -total
    return tile
