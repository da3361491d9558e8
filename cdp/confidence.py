"""How firmly clusters and their samples hold together: the weakest cuts of the kept pairs."""

from typing import NamedTuple

import numpy as np

from cdp.components import find_root, merge
from cdp.jit import njit


class Confidence(NamedTuple):
    """Confidence in a clustering, in [0, 1].

    Attributes
    ----------
    samples : ndarray of shape (n_samples,), float32
        0 for samples that are discarded or alone.
    clusters : ndarray of shape (n_clusters,), float32
        0 for clusters of one sample.
    """

    samples: np.ndarray
    clusters: np.ndarray


def confidence(pairs: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> Confidence:
    """Conductance of the weakest cut through each cluster, and of that which takes each sample off.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        Kept pairs, as `cdp.propagate` takes them; those between clusters do not count.
    scores : ndarray of shape (P,), float
    labels : ndarray of shape (n_samples,), int64
        Clusters, numbered 0..; -1 for discarded samples.

    Returns
    -------
    Confidence

    Raises
    ------
    ValueError
        If the shapes do not fit or pairs name samples that have no label.

    Notes
    -----
    Each edge of a cluster's maximum spanning tree (by score; ties by order of the pairs) cuts it in two. The
    cut's conductance is the number of pairs between the two parts over the number of pair ends in the part
    that has fewer. A cluster's confidence is that of its weakest cut; a sample's is the geometric mean
    of its cluster's and of the weakest cut that puts it in a part with at most half of the ends (1 if
    there is none). Time is linear in the number of pairs, but for sorting them and for the depth of
    the trees, which the size of clusters bounds. See docs/confidence.md.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2 or scores.shape != (len(pairs),):
        raise ValueError(f"pairs must be (P, 2) and scores (P,), not {pairs.shape} and {scores.shape}")
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(labels):
        raise ValueError(f"pairs name samples outside 0..{len(labels) - 1}")
    within = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    within &= labels[pairs[:, 0]] >= 0
    within &= pairs[:, 0] != pairs[:, 1]
    pairs = pairs[within]
    order = np.argsort(-scores[within], kind="stable")
    tree = _spanning_forest(pairs[order], len(labels))
    samples, parents = _rooted(tree, labels)
    cuts, small, large = _cuts(pairs, samples, parents)
    clusters = np.ones(int(labels.max(initial=-1)) + 1)
    inner = parents >= 0
    np.minimum.at(clusters, labels[inner], cuts[inner])
    clusters[np.bincount(labels[labels >= 0], minlength=len(clusters)) == 1] = 0
    own = _weakest_of_smaller_part(cuts, small, large, samples, parents)
    own[labels < 0] = 0
    whole = np.where(labels >= 0, clusters[labels], 0) if len(clusters) else np.zeros(len(labels))
    return Confidence(np.sqrt(own * whole).astype(np.float32), clusters.astype(np.float32))


@njit
def _spanning_forest(pairs, n_samples):  # type: ignore[no-untyped-def]
    """The pairs that join two components, when they come one after the other."""
    component = np.arange(n_samples)
    tree = np.empty((min(n_samples, len(pairs)), 2), np.int64)
    count = 0
    for p in range(len(pairs)):
        i, j = pairs[p]
        if find_root(component, i) != find_root(component, j):
            merge(component, i, j)
            tree[count] = i, j
            count += 1
    return tree[:count]


@njit
def _rooted(tree, labels):  # type: ignore[no-untyped-def]
    """The clustered samples, each after its parent; the parents: -1 for a cluster's first sample and the discarded.

    The parts of a cluster that no pair joins hang on its first sample.
    """
    n = len(labels)
    starts = np.zeros(n + 2, np.int64)
    for e in range(len(tree)):
        for s in tree[e]:
            starts[s + 2] += 1
    starts = np.cumsum(starts)
    neighbors = np.empty(2 * len(tree), np.int64)
    for e in range(len(tree)):
        i, j = tree[e]
        for s, t in ((i, j), (j, i)):
            neighbors[starts[s + 1]] = t
            starts[s + 1] += 1
    first = np.full(n + 1, -1, np.int64)
    parents = np.full(n, -1, np.int64)
    seen = np.zeros(n, np.bool_)
    samples = np.empty(n, np.int64)
    count = done = 0
    for root in range(n):
        if labels[root] < 0 or seen[root]:
            continue
        parents[root] = first[labels[root]]
        if parents[root] < 0:
            first[labels[root]] = root
        seen[root] = True
        samples[count] = root
        count += 1
        while done < count:
            s = samples[done]
            done += 1
            for t in neighbors[starts[s] : starts[s + 1]]:
                if not seen[t]:
                    seen[t] = True
                    parents[t] = s
                    samples[count] = t
                    count += 1
    return samples[:count], parents


@njit
def _cuts(pairs, samples, parents):  # type: ignore[no-untyped-def]
    """Conductance of the cut above each sample; whether at most, whether at least half of the ends are below it."""
    n = len(parents)
    depth = np.zeros(n, np.int64)
    root = np.arange(n)
    for s in samples:
        if parents[s] >= 0:
            depth[s] = depth[parents[s]] + 1
            root[s] = root[parents[s]]
    ends = np.zeros(n, np.int64)  # of pairs, at or below a sample
    across = np.zeros(n, np.int64)  # pairs with one end at or below it
    for p in range(len(pairs)):
        i, j = pairs[p]
        for s in (i, j):
            ends[s] += 1
            across[s] += 1
        while i != j:
            if depth[i] >= depth[j]:
                i = parents[i]
            else:
                j = parents[j]
        across[i] -= 2
    for s in samples[::-1]:
        if parents[s] >= 0:
            ends[parents[s]] += ends[s]
            across[parents[s]] += across[s]
    conductance = np.zeros(n)
    small, large = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for s in samples:
        total = ends[root[s]]
        fewer = min(ends[s], total - ends[s])
        if fewer > 0:
            conductance[s] = across[s] / fewer
        small[s] = 2 * ends[s] <= total
        large[s] = 2 * ends[s] >= total
    return conductance, small, large


@njit
def _weakest_of_smaller_part(cuts, small, large, samples, parents):  # type: ignore[no-untyped-def]
    """The weakest cut that puts each sample in a part with at most half of the ends; 1 if there is none.

    Samples with more than half below them lie on one way down from the root: the cuts along it put those in
    the smaller part that branch off before.
    """
    further = np.ones(len(parents))  # the weakest cut further down that way
    for s in samples[::-1]:
        if parents[s] >= 0 and large[s]:
            further[parents[s]] = min(further[s], cuts[s])
    weakest = further.copy()
    for s in samples:
        if parents[s] >= 0 and small[s]:
            weakest[s] = min(weakest[s], cuts[s])
            if not large[s]:
                weakest[s] = min(weakest[s], weakest[parents[s]])
    return weakest
