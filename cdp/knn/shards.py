"""The search of one model in shards, on as many machines as there are: the bytes are those of `cdp.knn.knn_graph`.

The samples are arranged once. Then, in each of the rounds 0 to `cdp.knn.cells.ROUNDS`, every shard searches for its
rows by itself, from what the round before found for all; after the round that found enough, nothing is left to do.
What all found is merged.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cdp.files import load_arrays, map_array, save_array, save_arrays
from cdp.knn.blocks import fixed_size
from cdp.knn.cells import Arrangement, Found, arrange, look, look_around
from cdp.knn.choice import choose
from cdp.knn.ordered import ordered
from cdp.knn.outline import Means, Outline
from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from cdp.knn.recall import RecallSample, check_wanted
from cdp.knn.vectors import Vectors
from cdp.neighbors import Neighbors
from cdp.threads import one_blas_thread

_CELLS = ("samples", "probed", "starts", "middle", "part_starts", "group_starts", "last")  # arrays of cells.npz


class Prepared(NamedTuple):
    """What all shards begin with.

    Attributes
    ----------
    arrangement : Arrangement
    last : ndarray of shape (number of samples,), float32
        See `cdp.knn.recall.RecallSample`; empty if the first round will be exact.
    """

    arrangement: Arrangement
    last: np.ndarray

    @property
    def backend(self) -> str:
        """What searches: exact or cells."""
        return "cells" if len(self.last) else "exact"


def prepare(
    features: np.ndarray,
    *,
    k: int,
    backend: str = "auto",
    device: str = "auto",
    seed: int = 0,
    recall: float | None = 0.99,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Prepared:
    """Arrange the samples, and find the true neighbours of those on which recall is measured.

    For the parameters see `cdp.knn.knn_graph`; the metric is cosine.

    Raises
    ------
    ValueError
        For k < 2, recall out of range, a backend that cannot search in shards, or a row that cannot be used.
    """
    check_wanted(k, recall)
    if backend not in ("auto", "cells", "exact"):
        raise ValueError(f"backend {backend} cannot search in shards; choose auto, cells or exact, or shards: 1")
    with one_blas_thread():
        vectors = Vectors(features, "cosine")
        k = min(k, len(vectors))
        backend, device = choose(backend, device, n_samples=len(vectors), metric="cosine", recall=recall)
        if backend == "exact":
            points = Points.to_scan(vectors.arranged())
            return Prepared(Arrangement.one_cell(points), np.empty(0, np.float32))
        arrangement = arrange(vectors, k=k, seed=seed, **(settings or {}).get("cells", {}))
        sample = RecallSample(len(vectors), k=k, device=device, seed=seed, target=recall)
        return Prepared(arrangement, sample.find_last(arrangement.points, sample.rows_in(arrangement.samples)))


def search_shard(
    prepared: Prepared,
    before: Found | None,
    *,
    shard: int,
    shards: int,
    number: int,
    k: int,
    device: str = "auto",
    seed: int = 0,
    recall: float | None = 0.99,
) -> Found:
    """One round of one shard.

    Parameters
    ----------
    prepared : Prepared
    before : Found or None
        What the round before found, of all rows (see `join`), which is not enough; None in round 0.
    shard : int
        From 0.
    shards : int
    number : int
        Of the round, from 0 to `ROUNDS`.
    k, device, seed, recall
        As for `prepare`.

    Returns
    -------
    Found
        Of the shard's rows.
    """
    arrangement, last = prepared
    n_samples = len(arrangement.samples)
    rows, k = _rows(shard, shards, n_samples), min(k, n_samples)
    _, device = choose(prepared.backend, device, n_samples=n_samples, metric="cosine", recall=recall)
    with one_blas_thread():
        if before is None:
            return look(arrangement, rows, k=k, device=device)
        sample = RecallSample(n_samples, k=k, device=device, seed=seed, target=recall, last=last)
        return look_around(arrangement, rows, before, number, sample, k=k, device=device)


def _rows(shard: int, shards: int, n_samples: int) -> slice:
    """Whole blocks (see `fixed_size`), as many for each shard."""
    size = fixed_size(n_samples)
    n_blocks = -(-n_samples // size)
    first, last = (size * (number * n_blocks // shards) for number in (shard, shard + 1))
    return slice(first, min(last, n_samples))


def join(parts: Sequence[Found]) -> Found:
    """What all shards found in a round, in one."""
    scores, found, is_new, worst = (np.concatenate(arrays) for arrays in list(zip(*parts, strict=True))[:4])
    return Found(scores, found, is_new, worst, parts[0].within, parts[0].widenings, parts[0].recall)


def merge(prepared: Prepared, found: Found, *, k: int) -> Neighbors:
    """The graph, from what the last round found."""
    points, samples = prepared.arrangement.points, prepared.arrangement.samples
    return Neighbors(*ordered(Proposal(points, samples, found.found), k=k), found.recall)


def save(folder: str | os.PathLike[str], prepared: Prepared) -> None:
    """Write the arrays of the points, which `load` maps, and the others."""
    (points, samples, probed, starts, outline), last = prepared
    for name, array in points._asdict().items():
        save_array(Path(folder, f"{name}.npy"), array)
    arrays = samples, probed, starts, outline.middle, outline.starts, outline.group_starts, last
    save_arrays(Path(folder, "cells.npz"), **dict(zip(_CELLS, arrays, strict=True)))
    for name in ("parts", "groups"):
        save_arrays(Path(folder, f"{name}.npz"), **getattr(outline, name)._asdict())


def load(folder: str | os.PathLike[str]) -> Prepared:
    """Read what `save` wrote; raises ValueError if a file is damaged."""
    points = Points(*(map_array(Path(folder, f"{name}.npy"), mode="c") for name in Points._fields))
    samples, probed, starts, middle, part_starts, group_starts, last = load_arrays(Path(folder, "cells.npz"), *_CELLS)
    parts, groups = (Means(*load_arrays(Path(folder, f"{name}.npz"), *Means._fields)) for name in ("parts", "groups"))
    outline = Outline(parts, groups, middle, part_starts, group_starts)
    return Prepared(Arrangement(points, samples, probed, starts, outline), last)


def save_found(path: str | os.PathLike[str], found: Found) -> None:
    """Write what a shard found."""
    save_arrays(path, **{name: np.asarray(value) for name, value in found._asdict().items()})


def load_found(path: str | os.PathLike[str]) -> Found:
    """Read what `save_found` wrote; raises ValueError if the file is damaged."""
    scores, found, is_new, worst, within, widenings, recall = load_arrays(path, *Found._fields)
    return Found(scores, found, is_new, worst, float(within), int(widenings), float(recall))
