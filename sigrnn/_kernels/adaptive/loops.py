"""Adaptive filters sample by sample: one loop over time, compiled for each of the rules."""

from __future__ import annotations

from typing import Any

from numba import types

from sigrnn._kernels.adaptive.divergence import inspect, leaves_out, within
from sigrnn._kernels.adaptive.rules import GAINS, RULES, Filter
from sigrnn._kernels.adaptive.sizes import AT, DELAY, GROUP, HOLD, KEEP, MEMBER, NARROW, PHASE, SLID, STOP
from sigrnn._kernels.adaptive.taps import group_advance, group_products, group_step, output, slide
from sigrnn._kernels.base.calls import small
from sigrnn._kernels.base.jit import kernel, once, packed, part, routine, strided
from sigrnn._kernels.base.vec import lanes, spread, stack, total


@routine
def fill(line, counts, x, first, reach):
    """Append samples of x, from `first`, to the line, as many as fit; returns their number."""
    small()
    at, capacity = counts[AT], line.shape[1] - GROUP  # up to GROUP samples beyond the last are read
    if at + 1 >= capacity:  # move the past that is still needed to the front
        start = at + 1 - reach
        for c in range(line.shape[0]):
            for i in range(reach):
                line[c, i] = line[c, start + i]
        at = reach - 1
        counts[AT] = at
    count = min(x.shape[0] - first, capacity - (at + 1))
    for c in range(line.shape[0]):
        for i in range(count):
            line[c, at + 1 + i] = x[first + i, c]
    return count


@routine
def learnt_from(line, at, taps, error, d, levels, counts, policy):
    """Whether to take the step of a sample that is not `within`; sets counts[STOP] to the reason to stop, or to 0."""
    small()
    known, power = inspect(line, at, taps, d)
    return not leaves_out(error, known, power, levels, counts, policy)


@part
def next_sample(counts, taps):
    """Advance to the next sample."""
    counts[AT] += 1
    counts[PHASE] = counts[PHASE] + 1 if counts[PHASE] + 1 < taps else 0


def scanner(update: Any, leaky: bool) -> Any:
    """The loop over time, for one rule."""

    def scan(x, d, y, e, history, line, w, r, tails, q, p, levels, s, m, counts, policy):
        # x (N, C)   d, y, e (N,)   history (N or 0, L, C), newest sample's weight first   tails (K, L + 2)
        # returns the sample at which it stopped, or N; the rest is in `rules.py`
        taps, f = w.shape[1], Filter(w, line, r, q, s, m)
        keep = p[KEEP] if leaky else ()
        reach = taps + r.shape[1] + counts[DELAY]
        n = types.intp(0)  # not a literal, for which `fill` would be compiled as well
        while n < x.shape[0]:
            count = fill(line, counts, x, n, reach)
            out = output(w, line, counts[AT] + 1 - counts[DELAY])
            for _ in range(count):
                at = counts[AT] + 1 - counts[DELAY]
                error = d[n] - out
                if history.shape[0]:
                    remember(history[n], w, line, at, m, 0)
                y[n], e[n] = out, error
                learnt = True
                if not within(error, d[n], levels):
                    learnt = learnt_from(line, at, taps, error, d[n], levels, counts, policy)
                    if counts[STOP]:
                        return n
                slide(line, at, counts[PHASE], taps, r, tails)
                for i in range(q.size - 1, 0, -1):
                    q[i] = q[i - 1]
                if not learnt:
                    counts[HOLD] = max(q.size, 1)
                if counts[HOLD]:  # the window of a step contains NaN
                    counts[HOLD] -= 1
                    if q.size:
                        q[0] = 0.0
                    out = output(w, line, at + 1)
                else:
                    if q.size:
                        q[0] = error
                    out = update(f, at, error, keep, p)
                next_sample(counts, taps)
                n += 1
        return n

    return scan


