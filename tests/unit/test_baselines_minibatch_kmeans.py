import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans, MiniBatchKMeans

from cdp.baselines.minibatch_kmeans import minibatch_kmeans
from cdp.features import normalize
from cdp.threads import limit_threads
from tests.unit.knn_graphs import demo_graph, renumbered


def inertia(vectors, labels):
    members = [vectors[labels == label] for label in np.unique(labels)]
    return sum(((group - group.mean(axis=0)) ** 2).sum() for group in members)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 4), st.integers(1, 40), st.data())
def test_labels(seed, n, dim, batch_size, data):
    features = np.random.default_rng(seed).standard_normal((n, dim)) + 0.1
    n_clusters = data.draw(st.integers(1, n))
    labels = minibatch_kmeans(features, n_clusters=n_clusters, batch_size=batch_size, seed=seed % 5)
    assert (labels.shape, labels.dtype) == ((n,), np.int64)
    assert labels.tolist() == renumbered(labels.tolist())
    assert 0 <= labels.max() < n_clusters


def blobs(n=4000, dim=40, groups=100):
    rng = np.random.default_rng(0)
    return normalize(rng.standard_normal((groups, dim))[rng.integers(0, groups, n)] + rng.standard_normal((n, dim)))


@pytest.mark.parametrize("vectors", [normalize(demo_graph(4000, 2)[1]), blobs()], ids=["real", "random"])
def test_objective_is_between_that_of_scikit_learn_and_that_of_whole_batches(vectors):
    labels = minibatch_kmeans(vectors, n_clusters=100, batch_size=1000)
    theirs = MiniBatchKMeans(100, batch_size=1000, n_init=1, random_state=0).fit(vectors)
    whole = KMeans(100, n_init=3, random_state=0).fit(vectors)
    assert 0.99 * inertia(vectors, whole.labels_) < inertia(vectors, labels) < 1.02 * inertia(vectors, theirs.labels_)
    assert len(np.unique(labels)) > 95


def test_same_seed_same_clusters_whatever_the_threads():
    features = demo_graph(3000, 2)[1]
    labels = minibatch_kmeans(features, n_clusters=50)
    with limit_threads(1):
        np.testing.assert_array_equal(minibatch_kmeans(features, n_clusters=50), labels)
    assert (labels != minibatch_kmeans(features, n_clusters=50, seed=1)).any()


def test_equal_and_few_samples():
    assert (minibatch_kmeans(np.ones((3000, 1)), n_clusters=4) >= 0).all()
    assert minibatch_kmeans(np.ones((1, 3)), n_clusters=1).tolist() == [0]
    assert minibatch_kmeans(np.eye(2), n_clusters=2).tolist() == [0, 1]
    repeated = np.repeat(np.eye(4), 1000, axis=0)
    assert minibatch_kmeans(repeated, n_clusters=4).tolist() == np.repeat(np.arange(4), 1000).tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 6}, "n_clusters must be between 1 and the 5 samples, not 6"),
        ({"n_clusters": 2, "batch_size": 0}, "batch_size must be at least 1, not 0"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        minibatch_kmeans(np.eye(5), **parameters)
