"""`rnn`, `gru`, `lstm`, `dense`: values against slow twins and torch, lengths, layouts, infinities, blocks, threads, errors."""

import inspect
import math
import re
import threading
from functools import partial

import numpy as np
import pytest
import reference
from helpers import (
    LAYERS,
    LAYOUTS,
    Unchanged,
    alike,
    assert_close,
    assert_same,
    layer,
    layer_arrays,
    leaves,
    noise,
    python_calls,
    run_in_fresh_process,
)

import sigrnn
from sigrnn import Activation, dense, gru, lstm, rnn, set_workers
from sigrnn.layers import _run
from sigrnn.layers._cells import CELLS as TABLE
from sigrnn.layers._cells import FUNCTIONS, MODELS

CELLS = [name for name in LAYERS if name != "relu"]
# To compile little: float32 takes other loops for up to 8 units than beyond, one sequence others than several.
SINGLE = [("lstm", 8, None), ("lstm", 17, 2), ("lstm", 17, 5), ("gru", 17, 3)]
ROOT = Activation(
    lambda e: math.copysign(math.sqrt(abs(e)), e),
    lambda e: 0.5 / math.sqrt(abs(e)) if e != 0.0 else math.inf,
)


def root(e):
    """The same for the slow twin."""
    return np.sqrt(reference.by_sign(e, -e, e)) * reference.by_sign(e, -1, 1)


def batches(name, *of_all):
    """Some of these numbers of sequences, None for one without that axis; for peepholes, pairs only."""
    return [batch for batch in of_all if name != "peephole" or (batch or 1) > 1]


def assert_twin(value, desired, tolerance):
    """Same arrays, up to `tolerance` of the largest value."""
    value, desired = leaves(value), leaves(desired)
    assert [v.shape for v in value] == [d.shape for d in desired]
    for mine, theirs in zip(value, desired, strict=True):
        scale = max(1.0, np.abs(theirs).max(initial=0.0))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance * scale)


def doubled(arrays):
    return {name: np.asarray(array, float) for name, array in arrays.items()}


# Values


@pytest.mark.parametrize("hidden", [1, 3, 8, 9, 17])
@pytest.mark.parametrize("name", CELLS)
def test_against_slow_twin(rng, name, hidden):
    function, twin, options = layer(name)
    for batch in batches(name, None, 1, 2, 5):
        for inputs in (1, 3):
            for steps in (0, 1, 7):
                arrays = layer_arrays(rng, name, batch, steps, inputs, hidden)
                with Unchanged(*arrays.values()):
                    value = function(**arrays, **options)
                assert_twin(value, twin(**arrays, **options), 1e-12)
                assert all(leaf.dtype == np.float64 and leaf.flags.c_contiguous for leaf in leaves(value))


@pytest.mark.parametrize(("name", "hidden", "batch"), SINGLE)
def test_single_precision(rng, name, hidden, batch):
    function, twin, options = layer(name)
    for steps in (0, 1, 7):
        arrays = layer_arrays(rng, name, batch, steps, 3, hidden, np.float32)
        value = function(**arrays, **options)
        assert_twin(value, twin(**doubled(arrays), **options), 1e-5)
        assert all(leaf.dtype == np.float32 for leaf in leaves(value))


@pytest.mark.parametrize("name", CELLS)
def test_what_is_left_out_is_zero(rng, name):
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 5, 3, 4)
    needed = {key: arrays.pop(key) for key in ("x", "w_ih", "w_hh") if key in arrays}
    if name == "peephole":
        needed["peephole"] = arrays.pop("peephole")
    assert_twin(function(**needed, **options), twin(**needed, **options), 1e-12)
    for key, array in arrays.items():
        value = function(**needed, **{key: array}, **options)
        assert_twin(value, twin(**needed, **{key: array}, **options), 1e-12)
        zeros = {other: np.zeros_like(arrays[other]) for other in arrays if other != key}
        for mine, theirs in zip(
            leaves(value), leaves(function(**needed, **{key: array}, **zeros, **options)), strict=True
        ):
            assert_same(mine, theirs)


