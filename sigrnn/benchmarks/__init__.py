"""Benchmarks of system identification: recipes, simulated systems, adapters for packages with the official data.

`python -m sigrnn.benchmarks` runs the recipes and prints a table. `build_model` is for ``identibench.run_benchmark``.
"""

from .adapters import build_model

__all__ = ["build_model"]
