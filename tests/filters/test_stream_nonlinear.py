"""`Stream` with an activation: block by block it is `nlfilter`, whatever the blocks; state, copies, pickles, errors."""

import copy
import pickle

import numpy as np
import pytest
from helpers import LAYOUTS, Unchanged, assert_close, assert_same, contractive, noise

import sigrnn
from sigrnn import Activation, Stream, lfilter, nlfilter

SAMPLES = 3000
# One sample, none, few, more than take the short way (1024)
CUTS = [[], [0], [1, 1, 2, 3], [100, 200, 201], [1024, 2049]]


def run(stream, x, cuts, axis=-1):
    return np.concatenate([stream(block) for block in np.split(x, cuts, axis=axis)], axis=axis)


def filters(rng):
    return {
        "IIR": contractive(rng, 2),
        "FIR": (noise(rng, 40), np.array([2.0])),
        "gain": (np.array([3.0]), np.array([2.0])),
    }


NAMES = ["IIR", "FIR", "gain"]


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_the_whole(rng, name):
    b, a = filters(rng)[name]
    for shape in ((SAMPLES,), (3, 400), (2, 2, 300)):
        x = noise(rng, shape)
        zi = noise(rng, (*shape[:-1], max(len(b), len(a)) - 1))
        desired, final = nlfilter(b, a, x, zi=zi, bias=0.3)
        for cuts in CUTS:
            stream = Stream(b, a, zi=zi, activation="tanh", bias=0.3)
            with Unchanged(b, a, x, zi):
                y = run(stream, x, [cut for cut in cuts if cut <= shape[-1]])
            (assert_same if name == "IIR" else assert_close)(y, desired)
            assert_close(stream.zi, final)


@pytest.mark.parametrize("name", NAMES)
def test_sample_by_sample(rng, name):
    b, a = filters(rng)[name]
    x = noise(rng, 150)
    stream = Stream(b, a, activation="tanh", bias=-0.2)
    assert_close(np.array([stream(x[n : n + 1])[0] for n in range(150)]), nlfilter(b, a, x, bias=-0.2))


@pytest.mark.parametrize("name", NAMES)
def test_axis(rng, name):
    b, a = filters(rng)[name]
    x = noise(rng, (500, 3))
    stream = Stream(b, a, axis=0, activation="tanh", bias=0.1)
    assert_close(run(stream, x, [10, 200], axis=0), nlfilter(b, a, x, 0, bias=0.1))
    x = noise(rng, (2, 500, 3))
    stream = Stream(b, a, axis=-2, activation="tanh")
    y, zf = nlfilter(b, a, x, 1, 0.0)
    assert_close(run(stream, x, [10, 200], axis=1), y)
    assert_close(stream.zi, zf)


@pytest.mark.parametrize("activation", ["relu", "softsign"])
def test_other_activations(rng, activation):
    b, a = contractive(rng, 1)
    x = noise(rng, 500)
    stream = Stream(b, a, activation=activation)
    assert_same(run(stream, x, [3, 100]), nlfilter(b, a, x, activation=activation))


def test_linear_is_the_linear_stream(rng):
    b, a = contractive(rng, 1)
    x = noise(rng, 500)
    assert_close(run(Stream(b, a, activation="linear"), x, [3, 100]), lfilter(b, a, x))
    y = run(Stream(b, a, activation="linear", bias=0.5), x, [3, 100])
    assert_close(y, nlfilter(b, a, x, activation="linear", bias=0.5))
    assert_close(run(Stream(b, [1.0], activation="linear"), x, [3, 100]), lfilter(b, [1.0], x))


def test_an_activation_of_the_users(rng):
    mine = Activation(lambda e: 0.5 * e, lambda e: 0.5)
    x = noise(rng, 100)
    assert_close(run(Stream([1.0], [1.0, 0.5], activation=mine), x, [3, 40]), lfilter([0.5], [1.0, 0.25], x))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision(rng, name):
    """The state stays in double precision between blocks."""
    b, a = (c.astype("f") for c in (contractive(rng, 1) if name == "IIR" else filters(rng)[name]))
    for shape in ((SAMPLES,), (2, 300)):
        x = noise(rng, shape, "f")
        stream = Stream(b, a, activation="tanh", bias=0.25)
        y = run(stream, x, [5, 120, 130])
        assert y.dtype == np.float32
        assert stream.zi.dtype == np.float64
        desired = nlfilter(b.astype(float), a.astype(float), x.astype(float), bias=0.25)
        np.testing.assert_allclose(y, desired, rtol=1e-5, atol=1e-6)


def test_integers_and_lists():
    stream = Stream([1], [1.0, -1], activation="relu", bias=1)
    assert stream([1, 0]).tolist() == [2.0, 3.0]
    assert stream(np.array([-9, 1], np.int8)).tolist() == [0.0, 2.0]
    assert stream((True,)).tolist() == [4.0]
    assert stream([]).tolist() == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    b, a = contractive(rng, 2)
    stream = Stream(b, a, activation="tanh")
    blocks = [LAYOUTS[layout](block) for block in np.split(noise(rng, 90), [30, 60])]
    y = np.concatenate([stream(block) for block in blocks])
    assert_close(y, nlfilter(b, a, np.concatenate([np.array(block, float) for block in blocks])))


