"""Approximate rank-order clustering."""

import numpy as np

from cdp.baselines.graph import check_neighbors
from cdp.components import find_roots, merge, number_by_appearance
from cdp.jit import njit
from cdp.neighbors import Neighbors
from cdp.threads import in_ranges

_BLOCK = 4096  # samples a task


def approx_rank_order(neighbors: Neighbors, *, threshold: float) -> np.ndarray:
    """Link samples whose nearest neighbours are the same.

    With O_a(x) the place of x in the list of a (0 for a itself, 1 for its nearest neighbour, at most k - 1)::

        d(a, b) = number of x with O_a(x) < O_a(b) that are not in the list of b
        D(a, b) = (d(a, b) + d(b, a)) / min(O_a(b), O_b(a))

    for all a, b of which each is in the other's list. Those with D(a, b) < `threshold` are linked; clusters are the
    connected components.

    Parameters
    ----------
    neighbors : Neighbors
        Of any metric: just the order of the neighbours counts.
    threshold : float

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; a sample without links is a cluster of its own.

    Raises
    ------
    ValueError
        If the threshold is no number or the graph is none.

    References
    ----------
    Otto, Wang, Jain: Clustering Millions of Faces by Identity, IEEE TPAMI 40(2), 2018 (arXiv 1604.00989, 2016).
    """
    check_neighbors(neighbors)
    if np.isnan(threshold):
        raise ValueError(f"threshold must be a number, not {threshold}")
    idx = neighbors.idx
    linked = np.zeros(idx.shape, np.bool_)
    in_ranges(lambda start, stop: _link(start, stop, idx, float(threshold), linked), len(idx), size=_BLOCK)
    return number_by_appearance(_roots(idx, linked))


@njit
def _link(start, stop, idx, threshold, linked):  # type: ignore[no-untyped-def]
    n, k = idx.shape
    rank = np.full(n, k, np.int32)  # in the list of i
    for i in range(start, stop):
        length = 0
        while length < k and idx[i, length] >= 0:
            rank[idx[i, length]] = length
            length += 1
        for r in range(1, length):
            j = idx[i, r]
            if j < i:
                continue
            common = 0  # of those before j in the list of i
            missing = 0  # in the list of i, of those before i in the list of j
            back = k  # rank of i in the list of j
            for s in range(k):
                x = idx[j, s]
                if x < 0:
                    break
                common += rank[x] < r
                if x == i:
                    back = s
                elif back == k:
                    missing += rank[x] == k
            linked[i, r] = back < k and r - common + missing < threshold * min(r, back)
        for r in range(length):
            rank[idx[i, r]] = k


@njit
def _roots(idx, linked):  # type: ignore[no-untyped-def]
    parents = np.arange(len(idx))
    for i in range(len(idx)):
        for r in range(idx.shape[1]):
            if linked[i, r]:
                merge(parents, i, idx[i, r])
    return find_roots(parents)
