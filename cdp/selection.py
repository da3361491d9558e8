"""Which scored pairs are kept: those whose score is above the threshold."""

import os
from collections.abc import Sequence

import numpy as np

from cdp.files import read_json


def above(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Whether each score is above the threshold, compared in double precision; bool (P,)."""
    return scores.astype(np.float64) > threshold


def kept_pairs(pairs: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The pairs with a score above the threshold, and their scores.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
    scores : ndarray of shape (P,)
        -inf for pairs that the scoring rejects.
    threshold : float

    Raises
    ------
    ValueError
        If there are none; gives the range of the scores.
    """
    if len(pairs) != len(scores):
        raise ValueError(f"{len(scores)} scores for {len(pairs)} pairs; delete both files and run again")
    kept = above(scores, threshold)
    if not kept.any():
        seen = scores[np.isfinite(scores)]
        span = f"the scores run from {seen.min():.4f} to {seen.max():.4f}" if len(seen) else "no pair has a score"
        raise ValueError(f"no pair is above the threshold {threshold}: {span}; lower the threshold (or accept)")
    return pairs[kept], scores[kept]


def threshold_of(written: str, choice: Sequence[str | os.PathLike[str]] = ()) -> float:
    """The threshold as it is written in a path, or what ``auto`` stands for: that in the JSON file of its choice.

    Parameters
    ----------
    written : str
        A decimal or ``auto``.
    choice : sequence of none or one path
    """
    if written != "auto":
        return float(written)
    (path,) = choice
    return float(read_json(path)["threshold"])
