import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import scan_torch as scanning
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells, scan
from tests.unit.knn_graphs import TORCH_DEVICES, TORCH_ON_CPU, needs_gpu

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
@pytest.mark.parametrize("factor", [1, 2])
def test_the_nearest_are_found_whatever_rounding_hides(monkeypatch, device, name, factor):
    monkeypatch.setattr(scanning, "_FEW", 10)
    monkeypatch.setattr(scanning, "_FACTOR", factor)
    monkeypatch.setattr(scanning, "_TILE", 40_000)
    monkeypatch.setattr(scanning, "_ROWS", (1, 37))
    monkeypatch.setattr(scanning, "_COORDINATES", 50_000)
    monkeypatch.setattr(scanning, "_BLOCK", 170)
    monkeypatch.setattr(scanning, "_PART", 100)
    monkeypatch.setattr(scanning, "_ALIKE", 7)
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
def test_of_duplicates_by_the_thousand_the_first_are_found(device):
    members = np.random.default_rng(0).standard_normal((2, 5))[np.arange(6000) % 3 // 2].astype(np.float32)
    best = search(members[::500], members, 4, device)
    assert np.all(best.scores == 0)
    assert best.found.tolist() == [[2, 5, 8, 11] if row % 3 == 2 else [0, 1, 3, 4] for row in range(0, 6000, 500)]


@pytest.mark.parametrize("device", TORCH_DEVICES)
def test_duplicates_in_a_later_cell(monkeypatch, device):
    monkeypatch.setattr(scanning, "_FEW", 10)
    members = np.random.default_rng(2).standard_normal((100, 5)).astype(np.float32)
    members[60:90] = 3
    best = Best.none(1, 4)
    cells, probes = Cells(Points.of(members), np.array([0, 50, 100])), np.array([[1]], np.int32)
    scan(Points.of(members[70:71]), cells, best, probes=probes, device=device)
    assert best.found.tolist() == [[60, 61, 62, 63]]


@pytest.mark.parametrize("device", TORCH_DEVICES)
@pytest.mark.parametrize(("start", "most"), [(0, 20), (1700, 40)])
def test_few_members_are_compared_whatever_rounding_hides(monkeypatch, device, start, most):
    """Of 2,000 members, 20 with a query's 10 nearest; in a cluster that float16 cannot resolve, some more."""
    rng = np.random.default_rng(1)
    vectors = np.vstack([rng.standard_normal((1700, 64)), 1 + 1e-3 * rng.standard_normal((300, 64))]).astype(np.float32)
    compared, offer = [], scanning._offer

    def spy(state, rows, positions):
        compared.append(positions.numel())
        offer(state, rows, positions)

    monkeypatch.setattr(scanning, "_offer", spy)
    search(vectors[start : start + 300], vectors, 10, device)
    assert 300 * most <= sum(compared) <= 305 * most


def test_sums_are_held_to_float32_and_settings_restored(monkeypatch):
    def spy(*_):
        seen.append(settings.allow_fp16_reduced_precision_reduction)
        raise RuntimeError("else")

    settings, seen = torch.backends.cuda.matmul, []
    before = settings.allow_fp16_reduced_precision_reduction
    assert before
    monkeypatch.setattr(scanning, "_scan", spy)
    with pytest.raises(RuntimeError, match="else"):
        search(np.zeros((9, 3), np.float32), np.zeros((50, 3), np.float32), 4, TORCH_ON_CPU)
    assert seen == [False]
    assert settings.allow_fp16_reduced_precision_reduction == before


@needs_gpu
def test_bounds_of_many_on_a_gpu():
    """Shapes for which its library takes other ways than for small ones."""
    generator = torch.Generator("cuda").manual_seed(0)
    members = torch.randn((100_001, 256), generator=generator, device="cuda")
    for queries in (members[:1], members[:300]):
        state = scanning._State(members, queries, queries, queries)
        frame, rows = scanning._Frame.of(members, queries), torch.arange(len(queries), device="cuda")
        with scanning._sums_in_float32():
            bounds = scanning._bounds(state, frame, rows, frame.rounded(members, torch.float16, query=False)).double()
        x, y = frame.moved(queries), frame.moved(members)
        above = bounds + scanning._rounding(bounds, torch.float16) - (x @ y.T - y.square().sum(dim=1) / 2)
        assert above.min() >= 0
        assert above.max() < 3e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("device", TORCH_DEVICES)
@pytest.mark.parametrize("name", [*SETS, "exactly representable"])
def test_bounds_are_bounds_and_close_where_lengths_are_alike(device, name, dtype):
    """Against float64; a GPU sums few rows otherwise than many."""
    sets = SETS | {"exactly representable": np.vstack([RNG.integers(-8, 9, (300, 1024)) / 256, np.zeros((2, 1024))])}
    vectors = torch.from_numpy(sets[name].astype(np.float32)).to(device)
    members = vectors[1::2]
    for queries in (vectors[::7], vectors[:1]):
        frame = scanning._Frame.of(members, queries)
        queries_rounded, members_rounded = (
            frame.rounded(part, dtype, query=query) for part, query in ((queries, True), (members, False))
        )
        with scanning._sums_in_float32():
            bounds = (queries_rounded @ members_rounded.T).double()
        bounds = (bounds + scanning._rounding(bounds, dtype)).cpu().numpy()
        x, y = (((part.double() - frame.middle.double()) * frame.scale).cpu().numpy() for part in (queries, members))
        exact = x @ y.T - (y**2).sum(axis=1) / 2
        assert np.all(bounds >= exact)
        if name not in ("far", "outlier", "one dimension"):
            assert (bounds - exact).max() < (3e-3 if dtype == torch.float16 else 1e-11)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("device", TORCH_DEVICES)
@settings(max_examples=200)
@given(SEEDS, st.integers(1, 6), st.integers(1, 500), st.integers(1, 40), st.sampled_from([2, 1000]))
def test_the_largest_bounds_are_chosen(dtype, device, seed, rows, columns, count, kinds):
    count = min(count, columns)
    before = np.random.default_rng(seed).integers(-kinds, kinds, size=(rows, columns)) / 777
    bounds = before.astype(dtype)
    found, rest = (part.cpu().numpy() for part in scanning._largest(torch.from_numpy(bounds).to(device), count))
    expected = -np.sort(-bounds, axis=1)[:, :count]
    np.testing.assert_array_equal(-np.sort(-np.take_along_axis(bounds, found, axis=1)), expected)
    assert all(len(set(row)) == count for row in found)
    np.put_along_axis(before, found, -np.inf, axis=1)
    assert np.all(rest >= before.max(axis=1))
    assert np.all(rest <= expected[:, -1] + np.abs(expected[:, -1]) * 1e-3 + 1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_numbers_are_raised_to_the_next_that_are_not_below(dtype):
    values = torch.from_numpy((RNG.standard_normal(5000) * 10.0 ** RNG.integers(-8, 1, 5000)).astype(np.float32))
    raised = scanning._raised(values, dtype).double()
    assert torch.all(raised >= values.double())
    assert torch.all(raised <= values.double() + values.abs() * 2e-3 + 2e-7)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_gpu_that_is_too_small_is_told(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(scanning, "_scan", fail)
    with pytest.raises(MemoryError, match=r"GPU's free memory does not hold 50 vectors of 3 dimensions; set dev"):
        search(np.zeros((9, 3), np.float32), np.zeros((50, 3), np.float32), 4, TORCH_ON_CPU)
