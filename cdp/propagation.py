"""Propagation: clusters of bounded size from scored pairs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cdp.components import find_root, merge, number_by_appearance
from cdp.features import MOST_SAMPLES
from cdp.jit import njit


def propagate(
    pairs: np.ndarray,
    scores: np.ndarray,
    n_samples: int,
    *,
    max_size: int = 600,
    step: float = 0.05,
    max_iter: int = 100,
) -> np.ndarray:
    """Cluster scored pairs into components of bounded size (docs/definitions.md).

    Round 0 takes the connected components of all pairs; those of at most `max_size` samples are
    final. Each later round raises the threshold, th + (1 - th) * step from the smallest score,
    and takes the components of the remaining samples' pairs that reach it.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        Kept pairs, in any order.
    scores : ndarray of shape (P,), float
        At most 1.
    n_samples : int
    max_size : int, >= 1
    step : float in (0, 1]
    max_iter : int, >= 1
        Number of rounds; components still too large after them stay as they are, with a warning.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; -1 for samples in no pair.

    Raises
    ------
    ValueError
        For shapes that do not fit, samples out of range, scores above 1 or NaN, bad parameters.

    Notes
    -----
    With th_r the threshold of round r, a pair's level is the last round whose threshold it
    reaches. Components only shrink from round to round, so one pass over the pairs sorted by level
    (a counting sort), from the last to the first, finds every round's components by merging. The pairs
    that merge are a maximum spanning forest; those of them that make no component too large are final.
    """
    return propagate_in_rounds(pairs, scores, n_samples, max_size=max_size, step=step, max_iter=max_iter)[0]


@contextmanager
def without_warning() -> Iterator[None]:
    """Silences the warning of clusters that are left too large, where clusterings are only tried."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="clusters still larger than max_size")
        yield


def propagate_in_rounds(
    pairs: np.ndarray,
    scores: np.ndarray,
    n_samples: int,
    *,
    max_size: int = 600,
    step: float = 0.05,
    max_iter: int = 100,
) -> tuple[np.ndarray, int]:
    """The labels of `propagate`, and the number of rounds that they took."""
    check_settings(max_size=max_size, step=step, max_iter=max_iter)
    pairs, scores = check_scored_pairs(pairs, scores, n_samples)
    if len(pairs) == 0:
        return np.full(n_samples, -1, np.int64), 1
    thresholds = round_thresholds(float(scores.min()), step=step, max_iter=max_iter)
    levels, ends = _levels(scores, thresholds, step, np.uint8 if max_iter <= 256 else np.int32)
    ordered = _sorted_by_level(pairs, levels, np.append(ends[1:], 0))
    roots, unresolved, n_iter = _bounded_components(ordered, ends, n_samples, max_size)
    if len(unresolved):
        sizes = ", ".join(str(size) for size in sorted(unresolved, reverse=True)[:10])
        warnings.warn(
            f"clusters still larger than max_size {max_size} after {max_iter} rounds, left as they are: "
            f"{len(unresolved)} (largest: {sizes} samples); a larger max_iter or step, or a higher threshold, splits "
            "them where pairs score below 1; where all score 1 (duplicates), only a larger max_size admits them",
            stacklevel=3,
        )
    return number_by_appearance(roots), n_iter


def check_settings(*, max_size: int, step: float, max_iter: int) -> None:
    """Raise ValueError if a parameter of `propagate` is out of range."""
    if max_size < 1 or max_iter < 1 or not 0 < step <= 1:
        raise ValueError(
            f"max_size and max_iter must be at least 1 and step in (0, 1], not {max_size}, {max_iter} and {step}"
        )


def round_thresholds(lowest: float, *, step: float, max_iter: int) -> np.ndarray:
    """Thresholds of the rounds: th_0 = lowest, th_{r+1} = th_r + (1 - th_r) * step; float64 (max_iter,)."""
    thresholds = np.empty(max_iter)
    thresholds[0] = lowest
    for r in range(1, max_iter):
        thresholds[r] = min(1.0, thresholds[r - 1] + (1.0 - thresholds[r - 1]) * step)
    return thresholds


