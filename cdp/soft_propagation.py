"""Soft propagation: label weights for the samples of components that had to be split."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from cdp.jit import njit
from cdp.propagation import check_scored_pairs
from cdp.threads import in_ranges

_CHUNK = 4096  # samples a task
_EMPTY = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def soft_propagate(
    pairs: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    max_size: int = 600,
    decay: float = 0.6,
    depth: int = 5,
) -> csr_array:
    """Weigh the labels that reach each sample along kept pairs (docs/definitions.md).

    In a component of at most `max_size` samples each has its own label with weight 1. In a larger
    one, every sample gives its label to itself with weight 1 and to each sample at d <= `depth`
    steps with weight decay^d times the product of the scores on the way; of several shortest ways,
    the one with the largest product counts. Weights are summed by label and normalised per sample.

    Parameters
    ----------
    pairs : ndarray of shape (P, 2), integer
        Kept pairs, as given to `cdp.propagate`.
    scores : ndarray of shape (P,), float
        Not negative.
    labels : ndarray of shape (n_samples,), int64
        What `cdp.propagate` returned for them.
    max_size : int
        As given to `cdp.propagate`.
    decay : float in (0, 1]
    depth : int, >= 1

    Returns
    -------
    csr_array of shape (n_samples, number of labels), float32
        Rows sum to 1; rows of discarded samples are empty.

    Raises
    ------
    ValueError
        For pairs, scores or labels that do not fit each other, negative scores, or parameters out of range.

    Notes
    -----
    What comes back has an entry for each label that reaches a sample: at most the number of clusters
    in its component, which can be many in a giant component at a low threshold.
    """
    if not 0 < decay <= 1 or depth < 1:
        raise ValueError(f"decay must be in (0, 1] and depth at least 1, not {decay} and {depth}")
    if len(scores) and not 0 <= scores.min() <= scores.max() <= 1:
        raise ValueError(
            f"soft propagation multiplies scores, so they must lie in [0, 1]; they run from {scores.min()} "
            f"to {scores.max()}; raise the threshold"
        )
    n = len(labels)
    pairs, scores = check_scored_pairs(pairs, scores, n)
    if len(pairs) and labels[pairs].min() < 0:
        raise ValueError("labels must be those that propagate gave for these pairs; a sample of a pair has none")
    starts, neighbors, weights = _adjacency(pairs, scores, n)
    graph = csr_array((weights, neighbors, starts), shape=(n, n))
    component = connected_components(graph, directed=False)[1]
    split = np.bincount(component, minlength=1)[component] > max_size
    reach = np.where(split, depth, 0)

    size = max(_CHUNK, n // 256)  # each task has arrays for all samples, so their number must not grow without end

    chunks = [_EMPTY] * -(-n // size)

    def task(start: int, stop: int) -> None:
        chunks[start // size] = _diffuse(start, stop, starts, neighbors, weights, labels, reach, decay)

    in_ranges(task, n, size=size)
    counts, columns, values = (np.concatenate(parts) for parts in zip(*chunks, strict=True)) if chunks else _EMPTY
    row_starts = np.concatenate([[0], np.cumsum(counts)])
    return csr_array((values, columns, row_starts), shape=(n, int(labels.max(initial=-1)) + 1))


def _adjacency(pairs: np.ndarray, scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kept pairs as a symmetric graph in CSR form: row starts, neighbours (sorted), scores."""
    sources = np.concatenate([pairs[:, 0], pairs[:, 1]])
    targets = np.concatenate([pairs[:, 1], pairs[:, 0]])
    order = np.lexsort((targets, sources))
    starts = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=n))])
    return starts, targets[order].astype(np.int64), np.concatenate([scores, scores])[order].astype(np.float64)


@njit
def _diffuse(first, end, starts, neighbors, weights, labels, reach, decay):  # type: ignore[no-untyped-def]
    """Normalised label weights of samples first..end-1: entries a row, labels, weights.

    Ways and their products are the same in both directions, so a sample's weights are found by a
    breadth-first search from that sample.
    """
    n = len(labels)
    seen_by = np.full(n, -1, np.int64)  # the sample whose search reached this one last,
    step_of = np.empty(n, np.int64)  # in how many steps,
    product = np.empty(n)  # with what weight
    queue = np.empty(n, np.int64)
    total = np.zeros(labels.max() + 1)
    counts = np.zeros(end - first, np.int64)
    columns = [np.int64(0) for _ in range(0)]
    values = [np.float32(0) for _ in range(0)]
    for sample in range(first, end):
        if labels[sample] < 0:
            continue
        seen_by[sample], step_of[sample], product[sample], queue[0] = sample, 0, 1.0, sample
        head, tail = 0, 1
        while head < tail:
            u = queue[head]
            head += 1
            if step_of[u] == reach[sample]:
                break
            for e in range(starts[u], starts[u + 1]):
                v, weight = neighbors[e], product[u] * weights[e] * decay
                if seen_by[v] != sample:
                    seen_by[v], step_of[v], product[v], queue[tail] = sample, step_of[u] + 1, weight, v
                    tail += 1
                elif step_of[v] == step_of[u] + 1:
                    product[v] = max(product[v], weight)
        reached = np.unique(labels[queue[:tail]])
        for v in queue[:tail]:
            total[labels[v]] += product[v]
        whole = total[reached].sum()
        for label in reached:
            columns.append(label)
            values.append(np.float32(total[label] / whole))
            total[label] = 0.0
        counts[sample - first] = len(reached)
    return counts, np.array(columns, dtype=np.int64), np.array(values, dtype=np.float32)
