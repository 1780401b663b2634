"""Calls of the public functions whose kernels a platform wheel has; prints a digest of the results of each.

`python machine_code.py` makes them with whatever sigrnn finds. With `--without-numba` neither Numba nor llvmlite can be imported, and
a call that needs them is an error. `python machine_code.py --compare FILE FILE` compares two such outputs, and
`python machine_code.py --start` prints what a program pays that makes a single call: seconds and memory.
"""

import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np

SHAPES = [(64,), (5000,), (100_000,), (3, 2000), (20, 3000), (20, 5)]
KINDS = ["f8", "f4"]
LAYERS = {"rnn": 1, "gru": 3, "lstm": 4}
STEPPED = [
    "LMS",
    "NLMS",
    "LeakyLMS",
    "LMF",
    "VSSLMS",
    "GNGD",
    "AP",
    "BlockLMS",
    "FDAF",
    "PBFDAF",
    "SignErrorLMS",
    "SignRegressorLMS",
    "VolterraLMS",
]
ADAPTIVE = {
    **{name: {"n_taps": 8, "mu": 0.01} for name in STEPPED},
    **{name: {"n_taps": 2, "n_feedback": 2, "mu": 0.01} for name in ("IIRLMS", "EquationErrorLMS", "RTRL")},
    "RLS": {"n_taps": 8},
    "KalmanFilter": {"n_taps": 8, "process": 1e-3, "measurement": 1.0},
    "FxLMS": {"n_taps": 8, "mu": 0.01, "secondary_path": [1.0, 0.5]},
}


def signals(kinds=KINDS):
    """Noise of several shapes and types."""
    for kind in kinds:
        for shape in SHAPES:
            yield np.random.default_rng(len(shape)).standard_normal(shape).astype(kind)


def coefficients(order, kind):
    """A stable filter: poles of radius 0.8."""
    poles = 0.8 * np.exp(1j * np.pi * (np.arange(order) + 0.5) / max(order, 1))
    a = np.real(np.poly(np.concatenate([poles, poles.conj()])))[: order + 1] if order else np.ones(1)
    a = np.real(np.poly(0.8 * np.cos(np.pi * (np.arange(order) + 0.5) / order))) if order else a
    return np.linspace(1.0, 0.2, order + 1).astype(kind), a.astype(kind)


def sections(count, kind="f8"):
    return np.array([[1.0, 0.2 * i, 0.1, 1.0, -0.5, 0.1 + 0.05 * i] for i in range(count)], kind)


def both(sigrnn, function, *given, **options):
    """Value and gradients."""
    value, pullback = sigrnn.vjp(function, *given, **options)
    first = value[0] if isinstance(value, tuple) else value
    return value, pullback(np.ones_like(first) if first is value else (np.ones_like(first), None))


