import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdp.components import find_roots, merge, number_by_appearance


@given(n=st.integers(1, 30), data=st.data())
def test_merging_finds_the_components(n, data):
    samples = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(samples, samples), max_size=40))
    parents = np.arange(n, dtype=np.int32)
    for i, j in pairs:
        merge(parents, i, j)
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (n, n))
    expected = connected_components(graph, directed=False)[1]
    roots = find_roots(parents)
    assert roots.tolist() == [expected.tolist().index(component) for component in expected]


def test_labels_are_numbered_by_first_appearance():
    labels = number_by_appearance(np.array([3, -1, 0, 3, 5, 0, -1]))
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, -1, 1, 0, 2, 1, -1]
    assert number_by_appearance(np.empty(0, np.int64)).tolist() == []
