"""Compiled loops over time of systems made of filters and curves."""
