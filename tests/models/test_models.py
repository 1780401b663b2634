"""Models: gradients, sensitivities and vectors of each, parameters, sizes, and messages."""

import warnings

import numpy as np
import pytest
from helpers import Unchanged, run_in_fresh_process
from model_cases import IDS, MODELS, Leak, Shaper, made, shapes

import sigrnn
from sigrnn import (
    FIR,
    GRU,
    IIR,
    LSTM,
    RNN,
    SOS,
    Bidirectional,
    Chain,
    Dense,
    NonlinearFIR,
    NonlinearIIR,
    Parallel,
    Residual,
)

STEP = 1e-6


def differences(model, x, state, dy):
    """The gradient of sum(dy * y) by the vector, by differences."""
    theta = model.to_vector()
    found = np.zeros(len(theta))
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = STEP
        up, down = (model.from_vector(theta + s).run(x, state)[0] for s in (step, -step))
        found[i] = ((up - down) * dy).sum() / (2.0 * STEP)
    model.from_vector(theta)
    return found


@pytest.mark.parametrize(("name", "make", "inputs"), MODELS, ids=IDS)
def test_gradients(name, make, inputs, rng):
    model = made(make, inputs)
    for shape in shapes(inputs):
        x, before, t = (rng.standard_normal(shape) for _ in range(3))
        for state in (None, model.run(before)[1]):
            (y, after), pullback = model.vjp(x, state)
            again, after_run = model.run(x, state)
            np.testing.assert_allclose(y, again, rtol=1e-13, atol=1e-14)
            np.testing.assert_allclose(model.run(x, after)[0], model.run(x, after_run)[0], rtol=1e-13, atol=1e-13)
            dy = rng.standard_normal(y.shape)
            with Unchanged(x, dy):
                grads, dx = pullback(dy)
            assert {n: g.shape for n, g in grads.items()} == {n: v.shape for n, v in model.params.items()}
            gradient = model.vector_gradient(grads)
            np.testing.assert_allclose(gradient, differences(model, x, state, dy), rtol=1e-6, atol=1e-7)
            move = (model.run(x + STEP * t, state)[0] - model.run(x - STEP * t, state)[0]) / (2.0 * STEP)
            np.testing.assert_allclose((dx * t).sum(), (move * dy).sum(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "make", "inputs"), MODELS, ids=IDS)
def test_forward_mode_is_the_transpose_of_reverse_mode(name, make, inputs, rng):
    model = made(make, inputs)
    for shape in shapes(inputs):
        x, before, dx = (rng.standard_normal(shape) for _ in range(3))
        state = model.run(before)[1]
        (y, _), pullback = model.vjp(x, state)
        dy = rng.standard_normal(y.shape)
        grads, slope = pullback(dy)
        tangents = {name: rng.standard_normal(v.shape) for name, v in model.params.items()}
        value, move = model.jvp(x, tangents, dx, state)
        np.testing.assert_allclose(value, y, rtol=1e-12, atol=1e-13)
        expected = sum((grads[n] * t).sum() for n, t in tangents.items()) + (slope * dx).sum()
        np.testing.assert_allclose((move * dy).sum(), expected, rtol=1e-9, atol=1e-11)

        value, J = model.sensitivities(x, state)
        np.testing.assert_allclose(value, y, rtol=1e-12, atol=1e-13)
        assert J.shape == (model.n_parameters, *y.shape)
        by_rows = model.vector_sensitivities(J).reshape(len(J), dy.size) @ dy.ravel()
        np.testing.assert_allclose(by_rows, model.vector_gradient(grads), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("name", "make", "inputs"), MODELS, ids=IDS)
def test_checkpoints_change_nothing(name, make, inputs, rng):
    model, x = made(make, inputs), rng.standard_normal((2, 9, inputs))
    (y, _), pullback = model.vjp(x)
    (z, _), pullback_of_blocks = model.vjp(x, checkpoint=4)
    np.testing.assert_allclose(z, y, rtol=1e-13)
    (grads, dx), (others, dx_others) = pullback(y), pullback_of_blocks(y)
    np.testing.assert_allclose(model.vector_gradient(others), model.vector_gradient(grads), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dx_others, dx, rtol=1e-9, atol=1e-12)


