"""DBSCAN by an exact blocked search."""

import numpy as np

from cdp.baselines.radius import pairs_within
from cdp.components import find_root, merge, number_by_appearance
from cdp.features import normalize
from cdp.jit import njit
from cdp.threads import limit_threads


def dbscan(features: np.ndarray, *, eps: float, min_samples: int, threads: int | None = None) -> np.ndarray:
    """Density-based clustering [1]_, exact, in one blocked search and memory of n_samples x min_samples.

    A core sample has at least `min_samples` samples within `eps`, itself included. Core samples within `eps` of each
    other share a cluster. Another sample joins the core samples within `eps` of it (a border sample), or is noise.

    Parameters
    ----------
    features : array of shape (n_samples, dim)
        Any float or integer type; may be memory-mapped; L2-normalised in a float32 copy.
    eps : float, > 0
        Euclidean distance between normalised features, sqrt(2 - 2 cosine); a pair at just this distance is within it.
    min_samples : int, >= 1
    threads : int, optional
        At most this many threads; default all CPUs that the process may use.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance, -1 for noise. A border sample between clusters joins the one whose first core
        sample comes first in list order, as in scikit-learn.

    Raises
    ------
    ValueError
        If eps is not above 0, min_samples is below 1, or a row is all zeros or holds NaN or infinity.

    References
    ----------
    .. [1] M. Ester, H.-P. Kriegel, J. Sander and X. Xu, "A density-based algorithm for discovering clusters in large
       spatial databases with noise", KDD 1996.

    Notes
    -----
    A sample that is not yet known to be a core sample keeps its neighbours, fewer than `min_samples`. Each pair of core
    samples is thus either merged when found, or kept by one of the two until the search is over.
    """
    if not eps > 0 or min_samples < 1:
        raise ValueError(f"eps must be above 0 and min_samples at least 1, not {eps} and {min_samples}")
    with limit_threads(threads):
        vectors = normalize(features)
        n = len(vectors)
        parents = np.arange(n, dtype=np.int32)
        counts = np.ones(n, np.int32)
        kept = np.full((n, min(min_samples, n) - 1), -1, np.int32)
        pairs_within(vectors, eps, lambda pairs: _take(pairs, min_samples, parents, counts, kept))
        return number_by_appearance(_clusters(counts >= min_samples, parents, kept))


@njit
def _take(pairs, min_samples, parents, counts, kept):  # type: ignore[no-untyped-def]
    for i, j in pairs:
        if counts[i] >= min_samples and counts[j] >= min_samples:
            merge(parents, i, j)
            continue
        for sample, other in ((i, j), (j, i)):
            if counts[sample] < min_samples:
                kept[sample, counts[sample] - 1] = other
                counts[sample] += 1


@njit
def _clusters(core, parents, kept):  # type: ignore[no-untyped-def]
    """The first core sample of each sample's cluster; -1 for noise."""
    n = len(core)
    for sample in range(n):
        if core[sample]:
            for other in kept[sample]:
                if core[other]:
                    merge(parents, sample, other)
    clusters = np.full(n, -1, np.int32)
    for sample in range(n):
        if core[sample]:
            clusters[sample] = find_root(parents, sample)
        else:
            for other in kept[sample]:
                if other >= 0 and core[other]:
                    root = find_root(parents, other)
                    if clusters[sample] < 0 or root < clusters[sample]:
                        clusters[sample] = root
    return clusters
