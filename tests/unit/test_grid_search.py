import os
import time
from itertools import combinations

import numpy as np
import pytest

from cdp.grid_search import grid_search

BUDGET = {"seconds": 60, "megabytes": 4000}


def pairs_together(labels):
    return {pair for pair in combinations(range(len(labels)), 2) if labels[pair[0]] == labels[pair[1]]}


def test_every_setting_has_its_row_with_the_figures_of_its_clusters():
    """Numbers 0..59 in groups of ten, cut into pieces of a size from an offset on."""
    truth = np.arange(60) // 10

    def cluster(*, size, offset):
        return (np.arange(60) + offset) // size

    rows = grid_search(cluster, {"size": [5, 10, 20], "offset": [0, 3]}, labels_true=truth, **BUDGET)
    assert [(row["size"], row["offset"]) for row in rows] == [(5, 0), (5, 3), (10, 0), (10, 3), (20, 0), (20, 3)]
    right = pairs_together(truth)
    for row in rows:
        found = pairs_together(cluster(size=row["size"], offset=row["offset"]))
        assert row["outcome"] == "done"
        assert row["precision"] == pytest.approx(len(found & right) / len(found))
        assert row["recall"] == pytest.approx(len(found & right) / len(right))
    assert [row["clusters"] for row in rows] == [12, 13, 6, 7, 3, 4]


def test_a_setting_that_fails_has_a_row_and_does_not_end_the_search():
    def cluster(*, number):
        if number == 2:
            raise ValueError("not two")
        if number == 3:
            os._exit(3)
        return np.zeros(8, np.int64)

    rows = grid_search(cluster, {"number": [1, 2, 3, 4]}, labels_true=np.zeros(8, np.int64), **BUDGET)
    assert [row["outcome"] for row in rows] == [
        "done",
        "failed: not two",
        "ended without a result (exit code 3)",
        "done",
    ]
    assert [row["f"] for row in rows] == [1, None, None, 1]
    assert [row["clusters"] for row in rows] == [1, None, None, 1]


def test_all_settings_share_the_time():
    def cluster(*, seconds):
        time.sleep(seconds)
        return np.zeros(3, np.int64)

    grid = {"seconds": [0, 60, 0.1]}
    rows = grid_search(cluster, grid, labels_true=np.zeros(3, np.int64), seconds=3, megabytes=4000)
    assert [row["outcome"] for row in rows] == ["done", *["over the 3 s for all settings"] * 2]
