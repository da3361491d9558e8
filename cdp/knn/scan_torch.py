"""`cdp.knn.scan.scan_lists` by torch, on a GPU: products in float16 tell which distances are worth computing.

Vectors are moved to their middle, scaled to lengths of at most 1 and rounded. With r(x) the rounded vector and e(x) its
error, x = r(x) + e(x), the Cauchy-Schwarz inequality gives

    x·y - |y|²/2 <= r(x)·r(y) - |y|²/2 + |e(x)| |r(y)| + |x| |e(y)|,

all of which is one product of rows with four columns more. The members with the largest bounds are compared with a
query; if another's bound leaves room for a nearer one, more are, and at last all.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cdp.knn.best import Best
from cdp.knn.points import Points

if TYPE_CHECKING:
    from cdp.knn.scan import Cells

_FACTORS = 2, 64  # times as many members as are kept are compared with a query, at first and then
_FEW = 256  # members of a cell that are all compared
_TILE = 2**30  # bounds at a time
_ROWS = 128, 8192  # queries at a time, at least and at most
_COORDINATES = 2**26  # compared at a time
_BLOCK = 65536  # vectors rounded at a time, members compared with a query at a time
_ROUNDOFF = 2.0**-11  # of float16
_SMALLEST = 2.0**-24  # positive float16
_SUM_ROUNDOFF = 2.0**-23  # of an addition in a product, from which matrix units may cut digits
_TOLERANCE = 1e-5  # relative; far more than float32 may cost a distance


class _State(NamedTuple):
    """What is on the device: all vectors, and the best found for each query."""

    members: Tensor
    sources: Tensor
    scores: Tensor
    found: Tensor


class _Frame(NamedTuple):
    """How vectors are moved and scaled before they are rounded."""

    middle: Tensor
    scale: float

    @classmethod
    def of(cls, members: Tensor, sources: Tensor) -> "_Frame":
        middle = members.mean(dim=0)
        parts = (*members.split(_BLOCK), *sources.split(_BLOCK))
        longest = max(float((part - middle).norm(dim=1).max()) for part in parts)
        return cls(middle, 1 / longest if longest > 0 else 1.0)

    def moved(self, vectors: Tensor) -> Tensor:
        return (vectors - self.middle) * self.scale

    def rounded(self, vectors: Tensor, *, query: bool) -> Tensor:
        """Rows of queries or of members, whose products are the bounds; float16 (n, dim + 4, filled to 8)."""
        n, dim = vectors.shape
        rows = torch.zeros((n, -(-(dim + 4) // 8) * 8), dtype=torch.float16, device=vectors.device)
        of_sums = 1.5 * (dim + 4) * _SUM_ROUNDOFF
        for part, into in zip(vectors.split(_BLOCK), rows.split(_BLOCK), strict=True):
            exact = self.moved(part)
            into[:, :dim] = exact
            length, error = exact.norm(dim=1), (exact - into[:, :dim]).norm(dim=1)
            if query:
                one = torch.ones_like(length)
                columns = one, one, _raised(error + of_sums * length), _raised(length)
            else:
                half = (of_sums - 1) / 2 * length.square()
                columns = half, _raised(half - half.half()), _raised(length), _raised(error)
            into[:, dim : dim + 4] = torch.stack(columns, dim=1)
        return rows


def scan_torch(queries: Points, cells: "Cells", best: Best, lists: tuple[np.ndarray, np.ndarray], device: str) -> None:
    """`cdp.knn.scan.scan_lists` by torch, on a GPU or the CPU; of equals, the first are found, but of too many any.

    Raises
    ------
    MemoryError
        If the GPU cannot hold the vectors.
    """
    if not len(lists[0]):
        return
    try:
        _scan(queries, cells, best, lists, device)
    except torch.OutOfMemoryError as error:
        n, dim = cells.points.vectors.shape
        raise MemoryError(f"the GPU's memory does not hold {n} vectors of {dim} dimensions; set device: cpu") from error


def _scan(queries: Points, cells: "Cells", best: Best, lists: tuple[np.ndarray, np.ndarray], device: str) -> None:
    members, sources, scores, found, listed = (
        torch.from_numpy(array).to(device) for array in (cells.points.vectors, queries.vectors, *best, lists[0])
    )
    state, sizes, first = _State(members, sources, scores, found), np.diff(cells.starts), 0
    if sizes.max() > _FEW:
        frame = _Frame.of(members, sources)
        bounding = frame.rounded(members, query=False)
    for cell in np.flatnonzero(np.diff(lists[1], prepend=0)):
        start, size, end = int(cells.starts[cell]), int(sizes[cell]), int(lists[1][cell])
        for rows in listed[first:end].split(min(max(_TILE // max(size, 1), _ROWS[0]), _ROWS[1])):
            if size <= _FEW:
                _offer_all(state, rows, start, size)
            else:
                bounds = frame.rounded(sources[rows], query=True) @ bounding[start : start + size].T
                _offer_promising(state, frame, rows, start, bounds)
        first = end
    best.scores[:] = scores.cpu().numpy()
    best.found[:] = found.cpu().numpy()


def _offer_promising(state: _State, frame: _Frame, rows: Tensor, start: int, bounds: Tensor) -> None:
    """Offer to rows those of the members from `start` on that bounds do not rule out."""
    size = bounds.shape[1]
    for factor in _FACTORS:
        count = factor * state.scores.shape[1]
        if count < size:
            columns, rest = _largest(bounds, count)
            _offer(state, rows, start + columns)
            maybe = rest > _least(state, frame, rows)
            rows, bounds = rows[maybe], bounds[maybe]
            if not len(rows):
                return
    if count < size:
        rows = rows[state.scores[rows, -1] < 0]  # nothing is nearer than duplicates
    _offer_all(state, rows, start, size)


def _offer_all(state: _State, rows: Tensor, start: int, size: int) -> None:
    for first in range(start, start + size, _BLOCK):
        positions = torch.arange(first, min(first + _BLOCK, start + size), device=rows.device)
        _offer(state, rows, positions.expand(len(rows), -1))


def _offer(state: _State, rows: Tensor, positions: Tensor) -> None:
    """Keep the best of what rows have and of the members at these positions; of equals, the first."""
    width = state.scores.shape[1]
    step = max(1, _COORDINATES // (positions.shape[1] * state.members.shape[1]))
    for some, offered in zip(rows.split(step), positions.split(step), strict=True):
        known = state.found[some]
        scores = (state.members[offered] - state.sources[some][:, None]).square_().sum(dim=2).div_(-2)
        scores.masked_fill_((offered[:, :, None] == known[:, None]).any(dim=2), -torch.inf)
        scores = torch.cat((state.scores[some], scores), dim=1)
        found = torch.cat((known, offered), dim=1)
        order = found.argsort(dim=1, stable=True)
        kept = order.gather(1, scores.gather(1, order).argsort(dim=1, descending=True, stable=True)[:, :width])
        state.scores[some] = scores.gather(1, kept)
        state.found[some] = found.gather(1, kept).int()


def _largest(bounds: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Columns of the `count` largest bounds of each row, and what no other exceeds.

    They are in the `count` groups of columns with the largest bounds; columns of a group are far apart.
    """
    columns = bounds.shape[1]
    size = int((columns / count) ** 0.5)  # of a group
    length = columns // size
    groups = bounds[:, : size * length].unflatten(1, (size, length))
    chosen = groups.amax(dim=1).topk(count, dim=1).indices[:, None].expand(-1, size, -1)
    place = torch.arange(columns, device=bounds.device)
    candidates = place[: size * length : length, None] + chosen
    left = place[size * length :].expand(len(bounds), -1)
    values = torch.cat((groups.gather(2, chosen).flatten(1), bounds[:, size * length :]), dim=1)
    top = values.topk(count, dim=1)
    last = top.values[:, -1].float()
    return torch.cat((candidates.flatten(1), left), dim=1).gather(
        1, top.indices
    ), last + last.abs() * _ROUNDOFF + _SMALLEST


def _least(state: _State, frame: _Frame, rows: Tensor) -> Tensor:
    """What x·y - |y|²/2, moved and scaled, must exceed for y to be nearer than the worst that a row has."""
    half = frame.moved(state.sources[rows]).double().square().sum(dim=1) / 2
    return (1 + _TOLERANCE) * frame.scale**2 * state.scores[rows, -1].double() + half


def _raised(values: Tensor) -> Tensor:
    """The values in float16, rounded up."""
    return (values + 2 * _ROUNDOFF * values.abs() + _SMALLEST).half()
