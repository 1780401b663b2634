"""RTNeural's JSON: the layers of a chain with Keras' weights, for plug-ins and other programs in real time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array, short
from sigrnn._utils.files import replacing
from sigrnn.layers._cells import FUNCTIONS
from sigrnn.models.exchange import keras
from sigrnn.models.exchange.layers import TAPS, Place, activation, fill, halves, need_sizes, option, refuse_extras, row

MOST_TAPS = 1 << 20  # of a convolution, dilation included
ACTIVATIONS = {"": "linear", "linear": "linear", "tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid"}
LAYERS = {cell.rtneural: cell.model for cell in FUNCTIONS.values() if cell.rtneural}
POINTWISE = "prelu", "batchnorm"
TYPES = {"dense": "Dense", "time-distributed-dense": "Dense", **LAYERS}


class Spec(NamedTuple):
    """A layer of a file: our class, its arguments, its weights in Keras' form."""

    kind: str
    config: dict[str, Any]
    weights: list[Any]
    outputs: int
    title: str


# --------------------------------------------------------------------------------------------------------------- write


def write(model: Any, path: Any = None) -> str:
    """The JSON text, also written to a file if there is a path: whole or not at all."""
    need_sizes(model, "to_rtneural_json")
    layers = [_entry(place) for place in _joined(model)]
    text = json.dumps({"in_shape": [None, None, model.inputs], "layers": layers}, allow_nan=False)
    if path is not None:
        with replacing(path) as file:
            file.write(text.encode())
    return text


def _joined(model: Any) -> list[list[Place]]:
    """Layers; filters side by side are one with several outputs."""
    found = []
    for place in row(model):
        side = place.kind == "Parallel" and option(place.layer, "combine") == "concatenate"
        members = halves(place) if side else [place]
        if side and len({(m.kind, activation(m), option(m.layer, "n_taps")) for m in members}) > 1:
            raise ValueError(f"{place.title}: filters side by side must be alike for RTNeural")
        found.append(members)
    return found


def _entry(members: list[Place]) -> dict[str, Any]:
    """One entry of "layers"."""
    place = members[0]
    if place.kind not in (*TYPES.values(), *TAPS) or (len(members) > 1 and place.kind not in TAPS):
        raise ValueError(f"{place.title} has no counterpart in RTNeural, which has Dense, GRU, LSTM and FIR filters")
    refuse_extras(place, "RTNeural")
    if not option(place.layer, "reset_after", True):
        raise ValueError(f"{place.title} has reset_after=False; RTNeural has only layers with reset_after=True")
    g = activation(place) if place.kind in ("Dense", "NonlinearFIR") else "tanh" if place.kind != "FIR" else "linear"
    if g not in ACTIVATIONS.values():
        raise ValueError(f"{place.title}: RTNeural has the activations tanh, relu and sigmoid, not {g!r}")
    weights = [keras.given(member) for member in members]
    for member, arrays in zip(members, weights, strict=True):
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"{member.title} has parameters that are not finite, which JSON cannot hold")
    joined = (
        weights[0] if len(members) == 1 else [np.concatenate(arrays, axis=-1) for arrays in zip(*weights, strict=True)]
    )
    entry: dict[str, Any] = {
        "type": "conv1d" if place.kind in TAPS else place.kind.lower(),
        "activation": "" if g == "linear" else g,
        "shape": [None, None, sum(member.layer.outputs for member in members)],
    }
    if place.kind in TAPS:
        entry |= {"kernel_size": [len(joined[0])], "dilation": [1]}
    return entry | {"weights": [array.tolist() for array in joined]}


# ---------------------------------------------------------------------------------------------------------------- read


