"""Feature files: mapped into memory as stored, L2-normalised for use."""

import os
from pathlib import Path

import numba
import numpy as np

_BLOCK = 16384  # rows normalised at a time


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
        If the file is not a matrix of floats with `dim` columns and at least one row.
    """
    path = Path(path)
    if path.suffix == ".npy":
        try:
            features = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is not a readable .npy file ({error}); export the features again") from error
        if features.ndim != 2 or features.dtype.kind != "f":
            raise ValueError(
                f"{path} holds {features.dtype} of shape {features.shape}; a float matrix of samples x dim is expected"
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
                "correct dim in the config or export the features again as float32"
            )
        if size == 0:
            raise ValueError(f"{path} is empty; export the features again")
        features = np.memmap(path, dtype=np.float32, mode="r", shape=(size // (4 * dim), dim))
    if features.size == 0:
        raise ValueError(f"{path} is empty (shape {features.shape}); export the features again")
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
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, samples x dim, not {features.dtype} of shape {features.shape}")
    normalized = np.empty(features.shape, np.float32)
    for start in range(0, len(features), _BLOCK):
        _normalize_checked(features, start, normalized[start : start + _BLOCK], name)
    return normalized


def check_rows(features: np.ndarray, *, name: str | os.PathLike[str] = "features") -> None:
    """Raise ValueError if a row of `features` cannot be normalised (see `normalize`)."""
    scratch = np.empty((_BLOCK, features.shape[1]), np.float32)
    for start in range(0, len(features), _BLOCK):
        _normalize_checked(features, start, scratch[: len(features) - start], name)


def _normalize_checked(features: np.ndarray, start: int, out: np.ndarray, name: str | os.PathLike[str]) -> None:
    block = features[start : start + len(out)]
    if block.dtype not in (np.float32, np.float64):
        block = block.astype(np.float32)
    norms = _normalize_rows(np.ascontiguousarray(block), out)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        row = bad[0]
        what = "is all zeros" if norms[row] == 0 else "holds NaN or infinity"
        raise ValueError(f"{name}: row {start + row} (counted from 0) {what}; remove or re-extract that sample")


@numba.njit(parallel=True, cache=True)
def _normalize_rows(block, out):  # type: ignore[no-untyped-def]
    norms = np.empty(len(block))
    for i in numba.prange(len(block)):
        square = 0.0
        for d in range(block.shape[1]):
            square += np.float64(block[i, d]) * np.float64(block[i, d])
        norms[i] = np.sqrt(square)
        scale = 1.0 / norms[i] if norms[i] > 0 else 0.0
        for d in range(block.shape[1]):
            out[i, d] = block[i, d] * scale
    return norms
