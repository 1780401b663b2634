"""NaN, infinities and overflow reach the samples they reach in SciPy: nothing earlier, whatever the method."""

import numpy as np
import pytest
import scipy.signal
from helpers import close_enough, noise, stable

from sigrnn import filtfilt, lfilter, lfilter_tv, sosfilt, sosfiltfilt

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy and SciPy say so when they meet them

BAD = [np.nan, np.inf, -np.inf]
SAMPLES = 8000
# First, last, borders of blocks (a multiple of 4 from 64 to 500 samples, 16 of them to a stretch), of tiles (128) and
# of the plain recurrence's part at the end, and some places in between.
PLACES = [0, 1, 127, 128, 199, 200, 203, 204, 3199, 3200, 3201, 5000, 7679, 7680, 7984, SAMPLES - 2, SAMPLES - 1]

IIR = {
    "order 1": ([0.5, 0.25], [1.0, -0.9]),
    "order 2": scipy.signal.butter(2, 0.2),
    "order 5": scipy.signal.butter(5, 0.3),
    "order 9": scipy.signal.butter(9, 0.4),
    "comb": ([1.0, 0, 0, 0, 0.5], [1.0, 0, 0, 0.5]),  # a coefficient that is zero still makes NaN of inf
    "feedback once": ([1.0], [1.0, 0.0, 0.5]),
    "no numerator": ([0.0, 1.0], [1.0, -0.5]),
    "integrator": ([1.0], [1.0, -1.0]),
    "unstable": ([1.0], [1.0, -1.001]),
    "not normalised": ([1.0, 2], [2.0, -1.0]),
}
FIR = {
    "taps": np.array([1.0, 0.5, -0.25]),
    "zero taps": np.array([1.0, 0, 0, 0.5, 0]),
    "gain": np.array([2.0]),
    "40 taps": np.hanning(40),
    "500 taps": np.hanning(502)[1:-1],
}
METHODS = ["auto", "sequential", "blocked"]


def assert_same_pattern(ours, theirs, eps=1e6):
    """NaN and inf in the same places, and close elsewhere."""
    assert ours.dtype == theirs.dtype
    for test in (np.isnan, np.isposinf, np.isneginf) if ours.dtype.kind == "f" else (np.isnan, np.isinf):
        wrong = np.flatnonzero((test(ours) != test(theirs)).reshape(-1))
        assert not wrong.size, f"{test.__name__} differs at {wrong.size} places from {wrong[0]} on"
    fine = np.isfinite(theirs)
    assert close_enough(ours[fine], theirs[fine], eps)


def spoilt(rng, place, value, shape=(SAMPLES,)):
    x = noise(rng, shape)
    x[..., place] = value
    return x


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", IIR)
def test_iir(rng, name, method):
    b, a = IIR[name]
    zi = np.zeros(max(len(b), len(a)) - 1)
    for place in PLACES:
        for value in BAD:
            x = spoilt(rng, place, value)
            ours, theirs = lfilter(b, a, x, method=method), scipy.signal.lfilter(b, a, x)
            assert_same_pattern(ours, theirs)
    for place in PLACES[-4:]:
        x = spoilt(rng, place, np.inf)
        for mine, their in zip(
            lfilter(b, a, x, zi=zi, method=method), scipy.signal.lfilter(b, a, x, zi=zi), strict=True
        ):
            assert_same_pattern(mine, their)


@pytest.mark.parametrize("method", [*METHODS, "fft"])
@pytest.mark.parametrize("name", FIR)
def test_fir(rng, name, method):
    b = FIR[name]
    zi = np.zeros(len(b) - 1)
    for place in PLACES:
        for value in BAD:
            x = spoilt(rng, place, value)
            ours, theirs = lfilter(b, [1.0], x, zi=zi, method=method), scipy.signal.lfilter(b, [1.0], x, zi=zi)
            assert_same_pattern(ours[0], theirs[0])
            assert_same_pattern(ours[1], theirs[1])


