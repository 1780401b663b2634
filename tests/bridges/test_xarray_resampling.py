"""Resampling and smoothing of xarray objects: the numbers of the plain functions, coordinates of the new samples."""

import numpy as np
import pytest
from helpers import assert_close

import sigrnn

xarray = pytest.importorskip("xarray")
sx = pytest.importorskip("sigrnn.xarray")


@pytest.fixture
def data(rng):
    time = np.datetime64("2024-03-01T12:00") + np.arange(200) * np.timedelta64(4, "ms")
    return xarray.DataArray(
        rng.standard_normal((2, 200, 3)),
        dims=("trial", "time", "channel"),
        coords={"time": time, "channel": list("abc"), "phase": ("time", np.arange(200.0))},
        name="voltage",
        attrs={"unit": "mV"},
    )


def test_decimate_takes_every_qth_coordinate(data):
    found = sx.decimate(data, 4, ftype="fir")
    assert_close(found.values, sigrnn.decimate(data.values, 4, ftype="fir", axis=1))
    xarray.testing.assert_identical(found.copy(data=data.values[:, ::4]), data.isel(time=slice(None, None, 4)))


@pytest.mark.parametrize(("up", "down"), [(3, 2), (2, 5), (1, 1)])
def test_resample_poly_makes_the_coordinate_of_the_new_samples(data, up, down):
    found = sx.resample_poly(data, up, down, padtype="line")
    assert_close(found.values, sigrnn.resample_poly(data.values, up, down, 1, padtype="line"))
    assert sx.sampling_rate(found) == pytest.approx(250.0 * up / down)
    assert found.time.values[0] == data.time.values[0]
    assert (found.name, found.attrs, found.dims) == (data.name, data.attrs, data.dims)
    assert set(found.coords) == {"time", "channel"}
    assert data.sizes["time"] == 200


def test_resample_poly_without_a_coordinate_or_with_numbers(data):
    assert "time" not in sx.resample_poly(data.drop_vars("time"), 3, 2).coords
    numbered = data.assign_coords(time=1.0 + np.arange(200) / 250)
    found = sx.resample_poly(numbered, 3, 2).time.values
    np.testing.assert_allclose(found, 1.0 + np.arange(300) / 375)


def test_savgol_filter_keeps_all_but_the_numbers(data):
    found = sx.savgol_filter(data, 11, 3, deriv=1, delta=0.004)
    assert_close(found.values, sigrnn.savgol_filter(data.values, 11, 3, 1, 0.004, 1))
    xarray.testing.assert_identical(found.copy(data=data.values), data)


def test_of_a_dataset_the_variables_with_the_dimension(data):
    both = xarray.Dataset({"v": data, "gain": ("channel", [1.0, 2.0, 3.0])})
    for run in (lambda d: sx.decimate(d, 2), lambda d: sx.resample_poly(d, 3, 2), lambda d: sx.savgol_filter(d, 5, 2)):
        found = run(both)
        xarray.testing.assert_identical(found.gain, both.gain)
        np.testing.assert_array_equal(found.v.values, run(data).values)


def test_bad_input_is_named(data):
    with pytest.raises(ValueError, match="no dimension 'when'"):
        sx.decimate(data, 2, dim="when")
    with pytest.raises(TypeError, match=r"must be an xarray.DataArray"):
        sx.savgol_filter(data.values, 5, 2)
    crooked = data.assign_coords(time=np.arange(200.0) ** 2)
    with pytest.raises(ValueError, match="is not uniform"):
        sx.resample_poly(crooked, 3, 2)
    pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="in dask chunks"):
        sx.decimate(data.chunk(), 2)