def read(model: Any, source: Any) -> Any:
    """Give a model the weights of a file that describes the same layers."""
    inputs, layers = parsed(source)
    places = _joined(model)
    if len(places) != len(layers):
        raise ValueError(f"{_said(layers)}; the model has {len(places)} layers")
    found: dict[str, Array] = {}
    for members, spec in zip(places, layers, strict=True):
        if spec.kind == "PiecewiseLinear":
            _check_alike(members[0], spec)
            names = ("knots", "values")
            found.update({f"{members[0].prefix}{n}": w for n, w in zip(names, spec.weights, strict=True)})
            continue
        for member, one in zip(members, _split(spec, members), strict=True):
            pile = keras.Pile(one)
            _check_alike(member, spec)
            found.update({f"{member.prefix}{name}": array for name, array in keras.taken(member, pile).items()})
    return fill(model, found, inputs)


def build(source: Any, classes: Mapping[str, Callable[..., Any]]) -> Any:
    """A new model, of these classes, as a file describes it."""
    source = document(source)  # an open file is read once
    _, layers = parsed(source)
    made = [_made(spec, classes) for spec in layers]
    model = made[0] if len(made) == 1 else classes["Chain"](*made)
    return read(model, source)


def _made(spec: Spec, classes: Mapping[str, Callable[..., Any]]) -> Any:
    if spec.kind not in TAPS:
        return classes[spec.kind](**spec.config)
    plain = spec.config["activation"] == "linear" and not np.any(spec.weights[1])
    config = {"n_taps": spec.config["n_taps"]} if plain else spec.config
    filters = [classes["FIR" if plain else "NonlinearFIR"](**config) for _ in range(spec.outputs)]
    return filters[0] if len(filters) == 1 else classes["Parallel"](*filters, combine="concatenate")


def _check_alike(place: Place, spec: Spec) -> None:
    config = {name: option(place.layer, name) for name in spec.config} | (
        {"activation": "linear"} if place.kind == "FIR" else {}
    )
    same = place.kind == spec.kind or (place.kind in TAPS and spec.kind in TAPS)
    if not same or config != spec.config:
        raise ValueError(f"{spec.title} is {_words(spec)}; the model has {place.title} there")


def _words(spec: Spec) -> str:
    return f"{spec.kind}({', '.join(f'{name}={value!r}' for name, value in spec.config.items())})"


def _said(layers: list[Spec]) -> str:
    return f"the file describes {len(layers)} layers ({', '.join(_words(spec) for spec in layers)})"


def _split(spec: Spec, members: list[Place]) -> list[list[Any]]:
    """The weights of filters side by side, one by one."""
    if spec.kind not in TAPS:
        return [spec.weights]
    if spec.outputs != len(members):
        raise ValueError(
            f"{spec.title} is a conv1d with {spec.outputs} outputs, the model has {len(members)} filters there"
        )
    kernel, bias = spec.weights
    return [[kernel[..., i : i + 1], bias[i : i + 1]] for i in range(spec.outputs)]


def parsed(source: Any) -> tuple[int, list[Spec]]:
    """Number of inputs, and the layers of a path, a JSON text, an open file or what json.load gave."""
    found_in = document(source)
    try:
        inputs, entries = int(found_in["in_shape"][-1]), list(found_in["layers"])
    except KeyError as error:
        raise ValueError(f"no model of RTNeural: {error} is missing{_other_format(found_in)}") from None
    except (TypeError, IndexError, ValueError, OverflowError):
        raise ValueError(f"no model of RTNeural: in_shape is {short(found_in['in_shape'])}") from None
    found: list[Spec] = []
    width = inputs
    for number, entry in enumerate(entries):
        spec = _layer(entry, f"layer {number} of the file", width, found)
        width = spec.outputs
        found.append(spec)
    if not found:
        raise ValueError("no model of RTNeural: it has no layers")
    return inputs, found


