from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cdp.baselines import radius, spanning_tree
from cdp.baselines.spanning_tree import mutual_reachability_tree
from cdp.features import load_features, normalize
from cdp.threads import limit_threads


def oracle(vectors, min_samples):
    """Kruskal's algorithm on all pairs, sorted by weight, then ends."""
    vectors = vectors.astype(np.float64)
    distances = cdist(vectors, vectors)
    core = np.sort(distances, axis=1)[:, min_samples]
    weights = np.maximum(distances, np.maximum(core, core[:, None]))
    component = np.arange(len(vectors))
    tree = []
    for weight, i, j in sorted((weights[pair], *pair) for pair in combinations(range(len(vectors)), 2)):
        if component[i] != component[j]:
            component[component == component[j]] = component[i]
            tree.append((i, j, weight))
    return tree


def found(vectors, min_samples):
    tree = mutual_reachability_tree(vectors, min_samples=min_samples)
    return [(*pair, weight) for pair, weight in zip(tree.ends.tolist(), tree.weights.tolist(), strict=True)]


@given(n=st.integers(2, 40), dim=st.integers(1, 6), grid=st.integers(1, 4), seed=st.integers(0, 999), data=st.data())
def test_the_tree_is_that_of_all_pairs(n, dim, grid, seed, data):
    vectors = normalize(np.random.default_rng(seed).integers(1, grid + 1, (n, dim)))
    min_samples = data.draw(st.integers(1, n - 1))
    assert found(vectors, min_samples) == oracle(vectors, min_samples)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("min_samples", [1, 3])
def test_many_components_and_tiles(threads, min_samples, monkeypatch):
    monkeypatch.setattr(radius, "_ROWS", 16)
    monkeypatch.setattr(radius, "_COLUMNS", 32)
    monkeypatch.setattr(spanning_tree, "_LINKS", 2)
    rng = np.random.default_rng(min_samples)
    vectors = normalize(np.repeat(rng.standard_normal((60, 8)), 4, axis=0) + 0.1 * rng.standard_normal((240, 8)))
    with limit_threads(threads):
        assert found(vectors, min_samples) == oracle(vectors, min_samples)


@pytest.mark.parametrize("model", ["vgg", "mobilenet"])
@pytest.mark.parametrize("min_samples", [1, 5, 20])
def test_real_data(model, min_samples):
    vectors = normalize(load_features(f"data/unlabeled/demo/features/{model}.npy")[:600])
    assert found(vectors, min_samples) == oracle(vectors, min_samples)


def test_duplicates_by_the_thousand():
    vectors = normalize(np.repeat(np.eye(2, 16), [3000, 2000], axis=0))
    tree = mutual_reachability_tree(vectors, min_samples=5)
    assert tree.weights.tolist() == [0] * 4998 + [2**0.5]
    assert tree.ends[-1].tolist() == [0, 3000]