@pytest.mark.parametrize("channels", [2, 9, 17])
def test_other_channels_are_not_touched(rng, channels):
    b, a = IIR["order 2"]
    clean = noise(rng, (channels, 3000))
    for method in METHODS:
        for bb, aa in ((b, a), (b, [1.0])):
            expected = lfilter(bb, aa, clean, method=method)
            for value in BAD:
                x = clean.copy()
                x[1, 1500] = value
                y = lfilter(bb, aa, x, method=method)
                assert_same_pattern(y, scipy.signal.lfilter(bb, aa, x))
                assert np.array_equal(np.delete(y, 1, axis=0), np.delete(expected, 1, axis=0))
                first = lfilter(bb, aa, x.T, 0, method=method)
                assert_same_pattern(first.T, scipy.signal.lfilter(bb, aa, x))


def test_filters_of_other_channels_are_not_touched(rng):
    b = np.tile(IIR["order 2"][0], (5, 1))
    a = np.tile(IIR["order 2"][1], (5, 1))
    x = noise(rng, (5, 2000))
    clean = lfilter(b, a, x)
    b[2, 1], a[3, 1] = np.nan, np.inf
    y = lfilter(b, a, x)
    for c in range(5):
        assert_same_pattern(y[c], scipy.signal.lfilter(b[c], a[c], x[c]))
    assert np.array_equal(y[[0, 1, 4]], clean[[0, 1, 4]])
    taps = lfilter(b, [1.0], x)
    for c in range(5):
        assert_same_pattern(taps[c], scipy.signal.lfilter(b[c], [1.0], x[c]))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_earlier_is_touched(rng, place):
    # Bits before the bad sample are those of the clean signal, where the method runs sample after sample.
    clean = noise(rng, (2, SAMPLES))
    for b, a in (*IIR.values(), *((taps, [1.0]) for taps in FIR.values())):
        expected = lfilter(b, a, clean, method="sequential")
        for value in BAD:
            x = clean.copy()
            x[0, place] = value
            y = lfilter(b, a, x, method="sequential")
            assert np.array_equal(y[:, :place], expected[:, :place])


@pytest.mark.parametrize("method", METHODS)
def test_sections(rng, method):
    sos = scipy.signal.butter(6, 0.2, output="sos")
    no_feedback = np.array([[1.0, 0.5, 0, 1, 0, 0], [1.0, 0, 2, 1, 0, 0]])
    for sections in (sos, no_feedback):
        for place in PLACES:
            for value in BAD:
                x, zi = spoilt(rng, place, value), np.zeros((len(sections), 2))
                ours, theirs = sosfilt(sections, x, zi=zi, method=method), scipy.signal.sosfilt(sections, x, zi=zi)
                assert_same_pattern(ours[0], theirs[0])
                assert_same_pattern(ours[1], theirs[1])
        x = spoilt(rng, 1000, np.nan, (12, 2000))
        assert_same_pattern(sosfilt(sections, x, method=method), scipy.signal.sosfilt(sections, x))


@pytest.mark.parametrize("kind", "fF")
def test_single_precision(rng, kind):
    b, a = (c.astype("f") for c in IIR["order 2"])
    for place in PLACES[::4]:
        for value in BAD:
            x = spoilt(rng, place, value).astype(kind)
            for aa in (a, a[:1]):
                for method in METHODS:
                    assert_same_pattern(lfilter(b, aa, x, method=method), scipy.signal.lfilter(b, aa, x))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1j * np.inf, complex(np.inf, np.nan), complex(-np.inf, np.inf)])
@pytest.mark.parametrize("name", [*IIR, *FIR])
def test_complex(rng, name, value):
    b, a = IIR[name] if name in IIR else (FIR[name], [1.0])
    methods = [*METHODS, "fft"] if name in FIR else METHODS
    for place in PLACES[::3]:
        x = noise(rng, SAMPLES, complex)
        x[place] = value
        theirs = scipy.signal.lfilter(b, a, x)
        for method in methods:
            assert_same_pattern(lfilter(b, a, x, method=method), theirs)
    rotated = np.exp(1j) * np.asarray(b)
    theirs = scipy.signal.lfilter(rotated, a, x)
    for method in methods:
        assert_same_pattern(lfilter(rotated, a, x, method=method), theirs)


