"""Types of the functions that bridges make for the arrays of another library."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

from numpy.typing import ArrayLike

T = TypeVar("T")  # the arrays
H = TypeVar("H", covariant=True)  # outputs and final states of a layer


class Filter(Protocol[T]):
    """`lfilter`, `nlfilter`: the final state is returned if an initial one is given."""

    @overload
    def __call__(
        self, b: T | ArrayLike, a: T | ArrayLike, x: T | ArrayLike, axis: int = -1, zi: None = None, **options: Any
    ) -> T: ...
    @overload
    def __call__(
        self, b: T | ArrayLike, a: T | ArrayLike, x: T | ArrayLike, axis: int, zi: T | ArrayLike, **options: Any
    ) -> tuple[T, T]: ...
    @overload
    def __call__(
        self,
        b: T | ArrayLike,
        a: T | ArrayLike,
        x: T | ArrayLike,
        axis: int = -1,
        *,
        zi: T | ArrayLike,
        **options: Any,
    ) -> tuple[T, T]: ...


class Sections(Protocol[T]):
    """`sosfilt`, alike."""

    @overload
    def __call__(self, sos: T | ArrayLike, x: T | ArrayLike, axis: int = -1, zi: None = None, **options: Any) -> T: ...
    @overload
    def __call__(
        self, sos: T | ArrayLike, x: T | ArrayLike, axis: int, zi: T | ArrayLike, **options: Any
    ) -> tuple[T, T]: ...
    @overload
    def __call__(
        self, sos: T | ArrayLike, x: T | ArrayLike, axis: int = -1, *, zi: T | ArrayLike, **options: Any
    ) -> tuple[T, T]: ...


class Function(Protocol[H]):
    """All others: one kind of result."""

    def __call__(self, *args: Any, **kwargs: Any) -> H: ...
