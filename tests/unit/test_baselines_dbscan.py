import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN

from cdp.baselines.dbscan import dbscan
from cdp.features import load_features, normalize


def by_appearance(labels):
    numbers = {-1: -1}
    return [numbers.setdefault(label, len(numbers) - 1) for label in labels.tolist()]


def reference(features, eps, min_samples):
    """scikit-learn's labels; its distances given, for it adds up squares in an order of its own."""
    vectors = normalize(features).astype(np.float64)
    return by_appearance(
        DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(cdist(vectors, vectors))
    )


@given(
    n=st.integers(1, 40),
    dim=st.integers(1, 6),
    grid=st.integers(1, 4),
    seed=st.integers(0, 999),
    eps=st.floats(1e-9, 2.5),
    min_samples=st.integers(1, 45),
)
def test_scikit_learn_agrees_borders_included(n, dim, grid, seed, eps, min_samples):
    features = np.random.default_rng(seed).integers(1, grid + 1, (n, dim))
    assert dbscan(features, eps=eps, min_samples=min_samples).tolist() == reference(features, eps, min_samples)


@pytest.mark.parametrize("model", ["vgg", "mobilenet"])
def test_scikit_learn_agrees_on_real_data(model):
    features = load_features(f"data/unlabeled/demo/features/{model}.npy")[:2500]
    for eps in (0.4, 0.6, 0.7, 0.9):
        for min_samples in (1, 2, 5, 20):
            labels = dbscan(features, eps=eps, min_samples=min_samples)
            assert labels.dtype == np.int64
            assert labels.tolist() == reference(features, eps, min_samples)


def test_a_border_sample_joins_the_cluster_that_comes_first():
    degrees = np.radians(
        np.repeat([60, 70, 40, 30, 50], [2, 3, 2, 3, 1])
    )  # the last has the core samples, at 60 and 40
    features = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    eps = 2 * np.sin(np.radians(10.5) / 2)
    assert dbscan(features, eps=eps, min_samples=6).tolist() == [0] * 5 + [1] * 5 + [0]
    assert dbscan(features[::-1], eps=eps, min_samples=6).tolist() == [0] + [0] * 5 + [1] * 5


def test_independent_of_threads():
    features = np.random.default_rng(0).standard_normal((3000, 8))
    for eps in (0.4, 0.45):
        one, two = (dbscan(features, eps=eps, min_samples=4, threads=threads) for threads in (1, 2))
        assert one.tolist() == two.tolist()
        assert one.min() == -1
        assert one.max() > 0


def test_duplicates_by_the_thousand():
    features = np.repeat(np.eye(3, 16), [3000, 4, 2000], axis=0)
    assert dbscan(features, eps=0.1, min_samples=5).tolist() == [0] * 3000 + [-1] * 4 + [1] * 2000
    assert dbscan(features, eps=2, min_samples=3100).max() == 0


@pytest.mark.parametrize("n", [1, 2])
def test_few_samples(n):
    assert dbscan(np.eye(2)[:n], eps=1, min_samples=1).tolist() == list(range(n))
    assert dbscan(np.ones((n, 1)), eps=0.1, min_samples=n).tolist() == [0] * n
    assert dbscan(np.ones((n, 1)), eps=0.1, min_samples=n + 1).tolist() == [-1] * n


@pytest.mark.parametrize(("eps", "min_samples"), [(0, 5), (np.nan, 5), (-1, 5), (0.5, 0)])
def test_settings_out_of_range(eps, min_samples):
    with pytest.raises(ValueError, match="eps must be above 0 and min_samples at least 1"):
        dbscan(np.eye(3), eps=eps, min_samples=min_samples)
