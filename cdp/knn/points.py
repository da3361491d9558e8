"""Vectors with their heads and necks: few coordinates that bound their products.

Most of the squared length of embeddings lies in few directions. In an orthonormal basis of these, a vector x has a
short head h and, orthogonal to it, a tail of length t; with the Cauchy-Schwarz inequality,

    x·y = h(x)·h(y) + tail(x)·tail(y) <= h(x)·h(y) + t(x) t(y),

so that a product of short vectors tells which distances, |x - y|² = |x|² + |y|² - 2 x·y, need not be computed. Of what
it does not rule out, most is ruled out by some more coordinates, the neck, and a shorter tail. Heads and necks are
rounded to bfloat16, which take half the memory and `cdp.knn.products` multiplies fastest. Tails are taken a little
longer than they are, by what rounding may cost.
"""

from typing import NamedTuple

import numpy as np

from cdp.knn.aligned import aligned
from cdp.knn.products import TILES, UNIT_ROUNDOFF, packed, unpacked
from cdp.threads import in_ranges

_BLOCK = 4096
_SHARE = 0.85  # of the squared lengths, that heads hold
_WIDTHS = (31, 63, 95, 127, 191, 255)  # of heads; beside a tail, odd ones fill words
_NECK = 63
# Rounded factors change a product of vectors by 2 u + u² of their lengths' product at most, u being the unit roundoff.
_SLACK = 2.02 * UNIT_ROUNDOFF  # of a squared length; float32 costs the little that is left
_LONGER = 1 + 1.01 * UNIT_ROUNDOFF  # tails, so that they are no shorter when rounded
_ITERATIONS = 3  # of the subspace
SAMPLES = 4096  # vectors, about, from which axes are found


class Axes(NamedTuple):
    """Orthonormal directions: of shape (dim, h) for heads, (dim, m) for necks; float32."""

    heads: np.ndarray
    necks: np.ndarray

    @classmethod
    def none(cls, dim: int) -> "Axes":
        """Of heads and necks that hold nothing, for searches that do without."""
        return cls(*np.empty((2, dim, 0), np.float32))


class Points(NamedTuple):
    """Vectors, their heads and their necks; C-contiguous.

    Attributes
    ----------
    vectors : ndarray of shape (n, dim), float32
    heads : ndarray of shape (n, (h + 1) / 2, rounded up), uint32
        Length of the tail, and head (but see `rounded`): see `cdp.knn.products.packed`.
    necks : ndarray of shape (n, (m + 1) / 2, rounded up), uint32
        Length of the tail behind the neck, and neck.
    halves : ndarray of shape (n,), float32
        Half the squared length.
    """

    vectors: np.ndarray
    heads: np.ndarray
    necks: np.ndarray
    halves: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, axes: Axes | None = None) -> "Points":
        """Points with heads and necks along axes (see `principal_axes`); by default heads are whole vectors."""
        n, dim = vectors.shape
        widths = (dim, 0) if axes is None else (axes.heads.shape[1], axes.necks.shape[1])
        heads, necks = (aligned((n, width // 2 + 1), np.uint32) for width in widths)
        halves = np.empty(n, np.float32)

        def task(start: int, stop: int) -> None:
            part = vectors[start:stop]
            head, neck = (part, part[:, :0]) if axes is None else (part @ axes.heads, part @ axes.necks)
            squares = _squares(part)
            behind = squares - _squares(head)
            heads[start:stop] = _with_tails(head, behind, squares)
            necks[start:stop] = _with_tails(neck, behind - _squares(neck), squares)
            halves[start:stop] = squares / 2

        in_ranges(task, n, size=_BLOCK)
        return cls(vectors, heads, necks, halves)

    @classmethod
    def rounded(cls, vectors: np.ndarray) -> "Points":
        """Points as rounding leaves them, heads being whole and without tails; only for `cdp.knn.shortlist`."""
        n, dim = vectors.shape
        heads, halves = aligned((n, -(-dim // 2)), np.uint32), np.empty(n, np.float32)

        def task(start: int, stop: int) -> None:
            heads[start:stop] = packed(vectors[start:stop])
            halves[start:stop] = _squares(unpacked(heads[start:stop])) / 2

        in_ranges(task, n, size=_BLOCK)
        return cls(vectors, heads, np.empty((n, 0), np.uint32), halves)

    @classmethod
    def to_scan(cls, vectors: np.ndarray) -> "Points":
        """Points that others will be compared with all of: tiles multiply whole vectors as fast as necks help."""
        return cls.of(vectors, None if TILES else principal_axes(vectors))

    def take(self, rows: slice | np.ndarray) -> "Points":
        """Some of the points."""
        return Points(*(array[rows] for array in self))


def principal_axes(vectors: np.ndarray) -> Axes | None:
    """Few directions that hold most of the squared lengths, and those that hold most of the rest (subspace iteration).

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), float32
        Of many, some thousands at equal distances are taken.

    Returns
    -------
    Axes or None
        None if there are no such, or if those of heads would be more than half of the dimensions.
    """
    sample = vectors[some_of(len(vectors), SAMPLES)]
    dim = sample.shape[1]
    width = min(max(_WIDTHS) + _NECK, dim)
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, width)))[0].astype(np.float32)
    for _ in range(_ITERATIONS):
        axes = np.linalg.qr(sample.T @ (sample @ axes))[0]
    coordinates = sample @ axes
    squares, rotation = np.linalg.eigh(coordinates.T @ coordinates)
    axes = axes @ rotation[:, ::-1]
    shares = np.cumsum(squares[::-1]) / max(np.einsum("ij,ij->", sample, sample), 1e-30)
    for h in _WIDTHS:
        if 2 * h <= dim and shares[h - 1] >= _SHARE:
            return Axes(np.ascontiguousarray(axes[:, :h]), np.ascontiguousarray(axes[:, h : h + _NECK]))
    return None


def some_of(n: int, count: int) -> slice:
    """Of `n` rows, about `count` at equal distances (up to twice as many); all, if they are fewer."""
    return slice(None, None, max(1, n // count))


def _with_tails(coordinates: np.ndarray, behind: np.ndarray, squares: np.ndarray) -> np.ndarray:
    tails = _LONGER * np.sqrt(np.maximum(0, behind) + _SLACK * squares)
    return packed(np.column_stack((tails, coordinates)))


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", vectors, vectors)
