"""The committee's vote on candidate pairs."""

import numpy as np

from cdp.candidates import CandidatePairs
from cdp.selection import above


def vote(candidates: CandidatePairs, *, accept: int = 0, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Keep the pairs that are similar enough and that enough members confirm (docs/definitions.md).

    Parameters
    ----------
    candidates : CandidatePairs
    accept : int
        Votes that a pair needs; 0 without a committee.
    threshold : float, <= 1
        A pair is kept when its base similarity (cosine, or 1 - distance) is above it.

    Returns
    -------
    pairs : ndarray of shape (kept, 2), int32
    scores : ndarray of shape (kept,), float32
        Their similarity.

    Raises
    ------
    ValueError
        If `accept` is negative or larger than the committee, or `threshold` is out of range.
    """
    check_settings(accept=accept, threshold=threshold, members=candidates.relationship.shape[1])
    scores = vote_scores(candidates, accept=accept)
    kept = above(scores, threshold)
    return candidates.pairs[kept], scores[kept]


def vote_scores(candidates: CandidatePairs, *, accept: int) -> np.ndarray:
    """Similarity of the pairs with at least `accept` votes, -inf for the others; float32 (P,)."""
    check_settings(accept=accept, threshold=0, members=candidates.relationship.shape[1])
    return np.where(candidates.votes >= accept, candidates.similarity, np.float32(-np.inf))


def check_settings(*, accept: int, threshold: float, members: int) -> None:
    """Raise ValueError if a parameter of `vote` is out of range for a committee of that many members."""
    if not threshold <= 1:
        raise ValueError(f"threshold must be at most 1 (the similarity of equal samples), not {threshold}")
    if not 0 <= accept <= members:
        raise ValueError(f"accept must be between 0 and the committee's {members} members, not {accept}")
