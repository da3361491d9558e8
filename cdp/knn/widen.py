"""A wider search: each sample looks into the parts of cells where better neighbours may be expected.

A query q scores the members x of a part by -|q - x|²/2. The mean of these is known from the part's mean, and they
deviate from it by some share of a unit: the part's spread times the sum of two lengths, of q and of its members, as
seen from the middle of all points. If the score of q's k-th neighbour lies many such units above the mean, hardly a
member is better. Samples in dense places are done with few parts; those far from everything look into many.

Products of heads rule out most members (see `cdp.knn.points`). On the CPU, where all vectors have the same length,
members are also ruled out if only a larger cosine of the tails than is likely would make them better: it is usually
about that of the whole vectors.
"""

from typing import NamedTuple

import numpy as np

from cdp.jit import njit
from cdp.knn.best import Best
from cdp.knn.blocks import fixed_size
from cdp.knn.instructions import WIDTH, above, count_bits, lowest_bit
from cdp.knn.outline import Means, Outline
from cdp.knn.points import Points, some_of
from cdp.knn.products import columns_of, multiply, product, rows_of, unpacked, with_first
from cdp.knn.scan import Cells, scan_lists
from cdp.threads import in_ranges

_ROWS = 256  # that are compared with means at a time
# Limits for groups: by their spread, members lie farther from the mean of a group than from that of a part.
_WIDER = 1.75
_PAIRS = 1024  # about, on which deviations of the cosine of two tails are measured
_UNEQUAL = 1e-5  # relative, of squared lengths