def test_complex_sections(rng):
    sos = scipy.signal.butter(4, 0.2, output="sos")
    for place in PLACES[::3]:
        for value in (np.nan, np.inf, 1j * np.inf):
            x = noise(rng, SAMPLES, complex)
            x[place] = value
            for method in METHODS:
                assert_same_pattern(sosfilt(sos, x, method=method), scipy.signal.sosfilt(sos, x))


# Coefficients and states


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("shape", [(50,), (3000,), (2, 3000), (12, 100)])
def test_coefficients(rng, shape, value):
    x = noise(rng, shape)
    for methods, b, a in (
        (METHODS, [1.0, value], [1.0, 0.5]),
        (METHODS, [value, 1.0], [1.0, 0.5]),
        (METHODS, [1.0, 2.0], [1.0, value]),
        (METHODS, [1.0, 2.0], [value, 1.0]),
        (METHODS, [1.0, 2.0, 3.0], [1.0, 0.5, value]),
        ([*METHODS, "fft"], [1.0, value, 2.0], [1.0]),
        ([*METHODS, "fft"], [value], [1.0]),
        ([*METHODS, "fft"], [1.0, 2.0], [value]),
    ):
        if len(a) > 1 and np.isinf(a[0]) and len(shape) > 1:
            continue  # SciPy divides a[0] by itself, too, and then its second channel by that NaN
        theirs = scipy.signal.lfilter(b, a, x)
        for method in methods:
            assert_same_pattern(lfilter(b, a, x, method=method), theirs)
    sos = np.array([[1.0, 0, value, 1, 0, 0.5], [1.0, 0, 0, 1, 0, 0]])
    for method in METHODS:
        assert_same_pattern(sosfilt(sos, x, method=method), scipy.signal.sosfilt(sos, x))


def test_non_finite_taps_with_our_extensions(rng):
    b, x = np.array([1.0, np.inf, 2.0]), noise(rng, (3, 20))
    ours = lfilter(b, [1.0], x, zi=0.0)
    theirs = scipy.signal.lfilter(b, [1.0], x, zi=np.zeros((3, 2)))
    assert_same_pattern(ours[0], theirs[0])
    assert_same_pattern(ours[1], theirs[1])
    out = np.empty_like(x)
    assert lfilter(b, [1.0], x, out=out) is out
    assert_same_pattern(out, theirs[0])


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("shape", [(50,), (3000,), (2, 3000), (12, 100)])
def test_states(rng, shape, value):
    x = noise(rng, shape)
    for b, a in (([1.0, 0.5, 0.25], [1.0, 0.5, 0.25]), ([1.0, 0, 0], [1.0]), ([1.0, 0.5, 0], [1.0, 0, 0])):
        for p in range(2):
            zi = np.zeros((*shape[:-1], 2))
            zi[..., p] = value
            theirs = scipy.signal.lfilter(b, a, x, zi=zi)
            for method in METHODS:
                for mine, their in zip(lfilter(b, a, x, zi=zi, method=method), theirs, strict=True):
                    assert_same_pattern(mine, their)
            complex_zi = zi * (1 + 0j)
            for mine, their in zip(
                lfilter(b, a, x, zi=complex_zi), scipy.signal.lfilter(b, a, x, zi=complex_zi), strict=True
            ):
                assert_same_pattern(mine, their)


# Overflow


