"""Compile the kernels ahead of time: `sigrnn warmup`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import numpy as np

import sigrnn
from sigrnn import adaptive
from sigrnn._kernels.sizes import UNROLLED_ORDER
from sigrnn.filters._blocks import compile_constants
from sigrnn.layers._cells import FUNCTIONS, Cell

__all__ = ["warmup"]

SINGLE, DOUBLE = "f4", "f8"
LENGTHS = [4**k for k in range(2, 11)]  # samples: 16 to a million, on both sides of every threshold wherever it is
SHAPES = [(n,) for n in LENGTHS] + [(c, n) for c in (2, 16) for n in (16, 4096, 65_536)]
ORDERS = range(UNROLLED_ORDER + 2)  # each up to there has kernels of its own, all others share one
SECTIONS = (
    1,
    2,
    3,
    4,
    5,
    7,
    10,
    13,
)  # up to four run together, and there is a kernel for each number of them that is left over
UNITS = 4, 8, 12, 16, 32, 64  # of layers: kernels process one, two, two and one, or four vectors of them at a time
TAPS = 4, 64, 1024  # of adaptive filters: long ones are updated in groups


# A table of calls of public functions, which between them use every kernel that is used by default


def calls() -> dict[str, Callable[[], Any]]:
    """Calls by name; what takes longest comes first."""
    table: dict[str, Callable[[], Any]] = {}
    for kind in (DOUBLE, SINGLE):
        for cell in FUNCTIONS.values():
            table[f"{cell.function} {kind}"] = partial(call_layer, cell, kind)
        for order in ORDERS:
            table[f"lfilter {order} {kind}"] = partial(call_filter, sigrnn.lfilter, _coefficients(order, kind))
        for number in SECTIONS:
            table[f"sosfilt {number} {kind}"] = partial(call_filter, sigrnn.sosfilt, [_sections(number, kind)])
        table[f"taps {kind}"] = partial(call_taps, kind)
    for order in (0, 1, 2):
        table[f"nlfilter {order}"] = partial(call_nonlinear, order)
    table["constants of blocks"] = compile_constants
    table |= {f"adaptive.{name}": partial(call_adaptive, name, given) for name, given in ADAPTIVE.items()}
    table |= {f"fit {name}": partial(call_model, make) for name, make in MODELS.items()}
    table |= {f"resampling {kind}": partial(call_resampling, kind) for kind in (DOUBLE, SINGLE)}
    return table | {"zero phase": call_zero_phase, "states": call_states, "state space": call_state_space}


def call_filter(function: Any, coefficients: Any) -> None:
    """Outputs, and in float64 gradients."""
    dtype = coefficients[0].dtype
    for shape in SHAPES:
        x = np.ones(shape, dtype)
        function(*coefficients, x)
        if dtype == DOUBLE:
            sigrnn.vjp(function, *coefficients, x)[1](x)


def call_taps(kind: str) -> None:
    """Filters without feedback, some so long that they are transformed; in blocks, too."""
    for taps in LENGTHS[:4]:
        call_filter(sigrnn.lfilter, (np.ones(taps, kind), np.ones(1, kind)))
    if kind == DOUBLE:
        for order in ORDERS:
            sigrnn.Stream(np.ones(order + 1), [1.0])(np.ones(64))


def call_nonlinear(order: int) -> None:
    (b, a), x = _coefficients(order, DOUBLE), np.ones(100)
    call_filter(sigrnn.nlfilter, (b, a))
    sigrnn.jvp(sigrnn.nlfilter, (b, a, x), (b, a, x))
    sigrnn.synchronous_grad(sigrnn.nlfilter, b, a, x)[1](x)
    sigrnn.gradient_flow(sigrnn.nlfilter, b, a, x)


def call_layer(cell: Cell, kind: str) -> None:
    """One sequence and several, forward and backward."""
    function = getattr(sigrnn, cell.function)
    for hidden in UNITS:
        rows = cell.gates * hidden
        weights = [np.full((rows, columns), 0.1, kind) for columns in (1, hidden)][: 1 + cell.recurrent]
        for shape in ((100, 1), (2, 100, 1), (16, 100, 1)):
            x = np.ones(shape, kind)
            function(x, *weights)
            _, pullback = sigrnn.vjp(function, x, *weights)
            pullback((np.ones((*shape[:-1], hidden), kind), None))
        sigrnn.jvp(function, (x, *weights), (x, *weights))


def call_zero_phase() -> None:
    for order in (1, 2, 4):
        b, a = _coefficients(order, DOUBLE)
        for x in (np.ones(100), np.ones((16, 100)), np.ones(65_536)):
            sigrnn.filtfilt(b, a, x)
            sigrnn.sosfiltfilt(_sections(order, DOUBLE), x)
    sigrnn.vjp(sigrnn.filtfilt, b, a, x)[1](x)
    sigrnn.vjp(sigrnn.sosfiltfilt, _sections(2, DOUBLE), x)[1](x)


def call_states() -> None:
    """States, filters whose coefficients vary, the dense layer."""
    (b, a), x = _coefficients(2, DOUBLE), np.ones(64)
    sigrnn.lfilter(b, a, x, zi=sigrnn.lfilter_zi(b, a)), sigrnn.lfiltic(b, a, x[:2])
    sigrnn.sosfilt(_sections(2, DOUBLE), x, zi=sigrnn.sosfilt_zi(_sections(2, DOUBLE)))
    sigrnn.vjp(sigrnn.lfilter_tv, np.tile(b, (64, 1)), np.tile(a, (64, 1)), x)[1](x)
    sigrnn.lfilter(b, a, x, out=np.empty(64, np.int16))
    for activation in ("linear", "tanh"):
        sigrnn.vjp(sigrnn.dense, x[:, np.newaxis], np.ones((3, 1)), activation=activation)[1](np.ones((64, 3)))


def call_resampling(kind: str) -> None:
    """One channel and several side by side; the rest of the family compiles nothing else."""
    h = np.ones(9, kind)
    for x in (np.ones(300, kind), np.ones((300, 9), kind)):
        sigrnn.upfirdn(h, x, 2, 3, axis=0), sigrnn.resample_poly(x, 3, 2), sigrnn.savgol_filter(x, 5, 2, axis=0)
        sigrnn.decimate(x, 2, axis=0)
        sigrnn.Resampler(3, 2)(x)
    sigrnn.deconvolve(h, h[:2])


def call_state_space() -> None:
    system = ([1.0], [1.0, -0.5], 1.0)
    sigrnn.dlsim(system, np.ones(9)), sigrnn.dstep(system), sigrnn.dimpulse(system)
    sigrnn.lsim(([1.0], [1.0, 1.0]), np.ones(9), np.arange(9.0))


MODELS: dict[str, Callable[[], Any]] = {
    "IIR": lambda: sigrnn.IIR(2, stable=True),
    "SOS": lambda: sigrnn.SOS(2),
    "NonlinearIIR": lambda: sigrnn.NonlinearIIR(2, 2),
    "Wiener-Hammerstein": lambda: sigrnn.Chain(sigrnn.FIR(4), sigrnn.NonlinearFIR(2), sigrnn.IIR(2)),
    "RNN": lambda: sigrnn.Chain(sigrnn.RNN(8), sigrnn.Dense(1)),
    "GRU": lambda: sigrnn.Chain(sigrnn.GRU(8), sigrnn.Dense(1)),
    "LSTM": lambda: sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1)),
    "curves": lambda: sigrnn.Chain(sigrnn.FIR(2), sigrnn.PiecewiseLinear(4), sigrnn.TanhNetwork(2)),
    "MinGRU": lambda: sigrnn.Chain(sigrnn.MinGRU(8), sigrnn.Dense(1)),
    "Feedback": lambda: sigrnn.Feedback(sigrnn.IIR(2), sigrnn.Polynomial(3)),
    "StateSpace": lambda: sigrnn.StateSpace(2, units=2),
}


def call_model(make: Callable[[], Any]) -> None:
    """A model trained, run, and run in blocks."""
    x = np.random.default_rng(0).standard_normal(300)
    for solver in ("lm", "lbfgs", "adam"):
        model = make()
        sigrnn.fit(model, x, 0.5 * np.roll(x, 1), solver=solver, max_iter=2, progress=False)
    for shape in ((4096,), (2, 300, 1), (16, 300, 1)):
        model(np.ones(shape))
    stream = model.stream()
    for n in (1, 64, 4096):
        stream(np.ones(n))


STEP = [{"n_taps": taps, "mu": 0.1 / taps} for taps in TAPS]
FEEDBACK = [{"n_taps": 2, "n_feedback": 2, "mu": 0.01}]
ADAPTIVE: dict[str, list[dict[str, Any]]] = {
    "RLS": [{"n_taps": taps} for taps in TAPS[:2]],
    "KalmanFilter": [{"n_taps": taps, "process": 1e-3, "measurement": 1.0} for taps in TAPS[:2]],
    "FxLMS": [{"n_taps": 4, "mu": 0.01, "secondary_path": [1.0, 0.5]}],
    "VolterraLMS": STEP[:1],
    **dict.fromkeys(("IIRLMS", "RTRL", "EquationErrorLMS"), FEEDBACK),
    **dict.fromkeys(("LMS", "NLMS", "LeakyLMS", "LMF", "VSSLMS", "GNGD", "AP", "BlockLMS", "FDAF", "PBFDAF"), STEP),
    **dict.fromkeys(("SignErrorLMS", "SignRegressorLMS", "SignSignLMS"), STEP),
}


def call_adaptive(name: str, settings: list[dict[str, Any]]) -> None:
    """Few weights and many, in one block and in another."""
    x = 0.1 * np.random.default_rng(0).standard_normal(400)
    for given in settings:
        f = getattr(adaptive, name)(**given)
        for block in (x, x[:10]):
            f(block, 0.5 * block)
        f.predict(x)


def _coefficients(order: int, kind: str) -> tuple[Any, Any]:
    b, a = np.zeros(order + 1, kind), np.zeros(order + 1, kind)
    b[0], a[-1] = 1.0, 0.5
    a[0] = 1.0
    return b, a


def _sections(depth: int, kind: str) -> Any:
    return np.array([[1.0, 0.2, 0.1, 1.0, -0.5, 0.1]] * depth, kind)


# Running it

CODE = """
import sys
from sigrnn.warmup import calls
table = calls()
for name in sys.argv[1:]:
    table[name]()
    print(name, flush=True)
