"""The recall that a search measures on a sample."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cdp.knn import cells, knn_graph
from cdp.knn.points import Points
from cdp.knn.recall import RecallSample


def test_recall_and_its_standard_error():
    """Of 200 samples, fifths find none, one, ..., all of their four neighbours: variance 1/8."""
    vectors = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    order = np.argsort(cdist(vectors, vectors), axis=1)
    candidates = np.stack([np.r_[row[: i % 5 + 1], row[196 + i % 5 :]] for i, row in enumerate(order)])
    sample = RecallSample(200, k=5, device="cpu", seed=0, target=0.47)
    rows = sample.rows_in(np.arange(200))
    recall, least = sample.measure(Points.of(vectors), rows, candidates[rows])
    assert recall == pytest.approx(1 / 2)
    assert least == pytest.approx(1 / 2 - (1 / 8 / 200) ** 0.5)
    assert sample.is_enough(least)
    assert not sample.is_enough(0.469)


def test_a_round_aims_at_what_ends_the_search(monkeypatch):
    """At the wanted recall and a standard error more."""
    measured, aimed = [], []
    measure, further = RecallSample.measure, cells._further
    monkeypatch.setattr(RecallSample, "measure", lambda *args: measured.append(measure(*args)) or measured[-1])
    monkeypatch.setattr(cells, "_further", lambda *args: aimed.append(args[3]) or further(*args))
    features = np.random.default_rng(0).standard_normal((20_000, 32)).astype(np.float32)
    graph = knn_graph(features, k=10, backend="cells", device="cpu", recall=0.9)
    assert aimed
    assert aimed == pytest.approx([(1 - least) / (1 - 0.9) for recall, least in measured if least < 0.9])
    assert all(least < recall for recall, least in measured)
    assert graph.recall == measured[-1][0]
