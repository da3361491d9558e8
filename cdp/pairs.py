"""Candidate pairs of the base model's kNN graph, and what the committee's graphs say of them."""

from collections.abc import Sequence

import numba
import numpy as np

from cdp.candidates import CandidatePairs
from cdp.neighbors import Neighbors
from cdp.threads import in_ranges

_SAMPLES = 4096  # a task


def candidate_pairs(
    base: Neighbors, committee: Sequence[Neighbors | np.ndarray] = (), *, first_samples: range | None = None
) -> CandidatePairs:
    """All undirected pairs of the base graph, with votes, relationship and structure.

    Parameters
    ----------
    base : Neighbors
        The base model's graph (see `cdp.knn_graph`).
    committee : sequence of Neighbors, or of their `idx` alone
        The members' graphs of the same samples.
    first_samples : range, optional
        Only the pairs whose first sample, the smaller, is among these.

    Returns
    -------
    CandidatePairs

    Raises
    ------
    ValueError
        If the graphs are not of the same samples, or have too many columns or members.

    Notes
    -----
    The features are those of the published code: `structure` counts common neighbours, where
    the paper (section 3.3) takes mean and deviation of the neighbours' similarities.
    """
    members = [_checked_idx(graph, number, len(base.idx)) for number, graph in enumerate((base, *committee))][1:]
    if len(members) > 255:
        raise ValueError(f"a committee has at most 255 members, not {len(members)}")
    samples = range(len(base.idx)) if first_samples is None else first_samples
    pairs, starts = _undirected_pairs(base.idx, samples.start, samples.stop)
    structure = np.empty((len(pairs), len(members) + 1), np.uint16)
    relationship = np.empty((len(pairs), len(members)), np.uint8)
    votes = np.zeros((2, len(pairs)), np.uint8)  # by direction: i -> j, j -> i
    directions = _look_up(base.idx, pairs, starts, structure[:, 0])
    similarity = _similarity(base.idx, base.dist, pairs, directions)
    for m, idx in enumerate(members):
        found = _look_up(idx, pairs, starts, structure[:, m + 1])
        np.not_equal(found, 0, out=relationship[:, m], casting="unsafe")
        found &= directions
        votes[0] += found & 1
        votes[1] += found >> 1
    return CandidatePairs(pairs, similarity, np.maximum(*votes), relationship, structure)


def _checked_idx(graph: Neighbors | np.ndarray, number: int, n_samples: int) -> np.ndarray:
    idx, dist = (graph.idx, graph.dist) if isinstance(graph, Neighbors) else (graph, graph)
    if idx.shape != dist.shape or idx.ndim != 2:
        raise ValueError(f"kNN graph {number}: idx and dist must be two matrices of one shape")
    if len(idx) != n_samples:
        raise ValueError(
            f"kNN graph {number} has {len(idx)} samples, the base graph {n_samples}; "
            "all models must embed the same samples"
        )
    if idx.shape[1] > 65535:
        raise ValueError(f"kNN graph {number} has {idx.shape[1]} columns; at most 65535 are supported")
    if idx.size and not -1 <= idx.min() <= idx.max() < n_samples:
        raise ValueError(f"kNN graph {number} names samples outside 0..{n_samples - 1}")
    return idx


def _look_up(idx: np.ndarray, pairs: np.ndarray, starts: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Count the common neighbours of each pair; tell if a graph has it as i -> j (bit 0) and as j -> i (bit 1)."""
    edges = np.empty(len(pairs), np.uint8)
    in_ranges(
        lambda first, last: _look_up_samples(first, last, idx, pairs, starts, common, edges), len(idx), size=_SAMPLES
    )
    return edges


def _similarity(idx: np.ndarray, dist: np.ndarray, pairs: np.ndarray, directions: np.ndarray) -> np.ndarray:
    similarity = np.empty(len(pairs), np.float32)
    in_ranges(
        lambda first, last: _similarity_of(first, last, idx, dist, pairs, directions, similarity),
        len(pairs),
        size=8 * _SAMPLES,
    )
    return similarity


@numba.njit(cache=True, nogil=True)
def _undirected_pairs(idx, first, last):  # type: ignore[no-untyped-def]
    """Every pair {i, j} with j in row i, once, as (smaller, larger), sorted; where the pairs of each i start.

    Only those whose smaller sample is in first..last.

    A counting sort by the smaller sample: the larger ones come ascending from their own rows, and
    those in the smaller one's row are inserted.
    """
    n = len(idx)
    bounds = np.zeros(n + 1, np.int64)
    for s in range(n):
        for t in idx[s]:
            if t >= 0 and t != s and first <= min(s, t) < last:
                bounds[min(s, t) + 1] += 1
    bounds = np.cumsum(bounds)
    ends = bounds[:-1].copy()
    larger = np.empty(bounds[n], np.int32)
    for s in range(n):
        for t in idx[s]:
            if first <= t < min(s, last):
                larger[ends[t]] = s
                ends[t] += 1
    pairs = np.empty((bounds[n], 2), np.int32)
    starts = np.zeros(n + 1, np.int64)
    count = 0
    for i in range(n):
        end = ends[i]
        for j in idx[i]:
            if j > i and first <= i < last:
                slot = end
                while slot > bounds[i] and larger[slot - 1] > j:
                    larger[slot] = larger[slot - 1]
                    slot -= 1
                larger[slot] = j
                end += 1
        for e in range(bounds[i], end):
            if e == bounds[i] or larger[e] != larger[e - 1]:
                pairs[count, 0], pairs[count, 1] = i, larger[e]
                count += 1
        starts[i + 1] = count
    return pairs[:count], starts


@numba.njit(cache=True, nogil=True)
def _look_up_samples(first, last, idx, pairs, starts, common, edges):  # type: ignore[no-untyped-def]
    neighbor = np.zeros(len(idx) + 1, np.uint8)  # of sample i; the last place is that of -1
    none = np.uint32(len(idx))
    for i in range(first, last):
        for x in idx[i]:
            neighbor[min(np.uint32(x), none)] = 1
        neighbor[none] = 0
        for p in range(starts[i], starts[i + 1]):
            j = pairs[p, 1]
            count, back = 0, False
            for x in idx[j]:
                count += neighbor[min(np.uint32(x), none)]
                back |= x == i
            common[p] = count
            edges[p] = neighbor[np.uint32(j)] + 2 * back
        for x in idx[i]:
            neighbor[min(np.uint32(x), none)] = 0


@numba.njit(cache=True, nogil=True)
def _similarity_of(first, last, idx, dist, pairs, directions, similarity):  # type: ignore[no-untyped-def]
    for p in range(first, last):
        i, j = pairs[p]
        source, target = (j, i) if directions[p] & 2 else (i, j)
        for c in range(idx.shape[1]):
            if idx[source, c] == target:
                similarity[p] = np.float32(1.0) - dist[source, c]
                break
