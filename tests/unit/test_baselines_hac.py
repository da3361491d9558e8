import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, ward
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering

from cdp.baselines.graph import symmetric_graph
from cdp.baselines.hac import _connected, hac
from cdp.features import normalize
from cdp.knn import knn_graph
from cdp.neighbors import Neighbors
from tests.unit.knn_graphs import demo_graph, islands, renumbered


def connectivity(neighbors):
    return symmetric_graph(neighbors, np.ones(neighbors.idx.shape, np.float32))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.data())
def test_is_ward_where_all_are_neighbors(seed, n, data):
    """And with k neighbours, whatever the graph, as many clusters as asked for."""
    features = np.random.default_rng(seed).standard_normal((n, 4))
    n_clusters = data.draw(st.integers(1, n))
    labels = hac(features, knn_graph(features, k=max(2, n)), n_clusters=n_clusters)
    expected = fcluster(ward(normalize(features).astype(float)), n_clusters, "maxclust") if n > 1 else np.zeros(1)
    assert labels.tolist() == renumbered(expected.tolist())
    assert labels.dtype == np.int64
    k = data.draw(st.integers(2, 5))
    assert hac(features, knn_graph(features, k=k), n_clusters=n_clusters).max() + 1 == n_clusters


@pytest.mark.parametrize("n_clusters", [1, 30, 500])
def test_is_that_of_scikit_learn_where_the_graph_is_connected(n_clusters):
    neighbors, features, _ = demo_graph(1000, 15)
    graph = connectivity(neighbors)
    assert connected_components(graph)[0] == 1
    other = AgglomerativeClustering(n_clusters, connectivity=graph).fit(normalize(features).astype(float))
    labels = hac(features, neighbors, n_clusters=n_clusters)
    assert labels.tolist() == renumbered(other.labels_.tolist())


@pytest.mark.filterwarnings("error")  # scikit-learn warns before it completes a graph, with all distances
@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 12), min_size=1, max_size=10))
def test_components_are_linked_by_few_edges(seed, sizes):
    neighbors, features, group = islands(np.random.default_rng(seed), sizes)
    vectors = normalize(features)
    graph, linked = connectivity(neighbors), _connected(connectivity(neighbors), vectors)
    n_components = connected_components(graph)[0]
    assert connected_components(linked)[0] == 1
    assert (linked != linked.T).nnz == 0
    assert n_components - 1 <= (linked.nnz - graph.nnz) / 2 <= 2 * (n_components - 1)
    assert hac(features, neighbors, n_clusters=len(sizes)).tolist() == group.tolist()
    assert hac(features, neighbors, n_clusters=1).tolist() == [0] * len(group)


def test_a_component_is_linked_to_what_is_nearest():
    angles = np.radians([0, 2, 4, 30, 36, 90, 96])
    idx = np.array([[0, 1], [1, 2], [2, 1], [3, 4], [4, 3], [5, 6], [6, 5]], np.int32)
    neighbors = Neighbors(idx, np.zeros(idx.shape, np.float32))
    features = np.column_stack([np.cos(angles), np.sin(angles)])
    added = _connected(connectivity(neighbors), normalize(features)) - connectivity(neighbors)
    assert set(zip(*added.nonzero(), strict=True)) == {(2, 3), (3, 2), (4, 5), (5, 4)}


def test_equal_and_few_samples():
    duplicates = np.repeat(np.eye(3), 400, axis=0)
    labels = hac(duplicates, knn_graph(duplicates, k=5), n_clusters=3)
    assert labels.tolist() == np.repeat(np.arange(3), 400).tolist()
    equal = np.ones((500, 1))
    assert hac(equal, knn_graph(equal, k=3), n_clusters=7).max() == 6
    for n in (1, 2):
        assert hac(np.ones((n, 1)), knn_graph(np.ones((n, 1)), k=2), n_clusters=n).tolist() == list(range(n))
    alone = Neighbors(np.full((3, 2), -1, np.int32), np.full((3, 2), np.inf, np.float32))
    alone.idx[:, 0] = np.arange(3)
    assert hac(np.array([[1.0, 0], [0, 1], [0.1, 1]]), alone, n_clusters=2).tolist() == [0, 1, 1]


def test_bad_arguments_are_refused():
    features = np.eye(4)
    with pytest.raises(ValueError, match="between 1 and the 4 samples, not 5"):
        hac(features, knn_graph(features, k=2), n_clusters=5)
    with pytest.raises(ValueError, match="has 3 samples, the features 4"):
        hac(features, knn_graph(features[:3], k=2), n_clusters=2)
