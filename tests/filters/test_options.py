"""The options all filters share: results that are integers, the direction of time, gaps in the signal."""

import numpy as np
import pytest
import scipy.signal
from helpers import WRITABLE, Unchanged, assert_close, assert_same, noise, stable
from hypothesis import given, settings
from hypothesis import strategies as st

import sigrnn

examples = settings(derandomize=True, max_examples=60, deadline=None, database=None)
INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
B, A = scipy.signal.butter(2, 0.2)
SOS = scipy.signal.butter(3, 0.3, output="sos")
TAPS = np.hamming(9) / 4


def varying(x, axis=-1, **options):
    """`lfilter_tv` whose rows differ."""
    b, a = (np.repeat(c[None], x.shape[axis], axis=0) for c in (B, A))
    b *= 1.0 + np.arange(len(b))[:, None] / max(len(b), 1)
    return sigrnn.lfilter_tv(b, a, x, axis, **options)


FILTERS = {
    "iir": lambda x, axis=-1, **options: sigrnn.lfilter(B, A, x, axis, **options),
    "fir": lambda x, axis=-1, **options: sigrnn.lfilter(TAPS, [1.0], x, axis, **options),
    "sections": lambda x, axis=-1, **options: sigrnn.sosfilt(SOS, x, axis, **options),
    "varying": varying,
    "nonlinear": lambda x, axis=-1, **options: sigrnn.nlfilter(B, A, x, axis, **options),
    "zero phase": lambda x, axis=-1, **options: sigrnn.filtfilt(B, A, x, axis, **options),
    "zero phase sections": lambda x, axis=-1, **options: sigrnn.sosfiltfilt(SOS, x, axis, **options),
}
LINEAR = [name for name in FILTERS if name != "nonlinear"]
WITH_STATE = {"iir": (2,), "fir": (8,), "sections": (2, 2), "nonlinear": (2,), "varying": (2,)}


def rounded(y, dtype):
    """What an integer of this dtype can hold of y, one number at a time."""
    info = np.iinfo(dtype)
    whole = [0 if np.isnan(v) else info.max if v > info.max else info.min if v < info.min else round(v) for v in y.flat]
    return np.array([min(max(v, info.min), info.max) for v in whole], dtype).reshape(y.shape)


def close_to_half(y):
    """Where a rounding error may decide."""
    return np.abs(np.abs(y - np.floor(y)) - 0.5) < 1e-6 * np.maximum(np.abs(y), 1.0)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(LINEAR),
    st.sampled_from(INTEGERS),
    st.sampled_from(["i2", "u1", "f4", "f8"]),
    st.sampled_from([(70,), (3, 41), (20, 33), (2, 3, 40)]),
    st.integers(0, 2),
    st.sampled_from(sorted(WRITABLE)),
    st.sampled_from(sorted(WRITABLE)),
)
@examples
def test_integers(seed, name, kind, given_kind, shape, axis, layout, out_layout):
    rng = np.random.default_rng(seed)
    axis %= len(shape)
    shape = (*shape[:axis], 80, *shape[axis + 1 :])
    x = WRITABLE[layout]((100 * np.abs(noise(rng, shape))).astype(given_kind))
    exact = FILTERS[name](x.astype(float), axis)
    out = WRITABLE[out_layout](np.zeros(shape, kind))
    with Unchanged(x):
        assert FILTERS[name](x, axis, out=out) is out
    wrong = out != rounded(exact, kind)
    assert not (wrong & ~close_to_half(exact)).any()


@pytest.mark.parametrize("kind", INTEGERS)
def test_saturation(kind):
    info = np.iinfo(kind)
    x = np.array([0.5, 1.5, -0.5, 2.5, 1e30, -1e30, np.inf, -np.inf, np.nan, float(info.max), float(info.min), 7.4])
    out = np.empty(x.shape, kind)
    sigrnn.lfilter([1.0], [1.0], x, out=out)
    assert out.tolist() == [0, 2, 0, 2, *[info.max, info.min] * 2, 0, info.max, info.min, 7]


