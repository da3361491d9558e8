"""The files that users bring for a data set, checked where they enter."""

import os

from cdp.features import load_features, row_norms
from cdp.labels import count_lines, read_labels


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
        lines = count_lines(list_path)
        if lines == 0:
            raise ValueError(f"{list_path} is empty; write one line a sample, or remove it (it is optional)")
        if lines != len(features):
            raise ValueError(f"{list_path} has {lines} lines for {len(features)} samples; write one line a sample")
    if labels_path is not None and os.path.exists(labels_path):
        read_labels(labels_path, n_samples=len(features))
    row_norms(features, name=path)
    return {"samples": len(features), "dim": features.shape[1]}
