"""Where torch computes."""

import ctypes


def choose_device(device: str) -> str:
    """What a setting means on this machine.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        "auto" takes a GPU if torch can use one.

    Returns
    -------
    {"cpu", "cuda"}

    Raises
    ------
    ValueError
        For another word, or for "cuda" where torch finds no usable GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, not {device!r}")
    if device == "cpu" or (device == "auto" and not cuda_available()):
        return "cpu"
    if not cuda_available():
        raise ValueError("device is cuda, but torch finds no usable GPU here; set device: auto or cpu")
    return "cuda"


def cuda_available() -> bool:
    """Whether torch can use an NVIDIA GPU; torch is imported only where the driver is installed."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()
