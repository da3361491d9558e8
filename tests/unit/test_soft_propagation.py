import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import soft_propagation
from cdp.propagation import propagate
from cdp.soft_propagation import soft_propagate


def distances(neighbors, start):
    """Steps from `start` to each sample that can be reached."""
    steps, ahead = {start: 0}, [start]
    for here in ahead:
        for there in neighbors[here]:
            if there not in steps:
                steps[there] = steps[here] + 1
                ahead.append(there)
    return steps


def oracle(pairs, scores, labels, *, max_size, decay, depth):
    """The definition in the docstring: a dict of weights by label for each sample."""
    n = len(labels)
    neighbors = {sample: {} for sample in range(n)}
    for (i, j), score in zip(pairs.tolist(), scores.tolist(), strict=True):
        neighbors[i][j] = neighbors[j][i] = score
    weights = [{} for _ in range(n)]
    for source in range(n):
        label = int(labels[source])
        if label == -1:
            continue
        steps = distances(neighbors, source)
        if len(steps) <= max_size:
            weights[source] = {label: 1.0}
            continue
        product = {source: 1.0}  # largest product of scores along a shortest way
        for sample in sorted(steps, key=steps.get):
            if sample != source:
                product[sample] = max(
                    product[before] * score
                    for before, score in neighbors[sample].items()
                    if steps[before] == steps[sample] - 1
                )
            if steps[sample] <= depth:
                weight = decay ** steps[sample] * product[sample]
                weights[sample][label] = weights[sample].get(label, 0.0) + weight
    table = np.zeros((n, int(labels.max(initial=-1)) + 1))
    for sample, by_label in enumerate(weights):
        for label, weight in by_label.items():
            table[sample, label] = weight / sum(by_label.values())
    return table


def random_case(seed, n, count, max_size):
    rng = np.random.default_rng(seed)
    every = np.array([(i, j) for i in range(n) for j in range(i + 1, n)], np.int32).reshape(-1, 2)
    pairs = every[rng.permutation(len(every))[:count]]
    scores = rng.choice([rng.uniform(0.1, 1, len(pairs)), rng.integers(0, 5, len(pairs)) / 4]).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = propagate(pairs, scores, n, max_size=max_size, step=0.2, max_iter=20)
    return pairs, scores, labels


@settings(max_examples=1500)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 16),
    count=st.integers(0, 30),
    max_size=st.integers(1, 20),
    decay=st.sampled_from([0.25, 0.6, 1.0]),
    depth=st.integers(1, 6),
    chunk=st.sampled_from([2, 4096]),
)
def test_weights_follow_the_definition(seed, n, count, max_size, decay, depth, chunk):
    pairs, scores, labels = random_case(seed, n, count, max_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soft_propagation, "_CHUNK", chunk)
        found = soft_propagate(pairs, scores, labels, max_size=max_size, decay=decay, depth=depth)
    expected = oracle(pairs, scores, labels, max_size=max_size, decay=decay, depth=depth)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)


@settings(max_examples=500)
@given(st.integers(0, 2**32 - 1), st.integers(1, 16), st.integers(0, 30), st.integers(1, 6))
def test_rows_sum_to_one_but_for_discarded_samples(seed, n, count, max_size):
    pairs, scores, labels = random_case(seed, n, count, max_size)
    found = soft_propagate(pairs, scores, labels, max_size=max_size)
    np.testing.assert_allclose(found.sum(axis=1), labels >= 0, atol=1e-6)
    np.testing.assert_array_equal(np.diff(found.indptr) == 0, labels == -1)


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(2, 16), st.integers(1, 30), st.integers(1, 6))
def test_order_and_direction_of_pairs_do_not_matter(seed, n, count, max_size):
    pairs, scores, labels = random_case(seed, n, count, max_size)
    rng = np.random.default_rng(seed)
    order, swap = rng.permutation(len(pairs)), rng.random(len(pairs)) < 0.5
    shuffled = np.where(swap[:, None], pairs[:, ::-1], pairs)[order]
    first = soft_propagate(pairs, scores, labels, max_size=max_size)
    second = soft_propagate(shuffled, scores[order], labels, max_size=max_size)
    np.testing.assert_allclose(first.toarray(), second.toarray(), atol=1e-6)


def test_worked_example():
    """Chain 0-1-2 in one component that was split into {0, 1} and {2}."""
    pairs, scores = np.array([[0, 1], [1, 2]]), np.array([1.0, 0.5])
    found = soft_propagate(pairs, scores, np.array([0, 0, 1, -1]), max_size=2, decay=0.5, depth=1).toarray()
    np.testing.assert_allclose(found, [[1, 0], [1.5 / 1.75, 0.25 / 1.75], [0.25 / 1.25, 1 / 1.25], [0, 0]], atol=1e-6)


def test_components_that_were_not_split_keep_their_label():
    pairs, scores = np.array([[0, 1], [1, 2]]), np.array([1.0, 0.5])
    found = soft_propagate(pairs, scores, np.array([0, 0, 0]), max_size=3)
    np.testing.assert_array_equal(found.toarray(), [[1], [1], [1]])


def test_no_pairs():
    found = soft_propagate(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.full(4, -1))
    assert found.shape == (4, 0)


@pytest.mark.parametrize(
    ("parameters", "values"),
    [({"decay": 0}, "0 and 5"), ({"decay": 1.1}, "1.1 and 5"), ({"depth": 0}, "0.6 and 0")],
)
def test_bad_parameters_are_refused(parameters, values):
    with pytest.raises(ValueError, match=rf"decay must be in \(0, 1\] and depth at least 1, not {values}"):
        soft_propagate(np.array([[0, 1]]), np.ones(1), np.zeros(2, np.int64), **parameters)


@pytest.mark.parametrize(("scores", "span"), [([-0.25, 0.5], "-0.25 to 0.5"), ([0.5, 1.5], "0.5 to 1.5")])
def test_scores_that_are_no_weights_are_refused(scores, span):
    with pytest.raises(ValueError, match=rf"scores, so they must lie in \[0, 1\]; they run from {span}"):
        soft_propagate(np.array([[0, 1], [1, 2]]), np.array(scores), np.zeros(3, np.int64))


def test_pairs_and_labels_that_do_not_fit_are_refused():
    pairs, scores = np.array([[0, 1], [1, 2]]), np.array([0.5, 0.6])
    with pytest.raises(ValueError, match="a sample of a pair has none"):
        soft_propagate(pairs, scores, np.array([0, 0, -1]))
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        soft_propagate(pairs, scores, np.array([0, 0]))
    with pytest.raises(ValueError, match=r"scores \(P,\)"):
        soft_propagate(pairs, scores[:1], np.array([0, 0, 0]))