def _other_format(document: Mapping[str, Any]) -> str:
    """What the file is instead, if that can be seen."""
    if {"architecture", "weights"} <= document.keys():
        return f"; it is a file of Neural Amp Modeler (architecture {short(document['architecture'])}), not of RTNeural: see from_nam"
    if {"model_data", "state_dict"} <= document.keys():
        return "; it is a file of GuitarML, not of RTNeural: see from_guitarml_json"
    state = document.get("state_dict", document)
    names = [str(key).rpartition(".")[2] for key in state] if isinstance(state, Mapping) else []
    if any(name.startswith("weight") and name != "weights" for name in names):
        return "; it looks like a state_dict of PyTorch: make the model, and give the dict to from_torch_state_dict"
    return ""


def document(source: Any, library: str = "RTNeural") -> dict[str, Any]:
    """The JSON object of a path, a text, an open file or what json.load gave."""
    if hasattr(source, "read"):
        source = source.read()
    shown = ""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not source.lstrip().startswith("{")):
        shown, source = f" in {os.fspath(source)}", Path(source).read_bytes()
    if isinstance(source, str | bytes):
        try:
            source = json.loads(source)
        except (ValueError, RecursionError) as error:  # of JSON, or of its encoding
            raise ValueError(f"no model of {library}{shown}: not JSON: {error}") from None
        if not isinstance(source, Mapping):
            raise ValueError(f"no model of {library}{shown}: expected a JSON object, got a {type(source).__name__}")
    if not isinstance(source, Mapping):
        raise TypeError(f"source must be a path, JSON text, a file or a dict, got {short(source)}")
    return dict(source)


def _layer(entry: Any, title: str, inputs: int, before: list[Spec]) -> Spec:
    """One entry of "layers"; an activation on its own is merged into the layer before if that has none."""
    try:
        kind, outputs = entry["type"], int(entry["shape"][-1])
        g = ACTIVATIONS.get(entry.get("activation") or "")
        weights = [np.array(array, float) for array in entry.get("weights", [])]
        dilation, groups, strides = (int(np.ravel(entry.get(n, 1))[-1]) for n in ("dilation", "groups", "strides"))
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{title} is damaged: {error!r}") from None
    if kind not in (*TYPES, *POINTWISE, "conv1d", "activation"):
        known = ", ".join((*TYPES, *POINTWISE, "conv1d", "activation"))
        raise ValueError(f"{title} is of type {kind!r}; known are {known}")
    if kind in ("gru", "lstm") and entry.get("activation") not in (None, "", "tanh"):
        raise ValueError(f"{title} is a {kind} with the activation {entry['activation']!r}; RTNeural's has tanh")
    if g is None:
        raise ValueError(f"{title} has the activation {entry['activation']!r}; known are tanh, relu and sigmoid")
    _check_finite(weights, title)
    if kind == "activation":
        return _activated(g, inputs, outputs, title, before)
    if kind in POINTWISE:
        return _pointwise(kind, weights, entry, inputs, outputs, title)
    _check_shapes(kind, weights, inputs, outputs, title)
    if kind == "conv1d":
        if groups != 1 or strides != 1:
            raise ValueError(f"{title}: convolutions in groups or with strides are no filters of ours")
        return _convolution(weights, dilation, g, outputs, title)
    config: dict[str, Any] = {"outputs": outputs, "activation": g} if TYPES[kind] == "Dense" else {"hidden": outputs}
    if kind == "gru":
        config["reset_after"] = len(weights) < 3 or weights[2].ndim == 2
    return Spec(TYPES[kind], config, weights, outputs, title)


def _check_finite(weights: list[Array], title: str) -> None:
    """JSON's null is read as NaN."""
    for number, array in enumerate(weights):
        if not np.isfinite(array).all():
            at = np.argwhere(~np.isfinite(array))[0]
            value = array[tuple(at)]
            text = "null or NaN" if np.isnan(value) else str(value)
            raise ValueError(f"{title}: entry {list(map(int, at))} of its weights[{number}] is {text}")