@pytest.mark.parametrize("name", LINEAR)
def test_integers_in_place(rng, name):
    x = (1000 * rng.standard_normal((3, 4000))).astype(np.int16)
    y = np.empty_like(x)
    FILTERS[name](x, out=y)
    assert FILTERS[name](x, out=x) is x
    assert_same(x, y)


def test_integers_need_no_floats(rng):
    # Long signals go piece by piece: none is as long as the signal.
    import tracemalloc

    x = (1000 * rng.standard_normal((4, 300_000))).astype(np.int16)
    out = np.empty_like(x)
    for name in ("iir", "fir", "sections"):
        FILTERS[name](x, out=out)
        tracemalloc.start()
        FILTERS[name](x, out=out)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < x.nbytes


def test_integer_state(rng):
    x = (1000 * rng.standard_normal((2, 200_000))).astype(np.int16)
    out = np.empty_like(x)
    _, zf = sigrnn.lfilter(B, A, x, zi=0.0, out=out)
    assert_close(zf, sigrnn.lfilter(B, A, x, zi=0.0)[1])
    _, zf = sigrnn.sosfilt(SOS, x.T, 0, zi=0.0, out=out.T)
    assert_close(zf, sigrnn.sosfilt(SOS, x.T, 0, zi=0.0)[1])
    sigrnn.lfilter([1, -1], [1], [3, 5, 4], out=(small := np.empty(3, np.int8)))  # integers throughout
    assert small.tolist() == [3, 2, -1]


def test_integers_of_complex_numbers():
    with pytest.raises(TypeError, match=r"complex128.* does not round to integers"):
        sigrnn.lfilter([1.0, 1j], [1.0], np.ones(4), out=np.empty(4, np.int16))
    with pytest.raises(TypeError, match=r"out has dtype .*int16.*, expected the result's: .*longdouble|float128"):
        sigrnn.lfilter([1.0], [1.0, 0.5], np.ones(4, np.longdouble), out=np.empty(4, np.int16))
    with pytest.raises(ValueError, match=r"out has shape \(3,\), expected \(4,\)"):
        sigrnn.sosfiltfilt(SOS[:1], np.ones(40)[:4], padlen=1, out=np.empty(3, np.int16))


# direction=


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(FILTERS)),
    st.sampled_from(["f4", "f8", "F", "D", "i2"]),
    st.integers(0, 2),
    st.sampled_from(sorted(WRITABLE)),
)
@examples
def test_backward(seed, name, kind, axis, layout):
    if name == "nonlinear" and kind in "FD":
        kind = "f8"
    rng = np.random.default_rng(seed)
    shape = [2, 9, 5]
    shape[axis] = 300
    x = WRITABLE[layout](noise(rng, shape, kind))
    options = {}
    if name == "varying":  # rows stay with their samples

        def run(x, direction="forward"):
            b, a = rng_rows
            if direction == "turned":
                b, a, direction = b[::-1], a[::-1], "forward"
            return sigrnn.lfilter_tv(b, a, x, axis, direction=direction)

        rng_rows = np.repeat(B[None], 300, 0) * (1 + np.arange(300)[:, None] / 300), np.repeat(A[None], 300, 0)
        desired = np.flip(run(np.flip(x, axis), "turned"), axis)
        actual = run(x, "backward")
    else:
        if name in WITH_STATE:
            own = WITH_STATE[name]
            options["zi"] = rng.standard_normal((*own[:-1], *shape[:axis], own[-1], *shape[axis + 1 :]))
        desired = FILTERS[name](np.flip(x, axis), axis, **options)
        actual = FILTERS[name](x, axis, direction="backward", **options)
        if options:
            (desired, zf), (actual, zb) = desired, actual
            assert_close(zb, zf)
        desired = np.flip(desired, axis)
    assert_close(actual, desired)


def test_backward_into_out(rng):
    x = rng.standard_normal((3, 2000))
    for name in LINEAR:
        desired = FILTERS[name](x, direction="backward")
        out = np.empty_like(x)
        assert FILTERS[name](x, out=out, direction="backward") is out
        assert_same(out, desired)
        out = x.copy()
        FILTERS[name](out, out=out, direction="backward")
        assert_same(out, desired)


