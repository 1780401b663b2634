"""`lfilter` and `lfilter_tv` against SciPy: dtypes, orders, axes, states, layouts, shapes, outputs, errors."""

import re

import numpy as np
import pytest
import reference
import scipy.signal
from helpers import LAYOUTS, WRITABLE, Unchanged, assert_close, assert_same, noise, same_values, stable

import sigrnn
from sigrnn import lfilter, lfilter_tv, sosfilt

ORDERS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]
METHODS = ["auto", "sequential", "blocked", "fft"]
REAL = "?bBhHiIlLqQefdg"
ALL = REAL + "FDGO"


def outcome(function, *args, **kwargs):
    """The results as a list, or the exception."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        return error
    return list(result) if isinstance(result, tuple) else [result]


def assert_same_outcome(ours, theirs, eps=2000):
    """Close results of the same dtype, or an exception that who expects SciPy's would catch."""
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    assert not isinstance(ours, Exception), ours
    assert len(ours) == len(theirs)
    for mine, their in zip(ours, theirs, strict=True):
        assert_close(mine, their, eps)


def filters(rng, order):
    """An IIR and an FIR filter of this order (order 0: gains)."""
    b, a = stable(rng, order) if order else (np.array([0.7]), np.array([1.0]))
    return [(b, a), (b, np.array([1.0]))]


# Against SciPy


@pytest.mark.parametrize("coefficients", "?iefdgFDGO")
@pytest.mark.parametrize("kind", ALL)
def test_dtypes(rng, kind, coefficients):
    x = noise(rng, (2, 30), kind)
    for b, a in (([1, 2], [2, 1]), ([1, 2, 1], [1]), ([1], [2, 0, 1])):
        b, a = np.array(b, coefficients), np.array(a, coefficients)
        for zi in (None, np.ones((2, max(len(b), len(a)) - 1), "f"), np.ones((2, max(len(b), len(a)) - 1), "D")):
            ours, theirs = (outcome(f, b, a, x, zi=zi) for f in (lfilter, scipy.signal.lfilter))
            assert_same_outcome(ours, theirs)


@pytest.mark.parametrize("order", ORDERS)
def test_orders(rng, order):
    # Time first needs kernels of its own: only for one order that is known when they are compiled, and one that is not.
    shapes = [((40,), 0), ((3, 40), -1), ((11, 40), 1)] + [((40, 3), 0), ((40, 11), 0)] * (order in (0, 2, 9))
    for b, a in filters(rng, order):
        for shape, axis in shapes:
            x, zi = noise(rng, shape), noise(rng, [order if k == axis % len(shape) else n for k, n in enumerate(shape)])
            with Unchanged(b, a, x, zi):
                assert_close(lfilter(b, a, x, axis), scipy.signal.lfilter(b, a, x, axis))
                ours, theirs = lfilter(b, a, x, axis, zi), scipy.signal.lfilter(b, a, x, axis, zi)
            assert_close(ours[0], theirs[0])
            assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("taps", [1, 2, 30, 31, 32, 33, 64, 100, 383, 384, 500])
@pytest.mark.parametrize("samples", [1, 2, 100, 2500])
def test_fir(rng, taps, samples):
    b, x, zi = noise(rng, taps), noise(rng, (3, samples)), noise(rng, (3, taps - 1))
    ours, theirs = lfilter(b, [2.0], x, zi=zi), scipy.signal.lfilter(b, [2.0], x, zi=zi)
    assert_close(ours[0], theirs[0])
    assert_close(ours[1], theirs[1])
    assert_close(lfilter(b, 2.0, x.T, 0), scipy.signal.lfilter(b, 2.0, x.T, 0))


def test_unequal_lengths(rng):
    x = noise(rng, 50)
    for b, a in (
        ([1.0, 2, 3, 4], [1.0, 0.5]),
        ([1.0], [1.0, 0.5, 0.25, 0.1]),
        ([1.0, 2], [2.0, 0, 0]),
        ([0, 0, 1.0], [1.0, 0.5]),
    ):
        zi = noise(rng, max(len(a), len(b)) - 1)
        ours, theirs = lfilter(b, a, x, zi=zi), scipy.signal.lfilter(b, a, x, zi=zi)
        assert_close(ours[0], theirs[0])
        assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (1, 1, 9), (20, 1, 3)])
def test_axes(rng, shape, kind):
    x = noise(rng, shape, kind)
    for b, a in (stable(rng, 2), (noise(rng, 3), [1.0])):
        for axis in range(-len(shape), len(shape)):
            zi = noise(rng, [2 if k == axis % len(shape) else n for k, n in enumerate(shape)], kind)
            for state in (None, zi):
                ours, theirs = (outcome(f, b, a, x, axis, state) for f in (lfilter, scipy.signal.lfilter))
                assert_same_outcome(ours, theirs)


@pytest.mark.parametrize(
    "samples", [*range(18), 63, 64, 127, 128, 129, 1023, 1024, 1025, 3200, 3201, 4096, 4097, 6463, 20_000]
)
def test_lengths(rng, samples):
    x = noise(rng, samples)
    for b, a in (*filters(rng, 2), stable(rng, 9), (noise(rng, 50), [1.0])):
        zi = noise(rng, max(len(b), len(a)) - 1)
        ours = lfilter(b, a, x, zi=zi)
        # SciPy refuses empty signals (FIR) or returns a state it never set (IIR)
        theirs = scipy.signal.lfilter(b, a, x, zi=zi) if samples else (np.empty(0), zi)
        assert_close(ours[0], theirs[0])
        assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("channels", [*range(1, 20), 32, 33, 100])
