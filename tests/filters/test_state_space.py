"""`dlsim`, `dstep`, `dimpulse` and `lsim` against SciPy, for every kind of system."""

import warnings

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, Unchanged, same_values
from hypothesis import given, settings
from hypothesis import strategies as st

from sigrnn import dimpulse, dlsim, dstep, lfilter, lsim
from sigrnn.filters import state_space

examples = settings(derandomize=True, max_examples=100, deadline=None, database=None)
seeds = st.integers(0, 2**32 - 1)


def random_system(rng, states, inputs, outputs, discrete):
    """A stable system (A, B, C, D)."""
    a = rng.standard_normal((states, states))
    if states:
        values = np.linalg.eigvals(a)
        a = 0.9 * a / np.abs(values).max() if discrete else a - (values.real.max() + 0.5) * np.eye(states)
    shapes = (states, inputs), (outputs, states), (outputs, inputs)
    return a, *(rng.standard_normal(shape) for shape in shapes)


def close(found, expected):
    """The same tuples of arrays, nested as they may be."""
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for y, other in zip(found, expected, strict=True):
            close(y, other)
    else:
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * max(1.0, np.abs(expected).max(initial=0.0)))


@given(
    seeds, st.integers(1, 20), st.integers(1, 4), st.integers(1, 9), st.integers(1, 50), st.sampled_from(list(LAYOUTS))
)
@examples
def test_dlsim_is_scipys(seed, states, inputs, outputs, samples, layout):
    rng = np.random.default_rng(seed)
    system = *random_system(rng, states, inputs, outputs, True), 0.5
    u, x0 = same_values(layout, rng.standard_normal((samples, inputs))), rng.standard_normal(states)
    native = u.astype(u.dtype.newbyteorder("="))
    with Unchanged(u, x0, *system):
        close(dlsim(system, u, x0=x0), scipy.signal.dlsim(system, native, x0=x0))
        close(dlsim(system, u), scipy.signal.dlsim(system, native))


