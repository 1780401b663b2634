"""`sigrnn.torch`: values are sigrnn's, gradients what `gradcheck` finds, and torch's own ways of calling work."""

import numpy as np
import pytest
from helpers import run_in_fresh_process

import sigrnn

torch = pytest.importorskip("torch")

import sigrnn.torch as st  # noqa: E402
from sigrnn.torch import _private  # noqa: E402

# torch itself calls what it deprecates, when it checks forward mode
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")

gradcheck = torch.autograd.gradcheck

HIDDEN, INPUTS, BATCH, STEPS = 3, 2, 2, 6
POLES = [1.0, -0.9, 0.5]
SOS = [[0.3, 0.1, 0.2, 1.0, -0.5, 0.2], [1.0, 0.5, 0.1, 1.0, 0.3, 0.4]]


def noise(rng, *shape, dtype=torch.float64):
    """A leaf that wants a gradient."""
    numbers = torch.from_numpy(rng.standard_normal(shape))
    if dtype.is_complex:
        numbers = numbers + 1j * torch.from_numpy(rng.standard_normal(shape))
    return numbers.to(dtype).requires_grad_()


def leaf(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def layer_weights(rng, gates, dtype=torch.float64):
    rows = gates * HIDDEN
    return [noise(rng, *shape, dtype=dtype) for shape in ((rows, INPUTS), (rows, HIDDEN), (rows,), (rows,))]


def calls(rng, dtype=torch.float64):
    """Each function, its arguments by name, and its options."""
    b, a, x, sos = noise(rng, 3, dtype=dtype), leaf(POLES, dtype), noise(rng, 2, 24, dtype=dtype), leaf(SOS, dtype)
    state, steps = noise(rng, 2, 2, dtype=dtype), noise(rng, BATCH, STEPS, INPUTS, dtype=dtype)
    h0, c0 = noise(rng, BATCH, HIDDEN, dtype=dtype), noise(rng, BATCH, HIDDEN, dtype=dtype)
    names = "w_ih", "w_hh", "b_ih", "b_hh"

    def layer(gates):
        return {"x": steps, **dict(zip(names, layer_weights(rng, gates, dtype), strict=True)), "h0": h0}

    peephole = noise(rng, 3, HIDDEN, dtype=dtype)
    return {
        "lfilter": ({"b": b, "a": a, "x": x}, {}),
        "lfilter zi": ({"b": b, "a": a, "x": x, "zi": state}, {}),
        "lfilter axis 0": ({"b": b, "a": a, "x": x.detach().T.requires_grad_()}, {"axis": 0}),
        "sosfilt": ({"sos": sos, "x": x}, {}),
        "sosfilt zi": ({"sos": sos, "x": x, "zi": noise(rng, 2, 2, 2, dtype=dtype)}, {}),
        "filtfilt": ({"b": b, "a": a, "x": x}, {"padlen": 5}),
        "sosfiltfilt": ({"sos": sos, "x": x}, {"padtype": "even", "padlen": 5}),
        "nlfilter": ({"b": b, "a": a, "x": x, "zi": state, "bias": leaf(0.3, dtype)}, {"activation": "tanh"}),
        "rnn": (layer(1), {}),
        "gru": (layer(3), {"lengths": [4, 6]}),
        "gru before": (layer(3), {"reset_after": False}),
        "lstm": ({**layer(4), "c0": c0}, {}),
        "lstm peephole": ({**layer(4), "c0": c0, "peephole": peephole}, {}),
        "dense": (
            {"x": x, "v": noise(rng, 4, 24, dtype=dtype), "bias": noise(rng, 4, dtype=dtype)},
            {"activation": "tanh"},
        ),
    }


NAMES = list(calls(np.random.default_rng(0)))


def flat(value):
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple) else [value]


