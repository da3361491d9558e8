"""Products of bfloat16 numbers: by the matrix tiles of a CPU that has such (Intel's AMX), by BLAS on others.

A bfloat16 is the upper half of a float32: 8 binary digits. Two of them are kept in a word, which halves the memory that
a search has to read. Tiles multiply such words as they are, and sum in float32, several times as fast as BLAS; for
BLAS they become float32 again. Both give the same products, up to the rounding of sums. The type of the rows says which
it is, so compiled code that is kept for one is not taken for the other.
"""

import ctypes
import platform
from functools import partial

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.cgutils import get_or_insert_function, unpack_tuple
from numba.extending import intrinsic, overload

from cdp.jit import njit
from cdp.knn.instructions import (
    LANES,
    WIDTH,
    copy_row,
    copy_transposed,
    loop,
    sum_of_products,
    sum_of_squared_differences,
)

UNIT_ROUNDOFF = 2.0**-8  # of bfloat16: rounding changes a number by this part of it, at most
_SIDE = LANES  # rows and columns of a tile of sums, words in a row of a tile; `WIDTH` are multiplied at a time
_LAYOUT = np.zeros(64, np.uint8)  # what the CPU is told: all of its tiles have 16 rows of 64 bytes
_LAYOUT[0], _LAYOUT[16:32:2], _LAYOUT[48:56] = 1, 64, _SIDE
_HALF, _UPPER = np.uint32(16), np.uint32(0xFFFF0000)


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


