import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from cdp.metrics import describe, evaluate, pair_accuracy


def ratio(a, b):
    return None if b == 0 else a / b


def harmonic(p, r):
    return None if p is None or r is None or p + r == 0 else 2 * p * r / (p + r)


def oracle(true, pred):
    """The metrics of docs/definitions.md by counting pairs and by looping over samples."""
    n = len(true)
    together = sum(true[i] == true[j] and pred[i] == pred[j] for i, j in combinations(range(n), 2))
    same_cluster = sum(pred[i] == pred[j] for i, j in combinations(range(n), 2))
    same_identity = sum(true[i] == true[j] for i, j in combinations(range(n), 2))
    precision, recall = ratio(together, same_cluster), ratio(together, same_identity)
    correct = [sum(true[j] == true[i] and pred[j] == pred[i] for j in range(n)) for i in range(n)]
    cubed_precision = ratio(sum(c / pred.count(pred[i]) for i, c in enumerate(correct)), n)
    cubed_recall = ratio(sum(c / true.count(true[i]) for i, c in enumerate(correct)), n)

    def entropy(values):
        return -sum(c / n * math.log(c / n) for c in Counter(values).values())

    several = len(set(true)) > 1 or len(set(pred)) > 1
    mutual = entropy(true) + entropy(pred) - entropy(list(zip(true, pred, strict=True)))
    return {
        "precision": precision,
        "recall": recall,
        "f": harmonic(precision, recall),
        "bcubed_precision": cubed_precision,
        "bcubed_recall": cubed_recall,
        "bcubed_f": harmonic(cubed_precision, cubed_recall),
        "nmi": 2 * mutual / (entropy(true) + entropy(pred)) if several else None,
    }


def both_forms(true, pred):
    alone = [label if label >= 0 else f"discarded {i}" for i, label in enumerate(pred)]
    clustered = [i for i, label in enumerate(pred) if label >= 0]
    return {"kept": (true, alone), "removed": ([true[i] for i in clustered], [pred[i] for i in clustered])}


def random_labels(seed, n, identities, clusters):
    rng = np.random.default_rng(seed)
    names = rng.permutation(1000)[:identities] * 10**14 - 5
    pred = rng.integers(clusters, size=n)
    pred[rng.random(n) < rng.choice([0, 0.3, 1], p=[0.4, 0.5, 0.1])] = -1
    return names[rng.integers(identities, size=n)], pred


CASES = given(st.integers(0, 2**32 - 1), st.integers(0, 14), st.integers(1, 6), st.integers(1, 8))


@settings(max_examples=2000)
@CASES
def test_figures_follow_the_definition(seed, n, identities, clusters):
    true, pred = random_labels(seed, n, identities, clusters)
    found = evaluate(true, pred)
    forms = both_forms(true.tolist(), pred.tolist())
    assert set(found) == set(forms)
    for form, labels in forms.items():
        assert found[form] == pytest.approx(oracle(*labels), abs=1e-9), form


@settings(max_examples=1000)
@CASES
def test_nmi_is_that_of_scikit_learn(seed, n, identities, clusters):
    true, pred = random_labels(seed, n, identities, clusters)
    found = evaluate(true, pred)
    for form, labels in both_forms(true.tolist(), pred.tolist()).items():
        numbers = [np.unique(np.array(side, str), return_inverse=True)[1] for side in labels]
        if all(len(set(side.tolist())) < 2 for side in numbers):
            assert found[form]["nmi"] is None
        else:
            expected = normalized_mutual_info_score(*numbers, average_method="arithmetic")
            assert found[form]["nmi"] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=500)
@CASES
def test_names_of_labels_and_order_of_samples_do_not_matter(seed, n, identities, clusters):
    true, pred = random_labels(seed, n, identities, clusters)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    renamed = np.append(rng.permutation(clusters) + 3, -1)[pred]
    first, second = evaluate(true, pred), evaluate(true[order], renamed[order])
    for form in ("kept", "removed"):
        assert first[form] == pytest.approx(second[form], abs=1e-9)


@settings(max_examples=1000)
@CASES
def test_description_counts_clusters(seed, n, identities, clusters):
    _, pred = random_labels(seed, n, identities, clusters)
    sizes = Counter(label for label in pred.tolist() if label >= 0)
    discarded = pred.tolist().count(-1)
    assert describe(pred) == {
        "clusters": len(sizes),
        "singletons": sum(size == 1 for size in sizes.values()),
        "largest": max(sizes.values(), default=0),
        "discarded": discarded,
        "discard_ratio": ratio(discarded, n),
    }


def test_perfect_clustering():
    figures = evaluate(np.array([7, 7, 3, 3, 3]), np.array([0, 0, 1, 1, 1]))
    for form in ("kept", "removed"):
        assert figures[form] == pytest.approx(dict.fromkeys(figures[form], 1.0))


def test_worked_example():
    """Clusters {0,1,2} and {3}; 4 is discarded; identities {0,1}, {2,3,4}."""
    figures = evaluate(np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, -1]))
    assert figures["kept"]["precision"] == pytest.approx(1 / 3)
    assert figures["kept"]["recall"] == pytest.approx(1 / 4)
    assert figures["kept"]["f"] == pytest.approx(2 / 7)
    assert figures["kept"]["bcubed_precision"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert figures["kept"]["bcubed_recall"] == pytest.approx((1 + 1 + 1 / 3 + 1 / 3 + 1 / 3) / 5)
    assert figures["removed"]["recall"] == pytest.approx(1 / 2)
    assert figures["removed"]["bcubed_recall"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)


def test_figures_that_do_not_exist_are_none():
    nothing = evaluate(np.array([0, 0, 1]), np.array([-1, -1, -1]))
    assert nothing["kept"]["precision"] is None
    assert nothing["kept"]["recall"] == 0
    assert nothing["kept"]["f"] is None
    assert set(nothing["removed"].values()) == {None}
    wrong = evaluate(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))["kept"]
    assert (wrong["precision"], wrong["recall"], wrong["f"]) == (0, 0, None)
    one = evaluate(np.zeros(3, int), np.zeros(3, int))["kept"]
    assert (one["f"], one["bcubed_f"], one["nmi"]) == (1, 1, None)


def test_large_counts_do_not_overflow():
    n = 200_000
    figures = evaluate(np.zeros(n, np.int32), np.arange(n, dtype=np.int32) // (n // 2))["kept"]
    assert figures["precision"] == 1
    assert figures["recall"] == pytest.approx((n / 2 - 1) / (n - 1))


@settings(max_examples=500)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 12))
def test_pair_accuracy_is_the_share_of_right_pairs(seed, n, count):
    rng = np.random.default_rng(seed)
    labels, pairs = rng.integers(3, size=n), rng.integers(n, size=(count, 2))
    right = sum(labels[i] == labels[j] for i, j in pairs.tolist())
    assert pair_accuracy(pairs, labels) == ratio(right, count)


@pytest.mark.parametrize(
    ("true", "pred", "sentence"),
    [
        (np.zeros(3, int), np.zeros(4, int), "3 true labels for 4 predicted ones"),
        (np.zeros(3), np.zeros(3, int), r"one-dimensional integers, not float64 of shape \(3,\)"),
        (np.zeros(3, int), np.array(["a", "b", "c"]), r"one-dimensional integers, not <U1 of shape \(3,\)"),
        (np.zeros((3, 1), int), np.zeros(3, int), r"one-dimensional integers, not int64 of shape \(3, 1\)"),
    ],
)
def test_bad_labels_are_refused(true, pred, sentence):
    with pytest.raises(ValueError, match=sentence):
        evaluate(true, pred)
