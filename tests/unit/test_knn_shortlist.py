from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.features import normalize
from cdp.knn import shortlist as module
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import packed, rows_of, unpacked
from cdp.knn.scan import Cells, scan
from cdp.knn.shortlist import likely_best, shortlist
from tests.unit.knn_graphs import along_own_axes, decaying, needs_tiles, with_tiles

SEEDS = st.integers(0, 2**32 - 1)


def cells_of(points, rng, n_cells):
    """Cells of random sizes, and which one each point is in."""
    cell_of = np.sort(rng.integers(n_cells, size=len(points.vectors)))
    return Cells(points, np.searchsorted(cell_of, np.arange(n_cells + 1))), cell_of


@pytest.mark.parametrize("tiles", [with_tiles, False])
@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(1, 1500), st.integers(1, 30), st.integers(1, 70), st.integers(1, 12), st.booleans())
def test_those_with_the_largest_products_are_listed_in_order(tiles, seed, n, width, dim, n_cells, are_few):
    rng = np.random.default_rng(seed)
    vectors, sources = (rng.standard_normal((m, dim)).astype(np.float32) for m in (n, 9))
    if are_few:  # values, so that many scores are equal
        vectors, sources = np.round(vectors[:, :2] / 2), np.round(sources[:, :2] / 2)
    points = Points.rounded(vectors)
    cells, cell_of = cells_of(points, rng, n_cells)
    all_cells = np.tile(np.arange(n_cells, dtype=np.int32), (9, 1))
    probes = rng.permuted(all_cells, axis=1)[:, : rng.integers(1, 1 + n_cells)]
    probes[rng.random(probes.shape) < 0.2] = -1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "rows_of", partial(rows_of, tiles=tiles))
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


def scattered(n_cells, n_probes):
    """Points, cells of any of them, and some that each probes."""
    points = along_own_axes(normalize(decaying(3, 5000, 100)))
    cells, _ = cells_of(points, np.random.default_rng(0), n_cells)
    probes = np.random.default_rng(1).permuted(np.tile(np.arange(n_cells, dtype=np.int32), (5000, 1)), axis=1)
    return points, cells, np.ascontiguousarray(probes[:, :n_probes])


def shares_of(found, expected):
    return np.array([len(np.intersect1d(*rows)) / len(rows[1]) for rows in zip(found, expected, strict=True)])


@pytest.mark.parametrize("tiles", [with_tiles, False])
def test_tails_do_not_count_and_part_of_the_necks_does(tiles, monkeypatch):
    monkeypatch.setattr(module, "rows_of", partial(rows_of, tiles=tiles))
    points = along_own_axes(normalize(decaying(3, 2000, 100)))
    numbers = [unpacked(points.heads)[:, 1:], unpacked(points.necks[:, :16])[:, 1:]]
    scores = sum(some.astype(float) @ some.T.astype(float) for some in numbers) - points.halves
    listed = shortlist(module._without_tails(points), Cells.one(points), 20)
    taken = np.take_along_axis(scores, listed, axis=1)
    np.testing.assert_allclose(taken, -np.sort(-scores, axis=1)[:, :20], atol=1e-5)
    assert points.necks.shape[1] > 16


def test_nearly_all_of_the_best_are_found_and_their_scores_are_exact(monkeypatch):
    monkeypatch.setattr(module, "_LATE", np.inf)
    points, cells, probes = scattered(40, 10)
    assert points.heads.shape[1] < 30
    best, exact = likely_best(points, cells, 16, probes=probes, block=1000), Best.none(5000, 16)
    scan(points, cells, exact, probes=probes)
    assert shares_of(best.found, exact.found).mean() > 0.98
    differences = points.vectors[:, None] - points.vectors[best.found]
    np.testing.assert_allclose(best.scores, -(differences.astype(float) ** 2).sum(axis=2) / 2, rtol=1e-4)
    assert (np.diff(best.scores, axis=1) <= 0).all()


