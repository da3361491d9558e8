import random

import igraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.baselines.graph import similarity_graph
from cdp.baselines.leiden import leiden
from cdp.knn import knn_graph
from cdp.metrics import evaluate
from tests.unit.knn_graphs import blob_graph, demo_graph, islands, random_graph, renumbered


def quality(graph, labels, resolution):
    """The constant Potts model, over all pairs."""
    together = np.triu(labels[:, None] == labels, 1)
    return (graph.toarray()[together] - resolution).sum()


def partitions(n):
    """All partitions of n samples."""
    if n == 0:
        yield []
        return
    for labels in partitions(n - 1):
        yield from ([*labels, label] for label in range(max(labels, default=-1) + 2))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 6), st.integers(1, 16))
def test_lies_between_samples_alone_and_the_best_of_all_partitions(seed, n, k, sixteenths):
    """Leiden is a heuristic: it may miss the best."""
    neighbors = random_graph(np.random.default_rng(seed), n, k)
    graph = similarity_graph(neighbors)
    labels = leiden(neighbors, resolution=sixteenths / 16)
    assert labels.tolist() == renumbered(labels.tolist())
    assert labels.dtype == np.int64
    best = max(quality(graph, np.array(other), sixteenths / 16) for other in partitions(n))
    assert -1e-6 <= quality(graph, labels, sixteenths / 16) <= best + 1e-6


@pytest.mark.parametrize("data", [demo_graph(1500, 15), blob_graph()], ids=["real", "random"])
@pytest.mark.parametrize("resolution", [0.01, 0.1])
def test_is_as_good_as_the_implementation_of_igraph(data, resolution):
    """And as the identities, or better, by the quality that it maximises: within half a per cent."""
    neighbors, _, identities = data
    labels = leiden(neighbors, resolution=resolution, threshold=0.6)
    graph = similarity_graph(neighbors, threshold=0.6)
    random.seed(0)
    other = igraph.Graph.Weighted_Adjacency(graph.toarray(), mode="undirected").community_leiden(
        objective_function="CPM", weights="weight", resolution=resolution, n_iterations=-1
    )
    reached = quality(graph, labels, resolution)
    assert reached > 0.995 * quality(graph, np.array(other.membership), resolution)
    assert reached > quality(graph, identities, resolution)
    assert evaluate(identities, labels)["kept"]["f"] > 0.6
    np.testing.assert_array_equal(labels, leiden(neighbors, resolution=resolution, threshold=0.6))


def test_disconnected_duplicates_and_single_samples():
    graph, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20], k=30)
    assert leiden(graph, resolution=0.1).tolist() == group.tolist()
    assert len(leiden(knn_graph(np.ones((3000, 1)), k=5), resolution=0.1)) == 3000
    for n in (1, 2):
        assert leiden(knn_graph(np.ones((n, 1)), k=2), resolution=0.1).tolist() == [0] * n


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"resolution": -1.0}, "resolution must be at least 0, not -1.0"),
        ({"resolution": float("nan")}, "not nan"),
        ({"resolution": 0.1, "threshold": 1.0}, "below 1, not 1.0"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        leiden(random_graph(np.random.default_rng(0), 5, 3), **parameters)
