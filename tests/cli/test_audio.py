"""Audio files: samples survive writing and reading, with and without soundfile; errors are told and cleaned up."""

import importlib.util
import os
import struct
import sys

import numpy as np
import pytest
from scipy.io import wavfile

from sigrnn.cli import audio

BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
LIBRARIES = ["soundfile", "scipy"] if importlib.util.find_spec("soundfile") else ["scipy"]


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    """Run the test with soundfile, and as if it were not installed."""
    if request.param == "scipy":
        monkeypatch.setattr(audio, "_soundfile", lambda: None)
    return request.param


@pytest.fixture
def soundfile():
    return pytest.importorskip("soundfile")


def values(rng, subtype, shape):
    """Return samples that the subtype holds exactly, its two ends among them."""
    if subtype not in BITS:
        return rng.standard_normal(shape).astype("f4" if subtype == "FLOAT" else "f8").astype(float)
    top = 2 ** (BITS[subtype] - 1)
    x = rng.integers(-top, top, shape) / top
    x[0], x[1] = -1.0, (top - 1) / top
    return x


def write(path, x, subtype="PCM_16", rate=8000, size=100):
    with audio.Writer(path, rate, x.shape[1], subtype, len(x)) as writer:
        for at in range(0, len(x), size):
            writer.write(x[at : at + size])
    return writer


def read(path, size=77):
    with audio.open_reader(path) as reader:
        blocks = list(reader.blocks(size))
    assert all(len(block) == size for block in blocks[:-1])
    return np.concatenate([np.empty((0, reader.channels)), *blocks]), reader


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subtype", [*BITS, "FLOAT", "DOUBLE"])
def test_round_trip(tmp_path, library, subtype, channels):
    x = values(np.random.default_rng(1), subtype, (1001, channels))
    writer = write(tmp_path / "a.wav", x, subtype, rate=11127)
    y, reader = read(tmp_path / "a.wav")
    np.testing.assert_array_equal(y, x)
    assert (reader.samplerate, reader.channels, reader.frames, reader.subtype) == (11127, channels, 1001, subtype)
    assert (writer.subtype, writer.clipped, reader.note) == (subtype, 0, "")
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("subtype", [*BITS, "FLOAT", "DOUBLE"])
def test_files_of_either_library_are_read_by_the_other(tmp_path, subtype, soundfile, monkeypatch):
    x = values(np.random.default_rng(2), subtype, (333, 2))
    write(tmp_path / "soundfile.wav", x, subtype)
    with monkeypatch.context() as patch:
        patch.setattr(audio, "_soundfile", lambda: None)
        np.testing.assert_array_equal(read(tmp_path / "soundfile.wav")[0], x)
        write(tmp_path / "own.wav", x, subtype)
    y, reader = read(tmp_path / "own.wav")
    np.testing.assert_array_equal(y, x)
    assert reader.subtype == subtype


def test_integers_on_disk(tmp_path, library):
    """The numbers in the file are the samples times 32768, as an independent reader sees them."""
    write(tmp_path / "a.wav", np.array([[-1.0], [0.5], [1.0 / 32768], [32767 / 32768]]))
    rate, data = wavfile.read(tmp_path / "a.wav")
    assert rate == 8000
    assert data.tolist() == [-32768, 16384, 1, 32767]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_short_files_and_odd_sizes(tmp_path, library, length):
    x = values(np.random.default_rng(3), "FLOAT", (max(length, 2), 1))[:length]
    write(tmp_path / "float.wav", x, "FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "float.wav")[0], x)
    x = values(np.random.default_rng(3), "PCM_U8", (max(length, 2), 1))[:length]
    write(tmp_path / "bytes.wav", x, "PCM_U8")  # an odd number of bytes wants a pad byte
    np.testing.assert_array_equal(read(tmp_path / "bytes.wav")[0], x)
    assert os.path.getsize(tmp_path / "bytes.wav") % 2 == 0


@pytest.mark.parametrize(("name", "subtype", "kept"), [("a.flac", "PCM_24", "PCM_24"), ("a.aiff", "PCM_U8", "PCM_U8")])
def test_other_formats(tmp_path, soundfile, name, subtype, kept):
    x = values(np.random.default_rng(4), subtype, (500, 2))
    assert write(tmp_path / name, x, subtype).subtype == kept
    np.testing.assert_array_equal(read(tmp_path / name)[0], x)


@pytest.mark.parametrize(("subtype", "kept"), [("FLOAT", "PCM_24"), ("PCM_32", "PCM_24"), ("PCM_U8", "PCM_S8")])
def test_nearest_subtype_where_the_format_lacks_one(tmp_path, soundfile, subtype, kept):
    assert write(tmp_path / "a.flac", np.zeros((10, 1)), subtype).subtype == kept


def test_lossy_format_is_near(tmp_path, soundfile):
    x = 0.3 * np.sin(np.arange(8000) / 20)[:, np.newaxis]
    write(tmp_path / "a.ogg", x)
    assert np.max(np.abs(read(tmp_path / "a.ogg")[0] - x)) < 0.05


def test_long_wav_files_get_a_64_bit_header(tmp_path, soundfile):
    x = np.array([[0.25], [-0.5]])
    with audio.Writer(tmp_path / "a.wav", 8000, 1, "PCM_16", frames=2**31) as writer:
        writer.write(x)
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], x)


