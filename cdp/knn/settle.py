"""Exact scores of candidates, where bounds do not tell that they are no better than what was found."""

import numpy as np

from cdp.jit import njit
from cdp.knn.best import Best, close_heap, holds, is_worse, offer, open_heap
from cdp.knn.instructions import prefetch
from cdp.knn.points import Points
from cdp.knn.products import closeness, lower, product


def settle_listed(queries: Points, members: Points, listed: np.ndarray, best: Best) -> np.ndarray:
    """Fill `best`, which holds nothing, from candidates of each query; of equals at the end, any.

    Parameters
    ----------
    queries, members : Points
    listed : ndarray of shape (n_queries, at least as many as are kept), int32
        Different members in each row, the most promising first; -1 where there are no more.
    best : Best
        Updated in place.

    Returns
    -------
    ndarray of shape (n_queries,), int64
        How many of the best were not among the first listed, of which there are as many as are kept.
    """
    return _settle_rows(queries, members, listed, *best)


@njit
def _settle_rows(queries, members, listed, scores, found):  # type: ignore[no-untyped-def]
    width = scores.shape[1]
    waiting = np.empty(listed.shape[1], np.int64), np.empty(listed.shape[1], np.float32)
    late = np.zeros(len(listed), np.int64)
    for row in range(len(listed)):
        n_first, n_others = 0, 0
        for j in listed[row]:
            if j < 0:
                break
            if n_first < width:
                prefetch(members.vectors, j)
                n_first += 1
            else:
                prefetch(members.heads, j)
                waiting[0][n_others] = j
                n_others += 1
        for t in range(n_first):
            j = listed[row, t]
            score, slot = closeness(queries.vectors, row, members.vectors, j), t
            while slot > 0 and is_worse(scores[row, slot - 1], found[row, slot - 1], score, j):
                scores[row, slot], found[row, slot] = scores[row, slot - 1], found[row, slot - 1]
                slot -= 1
            scores[row, slot], found[row, slot] = score, j
        if n_others:
            open_heap(scores, found, row)
            settle(queries, row, waiting, n_others, members, scores, found, row)
            close_heap(scores, found, row)
            for j in listed[row, width:]:
                late[row] += j >= 0 and holds(found, row, width, j)
    return late


@njit
def settle(queries, i, waiting, n, members, scores, found, row):  # type: ignore[no-untyped-def]
    """Offer the first `n` of the waiting members, none of which is in the heap yet, to a query's heap.

    The memory of their heads should have been asked for; each step asks for what the next one reads.
    """
    places, bounds = waiting
    left = 0
    for w in range(n):
        j = places[w]
        bound = product(queries.heads, i, members.heads, j) - members.halves[j] - queries.halves[i]
        if bound > scores[row, 0]:
            prefetch(members.necks, j)
            places[left], bounds[left] = j, bound - lower(queries.heads[i, 0]) * lower(members.heads[j, 0])
            left += 1
    n, left = left, 0
    for w in range(n):
        j = places[w]
        if bounds[w] + product(queries.necks, i, members.necks, j) > scores[row, 0]:
            prefetch(members.vectors, j)
            places[left] = j
            left += 1
    for w in range(left):
        j = places[w]
        score = closeness(queries.vectors, i, members.vectors, j)
        if score > scores[row, 0]:
            offer(score, j, scores, found, row)
