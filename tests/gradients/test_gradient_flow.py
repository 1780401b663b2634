"""`gradient_flow`: pole radii of linear filters, verdicts, what it measures by definition, plots, errors."""

import numpy as np
import pytest
import scipy.signal
from helpers import Unchanged, contractive, noise

import sigrnn
from sigrnn import GradientFlow, gradient_flow, lfilter, nlfilter, sosfilt, vjp


def resonator(radius, angle):
    return [1.0, -2.0 * radius * np.cos(angle), radius**2]


# Linear filters


@pytest.mark.parametrize("radius", [0.3, 0.9, 0.99, 1.01, 1.5])
@pytest.mark.parametrize("angle", [0.05, 0.3, 1.0, 2.0, 3.0])
def test_radius_of_a_pair_of_poles(radius, angle):
    flow = gradient_flow(lfilter, [1.0], resonator(radius, angle), np.zeros(1000))
    assert abs(flow.growth_rate - radius) < 1e-3
    assert flow.verdict == ("exploding" if radius > 1 else "vanishing")


@pytest.mark.parametrize("order", [1, 2, 9])
@pytest.mark.parametrize("cut", [0.05, 0.4])
def test_radius_of_the_outermost_pole(order, cut):
    b, a = scipy.signal.butter(order, cut)
    radius = np.abs(np.roots(a)).max()
    for c in (1.0, -3.0):  # not normalised
        assert abs(gradient_flow(lfilter, c * b, c * a, np.zeros(1000)).growth_rate - radius) < 1e-3
    sos = scipy.signal.butter(order, cut, output="sos")
    assert abs(gradient_flow(sosfilt, sos, np.zeros(1000)).growth_rate - radius) < 1e-3


def test_one_pole_is_an_exponential():
    flow = gradient_flow(lfilter, [1.0], [1.0, -0.9], np.zeros(400))
    assert isinstance(flow, GradientFlow)
    assert flow.lags.tolist() == list(range(201))
    np.testing.assert_allclose(flow.norm, 0.9 ** np.arange(201.0), rtol=1e-12)
    np.testing.assert_allclose(flow.growth_rate, 0.9, rtol=1e-12)
    np.testing.assert_allclose(flow.time_constant, -1 / np.log(0.9), rtol=1e-10)
    assert flow.verdict == "vanishing"
    assert str(flow) == "vanishing: factor 0.9 per sample, time constant 9.491 samples"


def test_verdicts():
    for radius, verdict in ((0.99, "vanishing"), (1.0, "stable"), (0.99999, "stable"), (1.01, "exploding")):
        flow = gradient_flow(lfilter, [1.0], [1.0, -radius], np.zeros(1000))
        assert flow.verdict == verdict
        assert flow.lags[-1] == 500
    # It is stable as far as was looked
    assert gradient_flow(lfilter, [1.0], [1.0, -0.99], np.zeros(1000), lags=50).verdict == "stable"
    assert gradient_flow(lfilter, [1.0], [1.0, -0.99], np.zeros(1000), lags=150).verdict == "vanishing"
    assert gradient_flow(sosfilt, [1, 0, 0, 1, -0.99, 0], np.zeros(9000)).lags[-1] == 1000
    assert gradient_flow(lfilter, [1.0], [1.0, -1.0], np.zeros(100)).time_constant > 1e6


def test_poles_that_leave_the_numbers(rng):
    """Far enough to underflow, or to overflow, before the last lag."""
    for radius in (1e-3, 0.3, 4.0, 1e3):
        flow = gradient_flow(lfilter, [1.0], [1.0, -radius], np.zeros(1000), lags=900)
        assert abs(flow.growth_rate / radius - 1) < 1e-3
        assert flow.verdict == ("exploding" if radius > 1 else "vanishing")


def test_of_a_linear_filter_only_the_length_of_the_signal_matters(rng):
    x = noise(rng, 300)
    flow, other = (gradient_flow(lfilter, [1.0, 0.5], [1.0, -0.9], signal) for signal in (x, 0 * x))
    np.testing.assert_array_equal(flow.norm, other.norm)
    zi = noise(rng, 1)
    np.testing.assert_array_equal(gradient_flow(lfilter, [1.0, 0.5], [1.0, -0.9], x, zi=zi).norm, flow.norm)
    x = noise(rng, (3, 300, 2))
    np.testing.assert_allclose(gradient_flow(lfilter, [1.0], [1.0, -0.9], x, axis=1).norm, flow.norm, rtol=1e-12)


