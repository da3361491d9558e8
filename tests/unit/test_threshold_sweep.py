import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.metrics import describe, evaluate, pair_accuracy
from cdp.propagation import propagate
from cdp.threshold_sweep import spread_thresholds, sweep

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=1000)
@given(SEEDS, st.integers(1, 60), st.integers(1, 12), st.sampled_from([0, 3, 20]))
def test_spread_thresholds_are_few_ascending_and_short(seed, count, wanted, grid):
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, grid, count) / grid if grid else rng.random(count)).astype(np.float32)
    rejected = np.full(rng.integers(0, 20), -np.inf, np.float32)
    try:
        found = spread_thresholds(rng.permutation(np.append(scores, rejected)), count=wanted)
    except ValueError:
        assert scores.max() - scores.min() <= 1e-4
        return
    assert 0 < len(found) <= wanted
    assert all(isinstance(threshold, float) for threshold in found)
    assert found == sorted(set(found))
    assert [round(threshold, 4) for threshold in found] == found
    assert all(scores.min() - 1e-4 <= threshold for threshold in found)
    assert all((scores.astype(np.float64) > threshold).any() for threshold in found)
    assert found == spread_thresholds(scores, count=wanted)


def test_spread_thresholds_are_as_fine_as_asked_for():
    scores = 1 - np.linspace(1e-6, 1e-3, 1000)
    assert len(spread_thresholds(scores, count=50)) == 10
    assert len(found := spread_thresholds(scores, count=50, decimals=6)) == 50
    assert [round(threshold, 6) for threshold in found] == found


def test_spread_thresholds_keep_evenly_growing_shares():
    scores = np.random.default_rng(0).beta(5, 2, 50_000)
    found = spread_thresholds(scores, count=9)
    shares = [np.mean(scores > threshold) for threshold in found]
    assert len(found) == 9
    steps = -np.diff(shares)
    np.testing.assert_allclose(steps, steps.mean(), atol=0.005)
    assert steps.mean() > 0.09


@pytest.mark.parametrize("scores", [[], [-np.inf, -np.inf], [1, 1, -np.inf]])
def test_scores_that_offer_no_threshold_are_refused(scores):
    with pytest.raises(ValueError, match="no threshold to try"):
        spread_thresholds(np.array(scores, np.float32), count=5)


@settings(max_examples=300)
@given(SEEDS, st.integers(2, 14), st.integers(0, 30), st.integers(1, 8), st.booleans())
def test_each_row_is_what_one_threshold_gives(seed, n, count, max_size, labelled):
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=count)
    pairs = np.stack([first, (first + rng.integers(1, n, count)) % n], axis=1)
    scores = rng.uniform(0.2, 1, count).astype(np.float32)
    labels = rng.integers(3, size=n) if labelled else None
    thresholds = [0.1, 0.4, 0.7, 0.95, 1.0]
    rows = sweep(pairs, scores, n, thresholds, labels_true=labels, max_size=max_size, step=0.3, max_iter=50)
    assert [row["threshold"] for row in rows] == thresholds
    for row in rows:
        kept = np.array([score > row["threshold"] for score in scores.tolist()], bool)
        clusters = propagate(pairs[kept], scores[kept], n, max_size=max_size, step=0.3, max_iter=50)
        expected = {"threshold": row["threshold"], "pairs": sum(kept.tolist()), **describe(clusters)}
        agreement = evaluate(clusters if labels is None else labels, clusters)["kept"]
        agreement["pair_accuracy"] = None if labels is None else pair_accuracy(pairs[kept], labels)
        expected |= dict.fromkeys(agreement) if labels is None else agreement
        assert row == expected


def test_worked_example():
    """Identities {0, 1} and {2, 3}; the wrong pair 1-2 has the lowest score."""
    pairs, scores = np.array([[0, 1], [1, 2], [2, 3]]), np.array([0.9, 0.5, 0.75], np.float32)
    low, high, all_out = sweep(pairs, scores, 4, [0.25, 0.5, 0.95], labels_true=np.array([5, 5, 6, 6]))
    assert (low["pairs"], low["clusters"], low["largest"], low["recall"]) == (3, 1, 4, 1)
    assert low["pair_accuracy"] == pytest.approx(2 / 3)
    assert low["precision"] == pytest.approx(1 / 3)
    assert (high["pairs"], high["clusters"], high["pair_accuracy"], high["f"]) == (2, 2, 1, 1)
    assert (all_out["pairs"], all_out["clusters"], all_out["discarded"]) == (0, 0, 4)
    assert (all_out["discard_ratio"], all_out["pair_accuracy"], all_out["precision"]) == (1, None, None)