def test_channels(rng, channels):
    b, a = stable(rng, 2)
    x, zi = noise(rng, (channels, 150)), noise(rng, (channels, 2))
    for ours, theirs in zip(lfilter(b, a, x, zi=zi), scipy.signal.lfilter(b, a, x, zi=zi), strict=True):
        assert_close(ours, theirs)
    for ours, theirs in zip(lfilter(b, a, x.T, 0, zi.T), scipy.signal.lfilter(b, a, x.T, 0, zi.T), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (0, 0), (2, 0, 3), (0, 5, 2)])
def test_empty(shape):
    x = np.empty(shape)
    for axis in range(x.ndim):
        zi = np.ones([2 if k == axis else n for k, n in enumerate(shape)])
        for a in ([1.0, 0.5, 0.1], [1.0]):
            assert_same(lfilter([1.0, 2, 3], a, x, axis), x)
            y, zf = lfilter([1.0, 2, 3], a, x, axis, zi)
            assert_same(y, x)
            assert_same(zf, zi)
            out = np.empty(shape)
            assert lfilter([1.0, 2, 3], a, x, axis, out=out) is out
        theirs = scipy.signal.lfilter([1.0, 2, 3], [1.0, 0.5, 0.1], x, axis, zi)
        assert [part.shape for part in theirs] == [y.shape, zf.shape]


@pytest.mark.parametrize(
    ("layout", "kind"),
    [(layout, "d") for layout in LAYOUTS] + [(n, k) for n in ("reversed", "packed", "byte-swapped") for k in "fFD"],
)
def test_layouts(rng, layout, kind):
    b, a = (c.astype("f" if kind in "fF" else "d") for c in stable(rng, 2))
    for shape in ((1500,), (3, 200), (17, 140), (200, 17), (2, 3, 130), (4, 2500)):
        x = same_values(layout, noise(rng, shape, kind))
        zi = same_values(layout, noise(rng, (*shape[:-1], 2), kind))
        for bb, aa in ((b, a), (b, a[:1])):
            plain = scipy.signal.lfilter(bb, aa, x, zi=zi)
            with Unchanged(x, zi):
                y, zf = lfilter(bb, aa, x, zi=zi)
            assert_close(y, plain[0])
            assert_close(zf, plain[1])
            assert y.dtype.isnative
            assert y.flags.writeable
            assert_close(lfilter(bb, aa, x, 0), scipy.signal.lfilter(bb, aa, x, 0))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_coefficients(rng, layout):
    b, a = (same_values(layout, c) if "for all" not in layout else c for c in stable(rng, 2))
    x = noise(rng, 50)
    with Unchanged(b, a):
        assert_close(lfilter(b, a, x), scipy.signal.lfilter(np.array(b, float), np.array(a, float), x))
        assert_close(lfilter(b, a[:1], x), scipy.signal.lfilter(np.array(b, float), [1.0], x))


def test_array_likes():
    theirs = scipy.signal.lfilter([1, 2.0], [1, 0.5], [1, 2, 3])
    assert_close(lfilter([1, 2.0], (1, 0.5), [1, 2, 3]), theirs)
    assert_close(lfilter([1, 2.0], [1, 0.5], range(1, 4)), theirs)
    assert_close(
        lfilter(2.0, [1, 0.5], [[1.0], [2]], axis=0), scipy.signal.lfilter(2.0, [1, 0.5], [[1.0], [2]], axis=0)
    )
    assert_close(lfilter(2.0, 4.0, [1.0, 2]), np.array([0.5, 1.0]))
    assert_close(lfilter(np.array(2.0), np.array(4.0), [1.0, 2], zi=[])[0], np.array([0.5, 1.0]))
    assert_close(lfilter([1.0], [1.0, 0.5], [1.0, 2], np.int8(-1)), scipy.signal.lfilter([1.0], [1.0, 0.5], [1.0, 2]))


def test_pole_outside_the_circle(rng):
    # Grows to 1e8: the largest values rule, and rounding errors grow as the signal does.
    x = noise(rng, 2000)
    assert_close(lfilter([1.0], [1.0, -1.01], x), scipy.signal.lfilter([1.0], [1.0, -1.01], x))


# Initial states


@pytest.mark.parametrize("a", [[1.0, -0.5, 0.25], [1.0]])
@pytest.mark.parametrize("channels", [1, 3, 9])
def test_state_broadcasts(rng, channels, a):
    b, x = [1.0, 2, 3], noise(rng, (channels, 30))
    zi = noise(rng, (1, 2))
    full = np.repeat(zi, channels, axis=0)
    desired = scipy.signal.lfilter(b, a, x, zi=full)
    for given in (full, zi, zi[0]):  # as SciPy has it; ones for channels, as SciPy has it, too; one channel's
        for ours, theirs in zip(lfilter(b, a, x, zi=given), desired, strict=True):
            assert_close(ours, theirs)
        axis_first = given if given.ndim == 1 else given.T
        for ours, theirs in zip(lfilter(b, a, x.T, 0, axis_first), desired, strict=True):
            assert_close(ours.T, theirs)
    assert_close(scipy.signal.lfilter(b, a, x, zi=zi)[0], desired[0])


