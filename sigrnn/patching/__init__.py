"""sigrnn's functions in SciPy's place, for programs that one cannot edit, and counts of their calls."""
