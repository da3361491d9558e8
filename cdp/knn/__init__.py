"""k-nearest-neighbour graphs.

A backend proposes neighbours, better ones each time it is asked; how good they must be, and what a row
must look like, is settled here, once, for all of them.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from cdp.devices import choose_device
from cdp.knn import cells, exact, faiss, nmslib
from cdp.knn.proposal import Proposal
from cdp.knn.recall import RecallSample
from cdp.knn.vectors import METRICS, Vectors
from cdp.neighbors import Neighbors
from cdp.threads import in_ranges, limit_threads, one_blas_thread

_BACKENDS = {"cells": cells.search, "exact": exact.search, "faiss": faiss.search, "nmslib": nmslib.search}
_ABLE = {"l1": ("exact", "nmslib")}  # by metric; of the others, all backends are
_EXACT_UP_TO = 10_000  # samples; beyond it, without a GPU, "auto" takes cells
_BLOCK = 4096  # rows a task


def knn_graph(
    features: np.ndarray,
    *,
    k: int = 15,
    metric: str = "cosine",
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    recall: float | None = 0.99,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Neighbors:
    """The k nearest neighbours of every sample among all samples.

    Parameters
    ----------
    features : array of shape (n_samples, dim)
        Any float or integer type; need not be normalised; may be memory-mapped. One float32 copy
        of it is made.
    k : int, >= 2
        Neighbours a row, the sample itself included.
    metric : {"cosine", "angular", "l2", "l1"}
        Distances are 1 - cosine; the angle as a share of half a turn; Euclidean; the sum of absolute differences.
    backend : {"auto", "exact", "cells", "faiss", "nmslib"}
        "exact": blocked matrix products. "cells": a coarse quantiser searched cell by cell, then
        neighbours of neighbours. "faiss": its inverted lists. "nmslib": HNSW, reproducible only with one thread.
        "auto": exact up to 10,000 samples, on a GPU, for a recall of 1, or for "l1"; cells otherwise.
        For "l1" there are exact and nmslib.
    device : {"auto", "cpu", "cuda"}
        Where exact and cells compute; "auto" takes a GPU if torch can use one.
    threads : int, optional
        At most this many threads; default all CPUs that the process may use.
    seed : int
        Of the quantisers' training, and of the sample on which recall is measured.
    recall : float in (0, 1], optional
        An approximate backend searches harder and harder until it measures this recall and a standard error
        more. None: as its settings say.
    settings : mapping, optional
        Settings of backends by backend name, such as ``{"nmslib": {"M": 32, "ef_search": 400}}``.

    Returns
    -------
    Neighbors
        Every row starts with the sample itself at distance 0; ties are ordered by index.

    Raises
    ------
    ValueError
        For k < 2, recall out of range, an unknown metric, backend or device, a backend that cannot do the
        metric, settings of an unknown backend, or a row that cannot be used.
    """
    if k < 2:
        raise ValueError(f"k must be at least 2 (it counts the sample itself), not {k}")
    if recall is not None and not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, not {recall}")
    if backend not in ("auto", *_BACKENDS):
        raise ValueError(f"backend must be one of auto, {', '.join(_BACKENDS)}, not {backend!r}")
    if unknown := set(settings or ()) - set(_BACKENDS):
        raise ValueError(f"settings are by backend ({', '.join(_BACKENDS)}), not for {', '.join(sorted(unknown))}")
    if metric in _ABLE and backend not in ("auto", *_ABLE[metric]):
        raise ValueError(f"backend {backend} cannot do metric {metric}; choose {' or '.join(_ABLE[metric])}")
    with limit_threads(threads), one_blas_thread():
        vectors = Vectors(features, metric)
        device = "cpu" if metric == "l1" else choose_device(device)
        if backend == "auto":
            exact_pays = len(vectors) <= _EXACT_UP_TO or recall == 1 or device == "cuda" or metric in _ABLE
            backend = "exact" if exact_pays else "cells"
        own = (settings or {}).get(backend, {})
        common: dict[str, Any] = {"k": min(k, len(vectors)), "device": device, "seed": seed}
        proposal, found = _good_enough(
            _BACKENDS[backend](vectors, **common, **own),
            None if backend == "exact" else RecallSample(vectors, **common),
            recall,
        )
        return _ordered(proposal, k, vectors, found)


def _good_enough(proposals: Any, sample: RecallSample | None, target: float | None) -> tuple[Proposal, float]:
    """The first proposal whose recall reaches the target by a standard error, or the last; and its recall."""
    reached = 1.0
    for proposal in proposals:
        if sample is None:
            break
        reached, error = sample.measure(proposal)
        if target is None or reached - error >= target:
            break
    if target is not None and reached < target:
        warnings.warn(
            f"recall of the kNN search is {reached:.4f} at its most thorough; the target is {target}", stacklevel=4
        )
    return proposal, reached


def _ordered(proposal: Proposal, k: int, vectors: Vectors, recall: float) -> Neighbors:
    """Rows as DESIGN 4.1 defines them, from proposed neighbours in any order (-1: none)."""
    idx = np.full((len(proposal.samples), k), -1, np.int32)
    dist = np.full(idx.shape, np.inf, np.float32)
    arranged, metric, squares = proposal.points.vectors, METRICS.index(vectors.metric), np.empty(len(idx))
    in_ranges(lambda start, stop: _squares(arranged[start:stop], squares[start:stop]), len(idx), size=_BLOCK)

    def order(start: int, stop: int) -> None:
        candidates = proposal.samples, proposal.candidates
        _order_rows(start, stop, arranged, *candidates, squares, metric, vectors.scale, idx, dist)

    in_ranges(order, len(idx), size=_BLOCK)
    return Neighbors(idx, dist, recall)


@numba.njit(nogil=True, cache=True)
def _order_rows(  # type: ignore[no-untyped-def]
    start, stop, vectors, samples, candidates, squares, metric, scale, idx, dist
):
    k = idx.shape[1]
    for row in range(start, stop):
        i = samples[row]
        idx[i, 0] = i
        dist[i, 0] = 0.0
        filled = 1
        for other in candidates[row]:
            if other < 0 or other == row:
                continue
            j = samples[other]
            d = np.float32(scale * _distance(vectors[row], vectors[other], squares[row], squares[other], metric))
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


@numba.njit(nogil=True, cache=True)
def _squares(vectors, squares):  # type: ignore[no-untyped-def]
    for row in range(len(vectors)):
        squares[row] = _dot(vectors[row], vectors[row])


@numba.njit(nogil=True, cache=True)
def _distance(a, b, square_a, square_b, metric):  # type: ignore[no-untyped-def]
    """Distance by the place of its metric in METRICS."""
    if metric == 3:
        return _difference(a, b, 1)
    if metric == 2:
        return np.sqrt(_difference(a, b, 2))
    cosine = min(1.0, _dot(a, b) / np.sqrt(square_a * square_b))
    return np.arccos(max(-1.0, cosine)) / np.pi if metric == 1 else 1.0 - cosine


@numba.njit(nogil=True, cache=True, fastmath=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(len(a)):
        total += np.float64(a[d]) * np.float64(b[d])
    return total


@numba.njit(nogil=True, cache=True, fastmath=True)
def _difference(a, b, power):  # type: ignore[no-untyped-def]
    total = 0.0
    for d in range(len(a)):
        difference = abs(np.float64(a[d]) - np.float64(b[d]))
        total += difference if power == 1 else difference * difference
    return total
