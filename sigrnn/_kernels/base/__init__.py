"""The basis of all kernels: vectors, compilation and its cache, exponentials, activations."""

from sigrnn._kernels.aside import load_numba

load_numba()
