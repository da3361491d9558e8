"""Scores of a labelled set's own pairs, each by mediators that were trained without the identities of the pair."""

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
    repeats: int = 5,
    recipe: str = "default",
    device: str = "auto",
    seed: int = 0,
) -> np.ndarray:
    """What mediators make of the pairs of a labelled set whose identities they never saw.

    Which identities meet in a fold is chance, and few wrong pairs decide on a threshold: hence several splits.

    Parameters
    ----------
    inputs : ndarray of shape (P, n_inputs), float32
        See `cdp.mediator_inputs`.
    pairs : ndarray of shape (P, 2)
    labels : integer array of shape (n_samples,)
    folds : int, >= 2
        Parts into which the identities are split; one mediator is trained for each, on the pairs within the others.
    repeats : int, >= 1
        Number of splits.
    recipe, device, seed
        See `cdp.Mediator.fit`; `seed` is also that of the first split, the next has the next one.

    Returns
    -------
    ndarray of shape (repeats, P), float32
        -inf for pairs of identities of two folds, of which every mediator saw one: of all pairs with strangers, about
        one in `folds` is left (see `cdp.crowding.scored_share`).

    Raises
    ------
    ValueError
        If there are fewer identities than folds, or the pairs left to train on are of one kind only.
    """
    same = same_identity(pairs, labels)
    scores = np.full((repeats, len(pairs)), -np.inf, np.float32)
    for number, row in enumerate(scores, seed):
        for train, held_out in held_out_pairs(pairs, labels, folds=folds, seed=number):
            mediator = Mediator.fit(inputs[train], same[train], recipe=recipe, device=device, seed=number)
            row[held_out] = mediator.predict(inputs[held_out], device=device)
    return scores


def held_out_pairs(
    pairs: np.ndarray, labels: np.ndarray, *, folds: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each fold of the identities, the pairs within the other folds and those within it, where there are any.

    Yields
    ------
    train, held_out : bool arrays of shape (P,)

    Raises
    ------
    ValueError
        If `folds` is below 2, or above the number of identities.
    """
    identities, identity = np.unique(labels, return_inverse=True)
    if not 2 <= folds <= len(identities):
        raise ValueError(
            f"folds must be at least 2 and at most {len(identities)}, the identities of the labelled set, not {folds}"
        )
    fold = (np.random.default_rng(seed).permutation(len(identities)) % folds)[identity][pairs]
    for number in range(folds):
        held_out = (fold == number).all(axis=1)
        if held_out.any():
            yield (fold != number).all(axis=1), held_out
