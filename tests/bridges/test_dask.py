"""Filters over dask arrays: what NumPy's give, whatever the chunks; lazy, and with graphs that grow with the chunks."""

import numpy as np
import pytest
from helpers import assert_close
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.signal import butter, firwin

import sigrnn

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")
sd = pytest.importorskip("sigrnn.dask")
sd_graph = pytest.importorskip("sigrnn.dask.graph")
clone = pytest.importorskip("sigrnn.dask.clone")

FILTERS = {
    "order 2": butter(2, 0.2),
    "no safe short chunk": butter(4, 0.02),
    "integrator": ([1.0], [1.0, -1.0]),
    "double integrator": ([1.0], [1.0, -2.0, 1.0]),
    "unstable": ([1.0, 0.5], [1.0, -2.2, 1.3]),
    "all taps": (firwin(9, 0.3), [2.0]),
    "many taps": (firwin(60, 0.3), [1.0]),
    "gain": ([2.0], [4.0]),
    "no feedback after all": ([1.0, 2.0], [1.0, 0.0, 0.0]),
}
SOS = butter(4, [0.1, 0.4], "bandpass", output="sos")
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SAMPLES = 90


def parts(total, most=8):
    """Chunks of one axis, empty ones and single samples among them."""
    cuts = st.lists(st.integers(0, total), max_size=most)
    return cuts.map(lambda c: tuple(np.diff([0, *sorted(c), total]).tolist()))


@st.composite
def chunked(draw, shape=(5, SAMPLES)):
    return tuple(draw(parts(n)) for n in shape)


def compute(*arrays):
    return dask.compute(*arrays, scheduler="synchronous")


def same_as_plain(found, wanted, eps=4000):
    """Equal up to rounding, NaN and inf at the same places."""
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        np.testing.assert_array_equal(np.isinf(one), np.isinf(other))
        sound = np.isfinite(other)
        assert_close(one[sound], other[sound], eps)
        beyond = np.isinf(other)
        np.testing.assert_array_equal(one[beyond], other[beyond])


@pytest.mark.parametrize("name", FILTERS)
@given(chunks=chunked())
@QUICK
def test_lfilter_in_any_chunks(name, chunks, rng):
    b, a = FILTERS[name]
    x = rng.standard_normal((5, SAMPLES))
    zi = rng.standard_normal((5, max(len(b), len(a)) - 1))
    found = compute(*sd.lfilter(b, a, da.from_array(x, chunks), zi=zi))
    same_as_plain(found, sigrnn.lfilter(b, a, x, zi=zi))


@given(chunks=chunked((SAMPLES, 5)))
@QUICK
def test_sosfilt_in_any_chunks(chunks, rng):
    x = rng.standard_normal((SAMPLES, 5))
    zi = rng.standard_normal((len(SOS), 2, 5))
    found = compute(*sd.sosfilt(SOS, da.from_array(x, chunks), axis=0, zi=da.from_array(zi, (1, 2, 3))))
    same_as_plain(found, sigrnn.sosfilt(SOS, x, axis=0, zi=zi))


