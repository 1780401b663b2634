"""`filtfilt` and `sosfiltfilt` against SciPy: paddings, dtypes, axes, layouts, outputs, a filter for each channel, errors."""

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, WRITABLE, Unchanged, assert_close, close_enough, noise, same_values, stable

from sigrnn import filtfilt, sosfiltfilt

PADDINGS = ["odd", "even", "constant", None]
# The start-up state solves a linear system and the end of the first pass is the start of the second, so errors are
# larger than a filter's own: a few more digits than `assert_close` grants.
EPS = 20_000


def cascade(rng, count, kind=float):
    pairs = [stable(rng, 2) for _ in range(count)]
    return np.array([np.concatenate(pair) for pair in pairs], kind)


def outcome(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return error


# Against SciPy


@pytest.mark.parametrize("padlen", [None, 0, 1, 20, 59])
@pytest.mark.parametrize("padtype", PADDINGS)
def test_paddings(rng, padtype, padlen):
    x, sos = noise(rng, (2, 60)), cascade(rng, 2)
    for b, a in (stable(rng, 2), stable(rng, 9), (noise(rng, 4), [2.0]), ([2.0], [1.0, 0.5])):
        with Unchanged(x):
            ours, theirs = (f(b, a, x, padtype=padtype, padlen=padlen) for f in (filtfilt, scipy.signal.filtfilt))
        assert_close(ours, theirs, EPS)
    ours, theirs = (f(sos, x, padtype=padtype, padlen=padlen) for f in (sosfiltfilt, scipy.signal.sosfiltfilt))
    assert_close(ours, theirs, EPS)


@pytest.mark.parametrize("coefficients", "iefdgFDO")
@pytest.mark.parametrize("kind", "?bBhHiIlLqQefdgFDGO")
def test_dtypes(rng, kind, coefficients):
    x = noise(rng, (2, 40), kind)
    cases = [
        (filtfilt, scipy.signal.filtfilt, ([1, 2], [4, 1])),
        (filtfilt, scipy.signal.filtfilt, ([1, 2, 1], [1])),
        (sosfiltfilt, scipy.signal.sosfiltfilt, ([[1, 0, 1, 1, 0, 0], [2, 1, 0, 1, 0, 0]],)),
    ]
    for mine, their, given in cases:
        given = [np.array(c, coefficients) for c in given]
        with np.errstate(all="ignore"):
            ours, theirs = (outcome(f, *given, x) for f in (mine, their))
            if isinstance(theirs, Exception):  # before 1.18 SciPy finds no initial state in half and extended precision
                assert isinstance(ours, type(theirs)) or coefficients in "eg" or kind in "egG", (ours, theirs)
                continue
            # SciPy continues the signal in its own dtype: small integers wrap around, half precision is rounded, bool
            # becomes int64. Ours is continued in the dtype of the result, so compare with SciPy given that, too.
            exact = their(*given, x.astype(ours.dtype))
        assert ours.dtype == theirs.dtype or kind == "?"
        assert np.array_equal(ours, theirs) or close_enough(ours, exact, EPS)  # equal: SciPy itself filtered


def test_integers_do_not_wrap():
    x = np.array([100, -100, 50] * 20, np.int8)
    desired = scipy.signal.filtfilt([1.0, 1], [2.0, 1], x.astype(float))
    assert_close(filtfilt([1.0, 1], [2.0, 1], x), desired, EPS)


def assert_same_outcome(ours, theirs):
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
        return
    assert not isinstance(ours, Exception), ours
    assert_close(ours, theirs, EPS)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 8, 9])
def test_orders(rng, order):
    b, a = stable(rng, order)
    shapes = [(200,), (3, 200), (10, 200), (5000,)] if order in (2, 9) else [(200,)]  # to save compilations
    for shape in shapes:
        x = noise(rng, shape)
        assert_close(filtfilt(b, a, x), scipy.signal.filtfilt(b, a, x), EPS)
        assert_close(filtfilt(b, [2.0], x), scipy.signal.filtfilt(b, [2.0], x), EPS)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_sections(rng, count):
    sos = cascade(rng, count)
    sos[0, 2:] = 0.0, 1.0, -0.5, 0.0  # a section of first order shortens the padding
    for shape in ((200,), (3, 200), (10, 200), (5000,)):
        x = noise(rng, shape)
        assert_close(sosfiltfilt(sos, x), scipy.signal.sosfiltfilt(sos, x), EPS)