def functions(name):
    return getattr(st, name.split()[0]), getattr(sigrnn, name.split()[0])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.float64) for name in NAMES), ("lfilter zi", torch.float32), ("gru", torch.float32)],
)
def test_values_are_those_of_sigrnn(name, dtype, rng):
    given, options = calls(rng, dtype)[name]
    ours, theirs = functions(name)
    arrays = {key: tensor.detach().numpy() for key, tensor in given.items()}
    desired = flat(theirs(**arrays, **options))
    with torch.no_grad():
        plain = ours(**given, **options)
    taped = ours(**given, **options)
    assert isinstance(plain, tuple) == isinstance(taped, tuple) == (len(desired) > 1)
    for number, found in enumerate((plain, taped)):
        for mine, other in zip(flat(found), desired, strict=True):
            assert mine.requires_grad == bool(number)
            assert mine.numpy(force=True).dtype == other.dtype
            assert_near = np.testing.assert_allclose  # a call that keeps its gates may round otherwise
            assert_near(mine.numpy(force=True), other, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-13)


def outputs_of(name, given, options):
    """The function of these tensors, for `gradcheck`; it must not touch a[0] of sections, which is 1."""
    ours, _ = functions(name)

    def outputs(*tensors):
        named = dict(zip(given, tensors, strict=True))
        if "sos" in named:
            named["sos"] = torch.where(torch.arange(6) == 3, torch.tensor(1.0), named["sos"])
        return tuple(flat(ours(**named, **options)))

    return outputs


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name, rng):
    given, options = calls(rng)[name]
    assert gradcheck(outputs_of(name, given, options), tuple(given.values()), check_forward_ad=True)


@pytest.mark.parametrize("name", ["lfilter zi", "sosfilt zi", "filtfilt"])
def test_gradcheck_of_complex_signals(name, rng):
    given, options = calls(rng)[name]
    given = {
        key: t if key in ("b", "a", "sos") else noise(rng, *t.shape, dtype=torch.complex128) for key, t in given.items()
    }
    assert gradcheck(outputs_of(name, given, options), tuple(given.values()))


def test_only_some_arguments_want_a_gradient(rng):
    given, _ = calls(rng)["lfilter zi"]
    whole = torch.autograd.grad(st.lfilter(**given)[0].square().sum(), list(given.values()))
    for (key, tensor), desired in zip(given.items(), whole, strict=True):
        others = {name: other.detach() for name, other in given.items()}
        y, _ = st.lfilter(**{**others, key: tensor})
        (found,) = torch.autograd.grad(y.square().sum(), [tensor])
        torch.testing.assert_close(found, desired)
    y, _ = st.lfilter(**others)
    assert not y.requires_grad


def test_constants_are_arrays_lists_or_numbers(rng):
    x = noise(rng, 24, dtype=torch.float32)
    listed = st.lfilter([0.5], POLES, x)
    assert listed.dtype == torch.float32
    wide = st.lfilter(np.array([0.5]), np.array(POLES), x)
    assert wide.dtype == torch.float64
    torch.testing.assert_close(listed.double(), wide)
    y = st.lfilter([1, 1], 1.0, x)
    torch.testing.assert_close(y[1:], x[1:] + x[:-1])
    (found,) = torch.autograd.grad(y.sum(), [x])
    assert found.tolist() == [2.0] * 23 + [1.0]
    assert st.lfilter([1j], 1.0, x).dtype == torch.complex64
    y, zf = st.lfilter([0.5], POLES, x, zi=0.0)
    assert torch.equal(y, listed)
    assert zf.shape == (2,)
    assert st.lfilter([1.0], [1.0, -0.5], [8.0, 0.0]).tolist() == [8.0, 4.0]


def test_mixed_dtypes_promote(rng):
    x, b = noise(rng, 24, dtype=torch.float32), noise(rng, 3)
    y = st.lfilter(b, leaf(POLES, torch.float32), x)
    assert y.dtype == torch.float64
    y.sum().backward()
    assert (x.grad.dtype, b.grad.dtype) == (torch.float32, torch.float64)
    assert st.lfilter(torch.tensor([1, 2]), leaf(POLES), torch.arange(5)).dtype == torch.float64
    assert st.lfilter(torch.tensor([1, 2]), torch.tensor([1]), torch.arange(5)).dtype == torch.get_default_dtype()


