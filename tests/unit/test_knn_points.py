import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.aligned import aligned
from cdp.knn.points import Axes, Points, principal_axes
from cdp.knn.products import UNIT_ROUNDOFF, packed, unpacked
from tests.unit.knn_graphs import decaying

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 200), st.sampled_from([3, 64, 90, 300]), st.booleans(), st.sampled_from([1e-6, 1.0, 1e5]))
def test_heads_bound_products(seed, n, dim, decays, scale):
    rng = np.random.default_rng(seed)
    vectors = decaying(seed, n, dim) if decays else rng.standard_normal((n, dim)).astype(np.float32)
    vectors *= np.float32(scale)
    axes = principal_axes(vectors)
    points = Points.of(vectors, axes)
    np.testing.assert_allclose(points.halves, (vectors.astype(float) ** 2).sum(axis=1) / 2, rtol=1e-5)
    true = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    heads, necks = (unpacked(words).astype(np.float64) for words in (points.heads, points.necks))
    bounds = heads @ heads.T
    assert np.all(bounds >= true - 1e-7 * np.abs(true))
    closer = bounds - np.outer(heads[:, 0], heads[:, 0]) + necks @ necks.T
    assert np.all(closer >= true - 1e-7 * np.abs(true))
    if axes is not None:
        assert np.all(closer <= bounds + 3 * UNIT_ROUNDOFF * np.abs(bounds).max())
        assert 2 * axes.heads.shape[1] <= dim
        directions = np.hstack(axes)
        np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-4)


def test_axes_are_the_principal_ones():
    vectors = decaying(0, 2000, 600)
    axes = principal_axes(vectors)
    assert axes.heads.shape[1] in (31, 63)
    for directions in (axes.heads, np.hstack(axes)):
        best = np.linalg.svd(vectors.astype(np.float64))[2][: directions.shape[1]]
        assert (vectors @ directions).var() >= 0.999 * (vectors @ best.T).var()
    assert principal_axes(np.random.default_rng(0).standard_normal((2000, 600)).astype(np.float32)) is None


def test_bounds_hold_when_all_is_rounded_down_most():
    just_below_a_middle = np.float32((1 + 0.999 * 2.0**-8) / 8)
    for dim in (3, 64, 1000):
        vectors = np.full((2, dim), just_below_a_middle)
        assert (unpacked(packed(vectors))[:, :dim] < vectors).all()
        true = vectors[0].astype(np.float64) @ vectors[1]
        directions = np.eye(dim, dtype=np.float32)
        for axes in (None, Axes(directions[:, : dim // 2], directions[:, dim // 2 :])):
            points = Points.of(vectors, axes)
            heads, necks = (unpacked(words).astype(np.float64) for words in (points.heads, points.necks))
            assert heads[0] @ heads[1] >= true
            assert heads[0, 1:] @ heads[1, 1:] + necks[0] @ necks[1] >= true


@given(st.integers(1, 50), st.integers(1, 70), st.sampled_from([np.float32, np.uint32]))
def test_aligned_arrays_begin_at_lines(n, dim, dtype):
    rows = aligned((n, dim), dtype)
    assert (rows.shape, rows.dtype) == ((n, dim), dtype)
    assert rows.ctypes.data % 64 == 0
    assert rows.flags.c_contiguous
    rows[:] = 7  # is all its own