def test_what_models_are(rng):
    """Each leaf is its function."""
    x = rng.standard_normal(20)
    for model in (IIR(3).init(rng=0), FIR(3).init(rng=0)):
        np.testing.assert_array_equal(model(x), sigrnn.lfilter(model.params["b"], model.params.get("a", [1.0]), x))
    model = SOS(2).init(rng=0)
    np.testing.assert_array_equal(model(x), sigrnn.sosfilt(model.params["sos"], x))
    model = NonlinearIIR(2, 2, "sigmoid").init(rng=0)
    model.params["bias"] = [0.5]
    expected = sigrnn.nlfilter(model.params["b"], model.params["a"], x, activation="sigmoid", bias=0.5)
    np.testing.assert_allclose(model(x), expected, rtol=1e-14)
    x = rng.standard_normal((20, 2))
    for model, function in ((RNN(3), sigrnn.rnn), (GRU(3), sigrnn.gru), (LSTM(3), sigrnn.lstm)):
        model.init(2, rng=0)
        np.testing.assert_array_equal(model(x), function(x, *model.params.values())[0])
    for model in (FIR(3), IIR(2), NonlinearIIR(2, 1, "linear")):
        model.init(2, rng=0)
        b, a = model.params["b"], model.params.get("a", [1.0])
        np.testing.assert_allclose(
            model(x), sum(sigrnn.lfilter(b[i], a, x[:, i]) for i in range(2))[:, None], atol=1e-14
        )
    model = SOS(2).init(2, rng=0)
    both = sum(sigrnn.sosfilt(model.params["sos"][i], x[:, i]) for i in range(2))
    np.testing.assert_allclose(model(x), both[:, None], atol=1e-14)


def test_compositions_are_what_they_say(rng):
    x = rng.standard_normal(30)
    f, g = IIR(2).init(rng=0), NonlinearFIR(3).init(rng=1)
    np.testing.assert_allclose(Chain(f, g)(x), g(f(x)), atol=1e-14)
    np.testing.assert_allclose(Residual(f)(x), x + f(x), atol=1e-14)
    np.testing.assert_allclose(Parallel(f, g)(x), f(x) + g(x), atol=1e-14)
    np.testing.assert_allclose(Parallel(f, g, combine="concatenate")(x), np.stack([f(x), g(x)], -1), atol=1e-14)
    np.testing.assert_allclose(Bidirectional(f, g)(x), np.stack([f(x), g(x[::-1])[::-1]], -1), atol=1e-14)


def test_seeds():
    for make in (lambda: IIR(4), lambda: Chain(LSTM(3), Dense(1))):
        one, same, other = make().init(1, 5), make().init(1, np.random.default_rng(5)), make().init(1, 6)
        assert np.array_equal(one.to_vector(), same.to_vector())
        assert not np.array_equal(one.to_vector(), other.to_vector())
        assert not np.array_equal(make().init().to_vector(), make().init().to_vector())
        model = make()
        model(np.zeros(3))
        assert np.array_equal(model.to_vector(), make().init(1, 0).to_vector())


def test_first_filters_are_stable(rng):
    for seed in range(20):
        assert abs(IIR(5).init(1, seed).poles()).max() <= 0.5 + 1e-9
        assert abs(SOS(3).init(2, seed).poles()).max() <= 0.5 + 1e-9


def test_forget_bias():
    plain, open_gates = (LSTM(4, forget_bias=f).init(1, 0).params["b_ih"] for f in (0.0, 1.5))
    np.testing.assert_allclose(open_gates - plain, np.repeat([0.0, 1.5, 0.0, 0.0], 4))


def test_float32(rng):
    x = rng.standard_normal((40, 1)).astype(np.float32)
    for make in (
        lambda dtype: Chain(LSTM(3, dtype=dtype), Dense(1, dtype=dtype)),
        lambda dtype: Chain(IIR(2, dtype=dtype), NonlinearFIR(2, dtype=dtype)),
    ):
        single, double = make("float32").init(1, 0), make("float64").init(1, 0)
        y = single(x)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, double(x), atol=1e-5)
        grads, dx = single.vjp(x)[1](y)
        assert dx.dtype == np.float32
        assert {name: grad.dtype for name, grad in grads.items()} == {
            name: v.dtype for name, v in single.params.items()
        }
        expected, _ = double.vjp(x)[1](y)
        np.testing.assert_allclose(single.vector_gradient(grads), double.vector_gradient(expected), atol=1e-4)
    assert LSTM(3, dtype="float32").init().params["w_hh"].dtype == np.float32
    assert IIR(3, dtype="float32").init().params["a"].dtype == np.float64


