"""What a backend proposes: candidates for the neighbours of every sample."""

from typing import NamedTuple

import numpy as np


class Proposal(NamedTuple):
    """Candidates for every sample, in an arrangement of the samples that suits the backend.

    Attributes
    ----------
    vectors : ndarray of shape (n_samples, dim), float32
        The samples' vectors, arranged.
    samples : ndarray of shape (n_samples,), int64
        Which sample each of them is.
    candidates : ndarray of shape (n_samples, width), int
        Positions in `vectors` of different vectors, in any order; -1 for none. May hold the vector itself.
    """

    vectors: np.ndarray
    samples: np.ndarray
    candidates: np.ndarray