def test_a_filter_for_each_channel():
    """The root mean square over them: the outermost pole wins."""
    a = np.array([[1.0, -0.5], [1.0, -0.8]])
    flow = gradient_flow(lfilter, [1.0], a, np.zeros((2, 400)))
    np.testing.assert_allclose(
        flow.norm, np.sqrt((0.5 ** (2.0 * flow.lags) + 0.8 ** (2.0 * flow.lags)) / 2), rtol=1e-10
    )
    assert abs(flow.growth_rate - 0.8) < 1e-3
    sos = np.array([[[1, 0, 0, 1, -0.5, 0]], [[1, 0, 0, 1, -0.8, 0]]])
    assert abs(gradient_flow(sosfilt, sos, np.zeros((2, 400))).growth_rate - 0.8) < 1e-3


def test_without_feedback():
    for flow in (
        gradient_flow(lfilter, [1.0, 2.0], [2.0], np.zeros(100)),
        gradient_flow(nlfilter, [1.0, 2.0], [2.0], np.zeros(100)),
        gradient_flow(nlfilter, [1.0, 2.0], [2.0, 0.0], np.zeros(100)),
    ):
        assert flow.norm.tolist() == [1.0] + [0.0] * 50
        assert (flow.growth_rate, flow.time_constant, flow.verdict) == (0.0, 0.0, "vanishing")


# Nonlinear ones


def by_definition(given, lags, **options):
    """Root mean square of dE/de[n-k] over n and channels, by the pull-back of one output after the other."""
    value, pullback = vjp(nlfilter, *given, **options)
    y, found = value[0] if "zi" in options else value, []
    for c in np.ndindex(y.shape[:-1]):
        for n in range(lags, y.shape[-1]):
            dy = np.zeros(y.shape)
            dy[(*c, n)] = 1.0
            pullback((dy, None) if "zi" in options else dy)
            found.append(pullback.excitation_gradient[c][n - lags : n + 1][::-1])
    return np.sqrt((np.array(found) ** 2).mean(axis=0))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_is_what_it_says(rng, activation):
    b, a = contractive(rng, 1)
    for shape, bias in (((50,), 0.2), ((3, 50), noise(rng, 3))):
        given = b, a, noise(rng, shape)
        with Unchanged(*given):
            flow = gradient_flow(nlfilter, *given, lags=20, bias=bias, activation=activation)
        np.testing.assert_allclose(
            flow.norm, by_definition(given, 20, bias=bias, activation=activation), rtol=1e-10, atol=1e-300
        )


def test_states_axes_and_filters_for_each_channel(rng):
    b, a = noise(rng, (3, 2)), np.array([[1.0, 0.4], [1.0, -0.8], [1.0, -0.6]])
    x, zi = noise(rng, (3, 40)), noise(rng, (3, 1))
    flow = gradient_flow(nlfilter, b, a, x, zi=zi, lags=15)
    np.testing.assert_allclose(flow.norm, by_definition((b, a, x), 15, zi=zi), rtol=1e-10)
    turned = gradient_flow(nlfilter, b, a, x.T, 0, zi.T, lags=15)
    np.testing.assert_allclose(turned.norm, flow.norm, rtol=1e-10)


def test_small_signals_see_the_linear_filter(rng):
    for a in ([1.0, -0.9], resonator(0.97, 0.4)):
        linear = gradient_flow(lfilter, [1.0], a, np.zeros(1000))
        flow = gradient_flow(nlfilter, [1.0], a, 1e-6 * noise(rng, 1000))
        np.testing.assert_allclose(flow.growth_rate, linear.growth_rate, rtol=1e-6)
        envelope = linear.growth_rate**flow.lags
        assert (np.abs(flow.norm - linear.norm) < 1e-6 * envelope).all()
        halved = gradient_flow(nlfilter, [1.0], a, 1e-6 * noise(rng, 1000), activation="linear", bias=0.5)
        np.testing.assert_allclose(halved.norm, linear.norm, rtol=1e-10)


