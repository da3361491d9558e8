"""Approximate neighbours, cell by cell of a coarse quantiser, then from neighbours to their neighbours.

Every sample is both query and data: samples lie sorted by cell, and by part in it (see `cdp.knn.parts`), so that all
samples that look into a cell or part are compared with all that lie in it by one matrix product. Cells hold a fixed
number of samples, whatever the number of all, and are themselves found through groups of cells, so the work grows
hardly faster than the number of samples. Most samples find their neighbours in few cells; just the others look further,
as far as the recall that is wanted needs it.

After the samples are arranged, each round is done for rows of the arrangement by themselves, from what the round before
found for all: so rows may be spread over machines (see `cdp.knn.shards`).
"""

import math
from typing import NamedTuple

import numpy as np

from cdp.knn.best import Best
from cdp.knn.exact import SPARE
from cdp.knn.parts import sort_by_part
from cdp.knn.points import Axes, Points, principal_axes
from cdp.knn.products import packed
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import Quantizer, train, training_size
from cdp.knn.recall import RecallSample
from cdp.knn.refine import new_since, refine
from cdp.knn.scan import Cells, nearest, scan
from cdp.knn.vectors import Vectors
from cdp.knn.widen import Outline, Reach, widen

_COARSE = 63  # principal axes that the quantiser looks at
_WITHIN = (0.22, 0.24, 0.26, 0.28, 0.31, 0.35, 0.42, 0.52, 0.7)  # of `widen`, by round, at most
_FIRST = 0.09  # units that bring little
_RATE = 35  # what is not found falls by about so many e-folds with each unit more
_SPARE_STEP = 0.01  # against rounds that change little
ROUNDS = len(_WITHIN) + 1  # the last one compares with all


class Arrangement(NamedTuple):
    """Samples sorted by cell and part, and what a search must know of the cells."""

    points: Points
    samples: np.ndarray  # int64 (n,): which sample each point is
    probed: np.ndarray  # int32 (n, p): the cells that each point looks into at first, its own before the others
    starts: np.ndarray  # int64 (n_cells + 1,): where each cell begins
    outline: Outline

    @property
    def cells(self) -> Cells:
        """The cells with their points."""
        return Cells(self.points, self.starts)

    @classmethod
    def one_cell(cls, points: Points) -> "Arrangement":
        """Samples as they are: the first look compares all with all."""
        n_samples, none = len(points.vectors), np.zeros(1, np.int64)
        outline = Outline.of(Cells(points.take(slice(0)), none), none)
        return cls(points, np.arange(n_samples), np.zeros((n_samples, 1), np.int32), Cells.one(points).starts, outline)


class Found(NamedTuple):
    """What rows of an arrangement have found after a round.

    Attributes
    ----------
    scores : ndarray of shape (n_rows, k and some spare ones), float32
    found : ndarray of the same shape, int32
        See `cdp.knn.best.Best`.
    is_new : ndarray of shape (n_rows, k), bool
        Which of the found were not there when the row last looked among its neighbours' neighbours.
    worst : ndarray of shape (n_rows,), float32
    within : float
        Together a `cdp.knn.widen.Reach`.
    recall : float
        If it was enough for the search to end; else not a number.
    """

    scores: np.ndarray
    found: np.ndarray
    is_new: np.ndarray
    worst: np.ndarray
    within: float
    recall: float

    @property
    def is_enough(self) -> bool:
        """Whether the search has ended."""
        return not np.isnan(self.recall)


def search(
    vectors: Vectors,
    *,
    k: int,
    device: str,
    seed: int,
    sample: RecallSample,
    **settings: int,
) -> tuple[Proposal, float]:
    """Neighbours of every sample.

    Each sample looks into its nearest cells; then, round by round, among its neighbours' neighbours and into more
    of those parts of cells where better ones may be expected (see `cdp.knn.widen`), until the recall is enough.

    Parameters
    ----------
    vectors : Vectors
    k : int, <= n_samples
    device : {"cpu", "cuda"}
    seed : int
        Of the samples that the quantiser is trained on.
    sample : RecallSample
    **settings
        See `arrange`.

    Returns
    -------
    Proposal
    float
        Its recall.
    """
    arrangement = arrange(vectors, k=k, device=device, seed=seed, **settings)
    rows = slice(0, len(vectors))
    found, number = look(arrangement, rows, k=k, device=device), 0
    while not found.is_enough:
        number += 1
        found = look_around(arrangement, rows, found, number, sample, k=k, device=device)
    return Proposal(arrangement.points, arrangement.samples, found.found), found.recall


