import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import devices, knn
from cdp.features import normalize
from cdp.knn import exact, knn_graph
from cdp.knn import scan as scanning
from cdp.knn.best import Best, close_heap, holds, offer, open_heap
from cdp.knn.points import Points, principal_axes
from cdp.knn.proposal import Proposal
from cdp.knn.refine import new_since, refine
from cdp.knn.scan import Cells, scan, scan_torch
from cdp.knn.widen import Outline, Reach, widen

SEEDS = st.integers(0, 2**32 - 1)


def has_cuda():
    import torch

    return torch.cuda.is_available()


def rows_with_ties(seed, n, kind):
    """Rows whose normalised dot products are exact in float32, so that ties are ties."""
    rng = np.random.default_rng(seed)
    if kind == "one-hot":
        return np.eye(5, dtype=np.float32)[rng.integers(5, size=n)] * rng.integers(1, 9, (n, 1)).astype(np.float32)
    distinct = rng.choice([-1.0, 1.0], (max(1, n // 2), kind))
    return distinct[rng.integers(len(distinct), size=n)].astype(np.float32)


def cosines(features):
    """Cosines of all rows, in float64, with plain loops."""
    rows = [[float(x) for x in row] for row in features]
    norms = [sum(x * x for x in row) ** 0.5 for row in rows]
    return [
        [sum(x * y for x, y in zip(a, b, strict=True)) / (na * nb) for b, nb in zip(rows, norms, strict=True)]
        for a, na in zip(rows, norms, strict=True)
    ]


def oracle(features, k):
    """DESIGN 4.1, literally: i first, then the others by falling cosine, ties by index, -1 where none are left."""
    cosine = cosines(features)
    n = len(cosine)
    idx, dist = [], []
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: (-cosine[i][j], j))[: k - 1]
        missing = k - 1 - len(others)
        idx.append([i, *others, *[-1] * missing])
        dist.append([0.0, *(1 - cosine[i][j] for j in others), *[float("inf")] * missing])
    return np.array(idx), np.array(dist)


def assert_row_contract(graph, n, k):
    assert graph.idx.shape == graph.dist.shape == (n, k)
    assert graph.idx.dtype == np.int32
    assert graph.dist.dtype == np.float32
    assert graph.idx[:, 0].tolist() == list(range(n))
    assert np.all(graph.dist[:, 0] == 0)
    for neighbors, distances in zip(graph.idx.tolist(), graph.dist.tolist(), strict=True):
        found = [j for j in neighbors if j >= 0]
        assert len(set(found)) == len(found)
        assert neighbors == found + [-1] * (k - len(found))
        assert [d == float("inf") for d in distances] == [j == -1 for j in neighbors]
        assert distances == sorted(distances)


@settings(max_examples=1000)
@given(SEEDS, st.integers(1, 24), st.integers(2, 30), st.sampled_from(["one-hot", 4, 16]))
def test_exact_search_orders_ties_by_index(seed, n, k, kind):
    features = rows_with_ties(seed, n, kind)
    graph = knn_graph(features, k=k, backend="exact", device="cpu")
    idx, dist = oracle(features, k)
    assert_row_contract(graph, n, k)
    np.testing.assert_array_equal(graph.idx, idx)
    np.testing.assert_allclose(graph.dist, dist, atol=1e-6)


@settings(max_examples=500)
@given(SEEDS, st.integers(1, 24), st.integers(2, 30), st.integers(1, 9))
def test_exact_search_finds_the_nearest_of_random_rows(seed, n, k, dim):
    features = np.random.default_rng(seed).standard_normal((n, dim))
    graph = knn_graph(features, k=k, backend="exact", device="cpu")
    _, dist = oracle(features, k)
    assert_row_contract(graph, n, k)
    np.testing.assert_allclose(graph.dist, dist, atol=1e-6)
    cosine = np.array(cosines(features))
    for i, (neighbors, distances) in enumerate(zip(graph.idx, graph.dist, strict=True)):
        there = neighbors >= 0
        np.testing.assert_allclose(distances[there], 1 - cosine[i, neighbors[there]], atol=1e-6)


@settings(max_examples=300)
@given(SEEDS, st.integers(2, 40), st.integers(1, 12), st.integers(1, 9), st.integers(1, 9))
def test_tiles_of_the_search_do_not_change_the_graph(seed, n, k, rows, columns):
    points = Points.of(normalize(rows_with_ties(seed, n, 4)))
    tiled, whole = Best.none(n, min(k, n)), Best.none(n, min(k, n))
    starts = np.arange(0, n + columns, columns).clip(max=n)
    scan(points, Cells(points, starts), tiled, probes=np.tile(np.arange(len(starts) - 1, dtype=np.int32), (n, 1)))
    scan(points, Cells.one(points), whole, block=rows)
    np.testing.assert_array_equal(tiled.found, whole.found)
    np.testing.assert_array_equal(tiled.scores, whole.scores)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), max_size=40, unique_by=lambda entry: entry[1]))
