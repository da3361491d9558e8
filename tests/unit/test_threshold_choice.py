from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.crowding import crowd
from cdp.propagation import propagate
from cdp.threshold_choice import choose, choose_of_splits, labeled_curves, mean_rows, stability
from cdp.threshold_sweep import sweep

SEEDS = st.integers(0, 2**32 - 1)


def components(samples, pairs):
    """Each sample's component, by spreading its smallest sample until nothing changes."""
    smallest = {sample: sample for sample in samples}
    changed = True
    while changed:
        changed = False
        for i, j in pairs:
            low = min(smallest[i], smallest[j])
            changed |= smallest[i] != low or smallest[j] != low
            smallest[i] = smallest[j] = low
    return smallest


def naive_clusters(pairs, scores, n, max_size, step):
    """Propagation in docs/definitions.md word by word, on lists; a sample in no pair is a cluster of its own."""
    clusters = {sample: ("alone", sample) for sample in range(n)}
    kept = list(zip(pairs, scores, strict=True))
    left = {sample for pair in pairs for sample in pair}
    threshold, rounds = min(scores, default=0), 0
    while left:
        kept = [(p, s) for p, s in kept if s >= threshold and set(p) <= left]
        found = components(left, [p for p, _ in kept])
        sizes = {root: list(found.values()).count(root) for root in found.values()}
        for sample, root in found.items():
            if sizes[root] <= max_size or rounds == 99:
                clusters[sample] = (rounds, root)
        left = {sample for sample in left if sizes[found[sample]] > max_size and rounds < 99}
        threshold, rounds = threshold + (1 - threshold) * step, rounds + 1
    return [clusters[sample] for sample in range(n)]


def naive_f(labels, clusters):
    right = wrong = missed = 0
    for i, j in combinations(range(len(labels)), 2):
        together, same = clusters[i] == clusters[j], labels[i] == labels[j]
        right += together and same
        wrong += together and not same
        missed += same and not together
    return 2 * right / (2 * right + wrong + missed) if right else 0


@settings(max_examples=150)
@given(SEEDS, st.integers(3, 12), st.integers(1, 25), st.integers(1, 6))
def test_the_chosen_threshold_is_the_best_of_all_by_the_whole_pipeline(seed, n, count, max_size):
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=count)
    pairs = np.stack([first, (first + rng.integers(1, n, count)) % n], axis=1)
    scores = (rng.integers(1, 20, count) / 20).astype(np.float32)
    labels = rng.integers(3, size=n)
    thresholds = [0.0, *(t / 20 + 0.02 for t in range(20))]
    rows = sweep(pairs, scores, n, thresholds, labels_true=labels, max_size=max_size, step=0.25)
    chosen = choose(rows)
    best = []
    for threshold in thresholds:
        kept = [p for p, score in enumerate(scores.tolist()) if score > threshold]
        clusters = naive_clusters(pairs[kept].tolist(), scores[kept].tolist(), n, max_size, 0.25)
        best.append(naive_f(labels.tolist(), clusters))
    assert (chosen["f"] or 0) == pytest.approx(max(best))
    assert best[thresholds.index(chosen["threshold"])] == pytest.approx(max(best))


FIGURES = ("threshold", "f", "bcubed_f", "precision", "recall", "bcubed_precision", "bcubed_recall")
ROWS = [
    dict(zip(FIGURES, row, strict=True))
    for row in [
        (0.1, 0.5, 0.9, 0.4, 0.99, 0.9, 0.9),
        (0.2, 0.8, 0.7, 0.7, 0.9, 0.9, 0.8),
        (0.3, 0.8, 0.6, 0.98, 0.6, 0.95, 0.7),
        (0.4, 0.2, 0.5, 0.99, 0.1, 1.0, 0.5),
        (0.5, None, 0.1, None, 0.0, 1.0, 0.1),
    ]
]


@pytest.mark.parametrize(
    ("objective", "threshold"),
    [
        ("pairwise_f", 0.2),
        ("bcubed_f", 0.1),
        ("precision>=0.98", 0.3),
        ("precision>=0.981", 0.4),
        ("precision>=0.1", 0.1),
        ("recall>=0.6", 0.3),
        ("recall>=0.9", 0.2),
        ("bcubed_precision>=0.95", 0.3),
        ("bcubed_recall>=0.8", 0.1),
        ("recall>=0", 0.4),  # where precision is highest
    ],
)
def test_objectives(objective, threshold):
    assert choose(ROWS, objective=objective)["threshold"] == threshold


@pytest.mark.parametrize(
    ("values", "place"),
    [([1, 3, 3, 3, 2], 2), ([3, 3, 3, 3, 1], 1), ([1, 2, 3, 3, 3], 3), ([1, 3, 2, 3, 3], 1), ([2] * 7, 3), ([0], 0)],
)
@pytest.mark.parametrize("objective", ["pairwise_f", "precision>=0.5"])
def test_of_equals_that_lie_together_the_middle_is_chosen(values, place, objective):
    rows = [{"threshold": i, "f": v / 4, "precision": 0.6, "recall": v / 4} for i, v in enumerate(values)]
    assert choose(rows, objective=objective)["threshold"] == place


