import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.crowding import crowd, crowding_ratio, scored_share

SEEDS = st.integers(0, 2**32 - 1)


def scored_pairs(seed, n, count, grid):
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=count)
    pairs = np.stack([first, (first + rng.integers(1, n, count)) % n], axis=1)
    scores = (rng.integers(0, grid, count) / grid if grid else rng.random(count)).astype(np.float32)
    scores[rng.random(count) < 0.2] = -np.inf
    labels = rng.integers(4, size=n)
    wrong = np.array([labels[i] != labels[j] for i, j in pairs], bool)
    return pairs, scores, labels, wrong


def above(scores, threshold):
    return sum(score > threshold for score in scores.tolist())


@settings(max_examples=300)
@given(
    SEEDS, st.integers(2, 20), st.integers(0, 60), st.sampled_from([0, 5]), st.sampled_from([0.25, 0.5, 1, 2, 3, 10])
)
def test_so_many_times_more_wrong_pairs_are_above_each_threshold(seed, n, count, grid, ratio):
    pairs, scores, labels, wrong = scored_pairs(seed, n, count, grid)
    before = scores.copy()
    crowded = crowd(pairs, scores, labels, ratio=ratio)
    assert np.array_equal(scores, before)
    assert crowded.dtype == np.float32
    assert np.array_equal(crowded[~wrong], scores[~wrong])
    assert np.isneginf(crowded[np.isneginf(scores)]).all()
    there = above(scores[wrong], -np.inf)
    for threshold in [-1, *scores[np.isfinite(scores)].tolist()]:
        expected = min(ratio * above(scores[wrong], threshold), there)
        assert expected <= above(crowded[wrong], threshold) < expected + 1


@settings(max_examples=100)
@given(SEEDS, st.sampled_from([0.3, 1, 4]))
def test_wrong_pairs_keep_their_order(seed, ratio):
    pairs, scores, labels, wrong = scored_pairs(seed, 12, 40, 0)
    crowded = crowd(pairs, scores, labels, ratio=ratio)
    order = np.argsort(scores[wrong], kind="stable")
    assert (np.diff(np.nan_to_num(crowded[wrong][order], neginf=-9)) >= 0).all()
    if ratio == 1:
        assert np.array_equal(crowded, scores)


def test_worked_example():
    pairs, labels = np.array([[0, 1], [0, 2], [1, 2], [0, 3], [1, 3]]), np.array([7, 7, 8, 9])
    scores = np.array([0.5, 0.4, 0.3, 0.2, 0.1], np.float32)
    assert crowd(pairs, scores, labels, ratio=2).tolist() == pytest.approx([0.5, 0.4, 0.4, 0.3, 0.3])
    assert crowd(pairs, scores, labels, ratio=0.5).tolist() == pytest.approx([0.5, 0.4, 0.2, -np.inf, -np.inf])


def test_a_crowd_of_identities_is_met_as_the_model_says():
    """A sample's similarity to strangers in a set of five times as many identities, against that in the small set."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(500, 12))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)

    def wrong_pairs_above(count, thresholds, ratio):
        cosines = centers[:count] @ centers[:count].T
        pairs = np.argwhere(np.triu(np.ones((count, count), bool), 1))
        scores = cosines[pairs[:, 0], pairs[:, 1]].astype(np.float32)
        crowded = crowd(pairs, scores, np.arange(count), ratio=ratio)
        return np.array([(crowded > t).sum() / count for t in thresholds])

    thresholds = [0.4, 0.5, 0.6]
    imitated, real = wrong_pairs_above(100, thresholds, 5), wrong_pairs_above(500, thresholds, 1)
    np.testing.assert_allclose(imitated, real, rtol=0.35)


@settings(max_examples=100)
@given(SEEDS, st.integers(2, 12), st.integers(1, 40))
def test_the_share_of_strangers_with_a_score(seed, n, count):
    pairs, scores, labels, _ = scored_pairs(seed, n, count, 0)
    strangers = [s for (i, j), s in zip(pairs.tolist(), scores.tolist(), strict=True) if labels[i] != labels[j]]
    scored = [s for s in strangers if s > -1]
    if scored:
        assert scored_share(pairs, scores, labels) == pytest.approx(len(scored) / len(strangers))
    else:
        with pytest.raises(ValueError, match="no pair of different identities lies within a fold, .*lower folds"):
            scored_share(pairs, scores, labels)


@pytest.mark.parametrize(("samples", "ratio"), [(2_000_000, 100), (20_000, 1), (5_000, 0.5), (200, 0.1)])
def test_how_crowded_a_set_of_20000_is_made(samples, ratio):
    assert crowding_ratio(samples, 20_000) == pytest.approx(ratio)
