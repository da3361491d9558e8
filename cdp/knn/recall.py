"""The share of the true neighbours that a search finds, measured on a sample against exact search."""

import numpy as np

from cdp.knn.proposal import Proposal
from cdp.knn.scan import nearest
from cdp.knn.vectors import Vectors

_SAMPLES = 1000
_TOLERANCE = 1e-5  # relative; what is as near as the last true neighbour counts as found


class RecallSample:
    """Samples whose true neighbours are known.

    Parameters
    ----------
    vectors : Vectors
    k : int
        Neighbours, the sample itself included.
    device : {"cpu", "cuda"}
        See `cdp.knn.scan.scan`.
    seed : int
        Of the choice of the samples.
    """

    def __init__(self, vectors: Vectors, *, k: int, device: str, seed: int) -> None:
        generator = np.random.default_rng([seed, 1])
        self.k = min(k, len(vectors))
        self.samples = np.sort(generator.permutation(len(vectors))[:_SAMPLES])
        self.device = device
        self.manhattan = vectors.metric == "l1"
        self.last: np.ndarray | None = None

    def measure(self, proposal: Proposal) -> tuple[float, float]:
        """Recall of a proposal, the sample itself left out, and its standard error."""
        if self.k == 1:
            return 1.0, 0.0
        position = np.empty(len(proposal.samples), np.int64)
        position[proposal.samples] = np.arange(len(position))
        rows = position[self.samples]
        if self.last is None:
            points = proposal.points
            best = nearest(points.take(rows), points, self.k, manhattan=self.manhattan, device=self.device)
            self.last = best.scores[:, -1]
        hits = self._hits(proposal.points.vectors, rows, proposal.candidates[rows])
        shares = np.minimum(hits, self.k - 1) / (self.k - 1)
        return float(shares.mean()), float(shares.std() / len(shares) ** 0.5)

    def _hits(self, vectors: np.ndarray, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """How many of each row's candidates are as near as its last true neighbour, itself left out."""
        assert self.last is not None
        hits = np.zeros(len(rows), np.int64)
        for column in candidates.T:
            there = (column >= 0) & (column != rows)
            ours, others = vectors[rows].astype(np.float64), vectors[column].astype(np.float64)
            differences = np.abs(ours - others)
            scores = -differences.sum(axis=1) if self.manhattan else -(differences**2).sum(axis=1) / 2
            hits += there & (scores >= self.last * (1 + _TOLERANCE))
        return hits