def test_a_peephole_of_zero_is_none(rng):
    arrays = layer_arrays(rng, "lstm", 2, 9, 3, 4)
    value, blind = lstm(**arrays, peephole=np.zeros((3, 4))), lstm(**arrays)
    assert_twin(value, blind, 1e-15)


def test_another_activation(rng):
    arrays = layer_arrays(rng, "rnn", None, 20, 2, 3)
    value = rnn(**arrays, activation="relu")
    assert_twin(value, reference.rnn(**arrays, activation="relu"), 1e-12)


def test_an_activation_of_ones_own(rng):
    arrays = layer_arrays(rng, "rnn", 3, 20, 2, 3)
    assert_twin(rnn(**arrays, activation=ROOT), reference.rnn(**arrays, activation=root), 1e-12)


def test_reset_before_and_after_agree_without_units_weighed_twice(rng):
    """With diagonal weights of n, and no bias there, W (r h) = r (W h)."""
    arrays = layer_arrays(rng, "gru", 2, 7, 3, 4)
    arrays["w_hh"][8:] = np.diag(noise(rng, 4))
    arrays["b_hh"][8:] = 0.0
    assert_twin(gru(**arrays, reset_after=False), gru(**arrays), 1e-13)


def test_small_examples_by_hand():
    h, last = rnn([[1.0], [2.0]], [[3.0]], [[0.5]], [0.25], [0.5], [2.0], activation="relu")
    assert h.tolist() == [[4.75], [9.125]]
    assert last.tolist() == [9.125]
    # i = f = o = 1/2, g = 0
    h, (last, c) = lstm(np.zeros((2, 1)), np.zeros((4, 1)), np.zeros((4, 1)), c0=[1.0])
    np.testing.assert_allclose(c, [0.25])
    np.testing.assert_allclose(h[:, 0], [np.tanh(0.5) / 2, np.tanh(0.25) / 2])
    np.testing.assert_allclose(last, h[1])
    h, last = gru(np.zeros((2, 1)), np.zeros((3, 1)), np.zeros((3, 1)), h0=[1.0])
    np.testing.assert_allclose(h[:, 0], [0.5, 0.25])


