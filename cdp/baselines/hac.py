"""Hierarchical agglomerative clustering along the kNN graph."""

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import ward_tree

from cdp.baselines.graph import symmetric_graph
from cdp.baselines.seeding import check_n_clusters
from cdp.components import number_by_appearance
from cdp.features import normalize
from cdp.neighbors import Neighbors
from cdp.threads import in_ranges, one_blas_thread

_QUERIES = 256  # components a task
_COLUMNS = 8192  # samples that they are compared with at a time


def hac(features: np.ndarray, neighbors: Neighbors, *, n_clusters: int) -> np.ndarray:
    """Merge clusters by Ward's criterion, only where samples of both are neighbours.

    If the graph is not connected, each of its components but the largest gets one more edge, between the sample
    outside that is nearest to its centroid and its own sample that is nearest to that one; and so on, with what
    components there are then, until the graph is connected. Edges beyond these there are none.

    Parameters
    ----------
    features : array of shape (n_samples, dim), any float type
        Need not be normalised; may be memory-mapped. One float32 copy of it is made.
    neighbors : Neighbors
        Of the same samples; edges are taken in both directions.
    n_clusters : int in 1..n_samples

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance, exactly `n_clusters` of them.

    Raises
    ------
    ValueError
        If `n_clusters` is out of range, a row is all zeros or not finite, or the graph is none of these samples.

    Notes
    -----
    scikit-learn computes in float64, which takes 16 * dim bytes a sample, and holds the graph in lists, which take some
    hundred bytes an edge.

    References
    ----------
    Ward: Hierarchical Grouping to Optimize an Objective Function, JASA 58, 1963. Computed by scikit-learn.
    """
    n = len(features)
    check_n_clusters(n_clusters, n)
    if len(neighbors.idx) != n:
        raise ValueError(f"the kNN graph has {len(neighbors.idx)} samples, the features {n}; take those of one model")
    graph = symmetric_graph(neighbors, np.ones(neighbors.idx.shape, np.float32))
    vectors = normalize(features)
    parents = ward_tree(vectors, connectivity=_connected(graph, vectors), n_clusters=n_clusters)[3]
    while not np.array_equal(parents, parents[parents]):
        parents = parents[parents]
    return number_by_appearance(parents)[:n]


def _connected(graph: csr_array, vectors: np.ndarray) -> csr_array:
    """The graph with the edges that `hac` describes."""
    n_components, component = connected_components(graph, directed=False)
    while n_components > 1:
        members = csr_array((np.ones(len(vectors), np.float32), (component, np.arange(len(vectors)))))
        centroids = (members @ vectors) / members.sum(axis=1)[:, None]
        others = np.delete(np.arange(n_components), np.argmax(np.bincount(component)))
        outside = np.full(n_components, -1)
        outside[others] = _nearest_outside(centroids[others], others, vectors, component)
        inside = np.flatnonzero(outside[component] >= 0)
        similarity = _similarities(vectors, inside, outside[component[inside]])
        order = inside[np.lexsort((-similarity, component[inside]))]
        nearest = order[np.unique(component[order], return_index=True)[1]]
        ends = np.concatenate([nearest, outside[others]]), np.concatenate([outside[others], nearest])
        graph = (graph + coo_array((np.ones(len(ends[0]), np.float32), ends), shape=graph.shape)).tocsr()
        n_components, component = connected_components(graph, directed=False)
    return graph


def _similarities(vectors: np.ndarray, samples: np.ndarray, others: np.ndarray) -> np.ndarray:
    similarity = np.empty(len(samples), np.float32)

    def measure(start: int, stop: int) -> None:
        pairs = vectors[samples[start:stop]], vectors[others[start:stop]]
        np.einsum("ij,ij->i", *pairs, out=similarity[start:stop])

    in_ranges(measure, len(samples), size=_COLUMNS)
    return similarity


def _nearest_outside(
    centroids: np.ndarray, numbers: np.ndarray, vectors: np.ndarray, component: np.ndarray
) -> np.ndarray:
    """Of each numbered component, the sample of another one that is nearest to its centroid."""
    nearest = np.empty(len(centroids), np.int64)

    def search(start: int, stop: int) -> None:
        best = np.full(stop - start, -np.inf, np.float32)
        for first in range(0, len(vectors), _COLUMNS):
            columns = slice(first, first + _COLUMNS)
            tile = centroids[start:stop] @ vectors[columns].T
            tile[numbers[start:stop, None] == component[columns]] = -np.inf
            found = tile.argmax(axis=1)
            similarity = np.take_along_axis(tile, found[:, None], 1)[:, 0]
            better = similarity > best
            best[better] = similarity[better]
            nearest[start:stop][better] = first + found[better]

    with one_blas_thread():
        in_ranges(search, len(centroids), size=_QUERIES)
    return nearest
