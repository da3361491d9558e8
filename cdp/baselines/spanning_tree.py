"""The minimum spanning tree of mutual reachability distances, exact, by one blocked search over all pairs."""

from threading import Lock
from typing import NamedTuple

import numpy as np

from cdp.baselines.radius import euclidean, for_each_pair, product_error
from cdp.components import find_root, find_roots
from cdp.jit import njit
from cdp.knn import knn_graph
from cdp.threads import in_ranges

_LINKS = 16  # neighbours a sample, from which the first tree is made
_BLOCK = 4096  # rows a task


class Edges(NamedTuple):
    """Undirected edges of a graph of samples.

    Attributes
    ----------
    ends : ndarray of shape (n_edges, 2), int32
        Each row i < j.
    weights : ndarray of shape (n_edges,), float64
    """

    ends: np.ndarray
    weights: np.ndarray


class _Tree(NamedTuple):
    """A minimum spanning tree (or forest), and how its edges, lightest first, merge the samples."""

    edges: Edges  # sorted by weight, then ends
    parents: np.ndarray  # int32 (n_samples,): the sample with whose component the sample's own was merged, or itself
    merged: np.ndarray  # int32 (n_samples,): by which edge; n_samples if by none
    reach: np.ndarray  # float32 (n_samples,): products of vectors below it are of no use to the sample


def mutual_reachability_tree(vectors: np.ndarray, *, min_samples: int) -> Edges:
    """Find the minimum spanning tree of all samples under mutual reachability.

    The mutual reachability distance of two samples is the largest of their Euclidean distance and their core
    distances, the distance of a sample to its `min_samples`-th nearest other [1]_.

    Parameters
    ----------
    vectors : ndarray of shape (n_samples, dim), float32
        Of length 1.
    min_samples : int, from 1 to n_samples - 1

    Returns
    -------
    Edges
        n_samples - 1 edges, by ascending weight; of several minimum spanning trees the one whose edges come first by
        weight, then ends.

    References
    ----------
    .. [1] R. J. G. B. Campello, D. Moulavi and J. Sander, "Density-based clustering based on hierarchical density
       estimates", PAKDD 2013.

    Notes
    -----
    A first tree is made of kNN graphs: of all samples, then of the densest samples of its components, and so on until
    there is one. An edge that is the heaviest on the cycle which it closes with tree edges is in no minimum spanning
    tree; this rejects all but few of the remaining pairs. The others wait until there are enough of them to be worth
    finding the minimum spanning tree of tree and waiting edges.
    """
    n = len(vectors)
    near = _nearest(vectors, max(_LINKS, min_samples + 1))
    core = np.empty(n)
    in_ranges(
        lambda start, stop: _core_distances(vectors, near[start:stop], min_samples, core[start:stop]), n, size=_BLOCK
    )
    error = product_error(vectors.shape[1])
    tree = _minimum_tree([_links(near[:, :_LINKS], vectors, core)], n, error)
    while len(tree.edges.ends) < n - 1:
        densest = _densest(tree.parents, core)
        near = densest[_nearest(vectors[densest], _LINKS)]
        tree = _minimum_tree([tree.edges, _links(near, vectors, core)], n, error)

    lock = Lock()
    waiting: list[Edges] = []

    def search(pairs: np.ndarray, products: np.ndarray) -> None:
        nonlocal tree
        found = Edges(*_lighter(pairs, products, vectors, core, error, tree))
        if len(found.ends):
            with lock:
                waiting.append(found)
                if sum(len(edges.ends) for edges in waiting) >= n:
                    tree = _minimum_tree([tree.edges, *waiting], n, error)
                    waiting.clear()

    for_each_pair(vectors, lambda: tree.reach, search)
    return _minimum_tree([tree.edges, *waiting], n, error).edges


def _nearest(vectors: np.ndarray, k: int) -> np.ndarray:
    """The k nearest of every sample, itself first; all, if there are fewer."""
    return knn_graph(vectors, k=min(k, len(vectors)), backend="exact", device="cpu").idx


def _minimum_tree(edges: list[Edges], n_samples: int, error: float) -> _Tree:
    """The minimum spanning tree of some edges, by Kruskal's algorithm."""
    ends, weights = map(np.concatenate, zip(*edges, strict=True))
    order = np.lexsort((ends[:, 1], ends[:, 0], weights))
    chosen, parents, merged = _kruskal(ends, order, n_samples)
    ends, weights = ends[chosen], weights[chosen]
    return _Tree(Edges(ends, weights), parents, merged, _reach(weights, parents, merged, error))


