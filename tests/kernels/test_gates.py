"""Gates of layers: as accurate as activations where their factors are exact, closed and open to the end, NaN."""

import numpy as np
import pytest
from numba import njit

from sigrnn._kernels.base import vec
from sigrnn._kernels.layers import gates

KINDS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@njit(error_model="numpy")
def each(e, gate, squashed):
    """Both functions of 8 numbers at a time."""
    like = vec.lanes_of(8, e)
    for k in range(0, e.size, 8):
        x = vec.load(vec.pointer(e), k, like)
        vec.store(vec.pointer(gate), k, gates.sigmoid2(x))
        vec.store(vec.pointer(squashed), k, gates.tanh2(x))


def both(e):
    gate, squashed = np.empty_like(e), np.empty_like(e)
    each(e, gate, squashed)
    return gate, squashed


@KINDS
def test_three_ulp(rng, dtype):
    e = np.concatenate([rng.uniform(-size, size, 4000) for size in (0.01, 1, 20, 120)]).astype(dtype)
    x = e.astype(np.longdouble) * np.log(np.longdouble(2))
    for value, desired in zip(both(e), (1 / (1 + np.exp(x)), np.tanh(x / 2)), strict=True):
        error = np.abs(value - desired) / np.spacing(np.abs(desired).astype(dtype))
        assert error.max() <= 3.0, f"{float(error.max())} ulp at 2^{e[error.argmax()]!r}"


@KINDS
def test_ends(dtype):
    last = np.finfo(dtype).maxexp
    far = np.array([last - 0.75, last - 0.5, last - 0.25, last, last + 0.5, 1e30, np.inf, np.nan], dtype)
    gate, squashed = both(np.concatenate([far, -far, np.zeros(8, dtype)]))
    assert gate[:7].tolist() == [0.0] * 7
    assert gate[8:15].tolist() == squashed[:7].tolist() == [1.0] * 7
    assert squashed[8:15].tolist() == [-1.0] * 7
    assert np.isnan([gate[7], gate[15], squashed[7], squashed[15]]).all()
    assert gate[16:].tolist() == [0.5] * 8
    assert squashed[16:].tolist() == [0.0] * 8