@pytest.mark.parametrize("zi", [0, 0.0, np.float64(0), 2.5, np.array(2.5)])
@pytest.mark.parametrize("a", [[1.0, -0.5, 0.25], [1.0]])
@pytest.mark.parametrize("shape", [(30,), (3, 30), (2, 3, 30)])
def test_scalar_state(rng, shape, a, zi):
    x = noise(rng, shape)
    ours = lfilter([1.0, 2, 3], a, x, zi=zi)
    theirs = scipy.signal.lfilter([1.0, 2, 3], a, x, zi=np.full((*shape[:-1], 2), float(zi)))
    for mine, their in zip(ours, theirs, strict=True):
        assert_close(mine, their)


@pytest.mark.parametrize("kind", "fF")
def test_python_scalar_as_state_keeps_single_precision(rng, kind):
    for a in (np.array([1.0, 0.5], "f"), np.ones(1, "f")):
        for zi in (0, 0.0, 1.5):
            y, zf = lfilter(np.ones(2, "f"), a, noise(rng, 20, kind), zi=zi)
            assert y.dtype == zf.dtype == np.dtype(kind)


def test_ones_for_some_channels(rng):
    x, zi = noise(rng, (2, 3, 30)), noise(rng, (2, 1, 2))
    for a in ([1.0, -0.5, 0.25], [1.0]):
        ours, theirs = (f([1.0, 2, 3], a, x, zi=zi) for f in (lfilter, scipy.signal.lfilter))
        assert_close(ours[0], theirs[0])
        assert_close(ours[1], theirs[1])


def test_final_state_continues(rng):
    b, a = stable(rng, 2)
    x = noise(rng, (2, 3000))
    whole = lfilter(b, a, x, method="sequential")
    first, zf = lfilter(b, a, x[:, :1111], zi=0, method="sequential")
    second, _ = lfilter(b, a, x[:, 1111:], zi=zf, method="sequential")
    assert_same(np.concatenate([first, second], axis=1), whole)


def test_final_state_is_the_users_own(rng):
    b, a = stable(rng, 2)
    x, zi = noise(rng, 20), noise(rng, 2)
    for empty in (x, x[:0]):
        _, zf = lfilter(b, a, empty, zi=zi)
        assert not np.shares_memory(zf, zi)
        zf[...] = 0.0


# out=


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", "fdFD")
def test_out(rng, kind, method):
    for shape in ((40,), (3, 40), (3, 2500), (20, 200)):
        x = noise(rng, shape, kind)
        for b, a in (stable(rng, 2), (noise(rng, 3), np.ones(1))):
            if method == "fft" and len(a) > 1:
                continue
            b, a = b.astype("f"), a.astype("f")
            for axis in range(x.ndim):
                zi = np.zeros([len(b) - 1 if k == axis else n for k, n in enumerate(shape)], kind)
                desired, final = lfilter(b, a, x, axis, zi, method=method)
                out = np.full_like(x, 7)
                with Unchanged(b, a, x, zi):
                    y, zf = lfilter(b, a, x, axis, zi, out=out, method=method)
                assert y is out
                assert_same(out, desired)
                assert_same(zf, final)
                out = x.copy()
                assert lfilter(b, a, out, axis, out=out, method=method) is out
                assert_same(out, lfilter(b, a, x, axis, method=method))


@pytest.mark.parametrize("layout", WRITABLE)
def test_layouts_of_out(rng, layout):
    b, a = stable(rng, 2)
    for shape in ((1500,), (3, 200), (17, 140), (2, 3, 130), (4, 2500)):
        x = noise(rng, shape)
        for aa in (a, [1.0]):
            desired = scipy.signal.lfilter(b, aa, x)
            out = WRITABLE[layout](np.zeros(shape))
            assert lfilter(b, aa, x, out=out) is out
            assert_close(out, desired)
            out[...] = x
            lfilter(b, aa, out, out=out)  # in place
            assert_close(out, desired)
            out[...] = 0
            assert_close(lfilter(b, aa, x, 0, out=out), scipy.signal.lfilter(b, aa, x, 0))


def test_out_leaves_its_neighbours_alone(rng):
    b, a = stable(rng, 2)
    for aa in (a, [1.0]):
        for x in (noise(rng, 1500), noise(rng, (20, 140)), noise(rng, (140, 20))):
            for steps in (1, 2, 3):
                room = np.full((*x.shape[:-1], steps * x.shape[-1] + 2), 9.0)
                out = room[..., 1:-1][..., ::steps]
                lfilter(b, aa, x, out=out)
                assert_close(out, scipy.signal.lfilter(b, aa, x))
                out[...] = 9.0
                assert (room == 9.0).all()
            records = np.full(x.shape, 9, np.dtype([("tag", np.int16), ("value", float)]))
            lfilter(b, aa, x, out=records["value"])
            assert (records["tag"] == 9).all()


