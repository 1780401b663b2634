"""Compiled loops, nothing else: no checks, no axes, no public names.

Read `filters.py` first (the recurrences), then `scans.py` (the loops that run them).
"""