def test_backward_by_scipy(rng):
    x = rng.standard_normal((2, 60)).astype(np.longdouble)
    desired = scipy.signal.lfilter(B, A, x[:, ::-1])[:, ::-1]
    assert_same(sigrnn.lfilter(B, A, x, direction="backward"), desired)
    out = np.empty_like(x)
    assert_same(sigrnn.sosfilt(SOS, x, direction="backward", out=out), scipy.signal.sosfilt(SOS, x[:, ::-1])[:, ::-1])
    x = rng.standard_normal(60)
    desired = scipy.signal.filtfilt(B, A, x[::-1], method="gust")[::-1]
    assert_same(sigrnn.filtfilt(B, A, x, method="gust", direction="backward"), desired)


def test_backward_has_gradients(rng):
    x, dy = rng.standard_normal((2, 3, 40))
    zi = rng.standard_normal((3, 2))
    dzf = rng.standard_normal((3, 2))
    for function in (sigrnn.lfilter, sigrnn.nlfilter):
        for options in ({}, {"checkpoint": 7}):
            (y, zf), pull = sigrnn.vjp(function, B, A, x, -1, zi, direction="backward", **options)
            (there, end), pull_there = sigrnn.vjp(function, B, A, x[:, ::-1], -1, zi, **options)
            assert_same(y, there[:, ::-1])
            assert_same(zf, end)
            found, desired = pull((dy, dzf)), pull_there((dy[:, ::-1], dzf))
            assert_same(found[2], desired[2][:, ::-1])
            for i in (0, 1, 3):
                assert_same(found[i], desired[i])
            if function is sigrnn.nlfilter:
                assert_same(pull.excitation_gradient, pull_there.excitation_gradient[:, ::-1])
    y, moved = sigrnn.jvp(sigrnn.sosfiltfilt, (SOS, x), (None, dy), direction="backward")
    assert_same(y, sigrnn.sosfiltfilt(SOS, x, direction="backward"))
    assert_close(moved, sigrnn.sosfiltfilt(SOS, dy, direction="backward"))
    b, a = (np.repeat(c[None], 40, axis=0) for c in (B, A))
    b *= 1 + np.arange(40)[:, None] / 40
    y, pull = sigrnn.vjp(sigrnn.lfilter_tv, b, a, x, direction="backward")
    assert_same(y, sigrnn.lfilter_tv(b, a, x, direction="backward"))
    db, _, dx = pull(dy)
    step = 1e-6
    b[11, 1] += step
    more = (sigrnn.lfilter_tv(b, a, x, direction="backward") - y) / step
    np.testing.assert_allclose(db[11, 1], (more * dy).sum(), rtol=1e-5)
    b[11, 1] -= step
    desired = sigrnn.lfilter_tv(b, a, dx * 0 + x, direction="forward")
    assert not np.array_equal(desired, y)
    _, partial = sigrnn.synchronous_grad(sigrnn.nlfilter, B, A, x, direction="backward")
    _, there = sigrnn.synchronous_grad(sigrnn.nlfilter, B, A, x[:, ::-1])
    assert_same(partial(dy)[1], there(dy[:, ::-1])[1])


def test_what_has_no_gradient(rng):
    x = rng.standard_normal(40)
    with pytest.raises(TypeError, match="nan_policy= is not for vjp and jvp"):
        sigrnn.vjp(sigrnn.lfilter, B, A, x, nan_policy="omit")
    with pytest.raises(TypeError, match="direction= is not for gradient_flow"):
        sigrnn.gradient_flow(sigrnn.lfilter, B, A, x, direction="backward")
    with pytest.raises(ValueError, match="direction must be one of 'forward', 'backward'; got 'up'"):
        sigrnn.vjp(sigrnn.lfilter, B, A, x, direction="up")


# nan_policy=


