import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import knn_graph
from cdp.neighbors import Neighbors
from cdp.pairs import candidate_pairs, sample_ranges
from tests.unit.knn_graphs import random_graph

SEEDS = st.integers(0, 2**32 - 1)


def oracle(base, committee):
    """Candidate pairs as in docs/definitions.md, literally, with sets."""

    def neighbors(graph):
        return [{j for j in row if j >= 0} for row in graph.idx.tolist()]

    base_sets, member_sets = neighbors(base), [neighbors(member) for member in committee]
    n = len(base_sets)
    rows = []
    for i in range(n):
        for j in range(i + 1, n):
            forth, back = j in base_sets[i], i in base_sets[j]
            if not (forth or back):
                continue
            a, b = (i, j) if forth else (j, i)
            similarity = 1 - float(base.dist[a][base.idx[a].tolist().index(b)])
            directions = [(i, j)] * forth + [(j, i)] * back
            votes = max(sum(b in member[a] for member in member_sets) for a, b in directions)
            relationship = [int(j in member[i] or i in member[j]) for member in member_sets]
            structure = [len(sets[i] & sets[j]) for sets in [base_sets, *member_sets]]
            rows.append(((i, j), similarity, votes, relationship, structure))
    return rows


@settings(max_examples=2000)
@given(SEEDS, st.integers(1, 12), st.lists(st.integers(1, 14), min_size=1, max_size=5))
def test_pairs_and_features_follow_the_definition(seed, n, widths):
    rng = np.random.default_rng(seed)
    base, *committee = [random_graph(rng, n, k) for k in widths]
    found = candidate_pairs(base, committee)
    expected = oracle(base, committee)
    assert [tuple(pair) for pair in found.pairs.tolist()] == [row[0] for row in expected]
    assert found.similarity.tolist() == [row[1] for row in expected]
    assert found.votes.tolist() == [row[2] for row in expected]
    assert found.relationship.tolist() == [row[3] for row in expected]
    assert found.structure.tolist() == [row[4] for row in expected]


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("members", [0, 2])
def test_shapes_and_types(n, members):
    rng = np.random.default_rng(n)
    found = candidate_pairs(random_graph(rng, n, 5), [random_graph(rng, n, 4) for _ in range(members)])
    count = len(found.pairs)
    assert (count == 0) == (n == 1)
    assert (found.pairs.dtype, found.pairs.shape) == (np.int32, (count, 2))
    assert (found.similarity.dtype, found.similarity.shape) == (np.float32, (count,))
    assert (found.votes.dtype, found.votes.shape) == (np.uint8, (count,))
    assert (found.relationship.dtype, found.relationship.shape) == (np.uint8, (count, members))
    assert (found.structure.dtype, found.structure.shape) == (np.uint16, (count, members + 1))


def test_isolated_samples_are_in_no_pair():
    idx = np.array([[0, 1], [1, 0], [2, -1]], np.int32)
    dist = np.array([[0, 0.25], [0, 0.25], [0, np.inf]], np.float32)
    found = candidate_pairs(Neighbors(idx, dist))
    assert found.pairs.tolist() == [[0, 1]]
    assert found.similarity.tolist() == [0.75]


def test_votes_of_both_directions_are_not_mixed():
    """Each member has the pair in one direction only: one vote, though both members are related."""
    both = Neighbors(np.array([[0, 1], [1, 0]], np.int32), np.zeros((2, 2), np.float32))
    forth = Neighbors(np.array([[0, 1], [1, -1]], np.int32), np.zeros((2, 2), np.float32))
    back = Neighbors(np.array([[0, -1], [1, 0]], np.int32), np.zeros((2, 2), np.float32))
    found = candidate_pairs(both, [forth, back])
    assert found.votes.tolist() == [1]
    assert found.relationship.tolist() == [[1, 1]]
    assert candidate_pairs(forth, [back]).votes.tolist() == [0]


def test_similarity_is_the_cosine_of_the_base_model():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 5))
    found = candidate_pairs(knn_graph(features, k=6), [knn_graph(rng.standard_normal((60, 3)), k=6)])
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = [unit[i] @ unit[j] for i, j in found.pairs]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-6)


def test_full_committee_counts_every_vote():
    graph = knn_graph(np.random.default_rng(1).standard_normal((10, 3)), k=3)
    found = candidate_pairs(graph, [graph] * 255)
    assert set(found.votes.tolist()) == {255}
    assert found.relationship.all()


