import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn import blocks, cells, choice, knn_graph
from cdp.knn.cells import arrange
from cdp.knn.vectors import Vectors
from cdp.threads import limit_threads, one_blas_thread
from tests.unit.knn_graphs import TORCH_ON_CPU, assert_row_contract, clustered, oracle, rows_with_ties, true_recall

SEEDS = st.integers(0, 2**32 - 1)


SMALL = {"cell_size": 8, "probes": 2}


def test_cells_do_not_depend_on_threads_and_repeat_for_a_seed(monkeypatch):
    monkeypatch.setattr(blocks, "_SMALLEST", 200)
    features = clustered(3000)
    graphs = [
        knn_graph(features, k=7, backend="cells", threads=threads, seed=seed, recall=None, settings={"cells": SMALL})
        for threads, seed in ((1, 0), (2, 0), (2, 1))
    ]
    np.testing.assert_array_equal(graphs[0].idx, graphs[1].idx)
    np.testing.assert_array_equal(graphs[0].dist, graphs[1].dist)
    assert (graphs[0].idx != graphs[2].idx).any()


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 80), st.integers(2, 30), st.sampled_from(["one-hot", 4, 16]))
def test_cells_searched_to_the_end_are_exact(seed, n, k, kind):
    features = rows_with_ties(seed, n, kind)
    graph = knn_graph(features, k=k, backend="cells", device="cpu", recall=1.0, settings={"cells": SMALL})
    assert_row_contract(graph, n, k)
    np.testing.assert_allclose(graph.dist, oracle(features, k)[1], atol=1e-6)


def test_k_larger_than_a_cell():
    features = clustered(2000)
    graph = knn_graph(features, k=300, backend="cells", settings={"cells": {"cell_size": 10}})
    assert_row_contract(graph, 2000, 300)
    assert true_recall(graph, features, 300) >= 0.985


def test_cells_on_torch_give_the_same_graph(monkeypatch):
    features = clustered(1500)
    own = {"cells": SMALL}
    here = knn_graph(features, k=7, backend="cells", device="cpu", recall=0.9, settings=own)
    monkeypatch.setattr(choice, "choose_device", lambda device: TORCH_ON_CPU)
    there = knn_graph(features, k=7, backend="cells", recall=0.9, settings=own)
    assert (here.idx == there.idx).mean() > 0.999
    np.testing.assert_allclose(here.dist, there.dist, atol=1e-3)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4])
def test_nearly_equal_rows_are_searched_to_the_end(noise):
    features = 1 + noise * np.random.default_rng(0).standard_normal((2000, 64))
    graph = knn_graph(features, k=15, backend="cells", recall=1.0, device="cpu", settings={"cells": SMALL})
    whole = knn_graph(features, k=15, backend="exact", device="cpu")
    np.testing.assert_allclose(graph.dist, whole.dist, atol=1e-7)
    assert graph.recall == 1


