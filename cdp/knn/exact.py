"""Exact neighbours by blocked matrix products, on the CPU or a GPU."""

from collections.abc import Iterator

import numpy as np

from cdp.knn.best import Best
from cdp.knn.points import Points, principal_axes
from cdp.knn.proposal import Proposal
from cdp.knn.scan import Cells, scan
from cdp.knn.vectors import Vectors

SPARE = 4  # neighbours beyond k, so that near-ties are settled by exact distances
BLOCK = 512  # queries that a thread compares with all vectors at a time


def search(vectors: Vectors, *, k: int, device: str, seed: int) -> Iterator[Proposal]:
    """Propose the nearest samples of every sample, once.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    seed : int
        Unused: there is no choice to make.

    Yields
    ------
    Proposal
        The k + 4 nearest (all, where there are fewer); lower indices win ties.
    """
    arranged = vectors.arranged()
    found = nearest(arranged, arranged, k + SPARE, manhattan=vectors.metric == "l1", device=device).found
    yield Proposal(arranged, np.arange(len(vectors)), found)


def nearest(queries: np.ndarray, vectors: np.ndarray, width: int, *, manhattan: bool, device: str) -> Best:
    """The `width` vectors (n, dim) nearest to each query (m, dim), best first; as many as there are, if fewer."""
    best = Best.none(len(queries), min(width, len(vectors)))
    axes = principal_axes(vectors)
    points = Points.of(vectors, axes)
    sources = points if queries is vectors else Points.of(queries, axes)
    scan(sources, Cells.one(points), best, manhattan=manhattan, device=device, block=BLOCK)
    return best
