"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, so that all samples that probe a cell
are compared with all that lie in it by one matrix product. Cells hold a fixed number of samples,
whatever the number of all, and are themselves found through groups of cells, so the work
grows hardly faster than the number of samples.
"""

from collections.abc import Iterator

import numpy as np

from cdp.knn.exact import SPARE
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import Quantizer, train, training_size
from cdp.knn.refine import refine
from cdp.knn.scan import Best, Cells, scan
from cdp.knn.vectors import Vectors

_REFINEMENTS = 2


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    threads: int,
    seed: int,
    cell_size: int = 64,
    probes: int = 8,
) -> Iterator[Proposal]:
    """Propose ever better neighbours of every sample: with each proposal, twice as many cells are probed.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    threads : int
        The result does not depend on them.
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
    quantizer = train(vectors.take(np.sort(sample)), n_cells, generator=generator, device=device, threads=threads)
    n_cells = len(quantizer.centroids.vectors)
    ranked = np.empty((len(vectors), min(2 * probes, n_cells)), np.int32)
    for place, block in vectors.blocks():
        ranked[place] = _rank(quantizer, block, ranked.shape[1], device, threads)
    samples = np.argsort(ranked[:, 0], kind="stable")
    ranked = ranked[samples]
    home = ranked[:, 0].copy()
    cells = Cells.of(vectors.arranged(samples), np.searchsorted(home, np.arange(n_cells + 1)))
    scanned = Best.none(len(vectors), min(k + SPARE, len(vectors)))
    probed = np.empty((len(vectors), 0), np.int32)
    while True:
        if probes > ranked.shape[1]:
            ranked = _rank(quantizer, cells.vectors, min(2 * probes, n_cells), device, threads)
        nearest = np.ascontiguousarray(ranked[:, :probes])
        scan(cells.vectors, cells, scanned, probes=nearest, skip=probed, device=device, threads=threads)
        probed = np.hstack([probed, nearest])
        best = scanned
        for _ in range(_REFINEMENTS):
            best = refine(cells, best, k=k, home=home, probes=probed, threads=threads)
        yield Proposal(cells.vectors, samples, best.found)
        if probes >= n_cells:
            return
        probes *= 2


def _rank(quantizer: Quantizer, vectors: np.ndarray, count: int, device: str, threads: int) -> np.ndarray:
    """The `count` nearest cells of each vector, of half as many groups; of all where all cells are asked for."""
    all_groups = len(quantizer.groups.vectors)
    n_groups = all_groups if count >= len(quantizer.centroids.vectors) else min(count // 2, all_groups)
    return quantizer.nearest_cells(vectors, count, n_groups=n_groups, device=device, threads=threads)
