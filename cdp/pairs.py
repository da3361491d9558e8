"""Candidate pairs of the base model's kNN graph, and what the committee's graphs say of them."""

from collections.abc import Sequence

import numpy as np

from cdp.candidates import CandidatePairs
from cdp.features import MOST_SAMPLES
from cdp.files import release
from cdp.jit import njit
from cdp.neighbors import Neighbors
from cdp.threads import in_ranges

_SAMPLES = 4096  # a task


def candidate_pairs(
    base: Neighbors, committee: Sequence[Neighbors | np.ndarray] = (), *, samples: tuple[int, int] | None = None
) -> CandidatePairs:
    """All undirected pairs of the base graph, with votes, relationship and structure.

    Parameters
    ----------
    base : Neighbors
        The base model's graph (see `cdp.knn_graph`).
    committee : sequence of Neighbors, or of their `idx` alone
        The members' graphs of the same samples; may be memory-mapped, as may be the base's: one at a time is looked at.
    samples : (int, int), optional
        Only the pairs whose smaller sample is at least the first and below the second; those of consecutive ranges,
        one after the other, are all pairs.

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
    first, last = samples or (0, len(base.idx))
    pairs, starts = _undirected_pairs(base.idx, first, last)
    structure = np.empty((len(pairs), len(members) + 1), np.uint16)
    relationship = np.empty((len(pairs), len(members)), np.uint8)
    votes = np.zeros((2, len(pairs)), np.uint8)  # by direction: i -> j, j -> i
    directions = _look_up(base.idx, pairs, first, starts, structure[:, 0])
    similarity = _similarity(base.idx, base.dist, pairs, directions)
    release(base.idx)
    release(base.dist)
    for m, idx in enumerate(members):
        found = _look_up(idx, pairs, first, starts, structure[:, m + 1])
        release(idx)
        np.not_equal(found, 0, out=relationship[:, m], casting="unsafe")
        found &= directions
        votes[0] += found & 1
        votes[1] += found >> 1
    return CandidatePairs(pairs, similarity, np.maximum(*votes), relationship, structure)


def sample_ranges(base: Neighbors, *, edges: int, samples: tuple[int, int] | None = None) -> list[tuple[int, int]]:
    """Consecutive ranges of samples, each the smaller one of at most so many edges of the base graph, or one sample.

    A range has at most as many candidate pairs as edges. They make up `samples` (all, by default); of none, one is.
    """
    begin, end = samples or (0, len(base.idx))
    starts = _edge_starts(base.idx, begin, end)
    release(base.idx)
    ranges: list[tuple[int, int]] = []
    first = begin
    while first < end or not ranges:
        fitting = int(np.searchsorted(starts, starts[first - begin] + edges, side="right")) - 1
        last = min(end, max(first + 1, begin + fitting))
        ranges.append((first, last))
        first = last
    return ranges


def _checked_idx(graph: Neighbors | np.ndarray, number: int, n_samples: int) -> np.ndarray:
    idx, dist = (graph.idx, graph.dist) if isinstance(graph, Neighbors) else (graph, graph)
    if idx.shape != dist.shape or idx.ndim != 2:
        raise ValueError(f"kNN graph {number}: idx and dist must be two matrices of one shape")
    if len(idx) != n_samples:
        raise ValueError(
            f"kNN graph {number} has {len(idx)} samples, the base graph {n_samples}; "
            "all models must embed the same samples"
        )
    if n_samples > MOST_SAMPLES:
        raise ValueError(f"kNN graph {number} has {n_samples} samples; at most {MOST_SAMPLES} are supported")
    if idx.shape[1] > 65535:
        raise ValueError(f"kNN graph {number} has {idx.shape[1]} columns; at most 65535 are supported")
    if idx.size and not -1 <= idx.min() <= idx.max() < n_samples:
        raise ValueError(f"kNN graph {number} names samples outside 0..{n_samples - 1}")
    release(idx)
    return idx


def _look_up(idx: np.ndarray, pairs: np.ndarray, first: int, starts: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Count the common neighbours of each pair; tell if a graph has it as i -> j (bit 0) and as j -> i (bit 1)."""
    edges = np.empty(len(pairs), np.uint8)

    def task(begin: int, end: int) -> None:
        _look_up_samples(first + begin, first + end, idx, pairs, first, starts, common, edges)

    in_ranges(task, len(starts) - 1, size=_SAMPLES)
    return edges


