"""Models as chains of layers with arrays, for other libraries. Models are identified by the name of their class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from sigrnn._arrays import Array
from sigrnn.layers._cells import FUNCTIONS

RECURRENT = tuple(cell.model for cell in FUNCTIONS.values() if cell.torch)  # those that other libraries have
TAPS = ("FIR", "NonlinearFIR")


class Place(NamedTuple):
    """A layer of a model, and where it stands: its parameters are those of the model whose names begin so."""

    prefix: str
    layer: Any

    @property
    def kind(self) -> str:
        return type(self.layer).__name__

    @property
    def title(self) -> str:
        """Its name in an error message."""
        return f"part {self.prefix[:-1]}, {self.layer!r}" if self.prefix else repr(self.layer)


def row(model: Any, prefix: str = "") -> Iterator[Place]:
    """The layers of a chain in order; chains within chains are taken apart, other compositions are not."""
    if type(model).__name__ != "Chain":
        yield Place(prefix, model)
        return
    for i, part in enumerate(model.parts):
        yield from row(part, f"{prefix}{i}.")


def leaves(model: Any, prefix: str = "") -> Iterator[Place]:
    """All layers, whatever they are composed by; a recurrent layer in both directions is one."""
    if model.parts and not both_ways(model):
        for i, part in enumerate(model.parts):
            yield from leaves(part, f"{prefix}{i}.")
    else:
        yield Place(prefix, model)


def both_ways(model: Any) -> bool:
    """Whether it is one recurrent layer in both directions, as other libraries have it: two alike."""
    if type(model).__name__ != "Bidirectional" or type(model.parts[0]).__name__ not in RECURRENT:
        return False
    forward, backward = model.parts
    return type(forward) is type(backward) and forward.config() == backward.config()


def halves(place: Place) -> list[Place]:
    """A layer in both directions as two layers, any other as itself."""
    return [Place(f"{place.prefix}{i}.", part) for i, part in enumerate(place.layer.parts)] or [place]


def kind_of(place: Place) -> str:
    """The class of a layer, or of a layer in both directions."""
    return halves(place)[0].kind


def need_sizes(model: Any, what: str) -> None:
    if model.inputs is None:
        raise ValueError(f"{what}: {model!r} has no sizes yet: call init(inputs), or the model itself, first")


def option(layer: Any, name: str, default: Any = None) -> Any:
    """An argument that the layer was made with."""
    return layer.config().get(name, default)


def activation(place: Place) -> str:
    """The name of its activation."""
    found = option(place.layer, "activation", "linear")
    if not isinstance(found, str):
        raise ValueError(f"{place.title} has an activation of your own, which is code: no other library has it")
    return found


def refuse_extras(place: Place, what: str) -> None:
    """Peepholes and first states are known to few."""
    if option(place.layer, "peephole", False):
        raise ValueError(f"{place.title} has peepholes, which {what} does not know")
    if option(place.layer, "initial", False):
        raise ValueError(f"{place.title} has a first state of its own, which {what} does not keep")


def taps(layer: Any) -> Array:
    """Coefficients of a filter without feedback as (I, M)."""
    return np.atleast_2d(layer.params["b"])


def as_taps(b: Array) -> Array:
    """The reverse: (M,) of one input."""
    return b[0] if len(b) == 1 else b


def fill(model: Any, found: Mapping[str, Array], inputs: int) -> Any:
    """Give a model its parameters, all or none."""
    for name, array in found.items():
        if not np.isrealobj(array):
            raise ValueError(f"{name} is complex; parameters of models are real")
    if model.inputs is None:
        model.init(inputs, rng=0)
    if model.inputs != inputs:
        raise ValueError(f"the weights are for {inputs} input{'s' * (inputs != 1)}, the model has {model.inputs}")
    model.params = found
    return model