@pytest.mark.parametrize(
    ("values", "accepts", "place"),
    [
        ([1, 7, 8, 9, 7, 8, 3], [0] * 7, 3),
        ([8, 1, 7, 8, 9, 8, 8], [0] * 7, 4),
        ([8, 8, 8, 9, 1, 9, 9], [0] * 7, 1),
        ([1, 7, 9, 7, 7, 7, 7], [0, 0, 0, 0, 1, 1, 1], 2),
        ([1, 6, 9, 6, 1, 1, 1], [0] * 7, 2),
    ],
)
def test_the_middle_of_what_is_nearly_as_good(values, accepts, place):
    rows = [{"threshold": i, "f": v / 16, "accept": a} for i, (v, a) in enumerate(zip(values, accepts, strict=True))]
    assert choose(rows, tolerance=2 / 16)["threshold"] == place


def test_a_bound_is_kept_where_there_is_tolerance():
    rows = [{"threshold": i, "precision": 0.9 + i / 50, "recall": 0.9 - i / 1000} for i in range(5)]
    assert choose(rows, objective="precision>=0.94", tolerance=0.01)["threshold"] == 3
    assert choose(rows, objective="precision>=0.94")["threshold"] == 2


def test_an_objective_out_of_reach_tells_what_is_in_reach():
    with pytest.raises(ValueError, match="precision>=0.995 is out of reach: at best it is 0.9900; ask for less"):
        choose(ROWS, objective="precision>=0.995")


@pytest.mark.parametrize(
    "objective", ["f", "nmi", "precision", "precision>0.5", "f>=0.5", "precision>=", "precision>=.9"]
)
def test_other_objectives_are_refused(objective):
    with pytest.raises(ValueError, match="objective must be pairwise_f, bcubed_f"):
        choose(ROWS, objective=objective)


def test_means_of_sweeps():
    sweeps = [
        [{"threshold": 0.1, "f": 0.5, "clusters": 3}, {"threshold": 0.3, "f": None, "clusters": 4}],
        [{"threshold": 0.1, "f": 0.7, "clusters": 6}, {"threshold": 0.3, "f": 0.2, "clusters": 4}],
        [{"threshold": 0.1, "f": None, "clusters": 6}, {"threshold": 0.3, "f": 0.4, "clusters": 4}],
    ]
    first, second = mean_rows(sweeps)
    assert first == {"threshold": 0.1, "f": pytest.approx(0.6), "clusters": 5}
    assert second == {"threshold": 0.3, "f": pytest.approx(0.3), "clusters": 4}
    nothing = [[{"threshold": 0.1, "f": None}]] * 2
    assert mean_rows(nothing) == nothing[0]


@given(st.lists(st.permutations(range(9)), min_size=1, max_size=5))
def test_of_splits_the_median_of_what_each_would_choose(values):
    curves = [[{"threshold": t, "f": f} for t, f in enumerate(split)] for split in values]
    chosen = choose_of_splits(curves)
    places = [split.index(8) for split in values]
    assert sum(place < chosen["threshold"] for place in places) <= len(places) / 2
    assert sum(place > chosen["threshold"] for place in places) < len(places) / 2
    assert chosen["threshold"] in places
    assert chosen["f"] == np.mean([split[chosen["threshold"]] for split in values])


def test_each_split_chooses_with_the_tolerance():
    curves = [[{"threshold": t, "f": f} for t, f in enumerate((0, 0.5, 0.5, 0.51, 0))]] * 3
    assert choose_of_splits(curves)["threshold"] == 3
    assert choose_of_splits(curves, tolerance=0.02)["threshold"] == 2


def test_a_bound_must_be_within_reach_on_every_split():
    curves = [[{"threshold": 0, "precision": precision, "recall": 0.5}] for precision in (0.99, 0.9)]
    with pytest.raises(ValueError, match="at best it is 0.9000"):
        choose_of_splits(curves, objective="precision>=0.95")


