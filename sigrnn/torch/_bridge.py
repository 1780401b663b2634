"""From tensors to NumPy arrays and back, under autograd: one `torch.autograd.Function` for all functions.

Memory is shared in both directions. What a gradient needs is saved by the pull-back of `sigrnn.vjp`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch

from sigrnn._arrays import Array, numbers, refuse_masked
from sigrnn.gradients import jvp, vjp
from sigrnn.gradients.bridges import flat, nested
from sigrnn.torch._private import forward_mode, level, transforming

NUMBERS = int, float, complex, bool
ARRAYS = np.ndarray, np.generic
WEAK = "zi", "bias"  # numbers given for these stay numbers, and do not change the dtype
SERVED = {
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.complex64: np.complex64,
    torch.complex128: np.complex128,
}
TWICE = (
    "sigrnn.torch has gradients of first order only: gradients of gradients are not supported. "
    "Leave out create_graph=True, or detach() the gradient"
)
Named = dict[str, Any]
Tensors = tuple[torch.Tensor, ...]
Maybe = Sequence[torch.Tensor | None]


def run(function: Callable[..., Any], given: Named, **options: Any) -> Any:
    """
    Call a function of sigrnn's with tensors.

    given : its differentiable arguments in the order of its signature: tensors, arrays, lists, numbers or None.
    options : the others.
    """
    tensors, dtype = tensors_of(given)
    constants = constants_of(given, tensors, dtype)
    call = Call(function, tuple(tensors), tuple(n for n in given if n in tensors or n in constants), constants, options)
    values = tuple(tensors.values())
    transformed = transforming()
    call.forward_mode = transformed or forward_mode()
    call.taped = transformed or (torch.is_grad_enabled() and any(t.requires_grad for t in values))
    if transformed:
        return nested(Transformed.apply(call, *values))
    return nested(Bridge.apply(call, *values) if call.taped or call.forward_mode else call.forward(*values))


def tensors_of(given: Named) -> tuple[dict[str, torch.Tensor], torch.dtype]:
    """The tensors, checked, and their common dtype."""
    for name, value in given.items():
        refuse_masked(name, isinstance(value, np.ma.MaskedArray), f"give {name}.filled(value)")
    tensors = {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}
    if not tensors:  # then the signal is one
        try:
            tensors["x"] = torch.as_tensor(given["x"])
        except (TypeError, ValueError, RuntimeError):  # PyTorch's message does not name the argument
            numbers("x", given["x"])
            raise
    for name, tensor in tensors.items():
        check(name, tensor)
    dtypes = {tensor.dtype for tensor in tensors.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else reduce(torch.promote_types, dtypes)
    if dtypes or dtype not in SERVED:
        dtype = dtype if dtype in SERVED else torch.get_default_dtype()
        tensors = {name: t if t.dtype in SERVED else t.to(dtype) for name, t in tensors.items()}
    return tensors, dtype


def constants_of(given: Named, tensors: Named, dtype: torch.dtype) -> Named:
    """The other arguments: arrays in their own dtype, lists in that of the tensors, numbers as they are."""
    constants: Named = {}
    for name, value in given.items():
        if value is None or name in tensors:
            continue
        if type(value) not in NUMBERS or name not in WEAK:
            found = numbers(name, value)
            if found.dtype.kind == "c" and not isinstance(value, ARRAYS):
                found = found.astype(np.result_type(SERVED[dtype], np.complex64))
            kept = found.dtype.kind == "c" or (found.dtype.kind == "f" and isinstance(value, ARRAYS))
            value = found if kept else found.astype(SERVED[dtype])
        constants[name] = value
    return constants


def check(name: str, tensor: torch.Tensor) -> None:
    """Raise if NumPy cannot read the memory of a tensor."""
    refuse_masked(name, isinstance(tensor, torch.masked.MaskedTensor), f"give {name}.to_tensor(value)")
    if tensor.is_cpu and tensor.dtype in SERVED and tensor.layout is torch.strided:
        return
    if tensor.device.type == "meta":
        raise ValueError(f"{name} is a meta tensor and holds no numbers: sigrnn computes on CPU tensors")
    if tensor.device.type != "cpu":
        raise ValueError(f"{name} is on {tensor.device}: sigrnn computes on the CPU, give {name}.cpu()")
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name} has layout {tensor.layout}: expected a dense tensor, give {name}.to_dense()")
    if tensor.dtype in (torch.float16, torch.bfloat16) or tensor.is_quantized:
        raise TypeError(f"{name} has dtype {tensor.dtype}: expected float32 or float64, give {name}.float()")


def array_of(tensor: torch.Tensor) -> Array:
    """The same memory as an array."""
    if tensor.is_conj() or tensor.is_neg():
        tensor = tensor.resolve_conj().resolve_neg()
    found: Array = tensor.detach().numpy()
    return found


def tensor_of(array: Array) -> torch.Tensor:
    """The same memory as a tensor; a copy if it is read-only or has negative strides, which tensors cannot have."""
    array = np.asarray(array)
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    return torch.from_numpy(array)


class Call:
    """
    One call of a function, and its pull-back once it has run.

    names : the arguments that are tensors. arrays : those and the constants, in the order of the signature.
    parts : under `torch.func.vmap` the calls of all samples, made at transformation `level`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        names: tuple[str, ...],
        arrays: tuple[str, ...],
        constants: Named,
        options: Named,
    ) -> None:
        self.function, self.names, self.constants, self.options = function, names, constants, options
        self.arrays = tuple(name for name in arrays if type(constants.get(name)) not in NUMBERS)
        self.taped = self.forward_mode = False
        self.pullback: Any = None
        self.parts: list[Call] = []
        self.level: Any = None

    def copy(self) -> Call:
        """An equal call that has not run yet."""
        call = Call(self.function, self.names, self.arrays, self.constants, self.options)
        call.taped, call.forward_mode = self.taped, self.forward_mode
        return call

    def forward(self, *tensors: torch.Tensor) -> Tensors:
        """Outputs in a row."""
        arguments = {**dict(zip(self.names, map(array_of, tensors), strict=True)), **self.constants, **self.options}
        if self.taped:
            value, self.pullback = vjp(self.function, **arguments)
        else:
            value = self.function(**arguments)
        return tuple(map(tensor_of, flat(value)))

    def pull(self, slopes: Maybe, wanted: Sequence[bool]) -> Tensors:
        """Gradients of the tensors that are wanted."""
        found = self.pullback(nested([None if slope is None else array_of(slope) for slope in slopes]))
        slope = dict(zip(self.arrays, found, strict=True))
        return tuple(tensor_of(slope[name]) for name, asked in zip(self.names, wanted, strict=True) if asked)

    def push(self, tensors: Sequence[torch.Tensor], tangents: Maybe) -> Tensors:
        """Tangents of the outputs."""
        changes = {
            name: None if t is None else array_of(t).astype(SERVED[u.dtype], copy=False)
            for name, t, u in zip(self.names, tangents, tensors, strict=True)
        }
        arguments = {**dict(zip(self.names, map(array_of, tensors), strict=True)), **self.constants, **self.options}
        _, moved = jvp(self.function, (), tuple(changes.get(name) for name in self.arrays), **arguments)
        return tuple(map(tensor_of, flat(moved)))


