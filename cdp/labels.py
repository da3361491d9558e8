"""Label files: one integer a line, in the order of the samples."""

import os
import re
from pathlib import Path

import numpy as np

from cdp.files import verify

_PLAIN_LINES = re.compile(r"(?:-?[0-9]{1,18}\n)*+")  # as they mostly are, told for all at once
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
    lines = read_lines(path)
    if not _PLAIN_LINES.fullmatch("\n".join([*lines, ""])):
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
    return "\n".join([*map(str, labels.tolist()), ""])


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 text file; raises ValueError if it is none, or damaged."""
    verify(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    return text.removesuffix("\n").split("\n") if text else []


def _is_int64(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
