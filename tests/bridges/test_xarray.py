"""Filters over xarray objects: the numbers of the plain functions, and all that is around them kept."""

import numpy as np
import pytest
from helpers import assert_close, run_in_fresh_process
from scipy import signal

import sigrnn

xarray = pytest.importorskip("xarray")
sx = pytest.importorskip("sigrnn.xarray")

B, A = signal.butter(2, 0.2)
SOS = signal.butter(4, 0.3, output="sos")
PACKING = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -32768}


@pytest.fixture
def data(rng):
    """Three axes, time in the middle; a coordinate that depends on time, and one that does not."""
    time = np.datetime64("2024-03-01T12:00") + np.arange(200) * np.timedelta64(4, "ms")
    return xarray.DataArray(
        rng.standard_normal((2, 200, 3)),
        dims=("trial", "time", "channel"),
        coords={"time": time, "channel": list("abc"), "phase": ("time", np.arange(200.0))},
        name="voltage",
        attrs={"unit": "mV"},
    )


CALLS = [
    (sx.lfilter, sigrnn.lfilter, (B, A)),
    (sx.sosfilt, sigrnn.sosfilt, (SOS,)),
    (sx.filtfilt, sigrnn.filtfilt, (B, A)),
    (sx.sosfiltfilt, sigrnn.sosfiltfilt, (SOS,)),
]


