"""Which scored pairs are kept: those whose score is above the threshold."""

import os
from collections.abc import Sequence

import numpy as np

from cdp.files import map_array, map_arrays, read_json, release

AUTO, NO_LABELS = " auto", " auto, no labels"  # marks what was chosen, on a labelled set or without one
_BLOCK = 2**20  # pairs copied at a time


def above(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Whether each score is above the threshold, compared in double precision; bool (P,)."""
    return scores > np.float64(threshold)


def kept_pairs(pairs: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The pairs with a score above the threshold, and their scores.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
        May be memory-mapped, as may be the scores: what is kept is copied, with hardly anything beside it.
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
    return rows_where(kept, pairs), rows_where(kept, scores)


def load_kept_pairs(
    pairs: str | os.PathLike[str], scores: str | os.PathLike[str], threshold: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """`kept_pairs` of pairs.npz and a file of scores, and the number of samples; no more than these is held."""
    mapped_pairs, n_samples = map_arrays(pairs, "pairs", "n_samples")
    mapped_scores = map_array(scores)
    kept = kept_pairs(mapped_pairs, mapped_scores, threshold)
    release(mapped_pairs)
    release(mapped_scores)
    return *kept, int(n_samples)


def rows_where(kept: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``rows[kept]`` for a bool array (P,), without the 8 bytes a row that numpy takes for it meanwhile."""
    chosen = np.empty((np.count_nonzero(kept), *rows.shape[1:]), rows.dtype)
    filled = 0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK][kept[start : start + _BLOCK]]
        chosen[filled : filled + len(block)] = block
        filled += len(block)
    return chosen


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


def with_choice(setting: str, choice: str | os.PathLike[str]) -> str:
    """A setting with what its ``acceptauto`` and ``thauto`` stand for, marked as `AUTO` or `NO_LABELS`."""
    chosen = read_json(choice)
    accept, threshold = f"accept{chosen['accept']}{AUTO}", f"th{chosen['threshold']}"
    threshold += AUTO if chosen["labeled"] else NO_LABELS
    return setting.replace("acceptauto", accept).replace("thauto", threshold)
