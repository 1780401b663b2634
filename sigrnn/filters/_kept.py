"""A cache of filters with their constants, limited in number and in bytes."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

NUMBER = 128  # filters of either form
BYTES = 1 << 24  # of their constants; a larger filter is kept alone


class Sized(Protocol):
    """A filter, with the bytes of its coefficients and of all that it found for the lengths of signals so far."""

    bytes: int


Filter = TypeVar("Filter", bound=Sized)

# By the bytes of their float64 coefficients, oldest first
direct_forms: dict[tuple[bytes, bytes], Any] = {}  # of b, a
cascades: dict[bytes, Any] = {}  # of sos


def keep(kept: dict[Any, Any], key: Any, filter: Filter) -> Filter:
    """Keep a filter, or return the one that another thread kept meanwhile."""
    filter = kept.setdefault(key, filter)
    forget_oldest()
    return filter


def forget_oldest() -> None:
    """Forget filters until the rest is within the limits. Threads may do so at once."""
    caches: list[dict[Any, Any]] = [direct_forms, cascades]
    for kept in caches:
        filters = list(kept.items())
        bytes = sum(filter.bytes for _, filter in filters)
        while len(filters) > NUMBER or (bytes > BYTES and len(filters) > 1):
            key, oldest = filters.pop(0)
            kept.pop(key, None)
            bytes -= oldest.bytes
