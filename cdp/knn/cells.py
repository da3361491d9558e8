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
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cdp.knn.best import Best
from cdp.knn.blocks import size_by_threads
from cdp.knn.exact import SPARE
from cdp.knn.outline import Outline
from cdp.knn.parts import sort_by_part
from cdp.knn.points import SAMPLES, Axes, Points, principal_axes, some_of
from cdp.knn.products import packed
from cdp.knn.proposal import Proposal
from cdp.knn.quantizer import Quantizer, train, training_size
from cdp.knn.recall import RecallSample
from cdp.knn.refine import new_since, refine
from cdp.knn.scan import Cells, nearest, scan
from cdp.knn.shortlist import likely_best
from cdp.knn.vectors import BLOCK, Vectors
from cdp.knn.widen import Reach, widen
from cdp.threads import in_ranges

_COARSE = 63  # principal axes that the quantiser looks at
_WITHIN = (0.22, 0.24, 0.26, 0.28, 0.31, 0.35, 0.42, 0.52, 0.7)  # of `widen`, by round, at most
_TINY = 1e-9  # for a target of 1
_FIRST, _LATER = 0.09, 0.094  # units that bring little; later, the round after finds less of what is still missing
_RATE = 35  # what is not found falls by about so many e-folds with each unit more
_SPARE_STEP = 0.015  # against rounds that change little, and cost nearly as much as others
_FEW, _MANY = 1.5, 10  # times as many neighbours missing as may be
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
    widenings : int
        In how many rounds rows looked into more parts of cells.
    recall : float
        If it was enough for the search to end; else not a number.
    """

    scores: np.ndarray
    found: np.ndarray
    is_new: np.ndarray
    worst: np.ndarray
    within: float
    widenings: int
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

    Each sample looks into its nearest cells; then, round by round, among its neighbours' neighbours and, in some, into
    more of those parts of cells where better ones may be expected (see `cdp.knn.widen`), until the recall is enough.

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
    arrangement = arrange(vectors, k=k, seed=seed, **settings)
    rows = slice(0, len(vectors))
    found, number = look(arrangement, rows, k=k, device=device), 0
    while not found.is_enough:
        number += 1
        found = look_around(arrangement, rows, found, number, sample, k=k, device=device)
    return Proposal(arrangement.points, arrangement.samples, found.found), found.recall


def arrange(vectors: Vectors, *, k: int, seed: int, cell_size: int = 64, probes: int = 12) -> Arrangement:
    """Train a quantiser, and sort the samples by its cells.

    Parameters
    ----------
    vectors, k, seed
        See `search`.
    cell_size : int
        Samples a cell, on average; at least 2 k are taken.
    probes : int
        Cells that each sample looks into at first, the nearest ones.
    """
    axes, seen, quantizer = _trained(vectors, max(1, len(vectors) // max(cell_size, 2 * k)), seed)
    probed, words = _assigned(vectors, seen, quantizer, min(probes, len(quantizer)))
    samples = np.argsort(probed[:, 0], kind="stable")
    starts = np.searchsorted(probed[samples, 0], np.arange(len(quantizer) + 1))
    sort_by_part(words, samples, starts)
    del words
    probed = probed[samples]
    cells = Cells(Points.of(vectors.arranged(samples), axes), starts)
    outline = Outline.of(cells, quantizer.centroids.starts)
    return Arrangement(cells.points, samples, probed, cells.starts, outline)


def look(arrangement: Arrangement, rows: slice, *, k: int, device: str) -> Found:
    """Round 0: the best of the nearest cells, for some rows of the arrangement; on the CPU nearly all of these.

    If there is one cell, they are exact.
    """
    points, probes = arrangement.points.take(rows), arrangement.probed[rows]
    width, is_all = min(k + SPARE, len(arrangement.samples)), len(arrangement.starts) == 2
    if device == "cpu" and not is_all:
        block = size_by_threads(len(probes), len(arrangement.samples))
        best = likely_best(points, arrangement.cells, width, probes=probes, block=block)
    else:
        best = Best.none(len(probes), width)
        scan(points, arrangement.cells, best, probes=probes, device=device)
    are_new, recall = np.ones((len(probes), k), np.bool_), 1.0 if is_all else np.nan
    return Found(*best, are_new, *Reach.none(len(probes)), 0, recall)


def look_around(
    arrangement: Arrangement, rows: slice, found: Found, number: int, sample: RecallSample, *, k: int, device: str
) -> Found:
    """A further round, for some rows: the best of neighbours' neighbours too, and if need be, of more parts of cells.

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
        cell_starts=arrangement.starts,
        rows=np.concatenate((measured, own)),
    )
    recall, least = sample.measure(points, measured, best.found[: len(measured)])
    enough = sample.is_enough(least)
    best = best.take(slice(len(measured), None))
    reach, widenings = Reach(found.worst[rows], found.within), found.widenings
    if not enough and number == ROUNDS:
        best, recall = nearest(points.take(rows), points, best.found.shape[1], device=device), 1.0
    elif not enough:
        assert sample.target is not None  # else any recall is enough
        may_miss = max(1 - sample.target, _TINY)
        missing = (1 - least) / may_miss
        within = _further(found.within, widenings, number, missing)
        if within > found.within:
            reach = widen(
                points.take(rows),
                points,
                arrangement.outline,
                best,
                reach,
                k=k,
                within=within,
                caution=_caution(may_miss),
                device=device,
            )
            widenings += 1
        recall = np.nan
    return Found(*best, new_since(found.found[rows], best.found, k), *reach, widenings, recall)


