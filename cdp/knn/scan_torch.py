"""`cdp.knn.scan.scan_lists` by torch, on a GPU: products in float16 tell which distances are worth computing.

Vectors are moved to their middle, scaled to lengths of at most 1 and rounded. With r(x) the rounded vector and e(x) its
error, x = r(x) + e(x), the Cauchy-Schwarz inequality gives

    x·y - |y|²/2 <= r(x)·r(y) - |y|²/2 + |e(x)| |y| + |r(x)| |e(y)|,

all of which is one product of rows with four columns more. The members with the largest bounds are compared with a
query. Where the bound of another leaves room for a nearer one, bounds from products in float64 are looked at, and
where these leave room, all members are compared for which they do.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cdp.knn.best import Best
from cdp.knn.points import Points
from cdp.knn.scan import Cells

_FACTOR = 2  # times as many members as are kept are compared with a query at first
_FEW = 256  # members of a cell that are all compared
_TILE = 2**30  # bytes of bounds at a time
_ROWS = 64, 8192  # queries at a time, at least and at most
_COORDINATES = 2**26  # compared at a time
_BLOCK = 65536  # vectors rounded at a time
_PART = 16384  # members whose bounds are in float64, at a time
_ALIKE = 64  # queries with about as many members left to compare, at a time
_ROUNDOFF = {torch.float16: 2.0**-11, torch.float64: 2.0**-53}
_SMALLEST = {torch.float16: 2.0**-24, torch.float64: 2.0**-1022}  # what small numbers may be rounded by, or more
# Of an addition in a product: in float32 for float16, from which matrix units may cut digits.
_SUM_ROUNDOFF = {torch.float16: 2.0**-23, torch.float64: 2.0**-52}
_TOLERANCE = 1e-5  # relative; far more than float32 may cost a distance
_NO_MEMORY = ("out of memory", "ALLOC_FAILED")  # as CUDA and its libraries have it
_settings_lock = threading.Lock()


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
        return (vectors.double() - self.middle) * self.scale

    def rounded(self, vectors: Tensor, dtype: torch.dtype, *, query: bool) -> Tensor:
        """Rows of queries or of members, whose products are the bounds; (n, dim + 4, filled to 8)."""
        n, dim = vectors.shape
        rows = torch.zeros((n, -(-(dim + 4) // 8) * 8), dtype=dtype, device=vectors.device)
        of_sums = 1.5 * (dim + 4) * _SUM_ROUNDOFF[dtype]
        for part, into in zip(vectors.split(_BLOCK), rows.split(_BLOCK), strict=True):
            exact = self.moved(part)
            into[:, :dim] = exact
            whole = into[:, :dim].double()
            error = (exact - whole).norm(dim=1)
            if query:
                length = whole.norm(dim=1)
                one = torch.ones_like(length)
                columns = one, one, _raised(error + of_sums * length, dtype), _raised(length, dtype)
            else:
                length = exact.norm(dim=1)
                half = (of_sums - 1) / 2 * length.square()
                rest = _raised(half - half.to(dtype), dtype)
                columns = half, rest, _raised(length, dtype), _raised(error, dtype)
            into[:, dim : dim + 4] = torch.stack([column.to(dtype) for column in columns], dim=1)
        return rows


def scan_torch(queries: Points, cells: Cells, best: Best, lists: tuple[np.ndarray, np.ndarray], device: str) -> None:
    """`cdp.knn.scan.scan_lists` by torch, on a GPU or the CPU.

    Raises
    ------
    MemoryError
        If the GPU cannot hold the vectors.
    """
    if not len(lists[0]):
        return
    try:
        with _sums_in_float32():
            _scan(queries, cells, best, lists, device)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(word in str(error) for word in _NO_MEMORY):
            raise
        n, dim = cells.points.vectors.shape
        raise MemoryError(
            f"the GPU's free memory does not hold {n} vectors of {dim} dimensions; set device: cpu"
        ) from error


@contextmanager
def _sums_in_float32() -> Iterator[None]:
    """Hold torch to summing products of float16 in float32."""
    settings = torch.backends.cuda.matmul
    names = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")  # the latter since torch 2.7
    with _settings_lock:
        before = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        for name in before:
            setattr(settings, name, False)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(settings, name, value)


def _scan(queries: Points, cells: Cells, best: Best, lists: tuple[np.ndarray, np.ndarray], device: str) -> None:
    ours, theirs = queries.vectors, cells.points.vectors
    members, scores, found, listed = (torch.from_numpy(array).to(device) for array in (theirs, *best, lists[0]))
    same = ours.ctypes.data == theirs.ctypes.data and ours.shape == theirs.shape
    sources = members if same else torch.from_numpy(ours).to(device)
    state, sizes, ends = _State(members, sources, scores, found), np.diff(cells.starts), np.append(0, lists[1])
    if sizes.max() > _FEW:
        frame = _Frame.of(members, sources)
        rounded = frame.rounded(members, torch.float16, query=False)
    for cell in np.flatnonzero((np.diff(ends) > 0) & (sizes > 0)):
        start, stop = int(cells.starts[cell]), int(cells.starts[cell + 1])
        rows = listed[ends[cell] : ends[cell + 1]]
        if stop - start <= _FEW:
            positions = torch.arange(start, stop, device=device)
            for some in rows.split(_ROWS[1]):
                _offer(state, some, positions.expand(len(some), -1))
        else:
            rows = _offer_likely(state, frame, rows, start, rounded[start:stop])
            _offer_possible(state, frame, rows, start, stop)
    best.scores[:] = scores.cpu().numpy()
    best.found[:] = found.cpu().numpy()


def _offer_likely(state: _State, frame: _Frame, rows: Tensor, start: int, members: Tensor) -> Tensor:
    """Offer to rows the members, from `start` on, with the largest bounds; gives the rows for which others may do."""
    count = min(_FACTOR * state.scores.shape[1], len(members))
    unsure = [rows[:0]]
    for some in _split(rows, members):
        columns, rest = _largest(_bounds(state, frame, some, members), count)
        _offer(state, some, start + columns)
        if count < len(members):
            unsure.append(some[rest > _least(state, frame, some)])
    return torch.cat(unsure)


def _offer_possible(state: _State, frame: _Frame, rows: Tensor, start: int, stop: int) -> None:
    """Offer to rows all members from `start` to `stop` that bounds in float64 do not rule out."""
    for first in range(start, stop, _PART):
        rows = rows[(state.scores[rows, -1] < 0) | (state.found[rows].amax(dim=1) >= first)]  # others have duplicates
        if not len(rows):
            break
        members = frame.rounded(state.members[first : min(first + _PART, stop)], torch.float64, query=False)
        for some in _split(_offer_likely(state, frame, rows, first, members), members):
            bounds, least = _bounds(state, frame, some, members), _least(state, frame, some)
            counts = (bounds > (least - 4 * _rounding(least, bounds.dtype))[:, None]).sum(dim=1)
            for alike in counts.argsort(descending=True).split(_ALIKE):
                columns, _ = _largest(bounds[alike], max(1, int(counts[alike[0]])))
                _offer(state, some[alike], first + columns)


def _split(rows: Tensor, members: Tensor) -> tuple[Tensor, ...]:
    """Rows, as many at a time as is right for their bounds."""
    step = _TILE // (len(members) * members.element_size())
    return rows.split(min(max(step, _ROWS[0]), _ROWS[1])) if len(rows) else ()


def _bounds(state: _State, frame: _Frame, rows: Tensor, members: Tensor) -> Tensor:
    """Bounds of x·y - |y|²/2 for queries and members, which are rounded; (n_rows, n_members)."""
    shape = len(rows), -(-len(members) // 8) * 8  # matrix units are slow where rows of a product begin anywhere
    bounds = torch.empty(shape, dtype=members.dtype, device=members.device)[:, : len(members)]
    return torch.mm(frame.rounded(state.sources[rows], members.dtype, query=True), members.T, out=bounds)


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
    left = place[size * length :].expand(len(bounds), -1)
    candidates = torch.cat(((place[: size * length : length, None] + chosen).flatten(1), left), dim=1)
    values = torch.cat((groups.gather(2, chosen).flatten(1), bounds[:, size * length :]), dim=1)
    top = values.topk(count, dim=1)
    rest = top.values[:, -1].double()
    return candidates.gather(1, top.indices), rest + _rounding(rest, bounds.dtype)


def _least(state: _State, frame: _Frame, rows: Tensor) -> Tensor:
    """What x·y - |y|²/2, moved and scaled, must exceed for y to be nearer than the worst that a row has."""
    half = frame.moved(state.sources[rows]).square().sum(dim=1) / 2
    return (1 + _TOLERANCE) * frame.scale**2 * state.scores[rows, -1].double() + half


def _offer(state: _State, rows: Tensor, positions: Tensor) -> None:
    """Keep the best of what rows have and of the members at these positions; of equals, the first."""
    width = state.scores.shape[1]
    step = max(1, _COORDINATES // (positions.shape[1] * (state.members.shape[1] + width)))
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


def _raised(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The values in that type, rounded up."""
    return (values + 2 * _rounding(values, dtype)).to(dtype)


def _rounding(values: Tensor, dtype: torch.dtype) -> Tensor:
    """By how much values may change when they are rounded to that type."""
    return _ROUNDOFF[dtype] * values.abs() + _SMALLEST[dtype]
