"""What stands around compiled code: how many Python functions an ordinary call runs. Times are measured in bench/, not here."""

import numpy as np
import pytest
import scipy.signal
from helpers import python_calls

import sigrnn

B, A = scipy.signal.butter(2, 0.2)
SOS = scipy.signal.butter(8, 0.2, output="sos")
ZI = np.zeros(2)


@pytest.mark.parametrize("samples", [64, 1000, 5000, 65_536])
def test_filters_of_one_channel(rng, samples):
    x = rng.standard_normal(samples)
    y = np.empty_like(x)
    assert python_calls(lambda: sigrnn.lfilter(B, A, x)) <= 2
    assert python_calls(lambda: sigrnn.lfilter(B, A, x, zi=ZI, out=y)) <= 3
    assert python_calls(lambda: sigrnn.sosfilt(SOS, x)) <= 3
    assert python_calls(lambda: sigrnn.filtfilt(B, A, x)) <= 8
    assert python_calls(lambda: sigrnn.sosfiltfilt(SOS, x)) <= 8
    assert python_calls(lambda: sigrnn.lfilter(B, np.ones(1), x)) <= 12
    assert python_calls(lambda: sigrnn.lfilter(B, A, x.reshape(2, -1))) <= 6
    assert python_calls(lambda: sigrnn.sosfilt(SOS, x.reshape(-1, 2), axis=0)) <= 7


@pytest.mark.parametrize("samples", [64, 1000, 5000])
def test_gradients_of_one_channel(rng, samples):
    x, dy = rng.standard_normal((2, samples))
    _, pullback = sigrnn.vjp(sigrnn.lfilter, B, A, x)
    assert python_calls(lambda: sigrnn.vjp(sigrnn.lfilter, B, A, x)) <= 6
    assert python_calls(lambda: pullback(dy)) <= 4


def test_nonlinear_filters_of_one_channel(rng):
    x = rng.standard_normal(64)
    assert python_calls(lambda: sigrnn.nlfilter(B, A, x)) <= 8


def test_blocks_of_a_stream(rng):
    x = rng.standard_normal(64)
    stream = sigrnn.Stream(B, A)
    stream(x)
    assert python_calls(lambda: stream(x)) <= 5


def test_constants_are_kept(rng, monkeypatch):
    # Nothing that depends on coefficients and length alone is made twice.
    from sigrnn.filters import _blocks

    x = rng.standard_normal(3000)
    sigrnn.lfilter(B, A, x)
    monkeypatch.setattr(_blocks, "_kernels", None)
    sigrnn.lfilter(B, A, x)
