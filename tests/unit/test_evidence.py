"""Against dictionaries and networkx."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from cdp.confidence import confidence
from cdp.evidence import near_merges, strongest_ties, weakest_cuts
from cdp.propagation import propagate
from cdp.selection import kept_pairs

pytestmark = pytest.mark.filterwarnings("ignore:.*still larger than max_size")


@st.composite
def clustered(draw):
    """Pairs, scores (some rejected), a threshold, and the clusters of the kept pairs."""
    n_samples = draw(st.integers(3, 14))
    every = [(i, j) for i in range(n_samples) for j in range(i + 1, n_samples)]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=40, unique=True))
    values = draw(nps.arrays(np.float32, len(chosen), elements=st.sampled_from([-np.inf, 0.25, 0.5, 0.625, 0.75, 1])))
    values[0] = 0.75
    pairs = np.array(sorted(chosen), np.int32)
    clusters = propagate(*kept_pairs(pairs, values, 0.5), n_samples, max_size=draw(st.sampled_from([3, 100])))
    return pairs, values, clusters


@given(clustered())
def test_cuts_against_every_edge_of_maximum_spanning_trees(case):
    """The part is of a cut that is as weak as the confidence says; pairs and scores between are those of the graph."""
    pairs, scores, clusters = case
    pairs, scores = kept_pairs(pairs, scores, 0.5)
    of_clusters = confidence(pairs, scores, clusters)
    cuts = weakest_cuts(pairs, scores, clusters, of_clusters)
    for cluster in range(clusters.max() + 1):
        members = np.flatnonzero(clusters == cluster).tolist()
        part = {i for i in members if cuts.in_part[i]}
        links = [
            (*pair, s) for pair, s in zip(pairs.tolist(), scores.tolist(), strict=True) if set(pair) <= set(members)
        ]
        across = [score for i, j, score in links if (i in part) != (j in part)]
        assert cuts.counts[cluster] == len(across)
        np.testing.assert_equal(cuts.scores[cluster], max(across, default=np.nan))
        graph = nx.Graph()
        graph.add_nodes_from(members)
        graph.add_weighted_edges_from(links)
        weakest = []  # parts that a cut takes off, of those as weak as the confidence
        tree = nx.maximum_spanning_tree(graph)
        for edge in list(tree.edges):
            tree.remove_edge(*edge)
            sides = list(nx.connected_components(tree))
            ends = [sum(d for _, d in graph.degree(side)) for side in sides]
            cut = nx.cut_size(graph, *sides) / min(ends)
            if cut < 1 and np.isclose(cut, of_clusters.clusters[cluster]):
                weakest += [side for side, e in zip(sides, ends, strict=True) if 2 * e <= sum(ends)]
            tree.add_edge(*edge)
        if len({score for *_, score in links}) == len(links):  # but for ties, of which there is another tree
            expected = set().union(*weakest)
            assert part == (set() if expected == set(members) else expected)


def test_the_cut_is_between_two_groups_and_not_at_a_straggler():
    groups = [(0, 1, 0.95), (1, 2, 0.95), (0, 2, 0.9), (3, 4, 0.95), (4, 5, 0.95), (3, 5, 0.9)]
    links = [*groups, (2, 3, 0.7), (1, 3, 0.65), (5, 6, 0.6)]
    pairs, scores, clusters = (
        np.array([link[:2] for link in links]),
        np.array([link[2] for link in links]),
        np.zeros(7, int),
    )
    cuts = weakest_cuts(pairs, scores, clusters, confidence(pairs, scores, clusters))
    assert np.flatnonzero(cuts.in_part).tolist() == [0, 1, 2]  # the straggler is with the other three
    assert cuts.scores.tolist() == pytest.approx([0.7])
    assert cuts.counts.tolist() == [2]


@given(clustered())
def test_ties_against_a_loop(case):
    pairs, scores, clusters = case
    ties = strongest_ties(pairs, scores, clusters)
    for sample, own in enumerate(clusters.tolist()):
        seen = [(s, clusters[j]) for (i, j), s in zip(pairs.tolist(), scores.tolist(), strict=True) if i == sample]
        seen += [(s, clusters[i]) for (i, j), s in zip(pairs.tolist(), scores.tolist(), strict=True) if j == sample]
        seen = [(s, c) for s, c in seen if np.isfinite(s) and c >= 0 and own >= 0]
        inside = [s for s, c in seen if c == own]
        outside = [s for s, c in seen if c != own]
        np.testing.assert_equal(ties.inside[sample], max(inside, default=np.nan))
        np.testing.assert_equal(ties.outside[sample], max(outside, default=np.nan))
        others = {c for s, c in seen if c != own and s == max(outside)}
        assert ties.other[sample] in (others or {-1})


@given(clustered())
def test_near_merges_against_a_dictionary(case):
    pairs, scores, clusters = case
    expected = {}
    for (i, j), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        a, b = sorted((clusters[i], clusters[j]))
        if a != b and a >= 0 and np.isfinite(score):
            expected.setdefault((a, b), []).append((score, {i, j}))
    found = near_merges(pairs, scores, clusters)
    assert {tuple(c) for c in found.clusters.tolist()} == set(expected)
    assert np.all(np.diff(found.scores) <= 0)
    for (a, b), (i, j), score, count in zip(*(field.tolist() for field in found), strict=True):
        assert len(expected[a, b]) == count
        assert (score, {i, j}) in expected[a, b]
        assert score == max(expected[a, b], key=lambda entry: entry[0])[0]
        assert (clusters[i], clusters[j]) == (a, b)
    few = near_merges(pairs, scores, clusters, most=2)
    assert few.clusters.tolist() == found.clusters[:2].tolist()
