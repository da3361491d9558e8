"""What the scores say for and against clusters: where one is held together weakly, where two nearly were one."""

from typing import NamedTuple

import numba
import numpy as np

from cdp.components import find_root, find_roots, merge
from cdp.selection import above


class Cuts(NamedTuple):
    """Where each cluster is held together most weakly.

    Attributes
    ----------
    doubt : ndarray of shape (n_clusters,), float64
        (1 - score of the cut) times the size of the smaller part that it joined; 0 for clusters of one sample.
    score : ndarray of shape (n_clusters,), float64
        The highest score between the two parts; NaN for clusters of one sample.
    in_part : ndarray of shape (n_samples,), bool
        Whether a sample is in the smaller part of its cluster (of parts of one size, that without the first sample).
    """

    doubt: np.ndarray
    score: np.ndarray
    in_part: np.ndarray


class Ties(NamedTuple):
    """The highest scores of each sample.

    Attributes
    ----------
    inside, outside : ndarray of shape (n_samples,), float32
        To samples of its cluster, and of other clusters; NaN without any score.
    other : ndarray of shape (n_samples,), int64
        The other cluster, -1 without any.
    """

    inside: np.ndarray
    outside: np.ndarray
    other: np.ndarray


class NearMerges(NamedTuple):
    """Pairs of clusters with a score between them, the highest first.

    Attributes
    ----------
    clusters : ndarray of shape (n, 2), int64
        The lower number first.
    samples : ndarray of shape (n, 2), int64
        The two samples with the highest score, in the order of their clusters.
    scores : ndarray of shape (n,), float32
        That score.
    counts : ndarray of shape (n,), int64
        Pairs with a score between the two clusters.
    """

    clusters: np.ndarray
    samples: np.ndarray
    scores: np.ndarray
    counts: np.ndarray


def weakest_cuts(pairs: np.ndarray, scores: np.ndarray, clusters: np.ndarray, *, threshold: float) -> Cuts:
    """Find where each cluster may be two: large parts that only low scores join.

    The kept pairs within a cluster, highest score first, join it part by part (they are a maximum spanning tree).
    The cut is the join with the greatest doubt, (1 - score) x size of the smaller part.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        All candidate pairs.
    scores : ndarray of shape (P,), float
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples.
    threshold : float
        Pairs with a score above it are kept.
    """
    first, second = clusters[pairs].T
    kept = np.flatnonzero(above(scores, threshold) & (first == second) & (first >= 0))
    order = kept[np.argsort(-scores[kept], kind="stable")]
    n_clusters = int(clusters.max(initial=-1)) + 1
    doubt, cut, roots = _cuts(pairs[order], scores[order].astype(np.float64), clusters, n_clusters)
    joined = cut >= 0
    score = np.full(n_clusters, np.nan)
    score[joined] = scores[order[cut[joined]]]
    split_root = np.full(n_clusters, -1)
    split_root[joined] = roots[pairs[order[cut[joined]], 0]]
    side = (clusters >= 0) & (roots == split_root[clusters])
    sizes, on_side = (np.bincount(clusters[chosen], minlength=n_clusters) for chosen in (clusters >= 0, side))
    firsts = np.unique(clusters[clusters >= 0], return_index=True)[1]
    holds_first = side[np.flatnonzero(clusters >= 0)[firsts]]
    other_side = (2 * on_side > sizes) | ((2 * on_side == sizes) & holds_first)
    return Cuts(doubt, score, (clusters >= 0) & joined[clusters] & (side != other_side[clusters]))


@numba.njit(cache=True)
def _cuts(pairs, scores, clusters, n_clusters):  # type: ignore[no-untyped-def]
    """Greatest doubt of each cluster, the pair that it is of (-1: none), the components that are left without it."""
    parents = np.arange(len(clusters))
    sizes = np.ones(len(clusters), np.int64)
    doubt = np.zeros(n_clusters)
    cut = np.full(n_clusters, -1, np.int64)
    in_tree = np.zeros(len(pairs), np.bool_)
    for p in range(len(pairs)):
        a, b = find_root(parents, pairs[p, 0]), find_root(parents, pairs[p, 1])
        if a == b:
            continue
        in_tree[p] = True
        cluster = clusters[a]
        doubt_here = (1 - scores[p]) * min(sizes[a], sizes[b])
        if cut[cluster] < 0 or doubt_here > doubt[cluster]:
            doubt[cluster] = doubt_here
            cut[cluster] = p
        merge(parents, a, b)
        sizes[min(a, b)] = sizes[a] + sizes[b]
    parents = np.arange(len(clusters))
    for p in range(len(pairs)):
        if in_tree[p] and cut[clusters[pairs[p, 0]]] != p:
            merge(parents, pairs[p, 0], pairs[p, 1])
    return doubt, cut, find_roots(parents)


def strongest_ties(pairs: np.ndarray, scores: np.ndarray, clusters: np.ndarray) -> Ties:
    """The highest score of each sample within its cluster and to another one, kept or not.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
    scores : ndarray of shape (P,), float
        Pairs with -inf have no score.
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples, which count as no cluster.
    """
    scored = np.isfinite(scores) & (clusters[pairs] >= 0).all(axis=1)
    samples = np.concatenate([pairs[scored], pairs[scored][:, ::-1]])
    values = np.tile(scores[scored], 2).astype(np.float32)
    order = np.argsort(values, kind="stable")  # of one sample's scores, the last that is written is the highest
    samples, values = samples[order], values[order]
    within = clusters[samples[:, 0]] == clusters[samples[:, 1]]
    inside, outside = np.full((2, len(clusters)), np.nan, np.float32)
    other = np.full(len(clusters), -1, np.int64)
    inside[samples[within, 0]] = values[within]
    outside[samples[~within, 0]] = values[~within]
    other[samples[~within, 0]] = clusters[samples[~within, 1]]
    return Ties(inside, outside, other)


def near_merges(pairs: np.ndarray, scores: np.ndarray, clusters: np.ndarray, *, most: int = 1000) -> NearMerges:
    """The pairs of clusters with the highest scores between them.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
    scores : ndarray of shape (P,), float
        Pairs with -inf have no score.
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples, which count as no cluster.
    most : int
        Of pairs of clusters.
    """
    ends = clusters[pairs]
    between = np.isfinite(scores) & (ends >= 0).all(axis=1) & (ends[:, 0] != ends[:, 1])
    turned = ends[between, 0] > ends[between, 1]
    samples = np.where(turned[:, None], pairs[between][:, ::-1], pairs[between]).astype(np.int64)
    values = scores[between].astype(np.float32)
    low, high = clusters[samples].T
    order = np.lexsort((-values, high, low))
    samples, values = samples[order], values[order]
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(order)))
    best = np.lexsort((-counts, -values[starts]))[:most]
    samples = samples[starts[best]]
    return NearMerges(clusters[samples], samples, values[starts[best]], counts[best])
