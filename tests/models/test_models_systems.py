"""Loops and state spaces: values against plain Python, states, what they refuse, and what `fit` makes of them."""

import numpy as np
import pytest

import sigrnn


def fit(*args, **kwargs):
    return sigrnn.fit(*args, **{"progress": False, **kwargs})


def test_a_loop_is_its_equation(rng):
    model = sigrnn.Feedback(sigrnn.Chain(sigrnn.IIR(2), sigrnn.TanhNetwork(2)), sigrnn.Polynomial(3)).init(rng=3)
    model.params["1.c"] = [0.1, 0.2, -0.02, 0.01]
    x = rng.standard_normal(40)
    forward, back = (part.stream() for part in model.parts)
    expected, w = [], 0.0
    for sample in x:
        expected += list(forward([sample - w]))
        w = back(expected[-1:])[0]
    assert np.allclose(model(x), expected, rtol=1e-12, atol=1e-13)
    assert np.isnan(model([0.0, np.nan, 1.0])).tolist() == [False, True, True]


def test_a_linear_loop_is_a_filter(rng):
    b, a, gain = [0.5, 0.2], [1.0, -0.6], 0.4
    model = sigrnn.Feedback(sigrnn.IIR(1), sigrnn.FIR(1))
    model.params = {"0.b": b, "0.a": a, "1.b": [gain]}
    x = rng.standard_normal(100)
    closed = np.append(a, 0.0) + gain * np.append(0.0, b)
    assert np.allclose(model(x), sigrnn.lfilter(b, closed, x), atol=1e-13)


def test_what_cannot_be_in_a_loop():
    with pytest.raises(TypeError, match=r"Feedback is made of FIR, .*got GRU\(2\)"):
        sigrnn.Feedback(sigrnn.FIR(1), sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)))
    with pytest.raises(TypeError, match="got Dense"):
        sigrnn.Feedback(sigrnn.FIR(1), sigrnn.Dense(1, "gelu"))
    with pytest.raises(ValueError, match="inputs must be 1 for Feedback, got 2"):
        sigrnn.Feedback(sigrnn.FIR(1), sigrnn.FIR(1)).init(2)
    with pytest.raises(ValueError, match=r"Feedback has one channel, .* 1 inputs and 2 outputs"):
        sigrnn.Feedback(sigrnn.FIR(1), sigrnn.Dense(2)).init(1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_hardening_spring_is_found(seed):
    """A resonator like the Silverbox: linear where it is driven weakly, a cubic spring; noise of 0.1 %."""
    rng = np.random.default_rng(seed)
    x = sigrnn.lfilter([0.2], [1.0, -0.8], rng.standard_normal(4000))
    truth = sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3))
    truth.params = {"0.b": [0.1, 0.05, 0.0], "0.a": [1.0, -1.6, 0.8], "1.c": [0.0, 0.0, 0.0, 0.4]}
    y = truth(x)
    noise = 1e-3 * np.std(y)
    result = fit(
        sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3)), x, y + noise * rng.standard_normal(4000), rng=seed
    )
    assert np.sqrt(result.loss) < 1.1 * noise
    assert result.stable


@pytest.mark.parametrize("options", [{}, {"units": 3}, {"degree": 3}])
def test_a_state_space_is_its_equation(options, rng):
    model = sigrnn.StateSpace(2, 3, **options).init(2, rng=1)
    p, x, s = model.params, rng.standard_normal((30, 2)), np.zeros(2)
    for sample, y in zip(x, model(x), strict=True):
        z = np.append(s, sample)
        phi = np.zeros(0)
        if "W" in p:
            phi = np.tanh(p["W"] @ z + p["bias"])
        elif "E" in p:
            pairs = [z[i] * z[j] for i in range(4) for j in range(i, 4)]
            phi = np.array(pairs + [z[i] * z[j] * z[k] for i in range(4) for j in range(i, 4) for k in range(j, 4)])
        e, f = (p["E"], p["F"]) if len(phi) else (np.zeros((2, 0)), np.zeros((3, 0)))
        assert np.allclose(y, p["C"] @ s + p["D"] @ sample + f @ phi, atol=1e-12)
        s = p["A"] @ s + p["B"] @ sample + e @ phi
    assert np.allclose(model.run(x)[1], s, atol=1e-12)
    assert np.allclose(np.abs(model.eigenvalues()).max(), 0.7)


def test_what_is_no_state_space():
    with pytest.raises(ValueError, match="units and degree are two kinds of one term"):
        sigrnn.StateSpace(2, units=2, degree=2)
    with pytest.raises(ValueError, match="degree must be at least 2, got 1"):
        sigrnn.StateSpace(2, degree=1)
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        sigrnn.StateSpace(0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_system_of_several_channels_is_found(seed):
    rng = np.random.default_rng(seed)
    x, truth = rng.standard_normal((1500, 3)), sigrnn.StateSpace(4, 3).init(3, rng=seed)
    noise = 0.01 * rng.standard_normal((1500, 3))
    result = fit(sigrnn.StateSpace(4, 3), x, truth(x) + noise, rng=seed)
    assert result.loss < 1.02 * np.mean(noise**2)
    assert result.starts[1].name == "impulse response, 1"
    assert result.starts[1].loss < 1.02 * np.mean(noise**2)


@pytest.mark.parametrize("options", [{"units": 2}, {"degree": 2}])
def test_a_nonlinear_system_is_found(options, rng):
    x = rng.standard_normal(2000)
    s = np.zeros(2001)
    for n in range(2000):
        s[n + 1] = 0.8 * s[n] - (0.05 * s[n] ** 2 if "degree" in options else 0.5 * np.tanh(s[n])) + 0.2 * x[n]
    result = fit(sigrnn.StateSpace(1, **options), x, s[:-1])
    linear = fit(sigrnn.StateSpace(1), x, s[:-1])
    assert result.loss < 1e-3 * linear.loss


def test_select_takes_what_validation_shows(rng):
    x = rng.standard_normal(800)
    t = sigrnn.lfilter([1.0, 0.5], [1.0, -1.2, 0.7], x) + 0.3 * rng.standard_normal(800)
    models = [sigrnn.IIR(1), sigrnn.IIR(2), sigrnn.FIR(200)]
    found = sigrnn.select(models, x, t, validation=0.3, progress=False)
    assert found.model is models[1]
    assert found.best.validation_loss == min(result.validation_loss for result in found.results)
    assert [line.split()[0] for line in str(found).splitlines()] == ["model", "IIR(1)", "IIR(2)", "FIR(200)"]
    with pytest.raises(ValueError, match="models is empty"):
        sigrnn.select([], x, t)
    with pytest.raises(ValueError, match="validation must be"):
        sigrnn.select(models, x, t, validation=None)
