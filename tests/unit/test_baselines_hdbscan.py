import numpy as np
import pytest
from hdbscan import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from cdp.baselines.hdbscan import hdbscan
from cdp.features import load_features, normalize
from tests.unit.knn_graphs import clustered


def by_appearance(labels):
    numbers = {-1: -1}
    return [numbers.setdefault(label, len(numbers) - 1) for label in labels.tolist()]


def package(features, **settings):
    return HDBSCAN(algorithm="prims_kdtree", **settings).fit_predict(normalize(features).astype(np.float64))


def data(name):
    """More samples than products of whole vectors are computed for."""
    return clustered(2500) if name == "random" else load_features(f"data/unlabeled/demo/features/{name}.npy")[:2500]


@pytest.mark.parametrize("min_cluster_size", [2, 5, 20])
@pytest.mark.parametrize("name", ["vgg", "mobilenet", "random"])
def test_the_package_agrees_where_no_edges_tie(name, min_cluster_size):
    features = data(name)
    settings = {"min_cluster_size": min_cluster_size, "min_samples": 1}
    labels = hdbscan(features, **settings)
    assert labels.dtype == np.int64
    assert labels.tolist() == by_appearance(package(features, **settings))


@pytest.mark.parametrize("min_samples", [2, 5, 10])
@pytest.mark.parametrize("name", ["vgg", "random"])
def test_the_package_agrees_as_far_as_with_itself_on_the_samples_in_another_order(name, min_samples):
    features = data(name)
    settings = {"min_cluster_size": 5, "min_samples": min_samples}
    labels, theirs = hdbscan(features, **settings), package(features, **settings)
    orders = [np.random.default_rng(seed).permutation(len(features)) for seed in range(5)]
    theirs_too = [adjusted_rand_score(theirs[order], package(features[order], **settings)) for order in orders]
    assert adjusted_rand_score(labels, theirs) > min(theirs_too) - 0.01


def test_clusters_and_noise():
    rng = np.random.default_rng(0)
    centers = 5 * np.eye(4, 16)
    points = np.repeat(centers, 30, axis=0) + 0.1 * rng.standard_normal((120, 16))
    stray = 5 * np.eye(16)[8:11]
    features = np.concatenate([points, stray])
    labels = hdbscan(features, min_cluster_size=10)
    assert labels[120:].tolist() == [-1] * 3
    for c in range(4):
        values, counts = np.unique(labels[30 * c : 30 * c + 30], return_counts=True)
        assert values[-1] == c
        assert counts[-1] >= 25
    assert labels.tolist() == hdbscan(features, min_cluster_size=10, min_samples=10).tolist()


def test_independent_of_threads():
    features = load_features("data/unlabeled/demo/features/vgg.npy")[:3000]
    one, two = (hdbscan(features, min_cluster_size=5, threads=threads) for threads in (1, 2))
    assert one.tolist() == two.tolist()


def test_duplicates_by_the_thousand():
    features = np.repeat(np.eye(2, 16), [3000, 2000], axis=0)
    assert hdbscan(features, min_cluster_size=5).tolist() == [0] * 3000 + [1] * 2000


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_samples_are_noise(n):
    assert hdbscan(np.eye(3)[:n], min_cluster_size=5).tolist() == [-1] * n


@pytest.mark.parametrize("settings", [{"min_cluster_size": 1}, {"min_cluster_size": 5, "min_samples": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="min_cluster_size must be at least 2 and min_samples at least 1"):
        hdbscan(np.eye(3), **settings)
