import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from cdp.baselines import kmeans as kmeans_module
from cdp.baselines.kmeans import _moved, _score, kmeans
from cdp.baselines.seeding import first_centroids, greedy_k_means_plus_plus
from cdp.features import normalize
from cdp.threads import limit_threads
from tests.unit.knn_graphs import along_own_axes, demo_graph, renumbered


def inertia(vectors, labels):
    members = [vectors[labels == label] for label in np.unique(labels)]
    return sum(((group - group.mean(axis=0)) ** 2).sum() for group in members)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 4), st.data())
def test_labels(seed, n, dim, data):
    features = np.random.default_rng(seed).standard_normal((n, dim)) + 0.1
    n_clusters = data.draw(st.integers(1, n))
    labels = kmeans(features, n_clusters=n_clusters, seed=seed % 5)
    assert (labels.shape, labels.dtype) == ((n,), np.int64)
    assert labels.tolist() == renumbered(labels.tolist())
    assert 0 <= labels.max() < n_clusters
    directions = {tuple(row) for row in np.round(normalize(features), 3).tolist()}
    assert labels.max() + 1 >= min(n_clusters, len(directions)) / 2


def blobs(n=2000, dim=40, groups=50):
    rng = np.random.default_rng(0)
    return normalize(rng.standard_normal((groups, dim))[rng.integers(0, groups, n)] + rng.standard_normal((n, dim)))


@pytest.mark.parametrize("vectors", [normalize(demo_graph(2000, 2)[1]), blobs()], ids=["real", "random"])
@pytest.mark.parametrize("iterations", [1, 3, 100])
def test_is_lloyds_algorithm(vectors, iterations):
    """The same partition as scikit-learn's from the same start, to near ties; also where both are cut short."""
    start = greedy_k_means_plus_plus(along_own_axes(vectors), 60, seed=3)
    other = KMeans(60, init=start, n_init=1, max_iter=iterations, tol=0).fit(vectors)
    labels = kmeans(vectors, n_clusters=60, iterations=iterations, seed=3)
    assert adjusted_rand_score(labels, other.labels_) > 0.999
    assert inertia(vectors, labels) == pytest.approx(inertia(vectors, other.labels_), rel=1e-4)
    assert len(np.unique(labels)) == 60


def test_starts_from_some_of_many_samples(monkeypatch):
    monkeypatch.setattr(kmeans_module, "_SEEDING", 500)
    vectors = normalize(demo_graph(2000, 2)[1])
    labels = kmeans(vectors, n_clusters=60, iterations=3, seed=3)
    start = first_centroids(vectors, 60, among=60 * 16, seed=3)
    other = KMeans(60, init=start, n_init=1, max_iter=3, tol=0).fit(vectors)
    assert adjusted_rand_score(labels, other.labels_) > 0.999
    assert not np.array_equal(start, greedy_k_means_plus_plus(along_own_axes(vectors), 60, seed=3))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 6))
def test_no_sample_is_nearer_to_the_mean_of_another_cluster(seed, n, n_clusters):
    vectors = normalize(np.random.default_rng(seed).standard_normal((n, 5)))
    labels = kmeans(vectors, n_clusters=min(n, n_clusters), iterations=100)
    means = np.array([vectors[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    squares = ((vectors[:, None].astype(np.float64) - means) ** 2).sum(axis=2)
    assert (squares[np.arange(n), labels] <= squares.min(axis=1) + 1e-6).all()


def test_a_centroid_without_samples_moves_to_the_farthest():
    vectors = np.array([[0, 0], [0, 1], [10, 0], [10, 1], [50, 0], [50, 9]], np.float32)
    best_score, found = np.zeros((6, 1), np.float32), np.array([[0], [0], [0], [0], [2], [2]], np.int32)
    centroids = np.array([[5, 0.5], [-99, -99], [50, 0]], np.float32)
    _score(vectors, centroids, best_score, found)
    np.testing.assert_allclose(best_score[:, 0], [-12.625, -12.625, -12.625, -12.625, 0, -40.5])
    moved = _moved(vectors, found[:, 0], best_score[:, 0], centroids)
    np.testing.assert_allclose(moved, [[5, 0.5], [50, 9], [50, 4.5]])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_neither_scale_nor_threads_nor_type_matter(dtype):
    features = demo_graph(3000, 2)[1].astype(np.float16)
    labels = kmeans(features, n_clusters=50)
    scaled = features.astype(dtype) * dtype(4)
    with limit_threads(1):
        np.testing.assert_array_equal(kmeans(scaled, n_clusters=50), labels)


def test_equal_and_few_samples():
    assert (kmeans(np.ones((3000, 1)), n_clusters=4) >= 0).all()
    assert kmeans(np.ones((1, 3)), n_clusters=1).tolist() == [0]
    assert kmeans(np.eye(2), n_clusters=2).tolist() == [0, 1]
    assert kmeans(np.eye(3), n_clusters=1).tolist() == [0, 0, 0]
    repeated = np.repeat(np.eye(4), 1000, axis=0)
    assert kmeans(repeated, n_clusters=4).tolist() == np.repeat(np.arange(4), 1000).tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be between 1 and the 5 samples, not 0"),
        ({"n_clusters": 6}, "not 6"),
        ({"n_clusters": 2, "iterations": 0}, "iterations must be at least 1, not 0"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        kmeans(np.eye(5), **parameters)


def test_rows_of_zeros_are_refused():
    with pytest.raises(ValueError, match="row 1"):
        kmeans(np.array([[1.0, 2], [0, 0]]), n_clusters=1)
