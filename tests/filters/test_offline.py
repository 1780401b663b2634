"""`sigrnn.offline`: recordings on disk, filtered forward and backward, equal those filtered in memory."""

import tracemalloc

import numpy as np
import pytest
import scipy.signal
from helpers import Unchanged

import sigrnn
from sigrnn import offline

SOS = scipy.signal.butter(4, [0.05, 0.3], "bandpass", output="sos")
B, A = scipy.signal.butter(3, 0.2)
TAPS = scipy.signal.firwin(21, 0.3)


def close(actual, desired):
    assert actual.shape == desired.shape
    np.testing.assert_allclose(actual, desired, rtol=0, atol=1e-10 * np.abs(desired).max())


@pytest.mark.parametrize("block", [1, 7, 100, 333, None])
@pytest.mark.parametrize("library", [sigrnn, scipy.signal], ids=["sigrnn", "scipy"])
def test_equals_the_whole(rng, tmp_path, block, library):
    x = 5.0 + rng.standard_normal((333, 3))
    np.save(tmp_path / "x.npy", x)
    y = offline.sosfiltfilt(SOS, tmp_path / "x.npy", tmp_path / "y.npy", 0, block=block)
    close(y, library.sosfiltfilt(SOS, x, 0))
    close(np.load(tmp_path / "y.npy"), library.sosfiltfilt(SOS, x, 0))
    for taps in ((B, A), (TAPS, [1.0]), (2 * B, 2 * A)):
        close(offline.filtfilt(*taps, x, np.empty_like(x), 0, block=block), library.filtfilt(*taps, x, 0))
    assert {p.name for p in tmp_path.iterdir()} == {"x.npy", "y.npy"}


@pytest.mark.parametrize(
    "padding", [{"padtype": "even"}, {"padtype": "constant", "padlen": 5}, {"padtype": None}, {"padlen": 0}]
)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis_and_padding(rng, axis, padding):
    shape = [2, 3, 4]
    shape[axis] = 90
    x = rng.standard_normal(shape)
    with Unchanged(x):
        y = offline.sosfiltfilt(SOS, x, np.empty_like(x), axis, block=40, **padding)
    close(y, sigrnn.sosfiltfilt(SOS, x, axis, **padding))
    close(
        offline.sosfiltfilt(
            SOS, x[0, 0] if axis % 3 == 2 else x, np.empty_like(x[0, 0] if axis % 3 == 2 else x), axis, **padding
        ),
        sigrnn.sosfiltfilt(SOS, x[0, 0] if axis % 3 == 2 else x, axis, **padding),
    )


def test_blocks_do_not_change_a_bit(rng):
    x = rng.standard_normal((500, 2))
    whole = offline.sosfiltfilt(SOS, x, np.empty_like(x), 0, block=500)
    for block in (1, 33, 499):
        assert np.array_equal(offline.sosfiltfilt(SOS, x, np.empty_like(x), 0, block=block), whole)


def test_raw_files(rng, tmp_path):
    x = (1000 * rng.standard_normal((400, 4))).astype(">i2")
    x.tofile(tmp_path / "x.raw")
    source = offline.raw(tmp_path / "x.raw", 4, ">i2")
    target = offline.raw(tmp_path / "y.raw", 4, ">i2", samples=400)
    assert offline.sosfiltfilt(SOS, source, target, axis=0, block=64) is target
    del target
    desired = np.empty(x.shape, np.int16)
    sigrnn.sosfiltfilt(SOS, x, 0, out=desired)
    found = np.fromfile(tmp_path / "y.raw", ">i2").reshape(400, 4)
    assert np.abs(found.astype(int) - desired).max() <= 1
    assert (found != desired).mean() < 0.01
    in_place = x.copy()
    offline.sosfiltfilt(SOS, in_place, in_place, axis=0, block=64)
    assert np.array_equal(in_place, found)


def test_saturation(tmp_path):
    x = np.full(200, 30_000, np.int16)
    x[100:] = -30_000
    out = np.empty(200, np.int8)
    offline.filtfilt([1.0], [1.0], x, out)
    assert out.tolist() == [127] * 100 + [-128] * 100


def test_complex_and_single(rng):
    z = rng.standard_normal(300) + 1j * rng.standard_normal(300)
    close(offline.filtfilt(B, A, z, np.empty_like(z)), sigrnn.filtfilt(B, A, z))
    x = rng.standard_normal(300).astype(np.float32)
    y = offline.filtfilt(B, A, x, np.empty_like(x), block=9)
    np.testing.assert_allclose(y, sigrnn.filtfilt(B, A, x), atol=1e-5)


