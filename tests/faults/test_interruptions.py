"""Interrupted at any moment, a state is that before the call or that after it: streams, adaptive filters, `fit`."""

import copy
import ctypes
import pickle
import random
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from helpers import layer_arrays, noise, stable

import sigrnn
from sigrnn import adaptive
from sigrnn.layers.streams import LayerStream

MOMENTS = 100
# Python can do nothing with an exception that comes while it cleans up.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")


@pytest.fixture
def alarm():
    """What raises KeyboardInterrupt in this thread after a number of seconds, while it is armed."""
    alarm = Alarm()
    before = signal.signal(signal.SIGALRM, alarm.interrupt)
    yield alarm
    alarm.stop()
    signal.signal(signal.SIGALRM, before)


class Alarm:
    def __init__(self):
        self.armed = False

    def interrupt(self, number, frame):
        if self.armed:  # a signal may be late, when the call is over that it was meant for
            self.armed = False
            raise KeyboardInterrupt

    def start(self, seconds):
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self):
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def seconds(call):
    """How long a call takes at least, once it is compiled."""
    call()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def interrupted(alarm, seconds, call):
    """Call, and be interrupted if it takes `seconds`; return whether it was."""
    try:
        alarm.start(seconds)
        call()
        alarm.armed = False
    except KeyboardInterrupt:
        return True
    finally:
        alarm.stop()
    return False


# What has a state: how it is made, and the blocks it takes one after the other.


def filters(rng):
    b, a = stable(rng, 3)
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(5)])
    taps = noise(rng, 500)
    mild = 0.5 * b, np.append(1.0, 0.3 * a[1:] / np.abs(a[1:]).sum())
    wide, narrow = [noise(rng, (3, 700)) for _ in range(2)], [noise(rng, 5000) for _ in range(2)]
    return {
        "one channel": (sigrnn.Stream(b, a), narrow),
        "channels": (sigrnn.Stream(b, a), wide),
        "float32": (sigrnn.Stream(b, a), [x.astype("f") for x in wide]),
        "complex": (sigrnn.Stream(b, a), [x + 1j for x in wide]),
        "sections": (sigrnn.Stream(sos=sos), narrow),
        "sections of channels": (sigrnn.Stream(sos=sos), wide),
        "taps": (sigrnn.Stream(taps, [1.0]), narrow),
        "activation": (sigrnn.Stream(*mild, activation="tanh"), narrow),
        "long activation": (sigrnn.Stream(*mild, activation="tanh"), [noise(rng, 30_000) for _ in range(2)]),
    }


def layers(rng):
    found = {}
    for name in ("rnn", "lstm", "gru"):
        arrays = layer_arrays(rng, name, 3, 40, 2, 5)
        x = arrays.pop("x")
        arrays.pop("h0", None), arrays.pop("c0", None)
        found[name] = LayerStream(name, **arrays), [x[:, :20], x[:, 20:]]
    return found


def models(rng):
    x = [noise(rng, 300) for _ in range(2)]
    chain = sigrnn.Chain(sigrnn.IIR(2), sigrnn.GRU(3), sigrnn.Dense(1, "tanh"), sigrnn.IIR(2)).init(1, rng=1)
    both = sigrnn.Parallel(sigrnn.IIR(2), sigrnn.Residual(sigrnn.LSTM(1))).init(1, rng=2)
    return {
        "chain": (chain.stream(), x),
        "parallel": (both.stream(), x),
        "several inputs": (sigrnn.IIR(2).init(2, rng=3).stream(), [noise(rng, (300, 2)) for _ in range(2)]),
    }


STREAMS = {"filters": filters, "layers": layers, "models": models}
NAMES = [(kind, name) for kind, make in STREAMS.items() for name in make(np.random.default_rng(0))]


@timer
@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_streams(kind, name, alarm):
    stream, (first, second) = STREAMS[kind](np.random.default_rng(1))[name]
    stream(first)
    start = stream.copy()
    after = start.copy()
    after(second)
    usual = seconds(lambda: start.copy()(second))
    # What a state is shows in the next block.
    ends = [start.copy()(first).tobytes(), after.copy()(first).tobytes()]
    assert ends[0] != ends[1]
    count, draw = 0, random.Random(2)
    for _ in range(MOMENTS):
        again = start.copy()
        count += interrupted(alarm, draw.uniform(1e-6, usual), lambda: again(second))  # noqa: B023
        assert again(first).tobytes() in ends
    assert count


@timer
def test_first_blocks(alarm):
    # Channels and sequences are not settled by a call that did not end.
    b, a = stable(np.random.default_rng(3), 2)
    x = noise(np.random.default_rng(3), (4, 3000))
    fresh, draw = sigrnn.Stream(b, a), random.Random(4)
    fresh.copy()(x)
    for _ in range(MOMENTS):
        stream = fresh.copy()
        if interrupted(alarm, draw.uniform(1e-6, 3e-4), lambda: stream(x)) and stream._channels is None:  # noqa: B023
            assert np.array_equal(stream(x[0]), sigrnn.Stream(b, a)(x[0]))  # of other channels


