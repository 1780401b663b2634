"""First calls, forks, threads and ends of processes: each in a fresh one."""

import os
import signal

import pytest
from helpers import answer_of_fresh_process, finish_process, run_in_fresh_process, start_process

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")

# Ctrl-C in the first call

FIRST_CALL = """
import signal, sys, time
import numpy as np, sigrnn
from sigrnn.adaptive import NLMS
x = np.arange(8.0)
calls = [lambda: sigrnn.lfilter([1.0], [1.0, -0.5], x), lambda: sigrnn.sosfilt([[1.0, 0, 0, 1, -0.5, 0]], x),
         lambda: NLMS(2, 0.5)(x, x).y, lambda: sigrnn.vjp(sigrnn.lfilter, [1.0], [1.0, -0.5], x)[1](x)[2]]
order = {call: k for k, call in enumerate(calls)}
calls = calls[int(sys.argv[1]):] + calls[: int(sys.argv[1])]

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
count = 0
for moment in eval(sys.argv[2]):
    try:
        signal.setitimer(signal.ITIMER_REAL, moment)
        calls[0]()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        count += 1
filtered, sections, predicted, slopes = [np.asarray(call()).tolist() for call in sorted(calls, key=order.get)]
assert filtered[:4] == sections[:4] == [0.0, 1.0, 2.5, 4.25]
assert predicted[0] == 0.0 and slopes[-1] == 7.0 and slopes[-2] == 9.5
print(count)
"""


@timers
@pytest.mark.parametrize("first", range(4))
def test_interrupted_first_calls(first):
    # In imports, and again before that is over.
    for moments in ("[0.02]", "[0.15, 0.1]", "[0.4, 0.3, 0.2]"):
        code = f"import sys; sys.argv[1:] = ['{first}', '{moments}']\n" + FIRST_CALL
        assert answer_of_fresh_process(code, timeout=300) >= 0


COMPILED = """
import numpy as np, sigrnn, signal
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
from sigrnn._kernels.filters import loops  # all imports
count = 0
for moment in (0.05, 0.3):
    try:
        signal.setitimer(signal.ITIMER_REAL, moment)
        sigrnn.lfilter([1.0], [1.0, -0.5], np.ones(3))
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    except KeyboardInterrupt:
        count += 1
assert sigrnn.lfilter([1.0], [1.0, -0.5], np.ones(3)).tolist() == [1.0, 1.5, 1.75]
print(count)
"""


@timers
def test_interrupted_compilation(tmp_path):
    assert answer_of_fresh_process(COMPILED, env={"NUMBA_CACHE_DIR": str(tmp_path)}, timeout=300) >= 1


WAITING = """
import signal, threading, time
import numpy as np, sigrnn
from sigrnn._kernels import aside
begun, ended = threading.Event(), []

def work():
    begun.set()
    time.sleep(0.5)
    ended.append(threading.current_thread() is threading.main_thread())
    return 5

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    aside.completed(work)
    raise SystemExit("not interrupted")
except KeyboardInterrupt:
    pass
assert begun.is_set() and not ended
assert aside.completed(lambda: len(ended)) == 1  # after the other
assert ended == [False]
try:
    aside.completed(lambda: 1 / 0)
    raise SystemExit("no error")
except ZeroDivisionError:
    pass
"""


@timers
def test_interrupted_work_goes_on():
    run_in_fresh_process(WAITING)


WITHIN = """
import numpy as np, sigrnn
from sigrnn._kernels import aside
from sigrnn._kernels.base import jit
from numba.core.compiler_lock import global_compiler_lock
with global_compiler_lock:  # as in the compilation of a user's function that calls ours
    y = sigrnn.lfilter([1.0], [1.0, -0.5], np.ones(3))
print(y.tolist())
"""


def test_within_a_compilation():
    assert answer_of_fresh_process(WITHIN) == [1.0, 1.5, 1.75]


# Forks

