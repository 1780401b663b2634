"""At least as accurate as SciPy: both against the same filter in long double, for every stable filter and method."""

import platform

import numpy as np
import pytest
import reference
import scipy.signal
from helpers import noise

from sigrnn import lfilter, sosfilt

SAMPLES = 16_000
METHODS = ["auto", "blocked"]
EPS = np.finfo(float).eps

pytestmark = pytest.mark.skipif(
    np.finfo(np.longdouble).eps > EPS / 1000,
    reason="long double is not longer than double here: nothing to measure with",
)


def resonator(radius, angle):
    return [1.0, 0.0, 0.0], np.poly([radius * np.exp(1j * angle), radius * np.exp(-1j * angle)]).real


def butter(order, cut):
    return scipy.signal.butter(order, cut)


FILTERS = {
    **{f"butter({order}, {cut})": butter(order, cut) for order in (2, 4, 8) for cut in (0.2, 0.01, 0.001)},
    "butter(6, 0.01)": butter(6, 0.01),
    "butter(2, 0.0001)": butter(2, 0.0001),
    "butter(4, 0.01, high)": scipy.signal.butter(4, 0.01, "high"),
    "ellip6": scipy.signal.ellip(6, 0.1, 80, 0.3),
    "cheby band": scipy.signal.cheby1(4, 0.5, [0.1, 0.12], "bandpass"),
    "cheby narrow band": scipy.signal.cheby1(2, 0.5, [0.1, 0.102], "bandpass"),
    "notch": scipy.signal.iirnotch(0.02, 30),
    "sharp notch": scipy.signal.iirnotch(0.1, 300),
    "integrator": ([1.0], [1.0, -1.0]),
    "leaky integrator": ([1.0], [1.0, -0.9999]),
    "moving sum": ([1.0, 0, 0, 0, 0, 0, 0, 0, -1.0], [1.0, -1.0]),
    "comb": ([1.0, 0, 0, 0, 0.5], [1.0, 0, 0, 0.5]),
    **{
        f"resonator({radius}, {angle})": resonator(radius, angle)
        for radius in (0.9999, 0.99995)
        for angle in (0.01, 0.1, 1.0, np.pi / 2, 3.0)
    },
}
SECTIONS = {
    "butter 4": scipy.signal.butter(4, 0.2, output="sos"),
    "butter 8, 0.001": scipy.signal.butter(8, 0.001, output="sos"),
    "ellip 8": scipy.signal.ellip(8, 0.1, 80, 0.3, output="sos"),
    "narrow band": scipy.signal.butter(4, [0.1, 0.102], "bandpass", output="sos"),
    "notches": np.array([np.concatenate(scipy.signal.iirnotch(f, 30)) for f in (0.02, 0.04, 0.06)]),
    "one section": scipy.signal.butter(2, 0.01, output="sos"),
}


