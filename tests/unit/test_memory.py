import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.memory import affinity_at_a_time, edges_at_a_time, rows_within, scores_at_a_time

SIZES = st.integers(1, 10**9)


@given(st.integers(400, 10**6), st.integers(1, 10**5), st.floats(0, 300))
def test_as_many_rows_as_fit(mem_mb, row_bytes, beside_mb):
    rows = rows_within(mem_mb, row_bytes=row_bytes, beside_mb=beside_mb)
    assert rows * row_bytes / 1e6 + beside_mb <= mem_mb + 1e-6
    assert (rows + 1) * row_bytes / 1e6 + beside_mb > mem_mb - 1e-6


def test_a_job_without_room_for_a_row_is_told():
    with pytest.raises(
        ValueError, match=r"the job has 300 MB of memory \(mem_mb\), but takes at least 301; give it more"
    ):
        rows_within(300, row_bytes=8, beside_mb=301)


@given(SIZES, st.integers(0, 10**10), st.integers(1, 4096), st.integers(1, 20), st.integers(1, 10**4))
def test_pairs_and_rows_of_affinity_fit_together(n_samples, n_pairs, dim, models, spare_mb):
    mem_mb = 301 + 40 * n_samples / 1e6 + spare_mb
    pairs, rows = affinity_at_a_time(mem_mb, n_samples=n_samples, n_pairs=n_pairs, dim=dim, models=models)
    assert 0 <= pairs <= n_pairs
    assert rows >= 1
    assert pairs * (4 * models + 8) + rows * 4 * dim <= (spare_mb + 1) * 1e6 + 1


def test_more_memory_takes_more_at_a_time():
    sizes = {"n_samples": 10**6, "k": 15, "models": 5}
    assert 0 < edges_at_a_time(1000, **sizes) < edges_at_a_time(2000, **sizes)
    assert 0 < scores_at_a_time(1000, n_pairs=10**7, models=5) < scores_at_a_time(2000, n_pairs=10**7, models=5)
