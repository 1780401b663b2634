"""Linear models: `FIR`, `IIR`, `SOS`. Their sensitivities are delays of two filtered signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import sigrnn.filters.streams
from sigrnn._arrays import Array
from sigrnn.filters._coefficients import sections
from sigrnn.filters.linear import lfilter, sosfilt
from sigrnn.gradients import jvp, vjp
from sigrnn.models.channels import (
    added,
    delay,
    first_feedback,
    first_poles,
    first_taps,
    inputs_of,
    line,
    lines,
    spread,
    unlined,
)
from sigrnn.models.hooks import Pull
from sigrnn.models.parameters import ALL, Free, Trainable
from sigrnn.models.protocol import Model
from sigrnn.models.signals import count, precision
from sigrnn.models.stability import StableDenominator, StableSections, numbers
from sigrnn.models.streams import Kept, OneFilter, Stream

__all__ = ["FIR", "IIR", "SOS"]


class Linear(Model):
    """A function of coefficients and a signal, with a state."""

    function: Any
    names: tuple[str, ...]  # parameters, in the order of the function's arguments

    def _coefficients(self) -> tuple[Array, ...]:
        assert self._values is not None
        return tuple(self._values[name] for name in self.names)

    def _arguments(self) -> tuple[Array, ...]:
        """What the function gets."""
        return self._coefficients()

    def _run(self, x: Array, state: Any) -> tuple[Array, Any]:
        y, state = self.function(*self._arguments(), lines(x), zi=0.0 if state is None else state)
        return added(y, x.shape[-1]), state

    def _vjp(self, x: Array, state: Any, **kwargs: Any) -> tuple[tuple[Array, Any], Pull]:
        inputs, given = x.shape[-1], self._arguments()
        zi = 0.0 if state is None else state
        (y, state), pullback = vjp(self.function, *given, lines(x), zi=zi, **kwargs)

        def pull(dy: Array) -> tuple[dict[str, Array], Array]:
            found = pullback((spread(dy, inputs), None))
            grads = dict(zip(self.names, found, strict=False))
            return self._without_fixed(grads), unlined(found[len(given)], inputs)

        return (added(y, inputs), state), pull

    def _vjp_by_blocks(self, x: Array, state: Any, size: int) -> tuple[tuple[Array, Any], Pull]:
        return self._vjp(x, state, checkpoint=size)

    def _without_fixed(self, grads: dict[str, Array]) -> dict[str, Array]:
        """Gradients of entries that are not trained are 0."""
        return {name: np.where(self._trainable(name).free(g), g, 0.0) for name, g in grads.items()}

    def _jvp(self, x: Array, tangents: dict[str, Array], dx: Array | None, state: Any) -> tuple[Array, Array]:
        inputs, given = x.shape[-1], self._arguments()
        moves = [self._move(name, tangents.get(name)) for name in self.names]
        moves += [None] * (len(given) - len(moves)) + [None if dx is None else lines(dx)]
        zi = 0.0 if state is None else state
        (y, _), (dy, _) = jvp(self.function, (*given, lines(x)), tuple(moves), zi=zi)
        return added(y, inputs), added(dy, inputs)

    def _move(self, name: str, tangent: Array | None) -> Array | None:
        """A tangent without entries that are fixed."""
        return None if tangent is None else np.where(self._trainable(name).free(tangent), tangent, 0.0)

    def _push(self, x: Array, rows: Array, state: Any) -> Array:
        flat = rows.reshape(-1, *rows.shape[2:])
        return self._run(flat, None)[0].reshape(*rows.shape[:-1], 1)

    def _filters(self) -> list[tuple[Array, Array]]:
        """Numerators and denominators, of each input and section."""
        b, a = self._arguments()
        return [(row, a) for row in np.atleast_2d(b)]

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
            return Kept(self.copy())
        return OneFilter(self._filtered(), self.dtype)

    def _filtered(self) -> Any:
        b, a = self._arguments()
        return sigrnn.filters.streams.Stream(b, a)


class FIR(Linear):
    r"""
    A filter without feedback, to be trained.

    .. math:: y[n] = \sum_i \sum_{m=0}^{M-1} b_{im} x_i[n-m]

    Parameters
    ----------
    n_taps : int
        M, the number of coefficients for each input.
    dtype : {'float64', 'float32'}, default 'float64'
        That of the outputs; coefficients and sums are float64.

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

    function = staticmethod(lfilter)
    names = ("b",)

    def __init__(self, n_taps: int, *, dtype: str = "float64") -> None:
        self.n_taps, self.dtype = count("n_taps", n_taps), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"b": first_taps(rng, inputs, self.n_taps)}, 1

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["b"])

    def _arguments(self) -> tuple[Array, ...]:
        return (*self._coefficients(), np.ones(1))

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        inputs, taps = x.shape[-1], self.n_taps
        rows = np.zeros((inputs * taps, *x.shape[:2], 1))
        for i in range(inputs):
            for m in range(taps):
                delay(rows[..., 0], i * taps + m, x[..., i], m)
        return self._run(x, state)[0], rows


