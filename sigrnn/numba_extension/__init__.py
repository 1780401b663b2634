"""Filters and layers inside users' own compiled functions. Only Numba imports this package (entry point `numba_extensions`).

Each function is the plain recurrence, sample after sample, and allocates nothing but its result: states of up to 64 numbers
are on the stack. Options are set here, not taken from the caller, whose fast-math would break polynomials.
"""

from sigrnn.numba_extension import filters, layers

__all__ = ["filters", "layers", "register"]


def register() -> None:
    """Numba calls this function at its first compilation; importing the package is enough."""
