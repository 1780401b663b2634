"""Compiled loops, nothing else: no checks, no axes, no public names.

Read `filters/steps.py` first (the recurrences), then `filters/loops.py` (the loops that run them).
"""
