"""`fit`: delays it finds, and its starts of models with several inputs."""

import numpy as np
import pytest

import sigrnn
from sigrnn import IIR, Chain, Delay, TanhNetwork


def fit(*args, **kwargs):
    return sigrnn.fit(*args, **{"progress": False, **kwargs})


def late(x, samples):
    return np.concatenate([np.zeros(samples), x[: len(x) - samples]])


@pytest.mark.parametrize(("delay", "noise"), [(0, 0.5), (17, 0.0), (33, 0.2)])
def test_delay_of_a_filter(delay, noise, rng):
    x = sigrnn.lfilter([1.0, 0.5], [1.0], rng.standard_normal(4000))
    t = sigrnn.lfilter([0.2, 0.1], [1.0, -1.5, 0.7], late(x, delay))
    t = t + noise * np.std(t) * rng.standard_normal(4000)
    result = fit(Chain(Delay(40), IIR(2)), x, t)
    assert result.model.params["0.samples"] == [delay]
    assert result.loss < 1.05 * noise**2 * np.var(t) + 1e-20
    assert result.model.n_parameters == 5


def test_delay_of_each_input_and_of_a_curve(rng):
    x = rng.standard_normal((4000, 2))
    u = sigrnn.lfilter([1.0, 0.4], [1.0, -0.8], late(x[:, 0], 5)) + sigrnn.lfilter(
        [0.5, -0.4], [1.0, -0.8], late(x[:, 1], 12)
    )
    result = fit(Chain(Delay(20), IIR(1)), x, u)
    assert result.model.params["0.samples"].tolist() == [5.0, 12.0]
    assert result.loss < 1e-20
    t = sigrnn.lfilter([0.4], [1.0, -0.5], np.tanh(sigrnn.lfilter([1.0, 0.4], [1.0, -0.8], late(x[:, 0], 9))))
    result = fit(Chain(Delay(20), IIR(1), TanhNetwork(2), IIR(1)), x[:, 0], t, n_starts=4)
    assert result.model.params["0.samples"] == [9.0]
    assert result.loss < 1e-6 * np.var(t)
    assert len(result.starts) == 4


def test_delay_that_was_given_stays(rng):
    x = rng.standard_normal(500)
    model = Chain(Delay(8), IIR(1)).init(1, rng=0)
    model.parts[0].params["samples"] = [3]
    for options in ({"start": "given"}, {"solver": "adam", "max_iter": 2}):
        assert fit(model, x, late(x, 5), **options).model.params["0.samples"] == [3.0]
    assert fit(model, x, late(x, 5), start="auto").model.params["0.samples"] == [5.0]


def test_delay_runs_and_refuses(rng):
    x, k = rng.standard_normal((2, 30, 2)), [4, 0]
    model = Delay(6)
    model.params = {"samples": k}
    expected = np.stack([[late(each[:, i], k[i]) for i in range(2)] for each in x]).swapaxes(1, 2)
    np.testing.assert_array_equal(model(x), expected)
    stream = model.stream()
    blocks = [stream(block) for block in np.split(x[0], [1, 2, 11])]
    np.testing.assert_array_equal(np.concatenate(blocks), expected[0])
    for wrong in ([1.5, 0.0], [7.0, 0.0], [-1.0, 0.0]):
        with pytest.raises(ValueError, match="samples must be whole numbers from 0 to 6, got"):
            model.params["samples"] = wrong
    with pytest.raises(ValueError, match="longest must be at least 1, got 0"):
        Delay(0)


def test_units_of_a_delayed_signal(rng):
    """Millivolts with an offset give the same model, but for its coefficients."""
    x = rng.standard_normal(2000) + 5.0
    t = sigrnn.lfilter([1.0, 0.3], [1.0, -0.6], late(x, 4))
    losses = [fit(Chain(Delay(9), IIR(1)), 1e3 * x, scale * t).loss / scale**2 for scale in (1.0, 1e3)]
    assert max(losses) < 1e-18


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_wiener_hammerstein_of_two_inputs(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4000, 2))
    v = sigrnn.lfilter([0.6, 0.2], [1.0, -0.8], x[:, 0]) + sigrnn.lfilter([0.3, -0.4], [1.0, -0.8], x[:, 1])
    t = sigrnn.lfilter([0.4], [1.0, -0.9, 0.5], np.tanh(v))
    noise = 1e-3 * np.std(t)
    result = fit(Chain(IIR(1), TanhNetwork(3), IIR(2)), x, t + noise * rng.standard_normal(4000), rng=seed, n_starts=4)
    assert np.sqrt(result.loss) < 1.5 * noise
    assert [start.name for start in result.starts[1:]] == [f"best linear approximation, {k}" for k in (1, 2, 3)]