def check_scored_pairs(pairs: np.ndarray, scores: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and scores as arrays; raises ValueError unless they fit each other and `n_samples`."""
    pairs, scores = np.asarray(pairs), np.asarray(scores)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or scores.shape != (len(pairs),):
        raise ValueError(f"pairs must be (P, 2) and scores (P,), not {pairs.shape} and {scores.shape}")
    if n_samples > MOST_SAMPLES:
        raise ValueError(f"there are {n_samples} samples; at most {MOST_SAMPLES} are supported")
    if pairs.dtype.kind not in "iu":
        raise ValueError(f"pairs must be integers, not {pairs.dtype}")
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < n_samples:
        raise ValueError(f"pairs name samples outside 0..{n_samples - 1}")
    if len(pairs) and not (-np.inf < scores.min() <= scores.max() <= 1):
        raise ValueError(f"scores must be numbers of at most 1; they run from {scores.min()} to {scores.max()}")
    return pairs, scores


@njit
def _levels(scores, thresholds, step, kind):  # type: ignore[no-untyped-def]
    """The last round whose threshold each score reaches; the number of pairs of each level or a higher one."""
    last = len(thresholds) - 1
    levels = np.empty(len(scores), kind)
    ends = np.zeros(len(thresholds), np.int64)
    rate = np.log(1 - step) if step < 1 else -np.inf
    for p in range(len(scores)):
        level = last
        if scores[p] < thresholds[last]:
            level = min(int(np.log((1 - scores[p]) / (1 - thresholds[0])) / rate), last)  # but for rounding
        while thresholds[level] > scores[p]:
            level -= 1
        while level < last and thresholds[level + 1] <= scores[p]:
            level += 1
        levels[p] = level
        ends[level] += 1
    for level in range(last - 1, -1, -1):
        ends[level] += ends[level + 1]
    return levels, ends


@njit
def _sorted_by_level(pairs, levels, place):  # type: ignore[no-untyped-def]
    """The pairs, highest level first; the first pair of each level goes to its place."""
    ordered = np.empty(pairs.shape, np.int32)
    for p in range(len(pairs)):
        slot = place[levels[p]]
        place[levels[p]] += 1
        ordered[slot, 0], ordered[slot, 1] = pairs[p]
    return ordered


@njit
def _bounded_components(pairs, ends, n_samples, max_size):  # type: ignore[no-untyped-def]
    """Root of each sample's final component (-1: in no pair), sizes of those left too large, rounds."""
    component = np.arange(n_samples, dtype=np.int32)  # of the round at hand, whatever its size
    cluster = np.full(n_samples, -1, np.int32)  # of those that are small enough
    size = np.ones(n_samples, np.int32)
    for p in range(len(pairs)):
        for sample in pairs[p]:
            cluster[sample] = sample
    last = len(ends) - 1
    merging = np.empty((min(n_samples, len(pairs)), 2), np.int32)  # pairs of this round that merge components
    too_large = np.empty(n_samples // max_size, np.int64)
    unresolved = 0
    rounds = 1
    start = 0
    for level in range(last, -1, -1):
        count = 0
        for p in range(start, ends[level]):
            a, b = find_root(component, pairs[p, 0]), find_root(component, pairs[p, 1])
            if a != b:
                component[max(a, b)] = min(a, b)
                size[min(a, b)] += size[max(a, b)]
                merging[count, 0], merging[count, 1] = pairs[p]
                count += 1
        for p in range(count):
            i, j = merging[p]
            fits = size[find_root(component, i)] <= max_size
            if not fits:
                rounds = max(rounds, min(level + 2, last + 1))
            if fits or level == last:
                merge(cluster, i, j)
        if level == last:
            for sample in range(n_samples):
                if component[sample] == sample and size[sample] > max_size:
                    too_large[unresolved] = size[sample]
                    unresolved += 1
        start = ends[level]
    for sample in range(n_samples):
        if cluster[sample] >= 0:
            cluster[sample] = find_root(cluster, sample)
    return cluster, too_large[:unresolved], rounds
