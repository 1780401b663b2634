"""Tools of the tests: fresh processes, arrays that end at a protected page, arrays in every layout, comparisons."""

import ctypes
import gc
import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import sigrnn
from sigrnn.layers._cells import CELLS

TESTS = Path(__file__).resolve().parent
PACKAGE = Path(sigrnn.__file__).resolve().parent

EPS = {np.dtype(kind): np.finfo(kind).eps for kind in "efdgFDG"}


def environment(changes=None, packages=None):
    """The environment of a child process that imports the same sigrnn (or the one in `packages`) and these tests."""
    folders = sorted(str(folder) for folder in TESTS.iterdir() if folder.is_dir())
    first = [str(PACKAGE.parent if packages is None else packages), str(TESTS), *folders]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*first, os.environ.get("PYTHONPATH", "")])}
    for name, value in (changes or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def start_process(code, env=None, packages=None, cwd=None):
    """Start Python on some code."""
    command = [sys.executable, "-P", "-W", "error", "-c", code]  # -P: not what lies in the working directory
    return subprocess.Popen(
        command, env=environment(env, packages), cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish_process(process, timeout=120):
    """Wait for a process to end well, and return what it printed."""
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, f"exit code {process.returncode}\n{output}\n{errors}"
    return output


def python_calls(run):
    """How many Python functions a second call runs, itself not counted; what is kept between calls has been made by the first."""
    run()
    count = 0

    def tally(_frame, event, _argument):
        nonlocal count
        count += event == "call"

    gc.disable()  # a collection calls functions of other packages
    sys.setprofile(tally)
    try:
        run()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count - 1


def run_in_fresh_process(code, env=None, packages=None, cwd=None, timeout=120):
    """Run code in a Python of its own, warnings as errors, and return what it printed."""
    return finish_process(start_process(code, env, packages, cwd), timeout)


def answer_of_fresh_process(code, **options):
    """The same for code whose last line of output is JSON."""
    return json.loads(run_in_fresh_process(code, **options).splitlines()[-1])


def close_enough(actual, desired, eps):
    """Whether all differences are at most `eps` machine epsilons of the largest value desired."""
    size = np.abs(desired).max(initial=0.0)
    return bool(np.abs(actual - desired).max(initial=0.0) <= eps * EPS[np.asarray(desired).dtype] * size)


def assert_close(actual, desired, eps=2000):
    """Same shape, same dtype, and equal up to rounding.

    The default allows for SciPy's own error, not only ours: the filters of these tests are stable with poles inside
    radius 0.97 or so, their outputs are sums of some tens to hundreds of terms of the size of the output, each rounded.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape
    assert actual.dtype == desired.dtype
    if desired.dtype == object:
        actual, desired = actual.astype(complex), desired.astype(complex)
    if desired.size:
        worst = np.abs(actual - desired).max() / (np.abs(desired).max() or 1.0) / EPS[desired.dtype]
        assert close_enough(actual, desired, eps), f"differs by {worst:.0f} eps of the largest value, allowed are {eps}"


def assert_same(actual, desired, what=""):
    """Same shape, dtype and bits (signs of zeros and kinds of NaN aside)."""
    np.testing.assert_array_equal(np.asarray(actual), np.asarray(desired), what, strict=True)


def stable(rng, order, radius=0.9):
    """A random stable filter (b, a) of this order, a[0] == 1, poles inside the radius, gain of order 1."""
    pairs = order // 2
    poles = radius * np.sqrt(rng.uniform(0.0, 1.0, pairs)) * np.exp(1j * rng.uniform(0.1, 3.0, pairs))
    real = radius * rng.uniform(-1.0, 1.0, order % 2)
    a = np.poly(np.concatenate([poles, poles.conj(), real])).real
    b = rng.standard_normal(order + 1)
    return b / np.abs(b).sum() * np.abs(a).sum(), a


def contractive(rng, order):
    """A random filter (b, a) of this order, a[0] == 1, whose feedback does not grow under any activation of slope 1.

    With tanh a filter that is stable without it may be chaotic, and no two roundings then give the same signal.
    """
    a = rng.uniform(-1.0, 1.0, order)
    return rng.standard_normal(order + 1) / np.sqrt(order + 1), np.append(1.0, 0.9 * a / np.abs(a).sum())


def noise(rng, shape, dtype=np.float64):
    """Random signal of any dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


class Unchanged:
    """Context in which arrays must keep their bytes."""

    def __init__(self, *arrays):
        self.arrays = [array for array in arrays if isinstance(array, np.ndarray)]

    def __enter__(self):
        self.before = [array.tobytes() for array in self.arrays]

    def __exit__(self, *exception):
        assert [array.tobytes() for array in self.arrays] == self.before, "an input was modified"


def strided(x):
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2][..., : x.shape[-1]] = x
    return wide[..., 1::2][..., : x.shape[-1]]


def unaligned(x):
    """Starts at an odd address."""
    room = np.zeros(x.nbytes + 1, np.uint8)[1:]
    view = room.view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def packed(x):
    """A field of records without padding: steps are no multiple of the item size."""
    records = np.zeros(x.shape, np.dtype([("tag", np.int16), ("value", x.dtype)]))
    records["tag"] = 21845
    records["value"] = x
    return records["value"]


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def last_axes_swapped(x):
    return np.swapaxes(np.swapaxes(x, -1, 0).copy(order="C"), -1, 0)


WRITABLE = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "swapped": last_axes_swapped,
    "strided": strided,
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "first reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "all reversed": lambda x: np.ascontiguousarray(np.flip(x))[(slice(None, None, -1),) * x.ndim],
    "unaligned": unaligned,
    "packed": packed,
}
LAYOUTS = (
    WRITABLE
    | {
        "read-only": read_only,
        "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
        "one for all": lambda x: np.broadcast_to(x[..., :1], x.shape),  # the same sample at all times, stride 0
        "one channel for all": lambda x: np.broadcast_to(x[:1], x.shape),
    }
)


