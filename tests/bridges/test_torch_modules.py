"""Modules of `sigrnn.torch`: layers are PyTorch's own in all they give, filters are those of their coefficients."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import scipy.signal

import sigrnn

torch = pytest.importorskip("torch")

import sigrnn.torch as st  # noqa: E402

pad, pack, unpack = (
    getattr(torch.nn.utils.rnn, name) for name in ("pad_sequence", "pack_padded_sequence", "pad_packed_sequence")
)

INPUTS, HIDDEN, BATCH, STEPS = 2, 3, 4, 6
KINDS = "RNN", "GRU", "LSTM"


def pair(kind, **options):
    """PyTorch's module and ours, with the same weights."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(INPUTS, HIDDEN, dtype=torch.float64, **options)
    ours = getattr(st, kind)(INPUTS, HIDDEN, dtype=torch.float64, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def numbers(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape))


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def assert_alike(theirs, ours, x, hx=None):
    """Outputs, final states, and gradients of weights, inputs and initial states."""
    given = [x.data if isinstance(x, torch.nn.utils.rnn.PackedSequence) else x, *([] if hx is None else parts(hx))]
    results = []
    for net in (theirs, ours):
        output, state = net(x) if hx is None else net(x, hx)
        data = output.data if isinstance(output, torch.nn.utils.rnn.PackedSequence) else output
        error = data.square().sum() + sum((k + 2) * part.square().sum() for k, part in enumerate(parts(state)))
        slopes = torch.autograd.grad(error, [*given, *net.parameters()])
        results.append((output, state, slopes))
    torch.testing.assert_close(*(r[1:] for r in results), rtol=1e-9, atol=1e-9)
    first, second = (r[0] for r in results)
    if isinstance(first, torch.nn.utils.rnn.PackedSequence):
        assert isinstance(second, torch.nn.utils.rnn.PackedSequence)
        torch.testing.assert_close([p for p in second if p is not None], [p for p in first if p is not None])
    else:
        assert second.is_contiguous() or not first.is_contiguous()
        torch.testing.assert_close(second, first, rtol=1e-9, atol=1e-9)


def initial(rng, kind, *shape):
    states = [numbers(rng, *shape).requires_grad_() for _ in range(2 if kind == "LSTM" else 1)]
    return tuple(states) if kind == "LSTM" else states[0]


@pytest.mark.parametrize(
    ("layers", "bias", "batch_first", "bidirectional"),
    [*itertools.product((1, 2), (True, False), (True, False), (True, False))],
)
@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_torch(kind, layers, bias, batch_first, bidirectional, rng):
    theirs, ours = pair(kind, num_layers=layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional)
    shape = (BATCH, STEPS, INPUTS) if batch_first else (STEPS, BATCH, INPUTS)
    runs = layers * (2 if bidirectional else 1)
    assert_alike(theirs, ours, numbers(rng, *shape).requires_grad_())
    assert_alike(theirs, ours, numbers(rng, *shape).requires_grad_(), initial(rng, kind, runs, BATCH, HIDDEN))
    alone = numbers(rng, STEPS, INPUTS).requires_grad_()
    assert_alike(theirs, ours, alone, initial(rng, kind, runs, HIDDEN))


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences(kind, ordered, rng):
    theirs, ours = pair(kind, num_layers=2, bidirectional=True)
    lengths = [6, 5, 3, 1] if ordered else [3, 6, 1, 5]
    padded = numbers(rng, STEPS, BATCH, INPUTS).requires_grad_()
    packed = pack(padded, lengths, enforce_sorted=ordered)
    assert_alike(theirs, ours, packed)
    assert_alike(theirs, ours, packed, initial(rng, kind, 4, BATCH, HIDDEN))
    output, state = ours(padded, lengths=lengths)  # the same without packing
    desired, final = ours(packed)
    torch.testing.assert_close(output, unpack(desired)[0])
    torch.testing.assert_close(state, final)
    with pytest.raises(ValueError, match="give one of both"):
        ours(packed, lengths=lengths)


def test_rectified_units(rng):
    assert_alike(*pair("RNN", nonlinearity="relu"), numbers(rng, STEPS, BATCH, INPUTS).requires_grad_())


def test_dropout_is_between_layers_and_in_training(rng):
    _, ours = pair("GRU", num_layers=2, dropout=0.5)
    x = numbers(rng, STEPS, BATCH, INPUTS)
    _, plain = pair("GRU", num_layers=2)
    torch.testing.assert_close(ours.eval()(x), plain(x))
    torch.manual_seed(1)
    first = ours.train()(x)[0]
    assert not torch.allclose(first, plain(x)[0])
    torch.manual_seed(1)
    torch.testing.assert_close(ours(x)[0], first)
    torch.testing.assert_close(ours(x)[1][0], plain(x)[1][0])  # the first layer has seen all
    _, whole = pair("GRU", num_layers=2, dropout=1.0)
    blind = whole.train()(x)[0]  # its second layer sees zeros: all sequences are the same
    torch.testing.assert_close(blind, blind[:, :1].expand_as(blind))


