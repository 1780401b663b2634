"""Coefficients as parameters: their number, their start, and those that keep a filter stable."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def counted(name: str, number: Any, least: int) -> int:
    if not isinstance(number, int) or number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")
    return number


def shape_of(channels: int | None, size: int) -> tuple[int, ...]:
    return (size,) if channels is None else (counted("channels", channels, 1), size)


def described(row: torch.Tensor, **sizes: Any) -> str:
    if row.dim() > 1:
        sizes["channels"] = row.shape[0]
    return ", ".join(f"{name}={value}" for name, value in sizes.items())


def uniform(parameter: torch.Tensor, bound: float) -> None:
    nn.init.uniform_(parameter, -bound, bound)


def monic(feedback: torch.Tensor) -> torch.Tensor:
    return torch.cat([feedback.new_ones((*feedback.shape[:-1], 1)), feedback], -1)


def stable_denominator(free: torch.Tensor) -> torch.Tensor:
    """Denominators with all roots within the unit circle: those of reflection coefficients below 1, by Levinson's recursion."""
    a = free.new_ones((*free.shape[:-1], 1))
    for k in torch.tanh(free).unbind(-1):
        longer = nn.functional.pad(a, (0, 1))
        a = longer + k[..., None] * longer.flip(-1)
    return a


def unconstrained(a: torch.Tensor) -> torch.Tensor:
    """Undo it: the recursion from its end."""
    found = []
    while a.shape[-1] > 1:
        k = a[..., -1:]
        if not (k.abs() < 1).all():
            raise ValueError(
                f"stable=True starts from a stable filter, got one with a reflection coefficient of {k.tolist()}"
            )
        found.append(k[..., 0])
        a = ((a - k * a.flip(-1)) / (1 - k * k))[..., :-1]
    return torch.atanh(torch.stack(found[::-1], -1)) if found else a[..., 1:]