def test_memory_is_shared(rng):
    array = np.ones(1000)
    tensor = torch.from_numpy(array)
    from sigrnn.torch._bridge import array_of, tensor_of

    assert np.shares_memory(array_of(tensor.requires_grad_()), array)
    assert np.shares_memory(tensor_of(array).numpy(), array)
    backwards, frozen = tensor_of(array[::-1]), tensor_of(np.broadcast_to(1.0, 3))
    assert (backwards.tolist(), frozen.tolist()) == ([1.0] * 1000, [1.0] * 3)


def test_views_that_are_only_marked(rng):
    x = noise(rng, 24, dtype=torch.complex128).detach()
    torch.testing.assert_close(st.lfilter([1.0], POLES, x.conj()), st.lfilter([1.0], POLES, x).conj())


def test_a_second_gradient_is_refused(rng):
    b, x = noise(rng, 3), noise(rng, 24)
    (first,) = torch.autograd.grad(st.lfilter(b, POLES, x).sum(), x, create_graph=True)  # depends on b
    with pytest.raises(RuntimeError, match="first order only"):
        torch.autograd.grad(first.sum(), b)
    with pytest.raises(RuntimeError, match="first order only"):
        first.sum().backward()


def test_layouts_that_are_not_contiguous(rng):
    whole = noise(rng, 48, 3, dtype=torch.float64)
    for x in (whole.T, whole.T[:, ::2], whole.T[:, :24].flip(-1), whole[:, :1].T.expand(4, 48)):
        straight = x.detach().contiguous().requires_grad_()
        b = leaf([0.5, 0.25])
        pair = [(st.lfilter(b, POLES, each), each) for each in (x, straight)]
        torch.testing.assert_close(pair[0][0], pair[1][0])
        found, desired = (torch.autograd.grad((y * y).sum(), [b, each]) for y, each in pair)
        torch.testing.assert_close(found, desired)


@pytest.mark.parametrize("name", ["lfilter", "sosfilt", "nlfilter", "gru", "lstm"])
def test_changes_in_place_do_not_reach_the_gradient(name, rng):
    """Memory is shared with the arrays that are computed with, so the backward pass must use copies."""
    given, options = calls(rng)[name]
    ours, _ = functions(name)

    def slopes(spoilt):
        parts = flat(ours(**given, **options))
        error = sum((part * torch.arange(1.0, part.numel() + 1).reshape(part.shape)).sum() for part in parts)
        with torch.no_grad():
            for tensor in [*given.values(), *parts] * spoilt:
                tensor.mul_(2.0)
        return torch.autograd.grad(error, list(given.values()))

    desired = slopes(False)
    torch.testing.assert_close(slopes(True), desired)


def test_backward_twice_and_accumulation(rng):
    x = noise(rng, 24)
    y = st.lfilter([1.0], POLES, x)
    y.sum().backward(retain_graph=True)
    once = x.grad.clone()
    y.sum().backward()
    torch.testing.assert_close(x.grad, 2 * once)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x.to("meta"), ValueError, "x is a meta tensor"),
        (lambda x: x.to_sparse(), TypeError, r"give x.to_dense\(\)"),
        (lambda x: x.half(), TypeError, r"give x.float\(\)"),
        (lambda x: x.bfloat16(), TypeError, r"give x.float\(\)"),
        (lambda x: x[0, 0], ValueError, "x must be at least 1-D"),
    ],
)
def test_what_is_not_served_says_what_to_do(change, error, message):
    with pytest.raises(error, match=message):
        st.lfilter([1.0], POLES, change(torch.ones(2, 3)))


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors is in prototype")
def test_masked_samples_are_refused():
    """They would ring through the output."""
    gap = [False, False, True, False]
    masked = np.ma.array([0.0, 0.0, 1e9, 0.0], mask=gap)
    with pytest.raises(TypeError, match=r"x is masked, .*: fill the gaps, give x.filled\(value\)"):
        st.lfilter([1.0], [1.0, -0.5], masked)
    with pytest.raises(TypeError, match="b is masked"):
        st.lfilter(masked, [1.0], torch.ones(3))
    tensor = torch.masked.masked_tensor(torch.from_numpy(masked.data), ~torch.tensor(gap))
    with pytest.raises(TypeError, match=r"x is masked, .*: fill the gaps, give x.to_tensor\(value\)"):
        st.lfilter([1.0], [1.0, -0.5], tensor)
    assert st.lfilter([1.0], [1.0, -0.5], tensor.to_tensor(0.0)).tolist() == [0.0] * 4


