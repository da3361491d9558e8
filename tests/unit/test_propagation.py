import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdp.propagation import propagate, propagate_in_rounds, round_thresholds


def components(samples, pairs):
    """Connected components as sets, by walking from each sample."""
    neighbors = {sample: set() for sample in samples}
    for i, j in pairs:
        neighbors[i].add(j)
        neighbors[j].add(i)
    found, seen = [], set()
    for sample in neighbors:
        if sample in seen:
            continue
        component, ahead = set(), [sample]
        while ahead:
            here = ahead.pop()
            if here not in component:
                component.add(here)
                ahead += neighbors[here]
        seen |= component
        found.append(component)
    return found


def oracle(pairs, scores, n, *, max_size, step, max_iter):
    """Propagation in docs/definitions.md, round by round: labels, number of rounds, sizes of what is left over."""
    edges = [(int(i), int(j), float(s)) for (i, j), s in zip(pairs, scores, strict=True)]
    going = {sample for i, j, _ in edges for sample in (i, j)}
    threshold = min((s for _, _, s in edges), default=0.0)
    clusters, rounds = [], 0
    while True:
        among = [(i, j) for i, j, s in edges if i in going and j in going and s >= threshold]
        rounds += 1
        too_large = []
        for component in components(going, among):
            (clusters if len(component) <= max_size else too_large).append(component)
        if not too_large or rounds == max_iter:
            break
        going = set().union(*too_large)
        threshold = threshold + (1 - threshold) * step
    labels, numbers = [], {}
    cluster_of = {sample: c for c, cluster in enumerate(clusters + too_large) for sample in cluster}
    for sample in range(n):
        if sample in cluster_of:
            labels.append(numbers.setdefault(cluster_of[sample], len(numbers)))
        else:
            labels.append(-1)
    return labels, rounds, sorted((len(component) for component in too_large), reverse=True)


def random_pairs(seed, n, count, grid):
    """Pairs of different samples, either way round, some twice; scores often equal, often exactly 1."""
    rng = np.random.default_rng(seed)
    count = count if n > 1 else 0
    first = rng.integers(n, size=count)
    second = (first + rng.integers(1, max(n, 2), count)) % n
    scores = rng.integers(-grid // 4, grid + 1, count) / grid if grid else rng.uniform(-0.5, 1, count)
    scores[rng.random(count) < rng.choice([0, 0.5])] = 1
    return np.stack([first, second], axis=1).astype(np.int32), scores.astype(np.float32)


def quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return propagate(*args, **kwargs)


CASES = given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 18),
    count=st.integers(0, 40),
    grid=st.sampled_from([0, 4, 16]),
    max_size=st.one_of(st.integers(1, 6), st.integers(1, 30)),
    step=st.sampled_from([0.05, 0.25, 0.3, 0.5, 1.0]),
    max_iter=st.one_of(st.integers(1, 6), st.just(100)),
)


@settings(max_examples=4000)
@CASES
def test_every_round_follows_the_definition(seed, n, count, grid, max_size, step, max_iter):
    pairs, scores = random_pairs(seed, n, count, grid)
    expected, rounds, left = oracle(pairs, scores, n, max_size=max_size, step=step, max_iter=max_iter)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels, n_iter = propagate_in_rounds(pairs, scores, n, max_size=max_size, step=step, max_iter=max_iter)
    assert labels.dtype == np.int64
    assert labels.tolist() == expected
    assert n_iter == rounds
    assert len(caught) == bool(left)
    if left:
        message = str(caught[0].message)
        assert message.startswith(f"clusters still larger than max_size {max_size} after {max_iter} rounds")
        assert f": {len(left)} (largest: {', '.join(map(str, left[:10]))} samples)" in message


