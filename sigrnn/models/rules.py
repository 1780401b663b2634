"""Gradients of the library's functions for arrays that were checked before: `vjp` without its checks and conversions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sigrnn._arrays import Array
from sigrnn.gradients._arguments import bound
from sigrnn.gradients.checkpoints import by_blocks
from sigrnn.gradients.rules import RULES

Named = dict[str, Array]


def checked_vjp(
    function: Callable[..., Any], size: int | None = None, **arguments: Any
) -> tuple[Any, Callable[..., Named]]:
    """The value, and a pull-back from dy to a dict of gradients; with `size`, only every `size`-th state is stored."""
    rule, (given, _) = RULES[function], bound(function, (), arguments)
    if size is None:
        return rule.vjp(given)
    return rule.by_blocks(given, size) if rule.by_blocks is not None else by_blocks(function, rule, given, size)
