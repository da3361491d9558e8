"""Features as a search sees them: float32, normalised where the metric asks for it, read block by block."""

import numpy as np

from cdp.features import row_norms
from cdp.jit import njit
from cdp.knn.aligned import aligned
from cdp.knn.points import some_of
from cdp.threads import in_ranges

METRICS = ("cosine", "angular", "l2", "l1")
BLOCK = 4096  # rows that a thread reads at a time
_ORIGIN_SAMPLES = 10_000
_LARGEST = 1e15  # squares of larger values leave float32


class Vectors:
    """The vectors to search, held as they are stored until they are asked for.

    Parameters
    ----------
    features : array of shape (n_samples, dim)
        Any float or integer type; may be memory-mapped.
    metric : {"cosine", "angular", "l2", "l1"}
        For the first two, vectors are scaled to length 1; for l2, they are moved and scaled all alike.

    Attributes
    ----------
    scale : float
        By which distances of vectors must be multiplied to be those of the features.

    Raises
    ------
    ValueError
        For an unknown metric, features that are no matrix or empty, or a row that holds NaN, infinity or
        what the metric cannot use.
    """

    def __init__(self, features: np.ndarray, metric: str) -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}")
        self.features = np.asanyarray(features)
        self.metric = metric
        self.directions = metric in ("cosine", "angular")
        if self.features.ndim != 2 or 0 in self.features.shape:
            raise ValueError(f"features must be samples x dim, with one of each at least, not {self.features.shape}")
        if self.directions:
            self._inverse_norms = 1 / row_norms(self.features)
        else:
            largest = _checked_largest(self.features)
        self.origin, self.scale = np.zeros(self.features.shape[1]), 1.0
        if metric == "l2":  # in the middle of the data and at their scale, float32 has the digits that tell them apart
            sample = self.features[some_of(len(self), _ORIGIN_SAMPLES)].astype(np.float64)
            self.origin = np.median(sample, axis=0)
            lengths = np.linalg.norm(sample - self.origin, axis=1)
            middle = np.median(lengths[lengths > 0]) if lengths.any() else 0.0
            self.scale = float(max(middle, largest / _LARGEST)) or 1.0

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some of the vectors; float32 (number of rows, dim), C-contiguous."""
        chosen = self.features[rows]
        vectors = np.empty(chosen.shape, np.float32)
        if self.directions:
            return np.multiply(chosen, self._inverse_norms[rows, None], out=vectors, casting="same_kind")
        return np.divide(chosen - self.origin, self.scale, out=vectors, casting="same_kind")

    def arranged(self, order: np.ndarray | None = None) -> np.ndarray:
        """All vectors in one array, in that order of samples; as stored by default."""
        place_of = np.arange(len(self))
        if order is not None:
            place_of[order] = np.arange(len(self))
        arranged = aligned(self.features.shape, np.float32)

        def task(start: int, stop: int) -> None:
            _scatter(self.take(slice(start, stop)), place_of[start:stop], arranged)

        in_ranges(task, len(self), size=BLOCK)
        return arranged


@njit
def _scatter(block, into, rows):  # type: ignore[no-untyped-def]
    for i in range(len(block)):
        rows[into[i]] = block[i]


def _checked_largest(features: np.ndarray) -> float:
    """The largest absolute value of features that are finite, and not so large that distances would not be."""
    if features.dtype.kind not in "fiu":
        raise ValueError(f"features must be real numbers, not {features.dtype}")
    largest_of_all = 0.0
    for start in range(0, len(features), BLOCK):
        block = features[start : start + BLOCK]
        largest = np.maximum(block.max(axis=1).astype(np.float64), -block.min(axis=1).astype(np.float64))
        bad = np.flatnonzero(~(largest <= _LARGEST))
        if len(bad):
            row = bad[0]
            raise ValueError(
                f"features: row {start + row} (counted from 0) holds NaN, infinity or a value beyond {_LARGEST:g}; "
                "remove or re-extract that sample, or scale all features down"
            )
        largest_of_all = max(largest_of_all, float(largest.max()))
    return largest_of_all
