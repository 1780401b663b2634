"""Gradients of `rnn`, `gru`, `lstm`, `dense`: complex steps through slow twins, central differences, torch, blocks."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import reference
from helpers import (
    LAYERS,
    LAYOUTS,
    Unchanged,
    alike,
    assert_same,
    layer,
    layer_arrays,
    leaves,
    noise,
)
from test_recurrent import CELLS, ROOT, SINGLE, assert_error, batches, doubled, root, shared, torch_layer  # noqa: F401

import sigrnn
from sigrnn import dense, gru, jvp, lstm, nlfilter, rnn, set_workers, synchronous_grad, vjp
from sigrnn.layers import _run
from sigrnn.layers._cells import FUNCTIONS

STEP = 1e-6  # of central differences: their error is about 1e-10 for values of size 1
TINY = 1e-30  # of complex steps: they have none


def flat(value):
    return np.concatenate([np.ravel(leaf) for leaf in leaves(value)])


def random_like(rng, value):
    return alike(value, lambda leaf: noise(rng, leaf.shape, leaf.dtype))


def inner(u, v):
    return flat(u) @ flat(v)


def assert_near(actual, desired, tolerance, what=""):
    """All differences at most `tolerance` of the largest value."""
    assert actual.shape == desired.shape
    scale = max(1.0, np.abs(desired).max(initial=0.0))
    np.testing.assert_allclose(actual, desired, rtol=0, atol=tolerance * scale, err_msg=what)


def gradients_of(function, arrays, slope, **options):
    """The gradients by name."""
    _, pullback = vjp(function, **arrays, **options)
    return dict(zip(arrays, pullback(slope), strict=True))


def assert_gradients(function, arrays, derivative, rng, tolerance=1e-11, **options):
    """The pull-back, argument by argument, against derivatives in a direction; jvp likewise, and <Jt, w> = <t, J'w>."""
    with Unchanged(*arrays.values()):
        desired = function(**arrays, **options)
        value, pullback = vjp(function, **arrays, **options)
        slope = random_like(rng, value)
        gradients = pullback(slope)
    for mine, theirs in zip(leaves(value), leaves(desired), strict=True):
        assert_near(mine, theirs, 1e-14)  # loops that keep nothing may round otherwise
    assert len(gradients) == len(arrays)
    tangents = {name: noise(rng, array.shape) for name, array in arrays.items()}
    for (name, array), gradient in zip(arrays.items(), gradients, strict=True):
        assert gradient.shape == array.shape
        assert gradient.dtype == array.dtype
        exact = derivative(arrays, name, tangents[name])
        given = [tangents[key] if key == name else None for key in arrays]
        again, change = jvp(function, (), tuple(given), **arrays, **options)
        assert [leaf.shape for leaf in leaves(change)] == [leaf.shape for leaf in leaves(value)]
        assert_near(flat(again), flat(value), 1e-14)
        assert_near(flat(change), exact, tolerance, name)
        size = np.linalg.norm(exact) * np.linalg.norm(flat(slope))
        assert abs(inner(gradient, tangents[name]) - exact @ flat(slope)) <= tolerance * max(size, 1.0), name
    _, change = jvp(function, (), tuple(tangents.values()), **arrays, **options)
    both = inner(change, slope), sum(inner(tangents[name], g) for name, g in zip(arrays, gradients, strict=True))
    assert abs(both[0] - both[1]) <= 1e-12 * max(1.0, np.linalg.norm(flat(change)) * np.linalg.norm(flat(slope)))


def by_complex_step(twin, **options):
    def derivative(arrays, name, direction):
        return np.imag(flat(twin(**{**arrays, name: arrays[name] + 1j * TINY * direction}, **options))) / TINY

    return derivative


def by_central_difference(function, **options):
    def derivative(arrays, name, direction):
        ends = [flat(function(**{**arrays, name: arrays[name] + h * direction}, **options)) for h in (STEP, -STEP)]
        return (ends[0] - ends[1]) / (2 * STEP)

    return derivative


# By every argument


@pytest.mark.parametrize("hidden", [1, 3, 9])
@pytest.mark.parametrize("name", [*CELLS, "relu"])
def test_against_complex_steps(rng, name, hidden):
    function, twin, options = layer(name)
    for batch in batches(name, None, 1, 2, 5) if name != "relu" else (3,):
        for inputs in (1, 3):
            for steps in (1, 7):
                arrays = layer_arrays(rng, name, batch, steps, inputs, hidden)
                assert_gradients(function, arrays, by_complex_step(twin, **options), rng, **options)


@pytest.mark.parametrize("name", CELLS)
def test_against_central_differences(rng, name):
    function, _, options = layer(name)
    for batch, hidden in ((4, 17), (1, 8))[: len(batches(name, 4, 1))]:
        arrays = layer_arrays(rng, name, batch, 6, 2, hidden)
        assert_gradients(function, arrays, by_central_difference(function, **options), rng, 1e-7, **options)


