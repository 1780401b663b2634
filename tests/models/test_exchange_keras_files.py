"""`from_keras`: files that Keras wrote, or that are written here in its format."""

import io
import json
import subprocess
import sys
import textwrap
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

import sigrnn

h5py = pytest.importorskip("h5py")


def layer(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def written(path, layers, arrays):
    """An archive as Keras 3 writes it: arrays by the path in the file."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
        for name, array in arrays.items():
            file[f"layers/{name}"] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def test_an_archive(rng, tmp_path):
    kernel, bias = rng.standard_normal((3, 2, 2)), rng.standard_normal(2)
    gamma, beta, mean, variance = rng.uniform(0.5, 2.0, (4, 2))
    slopes, v = rng.uniform(0.0, 0.5, (1, 2)), rng.standard_normal((2, 1))
    layers = [
        layer("InputLayer", "input", batch_shape=[None, None, 2]),
        layer(
            "Conv1D", "mine", filters=2, padding="causal", dilation_rate=[2], strides=[1], groups=1, activation="tanh"
        ),
        layer("Dropout", "dropout", rate=0.5),
        layer("BatchNormalization", "batch_normalization", epsilon=0.01, center=True, scale=True),
        layer("PReLU", "p_re_lu", shared_axes=[1]),
        layer("Dense", "dense", units=1, activation="linear", use_bias=False),
        layer("Activation", "activation", activation="softsign"),
    ]
    arrays = {f"batch_normalization/vars/{i}": a for i, a in enumerate((gamma, beta, mean, variance))}
    arrays |= {"conv1d/vars/0": kernel, "conv1d/vars/1": bias, "p_re_lu/vars/0": slopes, "dense/vars/0": v}
    model = sigrnn.from_keras(written(tmp_path / "net.keras", layers, arrays))
    x = rng.standard_normal((20, 2))
    full = np.concatenate([np.zeros((4, 2)), x])
    e = np.array([sum(full[n + 2 * k] @ kernel[k] for k in range(3)) + bias for n in range(20)])
    e = gamma * (np.tanh(e) - mean) / np.sqrt(variance + 0.01) + beta
    e = np.where(e > 0, e, slopes * e) @ v
    assert np.allclose(model(x), e / (1.0 + abs(e)), atol=1e-13)


def test_what_cannot_be_read(tmp_path):
    dense, v = layer("Dense", "dense", units=1), {"dense/vars/0": np.ones((2, 1))}
    for layers, message in [
        ([layer("Conv2D", "conv2d")], r"layer conv2d \(Conv2D\) has no counterpart here"),
        ([layer("Dense", "dense", units=1, activation="elu")], "has the activation 'elu'"),
        ([layer("LSTM", "lstm", units=1, recurrent_activation="relu")], "gates are sigmoids"),
        ([{**dense, "inbound_nodes": [[["a", 0, 0, {}]]]}] * 2, "only layers in a row"),
        ([], "has no layers with weights"),
        (None, "is not a Keras model, or is damaged"),
    ]:
        with pytest.raises(ValueError, match=message):
            sigrnn.from_keras(written(tmp_path / "net.keras", layers, v))
    with pytest.raises(ValueError, match="not finite"):
        sigrnn.from_keras(written(tmp_path / "net.keras", [dense], {"dense/vars/0": np.full((2, 1), np.nan)}))
    (tmp_path / "text.h5").write_text("nothing")
    with pytest.raises(ValueError, match="is not a Keras file"):
        sigrnn.from_keras(tmp_path / "text.h5")


KERAS = """
    import os, sys
    os.environ |= {"KERAS_BACKEND": sys.argv[1], "JAX_ENABLE_X64": "1"}
    import keras, numpy as np
    from keras import layers as L
    keras.config.set_floatx("float64")
    seq = dict(return_sequences=True, bias_initializer="random_normal")
    net = keras.Sequential([
        keras.Input((None, 3)), L.GRU(4, **seq), L.GRU(2, name="mine", reset_after=False, **seq),
        L.Bidirectional(L.LSTM(2, **seq)), L.SimpleRNN(3, **seq), L.Conv1D(2, 3, padding="causal", activation="relu"),
        L.BatchNormalization(), L.PReLU(shared_axes=[1], alpha_initializer="random_normal"), L.Dense(1, activation="tanh"),
    ])
    x = np.random.default_rng(0).standard_normal((2, 20, 3))
    y = keras.ops.convert_to_numpy(net(x))
    net.save(sys.argv[2] + "/net.keras"), net.save(sys.argv[2] + "/net.h5")
    np.savez(sys.argv[2] + "/found.npz", x=x, y=y)
"""


def test_what_keras_writes(tmp_path):
    backends = [name for name in ("torch", "jax", "tensorflow") if find_spec(name)]
    if not (find_spec("keras") and backends):
        pytest.skip("Keras or what it runs on is not installed")
    command = [sys.executable, "-c", textwrap.dedent(KERAS), backends[0], str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with np.load(tmp_path / "found.npz") as found:
        for name in ("net.keras", "net.h5"):
            assert np.allclose(sigrnn.from_keras(tmp_path / name)(found["x"]), found["y"], atol=1e-6)
