import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import devices, knn
from cdp.features import normalize
from cdp.knn import exact, knn_graph

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
def test_tiles_of_the_exact_search_do_not_change_the_graph(seed, n, k, rows, columns):
    features = rows_with_ties(seed, n, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_ROWS", rows)
        patch.setattr(exact, "_COLUMNS", columns)
        graph = knn_graph(features, k=k + 1, backend="exact", device="cpu")
    np.testing.assert_array_equal(graph.idx, oracle(features, k + 1)[0])


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(1, 9), st.integers(1, 60))
def test_torch_search_proposes_the_nearest_with_ties_by_index(seed, n, width, rows, columns):
    features = rows_with_ties(seed, n, 4)
    normalized = normalize(features)
    width = min(width, n)
    cosine = cosines(features)
    expected = [sorted(sorted(range(n), key=lambda j, i=i: (-cosine[i][j], j))[:width]) for i in range(n)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_ROWS", rows)
        patch.setattr(exact, "_COLUMNS", columns)
        found = exact.search_torch(normalized, width, "cpu")
        on_cpu = exact._search_cpu(normalized, width)
    assert np.sort(found, axis=1).tolist() == expected
    assert np.sort(on_cpu, axis=1).tolist() == expected


def test_torch_search_agrees_with_the_cpu_on_random_rows_over_several_tiles(monkeypatch):
    monkeypatch.setattr(exact, "_ROWS", 64)
    monkeypatch.setattr(exact, "_COLUMNS", 100)
    normalized = normalize(np.random.default_rng(0).standard_normal((500, 32)))
    found = exact.search_torch(normalized, 20, "cpu")
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(exact._search_cpu(normalized, 20), axis=1))


@pytest.mark.skipif(not has_cuda(), reason="needs a GPU")
def test_gpu_gives_the_same_graph_as_the_cpu(monkeypatch):
    monkeypatch.setattr(exact, "_COLUMNS", 100)
    features = rows_with_ties(0, 400, 16)
    on_gpu, on_cpu = (knn_graph(features, k=12, backend="exact", device=device) for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(on_gpu.idx, on_cpu.idx)
    np.testing.assert_array_equal(on_gpu.dist, on_cpu.dist)


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
        patch.setitem(knn._BACKENDS, "exact", lambda normalized, **_: proposals)
        graph = knn_graph(features, k=k, backend="exact", device="cpu")
    assert_row_contract(graph, n, k)
    for i in range(n):
        others = sorted(set(proposals[i].tolist()) - {i, -1}, key=lambda j: (-cosine[i][j], j))[: k - 1]
        assert graph.idx[i].tolist() == [i, *others, *[-1] * (k - 1 - len(others))]


def test_backend_gets_its_own_settings_only():
    calls = []

    def spy(normalized, *, k, device, threads, **settings):
        calls.append(settings)
        return exact.search(normalized, k=k, device=device, threads=threads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(knn._BACKENDS, "nmslib", spy)
        knn_graph(np.eye(3), k=2, backend="nmslib", device="cpu", settings={"nmslib": {"M": 32}, "exact": {"no": 1}})
    assert calls == [{"M": 32}]


@pytest.mark.parametrize(("n", "gpu", "chosen"), [(5, False, "exact"), (6, False, "nmslib"), (6, True, "exact")])
def test_auto_backend_is_approximate_only_for_many_samples_without_a_gpu(monkeypatch, n, gpu, chosen):
    calls = []
    for backend in ("exact", "nmslib"):

        def spy(normalized, *, k, device, threads, backend=backend):
            calls.append(backend)
            return np.tile(np.arange(len(normalized)), (len(normalized), 1))

        monkeypatch.setitem(knn._BACKENDS, backend, spy)
    monkeypatch.setattr(knn, "_EXACT_UP_TO", 5)
    monkeypatch.setattr(devices, "cuda_available", lambda: gpu)
    knn_graph(np.eye(n), k=2)
    assert calls == [chosen]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"k": 1}, "k must be at least 2 .* not 1"),
        ({"k": -3}, "k must be at least 2 .* not -3"),
        ({"metric": "euclidean"}, "metric must be 'cosine', not 'euclidean'"),
        ({"backend": "annoy"}, "backend must be one of auto, exact, nmslib, not 'annoy'"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, not 'tpu'"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
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
