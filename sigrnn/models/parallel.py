"""Models in parallel: `Residual`, `Parallel`, `Bidirectional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sigrnn._arrays import Array, array
from sigrnn.models.base import Model, Pull
from sigrnn.models.composition import Composition, numbered, split
from sigrnn.models.parameters import subset
from sigrnn.models.streams import Stream

__all__ = ["Bidirectional", "Parallel", "Residual"]


class Residual(Composition):
    """
    A model with a skip connection: its input plus its output.

    Parameters
    ----------
    part : Model
        The model, with as many outputs as inputs.

    See Also
    --------
    Chain, Parallel : Other compositions.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Residual(sigrnn.FIR(2))
    >>> model.params = {"0.b": [0.0, 1.0]}
    >>> model([1.0, 2.0, 3.0])
    array([1., 3., 5.])
    """

    def __init__(self, part: Model) -> None:
        super().__init__(part)

    def _check_sizes(self) -> None:
        (part,) = self.parts
        if part.inputs != part.outputs:
            raise ValueError(f"Residual: {part!r} has {part.inputs} inputs and {part.outputs} outputs: they are added")

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        y, new = self.parts[0]._forward(x, self._states(state)[0])
        return x + y, (new,)

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        (y, new), pullback = self.parts[0]._reverse(x, self._states(state)[0], size)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            grads, dx = pullback(dy.astype(y.dtype, copy=False))
            return numbered([grads]), dx + dy

        return (x + y, (new,)), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        y, dy = self.parts[0]._tangent(x, subset(0, tangents), dx, self._states(state)[0])
        return x + y, dy if dx is None else dx + dy

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, rows = self.parts[0]._jacobian(x, self._states(state)[0])
        return x + y, rows

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        return rows + self.parts[0]._push(x, rows, self._states(state)[0])

    def _join(self, x: Any, streams: Sequence[Stream]) -> Array:
        return np.asarray(x + streams[0](x)).astype(self.dtype, copy=False)


class Parallel(Composition):
    """
    Models in parallel, for the same input.

    Parameters
    ----------
    *parts : Model
        The models.
    combine : {'sum', 'concatenate'}, default 'sum'
        Whether their outputs are added, or concatenated as channels.

    See Also
    --------
    Chain, Residual, Bidirectional : Other compositions.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Parallel(sigrnn.FIR(1), sigrnn.FIR(2), combine="concatenate")
    >>> model.params = {"0.b": [2.0], "1.b": [0.0, 1.0]}
    >>> model([1.0, 2.0])
    array([[2., 0.],
           [4., 1.]])
    """

    def __init__(self, *parts: Model, combine: str = "sum") -> None:
        if combine not in ("sum", "concatenate"):
            raise ValueError(f"combine must be 'sum' or 'concatenate', got {combine!r}")
        self.combine = combine
        super().__init__(*parts)

    def _check_sizes(self) -> None:
        outputs, inputs = [part.outputs for part in self.parts], {part.inputs for part in self.parts}
        if len(inputs) > 1:
            raise ValueError(f"Parallel: parts take {[part.inputs for part in self.parts]} channels of the same input")
        if self.combine == "sum" and len(set(outputs)) > 1:
            raise ValueError(f"Parallel: outputs are added, and there are {outputs}; or give combine='concatenate'")

    def _outputs(self) -> int:
        each = [part.outputs or 0 for part in self.parts]
        return each[0] if self.combine == "sum" else sum(each)

    def _together(self, each: Sequence[Array]) -> Array:
        if self.combine == "concatenate":
            return np.concatenate(each, axis=-1)
        total = each[0]
        for y in each[1:]:
            total = total + y
        return total

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        found = [part._forward(x, before) for part, before in zip(self.parts, self._states(state), strict=True)]
        return self._together([y for y, _ in found]), tuple(new for _, new in found)

    def _apart(self, dy: Array) -> list[Array]:
        """The gradient for each part."""
        if self.combine == "sum":
            return [dy.astype(part.dtype, copy=False) for part in self.parts]
        ends = np.cumsum([part.outputs or 0 for part in self.parts])[:-1]
        return np.split(dy, ends, axis=-1)

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        states = self._states(state)
        runs = [part._reverse(x, before, size) for part, before in zip(self.parts, states, strict=True)]
        y, after = self._together([y for (y, _), _ in runs]), tuple(new for (_, new), _ in runs)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = [pullback(each) for (_, pullback), each in zip(runs, self._apart(dy), strict=True)]
            return numbered([grads for grads, _ in found]), np.sum([dx for _, dx in found], axis=0)

        return (y, after), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        each = zip(self.parts, split(self, tangents), self._states(state), strict=True)
        found = [part._tangent(x, moves, dx, before) for part, moves, before in each]
        return self._together([y for y, _ in found]), self._together([dy for _, dy in found])

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        found = [part._jacobian(x, before) for part, before in zip(self.parts, self._states(state), strict=True)]
        y = self._together([y for y, _ in found])
        if self.combine == "sum":
            return y, np.concatenate([rows for _, rows in found])
        full = np.zeros((self.n_parameters, *y.shape))
        row = column = 0
        for _, rows in found:
            full[row : row + len(rows), ..., column : column + rows.shape[-1]] = rows
            row, column = row + len(rows), column + rows.shape[-1]
        return y, full

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        each = zip(self.parts, self._states(state), strict=True)
        return self._together([part._push(x, rows, before) for part, before in each])

    def _join(self, x: Any, streams: Sequence[Stream]) -> Array:
        x = array("x", x)
        each = [stream(x) for stream in streams]
        if self.combine == "concatenate" and x.ndim == 1:
            each = [y[:, None] if y.ndim == 1 else y for y in each]
        y = self._together(each).astype(self.dtype, copy=False)
        return y[:, 0] if x.ndim == 1 and y.ndim == 2 and y.shape[1] == 1 else y


class Bidirectional(Composition):
    """
    A layer forward and another backward in time, outputs concatenated as channels.

    Parameters
    ----------
    forward : Model
        The layer.
    backward : Model, optional
        The layer for reversed time; by default one like the first, with its own parameters.

    See Also
    --------
    Parallel : Both forward.

    Notes
    -----
    It needs the whole signal, so it has no stream and no state: each segment is treated as a whole signal.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Bidirectional(sigrnn.FIR(2))
    >>> model.params = {"0.b": [0.0, 1.0], "1.b": [0.0, 1.0]}
    >>> model([1.0, 2.0, 3.0])
    array([[0., 2.],
           [1., 3.],
           [2., 0.]])
    """

    def __init__(self, forward: Model, backward: Model | None = None) -> None:
        super().__init__(forward, forward.copy() if backward is None and isinstance(forward, Model) else backward)

    def _check_sizes(self) -> None:
        if self.parts[0].inputs != self.parts[1].inputs:
            raise ValueError(f"Bidirectional: parts take {[part.inputs for part in self.parts]} channels of one input")

    def _outputs(self) -> int:
        return sum(part.outputs or 0 for part in self.parts)

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        forward, backward = self.parts
        return np.concatenate([forward._forward(x)[0], backward._forward(reversed_time(x))[0][:, ::-1]], axis=-1), None

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        forward, backward = self.parts
        (y, _), back = forward._reverse(x, None, size)
        (z, _), back_late = backward._reverse(reversed_time(x), None, size)
        first = y.shape[-1]

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            grads, dx = back(dy[..., :first])
            more, dx_late = back_late(reversed_time(dy[..., first:]))
            return numbered([grads, more]), dx + dx_late[:, ::-1]

        return (np.concatenate([y, z[:, ::-1]], axis=-1), None), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        forward, backward = self.parts
        y, dy = forward._tangent(x, subset(0, tangents), dx)
        z, dz = backward._tangent(reversed_time(x), subset(1, tangents), None if dx is None else reversed_time(dx))
        return np.concatenate([y, z[:, ::-1]], axis=-1), np.concatenate([dy, dz[:, ::-1]], axis=-1)

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        forward, backward = self.parts
        (y, rows), (z, more) = forward._jacobian(x), backward._jacobian(reversed_time(x))
        full = np.zeros((len(rows) + len(more), *y.shape[:-1], y.shape[-1] + z.shape[-1]))
        full[: len(rows), ..., : y.shape[-1]] = rows
        full[len(rows) :, ..., y.shape[-1] :] = more[:, :, ::-1]
        return np.concatenate([y, z[:, ::-1]], axis=-1), full

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        forward, backward = self.parts
        later = backward._push(reversed_time(x), np.ascontiguousarray(rows[:, :, ::-1]), None)[:, :, ::-1]
        return np.concatenate([forward._push(x, rows, None), later], axis=-1)

    def _stream(self) -> Stream:
        raise ValueError(f"{self!r} needs the whole signal: it has no stream")


def reversed_time(x: Array) -> Array:
    """A copy of a signal (B, N, I) in reversed time."""
    return np.ascontiguousarray(x[:, ::-1])
