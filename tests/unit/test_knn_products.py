from functools import partial
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import knn_graph, products, scan, widen
from cdp.knn.products import TILES, columns_of, multiply, rounded, rows_of
from tests.unit.knn_graphs import decaying

with_tiles = pytest.param(True, marks=pytest.mark.skipif(not TILES, reason="needs a CPU with AMX"))


@numba.njit
def multiplied(rows, chosen, heads, start, stop):
    return multiply(rows, chosen, columns_of(rows, heads, start, stop))


@pytest.mark.parametrize("tiles", [with_tiles, False])
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.integers(2, 300), st.integers(0, 90), st.data())
def test_products_are_those_of_the_definition(tiles, seed, n, width, n_rows, data):
    rng = np.random.default_rng(seed)
    heads = rounded(rng.standard_normal((n, width)))
    heads[:, -1] = rng.standard_normal(n)  # the last column may have all digits of float32
    chosen = rng.integers(n, size=n_rows)
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start, n))
    found = multiplied(rows_of(heads, tiles=tiles), chosen, heads, start, stop)
    exact = heads.astype(np.float64)
    expected = exact[chosen, :-1] @ exact[start:stop, :-1].T + exact[start:stop, -1]
    np.testing.assert_allclose(found[:, : stop - start], expected, atol=1e-5 * width)
    assert np.all(found[:, stop - start :] == -np.inf)


@pytest.mark.skipif(not TILES, reason="needs a CPU with AMX")
@pytest.mark.parametrize(("backend", "agreement"), [("exact", 1), ("cells", 0.999)])
def test_neighbors_do_not_depend_on_how_heads_are_multiplied(monkeypatch, backend, agreement):
    features = decaying(0, 12_000, 200)
    graphs = []
    for tiles in (True, False):
        for module in (scan, widen):
            monkeypatch.setattr(module, "rows_of", partial(rows_of, tiles=tiles))
        graphs.append(knn_graph(features, k=10, backend=backend, device="cpu"))
    assert (graphs[0].idx == graphs[1].idx).mean() >= agreement


@given(st.floats(2.0**-100, 2.0**70, width=32), st.sampled_from([-1, 1]))
def test_rounding_gives_the_nearest_bfloat16(size, sign):
    value = np.float32(size * sign)
    near = rounded(np.array([value]))
    bits = near.view(np.uint32)[0]
    assert bits & 0xFFFF == 0
    step = np.array([(bits + (1 << 16)) & 0xFFFF0000], np.uint32).view(np.float32)[0] - near[0]
    assert abs(float(near[0]) - float(value)) <= min(abs(float(step)) / 2, products.UNIT_ROUNDOFF * size)


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
