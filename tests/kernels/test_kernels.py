"""Kernels, called as the public functions call them, against their slow twins; and the vectors they are made of, by themselves."""

import platform
from fractions import Fraction

import numba
import numpy as np
import pytest
import reference
import scipy.signal
from helpers import assert_close, assert_same, noise, stable

import sigrnn
from sigrnn._kernels.base import vec
from sigrnn._kernels.filters import fir
from sigrnn._kernels.sizes import BLOCK_STATES, LANES
from sigrnn.filters import _blocks, _recursive
from sigrnn.filters._memory import aligned

ORDERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 64]
KINDS = ["f8", "f4"]
# float32 signals take the same code but for loads and stores: fewer orders, to save compilations.
ORDERS_AND_KINDS = [(order, "f8") for order in ORDERS] + [(order, "f4") for order in (2, 9)]
# SciPy's wheels for other machines contract products and sums.
SCIPY_BITS = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="SciPy's own rounding is that of x86-64 only"
)


# How kernels are called: the one place to change when their arguments do.


def run_sequential(kind, b, a, x, z):
    """b, a (S, P + 1), x (N,), z (S, P)."""
    y, z = np.empty_like(x), z.copy()
    _recursive.RecursiveFilter(b, a, kind).kernel("sequential", x.dtype.char)(np.stack([b, a]), x, y, z.reshape(-1))
    return y, z


