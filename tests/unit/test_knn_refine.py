from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import cdp.knn.refine as refine_module
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.refine import _MIDDLES, new_since, refine
from cdp.knn.scan import Cells, scan
from cdp.threads import limit_threads
from tests.unit.knn_graphs import along_own_axes, decaying

SEEDS = st.integers(0, 2**32 - 1)


def searched(rng, n, width, n_cells):
    """Vectors, cells, the one of each vector, those that it looks into (up to two others, too), what it finds."""
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    if rng.random() < 0.5:
        vectors = rng.standard_normal((n, 4)).astype(np.float32)
        points = Points.of(vectors)
    else:
        vectors = decaying(rng.integers(2**32), n, 80)
        points = along_own_axes(vectors)
    cells = Cells(points, np.searchsorted(home, np.arange(n_cells + 1)))
    probes = np.full((n, 3), -1, np.int32)
    for i in range(n):
        others = rng.permutation(np.delete(np.arange(n_cells), home[i]))[: rng.integers(3)]
        probes[i, : 1 + len(others)] = home[i], *others
    best = Best.none(n, width)
    scan(cells.points, cells, best, probes=probes)
    return vectors, cells, home, probes, best


def refined_by_definition(i, found, known, home, probes, score, k):
    """The best of what a sample has found, and of what its k neighbours' find, in cells that it has not looked into.

    Some samples that list it, and are as near as the worst that it has found, are taken for its neighbours too.
    """
    listed = [row[:k] for row in found]

    def is_new(a, b):
        """Whether a link, in the direction in which it is listed, was not there before."""
        return b not in known[a][:k]

    worst = min(score[i, j] for j in found[i]) if -1 not in found[i] else -np.inf
    others = [m for m in range(len(listed)) if i in listed[m] and m not in listed[i] and score[i, m] >= worst]
    middles = [(m, is_new(i, m)) for m in listed[i] if m >= 0] + [(m, is_new(m, i)) for m in others[:_MIDDLES]]
    seen = set(found[i]) - {-1}
    for middle, link_is_new in middles:
        there = [j for j in listed[middle] if j >= 0 and home[j] not in probes[i]]
        seen |= {j for j in there if link_is_new or is_new(middle, j)}
    best = sorted(seen, key=lambda j: -score[i, j])[: len(found[i])]
    return best + [-1] * (len(found[i]) - len(best))


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 200), st.integers(2, 20), st.integers(0, 3), st.integers(1, 9), st.booleans())
def test_refinement_compares_with_neighbours_of_neighbours(seed, n, k, spare, n_cells, again):
    rng = np.random.default_rng(seed)
    vectors, cells, home, probes, best = searched(rng, n, k + spare, n_cells)
    before = Best.none(n, k + spare)
    if again:  # some of what is found was known before
        before = Best(best.scores, best.found.copy())
        before.found[rng.random(before.found.shape) < 0.5] = -1
    new = new_since(before.found, best.found, k)
    refined = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=np.arange(n))
    exact = vectors.astype(np.float64)
    score = -((exact[:, None] - exact) ** 2).sum(axis=2)
    found, known = best.found.tolist(), before.found.tolist()
    for i in range(n):
        assert refined.found[i].tolist() == refined_by_definition(i, found, known, home, probes, score, k)
    rows = rng.integers(0, n, 40)
    with limit_threads(1), patch.object(refine_module, "_BLOCK", 16):  # several tasks
        new = new_since(before.found, best.found, k)
        some = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=rows)
    np.testing.assert_array_equal(some.found, refined.found[rows])
    np.testing.assert_array_equal(some.scores, refined.scores[rows])


def test_refinement_finds_more():
    _, cells, _, probes, best = searched(np.random.default_rng(0), 2000, 10, 60)
    new = np.ones(best.found.shape, np.bool_)
    refined = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=np.arange(2000))
    assert (refined.found != best.found).any(axis=1).mean() > 0.5
