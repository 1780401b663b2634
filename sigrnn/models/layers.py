"""Layers as models: `RNN`, `GRU`, `LSTM`, `MinGRU`, with weights as in PyTorch, and `Dense`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array
from sigrnn.activations import Activation, known, respond, slope_of_output
from sigrnn.gradients import jvp, vjp
from sigrnn.gradients.sensitivities import layer_rows
from sigrnn.layers import recurrent as layers
from sigrnn.layers._cells import MODELS, Cell
from sigrnn.layers.recurrent import dense
from sigrnn.layers.recurrent import weighed as excitation
from sigrnn.layers.streams import LayerStream
from sigrnn.models.hooks import Pull
from sigrnn.models.protocol import Model
from sigrnn.models.signals import count, precision
from sigrnn.models.streams import Stream

__all__ = ["GRU", "LSTM", "RNN", "Dense", "MinGRU"]


class Recurrent(Model):
    """A layer of the table of cells, found by the name of the class."""

    hidden: int
    _cell: Cell

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ in MODELS:
            cls._cell = MODELS[cls.__name__]

    @property
    def function(self) -> Any:
        return getattr(layers, self._cell.function)

    @property
    def _kind(self) -> np.dtype[Any]:
        return self.dtype

    def _options(self) -> dict[str, Any]:
        """Keyword arguments that are no arrays."""
        return {}

    def _state(self, state: Any) -> dict[str, Array]:
        states = self._cell.states
        return {} if state is None else dict(zip(states, state if len(states) > 1 else (state,), strict=True))

    def _arguments(self, state: Any) -> dict[str, Any]:
        return {**self._named(), **self._state(state), **self._options()}

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        rows, scale = self._cell.gates * self.hidden, 1.0 / np.sqrt(self.hidden)
        shapes = {"w_ih": (rows, inputs), "w_hh": (rows, self.hidden), "b_ih": (rows,), "b_hh": (rows,)}
        drawn = {name: rng.uniform(-scale, scale, s) for name, s in shapes.items() if name in self._cell.arrays}
        return drawn, self.hidden

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["w_ih"]).shape[1]

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        return self.function(x, **self._arguments(state))

    def _vjp(self, x: Array, state: Any, **kwargs: Any) -> tuple[tuple[Array, Any], Pull]:
        given = {"x": x, **self._arguments(state)}
        (y, state), pullback = vjp(self.function, **given, **kwargs)
        names, order = tuple(self._named()), [name for name in self._cell.arrays if name in given]

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = dict(zip(order, pullback((dy, None)), strict=True))
            return {name: found[name] for name in names}, found["x"]

        return (y, state), pull

    def _vjp_by_blocks(self, x: Array, state: Any, size: int) -> tuple[tuple[Array, Any], Pull]:
        return self._vjp(x, state, checkpoint=size)

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        given = {"x": x, **self._arguments(state)}
        moves = tuple({"x": dx, **tangents}.get(name) for name in self._cell.arrays if name in given)
        (y, _), (dy, _) = jvp(self.function, (), moves, **given)
        return y, dy

    def _stream(self) -> Stream:
        arguments: dict[str, Any] = {**self._named(), **self._options()}
        return Blocks(LayerStream(self._cell.function, **arguments), self.dtype)

    def _rows(self, x: Array, state: Any, names: tuple[str, ...], rows: Array | None) -> tuple[Array, Array]:
        return layer_rows(self._cell.function, {**self._arguments(state), "x": x}, names, rows)

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        return self._rows(x, state, tuple(self._named()), None)

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
        That of all weights, sums and outputs.

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
        self.hidden, self.activation, self.dtype = count("hidden", hidden), known(activation), precision(dtype)

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
    dtype : {'float64', 'float32'}, default 'float64'
        That of all weights, sums and outputs.

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

    def __init__(self, hidden: int, reset_after: bool = True, *, dtype: str = "float64") -> None:
        self.hidden, self.reset_after, self.dtype = count("hidden", hidden), bool(reset_after), precision(dtype)

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
        Whether gates see the cell: a parameter ``peephole`` (3, H) more.
    forget_bias : float, default 0.0
        Added to what is drawn for the bias of the gates f; with 1 or more, cells begin as ones that keep what they have
        [1]_.
    dtype : {'float64', 'float32'}, default 'float64'
        That of all weights, sums and outputs.

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
        self, hidden: int, peephole: bool = False, *, forget_bias: float = 0.0, dtype: str = "float64"
    ) -> None:
        self.hidden, self.peephole = count("hidden", hidden), bool(peephole)
        self.forget_bias, self.dtype = float(forget_bias), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        drawn, outputs = super()._draw(inputs, rng)
        drawn = dict(drawn)
        drawn["b_ih"][self.hidden : 2 * self.hidden] += self.forget_bias
        if self.peephole:
            scale = 1.0 / np.sqrt(self.hidden)
            drawn["peephole"] = rng.uniform(-scale, scale, (3, self.hidden))
        return drawn, outputs


class MinGRU(Recurrent):
    r"""
    A layer of minimal gated recurrent units, to be trained: gates see inputs only.

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
        self.hidden, self.dtype = count("hidden", hidden), precision(dtype)


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
        That of all weights, sums and outputs.

    See Also
    --------
    NonlinearFIR : The same with several taps, and one output.
    dense : The function.

    Notes
    -----
    Weights ``v`` (O, I) and ``bias`` (O,) are drawn as by PyTorch, between :math:`\pm 1 / \sqrt I`; those of one output of
    one input, a curve in a chain of filters, near the identity.

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
        self.n_outputs, self.activation, self.dtype = count("outputs", outputs), known(activation), precision(dtype)

    def config(self) -> dict[str, Any]:
        """
        Tell the arguments it was made with.

        Returns
        -------
        dict
            ``Dense(**config)`` is the same without sizes.
        """
        return {"outputs": self.n_outputs, "activation": self.activation, "dtype": self.dtype.name}

    @property
    def _kind(self) -> np.dtype[Any]:
        return self.dtype

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        scale = 1.0 / np.sqrt(inputs)
        v, bias = rng.uniform(-scale, scale, (self.n_outputs, inputs)), rng.uniform(-scale, scale, self.n_outputs)
        if inputs == self.n_outputs == 1:
            v, bias = 1.0 + 0.1 * v, 0.1 * bias
        return {"v": v, "bias": bias}, self.n_outputs

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return np.asarray(params["v"]).shape[1]

    def _arguments(self) -> tuple[Array, Array]:
        params = self._named()
        return params["v"], params["bias"]

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        return dense(x, *self._arguments(), activation=self.activation), None

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        y, pullback = vjp(dense, x, *self._arguments(), activation=self.activation)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            dx, dv, dbias = pullback(dy)
            return {"v": dv, "bias": dbias}, dx

        return (y, None), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        moves = dx, tangents.get("v"), tangents.get("bias")
        return jvp(dense, (x, *self._arguments()), moves, activation=self.activation)

    def _stream(self) -> Stream:
        v, bias = self._arguments()
        return Weighed(v.copy(), bias.copy(), self.activation)

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


