"""`Stream`: blocks of any lengths, the state in and out, copies, pickles, new coefficients between blocks, errors."""

import copy
import pickle

import numpy as np
import pytest
import scipy.signal
from helpers import LAYOUTS, Unchanged, assert_close, assert_same, noise, stable

import sigrnn
from sigrnn import Stream, lfilter, lfilter_zi, sosfilt, sosfilt_zi

METHODS = ["auto", "sequential", "blocked"]
# Blocks of one sample, none, a few, more than take the short way (4096).
CUTS = [[], [0], [1, 1, 2, 3], [100, 200, 201], [4096, 4098], [2000, 2010, 5500], [7999]]
SAMPLES = 8000


def cascade(rng, count):
    return np.array([np.concatenate(stable(rng, 2)) for _ in range(count)])


def run(stream, x, cuts, axis=-1):
    return np.concatenate([stream(block) for block in np.split(x, cuts, axis=axis)], axis=axis)


def filters(rng):
    """Streams by name, and the function that filters a whole signal as they should."""
    (b, a), sos, taps = stable(rng, 2), cascade(rng, 2), noise(rng, 40)
    high = stable(rng, 9)
    return {
        "IIR": (lambda **o: Stream(b, a, **o), lambda x, **o: lfilter(b, a, x, **o)),
        "order 9": (lambda **o: Stream(*high, **o), lambda x, **o: lfilter(*high, x, **o)),
        "FIR": (lambda **o: Stream(taps, [2.0], **o), lambda x, **o: lfilter(taps, [2.0], x, **o)),
        "gain": (lambda **o: Stream([3.0], [2.0], **o), lambda x, **o: lfilter([3.0], [2.0], x, **o)),
        "sections": (lambda **o: Stream(sos=sos, **o), lambda x, **o: sosfilt(sos, x, **o)),
    }


NAMES = ["IIR", "order 9", "FIR", "gain", "sections"]


# Blocks


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_the_whole(rng, name, method):
    make, whole = filters(rng)[name]
    for shape in ((SAMPLES,), (3, SAMPLES), (2, 2, SAMPLES)):
        x = noise(rng, shape)
        desired, final = whole(x, zi=0.0, method=method)
        for cuts in CUTS:
            stream = make(method=method)
            with Unchanged(x):
                y = run(stream, x, cuts)
            assert_close(y, desired)
            assert_close(stream.zi, final)


@pytest.mark.parametrize("name", NAMES)
def test_sequential_to_the_last_bit(rng, name):
    make, whole = filters(rng)[name]
    for shape in ((SAMPLES,), (3, SAMPLES)):
        x = noise(rng, shape)
        desired = whole(x, method="sequential")
        for cuts in CUTS:
            assert_same(run(make(method="sequential"), x, cuts), desired)


@pytest.mark.parametrize("name", NAMES)
def test_sample_by_sample(rng, name):
    make, whole = filters(rng)[name]
    x = noise(rng, 150)
    stream = make()
    assert_close(np.array([stream(x[n : n + 1])[0] for n in range(150)]), whole(x))


@pytest.mark.parametrize("shape", [(SAMPLES,), (3, SAMPLES)])
def test_fft(rng, shape):
    taps, x = noise(rng, 600), noise(rng, shape)
    for cuts in CUTS:
        assert_close(run(Stream(taps, [1.0], method="fft"), x, cuts), scipy.signal.lfilter(taps, [1.0], x))
        assert_close(run(Stream(taps, [1.0]), x, cuts), scipy.signal.lfilter(taps, [1.0], x))


@pytest.mark.parametrize("name", NAMES)
def test_axis(rng, name):
    make, whole = filters(rng)[name]
    x = noise(rng, (500, 3))
    assert_close(run(make(axis=0), x, [10, 200], axis=0), whole(x, axis=0))
    x = noise(rng, (2, 500, 3))
    for axis in (1, -2):
        stream = make(axis=axis)
        desired, final = whole(x, axis=axis, zi=0.0)
        assert_close(run(stream, x, [10, 200], axis=1), desired)
        assert_close(stream.zi, final)
    stream = make(axis=0)
    assert_close(run(stream, x[0, :, 0], [10, 200], axis=0), whole(x[0, :, 0]))


