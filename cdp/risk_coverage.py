"""How much of a clustering can be trusted, if the least confident part is left out."""

import numpy as np


def impurity(labels_true: np.ndarray, labels_pred: np.ndarray) -> np.ndarray:
    """Share of each sample's cluster that is of another identity: 1 - its BCubed precision.

    Parameters
    ----------
    labels_true, labels_pred : integer arrays of shape (n_samples,)
        No label of `labels_pred` is negative.

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    identity = np.unique(labels_true, return_inverse=True)[1]
    cluster, sizes = np.unique(labels_pred, return_inverse=True, return_counts=True)[1:]
    _, cell, together = np.unique(
        cluster.astype(np.int64) * (identity.max(initial=0) + 1) + identity, return_inverse=True, return_counts=True
    )
    return 1 - together[cell] / sizes[cluster]


def risk_coverage(confidence: np.ndarray, risk: np.ndarray, *, points: int = 100) -> np.ndarray:
    """Mean risk of the most confident samples, over the share of the samples that these are.

    Parameters
    ----------
    confidence, risk : ndarray of shape (n_samples,)
        At least one sample.
    points : int
        The shares are 1 / points, 2 / points, ... 1.

    Returns
    -------
    ndarray of shape (points,), float64
        Samples of equal confidence count in every order alike. The mean over the points is the area
        under the curve.

    Notes
    -----
    El-Yaniv and Wiener: On the foundations of noise-free selective classification, JMLR 2010.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])) + 1, len(order))
    total = np.concatenate([[0], np.cumsum(risk[order])[ends - 1]])
    kept = len(order) * np.arange(1, points + 1) / points
    return np.interp(kept, np.concatenate([[0], ends]), total) / kept
