import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from cdp.baselines.knn_dbscan import knn_dbscan
from cdp.features import normalize
from cdp.knn import knn_graph
from cdp.neighbors import Neighbors
from tests.unit.knn_graphs import demo_graph, edges, islands, random_graph, renumbered


def oracle(graph, eps, min_samples):
    """The definition, with networkx."""
    n = len(graph.idx)
    rows = zip(graph.idx.tolist(), graph.dist.tolist(), strict=True)
    near = [[j for j, d in zip(*row, strict=True) if j >= 0 and (2 * d) ** 0.5 <= eps] for row in rows]
    core = [len(row) >= min_samples for row in near]
    close = {pair: d for pair, d in edges(graph).items() if (2 * d) ** 0.5 <= eps}
    network = networkx.Graph()
    network.add_nodes_from(i for i in range(n) if core[i])
    network.add_edges_from((i, j) for i, j in close if core[i] and core[j])
    labels = [-1] * n
    for number, samples in enumerate(networkx.connected_components(network)):
        for i in samples:
            labels[i] = number
    for i in range(n):
        if not core[i]:
            ends = [(d, a + b - i) for (a, b), d in close.items() if i in (a, b) and core[a + b - i]]
            labels[i] = labels[min(ends)[1]] if ends else -1
    return renumbered(labels)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 8), st.integers(0, 16), st.integers(1, 8))
def test_follows_the_definition(seed, n, k, eighths, min_samples):
    graph = random_graph(np.random.default_rng(seed), n, k)
    min_samples = min(min_samples, k)
    labels = knn_dbscan(graph, eps=eighths / 8, min_samples=min_samples)
    assert labels.tolist() == oracle(graph, eighths / 8, min_samples)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("eps", [0.5, 0.65, 0.8])
@pytest.mark.parametrize("min_samples", [1, 3, 10])
def test_is_dbscan_where_the_lists_are_long_enough(eps, min_samples):
    n = 500
    graph, features, _ = demo_graph(n, n)
    labels = knn_dbscan(graph, eps=eps, min_samples=min_samples)
    other = DBSCAN(eps=eps, min_samples=min_samples).fit(normalize(features).astype(np.float64))
    core = other.core_sample_indices_
    assert renumbered(labels[core].tolist()) == renumbered(other.labels_[core].tolist())
    np.testing.assert_array_equal(labels < 0, other.labels_ < 0)


def test_with_short_lists_clusters_are_only_split():
    whole = knn_dbscan(demo_graph(500, 500)[0], eps=0.7, min_samples=5)
    labels = knn_dbscan(demo_graph(500, 8)[0], eps=0.7, min_samples=5)
    core = np.count_nonzero(demo_graph(500, 8)[0].dist <= 0.245, axis=1) >= 5
    assert len(set(zip(labels[core].tolist(), whole[core].tolist(), strict=True))) == len(set(labels[core].tolist()))


def test_radius_includes_its_end():
    graph = Neighbors(np.array([[0, 1], [1, 0]], np.int32), np.array([[0, 0.125], [0, 0.125]], np.float32))
    assert knn_dbscan(graph, eps=0.5, min_samples=2).tolist() == [0, 0]
    assert knn_dbscan(graph, eps=0.4999, min_samples=2).tolist() == [-1, -1]


def test_border_joins_the_closest_core_sample_then_the_first():
    """Samples 1 and 2 are one cluster, 3 and 4 another; 0 is closer to 3 than to 1, and 5 as close to 2 as to 4."""
    idx = [[0, 3, -1], [1, 2, 0], [2, 1, 5], [3, 4, 0], [4, 3, 5], [5, 4, -1]]
    dist = [[0, 0.1, 9], [0, 0, 0.12], [0, 0, 0.1], [0, 0, 0.1], [0, 0, 0.1], [0, 0.1, 9]]
    graph = Neighbors(np.array(idx, np.int32), np.array(dist, np.float32))
    assert knn_dbscan(graph, eps=0.5, min_samples=3).tolist() == [0, 1, 1, 0, 0, 1]


def test_disconnected_duplicates_and_single_samples():
    graph, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20])
    assert knn_dbscan(graph, eps=2, min_samples=2).tolist() == renumbered(np.where(group == 2, -1, group).tolist())
    duplicates = knn_graph(np.ones((3000, 1)), k=5)
    assert (knn_dbscan(duplicates, eps=0, min_samples=5) >= 0).all()
    for n in (1, 2):
        graph = knn_graph(np.ones((n, 1)), k=2)
        assert knn_dbscan(graph, eps=0, min_samples=2).tolist() == [-1 if n == 1 else 0] * n


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"eps": -1.0, "min_samples": 1}, "eps is a distance of at least 0, not -1.0"),
        ({"eps": float("nan"), "min_samples": 1}, "not nan"),
        ({"eps": 1.0, "min_samples": 0}, "between 1 and 3, the length of the lists, not 0"),
        ({"eps": 1.0, "min_samples": 4}, "not 4; take a larger k"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        knn_dbscan(random_graph(np.random.default_rng(0), 5, 3), **parameters)
