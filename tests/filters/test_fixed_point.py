"""One long channel of `nlfilter` in blocks of time: the same numbers as without, also where a filter does not forget."""

import numpy as np
import pytest
import reference
from helpers import assert_close, assert_same, contractive, noise

from sigrnn import Activation, Stream, nlfilter, vjp
from sigrnn._kernels.sizes import FIXED_POINT_ROWS, UNROLLED_ORDER
from sigrnn.filters import _fixed_point

LONG = _fixed_point.LONG
KINDS = [("tanh", 1), ("tanh", 2), ("relu", 2), ("softplus", 3)]  # each kernel takes seconds to compile


@pytest.fixture
def tried(monkeypatch):
    """What became of stretches: (samples asked for, samples done) of each call of a kernel, and samples done without."""
    calls, plain, run = [], [], _fixed_point.run

    def watched(samples, guess, one_by_one):
        def guess_and_note(part, length, scratch):
            count = guess(part, length, scratch)
            calls.append((part.stop - part.start, count))
            return count

        def run_and_note(part):
            plain.append(part.stop - part.start)
            one_by_one(part)

        run(samples, guess_and_note, run_and_note)

    monkeypatch.setattr(_fixed_point, "run", watched)
    return calls, plain


def twin(b, a, x, kind="tanh", bias=0.0, zi=None):
    b, a = np.array(b), np.array(a)
    zi = None if zi is None else np.array(zi)
    return reference.nonlinear(b, a, np.asarray(x, float), reference.ACTIVATIONS[kind], bias, zi)[:2]


def assert_alike(actual, desired):
    """Close, with NaN and inf in the same places."""
    np.testing.assert_allclose(actual, desired, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "order"), KINDS)
def test_twin(rng, tried, kind, order):
    (b, a), x, zi = contractive(rng, order), noise(rng, 2 * LONG + 777), noise(rng, order)
    y, zf = nlfilter(b, a, x, zi=zi, activation=kind, bias=-0.2)
    desired, state = twin(b, a, x, kind, -0.2, zi)
    assert_close(y, desired)
    assert_close(zf, state)
    calls, plain = tried
    assert [asked == done > LONG for asked, done in calls] == [True]
    assert sum(plain) < LONG


@pytest.mark.parametrize("kind", ["softsign", "relu"])  # tanh alone has a form for lanes and one for a channel
def test_the_very_bits_of_the_plain_recurrence(rng, tried, kind):
    (b, a), x = contractive(rng, 2), noise(rng, 2 * LONG + 900)
    y, zf = nlfilter(b, a, x, zi=[0.1, -0.2], activation=kind, bias=0.1)
    assert len(tried[0]) == 1
    assert tried[0][0][1] > LONG
    stream = Stream(b, a, activation=kind, bias=0.1, zi=[0.1, -0.2])
    assert_same(y, np.concatenate([stream(block) for block in np.array_split(x, 7)]))
    assert_same(zf, stream.zi)
    assert len(tried[0]) == 1


def test_the_very_bits_of_lanes(rng, tried):
    # In lanes of channels the same arithmetic runs from the first sample to the last.
    (b, a), x = contractive(rng, 2), noise(rng, 3 * LONG + 5)
    y = nlfilter(b, a, x)
    (asked, done), *_ = tried[0]
    assert asked == done > 2 * LONG
    assert_same(y[:done], nlfilter(b, a, np.tile(x, (16, 1)))[3, :done])


@pytest.mark.parametrize("pole", [0.9, 0.99, 0.999])
def test_long_memory(rng, tried, pole):
    # Runs of blocks of 128 do not meet at once: at 0.999 it takes some 1000 samples, which is eight runs.
    b, a, x = [0.1, 0.0], [1.0, -pole], noise(rng, LONG + 40)
    assert_close(nlfilter(b, a, x), twin(b, a, x)[0], eps=1e5)
    assert tried == ([(LONG, LONG)], [40])


def test_filters_that_do_not_forget(rng, tried):
    x = np.abs(noise(rng, 20 * LONG))
    y = nlfilter([1.0], [1.0, -1.0], x, activation="relu")
    assert_close(y, np.cumsum(x))
    calls, plain = tried
    assert calls
    assert not any(done for _, done in calls)
    assert len(calls) <= 5  # it does not go on trying
    assert sum(plain) == len(x)


def test_two_stable_states(rng, tried):
    # From rest a block may end in the wrong one of the two: what is entered next puts it right, or nothing does.
    x = 0.3 * noise(rng, 4 * LONG)
    y, desired = nlfilter([1.0], [1.0, -2.0], x), twin([1.0], [1.0, -2.0], x)[0]
    assert tried[0]
    assert_same(np.sign(y), np.sign(desired))
    assert_close(y, desired, eps=1e5)


