"""The published data sets: one archive, downloaded once and unpacked beside what the user has."""

import gzip
import logging
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from cdp.dataset import check_features
from cdp.files import atomic_path

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_log = logging.getLogger(__name__)


def fetch_data(
    url: str,
    *,
    folder: str | os.PathLike[str] = "data",
    dims: Mapping[str, int | None] | None = None,
    retries: int = 3,
    timeout: float = 60.0,
) -> dict[str, int]:
    """Download the archive of data sets, unpack what is not there yet, and check it.

    May be stopped at any time, even killed: the next call goes on where this one was.

    Parameters
    ----------
    url : str
        Google Drive or any other http address of a ``.tar.gz`` with ``data/labeled`` and ``data/unlabeled``.
    folder : path
        What the archive calls ``data``; the archive is kept in it as ``data.tar.gz``.
    dims : mapping of data set to int, optional
        Columns of the feature files of the data sets to check.
    retries, timeout : int, float
        How often a broken transfer is taken up again in this call, and after how many silent seconds it counts as such.

    Returns
    -------
    dict
        Size in bytes of every file of the archive, by its path.

    Raises
    ------
    ValueError
        If the archive cannot be had, is damaged or unsafe, or its files do not agree with each other.
    """
    archive = Path(folder, "data.tar.gz")
    download(url, archive=archive, retries=retries, timeout=timeout)
    files = list_archive(archive)
    others = unpack(archive, files=files, folder=folder)
    for path in others:
        _log.warning("%s is not the archive's and stays as it is; remove it and run again to have the archive's", path)
    _check(files, archive=archive, folder=Path(folder), dims=dims or {}, others=others)
    _log.info("%s: its %d files are all there; you may remove it", archive, len(files))
    return {Path(folder, name).as_posix(): size for name, size in files.items()}


def download(url: str, *, archive: str | os.PathLike[str], retries: int = 3, timeout: float = 60.0) -> None:
    """Download an archive unless it is there; a partial download (``archive*.part``) goes on where it stopped.

    Raises
    ------
    ValueError
        If there is no connection, the transfer breaks, or what arrives is no gzip file.
    """
    import gdown

    archive = Path(archive)
    if archive.exists():
        _log.info("%s is there and not downloaded again", archive)
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    for part in _parts(archive):
        if not _first_bytes(part).startswith(_GZIP):
            part.unlink()
    quiet = not sys.stderr.isatty()
    try:
        gdown.download(url, output=str(archive), quiet=quiet, resume=True, retries=retries, timeout=timeout)
    except (gdown.exceptions.DownloadError, OSError) as error:
        again = "run again to go on"
        if "byte range" in str(error):  # the server cannot continue, or has another file by now
            again = f"remove {' and '.join(map(str, _parts(archive)))} and run again to start over"
        raise ValueError(f"cannot download {url}: {_reason(error)}; {again}, {_by_hand(archive)}") from error
    start = _first_bytes(archive)
    if not start.startswith(_GZIP):
        archive.unlink()
        what = "a web page" if start.lstrip().startswith(b"<") else "something else"
        raise ValueError(
            f"{url} gives {what} instead of a .tar.gz archive (Google Drive does when too many have asked for it); "
            f"run again later, {_by_hand(archive)}"
        )


def list_archive(archive: str | os.PathLike[str]) -> dict[str, int]:
    """Read an archive to its end and list its files.

    Returns
    -------
    dict
        Size in bytes of every file in ``data/labeled`` and ``data/unlabeled``, by its path below ``data/``.

    Raises
    ------
    ValueError
        If the archive is damaged or incomplete, holds no data set, or holds links or paths that lead elsewhere.
    """
    files: dict[str, int] = {}
    with _opened(archive) as (stream, members):
        for member in members:
            name = _safe_name(member, archive)
            if name is not None:
                if name in files:
                    raise _unsafe(archive, member, "there twice")
                files[name] = member.size
        while stream.read(_CHUNK):  # the checksum stands at the end
            pass
    if not files:
        raise ValueError(f"{archive} holds no data set; delete it and get the published archive")
    return files


