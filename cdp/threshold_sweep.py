"""Many thresholds of one scoring: what each would give."""

from collections.abc import Iterable

import numpy as np

from cdp.metrics import describe, evaluate, pair_accuracy
from cdp.propagation import propagate, without_warning
from cdp.selection import above, rows_where


def spread_thresholds(scores: np.ndarray, *, count: int, decimals: int = 4) -> list[float]:
    """Thresholds that keep evenly growing shares of the pairs.

    Parameters
    ----------
    scores : array of shape (P,)
        Those that are -inf (rejected pairs) are left out.
    count : int
        At most this many thresholds, fewer where quantiles coincide.
    decimals : int
        To which they are rounded.

    Returns
    -------
    list of float
        Ascending.

    Raises
    ------
    ValueError
        If no pair has a score, or the scores do not differ by more than rounding.
    """
    seen = scores[np.isfinite(scores)]
    if len(seen) == 0:
        raise ValueError("no pair has a score, so there is no threshold to try; lower accept")
    quantiles = np.quantile(seen, np.arange(count) / count)
    thresholds = sorted({rounded for q in quantiles if (rounded := round(float(q), decimals)) < seen.max()})
    if not thresholds:
        raise ValueError(f"the scores run from {seen.min()} to {seen.max()} only, so there is no threshold to try")
    return thresholds


@without_warning()
def sweep(
    pairs: np.ndarray,
    scores: np.ndarray,
    n_samples: int,
    thresholds: Iterable[float],
    *,
    labels_true: np.ndarray | None = None,
    max_size: int = 600,
    step: float = 0.05,
    max_iter: int = 100,
) -> list[dict[str, float | int | None]]:
    """Propagate and evaluate at each threshold.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
    scores : ndarray of shape (P,)
    n_samples : int
    thresholds : iterable of float
        Pairs with a score above the threshold are kept.
    labels_true : integer array of shape (n_samples,), optional
    max_size, step, max_iter
        See `cdp.propagate`.

    Returns
    -------
    list of dict, one a threshold
        ``threshold``, ``pairs``, ``pair_accuracy``, ``precision``, ``recall``, ``f``,
        ``bcubed_precision``, ``bcubed_recall``, ``bcubed_f``, ``nmi`` (kept form), ``clusters``,
        ``singletons``, ``largest``, ``discarded``, ``discard_ratio``; None where not applicable.
    """
    rows = []
    for threshold in thresholds:
        kept = above(scores, threshold)
        chosen = rows_where(kept, pairs)
        labels = propagate(chosen, scores[kept], n_samples, max_size=max_size, step=step, max_iter=max_iter)
        row: dict[str, float | int | None] = {"threshold": threshold, "pairs": len(chosen)}
        row |= {"pair_accuracy": None} | dict.fromkeys(_AGREEMENT)
        if labels_true is not None:
            row |= {"pair_accuracy": pair_accuracy(chosen, labels_true)} | evaluate(labels_true, labels)["kept"]
        rows.append(row | describe(labels))
    return rows


_AGREEMENT = ("precision", "recall", "f", "bcubed_precision", "bcubed_recall", "bcubed_f", "nmi")
