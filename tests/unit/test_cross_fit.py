import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cdp import cross_fit as module
from cdp.cross_fit import cross_fit, held_out_pairs

SEEDS = st.integers(0, 2**32 - 1)


def random_pairs(seed, n, count, identities):
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=count)
    names = rng.permutation(1000)[:identities] - 500
    return np.stack([first, (first + rng.integers(1, n, count)) % n], axis=1), names[rng.integers(identities, size=n)]


@settings(max_examples=300)
@given(SEEDS, st.integers(4, 40), st.integers(1, 120), st.integers(2, 12), st.integers(2, 7))
def test_no_identity_is_trained_on_and_scored(seed, n, count, identities, folds):
    pairs, labels = random_pairs(seed, n, count, identities)
    assume(len(set(labels.tolist())) >= folds)
    times = np.zeros(count, int)
    for train, held_out in held_out_pairs(pairs, labels, folds=folds, seed=seed):
        assert not set(labels[pairs[train]].ravel().tolist()) & set(labels[pairs[held_out]].ravel().tolist())
        times += held_out
    same = np.array([labels[i] == labels[j] for i, j in pairs])
    assert set(times.tolist()) <= {0, 1}
    assert (times[same] == 1).all()


def test_folds_are_equal_and_leave_much_to_train_on():
    pairs, labels = random_pairs(0, 3000, 60_000, 300)
    shares = np.array([(train.mean(), held_out.mean()) for train, held_out in held_out_pairs(pairs, labels, folds=5)])
    np.testing.assert_allclose(shares, [[(4 / 5) ** 2, (1 / 5) ** 2]] * 5, atol=0.04)  # of independent identities here


class Witness:
    """In a mediator's place: remembers the identities that it was trained on; the inputs name the pairs."""

    pairs, labels = random_pairs(1, 50, 400, 12)

    def __init__(self, inputs, same_identity):
        self.seen = set(self.labels[self.pairs[inputs[:, 0].astype(int)]].ravel().tolist())
        trained_on = self.pairs[inputs[:, 0].astype(int)].tolist()
        assert same_identity.tolist() == [self.labels[i] == self.labels[j] for i, j in trained_on]

    @classmethod
    def fit(cls, inputs, same_identity, *, recipe, device, seed):
        assert (recipe, device) == ("reference", "cpu")
        assert seed in (7, 8)
        return cls(inputs, same_identity)

    def predict(self, inputs, *, device):
        scored = self.labels[self.pairs[inputs[:, 0].astype(int)]]
        assert not self.seen & set(scored.ravel().tolist())
        return inputs[:, 0] / 1000


def test_every_pair_is_scored_by_a_mediator_that_never_saw_its_identities(monkeypatch):
    monkeypatch.setattr(module, "Mediator", Witness)
    numbers = np.arange(400, dtype=np.float32)
    settings = {"recipe": "reference", "device": "cpu", "seed": 7}
    splits = cross_fit(numbers[:, None], Witness.pairs, Witness.labels, folds=4, repeats=2, **settings)
    same = np.array([Witness.labels[i] == Witness.labels[j] for i, j in Witness.pairs])
    assert splits.dtype == np.float32
    assert splits.shape == (2, 400)
    for scores in splits:
        scored = np.isfinite(scores)
        assert scored[same].all()
        assert 0.1 < scored[~same].mean() < 0.4  # of strangers, about a quarter
        np.testing.assert_allclose(scores[scored], numbers[scored] / 1000)
    assert (np.isfinite(splits[0]) != np.isfinite(splits[1])).any()


def test_what_can_only_be_learnt_by_heart_is_not_known():
    """Inputs that just name the pair's identity tell nothing of other identities; one that is true in general does."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(40), 10)
    pairs = np.stack([rng.integers(400, size=1000), rng.integers(400, size=1000)], axis=1)
    pairs[:500, 1] = pairs[:500, 0] // 10 * 10 + rng.integers(10, size=500)
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    useful = (same + 0.3 * rng.standard_normal(1000)).astype(np.float32)
    by_heart = np.zeros((1000, 40), np.float32)
    by_heart[np.arange(1000), labels[pairs[:, 0]]] = 1
    once = {"folds": 2, "repeats": 1, "device": "cpu"}
    (known,), (unknown,) = (cross_fit(inputs, pairs, labels, **once) for inputs in (useful[:, None], by_heart))
    scored = np.isfinite(known)
    assert np.mean((known > 0.5)[scored] == same[scored]) > 0.9
    assert np.ptp(unknown[scored]) < 0.3
    assert np.array_equal([known], cross_fit(useful[:, None], pairs, labels, **once))


@pytest.mark.parametrize("folds", [1, 6])
def test_folds_that_do_not_fit_are_refused(folds):
    labels = np.arange(10) % 5
    with pytest.raises(ValueError, match=f"at least 2 and at most 5, the identities .*, not {folds}"):
        cross_fit(np.ones((1, 2), np.float32), np.array([[0, 1]]), labels, folds=folds)
