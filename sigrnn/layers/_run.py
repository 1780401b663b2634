"""Recurrent layers ready to run: the memory of a run, the backward pass, several runs on threads."""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn._utils.memory import aligned
from sigrnn.activations import respond
from sigrnn.layers._layout import Given, Kind, Layout, Run, Sums, Weights, store
from sigrnn.layers._product import add_product, product
from sigrnn.workers import share

PIECE = 1 << 16  # gradients of sums taken at a time in the backward pass: they stay in the cache
SHORTEST = 64  # steps, at least
FEW_INPUTS = 4  # gradients of so few are found by a loop
HARMLESS = 1.0  # where slopes of activations are finite, as the user's may not be at 0
PART, WORTH = 8, 500_000  # sequences for a thread at a time: this number, or as many as take this time in ns
FORMS = 256  # kept


class Gradients(NamedTuple):
    """Gradients of all that a layer is given."""

    sums: Sums
    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array
    excitation: Array | None  # (T, B, H), if a unit has one sum


class Form:
    """Runs of a given number of steps and sequences through a layout: their loops and memory. Kept from call to call."""

    def __init__(self, layout: Layout, steps: int, batch: int, alone: bool) -> None:
        self.layout, self.steps, self.batch, self.alone = layout, steps, batch, alone
        self.full = full = batch if alone else batch + batch % 2
        self.padded = full > batch or layout.units > layout.hidden
        gates, row = layout.sums * layout.units, layout.size + layout.units * layout.memory
        self.piece = min(max(SHORTEST, PIECE // max(full * gates, 1)), steps)  # steps of the backward pass at a time
        self.at_once = self.piece == steps > 0 and layout.late < 0 and not layout.peephole_shape[1]
        each = full * layout.dtype.itemsize
        plain, taped = 2 * row * each, ((steps + 1) * row + steps * gates) * each
        weights, trained = layout.weights
        self.plain = Kind(Memory, plain + weights.size, self, False, True)
        self.taped = Kind(Memory, taped + trained.size, self, True, True)
        self.plain_part = Kind(Memory, plain, self, False, False)
        self.taped_part = Kind(Memory, taped, self, True, False)
        self.scratch = Kind(Scratch, self.piece * (gates + layout.units) * each, layout, self.piece, full)

    @cached_property
    def forward(self) -> Any:
        return self.layout.kernel("forward", self.alone)

    @cached_property
    def forward_taped(self) -> Any:
        return self.layout.kernel("taped", self.alone)

    @cached_property
    def backward(self) -> Any:
        return self.layout.kernel("backward", self.alone)


@lru_cache(FORMS)
def form_of(layout: Layout, steps: int, batch: int, alone: bool) -> Form:
    """`alone`: whether there is but one sequence in all: it has loops of its own, that sum in another order, which must not
    depend on how sequences are divided."""
    return Form(layout, steps, batch, alone)


class Memory:
    """Memory for a run, and views of what is written before it and read after it; with packed weights, or without."""

    __slots__ = "first_c", "first_h", "last_c", "last_h", "run", "seen", "weights"

    def __init__(self, form: Form, taped: bool, weights: bool) -> None:
        layout, batch, last = form.layout, form.batch, form.steps if taped else 0
        self.weights: Any = Weights(layout, taped) if weights else None
        self.run = s, c, _ = layout.at_rest(batch, form.alone, form.steps, taped)
        self.first_h, self.first_c = s[0, :, layout.first :], c[0]
        self.last_h = s[last, :batch, layout.ours]
        self.last_c = c[last, :batch, : layout.hidden] if layout.memory else self.last_h
        self.seen = s[:-1].reshape(-1, layout.size)[:, : layout.seen]  # (T B, S)

    def begin(self, layout: Layout, h0: Array | None, c0: Array | None) -> None:
        """States (B, H) before the first step, at rest where there is none."""
        self.first_h.fill(0.0)
        self.first_c.fill(0.0)
        if h0 is not None or c0 is not None:
            layout.start(self.run, h0, c0)


class Scratch:
    """Memory of a backward pass for a number of steps."""

    __slots__ = "d", "flat", "slopes"

    def __init__(self, layout: Layout, steps: int, full: int) -> None:
        self.d = aligned((steps, full, layout.sums, layout.units), layout.dtype)
        self.flat = self.d.reshape(steps * full, layout.sums * layout.units)
        self.slopes = np.zeros((steps, full, layout.units), layout.dtype)  # padding is not written


class Layer:
    """Packed weights that several runs share; `gradients`: also those that the backward pass reads."""

    def __init__(self, layout: Layout, given: Given, gradients: bool) -> None:
        self.kind = kind = layout.weights[gradients]
        self.weights: Weights = store.take(kind, kind.size) or kind.make()
        layout.pack_into(self.weights, given)

    def __del__(self) -> None:
        if hasattr(self, "weights"):  # an exception may have come before
            store.give(self.kind, self.kind.size, self.weights)


def outputs_of(
    form: Form, given: Given, x: Array, states: tuple[Array | None, Array | None]
) -> tuple[Array, Array, Array]:
    """The outputs (B, T, H) and last states (B, H) of few sequences, of which nothing else is asked for."""
    layout, kind = form.layout, form.plain
    memory: Memory = store.take(kind, kind.size) or kind.make()
    weights, (s, c, tape) = memory.weights, memory.run
    layout.pack_into(weights, given)
    memory.begin(layout, *states)
    h = np.empty((form.batch, form.steps, layout.hidden), layout.dtype)
    form.forward(weights.forward, weights.scaled_peephole, x, s, c, tape, h)
    found = h, memory.last_h.copy(), memory.last_c.copy()
    store.give(kind, kind.size, memory)
    return found


def state_of(layout: Layout, run: Run, batch: int, last: Any) -> tuple[Array, Array]:
    """h and c (B, H) in row `last`, or each sequence's in a row of its own; what is no memory has no columns."""
    each: Any = slice(batch) if isinstance(last, int) else np.arange(batch)
    h = run.s[last, each, layout.ours].copy()
    return h, run.c[last, each, : layout.hidden].copy() if layout.memory else h


class Part:
    """A run of all sequences, or of those that a thread takes."""

    def __init__(
        self,
        form: Form,
        given: Given,
        x: Array,
        states: tuple[Array | None, Array | None],
        h: Array,
        taped: bool,
        layer: Layer | None = None,
    ) -> None:
        """
        Fill h (B, T, H) from x (T, B, I) and the states before, (B, H).

        taped : if not, only the last state is kept. layer : the weights, if other runs have them, too.
        """
        self.form, self.given, self.layer, layout = form, given, layer, form.layout
        if layer is None:
            self.kind = kind = form.taped if taped else form.plain
        else:
            self.kind = kind = form.taped_part if taped else form.plain_part
        self.memory: Memory = store.take(kind, kind.size) or kind.make()
        memory, (s, c, tape) = self.memory, self.memory.run
        if layer is None:
            layout.pack_into(memory.weights, given)
        self.weights = weights = memory.weights if layer is None else layer.weights
        memory.begin(layout, *states)
        kernel = form.forward_taped if taped else form.forward
        kernel(weights.forward, weights.scaled_peephole, x, s, c, tape, h)
        if taped and form.full > form.batch:
            # What a sequence that fills a pair has come to must not be NaN times 0 in the backward pass.
            s[:, form.batch :] = c[:, form.batch :] = 0.0
            tape[:, form.batch :] = HARMLESS

    def __del__(self) -> None:
        if hasattr(self, "memory"):  # an exception may have come before
            store.give(self.kind, self.kind.size, self.memory)

    def states(self, ends: Array | None) -> tuple[Array, Array]:
        """h and c after `ends` steps of each sequence, or after all, (B, H)."""
        if ends is None:
            return self.memory.last_h.copy(), self.memory.last_c.copy()
        return state_of(self.form.layout, self.memory.run, self.form.batch, ends)

    def forget(self, ends: Array) -> None:
        """Drop what has been made after the ends of sequences: it may have overflowed, and counts for nothing."""
        s, c, tape = self.memory.run
        for b, end in enumerate(ends):
            s[end + 1 :, b, self.form.layout.first :] = 0.0
            tape[end:, b] = HARMLESS
            if self.form.layout.memory:
                c[end + 1 :, b] = 0.0

    def back(self, dy: Array, states: tuple[Array, Array | None], ends: Array | None, total: bool = True) -> Gradients:
        """
        Gradients of everything.

        dy : (T, B, H), zero after the ends. states : gradients of h and c (B, H) after `ends` steps, or after all.
        total : False for partial derivatives, other steps held constant.
        """
        if self.form.at_once and ends is None and total:
            return self.back_at_once(dy, *states)
        form, memory, kind = self.form, self.memory, self.form.scratch
        layout, steps, batch = form.layout, form.steps, form.batch
        scratch: Scratch = store.take(kind, kind.size) or kind.make()
        backward = Backward(self, total)
        delta = np.empty((steps, batch, layout.hidden), layout.dtype) if layout.sums == 1 else None
        dx = np.empty((steps, batch, layout.inputs), layout.dtype)
        if ends is None:
            backward.receive(slice(batch), *states)
        stops = [0, steps] if ends is None else sorted({0, steps, *ends.tolist()})
        while stops:
            stop = stops[-1]
            if ends is not None:
                here = np.flatnonzero(ends == stop)
                backward.receive(here, states[0][here], None if states[1] is None else states[1][here])
            if not stop:
                break
            stops[-1] = start = max(stop - form.piece, stops[-2])
            if start == stops[-2]:
                stops.pop()
            if stop - start == steps:
                d, seen, found = backward.piece(0, steps, dy, scratch, ends), memory.seen, dx
            else:
                d, found = backward.piece(start, stop, dy[start:stop], scratch, ends), dx[start:stop]
                seen = memory.seen[start * form.full : stop * form.full]
            backward.collect(start, stop, d, seen, found)
            if delta is not None:
                delta[start:stop] = d[:, :batch, 0, : layout.hidden]
        if total:  # else more than the units has been written
            store.give(kind, kind.size, scratch)
        dh, dc = backward.dh[:batch, : layout.hidden], backward.dc[:batch, : layout.hidden]
        return Gradients(backward.sums, dx, dh, dc, delta)

    def back_at_once(self, dy: Array, dh: Array, dc: Array | None) -> Gradients:
        """The same for all steps at once: what short sequences need, and no more."""
        form, kind, (s, c, tape) = self.form, self.form.scratch, self.memory.run
        layout, weights, batch, hidden = form.layout, self.weights, form.batch, form.layout.hidden
        scratch: Scratch = store.take(kind, kind.size) or kind.make()
        dtype, shape, d = layout.dtype, (form.full, layout.units), scratch.d
        all_h, all_c = np.zeros(shape, dtype), np.zeros(shape if layout.memory else (form.full, 0), dtype)
        own_h, own_c = (all_h[:batch, :hidden], all_c[:batch, :hidden]) if form.padded else (all_h, all_c)
        own_h += dh
        if layout.memory:
            own_c += dc
        slopes = slopes_of(dy, scratch.slopes, batch, True)
        form.backward(weights.backward, weights.peephole, s, c, tape, slopes, all_h, all_c, d)
        if form.padded:
            clear_padding(d, batch, hidden)
        dx = np.empty((form.steps, batch, layout.inputs), dtype)
        fill_input_gradients(layout, weights, scratch.flat, dx, form.full)
        whole = np.zeros((layout.sums, layout.units, layout.seen))
        add_product(whole.reshape(-1, layout.seen), scratch.flat, self.memory.seen)
        excitation = d[:, :batch, 0, :hidden].copy() if layout.sums == 1 else None
        store.give(kind, kind.size, scratch)
        return Gradients(Sums(whole, layout.no_late, layout.no_peephole), dx, own_h, own_c, excitation)


class Backward:
    """A backward pass: the gradients of h and c that it carries from piece to piece, and sums over the steps so far."""

    def __init__(self, part: Part, total: bool) -> None:
        self.part, self.run, self.total = part, part.memory.run, total
        self.form, self.layout, self.batch = part.form, part.form.layout, part.form.batch
        layout, full = self.layout, part.form.full
        self.dh = np.zeros((full, layout.units), layout.dtype)
        self.dc = np.zeros((full, layout.units if layout.memory else 0), layout.dtype)
        whole = np.zeros((layout.sums, layout.units, layout.seen))
        self.sums = Sums(whole, np.zeros(layout.late_shape), np.zeros(layout.peephole_shape))

    def receive(self, each: Any, dh: Array, dc: Array | None) -> None:
        """Gradients of the states of some sequences, which end here."""
        hidden = self.layout.hidden
        self.dh[each, :hidden] += dh
        if dc is not None and self.layout.memory:
            self.dc[each, :hidden] += dc

    def piece(self, start: int, stop: int, dy: Array, scratch: Scratch, ends: Array | None = None) -> Array:
        """Go back over some steps; the gradients of their sums (T, B, Q, units)."""
        layout, weights, batch = self.layout, self.part.weights, self.batch
        (s, c, tape), d, count = self.run, scratch.d, stop - start
        if count < len(tape):
            s, tape = s[start : stop + 1], tape[start:stop]
            c = c[start : stop + 1] if layout.memory else c
        if count < len(d):
            d = d[:count]
        slopes = slopes_of(dy, scratch.slopes[:count], batch, self.total)
        if self.total:
            self.form.backward(weights.backward, weights.peephole, s, c, tape, slopes, self.dh, self.dc, d)
        else:
            self.hold_constant(tape, slopes, d)
        clear_padding(d, batch, layout.hidden)
        if ends is not None:
            for b in np.flatnonzero(ends < stop):
                d[max(ends[b] - start, 0) :, b] = 0.0
        if not (start or self.total):
            self.dh[:, : layout.hidden] += product(d[0, :, 0, : layout.hidden], self.part.given.w_hh)
        return d

    def hold_constant(self, tape: Array, slopes: Array, d: Array) -> None:
        """Replaces the kernel for a plain recurrent layer: no gradient passes between steps."""
        slopes[-1:] += self.dh
        self.dh[...] = 0.0
        d[:, :, 0] = respond(self.layout.activation, np.array(tape[:, :, 0], np.float64), slope=True) * slopes

    def collect(self, start: int, stop: int, d: Array, seen: Array, dx: Array) -> None:
        """Add up the gradients of weights over some steps, and find those of the inputs (T, B, I)."""
        layout, weights, sums = self.layout, self.part.weights, self.sums
        flat = d.reshape(len(seen), layout.sums * layout.units)
        add_product(sums.whole.reshape(flat.shape[1], layout.seen), flat, seen)
        fill_input_gradients(layout, weights, flat, dx, self.form.full)
        s, c, tape = self.run
        if layout.late >= 0:
            after_r = tape[start:stop, :, 0] * s[start:stop, :, layout.first :]
            late = d[:, :, layout.late].reshape(len(flat), layout.units)
            add_product(sums.late, late, after_r.reshape(len(flat), layout.units))
        if sums.peephole.size:
            c = c[start : stop + 1]
            for row, (q, each) in enumerate(((0, c[:-1]), (1, c[:-1]), (3, c[1:]))):
                sums.peephole[row] += (d[:, :, q] * each).sum(axis=(0, 1))


def slopes_of(dy: Array, padded: Array, batch: int, as_given: bool) -> Array:
    """dy (T, B, H) as the loops read it, with padding; `as_given`: that array itself where it is like that."""
    if as_given and dy.shape == padded.shape and dy.flags.carray and dy.dtype == padded.dtype:
        return dy
    padded[:, :batch, : dy.shape[2]] = dy
    return padded


def clear_padding(d: Array, batch: int, hidden: int) -> None:
    """Set to 0 what belongs to units and sequences that only fill up vectors and pairs."""
    if hidden < d.shape[3]:
        d[..., hidden:] = 0.0
    if batch < d.shape[1]:
        d[:, batch:] = 0.0


def fill_input_gradients(layout: Layout, weights: Weights, flat: Array, dx: Array, full: int) -> None:
    """Fill dx (T, B, I) from the gradients of sums (T B, Q units), B of them with padding."""
    whole = dx.shape[1] == full
    found = dx if whole else np.empty((len(dx), full, layout.inputs), layout.dtype)
    flat_x = found.reshape(len(flat), layout.inputs)
    if layout.inputs <= FEW_INPUTS:
        layout.input_gradients(flat, weights.into_x, flat_x)
    else:
        flat_x[...] = product(flat, weights.into_x.T)
    if not whole:
        dx[...] = found[:, : dx.shape[1]]


class Runs:
    """A run of many sequences, on several threads if the user allows it: each takes some of them."""

    def __init__(
        self,
        layout: Layout,
        given: Given,
        x: Array,
        states: tuple[Array | None, Array | None],
        h: Array,
        taped: bool,
        layer: Layer | None = None,
    ) -> None:
        steps, batch, _ = x.shape
        layer = Layer(layout, given, taped) if layer is None else layer
        # The same parts whatever the threads: sums over sequences, and with them the last bits, depend on them.
        self.work = 0.1 * steps * batch * layer.weights.forward.size
        size = max(PART, 2 * ceil(0.5 * WORTH * batch / max(self.work, 1.0)))
        self.spans = [slice(b, min(b + size, batch)) for b in range(0, batch, size)]
        parts: list[Any] = [None] * len(self.spans)

        def run(i: int, span: slice) -> None:
            own = (
                states[0] if states[0] is None else states[0][span],
                states[1] if states[1] is None else states[1][span],
            )
            form = form_of(layout, steps, span.stop - span.start, False)
            parts[i] = Part(form, given, x[:, span], own, h[span], taped, layer)

        share([partial(run, i, span) for i, span in enumerate(self.spans)], self.work)
        self.parts: list[Part] = parts

    def states(self, ends: Array | None) -> tuple[Array, Array]:
        """h and c after `ends` steps of each sequence, or after all, (B, H)."""
        found = [
            part.states(None if ends is None else ends[span]) for part, span in zip(self.parts, self.spans, strict=True)
        ]
        h, c = zip(*found, strict=True)
        return np.concatenate(h), np.concatenate(c)

    def forget(self, ends: Array) -> None:
        for part, span in zip(self.parts, self.spans, strict=True):
            part.forget(ends[span])

    def back(self, dy: Array, states: tuple[Array, Array | None], ends: Array | None, total: bool = True) -> Gradients:
        """Gradients of everything, from those of outputs (T, B, H) and of the states after `ends` steps, or all (B, H)."""
        found: list[Any] = [None] * len(self.parts)

        def back(i: int, span: slice) -> None:
            own = states[0][span], None if states[1] is None else states[1][span]
            found[i] = self.parts[i].back(dy[:, span], own, None if ends is None else ends[span], total)

        share([partial(back, i, span) for i, span in enumerate(self.spans)], self.work)
        sums, dx, dh, dc, delta = zip(*found, strict=True)
        return Gradients(
            sum(sums[1:], sums[0]),
            np.concatenate(dx, 1),
            np.concatenate(dh),
            np.concatenate(dc),
            None if delta[0] is None else np.concatenate(delta, 1),
        )


def run_of(
    layout: Layout,
    given: Given,
    x: Array,
    states: tuple[Array | None, Array | None],
    h: Array,
    taped: bool,
    layer: Layer | None = None,
) -> Part | Runs:
    """Run all sequences: fill h (B, T, H) from x (T, B, I) and the states before, (B, H)."""
    steps, batch, _ = x.shape
    if batch > PART:
        return Runs(layout, given, x, states, h, taped, layer)
    return Part(form_of(layout, steps, batch, batch == 1), given, x, states, h, taped, layer)