DISCRETE = {
    "transfer function": ([1.0, 0.2], [1.0, -0.5, 0.2], 0.1),
    "zeros and poles": ([0.1], [0.2, 0.3], 2.0, 1.0),
    "gain alone": ([3.0], [1.0], 1.0),
    "state space": (*random_system(np.random.default_rng(0), 3, 2, 4, True), 0.5),
    "TransferFunction": scipy.signal.dlti([1.0], [1.0, -0.5], dt=0.3),
    "no dt": scipy.signal.dlti([1.0], [1.0, -0.5]),
    "StateSpace": scipy.signal.StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], dt=0.1),
    "two outputs": ([[1.0], [2.0]], [1.0, -0.5], 0.1),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_every_form_of_a_discrete_system(name):
    system = DISCRETE[name]
    inputs = 2 if name == "state space" else 1
    rng = np.random.default_rng(1)
    u = rng.standard_normal((40, inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.signal.BadCoefficients)
        for given_u in (u, u.astype("f"), u[:, 0], (10 * u).astype(int), u.tolist()):
            if np.ndim(given_u) == 1 and inputs > 1:
                continue
            close(dlsim(system, given_u), scipy.signal.dlsim(system, given_u))
        time = np.linspace(0.0, 6.0, 40)
        close(dlsim(system, u, time, 0.5), scipy.signal.dlsim(system, u, time, 0.5))
        for ours, theirs in ((dstep, scipy.signal.dstep), (dimpulse, scipy.signal.dimpulse)):
            for options in ({}, {"n": 13}, {"t": [0.0, 1.0, 2.5, 4.0]}, {"n": 7, "x0": 0.25}):
                close(ours(system, **options), theirs(system, **options))


CONTINUOUS = {
    "transfer function": ([1.0], [1.0, 0.5]),
    "order 8": scipy.signal.butter(8, 20, analog=True),
    "zeros and poles": ([], [-1.0, -2.0], 2.0),
    "integrator": ([[0.0, 1.0], [0.0, 0.0]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]),
    "state space": random_system(np.random.default_rng(2), 3, 2, 4, False),
    "lti": scipy.signal.lti([1.0, 2.0], [1.0, 3.0, 2.0]),
    "complex": ([[-1.0 + 2.0j]], [[1.0]], [[1.0]], [[0.0]]),
}


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("interp", [True, False])
def test_lsim_is_scipys(name, interp):
    system, inputs = CONTINUOUS[name], 2 if name == "state space" else 1
    rng = np.random.default_rng(3)
    u, time = rng.standard_normal((60, inputs)), np.linspace(0.0, 5.0, 60)
    states = len(state_space.continuous(system).A)
    x0 = rng.standard_normal(states)
    for given_u, given_t, start in (
        (u, time, None),
        (u, time + 1.0, x0),
        (u.tolist(), time.tolist(), x0),
        (None, time, x0),
        (0, time, None),
        (np.zeros_like(u), time, x0),
        (u[:1], time[:1], x0),
        (u[:2], time[:2], x0),
    ):
        close(lsim(system, given_u, given_t, start, interp), scipy.signal.lsim(system, given_u, given_t, start, interp))


def test_one_input_and_output_is_lfilter():
    b, a = scipy.signal.butter(4, 0.2)
    u = np.random.default_rng(4).standard_normal(5000)
    np.testing.assert_allclose(dlsim((b, a, 1.0), u)[1][:, 0], lfilter(b, a, u), atol=1e-12)


def test_nan_goes_where_the_equation_takes_it():
    rng = np.random.default_rng(5)
    system = np.diag([0.5, 0.3, 0.2]), rng.standard_normal((3, 2)), rng.standard_normal((2, 3)), np.ones((2, 2)), 1.0
    for value in (np.nan, np.inf):
        u = rng.standard_normal((20, 2))
        u[7, 1] = value
        with np.errstate(invalid="ignore"):
            expected = scipy.signal.dlsim(system, u)
        for found, other in zip(dlsim(system, u), expected, strict=True):
            np.testing.assert_allclose(found, other, rtol=1e-12)


def test_complex_systems_go_to_scipy(monkeypatch):
    asked = []
    found = state_space.by_scipy
    monkeypatch.setattr(state_space, "by_scipy", lambda name, *args: asked.append(name) or found(name, *args))
    system = [[0.5 + 0.1j]], [[1.0]], [[1.0]], [[0.0]], 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        close(dlsim(system, np.ones(5)), scipy.signal.dlsim(system, np.ones(5)))
        close(dstep(system), scipy.signal.dstep(system))
    assert asked == ["dlsim", "dstep"]


FIRST = ([1.0], [1.0, -0.5], 1.0)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: dlsim(scipy.signal.lti([1.0], [1.0, 1.0]), [1.0]),
            AttributeError,
            "dlsim can only be used with discrete",
        ),
        (lambda: dstep(scipy.signal.lti([1.0], [1.0, 1.0])), AttributeError, "dstep can only be used with discrete"),
        (lambda: dimpulse(scipy.signal.lti([1.0], [1.0, 1.0])), AttributeError, "dimpulse can only"),
        (
            lambda: lsim(scipy.signal.dlti([1.0], [1.0, 1.0]), [1.0], [0.0]),
            AttributeError,
            "lsim can only be used with",
        ),
        (lambda: dlsim(FIRST, np.ones((5, 2))), ValueError, "u must have 1 columns"),
        (lambda: dlsim(FIRST, np.ones(5), x0=[1.0, 2.0]), ValueError, "broadcast"),
        (lambda: dlsim(FIRST, []), IndexError, "at least one sample"),
        (lambda: dlsim(3, [1.0]), TypeError, "system must be a dlti"),
        (lambda: lsim(FIRST[:2], np.ones(3), [0.0, 1.0, 3.0]), ValueError, "not equally spaced"),
        (lambda: lsim(FIRST[:2], np.ones(3), [-1.0, 0.0, 1.0]), ValueError, "Initial time must be nonnegative"),
        (lambda: lsim(FIRST[:2], np.ones(3), [[0.0, 1.0, 2.0]]), ValueError, "T must be a rank-1 array"),
        (lambda: lsim(FIRST[:2], np.ones(4), [0.0, 1.0, 2.0]), ValueError, "same number of rows as elements in T"),
        (lambda: lsim(FIRST[:2], np.ones((3, 2)), [0.0, 1.0, 2.0]), ValueError, "does not define that many inputs"),
    ],
)
def test_bad_input_is_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
