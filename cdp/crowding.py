"""A labelled set's scored pairs as they would be among more, or fewer, strangers."""

import numpy as np

from cdp.ground_truth import same_identity


def crowd(pairs: np.ndarray, scores: np.ndarray, labels: np.ndarray, *, ratio: float) -> np.ndarray:
    """Scores with which each sample has `ratio` times as many pairs with samples of other identities above any score.

    In a set of ten times as many identities, a sample meets ten times as many look-alikes. So the wrong pair that is
    the r-th best here is given the score of the (r / ratio)-th best; right pairs keep theirs.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
    scores : ndarray of shape (P,), float32
        -inf for pairs that the scoring rejects.
    labels : integer array of shape (n_samples,)
    ratio : float, > 0
        Identities of the set to be imitated to those of this one; see `crowding_ratio`.

    Returns
    -------
    ndarray of shape (P,), float32
        For a ratio below 1, wrong pairs for which there is no such place get -inf.
    """
    wrong = np.flatnonzero(~same_identity(pairs, labels) & np.isfinite(scores))
    best_first = wrong[np.argsort(-scores[wrong], kind="stable")]
    places = np.floor(np.arange(len(wrong)) / ratio).astype(np.int64)
    there = places < len(wrong)
    crowded = scores.copy()
    crowded[best_first[there]] = scores[best_first[places[there]]]
    crowded[best_first[~there]] = -np.inf
    return crowded


def crowding_ratio(samples: int, labeled_samples: int) -> float:
    """How crowded to make a labelled set of so many samples for choosing on it for one of `samples`.

    The ratio of their numbers; of a smaller set its square root. Such a set has fewer identities, or fewer samples of
    each and as many strangers as before: which of the two, its size does not tell, so the middle is taken.
    """
    ratio = samples / labeled_samples
    return ratio if ratio >= 1 else ratio**0.5


def scored_share(pairs: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of the pairs (P, 2) of different identities to which one split of `cdp.cross_fit` gave a score, in (0, 1].

    Raises
    ------
    ValueError
        If it gave none to any.
    """
    scored = np.isfinite(scores[~same_identity(pairs, labels)])
    if not scored.any():
        raise ValueError("no pair of different identities lies within a fold, so nothing can be judged; lower folds")
    return float(scored.mean())
