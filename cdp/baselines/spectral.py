"""Spectral clustering of the kNN graph."""

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from cdp.baselines.graph import similarity_graph
from cdp.baselines.kmeans import lloyd
from cdp.baselines.seeding import check_n_clusters
from cdp.components import number_by_appearance
from cdp.neighbors import Neighbors
from cdp.threads import one_blas_thread

_DENSE = 3  # a component with fewer samples than so many times the eigenvectors wanted gets the dense solver
_TOLERANCE = 1e-3  # relative, of the eigenvalues
_ITERATIONS = 20  # of k-means


def spectral(neighbors: Neighbors, *, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Normalised cuts: k-means on the leading eigenvectors of the graph's normalised similarities.

    The similarities are cosines, those below 0 counting as 0, of pairs of which one is in the other's list. With W
    their matrix and D its row sums, the `n_clusters` leading eigenvectors of D^-1/2 W D^-1/2 are taken, as columns,
    and the rows of D^-1/2 times them clustered by k-means.

    Every eigenvector of a graph that is not connected belongs to one of its components. So each component is
    clustered by itself, into as many clusters as it has among the leading eigenvectors; one at least, so there are
    more clusters than asked for if there are more components. Samples without edges are clusters of their own, beyond
    `n_clusters`.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine.
    n_clusters : int in 1..n_samples
    seed : int
        Of the search for eigenvectors, and of k-means.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance.

    Raises
    ------
    ValueError
        If `n_clusters` is out of range or the graph is none.

    Notes
    -----
    Takes about 12 * n_clusters bytes a sample, in float32, which gave the same clusters as float64.

    References
    ----------
    Shi, Malik: Normalized Cuts and Image Segmentation, IEEE TPAMI 22(8), 2000. Computed by scipy (ARPACK).
    """
    check_n_clusters(n_clusters, len(neighbors.idx))
    graph = similarity_graph(neighbors)
    component = connected_components(graph, directed=False)[1]
    sizes = np.bincount(component)
    order = np.argsort(component, kind="stable")
    connected = [samples for samples in np.split(order, np.cumsum(sizes)[:-1]) if len(samples) > 1]
    extra = n_clusters - len(connected)
    if extra <= 0 or not connected:
        return number_by_appearance(component)
    spectra = [_leading(graph[samples][:, samples], extra + 1, seed) for samples in connected]
    beyond = np.concatenate([values[1:] for values, _ in spectra])
    owner = np.repeat(np.arange(len(spectra)), [len(values) - 1 for values, _ in spectra])
    counts = 1 + np.bincount(owner[np.argsort(-beyond, kind="stable")[:extra]], minlength=len(spectra))
    labels = np.arange(len(component))
    for samples, (_, vectors), count in zip(connected, spectra, counts, strict=True):
        embedding = np.ascontiguousarray(vectors[:, :count])
        labels[samples] = samples[lloyd(embedding, n_clusters=count, iterations=_ITERATIONS, seed=seed)]
    return number_by_appearance(labels)


def _leading(similarity: csr_array, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of the normalised similarities, in descending order; D^-1/2 times their eigenvectors."""
    n = similarity.shape[0]
    scale = diags_array(similarity.sum(axis=1, dtype=np.float64) ** -0.5)
    matrix = (scale @ similarity @ scale).astype(np.float32)
    with one_blas_thread():
        if n < _DENSE * count:
            values, vectors = np.linalg.eigh(matrix.toarray())
        else:
            start = np.random.default_rng(seed).standard_normal(n, np.float32)
            values, vectors = eigsh(matrix, k=count, which="LA", v0=start, tol=_TOLERANCE)
    return values[::-1][:count], (scale @ vectors[:, ::-1][:, :count]).astype(np.float32)
