"""What the tests of kNN graphs share."""

from pathlib import Path

import numpy as np

import cdp
from cdp.features import load_features
from cdp.knn import knn_graph
from cdp.labels import read_labels
from cdp.neighbors import Neighbors

DEMO = Path(cdp.__file__).parents[1] / "data" / "unlabeled" / "demo"


def random_graph(rng, n, k):
    """A graph that keeps the contract of kNN files; distances are symmetric and exact in float32."""
    distance = rng.integers(0, 128, (n, n)) / 64
    distance = np.minimum(distance, distance.T)
    idx = np.full((n, k), -1, np.int32)
    dist = np.full((n, k), np.inf, np.float32)
    for i in range(n):
        others = rng.permutation([j for j in range(n) if j != i])[: rng.integers(0, k)]
        row = [i, *sorted(others.tolist(), key=lambda j: (distance[i, j], j))]
        idx[i, : len(row)] = row
        dist[i, : len(row)] = [0, *(distance[i, j] for j in row[1:])]
    return Neighbors(idx, dist)


def edges(graph):
    """Undirected edges {(i, j): distance} with i < j."""
    rows = zip(graph.idx.tolist(), graph.dist.tolist(), strict=True)
    return {
        (min(i, j), max(i, j)): d for i, row in enumerate(rows) for j, d in zip(*row, strict=True) if j >= 0 and j != i
    }


def demo_graph(n, k):
    """The graph of the first samples of the demo, their features and labels."""
    features = np.asarray(load_features(DEMO / "features" / "mobilenet.npy")[:n])
    return knn_graph(features, k=k, backend="exact", device="cpu"), features, read_labels(DEMO / "meta.txt")[:n]


def islands(rng, sizes, *, dim=16, k=4):
    """Groups of samples far apart, and a graph without an edge between them."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    features = np.eye(len(sizes), dim)[group] + 0.1 * rng.standard_normal((len(group), dim))
    full = knn_graph(features, k=max(2, len(group)), backend="exact", device="cpu")
    idx = np.full((len(group), k), -1, np.int32)
    dist = np.full((len(group), k), np.inf, np.float32)
    for i, row in enumerate(full.idx):
        own = np.flatnonzero((row >= 0) & (group[row] == group[i]))[:k]
        idx[i, : len(own)], dist[i, : len(own)] = row[own], full.dist[i, own]
    return Neighbors(idx, dist), features, group


def renumbered(labels):
    """Labels 0.. by first appearance; -1 stays."""
    numbers = {-1: -1}
    return [numbers.setdefault(label, len(numbers) - 1) for label in labels]
