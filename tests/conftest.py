"""What all tests share: compiled kernels kept between runs, and random numbers that are the same in every run."""

import os
from pathlib import Path

import pytest

# Numba reads this when it is imported, which sigrnn does at its first call; child processes inherit it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba"))


@pytest.fixture
def rng(request):
    """Random numbers, the same for a test whichever others run."""
    import numpy as np

    return np.random.default_rng(list(request.node.nodeid.encode()))
