"""Wild arguments for the public functions: a result as documented, SciPy's where SciPy has one, or an error that helps.

``SIGRNN_FUZZ=100000 pytest -n 2 tests/package/test_fuzz.py`` tries as many in place of a few hundred.
"""

import faulthandler
import inspect
import os
import re
import traceback
import warnings

import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import sigrnn
from sigrnn import adaptive
from sigrnn.layers.streams import LayerStream

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("SIGRNN_FUZZ", "0"))
# Each dtype costs compilations: a few in every run, all of them in the long one.
KINDS = st.sampled_from("ddddfffiDDF?bBhHIlLqQegGOUSM" if CASES else "dddddiO?eU")
NAMED = (TypeError, ValueError, NotImplementedError)  # np.linalg.LinAlgError is a ValueError
# Other words that a message may contain: one for an argument, or what is wrong with all of them together.
WORDS = r"axis|axes|dtype|shape|dimension|coefficient|filter|state|signal|section|pole|padlen|arguments?|diverge|kernel|complex|layer|sizes|inputs|input type|channel|sequence|nan_policy|on_divergence|w0|dtype"

sizes = st.one_of(st.integers(0, 4), st.sampled_from([1, 2, 7, 40, 130]))
shapes = st.one_of(st.tuples(sizes), st.lists(sizes, min_size=0, max_size=3).map(tuple))
axes = st.sampled_from([-1, -1, -1, 0, 0, 1, 2, -2, -3, 3, -4, 2**40, "time", 1.5, None, np.int8(0)])
methods = st.sampled_from(["auto", "auto", "auto", "sequential", "blocked", "fft", "fast", None, 1])
flaws = st.sampled_from(["", "", "", "", "", "nan", "inf", "-inf", "huge", "tiny", "zeros", "ends"])
layouts = st.sampled_from(
    ["C", "C", "C", "F", "strided", "reversed", "read-only", "swapped", "unaligned", "list", "masked"]
)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def arrays(draw, shape, kinds=KINDS):
    """An array of a shape: of any dtype, in any layout, with any flaw."""
    rng, kind, flaw, layout = np.random.default_rng(draw(seeds)), draw(kinds), draw(flaws), draw(layouts)
    v = np.asarray(np.round(2.0 * rng.standard_normal(shape), 2))
    if kind in "FDG":
        v = np.asarray(v + 1j * rng.standard_normal(shape))
    if v.size and kind in "fdgFDGe":
        worst = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e300, "tiny": 5e-324}
        if flaw in worst:
            v.reshape(-1)[rng.integers(v.size)] = worst[flaw]
    if flaw == "zeros":
        v = np.zeros_like(v)
    if flaw == "ends" and v.ndim and v.shape[-1]:
        v[..., 0 if rng.integers(2) else -1] = 0.0
    with np.errstate(all="ignore"):
        v = (
            np.abs(v).real.astype(kind)
            if kind in "BHILQ"
            else v.real.astype("M8[s]")
            if kind == "M"
            else v.astype(kind)
        )
    v = np.array(v)
    if layout == "F":
        v = np.asfortranarray(v)
    elif layout == "strided" and v.ndim:
        v = np.repeat(v, 2, axis=-1)[..., ::2]
    elif layout == "reversed" and v.ndim:
        v = v[..., ::-1]
    elif layout == "swapped" and kind in "fdFDiq":
        v = v.astype(v.dtype.newbyteorder())
    elif layout == "unaligned" and kind in "fdFD":
        room = np.zeros(v.nbytes + 1, np.uint8)[1:].view(v.dtype)
        room[...] = v.reshape(-1)
        v = room.reshape(v.shape)
    elif layout == "read-only":
        v.flags.writeable = False
    elif layout == "list" and kind != "M":
        return v.tolist()
    return v


def shaped(given):
    return np.shape(given)


@st.composite
def taps(draw, least=0):
    """Coefficients: of a filter, or one for each channel."""
    length = draw(st.sampled_from([1, 1, 2, 2, 3, 3, 4, 9, 40, least]))
    lead = draw(st.sampled_from([(), (), (), (), (), (1,), (2,), (2, 1)]))
    c = draw(arrays((*lead, length), draw(st.sampled_from([st.just("d"), KINDS]))))
    if draw(st.booleans()) and isinstance(c, np.ndarray) and c.ndim == 1 and c.size and c.dtype.kind in "fc":
        c = c.copy()
        c[0] = 1.0
    return c


