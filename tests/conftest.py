"""What all tests share: compiled kernels kept between runs, and random numbers that are the same in every run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Numba reads this when it is imported, which sigrnn does at its first call; child processes inherit it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba"))
os.environ.setdefault("SIGRNN_QUIET", "1")  # tests read what child processes print

MANY = 1000  # tests from which a run is one of the whole suite
COMPILE = "from sigrnn.warmup import warmup; warmup(workers=1)"
helper = None


def pytest_collection_finish(session):
    """Let a second process compile kernels into the cache at the same time: most of the time of a first run is spent on that."""
    global helper
    if (
        len(session.items) >= MANY
        and not hasattr(session.config, "workerinput")
        and not session.config.option.collectonly
    ):
        from helpers import environment

        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        helper = subprocess.Popen([sys.executable, "-P", "-c", COMPILE], env=environment(), **nowhere)


def pytest_sessionfinish():
    if helper is not None:
        helper.kill()
        helper.wait()


@pytest.fixture
def rng(request):
    """Random numbers, the same for a test whichever others run and wherever its file is."""
    import numpy as np

    return np.random.default_rng(list(request.node.name.encode()))
