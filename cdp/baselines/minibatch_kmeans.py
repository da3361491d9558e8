"""Mini-batch k-means."""

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from cdp.baselines.seeding import check_n_clusters, first_centroids
from cdp.components import number_by_appearance
from cdp.features import normalize
from cdp.threads import limit_threads

_SEEDING = 3  # times the batch or the number of clusters: samples that the first centroids are chosen from


def minibatch_kmeans(features: np.ndarray, *, n_clusters: int, batch_size: int = 4096, seed: int = 0) -> np.ndarray:
    """k-means on normalised features, from k-means++ centroids, by steps on random batches of samples.

    The first centroids are chosen among three batches of samples, or three samples a cluster if that is more.
    It ends when the batches no longer bring the centroids nearer to their samples, or after 100 times the samples.

    Parameters
    ----------
    features : array of shape (n_samples, dim), any float type
        Need not be normalised; may be memory-mapped. One float32 copy of it is made.
    n_clusters : int in 1..n_samples
    batch_size : int, >= 1
        Should hold several samples of each cluster.
    seed : int
        Of the first centroids and of the batches.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; clusters without samples are left out.

    Raises
    ------
    ValueError
        If a parameter is out of range or a row is all zeros or not finite.

    References
    ----------
    Sculley: Web-Scale K-Means Clustering, WWW 2010. Computed by scikit-learn, without its random reassignment of
    small clusters, which small identities are.
    """
    check_n_clusters(n_clusters, len(features))
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    with limit_threads():
        vectors = normalize(features)
        among = _SEEDING * max(batch_size, n_clusters)
        centroids = first_centroids(vectors, n_clusters, among=among, seed=seed)
        search = MiniBatchKMeans(
            n_clusters, init=centroids, n_init=1, batch_size=batch_size, random_state=seed, reassignment_ratio=0
        )
        return number_by_appearance(search.fit_predict(vectors))