@pytest.mark.parametrize("kind", "fdFD")
@pytest.mark.parametrize("name", NAMES)
def test_dtypes(rng, name, kind):
    make, _ = filters(rng)[name]
    given = {n: c.astype("f") for n in ("b", "a", "sos") if (c := getattr(make(), n)) is not None}
    for shape in ((3000,), (2, 3000)):
        x = noise(rng, shape, kind)
        stream = Stream(**given)
        y = run(stream, x, [5, 1200, 1300])
        assert y.dtype == np.dtype(kind)
        theirs = sosfilt if "sos" in given else lfilter
        assert_close(y, theirs(*given.values(), x))
        assert stream.zi.dtype == np.dtype("D" if kind in "FD" else "d")  # double, whatever the signal


def test_real_then_complex(rng):
    b, a = stable(rng, 2)
    x = noise(rng, 60, complex)
    x[:20] = x[:20].real
    stream = Stream(b, a)
    first = stream(x[:20].real)
    second = stream(x[20:])
    third = stream(np.zeros(5))
    assert first.dtype == np.dtype(float)
    assert second.dtype == third.dtype == np.dtype(complex)  # what is left of the complex past comes out
    assert_close(np.concatenate([first, second, third]), lfilter(b, a, np.append(x, np.zeros(5))))


def test_complex_coefficients(rng):
    b, a = stable(rng, 2)
    b, x = b * 1j, noise(rng, 3000)
    assert_close(run(Stream(b, a), x, [3, 1500]), lfilter(b, a, x))
    assert_close(run(Stream(b, [1.0]), x, [3, 1500]), lfilter(b, [1.0], x))
    sos = cascade(rng, 2) * np.array([1j, 1j, 1j, 1, 1, 1])
    assert_close(run(Stream(sos=sos), x, [3, 1500]), sosfilt(sos, x))


def test_integers_and_lists(rng):
    stream = Stream([1.0], [1.0, -0.5])
    assert stream([8, 0]).tolist() == [8.0, 4.0]
    assert stream(np.array([0, 0], np.int16)).tolist() == [2.0, 1.0]
    assert stream((0.0,)).tolist() == [0.5]
    assert stream([True]).tolist() == [1.25]
    assert Stream(1, [1, -0.5])([8.0, 0.0]).tolist() == [8.0, 4.0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(rng, layout):
    b, a = stable(rng, 2)
    stream = Stream(b, a)
    x = noise(rng, 90)
    blocks = [LAYOUTS[layout](block) for block in np.split(x, [30, 60])]
    y = np.concatenate([stream(block) for block in blocks])
    assert_close(y, lfilter(b, a, np.concatenate([np.array(block, float) for block in blocks])))


def test_results_do_not_share_memory(rng):
    stream = Stream(*stable(rng, 2))
    x = noise(rng, 10)
    first = stream(x)
    kept = first.copy()
    second = stream(x)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, x)
    assert_same(first, kept)


def test_empty_blocks(rng):
    b, a = stable(rng, 2)
    x = noise(rng, 20)
    for stream in (Stream(b, a), Stream(b, [1.0]), Stream(sos=np.concatenate([b, a]))):
        assert_same(stream(np.empty(0)), np.empty(0))
        first = stream(x[:10])
        assert_same(stream(x[:0]), np.empty(0))
        whole = stream.copy()
        whole.reset()
        assert_close(np.concatenate([first, stream(x[10:])]), whole(x))


def test_many_workers_change_nothing(rng):
    make, _ = filters(rng)["IIR"]
    x = noise(rng, (20, 60_000))
    alone = make()(x)
    with sigrnn.set_workers(3):
        assert_same(make()(x), alone)


# The state