@pytest.mark.parametrize("name", CELLS)
def test_lengths(rng, name):
    function, twin, options = layer(name)
    options = {**options, "lengths": [3, 0, 6, 3, 1]}
    arrays = layer_arrays(rng, name, 5, 6, 2, 4)
    assert_gradients(function, arrays, by_complex_step(twin, **options), rng, **options)
    # What comes after a length has no part in it, not even as NaN
    value, pullback = vjp(function, **arrays, **options)
    slope = random_like(rng, value)
    desired = dict(zip(arrays, pullback(slope), strict=True))
    after = np.arange(6) >= np.array(options["lengths"])[:, None]
    assert not desired["x"][after].any()
    for ill in (np.nan, np.inf):
        given = {**arrays, "x": np.where(after[..., None], ill, arrays["x"])}
        ill_slope = np.where(after[..., None], ill, slope[0]), slope[1]
        for key, gradient in gradients_of(function, given, ill_slope, **options).items():
            assert_same(gradient, desired[key], key)
        _, change = jvp(function, (), tuple(arrays.values()), **given, **options)
        assert np.isfinite(flat(change)).all()


@pytest.mark.parametrize("name", CELLS)
def test_only_outputs_or_only_states(rng, name):
    """None is zero."""
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 3, 6, 2, 4)
    value, pullback = vjp(function, **arrays, **options)
    dy, dstate = random_like(rng, value)
    no_state = alike(dstate, np.zeros_like)
    cases = [((dy, None), (dy, no_state)), ((None, dstate), (np.zeros_like(dy), dstate)), (None, (0 * dy, no_state))]
    if isinstance(dstate, tuple):
        cases += [((None, (None, dstate[1])), (0 * dy, (0 * dstate[0], dstate[1])))]
        cases += [((dy, (dstate[0], None)), (dy, (dstate[0], 0 * dstate[1])))]
    for short, full in cases:
        for mine, theirs in zip(pullback(short), pullback(full), strict=True):
            assert_same(mine, theirs)
    # The final h is the last output: gradients by either are the same
    last = np.zeros_like(dy)
    last[:, -1] = dy[:, 0]
    final = (dy[:, 0], None) if isinstance(dstate, tuple) else dy[:, 0]
    for mine, theirs in zip(pullback((last, None)), pullback((None, final)), strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_what_is_given_only(rng, name):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 5, 2, 4)
    needed = {key: arrays.pop(key) for key in ("x", "w_ih", "w_hh") if key in arrays}
    value, pullback = vjp(function, *needed.values())
    slope = random_like(rng, value)
    zeros = {key: np.zeros_like(array) for key, array in arrays.items()}
    full = gradients_of(function, {**needed, **zeros}, slope)
    for key, mine in zip(needed, pullback(slope), strict=True):
        assert_same(mine, full[key])
    for key in arrays:
        _, pullback = vjp(function, **needed, **{key: zeros[key]})
        *_, mine = pullback(slope)
        assert_same(mine, full[key])
    # No gradient by options: lists count as arrays, numbers do not
    gradients = vjp(function, *[array.tolist() for array in needed.values()], **options)[1](slope)
    for key, mine in zip(needed, gradients, strict=True):
        assert_same(mine, full[key])


def test_an_activation_of_ones_own(rng):
    """Its slope is infinite at zero, where units and sequences may be that are not there."""
    for lengths in (None, [6, 3, 0]):
        arrays = layer_arrays(rng, "rnn", 3, 6, 2, 3)
        derivative = by_complex_step(reference.rnn, activation=root, lengths=lengths)
        assert_gradients(rnn, arrays, derivative, rng, activation=ROOT, lengths=lengths)


@pytest.mark.parametrize("activation", ["linear", "tanh", "softplus"])
def test_dense(rng, activation):
    g = reference.ACTIVATIONS[activation]

    def twin(x, v, bias=0.0):
        return g(x @ v.T + bias)

    for shape in ((3,), (5, 3), (2, 4, 3), (2, 0, 3), (0, 3)):
        arrays = {"x": noise(rng, shape), "v": noise(rng, (2, 3)), "bias": noise(rng, 2)}
        for given in (arrays, {name: arrays[name] for name in ("x", "v")}):
            assert_gradients(dense, given, by_complex_step(twin), rng, activation=activation)
            assert_gradients(
                dense, given, by_central_difference(dense, activation=activation), rng, 1e-7, activation=activation
            )


# Against torch


