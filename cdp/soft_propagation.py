"""Soft propagation: label weights for the samples of components that had to be split."""

import numba
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def soft_propagate(
    pairs: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    max_size: int = 600,
    decay: float = 0.6,
    depth: int = 5,
) -> csr_array:
    """Weigh the labels that reach each sample along kept pairs (DESIGN 4.5).

    In a component of at most `max_size` samples each has its own label with weight 1. In a larger
    one, every sample gives its label to itself with weight 1 and to each sample at d <= `depth`
    steps with weight decay^d times the product of the scores on the way; of several shortest ways,
    the one with the largest product counts. Weights are summed by label and normalised per sample.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        Kept pairs, as given to `cdp.propagate`.
    scores : ndarray of shape (P,), float
        Not negative.
    labels : ndarray of shape (n_samples,), int64
        What `cdp.propagate` returned for them.
    max_size : int
        As given to `cdp.propagate`.
    decay : float in (0, 1]
    depth : int, >= 1

    Returns
    -------
    csr_array of shape (n_samples, number of labels), float32
        Rows sum to 1; rows of discarded samples are empty.

    Raises
    ------
    ValueError
        For negative scores or parameters out of range.
    """
    if not 0 < decay <= 1 or depth < 1:
        raise ValueError(f"decay must be in (0, 1] and depth at least 1, not {decay} and {depth}")
    if len(scores) and not 0 <= scores.min() <= scores.max() <= 1:
        raise ValueError(
            f"soft propagation multiplies scores, so they must lie in [0, 1]; they run from {scores.min()} "
            f"to {scores.max()}; raise the threshold"
        )
    n = len(labels)
    n_labels = int(labels.max(initial=-1)) + 1
    sources = np.concatenate([pairs[:, 0], pairs[:, 1]])
    targets = np.concatenate([pairs[:, 1], pairs[:, 0]])
    order = np.lexsort((targets, sources))
    starts = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=n))])
    weights = np.concatenate([scores, scores])[order].astype(np.float64)
    neighbors = targets[order].astype(np.int64)
    component = connected_components(csr_array((weights, neighbors, starts), shape=(n, n)), directed=False)[1]
    split = np.bincount(component, minlength=1)[component] > max_size if n else np.empty(0, bool)
    counts = np.where(split, 0, labels >= 0).astype(np.int64)
    chunk_labels = np.empty(0, np.int64)
    chunk_weights = np.empty(0)
    _ = (chunk_labels, chunk_weights, counts, n_labels)
    raise AssertionError