def test_hdf5(rng, tmp_path):
    h5py = pytest.importorskip("h5py")
    x = rng.standard_normal((300, 3))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        source = file.create_dataset("x", data=x, chunks=(64, 3))
        target = file.create_dataset("y", x.shape, "f8", chunks=(64, 3))
        offline.sosfiltfilt(SOS, source, target, axis=0, block=50)
        close(target[...], sigrnn.sosfiltfilt(SOS, x, 0))


def test_zarr(rng, tmp_path):
    zarr = pytest.importorskip("zarr")
    x = rng.standard_normal((300, 3))
    source = zarr.open(str(tmp_path / "x.zarr"), mode="w", shape=x.shape, chunks=(64, 3), dtype="f8")
    target = zarr.open(str(tmp_path / "y.zarr"), mode="w", shape=x.shape, chunks=(64, 3), dtype="f8")
    source[...] = x
    offline.sosfiltfilt(SOS, source, target, axis=0, block=50)
    close(target[...], sigrnn.sosfiltfilt(SOS, x, 0))


class Sliced:
    """The least that a recording may be: what h5py and Zarr have."""

    def __init__(self, values):
        self._values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim
        self.longest = 0

    def __getitem__(self, key):
        self.longest = max(self.longest, self._values[key].shape[0])
        return self._values[key]

    def __setitem__(self, key, value):
        self._values[key] = value


def test_only_slices_are_read(rng):
    source, target = Sliced(rng.standard_normal((300, 2))), Sliced(np.empty((300, 2)))
    offline.sosfiltfilt(SOS, source, target, axis=0, block=60)
    close(target._values, sigrnn.sosfiltfilt(SOS, source._values, 0))
    assert source.longest <= 60


def test_memory_is_bounded(rng, tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, (400_000, 4))
    for part in np.split(x, 8):
        part[...] = rng.standard_normal(part.shape)
    offline.sosfiltfilt(SOS, x[:1000], np.empty((1000, 4)), 0)
    tracemalloc.start()
    offline.sosfiltfilt(SOS, x, tmp_path / "y.npy", 0, block=10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 10_000 * 4 * 8 < x.nbytes


def test_wrong_arguments(tmp_path):
    x, y = np.ones((100, 2)), np.empty((100, 2))
    for call, error, match in (
        (lambda: offline.sosfiltfilt(SOS, x, y[:-1], 0), ValueError, r"out has shape \(99, 2\), expected \(100, 2\)"),
        (lambda: offline.sosfiltfilt(SOS, x, y > 0, 0), TypeError, "out has dtype bool, which cannot hold"),
        (
            lambda: offline.sosfiltfilt(SOS, x * 1j, y, 0),
            TypeError,
            "out has dtype float64, which cannot hold .* complex128",
        ),
        (lambda: offline.sosfiltfilt(SOS, x, None, 0), TypeError, "out must be a path or an array that can be written"),
        (lambda: offline.sosfiltfilt(SOS, x, np.broadcast_to(0.0, x.shape), 0), ValueError, "out is read-only"),
        (lambda: offline.sosfiltfilt(SOS, x[:9], y[:9], 0), ValueError, "must be greater than padlen, which is 27"),
        (lambda: offline.sosfiltfilt(SOS, x, y, 0, block=0), ValueError, "block must be at least 1, got 0"),
        (lambda: offline.sosfiltfilt(SOS, x, y, 2), ValueError, "axis 2 is out of bounds"),
        (lambda: offline.sosfiltfilt(SOS[None], x, y, 0), ValueError, r"sos must be shape \(n_sections, 6\)"),
        (lambda: offline.sosfiltfilt(SOS, np.array(["a"]), y, 0), TypeError, "x must be numbers, got dtype <U1"),
        (lambda: offline.sosfiltfilt(SOS, 1.0, y, 0), ValueError, "x must be at least 1-D"),
        (lambda: offline.filtfilt(np.ones((2, 2)), [1.0], x, y, 0), ValueError, "b and a must be 1-D"),
        (lambda: offline.filtfilt([1.0], [0.0, 1.0], x, y, 0), ValueError, r"a\[0\] must not be 0"),
        (lambda: offline.filtfilt([1.0], [1.0, -1.0], x, y, 0), np.linalg.LinAlgError, "pole at z = 1"),
    ):
        with pytest.raises(error, match=match):
            call()
    (tmp_path / "odd.raw").write_bytes(b"12345")
    with pytest.raises(
        ValueError, match="must hold a whole number of samples of 2 channels of int16, 4 bytes each; got 5 bytes"
    ):
        offline.raw(tmp_path / "odd.raw", 2)