def test_heap_keeps_the_best_and_of_equals_the_earlier(entries):
    best = Best.none(3, 7)
    scores, found = best.scores[1], best.found[1]
    for part in (entries[:15], entries[15:]):
        open_heap(*best, 1)
        for score, position in sorted(part, key=lambda entry: entry[1]):
            if score > scores[0]:
                offer(score, position, *best, 1)
                assert holds(best.found, 1, 7, position)
        close_heap(*best, 1)
        assert list(scores) == sorted(scores, reverse=True)
    assert np.all(best.found[[0, 2]] == -1)
    assert sorted(scores[scores > -np.inf]) == sorted(score for score, _ in entries)[-7:]
    alone = sorted(entries, key=lambda entry: (-entry[0], entry[1]))[:7]
    if len(entries) <= 15:
        assert list(zip(scores, found, strict=True))[: len(alone)] == alone


def decaying(seed, n, dim):
    """Vectors most of whose length lies in few directions, as embeddings have it; turned at random."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return ((rng.standard_normal((n, dim)) / (1 + np.arange(dim) / 8)) @ rotation).astype(np.float32)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 200), st.sampled_from([3, 64, 90, 300]), st.booleans(), st.sampled_from([1e-6, 1.0, 1e5]))
def test_heads_bound_products(seed, n, dim, decays, scale):
    rng = np.random.default_rng(seed)
    vectors = decaying(seed, n, dim) if decays else rng.standard_normal((n, dim)).astype(np.float32)
    vectors *= np.float32(scale)
    axes = principal_axes(vectors)
    points = Points.of(vectors, axes)
    heads = points.heads.astype(np.float64)
    np.testing.assert_allclose(heads[:, -1], -(vectors.astype(float) ** 2).sum(axis=1) / 2, rtol=1e-5)
    true = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    bounds = heads[:, :-1] @ heads[:, :-1].T
    assert np.all(bounds >= true - 1e-7 * np.abs(true))
    necks = points.necks.astype(np.float64)
    closer = bounds - np.outer(heads[:, -2], heads[:, -2]) + necks @ necks.T
    assert np.all(closer >= true - 1e-7 * np.abs(true))
    if axes is not None:
        assert np.all(closer <= bounds + 1e-5 * np.abs(bounds).max())
        assert 2 * axes.heads.shape[1] <= dim
        directions = np.hstack(axes)
        np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-4)


def test_axes_are_the_principal_ones():
    vectors = decaying(0, 2000, 600)
    axes = principal_axes(vectors)
    assert axes.heads.shape[1] in (30, 62)
    for directions in (axes.heads, np.hstack(axes)):
        best = np.linalg.svd(vectors.astype(np.float64))[2][: directions.shape[1]]
        assert (vectors @ directions).var() >= 0.999 * (vectors @ best.T).var()
    assert principal_axes(np.random.default_rng(0).standard_normal((2000, 600)).astype(np.float32)) is None


def test_scan_by_heads_loses_nothing():
    vectors = normalize(decaying(1, 700, 100))
    whole, by_heads = Best.none(700, 20), Best.none(700, 20)
    scan(Points.of(vectors), Cells.one(Points.of(vectors)), whole)
    points = Points.along_own_axes(vectors)
    assert points.heads.shape[1] < 60
    scan(points, Cells.one(points), by_heads)
    np.testing.assert_array_equal(by_heads.found, whole.found)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(2, 80), st.integers(1, 6), st.integers(1, 12), st.integers(1, 4))
def test_wider_search_looks_into_the_promising_cells(seed, n, k, n_cells, n_groups):
    rng = np.random.default_rng(seed)
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = (rng.standard_normal((n_cells, 5))[home] + 0.7 * rng.standard_normal((n, 5))).astype(np.float32)
    cells = Cells(Points.of(vectors), np.searchsorted(home, np.arange(n_cells + 1)))
    group_of = np.sort(rng.integers(n_groups, size=n_cells))
    outline = Outline.of(cells, np.searchsorted(group_of, np.arange(n_groups + 1)))
    best = Best.none(n, k)
    scan(cells.points, cells, best, probes=home[:, None].copy())

    def promising(i, members, worst, within):
        """Whether the worst score lies at most `within` units above the mean of the members', in float64."""
        members = vectors[members].astype(float)
        mean = members.mean(axis=0)
        spread = ((members - mean) ** 2).sum(axis=1).mean() ** 0.5
        gap = worst + ((members - vectors[i]) ** 2).sum(axis=1).mean() / 2
        return gap - within * spread * np.linalg.norm(vectors[i] - mean)

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
        if doubtful:
            return
        expected = np.sort(np.where(seen, score, -np.inf), axis=1)[:, ::-1][:, :k]
        found = np.take_along_axis(score, best.found.clip(min=0), axis=1)
        found[best.found < 0] = -np.inf
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-5)


