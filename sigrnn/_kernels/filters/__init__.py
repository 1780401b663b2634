"""Loops of linear and nonlinear filters, forward and backward."""

from sigrnn._kernels.aside import load_numba

load_numba()
