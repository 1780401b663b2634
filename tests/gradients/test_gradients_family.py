"""Gradients of resampling, smoothing, division and systems in state space, against finite differences."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm_frechet

import sigrnn
from sigrnn.filters._extension import MODES

RNG = np.random.default_rng(0)
SYSTEM = 0.4 * RNG.standard_normal((3, 3)), *(RNG.standard_normal(s) for s in ((3, 2), (2, 3), (2, 2)))
CONTINUOUS = SYSTEM[0] - np.eye(3), *SYSTEM[1:]
TIME = np.linspace(0.5, 3.0, 11)


def leaves(value):
    return tuple(leaf for part in value for leaf in leaves(part)) if isinstance(value, tuple) else (value,)


def like(value, flat):
    """The arrays of an iterator, in tuples as those of the value."""
    return tuple(like(part, flat) for part in value) if isinstance(value, tuple) else next(flat)


def check(function, arrays, positional, **options):
    """vjp and jvp at arrays, in `positional(*arrays)`, against central differences along a random direction."""
    rng = np.random.default_rng(1)
    directions = [
        rng.standard_normal(c.shape) + (1j * rng.standard_normal(c.shape) if c.dtype.kind == "c" else 0) for c in arrays
    ]
    step = 1e-5

    def value(sign):
        return leaves(
            function(*positional(*(c + sign * step * t for c, t in zip(arrays, directions, strict=True))), **options)
        )

    expected = [(after - before) / (2 * step) for before, after in zip(value(-1), value(1), strict=True)]
    y, pullback = sigrnn.vjp(function, *positional(*arrays), **options)
    for found, other in zip(leaves(y), leaves(function(*positional(*arrays), **options)), strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12, atol=1e-12)
    slopes = [
        rng.standard_normal(c.shape) + (1j * rng.standard_normal(c.shape) if c.dtype.kind == "c" else 0)
        for c in leaves(y)
    ]
    gradients = pullback(like(y, iter(slopes)))
    assert [(g.shape, g.dtype) for g in gradients] == [(c.shape, c.dtype) for c in arrays]
    along = sum(np.vdot(s, e).real for s, e in zip(slopes, expected, strict=True))
    assert sum(np.vdot(g, t).real for g, t in zip(gradients, directions, strict=True)) == pytest.approx(along, rel=1e-6)
    _, tangent = sigrnn.jvp(function, positional(*arrays), tuple(directions), **options)
    for found, other in zip(leaves(tangent), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-6, atol=1e-6)


@given(
    st.sampled_from([1, 2, 3, 5]),
    st.sampled_from([1, 2, 4, 5]),
    st.sampled_from([1, 7, 30]),
    st.sampled_from([2, 13]),
    st.sampled_from(MODES),
    st.sampled_from([((), 0), ((3,), 0), ((2, 9), 1)]),
    st.sampled_from(["d", "D"]),
)
@settings(derandomize=True, max_examples=60, deadline=None, database=None)
def test_upfirdn(up, down, taps, samples, mode, where, dtype):
    channels, axis = where
    h = np.random.default_rng(2).standard_normal(taps).astype(dtype)
    x = np.random.default_rng(3).standard_normal((*channels[:axis], samples, *channels[axis:])).astype(dtype)
    h, x = (h * (1 + 2j), x * (2 - 1j)) if dtype == "D" else (h, x)
    check(sigrnn.upfirdn, [h, x], lambda h, x: (h, x, up, down, axis, mode, 0.5))


@pytest.mark.parametrize("padtype", [*MODES, "mean"])
@pytest.mark.parametrize(("up", "down"), [(3, 2), (2, 3), (1, 1)])
def test_resample_poly(up, down, padtype):
    x = RNG.standard_normal((2, 40))
    check(sigrnn.resample_poly, [x], lambda x: (x, up, down, 1), padtype=padtype)


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize(
    "ftype",
    ["iir", "fir", scipy.signal.dlti(*scipy.signal.butter(1, 0.2)), scipy.signal.dlti(*scipy.signal.butter(2, 0.2))],
)
def test_decimate(ftype, zero_phase):
    check(sigrnn.decimate, [RNG.standard_normal((60, 2))], lambda x: (x, 3), ftype=ftype, axis=0, zero_phase=zero_phase)


@pytest.mark.parametrize("mode", ["interp", "mirror", "constant", "nearest", "wrap"])
@pytest.mark.parametrize("window", [1, 6, 11])
def test_savgol_filter(window, mode):
    x = RNG.standard_normal((2, 30, 3))
    check(sigrnn.savgol_filter, [x], lambda x: (x, window, 0), mode=mode, axis=1, cval=0.5)
    check(sigrnn.savgol_filter, [x[0]], lambda x: (x, 11, 3, 1, 0.5), mode=mode, axis=0)


def test_deconvolve():
    check(sigrnn.deconvolve, [RNG.standard_normal(12), np.array([2.0, 0.5, -0.3])], lambda s, d: (s, d))
    check(sigrnn.deconvolve, [RNG.standard_normal(5), np.array([2.0])], lambda s, d: (s, d))


def test_dlsim():
    u, x0 = RNG.standard_normal((20, 2)), RNG.standard_normal(3)
    check(sigrnn.dlsim, [*SYSTEM, u, x0], lambda a, b, c, d, u, x0: ((a, b, c, d, 0.5), u, None, x0))
    check(sigrnn.dlsim, [*SYSTEM, u], lambda a, b, c, d, u: ((a, b, c, d, 0.5), u))


def test_dlsim_of_other_forms_by_the_input():
    check(sigrnn.dlsim, [RNG.standard_normal(20)], lambda u: (([1.0, 0.2], [1.0, -0.5], 1.0), u))


@pytest.mark.parametrize("interp", [True, False])
def test_lsim(interp):
    u, x0 = RNG.standard_normal((11, 2)), RNG.standard_normal(3)
    check(sigrnn.lsim, [u, x0], lambda u, x0: (scipy.signal.lti(*CONTINUOUS), u, TIME, x0), interp=interp)
    check(sigrnn.lsim, [u], lambda u: (scipy.signal.lti(*CONTINUOUS), u, TIME), interp=interp)


@pytest.mark.parametrize("interp", [True, False])
@pytest.mark.parametrize("first", [0.0, 0.5])
def test_lsim_by_the_system(interp, first):
    u, x0 = RNG.standard_normal((11, 2)), RNG.standard_normal(3)
    times = TIME - TIME[0] + first
    check(sigrnn.lsim, [*CONTINUOUS, u, x0], lambda a, b, c, d, u, x0: ((a, b, c, d), u, times, x0), interp=interp)
    check(sigrnn.lsim, [*CONTINUOUS, x0], lambda a, b, c, d, x0: ((a, b, c, d), None, times, x0), interp=interp)


def test_lsim_of_one_state_and_of_other_forms():
    one = [np.array([[-0.5]]), np.array([[1.0]]), np.array([[2.0]]), np.array([[0.1]])]
    check(sigrnn.lsim, [*one, RNG.standard_normal(11)], lambda a, b, c, d, u: ((a, b, c, d), u, TIME))
    check(sigrnn.lsim, [RNG.standard_normal(11)], lambda u: (([1.0], [1.0, 0.5]), u, TIME))
    silent = [*one, np.zeros(11), np.ones(1)]
    check(sigrnn.lsim, silent, lambda a, b, c, d, u, x0: ((a, b, c, d), u, TIME, x0))


def test_lsim_through_a_long_time_is_the_exponential():
    # x(T) = exp(A T) x0 whatever the steps
    _, pullback = sigrnn.vjp(sigrnn.lsim, CONTINUOUS, None, TIME, np.ones(3))
    slope = np.zeros((11, 3))
    slope[-1] = [1.0, 0.0, 2.0]
    given = np.outer(slope[-1], np.ones(3))
    exact = TIME[-1] * expm_frechet(CONTINUOUS[0].T * TIME[-1], given, compute_expm=False)
    np.testing.assert_allclose(pullback((None, None, slope))[0], exact, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", [sigrnn.dstep, sigrnn.dimpulse])
@pytest.mark.parametrize("t", [None, np.arange(0.0, 6.0, 0.25)])
def test_responses(function, t):
    x0 = RNG.standard_normal(3)
    check(function, [*SYSTEM, x0], lambda a, b, c, d, x0: ((a, b, c, d, 0.5), x0, t), n=12)
    check(function, [*SYSTEM], lambda a, b, c, d: ((a, b, c, d, 0.5), None, t), n=12)


def test_parts_may_be_left_out():
    u = np.ones((5, 2))
    value, pullback = sigrnn.vjp(sigrnn.dlsim, (*SYSTEM, 0.5), u)
    whole = pullback((None, np.ones((5, 2)), np.zeros((5, 3))))
    for found, other in zip(pullback((None, np.ones((5, 2)), None)), whole, strict=True):
        np.testing.assert_array_equal(found, other)
    assert len(value) == 3


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: sigrnn.vjp(sigrnn.resample_poly, np.ones(9), 3, 2, padtype="median"),
            NotImplementedError,
            "not linear",
        ),
        (
            lambda: sigrnn.vjp(sigrnn.dlsim, (*SYSTEM, 1.0), np.ones((4, 2)), np.arange(4.0)),
            NotImplementedError,
            "without t=",
        ),
        (lambda: sigrnn.vjp(sigrnn.deconvolve, np.ones(2), np.ones(3)), ValueError, "no quotient"),
        (lambda: sigrnn.vjp(sigrnn.savgol_filter, np.ones(9, complex), 5, 2), NotImplementedError, "real signals"),
    ],
)
def test_what_has_no_gradient_is_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