def scan_by_hand(queries, vectors, cell_of, probes, width):
    """For each query the vectors of its cells by falling score, ties by position."""
    rows = []
    for query, mine in zip(queries.astype(float), probes.tolist(), strict=True):
        seen = [j for j, cell in enumerate(cell_of) if cell in mine]
        score = {j: query @ vectors[j] - vectors[j] @ vectors[j] / 2 for j in seen}
        rows.append((sorted(seen, key=lambda j: (-score[j], j)) + [-1] * width)[:width])
    return np.array(rows)


def distances(query, vectors, found):
    """Squared distances of what was found, None where nothing was."""
    return [float(((query - vectors[j]) ** 2).sum()) if j >= 0 else None for j in found]


def on_cpu(queries, cells, best, lists, device):
    """What a GPU would do."""
    scan_torch(queries, cells, best, lists, "cpu")


@pytest.mark.parametrize("device", ["cpu", "torch on the cpu"])
@settings(max_examples=200)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(1, 60))
def test_scan_compares_with_the_probed_cells_only(device, seed, n, width, n_cells, rows, columns):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (n, 3)).astype(np.float32)  # products are exact, so ties are ties
    queries = Points.of(rng.integers(-3, 4, (7, 3)).astype(np.float32))
    cell_of = np.sort(rng.integers(n_cells, size=n))
    cells = Cells(Points.of(vectors), np.searchsorted(cell_of, np.arange(n_cells + 1)))
    probes = np.array([rng.permutation(n_cells) for _ in range(7)], np.int32)[:, : int(rng.integers(1, n_cells + 1))]
    probes[rng.random(probes.shape) < 0.2] = -1
    best = Best.none(7, width)
    if device == "cpu":
        scan(queries, cells, best, probes=probes, block=rows)
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scanning, "_GPU_ROWS", rows)
            patch.setattr(scanning, "_GPU_COLUMNS", columns)
            patch.setattr(scanning, "scan_torch", on_cpu)
            scan(queries, cells, best, probes=probes, device="torch")
    expected = scan_by_hand(queries.vectors, vectors, cell_of, probes, width)
    assert [distances(queries.vectors[q], vectors, found) for q, found in enumerate(best.found)] == [
        distances(queries.vectors[q], vectors, found) for q, found in enumerate(expected)
    ]  # which of equals are found depends on the order of the cells
    for q, found in enumerate(best.found):
        assert set(cell_of[found[found >= 0]]) <= set(probes[q])
        assert len(set(found[found >= 0])) == np.count_nonzero(found >= 0)


def test_scan_on_torch_agrees_over_several_tiles(monkeypatch):
    monkeypatch.setattr(scanning, "_GPU_ROWS", 64)
    monkeypatch.setattr(scanning, "_GPU_COLUMNS", 100)
    monkeypatch.setattr(scanning, "scan_torch", on_cpu)
    points = Points.of(normalize(np.random.default_rng(0).standard_normal((500, 32))))
    here, there = Best.none(500, 20), Best.none(500, 20)
    scan(points, Cells.one(points), here)
    for _ in range(2):  # what is known is not found again
        scan(points, Cells.one(points), there, device="torch")
    np.testing.assert_array_equal(here.found, there.found)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(2, 60), st.integers(2, 8), st.integers(1, 5), st.booleans())