def random_filter(order, seed):
    """Poles spread over the disk, two in five of them close to the circle; and a numerator."""
    rng = np.random.default_rng([order, seed, 99])
    close = 1 - 10 ** rng.uniform(-5, -2, order // 2)
    radius = np.where(rng.uniform(size=order // 2) < 0.4, close, rng.uniform(0, 0.98, order // 2))
    poles = radius * np.exp(1j * rng.uniform(0.01, np.pi, order // 2))
    a = np.poly(np.concatenate([poles, poles.conj(), rng.uniform(-0.9999, 0.9999, order % 2)])).real
    return rng.standard_normal(order + 1), a


def errors(y, exact):
    """Root mean square and largest error, relative to the same of the signal."""
    off = np.abs(y - exact)
    size = np.abs(exact)
    return np.array([np.sqrt((off**2).mean() / (size**2).mean()), off.max() / size.max()], float)


def assert_as_accurate(results, theirs, exact):
    """Each result is at most 1.1 times as far from the truth as SciPy's, or within a few eps of it.

    The factor is for the maximum, which is one sample of a random walk, and for filters in which both sides make the
    same error: rounding the coefficients of a recursion of long memory. Below the floor, errors are those of the last
    rounding or two of each output.
    """
    allowed = 1.1 * errors(theirs, exact) + 4 * EPS
    for method, y in results.items():
        assert (errors(y, exact) <= allowed).all(), f"{method}: {errors(y, exact)}, allowed {allowed}"


def check(b, a, x):
    exact, _ = reference.direct_form(
        np.asarray(b, np.longdouble), np.asarray(a, np.longdouble), x.astype(np.longdouble)
    )
    results = {method: lfilter(b, a, x, method=method) for method in METHODS}
    assert_as_accurate(results, scipy.signal.lfilter(b, a, x), exact)


@pytest.mark.parametrize("name", FILTERS)
def test_lfilter(rng, name):
    check(*FILTERS[name], noise(rng, SAMPLES))


@pytest.mark.parametrize(
    "name", ["butter(4, 0.01)", "integrator", "resonator(0.99995, 0.1)", "cheby narrow band", "notch"]
)
def test_signals_that_are_not_noise(rng, name):
    n = np.arange(SAMPLES)
    for x in (
        np.ones(SAMPLES),
        np.sin(0.1 * n) + 100.0,
        np.where(n == 0, 1.0, 0.0),
        1e6 * (n > 8000) + noise(rng, SAMPLES),
    ):
        check(*FILTERS[name], x)


# Besides three of each order, those of 600 on which blocks entered through A^L in plain double were found wanting.
HARD = [(2, 26), (2, 50), (9, 32), (9, 33)]


@pytest.mark.parametrize(("order", "seed"), [(order, seed) for order in range(1, 11) for seed in range(3)] + HARD)
def test_random_filters(rng, order, seed):
    check(*random_filter(order, seed), noise(rng, SAMPLES))


@pytest.mark.parametrize("name", SECTIONS)
def test_sosfilt(rng, name):
    sos, x = SECTIONS[name], noise(rng, SAMPLES)
    exact, _ = reference.cascade(sos.astype(np.longdouble), x.astype(np.longdouble))
    results = {method: sosfilt(sos, x, method=method) for method in METHODS}
    assert_as_accurate(results, scipy.signal.sosfilt(sos, x), exact)


@pytest.mark.parametrize("name", ["butter(2, 0.001)", "integrator", "resonator(0.99995, 0.1)", "notch"])
def test_long_signals(name):
    # Errors that build up slowly. SciPy in long double, which the twin has vouched for (test_kernels), saves a minute.
    b, a = (np.asarray(c) for c in FILTERS[name])
    x = np.random.default_rng(7).standard_normal(500_000)
    exact = scipy.signal.lfilter(b.astype(np.longdouble), a.astype(np.longdouble), x.astype(np.longdouble))
    assert_as_accurate({m: lfilter(b, a, x, method=m) for m in METHODS}, scipy.signal.lfilter(b, a, x), exact)


def test_float32_is_more_accurate_than_scipys(rng):
    for name in ("butter(2, 0.2)", "butter(2, 0.01)", "notch"):
        b, a = (np.asarray(c, "f") for c in FILTERS[name])
        x = noise(rng, SAMPLES, "f")
        exact, _ = reference.direct_form(b.astype(np.longdouble), a.astype(np.longdouble), x)
        for method in ("auto", "sequential", "blocked"):
            ours = errors(lfilter(b, a, x, method=method), exact)
            assert (ours <= errors(scipy.signal.lfilter(b, a, x), exact)).all()
            assert (ours <= np.finfo("f").eps).all()  # rounded once: half an eps of each sample


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="SciPy's wheels for other machines contract products and sums"
)
@pytest.mark.parametrize(
    ("b", "a"),
    [
        ([1.0], [1.0, -1.0005]),
        ([1.0, 0, 0], np.poly([1.0005 * np.exp(0.1j), 1.0005 * np.exp(-0.1j)]).real),
        ([1.0], np.poly([1.0, 1.0])),  # twice an integrator: its powers grow, too
        ([1.0, 2], [1.0, 0.5, -1.0005]),
    ],
)
def test_unstable_filters_run_as_scipys(rng, b, a):
    b, a, x = np.asarray(b), np.asarray(a), noise(rng, 20_000)
    assert np.array_equal(lfilter(b, a, x), scipy.signal.lfilter(b, a, x))
    assert np.array_equal(lfilter(b, a, x, method="blocked"), scipy.signal.lfilter(b, a, x))
    if len(b) == len(a) == 3:
        sos = np.concatenate([b, a])[None]
        assert np.array_equal(sosfilt(sos, x), scipy.signal.sosfilt(sos, x))


# Without feedback


@pytest.mark.parametrize("taps", [2, 31, 100, 400, 1500])
def test_fir(rng, taps):
    b, x = noise(rng, taps), noise(rng, SAMPLES)
    exact = np.convolve(b.astype(np.longdouble), x.astype(np.longdouble))[:SAMPLES]
    theirs = scipy.signal.lfilter(b, [1.0], x)
    # A sum of many terms: SciPy's BLAS adds them in several accumulators, ours in one for each output; both are within
    # sqrt(taps) eps or so of the truth.
    allowed = 1.1 * errors(theirs, exact) + 4 * EPS * np.sqrt(taps)
    for method in ("auto", "sequential", "blocked", "fft"):
        assert (errors(lfilter(b, [1.0], x, method=method), exact) <= allowed).all(), method


@pytest.mark.parametrize("quiet", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("taps", [400, 1500])
def test_quiet_parts_beside_loud_ones(rng, taps, quiet):
    # Each part must be as accurate as if the other were not there: a transform's error is relative to its loudest sample.
    b = noise(rng, taps)
    for loud in ([slice(0, 4000)], [slice(9000, 9001)], [slice(0, 100), slice(12_000, 16_000)]):
        x = quiet * noise(rng, SAMPLES)
        for part in loud:
            x[part] /= quiet
        exact = np.convolve(b.astype(np.longdouble), x.astype(np.longdouble))[:SAMPLES]
        theirs, ours = scipy.signal.lfilter(b, [1.0], x), lfilter(b, [1.0], x)
        calm = np.ones(SAMPLES, bool)
        for part in loud:
            calm[part.start : part.stop + taps] = False
        for part in (calm, ~calm):
            allowed = (
                1.1 * errors(theirs[part], exact[part]) + 4 * EPS * np.sqrt(taps) * 100
            )  # QUIET in _convolution.py
            assert (errors(ours[part], exact[part]) <= allowed).all()


def test_silence_stays_silent(rng):
    b, x = noise(rng, 1000), np.zeros(SAMPLES)
    x[:3000] = noise(rng, 3000)
    y = lfilter(b, [1.0], x)
    assert not y[4000:].any()
    assert y[:3999].any()


def test_explicit_fft_is_accurate_relative_to_the_loudest(rng):
    b, x = noise(rng, 1000), noise(rng, SAMPLES)
    x[8000:] *= 1e-9
    exact = np.convolve(b.astype(np.longdouble), x.astype(np.longdouble))[:SAMPLES]
    y = lfilter(b, [1.0], x, method="fft")
    assert np.abs(y - exact).max() <= 100 * EPS * np.abs(exact).max()