class TestParameters:
    def test_copies_are_kept(self):
        model, b = FIR(2).init(), np.array([1.0, 2.0])
        model.params["b"] = b
        b[0] = 9.0
        assert model.params["b"].tolist() == [1.0, 2.0]
        model.params = {"b": b}
        b[0] = 7.0
        assert model.params["b"].tolist() == [9.0, 2.0]
        other = model.copy()
        other.params["b"][1] = 5.0
        assert model.params["b"].tolist() == [9.0, 2.0]

    def test_assigned_before_sizes_are_known(self):
        model = Chain(LSTM(2), Dense(1))
        drawn = Chain(LSTM(2), Dense(1)).init(3, 0)
        model.params = drawn.params
        assert (model.inputs, model.outputs) == (3, 1)
        assert np.array_equal(model.to_vector(), drawn.to_vector())
        assert isinstance(model.params, dict)
        model.params["1.bias"] = [4.0]
        assert model.parts[1].params["bias"].tolist() == [4.0]
        model.params |= {"1.bias": [5.0]}
        model.params.update({"1.v": [[0.0, 0.0]]})
        assert model.parts[1].params["bias"].tolist() == [5.0]
        assert not model(np.ones((3, 3)))[0] - 5.0

    def test_parts_with_parameters_keep_them(self):
        f = FIR(2)
        f.params = {"b": [2.0, 0.0]}
        chain = Chain(f, Dense(1))
        chain([1.0, 2.0])
        assert f.params["b"].tolist() == [2.0, 0.0]

    def test_what_does_not_fit(self):
        model = IIR(2).init()
        before = model.params["b"].copy()
        with pytest.raises(ValueError, match=r"b has shape \(2,\), expected \(3,\)"):
            model.params["b"] = [1.0, 2.0]
        with pytest.raises(KeyError, match="the parameters are b, a"):
            model.params["c"] = [1.0]
        with pytest.raises(TypeError, match="b must be real numbers"):
            model.params["b"] = ["1", "2", "3"]
        with pytest.raises(ValueError, match=r"a\[0\] must be 1, got 2"):
            model.params = {"b": [7.0, 7.0, 7.0], "a": [2.0, 0.0, 0.0]}
        assert np.array_equal(model.params["b"], before), "all or nothing"
        with pytest.raises(ValueError, match="missing a; unknown c; the model has b, a"):
            model.params = {"b": [1.0, 0.0, 0.0], "c": 1.0}
        with pytest.raises(TypeError, match="params must be a dict of arrays, got list"):
            model.params = [1.0]
        with pytest.raises(TypeError, match="cannot be"):
            del model.params["b"]
        with pytest.raises(TypeError, match="cannot be"):
            model.params.pop("b")
        with pytest.raises(ValueError, match="has no sizes yet"):
            IIR(2).params["b"] = [1.0, 0.0, 0.0]
        with pytest.raises(ValueError, match=r"sos\[:, 3\] should be all ones"):
            SOS(1).init().params["sos"] = np.zeros((1, 6))


