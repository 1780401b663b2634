"""Adaptive filters in the frequency domain: long filters whose weights are updated once a block, `FDAF` and `PBFDAF`.

Outputs are exact from the first sample of a block on, without latency: what the samples before the block contribute is found
when it begins, by Fourier transform; the rest concerns the first partition alone and is summed sample by sample.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from sigrnn._arrays import F8, Array, whole
from sigrnn._kernels.adaptive.sizes import BLOCK_SPAN, BLOCKS, KEEP, NEWEST, NORMALISED, SMOOTHING, STOP, TAKEN
from sigrnn._kernels.aside import completed
from sigrnn._lookup import Kernels, entry_point
from sigrnn.adaptive.parameters import Parameter, Regularisation, Relative
from sigrnn.adaptive.step_sizes import SuggestsStep
from sigrnn.adaptive.stepped import SteppedFilter
from sigrnn.workers import get_workers

LONGEST = 1 << 31  # samples: transforms are no longer
SINGLE = {"f": "f", "d": "f", "F": "F", "D": "F"}


@cache
def transforms() -> Any:
    """SciPy's Fourier transforms, loaded at the first use."""
    return completed(import_module, "scipy.fft")


@cache
def compiled(dtype: str) -> tuple[Any, Any, Any]:
    """The loops: samples of a block, steps of spectra, products of spectra."""
    block_lms, fdaf = Kernels("adaptive.block_lms"), Kernels("adaptive.fdaf")
    return entry_point(block_lms.span(dtype)), fdaf.gradients(dtype), fdaf.filtered(dtype.lower())


