import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.affinities import affinity


def cosine(a, b):
    a, b = [float(x) for x in a], [float(x) for x in b]
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / (sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5)


@settings(max_examples=1000)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(0, 20),
    st.lists(st.integers(1, 20), min_size=1, max_size=4),
    st.sampled_from([np.float16, np.float32, np.float64, np.int8]),
)
def test_affinity_is_the_cosine_in_each_model(seed, n, count, dims, dtype):
    rng = np.random.default_rng(seed)
    models = [(rng.choice([-1, 1], (n, dim)) * rng.uniform(1, 20, (n, dim))).astype(dtype) for dim in dims]
    pairs = rng.integers(n, size=(count, 2))
    found = affinity(models, pairs)
    assert (found.dtype, found.shape) == (np.float32, (count, len(dims)))
    expected = [[cosine(model[i], model[j]) for model in models] for i, j in pairs]
    np.testing.assert_allclose(found, np.reshape(expected, (count, len(dims))), atol=1e-6)


def test_memory_mapped_models(tmp_path):
    features = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    features.tofile(tmp_path / "m.bin")
    mapped = np.memmap(tmp_path / "m.bin", np.float32, mode="r", shape=(9, 4))
    found = affinity([mapped], np.array([[2, 7]], np.int32))
    np.testing.assert_allclose(found, [[cosine(features[2], features[7])]], atol=1e-6)


def test_models_of_different_samples_are_refused():
    with pytest.raises(ValueError, match=r"all models must embed the same samples; they have \[3, 4\] rows"):
        affinity([np.ones((3, 2)), np.ones((4, 2))], np.array([[0, 1]]))


@pytest.mark.parametrize("pair", [[0, 3], [-1, 2]])
def test_pairs_of_unknown_samples_are_refused(pair):
    with pytest.raises(ValueError, match="pairs name samples outside the 3 rows of the features"):
        affinity([np.ones((3, 2))], np.array([[0, 1], pair]))


def test_row_that_cannot_be_normalised_is_named():
    bad = np.ones((3, 2))
    bad[1] = 0
    with pytest.raises(ValueError, match="row 1 .*is all zeros"):
        affinity([np.ones((3, 2)), bad], np.array([[0, 2]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_very_long_and_very_short_rows(dtype):
    features = np.array([[3e30, 4e30], [4e-30, 3e-30], [-3e30, -4e30]], dtype)
    np.testing.assert_allclose(affinity([features], np.array([[0, 1], [0, 2]])), [[0.96], [-1]], atol=1e-6)


@settings(max_examples=300)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(0, 60),
    st.integers(1, 45),
    st.sampled_from([np.int32, np.int64, np.uint64]),
)
def test_blocks_of_rows_give_the_same_bytes(seed, n, count, rows, dtype):
    rng = np.random.default_rng(seed)
    models = [rng.standard_normal((n, dim)).astype(np.float16) for dim in (3, 17)]
    pairs = rng.integers(n, size=(count, 2)).astype(dtype)
    assert affinity(models, pairs, rows=rows).tobytes() == affinity(models, pairs).tobytes()


@pytest.mark.parametrize("rows", [2, None])
def test_row_of_a_later_block_is_named_by_its_number(rows):
    bad = np.ones((9, 2))
    bad[7] = np.nan
    with pytest.raises(ValueError, match=r"features of model 0: row 7 .*holds NaN"):
        affinity([bad], np.array([[0, 8], [3, 7]]), rows=rows)