def test_state_dict_goes_back_to_torch(rng):
    theirs, ours = pair("LSTM", num_layers=2, bidirectional=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    optimiser = torch.optim.SGD(ours.parameters(), 0.1)
    x = numbers(rng, STEPS, BATCH, INPUTS)
    ours(x)[0].square().sum().backward()
    optimiser.step()
    assert not torch.allclose(theirs(x)[0], ours(x)[0])
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(theirs(x), ours(x))
    assert isinstance(ours, torch.nn.LSTM)
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        torch.testing.assert_close(twin(x), ours(x))


def test_wrong_shapes_say_so(rng):
    _, ours = pair("LSTM")
    with pytest.raises(ValueError, match="LSTM: expected input to be 2D or 3D, got 1D"):
        ours(torch.ones(3, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="Expected 2, got 5"):
        ours(torch.ones(3, 5, dtype=torch.float64))
    state = torch.ones(1, 2, HIDDEN, dtype=torch.float64)
    x = torch.ones(STEPS, 1, INPUTS, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"Expected hidden size \(1, 1, 3\) of h in hx, got \(1, 2, 3\)"):
        ours(x, (state, state))
    with pytest.raises(RuntimeError, match="hx must hold h, c of LSTM, got 1"):
        ours(x, state)
    with pytest.raises(NotImplementedError, match="proj_size"):
        st.LSTM(INPUTS, HIDDEN, proj_size=2)


# -------------------------------------------------------------------------------------------------------------- filters


def filters():
    return {
        "FIR": st.FIR(4, dtype=torch.float64),
        "IIR": st.IIR(2, dtype=torch.float64),
        "IIR stable": st.IIR(4, 2, stable=True, dtype=torch.float64),
        "SOS": st.SOS(2, dtype=torch.float64),
        "SOS stable": st.SOS(2, stable=True, dtype=torch.float64),
        "NonlinearIIR": st.NonlinearIIR(3, 2, dtype=torch.float64),
        "IIR of channels": st.IIR(2, channels=3, dtype=torch.float64),
        "SOS of channels": st.SOS(2, channels=3, dtype=torch.float64),
    }


def arrays_of(net):
    """What sigrnn itself computes with the module's coefficients."""
    with torch.no_grad():
        if isinstance(net, st.SOS):
            return sigrnn.sosfilt, (net.sos.numpy(),), {}
        if isinstance(net, st.FIR):
            return sigrnn.lfilter, (net.b.numpy(), [1.0]), {}
        b, a = net.b.numpy(), net.a.numpy()
        if isinstance(net, st.NonlinearIIR):
            return sigrnn.nlfilter, (b, a), {"bias": net.bias.numpy()}
        return sigrnn.lfilter, (b, a), {}


@pytest.mark.parametrize("name", list(filters()))
def test_filter_is_that_of_its_coefficients(name, rng):
    torch.manual_seed(0)
    net, x = filters()[name], numbers(rng, 2, 3, 24)
    function, coefficients, options = arrays_of(net)
    torch.testing.assert_close(net(x).detach().numpy(), function(*coefficients, x.numpy(), **options))
    first, state = net(x[..., :10], 0.0)
    second, _ = net(x[..., 10:], state)
    torch.testing.assert_close(torch.cat([first, second], -1), net(x))
    parameters = dict(net.named_parameters())

    def output(*values):
        return torch.func.functional_call(net, dict(zip(parameters, values, strict=True)), (x[:1, :, :8],))

    assert torch.autograd.gradcheck(output, tuple(parameters.values()))
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(twin(x), net(x))
    assert type(net).__name__ in repr(net)


@pytest.mark.parametrize("stable", [False, True])
def test_filters_start_from_designs(stable, rng):
    x = numbers(rng, 200)
    b, a = scipy.signal.cheby1(5, 1.0, 0.3)
    net = st.IIR.from_coefficients(2 * b, 2 * a, stable=stable, dtype=torch.float64)
    np.testing.assert_allclose(net(x).detach(), scipy.signal.lfilter(b, a, x), rtol=0, atol=1e-11)
    sos = scipy.signal.butter(6, 0.2, output="sos")
    cascade = st.SOS.from_sections(sos, stable=stable, dtype=torch.float64)
    np.testing.assert_allclose(cascade(x).detach(), scipy.signal.sosfilt(sos, x), rtol=0, atol=1e-11)
    each = st.SOS.from_sections(np.stack([sos, sos]), stable=stable, dtype=torch.float64)
    torch.testing.assert_close(each(x.expand(2, -1))[1], cascade(x))


def test_stable_filters_cannot_leave(rng):
    net, cascade = st.IIR(5, stable=True, dtype=torch.float64), st.SOS(3, stable=True, dtype=torch.float64)
    with torch.no_grad():
        net.feedback.copy_(3 * numbers(rng, 5))
        cascade.feedback.copy_(3 * numbers(rng, 3, 2))
        poles = [np.roots(net.a.numpy()), *map(np.roots, cascade.sos[:, 3:].numpy())]
    assert all(np.abs(p).max() < 1 for p in poles)
    with pytest.raises(ValueError, match=r"must start from a stable filter, got reflection coefficients \[-1\.5\]"):
        st.IIR.from_coefficients([1.0], [1.0, -1.5], stable=True)


@pytest.mark.parametrize(
    "make", [lambda: st.FIR(0), lambda: st.IIR(-1), lambda: st.SOS(1.5), lambda: st.FIR(2, channels=0)]
)
def test_sizes_are_counted(make):
    with pytest.raises(ValueError, match="must be an integer of at least"):
        make()


def test_a_filter_is_found_by_training(rng):
    torch.manual_seed(0)
    x = numbers(rng, 1000)
    desired = st.lfilter([0.5, 0.2], [1.0, -0.8], x)
    net = st.IIR(1, stable=True, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def error():
        optimiser.zero_grad()
        value = (net(x) - desired).square().mean()
        value.backward()
        return value

    optimiser.step(error)
    torch.testing.assert_close(net.a.detach(), torch.tensor([1.0, -0.8], dtype=torch.float64), rtol=0, atol=1e-4)
    torch.testing.assert_close(net.b.detach(), torch.tensor([0.5, 0.2], dtype=torch.float64), rtol=0, atol=1e-4)
