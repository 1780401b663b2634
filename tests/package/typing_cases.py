"""What type checkers see of the public functions: mypy and pyright check this file, and nothing runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import sigrnn
from sigrnn import offline

Array = NDArray[Any]
Single = NDArray[np.float32]
Double = NDArray[np.float64]
Complex = NDArray[np.complex128]
b, a, sos = [1.0], [1.0, 0.5], [[1.0, 0.0, 0.0, 1.0, 0.5, 0.0]]


def double(x: Double, n: NDArray[np.int64]) -> None:
    assert_type(sigrnn.lfilter(b, a, x), Double)
    assert_type(sigrnn.lfilter(b, a, n), Double)
    assert_type(sigrnn.lfilter([1, 2], [1], [1, 2, 3]), Double)
    assert_type(sigrnn.lfilter(b, a, x, 0, method="sequential"), Double)
    assert_type(sigrnn.lfilter(b, a, x, zi=[0.0]), tuple[Double, Double])
    assert_type(sigrnn.lfilter(b, a, x, -1, [0.0], direction="backward"), tuple[Double, Double])
    assert_type(sigrnn.sosfilt(sos, x), Double)
    assert_type(sigrnn.sosfilt(sos, x, zi=0.0), tuple[Double, Double])
    assert_type(sigrnn.lfilter_tv(np.ones((9, 1)), np.ones((9, 2)), x), Double)
    assert_type(sigrnn.lfilter_tv(np.ones((9, 1)), np.ones((9, 2)), x, zi=0.0), tuple[Double, Double])
    assert_type(sigrnn.nlfilter(b, a, x, activation="relu"), Double)
    assert_type(sigrnn.nlfilter(b, a, x, zi=0.0), tuple[Double, Double])
    assert_type(sigrnn.filtfilt(b, a, x), Double)
    assert_type(sigrnn.sosfiltfilt(sos, x), Double)


def one_dtype(f: Single, c: Complex) -> None:
    assert_type(sigrnn.lfilter(f, f, f), Single)
    assert_type(sigrnn.lfilter(c, c, c, zi=c), tuple[Complex, Complex])
    assert_type(sigrnn.lfilter(f, f, f, 0, f), tuple[Single, Single])
    assert_type(sigrnn.sosfilt(f, f), Single)
    assert_type(sigrnn.nlfilter(f, f, f, zi=0.0), tuple[Single, Single])
    assert_type(sigrnn.filtfilt(c, c, c, padtype=None), Complex)
    assert_type(sigrnn.sosfiltfilt(f, f), Single)


def mixed(x: Double, f: Single, c: Complex, some: Array) -> None:
    assert_type(sigrnn.lfilter(b, a, c), Array)
    assert_type(sigrnn.lfilter(f, f, c), Array)
    assert_type(sigrnn.lfilter(some, some, some), Array)
    assert_type(sigrnn.lfilter(b, a, x, out=np.zeros(9, np.int16)), Array)
    assert_type(sigrnn.filtfilt(b, a, c), Array)
    assert_type(sigrnn.Stream(b, a)(x), Array)
    sigrnn.lfilter(b, a, x, taps=3)  # type: ignore[call-overload] # pyright: ignore


def derivatives(x: Double) -> None:
    y, pullback = sigrnn.vjp(sigrnn.lfilter, b, a, x)
    assert_type(y, Array)
    assert_type(pullback(y), tuple[Array, ...])
    value, pullback = sigrnn.vjp(sigrnn.lfilter, b, a, x, zi=0.0)
    assert_type(value, tuple[Array, Array])
    assert_type(sigrnn.vjp(sigrnn.rnn, x, x, x, checkpoint=100)[0], tuple[Array, Array])
    assert_type(sigrnn.vjp(sigrnn.lstm, x, x, x)[0], tuple[Array, tuple[Array, Array]])
    assert_type(sigrnn.jvp(sigrnn.nlfilter, (b, a, x), (None, None, x)), tuple[Array, Array])
    assert_type(sigrnn.synchronous_grad(sigrnn.nlfilter, b, a, x)[0], Array)


def models(x: Double) -> None:
    model = sigrnn.load("pedal.npz")
    assert_type(model, sigrnn.Model)
    assert_type(model(x), Array)
    assert_type(model.run(x)[0], Array)
    assert_type(sigrnn.from_rtneural_json("{}"), sigrnn.Model)
    assert_type(sigrnn.IIR(2).copy(), sigrnn.IIR)


@sigrnn.patch_scipy("lfilter")
def decorated(count: int) -> str:
    return str(count)


def others(x: Double) -> None:
    assert_type(decorated(3), str)
    assert_type(offline.sosfiltfilt(sos, "x.npy", x), Double)
    assert_type(offline.sosfiltfilt(sos, "x.npy", "y.npy"), np.memmap[Any, np.dtype[Any]])