def grouper(gain: Any) -> Any:
    """The loop for real signals and long filters: a pass over the weights for each GROUP of samples, not for each sample.

    Weights are updated when a group is complete. The effect of its earlier steps on an output follows from products of
    windows: y[j] = w . u(j) + sum_{i<j} g[i] u(i) . u(j), with w from before the group. Groups are counted from the
    first sample, so results do not depend on the lengths of blocks.
    """

    def scan(x, d, y, e, history, line, w, r, tails, q, p, levels, s, m, counts, policy):
        # as in `scanner`, with r (1, GROUP)   m (2, GROUP): products a, steps g
        taps, f = w.shape[1], Filter(w, line, r, q, s, m)
        a, g = m[0], m[1]
        reach = taps + r.shape[1] + counts[DELAY]
        n = types.intp(0)  # not a literal, for which `fill` would be compiled as well
        while n < x.shape[0]:
            count = fill(line, counts, x, n, reach)
            group_products(w, line, counts[AT] + 1 - counts[DELAY] - counts[MEMBER], a)
            for _ in range(count):
                at = counts[AT] + 1 - counts[DELAY]
                j = counts[MEMBER]
                if counts[SLID]:
                    counts[SLID] = 0
                else:
                    slide(line, at, counts[PHASE], taps, r, tails)
                out = a[j]
                for i in range(j):
                    if g[i] != 0.0:  # skip steps of 0: r may contain NaN there
                        out += g[i] * r[0, j - i]
                error = d[n] - out
                if history.shape[0]:
                    remember(history[n], w, line, at, m, j)
                y[n], e[n] = out, error
                learnt = True
                if not within(error, d[n], levels):
                    learnt = learnt_from(line, at, taps, error, d[n], levels, counts, policy)
                    if counts[STOP]:
                        counts[SLID] = 1
                        return n
                if not learnt:
                    counts[HOLD] = 1
                g[j] = gain(f, error, p) if learnt else 0.0
                counts[MEMBER] = j + 1
                if j + 1 == GROUP:
                    counts[MEMBER] = 0
                    if counts[HOLD]:  # a window with NaN, and a step of 0
                        counts[HOLD] = 0
                        group_step(w, line, at - j, g)
                        group_products(w, line, at + 1, a)
                    else:
                        group_advance(w, line, at - j, g, a)
                next_sample(counts, taps)
                n += 1
        return n

    return scan


@routine
def remember(row, w, line, at, m, j):
    """Write the weights after j steps of a group (m[1]) to a row of the history, that of the newest sample first."""
    small()
    for k in range(w.shape[1]):
        for c in range(w.shape[0]):
            value = w[c, w.shape[1] - 1 - k]
            for i in range(j):
                if m[1, i] != 0.0:
                    value += m[1, i] * line[c, at - j + i - k]
            row[k, c] = value


@once
def adapt(name: str, dtype: str, leaky: bool, grouped: bool = False) -> Any:
    """The compiled loop for the rule of this name, for numbers of this type, 'd' or 'D'."""
    number, numbers, real = packed(dtype, 1), packed(dtype, 2), packed("d", 1)
    signals = strided(dtype, 2, read=True), strided(dtype, 1, read=True), number, number, packed(dtype, 3)
    memory = numbers, numbers, numbers, numbers, number, real, real, real, numbers, packed("i8", 1)
    scan = grouper(GAINS[name]) if grouped else scanner(RULES[name], leaky)
    unique = f"adapt_{name}_{dtype}{'_leaky' if leaky else ''}{'_grouped' if grouped else ''}"
    return kernel(scan, unique, *signals, *memory, types.intp)


@once
def products() -> Any:
    """About `count` fused products and sums in twelve independent registers: the processor's upper bound."""

    def compute(count):
        like = lanes(NARROW, True)
        sums = stack(12, like)
        half, small = spread(0.5, like), spread(1e-3, like)
        for i in range(12):
            sums[i] = spread(1.0 + i, like)
        for _ in range(count // (12 * NARROW)):
            for i in range(12):
                sums[i] = sums[i] * half + small
        result = 0.0
        for i in range(12):
            result += total(sums[i])
        return result

    return kernel(compute, "products", types.intp)
