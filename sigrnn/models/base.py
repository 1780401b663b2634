"""The base class of all models: what users call, and what a subclass implements."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, random, whole
from sigrnn.models import files, plots, summary
from sigrnn.models.exchange.methods import Exchange
from sigrnn.models.multi_input import restore_layout, sequences, warn_if_wide
from sigrnn.models.parameters import Parametrised, check_like
from sigrnn.models.streams import ModelStream, Stream, Titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Model"]

Pull = Callable[..., tuple[dict[str, Array], Array]]


class Model(Exchange, Parametrised):
    """
    The base class of all models, and of your own.

    A subclass implements two or three methods. They get signals as (B, N, I), and a state of a form that they define
    (None: at rest):

    * ``_draw(inputs, rng)`` returns first parameters, a dict of arrays, and the number of outputs;
    * ``_run(x, state)`` returns y (B, N, O) and the state after it;
    * ``_vjp(x, state)`` returns ``(y, state), pull``, where ``pull(dy)`` gives a dict of gradients and dx, for training;
    * ``_jvp(x, tangents, dx, state)``, if there is one, returns y and dy, where `tangents` has those of some parameters
      and dx may be None. The solver 'lm' needs it.

    They find parameters in ``self.params``. Keep the arguments of ``__init__`` as attributes of the same names.

    Attributes
    ----------
    params : dict
        Named float arrays, in a fixed order. Assign one entry, or all at once; shapes are checked, and arrays are copied.
        Empty before sizes are known.
    inputs, outputs : int or None
        Number of input and output channels; None before sizes are known.
    dtype : numpy.dtype
        The dtype of the outputs.
    parts : tuple of Model
        The models of a composition; its parameters are those of the parts, with "0.", "1.", ... in front.

    See Also
    --------
    FIR, IIR, SOS : Linear filters.
    NonlinearFIR, NonlinearIIR : Filters with an activation.
    RNN, GRU, LSTM, Dense : Layers.
    Chain, Residual, Parallel, Bidirectional : Compositions.

    Notes
    -----
    A model that is called before `init` takes its sizes from the signal and draws its parameters with seed 0.

    `to_torch_state_dict`, `from_torch_state_dict`, `from_keras_weights`, `to_rtneural_json`, `from_rtneural_json` and
    `to_onnx` exchange parameters with other libraries.

    Examples
    --------
    >>> import sigrnn
    >>> class Gain(sigrnn.Model):
    ...     def _draw(self, inputs, rng):
    ...         return {"gain": 1.0 + 0.1 * rng.standard_normal(inputs)}, inputs
    ...
    ...     def _run(self, x, state):
    ...         return x * self.params["gain"], None
    ...
    ...     def _vjp(self, x, state):
    ...         def pull(dy):
    ...             return {"gain": (dy * x).sum(axis=(0, 1))}, dy * self.params["gain"]
    ...
    ...         return self._run(x, state), pull
    >>> model = sigrnn.Chain(Gain(), sigrnn.FIR(3)).init(rng=1)
    >>> model.params["0.gain"] = [2.0]
    >>> model.params["1.b"] = [1.0, 0.0, -1.0]
    >>> model([1.0, 1.0, 1.0])
    array([2., 2., 0.])
    """

    inputs: int | None = None
    outputs: int | None = None
    dtype: np.dtype[Any] = F8
    parts: tuple[Model, ...] = ()
    _compute_dtype: np.dtype[Any] | None = F8  # of `_run` and of parameters; None: that of the signal
    _checkpoints = False  # whether `_vjp` takes a third argument: the interval between stored states
    _unsaved: ClassVar[tuple[str, ...]] = ()  # arguments of __init__ that `config` leaves out

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        files.CLASSES[files.name_of(cls)] = cls

    # What a subclass implements.

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        raise NotImplementedError(
            f"{type(self).__name__} must implement _draw(inputs, rng) to initialise its parameters: give it a method _draw"
        )

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        raise NotImplementedError(f"{type(self).__name__} must implement _run(x, state): give it a method _run")

    def _vjp(self, x: Array, state: Any) -> tuple[tuple[Array, Any], Pull]:
        raise TypeError(f"{type(self).__name__} has no gradients: give it a method _vjp")

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        raise TypeError(
            f"{type(self).__name__} has no forward mode (_jvp), which sensitivities and the solver 'lm' need; "
            "'lbfgs', 'adam' and 'sgd' do without"
        )

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        """Y and its rows (R, B, N, O): one run in forward mode for each entry that is not fixed."""
        y, rows = None, []
        for name, value in self._named().items():
            for index in np.argwhere(self._constraint(name).free(value)):
                tangent = np.zeros(value.shape, value.dtype)
                tangent[tuple(index)] = 1.0
                y, dy = self._jvp(x, {name: tangent}, None, state)
                rows.append(dy)
        if y is None:
            y = self._run(x, state)[0]
        return y, np.stack(rows) if rows else np.empty((0, *y.shape))

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        """Tangents (R, B, N, O) of y for tangents (R, B, N, I) of x."""
        found = [self._jvp(x, {}, row, state)[1] for row in rows]
        return np.stack(found) if found else np.empty((0, *self._run(x, state)[0].shape))

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]] | None:
        """Shapes of the parameters, known before they are allocated; None: unknown."""
        return None

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        """The number of inputs that belongs to parameters given all at once."""
        raise ValueError(f"{type(self).__name__} has no sizes yet: call init(inputs) before parameters are assigned")

    def _stream(self) -> Stream:
        return ModelStream(self.copy())

    def _single_input(self) -> bool:
        """Whether it is a filter, which mostly has one input."""
        return False

    # The same with a cast to the model's precision and back, for signals (B, N, I) of a float dtype that were checked
    # before: what compositions and trainers call.

    def _forward(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        y, state = self._run(self._cast(x), state)
        return self._given(y), state

    def _reverse(self, x: Array, state: Any = None, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        given, x = x.dtype, self._cast(x)
        (y, state), pull = self._vjp(x, state, *([size] if self._checkpoints and size is not None else []))
        inner = y.dtype

        def pullback(dy: Array) -> tuple[dict[str, Array], Array]:
            grads, dx = pull(dy.astype(inner, copy=False))
            return grads, np.asarray(dx).astype(given, copy=False)

        return (self._given(y), state), pullback

    def _repeated(self, x: Array, size: int | None = None) -> Callable[[], tuple[tuple[Array, Any], Pull]]:
        """`_reverse` over the same x from rest again and again. What it returns is valid until the next call."""
        return partial(self._reverse, x, None, size)

    def _tangent(
        self, x: Array, tangents: dict[str, Array], dx: Array | None = None, state: Any = None
    ) -> tuple[Array, Array]:
        y, dy = self._jvp(self._cast(x), tangents, None if dx is None else self._cast(dx), state)
        return self._given(y), self._given(dy)

    def _jacobian(self, x: Array, state: Any = None) -> tuple[Array, Array]:
        y, rows = self._sensitivities(self._cast(x), state)
        return self._given(y), rows

    def _cast(self, x: Array) -> Array:
        return x if self._compute_dtype is None else x.astype(self._compute_dtype, copy=False)

    def _given(self, y: Array) -> Array:
        return np.asarray(y).astype(self.dtype, copy=False)

    # What users call.

    def init(self, inputs: int = 1, rng: int | np.random.Generator | None = None) -> Self:
        """
        Set sizes, and draw parameters.

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
        inputs = whole("inputs", inputs, 1)
        params, outputs = self._draw(inputs, random(rng))
        self.inputs, self.outputs = inputs, outputs
        self._values = {name: np.array(value, self._compute_dtype or F8) for name, value in params.items()}
        self._drawn = getattr(self, "_first", None) is None  # coefficients to begin with, of sections
        return self

    def _prepare(self, inputs: int) -> None:
        """Set sizes if there are none."""
        if self.inputs is None:
            self.init(inputs, rng=0)

    def _size_by(self, params: Mapping[str, Any]) -> None:
        try:
            inputs = self._inputs_of(params)
        except (KeyError, IndexError):
            raise ValueError(f"params of {self!r} do not fit {', '.join(params) or 'nothing'}") from None
        self.init(inputs, rng=0)

    def __call__(self, x: ArrayLike) -> Array:
        """
        Run the model, from rest.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs: N samples of I channels, B sequences.

        Returns
        -------
        y : ndarray, shape (N,), (N, O) or (B, N, O)
            Outputs; one output of a 1-D signal is 1-D.
        """
        return self.run(x)[0]

    def run(self, x: ArrayLike, state: object = None) -> tuple[Array, object]:
        """
        Run the model from a state, and return the final state too.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        state : object, optional
            As returned by `run` or `vjp` for the samples before, with as many sequences; at rest by default.

        Returns
        -------
        y : ndarray
            Outputs.
        state : object
            The state after the last sample.
        """
        x, ndim = self._signal(x)
        y, state = self._forward(x, state)
        return restore_layout(y, ndim), state

    def vjp(
        self, x: ArrayLike, state: object = None, *, checkpoint: int | None = None
    ) -> tuple[tuple[Array, object], Callable[[ArrayLike], tuple[dict[str, Array], Array]]]:
        """
        Run the model, and prepare its gradients: reverse mode.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        state : object, optional
            As in `run`. It has no gradient, and neither has the final state: calls segment by segment are truncated
            back-propagation through time.
        checkpoint : int, optional
            Filters and layers store the state at every `checkpoint`-th sample only, as in `sigrnn.vjp`.

        Returns
        -------
        value : tuple
            The value of `run`.
        pullback : callable
            ``pullback(dy)``, for the gradient dy of an error with respect to the outputs, returns its gradients with
            respect to the parameters, a dict like `params`, and to x. Entries that are not trained get 0.
        """
        x, ndim = self._signal(x)
        size = None if checkpoint is None else whole("checkpoint", checkpoint, 1)
        (y, state), pull = self._reverse(x, state, size)
        value, full = restore_layout(y, ndim), y.shape
        expected, dtype = value.shape, y.dtype
        kinds = {name: param.dtype for name, param in self._named().items()}

        def pullback(dy: ArrayLike) -> tuple[dict[str, Array], Array]:
            slopes = check_like("dy", dy, expected, dtype).reshape(full)
            with np.errstate(all="ignore"):  # NaN and inf go where the equations take them, as in the model itself
                grads, dx = pull(slopes)
            grads = {name: np.asarray(grad).astype(kinds.get(name, F8), copy=False) for name, grad in grads.items()}
            return grads, dx[0, :, 0] if ndim == 1 else dx[0] if ndim == 2 else dx

        return (value, state), pullback

    def jvp(
        self, x: ArrayLike, tangents: Mapping[str, Any], dx: ArrayLike | None = None, state: Any = None
    ) -> tuple[Array, Array]:
        """
        Run the model, and find how its outputs change with parameters and inputs: forward mode.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        tangents : dict
            Tangents of parameters, by name; those left out are zero.
        dx : array_like, optional
            Tangent of the inputs, zero by default.
        state : object, optional
            As in `run`.

        Returns
        -------
        y, dy : ndarray
            Outputs and their tangent.
        """
        shape = np.shape(x)
        x, ndim = self._signal(x)
        params = self._named()
        for name in tangents:
            if name not in params:
                raise ValueError(f"tangents: unknown {name}; the model has {', '.join(params)}")
        checked = {
            name: check_like(f"tangent of {name}", t, params[name].shape, params[name].dtype)
            for name, t in tangents.items()
        }
        moved = None if dx is None else check_like("dx", dx, shape, x.dtype).reshape(x.shape)
        with np.errstate(all="ignore"):
            y, dy = self._tangent(x, checked, moved, state)
        return restore_layout(y, ndim), restore_layout(dy, ndim)

    def sensitivities(self, x: ArrayLike, state: Any = None) -> tuple[Array, Array]:
        """
        Run the model, and find how its outputs change with each parameter.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        state : object, optional
            As in `run`.

        Returns
        -------
        y : ndarray
            Outputs.
        J : ndarray, shape (n_parameters, ...)
            The derivative of y with respect to each entry that is trained, in the order of `params`, entries in C order.

        Raises
        ------
        TypeError
            If a part of the model has no forward mode.
        """
        x, ndim = self._signal(x)
        y, rows = self._jacobian(x, state)
        return restore_layout(y, ndim), restore_layout(rows, ndim)

    def _signal(self, x: ArrayLike) -> tuple[Array, int]:
        """The signal as (B, N, I), sizes set if need be, and how many axes it had."""
        full, ndim = sequences(x, self.inputs)
        if not self._sized():
            if ndim == 2 and self._single_input():
                warn_if_wide(full.shape[1:], type(self).__name__)
            self._prepare(full.shape[-1])
        return full, ndim

    def stream(self) -> Stream:
        """
        Make a stream: a callable that keeps the state from block to block.

        Block by block gives what a call gives for the whole, whatever the lengths of the blocks.

        Returns
        -------
        callable
            ``y = stream(block)``; ``stream.reset()`` goes back to rest, ``stream.copy()`` makes another with the same past.
            It has the parameters that the model has now.

        Raises
        ------
        ValueError
            If the model has no sizes yet, or needs the whole signal, as `Bidirectional` does.
        """
        self._need_sizes("stream")
        stream = self._stream()
        if isinstance(stream, Titled):
            stream.title = repr(self)
        return stream

    def config(self) -> dict[str, Any]:
        """
        Return the arguments of the constructor.

        Returns
        -------
        dict
            Without its parts, and without initial coefficients: ``type(model)(*model.parts, **model.config())`` is the
            same model without sizes.
        """
        kinds = [inspect.Parameter.KEYWORD_ONLY] + [inspect.Parameter.POSITIONAL_OR_KEYWORD] * (not self.parts)
        arguments = list(inspect.signature(type(self).__init__).parameters.values())[1:]
        return {p.name: self._argument(p.name) for p in arguments if p.kind in kinds and p.name not in self._unsaved}

    def _argument(self, name: str) -> Any:
        """The value of an argument of __init__, as JSON can hold it."""
        return self.dtype.name if name == "dtype" else getattr(self, name)

    def copy(self) -> Self:
        """
        Make another model with the same parameters.

        Returns
        -------
        Model
            It shares nothing with this one.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        if self._values is not None:
            other._values = {name: value.copy() for name, value in self._values.items()}
        if self.parts:
            other.parts = tuple(part.copy() for part in self.parts)
        return other

    def save(self, path: Any) -> None:
        """
        Write the model to a file.

        Parameters
        ----------
        path : str, path or binary file
            An ``.npz`` archive, without pickle; `load` reads it.

        Raises
        ------
        TypeError
            If an argument cannot be written, such as an `Activation` of your own.
        """
        files.write(self, path)

    def plot(self) -> Figure:
        """
        Draw the responses of the model.

        Returns
        -------
        matplotlib.figure.Figure
            For linear filters the impulse response, the frequency response, poles and zeros; for filters and layers with
            an activation its curve and slope, responses to pulses of several sizes, and output against input level of
            white noise; for all others the latter two and spectra.
        """
        self._need_sizes("plot")
        return plots.drawn(self)

    def __repr__(self) -> str:
        return summary.one_line(self)

    def __str__(self) -> str:
        return summary.table(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return summary.html(self)
