"""Where compiled functions come from: the extension module of a platform wheel, where it fits, or Numba."""

import math
import re
import shutil
import sys
import types
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from helpers import run_in_fresh_process

import sigrnn
from sigrnn import _lookup
from sigrnn._lookup import Kernels, entry_point, key_of, machine_code, register_bytes

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(sigrnn.__file__).parent
KEY = key_of("filters.extension", "extend", ())
TABLE = {
    KEY: math.sqrt,  # what is written in C, as wrappers are
    key_of("filters.loops", "functions", ("channels", "direct", 2, 1, 0, "d")): np.arange(3, dtype=np.intp).tobytes(),
    key_of("layers.loops", "factors", ("gru",)): "(0.5, 0.25)",
}


@pytest.fixture
def extension(monkeypatch):
    """An extension module that fits, with a small table for two levels."""
    module = types.ModuleType("sigrnn._machine_code")
    module.digest, module.asked = _lookup.digest(), []
    module.levels = lambda: ["x86-64-v4", "x86-64-v3"]
    module.size = lambda level: len(TABLE)
    module.find = lambda level, key: module.asked.append((level, key)) or TABLE.get(key)
    monkeypatch.setitem(sys.modules, "sigrnn._machine_code", module)
    for name in (_lookup.SWITCH, *_lookup.SETTINGS):
        monkeypatch.delenv(name, raising=False)
    for function in (machine_code, register_bytes):
        function.cache_clear()
    yield module
    monkeypatch.undo()
    for function in (machine_code, register_bytes):
        function.cache_clear()


def test_functions_numbers_and_literals(extension):
    assert Kernels("filters.extension").extend() is math.sqrt
    np.testing.assert_array_equal(Kernels("filters.loops").functions("channels", "direct", 2, 1, 0, "d"), [0, 1, 2])
    assert Kernels("layers.loops").factors("gru") == (0.5, 0.25)


def test_a_result_is_looked_up_once(extension):
    kernels = Kernels("filters.extension")
    assert kernels.extend() is kernels.extend()
    assert extension.asked == [("x86-64-v4", KEY)]


def test_functions_of_the_module_are_called_as_they_are(extension):
    assert entry_point(math.sqrt) is math.sqrt


def test_what_is_not_there_comes_from_the_maker(extension):
    from sigrnn._kernels.filters import fir

    kernels = Kernels("filters.fir")
    assert kernels.varying("d") is fir.varying("d")
    assert ("x86-64-v4", key_of("filters.fir", "varying", ("d",))) in extension.asked


def test_a_users_activation_comes_from_the_maker(extension):
    user = sigrnn.Activation(lambda e: e, lambda e: 1.0)
    kernels = Kernels("filters.loops")
    assert kernels.sequential(user, 1, 1, 0, "d") is not None


def test_public_functions_ask_for_kernels_by_name():
    """What they import of `_kernels` by themselves imports no Numba."""
    light = "|".join(["activation_table", "aside", "sizes", r"adaptive(\.sizes| import sizes)"])
    pattern = re.compile(rf"(from|import) sigrnn\._kernels(?! import (sizes|aside)\b)(?!\.({light})\b)")
    folders = [PACKAGE / name for name in ("adaptive", "filters", "gradients", "layers")]
    files = [PACKAGE / "activations.py", *(path for folder in folders for path in folder.glob("*.py"))]
    assert len(files) > 40
    assert [path.name for path in files if pattern.search(path.read_text("utf-8"))] == []


def test_stale_modules_are_not_used(extension):
    extension.digest = "0" * 64
    assert machine_code() is None