def filters(sigrnn):
    for order in (0, 1, 2, 3, 4, 6, 8, 10):
        yield (
            f"lfilter, order {order}",
            lambda order=order: [sigrnn.lfilter(*coefficients(order, x.dtype), x) for x in signals()],
        )
    for count in (1, 2, 3, 4, 6, 8):
        yield (
            f"sosfilt, {count} sections",
            lambda count=count: [sigrnn.sosfilt(sections(count, x.dtype), x) for x in signals()],
        )
    b, a = coefficients(4, "f8")
    sos, x = sections(2), np.sin(np.arange(500.0))
    for taps in (8, 64, 300):
        yield (
            f"lfilter, {taps} taps",
            lambda taps=taps: [sigrnn.lfilter(np.ones(taps, x.dtype), np.ones(1, x.dtype), x) for x in signals()],
        )
    yield "filtfilt", lambda: [sigrnn.filtfilt(b, a, x) for x in signals(["f8"]) if x.shape[-1] > 50]
    yield "sosfiltfilt", lambda: [sigrnn.sosfiltfilt(sos, x) for x in signals(["f8"]) if x.shape[-1] > 50]
    yield "lfilter_zi", lambda: sigrnn.lfilter_zi(b, a)
    yield "lfiltic", lambda: sigrnn.lfiltic(b, a, [1.0, 2.0], [3.0])
    yield "sosfilt_zi", lambda: sigrnn.sosfilt_zi(sos)
    yield "lfilter with zi", lambda: sigrnn.lfilter(b, a, x, zi=sigrnn.lfilter_zi(b, a))
    yield "sosfilt with zi", lambda: sigrnn.sosfilt(sos, x, zi=sigrnn.sosfilt_zi(sos))
    yield "lfilter, out", lambda: sigrnn.lfilter(b, a, x, out=np.empty_like(x))
    yield (
        "lfilter, a filter for each channel",
        lambda: sigrnn.lfilter(np.ones((3, 2)), np.array([[1.0, -0.5]] * 3), np.ones((3, 99))),
    )
    yield "lfilter_tv", lambda: sigrnn.lfilter_tv(np.tile(b, (500, 1)), np.tile(a, (500, 1)), x)
    yield "Stream", lambda: [stream(part) for stream in [sigrnn.Stream(b, a)] for part in (x[:100], x[100:])]
    yield (
        "Stream of sections",
        lambda: [stream(part) for stream in [sigrnn.Stream(sos=sos)] for part in (x[:100], x[100:])],
    )
    yield "lfilter on two threads", lambda: on_two_threads(sigrnn, b, a, np.tile(x, (40, 1)))
    yield "upfirdn", lambda: sigrnn.upfirdn(np.ones(9), x, 2, 3)
    for order in (0, 1, 2):
        yield (
            f"nlfilter, order {order}",
            lambda order=order: [sigrnn.nlfilter(*coefficients(order, "f8"), x) for x in signals(["f8"])],
        )


def on_two_threads(sigrnn, b, a, x):
    with sigrnn.set_workers(2):
        return sigrnn.lfilter(b, a, x)


def gradients(sigrnn):
    b, a = coefficients(2, "f8")
    sos, x = sections(3), np.sin(np.arange(500.0))
    long = np.random.default_rng(5).standard_normal(100_000)
    for order in (1, 2, 4, 8):
        given = coefficients(order, "f8")
        yield (
            f"vjp of lfilter, order {order}",
            lambda given=given: [both(sigrnn, sigrnn.lfilter, *given, x) for x in signals(["f8"])],
        )
    yield (
        "vjp of lfilter, taps",
        lambda: [both(sigrnn, sigrnn.lfilter, np.ones(20), np.ones(1), each) for each in (x, long)],
    )
    yield "vjp of lfilter_tv", lambda: both(sigrnn, sigrnn.lfilter_tv, np.tile(b, (500, 1)), np.tile(a, (500, 1)), x)
    yield "vjp of sosfilt", lambda: [both(sigrnn, sigrnn.sosfilt, sos, each) for each in (x, long, np.tile(x, (20, 1)))]
    yield "vjp of filtfilt", lambda: both(sigrnn, sigrnn.filtfilt, b, a, x)
    yield "vjp of sosfiltfilt", lambda: both(sigrnn, sigrnn.sosfiltfilt, sos, x)
    yield (
        "vjp of nlfilter",
        lambda: [both(sigrnn, sigrnn.nlfilter, b, a, each) for each in (x, long, np.tile(x, (20, 1)))],
    )
    yield "jvp of lfilter", lambda: sigrnn.jvp(sigrnn.lfilter, (b, a, x), (b, a, x))
    yield "jvp of sosfilt", lambda: sigrnn.jvp(sigrnn.sosfilt, (sos, x), (sos, x))
    yield "jvp of filtfilt", lambda: sigrnn.jvp(sigrnn.filtfilt, (b, a, x), (b, a, x))
    yield "jvp of nlfilter", lambda: sigrnn.jvp(sigrnn.nlfilter, (b, a, x), (b, a, x))
    yield "synchronous_grad of nlfilter", lambda: sigrnn.synchronous_grad(sigrnn.nlfilter, b, a, x)[1](x)
    yield "gradient_flow of nlfilter", lambda: sigrnn.gradient_flow(sigrnn.nlfilter, b, a, x).norm


