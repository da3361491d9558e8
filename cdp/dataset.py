"""What users bring for a data set: features, labels and sample list, checked where they enter."""

import os
import re
from pathlib import Path

import numpy as np

from cdp.features import check_rows, load_features

_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]{1,19}[ \t]*\r?")


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
    number = next((i for i, line in enumerate(lines) if not _is_int64(line)), None)
    if number is not None:
        raise ValueError(
            f"{path}: line {number + 1} is {lines[number][:40]!r}, not an integer; write one integer a line"
        )
    labels = np.fromiter(map(int, lines), np.int64, len(lines))
    if n_samples is not None and len(labels) != n_samples:
        raise ValueError(f"{path} has {len(labels)} lines for {n_samples} samples; write one integer a sample")
    return labels


def format_labels(labels: np.ndarray) -> str:
    """The text of a label file: one integer a line."""
    return "".join(f"{label}\n" for label in labels.tolist())


def check_features(
    path: str | os.PathLike[str],
    *,
    dim: int | None = None,
    reference: str | os.PathLike[str] | None = None,
    reference_dim: int | None = None,
    list_path: str | os.PathLike[str] | None = None,
    labels_path: str | os.PathLike[str] | None = None,
) -> dict[str, int]:
    """Check that a model's features are sound and agree with the other files of their data set.

    Parameters
    ----------
    path : path
        The feature file.
    dim : int, optional
        Its columns (see `load_features`).
    reference, reference_dim : path and int, optional
        Another model's features, which must have as many rows, and their columns.
    list_path, labels_path : path, optional
        ``list.txt`` and ``meta.txt``; left out where there is no such file.

    Returns
    -------
    dict
        ``samples`` and ``dim``.

    Raises
    ------
    ValueError
        At the first fault, naming the file, what is wrong and what to do.
    """
    features = load_features(path, dim=dim)
    if reference is not None:
        others = len(load_features(reference, dim=reference_dim))
        if others != len(features):
            raise ValueError(
                f"{path} has {len(features)} samples but {reference} has {others}; "
                "all models of a data set must embed the same samples"
            )
    if list_path is not None and os.path.exists(list_path):
        lines = len(_read_lines(list_path))
        if lines == 0:
            raise ValueError(f"{list_path} is empty; write one line a sample, or remove it (it is optional)")
        if lines != len(features):
            raise ValueError(f"{list_path} has {lines} lines for {len(features)} samples; write one line a sample")
    if labels_path is not None and os.path.exists(labels_path):
        read_labels(labels_path, n_samples=len(features))
    check_rows(features, name=path)
    return {"samples": len(features), "dim": features.shape[1]}


def _read_lines(path: str | os.PathLike[str]) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    return text.removesuffix("\n").split("\n") if text else []


def _is_int64(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