@pytest.mark.parametrize("name", CELLS)
def test_a_long_sequence(rng, name):
    """Longer than what is kept at a time; where it is cut does not matter."""
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 5, 4000, 2, 3)
    value = function(**arrays, **options)
    assert_twin(value, twin(**arrays, **options), 1e-12)
    state, pieces = {}, []
    for part in (slice(0, 1555), slice(1555, 1556), slice(1556, 4000)):
        piece, *last = leaves(function(**{**arrays, **state, "x": arrays["x"][:, part]}, **options))
        state = dict(zip(("h0", "c0"), last, strict=False))
        pieces.append(piece)
    for mine, theirs in zip((np.concatenate(pieces, axis=1), *last), leaves(value), strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("name", CELLS)
def test_nothing_to_do(rng, name):
    """No sequences, no steps, no inputs."""
    function, twin, options = layer(name)
    for batch in batches(name, None, 0, 2, 3):
        for steps, inputs in ((4, 2), (0, 2), (5, 0)):
            arrays = layer_arrays(rng, name, batch, steps, inputs, 3)
            assert_twin(function(**arrays, **options), twin(**arrays, **options), 1e-12)


def test_results_are_new_arrays(rng):
    arrays = layer_arrays(rng, "lstm", 2, 4, 3, 3)
    first, again = lstm(**arrays), lstm(**arrays)
    kept = alike(first, np.copy)
    for leaf in leaves(again):
        leaf[...] = 7.0  # would be seen in another that shares memory
    for mine, theirs in zip(leaves(first), leaves(kept), strict=True):
        assert_same(mine, theirs)
    h, (last, _) = first
    last[...] = 9.0
    assert_same(h, kept[0])
    h, (last, c) = lstm(**{**arrays, "x": np.zeros((2, 0, 3))})
    last[...] = c[...] = 9.0
    assert 9.0 not in arrays["h0"]
    assert 9.0 not in arrays["c0"]


# Against torch


def torch_layer(torch, name, arrays):
    """The layer of torch with these weights, double, batch first; `arrays` has both biases or none."""
    rows, inputs = arrays["w_ih"].shape
    cell, _ = LAYERS[name]
    hidden = rows // cell.gates
    options = {"nonlinearity": "relu"} if name == "relu" else {}
    kind = getattr(torch.nn, cell.torch)
    made = kind(inputs, hidden, bias="b_ih" in arrays, batch_first=True, dtype=torch.float64, **options)
    with torch.no_grad():
        for mine, theirs in (("w_ih", "weight_ih"), ("w_hh", "weight_hh"), ("b_ih", "bias_ih"), ("b_hh", "bias_hh")):
            if mine in arrays:
                getattr(made, f"{theirs}_l0").copy_(torch.tensor(arrays[mine]))
    return made


@pytest.mark.parametrize("name", [name for name in ("relu", *FUNCTIONS) if LAYERS[name][0].torch])
def test_against_torch(rng, name):
    torch = pytest.importorskip("torch")
    function, _, options = layer(name)
    for batch, steps, inputs, hidden, biased in (
        (None, 30, 1, 5, True),
        (1, 30, 2, 8, True),
        (3, 50, 4, 17, True),
        (4, 7, 3, 9, False),
    ):
        arrays = layer_arrays(rng, name, batch, steps, inputs, hidden)
        if not biased:
            del arrays["b_ih"], arrays["b_hh"]
        made = torch_layer(torch, name, arrays)
        state = [torch.tensor(arrays[key])[None] for key in ("h0", "c0") if key in arrays]
        with torch.no_grad():
            h, last = made(torch.tensor(arrays["x"]), state[0] if len(state) == 1 else tuple(state))
        desired = [h.numpy(), *(part[0].numpy() for part in (last if isinstance(last, tuple) else (last,)))]
        for mine, theirs in zip(leaves(function(**arrays, **options)), desired, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())


def test_lengths_against_torch(rng):
    torch = pytest.importorskip("torch")
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    arrays = layer_arrays(rng, "lstm", 4, 9, 3, 5)
    del arrays["h0"], arrays["c0"]
    lengths = [4, 9, 1, 7]
    packed = pack_padded_sequence(
        torch.tensor(arrays["x"]), torch.tensor(lengths), batch_first=True, enforce_sorted=False
    )
    with torch.no_grad():
        h, (last, c) = torch_layer(torch, "lstm", arrays)(packed)
    h, _ = pad_packed_sequence(h, batch_first=True)
    value = lstm(**arrays, lengths=lengths)
    for mine, theirs in zip(leaves(value), (h.numpy(), last[0].numpy(), c[0].numpy()), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-13)


# Sequences of different length


@pytest.mark.parametrize("name", CELLS)
def test_lengths(rng, name):
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 8, 7, 3, 4)
    lengths = np.arange(8)
    value = function(**arrays, lengths=lengths, **options)
    assert_twin(value, twin(**arrays, lengths=lengths, **options), 1e-12)
    ruined = arrays["x"].copy()
    for b, length in enumerate(lengths):
        h, *last = leaves(value)
        assert not h[b, length:].any()
        assert not np.signbit(h[b, length:]).any()
        ruined[b, length:] = [np.nan, np.inf, -np.inf]
        twice = {key: arrays[key][[b, b]] for key in ("x", "h0", "c0") if key in arrays}
        twice["x"] = twice["x"][:, :length]
        short = leaves(function(**{**arrays, **twice}, **options))
        for mine, theirs in zip([h[b, :length], *(part[b] for part in last)], short, strict=True):
            np.testing.assert_allclose(mine, theirs[1], rtol=0, atol=1e-14)
    for given in (lengths.tolist(), tuple(lengths), lengths.astype(np.uint8), lengths.astype(object)):
        again = function(**{**arrays, "x": ruined}, lengths=given, **options)
        for mine, theirs in zip(leaves(again), leaves(value), strict=True):
            assert_same(mine, theirs)


