"""`nlfilter` against its slow twin: orders, states, bias, axes, channels, dtypes, layouts, NaN, blocks, threads, errors."""

import numpy as np
import pytest
import reference
from helpers import LAYOUTS, Unchanged, assert_close, assert_same, contractive, noise, same_values
from hypothesis import given, settings
from hypothesis import strategies as st

import sigrnn
from sigrnn import lfilter, nlfilter
from sigrnn.activations import NAMES

ORDERS = [1, 2, 9, 20, 70]  # of the order known to the compiler, of any in lanes, beyond lanes


def twin(b, a, x, activation="tanh", bias=0.0, zi=None):
    """One channel: y and zf."""
    b, a, x = (np.atleast_1d(c) for c in (b, a, x))
    g = reference.ACTIVATIONS[activation]
    if len(a) == 1:  # a sample is gone after len(b) of them, even a NaN
        e, zf = reference.fir(b / a[0], x, np.zeros(len(b) - 1) if zi is None else zi)
        return g(e + bias), zf
    return reference.nonlinear(b, a, x, g, bias, zi)[:2]


def channels(b, a, x, activation="tanh", bias=0.0, zi=None, axis=-1):
    """All channels, one after the other, each with its own coefficients, bias and state if there are any."""
    x, order = np.moveaxis(np.asarray(x, float), axis, -1), max(np.shape(b)[-1], np.shape(a)[-1]) - 1
    shape = np.broadcast_shapes(x.shape[:-1], np.shape(b)[:-1], np.shape(a)[:-1], np.shape(bias))
    b, a, x = (np.broadcast_to(c, (*shape, np.shape(c)[-1])) for c in (b, a, x))
    bias = np.broadcast_to(bias, shape)
    zi = np.zeros(order) if zi is None else np.moveaxis(zi, axis, -1)
    zi = np.broadcast_to(zi, (*shape, order))
    y, zf = np.empty(x.shape), np.empty(zi.shape)
    for c in np.ndindex(shape):
        y[c], zf[c] = twin(b[c], a[c], x[c], activation, bias[c], zi[c])
    return np.moveaxis(y, -1, axis), np.moveaxis(zf, -1, axis)


# Against the twin


@pytest.mark.parametrize("name", NAMES)
def test_activations(rng, name):
    x = 2 * noise(rng, 300)
    for b, a in (contractive(rng, 1), (noise(rng, 3), np.ones(1))):
        zi = noise(rng, len(b) - 1)
        for bias in (0.0, -0.3):
            y, zf = nlfilter(b, a, x, zi=zi, activation=name, bias=bias)
            desired, state = twin(b, a, x, name, bias, zi)
            assert_close(y, desired)
            assert_close(zf, state)
            assert_close(nlfilter(b, a, x, activation=name, bias=bias), twin(b, a, x, name, bias)[0])


@pytest.mark.parametrize("name", ["relu", "gelu"])  # kernels in lanes take long to compile
def test_activations_of_channels(rng, name):
    (b, a), x = contractive(rng, 1), noise(rng, (17, 150))
    assert_close(nlfilter(b, a, x, activation=name, bias=0.2), channels(b, a, x, name, 0.2)[0])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", [(300,), (3, 150)])
def test_orders(rng, order, shape):
    b, a = contractive(rng, order)
    x, zi = noise(rng, shape), noise(rng, (*shape[:-1], order))
    y, zf = nlfilter(b, a, x, zi=zi, bias=0.2)
    desired, state = channels(b, a, x, bias=0.2, zi=zi)
    assert_close(y, desired)
    assert_close(zf, state)


@pytest.mark.parametrize("taps", [1, 2, 5, 70, 500])
@pytest.mark.parametrize("shape", [(1,), (700,), (3, 90), (2, 40_000)])
def test_without_feedback(rng, taps, shape):
    """Longer than the pieces it is done in; compared with the linear filter, which is tested."""
    b, x, zi = noise(rng, taps), noise(rng, shape), noise(rng, (*shape[:-1], taps - 1))
    e, state = lfilter(b, [2.0], x, zi=zi)
    y, zf = nlfilter(b, [2.0], x, zi=zi, bias=-0.4)
    assert_close(y, np.tanh(e - 0.4), 20_000)
    assert_close(zf, state)
    if taps < 70:
        assert_close(y[..., :60], channels(b, [2.0], x[..., :60], bias=-0.4, zi=zi)[0])


