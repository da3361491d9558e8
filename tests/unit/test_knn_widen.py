from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import cdp.knn.widen as widen_module
from cdp.knn.best import Best
from cdp.knn.cells import arrange
from cdp.knn.outline import Outline
from cdp.knn.points import Points
from cdp.knn.products import packed, rows_of, unpacked
from cdp.knn.scan import Cells, nearest, scan
from cdp.knn.vectors import Vectors
from cdp.knn.widen import Reach, widen
from tests.unit.knn_graphs import along_own_axes, with_tiles

SEEDS = st.integers(0, 2**32 - 1)


def rounded(vectors):
    """To bfloat16."""
    return np.ascontiguousarray(unpacked(packed(vectors))[:, : vectors.shape[1]])


@pytest.mark.parametrize("tiles", [with_tiles, False])
@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 200), st.integers(1, 6), st.integers(1, 12), st.integers(1, 4), st.sampled_from([0, 9]))
def test_wider_search_looks_into_the_promising_parts(tiles, seed, n, k, n_cells, n_groups, shift):
    look_into_promising_parts(tiles, seed, n, k, n_cells, n_groups, shift)


@pytest.mark.parametrize("tiles", [with_tiles, False])
@pytest.mark.parametrize("n_groups", [3, 50])
def test_wider_search_among_many(monkeypatch, tiles, n_groups):
    """More means than are told apart at a time, in blocks of more queries than are."""
    monkeypatch.setattr(widen_module, "fixed_size", lambda *_: 500)
    look_into_promising_parts(tiles, 3, 1500, 5, 300, n_groups, 0)


