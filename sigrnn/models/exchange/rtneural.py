"""RTNeural's JSON: the layers of a chain with Keras' weights, for plug-ins and other programs in real time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array, short
from sigrnn.layers._cells import FUNCTIONS
from sigrnn.models.exchange import keras
from sigrnn.models.exchange.layers import TAPS, Place, activation, fill, halves, need_sizes, option, refuse_extras, row

ACTIVATIONS = {"": "linear", "linear": "linear", "tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid"}
LAYERS = {cell.rtneural: cell.model for cell in FUNCTIONS.values() if cell.rtneural}
TYPES = {"dense": "Dense", "time-distributed-dense": "Dense", **LAYERS}


class Told(NamedTuple):
    """A layer of a file: the class of ours, its arguments, its weights in Keras' form."""

    kind: str
    config: dict[str, Any]
    weights: list[Any]
    outputs: int
    title: str


# --------------------------------------------------------------------------------------------------------------- write


def write(model: Any, path: Any = None) -> str:
    """The JSON text, also written to a file if there is a path: whole or not at all."""
    need_sizes(model, "to_rtneural_json")
    layers = [_told(place) for place in _joined(model)]
    text = json.dumps({"in_shape": [None, None, model.inputs], "layers": layers}, allow_nan=False)
    if path is not None:
        target = Path(path)
        beside = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            beside.write_text(text, "utf-8")
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
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


def _told(members: list[Place]) -> dict[str, Any]:
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
    for members, told in zip(places, layers, strict=True):
        for member, one in zip(members, _split(told, members), strict=True):
            pile = keras.Pile(one)
            _check_alike(member, told)
            found.update({f"{member.prefix}{name}": array for name, array in keras.taken(member, pile).items()})
    return fill(model, found, inputs)


def build(source: Any, classes: Mapping[str, Callable[..., Any]]) -> Any:
    """A new model, of these classes, as a file describes it."""
    _, layers = parsed(source)
    made = [_made(told, classes) for told in layers]
    model = made[0] if len(made) == 1 else classes["Chain"](*made)
    return read(model, source)


def _made(told: Told, classes: Mapping[str, Callable[..., Any]]) -> Any:
    if told.kind not in TAPS:
        return classes[told.kind](**told.config)
    plain = told.config["activation"] == "linear" and not np.any(told.weights[1])
    config = {"n_taps": told.config["n_taps"]} if plain else told.config
    filters = [classes["FIR" if plain else "NonlinearFIR"](**config) for _ in range(told.outputs)]
    return filters[0] if len(filters) == 1 else classes["Parallel"](*filters, combine="concatenate")


def _check_alike(place: Place, told: Told) -> None:
    config = {name: option(place.layer, name) for name in told.config} | (
        {"activation": "linear"} if place.kind == "FIR" else {}
    )
    same = place.kind == told.kind or (place.kind in TAPS and told.kind in TAPS)
    if not same or config != told.config:
        raise ValueError(f"{told.title} is {_words(told)}; the model has {place.title} there")


def _words(told: Told) -> str:
    return f"{told.kind}({', '.join(f'{name}={value!r}' for name, value in told.config.items())})"


def _said(layers: list[Told]) -> str:
    return f"the file describes {len(layers)} layers ({', '.join(_words(told) for told in layers)})"


def _split(told: Told, members: list[Place]) -> list[list[Any]]:
    """The weights of filters side by side, one by one."""
    if told.kind not in TAPS:
        return [told.weights]
    if told.outputs != len(members):
        raise ValueError(
            f"{told.title} is a conv1d with {told.outputs} outputs, the model has {len(members)} filters there"
        )
    kernel, bias = told.weights
    return [[kernel[..., i : i + 1], bias[i : i + 1]] for i in range(told.outputs)]


