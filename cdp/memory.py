"""How much fits into a job's memory, of what stages work on in blocks. Results never depend on it (docs/scale.md)."""

_PROCESS_MB = 300  # Python, libraries and compiled code
_TORCH_MB = 300  # more with torch


def rows_within(mem_mb: float, *, row_bytes: float, beside_mb: float) -> int:
    """How many rows fit into memory.

    Parameters
    ----------
    mem_mb : float
        What the job may take, in MB (10^6 bytes): its resource of that name.
    row_bytes : float
        What a row takes in all the arrays that hold it at the same time.
    beside_mb : float
        What else the job takes meanwhile.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is no room for a single row.
    """
    rows = int((mem_mb - beside_mb) * 1e6 / row_bytes)
    if rows < 1:
        raise ValueError(
            f"the job has {mem_mb:.0f} MB of memory (mem_mb), but takes at least {beside_mb:.0f}; give it more"
        )
    return rows


def edges_at_a_time(mem_mb: float, *, n_samples: int, k: int, models: int) -> int:
    """Edges of the base graph whose pairs are described at a time, with one graph at hand."""
    return rows_within(mem_mb, row_bytes=20 + 3 * models, beside_mb=_PROCESS_MB + n_samples * (8 * k + 24) / 1e6)


def affinity_at_a_time(mem_mb: float, *, n_samples: int, n_pairs: int, dim: int, models: int) -> tuple[int, int]:
    """Pairs, which get half of the memory at most, and rows of features, which get the rest."""
    beside, pair_bytes = _PROCESS_MB + 40 * n_samples / 1e6, 8 + 4 * models
    pairs = min(n_pairs, rows_within(beside + (mem_mb - beside) / 2, row_bytes=pair_bytes, beside_mb=beside))
    return pairs, rows_within(mem_mb, row_bytes=4 * dim, beside_mb=beside + pairs * pair_bytes / 1e6)


def scores_at_a_time(mem_mb: float, *, n_pairs: int, models: int) -> int:
    """Pairs that a mediator looks at between two releases of what it has read."""
    return rows_within(mem_mb, row_bytes=12 + 7 * models, beside_mb=_PROCESS_MB + _TORCH_MB + 4 * n_pairs / 1e6)