IMPORTS = """
import json, pkgutil
import sigrnn._kernels
from sigrnn._kernels.aside import imported
files = [file.name for file in pkgutil.walk_packages(sigrnn._kernels.__path__, "sigrnn._kernels.")]
print(json.dumps([imported(name).__name__ for name in files]))
"""


def test_each_file_of_kernels_can_be_imported_by_a_first_call():
    # An import that makes a kernel holds the lock of compilation, for which a thread that compiles would wait.
    assert "sigrnn._kernels.filters.nonlinear_adjoint" in answer_of_fresh_process(IMPORTS, timeout=300)


FORK = """
import os, signal, sys, threading, time, warnings
import numpy as np, sigrnn
warnings.simplefilter("ignore", DeprecationWarning)
x = np.arange(8.0)
calls = [lambda: sigrnn.lfilter([1.0], [1.0, -0.5], x), lambda: sigrnn.sosfilt([[1.0, 0, 0, 1, -0.5, 0]], x)]

def run():
    for call in calls:
        call()

thread = threading.Thread(target=run)
thread.start()
time.sleep(float(sys.argv[1]))
child = os.fork()
if not child:
    signal.alarm(250)
    os._exit(0 if calls[1]()[1] == 1.0 and calls[0]()[2] == 2.5 else 1)
thread.join()
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert not code, code
assert calls[0]()[2] == 2.5
"""


@forks
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5])
def test_fork_during_the_first_call(moment, tmp_path):
    code = f"import sys; sys.argv[1:] = ['{moment}']\n" + FORK
    run_in_fresh_process(code, env={"NUMBA_CACHE_DIR": str(tmp_path)} if moment in (0.4, 1.0) else {}, timeout=300)


HELD = """
import os, signal, sys, threading, warnings
import numpy as np, sigrnn
warnings.simplefilter("ignore", DeprecationWarning)
from sigrnn._utils.memory import LEAST
from sigrnn.gradients.memory import pool
from sigrnn._kernels import aside
begun, go, order = threading.Event(), threading.Event(), []

def hold():
    with pool.lock:  # a fork does not wait for this one: the child has a new one
        begun.set()
        assert go.wait(100)

thread = threading.Thread(target=hold)
thread.start()
assert begun.wait(100)
child = os.fork()
if not child:
    signal.alarm(250)
    pool.borrow((LEAST,), np.dtype(float))
    aside.completed(int)
    os._exit(0)
go.set()
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
begun.clear()

def work():
    begun.set()
    assert go.wait(100)
    order.append("work")

go.clear()
thread = threading.Thread(target=aside.completed, args=(work,))
thread.start()
assert begun.wait(100)
threading.Timer(0.2, go.set).start()
child = os.fork()  # waits for the work
if not child:
    os._exit(0 if order == ["work"] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert not aside.held
"""


@forks
def test_locks_across_a_fork():
    run_in_fresh_process(HELD)


def test_without_fork():
    # As on Windows.
    code = "import os\ndel os.fork, os.register_at_fork\n" if hasattr(os, "register_at_fork") else ""
    assert answer_of_fresh_process(
        code + "import sigrnn; print(sigrnn.lfilter([1.0], [1.0, -0.5], [1.0, 0.0]).tolist())"
    ) == [1.0, 0.5]


# Workers

WORKERS = """
import contextvars, sys, threading, time
import numpy as np, sigrnn
x = np.ones((2, 300_000))
sigrnn.set_workers(2)
"""

