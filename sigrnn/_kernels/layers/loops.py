"""The loops over time of recurrent layers, forward and backward: sums over inputs and units, then the cell of each unit.

Row t of `s` is the input of step t, [x, 1, h], with the h of the step before. If there is a backward pass, all rows are
kept; otherwise two rows are used alternately, and row 0 holds the final state on return. Weights are packed so that one
sequential pass over them gives the sums of a vector of units:
    w (J, K, Q, W)    weight of entry K for sum Q of units J W, J W + 1, ...
Sequences are processed in pairs; if their number is odd, the last pair has a dummy that is not in x and y.
"""

from __future__ import annotations

from typing import Any

from sigrnn._kernels.base.activations import label
from sigrnn._kernels.base.jit import device, entry_point, kernel, once, packed, routine, strided
from sigrnn._kernels.base.vec import lanes_of, load, offset, pointer, spread, stack, store
from sigrnn._kernels.layers.cells import Cell, cell
from sigrnn._kernels.layers.gates import sigmoid2, tanh2

__all__ = ["entry_point", "factors", "runner"]

DEEP = 8  # independent sums that hide the latency of the processor; each takes a register


def together(sums: int, alone: bool) -> tuple[int, int]:
    """How many entries, and how many sequences, are processed at a time: `DEEP` sums in all."""
    return (max(DEEP // sums, 1), 1) if alone else (max(DEEP // (2 * sums), 1), 2)


@device
def products(weights, rows, size, start, stop, entries, sequences, sums, width, skip, acc, like):
    """acc[(q sequences + r) entries + u] += sum_k weights[k, q] rows[r, k], k = start ... stop - 1, but for sum `skip`.

    Rows are `size` apart; `entries` independent sums are combined by `added_up` at the end.
    """
    whole = start + (stop - start) // entries * entries
    for k in range(start, whole, entries):
        for u in range(entries):
            add_products(weights, rows, size, k + u, u, entries, sequences, sums, width, skip, acc, like)
    for k in range(whole, stop):
        add_products(weights, rows, size, k, 0, entries, sequences, sums, width, skip, acc, like)


@device
def add_products(weights, rows, size, k, u, entries, sequences, sums, width, skip, acc, like):
    for q in range(sums):
        if q != skip:
            weight = load(weights, (k * sums + q) * width, like)
            for r in range(sequences):
                i = (q * sequences + r) * entries + u
                acc[i] = acc[i] + weight * spread(rows[r * size + k], like)


@device
def cleared(acc, capacity, like):
    for i in range(capacity):
        acc[i] = like


@device
def added_up(acc, capacity, entries):
    for i in range(0, capacity, entries):
        for u in range(1, entries):
            acc[i] = acc[i] + acc[i + u]


@device
def see(x, t, s, now):
    """Write the inputs of a step and 1 into its row."""
    inputs = x.shape[2]
    for b in range(x.shape[1]):
        for i in range(inputs):
            s[now, b, i] = x[t, b, i]
        s[now, b, inputs] = s.dtype.type(1)


@device
def put_out(y, b, t, k, width, h, made):
    """Write units k, k + 1, ... of a sequence to the outputs, except for padding; `made` holds them, too."""
    if b < y.shape[0]:
        if k + width <= y.shape[2]:
            store(pointer(y[b, t]), k, h)
        else:
            for i in range(y.shape[2] - k):
                y[b, t, k + i] = made[k + i]


@device
def settle(s, c, now):
    """With two rows used alternately: move the final state to row 0, the initial state of the next call."""
    if now:
        for rows in (s, c):
            for b in range(rows.shape[1]):
                for i in range(rows.shape[2]):
                    rows[0, b, i] = rows[1, b, i]


def forward(chosen: Cell, width: int, alone: bool, taped: bool) -> Any:
    """All steps, forward; `taped`: store what the backward pass needs, if there is memory for it."""
    sums, memory, step = chosen.sums, chosen.memory, chosen.step if taped else chosen.run
    entries, sequences = together(sums, alone)
    capacity, no_inputs, no_units = sums * entries * sequences, chosen.no_inputs, chosen.no_units
    split = no_inputs >= 0 or no_units >= 0

    def run(w, p, x, s, c, tape, y):
        # w (J, K, Q, W)   p (3, J W)   x (T, B, I)   s (R, B, S) and c (R, B, J W): R = T + 1 with a tape, else 2
        # tape (T, B, Q, J W), or (0, ...)   y (B, T, H): the outputs h
        like = lanes_of(width, w)
        acc, a = stack(capacity, like), stack(sums, like)
        blocks, depth, units = w.shape[0], w.shape[1], w.shape[0] * width
        batch, size = s.shape[1], s.shape[2]
        first, peepholes = size - units, pointer(p)
        now = 0
        for t in range(x.shape[0]):
            then = now + 1 if now + 1 < s.shape[0] else 0
            see(x, t, s, now)
            for j in range(blocks):
                k = j * width
                for b in range(0, batch, sequences):
                    rows = pointer(s[now, b])
                    cleared(acc, capacity, like)
                    if split:  # a missing weight is skipped: 0 times inf would be NaN
                        at = pointer(w[j])
                        for q in range(sums):  # entry first - 1 is 1
                            for r in range(sequences):
                                acc[(q * sequences + r) * entries] = load(at, ((first - 1) * sums + q) * width, like)
                        products(at, rows, size, 0, first - 1, entries, sequences, sums, width, no_inputs, acc, like)
                        products(at, rows, size, first, depth, entries, sequences, sums, width, no_units, acc, like)
                    else:
                        products(pointer(w[j]), rows, size, 0, depth, entries, sequences, sums, width, -1, acc, like)
                    added_up(acc, capacity, entries)
                    for r in range(sequences):
                        for q in range(sums):
                            a[q] = acc[(q * sequences + r) * entries]
                        before, inside = load(rows, r * size + first + k, like), like
                        if memory:
                            inside = load(pointer(c[now, b + r]), k, like)
                        h, inside = step(a, before, inside, peepholes, k, units)
                        made = pointer(s[then, b + r, first:])
                        store(made, k, h)
                        put_out(y, b + r, t, k, width, h, made)
                        if memory:
                            store(pointer(c[then, b + r]), k, inside)
                        if taped and tape.shape[0]:
                            for q in range(sums):
                                store(pointer(tape[t, b + r, q]), k, a[q])
            now = then
        if tape.shape[0] == 0:
            settle(s, c, now)

    return run


@device
def group_of(blocks, j):
    """How many vectors the backward pass processes together with vector j, and the first: groups of four, then the rest."""
    fours = blocks // 4 * 4
    if j < fours:
        return 4, j // 4 * 4
    twos = blocks // 2 * 2
    return (2, fours) if j < twos else (1, twos)


@once
def returned_to(vectors: int, width: int, alone: bool) -> Any:
    """The transposed sums for this number of vectors of units at a time; returns the vector that it ends before."""
    entries, sequences = together(vectors, alone)
    capacity = vectors * entries * sequences

    @routine
    def run(w, d, t, first, last, target, step, j):
        # target[b step + k] += sum_q sum_i w[q H + i, k] d[t, b, q, i], q = first ... last - 1, k of vectors j, j + 1, ...
        like = lanes_of(width, w)
        acc = stack(capacity, like)
        blocks, units, hidden = w.shape[0], w.shape[0] * width, w.shape[1] // d.shape[2]
        while j + vectors <= blocks:
            for b in range(0, d.shape[1], sequences):
                cleared(acc, capacity, like)
                for q in range(first, last):
                    weights, rows = offset(pointer(w[j]), q * hidden * vectors * width), pointer(d[t, b, q])
                    size = d.shape[2] * units
                    products(weights, rows, size, 0, hidden, entries, sequences, vectors, width, -1, acc, like)
                added_up(acc, capacity, entries)
                for v in range(vectors):
                    for r in range(sequences):
                        at = (b + r) * step + (j + v) * width
                        store(target, at, load(target, at, like) + acc[(v * sequences + r) * entries])
            j += vectors
        return j

    return run


@device
def none_returned(w, d, t, first, last, target, step, j):
    return j


def returned(width: int, alone: bool, taken: tuple[int, ...]) -> Any:
    """The transposed sums: the gradient of each unit, from those of all sums it enters, `taken` vectors at a time.

    Each number of vectors takes half a second to compile, so only the sizes in `unit_groups` are compiled, once for all cells.
    """
    fours, twos, ones = (
        returned_to(vectors, width, alone) if vectors in taken else none_returned for vectors in (4, 2, 1)
    )

    @device
    def run(w, d, t, first, last, target, step):
        j = fours(w, d, t, first, last, target, step, 0)
        j = twos(w, d, t, first, last, target, step, j)
        ones(w, d, t, first, last, target, step, j)

    return run


def backward(chosen: Cell, width: int, alone: bool, taken: tuple[int, ...]) -> Any:
    """The transpose: from the gradients of the outputs and of the final state to those of the sums."""
    sums, memory, back = chosen.sums, chosen.memory, chosen.back
    add_returned = returned(width, alone, taken)

    def run(w, p, s, c, tape, dy, dh, dc, d):
        # w (J, Q H, W): the weights of h, transposed; vectors of a group are adjacent, as in the forward pass
        # s, c, tape as above, of these steps   dy (T, B, J W)
        # dh, dc (B, J W): gradients of the final state; on return, of the initial state   d (T, B, Q, J W)
        like = lanes_of(width, w)
        a, slopes = stack(sums, like), stack(sums, like)
        units, batch = w.shape[0] * width, s.shape[1]
        first, peepholes = s.shape[2] - units, pointer(p)
        for t in range(tape.shape[0] - 1, -1, -1):
            for b in range(batch):
                carried, inside = pointer(dh[b]), pointer(dc[b])
                for k in range(0, units, width):
                    for q in range(sums):
                        a[q] = load(pointer(tape[t, b, q]), k, like)
                    c0, c1, dc1 = like, like, like
                    if memory:
                        c0, c1 = load(pointer(c[t, b]), k, like), load(pointer(c[t + 1, b]), k, like)
                        dc1 = load(inside, k, like)
                    before = load(pointer(s[t, b]), first + k, like)
                    dh1 = load(pointer(dy[t, b]), k, like) + load(carried, k, like)
                    dh0, dc0 = back(slopes, a, before, c0, c1, dh1, dc1, peepholes, k, units)
                    store(carried, k, dh0)
                    if memory:
                        store(inside, k, dc0)
                    for q in range(sums):
                        store(pointer(d[t, b, q]), k, slopes[q])
            add_returned(w, d, t, 0, sums, pointer(dh), units)

    return run


def forward_before(chosen: Cell, width: int, alone: bool, taped: bool) -> Any:
    """The GRU whose r multiplies the units: a second product, with r h, follows when all r are known."""
    three, one = together(3, alone), together(1, alone)
    capacity = max(3 * three[0] * three[1], one[0] * one[1])

    def run(w, p, x, s, c, tape, y):
        # w (J, K + H, 3, W): K entries of [x, 1, h] for r, z, n, then those of r h for n (first of the three)
        # p is not read   x, s, y as above   c (2, B, J W): r h of a step   tape (T, B, 3, J W), or one row for all steps
        like = lanes_of(width, w)
        acc = stack(capacity, like)
        blocks, units = w.shape[0], w.shape[0] * width
        batch, size = s.shape[1], s.shape[2]
        first = size - units
        hidden = (w.shape[1] - first) // 2
        now = 0
        for t in range(x.shape[0]):
            then, at = now + 1 if now + 1 < s.shape[0] else 0, t if taped else 0
            see(x, t, s, now)
            for j in range(blocks):
                k = j * width
                for b in range(0, batch, three[1]):
                    rows = pointer(s[now, b])
                    cleared(acc, capacity, like)
                    products(pointer(w[j]), rows, size, 0, first, three[0], three[1], 3, width, -1, acc, like)
                    products(
                        pointer(w[j]), rows, size, first, first + hidden, three[0], three[1], 3, width, 2, acc, like
                    )
                    added_up(acc, 3 * three[0] * three[1], three[0])
                    for i in range(three[1]):
                        r, z = sigmoid2(acc[i * three[0]]), sigmoid2(acc[(three[1] + i) * three[0]])
                        store(pointer(tape[at, b + i, 0]), k, r)
                        store(pointer(tape[at, b + i, 1]), k, z)
                        store(pointer(tape[at, b + i, 2]), k, acc[(2 * three[1] + i) * three[0]])
                        store(pointer(c[0, b + i]), k, r * load(rows, i * size + first + k, like))
            for j in range(blocks):
                k = j * width
                for b in range(0, batch, one[1]):
                    weights = pointer(w[j, first + hidden :])
                    cleared(acc, capacity, like)
                    products(weights, pointer(c[0, b]), units, 0, hidden, one[0], one[1], 1, 3 * width, -1, acc, like)
                    added_up(acc, one[0] * one[1], one[0])
                    for i in range(one[1]):
                        gates = pointer(tape[at, b + i, 0])
                        z, n = (
                            load(gates, units + k, like),
                            tanh2(load(gates, 2 * units + k, like) + acc[i * one[0]]),
                        )
                        store(gates, 2 * units + k, n)
                        h = load(pointer(s[now, b + i]), first + k, like)
                        h = n + z * (h - n)
                        made = pointer(s[then, b + i, first:])
                        store(made, k, h)
                        put_out(y, b + i, t, k, width, h, made)
            now = then
        if not taped:
            settle(s, c, now)

    return run


def backward_before(chosen: Cell, width: int, alone: bool, taken: tuple[int, ...]) -> Any:
    """The transpose of `forward_before`."""
    add_returned = returned(width, alone, taken)

    def run(w, p, s, c, tape, dy, dh, dc, d):
        # w (J, 3 H, W): the weights of h for r and z, and of r h for n, transposed; the rest as in `backward`
        like = lanes_of(width, w)
        units, batch = w.shape[0] * width, s.shape[1]
        first = s.shape[2] - units
        for t in range(tape.shape[0] - 1, -1, -1):
            for b in range(batch):
                carried, slopes, gates = pointer(dh[b]), pointer(d[t, b, 0]), pointer(tape[t, b, 0])
                for k in range(0, units, width):
                    z, n = load(gates, units + k, like), load(gates, 2 * units + k, like)
                    h = load(pointer(s[t, b]), first + k, like)
                    slope = load(pointer(dy[t, b]), k, like) + load(carried, k, like)
                    store(slopes, k, like)
                    store(slopes, units + k, slope * (h - n) * z * (1.0 - z))
                    store(slopes, 2 * units + k, slope * (1.0 - z) * (1.0 - n * n))
                    store(carried, k, slope * z)
            add_returned(w, d, t, 2, 3, pointer(d[t]), 3 * units)  # the gradient of r h, in the place of that of r
            for b in range(batch):
                carried, slopes = pointer(dh[b]), pointer(d[t, b, 0])
                for k in range(0, units, width):
                    slope, r = load(slopes, k, like), load(pointer(tape[t, b, 0]), k, like)
                    store(slopes, k, slope * load(pointer(s[t, b]), first + k, like) * r * (1.0 - r))
                    store(carried, k, load(carried, k, like) + slope * r)
            add_returned(w, d, t, 0, 2, pointer(dh), units)

    return run


LOOPS = {
    "forward": lambda *given: forward(*given, taped=False),
    "taped": lambda *given: forward(*given, taped=True),
    "backward": backward,
}
BEFORE = {
    "forward": lambda *given: forward_before(*given, taped=False),
    "taped": lambda *given: forward_before(*given, taped=True),
    "backward": backward_before,
}


def factors(name: str) -> tuple[float, ...]:
    """The factors of the weights of each sum."""
    return cell(name, "linear").factors


@once
def runner(
    direction: str, name: str, activation: Any, dtype: str, width: int, alone: bool, taken: tuple[int, ...] = ()
) -> Any:
    """The compiled loop for a cell, 'forward', 'taped' or 'backward', for a single sequence (`alone`) or for pairs.

    For 'backward', `taken` lists the numbers of vectors of units that are processed at a time.
    """
    if direction == "forward" and cell(name, activation).run is cell(name, activation).step is not None:
        return runner("taped", name, activation, dtype, width, alone)  # without a tape, it only leaves out the stores
    make = (BEFORE if name == "reset_before" else LOOPS)[direction]
    called = f"{direction}_{name if activation is None else f'{name}_{label(activation)}'}_{dtype}_{width}_{'one' if alone else 'two'}"
    weights, state, read = packed(dtype, 4, read=True), packed(dtype, 2, read=True), packed(dtype, 3, read=True)
    if direction == "backward":
        slopes = packed(dtype, 2), packed(dtype, 2), packed(dtype, 4)
        arguments = read, state, read, read, weights, read, *slopes
        made = make(cell(name, activation), width, alone, taken)
        called += "_" + "".join(map(str, taken))
    else:
        inputs, memory, outputs = strided(dtype, 3, read=True), packed(dtype, 3), strided(dtype, 3)
        arguments = weights, state, inputs, memory, memory, packed(dtype, 4), outputs
        made = make(cell(name, activation), width, alone)
    return kernel(made, called, *arguments, keep=activation is None or isinstance(activation, str))