class SpectralFilter(SuggestsStep, SteppedFilter):
    """Overlap-save with K partitions: what `FDAF` (K = 1) and `PBFDAF` share."""

    _learnt = ("w", "power")
    _alternate = False  # whether only the first partition and one other are constrained at each update
    eps = Regularisation()
    smoothing = Parameter(SMOOTHING, "at least 0 and below 1", lambda share: 0.0 <= share < 1.0)

    def __init__(
        self,
        n_taps: int,
        mu: float,
        block: int | None = None,
        eps: float = Relative(1e-3),
        *,
        normalised: bool = True,
        smoothing: float = 0.9,
        dtype: DTypeLike | None = None,
        **settings: Any,
    ) -> None:
        taps = whole("n_taps", n_taps, 1)
        self._block, self._part = self._sizes(taps, None if block is None else whole("block", block, 1))
        for name, size in (("n_taps", taps), ("block", self._block)):
            if size >= LONGEST:
                raise ValueError(f"{name} must be below {LONGEST}, got {size}")
        self._parts = -(-taps // self._part)
        self._size: int | None = None
        try:
            kind = np.dtype(F8 if dtype is None else dtype)
        except TypeError:
            raise TypeError(f"dtype must be float32 or float64, got {dtype!r}") from None
        if kind.char not in "fd":
            raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
        self._single = kind.char == "f"
        if self._single:
            self._tiny = 1e-30
        super().__init__(n_taps, mu, **settings)
        self.eps, self.smoothing = eps, smoothing
        self._p[NORMALISED] = bool(normalised)
        self._given |= {"block": self._block, "normalised": bool(normalised), "dtype": kind.name}

    def _sizes(self, taps: int, block: int | None) -> tuple[int, int]:
        """Samples of a block, and taps of a partition."""
        raise NotImplementedError

    @property
    def block(self) -> int:
        return self._block

    @property
    def normalised(self) -> bool:
        return bool(self._p[NORMALISED])

    def _points(self) -> int:
        """Samples of a transform, a size that is fast."""
        if self._size is None:
            self._size = int(transforms().next_fast_len(self._part + self._block - 1, real=True))
        return self._size

    def _arrays(self, channels: int, dtype: np.dtype[Any]) -> dict[str, Array]:
        number = np.dtype(SINGLE[dtype.char] if self._single else dtype)
        real = np.dtype(number.char.lower())
        spectrum = np.dtype(number.char.upper())
        size = self._points()
        bins = size if number.kind == "c" else size // 2 + 1
        return {
            "w": np.zeros((channels, self.n_taps), number),
            "weights": np.zeros((channels, self._parts, bins), spectrum),
            "spectra": np.zeros((channels, self._parts, bins), spectrum),
            "recent": np.zeros((channels, size), number),  # the input up to the last block's end
            "now": np.zeros((channels, self._block + 2 * BLOCK_SPAN), number),
            "past": np.zeros(self._block + BLOCK_SPAN, number),
            "errors": np.zeros(self._block, number),
            "power": np.zeros(bins, real),
            "mean": np.zeros(bins + 1, real),  # power of the bins, and of a sample, over all blocks
        }

    def _restart(self, fresh: dict[str, Array]) -> None:
        self._state["counts"][BLOCKS] = 0
        super()._restart(fresh)

    def _reassigned(self) -> None:
        super()._reassigned()
        s = self._state
        s["errors"][: s["counts"][TAKEN]] = 0.0  # of other weights
        s["weights"][...] = self._forward(self._cut(s["w"]))
        self._look_ahead(self._forward(self._shifted()))

    def _widened(self, wide: dict[str, Array]) -> dict[str, Array]:
        size = self._points()
        state = {name: a.astype(wide[name].dtype) for name, a in self._state.items()}
        sample, state["mean"] = state["mean"][-1:], state["mean"][:-1]
        for name in ("weights", "spectra", "power", "mean"):  # the other half of a transform of real numbers
            half = state[name]
            state[name] = np.concatenate([half, np.conj(half[..., size - half.shape[-1] : 0 : -1])], axis=-1)
        state["mean"] = np.concatenate([state["mean"], sample])
        return state

    def _at_once(self, n: int) -> bool:
        return super()._at_once(n) and bool(self._state) and int(self._state["counts"][TAKEN]) + n < self._block

    def _valid(self) -> bool:
        counts = self._state["counts"]
        return super()._valid() and bool(counts[TAKEN] < self._block and counts[NEWEST] < self._parts)

    def _ready(self) -> None:
        super()._ready()
        self._quick = None  # the end of a block takes more than one run of compiled code
        s = self._state
        kind, size = s["w"].dtype, self._points()
        self._run_span, self._run_gradients, self._run_filtered = compiled(kind.char)
        self._run_out = np.empty(self._block + BLOCK_SPAN, kind)
        self._run_gains = np.empty(s["power"].size + 1, s["power"].dtype)
        channels = s["w"].shape[0]
        self._run_stage = np.zeros((2 * channels + 1, size), kind)
        self._run_sum = np.empty(s["weights"].shape[-1], s["weights"].dtype)
        self._run_step = np.empty(s["weights"].shape, s["weights"].dtype)
        self._run_parts = np.zeros((channels, self._parts, size), kind)

    def _draft(self) -> Self:
        """Its state is its own; what is written before it is read in every block is this filter's: 15 us a block less."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__.pop("_busy", None)
        other._state = {name: a.copy() for name, a in self._state.items()}
        if other._state:
            other._run_view = other._to_front(other._state["w"])
        return other

    def _to_front(self, w: Array) -> Array:
        return w.T if self._columns else w[0]

    def _to_inner(self, w: Array) -> Array:
        return (w if w.ndim == 2 else w[:, None]).T

    # ------------------------------------------------------------------------------------------ block by block

    def _run(self, x: Array, d: Array, y: Array, e: Array, history: Array) -> int:
        s = self._state
        counts = s["counts"]
        rest = s["levels"], counts, self._first, self._policy
        state = s["w"], s["now"], s["past"], self._run_out, s["errors"], *rest
        n, learned = 0, False
        while n < len(d):
            n += self._run_span(x[n:], d[n:], y[n:], e[n:], history[n:], *state)
            if counts[STOP]:
                break
            if counts[TAKEN] == self._block:
                self._learn(history.shape[0] > 0)
                learned = True
        if learned and self._alternate:
            self._look_back()
        return n

    @property
    def _first(self) -> int:
        return min(self._part, self.n_taps)

    def _learn(self, look_back: bool) -> None:
        """The end of a block: transform it, step the weights, and see what they make of the past."""
        s, stage, size, block = self._state, self._run_stage, self._points(), self._block
        counts, channels = s["counts"], len(s["w"])
        s["recent"][:, : size - block] = s["recent"][:, block:]
        s["recent"][:, size - block :] = s["now"][:, BLOCK_SPAN : BLOCK_SPAN + block]
        stage[:channels] = s["recent"]
        stage[channels : 2 * channels] = self._shifted()
        stage[2 * channels, size - block :] = s["errors"]
        spectra = self._forward(stage)
        newest = (counts[NEWEST] + 1) % self._parts
        s["spectra"][:, newest] = spectra[:channels]
        counts[NEWEST], counts[TAKEN], before = newest, 0, counts[BLOCKS]
        counts[BLOCKS] += 1
        powers = s["power"], s["mean"], self._run_gains
        known = s["spectra"], newest, s["recent"], spectra[-1], *powers, before, self._p
        if self._alternate:
            self._run_gradients(*known, s["weights"], self._p[KEEP])
            self._constrain()
            if look_back:
                self._look_back()
        else:
            self._run_gradients(*known, self._run_step, 0.0)
            self._descend()
        self._look_ahead(spectra[channels : 2 * channels])

    def _descend(self) -> None:
        """Step weights in time, so that they end where they should."""
        s, part, taps = self._state, self._part, self.n_taps
        steps = self._backward(self._run_step)[..., :part].reshape(len(s["w"]), -1)[:, :taps]
        if self._p[KEEP] != 1.0:
            s["w"] *= self._p[KEEP]
        s["w"] += steps
        s["weights"][...] = self._forward(self._cut(s["w"]))

    def _constrain(self) -> None:
        """Bring the first partition, and each time one of the others, back to its taps; what is beyond them is wrapped around."""
        s, part = self._state, self._part
        chosen = [0] if self._parts == 1 else [0, 1 + int(s["counts"][BLOCKS]) % (self._parts - 1)]
        w = self._backward(s["weights"][:, chosen])
        for i, k in enumerate(chosen):
            w[:, i, min(part, self.n_taps - k * part) :] = 0.0
        s["weights"][:, chosen] = self._forward(w)
        s["w"][:, : self._first] = w[:, 0, : self._first]

    def _look_back(self) -> None:
        """The weights in time, of partitions that are not constrained yet, too."""
        w = self._backward(self._state["weights"][:, 1:])[..., : self._part]
        self._state["w"][:, self._first :] = w.reshape(len(w), -1)[:, : self.n_taps - self._first]

    def _look_ahead(self, shifted: Array) -> None:
        """What all samples so far will contribute to the outputs of the next block."""
        s, block = self._state, self._block
        self._run_filtered(
            s["spectra"], s["counts"][NEWEST], np.ascontiguousarray(shifted), s["weights"], self._run_sum
        )
        s["past"][:block] = self._backward(self._run_sum)[-block:]

    def _shifted(self) -> Array:
        """What the transform of the next block will see of the past."""
        shifted = np.zeros_like(self._state["recent"])
        shifted[:, : -self._block] = self._state["recent"][:, self._block :]
        return shifted

    def _cut(self, w: Array) -> Array:
        """Weights (C, T) as partitions with zeros behind them (C, K, size)."""
        part, taps, out = self._part, self.n_taps, self._run_parts
        whole = taps // part
        out[:, :whole, :part] = w[:, : whole * part].reshape(len(w), whole, part)
        if taps % part:
            out[:, whole, : taps % part] = w[:, whole * part :]
        return out

    def _forward(self, x: Array) -> Array:
        fft = transforms()
        transform = fft.fft if x.dtype.kind == "c" else fft.rfft
        result: Array = transform(x, workers=get_workers())
        return result

    def _backward(self, spectrum: Array) -> Array:
        fft, size = transforms(), self._points()
        transform = fft.ifft if self._state["w"].dtype.kind == "c" else fft.irfft
        result: Array = transform(spectrum, size, workers=get_workers())
        return result
