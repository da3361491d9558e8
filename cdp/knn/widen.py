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
from cdp.knn.scan import Cells, scan_lists
from cdp.threads import in_ranges

_BLOCKS = 16  # tasks, or more, of at most so many queries:
_LARGEST_BLOCK = 16384
_CELLS = 256  # a task


class Outline(NamedTuple):
    """What is known of cells, and of groups of them, without looking at their members.

    Attributes
    ----------
    cells : ndarray of shape (n_cells, h + 2), float32
        Mean head of a cell's points, their root mean square distance from it, minus half their mean squared length.
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
        lists = _promising(points.heads, *reaches, *outline)
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
    return means.astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _promising(  # type: ignore[no-untyped-def]
    heads, worst, within, worst_before, within_before, cells, groups, starts
):
    """Rows that look at each cell, and where those of each cell end."""
    queries = heads.copy()
    queries[:, -2] = 0
    queries[:, -1] = 1
    by_group = _close(queries, heads, worst, within, groups)
    known_by_group = _close(queries, heads, worst_before, within_before, groups)
    ends = np.zeros(len(cells), np.int64)
    rows = np.empty(16 * len(heads), np.int32)
    filled = 0
    for group in range(len(groups)):
        members = np.flatnonzero(by_group[:, group])
        first, last = starts[group], starts[group + 1]
        by_cell = _close(queries[members], heads[members], worst[members], within, cells[first:last])
        known = _close(queries[members], heads[members], worst_before[members], within_before, cells[first:last])
        for cell in range(first, last):
            if filled + len(members) > len(rows):
                rows = np.concatenate((rows, np.empty(len(rows) + len(members), np.int32)))
            for m in range(len(members)):
                row = members[m]
                if by_cell[m, cell - first] and not (known_by_group[row, group] and known[m, cell - first]):
                    rows[filled] = row
                    filled += 1
            ends[cell] = filled
    return rows[:filled], ends


@numba.njit(nogil=True, cache=True)
def _close(queries, heads, worst, within, means):  # type: ignore[no-untyped-def]
    """Which queries have their worst neighbour within so many units of which means."""
    scores = np.dot(queries, means.T)
    spreads = means[:, -2] ** 2
    close = np.empty(scores.shape, np.bool_)
    for r in range(len(scores)):
        for c in range(scores.shape[1]):
            score = scores[r, c] + heads[r, -1]
            gap, distance = worst[r] - score, max(np.float32(0), -2 * score - spreads[c])
            close[r, c] = (gap <= 0) | (gap * gap < within * within * distance * spreads[c])
    return close
