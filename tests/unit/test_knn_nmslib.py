import numpy as np
import pytest

from cdp.knn import knn_graph
from tests.unit.knn_graphs import assert_row_contract, cosines, oracle


def test_nmslib_has_high_recall_and_obeys_the_row_contract():
    features = np.random.default_rng(5).standard_normal((600, 16))
    graph = knn_graph(features, k=10, backend="nmslib", threads=1)
    assert_row_contract(graph, 600, 10)
    idx, _ = oracle(features, 10)
    found = sum(len(set(row) & set(truth)) for row, truth in zip(graph.idx.tolist(), idx.tolist(), strict=True))
    assert found >= 0.98 * idx.size
    cosine = np.array(cosines(features))
    there = graph.idx >= 0
    rows = np.nonzero(there)[0]
    np.testing.assert_allclose(graph.dist[there], 1 - cosine[rows, graph.idx[there]], atol=1e-6)


def test_nmslib_with_one_thread_is_reproducible():
    features = np.random.default_rng(6).standard_normal((300, 8))
    first, second = (knn_graph(features, k=5, backend="nmslib", threads=1) for _ in range(2))
    np.testing.assert_array_equal(first.idx, second.idx)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_nmslib_with_fewer_samples_than_k(n):
    features = np.random.default_rng(7).standard_normal((n, 8))
    graph = knn_graph(features, k=9, backend="nmslib", threads=1)
    assert_row_contract(graph, n, 9)
    np.testing.assert_array_equal(graph.idx, oracle(features, 9)[0])
