"""What a number is: a scalar, or a SIMD vector whose lanes are channels or time blocks.

Numba has no vector type and LLVM does not vectorise a recurrence, so this file adds one, `Vec`. Code is written once
over "a number like `zero`": `load(array, i, zero)` reads a scalar or a vector, `stack(n, zero)` keeps n of them in
registers, `+ - *` work on both. A width beyond the hardware's is legal (LLVM splits it), the same source serves AVX,
AVX-512 and NEON. `fused` says whether products and sums may round once (FMA) or must round as SciPy's do.

Loads and stores know no bounds and no strides; they convert float32 memory to float64 numbers and back.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

ELEMENT = {types.float64: ir.DoubleType(), types.float32: ir.FloatType()}
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vec(types.Type):
    """`width` float64 numbers that live in registers; `fused` ones may use FMA."""

    def __init__(self, width: int, fused: bool) -> None:
        self.width, self.fused = width, fused
        super().__init__(f"Vec({width}, {'fused' if fused else 'exact'})")

    @property
    def key(self) -> Any:
        return self.width, self.fused


def vector(width: int, element: Any = types.float64) -> ir.VectorType:
    return ir.VectorType(ELEMENT[element], width)


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vec: Vec) -> None:
        super().__init__(manager, vec, vector(vec.width))


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
        both = [
            _spread(builder, v, vec.width) if kind == types.float64 else v
            for v, kind in zip(args, signature.args, strict=True)
        ]
        return getattr(builder, instruction)(*both, flags=["contract"] if vec.fused else [])


for _op, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _register(_op, _instruction)


def _spread(builder: Any, scalar: Any, width: int) -> Any:
    empty = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
    one = builder.insert_element(empty, scalar, I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(I32, width), [0] * width))


@intrinsic(prefer_literal=True)
def lanes(typing: Any, width: Any, fused: Any) -> Any:
    """Zero, as a vector of `width` lanes (literal); `fused` literal too. It serves as the pattern for other calls."""
    vec = Vec(width.literal_value, bool(fused.literal_value))

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(vector(vec.width), [0.0] * vec.width)

    return vec(width, fused), emit


@intrinsic
def spread(typing: Any, scalar: Any, like: Any) -> Any:
    """The scalar as a number like `like`: the same in every lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = context.cast(builder, args[0], scalar, types.float64) if isinstance(like, Vec) else args[0]
        return _spread(builder, value, like.width) if isinstance(like, Vec) else value

    return (like if isinstance(like, Vec) else scalar)(scalar, like), emit


@intrinsic(prefer_literal=True)
def stack(typing: Any, count: Any, like: Any) -> Any:
    """Room for `count` numbers (a literal) on the stack; LLVM moves it to registers where indices are constants."""
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
    """Address `i` elements further on."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return at(at, types.intp), emit


def _read(builder: Any, address: Any, element: Any, width: int) -> Any:
    address = builder.bitcast(address, vector(width, element).as_pointer())
    value = builder.load(address, align=element.bitwidth // 8)
    return builder.fpext(value, vector(width)) if element == types.float32 else value


def _write(builder: Any, address: Any, element: Any, value: Any) -> None:
    kind = vector(value.type.count, element)
    if element == types.float32:
        value = builder.fptrunc(value, kind)
    builder.store(value, builder.bitcast(address, kind.as_pointer()), align=element.bitwidth // 8)


@intrinsic
def load(typing: Any, at: Any, i: Any, like: Any) -> Any:
    """A number like `like` from element `i` on."""
    number = like if isinstance(like, Vec) else at.dtype

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.gep(args[0], [args[1]])
        return _read(builder, address, at.dtype, like.width) if isinstance(like, Vec) else builder.load(address)

    return number(at, types.intp, like), emit


@intrinsic
def store(typing: Any, at: Any, i: Any, value: Any) -> Any:
    """Write a number to element `i` and on."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.gep(args[0], [args[1]])
        if isinstance(value, Vec):
            _write(builder, address, at.dtype, args[2])
        else:
            builder.store(context.cast(builder, args[2], value, at.dtype), address)
        return context.get_dummy_value()

    return types.void(at, types.intp, value), emit


