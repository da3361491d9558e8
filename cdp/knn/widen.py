"""A wider search: each sample looks into the cells where better neighbours may be expected.

A query q scores the members x of a cell by -|q - x|²/2. The mean of these is known from the cell's mean, and
they deviate from it by some share of |q - mean| times the cell's spread. If the score of q's k-th neighbour lies many
such units above the mean, hardly a member is better. Samples in dense places are done with few cells; those
far from everything look into many.
"""

from typing import NamedTuple

import numba
import numpy as np

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import columns_of, multiply, rounded, rows_of
from cdp.knn.scan import Cells, scan_lists
from cdp.threads import in_ranges

_BLOCKS = 16  # tasks, or more, of at most so many queries:
_LARGEST_BLOCK = 16384
_CELLS = 256  # a task
_ROWS = 256  # that are compared with means at a time


class Outline(NamedTuple):
    """What is known of cells, and of groups of them, without looking at their members.

    Attributes
    ----------
    cells : ndarray of shape (n_cells, h + 2), float32
        Mean head of a cell's points, rounded; their root mean square distance from it; minus half their mean squared
        length.
    groups : ndarray of shape (n_groups, h + 2), float32
        The same of a group's points.
    starts : ndarray of shape (n_groups + 1,), int64
        Where each group begins among the cells.
    """

    cells: np.ndarray
    groups: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, cells: Cells, group_starts: np.ndarray) -> "Outline":
        """The outline of cells that lie by group."""
        sums = _sums(cells.points.heads, cells.starts)
        of_groups = _means(_sums(sums, group_starts), np.diff(cells.starts[group_starts]))
        return cls(_means(sums, np.diff(cells.starts)), of_groups, group_starts)


class Reach(NamedTuple):
    """How far a search went: it compared each query with the members of all cells that were promising then.

    Attributes
    ----------
    worst : ndarray of shape (n_queries,), float32
        Score that members had to beat.
    within : float
        How many units it might lie above the mean of a cell that was looked at.
    """

    worst: np.ndarray
    within: float

    @classmethod
    def none(cls, n_queries: int) -> "Reach":
        """Nothing was promising."""
        return cls(np.full(n_queries, np.inf, np.float32), 0.0)


def block_size(n_points: int) -> int:
    """Queries that are searched for at a time: what is promising may depend, by a rounding, on who is among them."""
    return max(1, min(_LARGEST_BLOCK, n_points // _BLOCKS))


def widen(
    queries: Points,
    cells: Cells,
    outline: Outline,
    best: Best,
    before: Reach,
    *,
    k: int,
    within: float,
    device: str,
) -> Reach:
    """Compare queries with the members of those cells that may hold neighbours better than their k-th.

    Parameters
    ----------
    queries : Points
        Some of the cells' points.
    cells : Cells
    outline : Outline
        Theirs.
    best : Best
        What was found for each query; updated in place.
    before : Reach
        Of the search before this; what it looked at is not looked at again.
    k : int
    within : float
        How many units the k-th best score may lie above the mean of a cell that is looked at.
    device : {"cpu", "cuda"}

    Returns
    -------
    Reach
        Of this search.
    """
    now = Reach(best.scores[:, k - 1].copy(), within)

    def task(start: int, stop: int) -> None:
        part = slice(start, stop)
        points = queries.take(part)
        reaches = now.worst[part], np.float32(within), before.worst[part], np.float32(before.within)
        lists = _promising(rows_of(points.heads), points.heads, *outline, reaches)
        scan_lists(points, cells, best.take(part), lists, device=device)

    n_queries = len(now.worst)
    in_ranges(task, n_queries, size=block_size(len(cells.points.vectors)) if device == "cpu" else max(1, n_queries))
    return now


def _sums(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Of the rows of each cell; float64 (n_cells, columns of `rows`)."""
    sums = np.zeros((len(starts) - 1, rows.shape[1]))

    def task(start: int, stop: int) -> None:
        filled = start + np.flatnonzero(np.diff(starts[start : stop + 1]))
        if len(filled):
            sums[filled] = np.add.reduceat(rows[: starts[stop]], starts[filled], axis=0)

    in_ranges(task, len(sums), size=_CELLS)
    return sums


def _means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """See `Outline`."""
    means = sums / np.maximum(1, counts)[:, None]
    squares = -2 * means[:, -1] - np.einsum("ij,ij->i", means[:, :-2], means[:, :-2])
    means[:, -2] = np.sqrt(np.maximum(0, squares))
    means[:, :-2] = rounded(means[:, :-2])
    return means.astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _promising(rows, heads, cells, groups, starts, reaches):  # type: ignore[no-untyped-def]
    """Rows that look at each cell, and where those of each cell end."""
    by_group, known_by_group = _close(rows, heads, np.arange(len(heads)), groups, reaches)
    ends = np.zeros(len(cells), np.int64)
    listed = np.empty(16 * len(heads), np.int32)
    filled = 0
    for group in range(len(groups)):
        members = np.flatnonzero(by_group[:, group])
        first, last = starts[group], starts[group + 1]
        looks, known = _close(rows, heads, members, cells[first:last], reaches)
        counts = np.zeros(last - first, np.int64)
        for m in range(len(members)):
            known_group = known_by_group[members[m], group]
            for cell in range(last - first):
                looks[m, cell] &= not (known_group & known[m, cell])
                counts[cell] += looks[m, cell]
        ends[first:last] = filled + np.cumsum(counts)
        free = ends[first:last] - counts
        filled += counts.sum()
        if filled > len(listed):
            listed = np.concatenate((listed, np.empty(filled, np.int32)))
        for m in range(len(members)):
            for cell in range(last - first):
                if looks[m, cell]:
                    listed[free[cell]] = members[m]
                    free[cell] += 1
    return listed[:filled], ends


@numba.njit(nogil=True, cache=True)
def _close(rows, heads, chosen, means, reaches):  # type: ignore[no-untyped-def]
    """Which of the chosen rows have their worst neighbour within so many units of which means, now and before."""
    worst, within, worst_before, within_before = reaches
    now, before = np.empty((len(chosen), len(means)), np.bool_), np.empty((len(chosen), len(means)), np.bool_)
    spreads, heads_only = means[:, -2] ** 2, means.copy()
    heads_only[:, -2] = 0
    columns = columns_of(rows, heads_only, 0, len(means))
    for begin in range(0, len(chosen), _ROWS):
        some = chosen[begin : begin + _ROWS]
        scores = multiply(rows, some, columns)
        for r in range(len(some)):
            row = some[r]
            half_square, last, last_before = heads[row, -1], worst[row], worst_before[row]
            for c in range(len(means)):
                score = scores[r, c] + half_square
                square = max(np.float32(0), -2 * score - spreads[c]) * spreads[c]
                now[begin + r, c] = _is_within(last - score, within, square)
                before[begin + r, c] = _is_within(last_before - score, within_before, square)
    return now, before


@numba.njit(nogil=True, cache=True)
def _is_within(gap, within, square):  # type: ignore[no-untyped-def]
    return (gap <= 0) | (gap * gap < within * within * square)
