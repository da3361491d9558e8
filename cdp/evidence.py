"""What the scores say for and against clusters: where one holds together weakly, where two nearly were one."""

from typing import NamedTuple

import numpy as np

from cdp.confidence import Confidence


class Cuts(NamedTuple):
    """The weakest cut of each cluster, which its confidence is of.

    Attributes
    ----------
    in_part : ndarray of shape (n_samples,), bool
        Whether the cut takes a sample off, with the smaller part of its cluster.
    scores : ndarray of shape (n_clusters,), float32
        The highest score between the two parts; NaN for clusters that no cut parts.
    counts : ndarray of shape (n_clusters,), int64
        Kept pairs between the two parts.
    """

    in_part: np.ndarray
    scores: np.ndarray
    counts: np.ndarray


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


def weakest_cuts(pairs: np.ndarray, scores: np.ndarray, clusters: np.ndarray, confidence: Confidence) -> Cuts:
    """What lies between the two parts of each cluster that hold together least.

    The part that the weakest cut takes off is told by the samples' confidence: it is as low as their cluster's.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        Kept pairs.
    scores : ndarray of shape (P,), float
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples.
    confidence : Confidence
        From `cdp.confidence.confidence`, of the same pairs and clusters.
    """
    n_clusters = len(confidence.clusters)
    clustered = clusters >= 0
    in_part = clustered & (confidence.samples == confidence.clusters[clusters]) & (confidence.samples < 1)
    whole = np.bincount(clusters[in_part], minlength=n_clusters) == np.bincount(
        clusters[clustered], minlength=n_clusters
    )
    in_part &= ~whole[clusters]
    first, second = pairs.T
    across = (clusters[first] == clusters[second]) & (in_part[first] != in_part[second])
    order = np.argsort(scores[across], kind="stable")  # of one cluster's, the last that is written is the highest
    highest = np.full(n_clusters, np.nan, np.float32)
    highest[clusters[first[across][order]]] = scores[across][order]
    return Cuts(in_part, highest, np.bincount(clusters[first[across]], minlength=n_clusters))


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