class TestMistakes:
    def test_arguments(self):
        for make in (FIR, IIR, RNN, Dense, lambda n: NonlinearIIR(2, n), SOS):
            with pytest.raises(ValueError, match="must be at least 1, got 0"):
                make(0)
            with pytest.raises(TypeError, match=r"must be a whole number, got 2\.5"):
                make(2.5)
        with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int32'"):
            LSTM(2, dtype="int32")
        with pytest.raises(ValueError, match="unknown activation 'tan'"):
            Dense(1, "tan")
        with pytest.raises(ValueError, match="combine must be 'sum' or 'concatenate', got 'mean'"):
            Parallel(FIR(1), FIR(1), combine="mean")
        with pytest.raises(TypeError, match="give n_sections, or sos="):
            SOS()
        with pytest.raises(ValueError, match="n_sections is 3, sos has 1"):
            SOS(3, sos=[[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
        with pytest.raises(ValueError, match="inputs must be at least 1"):
            FIR(2).init(0)

    def test_sizes_are_not_inputs(self):
        """PyTorch's order, GRU(inputs, hidden)."""
        for make in (GRU, LSTM):
            with pytest.raises(TypeError, match="positional argument"):
                make(1, 8)

    def test_axes_the_other_way_round(self, rng):
        x = rng.standard_normal((4, 2000))
        for model in (IIR(1), NonlinearFIR(2), Chain(FIR(2), Dense(1))):
            with pytest.warns(
                UserWarning, match=r"\(4, 2000\): .* first axis, \(N, inputs\), .* last as in lfilter"
            ) as seen:
                model(x)
            assert [w.filename for w in seen] == [__file__]
        with pytest.raises(ValueError, match=r"the model has 1 input\(s\); in models time is the first axis"):
            IIR(1).init()(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model(x)  # it has its sizes by now
            FIR(1)(x.T)
            FIR(1)(x[..., None])
            Dense(1)(x)  # four vectors
            FIR(1)(rng.standard_normal((20, 40)))

    def test_signals(self):
        model = FIR(2).init(2)
        with pytest.raises(ValueError, match=r"x has shape \(5,\), expected \(N, 2\) or \(B, N, 2\)"):
            model(np.zeros(5))
        with pytest.raises(ValueError, match=r"x has shape \(1, 1, 5, 2\), expected"):
            model(np.zeros((1, 1, 5, 2)))
        with pytest.raises(TypeError, match="x has dtype complex128: models are for real signals"):
            model(np.zeros((5, 2), complex))
        (_, _), pullback = model.vjp(np.zeros((5, 2)))
        with pytest.raises(ValueError, match=r"dy has shape \(5, 2\), expected \(5, 1\)"):
            pullback(np.zeros((5, 2)))
        with pytest.raises(ValueError, match="tangents: unknown c; the model has b"):
            model.jvp(np.zeros((5, 2)), {"c": 1.0})
        with pytest.raises(ValueError, match=r"tangent of b has shape \(2,\), expected \(2, 2\)"):
            model.jvp(np.zeros((5, 2)), {"b": [1.0, 2.0]})
        with pytest.raises(ValueError, match=r"theta has shape \(3,\), expected \(4,\)"):
            model.from_vector(np.zeros(3))
        with pytest.raises(ValueError, match=r"to_vector: .* has no sizes yet"):
            FIR(2).to_vector()

    def test_compositions(self):
        with pytest.raises(TypeError, match="Chain needs at least one model"):
            Chain()
        with pytest.raises(TypeError, match="Chain is made of models, got 'tanh'"):
            Chain(FIR(2), "tanh")
        f = FIR(2)
        with pytest.raises(ValueError, match="the same model is used twice"):
            Chain(f, Residual(f))
        with pytest.raises(ValueError, match="1 inputs and 3 outputs"):
            Residual(RNN(3)).init(1)
        with pytest.raises(ValueError, match=r"outputs are added, and there are \[2, 3\]"):
            Parallel(RNN(2), RNN(3)).init(1)
        f.init(2)
        with pytest.raises(ValueError, match=r"part 0, FIR\(2\), gives 1 channels, part 1, FIR\(3\), takes 2"):
            Chain(f, FIR(3).init(2))
        with pytest.raises(ValueError, match="state: expected what run or vjp of Chain returns"):
            Chain(FIR(2)).run(np.zeros(3), 1.0)

    def test_a_model_without_forward_mode(self, rng):
        model = Chain(Shaper(), IIR(2)).init()
        with pytest.raises(TypeError, match=r"Shaper has no forward mode .*'lbfgs', 'adam' and 'sgd' do without"):
            model.sensitivities(rng.standard_normal(5))
        for hook in ("_draw", "_run"):
            with pytest.raises(NotImplementedError, match=f"give it a method {hook}"):
                getattr(sigrnn.Model(), hook)(np.zeros((1, 1, 1)), None)
        with pytest.raises(TypeError, match="has no gradients: give it a method _vjp"):
            sigrnn.Model()._vjp(np.zeros((1, 1, 1)), None)


def test_own_model_in_a_chain(rng):
    model, x = Chain(Shaper(), FIR(3)).init(2, 0), rng.standard_normal((10, 2))
    (y, _), pullback = model.vjp(x)
    np.testing.assert_allclose(
        model.vector_gradient(pullback(y)[0]), differences(model, x, None, y), rtol=1e-6, atol=1e-7
    )
    assert repr(Leak(0.25)) == "Leak(0.25)"
    assert repr(Leak()) == "Leak()"
    assert repr(model) == "Chain(Shaper(), FIR(3))"


def test_printing():
    model = Chain(SOS(2, stable=True), Residual(Dense(1, "tanh")), LSTM(16, dtype="float32"))
    assert repr(model) == "Chain(SOS(2, stable=True), Residual(Dense(1, 'tanh')), LSTM(16, dtype='float32'))"
    assert "no sizes yet" in str(model)
    lines = str(model.init(1, 0)).splitlines()
    assert lines[0].split() == ["Chain", "1", "->", "16", "1,228", "parameters"]
    assert "4 poles, largest radius 0." in lines[1]
    assert lines[3].startswith("    Dense(1, 'tanh')")
    unstable = IIR(1)
    unstable.params = {"b": [1.0, 0.0], "a": [1.0, -1.25]}
    assert str(unstable).endswith("1 pole, largest radius 1.25, UNSTABLE")


def test_nan_travels():
    """A missing sample spoils what the equation spoils, and nothing before it."""
    x = np.ones(8)
    x[4] = np.nan
    for model in (FIR(2).init(1, 0), Chain(IIR(2), Dense(1, "tanh")).init(1, 0), LSTM(2).init(1, 0)):
        bad = np.isnan(model(x).reshape(8, -1)).any(axis=1)
        assert not bad[:4].any()
        assert bad[4]
    assert np.isnan(FIR(2).init(1, 0)(x)).tolist() == [False] * 4 + [True] * 2 + [False] * 2


def test_wiener_hammerstein_rows_are_those_of_forward_mode(rng):
    """Long enough for blocks of time and Fourier transforms."""
    model, x = Chain(IIR(4), Dense(1, "tanh"), IIR(4)).init(1, 0), rng.standard_normal(20_000)
    _, J = model.sensitivities(x)
    row = 0
    for name, value in model.params.items():
        for index in range(value.size):
            if name.endswith("a") and not index:
                continue
            tangent = np.zeros(value.size)
            tangent[index] = 1.0
            _, dy = model.jvp(x, {name: tangent.reshape(value.shape)})
            np.testing.assert_allclose(J[row], dy, atol=1e-10 * abs(dy).max())
            row += 1
    assert row == len(J) == model.n_parameters


def test_gradient_flow(rng):
    a = np.poly([0.95 * np.exp(0.3j), 0.95 * np.exp(-0.3j)]).real
    model = IIR(2)
    model.params = {"b": [1.0, 0.0, 0.0], "a": a}
    flow = sigrnn.gradient_flow(model, np.zeros(800))
    np.testing.assert_allclose(flow.growth_rate, 0.95, atol=1e-3)
    h = sigrnn.lfilter([1.0], a, np.eye(1, 401)[0])
    np.testing.assert_allclose(flow.norm, abs(h), atol=1e-12)
    model = Chain(model, Dense(1, "tanh"), FIR(3)).init(1, 0)
    model.params["0.a"] = a
    x = rng.standard_normal((2, 800, 1))
    flow = sigrnn.gradient_flow(model, x, lags=200)
    assert len(flow.norm) == 201
    np.testing.assert_allclose(flow.growth_rate, 0.95, atol=2e-3)
    assert flow.verdict == "vanishing"
    layer = RNN(4).init(2, 0)
    x = rng.standard_normal((300, 2))
    by_model, by_function = (
        sigrnn.gradient_flow(layer, x, lags=40),
        sigrnn.gradient_flow(sigrnn.rnn, x, *layer.params.values(), lags=40),
    )
    np.testing.assert_allclose(by_model.growth_rate, by_function.growth_rate, rtol=0.05)
    with pytest.raises(TypeError, match="and models; got"):
        sigrnn.gradient_flow(np.tanh, x)


def test_matplotlib_is_not_imported_before_a_plot():
    run_in_fresh_process(
        "import sys, sigrnn; print(sigrnn.Chain(sigrnn.IIR(2), sigrnn.Dense(1)).init()); "
        "assert 'matplotlib' not in sys.modules"
    )
