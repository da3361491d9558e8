import numpy as np
import pytest
import torch

from cdp import mediator as module
from cdp.candidates import CandidatePairs
from cdp.devices import cuda_available
from cdp.files import map_arrays, save_arrays
from cdp.mediator import RECIPES, Mediator, mediator_inputs

LAYERS = ("0", "2", "4")


def separable(seed, count, n_inputs=4):
    """Inputs on very different scales, as affinity and structure are; the first two decide."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((count, n_inputs))
    same = inputs[:, 0] + inputs[:, 1] > 0
    return (inputs * np.array([0.1, 10, 1, 3])[:n_inputs] + np.array([0.6, 8, 0, 5])[:n_inputs]).astype("f4"), same


def accuracy(mediator, inputs, same):
    return np.mean((mediator.predict(inputs, device="cpu") > 0.5) == same)


def weights(mediator):
    return {name: value.numpy() for name, value in mediator.network.state_dict().items()}


def candidates(count, members):
    rng = np.random.default_rng(count)
    return CandidatePairs(
        np.zeros((count, 2), np.int32),
        rng.random(count, np.float32),
        np.zeros(count, np.uint8),
        rng.integers(0, 2, (count, members)).astype(np.uint8),
        rng.integers(2, 900, (count, members + 1)).astype(np.uint16),
    )


def test_training_takes_one_thread_and_gives_the_others_back(monkeypatch):
    def fail(*args):
        seen.append(torch.get_num_threads())
        raise RuntimeError("while training")

    seen = []
    monkeypatch.setattr(module, "_train", fail)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(RuntimeError, match="while training"):
            Mediator.fit(*separable(0, 100), device="cpu")
        assert (seen, torch.get_num_threads()) == ([1], 3)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("digits", ["100", "010", "001", "110", "101", "011", "111"])
def test_inputs_are_relationship_affinity_structure(digits):
    described, affinity = candidates(5, 2), np.random.default_rng(1).random((5, 3), np.float32)
    found = mediator_inputs(described, affinity, inputs=digits)
    expected = []
    for p in range(5):
        groups = described.relationship[p].tolist(), affinity[p].tolist(), described.structure[p].tolist()
        expected.append([x for group, digit in zip(groups, digits, strict=True) if digit == "1" for x in group])
    assert found.dtype == np.float32
    assert found.tolist() == expected


@pytest.mark.parametrize("digits", ["", "11", "1111", "121", "abc", "1 1"])
def test_inputs_that_are_not_three_digits_are_refused(digits):
    with pytest.raises(ValueError, match=f"inputs must be three digits 0 or 1 .*, not {digits!r}"):
        mediator_inputs(candidates(5, 2), np.ones((5, 3), np.float32), inputs=digits)


@pytest.mark.parametrize(("digits", "members"), [("000", 2), ("100", 0)])
def test_inputs_without_a_column_are_refused(digits, members):
    with pytest.raises(ValueError, match=f"inputs '{digits}' leave the mediator nothing to look at"):
        mediator_inputs(candidates(5, members), np.ones((5, members + 1), np.float32), inputs=digits)


@pytest.mark.parametrize("n_inputs", [1, 5])
def test_network_is_in_3in_3in_2_with_relu(n_inputs):
    mediator = Mediator(n_inputs)
    kinds = [type(layer) for layer in mediator.network]
    assert kinds == [torch.nn.Linear, torch.nn.ReLU, torch.nn.Linear, torch.nn.ReLU, torch.nn.Linear]
    widths = [(mediator.network[i].in_features, mediator.network[i].out_features) for i in (0, 2, 4)]
    assert widths == [(n_inputs, 3 * n_inputs), (3 * n_inputs, 3 * n_inputs), (3 * n_inputs, 2)]


@pytest.mark.parametrize("size", [1000, 20_000])
def test_default_recipe_learns_on_a_set_too_small_for_the_reference(size):
    inputs, same = separable(0, size)
    unseen, truth = separable(1, 2000)
    default = Mediator.fit(inputs, same, device="cpu")
    assert accuracy(default, unseen, truth) > 0.95
    reference = Mediator.fit(inputs, same, recipe="reference", device="cpu")
    assert accuracy(reference, unseen, truth) < 0.8


def test_reference_recipe_learns_on_a_large_set():
    rng = np.random.default_rng(2)
    inputs = 3 * rng.standard_normal((300_000, 3), np.float32)
    same = inputs[:, 0] > inputs[:, 1]
    assert accuracy(Mediator.fit(inputs, same, recipe="reference", device="cpu"), inputs[:5000], same[:5000]) > 0.9


def test_predictions_are_probabilities():
    inputs, same = separable(3, 500)
    probability = Mediator.fit(inputs, same, device="cpu").predict(inputs, device="cpu")
    assert (probability.dtype, probability.shape) == (np.float32, (500,))
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert probability[same].mean() > probability[~same].mean()


def test_prediction_is_the_softmax_of_the_network():
    """The same by hand in float64: standardise, three layers, softmax."""
    inputs, same = separable(4, 400)
    mediator = Mediator.fit(inputs, same, device="cpu")
    state = {name: value.astype(np.float64) for name, value in weights(mediator).items()}
    x = (inputs - inputs.mean(axis=0, dtype=np.float64)) / inputs.std(axis=0, dtype=np.float64, ddof=1)
    for layer in LAYERS:
        x = x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
        x = x if layer == LAYERS[-1] else np.maximum(x, 0)
    expected = 1 / (1 + np.exp(x[:, 0] - x[:, 1]))
    np.testing.assert_allclose(mediator.predict(inputs, device="cpu"), expected, atol=1e-5)


def test_prediction_does_not_depend_on_the_batches(monkeypatch):
    inputs, same = separable(5, 100)
    mediator = Mediator.fit(inputs, same, device="cpu")
    whole = mediator.predict(inputs, device="cpu")
    monkeypatch.setattr(module, "_PREDICT_BATCH", 7)
    np.testing.assert_allclose(mediator.predict(inputs, device="cpu"), whole, atol=1e-6)
    assert mediator.predict(inputs[:0], device="cpu").shape == (0,)


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_fit_with_one_seed_is_reproducible_bit_for_bit(recipe):
    inputs, same = separable(6, 2500)
    first, again, other = (
        weights(Mediator.fit(inputs, same, recipe=recipe, device="cpu", seed=seed)) for seed in (7, 7, 8)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.skipif(not cuda_available(), reason="needs a GPU")
@pytest.mark.parametrize("recipe", list(RECIPES))
def test_gpu_trains_and_scores_as_the_cpu_does(recipe):
    inputs, same = separable(14, 20_000)
    on_gpu, again, on_cpu = (
        Mediator.fit(inputs, same, recipe=recipe, device=device) for device in ("cuda", "cuda", "cpu")
    )
    first, second = weights(on_gpu), weights(again)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    scores = on_gpu.predict(inputs, device="cuda")
    np.testing.assert_allclose(scores, on_gpu.predict(inputs, device="cpu"), atol=1e-5)
    assert np.abs(scores - on_cpu.predict(inputs, device="cpu")).mean() < 0.003


def test_fit_leaves_the_global_random_state_alone():
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    Mediator.fit(*separable(7, 200), device="cpu")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_constant_input_does_no_harm():
    inputs, same = separable(8, 20_000)
    inputs[:, 2] = 3
    assert accuracy(Mediator.fit(inputs, same, device="cpu"), inputs, same) > 0.97


def initial_weights(monkeypatch, *args, **kwargs):
    with monkeypatch.context() as patch:
        patch.setattr(module, "_train", lambda *_: None)
        return weights(Mediator.fit(*args, **kwargs))


def test_reference_recipe_is_plain_sgd(monkeypatch):
    """Two epochs of one batch, by hand in float64: rate 0.001, momentum 0.9, weight decay 1e-4, inputs as they are."""
    inputs, same = separable(9, 1000)
    arguments = {"recipe": "reference", "device": "cpu", "seed": 3}
    before = initial_weights(monkeypatch, inputs, same, **arguments)
    state = {name: value.astype(np.float64) for name, value in before.items()}
    velocity = {name: np.zeros_like(value) for name, value in state.items()}
    target = np.stack([~same, same], axis=1).astype(np.float64)
    for _ in range(2):
        activations = [inputs.astype(np.float64)]
        for layer in LAYERS:
            out = activations[-1] @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
            activations.append(out if layer == LAYERS[-1] else np.maximum(out, 0))
        odds = np.exp(activations[-1] - activations[-1].max(axis=1, keepdims=True))
        delta = (odds / odds.sum(axis=1, keepdims=True) - target) / len(inputs)
        gradient = {}
        for depth, layer in reversed(list(enumerate(LAYERS))):
            gradient[f"{layer}.weight"] = delta.T @ activations[depth]
            gradient[f"{layer}.bias"] = delta.sum(axis=0)
            delta = (delta @ state[f"{layer}.weight"]) * (activations[depth] > 0)
        for name in state:
            velocity[name] = 0.9 * velocity[name] + gradient[name] + 1e-4 * state[name]
            state[name] = state[name] - 0.001 * velocity[name]
    trained = weights(Mediator.fit(inputs, same, **arguments))
    for name in state:
        moved = np.abs(trained[name] - before[name]).max()
        assert moved > 1e-5
        np.testing.assert_allclose(trained[name], state[name], atol=moved / 1000)


def test_reference_recipe_takes_batches_of_1024_in_a_new_order_each_epoch(monkeypatch):
    inputs, same = separable(10, 2500)
    arguments = {"recipe": "reference", "device": "cpu", "seed": 5}
    before = initial_weights(monkeypatch, inputs, same, **arguments)
    network = Mediator(4).network
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in before.items()})
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(5)
    x, y = torch.from_numpy(inputs), torch.from_numpy(same.astype(np.int64))
    for _ in range(2):
        order = torch.randperm(2500, generator=generator)
        for start in (0, 1024, 2048):
            batch = order[start : start + 1024]
            optimizer.zero_grad()
            torch.nn.CrossEntropyLoss()(network(x[batch]), y[batch]).backward()
            optimizer.step()
    trained = weights(Mediator.fit(inputs, same, **arguments))
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(trained[name], value.numpy(), atol=1e-6)


def test_reference_recipe_does_not_scale_inputs():
    inputs, same = separable(11, 300)
    mediator = Mediator.fit(inputs, same, recipe="reference", device="cpu")
    assert mediator.mean.tolist() == [0] * 4
    assert mediator.scale.tolist() == [1] * 4


def test_saved_mediator_predicts_the_same(tmp_path):
    inputs, same = separable(12, 300)
    mediator = Mediator.fit(inputs, same, device="cpu")
    mediator.save(tmp_path / "deep" / "mediator.pt")
    loaded = Mediator.load(tmp_path / "deep" / "mediator.pt")
    assert loaded.n_inputs == 4
    np.testing.assert_array_equal(loaded.predict(inputs, device="cpu"), mediator.predict(inputs, device="cpu"))
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [".mediator.pt.crc32", "mediator.pt"]


@pytest.fixture
def saved(tmp_path):
    Mediator.fit(*separable(13, 50), device="cpu").save(tmp_path / "mediator.pt")
    return tmp_path / "mediator.pt"


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
def test_truncated_file_is_named(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"mediator\.pt is damaged .*; delete it"):
        Mediator.load(saved)


def another_width(state):
    return state | {"n_inputs": state["n_inputs"] + 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda state: list(state),
        lambda state: {},
        lambda state: state | {"n_inputs": "four"},
        lambda state: state | {"network": None},
        lambda state: {name: value for name, value in state.items() if name != "scale"},
        another_width,
    ],
)
def test_file_of_something_else_is_named(saved, change):
    torch.save(change(torch.load(saved, weights_only=True)), saved)
    with pytest.raises(ValueError, match=r"mediator\.pt is damaged"):
        Mediator.load(saved)


@pytest.mark.parametrize("content", [b"not a mediator\n", b"\x00" * 5000, b"PK\x03\x04" + b"x" * 200])
def test_file_of_garbage_is_named(tmp_path, content):
    (tmp_path / "mediator.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"mediator\.pt is damaged"):
        Mediator.load(tmp_path / "mediator.pt")


def test_file_with_code_in_it_is_not_run(tmp_path):
    torch.save({"n_inputs": print}, tmp_path / "mediator.pt")
    with pytest.raises(ValueError, match=r"mediator\.pt is damaged"):
        Mediator.load(tmp_path / "mediator.pt")


def damages(path):
    """Flip a byte of the file after the other, every seventh; gives where."""
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        yield position


def test_any_damage_is_noticed_and_named(saved):
    for _ in damages(saved):
        with pytest.raises(ValueError, match=r"mediator\.pt is damaged"):
            Mediator.load(saved)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_without_its_checksum_most_damage_is_noticed_and_named(saved):
    """As of a file that came by itself from elsewhere."""
    (saved.parent / ".mediator.pt.crc32").unlink()
    named = 0
    for position in damages(saved):
        try:
            Mediator.load(saved)
        except ValueError as error:
            assert "mediator.pt is damaged" in str(error), position  # noqa: PT017
            named += 1
    assert named > 400


GOOD = separable(14, 20)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"recipe": "magic"}, "recipe must be one of default, reference, not 'magic'"),
        ({"device": "tpu"}, "device must be auto, cpu or cuda, not 'tpu'"),
        ({"inputs": GOOD[0][:, 0]}, r"inputs must be \(P, n_inputs\) for P labels, not \(20,\) for \(20,\)"),
        ({"same_identity": GOOD[1][:5]}, r"inputs must be \(P, n_inputs\) for P labels, not \(20, 4\) for \(5,\)"),
        ({"same_identity": np.ones(20, bool)}, "pairs of same and of different identity .*; 20 of 20 pairs"),
        ({"same_identity": np.zeros(20, bool)}, "pairs of same and of different identity .*; 0 of 20 pairs"),
        ({"inputs": GOOD[0][:0], "same_identity": GOOD[1][:0]}, "of same and of different identity .*; 0 of 0 pairs"),
    ],
)
def test_bad_training_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Mediator.fit(**{"inputs": GOOD[0], "same_identity": GOOD[1]} | arguments)


@pytest.mark.parametrize("shape", [(4,), (3, 5)])
def test_inputs_of_another_width_are_refused(shape):
    with pytest.raises(ValueError, match="this mediator takes 4 inputs a pair, not an array of shape") as caught:
        Mediator(4).predict(np.ones(shape, np.float32))
    assert str(shape) in str(caught.value)


def test_input_that_never_varied_in_training_is_ignored():
    inputs, same = separable(20, 5000)
    inputs[:, 0] = 1
    mediator = Mediator.fit(inputs, same, device="cpu")
    before = mediator.predict(inputs, device="cpu")
    inputs[:, 0] = 0
    np.testing.assert_array_equal(mediator.predict(inputs, device="cpu"), before)


@pytest.mark.parametrize("digits", ["110", "111", "010"])
def test_pairs_are_scored_batch_by_batch_like_their_whole_inputs(monkeypatch, digits):
    described, cosines = candidates(100, 2), np.random.default_rng(2).random((100, 3), np.float32)
    inputs = mediator_inputs(described, cosines, inputs=digits)
    mediator = Mediator(inputs.shape[1])
    monkeypatch.setattr(module, "_PREDICT_BATCH", 7)
    found = mediator.predict_pairs(described, cosines, inputs=digits, device="cpu")
    np.testing.assert_allclose(found, mediator.predict(inputs, device="cpu"), rtol=1e-4)


def test_pairs_of_another_committee_are_refused():
    described, cosines = candidates(5, 2), np.ones((5, 3), np.float32)
    with pytest.raises(ValueError, match=r"this mediator takes 4 inputs a pair, not an array of shape \(5, 5\)"):
        Mediator(4).predict_pairs(described, cosines, inputs="110")


def test_scores_do_not_depend_on_how_often_memory_is_released(monkeypatch, tmp_path):
    described, cosines = candidates(100, 2), np.random.default_rng(2).random((100, 3), np.float32)
    save_arrays(tmp_path / "pairs.npz", **described._asdict())
    mapped = CandidatePairs(*map_arrays(tmp_path / "pairs.npz", *CandidatePairs._fields))
    monkeypatch.setattr(module, "_PREDICT_BATCH", 8)
    mediator = Mediator(8)
    whole = mediator.predict_pairs(described, cosines, inputs="111", device="cpu")
    for rows in (1, 8, 30, 1000):
        found = mediator.predict_pairs(mapped, cosines, inputs="111", device="cpu", rows=rows)
        assert found.tobytes() == whole.tobytes()