class IIR(Linear):
    r"""
    A filter with feedback, to be trained.

    .. math:: y[n] = \sum_i \sum_{m=0}^{P} b_{im} x_i[n-m] - \sum_{m=1}^{P} a_m y[n-m]

    Parameters
    ----------
    order : int
        P, the number of poles.
    stable : bool, default False
        Whether it stays stable while it is trained: the trainer moves the inverse hyperbolic tangents of reflection
        coefficients in place of `a`, and any numbers are a stable filter [1]_.
    dtype : {'float64', 'float32'}, default 'float64'
        That of the outputs; coefficients and sums are float64.

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

    function = staticmethod(lfilter)
    names = ("b", "a")

    def __init__(self, order: int, *, stable: bool = False, dtype: str = "float64") -> None:
        self.order, self.stable, self.dtype = count("order", order), bool(stable), precision(dtype)

    def _draw(self, inputs: int, rng: np.random.Generator) -> tuple[Mapping[str, Any], int]:
        return {"b": first_taps(rng, inputs, self.order + 1), "a": first_feedback(rng, self.order)}, 1

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["b"])

    def _trainable(self, name: str) -> Trainable:
        return ALL if name == "b" else StableDenominator() if self.stable else Free(after_first)

    def _checked(self, name: str, value: Array) -> Array:
        if name == "a":
            if value[0] != 1.0:
                raise ValueError(f"a[0] must be 1, got {value[0]}: divide b and a by it")
            if self.stable:
                numbers(value)
        return value

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        inputs, order = x.shape[-1], self.order
        y, a = self._run(x, state)[0], self.params["a"]
        v, w = lfilter([1.0], a, lines(x)), lfilter([-1.0], a, y[..., 0])
        rows = np.zeros((inputs * (order + 1) + order, *y.shape))
        for i in range(inputs):
            for m in range(order + 1):
                delay(rows[..., 0], i * (order + 1) + m, line(v, i, inputs), m)
        for m in range(1, order + 1):
            delay(rows[..., 0], inputs * (order + 1) + m - 1, w, m)
        return y, rows


class SOS(Linear):
    r"""
    A cascade of second-order sections, to be trained.

    .. math:: y_s[n] = b_{s0} y_{s-1}[n] + b_{s1} y_{s-1}[n-1] + b_{s2} y_{s-1}[n-2] - a_{s1} y_s[n-1] - a_{s2} y_s[n-2]

    Parameters
    ----------
    n_sections : int, optional
        The number of sections S; not needed with `sos`.
    stable : bool, default False
        Whether it stays stable while it is trained, as `IIR`: in each section :math:`a_2 = k_2` and
        :math:`a_1 = k_1 (1 + k_2)` with :math:`k = \tanh\theta`, the triangle of stable sections [1]_.
    sos : array_like, shape (S, 6), optional
        Sections to begin with, as from `scipy.signal.iirfilter` with ``output='sos'``; drawn by default.
    dtype : {'float64', 'float32'}, default 'float64'
        That of the outputs; coefficients and sums are float64.

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
        self.n_sections = count("n_sections", n_sections)

    def config(self) -> dict[str, Any]:
        """
        Tell the arguments it was made with.

        Returns
        -------
        dict
            Without `sos`: where they went is in `params`.
        """
        return {"n_sections": self.n_sections, "stable": self.stable, "dtype": self.dtype.name}

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

    def _inputs_of(self, params: Mapping[str, Any]) -> int:
        return inputs_of(params["sos"], 2)

    def _trainable(self, name: str) -> Trainable:
        return StableSections() if self.stable else Free(after_fourth)

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

    def _filtered(self) -> Any:
        return sigrnn.filters.streams.Stream(sos=self.params["sos"])

    def _sensitivities(self, x: Array, state: Any) -> tuple[Array, Array]:
        inputs, sos = x.shape[-1], self.params["sos"]
        signal = lines(x)
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
                    delay(rows[i, s, ..., 0], m, line(v, i, inputs), m)
                for m in range(1, 3):
                    delay(rows[i, s, ..., 0], 2 + m, line(w, i, inputs), m)
        return added(signal, inputs), rows.reshape(-1, *x.shape[:2], 1)


def after_first(a: Array) -> Array:
    return np.arange(len(a)) > 0


def after_fourth(sos: Array) -> Array:
    return np.broadcast_to(np.arange(6) != 3, sos.shape)
