"""`fit`: what each solver finds, what ends it, what it keeps, and its messages."""

import pickle
import sys

import numpy as np
import pytest

import sigrnn
from sigrnn._utils import progress as _progress
from sigrnn.bench import timing
from sigrnn.bench import training as bench

SOLVERS = "lm", "lbfgs", "adam", "sgd"


def fit(*args, **kwargs):
    return sigrnn.fit(*args, **{"progress": False, **kwargs})


def resonance(rng, samples=600):
    x = rng.standard_normal(samples)
    return x, sigrnn.lfilter([1.0, -0.4, 0.2], [1.0, -1.2, 0.7], x)


def recurrent():
    return sigrnn.Chain(sigrnn.GRU(3), sigrnn.Dense(1))


# What is found.


@pytest.mark.parametrize("order", [2, 6])
@pytest.mark.parametrize("stable", [False, True])
def test_lm_recovers_a_filter(order, stable, rng):
    poles = rng.uniform(0.5, 0.95, order // 2) * np.exp(1j * rng.uniform(0.2, 2.9, order // 2))
    a, b = np.poly([*poles, *poles.conj()]).real, rng.standard_normal(order + 1)
    x = rng.standard_normal(2000)
    result = fit(sigrnn.IIR(order, stable=stable), x, sigrnn.lfilter(b, a, x), solver="lm")
    assert np.allclose(result.model.params["a"], a, atol=1e-6)
    assert np.allclose(result.model.params["b"], b, atol=1e-6)
    assert result.stop_reason == "converged"
    assert result.loss < 1e-12


def test_sections_and_taps_are_recovered(rng):
    x, t = resonance(rng)
    assert fit(sigrnn.SOS(1), x, t, solver="lm").loss < 1e-20
    b = rng.standard_normal((2, 3))
    x = rng.standard_normal((200, 2))
    t = sum(sigrnn.lfilter(taps, [1.0], channel) for taps, channel in zip(b, x.T, strict=True))
    assert np.allclose(fit(sigrnn.FIR(3), x, t).model.params["b"], b, atol=1e-9)


def test_start_keeps_a_given_filter_that_is_better(rng):
    x, t = resonance(rng)
    x, t = np.concatenate([x, x]), np.concatenate([t, 50 * rng.standard_normal(600)])
    model = sigrnn.IIR(2).init()
    model.params = {"b": [1.0, -0.4, 0.2], "a": [1.0, -1.2, 0.7]}
    weights = np.repeat([1.0, 1e-12], 600)
    assert fit(model, x, t, solver="lm", weights=weights, max_iter=0).loss < 1e-7
    assert np.array_equal(model.params["a"], [1.0, -1.2, 0.7])


@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_robust_losses_ignore_outliers(loss, rng):
    x, t = resonance(rng, 400)
    t = t.copy()
    t[::20] += 300.0
    robust = fit(sigrnn.IIR(2), x, t, solver="lm", loss=loss, max_iter=200)
    squared = fit(sigrnn.IIR(2), x, t, solver="lm")
    clean = sigrnn.lfilter([1.0, -0.4, 0.2], [1.0, -1.2, 0.7], x)
    assert np.mean((robust.model(x) - clean) ** 2) < 1e-3 * np.mean((squared.model(x) - clean) ** 2)
    assert robust.loss == pytest.approx(
        np.mean(abs(robust.model(x) - t)) if loss == "mae" else np.mean(huber(robust.model(x) - t)), rel=1e-9
    )


def huber(e):
    return np.where(abs(e) <= 1, 0.5 * e * e, abs(e) - 0.5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_goes_down(solver, rng):
    x = rng.standard_normal(300)
    t = sigrnn.nlfilter([1.0, 0.5], [1.0, -0.6], x, bias=0.2)
    model = sigrnn.NonlinearIIR(2, 1).init(rng=1)
    start = np.mean((model(x) - t) ** 2)
    result = fit(model, x, t, solver=solver, max_iter=300)
    assert result.model is model
    assert result.solver == solver
    assert result.loss == pytest.approx(np.mean((model(x) - t) ** 2), rel=1e-9)
    assert result.loss < (1e-12 if solver in ("lm", "lbfgs") else 0.5 * start)
    assert result.n_iter == len(result.history)
    assert result.history["loss"][-1] == result.history[-1]


def test_pair_of_functions_is_as_good_as_a_name(rng):
    x, t = resonance(rng, 200)
    pair = (lambda y, t: np.mean((y - t) ** 2), lambda y, t: 2 * (y - t) / y.size)
    lists = [x[:120], x[120:]], [t[:120], t[120:]]
    results = [fit(recurrent(), *lists, solver="lbfgs", loss=loss, max_iter=5, warmup=3) for loss in ("mse", pair)]
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-6)


def test_regularization_pulls_towards_zero(rng):
    x, t = resonance(rng, 200)
    size = [np.linalg.norm(fit(recurrent(), x, t, regularization=r).model.to_vector()) for r in (0.0, 0.1)]
    assert size[1] < 0.5 * size[0]


def test_regularized_least_squares_is_ridge_regression(rng):
    x, t = resonance(rng, 300)
    late = np.stack([np.concatenate([np.zeros(m), x[: 300 - m]]) for m in range(4)], axis=1)
    expected = np.linalg.solve(late.T @ late / 300 + 0.3 * np.eye(4), late.T @ t / 300)
    for solver in ("lm", "lbfgs"):
        found = fit(sigrnn.FIR(4), x, t, solver=solver, regularization=0.3)
        assert np.allclose(found.model.params["b"], expected, atol=1e-6)


def test_adam_takes_the_steps_of_torch(rng):
    torch = pytest.importorskip("torch")
    x, t = rng.standard_normal((2, 4, 30, 1))
    model = sigrnn.Chain(sigrnn.LSTM(3), sigrnn.Dense(1)).init(1, rng=5)
    net = torch.nn.LSTM(1, 3, batch_first=True).double()
    out = torch.nn.Linear(3, 1).double()
    p = model.params
    names = [f"{kind}_l0" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    with torch.no_grad():
        for name, ours in zip(names, ("w_ih", "w_hh", "b_ih", "b_hh"), strict=True):
            getattr(net, name).copy_(torch.from_numpy(p[f"0.{ours}"]))
        out.weight.copy_(torch.from_numpy(p["1.v"]))
        out.bias.copy_(torch.from_numpy(p["1.bias"]))
    optimizer = torch.optim.Adam([*net.parameters(), *out.parameters()], lr=0.01)
    state = None
    for first in (0, 10, 20):  # one epoch in segments of ten, the state carried on
        y, state = net(torch.from_numpy(x[:, first : first + 10]), state)
        state = [s.detach() for s in state]
        optimizer.zero_grad()
        torch.mean((out(y) - torch.from_numpy(t[:, first : first + 10])) ** 2).backward()
        norm = torch.nn.utils.clip_grad_norm_([*net.parameters(), *out.parameters()], 0.05)
        optimizer.step()
    result = fit(model, x, t, solver="adam", tbptt=10, learning_rate=0.01, max_iter=1, clip=0.05)
    assert np.allclose(model.params["0.w_hh"], net.weight_hh_l0.detach().numpy(), rtol=1e-6, atol=1e-9)
    assert np.allclose(model.params["1.v"], out.weight.detach().numpy(), rtol=1e-6, atol=1e-9)
    assert result.clipped == 3
    assert float(norm) > 0.05


@pytest.mark.parametrize("case", bench.CASES, ids=lambda case: case.name)
def test_epochs_are_those_of_torch(case):
    pytest.importorskip("torch")
    measured = timing.measure(case.limited(case.channels * bench.SEGMENT), budget=0)
    assert measured.difference < 1e-5


def test_float32_stays_float32(rng):
    x, t = resonance(rng, 200)
    model = sigrnn.Chain(sigrnn.LSTM(4, dtype="float32"), sigrnn.Dense(1, dtype="float32"))
    result = fit(model, x, t, solver="adam", batch=4, tbptt=16, warmup=4, max_iter=30)
    assert model.params["0.w_hh"].dtype == np.float32
    assert model(x.astype("f4")).dtype == np.float32
    assert result.history[-1] < 0.8 * result.history[0]


# What ends it, and what is kept.


def test_interrupt_keeps_the_best(rng):
    x, t = resonance(rng)

    def interrupt(info):
        if info.iteration == 3:
            raise KeyboardInterrupt

    for solver in SOLVERS:
        model = recurrent()
        result = fit(model, x, t, solver=solver, callback=interrupt, max_iter=20)
        assert (result.stop_reason, result.n_iter) == ("interrupted", 3)
        assert result.loss == pytest.approx(np.mean((model(x) - t) ** 2))
        assert result.loss == pytest.approx(min(result.history), rel=1e-9)


def test_interrupt_in_the_first_epoch_keeps_what_was_learned(rng, monkeypatch):
    x, t = resonance(rng)
    model = recurrent().init(1, rng=0)
    start, calls, vjp = np.mean((model(x) - t) ** 2), [], type(model)._reverse

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return vjp(self, *args, **kwargs)

    monkeypatch.setattr(type(model), "_reverse", interrupted)
    result = fit(model, x, t, solver="adam", tbptt=10)
    assert result.stop_reason == "interrupted"
    assert result.n_iter == 0
    assert result.loss < start
    assert "interrupted" in str(result)


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback_sees_and_stops(solver, rng):
    x, t = resonance(rng, 200)
    seen = []

    def callback(info):
        seen.append((info.iteration, info.loss, info.validation_loss, np.mean((info.model(x) - t) ** 2)))
        return info.iteration == 4

    result = fit(recurrent(), x, t, solver=solver, callback=callback, max_iter=20)
    assert result.stop_reason == "callback"
    assert [row[0] for row in seen] == [1, 2, 3, 4]
    assert [row[1] for row in seen] == list(result.history)
    assert np.allclose([row[1] for row in seen], [row[3] for row in seen])
    assert all(row[2] is None for row in seen)

    def stop(info):
        raise StopIteration

    assert fit(recurrent(), x, t, solver=solver, callback=stop, max_iter=20).n_iter == 1


@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam"])
def test_early_stopping_keeps_what_is_best_on_validation_data(solver, rng):
    x = rng.standard_normal(60)
    t = np.tanh(sigrnn.lfilter([1.0], [1.0, -0.6], x)) + 0.7 * rng.standard_normal(60)
    model = sigrnn.Chain(sigrnn.RNN(6), sigrnn.Dense(1)).init(1, rng=1)
    new = rng.standard_normal(200)
    judged = new, np.tanh(sigrnn.lfilter([1.0], [1.0, -0.6], new))
    more = {"learning_rate": 0.05} if solver == "adam" else {}
    result = fit(model, x, t, solver=solver, validation=judged, max_iter=400, **more)
    assert result.stop_reason == "early_stopping"
    assert result.n_iter < 400
    assert result.validation_loss == pytest.approx(min(result.history["validation_loss"]), rel=1e-9)
    assert result.validation_loss == pytest.approx(np.mean((model(judged[0]) - judged[1]) ** 2))
    assert result.loss > min(result.history)


def test_validation_by_share(rng):
    x, t = resonance(rng, 100)
    result = fit(sigrnn.FIR(3), x, t, solver="lm", validation=0.25)
    y = result.model(x)  # judged with the past known
    assert result.validation_loss == pytest.approx(np.mean((y - t)[75:] ** 2))
    assert result.loss == pytest.approx(np.mean((y - t)[:75] ** 2))
    x, t = rng.standard_normal((2, 5, 20, 1))
    result = fit(sigrnn.FIR(3), x, t, solver="lm", validation=0.4)
    assert result.validation_loss == pytest.approx(np.mean((result.model(x[3:]) - t[3:]) ** 2))


def test_same_seed_same_result(rng):
    x, t = rng.standard_normal((2, 6, 20, 1))
    runs = [fit(recurrent(), x, t, solver="adam", batch=2, max_iter=3, rng=seed) for seed in (None, 0, 1)]
    assert list(runs[0].history) == list(runs[1].history) != list(runs[2].history)


# Divergence.


def test_divergence_says_where_it_began(rng):
    x, t = resonance(rng, 3000)
    model = sigrnn.IIR(2).init()
    with pytest.raises(
        sigrnn.DivergenceError, match=r"iteration \d+: the .* from sample \d+ of sequence 0 on; \w"
    ) as info:
        fit(model, x, t, solver="sgd", learning_rate=2.0)
    error = pickle.loads(pickle.dumps(info.value))
    assert error.sequence == 0
    assert 0 < error.sample < 3000
    assert error.parameter[0] in "ab"
    assert error.iteration >= 1
    assert np.isfinite(model(x)).all()  # the best before


def test_divergence_in_a_segment_counts_from_the_beginning(rng):
    x, t = resonance(rng, 400)
    t = t.copy()
    t[321] = np.inf
    with pytest.raises(sigrnn.DivergenceError, match="t is not finite from sample 321") as info:
        fit(recurrent(), x, t, solver="adam", batch=4, tbptt=20, warmup=5)
    assert info.value.sample == 321


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_not_finite_at_the_start_is_reported(solver, rng):
    x, t = resonance(rng, 100)
    x[17] = np.nan
    with pytest.raises(sigrnn.DivergenceError, match="x is not finite from sample 17 of sequence 1"):
        fit(recurrent(), [t, x], [t, t], solver=solver)
    x, t = resonance(rng, 5000)
    model = sigrnn.NonlinearIIR(2, 1, activation="linear").init()
    model.params["a"] = [1.0, -1.5]
    with pytest.raises(sigrnn.DivergenceError, match=r"the error is not finite|the output is not finite"):
        fit(model, x, t, solver=solver)


def test_steps_to_where_a_filter_is_unstable_are_taken_back(rng):
    x = rng.standard_normal(4000)
    t = np.tanh(sigrnn.lfilter([0.1], [1.0, -0.99], x))
    for solver in ("lm", "lbfgs"):
        model = sigrnn.Chain(sigrnn.IIR(1), sigrnn.NonlinearFIR(1)).init(1, rng=0)
        assert fit(model, x, t, solver=solver, max_iter=300).loss < 1e-8


# Choices and errors.


def test_auto_says_what_it_took(rng):
    x, t = resonance(rng, 50)
    assert fit(sigrnn.IIR(2), x, t).solver == "lm"
    assert fit(recurrent(), x, t, max_iter=1, loss=(lambda y, t: 0.0, lambda y, t: 0 * y)).solver == "lbfgs"
    assert fit(sigrnn.GRU(10), x, np.zeros((50, 10)), max_iter=1).solver == "lbfgs"
    assert fit(recurrent(), x, t, max_iter=1, clip=1.0).solver == "adam"
    x = np.zeros(300_000)
    result = fit(sigrnn.Chain(sigrnn.GRU(8), sigrnn.Dense(1)), x, x + 1, max_iter=1)
    assert result.solver == "adam"
    assert result.settings == {"max_iter": 1, "batch": 16, "tbptt": 1024}
    assert "batch 16" in str(result)


class NoForward(sigrnn.Model):
    def _draw(self, inputs, rng):
        return {"gain": [0.5]}, inputs

    def _run(self, x, state):
        return x * self.params["gain"], None

    def _vjp(self, x, state):
        return self._run(x, state), lambda dy: ({"gain": np.sum(dy * x).reshape(1)}, dy * self.params["gain"])


def test_own_model_without_forward_mode(rng):
    x = rng.standard_normal(50)
    result = fit(NoForward(), x, 2 * x)
    assert result.solver == "lbfgs"
    assert np.allclose(result.model.params["gain"], 2.0)
    with pytest.raises(TypeError, match="lbfgs"):
        fit(NoForward(), x, 2 * x, solver="lm")


MISTAKES = {
    "solver must be one of auto, lm": {"solver": "newton"},
    "loss must be one of mse": {"loss": "mean"},
    "pair": {"loss": (1, 2)},
    "max_iter must be at least 0": {"max_iter": -1},
    "warmup must be at least 0": {"warmup": -1},
    "no sample counts": {"warmup": 50},
    "batch must be at least 1": {"batch": 0},
    "tbptt must be at least 1": {"tbptt": 0},
    "clip must be positive": {"clip": 0.0},
    "learning_rate must be positive": {"learning_rate": -1.0},
    "regularization must be finite": {"regularization": -1.0},
    "batch, clip: not for solver 'lm'": {"solver": "lm", "batch": 2, "clip": 1.0},
    r"validation must be \(x, t\) or a share": {"validation": 1.5},
    "validation must be a pair": {"validation": (1, 2, 3, 4)},
    "validation has 2 inputs": {"validation": (np.ones((5, 2)), np.ones(5))},
    "weights must be finite and not negative": {"weights": -np.ones(50)},
    r"weights has shape \(3,\)": {"weights": np.ones(3)},
    r"t has shape \(49,\)": {"t": np.ones(49)},
    "t has 2 channels": {"t": np.ones((50, 2))},
    "x has dtype complex128": {"x": np.ones(50, complex)},
    "x has shape": {"x": np.ones((1, 2, 3, 4))},
    "x is a single number": {"x": 1.0},
    "x has no samples": {"x": np.ones(0), "t": np.ones(0)},
    "t has 1 sequences": {"x": [np.ones(3), np.ones(4)], "t": [np.ones(3)]},
    "same number of channels": {"x": [np.ones((3, 1)), np.ones((4, 2))], "t": [np.ones(3), np.ones(4)]},
    "which is zero": {"t": np.zeros(50), "loss": "esr"},
    "weights are for losses by name": {"loss": (max, min), "weights": np.ones(50)},
    "solver 'lm' takes losses by name": {"loss": (max, min), "solver": "lm"},
    "gradient of the loss has shape": {"loss": (lambda y, t: 0.0, lambda y, t: 0.0)},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_explained(message):
    given = {"x": np.ones(50), "t": np.ones(50), **MISTAKES[message]}
    with pytest.raises(ValueError, match=message):
        fit(sigrnn.FIR(2).init(1), given.pop("x"), given.pop("t"), **given)


def test_model_with_other_inputs():
    with pytest.raises(ValueError, match="x has 3 channels, the model takes 2"):
        fit(sigrnn.FIR(2).init(2), np.ones((20, 3)), np.ones(20))


def test_inputs_are_left_alone(rng):
    x, t = resonance(rng, 60)
    weights = np.ones(60)
    for array in (x, t, weights):
        array.setflags(write=False)
    fit(recurrent(), x, t, weights=weights, warmup=3, solver="adam", batch=2, max_iter=2, validation=0.2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_products_use_as_many_threads_as_workers(solver, rng):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    seen = []

    def callback(now):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")

    fit(recurrent(), *resonance(rng, 50), solver=solver, max_iter=1, callback=callback)
    assert set(seen) <= {sigrnn.get_workers()}


def test_no_iterations_change_nothing(rng):
    x, t = resonance(rng, 50)
    for solver in SOLVERS:
        model = recurrent().init(1, rng=0)
        start = model.to_vector()
        result = fit(model, x, t, solver=solver, max_iter=0)
        assert np.array_equal(model.to_vector(), start)
        assert (result.n_iter, result.stop_reason, len(result.history)) == (0, "max_iter", 0)
        assert result.loss == pytest.approx(np.mean((model(x) - t) ** 2))


# What it shows.


def test_progress_bar(rng, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(_progress, "DELAY", 0.0)
    x, t = resonance(rng, 100)
    fit(recurrent(), x, t, solver="adam", tbptt=5, max_iter=100, progress=True, validation=0.5)
    shown = capsys.readouterr().err
    assert "adam" in shown
    assert "loss=" in shown
    assert "validation_loss=" in shown
    fit(recurrent(), x, t, max_iter=3, progress=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fit(recurrent(), x, t, max_iter=3, progress=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("validation", [None, 0.3])
def test_plot(validation, rng):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    x, t = resonance(rng)
    result = fit(recurrent(), x, t, validation=validation, max_iter=5)
    assert result.plot(figure) is figure
    losses, signals, spectra = figure.axes
    assert np.allclose(losses.lines[0].get_ydata(), result.history["loss"])
    target, output, error = (line.get_ydata() for line in signals.lines)
    assert np.allclose(output - target, error)
    assert len(target) == 400
    assert [line.get_label() for line in spectra.lines] == ["target", "error"]


def test_history_is_a_sequence_with_names(rng):
    x, t = resonance(rng, 100)
    result = pickle.loads(pickle.dumps(fit(sigrnn.FIR(2), x, t, solver="adam", max_iter=4)))
    history = result.history
    assert list(history[1:3]) == [history[1], history[2]]
    assert history[-1] == list(history)[3]
    assert history.keys() == ["loss", "gradient_norm", "clipped", "rate", "time"]
    assert all(len(history[name]) == 4 for name in history.columns)
    assert (np.diff(history["time"]) > 0).all()
    assert "4 iterations" in repr(history)
