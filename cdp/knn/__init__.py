"""k-nearest-neighbour graphs by cosine similarity.

A backend proposes neighbours; what a row must look like is settled here, once, for all of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numba
import numpy as np

from cdp.devices import choose_device
from cdp.features import normalize
from cdp.knn import exact, nmslib
from cdp.threads import limit_threads

_BACKENDS = {"exact": exact.search, "nmslib": nmslib.search}
_EXACT_UP_TO = 1_000_000  # samples; beyond it, without a GPU, "auto" takes the approximate backend


class Neighbors(NamedTuple):
    """A kNN graph.

    Attributes
    ----------
    idx : ndarray of shape (n_samples, k), int32
        Row i holds i itself, then its neighbours, nearest first; -1 where there are none left.
    dist : ndarray of shape (n_samples, k), float32
        1 - cosine similarity; +inf where idx is -1.
    """

    idx: np.ndarray
    dist: np.ndarray


def knn_graph(
    features: np.ndarray,
    *,
    k: int = 15,
    metric: str = "cosine",
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Neighbors:
    """The k nearest neighbours of every sample among all samples.

    Parameters
    ----------
    features : array of shape (n_samples, dim)
        Any float or integer type; need not be normalised; may be memory-mapped.
    k : int, >= 2
        Neighbours a row, the sample itself included.
    metric : {"cosine"}
    backend : {"auto", "exact", "nmslib"}
        "exact": blocked matrix products. "nmslib": HNSW, approximate, and reproducible only with
        one thread. "auto": exact, but nmslib for more than a million samples without a GPU.
    device : {"auto", "cpu", "cuda"}
        Where the exact backend computes; "auto" takes a GPU if torch can use one.
    threads : int, optional
        At most this many threads; default all CPUs that the process may use.
    seed : int
        For backends that make random choices (the present ones take none).
    settings : mapping, optional
        Settings of backends by backend name, such as ``{"nmslib": {"M": 32, "ef_search": 400}}``.

    Returns
    -------
    Neighbors
        Every row starts with the sample itself at distance 0; ties are ordered by index.

    Raises
    ------
    ValueError
        For k < 2, an unknown metric, backend or device, settings of an unknown backend, or a row that
        cannot be normalised.
    """
    if k < 2:
        raise ValueError(f"k must be at least 2 (it counts the sample itself), not {k}")
    if metric != "cosine":
        raise ValueError(f"metric must be 'cosine', not {metric!r}")
    if backend not in ("auto", *_BACKENDS):
        raise ValueError(f"backend must be one of auto, {', '.join(_BACKENDS)}, not {backend!r}")
    if unknown := set(settings or ()) - set(_BACKENDS):
        raise ValueError(f"settings are by backend ({', '.join(_BACKENDS)}), not for {', '.join(sorted(unknown))}")
    device = choose_device(device)
    normalized = normalize(features)
    if backend == "auto":
        backend = "exact" if device == "cuda" or len(normalized) <= _EXACT_UP_TO else "nmslib"
    own = (settings or {}).get(backend, {})
    with limit_threads(threads) as limit:
        candidates = _BACKENDS[backend](normalized, k=min(k, len(normalized)), device=device, threads=limit, **own)
        return _ordered(normalized, candidates, k)


def _ordered(normalized: np.ndarray, candidates: np.ndarray, k: int) -> Neighbors:
    """Rows as DESIGN 4.1 defines them, from proposed neighbours in any order (-1: none)."""
    idx = np.full((len(normalized), k), -1, np.int32)
    dist = np.full((len(normalized), k), np.inf, np.float32)
    _order_rows(normalized, candidates, idx, dist)
    return Neighbors(idx, dist)


@numba.njit(parallel=True, cache=True)
def _order_rows(normalized, candidates, idx, dist):  # type: ignore[no-untyped-def]
    n, k = idx.shape
    squares = np.empty(n)
    for i in numba.prange(n):
        squares[i] = _dot(normalized[i], normalized[i])
    for i in numba.prange(n):
        idx[i, 0] = i
        dist[i, 0] = 0.0
        filled = 1
        for j in candidates[i]:
            if j < 0 or j == i:
                continue
            cosine = _dot(normalized[i], normalized[j]) / np.sqrt(squares[i] * squares[j])
            d = np.float32(max(0.0, 1.0 - cosine))
            if filled < k:
                slot = filled
                filled += 1
            elif d < dist[i, k - 1] or (d == dist[i, k - 1] and j < idx[i, k - 1]):
                slot = k - 1
            else:
                continue
            while slot > 1 and (d < dist[i, slot - 1] or (d == dist[i, slot - 1] and j < idx[i, slot - 1])):
                dist[i, slot] = dist[i, slot - 1]
                idx[i, slot] = idx[i, slot - 1]
                slot -= 1
            dist[i, slot] = d
            idx[i, slot] = j


@numba.njit(cache=True, fastmath=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(len(a)):
        total += np.float64(a[d]) * np.float64(b[d])
    return total
