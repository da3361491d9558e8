"""Chinese whispers."""

import numpy as np

from cdp.baselines.graph import similarity_graph
from cdp.components import number_by_appearance
from cdp.jit import njit
from cdp.neighbors import Neighbors


def chinese_whispers(neighbors: Neighbors, *, threshold: float, iterations: int = 20, seed: int = 0) -> np.ndarray:
    """Let every sample take over the label that weighs most among its neighbours, again and again.

    At first each sample has a label of its own. In an iteration all samples are visited once, in random order; each
    takes the label with the largest sum of similarities to it. Of labels of equal weight it keeps its own, or else
    takes that of the first sample in list order.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine; edges are taken in both directions.
    threshold : float in [0, 1)
        Only similarities above it count.
    iterations : int, >= 1
        At most; it ends when no label changes.
    seed : int
        Of the order of visits.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; a sample without edges is a cluster of its own.

    Raises
    ------
    ValueError
        If a parameter is out of range or the graph is none.

    References
    ----------
    Biemann: Chinese Whispers - an Efficient Graph Clustering Algorithm and its Application to Natural Language
    Processing Problems, TextGraphs 2006.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
    graph = similarity_graph(neighbors, threshold=threshold)
    generator = np.random.default_rng(seed)
    labels = np.arange(graph.shape[0])
    for _ in range(iterations):
        if not _whisper(generator.permutation(len(labels)), graph.indptr, graph.indices, graph.data, labels):
            break
    return number_by_appearance(labels)


@njit
def _whisper(order, starts, others, weights, labels):  # type: ignore[no-untyped-def]
    """One iteration; whether a label changed."""
    sums = np.zeros(len(labels))
    changed = False
    for i in order:
        edges = range(starts[i], starts[i + 1])
        for e in edges:
            sums[labels[others[e]]] += weights[e]
        best = labels[i]
        for e in edges:
            label = labels[others[e]]
            if sums[label] > sums[best] or (sums[label] == sums[best] and best != labels[i] and label < best):
                best = label
        for e in edges:
            sums[labels[others[e]]] = 0.0
        changed |= best != labels[i]
        labels[i] = best
    return changed
