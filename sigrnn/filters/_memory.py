"""Scratch memory for vectors."""

from __future__ import annotations

import math

import numpy as np

from sigrnn._arrays import F8, Array
from sigrnn._kernels.sizes import LINE_BYTES


def aligned(*shape: int) -> Array:
    """Memory for vectors, with anything in it, from where a cache line begins: a vector across two lines takes two accesses."""
    size = math.prod(shape)
    memory = np.empty(size + LINE_BYTES // F8.itemsize)
    first = -memory.__array_interface__["data"][0] % LINE_BYTES // F8.itemsize
    return memory[first : first + size].reshape(shape)