def _links(near: np.ndarray, vectors: np.ndarray, core: np.ndarray) -> Edges:
    """The edges of a kNN graph, each row of which starts with the sample itself."""
    ends = np.stack([np.repeat(near[:, 0], near.shape[1] - 1), near[:, 1:].ravel()], axis=1).astype(np.int32)
    ends.sort(axis=1)
    weights = np.empty(len(ends))
    in_ranges(lambda start, stop: _weigh(ends[start:stop], vectors, core, weights[start:stop]), len(ends), size=_BLOCK)
    return Edges(ends, weights)


def _densest(parents: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The sample of least core distance of each component."""
    roots = find_roots(parents.copy())
    order = np.lexsort((core, roots))
    return np.sort(order[np.unique(roots[order], return_index=True)[1]])


@njit
def _core_distances(vectors, near, min_samples, core):  # type: ignore[no-untyped-def]
    distances = np.empty(near.shape[1] - 1)
    for row in range(len(near)):
        for rank in range(len(distances)):
            distances[rank] = euclidean(vectors[near[row, 0]], vectors[near[row, rank + 1]])
        core[row] = np.sort(distances)[min_samples - 1]


@njit
def _weigh(ends, vectors, core, weights):  # type: ignore[no-untyped-def]
    for e in range(len(ends)):
        i, j = ends[e]
        weights[e] = max(euclidean(vectors[i], vectors[j]), core[i], core[j])


@njit
def _kruskal(ends, order, n_samples):  # type: ignore[no-untyped-def]
    """The edges that merge components; parents and merged of _Tree."""
    roots = np.arange(n_samples).astype(np.int32)
    parents = roots.copy()
    merged = np.full(n_samples, n_samples, np.int32)
    sizes = np.ones(n_samples, np.int32)
    chosen = np.empty(n_samples - 1, np.int64)
    count = 0
    for edge in order:
        a, b = find_root(roots, ends[edge, 0]), find_root(roots, ends[edge, 1])
        if a != b:
            smaller, larger = (a, b) if sizes[a] < sizes[b] else (b, a)
            roots[smaller] = parents[smaller] = larger
            sizes[larger] += sizes[smaller]
            merged[smaller] = count
            chosen[count] = edge
            count += 1
    return chosen[:count], parents, merged


@njit
def _reach(weights, parents, merged, error):  # type: ignore[no-untyped-def]
    """No edge between two samples that is heavier than the heaviest on both their ways to the root can be of use."""
    reach = np.empty(len(parents), np.float32)
    for sample in range(len(parents)):
        at, heaviest = sample, 0.0
        while parents[at] != at:
            heaviest = weights[merged[at]]
            at = parents[at]
        reach[sample] = 1 - heaviest * heaviest / 2 - error
    return reach


@njit
def _lighter(pairs, products, vectors, core, error, tree):  # type: ignore[no-untyped-def]
    """The pairs that come before the heaviest tree edge between their samples, by weight, then ends."""
    ends = np.empty_like(pairs)
    weights = np.empty(len(pairs))
    found = 0
    for p in range(len(pairs)):
        i, j = pairs[p]
        edge = _heaviest_between(tree.parents, tree.merged, i, j)
        most = tree.edges.weights[edge]
        least = max(core[i], core[j])
        if least > most or 2 - 2 * (products[p] + error) > most * most:
            continue
        weight = max(least, euclidean(vectors[i], vectors[j]))
        a, b = tree.edges.ends[edge]
        if weight < most or (weight == most and (i < a or (i == a and j < b))):
            ends[found, 0], ends[found, 1] = i, j
            weights[found] = weight
            found += 1
    return ends[:found].copy(), weights[:found].copy()


@njit
def _heaviest_between(parents, merged, i, j):  # type: ignore[no-untyped-def]
    """The heaviest tree edge between two samples: the one that merged their components."""
    edge = -1
    while i != j:
        if merged[i] < merged[j]:
            edge, i = merged[i], parents[i]
        else:
            edge, j = merged[j], parents[j]
    return edge
