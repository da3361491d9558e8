"""Rows of a kNN graph from proposed neighbours: exact distances, in order."""

import numpy as np

from cdp.jit import njit
from cdp.knn.proposal import Proposal
from cdp.knn.vectors import METRICS
from cdp.threads import in_ranges

_BLOCK = 4096  # rows a task


def ordered(proposal: Proposal, *, k: int, metric: str = "cosine", scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows as docs/definitions.md defines them, from proposed neighbours in any order (-1: none).

    Parameters
    ----------
    proposal : Proposal
    k : int
    metric : str
        See `cdp.knn.knn_graph`.
    scale : float
        By which distances of the points must be multiplied.

    Returns
    -------
    idx : ndarray of shape (n_samples, k), int32
    dist : ndarray of shape (n_samples, k), float32
    """
    points, samples, candidates = proposal
    idx = np.full((len(samples), k), -1, np.int32)
    dist = np.full(idx.shape, np.inf, np.float32)
    vectors, squares, number = points.vectors, np.empty(len(samples)), METRICS.index(metric)
    in_ranges(lambda start, stop: _squares(vectors[start:stop], squares[start:stop]), len(samples), size=_BLOCK)

    def order(start: int, stop: int) -> None:
        _order_rows(start, stop, vectors, samples, candidates, squares, number, scale, idx, dist)

    in_ranges(order, len(samples), size=_BLOCK)
    return idx, dist


@njit
def _order_rows(  # type: ignore[no-untyped-def]
    start, stop, vectors, samples, candidates, squares, metric, scale, idx, dist
):
    k = idx.shape[1]
    for row in range(start, stop):
        i = samples[row]
        idx[i, 0] = i
        dist[i, 0] = 0.0
        filled = 1
        for c in range(candidates.shape[1]):
            other = candidates[row, c]
            if other < 0 or other == row:
                continue
            j = samples[other]
            d = np.float32(scale * _distance(vectors[row], vectors[other], squares[row], squares[other], metric))
            if filled < k:
                slot = filled
                filled += 1
            elif d < dist[i, k - 1] or (d == dist[i, k - 1] and j < idx[i, k - 1]):
                slot = k - 1
            else:
                continue
            while slot > 1 and (d < dist[i, slot - 1] or (d == dist[i, slot - 1] and j < idx[i, slot - 1])):
                dist[i, slot] = dist[i, slot - 1]
                idx[i, slot] = idx[i, slot - 1]
                slot -= 1
            dist[i, slot] = d
            idx[i, slot] = j


@njit
def _squares(vectors, squares):  # type: ignore[no-untyped-def]
    for row in range(len(vectors)):
        squares[row] = _dot(vectors[row], vectors[row])


@njit
def _distance(a, b, square_a, square_b, metric):  # type: ignore[no-untyped-def]
    """Distance by the place of its metric in METRICS."""
    if metric == 3:
        return _difference(a, b, 1)
    if metric == 2:
        return np.sqrt(_difference(a, b, 2))
    cosine = min(1.0, _dot(a, b) / np.sqrt(square_a * square_b))
    return np.arccos(max(-1.0, cosine)) / np.pi if metric == 1 else 1.0 - cosine


@njit(fastmath=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(len(a)):
        total += np.float64(a[d]) * np.float64(b[d])
    return total


@njit(fastmath=True)
def _difference(a, b, power):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(len(a)):
        difference = abs(np.float64(a[d]) - np.float64(b[d]))
        total += difference if power == 1 else difference * difference
    return total
