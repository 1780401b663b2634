"""`to_c`: what a compiler makes of the file gives what the model's stream gives."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from model_cases import IDS, MODELS, made

import sigrnn
from sigrnn.models.exchange.c import ACTIVATIONS

COMPILER = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def compiled(model, folder, name="model"):
    """The step as a function of a whole signal, from rest."""
    source, library = folder / "model.c", folder / f"{name}.so"
    text = model.to_c(source, name)
    assert source.read_text() == text
    assert "alloc" not in text
    command = [COMPILER, "-std=c99", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    size = f"\nunsigned long state_size(void) {{ return sizeof({name}_state); }}\n"
    source.write_text(text + size)
    subprocess.run([*command, str(source), "-o", str(library), "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.state_size.restype = ctypes.c_ulong
    state = ctypes.create_string_buffer(loaded.state_size())
    getattr(loaded, f"{name}_reset")(state)
    double = ctypes.POINTER(ctypes.c_double)

    def run(x):
        y = np.empty((len(x), model.outputs))
        for sample, out in zip(np.ascontiguousarray(x), y, strict=True):
            getattr(loaded, f"{name}_step")(state, sample.ctypes.data_as(double), out.ctypes.data_as(double))
        return y

    return run


CASES = [case for case in MODELS if "own" not in case[0] and case[0] not in ("Parallel", "Bidirectional")]


@pytest.mark.parametrize(("name", "make", "inputs"), CASES, ids=[case[0] for case in CASES])
def test_c_is_the_stream(name, make, inputs, rng, tmp_path):
    model = made(make, inputs)
    x = rng.standard_normal((40, inputs))
    stream, run = model.stream(), compiled(model, tmp_path)
    for block in (x[:15], x[15:]):
        assert np.allclose(run(block), stream(block), rtol=1e-11, atol=1e-12)


def test_delays(rng, tmp_path):
    model, x = sigrnn.Delay(9), rng.standard_normal((30, 3))
    model.params = {"samples": [0, 1, 9]}
    np.testing.assert_array_equal(compiled(model, tmp_path)(x), model(x))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, rng, tmp_path):
    model = sigrnn.Chain(sigrnn.NonlinearIIR(2, 1, name), sigrnn.Dense(2, name)).init(rng=0)
    x = 3.0 * rng.standard_normal((60, 1))
    assert np.allclose(compiled(model, tmp_path, "net")(x), model(x), rtol=1e-11, atol=1e-12)


def test_all_activations_have_a_form():
    from sigrnn._kernels.activation_table import TABLE

    assert sorted(ACTIVATIONS) == sorted(TABLE)


def test_what_has_no_form_in_c():
    with pytest.raises(ValueError, match=r"Bidirectional\(.*\) has no form in C"):
        sigrnn.Chain(sigrnn.Bidirectional(sigrnn.GRU(1)), sigrnn.Dense(1)).init().to_c()
    with pytest.raises(ValueError, match="name must be a name of C, got '2nd'"):
        sigrnn.FIR(1).init().to_c(name="2nd")
    with pytest.raises(ValueError, match="no sizes yet"):
        sigrnn.FIR(1).to_c()
    model = sigrnn.FIR(1).init()
    model.params["b"] = [np.nan]
    with pytest.raises(ValueError, match="parameters must be finite, one is nan"):
        model.to_c()


def test_cases_are_known():
    assert {"Feedback", "StateSpace, powers", "nested"} <= set(IDS)
