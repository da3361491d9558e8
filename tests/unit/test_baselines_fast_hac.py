import fastcluster
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from cdp.baselines.fast_hac import fast_hac
from cdp.features import load_features, normalize


def by_appearance(labels):
    numbers = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels.tolist()]


@given(
    n=st.integers(2, 40),
    dim=st.integers(1, 6),
    grid=st.integers(1, 4),
    seed=st.integers(0, 999),
    distance=st.floats(0, 2.5),
)
def test_scipy_cuts_single_linkage_in_the_same_way(n, dim, grid, seed, distance):
    features = np.random.default_rng(seed).integers(1, grid + 1, (n, dim))
    hierarchy = linkage(normalize(features).astype(np.float64), "single")
    assert fast_hac(features, distance=distance).tolist() == by_appearance(fcluster(hierarchy, distance, "distance"))


@pytest.mark.parametrize("model", ["vgg", "mobilenet"])
def test_fastcluster_agrees_on_real_data(model):
    features = load_features(f"data/unlabeled/demo/features/{model}.npy")[:2500]
    hierarchy = fastcluster.linkage(normalize(features).astype(np.float64), "single")
    for distance in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0, 2.0, hierarchy[1000, 2], hierarchy[1700, 2]):
        labels = fast_hac(features, distance=distance)
        assert labels.dtype == np.int64
        assert labels.tolist() == by_appearance(fcluster(hierarchy, distance, "distance"))


def test_independent_of_threads():
    features = np.random.default_rng(0).standard_normal((3000, 8))
    for distance in (0.3, 0.5):
        one, two = (fast_hac(features, distance=distance, threads=threads) for threads in (1, 2))
        assert one.tolist() == two.tolist()


def test_duplicates_are_one_cluster_at_any_distance():
    features = np.repeat(np.eye(3, 16), [3000, 1, 2000], axis=0)
    assert fast_hac(features, distance=0).tolist() == [0] * 3000 + [1] + [2] * 2000
    assert fast_hac(features, distance=2).max() == 0


@pytest.mark.parametrize("n", [1, 2])
def test_few_samples(n):
    assert fast_hac(np.eye(2)[:n], distance=1).tolist() == list(range(n))
    assert fast_hac(np.ones((n, 1)), distance=0).tolist() == [0] * n


@pytest.mark.parametrize("distance", [-0.1, np.nan])
def test_distances_out_of_range(distance):
    with pytest.raises(ValueError, match="distance must be at least 0"):
        fast_hac(np.eye(3), distance=distance)
