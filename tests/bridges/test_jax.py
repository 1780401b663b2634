"""`sigrnn.jax`: values are sigrnn's, gradients what `check_grads` finds, under `jit` and `vmap` too."""

import inspect
import pickle
import pydoc
import typing

import numpy as np
import pytest
from helpers import run_in_fresh_process

import sigrnn

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

import sigrnn.jax as sj  # noqa: E402
from sigrnn.gradients import bridges  # noqa: E402
from sigrnn.jax import _bridge  # noqa: E402

HIDDEN, INPUTS, BATCH, STEPS = 3, 2, 2, 6
POLES = [1.0, -0.9, 0.5]
SOS = [[0.3, 0.1, 0.2, 1.0, -0.5, 0.2], [1.0, 0.5, 0.1, 1.0, 0.3, 0.4]]


@pytest.fixture
def wide():
    """64 bits, which JAX disables by default."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def calls(rng):
    """Each function, its arguments by name, and its options."""

    def noise(*shape):
        return rng.standard_normal(shape)

    def layer(gates):
        rows = gates * HIDDEN
        weights = {"w_ih": noise(rows, INPUTS), "w_hh": noise(rows, HIDDEN), "b_ih": noise(rows), "b_hh": noise(rows)}
        return {"x": noise(BATCH, STEPS, INPUTS), **weights, "h0": noise(BATCH, HIDDEN)}

    b, a, x, sos, zi = noise(3), np.array(POLES), noise(2, 24), np.array(SOS), noise(2, 2)
    cell = {**layer(4), "c0": noise(BATCH, HIDDEN)}
    return {
        "lfilter": ({"b": b, "a": a, "x": x}, {}),
        "lfilter zi": ({"b": b, "a": a, "x": x.T, "zi": zi}, {"axis": 0}),
        "lfilter each": ({"b": noise(2, 3), "a": a, "x": x}, {}),
        "sosfilt": ({"sos": sos, "x": x}, {}),
        "sosfilt zi": ({"sos": sos, "x": x, "zi": noise(2, 2, 2)}, {}),
        "filtfilt": ({"b": b, "a": a, "x": x}, {"padlen": 5}),
        "sosfiltfilt": ({"sos": sos, "x": x}, {"padtype": "even", "padlen": 5}),
        "nlfilter": ({"b": b, "a": a, "x": x, "zi": zi, "bias": np.array(0.3)}, {"activation": "tanh"}),
        "rnn": (layer(1), {}),
        "gru": (layer(3), {"lengths": np.array([4, 6])}),
        "gru before": (layer(3), {"reset_after": False}),
        "lstm": (cell, {}),
        "lstm peephole": ({**cell, "peephole": noise(3, HIDDEN)}, {}),
        "dense": ({"x": x, "v": noise(4, 24), "bias": noise(4)}, {"activation": "tanh"}),
    }


NAMES = list(calls(np.random.default_rng(0)))


def functions(name):
    return getattr(sj, name.split()[0]), getattr(sigrnn, name.split()[0])


def flat(value):
    return jax.tree_util.tree_leaves(value)


def call_of(name, given, options):
    """The function of these arrays; it must not touch a[0] of sections, which is 1."""
    ours, _ = functions(name)

    def call(*arrays):
        named = dict(zip(given, arrays, strict=True))
        if "sos" in named:
            named["sos"] = jnp.where(jnp.arange(6) == 3, 1.0, named["sos"])
        return ours(**named, **options)

    return call


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name, rng):
    given, options = calls(rng)[name]
    call, desired = call_of(name, given, options), functions(name)[1](**given, **options)
    for found in (call(*given.values()), jax.jit(call)(*given.values())):
        assert jax.tree_util.tree_structure(found) == jax.tree_util.tree_structure(desired)
        for mine, other in zip(flat(found), flat(desired), strict=True):
            assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-13)
    check_grads(jax.jit(call), tuple(given.values()), 1, modes=["rev"])


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("name", ["lfilter zi", "sosfilt", "filtfilt"])
def test_gradients_of_complex_signals(name, rng):
    given, options = calls(rng)[name]
    given = {n: v if n in ("b", "a", "sos") else v + 1j * rng.standard_normal(v.shape) for n, v in given.items()}
    # Differences over the default step of 1e-4 are themselves off by more than the tolerance.
    check_grads(call_of(name, given, options), tuple(given.values()), 1, modes=["rev"], eps=1e-5)


SIGNATURES = {
    "lfilter": "(b, a, x, axis=-1, zi=None, *, method='auto', direction='forward')",
    "sosfiltfilt": "(sos, x, axis=-1, padtype='odd', padlen=None, *, direction='forward')",
    "lstm": "(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, *, peephole=None, lengths=None)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_functions_describe_themselves(name):
    """Signature, docstring and pickle are those of a function written out; what has no gradient is left out."""
    function = getattr(sj, name)
    parameters = inspect.signature(function).parameters.values()
    bare = [p.replace(annotation=p.empty) for p in parameters]
    assert (
        str(inspect.signature(function).replace(parameters=bare, return_annotation=inspect.Signature.empty))
        == (SIGNATURES[name])
    )
    assert [*typing.get_type_hints(function)] == [*inspect.signature(function).parameters, "return"]
    page = pydoc.render_doc(function, renderer=pydoc.plaintext)
    assert f"{name}(" in page.split("\n")[2]
    assert "All arrays may be JAX arrays" in page
    assert "out : ndarray" not in page
    assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sj.lfilter([1.0], [1.0]), "lfilter: missing a required argument: 'x'"),
        (lambda: sj.lfilter([1.0], [1.0], [1.0], -1, None, "auto"), "lfilter: too many positional arguments"),
        (lambda: sj.lfilter([1.0], [1.0], [1.0], b=[1.0]), "lfilter: multiple values for argument 'b'"),
        (lambda: sj.lfilter([1.0], [1.0], [1.0], out=None), "lfilter: got an unexpected keyword argument 'out'"),
    ],
)
def test_arguments_are_bound_as_pythons(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("name", ["lfilter zi", "gru"])
def test_single_precision_by_default(name, rng):
    given, options = calls(rng)[name]
    call = call_of(name, given, options)
    single = [np.float32(v) for v in given.values()]
    desired = flat(functions(name)[1](**dict(zip(given, single, strict=True)), **options))
    for mine, other in zip(flat(jax.jit(call)(*given.values())), desired, strict=True):
        assert mine.dtype == other.dtype == np.float32
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-6)
    slopes = jax.grad(lambda *arrays: flat(call(*arrays))[0].sum(), tuple(range(len(given))))(*given.values())
    assert {slope.dtype for slope in slopes} == {np.dtype(np.float32)}


def error_of(b, x):
    return jnp.square(sj.lfilter(b, POLES, x)).sum()


@pytest.mark.usefixtures("wide")
def test_vmap(rng):
    b, many = rng.standard_normal(3), rng.standard_normal((4, 2, 24))
    each = jax.jit(jax.vmap(jax.grad(error_of), (None, 0)))
    single = np.stack([jax.grad(error_of)(b, x) for x in many])
    np.testing.assert_allclose(each(b, many), single)
    np.testing.assert_allclose(jax.vmap(jax.grad(error_of), (None, 2))(b, np.moveaxis(many, 0, 2)), single)
    total = jax.grad(lambda b: jax.vmap(error_of, (None, 0))(b, many).sum())(b)
    np.testing.assert_allclose(total, single.sum(0))
    two = jax.vmap(jax.vmap(error_of, (None, 0)), (0, None))(np.stack([b, 2 * b]), many)
    np.testing.assert_allclose(two[1], 4 * two[0])
    jacobian = jax.jacrev(lambda b: sj.lfilter(b, POLES, many[0]))(b)
    delayed = sigrnn.lfilter([0.0, 1.0], POLES, many[0])
    np.testing.assert_allclose(jacobian[..., 1], delayed, atol=1e-13)
    given, _ = calls(rng)["lstm"]
    models = [{n: v * scale for n, v in given.items() if n != "x"} for scale in (1.0, 0.5)]
    h, (_, c) = jax.vmap(lambda w: sj.lstm(given["x"], **w))(jax.tree_util.tree_map(lambda *v: np.stack(v), *models))
    for k, weights in enumerate(models):
        desired, (_, cell) = sigrnn.lstm(given["x"], **weights)
        np.testing.assert_allclose(h[k], desired)
        np.testing.assert_allclose(c[k], cell)


def test_gustafssons_method_without_gradient(rng):
    b, x = jnp.ones(3), jnp.asarray(rng.standard_normal(40), jnp.float32)
    desired = sigrnn.filtfilt(np.ones(3), [1.0, -0.5], np.asarray(x, float), method="gust")
    np.testing.assert_allclose(sj.filtfilt(b, [1.0, -0.5], x, method="gust"), desired, rtol=1e-4)
    with pytest.raises(Exception, match="has no gradient: use method='pad'"):
        jax.grad(lambda x: sj.filtfilt(b, [1.0, -0.5], x, method="gust").sum())(x)


def test_constants_and_dtypes(rng):
    x = jnp.asarray(rng.standard_normal(24), jnp.float32)
    y, zf = jax.jit(lambda x: sj.lfilter([1, 0.5], 1.0, x, zi=0.0))(x)
    np.testing.assert_allclose(y[1:], x[1:] + 0.5 * x[:-1], rtol=1e-6)
    np.testing.assert_allclose(zf, 0.5 * x[-1:], rtol=1e-6)
    assert sj.lfilter([1], [1], jnp.arange(3)).dtype == np.float32
    assert sj.lfilter([1j], [1], x).dtype == np.complex64
    assert sj.lfilter([1.0], [1.0, -0.5], [8.0, 0.0]).tolist() == [8.0, 4.0]
    with pytest.raises(TypeError, match="x has dtype bfloat16: expected float32 or float64"):
        sj.lfilter([1.0], [1.0], x.astype(jnp.bfloat16))
    with pytest.raises(Exception, match="w_ih has shape"):
        sj.gru(jnp.ones((4, 2)), jnp.ones((3, 1)), jnp.ones((3, 1)))


X, WEIGHTS = np.ones((5, 2)), (np.ones((6, 2)), np.ones((6, 2)))
MISTAKES = {
    "coefficients left out": (lambda: sj.lfilter(None, [1.0], X), TypeError, "missing 1 required .* 'b'"),
    "signal left out": (lambda: sj.filtfilt([1.0], [1.0], None), TypeError, "missing 1 required .* 'x'"),
    "words": (lambda: sj.lfilter([1.0], [1.0], "x"), TypeError, "x must be an array of numbers, got 'x'"),
    "masked": (lambda: sj.lfilter([1.0], [1.0], np.ma.masked_greater(X, 0)), TypeError, r"x is masked.*give x.filled"),
    "uneven lists": (
        lambda: sj.nlfilter([[1, 2], [3]], [1.0], X),
        ValueError,
        r"b must be an array of numbers, got \[\[1",
    ),
    "state": (lambda: sj.lfilter([1, 1], [1.0], X, zi=[1, 2, 3]), ValueError, r"x with shape \(5, 2\).* got \(3,\)"),
    "axis": (lambda: sj.sosfilt(SOS, X, axis=2), ValueError, r"axis 2 is out of bounds for x with shape \(5, 2\)"),
    "sections": (lambda: sj.sosfilt([1.0, 2.0], X), ValueError, r"shape \(n_sections, 6\), got \(2,\)"),
    "sections both ways": (lambda: sj.sosfiltfilt([1.0, 2.0], X), ValueError, r"shape \(n_sections, 6\), got \(2,\)"),
    "method": (lambda: sj.lfilter([1.0], [1.0], X, method="x"), ValueError, "method must be one of .* got 'x'"),
    "padtype": (lambda: sj.filtfilt([1.0], [1.0], X, padtype="x"), ValueError, "'x' given to padtype"),
    "short": (lambda: sj.filtfilt([1, 1], [1.0], X), ValueError, "greater than padlen, which is 6; x has 2 samples"),
    "option that has no hash": (
        lambda: sj.lfilter([1.0], [1.0], X, axis=[0]),
        TypeError,
        r"axis must be a whole number.*\[0\]",
    ),
    "gust": (lambda: sj.filtfilt([1.0], [1.0], X, method="x"), ValueError, "method must be 'pad' or 'gust', got 'x'"),
    "padlen": (lambda: sj.sosfiltfilt(SOS, X, padlen=-1), ValueError, "padlen must not be negative, got -1"),
    "activation": (lambda: sj.nlfilter([1.0], [1.0], X, activation="x"), ValueError, "unknown activation 'x'"),
    "rows of weights": (lambda: sj.lstm(X, *WEIGHTS), ValueError, r"w_hh has shape \(6, 2\), expected \(4 \* H, H\)"),
    "rows of biases": (
        lambda: sj.gru(X, *WEIGHTS, b_ih=np.ones(2)),
        ValueError,
        r"b_ih has shape \(2,\), expected \(6,\)",
    ),
    "lengths": (
        lambda: sj.gru(np.ones((2, 5, 2)), *WEIGHTS, lengths=[3, 9]),
        ValueError,
        r"lengths must be between 0 and the number of steps 5, got \[3, 9\]",
    ),
    "too many lengths": (lambda: sj.gru(X, *WEIGHTS, lengths=[3]), ValueError, "expected none for a single sequence"),
    "inputs": (lambda: sj.dense(X, np.ones((3, 3))), ValueError, r"x has shape \(5, 2\), expected \(..., 3\)"),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_numpys(mistake, compiled):
    call, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        jax.jit(call)() if compiled else call()


def test_equal_calls_are_compiled_once(rng):
    """JAX compiles for each callback, and results are found by a call: both are kept for a signature."""
    x = jnp.ones(64)
    jax.grad(lambda x: sj.lfilter([0.5], [1.0, -0.7], x).sum())(x)
    before = [kept.cache_info().misses for kept in (_bridge.callback, bridges._results)]
    for scale in (1.0, 2.0):
        jax.grad(lambda x: sj.lfilter([0.6], [1.0, -0.8], x).sum())(scale * x)
    assert [kept.cache_info().misses for kept in (_bridge.callback, bridges._results)] == before
    sj.lfilter([0.6], [1.0, -0.8], x[1:])
    assert bridges._results.cache_info().misses == before[1] + 1


def test_long_signals_do_not_lock(rng):
    x = jnp.ones((16, 100_000), jnp.float32)
    slope = jax.jit(jax.grad(lambda b: sj.lfilter(b, [1.0, -0.5], x)[:, -1].sum()))(jnp.ones(1))
    np.testing.assert_allclose(slope, [32.0], rtol=1e-6)


def test_what_is_not_there_says_so(rng):
    b, x = np.ones(3), rng.standard_normal(24)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(error_of, (b, x), (b, x))
    with pytest.raises(TypeError, match="first order only"):
        jax.grad(lambda b: jax.grad(error_of)(b, x).sum())(b)


def test_import_of_sigrnn_leaves_jax_alone():
    run_in_fresh_process("import sys, sigrnn; assert 'jax' not in sys.modules")
    code = "import sys; sys.modules['jax'] = None\ntry:\n    import sigrnn.jax\nexcept ModuleNotFoundError as e:\n    print(e)"
    assert "pip install 'sigrnn[jax]'" in run_in_fresh_process(code)
