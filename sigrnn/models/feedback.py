"""`Feedback`: filters and curves in a loop, run sample by sample in compiled code, with exact gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn.models.base import Model, Pull
from sigrnn.models.composition import Chain, Composition, leaves_of, numbered, split
from sigrnn.models.layers import Dense
from sigrnn.models.linear import FIR, IIR, SOS, single
from sigrnn.models.parallel import Parallel, Residual
from sigrnn.models.static import PiecewiseLinear, Polynomial, Static, TanhNetwork
from sigrnn.models.streams import ModelStream, Stream

__all__ = ["Feedback"]

WEAK = 0.01  # initial gain of the feedback


class Place(NamedTuple):
    """Where a leaf stands in the loop's program."""

    leaf: Model
    source: int  # registers
    target: int
    states: slice
    first: int  # its first operation


class Program:
    """Operations of the loop, coefficients, and the places of the leaves."""

    def __init__(self, forward: Model, back: Model) -> None:
        self.ops: list[list[int]] = []
        self.coefficients: list[Array] = []
        self.places: list[Place] = []
        self.registers, self.size, self.states = 1, 0, 0
        self.out = self.add(forward, 0)
        self.fed = self.add(back, self.out)
        self.table = np.array(self.ops, np.int64).reshape(-1, 7)
        self.c = np.concatenate([np.asarray(c, F8).ravel() for c in self.coefficients])

    def operation(self, source: int, kind: int, c: Any, size: int, states: int = 0, second: int = 0) -> int:
        """Append one; returns its target."""
        self.ops.append([kind, source, self.registers, second, self.size, size, self.states])
        self.coefficients.append(np.asarray(c, F8))
        self.size += np.size(c)
        self.states += states
        self.registers += 1
        return self.registers - 1

    def add(self, model: Model, source: int) -> int:
        """Append a model; returns the register of its output."""
        from sigrnn._kernels.systems.loop import SUM

        if type(model) is Chain:
            for part in model.parts:
                source = self.add(part, source)
            return source
        if type(model) is Parallel or type(model) is Residual:
            ends = [self.add(part, source) for part in model.parts]
            total = source if type(model) is Residual else ends.pop(0)
            for end in ends:
                total = self.operation(total, SUM, np.empty(0), 0, second=end)
            return total
        first, states = len(self.ops), self.states
        target = self.leaf(model, source)
        self.places.append(Place(model, source, target, slice(states, self.states), first))
        return target

    def leaf(self, model: Model, source: int) -> int:
        from sigrnn._kernels.systems.loop import FILTER, LINES, POWERS, TANH

        p = model._named()
        if isinstance(model, FIR | IIR):
            b, a = p["b"], p.get("a", np.eye(1, len(p["b"]))[0])
            return self.operation(source, FILTER, [*b, *a[1:]], len(b) - 1, len(b) - 1)
        if isinstance(model, SOS):
            for row in p["sos"]:
                source = self.operation(source, FILTER, [*row[:3], *row[4:]], 2, 2)
            return source
        if isinstance(model, Polynomial):
            return self.operation(source, POWERS, p["c"], model.degree)
        if isinstance(model, PiecewiseLinear):
            return self.operation(source, LINES, [*p["knots"], *p["values"]], model.n_knots)
        if isinstance(model, TanhNetwork):
            units = np.stack([p["w"][:, 0], p["bias"], p["v"][0]], axis=1)
            return self.operation(source, TANH, [p["direct"][0, 0], p["offset"][0], *units.ravel()], model.units)
        v, bias = p["v"][0, 0], p["bias"][0]  # a Dense layer
        if model.activation == "linear":  # type: ignore[attr-defined]
            return self.operation(source, POWERS, [bias, v], 1)
        return self.operation(source, TANH, [0.0, 0.0, v, bias, 1.0], 1)


def check_served(model: Model) -> None:
    """Raise if a model cannot stand in a loop."""
    if type(model) in (Chain, Residual) or (type(model) is Parallel and model.combine == "sum"):
        for part in model.parts:
            check_served(part)
        return
    dense = isinstance(model, Dense) and model.activation in ("linear", "tanh")
    if not (isinstance(model, FIR | IIR | SOS | Polynomial | PiecewiseLinear | TanhNetwork) or dense):
        raise TypeError(
            "Feedback is made of FIR, IIR, SOS, Polynomial, PiecewiseLinear, TanhNetwork, Dense(1) with 'linear' or 'tanh', "
            f"and Chain, Parallel and Residual of them, got {model!r}"
        )