INHERITED = (
    WORKERS
    + """
# Threads that inherit their maker's context, as in free-threaded Python 3.14.
start = threading.Thread.start
def inheriting(thread):
    context, run = contextvars.copy_context(), thread.run
    thread.run = lambda: context.run(run)
    start(thread)
threading.Thread.start = inheriting
seen = []
sigrnn.workers.share([lambda: seen.append(sigrnn.get_workers())] * 2, 1e9)
assert seen == [1, 1], seen
y = sigrnn.lfilter([1.0], [1.0, -0.5], np.ones((2, 3_000_000)))
assert abs(y[1, -1] - 2.0) < 1e-12
"""
)
DAEMON = (
    WORKERS
    + """
sigrnn.lfilter([1.0], [1.0, -0.5], x)
def run():
    while True:
        sigrnn.lfilter([1.0], [1.0, -0.5], x)
thread = threading.Thread(target=run, daemon=True)
thread.start()
time.sleep(0.3)
"""
)
AFTER_SHUTDOWN = (
    WORKERS
    + """
import atexit
from concurrent.futures import ThreadPoolExecutor  # ends before functions of atexit are called
y = sigrnn.lfilter([1.0], [1.0, -0.5], x)
@atexit.register
def late():
    print(bool(np.array_equal(sigrnn.lfilter([1.0], [1.0, -0.5], x), y)))
"""
)


def test_workers_that_inherit_a_context():
    run_in_fresh_process(INHERITED)


def test_daemon_thread_with_workers_at_the_end():
    for _ in range(3):
        process = start_process(DAEMON)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0
        assert not errors


def test_workers_after_the_end_of_the_pool():
    assert run_in_fresh_process(AFTER_SHUTDOWN).split() == ["True"]


LEFT_ALONE = (
    WORKERS
    + """
import signal
done = []
def slow(k):
    time.sleep(0.3 + 0.3 * k)
    done.append(k)
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.1)
from functools import partial
try:
    sigrnn.workers.share([partial(slow, k) for k in range(2)], 1e9)
    raise SystemExit("not interrupted")
except KeyboardInterrupt:
    assert sorted(done) == [0, 1]  # no task runs on over arrays that are the caller's again
"""
)


@timers
def test_no_task_runs_on_after_an_interruption():
    run_in_fresh_process(LEFT_ALONE)


# Settings of Numba


def test_without_compilation():
    process = start_process("import sigrnn; sigrnn.lfilter([1.0], [1.0, -0.5], [1.0])", {"NUMBA_DISABLE_JIT": "1"})
    _, errors = process.communicate(timeout=120)
    assert process.returncode
    assert "RuntimeError: sigrnn's kernels are compiled by Numba: NUMBA_DISABLE_JIT must be unset" in errors


NO_OPTIMISATION = """
import numpy as np, sigrnn
x = np.linspace(-1.0, 1.0, 9)
y = sigrnn.nlfilter([1.0], [1.0, 0.0], x)
print(float(np.abs(y - np.tanh(x)).max()))
"""


def test_without_optimisation(tmp_path):
    # Compiled code then holds the address of a table, and is not kept.
    env = {"NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert answer_of_fresh_process(NO_OPTIMISATION, env=env, timeout=400) < 1e-15
    assert not list(tmp_path.rglob("*.part"))


CHECKED = """
import numpy as np, sigrnn
x, rows = np.arange(40.0), np.arange(200.0).reshape(5, 40)
b, one = np.ones(5) / 5, np.array([1.0])
for method in ("auto", "sequential"):
    for given in (x, rows):
        y = sigrnn.lfilter(b, one, given, method=method)
        assert np.allclose(y[..., 5:], given[..., 3:-2]), (method, y)
"""


@pytest.mark.slow
def test_with_checked_indices(tmp_path):
    run_in_fresh_process(CHECKED, env={"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}, timeout=600)


def test_spawned_process(tmp_path):
    # Its first call compiles or loads, while the parent's is under way.
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, numpy as np, sigrnn\n"
        "def filtered(k):\n    return sigrnn.lfilter([1.0], [1.0, -0.5], np.ones(k))[-1]\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        there = pool.map_async(filtered, [1, 2, 3])\n"
        "        assert filtered(2) == 1.5\n"
        "        assert there.get(100) == [1.0, 1.5, 1.75]\n",
        "utf-8",
    )
    finish_process(
        start_process(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", cwd=tmp_path), 120
    )
