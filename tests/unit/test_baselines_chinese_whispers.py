import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.baselines.chinese_whispers import chinese_whispers
from cdp.knn import knn_graph
from cdp.metrics import evaluate
from cdp.neighbors import Neighbors
from tests.unit.knn_graphs import demo_graph, edges, islands, random_graph, renumbered


def oracle(graph, threshold, iterations, seed):
    """The definition, with dictionaries."""
    n = len(graph.idx)
    weights = [{} for _ in range(n)]
    for (i, j), d in edges(graph).items():
        if 1 - d > threshold:
            weights[i][j] = weights[j][i] = 1 - d
    generator = np.random.default_rng(seed)
    labels = list(range(n))
    for _ in range(iterations):
        for i in generator.permutation(n):
            votes = {labels[i]: 0.0}
            for j, weight in weights[i].items():
                votes[labels[j]] = votes.get(labels[j], 0.0) + weight
            labels[i] = max(votes, key=lambda label: (votes[label], label == labels[i], -label))
    return renumbered(labels)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 8), st.integers(0, 63), st.integers(1, 6))
def test_follows_the_definition(seed, n, k, sixtyfourths, iterations):
    graph = random_graph(np.random.default_rng(seed), n, k)
    parameters = {"threshold": sixtyfourths / 64, "iterations": iterations, "seed": seed % 7}
    labels = chinese_whispers(graph, **parameters)
    assert labels.tolist() == oracle(graph, **parameters)
    assert labels.dtype == np.int64


def test_follows_the_definition_on_real_data():
    """Weights are rounded so that sums are exact in any order."""
    graph, _, _ = demo_graph(600, 15)
    graph = Neighbors(graph.idx, np.round(graph.dist * 1024).astype(np.float32) / 1024)
    for threshold in (0.5, 0.7):
        labels = chinese_whispers(graph, threshold=threshold, iterations=5)
        assert labels.tolist() == oracle(graph, threshold, 5, 0)


def test_finds_identities_and_keeps_to_its_seed():
    graph, _, identities = demo_graph(2000, 30)
    labels = chinese_whispers(graph, threshold=0.65)
    assert evaluate(identities, labels)["kept"]["f"] > 0.8
    np.testing.assert_array_equal(labels, chinese_whispers(graph, threshold=0.65))
    assert (labels != chinese_whispers(graph, threshold=0.65, seed=1)).any()


def test_disconnected_duplicates_and_single_samples():
    graph, _, group = islands(np.random.default_rng(0), [30, 5, 1, 20], k=30)
    assert chinese_whispers(graph, threshold=0.5).tolist() == group.tolist()
    duplicates = knn_graph(np.ones((3000, 1)), k=5)
    assert chinese_whispers(duplicates, threshold=0).max() < 3000
    for n in (1, 2):
        assert chinese_whispers(knn_graph(np.ones((n, 1)), k=2), threshold=0).tolist() == [0] * n


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"threshold": 1.0}, "below 1, not 1.0"), ({"threshold": 0.5, "iterations": 0}, "iterations must be at least 1")],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        chinese_whispers(random_graph(np.random.default_rng(0), 5, 3), **parameters)