def unpack(archive: str | os.PathLike[str], *, files: Mapping[str, int], folder: str | os.PathLike[str]) -> list[Path]:
    """Unpack the files that are not there yet, each under a temporary name until it is whole.

    Parameters
    ----------
    archive : path
    files : mapping of path to size
        As `list_archive` gives them.
    folder : path
        Where to unpack ``data/``.

    Returns
    -------
    list of Path
        What stood there before and has not the size that the archive says; it is left as it was.
    """
    missing = {name for name in files if not os.path.lexists(Path(folder, name))}
    if missing:
        _log.info(
            "unpacking %d files of %s (%.1f MB)", len(missing), archive, sum(files[name] for name in missing) / 1e6
        )
        with _opened(archive) as (_, members):
            for member in members:
                name, content = _safe_name(member, archive), members.extractfile(member)
                if content and name in missing:
                    _write(content, member.size, Path(folder, name))
    return [path for name, size in files.items() if not _has_size(path := Path(folder, name), size)]


def _write(content: IO[bytes], size: int, target: Path) -> None:
    try:
        with atomic_path(target) as temporary:
            with open(temporary, "wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
            if not _has_size(temporary, size):
                raise ValueError(f"{target} could not be unpacked whole; run again")
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise ValueError(
            f"cannot write {target} ({error.strerror or error}); put that right and run again to go on"
        ) from error


def _check(
    files: Mapping[str, int], *, archive: Path, folder: Path, dims: Mapping[str, int | None], others: list[Path]
) -> None:
    """Check the unpacked features of the data sets in `dims`."""
    references: dict[Path, Path] = {}
    for path in (folder / name for name in sorted(files)):
        root = path.parent.parent
        if path.suffix != ".bin" or path.parent.name != "features" or root.name not in dims:
            continue
        reference = references.setdefault(root, path)
        lines = {"list_path": root / "list.txt", "labels_path": root / "meta.txt"}
        try:
            check_features(path, dim=dims[root.name], reference=reference, reference_dim=dims[root.name], **lines)
        except ValueError as error:
            suspects = " and ".join(str(other) for other in others if root in other.parents)
            hint = f"; {suspects} is not the archive's: remove it and run again" if suspects else f" (as in {archive})"
            raise ValueError(f"{error}{hint}") from error


@contextmanager
def _opened(archive: str | os.PathLike[str]) -> Iterator[tuple[gzip.GzipFile, tarfile.TarFile]]:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as members:
            yield stream, members
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise ValueError(
            f"{archive} is damaged or incomplete ({error}); delete it and run again to have it downloaded anew"
        ) from error


def _safe_name(member: tarfile.TarInfo, archive: str | os.PathLike[str]) -> str | None:
    """A file's path below data/; None for what belongs to no data set; what could do harm is an error."""
    path = PurePosixPath(member.name)
    if not (member.isfile() or member.isdir()):
        raise _unsafe(archive, member, "no plain file")
    if path.is_absolute() or ".." in path.parts:
        raise _unsafe(archive, member, "outside of its folder")
    if not member.name.isprintable():
        raise _unsafe(archive, member, "no printable name")
    in_data_set = len(path.parts) > 3 and path.parts[:2] in (("data", "labeled"), ("data", "unlabeled"))
    return "/".join(path.parts[1:]) if member.isfile() and in_data_set else None


def _unsafe(archive: str | os.PathLike[str], member: tarfile.TarInfo, why: str) -> ValueError:
    return ValueError(
        f"{archive} holds {member.name!r}, which is {why}, so nothing was unpacked; delete it and get the published one"
    )


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    import gdown
    import requests.exceptions as http

    for cause in (error, error.__cause__):
        if isinstance(cause, http.HTTPError) and cause.response is not None:
            return f"the server answers {cause.response.status_code} {cause.response.reason}"
        if isinstance(cause, http.ConnectionError | http.Timeout):
            return f"no connection to the server ({type(cause).__name__})"
    if isinstance(error, gdown.exceptions.FileURLRetrievalError):
        return "Google Drive gives no link to the file (too many have asked for it, or it is not public)"
    return " ".join(str(error).partition(".\n")[0].split())


def _by_hand(archive: Path) -> str:
    return f"or download it by hand to {archive} and run again"


def _parts(archive: Path) -> list[Path]:
    """Partial downloads, under the names that gdown gives them."""
    return sorted(archive.parent.glob(f"{archive.name}????????.part"))


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(64)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
