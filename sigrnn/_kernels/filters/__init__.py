"""Loops of linear and nonlinear filters, forward and backward."""
