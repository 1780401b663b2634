"""Models made of models: the base class of compositions, and `Chain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from sigrnn._arrays import Array, random, whole
from sigrnn.models.base import Model, Pull
from sigrnn.models.linear import Linear
from sigrnn.models.parameters import subset
from sigrnn.models.stability import stable
from sigrnn.models.streams import JoinedStream, Stream

__all__ = ["Chain"]


class Composition(Model):
    """Parts, and their parameters under the numbers of the parts."""

    def __init__(self, *parts: Model) -> None:
        for part in parts:
            if not isinstance(part, Model):
                raise TypeError(f"{type(self).__name__} is made of models, got {part!r}{hint_for(part)}")
        if not parts:
            raise TypeError(f"{type(self).__name__} needs at least one model")
        leaves = [id(leaf) for part in parts for leaf in leaves_of(part)]
        if len(set(leaves)) < len(leaves):
            raise ValueError(f"{type(self).__name__}: the same model is used twice; pass a copy() of it")
        self.parts = parts
        if self._sized():
            self._check_sizes()

    _compute_dtype = None
    _checkpoints = True
    _is_open = True  # whether no part is fed back into itself

    def _outputs(self) -> int:
        """Number of outputs, once the parts have sizes."""
        return self.parts[-1].outputs or 0

    def _inputs_after(self, i: int, inputs: int) -> int:
        """Inputs of part i + 1, from those of part i."""
        return inputs

    def init(self, inputs: int = 1, rng: int | np.random.Generator | None = None) -> Self:
        """
        Set sizes, and draw parameters, of all parts.

        Parameters
        ----------
        inputs : int, default 1
            Channels of the signals to come.
        rng : int or numpy.random.Generator, optional
            Seed or generator, as in `numpy.random.default_rng`.

        Returns
        -------
        Model
            The model itself.
        """
        inputs, rng = whole("inputs", inputs, 1), random(rng)
        for i, part in enumerate(self.parts):
            part.init(inputs, rng)
            inputs = self._inputs_after(i, inputs)
        self._check_sizes()
        return self

    def _prepare(self, inputs: int) -> None:
        rng = np.random.default_rng(0)
        for i, part in enumerate(self.parts):
            if isinstance(part, Composition):
                part._prepare(inputs)
            elif not part._sized():
                part.init(inputs, rng)
            inputs = self._inputs_after(i, inputs)
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Raise if the parts do not fit together."""

    def _single_input(self) -> bool:
        return self.parts[0]._single_input()

    def _sized(self) -> bool:
        return all(part._sized() for part in self.parts)

    @property
    def inputs(self) -> int | None:  # type: ignore[override]
        return self.parts[0].inputs if self._sized() else None

    @property
    def outputs(self) -> int | None:  # type: ignore[override]
        return self._outputs() if self._sized() else None

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """The common dtype of the parts."""
        return np.result_type(*(part.dtype for part in self.parts))

    def _named(self) -> dict[str, Array]:
        return {f"{i}.{name}": value for i, part in enumerate(self.parts) for name, value in part._named().items()}

    def _assign(self, name: str, value: Any) -> Array:
        number, _, rest = name.partition(".")
        if not (number.isdigit() and int(number) < len(self.parts) and rest):
            raise KeyError(f"{name}: the parameters are {', '.join(self._named()) or 'unknown before sizes are'}")
        return self.parts[int(number)]._assign(rest, value)

    def _size_by(self, params: Mapping[str, Any]) -> None:
        for i, part in enumerate(self.parts):
            if not part._sized():
                part._size_by(subset(i, params))
        self._check_sizes()

    @property
    def _drawn(self) -> bool:  # type: ignore[override]
        return all(part._drawn for part in self.parts)

    def _touch(self) -> None:
        for part in self.parts:
            part._touch()

    # Vectors: those of the parts, one after the other.

    @property
    def n_parameters(self) -> int:
        return sum(part.n_parameters for part in self.parts)

    def to_vector(self) -> Array:
        self._need_sizes("to_vector")
        return np.concatenate([part.to_vector() for part in self.parts])

    def _unpack(self, theta: Array) -> int:
        start = 0
        for part in self.parts:
            start += part._unpack(theta[start:])
        return start

    def _gradient_parts(self, grads: Mapping[str, Any], prefix: str) -> list[Array]:
        parts = enumerate(self.parts)
        return [each for i, part in parts for each in part._gradient_parts(grads, f"{prefix}{i}.")]

    def vector_sensitivities(self, J: Array) -> Array:
        ends = np.cumsum([part.n_parameters for part in self.parts])[:-1]
        rows = np.split(J, ends)
        found = [part.vector_sensitivities(own) for part, own in zip(self.parts, rows, strict=True)]
        unchanged = all(new is own for new, own in zip(found, rows, strict=True))
        return J if unchanged else np.concatenate(found)

    def _stream(self) -> Stream:
        return JoinedStream([part.stream() for part in self.parts], self._join)

    def _join(self, x: Any, streams: Sequence[Stream]) -> Array:
        raise NotImplementedError

    def _states(self, state: Any) -> tuple[Any, ...]:
        """The states of the parts."""
        if state is None:
            return (None,) * len(self.parts)
        if not isinstance(state, tuple) or len(state) != len(self.parts):
            raise ValueError(f"state: expected what run or vjp of {type(self).__name__} returns, got {state!r}")
        return state


