"""Agreement of a clustering with known identities."""

import math
from typing import NamedTuple

import numpy as np

from cdp.ground_truth import same_identity

Figure = float | None  # None stands for 0/0: not applicable


class _Contingency(NamedTuple):
    """Sizes of the non-empty intersections (n_gc), and of the identity and cluster of each."""

    together: np.ndarray
    identity: np.ndarray
    cluster: np.ndarray
    identities: np.ndarray
    clusters: np.ndarray


def evaluate(labels_true: np.ndarray, labels_pred: np.ndarray) -> dict[str, dict[str, Figure]]:
    """Compare a clustering with identities (docs/definitions.md).

    Parameters
    ----------
    labels_true : integer array of shape (n_samples,)
    labels_pred : integer array of shape (n_samples,)
        -1 marks discarded samples.

    Returns
    -------
    dict
        ``"kept"`` (each discarded sample a cluster of its own) and ``"removed"`` (clustered
        samples only), each with pairwise ``precision``, ``recall``, ``f``; BCubed
        ``bcubed_precision``, ``bcubed_recall``, ``bcubed_f``; ``nmi`` (arithmetic mean).
        Fractions in [0, 1]; None where a figure is 0/0.

    Raises
    ------
    ValueError
        If the two are not one-dimensional integer arrays of one length.
    """
    labels_true, labels_pred = np.asarray(labels_true), np.asarray(labels_pred)
    for labels in (labels_true, labels_pred):
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ValueError(f"labels must be one-dimensional integers, not {labels.dtype} of shape {labels.shape}")
    if len(labels_true) != len(labels_pred):
        raise ValueError(f"{len(labels_true)} true labels for {len(labels_pred)} predicted ones")
    discarded = labels_pred < 0
    alone = labels_pred.astype(np.int64)
    alone[discarded] = -1 - np.arange(np.count_nonzero(discarded))
    return {
        "kept": _agreement(labels_true, alone),
        "removed": _agreement(labels_true[~discarded], labels_pred[~discarded]),
    }


def describe(labels_pred: np.ndarray) -> dict[str, int | Figure]:
    """Figures of a clustering that need no identities.

    Returns
    -------
    dict
        ``clusters``, ``singletons``, ``largest``, ``discarded`` (counts), ``discard_ratio``.
    """
    sizes = np.unique(labels_pred[labels_pred >= 0], return_counts=True)[1]
    discarded = int(np.count_nonzero(labels_pred < 0))
    return {
        "clusters": len(sizes),
        "singletons": int(np.count_nonzero(sizes == 1)),
        "largest": int(sizes.max(initial=0)),
        "discarded": discarded,
        "discard_ratio": _ratio(discarded, len(labels_pred)),
    }


def pair_accuracy(pairs: np.ndarray, labels_true: np.ndarray) -> Figure:
    """Share of pairs (P, 2) whose two samples have the same identity; None without pairs."""
    return _ratio(int(np.count_nonzero(same_identity(pairs, labels_true))), len(pairs))


def _agreement(identities: np.ndarray, clusters: np.ndarray) -> dict[str, Figure]:
    table = _contingency(identities, clusters)
    n = len(identities)
    joint = _pairs_within(table.together)
    precision = _ratio(joint, _pairs_within(table.clusters))
    recall = _ratio(joint, _pairs_within(table.identities))
    squares = table.together.astype(np.float64) ** 2
    bcubed_precision = _ratio(float((squares / table.cluster).sum()), n)
    bcubed_recall = _ratio(float((squares / table.identity).sum()), n)
    return {
        "precision": precision,
        "recall": recall,
        "f": _harmonic_mean(precision, recall),
        "bcubed_precision": bcubed_precision,
        "bcubed_recall": bcubed_recall,
        "bcubed_f": _harmonic_mean(bcubed_precision, bcubed_recall),
        "nmi": _normalized_mutual_information(table, n),
    }


def _contingency(identities: np.ndarray, clusters: np.ndarray) -> _Contingency:
    identity_sizes, identity_of = np.unique(identities, return_inverse=True, return_counts=True)[1:][::-1]
    cluster_sizes, cluster_of = np.unique(clusters, return_inverse=True, return_counts=True)[1:][::-1]
    cells, together = np.unique(identity_of.astype(np.int64) * len(cluster_sizes) + cluster_of, return_counts=True)
    cell_identity, cell_cluster = np.divmod(cells, max(len(cluster_sizes), 1))
    return _Contingency(
        together, identity_sizes[cell_identity], cluster_sizes[cell_cluster], identity_sizes, cluster_sizes
    )


def _pairs_within(sizes: np.ndarray) -> int:
    """Ordered pairs of different samples within groups of these sizes."""
    sizes = sizes.astype(np.int64)
    return int((sizes * (sizes - 1)).sum())


def _normalized_mutual_information(table: _Contingency, n: int) -> Figure:
    if n == 0:
        return None
    entropies = [-float((s / n * np.log(s / n)).sum()) for s in (table.identities, table.clusters)]
    information = float((table.together / n * np.log(table.together * (n / table.identity) / table.cluster)).sum())
    nmi = _ratio(information, math.fsum(entropies) / 2)
    return None if nmi is None else min(1.0, max(0.0, nmi))


def _ratio(numerator: float, denominator: float) -> Figure:
    return numerator / denominator if denominator else None


def _harmonic_mean(a: Figure, b: Figure) -> Figure:
    return None if a is None or b is None else _ratio(2 * a * b, a + b)
