"""Filters that run for long, alone and in threads: many blocks, the numbers of one call, and no memory that grows.

``SIGRNN_ENDURANCE=3600 pytest -s tests/package/test_endurance.py`` runs all of it for that many seconds of the processor's in
place of a moment each, a quarter of them in threads, and prints how much was filtered and what memory the process had.
Time in which the process waits, or is stopped, does not count: idle times carry no information.
"""

import concurrent.futures
import gc
import os
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import sigrnn
from sigrnn import adaptive
from sigrnn.filters._kept import NUMBER
from sigrnn.layers.streams import LayerStream

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("SIGRNN_ENDURANCE", "0"))  # for all together
BLOCK, ROUND = 64, 200  # samples of a block, blocks of a round
THREADS = 8  # more than there are processors: they interrupt each other
PARTS = 20  # of a test's time
# Bytes that may be found more at the end. A table of CPython's that gets a new place counts in full: its table of interned
# strings, 4 MB here. What a leak does is another thing: most parts of the time find a little more than those before.
STEP, STEADY = 2**24, 2**17
STEADY_IN_THREADS = 2**20  # each keeps an array or two for reuse
RESIDENT = 2**23  # from the second quarter of the time to the last, for the memory of the process, which comes and goes


def adapted(make):
    """Return a function of blocks (x, d) that goes on from one to the next."""
    f = make()
    return lambda x, d: f(x, d).e


def streamed(make):
    """Return the same for a filter that does not look at d."""
    f = make()
    return lambda x, d: f(x)


def layered(make):
    """Return the same for a layer of two inputs."""
    f = make()
    return lambda x, d: f(np.stack([x, d], axis=-1))


def gru():
    rng = np.random.default_rng(4)
    w_ih, w_hh = 0.5 * rng.standard_normal((12, 2)), 0.3 * rng.standard_normal((12, 4))
    return LayerStream("gru", w_ih, w_hh)


RUNNERS = {
    "Stream, order 4": (
        streamed,
        lambda: sigrnn.Stream([1.0, 0.2], np.poly([0.9, 0.7, -0.5, 0.3]), method="sequential"),
    ),
    "Stream, sections": (
        streamed,
        lambda: sigrnn.Stream(sos=[[1.0, 0.2, 0.1, 1.0, -1.6, 0.8], [0.5, 0.5, 0.0, 1.0, -0.2, 0.0]], method="sequential"),
    ),
    "Stream, softsign": (streamed, lambda: sigrnn.Stream([1.0, 0.2], [1.0, -0.5], activation="softsign", bias=0.1)),
    "LayerStream, gru": (layered, gru),
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
}  # fmt: skip
B, A = [0.2, 0.3], [1.0, -0.9, 0.5]
CALLS = {
    "lfilter": lambda x, d: sigrnn.lfilter(B, A, x),
    "sosfilt": lambda x, d: sigrnn.sosfilt([[1.0, 0.2, 0.1, 1.0, -1.6, 0.8]], x),
    "lfilter, many": lambda x, d: sigrnn.lfilter(B, A, np.outer(np.arange(1.0, 21.0), x)),  # threads of its own
    "filtfilt": lambda x, d: sigrnn.filtfilt(B, A, x),
    "taps": lambda x, d: sigrnn.lfilter(d[:400], [1.0], x),
    "nlfilter": lambda x, d: sigrnn.nlfilter([1.0, 0.2], [1.0, -0.5], x, activation="tanh"),
    "gradient": lambda x, d: sigrnn.vjp(sigrnn.lfilter, B, A, x)[1](d)[0],
}


def signals(n, seed):
    """Return noise, with silence and bursts as days have them, and its echo."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.0, 1e-6, 0.3, 1.0], n // 400 + 1), 400)[:n]
    x = level * np.tanh(rng.standard_normal(n))
    return x, sigrnn.lfilter([0.6, 0.3], [1.0, -0.5], x) + 1e-3 * rng.standard_normal(n)


def resident():
    """The bytes that the process has in memory, NaN where the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return float("nan")