def test_coefficients_of_unequal_length_and_not_normalised(rng):
    x = noise(rng, 60)
    for b, a in (
        ([1.0], [2.0, 0.5, -0.4]),
        ([1.0, 0.5, -0.4], [-2.0, 0.5]),
        ([0.0, 1.0], [1.0, 0.0, 0.9]),
        (1.0, [1.0, 0.3, 0.2]),
        ([3.0, 1.0], 4.0),
        ([2, 1], [4, 1]),
    ):
        zi = noise(rng, max(np.size(b), np.size(a)) - 1)
        for bias in (0.0, 0.7):
            y, zf = nlfilter(b, a, x, zi=zi, bias=bias)
            desired, state = twin(b, a, x, bias=bias, zi=zi)
            assert_close(y, desired)
            assert_close(zf, state)


def test_scalars_for_coefficients(rng):
    x = noise(rng, 20)
    assert_close(nlfilter(3.0, 4.0, x), np.tanh(0.75 * x))
    assert_close(nlfilter(1.0, [1.0, 0.5], x), twin(np.ones(1), [1.0, 0.5], x)[0])


def test_bias_is_not_divided():
    """a[0] divides the coefficients; the bias is added to the excitation as it is."""
    assert nlfilter([2.0], [4.0], [1.0], activation="linear", bias=1.0).tolist() == [1.5]
    assert nlfilter([2.0], [4.0, 2.0], [1.0, 1.0], activation="linear", bias=1.0).tolist() == [1.5, 0.75]


def test_equation_written_out():
    """e[n] = 0.5 + x[n] + 2 x[n-1] - (-0.5) y[n-1] - 0.25 y[n-2]."""
    x, y = [1.0, -3.0, 2.0, 0.0], []
    for n in range(4):
        e = 0.5 + x[n] + (2 * x[n - 1] if n else 0) + (0.5 * y[n - 1] if n else 0) - (0.25 * y[n - 2] if n > 1 else 0)
        y.append(max(e, 0.0))
    assert nlfilter([1.0, 2.0], [1.0, -0.5, 0.25], x, activation="relu", bias=0.5).tolist() == y


# 'linear'


def test_linear_is_lfilter_bit_for_bit(rng):
    for b, a in (contractive(rng, 2), (noise(rng, 40), np.array([2.0])), ([1, 2, 1], [2, 1, 0])):
        for shape, axis in (((900,), 0), ((3, 50), -1), ((4, 50, 3), 1)):
            x = noise(rng, shape)
            assert_same(nlfilter(b, a, x, axis, activation="linear"), lfilter(b, a, x, axis))
            zi = noise(rng, [max(len(b), len(a)) - 1 if k == axis % len(shape) else n for k, n in enumerate(shape)])
            for mine, theirs in zip(
                nlfilter(b, a, x, axis, zi, activation="linear"), lfilter(b, a, x, axis, zi), strict=True
            ):
                assert_same(mine, theirs)


def test_linear_without_bias_serves_all_that_lfilter_does(rng):
    b, a = contractive(rng, 2)
    for kind in "FDg":
        x = noise(rng, 30, kind)
        assert_same(nlfilter(b, a, x, activation="linear", bias=0), lfilter(b, a, x))


def test_linear_with_a_bias(rng):
    """A constant more on the input of 1 / A."""
    b, a, x = [0.5, 0.3], [1.0, -0.6], noise(rng, 200)
    y = nlfilter(b, a, x, activation="linear", bias=0.8)
    assert_close(y, lfilter(b, a, x) + lfilter([1.0], a, np.full(200, 0.8)))


# Shapes


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (2, 3, 4, 5), (1, 1, 9), (20, 1, 3)])
def test_axes(rng, shape):
    x = noise(rng, shape)
    for b, a in (contractive(rng, 2), (noise(rng, 3), np.ones(1))):
        for axis in range(-len(shape), len(shape)):
            zi = noise(rng, [2 if k == axis % len(shape) else n for k, n in enumerate(shape)])
            with Unchanged(b, a, x, zi):
                assert_close(nlfilter(b, a, x, axis), channels(b, a, x, axis=axis)[0])
                y, zf = nlfilter(b, a, x, axis, zi, bias=0.1)
            desired, state = channels(b, a, x, bias=0.1, zi=zi, axis=axis)
            assert_close(y, desired)
            assert_close(zf, state)


