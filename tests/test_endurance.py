"""Filters that run for long: many blocks, the numbers of one call, and no memory that grows.

``SIGRNN_ENDURANCE=3600 pytest tests/test_endurance.py`` runs each for about that many seconds instead of a moment.
"""

import gc
import os
import time
import tracemalloc

import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive

SECONDS = float(os.environ.get("SIGRNN_ENDURANCE", "0.5"))
BLOCK, ROUND = 64, 100  # samples of a block, blocks of a round
GROWTH = 64 * 1024  # bytes that may be found more after many rounds, of whatever the interpreter keeps


def adapted(make):
    """Return a function of blocks (x, d) that goes on from one to the next."""
    f = make()
    return lambda x, d: f(x, d).e


def streamed(make):
    """Return the same for a filter that does not look at d."""
    f = make()
    return lambda x, d: f(x)


RUNNERS = {
    "Stream, order 4": (
        streamed,
        lambda: sigrnn.Stream([1.0, 0.2], np.poly([0.9, 0.7, -0.5, 0.3]), method="sequential"),
    ),
    "NLMS": (adapted, lambda: adaptive.NLMS(32, 0.5)),
    "RLS": (adapted, lambda: adaptive.RLS(8, 0.999)),
    "AP": (adapted, lambda: adaptive.AP(16, 0.5)),
    "BlockLMS": (adapted, lambda: adaptive.BlockLMS(32, 1e-3, 50)),
    "PBFDAF": (adapted, lambda: adaptive.PBFDAF(300, 0.3, 100)),
    "PBFDAF alternate": (adapted, lambda: adaptive.PBFDAF(300, 0.3, 100, constraint="alternate")),
    "FxLMS": (adapted, lambda: adaptive.FxLMS(32, 1e-3, [0.0, 0.8, 0.2])),
    "IIRLMS": (adapted, lambda: adaptive.IIRLMS(3, 2, 1e-3)),
    "RTRL": (adapted, lambda: adaptive.RTRL(3, 2, 1e-2)),
    "VolterraLMS": (adapted, lambda: adaptive.VolterraLMS(4, 1e-3)),
}


def signals(n, seed):
    """Return noise, with silence and bursts as days have them, and its echo."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.0, 1e-6, 0.3, 1.0], n // 400 + 1), 400)[:n]
    x = level * np.tanh(rng.standard_normal(n))
    return x, sigrnn.lfilter([0.6, 0.3], [1.0, -0.5], x) + 1e-3 * rng.standard_normal(n)


@pytest.mark.parametrize("name", RUNNERS)
def test_many_blocks_are_one_call_and_memory_stays(name):
    wrap, make = RUNNERS[name]
    blocks, whole = wrap(make), wrap(make)
    end, grown, seed = time.monotonic() + SECONDS, [], 0
    while seed < 4 or time.monotonic() < end:
        x, d = signals(ROUND * BLOCK, seed)
        expected = whole(x, d)  # the whole of a round: the state goes on from round to round
        gc.collect()
        if seed == 2:  # by now all is loaded, compiled and kept that ever will be
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
        found = np.empty_like(expected)
        for n in range(0, len(x), BLOCK):
            found[n : n + BLOCK] = blocks(x[n : n + BLOCK], d[n : n + BLOCK])
        assert found.tobytes() == expected.tobytes(), f"round {seed}"
        assert np.isfinite(found).all()
        assert np.mean(found**2) < 2.0 * np.mean(d**2) + 1e-5 or wrap is streamed
        seed += 1
        if seed > 3:
            del x, d, expected, found
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    assert max(grown) < GROWTH, f"grew by {max(grown)} bytes over {seed} rounds"
    half = len(grown) // 2
    if half > 10:  # a leak of a few bytes a block would show by then
        assert max(grown[half:]) <= max(grown[:half]) + GROWTH // 8, "memory goes on growing"
