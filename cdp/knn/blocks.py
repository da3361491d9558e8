"""How many queries a thread searches for at a time, in cells or parts of cells.

Many, so that several of them look into the same cell, and its members are brought into the CPU's caches few times; but
some blocks for each thread. BLAS may round products of the same vectors differently in another block, and what is found
must not depend on the number of threads, nor of shards: so without tiles, blocks are all of a size (see
`cdp.knn.products`).
"""

from cdp.knn.products import TILES
from cdp.threads import usable_threads

_BLOCKS, _LARGEST = 16, 16384  # of one size: this many or more, of at most so many queries
_EACH = 4  # a thread, at least,
_SMALLEST_BY_THREADS, _LARGEST_BY_THREADS = 4096, 131072


def block_size(n_queries: int, n_points: int) -> int:
    """Queries at a time, of some of the points."""
    if not TILES:
        return fixed_size(n_points)
    threads = usable_threads()
    each = max(_EACH, -(-n_queries // (threads * _LARGEST_BY_THREADS)))
    return max(_SMALLEST_BY_THREADS, -(-n_queries // (threads * each)))


def fixed_size(n_points: int) -> int:
    """Queries at a time, whatever the number of threads; shards are made up of whole blocks of this size."""
    return max(1, min(_LARGEST, n_points // _BLOCKS))