@st.composite
def sos(draw):
    shape = draw(st.sampled_from([(1, 6), (1, 6), (2, 6), (3, 6), (6,), (0, 6), (1, 5), (2, 1, 6), (2, 2, 6)]))
    c = draw(arrays(shape, draw(st.sampled_from([st.just("d"), KINDS]))))
    if isinstance(c, np.ndarray) and c.dtype.kind in "fciub" and shape[-1] == 6 and draw(st.integers(0, 5)):
        c = c.copy()
        c[..., 3] = 1
        with np.errstate(all="ignore"):
            c[..., 4:] = c[..., 4:] / 4 if c.dtype.kind in "fc" else 0
    return c


@st.composite
def states(draw, right, x, sections=None):
    """A state: none, right, or wrong."""
    how = draw(st.sampled_from(["none", "none", "none", "right", "right", "scalar", "wild"]))
    if how == "none":
        return {}
    if how == "scalar":
        return {"zi": draw(st.sampled_from([0.0, 1, np.nan, "rest", np.float32(0.5)]))}
    shape = shaped(x)
    full = (*(() if sections is None else (sections,)), *shape[:-1], right)
    return {"zi": draw(arrays(full if how == "right" else draw(shapes)))}


@st.composite
def options(draw, **some):
    """Some of these keyword arguments, and now and then one that there is not."""
    chosen = {name: draw(values) for name, values in some.items() if draw(st.integers(0, 3)) == 0}
    if draw(st.integers(0, 40)) == 0:
        chosen["axes"] = 0
    return chosen


@st.composite
def linear(draw):
    b, a, x = draw(taps()), draw(taps()), draw(arrays(draw(shapes)))
    size = max(*(shaped(c)[-1] if shaped(c) else 1 for c in (b, a)), 1) - 1
    return (b, a, x), {**draw(options(axis=axes)), **draw(states(size, x))}


@st.composite
def cascade(draw):
    c, x = draw(sos()), draw(arrays(draw(shapes)))
    return (c, x), {**draw(options(axis=axes)), **draw(states(2, x, len(c)))}


paddings = {
    "axis": axes,
    "padtype": st.sampled_from(["odd", "even", "constant", None, "mirror", 3]),
    "padlen": st.sampled_from([0, 1, 5, 10**6, -1, None, 1.5, "a"]),
}
both_ways = st.tuples(
    st.tuples(taps(), taps(), shapes.flatmap(arrays)),
    options(**paddings, method=st.sampled_from(["pad", "gust", "wrong"]), irlen=st.sampled_from([None, 3, 50])),
)
both_ways_sections = st.tuples(st.tuples(sos(), shapes.flatmap(arrays)), options(**paddings))


@st.composite
def moving(draw):
    b, a, x = draw(taps()), draw(taps()), draw(arrays(draw(shapes)))
    if draw(st.booleans()) and shaped(x):
        b, a = (draw(arrays((*shaped(x), draw(st.integers(0, 3))))) for _ in range(2))
    return (b, a, x), {**draw(options(axis=axes)), **draw(states(2, x))}


@st.composite
def nonlinear(draw):
    given, named = draw(linear())
    named |= draw(options(activation=activations, bias=st.one_of(st.floats(), shapes.flatmap(arrays), st.just("b"))))
    return given, named


activations = st.sampled_from(["tanh", "tanh", "linear", "linear", "relu", "sigmoid", "quadratic", None, 3, np.tanh])


@st.composite
def layer(draw, gates, cells=False):
    """A layer whose shapes fit, but for one now and then."""
    inputs, hidden = draw(st.sampled_from([(1, 1), (2, 3), (3, 2), (0, 2), (2, 0), (2, 9)]))
    lead = draw(st.sampled_from([(), (), (1,), (3,), (2, 3), (0,)]))
    rows, steps = gates * hidden, draw(sizes)
    wanted = {
        "x": (*lead, steps, inputs),
        "w_ih": (rows, inputs),
        "w_hh": (rows, hidden),
        "b_ih": (rows,),
        "b_hh": (rows,),
        "h0": (*lead, hidden),
        **({"c0": (*lead, hidden)} if cells else {}),
    }
    if draw(st.integers(0, 3)) == 0:
        wanted[draw(st.sampled_from(sorted(wanted)))] = draw(shapes)
    few = st.sampled_from([st.just("d"), st.just("d"), st.just("d"), KINDS])
    given = {name: draw(arrays(shape, draw(few))) for name, shape in wanted.items()}
    for name in list(wanted)[3:]:
        if draw(st.booleans()):
            del given[name]
    lengths = st.one_of(arrays(lead, st.just("i")), st.lists(st.integers(-1, 8), max_size=3), st.just("all"))
    return (), given | draw(options(lengths=lengths))


