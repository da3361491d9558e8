"""Parts of cells: members that lie close together, side by side.

The mean of a few tells better than that of the whole cell whether better neighbours may be among them. Cells are
halved, and halved again, along the direction in which their members differ most.
"""

import numpy as np

from cdp.jit import njit
from cdp.knn.instructions import WIDTH
from cdp.knn.products import unpacked_rows
from cdp.threads import in_ranges

SIZE = WIDTH  # members of a part, but of a cell's last, which may be smaller
_CELLS = 64  # a task
_ITERATIONS = 3  # of the power method


def part_starts(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where parts begin among the members, and where cells begin among the parts, from where cells begin."""
    counts = -(-np.diff(starts) // SIZE)
    cells = np.append(0, np.cumsum(counts))
    number = np.arange(cells[-1]) - np.repeat(cells[:-1], counts)
    return np.append(np.repeat(starts[:-1], counts) + SIZE * number, starts[-1]), cells


def sort_by_part(words: np.ndarray, samples: np.ndarray, starts: np.ndarray) -> None:
    """Put the members of each cell in the order of its parts.

    Parameters
    ----------
    words : ndarray of shape (n_samples, w), uint32
        Coordinates of the samples, from `cdp.knn.products.packed`.
    samples : ndarray of shape (n_samples,), int64
        By cell; sorted in place.
    starts : ndarray of shape (n_cells + 1,), int64
        Where each cell begins.
    """
    in_ranges(lambda first, last: _sort_cells(words, samples, starts, first, last), len(starts) - 1, size=_CELLS)


@njit
def _sort_cells(words, samples, starts, first, last):  # type: ignore[no-untyped-def]
    for cell in range(first, last):
        members = samples[starts[cell] : starts[cell + 1]]
        if len(members) > SIZE:
            members[:] = members[_order(unpacked_rows(words, members))]


@njit
def _order(values):  # type: ignore[no-untyped-def]
    order = np.arange(len(values))
    ranges = np.empty((len(values), 2), np.int64)
    ranges[0, 0], ranges[0, 1], waiting = 0, len(values), 1
    while waiting:
        waiting -= 1
        start, stop = ranges[waiting]
        if stop - start > SIZE:
            some = order[start:stop].copy()
            order[start:stop] = some[np.argsort(_along(values[some]), kind="mergesort")]
            middle = start + (stop - start + SIZE - 1) // SIZE // 2 * SIZE
            ranges[waiting, 0], ranges[waiting, 1] = start, middle
            ranges[waiting + 1, 0], ranges[waiting + 1, 1] = middle, stop
            waiting += 2
    return order


@njit
def _along(values):  # type: ignore[no-untyped-def]
    """Coordinates along the direction in which values differ most (roughly: few steps of the power method)."""
    centred = values - values.sum(axis=0) / np.float32(len(values))
    largest = np.abs(centred).max()
    if largest == 0:
        return centred[:, 0]
    centred /= largest
    direction = centred[np.argmax((centred * centred).sum(axis=1))].copy()
    for _ in range(_ITERATIONS):
        direction = np.dot(np.dot(centred, direction), centred)
        direction /= np.sqrt(np.dot(direction, direction))
    return np.dot(centred, direction)