def with_gaps(rng, x, axis):
    """Gaps of all channels together, of some alone, at either end; one channel has none, another nothing else."""
    x = x.copy()
    rows = np.moveaxis(x, axis, -1)
    rows = rows.reshape(-1, rows.shape[-1]) if x.ndim == 1 else rows
    flat = [rows[i] for i in np.ndindex(rows.shape[:-1])]
    count = rows.shape[-1]
    for k, row in enumerate(flat):
        if k == 1:
            continue
        row[count // 3 : count // 3 + 4] = np.nan
        if k % 3 == 2:
            row[rng.integers(0, count, 6)] = np.nan
        if k % 4 == 0:
            row[:3] = np.nan
        if k % 5 == 0:
            row[-2:] = np.nan
        if k == 7:
            row[:] = np.nan
    return x


def one_by_one(run, x, axis, policy, zi=None):
    """What the documentation describes, for one channel and one stretch at a time: `run(row, zi)` gives y, or (y, zf)."""
    y, states = x.copy(), []
    last = np.moveaxis(y, axis, -1)
    for i in np.ndindex(last.shape[:-1]):
        row, state = last[i], None if zi is None else zi[i]
        missing = np.isnan(row)
        if policy == "omit":
            pieces = [np.flatnonzero(~missing)]
        else:
            pieces = [
                p for p in np.split(np.arange(len(row)), np.flatnonzero(np.diff(missing)) + 1) if not missing[p[0]]
            ]
        for piece in pieces:
            if not len(piece):
                continue
            if state is not None and policy == "segments" and piece[0]:
                state = np.zeros_like(state)
            found = run(row[piece], state)
            row[piece], state = found if state is not None else (found, None)
        if state is not None and policy == "segments" and missing[-1]:
            state = np.zeros_like(state)
        states.append(state)
    return y, states


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([name for name in FILTERS if name != "varying"]),
    st.sampled_from(["omit", "segments"]),
    st.sampled_from(["f4", "f8", "D"]),
    st.integers(0, 2),
    st.sampled_from(sorted(WRITABLE)),
)
@examples
def test_gaps(seed, name, policy, kind, axis, layout):
    if name == "nonlinear" and kind == "D":
        kind = "f8"
    rng = np.random.default_rng(seed)
    shape = [3, 7, 3]
    shape[axis] = 120
    x = WRITABLE[layout](with_gaps(rng, noise(rng, shape, kind), axis))

    def run(row, state):
        options = {} if state is None else {"zi": state}
        if "zero" in name:
            usual = 9 if name == "zero phase" else 3 * (2 * len(SOS) + 1 - 1)
            options["padlen"] = min(usual, len(row) - 1)
        return FILTERS[name](row, **options)

    zi, given_zi = None, {}
    if name in WITH_STATE and name != "sections":
        own = WITH_STATE[name]
        zi = rng.standard_normal((*shape[:axis], *shape[axis + 1 :], *own))
        given_zi["zi"] = np.moveaxis(zi, -1, axis)
    with Unchanged(x):
        y = FILTERS[name](x, axis, nan_policy=policy, **given_zi)
    desired, states = one_by_one(run, x.astype(np.result_type(x, B, *given_zi.values())), axis, policy, zi)
    if zi is not None:
        y, zf = y
        assert_close(np.moveaxis(zf, axis, -1).reshape(-1, *own), np.array(states, zf.dtype))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    assert_close(np.nan_to_num(y), np.nan_to_num(desired))


