"""PyTorch's state_dict. Layers have the weights of torch.nn's; parameters without a counterpart keep our names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sigrnn._arrays import Array, array, short
from sigrnn.models.exchange.layers import (
    RECURRENT,
    TAPS,
    Place,
    activation,
    as_taps,
    fill,
    halves,
    kind_of,
    leaves,
    need_sizes,
    option,
    refuse_extras,
    taps,
)

LAYER = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+))?(_reverse)?")
OURS = {"weight_ih": "w_ih", "weight_hh": "w_hh", "bias_ih": "b_ih", "bias_hh": "b_hh"}
Unit = dict[str, Array]  # arrays of one layer by their names without module and number; "_reverse" stays


def write(model: Any, prefixes: Sequence[str] | None = None) -> dict[str, Any]:
    """The state_dict: a dict of tensors."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("to_torch_state_dict needs PyTorch: pip install 'sigrnn[torch]'") from error

    need_sizes(model, "to_torch_state_dict")
    places = list(leaves(model))
    names = _names(places, prefixes)
    found: dict[str, Array] = {}
    before: list[str] = []
    for place, name in zip(places, names, strict=True):
        depth = before.count(name)
        before.append(name)
        if depth and kind_of(place) not in RECURRENT:
            raise ValueError(f"prefixes: {name!r} comes twice, but {place.title} is no recurrent layer to be stacked")
        for local, each in _given(place).items():
            base, reverse, _ = local.partition("_reverse")
            number = f"_l{depth}" if base in OURS else ""
            found[f"{name}.{base}{number}{reverse}" if name else f"{base}{number}{reverse}"] = each
    return {name: torch.from_numpy(np.array(array)) for name, array in found.items()}


def read(model: Any, state: Mapping[str, Any], prefixes: Sequence[str] | None = None) -> Any:
    """Give the model the weights of a state_dict; values may be tensors, arrays or nested lists."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state_dict must be a dict of tensors or arrays, got {type(state).__name__}")
    units, places = _units(state), list(leaves(model))
    if len(units) != len(places):
        raise ValueError(
            f"the state_dict has weights of {len(units)} layers ({', '.join(name or 'no name' for name, _ in units)}), "
            f"the model has {len(places)}"
        )
    found: dict[str, Array] = {}
    inputs = 0
    for place, unit in zip(places, _ordered(units, places, prefixes), strict=True):
        arrays, channels = _taken(place, unit)
        inputs = inputs or channels
        found.update({f"{place.prefix}{name}": array for name, array in arrays.items()})
    return fill(model, found, model.inputs or inputs)


def _names(places: Sequence[Place], prefixes: Sequence[str] | None) -> list[str]:
    """The module of each layer."""
    if prefixes is None:
        return [place.prefix[:-1] for place in places]
    names = [prefixes] if isinstance(prefixes, str) else list(prefixes)
    if len(names) != len(places):
        raise ValueError(f"prefixes: {len(names)} given, the model has {len(places)} layers")
    return [name.removesuffix(".") for name in names]


def _given(place: Place) -> Unit:
    """Arrays of a layer by PyTorch's names, which lack the number of the layer."""
    if place.layer.parts:
        forward, reverse = map(_given, halves(place))
        return forward | {f"{name}_reverse": array for name, array in reverse.items()}
    params = dict(place.layer.params)
    if place.kind in RECURRENT:
        _check_recurrent(place)
        return {name: params[ours] for name, ours in OURS.items()}
    if place.kind == "Dense":
        return {"weight": params["v"], "bias": params["bias"]}
    if place.kind in TAPS:  # Conv1d: its taps go the other way
        return {"weight": taps(place.layer)[None, :, ::-1]} | {n: a for n, a in params.items() if n != "b"}
    return params


def _check_recurrent(place: Place) -> None:
    refuse_extras(place, "PyTorch")
    if not option(place.layer, "reset_after", True):
        raise ValueError(f"{place.title} has reset_after=False; PyTorch has only layers with reset_after=True")
    if place.kind == "RNN" and activation(place) not in ("tanh", "relu"):
        raise ValueError(f"{place.title}: PyTorch's RNN has the activations 'tanh' and 'relu' only")


def _units(state: Mapping[str, Any]) -> list[tuple[str, Unit]]:
    """(module, arrays) of each layer, layers of a stack in order."""
    modules: dict[str, dict[int, Unit]] = {}
    for key, value in state.items():
        module, _, local = str(key).rpartition(".")
        match = LAYER.fullmatch(local)
        if match is not None:
            local = f"{match[1]}_{match[2]}{match[4] or ''}"
        layer = modules.setdefault(module, {}).setdefault(int((match and match[3]) or 0), {})
        layer[local] = _array(value, str(key))
    return [(module, layers[number]) for module, layers in modules.items() for number in sorted(layers)]


