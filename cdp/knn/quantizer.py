"""A coarse quantiser: cells of nearby samples, found and searched through groups of cells.

On the CPU, by products of rounded vectors, which tell well enough what is near.
"""

from typing import NamedTuple

import numpy as np

from cdp.jit import njit
from cdp.knn.points import Points
from cdp.knn.scan import Cells
from cdp.knn.shortlist import shortlist
from cdp.threads import in_ranges

_ITERATIONS = 3  # of Lloyd's algorithm
_SAMPLES = 12  # a cell, to train on
_GROUP_SAMPLES = 128  # a group of cells


class Quantizer(NamedTuple):
    """Centroids of cells, in groups around centroids of their own; no group is empty."""

    groups: Points  # their centroids
    centroids: Cells  # those of the cells, by group

    def __len__(self) -> int:
        return len(self.centroids.points.vectors)

    def nearest_cells(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """The `count` nearest cells of each vector among those of its nearest groups, as many (but 8 at least).

        Returns
        -------
        ndarray of shape (n_vectors, count), int32
            Nearest first; -1 where those groups have fewer.
        """
        all_groups = len(self.groups.vectors)
        n_groups = all_groups if count == len(self) else min(max(count, 8), all_groups)
        queries = Points.rounded(vectors)
        groups = shortlist(queries, Cells.one(self.groups), n_groups)
        return shortlist(queries, self.centroids, count, probes=groups)


def train(sample: np.ndarray, n_cells: int, *, generator: np.random.Generator) -> Quantizer:
    """k-means in two levels: groups, about the square root of `n_cells`; cells in each of them.

    Parameters
    ----------
    sample : ndarray of shape (n, dim), float32
    n_cells : int, <= n
    """
    n_groups = max(1, round(n_cells**0.5))
    few = _some(sample, n_groups * _GROUP_SAMPLES, generator)
    groups = Points.rounded(_k_means(few, few[:n_groups].copy()))
    group_of = _nearest_of(groups, Points.rounded(sample))
    order = np.argsort(group_of, kind="stable")
    members = np.split(order, np.searchsorted(group_of[order], np.arange(1, n_groups)))
    members = [rows for rows in members if len(rows)]
    first = [_some(rows, max(1, round(len(rows) * n_cells / len(sample))), generator) for rows in members]
    centroids = [sample[rows] for rows in first]

    def task(start: int, stop: int) -> None:
        for group in range(start, stop):
            centroids[group] = _k_means(sample[members[group]], centroids[group])

    in_ranges(task, len(members), size=1)
    quantizer = _grouped(groups, np.vstack(centroids))
    cell_of = quantizer.nearest_cells(sample, 1)[:, 0]
    _move_to_means(quantizer.centroids.points.vectors, sample, cell_of)
    return _grouped(groups, quantizer.centroids.points.vectors)


def training_size(n_cells: int) -> int:
    """Samples to train that many cells on."""
    return n_cells * _SAMPLES


def _grouped(groups: Points, centroids: np.ndarray) -> Quantizer:
    group_of = _nearest_of(groups, Points.rounded(centroids))
    order = np.argsort(group_of, kind="stable")
    used, firsts = np.unique(group_of[order], return_index=True)
    return Quantizer(groups.take(used), Cells(Points.rounded(centroids[order]), np.append(firsts, len(centroids))))


def _some(rows: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    return rows[generator.permutation(len(rows))[:count]]


def _k_means(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Centroids after some rounds, from those at first, which are changed."""
    points = Points.rounded(vectors)
    for _ in range(_ITERATIONS):
        _move_to_means(centroids, vectors, _nearest_of(Points.rounded(centroids), points))
    return centroids


def _nearest_of(centroids: Points, points: Points) -> np.ndarray:
    """The nearest centroid of each point."""
    return shortlist(points, Cells.one(centroids), 1)[:, 0]


@njit
def _move_to_means(centroids, vectors, cluster):  # type: ignore[no-untyped-def]
    """Replace each centroid that has members by their mean."""
    sums = np.zeros(centroids.shape)
    counts = np.zeros(len(centroids), np.int64)
    for i in range(len(vectors)):
        counts[cluster[i]] += 1
        for d in range(vectors.shape[1]):
            sums[cluster[i], d] += vectors[i, d]
    for c in range(len(centroids)):
        if counts[c] > 0:
            for d in range(centroids.shape[1]):
                centroids[c, d] = sums[c, d] / counts[c]
