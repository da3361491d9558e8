"""Candidate pairs of the base model's kNN graph, and what the committee's graphs say of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from cdp.knn import Neighbors


class CandidatePairs(NamedTuple):
    """P candidate pairs, described by the base model and C committee members.

    Attributes
    ----------
    pairs : ndarray of shape (P, 2), int32
        Sample indices i < j; sorted, each pair once.
    similarity : ndarray of shape (P,), float32
        Cosine in the base model.
    votes : ndarray of shape (P,), uint8
        Members in whose graph the pair is found, in a direction that the base graph has.
    relationship : ndarray of shape (P, C), uint8
        1 where a member's graph has the pair in either direction.
    structure : ndarray of shape (P, C + 1), uint16
        Common neighbours in each model, base first, the samples themselves included.
    """

    pairs: np.ndarray
    similarity: np.ndarray
    votes: np.ndarray
    relationship: np.ndarray
    structure: np.ndarray


def candidate_pairs(base: Neighbors, committee: Sequence[Neighbors] = ()) -> CandidatePairs:
    """All undirected pairs of the base graph, with votes, relationship and structure.

    Parameters
    ----------
    base : Neighbors
        The base model's graph (see `cdp.knn_graph`).
    committee : sequence of Neighbors
        The members' graphs of the same samples.

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
    if len(committee) > 255:
        raise ValueError(f"a committee has at most 255 members, not {len(committee)}")
    for number, graph in enumerate((base, *committee)):
        if graph.idx.shape != graph.dist.shape or graph.idx.ndim != 2:
            raise ValueError(f"kNN graph {number}: idx and dist must be two matrices of one shape")
        if len(graph.idx) != len(base.idx):
            raise ValueError(
                f"kNN graph {number} has {len(graph.idx)} samples, the base graph {len(base.idx)}; "
                "all models must embed the same samples"
            )
        if graph.idx.shape[1] > 65535:
            raise ValueError(f"kNN graph {number} has {graph.idx.shape[1]} columns; at most 65535 are supported")
        if graph.idx.size and not -1 <= graph.idx.min() <= graph.idx.max() < len(graph.idx):
            raise ValueError(f"kNN graph {number} names samples outside 0..{len(graph.idx) - 1}")
    pairs = _undirected_pairs(base.idx)
    similarity = np.empty(len(pairs), np.float32)
    directions = np.empty(len(pairs), np.uint8)
    _base_edges(base.idx, base.dist, pairs, similarity, directions)
    structure = np.empty((len(pairs), len(committee) + 1), np.uint16)
    relationship = np.empty((len(pairs), len(committee)), np.uint8)
    votes = np.zeros((len(pairs), 2), np.uint8)  # by direction: i -> j, j -> i
    _common_neighbors(np.sort(base.idx, axis=1), pairs, structure[:, 0])
    for m, member in enumerate(committee):
        sorted_rows = np.sort(member.idx, axis=1)
        _common_neighbors(sorted_rows, pairs, structure[:, m + 1])
        _member_edges(sorted_rows, pairs, directions, votes, relationship[:, m])
    return CandidatePairs(pairs, similarity, votes.max(axis=1), relationship, structure)


def _undirected_pairs(idx: np.ndarray) -> np.ndarray:
    """Every pair {i, j} with j in row i, once, as (smaller, larger), sorted."""
    n, k = idx.shape
    sample = np.repeat(np.arange(n, dtype=np.int64), k)
    neighbor = idx.ravel().astype(np.int64)
    real = (neighbor >= 0) & (neighbor != sample)
    sample, neighbor = sample[real], neighbor[real]
    keys = np.minimum(sample, neighbor) * n + np.maximum(sample, neighbor)
    keys.sort()
    keys = keys[np.diff(keys, prepend=-1) > 0]
    pairs = np.empty((len(keys), 2), np.int32)
    np.divmod(keys, max(n, 1), out=(pairs[:, 0], pairs[:, 1]), casting="same_kind")
    return pairs


@numba.njit(parallel=True, cache=True)
def _base_edges(idx, dist, pairs, similarity, directions):  # type: ignore[no-untyped-def]
    """Similarity of each pair, and whether the base has it as i -> j (bit 0) and as j -> i (bit 1)."""
    for p in numba.prange(len(pairs)):
        found = 0
        for bit in range(2):
            source, target = pairs[p, bit], pairs[p, 1 - bit]
            for c in range(idx.shape[1]):
                if idx[source, c] == target:
                    found |= 1 << bit
                    similarity[p] = np.float32(1.0) - dist[source, c]
                    break
        directions[p] = found


@numba.njit(parallel=True, cache=True)
def _member_edges(sorted_rows, pairs, directions, votes, relationship):  # type: ignore[no-untyped-def]
    for p in numba.prange(len(pairs)):
        i, j = pairs[p]
        forward, backward = _contains(sorted_rows[i], j), _contains(sorted_rows[j], i)
        relationship[p] = forward or backward
        votes[p, 0] += forward and directions[p] & 1
        votes[p, 1] += backward and directions[p] >> 1


@numba.njit(cache=True)
def _contains(sorted_row, value):  # type: ignore[no-untyped-def]
    low, high = 0, len(sorted_row)
    while low < high:
        middle = (low + high) // 2
        if sorted_row[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(sorted_row) and sorted_row[low] == value


@numba.njit(parallel=True, cache=True)
def _common_neighbors(sorted_rows, pairs, counts):  # type: ignore[no-untyped-def]
    k = sorted_rows.shape[1]
    for p in numba.prange(len(pairs)):
        a, b = sorted_rows[pairs[p, 0]], sorted_rows[pairs[p, 1]]
        s = t = common = 0
        while s < k and t < k:  # without branches, which would be mispredicted
            x, y = a[s], b[t]
            common += (x == y) & (x >= 0)
            s += x <= y
            t += y <= x
        counts[p] = common
