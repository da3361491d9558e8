"""Instructions for many numbers at a time, and for single bits, that numba has no words for; in compiled code only.

Loops that numba compiles work on many numbers at a time too, but on what is left of a row one by one, which for the
short rows of a search takes most of the time. Arrays are C-contiguous, of items of 4 bytes. For matrix tiles see
`cdp.knn.products`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once_value, for_range_slice, get_or_insert_function, unpack_tuple
from numba.extending import intrinsic

LANES = 16  # items of a row that are added, multiplied or copied at a time
WIDTH = 2 * LANES  # numbers that are compared at a time
_BYTES = 4  # of an item
_INTEGER, _FLOAT, _ADDRESS, _POINTER = ir.IntType(32), ir.FloatType(), ir.IntType(64), ir.PointerType()
_INTEGERS, _FLOATS = ir.VectorType(_INTEGER, LANES), ir.VectorType(_FLOAT, LANES)


@contextmanager
def loop(builder: ir.IRBuilder, stop: ir.Value, step: int) -> Iterator[ir.Value]:
    """Emit a loop over 0, step, ... below stop; gives the number."""
    first, by = (ir.Constant(stop.type, value) for value in (0, step))
    with for_range_slice(builder, first, stop, by) as (index, _):
        yield index


@intrinsic
def sum_of_products(context, a, i, b, j):  # type: ignore[no-untyped-def]
    """The sum of the products of the numbers in two rows of words (see `cdp.knn.products.packed`)."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        half, upper = (ir.Constant(_INTEGERS, [value] * LANES) for value in (16, 0xFFFF0000))

        def terms(x, y):  # type: ignore[no-untyped-def]
            yield builder.shl(x, half), builder.shl(y, half)
            yield builder.and_(x, upper), builder.and_(y, upper)

        return _summed(context, builder, signature, arguments, terms)

    return types.float32(a, types.int64, b, types.int64), emit


@intrinsic
def sum_of_squared_differences(context, a, i, b, j):  # type: ignore[no-untyped-def]
    """The squared distance of two rows of float32 numbers."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        def terms(x, y):  # type: ignore[no-untyped-def]
            x, y = (builder.bitcast(values, _FLOATS) for values in (x, y))
            yield (builder.fsub(x, y),) * 2

        return _summed(context, builder, signature, arguments, terms)

    return types.float32(a, types.int64, b, types.int64), emit


@intrinsic
def copy_row(context, to, i, rows, j):  # type: ignore[no-untyped-def]
    """Copy a row of words to one that is as long or longer, a multiple of `LANES`, and fill the rest with 0."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        there, width = _row(context, builder, signature.args[0], *arguments[:2])
        here, length = _row(context, builder, signature.args[2], *arguments[2:])
        with loop(builder, width, LANES) as place:
            words = _load_some(builder, _at(builder, here, place), builder.sub(length, place))
            builder.store(words, _at(builder, there, place), align=_BYTES)
        return context.get_dummy_value()

    return types.void(to, types.int64, rows, types.int64), emit


@intrinsic
def copy_transposed(context, to, i, first, rows, start, stop):  # type: ignore[no-untyped-def]
    """Copy the `LANES` rows of words from `start` on to `to[i, first:]`: the first word of each, then the second, ...

    `to` is of shape (n, words, `LANES`). Words for which it has no room are left out; rows from `stop` on, and what
    words rows lack to a multiple of `LANES`, become 0.
    """

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        there, room = _row(context, builder, signature.args[0], *arguments[:2])
        first, (start, stop), none = arguments[2], arguments[4:], ir.Constant(_ADDRESS, 0)
        _, width = _row(context, builder, signature.args[3], arguments[3], start)
        free = builder.sub(room, first)
        with loop(builder, builder.select(builder.icmp_signed("<", width, free), width, free), LANES) as place:
            block = []
            for lane in range(LANES):
                row = builder.add(start, ir.Constant(_ADDRESS, lane))
                here, length = _row(context, builder, signature.args[3], arguments[3], row)
                left = builder.select(builder.icmp_signed("<", row, stop), builder.sub(length, place), none)
                block.append(_load_some(builder, _at(builder, here, place), left))
            for lane, words in enumerate(_transposed(builder, block)):
                word = builder.add(builder.add(first, place), ir.Constant(_ADDRESS, lane))
                pointer = _at(builder, there, builder.mul(word, ir.Constant(_ADDRESS, LANES)))
                with builder.if_then(builder.icmp_signed("<", word, room)):
                    builder.store(words, pointer, align=_BYTES)
        return context.get_dummy_value()

    return types.void(to, types.int64, types.int64, rows, types.int64, types.int64), emit


