"""Connected components by merging: a forest in which every sample but the roots points to another of its component."""

import numpy as np

from cdp.jit import njit


@njit
def find_root(parents, sample):  # type: ignore[no-untyped-def]
    """The root of a sample's component; shortens the way for those who ask next."""
    while parents[sample] != sample:
        parents[sample] = parents[parents[sample]]
        sample = parents[sample]
    return sample


@njit
def merge(parents, i, j):  # type: ignore[no-untyped-def]
    """Make one component of those of two samples; its root is the lower of theirs."""
    a, b = find_root(parents, i), find_root(parents, j)
    parents[max(a, b)] = min(a, b)


@njit
def find_roots(parents):  # type: ignore[no-untyped-def]
    """The root of every sample."""
    roots = np.empty_like(parents)
    for sample in range(len(parents)):
        roots[sample] = find_root(parents, sample)
    return roots


@njit
def number_by_appearance(roots):  # type: ignore[no-untyped-def]
    """Labels 0.. by first appearance in list order, from a number below n_samples for each component; -1 stays -1."""
    labels = np.full(len(roots), -1, np.int64)
    numbers = np.full(len(roots), -1, np.int64)
    count = 0
    for sample in range(len(roots)):
        root = roots[sample]
        if root >= 0:
            if numbers[root] < 0:
                numbers[root] = count
                count += 1
            labels[sample] = numbers[root]
    return labels
