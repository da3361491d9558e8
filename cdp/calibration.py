"""Whether probabilities mean what they say."""

import numpy as np


def calibration(probabilities: np.ndarray, same: np.ndarray, *, bins: int = 10) -> list[dict[str, float | int]]:
    """Compare probabilities with what came true, in bins of equal width.

    Parameters
    ----------
    probabilities : ndarray of shape (P,), float
        In [0, 1]; a bin holds its lower bound, the last one 1 too.
    same : bool array of shape (P,)
        Whether it came true.
    bins : int

    Returns
    -------
    list of dict, one a bin that is not empty
        ``probability`` (mean), ``share`` (of those that came true), ``pairs`` (their number).
    """
    bin_of = np.minimum((probabilities.astype(np.float64) * bins).astype(np.int64), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    sums = np.bincount(bin_of, probabilities, bins)
    true = np.bincount(bin_of, same, bins)
    return [
        {"probability": float(sums[b] / counts[b]), "share": float(true[b] / counts[b]), "pairs": int(counts[b])}
        for b in np.flatnonzero(counts)
    ]
