"""Feature files: mapped into memory as stored, L2-normalised for use."""

import os
from pathlib import Path

import numpy as np

from cdp.files import check_npy_header
from cdp.threads import in_ranges

MOST_SAMPLES = 2**31 - 1  # they are numbered by int32
_BLOCK = 2**20  # numbers a task


def load_features(path: str | os.PathLike[str], *, dim: int | None = None) -> np.ndarray:
    """Map a feature file into memory, as stored.

    Parameters
    ----------
    path : path
        ``.npy`` (any float type) or ``.bin`` (raw row-major float32).
    dim : int, optional
        Number of columns; needed for ``.bin``, compared with the file for ``.npy``.

    Returns
    -------
    ndarray of shape (n_samples, dim)
        Read-only memory map.

    Raises
    ------
    ValueError
        If the file is not a matrix of floats with `dim` columns and at least one row, or has more than `MOST_SAMPLES`.
    """
    path = Path(path)
    if path.suffix == ".npy":
        try:
            with open(path, "rb") as file:
                check_npy_header(file, path.stat().st_size)
            features = np.lib.format.open_memmap(path, mode="r")
        except ValueError as error:
            raise ValueError(f"{path} is not a readable .npy file ({error}); export the features again") from error
        if features.ndim != 2 or features.dtype.kind != "f":
            raise ValueError(
                f"{path} holds {features.dtype} of shape {features.shape}; export a float matrix of samples x dim"
            )
        if dim is not None and features.shape[1] != dim:
            raise ValueError(f"{path} has {features.shape[1]} columns, not the {dim} that dim says; correct one")
    else:
        if dim is None:
            raise ValueError(f"{path} is a raw .bin file, which does not say its width; give the data set's dim")
        size = path.stat().st_size
        if size % (4 * dim):
            raise ValueError(
                f"{path} has {size} bytes, which is no multiple of {4 * dim} (dim {dim} x 4 bytes of float32); "
                "give the right dim, or export the features again as float32"
            )
        if size == 0:
            raise ValueError(f"{path} is empty; export the features again")
        features = np.memmap(path, dtype=np.float32, mode="r", shape=(size // (4 * dim), dim))
    if features.size == 0:
        raise ValueError(f"{path} is empty (shape {features.shape}); export the features again")
    if len(features) > MOST_SAMPLES:
        raise ValueError(f"{path} has {len(features)} samples; at most {MOST_SAMPLES} are supported, so split the set")
    return features


def normalize(features: np.ndarray, *, name: str | os.PathLike[str] = "features") -> np.ndarray:
    """L2-normalise rows, block by block.

    Parameters
    ----------
    features : array of shape (n_samples, dim), any float or integer type
    name : str or path
        What an error message calls them.

    Returns
    -------
    ndarray of shape (n_samples, dim), float32, C-contiguous

    Raises
    ------
    ValueError
        If a row is all zeros or holds NaN or infinity; names the (0-based) row.
    """
    features = np.asarray(features)
    normalized = np.empty(features.shape, np.float32)
    row_norms(features, name=name, normalized=normalized)
    return normalized


def row_norms(
    features: np.ndarray,
    *,
    name: str | os.PathLike[str] = "features",
    normalized: np.ndarray | None = None,
    first_row: int = 0,
) -> np.ndarray:
    """Length of each row, found in one pass over the features.

    Parameters
    ----------
    features : array of shape (n_samples, dim), any float or integer type
    name : str or path
        What an error message calls them.
    normalized : ndarray of shape (n_samples, dim), float32, optional
        Filled with the rows divided by their lengths.
    first_row : int
        The number of their first row in an error message.

    Returns
    -------
    ndarray of shape (n_samples,), float64

    Raises
    ------
    ValueError
        If a row is all zeros or holds NaN or infinity; names the (0-based) row.
    """
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, samples x dim, not {features.dtype} of shape {features.shape}")
    norms = np.empty(len(features))

    def measure(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):  # what is not finite, or of no length, is told below
            block = np.ascontiguousarray(features[start:stop], np.float64)
            np.sqrt(np.einsum("ij,ij->i", block, block), out=norms[start:stop])
            if normalized is not None:
                scales = 1 / norms[start:stop, None]
                np.multiply(block, scales, out=normalized[start:stop])

    in_ranges(measure, len(features), size=max(1, _BLOCK // max(1, features.shape[1])))
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        what = "is all zeros" if norms[bad[0]] == 0 else "holds NaN or infinity"
        row = first_row + bad[0]
        raise ValueError(f"{name}: row {row} (counted from 0) {what}; remove or re-extract that sample")
    return norms
