"""Threads: how many a call may use, that results do not depend on it, and every way others bring threads and processes."""

import concurrent.futures
import os
import threading

import numpy as np
import pytest
from helpers import answer_of_fresh_process, assert_close, noise, run_in_fresh_process, stable

import sigrnn
from sigrnn import Stream, filtfilt, get_workers, lfilter, set_workers, sosfilt, sosfiltfilt


@pytest.fixture(autouse=True)
def one_worker():
    """Leave the setting as it was found."""
    yield
    set_workers(1)


# The setting


def test_default_is_one():
    assert answer_of_fresh_process("import sigrnn; print(sigrnn.get_workers())") == 1


def test_function_and_context():
    set_workers(3)
    assert get_workers() == 3
    with set_workers(2) as entered:
        assert entered is not None
        assert get_workers() == 2
        with set_workers(4):
            assert get_workers() == 4
        assert get_workers() == 2
        set_workers(5)  # holds to the end of the block
        assert get_workers() == 5
    assert get_workers() == 3


def test_context_ends_after_an_error():
    with pytest.raises(RuntimeError), set_workers(4):
        raise RuntimeError
    assert get_workers() == 1


def test_negative_counts_back_from_all():
    processors = os.cpu_count()
    for workers in range(-processors, 0):
        with set_workers(workers):
            assert get_workers() == processors + 1 + workers


@pytest.mark.parametrize("workers", [np.int64(2), np.uint8(2), True])
def test_whole_numbers_of_any_kind(workers):
    with set_workers(workers):
        assert get_workers() == int(workers)


@pytest.mark.parametrize(
    ("workers", "error"),
    [(0, ValueError), (-10_000, ValueError), (1.5, TypeError), ("2", TypeError), (None, TypeError)],
)
def test_wrong_numbers(workers, error):
    set_workers(2)
    with pytest.raises(error, match="workers must be at least 1.*got" if error is ValueError else None):
        set_workers(workers)
    assert get_workers() == 2  # as it was


def test_other_threads_keep_theirs():
    seen = []

    def look():
        seen.append(get_workers())
        set_workers(4)
        seen.append(get_workers())

    with set_workers(2):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert seen == [1, 4]
        assert get_workers() == 2


# Results


def calls():
    """Calls with enough work to be shared out (half a millisecond), by name."""
    rng = np.random.default_rng(3)
    b, a = stable(rng, 2)
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(2)])
    taps, many = noise(rng, 100), noise(rng, 500)
    few, wide = noise(rng, (3, 200_000)), noise(rng, (40, 20_000))
    long = noise(rng, 2_500_000)  # more than a million samples for each of two threads
    spoilt = long.copy()
    spoilt[2_000_000] = np.inf
    bs, as_ = (np.tile(c, (40, 1)) for c in (b, a))
    return {
        "blocks": lambda: lfilter(b, a, few, zi=0.0),
        "channels": lambda: lfilter(b, a, wide, zi=0.0),
        "channels, time first": lambda: lfilter(b, a, wide.T, 0),
        "a filter for each": lambda: lfilter(bs, as_, wide),
        "sequential": lambda: lfilter(b, a, wide, method="sequential"),
        "sections": lambda: sosfilt(sos, wide, zi=0.0),
        "sections in blocks": lambda: sosfilt(sos, few),
        "taps": lambda: lfilter(taps, [1.0], wide, zi=0.0),
        "transforms": lambda: lfilter(many, [1.0], few),
        "complex": lambda: lfilter(b, a, few + 1j),
        "zero phase": lambda: filtfilt(b, a, wide),
        "zero phase sections": lambda: sosfiltfilt(sos, few),
        "stream": lambda: Stream(b, a)(wide),
        "one channel": lambda: lfilter(b, a, long, zi=0.5),
        "one channel backwards": lambda: lfilter(b, a, long[::-1]),
        "one channel with inf": lambda: np.isfinite(lfilter(b, a, spoilt)),
        "one channel in place": lambda: lfilter(b, a, again := long.copy(), out=again),
        "one channel of sections": lambda: sosfilt(sos, long, zi=0.5),
        "one channel of float32": lambda: lfilter(b.astype("f"), a.astype("f"), long.astype("f")),
        "one channel of taps": lambda: lfilter(taps, [1.0], long[:300_000], zi=0.5),
    }


@pytest.mark.parametrize("name", calls())
def test_workers_do_not_change_a_bit(name):
    call = calls()[name]
    alone = call()
    for workers in (1, 2, 3, 4):
        with set_workers(workers):
            shared = call()
        pairs = zip(alone, shared, strict=True) if isinstance(alone, tuple) else [(alone, shared)]
        assert all(np.array_equal(mine, other) for mine, other in pairs)


