"""Gradients of `nlfilter`: complex steps through the slow twin, central differences, torch, delta[n], blocks, errors."""

import numpy as np
import pytest
import reference
from helpers import LAYOUTS, Unchanged, assert_close, assert_same, contractive, noise

import sigrnn
from sigrnn import Activation, jvp, lfilter, nlfilter, set_workers, synchronous_grad, vjp
from sigrnn.activations import NAMES

STEP = 1e-6  # of central differences: their error is about 1e-10 for values of size 1
TINY = 1e-30  # of complex steps: they have none
B, A = np.array([0.9, -0.4, 0.3]), np.array([2.0, -0.7, 0.5])


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def flat(value):
    return np.concatenate([np.ravel(part) for part in parts(value)])


def like(rng, array):
    return noise(rng, np.shape(array))


def inner(u, v):
    return flat(u) @ flat(v)


def assert_derivatives(rng, arrays, derivative=None, **options):
    """vjp against jvp, and jvp, argument by argument, against a derivative in a direction: of differences by default."""
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    names, given = list(arrays), tuple(arrays.values())
    assert names == [name for name in ("b", "a", "x", "zi", "bias") if name in names]
    with Unchanged(*given):
        desired = nlfilter(**arrays, **options)
        value, pullback = vjp(nlfilter, **arrays, **options)
        slope = tuple(like(rng, part) for part in parts(value))
        gradients = pullback(slope if isinstance(value, tuple) else slope[0])
    for mine, theirs in zip(parts(value), parts(desired), strict=True):
        assert_same(mine, theirs)
    assert len(gradients) == len(given)
    for i, (name, array, gradient) in enumerate(zip(names, given, gradients, strict=True)):
        assert gradient.shape == array.shape
        assert gradient.dtype == array.dtype
        direction = like(rng, array)
        tangents = [None] * len(given)
        tangents[i] = direction
        again, change = jvp(nlfilter, (), tuple(tangents), **arrays, **options)
        assert_same(flat(again), flat(value))
        if derivative is not None:
            exact = derivative({**arrays, name: array + 1j * TINY * direction})
            scale = max(1.0, np.abs(exact).max(initial=0.0))
            np.testing.assert_allclose(flat(change), exact, rtol=0, atol=1e-13 * scale, err_msg=name)
        else:
            ends = [flat(nlfilter(**{**arrays, name: array + h * direction}, **options)) for h in (STEP, -STEP)]
            difference = (ends[0] - ends[1]) / (2 * STEP)
            scale = max(1.0, np.abs(difference).max(initial=0.0))
            np.testing.assert_allclose(flat(change), difference, rtol=1e-6, atol=1e-7 * scale, err_msg=name)
        size = np.linalg.norm(flat(change)) * np.linalg.norm(flat(slope))
        assert abs(inner(slope, change) - inner(gradient, direction)) <= 1e-12 * max(size, 1.0), name


def by_complex_step(activation):
    """The derivative of the slow twin of one channel in the direction of the imaginary parts."""

    def derivative(arrays):
        y, z, _ = reference.nonlinear(
            arrays["b"],
            arrays["a"],
            arrays["x"],
            reference.ACTIVATIONS[activation],
            arrays.get("bias", 0.0),
            arrays.get("zi"),
        )
        return np.imag(np.concatenate([y, z if "zi" in arrays else []])) / TINY

    return derivative


# All arguments


@pytest.mark.parametrize("name", NAMES)
def test_activations(rng, name):
    for b, a in ((B[:2], A[:2]), (B, A[:1])):
        arrays = {"b": b, "a": a, "x": 2 * noise(rng, 40), "zi": noise(rng, len(b) - 1), "bias": np.array(0.2)}
        assert_derivatives(rng, arrays, by_complex_step(name), activation=name)
        assert_derivatives(rng, arrays, activation=name)
        del arrays["zi"], arrays["bias"]
        assert_derivatives(rng, arrays, by_complex_step(name), activation=name)