def test_all_of_full_length(rng):
    arrays = layer_arrays(rng, "gru", 3, 6, 2, 4)
    for mine, theirs in zip(gru(**arrays, lengths=[6, 6, 6]), gru(**arrays), strict=True):
        assert_same(mine, theirs)
    h, last = gru(**arrays, lengths=[0, 0, 0])
    assert not h.any()
    assert_same(last, arrays["h0"])


def test_lengths_with_nothing_else(rng):
    for batch, steps in ((0, 4), (2, 0)):
        arrays = layer_arrays(rng, "lstm", batch, steps, 2, 3)
        assert_twin(lstm(**arrays, lengths=[0] * batch), lstm(**arrays), 0.0)


# Memory layouts and dtypes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    arrays = layer_arrays(rng, "peephole", 3, 6, 2, 4)
    laid = {name: LAYOUTS[layout](array) for name, array in arrays.items()}
    plain = {name: np.array(array, float, order="C") for name, array in laid.items()}
    with Unchanged(*laid.values()):
        value = lstm(**laid)
    for mine, theirs in zip(leaves(value), leaves(lstm(**plain)), strict=True):
        assert_same(mine, theirs)
        assert mine.flags.c_contiguous
        assert mine.flags.owndata
        assert mine.dtype.isnative


def test_integers_become_float64():
    x, w_ih, w_hh = [[1], [0], [2]], [[1], [-2]], [[0, 1], [1, 0]]
    floats = [np.array(array, float) for array in (x, w_ih, w_hh)]
    desired = rnn(*floats, activation="relu")
    for dtype in (int, np.int8, np.uint16, bool, None):
        given = (np.array(x), w_ih, w_hh) if dtype is None else (np.array(x, dtype), w_ih, w_hh)
        if dtype is bool:
            desired = rnn(given[0].astype(float), *floats[1:], activation="relu")
        elif dtype is int:
            desired = rnn(*floats, activation="relu")
        for mine, theirs in zip(rnn(*given, activation="relu"), desired, strict=True):
            assert mine.dtype == np.float64
            assert_same(mine, theirs)
        desired = rnn(*floats, activation="relu")


@pytest.mark.parametrize("key", ["x", "w_ih", "w_hh", "b_ih", "b_hh", "h0", "c0"])
def test_one_array_of_double_precision_makes_all_so(rng, key):
    arrays = layer_arrays(rng, "lstm", None, 4, 2, 3, np.float32)
    arrays[key] = arrays[key].astype(float)
    value = lstm(**arrays)
    for mine, theirs in zip(leaves(value), leaves(lstm(**doubled(arrays))), strict=True):
        assert_same(mine, theirs)


def test_positions_of_the_arguments(rng):
    for name in FUNCTIONS:
        function, _, _ = layer(name)
        arrays = layer_arrays(rng, name, 2, 4, 3, 4)
        for mine, theirs in zip(leaves(function(*arrays.values())), leaves(function(**arrays)), strict=True):
            assert_same(mine, theirs)


# Numbers beyond all others


@pytest.mark.parametrize("name", CELLS)
def test_saturated_gates(rng, name):
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 6, 3, 4)
    for scale in (30.0, 800.0, 1e10, 1e300):
        for key in {"x", "b_ih", "w_hh"} & arrays.keys():
            given = {**arrays, key: arrays[key] * scale}
            value, desired = function(**given, **options), twin(**given, **options)
            assert all(np.isfinite(leaf).all() for leaf in leaves(value))
            assert_twin(value, desired, 1e-11)


