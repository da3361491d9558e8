"""Exact neighbours by blocked matrix products, on the CPU or a GPU."""

import numba
import numpy as np

_ROWS = 1024  # queries a block
_COLUMNS = 32768  # samples a tile; one tile of similarities is _ROWS x _COLUMNS x 4 bytes = 128 MB
_SPARE = 8  # neighbours beyond k, so that near-ties are settled by exact distances


def search(normalized: np.ndarray, *, k: int, device: str, threads: int) -> np.ndarray:
    """Propose the nearest samples of every sample.

    Parameters
    ----------
    normalized : ndarray of shape (n_samples, dim), float32, rows of length 1
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    threads : int
        Unused: BLAS, numba and torch are limited by the caller.

    Returns
    -------
    ndarray of shape (n_samples, min(k + 8, n_samples)), int64
        Unordered; lower indices win ties.
    """
    width = min(k + _SPARE, len(normalized))
    return _search_cpu(normalized, width) if device == "cpu" else search_torch(normalized, width, device)


def _search_cpu(normalized: np.ndarray, width: int) -> np.ndarray:
    n = len(normalized)
    found = np.empty((n, width), np.int64)
    for start in range(0, n, _ROWS):
        rows = normalized[start : start + _ROWS]
        values = np.full((len(rows), width), -np.inf, np.float32)
        for column in range(0, n, _COLUMNS):
            tile = rows @ normalized[column : column + _COLUMNS].T
            _keep_largest(tile, column, values, found[start : start + _ROWS])
    return found


@numba.njit(parallel=True, cache=True)
def _keep_largest(tile, offset, values, found):  # type: ignore[no-untyped-def]
    """Merge a tile of similarities into each row's largest, held in descending order."""
    width = values.shape[1]
    for i in numba.prange(len(tile)):
        smallest = values[i, width - 1]
        for j in range(tile.shape[1]):
            s = tile[i, j]
            if s > smallest:
                slot = width - 1
                while slot > 0 and values[i, slot - 1] < s:
                    values[i, slot] = values[i, slot - 1]
                    found[i, slot] = found[i, slot - 1]
                    slot -= 1
                values[i, slot] = s
                found[i, slot] = offset + j
                smallest = values[i, width - 1]


def search_torch(normalized: np.ndarray, width: int, device: str) -> np.ndarray:
    """The search of this module on a torch device; same result as on the CPU, rounding aside."""
    import torch

    samples = torch.from_numpy(normalized).to(device)
    n = len(samples)
    found = np.empty((n, width), np.int64)
    for start in range(0, n, _ROWS):
        rows = samples[start : start + _ROWS]
        values = torch.empty((len(rows), 0), device=device)
        columns = torch.empty((len(rows), 0), dtype=torch.int64, device=device)
        for column in range(0, n, _COLUMNS):
            tile = rows @ samples[column : column + _COLUMNS].T
            best = torch.topk(tile, min(width, tile.shape[1]), dim=1)
            tied = (tile >= best.values[:, -1:]).sum(dim=1) > width
            best.indices[tied] = torch.sort(tile[tied], dim=1, descending=True, stable=True).indices[:, :width]
            nearest = best.indices.sort(dim=1).values
            columns = torch.cat([columns, nearest + column], dim=1)
            values = torch.cat([values, tile.gather(1, nearest)], dim=1)
            order = torch.sort(values, dim=1, descending=True, stable=True).indices[:, :width]
            columns, values = columns.gather(1, order), values.gather(1, order)
        found[start : start + _ROWS] = columns.cpu().numpy()
    return found