@intrinsic
def above(context, sums, row, column, least):  # type: ignore[no-untyped-def]
    """Which of the `WIDTH` numbers of a row from a column on are above the least: a word of that many bits."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        start, _ = _row(context, builder, signature.args[0], *arguments[:2])
        kind = ir.VectorType(_FLOAT, WIDTH)
        numbers = builder.load(_at(builder, start, arguments[2]), align=_BYTES, typ=kind)
        return builder.bitcast(
            builder.fcmp_ordered(">", numbers, _all(builder, arguments[3], WIDTH)), ir.IntType(WIDTH)
        )

    return types.uint32(sums, types.int64, types.int64, types.float32), emit


@intrinsic
def prefetch(context, rows, row):  # type: ignore[no-untyped-def]
    """Have a row of an array, of numbers of 4 bytes, brought into the CPU's caches, and do not wait for it."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        start, length = _row(context, builder, signature.args[0], *arguments)
        kind = ir.FunctionType(ir.VoidType(), [_POINTER, _INTEGER, _INTEGER, _INTEGER])
        instruction = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with loop(builder, length, LANES) as place:
            builder.call(instruction, [_at(builder, start, place), *(ir.Constant(_INTEGER, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(rows, types.int64), emit


@intrinsic
def lowest_bit(context, bits):  # type: ignore[no-untyped-def]
    """Place of the lowest bit that is set; one is."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        place = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(place, ir.IntType(64))

    return types.int64(types.uint32), emit


@intrinsic
def count_bits(context, bits):  # type: ignore[no-untyped-def]
    """How many bits are set."""

    def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.zext(builder.ctpop(arguments[0]), ir.IntType(64))

    return types.int64(types.uint32), emit


def _row(context: Any, builder: ir.IRBuilder, kind: Any, rows: ir.Value, row: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The address of a row of an array, and how many items it has."""
    if kind.layout != "C" or kind.dtype.bitwidth != 8 * _BYTES:
        raise TypeError(f"rows must be of items of {_BYTES} bytes and C-contiguous, not of {kind}")
    array = context.make_array(kind)(context, builder, rows)
    stride = unpack_tuple(builder, array.strides)[0]
    start = builder.add(builder.ptrtoint(array.data, _ADDRESS), builder.mul(row, stride))
    return start, unpack_tuple(builder, array.shape)[1]


def _at(builder: ir.IRBuilder, start: ir.Value, place: ir.Value) -> ir.Value:
    """A pointer to a number of a row."""
    return builder.inttoptr(builder.add(start, builder.mul(place, ir.Constant(_ADDRESS, _BYTES))), _POINTER)


def _all(builder: ir.IRBuilder, value: ir.Value, count: int) -> ir.Value:
    """A value so many times."""
    kind, places = ir.VectorType(value.type, count), ir.Constant(ir.VectorType(_INTEGER, count), [0] * count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INTEGER, 0))
    return builder.shuffle_vector(first, first, places)


def _load_some(builder: ir.IRBuilder, pointer: ir.Value, left: ir.Value) -> ir.Value:
    """Up to `LANES` words, as many as are left, and zeros."""
    places = ir.Constant(ir.VectorType(_ADDRESS, LANES), list(range(LANES)))
    are_there = builder.icmp_signed("<", places, _all(builder, left, LANES))
    kind = ir.FunctionType(_INTEGERS, [pointer.type, _INTEGER, are_there.type, _INTEGERS])
    load = get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}i32.p0")
    zeros = ir.Constant(_INTEGERS, [0] * LANES)
    return builder.call(load, [pointer, ir.Constant(_INTEGER, _BYTES), are_there, zeros])


def _transposed(builder: ir.IRBuilder, block: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square block: items, twos, fours and halves of rows change places across the diagonal."""
    lanes, rows = range(LANES), list(block)
    for step in (1, 2, 4, 8):
        upper = [LANES + lane - step if lane & step else lane for lane in lanes]
        lower = [LANES + lane if lane & step else lane + step for lane in lanes]
        for row in (lane for lane in lanes if not lane & step):
            pair = rows[row], rows[row + step]
            rows[row], rows[row + step] = (
                builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(_INTEGER, LANES), places))
                for places in (upper, lower)
            )
    return rows


def _summed(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, terms: Any) -> ir.Value:
    """The sum of products of factors that `terms` makes of `LANES` items of each row at a time."""
    a, length = _row(context, builder, signature.args[0], *arguments[:2])
    b, _ = _row(context, builder, signature.args[2], *arguments[2:])
    total = alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * LANES))

    def add(x: ir.Value, y: ir.Value) -> None:
        for factors in terms(x, y):
            product = builder.fmul(*(builder.bitcast(values, _FLOATS) for values in factors), flags=("contract",))
            builder.store(builder.fadd(builder.load(total, typ=_FLOATS), product, flags=("contract",)), total)

    whole = builder.and_(length, ir.Constant(length.type, -LANES))
    with loop(builder, whole, LANES) as place:
        add(*(builder.load(_at(builder, start, place), align=_BYTES, typ=_INTEGERS) for start in (a, b)))
    left = builder.sub(length, whole)
    with builder.if_then(builder.icmp_signed(">", left, ir.Constant(left.type, 0))):
        add(*(_load_some(builder, _at(builder, start, whole), left) for start in (a, b)))
    kind = ir.FunctionType(_FLOAT, [_FLOAT, _FLOATS])
    reduce = get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
    return builder.call(reduce, [ir.Constant(_FLOAT, 0.0), builder.load(total, typ=_FLOATS)], fastmath=("reassoc",))
