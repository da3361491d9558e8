"""Exact neighbours by blocked matrix products, on the CPU or a GPU."""

from collections.abc import Iterator

import numpy as np

from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from cdp.knn.scan import nearest
from cdp.knn.vectors import Vectors

SPARE = 2  # neighbours beyond k, so that near-ties are settled by exact distances


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
        The k + 2 nearest (all, where there are fewer); lower indices win ties.
    """
    points = Points.along_own_axes(vectors.arranged())
    found = nearest(points, points, k + SPARE, manhattan=vectors.metric == "l1", device=device).found
    yield Proposal(points, np.arange(len(vectors)), found)
