import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells, scan
from cdp.knn.settle import settle_listed
from tests.unit.knn_graphs import along_own_axes, decaying


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 12), st.booleans())
def test_the_best_of_the_listed_are_kept(seed, width, more, along_axes):
    rng = np.random.default_rng(seed)
    vectors = decaying(seed, 60, 80)
    points = along_own_axes(vectors) if along_axes else Points.of(vectors)
    listed = rng.permuted(np.tile(np.arange(60, dtype=np.int32), (7, 1)), axis=1)[:, : width + more]
    for row, n in enumerate(rng.integers(0, width + more + 1, 7)):
        listed[row, n:] = -1
    best = Best.none(7, width)
    late = settle_listed(points.take(slice(7)), points, listed, best)
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
    settle_listed(points, points, listed, best)
    scan(points, Cells.one(points), expected)
    np.testing.assert_array_equal(best.found, expected.found)
