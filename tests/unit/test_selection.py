import numpy as np
import pytest

from cdp import selection
from cdp.files import save_array, save_arrays
from cdp.selection import above, kept_pairs, load_kept_pairs


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_what_is_kept_does_not_depend_on_blocks(monkeypatch, tmp_path, block):
    rng = np.random.default_rng(0)
    pairs, scores = rng.integers(90, size=(100, 2)).astype(np.int32), rng.random(100, np.float32)
    monkeypatch.setattr(selection, "_BLOCK", block)
    expected = [(pair, score) for pair, score in zip(pairs.tolist(), scores.tolist(), strict=True) if score > 0.4]
    save_arrays(tmp_path / "pairs.npz", pairs=pairs, n_samples=np.int64(90))
    save_array(tmp_path / "scores.npy", scores)
    *loaded, n_samples = load_kept_pairs(tmp_path / "pairs.npz", tmp_path / "scores.npy", 0.4)
    assert n_samples == 90
    for kept, kept_scores in (kept_pairs(pairs, scores, 0.4), loaded):
        assert (kept.dtype, kept_scores.dtype) == (np.int32, np.float32)
        assert list(zip(kept.tolist(), kept_scores.tolist(), strict=True)) == expected


def test_scores_are_compared_in_double_precision():
    """The float32 nearest to 0.1 is above 0.1, that nearest to 0.7 below it."""
    assert above(np.float32([0.1, 0.7]), 0.1).tolist() == [True, True]
    assert above(np.float32([0.1, 0.7]), 0.7).tolist() == [False, False]
    assert above(np.float32([-np.inf]), -1).tolist() == [False]
