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
        return lambda a, b: a if isinstance(a, Vec) and a == b else None

    @lower_builtin(op, Vec, Vec)
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flags = ["contract"] if signature.return_type.fused else []
        return getattr(builder, instruction)(*args, flags=flags)


for _op, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
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
