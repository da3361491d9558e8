"""What the tests of kNN graphs share."""

from pathlib import Path

import numpy as np
import pytest

import cdp
from cdp.devices import cuda_available
from cdp.features import load_features
from cdp.knn import knn_graph
from cdp.knn.points import Points, principal_axes
from cdp.knn.products import TILES
from cdp.labels import read_labels
from cdp.neighbors import Neighbors

DEMO = Path(cdp.__file__).parents[1] / "data" / "unlabeled" / "demo"
TORCH_ON_CPU = "cpu:0"  # for torch the CPU, for all else a device other than it
needs_gpu = pytest.mark.skipif(not cuda_available(), reason="needs a GPU")
needs_tiles = pytest.mark.skipif(not TILES, reason="needs a CPU with AMX")
with_tiles = pytest.param(True, marks=needs_tiles)
TORCH_DEVICES = [TORCH_ON_CPU, *(["cuda"] if cuda_available() else [])]


def along_own_axes(vectors):
    """Points with heads and necks along the principal axes of the vectors."""
    return Points.of(vectors, principal_axes(vectors))


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


def blob_graph(n=800, dim=30, groups=25, k=15):
    """The graph of samples around random centres, their features and labels."""
    rng = np.random.default_rng(0)
    identities = rng.integers(0, groups, n)
    features = rng.standard_normal((groups, dim))[identities] + 0.8 * rng.standard_normal((n, dim))
    return knn_graph(features, k=k), features, identities


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


def rows_with_ties(seed, n, kind):
    """Rows whose normalised dot products are exact in float32, so that ties are ties."""
    rng = np.random.default_rng(seed)
    if kind == "one-hot":
        return np.eye(5, dtype=np.float32)[rng.integers(5, size=n)] * rng.integers(1, 9, (n, 1)).astype(np.float32)
    distinct = rng.choice([-1.0, 1.0], (max(1, n // 2), kind))
    return distinct[rng.integers(len(distinct), size=n)].astype(np.float32)


def cosines(features):
    """Cosines of all rows, in float64, with plain loops."""
    rows = [[float(x) for x in row] for row in features]
    norms = [sum(x * x for x in row) ** 0.5 for row in rows]
    return [
        [sum(x * y for x, y in zip(a, b, strict=True)) / (na * nb) for b, nb in zip(rows, norms, strict=True)]
        for a, na in zip(rows, norms, strict=True)
    ]


def oracle(features, k):
    """The kNN graph of docs/definitions.md: i first, then the others by falling cosine, ties by index, -1 for none."""
    cosine = cosines(features)
    n = len(cosine)
    idx, dist = [], []
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: (-cosine[i][j], j))[: k - 1]
        missing = k - 1 - len(others)
        idx.append([i, *others, *[-1] * missing])
        dist.append([0.0, *(1 - cosine[i][j] for j in others), *[float("inf")] * missing])
    return np.array(idx), np.array(dist)


def assert_row_contract(graph, n, k):
    assert graph.idx.shape == graph.dist.shape == (n, k)
    assert graph.idx.dtype == np.int32
    assert graph.dist.dtype == np.float32
    assert graph.idx[:, 0].tolist() == list(range(n))
    assert np.all(graph.dist[:, 0] == 0)
    for neighbors, distances in zip(graph.idx.tolist(), graph.dist.tolist(), strict=True):
        found = [j for j in neighbors if j >= 0]
        assert len(set(found)) == len(found)
        assert neighbors == found + [-1] * (k - len(found))
        assert [d == float("inf") for d in distances] == [j == -1 for j in neighbors]
        assert distances == sorted(distances)


def clustered(n, dim=16, seed=0):
    """Samples around a few dozen centres, as embeddings lie."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((max(1, n // 40), dim))
    return (centers[rng.integers(len(centers), size=n)] + 0.4 * rng.standard_normal((n, dim))).astype(np.float32)


def decaying(seed, n, dim):
    """Vectors most of whose length lies in few directions, as embeddings have it; turned at random."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return ((rng.standard_normal((n, dim)) / (1 + np.arange(dim) / 8)) @ rotation).astype(np.float32)


def true_recall(graph, features, k):
    """Share of the k - 1 nearest others that were found, over all samples."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    last = np.sort(cosine, axis=1)[:, -(k - 1)]
    return np.mean([cosine[i, row[1:]] >= last[i] - 1e-6 for i, row in enumerate(graph.idx)])