def hint_for(part: Any) -> str:
    """What to pass instead of an object that is not a model."""
    if isinstance(part, list | tuple):
        return ": pass them as separate arguments"
    if isinstance(part, type) and issubclass(part, Model):
        return f": pass an instance, e.g. {part.__name__}(3), not the class {part.__name__}"
    if hasattr(part, "state_dict"):
        return (
            ", a module of PyTorch: make the same layer here and load its weights, as in "
            "sigrnn.GRU(4).from_torch_state_dict(module.state_dict())"
        )
    return ""


def leaves_of(model: Model) -> list[Model]:
    return [leaf for part in model.parts for leaf in leaves_of(part)] if model.parts else [model]


def open_leaves(model: Model) -> list[Model]:
    """Leaves that are not in a loop, where an unstable filter may be part of a stable system."""
    if not model.parts:
        return [model]
    return [leaf for part in model.parts for leaf in open_leaves(part)] if model._is_open else []  # type: ignore[attr-defined]


def unstable_parts(model: Model) -> list[tuple[Model, float]]:
    """The linear filters of a model that are unstable, and the largest radius of their poles."""
    filters = [leaf for leaf in open_leaves(model) if isinstance(leaf, Linear) and leaf._sized()]
    unstable = [leaf for leaf in filters if not all(stable(a) for _, a in leaf._filters())]
    return [(leaf, float(np.abs(leaf.poles()).max(initial=0.0))) for leaf in unstable]


def numbered(found: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Gradients of the parts as those of the whole."""
    return {f"{i}.{name}": value for i, grads in enumerate(found) for name, value in grads.items()}


def split(model: Composition, tangents: Mapping[str, Array]) -> list[dict[str, Array]]:
    return [subset(i, tangents) for i in range(len(model.parts))]


class Chain(Composition):
    """
    Models one after the other: stacks of layers, Wiener-Hammerstein systems.

    Parameters
    ----------
    *parts : Model
        Models; the output of each is the input of the next.

    See Also
    --------
    Residual, Parallel, Bidirectional : Other compositions.

    Notes
    -----
    Parts with parameters keep them when the chain is first called; `init` draws all of them again.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Chain(sigrnn.IIR(2), sigrnn.Dense(1, "tanh"), sigrnn.IIR(2)).init(rng=0)
    >>> list(model.params)
    ['0.b', '0.a', '1.v', '1.bias', '2.b', '2.a']
    >>> stream = model.stream()
    >>> stream([1.0, 2.0]).shape
    (2,)
    """

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        """The dtype of the last part."""
        return self.parts[-1].dtype

    def _inputs_after(self, i: int, inputs: int) -> int:
        return self.parts[i].outputs or inputs

    def _check_sizes(self) -> None:
        for i in range(len(self.parts) - 1):
            gives, gets = self.parts[i].outputs, self.parts[i + 1].inputs
            if gives != gets:
                raise ValueError(
                    f"Chain: part {i}, {self.parts[i]!r}, gives {gives} channels, "
                    f"part {i + 1}, {self.parts[i + 1]!r}, takes {gets}"
                )

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        after = []
        for part, before in zip(self.parts, self._states(state), strict=True):
            x, new = part._forward(x, before)
            after.append(new)
        return x, tuple(after)

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        after, pullbacks = [], []
        for part, before in zip(self.parts, self._states(state), strict=True):
            (x, new), pullback = part._reverse(x, before, size)
            after.append(new)
            pullbacks.append(pullback)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = []
            for pullback in reversed(pullbacks):
                grads, dy = pullback(dy)
                found.append(grads)
            return numbered(found[::-1]), dy

        return (x, tuple(after)), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        for part, before, moves in zip(self.parts, self._states(state), split(self, tangents), strict=True):
            x, dx = part._tangent(x, moves, dx, before)
        assert dx is not None
        return x, dx

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        rows = None
        for part, before in zip(self.parts, self._states(state), strict=True):
            y, own = part._jacobian(x, before)
            rows = own if rows is None or not len(rows) else np.concatenate([part._push(x, rows, before), own])
            x = y
        assert rows is not None
        return x, rows

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        for i, (part, before) in enumerate(zip(self.parts, self._states(state), strict=True)):
            rows = part._push(x, rows, before)
            if i < len(self.parts) - 1:
                x = part._forward(x, before)[0]
        return rows

    def _join(self, x: Any, streams: Sequence[Stream]) -> Array:
        y = x
        for stream in streams:
            y = stream(y)
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and np.ndim(x) == 1 else y
