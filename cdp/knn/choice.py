"""What `auto` stands for, as backend and as device."""

from cdp.devices import choose_device
from cdp.knn.products import TILES

_FEW = 30_000 if TILES else 10_000  # samples, of which exact search on the CPU takes the least time
_FEW_FOR_GPU = 200_000  # samples, up to which loading CUDA costs more time than it saves


def choose(backend: str, device: str, *, n_samples: int, metric: str, recall: float | None) -> tuple[str, str]:
    """The backend and the device of a search.

    Parameters
    ----------
    backend : {"auto", "exact", "cells", "faiss", "nmslib"}
        "auto": exact where that takes the least time, where all neighbours are wanted, and on a GPU.
    device : {"auto", "cpu", "cuda"}
        "auto": a GPU for exact search of many samples, if torch can use one. Of l1, all is on the CPU.
    n_samples : int
    metric : {"cosine", "angular", "l2", "l1"}
    recall : float in (0, 1], optional

    Returns
    -------
    str
        A backend.
    {"cpu", "cuda"}

    Raises
    ------
    ValueError
        For an unknown device, or "cuda" where torch finds no usable GPU.
    """
    may_need_gpu = backend in ("auto", "exact") and n_samples > _FEW_FOR_GPU
    device = choose_device("cpu" if metric == "l1" or (device == "auto" and not may_need_gpu) else device)
    if backend == "auto":
        is_exact = n_samples <= _FEW or recall == 1 or metric == "l1" or device == "cuda"
        backend = "exact" if is_exact else "cells"
    return backend, device