def test_silence(rng, tried):
    # Outputs decay to the smallest numbers, differently from each start, and meet at zero only.
    x = np.zeros(2 * LONG)
    x[:10] = noise(rng, 10)
    y = nlfilter([1.0], [1.0, -0.99], x)
    assert tried[0]
    assert_close(y, twin([1.0, 0.0], [1.0, -0.99], x)[0], eps=1e5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_beyond_numbers(rng, kind, value):
    (b, a), x = contractive(rng, 2), noise(rng, 3 * LONG)
    x[LONG + 3] = value
    y, zf = nlfilter(b, a, x, zi=[0.0, 0.1], activation=kind)
    with np.errstate(invalid="ignore", over="ignore"):
        desired, state = twin(b, a, x, kind, zi=[0.0, 0.1])
    assert_alike(y, desired)
    assert_alike(zf, state)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("axis", [0, 1])
def test_channels_and_layouts(rng, dtype, axis):
    (b, a), x = contractive(rng, 2), noise(rng, (3, LONG + 100), dtype)
    x = x if axis else np.ascontiguousarray(x.T)
    desired = np.stack([twin(b, a, row)[0] for row in (x if axis else x.T)])
    y = nlfilter(b.astype(dtype), a.astype(dtype), x, axis)
    if dtype == np.float32:
        np.testing.assert_allclose(y if axis else y.T, desired, rtol=1e-4, atol=1e-5)
    else:
        assert_close(y if axis else y.T, desired)
    assert_same(nlfilter(b, a, x[::-1, ::-1], axis), nlfilter(b, a, x[::-1, ::-1].copy(), axis))


def test_own_activation_and_stream(rng, tried):
    mine = Activation(lambda e: e / (1.0 + e * e), lambda e: (1.0 - e * e) / (1.0 + e * e) ** 2)
    (b, a), x = contractive(rng, 1), noise(rng, 2 * LONG)
    y = nlfilter(b, a, x, activation=mine)
    stream = Stream(b, a, activation=mine)
    assert_close(np.concatenate([stream(x[:100]), stream(x[100 : LONG + 101]), stream(x[LONG + 101 :])]), y)
    assert len(tried[0]) == 2


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("gaps", [(), (np.nan,), (np.inf, 0.0)])
def test_the_way_back(rng, tried, order, gaps):
    (b, a), x, dy = contractive(rng, order), noise(rng, 3 * LONG + 50), noise(rng, 3 * LONG + 50)
    for i, value in enumerate(gaps):
        dy[LONG + 70 * i] = value
    (y, _), pullback = vjp(nlfilter, b, a, x, zi=np.zeros(order))
    dzf = noise(rng, order)
    db, da, dx, dzi = pullback((dy, dzf))
    b, a = b / a[0], a / a[0]
    with np.errstate(invalid="ignore"):
        delta = reference.excitation_gradient(a, 1.0 - y**2, dy, dzf)
    assert_alike(pullback.excitation_gradient, delta)
    late = np.concatenate([delta, dzf])
    with np.errstate(invalid="ignore"):
        assert_alike(dx, sum(b[m] * late[m : m + len(x)] for m in range(order + 1)))
    if not gaps:
        sums = [late[m : m + len(x)] @ x for m in range(order + 1)]
        np.testing.assert_allclose(db, sums, rtol=1e-10, atol=1e-9)
        assert [asked == done for asked, done in tried[0]] == [True] * len(tried[0])
    assert np.shape(da) == np.shape(a)
    assert np.shape(dzi) == (order,)


def test_every_sample_once_and_in_order():
    for samples in (0, 1, LONG - 1, LONG, LONG + 1, 5 * LONG + 7, 70 * LONG):
        for every in (1, 2, 3, 1000):  # how many stretches do, before one that will not
            at, tries = 0, 0

            def guess(part, length, scratch, every=every):
                nonlocal at, tries
                size = length * _fixed_point.BLOCKS
                assert scratch.size == size
                assert length % _fixed_point.ROWS == 0
                assert part.start == at
                assert (part.stop - part.start) % size == 0
                done = min(part.stop - part.start, (every - 1) * size)
                at, tries = at + done, tries + 1
                return done

            def plain(part):
                nonlocal at
                assert part.start == at
                assert part.stop > at
                at = part.stop

            _fixed_point.run(samples, guess, plain)
            assert at == samples
            assert bool(tries) == (samples >= LONG)


def test_a_tile_holds_the_states_of_any_filter_that_is_cut():
    assert UNROLLED_ORDER < FIXED_POINT_ROWS
