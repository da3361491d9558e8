"""The kNN graph, as all who make or use one know it."""

from collections.abc import Sequence
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

    @classmethod
    def of_rows(
        cls, samples: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray]], *, recall: float | None
    ) -> "Neighbors":
        """The graph from its rows' idx and dist, which come in parts: those of `samples`, one after the other."""
        idx, dist = (np.empty((len(samples), parts[0][n].shape[1]), parts[0][n].dtype) for n in (0, 1))
        for array, rows in ((idx, [part[0] for part in parts]), (dist, [part[1] for part in parts])):
            start = 0
            for some in rows:
                array[samples[start : start + len(some)]] = some
                start += len(some)
        return cls(idx, dist, recall)
