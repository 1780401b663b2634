"""Linear models: `FIR`, `IIR`, `SOS`. Their sensitivities are delays of two filtered signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

import sigrnn.filters.streams
from sigrnn._arrays import F8, Array, whole
from sigrnn.filters._coefficients import sections
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.gradients import jvp, steps
from sigrnn.models.base import Model, Pull
from sigrnn.models.multi_input import (
    delay,
    first_feedback,
    first_poles,
    first_taps,
    inputs_of,
    of_inputs,
    one_input,
    repeat_inputs,
    sum_inputs,
    time_first,
    time_last,
)
from sigrnn.models.parameters import ALL_FREE, FIRST_FIXED, FOURTH_FIXED, Constraint, precision
from sigrnn.models.rules import checked_vjp
from sigrnn.models.stability import Stable, numbers
from sigrnn.models.streams import BlockStream, ModelStream, Stream

__all__ = ["FIR", "IIR", "SOS"]

ONE = np.ones(1)
STABLE_DENOMINATOR, STABLE_SECTIONS = Stable(0), Stable(3)


class Linear(Model):
    """A function of coefficients and a signal, with a state."""

    function: Any
    names: tuple[str, ...]  # parameters, in the order of the function's arguments
    fixed: ClassVar[dict[str, int]] = {}  # those with an entry that is not trained, and its place on the last axis
    _checkpoints = True

    def _arguments(self) -> dict[str, Any]:
        """Coefficients as the function's arguments."""
        return self._named()

    def _rest(self) -> Array:
        """The state of a single sequence at rest."""
        raise NotImplementedError

    def _single_input(self) -> bool:
        return True

    def _given_to(self, x: Array, state: Any) -> dict[str, Any]:
        """Arguments of the function."""
        rest = self._rest() if single(x) else 0.0
        return {**self._arguments(), "x": function_layout(x), "zi": rest if state is None else state}

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        y, state = self.function(**self._given_to(x, state))
        return model_layout(y, x), state

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        (y, state), pullback = checked_vjp(self.function, size, **self._given_to(x, state))

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = pullback(dy[0, :, 0] if single(x) else repeat_inputs(dy, x.shape[-1]))
            for name, entry in self.fixed.items():
                found[name][..., entry] = 0.0
            dx = found["x"].reshape(x.shape) if single(x) else time_first(found["x"], x.shape[-1])
            return {name: found[name] for name in self.names}, dx

        return (model_layout(y, x), state), pull

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        given = self._given_to(x, state)
        zi = given.pop("zi")
        moves: dict[str, Any] = {name: self._without_fixed(name, t) for name, t in tangents.items()}
        if dx is not None:
            moves["x"] = function_layout(dx)
        (y, _), (dy, _) = jvp(self.function, tuple(given.values()), tuple(map(moves.get, given)), zi=zi)
        return model_layout(y, x), model_layout(dy, x)

    def _without_fixed(self, name: str, tangent: Array) -> Array:
        """A tangent that leaves the fixed entries as they are."""
        if name in self.fixed:
            tangent = tangent.copy()
            tangent[..., self.fixed[name]] = 0.0
        return tangent

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        flat = rows.reshape(-1, *rows.shape[2:])
        return self._run(flat, None)[0].reshape(*rows.shape[:-1], 1)

    def _filters(self) -> list[tuple[Array, Array]]:
        """Numerators and denominators, of each input and section."""
        given = self._arguments()
        return [(row, given["a"]) for row in np.atleast_2d(given["b"])]

    def poles(self) -> Array:
        """
        Find the poles.

        Returns
        -------
        poles : ndarray
            The roots of denominators; those at 0, of delays, are left out.
        """
        denominators = {a.tobytes(): a for _, a in self._filters()}
        return np.concatenate([np.roots(a) for a in denominators.values()])

    def zeros(self) -> Array:
        """
        Find the zeros.

        Returns
        -------
        zeros : ndarray
            The roots of numerators, one after the other for several inputs.
        """
        return np.concatenate([np.roots(b) for b, _ in self._filters()])

    def _stream(self) -> Stream:
        if self.inputs != 1:
            return ModelStream(self.copy())
        return BlockStream(sigrnn.filters.streams.Stream(**self._arguments()), 1, F8, self.dtype, flat=True)