class Reach(NamedTuple):
    """How far a search went: it looked at the members of all parts that were promising for a query then.

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


def widen(
    queries: Points,
    points: Points,
    outline: Outline,
    best: Best,
    before: Reach,
    *,
    k: int,
    within: float,
    caution: float,
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
        Of the search before this; what it looked at is not looked at again, nor what it ruled out there.
    k : int
    within : float
        How many units the k-th best score may lie above the mean of a part that is looked at.
    caution : float
        On the CPU, if all vectors have one length: how many deviations the cosine of two tails may lie above that of
        the vectors. Members that are missed thereby are not looked at again.
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
    limits = [
        (_limited(outline.parts, reach.within), _limited(outline.groups, _WIDER * reach.within))
        for reach in (now, before)
    ]
    margins = None
    if device == "cpu" and np.ptp(points.halves) <= _UNEQUAL * points.halves.max():
        margins = [caution * deviation for deviation in _deviations(points)]

    def task(start: int, stop: int) -> None:
        some = slice(start, stop)
        here, best_here = queries.take(some), best.take(some)
        with_lengths = with_first(here.heads, _lengths(here.heads, here.halves, outline.middle))
        aims = [
            (reach.worst[some] + here.halves, *limited) for reach, limited in zip((now, before), limits, strict=True)
        ]
        lists = _promising(rows_of(with_lengths), outline.group_starts, aims[0], aims[1])
        if margins:
            here = _with_likely_tails(here, best_here, margins)
        scan_lists(here, parts, best_here, lists, device=device)

    size = fixed_size(len(points.vectors)) if device == "cpu" else max(1, len(now.worst))
    in_ranges(task, len(now.worst), size=size)
    return now


def _limited(means: Means, within: float) -> tuple[np.ndarray, np.ndarray]:
    """Heads and halves whose products with heads that begin with `_lengths` are scores that members hardly exceed.

    Short, as all such products, of half the square of the query.
    """
    reach = np.float32(within) * means.spreads
    return with_first(means.heads, reach), means.halves - reach * means.lengths


def _deviations(points: Points) -> list[float]:
    """Root mean square cosines of the tails of pairs of points: behind heads, and behind necks."""
    some = points.take(some_of(len(points.vectors), _PAIRS))
    half = len(some.vectors) // 2
    left, deviations = np.einsum("ij,ij->i", some.vectors, np.roll(some.vectors, half, axis=0)), []
    for words in (some.heads, some.necks):
        numbers = unpacked(words)
        products = numbers * np.roll(numbers, half, axis=0)
        left = left - products[:, 1:].sum(axis=1)
        deviations.append(float(np.sqrt(np.mean((left / np.maximum(products[:, 0], np.float32(1e-30))) ** 2))))
    return deviations


def _with_likely_tails(queries: Points, best: Best, margins: list[float]) -> Points:
    """Queries whose products with heads and necks most likely exceed the worst score where members are better than it.

    Their tails are as long as if the cosine of two tails were at most that of the whole vectors, which a score tells as
    all have the same length, and a margin more. The score is that in the middle of what is found: the worst may become
    that before the search ends.
    """
    scores = best.scores[:, best.scores.shape[1] // 2]
    cosines = 1 + np.where(np.isfinite(scores), scores, 0) / np.maximum(2 * queries.halves, np.float32(1e-30))
    heads, necks = (
        with_first(words, np.clip(cosines + margin, 0, 1) * unpacked(words[:, :1])[:, 0])
        for words, margin in zip((queries.heads, queries.necks), margins, strict=True)
    )
    return queries._replace(heads=heads, necks=necks)


@njit
def _lengths(heads, halves, middle):  # type: ignore[no-untyped-def]
    """How far points are from the middle."""
    lengths = np.empty(len(heads), np.float32)
    for row in range(len(heads)):
        nearer = product(heads, row, middle, 0) - product(middle, 0, middle, 0) / 2
        lengths[row] = np.sqrt(max(np.float32(0), 2 * (halves[row] - nearer)))
    return lengths


@njit
def _promising(rows, group_starts, now, before):  # type: ignore[no-untyped-def]
    """Rows that look into each part, and where those of each part end; from scores, limits of parts and of groups."""
    (scores, parts, groups), (scores_before, parts_before, groups_before) = now, before
    everyone, n_groups = np.arange(len(rows)), len(group_starts) - 1
    members, group_ends = _by_column(_close(rows, everyone, scores, groups, 0, n_groups), everyone, n_groups)
    known_groups = _close(rows, everyone, scores_before, groups_before, 0, n_groups)
    listed, ends = np.empty(16 * len(rows), np.int32), np.zeros(len(parts[1]), np.int64)
    filled = begin = 0
    for group in range(n_groups):
        end, start, stop = group_ends[group], group_starts[group], group_starts[group + 1]
        ends[start:stop] = filled
        if begin < end and start < stop:
            some = members[begin:end]
            close = _close(rows, some, scores, parts, start, stop)
            bit = np.uint32(1) << np.uint32(group % WIDTH)
            known = np.array([n for n in range(len(some)) if known_groups[some[n], group // WIDTH] & bit], np.int64)
            if len(known):
                looked_at = _close(rows, some[known], scores_before, parts_before, start, stop)
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


@njit
def _close(rows, chosen, scores, limited, start, stop):  # type: ignore[no-untyped-def]
    """Which means from `start` to `stop` have members that may exceed the score of each chosen row: a bit a mean."""
    heads, halves = limited
    columns = columns_of(rows, (heads,), halves, start, stop)
    close = np.empty((len(chosen), -(-(stop - start) // WIDTH)), np.uint32)
    for begin in range(0, len(chosen), _ROWS):
        some = chosen[begin : begin + _ROWS]
        limits = multiply(rows, some, columns)
        for r in range(len(some)):
            for w in range(close.shape[1]):
                close[begin + r, w] = above(limits, r, w * WIDTH, scores[some[r]])
    return close


@njit
def _by_column(bits, rows, n_columns):  # type: ignore[no-untyped-def]
    """The rows whose bit is set in each column, and where those of each column end."""
    n_listed = 0
    for word in bits.ravel():
        n_listed += count_bits(word)
    pairs, counts, p = np.empty((n_listed, 2), np.int32), np.zeros(bits.shape[1] * WIDTH, np.int64), 0
    for n in range(len(rows)):
        for w in range(bits.shape[1]):
            left = bits[n, w]
            while left:
                column = w * WIDTH + lowest_bit(left)
                left &= left - np.uint32(1)
                pairs[p, 0], pairs[p, 1] = column, rows[n]
                counts[column] += 1
                p += 1
    ends = np.cumsum(counts)
    free = ends - counts
    listed = np.empty(n_listed, np.int32)
    for p in range(n_listed):
        column = pairs[p, 0]
        listed[free[column]] = pairs[p, 1]
        free[column] += 1
    return listed, ends[:n_columns]
