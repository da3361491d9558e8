"""Stage files: written whole or not at all, and read with an error that names the file."""

import csv
import errno
import hashlib
import json
import math
import mmap
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

_BLOCK = 2**20  # bytes
_MAX_HEADER = 1000  # characters; that of a matrix takes about 100
_REMEDY = "delete it and run again to have it made anew"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, which becomes `path` when the block ends well.

    What was written is on the disk before it gets its name, so that a power loss leaves the old file or the new one.

    Raises
    ------
    OSError
        If the disk is full, or what else the system says.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, target)
        with suppress(OSError):  # some network file systems have no such thing for folders
            _sync(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(f"no room left on the disk to write {target}; make room and run again") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def checked_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An `atomic_path` for formats that hold no checksum: the file's CRC-32 goes into a hidden file beside it."""
    with atomic_path(path) as temporary:
        yield temporary
        _checksum_file(path).write_text(_crc32(temporary))  # a power loss may leave it empty


def verify(path: str | os.PathLike[str]) -> None:
    """Raise ValueError if a file is not what `checked_path` was given; without a checksum it passes."""
    checksum = _checksum_file(path)
    if checksum.exists() and checksum.read_bytes() not in (b"", _crc32(path).encode()):
        raise ValueError(f"{path} is damaged (its checksum is not that in {checksum.name}); {_REMEDY}")


def sha256(path: str | os.PathLike[str]) -> str:
    """A file's SHA-256 in hexadecimal, read block by block."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum_file(path: str | os.PathLike[str]) -> Path:
    return Path(path).with_name(f".{Path(path).name}.crc32")


def _crc32(path: str | os.PathLike[str]) -> str:
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}\n"


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong in the block, which reads `path`, into a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is damaged ({reason}); {_REMEDY}") from error


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
    with whole(path), zipfile.ZipFile(path) as archive:
        refuse_inflated(archive)
        arrays = []
        for name in names:
            with archive.open(f"{name}.npy") as file:
                arrays.append(_read_array(file, archive.getinfo(f"{name}.npy").file_size))
    return tuple(arrays)


def map_arrays(path: str | os.PathLike[str], *names: str) -> tuple[np.ndarray, ...]:
    """The named arrays of a .npz file, read-only and mapped into memory: they take none but where they are looked at.

    Raises
    ------
    ValueError
        As `load_arrays`.
    """
    with whole(path), zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        refuse_inflated(archive)
        arrays = []
        for name in names:
            entry = archive.getinfo(f"{name}.npy")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} is compressed")
            with archive.open(entry) as content:
                while content.read(_BLOCK):  # its end compares the checksum
                    pass
            file.seek(entry.header_offset + 26)  # of the lengths of the name and of what else precedes the content
            start = entry.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
            file.seek(start)
            arrays.append(_map_array(file, start + entry.file_size))
    return tuple(arrays)


def map_array(path: str | os.PathLike[str], *, mode: Literal["r", "c"] = "r") -> np.ndarray:
    """The array of a .npy file, mapped into memory; raises ValueError if the file is damaged.

    Read-only, or ("c") with what is written to it kept in memory: to compiled code, that is an array like any other.
    """
    verify(path)
    with whole(path), open(path, "rb") as file:
        return _map_array(file, os.path.getsize(path), mode)


def _map_array(file: IO[bytes], end: int, mode: Literal["r", "c"] = "r") -> np.ndarray:
    shape, fortran_order, dtype = check_npy_header(file, end)
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, mode=mode, offset=file.tell(), shape=shape, order="F" if fortran_order else "C")


def release(array: np.ndarray) -> None:
    """Let go of the memory that a mapped file takes in this process; whoever reads the array again gets it back."""
    if isinstance(array, np.memmap) and array.mode == "r" and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def refuse_inflated(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if an archive claims to hold more bytes than it has; ours are not compressed."""
    claimed, size = sum(entry.file_size for entry in archive.infolist()), os.path.getsize(str(archive.filename))
    if claimed > size:
        raise ValueError(f"{claimed} bytes in a file of {size}")


def save_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write one array to a .npy file."""
    with checked_path(path) as temporary, open(temporary, "w+b") as file:  # to "wb", numpy hides why writing failed
        np.save(file, array, allow_pickle=False)


def save_blocks(path: str | os.PathLike[str], blocks: Iterable[np.ndarray], *, shape: tuple[int, ...]) -> None:
    """Write the rows of an array of that shape, which come in blocks, one at least, to a .npy file as `save_array`."""
    with checked_path(path) as temporary, open(temporary, "wb") as file:
        for block in blocks:
            if not file.tell():
                _write_header(file, shape, block.dtype)
            file.write(np.ascontiguousarray(block).data)
            del block  # before the next one is made


def save_blocks_of_arrays(
    path: str | os.PathLike[str], blocks: Iterable[Mapping[str, np.ndarray]], **arrays: np.ndarray
) -> None:
    """Write whole arrays and then some whose rows come in blocks to a .npz file, as `save_arrays` would.

    Until all blocks are there, their rows wait in nameless files beside it.
    """
    with atomic_path(path) as temporary, ExitStack() as stack:
        waiting: dict[str, tuple[IO[bytes], tuple[int, ...], np.dtype]] = {}
        for block in blocks:
            for name, rows in block.items():
                if name not in waiting:
                    place = stack.enter_context(tempfile.TemporaryFile(dir=temporary.parent))
                    waiting[name] = place, (0, *rows.shape[1:]), rows.dtype
                file, shape, dtype = waiting[name]
                file.write(np.ascontiguousarray(rows).data)
                waiting[name] = file, (shape[0] + len(rows), *shape[1:]), dtype
            del block, rows  # before the next ones are made
        with open(temporary, "wb") as target, zipfile.ZipFile(target, "w", allowZip64=True) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
            for name, (file, shape, dtype) in waiting.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    _write_header(entry, shape, dtype)
                    file.seek(0)
                    shutil.copyfileobj(file, entry, _BLOCK)


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    header = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(dtype)}
    np.lib.format.write_array_header_1_0(file, header)


def load_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one array from a .npy file; raises ValueError if the file is damaged."""
    verify(path)
    with whole(path), open(path, "rb") as file:
        return _read_array(file, os.path.getsize(path))


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
    check_npy_header(file, size)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def check_npy_header(file: IO[bytes], end: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read what comes before an array that ends at that byte of a file: its shape, whether in Fortran order, its type.

    Raises
    ------
    ValueError
        If it claims to be of another size, before it takes memory.
    """
    version = np.lib.format.read_magic(file)
    try:
        read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[version[0]]
        shape, fortran_order, dtype = read_header(file, max_header_size=_MAX_HEADER)
        fits = min(shape, default=0) >= 0 and math.prod(shape) * dtype.itemsize == end - file.tell()
    except Exception as error:  # numpy lets Python's parser read the header, which fails in many ways
        raise ValueError(f"its header cannot be read: {type(error).__name__}") from error
    if dtype.hasobject or not fits:
        raise ValueError(f"its {end} bytes are not what its header says: {dtype} of shape {shape}")
    return shape, fortran_order, dtype


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8."""
    with checked_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an object from a JSON file; raises ValueError if the file is damaged."""
    verify(path)
    with whole(path):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
    return content


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV with a header; None becomes n/a."""
    with checked_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "n/a" if value is None else value for key, value in row.items()} for row in rows)


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str | None]]:
    """Read the rows of a CSV that `write_csv` wrote, as text; n/a becomes None. Raises ValueError if it is damaged."""
    verify(path)
    with whole(path), open(path, encoding="utf-8", newline="") as file:
        return [
            {key: None if value == "n/a" else value for key, value in row.items()}
            for row in csv.DictReader(file, strict=True)
        ]
