"""`LayerStream`: block by block it is the function, to the last bit; state, weights, copies, pickles, dtypes, errors."""

import copy
import pickle
import re

import numpy as np
import pytest
from helpers import Unchanged, assert_same, layer, layer_arrays, leaves, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import sigrnn
from sigrnn.layers._cells import FUNCTIONS
from sigrnn.layers.streams import LayerStream

# Kernels that other tests compile, too
CASES = [
    ("rnn", 3, None, "d"),
    ("rnn", 9, 5, "d"),
    ("gru", 9, None, "d"),
    ("gru", 17, 3, "f"),
    ("reset_before", 8, None, "d"),
    ("reset_before", 3, 5, "d"),
    ("lstm", 8, None, "f"),
    ("lstm", 17, 2, "f"),
    ("lstm", 3, 9, "d"),
    ("peephole", 9, 5, "d"),
    *((name, 9, 5, "d") for name in FUNCTIONS if name not in ("rnn", "gru", "lstm")),
]
STEPS = 60


def stream_of(name, arrays, **changes):
    function, _, options = layer(name)
    given = {key: array for key, array in {**arrays, **changes}.items() if key != "x"}
    return LayerStream(function.__name__, **given, **options)


def case(name, hidden, batch, dtype, inputs=2):
    arrays = layer_arrays(np.random.default_rng(5), name, batch, STEPS, inputs, hidden, np.dtype(dtype))
    function, _, options = layer(name)
    return arrays, function(**arrays, **options)