class Blocks:
    """The stream of a recurrent layer: a stream of the library's own, in the dtype of the model."""

    def __init__(self, layer: LayerStream, dtype: np.dtype[Any]) -> None:
        self.layer, self.dtype = layer, dtype

    def __call__(self, x: ArrayLike) -> Array:
        if type(x) is not np.ndarray or x.dtype is not self.dtype:
            x = np.asarray(x)
            if x.dtype.kind not in "biuf":
                raise TypeError(f"x has dtype {x.dtype}: models are for real signals")
            x = x.astype(self.dtype)
        if x.ndim != 1:
            return self.layer(x)
        h = self.layer(x[:, None])
        return h[:, 0] if h.shape[1] == 1 else h

    def reset(self) -> None:
        self.layer.reset()

    def copy(self) -> Self:
        return type(self)(self.layer.copy(), self.dtype)


class Weighed:
    """The stream of `Dense`, which has nothing to keep: `dense`, its checks done beforehand."""

    def __init__(self, v: Array, bias: Array, activation: str | Activation) -> None:
        self.v, self.bias, self.activation = v, bias, activation
        self.turned = np.ascontiguousarray(v.T)
        self.model = Dense(len(v), activation, dtype=v.dtype.name)
        self.model.params = {"v": v, "bias": bias}

    def __call__(self, x: ArrayLike) -> Array:
        if type(x) is not np.ndarray or x.dtype is not self.v.dtype or x.ndim > 2:
            return self.model(x)
        inputs = self.v.shape[1]
        if x.ndim == 1 and inputs == 1:
            e = x[:, None] * self.turned + self.bias
        elif x.ndim == 2 and x.shape[1] == inputs:
            e = x @ self.turned + self.bias
        else:
            return self.model(x)
        y = e if self.activation == "linear" else respond(self.activation, e).astype(e.dtype, copy=False)
        return y[:, 0] if x.ndim == 1 and y.shape[1] == 1 else y

    def reset(self) -> None:
        """Nothing is kept."""

    def copy(self) -> Self:
        return type(self)(self.v, self.bias, self.activation)