@pytest.mark.parametrize("a", [[1.0, -0.9, 0.3], [1.0]])
@pytest.mark.parametrize("samples", [50, 3000])
def test_out_overlaps_the_input(rng, samples, a):
    b = [1.0, 0.5, 0.25]
    pairs = {
        "late": lambda room: (room[:samples], room[5 : samples + 5]),
        "early": lambda room: (room[5 : samples + 5], room[:samples]),
        "reversed": lambda room: (room[:samples], room[:samples][::-1]),
        "interleaved": lambda room: (room[: 2 * samples : 2], room[1 : 2 * samples : 2]),
        "same start, other step": lambda room: (room[: 2 * samples : 2], room[:samples]),
        "in place, backwards": lambda room: (room[:samples][::-1], room[:samples][::-1]),
    }
    for name, pair in pairs.items():
        room = noise(rng, 2 * samples + 5)
        x, out = pair(room)
        desired = scipy.signal.lfilter(b, a, x.copy())
        lfilter(b, a, x, out=out)
        assert np.allclose(out, desired, rtol=1e-12, atol=1e-13), name
    x = noise(rng, (12, 12))
    desired = scipy.signal.lfilter(b, a, x.copy())
    lfilter(b, a, x, out=x.T)
    assert_close(x.T, desired)


def test_out_overlaps_coefficients_and_state(rng):
    room = np.concatenate([[1.0, -0.5, 0.25], noise(rng, 50)])
    a, x, zi = room[:3].copy(), noise(rng, 50), room[3:5].copy()
    desired, final = scipy.signal.lfilter(a, a, x, zi=zi)
    y, zf = lfilter(room[:3], room[:3], x, zi=room[3:5], out=room[:50])
    assert_close(y, desired)
    assert_close(zf, final)


@pytest.mark.parametrize("kind", "gG")
def test_out_where_scipy_filters(rng, kind):
    x = noise(rng, 30, kind)
    out = np.empty_like(x)
    assert lfilter([1.0, 2], [1.0, 0.5], x, out=out) is out
    assert_close(out, scipy.signal.lfilter([1.0, 2], [1.0, 0.5], x))
    y, zf = lfilter([1.0, 2], [1.0, 0.5], x, zi=np.ones(1), out=out)
    assert y is out
    assert_close(zf, scipy.signal.lfilter([1.0, 2], [1.0, 0.5], x, zi=np.ones(1))[1])


@pytest.mark.parametrize(
    ("out", "error", "says"),
    [
        (np.empty(6), ValueError, r"out has shape \(6,\), expected \(5,\)"),
        (np.empty((1, 5)), ValueError, r"out has shape \(1, 5\), expected \(5,\)"),
        (np.empty(5, "f"), TypeError, "out has dtype dtype.'float32'., expected .*float64"),
        (np.empty(5, "D"), TypeError, "out has dtype dtype.'complex128'., expected .*float64"),
        (np.empty(5, bool), TypeError, "out has dtype .*, expected .*float64"),
        (np.empty(5, np.dtype(int).newbyteorder()), TypeError, "out has dtype .*, expected .*int64"),
        (np.empty(5, np.dtype(float).newbyteorder()), TypeError, "out has dtype .*, expected .*float64"),
        ([0.0] * 5, TypeError, "out must be an array, got list"),
        (np.broadcast_to(0.0, 5), ValueError, "out is read-only"),
    ],
)
def test_wrong_out(out, error, says):
    for a in ([1.0, 0.5], [1.0]):
        with pytest.raises(error, match=says):
            lfilter([1.0], a, np.ones(5), out=out)


# method=


def test_short_signals_are_not_cut(rng):
    """Order 4, below 768 samples: a segment costs more than the plain recurrence. Asked for, they are cut from 256."""
    b, a = stable(rng, 4)
    x = noise(rng, 5000)
    plain = lfilter(b, a, x, method="sequential")
    for samples, method, cut in (
        (700, "auto", False),
        (767, "auto", False),
        (768, "auto", True),
        (5000, "auto", True),
        (255, "blocked", False),
        (256, "blocked", True),
    ):
        for zi in (None, np.zeros(4), 0.0):
            y = lfilter(b, a, x[:samples], zi=zi, method=method)
            y = y if zi is None else y[0]
            assert np.array_equal(y, plain[:samples]) != cut  # blocks round their sums otherwise
            assert_close(y, plain[:samples])


@pytest.mark.parametrize("samples", [10, 1024, 5000])
@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize("method", METHODS)
def test_methods(rng, method, kind, samples):
    for shape in ((samples,), (2, samples), (9, samples)):
        x = noise(rng, shape, kind)
        for taps in (1, 3, 40, 500):
            b = (noise(rng, taps) / taps).astype("f")
            zi = noise(rng, (*shape[:-1], taps - 1), kind)
            for ours, theirs in zip(
                lfilter(b, [1.0], x, zi=zi, method=method), scipy.signal.lfilter(b, [1.0], x, zi=zi), strict=True
            ):
                assert_close(ours, theirs)
        if method == "fft":
            continue
        for order in (2, 9):
            b, a = stable(rng, order)
            zi = noise(rng, (*shape[:-1], order), kind)
            for ours, theirs in zip(
                lfilter(b, a, x, zi=zi, method=method), scipy.signal.lfilter(b, a, x, zi=zi), strict=True
            ):
                assert_close(ours, theirs)


@pytest.mark.parametrize("order", [2, 9])
def test_sequential_is_one_result(rng, order):
    # Channels, axes, layouts, workers: the recurrence rounds the same way everywhere.
    b, a = stable(rng, order)
    x = noise(rng, (20, 3000))
    alone = np.array([lfilter(b, a, row, method="sequential") for row in x])
    assert_same(lfilter(b, a, x, method="sequential"), alone)
    assert_same(lfilter(b, a, x.T, 0, method="sequential"), alone.T)
    assert_same(lfilter(b, a, x), alone)  # from 8 channels on 'auto' puts them side by side
    with sigrnn.set_workers(2):
        assert_same(lfilter(b, a, x), alone)


