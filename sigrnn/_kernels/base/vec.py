"""Numbers: scalars, or SIMD vectors whose lanes are channels or time segments.

Numba has no vector type, and LLVM does not vectorise a recurrence, so this file adds the type `Vec`. Code is written
once for "a number like `zero`": `load(array, i, zero)` reads a scalar or a vector, `stack(n, zero)` keeps n of them in
registers, and `+ - *` work for both. A vector may be wider than the hardware's (LLVM splits it): the same source serves
AVX, AVX-512 and NEON. With `fused`, a product and a sum may be rounded once (FMA); without, they round as in SciPy.

Loads and stores check no bounds and take no strides. They convert float32 memory to float64 numbers and back.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from sigrnn._kernels.sizes import LINE_BYTES

ELEMENT = {types.float64: ir.DoubleType(), types.float32: ir.FloatType()}
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vec(types.Type):
    """`width` float64 (or float32) numbers in registers; `fused` ones may use FMA."""

    def __init__(self, width: int, fused: bool, element: Any = types.float64) -> None:
        self.width, self.fused, self.element = width, fused, element
        super().__init__(f"Vec({width}, {'fused' if fused else 'exact'}, {element})")

    @property
    def key(self) -> Any:
        return self.width, self.fused, self.element


def vector(width: int, element: Any = types.float64) -> ir.VectorType:
    return ir.VectorType(ELEMENT[element], width)


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vec: Vec) -> None:
        super().__init__(manager, vec, vector(vec.width, vec.element))


def _register(op: Any, instruction: str) -> None:
    @type_callable(op)
    def same_vectors(context: Any) -> Any:
        def result(a: Any, b: Any) -> Any:
            vec = a if isinstance(a, Vec) else b
            return vec if isinstance(vec, Vec) and {a, b} <= {vec, types.float64} else None

        return result

    @lower_builtin(op, Vec, Vec)
    @lower_builtin(op, Vec, types.Float)
    @lower_builtin(op, types.Float, Vec)
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vec = signature.return_type
        both = [filled(context, builder, v, kind, vec) for v, kind in zip(args, signature.args, strict=True)]
        return getattr(builder, instruction)(*both, flags=["contract"] if vec.fused else [])


for _op, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _register(_op, _instruction)


def filled(context: Any, builder: Any, value: Any, kind: Any, vec: Vec) -> Any:
    """A vector unchanged; a scalar is copied to every lane."""
    if isinstance(kind, Vec):
        return value
    return _spread(builder, context.cast(builder, value, kind, vec.element), vec.width)


def _spread(builder: Any, scalar: Any, width: int) -> Any:
    empty = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
    one = builder.insert_element(empty, scalar, I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(I32, width), [0] * width))


@intrinsic(prefer_literal=True)
def lanes(typing: Any, width: Any, fused: Any) -> Any:
    """Zero, as a vector of `width` lanes; the arguments are literals. Other functions take it as a pattern."""
    vec = Vec(width.literal_value, bool(fused.literal_value))

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(vector(vec.width), [0.0] * vec.width)

    return vec(width, fused), emit


@intrinsic(prefer_literal=True)
def lanes_of(typing: Any, width: Any, array: Any) -> Any:
    """Zero, as a fused vector of `width` lanes (a literal) with the dtype of an array, float32 or float64."""
    vec = Vec(width.literal_value, True, array.dtype)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(vector(vec.width, vec.element), [0.0] * vec.width)

    return vec(width, array), emit


@intrinsic
def spread(typing: Any, scalar: Any, like: Any) -> Any:
    """A scalar as a number like `like`: copied to every lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return filled(context, builder, args[0], scalar, like) if isinstance(like, Vec) else args[0]

    return (like if isinstance(like, Vec) else scalar)(scalar, like), emit


@intrinsic(prefer_literal=True)
def stack(typing: Any, count: Any, like: Any) -> Any:
    """Stack memory for `count` numbers (a literal); LLVM moves it to registers if all indices are constants."""
    if not isinstance(count, types.IntegerLiteral):
        return None

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.alloca_once(builder, context.get_data_type(like), size=I64(count.literal_value))

    return types.CPointer(like)(count, like), emit


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Address of the first element of an array."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), emit


