"""What is known of candidate pairs; a module of its own, so that whoever just reads them needs no compiler."""

from typing import NamedTuple

import numpy as np


class CandidatePairs(NamedTuple):
    """P candidate pairs, described by the base model and C committee members.

    Attributes
    ----------
    pairs : ndarray of shape (P, 2), int32
        Sample indices i < j; sorted, each pair once.
    similarity : ndarray of shape (P,), float32
        Cosine in the base model.
    votes : ndarray of shape (P,), uint8
        Members in whose graph the pair is found, in a direction that the base graph has.
    relationship : ndarray of shape (P, C), uint8
        1 where a member's graph has the pair in either direction.
    structure : ndarray of shape (P, C + 1), uint16
        Common neighbours in each model, base first, the samples themselves included.
    """

    pairs: np.ndarray
    similarity: np.ndarray
    votes: np.ndarray
    relationship: np.ndarray
    structure: np.ndarray
