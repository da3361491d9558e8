"""A labelled set with fewer samples an identity, to choose on for sets that have as few."""

import numpy as np


def thin(labels: np.ndarray, samples_per_identity: float, *, seed: int = 0) -> np.ndarray:
    """Rows that leave the same share of each identity, on average about so many samples an identity.

    Parameters
    ----------
    labels : integer array of shape (n_samples,)
    samples_per_identity : float, >= 1
    seed : int
        Of the choice among an identity's samples.

    Returns
    -------
    ndarray, int64
        In their order; at least one of each identity, so with many small ones there are more on average.

    Raises
    ------
    ValueError
        If there are not more samples an identity than that, or it is below 1.
    """
    _, identity, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    there = len(labels) / len(sizes)
    if not 1 <= samples_per_identity < there:
        raise ValueError(
            f"samples_per_identity must be at least 1 and below {there:.4g}, which the set has, not "
            f"{samples_per_identity:g}"
        )
    order = np.lexsort((np.random.default_rng(seed).random(len(labels)), identity))
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # among those of the identity
    kept = np.maximum(np.rint(sizes * samples_per_identity / there), 1)
    return np.sort(order[place < np.repeat(kept, sizes)])
