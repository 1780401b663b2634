"""Training data: sequences of inputs, targets and weights, checked, and stacked in batches for the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sigrnn._arrays import Array, array

PADDED = 0.75  # of the length of the longest in a batch: shorter sequences than that are not padded to it


class Batch(NamedTuple):
    """A batch of sequences, the shorter ones padded with zeros of weight zero."""

    x: Array  # (B, N, inputs)
    t: Array  # (B, N, outputs)
    w: Array  # (B, N, outputs), 0 where nothing counts
    rows: list[int]  # numbers of these sequences
    starts: list[int]  # and where each begins in the user's data
    even: bool  # whether all weights are 1

    @property
    def weights(self) -> Array | None:
        """The weights, as losses take them: None where all are 1."""
        return None if self.even else self.w

    def part(self, span: slice) -> Batch:
        """Return a segment of time."""
        starts = [start + span.start for start in self.starts]
        return Batch(self.x[:, span], self.t[:, span], self.w[:, span], self.rows, starts, self.even)


@dataclass
class Data:
    """Sequences one by one: x (N, inputs), t and w (N, outputs); w is 0 where nothing counts."""

    x: list[Array]
    t: list[Array]
    w: list[Array]
    flat: bool  # targets were given without an axis for outputs
    rows: list[int]
    starts: list[int]

    @property
    def inputs(self) -> int:
        """Number of input channels."""
        return int(self.x[0].shape[1])

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return int(self.t[0].shape[1])

    @property
    def counted(self) -> int:
        """Number of values that count in the loss."""
        return sum(int(np.count_nonzero(w)) for w in self.w)

    def astype(self, dtype: Any) -> Data:
        """Return it in the precision of a model, as contiguous arrays."""
        x, t, w = ([np.ascontiguousarray(a, dtype) for a in arrays] for arrays in (self.x, self.t, self.w))
        return Data(x, t, w, self.flat, self.rows, self.starts)

    def taken(self, which: Iterable[int]) -> Data:
        """Return some of the sequences."""
        which = list(which)
        x, t, w = ([each[k] for k in which] for each in (self.x, self.t, self.w))
        return Data(x, t, w, self.flat, [self.rows[k] for k in which], [self.starts[k] for k in which])

    def without(self, samples: int) -> Data:
        """Return it with the first samples of each sequence left out of the loss."""
        weights = [w.copy() for w in self.w]
        for w in weights:
            w[:samples] = 0.0
        return Data(self.x, self.t, weights, self.flat, self.rows, self.starts)

    def split(self, share: float) -> tuple[Data, Data]:
        """Keep the last sequences, or the last part of a single one, for validation."""
        if len(self.x) > 1:
            held = min(max(round(share * len(self.x)), 1), len(self.x) - 1)
            order = range(len(self.x))
            return self.taken(order[:-held]), self.taken(order[-held:])
        samples = len(self.x[0])
        kept = samples - min(max(round(share * samples), 1), samples - 1)
        first = Data([self.x[0][:kept]], [self.t[0][:kept]], [self.w[0][:kept]], self.flat, self.rows, self.starts)
        return first, self.without(kept)  # run from its beginning, so that the state is that of the samples before

    def cut(self, pieces: int, warmup: int) -> Data:
        """Cut a single sequence into pieces, each but the first with the samples before it as its warm-up."""
        x, t, w = self.x[0], self.t[0], self.w[0]
        size = -(-(len(x) - warmup) // pieces)
        starts = [k * size for k in range(pieces) if k * size + warmup < len(x)]
        spans = [slice(start, start + warmup + size) for start in starts]
        xs, ts, ws = ([each[span] for span in spans] for each in (x, t, w))
        at = [self.starts[0] + start for start in starts]
        return Data(xs, ts, ws, self.flat, self.rows * len(starts), at).without(warmup)

    def batch(self, which: Sequence[int]) -> Batch:
        """Stack sequences, padded with zeros to the longest."""
        longest = max(len(self.x[k]) for k in which)
        x, t, w = (
            np.zeros((len(which), longest, each[0].shape[1]), each[0].dtype) for each in (self.x, self.t, self.w)
        )
        for row, k in enumerate(which):
            for full, each in ((x, self.x), (t, self.t), (w, self.w)):
                full[row, : len(each[k])] = each[k]
        rows, starts = [self.rows[k] for k in which], [self.starts[k] for k in which]
        return Batch(x, t, w, rows, starts, bool((w == 1.0).all()))

    def batches(self, pad: bool) -> list[Batch]:
        """Stack all sequences: those of about one length, or of exactly one length, together."""
        share = PADDED if pad else 1.0
        groups: list[list[int]] = []
        for k in sorted(range(len(self.x)), key=lambda k: -len(self.x[k])):
            if groups and len(self.x[k]) >= share * len(self.x[groups[-1][0]]):
                groups[-1].append(k)
            else:
                groups.append([k])
        return [self.batch(sorted(group)) for group in groups]


def sequences(x: Any, t: Any, weights: Any = None, names: tuple[str, str, str] = ("x", "t", "weights")) -> Data:
    """Check the user's arrays, or lists of sequences, and split them into sequences."""
    xs, many = _taken_apart(x, names[0])
    ts, _ = _taken_apart(t, names[1], many)
    if len(ts) != len(xs):
        raise ValueError(f"{names[1]} has {len(ts)} sequences, {names[0]} has {len(xs)}")
    flat = ts[0].ndim == 1
    for k, (a, b) in enumerate(zip(xs, ts, strict=True)):
        where = f" (sequence {k})" if many else ""
        if b.ndim not in (1, 2) or len(b) != len(a):
            expected = f"({len(a)},) or ({len(a)}, outputs)"
            raise ValueError(f"{names[1]} has shape {b.shape}{where}, expected {expected}: {names[0]} has {a.shape}")
    xs, ts = ([a[:, None] if a.ndim == 1 else a for a in each] for each in (xs, ts))
    for name, each in zip(names, (xs, ts), strict=False):
        widths = {a.shape[1] for a in each}
        if len(widths) > 1:
            raise ValueError(f"{name}: all sequences need the same number of channels, got {sorted(widths)}")
    if not any(map(len, xs)):
        raise ValueError(f"{names[0]} has no samples")
    return Data(xs, ts, _weights(weights, ts, many, names[2]), flat, list(range(len(xs))), [0] * len(xs))


