"""How much of a job's memory goes to what is worked on in blocks. Results never depend on it."""

PROCESS_MB = 300  # Python and the compiled code of a stage; with torch, twice as much


def rows_within(mem_mb: float, *, row_bytes: float, beside_mb: float = PROCESS_MB, share: float = 1.0) -> int:
    """How many rows fit into a job's memory.

    Parameters
    ----------
    mem_mb : float
        What the job may take, in MB (10^6 bytes): the resource of that name.
    row_bytes : float
        What a row takes in all the arrays that hold it at the same time.
    beside_mb : float
        What else the job takes meanwhile.
    share : float
        Of what is left, where several kinds of rows are held.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    left = mem_mb - beside_mb
    if left <= 0:
        raise ValueError(
            f"the job has {mem_mb:.0f} MB of memory, but needs more than {beside_mb:.0f}; give it more (mem_mb)"
        )
    return max(1, int(share * left * 1e6 / row_bytes))
