"""Adaptive filters from files: what `AdaptiveFilter.save` wrote."""

from __future__ import annotations

import json
from os import PathLike

from sigrnn._utils import files as _files
from sigrnn.adaptive.base import HEAD, KINDS, AdaptiveFilter


def load(path: str | PathLike[str]) -> AdaptiveFilter:
    """
    Read an adaptive filter that `AdaptiveFilter.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    AdaptiveFilter
        The saved filter; its next block continues where the saved one stopped.

    Raises
    ------
    ValueError
        If it is not a file of an adaptive filter.

    See Also
    --------
    AdaptiveFilter.save : Its counterpart.

    Examples
    --------
    >>> import os, tempfile
    >>> from sigrnn.adaptive import NLMS, load
    >>> f = NLMS(n_taps=2, mu=0.5)
    >>> r = f([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "filter.npz")
    ...     f.save(path)
    ...     g = load(path)
    >>> g
    NLMS(n_taps=2, mu=0.5)
    >>> bool((g.weights == f.weights).all())
    True
    """
    shown, arrays = _files.read(path, "is not a file of an adaptive filter, or is broken")
    if HEAD not in arrays:
        raise ValueError(f"{shown} is not a file of an adaptive filter")
    given = {name.removeprefix("given_"): a for name, a in arrays.items() if name.startswith("given_")}
    try:
        head = json.loads(str(arrays[HEAD]))
        kind, channels, settings = head["algorithm"], head["channels"], head["given"] | given
        if kind not in KINDS:
            raise ValueError(f"it is of unknown kind {kind!r}")
        held = sum(array.size for array in arrays.values())
        if channels is not None and any(isinstance(n, int) and n > held for n in settings.values()):
            raise ValueError("it is larger than the file")  # before memory is allocated for it
        f = KINDS[kind](**settings)
        if channels is not None:
            state = {name.removeprefix("state_"): a for name, a in arrays.items() if name.startswith("state_")}
            f._adopt(tuple(channels), state)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"the adaptive filter in {shown} is broken: {error}") from None
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"the adaptive filter in {shown} is broken: {type(error).__name__}") from None
    return f
