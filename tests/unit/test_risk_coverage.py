import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.metrics import evaluate
from cdp.risk_coverage import impurity, risk_coverage

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_impurity_is_the_share_of_others_in_the_cluster(seed, n, identities, clusters):
    rng = np.random.default_rng(seed)
    truth, labels = rng.integers(-3, identities, n), rng.integers(0, clusters, n)
    expected = [np.mean([truth[j] != truth[i] for j in range(n) if labels[j] == labels[i]]) for i in range(n)]
    found = impurity(truth, labels)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 1 - found.mean() == pytest.approx(evaluate(truth, labels)["kept"]["bcubed_precision"])


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 6))
def test_curve_is_the_mean_over_all_orders_of_equals(seed, n):
    rng = np.random.default_rng(seed)
    confidence, risk = rng.integers(0, 3, n) / 2, rng.random(n)
    curves = []
    for order in itertools.permutations(range(n)):
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order)):
            curves.append(np.cumsum(risk[list(order)]) / np.arange(1, n + 1))
    np.testing.assert_allclose(risk_coverage(confidence, risk, points=n), np.mean(curves, axis=0))


@settings(max_examples=200)
@given(SEEDS, st.integers(1, 300))
def test_ends_at_the_mean_and_the_best_order_is_below_all_others(seed, n):
    rng = np.random.default_rng(seed)
    confidence, risk = rng.random(n), rng.random(n)
    curve = risk_coverage(confidence, risk)
    assert len(curve) == 100
    assert curve[-1] == pytest.approx(risk.mean())
    assert (risk_coverage(-risk, risk) <= curve + 1e-12).all()
    assert (risk_coverage(risk, risk) >= curve - 1e-12).all()
    np.testing.assert_allclose(risk_coverage(np.zeros(n), risk), risk.mean())


def test_worked_example():
    curve = risk_coverage(np.array([0.1, 0.9, 0.5, 0.7]), np.array([1, 0, 0.5, 0.1]), points=4)
    np.testing.assert_allclose(curve, [0, 0.05, 0.2, 0.4])
