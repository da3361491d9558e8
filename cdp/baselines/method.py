"""A baseline by the name of its method, with what it works on read from files."""

import importlib
import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from cdp.features import load_features
from cdp.files import load_arrays
from cdp.neighbors import Neighbors


def method_on_files(
    name: str,
    *,
    features: Sequence[str | os.PathLike[str]],
    neighbors: Sequence[str | os.PathLike[str]],
    dim: int | None = None,
) -> Callable[..., np.ndarray]:
    """The function of that name in the module of that name, which is left to be given its parameters.

    Parameters
    ----------
    name : str
        A module of `cdp.baselines`.
    features, neighbors : sequence of none or one path
        See `cdp.features.load_features`; an .npz with ``idx`` and ``dist``.
    dim : int, optional
        Columns of raw features.
    """
    inputs = [load_features(path, dim=dim) for path in features]
    graphs = []
    for path in neighbors:
        idx, dist = load_arrays(path, "idx", "dist")
        graphs.append(Neighbors(idx, dist))
    return partial(getattr(importlib.import_module(f"cdp.baselines.{name}"), name), *inputs, *graphs)