def test_refinement_compares_with_neighbours_of_neighbours(seed, n, k, n_cells, again):
    rng = np.random.default_rng(seed)
    home = np.sort(rng.integers(n_cells, size=n)).astype(np.int32)
    vectors = rng.standard_normal((n, 4)).astype(np.float32)
    cells = Cells(Points.of(vectors), np.searchsorted(home, np.arange(n_cells + 1)))
    probes = home[:, None].copy()
    best, before = Best.none(n, k), Best.none(n, k)
    scan(cells.points, cells, best, probes=probes)
    if again:  # some of what is found was known before
        before = best.copy()
        before.found[rng.random((n, k)) < 0.5] = -1
    new = new_since(before.found, best.found, k)
    refined = refine(cells.points, best, new, home=home, probes=probes, rows=np.arange(n))
    rows = rng.integers(0, n, 10)
    some = refine(cells.points, best, new, home=home, probes=probes, rows=rows)
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


def clustered(n, dim=16, seed=0):
    """Samples around a few dozen centres, as embeddings lie."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((max(1, n // 40), dim))
    return (centers[rng.integers(len(centers), size=n)] + 0.4 * rng.standard_normal((n, dim))).astype(np.float32)


def true_recall(graph, features, k):
    """Share of the k - 1 nearest others that were found, over all samples."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    last = np.sort(cosine, axis=1)[:, -(k - 1)]
    return np.mean([cosine[i, row[1:]] >= last[i] - 1e-6 for i, row in enumerate(graph.idx)])


@pytest.mark.parametrize(("backend", "own"), [("cells", {"probes": 1, "cell_size": 8}), ("faiss", {"probes": 1})])
def test_search_goes_on_until_the_recall_is_reached(backend, own):
    features = np.random.default_rng(0).standard_normal((4000, 16)).astype(np.float32)
    first, better, whole = (
        knn_graph(features, k=8, backend=backend, recall=recall, settings={backend: own})
        for recall in (None, 0.95, 1.0)
    )
    assert first.recall < 0.95
    assert better.recall >= 0.95
    assert true_recall(better, features, 8) >= 0.94
    assert true_recall(whole, features, 8) > 0.999
    assert abs(first.recall - true_recall(first, features, 8)) < 0.02
    assert_row_contract(better, 4000, 8)


def test_unreachable_recall_is_told():
    features = clustered(3000, dim=64)
    with pytest.warns(UserWarning, match=r"recall of the kNN search is 0\.\d+ at its most thorough; the target is 1"):
        knn_graph(
            features,
            k=10,
            backend="nmslib",
            threads=1,
            recall=1.0,
            settings={"nmslib": {"M": 2, "ef_construction": 2, "ef_search": 1}},
        )


def test_cells_do_not_depend_on_threads_and_repeat_for_a_seed():
    features = clustered(3000)
    graphs = [
        knn_graph(features, k=7, backend="cells", threads=threads, seed=seed, recall=None, settings={"cells": SMALL})
        for threads, seed in ((1, 0), (2, 0), (2, 1))
    ]
    np.testing.assert_array_equal(graphs[0].idx, graphs[1].idx)
    np.testing.assert_array_equal(graphs[0].dist, graphs[1].dist)
    assert (graphs[0].idx != graphs[2].idx).any()


SMALL = {"cell_size": 8, "probes": 2}


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 80), st.integers(2, 30), st.sampled_from(["one-hot", 4, 16]))
def test_cells_searched_to_the_end_are_exact(seed, n, k, kind):
    features = rows_with_ties(seed, n, kind)
    graph = knn_graph(features, k=k, backend="cells", device="cpu", recall=1.0, settings={"cells": SMALL})
    assert_row_contract(graph, n, k)
    np.testing.assert_allclose(graph.dist, oracle(features, k)[1], atol=1e-6)


