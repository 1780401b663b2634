"""`vjp` and `jvp` of the linear filters: central differences, the adjoint identity, blocks, checkpoints, errors."""

import gc
import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, Unchanged, assert_close, assert_same, noise, stable

from sigrnn import (
    filtfilt,
    jvp,
    lfilter,
    lfilter_tv,
    lfilter_zi,
    set_workers,
    sosfilt,
    sosfiltfilt,
    vjp,
)
from sigrnn.gradients.rules import RULES

STEP = 1e-6  # of central differences: their error is about 1e-10 for values of size 1
N = 23
B3, A3 = np.array([0.7, -0.4, 0.3]), np.array([2.0, -0.9, 0.5])
SECTIONS = np.array([[0.5, 0.2, 0.1, 1, -0.6, 0.3], [1.0, -0.3, 0.0, 1, 0.4, 0.0], [0.8, 0.5, 0.4, 1, 0.1, 0.2]])
FULL = SECTIONS + 0.1 * (SECTIONS == 0)  # where there are zeros, sosfiltfilt adds fewer samples
IMAGINARY = 1j * np.array([0.1, -0.2, 0.1, 0, 0.1, 0.05])


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def flat(value):
    return np.concatenate([np.ravel(part) for part in parts(value)])


def like(rng, array):
    """Random numbers of the shape and kind of an array."""
    return noise(rng, np.shape(array), np.complex128 if np.iscomplexobj(array) else np.float64)


def inner(u, v):
    return np.vdot(flat(u), flat(v)).real


def divided(function, arrays, options):
    """sosfilt accepts only sos[:, 3] == 1: what a cascade that divides by it would do."""
    if function not in (sosfilt, sosfiltfilt):
        return function(**arrays, **options)
    sos = arrays["sos"] / arrays["sos"][..., 3:4]
    sos[..., 3] = 1.0
    return function(**{**arrays, "sos": sos}, **options)