def packed(values: np.ndarray) -> np.ndarray:
    """Values rounded to the nearest bfloat16, two in a word.

    Parameters
    ----------
    values : ndarray of shape (n, m), float
        Below 3e38.

    Returns
    -------
    ndarray of shape (n, m / 2, rounded up), uint32
        The first of each two is the lower half of its word. What there is more is 0.
    """
    words = np.zeros((len(values), -(-values.shape[1] // 2)), np.uint32)
    _pack(np.ascontiguousarray(values, np.float32), words)
    return words


def unpacked(words: np.ndarray) -> np.ndarray:
    """The numbers in words; float32, twice as many columns."""
    return unpacked_rows(words, np.arange(len(words)))


def with_first(words: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows of words, the first number of each of which is replaced."""
    words = words.copy()
    words[:, 0] = (words[:, 0] & _UPPER) | packed(values[:, None])[:, 0]
    return words


@njit
def unpacked_rows(words, rows):  # type: ignore[no-untyped-def]
    """The numbers in some rows of words."""
    values = np.empty((len(rows), 2 * words.shape[1]), np.float32)
    _unpack(words, rows, values, 0)
    return values


@njit
def lower(word):  # type: ignore[no-untyped-def]
    """The first number in a word."""
    return np.uint32(word << _HALF).view(np.float32)


@njit
def upper(word):  # type: ignore[no-untyped-def]
    """The second number in a word."""
    return np.uint32(word & _UPPER).view(np.float32)


@njit
def product(a, i, b, j):  # type: ignore[no-untyped-def]
    """The product of a row of words with another."""
    return sum_of_products(a, i, b, j)


@njit
def closeness(queries, i, vectors, j):  # type: ignore[no-untyped-def]
    """The score of the j-th vector for the i-th query: minus half the squared distance, which loses no digits."""
    return sum_of_squared_differences(queries, i, vectors, j) / np.float32(-2)


def rows_of(heads: np.ndarray, *, tiles: bool = TILES) -> np.ndarray:
    """Heads, or other words, as `multiply` takes them for rows, not copied: of a type that tells tiles from BLAS."""
    return heads if tiles else heads.view(np.int32)


def columns_of(rows, sources, halves, start, stop):  # type: ignore[no-untyped-def]
    """Heads from `start` to `stop` as `multiply` takes them for columns beside such rows; in compiled code only.

    Words come from several arrays, one after the other, which have at least as many as rows have.
    """
    raise NotImplementedError


def multiply(rows, chosen, columns):  # type: ignore[no-untyped-def]
    """Products of heads less what is given for the columns; in compiled code only.

    Parameters
    ----------
    rows : ndarray of shape (n, w), uint32 for tiles or int32 for BLAS
        From `rows_of`.
    chosen : ndarray of shape (m,), int
        Which of them.
    columns
        From `columns_of` heads and numbers that are subtracted (`halves`).

    Returns
    -------
    ndarray of shape (m, number of columns, rounded up to a multiple of `WIDTH`), float32
        What there is more is -inf.
    """
    raise NotImplementedError


@overload(columns_of)
def _choose_columns_of(rows, sources, halves, start, stop):  # type: ignore[no-untyped-def]
    return _columns_for_tiles if rows.dtype == types.uint32 else _columns_for_blas


@overload(multiply)
def _choose_multiply(rows, chosen, columns):  # type: ignore[no-untyped-def]
    return _multiply_by_tiles if rows.dtype == types.uint32 else _multiply_by_blas


@njit
def _pack(values, words):  # type: ignore[no-untyped-def]
    bits, width = values.view(np.uint32), values.shape[1]
    for i in range(len(words)):
        for w in range(width // 2):
            words[i, w] = (_nearest(bits[i, 2 * w]) >> _HALF) | (_nearest(bits[i, 2 * w + 1]) & _UPPER)
        if width % 2:
            words[i, width // 2] = _nearest(bits[i, width - 1]) >> _HALF


@njit
def _nearest(bits):  # type: ignore[no-untyped-def]
    """Bits of a float32 whose upper half is the nearest bfloat16; of two such, that which ends in 0."""
    return bits + np.uint32(0x7FFF) + ((bits >> _HALF) & np.uint32(1))


@njit
def _unpack(words, rows, values, first):  # type: ignore[no-untyped-def]
    """Numbers in some rows of words, to the place of word `first` and those after, as far as there is room."""
    for i in range(len(rows)):
        for w in range(min(words.shape[1], values.shape[1] // 2 - first)):
            word, place = words[rows[i], w], 2 * (first + w)
            values[i, place], values[i, place + 1] = lower(word), upper(word)


def _columns_for_blas(rows, sources, halves, start, stop):  # type: ignore[no-untyped-def]
    n, first = stop - start, 0
    columns = np.zeros((-(-n // WIDTH) * WIDTH, 2 * rows.shape[1] + 1), np.float32)
    for words in sources:
        _unpack(words, np.arange(start, stop), columns, first)
        first += words.shape[1]
    columns[:n, -1] = -halves[start:stop]
    columns[n:, -1] = -np.inf
    return columns.T


def _multiply_by_blas(rows, chosen, columns):  # type: ignore[no-untyped-def]
    here = np.ones((len(chosen), len(columns)), np.float32)
    _unpack(rows.view(np.uint32), chosen, here, 0)
    return np.dot(here, columns)


def _columns_for_tiles(rows, sources, halves, start, stop):  # type: ignore[no-untyped-def]
    """The first words of 16 heads side by side, then the next words of these; and what sums begin with."""
    n_columns = -(-(stop - start) // WIDTH) * WIDTH
    groups, width = n_columns // _SIDE, -(-rows.shape[1] // _SIDE) * _SIDE
    columns = _at_a_line(groups * width * _SIDE).reshape((groups, width, _SIDE))
    columns[:, rows.shape[1] :] = 0  # what lies there may be no number, and stay so if multiplied by 0
    for group in range(groups):
        first = 0
        for words in sources:
            copy_transposed(columns, group, first, words, start + group * _SIDE, stop)
            first += words.shape[1]
    initial = _at_a_line(n_columns).view(np.float32)
    initial[:] = -np.inf
    for j in range(stop - start):
        initial[j] = -halves[start + j]
    return columns, initial


def _multiply_by_tiles(rows, chosen, columns):  # type: ignore[no-untyped-def]
    words, initial = columns
    n_rows, width = -(-len(chosen) // WIDTH) * WIDTH, words.shape[1]
    here = _at_a_line(n_rows * width).reshape((n_rows, width))
    for r in range(len(chosen)):
        copy_row(here, r, rows, chosen[r])
    sums = _at_a_line(n_rows * len(initial)).view(np.float32).reshape((n_rows, len(initial)))
    _multiply_blocks(_LAYOUT, here, words, initial, sums)
    return sums[: len(chosen)]


@njit
def _at_a_line(n):  # type: ignore[no-untyped-def]
    """So many words, not filled; rows of tiles in them lie in one line of the CPU's caches each, not in two."""
    words = np.empty(n + _SIDE - 1, np.uint32)
    first = -(words.ctypes.data // 4) % _SIDE
    return words[first : first + n]


@intrinsic
def _multiply_blocks(context, layout, here, words, initial, sums):  # type: ignore[no-untyped-def]
    """Fill the sums, 32 rows and columns at a time: four tiles (0 to 3) from two of rows (4, 5) and two of columns."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kinds, number = signature.args, partial(ir.Constant, ir.IntType(64))
        arrays = [
            context.make_array(kind)(context, builder, array) for kind, array in zip(kinds, arguments, strict=True)
        ]
        layout, here, words, initial, sums = (builder.ptrtoint(array.data, ir.IntType(64)) for array in arrays)
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
        with loop(builder, n_rows, WIDTH) as r, loop(builder, n_columns, WIDTH) as c:
            for tile in range(4):
                instruct("tileloadd64", tile, at(initial, (c, number(4)), (number(tile % 2), number(64))), number(0))
            with loop(builder, row_bytes, 64) as d:
                for half in range(2):
                    beside = number(_SIDE * half)
                    row_tile = at(here, (builder.add(r, beside), row_bytes), (d, number(1)))
                    instruct("tileloadd64", 4 + half, row_tile, row_bytes)
                    column_tile = at(words, (builder.add(c, beside), row_bytes), (d, number(_SIDE)))
                    instruct("tileloadd64", 6 + half, column_tile, number(64))
                for tile in range(4):
                    instruct("tdpbf16ps", tile, 4 + tile // 2, 6 + tile % 2)
            for tile in range(4):
                row, column = builder.add(r, number(_SIDE * (tile // 2))), builder.add(c, number(_SIDE * (tile % 2)))
                instruct("tilestored64", tile, at(sums, (row, sums_bytes), (column, number(4))), sums_bytes)
        instruct("tilerelease")
        return context.get_dummy_value()

    return types.void(layout, here, words, initial, sums), emit
