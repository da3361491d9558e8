"""What users bring for a data set: features, labels and sample list, checked where they enter."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cdp.features import check_rows, load_features


def read_labels(path: str | os.PathLike[str], *, n_samples: int | None = None) -> np.ndarray:
    """Read a label file: one integer a line.

    Returns
    -------
    ndarray of shape (n_samples,), int64

    Raises
    ------
    ValueError
        If a line is no integer, or their number is not `n_samples`.
    """
    lines = _read_lines(path)
    try:
        labels = np.fromiter(map(int, lines), np.int64, len(lines))
    except (ValueError, OverflowError):
        number = next(i for i, line in enumerate(lines) if not _is_int64(line))
        raise ValueError(
            f"{path}: line {number + 1} is {lines[number][:40]!r}, not an integer; write one integer a line"
        ) from None
    if n_samples is not None and len(labels) != n_samples:
        raise ValueError(f"{path} has {len(labels)} lines for {n_samples} samples; write one integer a sample")
    return labels


def format_labels(labels: np.ndarray) -> str:
    """The text of a label file: one integer a line."""
    return "".join(f"{label}\n" for label in labels.tolist())


def check_dataset(
    features: Mapping[str, str | os.PathLike[str]],
    *,
    dim: int | None = None,
    list_path: str | os.PathLike[str] | None = None,
    labels_path: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Check that a data set's files are sound and agree with each other.

    Parameters
    ----------
    features : mapping of model name to feature file
    dim : int, optional
        Columns of the feature files (see `load_features`).
    list_path, labels_path : path, optional
        ``list.txt`` and ``meta.txt``.

    Returns
    -------
    dict
        ``samples``, ``dim`` (a model), ``identities`` (None without labels).

    Raises
    ------
    ValueError
        At the first fault, naming the file, what is wrong and what to do.
    """
    arrays = {model: load_features(path, dim=dim) for model, path in features.items()}
    counts = {str(features[model]): len(array) for model, array in arrays.items()}
    if list_path is not None:
        lines = len(_read_lines(list_path))
        if lines == 0:
            raise ValueError(f"{list_path} is empty; write one line a sample, or remove it (it is optional)")
        counts = {str(list_path): lines} | counts
    first, *others = counts
    for other in others:
        if counts[other] != counts[first]:
            raise ValueError(
                f"{other} has {counts[other]} samples but {first} has {counts[first]}; "
                "all files of a data set must list the same samples"
            )
    samples = counts[first]
    identities = None
    if labels_path is not None:
        identities = len(np.unique(read_labels(labels_path, n_samples=samples)))
    for model, array in arrays.items():
        check_rows(array, name=features[model])
    return {
        "samples": samples,
        "identities": identities,
        "dim": {model: array.shape[1] for model, array in arrays.items()},
    }


def _read_lines(path: str | os.PathLike[str]) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    return text.removesuffix("\n").split("\n") if text else []


def _is_int64(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