def single(x: Array) -> bool:
    """Whether there is a single sequence of a single input: filtered as 1-D, which costs least for short signals."""
    return x.shape[0] == x.shape[2] == 1


def function_layout(x: Array) -> Array:
    """A signal (B, N, I) as the function takes it: (N,), (B, N) or (B, I, N)."""
    return x[0, :, 0] if single(x) else time_last(x)


def model_layout(y: Array, x: Array) -> Array:
    """The function's output for a signal x (B, N, I) as (B, N, 1)."""
    return y.reshape(x.shape) if single(x) else sum_inputs(y, x.shape[-1])


class Fraction(Linear):
    """A numerator b for each input over a common denominator a."""

    function = staticmethod(lfilter)

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["b"])

    def _is_channel(self, x: Array) -> bool:
        """Whether the filter, and a signal (B, N, I), are what `steps` is for."""
        given = self._named()
        return "a" in given and single(x) and steps.serves(x[0, :, 0], given["b"], given["a"])

    def _vjp(self, x: Array, state: Any, size: int | None = None) -> tuple[tuple[Array, Any], Pull]:
        if size is not None or not self._is_channel(x):
            return super()._vjp(x, state, size)
        given = self._named()
        y, after, pullback = steps.filtered(given["b"], given["a"], x[0, :, 0], state)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            db, da, dx = pullback(dy[0, :, 0])
            return {"b": db, "a": da}, dx.reshape(x.shape)

        return (y.reshape(x.shape), after), pull

    def _repeated(self, x: Array, size: int | None = None) -> Callable[[], tuple[tuple[Array, Any], Pull]]:
        if size is not None or not self._is_channel(self._cast(x)):
            return super()._repeated(x, size)
        shape, channel = x.shape, steps.Channel(x[0, :, 0], len(self._named()["a"]) - 1)
        memory = channel.memory()

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            db, da, dx = channel.pull(dy[0, :, 0].astype(F8, copy=False), memory)
            return {"b": db, "a": da}, dx.reshape(shape)

        def reverse() -> tuple[tuple[Array, Any], Pull]:
            now = self._named()
            after = channel.run(now["b"], now["a"], None)
            return (channel.y.astype(self.dtype).reshape(shape), after), pull

        return reverse

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        inputs, a = x.shape[-1], self._arguments()["a"]
        taps, order = self._named()["b"].shape[-1], len(a) - 1
        y = self._run(x, state)[0]
        rows = np.zeros((inputs * taps + order, *y.shape))
        v = lfilter(ONE, a, function_layout(x)) if order else function_layout(x)
        for i in range(inputs):
            for m in range(taps):
                delay(rows[..., 0], i * taps + m, one_input(v, i, inputs), m)
        if order:
            w = -lfilter(ONE, a, function_layout(y))
            for m in range(1, order + 1):
                delay(rows[..., 0], inputs * taps + m - 1, w, m)
        return y, rows


class FIR(Fraction):
    r"""
    A filter without feedback, to be trained.

    .. math:: y[n] = \sum_i \sum_{m=0}^{M-1} b_{im} x_i[n-m]

    Parameters
    ----------
    n_taps : int
        M, the number of coefficients for each input.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    IIR, SOS : With feedback.
    NonlinearFIR : With an activation.
    lfilter : The function.

    Notes
    -----
    ``params["b"]`` is (n_taps,), or (I, n_taps) for I inputs. It is drawn near an impulse: the first taps about 1 / I.

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.FIR(2)
    >>> model.params = {"b": [0.5, 0.5]}
    >>> model([1.0, 1.0, 3.0])
    array([0.5, 1. , 2. ])
    """

    names = ("b",)

    def __init__(self, n_taps: int, *, dtype: str = "float64") -> None:
        self.n_taps, self.dtype = whole("n_taps", n_taps, 1), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"b": first_taps(rng, inputs, self.n_taps)}, 1

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"b": of_inputs(inputs, self.n_taps)}

    def _arguments(self) -> dict[str, Any]:
        return {**self._named(), "a": ONE}

    def _rest(self) -> Array:
        return np.zeros(self.n_taps - 1)


