from functools import partial
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import blocks, knn_graph, points, products, scan, shortlist, widen
from cdp.knn.instructions import WIDTH
from cdp.knn.products import columns_of, multiply, packed, product, rows_of, unpacked
from tests.unit.knn_graphs import decaying, needs_tiles, with_tiles


@numba.njit
def multiplied(rows, chosen, sources, halves, start, stop):
    return multiply(rows, chosen, columns_of(rows, sources, halves, start, stop))


@pytest.mark.parametrize("tiles", [with_tiles, False])
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.integers(2, 300), st.integers(0, 90), st.data())
def test_products_are_those_of_the_definition(tiles, seed, n, width, n_rows, data):
    rng = np.random.default_rng(seed)
    heads, halves = packed(rng.standard_normal((n, width))), rng.standard_normal(n).astype(np.float32)
    chosen = rng.integers(n, size=n_rows)
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start, n))
    split = data.draw(st.integers(0, heads.shape[1]))
    rest = np.hstack((heads[:, split:], packed(rng.standard_normal((n, 2 * data.draw(st.integers(0, 20)))))))
    sources = data.draw(st.sampled_from([(heads,), (heads[:, :split].copy(), rest)]))
    found = multiplied(rows_of(heads, tiles=tiles), chosen, sources, halves, start, stop)
    exact = unpacked(heads).astype(np.float64)
    expected = exact[chosen] @ exact[start:stop].T - halves[start:stop]
    np.testing.assert_allclose(found[:, : stop - start], expected, atol=1e-5 * width)
    assert found.shape[1] % WIDTH == 0
    assert np.all(found[:, stop - start :] == -np.inf)
    if n_rows:
        assert product(heads, chosen[0], heads, start) == pytest.approx(
            exact[chosen[0]] @ exact[start], abs=1e-5 * width
        )


@needs_tiles
@pytest.mark.parametrize(("backend", "agreement"), [("exact", 1), ("cells", 0.999)])
def test_neighbors_do_not_depend_on_how_heads_are_multiplied(monkeypatch, backend, agreement):
    features = decaying(0, 12_000, 200)
    graphs = []
    for tiles in (True, False):
        for module in (blocks, points):
            monkeypatch.setattr(module, "TILES", tiles)
        for module in (scan, shortlist, widen):
            monkeypatch.setattr(module, "rows_of", partial(rows_of, tiles=tiles))
        graphs.append(knn_graph(features, k=10, backend=backend, device="cpu"))
    assert (graphs[0].idx == graphs[1].idx).mean() >= agreement


@given(st.floats(2.0**-100, 2.0**127, width=32), st.sampled_from([-1, 1]), st.integers(1, 5))
def test_packing_takes_the_nearest_bfloat16(size, sign, width):
    values = np.array([[size * sign] * width, [1.0] * width], np.float32)
    words = packed(values)
    assert words.shape == (2, (width + 1) // 2)
    near = unpacked(words)
    assert np.all(near[1, :width] == 1)
    assert np.all(near[:, width:] == 0)
    bits = near[0, :width].view(np.uint32)
    assert np.all(bits & 0xFFFF == 0)
    step = (bits + (1 << 16)).astype(np.uint32).view(np.float32).astype(float) - near[0, :width]
    assert np.all(
        np.abs(near[0, :width].astype(float) - values[0]) <= np.minimum(abs(step) / 2, products.UNIT_ROUNDOFF * size)
    )


def test_tiles_are_used_where_they_can_be(monkeypatch):
    answers = {"kernel": 0}
    monkeypatch.setattr(products.platform, "system", lambda: "Linux")
    monkeypatch.setattr(products.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(products.config, "CPU_NAME", None)
    monkeypatch.setattr(products.config, "CPU_FEATURES", None)
    able = {"amx-tile": True, "amx-bf16": True}
    monkeypatch.setattr(products.llvmlite.binding, "get_host_cpu_features", lambda: able)
    library = SimpleNamespace(syscall=lambda *arguments: answers["kernel"])
    monkeypatch.setattr(products.ctypes, "CDLL", lambda name: library)
    assert products.tiles_are_usable()
    for module, name, value in (
        (products.platform, "system", lambda: "Darwin"),
        (products.platform, "machine", lambda: "aarch64"),
        (products.config, "CPU_NAME", "generic"),
        (products.config, "CPU_FEATURES", "-amx-bf16"),
        (products.llvmlite.binding, "get_host_cpu_features", lambda: able | {"amx-bf16": False}),
        (products.llvmlite.binding, "get_host_cpu_features", lambda: able | {"amx-tile": False}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert not products.tiles_are_usable()
    answers["kernel"] = -1
    assert not products.tiles_are_usable()
