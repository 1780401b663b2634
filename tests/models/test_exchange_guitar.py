"""Files of guitar amplifiers, written here in those projects' formats, and run step by step as those projects run them."""

import json

import numpy as np
import pytest

import sigrnn


def guitarml(rng, kind="LSTM", inputs=1, hidden=3, layers=1, skip=1):
    rows, state = {"LSTM": 4, "GRU": 3}[kind] * hidden, {}
    for k in range(layers):
        for name, shape in (
            ("weight_ih", (rows, inputs if k == 0 else hidden)),
            ("weight_hh", (rows, hidden)),
            ("bias_ih", (rows,)),
            ("bias_hh", (rows,)),
        ):
            state[f"rec.{name}_l{k}"] = rng.standard_normal(shape).tolist()
    state |= {"lin.weight": rng.standard_normal((1, hidden)).tolist(), "lin.bias": [0.25]}
    data = {"model": "SimpleRNN", "input_size": inputs, "skip": skip, "output_size": 1, "unit_type": kind}
    return {"model_data": data | {"num_layers": layers, "hidden_size": hidden, "bias_fl": True}, "state_dict": state}


def sigmoid(e):
    return 1.0 / (1.0 + np.exp(-e))


def lstm(x, w_ih, w_hh, bias, h, c):
    found = []
    for sample in x:
        i, f, g, o = np.split(w_ih @ sample + w_hh @ h + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.array(found)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("skip", [0, 1])
def test_guitarml(inputs, skip, rng, tmp_path):
    document = guitarml(rng, inputs=inputs, skip=skip)
    path = tmp_path / "amp.json"
    path.write_text(json.dumps(document))
    model, x = sigrnn.from_guitarml_json(path), rng.standard_normal((30, inputs))
    w = {name: np.array(value) for name, value in document["state_dict"].items()}
    bias = w["rec.bias_ih_l0"] + w["rec.bias_hh_l0"]
    h = lstm(x, w["rec.weight_ih_l0"], w["rec.weight_hh_l0"], bias, np.zeros(3), np.zeros(3))
    expected = h @ w["lin.weight"].T + w["lin.bias"] + skip * x[:, :1]
    assert np.allclose(model(x), expected, atol=1e-13)


def test_guitarml_layers(rng):
    assert repr(sigrnn.from_guitarml_json(guitarml(rng, "GRU", layers=2, skip=0))) == "Chain(GRU(3), GRU(3), Dense(1))"


def nam(rng, hidden=3, layers=2):
    weights, width = [], 1
    for _ in range(layers):
        weights += [rng.standard_normal((4 * hidden, width + hidden)), rng.standard_normal(4 * hidden)]
        weights += [rng.standard_normal(hidden), rng.standard_normal(hidden)]
        width = hidden
    weights += [rng.standard_normal(hidden), rng.standard_normal(1)]
    flat = np.concatenate([array.ravel() for array in weights]).tolist()
    config = {"input_size": 1, "hidden_size": hidden, "num_layers": layers}
    return {
        "version": "0.5.4",
        "architecture": "LSTM",
        "config": config,
        "weights": flat,
        "sample_rate": 48000,
    }, weights


def test_nam(rng, tmp_path):
    document, weights = nam(rng)
    x = rng.standard_normal((25, 1))
    h, width = x, 1
    for k in range(2):
        both, bias, h0, c0 = weights[4 * k : 4 * k + 4]
        h, width = lstm(h, both[:, :width], both[:, width:], bias, h0, c0), 3
    model = sigrnn.from_nam(json.dumps(document))
    assert np.allclose(model(x)[:, 0], h @ weights[-2] + weights[-1], atol=1e-13)
    stream = model.stream()
    assert np.allclose(np.concatenate([stream(x[:7]), stream(x[7:])]), model(x), atol=1e-13)
    stream.reset()
    assert np.allclose(stream(x), model(x), atol=1e-13)
    model.save(tmp_path / "amp.npz")
    assert np.array_equal(sigrnn.load(tmp_path / "amp.npz")(x), model(x))


def test_what_is_damaged(rng):
    good, _ = nam(rng)
    for wrong, message in [
        ({**good, "architecture": "WaveNet"}, "architecture must be 'LSTM', got 'WaveNet'"),
        ({**good, "weights": good["weights"][:-1]}, r"weights has \d+ numbers, 2 layers of 3 units have \d+"),
        ({**good, "weights": [None, *good["weights"][1:]]}, "weights must be a list of finite numbers"),
        ({**good, "config": {"hidden_size": 10**9}}, "sizes are from 1 to 4096"),
        ({**good, "config": []}, "missing or damaged"),
        ({}, "'architecture' is missing"),
    ]:
        with pytest.raises(ValueError, match=message):
            sigrnn.from_nam(wrong)
    amp = guitarml(rng)
    for wrong, message in [
        ({"model_data": {**amp["model_data"], "unit_type": "TCN"}, "state_dict": {}}, "unit_type must be"),
        ({"model_data": {**amp["model_data"], "hidden_size": 0}, "state_dict": {}}, "sizes are from 1 to 4096, got 0"),
        ({**amp, "state_dict": {**amp["state_dict"], "lin.bias": [None]}}, "lin.bias has entries that are not finite"),
        ({**amp, "state_dict": {**amp["state_dict"], "lin.bias": [0.0, 0.0]}}, "lin.bias|bias"),
        ({**amp, "state_dict": [1]}, "state_dict is no dict of arrays"),
        ({"state_dict": {}}, "'model_data' is missing"),
        ("nonsense {", "No such file|not JSON"),
    ]:
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            sigrnn.from_guitarml_json(wrong)
    with pytest.raises(ValueError, match="see from_nam"):
        sigrnn.from_rtneural_json(good)
    with pytest.raises(ValueError, match="see from_guitarml_json"):
        sigrnn.from_rtneural_json(amp)


def test_a_first_state_is_trained(rng):
    x = rng.standard_normal(60)
    truth = sigrnn.Chain(sigrnn.GRU(2, initial=True), sigrnn.Dense(1)).init(rng=1)
    truth.params["0.h0"] = [0.8, -0.6]
    model = truth.copy()
    model.params["0.h0"] = [0.0, 0.0]
    for solver in ("lm", "lbfgs"):
        result = sigrnn.fit(model.copy(), x, truth(x), solver=solver, progress=False)
        assert result.loss < 1e-10
    with pytest.raises(ValueError, match="has a first state of its own, which RTNeural does not keep"):
        truth.to_rtneural_json()
