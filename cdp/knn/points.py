"""Vectors with their heads: few coordinates that bound their products.

Most of the squared length of embeddings lies in few directions. In an orthonormal basis of these, a vector x has a
short head h and, orthogonal to it, a tail of length t; with the Cauchy-Schwarz inequality,

    x·y = h(x)·h(y) + tail(x)·tail(y) <= h(x)·h(y) + t(x) t(y),

so that a product of short vectors tells which distances, |x - y|² = |x|² + |y|² - 2 x·y, need not be computed. Tails
are taken a little longer than they are, by what rounding may cost.
"""

from typing import NamedTuple

import numpy as np

from cdp.threads import in_ranges

_BLOCK = 4096
_SHARE = 0.85  # of the squared lengths, that heads hold
_WIDTHS = (30, 62, 126, 254)
_ROUNDING = 1e-6  # of a squared length
_ITERATIONS = 3  # of the subspace
_SAMPLES = 4096  # vectors, about, from which axes are found


class Points(NamedTuple):
    """Vectors and their heads.

    Attributes
    ----------
    vectors : ndarray of shape (n, dim), float32
    heads : ndarray of shape (n, h + 2), float32
        Head, length of the tail, and minus half the squared length.
    """

    vectors: np.ndarray
    heads: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, axes: np.ndarray | None = None) -> "Points":
        """Points with the heads that axes (see `principal_axes`) make; by default whole vectors."""
        heads = np.empty((len(vectors), 2 + (vectors if axes is None else axes).shape[1]), np.float32)

        def task(start: int, stop: int) -> None:
            part = vectors[start:stop]
            head = part if axes is None else part @ axes
            squares = np.einsum("ij,ij->i", part, part)
            tails = np.maximum(0, squares - np.einsum("ij,ij->i", head, head)) + _ROUNDING * squares
            heads[start:stop, :-2] = head
            heads[start:stop, -2] = np.sqrt(tails)
            heads[start:stop, -1] = -squares / 2

        in_ranges(task, len(vectors), size=_BLOCK)
        return cls(vectors, heads)

    def take(self, rows: slice | np.ndarray) -> "Points":
        """Some of the points."""
        return Points(self.vectors[rows], self.heads[rows])


def principal_axes(vectors: np.ndarray) -> np.ndarray | None:
    """Few orthonormal directions that hold most of the squared lengths, by subspace iteration.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), float32
        Of many, some thousands at equal distances are taken.

    Returns
    -------
    ndarray of shape (dim, h), float32, or None
        None if there are no such, or if they would be more than half of the dimensions.
    """
    sample = vectors[:: max(1, len(vectors) // _SAMPLES)]
    dim = sample.shape[1]
    width = min(max(_WIDTHS), dim)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, width)))[0].astype(np.float32)
    for _ in range(_ITERATIONS):
        axes = np.linalg.qr(sample.T @ (sample @ axes))[0]
    coordinates = sample @ axes
    squares, rotation = np.linalg.eigh(coordinates.T @ coordinates)
    shares = np.cumsum(squares[::-1]) / max(np.einsum("ij,ij->", sample, sample), 1e-30)
    for h in _WIDTHS:
        if 2 * h <= dim and shares[h - 1] >= _SHARE:
            return np.ascontiguousarray(axes @ rotation[:, ::-1][:, :h])
    return None
