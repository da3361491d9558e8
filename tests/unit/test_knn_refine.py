import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.refine import _MIDDLES, new_since, refine
from cdp.knn.scan import Cells, scan
from cdp.threads import limit_threads

SEEDS = st.integers(0, 2**32 - 1)


def searched(rng, n, k, n_cells):
    """Vectors, cells, the one of each vector, those that it looks into (up to two others, too), what it finds."""
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = rng.standard_normal((n, 4)).astype(np.float32)
    cells = Cells(Points.of(vectors), np.searchsorted(home, np.arange(n_cells + 1)))
    probes = np.full((n, 3), -1, np.int32)
    for i in range(n):
        others = rng.permutation(np.delete(np.arange(n_cells), home[i]))[: rng.integers(3)]
        probes[i, : 1 + len(others)] = home[i], *others
    best = Best.none(n, k)
    scan(cells.points, cells, best, probes=probes)
    return vectors, cells, home, probes, best


def refined_by_definition(i, listed, known, home, probes, score, k):
    """The k best of what a sample lists, and of what its neighbours list in cells that it has not looked into."""

    def is_new(a, b):
        """Whether a link, in the direction in which it is listed, was not there before."""
        return b not in known[a]

    listed_by = [m for m in range(len(listed)) if i in listed[m]][:_MIDDLES]
    middles = [(m, is_new(i, m)) for m in listed[i]] + [(m, is_new(m, i)) for m in listed_by]
    seen = set(listed[i])
    for middle, link_is_new in middles:
        seen |= {j for j in listed[middle] if home[j] not in probes[i] and (link_is_new or is_new(middle, j))}
    best = sorted(seen, key=lambda j: -score[i, j])[:k]
    return best + [-1] * (k - len(best))


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 200), st.integers(2, 20), st.integers(1, 9), st.booleans())
def test_refinement_compares_with_neighbours_of_neighbours(seed, n, k, n_cells, again):
    rng = np.random.default_rng(seed)
    vectors, cells, home, probes, best = searched(rng, n, k, n_cells)
    before = Best.none(n, k)
    if again:  # some of what is found was known before
        before = Best(best.scores, best.found.copy())
        before.found[rng.random((n, k)) < 0.5] = -1
    new = new_since(before.found, best.found, k)
    refined = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=np.arange(n))
    score = vectors @ vectors.T - (vectors**2).sum(axis=1) / 2
    listed, known = ([[j for j in row if j >= 0] for row in array.found.tolist()] for array in (best, before))
    for i in range(n):
        assert refined.found[i].tolist() == refined_by_definition(i, listed, known, home, probes, score, k)
    rows = rng.integers(0, n, 10)
    with limit_threads(1):
        some = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=rows)
    np.testing.assert_array_equal(some.found, refined.found[rows])
    np.testing.assert_array_equal(some.scores, refined.scores[rows])


def test_refinement_finds_more():
    _, cells, _, probes, best = searched(np.random.default_rng(0), 2000, 10, 60)
    new = np.ones(best.found.shape, np.bool_)
    refined = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=np.arange(2000))
    assert (refined.found != best.found).any(axis=1).mean() > 0.5
