"""How many CPUs a computation may use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits


def usable_threads(threads: int | None = None) -> int:
    """The number of threads to use: `threads`, at most the CPUs that this process may run on."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(threads or available, available)


@contextmanager
def limit_threads(threads: int | None = None) -> Iterator[int]:
    """Hold numba, BLAS and (where it is loaded) torch to `usable_threads(threads)` for a block."""
    limit = usable_threads(threads)
    torch = sys.modules.get("torch")
    before = numba.get_num_threads(), torch.get_num_threads() if torch else 0
    with threadpool_limits(limit):
        numba.set_num_threads(min(limit, before[0]))
        if torch:
            torch.set_num_threads(limit)
        try:
            yield limit
        finally:
            numba.set_num_threads(before[0])
            if torch:
                torch.set_num_threads(before[1])
