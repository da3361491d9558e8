"""The inner loop of every search: products of queries with the cells that each query probes.

Exact search probes one cell that holds all samples; a coarse quantiser's search probes few of many; to
find which, centroids are searched in the same way.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from cdp.threads import in_ranges

_COLUMNS = 2048  # members of a cell that are compared at a time
_GPU_ROWS, _GPU_COLUMNS = 1024, 32768  # on a GPU


class Cells(NamedTuple):
    """Vectors in groups.

    Attributes
    ----------
    vectors : ndarray of shape (n_vectors, dim), float32
        Sorted by cell.
    half : ndarray of shape (n_vectors,), float32
        Half the squared length of each: a query q is nearest to the vector y of largest q·y - |y|²/2.
    starts : ndarray of shape (n_cells + 1,), int64
        Where each cell begins in `vectors`.
    """

    vectors: np.ndarray
    half: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, starts: np.ndarray | None = None) -> "Cells":
        """Cells of sorted vectors; one cell if `starts` is not given."""
        starts = np.array([0, len(vectors)]) if starts is None else starts
        return cls(vectors, half_squares(vectors), starts.astype(np.int64))


class Best(NamedTuple):
    """The best vectors found so far for each query, best first.

    Attributes
    ----------
    scores : ndarray of shape (n_queries, width), float32
        -inf where none is found.
    found : ndarray of shape (n_queries, width), int32
        Positions in `Cells.vectors`; -1 where none is found.
    """

    scores: np.ndarray
    found: np.ndarray

    @classmethod
    def none(cls, n_queries: int, width: int) -> "Best":
        """Nothing found yet."""
        return cls(np.full((n_queries, width), -np.inf, np.float32), np.full((n_queries, width), -1, np.int32))


def scan(
    queries: np.ndarray,
    cells: Cells,
    best: Best,
    *,
    probes: np.ndarray | None = None,
    manhattan: bool = False,
    device: str = "cpu",
    block: int = 4096,
) -> None:
    """Compare each query with all vectors of the cells that it probes, and keep the best in `best`.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim), float32
    cells : Cells
    best : Best
        Updated in place. Of equal scores those in earlier positions win.
    probes : ndarray of shape (n_queries, p), int32, optional
        Different cells in each row, -1 for none; default the first cell.
    manhattan : bool
        Score by the negative sum of absolute differences; on the CPU only.
    device : {"cpu", "cuda"}
    block : int
        Queries that a thread takes at a time.

    Notes
    -----
    Threads work side by side, so BLAS should be held to one thread.
    """
    if probes is None:
        probes = np.zeros((len(queries), 1), np.int32)
    if device != "cpu":
        return scan_torch(queries, cells, best, probes, device)

    def task(start: int, stop: int) -> None:
        part = slice(start, stop)
        _scan(queries[part], *cells, best.scores[part], best.found[part], probes[part], manhattan)

    return in_ranges(task, len(queries), size=block)


def half_squares(vectors: np.ndarray) -> np.ndarray:
    """Half the squared length of each row (n, dim); float32 (n,)."""
    return (np.einsum("ij,ij->i", vectors, vectors) / 2).astype(np.float32)


@numba.njit(nogil=True, cache=True)
def _scan(queries, vectors, half, starts, scores, found, probes, manhattan):  # type: ignore[no-untyped-def]
    rows, ends = _rows_by_cell(probes, len(starts) - 1)
    for cell in range(len(starts) - 1):
        first = ends[cell - 1] if cell else 0
        if first == ends[cell] or starts[cell] == starts[cell + 1]:
            continue
        rows_here = rows[first : ends[cell]]
        here = queries[rows_here]
        for start in range(starts[cell], starts[cell + 1], _COLUMNS):
            stop = min(start + _COLUMNS, starts[cell + 1])
            there = vectors[start:stop]
            tile = _negative_distances(here, there) if manhattan else np.dot(here, there.T)
            for r in range(len(rows_here)):
                row = rows_here[r]
                for c in range(stop - start):
                    score = tile[r, c] if manhattan else tile[r, c] - half[start + c]
                    if score > scores[row, -1]:
                        offer(score, start + c, scores[row], found[row])


@numba.njit(nogil=True, cache=True)
def _rows_by_cell(probes, n_cells):  # type: ignore[no-untyped-def]
    """Rows that probe each cell, and where those of each cell end."""
    ends = np.zeros(n_cells + 1, np.int64)
    for row in range(len(probes)):
        for cell in probes[row]:
            if cell >= 0:
                ends[cell + 1] += 1
    ends = np.cumsum(ends)
    rows = np.empty(ends[-1], np.int64)
    for row in range(len(probes)):
        for cell in probes[row]:
            if cell >= 0:
                rows[ends[cell]] = row
                ends[cell] += 1
    return rows, ends[:-1]


@numba.njit(nogil=True, cache=True)
def offer(score, position, scores, found):  # type: ignore[no-untyped-def]
    """Insert into a row of the best, which is in descending order; the score must be above the last."""
    slot = len(scores) - 1
    while slot > 0 and scores[slot - 1] < score:
        scores[slot] = scores[slot - 1]
        found[slot] = found[slot - 1]
        slot -= 1
    scores[slot] = score
    found[slot] = position


@numba.njit(nogil=True, cache=True)
def merge(best_scores, best_found, rows, scores, found):  # type: ignore[no-untyped-def]
    """Offer to some rows of the best what another search found for them."""
    for r in range(len(rows)):
        row = rows[r]
        for t in range(found.shape[1]):
            if scores[r, t] > best_scores[row, -1] and not (best_found[row] == found[r, t]).any():
                offer(scores[r, t], found[r, t], best_scores[row], best_found[row])


@numba.njit(nogil=True, cache=True, fastmath=True)
def _negative_distances(a, b):  # type: ignore[no-untyped-def]
    tile = np.empty((len(a), len(b)), np.float32)
    for i in range(len(a)):
        for j in range(len(b)):
            total = np.float32(0)
            for d in range(a.shape[1]):
                total += abs(a[i, d] - b[j, d])
            tile[i, j] = -total
    return tile


def scan_torch(queries: np.ndarray, cells: Cells, best: Best, probes: np.ndarray, device: str) -> None:
    """`scan` by torch, on a GPU or the CPU."""
    import torch

    vectors, half = torch.from_numpy(cells.vectors).to(device), torch.from_numpy(cells.half).to(device)
    sources = torch.from_numpy(queries).to(device)
    scores, found = torch.from_numpy(best.scores).to(device), torch.from_numpy(best.found).to(device)
    rows, ends = _rows_by_cell(probes, len(cells.starts) - 1)
    all_rows = torch.from_numpy(rows).to(device)
    for cell in np.flatnonzero(np.diff(ends, prepend=0)):
        first = ends[cell - 1] if cell else 0
        for chosen in all_rows[first : ends[cell]].split(_GPU_ROWS):
            for start in range(cells.starts[cell], cells.starts[cell + 1], _GPU_COLUMNS):
                stop = min(start + _GPU_COLUMNS, int(cells.starts[cell + 1]))
                tile = sources[chosen] @ vectors[start:stop].T - half[start:stop]
                positions = torch.arange(start, stop, dtype=torch.int32, device=device).expand(len(chosen), -1)
                candidates = torch.cat([scores[chosen], tile], dim=1)
                kept = _largest(candidates, scores.shape[1])
                scores[chosen] = candidates.gather(1, kept)
                found[chosen] = torch.cat([found[chosen], positions], dim=1).gather(1, kept)
    order = torch.sort(scores, dim=1, descending=True, stable=True).indices
    best.scores[:] = scores.gather(1, order).cpu().numpy()
    best.found[:] = found.gather(1, order).cpu().numpy()


def _largest(values: Any, width: int) -> Any:
    """Columns of each row's largest values, ascending; of equal values the first columns."""
    import torch

    top = torch.topk(values, min(width + 1, values.shape[1]), dim=1)
    kept = top.indices[:, :width]
    if top.values.shape[1] > width:
        tied = top.values[:, width - 1] == top.values[:, width]
        if tied.any():
            kept[tied] = torch.sort(values[tied], dim=1, descending=True, stable=True).indices[:, :width]
    return kept.sort(dim=1).values
