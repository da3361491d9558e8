"""Parameters of another method, chosen by what each setting of a grid is worth on a labelled set."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cdp.budget import run_within
from cdp.metrics import describe, evaluate

_NOTHING = np.empty(0, np.int64)
_FIGURES = (*evaluate(_NOTHING, _NOTHING)["kept"], *describe(_NOTHING))


def grid_search(
    cluster: Callable[..., np.ndarray],
    grid: Mapping[str, Sequence[Any]],
    *,
    labels_true: np.ndarray,
    seconds: float,
    megabytes: int,
) -> list[dict[str, Any]]:
    """Cluster with each setting, in a process of its own, and evaluate.

    Parameters
    ----------
    cluster : callable
        Takes a setting as keywords, gives labels, -1 for discarded samples.
    grid : mapping of parameter to values
        All combinations are tried, the last parameter changing fastest.
    labels_true : integer array of shape (n_samples,)
    seconds : float
        Of wall time, for all settings together.
    megabytes : int
        Of memory, for each; see `cdp.budget.run_within`.

    Returns
    -------
    list of dict, one a setting
        Its parameters, ``outcome`` ("done", or why there are no clusters) and the figures of `cdp.evaluate` (kept form)
        and `cdp.metrics.describe`, all None where there are no clusters.
    """
    rows, end = [], time.monotonic() + seconds
    with TemporaryDirectory() as folder:
        path = Path(folder, "labels.npy")
        for values in product(*grid.values()):
            setting = dict(zip(grid, values, strict=True))
            left = max(end - time.monotonic(), 0)
            outcome = run_within(partial(_save, path, cluster, setting), seconds=left, megabytes=megabytes)
            if outcome and time.monotonic() >= end:
                outcome = f"over the {seconds:g} s for all settings"
            row = setting | {"outcome": outcome or "done"} | dict.fromkeys(_FIGURES)
            if not outcome:
                labels = np.load(path, allow_pickle=False)
                row |= evaluate(labels_true, labels)["kept"] | describe(labels)
            rows.append(row)
    return rows


def _save(path: Path, cluster: Callable[..., np.ndarray], setting: Mapping[str, Any]) -> None:
    np.save(path, cluster(**setting))
