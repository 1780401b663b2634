"""No kernel reads or writes beyond its arrays: arrays that end at a protected page, and Numba's own bounds checks.

Both run in processes of their own, which may die. Guard pages see what vectors do, bounds checks what scalars do.
"""

import ctypes
import os
import sys

import numpy as np
import pytest
from helpers import WRITABLE, guarded, layer, layer_arrays, leaves, noise, run_in_fresh_process, stable

import sigrnn
from sigrnn.layers._cells import CELLS

pytestmark = pytest.mark.slow

METHODS = ["auto", "sequential", "blocked"]
SHAPES = [
    (1,),
    (5,),
    (1023,),
    (1024,),
    (1600,),
    (1, 3),
    (3, 129),
    (15, 40),
    (16, 128),
    (17, 131),
    (33, 130),
    (2, 1100),
    (9, 1030),
    (2, 3, 20),
]


def filtered(take, shape, kind, rng, orders, any_axis):
    """Filter a signal of this shape in every way, with `take` making the arrays, and yield results and expectations."""
    import scipy.signal

    import sigrnn

    x = noise(rng, shape, kind)
    single = "f" if kind in "fF" else "d"
    for order in orders:
        b, a = (c.astype(single) for c in stable(rng, order))
        desired = scipy.signal.lfilter(b, a, x)
        for method in METHODS:
            yield sigrnn.lfilter(b, a, take(x), method=method, out=take(x)), desired
        if any_axis:
            first, last = np.ascontiguousarray(np.moveaxis(x, -1, 0)), np.moveaxis(desired, -1, 0)
            yield sigrnn.lfilter(b, a, take(first), 0, out=take(first)), last
        zi = np.zeros((*shape[:-1], order), kind)
        yield sigrnn.lfilter(b, a, take(x), zi=take(zi))[0], desired
    for taps in (1, 2, 31, 33, 70, 400):
        b = noise(rng, taps).astype(single)
        desired = scipy.signal.lfilter(b, b[:1] / b[:1], x)
        for method in ("auto", "sequential", "fft"):
            yield sigrnn.lfilter(take(b), np.ones(1, single), take(x), method=method, out=take(x)), desired
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(2)], single)
    for method in METHODS if any_axis else ["sequential"]:
        yield sigrnn.sosfilt(take(sos), take(x), method=method, out=take(x)), scipy.signal.sosfilt(sos, x)
    samples = shape[-1]
    rows = [np.tile(c, (samples, 1)).astype(single) for c in stable(rng, 2)]
    yield sigrnn.lfilter_tv(take(rows[0]), take(rows[1]), take(x)), scipy.signal.lfilter(rows[0][0], rows[1][0], x)
    if samples > 20 and any_axis:
        b, a = (c.astype(single) for c in stable(rng, 2))
        yield sigrnn.filtfilt(b, a, take(x)), scipy.signal.filtfilt(b, a, x)


def check_all(takes, shapes, kinds, orders=(1, 2, 9), any_axis=True):
    """All of that; a kernel that strays kills the process or raises. Print the number of results."""
    rng = np.random.default_rng(5)
    count = 0
    for kind in kinds:
        tolerance = 1e-3 if kind in "fF" else 1e-9
        for shape in shapes:
            for take in takes:
                for y, desired in filtered(take, shape, kind, rng, orders, any_axis):
                    np.testing.assert_allclose(y, desired, rtol=0, atol=tolerance * max(1.0, np.abs(desired).max()))
                    count += 1
    print(count)


# Guard pages


def between_pages(side, layout=None):
    """Makes arrays that end (or start) at a protected page, in a layout."""

    def take(x):
        if layout is None:
            return guarded(x, side)
        laid = WRITABLE[layout](x)
        base = laid
        while isinstance(base.base, np.ndarray):
            base = base.base
        room = guarded(base.reshape(-1, order="A"), side)
        offset = laid.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return np.ndarray(laid.shape, laid.dtype, room.view(np.uint8), offset, laid.strides)

    return take


def run_guarded():
    takes = [between_pages(side) for side in ("after", "before")]
    check_all(takes, SHAPES, "d")
    check_all(takes, [(1,), (1600,), (17, 131), (2, 1100)], "fD", (2,))


