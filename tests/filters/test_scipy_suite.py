"""SciPy's own tests of these functions, from the installed SciPy, with ours in the place of theirs.

A pytest of its own runs them; this file is also the plugin that, there, puts our functions in.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import environment

import sigrnn

pytestmark = pytest.mark.slow

NAMES = ["filtfilt", "lfilter", "lfilter_zi", "lfiltic", "sosfilt", "sosfilt_zi", "sosfiltfilt"]
NAMES += ["decimate", "deconvolve", "resample_poly", "savgol_filter", "upfirdn", "dimpulse", "dlsim", "dstep", "lsim"]
# The classes and functions that are about them; other tests of these files are about convolve, hilbert and the like.
ABOUT = {
    "test_signaltools.py": [
        "TestLinearFilterFloat32",
        "TestLinearFilterFloat64",
        "TestLinearFilterFloatExtended",
        "TestLinearFilterComplex64",
        "TestLinearFilterComplex128",
        "TestLinearFilterComplexExtended",
        "TestLFilterZI",
        "TestFiltFilt",
        "TestSOSFiltFilt",
        "TestSOSFilt",
        "test_lfilter_bad_object",
        "test_lfilter_notimplemented_input",
        "test_filtfilt_gust",
        "TestDecimate",
        "TestDeconvolve",
        "TestResample",
    ],
    "test_upfirdn.py": ["TestUpfirdn"],
    "test_savitzky_golay.py": [
        "test_sg_filter_trivial",
        "test_sg_filter_basic",
        "test_sg_filter_2d",
        "test_sg_filter_interp_edges",
        "test_sg_filter_interp_edges_3d",
        "test_sg_filter_valid_window_length_3d",
    ],
    "test_dltisys.py": ["TestDLTI"],
    "test_ltisys.py": ["TestLsim"],
    "test_result_type.py": ["test_lfilter_zi", "test_sosfilt_zi"],
}
REPORT = "SIGRNN_SCIPY_SUITE"  # names the file in which the plugin writes what happened


def folder():
    """Where the installed SciPy keeps the tests of scipy.signal."""
    package = Path(importlib.util.find_spec("scipy").origin).parent
    return package / "signal" / "tests"


# The plugin

calls = dict.fromkeys(NAMES, 0)
outcomes: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}


def counted(name):
    def ours(*args, **kwargs):
        calls[name] += 1
        return getattr(sigrnn, name)(*args, **kwargs)

    return ours


OURS = {name: counted(name) for name in NAMES}


class Signal:
    """scipy.signal, but for our functions."""

    def __getattr__(self, name):
        import scipy.signal

        return OURS.get(name) or getattr(scipy.signal, name)


def pytest_collection_modifyitems(items):
    if REPORT in os.environ:
        for module in {item.module for item in items}:
            for name in NAMES:
                if hasattr(module, name):
                    setattr(module, name, OURS[name])
            if hasattr(module, "signal"):
                module.signal = Signal()


def pytest_runtest_logreport(report):
    if REPORT in os.environ and (report.when == "call" or report.outcome != "passed"):
        outcomes[report.outcome].append(report.nodeid)


def pytest_sessionfinish(session):
    if REPORT in os.environ:
        Path(os.environ[REPORT]).write_text(json.dumps({"calls": calls, "outcomes": outcomes}))


# The tests


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Run SciPy's tests; what was called, what passed, and all that was printed."""
    missing = [name for name in ABOUT if not (folder() / name).exists()]
    assert not missing, f"the installed SciPy has no {missing} in {folder()}: install one with its tests"
    chosen = [f"{folder() / file}::{name}" for file, names in ABOUT.items() for name in names]
    report = tmp_path_factory.mktemp("scipy") / "report.json"
    options = [
        "-q",
        "-p",
        "test_scipy_suite",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder().parent.parent),
    ]
    # Not from this directory and not with our options: warnings are SciPy's own business here.
    run = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options, *chosen],
        env=environment({REPORT: report, "PYTEST_ADDOPTS": None, "SCIPY_ARRAY_API": None}),
        cwd=report.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert report.exists(), run.stdout + run.stderr
    return json.loads(report.read_text()), run


def test_all_of_scipys_tests_pass(suite):
    found, run = suite
    assert found["outcomes"]["failed"] == [], run.stdout[-20_000:]
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(found["outcomes"]["passed"]) >= 280  # 291 in SciPy 1.17


def test_every_class_was_run(suite):
    passed = "\n".join(suite[0]["outcomes"]["passed"])
    assert [
        f"{file}::{name}" for file, names in ABOUT.items() for name in names if f"{file}::{name}" not in passed
    ] == []


def test_little_was_skipped(suite):
    # Tests for other array libraries than NumPy, if anything.
    assert len(suite[0]["outcomes"]["skipped"]) <= 10


def test_ours_were_called(suite):
    at_least = {
        "filtfilt": 15,
        "lfilter": 200,
        "lfilter_zi": 5,
        "lfiltic": 30,
        "sosfilt": 30,
        "sosfilt_zi": 1,
        "sosfiltfilt": 10,
        "decimate": 20,
        "deconvolve": 5,
        "resample_poly": 100,
        "savgol_filter": 10,
        "upfirdn": 1000,
        "dimpulse": 5,
        "dlsim": 5,
        "dstep": 5,
        "lsim": 8,
    }
    assert {name: count for name, count in suite[0]["calls"].items() if count < at_least[name]} == {}
