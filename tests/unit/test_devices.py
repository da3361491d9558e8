import pytest

from cdp import devices
from cdp.devices import choose_device


@pytest.mark.parametrize(("gpu", "expected"), [(False, "cpu"), (True, "cuda")])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, gpu, expected):
    monkeypatch.setattr(devices, "cuda_available", lambda: gpu)
    assert choose_device("auto") == expected
    assert choose_device("cpu") == "cpu"


def test_cuda_is_what_there_is_or_refused(monkeypatch):
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    assert choose_device("cuda") == "cuda"
    monkeypatch.setattr(devices, "cuda_available", lambda: False)
    with pytest.raises(ValueError, match="device is cuda, but torch finds no usable GPU"):
        choose_device("cuda")


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda, not 'tpu'"):
        choose_device("tpu")
