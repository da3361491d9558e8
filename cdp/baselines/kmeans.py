"""k-means."""

import numpy as np

from cdp.baselines.seeding import check_n_clusters, first_centroids, short_axes
from cdp.components import number_by_appearance
from cdp.features import normalize
from cdp.jit import njit
from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.products import closeness
from cdp.knn.scan import Cells, scan
from cdp.threads import limit_threads, one_blas_thread

_BLOCK = 1024  # vectors that a thread takes at a time
_SEEDING = 100_000  # vectors, or 16 a cluster if that is more, that the first centroids are chosen among


def kmeans(features: np.ndarray, *, n_clusters: int, iterations: int = 20, seed: int = 0) -> np.ndarray:
    """Lloyd's k-means on normalised features, from k-means++ centroids.

    Parameters
    ----------
    features : array of shape (n_samples, dim), any float type
        Need not be normalised; may be memory-mapped. One float32 copy of it is made.
    n_clusters : int in 1..n_samples
    iterations : int, >= 1
    seed : int
        Of the first centroids.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance. A centroid that loses its samples moves to the sample that is farthest from
        its own; clusters can remain empty, and be left out, if there are fewer different samples than clusters.

    Raises
    ------
    ValueError
        If a parameter is out of range or a row is all zeros or not finite.

    Notes
    -----
    Distances of whole vectors are computed only where those of their coordinates along few principal axes let a
    centroid be nearer than that of the last iteration (see `cdp.knn.points`). Ends when no sample changes its cluster.
    The first centroids are chosen among 100,000 vectors drawn at random, or 16 a cluster if that is more.
    Takes, besides that copy, some 400 bytes a sample.

    References
    ----------
    Lloyd: Least squares quantization in PCM, IEEE Transactions on Information Theory 28, 1982.
    """
    check_n_clusters(n_clusters, len(features))
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
    return lloyd(normalize(features), n_clusters=n_clusters, iterations=iterations, seed=seed)


def lloyd(vectors: np.ndarray, *, n_clusters: int, iterations: int, seed: int) -> np.ndarray:
    """As `kmeans`, for float32 vectors taken as they are."""
    with limit_threads(), one_blas_thread():
        centroids = first_centroids(vectors, n_clusters, among=max(_SEEDING, 16 * n_clusters), seed=seed)
        axes = short_axes(vectors)
        points = Points.of(vectors, axes)
        best = Best.none(len(vectors), 1)
        scan(points, Cells.one(Points.of(centroids, axes)), best, block=_BLOCK)
        for _ in range(iterations):
            before = best.found.copy()
            centroids = _moved(vectors, best.found[:, 0], best.scores[:, 0], centroids)
            _score(vectors, centroids, *best)
            scan(points, Cells.one(Points.of(centroids, axes)), best, block=_BLOCK)
            if np.array_equal(before, best.found):
                break
    return number_by_appearance(best.found[:, 0])


def _moved(vectors: np.ndarray, labels: np.ndarray, scores: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The means of the vectors with each label; for labels that none has, the vectors with the lowest scores."""
    sums, counts = np.zeros(centroids.shape), np.bincount(labels, minlength=len(centroids))
    _add(vectors, labels, sums)
    empty = np.flatnonzero(counts == 0)
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    means[empty] = vectors[np.argsort(scores, kind="stable")[: len(empty)]]
    return means


@njit
def _add(vectors, labels, sums):  # type: ignore[no-untyped-def]
    for i in range(len(vectors)):
        for d in range(vectors.shape[1]):
            sums[labels[i], d] += vectors[i, d]


@njit
def _score(vectors, centroids, scores, found):  # type: ignore[no-untyped-def]
    """Score again what has been found, so that only what is better need be looked at."""
    for i in range(len(vectors)):
        scores[i, 0] = closeness(vectors, i, centroids, found[i, 0])
