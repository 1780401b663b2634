"""Weights in the forms of other libraries: what they compute with them is what we compute."""

import io
import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import numpy as np
import pytest

import sigrnn
from sigrnn import FIR, GRU, IIR, LSTM, RNN, SOS, Bidirectional, Chain, Dense, NonlinearFIR, Parallel, Residual
from sigrnn._kernels.activation_table import TABLE


def drawn(model, inputs=3):
    """A model with weights that are nowhere 0, biases included."""
    model.init(inputs, rng=0)
    rng = np.random.default_rng(1)
    values = {name: 0.6 * rng.standard_normal(value.shape) for name, value in model.params.items()}
    for name, value in values.items():
        if name.split(".")[-1] == "a":
            value[0] = 1.0
    model.params = values
    return model


def close(y, expected, atol):
    np.testing.assert_allclose(y, expected, rtol=0, atol=atol)


# ------------------------------------------------------------------------------------------------------------- PyTorch


def torch_modules(torch):
    """(model, modules with its layers by prefix, what they compute)."""
    nn = torch.nn
    gru = {"gru": nn.GRU(3, 5, batch_first=True), "out": nn.Linear(5, 2)}
    stack = {"": nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)}
    rnn = {"a": nn.RNN(3, 4, nonlinearity="relu", batch_first=True)}
    conv = {"c": nn.Conv1d(3, 1, 4)}
    return [
        (Chain(GRU(5), Dense(2, "tanh")), ["gru", "out"], gru, lambda x: torch.tanh(gru["out"](gru["gru"](x)[0]))),
        (Chain(Bidirectional(LSTM(4)), Bidirectional(LSTM(4))), ["", ""], stack, lambda x: stack[""](x)[0]),
        (RNN(4, "relu"), ["a"], rnn, lambda x: rnn["a"](x)[0]),
        (
            NonlinearFIR(4, "sigmoid"),
            ["c"],
            conv,
            lambda x: torch.sigmoid(conv["c"](nn.functional.pad(x.mT, (3, 0)))).mT,
        ),
    ]


@pytest.mark.parametrize("case", range(4))
def test_torch_runs_what_was_exported_and_the_reverse(case, rng):
    torch = pytest.importorskip("torch")
    model, prefixes, modules, run = torch_modules(torch)[case]
    x = rng.standard_normal((2, 20, 3))
    for module in modules.values():
        module.double()
    # from PyTorch, by order and by name, into a model without sizes
    state = {
        f"{name}.{key}" if name else key: value for name, m in modules.items() for key, value in m.state_dict().items()
    }
    expected = run(torch.from_numpy(x)).detach().numpy()
    close(model.from_torch_state_dict(state)(x), expected, 1e-12)
    backwards = dict(reversed(state.items()))
    close(model.copy().from_torch_state_dict(backwards, prefixes)(x), expected, 1e-12)
    # to PyTorch
    drawn(model)
    given = model.to_torch_state_dict(prefixes)
    for name, module in modules.items():
        prefix = f"{name}." if name else ""
        module.load_state_dict({k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)})
    close(run(torch.from_numpy(x)).detach().numpy(), model(x), 1e-12)
    # and through a file of numbers
    text = json.dumps({name: value.tolist() for name, value in given.items()})
    close(model.copy().init(3, rng=5).from_torch_state_dict(json.loads(text))(x), model(x), 1e-14)


def test_torch_names_of_single_layers_and_of_parts():
    pytest.importorskip("torch")
    assert set(drawn(GRU(2)).to_torch_state_dict()) == {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    model = drawn(Chain(Residual(Chain(Dense(3))), IIR(2), Dense(1)))
    given = model.to_torch_state_dict()
    assert list(given) == ["0.0.0.weight", "0.0.0.bias", "1.b", "1.a", "2.weight", "2.bias"]
    again = Chain(Residual(Chain(Dense(3))), IIR(2), Dense(1)).from_torch_state_dict(dict(reversed(given.items())))
    for name, value in model.params.items():
        np.testing.assert_array_equal(again.params[name], value)


def test_torch_layers_without_biases_and_in_half_precision():
    torch = pytest.importorskip("torch")
    layer = torch.nn.LSTM(2, 3, bias=False).to(torch.bfloat16)
    model = LSTM(3).from_torch_state_dict(layer.state_dict())
    np.testing.assert_array_equal(model.params["w_ih"], layer.weight_ih_l0.detach().float().numpy())
    assert not model.params["b_hh"].any()


def test_torch_parameters_are_copies():
    pytest.importorskip("torch")
    model = drawn(Dense(2))
    before = model.params["v"].copy()
    model.to_torch_state_dict()["weight"].zero_()
    np.testing.assert_array_equal(model.params["v"], before)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LSTM(2, peephole=True), "peepholes"),
        (GRU(2, reset_after=False), "reset_after=False"),
        (RNN(2, "softsign"), "'tanh' and 'relu' only"),
    ],
)
def test_torch_has_no_such_layer(model, message):
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=message):
        drawn(model).to_torch_state_dict()