"""


def warmup(progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None, *, workers: int | None = None) -> int:
    """
    Compile what public functions use by default into the cache.

    In float64 that is everything with the activation 'tanh', in float32 `lfilter`, `sosfilt` and recurrent layers. Other
    activations, complex signals and nonlinear filters above order 2 are compiled at their first use, as ever.

    Parameters
    ----------
    progress : callable, optional
        Wraps the sequence of steps, as `tqdm.tqdm` does.
    workers : int, optional
        Processes that compile side by side, by default one for each processor. With 1 this process does it.

    Returns
    -------
    int
        Number of steps done.

    See Also
    --------
    sigrnn.lfilter : Compiles what it needs at its first call otherwise.

    Notes
    -----
    With an empty cache it takes some ten minutes of processor time, shared by the workers; with a full one, seconds. Run it
    when building an image, with ``NUMBA_CACHE_DIR`` set to a folder of the image; ``NUMBA_CPU_NAME`` and
    ``NUMBA_CPU_FEATURES`` must be the same there and where the image runs.

    Examples
    --------
    >>> from sigrnn.warmup import warmup
    >>> warmup() > 0  # doctest: +SKIP
    True
    """
    table = calls()
    names = list(table)
    workers = processors() if workers is None else workers
    with closing(make_calls(table) if workers == 1 else share_calls(names, workers)) as steps:
        for _ in names if progress is None else progress(names):
            next(steps)
    return len(names)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_calls(table: dict[str, Callable[[], Any]]) -> Generator[str]:
    """Make the calls, and yield their names."""
    for name, call in table.items():
        call()
        yield name


def share_calls(names: list[str], workers: int) -> Generator[str]:
    """Let processes make the calls, and yield the names as they are done."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done, write = os.pipe()
    with ExitStack() as stack:
        lines = stack.enter_context(open(done))
        for i in range(workers):
            command = [
                sys.executable,
                "-P",
                "-c",
                CODE,
                *names[i::workers],
            ]  # -P: not a sigrnn in the working directory
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write, env=env)
            stack.callback(process.wait)
            stack.callback(process.kill)
        os.close(write)
        for name in lines:  # until all of them have ended
            yield name.strip()
    raise RuntimeError("a process that compiles has failed")  # asked for more than there was
