"""`fit` on data and arguments that users have had trouble with: results and messages."""

import warnings

import numpy as np
import pytest

import sigrnn


def fit(*args, **kwargs):
    return sigrnn.fit(*args, **{"progress": False, **kwargs})


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("epochs", "max_iter"),
        ("lr", "learning_rate"),
        ("batch_size", "batch"),
        ("optimizer", "solver"),
        ("seed", "rng"),
    ],
)
def test_names_of_other_libraries(name, ours):
    with pytest.raises(TypeError, match=rf"fit\(\) has no argument '{name}': use {ours}"):
        fit(sigrnn.FIR(1), np.ones(9), np.ones(9), **{name: 3})
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        fit(sigrnn.FIR(1), np.ones(9), np.ones(9), nonsense=3)


@pytest.mark.parametrize("solver", ["auto", "lm", "lbfgs", "adam"])
def test_a_target_that_is_nan_is_named(solver, rng):
    x, t = rng.standard_normal((2, 50))
    t[17] = np.nan
    with pytest.raises(
        sigrnn.DivergenceError, match=r"^t is not finite from sample 17 of sequence 1 on: it is nan"
    ) as info:
        fit(sigrnn.IIR(2), [x, x], [x, t], solver=solver)
    assert (info.value.sequence, info.value.sample) == (1, 17)
    with pytest.raises(ValueError, match=r"^validation t is not finite from sample 17 of sequence 0"):
        fit(sigrnn.IIR(2), x, x, solver=solver, validation=(x, t))
    weights = np.isfinite(t).astype(float)
    assert np.isfinite(fit(sigrnn.IIR(2, stable=True), x, t, solver=solver, weights=weights, max_iter=2).loss)


def test_batch_of_more_pieces_than_samples(rng):
    x = rng.standard_normal(357)
    with pytest.raises(ValueError, match="batch must be at most 178, got 400: a single sequence, here of 357 samples"):
        fit(sigrnn.FIR(2), x, x, batch=400)
    assert fit(sigrnn.FIR(2), x, x, batch=178, max_iter=1).settings["batch"] == 178


def test_pieces_shorter_than_the_filter(rng):
    b, a = np.array([1.0, 0.5]), np.array([1.0, -0.9])
    x = [rng.standard_normal(300), rng.standard_normal(3)]
    for model, poles in ((sigrnn.IIR(4), a), (sigrnn.SOS(3), a), (sigrnn.FIR(8), [1.0])):
        assert fit(model, x, [sigrnn.lfilter(b, poles, each) for each in x]).loss < 1e-12
    x = rng.standard_normal(5)
    assert fit(sigrnn.IIR(30), x, sigrnn.lfilter(b, a, x)).loss < 1e-12


def test_no_iteration_leaves_an_empty_history(rng):
    x = rng.standard_normal(100)
    model = sigrnn.FIR(1)
    for more in ({}, {"max_iter": 0}, {"solver": "adam", "max_iter": 0}):
        result = fit(model, x, 2.0 * x, validation=0.2, **more)
        assert result.history["validation_loss"].shape == result.history["loss"].shape == (result.n_iter,)
        assert result.history["time"].dtype == float
    assert result.history["clipped"].shape == (0,)
    with pytest.raises(KeyError):
        fit(model, x, 2.0 * x).history["validation_loss"]


def test_message_of_a_start_that_is_a_minimum(rng):
    x = rng.standard_normal(100)
    result = fit(sigrnn.FIR(2), x, 2.0 * x)
    assert (result.n_iter, result.stop_reason) == (0, "converged")
    assert "after 0 iterations; converged: the start is a minimum: the gradient is zero" in str(result)


def test_an_unstable_filter_is_reported(rng):
    x = rng.standard_normal(400)
    a = np.poly(1.003 * np.exp([0.5j, -0.5j])).real
    t = sigrnn.lfilter([1.0], a, x)
    for model in (sigrnn.IIR(2), sigrnn.Chain(sigrnn.IIR(2))):
        with pytest.warns(UserWarning, match=r"unstable filter: IIR\(2\) with a pole of radius 1\.003.*stable=True"):
            result = fit(model, x, t, solver="lm")
        assert not result.stable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(sigrnn.IIR(2, stable=True), x, t, max_iter=3).stable
        assert fit(sigrnn.GRU(1), x, np.tanh(t), max_iter=1).stable


def test_a_line_search_that_fails_has_not_converged(rng):
    x = rng.standard_normal(60)
    uphill = (lambda y, t: np.mean((y - t) ** 2), lambda y, t: -2.0 * (y - t) / y.size)
    result = fit(sigrnn.NonlinearFIR(2), x, np.tanh(x), solver="lbfgs", loss=uphill)
    assert result.stop_reason == "stalled"
    assert "the line search finds no lower loss, though the gradient has the norm" in result.message


def test_sensitivities_that_overflow_have_not_converged(rng):
    x = 1e170 * rng.standard_normal(60)
    model = sigrnn.NonlinearFIR(1, "linear").init(1)
    model.params = {"b": [1e-170], "bias": [0.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # SciPy's among them
        result = fit(model, x, 2e-170 * x, solver="lm")
    assert result.stop_reason == "stalled"
    assert "overflow" in result.message


def test_lm_finds_the_scale_of_recurrent_weights(rng):
    """NARMA-10: with columns of the Jacobian scaled to one length the loss stays at 0.96."""
    u = rng.uniform(0.0, 0.5, 600)
    y = np.zeros(600)
    for n in range(9, 599):
        y[n + 1] = 0.3 * y[n] + 0.05 * y[n] * y[n - 9 : n + 1].sum() + 1.5 * u[n - 9] * u[n] + 0.1
    x, t = ((each - each.mean()) / each.std() for each in (u, y))
    result = fit(sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1)).init(1, rng=0), x, t, solver="lm", max_iter=40)
    assert result.loss < 0.45


def test_axes_the_other_way_round(rng):
    x = rng.standard_normal((4, 2000))
    with (
        pytest.warns(UserWarning, match=r"x has shape \(4, 2000\): FIR takes it for 4 samples of 2000 inputs"),
        pytest.raises(
            ValueError, match=r"t has 2000 channels, the model has 1 outputs; in models time is the first axis"
        ),
    ):
        fit(sigrnn.FIR(2), x, x)


def test_a_module_of_torch_is_no_model(rng):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"a module of PyTorch: make the same layer here and load its weights"):
        sigrnn.Chain(torch.nn.GRU(1, 4))
    with pytest.raises(TypeError, match=r"model must be a model instance such as sigrnn\.IIR\(2\), got GRU"):
        fit(torch.nn.GRU(1, 4), np.ones(9), np.ones(9))
