"""Products of matrices of the layers: what they are, and that BLAS's own threads have no part in them."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import LAYOUTS, assert_close, noise, run_in_fresh_process, same_values

from sigrnn.layers import _product
from sigrnn.layers._product import add_product, product

# Terms K, rows M and columns N: below and above what BLAS is given, full and cut tiles, vectors, nothing.
SHAPES = [
    (300, 70, 66),
    (129, 97, 257),
    (500, 512, 10),
    (64, 5, 3000),
    (1, 600, 600),
    (700, 1, 500),
    (700, 500, 1),
    (9_500, 1, 1),
    (3, 2, 1),
    (40, 8, 8),
    (0, 4, 5),
    (4, 0, 5),
    (5, 4, 0),
]


@pytest.mark.parametrize(("terms", "rows", "columns"), SHAPES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_sums_of_products(rng, terms, rows, columns, kind):
    a, b, start = noise(rng, (terms, rows), kind), noise(rng, (terms, columns), kind), noise(rng, (rows, columns))
    whole = start.copy()
    add_product(whole, a, b)
    exact = a.astype("g").T @ b.astype("g")
    size = np.abs(a.astype("g")).T @ np.abs(b.astype("g")) + np.abs(start)
    assert (np.abs(whole - start - exact) <= 2 * np.sqrt(terms + 1) * np.finfo(kind).eps * size).all()


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "terms", "columns"), [(300, 70, 66), (20_000, 16, 1), (700, 600, 600), (5, 3, 2)])
def test_product(rng, kind, rows, terms, columns):
    x, w = noise(rng, (rows, terms), kind), noise(rng, (columns, terms), kind).T
    assert_close(product(x, w), x @ w, 200)
    assert_close(product(x.reshape(5, rows // 5, terms), w), (x @ w).reshape(5, rows // 5, columns), 200)


def test_product_of_both_kinds(rng):
    x, w = noise(rng, (700, 600)), noise(rng, (600, 600), "f")
    assert_close(product(x, w), x @ w)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(rng, name):
    a, b = noise(rng, (150, 90)), noise(rng, (150, 80))
    for first, second in ((same_values(name, a), b), (a, same_values(name, b))):
        if first.dtype.isnative and second.dtype.isnative and first.flags.aligned and second.flags.aligned:
            if name == "packed":
                continue  # steps that are no multiple of the item size do not come from layers
            whole = np.zeros((90, 80))
            add_product(whole, first, second)
            assert_close(whole, first.T @ second)


def test_not_finite(rng):
    # A NaN goes where it belongs, also next to a tile that is cut.
    a, b = noise(rng, (130, 90)), noise(rng, (130, 83))
    a[3, 89], b[5, 82] = np.nan, np.inf
    whole = np.zeros((90, 83))
    add_product(whole, a, b)
    assert np.isnan(whole[89]).all()
    assert np.isfinite(whole[:89, :82]).all()
    assert np.isinf(whole[:89, 82]).all()


def test_large_ones_are_not_left_to_blas(rng, monkeypatch):
    taken = []
    monkeypatch.setattr(np, "matmul", lambda *args, **kwargs: taken.append(args))
    loop = _product.loop
    monkeypatch.setattr(_product, "loop", lambda *kinds: (taken.append(kinds), loop(*kinds))[1])
    a = noise(rng, (200, 300))
    add_product(np.zeros((300, 300)), a, a)
    assert taken == [("d", "d")]


# What BLAS's threads do shows in how often the system has let them run.
THREADS = """
import os, sys, time
import numpy as np, scipy.linalg, sigrnn  # SciPy has a BLAS of its own

def switches():
    total = 0
    for task in os.listdir("/proc/self/task"):
        if int(task) != os.getpid():
            with open(f"/proc/self/task/{task}/status") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total

def quiet():
    # Threads that had work look for more for a while before they sleep.
    before = switches()
    for _ in range(100):
        time.sleep(0.1)
        now = switches()
        if now == before:
            return now
        before = now
    raise SystemExit("threads do not come to rest")

rng = np.random.default_rng(0)
big = rng.standard_normal((700, 700))
start = quiet()
big @ big
if quiet() == start:
    print("none")  # this BLAS has no threads
    sys.exit()
sigrnn.dense(np.ones((2, 1)), np.ones((1, 1)), activation="tanh")  # loads Numba
start = quiet()
for hidden, inputs, batch in ((20, 1, 1), (48, 1, 1), (130, 20, 3)):
    for cell, gates in ((sigrnn.lstm, 4), (sigrnn.gru, 3)):
        arrays = [0.1 * rng.standard_normal(shape) for shape in (
            (batch, 300, inputs), (gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,))]
        options = {"reset_after": False} if cell is sigrnn.gru else {}
        y, pullback = sigrnn.vjp(cell, *arrays, **options)
        pullback((y[0], tuple(np.ones_like(s) for s in y[1]) if isinstance(y[1], tuple) else np.ones_like(y[1])))
for inputs, outputs in ((16, 1), (200, 150), (700, 700)):
    x, v = rng.standard_normal((5_000, inputs)), rng.standard_normal((outputs, inputs))
    z, pullback = sigrnn.vjp(sigrnn.dense, x, v, np.ones(outputs))
    pullback(z)
print("asleep" if quiet() == start else "woken")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not show threads")
def test_other_threads_stay_asleep():
    env = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    answer = run_in_fresh_process(THREADS, env=env).split()[-1]
    if answer == "none" or (os.cpu_count() or 1) < 2:
        pytest.skip("BLAS has no threads here")
    assert answer == "asleep"
