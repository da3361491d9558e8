import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.refine import new_since, refine
from cdp.knn.scan import Cells, scan

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 200), st.integers(2, 8), st.integers(1, 5), st.booleans())
def test_refinement_compares_with_neighbours_of_neighbours(seed, n, k, n_cells, again):
    rng = np.random.default_rng(seed)
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = rng.standard_normal((n, 4)).astype(np.float32)
    cells = Cells(Points.of(vectors), np.searchsorted(home, np.arange(n_cells + 1)))
    probes = home[:, None].copy()
    best, before = Best.none(n, k), Best.none(n, k)
    scan(cells.points, cells, best, probes=probes)
    if again:  # some of what is found was known before
        before = Best(best.scores, best.found.copy())
        before.found[rng.random((n, k)) < 0.5] = -1
    new = new_since(before.found, best.found, k)
    refined = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=np.arange(n))
    rows = rng.integers(0, n, 10)
    some = refine(cells.points, best, new, probes=probes, cell_starts=cells.starts, rows=rows)
    np.testing.assert_array_equal(some.found, refined.found[rows])
    np.testing.assert_array_equal(some.scores, refined.scores[rows])
    score = vectors @ vectors.T - (vectors**2).sum(axis=1) / 2
    listed, known = ([{j for j in row if j >= 0} for row in array.found.tolist()] for array in (best, before))

    def is_new(a, b):
        """Whether a link, in the direction in which it is listed, was not there before."""
        return b not in known[a]

    for i in range(n):
        seen = set(listed[i])
        for middle in range(n):
            for lists, link_is_new in (
                (middle in listed[i], is_new(i, middle)),
                (i in listed[middle], is_new(middle, i)),
            ):
                if lists:
                    seen |= {j for j in listed[middle] if home[j] != home[i] and (link_is_new or is_new(middle, j))}
        expected = sorted(seen, key=lambda j, i=i: -score[i, j])[:k]
        assert refined.found[i].tolist() == expected + [-1] * (k - len(expected))
