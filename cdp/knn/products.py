"""Products of heads: by the matrix tiles of a CPU that has such (Intel's AMX), by BLAS on others.

Tiles multiply bfloat16, numbers of 8 binary digits that are the upper half of a float32, and sum in float32, several
times as fast as BLAS. Heads are rounded to such numbers (see `cdp.knn.points`), so both give the same products, up to
the rounding of sums. The type of the rows says which it is, so compiled code that is kept for one is not taken for the
other.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.cgutils import for_range_slice, get_or_insert_function, unpack_tuple
from numba.extending import intrinsic, overload

UNIT_ROUNDOFF = 2.0**-8  # of bfloat16: rounding changes a number by this part of it, at most
_SIDE = 16  # rows and columns of a tile of sums, pairs of factors in a row of a tile
_BLOCK = 2 * _SIDE  # rows and columns that are multiplied at a time, two tiles of each
_LAYOUT = np.zeros(64, np.uint8)  # what the CPU is told: all of its tiles have 16 rows of 64 bytes
_LAYOUT[0], _LAYOUT[16:32:2], _LAYOUT[48:56] = 1, 64, _SIDE


def tiles_are_usable() -> bool:
    """Whether the CPU has tiles, numba may use all that it has, and Linux lets this process."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    if config.CPU_NAME is not None or config.CPU_FEATURES is not None:  # type: ignore[attr-defined]
        return False
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot tell
        return False
    if not (features.get("amx-tile") and features.get("amx-bf16")):
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0


TILES = tiles_are_usable()


