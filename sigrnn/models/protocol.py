"""What all models have in common: `Model`. A subclass says how it is drawn, run and differentiated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import F8, Array, random
from sigrnn.models import files, plots, printing
from sigrnn.models.exchanged import Exchanged
from sigrnn.models.hooks import Hooks
from sigrnn.models.parameters import Params, check_names
from sigrnn.models.signals import FLOATS, alike, count, presented, sequences
from sigrnn.models.streams import Kept, Stream

__all__ = ["Model", "load"]


class Model(Exchanged, Hooks):
    """
    What all models have in common, and the base of your own.

    A subclass has two methods or three. They see signals as (B, N, I), and a state that is theirs to define (None: at
    rest):

    * ``_draw(inputs, rng)`` returns first parameters, a dict of arrays, and the number of outputs;
    * ``_run(x, state)`` returns y (B, N, O) and the state after it;
    * ``_vjp(x, state)`` returns ``(y, state), pull``, where ``pull(dy)`` gives a dict of gradients and dx, for training;
    * ``_jvp(x, tangents, dx, state)``, if there is one, returns y and dy, where `tangents` has those of some parameters
      and dx may be None. The solver 'lm' needs it.

    They find parameters in ``self.params``. Arguments of ``__init__`` are to be kept under their own names.

    Attributes
    ----------
    params : dict
        Named float arrays, in a fixed order. Entries can be assigned, or all at once; shapes are checked, and copies are
        kept. Empty before sizes are known.
    inputs, outputs : int or None
        Channels of signals that come in and go out; None before sizes are known.
    dtype : numpy.dtype
        That of the outputs.
    parts : tuple of Model
        Of compositions; their parameters are those of the parts, with "0.", "1.", ... in front.

    See Also
    --------
    FIR, IIR, SOS : Linear filters.
    NonlinearFIR, NonlinearIIR : Filters with an activation.
    RNN, GRU, LSTM, Dense : Layers.
    Chain, Residual, Parallel, Bidirectional : Compositions.

    Notes
    -----
    A model that is called before it has sizes takes those of the signal, and draws its parameters with seed 0.

    Parameters go to other libraries and come from there by `to_torch_state_dict`, `from_torch_state_dict`,
    `from_keras_weights`, `to_rtneural_json`, `from_rtneural_json` and `to_onnx`.

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
    _known: ClassVar[dict[str, type[Model]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Model._known[files.name_of(cls)] = cls

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
        inputs = count("inputs", inputs)
        params, outputs = self._draw(inputs, random(rng))
        self.inputs, self.outputs = inputs, outputs
        self._values = {name: np.array(value, self._kind or F8) for name, value in params.items()}
        return self

    def _prepare(self, inputs: int) -> None:
        """Set sizes if there are none."""
        if self.inputs is None:
            self.init(inputs, rng=0)

    @property
    def params(self) -> Params:
        return Params(self._named(), self._assign)

    @params.setter
    def params(self, params: Mapping[str, Any]) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(f"params must be a dict of arrays, got {type(params).__name__}")
        if not self._sized():
            self._size_by(params)
        check_names(params, self._named())
        before = dict(self._named())
        try:
            for name, value in params.items():
                self._assign(name, value)
        except (TypeError, ValueError):
            for name, array in before.items():  # all or nothing
                self._assign(name, array)
            raise

    def _size_by(self, params: Mapping[str, Any]) -> None:
        try:
            inputs = self._inputs_of(params)
        except (KeyError, IndexError):
            raise ValueError(f"params of {self!r} cannot be told from {', '.join(params) or 'nothing'}") from None
        self.init(inputs, rng=0)

    def _assign(self, name: str, value: Any) -> Array:
        if self._values is None:
            raise ValueError(f"{self!r} has no sizes yet: call init(inputs), or assign all parameters at once")
        if name not in self._values:
            raise KeyError(f"{name}: the parameters are {', '.join(self._values)}")
        old = self._values[name]
        new = np.array(alike(name, value, old.shape, old.dtype))
        self._values[name] = self._checked(name, new)
        return self._values[name]

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

    def run(self, x: ArrayLike, state: Any = None) -> tuple[Array, Any]:
        """
        Run the model from a state, and keep that after it.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        state : object, optional
            What `run` or `vjp` has returned for the samples before, with as many sequences; at rest by default.

        Returns
        -------
        y : ndarray
            Outputs, as those of a call.
        state : object
            What the next samples need to know.
        """
        x, ndim = self._signal(x)
        y, state = self._run(x, state)
        return presented(self._given(y), ndim), state

    def vjp(
        self, x: ArrayLike, state: Any = None, *, checkpoint: int | None = None
    ) -> tuple[tuple[Array, Any], Callable[[ArrayLike], tuple[dict[str, Array], Array]]]:
        """
        Run the model, and prepare its gradients: reverse mode.

        Parameters
        ----------
        x : array_like, shape (N,), (N, I) or (B, N, I)
            Inputs.
        state : object, optional
            As in `run`. It counts as a constant, and the state after the last sample as of no influence: calls segment by
            segment make truncated back-propagation through time.
        checkpoint : int, optional
            Filters and layers keep their state at every so many samples only, as in `sigrnn.vjp`.

        Returns
        -------
        value : tuple
            What `run` returns.
        pullback : callable
            ``pullback(dy)`` returns the gradients of an error, whose gradient by the outputs is dy: a dict like
            `params`, and dx. Entries that are not trained get 0.
        """
        given = np.asarray(x).dtype
        x, ndim = self._signal(x)
        (y, state), pull = (
            self._vjp(x, state)
            if checkpoint is None
            else self._vjp_by_blocks(x, state, count("checkpoint", checkpoint))
        )
        y, inner = self._given(y), y.dtype
        shown, full = presented(y, ndim), y.shape

        def pullback(dy: ArrayLike) -> tuple[dict[str, Array], Array]:
            slopes = alike("dy", dy, shown.shape, inner).reshape(full)
            found, dx = pull(slopes)
            dx = np.asarray(dx).astype(given if given in FLOATS else F8, copy=False)
            return found, dx[0, :, 0] if ndim == 1 else dx[0] if ndim == 2 else dx

        return (shown, state), pullback

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
            That of the inputs, zero by default.
        state : object, optional
            As in `run`.

        Returns
        -------
        y, dy : ndarray
            Outputs and their tangent.
        """
        given = np.asarray(x)
        x, ndim = self._signal(x)
        params = self._named()
        for name in tangents:
            if name not in params:
                raise ValueError(f"tangents: unknown {name}; the model has {', '.join(params)}")
        moves = {
            name: alike(f"tangent of {name}", t, params[name].shape, params[name].dtype) for name, t in tangents.items()
        }
        move = None if dx is None else alike("dx", dx, given.shape, x.dtype).reshape(x.shape)
        y, dy = self._jvp(x, moves, move, state)
        return presented(self._given(y), ndim), presented(self._given(dy), ndim)

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
            The derivative of y by each entry that is trained, in the order of `params`, entries in C order.

        Raises
        ------
        TypeError
            If a part of the model has no forward mode.
        """
        x, ndim = self._signal(x)
        y, rows = self._sensitivities(x, state)
        return presented(self._given(y), ndim), presented(rows, ndim)

    def _signal(self, x: ArrayLike) -> tuple[Array, int]:
        """The signal as (B, N, I), sizes set if need be, and how many axes it had."""
        full, ndim = sequences(x, self.inputs, self._kind)
        if not self._sized():
            self._prepare(full.shape[-1])
        return full, ndim

    def _given(self, y: Array) -> Array:
        return np.asarray(y).astype(self.dtype, copy=False)

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
        return self._stream()

    def _stream(self) -> Stream:
        return Kept(self.copy())

    def config(self) -> dict[str, Any]:
        """
        Tell the arguments it was made with.

        Returns
        -------
        dict
            ``type(model)(*parts, **model.config())`` is the same model without sizes.
        """
        names = [
            p.name
            for p in inspect.signature(type(self).__init__).parameters.values()
            if p.name != "self" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        return {name: self.dtype.name if name == "dtype" else getattr(self, name) for name in names}

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
            If an argument cannot be written, as an `Activation` of your own.
        """
        files.write(self, path)

    def plot(self) -> Any:
        """
        Draw what the model does.

        Returns
        -------
        matplotlib.figure.Figure
            For linear filters the impulse response, the frequency response, poles and zeros; for filters and layers with
            an activation also its curve and its slope; for all others responses to pulses of several sizes, and how loud
            noise of some loudness comes out.
        """
        self._need_sizes("plot")
        return plots.drawn(self)

    def __repr__(self) -> str:
        return printing.in_one_line(self)

    def __str__(self) -> str:
        return printing.in_full(self)


def load(path: Any) -> Model:
    """
    Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : str, path or binary file
        The file.

    Returns
    -------
    Model
        With all parameters.

    Raises
    ------
    ValueError
        If the file holds no model, is broken, is from a later version, or has a class that is not known: a class of your
        own has to be imported before.

    See Also
    --------
    Model.save : Writes it.

    Notes
    -----
    Nothing in a file is run: classes are looked up by name among those that exist.

    Examples
    --------
    >>> import io
    >>> import sigrnn
    >>> file = io.BytesIO()
    >>> sigrnn.Chain(sigrnn.GRU(4), sigrnn.Dense(1)).init(2, rng=0).save(file)
    >>> file.seek(0)
    0
    >>> sigrnn.load(file)
    Chain(GRU(4), Dense(1))
    """
    return files.read(path, Model._known)
