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
        reaches = now.worst[some], np.float32(within), before.worst[some], np.float32(before.within)
        points_here = queries.take(some)
        lists = _promising(points_here, rows_of(points_here.heads), outline, reaches)
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
def _promising(queries, rows, outline, reaches):  # type: ignore[no-untyped-def]
    """Rows that look into each part, and where those of each part end."""
    parts, groups, group_starts, halves = outline.parts, outline.groups, outline.group_starts, queries.halves
    lengths = np.empty(len(rows), np.float32)  # from the middle
    for row in range(len(rows)):
        nearer = product(queries.heads, row, outline.middle, 0) - product(outline.middle, 0, outline.middle, 0) / 2
        lengths[row] = np.sqrt(max(np.float32(0), 2 * (halves[row] - nearer)))
    of_rows = rows, halves, lengths
    worst, within, worst_before, within_before = reaches
    wider = worst, _WIDER * within, worst_before, _WIDER * within_before
    everyone, nobody = np.arange(len(rows)), np.zeros(len(rows), np.bool_)
    members, known, group_ends = _close(of_rows, everyone, nobody, groups, 0, len(groups.halves), wider)
    listed, ends = np.empty(16 * len(rows), np.int32), np.zeros(len(parts.halves), np.int64)
    filled = begin = 0
    for group in range(len(group_ends)):
        end, start, stop = group_ends[group], group_starts[group], group_starts[group + 1]
        ends[start:stop] = filled
        if begin < end and start < stop:
            some, known_of_some = members[begin:end], known[begin:end]
            found, _, found_ends = _close(of_rows, some, known_of_some, parts, start, stop, reaches)
            ends[start:stop] += found_ends
            if filled + len(found) > len(listed):
                listed = np.concatenate((listed, np.empty(filled + len(found), np.int32)))
            listed[filled : filled + len(found)] = found
            filled += len(found)
        begin = end
    return listed[:filled], ends


@numba.njit(nogil=True, cache=True)
def _close(of_rows, chosen, known, means, start, stop, reaches):  # type: ignore[no-untyped-def]
    """Rows by mean whose worst neighbour is within so many units of it, whether it was before, where each mean's end.

    Of the chosen rows, but not those that are known, where it was before.
    """
    (rows, halves, lengths), (worst, within, worst_before, within_before) = of_rows, reaches
    spreads, mean_lengths = means.spreads[start:stop], means.lengths[start:stop]
    columns = columns_of(rows, means.heads, means.halves, start, stop)
    n_words = -(-(stop - start) // WIDTH)
    now, before = np.empty((len(chosen), n_words), np.uint32), np.empty((len(chosen), n_words), np.uint32)
    highest, highest_before = np.full((2, 1, n_words * WIDTH), -np.inf, np.float32)
    counts = np.zeros(n_words * WIDTH, np.int64)
    for begin in range(0, len(chosen), _ROWS):
        some = chosen[begin : begin + _ROWS]
        scores = multiply(rows, some, columns)
        for r in range(len(some)):
            row, n = some[r], begin + r
            for c in range(len(spreads)):
                unit = spreads[c] * (lengths[row] + mean_lengths[c])
                highest[0, c] = scores[r, c] + within * unit
                highest_before[0, c] = scores[r, c] + within_before * unit
            for w in range(n_words):
                now[n, w] = above(highest, 0, w * WIDTH, worst[row] + halves[row])
                if now[n, w]:
                    before[n, w] = above(highest_before, 0, w * WIDTH, worst_before[row] + halves[row])
                    if known[n]:
                        now[n, w] &= ~before[n, w]
                    bits = now[n, w]
                    while bits:
                        counts[w * WIDTH + lowest_bit(bits)] += 1
                        bits &= bits - np.uint32(1)
    ends = np.cumsum(counts)
    free = ends - counts
    listed, listed_before = np.empty(ends[-1], np.int32), np.empty(ends[-1], np.bool_)
    for n in range(len(chosen)):
        for w in range(n_words):
            bits = now[n, w]
            while bits:
                bit = lowest_bit(bits)
                place = free[w * WIDTH + bit]
                listed[place], listed_before[place] = chosen[n], (before[n, w] >> np.uint32(bit)) & np.uint32(1)
                free[w * WIDTH + bit] += 1
                bits &= bits - np.uint32(1)
    return listed, listed_before, ends[: stop - start]
