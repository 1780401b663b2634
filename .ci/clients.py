"""What `.ci/clients` runs in its environment: python clients.py DIR [NAME ...], then python clients.py DIR --page FILE.

Also the pytest plugin that notes outcomes, and our calls where sigrnn stands in SciPy's place.
"""

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve()
RESULT = "SIGRNN_CLIENTS_RESULT"  # names the file that the plugin writes
LATE = "SIGRNN_CLIENTS_LATE"  # patch after collection: SciPy's tests look up in a table what their functions can do
MINUTES = 25  # for one run of a suite

# Tests: in the installed package (its name and a path in it), or in the source distribution (a path in its folder).
SUITES = {
    "scipy": ("package", "signal/tests"),
    "obspy": ("package", "signal/tests"),
    "nitime": ("package", "tests/test_analysis.py tests/test_algorithms.py tests/test_utils.py"),
    "elephant": ("package", "test/test_signal_processing.py"),
    "gwpy": ("package", "signal/tests timeseries/tests/test_timeseries.py"),
    "librosa": ("source", "tests/test_effects.py tests/test_filters.py"),
    "pyfar": (
        "source",
        "tests/test_filter*.py tests/test_fractional_octaves.py",
    ),
    "pyloudnorm": ("source", "tests"),
    "acoustics": ("source", "tests"),
    "neurodsp": ("package", "tests/filt tests/burst tests/rhythm tests/sim tests/spectral tests/timefrequency"),
    "scikit_dsp_comm": ("source", "tests"),
}


# Typical calls: each makes its input, and returns what the call is and a function that makes it and returns an array.


def noise(*shape):
    import numpy as np

    return np.random.default_rng(0).standard_normal(shape)


def scipy():
    from scipy.signal import decimate

    x = noise(8, 200_000)
    return "`decimate(x, 10)`, 8 x 200,000", lambda: decimate(x, 10)


def mne():
    from mne.filter import filter_data

    x = noise(64, 30_000)
    options = {"method": "iir", "verbose": False}
    return '`filter_data(x, 500, 1, 40, method="iir")`, 64 x 30,000', lambda: filter_data(
        x, 500.0, 1.0, 40.0, **options
    )


def obspy():
    import numpy as np
    from obspy import Stream, Trace

    stream = Stream([Trace(row, {"sampling_rate": 100.0}) for row in noise(3, 360_000)])

    def call():
        found = stream.copy().filter("bandpass", freqmin=0.5, freqmax=10.0, corners=4, zerophase=True)
        return np.stack([trace.data for trace in found])

    return '`Stream.filter("bandpass", zerophase=True)`, 3 x 360,000', call


def librosa():
    import librosa

    y = noise(661_500)
    return "`effects.preemphasis(y)`, 30 s", lambda: librosa.effects.preemphasis(y)


def neurokit2():
    import neurokit2

    ecg = noise(60_000)
    return "`ecg_clean(ecg, 1000)`, 60 s", lambda: neurokit2.ecg_clean(ecg, sampling_rate=1000)


def pyloudnorm():
    import numpy as np
    import pyloudnorm

    x, meter = 0.1 * noise(1_440_000, 2), pyloudnorm.Meter(48_000)
    return "`integrated_loudness(x)`, 30 s, stereo", lambda: np.array([meter.integrated_loudness(x)])


def spikeinterface():
    import spikeinterface.core as si
    from spikeinterface.preprocessing import bandpass_filter

    recording = si.NumpyRecording([noise(300_000, 64).astype("f4")], 30_000.0)
    filtered = bandpass_filter(recording, 300.0, 6000.0)
    return "`bandpass_filter(recording).get_traces()`, 64 x 300,000 float32", filtered.get_traces


def pyfar():
    import pyfar

    signal = pyfar.Signal(noise(441_000), 44_100)
    return (
        "`fractional_octave_bands(signal, 3)`, 10 s",
        lambda: pyfar.dsp.filter.fractional_octave_bands(signal, 3).time,
    )


def nitime():
    from nitime.analysis import FilterAnalyzer
    from nitime.timeseries import TimeSeries

    series = TimeSeries(noise(16, 20_000), sampling_interval=0.01)
    return (
        "`FilterAnalyzer(series, lb=1, ub=20).iir`, 16 x 20,000",
        lambda: FilterAnalyzer(series, lb=1.0, ub=20.0).iir.data,
    )


def elephant():
    from elephant.signal_processing import butter

    x = noise(16, 200_000)
    return "`butter(x, 1, 40)`, 16 x 200,000", lambda: butter(x, 1.0, 40.0, sampling_frequency=1000.0)


def gwpy():
    from gwpy.timeseries import TimeSeries

    series = TimeSeries(noise(262_144), sample_rate=4096)
    return "`TimeSeries.bandpass(30, 400)`, 64 s", lambda: series.bandpass(30, 400).value


