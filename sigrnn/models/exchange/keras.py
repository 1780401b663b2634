"""Keras' weights: kernels (inputs, units), gates in the order z r h of a GRU, i f c o of an LSTM."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sigrnn._arrays import Array
from sigrnn.layers._cells import MODELS
from sigrnn.models.exchange.layers import (
    RECURRENT,
    TAPS,
    Place,
    as_taps,
    fill,
    halves,
    leaves,
    option,
    refuse_extras,
    taps,
)


def read(model: Any, weights: Iterable[Any]) -> Any:
    """Give the model what Keras' get_weights() returns: one list of arrays, or a list of them for each layer."""
    places = list(leaves(model))
    piles = _piles(list(weights), places)
    found: dict[str, Array] = {}
    for place, pile in zip(places, piles, strict=True):
        for half in halves(place):
            found.update({f"{half.prefix}{name}": array for name, array in taken(half, pile).items()})
    for pile in piles:
        if pile.rest:
            shapes = ", ".join(str(array.shape) for array in pile.rest)
            raise ValueError(f"weights: arrays of shapes {shapes} are left over; the model takes no more")
    return fill(model, found, piles[0].used[0].shape[-2])


class Pile:
    """Arrays from which layers take what is theirs, the next first."""

    def __init__(self, arrays: Iterable[Any]) -> None:
        self.rest = deque(np.asarray(array) for array in arrays)
        self.used: list[Array] = []

    def take(self, place: Place, what: str, shape: tuple[int | None, ...]) -> Array:
        """The next array, whose shape has to be so; None fits anything."""
        if not self.rest:
            raise ValueError(f"weights: nothing is left for the {what} of {place.title}")
        if not _fits(self.rest[0], shape):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValueError(f"{what} of {place.title} has shape {self.rest[0].shape}, expected ({wanted})")
        array = self.rest.popleft()
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{what} of {place.title} must be an array of real numbers")
        self.used.append(array)
        return array

    def take_bias(self, place: Place, shape: tuple[int, ...]) -> Array:
        """The next array if it fits, else zeros: the layer was made without a bias."""
        fits = bool(self.rest) and _fits(self.rest[0], shape)
        return self.take(place, "bias", shape) if fits else np.zeros(shape)


def _fits(array: Array, shape: tuple[int | None, ...]) -> bool:
    return array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))


def _piles(given: Sequence[Any], places: Sequence[Place]) -> list[Pile]:
    """What each layer takes from: one pile for all, or one for each where the list has a list for each."""
    if not any(isinstance(entry, list | tuple) and all(hasattr(array, "shape") for array in entry) for entry in given):
        return [Pile(given)] * len(places)
    lists = [entry for entry in given if len(entry)]  # that of a layer without weights is empty
    if len(lists) != len(places):
        raise ValueError(f"weights: lists for {len(lists)} layers given, the model has {len(places)}")
    return [Pile(entry) for entry in lists]


def taken(place: Place, pile: Pile) -> dict[str, Array]:
    """Our arrays of a layer from the next of Keras'."""
    if place.kind in RECURRENT:
        return _taken_recurrent(place, pile)
    if place.kind == "Dense":
        kernel = pile.take(place, "kernel", (None, option(place.layer, "outputs")))
        return {"v": kernel.T, "bias": pile.take_bias(place, kernel.shape[1:])}
    if place.kind in TAPS:  # Conv1D with padding='causal': the taps go the other way
        kernel = pile.take(place, "kernel", (option(place.layer, "n_taps"), None, 1))
        return taps_with_bias(place, as_taps(kernel[::-1, :, 0].T), pile.take_bias(place, (1,)))
    raise ValueError(f"{place.title} has no counterpart in Keras")


def taps_with_bias(place: Place, b: Array, bias: Array) -> dict[str, Array]:
    """The parameters of a filter without feedback; one without an activation has no bias."""
    if place.kind == "NonlinearFIR":
        return {"b": b, "bias": bias}
    if np.any(bias != 0.0):
        raise ValueError(f"{place.title} has no bias, there is one: use NonlinearFIR(..., 'linear')")
    return {"b": b}


def _taken_recurrent(place: Place, pile: Pile) -> dict[str, Array]:
    refuse_extras(place, "Keras")
    order, hidden = MODELS[place.kind].keras, option(place.layer, "hidden")
    rows = len(order) * hidden
    kernel = pile.take(place, "kernel", (None, rows))
    units = pile.take(place, "recurrent kernel", (hidden, rows))
    after = option(place.layer, "reset_after", False)
    if place.kind == "GRU" and pile.rest and _fits(pile.rest[0], (rows,) if after else (2, rows)):
        told = "False" if after else "True"
        raise ValueError(f"{place.title}: the bias is that of a GRU with reset_after={told}; make the model so, too")
    bias = pile.take_bias(place, (2, rows) if after else (rows,))
    b_ih, b_hh = bias if after else (bias, np.zeros(rows))
    ours = np.argsort(order)
    return {
        "w_ih": _ordered(kernel.T, ours),
        "w_hh": _ordered(units.T, ours),
        "b_ih": _ordered(b_ih, ours),
        "b_hh": _ordered(b_hh, ours),
    }


def _ordered(rows: Array, order: Iterable[int]) -> Array:
    """Gates in another order."""
    order = list(order)
    each = np.split(rows, len(order))
    return np.concatenate([each[gate] for gate in order])


def given(place: Place) -> list[Array]:
    """A layer's arrays as Keras has them."""
    params = place.layer.params
    if place.kind == "Dense":
        return [params["v"].T, params["bias"]]
    if place.kind in TAPS:
        return [taps(place.layer).T[::-1, :, None], params.get("bias", np.zeros(1))]
    order = MODELS[place.kind].keras
    w_ih, w_hh, b_ih, b_hh = (_ordered(params[name], order) for name in ("w_ih", "w_hh", "b_ih", "b_hh"))
    both = option(place.layer, "reset_after", False)
    return [w_ih.T, w_hh.T, np.stack((b_ih, b_hh)) if both else b_ih + b_hh]
