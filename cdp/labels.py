"""Label files: one integer a line, in the order of the samples."""

import os
import re
from pathlib import Path

import numpy as np

from cdp.files import verify

_BLOCK = 2**16  # labels formatted at a time
_PLAIN_LINES = re.compile(r"(?:-?[0-9]{1,18}\n)*+(?:-?[0-9]{1,18})?")  # as they mostly are, told for all at once
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
    text = _read_text(path)
    if _PLAIN_LINES.fullmatch(text):
        labels = np.fromstring(text, np.int64, sep="\n") if text else np.empty(0, np.int64)
    else:
        lines = text.removesuffix("\n").split("\n")
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
    blocks = (labels[start : start + _BLOCK].tolist() for start in range(0, len(labels), _BLOCK))
    return "".join("\n".join([*map(str, block), ""]) for block in blocks)


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 text file; raises ValueError if it is none, or damaged."""
    text = _read_text(path)
    return text.removesuffix("\n").split("\n") if text else []


def count_lines(path: str | os.PathLike[str]) -> int:
    """The number of lines that `read_lines` would give, without holding them; raises ValueError as it does."""
    verify(path)
    try:
        with open(path, encoding="utf-8") as file:
            return sum(1 for _ in file)
    except UnicodeDecodeError:
        return len(read_lines(path))  # which says where


def _read_text(path: str | os.PathLike[str]) -> str:
    verify(path)
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def _is_int64(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
