import tracemalloc

import numpy as np
import pytest

from cdp.synthetic import synthetic_features, synthetic_labels

IDENTITIES = 60
LABELS = synthetic_labels(samples=6000, identities=IDENTITIES, outliers=0.05, seed=3)


def features(labels=LABELS, *, model="a", identities=IDENTITIES, dim=64, seed=3, **settings):
    blocks = synthetic_features(labels, identities=identities, model=model, dim=dim, seed=seed, **settings)
    return np.concatenate(list(blocks)).astype(np.float32)


@pytest.fixture(scope="module")
def models():
    return {name: features(model=name) for name in "ab"}


def centers(points):
    means = np.array([points[y == LABELS].mean(0) for y in range(IDENTITIES)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def errors(points):
    """Of each sample of an identity: 1 - cosine with its identity's mean."""
    known = LABELS < IDENTITIES
    return 1 - (points[known] * centers(points)[LABELS[known]]).sum(1)


def test_sizes():
    sizes = np.bincount(LABELS)
    assert len(LABELS) == sizes.sum() == 6000
    assert len(sizes) == IDENTITIES + 300
    assert (sizes[IDENTITIES:] == 1).all()
    assert sizes[:IDENTITIES].min() >= 1


@pytest.mark.parametrize("seed", range(3))
def test_sizes_are_long_tailed(seed):
    sizes = np.bincount(synthetic_labels(samples=100_000, identities=1000, seed=seed))
    assert (np.sort(sizes)[-100:]).sum() > 0.25 * sizes.sum()  # the largest tenth
    assert np.median(sizes) < 0.9 * sizes.mean()
    assert np.log(sizes).std() == pytest.approx(0.7, abs=0.05)


def test_samples_are_shuffled():
    same = (LABELS[1:] == LABELS[:-1]).mean()
    assert same < 0.1
    assert abs(np.corrcoef(np.arange(len(LABELS)), LABELS)[0, 1]) < 0.05


def test_as_many_identities_as_samples():
    assert sorted(synthetic_labels(samples=10, identities=8, outliers=0.2)) == list(range(10))
    with pytest.raises(ValueError, match="10 samples are too few for 9 identities and 2 outliers"):
        synthetic_labels(samples=10, identities=9, outliers=0.2)


def test_the_same_bytes_whatever_the_threads(models):
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(features(threads=threads), models["a"])
    np.testing.assert_array_equal(synthetic_labels(samples=6000, identities=IDENTITIES, outliers=0.05, seed=3), LABELS)


def test_a_block_does_not_depend_on_those_after_it(models):
    np.testing.assert_array_equal(features(LABELS[:4096]), models["a"][:4096])


def test_seeds_and_models_differ(models):
    for other in (models["b"], features(seed=4)):
        assert np.abs((models["a"] * other).sum(1)).mean() < 0.2


def test_a_model_has_the_same_space_at_every_seed():
    """The directions of most variance coincide for one model, not for two."""

    def top(points):
        return np.linalg.svd(points - points.mean(0), full_matrices=False)[2][:16]

    labels = synthetic_labels(samples=4000, identities=2000)
    reference = top(features(labels, identities=2000, seed=1))
    overlap = [
        np.square(reference @ top(features(labels, identities=2000, model=model, seed=2)).T).sum() / 16
        for model in ("a", "b")
    ]
    assert overlap[0] > 0.7
    assert overlap[1] < 0.4  # 16 of 64 by chance


def test_rows_are_unit_vectors_of_float16():
    block = next(synthetic_features(LABELS, identities=IDENTITIES, model="a"))
    assert block.shape == (4096, 256)
    assert block.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(block.astype(np.float64), axis=1), 1, atol=1e-3)


def test_the_spectrum_decays():
    labels = np.arange(3000)
    points = features(labels, identities=1, dim=256)
    variances = np.linalg.eigvalsh(np.cov(points.T))
    assert 30 < variances.sum() ** 2 / np.square(variances).sum() < 60


def test_quality_is_shared_by_the_models(models):
    a, b = errors(models["a"]), errors(models["b"])
    assert 0.5 < np.corrcoef(a, b)[0, 1] < 0.99
    shuffled = np.random.default_rng(0).permutation(b)
    assert abs(np.corrcoef(a, shuffled)[0, 1]) < 0.1


def test_error_level():
    means = [errors(features(error=error)).mean() for error in (0, 0.5, 1, 2)]
    assert means == sorted(means)


def test_families_look_alike():
    points = centers(features(family=4, likeness=0.6, error=0))
    cosines = points @ points.T
    family = np.arange(IDENTITIES) // 4
    within = (family[:, None] == family) & ~np.eye(IDENTITIES, dtype=bool)
    assert cosines[within].mean() == pytest.approx(0.6, abs=0.08)
    assert abs(cosines[family[:, None] != family].mean()) < 0.05


def test_outliers_have_no_close_neighbours(models):
    for points in models.values():
        cosines = points @ points.T
        np.fill_diagonal(cosines, -1)
        nearest = cosines.max(1)
        outlier = LABELS >= IDENTITIES
        assert np.median(nearest[outlier]) < np.quantile(nearest[~outlier], 0.1)


def test_neighbours_are_mostly_of_the_same_identity(models):
    for points in models.values():
        cosines = points @ points.T
        np.fill_diagonal(cosines, -1)
        known = LABELS < IDENTITIES
        right = (LABELS[cosines.argmax(1)] == LABELS)[known].mean()
        assert 0.8 < right < 1


def test_memory_is_bounded():
    def peak(n):
        labels = np.zeros(n, np.int64)
        tracemalloc.start()
        for _ in synthetic_features(labels, identities=10, model="a", dim=64, threads=1):
            pass
        (_, most), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
        return most

    assert peak(20 * 4096) < 1.3 * peak(4 * 4096)