@pytest.mark.parametrize("policy", ["omit", "segments"])
@pytest.mark.parametrize("name", ["iir", "sections", "fir", "nonlinear"])
def test_blocks_of_a_signal_with_gaps(rng, name, policy):
    # The state after a block is what the next one needs, wherever the gaps are.
    x = rng.standard_normal((4, 200))
    x[0, 60:100] = x[1, 45:50] = x[2, 50:55] = x[3, 149:151] = np.nan
    whole, zf = FILTERS[name](x, zi=0.0, nan_policy=policy)
    state, blocks = 0.0, []
    for block in np.split(x, [50, 80, 100, 150], axis=-1):
        y, state = FILTERS[name](block, zi=state, nan_policy=policy)
        blocks.append(y)
    np.testing.assert_allclose(np.concatenate(blocks, axis=-1), whole, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state, zf, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("policy", ["omit", "segments"])
def test_rows_of_coefficients_stay_with_their_samples(rng, policy):
    x = rng.standard_normal((2, 90))
    b, a = rng.standard_normal((90, 3)), np.tile([1.0, -0.4, 0.2], (90, 1))
    x[0, 30:40] = x[1, 80:] = np.nan
    for backward in (False, True):
        y = sigrnn.lfilter_tv(b, a, x, nan_policy=policy, direction="backward" if backward else "forward")
        for c, row in enumerate(x):
            present = np.flatnonzero(~np.isnan(row))
            pieces = [present] if policy == "omit" else np.split(present, np.flatnonzero(np.diff(present) > 1) + 1)
            for p in pieces:
                p = p[::-1] if backward else p
                assert_close(y[c, p], sigrnn.lfilter_tv(b[p], a[p], row[p]))
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x))


def test_a_filter_for_each_channel_with_gaps(rng):
    x = with_gaps(rng, rng.standard_normal((9, 150)), 1)
    b, a = (np.array(c) for c in zip(*(stable(rng, 2) for _ in range(9)), strict=True))
    for policy in ("omit", "segments"):
        for function in (sigrnn.lfilter, sigrnn.filtfilt):
            y = function(b, a, x, nan_policy=policy)
            each = [function(*ba, row, nan_policy=policy) for *ba, row in zip(b, a, x, strict=True)]
            assert_close(np.nan_to_num(y), np.nan_to_num(each))


def test_gaps_rounded(rng):
    x = with_gaps(rng, 1000 * rng.standard_normal((9, 150)), 1)
    for name in LINEAR:
        for policy in ("omit", "segments"):
            out = np.full(x.shape, 5, np.int16)
            FILTERS[name](x, nan_policy=policy, out=out)
            exact = FILTERS[name](x, nan_policy=policy)
            assert_same(out, rounded(exact, "i2"))


def test_masks_are_gaps(rng):
    x = rng.standard_normal((3, 80))
    mask = np.zeros(x.shape, bool)
    mask[1, 30:35] = True
    gaps = np.where(mask, np.nan, x)
    for name in FILTERS:
        y = FILTERS[name](np.ma.array(x, mask=mask), nan_policy="omit")
        np.testing.assert_array_equal(y, FILTERS[name](gaps, nan_policy="omit"))
    integers = np.ma.array([1, 2, 3], mask=[False, True, False])
    np.testing.assert_array_equal(sigrnn.lfilter([1.0, 1.0], [1.0], integers, nan_policy="omit"), [1.0, np.nan, 4.0])


def test_no_gaps_no_difference(rng):
    x = rng.standard_normal((3, 3000))
    x[1, 700] = np.inf  # travels as the equation takes it
    for name in FILTERS:
        for policy in ("omit", "segments"):
            np.testing.assert_array_equal(FILTERS[name](x, nan_policy=policy), FILTERS[name](x))
    integers = (100 * x[::2]).astype(np.int16)
    assert_same(sigrnn.lfilter(B, A, integers, nan_policy="omit"), sigrnn.lfilter(B, A, integers))


def test_wrong_options():
    for name in FILTERS:
        with pytest.raises(ValueError, match="nan_policy must be one of 'propagate', 'omit', 'segments'; got 'raise'"):
            FILTERS[name](np.ones(40), nan_policy="raise")
        with pytest.raises(ValueError, match="direction must be one of 'forward', 'backward'; got None"):
            FILTERS[name](np.ones(40), direction=None)
    with pytest.raises(
        NotImplementedError, match=r"nan_policy='omit' serves float32, .* has dtype (float128|longdouble)"
    ):
        sigrnn.lfilter(B, A, np.ones(40, np.longdouble), nan_policy="omit")
    with pytest.raises(NotImplementedError, match="nan_policy='segments'"):
        sigrnn.filtfilt(B, A, np.ones(40), method="gust", nan_policy="segments")