@timer
def test_coefficients(alarm):
    b, a = stable(np.random.default_rng(5), 2)
    draw, x = random.Random(6), noise(np.random.default_rng(5), 50)
    stream = sigrnn.Stream(b, a)
    for _ in range(MOMENTS):
        old = stream.b.copy()
        new = old + 1.0
        interrupted(alarm, draw.uniform(1e-6, 1e-4), lambda: setattr(stream, "b", new))  # noqa: B023
        stream.zi = 0.0
        # What is filtered with is what the attribute shows.
        assert np.allclose(stream(x), sigrnn.lfilter(stream.b, a, x), rtol=1e-12)
        assert stream.b[0] in (old[0], new[0])


ALGORITHMS = {
    "nlms": lambda: adaptive.NLMS(8, 0.5),
    "reset": lambda: adaptive.LMS(4, 0.9, on_divergence="reset"),
    "long": lambda: adaptive.NLMS(400, 0.5),
    "rls": lambda: adaptive.RLS(6),
    "block": lambda: adaptive.BlockLMS(8, 0.01, block=16),
    "fdaf": lambda: adaptive.FDAF(32, 0.3, block=16),
    "pbfdaf": lambda: adaptive.PBFDAF(64, 0.3, block=16),
    "fxlms": lambda: adaptive.FxLMS(8, 0.01, [0.0, 1.0, 0.5]),
    "iir": lambda: adaptive.IIRLMS(3, 2, 0.01),
    "volterra": lambda: adaptive.VolterraLMS(4, 0.01),
}


def bits(f):
    """All that an adaptive filter goes on from."""
    return f._channels, sorted((name, a.tobytes()) for name, a in f._state.items())


@timer
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("kind", ["real", "complex", "first"])
def test_adaptive_filters(name, kind, alarm):
    rng, draw = np.random.default_rng(7), random.Random(8)
    x, d = noise(rng, 600), noise(rng, 600)
    if name == "reset":
        x *= 3.0  # it diverges, again and again
    start = ALGORITHMS[name]()
    if kind != "first":
        start(x[:200], d[:200])
    x, d = x[200:], d[200:]
    if kind == "complex" and name not in ("volterra",):
        x = x + 1j
    after = start.copy()
    after(x, d)
    usual = seconds(lambda: start.copy()(x, d))
    states = [bits(start.copy()), bits(after.copy())]
    assert states[0] != states[1]
    count = 0
    for _ in range(MOMENTS):
        f = start.copy()
        count += interrupted(alarm, draw.uniform(1e-6, usual), lambda: f(x, d))  # noqa: B023
        assert bits(f) in states
        f(x[:20], d[:20])  # and it goes on
    assert count


@timer
def test_noise_control(alarm):
    rng, draw = np.random.default_rng(9), random.Random(10)
    x, e = noise(rng, 4000), 0.1 * noise(rng, 4000)
    start = adaptive.FxLMS(8, 0.01, [0.0, 1.0, 0.5])
    start.control(x[:10])

    def next_outputs(f):
        f = f.copy()
        return f.control(x[:5]).tobytes(), f.weights.tobytes()

    for call in (lambda f: f.adapt(e[:7]), lambda f: f.control(x[10:300]), lambda f: f.control(x[:4000])):
        after = start.copy()
        call(after)
        usual = seconds(lambda: call(start.copy()))  # noqa: B023
        states = next_outputs(start), next_outputs(after)
        for _ in range(MOMENTS):
            f = start.copy()
            interrupted(alarm, draw.uniform(1e-6, usual), lambda: call(f))  # noqa: B023
            assert next_outputs(f) in states


@timer
def test_assigned_weights(alarm):
    x, draw = noise(np.random.default_rng(11), 300), random.Random(12)
    start = adaptive.FDAF(32, 0.3, block=16)
    start(x, x)
    after = start.copy()
    after.weights = np.ones(32)
    states = [bits(start.copy()), bits(after.copy())]
    for _ in range(MOMENTS):
        f = start.copy()
        interrupted(alarm, draw.uniform(1e-6, 3e-4), lambda: setattr(f, "weights", np.ones(32)))  # noqa: B023
        assert bits(f.copy()) in states


# Training


def vector(model):
    return model.to_vector().tobytes()


