"""`sigrnn bench`: speed and results compared with SciPy and other libraries that are installed."""
