"""Put the files of samples into a folder a cluster: python -m cdp.export_folders RESULT DESTINATION [options]."""

import argparse
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cdp.export import read_clusters_csv
from cdp.images import ImageFolder, open_images

_LONGEST = 255  # bytes of a file's name


def export_folders(
    names: Sequence[str],
    clusters: np.ndarray,
    destination: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] = ".",
    mode: str = "link",
) -> list[str]:
    """Make a folder a cluster (``discarded`` for -1) with links to, or copies of, the samples' files.

    A file keeps the last part of its path as its name; where a folder has that name already (but for case),
    ``~2``, ``~3`` and so on is put before its suffix. The destination appears whole or not at all.

    Parameters
    ----------
    names : sequence of str
        The samples' paths: absolute, relative to a source folder, or members of a source .zip.
    clusters : ndarray of shape (n_samples,), integer
    destination : path
        A folder that does not exist yet.
    source : path
        A folder or a .zip.
    mode : {"link", "copy"}
        Links are symbolic, to absolute paths.

    Returns
    -------
    list of str
        Names of samples that have no file, and are left out.

    Raises
    ------
    ValueError
        If the destination exists, no sample has a file, or a .zip is to be linked to.
    """
    destination = Path(os.path.abspath(destination))
    if os.path.lexists(destination):
        raise ValueError(f"{destination} exists and is left as it is; name a folder that does not exist yet")
    digits = len(str(max(int(clusters.max(initial=0)), 0)))
    missing = []
    with open_images(source) as images:
        if mode == "link" and not isinstance(images, ImageFolder):
            raise ValueError(f"the files are in {source}, to which nothing can link; give --mode copy, or unpack it")
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name[:100]}.", dir=destination.parent))
        try:
            taken: dict[str, dict[str, int]] = {}
            for name, cluster in zip(names, clusters.tolist(), strict=True):
                found = images.find(name)
                base = "" if found is None else found.rpartition("/")[2]
                if found is None or base in ("", ".", ".."):
                    missing.append(name)
                    continue
                folder = f"{cluster:0{digits}d}" if cluster >= 0 else "discarded"
                if folder not in taken:
                    taken[folder] = {}
                    (temporary / folder).mkdir()
                target = f"{temporary}/{folder}/{_free_name(base, taken[folder])}"
                if mode == "link":
                    os.symlink(found, target)
                else:
                    images.copy(found, target)
            if not taken:
                raise ValueError(
                    f"none of the {len(names)} samples has a file in {source} (the first is {names[0]!r}); "
                    "give --source the folder to which their paths are relative, or the .zip that holds them"
                )
            temporary.chmod(0o755)
            temporary.rename(destination)
        except BaseException:
            shutil.rmtree(temporary)
            raise
    return missing


def _free_name(name: str, taken: dict[str, int]) -> str:
    """The name itself, or with the first number that makes it differ from those taken; it is taken then.

    Names that a file system may hold to be the same, as they differ in case or in the form of accents, do not differ.
    """
    stem, suffix = os.path.splitext(name)
    number = taken.get(_folded(name), 0) + 1
    while _folded(free := _shortened(stem, f"~{number}{suffix}" if number > 1 else suffix)) in taken:
        number += 1
    taken[_folded(name)] = number
    taken.setdefault(_folded(free), 1)
    return free


def _shortened(stem: str, end: str) -> str:
    room = max(_LONGEST - len(end.encode()), 0)
    return stem.encode()[:room].decode(errors="ignore") + end


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cdp.export_folders", description="Files into a folder a cluster.")
    parser.add_argument("result", type=Path, metavar="RESULT", help="a folder with clusters.csv, .../szS_stepP")
    parser.add_argument("destination", type=Path, metavar="DESTINATION", help="a folder that does not exist yet")
    parser.add_argument("--mode", choices=("link", "copy"), default="link", help="symbolic links (default), or copies")
    parser.add_argument(
        "--source",
        default=".",
        help="folder to which the paths in list.txt are relative (default: this one), or .zip",
    )
    options = parser.parse_args(arguments)
    table = options.result / "clusters.csv"
    try:
        if not table.exists():
            raise ValueError(f"{table} is missing; have it made: snakemake {table}")
        names, clusters = read_clusters_csv(table)
        missing = export_folders(names, clusters, options.destination, source=options.source, mode=options.mode)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{options.destination}: files of {len(names) - len(missing):,} of {len(names):,} samples, a folder a cluster"
    )
    if missing:
        print(f"left out, without a file: {len(missing):,}, the first of them {missing[0]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