def _further(before: float, widenings: int, number: int, missing: float) -> float:
    """How far a round looks, if `missing` times as many neighbours are missing as may be.

    About as far as may be enough, but the later the farther, and at last as far as it can. If few are missing, or at
    first very many, no farther: another round among neighbours' neighbours finds more of them at less cost.
    """
    if number == ROUNDS - 1:
        return _WITHIN[-1]
    are_few = missing < _FEW
    if (are_few and number - 1 <= 2 * widenings) or (missing > _MANY and number == 1):
        return before
    step = _SPARE_STEP + math.log(missing) / _RATE
    if widenings == 0:
        return min((_FIRST if number == 1 else _LATER) + step, _WITHIN[number - 1])
    return min(max(before + step, 0 if are_few else _WITHIN[number - 2]), _WITHIN[number - 1])


def _caution(may_miss: float) -> float:
    """How cautious `widen` is if such a share of the neighbours may be missed: it loses about a hundredth of that."""
    return max(0.0, -math.log10(may_miss) - 1)


def _trained(
    vectors: Vectors, n_cells: int, seed: int
) -> tuple[Axes | None, Callable[[np.ndarray], np.ndarray], Quantizer]:
    """Axes, what the quantiser looks at of vectors (coordinates from the middle along some of the axes), and itself."""
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(len(vectors))[: training_size(n_cells)])
    few = vectors.take(rows[some_of(len(rows), SAMPLES)])
    axes = principal_axes(few)
    middle = np.median(_coarse(few, axes), axis=0)

    def seen(some: np.ndarray) -> np.ndarray:
        return _coarse(some, axes) - middle

    sample = np.empty((len(rows), len(middle)), np.float32)

    def task(start: int, stop: int) -> None:
        sample[start:stop] = seen(vectors.take(rows[start:stop]))

    in_ranges(task, len(rows), size=BLOCK)
    return axes, seen, train(sample, n_cells, generator=generator)


def _assigned(
    vectors: Vectors, seen: Callable[[np.ndarray], np.ndarray], quantizer: Quantizer, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest cells of each vector, and what the quantiser looks at of it (see `cdp.knn.products.packed`)."""
    probed = np.empty((len(vectors), count), np.int32)
    words = np.empty((len(vectors), -(-quantizer.groups.vectors.shape[1] // 2)), np.uint32)

    def task(start: int, stop: int) -> None:
        coarse = seen(vectors.take(slice(start, stop)))
        probed[start:stop], words[start:stop] = quantizer.nearest_cells(coarse, count), packed(coarse)

    in_ranges(task, len(vectors), size=BLOCK)
    return probed, words


def _coarse(vectors: np.ndarray, axes: Axes | None) -> np.ndarray:
    return vectors if axes is None else vectors @ axes.heads[:, :_COARSE]
