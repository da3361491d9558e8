import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.baselines.approx_rank_order import approx_rank_order
from cdp.knn import knn_graph
from cdp.neighbors import Neighbors
from cdp.threads import limit_threads
from tests.unit.knn_graphs import demo_graph, islands, random_graph, renumbered


def oracle(graph, threshold):
    """The definition in the docstring, literally."""
    lists = [[j for j in row if j >= 0] for row in graph.idx.tolist()]

    def d(a, b):
        return sum(x not in lists[b] for x in lists[a][: lists[a].index(b)])

    network = networkx.Graph()
    network.add_nodes_from(range(len(lists)))
    for a, row in enumerate(lists):
        for b in row:
            if a < b and a in lists[b]:
                nearest = min(lists[a].index(b), lists[b].index(a))
                if (d(a, b) + d(b, a)) / nearest < threshold:
                    network.add_edge(a, b)
    labels = [0] * len(lists)
    for number, samples in enumerate(networkx.connected_components(network)):
        for i in samples:
            labels[i] = number
    return renumbered(labels)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 14), st.integers(0, 16))
def test_follows_the_definition(seed, n, k, quarters):
    graph = random_graph(np.random.default_rng(seed), n, k)
    labels = approx_rank_order(graph, threshold=quarters / 4)
    assert labels.tolist() == oracle(graph, quarters / 4)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("threshold", [0.15, 0.5, 1, 2])
def test_follows_the_definition_on_real_data(threshold):
    graph = demo_graph(600, 20)[0]
    assert approx_rank_order(graph, threshold=threshold).tolist() == oracle(graph, threshold)


def test_threads_change_nothing():
    graph = demo_graph(10_000, 10)[0]
    with limit_threads(1):
        alone = approx_rank_order(graph, threshold=1)
    np.testing.assert_array_equal(alone, approx_rank_order(graph, threshold=1))


def test_disconnected_duplicates_and_single_samples():
    graph, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20], k=30)
    assert approx_rank_order(graph, threshold=np.inf).tolist() == group.tolist()
    assert approx_rank_order(graph, threshold=0).tolist() == list(range(len(group)))
    assert len(approx_rank_order(knn_graph(np.ones((3000, 1)), k=5), threshold=1)) == 3000
    for n in (1, 2):
        assert approx_rank_order(knn_graph(np.ones((n, 1)), k=2), threshold=1).tolist() == [0] * n


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="threshold must be a number, not nan"):
        approx_rank_order(random_graph(np.random.default_rng(0), 5, 3), threshold=float("nan"))
    with pytest.raises(ValueError, match="outside"):
        approx_rank_order(Neighbors(np.array([[1]], np.int32), np.zeros((1, 1), np.float32)), threshold=1)