@pytest.mark.parametrize("name", [name for name in ("relu", *FUNCTIONS) if LAYERS[name][0].torch])
def test_against_torch(rng, name):
    torch = pytest.importorskip("torch")
    function, _, options = layer(name)
    for batch, steps, inputs, hidden in ((None, 30, 1, 5), (1, 20, 2, 8), (3, 50, 4, 17), (8, 200, 3, 9)):
        arrays = layer_arrays(rng, name, batch, steps, inputs, hidden)
        made = torch_layer(torch, name, arrays)
        inputs_of = {key: torch.tensor(arrays[key], requires_grad=True) for key in ("x", "h0", "c0") if key in arrays}
        state = [inputs_of[key][None] for key in ("h0", "c0") if key in inputs_of]
        h, last = made(inputs_of["x"], state[0] if len(state) == 1 else tuple(state))
        outputs = [h, *(part[0] for part in (last if isinstance(last, tuple) else (last,)))]
        value, pullback = vjp(function, **arrays, **options)
        slope = random_like(rng, value)
        sum((output * torch.tensor(part)).sum() for output, part in zip(outputs, leaves(slope), strict=True)).backward()
        weights = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
        for key, gradient in zip(arrays, pullback(slope), strict=True):
            theirs = (getattr(made, f"{weights[key]}_l0") if key in weights else inputs_of[key]).grad.numpy()
            np.testing.assert_allclose(gradient, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max(), err_msg=key)


# Long sequences


@pytest.mark.parametrize("name", CELLS)
def test_a_long_sequence(rng, name):
    """Over several pieces of the backward pass."""
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 5, 3000, 2, 3)
    value, pullback = vjp(function, **arrays, **options)
    slope = random_like(rng, value)
    gradients = pullback(slope)
    for _ in range(2):
        tangents = [noise(rng, array.shape) for array in arrays.values()]
        changed = {key: arrays[key] + 1j * TINY * t for key, t in zip(arrays, tangents, strict=True)}
        change = np.imag(flat(twin(**changed, **options))) / TINY
        both = change @ flat(slope), sum(inner(t, g) for t, g in zip(tangents, gradients, strict=True))
        assert abs(both[0] - both[1]) <= 1e-11 * np.linalg.norm(change) * np.linalg.norm(flat(slope))


@pytest.mark.parametrize("name", CELLS)
def test_lengths_that_end_in_any_piece(rng, name):
    function, _, options = layer(name)
    lengths = np.array([1500, 0, 3000, 64, 2999])
    arrays = layer_arrays(rng, name, 5, 3000, 1, 3)
    value, pullback = vjp(function, **arrays, lengths=lengths, **options)
    slope = random_like(rng, value)
    found = dict(zip(arrays, pullback(slope), strict=True))
    total = {}
    for b, length in enumerate(lengths):
        part = {
            key: arrays[key][[b, b]] for key in ("x", "h0", "c0") if key in arrays
        }  # next to one without a gradient
        part["x"] = part["x"][:, :length]
        own = alike(slope, lambda leaf, b=b: np.stack([leaf[b], 0 * leaf[b]]))
        each = gradients_of(function, {**arrays, **part}, (own[0][:, :length], own[1]), **options)
        assert_near(found["x"][b, :length], each["x"][0], 1e-12)
        for key in each:
            if key in ("h0", "c0"):
                assert_near(found[key][b], each[key][0], 1e-12, key)
            elif key != "x":
                total[key] = total.get(key, 0.0) + each[key]
    for key, gradient in total.items():
        assert_near(found[key], gradient, 1e-11, key)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_two_blocks_are_one(rng, name):
    """The gradient of the second block by its initial state is that of the first by its final one."""
    function, _, options = layer(name)
    states = ("h0", "c0") if name == "lstm" else ("h0",)
    for batch in (None, 3):
        arrays = layer_arrays(rng, name, batch, 50, 2, 5)
        value, pullback = vjp(function, **arrays, **options)
        dy, dstate = random_like(rng, value)
        desired = dict(zip(arrays, pullback((dy, dstate)), strict=True))
        head, tail = {**arrays, "x": arrays["x"][..., :20, :]}, {**arrays, "x": arrays["x"][..., 20:, :]}
        (_, between), first = vjp(function, **head, **options)
        tail.update(zip(states, leaves(between), strict=True))
        _, second = vjp(function, **tail, **options)
        late = dict(zip(arrays, second((dy[..., 20:, :], dstate)), strict=True))
        carried = (late["h0"], late["c0"]) if name == "lstm" else late["h0"]
        early = dict(zip(arrays, first((dy[..., :20, :], carried)), strict=True))
        for key, gradient in desired.items():
            if key == "x":
                assert_near(np.concatenate([early[key], late[key]], axis=-2), gradient, 1e-14)
            elif key in states:
                assert_near(early[key], gradient, 1e-14, key)
            else:
                assert_near(early[key] + late[key], gradient, 1e-12, key)