class Bridge(torch.autograd.Function):
    """A call whose gradient is sigrnn's pull-back."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: torch.Tensor) -> Tensors:
        save(ctx, call, tensors)
        return call.forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        call, wanted = ctx.call, ctx.needs_input_grad[1:]
        if call.forward_mode or torch.is_grad_enabled():  # the pull-back may be transformed in its turn
            found = Pull.apply(call, wanted, len(slopes), *slopes, *ctx.saved_tensors)
        else:
            found = call.pull(slopes, wanted)
        rest = iter(found if isinstance(found, tuple) else (found,))
        return None, *(next(rest) if asked else None for asked in wanted)

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> Any:
        return Push.apply(ctx.call, *ctx.saved_tensors, *tangents)


class Transformed(torch.autograd.Function):
    """The same in the form that `torch.func` needs; its bookkeeping takes 40 us more."""

    @staticmethod
    def forward(call: Call, *tensors: torch.Tensor) -> Tensors:
        return call.forward(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        save(ctx, inputs[0], inputs[1:])

    backward = Bridge.backward
    jvp = Bridge.jvp

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], call: Call, *tensors: torch.Tensor) -> tuple[Tensors, Any]:
        call.parts, call.level = [call.copy() for _ in range(info.batch_size)], level()
        return over(info.batch_size, in_dims[1:], tensors, lambda i, each: Transformed.apply(call.parts[i], *each))


class Pull(torch.autograd.Function):
    """The pull-back as a function that may be transformed itself: mapped over samples, but not differentiated."""

    @staticmethod
    def forward(call: Call, wanted: Sequence[bool], count: int, *tensors: torch.Tensor | None) -> Tensors:
        return call.pull(tensors[:count], wanted)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[Any, ...],
        call: Call,
        wanted: Sequence[bool],
        count: int,
        *tensors: torch.Tensor | None,
    ) -> tuple[Tensors, Any]:
        mapped = call.parts and call.level == level()  # else only the gradients of the outputs are
        calls = call.parts if mapped else [call] * info.batch_size

        def pull(i: int, each: list[torch.Tensor | None]) -> Any:
            return Pull.apply(calls[i], wanted, count, *each)

        return over(info.batch_size, in_dims[3:], tensors, pull)


class Push(torch.autograd.Function):
    """Forward mode, likewise."""

    @staticmethod
    def forward(call: Call, *tensors: torch.Tensor | None) -> Tensors:
        half = len(tensors) // 2
        return call.push(tensors[:half], tensors[half:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(TWICE)

    jvp = Pull.jvp

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], call: Call, *tensors: torch.Tensor | None) -> tuple[Tensors, Any]:
        return over(info.batch_size, in_dims[1:], tensors, lambda _, each: Push.apply(call, *each))


def save(ctx: Any, call: Call, tensors: Tensors) -> None:
    ctx.call = call
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors)  # so that a second gradient reaches `Pull`, which refuses it
    if call.forward_mode:
        ctx.save_for_forward(*tensors)


def over(
    size: int, dims: Sequence[int | None], tensors: Maybe, call: Callable[[int, list[torch.Tensor | None]], Any]
) -> tuple[Tensors, Any]:
    """One call for each sample of `torch.func.vmap`."""
    if not size:
        raise ValueError("vmap over no samples: sigrnn needs at least one")
    rows = []
    for i in range(size):
        each = [t if t is None or dim is None else t.select(dim, i) for t, dim in zip(tensors, dims, strict=True)]
        found = call(i, each)
        rows.append(found if isinstance(found, tuple) else (found,))
    stacked = tuple(torch.stack(column) for column in zip(*rows, strict=True))
    return stacked, (0,) * len(stacked)
