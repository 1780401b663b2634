"""Derivatives of all functions, by `vjp` (reverse mode) and `jvp` (forward mode)."""

from sigrnn.gradients.api import jvp, synchronous_grad, vjp

__all__ = ["jvp", "synchronous_grad", "vjp"]