def test_splits_are_each_crowded_for_the_strangers_they_lack():
    """Two splits that score a half and a quarter of the strangers, of equal scores: as if each had scored all."""
    labels = np.repeat(np.arange(8), 4)
    within = [(i, j) for i, j in combinations(range(32), 2) if labels[i] == labels[j]]
    strangers = [(i, j) for i, j in combinations(range(0, 32, 4), 2)]
    pairs = np.array(within + strangers)
    scores = np.full((2, len(pairs)), -np.inf, np.float32)
    rng = np.random.default_rng(0)
    scores[:, : len(within)] = rng.uniform(0.5, 0.9, len(within))
    for row, share in zip(scores, (2, 4), strict=True):
        row[len(within) :: share] = np.linspace(0.8, 0.2, len(strangers))[::share]
    for ratio in (1, 3):
        rows = mean_rows(labeled_curves(pairs, scores, labels, ratio=ratio))
        thresholds = [row["threshold"] for row in rows]
        expected = [
            [
                row["pairs"]
                for row in sweep(
                    pairs, crowd(pairs, one, labels, ratio=ratio * share), 32, thresholds, labels_true=labels
                )
            ]
            for one, share in zip(scores, (2, 4), strict=True)
        ]
        assert [row["pairs"] for row in rows] == pytest.approx(np.mean(expected, axis=0))
    (alone,) = labeled_curves(pairs, scores[0], labels, ratio=1)
    plain = sweep(pairs, scores[0], 32, [row["threshold"] for row in alone], labels_true=labels)
    assert alone == plain


def groups(seed, sizes, wrong):
    """All pairs within groups, with scores from 0.6 up, and some wrong ones, with scores up to 0.5."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    within = np.array([(i, j) for i, j in combinations(range(len(labels)), 2) if labels[i] == labels[j]])
    strangers = np.array([(i, j) for i, j in combinations(range(len(labels)), 2) if labels[i] != labels[j]])
    pairs = np.concatenate([within, rng.permutation(strangers)[:wrong]])
    scores = np.concatenate([rng.uniform(0.6, 0.9, len(within)), rng.uniform(0.1, 0.5, wrong)]).astype(np.float32)
    return pairs, scores, len(labels)


def test_true_groups_are_the_most_stable():
    """Too low a threshold joins them by chance, too high a one breaks them by chance."""
    pairs, scores, n = groups(0, [9] * 12, 40)
    rows = stability(pairs, scores, n, [0.0, 0.3, 0.55, 0.85, 0.95])
    figures = [row["stability"] for row in rows]
    assert figures[2] == 1
    assert max(figures[:1] + figures[3:]) < 0.95
    assert figures[4] == 0  # no pairs
    assert rows[0]["together"] > 0.5
    assert (rows[2]["alone"], rows[4]["alone"], rows[4]["together"]) == (0, 1, 0)
    assert 9 / 108 < rows[2]["together"] < 0.15
    assert choose(rows, objective="stability")["threshold"] == 0.55


def test_clusterings_that_are_stable_for_nothing_is_decided_are_not_chosen():
    together = {"threshold": 0.1, "stability": 1.0, "alone": 0.0, "together": 1.0}
    middle = {"threshold": 0.5, "stability": 0.8, "alone": 0.2, "together": 0.1}
    apart = {"threshold": 0.9, "stability": 0.9, "alone": 0.8, "together": 0.01}
    assert choose([together, middle, apart], objective="stability") == middle
    assert choose([together, apart], objective="stability") == together


@pytest.mark.parametrize(("seed", "high"), [(0, 0.895), (1, 0.895), (2, 0.89)])
def test_ends_that_agree_with_themselves_are_not_the_most_stable(seed, high):
    """All of few samples fit into one cluster, and hardly any pair is left above 0.89."""
    pairs, scores, n = groups(seed, [12] * 8, 600)
    rows = stability(pairs, scores, n, [0.2, 0.8, high])
    low, middle, top = (row["stability"] for row in rows)
    assert low == top == 1 > middle
    assert choose(rows, objective="stability")["threshold"] == 0.8


def test_clusterings_that_are_only_tried_give_no_warnings(recwarn):
    pairs, scores, n = groups(0, [9] * 4, 10)
    limits = {"max_size": 3, "max_iter": 1}
    stability(pairs, scores, n, [0.0, 0.5], **limits)
    sweep(pairs, scores, n, [0.0, 0.5], **limits)
    assert not recwarn.list
    propagate(pairs, scores, n, **limits)
    assert len(recwarn.list) == 1


def test_stability_depends_on_the_seed_alone():
    pairs, scores, n = groups(1, [5, 6, 7, 8], 10)
    order = np.random.default_rng(0).permutation(len(pairs))
    rows = stability(pairs, scores, n, [0.2, 0.7])
    assert rows == stability(pairs[order], scores[order], n, [0.2, 0.7])
    assert rows[1:] == stability(pairs, scores, n, [0.7])
    assert rows != stability(pairs, scores, n, [0.2, 0.7], seed=1)
    assert all(0 <= row["stability"] <= 1 for row in rows)


def test_of_one_cluster_split_by_size():
    """Limits reach the propagation: with max_size 1 nothing is together, whatever the pairs."""
    pairs, scores, n = groups(2, [6, 6], 0)
    (row,) = stability(pairs, scores, n, [0.5], max_size=1, step=1, max_iter=3)
    assert row["stability"] < 1
