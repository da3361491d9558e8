"""The kNN graph, as all who make or use one know it."""

from typing import NamedTuple

import numpy as np


class Neighbors(NamedTuple):
    """A kNN graph.

    Attributes
    ----------
    idx : ndarray of shape (n_samples, k), int32
        Row i holds i itself, then its neighbours, nearest first; -1 where there are none left.
    dist : ndarray of shape (n_samples, k), float32
        1 - cosine similarity, or what another metric says; +inf where idx is -1.
    recall : float or None
        Share of the true neighbours that the search found, measured on a sample of 1000; 1 if it was exact.
        None for a graph of unknown origin.
    """

    idx: np.ndarray
    dist: np.ndarray
    recall: float | None = None
