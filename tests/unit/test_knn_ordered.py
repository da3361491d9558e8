import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import knn
from cdp.features import normalize
from cdp.knn import knn_graph
from cdp.knn.points import Points
from cdp.knn.proposal import Proposal
from tests.unit.knn_graphs import assert_row_contract, cosines, rows_with_ties

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=300)
@given(SEEDS, st.integers(1, 15), st.integers(2, 12))
def test_any_proposal_of_a_backend_is_put_right(seed, n, k):
    """The sample itself missing or misplaced, neighbours unordered, fewer than k or more."""
    rng = np.random.default_rng(seed)
    features = rows_with_ties(seed, n, 4)
    width = int(rng.integers(1, n + 1))
    proposals = np.array([rng.permutation(n)[:width] for _ in range(n)])
    proposals[rng.random(proposals.shape) < 0.2] = -1
    cosine = cosines(features)
    with pytest.MonkeyPatch.context() as patch:
        proposal = Proposal(Points.of(normalize(features)), np.arange(n), proposals)
        patch.setitem(knn._BACKENDS, "exact", lambda vectors, **_: (proposal, 1.0))
        graph = knn_graph(features, k=k, backend="exact", device="cpu")
    assert_row_contract(graph, n, k)
    for i in range(n):
        others = sorted(set(proposals[i].tolist()) - {i, -1}, key=lambda j: (-cosine[i][j], j))[: k - 1]
        assert graph.idx[i].tolist() == [i, *others, *[-1] * (k - 1 - len(others))]
