"""DBSCAN on a kNN graph."""

import numpy as np

from cdp.baselines.graph import check_neighbors
from cdp.components import find_roots, merge, number_by_appearance
from cdp.jit import njit
from cdp.neighbors import Neighbors


def knn_dbscan(neighbors: Neighbors, *, eps: float, min_samples: int) -> np.ndarray:
    """Cluster by density, as far as the k nearest neighbours tell.

    Two samples are close if one is in the other's list, at a Euclidean distance of at most `eps` between
    their normalised features. A sample is a core sample if its list has at least `min_samples` entries
    within `eps`, the sample itself included: just as in DBSCAN if `min_samples` <= k. Clusters
    are the components of the core samples under closeness. Any other sample joins its closest core
    sample (of equally close ones, the first in list order) or, having none, is noise.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine.
    eps : float, >= 0
        A Euclidean distance: sqrt(2 * (1 - cosine)).
    min_samples : int in 1..k

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; -1 for noise.

    Raises
    ------
    ValueError
        If a parameter is out of range or the graph is none.

    Notes
    -----
    Where no list ends before `eps` this is exactly DBSCAN. Where lists do end before, close samples that both have k
    closer ones are not connected directly, so clusters can only be split.

    References
    ----------
    Ester, Kriegel, Sander, Xu: A Density-Based Algorithm for Discovering Clusters in Large Spatial Databases with
    Noise, KDD 1996.
    """
    check_neighbors(neighbors)
    k = neighbors.idx.shape[1]
    if not eps >= 0:
        raise ValueError(f"eps is a distance of at least 0, not {eps}")
    if not 1 <= min_samples <= k:
        raise ValueError(
            f"min_samples must be between 1 and {k}, the length of the lists, not {min_samples}; take a larger k"
        )
    return number_by_appearance(_roots(*neighbors[:2], float(eps), min_samples))


@njit
def _roots(idx, dist, eps, min_samples):  # type: ignore[no-untyped-def]
    n, k = idx.shape
    within = np.zeros(n, np.int64)  # entries, of each list
    for i in range(n):
        while within[i] < k and idx[i, within[i]] >= 0 and np.sqrt(2.0 * dist[i, within[i]]) <= eps:
            within[i] += 1
    parents = np.arange(n).astype(np.int32)
    closest = np.full(n, -1, np.int32)
    distance = np.full(n, np.inf, np.float32)
    for i in range(n):
        for c in range(within[i]):
            j = idx[i, c]
            core_i, core_j = within[i] >= min_samples, within[j] >= min_samples
            if core_i and core_j:
                merge(parents, i, j)
            elif core_i or core_j:
                core, border = (i, j) if core_i else (j, i)
                if dist[i, c] < distance[border] or (dist[i, c] == distance[border] and core < closest[border]):
                    closest[border], distance[border] = core, dist[i, c]
    roots = find_roots(parents)
    for i in range(n):
        if within[i] < min_samples:
            roots[i] = roots[closest[i]] if closest[i] >= 0 else -1
    return roots
