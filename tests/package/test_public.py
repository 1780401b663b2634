"""What users can rely on: public names, docstrings, type hints, a light import, and the layers of imports."""

import importlib
import importlib.util
import inspect
import json
import re
import subprocess
import sys
import tomllib
from operator import attrgetter
from pathlib import Path
from typing import get_overloads

import pytest

import sigrnn

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["heartpy", "llvmlite", "matplotlib", "numba", "pandas", "scipy.linalg", "scipy.signal", "sklearn", "soundfile"]


ROOMS = ["adaptive"]  # names in them stand on the API page, too
NAMES = [name for name in sigrnn.__all__ if name not in ROOMS]
NAMES += [f"{room}.{name}" for room in ROOMS for name in getattr(sigrnn, room).__all__]
NAMES += [f"offline.{name}" for name in importlib.import_module("sigrnn.offline").__all__]  # imported when asked for
BRIDGES = {"dask": "dask", "jax": "jax", "torch": "torch", "xarray": "xarray"}  # bridges, and the libraries they need
THERE = [room for room, library in BRIDGES.items() if importlib.util.find_spec(library) is not None]
DOORS = [f"{room}.{name}" for room in THERE for name in importlib.import_module(f"sigrnn.{room}").__all__]


def public_callables():
    """Return (name, object) of all public functions and classes, and of the public methods of the classes."""
    for name in [*NAMES, *DOORS]:
        thing = attrgetter(name)(sigrnn)
        yield name, thing
        if inspect.isclass(thing):
            for method in sorted(vars(thing)):
                if not method.startswith("_") and callable(getattr(thing, method)):
                    yield f"{name}.{method}", getattr(thing, method)


CALLABLES = dict(public_callables())


def names_on_api_page():
    """Return the names that the autosummary tables of docs/api.rst list."""
    page = (ROOT / "docs" / "api.rst").read_text("utf-8")
    tables = re.findall(r"^\.\. autosummary::\n((?:[ ]{3}.*\n|\n)+)", page, re.MULTILINE)
    return [word.strip() for table in tables for word in table.split("\n") if re.fullmatch(r" {3}\w[\w.]*", word)]


def test_all_is_the_api_page():
    assert sorted(NAMES) == sorted(names_on_api_page())


def test_all_and_dir_agree():
    assert set(sigrnn.__all__) <= set(dir(sigrnn))


@pytest.mark.parametrize("name", CALLABLES)
def test_docstring_validates(name):
    validate = pytest.importorskip("numpydoc.validate")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["numpydoc_validation"]
    left_out = set(settings["checks"]) - {"all"}
    errors = validate.validate(f"sigrnn.{name}")["errors"]
    assert [error for error in errors if error[0] not in left_out] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.split(".")[-1][0].islower()] + DOORS)
def test_function_has_an_example(name):
    assert ">>>" in inspect.getdoc(CALLABLES[name])


@pytest.mark.parametrize("name", CALLABLES)
def test_has_type_hints(name):
    thing = CALLABLES[name]
    if inspect.isclass(thing) and getattr(thing.__init__, "__module__", "").split(".")[0] in THERE:
        pytest.skip("made by that library's own constructor")
    signature = inspect.signature(thing)
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
    assert bare == []
    assert inspect.isclass(thing) or signature.return_annotation is not signature.empty


@pytest.mark.parametrize("name", [name for name, thing in CALLABLES.items() if not inspect.isclass(thing)])
def test_result_has_a_type(name):
    results = [typed.__annotations__["return"] for typed in get_overloads(CALLABLES[name]) or [CALLABLES[name]]]
    for result in results:
        # an array of any dtype, a dict with values of any type
        known = re.sub(r"(NDArray|dtype)\[Any\]|dict\[str, Any\]", "", str(result))
        assert not re.search(r"\bAny\b", known), results


def test_import_is_light():
    code = f"import json, sys, sigrnn; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("NLMS", "it is sigrnn.adaptive.NLMS"),
        ("butter", "it is scipy.signal.butter"),
        ("savgol_filter", "it is scipy.signal.savgol_filter"),
        ("LayerStream", "it is sigrnn.layers.streams.LayerStream"),
        ("Lstm", "did you mean LSTM?"),
    ],
)
def test_missing_names_are_found_elsewhere(name, where):
    if hasattr(sigrnn, name):
        pytest.skip("it is here by now")
    with pytest.raises(AttributeError, match=f"^module 'sigrnn' has no attribute '{name}': {re.escape(where)}$"):
        getattr(sigrnn, name)
    with pytest.raises(AttributeError, match=r"^module 'sigrnn' has no attribute 'nonsense'$"):
        sigrnn.nonsense  # noqa: B018
    code = f"import sys, sigrnn; hasattr(sigrnn, {name!r}); sys.exit(any(m in sys.modules for m in {HEAVY}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_that_scipy_has():
    import scipy.signal

    from sigrnn._utils.elsewhere import SCIPY

    assert [name for name in SCIPY if not hasattr(scipy.signal, name)] == []


def test_typed_marker_is_shipped():
    assert (Path(sigrnn.__file__).parent / "py.typed").exists()


def test_layers_of_imports():
    if importlib.util.find_spec("importlinter") is None:
        pytest.skip("import-linter is not installed")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    run = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
