"""Where k-means starts from."""

import numpy as np

from cdp.threads import in_ranges, one_blas_thread

_BLOCK = 16384  # vectors a task


def greedy_k_means_plus_plus(vectors: np.ndarray, n_clusters: int, *, seed: int) -> np.ndarray:
    """Choose vectors far from each other: k-means++, the best of several trials for each centroid.

    That is what scikit-learn does, in float32 and one pass over the vectors for each centroid, so that it takes about
    as long as ten iterations of k-means, instead of some hundreds.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), float32
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
    n, trials = len(vectors), 2 + int(np.log(n_clusters))
    squares = np.einsum("ij,ij->i", vectors, vectors)
    chosen = np.empty(n_clusters, np.int64)
    chosen[0] = generator.integers(n)
    distances = np.full((n, 1), np.inf, np.float32)  # squared, to the nearest centroid if a candidate becomes one
    candidates, best = chosen[:1], 0
    with one_blas_thread():
        for c in range(n_clusters):
            if c > 0:
                candidates = _drawn(distances[:, best], trials, generator)
            distances, costs = _with_candidates(vectors, squares, candidates, distances[:, best])
            best = int(np.argmin(costs))
            chosen[c] = candidates[best]
    return vectors[chosen]


def _drawn(weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Positions drawn in proportion to weights."""
    ends = np.cumsum(weights, dtype=np.float64)
    return np.minimum(np.searchsorted(ends, generator.random(count) * ends[-1], side="right"), len(weights) - 1)


def _with_candidates(
    vectors: np.ndarray, squares: np.ndarray, candidates: np.ndarray, nearest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance of each vector to its nearest centroid with each of the candidates; their sums."""
    directions = -2 * vectors[candidates].T
    distances = np.empty((len(vectors), len(candidates)), np.float32)
    sums = np.empty((-(-len(vectors) // _BLOCK), len(candidates)))

    def measure(start: int, stop: int) -> None:
        block = distances[start:stop]
        np.matmul(vectors[start:stop], directions, out=block)
        block += squares[start:stop, None]
        block += squares[candidates]
        np.clip(block, 0, nearest[start:stop, None], out=block)
        sums[start // _BLOCK] = block.sum(axis=0, dtype=np.float64)

    in_ranges(measure, len(vectors), size=_BLOCK)
    return distances, sums.sum(axis=0)


def check_n_clusters(n_clusters: int, n_samples: int) -> None:
    """Raise ValueError unless there are samples for that many clusters."""
    if not 1 <= n_clusters <= n_samples:
        raise ValueError(f"n_clusters must be between 1 and the {n_samples} samples, not {n_clusters}")