def test_many_common_neighbors_are_counted():
    n = 600
    idx = np.array([np.roll(np.arange(n), -i) for i in range(n)], np.int32)
    found = candidate_pairs(Neighbors(idx, np.zeros((n, n), np.float32)))
    assert len(found.pairs) == n * (n - 1) // 2
    assert set(found.structure.ravel().tolist()) == {n}


def graph_of(idx):
    return Neighbors(np.array(idx, np.int32), np.zeros(np.shape(idx), np.float32))


GOOD = graph_of([[0, 1], [1, 0], [2, 1]])


@pytest.mark.parametrize(
    ("base", "committee", "sentence"),
    [
        (GOOD, [GOOD] * 256, "at most 255 members, not 256"),
        (Neighbors(GOOD.idx, GOOD.dist[:, :1]), [], "kNN graph 0: idx and dist must be two matrices of one shape"),
        (GOOD, [Neighbors(GOOD.idx[0], GOOD.dist[0])], "kNN graph 1: idx and dist must be two matrices of one shape"),
        (GOOD, [GOOD, graph_of([[0, 1], [1, 0]])], "kNN graph 2 has 2 samples, the base graph 3"),
        (graph_of(np.full((2, 65536), -1)), [], "kNN graph 0 has 65536 columns; at most 65535"),
        (graph_of([[0, 1], [1, 0], [2, 3]]), [], r"kNN graph 0 names samples outside 0\.\.2"),
        (GOOD, [graph_of([[0, 1], [1, 0], [2, -2]])], r"kNN graph 1 names samples outside 0\.\.2"),
    ],
)
def test_graphs_that_do_not_fit_are_named(base, committee, sentence):
    with pytest.raises(ValueError, match=sentence):
        candidate_pairs(base, committee)


def test_members_may_be_given_by_their_idx_alone():
    rng = np.random.default_rng(3)
    base, *committee = [random_graph(rng, 12, 5) for _ in range(3)]
    for one, other in zip(
        candidate_pairs(base, committee), candidate_pairs(base, [m.idx for m in committee]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(5))
def test_neighbors_that_fall_into_one_place_of_the_table_are_told_apart(seed):
    """Samples that differ by multiples of 64 have the same low bits; the table of a row of 3 has 64 places."""
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(3):
        idx = np.arange(400)[:, None] + np.column_stack([np.zeros(400, int), 64 * rng.integers(1, 6, (400, 2))])
        idx %= 400
        idx[idx[:, 1] == idx[:, 2], 2] = -1
        graphs.append(Neighbors(idx.astype(np.int32), np.sort(rng.random((400, 3), np.float32), axis=1)))
    base, *committee = graphs
    found = candidate_pairs(base, committee)
    expected = oracle(base, committee)
    assert [tuple(pair) for pair in found.pairs.tolist()] == [row[0] for row in expected]
    assert found.votes.tolist() == [row[2] for row in expected]
    assert found.relationship.tolist() == [row[3] for row in expected]
    assert found.structure.tolist() == [row[4] for row in expected]


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 30), st.integers(2, 6), st.integers(1, 100))
def test_pairs_of_ranges_of_samples_make_up_all_pairs(seed, n, k, edges):
    rng = np.random.default_rng(seed)
    base, *committee = [random_graph(rng, n, k) for _ in range(3)]
    ranges = sample_ranges(base, edges=edges)
    parts = [candidate_pairs(base, committee, samples=samples) for samples in ranges]
    assert [ranges[0][0], *(last for _, last in ranges)] == [*(first for first, _ in ranges), n]
    assert all(len(part.pairs) <= edges or last == first + 1 for part, (first, last) in zip(parts, ranges, strict=True))
    for in_parts, whole in zip(zip(*parts, strict=True), candidate_pairs(base, committee), strict=True):
        np.testing.assert_array_equal(np.concatenate(in_parts), whole, strict=True)


def test_more_samples_than_int32_can_number_are_refused():
    rows = np.broadcast_to(np.int32(-1), (2**31, 2))
    with pytest.raises(ValueError, match="kNN graph 0 has 2147483648 samples; at most 2147483647 are supported"):
        candidate_pairs(Neighbors(rows, rows))