class IIR(Fraction):
    r"""
    A filter with feedback, to be trained.

    .. math:: y[n] = \sum_i \sum_{m=0}^{P} b_{im} x_i[n-m] - \sum_{m=1}^{P} a_m y[n-m]

    Parameters
    ----------
    order : int
        P, the number of poles.
    stable : bool, default False
        Whether it stays stable during training: the trainer uses inverse hyperbolic tangents of reflection coefficients
        instead of `a`, and all values are stable filters [1]_.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    SOS : The same in sections, better conditioned for orders above about 4.
    NonlinearIIR : With an activation.
    lfilter : The function; ``lfilter(params["b"], params["a"], x)`` is what the model of one input does.

    Notes
    -----
    ``params["b"]`` is (P + 1,), or (I, P + 1) for I inputs, ``params["a"]`` is (P + 1,). ``a[0]`` is 1, and is not
    trained. It is drawn near an impulse, with poles within radius 0.5.

    References
    ----------
    .. [1] J. D. Markel, A. H. Gray, "Linear Prediction of Speech", Springer 1976, chapter 5 (step-up recursion).

    Examples
    --------
    >>> import sigrnn
    >>> model = sigrnn.IIR(1, stable=True)
    >>> model.params = {"b": [1.0, 0.0], "a": [1.0, -0.5]}
    >>> model([8.0, 0.0, 0.0])
    array([8., 4., 2.])
    """

    names = ("b", "a")
    fixed: ClassVar[dict[str, int]] = {"a": 0}

    def __init__(self, order: int, *, stable: bool = False, dtype: str = "float64") -> None:
        self.order, self.stable, self.dtype = whole("order", order, 1), bool(stable), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"b": first_taps(rng, inputs, self.order + 1), "a": first_feedback(rng, self.order)}, 1

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"b": of_inputs(inputs, self.order + 1), "a": (self.order + 1,)}

    def _rest(self) -> Array:
        return np.zeros(self.order)

    def _constraint(self, name: str) -> Constraint:
        return ALL_FREE if name == "b" else STABLE_DENOMINATOR if self.stable else FIRST_FIXED

    def _checked(self, name: str, value: Array) -> Array:
        if name == "a":
            if value[0] != 1.0:
                raise ValueError(f"a[0] must be 1, got {value[0]}: divide b and a by it")
            if self.stable:
                numbers(value)
        return value