def test_starts_at_rest_or_as_told(rng):
    b, a = stable(rng, 2)
    x, zi = noise(rng, 30), noise(rng, 2)
    desired, final = lfilter(b, a, x, zi=zi)
    stream = Stream(b, a, zi=zi)
    assert_same(stream.zi, zi)
    assert_same(stream(x), desired)
    assert_same(stream.zi, final)
    assert_same(Stream(b, a).zi, np.zeros(2))
    assert_same(Stream(b, a, zi=1).zi, np.ones(2))
    given = zi.copy()
    stream = Stream(b, a, zi=given)
    given[...] = 99.0  # the stream's own from now on
    assert_same(stream(x), desired)


def test_state_of_sections_and_channels(rng):
    sos, x = cascade(rng, 3), noise(rng, (4, 30))
    zi = noise(rng, (3, 4, 2))
    desired, final = sosfilt(sos, x, zi=zi)
    stream = Stream(sos=sos, zi=zi)
    assert_close(stream(x), desired)
    assert stream.zi.shape == (3, 4, 2)
    assert_close(stream.zi, final)
    one = Stream(sos=sos, zi=zi[:, 0])  # of one channel, for all
    assert_close(one(x), sosfilt(sos, x, zi=zi[:, :1])[0])
    assert Stream(sos=sos).zi.shape == (3, 2)


@pytest.mark.parametrize("shape", [(30,), (1, 30), (4, 30)])
def test_state_can_be_taken_and_given_back(rng, shape):
    x = noise(rng, shape)
    for stream in (Stream(*stable(rng, 2)), Stream(noise(rng, 3), [1.0]), Stream(sos=cascade(rng, 2))):
        stream(x)
        taken = stream.zi
        kept = taken.copy()
        first = stream(x)
        assert_same(taken, kept)  # what was taken does not go on with the stream
        taken[...] = 99.0
        second_state = stream.zi.copy()
        stream.zi = kept
        assert_same(stream(x), first)
        assert_same(stream.zi, second_state)
        given = np.zeros_like(kept)
        stream.zi = given
        given[...] = 99.0
        assert_same(stream.zi, np.zeros_like(kept))
        stream.zi = 0
        assert_same(stream.zi, np.zeros_like(kept))


def test_assigned_state_is_in_double(rng):
    stream = Stream(*stable(rng, 2))
    stream(noise(rng, 5))
    stream.zi = np.array([1, 2])
    assert_same(stream.zi, np.array([1.0, 2.0]))
    stream.zi = np.array([1, 2j])
    assert stream(np.ones(3)).dtype == np.dtype(complex)


def test_state_assigned_before_the_first_block(rng):
    b, a = stable(rng, 2)
    stream, x = Stream(b, a), noise(rng, 20)
    stream.zi = [1.0, 2.0]
    assert_same(stream(x), lfilter(b, a, x, zi=np.array([1.0, 2.0]))[0])


def test_reset(rng):
    b, a = stable(rng, 2)
    x = noise(rng, 40)
    for options in ({}, {"zi": noise(rng, 2)}):
        stream = Stream(b, a, **options)
        first = stream(x)
        assert (stream(x) != first).any()
        stream.reset()
        assert_same(stream(x), first)
        stream.reset()
        assert stream(np.tile(x, (3, 1))).shape == (3, 40)  # other channels from now on
        stream.reset()
        assert_same(stream.zi, options.get("zi", np.zeros(2)))


# Copies


def duplicates():
    return {
        "copy method": lambda stream: stream.copy(),
        "copy.copy": copy.copy,
        "copy.deepcopy": copy.deepcopy,
        **{
            f"pickle {p}": lambda stream, p=p: pickle.loads(pickle.dumps(stream, p))
            for p in range(2, pickle.HIGHEST_PROTOCOL + 1)
        },
    }


@pytest.mark.parametrize("how", duplicates())
@pytest.mark.parametrize("name", NAMES)
def test_duplicates_go_their_own_way(rng, name, how):
    make, whole = filters(rng)[name]
    duplicate = duplicates()[how]
    for shape in ((90,), (2, 90), (3000,)):
        x = noise(rng, shape)
        desired = whole(x)
        third = shape[-1] // 3
        first, second, last = np.split(x, [third, 2 * third], axis=-1)
        stream = make()
        assert_close(duplicate(stream)(x), desired)  # before anything was filtered
        y = stream(first)
        other = duplicate(stream)
        other(9 * second)
        assert_close(np.concatenate([y, stream(second)], axis=-1), desired[..., : 2 * third])
        other = duplicate(stream)
        assert_same(other.zi, stream.zi)
        stream(9 * first)
        stream.reset()
        assert_close(other(last), desired[..., 2 * third :])
        other.reset()
        assert_close(other(x), desired)