@pytest.mark.parametrize("order", [2, 9])
def test_float32_is_computed_in_double_and_rounded_once(rng, order):
    b, a = stable(rng, order)
    b, a = b.astype("f"), a.astype("f")
    x, zi = noise(rng, (3, 2000), "f"), noise(rng, (3, order), "f")
    y, zf = lfilter(b, a, x, zi=zi, method="sequential")
    double, state = lfilter(b.astype(float), a.astype(float), x.astype(float), zi=zi, method="sequential")
    assert_same(y, double.astype("f"))
    assert_same(zf, state.astype("f"))
    y, zf = lfilter(b, a, x[0], zi=zi[0])
    assert_close(y, double[0].astype("f"), 2)
    assert_close(zf, state[0].astype("f"), 2)
    taps, samples = lfilter(b, [np.float32(1)], x), lfilter(b.astype(float), [1.0], x.astype(float))
    assert_same(taps, samples.astype("f"))


# A filter for each channel


def channel_loop(b, a, x, zi=None):
    """SciPy for each channel: b, a, x, zi with the same leading axes, time last."""
    y, zf = np.empty_like(x), None if zi is None else np.empty_like(zi)
    for c in np.ndindex(x.shape[:-1]):
        if zi is None:
            y[c] = scipy.signal.lfilter(b[c], a[c], x[c])
        else:
            y[c], zf[c] = scipy.signal.lfilter(b[c], a[c], x[c], zi=zi[c])
    return y if zi is None else (y, zf)


@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize("channels", [(1,), (3,), (9,), (20,), (2, 3), (4, 1, 5)])
def test_filter_for_each_channel(rng, channels, kind):
    pairs = [stable(rng, 2) for _ in range(int(np.prod(channels)))]
    b, a = (np.array(part, "f").reshape(*channels, 3) for part in zip(*pairs, strict=True))
    a[..., 1:] *= 2  # divided by a[0], like b
    a[..., 0] = 2.0
    x, zi = noise(rng, (*channels, 200), kind), noise(rng, (*channels, 2), kind)
    if kind in "FD":
        b = b * np.exp(1j).astype("F")
    with Unchanged(b, a, x, zi):
        y, zf = lfilter(b, a, x, zi=zi)
        desired, final = channel_loop(b, a, x, zi)
        assert_close(y, desired)
        assert_close(zf, final)
        assert_close(lfilter(b, np.ones(1, "f"), x), channel_loop(b, np.ones((*channels, 1), "f"), x))
        first = np.moveaxis(x, -1, 0)
        assert_close(np.moveaxis(lfilter(b, a, first, 0), 0, -1), channel_loop(b, a, x))


@pytest.mark.parametrize(
    ("b_axes", "a_axes", "channels"),
    [
        ((3,), (), (3,)),
        ((), (3,), (3,)),
        ((3,), (2, 1), (2, 3)),
        ((2, 1), (2, 3), (2, 3)),
        ((3,), (3,), (2, 3)),
        ((2, 1), (1, 3), (1, 1)),
    ],
)
def test_leading_axes_broadcast(rng, b_axes, a_axes, channels):
    pairs = [stable(rng, 2) for _ in range(6)]
    b = np.array([b for b, _ in pairs])[: int(np.prod(b_axes))].reshape(*b_axes, 3)
    a = np.array([a for _, a in pairs])[: int(np.prod(a_axes))].reshape(*a_axes, 3)
    x = noise(rng, (*channels, 50))
    full = np.broadcast_shapes(b_axes, a_axes, channels)
    spread = [np.broadcast_to(c, (*full, c.shape[-1])) for c in (b, a, x)]
    assert_close(lfilter(b, a, x), channel_loop(spread[0], spread[1], np.array(spread[2])))
    x = np.moveaxis(x, -1, 0)
    assert_close(np.moveaxis(lfilter(b, a, x, 0), 0, -1), channel_loop(spread[0], spread[1], np.array(spread[2])))


def test_filter_for_each_channel_of_long_signals(rng):
    for count in (2, 9):
        pairs = [stable(rng, 2) for _ in range(count)]
        b, a = (np.array(part) for part in zip(*pairs, strict=True))
        x = noise(rng, (count, 5000))
        desired = channel_loop(b, a, x)
        for method in ("auto", "sequential", "blocked"):
            assert_close(lfilter(b, a, x, method=method), desired)
        for method in METHODS:
            assert_close(lfilter(b, [1.0], x, method=method), channel_loop(b, np.ones((count, 1)), x))


def test_equal_filters_for_each_channel_change_nothing(rng):
    b, a = stable(rng, 2)
    x = noise(rng, (9, 100))
    assert_same(lfilter(np.tile(b, (9, 1)), np.tile(a, (9, 1)), x), lfilter(b, a, x))


def test_leading_axes_and_state(rng):
    b = noise(rng, (3, 3))
    x = noise(rng, (3, 40))
    for a in ([1.0, -0.5, 0.25], [1.0]):
        desired = channel_loop(b, np.tile(a, (3, 1)), x, np.full((3, 2), 0.5))
        for zi in (0.5, np.full(2, 0.5), np.full((1, 2), 0.5), np.full((3, 2), 0.5)):
            y, zf = lfilter(b, a, x, zi=zi)
            assert_close(y, desired[0])
            assert_close(zf, desired[1])


