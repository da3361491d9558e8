"""Contact sheets: clusters as pictures, in pages that a browser opens from disk without a server.

index.html (from contact_sheets.html) reads DATA/clusters.js at once and the rest when it is looked at: DATA/N.js with
the samples of some clusters, DATA/N.webp with their pictures in one sheet, DATA/names.js to search in.
"""

import html
import io
import json
import logging
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from cdp.confidence import Confidence
from cdp.evidence import Cuts, NearMerges, Ties
from cdp.files import atomic_path
from cdp.images import ImageArchive, ImageFolder
from cdp.threads import usable_threads

TEMPLATE = Path(__file__).with_name("contact_sheets.html")

_log = logging.getLogger(__name__)
_SIDE = 64  # pixels of a picture in a sheet
_COLUMNS = 20  # pictures in a row of a sheet
_CHUNK = 400  # pictures that a sheet holds before the next begins
_MOST = 1000  # pictures of one cluster: the first in the order in which they are shown
_PIXELS = 2**26  # of an image; what has more is none
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
_QUALITY = 80


def write_contact_sheets(
    index: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    title: str,
    names: Sequence[str],
    images: ImageFolder | ImageArchive,
    clusters: np.ndarray,
    confidence: Confidence,
    cuts: Cuts,
    ties: Ties,
    merges: NearMerges,
    max_size: int,
    labels: np.ndarray | None = None,
    threads: int | None = None,
) -> int:
    """Write the page and its data.

    Parameters
    ----------
    index : path
        Of the page.
    data : path
        A folder beside it, new or empty.
    title : str
    names : sequence of str
        The samples', by which their images are found.
    images : ImageFolder or ImageArchive
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples, which are not shown.
    confidence, cuts, ties, merges
        Of these clusters; see `confidence`, `weakest_cuts`, `strongest_ties`, `near_merges`.
    max_size : int
        Clusters that are larger are marked.
    labels : ndarray of shape (n_samples,), integer, optional
        Identities; samples that are not of the most frequent one of their cluster are marked as wrong.
    threads : int, optional

    Returns
    -------
    int
        Samples without an image that can be read, shown as blanks.
    """
    data = Path(data)
    data.mkdir(parents=True, exist_ok=True)
    members = _members(clusters, confidence.samples, cuts.in_part)
    sizes = np.array([len(of_cluster) for of_cluster in members], np.int64)
    wrong = None if labels is None else _wrong(clusters, labels)
    chunks = _chunks(sizes)
    facts: dict[str, Any] = {
        "title": title,
        "discarded": int((clusters < 0).sum()),
        "maxSize": max_size,
        "pictures": {"side": _SIDE, "columns": _COLUMNS, "most": _MOST},
        "size": sizes.tolist(),
        "part": np.bincount(clusters[cuts.in_part], minlength=len(members)).tolist(),
        "cut": _rounded(cuts.scores),
        "between": cuts.counts.tolist(),
        "confidence": _rounded(confidence.clusters),
        "doubtful": [c for c in np.lexsort((-sizes, confidence.clusters)).tolist() if sizes[c] > 1],
        "wrong": None if wrong is None else np.bincount(clusters[wrong], minlength=len(members)).tolist(),
        "chunk": np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks]).tolist(),
        "merges": _merge_rows(merges, names, labels, clusters),
    }
    _write_call(data / "clusters.js", "start", facts)
    _write_call(data / "names.js", "search", "\n".join(names[sample] for group in members for sample in group))

    def write_chunk(number: int) -> int:
        shown = [members[cluster][:_MOST] for cluster in chunks[number]]
        columns = [_sample_columns(group, names, confidence, ties, labels, wrong) for group in shown]
        _write_call(data / f"{number}.js", "chunk", number, dict(zip(chunks[number], columns, strict=True)))
        return _write_sheet(data / f"{number}.webp", [names[sample] for group in shown for sample in group], images)

    with ThreadPoolExecutor(usable_threads(threads)) as pool:
        blanks = sum(pool.map(write_chunk, range(len(chunks))))
    _write(index, _page(title, data.name))
    return blanks


def _members(clusters: np.ndarray, confidence: np.ndarray, in_part: np.ndarray) -> list[list[int]]:
    """Samples of each cluster, those of the part that hangs on weakly first, then the doubtful ones."""
    clustered = np.flatnonzero(clusters >= 0)
    order = clustered[np.lexsort((confidence[clustered], ~in_part[clustered], clusters[clustered]))]
    return [group.tolist() for group in np.split(order, np.cumsum(np.bincount(clusters[clustered]))[:-1])]


