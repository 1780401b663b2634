"""As accurate as SciPy over random stable filters: outputs and final states against long double, tails included.

`SIGRNN_ACCURACY=2000` sets how many filters of each order are tried; run as a script, this file prints the distribution of
the ratio of our error to SciPy's.
"""

import os
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
from scipy.ndimage import maximum_filter1d

from sigrnn import lfilter, sosfilt

FILTERS = int(os.environ.get("SIGRNN_ACCURACY", "30"))
ORDERS, SECTIONS = range(1, 13), range(1, 21)
WINDOW = 4096  # an error counts relative to the largest value of WINDOW samples before it
ENDS, APART = (
    16,
    64,
)  # SciPy's error in the final state is the largest of ENDS samples, APART apart: one alone is chance
FLOOR = 6 * np.finfo(float).eps  # below it errors are those of the last roundings
MOST, ALL = 2.0, 10.0  # bounds of the ratio of our error to SciPy's, in 99 % of filters (98 % of cascades), and in all
LONG = np.longdouble

pytestmark = pytest.mark.skipif(
    np.finfo(LONG).eps > np.finfo(float).eps / 1000, reason="long double is not longer than double here"
)


def radii(rng, size):
    """Of poles: anywhere, or close to the circle, up to 1 - 1e-9."""
    close = rng.uniform(size=size) < 0.5
    return np.where(close, 1 - 10 ** rng.uniform(-9, -2, size), rng.uniform(0, 0.98, size))


def direct(rng, order):
    """A filter whose coefficients, as they are rounded, are those of a stable one."""
    while True:
        poles = radii(rng, order // 2) * np.exp(1j * rng.uniform(0.001, np.pi, order // 2))
        real = radii(rng, order % 2) * rng.choice([-1, 1], order % 2)
        a = np.poly(np.concatenate([poles, poles.conj(), real])).real
        if stable(a):
            return rng.standard_normal(order + 1), a


def cascade(rng, sections):
    """Sections of two poles, or of one."""
    found = []
    for _ in range(sections):
        b, a = direct(rng, 2 if rng.uniform() < 0.9 else 1)
        found.append(np.concatenate([np.pad(c, (0, 3 - len(c))) for c in (b / np.abs(b).max(), a)]))
    return np.array(found)


def stable(a):
    """Whether all reflection coefficients are below 1, in long double."""
    a = a.astype(LONG)
    while len(a) > 1:
        if not abs(a[-1]) < 1:
            return False
        a = ((a - a[-1] * a[::-1]) / (1 - a[-1] ** 2))[:-1]
    return True


def signal(rng, samples):
    """Noise; noise on an offset, on a carrier that few filters let pass, or in bursts with silence between."""
    x, level, kind = rng.standard_normal(samples), 10 ** rng.uniform(0, 6), rng.integers(4)
    if kind == 1:
        x += level
    elif kind == 2:
        x += level * np.cos(rng.uniform(0, np.pi) * np.arange(samples))
    elif kind == 3:
        x *= np.repeat(rng.integers(0, 2, 8), -(-samples // 8))[:samples]
    return x


def length(rng):
    """Mostly some thousand samples; a few signals are long."""
    return 300_000 if rng.uniform() < 0.01 else int(10 ** rng.uniform(3.1, 4.6))


def off(y, exact):
    """The largest error, relative to the largest value of the last samples before it."""
    size = maximum_filter1d(np.abs(exact).astype(float), WINDOW, origin=(WINDOW - 1) // 2, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanmax(np.where(size > 1e-290, np.abs(y - exact).astype(float) / size, 0.0))


def ends(run, x, shape, kind):
    """The output, and the states at the last samples, of a filter that does not depend on how its input is cut."""
    z, outputs, states = np.zeros(shape, kind), [], []
    cuts = [0, *range(len(x) - ENDS * APART, len(x) + 1, APART)]
    for first, last in pairwise(cuts):
        y, z = run(x[first:last].astype(kind), z)
        outputs.append(y)
        states.append(z)
    return np.concatenate(outputs), np.array(states)


def plain_sections(sos, x, zi):
    """The cascade, a section after the other."""
    z = np.empty_like(zi)
    for s, row in enumerate(sos):
        x, z[s] = scipy.signal.lfilter(row[:3], row[3:], x, zi=zi[s])
    return x, z


def ratios(seed, order, sections=False):
    """Our error over SciPy's in the output and in the final state, for one random filter and signal."""
    rng = np.random.default_rng([order, sections, seed])
    x = signal(rng, length(rng))
    if sections:
        sos = cascade(rng, order)
        ours = sosfilt(sos, x, zi=np.zeros((order, 2)))
        run, coefficients, shape = plain_sections, (sos,), (order, 2)
        theirs = ends(lambda part, zi: scipy.signal.sosfilt(sos, part, zi=zi), x, shape, float)
    else:
        b, a = direct(rng, order)
        ours = lfilter(b, a, x, zi=np.zeros(order))
        run, coefficients, shape = lambda b, a, part, zi: scipy.signal.lfilter(b, a, part, zi=zi), (b, a), (order,)
        theirs = ends(partial(run, b, a), x, shape, float)
    exact = ends(partial(run, *(c.astype(LONG) for c in coefficients)), x, shape, LONG)
    size = np.abs(exact[0][-WINDOW:]).max() * max(np.abs(c).max() for c in coefficients) + np.abs(exact[1][-1]).max()
    in_output = off(ours[0], exact[0]), off(theirs[0], exact[0])
    size = max(size, LONG(1e-290))  # after a long silence
    in_state = [float(np.abs(z - e).max() / size) for z, e in ((ours[1], exact[1][-1]), (theirs[1], exact[1]))]
    return [mine / max(his, FLOOR) for mine, his in (in_output, in_state)]


def assert_bounds(sizes, filters, sections=False):
    found = np.array([[ratios(seed, size, sections) for seed in range(filters)] for size in sizes])
    assert np.isfinite(found).all()
    size, seed, _ = np.unravel_index(found.argmax(), found.shape)
    for part, bound in ((0.98 if sections else 0.99, MOST), (0.9998, ALL)):
        reached = np.quantile(found, part, axis=(0, 1)).max()
        assert reached <= bound, f"{reached}; worst: filter {seed} of order {sizes[size]}, {found[size, seed]}"


@pytest.mark.slow
def test_lfilter():
    assert_bounds(ORDERS, FILTERS)


@pytest.mark.slow
def test_sosfilt():
    assert_bounds(SECTIONS, max(1, FILTERS // 2), sections=True)


if __name__ == "__main__":
    print("kind order: output 50 % 99 % 99.9 % worst (of filter); final state: the same")
    for kind, sizes, filters in ((False, ORDERS, int(sys.argv[1])), (True, SECTIONS, int(sys.argv[1]) // 4)):
        for size in sizes:
            all_of = np.array([ratios(seed, size, kind) for seed in range(filters)])
            shown = [
                f"{' '.join(f'{q:7.3g}' for q in np.quantile(each, [0.5, 0.99, 0.999, 1]))} ({each.argmax()})"
                for each in all_of.T
            ]
            print("sections" if kind else "direct  ", f"{size:2}:", ";  ".join(shown), flush=True)
