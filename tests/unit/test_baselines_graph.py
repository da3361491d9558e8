import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.baselines.graph import check_neighbors, edge_list, similarity_graph, symmetric_graph
from cdp.neighbors import Neighbors
from tests.unit.knn_graphs import edges, random_graph

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 12), st.integers(1, 14), st.integers(0, 63))
def test_similarities_of_undirected_edges(seed, n, k, sixtyfourths):
    neighbors = random_graph(np.random.default_rng(seed), n, k)
    graph = similarity_graph(neighbors, threshold=sixtyfourths / 64)
    expected = {pair: 1 - d for pair, d in edges(neighbors).items() if 1 - d > sixtyfourths / 64}
    pairs, similarity = edge_list(graph)
    assert dict(zip(map(tuple, pairs.tolist()), similarity.tolist(), strict=True)) == expected
    assert pairs.tolist() == sorted(pairs.tolist())
    assert (graph != graph.T).nnz == 0
    assert not graph.diagonal().any()
    assert (graph.shape, graph.nnz, graph.has_sorted_indices) == ((n, n), 2 * len(pairs), True)
    assert (pairs.dtype, similarity.dtype) == (np.int32, np.float32)


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 12), st.integers(1, 14))
def test_larger_weight_counts(seed, n, k):
    rng = np.random.default_rng(seed)
    neighbors = random_graph(rng, n, k)
    weights = rng.integers(-2, 9, neighbors.idx.shape).astype(np.float32)
    expected = np.zeros((n, n))
    for i, row in enumerate(neighbors.idx):
        for j, weight in zip(row, weights[i], strict=True):
            if j >= 0 and j != i:
                expected[i, j] = expected[j, i] = max(expected[i, j], weight)
    np.testing.assert_array_equal(symmetric_graph(neighbors, weights).toarray(), expected)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_threshold_that_is_no_similarity_is_refused(threshold):
    with pytest.raises(ValueError, match=f"at least 0 and below 1, not {threshold}"):
        similarity_graph(random_graph(np.random.default_rng(0), 3, 2), threshold=threshold)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 3)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_matrices_that_are_no_graph_are_refused(shapes):
    with pytest.raises(ValueError, match="matrices of one shape"):
        check_neighbors(Neighbors(np.zeros(shapes[0], np.int32), np.zeros(shapes[1], np.float32)))


@pytest.mark.parametrize("sample", [-2, 3])
def test_samples_out_of_range_are_refused(sample):
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        check_neighbors(Neighbors(np.array([[0], [1], [sample]], np.int32), np.zeros((3, 1), np.float32)))