def look_into_promising_parts(tiles, seed, n, k, n_cells, n_groups, shift):
    """What is found is the best of the parts that are promising, by a naive account of these in float64."""
    rng = np.random.default_rng(seed)
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = rounded(shift + rng.standard_normal((n_cells, 5))[home] + 0.7 * rng.standard_normal((n, 5)))
    starts = np.searchsorted(home, np.arange(n_cells + 1))
    cells = Cells(Points.of(vectors), starts)
    group_of = np.sort(rng.integers(n_groups, size=n_cells))
    outline = Outline.of(cells, np.searchsorted(group_of, np.arange(n_groups + 1)))
    best = Best.none(n, k)
    scan(cells.points, cells, best, probes=home[:, None].copy())
    part = np.unique(home.astype(np.int64) * n + (np.arange(n) - starts[home]) // 32, return_inverse=True)[1]
    exact = vectors.astype(np.float64)
    squares, middle = (exact**2).sum(axis=1), rounded(exact.mean(axis=0)[None])[0]

    def margins(members, worst, within):
        """By how much worst scores lie farther than `within` units above the mean of members', at least and at most.

        In products with the queries, the mean is rounded, and made up for on the side of the members. So are lengths
        of queries, and what is multiplied with these: either way, where they are halfway.
        """
        mean, square = exact[members].mean(axis=0), squares[members].mean()
        near = rounded(mean[None])[0]
        score = exact @ near - squares / 2 - square / 2 - mean @ (near - mean)
        spread = ((exact[members] - mean) ** 2).sum(axis=1).mean() ** 0.5
        from_middle = ((exact - middle) ** 2).sum(axis=1)
        of_members = within * spread * from_middle[members].mean() ** 0.5
        more, less = (
            rounded(way * from_middle[None] ** 0.5)[0].astype(float) * rounded(np.full((1, 1), way * within * spread))
            for way in (1 + 1e-5, 1 - 1e-5)
        )
        return np.stack([worst - score - of_members - of_queries[0] for of_queries in (more, less)])

    reach, seen = Reach.none(n), home[:, None] == home
    score = -((vectors[:, None].astype(float) - vectors[None].astype(float)) ** 2).sum(axis=2) / 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(widen_module, "rows_of", partial(rows_of, tiles=tiles))
        for within in (0.1, 0.3, 1e9):
            worst, doubtful = np.where(best.scores[:, k - 1] == 0, np.inf, best.scores[:, k - 1]), 0
            reach = widen(cells.points, cells.points, outline, best, reach, k=k, within=within, caution=3, device="cpu")
            by_group = {group: margins(group_of[home] == group, worst, 1.75 * within) for group in set(group_of[home])}
            for one in range(part.max() + 1):
                members = part == one
                both = np.stack([by_group[group_of[home[members][0]]], margins(members, worst, within)])
                sure = both + 1e-4 * (1 + shift**2) * np.array([[[-1], [1]]])
                doubtful += np.sum((sure[:, 0] <= 0) != (sure[:, 1] <= 0))
                seen[np.ix_((both[:, 0] <= 0).all(axis=0), members)] = True
            if n <= 200:
                assume(doubtful == 0)
            expected = np.sort(np.where(seen, score, -np.inf), axis=1)[:, ::-1][:, :k]
            found = np.take_along_axis(score, best.found.clip(min=0), axis=1)
            found[best.found < 0] = -np.inf
            near = np.isclose(found[:, : expected.shape[1]], expected, atol=1e-5 * (1 + shift**2))
            assert np.sum(~near.all(axis=1)) <= doubtful


@pytest.mark.parametrize("shift", [0, 2])
def test_how_much_is_promising_does_not_depend_on_the_origin(monkeypatch, shift):
    """Features far from it, such as those behind a ReLU, are searched in as few parts."""
    listed, promising = [], widen_module._promising
    monkeypatch.setattr(
        widen_module, "_promising", lambda *given: listed.append(len((lists := promising(*given))[0])) or lists
    )
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((800, 16))
    vectors = (centres[rng.integers(800, size=16000)] + 0.5 * rng.standard_normal((16000, 16))).astype(np.float32)
    arrangement = arrange(Vectors(vectors, "l2"), k=10, seed=0)
    moved = arrangement.points.vectors + np.float32(shift)
    points = Points.of(moved)
    outline = Outline.of(Cells(points, arrangement.starts), np.array([0, len(arrangement.starts) - 1]))
    best = Best.none(len(moved), 10)
    scan(points, Cells(points, arrangement.starts), best, probes=arrangement.probed)
    widen(points, points, outline, best, Reach.none(len(moved)), k=10, within=0.17, caution=3, device="cpu")
    assert sum(listed) < 0.5 * len(moved) * len(outline.parts.halves)


@pytest.mark.parametrize("share", [0.35, 0.6])
@pytest.mark.parametrize(("caution", "share_left"), [(3, 0.7), (1, 0.55), (0, 0.5)])
def test_likely_tails_lose_next_to_nothing(share, caution, share_left):
    """Of members that are better, hardly one is ruled out, though far fewer of the others are left."""
    rng = np.random.default_rng(0)
    spectrum = np.where(np.arange(512) < 20, 1, 0.08)
    queries = rng.standard_normal((300, 512)) * spectrum
    near = share * queries[:, None] + (1 - share**2) ** 0.5 * rng.standard_normal((300, 40, 512)) * spectrum
    vectors = np.vstack((queries, near.reshape(-1, 512))).astype(np.float32)
    points = along_own_axes(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    scores = points.vectors[:300] @ points.vectors.T - 1
    last = np.sort(scores, axis=1)[:, -11]
    best = Best(np.repeat(last[:, None], 10, axis=1), np.zeros((300, 10), np.int32))
    margins = [caution * deviation for deviation in widen_module._deviations(points)]
    likely = widen_module._with_likely_tails(points.take(slice(300)), best, margins)
    heads, necks = ((unpacked(given), unpacked(words).T) for given, words in zip(likely[1:3], points[1:3], strict=True))
    of_heads = heads[0] @ heads[1]
    of_necks = of_heads - np.outer(heads[0][:, 0], heads[1][0]) + necks[0] @ necks[1]
    rigorous = unpacked(points.heads[:300]) @ heads[1]
    better = scores > last[:, None]
    for bounds in (of_heads, of_necks):
        assert np.mean(bounds[better] - 1 > np.broadcast_to(last[:, None], better.shape)[better]) > 0.9995
    left, left_before = (np.sum(bounds - 1 > last[:, None]) for bounds in (of_heads, rigorous))
    assert left < share_left * left_before


def test_likely_tails_are_whole_where_nothing_is_known():
    """No score yet, or vectors whose heads are all that there is of them."""
    rng = np.random.default_rng(0)
    for dim, make in ((128, along_own_axes), (5, Points.of)):
        points = make(rng.standard_normal((50, dim)).astype(np.float32) / np.arange(1, dim + 1).astype(np.float32))
        scores = np.full(50, -np.inf, np.float32) if dim == 128 else np.zeros(50, np.float32) - 0.9 * points.halves
        best = Best(scores[:, None], np.zeros((50, 1), np.int32))
        likely = widen_module._with_likely_tails(points, best, [3 * one for one in widen_module._deviations(points)])
        np.testing.assert_array_equal(likely.heads, points.heads)
        np.testing.assert_array_equal(likely.necks, points.necks)


def test_lengths_that_differ_lose_nothing():
    """Of vectors in one direction, tails are alike, whatever their distance."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((50, 512)) / np.arange(1, 513) ** 0.75
    vectors = np.repeat(directions, 12, axis=0) * rng.uniform(0.2, 3, 600)[:, None]
    points = along_own_axes(vectors.astype(np.float32))
    assert points.heads.shape[1] < 256
    cells = Cells(points, np.arange(0, 601, 12))
    outline = Outline.of(cells, np.array([0, 50]))
    expected = nearest(points, points, 30)
    start = Best(*(np.ascontiguousarray(array[:, ::3]) for array in expected))
    widen(points, points, outline, start, Reach.none(600), k=10, within=1e9, caution=3, device="cpu")
    np.testing.assert_allclose(start.scores, expected.scores[:, :10], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("padding", [0, 1500])
def test_tails_in_use_are_likely_and_lose_next_to_nothing(monkeypatch, padding):
    """From what one's own cell holds to the neighbours among all; coordinates that hold nothing change nothing."""
    asking, looking = [], widen_module.scan_lists
    monkeypatch.setattr(
        widen_module, "scan_lists", lambda one, *given, **by: asking.append(one) or looking(one, *given, **by)
    )
    rng = np.random.default_rng(0)
    spectrum = 1 / np.arange(1, 257) ** 0.75
    centres = rng.standard_normal((150, 256)) * spectrum
    vectors = centres[rng.integers(150, size=4000)] + 0.8 * rng.standard_normal((4000, 256)) * spectrum
    vectors = np.hstack((vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.zeros((4000, padding))))
    points = along_own_axes(vectors.astype(np.float32))
    cells = Cells(points, np.arange(0, 4001, 50))
    best = Best.none(4000, 12)
    scan(points, cells, best, probes=(np.arange(4000) // 50).astype(np.int32)[:, None])
    outline = Outline.of(cells, np.array([0, 80]))
    widen(points, points, outline, best, Reach.none(4000), k=10, within=1e9, caution=3, device="cpu")
    assert np.mean(best.scores[:, 9] >= nearest(points, points, 12).scores[:, 9] - 1e-5) > 0.99
    tails, likely = (unpacked(np.vstack([one.heads for one in some]))[:, 0] for some in ([points], asking))
    assert likely.mean() < 0.8 * tails.mean()