@pytest.mark.parametrize("name", CELLS)
def test_infinite_inputs_and_biases(rng, name):
    function, twin, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 6, 1, 4)
    places = ("x", (0, 2, 0)), ("b_ih", 1), ("b_ih", -1), ("b_ih", len(arrays["b_ih"]) // 2), ("b_hh", 0)
    for key, where in (place for place in places if place[0] in arrays):
        for value in (np.inf, -np.inf):
            given = {**arrays, key: arrays[key].copy()}
            given[key][where] = value
            with np.errstate(invalid="ignore"):
                desired = twin(**given, **options)
            found = function(**given, **options)
            if TABLE[name].recurrent:  # what its units take is bounded
                assert all(np.isfinite(leaf).all() for leaf in leaves(desired))
                assert_twin(found, desired, 1e-12)
            else:
                for mine, theirs in zip(leaves(found), leaves(desired), strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_a_large_bias_in_single_precision(rng):
    arrays = layer_arrays(rng, "lstm", None, 6, 2, 8, np.float32)
    for scale in (1e2, 1e4, 1e30):
        given = {**arrays, "b_ih": (arrays["b_ih"] * scale).astype(np.float32)}
        assert_twin(lstm(**given), reference.lstm(**doubled(given)), 1e-5)


def test_a_cell_that_overflows():
    """Unlike gates, activations may have no bounds."""
    h, last = rnn(np.ones((2000, 1)), [[1.0]], [[2.0]], activation="relu")
    assert np.isfinite(h[:1000]).all()
    assert last == np.inf
    h, last = rnn(np.ones((2000, 1)), [[1.0]], [[-2.0]], activation="relu")
    assert_same(h, np.tile([[1.0], [0.0]], (1000, 1)))


@pytest.mark.parametrize("name", CELLS)
def test_nan_in_one_sequence_stays_there(rng, name):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 5, 6, 3, 9)
    desired = leaves(function(**arrays, **options))
    for b in range(5):
        ill = {**arrays, "x": arrays["x"].copy()}
        ill["x"][b, 2, 1] = np.nan
        others = np.arange(5) != b
        value = leaves(function(**ill, **options))
        for mine, theirs in zip(value, desired, strict=True):
            assert_same(mine[others], theirs[others])
        assert_same(value[0][b, :2], desired[0][b, :2])
        assert np.isnan(value[0][b, 2:]).all()
        assert np.isnan(value[1][b]).all()


def test_no_warnings_of_floating_point():
    code = """
import numpy as np, sigrnn
h, last = sigrnn.rnn(np.full((3, 1), 1e300), [[1e300]], [[1.0]])
assert (h == 1).all()
sigrnn.lstm(np.full((3, 1), np.nan), np.ones((4, 1)), np.ones((4, 1)))
"""
    run_in_fresh_process(code)


# Block by block


@pytest.mark.parametrize("name", CELLS)
def test_block_by_block_is_all_at_once(rng, name):
    for batch in batches(name, None, 1, 3):
        assert_blocks(rng, name, batch, 5, np.float64)


@pytest.mark.parametrize(("name", "hidden", "batch"), SINGLE)
def test_block_by_block_in_single_precision(rng, name, hidden, batch):
    assert_blocks(rng, name, batch, hidden, np.float32)


def assert_blocks(rng, name, batch, hidden, dtype):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, batch, 40, 2, hidden, dtype)
    h, *last = leaves(function(**arrays, **options))
    states = [key for key in ("h0", "c0") if key in arrays]
    for cuts in ([13], [1, 2, 3, 39], range(1, 40), [0, 40]):
        given, pieces = dict(arrays), []
        for start, stop in zip([0, *cuts], [*cuts, 40], strict=True):
            given["x"] = arrays["x"][..., start:stop, :]
            piece, *state = leaves(function(**given, **options))
            pieces.append(piece)
            given.update(zip(states, state, strict=True))
        assert_same(np.concatenate(pieces, axis=-2), h)
        for mine, theirs in zip(state, last, strict=True):
            assert_same(mine, theirs)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_one_sequence_with_and_without_an_axis_for_it(rng, name):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, None, 9, 3, 5)
    batched = {key: array[None] if key in ("x", "h0", "c0") else array for key, array in arrays.items()}
    for alone, one in zip(leaves(function(**arrays, **options)), leaves(function(**batched, **options)), strict=True):
        assert_same(one[0], alone)