@pytest.mark.parametrize("name", ["order 2", "integrator", "unstable", "all taps", "no feedback after all"])
@given(chunks=chunked(), data=st.data())
@QUICK
def test_nan_and_inf_in_any_chunks(name, chunks, data, rng):
    x = rng.standard_normal((5, SAMPLES))
    places = st.tuples(st.integers(0, 4), st.integers(0, SAMPLES - 1))
    for at in data.draw(st.lists(places, min_size=1, max_size=3)):
        x[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    b, a = FILTERS[name]
    with np.errstate(all="ignore"):
        wanted = sigrnn.lfilter(b, a, x, zi=0)
        same_as_plain(compute(*sd.lfilter(b, a, da.from_array(x, chunks), zi=0)), wanted)
        assert not np.isfinite(wanted[0]).all()


@pytest.mark.parametrize("name", ["order 2", "integrator", "no feedback after all"])
@given(chunks=chunked(), data=st.data())
@QUICK
def test_states_beyond_numbers(name, chunks, data, rng):
    """Signals are tame here: a chunk is not asked again what it does to such a state."""
    b, a = FILTERS[name]
    order = max(len(b), len(a)) - 1
    numbers = st.sampled_from([1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, 1e160])
    zi = np.reshape(data.draw(st.lists(numbers, min_size=5 * order, max_size=5 * order)), (5, order))
    x = rng.standard_normal((5, SAMPLES))
    with np.errstate(all="ignore"):
        wanted = sigrnn.lfilter(b, a, x, zi=zi)
        found = compute(*sd.lfilter(b, a, da.from_array(x, chunks), zi=zi))
    for channel in range(5):  # rounding in one is larger than all there is in another
        same_as_plain([v[channel] for v in found], [v[channel] for v in wanted])


def test_overflow_on_the_way():
    """The sum of two responses overflows where neither alone does: that must not get lost between chunks."""
    x = np.full(60, 1e307)
    with np.errstate(all="ignore"):
        wanted = sigrnn.lfilter([1.0], [1.0, -0.99], x, zi=[1.2e308])
        assert not np.isfinite(wanted[0]).all()
        same_as_plain(compute(*sd.lfilter([1.0], [1.0, -0.99], da.from_array(x, 20), zi=[1.2e308])), wanted)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", ["f", "d", "F", "D", "i2", ">d"])
def test_axes_and_dtypes(axis, kind, rng):
    shape = [2, 3, 2]
    shape[axis] = 50
    x = rng.standard_normal(shape).astype(kind)
    if x.dtype.kind == "c":
        x.imag = rng.standard_normal(shape)
    sos, b = SOS.astype("f"), firwin(5, 0.3).astype("f")
    chunked = da.from_array(x, [20 if n == axis else 2 for n in range(3)])
    for run, plain, coefficients in (
        (sd.sosfilt, sigrnn.sosfilt, (sos,)),
        (sd.lfilter, sigrnn.lfilter, (b, [np.float32(1)])),
    ):
        lazy = run(*coefficients, chunked, axis, zi=0)
        found = compute(*lazy)
        assert [v.dtype for v in lazy] == [v.dtype for v in found]
        assert [v.shape for v in lazy] == [v.shape for v in found]
        wanted = plain(*coefficients, x, axis, zi=0)
        same_as_plain(found, wanted, 40)


def test_float32_keeps_its_state_in_double(rng):
    """Between chunks, too: rounded there, this state would be off by a thousandth."""
    b, a = (c.astype("f") for c in butter(3, 0.01))
    x = rng.standard_normal((1, 4000)).astype("f")
    found = sd.lfilter(b, a, da.from_array(x, (1, 50))).compute(scheduler="synchronous")
    assert found.dtype == np.float32
    assert_close(found, sigrnn.lfilter(b, a, x), 10)


def test_a_filter_for_each_channel(rng):
    x = rng.standard_normal((4, 3, 64))
    b, a = (np.stack(c) for c in zip(*(butter(2, cutoff) for cutoff in (0.1, 0.2, 0.3)), strict=True))
    found = sd.lfilter(b, a, da.from_array(x, (2, 2, 30))).compute(scheduler="synchronous")
    assert_close(found, sigrnn.lfilter(b, a, x))
    sos = np.stack([butter(2, cutoff, output="sos") for cutoff in (0.1, 0.2, 0.3)])
    one = x[:, :1].swapaxes(0, 2)  # the channels of length 1 are repeated
    found = sd.sosfilt(sos[:, None], da.from_array(one, (30, 1, 2)), axis=0)
    assert found.shape == (64, 3, 4)
    assert_close(found.compute(scheduler="synchronous"), sigrnn.sosfilt(sos[:, None], one, axis=0))


def test_sequential_has_the_bits_of_the_recurrence(rng):
    x = rng.standard_normal((2, 3000))
    for b, a in (butter(4, 0.1), (firwin(20, 0.2), [1.0])):
        found = sd.lfilter(b, a, da.from_array(x, (1, 700)), method="sequential").compute(scheduler="synchronous")
        np.testing.assert_array_equal(found, sigrnn.lfilter(b, a, x, method="sequential"))


def test_long_chunks_pass_small_states(rng):
    """Chunks that are long enough are parallel: the states do not depend on the filtered chunks."""
    x = da.from_array(rng.standard_normal((2, 4000)), (2, 500))
    y = sd.lfilter(*butter(2, 0.2), x)
    names = {str(key[0]).rsplit("-", 1)[0] for key in y.__dask_graph__() if isinstance(key, tuple)}
    assert {"sigrnn-effect", "sigrnn-filtered"} <= names
    unstable = sd.lfilter([1.0], [1.0, -1.5], x)
    assert not any(str(key).startswith("('sigrnn-effect") for key in unstable.__dask_graph__())


def test_chain_of_states_gets_no_chunk(rng):
    """The state after a chunk depends on small things only, which are cheap to send to another worker."""
    x = da.from_array(rng.standard_normal((2, 4000)), (2, 500))
    b, a = butter(2, 0.2)
    small = {"sigrnn-state", "sigrnn-filter", "sigrnn-effect", "sigrnn-backward"}
    for y in (
        sd.lfilter(b, a, x),
        sd.lfilter(firwin(9, 0.3), 1.0, x),
        sd.filtfilt(b, a, x),
        sd.filtfilt(b, a, x, reread=False),
    ):
        needs = y.__dask_graph__().get_all_dependencies()
        named = {
            key: {str(need[0]).rsplit("-", 1)[0] for need in needs[key]} for key in needs if isinstance(key, tuple)
        }
        links = [
            n
            for key, n in named.items()
            if key[0].startswith("sigrnn-state-") and n & {"sigrnn-effect", "sigrnn-backward"}
        ]
        assert len(links) >= 7
        assert set().union(*links) <= small


def test_effects_are_small(rng):
    """Besides the state, an effect has the inputs of those channels only for which a sum of responses is wrong."""
    x = rng.standard_normal((6, 5000))
    x[1, 100] = x[2, 100] = np.inf
    x[3, 100] = np.nan
    for (b, a), beyond in ((butter(2, 0.2), []), (([1.0, 0.5], [1.0, -1.0]), [1, 2])):
        spec = sd.spec.direct(b, a, (6,), np.dtype(float), "auto")
        graph = sd_graph.FilterGraph(spec, da.from_array(x), 1, None)
        effect = sd.tasks.from_rest(graph.spec, x, 1)
        assert effect.beyond.tolist() == beyond
        np.testing.assert_array_equal(effect.inputs, x[beyond])


def test_nothing_is_computed_early():
    def read(block):
        raise AssertionError("read")

    x = da.ones((4, 1000), chunks=(2, 100)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    y, zf = sd.lfilter(*butter(2, 0.2), x, zi=da.zeros((4, 2)))
    z, _ = sd.sosfilt(SOS, x, zi=0)
    assert isinstance(y, da.Array)
    assert isinstance(zf, da.Array)
    for lazy in (y, zf, z):
        with pytest.raises(AssertionError, match="read"):
            lazy.compute(scheduler="synchronous")


def test_graph_grows_with_the_chunks():
    def tasks(chunks):
        x = da.zeros((4, 100 * chunks), chunks=(2, 100))
        return len(dict(sd.lfilter(*butter(2, 0.2), x).__dask_graph__())) - len(dict(x.__dask_graph__()))

    assert tasks(200) - tasks(100) == tasks(300) - tasks(200) <= 3 * 2 * 100


def test_same_call_same_name(rng):
    x = da.from_array(rng.standard_normal((2, 100)), (1, 30))
    assert sd.lfilter([1.0], [1.0, -0.5], x).name == sd.lfilter([1.0], [1.0, -0.5], x).name
    assert sd.lfilter([1.0], [1.0, -0.5], x).name != sd.lfilter([1.0], [1.0, -0.4], x).name


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: sd.lfilter([1.0], [0.0, 1.0], x), ValueError, r"a\[0\]"),
        (lambda x: sd.lfilter([1.0], [1.0, 0.5], x, method="fft"), ValueError, "FIR"),
        (lambda x: sd.lfilter([1.0], [1.0, 0.5], x, axis=2), np.exceptions.AxisError, "axis 2"),
        (lambda x: sd.lfilter([1.0], [1.0, 0.5], x, zi=np.zeros(3)), ValueError, "zi must have shape"),
        (lambda x: sd.lfilter([1.0], [1.0, 0.5], x, zi=da.zeros((3, 1))), ValueError, "zi must have shape"),
        (lambda x: sd.lfilter([1.0], [1.0, 0.5], x[x[:, 0] > 0]), ValueError, "compute_chunk_sizes"),
        (lambda x: sd.lfilter([1], [1, 2], x.astype(int)), NotImplementedError, "int64"),
        (lambda x: sd.lfilter([1.0], [1.0], x[0, 0]), ValueError, "at least 1-D"),
        (lambda x: sd.sosfilt(np.ones((2, 5)), x), ValueError, "n_sections, 6"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(da.zeros((2, 40), chunks=(1, 10)))


def test_masked_chunks_are_refused():
    """The numbers under the mask would ring through the output; filled, they are samples as any others."""
    x = da.from_array(np.ma.array([0.0, 0.0, 1e9, 0.0], mask=[0, 0, 1, 0]), 2)
    message = r"x is masked, .*: fill the gaps, give dask.array.ma.filled\(x, value\)"
    for call in (
        lambda: sd.lfilter([1.0], [1.0, -0.5], x),
        lambda: sd.sosfiltfilt(SOS, x),
        lambda: sd.map_adaptive(sigrnn.adaptive.NLMS(2, mu=0.5), x, x),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    with pytest.raises(TypeError, match="zi is masked"):
        sd.lfilter([1.0], [1.0, -0.5], da.ones(4), zi=x[:1])
    found = sd.lfilter([1.0], [1.0, -0.5], da.ma.filled(x, 1.0))
    np.testing.assert_array_equal(compute(found)[0], [0.0, 0.0, 1.0, 0.5])


def test_private_names():
    """What dask has no public name for is in `clone`, and renames tasks as well as the references to them."""
    nodes = dask._task_spec
    for name in ("Alias", "DataNode", "convert_legacy_graph"):
        assert hasattr(nodes, name), f"dask {dask.__version__} has moved {name}: see sigrnn/dask/clone.py"
    calls = []

    def read(block):
        calls.append(block.shape)
        return block + 1.0

    data = da.from_array(np.arange(6.0), 2)
    x = 2.0 * data.map_blocks(read, dtype=float, meta=np.empty(0))
    twin = clone.clone(x)
    assert not set(map(str, dict(x.__dask_graph__()))) & {str(key) for key in twin.__dask_keys__()}
    both = compute(da.stack([x, twin]))[0]
    np.testing.assert_array_equal(both, [2.0 * np.arange(1.0, 7.0)] * 2)
    assert len(calls) == 6
    shared = clone.clone(x.persist(scheduler="synchronous"))
    np.testing.assert_array_equal(compute(shared)[0], both[0])
    assert len(calls) == 9


def test_empty_signals():
    for shape in ((0, 5), (3, 0)):
        y, zf = compute(*sd.lfilter([1.0], [1.0, -0.5], da.zeros(shape, chunks=shape), zi=1.0))
        plain, end = sigrnn.lfilter([1.0], [1.0, -0.5], np.zeros(shape), zi=1.0)
        np.testing.assert_array_equal(y, plain)
        np.testing.assert_array_equal(zf, end)
    np.testing.assert_array_equal(sd.sosfilt(np.ones((0, 6)), da.ones(9, chunks=4)).compute(), np.ones(9))


def test_input_is_not_changed(rng):
    x, zi = rng.standard_normal((2, 60)), np.ones((2, 2))
    before, state = x.copy(), zi.copy()
    x.flags.writeable = zi.flags.writeable = False
    compute(*sd.lfilter(*butter(2, 0.2), da.from_array(x, (1, 20)), zi=zi))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(zi, state)


@pytest.mark.parametrize("padtype", ["odd", "even", "constant", None])
@pytest.mark.parametrize("reread", [True, False])
@given(chunks=chunked((3, SAMPLES)))
@settings(QUICK, max_examples=6)
def test_zero_phase_in_any_chunks(padtype, reread, chunks, rng):
    x = rng.standard_normal((3, SAMPLES))
    b, a = FILTERS["order 2"]
    lazy = sd.filtfilt(b, a, da.from_array(x, chunks), padtype=padtype, reread=reread)
    same_as_plain(compute(lazy), [sigrnn.filtfilt(b, a, x, padtype=padtype)])
    turned = da.from_array(x.T, chunks[::-1])
    lazy = sd.sosfiltfilt(SOS, turned, axis=0, padtype=padtype, padlen=50, reread=reread)
    same_as_plain(compute(lazy), [sigrnn.sosfiltfilt(SOS, x.T, axis=0, padtype=padtype, padlen=50)])


@pytest.mark.parametrize("kind", ["f", "D", "i2"])
def test_zero_phase_dtypes(kind, rng):
    x = (100 * rng.standard_normal((2, 2, 60))).astype(kind)
    chunked = da.from_array(x, (1, 2, 17))
    for found, wanted in (
        (sd.filtfilt(firwin(5, 0.3), 1.0, chunked), sigrnn.filtfilt(firwin(5, 0.3), 1.0, x)),
        (sd.sosfiltfilt(SOS.astype("f"), chunked), sigrnn.sosfiltfilt(SOS.astype("f"), x)),
    ):
        assert found.dtype == wanted.dtype
        assert found.chunks[-1] == chunked.chunks[-1]
        same_as_plain(compute(found), [wanted], 20 if kind == "f" else 4000)


def test_zero_phase_with_a_filter_for_each_channel_and_nan(rng):
    x = rng.standard_normal((3, 80))
    x[1, 40] = np.nan
    b, a = (np.stack(c) for c in zip(*(butter(2, cutoff) for cutoff in (0.1, 0.2, 0.3)), strict=True))
    same_as_plain(compute(sd.filtfilt(b, a, da.from_array(x, (2, 30)))), [sigrnn.filtfilt(b, a, x)])
    sos = np.stack([butter(2, cutoff, output="sos") for cutoff in (0.1, 0.2, 0.3)])
    same_as_plain(compute(sd.sosfiltfilt(sos, da.from_array(x, (2, 30)))), [sigrnn.sosfiltfilt(sos, x)])


def test_zero_phase_errors():
    x = da.zeros((2, 40), chunks=(1, 10))
    b, a = butter(2, 0.2)
    with pytest.raises(NotImplementedError, match="gust"):
        sd.filtfilt(b, a, x, method="gust")
    with pytest.raises(ValueError, match="'pad'"):
        sd.filtfilt(b, a, x, method="other")
    with pytest.raises(ValueError, match="padlen"):
        sd.filtfilt(b, a, x, padlen=40)
    with pytest.raises(ValueError, match="padtype"):
        sd.sosfiltfilt(SOS, x, padtype="none")
    with pytest.raises(np.linalg.LinAlgError):
        sd.filtfilt([1.0], [1.0, -1.0], x)
