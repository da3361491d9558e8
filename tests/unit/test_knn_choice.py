import pytest

from cdp import devices
from cdp.knn import choice

FEW, ON_GPU, FOR_CELLS = 5, 10, (20, 30)


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    monkeypatch.setattr(choice, "_FEW", FEW)
    monkeypatch.setattr(choice, "_EXACT_ON_GPU", ON_GPU)
    monkeypatch.setattr(choice, "_GPU_FOR_CELLS", FOR_CELLS)


def chosen(backend, device, n_samples, *, metric="cosine", recall=0.99):
    return choice.choose(backend, device, n_samples=n_samples, metric=metric, recall=recall)


@pytest.mark.parametrize(
    ("asked", "n_samples", "without_gpu", "with_gpu"),
    [
        (("auto", "auto"), 5, ("exact", "cpu"), ("exact", "cpu")),
        (("auto", "auto"), 6, ("cells", "cpu"), ("cells", "cpu")),
        (("auto", "auto"), 20, ("cells", "cpu"), ("cells", "cpu")),
        (("auto", "auto"), 21, ("cells", "cpu"), ("exact", "cuda")),
        (("auto", "auto"), 30, ("cells", "cpu"), ("exact", "cuda")),
        (("auto", "auto"), 31, ("cells", "cpu"), ("cells", "cpu")),
        (("auto", "cpu"), 30, ("cells", "cpu"), ("cells", "cpu")),
        (("exact", "auto"), 10, ("exact", "cpu"), ("exact", "cpu")),
        (("exact", "auto"), 11, ("exact", "cpu"), ("exact", "cuda")),
        (("exact", "auto"), 31, ("exact", "cpu"), ("exact", "cuda")),
        (("cells", "auto"), 30, ("cells", "cpu"), ("cells", "cpu")),
        (("nmslib", "auto"), 30, ("nmslib", "cpu"), ("nmslib", "cpu")),
    ],
)
def test_auto_is_by_size_and_device(monkeypatch, asked, n_samples, without_gpu, with_gpu):
    for gpu, expected in ((False, without_gpu), (True, with_gpu)):
        monkeypatch.setattr(devices, "cuda_available", lambda gpu=gpu: gpu)
        assert chosen(*asked, n_samples) == expected


@pytest.mark.parametrize("backend", ["auto", "exact", "cells"])
def test_a_gpu_that_is_asked_for_is_taken_or_its_lack_told(monkeypatch, backend):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert chosen(backend, "cuda", 6) == ("cells" if backend == "cells" else "exact", "cuda")
    monkeypatch.setattr(devices, "cuda_available", lambda: False)
    with pytest.raises(ValueError, match="device is cuda, but torch finds no usable GPU"):
        chosen(backend, "cuda", 6)


def test_all_neighbours_are_found_by_exact_search(monkeypatch):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert chosen("auto", "cpu", 11, recall=1) == ("exact", "cpu")
    assert chosen("auto", "auto", 11, recall=1) == ("exact", "cuda")
    assert chosen("auto", "cpu", 11, recall=None) == ("cells", "cpu")


def test_sums_of_differences_are_found_on_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert chosen("auto", "auto", 21, metric="l1") == ("exact", "cpu")
    assert chosen("nmslib", "cuda", 21, metric="l1") == ("nmslib", "cpu")


@pytest.mark.parametrize("metric", ["cosine", "l1"])
def test_an_unknown_device_is_told(metric):
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda, not 'tpu'"):
        chosen("exact", "tpu", 3, metric=metric)
