"""Models from files of other programs."""

from __future__ import annotations

from typing import Any

from sigrnn.models.exchange import rtneural
from sigrnn.models.protocol import Model

__all__ = ["from_rtneural_json"]


def from_rtneural_json(source: Any) -> Model:
    """
    Make a model from JSON for RTNeural.

    Parameters
    ----------
    source : str, path, file or dict
        A path, the text, an open file, or what `json.load` gave.

    Returns
    -------
    Model
        A layer, or a chain of them. A convolution is a filter without feedback, several outputs of it are filters side
        by side; an activation of its own goes to the layer before.

    Raises
    ------
    ValueError
        If the file is damaged, or has layers that do not exist here.

    See Also
    --------
    Model.to_rtneural_json : Writes such a file.
    load : Reads files of our own.

    Examples
    --------
    >>> import sigrnn
    >>> text = sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1)).init(rng=0).to_rtneural_json()
    >>> sigrnn.from_rtneural_json(text)
    Chain(LSTM(8), Dense(1))
    """
    return rtneural.build(source, Model._known)
