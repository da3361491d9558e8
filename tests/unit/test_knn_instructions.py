import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.instructions import (
    LANES,
    WIDTH,
    above,
    copy_row,
    copy_transposed,
    count_bits,
    lowest_bit,
    prefetch,
    sum_of_products,
    sum_of_squared_differences,
)
from cdp.knn.products import packed, unpacked


@numba.njit
def product_of(a, i, b, j):
    return sum_of_products(a, i, b, j)


@numba.njit
def squared_distance_of(a, i, b, j):
    return sum_of_squared_differences(a, i, b, j)


@numba.njit
def copied(to, rows, chosen):
    for r in range(len(chosen)):
        prefetch(rows, chosen[r])
        copy_row(to, r, rows, chosen[r])


@numba.njit
def transposed(to, i, first, rows, start, stop):
    copy_transposed(to, i, first, rows, start, stop)


@numba.njit
def places_above(sums, row, column, least):
    places = []
    bits = above(sums, row, column, least)
    while bits:
        places.append(lowest_bit(bits))
        bits &= bits - np.uint32(1)
    return places, count_bits(above(sums, row, column, least))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5 * LANES), st.integers(1, 4), st.integers(1, 4))
def test_sums_over_rows_are_those_of_the_definition(seed, width, n_a, n_b):
    rng = np.random.default_rng(seed)
    i, j = rng.integers(n_a), rng.integers(n_b)
    a, b = (rng.standard_normal((n, width)).astype(np.float32) for n in (n_a, n_b))
    expected = np.square(a[i].astype(np.float64) - b[j]).sum()
    assert squared_distance_of(a, i, b, j) == pytest.approx(expected, rel=1e-5)
    words = packed(a), packed(b)
    numbers = [unpacked(some).astype(np.float64) for some in words]
    assert product_of(words[0], i, words[1], j) == pytest.approx(numbers[0][i] @ numbers[1][j], abs=1e-5 * width)


def test_a_squared_distance_of_equals_is_zero_and_of_near_ones_loses_no_digits():
    a = np.full((1, 37), 1e3, np.float32)
    b = a.copy()
    assert squared_distance_of(a, 0, b, 0) == 0
    b[0, 36] = np.nextafter(np.float32(1e3), np.float32(2e3))
    assert squared_distance_of(a, 0, b, 0) == (b[0, 36] - a[0, 36]) ** 2 > 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 9), st.integers(0, 2))
def test_rows_are_copied_and_filled_with_zeros(seed, width, n, longer):
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 2**32, (6, width), dtype=np.uint32)
    chosen = rng.integers(6, size=n).astype(np.int32)
    to = np.full((n + 1, (-(-width // LANES) + longer) * LANES), 7, np.uint32)
    copied(to, rows, chosen)
    np.testing.assert_array_equal(to[:n, :width], rows[chosen])
    assert np.all(to[:n, width:] == 0)
    assert np.all(to[n] == 7)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 25), st.integers(0, 20), st.integers(0, 50))
def test_rows_are_copied_side_by_side_as_far_as_there_is_room(seed, width, start, count, first):
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 2**32, (start + count, width), dtype=np.uint32)
    to = np.full((3, first + rng.integers(0, 60), LANES), 7, np.uint32)
    transposed(to, 1, first, rows, start, start + count)
    expected, some = np.full((first + 60 + width, LANES), 7, np.uint32), rows[start : start + LANES]
    expected[first : first + -(-width // LANES) * LANES] = 0
    expected[first : first + width, : len(some)] = some.T
    np.testing.assert_array_equal(to[1], expected[: to.shape[1]])
    assert np.all(to[[0, 2]] == 7)


@pytest.mark.parametrize("rows", [np.ones((4, 6), np.float32)[:, ::2], np.ones((4, 6), np.float32).T, np.ones((4, 3))])
def test_other_arrays_are_refused(rows):
    with pytest.raises(TypeError, match="C-contiguous"):
        squared_distance_of(rows, 0, rows, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([-np.inf, -2.0, 0.0, 3.0, np.inf]))
def test_numbers_above_the_least(seed, least):
    rng = np.random.default_rng(seed)
    sums = rng.integers(-4, 4, (5, 3 * WIDTH)).astype(np.float32)
    sums[rng.random(sums.shape) < 0.3] = -np.inf
    for some in (sums, sums[1:4]):
        row, column = rng.integers(len(some)), WIDTH * rng.integers(3)
        expected = np.flatnonzero(some[row, column : column + WIDTH] > least)
        places, count = places_above(some, row, column, np.float32(least))
        assert places == expected.tolist()
        assert count == len(expected)
