"""Where k-means starts from."""

import numpy as np

from cdp.jit import njit
from cdp.knn.points import Axes, Points, principal_axes
from cdp.knn.products import closeness, product, unpacked
from cdp.threads import in_ranges, one_blas_thread

_WIDTH = 47  # of heads
_BLOCK = 16384  # vectors a task
_CHUNK = 64  # of these that are first looked at together


def short_axes(vectors: np.ndarray) -> Axes | None:
    """`principal_axes` with shorter heads, and necks of the rest: for k-means, few centroids are near to a sample."""
    axes = principal_axes(vectors)
    if axes is None:
        return None
    heads, necks = np.split(np.concatenate(axes, axis=1), [_WIDTH], axis=1)
    return Axes(np.ascontiguousarray(heads), np.ascontiguousarray(necks))


def first_centroids(vectors: np.ndarray, n_clusters: int, *, among: int, seed: int) -> np.ndarray:
    """Choose centroids by `greedy_k_means_plus_plus` among so many of the vectors, drawn at random."""
    if among < len(vectors):
        vectors = vectors[np.sort(np.random.default_rng(seed).permutation(len(vectors))[:among])]
    return greedy_k_means_plus_plus(Points.of(vectors, short_axes(vectors)), n_clusters, seed=seed)


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
    bounds = np.empty((trials, n), np.float32)  # of products with candidates
    candidates = generator.integers(n, size=1)
    heads = np.column_stack((unpacked(points.heads), -points.halves))
    with one_blas_thread():
        for c in range(n_clusters):
            if c > 0:
                candidates = _drawn(nearest, trials, generator)
            best = int(np.argmax(_savings(points, heads, candidates, nearest, bounds)))
            chosen[c] = candidates[best]
            _compare(bounds[best], 0, points, heads, chosen[c], nearest, True)
    return points.vectors[chosen]


def _drawn(weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Positions drawn in proportion to weights."""
    ends = np.cumsum(weights, dtype=np.float64)
    return np.minimum(np.searchsorted(ends, generator.random(count) * ends[-1], side="right"), len(weights) - 1)


def _savings(
    points: Points, heads: np.ndarray, candidates: np.ndarray, nearest: np.ndarray, bounds: np.ndarray
) -> np.ndarray:
    """By how much the sum of `nearest` falls with each candidate; leaves their bounds."""
    rows = heads[candidates]
    rows[:, -1] = 1
    savings = np.zeros((-(-len(nearest) // _BLOCK), len(candidates)))

    def measure(start: int, stop: int) -> None:
        bounds[: len(candidates), start:stop] = rows @ heads[start:stop].T
        for t, candidate in enumerate(candidates):
            savings[start // _BLOCK, t] = _compare(
                bounds[t, start:stop], start, points, heads, candidate, nearest, False
            )

    in_ranges(measure, len(nearest), size=_BLOCK)
    return savings.sum(axis=0)


@njit
def _compare(bounds, start, points, heads, candidate, nearest, take):  # type: ignore[no-untyped-def]
    """By how much the vectors from `start` on are nearer to a candidate than to the nearest centroid; may take it."""
    vectors, necks = points.vectors, points.necks
    saving, half, tail = 0.0, points.halves[candidate], heads[candidate, 0]
    for left in range(0, len(bounds), _CHUNK):
        right = min(left + _CHUNK, len(bounds))
        if not _any_nearer(bounds[left:right], half, nearest[start + left : start + right]):
            continue
        for c in range(left, right):
            i = start + c
            if bounds[c] <= half - nearest[i]:
                continue
            if bounds[c] - tail * heads[i, 0] + product(necks, candidate, necks, i) > half - nearest[i]:
                distance = -closeness(vectors, candidate, vectors, i)
                if distance < nearest[i]:
                    saving += nearest[i] - distance
                    if take:
                        nearest[i] = distance
    return saving


@njit
def _any_nearer(bounds, half, nearest):  # type: ignore[no-untyped-def]
    """Whether one may be; written so that it compiles to vector instructions."""
    found = np.uint8(0)
    for c in range(len(bounds)):
        found |= np.uint8(bounds[c] > half - nearest[c])
    return found > 0


def check_n_clusters(n_clusters: int, n_samples: int) -> None:
    """Raise ValueError unless there are samples for that many clusters."""
    if not 1 <= n_clusters <= n_samples:
        raise ValueError(f"n_clusters must be between 1 and the {n_samples} samples, not {n_clusters}")
