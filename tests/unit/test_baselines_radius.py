import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from cdp.baselines import radius
from cdp.baselines.radius import _heads, _project, for_each_pair, pairs_within, product_error
from cdp.features import load_features, normalize
from cdp.threads import limit_threads


def found_within(vectors, distance):
    blocks = []
    pairs_within(vectors, distance, blocks.append)
    return sorted(map(tuple, np.concatenate([np.empty((0, 2), np.int32), *blocks]).tolist()))


def all_within(vectors, distance):
    distances = squareform(pdist(vectors.astype(np.float64)))
    return [(int(i), int(j)) for i, j in np.argwhere(distances <= distance) if i < j]


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(radius, "_ROWS", 7)
    monkeypatch.setattr(radius, "_COLUMNS", 5)


@given(
    n=st.integers(1, 40),
    dim=st.integers(1, 6),
    grid=st.integers(1, 3),
    seed=st.integers(0, 999),
    distance=st.floats(0, 2.5),
)
def test_pairs_are_those_of_the_definition(n, dim, grid, seed, distance):
    vectors = normalize(np.random.default_rng(seed).integers(1, grid + 1, (n, dim)))
    assert found_within(vectors, distance) == all_within(vectors, distance)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("distance", [0.0, 0.7, 1.2, 1.4, 2.0, 9.0, np.inf])
def test_tiles_leave_no_pair_out_and_repeat_none(distance, threads):
    rng = np.random.default_rng(1)
    vectors = normalize(np.concatenate([rng.standard_normal((40, 8)), np.ones((6, 8))]))
    with limit_threads(threads):
        assert found_within(vectors, distance) == all_within(vectors, distance)


@pytest.mark.parametrize("i", range(12))
def test_a_pair_just_at_the_distance_is_within_it(i):
    vectors = normalize(np.random.default_rng(i).standard_normal((60, 64)))
    distances = pdist(vectors.astype(np.float64))
    at = np.sort(distances)[len(distances) // 2]
    assert len(found_within(vectors, at)) == np.sum(distances <= at)
    assert len(found_within(vectors, np.nextafter(at, 0))) == np.sum(distances < at)


@pytest.mark.parametrize("dim", [1, 2, 64, 300])
def test_products_are_within_their_error(dim):
    rng = np.random.default_rng(dim)
    vectors = normalize(np.abs(rng.standard_normal((300, dim))))  # sums without cancellation round most
    half_squares = squareform(pdist(vectors.astype(np.float64))) ** 2 / 2
    anything = np.full(len(vectors), -2, np.float32)
    found = []
    for_each_pair(vectors, lambda: anything, lambda *part: found.append(part))
    pairs, products = map(np.concatenate, zip(*found, strict=True))
    assert sorted(map(tuple, pairs.tolist())) == [(i, j) for i in range(300) for j in range(i + 1, 300)]
    assert np.abs(products - (1 - half_squares[pairs[:, 0], pairs[:, 1]])).max() <= product_error(dim)


@pytest.fixture
def short_heads(monkeypatch):
    monkeypatch.setattr(radius, "_SAMPLES", 60)


def in_few_directions(n, dim, width, tail, seed=0):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    scales = np.where(np.arange(dim) < width, 1, tail * width**0.5 / dim**0.5)
    groups = np.repeat(rng.standard_normal((n // 4, dim)), 4, axis=0) + 0.3 * rng.standard_normal((n, dim))
    return normalize(groups * scales @ basis)


@pytest.mark.usefixtures("small_tiles", "short_heads")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("distance", "share"), [(0.3, 0.002), (0.6, 0.004), (1.2, 0.1), (1.6, 0.9)])
def test_heads_leave_no_pair_out(distance, share, threads):
    """Whether few pairs are within the distance or so many that whole vectors are multiplied."""
    vectors = in_few_directions(400, 64, 12, 0.3)
    assert (_heads(vectors, np.full(len(vectors), 1 - distance**2 / 2, np.float32))[0] is vectors) == (distance > 1)
    expected = all_within(vectors, distance)
    assert share / 4 < len(expected) / (400 * 399 / 2) < 4 * share
    with limit_threads(threads):
        assert found_within(vectors, distance) == expected


@pytest.mark.usefixtures("short_heads")
def test_samples_may_ask_for_different_products():
    vectors = in_few_directions(400, 64, 12, 0.3)
    reach = np.random.default_rng(1).uniform(0.6, 1, 400).astype(np.float32)
    assert _heads(vectors, reach)[0] is not vectors
    found = []
    for_each_pair(vectors, lambda: reach, lambda pairs, _: found.extend(map(tuple, pairs.tolist())))
    products = vectors.astype(np.float64) @ vectors.T
    asked = np.minimum(reach, reach[:, None])
    assert {(i, j) for i, j in np.argwhere(products >= asked + 1e-5).tolist() if i < j} <= set(found)
    assert set(found) <= {(i, j) for i, j in np.argwhere(products >= asked - 1e-5).tolist() if i < j}
    assert len(found) == len(set(found))


@pytest.mark.parametrize("tail", [0, 1e-6, 1e-4, 1e-2, 0.5])
@pytest.mark.parametrize("skew", [0, 1e-4])
def test_no_product_is_above_that_of_heads_and_slack(tail, skew):
    vectors = in_few_directions(300, 128, 20, tail, seed=3)
    vectors[::7] = normalize(vectors[::7] + np.float32(0.5) * normalize(vectors[:1, ::-1]))  # some with a long tail
    rng = np.random.default_rng(0)
    directions = np.linalg.svd(vectors.astype(np.float64))[2][:24].T
    axes = np.ascontiguousarray(directions + skew * rng.standard_normal(directions.shape), np.float32)
    heads, slack = _project(vectors, axes)
    products = vectors.astype(np.float64) @ vectors.T
    assert (heads.astype(np.float64) @ heads.T + float(slack) >= products).all()
    assert slack < (1e-3 if skew == 0 else 1e-2)


def test_real_data():
    vectors = normalize(load_features("data/unlabeled/demo/features/vgg.npy")[:3000])
    for distance in (0.4, 0.9):
        assert found_within(vectors, distance) == all_within(vectors, distance)
