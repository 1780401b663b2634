"""The pull-back of second-order sections of one long channel: forward and back through all of them while they are near.

As in `scans.blocked`, a stretch of the signal is cut into blocks that run side by side in the lanes. It is transposed
once for all sections; what goes into each stays in tiles, where the sums for the coefficients find it beside v.
"""

from __future__ import annotations

from typing import Any

from sigrnn._kernels.filters import LANES, final_states
from sigrnn._kernels.jit import device, kernel, once, packed, strided
from sigrnn._kernels.scans import all_finite, back, chain, columns
from sigrnn._kernels.vec import lanes, load, pointer, spread, stack, store

ORDER = 2  # states of a section
SUMS = 5 * LANES


@device
def through(b, a, entry, source, target, length, like):
    """One section forward, block k from state entry[:, k], which becomes its final state."""
    b0, b1, b2, a1, a2 = (
        spread(b[0], like),
        spread(b[1], like),
        spread(b[2], like),
        spread(a[1], like),
        spread(a[2], like),
    )
    z0, z1 = load(pointer(entry[0]), 0, like), load(pointer(entry[1]), 0, like)
    for n in range(length):
        x = load(source, n * LANES, like)
        y = b0 * x + z0
        z0, z1 = b1 * x - a1 * y + z1, b2 * x - a2 * y
        store(target, n * LANES, y)
    store(pointer(entry[0]), 0, z0)
    store(pointer(entry[1]), 0, z1)


@device
def return_chain(a, power, tail, entry):
    """From final states from rest to true ones, from the last lane to the first; v after the last lane is `tail`."""
    z0, z1 = -(a[1] * tail[0] + a[2] * tail[1]), -a[2] * tail[0]
    for i in range(LANES):
        k = LANES - 1 - i
        end0, end1 = entry[0, k], entry[1, k]
        entry[0, k], entry[1, k] = z0, z1
        z0, z1 = end0 + power[0, 0] * z0 + power[0, 1] * z1, end1 + power[1, 0] * z0 + power[1, 1] * z1


@device
def returned(a, entry, slope, v, length, like):
    """v = slope / A over reversed time, in each block."""
    a1, a2 = spread(a[1], like), spread(a[2], like)
    z0, z1 = load(pointer(entry[0]), 0, like), load(pointer(entry[1]), 0, like)
    for i in range(length):
        n = (length - 1 - i) * LANES
        now = load(slope, n, like) + z0
        z0, z1 = z1 - a1 * now, like - a2 * now
        store(v, n, now)
    store(pointer(entry[0]), 0, z0)
    store(pointer(entry[1]), 0, z1)


@device
def overlap(v, length, tail):
    """The two rows after each block: the first of the next one, after the last block `tail`, which moves to the front."""
    for p in range(2):
        for k in range(LANES - 1):
            v[(length + p) * LANES + k] = v[p * LANES + k + 1]
        v[(length + p) * LANES + LANES - 1] = tail[p]
        tail[p] = v[p * LANES]


@device
def gather_sums(b, v, x, y, slope, db, da, length, like):
    """slope[n] = sum_m b[m] v[n + m],  db[m] += sum_n x[n] v[n + m],  da[m] -= sum_n y[n] v[n + m]."""
    b0, b1, b2 = spread(b[0], like), spread(b[1], like), spread(b[2], like)
    x0, x1, x2, y1, y2 = like, like, like, like, like
    v0, v1 = load(v, 0, like), load(v, LANES, like)
    for n in range(length):
        v2 = load(v, (n + 2) * LANES, like)
        xn, yn = load(x, n * LANES, like), load(y, n * LANES, like)
        store(slope, n * LANES, b0 * v0 + b1 * v1 + b2 * v2)
        x0, x1, x2 = x0 + xn * v0, x1 + xn * v1, x2 + xn * v2
        y1, y2 = y1 + yn * v1, y2 + yn * v2
        v0, v1 = v1, v2
    total = stack(SUMS, 0.0)
    store(total, 0, x0)
    store(total, LANES, x1)
    store(total, 2 * LANES, x2)
    store(total, 3 * LANES, y1)
    store(total, 4 * LANES, y2)
    for k in range(LANES):
        for m in range(3):
            db[m] += total[m * LANES + k]
        for m in range(2):
            da[m + 1] -= total[(3 + m) * LANES + k]


def _section_gradients(b, a, g, h, power, x, dy, dx, z, tail, db, da, tiles, slope, v, entry):
    """Whole stretches, all sections: dx, and the sums db, da. False where something is not finite: all is to be redone."""
    # b, a, db, da (S, 3)   g, h (S, L, 2) entries of B/A and 1/A, h reversed   power (S, 2, 2)   x, dy, dx (M L LANES,)
    # z (S, 2) states before, left as those after   tail (S, 2) v after the last sample, left as v of the first
    # scratch: tiles (M, S + 1, L LANES)   slope (L LANES,)   v ((L + 2) LANES,)   entry (2, LANES)
    like = lanes(LANES, True)
    sections, length = b.shape[0], g.shape[1]
    for i in range(tiles.shape[0]):
        columns(x, i * length * LANES, length, pointer(tiles[i]))
        for s in range(sections):
            final_states(ORDER, ORDER, g[s], pointer(tiles[i, s]), entry, length, like)
            chain(ORDER, power[s], z[s], entry)
            through(b[s], a[s], entry, pointer(tiles[i, s]), pointer(tiles[i, s + 1]), length, like)
            if not all_finite(entry, like):
                return False
    slope_at, v_at = pointer(slope), pointer(v)
    for k in range(tiles.shape[0]):
        i = tiles.shape[0] - 1 - k
        columns(dy, i * length * LANES, length, slope_at)
        for r in range(sections):
            s = sections - 1 - r
            final_states(ORDER, ORDER, h[s], slope_at, entry, length, like)
            return_chain(a[s], power[s], tail[s], entry)
            returned(a[s], entry, slope_at, v_at, length, like)
            if not all_finite(entry, like):
                return False
            overlap(v_at, length, tail[s])
            x_at, y_at = pointer(tiles[i, s]), pointer(tiles[i, s + 1])
            gather_sums(b[s], v_at, x_at, y_at, slope_at, db[s], da[s], length, like)
        back(slope_at, dx, i * length * LANES, length)
    return True


@once
def section_gradients(dtype: str) -> Any:
    """The pull-back for real samples of this type."""
    coefs, entries = [packed("d", 2, read=True)] * 2, [packed("d", 3, read=True)] * 3
    samples = strided(dtype, 1, read=True), strided(dtype, 1, read=True), strided(dtype, 1)
    scratch = packed("d", 3), packed("d", 1), packed("d", 1), packed("d", 2)
    arguments = *coefs, *entries, *samples, *[packed("d", 2)] * 4, *scratch
    return kernel(_section_gradients, f"section_gradients_{dtype}", *arguments)
