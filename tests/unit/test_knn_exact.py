import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.features import normalize
from cdp.knn import knn_graph
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells, scan
from tests.unit.knn_graphs import assert_row_contract, cosines, oracle, rows_with_ties

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=1000)
@given(SEEDS, st.integers(1, 24), st.integers(2, 30), st.sampled_from(["one-hot", 4, 16]))
def test_exact_search_orders_ties_by_index(seed, n, k, kind):
    features = rows_with_ties(seed, n, kind)
    graph = knn_graph(features, k=k, backend="exact", device="cpu")
    idx, dist = oracle(features, k)
    assert_row_contract(graph, n, k)
    np.testing.assert_array_equal(graph.idx, idx)
    np.testing.assert_allclose(graph.dist, dist, atol=1e-6)


@settings(max_examples=500)
@given(SEEDS, st.integers(1, 24), st.integers(2, 30), st.integers(1, 9))
def test_exact_search_finds_the_nearest_of_random_rows(seed, n, k, dim):
    features = np.random.default_rng(seed).standard_normal((n, dim))
    graph = knn_graph(features, k=k, backend="exact", device="cpu")
    _, dist = oracle(features, k)
    assert_row_contract(graph, n, k)
    np.testing.assert_allclose(graph.dist, dist, atol=1e-6)
    cosine = np.array(cosines(features))
    for i, (neighbors, distances) in enumerate(zip(graph.idx, graph.dist, strict=True)):
        there = neighbors >= 0
        np.testing.assert_allclose(distances[there], 1 - cosine[i, neighbors[there]], atol=1e-6)


@settings(max_examples=300)
@given(SEEDS, st.integers(2, 40), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9))
def test_tiles_of_the_search_do_not_change_the_graph(seed, n, k, rows, columns):
    points = Points.of(normalize(rows_with_ties(seed, n, 4)))
    tiled, whole = Best.none(n, min(k, n)), Best.none(n, min(k, n))
    starts = np.arange(0, n + columns, columns).clip(max=n)
    scan(points, Cells(points, starts), tiled, probes=np.tile(np.arange(len(starts) - 1, dtype=np.int32), (n, 1)))
    scan(points, Cells.one(points), whole, block=rows)
    np.testing.assert_array_equal(tiled.found, whole.found)
    np.testing.assert_array_equal(tiled.scores, whole.scores)
