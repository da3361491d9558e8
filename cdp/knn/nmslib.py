"""Approximate neighbours by nmslib's HNSW graph (Malkov and Yashunin, 2016)."""

import numpy as np


def search(
    normalized: np.ndarray,
    *,
    k: int,
    device: str,
    threads: int,
    M: int = 16,  # noqa: N803
    ef_construction: int = 200,
    ef_search: int = 200,
    post: int = 2,
) -> np.ndarray:
    """Propose the nearest samples of every sample.

    Parameters
    ----------
    normalized : ndarray of shape (n_samples, dim), float32, rows of length 1
    k : int, <= n_samples
    device : str
        Unused: nmslib computes on the CPU.
    threads : int
        With more than one, the graph and so the neighbours vary a little from run to run.
    M, ef_construction, ef_search, post : int
        nmslib's index and query settings; the defaults are those of the published CDP results.

    Returns
    -------
    ndarray of shape (n_samples, k), int64
        -1 where the search found fewer.
    """
    import nmslib

    index = nmslib.init(method="hnsw", space="cosinesimil")
    index.addDataPointBatch(normalized)
    index.createIndex({"M": M, "efConstruction": ef_construction, "post": post, "indexThreadQty": threads})
    index.setQueryTimeParams({"efSearch": max(ef_search, k)})
    found = np.full((len(normalized), k), -1, np.int64)
    for i, (neighbors, _) in enumerate(index.knnQueryBatch(normalized, k=k, num_threads=threads)):
        found[i, : len(neighbors)] = neighbors
    return found
