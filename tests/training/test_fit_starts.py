"""`fit`: the starts it finds from the data, and the units it trains in."""

from itertools import pairwise

import numpy as np
import pytest
from model_cases import IDS, MODELS, made

import sigrnn
from sigrnn.models import scaling
from sigrnn.training.levenberg import minimise


def fit(*args, **kwargs):
    return sigrnn.fit(*args, **{"progress": False, **kwargs})


FIRST = [0.0563, 0.1204, 0.1204, 0.0563], [1.0, -1.2158, 0.7626, -0.1967]
SECOND = [0.20, -0.12, -0.09, 0.20], [1.0, -1.9, 1.35, -0.32]


def wiener_hammerstein(seed, samples=6000):
    """Two filters of order 3 around a one-sided saturation, driven by coloured noise; noise of 0.1 %."""
    rng = np.random.default_rng(seed)
    x = sigrnn.lfilter([0.5, 0.5], [1.0], rng.standard_normal(samples))
    v = sigrnn.lfilter(*FIRST, x)
    y = sigrnn.lfilter(*SECOND, v - 0.15 * np.log1p(np.exp((v - 0.2) / 0.1)) * 0.5)
    noise = 1e-3 * np.std(y)
    return x, y + noise * rng.standard_normal(samples), noise


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wiener_hammerstein_reaches_the_noise(seed):
    x, t, noise = wiener_hammerstein(seed)
    model = sigrnn.Chain(sigrnn.IIR(3), sigrnn.TanhNetwork(4), sigrnn.IIR(3))
    result = fit(model, x, t, rng=seed)
    assert np.sqrt(result.loss) < 1.5 * noise
    assert len(result.starts) == 8
    assert min(start.loss for start in result.starts) < 0.01 * result.starts[0].loss
    plain = fit(
        sigrnn.Chain(sigrnn.IIR(3), sigrnn.TanhNetwork(4), sigrnn.IIR(3)), x, t, rng=seed, start="given", max_iter=5
    )
    assert plain.starts == ()


@pytest.mark.parametrize(
    "curve",
    [
        lambda: sigrnn.Polynomial(5),
        lambda: sigrnn.PiecewiseLinear(12),
        lambda: sigrnn.Chain(sigrnn.Dense(4, "tanh"), sigrnn.Dense(1)),
    ],
)
def test_all_curves_take_the_start(curve, rng):
    x = rng.standard_normal(4000)
    v = sigrnn.lfilter([0.4, 0.2], [1.0, -0.7], x)
    t = v - 0.1 * v**3 + 0.05 * v**2
    for model in (sigrnn.Chain(sigrnn.IIR(1), curve()), sigrnn.Chain(sigrnn.SOS(1), curve(), sigrnn.FIR(2))):
        result = fit(model, x, t, max_iter=60)
        assert result.loss < 2e-4 * np.var(t)


def test_hammerstein_and_residual(rng):
    x = rng.standard_normal(3000)
    t = x + sigrnn.lfilter([0.3, 0.1], [1.0, -0.8], np.tanh(1.5 * x))
    result = fit(sigrnn.Residual(sigrnn.Chain(sigrnn.Dense(1, "tanh"), sigrnn.IIR(1))), x, t)
    assert result.loss < 1e-12


def test_other_compositions_have_starts(rng):
    x = rng.standard_normal(2000)
    t = sigrnn.lfilter([0.3], [1.0, -0.8], np.tanh(x)) + sigrnn.lfilter([1.0], [1.0, 0.5], x)
    chain = sigrnn.Chain(sigrnn.Dense(1, "tanh"), sigrnn.IIR(1))
    result = fit(sigrnn.Parallel(chain, sigrnn.IIR(1)), x, t, n_starts=4)
    assert [start.name for start in result.starts[1:]] == [f"best linear approximation, {k}" for k in (1, 2, 3)]
    assert result.loss <= min(start.loss for start in result.starts)
    assert result.loss < 1e-3


def test_parameters_that_were_given_are_kept_as_a_start(rng):
    x, t, _ = wiener_hammerstein(0, 2000)
    model = sigrnn.Chain(sigrnn.IIR(3), sigrnn.TanhNetwork(4), sigrnn.IIR(3))
    fit(model, x, t, max_iter=20)
    before = np.mean((model(x) - t) ** 2)
    again = fit(model, x, t, max_iter=3)
    assert again.starts == ()
    assert again.loss <= before
    third = fit(model, x, t, max_iter=3, start="auto", n_starts=3)
    assert len(third.starts) == 3
    assert third.loss <= again.loss