# What a call costs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_short_call_enters_few_functions(rng, dtype):
    """They are what a call of few steps costs, not its loops."""
    for name in FUNCTIONS:
        function, _, _ = layer(name)
        arrays = list(layer_arrays(rng, name, None, 16, 1, 16, dtype).values())

        value, pullback = sigrnn.vjp(function, *arrays)
        assert python_calls(lambda function=function, arrays=arrays: function(*arrays)) <= 13
        assert python_calls(lambda function=function, arrays=arrays: sigrnn.vjp(function, *arrays)) <= 22
        assert python_calls(lambda pullback=pullback, value=value: pullback(value)) <= 20


def test_the_table_of_cells():
    """Kernels get what the row of a cell has."""
    from sigrnn._kernels.layers.cells import CELLS as STEPS

    assert TABLE.keys() == {"rnn", *STEPS}
    for name, steps in STEPS.items():
        row = TABLE[name]
        assert (row.sums, row.memory) == (steps.sums, steps.memory)
        if steps.step is not None:
            missing = [gates.index(-1) if -1 in gates and row.recurrent else -1 for gates in (row.x_gates, row.h_gates)]
            assert missing == [steps.no_inputs, steps.no_units]
        assert set(row.arrays) <= set(inspect.signature(getattr(sigrnn, row.function)).parameters)
    assert {*FUNCTIONS, *MODELS} <= set(sigrnn.__all__)


# Threads


@pytest.fixture
def shared(monkeypatch):
    """For each piece of work so far, whether another thread than this one did it."""
    elsewhere = []

    def noted(task):
        elsewhere.append(threading.current_thread() is not threading.main_thread())
        task()

    def share(tasks, work, share=_run.share):
        share([partial(noted, task) for task in tasks], work)

    monkeypatch.setattr(_run, "share", share)
    return elsewhere


@pytest.mark.parametrize("batch", [17, 24])
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_two_workers_give_the_same_bits(rng, name, batch, shared):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, batch, 3000, 2, 8)
    lengths = rng.integers(0, 3001, batch)
    for more in ({}, {"lengths": lengths}):
        with set_workers(1):
            desired = function(**arrays, **more, **options)
        assert not any(shared)
        for workers in (2, 3):
            with set_workers(workers):
                value = function(**arrays, **more, **options)
            for mine, theirs in zip(leaves(value), leaves(desired), strict=True):
                assert_same(mine, theirs)
        assert any(shared)
        shared.clear()


def test_little_work_is_not_shared(rng, shared):
    with set_workers(2):
        lstm(**layer_arrays(rng, "lstm", 24, 10, 2, 8))
        lstm(**layer_arrays(rng, "lstm", None, 4000, 2, 8))
    assert not any(shared)


# The layer without memory


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dense(rng, dtype):
    for shape in ((3,), (7, 3), (2, 7, 3), (2, 0, 3), (4, 1, 2, 3)):
        for outputs in (1, 5):
            x, v, bias = (noise(rng, s, dtype) for s in (shape, (outputs, 3), outputs))
            with Unchanged(x, v, bias):
                z, biased = dense(x, v), dense(x, v, bias)
            assert_close(z, x @ v.T, 10)
            assert_close(biased, x @ v.T + bias, 10)
            for activation in ("tanh", "softplus"):
                desired = reference.ACTIVATIONS[activation](x.astype(float) @ v.T + bias).astype(dtype)
                assert_close(dense(x, v, bias, activation=activation), desired, 100)