@pytest.mark.parametrize("feedback", [True, False])
def test_states_that_broadcast(rng, feedback):
    b, a = contractive(rng, 2)
    a, x = a if feedback else np.ones(1), noise(rng, (4, 30))
    for zi in (0.0, 0.5, np.array([[0.3, -0.2]]), noise(rng, (4, 2))):
        y, zf = nlfilter(b, a, x, zi=zi)
        desired, state = channels(b, a, x, zi=np.broadcast_to(zi, (4, 2)))
        assert_close(y, desired)
        assert_close(zf, state)


def batched(rng, shape):
    pairs = [contractive(rng, 2) for _ in range(int(np.prod(shape)))]
    return (np.array(c).reshape(*shape, 3) for c in zip(*pairs, strict=True))


@pytest.mark.parametrize("feedback", [True, False])
def test_a_filter_for_each_channel(rng, feedback):
    b, a = batched(rng, (2, 3))
    a = a if feedback else np.array([[1.0], [2.0], [4.0]])
    bias = noise(rng, (2, 1))
    for x in (noise(rng, (2, 3, 40)), noise(rng, (1, 3, 40)), noise(rng, (2, 1, 40))):
        zi = noise(rng, (2, 3, 2))
        y, zf = nlfilter(b, a, x, zi=zi, bias=bias)
        desired, state = channels(b, a, x, bias=bias, zi=zi)
        assert_close(y, desired)
        assert_close(zf, state)
    x = noise(rng, (40, 2, 3))
    assert_close(nlfilter(b, a, x, axis=0, bias=bias), channels(b, a, x, bias=bias, axis=0)[0])
    x = noise(rng, (2, 40, 3))
    assert_close(nlfilter(b, a, x, axis=1), channels(b, a, x, axis=1)[0])


@pytest.mark.parametrize("feedback", [True, False])
def test_a_bias_for_each_channel(rng, feedback):
    b, a = contractive(rng, 2)
    a = a if feedback else np.ones(1)
    x = noise(rng, (2, 3, 40))
    for bias in (noise(rng, (2, 3)), noise(rng, 3), noise(rng, (2, 1)), noise(rng, (1, 1)), [0.1, 0.2, 0.3], 1):
        for axis in (-1, 0, 1):
            given = np.moveaxis(x, -1, axis)
            assert_close(nlfilter(b, a, given, axis, bias=bias), channels(b, a, given, bias=bias, axis=axis)[0])
    x, bias = noise(rng, (1, 40)), noise(rng, 3)
    assert_close(nlfilter(b, a, x, bias=bias), channels(b, a, x, bias=bias)[0])


@pytest.mark.parametrize("order", [1, 2, 9])
def test_one_channel_alone_or_among_others(rng, order):
    b, a = contractive(rng, order)
    x = noise(rng, (21, 400))
    together = nlfilter(b, a, x, bias=0.1)
    for c in (0, 14, 15, 19):
        assert_close(nlfilter(b, a, x[c], bias=0.1), together[c])
        assert_close(nlfilter(b, a, x[c : c + 1], bias=0.1), together[c : c + 1])
        assert_same(nlfilter(b, a, x[c : c + 2], bias=0.1)[0], together[c])  # lanes do not know each other


@pytest.mark.parametrize("feedback", [True, False])
def test_empty_and_single_samples(rng, feedback):
    b, a = contractive(rng, 2)
    a = a if feedback else np.ones(1)
    for shape, axis in (((0,), 0), ((3, 0), -1), ((0, 3), 0), ((0, 5), -1), ((5, 0), 0)):
        zi = noise(rng, [2 if k == axis % len(shape) else n for k, n in enumerate(shape)])
        x = np.empty(shape)
        assert_same(nlfilter(b, a, x, axis), x)
        y, zf = nlfilter(b, a, x, axis, zi, bias=0.3)
        assert_same(y, x)
        assert_same(zf, zi)
    for shape in ((1,), (3, 1), (1, 3)):
        x = noise(rng, shape)
        assert_close(nlfilter(b, a, x, bias=0.3), channels(b, a, x, bias=0.3)[0])


# Dtypes and layouts