@timer
@pytest.mark.parametrize("solver", ["lm", "lbfgs", "adam"])
def test_fit(solver, alarm):
    rng, draw = np.random.default_rng(13), random.Random(14)
    x = noise(rng, 200)
    t = np.tanh(sigrnn.lfilter([1.0, 0.5], [1.0, -0.6], x))
    start = sigrnn.Chain(sigrnn.IIR(1), sigrnn.Dense(1, "tanh")).init(1, rng=0)
    steps = []
    options = {"solver": solver, "max_iter": 8, "progress": False, "rng": 0, "start": "given"}
    sigrnn.fit(start.copy(), x, t, callback=lambda it: steps.append(vector(it.model)), **options)
    usual = seconds(lambda: sigrnn.fit(start.copy(), x, t, **options))
    for _ in range(MOMENTS):
        model = start.copy()
        if interrupted(alarm, draw.uniform(1e-6, usual), lambda: sigrnn.fit(model, x, t, **options)):  # noqa: B023
            # Outside of the solver: nothing was done yet, or the best is there.
            assert np.isfinite(model.to_vector()).all()
        # Between iterations a solver tries vectors that may be far off: they are never seen.
        assert vector(model) in [vector(start), *steps] or solver == "adam"


@timer
def test_fit_while_it_looks_for_a_start(alarm):
    rng, draw = np.random.default_rng(13), random.Random(15)
    x = noise(rng, 200)
    t = sigrnn.lfilter([1.0, 0.5], [1.0, -0.6], np.tanh(x))
    start = sigrnn.Chain(sigrnn.NonlinearFIR(1), sigrnn.IIR(1)).init(1, rng=0)

    def loss(model):
        return np.mean((model(x) - t) ** 2)

    def fit(model):
        sigrnn.fit(model, x, t, max_iter=4, n_starts=3, start="auto", progress=False, rng=0)

    usual, worst = seconds(lambda: fit(start.copy())), loss(start) * (1 + 1e-9)
    for _ in range(MOMENTS // 4):
        model = start.copy()
        interrupted(alarm, draw.uniform(1e-6, usual), lambda: fit(model))  # noqa: B023
        assert loss(model) <= worst


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt])
def test_errors_of_callbacks(error):
    x = noise(np.random.default_rng(15), 300)
    model = sigrnn.IIR(1)
    seen = []

    def callback(iteration):
        seen.append(iteration.model.params["b"].copy())
        assert iteration.model is model
        if len(seen) == 2:
            raise error("in the callback")

    run = lambda: sigrnn.fit(  # noqa: E731
        model, x, sigrnn.lfilter([1.0], [1.0, -0.5], np.tanh(x)), solver="lbfgs", callback=callback, progress=False
    )
    if error is KeyboardInterrupt:
        assert run().stop_reason == "interrupted"
    else:
        with pytest.raises(error, match="in the callback"):
            run()
    assert any(np.array_equal(model.params["b"], b) for b in seen)


# Memory that runs out


def test_no_memory(monkeypatch):
    b, a = stable(np.random.default_rng(16), 2)
    x = noise(np.random.default_rng(16), (3, 400))
    stream, chain = sigrnn.Stream(b, a), sigrnn.Chain(sigrnn.IIR(1), sigrnn.IIR(1)).init(1, rng=0).stream()
    stream(x), chain(x[0])
    empty, failed = np.empty, []
    for call, block in ((stream, x), (chain, x[1])):
        start = call.copy()
        for allowed in range(3):
            left = [allowed]

            def scarce(*args, **kwargs):
                left[0] -= 1  # noqa: B023
                if left[0] < 0:  # noqa: B023
                    raise MemoryError
                return empty(*args, **kwargs)

            monkeypatch.setattr(np, "empty", scarce)
            try:
                call(block)
            except MemoryError:
                failed.append(call)
                monkeypatch.setattr(np, "empty", empty)
                assert np.array_equal(call.copy()(block), start.copy()(block))
            else:
                break
            finally:
                monkeypatch.setattr(np, "empty", empty)
    assert {stream, chain} == set(failed)


# Copies


@pytest.mark.parametrize(("kind", "name"), NAMES)
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s)), lambda s: s.copy()])
def test_copies_share_nothing(kind, name, way):
    stream, (first, second) = STREAMS[kind](np.random.default_rng(17))[name]
    stream(first)
    other = way(stream)
    y = other(second)
    other(first)
    assert np.array_equal(stream(second), y)  # it did not notice
    other.reset()
    assert np.array_equal(way(stream)(first), stream(first))


# Two threads, and handlers of signals


class Held:
    """A model that waits in its run."""

    def __init__(self):
        self.inside, self.go = threading.Event(), threading.Event()

    def run(self, x, state):
        self.inside.set()
        assert self.go.wait(60)
        return x, x


def in_another(call):
    """Call in another thread; what it raised, when that is asked for."""
    found = []

    def run():
        try:
            call()
        except RuntimeError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return lambda: (thread.join(), found)[1]