def test_leading_axes_in_slabs(rng):
    # Channels that no view can put into one row: filtered slab by slab, each with its own filters.
    b, x = noise(rng, (4, 3, 3)), np.swapaxes(noise(rng, (3, 4, 2000)), 0, 1)[:, :, ::2]
    a = np.broadcast_to([1.0, -0.5, 0.25], (4, 3, 3))
    assert_close(lfilter(b, a[0, 0], x), channel_loop(b, a, np.ascontiguousarray(x)))
    out = np.swapaxes(np.empty((3, 4, 1000)), 0, 1)
    lfilter(b, [1.0, -0.5, 0.25], x, out=out)
    assert_close(out, channel_loop(b, a, np.ascontiguousarray(x)))


# Errors

WRONG = {
    "b empty": (([], [1.0, 0.5], np.ones(5)), {}, r"[Pp]arameter b .*\(0,\)"),
    "a empty": (([1.0], [], np.ones(5)), {}, r"[Pp]arameter a .*\(0,\)"),
    "b 2-D": ((np.eye(2), [1.0, 0.5], np.ones(5)), {}, r"[Pp]arameter b .*\(2, 2\)"),
    "a 2-D": (([1.0], np.ones((2, 2)), np.ones(5)), {}, r"[Pp]arameter a .*\(2, 2\)"),
    "a[0] zero": (([1.0], [0.0, 0.5], np.ones(5)), {}, r"a\[0\]"),
    "x scalar": (([1.0], [1.0, 0.5], 3.0), {}, "x .* got a scalar"),
    "x scalar, FIR": (([1.0], [1.0], 3.0), {}, "x .* got a scalar"),
    "axis 1": (([1.0], [1.0, 0.5], np.ones(5)), {"axis": 1}, r"axis 1 .* shape \(5,\)"),
    "axis -2": (([1.0], [1.0, 0.5], np.ones(5)), {"axis": -2}, r"axis -2 .* shape \(5,\)"),
    "axis 2, FIR": (([1.0], [1.0], np.ones((5, 2))), {"axis": 2}, r"axis 2 .* shape \(5, 2\)"),
    "axis a float": (([1.0], [1.0, 0.5], np.ones(5)), {"axis": 0.0}, "float"),
    "axis a string": (([1.0], [1.0, 0.5], np.ones(5)), {"axis": "0"}, "str"),
    "zi too long": (([1.0], [1.0, 0.5], np.ones(5)), {"zi": np.ones(2)}, r"zi .*\(1,\).*\(2,\)"),
    "zi too short": (([1.0], [1.0, 0.5, 1], np.ones(5)), {"zi": np.ones(1)}, r"zi .*\(2,\).*\(1,\)"),
    "zi too long, FIR": (([1.0, 2], [1.0], np.ones(5)), {"zi": np.ones(2)}, r"zi .*\(1,\).*\(2,\)"),
    "zi for other channels": (
        ([1.0, 2], [1.0, 1], np.ones((3, 5))),
        {"zi": np.ones((2, 1))},
        r"zi .*\(3, 1\).*\(2, 1\)",
    ),
    "zi 2-D": (([1.0, 2], [1.0, 1], np.ones(5)), {"zi": np.ones((1, 1))}, r"zi .*\(1,\).*\(1, 1\)"),
    "zi with an axis too few": (
        ([1.0, 2], [1.0, 1], np.ones((2, 3, 5))),
        {"zi": np.ones((3, 1))},
        r"zi .*\(2, 3, 1\).*\(3, 1\)",
    ),
    "zi of one of several axes of channels": (
        ([1.0, 2], [1.0, 1], np.ones((2, 3, 5))),
        {"zi": np.ones(1)},
        r"zi .*\(2, 3, 1\).*\(1,\)",
    ),
    "zi transposed": (([1.0, 2, 3], [1.0, 1], np.ones((3, 5))), {"zi": np.ones((2, 3))}, r"zi .*\(3, 2\).*\(2, 3\)"),
    "integers": (([1, 2], [3, 4], [1, 2, 3]), {}, "int64"),
    "integers, FIR": (([1, 2], [1], [1, 2, 3]), {}, "int64"),
    "strings": (([1.0], [1.0, 0.5], ["a", "b"]), {}, None),
    "None in x": (([1.0], [1.0], [1.0, None, 2.0]), {}, None),
    "None in a": (([1.0], [None], [1.0, 2.0]), {}, None),
    "ragged": (([1.0], [1.0], [[1.0], [1.0, 2.0]]), {}, None),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_scipys(case):
    args, options, says = WRONG[case]
    theirs = outcome(scipy.signal.lfilter, *args, **options)
    assert isinstance(theirs, Exception)
    with pytest.raises(type(theirs), match=says) as ours:
        lfilter(*args, **options)
    if type(theirs) in (ValueError, IndexError):  # what went wrong, in more words than SciPy's
        assert isinstance(ours.value, ValueError)


def test_fir_with_leading_zero_in_a():
    for b in ([1.0], [1.0, 2.0]):  # SciPy divides by it and returns inf
        with pytest.raises(ValueError, match=re.escape("a[0] must not be 0")):
            lfilter(b, [0.0], np.ones(5))


def test_no_samples_and_taps_that_are_not_finite():
    y, zf = lfilter(
        [np.nan, 1.0], [1.0], np.empty((2, 0)), zi=np.full((2, 1), 1j)
    )  # numpy.convolve refuses to be given nothing
    assert y.shape == (2, 0)
    assert_same(zf, np.full((2, 1), 1j))


@pytest.mark.parametrize("kind", [object, np.longdouble])
def test_leading_zero_in_a_where_scipy_filters(kind):
    for a in ([0.0], [0.0, 1.0]):  # SciPy lets a ZeroDivisionError of the objects out, or returns NaN
        for b, dividing in ((np.ones(1, kind), np.array(a)), (np.ones(2), np.array(a, kind))):
            with pytest.raises(ValueError, match=re.escape("a[0] must not be 0")):
                lfilter(b, dividing, np.ones(5))


@pytest.mark.parametrize("method", ["fast", "", None, "FFT"])
def test_unknown_method(method):
    with pytest.raises(ValueError, match="method must be one of 'auto', 'sequential', 'blocked', 'fft'; got "):
        lfilter([1.0], [1.0, 0.5], np.ones(5), method=method)


def test_fft_is_for_fir():
    with pytest.raises(ValueError, match="'fft' serves FIR filters only"):
        lfilter([1.0], [1.0, 0.5], np.ones(5), method="fft")


def test_extensions_are_keyword_only():
    with pytest.raises(TypeError):
        lfilter([1.0], [1.0, 0.5], np.ones(5), -1, None, np.empty(5))


def test_filters_that_do_not_fit_the_channels():
    with pytest.raises(ValueError, match=r"b \(2, 3\) and a \(2,\) .* channels \(5,\) of x"):
        lfilter(np.ones((2, 3)), [1.0, 0.5], np.ones((5, 20)))
    with pytest.raises(ValueError, match=r"b .*\(2, 3\).*x with shape \(20,\)"):
        lfilter(np.ones((2, 3)), [1.0, 0.5], np.ones(20))
    with pytest.raises(ValueError, match=r"a .*\(4, 2, 2\).*x with shape \(2, 20\)"):
        lfilter(np.ones((2, 3)), np.ones((4, 2, 2)), np.ones((2, 20)))


def test_a_failed_call_leaves_no_trace():
    for _ in range(2):  # nothing about the failure is remembered
        with pytest.raises(ValueError, match="zi"):
            lfilter([1.0], [1.0, 0.5], np.ones(5), zi=np.ones(3))
        assert_same(lfilter([1.0], [1.0, 0.5], np.ones(2)), np.array([1.0, 0.5]))


# Coefficients for every sample


@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize(("numerator", "denominator"), [(1, 1), (3, 1), (1, 3), (3, 3), (2, 4), (13, 13)])
def test_varying_against_the_twin(rng, numerator, denominator, kind):
    b, a = noise(rng, (40, numerator), kind), noise(rng, (40, denominator), kind) / (2 * denominator)
    a[:, 0] = 2.0
    x, zi = noise(rng, 40, kind), noise(rng, max(numerator, denominator) - 1, kind)
    with Unchanged(b, a, x, zi):
        y, zf = lfilter_tv(b, a, x, zi=zi)
    wide = "D" if kind in "FD" else "d"
    desired, final = reference.varying(b.astype(wide), a.astype(wide), x, zi)
    assert_close(y, desired.astype(kind), 500)
    assert_close(zf, final.astype(kind), 500)
    assert_same(lfilter_tv(b, a, x), lfilter_tv(b, a, x, zi=np.zeros_like(zi))[0])


@pytest.mark.parametrize("order", [0, 1, 2, 8, 9])
def test_varying_with_equal_rows_is_lfilter(rng, order):
    b, a = stable(rng, order)
    x, zi = noise(rng, (3, 50)), noise(rng, (3, order))
    y, zf = lfilter_tv(np.tile(b, (50, 1)), np.tile(a, (50, 1)), x, zi=zi)
    desired, final = lfilter(b, a, x, zi=zi, method="sequential")
    assert_same(y, desired)
    assert_same(zf, final)
    assert_same(
        lfilter_tv(np.tile(b, (50, 1)), np.tile(a, (50, 1)), x.T, 0), lfilter(b, a, x.T, 0, method="sequential")
    )


@pytest.mark.parametrize(
    ("coefficients", "signal", "state"),
    [("d", "D", "D"), ("D", "d", "d"), ("d", "d", "D"), ("f", "D", "f"), ("d", "f", "f"), ("i", "d", "d")],
)
def test_varying_with_mixed_dtypes(rng, coefficients, signal, state):
    b, a = np.ones((20, 3), coefficients), np.ones((20, 2), coefficients)
    x, zi = noise(rng, 20, signal), noise(rng, 2, state)
    y, zf = lfilter_tv(b, a, x, zi=zi)
    desired, final = scipy.signal.lfilter(b[0], a[0], x, zi=zi)
    assert_close(y, desired)
    assert_close(zf, final)


def test_varying_for_each_channel(rng):
    b, x, zi = noise(rng, (4, 30, 3)), noise(rng, (4, 30)), noise(rng, (4, 2))
    a = noise(rng, (30, 2)) / 4
    a[:, 0] = 1.0
    y, zf = lfilter_tv(b, a, x, zi=zi)
    for c in range(4):
        desired, final = reference.varying(b[c], a, x[c], zi[c])
        assert_same(y[c], desired)
        assert_same(zf[c], final)
    assert_same(lfilter_tv(b, a, x.T, 0, zi.T)[0], y.T)
    assert_same(lfilter_tv(b, a, x[:1])[1], lfilter_tv(b[1], a, x[0]))  # one channel, a filter for each of four


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_varying_coefficients(rng, layout):
    b, a = same_values(layout, noise(rng, (40, 3))), same_values(layout, noise(rng, (40, 3)) / 8 + [1, 0, 0])
    x = same_values(layout, noise(rng, 40))
    desired, _ = reference.varying(np.array(b, float), np.array(a, float), np.array(x, float))
    with Unchanged(b, a, x):
        assert_close(lfilter_tv(b, a, x), desired)


def test_varying_without_samples():
    y, zf = lfilter_tv(np.ones((0, 2)), np.ones((0, 3)), np.ones(0), zi=[1.0, 2.0])
    assert_same(y, np.empty(0))
    assert_same(zf, np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        (
            (np.ones((4, 2)), np.ones((5, 2)), np.ones(5)),
            ValueError,
            r"b has shape \(4, 2\), expected \(..., 5, taps\)",
        ),
        (
            (np.ones((5, 2)), np.ones((6, 2)), np.ones(5)),
            ValueError,
            r"a has shape \(6, 2\), expected \(..., 5, taps\)",
        ),
        ((np.ones(5), np.ones((5, 2)), np.ones(5)), ValueError, r"b has shape \(5,\)"),
        ((np.ones((5, 0)), np.ones((5, 2)), np.ones(5)), ValueError, r"b has shape \(5, 0\)"),
        ((np.ones((5, 2)), np.zeros((5, 2)), np.ones(5)), ValueError, r"a\[0\]"),
        ((np.ones((5, 2)), np.ones((5, 2)), 1.0), ValueError, "x must be at least 1-D"),
        ((np.ones((5, 2)), np.ones((5, 2)), np.ones(5), 1), IndexError, "axis 1"),
        ((np.ones((5, 2)), np.ones((5, 2)), np.ones(5), -1, np.ones(2)), ValueError, r"zi .*\(1,\).*\(2,\)"),
        ((np.ones((3, 5, 2)), np.ones((5, 2)), np.ones((2, 5))), ValueError, r"channels \(2,\) of x"),
        ((np.ones((5, 2), int), np.ones((5, 2), int), np.ones(5, int)), NotImplementedError, "int64"),
        ((np.ones((5, 2), "g"), np.ones((5, 2)), np.ones(5)), NotImplementedError, "longdouble|float128"),
    ],
)
def test_varying_errors(args, error, says):
    with pytest.raises(error, match=says):
        lfilter_tv(*args)