def run_guarded_layouts():
    layouts = ["F", "strided", "reversed", "first reversed", "all reversed"]
    takes = [between_pages(side, layout) for layout in layouts for side in ("after", "before")]
    check_all(takes, [(1600,), (17, 131), (16, 128)], "d")


def run_guarded_layers():
    """Recurrent layers, with pages around all arrays that they make for their loops."""
    from sigrnn.layers import _layout, _prepare, _run

    class Guarding:
        def __init__(self, side):
            self.side = side

        def __getattr__(self, name):
            made = getattr(np, name)
            if name not in ("empty", "zeros", "ascontiguousarray"):
                return made
            return lambda *args: guarded(made(*args), self.side) if np.size(made(*args)) else made(*args)

    rng, count = np.random.default_rng(5), 0
    cases = [
        (name, hidden, "d", batch)
        for name in CELLS
        for hidden in (1, 8, 9)
        for batch in ((None, 1, 3) if name != "peephole" else (3,))
    ]
    for name, hidden, kind, batch in [*cases, ("lstm", 8, "f", None), ("lstm", 17, "f", 3), ("gru", 17, "f", 3)]:
        function, twin, options = layer(name)
        tolerance = 1e-4 if kind == "f" else 1e-11
        for steps in (1, 6):
            arrays = layer_arrays(rng, name, batch, steps, 2, hidden, kind)
            desired, results = leaves(twin(**arrays, **options)), []
            for side in ("after", "before"):
                _layout.store.free.clear()  # of arrays without pages around them
                for module in (_layout, _prepare, _run):
                    module.np = Guarding(side)
                _layout.aligned = _run.aligned = _run.np.empty
                value, pullback = sigrnn.vjp(function, **arrays, **options)
                results.append(pullback(value))
                for taken in (value, function(**arrays, **options)):
                    for mine, theirs in zip(leaves(taken), desired, strict=True):
                        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
            for module in (_layout, _prepare, _run):
                module.np = np
            for mine, theirs, free in zip(*results, sigrnn.vjp(function, **arrays, **options)[1](value), strict=True):
                np.testing.assert_array_equal(mine, free)
                np.testing.assert_array_equal(theirs, free)
                count += 1
    print(count)


def run_past_the_end():
    room = guarded(np.zeros(10))
    print("inside", room[-1], flush=True)
    ctypes.memmove(ctypes.create_string_buffer(8), room.ctypes.data + room.nbytes, 8)
    print("not caught")


guard_pages = pytest.mark.skipif(sys.platform == "win32", reason="mmap and mprotect are POSIX")


@guard_pages
def test_guard_pages_catch():
    # The tool itself: one element too far must die.
    with pytest.raises(AssertionError, match=r"exit code -(11|10|7)") as died:
        run_in_fresh_process("import test_memory_safety as t; t.run_past_the_end()")
    assert "inside 0.0" in str(died.value)
    assert "not caught" not in str(died.value)


@guard_pages
@pytest.mark.parametrize("run", ["run_guarded", "run_guarded_layouts", "run_guarded_layers"])
def test_guard_pages(run):
    printed = run_in_fresh_process(f"import test_memory_safety as t; t.{run}()", timeout=300)
    assert sum(map(int, printed.split())) > 500


# Bounds checks


def run_checked():
    from numba.core import config

    assert config.BOUNDSCHECK == 1
    # Checks are the same code for all layouts and dtypes: the fewest kernels that between them hold most of it.
    check_all([np.array], [(5,)], "d", (2, 9), any_axis=False)
    check_all([np.array], [(17, 131), (1100,)], "d", (2,), any_axis=False)


def run_checked_out_of_bounds():
    from sigrnn._kernels.filters.fir import varying

    varying("d")(np.ones((4, 2)), np.ones((4, 2)), np.ones(5), np.empty(5), np.zeros(2))  # a row too few


def test_bounds_checks():
    # A separate folder, kept between runs.
    env = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"] + "-checked"}
    printed = run_in_fresh_process("import test_memory_safety as t; t.run_checked()", env=env, timeout=300)
    assert sum(map(int, printed.split())) > 60
    with pytest.raises(AssertionError, match="IndexError"):  # and they do check
        run_in_fresh_process("import test_memory_safety as t; t.run_checked_out_of_bounds()", env=env)