def rounded(values: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of values below 1e33 (Veltkamp's splitting), as float32 (the values' shape)."""
    values = values.astype(np.float32, copy=False)
    larger = values * np.float32(2**16 + 1)
    return larger - (larger - values)


def rows_of(heads: np.ndarray, *, tiles: bool = TILES) -> np.ndarray:
    """Heads as `multiply` takes them for rows, not copied.

    Parameters
    ----------
    heads : ndarray of shape (n, h + 2), float32
        See `cdp.knn.points.Points`. Rounded, but for the last column; tiles would cut off what is not.
    tiles : bool
        Whether they will be multiplied by tiles.
    """
    return heads.view(np.uint32) if tiles else heads


def columns_of(rows, heads, start, stop):  # type: ignore[no-untyped-def]
    """Heads from `start` to `stop` as `multiply` takes them for columns beside such rows; in compiled code only."""
    raise NotImplementedError


def multiply(rows, chosen, columns):  # type: ignore[no-untyped-def]
    """Bounds of q·x - |x|²/2: products of heads and of tails' lengths, minus half of |x|²; in compiled code only.

    Parameters
    ----------
    rows : ndarray of shape (n, h + 2), uint32 for tiles or float32 for BLAS
        Of the queries q, from `rows_of`.
    chosen : ndarray of shape (m,), int
        Which of them.
    columns
        Of the x, from `columns_of`.

    Returns
    -------
    ndarray of shape (m, number of columns, or up to 31 more), float32
        What there is more is -inf.
    """
    raise NotImplementedError


@overload(columns_of)
def _choose_columns_of(rows, heads, start, stop):  # type: ignore[no-untyped-def]
    return _columns_for_tiles if rows.dtype == types.uint32 else _columns_for_blas


@overload(multiply)
def _choose_multiply(rows, chosen, columns):  # type: ignore[no-untyped-def]
    return _multiply_by_tiles if rows.dtype == types.uint32 else _multiply_by_blas


def _columns_for_blas(rows, heads, start, stop):  # type: ignore[no-untyped-def]
    return heads[start:stop].T


def _multiply_by_blas(rows, chosen, columns):  # type: ignore[no-untyped-def]
    here = rows[chosen]
    here[:, -1] = 1
    return np.dot(here, columns)


def _columns_for_tiles(rows, heads, start, stop):  # type: ignore[no-untyped-def]
    """Pairs of factors of 16 heads side by side, then the next pairs of these; and what sums begin with."""
    bits, width = heads.view(np.uint32), heads.shape[1] - 1
    n_columns = -(-(stop - start) // _BLOCK) * _BLOCK
    pairs = np.zeros((n_columns // _SIDE, -(-width // _BLOCK) * _SIDE, _SIDE), np.uint32)
    initial = np.full(n_columns, -np.inf, np.float32)
    for j in range(stop - start):
        group, place = divmod(j, _SIDE)
        for pair in range(width // 2):
            pairs[group, pair, place] = (bits[start + j, 2 * pair] >> 16) | (bits[start + j, 2 * pair + 1] & 0xFFFF0000)
        if width % 2:
            pairs[group, width // 2, place] = bits[start + j, width - 1] >> 16
        initial[j] = heads[start + j, width]
    return pairs, initial


def _multiply_by_tiles(rows, chosen, columns):  # type: ignore[no-untyped-def]
    pairs, initial = columns
    width = rows.shape[1] - 1
    here = np.zeros((-(-len(chosen) // _BLOCK) * _BLOCK, 2 * pairs.shape[1]), np.uint16)
    for r in range(len(chosen)):
        row = chosen[r]
        for d in range(width):
            here[r, d] = rows[row, d] >> np.uint32(16)
    sums = np.empty((len(here), len(initial)), np.float32)
    _multiply_blocks(_LAYOUT, here, pairs, initial, sums)
    return sums[: len(chosen)]


@intrinsic
def _multiply_blocks(context, layout, here, pairs, initial, sums):  # type: ignore[no-untyped-def]
    """Fill the sums, 32 rows and columns at a time: four tiles (0 to 3) from two of rows (4, 5) and two of columns."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kinds, number = signature.args, partial(ir.Constant, ir.IntType(64))
        arrays = [
            context.make_array(kind)(context, builder, array) for kind, array in zip(kinds, arguments, strict=True)
        ]
        layout, here, pairs, initial, sums = (builder.ptrtoint(array.data, ir.IntType(64)) for array in arrays)
        row_bytes, sums_bytes = (unpack_tuple(builder, arrays[which].strides)[0] for which in (1, 4))
        n_rows, n_columns = unpack_tuple(builder, arrays[4].shape)

        def at(address, *steps):  # type: ignore[no-untyped-def]
            for count, size in steps:
                address = builder.add(address, builder.mul(count, size))
            return builder.inttoptr(address, ir.PointerType(ir.IntType(8)))

        def instruct(name, *operands):  # type: ignore[no-untyped-def]
            operands = [ir.Constant(ir.IntType(8), tile) if isinstance(tile, int) else tile for tile in operands]
            kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
            builder.call(get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), operands)

        instruct("ldtilecfg", at(layout))
        with _loop(builder, n_rows, _BLOCK) as r, _loop(builder, n_columns, _BLOCK) as c:
            for tile in range(4):
                instruct("tileloadd64", tile, at(initial, (c, number(4)), (number(tile % 2), number(64))), number(0))
            with _loop(builder, row_bytes, 64) as d:
                for half in range(2):
                    beside = number(_SIDE * half)
                    row_tile = at(here, (builder.add(r, beside), row_bytes), (d, number(1)))
                    instruct("tileloadd64", 4 + half, row_tile, row_bytes)
                    column_tile = at(pairs, (builder.add(c, beside), row_bytes), (d, number(_SIDE)))
                    instruct("tileloadd64", 6 + half, column_tile, number(64))
                for tile in range(4):
                    instruct("tdpbf16ps", tile, 4 + tile // 2, 6 + tile % 2)
            for tile in range(4):
                row, column = builder.add(r, number(_SIDE * (tile // 2))), builder.add(c, number(_SIDE * (tile % 2)))
                instruct("tilestored64", tile, at(sums, (row, sums_bytes), (column, number(4))), sums_bytes)
        instruct("tilerelease")
        return context.get_dummy_value()

    return types.void(layout, here, pairs, initial, sums), emit


@contextmanager
def _loop(builder: ir.IRBuilder, stop: ir.Value, step: int) -> Iterator[ir.Value]:
    """Emit a loop over 0, step, ... below stop; gives the number."""
    first, by = (ir.Constant(stop.type, value) for value in (0, step))
    with for_range_slice(builder, first, stop, by) as (index, _):
        yield index