def _taken_apart(given: Any, name: str, many: bool | None = None) -> tuple[list[Array], bool]:
    """Sequences of (N,) or (N, C), and whether there are several; `many`: how to read an array."""
    if isinstance(given, list | tuple) and any(isinstance(a, np.ndarray) and a.ndim for a in given):
        return [_real(a, f"{name}[{k}]") for k, a in enumerate(given)], True
    try:
        found = _real(given, name)
    except ValueError:
        if isinstance(given, list | tuple) and given and all(isinstance(a, list | tuple) for a in given):
            return [_real(a, f"{name}[{k}]") for k, a in enumerate(given)], True  # lists of different length
        raise
    if many is None and found.ndim not in (1, 2, 3):
        raise ValueError(f"{name} has shape {found.shape}, expected (N,), (N, I) or (B, N, I), or a list of sequences")
    if many or (many is None and found.ndim == 3):
        if found.ndim < 2:
            raise ValueError(f"{name} has shape {found.shape}, expected a first axis for the sequences")
        return list(found), True
    return [found], False


def _real(given: Any, name: str) -> Array:
    found = array(name, given)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {found.dtype}, expected real numbers")
    if found.ndim == 0:
        raise ValueError(f"{name} is a single number, expected a signal")
    return found if found.dtype.kind == "f" else found.astype(float)


def _weights(weights: ArrayLike | None, ts: list[Array], many: bool, name: str) -> list[Array]:
    if weights is None:
        return [np.ones(t.shape) for t in ts]
    if many and not isinstance(weights, list | tuple) and np.ndim(weights) == 1:
        weights = [np.asarray(weights)] * len(ts)  # one for each time, the same in all sequences
    given, _ = _taken_apart(weights, name, many)
    if len(given) != len(ts):
        raise ValueError(f"{name} has {len(given)} sequences, t has {len(ts)}")
    found = []
    for w, t in zip(given, ts, strict=True):
        if w.shape not in {(len(t),), (len(t), 1), t.shape}:
            raise ValueError(f"{name} has shape {w.shape}, expected {(len(t),)} or {t.shape}, one for each sample of t")
        if not (np.isfinite(w).all() and (w >= 0).all()):
            raise ValueError(f"{name} must be finite and not negative")
        found.append(np.broadcast_to(w.reshape(len(t), -1), t.shape))
    return found