@pytest.mark.parametrize("how", duplicates())
def test_duplicates_keep_everything(rng, how):
    b, a = stable(rng, 2)
    zi = noise(rng, 2)
    stream = duplicates()[how](Stream(b, a, zi=zi, axis=0, method="sequential"))
    assert_same(stream.b, b)
    assert_same(stream.a, a)
    assert stream.sos is None
    x = noise(rng, (2000, 2))
    assert_same(stream(x), lfilter(b, a, x, 0, zi, method="sequential")[0])
    stream.b = 2 * b  # still assignable, and not shared
    assert_same(stream.b, 2 * b)


# New coefficients between blocks


@pytest.mark.parametrize("shape", [(100,), (3, 100), (3000,)])
def test_new_coefficients_and_the_old_state(rng, shape):
    (b, a), (c, d) = stable(rng, 2), stable(rng, 2)
    x = noise(rng, shape)
    cut = shape[-1] // 2
    first, between = lfilter(b, a, x[..., :cut], zi=0.0)
    for assign in (("b",), ("a",), ("b", "a"), ("a", "b")):
        stream = Stream(b, a)
        assert_close(stream(x[..., :cut]), first)
        for name in assign:
            setattr(stream, name, {"b": c, "a": d}[name])
        now = (c if "b" in assign else b), (d if "a" in assign else a)
        assert_same(stream.b, now[0])
        assert_same(stream.a, now[1])
        assert_close(stream.zi, between)
        assert_close(stream(x[..., cut:]), lfilter(*now, x[..., cut:], zi=between)[0])


def test_new_sections_and_the_old_state(rng):
    sos, new, x = cascade(rng, 2), cascade(rng, 2), noise(rng, 100)
    stream = Stream(sos=sos)
    first, between = sosfilt(sos, x[:50], zi=0.0)
    assert_close(stream(x[:50]), first)
    stream.sos = new
    assert_same(stream.sos, new)
    assert_close(stream(x[50:]), sosfilt(new, x[50:], zi=between)[0])
    assert stream.b is None
    assert stream.a is None


def test_shorter_coefficients_and_back(rng):
    b, a = stable(rng, 3)
    x = noise(rng, 90)
    stream = Stream(b, a)
    y, state = lfilter(b, a, x[:30], zi=0.0)
    assert_close(stream(x[:30]), y)
    stream.b, stream.a = [2.0], [1.0]  # the past still leaves the state, as of a filter with zeros for coefficients
    y, state = lfilter([2.0], [1.0, 0, 0, 0], x[30:60], zi=state)
    assert_close(stream(x[30:60]), y)
    stream.b, stream.a = b, a
    assert_close(stream(x[60:]), lfilter(b, a, x[60:], zi=state)[0])


def test_taps_become_recursive(rng):
    x = noise(rng, 60)
    stream = Stream([1.0, 2.0, 3.0], [1.0])
    y, state = lfilter([1.0, 2.0, 3.0], [1.0], x[:30], zi=0.0)
    assert_close(stream(x[:30]), y)
    stream.a = [2.0, 0.5]
    assert_close(stream(x[30:]), lfilter([1.0, 2.0, 3.0], [2.0, 0.5], x[30:], zi=state)[0])


def test_coefficients_that_do_not_fit_change_nothing(rng):
    b, a = stable(rng, 2)
    stream, x = Stream(b, a), noise(rng, 40)
    first = stream(x[:20])
    for name, value in (("b", np.ones(4)), ("a", np.ones(5)), ("a", [0.0, 1.0]), ("b", []), ("b", np.ones((2, 3)))):
        with pytest.raises(ValueError, match=r"shape|a\[0\]"):
            setattr(stream, name, value)
    assert_close(np.concatenate([first, stream(x[20:])]), lfilter(b, a, x))
    stream = Stream(sos=cascade(rng, 2))
    for sos in (cascade(rng, 3), cascade(rng, 1), np.ones((2, 5)), 2 * cascade(rng, 2)):
        with pytest.raises(ValueError, match="sos"):
            stream.sos = sos