@pytest.mark.parametrize("name", CELLS)
def test_checkpoints(rng, name):
    function, _, options = layer(name)
    for batch, lengths in ((3, None), (3, [17, 0, 30]), (None, None))[: 2 + len(batches(name, None))]:
        arrays = layer_arrays(rng, name, batch, 30, 2, 5)
        given = {**options, "lengths": lengths}
        value, pullback = vjp(function, **arrays, **given)
        slope = random_like(rng, value)
        desired = pullback(slope)
        for size in (1, 7, 10, 17, 29, 30, 1000):
            again, kept = vjp(function, **arrays, checkpoint=size, **given)
            for mine, theirs in zip(leaves(again), leaves(value), strict=True):
                assert_near(mine, theirs, 1e-14)
            for _ in range(2):
                for key, mine, theirs in zip(arrays, kept(slope), desired, strict=True):
                    assert_near(mine, theirs, 1e-13, key)
            for mine, theirs in zip(kept((slope[0], None)), pullback((slope[0], None)), strict=True):
                assert_near(mine, theirs, 1e-13)


def test_checkpoints_of_nothing(rng):
    for batch in (None, 2):
        arrays = layer_arrays(rng, "lstm", batch, 0, 2, 3)
        value, pullback = vjp(lstm, **arrays, checkpoint=5)
        slope = random_like(rng, value)
        gradients = dict(zip(arrays, pullback(slope), strict=True))
        assert_same(gradients["h0"], slope[1][0])
        assert_same(gradients["c0"], slope[1][1])
        assert not gradients["w_hh"].any()


def test_checkpoint_errors(rng):
    arrays = layer_arrays(rng, "rnn", None, 5, 2, 3)
    assert_error(ValueError, "checkpoint must be at least 1, got 0", vjp, rnn, **arrays, checkpoint=0)
    assert_error(TypeError, "interpreted as an integer", vjp, rnn, **arrays, checkpoint=2.5)
    message = "checkpoint is for functions with a state: dense has none"
    assert_error(ValueError, message, vjp, dense, [1.0], [[1.0]], checkpoint=2)


@pytest.mark.parametrize("name", CELLS)
def test_nothing_to_do(rng, name):
    function, _, options = layer(name)
    for batch, steps, inputs in itertools.product(batches(name, None, 0, 2, 3), (0, 5), (0, 2)):
        arrays = layer_arrays(rng, name, batch, steps, inputs, 3)
        value, pullback = vjp(function, **arrays, **options)
        slope = random_like(rng, value)
        gradients = dict(zip(arrays, pullback(slope), strict=True))
        assert all(gradients[key].shape == arrays[key].shape for key in arrays)
        if not steps:
            assert_same(gradients["h0"], leaves(slope)[1])
        if not steps or batch == 0:
            assert not gradients["w_ih"].any()
        tangent = jvp(function, (), tuple(arrays.values()), **arrays, **options)[1]
        assert abs(inner(tangent, slope) - sum(inner(arrays[key], gradients[key]) for key in arrays)) < 1e-12


# The pull-back


@pytest.mark.parametrize("checkpoint", [None, 4])
@pytest.mark.parametrize("name", CELLS)
def test_pullbacks_may_be_called_again(rng, name, checkpoint):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 3, 9, 2, 4)
    value, pullback = vjp(function, **arrays, checkpoint=checkpoint, **options)
    slopes = [random_like(rng, value) for _ in range(2)]
    with Unchanged(*leaves(slopes[0])):
        first = [gradient.copy() for gradient in pullback(slopes[0])]
    for gradient in pullback(slopes[1]):
        gradient[...] = 7.0
    for mine, theirs in zip(pullback(slopes[0]), first, strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", [*CELLS, "root"])
def test_inputs_and_values_may_change_before_the_pullback(rng, name):
    function, _, options = layer(name) if name != "root" else (rnn, None, {"activation": ROOT})
    arrays = layer_arrays(rng, name if name != "root" else "rnn", 3, 9, 2, 4)
    lengths = np.array([9, 4, 6])
    value, pullback = vjp(function, **arrays, lengths=lengths, **options)
    slope = random_like(rng, value)
    desired = [gradient.copy() for gradient in pullback(slope)]
    for array in [*arrays.values(), *leaves(value)]:
        array[...] = np.nan
    lengths[...] = 1
    for mine, theirs in zip(pullback(slope), desired, strict=True):
        assert_same(mine, theirs)


def test_inputs_and_values_of_dense_may_change_before_the_pullback(rng):
    arrays = {"x": noise(rng, (4, 3)), "v": noise(rng, (2, 3)), "bias": noise(rng, 2)}
    for activation in ("tanh", "softplus", "linear"):
        given = {name: array.copy() for name, array in arrays.items()}
        value, pullback = vjp(dense, **given, activation=activation)
        slope = random_like(rng, value)
        desired = [gradient.copy() for gradient in pullback(slope)]
        for array in (*given.values(), value):
            array[...] = np.nan
        for mine, theirs in zip(pullback(slope), desired, strict=True):
            assert_same(mine, theirs)


@pytest.mark.parametrize(("name", "hidden", "batch"), SINGLE)
def test_single_precision(rng, name, hidden, batch):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, batch, 40, 3, hidden, np.float32)
    value, pullback = vjp(function, **arrays, **options)
    slope = random_like(rng, value)
    gradients = pullback(slope)
    desired = gradients_of(function, doubled(arrays), alike(slope, lambda leaf: leaf.astype(float)), **options)
    for key, mine in zip(arrays, gradients, strict=True):
        assert mine.dtype == np.float32
        assert_near(mine, desired[key], 1e-4, key)
    tangents = {key: noise(rng, array.shape, np.float32) for key, array in arrays.items()}
    again, change = jvp(function, (), tuple(tangents.values()), **arrays, **options)
    _, exact = jvp(function, (), tuple(doubled(tangents).values()), **doubled(arrays), **options)
    for mine, theirs, values in zip(leaves(change), leaves(exact), leaves(again), strict=True):
        assert mine.dtype == values.dtype == np.float32
        assert_near(mine, theirs, 1e-4)