@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("shape", [(40,), (3, 40)])
def test_single_precision(rng, shape, feedback):
    """Filtered in double precision and rounded once."""
    b, a = (c.astype("f") for c in contractive(rng, 1))
    a = a if feedback else np.ones(1, "f")
    x, zi = noise(rng, shape, "f"), noise(rng, (*shape[:-1], 1), "f")
    for bias in (0.25, np.float32(0.25), np.full(shape[:-1], 0.25, "f")):
        y, zf = nlfilter(b, a, x, zi=zi, bias=bias)
        assert y.dtype == zf.dtype == np.float32
        b8, a8 = b.astype(float) / a[0], a.astype(float) / a[0]
        desired, state = channels(b8, a8, x, bias=0.25, zi=zi)
        np.testing.assert_allclose(y, desired, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(zf, state, rtol=1e-7, atol=1e-9)


def test_dtype_is_the_common_one(rng):
    b, a, x = np.ones(2, "f"), np.array([1.0, 0.5], "f"), noise(rng, 20, "f")
    assert nlfilter(b, a, x).dtype == np.float32
    assert nlfilter(b, a, x, bias=1).dtype == np.float32
    assert nlfilter(b, a, x, zi=0.0)[0].dtype == np.float32
    assert nlfilter(b, a, x.astype("d")).dtype == np.float64
    assert nlfilter(b.astype("d"), a, x).dtype == np.float64
    assert nlfilter(b, a, x, bias=np.zeros(())).dtype == np.float64
    assert nlfilter(b, a, x, zi=np.zeros(1))[0].dtype == np.float64
    assert nlfilter([1.0], [1.0, 0.5], x).dtype == np.float64


@pytest.mark.parametrize("kind", "?bBhHiIlLqQ")
def test_integers_become_float64(rng, kind):
    x = noise(rng, (2, 20), kind)
    for a in ([2, 1], [2]):
        y, zf = nlfilter(np.array([1, 2]), np.array(a), x, zi=np.array([[1], [2]]), bias=np.array(1))
        desired, state = channels([1.0, 2.0], np.array(a, float), x, bias=1.0, zi=np.array([[1.0], [2.0]]))
        assert_close(y, desired)
        assert_close(zf, state)


@pytest.mark.parametrize("kind", "FDg")
@pytest.mark.parametrize("where", ["b", "a", "x", "zi", "bias"])
def test_other_dtypes(kind, where):
    if np.dtype(kind) == np.float64:
        pytest.skip("long double is double here")
    given = {"b": [1.0, 0.5], "a": [1.0, 0.5], "x": [1.0, 2.0], "zi": [0.5], "bias": 0.5}
    given[where] = np.array(given[where], kind)
    with pytest.raises(
        NotImplementedError, match=r"nlfilter serves float32 and float64, not (complex|longdouble|float)"
    ):
        nlfilter(**given)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    b, a = contractive(rng, 2)
    for feedback in (a, np.ones(1)):
        x = same_values(layout, noise(rng, (3, 40)))
        with Unchanged(x):
            assert_close(nlfilter(b, feedback, x), channels(b, feedback, x)[0])
        x = same_values(layout, noise(rng, (40, 3)))
        zi = same_values(layout, noise(rng, (2, 3)))
        with Unchanged(x, zi):
            y, zf = nlfilter(b, feedback, x, 0, zi, bias=0.2)
            desired, state = channels(b, feedback, x, bias=0.2, zi=zi, axis=0)
        assert_close(y, desired)
        assert_close(zf, state)
        x = LAYOUTS[layout](noise(rng, 40))
        assert_close(nlfilter(b, feedback, x), channels(b, feedback, x)[0])


def test_layouts_of_coefficients(rng):
    b, a = batched(rng, (3,))
    bias, x = noise(rng, 3), noise(rng, (3, 20))
    desired = channels(b, a, x, bias=bias)[0]
    for lay in ("F", "strided", "reversed", "unaligned", "read-only", "byte-swapped"):
        assert_close(nlfilter(LAYOUTS[lay](b), LAYOUTS[lay](a), x, bias=LAYOUTS[lay](bias)), desired)


def test_lists_and_single_precision_in_foreign_byte_order(rng):
    x = noise(rng, 20, "f")
    y = nlfilter(np.ones(1, ">f4"), np.array([1.0, 0.5], ">f4"), x.astype(">f4"))
    assert y.dtype == np.float32
    assert y.dtype.isnative
    np.testing.assert_allclose(y, twin(np.ones(1), [1.0, 0.5], x.astype(float))[0], rtol=1e-7)
    assert nlfilter([1], [1, -1], [1, -5, 2], activation="relu").tolist() == [1.0, 0.0, 2.0]


def test_results_are_new_arrays(rng):
    b, a = contractive(rng, 2)
    x, zi = noise(rng, 20), noise(rng, 2)
    for feedback in (a, np.ones(1)):
        y, zf = nlfilter(b, feedback, x, zi=zi)
        assert not np.shares_memory(y, x)
        assert not np.shares_memory(zf, zi)
        assert y.flags.writeable


# Blocks, time, threads


@pytest.mark.parametrize("order", [1, 2, 9])
@pytest.mark.parametrize("shape", [(1000,), (3, 400)])
def test_blocks_are_the_whole_bit_for_bit(rng, order, shape):
    b, a = contractive(rng, order)
    x, zi = noise(rng, shape), noise(rng, (*shape[:-1], order))
    whole, final = nlfilter(b, a, x, zi=zi, bias=0.2)
    for cuts in ([0], [1, 2, 3], [127, 128, 129], [200, 300]):
        state, parts = zi, []
        for block in np.split(x, cuts, axis=-1):
            y, state = nlfilter(b, a, block, zi=state, bias=0.2)
            parts.append(y)
        assert_same(np.concatenate(parts, axis=-1), whole)
        assert_same(state, final)


@pytest.mark.parametrize("taps", [3, 50])
def test_blocks_without_feedback(rng, taps):
    b, x, state = noise(rng, taps), noise(rng, (2, 500)), noise(rng, (2, taps - 1))
    whole, final = nlfilter(b, [1.0], x, zi=state, bias=0.2)
    parts = []
    for block in np.split(x, [0, 1, 2, 20, 300], axis=-1):
        y, state = nlfilter(b, [1.0], block, zi=state, bias=0.2)
        parts.append(y)
    assert_close(np.concatenate(parts, axis=-1), whole)
    assert_close(state, final)


def test_threads_change_nothing(rng):
    b, a = contractive(rng, 2)
    x = noise(rng, (40, 20_000))
    for feedback in (a, np.ones(1)):
        alone = nlfilter(b, feedback, x, zi=0.0, bias=0.1)
        each = nlfilter(np.tile(b, (40, 1)), feedback, x, bias=np.full(40, 0.1))
        with sigrnn.set_workers(2):
            for mine, theirs in zip(nlfilter(b, feedback, x, zi=0.0, bias=0.1), alone, strict=True):
                assert_same(mine, theirs)
            assert_same(nlfilter(np.tile(b, (40, 1)), feedback, x, bias=np.full(40, 0.1)), each)


examples = settings(derandomize=True, max_examples=25, deadline=None, database=None)
seeds, orders = st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 9])
lengths, many = st.integers(1, 300), st.sampled_from([None, 1, 3, 20])


