"""A wider search: each sample looks into the parts of cells where better neighbours may be expected.

A query q scores the members x of a part by -|q - x|²/2. The mean of these is known from the part's mean, and they
deviate from it by some share of a unit: the part's spread times the sum of two lengths, of q and of its members, as
seen from the middle of all points. If the score of q's k-th neighbour lies many such units above the mean, hardly a
member is better. Samples in dense places are done with few parts; those far from everything look into many.
"""

from typing import NamedTuple

import numba
import numpy as np

from cdp.knn.best import Best
from cdp.knn.parts import part_starts
from cdp.knn.points import Points
from cdp.knn.products import (
    WIDTH,
    above,
    columns_of,
    lower,
    lowest_bit,
    multiply,
    packed,
    product,
    rows_of,
    unpacked,
    upper,
)
from cdp.knn.scan import Cells, scan_lists
from cdp.threads import in_ranges

_BLOCKS = 16  # tasks, or more, of at most so many queries:
_LARGEST_BLOCK = 16384
_PARTS = 512  # a task
_ROWS = 256  # that are compared with means at a time
# Limits for groups: by their spread, members lie farther from the mean of a group than from that of a part.
_WIDER = np.float32(1.75)


class Means(NamedTuple):
    """Means of sets of points.

    Attributes
    ----------
    heads : ndarray of shape (n_sets, as those of points), uint32
        Mean head, with a tail of length 0.
    halves : ndarray of shape (n_sets,), float32
        Half the mean squared length of the points, and what makes up for the rounding of the mean head where that is.
    spreads : ndarray of shape (n_sets,), float32
        Root mean square distance of the points from the mean head.
    lengths : ndarray of shape (n_sets,), float32
        Root mean square distance of the points from the middle of all.
    """

    heads: np.ndarray
    halves: np.ndarray
    spreads: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray, counts: np.ndarray, middle: np.ndarray) -> "Means":
        """Means from sums of heads and halves, float64 (n_sets, numbers in a head + 1), and from numbers of points."""
        means = sums / np.maximum(1, counts)[:, None]
        heads, halves = means[:, :-1], means[:, -1]
        heads[:, 0] = 0
        words = packed(heads)
        made_up = np.einsum("ij,ij->i", heads, unpacked(words) - heads)
        squares = 2 * halves - np.einsum("ij,ij->i", heads, heads)
        from_middle = 2 * halves - 2 * heads @ middle + middle @ middle
        roots = (np.sqrt(np.maximum(0, values)).astype(np.float32) for values in (squares, from_middle))
        return cls(words, (halves + made_up).astype(np.float32), *roots)


class Outline(NamedTuple):
    """What is known of parts of cells, and of groups of them, without looking at their members.

    Attributes
    ----------
    parts : Means
    groups : Means
    middle : ndarray of shape (1, as heads of points), uint32
        Mean head of all points, with a tail of length 0.
    starts : ndarray of shape (n_parts + 1,), int64
        Where each part begins among the points.
    group_starts : ndarray of shape (n_groups + 1,), int64
        Where each group begins among the parts.
    """

    parts: Means
    groups: Means
    middle: np.ndarray
    starts: np.ndarray
    group_starts: np.ndarray

    @classmethod
    def of(cls, cells: Cells, group_starts: np.ndarray) -> "Outline":
        """The outline of cells that lie by group, and their members by part (see `cdp.knn.parts`)."""
        starts, cell_starts = part_starts(cells.starts)
        heads, halves = cells.points.heads, cells.points.halves
        sums = np.zeros((len(starts) - 1, 2 * heads.shape[1] + 1))
        in_ranges(lambda first, last: _add(heads, halves, starts, first, last, sums), len(sums), size=_PARTS)
        mean = sums[:, :-1].sum(axis=0, keepdims=True) / max(1, len(halves))
        mean[:, 0] = 0
        middle = packed(mean)
        group_starts = cell_starts[group_starts]
        parts = Means.of(sums, np.diff(starts), unpacked(middle)[0])
        groups = Means.of(_sums(sums, group_starts), np.diff(starts[group_starts]), unpacked(middle)[0])
        return cls(parts, groups, middle, starts, group_starts)