class Feedback(Composition):
    r"""
    A feedback system, to be trained: for example a resonator with a nonlinear spring.

    .. math:: y = F(x - w), \qquad w[n] = G(y)[n-1]

    Parameters
    ----------
    forward, back : Model
        F and G, of one channel: `FIR`, `IIR`, `SOS`, `Polynomial`, `PiecewiseLinear`, `TanhNetwork`, ``Dense(1)`` with
        'linear' or 'tanh', and `Chain`, `Parallel` and `Residual` of them.

    Raises
    ------
    TypeError
        If a part is another model.

    See Also
    --------
    StateSpace : Feedback between states.
    NonlinearIIR : A filter whose outputs are fed back through an activation.

    Notes
    -----
    The delay of one sample makes the loop causal for any F. Initially the feedback is weak. The loop may become
    unstable in training: such a step is undone.

    Gradients are those of back-propagation through time. All loops are compiled code, and compute in float64.

    Cost: about 20 ns for each sample and filter or curve, and the same for each parameter in 'lm'.

    Examples
    --------
    A resonator whose spring hardens:

    >>> import sigrnn
    >>> model = sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3))
    >>> model.params = {"0.b": [0.1, 0.0, 0.0], "0.a": [1.0, -1.8, 0.9], "1.c": [0.0, 0.0, 0.0, 1.0]}
    >>> model([1.0, 0.0, 0.0]).round(6)
    array([0.1     , 0.1799  , 0.233238])
    """

    def __init__(self, forward: Model, back: Model) -> None:
        super().__init__(forward, back)
        for part in self.parts:
            check_served(part)

    def init(self, inputs: int = 1, rng: int | np.random.Generator | None = None) -> Self:
        """
        Set sizes, and draw parameters, of both parts.

        Parameters
        ----------
        inputs : int, default 1
            Channels of the signals to come; 1.
        rng : int or numpy.random.Generator, optional
            Seed or generator, as in `numpy.random.default_rng`.

        Returns
        -------
        Model
            The model itself.
        """
        if whole("inputs", inputs, 1) != 1:
            raise ValueError(f"inputs must be 1 for Feedback, got {inputs}")
        super().init(1, rng)
        weaken(self.parts[1])
        return self

    def _prepare(self, inputs: int) -> None:
        drawn = not self.parts[1]._sized()
        super()._prepare(inputs)
        if drawn:
            weaken(self.parts[1])

    def _check_sizes(self) -> None:
        for part in (self, *leaves_of(self)):
            inputs, outputs = (1, 1) if part is self else (part.inputs, part.outputs)
            if (inputs, outputs) != (1, 1):
                raise ValueError(f"Feedback has one channel, {part!r} has {inputs} inputs and {outputs} outputs")

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """The dtype of the way forward."""
        return self.parts[0].dtype

    def _outputs(self) -> int:
        return 1

    _compute_dtype = F8  # type: ignore[assignment]
    _checkpoints = False
    _is_open = False

    def _loop(self, x: Array, state: Any) -> tuple[Program, Array, Any]:
        """The program, the registers (B, N, R) of all samples, and the state after them."""
        from sigrnn._kernels.systems.loop import run

        program, batch = Program(*self.parts), x.shape[0]
        z, back = (np.zeros((batch, program.states)), np.zeros(batch)) if state is None else map(np.array, state)
        registers = np.empty((*x.shape[:2], program.registers))
        run()(program.table, program.c, np.ascontiguousarray(x[..., 0]), z, back, program.out, program.fed, registers)
        return program, registers, (z, back)

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        program, registers, after = self._loop(x, state)
        return registers[..., program.out, None].copy(), after

    def _linear(self, program: Program, registers: Array, state: Any) -> tuple[list[tuple[Array, Any]], Array]:
        """Input and state of each leaf, and the slopes (B, N, K) of curves."""
        slopes, inputs = np.zeros((*registers.shape[:2], len(program.ops))), []
        for place in program.places:
            u = np.ascontiguousarray(registers[..., place.source, None])
            inputs.append((u, None if state is None else state_of(place, np.asarray(state[0]), u)))
            if isinstance(place.leaf, Static):
                slopes[..., place.first] = place.leaf._slopes(u)[1][..., 0, 0]
            elif isinstance(place.leaf, Dense):
                slopes[..., place.first] = place.leaf._sloped(u)[1][..., 0] * place.leaf._named()["v"][0, 0]
        return inputs, slopes

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        from sigrnn._kernels.systems.loop import pulled

        program, registers, after = self._loop(x, state)
        inputs, slopes = self._linear(program, registers, state)
        runs = [place.leaf._vjp(*each)[1] for place, each in zip(program.places, inputs, strict=True)]
        grouped = [len(leaves_of(part)) for part in self.parts]

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            delta, z = np.zeros(registers.shape), np.zeros(program.states)
            error = np.ascontiguousarray(dy[..., 0], F8)
            pulled()(program.table, program.c, slopes, error, program.out, program.fed, z, delta)
            found = [
                run(np.ascontiguousarray(delta[..., place.target, None]))[0]
                for run, place in zip(runs, program.places, strict=True)
            ]
            own = found[: grouped[0]], found[grouped[0] :]
            return numbered([gathered(p, g) for p, g in zip(self.parts, own, strict=True)]), delta[..., :1].copy()

        return (registers[..., program.out, None].copy(), after), pull

    def _closed(self, program: Program, slopes: Array, rows: Array, entries: Any) -> Array:
        """Tangents of the output (R, B, N, 1) for rows (R, B, N) that are added to these registers."""
        from sigrnn._kernels.systems.loop import pushed

        dy, r, z = np.empty(rows.shape), np.zeros(program.registers), np.zeros(program.states)
        at, given = np.asarray(entries, np.int64), np.ascontiguousarray(rows, F8)
        pushed()(program.table, program.c, slopes, given, at, program.out, program.fed, r, z, dy)
        return dy[..., None]

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        program, registers, _ = self._loop(x, state)
        inputs, slopes = self._linear(program, registers, state)
        y, rows, entries = registers[..., program.out, None].copy(), [], []
        for place, each in zip(program.places, inputs, strict=True):
            own = place.leaf._sensitivities(*each)[1][..., 0]
            rows.append(own)
            entries += [place.target] * len(own)
        return y, self._closed(program, slopes, np.concatenate(rows), entries)

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        program, registers, _ = self._loop(x, state)
        slopes = self._linear(program, registers, state)[1]
        return self._closed(program, slopes, rows[..., 0], [0] * len(rows))

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        program, registers, _ = self._loop(x, state)
        inputs, slopes = self._linear(program, registers, state)
        moves = [each for part, own in zip(self.parts, split(self, tangents), strict=True) for each in apart(part, own)]
        rows, entries = [], []
        for place, (u, before), own in zip(program.places, inputs, moves, strict=True):
            if own:
                rows.append(place.leaf._jvp(u, dict(own), None, before)[1][..., 0])
                entries.append(place.target)
        if dx is not None:
            rows.append(dx[..., 0])
            entries.append(0)
        y = registers[..., program.out, None].copy()
        if not rows:
            return y, np.zeros(y.shape)
        return y, self._closed(program, slopes, np.stack(rows), entries).sum(axis=0)

    def _stream(self) -> Stream:
        return ModelStream(self.copy())


