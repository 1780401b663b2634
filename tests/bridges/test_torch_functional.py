"""`sigrnn.torch.functional`: torchaudio's filters. The numbers below are impulse responses of torchaudio 2.9.1, in double."""

import math

import numpy as np
import pytest
import scipy.signal

torch = pytest.importorskip("torch")
from sigrnn.torch import functional as F  # noqa: E402

RATE = 16_000
RESPONSES = [  # of 0.5, 0, 0, ...
    (
        "lowpass_biquad",
        (RATE, 1000.0),
        {},
        [0.0149768093658206, 0.0517328471522068, 0.0816096931198607, 0.0889813173667689],
    ),
    (
        "lowpass_biquad",
        (RATE, 1000.0, 2.0),
        {},
        [0.0173684612779882, 0.0640274084121062, 0.111010103621484, 0.134363411128955],
    ),
    (
        "highpass_biquad",
        (RATE, 1000.0),
        {},
        [0.378526012146442, -0.206600704502616, -0.13919027655212, -0.0838189202111632],
    ),
    (
        "bandpass_biquad",
        (RATE, 1000.0),
        {},
        [0.106497178487737, 0.15486785735041, 0.0575805834322594, -0.00516239715560569],
    ),
    (
        "bandpass_biquad",
        (RATE, 1000.0, 3.0),
        {"const_skirt_gain": True},
        [0.089934767191631, 0.156214341287599, 0.102255045518173, 0.0401321355038712],
    ),
    (
        "bandreject_biquad",
        (RATE, 1000.0),
        {},
        [0.393502821512263, -0.15486785735041, -0.0575805834322595, 0.00516239715560567],
    ),
    ("band_biquad", (RATE, 1000.0), {}, [0.0974267738839877, 0.131272264304849, 0.120970312558151, 0.0876683955856934]),
    (
        "band_biquad",
        (RATE, 1000.0, 2.0),
        {"noise": True},
        [0.114940432900512, 0.191598381148598, 0.224932876171627, 0.217507607011195],
    ),
    (
        "allpass_biquad",
        (RATE, 1000.0),
        {},
        [0.287005643024526, -0.309735714700819, -0.115161166864519, 0.0103247943112113],
    ),
    (
        "equalizer_biquad",
        (RATE, 1000.0, 6.0),
        {},
        [0.580014402350884, 0.124074878189992, 0.0580998748544413, 0.00591823183299583],
    ),
    (
        "bass_biquad",
        (RATE, -6.0),
        {},
        [0.495204478542784, -0.00953748783384578, -0.00942380207072502, -0.00929751191375504],
    ),
    (
        "treble_biquad",
        (RATE, 6.0),
        {},
        [0.764833250897779, -0.290363235864037, -0.0301137740197258, 0.0454216411032916],
    ),
    ("deemph_biquad", (44_100,), {}, [0.230175389431594, 0.100467842064852, 0.0620722055046091, 0.0389063483799563]),
    ("deemph_biquad", (48_000,), {}, [0.223846369263096, 0.0958954392004666, 0.0613261594159101, 0.0398930937660963]),
    ("riaa_biquad", (44_100,), {}, [0.119030611631604, 0.116510947838464, 0.0923359171863357, 0.0751379200098898]),
    ("riaa_biquad", (48_000,), {}, [0.10986891154293, 0.107365372603166, 0.087247178508303, 0.0723132967200606]),
    ("riaa_biquad", (88_200,), {}, [0.0633553176025975, 0.0638309323073719, 0.0570615130035964, 0.0512381291352659]),
    ("riaa_biquad", (96_000,), {}, [0.0585739105152542, 0.0593397761100232, 0.0535082500255965, 0.0484290857716634]),
    ("biquad", (0.1, 0.2, 0.3, 2.0, -0.5, 0.2), {}, [0.025, 0.05625, 0.0865625, 0.016015625]),
]


def double(rng, *shape, size=0.1):
    return torch.from_numpy(size * rng.standard_normal(shape))


@pytest.mark.parametrize(("name", "args", "options", "desired"), RESPONSES)
def test_numbers(rng, name, args, options, desired):
    impulse = torch.zeros(2, 3, 4, dtype=torch.float64)
    impulse[..., 0] = 0.5
    y = getattr(F, name)(impulse, *args, **options)
    np.testing.assert_allclose(y, np.broadcast_to(desired, (2, 3, 4)), rtol=0, atol=1e-14)
    single = getattr(F, name)(impulse.float(), *args, **options)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, y, atol=1e-6)


def test_against_torchaudio(rng):
    theirs = pytest.importorskip("torchaudio").functional
    x = double(rng, 2, 3, 200)
    for name, args, options, _ in RESPONSES:
        np.testing.assert_allclose(
            getattr(F, name)(x, *args, **options), getattr(theirs, name)(x, *args, **options), atol=1e-12
        )


def gain(name, frequency, rate, *args):
    """In dB, of a filter at a frequency."""
    impulse = torch.zeros(1 << 17, dtype=torch.float64)
    impulse[0] = 1e-3
    y = getattr(F, name)(impulse, rate, *args) * 1e3
    return 20 * math.log10(abs(np.exp(-2j * np.pi * frequency / rate * np.arange(len(y))) @ y.numpy()))