@intrinsic
def prefetch(typing: Any, at: Any, i: Any) -> Any:
    """Ask for the cache line of element `i`, which may lie outside the array."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(at, types.intp), emit


# ----------------------------------------------------- what polynomials of exponentials need, for scalars and vectors


def _integers(kind: Any) -> Any:
    """The integer type with as many lanes as a float64 one."""
    return ir.VectorType(I64, kind.count) if isinstance(kind, ir.VectorType) else I64


def _integer(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def _call(builder: Any, name: str, args: Any) -> Any:
    """An operation of LLVM's on numbers of one kind."""
    kind = args[0].type
    suffix = f"v{kind.count}f64" if isinstance(kind, ir.VectorType) else "f64"
    function = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, function, f"{name}.{suffix}"), args)


@intrinsic
def choose(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """Where a < b: `yes`, elsewhere, and where one of them is NaN: `no`. Floats stand for a vector of them."""
    kinds = a, b, yes, no
    result = next((kind for kind in kinds if isinstance(kind, Vec)), types.float64)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if isinstance(result, Vec):
            both = zip(args, kinds, strict=True)
            args = [v if kind == result else _spread(builder, v, result.width) for v, kind in both]
        return builder.select(builder.fcmp_ordered("<", *args[:2]), *args[2:])

    return result(*kinds), emit


@intrinsic
def width(typing: Any, x: Any) -> Any:
    """How many lanes a number has; 1 for a scalar."""

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
    """a b + c, rounded once on any processor; numbers of one kind."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.fma", args)

    return a(a, b, c), emit


@intrinsic
def signed(typing: Any, x: Any, like: Any) -> Any:
    """|x| with the sign of `like`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.copysign", args)

    return x(x, like), emit


ROUND = 1.5 * 2.0**52  # x + ROUND holds x, rounded to an integer, in its lowest bits
_ROUND_BITS = int(np.float64(ROUND).view(np.int64))
_BIAS, _FRACTION = 1023, 52  # of a float64's exponent; bits of its fraction


@intrinsic
def power_of_two(typing: Any, n: Any) -> Any:
    """2^k for n = k + ROUND, |k| < 1023."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _integers(args[0].type)
        k = builder.add(builder.bitcast(args[0], kind), _integer(kind, _BIAS - _ROUND_BITS))
        return builder.bitcast(builder.shl(k, _integer(kind, _FRACTION)), args[0].type)

    return n(n), emit


@intrinsic
def whole(typing: Any, n: Any) -> Any:
    """k as an index, for n = k + ROUND, a scalar or a vector of one."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.extract_element(args[0], I32(0)) if isinstance(n, Vec) else args[0], I64)
        return builder.sub(bits, I64(_ROUND_BITS))

    return types.intp(n), emit


@intrinsic
def shrunk(typing: Any, x: Any, n: Any) -> Any:
    """x 2^k for n = k + ROUND, -2046 < k <= 0, in two steps: it may end as zero or among the subnormal numbers."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = _integers(args[0].type)
        down = builder.sub(_integer(kind, _ROUND_BITS), builder.bitcast(args[1], kind))
        half = builder.lshr(down, _integer(kind, 1))
        result = args[0]
        for part in (half, builder.sub(down, half)):
            bits = builder.shl(builder.sub(_integer(kind, _BIAS), part), _integer(kind, _FRACTION))
            result = builder.fmul(result, builder.bitcast(bits, args[0].type))
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
            rows.append(_read(builder, builder.gep(source_at, [i_]), source.dtype, ROWS))
            i_ = builder.add(i_, stride_)
        for column in _transposed(builder, rows):
            _write(builder, builder.gep(target_at, [j_]), target.dtype, column)
            j_ = builder.add(j_, step_)
        return context.get_dummy_value()

    size = types.intp
    return types.void(source, size, size, target, size, size), emit


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Swap off-diagonal blocks of size 1, then 2: Eklundh's transpose."""
    rows, n = list(rows), len(rows)
    for s in (1 << e for e in range(n.bit_length() - 1)):
        low = ir.Constant(ir.VectorType(I32, n), [n + j - s if j & s else j for j in range(n)])
        high = ir.Constant(ir.VectorType(I32, n), [n + j if j & s else j + s for j in range(n)])
        for i in (i for i in range(n) if not i & s):
            a, b = rows[i], rows[i + s]
            rows[i], rows[i + s] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
    return rows