def test_another_device_says_what_to_do():
    class Elsewhere:
        is_cpu, device = False, torch.device("cuda", 0)

    from sigrnn.torch._bridge import check

    with pytest.raises(ValueError, match=r"x is on cuda:0: sigrnn computes on the CPU, give x.cpu\(\)"):
        check("x", Elsewhere())


def test_errors_are_those_of_sigrnn():
    with pytest.raises(ValueError, match="w_ih has shape"):
        st.gru(torch.ones(4, 2), torch.ones(3, 1), torch.ones(3, 1))
    with pytest.raises(ValueError, match="a\\[0\\]"):
        st.lfilter([1.0], [0.0, 1.0], torch.ones(3))


# --------------------------------------------------------------------------------------------------------- torch.func


def error_of(b, x):
    return st.lfilter(b, POLES, x).square().sum()


def test_private_names():
    """What PyTorch has no public name for is in `_private`, and means what is written there."""
    for owner, name in (
        (torch._C, "_are_functorch_transforms_active"),
        (torch._C._functorch, "maybe_current_level"),
        (torch.autograd.forward_ad, "_current_level"),
    ):
        assert hasattr(owner, name), (
            f"PyTorch {torch.__version__} has moved {owner}.{name}: see sigrnn/torch/_private.py"
        )
    assert not _private.transforming()
    assert not _private.forward_mode()
    seen = []

    def noted(x):
        seen.append((_private.transforming(), _private.level()))
        return x.sum()

    x = torch.ones(2, 3)
    torch.func.grad(noted)(x)
    torch.func.vmap(torch.func.grad(noted))(x)
    (active, outer), (both, inner) = seen
    assert (active, both) == (True, True)
    assert inner > outer
    with torch.autograd.forward_ad.dual_level():
        assert _private.forward_mode()
    with torch.autograd.forward_ad.dual_level():
        made = torch.autograd.forward_ad.make_dual(x, x)
        tangent = torch.autograd.forward_ad.unpack_dual(st.lfilter([2.0], [1.0], made)).tangent
        assert torch.equal(tangent, 2 * x)


def test_gradients_of_samples(rng):
    b, many = noise(rng, 3).detach(), noise(rng, 4, 2, 24).detach()
    single = torch.stack([torch.func.grad(error_of)(b, x) for x in many])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(error_of), (None, 0))(b, many), single)
    last = torch.func.vmap(torch.func.grad(error_of), (None, 2))(b, many.movedim(0, 2))
    torch.testing.assert_close(last, single)
    total = torch.func.grad(lambda b: torch.func.vmap(error_of, (None, 0))(b, many).sum())(b)
    torch.testing.assert_close(total, single.sum(0))


def test_jacobians(rng):
    b, many = noise(rng, 3).detach(), noise(rng, 2, 24).detach()

    def filtered(b, x):
        return st.lfilter(b, POLES, x, zi=0.0)

    back, forth = torch.func.jacrev(filtered)(b, many[0]), torch.func.jacfwd(filtered)(b, many[0])
    for one, other in zip(back, forth, strict=True):
        torch.testing.assert_close(one, other)
    each = torch.func.vmap(torch.func.jacrev(filtered), (None, 0))(b, many)  # a vmap within, and one around
    torch.testing.assert_close(each[0][0], back[0])
    with pytest.raises(RuntimeError, match="first order only"):
        torch.func.hessian(error_of)(b, many[0])


