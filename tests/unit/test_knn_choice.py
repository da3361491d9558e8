import pytest

from cdp import devices
from cdp.knn import choice

FEW, SOME, MANY = 5, 8, 9


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    monkeypatch.setattr(choice, "_FEW", FEW)
    monkeypatch.setattr(choice, "_FEW_FOR_GPU", SOME)


def chosen(backend, device, n_samples, *, metric="cosine", recall=0.99):
    return choice.choose(backend, device, n_samples=n_samples, metric=metric, recall=recall)


@pytest.mark.parametrize(
    ("asked", "n_samples", "without_gpu", "with_gpu"),
    [
        (("auto", "auto"), FEW, ("exact", "cpu"), ("exact", "cpu")),
        (("auto", "auto"), SOME, ("cells", "cpu"), ("cells", "cpu")),
        (("auto", "auto"), MANY, ("cells", "cpu"), ("exact", "cuda")),
        (("auto", "cpu"), MANY, ("cells", "cpu"), ("cells", "cpu")),
        (("exact", "auto"), SOME, ("exact", "cpu"), ("exact", "cpu")),
        (("exact", "auto"), MANY, ("exact", "cpu"), ("exact", "cuda")),
        (("cells", "auto"), MANY, ("cells", "cpu"), ("cells", "cpu")),
        (("nmslib", "auto"), MANY, ("nmslib", "cpu"), ("nmslib", "cpu")),
    ],
)
def test_auto_is_by_size_and_device(monkeypatch, asked, n_samples, without_gpu, with_gpu):
    for gpu, expected in ((False, without_gpu), (True, with_gpu)):
        monkeypatch.setattr(devices, "cuda_available", lambda gpu=gpu: gpu)
        assert chosen(*asked, n_samples) == expected


@pytest.mark.parametrize("backend", ["auto", "exact", "cells"])
def test_a_gpu_that_is_asked_for_is_taken_or_its_lack_told(monkeypatch, backend):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert chosen(backend, "cuda", FEW) == ("cells" if backend == "cells" else "exact", "cuda")
    monkeypatch.setattr(devices, "cuda_available", lambda: False)
    with pytest.raises(ValueError, match="device is cuda, but torch finds no usable GPU"):
        chosen(backend, "cuda", FEW)


def test_all_neighbours_are_found_by_exact_search():
    assert chosen("auto", "cpu", MANY, recall=1) == ("exact", "cpu")
    assert chosen("auto", "cpu", MANY, recall=None) == ("cells", "cpu")


def test_sums_of_differences_are_found_on_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert chosen("auto", "auto", MANY, metric="l1") == ("exact", "cpu")
    assert chosen("nmslib", "cuda", MANY, metric="l1") == ("nmslib", "cpu")