def test_long_wav_files_without_soundfile(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_soundfile", lambda: None)
    with pytest.raises(audio.AudioError, match="files this long need: pip install soundfile"):
        audio.Writer(tmp_path / "a.wav", 8000, 1, "PCM_16", frames=2**31)


# ------------------------------------------------------------------------------------------------- rounding, clipping


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_rounding_is_to_nearest(bits):
    one = 2.0 ** (1 - bits)
    block = one * np.array([[0.49], [0.51], [-0.49], [-0.51], [1.4], [-1.6]])
    integers, clipped = audio.to_integers(block, bits)
    assert (integers[:, 0] >> (32 - bits)).tolist() == [0, 1, 0, -1, 1, -2]
    assert clipped == 0


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_clipping_is_counted(bits):
    top = 2 ** (bits - 1)
    block = np.array([[1.0, -1.0], [7.0, -7.0], [np.inf, -np.inf], [np.nan, (top - 1) / top]])
    integers, clipped = audio.to_integers(block, bits)
    expected = [[top - 1, -top], [top - 1, -top], [top - 1, -top], [0, top - 1]]
    assert (integers >> (32 - bits)).tolist() == expected
    assert clipped == 6


def test_writer_counts_over_blocks(tmp_path, library):
    assert write(tmp_path / "a.wav", np.linspace(-2, 2, 401)[:, np.newaxis]).clipped == 201
    y, _ = read(tmp_path / "a.wav")
    assert (y.min(), y.max()) == (-1.0, 32767 / 32768)


def test_float_files_do_not_clip(tmp_path, library):
    x = np.array([[3.5], [-8.25]])
    assert write(tmp_path / "a.wav", x, "FLOAT").clipped == 0
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], x)


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x24\0\0\0WAVE", b"hello, world", bytes(5000)])
def test_rubbish_is_refused_in_one_line(tmp_path, library, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(audio.AudioError, match=r"cannot read .*a\.wav: .") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(audio.AudioError, match="no such file"):
        audio.open_reader(tmp_path / "a.wav")
    with pytest.raises(audio.AudioError, match="not a file"):
        audio.open_reader(tmp_path)
    with pytest.raises(audio.AudioError, match="no such folder"):
        audio.Writer(tmp_path / "b" / "a.wav", 8000, 1)
    with pytest.raises(audio.AudioError, match="not a regular file"):
        audio.Writer(tmp_path, 8000, 1)


def test_other_formats_need_soundfile(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_soundfile", lambda: None)
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(audio.AudioError, match="pip install soundfile"):
        audio.open_reader(tmp_path / "a.flac")
    with pytest.raises(audio.AudioError, match="pip install soundfile"):
        audio.Writer(tmp_path / "b.flac", 8000, 1)


def test_unknown_extension(tmp_path, soundfile):
    with pytest.raises(audio.AudioError, match=r"no audio format is called \.foo"):
        audio.Writer(tmp_path / "a.foo", 8000, 1)


def test_truncated_wav_is_read_with_a_note(tmp_path, soundfile):
    write(tmp_path / "a.wav", np.zeros((1000, 1)))
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-500])
    y, reader = read(tmp_path / "a.wav")
    assert len(y) == 750
    assert "its header speaks of 2000 bytes of sound, there are 1500" in reader.note


def test_truncated_wav_is_refused_without_soundfile(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_soundfile", lambda: None)
    write(tmp_path / "a.wav", np.zeros((1000, 1)))
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-500])
    with pytest.raises(audio.AudioError, match="cannot read"):
        audio.open_reader(tmp_path / "a.wav")


def test_truncated_flac(tmp_path, soundfile):
    write(tmp_path / "a.flac", values(np.random.default_rng(5), "PCM_16", (20000, 1)))
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(audio.AudioError, match=r"a\.flac"):
        read(tmp_path / "a.flac")


def test_unusual_samples_are_refused_without_soundfile(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "_soundfile", lambda: None)
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 52, b"WAVE", b"fmt ", 16, 1, 1, 8000, 64000, 8, 64)
    (tmp_path / "a.wav").write_bytes(header + struct.pack("<4sI", b"data", 16) + bytes(16))
    with pytest.raises(audio.AudioError, match="samples of type int64"):
        audio.open_reader(tmp_path / "a.wav")


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, library):
    (tmp_path / "a.wav").write_bytes(b"old")

    def fail():
        with audio.Writer(tmp_path / "a.wav", 8000, 1) as writer:
            writer.write(np.zeros((100, 1)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_is_followed(tmp_path, library):
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    write(tmp_path / "link.wav", np.zeros((5, 1)))
    assert (tmp_path / "link.wav").is_symlink()
    assert len(read(tmp_path / "a.wav")[0]) == 5


def test_full_disk(tmp_path, library):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(audio.AudioError, match="cannot write"):
            write(tmp_path / "a.wav", np.zeros((100_000, 1)), size=50_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
