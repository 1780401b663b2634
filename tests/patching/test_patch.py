"""sigrnn in SciPy's place: what is bound where, counted patches, hand-made patches, the program that `sigrnn run` runs, workers."""

import importlib.util
import inspect
import pickle
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import scipy.signal
from helpers import answer_of_fresh_process, assert_close, environment, run_in_fresh_process
from scipy.signal import _signaltools

import sigrnn
from sigrnn import _scipy
from sigrnn._scipy import FUNCTIONS, own
from sigrnn.patching import patch

B, A = scipy.signal.butter(3, 0.2)
LONG = np.ones(50, np.longdouble)


@pytest.fixture(autouse=True)
def unpatched():
    """Every test begins and ends with SciPy's functions."""
    assert not sigrnn.is_patched()
    yield
    assert not sigrnn.is_patched()
    assert all(getattr(scipy.signal, name) is own(name) for name in FUNCTIONS)


@pytest.fixture
def client():
    """A module that has imported names from SciPy."""
    module = types.ModuleType("a_client_of_scipy")
    exec("from scipy.signal import lfilter, sosfilt as sos, butter\ndef use(*a): return lfilter(*a)", vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


# SciPy's own functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_own_is_scipys(name):
    assert own(name) is getattr(scipy.signal, name)
    assert callable(getattr(sigrnn, name))


def everywhere(monkeypatch):
    """Our functions by hand, in all of SciPy's modules."""
    for name, module in FUNCTIONS.items():
        monkeypatch.setattr(scipy.signal, name, getattr(sigrnn, name))
        monkeypatch.setattr(f"scipy.signal.{module}.{name}", getattr(sigrnn, name))


@pytest.mark.parametrize("where", ["public", "everywhere"])
def test_what_is_handed_back_never_comes_round_again(monkeypatch, where):
    zi = scipy.signal.lfilter_zi(B, A).astype(np.longdouble)
    x = np.random.default_rng(0).standard_normal(200)
    sos = scipy.signal.butter(4, 0.2, output="sos")
    wanted = (
        scipy.signal.filtfilt(B, A, x, method="gust"),
        scipy.signal.filtfilt(B, A, LONG),
        scipy.signal.lfilter(B, A, LONG, zi=zi)[0],
        scipy.signal.sosfiltfilt(sos, LONG),
        scipy.signal.lfilter(B, [1.0], LONG.astype(object)),
    )
    _scipy.own.cache_clear()
    _scipy.copy_of.cache_clear()
    if where == "everywhere":
        everywhere(monkeypatch)
    else:
        for name in FUNCTIONS:
            monkeypatch.setattr(scipy.signal, name, getattr(sigrnn, name))
    try:
        found = (
            scipy.signal.filtfilt(B, A, x, method="gust"),
            scipy.signal.filtfilt(B, A, LONG),
            scipy.signal.lfilter(B, A, LONG, zi=zi)[0],
            scipy.signal.sosfiltfilt(sos, LONG),
            scipy.signal.lfilter(B, [1.0], LONG.astype(object)),
        )
    finally:
        monkeypatch.undo()
        _scipy.own.cache_clear()
        patch.stands.cache_clear()
    for mine, theirs in zip(found, wanted, strict=True):
        assert_close(mine, theirs)


def test_a_patch_by_hand_before_sigrnn_calls_scipy():
    code = (
        "import numpy as np, scipy.signal, sigrnn\n"
        "from scipy.signal import _signaltools\n"
        "scipy.signal.lfilter = _signaltools.lfilter = sigrnn.lfilter\n"
        "scipy.signal.filtfilt = _signaltools.filtfilt = lambda *a, **k: sigrnn.filtfilt(*a, **k)\n"
        "x = np.ones(60, np.longdouble)\n"
        "y, z = scipy.signal.lfilter([1.0], [1.0, -0.5], x), scipy.signal.filtfilt([1.0], [1.0, -0.5], x)\n"
        "print(y.dtype == z.dtype == x.dtype and abs(y[-1] - 2) < 1e-12 and abs(z[30] - 4) < 1e-6)"
    )
    assert run_in_fresh_process(code).strip() == "True"


# What is bound where


def test_names_are_bound_anew_and_told(client):
    with sigrnn.patch_scipy() as patched:
        assert sorted(patched.modules["a_client_of_scipy"]) == ["lfilter", "sos"]
        assert set(FUNCTIONS) <= set(patched.modules["scipy.signal"])
        tools = {name for name, home in FUNCTIONS.items() if home == "_signaltools"}
        assert tools <= set(patched.modules["scipy.signal._signaltools"])
        assert "a_client_of_scipy: lfilter, sos" in repr(patched)
        assert not any(name.startswith("sigrnn") for name in patched.modules)
        assert client.lfilter is scipy.signal.lfilter is _signaltools.lfilter
        assert client.lfilter is not own("lfilter")
        assert client.lfilter.__code__ is sigrnn.lfilter.__code__
        assert client.butter is scipy.signal.butter
        exec("from scipy.signal import filtfilt", vars(client))  # imported meanwhile
    assert client.lfilter is own("lfilter")
    assert client.sos is own("sosfilt")
    assert client.filtfilt is own("filtfilt")


def test_users_of_sigrnn_keep_it(client):
    client.mine = sigrnn.lfilter
    with sigrnn.patch_scipy():
        assert client.mine is sigrnn.lfilter
    assert client.mine is sigrnn.lfilter


def test_scipys_own_callers_gain(rng):
    x = rng.standard_normal(3000)
    wanted = scipy.signal.decimate(x, 4)
    with sigrnn.patch_scipy("lfilter", "filtfilt", "sosfiltfilt"), sigrnn.report() as report:
        assert_close(scipy.signal.decimate(x, 4), wanted, 1e6)
        quotient, _ = scipy.signal.deconvolve(x, [1.0, 0.5])
    assert {"lfilter", "sosfiltfilt"} & {row.function for row in report.rows}
    assert quotient.shape == (2999,)


def test_a_single_name():
    with sigrnn.patch_scipy("sosfilt") as patched:
        assert patched.names == ("sosfilt",)
        assert scipy.signal.sosfilt is not own("sosfilt")
        assert scipy.signal.lfilter is own("lfilter")
        assert sigrnn.is_patched("sosfilt")
        assert not sigrnn.is_patched("sosfilt", "lfilter")
        assert sigrnn.is_patched()


@pytest.mark.parametrize("function", [sigrnn.patch_scipy, sigrnn.unpatch_scipy, sigrnn.is_patched])
def test_unknown_names(function):
    with pytest.raises(ValueError, match=r"names must be among 'decimate', .*; got 'lfliter'"):
        function("lfilter", "lfliter")


def test_modules_that_wait_are_not_loaded(tmp_path, monkeypatch):
    (tmp_path / "a_lazy_module.py").write_text("raise RuntimeError('loaded')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.find_spec("a_lazy_module")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "a_lazy_module", module)
    spec.loader.exec_module(module)
    with sigrnn.patch_scipy():
        pass


def test_what_is_no_module_is_left_alone(monkeypatch):
    class Library:  # as cffi's, which claims to be a module
        __slots__ = ()
        __class__ = types.ModuleType

    assert isinstance(Library(), types.ModuleType)
    monkeypatch.setitem(sys.modules, "a_library", Library())
    monkeypatch.setitem(sys.modules, "none_of_them", None)
    with sigrnn.patch_scipy("lfilter") as patched:
        assert "scipy.signal" in patched.modules


def test_stand_ins_look_like_scipys():
    theirs = scipy.signal.lfilter
    with sigrnn.patch_scipy():
        stand = scipy.signal.lfilter
        assert stand.__wrapped__ is theirs
        assert stand.__doc__ == theirs.__doc__
        assert inspect.signature(stand) == inspect.signature(theirs)
        assert pickle.loads(pickle.dumps(stand)) is stand
        kept = pickle.dumps(stand)
    assert pickle.loads(kept) is theirs  # in a process without the patch


def test_array_api():
    pytest.importorskip("torch")
    code = (
        "import numpy as np, torch, scipy.signal, sigrnn\n"
        "b, a, x = np.array([1.0]), np.array([1.0, -0.5]), np.ones(9)\n"
        "with sigrnn.patch_scipy():\n"
        "    y = scipy.signal.lfilter(*map(torch.as_tensor, (b, a, x)))\n"
        "    z = scipy.signal.lfilter(b, a, x)\n"
        "print(type(y) is torch.Tensor and type(z) is np.ndarray and np.allclose(y.numpy(), z))"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=environment({"SCIPY_ARRAY_API": "1"}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "True"


# Counted patches


def test_patches_are_counted():
    first = sigrnn.patch_scipy("lfilter", "sosfilt")
    assert first.modules
    second = sigrnn.patch_scipy("lfilter")
    assert second.modules == {}  # nothing was left to bind
    assert sigrnn.unpatch_scipy("lfilter", "sosfilt")["scipy.signal"] == ["sosfilt"]
    assert sigrnn.is_patched("lfilter")
    assert not sigrnn.is_patched("sosfilt")
    assert sigrnn.unpatch_scipy()["scipy.signal"] == ["lfilter"]
    assert sigrnn.unpatch_scipy() == {}  # once too often does no harm
    with sigrnn.patch_scipy("lfilter"):
        assert sigrnn.is_patched("lfilter")


def test_the_end_of_a_block_takes_back_one_patch():
    with sigrnn.patch_scipy() as outer:
        with sigrnn.patch_scipy("lfilter"):
            pass
        assert sigrnn.is_patched(*FUNCTIONS)
    outer.__exit__()  # a second end is none
    with pytest.raises(RuntimeError), sigrnn.patch_scipy():
        raise RuntimeError


def test_decorator():
    @sigrnn.patch_scipy("lfilter")
    def inside(x):
        """Docs."""
        return sigrnn.is_patched("lfilter"), x

    assert not sigrnn.is_patched()
    assert inside(3) == (True, 3)
    assert not sigrnn.is_patched()
    assert inside.__doc__ == "Docs."


def test_threads(client):
    wrong, start = [], threading.Barrier(6)

    def work():
        start.wait()
        for _ in range(20):
            with sigrnn.patch_scipy("lfilter"):
                if client.lfilter is own("lfilter"):
                    wrong.append("in a block")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.lfilter is own("lfilter")


def test_waits_for_scipy():
    code = (
        "import json, sys, sigrnn\n"
        "patch = sigrnn.patch_scipy('lfilter')\n"
        "before = 'scipy.signal' in sys.modules, sigrnn.is_patched('lfilter')\n"
        "import importlib.util; importlib.util.find_spec('scipy.signal')\n"
        "from scipy.signal import lfilter, sosfilt\n"
        "import scipy.signal\n"
        "after = lfilter.__code__ is sigrnn.lfilter.__code__, sosfilt.__code__ is sigrnn.sosfilt.__code__\n"
        "loader = type(scipy.signal.__spec__.loader).__name__\n"
        "sigrnn.unpatch_scipy()\n"
        "print(json.dumps([*before, *after, loader, lfilter.__code__ is sigrnn.lfilter.__code__]))"
    )
    assert answer_of_fresh_process(code) == [False, True, True, False, "SourceFileLoader", False]


def test_taken_back_before_scipy_came():
    code = (
        "import json, sys, sigrnn\n"
        "with sigrnn.patch_scipy(): pass\n"
        "import scipy.signal\n"
        "print(json.dumps([scipy.signal.lfilter.__code__ is sigrnn.lfilter.__code__, sigrnn.is_patched()]))"
    )
    assert answer_of_fresh_process(code) == [False, False]


# The environment, and `sigrnn run`

CHILD = """
def state(_):
    import sys
    from pathlib import Path
    before = "sigrnn" in sys.modules or "numpy" in sys.modules
    import scipy.signal
    files = [scipy.signal.lfilter.__code__.co_filename, scipy.signal.sosfilt.__code__.co_filename]
    return before, ["sigrnn" in Path(file).parts for file in files]
"""
PARENT = """
import json, multiprocessing, os, sys
import the_child
def main():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(the_child.state, [0])
    print(json.dumps([found[0], sys.argv, __name__, os.path.basename(sys.path[0])]))
    sys.exit(7)
"""


@pytest.fixture
def program(tmp_path):
    """A program that starts a worker, and ends with 7."""
    (tmp_path / "the_child.py").write_text(CHILD)
    path = tmp_path / "program.py"
    path.write_text(PARENT + "if __name__ == '__main__': main()\n")
    return path


def run(*command, changes=None, cwd=None):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment(changes),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_run_reaches_workers(program):
    done = run("-m", "sigrnn", "run", program, "-v", "--only")
    assert done.returncode == 7, done.stderr
    script = str(program).replace("\\", "\\\\")
    assert f'[[false, [true, true]], ["{script}", "-v", "--only"], "__main__", "{program.parent.name}"]' in done.stdout


def test_run_a_module(program):
    done = run("-m", "sigrnn", "run", "--only", "sosfilt", "-m", "program", "x", cwd=program.parent)
    assert done.returncode == 7, done.stderr
    assert "[[false, [false, true]]" in done.stdout
    assert 'program.py", "x"], "__main__"' in done.stdout


@pytest.mark.parametrize("end", ["raise SystemExit('over')", "raise OSError('mine')", "import nonsense_module"])
def test_run_ends_as_python_does(tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(end)
    plain, patched = run(script), run("-m", "sigrnn", "run", script)
    assert patched.returncode == plain.returncode == 1
    assert patched.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]


def test_run_reports(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import scipy.signal\nscipy.signal.lfilter([1.0], [1.0, -0.5], [1.0, 2.0])")
    done = run("-m", "sigrnn", "run", "--report", script)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[1].split()[:3] == ["lfilter", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_file.py"], "sigrnn: no_such_file.py: no such file"),
        (["--only", "butter", "x.py"], "sigrnn: --only: names must be among 'decimate'"),
        ([], "sigrnn run: error: the following arguments are required: SCRIPT"),
    ],
)
def test_run_refuses(arguments, message):
    done = run("-m", "sigrnn", "run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_environment_patches_where_sigrnn_is_imported(program):
    code = (
        "import json, os, sys\nos.environ['SIGRNN_PATCH'] = '1'\nimport sigrnn, the_child, multiprocessing\n"
        "heavy = 'scipy.signal' in sys.modules\n"
        "pool = multiprocessing.get_context('spawn').Pool(1)\n"
        "print(json.dumps([heavy, sigrnn.is_patched('lfilter'), pool.map(the_child.state, [0])[0]]))\n"
        "pool.terminate()"
    )
    found = run("-c", code, cwd=program.parent).stdout
    assert found.splitlines()[-1] == "[false, true, [false, [true, true]]]"


@pytest.mark.parametrize("value", [None, "", "0"])
def test_never_on_by_itself(value):
    code = "import os, sigrnn; print(sigrnn.is_patched(), 'startup' in os.environ['PYTHONPATH'])"
    assert run("-c", code, changes={"SIGRNN_PATCH": value}).stdout.split() == ["False", "False"]


def test_environment_with_an_unknown_name():
    done = run("-c", "import sigrnn", changes={"SIGRNN_PATCH": "lfilter,butter"})
    assert "ValueError: names must be among" in done.stderr
    assert "got 'butter'" in done.stderr


def test_joblib_workers():
    pytest.importorskip("joblib")
    code = (
        "import os, joblib\nos.environ['SIGRNN_PATCH'] = 'lfilter'\nimport sigrnn\n"
        "def work(_):\n    import scipy.signal\n    return 'sigrnn' in scipy.signal.lfilter.__code__.co_filename\n"
        "print(joblib.Parallel(2)(joblib.delayed(work)(k) for k in range(2)))"
    )
    done = run("-c", code)
    assert done.stdout.strip() == "[True, True]", done.stderr


def test_another_sitecustomize_runs_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.the_others = 1")
    path = f"{patch.STARTUP}{patch.os.pathsep}{tmp_path}"
    done = run(
        "-c", "import sys; print(sys.the_others, sys.modules['sitecustomize'].__file__)", changes={"PYTHONPATH": path}
    )
    assert done.stdout.split() == ["1", str(tmp_path / "sitecustomize.py")], done.stderr


def test_tables_compare_with_scipy():
    code = (
        "import sigrnn, sigrnn.cli\nbefore = sigrnn.is_patched()\n"
        "sigrnn.cli.main(['bench', '--help'])\nprint(before, sigrnn.is_patched())"
    )
    assert run("-c", code, changes={"SIGRNN_PATCH": "1"}).stdout.split()[-2:] == ["True", "False"]
