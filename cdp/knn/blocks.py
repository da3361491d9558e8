"""How many queries a thread searches for at a time, in cells or parts of cells.

Many, so that several of them look into the same cell, and its members are brought into the CPU's caches few times; but
few enough that all threads are busy, and that what each keeps of its queries is small.
"""

from cdp.knn.products import TILES
from cdp.threads import usable_threads

_FIXED_BLOCKS, _FIXED_LARGEST = 16, 32768  # at least so many blocks, of at most so many queries
_BLOCKS_A_THREAD = 4  # at least
_SMALLEST, _LARGEST = 4096, 131072  # queries


def fixed_size(n_points: int) -> int:
    """Queries at a time in a search among `n_points`; shards are made up of whole blocks of this size.

    For searches of which a block keeps much, or which may find something else in another block, even by tiles.
    """
    return max(1, min(_FIXED_LARGEST, n_points // _FIXED_BLOCKS))


def size_by_threads(n_queries: int, n_points: int) -> int:
    """How many of `n_queries` to take at a time in a search among `n_points`, with as many threads as there are.

    BLAS may round products of the same vectors differently in another block, and what is found must not depend on the
    number of threads, nor of shards; so without tiles (see `cdp.knn.products`) it is the fixed size.
    """
    if not TILES:
        return fixed_size(n_points)
    threads = usable_threads()
    each = max(_BLOCKS_A_THREAD, -(-n_queries // (threads * _LARGEST)))
    return max(_SMALLEST, -(-n_queries // (threads * each)))