@pytest.mark.parametrize("kind", "dD")
@pytest.mark.parametrize("shape", [(40,), (30, 35), (2, 40, 3), (30, 32, 31, 33)])
def test_axes(rng, shape, kind):
    x, sos = noise(rng, shape, kind), cascade(rng, 1)
    b, a = stable(rng, 2)
    for axis in range(-len(shape), len(shape)):
        for ours, theirs, coefficients in (
            (filtfilt, scipy.signal.filtfilt, (b, a)),
            (sosfiltfilt, scipy.signal.sosfiltfilt, (sos,)),
        ):
            mine, their = (outcome(f, *coefficients, x, axis) for f in (ours, theirs))
            assert_same_outcome(mine, their)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    sos = cascade(rng, 1)
    b, a = stable(rng, 2)
    for shape in ((1500,), (17, 140), (2, 3, 130)):
        x = same_values(layout, noise(rng, shape))
        with Unchanged(x):
            assert_close(filtfilt(b, a, x), scipy.signal.filtfilt(b, a, x), EPS)
            assert_close(filtfilt(b, [1.0], x), scipy.signal.filtfilt(b, [1.0], x), EPS)
            assert_close(sosfiltfilt(sos, x), scipy.signal.sosfiltfilt(sos, x), EPS)


def test_gain(rng):
    # SciPy has no start-up state for a filter without memory before 1.18, and raises.
    x = noise(rng, 40)
    np.testing.assert_array_equal(filtfilt([2.0], [1.0], x), 4 * x)


def test_negative_padlen_is_none(rng):
    b, a = stable(rng, 2)
    x = noise(rng, 40)
    theirs = scipy.signal.filtfilt(b, a, x, padlen=-3)
    ours = outcome(filtfilt, b, a, x, padlen=-3)
    # SciPy takes it for 0. A clear error is as good.
    assert (isinstance(ours, ValueError) and "padlen" in str(ours)) or np.allclose(ours, theirs)


@pytest.mark.parametrize("irlen", [None, 20])
def test_gustafsson(rng, irlen):
    b, a = stable(rng, 2)
    for x, axis in ((noise(rng, 100), -1), (noise(rng, (100, 2)), 0)):
        ours, theirs = (f(b, a, x, axis, method="gust", irlen=irlen) for f in (filtfilt, scipy.signal.filtfilt))
        assert_close(ours, theirs)
        out = np.empty_like(x)
        assert filtfilt(b, a, x, axis, method="gust", irlen=irlen, out=out) is out
        assert_close(out, theirs)


def test_long_narrow_filter(rng):
    # Transients of thousands of samples: the start-up state is what keeps the ends right.
    b, a = scipy.signal.butter(2, 0.001)
    x = np.sin(np.arange(20_000) / 2000) + noise(rng, 20_000)
    # Poles near 1 condition the start-up state as 1 / (1 - radius)^2, here 1e5.
    assert_close(filtfilt(b, a, x), scipy.signal.filtfilt(b, a, x), 1e6)


def test_no_delay(rng):
    b, a = scipy.signal.butter(3, 0.2)
    x = np.exp(-(((np.arange(201) - 100) / 10.0) ** 2))  # symmetric: so must the answer be
    for y in (filtfilt(b, a, x), sosfiltfilt(scipy.signal.butter(3, 0.2, output="sos"), x)):
        np.testing.assert_allclose(y, y[::-1], rtol=0, atol=1e-6)


# out=


@pytest.mark.parametrize("kind", "fdFD")
def test_out(rng, kind):
    sos = cascade(rng, 2, "f" if kind in "fF" else "d")
    b, a = sos[0, :3].copy(), sos[0, 3:].copy()
    for shape in ((60,), (3, 1200), (20, 60)):
        x = noise(rng, shape, kind)
        for function, coefficients in ((filtfilt, (b, a)), (filtfilt, (b, a[:1])), (sosfiltfilt, (sos,))):
            desired = function(*coefficients, x)
            out = np.full_like(x, 7)
            with Unchanged(x):
                assert function(*coefficients, x, out=out) is out
            assert np.array_equal(out, desired)
            out = x.copy()
            assert function(*coefficients, out, out=out) is out  # in place
            assert np.array_equal(out, desired)


@pytest.mark.parametrize("layout", WRITABLE)
def test_layouts_of_out(rng, layout):
    b, a = stable(rng, 2)
    for shape in ((60,), (3, 60), (2, 3, 60)):
        x, out = noise(rng, shape), WRITABLE[layout](np.zeros(shape))
        assert filtfilt(b, a, x, out=out) is out
        assert_close(out, scipy.signal.filtfilt(b, a, x), EPS)


def test_out_overlaps_the_input(rng):
    b, a = stable(rng, 2)
    for shift in (slice(0, 100), slice(3, 103), slice(0, 200, 2), slice(99, None, -1)):
        room = noise(rng, 210)
        desired = scipy.signal.filtfilt(b, a, room[:100].copy())
        filtfilt(b, a, room[:100], out=room[shift])
        assert_close(room[shift], desired, EPS)


@pytest.mark.parametrize(
    ("out", "error", "says"),
    [
        (np.empty(6), ValueError, r"out has shape \(6,\), expected \(50,\)"),
        (np.empty(50, "f"), TypeError, "out has dtype .*float32.*, expected .*float64"),
        ([0.0] * 50, TypeError, "out must be an array, got list"),
        (np.broadcast_to(0.0, 50), ValueError, "out is read-only"),
    ],
)
def test_wrong_out(rng, out, error, says):
    with pytest.raises(error, match=says):
        filtfilt([1.0, 2], [1.0, 0.5], np.ones(50), out=out)
    with pytest.raises(error, match=says):
        sosfiltfilt([1.0, 2, 0, 1, 0.5, 0], np.ones(50), out=out)


