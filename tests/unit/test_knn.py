import numpy as np
import pytest
from hypothesis import strategies as st

from cdp import devices, knn
from cdp.knn import choice, exact, knn_graph
from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from tests.unit.knn_graphs import (
    TORCH_ON_CPU,
    assert_row_contract,
    clustered,
    cosines,
    needs_gpu,
    oracle,
    rows_with_ties,
    true_recall,
)

SEEDS = st.integers(0, 2**32 - 1)


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
        np.vstack([np.random.default_rng(5).standard_normal((800, 16)) * 1e-6, np.full((3, 16), 1e15)]),
        np.random.default_rng(6).standard_normal((800, 16)) * 1e-50,
        np.vstack([np.random.default_rng(7).standard_normal((800, 16)) * 1e-25, np.zeros((900, 16))]),
        np.vstack([np.random.default_rng(8).standard_normal((800, 16)) * scale for scale in (1e-20, 1)]),
        np.vstack([np.random.default_rng(9).standard_normal((800, 128)) * scale for scale in (1e-19, 1)]),
    ],
    ids=[
        "far-clusters",
        "outlier",
        "offset",
        "tiny",
        "huge",
        "largest-outliers",
        "below-float32",
        "tiny-among-zeros",
        "tiny-among-others",
        "tiny-of-many-axes",
    ],
)
def test_euclidean_distances_at_any_place_and_scale(features, backend):
    graph = knn_graph(features, k=8, metric="l2", backend=backend, recall=1.0, device="cpu")
    expected = np.sort(np.sqrt(((features[:, None] - features[None]) ** 2).sum(axis=2)), axis=1)[:, :8]
    np.testing.assert_allclose(graph.dist[:800], expected[:800], rtol=1e-3, atol=1e-45)


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e16])
def test_row_that_a_distance_cannot_use_is_named(metric, value):
    features = np.zeros((5, 3))
    assert knn_graph(features, k=2, metric=metric).dist.max() == 0
    features[3, 1] = value
    with pytest.raises(ValueError, match="row 3 .*holds NaN, infinity or a value beyond"):
        knn_graph(features, k=2, metric=metric)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int64])
def test_rows_of_any_number_type_have_distances(metric, dtype):
    features = np.array([[0, 1], [3, -4], [100, -128]], dtype)
    expected = np.linalg.norm(features[:, None] - features[None].astype(float), ord=int(metric[1]), axis=2)
    np.testing.assert_allclose(knn_graph(features, k=3, metric=metric).dist, np.sort(expected), rtol=1e-6)


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("value", [np.float16(-np.inf), np.iinfo(np.int64).min])
def test_row_that_is_too_large_for_a_distance_is_named_whatever_its_type(metric, value):
    features = np.zeros((5, 3), np.asarray(value).dtype)
    features[3, 1] = value
    with pytest.raises(ValueError, match="row 3 .*a value beyond"):
        knn_graph(features, k=2, metric=metric)


@pytest.mark.parametrize("device", [TORCH_ON_CPU, pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(("backend", "n"), [("exact", 4000), ("cells", 400)])
def test_torch_gives_the_same_graph(monkeypatch, device, backend, n):
    features = rows_with_ties(0, n, 16)
    expected = knn_graph(features, k=12, backend=backend, device="cpu", recall=1.0)
    monkeypatch.setattr(choice, "choose_device", lambda device: device)
    found = knn_graph(features, k=12, backend=backend, device=device, recall=1.0)
    np.testing.assert_array_equal(found.dist, expected.dist)
    if backend == "exact":  # of equals, cells take those they meet first
        np.testing.assert_array_equal(found.idx, expected.idx)


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
    ("arguments", "chosen"),
    [
        ({}, ("cells", "cpu")),
        ({"metric": "l1"}, ("exact", "cpu")),
        ({"device": "cuda"}, ("exact", "cuda")),
        ({"device": "cuda", "backend": "cells"}, ("cells", "cuda")),
        ({"recall": 1}, ("exact", "cpu")),
    ],
)
def test_backend_and_device_are_those_that_are_chosen(monkeypatch, arguments, chosen):
    calls = []
    for backend in ("exact", "cells"):

        def spy(vectors, *, device, backend=backend, **_):
            calls.append((backend, device))
            n = len(vectors)
            return Proposal(Points.of(vectors.arranged()), np.arange(n), np.tile(np.arange(n), (n, 1))), 1.0

        monkeypatch.setitem(knn._BACKENDS, backend, spy)
    monkeypatch.setattr(choice, "_FEW", 5)
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert knn_graph(np.eye(6), k=2, **arguments).recall == 1
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


@pytest.mark.parametrize("shape", [(0, 8), (5, 0), (5,), ()])
@pytest.mark.parametrize("metric", ["cosine", "l2", "l1"])
def test_features_without_samples_or_columns_are_refused(shape, metric):
    with pytest.raises(ValueError, match="features must be samples x dim, with one of each at least, not"):
        knn_graph(np.ones(shape), k=2, metric=metric)


@pytest.mark.parametrize(("value", "what"), [(0.0, "is all zeros"), (np.nan, "holds NaN or infinity")])
def test_row_that_cannot_be_normalised_is_named(value, what):
    features = np.ones((5, 3))
    features[3] = value
    with pytest.raises(ValueError, match=f"row 3 .*{what}"):
        knn_graph(features, k=2)
