from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.outline import Outline
from cdp.knn.parts import SIZE
from cdp.knn.points import Points
from cdp.knn.products import unpacked
from cdp.knn.scan import Cells


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3 * SIZE), min_size=1, max_size=6), st.integers(1, 3))
def test_means_of_parts_and_groups(seed, sizes, n_groups):
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((sum(sizes), 5)) + 1).astype(np.float32)
    starts = np.append(0, np.cumsum(sizes))
    group_of = np.sort(rng.integers(n_groups, size=len(sizes)))
    outline = Outline.of(Cells(Points.of(vectors), starts), np.searchsorted(group_of, np.arange(n_groups + 1)))
    exact = vectors.astype(np.float64)
    assert unpacked(outline.middle)[0, 0] == 0
    middle = unpacked(outline.middle)[0, 1:6]
    if len(vectors):
        np.testing.assert_allclose(middle, exact.mean(axis=0), atol=0.02)
    parts = [
        exact[start:stop][first : first + SIZE]
        for start, stop in pairwise(starts)
        for first in range(0, stop - start, SIZE)
    ]
    groups = [
        exact[[i for cell in np.flatnonzero(group_of == group) for i in range(starts[cell], starts[cell + 1])]]
        for group in range(n_groups)
    ]
    for means, sets in ((outline.parts, parts), (outline.groups, groups)):
        assert len(means.heads) == len(sets)
        for mean, half, spread, length, members in zip(
            unpacked(means.heads), means.halves, means.spreads, means.lengths, sets, strict=True
        ):
            assert mean[0] == 0
            if len(members):
                centre = members.mean(axis=0)
                made_up = centre @ (mean[1:6] - centre)
                np.testing.assert_allclose(mean[1:6], centre, atol=0.02)
                np.testing.assert_allclose(half, (members**2).sum(axis=1).mean() / 2 + made_up, rtol=0.02, atol=0.02)
                np.testing.assert_allclose(spread**2, ((members - centre) ** 2).sum(axis=1).mean(), rtol=0.02, atol=0.1)
                np.testing.assert_allclose(length**2, ((members - middle) ** 2).sum(axis=1).mean(), rtol=0.02, atol=0.1)


def test_means_of_groups_beside_an_outlier():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 6)).astype(np.float32)
    vectors[10] *= 1e12
    cells = Cells(Points.of(vectors), np.arange(0, 401, 20))
    groups = Outline.of(cells, np.arange(0, 21, 5)).groups
    halves = (vectors.astype(np.float64) ** 2).sum(axis=1).reshape(4, 100).mean(axis=1) / 2
    np.testing.assert_allclose(groups.halves[1:], halves[1:], rtol=0.01)
