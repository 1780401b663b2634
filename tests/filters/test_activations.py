"""Activations by name and the user's own: 3 ulp in every loop, clean ends, slopes, NaN, what `Activation` takes and refuses."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import reference

from sigrnn import Activation, nlfilter
from sigrnn._kernels.activation_table import TABLE
from sigrnn.activations import NAMES, respond, slope_of_output

EXTENDED = pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is no longer than double here")
LARGEST = np.finfo(float).max
RISING = [name for name, row in TABLE.items() if row.rising]
ODD = [name for name, row in TABLE.items() if row.odd]


# The ways an activation is computed


def vector(activation, x):
    """Without feedback: a pass of its own, sixteen at a time and a rest."""
    return nlfilter([1.0], [1.0], x, activation=activation)


def single(activation, x):
    """One channel, sample after sample: with feedback, though of nothing."""
    return nlfilter([1.0, 0.0], [1.0, 0.0], x, activation=activation)


def lanes(activation, x):
    """Channels side by side."""
    return nlfilter([1.0], [1.0, 0.0], x.reshape(20, -1), activation=activation).reshape(-1)


# Lanes run the same code as `vector` but for the loop around it: some activations stand for all.
WAYS = [(name, vector) for name in NAMES] + [(name, single) for name in NAMES if name != "linear"]  # that is lfilter
WAYS += [(name, lanes) for name in ("tanh", "gelu")]
ways = pytest.mark.parametrize(("name", "way"), WAYS, ids=lambda v: v if isinstance(v, str) else v.__name__)
names = pytest.mark.parametrize("name", NAMES)


def everywhere(rng, count=4000):
    """Ordinary numbers, and all sizes of both signs."""
    parts = [rng.uniform(-size, size, count) for size in (1, 5, 40, 760)]
    parts += [rng.choice([-1.0, 1.0], 2 * count) * 10.0 ** rng.uniform(-320, 308, 2 * count)]
    return np.concatenate([*parts, np.arange(-800, 800) / 32, np.arange(-800, 800) / 32 + 1 / 64, [LARGEST / 2] * 20])


def exact(name, x):
    with np.errstate(all="ignore"):
        return reference.ACTIVATIONS[name](x.astype(np.longdouble))


@EXTENDED
@ways
def test_three_ulp(rng, name, way):
    x = everywhere(rng)
    y, desired = way(name, x), exact(name, x)
    error = np.abs(y - desired) / np.spacing(np.abs(desired).astype(float))
    worst = np.argmax(error)
    assert error[worst] <= 3.0, f"{float(error[worst])} ulp at {x[worst]!r}"


@ways
def test_never_beyond_its_limits(rng, name, way):
    y = way(name, everywhere(rng))
    low, high = TABLE[name].bounds
    assert np.isfinite(y).all()
    assert y.min() >= low
    assert y.max() <= high


@pytest.mark.parametrize("name", RISING)
def test_rises(rng, name):
    # To rounding: 3 ulp allow a step back, but not one of more.
    x = np.sort(everywhere(rng))
    for way in (vector, single) if name != "linear" else (vector,):
        y = way(name, x)
        assert (np.diff(y) >= -3 * np.spacing(np.abs(y[1:]))).all()


@pytest.mark.parametrize("name", ODD)
def test_odd(rng, name):
    x = everywhere(rng)
    for way in (vector, single) if name != "linear" else (vector,):
        assert np.array_equal(way(name, -x), -way(name, x))


@ways
def test_limits_and_nan(name, way):
    """One sample at a time: where a number is infinite, 0 times it is part of the next excitation."""
    high, low = TABLE[name].limits
    for x, desired in ((np.inf, high), (-np.inf, low), (np.nan, np.nan), (LARGEST, min(high, LARGEST))):
        y = way(name, np.full((20, 1) if way is lanes else 1, x))
        assert np.array_equal(y, np.full(y.shape, desired, float), equal_nan=True)


@names
def test_nan_stays_where_it_is(rng, name):
    for count in (5, 16, 37):
        x = rng.standard_normal(count)
        x[3] = np.nan
        assert np.flatnonzero(np.isnan(vector(name, x))).tolist() == [3]


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.zero])
def test_zeros_keep_their_sign(name):
    for zero in (0.0, -0.0):
        assert math.copysign(1.0, respond(name, np.array([zero]))[0]) == math.copysign(1.0, zero)
        assert math.copysign(1.0, respond(name, np.full(16, zero))[7]) == math.copysign(1.0, zero)


def test_values_written_out():
    x = np.array([-4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 4.0])
    known = {
        "linear": x,
        "relu": [0, 0, 0, 0, 0.5, 1, 4],
        "leaky_relu": [-0.04, -0.01, -0.005, 0, 0.5, 1, 4],
        "softsign": [-4 / 5, -1 / 2, -1 / 3, 0, 1 / 3, 1 / 2, 4 / 5],
        "hard_tanh": [-1, -1, -0.5, 0, 0.5, 1, 1],
        "hard_sigmoid": [0, 2 / 6, 2.5 / 6, 3 / 6, 3.5 / 6, 4 / 6, 1],
        "tanh": [math.tanh(e) for e in x],
        "sigmoid": [1 / (1 + math.exp(-e)) for e in x],
        "softplus": [math.log1p(math.exp(e)) for e in x],
        "silu": [e / (1 + math.exp(-e)) for e in x],
        "gelu": [e * math.erfc(-e / math.sqrt(2)) / 2 for e in x],
    }
    for name, desired in known.items():
        np.testing.assert_allclose(vector(name, x), desired, rtol=2e-15, atol=0, err_msg=name)
        np.testing.assert_allclose(single(name, x), desired, rtol=2e-15, atol=0, err_msg=name)


def test_the_how_to_shows_the_table():
    """It is put in when the site is built, in place of a comment."""
    docs = Path(__file__).parents[2] / "docs"
    marker = "<!-- table of activations -->"
    assert (docs / "howto" / "nonlinear.md").read_text("utf-8").count(marker) == 1
    assert marker in (docs / "conf.py").read_text("utf-8")
    assert all(row.formula and row.values and row.slope for row in TABLE.values())


# Slopes


def slope(name, e):
    """As gradients find it: from y where possible."""
    known_by = respond(name, e.copy()) if slope_of_output(name) else e.copy()
    return respond(name, known_by, slope=True)


@EXTENDED
@names
def test_slopes(rng, name):
    """To some rounding errors of 1: near the ends of tanh, y no longer determines e more closely."""
    e = everywhere(rng)
    e = e[np.abs(e) < 1e4]
    with np.errstate(all="ignore"):
        desired = reference.slope(reference.ACTIVATIONS[name], e.astype(np.longdouble))
    smooth = np.abs(np.abs(e) - TABLE[name].kink) > 1e-15
    wrong = np.flatnonzero(smooth & ~(np.abs(slope(name, e) - desired) <= 8e-16))
    assert not wrong.size, f"at {e[wrong[0]]!r}: {slope(name, e)[wrong[0]]!r}, expected {float(desired[wrong[0]])!r}"


@names
def test_slopes_against_differences(rng, name):
    e = rng.uniform(-6, 6, 500)
    step = np.longdouble(1e-5)
    g, wide = reference.ACTIVATIONS[name], e.astype(np.longdouble)
    difference = (g(wide + step) - g(wide - step)) / (2 * step)
    np.testing.assert_allclose(slope(name, e), difference.astype(float), rtol=1e-8, atol=1e-9)


def test_slopes_where_there_are_two():
    """That of the left side, as in PyTorch: 0 for a unit that is off."""
    assert slope("relu", np.array([0.0, -0.0])).tolist() == [0.0, 0.0]
    assert slope("leaky_relu", np.array([0.0])).tolist() == [0.01]
    assert slope("hard_tanh", np.array([-1.0, 1.0])).tolist() == [0.0, 0.0]
    assert slope("hard_sigmoid", np.array([-3.0, 3.0])).tolist() == [0.0, 0.0]


@names
def test_slopes_end_cleanly(name):
    ends = slope(name, np.array([-np.inf, -LARGEST, LARGEST, np.inf] * 6))
    assert not np.isnan(ends).any()
    assert ends.min() >= 0.0
    assert ends.max() <= 1.0


@pytest.mark.parametrize("name", NAMES[1:])
def test_slopes_of_nan(name):
    e = np.zeros(20)
    e[[3, 18]] = np.nan
    assert np.flatnonzero(np.isnan(slope(name, e))).tolist() == [3, 18]


# The user's own


def test_of_the_user():
    mine = Activation(lambda e: e * e, lambda e: 2.0 * e)
    x = np.arange(40.0).reshape(20, 2) / 40
    assert np.array_equal(vector(mine, x[:, 1]), x[:, 1] ** 2)
    assert np.array_equal(lanes(mine, x), x.reshape(-1) ** 2)
    assert np.array_equal(respond(mine, x.copy(), slope=True), 2 * x)


def test_of_the_user_like_a_built_in_one(rng):
    mine = Activation(lambda e: math.tanh(e), lambda e: 1.0 - math.tanh(e) ** 2)
    x = rng.standard_normal(200)
    np.testing.assert_allclose(
        nlfilter([1.0, 0.5], [1.0, -0.9], x, activation=mine), nlfilter([1.0, 0.5], [1.0, -0.9], x), rtol=1e-12
    )


def steep(e):
    if e < 0:
        return 0
    if e > 10:
        return True
    return math.sqrt(e)


def test_branches_and_integers():
    mine = Activation(steep, lambda e: 1 if e > 0 else 0)
    x = np.array([-1.0, 4.0, 11.0] * 8)
    assert vector(mine, x).tolist() == [0.0, 2.0, 1.0] * 8
    assert respond(mine, x.copy(), slope=True).tolist() == [0.0, 1.0, 1.0] * 8
    rounded = vector(Activation(lambda e: int(e), lambda e: 0), x)
    assert rounded.dtype == float
    assert rounded.tolist() == x.tolist()
    assert vector(Activation(lambda e: e > 0, lambda e: False), x).tolist() == [0.0, 1.0, 1.0] * 8


def test_loops_inside():
    def iterate(e):
        y = 1.0
        for _ in range(3):
            y = 0.5 * (y + e / y)
        return y

    assert vector(Activation(iterate, lambda e: 0.0), [1.0, 4.0]).tolist() == [1.0, iterate(4.0)]


def gain(k):
    def g(e):
        return k * e

    return Activation(g, lambda e: k)


def test_constants_from_around_and_equal_names():
    """Functions of one name and one code, of different constants; used in turn."""
    two, three = gain(2.0), gain(3)
    for _ in range(2):
        assert vector(two, [1.0]).tolist() == [2.0]
        assert vector(three, [1.0]).tolist() == [3.0]
        assert respond(three, np.ones(1), slope=True).tolist() == [3.0]
        assert respond(two, np.ones(1), slope=True).tolist() == [2.0]
        assert single(two, [1.0, 2.0]).tolist() == [2.0, 4.0]
        assert single(three, [1.0, 2.0]).tolist() == [3.0, 6.0]


def test_edits_count():
    """The same file and name, other code, and other globals: as in a notebook."""
    room = {"Activation": Activation, "scale": 2.0}
    for code, scale, desired in (("scale * e", 2.0, 6.0), ("scale * e + 1", 2.0, 7.0), ("scale * e + 1", 5.0, 16.0)):
        room["scale"] = scale
        exec(f"def g(e): return {code}\nmine = Activation(g, lambda e: scale)", room)
        assert vector(room["mine"], [3.0]).tolist() == [desired]
        assert respond(room["mine"], np.ones(1), slope=True).tolist() == [scale]


def test_nothing_of_it_is_kept_on_disk(tmp_path, monkeypatch):
    from numba.core import config

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    assert vector(gain(2.5), [2.0]).tolist() == [5.0]
    assert not [path for path in tmp_path.rglob("*") if "user" in path.name]


def square(e):
    return e * e


def twice(e):
    return 2.0 * e


def test_pickles():
    mine = Activation(square, twice)
    assert vector(mine, [3.0]).tolist() == [9.0]
    again = pickle.loads(pickle.dumps(mine))
    assert (again.g, again.dg) == (square, twice)
    assert vector(again, [3.0]).tolist() == [9.0]
    assert repr(again) == repr(mine) == "Activation(square, twice)"
    assert repr(Activation(lambda e: e, math.cos)) == "Activation(<lambda>, cos)"


def test_exceptions_of_the_users_function():
    def positive(e):
        if e < 0:
            raise ValueError("negative excitation")
        return e

    mine = Activation(positive, lambda e: 1.0)
    assert vector(mine, [1.0]).tolist() == [1.0]
    with pytest.raises(ValueError, match="negative excitation"):
        vector(mine, [-1.0])


def test_division_by_zero_gives_inf():
    assert vector(Activation(lambda e: 1 / e, lambda e: -1 / e**2), [0.0, 2.0]).tolist() == [np.inf, 0.5]


# Errors


def nothing_known(e):
    return unheard_of(e)  # noqa: F821


@pytest.mark.parametrize(
    ("g", "dg", "message"),
    [
        (nothing_known, twice, r"^g of Activation\(nothing_known, twice\) cannot be compiled .*unheard_of"),
        (square, nothing_known, r"^dg of Activation\(square, nothing_known\) cannot be compiled .*unheard_of"),
        (lambda e: [e], twice, r"^g of Activation\(<lambda>, twice\) must return a float, .* list"),
        (square, lambda e: None, r"^dg of Activation\(square, <lambda>\) must return a float, .* none"),
        (lambda e: 1j * e, twice, r"^g of .* must return a float, .* complex128"),
        (lambda e: "one", twice, r"^g of .* must return a float"),
    ],
)
def test_what_does_not_compile(g, dg, message):
    mine = Activation(g, dg)
    for _ in range(2):
        with pytest.raises(TypeError, match=f"(?s){message}"):
            vector(mine, [1.0])


@pytest.mark.parametrize(("g", "dg", "name"), [(3, twice, "g"), ("tanh", twice, "g"), (square, None, "dg")])
def test_what_is_no_function(g, dg, name):
    with pytest.raises(TypeError, match=rf"^{name} must be a function of one float, got "):
        Activation(g, dg)


@pytest.mark.parametrize("name", ["tan", "Tanh", "", "relu6"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=f"unknown activation '{name}'") as caught:
        vector(name, [1.0])
    assert all(repr(known) in str(caught.value) for known in NAMES)
    assert "Activation(g, dg)" in str(caught.value)


@pytest.mark.parametrize("given", [None, math.tanh, 3, ["tanh"], Activation])
def test_neither_name_nor_object(given):
    with pytest.raises(TypeError, match="activation must be one of 'linear', 'tanh'"):
        vector(given, [1.0])
