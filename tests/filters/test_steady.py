"""`lfilter_zi`, `sosfilt_zi` and `lfiltic` against SciPy, and against what they promise: a filter that goes on."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.signal
from helpers import Unchanged, assert_close, assert_same, noise, stable

from sigrnn import lfilter, lfilter_zi, lfiltic, sosfilt, sosfilt_zi

# One linear system of the filter's order, solved in another order of operations than SciPy's: its condition is
# 1 / |A(1)|, 1e3 at most for these filters.
EPS = 20_000


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return error


# lfilter_zi


@pytest.mark.parametrize("order", range(1, 13))
def test_lfilter_zi(rng, order):
    b, a = stable(rng, order)
    for pair in ((b, a), (3 * b, 3 * a), (b[:1], a), (b, a[: order // 2 + 1]), (b, [1.0])):
        with Unchanged(*pair):
            assert_close(lfilter_zi(*pair), scipy.signal.lfilter_zi(*pair), EPS)
    assert_same(lfilter_zi(b, [0.0, 0.0, *a]), lfilter_zi(b, a))  # SciPy, too, drops leading zeros before 1.18


@pytest.mark.parametrize("a_kind", "bifdgFDGe")
@pytest.mark.parametrize("b_kind", "?bifdgFDGe")
def test_lfilter_zi_dtypes(b_kind, a_kind):
    for first in (1, 2):
        b, a = np.array([1, 2, 1], b_kind), np.array([first, 1, 0], a_kind)
        ours, theirs = lfilter_zi(b, a), outcome(scipy.signal.lfilter_zi, b, a)
        if isinstance(theirs, TypeError):  # before 1.18 SciPy does not know half and extended precision here
            assert_close(ours.astype(complex), scipy.signal.lfilter_zi(b.astype(complex), a.astype(complex)), 1e13)
            assert ours.dtype == np.result_type(b, a)
        else:
            if a_kind == "b" and first == 2:  # double after division by a small integer, in SciPy before 1.18
                ours = ours.astype(theirs.dtype)
            assert_close(ours, theirs, 100)


@pytest.mark.parametrize("kind", "fd")
@pytest.mark.parametrize(("order", "cut"), [(2, 1e-3), (4, 1e-3), (4, 1e-2), (6, 0.05)])
def test_lfilter_zi_of_poles_near_1(order, cut, kind):
    # In exact fractions. SciPy's linear system leaves five digits of order 4 at 1e-3: its matrix is nearly singular.
    b, a = (c.astype(kind) for c in scipy.signal.butter(order, cut))
    exact_b, exact_a = ([Fraction(float(v)) for v in c] for c in (b, a))
    gain = sum(exact_b) / sum(exact_a)
    exact = [float(sum(exact_b[p:]) - gain * sum(exact_a[p:])) for p in range(1, order + 1)]
    np.testing.assert_allclose(lfilter_zi(b, a), exact, rtol=1e-7 if kind == "f" else 2e-13)


def test_lfilter_zi_of_many_taps():
    # A system of 20 000 equations would take 3 GB.
    zi = lfilter_zi(np.full(20_001, 0.5), [1.0])
    np.testing.assert_allclose(zi, 0.5 * np.arange(20_000, 0, -1))


@pytest.mark.parametrize(
    ("b", "a"), [([np.nan, 1.0], [1.0, 0.5]), ([np.inf, 1.0], [1.0, 0.5]), ([1.0, 1.0], [1.0, np.inf])]
)
def test_lfilter_zi_of_what_is_not_finite(b, a):
    with np.errstate(all="ignore"):
        theirs = scipy.signal.lfilter_zi(b, a)
    np.testing.assert_array_equal(lfilter_zi(b, a), theirs)


def test_lfilter_zi_of_unsigned_integers():
    # SciPy's answer is 127.5 before 1.18: it subtracts in uint8.
    np.testing.assert_array_equal(lfilter_zi(np.array([1], "B"), np.array([1, 1], "B")), [-0.5])


def test_lfilter_zi_keeps_a_constant(rng):
    b, a = stable(rng, 4)
    y, zf = lfilter(b, a, np.full(50, 3.0), zi=3.0 * lfilter_zi(b, a))
    np.testing.assert_allclose(y, 3.0 * b.sum() / a.sum(), rtol=1e-9)
    np.testing.assert_allclose(zf, 3.0 * lfilter_zi(b, a), rtol=1e-9)


def test_lfilter_zi_array_likes():
    assert_close(lfilter_zi([1.0, 0.0, 2.0], [1, -1.0, 0.5]), scipy.signal.lfilter_zi([1.0, 0.0, 2.0], [1, -1.0, 0.5]))
    assert_close(lfilter_zi(2.0, (1, 0.5)), scipy.signal.lfilter_zi(2.0, (1, 0.5)))


@pytest.mark.parametrize(
    ("b", "a", "says"),
    [
        (np.ones((2, 2)), [1.0, 0.5], r"`b` and Denominator `a` must be 1-D, got b of shape \(2, 2\)"),
        ([1.0], np.ones((2, 2)), r"`b` and Denominator `a` must be 1-D, got a of shape \(2, 2\)"),
        ([1.0, 2.0], [], "at least one nonzero `a`"),
    ],
)
def test_lfilter_zi_errors(b, a, says):
    theirs = outcome(scipy.signal.lfilter_zi, b, a)
    assert isinstance(theirs, ValueError | IndexError)
    with pytest.raises(ValueError, match=says):
        lfilter_zi(b, a)


@pytest.mark.parametrize("a", [[0.0], [0.0, 0.0, 0.0]])
def test_lfilter_zi_of_no_filter(a):
    # SciPy divides by zero here; it raises ValueError where only the length is looked at.
    with pytest.raises(ValueError, match="at least one nonzero `a`"):
        lfilter_zi([1.0, 2.0], a)


def test_lfilter_zi_pole_at_one():
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        lfilter_zi([1.0], [1.0, -1.0])
    with pytest.raises(ValueError):  # noqa: PT011 its subclass LinAlgError before 1.18
        scipy.signal.lfilter_zi([1.0], [1.0, -1.0])


@pytest.mark.parametrize("kind", [np.int8, np.float32, float, complex])
def test_lfilter_zi_pole_at_one_is_seen_before_the_division(kind):
    a = np.array([-3, -6, 2, 3, 2, 0, 0, 0, 2], kind)  # in thirds the sum is 2e-16
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        lfilter_zi([1.0, 2.0], a)
    with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
        sosfilt_zi(np.array([[1, 0, 0, -3, 1, 2]], kind))


def test_lfilter_zi_without_memory():
    theirs = outcome(scipy.signal.lfilter_zi, [2.0], [1.0])
    # Before 1.18 SciPy stumbles over it in scipy.linalg.companion; an empty state is the right answer.
    assert isinstance(theirs, ValueError) or theirs.shape == (0,)
    assert lfilter_zi([2.0], [1.0]).shape == (0,)


# sosfilt_zi


@pytest.mark.parametrize("kind", "fdgFDGie")
@pytest.mark.parametrize("count", [1, 2, 5])
def test_sosfilt_zi(rng, count, kind):
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(count)])
    sos = np.rint(8 * sos).astype(kind) if kind == "i" else sos.astype(kind)
    sos[:, 3] = 1
    ours, theirs = sosfilt_zi(sos), outcome(scipy.signal.sosfilt_zi, sos)
    if isinstance(theirs, TypeError):  # before 1.18 SciPy does not know half and extended precision here
        assert ours.dtype == sos.dtype
        double = scipy.signal.sosfilt_zi(sos.astype(complex))
        np.testing.assert_allclose(ours.astype(complex), double, rtol=2e-2 if kind == "e" else 1e-9)
    else:
        assert_close(ours, theirs, EPS)


def test_sosfilt_zi_keeps_a_constant(rng):
    sos = np.array([np.concatenate(stable(rng, 2)) for _ in range(3)])
    y, zf = sosfilt(sos, np.full(50, 3.0), zi=3.0 * sosfilt_zi(sos))
    np.testing.assert_allclose(y, y[0], rtol=1e-9)
    np.testing.assert_allclose(zf, 3.0 * sosfilt_zi(sos), rtol=1e-9)


def test_sosfilt_zi_of_sections_with_zero_gain():
    sos = np.array([[1.0, -1, 0, 1, 0.5, 0], [1.0, 2, 0, 1, 0.5, 0]])  # nothing passes at frequency 0
    assert_close(sosfilt_zi(sos), scipy.signal.sosfilt_zi(sos), 10)


@pytest.mark.parametrize("sos", [np.ones((2, 5)), np.ones(6), np.ones((1, 2, 6)), 1.0, []])
def test_sosfilt_zi_errors(sos):
    for function in (sosfilt_zi, scipy.signal.sosfilt_zi):
        with pytest.raises(ValueError, match=r"sos must be shape \(n_sections, 6\)"):
            function(sos)


def test_sosfilt_zi_pole_at_one():
    for sections in ([[1.0, 0, 0, 1, -1, 0]], [[1.0, 0, 0, 1, 0.5, 0], [1.0, 2, 1, 1, -2, 1]]):
        with pytest.raises(np.linalg.LinAlgError, match="pole at z = 1"):
            sosfilt_zi(np.array(sections))
        with pytest.raises(ValueError):  # noqa: PT011 its subclass LinAlgError before 1.18
            scipy.signal.sosfilt_zi(np.array(sections))


# lfiltic


@pytest.mark.parametrize("past", [0, 1, 2, 5, 20])
@pytest.mark.parametrize(("numerator", "denominator"), [(1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 3)])
def test_lfiltic(rng, numerator, denominator, past):
    b, a = noise(rng, numerator), noise(rng, denominator)
    y, x = noise(rng, past), noise(rng, past)
    with Unchanged(b, a, y, x):
        for args in ((b, a, y), (b, a, y, x), (b, a, y, x[:1]), (b, a, y[:1], x)):
            assert_close(lfiltic(*args), scipy.signal.lfiltic(*args), 100)


@pytest.mark.parametrize(
    "kinds", ["dddd", "ffff", "iiii", "fidd", "dDdd", "dddD", "FFff", "gddd", "??dd", "bbbb", "eeee"]
)
def test_lfiltic_dtypes(kinds):
    b, a, y, x = (np.array([1, 2, 1], kind) for kind in kinds)
    assert_close(lfiltic(b, a, y, x), scipy.signal.lfiltic(b, a, y, x), 100)
    assert_close(lfiltic(b, a, y), scipy.signal.lfiltic(b, a, y), 100)


@pytest.mark.parametrize("order", [1, 3])
def test_lfiltic_continues(rng, order):
    b, a = stable(rng, order)
    a, b = 2 * a, 2 * b
    x = noise(rng, 60)
    whole = lfilter(b, a, x)
    zi = lfiltic(b, a, whole[:30][::-1], x[:30][::-1])
    assert_close(lfilter(b, a, x[30:], zi=zi)[0], whole[30:])
    assert_close(zi, lfilter(b, a, x[:30], zi=0)[1])


def test_lfiltic_array_likes():
    for args in (([1, 2], [1, 0.5], [1], [2]), (1.0, [1.0, 0.5], [1.0]), ([1.0, 2], 1.0, [0.0], [3.0])):
        assert_close(lfiltic(*args), scipy.signal.lfiltic(*args), 100)


def test_lfiltic_nothing_to_remember():
    assert_same(lfiltic([1.0], [1.0], [1.0, 2.0]), np.empty(0))


@pytest.mark.parametrize(
    ("b", "a", "says"),
    [
        ([1.0, 2], [], "at least one `a` coefficient"),
        ([1.0, 2], [0.0, 2], "First `a` filter coefficient must be non-zero"),
        ([1.0, 2], [[1.0], [2.0]], r"`a` must be 1-D, got shape \(2, 1\)"),
        ([[1.0], [2.0]], [1.0], r"`b` must be 1-D, got shape \(2, 1\)"),
    ],
)
def test_lfiltic_errors(b, a, says):
    with pytest.raises(ValueError, match="coefficient"):  # SciPy's words differ, the type does not
        scipy.signal.lfiltic(b, a, [0.0, 0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match=says):
        lfiltic(b, a, [0.0, 0.0], [0.0, 1.0])


@pytest.mark.parametrize("text", range(4))
def test_lfiltic_of_texts(text):
    given = [[1.0, 2.0], [1.0, 0.5], [1.0], [2.0]]
    given[text] = ["1.0", "2.0"]
    with pytest.raises(TypeError, match=rf"^{'bayx'[text]} must be numbers, got dtype <U"):
        lfiltic(*given)


def test_lfiltic_dates_beside_objects():
    """Their common dtype is object, so each array is asked for its own."""
    b, a, y = np.array([1.0, 0.5], object), np.array([1.0, -0.5], object), np.array(["2020-01-01"], "datetime64[D]")
    with pytest.raises(TypeError, match=r"y must be numbers, got dtype datetime64\[D\]"):
        lfiltic(b, a, y)
