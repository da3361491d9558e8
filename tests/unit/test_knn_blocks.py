import pytest

from cdp.knn import blocks
from cdp.threads import limit_threads


@pytest.mark.parametrize("n", [1, 15, 16, 1000, 200_000, 10_000_000])
def test_without_tiles_threads_and_shards_change_nothing(n, monkeypatch):
    monkeypatch.setattr(blocks, "TILES", False)
    sizes = set()
    for threads in (1, 2):
        with limit_threads(threads):
            sizes |= {blocks.size_by_threads(n_queries, n) for n_queries in (1, n // 2 + 1, n)}
    assert sizes == {blocks.fixed_size(n)}
    assert 1 <= blocks.fixed_size(n) <= max(1, n // 16)


@pytest.mark.parametrize("n", [1, 5000, 200_000, 10_000_000])
@pytest.mark.parametrize("threads", [1, 2, 48])
def test_with_tiles_each_thread_gets_four_blocks(n, threads, monkeypatch):
    monkeypatch.setattr(blocks, "TILES", True)
    monkeypatch.setattr(blocks, "usable_threads", lambda: threads)
    size = blocks.size_by_threads(n, n)
    assert 4096 <= size <= 131072
    assert size == 4096 or -(-n // size) >= 4 * threads