@pytest.mark.parametrize("backend", ["cells", "faiss", "exact"])
@pytest.mark.parametrize(
    "features",
    [
        np.ones((5000, 8)),
        np.repeat(np.random.default_rng(0).standard_normal((3, 8)), 1500, axis=0),
        np.random.default_rng(1).standard_normal((3000, 1)),
        np.random.default_rng(2).standard_normal((300, 4096)).astype(np.float16),
        np.random.default_rng(3).standard_normal((7, 5)),
        np.random.default_rng(4).standard_normal((1, 5)),
    ],
    ids=["all-equal", "duplicates", "dim-1", "dim-4096-float16", "fewer-than-k", "one"],
)
def test_odd_features(backend, features):
    k, n = 11, len(features)
    graph = knn_graph(features, k=k, backend=backend, device="cpu")
    assert_row_contract(graph, n, k)
    unit = features.astype(np.float64) / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    distances = 1 - unit[:: max(1, n // 50)] @ unit.T
    distances[np.arange(len(distances)), np.arange(0, n, max(1, n // 50))] = -1
    expected = np.sort(distances, axis=1)[:, 1:k]
    found = graph.dist[:: max(1, n // 50), 1 : 1 + expected.shape[1]]
    if backend == "exact" or n < 100:
        np.testing.assert_allclose(found, expected, atol=2e-6)
    assert n == 1 or np.mean(found <= expected[:, -1:] + 2e-6) >= 0.98


def test_k_larger_than_a_cell():
    features = clustered(2000)
    graph = knn_graph(features, k=300, backend="cells", settings={"cells": {"cell_size": 10}})
    assert_row_contract(graph, 2000, 300)
    assert true_recall(graph, features, 300) >= 0.985


def distances_by_hand(features, metric):
    a, b = features[:, None].astype(float), features[None].astype(float)
    if metric == "l1":
        return np.abs(a - b).sum(axis=2)
    if metric == "l2":
        return np.sqrt(((a - b) ** 2).sum(axis=2))
    return np.arccos(np.clip(cosines(features), -1, 1)) / np.pi


@pytest.mark.parametrize(
    ("metric", "backend"),
    [
        (metric, backend)
        for metric in ("angular", "l2", "l1")
        for backend in ("exact", "cells", "faiss", "nmslib")
        if metric != "l1" or backend in ("exact", "nmslib")
    ],
)
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_metrics(metric, backend, shift):
    features = clustered(400, dim=6, seed=3) + np.float32(shift if metric != "angular" else 0)
    graph = knn_graph(features, k=9, metric=metric, backend=backend, device="cpu", threads=1, recall=1.0)
    assert_row_contract(graph, 400, 9)
    expected = np.sort(distances_by_hand(features, metric), axis=1)[:, :9]
    close = np.isclose(graph.dist, expected, rtol=1e-4, atol=1e-5)
    assert close.mean() > (0.995 if backend == "nmslib" else 0.99999)


@pytest.mark.parametrize("backend", ["exact", "cells"])
@pytest.mark.parametrize(
    "features",
    [
        np.random.default_rng(0).standard_normal((800, 16)) + 1e4 * np.repeat([[1.0], [-1.0]], 400, axis=0),
        np.vstack([np.random.default_rng(1).standard_normal((800, 16)), np.full((1, 16), 1e8)]),
        np.random.default_rng(2).standard_normal((800, 16)) + 1e8,
        np.random.default_rng(3).standard_normal((800, 16)) * 1e-23,
        np.random.default_rng(4).standard_normal((800, 16)) * 1e12,
    ],
    ids=["far-clusters", "outlier", "offset", "tiny", "huge"],
)
def test_euclidean_distances_at_any_place_and_scale(features, backend):
    graph = knn_graph(features, k=8, metric="l2", backend=backend, recall=1.0, device="cpu")
    expected = np.sort(np.sqrt(((features[:, None] - features[None]) ** 2).sum(axis=2)), axis=1)[:, :8]
    np.testing.assert_allclose(graph.dist[:800], expected[:800], rtol=1e-3)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4])
def test_nearly_equal_rows_are_searched_to_the_end(noise):
    features = 1 + noise * np.random.default_rng(0).standard_normal((2000, 64))
    graph = knn_graph(features, k=15, backend="cells", recall=1.0, device="cpu", settings={"cells": SMALL})
    whole = knn_graph(features, k=15, backend="exact", device="cpu")
    np.testing.assert_allclose(graph.dist, whole.dist, atol=1e-7)
    assert graph.recall == 1


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e16])
def test_row_that_a_distance_cannot_use_is_named(metric, value):
    features = np.zeros((5, 3))
    assert knn_graph(features, k=2, metric=metric).dist.max() == 0
    features[3, 1] = value
    with pytest.raises(ValueError, match="row 3 .*holds NaN, infinity or a value beyond"):
        knn_graph(features, k=2, metric=metric)


@pytest.mark.skipif(not has_cuda(), reason="needs a GPU")
@pytest.mark.parametrize("backend", ["exact", "cells"])
def test_gpu_gives_the_same_graph_as_the_cpu(monkeypatch, backend):
    monkeypatch.setattr(scanning, "_GPU_COLUMNS", 100)
    features = rows_with_ties(0, 400, 16)
    on_gpu, on_cpu = (
        knn_graph(features, k=12, backend=backend, device=device, recall=1.0) for device in ("cuda", "cpu")
    )
    np.testing.assert_array_equal(on_gpu.idx, on_cpu.idx)
    np.testing.assert_array_equal(on_gpu.dist, on_cpu.dist)


def test_cells_on_torch_give_the_same_graph(monkeypatch):
    features = clustered(1500)
    own = {"cells": SMALL}
    here = knn_graph(features, k=7, backend="cells", device="cpu", recall=0.9, settings=own)
    monkeypatch.setattr(knn, "choose_device", lambda device: "torch")
    monkeypatch.setattr(scanning, "scan_torch", on_cpu)
    there = knn_graph(features, k=7, backend="cells", recall=0.9, settings=own)
    assert (here.idx == there.idx).mean() > 0.999
    np.testing.assert_allclose(here.dist, there.dist, atol=1e-3)


def test_graph_does_not_depend_on_the_length_of_rows_nor_on_threads():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((300, 8))
    scales = 2.0 ** rng.integers(-20, 20, (300, 1))
    one, two = knn_graph(features, k=7, threads=1), knn_graph(features * scales, k=7, threads=2)
    np.testing.assert_array_equal(one.idx, two.idx)
    np.testing.assert_allclose(one.dist, two.dist, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, ">f4"])
def test_any_number_type_gives_the_same_graph(dtype):
    features = rows_with_ties(2, 50, 16)
    np.testing.assert_array_equal(knn_graph(features.astype(dtype), k=6).idx, oracle(features, 6)[0])


def test_memory_mapped_features(tmp_path):
    features = rows_with_ties(3, 50, 16)
    np.save(tmp_path / "m.npy", features)
    mapped = np.load(tmp_path / "m.npy", mmap_mode="r")
    np.testing.assert_array_equal(knn_graph(mapped, k=6).idx, oracle(features, 6)[0])


def test_duplicates_have_distance_zero_and_the_sample_itself_comes_first():
    features = np.repeat(np.random.default_rng(4).standard_normal((1, 7)), 30, axis=0)
    graph = knn_graph(features, k=4)
    assert_row_contract(graph, 30, 4)
    np.testing.assert_allclose(graph.dist, 0, atol=1e-6)
    assert graph.idx[0].tolist() == [0, 1, 2, 3]
    assert graph.idx[29].tolist() == [29, 0, 1, 2]


def test_nmslib_has_high_recall_and_obeys_the_row_contract():
    features = np.random.default_rng(5).standard_normal((600, 16))
    graph = knn_graph(features, k=10, backend="nmslib", threads=1)
    assert_row_contract(graph, 600, 10)
    idx, _ = oracle(features, 10)
    found = sum(len(set(row) & set(truth)) for row, truth in zip(graph.idx.tolist(), idx.tolist(), strict=True))
    assert found >= 0.98 * idx.size
    cosine = np.array(cosines(features))
    there = graph.idx >= 0
    rows = np.nonzero(there)[0]
    np.testing.assert_allclose(graph.dist[there], 1 - cosine[rows, graph.idx[there]], atol=1e-6)


def test_nmslib_with_one_thread_is_reproducible():
    features = np.random.default_rng(6).standard_normal((300, 8))
    first, second = (knn_graph(features, k=5, backend="nmslib", threads=1) for _ in range(2))
    np.testing.assert_array_equal(first.idx, second.idx)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_nmslib_with_fewer_samples_than_k(n):
    features = np.random.default_rng(7).standard_normal((n, 8))
    graph = knn_graph(features, k=9, backend="nmslib", threads=1)
    assert_row_contract(graph, n, 9)
    np.testing.assert_array_equal(graph.idx, oracle(features, 9)[0])


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 15), st.integers(2, 12))
def test_any_proposal_of_a_backend_is_put_right(seed, n, k):
    """The sample itself missing or misplaced, neighbours unordered, fewer than k or more."""
    rng = np.random.default_rng(seed)
    features = rows_with_ties(seed, n, 4)
    width = int(rng.integers(1, n + 1))
    proposals = np.array([rng.permutation(n)[:width] for _ in range(n)])
    proposals[rng.random(proposals.shape) < 0.2] = -1
    cosine = cosines(features)
    with pytest.MonkeyPatch.context() as patch:
        proposal = Proposal(Points.of(normalize(features)), np.arange(n), proposals)
        patch.setitem(knn._BACKENDS, "exact", lambda vectors, **_: (proposal, 1.0))
        graph = knn_graph(features, k=k, backend="exact", device="cpu")
    assert_row_contract(graph, n, k)
    for i in range(n):
        others = sorted(set(proposals[i].tolist()) - {i, -1}, key=lambda j: (-cosine[i][j], j))[: k - 1]
        assert graph.idx[i].tolist() == [i, *others, *[-1] * (k - 1 - len(others))]