def test_coefficients_are_the_streams_own(rng):
    b, a = stable(rng, 2)
    x, desired = noise(rng, 40), None
    desired = lfilter(b, a, x)
    mine = b.copy()
    stream = Stream(mine, a)
    mine[...] = 0.0
    assert_close(stream(x[:20]), desired[:20])
    assert_close(pickle.loads(pickle.dumps(stream))(x[20:]), desired[20:])


# Errors


def test_what_makes_no_stream():
    sos = [[1.0, 0, 0, 1, 0.5, 0]]
    for args, options in (((), {}), (([1.0],), {}), ((None, [1.0]), {}), (([1.0], [1.0]), {"sos": sos})):
        with pytest.raises(TypeError, match="give b and a, or sos="):
            Stream(*args, **options)
    with pytest.raises(TypeError):
        Stream([1.0], [1.0], sos)  # keyword only
    with pytest.raises(ValueError, match=r"method must be one of .* got 'quick'"):
        Stream([1.0], [1.0], method="quick")
    with pytest.raises(ValueError, match="'fft' serves FIR"):
        Stream([1.0], [1.0, 0.5], method="fft")
    with pytest.raises(ValueError, match="method"):
        Stream(sos=sos, method="fft")
    with pytest.raises(ValueError, match=r"a\[0\]"):
        Stream([1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"b and a must be 1-D.*\(2, 2\)"):
        Stream(np.ones((2, 2)), [1.0, 0.5])
    with pytest.raises(ValueError, match=r"sos .*\(1, 5\)"):
        Stream(sos=np.ones((1, 5)))
    with pytest.raises(ValueError, match=r"sos .*\(2, 1, 6\)"):
        Stream(sos=np.ones((2, 1, 6)))
    with pytest.raises(TypeError):
        Stream([1.0], [1.0, 0.5], axis=0.5)


def test_blocks_that_do_not_fit(rng):
    stream = Stream(*stable(rng, 2))
    stream(noise(rng, (3, 20)))
    for shape in ((2, 20), (20,), (3, 1, 20)):
        with pytest.raises(ValueError, match=r"x has channels \(.*\), the blocks before had \(3,\)"):
            stream(noise(rng, shape))
    with pytest.raises(ValueError, match="x must be at least 1-D"):
        stream(1.0)
    with pytest.raises(NotImplementedError, match=r"longdouble|float128"):
        stream(np.ones((3, 5), np.longdouble))
    with pytest.raises(NotImplementedError, match="int64"):
        Stream([1], [1, 2])(np.ones(5, int))
    with pytest.raises(IndexError, match="axis 1"):
        Stream([1.0], [1.0, 0.5], axis=1)(np.ones(5))


def test_states_that_do_not_fit(rng):
    b, a = stable(rng, 2)
    with pytest.raises(ValueError, match=r"zi .*\(2,\).*\(3,\)"):
        Stream(b, a, zi=np.ones(3))(np.ones(5))
    stream = Stream(b, a)
    y = stream(np.ones(5))
    with pytest.raises(ValueError, match=r"zi .*\(2,\).*\(3,\)"):
        stream.zi = np.ones(3)
    assert_close(np.concatenate([y, stream(np.ones(5))]), lfilter(b, a, np.ones(10)))


def test_other_coefficients_than_it_was_made_from(rng):
    with pytest.raises(AttributeError, match="sos cannot be assigned"):
        Stream([1.0], [1.0]).sos = np.ones((1, 6))
    stream = Stream(sos=cascade(rng, 1))
    for name in ("b", "a"):
        with pytest.raises(AttributeError, match=f"{name} cannot be assigned"):
            setattr(stream, name, [1.0])


# zi='steady'


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["f4", "f8", "D"])
def test_steady(rng, axis, dtype):
    (b, a), sos = scipy.signal.butter(3, 0.2), scipy.signal.butter(5, 0.3, output="sos")
    x = (5.0 + noise(rng, (4, 60, 3), dtype)).astype(dtype)
    x = np.moveaxis(x, 1, axis)
    first = np.take(x, [0], axis)
    for kwargs, function, zi in (
        ({"b": b, "a": a}, lfilter, lfilter_zi(b, a)),
        ({"b": 2 * b, "a": 2 * a[:3]}, lfilter, lfilter_zi(b, a[:3])),
        ({"b": b, "a": [2.0]}, lfilter, lfilter_zi(b, [2.0])),
        ({"sos": sos}, sosfilt, sosfilt_zi(sos)),
    ):
        given = tuple(np.asarray(value) for value in kwargs.values())
        at = axis % 3
        state = np.moveaxis(zi.reshape(*zi.shape, 1, 1), zi.ndim - 1, zi.ndim - 1 + at) * first
        stream = Stream(**kwargs, zi="steady", axis=axis)
        assert stream.zi == "steady"
        assert stream(np.take(x, [], axis)).shape == np.take(x, [], axis).shape
        assert stream.copy().zi == "steady"
        desired, zf = function(*given, x, axis, zi=state.astype(np.result_type(state, np.float64)))
        blocks = [
            pickle.loads(pickle.dumps(stream))(np.take(x, [0], axis)),
            *map(stream, np.split(x, [1, 7, 40], axis)),
        ]
        y = np.concatenate(blocks[1:], axis)
        assert_close(y.astype(desired.dtype), desired)
        assert_close(blocks[0], blocks[1])
        assert_close(stream.zi, zf.astype(stream.zi.dtype))
        stream.reset()
        assert stream.zi == "steady"
        assert_close(stream(x), y)
        stream.zi = "steady"
        assert_close(stream(x), y)