@pytest.mark.parametrize(("run", "plain", "coefficients"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("chunks", [None, {"time": 70, "channel": 2}])
def test_all_but_the_numbers_is_kept(run, plain, coefficients, chunks, data):
    if chunks:
        pytest.importorskip("dask.array")
        data = data.chunk(chunks)
    before = data.copy(deep=True)
    found = run(*coefficients, data)
    xarray.testing.assert_identical(data, before)
    assert (found.chunks is None) == (chunks is None)
    assert found.chunks == data.chunks
    assert_close(found.values, plain(*coefficients, data.values, 1))
    xarray.testing.assert_identical(found.copy(data=data.values), data.compute())


def test_other_dimension_and_float32(data):
    found = sx.lfilter(np.float32(B), np.float32(A), data.astype("f"), dim="channel")
    assert found.dtype == np.float32
    assert_close(found.values, sigrnn.lfilter(np.float32(B), np.float32(A), data.values.astype("f"), 2), 10)


@pytest.mark.parametrize(("run", "plain", "coefficients"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("lazy", [False, True])
def test_encoding_is_dropped(run, plain, coefficients, lazy, data):
    """The packing of what was read (int16 steps of 0.1) would round or wrap around what is written."""
    if lazy:
        pytest.importorskip("dask.array")
        data = data.chunk({"time": 70})
    data.encoding = {"dtype": "int16", "scale_factor": 0.1}
    data["time"].encoding = {"units": "days since 2024-01-01"}
    for found in (run(*coefficients, data), run(*coefficients, xarray.Dataset({"x": data}))["x"]):
        assert found.encoding == (data + 1).encoding == {}
        assert found["time"].encoding == {"units": "days since 2024-01-01"}
        assert found.attrs == {"unit": "mV"}
    assert data.encoding == {"dtype": "int16", "scale_factor": 0.1}


def test_a_packed_recording_is_written_and_read(tmp_path):
    volts = xarray.DataArray(np.round(np.sin(np.arange(300.0)) * 3, 1), dims="time", name="volts")
    volts.to_netcdf(tmp_path / "raw.nc", engine="scipy", encoding={"volts": PACKING})
    with xarray.open_dataarray(tmp_path / "raw.nc", engine="scipy") as raw:
        assert raw.encoding["scale_factor"] == 0.1
        desired = sx.lfilter([20_000.0], [1.0, -0.5], raw).load()
    desired.to_netcdf(tmp_path / "filtered.nc", engine="scipy")
    with xarray.open_dataarray(tmp_path / "filtered.nc", engine="scipy") as found:
        np.testing.assert_array_equal(found, sigrnn.lfilter([20_000.0], [1.0, -0.5], raw))


def test_masked_samples_are_nan():
    """As xarray reads them; from the gap on the output of a recursive filter is unknown."""
    gap = xarray.DataArray(np.ma.array([1.0, 0.0, 1e9, 0.0], mask=[0, 0, 1, 0]), dims="time")
    np.testing.assert_array_equal(sx.lfilter([1.0], [1.0, -0.5], gap), [1.0, 0.5, np.nan, np.nan])


def test_errors_name_the_variable(data):
    words = xarray.Dataset({"x": data, "label": ("time", np.full(data.sizes["time"], "a"))})
    with pytest.raises(NotImplementedError, match="<U1") as caught:
        sx.lfilter(B, A, words)
    assert "variable 'label'" in caught.value.__notes__[0]


def test_dataset(data):
    whole = xarray.Dataset({"x": data, "mean": data.mean("time"), "y": data[0] * 2}, attrs={"place": "here"})
    found = sx.sosfiltfilt(SOS, whole, padlen=20)
    assert list(found) == ["x", "mean", "y"]
    assert found.attrs == whole.attrs
    xarray.testing.assert_identical(found["mean"], whole["mean"])
    xarray.testing.assert_identical(found["y"], sx.sosfiltfilt(SOS, whole["y"], padlen=20))


def test_lazy(data):
    pytest.importorskip("dask.array")

    def read(block):
        raise AssertionError("read")

    lazy = data.chunk({"time": 50})
    lazy = lazy.copy(data=lazy.data.map_blocks(read, dtype=float, meta=np.empty((0, 0, 0))))
    found = sx.sosfilt(SOS, lazy)
    with pytest.raises(AssertionError, match="read"):
        found.compute(scheduler="synchronous")


@pytest.mark.parametrize(
    ("time", "rate"),
    [
        (np.arange(500) / 250, 250.0),
        (np.arange(500, dtype="f") / 250, 250.0),  # float32, rounded
        (np.arange(500), 1.0),
        (np.arange(500) * np.timedelta64(4, "ms"), 250.0),
        (np.datetime64("1999-01-01", "us") + np.arange(500) * np.timedelta64(4000, "us"), 250.0),
        (np.datetime64("1999-01-01") + np.arange(500).astype("timedelta64[D]"), 1 / 86400),
        ((np.arange(500) * (1e9 / 44100)).round().astype("timedelta64[ns]"), 44100.0),
    ],
)
def test_rate(time, rate):
    data = xarray.DataArray(np.zeros(500), dims="time", coords={"time": time})
    assert sx.sampling_rate(data) == pytest.approx(rate, rel=1e-6)


def timed(values):
    return xarray.DataArray(np.zeros(len(values)), dims="time", coords={"time": values})


GAP = np.r_[np.arange(10), np.arange(12, 20)] / 10


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sx.sampling_rate(timed(GAP)), ValueError, r"not uniform: from index 9 \(0\.9\) to 10 \(1\.2\)"),
        (lambda: sx.sampling_rate(timed(np.arange(9.0)[::-1])), ValueError, r"must increase, got 8\.0 to 0\.0: sort"),
        (lambda: sx.sampling_rate(timed([0.0, 0.0, 0.0])), ValueError, "from index 0"),
        (lambda: sx.sampling_rate(timed([0.0, 1.0, np.nan, 3.0])), ValueError, "from index 1"),
        (lambda: sx.sampling_rate(timed(["a", "b"])), TypeError, "numbers, datetime64"),
        (lambda: sx.sampling_rate(timed(np.array(["2000", "NaT"], "M8[ns]"))), ValueError, "NaT at index 1"),
        (lambda: sx.sampling_rate(timed([1.0])), ValueError, "has 1 values"),
        (lambda: sx.sampling_rate(xarray.DataArray(np.zeros(3), dims="time")), ValueError, "no coordinate"),
        (lambda: sx.lfilter(B, A, timed(GAP), dim="space"), ValueError, "no dimension 'space'"),
        (lambda: sx.lfilter(B, A, np.zeros(3)), TypeError, "got ndarray"),
        (lambda: sx.lfilter(B, A, timed(GAP), zi=0), TypeError, "zi"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_wider_tolerance():
    jitter = timed(np.arange(100.0) + 0.01 * np.random.default_rng(0).standard_normal(100))
    with pytest.raises(ValueError, match="not uniform"):
        sx.sampling_rate(jitter)
    assert sx.sampling_rate(jitter, tolerance=0.1) == pytest.approx(1, rel=1e-3)


def test_imported_only_when_used():
    run_in_fresh_process("import sys, sigrnn.xarray; assert 'xarray' not in sys.modules and 'dask' not in sys.modules")
