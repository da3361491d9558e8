"""A threshold chosen by itself: for an objective on a labelled set, or without labels by how stable clusters are."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cdp.crowding import crowd, scored_share
from cdp.metrics import describe, evaluate
from cdp.propagation import propagate, without_warning
from cdp.selection import above
from cdp.threshold_sweep import spread_thresholds, sweep

_TRIED = {"count": 100, "decimals": 6}  # thresholds of a scoring, spread over its scores; a mediator's crowd below 1
TOLERANCE = 0.0075  # of a labelled set's curve: what one pair of clusters joined or not makes, which is chance
_BEST = {"pairwise_f": "f", "bcubed_f": "bcubed_f", "stability": "stability"}
_OTHER = {"precision": "recall", "recall": "precision"}
_SHARE = 0.8  # of the samples in each of the two subsets that are compared
_COMPARISONS = 2
_MOST = 0.5  # share of the samples that may be alone, or together; beyond it, clusterings agree whatever they are worth


def choose(
    rows: Sequence[Mapping[str, Any]], *, objective: str = "pairwise_f", tolerance: float = 0
) -> Mapping[str, Any]:
    """The best row of a sweep.

    Parameters
    ----------
    rows : non-empty sequence of mappings
        From `cdp.sweep` or `stability`; of several scorings together, if they are to be compared.
    objective : str
        ``pairwise_f``, ``bcubed_f`` or ``stability``, whose highest value is chosen (stability among the rows with at
        most half of the samples alone and half in one cluster, if there are any); or one of ``precision``,
        ``recall``, ``bcubed_precision`` and ``bcubed_recall`` that is to reach a value, such as ``precision>=0.98``:
        of the rows that do, the one where its counterpart is highest.
    tolerance : float, >= 0
        How much worse than the best a row may be to count as good; see `TOLERANCE`.

    Returns
    -------
    mapping
        Of the good rows that lie together around the best (the first of equals, and of the same ``accept``) the one in
        the middle, farthest from where it gets worse.

    Raises
    ------
    ValueError
        If `objective` is none of these, or no row reaches the value.
    """
    if objective == "stability":
        telling = [row for row in rows if max(row["alone"], row["together"]) <= _MOST]
        rows = telling or rows
    if objective in _BEST:
        return _middle_of_best(rows, [row[_BEST[objective]] or 0.0 for row in rows], tolerance)
    bound = re.fullmatch(r"(bcubed_)?(precision|recall)>=([0-9]+(?:[.][0-9]+)?)", objective)
    if not bound:
        raise ValueError(
            f"objective must be pairwise_f, bcubed_f, stability, or (bcubed_)precision or recall with a bound such as "
            f"'precision>=0.98', not {objective!r}"
        )
    prefix = bound[1] or ""
    figure, counterpart, least = prefix + bound[2], prefix + _OTHER[bound[2]], float(bound[3])
    reached = [row[figure] is not None and row[figure] >= least for row in rows]
    if not any(reached):
        most = max(row[figure] or 0.0 for row in rows)
        raise ValueError(f"objective {objective} is out of reach: at best it is {most:.4f}; ask for less")
    values = [(row[counterpart] or 0.0) if there else -1.0 for row, there in zip(rows, reached, strict=True)]
    return _middle_of_best(rows, values, tolerance)


def _middle_of_best(rows: Sequence[Mapping[str, Any]], values: Sequence[float], tolerance: float) -> Mapping[str, Any]:
    first = last = max(range(len(rows)), key=values.__getitem__)
    least, accept = values[first] - tolerance, rows[first].get("accept")
    good = [value >= least and row.get("accept") == accept for row, value in zip(rows, values, strict=True)]
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(rows) - 1 and good[last + 1]:
        last += 1
    return rows[(first + last) // 2]


def choose_of_splits(
    curves: Sequence[Sequence[Mapping[str, Any]]], *, objective: str = "pairwise_f", tolerance: float = 0
) -> Mapping[str, Any]:
    """The row at the median of the thresholds that are chosen on several splits, each by itself.

    One split that happens to lack the look-alikes that decide on a threshold does not move the median.

    Parameters
    ----------
    curves : non-empty sequence of sequences of mappings
        One a split, over the same thresholds, see `labeled_curves`.
    objective, tolerance
        See `choose`.

    Returns
    -------
    mapping
        Figures are means over the splits. Of an even number, the higher of the two in the middle is taken.

    Raises
    ------
    ValueError
        See `choose`.
    """
    places = sorted(curve.index(choose(curve, objective=objective, tolerance=tolerance)) for curve in curves)
    return mean_rows(curves)[places[len(places) // 2]]


def labeled_curves(
    pairs: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    ratio: float,
    max_size: int = 600,
    step: float = 0.05,
    max_iter: int = 100,
) -> list[list[dict[str, float | int | None]]]:
    """What each threshold gives on a labelled set that is made as crowded as another.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
    scores : ndarray of shape (P,), or (splits, P) from `cdp.cross_fit`
    labels : integer array of shape (n_samples,)
    ratio : float, > 0
        How much more crowded the other set is, see `cdp.crowding.crowding_ratio`.
    max_size, step, max_iter
        See `cdp.propagate`.

    Returns
    -------
    list of list of dict
        One list a split, of one dict a threshold, see `cdp.sweep`; thresholds are the same for all splits.
    """
    thresholds = spread_thresholds(scores, **_TRIED)
    limits: dict[str, Any] = {"max_size": max_size, "step": step, "max_iter": max_iter}
    curves = []
    for split in np.atleast_2d(scores):
        lacking = 1.0 if scores.ndim == 1 else scored_share(pairs, split, labels)
        crowded = crowd(pairs, split, labels, ratio=ratio / lacking)
        curves.append(sweep(pairs, crowded, len(labels), thresholds, labels_true=labels, **limits))
    return curves


def mean_rows(curves: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of several curves over the same thresholds, as one curve with the mean of each figure where there is one."""
    if len(curves) == 1:
        return [dict(row) for row in curves[0]]
    rows = []
    for same in zip(*curves, strict=True):
        seen = {key: [row[key] for row in same if row[key] is not None] for key in same[0]}
        rows.append({key: sum(values) / len(values) if values else None for key, values in seen.items()})
        rows[-1]["threshold"] = same[0]["threshold"]
    return rows