class SOS(Linear):
    r"""
    A cascade of second-order sections, to be trained.

    .. math:: y_s[n] = b_{s0} y_{s-1}[n] + b_{s1} y_{s-1}[n-1] + b_{s2} y_{s-1}[n-2] - a_{s1} y_s[n-1] - a_{s2} y_s[n-2]

    Parameters
    ----------
    n_sections : int, optional
        The number of sections S; not needed with `sos`.
    stable : bool, default False
        Whether it stays stable during training, as `IIR`: in each section :math:`a_2 = k_2` and :math:`a_1 = k_1 (1 +
        k_2)` with :math:`k = \tanh\theta`, the triangle of stable sections [1]_.
    sos : array_like, shape (S, 6), optional
        Sections to begin with, as from `scipy.signal.iirfilter` with ``output='sos'``; drawn by default.
    dtype : {'float64', 'float32'}, default 'float64'
        The dtype of the outputs; coefficients and sums are float64.

    See Also
    --------
    IIR : The same as one fraction.
    sosfilt : The function; ``sosfilt(params["sos"], x)`` is what the model of one input does.

    Notes
    -----
    ``params["sos"]`` is (S, 6), or (I, S, 6) for I inputs: a cascade for each. ``sos[..., 3]`` is 1, and is not trained.

    References
    ----------
    .. [1] J. J. Shynk, "Adaptive IIR filtering", IEEE ASSP Magazine 6 (2), 4-21, 1989, doi:10.1109/53.29644.

    Examples
    --------
    >>> import scipy.signal
    >>> import sigrnn
    >>> model = sigrnn.SOS(sos=scipy.signal.butter(4, 0.2, output="sos"), stable=True).init()
    >>> print(model)
    SOS(2, stable=True)  1 -> 1  10 parameters  4 poles, largest radius 0.795449, stable
    """

    function = staticmethod(sosfilt)
    names = ("sos",)
    fixed: ClassVar[dict[str, int]] = {"sos": 3}
    _unsaved = ("sos",)

    def __init__(
        self,
        n_sections: int | None = None,
        *,
        stable: bool = False,
        sos: ArrayLike | None = None,
        dtype: str = "float64",
    ) -> None:
        self.stable, self.dtype, self._first = bool(stable), precision(dtype), None
        if sos is not None:
            self._first = np.array(sections(np.asarray(sos, float)))
            if self._first.ndim != 2:
                raise ValueError(f"sos has shape {self._first.shape}, expected (n_sections, 6)")
            if n_sections is not None and n_sections != len(self._first):
                raise ValueError(f"n_sections is {n_sections}, sos has {len(self._first)}")
            n_sections = len(self._first)
            if self.stable:
                numbers(self._first[:, 3:])
        elif n_sections is None:
            raise TypeError("give n_sections, or sos=")
        self.n_sections = whole("n_sections", n_sections, 1)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        shape = inputs, self.n_sections
        if self._first is not None:
            sos = np.repeat(self._first[None], inputs, axis=0)
            sos[:, 0, :3] /= inputs
        else:
            sos = np.zeros((*shape, 6))
            sos[..., 3] = 1.0
            sos[..., 4:] = first_poles(rng, shape)
            sos[..., :3] = 0.1 / np.sqrt(3.0) * rng.standard_normal((*shape, 3))
            sos[..., 0] += 1.0
            sos[:, 0, :3] /= inputs
        return {"sos": sos[0] if inputs == 1 else sos}, 1

    def _shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"sos": of_inputs(inputs, self.n_sections, 6)}

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["sos"], 2)

    def _rest(self) -> Array:
        return np.zeros((self.n_sections, 2))

    def _constraint(self, name: str) -> Constraint:
        return STABLE_SECTIONS if self.stable else FOURTH_FIXED

    def _checked(self, name: str, value: Array) -> Array:
        sections(value)
        if self.stable:
            numbers(value[..., 3:])
        return value

    def _filters(self) -> list[tuple[Array, Array]]:
        return [(row[:3], row[3:]) for row in self.params["sos"].reshape(-1, 6)]

    def poles(self) -> Array:
        """
        Find the poles.

        Returns
        -------
        poles : ndarray
            The roots of all denominators; those at 0, of delays, are left out.
        """
        return np.concatenate([np.roots(a) for _, a in self._filters()])

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        inputs, sos = x.shape[-1], self._named()["sos"]
        signal = function_layout(x)
        rows = np.zeros((inputs, self.n_sections, 5, *x.shape[:2], 1))
        for s in range(self.n_sections):
            own, later = sos[..., s : s + 1, :], sos[..., s + 1 :, :]
            before = signal
            zi = 0.0 if state is None else state[s : s + 1]
            signal, _ = sosfilt(own, before, zi=zi)
            poles = own.copy()
            poles[..., :3] = 1.0, 0.0, 0.0
            v, w = sosfilt(np.concatenate([poles, later], axis=-2), np.stack([before, -signal]))
            for i in range(inputs):
                for m in range(3):
                    delay(rows[i, s, ..., 0], m, one_input(v, i, inputs), m)
                for m in range(1, 3):
                    delay(rows[i, s, ..., 0], 2 + m, one_input(w, i, inputs), m)
        return model_layout(signal, x), rows.reshape(-1, *x.shape[:2], 1)
