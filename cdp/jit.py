"""Functions that numba compiles, and keeps for later processes."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

_PATIENCE = 5  # seconds to wait for another process that saves, which takes milliseconds


def njit(function: Callable[..., Any] | None = None, *, fastmath: bool | set[str] = False) -> Any:
    """Decorate a function to be compiled when it is first called; it runs without the GIL.

    Parameters
    ----------
    function : callable, optional
        Given by the decorator without parentheses.
    fastmath : bool or set of str
        What may be done to floating-point numbers, see `numba.njit`.
    """
    if function is None:
        return lambda function: njit(function, fastmath=fastmath)
    compiled = numba.njit(nogil=True, cache=True, fastmath=fastmath)(function)
    if hasattr(compiled, "_cache"):  # not if NUMBA_DISABLE_JIT is set
        _save_one_at_a_time(compiled._cache._cache_file)
    return compiled


def _save_one_at_a_time(file: Any) -> None:
    """Or a type may be left with the code for another one, which another process saved at the same moment."""
    save = file.save

    def save_alone(key: Any, data: Any) -> None:
        from filelock import FileLock  # takes a while to load, and most processes save nothing

        lock = FileLock(Path(file._cache_path) / "saving.lock", timeout=_PATIENCE)
        with suppress(OSError, NotImplementedError):  # where files cannot be locked, or a lock is not given back
            lock.acquire()
        try:
            save(key, data)
        finally:
            lock.release()

    file.save = save_alone
