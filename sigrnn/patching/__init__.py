"""sigrnn's functions in the place of SciPy's, for programs that one cannot edit, and the count of what they do there."""
