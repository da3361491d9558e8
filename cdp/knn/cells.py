"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, so that all samples that look into a cell
are compared with all that lie in it by one matrix product. Cells hold a fixed number of samples,
whatever the number of all, and are themselves found through groups of cells, so the work
grows hardly faster than the number of samples. Most samples find their neighbours in few cells; just the others
look further, as far as the recall that is wanted needs it.

After the samples are arranged, each step is done for rows of the arrangement by themselves, from what the step before
found for all: so rows may be spread over machines (see `cdp.knn.shards`).
"""

import itertools
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
_EARLY = (0.4, 0.45)  # of `widen`, between looks around
_LATER = (0.475, 0.5, 0.53, 0.56, 0.6, 0.65, 0.7, 0.78, 0.87, 0.97)  # as far as needed
ROUNDS = len(_EARLY) + 1
EXHAUSTIVE = len(_LATER) + 1  # the step after them: compare with all


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


class Found(NamedTuple):
    """What is found for rows of an arrangement, best first, and how far they have looked (see `Best` and `Reach`)."""

    scores: np.ndarray  # float32 (n_rows, k and some spare ones)
    found: np.ndarray  # int32, the same
    worst: np.ndarray  # float32 (n_rows,)

    @property
    def best(self) -> Best:
        """The neighbours."""
        return Best(self.scores, self.found)

    def take(self, rows: slice | np.ndarray) -> "Found":
        """Some of the rows; arrays of their own."""
        return Found(*(array[rows].copy() for array in self))


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

    Each sample looks into its nearest cells, among its neighbours' neighbours, and into those cells where better ones may be
    expected (see `cdp.knn.widen`): into more and more of them, as far as the samples of `sample` need it.

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
    found, before = look(arrangement, rows, k=k, device=device), None
    for number in range(1, ROUNDS + 1):
        found, before = look_around(arrangement, rows, found, before, number, k=k, device=device), found
    steps, recall = steps_needed(arrangement, found, sample, k=k, device=device)
    candidates = look_further(arrangement, rows, found, steps, k=k, device=device)
    return Proposal(arrangement.points, arrangement.samples, candidates), recall


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


def look(arrangement: Arrangement, rows: slice, *, k: int, device: str) -> Found:
    """The best of the nearest cells, for some rows of the arrangement."""
    points = arrangement.points.take(rows)
    best = Best.none(len(points.vectors), min(k + SPARE, len(arrangement.samples)))
    scan(points, arrangement.cells, best, probes=arrangement.probed[rows], device=device)
    return Found(*best, Reach.none(len(points.vectors)).worst)


def look_around(
    arrangement: Arrangement, rows: slice, found: Found, before: Found | None, number: int, *, k: int, device: str
) -> Found:
    """The best of neighbours' neighbours too, and (but for the last round) of some more cells, for some rows.

    Parameters
    ----------
    arrangement : Arrangement
    rows : slice
    found : Found
        Of all rows, by the round before.
    before : Found or None
        Of all rows, by the one before that.
    number : int
        Of this round, from 1 to `ROUNDS`.
    k : int
    device : {"cpu", "cuda"}
    """
    probed, best = arrangement.probed, found.best
    known = before.best if before else Best.none(*best.found.shape)
    best = refine(arrangement.points, best, known, k=k, home=probed[:, 0].copy(), probes=probed, rows=rows)
    own = Found(*best, found.worst[rows].copy())
    if number == ROUNDS:
        return own
    within = 0.0 if number == 1 else _EARLY[number - 2]
    return _further(arrangement, arrangement.points.take(rows), own, (within, _EARLY[number - 1]), k, device)


def steps_needed(
    arrangement: Arrangement, found: Found, sample: RecallSample, *, k: int, device: str
) -> tuple[int, float]:
    """How many steps the rows of a sample must look further until their recall is enough; and that recall."""
    rows = sample.rows_in(arrangement.samples)
    points, own, reached = arrangement.points.take(rows), found.take(rows), _EARLY[-1]
    for steps, within in enumerate((reached, *_LATER)):
        if steps:
            own, reached = _further(arrangement, points, own, (reached, within), k, device), within
        enough, recall = sample.is_enough(arrangement.points, rows, own.found)
        if enough:
            return steps, recall
    return EXHAUSTIVE, 1.0


def look_further(arrangement: Arrangement, rows: slice, found: Found, steps: int, *, k: int, device: str) -> np.ndarray:
    """Positions of the best after so many steps, for the rows that `found` is of; int32 (n_rows, k and some spare ones)."""
    points = arrangement.points.take(rows)
    if steps == EXHAUSTIVE:
        return nearest(points, arrangement.points, k + SPARE, device=device).found
    withins = (_EARLY[-1], *_LATER[:steps])
    for reach in itertools.pairwise(withins):
        found = _further(arrangement, points, found, reach, k, device)
    return found.found


def _further(
    arrangement: Arrangement, points: Points, found: Found, withins: tuple[float, float], k: int, device: str
) -> Found:
    """Look from the reach that was (`found` is changed) to a wider one."""
    before, now = Reach(found.worst, withins[0]), withins[1]
    reach = widen(points, arrangement.cells, arrangement.outline, found.best, before, k=k, within=now, device=device)
    return found._replace(worst=reach.worst)


def _trained(vectors: Vectors, n_cells: int, seed: int, device: str) -> tuple[Axes | None, Quantizer]:
    """Axes, and a quantiser of the heads along these."""
    generator = np.random.default_rng(seed)
    sample = vectors.take(np.sort(generator.permutation(len(vectors))[: training_size(n_cells)]))
    axes = principal_axes(sample)
    return axes, train(_heads(sample, axes), n_cells, generator=generator, device=device)


def _heads(vectors: np.ndarray, axes: Axes | None) -> np.ndarray:
    return vectors if axes is None else vectors @ axes.heads[:, :_COARSE]