def test_long_blocks_are_not_filtered_in_parallel_blocks(rng):
    """Which only linear filters can be."""
    b, a = contractive(rng, 2)
    x = noise(rng, 20_000)
    assert_same(Stream(b, a, activation="tanh")(x), nlfilter(b, a, x))
    x = noise(rng, (2, 20_000))
    assert_same(Stream(b, a, activation="tanh")(x), nlfilter(b, a, x))
    with sigrnn.set_workers(2):
        assert_same(Stream(b, a, activation="tanh")(x), nlfilter(b, a, x))


@pytest.mark.parametrize("name", NAMES)
def test_reset_copy_and_pickle(rng, name):
    b, a = filters(rng)[name]
    x, zi = noise(rng, 60), noise(rng, max(len(b), len(a)) - 1)
    stream = Stream(b, a, zi=zi, activation="tanh", bias=0.4)
    whole, final = nlfilter(b, a, x, zi=zi, bias=0.4)
    first = stream(x[:30])
    others = [stream.copy(), copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    for other in (*others, stream):
        assert_close(np.concatenate([first, other(x[30:])]), whole)
        assert_close(other.zi, final)
    stream.reset()
    assert_same(stream.zi, zi)
    assert_same(stream(x[:30]), first)
    stream.reset()
    assert_close(stream(np.stack([x, x]))[1], whole)  # other channels


def test_the_state_may_be_assigned(rng):
    b, a = contractive(rng, 2)
    x, zi = noise(rng, 60), noise(rng, 2)
    stream = Stream(b, a, activation="tanh")
    stream(x)
    stream.zi = zi
    assert_same(stream.zi, zi)
    assert_same(stream(x), nlfilter(b, a, x, zi=zi)[0])


def test_coefficients_may_change_while_the_state_stays(rng):
    (b, a), (b2, a2), x = contractive(rng, 2), contractive(rng, 2), noise(rng, 90)
    stream = Stream(b, a, activation="tanh", bias=0.3)
    first, state = nlfilter(b, a, x[:30], zi=0.0, bias=0.3)
    second, state = nlfilter(b2, a2, x[30:60], zi=state, bias=0.3)
    third, state = nlfilter(b2[:2], [*a2[:1], 0.0, 0.0], x[60:], zi=state, bias=0.3)
    assert_close(stream(x[:30]), first)
    stream.b, stream.a = b2, a2
    assert_close(stream(x[30:60]), second)
    stream.b, stream.a = b2[:2], a2[:1]  # no feedback any more: what is left of it still comes out
    assert_close(stream(x[60:]), third)
    assert_same(stream.b, b2[:2])
    assert stream.sos is None


def test_from_no_feedback_to_feedback(rng):
    b, x = noise(rng, 3), noise(rng, 60)
    stream = Stream(b, [1.0], activation="tanh", bias=0.3)
    first, state = nlfilter(b, [1.0], x[:30], zi=0.0, bias=0.3)
    assert_close(stream(x[:30]), first)
    stream.a = [1.0, 0.5, -0.2]
    assert_close(stream(x[30:]), nlfilter(b, [1.0, 0.5, -0.2], x[30:], zi=state, bias=0.3)[0])
    stream.a = [2.0, 1.0]
    stream.reset()
    assert_close(stream(x), nlfilter(b, [2.0, 1.0], x, bias=0.3))


def test_errors():
    sos = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
    for given in ({"sos": sos, "activation": "tanh"}, {"b": [1.0], "a": [1.0], "activation": "tanh", "method": "fft"}):
        with pytest.raises(TypeError, match="an activation goes with b and a"):
            Stream(**given)
    with pytest.raises(TypeError, match="a bias goes with an activation"):
        Stream([1.0], [1.0], bias=0.5)
    with pytest.raises(ValueError, match="unknown activation 'tan': known are 'linear'"):
        Stream([1.0], [1.0], activation="tan")
    with pytest.raises(TypeError, match="activation must be one of"):
        Stream([1.0], [1.0], activation=np.tanh)
    with pytest.raises(ValueError, match="much"):
        Stream([1.0], [1.0], activation="tanh", bias="much")
    with pytest.raises(ValueError, match="b and a must be 1-D"):
        Stream([[1.0], [2.0]], [1.0], activation="tanh")


def test_errors_of_blocks():
    for a in ([1.0, 0.5], [1.0]):
        stream = Stream([1.0, 1.0], a, activation="tanh")
        for kind in "FDg":
            if np.dtype(kind) != np.float64:
                with pytest.raises(NotImplementedError, match="Stream serves float32 and float64, not"):
                    stream(np.ones(3, kind))
        stream(np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"the blocks before had \(2,\): reset\(\) comes first"):
            stream(np.ones(3))
        with pytest.raises(ValueError, match="of at most 2 coefficients, as before"):
            stream.a = [1.0, 0.5, 0.2]
        with pytest.raises(AttributeError, match="cannot be assigned"):
            stream.sos = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
        assert stream(np.ones((2, 3))).shape == (2, 3)
