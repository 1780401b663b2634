"""The command line: `sigrnn filter`, `train`, `apply`, `demo`, `info`, `warmup`, `bench`."""

from sigrnn.cli.main import main

__all__ = ["main"]
