import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from cdp.affinities import affinity
from cdp.mediator import Mediator, mediator_inputs
from cdp.neighbors import Neighbors
from cdp.pairs import candidate_pairs
from cdp.propagation import propagate
from cdp.soft_propagation import soft_propagate
from cdp.threads import in_ranges, limit_threads, usable_threads


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


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 3), (6, 3), (7, 3)])
@pytest.mark.parametrize("threads", [1, 2])
def test_ranges_cover_everything_once(n, size, threads):
    seen = []
    with limit_threads(threads):
        in_ranges(lambda start, stop: seen.extend(range(start, stop)), n, size=size)
    assert sorted(seen) == list(range(n))


@pytest.mark.parametrize("threads", [1, 2])
def test_work_in_a_range_has_one_thread(threads):
    seen = []
    with limit_threads(threads):
        in_ranges(lambda start, stop: seen.append(usable_threads()), 4, size=1)
        assert usable_threads() == min(threads, len(os.sched_getaffinity(0)))
    assert seen == [1] * 4


def test_error_in_a_range_is_raised():
    def fail(start, stop):
        raise RuntimeError(f"at {start}")

    for size in (2, 5):
        with pytest.raises(RuntimeError, match="at 0"):
            in_ranges(fail, 5, size=size)
        assert usable_threads() == len(os.sched_getaffinity(0))


def test_one_blas_thread_holds_that_of_compiled_products_too():
    """In a process that has not loaded it before."""
    check = """
import numba, numpy as np
from threadpoolctl import threadpool_info
from cdp.threads import one_blas_thread
with one_blas_thread():
    numba.njit(lambda a: np.dot(a, a))(np.eye(3))
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
assert len(blas) == 2, blas
assert all(library["num_threads"] == 1 for library in blas), blas
"""
    subprocess.run([sys.executable, "-c", check], check=True)


def stages():
    """All stages but kNN on one committee, with more samples than a task takes."""
    rng = np.random.default_rng(0)
    n, k = 9000, 6
    graphs = [
        Neighbors(
            ((np.arange(n)[:, None] + np.append(0, rng.permutation(30)[: k - 1] + 1)) % n).astype(np.int32),
            np.sort(rng.random((n, k), np.float32), axis=1),
        )
        for _ in range(3)
    ]
    candidates = candidate_pairs(graphs[0], graphs[1:])
    cosines = affinity([rng.standard_normal((n, 5), np.float32) for _ in range(3)], candidates.pairs)
    labels = propagate(candidates.pairs, candidates.similarity, n, max_size=20)
    same = candidates.pairs[:, 0] // 20 == candidates.pairs[:, 1] // 20
    mediator = Mediator.fit(mediator_inputs(candidates, cosines, inputs="111"), same, device="cpu")
    scores = mediator.predict_pairs(candidates, cosines, inputs="111", device="cpu")
    soft = soft_propagate(candidates.pairs, scores, labels, max_size=20, depth=2)
    return [*candidates, cosines, labels, scores, *mediator.network.state_dict().values(), soft.data, soft.indices]


def test_results_do_not_depend_on_the_number_of_threads():
    results = []
    for threads in (1, 2):
        with limit_threads(threads):
            results.append(stages())
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