@intrinsic
def offset(typing: Any, at: Any, i: Any) -> Any:
    """The address `i` elements later."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return at(at, types.intp), emit


def read(builder: Any, address: Any, element: Any, width: int, wanted: Any = types.float64) -> Any:
    address = builder.bitcast(address, vector(width, element).as_pointer())
    value = builder.load(address, align=element.bitwidth // 8)
    return value if element == wanted else builder.fpext(value, vector(width))


def _write(builder: Any, address: Any, element: Any, value: Any) -> None:
    kind = vector(value.type.count, element)
    if value.type != kind:
        value = builder.fptrunc(value, kind)
    builder.store(value, builder.bitcast(address, kind.as_pointer()), align=element.bitwidth // 8)


@intrinsic
def load(typing: Any, at: Any, i: Any, like: Any) -> Any:
    """Read a number like `like`, from element `i`."""
    number = like if isinstance(like, Vec) else at.dtype

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.gep(args[0], [args[1]])
        if isinstance(like, Vec):
            return read(builder, address, at.dtype, like.width, like.element)
        return builder.load(address)

    return number(at, types.intp, like), emit


@intrinsic
def store(typing: Any, at: Any, i: Any, value: Any) -> Any:
    """Write a number, from element `i`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.gep(args[0], [args[1]])
        if isinstance(value, Vec):
            _write(builder, address, at.dtype, args[2])
        else:
            builder.store(context.cast(builder, args[2], value, at.dtype), address)
        return context.get_dummy_value()

    return types.void(at, types.intp, value), emit


@intrinsic
def store_past(typing: Any, at: Any, i: Any, value: Any) -> Any:
    """Non-temporal store of float64 numbers that are not read again soon; `at` and `i` are aligned to cache lines.

    An ordinary store to uncached memory first reads the line. `settle` makes this one visible to other threads.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.bitcast(builder.gep(args[0], [args[1]]), vector(value.width).as_pointer())
        written = builder.store(args[2], address, align=LINE_BYTES)
        written.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))
        return context.get_dummy_value()

    return types.void(at, types.intp, value), emit


@intrinsic
def settle(typing: Any) -> Any:
    """Store fence: earlier stores are visible to all threads."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def total(typing: Any, x: Any) -> Any:
    """The sum of all lanes (their number is a power of two), by adding halves."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (value,) = args
        while value.type.count > 1:
            half = value.type.count // 2
            ends = [ir.Constant(ir.VectorType(I32, half), list(range(k, k + half))) for k in (0, half)]
            value = builder.fadd(*(builder.shuffle_vector(value, value, lanes) for lanes in ends))
        return builder.extract_element(value, I32(0))

    return x.element(x), emit


def _prefetch(level: int) -> Any:
    def prefetch(typing: Any, at: Any, i: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            builder.call(function, [address, I32(0), I32(level), I32(1)])
            return context.get_dummy_value()

        return types.void(at, types.intp), emit

    return intrinsic(prefetch)


prefetch = _prefetch(3)  # prefetches the cache line of element `i`, which may lie outside the array
prefetch_later = _prefetch(2)  # the same, but not into the first-level cache


# ------------------------------------------------------------- operations of exponentials, for scalars and vectors


def _element(kind: Any) -> Any:
    return kind.element if isinstance(kind, ir.VectorType) else kind


class Bits(NamedTuple):
    """The binary format of a floating-point type."""

    integer: Any  # the integer type of the same size and lanes
    fraction: int  # bits of the fraction
    bias: int  # of the exponent
    round: int  # bits of ROUND, or ROUND_SINGLE

    def constant(self, value: int) -> Any:
        many = isinstance(self.integer, ir.VectorType)
        return ir.Constant(self.integer, [value] * self.integer.count if many else value)


def _bits(kind: Any) -> Bits:
    single = _element(kind) == ir.FloatType()
    integer = I32 if single else I64
    integer = ir.VectorType(integer, kind.count) if isinstance(kind, ir.VectorType) else integer
    if single:
        return Bits(integer, 23, 127, int(np.float32(ROUND_SINGLE).view(np.int32)))
    return Bits(integer, 52, 1023, int(np.float64(ROUND).view(np.int64)))


def _call(builder: Any, name: str, args: Any) -> Any:
    """Call an LLVM intrinsic for numbers of one type."""
    kind = args[0].type
    lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    suffix = lanes + ("f32" if _element(kind) == ir.FloatType() else "f64")
    function = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, f"{name}.{suffix}"), args)


@intrinsic
def choose(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """`yes` where a < b, else `no` (also for NaN). Scalars are copied to every lane."""
    kinds = a, b, yes, no
    result = next((kind for kind in kinds if isinstance(kind, Vec)), types.float64)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if isinstance(result, Vec):
            both = zip(args, kinds, strict=True)
            args = [filled(context, builder, v, kind, result) for v, kind in both]
        return builder.select(builder.fcmp_ordered("<", *args[:2]), *args[2:])

    return result(*kinds), emit


@intrinsic
def width(typing: Any, x: Any) -> Any:
    """The number of lanes; 1 for a scalar."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return I64(x.width if isinstance(x, Vec) else 1)

    return types.intp(x), emit


