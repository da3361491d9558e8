from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.knn.parts import SIZE, part_starts, sort_by_part
from cdp.knn.products import packed


@given(st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_cells_are_cut_into_parts_of_equal_size_but_the_last(sizes):
    starts = np.append(0, np.cumsum(sizes))
    parts, cells = part_starts(starts)
    expected = [range(start, start + size, SIZE) for start, size in zip(starts[:-1], sizes, strict=True)]
    assert parts.tolist() == [start for cell in expected for start in cell] + [starts[-1]]
    assert cells.tolist() == [0, *np.cumsum([len(cell) for cell in expected])]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 150), min_size=1, max_size=6), st.integers(1, 40))
def test_samples_stay_in_their_cells(seed, sizes, dim):
    rng = np.random.default_rng(seed)
    starts = np.append(0, np.cumsum(sizes))
    heads = packed(rng.standard_normal((starts[-1], dim)) * rng.integers(0, 2, (starts[-1], 1)))
    samples = rng.permutation(starts[-1])
    before = samples.copy()
    sort_by_part(heads, samples, starts)
    for start, stop in pairwise(starts):
        assert set(samples[start:stop]) == set(before[start:stop])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(4, 30), st.sampled_from([1e-12, 1, 1e12]))
def test_bunches_of_the_size_of_a_part_are_told_apart(seed, n_bunches, dim, scale):
    """They lie on a line, which is the direction in which members of the cell differ most."""
    rng = np.random.default_rng(seed)
    bunch = np.append(np.full(50, -1), rng.permutation(np.repeat(np.arange(n_bunches), SIZE)))  # -1: another cell
    direction = rng.standard_normal(dim)
    vectors = 10 * bunch[:, None] * direction / np.linalg.norm(direction) + 0.1 * rng.standard_normal((len(bunch), dim))
    place = rng.permutation(len(bunch))
    words = np.empty_like(packed(vectors))
    words[place] = packed(scale * vectors)
    samples = place.copy()
    sort_by_part(words, samples, np.array([0, 50, len(bunch)]))
    bunch_of = np.empty_like(bunch)
    bunch_of[place] = bunch
    assert all(len(set(part)) == 1 for part in bunch_of[samples[50:]].reshape(n_bunches, SIZE))