@st.composite
def weighed(draw):
    x, v = draw(
        st.sampled_from([((5, 3), (2, 3)), ((3,), (1, 3)), ((2, 4, 3), (3,)), ((4, 2), (2, 3)), ((0, 3), (2, 3))])
    )
    return (draw(arrays(x)), draw(arrays(v))), draw(options(bias=shapes.flatmap(arrays), activation=activations))


FUNCTIONS = {
    "lfilter": linear(),
    "sosfilt": cascade(),
    "filtfilt": both_ways,
    "sosfiltfilt": both_ways_sections,
    "lfilter_zi": st.tuples(st.tuples(taps(), taps()), options()),
    "sosfilt_zi": st.tuples(st.tuples(sos()), options()),
    "lfiltic": st.tuples(st.tuples(taps(), taps(), shapes.flatmap(arrays)), options(x=shapes.flatmap(arrays))),
    "lfilter_tv": moving(),
    "nlfilter": nonlinear(),
    "rnn": layer(1),
    "gru": layer(3),
    "lstm": layer(4, cells=True),
    "dense": weighed(),
}
SCIPYS = ["lfilter", "sosfilt", "filtfilt", "sosfiltfilt", "lfilter_zi", "sosfilt_zi", "lfiltic"]
DIFFERENTIABLE = [
    "lfilter",
    "lfilter_tv",
    "sosfilt",
    "filtfilt",
    "sosfiltfilt",
    "nlfilter",
    "rnn",
    "gru",
    "lstm",
    "dense",
]
FILTERS = sorted(
    set(adaptive.__all__) - {"AdaptiveFilter", "AdaptiveResult", "ControlResult", "DivergenceError", "load"}
)
TESTS = 7 + 6 + 2 * len(DIFFERENTIABLE) + 4
fuzzed = settings(
    derandomize=True,
    max_examples=-(-CASES // TESTS) if CASES else 15,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking an example may compile kernel after kernel
    suppress_health_check=list(HealthCheck),
)


def leaves(value):
    """All arrays in nested tuples and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value] if isinstance(value, np.ndarray) else []


def outcome(function, *args, **kwargs):
    """The result, or the exception, of a call; it must end, leave its arguments alone, and not hand them back."""
    before = [(v, v.tobytes()) for v in leaves((args, kwargs))]
    faulthandler.dump_traceback_later(300, exit=True)  # a hang
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = function(*args, **kwargs)
    except Exception as error:
        result = error
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert all(v.tobytes() == bytes_before for v, bytes_before in before), "an argument was changed"
    return result


def assert_helps(error, function, theirs=None):
    """The exception is one of those documented, and its message names the argument."""
    told = "".join(traceback.format_exception(error))
    assert isinstance(error, NAMED), told
    assert not type(error).__module__.startswith("numba"), told
    if isinstance(theirs, Exception) and type(theirs) is type(error) and str(theirs) == str(error):
        return  # SciPy's own words
    names = [re.escape(name) for name in inspect.signature(function).parameters]
    assert re.search(rf"\b({'|'.join(names)})\b|{WORDS}", str(error), re.IGNORECASE), told


def largest(given):
    """The largest coefficient: states are differences of their sums."""
    return max((float(np.abs(np.asarray(c, complex)).max(initial=1.0)) for c in given), default=1.0)


def assert_close(ours, theirs, least=0.0):
    """The same up to rounding, of unstable filters too; where numbers are not finite SciPy may go another way."""
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        if mine.dtype.kind not in "fc" or other.dtype.kind not in "fc":
            continue
        with np.errstate(all="ignore"):
            mine, other = mine.astype(complex), other.astype(complex)
        size = np.abs(other).max(initial=0.0)
        if np.isfinite(size) and size < 1e30:
            loose = max(float(np.finfo(t.dtype).eps) for t in (*ours, *theirs) if t.dtype.kind in "fc")
            assert np.abs(mine - other).max(initial=0.0) <= 1e6 * loose * max(size, least) + 1e-300


def refused(name, error, args, kwargs):
    """Whether we do not take what SciPy takes: a[0] = 0 to divide by, padlen < 0, a past in two dimensions, texts, dates.

    Also an axis there is not, or a signal without one, at which SciPy does not look in Gustafsson's method where a filter
    only scales; and a filter with a pole at z = 1 exactly, where its elimination may find a small rest to divide by.
    """
    if "pole at z = 1" in str(error):
        a = np.asarray(args[0])[..., 3:] if name.startswith("sos") else np.asarray(args[1])
        a = a.astype(np.clongdouble)
        return (np.abs(a.sum(axis=-1)) <= 1e-15 * np.abs(a).sum(axis=-1)).any()
    if kwargs.get("method") == "gust" and str(error).startswith(("axis ", "x must be at least 1-D")):
        return True
    words = "zero|must not be 0|must be 1-D|padlen must not be negative"
    return re.search(words, str(error)) or any(v.dtype.kind in "MUS" for v in leaves((args, kwargs)))


def widened(args):
    """The arguments in the dtype of all: SciPy continues a signal, and finds a steady state, in their own.

    There integers wrap and float32 rounds: with complex64 poles outside the unit circle its `filtfilt` was 6e-7 off, ours 2e-15.
    """
    try:
        kind = np.result_type(*(np.asarray(v) for v in args))
    except TypeError:  # dates
        return args
    kind = np.dtype(float) if kind.kind in "biu" else kind
    return tuple(np.asarray(v).astype(kind) for v in args) if kind.kind in "fc" else args


def amplified(name, args, kwargs):
    """What rounding errors are a part of, where it may be larger than the result: zeros can hide poles that let them grow."""
    if name.endswith("_zi"):  # gains are quotients of sums, whose digits cancel near a pole at z = 1
        a = np.asarray(args[0])[..., 3:] if name == "sosfilt_zi" else np.asarray(args[1])
        a = a.astype(np.clongdouble)
        with np.errstate(all="ignore"):
            lost = float(np.prod(np.abs(a).sum(axis=-1) / np.abs(a.sum(axis=-1))))
        return largest(args) * lost**2 if np.isfinite(lost) else np.inf
    if name not in ("lfilter", "filtfilt"):
        return 0.0
    _, a, x = (np.asarray(v) for v in args)
    with np.errstate(all="ignore"):
        a = a.astype(complex) / a.astype(complex)[0]
        pulse = np.zeros(max(*x.shape, 1) + (6 * max(map(len, (args[0], a))) if name == "filtfilt" else 0))
        pulse[:1] = 1.0
        growth = np.abs(scipy.signal.lfilter([1.0], a, pulse)).max()
        least = growth * largest(args) * largest([kwargs.get("zi", 0.0)])
        least = least * growth if name == "filtfilt" else least
    return least if np.isfinite(least) else np.inf


def overflows(ours, args):
    """SciPy divides complex coefficients by the square of a[0]'s magnitude."""
    return any(v.dtype.kind == "c" for v in leaves(ours)) and largest(args[:-1]) > 1e150


@pytest.mark.parametrize("name", SCIPYS)
@given(st.data())
@fuzzed
def test_as_scipy(name, data):
    args, kwargs = data.draw(FUNCTIONS[name])
    ours = outcome(getattr(sigrnn, name), *args, **kwargs)
    apart = name.endswith("_zi") or (name.endswith("filtfilt") and kwargs.get("method") != "gust")
    wide = widened(args) if apart else args
    theirs = outcome(getattr(scipy.signal, name), *wide, **kwargs)
    if isinstance(ours, Exception):
        assert_helps(ours, getattr(sigrnn, name), theirs)
        assert isinstance(theirs, Exception) or refused(name, ours, args, kwargs), f"SciPy gives {theirs}, we {ours!r}"
    elif not isinstance(theirs, Exception):
        first, *states = leaves(theirs)
        if first.size and not overflows(
            ours, args
        ):  # the state after no samples is whatever lay there in SciPy's memory
            assert_close(leaves(ours), leaves(theirs), least=amplified(name, args, kwargs))
        else:
            assert [y.shape for y in leaves(ours)] == [first.shape, *(zf.shape for zf in states)]
        assert not any(np.shares_memory(v, u) for v in leaves(ours) for u in leaves((args, kwargs)) if v.size)


OWN = {
    "lfilter_tv": lambda x: x.shape,
    "nlfilter": lambda x: x.shape,
    "rnn": None,
    "gru": None,
    "lstm": None,
    "dense": None,
}


@pytest.mark.parametrize("name", OWN)
@given(st.data())
@fuzzed
def test_own(name, data):
    args, kwargs = data.draw(FUNCTIONS[name])
    function = getattr(sigrnn, name)
    found = outcome(function, *args, **kwargs)
    if isinstance(found, Exception):
        return assert_helps(found, function)
    bound = inspect.signature(function).bind(*args, **kwargs).arguments
    x, parts = np.asarray(bound["x"]), leaves(found)
    assert all(part.dtype.kind in "fcO" for part in parts)
    if name in ("rnn", "gru", "lstm"):
        assert parts[0].shape == (*x.shape[:-1], np.shape(bound["w_hh"])[1])
    elif name == "dense":
        assert parts[0].shape == (*x.shape[:-1], *np.shape(bound["v"])[:-1])
    else:
        assert parts[0].ndim >= x.ndim
        assert parts[0].shape[-1:] == x.shape[-1:] or "axis" in bound
    return None


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@given(st.data())
@fuzzed
def test_vjp(name, data):
    args, kwargs = data.draw(FUNCTIONS[name])
    function = getattr(sigrnn, name)
    found = outcome(sigrnn.vjp, function, *args, **kwargs)
    if isinstance(found, Exception):
        return assert_helps(found, function)
    value, pull = found
    plain = outcome(function, *args, **kwargs)
    if isinstance(plain, Exception):  # of integers alone SciPy makes nothing, we its gradient
        assert isinstance(plain, NotImplementedError), f"has a gradient but no value: {plain!r}"
    else:
        assert_close(leaves(value), leaves(plain))
    slopes = outcome(pull, value)
    if isinstance(slopes, Exception):
        return assert_helps(slopes, function)
    shapes_given = [np.shape(v) for v in args]
    assert [np.shape(v) for v in slopes][: len(args)] == shapes_given
    wrong = outcome(pull, data.draw(arrays(data.draw(shapes))))
    if isinstance(wrong, Exception):
        assert re.search(rf"{WORDS}|dy|dzf|slope|cotangent|y\b", str(wrong)), repr(wrong)
        assert isinstance(wrong, NAMED), "".join(traceback.format_exception(wrong))
    return None


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@given(st.data())
@fuzzed
def test_jvp(name, data):
    args, kwargs = data.draw(FUNCTIONS[name])
    function = getattr(sigrnn, name)
    if name in ("rnn", "gru", "lstm"):
        given_by_name = dict(kwargs)
        args = tuple(given_by_name.pop(k) for k in ("x", "w_ih", "w_hh"))
        kwargs = given_by_name
    tangents = tuple(v if data.draw(st.integers(0, 5)) else None for v in args)
    if data.draw(st.integers(0, 8)) == 0:
        tangents = (*tangents[:-1], data.draw(arrays(data.draw(shapes))))
    found = outcome(sigrnn.jvp, function, args, tangents, **kwargs)
    if isinstance(found, Exception):
        return assert_helps(found, function)
    value, change = found
    assert [v.shape for v in leaves(value)] == [v.shape for v in leaves(change)]
    return None


@given(st.data())
@fuzzed
def test_stream(data):
    """Blocks one after the other give what the whole gives."""
    if data.draw(st.booleans()):
        coefficients = {"b": data.draw(taps()), "a": data.draw(taps())}
    else:
        coefficients = {"sos": data.draw(sos())}
    coefficients |= data.draw(options(axis=axes, method=methods, activation=activations, zi=shapes.flatmap(arrays)))
    stream = outcome(sigrnn.Stream, **coefficients)
    if isinstance(stream, Exception):
        return assert_helps(stream, sigrnn.Stream)
    for shape in data.draw(st.lists(shapes, max_size=3)):
        for _ in range(2):
            x = data.draw(arrays(shape))
            y = outcome(stream, x)
            if isinstance(y, Exception):
                assert_helps(y, sigrnn.Stream.__call__)
            else:
                assert y.shape == np.shape(x) or y.ndim > 1
    return None


@given(st.data())
@fuzzed
def test_layer_stream(data):
    kind, gates = data.draw(st.sampled_from([("rnn", 1), ("gru", 3), ("lstm", 4), ("elman", 1)]))
    _, named = data.draw(layer(gates, cells=kind == "lstm"))
    x = named.pop("x")
    stream = outcome(LayerStream, kind, **named)
    if isinstance(stream, Exception):
        return assert_helps(stream, LayerStream)
    for block in (x, x, data.draw(arrays(data.draw(shapes)))):
        y = outcome(stream, block)
        if isinstance(y, Exception):
            assert_helps(y, LayerStream)
        else:
            assert y.shape[:-1] == np.shape(block)[:-1] or np.ndim(block) == 1
    return None


@given(st.data())
@fuzzed
def test_adaptive(data):
    kind = getattr(adaptive, data.draw(st.sampled_from(FILTERS)))
    numbers = st.sampled_from([0.1, 0.5, 1e-3, 0.0, -1.0, 2.5, np.nan, np.inf, "a", None, 1, 0.99])
    counts = st.sampled_from([1, 2, 3, 5, 16, 0, -1, 1.5, "a", None])
    chosen = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            chosen |= data.draw(
                options(
                    w0=shapes.flatmap(arrays),
                    nan_policy=st.sampled_from(["propagate", "skip", "raise", "x"]),
                    on_divergence=st.sampled_from(["raise", "reset", "ignore", "x"]),
                )
            )
        elif parameter.default is parameter.empty or data.draw(st.integers(0, 4)) == 0:
            if name in ("n_taps", "n_feedback", "block", "order"):
                good = st.sampled_from([2, 3, 4])
                chosen[name] = data.draw(st.one_of(good, good, counts))
            elif name in ("secondary_path", "plant", "process"):
                chosen[name] = data.draw(arrays(data.draw(shapes)))
            elif name == "activation":
                chosen[name] = data.draw(activations)
            elif name in ("gradient", "unstable", "constraint", "method", "dtype"):
                chosen[name] = data.draw(
                    st.sampled_from(["full", "hold", "ignore", "project", "float32", "ang", "x", None])
                )
            else:
                chosen[name] = data.draw(numbers)
    f = outcome(kind, **chosen)
    if isinstance(f, Exception):
        return assert_helps(f, kind)
    for _ in range(2):
        shape = data.draw(shapes)
        x = data.draw(arrays(shape))
        d = data.draw(arrays(shape[:1] if data.draw(st.integers(0, 4)) else data.draw(shapes)))
        found = outcome(f, x, d, **data.draw(options(history=st.booleans())))
        if isinstance(found, adaptive.DivergenceError):
            continue
        if isinstance(found, Exception):
            assert_helps(found, kind.__call__)
        else:
            assert found.e.shape[:1] == np.shape(d)[:1]
            assert found.y.shape == found.e.shape
    return None


MODELS = {
    "FIR": lambda: sigrnn.FIR(3),
    "IIR": lambda: sigrnn.IIR(2, stable=True),
    "SOS": lambda: sigrnn.SOS(2),
    "NonlinearIIR": lambda: sigrnn.NonlinearIIR(2, 2),
    "Chain": lambda: sigrnn.Chain(sigrnn.FIR(2), sigrnn.Dense(1, "tanh")),
    "Residual": lambda: sigrnn.Residual(sigrnn.IIR(1)),
    "RNN": lambda: sigrnn.Chain(sigrnn.RNN(2), sigrnn.Dense(1)),
}


@given(st.data())
@fuzzed
def test_models(data):
    model = MODELS[data.draw(st.sampled_from(sorted(MODELS)))]()
    x = data.draw(arrays(data.draw(shapes)))
    if data.draw(st.booleans()):
        outcome(model.init, data.draw(st.sampled_from([1, 1, 2])), rng=0)
    for function in (model, lambda x: model.stream()(x)):
        y = outcome(function, x)
        if isinstance(y, Exception):
            assert_helps(y, type(model).__call__)
        else:
            assert y.shape[:-1] == np.shape(x)[:-1]
    flow = outcome(sigrnn.gradient_flow, model, x)
    if isinstance(flow, Exception):
        assert_helps(flow, sigrnn.gradient_flow)
    else:
        assert len(flow.lags) == len(flow.norm)
