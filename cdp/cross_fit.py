"""Scores of a labelled set's own pairs, each by a mediator that was trained without the identities of the pair."""

from collections.abc import Iterator

import numpy as np

from cdp.ground_truth import same_identity
from cdp.mediator import Mediator


def cross_fit(
    inputs: np.ndarray,
    pairs: np.ndarray,
    labels: np.ndarray,
    *,
    folds: int = 5,
    recipe: str = "default",
    device: str = "auto",
    seed: int = 0,
) -> np.ndarray:
    """What mediators make of the pairs of a labelled set whose identities they never saw.

    Parameters
    ----------
    inputs : ndarray of shape (P, n_inputs), float32
        See `cdp.mediator_inputs`.
    pairs : ndarray of shape (P, 2)
    labels : integer array of shape (n_samples,)
    folds : int, >= 3
        Parts into which the identities are split; folds (folds - 1) / 2 mediators are trained, each on the pairs
        within folds - 2 of them.
    recipe, device, seed
        See `cdp.Mediator.fit`; `seed` is also that of the split.

    Returns
    -------
    ndarray of shape (P,), float32

    Raises
    ------
    ValueError
        If there are fewer identities than folds, or the pairs left to train on are of one kind only.
    """
    same = same_identity(pairs, labels)
    scores = np.empty(len(pairs), np.float32)
    for train, held_out in held_out_pairs(pairs, labels, folds=folds, seed=seed):
        mediator = Mediator.fit(inputs[train], same[train], recipe=recipe, device=device, seed=seed)
        scores[held_out] = mediator.predict(inputs[held_out], device=device)
    return scores


def held_out_pairs(
    pairs: np.ndarray, labels: np.ndarray, *, folds: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Split pairs so that no identity is both trained on and scored.

    A pair of identities of two folds is held out of the mediator that leaves out these two; a pair within one fold
    out of the one that leaves out this fold and the next, so that all scores are of mediators trained on as much.

    Yields
    ------
    train, held_out : bool arrays of shape (P,)
        Each pair is held out once.

    Raises
    ------
    ValueError
        If `folds` is below 3, or above the number of identities.
    """
    identities, identity = np.unique(labels, return_inverse=True)
    if not 3 <= folds <= len(identities):
        raise ValueError(
            f"folds must be at least 3 and at most {len(identities)}, the identities of the labelled set, not {folds}"
        )
    fold = (np.random.default_rng(seed).permutation(len(identities)) % folds)[identity][pairs]
    first, second = fold.min(axis=1), fold.max(axis=1)
    partner = np.where(first == second, (first + 1) % folds, second)
    left_out = np.stack([np.minimum(first, partner), np.maximum(first, partner)])
    for a in range(folds):
        for b in range(a + 1, folds):
            held_out = (left_out[0] == a) & (left_out[1] == b)
            if held_out.any():
                yield ~np.isin(fold, (a, b)).any(axis=1), held_out
