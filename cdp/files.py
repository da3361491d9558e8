"""Stage files: written whole or not at all, and read with an error that names the file."""

import csv
import itertools
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, which becomes `path` when the block ends well."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong in the block, which reads `path`, into a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); delete it and run again to have it made anew") from error


def save_arrays(path: str | os.PathLike[str], **arrays: np.ndarray) -> None:
    """Write named arrays to an uncompressed .npz file."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_arrays(path: str | os.PathLike[str], *names: str) -> tuple[np.ndarray, ...]:
    """Read the named arrays of a .npz file.

    Raises
    ------
    ValueError
        If the file is truncated, otherwise damaged, or lacks one of the arrays.
    """
    with whole(path), zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
        return tuple(archive[name] for name in names)


def save_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write one array to a .npy file."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)


def save_blocks(path: str | os.PathLike[str], blocks: Iterable[np.ndarray], *, shape: tuple[int, int]) -> None:
    """Write the rows of an array of that shape, which come in blocks, to a .npy file."""
    blocks = iter(blocks)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        first = next(blocks)
        header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(first.dtype)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in itertools.chain([first], blocks):
            file.write(np.ascontiguousarray(block).data)


def load_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one array from a .npy file; raises ValueError if the file is damaged."""
    with whole(path), open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV with a header; None becomes n/a."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "n/a" if value is None else value for key, value in row.items()} for row in rows)


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str | None]]:
    """Read the rows of a CSV that `write_csv` wrote, as text; n/a becomes None."""
    with whole(path), open(path, encoding="utf-8", newline="") as file:
        return [
            {key: None if value == "n/a" else value for key, value in row.items()}
            for row in csv.DictReader(file, strict=True)
        ]
