"""Intel IPP (`pip install ipp`), one thread, through ctypes: IIR filters, sections and FIR filters in float64."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from .case import Array, Call
from .inputs import Inputs

_AVX512 = 0xF << 24  # BW, DQ, VL and VBMI, as ippGetEnabledCpuFeatures reports them
_FOLDERS = [Path(root, "lib") for root in (os.environ.get("IPPROOT"), sys.prefix) if root]


@cache
def library() -> ctypes.CDLL:
    """Load the library made for this processor; ModuleNotFoundError if it is not installed."""
    for folder in _FOLDERS:
        if (folder / "libippcore.so.12").exists():
            core = ctypes.CDLL(str(folder / "libippcore.so.12"), mode=ctypes.RTLD_GLOBAL)
            core.ippInit()
            core.ippGetEnabledCpuFeatures.restype = ctypes.c_uint64
            # libipps itself, which would choose, looks for file names that the wheel does not have.
            kind = "k0" if core.ippGetEnabledCpuFeatures() & _AVX512 == _AVX512 else "l9"
            return ctypes.CDLL(str(folder / f"libipps{kind}.so.12"))
    raise ModuleNotFoundError("Intel IPP is not installed")


def _call(name: str, *arguments: Any) -> None:
    if status := getattr(library(), name)(*arguments):
        raise RuntimeError(f"{name} failed with status {status}")


def _address(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # keeps the array alive


def _run(steps: Sequence[tuple[Any, tuple[Any, ...]]], y: Array, *kept: Array) -> Array:
    for function, arguments in steps:
        function(*arguments)
    return y


def recursive(i: Inputs) -> Call:
    """A filter (b, a) or sections, from rest, into an array made before."""
    kind = "" if len(i.filter) == 2 else "_BiQuad"
    n = len(i.filter[-1]) - (len(i.filter) == 2)  # the order, or the number of sections
    taps = np.ascontiguousarray(np.concatenate(i.filter, axis=None), float)
    size, state, rest, y = ctypes.c_int(), ctypes.c_void_p(), np.zeros(2 * n), np.empty_like(i.x)
    _call(f"ippsIIRGetStateSize{kind}_64f", n, ctypes.byref(size))
    memory = np.zeros(size.value + 64, np.uint8)
    _call(f"ippsIIRInit{kind}_64f", ctypes.byref(state), _address(taps), n, _address(rest), _address(memory))
    reset = library().ippsIIRSetDlyLine_64f, (state, _address(rest))
    run = library().ippsIIR_64f, (_address(i.x), _address(y), ctypes.c_int(i.x.size), state)
    return partial(_run, (reset, run), y, memory, taps)


def fir(i: Inputs) -> Call:
    """A filter without feedback, into an array made before."""
    b, y, sizes = i.filter[0], np.empty_like(i.x), (ctypes.c_int(), ctypes.c_int())
    _call("ippsFIRSRGetSize", b.size, 19, *map(ctypes.byref, sizes))  # 19: float64
    specification, buffer = (np.zeros(size.value + 64, np.uint8) for size in sizes)
    _call("ippsFIRSRInit_64f", _address(b), b.size, 0, _address(specification))  # 0: IPP chooses the algorithm
    arrays = specification, np.zeros(b.size), None, buffer
    given = _address(i.x), _address(y), ctypes.c_int(i.x.size), *(a if a is None else _address(a) for a in arrays)
    return partial(_run, ((library().ippsFIRSR_64f, given),), y)
