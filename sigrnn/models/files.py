"""Models in files: an .npz of the parameters, and a description in JSON. Nothing is pickled, nothing in a file is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from sigrnn import _files

FORMAT, VERSION = "sigrnn model", 1
DESCRIPTION = "description"  # the name of the JSON text among the arrays
OURS = "sigrnn.models."


def name_of(kind: type) -> str:
    """Classes of the library go by their name, others by module and name."""
    return kind.__qualname__ if kind.__module__.startswith(OURS) else f"{kind.__module__}.{kind.__qualname__}"


def described(model: Any, where: str) -> dict[str, Any]:
    """What it takes to make the model again, but for the arrays."""
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
    """Write it whole or not at all. Notes are for programs."""
    head = {"format": FORMAT, "version": VERSION, "model": described(model, "")}
    text = json.dumps(head | ({"notes": dict(notes)} if notes else {}))
    arrays = {f"params/{name}": value for name, value in model.params.items()}
    arrays[DESCRIPTION] = np.frombuffer(text.encode(), np.uint8)
    _files.write(path, arrays)


def read(path: Any, known: Mapping[str, type]) -> Any:
    """The model in a file."""
    shown, found = _files.read(path, "is no model of sigrnn, or is broken")
    try:
        head = json.loads(found.pop(DESCRIPTION).tobytes())
        kind, version, text = head["format"], head["version"], head["model"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{shown} is no model of sigrnn: it has no description of one") from None
    if kind != FORMAT or not isinstance(version, int):
        raise ValueError(f"{shown} is no model of sigrnn: its format is {kind!r}")
    if version > VERSION:
        raise ValueError(f"{shown} has version {version} of the format, this sigrnn reads up to {VERSION}: update it")
    params = {name.removeprefix("params/"): value for name, value in found.items()}
    try:
        model = made(text, known, shown)
        if params or model.inputs is not None:
            model.params = params
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{shown} is broken: {error!r}") from error
    return model


def notes(path: Any) -> dict[str, Any]:
    """What was noted in a file that `read` has found good."""
    with np.load(path, allow_pickle=False) as file:
        found: dict[str, Any] = json.loads(file[DESCRIPTION].tobytes()).get("notes", {})
    return found


def made(text: Mapping[str, Any], known: Mapping[str, type], shown: str) -> Any:
    """A model from its description, with sizes but not yet its parameters."""
    kind = class_of(text["class"], known, shown)
    parts = [made(part, known, shown) for part in text["parts"]]
    model: Any = kind(*parts, **text["config"])
    if text["inputs"] is not None and not parts:
        model.init(text["inputs"], rng=0)
    return model


def class_of(name: str, known: Mapping[str, type], shown: str) -> type:
    if name in known:
        return known[name]
    short = name.rpartition(".")[2]
    alike = [kind for full, kind in known.items() if "." in full and full.rpartition(".")[2] == short]
    if "." in name and len(alike) == 1:  # a script's class that has moved into a module, or the reverse
        return alike[0]
    raise ValueError(f"{shown} holds a model of the class {name}, which is not known here: import it before load")
