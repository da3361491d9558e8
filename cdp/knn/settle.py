"""Exact scores of candidates, where bounds do not tell that they are no better than what was found."""

from cdp.jit import njit
from cdp.knn.best import offer
from cdp.knn.instructions import prefetch
from cdp.knn.products import closeness, lower, product


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
