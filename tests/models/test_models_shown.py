"""Models, results and streams as text, and in notebooks: short, whatever they hold."""

import numpy as np

import sigrnn


def test_a_result_is_a_line(rng):
    x = rng.standard_normal(100)
    result = sigrnn.fit(sigrnn.FIR(2), x, 2.0 * x, progress=False, validation=0.2)
    assert repr(result).startswith("<FitResult of FIR(2): lm, loss ")
    assert repr(result).endswith("0 iterations, converged>")
    assert len(repr(result)) < 200
    assert "validation" in repr(result)
    assert "<code>FIR(2)</code>" in result._repr_html_()
    found = sigrnn.select([sigrnn.FIR(1), sigrnn.FIR(2)], x, x, progress=False)
    assert repr(found).startswith("<Selection of 2 models: <FitResult of FIR(")
    assert found._repr_html_().startswith("<pre>model")


def test_an_adaptive_result_is_a_line(rng):
    x = rng.standard_normal(500)
    result = sigrnn.adaptive.NLMS(4, 0.5)(x, 0.5 * x)
    assert repr(result).startswith("<AdaptiveResult of 500 samples, weights (4,), -")
    assert repr(result).endswith(" dB of error in the last tenth>")
    assert "samples" in repr(sigrnn.adaptive.NLMS(4, 0.5)(x[:0], x[:0]))


def test_a_model_is_a_table(rng):
    model = sigrnn.Chain(sigrnn.IIR(2), sigrnn.Dense(1, "tanh")).init(rng=0)
    html = model._repr_html_()
    assert html.count("<tr>") == 3
    assert "1 -&gt; 1" in html
    assert "largest radius" in html


def test_a_stream_shows_its_model(rng):
    for model in (sigrnn.IIR(2), sigrnn.Chain(sigrnn.GRU(2), sigrnn.Dense(1)), sigrnn.StateSpace(2)):
        stream = model.init(rng=0).stream()
        assert repr(stream) == repr(stream.copy()) == f"<stream of {model!r}>"
        assert np.array_equal(stream.copy()(np.ones(5)), model.stream()(np.ones(5)))
