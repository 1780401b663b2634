"""Mistakes whose message was NumPy's or another library's, and named no argument."""

import datetime
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from helpers import environment

import sigrnn

B, A, SOS = [0.5, 0.5], [1.0, -0.5], [[1.0, 0, 0, 1, 0, 0]]
DATES = np.array([datetime.date(2020, 1, 1)] * 30, "M8[D]")
BOTH_WAYS = {"filtfilt": (lambda x: sigrnn.filtfilt(B, A, x)), "sosfiltfilt": (lambda x: sigrnn.sosfiltfilt(SOS, x))}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_what_cannot_be_filtered_both_ways(name):
    for x, message in (
        (["1.0"] * 30, "^x must be numbers, got dtype <U3"),
        (DATES, r"^x must be numbers, got dtype datetime64\[D\]"),
        (np.zeros(30, [("a", float)]), r"^x must be numbers, got dtype \[\('a'"),
        ([None] * 30, "x has dtype object: there is no kernel for that"),
        ([Decimal(1)] * 30, "x has dtype object: there is no kernel for that"),
    ):
        with pytest.raises(TypeError, match=message):
            BOTH_WAYS[name](x)


def test_a_tensor_that_requires_grad():
    torch = pytest.importorskip("torch")
    x = torch.ones(5, requires_grad=True)
    for call in (
        lambda: sigrnn.lfilter(B, A, x),
        lambda: sigrnn.FIR(2).init(1)(x),
        lambda: sigrnn.fit(sigrnn.FIR(1), x, x),
    ):
        with pytest.raises(RuntimeError, match=r"^x is a tensor that requires grad: sigrnn\.torch .*x\.detach"):
            call()


def test_far_more_workers_than_processors(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with pytest.warns(RuntimeWarning, match="100 workers on 2 processors"), sigrnn.set_workers(100):
        assert sigrnn.get_workers() == 100
    with sigrnn.set_workers(8):
        assert sigrnn.get_workers() == 8


ABSENT = {
    "torch": ("import sigrnn.torch", "torch"),
    "jax": ("import sigrnn.jax", "jax"),
    "dask": ("import sigrnn.dask", "dask"),
    "xarray": ("import sigrnn.xarray", "xarray"),
    "sklearn": ("import sigrnn.sklearn", "sklearn"),
    "onnx": ("import sigrnn; sigrnn.FIR(2).init(1).to_onnx()", "onnx"),
    "state_dict": ("import sigrnn; sigrnn.FIR(2).init(1).to_torch_state_dict()", "torch"),
}


@pytest.mark.parametrize("what", ABSENT)
def test_what_is_not_installed(what):
    run, name = ABSENT[what]
    code = f"import sys; sys.modules[{name!r}] = None; {run}"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"pip install 'sigrnn[{name}]'" in done.stderr.splitlines()[-1]
