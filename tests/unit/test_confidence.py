import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.confidence import confidence


def naive(pairs, scores, labels):
    """From the definition in docs/confidence.md, cut by cut."""
    clusters = [0.0] * (max(labels, default=-1) + 1)
    own = [1.0] * len(labels)
    for cluster in range(len(clusters)):
        members = {i for i, label in enumerate(labels) if label == cluster}
        graph = nx.Graph()
        graph.add_nodes_from(members)
        graph.add_weighted_edges_from(
            (i, j, s) for (i, j), s in zip(pairs.tolist(), scores.tolist(), strict=True) if {i, j} <= members
        )
        cuts = []
        if not nx.is_connected(graph):
            cuts.append((0.0, set()))
        tree = nx.maximum_spanning_tree(graph)
        for edge in list(tree.edges):
            tree.remove_edge(*edge)
            part = nx.node_connected_component(tree, edge[0])
            tree.add_edge(*edge)
            other = nx.node_connected_component(graph, edge[0]) - part
            ends = [sum(graph.degree(i) for i in side) for side in (part, other)]
            cut = nx.cut_size(graph, part, other) / min(ends)
            cuts += [
                (cut, side) for side, own_ends in zip((part, other), ends, strict=True) if own_ends <= sum(ends) / 2
            ]
        clusters[cluster] = min((cut for cut, _ in cuts), default=0.0)
        for i in members:
            own[i] = min((cut for cut, side in cuts if i in side), default=1.0)
    return [(own[i] * clusters[c]) ** 0.5 if c >= 0 else 0 for i, c in enumerate(labels)], clusters


@st.composite
def clusterings(draw, connected=True):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 25))
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], np.int32).reshape(-1, 2)
    pairs = pairs[rng.random(len(pairs)) < draw(st.sampled_from([0, 0.1, 0.2, 0.5, 0.9]))]
    scores = rng.permutation(len(pairs)).astype(np.float32) / max(1, len(pairs))
    labels = rng.integers(0, draw(st.integers(1, 4)), n)
    if connected:
        graph = nx.Graph([(i, j) for i, j in pairs.tolist() if labels[i] == labels[j]])
        labels = np.full(n, -1)
        for number, component in enumerate(nx.connected_components(graph)):
            labels[list(component)] = number
    else:
        labels = np.unique(labels, return_inverse=True)[1]
    return pairs, scores, labels


@settings(max_examples=500)
@given(clusterings())
def test_is_what_the_definition_says(clustering):
    found = confidence(*clustering)
    samples, clusters = naive(*clustering)
    assert found.samples.dtype == found.clusters.dtype == np.float32
    np.testing.assert_allclose(found.clusters, clusters, rtol=1e-6)
    np.testing.assert_allclose(found.samples, samples, rtol=1e-6)


@settings(max_examples=200)
@given(clusterings(connected=False))
def test_a_cluster_in_pieces_has_none(clustering):
    pairs, scores, labels = clustering
    found = confidence(pairs, scores, labels)
    _, clusters = naive(pairs, scores, labels)
    np.testing.assert_allclose(found.clusters, clusters, rtol=1e-6)
    assert ((found.samples >= 0) & (found.samples <= 1)).all()
    assert (found.samples[np.isin(labels, np.flatnonzero(found.clusters == 0))] == 0).all()


@settings(max_examples=200)
@given(clusterings(), st.integers(0, 2**32 - 1))
def test_order_of_pairs_and_of_their_samples_does_not_matter(clustering, seed):
    pairs, scores, labels = clustering
    order = np.random.default_rng(seed).permutation(len(pairs))
    found, turned = confidence(pairs, scores, labels), confidence(pairs[order][:, ::-1], scores[order], labels)
    np.testing.assert_array_equal(turned.samples, found.samples)
    np.testing.assert_array_equal(turned.clusters, found.clusters)


def test_worked_example():
    """Two triangles and a bridge: the cut through it has one pair and seven ends on either side."""
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [3, 5], [4, 5]])
    found = confidence(pairs, np.array([0.9, 0.8, 0.7, 0.5, 0.9, 0.8, 0.7]), np.zeros(6, int))
    np.testing.assert_allclose(found.clusters, [1 / 7])
    np.testing.assert_allclose(found.samples, np.full(6, 1 / 7), rtol=1e-6)


def test_the_smaller_part_is_the_doubtful_one():
    """A complete graph of five, and a pair that hangs on it: the five keep what their own cuts say."""
    pairs = np.array([(i, j) for i in range(5) for j in range(i + 1, 5)] + [(4, 5), (5, 6)])
    found = confidence(pairs, np.linspace(1, 0.5, len(pairs)), np.zeros(7, int))
    np.testing.assert_allclose(found.clusters, [1 / 3])
    assert found.samples[5:].max() == pytest.approx(1 / 3)
    assert found.samples[:4].min() > 0.5


def test_alone_or_discarded_is_zero():
    found = confidence(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.array([0, -1, 1]))
    assert found.samples.tolist() == [0, 0, 0]
    assert found.clusters.tolist() == [0, 0]
    none = confidence(np.array([[0, 1]]), np.array([0.5]), np.array([-1, -1]))
    assert none.samples.tolist() == [0, 0]
    assert none.clusters.tolist() == []
    nothing = confidence(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.empty(0, np.int64))
    assert nothing.samples.tolist() == nothing.clusters.tolist() == []


def test_a_pair_is_a_firm_cluster():
    found = confidence(np.array([[0, 1], [1, 2]]), np.array([0.5, 0.4]), np.array([0, 0, 1]))
    assert found.clusters.tolist() == [1, 0]
    assert found.samples.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("pairs", "scores", "message"),
    [
        (np.zeros((2, 3), int), np.zeros(2), "pairs must be"),
        (np.zeros((2, 2), int), np.zeros(3), "scores \\(P,\\)"),
        (np.array([[0, 4]]), np.zeros(1), "samples outside 0..3"),
        (np.array([[-1, 2]]), np.zeros(1), "samples outside 0..3"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(pairs, scores, message):
    with pytest.raises(ValueError, match=message):
        confidence(pairs, scores, np.array([0, 0, 1, -1]))
