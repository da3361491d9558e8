"""The share of the true neighbours that a search finds, measured on a sample against exact search."""

from collections.abc import Iterable

import numpy as np

from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from cdp.knn.scan import nearest

_SAMPLES = 1000
_TOLERANCE = 1e-5  # relative; what is as near as the last true neighbour counts as found


def check_wanted(k: int, recall: float | None) -> None:
    """Raise ValueError for neighbours or a recall that no search can give (see `cdp.knn.knn_graph`)."""
    if k < 2:
        raise ValueError(f"k must be at least 2 (it counts the sample itself), not {k}")
    if recall is not None and not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, not {recall}")


class RecallSample:
    """Samples whose true neighbours are known, and the recall that is wanted.

    Parameters
    ----------
    n_samples : int
        Of which some are chosen.
    k : int
        Neighbours, the sample itself included.
    device : {"cpu", "cuda"}
        See `cdp.knn.scan.scan`.
    seed : int
        Of the choice of the samples.
    target : float, optional
        None: any recall will do.
    manhattan : bool
        Whether the distance is the sum of absolute differences.
    last : ndarray of shape (number of samples,), float32, optional
        Score of each sample's last true neighbour, if it is known.
    """

    def __init__(
        self,
        n_samples: int,
        *,
        k: int,
        device: str,
        seed: int,
        target: float | None,
        manhattan: bool = False,
        last: np.ndarray | None = None,
    ) -> None:
        generator = np.random.default_rng([seed, 1])
        self.k = min(k, n_samples)
        self.samples = np.sort(generator.permutation(n_samples)[:_SAMPLES])
        self.device = device
        self.target = target
        self.manhattan = manhattan
        self.last = last

    def rows_in(self, samples: np.ndarray) -> np.ndarray:
        """Where the sample's samples are in an arrangement of all."""
        place = np.empty(len(samples), np.int64)
        place[samples] = np.arange(len(samples))
        return place[self.samples]

    def measure(self, points: Points, rows: np.ndarray, candidates: np.ndarray) -> tuple[float, float]:
        """Recall of candidates for the rows of `rows_in`, themselves not counted; and that less its standard error."""
        if self.k == 1:
            return 1.0, 1.0
        if self.last is None:
            self.last = self.find_last(points, rows)
        hits = self._hits(self.last, points.vectors, rows, candidates)
        shares = np.minimum(hits, self.k - 1) / (self.k - 1)
        recall, error = float(shares.mean()), float(shares.std() / len(shares) ** 0.5)
        return recall, recall - error

    def is_enough(self, least: float) -> bool:
        """Whether the recall, less a standard error, reaches the target."""
        return self.target is None or least >= self.target

    def find_last(self, points: Points, rows: np.ndarray) -> np.ndarray:
        """The scores of the last true neighbours, by exact search."""
        return nearest(points.take(rows), points, self.k, manhattan=self.manhattan, device=self.device).scores[:, -1]

    def _hits(self, last: np.ndarray, vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """How many of each row's candidates are as near as its last true neighbour, itself left out."""
        hits = np.zeros(len(rows), np.int64)
        for column in candidates.T:
            there = (column >= 0) & (column != rows)
            ours, others = vectors[rows].astype(np.float64), vectors[column].astype(np.float64)
            differences = np.abs(ours - others)
            scores = -differences.sum(axis=1) if self.manhattan else -(differences**2).sum(axis=1) / 2
            hits += there & (scores >= last * (1 + _TOLERANCE))
        return hits


def first_good(proposals: Iterable[Proposal], sample: RecallSample) -> tuple[Proposal, float]:
    """The first proposal whose recall is enough, or the last; and its recall."""
    for proposal in proposals:
        rows = sample.rows_in(proposal.samples)
        recall, least = sample.measure(proposal.points, rows, proposal.candidates[rows])
        if sample.is_enough(least):
            break
    return proposal, recall
