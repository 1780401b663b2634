"""Layers as models: `RNN`, `GRU`, `LSTM`, `MinGRU`, with weights as in PyTorch, and `Dense`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import F8, Array, whole
from sigrnn.activations import Activation, known, respond, slope_of_output
from sigrnn.gradients import jvp
from sigrnn.gradients.recurrent import dense_pass, layer_by_blocks, layer_vjp
from sigrnn.gradients.sensitivities import layer_rows
from sigrnn.layers import recurrent as layers
from sigrnn.layers._cells import MODELS, Cell
from sigrnn.layers.recurrent import dense
from sigrnn.layers.recurrent import weighed as excitation
from sigrnn.layers.streams import LayerStream
from sigrnn.models.base import Model, Pull
from sigrnn.models.parameters import precision
from sigrnn.models.streams import Affine, BlockStream, ModelStream, Stream

__all__ = ["GRU", "LSTM", "RNN", "Dense", "MinGRU"]


class Recurrent(Model):
    """A layer of the table of cells, found by the name of the class."""

    hidden: int
    initial = False  # whether the state before the first sample is a parameter
    _checkpoints = True
    _cell: Cell

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ in MODELS:
            cls._cell = MODELS[cls.__name__]

    @property
    def function(self) -> Callable[..., tuple[Array, object]]:
        return getattr(layers, self._cell.function)

    @property
    def _compute_dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.dtype

    def _options(self) -> dict[str, Any]:
        """Arguments of the function that are no arrays."""
        return {}

    def _weights(self) -> dict[str, Array]:
        """Parameters but those of the first state."""
        return {name: value for name, value in self._named().items() if name not in self._cell.states}

    def _first(self) -> dict[str, Array]:
        """The first state, where it is a parameter."""
        return {name: value for name, value in self._named().items() if name in self._cell.states}

    def _state(self, x: Array, state: Any) -> dict[str, Array]:
        if state is None:
            return {name: np.tile(value, (len(x), 1)) for name, value in self._first().items()}
        states = self._cell.states
        return dict(zip(states, state if len(states) > 1 else (state,), strict=True))

    def _arguments(self, x: Array, state: Any) -> dict[str, Any]:
        if state is None and not self.initial:
            return {**self._named(), **self._options()}
        return {**self._weights(), **self._state(x, state), **self._options()}

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        rows = self._cell.gates * self.hidden
        shapes = {"w_ih": (rows, inputs), "w_hh": (rows, self.hidden), "b_ih": (rows,), "b_hh": (rows,)}
        known = {name: shape for name, shape in shapes.items() if name in self._cell.arrays}
        return known | (dict.fromkeys(self._cell.states, (self.hidden,)) if self.initial else {})

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[dict[str, Array], int]:
        scale = 1.0 / np.sqrt(self.hidden)
        drawn = {name: rng.uniform(-scale, scale, shape) for name, shape in self._shapes(inputs).items()}
        return drawn | dict.fromkeys(self._cell.states if self.initial else (), np.zeros(self.hidden)), self.hidden

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["w_ih"]).shape[1]

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        return self.function(x, **self._arguments(x, state))

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        begun, names = state is None, self._weights() if self.initial else self._named()
        arguments = {"x": x, "lengths": None, **self._arguments(x, state)}
        if size is None:
            (y, state), pullback = layer_vjp(self._cell.function, arguments)
        else:
            (y, state), pullback = layer_by_blocks(self._cell.function, arguments, size)
        last = state if isinstance(state, tuple) else (state,)
        shapes = [each.shape for each in last]

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            none = tuple([np.zeros(shape, dy.dtype) for shape in shapes])
            found = pullback(dy, none if len(none) > 1 else none[0])
            grads = {name: found[name] for name in names}
            if self.initial:
                for name, value in self._first().items():
                    grads[name] = found[name].sum(axis=0) if begun else np.zeros_like(value)
            return grads, found["x"]

        return (y, state), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        given = {"x": x, **self._arguments(x, state)}
        moved: dict[str, Any] = {"x": dx, **tangents}
        for name in self._first():
            moved[name] = np.tile(tangents[name], (len(x), 1)) if name in tangents and state is None else None
        moves = tuple(moved.get(name) for name in self._cell.arrays if name in given)
        (y, _), (dy, _) = jvp(self.function, (), moves, **given)
        return y, dy

    def _stream(self) -> Stream:
        if self.initial:  # for as many sequences as come
            return ModelStream(self.copy())
        arguments: dict[str, Any] = {**self._named(), **self._options()}
        return BlockStream(LayerStream(self._cell.function, **arguments), self.inputs, self.dtype, self.dtype)

    def _rows(self, x: Array, state: Any, names: tuple[str, ...], rows: Array | None) -> tuple[Array, Array]:
        return layer_rows(self._cell.function, {**self._arguments(x, state), "x": x}, names, rows)

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, rows = self._rows(x, state, tuple(self._weights()), None)
        if not self.initial:
            return y, rows
        units = np.eye(self.hidden, dtype=self.dtype)
        more = [self._jvp(x, {name: unit}, None, state)[1] for name in self._first() for unit in units]
        return y, np.concatenate([rows, np.stack(more)])

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        return self._rows(x, state, (), rows)[1]


class RNN(Recurrent):
    r"""
    A layer of plain recurrent units, to be trained.

    .. math:: h[n] = g(W_{ih} x[n] + b_{ih} + W_{hh} h[n-1] + b_{hh})

    Parameters
    ----------
    hidden : int
        H, the number of units, which are the outputs.
    activation : str or Activation, default 'tanh'
        The function g, as in `nlfilter`.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of all weights, sums and outputs.

    See Also
    --------
    GRU, LSTM : Layers whose gradients do not vanish as soon.
    rnn : The function.

    Notes
    -----
    Weights ``w_ih`` (H, I), ``w_hh`` (H, H), ``b_ih`` and ``b_hh`` (H,) are drawn as by PyTorch, between
    :math:`\pm 1 / \sqrt H`.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.RNN(4).init(inputs=2, rng=0)
    >>> model([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).shape
    (3, 4)
    """

    def __init__(self, hidden: int, activation: str | Activation = "tanh", *, dtype: str = "float64") -> None:
        self.hidden, self.activation, self.dtype = whole("hidden", hidden, 1), known(activation), precision(dtype)

    def _options(self) -> dict[str, Any]:
        return {"activation": self.activation}


class GRU(Recurrent):
    r"""
    A layer of gated recurrent units, to be trained.

    Parameters
    ----------
    hidden : int
        H, the number of units, which are the outputs.
    reset_after : bool, default True
        As in `gru`.
    initial : bool, default False
        Whether the initial state is also a parameter: ``h0`` (H,). Its initial value is 0.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of all weights, sums and outputs.

    See Also
    --------
    LSTM, RNN : Other layers.
    gru : The function, and its equations.

    Notes
    -----
    Weights ``w_ih`` (3 H, I), ``w_hh`` (3 H, H), ``b_ih`` and ``b_hh`` (3 H,) are drawn as by PyTorch, between
    :math:`\pm 1 / \sqrt H`.

    Examples
    --------
    >>> import sigrnn
    >>> print(sigrnn.GRU(8).init(inputs=1, rng=0))
    GRU(8)  1 -> 8  264 parameters
    """

    def __init__(self, hidden: int, *, reset_after: bool = True, initial: bool = False, dtype: str = "float64") -> None:
        self.hidden, self.reset_after, self.dtype = whole("hidden", hidden, 1), bool(reset_after), precision(dtype)
        self.initial = bool(initial)

    def _options(self) -> dict[str, Any]:
        return {"reset_after": self.reset_after}


class LSTM(Recurrent):
    r"""
    A layer of long short-term memory cells, to be trained.

    Parameters
    ----------
    hidden : int
        H, the number of cells, whose h are the outputs.
    peephole : bool, default False
        Whether gates depend on the cell, with the parameter ``peephole`` (3, H).
    forget_bias : float, default 0.0
        Added to the initial bias of the forget gates; with 1 or more, cells initially keep their content [1]_.
    initial : bool, default False
        Whether the initial state is also a parameter: ``h0`` and ``c0`` (H,). Its initial value is 0.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of all weights, sums and outputs.

    See Also
    --------
    GRU, RNN : Other layers.
    lstm : The function, and its equations.

    Notes
    -----
    Weights ``w_ih`` (4 H, I), ``w_hh`` (4 H, H), ``b_ih`` and ``b_hh`` (4 H,) are drawn as by PyTorch, between
    :math:`\pm 1 / \sqrt H`.

    References
    ----------
    .. [1] R. Jozefowicz, W. Zaremba, I. Sutskever, "An empirical exploration of recurrent network architectures", ICML
       2015.

    Examples
    --------
    >>> import sigrnn
    >>> print(sigrnn.Chain(sigrnn.LSTM(16), sigrnn.Dense(1)).init(inputs=1, rng=0))
    Chain       1 -> 1   1,233 parameters
      LSTM(16)  1 -> 16  1,216 parameters
      Dense(1)  16 -> 1     17 parameters
    """

    def __init__(
        self,
        hidden: int,
        *,
        peephole: bool = False,
        forget_bias: float = 0.0,
        initial: bool = False,
        dtype: str = "float64",
    ) -> None:
        self.initial = bool(initial)
        self.hidden, self.peephole = whole("hidden", hidden, 1), bool(peephole)
        self.forget_bias, self.dtype = float(forget_bias), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[dict[str, Array], int]:
        drawn, outputs = super()._draw(inputs, rng)
        drawn["b_ih"][self.hidden : 2 * self.hidden] += self.forget_bias
        return drawn, outputs

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return super()._shapes(inputs) | ({"peephole": (3, self.hidden)} if self.peephole else {})


class MinGRU(Recurrent):
    r"""
    A layer of minimal gated recurrent units, to be trained: gates depend on inputs only.

    Parameters
    ----------
    hidden : int
        H, the number of units, which are the outputs.
    dtype : {'float64', 'float32'}, default 'float64'
        That of all weights, sums and outputs.

    See Also
    --------
    GRU : Units whose gates also see the units.
    mingru : The function, and its equations.

    Notes
    -----
    Weights ``w_ih`` (2 H, I) and ``b_ih`` (2 H,) are drawn between :math:`\pm 1 / \sqrt H`.

    Examples
    --------
    >>> import sigrnn
    >>> print(sigrnn.MinGRU(8).init(inputs=1, rng=0))
    MinGRU(8)  1 -> 8  32 parameters
    """

    def __init__(self, hidden: int, *, dtype: str = "float64") -> None:
        self.hidden, self.dtype = whole("hidden", hidden, 1), precision(dtype)


class Dense(Model):
    r"""
    A fully connected layer, to be trained: it has no memory.

    .. math:: y[n] = g(V x[n] + \beta)

    Parameters
    ----------
    outputs : int
        O, the number of outputs.
    activation : str or Activation, default 'linear'
        The function g, as in `nlfilter`.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of all weights, sums and outputs.

    See Also
    --------
    NonlinearFIR : The same with several taps, and one output.
    dense : The function.

    Notes
    -----
    Weights ``v`` (O, I) and ``bias`` (O,) are drawn as by PyTorch, between :math:`\pm 1 / \sqrt I`; with one input and
    one output, as for a curve in a chain of filters, near the identity.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.Dense(1, "relu")
    >>> model.params = {"v": [[1.0, 1.0]], "bias": [0.5]}
    >>> model([[1.0, 2.0], [0.0, -1.0]])
    array([[3.5],
           [0. ]])
    """

    def __init__(self, outputs: int, activation: str | Activation = "linear", *, dtype: str = "float64") -> None:
        self.n_outputs, self.activation, self.dtype = whole("outputs", outputs, 1), known(activation), precision(dtype)

    def _argument(self, name: str) -> Any:
        return self.n_outputs if name == "outputs" else super()._argument(name)

    @property
    def _compute_dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.dtype

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        scale = 1.0 / np.sqrt(inputs)
        v, bias = (rng.uniform(-scale, scale, shape) for shape in self._shapes(inputs).values())
        if inputs == self.n_outputs == 1:
            v, bias = 1.0 + 0.1 * v, 0.1 * bias
        return {"v": v, "bias": bias}, self.n_outputs

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"v": (self.n_outputs, inputs), "bias": (self.n_outputs,)}

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["v"]).shape[1]

    def _arguments(self) -> tuple[Array, Array]:
        params = self._named()
        return params["v"], params["bias"]

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        return dense(x, *self._arguments(), activation=self.activation), None

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        y, pullback = dense_pass(x, *self._arguments(), self.activation)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = pullback(dy)
            return {"v": found["v"], "bias": found["bias"]}, found["x"]

        return (y, None), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        moves = dx, tangents.get("v"), tangents.get("bias")
        return jvp(dense, (x, *self._arguments()), moves, activation=self.activation)

    def _stream(self) -> Stream:
        v, bias = self._arguments()
        return BlockStream(Affine(v, bias, self.activation), self.inputs, self.dtype, self.dtype)

    def _sloped(self, x: Array) -> tuple[Array, Array]:
        v, bias = self._arguments()
        y = dense(x, v, bias, activation=self.activation)
        by = y if slope_of_output(self.activation) else excitation(x, v, bias)
        return y, respond(self.activation, np.array(by, F8), slope=True)

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        y, slope = self._sloped(x)
        inputs, outputs = x.shape[-1], self.n_outputs
        rows = np.zeros((outputs * inputs + outputs, *y.shape))
        for o in range(outputs):
            rows[o * inputs : (o + 1) * inputs, ..., o] = np.moveaxis(x * slope[..., o : o + 1], -1, 0)
            rows[outputs * inputs + o, ..., o] = slope[..., o]
        return y, rows

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        v, _ = self._arguments()
        # A product of matrices with a single column took 5 ms more for 20 rows of 20 000 samples.
        weighed = rows * v[:, 0] if v.shape[1] == 1 else rows @ v.T
        return weighed * self._sloped(x)[1]