def run_channels(kind, b, a, x, z, y=None, groups=None):
    """b, a (S, P + 1) or (C, S, P + 1), x (C, N), z (C, S, P); groups: first and last + 1."""
    filter, count = _recursive.RecursiveFilter(b, a, kind), -(-len(x) // LANES)
    state, y = _recursive.in_lanes(z, count, LANES), np.empty_like(x) if y is None else y
    kernel = filter.kernel("channels", x.dtype.char)
    some = (0, count) if groups is None else groups
    kernel(*filter.in_lanes(count, LANES), x, y, state, *some, *_recursive.NO_TILES)
    return y, state.transpose(0, 3, 1, 2).reshape(-1, *z.shape[1:])[: len(x)]


def run_blocked(kind, b, a, x, z, length, y=None, workers=None):
    """b, a (S, P + 1), x (N,), z (S, P); workers: each of this many threads has a part of its own."""
    filter = _recursive.RecursiveFilter(b, a, kind)
    blocks = filter.blocks_of(length)
    assert blocks is not None, "the filter is not stable"
    y, state = np.empty_like(x) if y is None else y, z.flatten()
    if workers is None:
        _recursive.run_blocks(filter, blocks, x, y, state)
    else:
        with sigrnn.set_workers(workers):
            assert _recursive.run_threaded(filter, blocks, x, y, state)
    return y, state.reshape(z.shape)


def run_normal_form(b, a, length):
    """T, its inverse (R, R) and [A B] (2, R, R + 1) in the coordinates of T, A^L and inputs of blocks, of a cascade (S, P + 1)."""
    normal = _blocks.normal_form([_blocks.state_space(b, a)])
    assert normal is not None, "the filter is not stable"
    states = normal.systems[0].shape[1]
    t, inverse = (half.astype(np.longdouble).sum(axis=0)[:, :states] for half in normal.bases[0])
    power, basis, inputs = normal.blocks(length, np.stack([b, a])).group(0)
    np.testing.assert_array_equal(basis, normal.bases[0])
    return (
        t,
        inverse,
        normal.systems[0][:, :, : states + 1].astype(np.longdouble).sum(axis=0),
        power[:, :states].T,
        inputs,
    )


def run_convolve(b, x, hop=1, chunk=96, past=None, y=None):
    """y[r, i] = sum_m b[m] x[r, i - m hop]."""
    reach = (len(b) - 1) * hop
    past = np.empty((0, reach)) if past is None else past
    y = np.empty_like(x) if y is None else y
    direct = x.dtype == float and not np.may_share_memory(x, y)
    scratch = np.empty(reach + chunk + fir.SPAN)
    fir.convolve(x.dtype.char)(np.ascontiguousarray(b[::-1]), x, y, past, hop, scratch, direct)
    return y


def run_varying(b, a, x, z):
    y, z = np.empty_like(x), np.append(z, 0.0)
    fir.varying(x.dtype.char)(b, a, x, y, z)
    return y, z[:-1]


def twin(kind, b, a, x, z):
    """What the filter does to x, in double precision; z (S, P)."""
    x = x.astype(float)
    if kind == "sections":
        return reference.cascade(np.concatenate([b, a], axis=-1), x, z)
    y, state = reference.direct_form(b[0], a[0], x, z[0])
    return y, state[None]


def sections(rng, count, order=2):
    """A cascade of stable sections b, a (S, P + 1)."""
    radius = 0.9 if order < 16 else 0.5  # a denominator of order 64 with poles far out loses all its digits
    pairs = [stable(rng, order, radius) for _ in range(count)]
    return np.array([b for b, _ in pairs]), np.array([a for _, a in pairs])


def taps(b):
    """Arguments b, a of a filter without feedback."""
    return b[None], np.zeros((1, len(b)))


# Sequential


@pytest.mark.parametrize(("order", "kind"), ORDERS_AND_KINDS)
def test_sequential_direct(rng, order, kind):
    b, a = sections(rng, 1, order)
    x, z = noise(rng, 333, kind), noise(rng, (1, order))
    y, final = run_sequential("direct", b, a, x, z)
    desired, state = twin("direct", b, a, x, z)
    assert_same(y, desired.astype(kind))  # computed in double, whatever the signal is, and rounded once
    assert_same(final, state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_sequential_sections(rng, count, kind):
    b, a = sections(rng, count)
    x, z = noise(rng, 333, kind), noise(rng, (count, 2))
    y, final = run_sequential("sections", b, a, x, z)
    desired, state = twin("sections", b, a, x, z)
    assert_same(y, desired.astype(kind))
    assert_same(final, state)


@pytest.mark.parametrize("order", ORDERS)
def test_sequential_taps(rng, order):
    b = noise(rng, order + 1)
    x, z = noise(rng, 333), noise(rng, (1, order))
    y, final = run_sequential("taps", *taps(b), x, z)
    desired, state = reference.fir(b, x, z[0])
    assert_close(y, desired, 10 + order)  # another order of addition than the twin's: at most order + 1 roundings each
    assert_close(final[0], state, 10 + order)


@pytest.mark.parametrize("order", [2, 12])
def test_sequential_complex(rng, order):
    b, a = sections(rng, 1, order)
    b = b * np.exp(1j)
    x, z = noise(rng, 99, complex), noise(rng, (1, order), complex)
    y, final = run_sequential("direct", b, a.astype(complex), x, z)
    desired, state = reference.direct_form(b[0], a[0], x, z[0])
    assert_close(y, desired, 200)
    assert_close(final[0], state, 200)


@pytest.mark.parametrize("samples", [0, 1, 2, 127, 128, 129, 256, 257])
def test_sequential_lengths(rng, samples):
    b, a = sections(rng, 1, 2)
    x, z = noise(rng, samples), noise(rng, (1, 2))
    y, final = run_sequential("direct", b, a, x, z)
    desired, state = twin("direct", b, a, x, z)
    assert_same(y, desired)
    assert_same(final, state)


# Channels in lanes


@pytest.mark.parametrize(("order", "kind"), ORDERS_AND_KINDS)
def test_channels_direct(rng, order, kind):
    b, a = sections(rng, 1, order)
    x, z = noise(rng, (LANES + 1, 203), kind), noise(rng, (LANES + 1, 1, order))
    y, final = run_channels("direct", b, a, x, z)
    for c in range(len(x)):  # each channel has the bits it would have alone
        alone, state = run_sequential("direct", b, a, x[c], z[c])
        assert_same(y[c], alone)
        assert_same(final[c], state)


@pytest.mark.parametrize("width", range(1, LANES + 2))
def test_channels_tail(rng, width):
    b, a = sections(rng, 1, 2)
    x, z = noise(rng, (width, 131)), noise(rng, (width, 1, 2))
    y, final = run_channels("direct", b, a, x, z)
    for c in range(width):
        desired, state = twin("direct", b, a, x[c], z[c])
        assert_same(y[c], desired)
        assert_same(final[c], state)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_sections_each_its_own(rng, kind):
    count = 2 * LANES + 3
    pairs = [sections(rng, 3) for _ in range(count)]
    b, a = (np.array(part) for part in zip(*pairs, strict=True))
    x, z = noise(rng, (count, 200), kind), noise(rng, (count, 3, 2))
    y, final = run_channels("sections", b, a, x, z)
    for c in range(count):
        desired, state = twin("sections", b[c], a[c], x[c], z[c])
        assert_same(y[c], desired.astype(kind))
        assert_same(final[c], state)


@pytest.mark.parametrize("order", [2, 9])
def test_channels_taps(rng, order):
    b = noise(rng, order + 1)
    x, z = noise(rng, (LANES, 130)), noise(rng, (LANES, 1, order))
    y, final = run_channels("taps", *taps(b), x, z)
    for c in range(LANES):
        desired, state = reference.fir(b, x[c], z[c, 0])
        assert_close(y[c], desired, 10 + order)
        assert_close(final[c, 0], state, 10 + order)


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 127, 128, 129, 132, 260])
def test_channels_lengths_and_directions(rng, samples):
    b, a = sections(rng, 1, 2)
    base, z = noise(rng, (LANES + 5, samples)), noise(rng, (LANES + 5, 1, 2))
    room = np.zeros((3 * base.shape[0], 2 * samples))
    views = {
        "C": lambda v: v[: base.shape[0], :samples],
        "back in time": lambda v: v[: base.shape[0], samples - 1 :: -1],
        "channels back": lambda v: v[base.shape[0] - 1 :: -1, :samples],
        "every other": lambda v: v[::3, ::2],
        "F": lambda v: v.reshape(-1)[: base.size].reshape(samples, -1).T,
        "F, back in time": lambda v: v.reshape(-1)[: base.size].reshape(samples, -1).T[:, ::-1],
        "F, channels back": lambda v: v.reshape(-1)[: base.size].reshape(samples, -1).T[::-1],
    }
    desired = [twin("direct", b, a, row, state)[0] for row, state in zip(base, z, strict=True)]
    for name, view in views.items():
        x = view(room.copy())
        x[...] = base
        y, _ = run_channels("direct", b, a, x, z, y=view(room.copy()))
        assert_same(y, np.array(desired), name)
        run_channels("direct", b, a, x, z, y=x)  # in place
        assert_same(x, np.array(desired), name)