@pytest.mark.parametrize("samples", [0, 1, 2, 23])
@pytest.mark.parametrize(
    ("b", "a"),
    [
        (B, A),
        ([1.5], A),
        (np.array([0.7, -0.4, 0.3, 0.2, 0.1]), A),
        (B[:2], np.array([-1.5, 0.5, 0.3, 0.1, 0.2, 0.05])),
        (B, [2.0]),
        ([3.0], [2.0]),
        (B, [2.0, 0.0, 0.0]),
        ([0.0, 1.0], [1.0, 0.0, 0.9]),
    ],
)
def test_lengths(rng, b, a, samples):
    x, zi = noise(rng, samples), noise(rng, max(len(b), len(a)) - 1)
    b, a = np.array(b), np.array(a)
    assert_derivatives(rng, {"b": b, "a": a, "x": x}, by_complex_step("tanh"))
    assert_derivatives(rng, {"b": b, "a": a, "x": x, "zi": zi, "bias": np.array(-0.3)}, by_complex_step("tanh"))


@pytest.mark.parametrize("order", [1, 9, 20, 70])
def test_orders(rng, order):
    b, a = contractive(rng, order)
    given = {"b": b, "a": 1.5 * a, "x": noise(rng, 100), "zi": noise(rng, order), "bias": np.array(0.1)}
    assert_derivatives(rng, given, by_complex_step("tanh"))
    if order in (9, 70):
        assert_derivatives(rng, given | {"x": noise(rng, (3, 100)), "zi": noise(rng, (3, order))})


@pytest.mark.parametrize("channels", [1, 3, 20])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_channels(rng, channels, axis, activation):
    """'gelu' needs e for its slope, 'tanh' does not."""
    b, a = contractive(rng, 1)
    x = noise(rng, (channels, 150) if axis else (150, channels))
    zi = noise(rng, (channels, 1) if axis else (1, channels))
    given = {"b": b, "a": a, "x": x, "zi": zi, "bias": noise(rng, channels)}
    assert_derivatives(rng, given, axis=axis, activation=activation)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("state", ["full", "ones", "scalar"])
def test_axes_and_states(rng, axis, state):
    x = noise(rng, (4, 5, 6))
    shape = list(x.shape) if state == "full" else [1, 1, 1]
    shape[axis] = 2
    zi = noise(rng, () if state == "scalar" else shape)
    for a in (A, A[:1]):
        assert_derivatives(rng, {"b": B, "a": a, "x": x, "zi": zi, "bias": np.array(0.1)}, axis=axis)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_a_filter_for_each_channel(rng, activation):
    a, each, bias = np.stack([A[:2], A[:2] + 0.1]), noise(rng, (2, 2)), noise(rng, 2)
    cases = [
        ({"b": each, "a": A[:2], "x": noise(rng, (2, 23)), "zi": noise(rng, (2, 1)), "bias": bias}, -1),
        ({"b": B[:2], "a": a, "x": noise(rng, (23, 2)), "zi": noise(rng, (1, 1))}, 0),
        ({"b": each, "a": a, "x": noise(rng, (1, 23)), "zi": noise(rng, (1, 1)), "bias": bias[:1]}, -1),
        ({"b": each[:, None], "a": a, "x": noise(rng, (2, 1, 23)), "bias": noise(rng, (2, 1))}, -1),
        ({"b": B[:2], "a": A[:2], "x": noise(rng, (1, 23)), "bias": noise(rng, 3)}, -1),
        ({"b": each, "a": A[:1], "x": noise(rng, (2, 23)), "zi": noise(rng, (2, 1)), "bias": bias}, -1),
        ({"b": B[:2], "a": a[:, :1], "x": noise(rng, (3, 23, 2)), "bias": noise(rng, (3, 1))}, 1),
    ]
    for given, axis in cases:
        assert_derivatives(rng, given, axis=axis, activation=activation)


