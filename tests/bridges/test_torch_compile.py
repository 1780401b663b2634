"""`torch.compile` over `sigrnn.torch`: whole graphs, with the values and gradients of calls without it."""

import numpy as np
import pytest
from test_torch import calls, flat, functions

import sigrnn

torch = pytest.importorskip("torch")

import sigrnn.torch as st  # noqa: E402
from sigrnn.torch import _compiled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
NAMES = list(calls(np.random.default_rng(0)))


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def compiled(function):
    # Inductor makes C++ of what is left, and takes long; graphs, shapes and gradients are the same without.
    return torch.compile(function, backend="aot_eager", fullgraph=True)


@pytest.mark.parametrize("name", NAMES)
def test_operators_keep_what_they_promise(name, rng):
    """Schema, results without numbers, and gradients under any transformation of graphs."""
    given, options = calls(rng)[name]
    lengths = options.pop("lengths", None)
    if lengths is not None:
        given = {**given, "lengths": torch.tensor(lengths)}
    function = name.split()[0]
    torch.library.opcheck(_compiled.run, (function, ",".join(given), repr(options), list(given.values())))


@pytest.mark.parametrize("name", ["lfilter zi", "nlfilter", "gru", "lstm"])
def test_compiled_functions(name, rng):
    given, options = calls(rng)[name]
    ours, _ = functions(name)

    def error(given):
        return sum(part.square().sum() for part in flat(ours(**given, **options)))

    desired, found = error(given), compiled(error)(given)
    torch.testing.assert_close(found, desired)
    slopes = (torch.autograd.grad(value, list(given.values())) for value in (found, desired))
    torch.testing.assert_close(*slopes)


def test_compiled_with_constants(rng):
    x = torch.from_numpy(rng.standard_normal((2, 24)))

    def function(x):
        y, zf = st.lfilter([0.5, 1], np.array([1.0, -0.5]), 2 * x, zi=0.0)
        return y + 1, zf

    torch.testing.assert_close(compiled(function)(x), function(x))
    weights = [w.detach().double() for w in st.GRU(24, 2).parameters()]
    torch.testing.assert_close(compiled(lambda x: st.gru(x, *weights))(x), st.gru(x, *weights))


def test_compiled_modules(rng):
    net, head = st.GRU(1, 3, num_layers=2, bidirectional=True, batch_first=True), torch.nn.Linear(6, 1)
    both = [*net.parameters(), *head.parameters()]

    def error(x):
        return head(net(x)[0]).square().mean()

    quick = torch.compile(error, backend="aot_eager")  # PyTorch breaks the graph at any recurrent module
    for sequences in (2, 3):
        x = torch.from_numpy(rng.standard_normal((sequences, 8, 1))).float()
        desired, found = error(x), quick(x)
        torch.testing.assert_close(found, desired)
        torch.testing.assert_close(torch.autograd.grad(found, both), torch.autograd.grad(desired, both))
    chain = torch.nn.Sequential(st.IIR(2), torch.nn.Tanh(), st.SOS(2, stable=True), st.NonlinearIIR(2, 1), st.FIR(3))
    x = torch.from_numpy(rng.standard_normal((2, 24))).float()
    torch.testing.assert_close(compiled(chain)(x), chain(x))


DYNAMIC = {
    "sequences": lambda x, w: st.gru(x, *w)[0],
    "channels": lambda x, w: st.lfilter([1.0, 0.5], [1.0, -0.5], x[..., 0].T, axis=0),
    "state": lambda x, w: st.lfilter([1.0, 0.5], [1.0, -0.5], x[..., 0], zi=torch.zeros(len(x), 1))[1],
    "forward and backward": lambda x, w: st.filtfilt([1.0, 0.5], [1.0, -0.5], x[..., 0]),
    "filters for channels": lambda x, w: st.lfilter(w[1], [1.0], x.transpose(1, 2).expand(-1, 6, -1)),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_signals_of_any_size_share_a_graph(name, rng):
    graphs, function = [], DYNAMIC[name]
    weights = [torch.from_numpy(rng.standard_normal(shape)) for shape in ((6, 1), (6, 2))]

    def counting(graph, _):
        graphs.append(graph)
        return graph.forward

    quick = torch.compile(function, backend=counting, fullgraph=True)
    for sequences, steps in ((4, 30), (5, 40), (6, 50), (7, 31), (3, 23)):
        x = torch.from_numpy(rng.standard_normal((sequences, steps, 1)))
        torch.testing.assert_close(quick(x, weights), function(x, weights))
    assert len(graphs) == 2  # one for the first sizes alone, one for any


def test_activations_of_ones_own_are_refused(rng):
    cube = sigrnn.Activation(lambda e: e**3, lambda e: 3 * e**2)
    x = torch.from_numpy(rng.standard_normal(8))
    with pytest.raises(Exception, match="takes activations by name"):
        compiled(lambda x: st.nlfilter([1.0], [1.0], x, activation=cube))(x)
