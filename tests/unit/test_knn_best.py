import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cdp.knn.best import Best, close_heap, holds, offer, open_heap


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), max_size=40, unique_by=lambda entry: entry[1]))
def test_heap_keeps_the_best_and_of_equals_the_earlier(entries):
    best = Best.none(3, 7)
    scores, found = best.scores[1], best.found[1]
    for part in (entries[:15], entries[15:]):
        open_heap(*best, 1)
        for score, position in sorted(part, key=lambda entry: entry[1]):
            if score > scores[0]:
                offer(score, position, *best, 1)
                assert holds(best.found, 1, 7, position)
        close_heap(*best, 1)
        assert list(scores) == sorted(scores, reverse=True)
    assert np.all(best.found[[0, 2]] == -1)
    assert sorted(scores[scores > -np.inf]) == sorted(score for score, _ in entries)[-7:]
    alone = sorted(entries, key=lambda entry: (-entry[0], entry[1]))[:7]
    if len(entries) <= 15:
        assert list(zip(scores, found, strict=True))[: len(alone)] == alone
