import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import spectral_clustering

from cdp.baselines.graph import similarity_graph
from cdp.baselines.spectral import _leading, spectral
from cdp.knn import knn_graph
from cdp.metrics import evaluate
from cdp.neighbors import Neighbors
from cdp.threads import limit_threads
from tests.unit.knn_graphs import blob_graph, demo_graph, islands, random_graph, renumbered


def normalized_cut(graph, labels):
    """Share of each cluster's similarity that leaves it, summed."""
    weights = graph.toarray().astype(float)
    return sum(
        weights[np.ix_(labels == label, labels != label)].sum() / weights[labels == label].sum()
        for label in np.unique(labels)
        if weights[labels == label].sum() > 0
    )


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(2, 8), st.data())
def test_as_many_clusters_as_asked_for_or_as_there_are_components(seed, n, k, data):
    neighbors = random_graph(np.random.default_rng(seed), n, k)
    n_clusters = data.draw(st.integers(1, n))
    labels = spectral(neighbors, n_clusters=n_clusters)
    assert (labels.shape, labels.dtype) == ((n,), np.int64)
    assert labels.tolist() == renumbered(labels.tolist())
    graph = similarity_graph(neighbors).toarray() + np.eye(n)
    reached = np.linalg.matrix_power(graph, n) > 0
    connected = {tuple(row) for row in reached.tolist()}
    alone = sum(sum(row) == 1 for row in connected)
    assert labels.max() + 1 <= max(n_clusters, len(connected) - alone) + alone
    assert labels.max() + 1 >= len(connected)
    assert all(reached[i, j] for i in range(n) for j in range(n) if labels[i] == labels[j])


@pytest.mark.parametrize("count", [5, 40])
def test_eigenvectors(count):
    """Against those of the whole matrix, in double precision."""
    graph = similarity_graph(demo_graph(400, 15)[0])
    values, vectors = _leading(graph, count, seed=0)
    dense = graph.toarray().astype(float)
    scale = dense.sum(axis=1) ** -0.5
    matrix = scale[:, None] * dense * scale
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:count], atol=1e-3)
    vectors = vectors / scale[:, None]
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-2)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-4)


@pytest.mark.parametrize("data", [demo_graph(1000, 15), blob_graph()], ids=["real", "random"])
def test_cuts_no_more_than_scikit_learn(data):
    neighbors, _, identities = data
    graph = similarity_graph(neighbors)
    n_clusters = len(np.unique(identities))
    labels = spectral(neighbors, n_clusters=n_clusters)
    other = spectral_clustering(graph, n_clusters=n_clusters, random_state=0)
    assert normalized_cut(graph, labels) < 1.05 * normalized_cut(graph, other)
    ours, theirs = (evaluate(identities, found)["kept"]["bcubed_f"] for found in (labels, other))
    assert ours > theirs - 0.02
    with limit_threads(1):
        np.testing.assert_array_equal(spectral(neighbors, n_clusters=n_clusters), labels)


def test_graphs_that_are_not_connected():
    neighbors, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20, 1], k=30)
    for n_clusters in (1, 2, 3):  # fewer than there are components with edges, or as many
        assert spectral(neighbors, n_clusters=n_clusters).tolist() == group.tolist()
    labels = spectral(neighbors, n_clusters=6)
    assert labels.max() + 1 == 6 + 2
    assert len(set(zip(labels.tolist(), group.tolist(), strict=True))) == 8


def test_two_loosely_joined_groups_are_told_apart():
    rng = np.random.default_rng(0)
    features = np.concatenate([[1, 0, 0] + 0.1 * rng.standard_normal((60, 3)), [1, 2, 0] + 0.1 * rng.random((60, 3))])
    labels = spectral(knn_graph(features, k=70), n_clusters=2)
    assert labels.tolist() == [0] * 60 + [1] * 60


@pytest.mark.parametrize("tight_first", [False, True])
def test_of_several_components_the_most_loosely_joined_is_cut(tight_first):
    rng = np.random.default_rng(0)
    loose = np.zeros((120, 5))
    loose[:, :3] = np.repeat([[1, 0, 0], [1, 2, 0]], 60, axis=0) + 0.1 * rng.random((120, 3))
    tight = np.zeros((100, 5))
    tight[:, 3:] = 1 + 0.1 * rng.random((100, 2))
    features = np.concatenate([tight, loose] if tight_first else [loose, tight])
    labels = spectral(knn_graph(features, k=70), n_clusters=3)
    sizes = [100, 60, 60] if tight_first else [60, 60, 100]
    assert labels.tolist() == np.repeat([0, 1, 2], sizes).tolist()


def test_equal_and_few_samples():
    duplicates = knn_graph(np.ones((3000, 1)), k=5)
    assert len(spectral(duplicates, n_clusters=3)) == 3000
    for n in (1, 2):
        assert spectral(knn_graph(np.ones((n, 1)), k=2), n_clusters=1).tolist() == [0] * n
    alone = Neighbors(np.array([[0, -1], [1, -1]], np.int32), np.array([[0, np.inf], [0, np.inf]], np.float32))
    assert spectral(alone, n_clusters=1).tolist() == [0, 1]


def test_number_of_clusters_out_of_range_is_refused():
    with pytest.raises(ValueError, match="between 1 and the 5 samples, not 6"):
        spectral(random_graph(np.random.default_rng(0), 5, 3), n_clusters=6)
