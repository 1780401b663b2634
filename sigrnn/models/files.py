"""Files of models: an .npz of the parameters and a description in JSON, without pickle; no code in a file is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sigrnn._arrays import Array, whole
from sigrnn._utils import files as _files

if TYPE_CHECKING:
    from sigrnn.models.base import Model

__all__ = ["load"]

FORMAT, VERSION = "sigrnn model", 1
DESCRIPTION = "description"  # the name of the JSON text among the arrays
OURS = "sigrnn.models."
CLASSES: dict[str, Any] = {}  # of models, by `name_of`


def name_of(kind: type) -> str:
    """Classes of the library go by their name, others by module and name."""
    return kind.__qualname__ if kind.__module__.startswith(OURS) else f"{kind.__module__}.{kind.__qualname__}"


def described(model: Any, where: str) -> dict[str, Any]:
    """All that is needed to make the model again, without its arrays."""
    config = model.config()
    for name, value in config.items():
        try:
            same = json.loads(json.dumps(value))
        except TypeError:
            same = None
        if same != value and value is not None:
            hint = ""
            if name == "activation":
                hint = ": built-in activations are kept by name, one of your own is code, and is not written"
            raise TypeError(f"{where}{type(model).__name__}: {name}={value!r} cannot be saved{hint}")
    return {
        "class": name_of(type(model)),
        "config": config,
        "inputs": model.inputs,
        "parts": [described(part, f"{where}{i}.") for i, part in enumerate(model.parts)],
    }


def write(model: Any, path: Any, notes: Mapping[str, Any] | None = None) -> None:
    """Write a model whole or not at all. Notes are for programs."""
    head = {"format": FORMAT, "version": VERSION, "model": described(model, "")}
    text = json.dumps(head | ({"notes": dict(notes)} if notes else {}))
    arrays = {f"params/{name}": value for name, value in model.params.items()}
    arrays[DESCRIPTION] = np.frombuffer(text.encode(), np.uint8)
    _files.write(path, arrays)


def load(path: Any) -> Model:
    """
    Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : str, path or binary file
        The file.

    Returns
    -------
    Model
        With all parameters.

    Raises
    ------
    ValueError
        If it is not a model file, is broken, has a parameter that is not finite, is from a later version, or has an
        unknown class: import a class of your own first.

    See Also
    --------
    Model.save : Writes it.

    Notes
    -----
    No code in a file is run: classes are looked up by name among those that exist.

    Examples
    --------
    >>> import io
    >>> import sigrnn
    >>> file = io.BytesIO()
    >>> sigrnn.Chain(sigrnn.GRU(4), sigrnn.Dense(1)).init(2, rng=0).save(file)
    >>> file.seek(0)
    0
    >>> sigrnn.load(file)
    Chain(GRU(4), Dense(1))
    """
    shown, arrays = _files.read(path, "is not a sigrnn model file, or is broken")
    try:
        head = json.loads(arrays.pop(DESCRIPTION).tobytes())
        kind, version, described = head["format"], head["version"], head["model"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{shown} is not a sigrnn model file: it has no description of one") from None
    if kind != FORMAT or not isinstance(version, int):
        raise ValueError(f"{shown} is not a sigrnn model file: its format is {kind!r}")
    if version > VERSION:
        raise ValueError(f"{shown} has version {version} of the format, this sigrnn reads up to {VERSION}: update it")
    params = {name.removeprefix("params/"): value for name, value in arrays.items()}
    try:
        model = made(described, params, "", shown)
        if params or model.inputs is not None:
            model.params = params
    except ValueError as error:
        raise ValueError(str(error) if shown in str(error) else f"{shown} is broken: {error}") from None
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"{shown} is broken: {error!r}") from None
    return model


def notes(path: Any) -> dict[str, Any]:
    """The notes in a file that `load` has read."""
    with np.load(path, allow_pickle=False) as file:
        found = json.loads(file[DESCRIPTION].tobytes()).get("notes")
    return found if isinstance(found, dict) else {}


def made(described: Mapping[str, Any], params: Mapping[str, Array], prefix: str, shown: str) -> Any:
    """A model from its description, with sizes; arrays of the file are checked before any memory is allocated."""
    kind = class_of(described["class"], shown)
    parts = [made(part, params, f"{prefix}{i}.", shown) for i, part in enumerate(described["parts"])]
    model = kind(*parts, **described["config"])
    inputs = described["inputs"]
    if inputs is not None and not parts:
        shapes = model._shapes(whole("inputs", inputs, 1))
        check_arrays({} if shapes is None else shapes, params, prefix)
        model.init(inputs, rng=0)
    return model


def check_arrays(shapes: Mapping[str, tuple[int, ...]], params: Mapping[str, Array], prefix: str) -> None:
    """Raise if an array is missing, or is not one of real numbers of that shape."""
    for name, shape in shapes.items():
        found = params.get(prefix + name)
        if found is None:
            raise ValueError(f"it has no array params/{prefix}{name}")
        if found.shape != shape:
            raise ValueError(f"{prefix}{name} has shape {found.shape}, expected {shape}")
        if found.dtype.kind != "f":
            raise ValueError(f"{prefix}{name} has dtype {found.dtype}, expected float32 or float64")
        if not np.isfinite(found).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(found))[0]))
            raise ValueError(f"{prefix}{name} is {found[at]} at {list(at)}")


def class_of(name: str, shown: str) -> Any:
    if name in CLASSES:
        return CLASSES[name]
    short = str(name).rpartition(".")[2]
    alike = [kind for full, kind in CLASSES.items() if "." in full and full.rpartition(".")[2] == short]
    if "." in str(name) and len(alike) == 1:  # a script's class that has moved into a module, or the reverse
        return alike[0]
    raise ValueError(f"{shown} holds a model of the class {name}, which is not known here: import it before load")
