"""kNN graphs as undirected graphs."""

import numpy as np
from scipy.sparse import csr_array

from cdp.neighbors import Neighbors
from cdp.selection import above


def similarity_graph(neighbors: Neighbors, *, threshold: float = 0.0) -> csr_array:
    """Cosine similarities of the pairs of which one is among the other's neighbours.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine.
    threshold : float in [0, 1)
        Only similarities above it make an edge.

    Returns
    -------
    csr_array of shape (n_samples, n_samples), float32
        Symmetric: each edge in both directions; none from a sample to itself. Sorted indices.

    Raises
    ------
    ValueError
        If the threshold is out of range or the graph is none.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold is a cosine similarity, at least 0 and below 1, not {threshold}")
    similarity = np.float32(1) - neighbors.dist
    return symmetric_graph(neighbors, np.where(above(similarity, threshold), similarity, np.float32(0)))


def symmetric_graph(neighbors: Neighbors, weights: np.ndarray) -> csr_array:
    """The undirected graph of the entries with a positive weight.

    Parameters
    ----------
    neighbors : Neighbors
    weights : ndarray of shape (n_samples, k), float32
        Of the entries; where i lists j and j lists i, the larger weight counts.

    Returns
    -------
    csr_array of shape (n_samples, n_samples), float32
        As that of `similarity_graph`.

    Raises
    ------
    ValueError
        As `check_neighbors`.
    """
    check_neighbors(neighbors)
    idx = neighbors.idx
    n = len(idx)
    kept = (weights > 0) & (idx >= 0) & (idx != np.arange(n)[:, None])
    starts = np.zeros(n + 1, np.int32 if kept.size < 2**31 else np.int64)
    np.cumsum(np.count_nonzero(kept, axis=1), out=starts[1:])
    graph = csr_array((weights[kept], idx[kept], starts), shape=(n, n))
    graph = graph.maximum(graph.T.tocsr())
    graph.sort_indices()
    return graph


def check_neighbors(neighbors: Neighbors) -> None:
    """Raise ValueError unless `idx` and `dist` are matrices of one shape, and `idx` names samples, or -1 for none."""
    idx, dist = neighbors.idx, neighbors.dist
    if idx.ndim != 2 or idx.shape != dist.shape or idx.size == 0:
        raise ValueError(
            f"a kNN graph's idx and dist must be matrices of one shape, not {idx.shape} and {dist.shape}; "
            "make them with cdp.knn_graph"
        )
    if not -1 <= idx.min() <= idx.max() < len(idx):
        raise ValueError(
            f"the kNN graph names samples outside 0..{len(idx) - 1} (from {idx.min()} to {idx.max()}); "
            "it must be that of the same samples"
        )


def edge_list(graph: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The edges of a symmetric graph, each once: pairs i < j, sorted, (E, 2) int32; weights (E,) float32."""
    samples = np.repeat(np.arange(graph.shape[0], dtype=np.int32), np.diff(graph.indptr))
    once = samples < graph.indices
    return np.column_stack([samples[once], graph.indices[once]]), graph.data[once]