def test_steady_of_one_channel(rng):
    b, a = scipy.signal.butter(2, 0.01)
    x = 1000.0 + rng.standard_normal(4000)
    stream = Stream(b, a, zi="steady")
    y = np.concatenate([stream(block) for block in np.split(x, [64, 1000])])
    assert_close(y, lfilter(b, a, x, zi=lfilter_zi(b, a) * x[0])[0])
    assert abs(y[0] - x[0]) < 1e-6


def test_wrong_steady():
    with pytest.raises(ValueError, match="zi must be 'steady' or an array, got 'rest'"):
        Stream([1.0], [1.0, 0.5], zi="rest")
    with pytest.raises(TypeError, match="zi='steady' is for linear filters"):
        Stream([1.0], [1.0, 0.5], activation="tanh", zi="steady")
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        Stream([1.0], [1.0, -1.0], zi="steady")(np.ones(3))


@pytest.mark.parametrize("given", ["d", "f"])
@pytest.mark.parametrize("dtype", ["f", "h", "l", "d"])
@pytest.mark.parametrize("feedback", [True, False])
def test_dtypes_that_change_from_block_to_block(rng, given, dtype, feedback):
    # A block of the same dtype as the one before takes the short way, another one does not.
    b, a = (np.array(c, given) for c in (([0.5, 0.2], [1.0, -0.5]) if feedback else ([0.5, 0.2, 0.1], [1.0])))
    stream, state = Stream(b, a), np.zeros(max(len(b), len(a)) - 1)
    for kind in (dtype, dtype, "d", dtype, dtype, "i", dtype):
        x = (100.0 * rng.standard_normal(40)).astype(kind)
        before = x.copy()
        wide, state = sigrnn.lfilter(b.astype(float), a.astype(float), x.astype(float), zi=state)
        y = stream(x)
        assert y.dtype == np.result_type(x, b)
        np.testing.assert_allclose(y, wide, rtol=4 * np.finfo(y.dtype).eps, atol=100 * np.finfo(y.dtype).eps)
        np.testing.assert_allclose(stream.zi, state, rtol=1e-12, atol=1e-12)
        assert np.array_equal(x, before)
    stream.b = b.astype("d")  # the dtype of the result changes with that of the coefficients
    assert stream(np.ones(3, "f")).dtype == stream(np.ones(3, "f")).dtype == np.float64