def parsed(source: Any) -> tuple[int, list[Told]]:
    """Number of inputs, and the layers of a path, a JSON text, an open file or what json.load gave."""
    document = _document(source)
    try:
        inputs, entries = int(document["in_shape"][-1]), list(document["layers"])
    except KeyError as error:
        hint = ""
        if any("weight" in str(key) for key in (*document, *document.get("state_dict", ()))):
            hint = "; it looks like a state_dict of PyTorch: make the model, and give the dict to from_torch_state_dict"
        raise ValueError(f"no model of RTNeural: {error} is missing{hint}") from None
    except (TypeError, IndexError, ValueError):
        raise ValueError(f"no model of RTNeural: in_shape is {document['in_shape']!r}") from None
    found: list[Told] = []
    width = inputs
    for number, entry in enumerate(entries):
        told = _layer(entry, f"layer {number} of the file", width, found)
        width = told.outputs
        found.append(told)
    if not found:
        raise ValueError("no model of RTNeural: it has no layers")
    return inputs, found


def _document(source: Any) -> dict[str, Any]:
    if hasattr(source, "read"):
        source = source.read()
    shown = ""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not source.lstrip().startswith("{")):
        shown, source = f" in {os.fspath(source)}", Path(source).read_bytes()
    if isinstance(source, str | bytes):
        try:
            source = json.loads(source)
        except ValueError as error:  # of JSON, or of its encoding
            raise ValueError(f"no model of RTNeural{shown}: not JSON: {error}") from None
        if not isinstance(source, Mapping):
            raise ValueError(f"no model of RTNeural{shown}: expected a JSON object, got a {type(source).__name__}")
    if not isinstance(source, Mapping):
        raise TypeError(f"source must be a path, JSON text, a file or a dict, got {short(source)}")
    return dict(source)


def _layer(entry: Any, title: str, inputs: int, before: list[Told]) -> Told:
    """One entry of "layers"; an activation on its own goes to the layer before if that has none."""
    try:
        kind, outputs = entry["type"], int(entry["shape"][-1])
        g = ACTIVATIONS.get(entry.get("activation") or "")
        weights = [np.array(array, float) for array in entry.get("weights", [])]
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise ValueError(f"{title} is damaged: {error!r}") from None
    if g is None and kind not in LAYERS:
        raise ValueError(f"{title} has the activation {entry['activation']!r}; known are tanh, relu and sigmoid")
    if kind == "activation":
        return _activated(str(g), outputs, title, before)
    if kind == "conv1d":
        return _convolution(entry, weights, str(g), outputs, title)
    if kind not in TYPES:
        raise ValueError(f"{title} is of type {kind!r}; known are {', '.join((*TYPES, 'conv1d', 'activation'))}")
    config: dict[str, Any] = {"outputs": outputs, "activation": g} if TYPES[kind] == "Dense" else {"hidden": outputs}
    if kind == "gru":
        config["reset_after"] = len(weights) < 3 or weights[2].ndim == 2
    if len(weights) == 0 or weights[0].ndim != 2 or len(weights[0]) != inputs:
        shape = weights[0].shape if weights else "none"
        raise ValueError(f"{title}: its first weights have shape {shape}, expected ({inputs}, ...)")
    return Told(TYPES[kind], config, weights, outputs, title)


def _activated(g: str, outputs: int, title: str, before: list[Told]) -> Told:
    """After a layer that has an activation already: a dense layer that passes everything on to its own."""
    if before and g == "linear":
        return before.pop()
    if before and before[-1].config.get("activation") == "linear":
        last = before.pop()
        return last._replace(config=last.config | {"activation": g})
    return Told("Dense", {"outputs": outputs, "activation": g}, [np.eye(outputs), np.zeros(outputs)], outputs, title)


def _convolution(entry: Mapping[str, Any], weights: list[Array], g: str, outputs: int, title: str) -> Told:
    dilation = int(np.ravel(entry.get("dilation", 1))[-1])
    if int(np.ravel(entry.get("groups", 1))[-1]) != 1 or int(np.ravel(entry.get("strides", 1))[-1]) != 1:
        raise ValueError(f"{title}: convolutions in groups or with strides are no filters of ours")
    if not weights or weights[0].ndim != 3 or weights[0].shape[2] != outputs:
        raise ValueError(f"{title}: weights of a conv1d have shape (taps, inputs, {outputs})")
    kernel = np.zeros(((len(weights[0]) - 1) * dilation + 1, *weights[0].shape[1:]))
    kernel[::dilation] = weights[0]
    bias = weights[1] if len(weights) > 1 else np.zeros(outputs)
    return Told("NonlinearFIR", {"n_taps": len(kernel), "activation": g}, [kernel, bias], outputs, title)