def biosppy():
    import numpy as np
    from biosppy.signals.tools import filter_signal

    x = noise(300_000)
    options = {"ftype": "butter", "band": "bandpass", "order": 4, "frequency": [1, 8], "sampling_rate": 1000.0}
    return "`filter_signal(x, 'butter', 'bandpass')`, 300,000", lambda: np.asarray(
        filter_signal(x, **options)["signal"]
    )


def heartpy():
    import heartpy

    x = noise(300_000)
    return "`filter_signal(x, [0.7, 3.5], 100)`, 300,000", lambda: heartpy.filter_signal(
        x, [0.7, 3.5], 100.0, order=3, filtertype="bandpass"
    )


def acoustics():
    from acoustics.signal import bandpass

    x = noise(480_000)
    return "`bandpass(x, 500, 2000, 48000)`, 10 s", lambda: bandpass(x, 500.0, 2000.0, 48_000.0, order=4)


def neurodsp():
    from neurodsp.filt import filter_signal

    x = noise(300_000)
    options = {"filter_type": "iir", "butterworth_order": 4}
    return '`filter_signal(x, 1000, "bandpass", (8, 12))`, IIR, 300,000', lambda: filter_signal(
        x, 1000.0, "bandpass", (8, 12), **options
    )


def scikit_dsp_comm():
    from sk_dsp_comm.multirate_helper import multirate_IIR

    x, low_pass = noise(300_000), multirate_IIR(elliptic(8))
    return "`multirate_IIR(sos).filter(x)`, 300,000", lambda: low_pass.filter(x)


def elliptic(order):
    from scipy.signal import ellip

    return ellip(order, 0.1, 60.0, 0.2, output="sos")


CALLS = [
    scipy, mne, obspy, librosa, neurokit2, pyloudnorm, spikeinterface, pyfar, nitime, elephant, gwpy, biosppy, heartpy,
    acoustics, neurodsp, scikit_dsp_comm,
]  # fmt: skip


def time_call(name):
    """Time a typical call with SciPy's functions and with ours in turn: the best of the rounds, in processor time."""
    import numpy as np

    import sigrnn

    warnings.simplefilter("ignore")
    what, call = {function.__name__: function for function in CALLS}[name]()

    def once():
        start = time.process_time()
        call()
        return time.process_time() - start

    expected = np.asarray(call())
    with sigrnn.patch_scipy() as patch, sigrnn.report() as report:
        found = np.asarray(call())
    best, began = [once(), np.inf], time.perf_counter()
    while time.perf_counter() - began < 20.0:
        best[0] = min(best[0], once())
        with sigrnn.patch_scipy():
            best[1] = min(best[1], once())
    own = [module for module in patch.modules if module.partition(".")[0] == name != "scipy"]
    print(
        json.dumps(
            {
                "what": what,
                "seconds": best,
                "difference": float(np.abs(found - expected).max() / np.abs(expected).max()),
                "calls": {row.function: row.calls for row in report.rows},
                "back": [f"{row.function}: {row.why}" for row in report.rows if row.why],
                "own_names": own,
            }
        )
    )


# The plugin

outcomes: dict[str, str] = {}


def pytest_configure(config):
    sigrnn = sys.modules.get("sigrnn")
    if RESULT in os.environ and sigrnn is not None and sigrnn.is_patched():
        sigrnn.report()


def pytest_collection_finish(session):
    if LATE in os.environ:
        import sigrnn

        sigrnn.patch_scipy()
        sigrnn.report()


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish(session):
    if RESULT not in os.environ:
        return
    sigrnn = sys.modules.get("sigrnn")
    rows = sigrnn.report().rows if sigrnn is not None and sigrnn.is_patched() else []
    counts = [(row.function, row.calls, row.seconds, row.why) for row in rows]
    Path(os.environ[RESULT]).write_text(json.dumps({"outcomes": outcomes, "rows": counts}))


def run_suite(name, work):
    """Run a client's tests with SciPy's functions, then with ours."""
    where, paths = SUITES[name]
    if where == "package":
        top = Path(importlib.util.find_spec(name).submodule_search_locations[0])
    else:
        top = next(path for path in (work / "sources").glob(f"{name}-*") if path.is_dir())
    options = [
        "-q",
        "-p",
        HERE.stem,
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(top),
        "-W",
        "ignore",
        "--continue-on-collection-errors",
    ]
    if name == "scipy":
        options += ["-m", "not slow"]
    chosen = sorted(str(path) for pattern in paths.split() for path in top.glob(pattern))
    found = {}
    patched = ["sigrnn", "run", "-m"] if name != "scipy" else []
    for key, start in (("theirs", []), ("ours", patched)):
        result = work / "results" / f"{name}-{key}.json"
        result.unlink(missing_ok=True)
        env = os.environ | {"PYTHONPATH": str(HERE.parent), RESULT: str(result)}
        if name == "scipy" and key == "ours":
            env[LATE] = "1"
        log = (work / "results" / f"{name}-{key}.log").open("w")
        command = [sys.executable, "-P", "-m", *start, "pytest", *options, *chosen]
        try:
            subprocess.run(command, env=env, cwd=top.parent, stdout=log, stderr=log, timeout=60 * MINUTES, check=False)
        except subprocess.TimeoutExpired:
            print(f"clients: {name}: stopped after {MINUTES} minutes")
        found[key] = json.loads(result.read_text()) if result.exists() else None
    return found


