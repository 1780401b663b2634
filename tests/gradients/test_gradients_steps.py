"""The filter that trainers call, with coefficients of its own each time: the same as `vjp` of `lfilter`, bit for bit."""

import numpy as np
import pytest

import sigrnn
from sigrnn.gradients import steps


@pytest.mark.parametrize("order", [1, 2, 5, 12])
@pytest.mark.parametrize("samples", [0, 1, 3, 700])
@pytest.mark.parametrize("given", [False, True])
def test_as_vjp(order, samples, given, rng):
    b, a = rng.standard_normal(order + 1), np.append(1.0, 0.3 / order * rng.standard_normal(order))
    x, dy = rng.standard_normal((2, 2 * samples))[:, ::2]  # strided
    zi = rng.standard_normal(order)
    assert steps.serves(x, b, a)
    kept = [c.copy() for c in (b, a, x, zi, dy)]
    y, zf, pull = steps.filtered(b, a, x, zi if given else None)
    (expected, final), pullback = sigrnn.vjp(
        sigrnn.lfilter, b, a, x, zi=zi if given else np.zeros(order), method="sequential"
    )
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(zf, final)
    for changed in (x, y):
        changed += 1.0
    db, da, dx = pull(dy)
    x[...] = kept[2]
    wanted = pullback((dy, None))
    np.testing.assert_array_equal(db, wanted[0])
    np.testing.assert_array_equal(da[1:], wanted[1][1:])
    assert da[0] == 0.0  # a trainer does not move it
    np.testing.assert_array_equal(dx, wanted[2])
    for array, before in zip((b, a, x, zi, dy), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_what_it_serves():
    x, c = np.zeros(100), np.ones(3)
    assert not steps.serves(x.astype("f"), c, c)
    assert not steps.serves(np.zeros(steps.LONG), c, c)
    assert not steps.serves(x, c, c[:1])
    assert not steps.serves(x, c[:1], c[:1])


@pytest.mark.parametrize("samples", [100, 5000])
def test_the_model_has_gradients_of_differences(samples, rng):
    model, x = sigrnn.IIR(2).init(1, rng=0), rng.standard_normal(samples)
    weights = rng.standard_normal(samples)
    _, pull = model.vjp(x)
    found = model.vector_gradient(pull(weights)[0])
    theta, h = model.to_vector(), 1e-6
    for k in range(len(theta)):
        moved = [weights @ model.from_vector(theta + s * h * np.eye(len(theta))[k])(x) for s in (1, -1)]
        np.testing.assert_allclose(found[k], (moved[0] - moved[1]) / (2 * h), rtol=1e-6, atol=1e-6)