def state_of(place: Place, z: Array, u: Array) -> Any:
    """The part of the loop's state (B, states) that is a leaf's, in its own form."""
    own = z[:, place.states]
    if isinstance(place.leaf, SOS):
        sections = own.reshape(len(own), -1, 2)
        return sections[0] if single(u) else sections.swapaxes(0, 1)
    if isinstance(place.leaf, FIR | IIR):
        return own[0] if single(u) else own
    return None


def gathered(model: Model, found: list[dict[str, Array]]) -> dict[str, Array]:
    """Gradients of the leaves as those of a model."""
    if not model.parts:
        return found.pop(0)
    return numbered([gathered(part, found) for part in model.parts])


def apart(model: Model, tangents: Mapping[str, Array]) -> list[Mapping[str, Array]]:
    """Tangents of a model as those of its leaves."""
    if not isinstance(model, Composition):
        return [tangents]
    return [leaf for part, own in zip(model.parts, split(model, tangents), strict=True) for leaf in apart(part, own)]


def weaken(model: Model) -> None:
    """Make the initial parameters of the feedback small."""
    while model.parts:
        if type(model) is not Chain:
            for part in model.parts:
                weaken(part)
            return
        model = model.parts[-1]
    names = "b", "c", "values", "v", "direct", "offset", "bias" * isinstance(model, Dense)
    values = model._named()
    for name in names:
        if name in values:
            values[name] *= WEAK
    if "sos" in values:
        values["sos"][0, :3] *= WEAK