@settings(max_examples=1500)
@CASES
def test_order_and_direction_of_pairs_do_not_matter(seed, n, count, grid, max_size, step, max_iter):
    pairs, scores = random_pairs(seed, n, count, grid)
    rng = np.random.default_rng(seed)
    order, swap = rng.permutation(len(pairs)), rng.random(len(pairs)) < 0.5
    shuffled = np.where(swap[:, None], pairs[:, ::-1], pairs)[order]
    parameters = {"max_size": max_size, "step": step, "max_iter": max_iter}
    np.testing.assert_array_equal(
        quietly(shuffled, scores[order], n, **parameters), quietly(pairs, scores, n, **parameters)
    )


@settings(max_examples=1500)
@CASES
def test_partition_does_not_depend_on_the_numbering_of_samples(seed, n, count, grid, max_size, step, max_iter):
    pairs, scores = random_pairs(seed, n, count, grid)
    renamed = np.random.default_rng(seed).permutation(n)
    parameters = {"max_size": max_size, "step": step, "max_iter": max_iter}
    labels = quietly(pairs, scores, n, **parameters)
    others = quietly(renamed[pairs], scores, n, **parameters)[renamed]
    np.testing.assert_array_equal(labels == -1, others == -1)
    np.testing.assert_array_equal(labels[:, None] == labels, others[:, None] == others)


