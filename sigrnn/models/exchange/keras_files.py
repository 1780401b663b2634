"""Files of Keras, `.keras` and HDF5, as models: layers in a row by their configuration, with their weights."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from sigrnn._arrays import Array, short
from sigrnn.models.exchange import keras
from sigrnn.models.exchange.layers import Place

Classes = Mapping[str, Callable[..., Any]]
ACTIVATIONS = {name: name for name in ("linear", "tanh", "sigmoid", "relu", "softsign", "softplus", "silu", "gelu")}
ACTIVATIONS |= {"swish": "silu", "hard_sigmoid": "hard_sigmoid", "mish": "mish"}
RECURRENT = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
NOTHING = ("InputLayer", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "ActivityRegularization")
ORDER = "forward_layer", "backward_layer", "layer", "cell", "vars"  # of groups in a layer, as get_weights() has them


def read(path: Any, classes: Classes) -> Any:
    """A model from a file."""
    import zipfile  # here for the reason that is given in `_utils/files.py`

    if not os.path.exists(path):
        raise FileNotFoundError(f"no such file: {path}")
    try:
        import h5py
    except ImportError:
        raise ImportError("files of Keras need h5py: pip install sigrnn[keras]") from None
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r")
            with weights:
                layers = [(layer, list(stored(weights, group))) for layer, group in named(row(config))]
        else:
            with h5py.File(path, "r") as weights:
                config = json.loads(weights.attrs["model_config"])
                layers = [(layer, list(legacy(weights, layer))) for layer in row(config)]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a Keras model, or is damaged: {error}") from None
    except OSError as error:
        raise ValueError(f"{path} is not a Keras file: {error}") from None
    parts, width = [], None
    for layer, arrays in layers:
        for part in made(layer, arrays, width, classes):
            width = part.outputs
            parts.append(part)
    if not parts:
        raise ValueError(f"{path} has no layers with weights")
    return parts[0] if len(parts) == 1 else classes["Chain"](*parts)


def row(config: Any) -> list[dict[str, Any]]:
    """The layers of a model, if each has the one before as its input."""
    layers: list[dict[str, Any]] = config["config"]["layers"]
    for before, layer in itertools.pairwise(layers):
        nodes = json.dumps(layer.get("inbound_nodes", []))
        seen = set(re.findall(r'"keras_history": \["([^"]+)"', nodes) or re.findall(r'\["([^"]+)", \d+, \d+', nodes))
        if seen and seen != {before["config"]["name"]}:
            raise ValueError(f"layer {title(layer)} sees {', '.join(sorted(seen))}: only layers in a row can be read")
    return layers


def title(layer: Mapping[str, Any]) -> str:
    return f"{layer['config'].get('name')} ({layer['class_name']})"


def named(layers: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Layers with the names their weights may have in an archive: the class in snake case and a number, or its own."""
    counts: Counter[str] = Counter()
    for layer in layers:
        snake = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", layer["class_name"]))
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
        count = counts[snake]
        counts[snake] += 1
        yield layer, [f"{snake}_{count}" if count else snake, str(layer["config"].get("name"))]


def stored(weights: Any, names: list[str]) -> Iterator[Array]:
    """Arrays of a layer in an archive."""
    for name in names:
        if name in weights["layers"]:
            yield from arrays_of(weights["layers"][name])
            return


def arrays_of(group: Any) -> Iterator[Array]:
    for name in ORDER:
        if name == "vars" and name in group:
            for key in sorted(group[name], key=int):
                yield np.array(group[name][key], float)
        elif name in group:
            yield from arrays_of(group[name])


def legacy(weights: Any, layer: Mapping[str, Any]) -> Iterator[Array]:
    """Arrays of a layer in an HDF5 file."""
    group = weights["model_weights"].get(layer["config"]["name"], {"none": None})
    for name in getattr(group, "attrs", {}).get("weight_names", []):
        yield np.array(group[name.decode() if isinstance(name, bytes) else name], float)


def made(layer: Mapping[str, Any], arrays: list[Array], width: int | None, classes: Classes) -> list[Any]:
    """Our models of a layer, with its weights."""
    kind, config = layer["class_name"], layer["config"]
    if kind in NOTHING:
        return []
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"layer {title(layer)} has weights that are not finite")
    if kind == "TimeDistributed":
        return made(config["layer"], arrays, width, classes)
    if kind == "Conv1D":
        return [convolution(layer, arrays, classes)]
    if kind in ("BatchNormalization", "PReLU", "Activation", "ReLU"):
        return [pointwise(layer, arrays, width, classes)]
    if kind == "Dense":
        model = classes["Dense"](config["units"], activation(layer, config.get("activation")))
    elif kind == "Bidirectional" and config.get("merge_mode", "concat") == "concat":
        model = classes["Bidirectional"](recurrent(config["layer"], classes))
    elif kind in RECURRENT:
        model = recurrent(layer, classes)
    else:
        raise ValueError(f"layer {title(layer)} has no counterpart here")
    return [taken(model, arrays)]