def test_work_is_really_shared():
    together, threads = threading.Barrier(3, timeout=60), []
    with set_workers(3):
        sigrnn.workers.share([together.wait] * 3, 1e9)  # would wait in vain for each other on fewer threads
        sigrnn.workers.share([lambda: threads.append(threading.get_ident())] * 3, 10.0)
    assert threads == [threading.get_ident()] * 3  # too little to be worth it


def test_errors_come_out_of_the_threads():
    def fail():
        raise RuntimeError("in a worker")

    with set_workers(2):
        with pytest.raises(RuntimeError, match="in a worker"):
            sigrnn.workers.share([fail, fail], 1e9)
        lfilter([1.0], [1.0, 0.5], np.ones((2, 500_000)))  # the pool lives on


def test_a_setting_made_inside_a_pool_stays_there(rng):
    b, a = stable(rng, 2)
    x = noise(rng, (20, 60_000))
    alone = lfilter(b, a, x)

    def filtered(workers):
        with set_workers(workers):
            return lfilter(b, a, x)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(y, alone) for y in pool.map(filtered, [1, 2, 3, 4] * 3))
    assert get_workers() == 1


def test_one_stream_for_each_thread(rng):
    b, a = stable(rng, 2)
    x = noise(rng, (8, 5000))

    def streamed(row):
        stream = Stream(b, a)
        return np.concatenate([stream(block) for block in np.split(row, 50)])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for y, row in zip(pool.map(streamed, x), x, strict=True):
            assert_close(y, lfilter(b, a, row))


# Fresh processes

FIRST_CALLS = """
import concurrent.futures, json, threading
import numpy as np, sigrnn
rng = np.random.default_rng(0)
signals = [rng.standard_normal((200,) if k % 2 else (20, 200)) for k in range(16)]  # two kernels
barrier = threading.Barrier(16)

def filtered(x):
    barrier.wait()
    return sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x)

with concurrent.futures.ThreadPoolExecutor(16) as pool:
    results = list(pool.map(filtered, signals))
again = [sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x) for x in signals]
print(json.dumps([bool(np.array_equal(y, z)) for y, z in zip(results, again)]))
"""


def test_sixteen_threads_at_once_on_the_first_call(tmp_path):
    assert (
        answer_of_fresh_process(FIRST_CALLS, env={"NUMBA_CACHE_DIR": tmp_path}) == [True] * 16
    )  # compiled by one of them
    assert answer_of_fresh_process(FIRST_CALLS, env={"NUMBA_CACHE_DIR": tmp_path}) == [True] * 16  # loaded


AFTER_FORK = """
import os, signal, sys, warnings
import numpy as np, sigrnn
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks with threads: that is the test
x = np.random.default_rng(0).standard_normal((40, 30_000))
sigrnn.set_workers(2)
y = sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        signal.alarm(60)
        same = sigrnn.get_workers() == 2 and np.array_equal(sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x), y)
        os._exit(0 if same else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert codes == [0, 0, 0], codes
assert np.array_equal(sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x), y)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_after_use():
    run_in_fresh_process(AFTER_FORK)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_after_use(method, tmp_path):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not start processes by {method}")
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import multiprocessing, warnings
import numpy as np, sigrnn
warnings.simplefilter("ignore", DeprecationWarning)

def filtered(x):
    with sigrnn.set_workers(2):
        return sigrnn.lfilter([0.25, 0.5], [1.0, -0.25], x)

if __name__ == "__main__":
    x = np.random.default_rng(0).standard_normal((4, 20, 30_000))
    here = [filtered(part) for part in x]
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        there = pool.map_async(filtered, list(x)).get(timeout=100)
    assert all(np.array_equal(y, z) for y, z in zip(here, there))
"""
    )
    run_in_fresh_process(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", cwd=tmp_path)


# Others' schedulers


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(rng, backend):
    joblib = pytest.importorskip("joblib")
    b, a = stable(rng, 2)
    x = noise(rng, (6, 2, 3000))
    with joblib.parallel_config(backend=backend, n_jobs=2):
        results = joblib.Parallel()(joblib.delayed(lfilter)(b, a, part) for part in x)
        streams = joblib.Parallel()(joblib.delayed(Stream(b, a))(part) for part in x)
    for y, other, part in zip(results, streams, x, strict=True):
        assert np.array_equal(y, lfilter(b, a, part))
        assert_close(other, y)


def test_dask_threads(rng):
    dask = pytest.importorskip("dask")
    b, a = stable(rng, 2)
    x = noise(rng, (12, 20, 3000))
    tasks = [dask.delayed(lfilter)(b, a, part) for part in x]
    results = dask.compute(*tasks, scheduler="threads", num_workers=4)
    for y, part in zip(results, x, strict=True):
        assert np.array_equal(y, lfilter(b, a, part))