def test_duplicates_leave_no_group_of_cells_empty():
    features = 1 + 0.3 * np.random.default_rng(0).standard_normal((6000, 16))
    features[::2] = 1
    quantizer = cells._trained(Vectors(features, "cosine"), 6000 // 14, 0)[2]
    assert np.all(np.diff(quantizer.centroids.starts) > 0)
    arrangement = arrange(Vectors(features, "cosine"), k=7, seed=0, cell_size=14)
    assert arrangement.probed[:, 0].min() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_training_sees_the_same_samples_in_any_blocks(monkeypatch, threads):
    samples, train = [], cells.train

    def spy(sample, n_cells, *, generator):
        samples.append(sample.copy())
        return train(sample, n_cells, generator=generator)

    monkeypatch.setattr(cells, "train", spy)
    for block in (10_000, 100):
        monkeypatch.setattr(cells, "BLOCK", block)
        with limit_threads(threads), one_blas_thread():
            cells._trained(Vectors(clustered(6000, dim=24), "cosine"), 6000 // 14, 0)
    assert len(samples[0]) > 5000
    np.testing.assert_allclose(samples[1], samples[0], atol=1e-6)


def recorded_looks(monkeypatch):
    """How far the looks into more parts of cells will have gone, and how cautious each was."""
    lengths, cautions, look = [], [], cells.widen

    def recorded(*arguments, within, caution, **options):
        lengths.append(within)
        cautions.append(caution)
        return look(*arguments, within=within, caution=caution, **options)

    monkeypatch.setattr(cells, "widen", recorded)
    return lengths, cautions


@pytest.mark.parametrize(("recall", "caution"), [(0.8, 0), (0.99, 1), (0.999, 2), (0.9999, 3)])
def test_the_less_may_be_missed_the_more_caution(monkeypatch, recall, caution):
    _, cautions = recorded_looks(monkeypatch)
    features = np.random.default_rng(0).standard_normal((8000, 128)).astype(np.float32)
    knn_graph(features, k=10, backend="cells", recall=recall)
    assert cautions
    np.testing.assert_allclose(cautions, caution, atol=1e-9)


def test_looks_no_farther_than_the_recall_needs(monkeypatch):
    """All looks end before the lengths that a search for a recall of 1 would take."""
    lengths, cautions = recorded_looks(monkeypatch)
    features = np.random.default_rng(0).standard_normal((20_000, 32)).astype(np.float32)
    graph = knn_graph(features, k=10, backend="cells", recall=0.9)
    np.testing.assert_allclose(cautions, 0, atol=1e-9)
    assert 0.9 <= graph.recall < 0.98
    assert lengths == sorted(set(lengths))
    assert lengths
    assert all(length < farthest for length, farthest in zip(lengths, cells._WITHIN, strict=False))


@pytest.mark.parametrize(
    ("before", "widenings", "number", "missing", "shortest", "longest"),
    [
        (0.0, 0, 1, 8, 0.163, 0.166),
        (0.0, 0, 1, 20, 0, 0),  # many are missing: neighbours' neighbours first
        (0.0, 0, 2, 20, 0.193, 0.196),  # but once, and then a little farther
        (0.0, 0, 2, 500, 0.24, 0.24),  # as far as the round goes
        (0.16, 1, 2, 1.2, 0.16, 0.16),  # few are missing: neighbours' neighbours do
        (0.16, 1, 4, 1.2, 0.175, 0.185),  # or do not
        (0.16, 1, 2, 3, 0.22, 0.22),  # what was not enough is made up for
        (0.24, 2, 4, 8, 0.28, 0.28),
        (0.28, 3, 6, 30, 0.35, 0.35),  # however many
        (0.26, 3, 9, 1.2, 0.7, 0.7),  # rather than compare with all
    ],
)
def test_how_far_a_round_looks(before, widenings, number, missing, shortest, longest):
    assert shortest <= cells._further(before, widenings, number, missing) <= longest


@given(st.floats(1.0001, 1e9))
def test_rounds_look_farther_and_farther(missing):
    """A round that looks no farther is followed by one that does, or by one more at most if few are missing."""
    within, widenings, waited = 0.0, 0, 0
    for number in range(1, cells.ROUNDS):
        further = cells._further(within, widenings, number, missing)
        assert further >= within
        waited = 0 if further > within else waited + 1
        assert waited <= 2
        assert number < 8 or missing < cells._FEW or further >= 0.42
        within, widenings = further, widenings + (further > within)
    assert within == cells._WITHIN[-1]


@pytest.mark.parametrize("spread", [0.1, 0.01])
def test_two_tight_groups_do_not_fill_few_cells(spread):
    """Rounding is by shares of lengths, here much longer than what tells members of a group apart."""
    rng = np.random.default_rng(0)
    ends = np.repeat([[-1.0], [1.0]], 2000, axis=0) * rng.standard_normal(16)
    features = ends + spread * rng.standard_normal((4000, 16))
    arrangement = arrange(Vectors(features, "l2"), k=5, seed=0, cell_size=40)
    assert np.diff(arrangement.starts).max() < 600