def taken(model: Any, arrays: list[Array]) -> Any:
    """The model with Keras' arrays."""
    return keras.read(model, arrays)


def activation(layer: Mapping[str, Any], name: Any) -> str:
    found = ACTIVATIONS.get(name or "linear") if isinstance(name, str | None) else None
    if found is None:
        raise ValueError(f"layer {title(layer)} has the activation {short(name)}, which has no counterpart here")
    return found


def recurrent(layer: Mapping[str, Any], classes: Classes) -> Any:
    """A recurrent layer without weights."""
    kind, config = layer["class_name"], layer["config"]
    g = activation(layer, config.get("activation", "tanh"))
    if kind == "SimpleRNN":
        return classes["RNN"](config["units"], g)
    if kind not in RECURRENT or (g, config.get("recurrent_activation", "sigmoid")) != ("tanh", "sigmoid"):
        raise ValueError(f"layer {title(layer)} has no counterpart here: gates are sigmoids, units tanh")
    options = {"reset_after": bool(config.get("reset_after", True))} if kind == "GRU" else {}
    return classes[RECURRENT[kind]](config["units"], **options)


def convolution(layer: Mapping[str, Any], arrays: list[Array], classes: Classes) -> Any:
    """A filter without feedback for each of its filters."""
    config, kernel = layer["config"], arrays[0]
    dilation = int(np.ravel(config.get("dilation_rate", 1))[0])
    plain = int(np.ravel(config.get("strides", 1))[0]) == 1 and config.get("groups", 1) == 1
    if not plain or config.get("padding") != "causal":
        raise ValueError(f"layer {title(layer)} must have padding='causal', and neither strides nor groups")
    full = np.zeros(((len(kernel) - 1) * dilation + 1, *kernel.shape[1:]))
    full[::dilation] = kernel
    bias, g = arrays[1] if len(arrays) > 1 else np.zeros(kernel.shape[2]), activation(layer, config.get("activation"))
    filters = []
    for i in range(kernel.shape[2]):
        model = classes["NonlinearFIR"](len(full), g)
        found = keras.taken(Place("", model), keras.Pile([full[..., i : i + 1], bias[i : i + 1]]))
        model.params = found
        filters.append(model)
    return filters[0] if len(filters) == 1 else classes["Parallel"](*filters, combine="concatenate")


def pointwise(layer: Mapping[str, Any], arrays: list[Array], width: int | None, classes: Classes) -> Any:
    """A normalisation or an activation of each channel."""
    kind, config = layer["class_name"], layer["config"]
    if kind == "PReLU":
        slopes = arrays[0].reshape(-1)
        if arrays[0].shape[:-1] != (1,) * (arrays[0].ndim - 1):
            raise ValueError(f"layer {title(layer)} has slopes for each sample: give it shared_axes=[1]")
        model, knots = classes["PiecewiseLinear"](3), np.tile([-1.0, 0.0, 1.0], (len(slopes), 1))
        values = np.stack([-slopes, np.zeros(len(slopes)), np.ones(len(slopes))], axis=1)
        single = len(slopes) == 1
        model.params = {"knots": knots[0] if single else knots, "values": values[0] if single else values}
        return model
    if kind == "BatchNormalization":
        rest = list(arrays)
        channels = len(rest[-1])
        gamma = rest.pop(0) if config.get("scale", True) else np.ones(channels)
        beta = rest.pop(0) if config.get("center", True) else np.zeros(channels)
        gain = gamma / np.sqrt(rest[1] + config.get("epsilon", 1e-3))
        model = classes["Dense"](channels)
        model.params = {"v": np.diag(gain), "bias": beta - gain * rest[0]}
        return model
    if width is None:
        raise ValueError(f"layer {title(layer)} stands first: the number of its channels is not known")
    plain = kind == "Activation" or (not config.get("negative_slope") and config.get("max_value") is None)
    if not plain or config.get("threshold"):
        raise ValueError(f"layer {title(layer)} has no counterpart here")
    model = classes["Dense"](width, activation(layer, config["activation"] if kind == "Activation" else "relu"))
    model.params = {"v": np.eye(width), "bias": np.zeros(width)}
    return model