def arrange(vectors: Vectors, *, k: int, device: str, seed: int, cell_size: int = 64, probes: int = 12) -> Arrangement:
    """Train a quantiser, and sort the samples by its cells.

    Parameters
    ----------
    vectors, k, device, seed
        See `search`.
    cell_size : int
        Samples a cell, on average; at least 2 k are taken.
    probes : int
        Cells that each sample looks into at first, the nearest ones.
    """
    axes, quantizer = _trained(vectors, max(1, len(vectors) // max(cell_size, 2 * k)), seed, device)
    probed = np.empty((len(vectors), min(probes, len(quantizer))), np.int32)
    words = np.empty((len(vectors), -(-quantizer.groups.vectors.shape[1] // 2)), np.uint32)
    for place, block in vectors.blocks():
        heads = _heads(block, axes)
        probed[place], words[place] = quantizer.nearest_cells(heads, probed.shape[1], device=device), packed(heads)
    samples = np.argsort(probed[:, 0], kind="stable")
    starts = np.searchsorted(probed[samples, 0], np.arange(len(quantizer) + 1))
    sort_by_part(words, samples, starts)
    del words
    probed = probed[samples]
    cells = Cells(Points.of(vectors.arranged(samples), axes), starts)
    outline = Outline.of(cells, quantizer.centroids.starts)
    return Arrangement(cells.points, samples, probed, cells.starts, outline)


def look(arrangement: Arrangement, rows: slice, *, k: int, device: str) -> Found:
    """Round 0: the best of the nearest cells, for some rows of the arrangement; of the only one, these are exact."""
    points = arrangement.points.take(rows)
    best = Best.none(len(points.vectors), min(k + SPARE, len(arrangement.samples)))
    scan(points, arrangement.cells, best, probes=arrangement.probed[rows], device=device)
    recall = 1.0 if len(arrangement.starts) == 2 else np.nan
    return Found(*best, np.ones((len(best.found), k), np.bool_), *Reach.none(len(best.found)), recall)


def look_around(
    arrangement: Arrangement, rows: slice, found: Found, number: int, sample: RecallSample, *, k: int, device: str
) -> Found:
    """A further round, for some rows: the best of neighbours' neighbours too, and if that is not enough, of more cells.

    Parameters
    ----------
    arrangement : Arrangement
    rows : slice
    found : Found
        Of all rows, by the round before.
    number : int
        Of this round, from 1 to `ROUNDS`.
    sample : RecallSample
        It tells whether the neighbours of neighbours are enough.
    k : int
    device : {"cpu", "cuda"}
    """
    points, samples = arrangement.points, arrangement.samples
    measured, own = sample.rows_in(samples), np.arange(len(samples))[rows]
    best = refine(
        points,
        Best(found.scores, found.found),
        found.is_new,
        probes=arrangement.probed,
        rows=np.concatenate((measured, own)),
    )
    recall, least = sample.measure(points, measured, best.found[: len(measured)])
    enough = sample.is_enough(least)
    best, reach = best.take(slice(len(measured), None)), Reach(found.worst[rows], found.within)
    if not enough and number == ROUNDS:
        best, recall = nearest(points.take(rows), points, best.found.shape[1], device=device), 1.0
    elif not enough:
        assert sample.target is not None  # else any recall is enough
        within = _further(found.within, number, least, sample.target)
        reach = widen(points.take(rows), points, arrangement.outline, best, reach, k=k, within=within, device=device)
        recall = np.nan
    return Found(*best, new_since(found.found[rows], best.found, k), *reach, recall)


def _further(before: float, number: int, least: float, target: float) -> float:
    """How far a round looks: about as far as may be enough, but the later the farther, and at last as far as it can."""
    farthest = _WITHIN[number - 1]
    if number == ROUNDS - 1 or target == 1:
        return farthest
    step = _SPARE_STEP + math.log((1 - least) / (1 - target)) / _RATE
    return min(max(before + step, _WITHIN[number - 2] if number > 1 else _FIRST + step), farthest)


def _trained(vectors: Vectors, n_cells: int, seed: int, device: str) -> tuple[Axes | None, Quantizer]:
    """Axes, and a quantiser of the heads along these."""
    generator = np.random.default_rng(seed)
    sample = vectors.take(np.sort(generator.permutation(len(vectors))[: training_size(n_cells)]))
    axes = principal_axes(sample)
    return axes, train(_heads(sample, axes), n_cells, generator=generator, device=device)


def _heads(vectors: np.ndarray, axes: Axes | None) -> np.ndarray:
    return vectors if axes is None else vectors @ axes.heads[:, :_COARSE]