def drawn(seed, order, count, channels):
    rng = np.random.default_rng(seed)
    b, a = contractive(rng, order) if order else (noise(rng, 4), np.ones(1))
    return b, a, noise(rng, (count,) if channels is None else (channels, count))


@given(seeds, orders, lengths, many, st.data())
@examples
def test_the_past_does_not_know_the_future(seed, order, count, channels, data):
    b, a, x = drawn(seed, order, count, channels)
    cut = data.draw(st.integers(0, count))
    other = x.copy()
    other[..., cut:] += 1e3
    y, changed = nlfilter(b, a, x), nlfilter(b, a, other)
    np.testing.assert_array_equal(y[..., :cut], changed[..., :cut])


@given(seeds, orders, lengths, many, st.integers(0, 200))
@examples
def test_time_does_not_matter(seed, order, count, channels, delay):
    """At rest, as long as g(bias) = 0."""
    b, a, x = drawn(seed, order, count, channels)
    late = np.concatenate([np.zeros((*x.shape[:-1], delay)), x], axis=-1)
    y = nlfilter(b, a, late)
    assert not y[..., :delay].any()
    np.testing.assert_allclose(y[..., delay:], nlfilter(b, a, x), rtol=0, atol=1e-13)


@given(seeds, orders, lengths, many)
@examples
def test_odd_activations_keep_the_sign(seed, order, count, channels):
    b, a, x = drawn(seed, order, count, channels)
    np.testing.assert_array_equal(nlfilter(b, a, -x, bias=-0.4), -nlfilter(b, a, x, bias=0.4))


