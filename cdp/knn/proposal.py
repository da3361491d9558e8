"""What a backend proposes: candidates for the neighbours of every sample."""

from typing import NamedTuple

import numpy as np

from cdp.knn.points import Points


class Proposal(NamedTuple):
    """Candidates for every sample, in an arrangement of the samples that suits the backend.

    Attributes
    ----------
    points : Points
        The samples, arranged.
    samples : ndarray of shape (n_samples,), int64
        Which sample each of them is.
    candidates : ndarray of shape (n_samples, width), int
        Positions in `points` of different points, in any order; -1 for none. May hold the sample itself.
    """

    points: Points
    samples: np.ndarray
    candidates: np.ndarray
