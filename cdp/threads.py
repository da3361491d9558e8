"""How many CPUs a computation may use, and work on ranges in that many threads."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from threadpoolctl import threadpool_limits

_limit: ContextVar[int | None] = ContextVar("limit", default=None)


def usable_threads(threads: int | None = None) -> int:
    """The number of threads to use: `threads`, at most the CPUs of this process and what `limit_threads` allows."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(threads or available, _limit.get() or available, available)


@contextmanager
def limit_threads(threads: int | None = None) -> Iterator[int]:
    """Hold `in_ranges`, BLAS and (where they are loaded) numba and torch to `usable_threads(threads)` for a block."""
    limit = usable_threads(threads)
    numba, torch = sys.modules.get("numba"), sys.modules.get("torch")
    before = numba.get_num_threads() if numba else 0, torch.get_num_threads() if torch else 0
    token = _limit.set(limit)
    with threadpool_limits(limit):
        if numba:
            numba.set_num_threads(min(limit, before[0]))
        if torch:
            torch.set_num_threads(limit)
        try:
            yield limit
        finally:
            _limit.reset(token)
            if numba:
                numba.set_num_threads(before[0])
            if torch:
                torch.set_num_threads(before[1])


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, numba's (which is scipy's) as well: for work that is done in threads of our own."""
    import scipy.linalg.cython_blas  # noqa: F401  a library that is loaded later would not be held

    with threadpool_limits(1, "blas"):
        yield


def in_ranges(work: Callable[[int, int], None], n: int, *, size: int) -> None:
    """Call ``work(start, stop)`` for the ranges of `size` that make up 0..n, in `usable_threads()` threads.

    In the calling thread, if that is one, or there is one range.

    The ranges do not depend on the number of threads. Compiled work must release the GIL (as `cdp.jit.njit` has it);
    it compiles in half the time that numba's own parallel loops take. Within `work`, there is one thread to use.
    """
    ranges = [(start, min(start + size, n)) for start in range(0, n, size)]
    threads = min(usable_threads(), len(ranges))
    if threads > 1:
        with ThreadPoolExecutor(threads, initializer=_limit.set, initargs=(1,)) as pool:
            for _ in pool.map(lambda limits: work(*limits), ranges):
                pass
    else:  # a thread of its own would cost more than little work
        token = _limit.set(1)
        try:
            for start, stop in ranges:
                work(start, stop)
        finally:
            _limit.reset(token)