def assert_derivatives(rng, function, arrays, **options):
    """vjp against jvp, jvp against central differences, argument by argument, and the value against the function's."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    names, given = list(arrays), tuple(arrays.values())
    assert names == [name for name in inspect.signature(function).parameters if name in names]
    with Unchanged(*given):
        desired = divided(function, arrays, options)
        value, pullback = vjp(function, **arrays, **options)
        slope = tuple(like(rng, part) for part in parts(value))
        gradients = pullback(slope if isinstance(value, tuple) else slope[0])
    for mine, theirs in zip(parts(value), parts(desired), strict=True):
        assert_close(mine, theirs, 20_000)
    assert len(gradients) == len(given)
    for i, (name, array, gradient) in enumerate(zip(names, given, gradients, strict=True)):
        assert gradient.shape == array.shape
        assert gradient.dtype == array.dtype
        direction = like(rng, array)
        tangents = [None] * len(given)
        tangents[i] = direction
        again, change = jvp(function, (), tuple(tangents), **arrays, **options)
        assert_close(flat(again), flat(value), 20_000)
        ends = [divided(function, {**arrays, name: array + h * direction}, options) for h in (STEP, -STEP)]
        difference = (flat(ends[0]) - flat(ends[1])) / (2 * STEP)
        scale = max(1.0, np.abs(difference).max(initial=0.0))
        np.testing.assert_allclose(flat(change), difference, rtol=1e-6, atol=2e-7 * scale, err_msg=name)
        size = np.linalg.norm(flat(change)) * np.linalg.norm(flat(slope))
        assert abs(inner(slope, change) - inner(gradient, direction)) <= 1e-12 * max(size, 1.0), name
    return value, slope, gradients


# lfilter


@pytest.mark.parametrize("samples", [0, 1, 2, N])
@pytest.mark.parametrize(
    ("b", "a"),
    [
        (B3, A3),
        ([1.5], A3),
        (np.array([0.7, -0.4, 0.3, 0.2, 0.1]), A3),
        (B3[:2], np.array([-1.5, 0.5, 0.3, 0.1, 0.2, 0.05])),
        (B3, [2.0]),
        ([3.0], [2.0]),
        (B3, [2.0, 0.0, 0.0]),
    ],
)
def test_lengths(rng, b, a, samples):
    x, zi = noise(rng, samples), noise(rng, max(len(b), len(a)) - 1)
    assert_derivatives(rng, lfilter, {"b": b, "a": a, "x": x})
    assert_derivatives(rng, lfilter, {"b": b, "a": a, "x": x, "zi": zi})


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("state", ["full", "ones", "scalar"])
def test_axes_and_states(rng, axis, state):
    x = noise(rng, (4, 5, 6))
    shape = list(x.shape) if state == "full" else [1, 1, 1]
    shape[axis] = 2
    zi = noise(rng, () if state == "scalar" else shape)
    assert_derivatives(rng, lfilter, {"b": B3, "a": A3, "x": x, "zi": zi}, axis=axis)


def test_state_of_a_single_channel(rng):
    for axis, shape in ((-1, (3, N)), (0, (N, 3))):
        x, zi = noise(rng, shape), noise(rng, 2)
        assert_derivatives(rng, lfilter, {"b": B3, "a": A3, "x": x, "zi": zi}, axis=axis)


@pytest.mark.parametrize("channels", [1, 3, 20])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("order", [1, 2, 9])
def test_channels(rng, channels, axis, order):
    b, a = stable(rng, order)
    x = noise(rng, (channels, 150) if axis else (150, channels))
    zi = noise(rng, (channels, order) if axis else (order, channels))
    assert_derivatives(rng, lfilter, {"b": b, "a": a, "x": x, "zi": zi}, axis=axis)


def test_a_filter_for_each_channel(rng):
    a, each = np.stack([A3, A3 + 0.1]), noise(rng, (2, 4))
    cases = [
        ({"b": each, "a": A3, "x": noise(rng, (2, N)), "zi": noise(rng, (2, 3))}, -1),
        ({"b": B3, "a": a, "x": noise(rng, (N, 2)), "zi": noise(rng, (2, 1))}, 0),
        ({"b": each, "a": a, "x": noise(rng, (1, N)), "zi": noise(rng, (1, 3))}, -1),
        ({"b": each[:, None], "a": np.stack([A3] * 3), "x": noise(rng, (N, 1, 3)), "zi": 0.3}, 0),
        ({"b": each[:1], "a": A3, "x": noise(rng, (1, N))}, -1),
        ({"b": each, "a": [2.0], "x": noise(rng, (1, N))}, -1),
    ]
    for arrays, axis in cases:
        assert_derivatives(rng, lfilter, arrays, axis=axis)


def test_complex(rng):
    b, a = B3 + 0.3j * B3[::-1], A3 + np.array([0.2j, 0.1j, -0.1j])
    for given in ((b, A3, 0), (B3, a, 0), (b, a, 0), (B3, A3, 1j), (b, a, 1j), (b, [2.0 + 1j], 1j)):
        for shape, axis in ((N, -1), ((2, N), -1), ((N, 2), 0)):
            x = noise(rng, shape) * (1 + given[2])
            assert_derivatives(rng, lfilter, {"b": given[0], "a": given[1], "x": x}, axis=axis)
    x, zi = noise(rng, (2, N), complex), noise(rng, (2, 2), complex)
    assert_derivatives(rng, lfilter, {"b": np.stack([b, b * 1j]), "a": a, "x": x, "zi": zi})


@pytest.mark.parametrize("method", ["sequential", "blocked", "fft"])
def test_methods_pass_through(rng, method):
    x = noise(rng, 5000)
    b, a = (B3, A3) if method != "fft" else (noise(rng, 20), np.array([2.0]))
    y, pullback = vjp(lfilter, b, a, x, method=method)
    assert_same(y, lfilter(b, a, x, method=method))
    for mine, theirs in zip(pullback(x), vjp(lfilter, b, a, x)[1](x), strict=True):
        assert_close(mine, theirs, 20_000)


@pytest.mark.parametrize("shape", [(4096,), (4097,), (200_001,), (3, 20_000), (20_000, 3), (40, 3000), (3000, 40)])
def test_value_is_that_of_the_function(rng, shape):
    axis = int(np.argmax(shape))
    x = noise(rng, shape)
    assert_same(vjp(lfilter, B3, A3, x, axis)[0], lfilter(B3, A3, x, axis))
    assert_same(vjp(lfilter, B3[:1], A3[:2], x, axis)[0], lfilter(B3[:1], A3[:2], x, axis))
    assert_close(vjp(sosfilt, SECTIONS, x, axis)[0], sosfilt(SECTIONS, x, axis))


def assert_alike(actual, desired):
    """Equal up to rounding where finite, and finite at the same places; the plain recurrence makes NaN of 0 times inf."""
    finite = np.isfinite(desired)
    np.testing.assert_array_equal(np.isfinite(actual), finite)
    assert_close(np.where(finite, actual, 0.0), np.where(finite, desired, 0.0), 1e5)


@pytest.mark.parametrize("order", [1, 2, 3, 12])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, 1e300])
@pytest.mark.parametrize("samples", [20_011, 80_011])  # the second: more than is kept in the caches
def test_stretches_are_the_plain_recurrence(rng, order, bad, samples):
    """Long channels, cut into blocks, against sample after sample; with what is not finite, or soon will not be."""
    b, a = stable(rng, order)
    x, dy = noise(rng, (3, samples)), noise(rng, (3, samples))
    zi, dzf = noise(rng, (3, order)), noise(rng, (3, order))
    if bad is not None:
        x[-1, 9000], dy[0, 11_000] = bad, bad
    results = []
    for method in ("auto", "sequential"):
        (y, zf), pullback = vjp(lfilter, b, a, x, zi=zi, method=method)
        with np.errstate(all="ignore"):
            results.append((y, zf, *pullback((dy, dzf))))
    for mine, plain in zip(*results, strict=True):
        assert_alike(mine, plain)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
@pytest.mark.parametrize("samples", [20_011, 80_011])
def test_stretches_of_sections_are_the_plain_recurrence(rng, bad, samples):
    x, dy = noise(rng, (3, samples)), noise(rng, (3, samples))
    zi, dzf = noise(rng, (len(SECTIONS), 3, 2)), noise(rng, (len(SECTIONS), 3, 2))
    if bad is not None:
        x[2, 9000], dy[0, 11_000] = bad, bad
    results = []
    for method in ("auto", "sequential"):
        (y, zf), pullback = vjp(sosfilt, SECTIONS, x, zi=zi, method=method)
        with np.errstate(all="ignore"):
            results.append((y, zf, *pullback((dy, dzf))))
    for mine, plain in zip(*results, strict=True):
        assert_alike(mine, plain)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_channels_in_lanes_are_each_by_itself(rng, axis, bad):
    """More channels than a group has lanes, more samples than a tile."""
    x, dy = noise(rng, (21, 700)), noise(rng, (21, 700))
    sections_zi, sections_dzf = noise(rng, (len(SECTIONS), 21, 2)), noise(rng, (len(SECTIONS), 21, 2))
    zi, dzf = noise(rng, (21, 2)), noise(rng, (21, 2))
    if bad is not None:
        x[17, 300], dy[3, 400] = bad, bad

    def laid(c):
        return c if axis == 1 else np.ascontiguousarray(np.moveaxis(c, -1, -2))

    for f, given, states, own in (
        (lfilter, (B3, A3), (zi, dzf), lambda z, c: z[c]),
        (sosfilt, (SECTIONS,), (sections_zi, sections_dzf), lambda z, c: z[:, c]),
    ):
        (y, zf), pullback = vjp(f, *given, laid(x), axis=axis, zi=laid(states[0]))
        *coefs, dx, dzi = pullback((laid(dy), laid(states[1])))
        alone = []
        for c in range(len(x)):
            (y_c, zf_c), pullback = vjp(f, *given, x[c], zi=own(states[0], c), method="sequential")
            alone.append((y_c, zf_c, *pullback((dy[c], own(states[1], c)))))
        with np.errstate(invalid="ignore"):
            for mine, theirs in zip(coefs, zip(*(row[2:-2] for row in alone), strict=True), strict=True):
                assert_alike(mine, sum(theirs))
        for c, row in enumerate(alone):
            assert_alike(laid(y)[c], row[0])
            assert_alike(own(laid(zf), c), row[1])
            assert_alike(laid(dx)[c], row[-2])
            assert_alike(own(laid(dzi), c), row[-1])


@pytest.mark.parametrize("samples", [0, 1, 3, 50, 700])
@pytest.mark.parametrize(("taps", "poles"), [(3, 3), (1, 3), (4, 2), (9, 10), (2, 101)])
def test_short_calls_by_position(rng, taps, poles, samples):
    """They take no checks once the filter is known: the same results, also of strided signals and slopes, and of lists."""
    b, a = noise(rng, taps), 2.0 * stable(rng, poles - 1)[1]
    x, dy = noise(rng, 2 * samples)[::2], noise(rng, 3 * samples)[::3]
    lfilter(b, a, x)
    with Unchanged(b, a, x, dy):
        y, pullback = vjp(lfilter, b, a, x)
        assert type(pullback).__name__ == "DirectPullback"
        found = pullback(dy)
    desired, general = vjp(lfilter, b, a, x=x)
    assert_same(y, desired)
    for mine, theirs in zip(found, general(dy), strict=True):
        assert mine.shape == theirs.shape
        assert_close(mine, theirs, 10_000)
    for mine, theirs in zip(pullback(list(dy)), found, strict=True):
        assert_same(mine, theirs)
    with pytest.raises(ValueError, match=r"dy has shape .*, expected"):
        pullback(np.zeros(samples + 1))
    with pytest.raises(AttributeError, match="no excitation_gradient"):
        _ = pullback.excitation_gradient


def test_against_sums_written_out(rng):
    """Pieces, lanes and vectors against the equations."""
    b, a = stable(rng, 3)
    for samples in (1, 31, 47, 48, 49, 1000, 70_001):
        x, dy = noise(rng, samples), noise(rng, samples)
        y, pullback = vjp(lfilter, b, a, x)
        db, da, dx = pullback(dy)
        v = scipy.signal.lfilter([1.0], a, dy[::-1])[::-1]
        lags = range(min(4, samples))
        assert_close(db[: len(lags)], np.array([v[m:] @ x[: samples - m] for m in lags]), 1e5)
        assert_close(da[1 : len(lags)], np.array([-(v[m:] @ y[: samples - m]) for m in lags[1:]]), 1e5)
        assert_close(dx, scipy.signal.lfilter(b, a, dy[::-1])[::-1])


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(rng, name):
    for axis in (0, -1):
        x, dy = LAYOUTS[name](noise(rng, (30, 40))), LAYOUTS[name](noise(rng, (30, 40)))
        for function, coefs in ((lfilter, (B3, A3)), (sosfilt, (SECTIONS,))):
            with Unchanged(x, dy):
                *_, dx = vjp(function, *coefs, x, axis)[1](dy)
            *_, desired = vjp(function, *coefs, np.array(x, float), axis)[1](np.array(dy, float))
            assert_close(dx, desired)


def test_single_precision(rng):
    b, a, x = (c.astype(np.float32) for c in (B3, A3, noise(rng, (2, 4000))))
    zi, sos = np.ones((2, 2), np.float32), SECTIONS.astype(np.float32)
    dy, dzf = noise(rng, x.shape, np.float32), noise(rng, zi.shape, np.float32)
    for f, given, state in ((lfilter, (b, a, x), zi), (sosfilt, (sos, x), np.ones((3, 2, 2), np.float32))):
        value, pullback = vjp(f, *given, zi=state)
        slope = (dy, dzf if f is lfilter else None)
        _, exact = vjp(f, *[c.astype(np.float64) for c in given], zi=state.astype(np.float64))
        assert all(part.dtype == np.float32 for part in value)
        for mine, theirs in zip(pullback(slope), exact(slope), strict=True):
            assert mine.dtype == np.float32
            assert_close(mine, theirs.astype(np.float32), 20)
    mixed = vjp(lfilter, B3, a, x)[1](dy)
    assert [gradient.dtype.char for gradient in mixed] == ["d", "f", "f"]


def test_threads(rng):
    x, dy = noise(rng, (3, 60_000)), noise(rng, (3, 60_000))
    desired = vjp(lfilter, B3, A3, x)[1](dy)
    with set_workers(2):
        assert all(np.array_equal(*pair) for pair in zip(vjp(lfilter, B3, A3, x)[1](dy), desired, strict=True))


# lfilter_tv, sosfilt, filtfilt, sosfiltfilt


@pytest.mark.parametrize("samples", [0, 1, 2, 9])
@pytest.mark.parametrize("taps", [(3, 3), (1, 4), (5, 2), (3, 1), (1, 1)])
def test_varying(rng, samples, taps):
    b, a = noise(rng, (samples, taps[0])), 0.3 * noise(rng, (samples, taps[1]))
    a[:, 0] += 2.0
    zi = noise(rng, max(taps) - 1)
    assert_derivatives(rng, lfilter_tv, {"b": b, "a": a, "x": noise(rng, samples)})
    assert_derivatives(rng, lfilter_tv, {"b": b, "a": a, "x": noise(rng, samples), "zi": zi})


def test_varying_channels(rng):
    b, a = noise(rng, (9, 2)), 0.2 * noise(rng, (9, 3)) + [2.0, 0, 0]
    each = np.stack([b, 2 * b, -b])
    cases = [
        ({"b": b, "a": a, "x": noise(rng, (9, 3)), "zi": noise(rng, (2, 1))}, 0),
        ({"b": each, "a": a, "x": noise(rng, (3, 9)), "zi": noise(rng, 2)}, -1),
        ({"b": each, "a": a, "x": noise(rng, (9, 1)), "zi": 0.5}, 0),
        ({"b": each[:, None], "a": a, "x": noise(rng, (1, 2, 9)), "zi": noise(rng, (1, 2, 2))}, -1),
        ({"b": b * 1j, "a": a + 0.1j, "x": noise(rng, (2, 9)), "zi": noise(rng, (2, 2), complex)}, -1),
    ]
    for arrays, axis in cases:
        assert_derivatives(rng, lfilter_tv, arrays, axis=axis)


def test_equal_rows_give_the_gradients_of_lfilter(rng):
    x, dy = noise(rng, N), noise(rng, N)
    db, da, dx = vjp(lfilter, B3, A3, x)[1](dy)
    varying = vjp(lfilter_tv, np.stack([B3] * N), np.stack([A3] * N), x)[1](dy)
    for mine, theirs in zip(varying, (db, da, dx), strict=True):
        assert_close(mine.sum(axis=0) if mine.ndim > 1 else mine, theirs)


@pytest.mark.parametrize("samples", [0, 1, 2, N, 300])
def test_sections(rng, samples):
    for sos in (SECTIONS, SECTIONS[:1], SECTIONS + IMAGINARY):
        arrays = {"sos": sos, "x": noise(rng, samples)}
        assert_derivatives(rng, sosfilt, arrays)
        assert_derivatives(rng, sosfilt, {**arrays, "zi": noise(rng, (len(sos), 2))})


def test_sections_of_channels(rng):
    each = np.stack([SECTIONS, SECTIONS[::-1]])
    cases = [
        ({"sos": SECTIONS, "x": noise(rng, (N, 4)), "zi": noise(rng, (3, 2, 4))}, 0),
        ({"sos": SECTIONS, "x": noise(rng, (2, N, 3)), "zi": noise(rng, (3, 1, 2, 3))}, 1),
        ({"sos": SECTIONS, "x": noise(rng, (20, 150)), "zi": noise(rng, (3, 2))}, -1),
        ({"sos": each, "x": noise(rng, (1, N)), "zi": 0.5}, -1),
        ({"sos": each, "x": noise(rng, (N, 2)), "zi": noise(rng, (3, 2, 2))}, 0),
        ({"sos": each[:, None], "x": noise(rng, (2, 3, N))}, -1),
        ({"sos": each + IMAGINARY, "x": noise(rng, (2, N), complex)}, -1),
    ]
    for arrays, axis in cases:
        assert_derivatives(rng, sosfilt, arrays, axis=axis)


def test_no_sections(rng):
    x = noise(rng, 5)
    y, pullback = vjp(sosfilt, np.empty((0, 6)), x)
    dsos, dx = pullback(x)
    assert_same(y, x)
    assert_same(dx, x)
    assert dsos.shape == (0, 6)


@pytest.mark.parametrize(
    "options",
    [{}, {"padtype": "even"}, {"padtype": "constant", "padlen": 5}, {"padtype": None}, {"padlen": 0}, {"padlen": 1}],
)
def test_zero_phase(rng, options):
    x = noise(rng, 30)
    for b, a in ((B3, A3), (B3[:1], A3), (noise(rng, 4), [2.0]), (B3 + 0.1j, A3 + 0.2j)):
        assert_derivatives(rng, filtfilt, {"b": b, "a": a, "x": x}, **options)
    for sos in (FULL, FULL + IMAGINARY):
        assert_derivatives(rng, sosfiltfilt, {"sos": sos, "x": x}, **options)


def test_zero_phase_of_channels(rng):
    each = np.stack([FULL, FULL[::-1]])
    assert_derivatives(rng, filtfilt, {"b": B3, "a": A3, "x": noise(rng, (2, 30, 3))}, axis=1)
    assert_derivatives(rng, filtfilt, {"b": noise(rng, (2, 1, 4)), "a": A3, "x": noise(rng, (1, 30, 3))}, axis=1)
    assert_derivatives(rng, sosfiltfilt, {"sos": FULL, "x": noise(rng, (30, 2))}, axis=0)
    assert_derivatives(rng, sosfiltfilt, {"sos": each[:, None], "x": noise(rng, (1, 30, 3))}, axis=1)


def test_zero_gain_at_frequency_0(rng):
    """No division by the gain of a section."""
    sos = scipy.signal.butter(4, 0.3, "highpass", output="sos")
    assert_derivatives(rng, sosfiltfilt, {"sos": sos, "x": noise(rng, 30)})
    assert_derivatives(rng, filtfilt, {"b": np.array([2.0]), "a": np.array([4.0]), "x": noise(rng, 30)})  # a mere gain


def test_one_section_without_an_axis_for_it(rng):
    assert_derivatives(rng, sosfilt, {"sos": FULL[0], "x": noise(rng, 20)})


# At length


@pytest.mark.parametrize("shape", [(100_000,), (100_000, 2), (16, 6250), (6250, 16)])
def test_adjoint_identity(rng, shape):
    """<J t, w> = <t, J^H w>."""
    axis = int(np.argmax(shape))
    x, (b, a) = noise(rng, shape), stable(rng, 4)
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(4)])
    zi, state = list(shape), [4, *shape]
    zi[axis], state[1 + axis] = 4, 2
    cases = [
        (lfilter, (b, a, x), {"zi": noise(rng, zi)}),
        (sosfilt, (sos, x), {"zi": noise(rng, state)}),
        (filtfilt, (b, a, x), {}),
        (sosfiltfilt, (sos, x), {}),
    ]
    for function, given, states in cases:
        arrays = (*given, *states.values())
        tangents = tuple(like(rng, array) for array in arrays)
        value, change = jvp(function, given, tangents, axis=axis, **states)
        slope = tuple(like(rng, part) for part in parts(value))
        _, pullback = vjp(function, *given, axis=axis, **states)
        gradients = pullback(slope if states else slope[0])
        size = np.linalg.norm(flat(change)) * np.linalg.norm(flat(slope))
        assert abs(inner(slope, change) - inner(gradients, tangents)) <= 1e-9 * size


@pytest.mark.parametrize("samples", [20_000, 70_000])
def test_sections_together_are_sections_one_by_one(rng, samples):
    """Tiles of stretches against plain recurrences, section after section; float32 too."""
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(3)])
    x, dy, zi, dzf = noise(rng, samples), noise(rng, samples), noise(rng, (3, 2)), noise(rng, (3, 2))
    desired = vjp(sosfilt, sos, x, zi=zi, method="sequential")[1]((dy, dzf))
    for mine, theirs in zip(vjp(sosfilt, sos, x, zi=zi)[1]((dy, dzf)), desired, strict=True):
        assert_close(mine, theirs, 1e5)
    dsos, dx = vjp(sosfilt, sos, x.astype(np.float32))[1](dy)
    desired = vjp(sosfilt, sos, x.astype(np.float32), method="sequential")[1](dy)
    assert_close(dsos, desired[0], 1e5)
    assert_close(dx, desired[1], 20)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nonfinite_samples_stay_where_the_equation_puts_them(rng, bad):
    """What comes before a bad sample of dy, and after one of x, is touched by it; no more."""
    samples = 40_000
    x, dy = noise(rng, samples), noise(rng, samples)
    for function, coefs in ((lfilter, (B3, A3)), (sosfilt, (SECTIONS,))):
        *_, desired = vjp(function, *coefs, x)[1](dy)
        spoilt = dy.copy()
        spoilt[30_000] = bad
        *_, dx = vjp(function, *coefs, x)[1](spoilt)
        assert_close(dx[30_001:], desired[30_001:])
        assert not np.isfinite(dx[29_990:30_001]).any()
        spoilt = x.copy()
        spoilt[30_000] = bad
        *_, dx = vjp(function, *coefs, spoilt)[1](dy)
        assert_close(dx, desired)


def test_unstable_filters(rng):
    """No blocks: the plain recurrence, through several pieces."""
    x, dy = 1e-3 * noise(rng, 70_000), noise(rng, 70_000)
    a = np.array([1.0, -1.0001])
    db, _, dx = vjp(lfilter, [1.0], a, x)[1](dy)
    desired = scipy.signal.lfilter([1.0], a, dy[::-1])[::-1]
    assert_close(dx, desired)
    assert_close(db, np.array([desired @ x]), 1e5)


# Blocks, checkpoints, repeated calls


@pytest.mark.parametrize("axis", [0, 1])
def test_two_blocks_are_one(rng, axis):
    x, dy = noise(rng, (40, 40)), noise(rng, (40, 40))
    for function, coefs, shape in ((lfilter, (B3, A3), [40, 40]), (sosfilt, (SECTIONS,), [3, 40, 40])):
        shape[axis - 2] = 2
        zi, dzf = noise(rng, shape), noise(rng, shape)
        _, pullback = vjp(function, *coefs, x, axis, zi=zi)
        *dcoefs, dx, dzi = pullback((dy, dzf))
        x1, x2, dy1, dy2 = (part for c in (x, dy) for part in np.split(c, [13], axis=axis))
        (_, between), pull1 = vjp(function, *coefs, x1, axis, zi=zi)
        _, pull2 = vjp(function, *coefs, x2, axis, zi=between)
        *dcoefs2, dx2, dbetween = pull2((dy2, dzf))
        *dcoefs1, dx1, dzi1 = pull1((dy1, dbetween))
        for whole, first, second in zip(dcoefs, dcoefs1, dcoefs2, strict=True):
            assert_close(first + second, whole)
        assert_close(np.concatenate([dx1, dx2], axis=axis), dx)
        assert_close(dzi1, dzi)


@pytest.mark.parametrize("size", [1, 7, 10, 1000])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("state", [None, "ones", "scalar"])
def test_checkpoints(rng, size, axis, state):
    x, dy = noise(rng, (20, 20)), noise(rng, (20, 20))
    rows = noise(rng, (2, 20, 3)) * 0.2 + [1.0, 0, 0]
    for function, coefs, own in ((lfilter, (B3, A3), 2), (lfilter_tv, rows, 2), (sosfilt, (SECTIONS,), (3, 2))):
        options = {}
        if state == "scalar":
            options["zi"] = np.array(0.3)
        elif state is not None:
            shape = [1, 1] if own == 2 else [3, 1, 1]
            shape[axis - 2] = 2
            options["zi"] = noise(rng, shape)
        value, pullback = vjp(function, *coefs, x, axis, **options)
        blocks, by_blocks = vjp(function, *coefs, x, axis, checkpoint=size, **options)
        for mine, theirs in zip(parts(blocks), parts(value), strict=True):
            assert_close(mine, theirs)
        slope = dy if state is None else (dy, like(rng, value[1]))
        for _ in range(2):
            for mine, theirs in zip(by_blocks(slope), pullback(slope), strict=True):
                assert_close(mine, theirs)


def test_checkpoint_of_nothing():
    y, pullback = vjp(lfilter, B3, A3, np.empty((2, 0)), checkpoint=5)
    assert y.shape == (2, 0)
    assert [gradient.shape for gradient in pullback(y)] == [(3,), (3,), (2, 0)]


@pytest.mark.parametrize("function", [lfilter, lfilter_tv, sosfilt, filtfilt, sosfiltfilt])
def test_what_was_given_may_change(rng, function):
    x, dy = noise(rng, 50), noise(rng, 50)
    coefs = {lfilter_tv: (np.stack([B3] * 50), np.stack([A3] * 50))}.get(function, (B3.copy(), A3.copy()))
    coefs = (SECTIONS.copy(),) if function in (sosfilt, sosfiltfilt) else coefs
    y, pullback = vjp(function, *coefs, x)
    first = pullback(dy)
    kept = [gradient.copy() for gradient in first]
    for array in (x, y, *coefs, *first):
        array[...] = 7.0
    for mine, theirs in zip(pullback(dy), kept, strict=True):
        assert_same(mine, theirs)


def test_pair_with_nothing(rng):
    x, zi = noise(rng, N), noise(rng, 2)
    (y, zf), pullback = vjp(lfilter, B3, A3, x, zi=zi)
    dy, dzf = like(rng, y), like(rng, zf)
    both, first, second = pullback((dy, dzf)), pullback((dy, None)), pullback([None, dzf])
    for whole, *halves in zip(both, first, second, strict=True):
        assert_close(sum(halves), whole)
    assert not any(gradient.any() for gradient in pullback((None, None)))


# What gets a gradient, and errors


def test_which_arguments_get_a_gradient(rng):
    x = noise(rng, N)
    assert len(vjp(lfilter, B3, A3, x)[1](x)) == 3
    assert len(vjp(lfilter, B3, A3, x, -1, None)[1](x)) == 3
    assert len(vjp(lfilter, B3, a=A3, x=x, zi=0)[1]((x, None))) == 3  # a number by keyword is a constant
    assert len(vjp(lfilter, B3, A3, x, zi=[0.0, 1.0])[1]((x, None))) == 4
    db, da, dx, dzi = vjp(lfilter, 2, 1.0, list(x), -1, 0)[1]((x, None))
    assert [c.dtype.char for c in (db, da, dx, dzi)] == ["d"] * 4
    assert [c.shape for c in (db, da, dx, dzi)] == [(), (), (N,), ()]
    assert_close(db, np.asarray(x @ x))
    (dx,) = vjp(sosfilt, sos=[[1, 0, 0, 1, 0, 0]], x=x)[1](x)[1:]
    assert_same(dx, x)


def test_python_numbers_do_not_widen(rng):
    x = noise(rng, N, np.float32)
    (y, zf), pullback = vjp(lfilter, B3.astype("f"), A3.astype("f"), x, -1, 0.5)
    assert y.dtype == zf.dtype == np.float32
    assert pullback((y, zf))[3].dtype == np.float64


def test_real_arrays_get_real_gradients(rng):
    y, pullback = vjp(lfilter, B3 + 1j, A3, noise(rng, N))
    assert [gradient.dtype.char for gradient in pullback(y)] == ["D", "d", "d"]


def test_tangents_by_position_or_by_array(rng):
    x, dx, zi = noise(rng, N), noise(rng, N), np.array([0.3, 0.2])
    _, desired = jvp(lfilter, (B3, A3, x), (None, None, dx))
    assert_close(desired, lfilter(B3, A3, dx))
    assert_same(jvp(lfilter, (B3, A3, x, -1), (None, None, dx, None))[1], desired)
    (_, zf), (dy, dzf) = jvp(lfilter, (B3, A3, x), (None, None, dx, zi), zi=zi)
    assert_close(dy, lfilter(B3, A3, dx, zi=zi)[0])
    assert dzf.shape == zf.shape
    _, none = jvp(lfilter, (B3, A3, x), (None, None, None))
    assert_same(none, np.zeros(N))
    _, (dy, dzf) = jvp(lfilter, (B3, A3, x), (None, None, dx), zi=zi)
    assert_close(dy, desired)


def test_errors_of_arguments(rng):
    x = noise(rng, N)
    with pytest.raises(TypeError, match=r"lfilter_zi has no gradient here.*lfilter, lfilter_tv, sosfilt"):
        vjp(lfilter_zi, B3, A3)
    with pytest.raises(TypeError, match="expect a function of sigrnn"):
        jvp([], (B3,), (B3,))
    with pytest.raises(TypeError, match="out="):
        vjp(lfilter, B3, A3, x, out=x)
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        vjp(lfilter, B3, A3)
    for kind in "?bHl":
        with pytest.raises(TypeError, match=r"x has dtype .*x\.astype\(float\)"):
            vjp(lfilter, B3, A3, np.ones(5, kind))
    for kind in "gGeO":
        with pytest.raises(NotImplementedError, match=r"x has dtype .*float32, float64"):
            vjp(lfilter, B3, A3, np.ones(5, kind))
    with pytest.raises(NotImplementedError, match="gust"):
        vjp(filtfilt, B3, A3, x, method="gust")
    with pytest.raises(NotImplementedError, match="gust"):
        jvp(filtfilt, (B3, A3, x), (B3, A3, x), method="gust")
    with pytest.raises(ValueError, match="method must be"):
        vjp(filtfilt, B3, A3, x, method="other")
    with pytest.raises(ValueError, match="Invalid zi shape"):
        vjp(lfilter, B3, A3, x, zi=[1.0])
    for size in (0, -3):
        with pytest.raises(ValueError, match="checkpoint must be at least 1"):
            vjp(lfilter, B3, A3, x, checkpoint=size)
    with pytest.raises(TypeError):
        vjp(lfilter, B3, A3, x, checkpoint=2.5)
    with pytest.raises(ValueError, match="filtfilt has none"):
        vjp(filtfilt, B3, A3, x, checkpoint=5)


def test_errors_of_the_pull_back(rng):
    x, zi = noise(rng, (2, N)), np.zeros((2, 2))
    _, alone = vjp(lfilter, B3, A3, x)
    _, pair = vjp(lfilter, B3, A3, x, zi=zi)
    with pytest.raises(ValueError, match=r"dy has shape \(23,\), expected \(2, 23\)"):
        alone(x[0])
    with pytest.raises(ValueError, match=r"dzf has shape \(3,\), expected \(2, 2\)"):
        pair((x, np.ones(3)))
    with pytest.raises(TypeError, match=r"expected \(dy, dzf\), got ndarray"):
        pair(x)
    with pytest.raises(ValueError, match=r"expected \(dy, dzf\), got 3"):
        pair((x, zi, zi))
    with pytest.raises(TypeError, match="dy is complex, the value is real"):
        alone(x * 1j)
    with pytest.raises(TypeError, match="dy must be numbers"):
        alone(np.full(x.shape, "x"))
    with pytest.raises(AttributeError, match="excitation_gradient"):
        alone.excitation_gradient  # noqa: B018
    alone(np.ones(x.shape, int))
    with pytest.raises(AttributeError, match="lfilter has no activation"):
        alone.excitation_gradient  # noqa: B018


def test_errors_of_tangents(rng):
    x = noise(rng, N)
    with pytest.raises(ValueError, match=r"the tangent of x has shape \(3,\), expected \(23,\)"):
        jvp(lfilter, (B3, A3, x), (None, None, B3))
    with pytest.raises(ValueError, match="2 tangents: expected 3"):
        jvp(lfilter, (B3, A3, x), (B3, A3))
    with pytest.raises(TypeError, match="axis is not differentiable"):
        jvp(lfilter, (B3, A3, x, -1), (None, None, None, 1.0))
    with pytest.raises(TypeError, match="the tangent of b is complex, b is real"):
        jvp(lfilter, (B3, A3, x), (B3 * 1j, None, None))
    with pytest.raises(TypeError, match="must be numbers"):
        jvp(lfilter, (B3, A3, x), (["a", "b", "c"], None, None))


@pytest.mark.parametrize("function", RULES)
def test_rules_name_arguments_of_the_function(function):
    whole, parts = RULES[function].parts or (None, ())
    given = [part for name in inspect.signature(function).parameters for part in (parts if name == whole else [name])]
    names = [name for name in given if name in RULES[function].names]
    assert tuple(names) == RULES[function].names


class TestMemoryIsUsedAgain:
    """Large arrays come from memory that earlier pull-backs have given back, and only from that."""

    N = 200_000

    def gradients(self, seed):
        x = np.random.default_rng(seed).standard_normal(self.N)
        y, pullback = vjp(lfilter, [1.0, 0.5], [1.0, -0.9], x)
        return y, pullback, pullback(y)

    def test_results_stay_while_others_are_made(self):
        y, pullback, (db, da, dx) = self.gradients(0)
        held = dx.copy()
        part = dx[100:200]
        del dx
        for seed in range(1, 4):
            self.gradients(seed)
        np.testing.assert_array_equal(part, held[100:200])
        again = pullback(y)
        for ours, before in zip(again, (db, da, held), strict=True):
            np.testing.assert_array_equal(ours, before)

    def test_it_is_given_back_and_bounded(self):
        from sigrnn.gradients.memory import MOST, pool

        for seed in range(3):
            self.gradients(seed)
        gc.collect()
        assert 0 < pool.waiting <= MOST
        assert pool.waiting == sum(size * len(free) for size, free in pool.free.items())

    def test_threads_do_not_share_it(self):
        expected = [self.gradients(seed)[2] for seed in range(8)]
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda seed: self.gradients(seed)[2], range(8)))
        for ours, theirs in zip(found, expected, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)