def test_dense_of_ones_own_activation():
    square = Activation(lambda e: e * e, lambda e: 2.0 * e)
    z = dense([[1.0, 2.0]], [[1.0, 1.0], [1.0, -1.0]], activation=square)
    assert z.tolist() == [[9.0, 1.0]]


def test_dense_of_integers():
    z = dense([1, 2], [[1, 1]], [3])
    assert z.dtype == np.float64
    assert z.tolist() == [6.0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dense_layouts(rng, layout):
    x, v = LAYOUTS[layout](noise(rng, (3, 6, 2))), LAYOUTS[layout](noise(rng, (4, 2)))
    z = dense(x, v, activation="tanh")
    assert_close(z, np.tanh(x.astype(float) @ v.T.astype(float)), 10)


# Errors


def assert_error(error, message, function, *args, **kwargs):
    with pytest.raises(error, match=re.escape(message)):
        function(*args, **kwargs)


SHAPES = [
    ("rnn", "x", (4,), "x has shape (4,), expected (N, I) or (B, N, I)"),
    ("lstm", "x", (1, 2, 3, 4), "x has shape (1, 2, 3, 4), expected (N, I) or (B, N, I)"),
    ("gru", "x", (), "x has shape (), expected (N, I) or (B, N, I)"),
    ("rnn", "w_hh", (2, 3), "w_hh has shape (2, 3), expected (H, H)"),
    ("rnn", "w_hh", (3,), "w_hh has shape (3,), expected (H, H)"),
    ("rnn", "w_hh", (0, 0), "w_hh has shape (0, 0), expected (H, H)"),
    ("gru", "w_hh", (16, 4), "w_hh has shape (16, 4), expected (3 * H, H)"),
    ("lstm", "w_hh", (12, 4), "w_hh has shape (12, 4), expected (4 * H, H)"),
    ("lstm", "w_hh", (1, 16, 4), "w_hh has shape (1, 16, 4), expected (4 * H, H)"),
    ("rnn", "w_ih", (4, 2), "w_ih has shape (4, 2), expected (4, 3)"),
    ("gru", "w_ih", (4, 3), "w_ih has shape (4, 3), expected (12, 3)"),
    ("lstm", "w_ih", (3, 16), "w_ih has shape (3, 16), expected (16, 3)"),
    ("rnn", "b_ih", (), "b_ih has shape (), expected (4,)"),
    ("gru", "b_hh", (4,), "b_hh has shape (4,), expected (12,)"),
    ("mingru", "w_ih", (7, 3), "w_ih has shape (7, 3), expected (2 * H, inputs)"),
    ("mingru", "w_ih", (8, 2), "w_ih has shape (8, 2), expected (8, 3): x has 3 inputs"),
    ("lstm", "b_ih", (16, 1), "b_ih has shape (16, 1), expected (16,)"),
    ("rnn", "h0", (4,), "h0 has shape (4,), expected (2, 4)"),
    ("gru", "h0", (1, 2, 4), "h0 has shape (1, 2, 4), expected (2, 4)"),
    ("lstm", "h0", (1, 4), "h0 has shape (1, 4), expected (2, 4)"),
    ("lstm", "c0", (2, 5), "c0 has shape (2, 5), expected (2, 4)"),
    ("peephole", "peephole", (4, 3), "peephole has shape (4, 3), expected (3, 4)"),
]


@pytest.mark.parametrize(("name", "key", "shape", "message"), SHAPES)
def test_wrong_shapes(rng, name, key, shape, message):
    function, _, options = layer(name)
    arrays = layer_arrays(rng, name, 2, 5, 3, 4)
    assert_error(ValueError, message, function, **{**arrays, key: np.zeros(shape)}, **options)


def test_a_state_of_one_sequence_has_no_axis_for_it(rng):
    arrays = layer_arrays(rng, "lstm", None, 5, 3, 4)
    for key in ("h0", "c0"):
        message = f"{key} has shape (1, 4), expected (4,)"
        assert_error(ValueError, message, lstm, **{**arrays, key: np.zeros((1, 4))})


def test_wrong_lengths(rng):
    arrays = layer_arrays(rng, "gru", 2, 5, 3, 4)
    for lengths, message in (
        ([5], "lengths has shape (1,), expected (2,)"),
        (5, "lengths has shape (), expected (2,)"),
        ([[5, 5]], "lengths has shape (1, 2), expected (2,)"),
        ([5, 6], "lengths must be between 0 and the number of steps 5, got [5, 6]"),
        ([-1, 5], "lengths must be between 0 and the number of steps 5, got [-1, 5]"),
    ):
        assert_error(ValueError, message, gru, **arrays, lengths=lengths)
    for lengths in ([5.0, 5.0], ["5", "5"], [None, 5]):
        assert_error(TypeError, "cannot be interpreted as an integer", gru, **arrays, lengths=lengths)
    alone = layer_arrays(rng, "gru", None, 5, 3, 4)
    assert_error(ValueError, "lengths has shape (1,), expected none", gru, **alone, lengths=[5])


@pytest.mark.parametrize("dtype", ["complex128", "complex64", "float16", "longdouble", "object"])
def test_other_dtypes(rng, dtype):
    given = np.zeros(3, dtype).dtype
    for name in ("rnn", "lstm"):
        function, _, _ = layer(name)
        arrays = layer_arrays(rng, name, 2, 5, 3, 4)
        if dtype == "float16":
            arrays = {key: array.astype(given) for key, array in arrays.items()}
        arrays["w_hh"] = arrays["w_hh"].astype(given)
        common = given if dtype != "complex64" else np.dtype(complex)
        assert_error(NotImplementedError, f"the common dtype of x and the weights is {common}", function, **arrays)
    one = np.ones((1, 1), given)
    assert_error(NotImplementedError, f"the common dtype of x and the weights is {given}", dense, one, one)


def test_wrong_activations(rng):
    arrays = layer_arrays(rng, "rnn", None, 5, 3, 4)
    assert_error(ValueError, "unknown activation 'tan': known are 'linear', 'tanh'", rnn, **arrays, activation="tan")
    assert_error(TypeError, "activation must be one of", rnn, **arrays, activation=np.tanh)
    assert_error(ValueError, "unknown activation 'tan'", dense, [1.0], [[1.0]], activation="tan")


def test_wrong_shapes_of_dense():
    for x, v, bias, message in (
        ((3,), (3,), None, "v has shape (3,), expected (outputs, inputs)"),
        ((3,), (2, 4), None, "x has shape (3,), expected (..., 4): v has shape (2, 4)"),
        ((), (2, 1), None, "x has shape (), expected (..., 1): v has shape (2, 1)"),
        ((5, 3), (2, 3), (3,), "bias has shape (3,), expected (2,)"),
        ((5, 3), (2, 3), (), "bias has shape (), expected (2,)"),
    ):
        given = [None if shape is None else np.zeros(shape) for shape in (x, v, bias)]
        assert_error(ValueError, message, dense, *given)


def test_weights_are_required(rng):
    with pytest.raises(TypeError):
        sigrnn.rnn(np.zeros((3, 1)), np.zeros((2, 1)))


@pytest.mark.parametrize("missing", ["x", "w_ih", "w_hh"])
def test_none_is_no_array(rng, missing):
    arrays = layer_arrays(rng, "rnn", None, 5, 3, 4)
    with pytest.raises((TypeError, ValueError, NotImplementedError)):
        rnn(**{**arrays, missing: None})
