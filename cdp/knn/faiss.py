"""Approximate neighbours by faiss's inverted lists (Johnson, Douze and Jégou, 2017)."""

from collections.abc import Iterator

import numpy as np

from cdp.knn.exact import SPARE
from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from cdp.knn.recall import RecallSample, first_good
from cdp.knn.vectors import Vectors
from cdp.threads import usable_threads

_BLOCK = 65536  # queries at a time


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    sample: RecallSample,
    cells: int = 1024,
    probes: int = 8,
) -> tuple[Proposal, float]:
    """Neighbours of every sample: twice as many lists are probed each time that recall is not enough.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : str
        Unused: faiss's CPU build computes on the CPU.
    seed : int
        Of the clustering.
    sample : RecallSample
    cells : int
        Inverted lists; at most one for 39 samples.
    probes : int
        Lists that each sample is compared with, at first.

    Returns
    -------
    Proposal
    float
        Its recall.
    """
    return first_good(_proposals(vectors, k, seed, cells, probes), sample)


def _proposals(vectors: Vectors, k: int, seed: int, cells: int, probes: int) -> Iterator[Proposal]:
    import faiss

    faiss.omp_set_num_threads(usable_threads())
    points = Points.to_scan(vectors.arranged())
    arranged = points.vectors
    cells = min(cells, max(1, len(vectors) // 39))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlat(arranged.shape[1], _metric(vectors)), arranged.shape[1], cells, _metric(vectors)
    )
    index.cp.seed = seed
    index.train(arranged)
    index.add(arranged)
    index.nprobe = min(probes, cells)
    while True:
        found = np.empty((len(vectors), min(k + SPARE, len(vectors))), np.int32)
        for start in range(0, len(vectors), _BLOCK):
            found[start : start + _BLOCK] = index.search(arranged[start : start + _BLOCK], found.shape[1])[1]
        yield Proposal(points, np.arange(len(vectors)), found)
        if index.nprobe == cells:
            return
        index.nprobe = min(2 * index.nprobe, cells)


def _metric(vectors: Vectors) -> int:
    import faiss

    return faiss.METRIC_INNER_PRODUCT if vectors.directions else faiss.METRIC_L2
