import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import features as module
from cdp.features import load_features, normalize, row_norms


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npy_is_mapped_as_stored(tmp_path, dtype):
    stored = np.random.default_rng(0).standard_normal((5, 3)).astype(dtype)
    np.save(tmp_path / "m.npy", stored)
    for dim in (None, 3):
        loaded = load_features(tmp_path / "m.npy", dim=dim)
        assert isinstance(loaded, np.memmap)
        assert not loaded.flags.writeable
        assert loaded.dtype == dtype
        np.testing.assert_array_equal(loaded, stored)


def test_bin_is_mapped_as_rows_of_float32(tmp_path):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "m.bin")
    loaded = load_features(str(tmp_path / "m.bin"), dim=3)
    assert isinstance(loaded, np.memmap)
    assert not loaded.flags.writeable
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_bin_needs_its_width(tmp_path):
    np.ones(6, np.float32).tofile(tmp_path / "m.bin")
    with pytest.raises(ValueError, match=r"m\.bin is a raw \.bin file, .* give the data set's dim"):
        load_features(tmp_path / "m.bin")


def test_bin_of_another_width_is_refused(tmp_path):
    np.ones(6, np.float32).tofile(tmp_path / "m.bin")
    with pytest.raises(ValueError, match=r"m\.bin has 24 bytes, which is no multiple of 16 \(dim 4 x 4 bytes"):
        load_features(tmp_path / "m.bin", dim=4)


def test_empty_bin_is_refused(tmp_path):
    (tmp_path / "m.bin").touch()
    with pytest.raises(ValueError, match=r"m\.bin is empty"):
        load_features(tmp_path / "m.bin", dim=4)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_empty_npy_is_refused(tmp_path, shape):
    np.save(tmp_path / "m.npy", np.empty(shape, np.float32))
    with pytest.raises(ValueError, match=rf"m\.npy is empty \(shape \({shape[0]}, {shape[1]}\)\)"):
        load_features(tmp_path / "m.npy")


@pytest.mark.parametrize("stored", [np.ones(4), np.ones((2, 2, 2)), np.ones((2, 2), int), np.array([["a"]])])
def test_npy_that_is_no_float_matrix_is_refused(tmp_path, stored):
    np.save(tmp_path / "m.npy", stored)
    with pytest.raises(ValueError, match=r"m\.npy holds .*; export a float matrix of samples x dim") as caught:
        load_features(tmp_path / "m.npy")
    assert f"holds {stored.dtype} of shape {stored.shape};" in str(caught.value)


def test_npy_of_another_width_is_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"m\.npy has 3 columns, not the 4 that dim says"):
        load_features(tmp_path / "m.npy", dim=4)


@pytest.mark.parametrize("length", [0, 3, 10, 100, 130, 135])
def test_truncated_npy_is_refused(tmp_path, length):
    np.save(tmp_path / "m.npy", np.ones((1, 1)))
    whole = (tmp_path / "m.npy").read_bytes()
    assert len(whole) == 136
    (tmp_path / "m.npy").write_bytes(whole[:length])
    with pytest.raises(ValueError, match=r"m\.npy is not a readable \.npy file"):
        load_features(tmp_path / "m.npy")


def test_text_in_a_npy_is_refused(tmp_path):
    (tmp_path / "m.npy").write_text("0.5 0.25\n")
    with pytest.raises(ValueError, match=r"m\.npy is not a readable \.npy file"):
        load_features(tmp_path / "m.npy")


def test_archive_of_arrays_in_a_npy_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", np.ones((2, 2)))
    (tmp_path / "m.npz").rename(tmp_path / "m.npy")
    with pytest.raises(ValueError, match=r"m\.npy"):
        load_features(tmp_path / "m.npy")


@settings(max_examples=1000)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, ">f4"]),
)
def test_normalised_rows_have_length_one_and_the_same_direction(seed, n, dim, block, dtype):
    rng = np.random.default_rng(seed)
    rows = (rng.choice([-1, 1], (n, dim)) * rng.uniform(1, 100, (n, dim))).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block * dim)
        found = normalize(rows)
    assert (found.dtype, found.shape, found.flags.c_contiguous) == (np.float32, (n, dim), True)
    exact = rows.astype(np.float64)
    np.testing.assert_allclose(found, exact / np.sqrt((exact * exact).sum(axis=1, keepdims=True)), atol=1e-7)


def test_rows_that_are_not_contiguous():
    rows = np.random.default_rng(0).standard_normal((8, 6))
    for view in (rows[::2], rows[:, ::2], np.asfortranarray(rows), rows[::-1]):
        expected = view / np.linalg.norm(view, axis=1, keepdims=True)
        np.testing.assert_allclose(normalize(view), expected, atol=1e-7)


def test_very_long_and_very_short_rows():
    rows = np.array([[3e30, 4e30], [3e-30, 4e-30]], np.float32)
    np.testing.assert_allclose(normalize(rows), [[0.6, 0.8], [0.6, 0.8]], atol=1e-6)


def test_input_is_not_changed():
    rows = np.array([[3.0, 4.0]], np.float32)
    rows.flags.writeable = False
    assert normalize(rows).tolist() == [[np.float32(0.6), np.float32(0.8)]]
    assert rows.tolist() == [[3, 4]]


@pytest.mark.parametrize("check", [normalize, row_norms])
@pytest.mark.parametrize("row", [0, 2, 3, 6])
@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([0, 0], "is all zeros"),
        ([np.nan, 1], "holds NaN or infinity"),
        ([1, np.inf], "holds NaN or infinity"),
        ([-np.inf, np.inf], "holds NaN or infinity"),
    ],
)
def test_row_that_cannot_be_normalised_is_named(monkeypatch, check, row, values, what):
    monkeypatch.setattr(module, "_BLOCK", 6)
    rows = np.ones((7, 2))
    rows[row] = values
    with pytest.raises(ValueError, match=rf"data/x\.npy: row {row} \(counted from 0\) {what}"):
        check(rows, name="data/x.npy")


def test_first_of_several_bad_rows_is_named():
    rows = np.ones((7, 2))
    rows[[3, 5]] = 0
    with pytest.raises(ValueError, match="features: row 3 "):
        normalize(rows)


@pytest.mark.parametrize("block", [1, 3, 100])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_row_norms_are_lengths(monkeypatch, block, dtype):
    monkeypatch.setattr(module, "_BLOCK", 3 * block)
    rows = np.random.default_rng(0).integers(1, 9, (7, 3)).astype(dtype)
    np.testing.assert_allclose(row_norms(rows), [sum(float(x) ** 2 for x in row) ** 0.5 for row in rows], rtol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
def test_normalising_what_is_no_matrix_is_refused(shape):
    with pytest.raises(ValueError, match=r"m\.npy must be real numbers, samples x dim, not float64 of shape") as caught:
        normalize(np.ones(shape), name="m.npy")
    assert str(shape) in str(caught.value)


def test_more_samples_than_int32_can_number_are_refused(tmp_path):
    with open(tmp_path / "m.bin", "wb") as file:
        file.truncate(4 * 2**31)  # takes no room: nothing is written
    with pytest.raises(ValueError, match=r"m\.bin has 2147483648 samples; at most 2147483647 are supported"):
        load_features(tmp_path / "m.bin", dim=1)