@pytest.mark.parametrize("seed", range(20))
def test_larger_graphs_follow_the_definition(seed):
    rng = np.random.default_rng(seed)
    n, count = 300, int(rng.integers(250, 1200))
    pairs = rng.integers(n, size=(count, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    scores = rng.uniform(0.3, 1, len(pairs)).astype(np.float32)
    parameters = {"max_size": int(rng.integers(2, 40)), "step": 0.05, "max_iter": 100}
    expected, rounds, left = oracle(pairs, scores, n, **parameters)
    assert rounds > 5
    assert left == []
    labels, n_iter = propagate_in_rounds(pairs, scores, n, **parameters)
    assert labels.tolist() == expected
    assert n_iter == rounds


def test_without_a_need_to_split_clusters_are_connected_components():
    rng = np.random.default_rng(0)
    n = 100_000
    pairs = rng.integers(n, size=(60_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    labels, n_iter = propagate_in_rounds(pairs, rng.random(len(pairs)), n, max_size=n)
    _, components = connected_components(coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n)), directed=False)
    paired = np.isin(np.arange(n), pairs)
    assert n_iter == 1
    np.testing.assert_array_equal(labels[~paired], -1)
    both = np.unique(np.stack([labels[paired], components[paired]]), axis=1)
    assert both.shape[1] == labels.max() + 1 == len(np.unique(components[paired]))


def test_labels_are_numbered_by_first_appearance():
    pairs = np.array([[8, 5], [1, 9], [3, 4]])
    assert propagate(pairs, np.full(3, 0.5), 10).tolist() == [-1, 0, -1, 1, 1, 2, -1, -1, 2, 0]


def test_worked_example():
    """A chain of four at th 0.5: too large for 3; at 0.75 its weak end is alone; the pair 4-5 was final at once."""
    pairs = np.array([[0, 1], [1, 2], [2, 3], [4, 5]])
    scores = np.array([0.875, 0.75, 0.625, 0.5])
    labels, n_iter = propagate_in_rounds(pairs, scores, 7, max_size=3, step=0.5)
    assert labels.tolist() == [0, 0, 0, 1, 2, 2, -1]
    assert n_iter == 2


def test_score_equal_to_the_raised_threshold_still_holds():
    pairs = np.array([[0, 1], [1, 2]])
    assert propagate(pairs, np.array([0.75, 0.5]), 3, max_size=2, step=0.5).tolist() == [0, 0, 1]
    just_below = np.nextafter(0.75, 0)
    assert propagate(pairs, np.array([just_below, 0.5]), 3, max_size=2, step=0.5).tolist() == [0, 1, 2]


def test_pairs_of_score_one_are_never_split_and_warned_of():
    pairs = np.array([[0, 1], [1, 2], [3, 4], [4, 5], [5, 6], [7, 8]])
    with pytest.warns(UserWarning, match=r"max_size 2 after 3 rounds, .*: 2 \(largest: 4, 3 samples\)"):
        labels, n_iter = propagate_in_rounds(pairs, np.ones(6), 9, max_size=2, step=1, max_iter=3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert n_iter == 3


@pytest.mark.parametrize("n", [0, 1, 4])
def test_no_pairs_discard_everything(n):
    labels = propagate(np.empty((0, 2), np.int32), np.empty(0, np.float32), n)
    assert (labels.dtype, labels.tolist()) == (np.int64, [-1] * n)


def test_inputs_are_not_changed():
    pairs, scores = random_pairs(3, 12, 40, 16)
    pairs.flags.writeable = scores.flags.writeable = False
    before = pairs.copy(), scores.copy()
    quietly(pairs, scores, 12, max_size=2)
    np.testing.assert_array_equal(pairs, before[0])
    np.testing.assert_array_equal(scores, before[1])


def test_round_thresholds():
    assert round_thresholds(0.0, step=0.5, max_iter=4).tolist() == [0, 0.5, 0.75, 0.875]
    assert round_thresholds(0.25, step=1, max_iter=3).tolist() == [0.25, 1, 1]
    assert round_thresholds(0.7, step=0.05, max_iter=1).tolist() == [0.7]
    np.testing.assert_allclose(round_thresholds(0.6, step=0.05, max_iter=3), [0.6, 0.62, 0.639])


PAIRS = np.array([[0, 1], [1, 2]])
SCORES = np.array([0.5, 0.75])


@pytest.mark.parametrize(
    ("pairs", "scores", "sentence"),
    [
        (PAIRS, SCORES[:1], r"pairs must be \(P, 2\) and scores \(P,\), not \(2, 2\) and \(1,\)"),
        (PAIRS.ravel(), SCORES, r"not \(4,\) and \(2,\)"),
        (PAIRS.repeat(2, axis=1), SCORES, r"not \(2, 4\) and \(2,\)"),
        (PAIRS, SCORES[:, None], r"not \(2, 2\) and \(2, 1\)"),
        (PAIRS + 1, SCORES, r"pairs name samples outside 0\.\.2"),
        (PAIRS - 1, SCORES, r"pairs name samples outside 0\.\.2"),
        (PAIRS, SCORES + 0.5, "scores must be numbers of at most 1; they run from 1.0 to 1.25"),
        (PAIRS, SCORES * np.nan, "scores must be numbers of at most 1; they run from nan to nan"),
        (PAIRS, np.array([0.5, np.nan]), "scores must be numbers of at most 1"),
        (PAIRS, np.array([0.5, -np.inf]), "scores must be numbers of at most 1; they run from -inf to 0.5"),
    ],
)
def test_bad_pairs_and_scores_are_refused(pairs, scores, sentence):
    with pytest.raises(ValueError, match=sentence):
        propagate(pairs, scores, 3)


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({"max_size": 0}, "0, 100 and 0.05"),
        ({"max_iter": 0}, "600, 0 and 0.05"),
        ({"step": 0}, "600, 100 and 0"),
        ({"step": 1.5}, "600, 100 and 1.5"),
        ({"step": float("nan")}, "600, 100 and nan"),
    ],
)
def test_bad_parameters_are_refused(parameters, values):
    sentence = rf"max_size and max_iter must be at least 1 and step in \(0, 1\], not {values}"
    with pytest.raises(ValueError, match=sentence):
        propagate(PAIRS, SCORES, 3, **parameters)


def test_many_rounds_follow_the_definition():
    pairs, scores = random_pairs(3, 40, 120, 0)
    parameters = {"max_size": 3, "step": 0.01, "max_iter": 500}
    expected, rounds, _ = oracle(pairs, scores, 40, **parameters)
    assert rounds > 256
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels, n_iter = propagate_in_rounds(pairs, scores, 40, **parameters)
    assert (labels.tolist(), n_iter) == (expected, rounds)


def test_more_samples_than_int32_can_number_are_refused():
    with pytest.raises(ValueError, match="there are 2147483648 samples; at most 2147483647 are supported"):
        propagate(np.array([[0, 1]]), np.array([0.5]), 2**31)
