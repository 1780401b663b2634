"""`gradient_flow` of `rnn`, `gru` and `lstm`: norms by their definition, verdicts, and which layer remembers longest."""

import numpy as np
import pytest
from helpers import LAYERS, Unchanged, layer, layer_arrays, noise
from test_recurrent import CELLS, assert_error, doubled

from sigrnn import GradientFlow, dense, gradient_flow, gru, lstm, nlfilter, rnn, vjp


def orthogonal(rng, size):
    return np.linalg.qr(noise(rng, (size, size)))[0]


def test_is_a_gradient_flow(rng):
    arrays = layer_arrays(rng, "lstm", 2, 60, 3, 4)
    with Unchanged(*arrays.values()):
        flow = gradient_flow(lstm, **arrays)
    assert isinstance(flow, GradientFlow)
    assert flow.lags.tolist() == list(range(31))
    assert flow.norm.shape == (31,)
    assert flow.norm.dtype == np.float64
    again = gradient_flow(lstm, *arrays.values())
    np.testing.assert_array_equal(again.norm, flow.norm)
    assert gradient_flow(lstm, **arrays, lags=59).lags[-1] == 59
    assert gradient_flow(lstm, **{**arrays, "x": noise(rng, (2, 3000, 3))}).lags[-1] == 1000


# Nets at rest, where tanh is linear, whose gradients are known


@pytest.mark.parametrize("batch", [None, 3, 20])
@pytest.mark.parametrize("radius", [0.3, 0.9, 0.99, 1.01, 1.5])
def test_an_orthogonal_net(rng, radius, batch):
    """Every direction shrinks alike: norm = radius^k."""
    some = () if batch is None else (batch,)
    x = np.zeros((*some, 400, 2))
    flow = gradient_flow(rnn, x, noise(rng, (5, 2)), radius * orthogonal(rng, 5))
    np.testing.assert_allclose(flow.norm, radius ** np.arange(201.0), rtol=1e-10)
    np.testing.assert_allclose(flow.growth_rate, radius, rtol=1e-9)
    np.testing.assert_allclose(flow.time_constant, 1 / abs(np.log(radius)), rtol=1e-6)
    assert flow.verdict == ("exploding" if radius > 1 else "vanishing")


def test_verdicts(rng):
    x, w_ih, w_hh = np.zeros((1000, 1)), np.ones((4, 1)), orthogonal(rng, 4)
    for radius, verdict in ((0.99, "vanishing"), (1.0, "stable"), (0.99999, "stable"), (1.01, "exploding")):
        assert gradient_flow(rnn, x, w_ih, radius * w_hh).verdict == verdict
    assert gradient_flow(rnn, x, w_ih, 0.99 * w_hh, lags=50).verdict == "stable"


def test_the_largest_eigenvalue(rng):
    """In the long run it alone counts."""
    flow = gradient_flow(rnn, np.zeros((900, 1)), np.ones((3, 1)), np.diag([0.2, 0.5, 0.95]))
    np.testing.assert_allclose(flow.growth_rate, 0.95, rtol=1e-6)
    assert gradient_flow(rnn, np.zeros((90, 1)), np.ones((3, 1)), np.zeros((3, 3))).growth_rate == 0.0


def test_one_unit_is_the_nonlinear_filter(rng):
    """Weight a of the unit is feedback -a; all outputs count there, a few here, so at a fixed point only they agree."""
    x = np.full(2000, 0.3)
    flow = gradient_flow(rnn, x[:, None], [[1.0]], [[0.9]])
    other = gradient_flow(nlfilter, [1.0], [1.0, -0.9], x, activation="tanh")
    np.testing.assert_allclose(flow.growth_rate, other.growth_rate, rtol=1e-3)
    y = np.zeros(1)
    for _ in range(1000):
        y = np.tanh(0.3 + 0.9 * y)
    np.testing.assert_allclose(flow.growth_rate, 0.9 * (1 - y[0] ** 2), rtol=1e-3)


def test_norms_by_the_definition(rng):
    """At lag 0 of one unit dE/da = g'(a), and at the others the product of slopes and weights."""
    x, w = noise(rng, (12, 1)), 0.8
    (h, _), _ = vjp(rnn, x, [[1.0]], [[w]])
    flow = gradient_flow(rnn, x, [[1.0]], [[w]], lags=11)
    slopes = 1 - h[::-1, 0] ** 2
    np.testing.assert_allclose(flow.norm, np.cumprod(slopes * np.append(1.0, np.full(11, w))), rtol=1e-12)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_norms_against_the_gradients_of_biases(rng, name):
    """One unit from one output: the gradients by the sums of a step are those by a bias that is there in this step only.

    Such a bias is one more input with the identity for weights.
    """
    function, _, options = layer(name)
    gates = LAYERS[name][0].gates
    arrays = layer_arrays(rng, name, None, 10, 2, 1)
    flow = gradient_flow(function, **arrays, lags=9, **options)
    arrays["x"] = np.concatenate([arrays["x"], np.zeros((10, gates))], axis=1)
    arrays["w_ih"] = np.concatenate([arrays["w_ih"], np.eye(gates)], axis=1)
    value, pullback = vjp(function, **arrays, **options)
    dy = np.zeros(value[0].shape)
    dy[-1] = 1.0
    dx, *_ = pullback((dy, None))
    np.testing.assert_allclose(flow.norm, np.linalg.norm(dx[::-1, 2:], axis=1), rtol=1e-10)


