"""Functions that numba compiles, and keeps for later processes."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import numba

_PROCESS = uuid4().hex[:8]


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
        _name_apart(compiled._cache._cache_file)
    return compiled


def _name_apart(kept: Any) -> None:
    """Let no two processes give their code for different types of arguments the same name, as numba may."""
    kept._data_name_pattern = kept._data_name_pattern.replace("{number:d}", f"{{number:d}}-{_PROCESS}")