def _check_shapes(kind: str, weights: list[Array], inputs: int, outputs: int, title: str) -> None:
    """Weights as Keras has them; a bias at the end may be missing."""
    rows = outputs * {"gru": 3, "lstm": 4}.get(kind, 1)
    forms: dict[str, list[Any]] = {
        "conv1d": [("taps", inputs, outputs), (outputs,)],
        "gru": [(inputs, rows), (outputs, rows), (2, rows)],
        "lstm": [(inputs, rows), (outputs, rows), (rows,)],
    }
    expected = forms.get(kind, [(inputs, outputs), (outputs,)])
    found = [array.shape for array in weights]
    if kind == "gru" and len(found) == 3 and len(found[2]) == 1:  # reset_after=False
        expected[2] = (rows,)
    if kind == "conv1d" and found and len(found[0]) == 3 and found[0][0]:
        expected[0] = (found[0][0], inputs, outputs)
    if found not in (expected, expected[:-1]):
        shapes = ", ".join(str(shape).replace("'", "") for shape in expected)
        raise ValueError(
            f"{title}, {kind} of {inputs} inputs and {outputs} outputs: weights have shapes {found}, expected {shapes}"
        )


def _activated(g: str, inputs: int, outputs: int, title: str, before: list[Spec]) -> Spec:
    """After a layer that has an activation already: a dense layer with weights of an identity, and this activation."""
    if outputs != inputs:
        raise ValueError(f"{title} is an activation of {outputs} channels behind a layer of {inputs}")
    if before and g == "linear":
        return before.pop()
    if before and before[-1].config.get("activation") == "linear":
        last = before.pop()
        return last._replace(config=last.config | {"activation": g})
    return Spec("Dense", {"outputs": outputs, "activation": g}, [np.eye(outputs), np.zeros(outputs)], outputs, title)


def _pointwise(
    kind: str, weights: list[Array], entry: Mapping[str, Any], inputs: int, outputs: int, title: str
) -> Spec:
    """A normalisation is a dense layer; an activation of two slopes is two lines, for each channel."""
    count = 1 if kind == "prelu" else 4
    each = [array.reshape(-1) for array in weights]
    if len(each) == 2 and count == 4:
        each = [np.ones(outputs), np.zeros(outputs), *each]
    if inputs != outputs or len(each) != count or any(array.shape != (outputs,) for array in each):
        shapes = [array.shape for array in weights]
        raise ValueError(f"{title}, {kind} of {inputs} inputs and {outputs} outputs: weights have shapes {shapes}")
    if kind == "prelu":
        knots = np.tile([-1.0, 0.0, 1.0], (outputs, 1))
        values = np.stack([-each[0], np.zeros(outputs), np.ones(outputs)], axis=1)
        lines = [knots, values] if outputs > 1 else [knots[0], values[0]]
        return Spec("PiecewiseLinear", {"n_knots": 3}, lines, outputs, title)
    gamma, beta, mean, variance = each
    try:
        with np.errstate(all="ignore"):
            gain = gamma / np.sqrt(variance + float(entry.get("epsilon", 1e-3)))
    except (TypeError, ValueError):
        raise ValueError(f"{title}: epsilon is {short(entry['epsilon'])}") from None
    if not np.isfinite(gain).all():
        raise ValueError(f"{title}: variances and epsilon must be positive")
    config = {"outputs": outputs, "activation": "linear"}
    return Spec("Dense", config, [np.diag(gain), beta - gain * mean], outputs, title)


def _convolution(weights: list[Array], dilation: int, g: str, outputs: int, title: str) -> Spec:
    taps = (len(weights[0]) - 1) * dilation + 1
    if not (dilation >= 1 and taps <= MOST_TAPS):
        raise ValueError(f"{title} has a dilation of {dilation}: filters have from 1 to {MOST_TAPS} taps")
    kernel = np.zeros((taps, *weights[0].shape[1:]))
    kernel[::dilation] = weights[0]
    bias = weights[1] if len(weights) > 1 else np.zeros(outputs)
    return Spec("NonlinearFIR", {"n_taps": taps, "activation": g}, [kernel, bias], outputs, title)
