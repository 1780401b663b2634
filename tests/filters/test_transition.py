"""The constants of time blocks in NumPy: the kernels' bits, and used until the kernels are worth their compilation."""

import numpy as np
import pytest
import scipy.signal
from helpers import answer_of_fresh_process

from sigrnn._kernels.filters import block_transition
from sigrnn._kernels.sizes import LANES, LONGEST, TRANSITION_WIDTH, transition_columns
from sigrnn.filters import _blocks, _transition

LENGTH, CARRY = 60, 1.0


def constants(b, a, compiled):
    """[A B], whether it is stable, T and its inverse, [A B] in its coordinates, what samples add, A^L."""
    states = len(b) * (b.shape[1] - 1)
    shape = states, transition_columns(states)
    system, normal, basis = np.zeros((2, *shape)), np.zeros((2, *shape)), np.zeros((2, 2, *shape))
    added, power = np.empty((LENGTH, states)), np.empty(shape)
    if compiled:
        kernel = block_transition.transition
        kernel("state_space")(b, a, system)
        stable = kernel("basis")(system, basis, normal, np.zeros((4, *shape)), np.zeros((2, 2, *shape)))
        work = np.zeros((2, 2, states, TRANSITION_WIDTH)), np.zeros((3, 2, *shape))
        kernel("inputs")(normal, added, CARRY, *work)
        kernel("power")(normal, LENGTH, power, np.zeros((3, 2, *shape)))
    else:
        _transition.state_space(b, a, system)
        stable = _transition.input_normal(system, basis, normal)
        _transition.inputs(normal, added, CARRY)
        _transition.power(normal, LENGTH, power)
    return (system, stable, basis, normal, added, power) if stable else (system, stable)


def filters(rng, kind, order):
    if kind == "close to the circle":
        radius = 1.0 - 10.0 ** rng.uniform(-9, -0.3, order)
        poles = (radius * np.exp(1j * rng.uniform(0, np.pi, order)))[: order // 2]
        a = np.poly(np.concatenate([poles, poles.conj(), radius[: order % 2]])).real
        return rng.standard_normal((1, order + 1)) * 10.0 ** rng.uniform(-8, 3), a[None]
    if kind == "tiny poles":
        return rng.standard_normal((1, order + 1)), np.poly(10.0 ** rng.uniform(-40, -1, order))[None]
    if kind == "unstable":
        return rng.standard_normal((1, order + 1)), np.poly(rng.uniform(0.5, 1.2, order))[None]
    sos = scipy.signal.butter(order, rng.uniform(0.01, 0.9), output="sos")
    return np.ascontiguousarray(sos[:4, :3]), np.ascontiguousarray(sos[:4, 3:])


@pytest.mark.parametrize("kind", ["close to the circle", "tiny poles", "unstable", "sections"])
@pytest.mark.parametrize("order", [1, 2, 3, 8, 12, 32])
def test_numpy_finds_the_bits_of_the_kernels(rng, kind, order):
    for _ in range(20 if order < 12 else 3):
        b, a = filters(rng, kind, order)
        for numpys, kernels in zip(constants(b, a, False), constants(b, a, True), strict=True):
            np.testing.assert_array_equal(numpys, kernels)


@pytest.mark.parametrize("pole", [-0.9998, -0.99, -0.7])
@pytest.mark.parametrize("compiled", [False, True])
def test_rounding_errors_of_weights_do_not_add_up(pole, compiled):
    b, a = np.array([[1.0, 0.3]]), np.array([[1.0, -pole]])
    _, _, _, normal, added, _ = constants(b, a, compiled)
    factor, weight = (normal[0, 0, k].astype(np.longdouble) + normal[1, 0, k] for k in range(2))
    exact = weight * np.sum(factor ** np.arange(LENGTH, dtype=np.longdouble))
    assert abs(added.astype(np.longdouble).sum() - exact) <= np.spacing(abs(added).max())


@pytest.mark.parametrize("states", [1, 2, 4, 5, 32])
def test_lengths_of_blocks(states):
    for samples in [*range(200, 9000, 7), *(10 ** np.linspace(4, 7, 200)).astype(int).tolist()]:
        length = _blocks.length_for(samples, states)
        if samples < 256:
            assert length == 0
            continue
        assert length % 4 == 0
        assert 16 <= length <= LONGEST
        segments, left = divmod(samples, length * LANES)
        assert segments > 0
        assert left < max(64, 0.1 * samples)


def test_coefficients_out_of_range_are_left_to_the_kernels(monkeypatch):
    monkeypatch.setattr(_blocks, "_in_numpy", 0)
    monkeypatch.setattr(_blocks, "_at_hand", lambda: False)
    asked = []
    monkeypatch.setattr(_transition, "input_normal", lambda *arguments: asked.append(arguments) or False)
    for gain in (1.0, 1e150, 1e-150, np.nan):
        _blocks.normal_form([_blocks.state_space(np.array([[gain, 0.2]]), np.array([[1.0, -0.5]]))])
    assert len(asked) == 1
    assert _blocks._in_numpy == 1


CALLS = """
import json, numpy, sigrnn
from sigrnn._kernels.base.jit import KernelCache
loaded, load = [], KernelCache.load_overload
KernelCache.load_overload = lambda self, *given: loaded.append(self.name) or load(self, *given)
x, found = numpy.ones(5000), []
for filter in range(40):
    y = sigrnn.lfilter([1.0, 0.5], [1.0, -0.01 * filter], x)
    if "basis" in loaded and not found:
        found.append(filter)
print(json.dumps([found, y[-1]]))
"""


def test_kernels_are_compiled_when_filters_are_many(tmp_path):
    env = {"NUMBA_CACHE_DIR": tmp_path}
    first = answer_of_fresh_process(CALLS, env=env)
    assert first[0] == [_blocks.MANY]
    again = answer_of_fresh_process(CALLS, env=env)  # they are in the cache now
    assert again == [[0], first[1]]