def _array(value: Any, name: str) -> Array:
    """A tensor, wherever it is, an array, or a list as an array of floats."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
    found = array(name, value)
    if found.dtype.kind not in "fiu" or not found.ndim:
        raise ValueError(f"{name} must be an array of real numbers, got {short(value)}")
    return found


def _ordered(units: list[tuple[str, Unit]], places: Sequence[Place], prefixes: Sequence[str] | None) -> list[Unit]:
    """The units in the order of the layers: by name where the names are those, else in the order they come in."""
    names = _names(places, prefixes)
    known = {name for name, _ in units}
    if set(names) != known:
        if prefixes is not None:
            raise ValueError(f"prefixes: the state_dict has {', '.join(sorted(known))}, given are {', '.join(names)}")
        return [unit for _, unit in units]
    found = {name: [unit for other, unit in units if other == name] for name in known}
    if any(len(found[name]) != names.count(name) for name in known):
        return [unit for _, unit in units]
    return [found[name].pop(0) for name in names]


def _taken(place: Place, unit: Unit) -> tuple[dict[str, Array], int]:
    """Our arrays from PyTorch's, and how many inputs they have (0: they do not say)."""
    if place.layer.parts:
        forward = {name: array for name, array in unit.items() if not name.endswith("_reverse")}
        reverse = {name.removesuffix("_reverse"): array for name, array in unit.items() if name.endswith("_reverse")}
        found, inputs = {}, 0
        for half, arrays in zip(halves(place), (forward, reverse), strict=True):
            params, inputs = _taken(half, arrays)
            found.update({f"{half.prefix.removeprefix(place.prefix)}{name}": a for name, a in params.items()})
        return found, inputs
    if place.kind in RECURRENT:
        return _taken_recurrent(place, unit)
    if place.kind == "Dense":
        _check(place, unit, {"weight"}, {"bias"})
        weight = unit["weight"]
        return {"v": weight, "bias": unit.get("bias", np.zeros(len(weight)))}, weight.shape[-1]
    if place.kind in TAPS and "weight" in unit:
        return _taken_taps(place, unit)
    if "feedback" in unit:
        raise ValueError(
            f"{place.title}: these are parameters of a filter of sigrnn.torch, whose meaning depends on its options; give "
            "the coefficients instead: net.b and net.a, or net.sos"
        )
    _check(place, unit, set(place.layer.params) or set(unit), set())
    b = unit.get("b")
    return dict(unit), 0 if b is None or b.ndim < 1 else np.atleast_2d(b).shape[0]


def _taken_recurrent(place: Place, unit: Unit) -> tuple[dict[str, Array], int]:
    if "weight_hr" in unit:
        raise ValueError(f"{place.title}: the state_dict has projections (proj_size), which layers here do not have")
    _check(place, unit, {"weight_ih", "weight_hh"}, {"bias_ih", "bias_hh"})
    _check_recurrent(place)
    rows = len(unit["weight_ih"])
    arrays = {ours: unit.get(name, np.zeros(rows)) for name, ours in OURS.items()}
    return arrays, unit["weight_ih"].shape[-1]


def _taken_taps(place: Place, unit: Unit) -> tuple[dict[str, Array], int]:
    _check(place, unit, {"weight"}, {"bias"})
    weight, bias = unit["weight"], unit.get("bias", np.zeros(1))
    if weight.ndim != 3 or len(weight) != 1:
        raise ValueError(
            f"{place.title}: the convolution's weight has shape {weight.shape}, expected (1, inputs, taps)"
        )
    if place.kind == "NonlinearFIR":
        return {"b": as_taps(weight[0, :, ::-1]), "bias": bias}, weight.shape[1]
    if np.any(bias != 0.0):
        raise ValueError(f"{place.title} has no bias, the state_dict has one: use NonlinearFIR(..., 'linear')")
    return {"b": as_taps(weight[0, :, ::-1])}, weight.shape[1]


def _check(place: Place, unit: Unit, needed: set[str], allowed: set[str]) -> None:
    if not needed <= set(unit) <= needed | allowed:
        raise ValueError(
            f"{place.title} takes {', '.join(sorted(needed | allowed))}; in its place the state_dict has "
            f"{', '.join(sorted(unit))}"
        )