def test_channels_some_groups_only(rng):
    b, a = sections(rng, 1, 2)
    x, y = noise(rng, (3 * LANES, 40)), np.zeros((3 * LANES, 40))
    _, final = run_channels("direct", b, a, x, np.zeros((3 * LANES, 1, 2)), y, groups=(1, 2))
    middle = slice(LANES, 2 * LANES)
    assert not np.delete(y, middle, axis=0).any()
    assert not np.delete(final, middle, axis=0).any()
    assert_same(y[middle], np.array([twin("direct", b, a, row, np.zeros((1, 2)))[0] for row in x[middle]]))


# Blocks of time in lanes


@pytest.mark.parametrize(("order", "kind"), [each for each in ORDERS_AND_KINDS if each[0] <= BLOCK_STATES])
def test_blocked_direct(rng, order, kind):
    b, a = sections(rng, 1, order)
    length = 64
    x, z = noise(rng, 2 * length * LANES, kind), noise(rng, (1, order))
    y, final = run_blocked("direct", b, a, x, z, length)
    desired, state = twin("direct", b, a, x, z)
    assert_close(y, desired.astype(kind), 100)
    assert_close(final, state, 100)


@pytest.mark.parametrize(("count", "order"), [(1, 2), (4, 2), (1, 9)])
@pytest.mark.parametrize("workers", [2, 3])
def test_blocked_on_several_threads(rng, monkeypatch, count, order, workers):
    # Ends first, then the chain, then all of it at once: the bits of a single thread.
    b, a = sections(rng, count, order)
    kind = "direct" if count == 1 else "sections"
    x, z = noise(rng, 5 * 64 * LANES + 99), noise(rng, (count, order))
    alone, final = run_blocked(kind, b, a, x, z, 64)
    for share in (64 * LANES, 2 * 64 * LANES, 4 * 64 * LANES, 9 * 64 * LANES):
        monkeypatch.setattr(_recursive, "SHARE", share)
        y, state = run_blocked(kind, b, a, x, z, 64, workers=workers)
        assert_same(y, alone)
        assert_same(state, final)