def test_pieces(rng):
    """More samples than are taken at a time, with and without feedback, compared with a chain of short blocks."""
    for shape, axis in (((150_000,), 0), ((2, 70_000), 1), ((40_000, 3), 0)):
        x, dy = noise(rng, shape), noise(rng, shape)
        for a in (A, A[:1]):
            y, pullback = vjp(nlfilter, B, a, x, axis)
            again, in_blocks = vjp(nlfilter, B, a, x, axis, checkpoint=10_007)
            assert_close(again, y)
            for mine, theirs in zip(in_blocks(dy), pullback(dy), strict=True):
                assert_close(mine, theirs, 1e5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    x, dy, zi = (LAYOUTS[layout](noise(rng, shape)) for shape in ((3, 30), (3, 30), (3, 2)))
    plain = [np.array(array, float) for array in (x, dy, zi)]
    with Unchanged(x, dy, zi):
        mine = vjp(nlfilter, B, A, x, zi=zi)[1]((dy, zi))
    for ours, theirs in zip(mine, vjp(nlfilter, B, A, plain[0], zi=plain[2])[1]((plain[1], plain[2])), strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("shape", [(60,), (3, 60)])
def test_single_precision(rng, shape):
    """float32 gradients, their sums taken in float64."""
    given = [B[:2].astype("f"), A[:2].astype("f"), noise(rng, shape, "f")]
    states = {"zi": noise(rng, (*shape[:-1], 1), "f"), "bias": np.float32(0.25)}
    dy, dzf = noise(rng, shape, "f"), noise(rng, (*shape[:-1], 1), "f")
    value, pullback = vjp(nlfilter, *given, **states)
    exact, desired = vjp(
        nlfilter, *(c.astype(float) for c in given), zi=states["zi"].astype(float), bias=np.array(0.25)
    )
    assert [part.dtype for part in value] == [np.float32] * 2
    np.testing.assert_allclose(value[0], exact[0], rtol=1e-6, atol=1e-7)
    gradients = pullback((dy, dzf))
    assert [gradient.dtype for gradient in gradients] == [np.float32] * 5
    for mine, theirs in zip(gradients, desired((dy, dzf)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)
    assert pullback.excitation_gradient.dtype == np.float32
    _, change = jvp(nlfilter, given, (None, None, dy), **states)
    assert [part.dtype for part in change] == [np.float32] * 2


def test_threads_change_nothing(rng):
    x, dy = noise(rng, (40, 10_000)), noise(rng, (40, 10_000))
    alone = vjp(nlfilter, B, A, x)[1](dy)
    with set_workers(2):
        for mine, theirs in zip(vjp(nlfilter, B, A, x)[1](dy), alone, strict=True):
            assert_close(mine, theirs)


# Against others


@pytest.mark.parametrize("name", NAMES)
def test_against_torch(rng, name):
    torch = pytest.importorskip("torch")
    nn = torch.nn.functional
    functions = {
        "linear": lambda e: e,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "hard_tanh": nn.hardtanh,
        "hard_sigmoid": lambda e: torch.clamp(e + 3.0, 0.0, 6.0) / 6.0,  # torch's own has a slope of float32(1 / 6)
    }
    given = [B[:2], A[:2], 2 * noise(rng, 50), np.array(0.3)]
    tensors = [torch.tensor(array, requires_grad=True) for array in given]
    b, a, x, bias = tensors
    g = functions[name] if name in functions else getattr(nn, name)
    y, before, last = [], torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for n in range(50):
        last = g((b[0] * x[n] + b[1] * before - a[1] * last) / a[0] + bias)
        before = x[n]
        y.append(last)
    y, dy = torch.stack(y), noise(rng, 50)
    y.backward(torch.tensor(dy))
    value, pullback = vjp(nlfilter, *given[:3], activation=name, bias=given[3])
    assert_close(value, y.detach().numpy())
    for mine, theirs in zip(pullback(dy), tensors, strict=True):
        assert_close(mine, theirs.grad.numpy(), 5000)


def test_linear_agrees_with_lfilter(rng):
    x, zi, dy, dzf = noise(rng, (3, 200)), noise(rng, (3, 2)), noise(rng, (3, 200)), noise(rng, (3, 2))
    _, mine = vjp(nlfilter, B, A, x, zi=zi, activation="linear")
    _, theirs = vjp(lfilter, B, A, x, zi=zi)
    for ours, other in zip(mine((dy, dzf)), theirs((dy, dzf)), strict=True):
        assert_close(ours, other)
    tangents = tuple(like(rng, array) for array in (B, A, x, zi))
    for ours, other in zip(
        jvp(nlfilter, (B, A, x), tangents, zi=zi, activation="linear")[1],
        jvp(lfilter, (B, A, x), tangents, zi=zi)[1],
        strict=True,
    ):
        assert_close(ours, other)


@pytest.mark.parametrize("shape", [(100_000,), (16, 6250), (6250, 16)])
def test_adjoint_identity(rng, shape):
    """<J t, w> = <t, J^T w>."""
    axis = int(np.argmax(shape))
    x, (b, a) = noise(rng, shape), contractive(rng, 2)
    zi = noise(rng, [2 if k == axis else n for k, n in enumerate(shape)])
    for activation, a_or_not in (("tanh", a), ("gelu", a[:1])):
        arrays = b, a_or_not, x, zi, np.array(0.1)
        tangents = tuple(like(rng, array) for array in arrays)
        options = {"axis": axis, "zi": zi, "bias": arrays[-1], "activation": activation}
        value, change = jvp(nlfilter, arrays[:3], tangents, **options)
        slope = tuple(like(rng, part) for part in value)
        gradients = vjp(nlfilter, *arrays[:3], **options)[1](slope)
        size = np.linalg.norm(flat(change)) * np.linalg.norm(flat(slope))
        assert abs(inner(slope, change) - inner(gradients, tangents)) <= 1e-9 * size


# The lecture's delta[n] and epsilon[n]


@pytest.mark.parametrize("name", ["tanh", "relu", "silu"])
def test_delta_is_the_plain_recursion(rng, name):
    b, a = contractive(rng, 1)
    x, zi, dy, dzf = noise(rng, 60), noise(rng, 1), noise(rng, 60), noise(rng, 1)
    g = reference.ACTIVATIONS[name]
    y, _, e = reference.nonlinear(b, a, x, g, 0.2, zi)
    delta = reference.excitation_gradient(a, reference.slope(g, e), dy, dzf)
    _, pullback = vjp(nlfilter, b, a, x, zi=zi, bias=np.array(0.2), activation=name)
    db, da, dx, dzi, dbias = pullback((dy, dzf))
    assert_close(pullback.excitation_gradient, delta)
    # and the rest is sums of its products
    end = np.append(delta, dzf)
    assert_close(dx, b[0] * end[:-1] + b[1] * end[1:])
    assert_close(db, np.array([x @ end[:-1], x @ end[1:]]))
    assert_close(da[1:], np.array([-y @ end[1:]]))
    assert_close(da[0], np.float64(-(b @ db + a[1:] @ da[1:])))  # (b, a) and (c b, c a) are one filter
    assert_close(dbias, np.array(delta.sum()))
    assert_close(dzi, delta[:1])


def test_delta_is_the_derivative_by_the_excitation(rng):
    """By definition: with b as long as the signal, zi[n] is added to e[n] and to nothing else."""
    b, a = contractive(rng, 2)
    b = np.append(b, np.zeros(28))
    x, dy, zi = noise(rng, 30), noise(rng, 30), np.zeros(30)
    _, pullback = vjp(nlfilter, b, a, x)
    pullback(dy)
    for n in (0, 7, 29):
        ends = []
        for step in (STEP, -STEP):
            zi[n] = step
            ends.append(dy @ nlfilter(b, a, x, zi=zi)[0])
        zi[n] = 0.0
        np.testing.assert_allclose(pullback.excitation_gradient[n], (ends[0] - ends[1]) / (2 * STEP), rtol=1e-7)


@pytest.mark.parametrize("shape", [(40,), (3, 40)])
def test_delta_has_the_shape_of_y(rng, shape):
    x, dy, (b, a) = noise(rng, shape), noise(rng, shape), contractive(rng, 1)
    _, pullback = vjp(nlfilter, b, a, x, activation="gelu")
    pullback(dy)
    delta = pullback.excitation_gradient
    assert delta.shape == shape
    _, by_blocks = vjp(nlfilter, b, a, x, activation="gelu", checkpoint=7)
    by_blocks(dy)
    assert_close(by_blocks.excitation_gradient, delta)
    assert_close(by_blocks.excitation_gradient, delta)
    pullback(2 * dy)
    assert_close(pullback.excitation_gradient, 2 * delta)  # of the last call
    _, turned = vjp(nlfilter, b, a, x.T, 0, activation="gelu")
    turned(dy.T)
    assert_close(turned.excitation_gradient, delta.T)


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_synchronous_gradients_are_sums_of_epsilon(rng, name):
    b, a = contractive(rng, 1)
    b, a, x, dy = 1.5 * b, 1.5 * a, noise(rng, 60), noise(rng, 60)
    g = reference.ACTIVATIONS[name]
    y, _, e = reference.nonlinear(b, a, x, g, 0.2)
    epsilon = reference.slope(g, e) * dy
    value, pullback = synchronous_grad(nlfilter, b, a, x, bias=np.array(0.2), activation=name)
    assert_close(value, y)
    db, da, dx, dbias = pullback(dy)
    assert_close(pullback.excitation_gradient, epsilon)
    # b / a[0] and a / a[0] are what multiplies x and y
    assert_close(db, np.array([epsilon @ x, epsilon[1:] @ x[:-1]]) / a[0])
    assert_close(da[1:], np.array([-epsilon[1:] @ y[:-1]]) / a[0])
    assert_close(da[0], np.float64(-(b @ db + a[1:] @ da[1:]) / a[0]))
    assert_close(dbias, np.array(epsilon.sum()))
    assert_close(dx, (b[0] * epsilon + b[1] * np.append(epsilon[1:], 0.0)) / a[0])
    total = vjp(nlfilter, b, a, x, bias=np.array(0.2), activation=name)[1](dy)
    for mine, theirs in zip((db, da, dx, dbias), total, strict=True):
        assert np.abs(mine - theirs).max() > 1e-3  # with feedback, they are not the gradients


def test_synchronous_gradients_without_feedback_are_the_gradients(rng):
    for shape in ((60,), (3, 60)):
        x, zi, dy, dzf = (
            noise(rng, shape),
            noise(rng, (*shape[:-1], 2)),
            noise(rng, shape),
            noise(rng, (*shape[:-1], 2)),
        )
        for a in (A[:1], np.array([2.0, 0.0])):
            (_, total), (_, partial) = (
                f(nlfilter, B, a, x, zi=zi, bias=np.array(0.1)) for f in (vjp, synchronous_grad)
            )
            for mine, theirs in zip(partial((dy, dzf)), total((dy, dzf)), strict=True):
                assert_close(mine, theirs)
            assert_close(partial.excitation_gradient, total.excitation_gradient)


# Blocks, repeated calls, what is kept


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_two_blocks_are_one(rng, axis, activation):
    x, dy, bias = noise(rng, (40, 40)), noise(rng, (40, 40)), np.array(0.2)
    b, a = contractive(rng, 1)
    zi, dzf = (noise(rng, (40, 1) if axis else (1, 40)) for _ in range(2))
    options = {"bias": bias, "activation": activation}
    _, pullback = vjp(nlfilter, b, a, x, axis, zi, **options)
    db, da, dx, dzi, dbias = pullback((dy, dzf))
    x1, x2, dy1, dy2 = (part for c in (x, dy) for part in np.split(c, [13], axis=axis))
    (_, between), first = vjp(nlfilter, b, a, x1, axis, zi, **options)
    _, second = vjp(nlfilter, b, a, x2, axis, between, **options)
    db2, da2, dx2, dbetween, dbias2 = second((dy2, dzf))
    db1, da1, dx1, dzi1, dbias1 = first((dy1, dbetween))
    assert_close(db1 + db2, db)
    assert_close(da1 + da2, da)
    assert_close(np.concatenate([dx1, dx2], axis=axis), dx)
    assert_close(dzi1, dzi)
    assert_close(dbias1 + dbias2, dbias)


@pytest.mark.parametrize("size", [1, 7, 10, 1000])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("state", [None, "ones", "scalar"])
def test_checkpoints(rng, size, axis, state):
    x, dy = noise(rng, (20, 20)), noise(rng, (20, 20))
    options = {"bias": noise(rng, 20), "activation": "tanh" if axis else "gelu"}
    if state is not None:
        options["zi"] = np.array(0.3) if state == "scalar" else noise(rng, (1, 1))
    b, a = contractive(rng, 1)
    value, pullback = vjp(nlfilter, b, a, x, axis, **options)
    blocks, by_blocks = vjp(nlfilter, b, a, x, axis, checkpoint=size, **options)
    for mine, theirs in zip(parts(blocks), parts(value), strict=True):
        assert_close(mine, theirs)
    slope = dy if state is None else (dy, like(rng, value[1]))
    for _ in range(2):
        for mine, theirs in zip(by_blocks(slope), pullback(slope), strict=True):
            assert_close(mine, theirs)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_what_was_given_and_returned_may_change(rng, activation):
    b, a = contractive(rng, 1)
    for feedback in (a, a[:1].copy()):
        given = [b.copy(), feedback.copy(), noise(rng, (3, 30))]
        states = {"zi": noise(rng, (3, 1)), "bias": noise(rng, 3)}
        dy, dzf = noise(rng, (3, 30)), noise(rng, (3, 1))
        (y, zf), pullback = vjp(nlfilter, *given, **states, activation=activation)
        before = [gradient.copy() for gradient in pullback((dy, dzf))]
        first = pullback((dy, dzf))
        for array in (*given, *states.values(), y, zf, *first):
            array[...] = 1e9
        for mine, theirs in zip(pullback((dy, dzf)), before, strict=True):
            assert_same(mine, theirs)


def test_gradients_of_which(rng):
    x, dy = noise(rng, 20), noise(rng, 20)
    assert len(vjp(nlfilter, B, A, x)[1](dy)) == 3
    assert len(vjp(nlfilter, B, A, x, bias=0.5)[1](dy)) == 3  # a Python number is a constant
    db, da, dx, dbias = vjp(nlfilter, B, A, x, bias=np.array(0.5))[1](dy)
    assert [c.shape for c in (db, da, dx, dbias)] == [(3,), (3,), (20,), ()]
    assert len(vjp(nlfilter, B, A, x, zi=0.0)[1]((dy, None))) == 3
    assert len(vjp(nlfilter, B, A, x, zi=np.zeros(2), bias=np.zeros(()))[1]((dy, None))) == 5
    assert len(vjp(nlfilter, list(B), A, list(x))[1](list(dy))) == 3


def test_none_is_no_gradient_and_no_tangent(rng):
    x, zi, dy, dzf = noise(rng, 20), noise(rng, 2), noise(rng, 20), noise(rng, 2)
    _, pullback = vjp(nlfilter, B, A, x, zi=zi)
    for none, zero in (((dy, None), (dy, 0 * dzf)), ((None, dzf), (0 * dy, dzf))):
        for mine, theirs in zip(pullback(none), pullback(zero), strict=True):
            assert_close(mine, theirs)
    value, change = jvp(nlfilter, (B, A, x), (None, None, None))
    assert_same(value, nlfilter(B, A, x))
    assert_same(change, np.zeros(20))


# The user's activations


def test_the_users_slope_is_taken(rng):
    x, dy = noise(rng, 50), noise(rng, 50)
    cube = Activation(lambda e: e * e * e, lambda e: 3.0 * e * e)
    flat_one = Activation(lambda e: e * e * e, lambda e: 0)
    given = [0.3 * B[:2], np.array([1.0, -0.3]), x]
    assert_derivatives(rng, dict(zip("bax", given, strict=True)), activation=cube)
    _, pullback = vjp(nlfilter, *given, activation=flat_one)
    assert not any(gradient.any() for gradient in pullback(dy))
    _, change = jvp(nlfilter, given, (None, None, dy), activation=flat_one)
    assert not change.any()


# At the ends


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "hard_tanh", "relu"])
def test_saturated_units_pass_nothing(name):
    x = np.full(20, -1e3)
    for a in ([1.0, -0.5], [1.0]):
        gradients = vjp(nlfilter, [1.0], a, x, activation=name)[1](np.ones(20))
        assert not any(gradient.any() for gradient in gradients)


def test_nan_of_the_gradient_goes_back_in_time_only(rng):
    b, a = contractive(rng, 2)
    x, dy = noise(rng, (3, 50)), noise(rng, (3, 50))
    *_, desired = vjp(nlfilter, b, a, x)[1](dy)
    dy[1, 30] = np.nan
    *_, dx = vjp(nlfilter, b, a, x)[1](dy)
    assert_close(dx[1, 31:], desired[1, 31:])
    assert np.isnan(dx[1, :31]).all()
    assert_close(dx[::2], desired[::2])


def test_exploding_gradients_become_infinite():
    x, dy = np.zeros(1000), np.zeros(1000)
    dy[-1] = 1.0
    _, pullback = vjp(nlfilter, [1.0], [1.0, -3.0], x)
    *_, dx = pullback(dy)
    delta, fine = pullback.excitation_gradient, 3.0 ** np.arange(600.0)
    for gradient in (delta, dx):
        np.testing.assert_allclose(gradient[::-1][:600], fine, rtol=1e-12)
        assert not np.isfinite(gradient[:300]).any()
    assert np.isposinf(delta[0])


# Errors


def test_errors_of_arguments():
    x = np.ones(5)
    with pytest.raises(ValueError, match="unknown activation 'tan': known are 'linear', 'tanh'"):
        vjp(nlfilter, B, A, x, activation="tan")
    with pytest.raises(ValueError, match="unknown activation 'tan'"):
        jvp(nlfilter, (B, A, x), (None, None, x), activation="tan")
    with pytest.raises(TypeError, match="activation must be one of"):
        vjp(nlfilter, B, A, x, activation=np.tanh)
    for name in ("b", "a", "x", "zi", "bias"):
        given = {"b": B, "a": A, "x": x, "zi": np.ones(2), "bias": np.ones(())}
        with pytest.raises(TypeError, match=f"{name} has dtype int64: gradients are for floats"):
            vjp(nlfilter, **(given | {name: given[name].astype(int)}))
        with pytest.raises(NotImplementedError, match=r"nlfilter .*complex128"):
            vjp(nlfilter, **(given | {name: given[name].astype(complex)}))
    with pytest.raises(NotImplementedError, match="real signals"):
        vjp(nlfilter, B, A, 1j * x, activation="linear")
    with pytest.raises(ValueError, match=r"a\[0\]"):
        vjp(nlfilter, B, [0.0, 1.0], x)
    with pytest.raises(ValueError, match="zi"):
        vjp(nlfilter, B, A, x, zi=np.ones(3))
    with pytest.raises(ValueError, match="checkpoint must be at least 1"):
        vjp(nlfilter, B, A, x, checkpoint=0)
    with pytest.raises(TypeError, match="must return a float"):
        vjp(nlfilter, B, A, x, activation=Activation(lambda e: e, lambda e: None))


def test_errors_of_the_pull_back():
    _, pullback = vjp(nlfilter, B, A, np.ones(5))
    with pytest.raises(AttributeError, match="the pull-back has not been called yet"):
        _ = pullback.excitation_gradient
    with pytest.raises(ValueError, match=r"dy has shape \(4,\), expected \(5,\)"):
        pullback(np.ones(4))
    with pytest.raises(TypeError, match="dy is complex, the value is real"):
        pullback(1j * np.ones(5))
    _, pullback = vjp(nlfilter, B, A, np.ones(5), zi=np.zeros(2))
    with pytest.raises(TypeError, match="the value is a pair"):
        pullback(np.ones(5))
    with pytest.raises(ValueError, match=r"dzf has shape \(3,\), expected \(2,\)"):
        pullback((np.ones(5), np.ones(3)))


def test_errors_of_tangents():
    x = np.ones(5)
    with pytest.raises(ValueError, match=r"the tangent of x has shape \(4,\), expected \(5,\)"):
        jvp(nlfilter, (B, A, x), (None, None, np.ones(4)))
    with pytest.raises(ValueError, match=r"the tangent of bias has shape \(1,\), expected \(\)"):
        jvp(nlfilter, (B, A, x), (None, None, None, [1.0]), bias=np.array(0.5))
    with pytest.raises(ValueError, match="2 tangents"):
        jvp(nlfilter, (B, A, x), (None, None))


def test_synchronous_gradients_are_for_nonlinear_recursions():
    for function, given in ((lfilter, (B, A, np.ones(5))), (sigrnn.sosfilt, (np.ones((1, 6)), np.ones(5)))):
        with pytest.raises(TypeError, match=f"synchronous_grad is for nlfilter.*, not {function.__name__}"):
            synchronous_grad(function, *given)
    with pytest.raises(TypeError, match="has no gradient here"):
        synchronous_grad(np.tanh, np.ones(5))
    with pytest.raises(TypeError, match="checkpoint"):
        synchronous_grad(nlfilter, B, A, np.ones(5), checkpoint=3)
    with pytest.raises(ValueError, match="unknown activation"):
        synchronous_grad(nlfilter, B, A, np.ones(5), activation="tan")
