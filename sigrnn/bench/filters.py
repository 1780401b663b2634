"""Filters, gradients and layers over a signal: each benchmark is a case, one entry of a table.

The floors and aims are ratios to SciPy, or to another reference, that the project promises and hopes for. How each
library is asked is in `bindings`, how the clock is read in `timing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
import scipy.signal

from .bindings import EXPECTED, OURS, PEERS
from .peers import HOLD, Array, Binding, Inputs, Peer

MILLION = 1_000_000
Design = Callable[["Case"], Mapping[str, Array]]


@dataclass(frozen=True)
class Case:
    """One thing to measure: which filter, over which signal, and what is promised.

    Parameters
    ----------
    name, group : str
        What it is called, and under which heading it stands.
    function : str
        Whom to ask, and for what: a key of `bindings.OURS` and `bindings.PEERS`.
    design : callable
        Makes the coefficients or weights, as the fields of `Inputs`, from the case.
    samples, channels : int
        Size of the signal; one channel is a 1-D array. For a layer: steps, and sequences.
    hidden, inputs : int
        For a layer: its units, and what they see in a step. No units: a filter.
    axis : int
        Where time runs: -1, or 0 for channels side by side in memory.
    dtype : str
        Of the signal; the coefficients have its precision.
    floor, aim : float, optional
        Ratio to the reference below which the project is broken, and the one it is after.
    tolerance : float
        Largest difference from the expected result, as a share of that result's largest value.
    workers : int
        Threads allowed, to all libraries alike.
    zi, out, dy : bool
        Whether a state is handed in (and comes back), whether sigrnn writes into a given array, and whether there is a
        gradient of the output, to be pulled back.
    steps : int
        Calls in a row whose results are compared: above 1 where a call leaves a state behind.
    headline : bool
        Whether it is in the README.
    """

    name: str
    group: str
    function: str
    design: Design
    samples: int = MILLION
    channels: int = 1
    hidden: int = 0
    inputs: int = 1
    axis: int = -1
    dtype: str = "float64"
    floor: float | None = None
    aim: float | None = None
    tolerance: float = 1e-9
    workers: int = 1
    zi: bool = False
    out: bool = False
    dy: bool = False
    steps: int = 1
    headline: bool = False

    @property
    def ours(self) -> Binding:
        """How sigrnn is asked."""
        return OURS[self.function]

    @property
    def peers(self) -> dict[str, Peer]:
        """How the others are asked, by name; the first is the reference."""
        return PEERS[self.function]

    @property
    def reference(self) -> str:
        """Whose time the ratio is about."""
        return next(iter(self.peers))

    @property
    def expected(self) -> Binding:
        """What makes the result that all have to return: the reference, if nothing else is known."""
        return EXPECTED.get(self.function, self.peers[self.reference].bind)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the signal."""
        if self.hidden:
            return (*([self.channels] if self.channels > 1 else []), self.samples, self.inputs)
        if self.channels == 1:
            return (self.samples,)
        return (self.samples, self.channels) if self.axis == 0 else (self.channels, self.samples)

    @property
    def shape_out(self) -> tuple[int, ...]:
        """Shape of what comes out."""
        return (*self.shape[:-1], self.hidden) if self.hidden else self.shape

    def setup(self, seed: int = 0) -> Inputs:
        """Make the inputs: white noise and the coefficients.

        Parameters
        ----------
        seed : int
            Of the noise.

        Returns
        -------
        Inputs
            The signal, the filter and how it is to run.
        """
        rng, dtype = np.random.default_rng(seed), np.dtype(self.dtype)
        x = rng.standard_normal(self.shape, np.float32 if dtype == np.float32 else np.float64)
        if dtype.kind == "c":
            x = x + 1j * rng.standard_normal(self.shape)
        coefficients = {name: value.astype(x.real.dtype) for name, value in self.design(self).items()}
        inputs = Inputs(x, **coefficients, axis=self.axis)
        zi = rng.standard_normal(_state_shape(coefficients)) if self.zi else None
        dy = rng.standard_normal(self.shape_out).astype(x.dtype) if self.dy else inputs.dy
        return replace(inputs, zi=zi, out=np.empty_like(x) if self.out else None, dy=dy)

    def limited(self, total: int) -> Case:
        """Return the case with at most about `total` samples in all channels together.

        Parameters
        ----------
        total : int
            The limit.

        Returns
        -------
        Case
            The same filter over a shorter signal, or the case itself.
        """
        return replace(self, samples=min(self.samples, max(total // self.channels, HOLD)))


def _state_shape(coefficients: Mapping[str, Array]) -> tuple[int, ...]:
    if "sos" in coefficients:
        return (coefficients["sos"].shape[0], 2)
    return (max(coefficients["a"].size, coefficients["b"].size) - 1,)


# ------------------------------------------------------------------------------------------------------------- designs


def _ba(order: int, cutoff: float | tuple[float, float] = 0.2, btype: str = "lowpass") -> Design:
    return lambda _: dict(zip("ba", scipy.signal.butter(order, cutoff, btype), strict=True))


def _sections(n: int, cutoff: float = 0.2) -> Design:
    return lambda _: {"sos": scipy.signal.butter(2 * n, cutoff, output="sos")}


def _taps(n: int) -> Design:
    return lambda _: {"b": scipy.signal.firwin(n, 0.2), "a": np.ones(1)}


def _elliptic(_: Case) -> dict[str, Array]:
    return dict(zip("ba", scipy.signal.ellip(6, 0.1, 80, 0.3), strict=True))


def _all_pole(_: Case) -> dict[str, Array]:
    return {"b": np.ones(1), "a": scipy.signal.butter(4, 0.2)[1]}


def _unit(taps: int, feedback: bool) -> Design:
    # One unit of a network: it reaches into the curved part of tanh, and forgets within ten samples or so.
    return lambda _: {"b": 0.5 ** np.arange(taps), "a": np.array([1.0, -0.8, 0.3] if feedback else [1.0])}


def _weights(gates: int) -> Design:
    # A layer as it is before training, with as many rows of weights for each unit as it has gates.
    def design(case: Case) -> dict[str, Array]:
        rng, rows = np.random.default_rng(case.hidden), gates * case.hidden
        shapes = {"w_ih": (rows, case.inputs), "w_hh": (rows, case.hidden), "b_ih": (rows,), "b_hh": (rows,)}
        return {name: rng.uniform(-1, 1, shape) / sqrt(case.hidden) for name, shape in shapes.items()}

    return design


def _biquads(cutoffs: Array) -> tuple[Array, Array]:
    # Butterworth low-passes of order 2 in closed form, one a row: a million calls of scipy.signal.butter take minutes.
    k = np.tan(np.pi / 2 * cutoffs)
    scale = 1 / (1 + sqrt(2) * k + k * k)
    b = (k * k * scale)[:, None] * np.array([1.0, 2.0, 1.0])
    a = np.stack([np.ones_like(k), 2 * (k * k - 1) * scale, (1 - sqrt(2) * k + k * k) * scale], -1)
    return b, a


def _one_each(case: Case) -> dict[str, Array]:
    b, a = _biquads(np.linspace(0.05, 0.4, case.channels))
    return {"b": b, "a": a}


def _sections_each(case: Case) -> dict[str, Array]:
    b, a = _biquads(np.linspace(0.05, 0.4, case.channels))
    return {"sos": np.tile(np.concatenate([b, a], -1)[:, None], (1, 2, 1))}


def _sweep(case: Case) -> dict[str, Array]:
    holds = -(-case.samples // HOLD)
    b, a = (np.repeat(rows, HOLD, 0)[: case.samples] for rows in _biquads(np.linspace(0.05, 0.4, holds)))
    return {"b": b, "a": a}


# --------------------------------------------------------------------------------------------------------------- cases

_ONE = "One channel, a million samples"
_MANY = "Many channels"
_FIR = "FIR filters, a million samples"
_SHORT = "Short blocks"
_MORE = "More filters"
_GRADIENTS = "Gradients"
_NONLINEAR = "Nonlinear filters"
_LAYERS = "Recurrent layers"

# Groups whose steps are samples that come at such a rate, in Hz: the page says how many times faster they are taken.
RATES = {_LAYERS: 48_000}

NOTES = {
    _GRADIENTS: (
        "`vjp` from the first sample to the last gradient: value, `db`, `da` (or `dsos`) and `dx`. SciPy has no "
        "gradients; its time is that of its filter alone. torchaudio's and philtorch's is that of their forward and "
        "backward passes. All gradients are compared with those made of SciPy's filters over reversed time."
    ),
    _NONLINEAR: (
        "`nlfilter` with 'tanh', compared with a loop in plain Python. `np.tanh` and the C library's tanh (*libm*, in a "
        "compiled loop) run over the same array and filter nothing: they tell what one tanh costs. Where NumPy has "
        "AVX-512, its tanh takes about 1 ns; the floors were set where it takes 14 ns. *Pull-back* is the way back "
        "alone, beside the way forward. The *torch loop* is the same recursion in Python under PyTorch's autograd, "
        "forward and backward."
    ),
    _LAYERS: (
        "`lstm`, `gru` and `rnn` of H units in float32, over B sequences of I inputs, one where the row does not say, "
        "beside the modules of PyTorch (*torch*) with the same weights. *Samples x channels* are steps and sequences. "
        "*Backward* gives the gradients of all weights, biases and inputs, by `vjp`. Outputs, final states and gradients "
        "are compared with PyTorch's. *A step* is sigrnn's time for one step of all sequences, *real time* how many "
        "times faster that is than sound at 48 kHz comes in, a sample a step."
    ),
}


def _orders() -> list[Case]:
    promised = {1: (4, 8), 2: (5, 8), 4: (4, 7), 8: (2.5, 4)}
    return [
        Case(f"lfilter order {n}", _ONE, "lfilter", _ba(n), floor=floor, aim=aim, headline=n in (2, 8))
        for n, (floor, aim) in promised.items()
    ]


def _one_channel() -> list[Case]:
    low, slow, sections = _ba(2), _ba(2, 0.001), _sections(4)
    # Plain float32 arithmetic, which SciPy does, is what limits agreement: 5e-7 of the largest value at this order.
    single = Case("lfilter order 2, float32", _ONE, "lfilter", low, dtype="float32", tolerance=1e-5, floor=5, aim=10)
    return [
        *_orders(),
        Case("lfilter order 2, cut-off 0.001", _ONE, "lfilter", slow, floor=3, aim=7),
        single,
        Case("sosfilt 4 sections", _ONE, "sosfilt", sections, floor=5, aim=10, headline=True),
        Case("filtfilt order 4", _ONE, "filtfilt", _ba(4), floor=4, aim=8, headline=True),
    ]


def _many_channels() -> list[Case]:
    wide = partial(Case, group=_MANY, samples=16_384, channels=64)
    ba, sos = partial(wide, function="lfilter", design=_ba(4)), partial(wide, function="sosfilt", design=_sections(4))
    return [
        ba("lfilter order 4, 64 channels x 16k, axis -1", floor=4, aim=8),
        ba("lfilter order 4, 16k x 64 channels, axis 0", axis=0, floor=5, aim=12, headline=True),
        sos("sosfilt 4 sections, 16k x 64 channels, axis 0", axis=0, floor=6, aim=12),
        *_probe(),
        wide("lfilter, a filter for each of 64 channels", function="lfilter batch", design=_one_each),
        wide("sosfilt, a filter for each of 64 channels", function="sosfilt batch", design=_sections_each),
    ]


def _probe() -> list[Case]:
    # Ten seconds from a probe in the brain: what spike sorting filters. About 1 GB an array.
    probe = partial(Case, group=_MANY, function="sosfilt", design=_sections(2), samples=300_000, channels=384)
    both = partial(probe, out=True, workers=2, floor=5, aim=12, headline=True)
    return [
        both("sosfilt 2 sections, 384 channels x 30 kHz x 10 s, axis -1, 2 workers"),
        both("sosfilt 2 sections, 30 kHz x 10 s x 384 channels, axis 0, 2 workers", axis=0),
    ]


def _fir() -> list[Case]:
    promised = {8: (3, 5), 32: (5, 10), 128: (2.5, 5), 512: (2, 4), 4096: (4, 20)}
    return [
        Case(f"FIR {n} taps", _FIR, "fir", _taps(n), floor=floor, aim=aim, headline=n in (32, 4096))
        for n, (floor, aim) in promised.items()
    ]


def _short_blocks() -> list[Case]:
    block = partial(Case, group=_SHORT, samples=64, zi=True, headline=True)
    streams = (("order 4", "stream", _ba(4)), ("4 sections", "stream sos", _sections(4)))
    return [
        block("64 samples with zi, lfilter", function="lfilter", design=_ba(4), floor=2.5, aim=4),
        block("64 samples with zi, sosfilt", function="sosfilt", design=_sections(4), floor=8, aim=25),
        *(
            Case(f"Stream, blocks of {n}, {what}", _SHORT, function, design, n, steps=3)
            for n in (1, 64, 512)
            for what, function, design in streams
        ),
    ]


def _more() -> list[Case]:
    case = partial(Case, group=_MORE)
    return [
        case("lfilter elliptic order 6", function="lfilter", design=_elliptic),
        case("lfilter band-pass order 8", function="lfilter", design=_ba(4, (0.1, 0.2), "bandpass")),
        case("lfilter order 4, complex", function="lfilter", design=_ba(4), dtype="complex128"),
        case("lfilter all-pole order 4", function="all-pole", design=_all_pole),
        case("lfilter_tv order 2", function="lfilter_tv", design=_sweep),
        case("sosfilt 4 sections, float32", function="sosfilt", design=_sections(4), dtype="float32", tolerance=1e-5),
        case("sosfiltfilt 4 sections", function="sosfiltfilt", design=_sections(4)),
    ]


def _gradients() -> list[Case]:
    case = partial(Case, group=_GRADIENTS, dy=True)
    whole = partial(case, function="lfilter vjp")
    wide = partial(whole, samples=32_768, channels=32)
    cascade = partial(case, function="sosfilt vjp", design=_sections(4))
    beside = partial(case, design=_ba(2), floor=8, aim=20)
    what = "value and all gradients (SciPy: value alone)"
    promised = {1: (1.2, 2.5), 2: (1.2, 2.5), 4: (1, 2), 8: (0.7, 1.2)}
    return [
        *(
            whole(f"vjp lfilter order {n}: {what}", design=_ba(n), floor=floor, aim=aim, headline=n == 2)
            for n, (floor, aim) in promised.items()
        ),
        wide(f"vjp lfilter order 2, 32 channels: {what}", design=_ba(2), floor=1.2, aim=3),
        cascade(f"vjp sosfilt 4 sections: {what}", floor=0.7, aim=1.5, headline=True),
        *(beside(f"vjp lfilter order 2, beside {who}", function=f"{who} vjp") for who in ("torchaudio", "philtorch")),
    ]


def _nonlinear() -> list[Case]:
    case = partial(Case, group=_NONLINEAR, function="nlfilter", design=_unit(3, True), samples=100_000)
    pulled = partial(case, function="nlfilter pull-back", dy=True)
    trained = partial(case, function="nlfilter vjp", dy=True, samples=20_000)
    return [
        case("nlfilter tanh order 2", floor=0.59, aim=1),
        case("nlfilter tanh order 2, 16 channels", samples=16_384, channels=16, floor=3.3, aim=8.3),
        case("nlfilter tanh, FIR 5 taps", design=_unit(5, False)),
        pulled("nlfilter tanh order 2, pull-back", floor=2, aim=5),
        trained("nlfilter tanh order 2, value and all gradients", floor=2000, aim=10_000),
    ]


def _layers() -> list[Case]:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}
    # Layer, units, sequences, inputs; floor and aim forward, floor and aim forward and backward.
    promised = (
        ("LSTM", 8, 1, 1, (5, 12), (5, 18)),
        ("LSTM", 16, 1, 1, (5, 11), (4, 13)),
        ("LSTM", 40, 1, 1, (2.5, 5), (2.5, 6)),
        ("LSTM", 128, 1, 1, (1, 1.8), (1, 1.9)),
        ("LSTM", 32, 16, 1, (1.5, 3), (1.5, 3.5)),
        ("LSTM", 64, 16, 64, (1, 1.7), (1, 2)),
        ("GRU", 8, 1, 1, (100, 250), (80, 1000)),
        ("GRU", 32, 1, 1, (40, 100), (60, 400)),
        ("GRU", 32, 16, 1, (5, 12), (8, 30)),
        ("RNN", 16, 1, 1, (50, 250), (60, 600)),
    )
    case = partial(Case, group=_LAYERS, samples=2048, dtype="float32", tolerance=1e-5)
    found = []
    for layer, hidden, sequences, inputs, forward, both in promised:
        sizes = {"H": hidden, "I": inputs, "B": sequences}
        name = " ".join([layer, *(f"{letter}{size}" for letter, size in sizes.items() if size > 1)])
        sized = partial(case, design=_weights(gates[layer]), channels=sequences, hidden=hidden, inputs=inputs)
        function = layer.lower()
        found += [
            sized(f"{name}: forward", function=function, floor=forward[0], aim=forward[1]),
            sized(f"{name}: forward and backward", function=f"{function} vjp", dy=True, floor=both[0], aim=both[1]),
        ]
    return found


CASES: tuple[Case, ...] = (
    *_one_channel(),
    *_many_channels(),
    *_fir(),
    *_short_blocks(),
    *_more(),
    *_gradients(),
    *_nonlinear(),
    *_layers(),
)
