import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.features import normalize
from cdp.knn import scan_torch
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells, scan
from cdp.threads import limit_threads
from tests.unit.knn_graphs import TORCH_DEVICES, along_own_axes, decaying

SEEDS = st.integers(0, 2**32 - 1)


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


def test_scan_by_heads_loses_nothing():
    vectors = normalize(decaying(1, 700, 100))
    whole, by_heads = Best.none(700, 20), Best.none(700, 20)
    scan(Points.of(vectors), Cells.one(Points.of(vectors)), whole)
    points = along_own_axes(vectors)
    assert points.heads.shape[1] < 30
    scan(points, Cells.one(points), by_heads)
    np.testing.assert_array_equal(by_heads.found, whole.found)


@pytest.mark.parametrize("device", ["cpu", *TORCH_DEVICES])
@settings(max_examples=200)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 9))
def test_scan_compares_with_the_probed_cells_only(device, seed, n, width, n_cells, rows):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-3, 4, (n, 3)).astype(np.float32)  # products are exact, so ties are ties
    queries = Points.of(rng.integers(-3, 4, (7, 3)).astype(np.float32))
    cell_of = np.sort(rng.integers(n_cells, size=n))
    cells = Cells(Points.of(vectors), np.searchsorted(cell_of, np.arange(n_cells + 1)))
    probes = np.array([rng.permutation(n_cells) for _ in range(7)], np.int32)[:, : int(rng.integers(1, n_cells + 1))]
    probes[rng.random(probes.shape) < 0.2] = -1
    best = Best.none(7, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_torch, "_FEW", int(rng.integers(4)))
        patch.setattr(scan_torch, "_FACTOR", 1)
        for _ in range(2):  # what is known is not found again
            scan(queries, cells, best, probes=probes, device=device, block=rows)
    expected = scan_by_hand(queries.vectors, vectors, cell_of, probes, width)
    assert [distances(queries.vectors[q], vectors, found) for q, found in enumerate(best.found)] == [
        distances(queries.vectors[q], vectors, found) for q, found in enumerate(expected)
    ]  # which of equals are found depends on the order of the cells
    for q, found in enumerate(best.found):
        assert set(cell_of[found[found >= 0]]) <= set(probes[q])
        assert len(set(found[found >= 0])) == np.count_nonzero(found >= 0)


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_do_not_change_what_is_found(threads):
    vectors = normalize(decaying(2, 20_000, 40))
    points = along_own_axes(vectors)
    cells = Cells(points, np.arange(0, 20_001, 50))
    probes = np.random.default_rng(0).permuted(np.tile(np.arange(400, dtype=np.int32), (20_000, 1)), axis=1)[:, :5]
    small, large = Best.none(20_000, 9), Best.none(20_000, 9)
    with limit_threads(threads):
        scan(points, cells, small, probes=probes, block=777)
        scan(points, cells, large, probes=probes, block=20_000)
    np.testing.assert_array_equal(small.found, large.found)
    np.testing.assert_array_equal(small.scores, large.scores)
