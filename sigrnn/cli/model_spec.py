"""Models in a few characters: 'lstm:16', 'iir:2,tanh,iir:2'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sigrnn import models
from sigrnn.activations import NAMES
from sigrnn.layers._cells import FUNCTIONS
from sigrnn.models import Chain, Dense, Model, Residual

__all__ = ["SPECS", "SpecError", "model_from"]


class Kind(NamedTuple):
    """A kind of part: its class, its sizes, and whether an activation may follow them."""

    make: Callable[..., Model]
    numbers: tuple[str, ...]
    activation: bool = False


KINDS = {
    "fir": Kind(models.FIR, ("TAPS",)),
    "iir": Kind(models.IIR, ("ORDER",)),
    "sos": Kind(models.SOS, ("SECTIONS",)),
    "nfir": Kind(models.NonlinearFIR, ("TAPS",), True),
    "niir": Kind(models.NonlinearIIR, ("TAPS", "ORDER"), True),
    **{name: Kind(getattr(models, cell.model), ("UNITS",), cell.activation) for name, cell in FUNCTIONS.items()},
    "dense": Kind(models.Dense, ("OUTPUTS",), True),
}
SPECS = ", ".join(":".join((name, *kind.numbers)) for name, kind in KINDS.items())


class SpecError(ValueError):
    """A text that describes no model; the message is one line."""


def model_from(text: str, *, residual: bool = False, stable: bool = True) -> Model:
    """Make a model of one input and one output, without sizes, from a text such as 'iir:2,tanh,iir:2'.

    The parts are a kind and its sizes, as in `SPECS`, or an activation, which stands for a dense layer with it. A dense layer
    makes one output of several. `residual` adds the input to the output, `stable` keeps 'iir' and 'sos' stable in training.
    """
    parts: list[Model] = []
    width = 1
    for word in text.split(","):
        part, width = _part(word.strip().lower(), width, stable)
        parts.append(part)
    if width > 1:
        parts.append(Dense(1))
    model = parts[0] if len(parts) == 1 else Chain(*parts)
    return Residual(model) if residual else model


def _part(word: str, width: int, stable: bool) -> tuple[Model, int]:
    """Return a part for `width` channels, and the number of channels it gives."""
    if word in NAMES:
        return Dense(width, word), width
    name, *given = word.split(":")
    kind = KINDS.get(name)
    if kind is None:
        raise SpecError(f"no model is called '{name}': there are {', '.join(KINDS)}, and activations by name")
    form = ":".join((name, *kind.numbers)) + "[:ACTIVATION]" * kind.activation
    sizes, rest = given[: len(kind.numbers)], given[len(kind.numbers) :]
    if len(sizes) < len(kind.numbers) or len(rest) > int(kind.activation):
        raise SpecError(f"'{word}' should read {form}")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise SpecError(f"'{word}' should read {form}, with whole numbers above 0")
    if rest and rest[0] not in NAMES:
        raise SpecError(f"no activation is called '{rest[0]}': there are {', '.join(NAMES)}")
    options: dict[str, Any] = {"activation": rest[0]} if rest else {}
    if name in ("iir", "sos"):
        options["stable"] = stable
    numbers = [int(size) for size in sizes]
    return kind.make(*numbers, **options), numbers[0] if name in (*FUNCTIONS, "dense") else 1