@given(SEEDS, st.integers(1, 12), st.integers(0, 12))
def test_the_best_of_the_listed_are_kept(seed, width, more):
    rng = np.random.default_rng(seed)
    vectors = decaying(seed, 60, 80)
    best = Best.none(7, width)
    listed = rng.permuted(np.tile(np.arange(60, dtype=np.int32), (7, 1)), axis=1)[:, : width + more]
    for row, n in enumerate(rng.integers(0, width + more + 1, 7)):
        listed[row, n:] = -1
    late = module._compare(vectors[:7], vectors, listed, *best)
    for q, row in enumerate(listed):
        row = row[row >= 0]
        distances = ((vectors[q].astype(float) - vectors[row]) ** 2).sum(axis=1)
        order = np.argsort(distances)[:width]
        assert best.found[q, : len(order)].tolist() == row[order].tolist()
        assert (best.found[q, len(order) :] == -1).all()
        assert np.isneginf(best.scores[q, len(order) :]).all()
        np.testing.assert_allclose(best.scores[q, : len(order)], -distances[order] / 2, rtol=1e-4)
        assert late[q] == np.count_nonzero(order >= width)


def test_equals_are_in_the_order_of_their_positions():
    points = Points.of(np.repeat(decaying(0, 10, 20), 8, axis=0))
    rng = np.random.default_rng(0)
    listed = rng.permuted(np.tile(np.arange(80, dtype=np.int32), (80, 1)), axis=1)
    best, expected = Best.none(80, 80), Best.none(80, 80)
    module._compare(points.vectors, points.vectors, listed, *best)
    scan(points, Cells.one(points), expected)
    np.testing.assert_array_equal(best.found, expected.found)


@needs_tiles
def test_blocks_do_not_change_what_tiles_find():
    """So that these may depend on the number of threads."""
    points, cells, probes = scattered(200, 6)
    whole = likely_best(points, cells, 12, probes=probes, block=5000)
    for size in (1000, 177):
        best = likely_best(points, cells, 12, probes=probes, block=size)
        np.testing.assert_array_equal(best.found, whole.found)
        np.testing.assert_array_equal(best.scores, whole.scores)


def test_all_are_compared_where_products_do_not_tell_members_apart():
    rng = np.random.default_rng(0)
    points = Points.of(normalize(rng.standard_normal(64) + 1e-3 * rng.standard_normal((2000, 64))).astype(np.float32))
    probes, exact = np.zeros((2000, 1), np.int32), Best.none(2000, 16)
    best = likely_best(points, Cells.one(points), 16, probes=probes, block=500)
    scan(points, Cells.one(points), exact, probes=probes)
    told = shortlist(module._without_tails(points), Cells.one(points), 24)
    assert shares_of(told, exact.found).mean() < 0.3
    assert shares_of(best.found, exact.found).mean() > 0.9


def test_all_are_compared_for_those_alone_that_products_do_not_tell_apart():
    rng = np.random.default_rng(0)
    alike = np.ones(100) + 1e-3 * rng.standard_normal((2000, 100))
    vectors = normalize(np.stack((alike, decaying(3, 2000, 100)), axis=1).reshape(4000, 100))
    points = along_own_axes(vectors)
    cells, _ = cells_of(points, rng, 20)
    probes = rng.permuted(np.tile(np.arange(20, dtype=np.int32), (4000, 1)), axis=1)[:, :6].copy()
    best, exact = likely_best(points, cells, 16, probes=probes, block=700), Best.none(4000, 16)
    scan(points, cells, exact, probes=probes)
    assert np.mean((best.found == exact.found)[::2].all(axis=1)) > 0.95
    assert 0.98 < shares_of(best.found, exact.found)[1::2].mean() < 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LATE", -1)
        best = likely_best(points, cells, 16, probes=probes, block=700)
    np.testing.assert_array_equal(best.found, exact.found)
