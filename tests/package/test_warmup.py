"""`sigrnn warmup`: its table calls every public function, and after it usual calls compile nothing."""

import inspect

import pytest
from helpers import answer_of_fresh_process, run_in_fresh_process

import sigrnn
from sigrnn import adaptive, warmup
from sigrnn.layers._cells import FUNCTIONS

# They compile nothing, or what others compile.
OTHERS = {
    "DivergenceError",
    "FitResult",
    "GradientFlow",
    "Model",
    "Activation",
    "Parallel",
    "Residual",
    "Bidirectional",
}
OTHERS |= {"Delay", "from_guitarml_json", "from_keras", "from_nam", "select", "Selection"}
OTHERS |= {"Report", "is_patched", "patch_scipy", "report", "unpatch_scipy"}
OTHERS |= {"adaptive", "from_rtneural_json", "get_workers", "load", "set_workers"}
OTHERS_ADAPTIVE = {"AdaptiveFilter", "AdaptiveResult", "ControlResult", "DivergenceError", "load"}


def test_every_public_function_is_in_the_table():
    text = inspect.getsource(warmup)
    called = {cell.function for cell in FUNCTIONS.values()}
    assert {name for name in sigrnn.__all__ if f"sigrnn.{name}" not in text} - called <= OTHERS
    assert set(adaptive.__all__) - OTHERS_ADAPTIVE == set(warmup.ADAPTIVE)


@pytest.fixture
def quick(monkeypatch):
    """A table of two calls that compile nothing."""
    monkeypatch.setattr(warmup, "CODE", "import sys\nfor name in sys.argv[1:]: print(name, flush=True)")
    made = []
    table = {name: lambda name=name: made.append(name) for name in ("a", "b c", "d")}
    monkeypatch.setattr(warmup, "calls", lambda: table)
    return made


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_call_is_made_once_and_counted(quick, workers):
    seen = []

    def progress(names):
        for name in names:
            yield name
            seen.append(name)

    assert warmup.warmup(progress, workers=workers) == 3
    assert seen == ["a", "b c", "d"]
    assert quick == (seen if workers == 1 else [])


def test_a_process_that_fails_is_an_error(quick, monkeypatch):
    monkeypatch.setattr(warmup, "CODE", "import sys\nif 'd' in sys.argv: sys.exit(3)\nprint(sys.argv[1], flush=True)")
    with pytest.raises(RuntimeError, match="a process that compiles has failed"):
        warmup.warmup(workers=3)


def test_processes_import_this_package_not_one_of_the_working_directory(quick, monkeypatch, tmp_path):
    (tmp_path / "sigrnn.py").write_text("raise AssertionError('the package of the working directory was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warmup, "CODE", "import sigrnn, sys\nfor name in sys.argv[1:]: print(name, flush=True)")
    assert warmup.warmup(workers=2) == 3


# Other numbers than those of the table: lengths, orders, channels, units as people have them.
USUAL = """
import gc, json
import numpy as np
import scipy.signal as signal
import sigrnn
from sigrnn import adaptive
from sigrnn._kernels.base.jit import KernelCache

rng = np.random.default_rng(0)
for dtype in "f4", "f8":
    for shape in (50,), (5000,), (200_000,), (3, 50), (64, 3000), (8, 50_000):
        x = rng.standard_normal(shape).astype(dtype)
        for order in (1, 2, 4, 7, 12):
            sigrnn.lfilter(*(c.astype(dtype) for c in signal.butter(order, 0.3)), x)
        for order in (2, 5, 8, 14):
            sigrnn.sosfilt(signal.butter(order, 0.3, output="sos").astype(dtype), x)
        for taps in (2, 5, 30, 101, 1001):
            sigrnn.lfilter(signal.firwin(taps, 0.3).astype(dtype), np.ones(1, dtype), x)
    for hidden in (1, 5, 12, 16, 32, 64):
        w = [rng.standard_normal((4 * hidden, n)).astype(dtype) / 10 for n in (2, hidden)]
        for shape in (70, 2), (20, 70, 2):
            y, pullback = sigrnn.vjp(sigrnn.lstm, np.ones(shape, dtype), *w)
            pullback(y)
b, a = signal.butter(4, [0.1, 0.2], "band")
sos = signal.butter(4, [0.1, 0.2], "band", output="sos")
x = rng.standard_normal(30_000)
sigrnn.filtfilt(b, a, x), sigrnn.sosfiltfilt(sos, x), sigrnn.filtfilt(b, a, x[:100]), sigrnn.lfilter_zi(b, a)
for f in (lambda x: sigrnn.vjp(sigrnn.lfilter, b, a, x), lambda x: sigrnn.vjp(sigrnn.sosfilt, sos, x)):
    for part in (x[:500], x, np.stack([x] * 20)):
        y, pullback = f(part)
        pullback(y)
stream = sigrnn.Stream(b, a)
for n in (1, 33, 7000):
    stream(x[:n])
for order in (1, 2):
    y, pullback = sigrnn.vjp(sigrnn.nlfilter, [0.5, 0.2], [1.0, -0.5, 0.2][: order + 1], x)
    pullback(y)
d = sigrnn.lfilter([0.5, 0.2], [1.0, -0.3], x)
for name in ("LMS", "NLMS", "RLS", "AP", "GNGD", "BlockLMS", "FDAF", "PBFDAF", "SignErrorLMS"):
    f = getattr(adaptive, name)
    for taps in (8, 32, 500) if name != "RLS" else (8, 32):
        (f(taps) if name == "RLS" else f(taps, 0.1 / taps))(x[:3000], d[:3000])
for model in (sigrnn.IIR(3), sigrnn.NonlinearIIR(3, 2), sigrnn.Chain(sigrnn.GRU(6), sigrnn.Dense(1))):
    sigrnn.fit(model, x[:700], d[:700], max_iter=2, progress=False)
    model(x), model.stream()(x[:64])
caches = [o for o in gc.get_objects() if isinstance(o, KernelCache)]
print(json.dumps([sum(c.hits for c in caches), {c.name: c.misses for c in caches if c.misses}]))
"""


@pytest.mark.slow
def test_after_it_usual_calls_compile_nothing(tmp_path):
    env = {"NUMBA_CACHE_DIR": tmp_path}
    run_in_fresh_process("import sys\nfrom sigrnn.cli import main\nsys.exit(main(['warmup']))", env, timeout=3600)
    hits, misses = answer_of_fresh_process(USUAL, env=env, timeout=600)
    assert misses == {}
    assert hits > 50