# A filter for each channel


@pytest.mark.parametrize(
    ("axes", "channels"), [((3,), (3,)), ((9,), (9,)), ((2, 3), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((3,), (1,))]
)
def test_filter_for_each_channel(rng, axes, channels):
    count = int(np.prod(axes))
    sos = cascade(rng, 2 * count).reshape(*axes, 2, 6)
    pairs = [stable(rng, 2) for _ in range(count)]
    b, a = (np.array(part).reshape(*axes, 3) for part in zip(*pairs, strict=True))
    x = noise(rng, (*channels, 80))
    full = np.broadcast_shapes(axes, channels)
    sos_full, b_full, a_full, x_full = (
        np.array(np.broadcast_to(c, (*full, *c.shape[len(c.shape) - own :])), order="C")
        for c, own in ((sos, 2), (b, 1), (a, 1), (x, 1))
    )
    desired, sections = np.empty_like(x_full), np.empty_like(x_full)
    for c in np.ndindex(full):
        desired[c] = scipy.signal.filtfilt(b_full[c], a_full[c], x_full[c])
        sections[c] = scipy.signal.sosfiltfilt(sos_full[c], x_full[c])
    assert_close(filtfilt(b, a, x), desired, EPS)
    assert_close(np.moveaxis(filtfilt(b, a, np.moveaxis(x, -1, 0), 0), 0, -1), desired, EPS)
    assert_close(sosfiltfilt(sos, x, padlen=None), sections, EPS)


# Errors

B, A, SOS = [1.0, 2], [1.0, 0.5], [[1.0, 2, 0, 1, 0.5, 0]]
WRONG = {
    "padtype": ({"padtype": "mirror"}, np.ones(50), "'mirror'.*padtype must be 'even', 'odd', 'constant', or None"),
    "too short": ({}, np.ones(6), "greater than padlen, which is 6"),
    "padlen too long": ({"padlen": 50}, np.ones(50), "greater than padlen, which is 50"),
    "empty": ({}, np.ones(0), "greater than padlen"),
    "empty, no padding": ({"padtype": None}, np.ones(0), "greater than padlen"),
    "axis": ({"axis": 1}, np.ones(50), None),
    "strings": ({}, ["a"] * 50, None),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_scipys(case):
    options, x, says = WRONG[case]
    for ours, theirs, coefficients in (
        (filtfilt, scipy.signal.filtfilt, (B, A)),
        (sosfiltfilt, scipy.signal.sosfiltfilt, (SOS,)),
    ):
        error = outcome(theirs, *coefficients, x, **options)
        assert isinstance(error, Exception)
        with pytest.raises(type(error), match=says):
            ours(*coefficients, x, **options)


def test_scalar_signal():
    for function, coefficients in ((filtfilt, (B, A)), (sosfiltfilt, (SOS,))):
        with pytest.raises(ValueError, match="x must be at least 1-D"):
            function(*coefficients, 1.0)


def test_wrong_method():
    with pytest.raises(ValueError, match="method must be 'pad' or 'gust', got 'fft'"):
        filtfilt(B, A, np.ones(50), method="fft")


@pytest.mark.parametrize(
    ("b", "a", "says"),
    [
        ([], A, r"b must be 1-D and not empty .* got shape \(0,\)"),  # IndexError of SciPy
        ([B], A, r"b must be 1-D .* got shape \(1, "),  # of which SciPy takes the rows for taps
        (B, [A, A], r"a must be 1-D .* got shape \(2, "),
        (B, [0.0, 1.0], r"a\[0\] must not be 0"),
    ],
)
def test_gustafsson_takes_one_filter(b, a, says):
    with pytest.raises(ValueError, match=says):
        filtfilt(b, a, np.ones(50), method="gust")
    with pytest.raises(ValueError, match=says):
        filtfilt(b, a, np.ones(50, np.longdouble))


@pytest.mark.parametrize("sos", [np.ones((1, 5)), np.ones((2, 7)), [[1.0, 2, 3, 2, 1, 1]]])
def test_wrong_sections(sos):
    with pytest.raises(ValueError, match="sos"):
        scipy.signal.sosfiltfilt(sos, np.ones(50))
    with pytest.raises(ValueError, match="sos"):
        sosfiltfilt(sos, np.ones(50))


def test_pole_at_one():
    ones = np.ones(50)
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        filtfilt([1.0], [1.0, -1.0], ones)
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        sosfiltfilt([1.0, 0, 0, 1, -1, 0], ones)
    for function, given in (
        (scipy.signal.filtfilt, ([1.0], [1.0, -1.0])),
        (scipy.signal.sosfiltfilt, ([1.0, 0, 0, 1, -1, 0],)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 its subclass LinAlgError before 1.18
            function(*given, ones)