def look_at(name, work):
    """A client's tests and its typical call, kept as JSON."""
    print(f"clients: {name}", flush=True)
    found = {"version": importlib.metadata.version(name)}
    if name in SUITES:
        found["tests"] = run_suite(name, work)
    done = subprocess.run(
        [sys.executable, "-P", str(HERE), "--call", name], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"clients: {name}: its typical call fails: {(done.stderr.splitlines() or [''])[-1]}")
    else:
        found["call"] = json.loads(done.stdout.splitlines()[-1])
    (work / "results" / f"{name}.json").write_text(json.dumps(found))


# The page

PAGE = """# Programs with sigrnn in SciPy's place

Written by `.ci/clients` on {date}: the programs as `pip` installs them, their own code unchanged, with
`sigrnn.patch_scipy` ([how](howto/in_scipys_place.md)). {processor}, one thread, Python {python},
NumPy {numpy}, SciPy {scipy}, Numba {numba}.

## Their own tests

Each suite ran twice, with SciPy's functions and with sigrnn's. *New failures* are tests that pass with SciPy's and fail
with sigrnn's; the column before has the failures with SciPy's functions, since some tests fail in any case (no network,
no recordings, newer NumPy). *Calls* counts the tests' calls of sigrnn, *passed on* those that sigrnn passed on to SciPy.

| program | tests | passed with SciPy's | passed with sigrnn's | failed with SciPy's | new failures | calls | passed on |
|---|---|---|---|---|---|---|---|
{tests}

{failures}The releases of {without} contain no tests; for these there is only the comparison below.{missing}

## One typical call of each

Processor time of the best of several alternating rounds, after the first call. *Difference* is the largest difference
of the two results, relative to the largest value. That of BioSPPy is due to `filtfilt` of a band-pass as `b, a`, whose `lfilter_zi`
SciPy before 1.18 computes to few digits or none. The gain depends on how much of the call is filtering. Calls that fail
with either set of functions are left out.

| program | call | SciPy's, ms | sigrnn's, ms | times as fast | difference | calls of sigrnn |
|---|---|---|---|---|---|---|
{calls}

{names}
"""


def write_page(work, path):
    found = {function.__name__: work / "results" / f"{function.__name__}.json" for function in CALLS}
    found = {name: json.loads(file.read_text()) for name, file in found.items() if file.exists()}
    tests, failures, calls, names = [], [], [], []
    for name, client in found.items():
        program = f"{name} {client['version']}"
        suite = client.get("tests") or {}
        if suite.get("theirs") and suite.get("ours"):
            kinds = [suite[key]["outcomes"] for key in ("theirs", "ours")]
            failed = [{test for test, outcome in kind.items() if outcome == "failed"} for kind in kinds]
            new = sorted(test for test in failed[1] - failed[0] if kinds[0].get(test) == "passed")
            passed = [sum(outcome == "passed" for outcome in kind.values()) for kind in kinds]
            rows = suite["ours"]["rows"]
            total, back = sum(row[1] for row in rows), sum(row[1] for row in rows if row[3])
            line = [program, len(kinds[0]), *passed, len(failed[0]), len(new), f"{total:,}", f"{back:,}"]
            tests.append(f"| {' | '.join(map(str, line))} |")
            failures += [f"* {name}: `{test}`\n" for test in new]
        if "call" in client:
            call = client["call"]
            theirs, ours = call["seconds"]
            many = ", ".join(f"{count} `{function}`" for function, count in call["calls"].items()) or "none"
            line = [program, call["what"], f"{1e3 * theirs:.3g}", f"{1e3 * ours:.3g}", f"{theirs / ours:.2f}"]
            calls.append(f"| {' | '.join(line)} | {call['difference']:.0e} | {many} |")
            if call["own_names"]:
                names.append(name)
    without = [name for name in found if name not in SUITES]
    missing = [name for name in SUITES if not (found.get(name) or {}).get("tests")]
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")}
    text = PAGE.format(
        date=time.strftime("%-d %B %Y"),
        processor=processor(),
        python=platform.python_version(),
        **versions,
        tests="\n".join(tests),
        failures="".join(["New failures:\n\n", *failures, "\n"]) if failures else "",
        without=", ".join(without),
        missing=f" Not run: the tests of {', '.join(missing)}." if missing else "",
        calls="\n".join(calls),
        names=f"Names imported from SciPy were rebound in modules of {', '.join(names)}.",
    )
    Path(path).write_text(text)
    print(text)


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main(argv):
    if argv[0] == "--call":
        time_call(argv[1])
    elif "--page" in argv:
        write_page(Path(argv[0]), argv[2])
    else:
        for name in argv[1:] or [function.__name__ for function in CALLS]:
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                print(f"clients: {name} is not installed, NOT tried")
            else:
                look_at(name, Path(argv[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
