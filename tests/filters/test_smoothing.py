"""`savgol_filter` and `deconvolve` against SciPy."""

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, Unchanged, assert_close, noise, same_values
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sigrnn import deconvolve, savgol_filter
from sigrnn.filters import deconvolution

examples = settings(derandomize=True, max_examples=150, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)
SHAPES = {
    "one": ((60,), -1),
    "last": ((3, 60), 1),
    "first": ((60, 3), 0),
    "many": ((60, 9), 0),
    "middle": ((2, 60, 4), 1),
}


@given(
    seeds,
    st.sampled_from([1, 2, 5, 6, 21, 60]),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 1, 2, 4]),
    st.sampled_from(["interp", "mirror", "constant", "nearest", "wrap"]),
    st.sampled_from(list(SHAPES)),
    st.sampled_from("ddfi"),
    st.sampled_from(list(LAYOUTS)),
)
@examples
def test_savgol_filter_is_scipys(seed, window, order, deriv, mode, where, dtype, layout):
    assume(order < window)
    shape, axis = SHAPES[where]
    x = same_values(layout, noise(np.random.default_rng(seed), shape, dtype))
    with Unchanged(x):
        y = savgol_filter(x, window, order, deriv, 0.5, axis, mode, 1.5)
    native = x.astype(x.dtype.newbyteorder("="))
    expected = scipy.signal.savgol_filter(native, window, order, deriv, 0.5, axis, mode, 1.5)
    assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
    # SciPy fits float32 edges in float32, and taps are those of a least-squares problem.
    size = np.abs(x).max() * 2.0**deriv
    np.testing.assert_allclose(y, expected, rtol=0, atol=(1e-3 if dtype == "f" else 1e-10) * size)


@pytest.mark.parametrize("deriv", [0, 1, 2, 3])
def test_polynomials_stay_what_they_are(deriv):
    time = np.linspace(-1, 1, 101)
    cubic = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0])
    y = savgol_filter(cubic(time), 11, 3, deriv, delta=time[1] - time[0])
    np.testing.assert_allclose(y, cubic.deriv(deriv)(time) if deriv else cubic(time), atol=1e-7)


def test_nan_stays_within_the_window():
    x = np.ones(50)
    x[25] = np.nan
    for window in (5, 8):
        wrong = np.flatnonzero(np.isnan(savgol_filter(x, window, 2)))
        np.testing.assert_array_equal(wrong, 25 + np.arange(window) - window // 2)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: savgol_filter(np.ones(9), 5, 5), ValueError, "polyorder must be less than window_length"),
        (
            lambda: savgol_filter(np.ones(9), 11, 2),
            ValueError,
            "window_length must be less than or equal to the size of x",
        ),
        (lambda: savgol_filter(np.ones(9), 5, 2, mode="bad"), ValueError, "mode must be 'mirror'"),
        (lambda: savgol_filter(np.ones(9), 5, 2, axis=1), IndexError, "axis 1 is out of bounds"),
        (lambda: deconvolve([], [1.0]), ValueError, "signal must be non-empty 1d"),
        (lambda: deconvolve([1.0], [[1.0]]), ValueError, "divisor must be non-empty 1d"),
        (lambda: deconvolve([1.0, 2.0], [0.0, 1.0]), ValueError, "must not be 0"),
    ],
)
def test_bad_input_is_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


@given(seeds, st.integers(1, 40), st.integers(1, 12), st.sampled_from("ddfFDi"), st.sampled_from("dfDi"))
@examples
def test_deconvolve_is_scipys(seed, samples, taps, dtype, kind):
    rng = np.random.default_rng(seed)
    s, d = noise(rng, samples, dtype), noise(rng, taps, kind)
    d[0] = d.dtype.type(1 + np.abs(d).sum())  # zeros inside the circle: no error grows
    with Unchanged(s, d):
        found = deconvolve(s, d)
    for y, expected in zip(found, scipy.signal.deconvolve(s, d), strict=True):
        assert np.shape(y) == np.shape(expected)
        assert np.asarray(y).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.abs(s).max() * (1 + np.abs(d).max()))
    assert type(found[0]) is type(scipy.signal.deconvolve(s, d)[0])


def test_what_was_filtered_comes_back():
    rng = np.random.default_rng(0)
    original, taps = rng.standard_normal(5000), np.append(1.0, 0.1 * rng.standard_normal(30))
    quotient, remainder = deconvolve(np.convolve(taps, original), taps)
    assert_close(quotient, original)
    assert np.abs(remainder).max() < 1e-12


def test_the_signal_is_not_taken_for_a_filter(monkeypatch):
    lengths = []
    found = deconvolution.lfilter
    monkeypatch.setattr(deconvolution, "lfilter", lambda b, a, x: lengths.append((len(b), len(a))) or found(b, a, x))
    deconvolve(np.ones(1000), [2.0, 1.0, 0.5])
    assert lengths == [(1, 3), (3, 1)]  # of order 1000 the division would cost N^2


def test_long_doubles_go_to_scipy():
    s, d = np.array([2, 3, 1], np.longdouble), np.array([2, 1], np.longdouble)
    for y, expected in zip(deconvolve(s, d), scipy.signal.deconvolve(s, d), strict=True):
        np.testing.assert_array_equal(y, expected)
