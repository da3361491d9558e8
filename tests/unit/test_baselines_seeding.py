import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import kmeans_plusplus

from cdp.baselines.seeding import first_centroids, greedy_k_means_plus_plus
from cdp.features import normalize
from cdp.threads import limit_threads
from tests.unit.knn_graphs import along_own_axes, demo_graph


def cost(vectors, centroids):
    return np.maximum(0, 2 - 2 * (vectors @ centroids.T)).min(axis=1).sum()


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 4), st.data())
def test_centroids_are_vectors_and_as_different_as_there_are(seed, n, dim, data):
    vectors = normalize(np.random.default_rng(seed).integers(1, 3, (n, dim)).astype(float))
    n_clusters = data.draw(st.integers(1, n))
    centroids = greedy_k_means_plus_plus(along_own_axes(vectors), n_clusters, seed=seed)
    assert (centroids.shape, centroids.dtype) == ((n_clusters, dim), np.float32)
    distinct = {tuple(row) for row in vectors.tolist()}
    found = {tuple(row) for row in centroids.tolist()}
    assert found <= distinct
    assert len(found) == min(n_clusters, len(distinct))


def test_is_as_good_as_scikit_learn():
    vectors = normalize(demo_graph(2000, 2)[1])
    ours = [cost(vectors, greedy_k_means_plus_plus(along_own_axes(vectors), 60, seed=seed)) for seed in range(5)]
    theirs = [cost(vectors, kmeans_plusplus(vectors, 60, random_state=seed)[0]) for seed in range(5)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.03)


def test_a_sample_of_the_vectors_suffices():
    vectors = normalize(demo_graph(2000, 2)[1])
    among_all = [first_centroids(vectors, 60, among=2000, seed=seed) for seed in range(5)]
    among_some = [first_centroids(vectors, 60, among=960, seed=seed) for seed in range(5)]
    assert {tuple(row) for row in among_some[0].tolist()} <= {tuple(row) for row in vectors.tolist()}
    assert all(len(np.unique(rows, axis=0)) == 60 for rows in among_some)
    costs = [np.mean([cost(vectors, rows) for rows in found]) for found in (among_all, among_some)]
    assert costs[0] < costs[1] < 1.1 * costs[0]
    assert costs[1] < 0.9 * np.mean([cost(vectors, vectors[seed::33][:60]) for seed in range(5)])


def test_threads_change_nothing():
    vectors = normalize(np.random.default_rng(0).standard_normal((20_000, 8)))
    with limit_threads(1):
        alone = greedy_k_means_plus_plus(along_own_axes(vectors), 20, seed=0)
    np.testing.assert_array_equal(alone, greedy_k_means_plus_plus(along_own_axes(vectors), 20, seed=0))
    assert (alone != greedy_k_means_plus_plus(along_own_axes(vectors), 20, seed=1)).any()