class Memory:
    """The most that was found in memory in each part of a test's time: it keeps as much itself, however long that is."""

    def __init__(self, seconds, allowed):
        self.seconds, self.allowed, self.start, self.rounds = seconds, allowed, time.process_time(), 0
        self.found = np.full((2, PARTS), np.nan)  # allocated beyond the start, resident

    @property
    def goes_on(self):
        return self.rounds < 9 or time.process_time() < self.start + self.seconds

    def note(self):
        gc.collect()
        self.rounds += 1
        if self.rounds == 3:  # by now all is loaded, compiled and kept that ever will be
            gc.freeze()  # present objects stay: later collections need not look at it
            self.first, self.start = resident(), time.process_time()
            tracemalloc.start()
            self.before = tracemalloc.get_traced_memory()[0]
        elif self.rounds > 3:
            share = (time.process_time() - self.start) / self.seconds if self.seconds else (self.rounds - 4) / PARTS
            part = self.found[:, min(int(PARTS * share), PARTS - 1)]
            part[:] = np.fmax(part, (tracemalloc.get_traced_memory()[0] - self.before, resident()))

    def check(self, name, samples):
        allocated, process = self.found[:, ~np.isnan(self.found[0])]
        print(
            f"{name}: {samples} samples in {samples // BLOCK} blocks, {self.rounds} rounds; allocated "
            f"{allocated[-1]:+.0f} bytes; resident {self.first / 2**20:.1f} MiB at the start, "
            f"{process[-1] / 2**20:.1f} MiB at the end, {process.max() / 2**20:.1f} MiB at most"
        )
        assert allocated.max() < STEP, f"grew by {allocated.max()} bytes over {self.rounds} rounds"
        assert steady(allocated) < self.allowed, f"memory goes on growing: {allocated}"
        if self.seconds > 5:
            earlier, later = (np.median(part) for part in np.array_split(process, 4)[1::2])
            assert not later > earlier + RESIDENT, f"the process goes on growing: {process}"


def steady(found):
    """By how much it grew, were all parts as the one in the middle, by growth, of them: steps do not count."""
    return PARTS * np.median(np.diff(found)) if len(found) > 4 else 0.0


def test_a_leak_would_be_found():
    memory, kept = Memory(0.0, STEADY), []
    while memory.goes_on:
        kept.extend(bytes(100) for _ in range(ROUND))
        memory.note()
    with pytest.raises(AssertionError, match="memory goes on growing"):
        memory.check("a leak of 100 bytes a block", 0)


def in_blocks(run, x, d):
    """What a runner makes of a round, block by block."""
    parts = [run(x[n : n + BLOCK], d[n : n + BLOCK]) for n in range(0, len(x), BLOCK)]
    return np.concatenate(parts)


@pytest.fixture(autouse=True)
def traced_to_the_end():
    """Leave nothing switched on for other tests."""
    yield
    tracemalloc.stop()
    gc.unfreeze()
    sigrnn.set_workers(1)


@pytest.mark.parametrize("name", RUNNERS)
def test_many_blocks_are_one_call_and_memory_stays(name):
    wrap, make = RUNNERS[name]
    blocks, whole = wrap(make), wrap(make)
    memory = Memory(0.75 * SECONDS / len(RUNNERS), STEADY)
    while memory.goes_on:
        x, d = signals(ROUND * BLOCK, memory.rounds)
        expected = whole(x, d)  # the whole of a round: the state goes on from round to round
        found = in_blocks(blocks, x, d)
        assert found.tobytes() == expected.tobytes(), f"round {memory.rounds}"
        assert np.isfinite(found).all()
        assert wrap is not adapted or np.mean(found**2) < 2.0 * np.mean(d**2) + 1e-5
        del x, d, expected, found
        memory.note()
    memory.check(name, memory.rounds * ROUND * BLOCK)


def test_threads_together_give_what_each_gives_alone():
    made = {name: (wrap(make), wrap(make)) for name, (wrap, make) in RUNNERS.items()}
    jobs = [*made, *CALLS]
    memory = Memory(0.25 * SECONDS, STEADY_IN_THREADS)
    ready = threading.Barrier(THREADS)
    tracemalloc.start()  # first, or the filters that are forgotten later would not be counted
    x, d = signals(ROUND * BLOCK, 0)
    for k in range(NUMBER):
        CALLS["taps"](x, d[k:])  # a round brings a new filter: as many are kept from the beginning as ever will be

    def gather():
        """Wait until all threads are there: the first jobs of a round start together."""
        ready.wait(timeout=600)

    def work(name, x, d):
        if name in CALLS:
            with sigrnn.set_workers(2):
                return CALLS[name](x, d)
        return in_blocks(made[name][0], x, d)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        while memory.goes_on:
            x, d = signals(ROUND * BLOCK, memory.rounds)
            x.flags.writeable = d.flags.writeable = False  # all read the same arrays
            expected = {name: made[name][1](x, d) if name in made else CALLS[name](x, d) for name in jobs}
            for done in [pool.submit(gather) for _ in range(THREADS)]:
                done.result()
            order = np.random.default_rng(memory.rounds).permutation(jobs)  # a stream goes from thread to thread, too
            for name, done in [(name, pool.submit(work, name, x, d)) for name in order]:
                found = done.result()
                assert found.tobytes() == expected[name].tobytes(), f"{name}, round {memory.rounds}"
            del x, d, expected, found, done
            memory.note()
    memory.check(f"{len(jobs)} jobs in {THREADS} threads", memory.rounds * ROUND * BLOCK * len(jobs))
