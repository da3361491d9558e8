"""k-nearest-neighbour graphs.

Backends propose neighbours, of the recall that is wanted; what a row must look like is settled in one place for all.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cdp.knn import cells, exact, faiss, nmslib
from cdp.knn.choice import choose
from cdp.knn.ordered import ordered
from cdp.knn.recall import RecallSample, check_wanted
from cdp.knn.vectors import Vectors
from cdp.neighbors import Neighbors
from cdp.threads import limit_threads, one_blas_thread

_BACKENDS = {"cells": cells.search, "exact": exact.search, "faiss": faiss.search, "nmslib": nmslib.search}
_ABLE = {"l1": ("exact", "nmslib")}  # by metric; of the others, all backends are


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
        "auto": exact up to 10,000 samples (30,000 on a CPU with AMX), for a recall of 1, for "l1", or if the device is
        a GPU; cells otherwise.
        For "l1" there are exact and nmslib.
    device : {"auto", "cpu", "cuda"}
        Where exact and cells compare samples (what else cells does runs on the CPU). "auto" takes a GPU, if torch can
        use one, for exact search of more than 100,000 samples; where the backend is "auto" too and the recall not 1, of
        more than 200,000, up to 5 million.
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
        metric, settings of an unknown backend, features that are no matrix or empty, or a row that cannot be used.
    """
    check_wanted(k, recall)
    if backend not in ("auto", *_BACKENDS):
        raise ValueError(f"backend must be one of auto, {', '.join(_BACKENDS)}, not {backend!r}")
    if unknown := set(settings or ()) - set(_BACKENDS):
        raise ValueError(f"settings are by backend ({', '.join(_BACKENDS)}), not for {', '.join(sorted(unknown))}")
    if metric in _ABLE and backend not in ("auto", *_ABLE[metric]):
        raise ValueError(f"backend {backend} cannot do metric {metric}; choose {' or '.join(_ABLE[metric])}")
    with limit_threads(threads), one_blas_thread():
        vectors = Vectors(features, metric)
        backend, device = choose(backend, device, n_samples=len(vectors), metric=metric, recall=recall)
        own = (settings or {}).get(backend, {})
        common: dict[str, Any] = {"k": min(k, len(vectors)), "device": device}
        sample = RecallSample(len(vectors), **common, seed=seed, target=recall, manhattan=metric == "l1")
        proposal, reached = _BACKENDS[backend](vectors, **common, seed=seed, sample=sample, **own)
        if recall is not None and reached < recall:
            warnings.warn(
                f"recall of the kNN search is {reached:.4f} at its most thorough; the target is {recall}", stacklevel=2
            )
        return Neighbors(*ordered(proposal, k=k, metric=metric, scale=vectors.scale), reached)
