"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, so that all samples that look into a cell
are compared with all that lie in it by one matrix product. Cells hold a fixed number of samples,
whatever the number of all, and are themselves found through groups of cells, so the work
grows hardly faster than the number of samples. Most samples find their neighbours in few cells; just the others
look further, as far as the recall that is wanted needs it.
"""

from collections.abc import Iterator

import numpy as np

from cdp.knn.best import Best
from cdp.knn.exact import SPARE
from cdp.knn.points import Axes, Points, principal_axes
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import Quantizer, train, training_size
from cdp.knn.refine import refine
from cdp.knn.scan import Cells, nearest, scan
from cdp.knn.vectors import Vectors
from cdp.knn.widen import Outline, Reach, widen

_COARSE = 62  # principal axes that the quantiser looks at
_WITHIN = (0.4, 0.45, 0.475, 0.5, 0.56, 0.63, 0.7, 0.78, 0.87, 0.97)  # of `widen`, by proposal


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    cell_size: int = 64,
    probes: int = 12,
) -> Iterator[Proposal]:
    """Propose ever better neighbours of every sample.

    For the first, each sample looks into its nearest cells and among its neighbours' neighbours; with each
    further proposal, into more of those cells where better ones may be expected (see `cdp.knn.widen`).

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
        Cells that each sample looks into at first, the nearest ones.

    Yields
    ------
    Proposal
        The last one comes from all cells, and is exact.
    """
    axes, quantizer = _trained(vectors, max(1, len(vectors) // max(cell_size, 2 * k)), seed, device)
    n_cells = len(quantizer)
    probed = np.empty((len(vectors), min(probes, n_cells)), np.int32)
    for place, block in vectors.blocks():
        probed[place] = quantizer.nearest_cells(_heads(block, axes), probed.shape[1], device=device)
    samples = np.argsort(probed[:, 0], kind="stable")
    probed = probed[samples]
    home = probed[:, 0].copy()
    points = Points.of(vectors.arranged(samples), axes)
    cells = Cells(points, np.searchsorted(home, np.arange(n_cells + 1)))
    outline = Outline.of(cells, quantizer.centroids.starts)
    best = Best.none(len(vectors), min(k + SPARE, len(vectors)))
    scan(points, cells, best, probes=probed, device=device)
    refined, best = best, refine(points, best, Best.none(*best.found.shape), k=k, home=home, probes=probed)
    reach = Reach.none(len(vectors))
    for within in _WITHIN:
        reach = widen(cells, outline, best, reach, k=k, within=within, device=device)
        refined, best = best, refine(points, best, refined, k=k, home=home, probes=probed)
        yield Proposal(points, samples, best.found)
    yield Proposal(points, samples, nearest(points, points, k + SPARE, device=device).found)


def _trained(vectors: Vectors, n_cells: int, seed: int, device: str) -> tuple[Axes | None, Quantizer]:
    """Axes, and a quantiser of the heads along these."""
    generator = np.random.default_rng(seed)
    sample = vectors.take(np.sort(generator.permutation(len(vectors))[: training_size(n_cells)]))
    axes = principal_axes(sample)
    return axes, train(_heads(sample, axes), n_cells, generator=generator, device=device)


def _heads(vectors: np.ndarray, axes: Axes | None) -> np.ndarray:
    return vectors if axes is None else vectors @ axes.heads[:, :_COARSE]
