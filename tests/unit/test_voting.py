import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.candidates import CandidatePairs
from cdp.selection import above, kept_pairs
from cdp.voting import vote, vote_scores


def random_candidates(seed, count, members):
    rng = np.random.default_rng(seed)
    every = np.array([(i, j) for i in range(12) for j in range(i + 1, 12)], np.int32)
    pairs = every[np.sort(rng.permutation(len(every))[:count])]
    return CandidatePairs(
        pairs,
        (rng.integers(-8, 9, count) / 8).astype(np.float32),
        rng.integers(0, members + 1, count).astype(np.uint8),
        rng.integers(0, 2, (count, members)).astype(np.uint8),
        rng.integers(2, 9, (count, members + 1)).astype(np.uint16),
    )


CASES = given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 4), st.integers(0, 4), st.integers(-8, 8))


@settings(max_examples=2000)
@CASES
def test_vote_keeps_pairs_above_the_threshold_with_enough_votes(seed, count, members, accept, eighths):
    candidates = random_candidates(seed, count, members)
    accept = min(accept, members)
    pairs, scores = vote(candidates, accept=accept, threshold=eighths / 8)
    described = zip(*(column.tolist() for column in candidates[:3]), strict=True)
    expected = [(pair, score) for pair, score, votes in described if score > eighths / 8 and votes >= accept]
    assert list(zip(pairs.tolist(), scores.tolist(), strict=True)) == expected
    assert (pairs.dtype, scores.dtype) == (np.int32, np.float32)
    assert (pairs.shape, scores.shape) == ((len(expected), 2), (len(expected),))


@settings(max_examples=1000)
@CASES
def test_scores_of_rejected_pairs_are_minus_infinity(seed, count, members, accept, eighths):
    candidates = random_candidates(seed, count, members)
    accept = min(accept, members)
    scores = vote_scores(candidates, accept=accept)
    columns = zip(candidates.similarity.tolist(), candidates.votes.tolist(), strict=True)
    assert scores.dtype == np.float32
    assert scores.tolist() == [score if votes >= accept else float("-inf") for score, votes in columns]
    before = candidates.similarity.copy()
    scores[:] = 7
    np.testing.assert_array_equal(candidates.similarity, before)


@settings(max_examples=1000)
@CASES
def test_selecting_from_scores_is_voting(seed, count, members, accept, eighths):
    candidates = random_candidates(seed, count, members)
    accept = min(accept, members)
    pairs, scores = vote(candidates, accept=accept, threshold=eighths / 8)
    every = vote_scores(candidates, accept=accept)
    if len(pairs) == 0:
        with pytest.raises(ValueError, match="no pair is above the threshold"):
            kept_pairs(candidates.pairs, every, eighths / 8)
        return
    kept, kept_scores = kept_pairs(candidates.pairs, every, eighths / 8)
    np.testing.assert_array_equal(kept, pairs)
    np.testing.assert_array_equal(kept_scores, scores)


def test_threshold_is_compared_in_double_precision():
    """float32(0.7) is a little less than 0.7 and float32(0.6) a little more than 0.6."""
    assert above(np.array([0.7], np.float32), 0.7).tolist() == [False]
    assert above(np.array([0.6], np.float32), 0.6).tolist() == [True]
    assert above(np.array([0.5], np.float32), 0.5).tolist() == [False]
    candidates = random_candidates(0, 2, 0)._replace(similarity=np.array([0.6, 0.7], np.float32))
    assert vote(candidates, threshold=0.7)[0].tolist() == []
    assert len(vote(candidates, threshold=0.6)[0]) == 2


@pytest.mark.parametrize("accept", [-1, 3])
@pytest.mark.parametrize("call", [lambda c, a: vote(c, accept=a, threshold=0.5), lambda c, a: vote_scores(c, accept=a)])
def test_impossible_number_of_votes_is_refused(call, accept):
    with pytest.raises(ValueError, match=f"accept must be between 0 and the committee's 2 members, not {accept}"):
        call(random_candidates(0, 5, 2), accept)


@pytest.mark.parametrize("threshold", [1.01, float("nan")])
def test_threshold_that_no_pair_can_exceed_is_refused(threshold):
    with pytest.raises(ValueError, match=f"threshold must be at most 1 .*not {threshold}"):
        vote(random_candidates(0, 5, 2), threshold=threshold)


def test_scores_of_other_pairs_are_refused():
    with pytest.raises(ValueError, match="2 scores for 3 pairs"):
        kept_pairs(np.zeros((3, 2), np.int32), np.zeros(2, np.float32), 0.5)


def test_no_kept_pair_is_refused_with_the_range_of_the_scores():
    scores = np.array([0.25, 0.75, -np.inf], np.float32)
    with pytest.raises(ValueError, match=r"no pair is above the threshold 0\.9: .*0\.25.*0\.75"):
        kept_pairs(np.zeros((3, 2), np.int32), scores, 0.9)


@pytest.mark.parametrize("scores", [[], [-np.inf, -np.inf]])
def test_no_kept_pair_where_all_are_rejected(scores):
    with pytest.raises(ValueError, match=r"no pair is above the threshold 0\.9"):
        kept_pairs(np.zeros((len(scores), 2), np.int32), np.array(scores, np.float32), 0.9)
