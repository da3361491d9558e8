"""Where k-means starts from."""

import numba
import numpy as np

from cdp.knn.points import Points
from cdp.knn.scan import closeness
from cdp.threads import in_ranges, one_blas_thread

_BLOCK = 16384  # vectors a task


def greedy_k_means_plus_plus(points: Points, n_clusters: int, *, seed: int) -> np.ndarray:
    """Choose vectors far from each other: k-means++, the best of several trials for each centroid.

    That is what scikit-learn does, in float32 and one pass over the heads of the vectors for each centroid; whole
    vectors are compared only where a candidate may be nearer than the centroids so far.

    Parameters
    ----------
    points : Points
        Of n vectors.
    n_clusters : int, <= n
    seed : int

    Returns
    -------
    ndarray of shape (n_clusters, dim), float32

    References
    ----------
    Arthur, Vassilvitskii: k-means++: The Advantages of Careful Seeding, SODA 2007.
    """
    generator = np.random.default_rng(seed)
    n, trials = len(points.vectors), 2 + int(np.log(n_clusters))
    chosen = np.empty(n_clusters, np.int64)
    nearest = np.full(n, np.inf, np.float32)  # half the squared distance to the nearest centroid
    candidates = generator.integers(n, size=1)
    with one_blas_thread():
        for c in range(n_clusters):
            if c > 0:
                candidates = _drawn(nearest, trials, generator)
            distances, savings = _with_candidates(points, candidates, nearest)
            best = int(np.argmax(savings))
            chosen[c], nearest = candidates[best], np.ascontiguousarray(distances[:, best])
    return points.vectors[chosen]


def _drawn(weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Positions drawn in proportion to weights."""
    ends = np.cumsum(weights, dtype=np.float64)
    return np.minimum(np.searchsorted(ends, generator.random(count) * ends[-1], side="right"), len(weights) - 1)


def _with_candidates(points: Points, candidates: np.ndarray, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the squared distance of each vector to its nearest centroid with each candidate; by how much it falls."""
    heads = points.heads[candidates]
    halves = -heads[:, -1]
    heads[:, -1] = 1
    distances = np.empty((len(nearest), len(candidates)), np.float32)
    savings = np.zeros((-(-len(nearest) // _BLOCK), len(candidates)))

    def measure(start: int, stop: int) -> None:
        np.matmul(points.heads[start:stop], heads.T, out=distances[start:stop])
        _compare(start, stop, points.vectors, candidates, halves, nearest, distances, savings[start // _BLOCK])

    in_ranges(measure, len(nearest), size=_BLOCK)
    return distances, savings.sum(axis=0)


@numba.njit(nogil=True, cache=True)
def _compare(  # type: ignore[no-untyped-def]
    start, stop, vectors, candidates, halves, nearest, distances, savings
):
    """Replace bounds of the products by distances."""
    for i in range(start, stop):
        for t in range(len(candidates)):
            distance = nearest[i]
            if distances[i, t] > halves[t] - nearest[i]:
                distance = min(distance, -closeness(vectors, i, vectors, candidates[t]))
                savings[t] += nearest[i] - distance
            distances[i, t] = distance


def check_n_clusters(n_clusters: int, n_samples: int) -> None:
    """Raise ValueError unless there are samples for that many clusters."""
    if not 1 <= n_clusters <= n_samples:
        raise ValueError(f"n_clusters must be between 1 and the {n_samples} samples, not {n_clusters}")