@pytest.mark.parametrize("kind", KINDS)
def test_blocked_sections(rng, kind):
    for count in (2,) if kind == "f4" else (1, 2, 3, 4, 5, 6, 7, 8):  # together go 4, 3, 2 or 1 of them
        b, a = sections(rng, count)
        x, z = noise(rng, 3 * 100 * LANES, kind), noise(rng, (count, 2))
        y, final = run_blocked("sections", b, a, x, z, 100)
        desired, state = twin("sections", b, a, x, z)
        assert_close(y, desired.astype(kind), 500)
        assert_close(final, state, 500)


@pytest.mark.parametrize("length", [64, 68, 132, 260])
@pytest.mark.parametrize("step", [1, -1, 2, -3])
def test_blocked_directions(rng, step, length):
    b, a = sections(rng, 1, 2)
    samples = 2 * length * LANES
    base, z = noise(rng, samples), noise(rng, (1, 2))
    x, y = np.zeros(3 * samples)[::step][:samples], np.zeros(3 * samples)[::step][:samples]
    x[...] = base
    run_blocked("direct", b, a, x, z, length, y=y)
    desired, _ = twin("direct", b, a, base, z)
    assert_close(y, desired, 64)
    run_blocked("direct", b, a, x, z, length, y=x)
    assert_same(x, y)


# Without feedback


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 31, 32, 33, 40, 64, 97])
def test_convolve(rng, count, kind):
    b = noise(rng, count)
    for samples in (1, 7, 8, 47, 48, 49, 95, 96, 97, 300):
        x = noise(rng, (2, samples), kind)
        y = run_convolve(b, x, chunk=96)
        for c in range(2):
            assert_close(y[c], reference.fir(b, x[c].astype(float))[0].astype(kind), 2 * count)


@pytest.mark.parametrize("hop", [2, 3, 16, 17])
def test_convolve_channels_beside_each_other(rng, hop):
    for count in (1, 5, 33):
        b = noise(rng, count)
        x = noise(rng, (200, hop))
        y = run_convolve(b, x.reshape(1, -1), hop).reshape(x.shape)
        for c in range(hop):
            assert_close(np.ascontiguousarray(y[:, c]), reference.fir(b, x[:, c])[0], 2 * count)


def test_convolve_in_place(rng):
    b, x = noise(rng, 40), noise(rng, (3, 500))
    desired = run_convolve(b, x)
    assert_same(run_convolve(b, x, y=x), desired)


