"""What all kernels are made of: vectors, compilation and its cache, exponentials, activations."""

from sigrnn._kernels.aside import load_numba

load_numba()
