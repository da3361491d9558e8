"""How much the scores speak for a sample's place in its cluster, and for the cluster."""

from typing import NamedTuple

import numpy as np


class Confidence(NamedTuple):
    """Confidence in a clustering, on the scale of the scores.

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
    """Mean scores of the candidate pairs within clusters, kept or not (docs/confidence.md).

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        All candidate pairs.
    scores : ndarray of shape (P,), float
        At most 1; below 0, and -inf of the pairs that the scoring rejects, counts as 0.
    labels : ndarray of shape (n_samples,), integer
        Clusters, numbered 0..; -1 for discarded samples.

    Returns
    -------
    Confidence
        That of a cluster is the mean score of the candidate pairs within it. That of a sample is the
        geometric mean of its cluster's and of the mean score of its own pairs within the cluster.

    Raises
    ------
    ValueError
        If the shapes do not fit or pairs name samples that have no label.
    """
    n_samples, n_clusters = len(labels), int(labels.max(initial=-1)) + 1
    if pairs.ndim != 2 or pairs.shape[1] != 2 or scores.shape != (len(pairs),):
        raise ValueError(f"pairs must be (P, 2) and scores (P,), not {pairs.shape} and {scores.shape}")
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < n_samples:
        raise ValueError(f"pairs name samples outside 0..{n_samples - 1}")
    within = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    within &= labels[pairs[:, 0]] >= 0
    first, second = pairs[within].T
    weights = np.maximum(scores[within], 0).astype(np.float64)
    clusters = _ratios(
        np.bincount(labels[first], weights, n_clusters), np.bincount(labels[first], minlength=n_clusters)
    )
    own = _ratios(
        np.bincount(first, weights, n_samples) + np.bincount(second, weights, n_samples),
        np.bincount(first, minlength=n_samples) + np.bincount(second, minlength=n_samples),
    )
    samples = np.zeros(n_samples)
    clustered = labels >= 0
    samples[clustered] = np.sqrt(own[clustered] * clusters[labels[clustered]])
    return Confidence(samples.astype(np.float32), clusters.astype(np.float32))


def _ratios(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means; 0 where there is nothing to take one of."""
    return sums / np.maximum(counts, 1)