def test_seeds_of_a_net(rng):
    x = rng.standard_normal(300)
    t = sigrnn.nlfilter([1.0, 0.5], [1.0, -0.6], x)
    for solver in ("lbfgs", "adam"):
        net = sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1))
        result = fit(net, x, t, solver=solver, n_starts=3, max_iter=40)
        assert [start.name for start in result.starts] == ["as it is", "drawn, 1", "drawn, 2"]
        assert len({start.loss for start in result.starts}) == 3
        assert fit(sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)), x, t, solver=solver, max_iter=2).starts == ()


def test_threads_find_the_same(rng):
    x, t, _ = wiener_hammerstein(1, 1500)
    losses = []
    for workers in (1, 2):
        with sigrnn.set_workers(workers):
            model = sigrnn.Chain(sigrnn.IIR(3), sigrnn.TanhNetwork(2), sigrnn.IIR(3))
            losses.append(fit(model, x, t, n_starts=3, max_iter=5).starts)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("model", [sigrnn.IIR, lambda order: sigrnn.IIR(order, stable=True)])
def test_higher_orders_are_never_worse(model, rng):
    x = rng.standard_normal(1500)
    v = sigrnn.lfilter([1.0, 0.3], [1.0, -1.7, 0.9], np.tanh(0.5 * x))
    t = v * np.abs(v) + 0.5 * rng.standard_normal(1500)
    losses = [fit(model(order), x, t).loss for order in (1, 2, 4, 6, 8)]
    assert all(high <= low * (1 + 1e-6) for low, high in pairwise(losses))


def test_wrong_starts():
    x = np.ones(9)
    with pytest.raises(ValueError, match="start must be 'auto' or 'given', got 'best'"):
        fit(sigrnn.FIR(1), x, x, start="best")
    with pytest.raises(ValueError, match="n_starts must be at least 1, got 0"):
        fit(sigrnn.FIR(1), x, x, n_starts=0)
    with pytest.raises(ValueError, match="n_starts must be 1 with start='given', got 3"):
        fit(sigrnn.FIR(1), x, x, start="given", n_starts=3)


# Levenberg and Marquardt's method.


@pytest.mark.parametrize("scaled", [True, False])
def test_least_squares_of_rosenbrock(scaled):
    path = []
    reason, _ = minimise(
        lambda p: np.array([10 * (p[1] - p[0] ** 2), 1 - p[0]]),
        lambda p: np.array([[-20 * p[0], 10.0], [-1.0, 0.0]]),
        np.array([-1.2, 1.0]),
        scaled,
        1e-12,
        lambda p, value: path.append((p, value)),
    )
    assert reason == "converged"
    assert np.allclose(path[-1][0], 1.0, atol=1e-9)
    assert all(b[1] < a[1] for a, b in pairwise(path))


def test_least_squares_of_columns_that_hardly_differ(rng):
    """Squares of such a matrix have no digits left; an orthogonal factor has."""
    u, v = np.linalg.qr(rng.standard_normal((50, 4)))[0], np.linalg.qr(rng.standard_normal((4, 4)))[0]
    A, truth = u * [1.0, 1e-3, 1e-6, 1e-10] @ v.T, 1e8 * np.array([1.0, -2.0, 3.0, 4.0])
    path = []
    minimise(lambda p: A @ p - A @ truth, lambda p: A, np.zeros(4), True, 1e-15, lambda p, value: path.append(value))
    assert path[-1] < 1e-6


# Units.


