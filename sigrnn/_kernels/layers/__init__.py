"""Cells of recurrent layers, and the loops that run them, forward and backward."""

from sigrnn._kernels.aside import load_numba

load_numba()
