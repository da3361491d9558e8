"""Where the images of samples lie: in a folder, or in a .zip of which just the samples' members are read."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIXES = ("", ".webp", ".png", ".jpg", ".jpeg", ".gif", ".bmp")  # that a sample's name may lack
MAX_BYTES = 2**26  # of an image; what is larger is none


class ImageFolder:
    """Images whose paths are absolute or relative to a folder."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.root = os.path.abspath(folder)

    def find(self, name: str) -> str | None:
        """The absolute path of a sample's file, with the suffix that its name may lack; None if there is none."""
        paths = (os.path.join(self.root, name + suffix) for suffix in SUFFIXES)
        return next((path for path in paths if os.path.isfile(path)), None)

    def read(self, found: str) -> bytes:
        if os.path.getsize(found) > MAX_BYTES:
            raise ValueError(f"{found} is larger than {MAX_BYTES >> 20} MiB, too large for an image")
        return Path(found).read_bytes()

    def copy(self, found: str, target: str) -> None:
        shutil.copyfile(found, target)


class ImageArchive:
    """Images that are members of a .zip; nothing is unpacked under a name of its own."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        self.members = {info.filename: info for info in archive.infolist() if not info.is_dir()}

    def find(self, name: str) -> str | None:
        """The name of a sample's member, with the suffix that the sample's may lack; None if there is none."""
        return next((name + suffix for suffix in SUFFIXES if name + suffix in self.members), None)

    def read(self, found: str) -> bytes:
        member = self.members[found]
        if member.file_size > MAX_BYTES:
            raise ValueError(
                f"{self.archive.filename}: {found!r} is larger than {MAX_BYTES >> 20} MiB, too large for an image"
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack more than is read
            raise ValueError(f"{self.archive.filename}: {found!r} is not packed by deflate; pack it anew")
        try:
            return self.archive.read(member)
        except Exception as error:  # of a damaged archive, zipfile lets many through
            raise ValueError(f"{self.archive.filename}: {found!r} cannot be read ({error}); pack it anew") from error

    def copy(self, found: str, target: str) -> None:
        Path(target).write_bytes(self.read(found))


@contextmanager
def open_images(source: str | os.PathLike[str]) -> Iterator[ImageFolder | ImageArchive]:
    """Open a folder or a .zip of images.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if os.path.isdir(source):
        yield ImageFolder(source)
        return
    if not os.path.exists(source):
        raise ValueError(f"{source} is missing; name the folder or the .zip in which the samples' images are")
    try:
        archive = zipfile.ZipFile(source)
    except Exception as error:  # see above
        raise ValueError(f"{source} is neither a folder nor a sound .zip ({error})") from error
    with archive:
        yield ImageArchive(archive)
