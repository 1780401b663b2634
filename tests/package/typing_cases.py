"""What type checkers see of the public functions: mypy checks this file with the package, and nothing runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import sigrnn

Array = NDArray[Any]


def typed() -> None:
    x = np.ones(9)
    b, a = [1.0], [1.0, 0.5]
    sos = [[1.0, 0.0, 0.0, 1.0, 0.5, 0.0]]

    assert_type(sigrnn.lfilter(b, a, x), Array)
    assert_type(sigrnn.lfilter(b, a, x, 0, out=x, method="sequential"), Array)
    assert_type(sigrnn.lfilter(b, a, x, zi=[0.0]), tuple[Array, Array])
    assert_type(sigrnn.lfilter(b, a, x, -1, [0.0], direction="backward"), tuple[Array, Array])
    assert_type(sigrnn.sosfilt(sos, x), Array)
    assert_type(sigrnn.sosfilt(sos, x, zi=0.0), tuple[Array, Array])
    assert_type(sigrnn.lfilter_tv(np.ones((9, 1)), np.ones((9, 2)), x), Array)
    assert_type(sigrnn.lfilter_tv(np.ones((9, 1)), np.ones((9, 2)), x, zi=0.0), tuple[Array, Array])
    assert_type(sigrnn.nlfilter(b, a, x, activation="relu", bias=0.1), Array)
    assert_type(sigrnn.nlfilter(b, a, x, zi=0.0), tuple[Array, Array])
    assert_type(sigrnn.filtfilt(b, a, x), Array)
    assert_type(sigrnn.Stream(b, a)(x), Array)
    sigrnn.lfilter(b, a, x, taps=3)  # type: ignore[call-overload]