def assert_state(stream, value):
    for mine, theirs in zip(leaves(stream.state), leaves(value)[1:], strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize(("name", "hidden", "batch", "dtype"), CASES)
def test_blocks_are_the_whole(name, hidden, batch, dtype):
    arrays, value = case(name, hidden, batch, dtype)
    stream = stream_of(name, arrays)

    @settings(max_examples=20, deadline=None, database=None)
    @given(st.lists(st.integers(0, STEPS), max_size=6).map(sorted))
    def check(cuts):
        stream.reset()
        with Unchanged(*arrays.values()):
            blocks = [stream(block) for block in np.split(arrays["x"], cuts, axis=-2)]
        assert_same(np.concatenate(blocks, axis=-2), value[0])
        assert_state(stream, value)

    check()
    stream.reset()
    singles = [stream(arrays["x"][..., n : n + 1, :]) for n in range(STEPS)]
    assert_same(np.concatenate(singles, axis=-2), value[0])


def test_blocks_of_many_long_sequences_are_the_whole(rng):
    """The function divides these among threads; an odd one out must not come out in other bits."""
    arrays = layer_arrays(rng, "lstm", 9, 4000, 2, 3)
    stream = stream_of("lstm", arrays)
    h, _ = value = sigrnn.lstm(**arrays)
    assert_same(np.concatenate([stream(x) for x in np.split(arrays["x"], [7, 3000], axis=1)], axis=1), h)
    assert_state(stream, value)


def test_one_input_needs_no_axis():
    arrays, value = case("rnn", 3, None, "d", inputs=1)
    stream = stream_of("rnn", arrays)
    x = arrays["x"][:, 0]
    assert_same(np.concatenate([stream(x[:7]), stream(x[7:].tolist())]), value[0])
    with pytest.raises(ValueError, match=re.escape("expected (N, I) or (B, N, I)")):
        stream_of("rnn", case("rnn", 3, None, "d")[0])(x)


def test_any_layout():
    arrays, value = case("reset_before", 3, 5, "d")
    wide = np.zeros((5, 2, 3 * STEPS)).transpose(0, 2, 1)
    wide[:, ::3] = arrays["x"]
    view = wide[:, ::3]
    view.flags.writeable = False
    assert_same(stream_of("reset_before", arrays)(view), value[0])


def test_state():
    arrays, value = case("lstm", 3, 9, "d")
    stream = stream_of("lstm", arrays)
    assert_same(stream.state[0], arrays["h0"])
    assert_same(stream.state[1], arrays["c0"])
    stream(arrays["x"][:, :20])
    kept = stream.state
    desired = stream(arrays["x"][:, 20:])
    assert_same(desired, value[0][:, 20:])
    for part in stream.state:  # a copy
        part[...] = 9.0
    assert_state(stream, value)
    stream.state = kept
    kept[0][...] = 9.0
    assert_same(stream(arrays["x"][:, 20:]), desired)
    stream.reset()
    assert_same(stream(arrays["x"]), value[0])
    stream.reset()
    stream.state = np.zeros(3), np.ones(3)  # another number of sequences, after a reset
    assert_same(
        stream(arrays["x"][0]), sigrnn.lstm(**{**arrays, "x": arrays["x"][0], "h0": np.zeros(3), "c0": np.ones(3)})[0]
    )


def test_at_rest():
    arrays, _ = case("gru", 9, None, "d")
    del arrays["h0"]
    stream = stream_of("gru", arrays)
    assert_same(stream.state, np.zeros(9))
    h, last = sigrnn.gru(**arrays)
    assert_same(stream(arrays["x"]), h)
    assert_same(stream.state, last)


def test_weights_change_and_the_state_stays(rng):
    arrays, _ = case("lstm", 8, None, "f")
    stream = stream_of("lstm", arrays)
    stream(arrays["x"][:10])
    h, c = stream.state
    new = {**stream.weights, "w_hh": noise(rng, (32, 8)).astype("f")}
    stream.weights = new
    other = {**arrays, **new, "x": arrays["x"][10:], "h0": h, "c0": c}
    desired = sigrnn.lstm(**other)
    new["w_hh"][...] = 9.0
    stream.weights["w_ih"][...] = 9.0  # a copy
    assert_same(stream(arrays["x"][10:]), desired[0])
    assert_state(stream, desired)
    with pytest.raises(
        ValueError, match=re.escape("b_hh: expected the weights w_ih, w_hh, b_ih, b_hh, got w_ih, w_hh, b_ih")
    ):
        stream.weights = {name: stream.weights[name] for name in ("w_ih", "w_hh", "b_ih")}
    with pytest.raises(ValueError, match=re.escape("w_hh has shape (4, 1), expected (32, 8) as before")):
        stream.weights = {**stream.weights, "w_hh": np.zeros((4, 1))}
    with pytest.raises(NotImplementedError, match="complex128"):
        stream.weights = {**stream.weights, "b_ih": np.zeros(32, complex)}
    assert_state(stream, desired)


@pytest.mark.parametrize("make", [copy.copy, LayerStream.copy, lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
def test_copies_go_their_own_way(make):
    arrays, value = case("peephole", 9, 5, "d")
    stream = stream_of("peephole", arrays)
    for cut in (0, 20):  # before the first block, and after one
        stream(arrays["x"][:, :cut])
        other = make(stream)
        other(arrays["x"][:, 3:9])
        assert_same(make(stream)(arrays["x"][:, cut:]), value[0][:, cut:])
        assert_same(stream.copy()(arrays["x"][:, cut:]), value[0][:, cut:])
    other.reset()
    assert_same(other(arrays["x"]), value[0])


def test_a_wider_dtype_takes_over():
    """As in the function, called with the states it has returned."""
    arrays, _ = case("lstm", 8, None, "f")
    stream, states = stream_of("lstm", arrays), {}
    for kind in ("f", "d", "f", "i"):
        x = arrays["x"][:9].astype(kind)
        h, (h0, c0) = sigrnn.lstm(**{**arrays, "x": x, **states})
        states = {"h0": h0, "c0": c0}
        assert_same(stream(x), h)
        assert_state(stream, (h, h0, c0))


def test_not_a_number_stays():
    arrays, _ = case("lstm", 8, None, "f")
    x = arrays["x"].copy()
    x[20, 0] = np.nan
    desired = sigrnn.lstm(**{**arrays, "x": x})[0]
    stream = stream_of("lstm", arrays)
    h = np.concatenate([stream(x[:15]), stream(x[15:])])
    assert_same(h, desired)
    assert np.isnan(h[20:]).all()
    assert np.isfinite(h[:20]).all()


def test_errors():
    arrays, _ = case("gru", 17, 3, "f")
    weights = {name: arrays[name] for name in ("w_ih", "w_hh")}
    for kind, options, error, says in (
        ("elman", {}, ValueError, "no layer 'elman': there are 'rnn', 'gru', "),
        ("gru", {"activation": "tanh"}, TypeError, "activation goes with 'rnn', not with 'gru'"),
        ("gru", {"peephole": np.zeros((3, 17))}, TypeError, "peephole goes with 'lstm', not with 'gru'"),
        ("gru", {"c0": np.zeros(17)}, TypeError, "c0 goes with 'lstm', not with 'gru'"),
        ("lstm", {"reset_after": False}, TypeError, "reset_after goes with 'gru', not with 'lstm'"),
        ("mingru", {}, TypeError, "w_hh goes with 'rnn', 'gru', 'lstm', not with 'mingru'"),
        ("lstm", {}, ValueError, "w_hh has shape (51, 17), expected (4 * H, H)"),
        ("gru", {"h0": np.zeros(3)}, ValueError, "h0 has shape (3,), expected (17,) or (B, 17)"),
        ("gru", {"b_ih": np.zeros(3)}, ValueError, "b_ih has shape (3,), expected (51,)"),
    ):
        with pytest.raises(error, match=re.escape(says)):
            LayerStream(kind, **weights, **options)
    stream = stream_of("gru", arrays)
    x = arrays["x"]
    stream(x)
    before = stream.state
    for block, says in (
        (x[:2], "x has shape (2, 60, 2), the blocks before had (sequences, inputs) (3, 2)"),
        (x[0], "x has shape (60, 2), the blocks before had sequences (3,): reset() comes first"),
        (x[..., :1], "x has shape (3, 60, 1), the blocks before had (sequences, inputs) (3, 2)"),
    ):
        with pytest.raises(ValueError, match=re.escape(says)):
            stream(block)
    with pytest.raises(ValueError, match=re.escape("h0 has shape (17,), expected (3, 17)")):
        stream.state = np.zeros(17)
    stream.reset()
    with pytest.raises(ValueError, match=re.escape("h0 has shape (2, 5), expected (17,) or (B, 17)")):
        stream.state = np.zeros((2, 5))
    stream.state = before
    pair = stream_of("lstm", case("lstm", 8, None, "f")[0])
    with pytest.raises(ValueError, match=re.escape("the state of 'lstm' is a pair (h, c), got 1 arrays")):
        pair.state = (np.zeros(8),)