def test_large_signals_vanish_faster(rng):
    x = noise(rng, 4000)
    rates = [gradient_flow(nlfilter, [1.0], [1.0, -0.9], size * x).growth_rate for size in (0.01, 0.3, 1.0, 3.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.89
    assert rates[-1] < 0.5


def test_verdicts_of_nonlinear_filters(rng):
    x = np.abs(noise(rng, 1500))
    for factor, verdict in ((0.9, "vanishing"), (1.0, "stable"), (1.05, "exploding")):
        flow = gradient_flow(nlfilter, [1.0], [1.0, -factor], x, activation="relu")
        assert flow.verdict == verdict
        np.testing.assert_allclose(flow.growth_rate, factor, rtol=1e-9)
    # Held at 0, where tanh has slope 1, feedback of more than 1 explodes
    assert gradient_flow(nlfilter, [1.0], [1.0, -1.2], np.zeros(500)).verdict == "exploding"
    assert gradient_flow(nlfilter, [1.0], [1.0, -1.2], 3 * np.abs(noise(rng, 500))).verdict == "vanishing"


def test_dead_units():
    flow = gradient_flow(nlfilter, [1.0], [1.0, -0.9], -np.ones(200), activation="relu")
    assert not flow.norm.any()
    assert (flow.growth_rate, flow.time_constant, flow.verdict) == (0.0, 0.0, "vanishing")
    assert str(flow) == "vanishing: factor 0 per sample, time constant 0 samples"
    flow = gradient_flow(nlfilter, [1.0], [1.0, -0.9], 1e3 * np.ones(200))
    assert flow.verdict == "vanishing"


def test_single_precision_and_integers(rng):
    flow = gradient_flow(lfilter, np.ones(1, "f"), np.array([1, -0.9], "f"), np.zeros(400, "f"))
    assert flow.norm.dtype == np.float64
    assert abs(flow.growth_rate - 0.9) < 1e-6
    assert gradient_flow(lfilter, [1.0], [2, -1], np.zeros(400, int)).growth_rate == pytest.approx(0.5)
    assert gradient_flow(nlfilter, [1], [2, -1], np.zeros(400, int)).growth_rate == pytest.approx(0.5)


def test_short_signals():
    for samples in (2, 3, 5, 9):
        flow = gradient_flow(lfilter, [1.0], [1.0, -0.5], np.zeros(samples))
        assert flow.lags.tolist() == list(range(samples // 2 + 1))
        np.testing.assert_allclose(flow.norm, 0.5**flow.lags)
    flow = gradient_flow(lfilter, [1.0], [1.0, -0.5], np.zeros(9), lags=8)
    np.testing.assert_allclose(flow.norm, 0.5**flow.lags)


# Plots


@pytest.fixture
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt.figure().add_subplot()
    plt.close("all")


def test_plot(rng, axes):
    flow = gradient_flow(nlfilter, [1.0], [1.0, -0.9], noise(rng, 500))
    assert flow.plot(axes) is axes
    (measured, _) = axes.lines
    np.testing.assert_array_equal(measured.get_xdata(), flow.lags[flow.norm > 0])
    np.testing.assert_array_equal(measured.get_ydata(), flow.norm[flow.norm > 0])
    assert axes.get_yscale() == "log"
    assert "lag" in axes.get_xlabel()
    assert "vanishing" in axes.get_legend().get_texts()[0].get_text()
    gradient_flow(lfilter, [1.0], [1.0, -0.9], np.zeros(500)).plot(axes, label="linear")
    assert [text.get_text() for text in axes.get_legend().get_texts()][1] == "linear"
    axes.figure.canvas.draw()


@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.9, 1.0, 1.5, 1e3])
def test_plot_of_anything(axes, radius):
    drawn = gradient_flow(lfilter, [1.0], [1.0, -radius], np.zeros(1000), lags=900).plot()
    assert isinstance(drawn, type(axes))
    assert drawn is not axes
    drawn.figure.canvas.draw()
    gradient_flow(nlfilter, [1.0], [1.0, -0.9], -np.ones(50), activation="relu").plot(axes)
    axes.figure.canvas.draw()


# Errors


@pytest.mark.parametrize("function", [sigrnn.filtfilt, sigrnn.lfilter_tv, np.tanh, 3])
def test_other_functions(function):
    with pytest.raises(
        TypeError, match="gradient_flow is for nlfilter, lfilter, sosfilt, rnn, gru, lstm, mingru and models; got"
    ):
        gradient_flow(function, [1.0], [1.0, -0.5], np.zeros(30))


@pytest.mark.parametrize("lags", [0, -3, 30, 1000])
def test_lags_out_of_range(lags):
    with pytest.raises(ValueError, match=f"lags must be at least 1 and less than the number of samples 30, got {lags}"):
        gradient_flow(lfilter, [1.0], [1.0, -0.5], np.zeros(30), lags=lags)


def test_errors():
    for samples in (0, 1):
        with pytest.raises(ValueError, match="samples"):
            gradient_flow(lfilter, [1.0], [1.0, -0.5], np.zeros(samples))
    with pytest.raises(ValueError, match=r"a\[0\]"):
        gradient_flow(nlfilter, [1.0], [0.0, 1.0], np.zeros(30))
    with pytest.raises(ValueError, match="unknown activation 'tan'"):
        gradient_flow(nlfilter, [1.0], [1.0, 0.5], np.zeros(30), activation="tan")
    with pytest.raises(NotImplementedError, match="complex128"):
        gradient_flow(nlfilter, [1.0], [1.0, 0.5], 1j * np.zeros(30))
    with pytest.raises(TypeError):
        gradient_flow(nlfilter, [1.0])
    with pytest.raises(TypeError):
        gradient_flow(lfilter, [1.0], [1.0, -0.5], np.zeros(30), lags=2.5)
