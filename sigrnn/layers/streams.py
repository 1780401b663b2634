"""A recurrent layer with memory, for sequences that arrive in blocks: `LayerStream`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array
from sigrnn._utils.errors import overlapping
from sigrnn.activations import Activation, known
from sigrnn.layers._cells import CELLS, FUNCTIONS, cell_of
from sigrnn.layers._layout import Given, Layout, Run, Weights
from sigrnn.layers._prepare import Call, common, prepare
from sigrnn.layers._run import state_of

__all__ = ["LayerStream"]

State = Any  # (H,) or (B, H), for 'lstm' a pair of them


class Prepared(NamedTuple):
    """A kernel with packed weights, and the blocks it takes."""

    layout: Layout
    kernel: Any
    packed: tuple[Array, Array]
    ndim: int
    block: tuple[int, int]  # sequences and inputs


class LayerStream:
    r"""
    A recurrent layer with memory: a callable that runs `rnn`, `gru`, `lstm` or another one block after block.

    Calling it with the blocks of a sequence in turn gives what the function gives for the whole, to the last bit.

    Parameters
    ----------
    kind : str
        The layer by the name of its function: 'rnn', 'gru', 'lstm', ...
    w_ih, w_hh, b_ih, b_hh, h0, c0 : array_like
        Weights, biases and the state to start from, as in the function; `w_hh` only where that has it.
    activation : str or Activation, optional
        As in `rnn`: 'tanh' by default.
    reset_after : bool, default True
        As in `gru`.
    peephole : array_like, shape (3, H), optional
        As in `lstm`.

    Attributes
    ----------
    weights : dict of ndarray
        Those that were given, by name. May be assigned between blocks while the state stays; the shapes, and which are
        given, stay the same.
    state : ndarray or tuple of ndarray
        The units h, for 'lstm' the pair (h, c), in the shapes that the function returns. May be assigned.

    Raises
    ------
    ValueError
        If shapes do not fit, there is no such layer or activation, or a block has not as many sequences or inputs as the
        blocks before it.
    TypeError
        If an argument is given that the layer does not have.
    NotImplementedError
        If the common dtype of the arrays is neither float32 nor float64.
    RuntimeError
        If the state changes during a call: another thread uses the stream.

    See Also
    --------
    sigrnn.rnn, sigrnn.gru, sigrnn.lstm : The same for a whole sequence.
    sigrnn.Stream : The same for filters.

    Notes
    -----
    A call costs two to three microseconds beyond the steps themselves. A block of a wider dtype than what came before makes
    the stream go on in that dtype, as the function does. `copy` makes another stream with the same past, and streams can be
    pickled.

    After a call that ends with an exception, Ctrl-C included, the state is that before the block or that after it. If
    calls overlap, in two threads or a signal handler, only one takes effect: the others raise RuntimeError.

    Examples
    --------
    >>> from sigrnn.layers.streams import LayerStream
    >>> stream = LayerStream('rnn', [[1.0], [2.0]], [[0.5, 0.0], [0.0, 0.25]], activation='relu')
    >>> stream([[1.0]])
    array([[1., 2.]])
    >>> stream([0.0, 0.0])
    array([[0.5  , 0.5  ],
           [0.25 , 0.125]])
    >>> stream.state
    array([0.25 , 0.125])
    """

    _sequences: tuple[int, ...] | None  # of the blocks so far, () without an axis for them
    _dtype: Any  # of the blocks that `_ready` takes, None if that is None
    _ready: Prepared | None  # None until the next block, for which a kernel is made ready
    _past: Run | dict[str, Array]  # the state; a dict while no kernel is ready. Never changed, but replaced

    def __init__(
        self,
        kind: str,
        w_ih: ArrayLike,
        w_hh: ArrayLike | None = None,
        b_ih: ArrayLike | None = None,
        b_hh: ArrayLike | None = None,
        h0: ArrayLike | None = None,
        c0: ArrayLike | None = None,
        *,
        activation: str | Activation | None = None,
        reset_after: bool = True,
        peephole: ArrayLike | None = None,
    ) -> None:
        check_arguments(
            kind,
            given(w_hh=w_hh, b_hh=b_hh, c0=c0, peephole=peephole),
            activation is not None,
            not reset_after,
        )
        self._cell = cell_of(kind, {"peephole": peephole, "reset_after": reset_after}).name
        self._activation = known("tanh" if activation is None else activation) if kind == "rnn" else None
        self._weights = given(w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, peephole=peephole)
        self._first = given(h0=h0, c0=c0)
        self._hidden = self._layout_of(self._weights).hidden
        for name, state in self._first.items():
            self._check_state(name, state)
        self.reset()

    def __call__(self, x: ArrayLike) -> Array:
        """
        Take the steps of the next block.

        Parameters
        ----------
        x : array_like, shape (N, I) or (B, N, I)
            The block; B must be that of the blocks before. Where I is 1 a single sequence may also be (N,).

        Returns
        -------
        h : ndarray, shape (N, H) or (B, N, H)
            The units after each step.
        """
        ready, before = self._ready, self._past
        if ready is None or type(x) is not np.ndarray or x.dtype is not self._dtype or x.ndim != ready.ndim:
            x, ready, run = self._any_block(array("x", x))
        else:
            run = resumed(before)
        steps = x[:, None] if x.ndim == 2 else x.transpose(1, 0, 2)
        if steps.shape[1:] != ready.block:
            raise ValueError(f"x has shape {x.shape}, the blocks before had (sequences, inputs) {ready.block}")
        h = np.empty((steps.shape[1], steps.shape[0], self._hidden), x.dtype)
        ready.kernel(*ready.packed, steps, *run, h)
        if self._past is not before:
            raise overlapping(self)
        if ready is self._ready:
            self._past = run
        else:
            sequences = ready.block[:1] if ready.ndim == 3 else ()
            self.__dict__.update(_ready=ready, _dtype=x.dtype, _past=run, _sequences=sequences)
        return h[0] if x.ndim == 2 else h

    def _any_block(self, x: Array) -> tuple[Array, Prepared, Run]:
        """A block of any kind as a kernel wants it, that kernel, and memory for a run with the state in it."""
        if x.ndim == 1 and self._weights["w_ih"].shape[1] == 1:
            x = x[:, None]
        if self._sequences is not None and x.shape[:-2] != self._sequences:
            before = f"the blocks before had sequences {self._sequences}"
            raise ValueError(f"x has shape {x.shape}, {before}: reset() comes first")
        call = self._call({"x": x, **self._weights, **self._states()})
        layout, batch = call.layout, call.x.shape[1]
        x = x.astype(layout.dtype, copy=False)
        if self._ready is not None and layout.dtype is self._dtype:
            return x, self._ready, resumed(self._past)
        run, weights = layout.at_rest(batch, batch == 1), Weights(layout, gradients=False)
        layout.start(run, *call.given_states)
        layout.pack_into(weights, call.given)
        kernel, packed = layout.kernel("forward", batch == 1), (weights.forward, weights.scaled_peephole)
        return x, Prepared(layout, kernel, packed, x.ndim, (batch, layout.inputs)), run

    def _call(self, arrays: dict[str, Array]) -> Call:
        return prepare(CELLS[self._cell], Given(*map(arrays.get, Given._fields)), None, self._activation)

    def _layout_of(self, weights: dict[str, Array]) -> Layout:
        """Check weights."""
        inputs = weights["w_ih"].shape[-1] if weights["w_ih"].ndim else 1
        return self._call({"x": np.zeros((0, inputs), np.float32), **weights}).layout

    def _states(self) -> dict[str, Array]:
        """The state as the function takes it; nothing at rest."""
        if isinstance(self._past, dict):
            return self._past
        assert self._ready is not None
        h, c = state_of(self._ready.layout, self._past, self._ready.block[0], 0)
        if self._ready.ndim == 2:
            h, c = h[0], c[0]
        return {"h0": h, "c0": c} if self._memory else {"h0": h}

    @property
    def _memory(self) -> bool:
        return CELLS[self._cell].memory

    def _pause(self, states: dict[str, Array], **changes: Any) -> None:
        """Go on from these states, with whatever weights there are then."""
        self.__dict__.update(_ready=None, _dtype=None, _past=states, **changes)

    @property
    def weights(self) -> dict[str, Array]:
        return {name: weight.copy() for name, weight in self._weights.items()}

    @weights.setter
    def weights(self, weights: Mapping[str, ArrayLike]) -> None:
        new, old = given(**weights), self._weights
        for name in new.keys() ^ old.keys():
            raise ValueError(f"{name}: expected the weights {', '.join(old)}, got {', '.join(new)}")
        for name, weight in new.items():
            if weight.shape != old[name].shape:
                raise ValueError(f"{name} has shape {weight.shape}, expected {old[name].shape} as before")
        self._layout_of(new)  # checks dtypes
        self._pause(self._states(), _weights={name: new[name] for name in old})

    @property
    def state(self) -> State:
        states = self._states()
        empty = np.zeros(self._hidden, common(self._weights))
        h, c = (states.get(name, empty).copy() for name in ("h0", "c0"))
        return (h, c) if self._memory else h

    @state.setter
    def state(self, state: State) -> None:
        before = self.state if self._memory else (self.state,)
        after = tuple(state) if self._memory else (state,)
        if len(after) != len(before):
            raise ValueError(f"the state of 'lstm' is a pair (h, c), got {len(after)} arrays")
        states = given(**dict(zip(("h0", "c0"), after, strict=False)))
        for (name, new), old in zip(states.items(), before, strict=True):
            if self._sequences is None:
                self._check_state(name, new)
            elif new.shape != old.shape:
                raise ValueError(f"{name} has shape {new.shape}, expected {old.shape}")
        self._pause(states)

    def _check_state(self, name: str, state: Array) -> None:
        """Before the first block any number of sequences will do."""
        if state.ndim not in (1, 2) or state.shape[-1] != self._hidden:
            raise ValueError(f"{name} has shape {state.shape}, expected ({self._hidden},) or (B, {self._hidden})")

    def reset(self) -> None:
        """Go back to the state the stream was made with; the next block may have another number of sequences."""
        self._pause(self._first, _sequences=None)

    def copy(self) -> Self:
        """
        Make another stream with the same weights and the same past.

        Returns
        -------
        LayerStream
            It shares nothing with this one.
        """
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)  # no array of it is ever changed
        return other

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        # Kernels are compiled code: the next block makes them ready again.
        return {**self.__dict__, "_past": self._states(), "_ready": None, "_dtype": None}


def check_arguments(kind: str, arrays: dict[str, Array], activation: bool, reset_before: bool) -> None:
    """Refuse what a layer does not have."""
    names = [repr(name) for name in FUNCTIONS]
    if kind not in FUNCTIONS:
        raise ValueError(f"no layer {kind!r}: there are {', '.join(names[:-1])} and {names[-1]}")
    for name, is_given, those in (
        ("activation", activation, ["rnn"]),
        ("reset_after", reset_before, ["gru"]),
        *((name, True, [f for f, cell in FUNCTIONS.items() if name in cell.arrays]) for name in arrays),
    ):
        if is_given and kind not in those:
            raise TypeError(f"{name} goes with {', '.join(map(repr, those))}, not with {kind!r}")


def resumed(past: Any) -> Run:
    """Memory for a run that goes on from the state in another's."""
    return Run(past.s.copy(), past.c.copy(), np.empty_like(past.tape))


def given(**arrays: ArrayLike | None) -> dict[str, Array]:
    """Copies of those that are not None."""
    return {name: np.array(array(name, each)) for name, each in arrays.items() if each is not None}
