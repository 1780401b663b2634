"""Cells of recurrent layers, and the loops that run them, forward and backward."""
