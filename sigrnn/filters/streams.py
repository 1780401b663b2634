"""A filter with memory, for signals that arrive in blocks: `Stream`."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import C16, F8, NATIVE, Array, numbers, signal, time_axis, whole
from sigrnn._utils.errors import overlapping
from sigrnn.activations import Activation, known
from sigrnn.filters._call import Recursion, Taps, fill, state_given, state_rows
from sigrnn.filters._coefficients import (
    check_method,
    coefficients,
    filter_of_sections,
    inner,
    normalised,
    padded,
    real_if_exact,
    sections,
)
from sigrnn.filters._fir import FIRFilter
from sigrnn.filters._options import Runner
from sigrnn.filters._recursive import RecursiveFilter
from sigrnn.filters.nonlinear import ExcitedTaps
from sigrnn.filters.steady import constant_sections, constant_state

__all__ = ["Stream"]


class Stream:
    r"""
    A filter with memory: a callable that filters block by block.

    Calling it with the blocks of a signal in turn gives what `lfilter` or `sosfilt` gives for the whole, to rounding;
    with ``method='sequential'`` to the last bit.

    Parameters
    ----------
    b, a : array_like, shape (M + 1,) and (P + 1,)
        Coefficients, as in `lfilter`.
    sos : array_like, shape (S, 6), keyword-only
        Second-order sections, as in `sosfilt`, in place of `b` and `a`.
    zi : array_like or 'steady', optional
        State to start from, as in `lfilter` or `sosfilt`; at rest by default. 'steady' is the steady state for a
        constant input of each channel's first sample, `lfilter_zi` or `sosfilt_zi` times that sample: there is no
        transient.
    axis : int, default -1
        The axis of time in the blocks; all others are channels.
    method : {'auto', 'sequential', 'blocked', 'fft'}, default 'auto'
        As in `lfilter`.
    activation : str or Activation, optional
        Makes it a stream of `nlfilter`, whose plain recurrence has no other `method` than 'auto'.
    bias : float, default 0.0
        That of `nlfilter`, the same for all channels.

    Attributes
    ----------
    b, a, sos : ndarray
        The coefficients. They may be reassigned between blocks while the state stays; `b` and `a` may not become longer
        than the longer of them was, `sos` must keep its number of sections. `b` and `a` are None for a stream of
        sections, `sos` is None otherwise.
    zi : ndarray
        The state, in SciPy's layout and in double precision; 'steady' before the first sample of a stream that starts
        with it. May be assigned; 'steady' restarts with the next block.

    Raises
    ------
    TypeError
        If both or neither of (`b`, `a`) and `sos` are given, or `sos`, a `method` or 'steady' together with an activation.
    ValueError
        If shapes do not fit, or a block has other channels than the blocks before it.
    numpy.linalg.LinAlgError
        If the state is to be steady and a pole is at z = 1.
    NotImplementedError
        If `b` or `a` is complex and there is an activation.
    RuntimeError
        If the state changes while a block is filtered: another thread uses the stream.

    See Also
    --------
    lfilter, sosfilt, nlfilter : The same for a whole signal.

    Notes
    -----
    A call of one channel costs two microseconds beyond the filtering, or three to five with taps alone and with blocks of other
    dtypes than float64; one of several channels about fifteen. The state is kept in float64 also for float32 blocks. `copy` makes another stream with the same past, and streams can be pickled.

    After a call that ends with an exception, Ctrl-C included, the state is that before the block or that after it. If
    calls overlap, in two threads or a signal handler, only one takes effect: the others raise RuntimeError.

    Examples
    --------
    >>> import sigrnn
    >>> stream = sigrnn.Stream([1.0], [1.0, -0.5])
    >>> stream([8.0, 0.0]), stream([0.0, 0.0])
    (array([8., 4.]), array([2., 1.]))
    >>> stream.zi
    array([0.5])
    """

    _given: dict[str, Array]  # coefficients by name
    _runner: Runner
    _shape: tuple[int, ...]  # of the last block

    def __init__(
        self,
        b: ArrayLike | None = None,
        a: ArrayLike | None = None,
        *,
        sos: ArrayLike | None = None,
        zi: ArrayLike | Literal["steady"] | None = None,
        axis: int = -1,
        method: str = "auto",
        activation: str | Activation | None = None,
        bias: float = 0.0,
    ) -> None:
        if (sos is None) == (b is None) or (a is None) != (b is None):
            raise TypeError("give b and a, or sos=")
        if activation is None and bias:
            raise TypeError("a bias goes with an activation: activation='linear' for a linear filter")
        if activation is not None and (sos is not None or method != "auto"):
            raise TypeError("an activation goes with b and a, and with no method but 'auto'")
        self._activation, self._bias = None if activation is None else known(activation), float(bias)
        self._axis, self._method = whole("axis", axis), method
        self._size: tuple[int, ...] | None = None  # of one channel's state
        self._channels: tuple[int, ...] | None = None  # those of the blocks so far, None before the first
        self._cascade: RecursiveFilter | FIRFilter | None = None  # if the filter is recursive and real
        self._quick: RecursiveFilter | FIRFilter | None = None  # the same, if the next block may take the short way
        self._other: np.dtype[Any] | None = (
            None  # of the last block that went the long way, and the dtype of its result
        )
        self._result: np.dtype[Any] = F8
        self._state: Array | None = None  # of all channels in a line; never changed, but replaced at the end of a call
        self._assign({"b": b, "a": a} if sos is None else {"sos": sos})
        self._start = self._started(0.0 if zi is None else zi)
        self.reset()

    def __call__(self, x: ArrayLike) -> Array:
        """
        Filter the next block.

        Parameters
        ----------
        x : array_like
            The block; its channels must be those of the blocks before.

        Returns
        -------
        y : ndarray
            The filtered block, of the same shape.
        """
        quick, before = self._quick, self._state
        if quick is not None and before is not None and type(x) is np.ndarray and x.ndim == 1:
            if x.dtype is F8:
                y = np.empty(x.size)
            elif x.dtype is self._other:
                x = y = x.astype(self._result)
            else:
                return self._any_block(signal(x))
            z = before.copy()
            quick.one(x, y, z, self._method)
            if self._state is not before:
                raise overlapping(self)
            self._state = z
            return y
        return self._any_block(signal(x))

    def _any_block(self, x: Array) -> Array:
        """A block of any dtype, shape and length."""
        axis, before = time_axis(self._axis, x), self._state
        channels = x.shape[:axis] + x.shape[axis + 1 :]
        if self._channels is None:
            if self._start is None and not x.shape[axis]:  # no first sample yet
                return np.empty(x.shape, np.result_type(x, *self._given.values()))
            z = self._rows(self._steady(x, axis) if self._start is None else self._start, x)
        elif channels == self._channels:
            z = self._state_rows()
        else:
            raise ValueError(f"x has channels {channels}, the blocks before had {self._channels}: reset() comes first")
        dtype = np.result_type(x, *self._given.values(), *([np.complex64] if z.dtype == C16 else []))
        if dtype.char not in (NATIVE if self._activation is None else "fd"):
            served = "float32, float64, complex64 and complex128" if self._activation is None else "float32 and float64"
            raise NotImplementedError(f"Stream serves {served}, not {dtype}, which x and the coefficients make")
        z = z.astype(inner(dtype))
        y = np.empty(x.shape, dtype)
        fill(self._runner, x, y, axis, z)
        if self._state is not before:
            raise overlapping(self)
        self._other, self._result = x.dtype, dtype
        self._keep(z, channels, x.shape)
        return y

    def _keep(self, z: Array, channels: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Hold the state of channels of a block of this shape, all in one step; the next block may take the short way."""
        quick = self._cascade if channels == () and z.dtype == F8 else None
        self.__dict__.update(_state=z.reshape(-1), _quick=quick, _channels=channels, _shape=shape)

    def _state_rows(self) -> Array:
        """The state as (C, *state)."""
        assert self._state is not None
        assert self._channels is not None
        return self._state.reshape(math.prod(self._channels), *self._runner.state)

    def _started(self, zi: Any) -> Array | None:
        """A state to start from; None for the first sample's."""
        if not isinstance(zi, str):
            return doubled(zi)
        if zi != "steady":
            raise ValueError(f"zi must be 'steady' or an array, got {zi!r}")
        if self._activation is not None:
            raise TypeError(
                "zi='steady' is for linear filters: with an activation, the steady state is no multiple of x"
            )
        return None

    def _steady(self, x: Array, axis: int) -> Array:
        """The steady state for the first samples of x, in SciPy's layout."""
        first = np.take(x, 0, axis)
        if self.sos is not None:
            return np.moveaxis(np.multiply.outer(constant_sections(self.sos), first), 1, axis + 1)
        b, a = self._given["b"], self._given["a"]
        zi = constant_state(padded(b, max(self._runner.state[0] + 1, b.size)), a)
        return np.moveaxis(np.multiply.outer(zi, first), 0, axis)

    def _assign(self, given: dict[str, Any]) -> None:
        """Take these coefficients, if they go with the state there is."""
        cascade: RecursiveFilter | FIRFilter | None
        if "sos" in given:
            given = {"sos": sections(numbers("sos", given["sos"]).copy())}  # copies: the user may change theirs
            check_method(self._method, fir=False)
            runner, cascade = self._from_sections(**given)
        else:
            given = {name: coefficients(numbers(name, c).copy(), name) for name, c in given.items()}
            check_method(self._method, fir=given["a"].size == 1)
            runner, cascade = self._from_coefficients(**given)
        cascade = cascade if cascade is not None and cascade.b.size and cascade.b.dtype == F8 else None
        # `_quick` is None until the next block has gone the long way.
        self.__dict__.update(
            _given=given, _runner=runner, _size=runner.state, _cascade=cascade, _quick=None, _other=None
        )

    def _from_sections(self, sos: Array) -> tuple[Runner, RecursiveFilter]:
        if sos.ndim != 2 or self._size not in (None, (len(sos), 2)):
            expected = "(n_sections, 6)" if self._size is None else f"({self._size[0]}, 6) as before"
            raise ValueError(f"sos must be shape {expected}, got {sos.shape}")
        cascade = filter_of_sections(real_if_exact(sos.astype(inner(sos.dtype))))
        return Recursion(cascade, self._method), cascade

    def _from_coefficients(self, b: Array, a: Array) -> tuple[Runner, RecursiveFilter | FIRFilter | None]:
        longest = max(b.size, a.size)
        length = longest if self._size is None else self._size[0] + 1
        if b.ndim > 1 or a.ndim > 1 or longest > length:
            limit = "" if self._size is None else f" of at most {length} coefficients, as before"
            raise ValueError(f"b and a must be 1-D{limit}, got shapes {b.shape} and {a.shape}")
        b, a = normalised(b, a, np.result_type(b, a))
        b = padded(b, length)
        if self._activation is not None:
            if b.dtype.kind == "c":
                raise NotImplementedError(
                    f"a stream with an activation serves real numbers, not {b.dtype}, which b and a make"
                )
            bias = np.array([self._bias])
            if a.size == 1:
                return ExcitedTaps(b, bias, self._activation), None
            cascade = RecursiveFilter(b[None], np.concatenate([bias, padded(a, length)[1:]])[None], self._activation)
            return Recursion(cascade, "auto"), cascade
        if a.size == 1:
            quick = length > 1 and b.dtype == F8 and np.isfinite(b).all()
            return Taps(b, self._method), FIRFilter(b) if quick else None
        cascade = RecursiveFilter(b[None], padded(a, length)[None], "direct")
        return Recursion(cascade, self._method), cascade

    @property
    def b(self) -> Array | None:
        return self._given.get("b")

    @b.setter
    def b(self, b: ArrayLike) -> None:
        self._reassign(b=b)

    @property
    def a(self) -> Array | None:
        return self._given.get("a")

    @a.setter
    def a(self, a: ArrayLike) -> None:
        self._reassign(a=a)

    @property
    def sos(self) -> Array | None:
        return self._given.get("sos")

    @sos.setter
    def sos(self, sos: ArrayLike) -> None:
        self._reassign(sos=sos)

    def _reassign(self, **new: ArrayLike) -> None:
        if not new.keys() <= self._given.keys():
            kind = "sections" if "sos" in self._given else "coefficients b and a"
            raise AttributeError(f"this stream was made from {kind}: {', '.join(new)} cannot be assigned")
        self._assign({**self._given, **new})

    @property
    def zi(self) -> Array | Literal["steady"]:
        if self._channels is None:
            if self._start is None:
                return "steady"
            return (
                np.broadcast_to(self._start, self._runner.state).copy() if self._start.ndim == 0 else self._start.copy()
            )
        return state_given(self._state_rows(), self._runner.state, self._shape, self._axis % len(self._shape)).copy()

    @zi.setter
    def zi(self, zi: ArrayLike | Literal["steady"]) -> None:
        if self._channels is None or isinstance(zi, str):
            self._start = self._started(zi)
            self.reset()
        else:
            self._keep(self._rows(zi, np.empty(self._shape)), self._channels, self._shape)

    def _rows(self, zi: ArrayLike, x: Array) -> Array:
        """A state for the channels of x, as rows."""
        kind = inner(numbers("zi", zi).dtype)
        return state_rows(zi, self._runner.state, x, time_axis(self._axis, x), kind)

    def reset(self) -> None:
        """Return to the initial state; the next block may have other channels."""
        self.__dict__.update(_channels=None, _quick=None, _state=None)

    def copy(self) -> Self:
        """
        Copy the stream, with its coefficients and state.

        Returns
        -------
        Stream
            It shares nothing with this one.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)  # no array of it is ever changed
        return other

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_runner"], state["_cascade"], state["_quick"]  # they hold compiled code
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._assign(self._given)


def doubled(zi: ArrayLike) -> Array:
    """A copy of a state in double precision."""
    zi = numbers("zi", zi)
    return np.array(zi, inner(zi.dtype))
