import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import scan_torch as scanning
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells, scan
from tests.unit.knn_graphs import TORCH_DEVICES, TORCH_ON_CPU

SEEDS = st.integers(0, 2**32 - 1)
RNG = np.random.default_rng(0)
CLOSE = RNG.standard_normal((8, 16)).repeat(60, axis=0)  # float16 cannot tell one from the other in a cluster
SETS = {
    "random": RNG.standard_normal((600, 16)),
    "close": CLOSE + 1e-5 * RNG.standard_normal(CLOSE.shape),
    "far": CLOSE * 1e4 + RNG.standard_normal(CLOSE.shape),
    "outlier": np.vstack([RNG.standard_normal((500, 16)), np.full((1, 16), 1e5)]),
    "off": 1e3 + RNG.standard_normal((600, 16)),
    "tiny": RNG.standard_normal((600, 16)) * 1e-18,
    "huge": RNG.standard_normal((600, 16)) * 1e15,
    "one dimension": RNG.standard_normal((600, 1)),
    "many": RNG.standard_normal((400, 1500)),
}


def by_hand(queries, members, width):
    """The squared distances of the nearest members, and where they are; of equals, the first."""
    squares = ((queries[:, None].astype(float) - members[None].astype(float)) ** 2).sum(axis=2)
    order = np.argsort(squares, axis=1, kind="stable")[:, :width]
    return np.take_along_axis(squares, order, axis=1), order


def search(queries, members, width, device):
    best = Best.none(len(queries), width)
    scan(Points.of(queries), Cells.one(Points.of(members)), best, device=device)
    return best


@pytest.mark.parametrize("device", TORCH_DEVICES)
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("factors", [(2, 64), (1, 3), (1, 1)])
def test_the_nearest_are_found_whatever_rounding_hides(monkeypatch, device, name, factors):
    monkeypatch.setattr(scanning, "_FEW", 10)
    monkeypatch.setattr(scanning, "_FACTORS", factors)
    monkeypatch.setattr(scanning, "_TILE", 20_000)
    monkeypatch.setattr(scanning, "_ROWS", (1, 37))
    monkeypatch.setattr(scanning, "_COORDINATES", 50_000)
    monkeypatch.setattr(scanning, "_BLOCK", 170)
    members = SETS[name].astype(np.float32)
    queries = np.vstack((members[::3], members[:5] + members[5:10]))
    best, (squares, _) = search(queries, members, 9, device), by_hand(queries, members, 9)
    np.testing.assert_allclose(-2 * best.scores, squares, rtol=1e-4)
    own = ((queries[:, None].astype(float) - members[best.found].astype(float)) ** 2).sum(axis=2)
    np.testing.assert_allclose(own, squares, rtol=1e-4)
    assert all(len(set(row)) == 9 for row in best.found)


@pytest.mark.parametrize("device", TORCH_DEVICES)
@settings(max_examples=50)
@given(SEEDS, st.integers(1, 400), st.integers(1, 12), st.integers(1, 30))
def test_of_equals_the_first_are_found(device, seed, n, width, kinds):
    rng = np.random.default_rng(seed)
    members = rng.integers(-2, 3, (kinds, 3)).astype(np.float32)[rng.integers(kinds, size=n)]
    width = min(width, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_FEW", 10)
        best = search(members, members, width, device)
    np.testing.assert_array_equal(best.found, by_hand(members, members, width)[1])


@pytest.mark.parametrize("device", TORCH_DEVICES)
def test_many_duplicates_are_nearest_to_each_other(device):
    members = np.repeat(np.random.default_rng(0).standard_normal((2, 5)), 2000, axis=0).astype(np.float32)
    best = search(members[::500], members, 4, device)
    assert np.all(best.scores == 0)
    np.testing.assert_array_equal(best.found // 2000, np.arange(0, 4000, 500)[:, None] // 2000 + np.zeros((1, 4)))
    assert all(len(set(row)) == 4 for row in best.found)


@pytest.mark.parametrize("device", TORCH_DEVICES)
@pytest.mark.parametrize("name", SETS)
def test_bounds_are_bounds_and_close_where_lengths_are_alike(device, name):
    vectors = torch.from_numpy(SETS[name].astype(np.float32)).to(device)
    queries, members = vectors[::7], vectors[1::2]
    frame = scanning._Frame.of(members, queries)
    bounds = frame.rounded(queries, query=True) @ frame.rounded(members, query=False).T
    bounds = bounds.double().cpu().numpy()
    bounds += np.abs(bounds) * scanning._ROUNDOFF + scanning._SMALLEST
    x, y = (((part.double() - frame.middle.double()) * frame.scale).cpu().numpy() for part in (queries, members))
    exact = x @ y.T - (y**2).sum(axis=1) / 2
    assert np.all(bounds >= exact)
    if name in ("random", "close", "off", "tiny", "huge", "many"):
        assert (bounds - exact).max() < 3e-3


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 6), st.integers(2, 500), st.integers(1, 40), st.integers(2, 100))
def test_the_largest_bounds_are_chosen(seed, rows, columns, count, kinds):
    count = min(count, columns - 1)
    bounds = np.random.default_rng(seed).integers(kinds, size=(rows, columns)).astype(np.float16)
    found, rest = scanning._largest(torch.from_numpy(bounds), count)
    expected = -np.sort(-bounds, axis=1)[:, :count]
    np.testing.assert_array_equal(-np.sort(-np.take_along_axis(bounds, found.numpy(), axis=1)), expected)
    assert all(len(set(row)) == count for row in found.numpy())
    assert np.all((rest.numpy() >= expected[:, -1]) & (rest.numpy() <= expected[:, -1] * 1.001 + 1e-6))


def test_a_gpu_that_is_too_small_is_told(monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5.00 GiB.")

    monkeypatch.setattr(scanning, "_scan", fail)
    with pytest.raises(MemoryError, match=r"GPU's memory does not hold 50 vectors of 3 dimensions; set device: cpu"):
        search(np.zeros((9, 3), np.float32), np.zeros((50, 3), np.float32), 4, TORCH_ON_CPU)
