"""Affinity of pairs: their cosine in each model."""

from collections.abc import Sequence

import numba
import numpy as np

from cdp.features import normalize


def affinity(features_per_model: Sequence[np.ndarray], pairs: np.ndarray) -> np.ndarray:
    """Cosine similarity of pairs in each model.

    Parameters
    ----------
    features_per_model : sequence of arrays of shape (n_samples, dim of the model)
        Base first; may be memory-mapped. One model is in memory at a time.
    pairs : ndarray of shape (P, 2), integer

    Returns
    -------
    ndarray of shape (P, number of models), float32

    Raises
    ------
    ValueError
        If the models do not embed the same samples, a row cannot be normalised, or `pairs`
        names a sample that does not exist.
    """
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(f"pairs must be integers of shape (P, 2), not {pairs.dtype} of shape {pairs.shape}")
    counts = {len(features) for features in features_per_model}
    if len(counts) > 1:
        raise ValueError(f"all models must embed the same samples; they have {sorted(counts)} rows")
    if len(pairs) and not (counts and 0 <= pairs.min() <= pairs.max() < max(counts)):
        raise ValueError(f"pairs name samples outside the {max(counts, default=0)} rows of the features")
    cosines = np.empty((len(pairs), len(features_per_model)), np.float32)
    for m, features in enumerate(features_per_model):
        _cosines(normalize(features, name=f"features of model {m}"), pairs, cosines[:, m])
    return cosines


@numba.njit(parallel=True, cache=True, fastmath=True)
def _cosines(normalized, pairs, cosines):  # type: ignore[no-untyped-def]
    for p in numba.prange(len(pairs)):
        a, b = normalized[pairs[p, 0]], normalized[pairs[p, 1]]
        total = np.float32(0.0)
        for d in range(len(a)):
            total += a[d] * b[d]
        cosines[p] = min(np.float32(1.0), max(np.float32(-1.0), total))