@pytest.mark.parametrize("name", IIR)
def test_overflow_of_a_recursion(rng, name):
    # One huge sample overflows where the filter amplifies: whatever comes of it must last as long as it does in SciPy.
    b, a = 10 * np.asarray(IIR[name][0]), IIR[name][1]
    for place in PLACES:
        x = noise(rng, SAMPLES)
        x[place] = 1.5e308
        theirs = scipy.signal.lfilter(b, a, x)
        for method in METHODS:
            assert_same_pattern(lfilter(b, a, x, method=method), theirs)


def test_overflow_by_growth(rng):
    x = noise(rng, SAMPLES)
    theirs = scipy.signal.lfilter([1.0], [1.0, -1.5], x)
    assert not np.isfinite(theirs[-1])
    for method in METHODS:
        assert_same_pattern(lfilter([1.0], [1.0, -1.5], x, method=method), theirs)


def test_overflow_of_sections(rng):
    sos = scipy.signal.butter(4, 0.2, output="sos")
    sos[:, :3] *= 20
    for place in PLACES:
        x = noise(rng, SAMPLES)
        x[place] = 1.5e308
        theirs = scipy.signal.sosfilt(sos, x)
        for method in METHODS:
            assert_same_pattern(sosfilt(sos, x, method=method), theirs)


@pytest.mark.parametrize("name", FIR)
def test_overflow_of_sums(rng, name):
    # All samples huge: single sums overflow, others do not. A transform adds all of them and must not be taken.
    b = FIR[name] / np.abs(FIR[name]).sum()
    for size in (1e300, 1e305, 1e307):
        x = size * noise(rng, SAMPLES)
        theirs = scipy.signal.lfilter(b, [1.0], x)
        assert np.isfinite(theirs).all()
        for method in ("auto", "sequential", "fft"):
            assert_same_pattern(lfilter(b, [1.0], x, method=method), theirs)
    x = noise(rng, SAMPLES)
    x[3000] = 1.5e308
    theirs = scipy.signal.lfilter(10 * FIR[name], [1.0], x)
    for method in ("auto", "sequential", "fft"):
        assert_same_pattern(lfilter(10 * FIR[name], [1.0], x, method=method), theirs)


def test_overflow_of_complex_signals(rng):
    for b, a in (IIR["order 2"], (FIR["taps"], [1.0]), (FIR["500 taps"], [1.0])):
        x = noise(rng, SAMPLES, complex)
        x[3000] = 1.5e308
        theirs = scipy.signal.lfilter(10 * b, a, x)
        for method in ("auto", "sequential"):
            assert_same_pattern(lfilter(10 * b, a, x, method=method), theirs)


def test_tiny_numbers(rng):
    # Denormals are kept: no flush to zero in any method.
    b, a = IIR["order 2"]
    x = np.zeros(SAMPLES)
    x[5] = 1e-300
    theirs = scipy.signal.lfilter(b, a, x)
    assert ((np.abs(theirs) < 2.3e-308) & (theirs != 0)).any()
    for method in METHODS:
        np.testing.assert_allclose(lfilter(b, a, x, method=method), theirs, rtol=1e-9, atol=1e-320)


# The other functions


@pytest.mark.parametrize("value", BAD)
def test_forward_and_backward(rng, value):
    b, a = IIR["order 2"]
    sos = scipy.signal.butter(4, 0.2, output="sos")
    for place in (0, 1000, 2999):
        x = noise(rng, (2, 3000))
        x[0, place] = value
        assert_same_pattern(filtfilt(b, a, x), scipy.signal.filtfilt(b, a, x))
        assert_same_pattern(filtfilt(b, [1.0], x), scipy.signal.filtfilt(b, [1.0], x))
        assert_same_pattern(sosfiltfilt(sos, x), scipy.signal.sosfiltfilt(sos, x))


@pytest.mark.parametrize("value", BAD)
def test_varying(rng, value):
    b, a = stable(rng, 3)
    x = noise(rng, 200)
    x[100] = value
    y = lfilter_tv(np.tile(b, (200, 1)), np.tile(a, (200, 1)), x)
    assert_same_pattern(y, scipy.signal.lfilter(b, a, x))
