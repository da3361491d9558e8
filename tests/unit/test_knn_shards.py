"""A search in shards against the search in one piece."""

import numpy as np
import pytest

from cdp import devices
from cdp.knn import cells, choice, knn_graph
from cdp.knn import shards as shards_module
from cdp.knn.cells import ROUNDS
from cdp.knn.points import principal_axes
from cdp.knn.shards import join, load, load_found, merge, prepare, save, save_found, search_shard
from tests.unit.knn_graphs import TORCH_ON_CPU, decaying

K = 7


def features(n, spread=0.6):
    rng = np.random.default_rng(n)
    centers = rng.standard_normal((max(1, n // 20), 24))
    return (centers[rng.integers(len(centers), size=n)] + spread * rng.standard_normal((n, 24))).astype(np.float32)


def in_shards(vectors, shards, folder, **options):
    """The graph, and the last round that was needed."""
    save(folder, prepare(vectors, k=K, **options))
    prepared, found = load(folder), None
    own = {key: options[key] for key in ("recall", "seed") if key in options}
    for number in range(ROUNDS + 1):
        for shard in range(shards):
            part = search_shard(prepared, found, shard=shard, shards=shards, number=number, k=K, **own)
            save_found(folder / f"{shard}.npz", part)
        found = join([load_found(folder / f"{shard}.npz") for shard in range(shards)])
        if found.is_enough:
            return merge(prepared, found, k=K), number
    raise AssertionError("the last round is exact")


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize(
    ("n", "options", "last_round"),
    [
        (3000, {"backend": "cells", "recall": 0.9}, range(1, 3)),
        (3000, {"backend": "cells", "recall": 0.9999, "seed": 3}, range(3, ROUNDS + 1)),
        (2000, {"backend": "cells", "recall": 1}, range(6, ROUNDS + 1)),
        (3000, {"backend": "cells", "recall": None, "settings": {"cells": {"probes": 2}}}, [1]),
        (600, {"backend": "auto"}, [0]),
        (40, {"backend": "cells"}, range(2)),
        (1, {"backend": "cells"}, [0]),
    ],
)
def test_shards_find_what_one_search_finds(tmp_path, shards, n, options, last_round):
    vectors = features(n, spread=100 if options.get("recall") == 1 else 0.6)
    whole = knn_graph(vectors, k=K, **options)
    merged, ended = in_shards(vectors, shards, tmp_path, **options)
    np.testing.assert_array_equal(merged.idx, whole.idx)
    assert merged.dist.tobytes() == whole.dist.tobytes()
    assert merged.recall == whole.recall
    assert ended in last_round


@pytest.mark.parametrize("shards", [2, 7])
def test_shards_find_the_same_by_bounds_that_are_only_likely(tmp_path, shards):
    vectors = decaying(1, 5000, 128)
    assert principal_axes(vectors) is not None
    whole = knn_graph(vectors, k=K, backend="cells", recall=0.999, threads=1)
    merged, ended = in_shards(vectors, shards, tmp_path, backend="cells", recall=0.999)
    np.testing.assert_array_equal(merged.idx, whole.idx)
    assert merged.recall == whole.recall < 1
    assert ended >= 2


def test_the_last_round_is_exact(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "_WITHIN", (0.001,) * (ROUNDS - 1))
    vectors = features(2000, spread=100)
    merged, ended = in_shards(vectors, 3, tmp_path, backend="cells", settings={"cells": {"probes": 1}})
    np.testing.assert_array_equal(merged.idx, knn_graph(vectors, k=K, backend="exact").idx)
    assert (ended, merged.recall) == (ROUNDS, 1)


def test_other_backends_cannot_search_in_shards():
    with pytest.raises(ValueError, match="backend nmslib cannot search in shards; choose auto, cells or exact"):
        prepare(features(50), k=K, backend="nmslib")


@pytest.mark.parametrize(("wanted", "sentence"), [({"k": 1}, "k must be .* 2"), ({"recall": 0}, "recall must be")])
def test_what_no_search_can_give_is_refused(wanted, sentence):
    with pytest.raises(ValueError, match=sentence):
        prepare(features(50), **{"k": K} | wanted)


@pytest.mark.parametrize(("backend", "device"), [("exact", "cuda"), ("cells", "cpu")])
def test_shards_search_on_the_device_of_a_search_in_one_piece(monkeypatch, backend, device):
    devices_seen = []

    def spy(arrangement, rows, *, k, device):
        devices_seen.append(device)
        return cells.look(arrangement, rows, k=k, device="cpu")

    monkeypatch.setattr(shards_module, "look", spy)
    monkeypatch.setattr(choice, "_EXACT_ON_GPU", 20)
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    prepared = prepare(features(40), k=K, backend=backend, settings={"cells": {"cell_size": 40}})  # one cell
    search_shard(prepared, None, shard=0, shards=2, number=0, k=K)
    assert devices_seen == [device]


def test_a_shard_without_rows_on_torch(monkeypatch):
    monkeypatch.setattr(choice, "choose_device", lambda device: TORCH_ON_CPU)
    prepared = prepare(features(40), k=K, backend="cells", settings={"cells": {"cell_size": 14}})
    found = None
    for number in range(2):
        parts = [search_shard(prepared, found, shard=shard, shards=99, number=number, k=K) for shard in range(99)]
        assert min(len(part.found) for part in parts) == 0
        found = join(parts)
        assert found.found.shape[0] == 40


def test_a_damaged_arrangement_is_named(tmp_path):
    save(tmp_path, prepare(features(300), k=K, backend="cells"))
    load(tmp_path)
    for file in sorted(tmp_path.glob("[!.]*")):
        whole = file.read_bytes()
        content = bytearray(whole)
        content[len(content) // 2] ^= 16
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"{file.name} is damaged"):
            load(tmp_path)
        file.write_bytes(whole)
    assert len(list(tmp_path.glob("[!.]*"))) == 7


def test_a_damaged_round_is_named(tmp_path):
    save_found(tmp_path / "0.npz", search_shard(prepare(features(300), k=K), None, shard=0, shards=1, number=0, k=K))
    content = (tmp_path / "0.npz").read_bytes()
    for damaged in (content[:-200], content[:900] + bytes([content[900] ^ 16]) + content[901:], b""):
        (tmp_path / "0.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"0\.npz is damaged"):
            load_found(tmp_path / "0.npz")
