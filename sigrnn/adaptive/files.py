"""Adaptive filters from files: what `AdaptiveFilter.save` wrote."""

from __future__ import annotations

import json
from os import PathLike
from zipfile import BadZipFile

import numpy as np

from sigrnn.adaptive.base import KINDS, AdaptiveFilter


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
        Of the algorithm that was saved; its next block goes on where the other stopped.

    Raises
    ------
    ValueError
        If the file holds no adaptive filter.

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
    NLMS(n_taps=2, mu=0.5, eps=0.001)
    >>> bool((g.weights == f.weights).all())
    True
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, BadZipFile):
        raise ValueError(f"{path} holds no adaptive filter: it is no .npz archive") from None
    with archive as file:
        if "sigrnn_adaptive" not in file:
            raise ValueError(f"{path} holds no adaptive filter")
        head = json.loads(str(file["sigrnn_adaptive"]))
        arrays = {name: file[name] for name in file.files}
    if head["algorithm"] not in KINDS:
        raise ValueError(f"{path} holds an adaptive filter of unknown kind {head['algorithm']!r}")
    given = {name.removeprefix("given_"): a for name, a in arrays.items() if name.startswith("given_")}
    f = KINDS[head["algorithm"]](**head["given"], **given)
    if head["channels"] is not None:
        f._channels = tuple(head["channels"])
        f._columns = bool(f._channels)
        f._state = {name.removeprefix("state_"): a for name, a in arrays.items() if name.startswith("state_")}
        f._ready()
    return f
