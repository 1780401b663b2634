"""The table of tanh is the same on all systems: also where long double is double, as on Windows and Apple's processors."""

import hashlib
from decimal import Decimal, getcontext

import numpy as np
from helpers import run_in_fresh_process

import sigrnn

TABLE = """
import hashlib
import numpy as np
np.longdouble = np.float64
from sigrnn._kernels.base import activations
print(hashlib.sha256(activations.TANH.tobytes()).hexdigest())
"""


def test_no_long_double():
    from sigrnn._kernels.base import activations

    assert run_in_fresh_process(TABLE).split()[-1] == hashlib.sha256(activations.TANH.tobytes()).hexdigest()


def exact(x):
    """tanh with 60 digits."""
    getcontext().prec = 60
    falling = (-2 * Decimal(x)).exp()
    return (1 - falling) / (1 + falling)


def test_values_and_slopes():
    from sigrnn._kernels.base import activations

    rows = activations.TANH.reshape(-1, activations.DEGREE)
    for k, row in enumerate(rows):
        centre = Decimal(k) / int(activations.GRID)
        assert row[0] == float(exact(centre)) or abs(Decimal(row[0]) - exact(centre)) < Decimal("1.2e-16")
        for u in (Decimal(-1) / 64, Decimal("-0.004"), Decimal("0.01"), Decimal(1) / 64):
            value = sum(Decimal(c) * u**i for i, c in enumerate(row))
            # Beyond the rounding of the first two coefficients.
            assert abs(value - exact(centre + u)) < Decimal("1e-18") + abs(Decimal(row[0])) * Decimal("1.2e-16") + abs(
                Decimal(row[1]) * u
            ) * Decimal("1.2e-16")


def test_where_it_was_worst():
    # With sums in double 3.09 ulp at 0.53436.
    x = 0.53436 + np.arange(-2000, 2000) * 1e-9
    y = sigrnn.nlfilter([1.0], [1.0, 0.0], x)
    errors = [abs(Decimal(float(v)) - exact(float(e))) for v, e in zip(y, x, strict=True)]
    assert max(errors) <= 3 * Decimal(float(np.spacing(y.min())))
