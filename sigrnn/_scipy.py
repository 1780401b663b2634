"""SciPy's own functions, whatever is in their place: a call that sigrnn passes on to SciPy must not return to sigrnn."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from sigrnn._kernels.aside import completed

# The functions of scipy.signal that sigrnn has, too, and the module of scipy.signal that defines each.
FUNCTIONS = {
    "decimate": "_signaltools",
    "deconvolve": "_signaltools",
    "dimpulse": "_ltisys",
    "dlsim": "_ltisys",
    "dstep": "_ltisys",
    "filtfilt": "_signaltools",
    "lfilter": "_signaltools",
    "lfilter_zi": "_signaltools",
    "lfiltic": "_signaltools",
    "lsim": "_ltisys",
    "resample_poly": "_signaltools",
    "savgol_filter": "_savitzky_golay",
    "sosfilt": "_signaltools",
    "sosfilt_zi": "_signaltools",
    "sosfiltfilt": "_signaltools",
    "upfirdn": "_upfirdn",
}


@cache
def own(name: str) -> Callable[..., Any]:
    """SciPy's function of that name, also where another one stands in `scipy.signal`, or was put into all of its modules."""
    # Another thread would wait for this one where it is the one that imports SciPy.
    signal = sys.modules.get("scipy.signal") or completed(importlib.import_module, "scipy.signal")
    home = importlib.import_module(f"scipy.signal.{FUNCTIONS[name]}")
    for place in (home, signal):
        for function in wrapped(getattr(place, name, None)):
            if is_own(function, home):
                return function
    return getattr(copy_of(FUNCTIONS[name]), name)


def wrapped(function: Any) -> Iterator[Any]:
    """A function, and those that it wraps by `__wrapped__`."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def is_own(function: Any, home: ModuleType) -> bool:
    """Whether a function was defined in that module: its globals show it; `__module__` may have been copied."""
    return isinstance(function, FunctionType) and function.__globals__ is vars(home)


@cache
def copy_of(module: str) -> ModuleType:
    """A second copy of a module of scipy.signal, which nobody can have changed: the last resort."""
    spec = importlib.util.find_spec(f"scipy.signal.{module}")
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy
