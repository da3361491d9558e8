import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from cdp.baselines import radius
from cdp.baselines.radius import for_each_tile, pairs_within, product_error
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
    tiles = []
    for_each_tile(vectors, lambda tile, row, column: tiles.append((tile, row, column)))
    for tile, row, column in tiles:
        rows, columns = tile.shape
        expected = 1 - half_squares[row : row + rows, column : column + columns]
        assert np.abs(tile - expected).max() <= product_error(dim)


def test_real_data():
    vectors = normalize(load_features("data/unlabeled/demo/features/vgg.npy")[:1500])
    for distance in (0.4, 0.9):
        assert found_within(vectors, distance) == all_within(vectors, distance)
