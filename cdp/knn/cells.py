"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, so that all samples that look into a cell
are compared with all that lie in it by one matrix product. Cells hold a fixed number of samples,
whatever the number of all, and are themselves found through groups of cells, so the work
grows hardly faster than the number of samples. Most samples find their neighbours in few cells; just the others
look further, as far as the recall that is wanted needs it.

After the samples are arranged, each step is done for rows of the arrangement by themselves, from what the step before
found for all: so rows may be spread over machines (see `cdp.knn.shards`).
"""

from typing import NamedTuple

import numpy as np

from cdp.knn.best import Best
from cdp.knn.exact import SPARE
from cdp.knn.points import Axes, Points, principal_axes
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import Quantizer, train, training_size
from cdp.knn.recall import RecallSample
from cdp.knn.refine import refine
from cdp.knn.scan import Cells, nearest, scan
from cdp.knn.vectors import Vectors
from cdp.knn.widen import Outline, Reach, widen

_COARSE = 62  # principal axes that the quantiser looks at
REFINEMENTS = 3
_WITHIN = (0.4, 0.43, 0.46, 0.49, 0.525, 0.56, 0.6, 0.64, 0.69, 0.74, 0.79, 0.85, 0.91, 0.97)  # of `widen`, by step
EXHAUSTIVE = len(_WITHIN) + 1  # the step after them: compare with all


class Arrangement(NamedTuple):
    """Samples sorted by cell, and what a search must know of the cells."""

    points: Points
    samples: np.ndarray  # int64 (n,): which sample each point is
    probed: np.ndarray  # int32 (n, p): the cells that each point looks into at first, its own before the others
    starts: np.ndarray  # int64 (n_cells + 1,): where each cell begins
    outline: Outline

    @property
    def cells(self) -> Cells:
        """The cells with their points."""
        return Cells(self.points, self.starts)


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    sample: RecallSample,
    cell_size: int = 64,
    probes: int = 12,
) -> tuple[Proposal, float]:
    """Neighbours of every sample.

    Each sample looks into its nearest cells and among its neighbours' neighbours, then into more of those cells where
    better ones may be expected (see `cdp.knn.widen`), as far as the samples of `sample` need it.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    seed : int
        Of the samples that the quantiser is trained on.
    sample : RecallSample
    cell_size : int
        Samples a cell, on average; at least 2 k are taken.
    probes : int
        Cells that each sample looks into at first, the nearest ones.

    Returns
    -------
    Proposal
    float
        Its recall.
    """
    arrangement = arrange(vectors, k=k, device=device, seed=seed, cell_size=cell_size, probes=probes)
    rows = slice(0, len(vectors))
    best, before = look(arrangement, rows, k=k, device=device), None
    for _ in range(REFINEMENTS):
        best, before = look_around(arrangement, rows, best, before, k=k), best
    steps, recall = steps_needed(arrangement, best, sample, k=k, device=device)
    found = look_further(arrangement, rows, best, steps, k=k, device=device)
    return Proposal(arrangement.points, arrangement.samples, found), recall


def arrange(vectors: Vectors, *, k: int, device: str, seed: int, cell_size: int, probes: int) -> Arrangement:
    """Train a quantiser, and sort the samples by its cells; for the options see `search`."""
    axes, quantizer = _trained(vectors, max(1, len(vectors) // max(cell_size, 2 * k)), seed, device)
    probed = np.empty((len(vectors), min(probes, len(quantizer))), np.int32)
    for place, block in vectors.blocks():
        probed[place] = quantizer.nearest_cells(_heads(block, axes), probed.shape[1], device=device)
    samples = np.argsort(probed[:, 0], kind="stable")
    probed = probed[samples]
    cells = Cells(
        Points.of(vectors.arranged(samples), axes), np.searchsorted(probed[:, 0], np.arange(len(quantizer) + 1))
    )
    outline = Outline.of(cells, quantizer.centroids.starts)
    return Arrangement(cells.points, samples, probed, cells.starts, outline)


def look(arrangement: Arrangement, rows: slice, *, k: int, device: str) -> Best:
    """The best of the nearest cells, for some rows of the arrangement."""
    points = arrangement.points.take(rows)
    best = Best.none(len(points.vectors), min(k + SPARE, len(arrangement.samples)))
    scan(points, arrangement.cells, best, probes=arrangement.probed[rows], device=device)
    return best


def look_around(arrangement: Arrangement, rows: slice, best: Best, before: Best | None, *, k: int) -> Best:
    """The best of neighbours' neighbours too, for some rows; `best` is of all, and `before` what that was made from."""
    return refine(
        arrangement.points,
        best,
        before or Best.none(*best.found.shape),
        k=k,
        home=arrangement.probed[:, 0].copy(),
        probes=arrangement.probed,
        rows=rows,
    )


def steps_needed(
    arrangement: Arrangement, best: Best, sample: RecallSample, *, k: int, device: str
) -> tuple[int, float]:
    """How many steps the rows of a sample must look further until their recall is enough; and that recall."""
    rows = sample.rows_in(arrangement.samples)
    points, own = arrangement.points.take(rows), Best(best.scores[rows], best.found[rows])
    reach = Reach.none(len(rows))
    for steps in range(EXHAUSTIVE):
        if steps:
            reach = _step(arrangement, points, own, reach, steps, k, device)
        enough, recall = sample.is_enough(arrangement.points, rows, own.found)
        if enough:
            return steps, recall
    return EXHAUSTIVE, 1.0


def look_further(arrangement: Arrangement, rows: slice, best: Best, steps: int, *, k: int, device: str) -> np.ndarray:
    """Positions of the best after so many steps, for some rows; int32 (n_rows, k and some spare ones)."""
    points = arrangement.points.take(rows)
    if steps == EXHAUSTIVE:
        return nearest(points, arrangement.points, k + SPARE, device=device).found
    own, reach = best.take(rows).copy(), Reach.none(len(points.vectors))
    for step in range(1, steps + 1):
        reach = _step(arrangement, points, own, reach, step, k, device)
    return own.found


def _step(arrangement: Arrangement, points: Points, best: Best, reach: Reach, step: int, k: int, device: str) -> Reach:
    within = _WITHIN[step - 1]
    return widen(points, arrangement.cells, arrangement.outline, best, reach, k=k, within=within, device=device)


def _trained(vectors: Vectors, n_cells: int, seed: int, device: str) -> tuple[Axes | None, Quantizer]:
    """Axes, and a quantiser of the heads along these."""
    generator = np.random.default_rng(seed)
    sample = vectors.take(np.sort(generator.permutation(len(vectors))[: training_size(n_cells)]))
    axes = principal_axes(sample)
    return axes, train(_heads(sample, axes), n_cells, generator=generator, device=device)


def _heads(vectors: np.ndarray, axes: Axes | None) -> np.ndarray:
    return vectors if axes is None else vectors @ axes.heads[:, :_COARSE]
