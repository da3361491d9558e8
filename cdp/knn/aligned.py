"""Arrays that begin where a line of the CPU's caches does: rows of whole lines then take no more lines than these."""

import math

import numpy as np

_LINE = 64  # bytes


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
    """An array of that shape and type, not filled."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    return room[start : start + size].view(dtype).reshape(shape)