def test_dense_in_single_precision(rng):
    arrays = {"x": noise(rng, (40, 3)), "v": noise(rng, (2, 3)), "bias": noise(rng, 2)}
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    slope = noise(rng, (40, 2), np.float32)
    desired = gradients_of(dense, doubled(arrays), slope.astype(float), activation="tanh")
    for key, mine in gradients_of(dense, arrays, slope, activation="tanh").items():
        assert mine.dtype == np.float32
        assert_near(mine, desired[key], 1e-5, key)
    _, change = jvp(dense, (), tuple(arrays.values()), **arrays, activation="tanh")
    assert change.dtype == np.float32


def test_mixed_precision(rng):
    """Each gradient has the dtype of its argument, all are found in that of all."""
    arrays = layer_arrays(rng, "lstm", None, 9, 2, 5, np.float32)
    mixed = {**arrays, "w_hh": arrays["w_hh"].astype(float)}
    value, pullback = vjp(lstm, **mixed)
    slope = random_like(rng, value)
    desired = gradients_of(lstm, doubled(arrays), slope)
    for key, mine in zip(mixed, pullback(slope), strict=True):
        assert_same(mine, desired[key].astype(mixed[key].dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    arrays = layer_arrays(rng, "peephole", 3, 6, 2, 4)
    laid = {name: LAYOUTS[layout](array) for name, array in arrays.items()}
    plain = {name: np.array(array, float, order="C") for name, array in laid.items()}
    dy, dh, dc = (noise(rng, shape) for shape in ((3, 6, 4), (3, 4), (3, 4)))
    slope = tuple(np.array(LAYOUTS[layout](part), float) for part in (dy, dh, dc))
    desired = gradients_of(lstm, plain, (slope[0], slope[1:]))
    for key, mine in gradients_of(
        lstm, laid, (LAYOUTS[layout](dy), (LAYOUTS[layout](dh), LAYOUTS[layout](dc)))
    ).items():
        assert_same(mine, desired[key])
    tangents = tuple(noise(rng, array.shape) for array in plain.values())
    _, change = jvp(lstm, (), tangents, **laid)
    for mine, theirs in zip(leaves(change), leaves(jvp(lstm, (), tangents, **plain)[1]), strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_two_workers_give_the_same_bits(rng, name, shared):  # noqa: F811
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 17, 3000, 2, 8)
    lengths = rng.integers(0, 3001, 17)
    value, pullback = vjp(function, **arrays, lengths=lengths, **options)
    slope = random_like(rng, value)
    desired = pullback(slope)
    assert not any(shared)
    with set_workers(2):
        again, pullback = vjp(function, **arrays, lengths=lengths, **options)
        assert any(shared)
        shared.clear()
        gradients = pullback(slope)
        assert any(shared)
    for mine, theirs in zip([*leaves(again), *gradients], [*leaves(value), *desired], strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_sequences(rng, name):
    """Enough that they are taken in parts: all are there, the last of them alone."""
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 33, 5, 2, 3)
    options = {**options, "lengths": rng.integers(0, 6, 33)}
    assert_gradients(function, arrays, by_complex_step(twin, **options), rng, **options)
    with set_workers(2):
        assert_gradients(function, arrays, by_complex_step(twin, **options), rng, **options)


def test_memory_is_used_again_but_not_shared(rng):
    """Two pull-backs that live at the same time keep what is theirs; of those that are gone the next has the memory."""
    _run.store.free, _run.store.waiting = {}, 0  # full, it would be emptied some time
    one, two = (layer_arrays(rng, "lstm", 32, 64, 1, 16) for _ in range(2))
    value, first = vjp(lstm, **one)
    slope = random_like(rng, value)
    desired = first(slope)
    _, second = vjp(lstm, **two)
    second(slope)
    for mine, theirs in zip(first(slope), desired, strict=True):
        assert_same(mine, theirs)
    del first, second
    waiting = _run.store.waiting
    assert waiting >= 1 << 18
    for _ in range(3):
        vjp(lstm, **one)[1](slope)
    assert _run.store.waiting == waiting


def test_slopes_of_any_kind(rng):
    """What the pull-back of arrays by position is given need not be arrays of just its dtype."""
    b, a, x = np.ones(2), np.array([1.0, -0.5]), rng.standard_normal(16)
    sigrnn.lfilter(b, a, x)  # a filter that is kept
    same = np.dtype(float).newbyteorder("=")  # equal to float64, but another object
    for function, given in ((sigrnn.lfilter, (b, a, x)), (lstm, layer_arrays(rng, "lstm", None, 6, 1, 3).values())):
        value, pullback = vjp(function, *given)
        desired = pullback(value)
        for make in (
            np.ndarray.tolist,
            partial(np.ndarray.astype, dtype=same),
            partial(np.ndarray.astype, dtype=">f8"),
        ):
            for mine, theirs in zip(pullback(alike(value, make)), desired, strict=True):
                assert_same(mine, theirs)


def test_threads_share_no_memory(rng):
    """Calls of several threads at once give what each gives alone, and so does one pull-back that all of them call."""
    arrays = [list(layer_arrays(rng, "lstm", 3, 200, 2, 7).values()) for _ in range(4)]
    kept = vjp(lstm, *arrays[0])
    slope = random_like(rng, kept[0])

    def work(i):
        value, pullback = vjp(lstm, *arrays[i])
        return [*leaves(lstm(*arrays[i])), *leaves(value), *pullback(slope), *kept[1](slope)]

    alone = [work(i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for mine, theirs in zip(pool.map(work, range(4)), alone, strict=True):
                for a, b in zip(mine, theirs, strict=True):
                    assert_same(a, b)


# The gradient of sums, and partial derivatives


@pytest.mark.parametrize("activation", ["tanh", ROOT])
def test_excitation_gradient(rng, activation):
    """delta[n] = g'(e[n]) (dh[n] + W_hh^T delta[n+1])."""
    for batch in (None, 3) if activation == "tanh" else (3,):
        arrays = layer_arrays(rng, "rnn", batch, 20, 2, 5)
        (h, last), pullback = vjp(rnn, **arrays, activation=activation)
        dy, dlast = noise(rng, h.shape), noise(rng, last.shape)
        gradients = dict(zip(arrays, pullback((dy, dlast)), strict=True))
        delta = pullback.excitation_gradient
        before = np.concatenate([arrays["h0"][..., None, :], h[..., :-1, :]], axis=-2)
        e = arrays["x"] @ arrays["w_ih"].T + arrays["b_ih"] + before @ arrays["w_hh"].T + arrays["b_hh"]
        slopes = reference.slope(root if activation is ROOT else np.tanh, e)
        desired, carried = np.zeros(h.shape), dlast
        for n in reversed(range(20)):
            desired[..., n, :] = slopes[..., n, :] * (dy[..., n, :] + carried)
            carried = desired[..., n, :] @ arrays["w_hh"]
        assert_near(delta, desired, 1e-12)
        assert_near(gradients["h0"], carried, 1e-12)
        assert_near(gradients["x"], desired @ arrays["w_ih"], 1e-12)
        rows = desired.reshape(-1, 5)
        assert_near(gradients["w_hh"], rows.T @ before.reshape(-1, 5), 1e-12)
        assert_near(gradients["b_ih"], rows.sum(axis=0), 1e-12)
        for size in (1, 7, 100):
            _, kept = vjp(rnn, **arrays, activation=activation, checkpoint=size)
            kept((dy, dlast))
            assert_near(kept.excitation_gradient, desired, 1e-12)


def test_no_excitation_gradient(rng):
    for name in ("gru", "lstm"):
        function, _, _ = layer(name)
        arrays = layer_arrays(rng, name, None, 4, 2, 3)
        _, pullback = vjp(function, **arrays)
        pullback(None)
        assert_error(AttributeError, "no excitation_gradient", getattr, pullback, "excitation_gradient")


def test_excitation_gradient_of_dense(rng):
    x, v = noise(rng, (6, 3)), noise(rng, (2, 3))
    z, pullback = vjp(dense, x, v, activation="tanh")
    dz = noise(rng, z.shape)
    pullback(dz)
    assert_near(pullback.excitation_gradient, dz * (1 - z * z), 1e-14)


def test_a_net_of_one_unit_is_the_nonlinear_filter(rng):
    x, a, b = noise(rng, 30), 0.7, 1.5
    y, pull = vjp(nlfilter, [b], [1.0, -a], x, activation="tanh")
    dy = noise(rng, 30)
    for gradients in (vjp, synchronous_grad):
        y, pull = gradients(nlfilter, [b], [1.0, -a], x, activation="tanh")
        (h, _), pullback = gradients(rnn, x[:, None], [[b]], [[a]])
        assert_near(h[:, 0], y, 1e-14)
        (db, da, dx), (dx_too, dw_ih, dw_hh) = pull(dy), pullback((dy[:, None], None))
        assert_near(pullback.excitation_gradient[:, 0], pull.excitation_gradient, 1e-13)
        assert_near(dx_too[:, 0], dx, 1e-13)
        np.testing.assert_allclose([dw_ih[0, 0], dw_hh[0, 0]], [db[0], -da[1]], rtol=1e-12)


@pytest.mark.parametrize("batch", [None, 3])
def test_partial_derivatives(rng, batch):
    """epsilon[n] = g'(e[n]) dh[n]: other steps held constant."""
    arrays = layer_arrays(rng, "rnn", batch, 20, 2, 5)
    with Unchanged(*arrays.values()):
        (h, last), pullback = synchronous_grad(rnn, **arrays)
    dy, dlast = noise(rng, h.shape), noise(rng, last.shape)
    gradients = dict(zip(arrays, pullback((dy, dlast)), strict=True))
    whole = dy.copy()
    whole[..., -1, :] += dlast
    epsilon = (1 - h * h) * whole
    before = np.concatenate([arrays["h0"][..., None, :], h[..., :-1, :]], axis=-2)
    assert_near(pullback.excitation_gradient, epsilon, 1e-14)
    assert_near(gradients["x"], epsilon @ arrays["w_ih"], 1e-13)
    assert_near(gradients["w_hh"], epsilon.reshape(-1, 5).T @ before.reshape(-1, 5), 1e-13)
    assert_near(gradients["w_ih"], epsilon.reshape(-1, 5).T @ arrays["x"].reshape(-1, 2), 1e-13)
    assert_near(gradients["b_hh"], epsilon.reshape(-1, 5).sum(axis=0), 1e-13)
    assert_near(gradients["h0"], epsilon[..., 0, :] @ arrays["w_hh"], 1e-13)


def test_partial_derivatives_of_lengths(rng):
    arrays, lengths = layer_arrays(rng, "rnn", 3, 9, 2, 4), np.array([4, 0, 9])
    (h, last), pullback = synchronous_grad(rnn, **arrays, lengths=lengths)
    dy, dlast = noise(rng, h.shape), noise(rng, last.shape)
    gradients = dict(zip(arrays, pullback((dy, dlast)), strict=True))
    whole = np.where((np.arange(9) < lengths[:, None])[..., None], dy, 0.0)
    whole[0, 3] += dlast[0]
    whole[2, 8] += dlast[2]
    epsilon = (1 - h * h) * whole
    assert_near(pullback.excitation_gradient, epsilon, 1e-14)
    start = epsilon[:, 0] @ arrays["w_hh"]
    start[1] += dlast[1]
    assert_near(gradients["h0"], start, 1e-13)


def test_without_feedback_partial_derivatives_are_total(rng):
    arrays = layer_arrays(rng, "rnn", 2, 9, 2, 4)
    arrays["w_hh"] *= 0.0
    value, pullback = vjp(rnn, **arrays)
    slope = random_like(rng, value)
    for mine, theirs in zip(synchronous_grad(rnn, **arrays)[1](slope), pullback(slope), strict=True):
        assert_near(mine, theirs, 1e-15)


def test_only_nets_have_partial_derivatives(rng):
    for name in ("gru", "lstm"):
        function, _, _ = layer(name)
        message = f"synchronous_grad is for nlfilter, rnn, not {name}"
        assert_error(TypeError, message, synchronous_grad, function, **layer_arrays(rng, name, None, 4, 2, 3))
    assert_error(TypeError, "synchronous_grad is for nlfilter, rnn, not dense", synchronous_grad, dense, [1.0], [[1.0]])


# Infinities and NaN


@pytest.mark.parametrize("name", CELLS)
def test_saturated_gates_have_no_gradient_and_no_nan(rng, name):
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 6, 3, 4)
    for scale in (30.0, 800.0, 1e10, 1e300):
        for key in ("x", "b_ih"):
            given = {**arrays, key: arrays[key] * scale}
            value, pullback = vjp(function, **given, **options)
            gradients = pullback(random_like(rng, value))
            for gradient in gradients:
                assert np.isfinite(gradient).all()
    slope = random_like(rng, value)
    key = "w_hh" if "w_hh" in arrays else "w_ih"
    direction = noise(rng, arrays[key].shape)
    given = {**arrays, "b_ih": 30.0 * arrays["b_ih"]}
    exact = by_complex_step(twin, **options)(given, key, direction)
    mine = inner(gradients_of(function, given, slope, **options)[key], direction)
    assert abs(mine - exact @ flat(slope)) <= 1e-11 * max(1.0, np.linalg.norm(exact) * np.linalg.norm(flat(slope)))


@pytest.mark.parametrize("name", CELLS)
def test_nan_in_one_sequence_stays_there(rng, name):
    """But for weights and biases, to which all contribute."""
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 5, 6, 3, 4)
    value, pullback = vjp(function, **arrays, **options)
    slope = random_like(rng, value)
    desired = dict(zip(arrays, pullback(slope), strict=True))
    for b in range(5):
        others = np.arange(5) != b
        ill = {**arrays, "x": arrays["x"].copy()}
        ill["x"][b, 2, 1] = np.nan
        ill_slope = alike(slope, np.copy)
        ill_slope[0][b, 3, 1] = np.nan
        _, change = jvp(function, (), tuple(arrays.values()), **ill, **options)
        assert np.isfinite(change[0][others]).all()
        for found in (
            gradients_of(function, ill, slope, **options),
            gradients_of(function, arrays, ill_slope, **options),
        ):
            for key in ("x", "h0", "c0"):
                if key in arrays:
                    assert_same(found[key][others], desired[key][others])
            assert np.isnan(found["x"][b, 0]).all()
            assert np.isnan(found["w_ih"]).any()


def test_units_that_overflow_after_the_length():
    """They go on without being seen."""
    given = np.ones((2, 2000, 1)), [[1.0]], [[2.0]]
    value, pullback = vjp(rnn, *given, activation="relu", lengths=[5, 3])
    dx, dw_ih, dw_hh = pullback((np.ones(value[0].shape), None))
    short = np.ones((2, 5, 1)), *given[1:]
    value, pullback = vjp(rnn, *short, activation="relu", lengths=[5, 3])
    dx_too, *rest = pullback((np.ones(value[0].shape), None))
    assert_same(dx[:, :5], dx_too)
    assert not dx[:, 5:].any()
    assert_same(np.array([dw_ih, dw_hh]), np.array(rest))


@pytest.mark.parametrize("batch", [2, 3])
def test_nothing_overflows_beside_the_sequences(batch):
    """Whatever fills vectors and pairs up is no part of the gradient."""
    value, pullback = vjp(rnn, np.ones((batch, 2000, 1)), [[-2.0]], [[2.0]], [1.0], activation="relu")
    for gradient in pullback((np.ones(value[0].shape), None)):
        assert not gradient.any()


def test_a_partial_derivative_sees_one_step_only():
    value, pullback = synchronous_grad(rnn, np.ones((1, 4, 1)), [[1.0]], [[1.0]])
    dy = np.ones(value[0].shape)
    dy[0, 2] = np.nan
    dx, *_ = pullback((dy, None))
    np.testing.assert_allclose(dx, dy * (1 - value[0] ** 2), rtol=1e-14)


# Errors


def test_errors(rng):
    arrays = layer_arrays(rng, "lstm", 2, 5, 3, 4)
    value, pullback = vjp(lstm, **arrays)
    h, (last, c) = value
    assert_error(TypeError, "the value is a pair", pullback, h)
    assert_error(ValueError, "dy has shape (5, 4), expected (2, 5, 4)", pullback, (h[0], (last, c)))
    assert_error(TypeError, "the value is a pair", pullback, (h, last))
    assert_error(ValueError, "has shape (4,), expected (2, 4)", pullback, (h, (last, c[0])))
    assert_error(ValueError, "got 3 of them", pullback, (h, last, c))
    assert_error(TypeError, "dy is complex, the value is real", pullback, (1j * h, None))
    assert_error(ValueError, "w_ih has shape (3,), expected (16, 3)", vjp, lstm, **{**arrays, "w_ih": np.ones(3)})
    assert_error(ValueError, "lengths has shape (1,), expected (2,)", vjp, lstm, **arrays, lengths=[5])
    assert_error(
        TypeError, "h0 has dtype int64: gradients are for floats", vjp, lstm, **{**arrays, "h0": np.ones((2, 4), int)}
    )
    assert_error(NotImplementedError, "float32 and float64", vjp, lstm, **{**arrays, "x": 1j * arrays["x"]})
    tangents = np.ones(3), *[None] * 6
    assert_error(ValueError, "the tangent of x has shape (3,), expected (2, 5, 3)", jvp, lstm, (), tangents, **arrays)
    alone = layer_arrays(rng, "gru", None, 5, 3, 4)
    (h, last), pullback = vjp(gru, **alone)
    assert_error(ValueError, "dzf has shape (1, 4), expected (4,)", pullback, (h, last[None]))
    assert_error(ValueError, "tangents: expected", jvp, gru, (), (alone["x"],), **alone)


def test_names_in_the_error_of_an_unknown_function():
    assert_error(TypeError, f"nlfilter, {', '.join(FUNCTIONS)}, dense", vjp, sigrnn.get_workers)
