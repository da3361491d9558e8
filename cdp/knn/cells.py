"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, so that all samples that probe a cell
are compared with all that lie in it by one matrix product. Cells hold a fixed number of samples,
whatever the number of all, and are themselves found through groups of cells, so the work
grows hardly faster than the number of samples. Most samples find their neighbours in few cells; those
that do not are known by what changes when more is looked at, and just they are searched further.
"""

from collections.abc import Iterator

import numpy as np

from cdp.knn.exact import SPARE
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import train, training_size
from cdp.knn.refine import refine
from cdp.knn.scan import Best, Cells, merge, scan
from cdp.knn.vectors import Vectors

_REFINEMENTS = 2
_BLOCK = 65536  # samples searched further at a time
_GROWTH = 4  # of the probes, from one proposal to the next


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    cell_size: int = 64,
    probes: int = 8,
) -> Iterator[Proposal]:
    """Propose ever better neighbours of every sample.

    With each proposal, those samples whose neighbours changed since the one before (or, if there are none,
    all samples) are compared with four times as many cells.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    seed : int
        Of the samples that the quantiser is trained on.
    cell_size : int
        Samples a cell, on average; at least 2 k are taken.
    probes : int
        Cells that each sample is compared with, for the first proposal.

    Yields
    ------
    Proposal
        The last one comes from all cells, and is exact.
    """
    generator = np.random.default_rng(seed)
    n_cells = max(1, len(vectors) // max(cell_size, 2 * k))
    sample = generator.permutation(len(vectors))[: training_size(n_cells)]
    quantizer = train(vectors.take(np.sort(sample)), n_cells, generator=generator, device=device)
    n_cells = len(quantizer.centroids.vectors)
    probed = np.empty((len(vectors), min(probes, n_cells)), np.int32)
    for place, block in vectors.blocks():
        probed[place] = quantizer.nearest_cells(block, probed.shape[1], device=device)
    samples = np.argsort(probed[:, 0], kind="stable")
    probed = probed[samples]
    home = probed[:, 0].copy()
    cells = Cells.of(vectors.arranged(samples), np.searchsorted(home, np.arange(n_cells + 1)))
    best = Best.none(len(vectors), min(k + SPARE, len(vectors)))
    scan(cells.vectors, cells, best, probes=probed, device=device)
    before = best.found
    active = np.arange(len(vectors))
    while True:
        for _ in range(_REFINEMENTS):
            best = refine(cells, best, k=k, home=home, probes=probed)
        yield Proposal(cells.vectors, samples, best.found)
        if probes >= n_cells and len(active) == len(vectors):
            return
        changed = np.flatnonzero((best.found[:, :k] != before[:, :k]).any(axis=1))
        active, before = changed if len(changed) else np.arange(len(vectors)), best.found
        probes = min(_GROWTH * probes, n_cells)
        best = Best(best.scores.copy(), best.found.copy())
        for start in range(0, len(active), _BLOCK):
            rows = active[start : start + _BLOCK]
            further = Best.none(len(rows), best.found.shape[1])
            nearest = quantizer.nearest_cells(cells.vectors[rows], probes, device=device)
            scan(cells.vectors[rows], cells, further, probes=nearest, device=device)
            merge(*best, rows, *further)
