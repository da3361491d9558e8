"""What is known of parts of cells, and of groups of them, without looking at their members."""

from typing import NamedTuple

import numpy as np

from cdp.jit import njit
from cdp.knn.parts import part_starts
from cdp.knn.products import lower, packed, unpacked, upper
from cdp.knn.scan import Cells
from cdp.threads import in_ranges

_PARTS = 512  # a task


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
    """Parts of cells and groups of them.

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


@njit
def _add(heads, halves, starts, first, last, sums):  # type: ignore[no-untyped-def]
    """Sum the heads, and the halves, of the points of some parts."""
    for part in range(first, last):
        for i in range(starts[part], starts[part + 1]):
            for w in range(heads.shape[1]):
                sums[part, 2 * w] += lower(heads[i, w])
                sums[part, 2 * w + 1] += upper(heads[i, w])
            sums[part, -1] += halves[i]


@njit
def _sums(rows, starts):  # type: ignore[no-untyped-def]
    """Of the rows of each group."""
    sums = np.zeros((len(starts) - 1, rows.shape[1]))
    for group in range(len(sums)):
        for i in range(starts[group], starts[group + 1]):
            for c in range(rows.shape[1]):
                sums[group, c] += rows[i, c]
    return sums