@pytest.mark.parametrize("edit", ["append", "add", "remove"])
def test_every_edit_of_the_kernels_changes_the_digest(monkeypatch, tmp_path, edit):
    folder = tmp_path / "_kernels"
    shutil.copytree(_lookup.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(_lookup, "FOLDER", folder)
    before = _lookup.digest()
    if edit == "append":
        with (folder / "filters" / "steps.py").open("a") as file:
            file.write("\n")
    elif edit == "add":
        (folder / "layers" / "new.py").write_text("")
    else:
        (folder / "adaptive" / "rules.py").unlink()
    assert _lookup.digest() != before


def test_the_highest_level_or_the_wanted_one(extension, monkeypatch):
    assert machine_code().level == "x86-64-v4"
    assert register_bytes() == 64
    for wish, level in (("x86-64-v3", "x86-64-v3"), ("1", "x86-64-v4"), ("x86-64-v9", "x86-64-v4")):
        machine_code.cache_clear()
        register_bytes.cache_clear()
        monkeypatch.setenv(_lookup.SWITCH, wish)
        assert machine_code().level == level
        assert register_bytes() == (64 if level == "x86-64-v4" else 32)


@pytest.mark.parametrize(
    ("name", "value"), [(_lookup.SWITCH, "0"), ("NUMBA_BOUNDSCHECK", "1"), ("NUMBA_CPU_NAME", "generic")]
)
def test_settings_that_ask_for_numba(extension, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert machine_code() is None


def test_processors_without_any_level(extension):
    extension.levels = list
    assert machine_code() is None


@pytest.mark.skipif(machine_code() is None, reason="no machine code in this installation")
def test_installed_machine_code_needs_no_numba():
    code = """
    import sys
    sys.modules["numba"] = None
    import numpy as np, sigrnn
    sigrnn.lfilter([0.2, 0.3], [1.0, -0.5], np.ones(100))
    assert "scipy" not in sys.modules
    """
    run_in_fresh_process(dedent(code))


@pytest.mark.skipif(machine_code() is None, reason="no machine code in this installation")
def test_wrappers_check_types():
    compiled = Kernels("filters.loops").sequential("direct", 2, 1, 0, "d")
    c, x, y, z = np.ones((2, 1, 3)), np.ones(5), np.empty(5), np.zeros(2)
    compiled(c, x, y, z)
    with pytest.raises(TypeError, match="takes 4 arguments, got 3"):
        compiled(c, x, y)
    for wrong in (x.astype("f4"), x[None], None, [1.0]):
        with pytest.raises(TypeError, match="argument 1 of a kernel must be an array with 1 axes"):
            compiled(c, wrong, y, z)


# One kernel of each sort of argument, from Numba's code to a module that is imported, takes half a minute.
KERNELS = """
from sigrnn._kernels.base.jit import kernel, once, packed
from numba import types

@once
def total(dtype):
    def run(x, pair, number, count, flag, y):
        y[0] = x.sum() * number + pair[0][0] + pair[1][0] + count
        return flag
    pair = types.Tuple((packed("d", 1), packed("f", 1)))
    return kernel(run, "total", packed(dtype, 2), pair, types.float64, types.int64, types.boolean, packed("d", 1))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.skipif(not (ROOT / "machine_code").exists(), reason="needs the source tree")
def test_wrappers_of_all_sorts_of_arguments(tmp_path):
    """A package of its own with a kernel that takes arrays, a tuple of them, numbers and a flag."""
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("sigrnn", "machine_code"):
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    (tree / "sigrnn" / "_kernels" / "filters" / "sums.py").write_text(KERNELS)
    settings = {"SIGRNN_QUIET": "1", **dict.fromkeys((_lookup.SWITCH, *_lookup.SETTINGS))}
    code = f"""
    import json, subprocess, sys, sysconfig
    from pathlib import Path
    sys.path.insert(0, {str(tree / "machine_code")!r})
    import numpy as np
    import emit, glue, io
    from sigrnn._lookup import digest
    sys.stdin = io.StringIO(json.dumps([repr(("filters.sums", "total", ("d",)))]))
    emit.main("generic", "0", {str(tmp_path)!r})
    source = glue.write({str(tmp_path)!r}, ["generic"], digest())
    made = {str(tree / "sigrnn")!r} + "/_machine_code" + sysconfig.get_config_var("EXT_SUFFIX")
    includes = ["-I" + {str(tree / "machine_code")!r}, "-I" + np.get_include(), "-I" + sysconfig.get_path("include")]
    subprocess.run(["cc", "-shared", "-fPIC", *includes, str(source), {str(tmp_path / "generic-0.o")!r}, "-o", made], check=True)
    """
    run_in_fresh_process(dedent(code), settings, tree)
    code = """
    import sys
    sys.modules["numba"] = None
    import numpy as np, sigrnn
    from sigrnn._lookup import Kernels
    total = Kernels("filters.sums").total("d")
    x, pair, y = np.ones((2, 3)), (np.full(2, 0.5), np.full(1, 0.25, "f4")), np.zeros(1)
    assert total(x, pair, 2, np.int64(100), True, y) is True and y[0] == 112.75, y
    assert total(x[:1], pair, 2.0, 0, 0, y) is False and y[0] == 6.75, y
    for wrong in [(x, pair[:1], 2, 1, True, y), (x, pair, "2", 1, True, y), (x, pair, 2, 1.5, True, y), (x, x, 2, 1, True, y)]:
        try:
            total(*wrong)
        except TypeError:
            continue
        raise AssertionError(wrong)
    """
    run_in_fresh_process(dedent(code), settings, tree)