def test_torch_refuses_what_does_not_fit():
    torch = pytest.importorskip("torch")
    state = torch.nn.LSTM(3, 4).state_dict()
    model = drawn(LSTM(4))
    before = {name: value.copy() for name, value in model.params.items()}
    for wrong, message in [
        (torch.nn.LSTM(3, 5).state_dict(), "w_ih has shape"),
        (torch.nn.LSTM(2, 4).state_dict(), "w_ih has shape"),
        (torch.nn.LSTM(3, 4, num_layers=2).state_dict(), "2 layers"),
        (torch.nn.LSTM(3, 4, bidirectional=True).state_dict(), "weight_ih_reverse"),
        (torch.nn.LSTM(3, 4, proj_size=2).state_dict(), "proj_size"),
        (torch.nn.Linear(3, 4).state_dict(), "LSTM\\(4\\) takes bias_hh, bias_ih, weight_hh, weight_ih"),
        ({**state, "weight_ih_l0": state["weight_ih_l0"] * 1j}, "real"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.from_torch_state_dict(wrong)
    with pytest.raises(TypeError, match="state_dict must be a dict"):
        model.from_torch_state_dict([1, 2])
    with pytest.raises(ValueError, match="prefixes: 2 given, the model has 1"):
        model.from_torch_state_dict(state, ["a", "b"])
    with pytest.raises(ValueError, match="prefixes: the state_dict has"):
        model.from_torch_state_dict(state, ["a"])
    with pytest.raises(ValueError, match="no sizes yet"):
        LSTM(4).to_torch_state_dict()
    with pytest.raises(ValueError, match="NonlinearFIR"):
        FIR(2).from_torch_state_dict(torch.nn.Conv1d(3, 1, 2).state_dict())
    for name, value in before.items():
        np.testing.assert_array_equal(model.params[name], value)


def test_filters_of_sigrnn_torch():
    pytest.importorskip("torch")
    import sigrnn.torch

    net = sigrnn.torch.IIR.from_coefficients(*([0.5, 0.25], [1.0, -0.5]), stable=True)
    with pytest.raises(ValueError, match=r"net\.b and net\.a"):
        IIR(1).from_torch_state_dict(net.state_dict())
    model = sigrnn.NonlinearFIR(2).from_torch_state_dict({"b": [0.5, 0.25], "bias": [0.125]})
    np.testing.assert_array_equal(model.params["b"], [0.5, 0.25])


# --------------------------------------------------------------------------------------------------------------- Keras

KERAS = """
    import os, sys
    os.environ |= {"KERAS_BACKEND": sys.argv[1], "JAX_ENABLE_X64": "1"}
    import keras, numpy as np
    from keras import layers as L
    keras.config.set_floatx("float64")
    x = np.random.default_rng(0).standard_normal((2, 20, 3))
    seq = dict(return_sequences=True, bias_initializer="random_normal")
    nets = [
        [L.SimpleRNN(4, **seq), L.Dense(2, activation="tanh", bias_initializer="random_normal")],
        [L.GRU(4, reset_after=True, **seq), L.GRU(5, reset_after=False, **seq), L.Dense(1, use_bias=False)],
        [L.LSTM(4, **seq), L.Dropout(0.5), L.Dense(2, use_bias=False)],
        [L.Bidirectional(L.LSTM(4, **seq)), L.Bidirectional(L.GRU(3, **seq)), L.Dense(1)],
        [L.Conv1D(1, 4, padding="causal", activation="relu", bias_initializer="random_normal")],
    ]
    found = {"x": x}
    for i, net in enumerate(nets):
        model = keras.Sequential([keras.Input((None, 3)), *net])
        found[f"y{i}"] = keras.ops.convert_to_numpy(model(x))
        found |= {f"w{i}_{j:02}": w for j, w in enumerate(model.get_weights())}
        found[f"n{i}"] = [len(layer.get_weights()) for layer in model.layers]
    np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Weights and outputs of Keras models, from a process of its own: Keras chooses its backend for good."""
    backends = [name for name in ("torch", "jax", "tensorflow") if find_spec(name)]
    if not (find_spec("keras") and backends):
        pytest.skip("Keras or what it runs on is not installed")
    path = tmp_path_factory.mktemp("keras") / "found.npz"
    code = textwrap.dedent(KERAS)
    run = subprocess.run([sys.executable, "-c", code, backends[0], path], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize(
    ("case", "model"),
    list(
        enumerate(
            [
                Chain(RNN(4), Dense(2, "tanh")),
                Chain(GRU(4), GRU(5, reset_after=False), Dense(1)),
                Chain(LSTM(4), Dense(2)),
                Chain(Bidirectional(LSTM(4)), Bidirectional(GRU(3)), Dense(1)),
                NonlinearFIR(4, "relu"),
            ]
        )
    ),
)
def test_keras_weights(keras, case, model):
    flat = [value for name, value in sorted(keras.items()) if name.startswith(f"w{case}_")]
    close(
        model.from_keras_weights(flat)(keras["x"]), keras[f"y{case}"], 1e-6
    )  # its recurrent layers compute partly in float32
    ends = np.cumsum(keras[f"n{case}"])
    by_layer = [flat[end - n : end] for n, end in zip(keras[f"n{case}"], ends, strict=True)]
    again = model.copy().init(3, rng=7).from_keras_weights(by_layer)
    for name, value in model.params.items():
        np.testing.assert_array_equal(again.params[name], value)


def test_keras_refuses_what_does_not_fit():
    kernel, units, bias = np.ones((3, 12)), np.ones((4, 12)), np.ones((2, 12))
    model = GRU(4)
    model.from_keras_weights([kernel, units, bias])
    for wrong, message in [
        ([kernel, units, bias[0]], "reset_after=False"),
        ([kernel, bias], "recurrent kernel of GRU"),
        ([kernel], "nothing is left"),
        ([kernel, units, bias, bias], "left over"),
        ([[kernel, units, bias], [kernel]], "2 layers"),
        ([kernel.astype(complex), units], "real"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.from_keras_weights(wrong)
    with pytest.raises(ValueError, match="reset_after=True"):
        GRU(4, reset_after=False).from_keras_weights([kernel, units, bias])
    with pytest.raises(ValueError, match="no counterpart"):
        IIR(2).from_keras_weights([kernel])


# ------------------------------------------------------------------------------------------------------------ RTNeural


def sigmoid(e):
    return 1.0 / (1.0 + np.exp(-e))


G = {"": lambda e: e, "tanh": np.tanh, "relu": lambda e: np.maximum(e, 0.0), "sigmoid": sigmoid}


def run_rtneural(document, x):
    """The meaning of a file, by the format's own description: Keras' equations, sample after sample."""
    for layer in document["layers"]:
        w = [np.array(weights) for weights in layer["weights"]]
        kind, g, y = layer["type"], G[layer["activation"]], []
        h = c = np.zeros(layer["shape"][-1])
        for n in range(len(x)):
            if kind == "dense":
                h = g(x[n] @ w[0] + w[1])
            elif kind == "gru":
                z, r, a = np.split(x[n] @ w[0] + w[2][0], 3)
                hz, hr, ha = np.split(h @ w[1] + w[2][1], 3)
                z, r = sigmoid(z + hz), sigmoid(r + hr)
                h = (1.0 - z) * np.tanh(a + r * ha) + z * h
            elif kind == "lstm":
                i, f, a, o = np.split(x[n] @ w[0] + h @ w[1] + w[2], 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(a)
                h = sigmoid(o) * np.tanh(c)
            elif kind == "conv1d":
                (taps,), (dilation,) = layer["kernel_size"], layer["dilation"]
                ago = [n - dilation * (taps - 1 - k) for k in range(taps)]
                h = g(sum(x[m] @ w[0][k] for k, m in enumerate(ago) if m >= 0) + w[1])
            else:
                h = g(x[n])
            y.append(h)
        x = np.array(y)
    return x


@pytest.mark.parametrize(
    "model",
    [
        Chain(LSTM(8), Dense(1)),
        Chain(GRU(6), Chain(Dense(4, "tanh"), Dense(4, "sigmoid")), LSTM(3), Dense(2)),
        Chain(FIR(5), Dense(3, "relu")),
        NonlinearFIR(4, "tanh"),
        Chain(Parallel(NonlinearFIR(3, "relu"), NonlinearFIR(3, "relu"), combine="concatenate"), Dense(1)),
    ],
    ids=repr,
)
def test_rtneural_there_and_back(model, rng, tmp_path):
    x = rng.standard_normal((25, 3))
    text = drawn(model).to_rtneural_json(tmp_path / "model.json")
    assert (tmp_path / "model.json").read_text() == text
    assert os.listdir(tmp_path) == ["model.json"]
    document = json.loads(text)
    assert document["in_shape"] == [None, None, 3]
    close(run_rtneural(document, x), model(x), 1e-12)
    made = sigrnn.from_rtneural_json(tmp_path / "model.json")
    close(made(x), model(x), 1e-14)
    for source in (text, document, io.StringIO(text), str(tmp_path / "model.json"), io.BytesIO(text.encode())):
        close(model.copy().init(3, rng=9).from_rtneural_json(source)(x), model(x), 1e-14)


def test_rtneural_what_others_write(rng):
    """Convolutions with dilation and several outputs, activations on their own, after a layer that has none or one."""
    x = rng.standard_normal((25, 2))
    w = rng.standard_normal
    document = {
        "in_shape": [None, None, 2],
        "layers": [
            {
                "type": "conv1d",
                "activation": "",
                "shape": [None, None, 3],
                "kernel_size": [2],
                "dilation": [4],
                "weights": [w((2, 2, 3)).tolist(), w(3).tolist()],
            },
            {"type": "activation", "activation": "tanh", "shape": [None, None, 3], "weights": []},
            {"type": "activation", "activation": "relu", "shape": [None, None, 3], "weights": []},
            {"type": "activation", "activation": "", "shape": [None, None, 3], "weights": []},
            {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [w((3, 1)).tolist(), [0.5]]},
        ],
    }
    model = sigrnn.from_rtneural_json(document)
    assert repr(model.parts[0].parts[0]) == "NonlinearFIR(5)"
    close(model(x), run_rtneural(document, x), 1e-12)


def test_rtneural_refuses():
    model = drawn(Chain(LSTM(4), Dense(1)))
    before = {name: value.copy() for name, value in model.params.items()}
    document = json.loads(model.to_rtneural_json())
    lstm, dense = document["layers"]
    for layers, message in [
        ([lstm], "the file describes 1 layers"),
        ([lstm, {**dense, "activation": "tanh"}], "layer 1 of the file is Dense.*'tanh'"),
        (
            [dense | {"weights": [np.ones((3, 4)).tolist(), [0.0] * 4], "shape": [4]}, dense],
            "the model has part 0, LSTM",
        ),
        ([{**lstm, "type": "conv2d"}, dense], "type 'conv2d'"),
        ([lstm, {**dense, "activation": "elu"}], "'elu'"),
        ([{**lstm, "weights": [[1.0]]}, dense], "layer 0 of the file"),
        ([{**lstm, "weights": [[[1.0], [1.0, 2.0]]]}, dense], "damaged"),
        ([{"type": "lstm"}, dense], "damaged"),
        ([], "no layers"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.from_rtneural_json({**document, "layers": layers})
    for source, message in [
        ("{", "not JSON"),
        ({"in_shape": [1]}, "'layers' is missing"),
        ({"rec.weight_ih_l0": [[1.0]]}, "from_torch_state_dict"),
        ({"state_dict": {"rec.weight_ih_l0": [[1.0]]}}, "from_torch_state_dict"),
        ({"in_shape": [None], "layers": []}, "in_shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            sigrnn.from_rtneural_json(source)
    with pytest.raises(FileNotFoundError):
        sigrnn.from_rtneural_json("no such file.json")
    with pytest.raises(TypeError, match="source"):
        sigrnn.from_rtneural_json(3)
    for name, value in before.items():
        np.testing.assert_array_equal(model.params[name], value)


def test_rtneural_names_the_layer_and_the_entry():
    document = json.loads(drawn(Chain(LSTM(4), GRU(2), FIR(3), Dense(1))).to_rtneural_json())

    def changed(number, **changes):
        layers = [dict(layer) for layer in document["layers"]]
        layers[number] |= changes
        return {**document, "layers": layers}

    def with_weight(number, array, value):
        weights = json.loads(json.dumps(document["layers"][number]["weights"]))
        weights[array][1][2] = value
        return changed(number, weights=weights)

    lstm, conv = document["layers"][0], document["layers"][2]
    for wrong, message in [
        (with_weight(0, 1, None), r"layer 0 of the file: entry \[1, 2\] of its weights\[1\] is null or NaN"),
        (with_weight(1, 2, float("nan")), r"layer 1 of the file: entry \[1, 2\] of its weights\[2\] is null or NaN"),
        (with_weight(1, 0, float("inf")), r"layer 1 of the file: entry \[1, 2\] of its weights\[0\] is inf"),
        (changed(0, activation="relu"), "layer 0 of the file is a lstm with the activation 'relu'"),
        (changed(1, activation="sigmoid"), "layer 1 of the file is a gru with the activation 'sigmoid'"),
        (
            changed(0, shape=[None, None, 5]),
            r"layer 0 of the file, lstm of 3 inputs and 5 outputs: weights have shapes",
        ),
        (changed(1, weights=lstm["weights"]), "layer 1 of the file, gru of 4 inputs and 2 outputs"),
        (changed(2, weights=[conv["weights"][0], [0.0, 0.0]]), "layer 2 of the file, conv1d of 2 inputs"),
        (changed(2, dilation=[10**12]), "layer 2 of the file has a dilation of 1000000000000"),
        (changed(2, dilation=[]), "layer 2 of the file is damaged"),
        (changed(3, shape=[float("inf")]), "layer 3 of the file is damaged"),
        (changed(3, type="activation", shape=[10**9]), "layer 3 of the file is an activation of 1000000000 channels"),
        ({**document, "in_shape": [float("inf")]}, "in_shape"),
        ({**document, "layers": {"a": 1}}, "layer 0 of the file is damaged"),
        (f'{{"in_shape": {"[" * 10**5}', "not JSON"),
    ]:
        with pytest.raises(ValueError, match=message):
            sigrnn.from_rtneural_json(wrong)
    assert repr(sigrnn.from_rtneural_json(changed(0, activation="tanh")).parts[0]) == "LSTM(4)"


def test_rtneural_normalises_and_bends(rng):
    gamma, beta, mean, variance = rng.uniform(0.5, 2.0, (4, 2))
    slopes, kernel = rng.uniform(0.0, 0.5, 2), rng.standard_normal((2, 1))
    shape = {"activation": "", "shape": [None, None, 2]}
    document = {
        "in_shape": [None, None, 2],
        "layers": [
            {
                **shape,
                "type": "batchnorm",
                "weights": [a.tolist() for a in (gamma, beta, mean, variance)],
                "epsilon": 0.01,
            },
            {**shape, "type": "prelu", "weights": [[slopes.tolist()]]},
            {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [kernel.tolist(), [0.5]]},
        ],
    }
    model, x = sigrnn.from_rtneural_json(document), rng.standard_normal((30, 2))
    e = gamma * (x - mean) / np.sqrt(variance + 0.01) + beta
    assert np.allclose(model(x), np.where(e > 0, e, slopes * e) @ kernel + 0.5, atol=1e-13)
    assert repr(model) == "Chain(Dense(2), PiecewiseLinear(3), Dense(1))"
    for change, message in [
        ({"weights": [[1.0]]}, "batchnorm of 2 inputs and 2 outputs: weights have shapes"),
        ({"epsilon": "x"}, "epsilon is 'x'"),
        ({"epsilon": -99.0}, "variances and epsilon must be positive"),
        ({"type": "prelu"}, "prelu of 2 inputs and 2 outputs: weights have shapes"),
    ]:
        wrong = {**document, "layers": [{**document["layers"][0], **change}]}
        with pytest.raises(ValueError, match=message):
            sigrnn.from_rtneural_json(wrong)


def test_a_file_of_neural_amp_modeler_is_none_of_rtneural():
    nam = {"version": "0.5.2", "architecture": "LSTM", "config": {"hidden_size": 3}, "weights": [0.5, 0.25]}
    with pytest.raises(
        ValueError, match=r"it is a file of Neural Amp Modeler \(architecture 'LSTM'\), not of RTNeural"
    ):
        sigrnn.from_rtneural_json(nam)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (IIR(2), "no counterpart"),
        (Chain(RNN(2), Dense(1)), "part 0, RNN"),
        (Residual(Dense(3)), "no counterpart"),
        (LSTM(2, peephole=True), "peepholes"),
        (GRU(2, reset_after=False), "reset_after"),
        (Dense(2, "gelu"), "'gelu'"),
        (NonlinearFIR(2, sigrnn.Activation(lambda e: e, lambda e: 1.0)), "of your own"),
        (Parallel(FIR(2), FIR(3), combine="concatenate"), "alike"),
        (Parallel(LSTM(2), LSTM(2), combine="concatenate"), "no counterpart"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_rtneural_has_no_such_layer(model, message):
    model.init(3, rng=0)
    with pytest.raises(ValueError, match=message):
        model.to_rtneural_json()


def test_rtneural_holds_finite_numbers_only(tmp_path):
    model = drawn(Dense(1))
    model.params["bias"] = [np.nan]
    with pytest.raises(ValueError, match="finite"):
        model.to_rtneural_json(tmp_path / "model.json")
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------------- ONNX

COMPOSED = [
    Chain(LSTM(5), GRU(4), Dense(2, "tanh")),
    GRU(4, reset_after=False),
    LSTM(4, peephole=True),
    Chain(Bidirectional(LSTM(4)), Bidirectional(GRU(3)), Dense(1)),
    Bidirectional(LSTM(4, peephole=True)),
    Bidirectional(RNN(3, "hard_sigmoid"), FIR(4)),
    Parallel(FIR(4), NonlinearFIR(3, "relu"), combine="concatenate"),
    Parallel(FIR(4), FIR(2)),
    Residual(Chain(Dense(4, "silu"), Dense(3))),
]


def run_onnx(model, x, path=None):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    graph = model.to_onnx(path)
    return runtime.InferenceSession(graph.SerializeToString()).run(None, {"x": np.asarray(x, "f4")})[0]


@pytest.mark.parametrize("model", COMPOSED, ids=repr)
def test_onnx_runtime_computes_the_same(model, rng):
    x = rng.standard_normal((2, 30, 3))
    close(run_onnx(drawn(model), x), model(x), 2e-6)
    close(run_onnx(model, x[:, :7]), model(x[:, :7]), 2e-6)


@pytest.mark.parametrize("name", TABLE)
def test_onnx_activations(name, rng):
    x = 3.0 * rng.standard_normal((1, 50, 3))
    close(run_onnx(drawn(Dense(2, name)), x), drawn(Dense(2, name))(x), 3e-6)
    model = drawn(RNN(3, name))
    model.params["w_hh"] = 0.3 * model.params["w_hh"]
    if not TABLE[name].onnx_layer:
        with pytest.raises(ValueError, match=f"no recurrent layer with the activation '{name}'"):
            model.to_onnx()
    else:
        close(run_onnx(model, x), model(x), 3e-6)


def test_onnx_file(tmp_path, rng):
    onnx = pytest.importorskip("onnx")
    graph = drawn(Dense(2)).to_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == ["model.onnx"]
    assert onnx.load(tmp_path / "model.onnx") == graph


@pytest.mark.parametrize("model", [IIR(2), SOS(1), Chain(Dense(1), sigrnn.NonlinearIIR(1, 1))], ids=repr)
def test_onnx_has_no_recursive_filters(model, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match="recursive filters"):
        model.init(1, rng=0).to_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []


def test_nothing_is_imported_before_it_is_used():
    code = "import sys, sigrnn; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'keras', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