# Which layer remembers


def test_small_weights_vanish(rng):
    for name in CELLS:
        function, _, options = layer(name)
        arrays = layer_arrays(rng, name, 2, 400, 2, 6)
        arrays.get("w_hh", np.zeros(0))[...] *= 0.2
        flow = gradient_flow(function, **arrays, **options)
        assert flow.verdict == "vanishing"
        assert flow.norm[100] < 1e-3 * flow.norm[0]


def test_large_weights_explode(rng):
    """A net so large and strong that it is chaotic: neighbours drift apart, and gradients grow."""
    w_hh = 4.0 * noise(rng, (40, 40)) / np.sqrt(40)
    flow = gradient_flow(rnn, 0.1 * noise(rng, (400, 1)), noise(rng, (40, 1)), w_hh)
    assert flow.verdict == "exploding"
    assert flow.norm[-1] > 1e6


def test_an_open_gate_keeps_the_gradient(rng):
    """The lecture's point: with the gate biased open the cell's own path has a factor of almost 1 a step."""
    x, hidden = noise(rng, (800, 1)), 8
    plain = gradient_flow(rnn, x, noise(rng, (hidden, 1)), 0.8 * orthogonal(rng, hidden), lags=300)
    assert plain.verdict == "vanishing"
    w_ih, w_hh = 0.05 * noise(rng, (4 * hidden, 1)), 0.02 * noise(rng, (4 * hidden, hidden))  # gates stay as biased
    bias, left = np.zeros(4 * hidden), []
    for b_f in (-2.0, 0.0, 3.0, 6.0):
        bias[hidden : 2 * hidden] = b_f
        flow = gradient_flow(lstm, x, w_ih, w_hh, bias, lags=300)
        left.append(flow.norm[50] / flow.norm[0])
    assert left == sorted(left)
    for other in (
        flow,
        gradient_flow(gru, x, w_ih[:24], w_hh[:24], bias[:24], lags=300),  # z does the same
        gradient_flow(gru, x, w_ih[:24], w_hh[:24], bias[:24], lags=300, reset_after=False),
    ):
        assert other.time_constant > 10 * plain.time_constant
        assert other.norm[300] / other.norm[0] > 0.1
        assert plain.norm[300] / plain.norm[0] < 1e-20


def test_a_cell_of_constant_gates_is_exact():
    """f = sigmoid(b), the other gates closed: c keeps f^k of what it was."""
    b_f = 2.0
    f = 1 / (1 + np.exp(-b_f))
    flow = gradient_flow(lstm, np.zeros((400, 1)), np.zeros((4, 1)), np.zeros((4, 1)), [0.0, b_f, 0.0, 0.0])
    np.testing.assert_allclose(flow.growth_rate, f, rtol=1e-6)
    flow = gradient_flow(gru, np.zeros((400, 1)), np.zeros((3, 1)), np.zeros((3, 1)), [0.0, b_f, 0.0])
    np.testing.assert_allclose(flow.growth_rate, f, rtol=1e-6)


# Options, precision, errors


def test_single_precision(rng):
    arrays = layer_arrays(rng, "lstm", None, 200, 2, 8, np.float32)
    flow, exact = gradient_flow(lstm, **arrays), gradient_flow(lstm, **doubled(arrays))
    assert flow.norm.dtype == np.float64
    np.testing.assert_allclose(flow.norm[:30], exact.norm[:30], rtol=1e-3)
    np.testing.assert_allclose(flow.growth_rate, exact.growth_rate, rtol=0.02)
    assert flow.verdict == exact.verdict


def test_single_precision_leaves_its_numbers_sooner():
    given = [np.zeros(shape, np.float32) for shape in ((900, 1), (4, 1), (4, 1), 4)]  # all gates 1/2
    flow = gradient_flow(lstm, *given)
    np.testing.assert_allclose(flow.growth_rate, 0.5, rtol=0.02)
    assert flow.verdict == "vanishing"


def test_far_beyond_all_numbers():
    for radius in (1e-3, 0.3, 4.0, 1e3):
        flow = gradient_flow(rnn, np.zeros((1000, 1)), [[1.0]], [[radius]], lags=900)
        assert abs(flow.growth_rate / radius - 1) < 1e-3
        assert flow.verdict == ("exploding" if radius > 1 else "vanishing")


def test_plot(rng):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    flow = gradient_flow(gru, **layer_arrays(rng, "gru", None, 60, 2, 4))
    ax = flow.plot(label="gru")
    assert ax.get_legend_handles_labels()[1] == ["gru"]
    pyplot.close(ax.figure)


def test_errors(rng):
    arrays = layer_arrays(rng, "lstm", None, 10, 3, 4)
    message = "lags must be at least 1 and less than the number of samples 10, got 10"
    assert_error(ValueError, message, gradient_flow, lstm, **arrays, lags=10)
    assert_error(ValueError, "got 0", gradient_flow, lstm, **arrays, lags=0)
    assert_error(ValueError, "x has 1 samples", gradient_flow, lstm, **{**arrays, "x": arrays["x"][:1]})
    assert_error(
        ValueError, "w_ih has shape (2, 3), expected", gradient_flow, lstm, **{**arrays, "w_ih": np.ones((2, 3))}
    )
    assert_error(TypeError, "gradient_flow is for", gradient_flow, dense, [[1.0]], [[1.0]])
