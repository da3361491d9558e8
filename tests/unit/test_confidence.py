import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.confidence import confidence


def mean(values):
    return sum(values) / len(values) if values else 0.0


def naive(pairs, scores, labels):
    """From the definition in docs/confidence.md, pair by pair."""
    inside = [
        (i, j, max(score, 0.0))
        for (i, j), score in zip(pairs.tolist(), scores.tolist(), strict=True)
        if labels[i] == labels[j] != -1
    ]
    clusters = [mean([s for i, _, s in inside if labels[i] == c]) for c in range(max([*labels, -1]) + 1)]
    own = [mean([s for i, j, s in inside if sample in (i, j)]) for sample in range(len(labels))]
    samples = [0.0 if labels[i] < 0 else (own[i] * clusters[labels[i]]) ** 0.5 for i in range(len(labels))]
    return samples, clusters


@st.composite
def clusterings(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 25))
    labels = np.unique(rng.integers(0, rng.integers(1, n + 1), n), return_inverse=True)[1]
    labels[rng.random(n) < draw(st.sampled_from([0, 0.3, 1]))] = -1
    labels[labels >= 0] = np.unique(labels[labels >= 0], return_inverse=True)[1]
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], np.int32).reshape(-1, 2)
    pairs = pairs[rng.random(len(pairs)) < draw(st.sampled_from([0, 0.2, 0.9]))]
    scores = rng.uniform(-1, 1, len(pairs)).astype(np.float32)
    scores[rng.random(len(pairs)) < 0.2] = -np.inf
    return pairs, scores, labels


@settings(max_examples=500)
@given(clusterings())
def test_is_what_the_definition_says(clustering):
    found = confidence(*clustering)
    samples, clusters = naive(*clustering)
    assert found.samples.dtype == found.clusters.dtype == np.float32
    np.testing.assert_allclose(found.samples, samples, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.clusters, clusters, rtol=1e-5, atol=1e-6)


@settings(max_examples=200)
@given(clusterings(), st.integers(0, 2**32 - 1))
def test_order_of_pairs_and_of_their_samples_does_not_matter(clustering, seed):
    pairs, scores, labels = clustering
    order = np.random.default_rng(seed).permutation(len(pairs))
    found, turned = confidence(pairs, scores, labels), confidence(pairs[order][:, ::-1], scores[order], labels)
    np.testing.assert_allclose(turned.samples, found.samples, rtol=1e-6)
    np.testing.assert_allclose(turned.clusters, found.clusters, rtol=1e-6)


@settings(max_examples=200)
@given(clusterings(), st.integers(0, 2**32 - 1))
def test_a_higher_score_within_a_cluster_never_lowers_it(clustering, seed):
    pairs, scores, labels = clustering
    if len(pairs):
        raised = scores.copy()
        raised[seed % len(pairs)] = 1
        assert (confidence(pairs, raised, labels).samples >= confidence(pairs, scores, labels).samples - 1e-6).all()


def test_worked_example():
    """Cluster 0 of three samples, cluster 1 of two, one discarded; a rejected pair counts as 0, others' pairs not."""
    pairs = np.array([[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [4, 5]])
    scores = np.array([0.9, 0.6, -np.inf, 1, 0.25, 0.8])
    found = confidence(pairs, scores, np.array([0, 0, 0, 1, 1, -1]))
    np.testing.assert_allclose(found.clusters, [0.5, 0.25])
    np.testing.assert_allclose(found.samples, [np.sqrt(0.375), np.sqrt(0.225), np.sqrt(0.15), 0.25, 0.25, 0])


def test_alone_or_discarded_is_zero():
    found = confidence(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.array([0, -1, 1]))
    assert found.samples.tolist() == [0, 0, 0]
    assert found.clusters.tolist() == [0, 0]
    none = confidence(np.array([[0, 1]]), np.array([0.5]), np.array([-1, -1]))
    assert none.samples.tolist() == [0, 0]
    assert none.clusters.tolist() == []


@pytest.mark.parametrize(
    ("pairs", "scores", "message"),
    [
        (np.zeros((2, 3), int), np.zeros(2), "pairs must be"),
        (np.zeros((2, 2), int), np.zeros(3), "scores \\(P,\\)"),
        (np.array([[0, 4]]), np.zeros(1), "samples outside 0..3"),
        (np.array([[-1, 2]]), np.zeros(1), "samples outside 0..3"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(pairs, scores, message):
    with pytest.raises(ValueError, match=message):
        confidence(pairs, scores, np.array([0, 0, 1, -1]))
