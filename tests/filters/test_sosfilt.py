"""`sosfilt` against SciPy: dtypes, sections, axes, states, layouts, shapes, outputs, errors."""

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, WRITABLE, Unchanged, assert_close, assert_same, noise, same_values, stable

import sigrnn
from sigrnn import lfilter, sosfilt

METHODS = ["auto", "sequential", "blocked"]
ALL = "?bBhHiIlLqQefdgFDGO"


def cascade(rng, count, kind=float):
    """Random stable sections (count, 6)."""
    pairs = [stable(rng, 2) for _ in range(count)]
    return np.array([np.concatenate(pair) for pair in pairs], kind).reshape(count, 6)


def outcome(function, *args, **kwargs):
    """The results as a list, or the exception."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        return error
    return list(result) if isinstance(result, tuple) else [result]


def assert_same_outcome(ours, theirs):
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    assert not isinstance(ours, Exception), ours
    for mine, their in zip(ours, theirs, strict=True):
        assert_close(mine, their)


def shape_of_state(count, shape, axis):
    return [count, *(2 if k == axis % len(shape) else n for k, n in enumerate(shape))]


# Against SciPy


@pytest.mark.parametrize("coefficients", "?iefdgFDGO")
@pytest.mark.parametrize("kind", ALL)
def test_dtypes(rng, kind, coefficients):
    x = noise(rng, (2, 30), kind)
    sos = np.array([[1, 0, 1, 1, 0, 0], [1, 1, 0, 1, 0, 1]], coefficients)
    for zi in (None, np.ones((2, 2, 2), "f"), np.ones((2, 2, 2), "D")):
        ours, theirs = (outcome(f, sos, x, zi=zi) for f in (sosfilt, scipy.signal.sosfilt))
        assert_same_outcome(ours, theirs)


# Single precision takes the same code but for loads and stores: one number of sections, to save compilations.
@pytest.mark.parametrize(
    ("count", "kind"), [(n, k) for k in "dD" for n in (1, 2, 3, 4, 5, 6, 8)] + [(2, "f"), (2, "F")]
)
def test_sections(rng, count, kind):
    sos = cascade(rng, count, "f" if kind in "fF" else "d")
    for shape in ((40,), (3, 40), (20, 40), (2, 3, 40), (3500,)):
        x, zi = noise(rng, shape, kind), noise(rng, shape_of_state(count, shape, -1), kind)
        with Unchanged(sos, x, zi):
            for ours, theirs in zip(sosfilt(sos, x, zi=zi), scipy.signal.sosfilt(sos, x, zi=zi), strict=True):
                assert_close(ours, theirs)
            assert_close(sosfilt(sos, x), scipy.signal.sosfilt(sos, x))


@pytest.mark.parametrize("samples", [0, 1, 50, 5000])
def test_no_sections(rng, samples):
    sos, x = np.empty((0, 6)), noise(rng, (2, samples))
    assert_same(sosfilt(sos, x), x)
    assert_same(sosfilt(sos, x[0]), x[0])
    y, zf = sosfilt(sos, x, zi=np.empty((0, 2, 2)))
    assert_same(y, x)
    assert zf.shape == (0, 2, 2)


@pytest.mark.parametrize("kind", "dD")
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (1, 1, 9), (20, 1, 3)])
def test_axes(rng, shape, kind):
    x, sos = noise(rng, shape, kind), cascade(rng, 2)
    for axis in range(-len(shape), len(shape)):
        zi = noise(rng, shape_of_state(2, shape, axis), kind)
        with Unchanged(x, sos, zi):
            for ours, theirs in zip(sosfilt(sos, x, axis, zi), scipy.signal.sosfilt(sos, x, axis, zi), strict=True):
                assert_close(ours, theirs)
            assert_close(sosfilt(sos, x, axis), scipy.signal.sosfilt(sos, x, axis))


@pytest.mark.parametrize("samples", [*range(1, 18), 127, 128, 129, 1023, 1024, 1025, 3200, 3201, 4096, 4097, 20_000])
def test_lengths(rng, samples):
    sos, x, zi = cascade(rng, 3), noise(rng, samples), noise(rng, (3, 2))
    for method in METHODS:
        ours, theirs = sosfilt(sos, x, zi=zi, method=method), scipy.signal.sosfilt(sos, x, zi=zi)
        assert_close(ours[0], theirs[0])
        assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("channels", [*range(1, 20), 33])
def test_channels(rng, channels):
    sos, x, zi = cascade(rng, 2), noise(rng, (channels, 150)), noise(rng, (2, channels, 2))
    for ours, theirs in zip(sosfilt(sos, x, zi=zi), scipy.signal.sosfilt(sos, x, zi=zi), strict=True):
        assert_close(ours, theirs)
    assert_close(sosfilt(sos, x.T, 0), scipy.signal.sosfilt(sos, x.T, 0))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (0, 0), (2, 0, 3)])
def test_empty(rng, shape):
    x, sos = np.empty(shape), cascade(rng, 2)
    for axis in range(x.ndim):
        zi = np.ones(shape_of_state(2, shape, axis))
        assert_same(sosfilt(sos, x, axis), x)
        y, zf = sosfilt(sos, x, axis, zi)
        assert_same(y, x)
        assert_same(zf, zi)
        assert not np.shares_memory(zf, zi)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    sos = cascade(rng, 2)
    for shape in ((1500,), (17, 140), (2, 3, 130), (4, 2500)):
        x = same_values(layout, noise(rng, shape))
        zi = same_values(layout, noise(rng, shape_of_state(2, shape, -1)))
        with Unchanged(x, zi):
            for ours, theirs in zip(sosfilt(sos, x, zi=zi), scipy.signal.sosfilt(sos, x, zi=zi), strict=True):
                assert_close(ours, theirs)
        assert_close(sosfilt(sos, x, 0), scipy.signal.sosfilt(sos, x, 0))
    if "for all" not in layout:
        assert_close(sosfilt(same_values(layout, sos), np.array(x)), scipy.signal.sosfilt(sos, np.array(x)))


def test_array_likes():
    sos = [[1.0, 0.5, 0, 1, -0.5, 0.25]]
    desired = scipy.signal.sosfilt(sos, [1.0, 2, 3])
    assert_close(sosfilt(sos, [1.0, 2, 3]), desired)
    assert_close(sosfilt(sos[0], (1.0, 2, 3)), desired)  # a single section, as SciPy takes it
    assert_close(sosfilt(sos, [1, 2, 3], 0, [[0.0, 0.0]])[0], desired)


def test_is_lfilter_for_a_single_section(rng):
    b, a = stable(rng, 2)
    x = noise(rng, 5000)
    assert_close(sosfilt(np.concatenate([b, a]), x), lfilter(b, a, x), 200)


# Initial states


@pytest.mark.parametrize("channels", [1, 3, 9])
def test_state_broadcasts(rng, channels):
    sos, x, one = cascade(rng, 3), noise(rng, (channels, 30)), noise(rng, (3, 2))
    full = np.repeat(one[:, None], channels, axis=1)
    desired = scipy.signal.sosfilt(sos, x, zi=full)
    for given in (full, one[:, None], one):
        for ours, theirs in zip(sosfilt(sos, x, zi=given), desired, strict=True):
            assert_close(ours, theirs)
    for given in (np.moveaxis(full, 1, 2), one[:, :, None], one):
        for ours, theirs in zip(sosfilt(sos, x.T, 0, given), desired, strict=True):
            assert_close(np.moveaxis(ours, -1, -2), theirs)


@pytest.mark.parametrize("zi", [0, np.float64(0), 2.5, np.array(2.5)])
@pytest.mark.parametrize("shape", [(30,), (3, 30), (2, 3, 30)])
def test_scalar_state(rng, shape, zi):
    sos, x = cascade(rng, 2), noise(rng, shape)
    theirs = scipy.signal.sosfilt(sos, x, zi=np.full(shape_of_state(2, shape, -1), float(zi)))
    for mine, their in zip(sosfilt(sos, x, zi=zi), theirs, strict=True):
        assert_close(mine, their)


def test_ones_for_some_channels(rng):
    sos, x, zi = cascade(rng, 2), noise(rng, (4, 3, 30)), noise(rng, (2, 4, 1, 2))
    theirs = scipy.signal.sosfilt(sos, x, zi=np.repeat(zi, 3, axis=2))
    for mine, their in zip(sosfilt(sos, x, zi=zi), theirs, strict=True):
        assert_close(mine, their)


def test_final_state_continues(rng):
    sos, x = cascade(rng, 3), noise(rng, (2, 3000))
    whole = sosfilt(sos, x, method="sequential")
    first, zf = sosfilt(sos, x[:, :1111], zi=0, method="sequential")
    second, _ = sosfilt(sos, x[:, 1111:], zi=zf, method="sequential")
    assert_same(np.concatenate([first, second], axis=1), whole)


# out=, method=, dtype


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", "fdFD")
def test_out(rng, kind, method):
    sos = cascade(rng, 2, "f" if kind in "fF" else "d")
    for shape in ((40,), (3, 40), (3, 2500), (20, 200)):
        x = noise(rng, shape, kind)
        zi = np.zeros(shape_of_state(2, shape, -1), kind)
        desired, final = sosfilt(sos, x, zi=zi, method=method)
        out = np.full_like(x, 7)
        with Unchanged(sos, x):
            y, zf = sosfilt(sos, x, zi=zi, out=out, method=method)
        assert y is out
        assert_same(out, desired)
        assert_same(zf, final)
        for axis in range(x.ndim):
            out = x.copy()
            assert sosfilt(sos, out, axis, out=out, method=method) is out
            assert_same(out, sosfilt(sos, x, axis, method=method))


@pytest.mark.parametrize("layout", WRITABLE)
def test_layouts_of_out(rng, layout):
    sos = cascade(rng, 2)
    for shape in ((1500,), (17, 140), (2, 3, 130), (4, 2500)):
        x = noise(rng, shape)
        out = WRITABLE[layout](np.zeros(shape))
        assert sosfilt(sos, x, out=out) is out
        assert_close(out, scipy.signal.sosfilt(sos, x))
        out[...] = x
        sosfilt(sos, out, out=out)
        assert_close(out, scipy.signal.sosfilt(sos, x))


@pytest.mark.parametrize("samples", [50, 3000])
def test_out_overlaps_the_input(rng, samples):
    sos = cascade(rng, 2)
    for start, step in ((5, 1), (0, 2), (0, -1)):
        room = noise(rng, 2 * samples + 5)
        x, out = room[:samples], room[:samples][::-1] if step < 0 else room[start : start + step * samples : step]
        desired = scipy.signal.sosfilt(sos, x.copy())
        sosfilt(sos, x, out=out)
        assert_close(out, desired)


@pytest.mark.parametrize(
    ("out", "error", "says"),
    [
        (np.empty(6), ValueError, r"out has shape \(6,\), expected \(5,\)"),
        (np.empty(5, "f"), TypeError, "out has dtype .*float32.*, expected .*float64"),
        ([0.0] * 5, TypeError, "out must be an array, got list"),
        (np.broadcast_to(0.0, 5), ValueError, "out is read-only"),
    ],
)
def test_wrong_out(rng, out, error, says):
    with pytest.raises(error, match=says):
        sosfilt(cascade(rng, 1), np.ones(5), out=out)


@pytest.mark.parametrize("kind", "gG")
def test_out_where_scipy_filters(rng, kind):
    sos, x = cascade(rng, 2), noise(rng, 30, kind)
    out = np.empty_like(x)
    assert sosfilt(sos, x, out=out) is out
    assert_close(out, scipy.signal.sosfilt(sos, x))


def test_sequential_is_one_result(rng):
    sos, x = cascade(rng, 3), noise(rng, (20, 3000))
    alone = np.array([sosfilt(sos, row, method="sequential") for row in x])
    assert_same(sosfilt(sos, x, method="sequential"), alone)
    assert_same(sosfilt(sos, x.T, 0, method="sequential"), alone.T)
    assert_same(sosfilt(sos, x), alone)
    with sigrnn.set_workers(2):
        assert_same(sosfilt(sos, x), alone)


def test_float32_is_computed_in_double_and_rounded_once(rng):
    sos, x = cascade(rng, 2, "f"), noise(rng, (3, 2000), "f")
    zi = noise(rng, (2, 3, 2), "f")
    y, zf = sosfilt(sos, x, zi=zi, method="sequential")
    double, state = sosfilt(sos.astype(float), x.astype(float), zi=zi, method="sequential")
    assert_same(y, double.astype("f"))
    assert_same(zf, state.astype("f"))


@pytest.mark.parametrize("kind", "fF")
def test_python_scalar_as_state_keeps_single_precision(rng, kind):
    for zi in (0, 0.0, 1.5):
        y, zf = sosfilt(cascade(rng, 2, "f"), noise(rng, 20, kind), zi=zi)
        assert y.dtype == zf.dtype == np.dtype(kind)


# A filter for each channel


def channel_loop(sos, x, zi=None):
    """SciPy for each channel: sos, x with the same leading axes, time last; zi (S, ..., 2)."""
    y, zf = np.empty_like(x), None if zi is None else np.empty_like(zi)
    for c in np.ndindex(x.shape[:-1]):
        if zi is None:
            y[c] = scipy.signal.sosfilt(sos[c], x[c])
        else:
            y[c], zf[(slice(None), *c)] = scipy.signal.sosfilt(sos[c], x[c], zi=zi[(slice(None), *c)])
    return y if zi is None else (y, zf)


@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize("channels", [(1,), (3,), (20,), (2, 3), (4, 1, 5)])
def test_filter_for_each_channel(rng, channels, kind):
    sos = cascade(rng, 2 * int(np.prod(channels)), "f").reshape(*channels, 2, 6)
    x, zi = noise(rng, (*channels, 200), kind), noise(rng, (2, *channels, 2), kind)
    if kind in "FD":
        sos = sos * np.array([1j, 1j, 1j, 1, 1, 1], "F")
    with Unchanged(sos, x, zi):
        for ours, theirs in zip(sosfilt(sos, x, zi=zi), channel_loop(sos, x, zi), strict=True):
            assert_close(ours, theirs)
        assert_close(np.moveaxis(sosfilt(sos, np.moveaxis(x, -1, 0), 0), 0, -1), channel_loop(sos, x))


def test_filter_for_each_channel_of_long_signals(rng):
    sos, x = cascade(rng, 6).reshape(3, 2, 6), noise(rng, (3, 5000))
    for method in METHODS:
        assert_close(sosfilt(sos, x, method=method), channel_loop(sos, x))


@pytest.mark.parametrize(("axes", "channels"), [((3,), (2, 3)), ((2, 1), (2, 3)), ((2, 3), (1, 3)), ((2, 3), (1, 1))])
def test_leading_axes_broadcast(rng, axes, channels):
    sos = cascade(rng, 2 * int(np.prod(axes))).reshape(*axes, 2, 6)
    x = noise(rng, (*channels, 60))
    full = np.broadcast_shapes(axes, channels)
    desired = channel_loop(
        np.array(np.broadcast_to(sos, (*full, 2, 6)), order="C"), np.array(np.broadcast_to(x, (*full, 60)))
    )
    assert_close(sosfilt(sos, x), desired)


# Errors

SECTION = [1.0, 0.5, 0, 1, 0.5, 0]
WRONG = {
    "five columns": (([[1.0, 2, 3, 1, 2]], np.ones(5)), {}, r"\(n_sections, 6\).*\(1, 5\)"),
    "seven columns": ((np.ones((2, 7)), np.ones(5)), {}, r"\(n_sections, 6\).*\(2, 7\)"),
    "no columns": (([], np.ones(5)), {}, r"\(n_sections, 6\).*\(0,\)"),
    "a0 not 1": (([[1.0, 2, 3, 2, 2, 2]], np.ones(5)), {}, r"sos\[:, 3\] should be all ones"),
    "a0 NaN": (([[1.0, 2, 3, np.nan, 2, 2]], np.ones(5)), {}, r"sos\[:, 3\] should be all ones"),
    "sos 3-D, x 1-D": ((np.ones((2, 1, 6)), np.ones(5)), {}, r"sos .*\(2, 1, 6\)"),
    "x scalar": ((SECTION, 3.0), {}, "x must be at least 1-D"),
    "axis 1": ((SECTION, np.ones(5)), {"axis": 1}, r"axis 1 .* shape \(5,\)"),
    "axis -3": ((SECTION, np.ones((5, 2))), {"axis": -3}, r"axis -3 .* shape \(5, 2\)"),
    "axis a float": ((SECTION, np.ones(5)), {"axis": 0.0}, None),
    "zi of other sections": ((SECTION, np.ones(5)), {"zi": np.ones((2, 2))}, r"zi .*\(1, 2\).*\(2, 2\)"),
    "zi without sections": ((SECTION, np.ones(5)), {"zi": np.ones(2)}, r"zi .*\(1, 2\).*\(2,\)"),
    "zi of order 3": ((SECTION, np.ones(5)), {"zi": np.ones((1, 3))}, r"zi .*\(1, 2\).*\(1, 3\)"),
    "zi for other channels": ((SECTION, np.ones((3, 5))), {"zi": np.ones((1, 2, 2))}, r"zi .*\(1, 3, 2\).*\(1, 2, 2\)"),
    "integers": (([[1, 0, 0, 1, 0, 0]], [1, 2, 3]), {}, "int64"),
    "strings": ((SECTION, ["a", "b"]), {}, None),
    "ragged": ((SECTION, [[1.0], [1.0, 2.0]]), {}, None),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_scipys(case):
    args, options, says = WRONG[case]
    theirs = outcome(scipy.signal.sosfilt, *args, **options)
    assert isinstance(theirs, Exception)
    with pytest.raises(type(theirs), match=says):
        sosfilt(*args, **options)


@pytest.mark.parametrize("zi", [None, 0.0])
def test_objects_go_to_scipy(zi):
    x, state = np.ones(5, object), None if zi is None else np.zeros((1, 2))
    theirs = outcome(scipy.signal.sosfilt, SECTION, x, zi=state)
    if isinstance(theirs, Exception):  # its compiled code has none for objects and raises "No matching signature found"
        with pytest.raises(type(theirs), match=r"x has dtype object.*No matching signature"):
            sosfilt(SECTION, x, zi=zi)
    else:
        assert np.array_equal(sosfilt(SECTION, x, zi=zi)[0], theirs[0])


@pytest.mark.parametrize("method", ["fast", None, "fft"])
def test_unknown_method(method):
    with pytest.raises(ValueError, match="method"):
        sosfilt(SECTION, np.ones(5), method=method)


def test_filters_that_do_not_fit_the_channels():
    sos = np.tile(SECTION, (2, 1, 1))
    with pytest.raises(ValueError, match=r"sos \(2, 1, 6\) .* channels \(5,\) of x"):
        sosfilt(sos, np.ones((5, 20)))
