"""The base class of adaptive filters: blocks, state, copies, files, handling of NaN and divergence.

An algorithm is a subclass that names the arrays it keeps (`_arrays`), and runs a block over them (`_run`). Everything that
makes the filter go on where it stopped lies in the dict `_state` of arrays, so that `copy`, `save` and `load` know no
algorithm.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import C16, F8, Array, array, numbers, whole
from sigrnn._kernels.adaptive import sizes
from sigrnn._lookup import load_compiler
from sigrnn._utils import files as _files
from sigrnn._utils.errors import DivergenceError, overlapping
from sigrnn.adaptive.parameters import TINY, result_dtype
from sigrnn.adaptive.result import AdaptiveResult
from sigrnn.filters.linear import lfilter

NAN_POLICIES = {"propagate": 0, "raise": sizes.RAISE, "omit": sizes.OMIT}
ON_DIVERGENCE = {"raise": 0, "reset": 0, "ignore": sizes.UNGUARDED}
HEAD = "sigrnn_adaptive"  # the name of the JSON text among the arrays of a file
ALWAYS = 1 << 62  # samples since the last that was not finite, at the beginning
KINDS: dict[str, type[AdaptiveFilter]] = {}  # algorithms by name, for `files.load`


class AdaptiveFilter:
    """
    The base class of all adaptive filters.

    Parameters
    ----------
    n_taps : int
        Weights of each channel.
    w0 : array_like, shape (n_taps,) or (n_taps, channels), optional
        Weights to start from, newest sample first; zeros by default.
    nan_policy : {'propagate', 'raise', 'omit'}
        How NaN and inf in the signals are handled: they propagate as in the equation, raise an error, or the update is
        skipped at every sample whose window contains one.
    on_divergence : {'raise', 'reset', 'ignore'}
        What to do when the error is not finite, or exceeds :math:`10^8` times the largest ``|d|`` so far plus the
        largest output of the initial weights: raise `DivergenceError`, restart from `w0` at that sample (and raise if
        that does not help), or continue.

    Attributes
    ----------
    n_taps : int
        Weights of each channel.
    weights : ndarray, shape (n_taps,) or (n_taps, channels)
        The weights now, newest sample first. May be assigned.

    See Also
    --------
    NLMS : The one to begin with.

    Notes
    -----
    A call that begins during another one, in a second thread or a signal handler, raises RuntimeError.

    After a call that ends with an exception, Ctrl-C included, the filter is as before the block or as after it. If it
    diverges, or `nan_policy` raises, it is as before that sample.
    """

    _busy = False  # whether a call runs
    _p: Array  # parameters as the kernels read them
    _state: dict[str, Array]
    _channels: tuple[int, ...] | None  # None before the first block
    _columns: bool  # whether weights have an axis of channels
    _quick: np.dtype[Any] | None  # of blocks that need no conversion
    _settings: ClassVar[str] = "mu"  # the parameter named when it diverges
    _tiny = TINY  # what is added to a relative regularisation
    _square = False  # whether it keeps a matrix of weights by weights
    _waits = False  # whether steps may wait that `_current` takes
    _learnt: ClassVar[tuple[str, ...]] = ("w",)  # arrays of the state that a reset forgets

    def __init_subclass__(cls) -> None:
        KINDS[cls.__name__] = cls

    def __init__(
        self,
        n_taps: int,
        *,
        w0: ArrayLike | None = None,
        nan_policy: str = "propagate",
        on_divergence: str = "raise",
    ) -> None:
        for name, value, known in (
            ("nan_policy", nan_policy, NAN_POLICIES),
            ("on_divergence", on_divergence, ON_DIVERGENCE),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        self.n_taps = whole("n_taps", n_taps, 1)
        self._given: dict[str, Any] = {"n_taps": self.n_taps, "nan_policy": nan_policy, "on_divergence": on_divergence}
        self._w0 = None if w0 is None else self._checked(w0, "w0")
        self._policy = NAN_POLICIES[nan_policy] | ON_DIVERGENCE[on_divergence]
        self._resets = on_divergence == "reset"
        self._p = np.zeros(sizes.PARAMETERS)
        self._p[sizes.KEEP] = 1.0
        self.reset()

    # ------------------------------------------------------------------------------- what an algorithm brings

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        """State of a filter at rest, but for `levels` and `counts`; the weights as `w` (channels, n_taps), oldest sample's first."""
        raise NotImplementedError

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        """Fill y, e, history from x (N, C) and d (N,); gives the sample where it stopped, N at the end."""
        raise NotImplementedError

    def _places(self) -> dict[int, int]:
        """Entries of `counts` that are not 0 at rest."""
        return {}

    @property
    def _length(self) -> int:
        """How many weights there are for each channel."""
        return self.n_taps

    def _widened(self, wide: dict[str, Array]) -> dict[str, Array]:
        """The state, in numbers of the dtypes of `wide`: complex ones from now on."""
        return {name: a.astype(wide[name].dtype) for name, a in self._state.items()}

    def _changed(self, name: str) -> None:
        """Called when a parameter was set; a ValueError takes it back, if nothing else was changed before."""

    def _current(self) -> Array:
        """The inner weights now, if the algorithm lets some steps wait."""
        return self._state["w"]

    def _settle(self) -> None:
        """Take the steps that wait."""

    def _to_front(self, w: Array) -> Array:
        """A view of weights as a user sees them, from the inner order."""
        return w[:, ::-1].T if self._columns else w[0, ::-1]

    def _to_inner(self, w: Array) -> Array:
        """The inner order of weights that a user gave."""
        return (w if w.ndim == 2 else w[:, None]).T[:, ::-1]

    # ------------------------------------------------------------------------------------------------- blocks

    def __call__(self, x: ArrayLike, d: ArrayLike, *, history: bool = False) -> AdaptiveResult:
        """
        Filter the next block and adapt.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input. Its channels must be those of the blocks before.
        d : array_like, shape (N,)
            What the output should be.
        history : bool, default False
            Whether to keep the weights of every sample: N times the memory of the weights.

        Returns
        -------
        AdaptiveResult
            With `y`, `e`, `w_final` and, if asked for, `w`.

        Raises
        ------
        ValueError
            If shapes do not fit, or there is a NaN or inf and ``nan_policy='raise'``.
        DivergenceError
            If the filter diverges and ``on_divergence='raise'``.
        """
        if self._busy:
            raise overlapping(self)
        self._busy = True  # no exception can come between this and `try`: signals are looked at in calls and loops
        try:
            x = x if type(x) is np.ndarray else array("x", x)
            d = d if type(d) is np.ndarray else array("d", d)
            n = x.size
            if not (x.dtype is d.dtype is self._quick and x.ndim == d.ndim == 1 and n == d.size) or history:
                return self._converted(x, d, history)
            rows, y, e = x[:, None], np.empty(n), np.empty(n)
            done, resets = self._run(rows, d, y, e, NO_HISTORY), NO_RESETS
            if done < n:
                resets = self._resumed(done, rows, d, y, e, NO_HISTORY)
            return AdaptiveResult(y, e, self._run_view.copy(), None, resets)
        finally:
            self._busy = False

    def _at_once(self, n: int) -> bool:
        """Whether a block of n samples is a single run of compiled code, which nothing interrupts."""
        return not self._resets

    def _converted(self, x: Array, d: Array, history: bool) -> AdaptiveResult:
        """Filter a block that is checked and converted first, by a copy if it takes more than one run of compiled code."""
        self._check(x, d)
        dtype = result_dtype(x, d, *([] if self._w0 is None else [self._w0]))
        inner = C16 if dtype.kind == "c" else F8
        if self._at_once(len(d)) and self._prepared(inner):
            return self._filled(x, d, history, dtype)
        other = self._draft()
        other._prepare(x.shape[1:], inner)
        try:
            result = other._filled(x, d, history, dtype)
        except ValueError:  # it diverged, or met a NaN, and stays where it stopped
            self._become(other)
            raise
        self._become(other)
        return result

    def _filled(self, x: Array, d: Array, history: bool, dtype: np.dtype[Any]) -> AdaptiveResult:
        """Filter a checked block, and convert the result to `dtype`."""
        kind = self._state["w"].dtype
        if kind.kind == "c":
            dtype = np.result_type(dtype, np.complex64)
        rows = x.reshape(-1, 1) if x.ndim == 1 else x
        shape = (x.shape[0], self._length, rows.shape[1]) if history else (0, 0, 0)
        y, e, w = np.empty(len(d), kind), np.empty(len(d), kind), np.empty(shape, kind)
        rows, d = rows.astype(kind, copy=False), d.astype(kind, copy=False)
        resets = self._resumed(self._run(rows, d, y, e, w), rows, d, y, e, w)
        w = w.astype(dtype, copy=False)
        kept = None if not history or not len(d) else w if self._columns else w[:, :, 0]
        return AdaptiveResult(y.astype(dtype, copy=False), e.astype(dtype, copy=False), self.weights, kept, resets)

    def _resumed(self, n: int, x: Array, d: Array, y: Array, e: Array, history: Array) -> Array:
        """Raise an error for sample n, where the block stopped, or reset the filter and go on; gives where it was reset."""
        resets: list[int] = []
        while n < len(d):
            if self._state["counts"][sizes.STOP] == sizes.NOT_A_NUMBER:
                raise ValueError(f"x or d is not finite at sample {n}, or in its window: see nan_policy")
            if not self._resets or resets[-1:] == [n]:  # starting again did not help
                raise self._diverged(n, e[n].item())
            resets.append(n)
            self._restart(self._fresh(self._state["w"].dtype))
            n += self._run(x[n:], d[n:], y[n:], e[n:], history[n:])
        return np.array(resets, int)

    def _diverged(self, sample: int, e: complex) -> DivergenceError:
        """The error to raise."""
        name, step = type(self).__name__, self._step()
        return DivergenceError(
            f"{name} with {step} diverged at sample {sample}, where the error is {e:.3g}: "
            "take a smaller step (see suggest_mu), or on_divergence='reset'",
            algorithm=name,
            step=step,
            sample=sample,
            e=e,
        )

    def _step(self) -> str:
        return f"{self._settings}={getattr(self, self._settings):.6g}"

    def _check(self, x: Array, d: Array) -> None:
        if x.ndim not in (1, 2):
            raise ValueError(f"x must have shape (N,) or (N, channels), got {x.shape}")
        if d.ndim != 1 or d.shape[0] != x.shape[0]:
            raise ValueError(f"d has shape {d.shape}, expected {x.shape[:1]}: a value for each sample of x")
        self._check_channels(x)

    def _check_channels(self, x: Array) -> None:
        known = self._channels if self._channels is not None else None if self._w0 is None else self._w0.shape[1:]
        if known is not None and x.shape[1:] != known:
            expected = "(N,)" if not known else f"(N, {known[0]})"
            source = "of w0" if self._channels is None else "of the blocks before"
            raise ValueError(f"x has shape {x.shape}, expected {expected}, the channels {source}")

    def _checked(self, w: ArrayLike, name: str) -> Array:
        """A copy of weights, in double precision."""
        w = numbers(name, w)
        w = w.astype(C16 if w.dtype.kind == "c" else F8)
        if w.ndim not in (1, 2) or w.shape[0] != self._length or 0 in w.shape:
            raise ValueError(f"{name} has shape {w.shape}, expected ({self._length},) or ({self._length}, channels)")
        return w

    # -------------------------------------------------------------------------------------------------- state

    def reset(self) -> None:
        """Return to the initial weights and clear the past; the next block may have other channels."""
        columns = self._w0 is not None and self._w0.ndim == 2
        self.__dict__.update(_state={}, _channels=None, _quick=None, _columns=columns)

    def _prepare(self, channels: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Have a state for these channels, of numbers that hold this dtype."""
        load_compiler()
        if self._channels is None:
            self._channels, self._columns = channels, bool(channels)
            self._state = self._fresh(dtype)
        elif self._prepared(dtype):
            return
        else:
            self._settle()
            self._state = self._widened(self._at_rest((*channels, 1)[0], dtype))
        self._ready()

    def _prepared(self, dtype: np.dtype[Any]) -> bool:
        """Whether there is a state of numbers that hold this dtype."""
        return self._channels is not None and (dtype.kind != "c" or self._state["w"].dtype.kind == "c")

    def _at_rest(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        """All state of a filter at rest."""
        state = self._arrays(channels, dtype)
        state["levels"], state["counts"] = np.zeros(sizes.LEVELS), np.zeros(sizes.COUNTS, np.int64)
        state["counts"][sizes.CLEAN] = ALWAYS
        for place, value in self._places().items():
            state["counts"][place] = value
        return state

    def _fresh(self, dtype: np.dtype[Any]) -> dict[str, Array]:
        """All state of a filter that begins at `w0`."""
        assert self._channels is not None
        state = self._at_rest((*self._channels, 1)[0], dtype)
        if self._w0 is not None:
            state["w"][:] = self._to_inner(self._w0)
            state["levels"][sizes.GAIN] = gain(state["w"])
        return state

    def _restart(self, fresh: dict[str, Array]) -> None:
        """Clear all but the past input; `fresh` is the initial state of the filter."""
        for name in self._learnt:
            self._state[name][...] = fresh[name]
        self._reassigned()

    def _adopt(self, channels: tuple[int, ...], state: dict[str, Array]) -> None:
        """Go on from a state that was in a file; a ValueError if compiled code could not run over it."""
        if len(channels) > 1 or not all(isinstance(n, int) and n > 0 for n in channels):
            raise ValueError(f"it has channels {channels}")
        least = (self._length * (*channels, 1)[0]) ** (1 + self._square)
        if sum(a.size for a in state.values()) < least:  # before memory is allocated for it
            raise ValueError(f"its arrays are not those of {self!r}")
        kind = C16 if state["w"].dtype.kind == "c" else F8
        if kind is F8 and self._w0 is not None and self._w0.dtype.kind == "c":
            raise ValueError("its weights are real and its w0 is complex")
        self._prepare(channels, kind)
        shapes = {name: a.shape for name, a in state.items()}
        ours, of_real = (
            self._state,
            self._at_rest((*channels, 1)[0], F8),
        )  # complex samples may have come after real ones
        fits = any(shapes == {name: a.shape for name, a in rest.items()} for rest in (ours, of_real))
        if not fits or any(a.dtype != ours[name].dtype for name, a in state.items()):
            raise ValueError(f"its arrays are not those of {self!r}")
        self._state = {name: np.ascontiguousarray(a) for name, a in state.items()}
        if not self._valid():
            raise ValueError("its counts are out of range")
        self._ready()

    def _valid(self) -> bool:
        """Whether the state leads compiled code to no place outside of its arrays."""
        return bool((self._state["counts"] >= 0).all())

    def _ready(self) -> None:
        """Called when the arrays of the state are others than before."""
        w = self._state["w"]
        self._quick = F8 if self._channels == () and w.dtype == F8 and not (self._waits or self._resets) else None
        self._run_view = self._to_front(w)

    @property
    def weights(self) -> Array:
        if self._channels is None:
            return np.zeros(self._length) if self._w0 is None else self._w0.copy()
        return (self._to_front(self._current()) if self._waits else self._run_view).copy()

    @weights.setter
    def weights(self, w: ArrayLike) -> None:
        w = self._checked(w, "weights")
        if self._channels not in (None, w.shape[1:]):
            raise ValueError(f"weights have shape {w.shape}, expected {(self._length, *self._channels)}")
        other = self._twin()
        other._prepare(w.shape[1:], w.dtype)
        other._state["w"][:] = other._to_inner(w)
        other._reassigned()
        self._become(other)

    def _reassigned(self) -> None:
        """Called when the weights are replaced by others."""
        self._state["counts"][[sizes.POISONED, sizes.SEEN, sizes.HOLD, sizes.MEMBER]] = 0
        self._state["levels"][sizes.GAIN] = gain(self._state["w"])

    def predict(self, x: ArrayLike) -> Array:
        """
        Filter without adapting. Only the weights are used: the filter starts from zero state.

        Parameters
        ----------
        x : array_like, shape (N,) or (N, channels)
            Input.

        Returns
        -------
        ndarray, shape (N,)
            The output with the weights as they are.
        """
        x = array("x", x)
        if x.ndim not in (1, 2):
            raise ValueError(f"x must have shape (N,) or (N, channels), got {x.shape}")
        w = self.weights
        if x.ndim == 2 and w.ndim == 1 and self._channels is None:
            w = np.repeat(w[:, None], x.shape[1], 1)
        if x.shape[1:] != w.shape[1:]:
            raise ValueError(f"x has shape {x.shape}, the weights {w.shape}: channels must be the same")
        dtype = result_dtype(x, w.astype(np.result_type(w, np.complex64)) if w.dtype.kind == "c" else x)
        return self._filtered(x if x.ndim == 2 else x[:, None], w if w.ndim == 2 else w[:, None]).astype(dtype)

    def _filtered(self, x: Array, w: Array) -> Array:
        y = np.zeros(x.shape[0], np.result_type(x, w, F8))
        for c in range(x.shape[1]):
            y += lfilter(w[:, c], [1.0], x[:, c])
        return y

    def copy(self) -> Self:
        """
        Copy the filter, with its settings, weights and past samples.

        Returns
        -------
        AdaptiveFilter
            It shares nothing with this one.
        """
        return self._twin()

    def _twin(self, shared: tuple[str, ...] = ()) -> Self:
        """A copy, but for these arrays of the state."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__getstate__())
        other._p, other._given = self._p.copy(), self._given.copy()
        other._state = {name: a if name in shared else self._copied(a) for name, a in self._state.items()}
        if other._state:
            other._ready()
        return other

    def _draft(self) -> Self:
        """A copy that takes the place of this filter when a block is complete; only one of the two goes on."""
        return self._twin()

    def _copied(self, a: Array) -> Array:
        """A copy of an array of the state."""
        return a.copy()

    def _become(self, other: Self) -> None:
        """Take the state of a copy, all in one step; the copy is not used any more."""
        self.__dict__.update(other.__dict__)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Self:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith(("_run_", "_busy"))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._state:
            load_compiler()
            self._ready()

    def save(self, path: str | PathLike[str]) -> None:
        """
        Write settings, weights and state to a file that `load` reads.

        Parameters
        ----------
        path : str or path
            Where to, by custom ``*.npz``. Nothing in it is pickled.
        """
        plain = {name: value for name, value in self._given.items() if not isinstance(value, np.ndarray)}
        arrays = {f"given_{name}": value for name, value in self._given.items() if isinstance(value, np.ndarray)}
        arrays |= {f"state_{name}": value for name, value in self._state.items()}
        if self._w0 is not None:
            arrays["given_w0"] = self._w0
        head = {"algorithm": type(self).__name__, "channels": self._channels, "given": plain}
        _files.write(path, {HEAD: np.array(json.dumps(head)), **arrays})

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._given.items() if name not in POLICIES)
        return f"{type(self).__name__}({given})"


class OneChannel(AdaptiveFilter):
    """A filter that takes one channel, its weights in the order in which users see them."""

    _real = False  # whether it takes no complex numbers

    def _checked(self, w: ArrayLike, name: str) -> Array:
        if np.ndim(w) != 1:
            raise ValueError(f"{name} must have shape ({self._length},), got {np.shape(w)}")
        return super()._checked(w, name)

    def _check_channels(self, x: Array) -> None:
        if x.ndim != 1:
            raise ValueError(f"x must have shape (N,), got {x.shape}: {type(self).__name__} takes one channel")

    def _prepare(self, channels: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if self._real and dtype.kind == "c":
            raise TypeError(f"{type(self).__name__} takes real signals and weights, got complex ones")
        super()._prepare(channels, dtype)

    def _to_front(self, w: Array) -> Array:
        return w

    def _to_inner(self, w: Array) -> Array:
        return w


def gain(w: Array) -> float:
    """How much of the power of a window weights may give out."""
    with np.errstate(over="ignore"):
        return float(np.vdot(w, w).real)


POLICIES = {"nan_policy", "on_divergence"}
NO_HISTORY, NO_RESETS = np.empty((0, 0, 0)), np.empty(0, int)
