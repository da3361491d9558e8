import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import rounded
from cdp.knn.scan import Cells, scan
from cdp.knn.widen import Outline, Reach, widen

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 80), st.integers(1, 6), st.integers(1, 12), st.integers(1, 4))
def test_wider_search_looks_into_the_promising_cells(seed, n, k, n_cells, n_groups):
    rng = np.random.default_rng(seed)
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = rounded(rng.standard_normal((n_cells, 5))[home] + 0.7 * rng.standard_normal((n, 5)))
    cells = Cells(Points.of(vectors), np.searchsorted(home, np.arange(n_cells + 1)))
    group_of = np.sort(rng.integers(n_groups, size=n_cells))
    outline = Outline.of(cells, np.searchsorted(group_of, np.arange(n_groups + 1)))
    best = Best.none(n, k)
    scan(cells.points, cells, best, probes=home[:, None].copy())

    def promising(i, members, worst, within):
        """Whether the worst score lies at most `within` units above the mean of the members', in float64.

        In products with the query, the mean is rounded.
        """
        query, members = vectors[i].astype(float), vectors[members].astype(float)
        mean = members.mean(axis=0)
        spread = ((members - mean) ** 2).sum(axis=1).mean() ** 0.5
        score = query @ rounded(mean) - (query @ query + (members**2).sum(axis=1).mean()) / 2
        return worst - score - within * spread * max(0, -2 * score - spread**2) ** 0.5

    reach, seen = Reach.none(n), home[:, None] == home
    score = -((vectors[:, None].astype(float) - vectors[None].astype(float)) ** 2).sum(axis=2) / 2
    for within in (0.3, 0.8, 1e9):
        worst, doubtful = best.scores[:, k - 1].copy(), False
        reach = widen(cells.points, cells, outline, best, reach, k=k, within=within, device="cpu")
        for i in range(n):
            for cell in set(home.tolist()):
                margins = [
                    promising(i, np.flatnonzero(where), worst[i], within)
                    for where in (group_of[home] == group_of[cell], home == cell)
                ]
                doubtful |= any(abs(margin) < 1e-4 for margin in margins)
                if max(margins) <= 0:
                    seen[i, home == cell] = True
        assume(not doubtful)
        expected = np.sort(np.where(seen, score, -np.inf), axis=1)[:, ::-1][:, :k]
        found = np.take_along_axis(score, best.found.clip(min=0), axis=1)
        found[best.found < 0] = -np.inf
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-5)
