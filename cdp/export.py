"""Clusters in the forms that other programs read: CSV, JSON lines, a list to train on."""

import csv
import json
import os
from collections.abc import Sequence

import numpy as np

from cdp.files import atomic_path
from cdp.labels import read_lines

_HEADER = ["sample", "cluster", "size", "confidence"]
_DIGITS = 4  # of a confidence


def sample_names(path: str | os.PathLike[str] | None, n_samples: int) -> list[str]:
    """The samples' names: the lines of ``list.txt``, or without one (None) the numbers of the rows, from 0.

    Raises
    ------
    ValueError
        If the file has another number of lines than `n_samples`.
    """
    if path is None:
        return [str(row) for row in range(n_samples)]
    names = read_lines(path)
    if len(names) != n_samples:
        raise ValueError(f"{path} has {len(names)} lines for {n_samples} samples; write one line a sample")
    return names


def write_clusters_csv(
    path: str | os.PathLike[str], names: Sequence[str], clusters: np.ndarray, confidence: np.ndarray
) -> None:
    """Write a line a sample, in the order of the samples, quoted as RFC 4180 says: sample, cluster, size, confidence.

    Parameters
    ----------
    path : path
    names : sequence of str
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples, whose size is 1.
    confidence : ndarray of shape (n_samples,), float
        Of each sample, in [0, 1].
    """
    sizes = np.append(_sizes(clusters), 1)[clusters]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(_HEADER)
        writer.writerows(
            zip(names, clusters.tolist(), sizes.tolist(), map(_confidence_text, confidence.tolist()), strict=True)
        )


def read_clusters_csv(path: str | os.PathLike[str]) -> tuple[list[str], np.ndarray]:
    """The samples' names and clusters as `write_clusters_csv` wrote them.

    Raises
    ------
    ValueError
        If the file is none that it wrote.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != _HEADER:
                raise ValueError(f"its header is not {','.join(_HEADER)}")
            rows = [(name, int(cluster)) for name, cluster, _, _ in reader]
        return [name for name, _ in rows], np.array([cluster for _, cluster in rows], np.int64)
    except (ValueError, OverflowError, csv.Error) as error:
        raise ValueError(f"{path} is no clusters.csv ({error}); have it made anew by snakemake") from error


def write_clusters_jsonl(
    path: str | os.PathLike[str], names: Sequence[str], clusters: np.ndarray, cluster_confidence: np.ndarray
) -> None:
    """Write a line a cluster, from 0, as JSON: cluster, size, confidence, samples (names, in their order).

    Parameters
    ----------
    path : path
    names : sequence of str
    clusters : ndarray of shape (n_samples,), integer
        Discarded samples (-1) are in no line.
    cluster_confidence : ndarray of shape (n_clusters,), float
    """
    sizes = _sizes(clusters)
    members = np.split(np.argsort(clusters, kind="stable")[len(clusters) - sizes.sum() :], np.cumsum(sizes)[:-1])
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for cluster, (size, confidence) in enumerate(zip(sizes.tolist(), cluster_confidence.tolist(), strict=True)):
            line = {
                "cluster": cluster,
                "size": size,
                "confidence": round(confidence, _DIGITS),
                "samples": [names[sample] for sample in members[cluster].tolist()],
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def training_labels(
    clusters: np.ndarray, confidence: np.ndarray, *, min_size: int = 2, min_confidence: float = 0.0
) -> np.ndarray:
    """Pseudo-labels to train on: samples that are doubtful, then clusters that are small, are left out.

    Parameters
    ----------
    clusters : ndarray of shape (n_samples,), integer
        -1 for discarded samples.
    confidence : ndarray of shape (n_samples,), float
    min_size : int
        Samples that a cluster must have, those below `min_confidence` not counted.
    min_confidence : float
        What a sample must have at least.

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; -1 for samples that are left out.

    Raises
    ------
    ValueError
        If no sample is left.
    """
    kept = (clusters >= 0) & (confidence >= min_confidence)
    kept[kept] = np.bincount(clusters[kept])[clusters[kept]] >= min_size
    if not kept.any():
        raise ValueError(
            f"no sample is left to train on with min_size {min_size} and min_confidence {min_confidence} "
            "(config: export); lower them"
        )
    _, first, inverse = np.unique(clusters[kept], return_index=True, return_inverse=True)
    labels = np.full(len(clusters), -1, np.int64)
    labels[kept] = np.argsort(np.argsort(first))[inverse]
    return labels


def write_training_list(path: str | os.PathLike[str], names: Sequence[str], labels: np.ndarray) -> None:
    """Write ``NAME LABEL`` a line for every sample whose label is not negative; the label follows the last space."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        file.writelines(f"{name} {label}\n" for name, label in zip(names, labels.tolist(), strict=True) if label >= 0)


def _sizes(clusters: np.ndarray) -> np.ndarray:
    """Samples of each cluster, int64 (n_clusters,)."""
    return np.bincount(clusters[clusters >= 0])


def _confidence_text(confidence: float) -> str:
    return f"{confidence:.{_DIGITS}f}"