@pytest.mark.parametrize(("name", "make", "inputs"), MODELS, ids=IDS)
def test_models_take_gains_and_offsets_in(name, make, inputs, rng):
    model = made(make, inputs)
    x = rng.standard_normal((2, 40, inputs))
    gain, offset = rng.uniform(0.2, 3.0, inputs), rng.standard_normal(inputs)
    level = scaling.input_level(model)
    if level:
        offset = offset if level == scaling.OFFSET else np.zeros(inputs)
        changed = model.copy()
        scaling.take_input(changed, gain, offset)
        assert np.allclose(changed(x), model(x * gain + offset), atol=1e-9)
    gain, offset = rng.uniform(0.2, 3.0) * np.ones(model.outputs), rng.standard_normal(model.outputs)
    level = scaling.output_level(model)
    if level:
        offset = offset if level == scaling.OFFSET else np.zeros(model.outputs)
        changed = model.copy()
        scaling.take_output(changed, gain, offset)
        assert np.allclose(changed(x), gain * model(x) + offset, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "solver"),
    [
        (lambda: sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1)), "lm"),
        (lambda: sigrnn.Chain(sigrnn.LSTM(3), sigrnn.Dense(1)), "adam"),
        (lambda: sigrnn.Chain(sigrnn.FIR(3), sigrnn.TanhNetwork(3)), "lbfgs"),
        (lambda: sigrnn.Chain(sigrnn.IIR(1), sigrnn.PiecewiseLinear(5), sigrnn.IIR(1)), "lm"),
        (lambda: sigrnn.Residual(sigrnn.Chain(sigrnn.Dense(2, "tanh"), sigrnn.Dense(1))), "lbfgs"),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "esr"])
def test_volts_and_millivolts(make, solver, loss, rng):
    x = 2.0 + rng.standard_normal(400)
    t = 5.0 + sigrnn.nlfilter([0.3, 0.2], [1.0, -0.6], x, bias=-1.0)
    seen = []
    volts = fit(make(), x, t, solver=solver, loss=loss, max_iter=8, validation=0.2)

    def see(iteration):
        seen.append(iteration._replace(model=iteration.model.copy()))

    options = {"solver": solver, "loss": loss, "max_iter": 8, "validation": 0.2}
    millivolts = fit(make(), 1e3 * x, 1e3 * t, callback=see, **options)
    factor = 1e6 if loss == "mse" else 1.0
    assert np.allclose(millivolts.model(1e3 * x), 1e3 * volts.model(x), rtol=1e-5)
    assert millivolts.loss == pytest.approx(factor * volts.loss, rel=1e-5)
    assert millivolts.validation_loss == pytest.approx(factor * volts.validation_loss, rel=1e-5)
    assert np.allclose(millivolts.history["loss"], factor * volts.history["loss"], rtol=1e-5)
    assert seen[-1].loss == millivolts.history[-1]
    error = seen[-1].model(1e3 * x[:320]) - 1e3 * t[:320]
    if solver != "adam":
        assert np.mean(error**2) / (1.0 if loss == "mse" else 1e6 * np.mean(t[:320] ** 2)) == pytest.approx(
            seen[-1].loss
        )
    assert np.array_equal(millivolts.t[:, 0], 1e3 * t)


def test_given_parameters_are_in_the_users_units(rng):
    x = 100.0 * rng.standard_normal(200)
    model = sigrnn.Chain(sigrnn.FIR(2), sigrnn.Dense(1))
    model.params = {"0.b": [1.0, 0.5], "1.v": [[2.0]], "1.bias": [30.0]}
    t = model(x)
    result = fit(model, x, t, solver="lbfgs", max_iter=3)
    assert result.loss < 1e-20 * np.mean(t**2)
    assert np.allclose(model.params["1.bias"], 30.0)


def test_ordinary_signals_and_penalties_are_left_alone(rng):
    x = rng.standard_normal(200)
    net = sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)).init(1, rng=3)
    before = net.to_vector()
    fit(net, x, x, max_iter=0)
    assert np.array_equal(net.to_vector(), before)
    ridge = [fit(sigrnn.FIR(2), s * x, s * x, regularization=1.0).model.params["b"] for s in (1.0, 1e3)]
    assert not np.allclose(*ridge, rtol=1e-3)


def test_an_error_leaves_the_model_in_the_users_units(rng):
    x = 1e3 * rng.standard_normal(200)
    model = sigrnn.Chain(sigrnn.FIR(2), sigrnn.Dense(1))
    model.params = {"0.b": [1.0, 0.5], "1.v": [[2.0]], "1.bias": [30.0]}

    def stop(now):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fit(model, x, 1.001 * model(x), solver="adam", max_iter=3, callback=stop, learning_rate=1e-9)
    assert np.allclose(model.params["1.bias"], 30.0, rtol=1e-5)