def _similarity(idx: np.ndarray, dist: np.ndarray, pairs: np.ndarray, directions: np.ndarray) -> np.ndarray:
    similarity = np.empty(len(pairs), np.float32)
    in_ranges(
        lambda first, last: _similarity_of(first, last, idx, dist, pairs, directions, similarity),
        len(pairs),
        size=8 * _SAMPLES,
    )
    return similarity


@njit
def _edge_starts(idx, first, last):  # type: ignore[no-untyped-def]
    """Where the edges of each of the samples begin, if every edge is listed with its smaller sample; where they end."""
    starts = np.zeros(last - first + 1, np.int64)
    for s in range(len(idx)):
        for t in idx[s]:
            if t >= 0 and t != s and first <= min(s, t) < last:
                starts[min(s, t) - first + 1] += 1
    return np.cumsum(starts)


@njit
def _undirected_pairs(idx, first, last):  # type: ignore[no-untyped-def]
    """Every pair {i, j} with j in row i, once, as (smaller, larger), sorted; where the pairs of each smaller one start.

    A counting sort by the smaller sample: the larger ones come ascending from their own rows, and
    those in the smaller one's row are inserted.
    """
    bounds = _edge_starts(idx, first, last)
    ends = bounds[:-1].copy()
    larger = np.empty(bounds[-1], np.int32)
    for s in range(first + 1, len(idx)):
        for t in idx[s]:
            if first <= t < min(s, last):
                larger[ends[t - first]] = s
                ends[t - first] += 1
    pairs = np.empty((bounds[-1], 2), np.int32)
    starts = np.zeros(len(bounds), np.int64)
    count = 0
    for i in range(first, last):
        start, end = bounds[i - first], ends[i - first]
        for j in idx[i]:
            if j > i:
                slot = end
                while slot > start and larger[slot - 1] > j:
                    larger[slot] = larger[slot - 1]
                    slot -= 1
                larger[slot] = j
                end += 1
        for e in range(start, end):
            if e == start or larger[e] != larger[e - 1]:
                pairs[count, 0], pairs[count, 1] = i, larger[e]
                count += 1
        starts[i - first + 1] = count
    return pairs[:count], starts


@njit
def _look_up_samples(begin, end, idx, pairs, first, starts, common, edges):  # type: ignore[no-untyped-def]
    """`_look_up` of the pairs of some samples.

    The neighbours of i lie in a table, each in a place of its own, so that one look tells if x is among them. The table
    is small, and stays in the cache, whatever the number of samples.
    """
    bits = _table_bits(len(idx), idx.shape[1])
    table = np.full(1 << bits, -1, np.int32)
    for i in range(begin, end):
        factor = _fill_table(table, idx[i], bits)
        for p in range(starts[i - first], starts[i - first + 1]):
            j = pairs[p, 1]
            count, back = 0, False
            for x in idx[j]:
                count += (table[_place(x, factor, bits)] == x) & (x >= 0)
                back |= x == i
            common[p] = count
            edges[p] = (table[_place(j, factor, bits)] == j) + 2 * back
        for x in idx[i]:
            table[_place(x, factor, bits)] = -1


@njit
def _table_bits(n_samples, k):  # type: ignore[no-untyped-def]
    """Such that k samples in random places of 2^bits mostly have one each, or that all samples have."""
    bits = 1
    while 1 << bits < min(n_samples, 4 * k * k):
        bits += 1
    return bits


@njit
def _fill_table(table, row, bits):  # type: ignore[no-untyped-def]
    """Put the samples of a row into an empty table; the factor with which each has a place of its own."""
    factor = np.uint32(1 << (32 - bits))
    while True:
        for filled in range(len(row)):
            x = row[filled]
            place = _place(x, factor, bits)
            if x >= 0 and table[place] >= 0 and table[place] != x:
                break
            table[place] = max(x, table[place])
        else:
            return factor
        for x in row[:filled]:
            table[_place(x, factor, bits)] = -1
        factor = np.uint32(np.uint32(factor * np.uint32(747796405) + np.uint32(2891336454)) | np.uint32(1))


@njit
def _place(x, factor, bits):  # type: ignore[no-untyped-def]
    """The high bits of a product, which for the first factor are the low bits of x."""
    return np.int64(np.uint32(np.uint32(x) * factor) >> np.uint32(32 - bits))


@njit
def _similarity_of(first, last, idx, dist, pairs, directions, similarity):  # type: ignore[no-untyped-def]
    for p in range(first, last):
        i, j = pairs[p]
        source, target = (j, i) if directions[p] & 2 else (i, j)
        for c in range(idx.shape[1]):
            if idx[source, c] == target:
                similarity[p] = np.float32(1.0) - dist[source, c]
                break
