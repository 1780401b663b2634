"""Static curves: values against NumPy's, knots that stay, and what they refuse."""

import numpy as np
import pytest

import sigrnn


def test_polynomial_is_numpys(rng):
    model = sigrnn.Polynomial(4)
    model.params = {"c": rng.standard_normal(5)}
    x = rng.standard_normal(50)
    assert np.allclose(model(x), np.polynomial.Polynomial(model.params["c"])(x), rtol=1e-13, atol=1e-13)
    assert np.isnan(model([np.nan])).all()


def test_channels_have_curves_of_their_own(rng):
    x = rng.standard_normal((30, 2))
    for kind, name in ((sigrnn.Polynomial(3), "c"), (sigrnn.PiecewiseLinear(4), "values")):
        model = kind.init(2, rng=1)
        single = kind.copy().init(1)
        for i in range(2):
            single.params = {key: value[i] for key, value in model.params.items()}
            assert np.allclose(model(x)[:, i], single(x[:, i]), rtol=1e-13)
        assert model.params[name].shape[0] == 2


def test_lines_between_knots(rng):
    model = sigrnn.PiecewiseLinear(5)
    knots, values = np.sort(rng.standard_normal(5)), rng.standard_normal(5)
    model.params = {"knots": knots, "values": values}
    x = rng.uniform(knots[0], knots[-1], 100)
    assert np.allclose(model(x), np.interp(x, knots, values), rtol=1e-12)
    assert np.allclose(model(knots), values)
    first, last = np.diff(values)[[0, -1]] / np.diff(knots)[[0, -1]]
    beyond = model([knots[0] - 2.0, knots[-1] + 3.0])
    assert np.allclose(beyond, [values[0] - 2.0 * first, values[-1] + 3.0 * last])
    assert model.n_parameters == 5
    assert np.array_equal(model.from_vector(np.zeros(5)).params["knots"], knots)
    assert np.isnan(model([np.nan])).all()
    with pytest.raises(ValueError, match="knots must rise"):
        model.params["knots"] = np.zeros(5)


def test_tanh_network(rng):
    model = sigrnn.TanhNetwork(3, 2).init(4, rng=0)
    p, x = model.params, rng.standard_normal((20, 4))
    expected = np.tanh(x @ p["w"].T + p["bias"]) @ p["v"].T + x @ p["direct"].T + p["offset"]
    assert np.allclose(model(x), expected, rtol=1e-13)
    assert repr(model) == "TanhNetwork(3, 2)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sigrnn.Polynomial(0), "degree must be at least 1, got 0"),
        (lambda: sigrnn.PiecewiseLinear(1), "n_knots must be at least 2, got 1"),
        (lambda: sigrnn.TanhNetwork(0), "units must be at least 1, got 0"),
        (lambda: sigrnn.TanhNetwork(1, 0), "outputs must be at least 1, got 0"),
    ],
)
def test_wrong_sizes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_curve_is_found(rng):
    x = rng.standard_normal(500)
    for model in (sigrnn.Polynomial(3), sigrnn.PiecewiseLinear(3), sigrnn.TanhNetwork(2)):
        truth = model.copy().init(1, rng=5)
        assert sigrnn.fit(model, x, truth(x), progress=False).loss < 1e-9