# Numbers at their ends


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_go_where_the_equation_takes_them(rng, name, value):
    for b, a, many in (([0.5], [1.0, -0.3], 1), ([0.5, 0.2, 0.1], [1.0], 1), ([0.5], [1.0, -0.3], 3)):
        if many > 1 and name not in ("relu", "gelu", "tanh"):
            continue
        for place in (0, 30, 128, 149):
            x = noise(rng, (many, 150))
            x[-1, place] = value
            y, zf = nlfilter(b, a, x if many > 1 else x[0], zi=0.0, activation=name, bias=0.1)
            desired, state = channels(b, a, x if many > 1 else x[0], name, 0.1)
            for mine, theirs in ((y, desired), (zf, state)):
                assert np.array_equal(np.isnan(mine), np.isnan(theirs))
                assert np.array_equal(np.isposinf(mine), np.isposinf(theirs))
                assert np.array_equal(np.isneginf(mine), np.isneginf(theirs))
                np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "softplus", "silu", "gelu"])
def test_explodes_as_the_equation_does(name):
    b, a, x = [1.0], [1.0, -3.0], np.append(1.0, np.zeros(699))
    y, desired = nlfilter(b, a, x, activation=name, bias=0.5), twin(b, a, x, name, 0.5)[0]
    assert np.isposinf(y[-1])
    assert np.array_equal(np.isposinf(y), np.isposinf(desired))
    np.testing.assert_allclose(y, desired, rtol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "softsign", "hard_tanh", "sigmoid", "hard_sigmoid"])
def test_cannot_explode(rng, name):
    y = nlfilter([1e3], [1.0, -50.0], 1e300 * noise(rng, 300), activation=name)
    assert np.abs(y).max() == 1.0


@pytest.mark.parametrize(("name", "many"), [("tanh", 1), ("relu", 1), ("softsign", 1), ("tanh", 17), ("relu", 17)])
def test_tails_fade_through_subnormal_numbers(name, many):
    """Down to the last bits, as in the equation, and on to zero."""
    x = np.zeros((many, 1100))
    x[:, 0] = 1.0
    y = nlfilter([1.0], [1.0, -0.5], x if many > 1 else x[0], activation=name, bias=0.0)
    desired = twin([1.0], [1.0, -0.5], x[0], name)[0]
    for mine in y.reshape(-1, 1100):
        np.testing.assert_allclose(mine, desired, rtol=1e-13, atol=5e-324)
    assert (np.abs(desired[1000:1070]) < np.finfo(float).tiny).any()
    assert desired[1000:1060].all()


# Errors


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"b": []}, "b"),
        ({"a": []}, "a"),
        ({"a": [0.0, 1.0]}, r"a\[0\]"),
        ({"x": 1.0}, "x"),
        ({"zi": [1.0, 2.0]}, "zi|shape"),
        ({"zi": np.ones((2, 1))}, "zi|shape"),
        ({"axis": 1}, "axis"),
        ({"activation": "tan"}, "unknown activation 'tan': known are 'linear', 'tanh'"),
        ({"x": np.ones((3, 4)), "bias": np.ones(2)}, r"bias .* do not broadcast against the channels \(3,\) of x"),
        ({"bias": np.ones(2)}, "bias"),  # a signal of one axis has no channels
        ({"b": np.ones((2, 2))}, "b"),
        ({"x": np.ones((3, 4)), "bias": np.ones((4, 1, 2))}, "bias"),
        ({"x": np.ones((3, 4)), "b": np.ones((2, 2))}, "b"),
        ({"x": np.ones((3, 4)), "a": np.ones((2, 2))}, "a"),
        ({"b": np.ones((2, 1)), "bias": np.ones(3)}, "bias|b"),
    ],
)
def test_errors(given, message):
    arguments = {"b": [1.0, 0.5], "a": [1.0, 0.5], "x": np.ones(5)} | given
    with pytest.raises(ValueError, match=message):
        nlfilter(**arguments)


@pytest.mark.parametrize(
    "given", [{"activation": None}, {"bias": None}, {"bias": "much"}, {"x": ["a"]}, {"b": None}, {"out": np.empty(5)}]
)
def test_errors_of_type(given):
    arguments = {"b": [1.0, 0.5], "a": [1.0, 0.5], "x": np.ones(5)} | given
    with pytest.raises((TypeError, NotImplementedError)):
        nlfilter(**arguments)


def test_activation_is_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        nlfilter([1.0], [1.0], [1.0], -1, None, "tanh")
