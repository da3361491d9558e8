import os

import numba
import pytest

from cdp.threads import limit_threads, usable_threads


@pytest.fixture
def available():
    return len(os.sched_getaffinity(0))


def test_no_more_threads_than_cpus(available):
    assert usable_threads() == available
    assert usable_threads(1) == 1
    assert usable_threads(available + 5) == available


@pytest.mark.parametrize("threads", [0, -2])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ValueError, match=f"threads must be at least 1, not {threads}"):
        usable_threads(threads)


def test_limit_holds_for_the_block_only():
    import torch

    before = numba.get_num_threads(), torch.get_num_threads()
    with limit_threads(1) as limit:
        assert limit == 1
        assert (numba.get_num_threads(), torch.get_num_threads()) == (1, 1)
    assert (numba.get_num_threads(), torch.get_num_threads()) == before
    with pytest.raises(RuntimeError, match="inside"), limit_threads(1):
        raise RuntimeError("inside")
    assert (numba.get_num_threads(), torch.get_num_threads()) == before


def test_inner_limit_does_not_exceed_the_outer_one():
    with limit_threads(1), limit_threads(2):
        assert numba.get_num_threads() == 1