def layers(sigrnn):
    rng = np.random.default_rng(3)
    for name, gates in LAYERS.items():
        function = getattr(sigrnn, name)
        for kind in KINDS:
            for hidden in (8, 16, 40):
                weights = [0.3 * rng.standard_normal((gates * hidden, n)).astype(kind) for n in (2, hidden)]
                for shape in ((60, 2), (5, 60, 2)):
                    x = rng.standard_normal(shape).astype(kind)
                    called = f"{name}, {hidden} units, {len(shape)} axes, {kind}"
                    yield called, lambda f=function, x=x, w=weights: f(x, *w)
                    yield f"vjp of {called}", lambda f=function, x=x, w=weights: both(sigrnn, f, x, *w)
        yield f"jvp of {name}", lambda f=function, x=x, w=weights: sigrnn.jvp(f, (x, *w), (x, *w))
    x, v = rng.standard_normal((60, 2)), rng.standard_normal((3, 2))
    yield "dense", lambda: sigrnn.dense(x, v)
    yield "vjp of dense", lambda: both(sigrnn, sigrnn.dense, x, v)


def adapted(sigrnn, name, given):
    rng = np.random.default_rng(4)
    f, x = getattr(sigrnn.adaptive, name)(**given), 0.1 * rng.standard_normal(600)
    results = [f(part, 0.5 * part) for part in (x[:500], x[500:])]
    return [(r.y, r.e, r.w_final) for r in results], f.weights, f.predict(x)


def calls(sigrnn):
    yield from filters(sigrnn)
    yield from gradients(sigrnn)
    yield from layers(sigrnn)
    for name, given in ADAPTIVE.items():
        yield f"adaptive.{name}", lambda name=name, given=given: adapted(sigrnn, name, given)


def digest(result):
    """Digest of all bits of a result."""
    if isinstance(result, list | tuple):
        return sha256("".join(map(digest, result)).encode()).hexdigest()
    if isinstance(result, dict):
        return digest(list(result.values()))
    return sha256(b"" if result is None else np.ascontiguousarray(result).tobytes()).hexdigest()


def compare(first, second):
    """1 if two outputs differ."""
    one, two = (json.loads(Path(name).read_text("utf-8")) for name in (first, second))
    different = [name for name in one | two if one.get(name) != two.get(name)]
    print(f"machine code: {len(one)} calls, {len(one) - len(different)} with the same bits as compiled by Numba")
    for name in different:
        print(f"machine code: {name}: other bits")
    return bool(different)


STARTS = {
    "NumPy's import": "import numpy",
    "and sigrnn.lfilter": "import numpy, sigrnn; sigrnn.lfilter([1.0], [1.0, -0.5], numpy.ones(100))",
    "SciPy's lfilter": "import numpy, scipy.signal; scipy.signal.lfilter([1.0], [1.0, -0.5], numpy.ones(100))",
}


def start():
    """Print seconds and peak memory of short programs, the best of several rounds in turn."""
    times, memory = {name: [] for name in STARTS}, {}
    for _ in range(7):
        for name, code in STARTS.items():
            began = time.perf_counter()
            process = subprocess.Popen([sys.executable, "-c", code])
            _, status, used = os.wait4(process.pid, 0)
            times[name].append(time.perf_counter() - began)
            memory[name] = used.ru_maxrss / 1000
            if status:
                return 1
    for name, seconds in times.items():
        print(f"machine code: {name:<20}{min(seconds):6.3f} s {memory[name]:6.0f} MB")
    return 0


def main(*options):
    if options[:1] == ("--start",):
        return start()
    if options[:1] == ("--compare",):
        return compare(*options[1:])
    alone = "--without-numba" in options
    if alone:
        sys.modules["numba"] = sys.modules["llvmlite"] = None
    import sigrnn

    found, needed = {}, []
    for name, call in calls(sigrnn):
        try:
            found[name] = digest(call())
        except ImportError:
            if not alone:
                raise
            needed.append(name)
    print(json.dumps(found, indent=0))
    for name in needed:
        print(f"machine code: {name}: needs Numba", file=sys.stderr)
    print(f"machine code: {len(found)} of {len(found) + len(needed)} calls made", file=sys.stderr)
    return bool(needed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
