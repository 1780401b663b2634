"""Operations that differ between real and complex numbers; a vector is of real ones.

They are LLVM code for a type, not functions of Numba chosen by type: each of those took 20 to 50 ms to compile, for each type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sigrnn._kernels.adaptive.sizes import NARROW, WIDE
from sigrnn._kernels.base.vec import Vec


def is_complex(x: Any) -> bool:
    """Whether a type is complex, or an address or array of complex numbers."""
    return isinstance(getattr(x, "dtype", x), types.Complex)


def part_type(x: Any) -> Any:
    """The type of the real part of a number."""
    return x.underlying_float if isinstance(x, types.Complex) else x


class Along(NamedTuple):
    """Steps go along the conjugate of the window."""


class BySigns(NamedTuple):
    """Steps go along the signs of the window, of real and imaginary parts separately."""


# LLVM code: from a builder, a value, and its type


def itself(builder: Any, value: Any, kind: Any) -> Any:
    return value


def parts(builder: Any, value: Any) -> tuple[Any, Any]:
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


def conjugated(builder: Any, value: Any, kind: Any) -> Any:
    return builder.insert_value(value, builder.fneg(parts(builder, value)[1]), 1)


def squared(builder: Any, value: Any, kind: Any) -> Any:
    flags = ["contract"] if isinstance(kind, Vec) and kind.fused else []
    return builder.fmul(value, value, flags=flags)


def squared_size(builder: Any, value: Any, kind: Any) -> Any:
    return builder.fadd(*(builder.fmul(part, part) for part in parts(builder, value)))


def is_finite(builder: Any, value: Any, kind: Any) -> Any:
    """x - x is 0 for finite x only."""
    return builder.fcmp_ordered("==", builder.fsub(value, value), ir.Constant(value.type, 0.0))


def both_finite(builder: Any, value: Any, kind: Any) -> Any:
    return builder.and_(*(is_finite(builder, part, kind) for part in parts(builder, value)))


def signed(builder: Any, value: Any, kind: Any) -> Any:
    """1, 0 or -1; 0 for NaN."""
    size = kind.width if isinstance(kind, Vec) else 0
    zero, one, minus = (ir.Constant(value.type, [x] * size if size else x) for x in (0.0, 1.0, -1.0))
    negative = builder.select(builder.fcmp_ordered("<", value, zero), minus, zero)
    return builder.select(builder.fcmp_ordered("<", zero, value), one, negative)


def signed_parts(builder: Any, value: Any, kind: Any) -> Any:
    for i, part in enumerate(parts(builder, value)):
        value = builder.insert_value(value, signed(builder, part, kind.underlying_float), i)
    return value


def sum_of_lanes(builder: Any, value: Any, kind: Any) -> Any:
    """By adding halves, as `vec.total`."""
    while isinstance(value.type, ir.VectorType):
        half = value.type.count // 2
        if not half:
            return builder.extract_element(value, ir.IntType(32)(0))
        ends = [ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(k, k + half))) for k in (0, half)]
        value = builder.fadd(*(builder.shuffle_vector(value, value, lanes) for lanes in ends))
    return value


def of_one(real: Callable[..., Any], complex: Callable[..., Any], result: Callable[[Any], Any] = lambda x: x) -> Any:
    """A compiled function of one number: its code for real numbers and vectors, and for complex ones."""

    def function(typing: Any, x: Any) -> Any:
        code = complex if is_complex(x) else real
        return result(x)(x), lambda context, builder, signature, args: code(builder, args[0], x)

    return intrinsic(function)


real = of_one(itself, lambda builder, value, kind: parts(builder, value)[0], part_type)
conjugate = of_one(itself, conjugated)
square = of_one(squared, squared_size, part_type)  # |x|^2
finite = of_one(is_finite, both_finite, lambda x: types.boolean)
csign = of_one(signed, signed_parts)  # of both parts
summed = of_one(sum_of_lanes, itself, lambda x: x.element if isinstance(x, Vec) else x)  # over all lanes


def zero(width: int) -> Any:
    """Zero, as the pattern for numbers at an address or of an array: a vector of this width (0: a scalar), a scalar of complex ones."""

    def function(typing: Any, x: Any) -> Any:
        kind = types.complex128 if is_complex(x) else Vec(width, True, x.dtype) if width else types.float64

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return ir.Constant(context.get_value_type(kind), None)

        return kind(x), emit

    return intrinsic(function)


wide, narrow, single = zero(WIDE), zero(NARROW), zero(0)


@intrinsic
def turned(typing: Any, along: Any, x: Any) -> Any:
    """The direction of a step, for one number of the window: its conjugate, or the sign of that."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = conjugated(builder, args[1], x) if is_complex(x) else args[1]
        if not issubclass(along.instance_class, BySigns):
            return value
        return (signed_parts if is_complex(x) else signed)(builder, value, x)

    return x(along, x), emit
