import math
import random

import faiss  # noqa: F401 - whose iterators must not clash with those of infomap
import igraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.baselines.graph import similarity_graph
from cdp.baselines.infomap import infomap
from cdp.knn import knn_graph
from cdp.metrics import evaluate
from tests.unit.knn_graphs import blob_graph, demo_graph, islands, random_graph, renumbered


def description_length(graph, labels):
    """The map equation of an undirected graph (Rosvall and Bergstrom 2008), in bits a step."""

    def plogp(p):
        return p * math.log2(p) if p > 0 else 0.0

    weights = graph.toarray().astype(float) / graph.sum(dtype=float)
    visits = weights.sum(axis=1)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    exits = [visits[m].sum() - weights[np.ix_(m, m)].sum() for m in members]
    return (
        plogp(sum(exits))
        - 2 * sum(map(plogp, exits))
        - sum(map(plogp, visits))
        + sum(plogp(e + visits[m].sum()) for e, m in zip(exits, members, strict=True))
    )


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(2, 8))
def test_describes_walks_no_longer_than_trivial_partitions_do(seed, n, k):
    neighbors = random_graph(np.random.default_rng(seed), n, k)
    graph = similarity_graph(neighbors)
    labels = infomap(neighbors)
    assert labels.tolist() == renumbered(labels.tolist())
    assert (labels.shape, labels.dtype) == ((n,), np.int64)
    if graph.nnz:
        least = min(description_length(graph, other) for other in (np.zeros(n), np.arange(n)))
        assert description_length(graph, labels) <= least + 1e-6


@pytest.mark.parametrize("neighbors", [demo_graph(1500, 15)[0], blob_graph()[0]], ids=["real", "random"])
def test_describes_walks_as_shortly_as_the_implementation_of_igraph(neighbors):
    """To half a per cent: both are heuristics. The map equation itself is igraph's, too."""
    graph = similarity_graph(neighbors, threshold=0.5)
    network = igraph.Graph.Weighted_Adjacency(graph.toarray(), mode="undirected")
    random.seed(0)
    other = network.community_infomap(edge_weights="weight")
    assert description_length(graph, np.array(other.membership)) == pytest.approx(other.codelength, rel=1e-4)
    assert description_length(graph, infomap(neighbors, threshold=0.5)) < 1.005 * other.codelength


def test_describes_walks_shorter_than_the_identities_do():
    neighbors, _, identities = demo_graph(1500, 15)
    labels = infomap(neighbors, threshold=0.5)
    graph = similarity_graph(neighbors, threshold=0.5)
    assert description_length(graph, labels) < description_length(graph, identities)
    assert evaluate(identities, labels)["kept"]["f"] > 0.7
    np.testing.assert_array_equal(labels, infomap(neighbors, threshold=0.5))


def test_disconnected_duplicates_and_single_samples():
    graph, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20], k=30)
    assert infomap(graph).tolist() == group.tolist()
    assert len(infomap(knn_graph(np.ones((3000, 1)), k=5))) == 3000
    for n in (1, 2):
        assert infomap(knn_graph(np.ones((n, 1)), k=2)).tolist() == [0] * n


def test_threshold_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"below 1, not 1\.0"):
        infomap(random_graph(np.random.default_rng(0), 5, 3), threshold=1.0)
