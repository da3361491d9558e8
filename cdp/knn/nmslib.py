"""Approximate neighbours by nmslib's HNSW graph (Malkov and Yashunin, 2016)."""

from collections.abc import Iterator

import numpy as np

from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from cdp.knn.recall import RecallSample, first_good
from cdp.knn.vectors import Vectors
from cdp.threads import usable_threads

_SPACES = {"cosine": "cosinesimil", "angular": "cosinesimil", "l2": "l2", "l1": "l1"}
_DOUBLINGS = 4


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    sample: RecallSample,
    M: int = 16,  # noqa: N803
    ef_construction: int = 200,
    ef_search: int = 200,
    post: int = 2,
) -> tuple[Proposal, float]:
    """Neighbours of every sample: ef_search doubles each time that recall is not enough, four times at most.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : str
        Unused: nmslib computes on the CPU.
    seed : int
        Unused: nmslib takes none.
    sample : RecallSample
    M, ef_construction, ef_search, post : int
        nmslib's index and query settings; the defaults are those of the published CDP results.

    Returns
    -------
    Proposal
        With more than one thread, the graph and so the neighbours vary a little from run to run.
    float
        Its recall.
    """
    settings = {"M": M, "efConstruction": ef_construction, "post": post}
    return first_good(_proposals(vectors, k, settings, ef_search), sample)


def _proposals(vectors: Vectors, k: int, settings: dict[str, int], ef_search: int) -> Iterator[Proposal]:
    import nmslib

    points = Points.to_scan(vectors.arranged())
    arranged = points.vectors
    index = nmslib.init(method="hnsw", space=_SPACES[vectors.metric])
    index.addDataPointBatch(arranged)
    index.createIndex(settings | {"indexThreadQty": usable_threads()})
    for doubling in range(_DOUBLINGS + 1):
        index.setQueryTimeParams({"efSearch": max(ef_search, k) << doubling})
        found = np.full((len(vectors), k), -1, np.int32)
        for i, (neighbors, _) in enumerate(index.knnQueryBatch(arranged, k=k, num_threads=usable_threads())):
            found[i, : len(neighbors)] = neighbors
        yield Proposal(points, np.arange(len(vectors)), found)