@pytest.mark.skipif(np.dtype("g") == np.dtype("d"), reason="longdouble is float64 on this system")
@pytest.mark.parametrize("zi", [0.5, [0.5, -0.5], [[0.5, -0.5]]])
def test_broadcast_state_of_what_goes_to_scipy(rng, zi):
    b, a = (np.array(c, "g") for c in ([1.0, 0.5, 0.25], [1.0, -0.5, 0.25]))
    x = rng.standard_normal((3, 40)).astype("g")
    ours = lfilter(b, a, x, zi=np.asarray(zi, "g"))
    theirs = scipy.signal.lfilter(b, a, x, zi=np.broadcast_to(np.asarray(zi, "g"), (3, 2)))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(np.dtype("g") == np.dtype("d"), reason="longdouble is float64 on this system")
@pytest.mark.parametrize(("b", "a"), [([2.0], [1.0]), ([1.0, 0.5], [1.0]), ([1.0], [1.0, -0.5])])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5)])
def test_no_samples_of_what_goes_to_scipy(b, a, shape):
    x, zi = np.zeros(shape, "G"), np.ones((*shape[:-1], max(len(b), len(a)) - 1))
    y, zf = lfilter(b, a, x, zi=zi)
    assert y.shape == lfilter(b, a, x).shape == shape
    assert y.dtype == zf.dtype == x.dtype
    np.testing.assert_array_equal(zf, zi)
    out = np.empty_like(x)
    assert lfilter(b, a, x, out=out) is out


def test_more_taps_than_samples(rng):
    b, x = noise(rng, 48_000), noise(rng, 4096)
    assert_close(lfilter(b, [1.0], x), scipy.signal.oaconvolve(b, x)[: len(x)])


@pytest.mark.parametrize("samples", [0, 1, 40, 900])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_few_channels_are_each_by_itself(rng, channels, samples):
    """Of a filter that is known, on either axis, whatever the layout."""
    (b, a), sos = stable(rng, 3), scipy.signal.butter(4, 0.3, output="sos")
    whole = noise(rng, (channels, samples))
    for function, filter in ((lfilter, (b, a)), (sosfilt, (sos,))):
        function(*filter, np.ones(3))
        each = [function(*filter, x) for x in whole]
        for x in (whole, np.asfortranarray(whole), np.repeat(whole, 2, axis=1)[:, ::2]):
            with Unchanged(x):
                y = function(*filter, x)
                turned = function(*filter, x.T, axis=0)
            assert y.flags.c_contiguous
            for c in range(channels):
                assert_same(y[c], each[c])
                assert_same(turned[:, c], each[c])