def test_what_they_do():
    assert abs(gain("lowpass_biquad", 0.0, RATE, 1000.0)) < 1e-6
    assert abs(gain("highpass_biquad", RATE / 2, RATE, 1000.0)) < 1e-6
    assert abs(gain("lowpass_biquad", 1000.0, RATE, 1000.0) + 3.0) < 0.02
    assert abs(gain("bandpass_biquad", 1000.0, RATE, 1000.0)) < 1e-6
    assert gain("bandreject_biquad", 1000.0, RATE, 1000.0) < -200.0
    assert abs(gain("equalizer_biquad", 1000.0, RATE, 1000.0, 6.0) - 6.0) < 1e-6
    assert abs(gain("bass_biquad", 0.0, RATE, 6.0) - 6.0) < 1e-4
    assert abs(gain("treble_biquad", RATE / 2, RATE, -6.0) + 6.0) < 1e-4
    for frequency in (100.0, 1000.0, 5000.0):
        assert abs(gain("allpass_biquad", frequency, RATE, 1000.0)) < 1e-6
    for rate in (44_100, 48_000, 88_200, 96_000):
        assert abs(gain("riaa_biquad", 1000.0, rate)) < 1e-6


def test_lfilter_and_filtfilt(rng):
    b, a = scipy.signal.butter(2, 0.2)
    x = double(rng, 2, 3, 300, size=2.0)
    desired = scipy.signal.lfilter(b, a, x.numpy())
    y = F.lfilter(x, torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(y, np.clip(desired, -1, 1), atol=1e-13)
    assert np.abs(desired).max() > 1.0
    np.testing.assert_allclose(F.lfilter(x, torch.from_numpy(a), torch.from_numpy(b), False), desired, atol=1e-12)
    back = scipy.signal.lfilter(b, a, desired[..., ::-1])[..., ::-1]
    np.testing.assert_allclose(F.filtfilt(x, torch.from_numpy(a), torch.from_numpy(b), clamp=False), back, atol=1e-12)
    np.testing.assert_allclose(
        F.filtfilt(x, torch.from_numpy(a), torch.from_numpy(b)), np.clip(back, -1, 1), atol=1e-12
    )


def test_several_filters(rng):
    a, b = torch.tensor([[1.0, -0.5], [2.0, 0.3]]).double(), torch.tensor([[0.3, 0.5], [0.1, 0.3]]).double()
    x = double(rng, 4, 2, 50)
    y = F.lfilter(x, a, b)
    each = F.lfilter(x[:, 0], a, b, batching=False)
    assert y.shape == (4, 2, 50)
    assert each.shape == (4, 2, 50)
    for i in range(2):
        np.testing.assert_allclose(y[:, i], F.lfilter(x[:, i], a[i], b[i]), atol=1e-15)
        np.testing.assert_allclose(each[:, i], F.lfilter(x[:, 0], a[i], b[i]), atol=1e-15)
        np.testing.assert_allclose(F.filtfilt(x, a, b)[:, i], F.filtfilt(x[:, i], a[i], b[i]), atol=1e-15)


def test_gradients(rng):
    x = double(rng, 2, 2, 12).requires_grad_()
    a = torch.tensor([[1.0, -0.5, 0.2], [1.5, 0.3, 0.1]]).double().requires_grad_()
    b = torch.tensor([[0.3, 0.5, 0.1], [0.1, 0.3, 0.2]]).double().requires_grad_()
    assert torch.autograd.gradcheck(F.lfilter, (x, a, b))
    assert torch.autograd.gradcheck(F.filtfilt, (x, a, b))
    assert torch.autograd.gradcheck(lambda *c: F.lfilter(*c, batching=False), (x, a, b))
    given = [torch.tensor(value).double().requires_grad_() for value in (1000.0, 6.0, 0.9)]
    assert torch.autograd.gradcheck(
        lambda x, f, g, q: 1e3 * F.equalizer_biquad(x, RATE, f, g, q), (x, *given), atol=1e-4
    )
    assert torch.autograd.gradcheck(lambda x, g: F.treble_biquad(x, RATE, g), (x, given[1]))
    loud = torch.tensor([5.0, 0.1, 0.1]).double().requires_grad_()
    F.biquad(loud, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0).sum().backward()
    assert loud.grad.tolist() == [0.0, 1.0, 1.0]  # as those of torch.clamp


def test_wrong_arguments():
    x, one = torch.zeros(2, 8), torch.ones(2)
    with pytest.raises(ValueError, match=r"must have the same shape, got \(2,\) and \(3,\)"):
        F.lfilter(x, one, torch.ones(3))
    with pytest.raises(ValueError, match=r"must have one axis or two, got shape \(1, 1, 2\)"):
        F.lfilter(x, one[None, None], one[None, None])
    with pytest.raises(
        ValueError, match=r"waveform must have shape \(..., 3, time\), a channel for each filter, got \(2, 8\)"
    ):
        F.lfilter(x, torch.ones(3, 2), torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"sample_rate must be 44100 .* got 16000"):
        F.deemph_biquad(x, RATE)
    with pytest.raises(ValueError, match="sample_rate must be one of 44100, 48000, 88200, 96000, got 16000"):
        F.riaa_biquad(x, RATE)
