import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.features import normalize
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import packed, unpacked, with_first
from cdp.knn.scan import Cells, scan
from cdp.knn.shortlist import likely_best, shortlist
from tests.unit.knn_graphs import decaying

SEEDS = st.integers(0, 2**32 - 1)


def cells_of(points, rng, n_cells):
    """Cells of random sizes, and which one each point is in."""
    cell_of = np.sort(rng.integers(n_cells, size=len(points.vectors)))
    return Cells(points, np.searchsorted(cell_of, np.arange(n_cells + 1))), cell_of


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 1500), st.integers(1, 30), st.integers(1, 70), st.integers(1, 12), st.booleans())
def test_those_with_the_largest_products_are_listed_in_order(seed, n, width, dim, n_cells, are_few):
    rng = np.random.default_rng(seed)
    vectors, sources = (rng.standard_normal((m, dim)).astype(np.float32) for m in (n, 9))
    if are_few:  # values, so that many scores are equal
        vectors, sources = np.round(vectors[:, :2] / 2), np.round(sources[:, :2] / 2)
    points = Points.rounded(vectors)
    cells, cell_of = cells_of(points, rng, n_cells)
    probes = rng.permuted(np.tile(np.arange(n_cells, dtype=np.int32), (9, 1)), axis=1)[
        :, : rng.integers(1, 1 + n_cells)
    ]
    probes[rng.random(probes.shape) < 0.2] = -1
    listed = shortlist(Points.rounded(sources), cells, width, probes=probes, block=int(rng.integers(1, 10)))
    here, there = (unpacked(packed(rows))[:, : rows.shape[1]].astype(float) for rows in (sources, vectors))
    for q, row in enumerate(listed):
        (seen,) = np.nonzero(np.isin(cell_of, probes[q]))
        scores = here[q] @ there[seen].T - (there[seen] ** 2).sum(axis=1) / 2
        taken = row[: min(width, len(seen))]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= set(seen)
        assert (row[len(taken) :] == -1).all()
        of_taken = here[q] @ there[taken].T - (there[taken] ** 2).sum(axis=1) / 2
        np.testing.assert_allclose(of_taken, -np.sort(-scores)[:width], atol=1e-4)


@pytest.mark.parametrize("value", [0, 1])
def test_of_equals_by_the_thousand_some_are_listed(value):
    points = Points.rounded(np.full((5000, 8), value, np.float32))
    listed = shortlist(points.take(slice(3)), Cells.one(points), 20)
    assert [len(set(row)) for row in listed] == [20] * 3
    assert listed.min() >= 0


@pytest.mark.parametrize("block", [100, 5000])
def test_most_of_the_best_are_found_and_their_scores_are_exact(block):
    points = Points.along_own_axes(normalize(decaying(3, 5000, 100)))
    assert points.heads.shape[1] < 30
    cells, _ = cells_of(points, np.random.default_rng(0), 40)
    probes = np.random.default_rng(1).permuted(np.tile(np.arange(40, dtype=np.int32), (5000, 1)), axis=1)[:, :10]
    best, exact = likely_best(points, cells, 16, probes=probes, block=block), Best.none(5000, 16)
    scan(points, cells, exact, probes=probes)
    shares = [len(np.intersect1d(ours, true)) / 16 for ours, true in zip(best.found, exact.found, strict=True)]
    assert np.mean(shares) > 0.95
    differences = points.vectors[:, None] - points.vectors[best.found]
    np.testing.assert_allclose(best.scores, -(differences.astype(float) ** 2).sum(axis=2) / 2, rtol=1e-4)
    assert (np.diff(best.scores, axis=1) <= 0).all()


def test_all_are_compared_where_heads_do_not_tell_members_apart():
    rng = np.random.default_rng(0)
    points = Points.of(normalize(rng.standard_normal(64) + 1e-3 * rng.standard_normal((2000, 64))).astype(np.float32))
    best, exact = (
        likely_best(points, Cells.one(points), 16, probes=np.zeros((2000, 1), np.int32), block=500),
        Best.none(2000, 16),
    )
    scan(points, Cells.one(points), exact)
    shares = [len(np.intersect1d(ours, true)) / 16 for ours, true in zip(best.found, exact.found, strict=True)]
    without_tails = points._replace(heads=with_first(points.heads, np.zeros(2000, np.float32)))
    listed = shortlist(without_tails, Cells.one(points), 24)
    told = [len(np.intersect1d(ours, true)) / 16 for ours, true in zip(listed, exact.found, strict=True)]
    assert np.mean(told) < 0.3
    assert np.mean(shares) > 0.9
