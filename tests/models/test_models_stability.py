"""Filters that stay stable: the map from any numbers to coefficients, its inverse and its derivatives."""

import numpy as np
import pytest
import scipy.signal
from helpers import stable
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sigrnn import IIR, SOS
from sigrnn.models import stability


def step_up(k):
    """The twin: one coefficient after the other, as in the books."""
    a = [1.0]
    for m, reflection in enumerate(k, start=1):
        a = [1.0, *(a[i] + reflection * a[m - i] for i in range(1, m)), reflection]
    return np.array(a)


def test_step_up_and_down(rng):
    for order in range(1, 9):
        k = rng.uniform(-0.95, 0.95, (3, order))
        a = stability.polynomial(k)
        np.testing.assert_allclose(a, [step_up(row) for row in k], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(stability.reflections(a), k, rtol=1e-7, atol=1e-9)
        assert (np.abs([np.roots(row) for row in a]) < 1.0).all()


def test_derivative(rng):
    for order in (1, 2, 5):
        theta = rng.standard_normal((2, order))
        d = stability.derivative(stability.denominator(theta))
        for j in range(order):
            step = np.zeros(order)
            step[j] = 1e-6
            up, down = stability.denominator(theta + step), stability.denominator(theta - step)
            np.testing.assert_allclose(d[:, j], ((up - down) / 2e-6)[:, 1:], rtol=1e-6, atol=1e-8)


@given(arrays(np.float64, st.integers(1, 4), elements=st.floats(-1e300, 1e300)))
def test_any_vector_is_a_stable_filter(theta):
    model = IIR(len(theta), stable=True).init(1, 0)
    vector = model.to_vector()
    vector[-len(theta) :] = theta
    model.from_vector(vector)
    assert stability.stable(model.params["a"])
    assert (
        np.abs(np.roots(model.params["a"])).max() < 1.0 + 1e-7
    )  # roots of clusters are uncertain, reflections are not
    assert np.isfinite(model.params["a"]).all()


@given(arrays(np.float64, (3, 2), elements=st.floats(-1e300, 1e300)))
def test_any_vector_is_stable_sections(theta):
    model = SOS(3, stable=True).init(1, 0)
    vector = model.to_vector().reshape(3, 5)
    vector[:, 3:] = theta
    model.from_vector(vector.reshape(-1))
    a1, a2 = model.params["sos"][:, 4:].T
    assert (np.abs(a2) < 1.0).all()
    assert (np.abs(a1) < 1.0 + a2).all()


def test_round_trip(rng):
    for order in (1, 2, 3, 6):
        b, a = stable(rng, order, 0.95)
        model = IIR(order, stable=True)
        model.params = {"b": b, "a": a}
        theta = model.to_vector()
        model.from_vector(theta)
        np.testing.assert_allclose(model.params["a"], a, rtol=1e-9, atol=1e-11)
        np.testing.assert_array_equal(model.params["b"], b)
    sos = scipy.signal.ellip(8, 1, 60, [0.01, 0.02], "bandpass", output="sos")
    model = SOS(sos=sos, stable=True).init()
    np.testing.assert_array_equal(model.params["sos"], sos)
    model.from_vector(model.to_vector())
    np.testing.assert_allclose(model.params["sos"], sos, rtol=1e-9, atol=1e-13)


def test_what_is_not_stable_is_refused():
    model = IIR(2, stable=True).init(1, 0)
    with pytest.raises(ValueError, match=r"a has a pole of radius 1\.5.*: with stable=True poles are within"):
        model.params["a"] = np.poly([1.5, 0.2])
    with pytest.raises(ValueError, match="a has a pole of radius 2"):
        SOS(sos=[[1.0, 0.0, 0.0, 1.0, -2.0, 0.0]], stable=True)
    IIR(2).init(1, 0).params["a"] = np.poly([1.5, 0.2])  # which is fine without


def test_design_is_shared_out_between_inputs(rng):
    sos = scipy.signal.butter(4, 0.2, output="sos")
    x = rng.standard_normal((50, 2))
    expected = sum(scipy.signal.sosfilt(sos, x[:, i]) for i in range(2)) / 2.0
    np.testing.assert_allclose(SOS(sos=sos).init(2)(x)[:, 0], expected, atol=1e-12)