class Reach(NamedTuple):
    """How far a search went: it compared each query with the members of all parts that were promising then.

    Attributes
    ----------
    worst : ndarray of shape (n_queries,), float32
        Score that members had to beat.
    within : float
        How many units it might lie above the mean of a part that was looked at.
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
    points: Points,
    outline: Outline,
    best: Best,
    before: Reach,
    *,
    k: int,
    within: float,
    device: str,
) -> Reach:
    """Compare queries with the members of those parts of cells that may hold neighbours better than their k-th.

    Parameters
    ----------
    queries : Points
        Some of the points.
    points : Points
    outline : Outline
        Theirs.
    best : Best
        What was found for each query; updated in place.
    before : Reach
        Of the search before this; what it looked at is not looked at again.
    k : int
    within : float
        How many units the k-th best score may lie above the mean of a part that is looked at.
    device : {"cpu", "cuda"}

    Returns
    -------
    Reach
        Of this search.
    """
    worst = best.scores[:, k - 1].copy()
    worst[worst == 0] = np.inf  # nothing is better than duplicates
    now = Reach(worst, within)
    parts = Cells(points, outline.starts)

    def task(start: int, stop: int) -> None:
        some = slice(start, stop)
        points_here = queries.take(some)
        reaches = ((reach.worst[some], np.float32(reach.within)) for reach in (now, before))
        lists = _promising(points_here, rows_of(points_here.heads), outline, *reaches)
        scan_lists(points_here, parts, best.take(some), lists, device=device)

    size = block_size(len(points.vectors)) if device == "cpu" else max(1, len(now.worst))
    in_ranges(task, len(now.worst), size=size)
    return now


@numba.njit(nogil=True, cache=True)
def _add(heads, halves, starts, first, last, sums):  # type: ignore[no-untyped-def]
    """Sum the heads, and the halves, of the points of some parts."""
    for part in range(first, last):
        for i in range(starts[part], starts[part + 1]):
            for w in range(heads.shape[1]):
                sums[part, 2 * w] += lower(heads[i, w])
                sums[part, 2 * w + 1] += upper(heads[i, w])
            sums[part, -1] += halves[i]


@numba.njit(nogil=True, cache=True)
def _sums(rows, starts):  # type: ignore[no-untyped-def]
    """Of the rows of each group."""
    sums = np.zeros((len(starts) - 1, rows.shape[1]))
    for group in range(len(sums)):
        for i in range(starts[group], starts[group + 1]):
            for c in range(rows.shape[1]):
                sums[group, c] += rows[i, c]
    return sums


@numba.njit(nogil=True, cache=True)
def _promising(queries, rows, outline, now, before):  # type: ignore[no-untyped-def]
    """Rows that look into each part, and where those of each part end; `now` and `before` as in a `Reach`."""
    parts, groups, group_starts, halves = outline.parts, outline.groups, outline.group_starts, queries.halves
    lengths = np.empty(len(rows), np.float32)  # from the middle
    for row in range(len(rows)):
        nearer = product(queries.heads, row, outline.middle, 0) - product(outline.middle, 0, outline.middle, 0) / 2
        lengths[row] = np.sqrt(max(np.float32(0), 2 * (halves[row] - nearer)))
    of_rows, everyone, n_groups = (rows, halves, lengths), np.arange(len(rows)), len(groups.halves)
    close_groups = _close(of_rows, everyone, groups, 0, n_groups, now[0], _WIDER * now[1])
    groups_before = np.zeros_like(close_groups)
    if before[1] > 0:
        groups_before = _close(of_rows, everyone, groups, 0, n_groups, before[0], _WIDER * before[1])
    members, group_ends = _by_column(close_groups, everyone, n_groups)
    listed, ends = np.empty(16 * len(rows), np.int32), np.zeros(len(parts.halves), np.int64)
    filled = begin = 0
    for group in range(n_groups):
        end, start, stop = group_ends[group], group_starts[group], group_starts[group + 1]
        ends[start:stop] = filled
        if begin < end and start < stop:
            some = members[begin:end]
            close = _close(of_rows, some, parts, start, stop, now[0], now[1])
            bit = np.uint32(1) << np.uint32(group % WIDTH)
            known = np.array([n for n in range(len(some)) if groups_before[some[n], group // WIDTH] & bit], np.int64)
            if len(known):
                looked_at = _close(of_rows, some[known], parts, start, stop, before[0], before[1])
                for n in range(len(known)):
                    close[known[n]] &= ~looked_at[n]
            found, found_ends = _by_column(close, some, stop - start)
            ends[start:stop] += found_ends
            if filled + len(found) > len(listed):
                listed = np.concatenate((listed, np.empty(filled + len(found), np.int32)))
            listed[filled : filled + len(found)] = found
            filled += len(found)
        begin = end
    return listed[:filled], ends


@numba.njit(nogil=True, cache=True)
def _close(of_rows, chosen, means, start, stop, worst, within):  # type: ignore[no-untyped-def]
    """Whether the worst neighbour of each of the chosen rows is within so many units of each mean: a bit a mean."""
    rows, halves, lengths = of_rows
    spreads, mean_lengths = within * means.spreads[start:stop], means.lengths[start:stop]
    columns = columns_of(rows, means.heads, means.halves, start, stop)
    close = np.empty((len(chosen), -(-(stop - start) // WIDTH)), np.uint32)
    highest = np.full((1, close.shape[1] * WIDTH), -np.inf, np.float32)
    for begin in range(0, len(chosen), _ROWS):
        some = chosen[begin : begin + _ROWS]
        scores = multiply(rows, some, columns)
        for r in range(len(some)):
            row = some[r]
            for c in range(len(spreads)):
                highest[0, c] = scores[r, c] + spreads[c] * (lengths[row] + mean_lengths[c])
            for w in range(close.shape[1]):
                close[begin + r, w] = above(highest, 0, w * WIDTH, worst[row] + halves[row])
    return close


@numba.njit(nogil=True, cache=True)
def _by_column(bits, rows, n_columns):  # type: ignore[no-untyped-def]
    """The rows whose bit is set in each column, and where those of each column end."""
    counts = np.zeros(bits.shape[1] * WIDTH, np.int64)
    for n in range(len(rows)):
        for w in range(bits.shape[1]):
            left = bits[n, w]
            while left:
                counts[w * WIDTH + lowest_bit(left)] += 1
                left &= left - np.uint32(1)
    ends = np.cumsum(counts)
    free = ends - counts
    listed = np.empty(ends[-1], np.int32)
    for n in range(len(rows)):
        for w in range(bits.shape[1]):
            left = bits[n, w]
            while left:
                column = w * WIDTH + lowest_bit(left)
                listed[free[column]] = rows[n]
                free[column] += 1
                left &= left - np.uint32(1)
    return listed, ends[:n_columns]