@without_warning()
def stability(
    pairs: np.ndarray,
    scores: np.ndarray,
    n_samples: int,
    thresholds: Iterable[float] | None = None,
    *,
    seed: int = 0,
    max_size: int = 600,
    step: float = 0.05,
    max_iter: int = 100,
) -> list[dict[str, float]]:
    """How well clusterings of two random subsets of the samples agree where these overlap, at each threshold.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2)
    scores : ndarray of shape (P,)
    n_samples : int
    thresholds : iterable of float, optional
        Pairs with a score above the threshold are kept; default as in `labeled_curves`.
    seed : int
        Of the subsets, which are the same at all thresholds.
    max_size, step, max_iter
        See `cdp.propagate`.

    Returns
    -------
    list of dict, one a threshold
        ``threshold``; ``stability``: pairwise F of the one clustering against the other, the mean over two such
        comparisons of subsets with four fifths of the samples, 0 where no two samples are together; ``alone`` and
        ``together``: shares of the samples in no cluster of two or more, and in the largest, where they are most.

    References
    ----------
    Ben-Hur, Elisseeff, Guyon: A Stability Based Method for Discovering Structure in Clustered Data, PSB 2002.
    """
    limits: dict[str, Any] = {"max_size": max_size, "step": step, "max_iter": max_iter}
    rng = np.random.default_rng(seed)
    subsets = rng.random((_COMPARISONS, 2, n_samples)) < _SHARE
    rows = []
    for threshold in spread_thresholds(scores, **_TRIED) if thresholds is None else thresholds:
        kept = above(scores, threshold)
        agreements, alone, together = [], [], []
        for comparison in subsets:
            clusterings = []
            for subset in comparison:
                within = kept & subset[pairs].all(axis=1)
                clusters = propagate(pairs[within], scores[within], n_samples, **limits)
                clusterings.append(clusters)
                n = np.count_nonzero(subset)
                figures: dict[str, Any] = describe(clusters[subset])
                alone.append(1 - (n - figures["discarded"] - figures["singletons"]) / max(1, n))
                together.append(figures["largest"] / max(1, n))
            shared = comparison.all(axis=0)
            agreements.append(_agreement(*(clusters[shared] for clusters in clusterings)))
        shares = {"alone": float(max(alone)), "together": float(max(together))}
        rows.append({"threshold": threshold, "stability": float(np.mean(agreements))} | shares)
    return rows


def _agreement(clusters: np.ndarray, others: np.ndarray) -> float:
    alone = clusters < 0
    reference = np.where(alone, -1 - np.arange(len(clusters)), clusters)
    return evaluate(reference, others)["kept"]["f"] or 0.0