def test_model_streams_in_two_threads():
    from sigrnn.models.streams import ModelStream

    held = Held()
    stream = ModelStream(held)
    outcome = in_another(lambda: stream(1.0))
    assert held.inside.wait(60)
    held.go.set()
    stream.state = 2.0  # as if another call had ended meanwhile
    (error,) = outcome() or [None]
    assert error is None or "each thread must have its own" in str(error)
    assert stream.state in (1.0, 2.0)


@pytest.mark.parametrize("name", ["one channel", "channels", "sections"])
def test_streams_in_two_threads(name, monkeypatch):
    # The second call ends while the first is filtering.
    stream, (first, second) = filters(np.random.default_rng(18))[name]
    stream(first)
    reference = stream.copy()
    expected = reference(second)
    module = sigrnn.filters.streams
    whole, depth = module.fill, []

    def nested(*args):
        whole(*args)
        if not depth:
            depth.append(1)
            assert np.array_equal(stream(second), expected)

    if name == "channels":
        monkeypatch.setattr(module, "fill", nested)
    else:
        quick = stream._quick

        class Nested:
            def one(self, *args):
                quick.one(*args)
                if not depth:
                    depth.append(1)
                    assert np.array_equal(stream(second), expected)

        stream._quick = Nested()
    with pytest.raises(RuntimeError, match=r"Stream changed during a call.*copy"):
        stream(second)
    monkeypatch.undo()
    assert np.array_equal(stream.zi, reference.zi)  # one of the two blocks counts


def test_layer_streams_in_two_threads():
    stream, (first, second) = layers(np.random.default_rng(19))["gru"]
    stream(first)
    reference = stream.copy()
    expected, ready, depth = reference(second), stream._ready, []

    def nested(*args):
        ready.kernel(*args)
        if not depth:
            depth.append(1)
            assert np.array_equal(stream(second), expected)

    stream._ready = ready._replace(kernel=nested)
    with pytest.raises(RuntimeError, match=r"LayerStream changed during a call"):
        stream(second)
    assert np.array_equal(stream.state, reference.state)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_adaptive_filters_in_two_threads(name):
    f = ALGORITHMS[name]()
    x = noise(np.random.default_rng(20), 40)
    inside, go = threading.Event(), threading.Event()

    class Slow:
        def __array__(self, dtype=None, copy=None):
            inside.set()
            assert go.wait(60)
            return x

    outcome = in_another(lambda: f(Slow(), x))
    assert inside.wait(60)
    with pytest.raises(RuntimeError, match=r"each thread must have its own"):
        f(x, x)
    go.set()
    assert not outcome()
    once = ALGORITHMS[name]()
    once(x, x)
    assert np.array_equal(f.weights, once.weights)
    f(x, x)  # it is free again


def test_an_exception_in_another_thread():
    # As debuggers and timeouts of other libraries raise them.
    f, x = adaptive.PBFDAF(64, 0.3, block=16), noise(np.random.default_rng(21), 4000)
    f(x, x)
    start, ended = f.copy(), []

    def run():
        try:
            while True:
                f(x, x)
        except KeyboardInterrupt:
            ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.05)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
    thread.join(60)
    assert ended
    state = bits(f.copy())
    for _ in range(10_000):  # the state after some number of whole blocks
        if bits(start.copy()) == state:
            return
        start(x, x)
    raise AssertionError("a state that is between two")


def pulled(pullback, dy):
    return [g.tobytes() for g in pullback(dy)]


@timer
def test_gradients_in_a_signal_handler():
    # A pull-back may be interrupted by another one in the same thread.
    rng = np.random.default_rng(22)
    b, a = stable(rng, 4)
    calls = {}
    for name, function, arrays in (
        ("channels", sigrnn.lfilter, (b, a, noise(rng, (9, 2000)))),
        ("complex", sigrnn.lfilter, (b, a, noise(rng, (2, 3000)) + 1j)),
        (
            "sections",
            sigrnn.sosfilt,
            (np.array([np.concatenate(stable(rng, 2)) for _ in range(2)]), noise(rng, (9, 2000))),
        ),
        ("activation", sigrnn.nlfilter, (b, np.append(1.0, 0.1 * a[1:]), noise(rng, (2, 3000)))),
    ):
        y, pullback = sigrnn.vjp(function, *arrays)
        calls[name] = partial(pulled, pullback, noise(rng, y.shape))
    expected = {name: call() for name, call in calls.items()}
    wrong, count = [], [0]

    def handle(number, frame):
        count[0] += 1
        for name, call in calls.items():
            if call() != expected[name]:
                wrong.append(name)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        draw = random.Random(23)
        for _ in range(25):
            for name, call in calls.items():
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-6, 5e-4))
                assert call() == expected[name]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert count[0] > 10
    assert not wrong