def _wrong(clusters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each sample is of another identity than most of its cluster (the lowest, if two are as frequent)."""
    clustered = clusters >= 0
    pairs, counts = np.unique(np.stack([clusters, labels])[:, clustered], axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], counts, pairs[0]))  # of one cluster's, the last that is written is the most frequent
    main = np.zeros(clusters.max() + 1, labels.dtype)
    main[pairs[0, order]] = pairs[1, order]
    return clustered & (labels != main[clusters])


def _chunks(sizes: np.ndarray) -> list[list[int]]:
    """Clusters, in order, that share a sheet."""
    chunks: list[list[int]] = []
    held = _CHUNK
    for cluster, size in enumerate(np.minimum(sizes, _MOST).tolist()):
        if held + size > _CHUNK or not chunks:
            chunks.append([])
            held = 0
        chunks[-1].append(cluster)
        held += size
    return chunks


def _sample_columns(
    samples: Sequence[int],
    names: Sequence[str],
    confidence: Confidence,
    ties: Ties,
    labels: np.ndarray | None,
    wrong: np.ndarray | None,
) -> dict[str, Any]:
    return {
        "name": [names[sample] for sample in samples],
        "confidence": _rounded(confidence.samples[samples]),
        "inside": _rounded(ties.inside[samples]),
        "outside": _rounded(ties.outside[samples]),
        "other": ties.other[samples].tolist(),
        "label": None if labels is None else labels[samples].tolist(),
        "wrong": None if wrong is None else wrong[samples].astype(int).tolist(),
    }


def _merge_rows(
    merges: NearMerges, names: Sequence[str], labels: np.ndarray | None, clusters: np.ndarray
) -> list[list[Any]]:
    """Both clusters, the score, both samples' names, the number of pairs, whether the samples are of one identity."""
    rows = []
    for ends, samples, score, count in zip(
        merges.clusters.tolist(), merges.samples.tolist(), _rounded(merges.scores), merges.counts.tolist(), strict=True
    ):
        same = None if labels is None else bool(labels[samples[0]] == labels[samples[1]])
        rows.append([*ends, score, names[samples[0]], names[samples[1]], count, same])
    return rows


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if value != value else round(value, 5) for value in values.tolist()]


def _write_call(path: Path, function: str, *arguments: Any) -> None:
    """Write a script that hands data to the page: pages from disk may load scripts, but no other files of text."""
    text = ",".join(json.dumps(argument, separators=(",", ":")) for argument in arguments)
    _write(path, f"sheets.{function}({text});\n")


def _write(path: str | os.PathLike[str], text: str) -> None:
    """Without the checksum that stage files have, since these are to be sent and copied."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_sheet(path: Path, names: Sequence[str], images: ImageFolder | ImageArchive) -> int:
    """Write the pictures of samples, row by row, as one; gives the number of blanks."""
    from PIL import Image

    rows = -(-len(names) // _COLUMNS)
    sheet = Image.new("RGB", (_SIDE * min(_COLUMNS, len(names)), _SIDE * rows), "#e4e4e4")
    blanks = 0
    for number, name in enumerate(names):
        picture = _picture(name, images)
        if picture is None:
            blanks += 1
        else:
            left = number % _COLUMNS * _SIDE + (_SIDE - picture.width) // 2
            top = number // _COLUMNS * _SIDE + (_SIDE - picture.height) // 2
            sheet.paste(picture, (left, top), picture)
    with atomic_path(path) as temporary:
        sheet.save(temporary, "WEBP", quality=_QUALITY, method=2)
    return blanks


def _picture(name: str, images: ImageFolder | ImageArchive) -> Any:
    """A sample's image, scaled to fit its place; None if there is none that can be read."""
    from PIL import Image, ImageOps

    found = images.find(name)
    if found is None:
        return None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(images.read(found)), formats=_FORMATS) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if image.width * image.height > _PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels")
            image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            return ImageOps.contain(ImageOps.exif_transpose(image).convert("RGBA"), (_SIDE, _SIDE))
    except Exception as error:  # Pillow raises many kinds for damaged files
        _log.info("%r cannot be shown: %s", name, error)
        return None


def _page(title: str, data: str) -> str:
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.replace("{{title}}", html.escape(title)).replace("{{data}}", html.escape(data))