@pytest.mark.parametrize("hop", [1, 3])
def test_convolve_goes_on(rng, hop):
    # What came before a row is given: parts of a signal, for threads, have the bits of the whole.
    b, x = noise(rng, 37), noise(rng, (2, 900))
    whole = run_convolve(b, x, hop)
    for cut in (fir.SPAN * 3, fir.SPAN * 9):
        past = np.ascontiguousarray(x[:, cut - 36 * hop : cut])
        assert_same(run_convolve(b, x[:, cut:], hop, past=past), whole[:, cut:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [0, 1, 2, 5, 12])
def test_varying(rng, order, kind):
    b, a = noise(rng, (77, order + 1)), noise(rng, (77, order + 1)) / (2 * order + 1)
    a[:, 0] = 1.0
    x, z = noise(rng, 77, kind), noise(rng, order)
    y, final = run_varying(b, a, x, z)
    desired, state = reference.varying(b, a, x.astype(float), z)
    assert_same(y, desired.astype(kind))
    assert_same(final, state)


# The constants of blocks


@pytest.mark.parametrize(("count", "order"), [(1, 1), (1, 2), (1, 3), (1, 8), (1, 12), (2, 2), (3, 2), (4, 2), (2, 1)])
@pytest.mark.parametrize("length", [4, 12, 64])
def test_input_normal_form(rng, count, order, length):
    b, a = sections(rng, count, order)
    t, inverse, system, power, inputs = run_normal_form(b, a, length)
    matrix_power, rows, size = reference.entry(b, a, length)  # in the coordinates of the filter
    eps = 4e-15 * max(1.0, float(np.abs(t).max()))
    np.testing.assert_allclose((inverse @ t).astype(float), np.eye(len(t)), atol=1e-14)
    np.testing.assert_allclose((inputs @ t.T).astype(float), rows.astype(float), rtol=0, atol=eps * len(t))
    back = t @ power @ inverse  # each factor is known to more than double precision, but the power is not
    limit = 4e-16 * len(t) * float((np.abs(t) @ np.abs(power) @ np.abs(inverse)).max())
    np.testing.assert_allclose(back.astype(float), matrix_power.astype(float), rtol=0, atol=limit + 4e-15 * size)
    assert np.linalg.norm(system[:, :-1].astype(float), 2) < 1.01  # no error grows


def test_states_that_nothing_reaches(rng):
    # A pole at 0.9 without residue, and one more state than the filter needs: they have a basis, too.
    b, a = np.convolve([1.0, -0.9], [1.0, 0.3]), np.convolve([1.0, -0.9], [1.0, -0.5])
    b, a = np.append(b, 0.0)[None], np.append(a, 0.0)[None]
    x, z = noise(rng, 3 * 32 * LANES), noise(rng, (1, 3))
    y, final = run_blocked("direct", b, a, x, z, 32)
    desired, state = twin("direct", b, a, x, z)
    assert_close(y, desired, 1e6)  # what the input does not reach is known to 1e-10
    assert_close(final, state, 1e6)
    y, final = run_blocked("direct", b, a, x, np.zeros((1, 3)), 32)
    desired, state = twin("direct", b, a, x, np.zeros((1, 3)))
    assert_close(y, desired, 64)
    np.testing.assert_allclose(final, state, atol=1e-14)


def blocks_of(a):
    return _recursive.RecursiveFilter(np.eye(1, len(a)), np.array([a], float), "direct").blocks_of(64)


def test_filters_without_blocks():
    assert blocks_of([1.0, -1.01]) is None  # grows
    assert blocks_of([1.0, np.nan]) is None
    assert blocks_of(np.poly([0.99999, 0.99998])) is not None  # long memory
    assert blocks_of([1.0, -1.0]) is not None  # an integrator keeps its errors
    assert blocks_of([1.0, *[0.0] * 39, -0.5]) is None  # more states than are done


# SciPy's bits


@SCIPY_BITS
@pytest.mark.parametrize("order", ORDERS)
def test_lfilter_bits(rng, order):
    b, a = stable(rng, order)
    x, z = noise(rng, (LANES + 3, 500)), noise(rng, (LANES + 3, order))
    desired, final = scipy.signal.lfilter(b, a, x, zi=z)
    y, state = run_sequential("direct", b[None], a[None], x[0], z[:1])
    assert_same(y, desired[0])
    assert_same(state[0], final[0])
    y, state = run_channels("direct", b[None], a[None], x, z[:, None])
    assert_same(y, desired)
    assert_same(state[:, 0], final)


@SCIPY_BITS
@pytest.mark.parametrize("count", [1, 4])
def test_sosfilt_bits(rng, count):
    b, a = sections(rng, count)
    x, z = noise(rng, (LANES + 3, 500)), noise(rng, (LANES + 3, count, 2))
    desired, final = scipy.signal.sosfilt(np.concatenate([b, a], axis=1), x, zi=z.transpose(1, 0, 2))
    y, state = run_sequential("sections", b, a, x[0], z[0])
    assert_same(y, desired[0])
    assert_same(state, final[:, 0])
    y, state = run_channels("sections", b, a, x, z)
    assert_same(y, desired)
    assert_same(state.transpose(1, 0, 2), final)


# The twins themselves


@pytest.mark.parametrize("kind", ["f8", "g", "D"])
def test_twins_agree_with_scipy(rng, kind):
    b, a = (c.astype(kind) for c in stable(rng, 5))
    x, z = noise(rng, 60, kind), noise(rng, 5, kind)
    for mine, theirs in zip(
        reference.direct_form(2 * b, 2 * a, x, z), scipy.signal.lfilter(b, a, x, zi=z), strict=True
    ):
        assert_close(mine, theirs, 100)
    for mine, theirs in zip(reference.fir(b, x, z), scipy.signal.lfilter(b, [1.0], x, zi=z), strict=True):
        assert_close(mine, theirs, 100)
    rows = reference.varying(np.tile(b, (60, 1)), np.tile(2 * a, (60, 1)), 2 * x, z)
    for mine, theirs in zip(rows, scipy.signal.lfilter(b, a, x, zi=z), strict=True):
        assert_close(mine, theirs, 100)
    if kind == "f8":
        for mine, theirs in zip(
            reference.scalar_direct_form(b, a, x, z), reference.direct_form(b, a, x, z), strict=True
        ):
            assert_same(mine, theirs)
    sos = np.array([[1, 0.5, 0.25, 1, -0.5, 0.25], [0.3, 0, -0.5, 1, 0.5, 0]], kind)
    for mine, theirs in zip(reference.cascade(sos, x), scipy.signal.sosfilt(sos, x, zi=np.zeros((2, 2))), strict=True):
        assert_close(mine, theirs, 100)


# Vectors

WIDTHS = [4, 8, 16]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_load_and_store(rng, width, kind):
    @numba.njit
    def shift(source, i, target, j):
        vec.store(vec.pointer(target), j, vec.load(vec.pointer(source), i, vec.lanes(width, False)))

    source, target = noise(rng, 40, kind), np.zeros(40, kind)
    shift(source, 5, target, 9)  # neither is a multiple of the width
    assert_same(target[9 : 9 + width], source[5 : 5 + width])
    assert not target[:9].any()
    assert not target[9 + width :].any()


@numba.njit
def past(x, out):
    vec.store_past(vec.pointer(out), 8, vec.load(vec.pointer(x), 0, vec.lanes(16, True)))
    vec.settle()


def test_stores_past_the_caches(rng):
    x, out = noise(rng, 16), aligned(32)
    out[:] = 1.0
    past(x, out)
    assert_same(out, np.concatenate([np.ones(8), x, np.ones(8)]))


def test_memory_for_vectors_begins_with_a_cache_line():
    for shape in ((3,), (2, 5), (100_000,)):
        memory = aligned(*shape)
        assert memory.shape == shape
        assert memory.dtype == float
        assert memory.flags.c_contiguous
        assert memory.ctypes.data % 64 == 0


def test_float32_memory_is_rounded_once(rng):
    @numba.njit
    def third(source, target):
        like = vec.lanes(8, False)
        at = vec.pointer(source)
        vec.store(vec.pointer(target), 0, vec.load(at, 0, like) * vec.spread(1 / 3, like))

    source, target = noise(rng, 8, "f4"), np.zeros(8, "f4")
    third(source, target)
    assert_same(target, (source.astype(float) * (1 / 3)).astype("f4"))


def test_scalars_and_vectors_share_the_code(rng):
    @numba.njit
    def double(source, target, like):
        at, to = vec.pointer(source), vec.pointer(target)
        number = vec.load(at, 0, like)
        vec.store(to, 0, number * vec.spread(2.0, like))

    @numba.njit
    def vector(source, target):
        double(source, target, vec.lanes(4, False))

    source, target = noise(rng, 8), np.zeros(8)
    double(source, target, 0.0)
    assert_same(target, np.append(2 * source[:1], np.zeros(7)))
    vector(source, target)
    assert_same(target, np.append(2 * source[:4], np.zeros(4)))


def test_zero_and_spread():
    @numba.njit
    def fill(target, value):
        like = vec.lanes(8, True)
        at = vec.pointer(target)
        vec.store(at, 0, like)
        vec.store(at, 8, vec.spread(value, like))
        vec.store(at, 16, vec.spread(3, like))  # an integer becomes a float

    target = np.full(24, -1.0)
    fill(target, 2.5)
    assert_same(target, np.repeat([0.0, 2.5, 3.0], 8))
    fill(target, np.float32(0.1))
    assert_same(target[8:16], np.full(8, float(np.float32(0.1))))


def test_stack_keeps_numbers_apart(rng):
    @numba.njit
    def reverse(source, target, count):
        like = vec.lanes(4, False)
        kept, at = vec.stack(6, like), vec.pointer(source)
        for i in range(count):
            kept[i] = vec.load(at, 4 * i, like)
        for i in range(count):
            vec.store(vec.pointer(target), 4 * i, kept[count - 1 - i])

    source, target = noise(rng, 24), np.zeros(24)
    reverse(source, target, 6)
    assert_same(target, source.reshape(6, 4)[::-1].reshape(-1))


def test_stack_of_scalars():
    @numba.njit
    def squares(target):
        kept = vec.stack(5, 0.0)
        for i in range(5):
            kept[i] = i * i
        for i in range(5):
            target[i] = kept[i]

    target = np.zeros(5)
    squares(target)
    assert_same(target, np.array([0.0, 1, 4, 9, 16]))


def test_stack_needs_a_literal():
    @numba.njit
    def some(count):
        vec.stack(count, 0.0)

    with pytest.raises(numba.TypingError):
        some(3)


@pytest.mark.parametrize("source_kind", KINDS)
@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("step", [5, -5])
def test_transpose(rng, step, source_kind, target_kind):
    @numba.njit
    def move(source, target, step):
        start = 3 if step > 0 else 3 - 3 * step
        vec.transpose(vec.pointer(source), 2, 7, vec.pointer(target), start, step)

    source, target = noise(rng, 40, source_kind), np.zeros(40, target_kind)
    move(source, target, step)
    desired = np.zeros(40, target_kind)
    for n in range(4):
        for k in range(4):
            desired[(3 if step > 0 else 18) + n * step + k] = source[2 + k * 7 + n]
    assert_same(target, desired)


def products(rng):
    """Numbers whose a b + c rounds differently once and twice, in about half of the cases."""
    a, b = noise(rng, 64), noise(rng, 64)
    return a, b, -(a * b) * (1 + 1e-9 * noise(rng, 64))


def test_exact_lanes_round_twice(rng):
    a, b, c = products(rng)
    assert_same(run_products(a, b, c, False), a * b + c)


def test_fused_lanes_round_once_or_twice(rng):
    a, b, c = products(rng)
    once = [float(Fraction(p) * Fraction(q) + Fraction(r)) for p, q, r in zip(a, b, c, strict=True)]
    twice = a * b + c
    assert (once != twice).any()  # else this test would see nothing
    result = run_products(a, b, c, True)
    assert np.array_equal(result, once) or np.array_equal(result, twice)  # hardware without FMA rounds twice


def run_products(a, b, c, fused):
    @numba.njit
    def sums(a, b, c, out):
        like = vec.lanes(8, fused)
        for i in range(0, len(a), 8):
            product = vec.load(vec.pointer(a), i, like) * vec.load(vec.pointer(b), i, like)
            vec.store(vec.pointer(out), i, product + vec.load(vec.pointer(c), i, like))

    out = np.empty_like(a)
    sums(a, b, c, out)
    return out


def test_lanes_subtract(rng):
    @numba.njit
    def difference(a, b, out):
        like = vec.lanes(4, False)
        vec.store(vec.pointer(out), 0, vec.load(vec.pointer(a), 0, like) - vec.load(vec.pointer(b), 0, like))

    a, b, out = noise(rng, 4), noise(rng, 4), np.empty(4)
    difference(a, b, out)
    assert_same(out, a - b)


def test_vectors_of_different_kinds_do_not_mix():
    @numba.njit
    def mixed():
        return vec.lanes(4, False) + vec.lanes(4, True)

    with pytest.raises(numba.TypingError):
        mixed()


def test_vector_types():
    assert vec.Vec(4, True) == vec.Vec(4, True)
    assert len({vec.Vec(4, True), vec.Vec(4, False), vec.Vec(8, True), vec.Vec(4, True)}) == 3
    assert str(vec.Vec(4, True)) == "Vec(4, fused, float64)"


# What activations are made of, for scalars and vectors


@numba.njit(error_model="numpy")
def arithmetic(x, out, like):
    """Rows of `out`: one operation each, on x[0:8] and x[8:16] taken as numbers like `like`."""
    u, v, to = vec.load(vec.pointer(x), 0, like), vec.load(vec.pointer(x), 8, like), vec.pointer(out)
    vec.store(to, 0, u / v)
    vec.store(to, 8, 2.0 * u - 3.0)
    vec.store(to, 16, 1.0 - u / 4.0)
    vec.store(to, 24, 1.0 / u)
    vec.store(to, 32, vec.choose(u, v, u, -1.0))
    vec.store(to, 40, vec.choose(0.0, u, v, u + 0.5))
    vec.store(vec.offset(to, 40), 8, vec.magnitude(u))
    vec.store(to, 56, vec.signed(u, v))
    out[64] = vec.width(u)


@numba.njit(error_model="numpy")
def arithmetic_of_vectors(x, out):
    arithmetic(x, out, vec.lanes(8, False))


def test_arithmetic_of_scalars_and_vectors():
    nan, inf = np.nan, np.inf
    u = np.array([1.5, -0.0, 0.0, nan, 2.0, -inf, -3.0, 5e-324])
    v = np.array([-2.0, 1.0, -0.0, 1.0, nan, inf, -3.0, 4.0])
    with np.errstate(all="ignore"):
        desired = [u / v, 2 * u - 3, 1 - u / 4, 1 / u, np.where(u < v, u, -1), np.where(u > 0, v, u + 0.5), np.abs(u)]
    desired = np.array([*desired, np.copysign(u, v)])
    out = np.zeros(65)
    arithmetic_of_vectors(np.append(u, v), out)
    assert out[64] == 8
    assert_same(out[:64].reshape(8, 8), desired)
    assert np.array_equal(np.signbit(out[48:64]), np.signbit(desired[6:].reshape(-1)))
    for n in range(8):
        x = np.zeros(16)
        x[0], x[8] = u[n], v[n]
        arithmetic(x, out, 0.0)
        assert out[64] == 1
        assert_same(out[:64:8], desired[:, n])


@numba.njit
def powers(x, k, out, like):
    """2^k, x 2^k, and k itself, for k as activations hold it."""
    n = vec.load(vec.pointer(k), 0, like) + vec.ROUND
    vec.store(vec.pointer(out), 0, vec.power_of_two(n))
    vec.store(vec.pointer(out), 8, vec.shrunk(vec.load(vec.pointer(x), 0, like), n))
    return vec.whole(n)


@numba.njit
def powers_of_vectors(x, k, out):
    powers(x, k, out, vec.lanes(8, True))


def test_powers_of_two(rng):
    out = np.zeros(16)
    k = np.array([0.0, -1.0, -2.0, -13.0, -500.0, -1000.0, -1021.0, -1022.0])
    x = rng.uniform(1.0, 2.0, 8)
    powers_of_vectors(x, k, out)
    assert_same(out, np.append(2.0**k, np.ldexp(x, k.astype(int))))
    for n in range(8):
        assert powers(x[n:], k[n:], out, 0.0) == k[n]
        assert_same(out[::8], [2.0 ** k[n], np.ldexp(x[n], int(k[n]))])


def test_shrunk_to_nothing(rng):
    """Through subnormal numbers down to zero, rounded once or twice."""
    out, x = np.zeros(16), rng.uniform(1.0, 2.0, 8)
    for k in (
        [-1023, -1030, -1050, -1073, -1074, -1075, -1076, -1080],
        [-1500, -2000, -2045, -1100, -1099, -3, -2, -1],
    ):
        powers_of_vectors(x, np.array(k, float), out)
        np.testing.assert_allclose(out[8:], np.ldexp(x, k), rtol=1e-15, atol=5e-324)


@numba.njit
def one_lane(k):
    return vec.whole(vec.load(vec.pointer(k), 0, vec.lanes(1, True)) + vec.ROUND)


def test_whole_numbers_as_indices():
    for k in (0.0, 1.0, 639.0, 640.4, 12.6, -3.0):
        assert one_lane(np.array([k])) == round(k)


def test_floats_of_single_precision_do_not_mix():
    @numba.njit
    def mixed():
        return vec.lanes(4, False) + np.float32(1.0)

    with pytest.raises(numba.TypingError):
        mixed()