@intrinsic
def magnitude(typing: Any, x: Any) -> Any:
    """|x|."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.fabs", args)

    return x(x), emit


@intrinsic
def fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once on any processor; all of one type."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.fma", args)

    return a(a, b, c), emit


@intrinsic
def signed(typing: Any, x: Any, like: Any) -> Any:
    """|x| with the sign of `like`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.copysign", args)

    return x(x, like), emit


ROUND, ROUND_SINGLE = 1.5 * 2.0**52, 1.5 * 2.0**23  # x + ROUND holds x, rounded to an integer, in its lowest bits


@intrinsic
def power_of_two(typing: Any, n: Any) -> Any:
    """2^k for n = k + ROUND, a normal number."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = _bits(args[0].type)
        k = builder.add(builder.bitcast(args[0], bits.integer), bits.constant(bits.bias - bits.round))
        return builder.bitcast(builder.shl(k, bits.constant(bits.fraction)), args[0].type)

    return n(n), emit


@intrinsic
def whole(typing: Any, n: Any) -> Any:
    """k as an index, for n = k + ROUND, a scalar or a vector of one."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.extract_element(args[0], I32(0)) if isinstance(n, Vec) else args[0], I64)
        return builder.sub(bits, I64(_bits(ir.DoubleType()).round))

    return types.intp(n), emit


@intrinsic
def shrunk(typing: Any, x: Any, n: Any) -> Any:
    """x 2^k for n = k + ROUND, 0 >= k > -2046 (float32: -254), in two steps: the result may be subnormal or zero."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = _bits(args[0].type)
        down = builder.sub(bits.constant(bits.round), builder.bitcast(args[1], bits.integer))
        half = builder.lshr(down, bits.constant(1))
        result = args[0]
        for part in (half, builder.sub(down, half)):
            power = builder.shl(builder.sub(bits.constant(bits.bias), part), bits.constant(bits.fraction))
            result = builder.fmul(result, builder.bitcast(power, args[0].type))
        return result

    return x(x, n), emit


ROWS = 4  # a 4 x 4 transpose is as fast as 8 x 8 with AVX-512 (0.25 against 0.25-0.35 ns a sample) and native to AVX2


@intrinsic
def transpose(typing: Any, source: Any, i: Any, stride: Any, target: Any, j: Any, step: Any) -> Any:
    """target[j + n step + k] = source[i + k stride + n] for k, n < 4: four rows become four columns."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source_at, i_, stride_, target_at, j_, step_ = args
        rows = []
        for _ in range(ROWS):
            rows.append(read(builder, builder.gep(source_at, [i_]), source.dtype, ROWS))
            i_ = builder.add(i_, stride_)
        for column in _transposed(builder, rows):
            _write(builder, builder.gep(target_at, [j_]), target.dtype, column)
            j_ = builder.add(j_, step_)
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, target, size, size), emit


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Swap off-diagonal blocks of size 1, then of size 2 (Eklundh's transpose)."""
    rows, n = list(rows), len(rows)
    for s in (1 << e for e in range(n.bit_length() - 1)):
        low = ir.Constant(ir.VectorType(I32, n), [n + j - s if j & s else j for j in range(n)])
        high = ir.Constant(ir.VectorType(I32, n), [n + j if j & s else j + s for j in range(n)])
        for i in (i for i in range(n) if not i & s):
            a, b = rows[i], rows[i + s]
            rows[i], rows[i + s] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
    return rows
