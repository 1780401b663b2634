"""Zero-phase filters over recordings larger than memory: `sosfiltfilt`, `filtfilt`, and `raw` files as arrays.

A recording is anything that is sliced as NumPy's arrays are: a memory map, a data set of h5py, an array of Zarr.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, TypedDict, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from sigrnn._arrays import F8, NATIVE, Array, array, time_axis, whole
from sigrnn._utils import progress as _progress
from sigrnn.filters._coefficients import check_first, coefficients, inner, sections
from sigrnn.filters._options import saturate
from sigrnn.filters._passes import continuation, edge_length, taps_of
from sigrnn.filters.streams import Stream

__all__ = ["filtfilt", "raw", "sosfiltfilt"]

Path = str | os.PathLike[str]
Memmap = np.memmap[Any, np.dtype[Any]]
Out = TypeVar("Out")  # an array that can be written

PIECE = 1 << 21  # samples of all channels taken at a time


class Keywords(TypedDict, total=False):
    """Keyword-only arguments of `filtfilt` and `sosfiltfilt`."""

    block: int | None
    folder: Path | None
    progress: bool


def raw(
    path: str | os.PathLike[str],
    channels: int,
    dtype: DTypeLike = np.int16,
    *,
    samples: int | None = None,
    offset: int = 0,
) -> Memmap:
    """
    Open a file of samples without a header as an array (samples, channels), which stays on disk.

    Parameters
    ----------
    path : str or path
        The file. Channels of a sample lie side by side.
    channels : int
        How many.
    dtype : dtype, default int16
        Of the numbers in the file: '>i2' for big-endian ones.
    samples : int, optional
        Create a new file of this length, replacing an old one; by default the file is opened for reading.
    offset : int, default 0
        Bytes before the first sample.

    Returns
    -------
    numpy.memmap, shape (samples, channels)
        The samples.

    Raises
    ------
    ValueError
        If the file does not hold a whole number of samples.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sigrnn import offline
    >>> path = os.path.join(tempfile.mkdtemp(), "probe.raw")
    >>> offline.raw(path, 4, samples=100)[...] = 7
    >>> offline.raw(path, 4).shape
    (100, 4)
    """
    channels, kind = whole("channels", channels, 1), np.dtype(dtype)
    if samples is not None:
        return np.memmap(path, kind, "w+", offset, (whole("samples", samples, 1), channels))
    size = os.path.getsize(path) - whole("offset", offset, 0)
    count, rest = divmod(size, channels * kind.itemsize)
    if rest or count < 1:
        raise ValueError(
            f"{os.fspath(path)} must hold a whole number of samples of {channels} channels of {kind}, "
            f"{channels * kind.itemsize} bytes each; got {size} bytes"
        )
    return np.memmap(path, kind, "r", offset, (count, channels))


@overload
def sosfiltfilt(
    sos: ArrayLike,
    x: Any,
    out: Path,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Keywords],
) -> Memmap: ...
@overload
def sosfiltfilt(
    sos: ArrayLike,
    x: Any,
    out: Out,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Keywords],
) -> Out: ...
def sosfiltfilt(
    sos: ArrayLike,
    x: Any,
    out: Out | Path,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    *,
    block: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Out | Memmap:
    r"""
    Filter a recording on disk forward and backward with second-order sections.

    .. math:: Y(e^{i\omega}) = |H(e^{i\omega})|^2 X(e^{i\omega})

    Parameters
    ----------
    sos : array_like, shape (S, 6)
        Second-order sections.
    x : array_like on disk, or path
        The recording: a `numpy.memmap`, a data set of h5py, a Zarr array, or another object with `shape`, `dtype` and
        slices; the path of an ``.npy`` file; or an array.
    out : array on disk, or path
        Where the result goes, of the shape of `x`; it may be `x` itself. Integers are rounded to nearest and saturated.
        A path makes an ``.npy`` file, of float64 (complex128 if `x` is complex).
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; by default three times the number of taps of the whole filter.
    block : int, optional
        Samples taken at a time; by default two million over all channels. The result does not depend on it.
    folder : path, optional
        Folder of the temporary file, which has 8 bytes a sample, 16 if complex. By default that of `out` if it is a
        file, else the system's.
    progress : bool, default True
        Whether a bar shows how far it is, where tqdm is installed.

    Returns
    -------
    array on disk
        `out`, or the memory map that was made.

    Raises
    ------
    ValueError
        If shapes do not fit, `padtype` is unknown, or the recording is not longer than `padlen`.
    TypeError
        If `out` cannot hold the result.
    numpy.linalg.LinAlgError
        If a section has a pole at z = 1.
    OSError
        If the disk is full.

    See Also
    --------
    sigrnn.sosfiltfilt : The same in memory.

    Notes
    -----
    There are two passes: forward from `x` to a temporary file, then backward from its end to `out`. The whole signal is
    filtered, not overlapping parts: the result is that of `sigrnn.sosfiltfilt`, to rounding. It is computed in float64,
    sample by sample, so it does not depend on `block`. Cost: O(S N) time for each channel; memory for two blocks.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sigrnn import offline
    >>> folder = tempfile.mkdtemp()
    >>> np.save(os.path.join(folder, "in.npy"), np.full(100, 2.0))
    >>> sos = [[0.5, 0.0, 0.0, 1.0, -0.5, 0.0]]
    >>> offline.sosfiltfilt(sos, os.path.join(folder, "in.npy"), os.path.join(folder, "out.npy"))[:3].round(12).tolist()
    [2.0, 2.0, 2.0]
    """
    rows = sections(sos)
    if rows.ndim != 2:
        raise ValueError(f"sos must be shape (n_sections, 6), got {rows.shape}")

    def stream() -> Stream:
        return Stream(sos=rows, zi="steady", axis=0, method="sequential")

    return _zero_phase(stream, rows, taps_of(rows), x, out, axis, padtype, padlen, block, folder, progress)


@overload
def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: Any,
    out: Path,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Keywords],
) -> Memmap: ...
@overload
def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: Any,
    out: Out,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    **options: Unpack[Keywords],
) -> Out: ...
def filtfilt(
    b: ArrayLike,
    a: ArrayLike,
    x: Any,
    out: Out | Path,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    *,
    block: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Out | Memmap:
    """
    Filter a recording on disk forward and backward with coefficients `b` and `a`.

    Parameters
    ----------
    b : array_like, shape (M + 1,)
        Numerator.
    a : array_like, shape (P + 1,)
        Denominator.
    x : array_like on disk, or path
        As in `sosfiltfilt`.
    out : array on disk, or path
        As in `sosfiltfilt`.
    axis : int, default -1
        The axis of time.
    padtype : {'odd', 'even', 'constant', None}, default 'odd'
        How the signal is continued at both ends before filtering.
    padlen : int, optional
        By how many samples; ``3 * max(M + 1, P + 1)`` by default.
    block : int, optional
        As in `sosfiltfilt`.
    folder : path, optional
        As in `sosfiltfilt`.
    progress : bool, default True
        As in `sosfiltfilt`.

    Returns
    -------
    array on disk
        `out`, or the memory map that was made.

    Raises
    ------
    ValueError
        If `b` or `a` is not 1-D or empty, or as for `sosfiltfilt`.
    TypeError
        If `out` cannot hold the result.
    numpy.linalg.LinAlgError
        If the filter has a pole at z = 1.
    OSError
        If the disk is full.

    See Also
    --------
    sosfiltfilt : The same in second-order sections: better conditioned for orders above about 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sigrnn import offline
    >>> offline.filtfilt([0.5, 0.5], [1.0], x := np.arange(9.0), np.empty_like(x)).round(12)
    array([0., 1., 2., 3., 4., 5., 6., 7., 8.])
    """
    b, a = coefficients(b, "b"), coefficients(a, "a")
    if b.ndim > 1 or a.ndim > 1:
        raise ValueError(f"b and a must be 1-D, got shapes {b.shape} and {a.shape}")
    check_first(a)

    def stream() -> Stream:
        return Stream(b, a, zi="steady", axis=0, method="sequential")

    return _zero_phase(stream, b, max(b.size, a.size), x, out, axis, padtype, padlen, block, folder, progress)


def _zero_phase(
    stream: Callable[[], Stream],
    taps: Array,
    length: int,
    x: Any,
    out: Any,
    axis: int,
    padtype: str | None,
    padlen: int | None,
    block: int | None,
    folder: str | os.PathLike[str] | None,
    progress: bool,
) -> Any:
    """Forward into a temporary file, backward out of it. `stream()` is the filter from the steady state, time first."""
    x = _opened(x)
    axis = time_axis(axis, x)
    samples = x.shape[axis]
    edge = edge_length(padtype, padlen, x, axis, length)
    common = np.result_type(taps.dtype, x.dtype, np.float32)
    if common.char not in NATIVE:
        raise NotImplementedError(f"float32, float64, complex64 and complex128 are served, not {common}")
    dtype = inner(common)
    y = _target(out, x.shape, dtype)
    channels = math.prod(x.shape) // samples
    size = max(1, PIECE // channels) if block is None else whole("block", block, 1)
    folder = _folder(y, folder)

    def given(start: int, stop: int) -> Array:
        part = np.asarray(x[(*[slice(None)] * axis, slice(start, stop))])
        return np.moveaxis(part, axis, 0).reshape(stop - start, channels).astype(dtype)

    total = 2 * samples
    bar = _progress.bar(total, " samples", "filtfilt", scale=True) if progress else _progress.Silent()
    # A plain file and no memory map: on a full disk, writing to a map kills the process.
    file: Any = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    with file, bar:
        there, back = stream(), stream()
        if edge:
            there(continuation(given(0, edge + 1).T, padtype, edge)[0].T)
        for start, stop in _parts(samples, size):
            file.write(np.ascontiguousarray(there(given(start, stop))))
            bar.update(stop - start)
        if edge:
            back(there(continuation(given(samples - edge - 1, samples).T, padtype, edge)[1].T)[::-1])
        row = channels * dtype.itemsize
        for start, stop in reversed(list(_parts(samples, size))):
            kept = np.empty((stop - start, channels), dtype)
            file.seek(start * row)
            file.readinto(kept)
            _put(y, back(kept[::-1])[::-1], axis, slice(start, stop))
            bar.update(stop - start)
    if isinstance(y, np.memmap):
        y.flush()
    return y


def _parts(samples: int, size: int) -> Iterator[tuple[int, int]]:
    """From where to where each block goes."""
    for start in range(0, samples, size):
        yield start, min(start + size, samples)


def _put(y: Any, block: Array, axis: int, part: slice) -> None:
    """Write a block (n, channels), rounded if the recording holds integers."""
    shape = y.shape
    block = np.moveaxis(block.reshape(len(block), *shape[:axis], *shape[axis + 1 :]), 0, axis)
    kind = np.dtype(y.dtype)
    if kind.kind in "iu":
        rounded = np.empty(block.shape, kind.newbyteorder("="))
        saturate(block, rounded)
        block = rounded
    y[(*[slice(None)] * axis, part)] = block


def _opened(x: Any) -> Any:
    """What is sliced: an array on disk as it is, the map of a file."""
    if isinstance(x, str | os.PathLike):
        x = np.load(x, mmap_mode="r", allow_pickle=False)
    if not (hasattr(x, "shape") and hasattr(x, "dtype") and hasattr(x, "__getitem__")):
        x = array("x", x)
    if not x.shape:
        raise ValueError("x must be at least 1-D, got a scalar")
    if np.dtype(x.dtype).kind not in "biufc":
        raise TypeError(f"x must be numbers, got dtype {x.dtype}")
    if not hasattr(x, "ndim"):
        x = np.asarray(x)
    return x


def _target(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Where the result goes."""
    if isinstance(out, str | os.PathLike):
        return np.lib.format.open_memmap(out, "w+", dtype, shape)
    if not (hasattr(out, "shape") and hasattr(out, "dtype") and hasattr(out, "__setitem__")):
        raise TypeError(f"out must be a path or an array that can be written, got {type(out).__name__}")
    if tuple(out.shape) != tuple(shape):
        raise ValueError(f"out has shape {tuple(out.shape)}, expected {tuple(shape)}")
    kind = np.dtype(out.dtype).kind
    if kind not in ("iufc" if dtype == F8 else "c"):
        raise TypeError(f"out has dtype {out.dtype}, which cannot hold the result's, {dtype}")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError("out is read-only")
    return out


def _folder(y: Any, folder: str | os.PathLike[str] | None) -> Any:
    """Where the temporary file goes: to the folder of the result, which is likely to have space."""
    name = getattr(y, "filename", None) if isinstance(y, np.memmap) else None
    return folder if folder is not None or not name else os.path.dirname(os.path.abspath(name))