def test_vmap_of_a_layer_with_weights_of_its_own(rng):
    x = noise(rng, STEPS, INPUTS).detach()
    models = [[w.detach() for w in layer_weights(rng, 4)] for _ in range(3)]
    stacked = [torch.stack(each) for each in zip(*models, strict=True)]
    h, (h_n, c_n) = torch.func.vmap(lambda *w: st.lstm(x, *w))(*stacked)
    for i, weights in enumerate(models):
        desired = st.lstm(x, *weights)
        torch.testing.assert_close((h[i], (h_n[i], c_n[i])), desired)


# ------------------------------------------------------------------------------------------------- against torch's own


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_layers_are_those_of_torch(kind, gates, rng):
    net = getattr(torch.nn, kind)(INPUTS, HIDDEN, batch_first=True, dtype=torch.float64)
    x = noise(rng, BATCH, STEPS, INPUTS)
    slope = noise(rng, BATCH, STEPS, HIDDEN).detach()
    h, state = net(x)
    desired = torch.autograd.grad((h * slope).sum(), [x, *net.parameters()])
    mine, final = getattr(st, kind.lower())(x, *net.parameters())
    torch.testing.assert_close(mine, h)
    torch.testing.assert_close(final[0] if gates == 4 else final, (state[0] if gates == 4 else state)[0])
    found = torch.autograd.grad((mine * slope).sum(), [x, *net.parameters()])
    torch.testing.assert_close(found, desired)


@pytest.mark.parametrize("channels", [(), (3,), (2, 3)])
def test_lfilter_is_that_of_torchaudio(channels, rng):
    theirs = pytest.importorskip("torchaudio.functional").lfilter
    b, a, x = noise(rng, 3), leaf(POLES), noise(rng, *channels, 400)
    slope = torch.randn_like(x)
    y, desired = st.lfilter(b, a, x), theirs(x, a, b, clamp=False)
    torch.testing.assert_close(y, desired, rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad((y * slope).sum(), [b, a, x])
    for mine, other in zip(found, torch.autograd.grad((desired * slope).sum(), [b, a, x]), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


# ------------------------------------------------------------------------------------------------------ other processes


class Filtered(torch.utils.data.Dataset):
    """Filtered impulses, made by the workers of a loader."""

    def __len__(self):
        return 4

    def __getitem__(self, n):
        x = torch.zeros(16)
        x[n] = 1.0
        return st.lfilter([1.0], POLES, x)


@pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")  # JAX, if it was imported by other tests
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_loader(start):
    data = Filtered()
    with sigrnn.set_workers(2):  # threads before the fork
        st.sosfilt(torch.tensor(SOS), torch.ones(64, 20_000))
        loader = torch.utils.data.DataLoader(data, 2, num_workers=1, multiprocessing_context=start, timeout=120)
        found = torch.cat(list(loader))
    torch.testing.assert_close(found, torch.stack([data[n] for n in range(4)]))


MISTAKES = {
    "coefficients": (lambda: st.lfilter("b", [1.0], torch.ones(5)), TypeError, "b must be numbers, got dtype <U1"),
    "signal": (lambda: st.sosfiltfilt([[1, 0, 0, 1, 0, 0]], "x"), TypeError, "x must be numbers, got dtype <U1"),
    "uneven lists": (lambda: st.nlfilter([[1, 2], [3]], [1.0], torch.ones(5)), ValueError, "b must be an array, got"),
    "activation": (lambda: st.NonlinearIIR(2, 1, activation="tahn"), ValueError, "unknown activation 'tahn'"),
    "sequence": (lambda: st.LSTM(2, 2)(None), TypeError, "input must be a tensor or a PackedSequence, got None"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(mistake):
    call, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        call()


def test_import_of_sigrnn_leaves_torch_alone():
    run_in_fresh_process("import sys, sigrnn; assert 'torch' not in sys.modules")
    run_in_fresh_process("import sys, sigrnn.torch; assert 'torch._dynamo' not in sys.modules")


def test_without_torch():
    code = "import sys; sys.modules['torch'] = None\ntry:\n    import sigrnn.torch\nexcept ModuleNotFoundError as e:\n    print(e)"
    assert "pip install 'sigrnn[torch]'" in run_in_fresh_process(code)
