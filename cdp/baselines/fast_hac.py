"""Fast HAC: single linkage, cut at a distance."""

import numpy as np

from cdp.baselines.radius import pairs_within
from cdp.components import find_roots, merge, number_by_appearance
from cdp.features import normalize
from cdp.jit import njit
from cdp.threads import limit_threads


def fast_hac(features: np.ndarray, *, distance: float, threads: int | None = None) -> np.ndarray:
    """Cluster by single linkage, cut at a distance: exact, without a hierarchy.

    Cut at a distance, single linkage leaves the connected components of all pairs that are at most so far apart [1]_.
    They are merged as a blocked search finds the pairs; time is quadratic, memory linear in the number of samples.

    Parameters
    ----------
    features : array of shape (n_samples, dim)
        Any float or integer type; may be memory-mapped; L2-normalised in a float32 copy.
    distance : float, >= 0
        Euclidean, between normalised features: sqrt(2 - 2 cosine).
    threads : int, optional
        At most this many threads; default all CPUs that the process may use.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; a sample with no other within the distance is a cluster of its own. The same
        partition as ``scipy.cluster.hierarchy.fclusterdata(x, distance, "distance", method="single")``.

    Raises
    ------
    ValueError
        If the distance is negative or NaN, or a row is all zeros or holds NaN or infinity.

    References
    ----------
    .. [1] J. C. Gower and G. J. S. Ross, "Minimum spanning trees and single linkage cluster analysis", Applied
       Statistics 18, 1969.
    """
    if not distance >= 0:
        raise ValueError(f"distance must be at least 0, not {distance}")
    with limit_threads(threads):
        vectors = normalize(features)
        parents = np.arange(len(vectors), dtype=np.int32)
        pairs_within(vectors, distance, lambda pairs: _merge_all(parents, pairs))
        return number_by_appearance(find_roots(parents))


@njit
def _merge_all(parents, pairs):  # type: ignore[no-untyped-def]
    for i, j in pairs:
        merge(parents, i, j)