def test_backend_gets_its_own_settings_only():
    calls = []

    def spy(vectors, *, k, device, seed, sample, **settings):
        calls.append(settings)
        return exact.search(vectors, k=k, device=device, seed=seed, sample=sample)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(knn._BACKENDS, "nmslib", spy)
        knn_graph(np.eye(3), k=2, backend="nmslib", device="cpu", settings={"nmslib": {"M": 32}, "exact": {"no": 1}})
    assert calls == [{"M": 32}]


@pytest.mark.parametrize(
    ("n", "gpu", "metric", "chosen"),
    [
        (5, False, "cosine", "exact"),
        (6, False, "cosine", "cells"),
        (6, True, "cosine", "exact"),
        (6, False, "l1", "exact"),
        (6, True, "l1", "exact"),
    ],
)
def test_auto_backend_is_approximate_only_for_many_samples_without_a_gpu(monkeypatch, n, gpu, metric, chosen):
    calls = []
    for backend in ("exact", "cells"):

        def spy(vectors, *, backend=backend, **_):
            calls.append(backend)
            n = len(vectors)
            return Proposal(Points.of(vectors.arranged()), np.arange(n), np.tile(np.arange(n), (n, 1))), 1.0

        monkeypatch.setitem(knn._BACKENDS, backend, spy)
    monkeypatch.setattr(knn.exact, "_FEW", 5)
    monkeypatch.setattr(devices, "cuda_available", lambda: gpu)
    assert knn_graph(np.eye(n), k=2, metric=metric).recall == 1
    assert calls == [chosen]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 1}, "k must be at least 2 .* not 1"),
        ({"k": -3}, "k must be at least 2 .* not -3"),
        ({"metric": "euclidean"}, "metric must be one of cosine, angular, l2, l1, not 'euclidean'"),
        ({"backend": "annoy"}, "backend must be one of auto, cells, exact, faiss, nmslib, not 'annoy'"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, not 'tpu'"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"recall": 0}, "recall must be above 0 and at most 1, not 0"),
        ({"recall": 1.5}, "recall must be above 0 and at most 1, not 1.5"),
        ({"metric": "l1", "backend": "cells"}, "backend cells cannot do metric l1; choose exact or nmslib"),
        ({"settings": {"annoy": {}}}, "settings are by backend .* not for annoy"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        knn_graph(np.eye(4), **arguments)


@pytest.mark.parametrize(("value", "what"), [(0.0, "is all zeros"), (np.nan, "holds NaN or infinity")])
def test_row_that_cannot_be_normalised_is_named(value, what):
    features = np.ones((5, 3))
    features[3] = value
    with pytest.raises(ValueError, match=f"row 3 .*{what}"):
        knn_graph(features, k=2)
