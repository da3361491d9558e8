"""What `auto` stands for, as backend and as device."""

from cdp.devices import choose_device
from cdp.knn.products import TILES

_FEW = 30_000 if TILES else 10_000  # samples, of which exact search on the CPU takes the least time
_EXACT_ON_GPU = 100_000  # samples, of which exact search takes a CPU no longer than loading CUDA takes
_GPU_FOR_CELLS = 200_000, 5_000_000  # between these, exact search on a GPU takes about as long as cells on few CPUs


def choose(backend: str, device: str, *, n_samples: int, metric: str, recall: float | None) -> tuple[str, str]:
    """The backend and the device of a search.

    Parameters
    ----------
    backend : {"auto", "exact", "cells", "faiss", "nmslib"}
        "auto": exact for few samples, a recall of 1, l1, or if the device is a GPU; else cells.
    device : {"auto", "cpu", "cuda"}
        "auto": a GPU, if torch can use one, for exact search of more than 100,000 samples; where cells would do as
        well, of more than 200,000, up to 5 million. All else is on the CPU, as is l1 always.
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
        For an unknown device, or "cuda" where torch finds no usable GPU (of l1, too).
    """
    is_exact = backend == "exact" or (backend == "auto" and (n_samples <= _FEW or recall == 1 or metric == "l1"))
    least, most = (_EXACT_ON_GPU, n_samples) if is_exact else _GPU_FOR_CELLS
    gpu_pays = backend in ("auto", "exact") and metric != "l1" and least < n_samples <= most
    if device != "auto" or gpu_pays:
        device = choose_device(device)
    if device == "auto" or metric == "l1":
        device = "cpu"
    if backend == "auto":
        backend = "exact" if is_exact or device == "cuda" else "cells"
    return backend, device
