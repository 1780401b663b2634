"""Compiled functions that kernels call by address, so that the loop around them is compiled only once."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from sigrnn._kernels.base.jit import kernel

NUMBERS = types.CPointer(types.float64)

_kept: dict[int, Any] = {}  # compiled functions by address, kept alive as they may be called


def address(compiled: Any) -> int:
    """The address of the code of a kernel."""
    (result,) = compiled.overloads.values()
    where: int = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    _kept[where] = compiled
    return where


def function(code: Any, name: str, *arguments: Any, keep: bool = True) -> int:
    """The address of a function that only kernels call: it returns nothing."""
    return address(kernel(code, name, *arguments, keep=keep, wrapped=False))


def caller(*arguments: Any) -> Any:
    """A helper for kernels that calls such a function: `call(address, (a, b, ...))`, for arguments of these types."""

    def call(typing: Any, where: Any, given: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = context.call_conv.get_function_type(types.none, arguments)
            code = builder.inttoptr(args[0], kind.as_pointer())
            values = [
                context.cast(builder, value, was, wanted)
                for value, was, wanted in zip(
                    cgutils.unpack_tuple(builder, args[1]), given.types, arguments, strict=True
                )
            ]
            result, error = (cgutils.alloca_once(builder, kind.args[i].pointee) for i in range(2))
            builder.call(code, [result, error, *context.get_arg_packer(arguments).as_arguments(builder, values)])
            return context.get_dummy_value()

        return types.void(types.intp, given), emit

    return intrinsic(call)


@intrinsic
def place(typing: Any, at: Any) -> Any:
    """The address a pointer holds, in bytes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], ir.IntType(64))

    return types.intp(at), emit


def fetch_line(builder: Any, address: Any, near: bool) -> None:
    """Ask for the cache line at an address, which need not be anybody's; not `near`: leave the first-level cache as it is."""
    line, i32 = builder.inttoptr(address, ir.IntType(8).as_pointer()), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [line.type, i32, i32, i32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [line, i32(0), i32(3 if near else 2), i32(1)])


def _marked(*attributes: str) -> Any:
    def mark(typing: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            for attribute in attributes:
                builder.function.attributes.add(attribute)
            return context.get_dummy_value()

        return types.void(), emit

    return intrinsic(mark)


alone = _marked("noinline")  # the routine that contains it is compiled once in a kernel, however often it is called
small = _marked("noinline", "optsize")  # and its loops are not unrolled: for code that runs fast and compiles slowly