def same_values(name, x):
    """x in a layout. Broadcast ones cannot hold all values: compare with what SciPy makes of the result."""
    laid = LAYOUTS[name](x)
    if "for all" not in name:
        assert np.array_equal(laid, x)
    return laid


_libc = None


def _pages(size):
    """Address of `size` bytes (a multiple of the page) between two pages that may not be touched."""
    global _libc
    page = mmap.PAGESIZE
    if _libc is None:
        _libc = ctypes.CDLL(None, use_errno=True)
        _libc.mmap.restype = ctypes.c_void_p
        _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        _libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    start = _libc.mmap(None, size + 2 * page, protection, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    for address in (start, start + page + size):
        assert _libc.mprotect(address, page, 0) == 0
    return start + page


def guarded(values, side="after"):
    """A C-ordered copy that ends at (side 'after') or starts behind (side 'before') a page no one may touch.

    An access beyond that side kills the process; use it in one that may die.
    """
    values = np.asarray(values)
    size = -(-max(values.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    address = _pages(size) + (size - values.nbytes if side == "after" else 0)
    copy = np.frombuffer((ctypes.c_char * values.nbytes).from_address(address), values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


# Recurrent layers: name in the tests, row of the table of cells, keyword arguments. Arrays are given by `layer_arrays`.
LAYERS = {
    **{name: (cell, {k: v for k, v in (cell.options or {}).items() if v is not True}) for name, cell in CELLS.items()},
    "relu": (CELLS["rnn"], {"activation": "relu"}),
}


def layer(name):
    """The function of sigrnn, its twin, and the keyword arguments of both."""
    import reference

    cell, options = LAYERS[name]
    return getattr(sigrnn, cell.function), getattr(reference, cell.function), options


def layer_arrays(rng, name, batch, steps, inputs, hidden, dtype=np.float64):
    """All arguments of a layer by name, in the order of its signature; batch None for a sequence without that axis.

    Weights are small enough that no layer is chaotic.
    """
    cell, _ = LAYERS[name]
    rows, some = cell.gates * hidden, () if batch is None else (batch,)
    arrays = {
        "x": noise(rng, (*some, steps, inputs)),
        "w_ih": noise(rng, (rows, inputs)),
        "w_hh": 0.6 * noise(rng, (rows, hidden)) / np.sqrt(hidden),
        "b_ih": 0.5 * noise(rng, rows),
        "b_hh": 0.5 * noise(rng, rows),
        "h0": noise(rng, (*some, hidden)),
        "c0": noise(rng, (*some, hidden)) if cell.memory else None,
        "peephole": 0.5 * noise(rng, (3, hidden)) if name == "peephole" else None,
    }
    return {name: arrays[name].astype(dtype) for name in cell.arrays if arrays[name] is not None}


def leaves(value):
    """The arrays of a value, which may be a tuple of them or of tuples."""
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value]


def alike(value, make):
    """The same tuples with make(array) for each array."""
    return tuple(alike(part, make) for part in value) if isinstance(value, tuple) else make(value)
